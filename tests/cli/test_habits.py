"""What hands type that know other tools: each gets the line that helps."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import click
import pytest

from netkit.cli import table
from netkit.cli.frame.habits import SPELLINGS, joined, spellings
from netkit.cli.frame.root import load, root
from tests.cli.helpers import Result

pytestmark = pytest.mark.once

PATHS = {entry.path: entry for entry in table.COMMANDS}


def options_of(path: str) -> dict[str, bool]:
    """The options of a command, and whether a value follows each."""
    command = load(PATHS[path]) if path else root()
    return {
        name: not (param.is_flag or param.count)
        for param in command.params
        if isinstance(param, click.Option)
        for name in param.opts
    } | {"-h": False, "--help": False}


@pytest.mark.parametrize("path", SPELLINGS)
def test_every_spelling_is_one_of_netkit(path: str) -> None:
    """No line is about a flag that the command has, and each option that a line names is there."""
    own = options_of(path)
    for flag, text in SPELLINGS[path].items():
        assert flag not in own, f"{path or 'netkit'} has {flag} itself"
        named = [each for each in PATHS if f"netkit {each} " in f"{text.replace('`', ' ')} "]
        known = options_of(named[0]) if named else own
        if "after a command" in text:
            known = known | options_of("tls probe")
        bare = text.replace("nmap's -sT", "").replace("sh -c", "")
        for option in re.findall(r"(?<![\w'-])--?[A-Za-z][\w-]*(?:\.\d)?", bare):
            assert option in known or option in own, f"{path} {flag}: {text}"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        # nc and ncat
        ("tcp connect -z h:80", "`netkit tcp scan HOST PORTS` says which ports are open"),
        (
            "tcp connect -w 5 h:80",
            "write --timeout 5 for connecting, --idle-timeout 5 for silence after that",
        ),
        ("tcp connect -w5 h:80", "write --timeout 5 for connecting, --idle-timeout 5 for silence after that"),
        ("tcp connect -u h:80", "write netkit udp send HOST:PORT"),
        ("tcp connect -l 80", "write netkit tcp listen :PORT"),
        ("tcp connect -n 192.0.2.1:80", "leave it out: an address is never looked up"),
        ("tcp connect -s 192.0.2.1 h:80", "write --source 192.0.2.1"),
        ("tcp connect --ssl h:443", "write --tls"),
        ("tcp connect -vz h:80", "`netkit tcp scan HOST PORTS` says which ports are open"),
        ("tcp listen -p 80", "write netkit tcp listen :80"),
        ("tcp listen -e cat :80", "write --exec cat"),
        (
            "tcp listen -lvp 80 -e cat",
            "-l: leave it out: that is what is done; -p: write netkit tcp listen :80; -e: write --exec cat",
        ),
        ("udp send -w1 h:80", "write --wait 1, for what comes back"),
        ("udp listen -p 80", "write netkit udp listen :80"),
        ("unix listen -U ./s", "leave it out: that is what is done"),
        ("serve echo -u :7", "write --udp"),
        # curl
        ("tls probe -k h", "write --insecure"),
        ("tls probe --cacert root.pem h", "write --ca root.pem"),
        ("tls probe --connect-timeout 3 h", "write --timeout 3"),
        # openssl
        ("tls probe -servername a h", "write --servername a"),
        ("tls probe -connect h:443", "write netkit tls probe h:443"),
        (
            "tls probe -connect h:443 -servername a",
            "-connect: write netkit tls probe h:443; -servername: write --servername a",
        ),
        ("tls probe -CAfile root.pem h", "write --ca root.pem"),
        ("tls probe -showcerts h", "write --pem"),
        ("tls probe -tls1_2 h", "write --tls1.2"),
        ("tls probe -starttls smtp h", "write --starttls smtp"),
        ("tls probe -cert c.pem h", "write --cert c.pem"),
        ("tls probe -status -connect h:443", "-status: write --ocsp; -connect: write netkit tls probe h:443"),
        ("tls probe -reconnect h", "write --resumption"),
        ("tls probe --starttls-smtp h", "write --starttls smtp"),
        (
            "tcp connect -starttls smtp h:25",
            "`netkit tls probe --starttls smtp HOST` asks for TLS; no command talks on after it yet",
        ),
        ("tcp connect -connect h:443", "write netkit tcp connect --tls h:443"),
        # ping and nmap
        ("tcp ping -W 1 h:80", "write --timeout 1"),
        ("tcp scan -p 80,443 h", "the ports follow the hosts: netkit tcp scan HOST 80,443"),
        ("tcp scan -iL hosts.txt 80", "write -f hosts.txt"),
        # netkit itself
        ("-v", "did you mean netkit -V? What is done is shown by -v after a command"),
        ("--json dig x", "options follow the command: netkit COMMAND --json"),
        ("tls --json probe x", "options follow the command: netkit tls COMMAND --json"),
    ],
)
def test_flags_of_other_tools(netkit: Callable[..., Result], typed: str, hint: str) -> None:
    result = netkit(*typed.split())
    assert result.exit_code == 2
    [said, hinted] = result.stderr.splitlines()
    assert hinted == f"hint: {hint}"
    assert "there is no option -" in said


def test_the_flag_is_named_as_it_was_typed(netkit: Callable[..., Result]) -> None:
    said = netkit("tls", "probe", "-servername", "a", "h").stderr
    assert said.startswith("netkit: tls probe: there is no option -servername\n")


def test_values_are_not_taken_for_flags() -> None:
    takes_value = {"-o": True, "--timeout": True, "-v": False}
    assert spellings("tcp connect", takes_value, ["-o", "-z", "-oz", "--timeout", "-z", "h:1"]) == {}
    assert spellings("tcp connect", takes_value, ["--", "-z"]) == {}
    assert list(spellings("tcp connect", takes_value, ["-vz"])) == ["-z"]


def test_a_value_that_needs_quotes_is_not_repeated() -> None:
    assert spellings("tcp listen", {}, ["-e", "cat; reboot"]) == {"-e": "write --exec COMMAND"}


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("tcp connect localhost 5353", "netkit tcp connect localhost:5353"),
        ("tcp connect localhost https", "netkit tcp connect localhost:https"),
        ("tcp connect ::1 5353", "netkit tcp connect '[::1]:5353'"),
        ("tcp connect --tls localhost 5353", "write localhost:5353"),
        ("tcp connect --timeout 5 localhost 80", "write localhost:80"),
        ("tcp connect ::1:5353", "write [::1]:5353, or [::1:5353]:PORT if all of it is the address"),
        ("tcp ping localhost 5353", "netkit tcp ping localhost:5353"),
        ("udp send localhost 5353", "netkit udp send localhost:5353"),
        ("udp ping localhost 5353", "netkit udp ping localhost:5353"),
        ("tcp listen 127.0.0.1 9000", "netkit tcp listen 127.0.0.1:9000"),
        ("udp listen 127.0.0.1 9000", "netkit udp listen 127.0.0.1:9000"),
        ("serve echo 127.0.0.1 9000", "netkit serve echo 127.0.0.1:9000"),
        ("tls probe localhost 8443", "netkit tls probe localhost:8443"),
        ("tls probe a.example 443 8443 b.example", "netkit tls probe a.example:443 a.example:8443 b.example"),
    ],
)
def test_a_port_after_a_blank(netkit: Callable[..., Result], typed: str, hint: str) -> None:
    result = netkit(*typed.split())
    assert result.exit_code == 2
    assert result.stderr.splitlines()[1:] == [f"hint: {hint}"]
    if hint.startswith("netkit"):
        # The hint is a command line, and is read as one.
        again = netkit(*shlex.split(hint)[1:], "--no-such-option")
        assert "there is no option --no-such-option" in again.stderr


def test_a_port_too_many_is_not_explained_away(netkit: Callable[..., Result]) -> None:
    result = netkit("tcp", "connect", "localhost:80", "443")
    assert result.stderr.startswith(
        "netkit: tcp connect: too many arguments: 443\nhint: netkit tcp connect ["
    )


def test_joined() -> None:
    assert joined(["a", "80", "443", "b:1", "2"]) == ["a:80", "a:443", "b:1", "2"]
    assert joined(["a", "b"]) is None
    assert joined(["80"]) is None
    assert joined(["[::1]", "80"]) == ["[::1]:80"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tls prob", "netkit tls probe"),
        ("tsl probe", "netkit tls probe"),
        ("tls-probe", "netkit tls probe"),
        ("tls.probe", "netkit tls probe"),
        ("tls_probe example.com", "netkit tls probe"),
        ("probe", "netkit tls probe"),
        ("prob", "netkit tls probe"),
        ("udp snd", "netkit udp send"),
        ("tpc", "netkit tcp"),
        ("versoin", "netkit version"),
        ("conect", "netkit tcp connect or netkit unix connect"),
        ("connect", "netkit tcp connect or netkit unix connect"),
        ("help tls prob", "netkit tls probe"),
    ],
)
def test_a_command_that_is_close(netkit: Callable[..., Result], typed: str, meant: str) -> None:
    result = netkit(*typed.split())
    assert result.exit_code == 2
    assert result.stderr.splitlines()[1:] == [f"hint: did you mean {meant}?"]


def test_nothing_is_close(netkit: Callable[..., Result]) -> None:
    assert netkit("tls", "zzz").stderr.splitlines()[1].startswith("hint: there are: probe")
    assert netkit("zzz").stderr.splitlines()[1].startswith("hint: there are: dig, resolve, tls, ")


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("help", "--help"),
        ("help help", "--help"),
        ("help dig", "dig --help"),
        ("help tls", "tls --help"),
        ("help tls probe", "tls probe --help"),
        ("tls help", "tls --help"),
        ("tls help probe", "tls probe --help"),
        ("help tls probe --help", "tls probe --help"),
    ],
)
def test_help_is_a_word_too(netkit: Callable[..., Result], typed: str, same: str) -> None:
    shown, expected = netkit(*typed.split()), netkit(*same.split())
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == expected.stdout
    assert shown.stdout.startswith("Usage: netkit")


def test_help_pages_say_how_to_get_more(netkit: Callable[..., Result]) -> None:
    assert netkit().stdout.endswith("\n`netkit help COMMAND` shows more about one.\n")
    assert netkit("tls", "--help").stdout.endswith("\n`netkit help tls COMMAND` shows more about one.\n")
