"""`netkit dig --watch`: what changes is shown as it happens, and how it ends."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from netkit.dns import DnsServer, parse_zone
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, netkit_argv, process_environment, row_of, run_netkit
from tests.conftest import free_port

pytestmark = pytest.mark.once


def zone_text(serial: int, *addresses: str) -> str:
    return (
        f"$ORIGIN example.test.\n@ 300 SOA ns1 host {serial} 2 3 4 60\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n"
        + "".join([f"www 300 A {address}\n" for address in addresses])
        + 'evil 300 TXT "\\027[2J"\n'
    )


def load(server: DnsServer, serial: int, *addresses: str) -> None:
    server.zones = type(server.zones)([parse_zone(zone_text(serial, *addresses))])


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[DnsServer, DnsServer]]:
    """A primary and a secondary."""
    with ExitStack() as stack:
        found = [DnsServer.bind("127.0.0.1:0", [parse_zone(zone_text(1, "192.0.2.1"))]) for _ in range(2)]
        for server in found:
            stack.enter_context(in_background(server.serve))
        yield found[0], found[1]


@contextmanager
def changing(server: DnsServer, after: int, change: Callable[[], None]) -> Iterator[None]:
    """Make a change after so many queries."""
    left = after

    def on_query(_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            change()

    server.on_query = on_query
    try:
        yield
    finally:
        server.on_query = None


def watch(server: DnsServer, *words: str, **how: Any) -> Result:
    """Watch the name as often as loopback allows: what is waited for here is the server, not the clock."""
    name = () if any(word.endswith(".test") for word in words) else ("www.example.test",)
    return run_netkit("dig", f"@{server.local_addr}", *name, "--watch", "--interval", "0.01", *words, **how)


def test_a_change(two: tuple[DnsServer, DnsServer]) -> None:
    server = two[0]
    load(server, 1, "192.0.2.1")
    with changing(server, 2, lambda: load(server, 2, "192.0.2.1", "192.0.2.7")):
        rows = watch(server, "--until", "changed", "--json").json
    *told, ended = rows
    assert [each["event"] for each in told] == ["first", *["unchanged"] * (len(told) - 2), "changed"]
    assert [each["round"] for each in told] == list(range(1, len(told) + 1))
    assert [each["rdata"] for each in told[-1]["difference"]["only_second"]] == ["192.0.2.7"]
    assert told[-1]["difference"]["only_first"] == []
    assert {each["server"] for each in told} == {str(server.local_addr)}
    assert [each["holds"] for each in told[-2:]] == [False, True]
    assert (ended["event"], ended["end"], ended["until"]) == ("ended", "holds", "changed")
    assert (ended["rounds"], ended["changes"]) == (len(told), 1)


def test_a_change_in_each_form(two: tuple[DnsServer, DnsServer]) -> None:
    server = two[0]

    def run(*words: str, **how: Any) -> Result:
        load(server, 1, "192.0.2.1")
        with changing(server, 1, lambda: load(server, 2, "192.0.2.7")):
            return watch(server, "--until", "answer=192.0.2.7", *words, **how)

    plain = run()
    assert (plain.exit_code, plain.stderr) == (0, "")
    cells = [line.split("\t") for line in plain.lines]
    assert {each[0] for each in cells} == {"www.example.test. A"}
    at = str(server.local_addr)
    assert [each[2:] for each in cells] == [
        ["first", at, "NOERROR", "-", "-"],
        ["record", at, "www.example.test.", "300", "A", "192.0.2.1"],
        ["changed", at, "NOERROR", "-", "-"],
        ["differ", at, "missing", "www.example.test.", "300", "IN", "A", "192.0.2.1"],
        ["differ", at, "extra", "www.example.test.", "300", "IN", "A", "192.0.2.7"],
        ["ended", "holds", "rounds=2", "changes=1"],
    ]
    assert run("--short").lines == ["192.0.2.1", "192.0.2.7"]
    shown = run(tty=True, width=80, env={"NO_COLOR": "1"})
    assert shown.exit_code == 0
    for part in (
        f"{at}: first: NOERROR",
        "- www.example.test. 300 A 192.0.2.1",
        "+ www.example.test. 300 A 192.0.2.7",
        "✓ `answer=192.0.2.7` holds: asked 2 times",
    ):
        assert part in shown.stdout, part
    assert "asking again at " in shown.stderr
    assert max(map(len, shown.lines)) <= 80


def test_waiting_until_a_secondary_has_the_zone(two: tuple[DnsServer, DnsServer]) -> None:
    primary, secondary = two
    load(primary, 2, "192.0.2.7")
    load(secondary, 1, "192.0.2.1")
    other = ("--compare", str(secondary.local_addr))
    # The answer and the serial are two queries a round.
    with changing(secondary, 4, lambda: load(secondary, 2, "192.0.2.7")):
        rows = watch(primary, *other, "--until", "agree", "--json").json
    *told, ended = rows
    assert [each["agree"] for each in told if each["round"] == 1] == [False, False]
    assert told[-1]["agree"] is True
    assert {each["zone_serial"] for each in told if each["round"] == 1} == {1, 2}
    assert ended["end"] == "holds"
    load(secondary, 1, "192.0.2.1")
    with changing(secondary, 4, lambda: load(secondary, 2, "192.0.2.7")):
        shown = watch(primary, *other, "--until", "agree and serial>=2", tty=True, env={"NO_COLOR": "1"})
    assert shown.exit_code == 0
    assert "1 of 2 servers agrees; 1 behind in serial" in shown.stdout
    assert "serial 1 (1 behind): " in shown.stdout
    assert "all 2 servers agree" in shown.stdout


def test_it_ends_without_what_was_waited_for(two: tuple[DnsServer, DnsServer]) -> None:
    server = two[0]
    load(server, 1, "192.0.2.1")
    counted = watch(server, "--until", "changed", "--count", "2")
    assert (counted.exit_code, counted.stderr) == (1, "")
    assert counted.lines[-1].endswith("ended\tcount\trounds=2\tchanges=0")
    late = watch(server, "--until", "changed", "--timeout", "0.05")
    assert late.exit_code == 7
    assert "`changed` does not hold after 0.05 s" in late.stderr
    assert late.lines[-1].split("\t")[2:4] == ["ended", "timeout"]
    ended = watch(server, "--until", "changed", "--timeout", "0.05", "--json").json[-1]
    assert (ended["end"], ended["error"]["kind"]) == ("timeout", "Timeout")


@pytest.mark.parametrize(
    ("words", "code"), [(("--count", "1"), 0), (("absent.example.test", "--count", "1"), 1),
                        (("--timeout", "0.05"), 0), (("www.elsewhere.test", "--count", "1"), 3)],
)  # fmt: skip
def test_without_a_condition_the_last_answer_decides(
    two: tuple[DnsServer, DnsServer], words: tuple[str, ...], code: int
) -> None:
    load(two[0], 1, "192.0.2.1")
    assert watch(two[0], *words).exit_code == code


def test_what_is_not_there_can_be_waited_for(two: tuple[DnsServer, DnsServer]) -> None:
    load(two[0], 1)
    assert watch(two[0], "--until", "!exists and rcode=NXDOMAIN").exit_code == 0
    assert watch(two[0], "--until", "exists", "--count", "2").exit_code == 1


def test_a_dead_server(two: tuple[DnsServer, DnsServer]) -> None:
    at = f"127.0.0.1:{free_port()}"
    result = run_netkit("dig", f"@{at}", "www.example.test", "--watch", "--interval", "0.01", "--count", "2")
    assert result.exit_code == 3
    assert [line.split("\t")[2] for line in result.lines] == ["failed", "ended"]
    load(two[0], 1, "192.0.2.1")
    both = watch(two[0], "--compare", at, "--until", "agree", "--count", "2", "--json")
    assert both.exit_code == 1
    assert [each["event"] for each in both.json[:2]] == ["first", "failed"]
    assert both.json[1]["reason"] == "connection refused"


def test_verbose_shows_what_has_not_changed(two: tuple[DnsServer, DnsServer]) -> None:
    load(two[0], 1, "192.0.2.1")
    assert "unchanged" in watch(two[0], "--count", "2", "--verbose").stdout
    assert "unchanged" not in watch(two[0], "--count", "2").stdout


def test_several_names(two: tuple[DnsServer, DnsServer]) -> None:
    load(two[0], 1, "192.0.2.1")
    result = watch(two[0], "www.example.test", "ns1.example.test", "--until", "exists", "--json")
    assert result.exit_code == 0
    ended = {each["input"]: each["end"] for each in result.json if each["event"] == "ended"}
    assert ended == {"www.example.test": "holds", "ns1.example.test": "holds"}


def test_hostile_text_reaches_no_terminal(two: tuple[DnsServer, DnsServer]) -> None:
    load(two[0], 1)
    for how in ({"tty": True}, {}):
        result = watch(two[0], "evil.example.test", "TXT", "--count", "1", **how)
        assert "\x1b[2J" not in result.stdout
        assert "\\027[2J" in result.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--watch", "--until", "rcode=NXDOMIAN"), "--until 'rcode=NXDOMIAN': at character 7: "),
        (("--watch", "--until", "serial>3"), "at character 1: the answer to A has no serial"),
        (("--watch", "--until", "agree"), "agree is for several servers"),
        (("--until", "changed"), "--until is for --watch"),
        (("--interval", "3"), "--interval is for --watch"),
        (("--count", "3"), "--count is for --watch"),
        (("--watch", "--count", "0"), "out of range"),
        (("--watch", "--interval", "0"), "not a time above 0"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], reason: str) -> None:
    result = run_netkit("dig", "@127.0.0.1", "www.example.test", *words)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stdout == ""


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        netkit_argv("dig", *words),
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_ctrl_c_ends_it_with_what_was_seen(two: tuple[DnsServer, DnsServer]) -> None:
    load(two[0], 1, "192.0.2.1")
    words = (f"@{two[0].local_addr}", "www.example.test", "--watch", "--json")
    with running(*words) as process:
        assert process.stdout is not None
        assert row_of(("dig",), process.stdout.readline())["event"] == "first"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        assert process.wait(10) == 130
    (ended,) = [row_of(("dig",), line) for line in rest]
    assert (ended["event"], ended["end"], ended["rounds"]) == ("ended", "interrupted", 1)


def test_a_closed_pipe_ends_it_also_if_nothing_changes(two: tuple[DnsServer, DnsServer]) -> None:
    load(two[0], 1, "192.0.2.1")
    words = (f"@{two[0].local_addr}", "www.example.test", "--watch", "--interval", "0.01")
    with running(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 141
        assert process.stderr.read() == b""
