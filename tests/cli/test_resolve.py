"""`netkit resolve`: where it looks, in which order it answers, every form of output, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netkit.dns import DnsServer, parse_zone
from netkit.dns.constants import Rcode
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, address_of, netkit_argv, process_environment
from tests.conftest import free_port
from tests.dns.scripted import Asked, ScriptedServer, answer

Netkit = Callable[..., Result]

ZONE = """
$ORIGIN example.com.
$TTL 300
@       SOA ns hostmaster 1 3600 600 86400 60
@       NS ns
ns      A 127.0.0.1
www     CNAME web
web 120 A 127.0.0.3
web 120 A 127.0.0.2
web 90  AAAA ::1
v4      A 127.0.0.9
mail    MX 10 www
db      A 127.0.0.7
deep.lan A 127.0.0.8
"""
REVERSE = """
$ORIGIN 127.in-addr.arpa.
$TTL 600
@       SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60
@       NS ns.example.com.
7.0.0   PTR db.example.com.
7.0.0   PTR database.example.com.
"""
HOSTS = """
127.0.0.1    localhost
127.0.0.70   printer.example.com printer   # in the hall
127.0.0.71   v4
fe80::70     six.example.com
127.0.0.72   here.example.com
"""


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    zones = [parse_zone(text) for text in (ZONE, REVERSE)]
    made = DnsServer.bind("127.0.0.1:0", zones)
    with in_background(made.serve):
        yield made


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options that put a hosts file, a resolv.conf and an nsswitch.conf of the test's in place."""
    for name, text in (
        ("hosts", HOSTS),
        ("resolv.conf", "search lan.example.com example.com\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
    ):
        (tmp_path / name).write_text(text)
    return [
        *("--hosts", str(tmp_path / "hosts")),
        *("--resolv-conf", str(tmp_path / "resolv.conf")),
        *("--nsswitch", str(tmp_path / "nsswitch.conf")),
    ]


@pytest.fixture
def resolve(netkit: Netkit, server: DnsServer, files: list[str]) -> Netkit:
    """`netkit resolve`, asking the test's server under the test's configuration."""

    def resolve(*args: str, **how: object) -> Result:
        return netkit("resolve", "--server", str(server.local_addr), *files, *args, **how)

    return resolve


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield address_of(sock)


def cells(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.lines]


class TestWhereItLooks:
    def test_dns(self, resolve: Netkit) -> None:
        result = resolve("www.example.com:https")
        assert result.exit_code == 0
        assert result.stderr == ""
        target, name = "www.example.com:443", "web.example.com"
        assert cells(result) == [
            [target, "1", "::1", "443", "IPv6", "dns", name, "90", "::1"],
            [target, "2", "127.0.0.3", "443", "IPv4", "dns", name, "120", "127.0.0.1"],
            [target, "3", "127.0.0.2", "443", "IPv4", "dns", name, "120", "127.0.0.1"],
        ]

    def test_hosts_file_comes_first(self, resolve: Netkit) -> None:
        assert cells(resolve("V4")) == [
            ["V4", "1", "127.0.0.71", "-", "IPv4", "hosts", "V4", "-", "127.0.0.1"]
        ]

    def test_unless_nsswitch_says_otherwise(self, resolve: Netkit, tmp_path: Path) -> None:
        (tmp_path / "nsswitch.conf").write_text("hosts: dns files\n")
        assert resolve("--short", "v4").lines == ["127.0.0.9"]
        assert resolve("--short", "printer").lines == ["127.0.0.70"]

    def test_a_reaction_ends_the_search(self, resolve: Netkit, tmp_path: Path) -> None:
        (tmp_path / "nsswitch.conf").write_text("hosts: dns [NOTFOUND=return] files\n")
        assert resolve("here.example.com").exit_code == 1

    def test_sources_not_asked_are_named_once(self, resolve: Netkit, tmp_path: Path) -> None:
        text = "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n"
        (tmp_path / "nsswitch.conf").write_text(text)
        result = resolve("v4", "printer", "www.example.com")
        assert result.exit_code == 0
        assert result.stderr.count("mymachines, resolve") == 1
        assert result.stderr.count("myhostname") == 1
        assert "--system" in result.stderr
        (row,) = resolve("v4", "--json").json
        assert row["not_asked"] == ["mymachines", "resolve"]

    def test_sources_not_asked_are_named_where_nothing_is_found(
        self, resolve: Netkit, tmp_path: Path
    ) -> None:
        (tmp_path / "nsswitch.conf").write_text("hosts: files mdns4_minimal [NOTFOUND=return] dns\n")
        result = resolve("box.local")
        assert result.exit_code == 3, "this server refuses what is outside of its zones"
        result = resolve("nothing.example.com")
        assert result.exit_code == 1
        assert "not asked: mdns4_minimal" in result.stderr

    def test_search_list(self, resolve: Netkit) -> None:
        assert resolve("--short", "web").lines == ["::1", "127.0.0.3", "127.0.0.2"]
        (row,) = resolve("db", "--json").json
        assert [each["name"] for each in row["addresses"]] == ["db.example.com"]

    def test_ndots(self, resolve: Netkit, tmp_path: Path) -> None:
        (tmp_path / "resolv.conf").write_text("search example.com\noptions ndots:2\n")
        assert cells(resolve("deep.lan"))[0][6] == "deep.lan.example.com"

    def test_one_family(self, resolve: Netkit) -> None:
        assert resolve("--short", "-4", "web").lines == ["127.0.0.3", "127.0.0.2"]
        assert resolve("--short", "-6", "web").lines == ["::1"]
        assert resolve("--short", "-4", "six.example.com").exit_code == 1

    @pytest.mark.parametrize(
        ("given", "shown", "address", "port"),
        [
            ("127.0.0.1", "127.0.0.1", "127.0.0.1", "-"),
            ("127.0.0.1:80", "127.0.0.1:80", "127.0.0.1", "80"),
            ("::1", "::1", "::1", "-"),
            ("[::1]:53", "[::1]:53", "::1", "53"),
            ("https://127.0.0.1/path", "127.0.0.1:443", "127.0.0.1", "443"),
        ],
    )
    def test_literals(self, resolve: Netkit, given: str, shown: str, address: str, port: str) -> None:
        ((told, _, found, told_port, _, source, *_),) = cells(resolve(given))
        assert (told, found, told_port, source) == (shown, address, port, "literal")

    def test_literal_of_the_other_family(self, resolve: Netkit) -> None:
        result = resolve("-6", "127.0.0.1")
        assert result.exit_code == 1
        assert "IPv4" in result.stderr

    def test_unreachable_is_said(self, resolve: Netkit) -> None:
        # Link-local without a zone: there is no telling on which link.
        ((*_, reached_from),) = cells(resolve("six.example.com"))
        assert reached_from == "unreachable"
        (row,) = resolve("six.example.com", "--json").json
        assert row["addresses"][0]["reached_from"] is None

    def test_several_servers(self, netkit: Netkit, server: DnsServer, files: list[str]) -> None:
        with ScriptedServer(lambda asked: answer(asked, rcode=Rcode.REFUSED)) as refusing:
            servers = ("--server", str(refusing.addr), "--server", str(server.local_addr))
            assert netkit("resolve", *servers, *files, "--short", "db").lines == ["127.0.0.7"]
            assert refusing.asked

    def test_names_servers_of_resolv_conf(self, netkit: Netkit, files: list[str], tmp_path: Path) -> None:
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.250\nsearch example.com\n")
        result = netkit("resolve", *files, "www", "--timeout", "0.2")
        assert result.exit_code in (3, 7), "closed, or silent where all of 127.0.0.0/8 is not this machine"
        assert "127.0.0.250:53" in result.stderr

    def test_one_family_fails(self, netkit: Netkit, files: list[str]) -> None:
        def script(asked: Asked) -> object:
            if asked.rdtype == "AAAA":
                return answer(asked, rcode=Rcode.SERVFAIL)
            return answer(asked, f"{asked.name} 60 A 127.0.0.5")

        with ScriptedServer(script) as half:  # type: ignore[arg-type]
            args = ("resolve", "--server", str(half.addr), *files, "half.example.")
            result = netkit(*args)
            assert (result.exit_code, cells(result)[0][2]) == (0, "127.0.0.5")
            assert "there may be more addresses" in result.stderr
            assert "SERVFAIL" in result.stderr
            result = netkit(*args, "--json")
            (row,) = result.json
            assert "SERVFAIL" in row["problems"][0]
            assert result.stderr == ""


class TestReverse:
    def test_dns(self, resolve: Netkit) -> None:
        assert sorted(cells(resolve("-x", "127.0.0.7"))) == [
            ["127.0.0.7", "1", "db.example.com", "dns", "600"],
            ["127.0.0.7", "2", "database.example.com", "dns", "600"],
        ]

    def test_hosts_file(self, resolve: Netkit) -> None:
        assert resolve("-x", "127.0.0.70", "--short").lines == ["printer.example.com", "printer"]

    def test_json(self, resolve: Netkit) -> None:
        (row,) = resolve("-x", "127.0.0.7", "--json").json
        assert row["address"] == row["input"] == "127.0.0.7"
        named = {"name": "db.example.com", "name_unicode": None, "source": "dns", "ttl_s": 600}
        assert row["names"][0] == named

    def test_many(self, resolve: Netkit) -> None:
        result = resolve("-x", "-f", "-", "--ordered", stdin="127.0.0.7\n127.0.0.70\n127.0.0.99\nno\n")
        assert result.exit_code == 9
        assert [line[0] for line in cells(result)] == [
            "127.0.0.7", "127.0.0.7", "127.0.0.70", "127.0.0.70", "127.0.0.99", "no",
        ]  # fmt: skip
        assert cells(result)[-1][1:3] == ["error", "usage.BadInput"]

    def test_no_name(self, resolve: Netkit) -> None:
        assert resolve("-x", "127.0.0.99").exit_code == 1

    def test_table(self, resolve: Netkit) -> None:
        result = resolve("-x", "127.0.0.7", tty=True, env={"NO_COLOR": "1"})
        assert "db.example.com" in result.stdout and "TTL" in result.stdout


class TestForms:
    def test_json(self, resolve: Netkit) -> None:
        result = resolve("www:443", "--json")
        (row,) = result.json
        assert row["type"] == "resolve"
        assert (row["input"], row["host"], row["port"]) == ("www:443", "www", 443)
        assert row["aliases"] == ["www.example.com"]
        assert row["problems"] == row["not_asked"] == []
        assert row["addresses"][0] == {
            "address": "::1",
            "family": 6,
            "source": "dns",
            "name": "web.example.com",
            "name_unicode": None,
            "ttl_s": 90,
            "reached_from": "::1",
        }
        assert 0 < row["elapsed_s"] < 5

    @pytest.mark.parametrize("width", [80, 100, 160])
    def test_table(self, resolve: Netkit, width: int) -> None:
        result = resolve("www:443", tty=True, width=width, env={"NO_COLOR": "1"})
        assert result.exit_code == 0
        assert max(map(len, result.lines)) <= width
        assert "\x1b" not in result.stdout
        rows = [line.split("│")[1:-1] for line in result.lines if "127.0.0.3" in line]
        family = ["IPv4"] if width >= 100 else []
        expected = ["2", "127.0.0.3:443", *family, "dns", "web.example.com", "120", "127.0.0.1"]
        assert [[cell.strip() for cell in row] for row in rows] == [expected]
        assert "aliases: www.example.com → web.example.com" in result.stdout

    def test_narrow_table(self, resolve: Netkit) -> None:
        result = resolve("www:443", tty=True, width=40, env={"NO_COLOR": "1"})
        assert max(map(len, result.lines)) <= 40

    def test_ascii_terminal(self, resolve: Netkit) -> None:
        result = resolve("www", tty=True, encoding="ascii", env={"NO_COLOR": "1"})
        assert "aliases: www.example.com -> web.example.com" in result.stdout
        assert result.stdout.isascii()

    def test_unreachable_in_the_table(self, resolve: Netkit) -> None:
        assert "unreachable" in resolve("six.example.com", tty=True).stdout

    def test_many_on_a_terminal_are_a_line_each(self, resolve: Netkit) -> None:
        result = resolve("db", "printer", "none.example.com", "--ordered", tty=True, env={"NO_COLOR": "1"})
        assert result.exit_code == 9
        assert [line.split()[0] for line in result.lines] == ["input", "db", "printer", "none.example.com"]
        assert "127.0.0.7" in result.lines[1]
        assert "no address for this host" in result.lines[3]

    def test_many_in_plain(self, resolve: Netkit) -> None:
        result = resolve("db", "web", "none.example.com", "--ordered")
        assert result.exit_code == 9
        assert [line[0] for line in cells(result)] == ["db", "web", "web", "web", "none.example.com"]
        assert cells(result)[-1][1:3] == ["error", "dns.HostNotFound"]

    def test_many_in_json(self, resolve: Netkit) -> None:
        rows = resolve("db", "none.example.com", "--json", "--ordered").json
        assert [row["input"] for row in rows] == ["db", "none.example.com"]
        assert rows[1]["error"]["kind"] == "HostNotFound"
        assert "none.example.com. (does not exist)" in rows[1]["error"]["hint"]

    def test_dialogue(self, resolve: Netkit) -> None:
        result = resolve("-v", "www")
        assert "hosts file: www: not there" in result.stderr
        assert "asking over UDP: www.example.com. AAAA" in result.stderr
        assert "NOERROR over UDP: www.example.com. A," in result.stderr
        assert "NXDOMAIN over UDP: www.lan.example.com. A," in result.stderr

    def test_quiet(self, resolve: Netkit) -> None:
        result = resolve("-q", "none.example.com")
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")


class TestExitCodes:
    def test_no_such_name(self, resolve: Netkit) -> None:
        result = resolve("none.example.com")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "resolving none.example.com: no address for this host" in result.stderr
        assert "asked for none.example.com. (does not exist)" in result.stderr

    def test_no_data(self, resolve: Netkit) -> None:
        result = resolve("mail.example.com.")
        assert result.exit_code == 1
        assert "mail.example.com. (no address)" in result.stderr

    @pytest.mark.parametrize(
        ("rcode", "told"),
        [(Rcode.SERVFAIL, "SERVFAIL"), (Rcode.REFUSED, "refuses"), (Rcode.NOTIMP, "NOTIMP")],
    )
    def test_no_usable_answer(self, netkit: Netkit, files: list[str], rcode: Rcode, told: str) -> None:
        with ScriptedServer(lambda asked: answer(asked, rcode=rcode)) as server:
            result = netkit("resolve", "--server", str(server.addr), *files, "x.example.")
        assert result.exit_code == 3
        assert told in result.stderr

    def test_nobody_there(self, netkit: Netkit, files: list[str]) -> None:
        addr = f"127.0.0.1:{free_port()}"
        result = netkit("resolve", "--server", addr, *files, "x.example.")
        assert result.exit_code == 3
        assert "refused" in result.stderr

    def test_malformed_answer(self, netkit: Netkit, files: list[str]) -> None:
        with ScriptedServer(lambda asked: asked.wire[:2] + b"\x84\x00\xff") as server:
            result = netkit("resolve", "--server", str(server.addr), *files, "x.example.")
        assert result.exit_code == 6
        assert "malformed" in result.stderr and "octet" in result.stderr

    def test_silence(self, netkit: Netkit, files: list[str], silent: str) -> None:
        result = netkit("resolve", "--server", silent, *files, "--timeout", "1", "x.example.")
        assert result.exit_code == 7
        # Its share of the time is a little less than all of it; which is over first is up to the machine.
        told = f"x.example. AAAA: no answer within .* 2 queries .from {silent}."
        assert re.search(f"{told}|timed out while asking {silent} for x.example. AAAA", result.stderr)

    def test_silence_that_outlasts_everything(self, netkit: Netkit, files: list[str], silent: str) -> None:
        result = netkit("resolve", "--server", silent, *files, "--timeout", "0.001", "x.example.")
        assert result.exit_code == 7
        assert re.search("no answer within|timed out while asking", result.stderr)

    def test_every_server_has_its_turn(
        self, netkit: Netkit, files: list[str], server: DnsServer, silent: str
    ) -> None:
        servers = ("--server", silent, "--server", str(server.local_addr))
        assert netkit("resolve", *servers, *files, "--timeout", "0.4", "--tries", "1", "db.example.com").exit_code == 0  # fmt: skip # noqa: E501

    @pytest.mark.parametrize(
        "args",
        [
            [],
            ["1.2.3"],
            ["-4", "-6", "x"],
            ["-x", "-4", "127.0.0.1"],
            ["-x", "www.example.com"],
            ["--server", "ns.example.com", "x"],
            ["--system", "--server", "127.0.0.1", "x"],
            ["--system", "-x", "127.0.0.1"],
            ["--timeout", "0", "x"],
            ["--tries", "0", "x"],
            ["a..b"],
            ["x:99999"],
            ["--json", "--short", "x"],
        ],
        ids=" ".join,
    )
    def test_usage(self, netkit: Netkit, files: list[str], args: list[str]) -> None:
        extra = [] if "--system" in args else files
        result = netkit("resolve", *extra, *args)
        assert result.exit_code == 2
        assert result.stderr.startswith("netkit: ")
        assert result.stdout == ""

    @pytest.mark.parametrize("option", ["--hosts", "--resolv-conf", "--nsswitch"])
    def test_files_that_are_not_there(self, netkit: Netkit, tmp_path: Path, option: str) -> None:
        path = str(tmp_path / "absent")
        result = netkit("resolve", option, path, "localhost")
        assert result.exit_code == 8
        assert path in result.stderr


class TestSystem:
    def test_it_is_asked(self, netkit: Netkit, monkeypatch: pytest.MonkeyPatch) -> None:
        def told(host: str, *_: object) -> list[tuple[object, ...]]:
            assert host == "two.example"
            v4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.4", 0))
            return [v4, (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)), v4]

        monkeypatch.setattr(socket, "getaddrinfo", told)
        assert cells(netkit("resolve", "--system", "two.example:80")) == [
            ["two.example:80", "1", "127.0.0.4", "80", "IPv4", "system", "two.example", "-", "127.0.0.1"],
            ["two.example:80", "2", "::1", "80", "IPv6", "system", "two.example", "-", "::1"],
        ]

    @pytest.mark.parametrize(
        ("code", "exit_code"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 3), (socket.EAI_FAIL, 3)]
    )
    def test_its_failures(
        self, netkit: Netkit, monkeypatch: pytest.MonkeyPatch, code: int, exit_code: int
    ) -> None:
        def fails(*_: object) -> None:
            raise socket.gaierror(code, "so it says")

        monkeypatch.setattr(socket, "getaddrinfo", fails)
        result = netkit("resolve", "--system", "x.example")
        assert result.exit_code == exit_code
        assert "cannot resolve x.example: so it says" in result.stderr

    def test_it_may_not_take_for_ever(self, netkit: Netkit, monkeypatch: pytest.MonkeyPatch) -> None:
        let_go = threading.Event()

        def hangs(*_: object) -> list[object]:
            let_go.wait(5)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", hangs)
        result = netkit("resolve", "--system", "--timeout", "0.05", "x.example")
        let_go.set()
        assert result.exit_code == 7
        assert "getaddrinfo" in result.stderr


def test_interrupted(silent: str, files: list[str]) -> None:
    """Ctrl-C while a server keeps silent ends it at once."""
    with subprocess.Popen(
        netkit_argv("resolve", "-v", "--server", silent, *files, "--timeout", "30", "x.example."),
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "asking over UDP" in line:
                break
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
        assert "Traceback" not in process.stderr.read()


def test_a_reader_that_goes_away(netkit_process: Netkit, files: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = netkit_process("resolve", *files, "localhost", stdout=writing)
    finally:
        os.close(writing)
    assert result.exit_code == 141
    assert result.stderr == ""
