"""`netkit http parse`: each form of output, what it exits with, and that nothing reaches a terminal raw."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from netkit.cli.commands.http_parse import TOLERANCES
from netkit.cli.render.octets import shown, underlined
from netkit.http.parser.framing import Lenient
from tests.cli.helpers import Result, run_netkit, run_netkit_process
from tests.http.finding_examples import EXAMPLES, Example

Netkit = Callable[..., Result]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CONFLICT = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
)


def test_accepted(netkit: Netkit) -> None:
    done = netkit("http", "parse", "-", "--json", stdin=GET)
    assert done.exit_code == 0
    (row,) = done.json
    assert (row["type"], row["input"]) == ("http.parse", "-")
    assert (row["message_kind"], row["accepted"]) == ("request", True)
    (message,) = row["messages"]
    assert message["headers"] == [
        {"name": "Host", "value": "a", "offset": 16, "value_offset": 22, "value_length": 1}
    ]
    assert (message["framing"], message["framing_section"]) == ("none", "RFC 9112 section 6.3, item 7")
    assert netkit("http", "parse", "-", "--short", stdin=GET).lines == ["accepted"]


def test_plain(netkit: Netkit, tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(GET + CONFLICT)
    lines = netkit("http", "parse", str(file)).lines
    why = "a request without Content-Length and Transfer-Encoding has no body"
    assert lines[:6] == [
        f"{file}\t0\trequest\t0\t27",
        f"{file}\t0\tmethod\t0\tGET",
        f"{file}\t0\ttarget\t4\t/",
        f"{file}\t0\tversion\t6\tHTTP/1.1",
        f"{file}\t0\theader\t16\tHost\ta",
        f"{file}\t0\tframing\tnone\t{why}\tRFC 9112 section 6.3, item 7",
    ]
    assert f"{file}\t1\tchunk\t102\t3\t-" in lines
    assert lines[-1] == f"{file}\t-\tverdict\trefused\tframing-conflict"


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_at_a_terminal(netkit: Netkit, width: int, encoding: str) -> None:
    done = netkit(
        *("http", "parse", "-", "--hexdump", "--color", "never"),
        stdin=GET + CONFLICT,
        tty=True,
        width=width,
        encoding=encoding,
    )
    lines = done.stdout.splitlines()
    dump = [line for line in lines if line.endswith("|")]
    assert max(len(line) for line in lines if line not in dump) <= width
    assert "Request 1: octets 0 to 26" in lines
    at = lines.index("    Content-Length: 4\\r\\n")
    assert lines[at + 1] == "    " + "^" * 17
    words = " ".join(done.stdout.split())
    assert "llhttp and nginx refuse it, h11 accepts it" in words
    assert "RFC 9112 section 6.1; --lenient cl-te lets it pass" in words
    assert "refused: framing-conflict" in words
    if width >= 80:
        assert "00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|" in lines


def test_a_framing_conflict_is_a_no_unless_it_is_let_pass(netkit: Netkit) -> None:
    done = netkit("http", "parse", "-", "--json", stdin=CONFLICT)
    assert done.exit_code == 1
    assert done.json[0]["error"]["kind"] == "FramingConflict"
    assert done.json[0]["messages"][0]["framing_conflict"] is True
    assert "hint: --lenient cl-te lets it pass" in done.stderr
    done = netkit("http", "parse", "-", "--json", "--lenient", "cl-te", stdin=CONFLICT)
    assert done.exit_code == 0
    assert done.json[0]["findings"][0]["severity"] == "warning"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)
def test_every_finding_in_every_form(netkit: Netkit, example: Example) -> None:
    options = ["--request"] if example.kind == "request" else []
    done = netkit("http", "parse", "-", "--json", *options, stdin=example.octets)
    assert done.exit_code in (0, 1)
    if not example.options:
        assert example.code in [finding["code"] for finding in done.json[0]["findings"]]
        assert done.exit_code == (example.severity == "error")
        assert ("error" in done.json[0]) is (example.severity == "error")
    shown = netkit("http", "parse", "-", *options, tty=True, stdin=example.octets)
    assert shown.exit_code == done.exit_code


def test_tolerances_are_the_flags_there_are() -> None:
    assert [flag.option for flag in Lenient] == list(TOLERANCES)


@pytest.mark.parametrize(
    ("octets", "options", "code"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", [], 1),
        (b"GET / HTTP/1.1\nHost: a\n\n", ["--lenient", "bare-lf"], 0),
        (b"BREW / HTTP/1.1\nHost: a\n\n", ["--lenient", "bare-lf", "--lenient", "unknown-method"], 0),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", [], 0),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ["--strict"], 1),
        (b"HTTP/1.1 200\nContent-Length: 0\n\n", ["--lenient", "bare-lf"], 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", [], 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", ["--request-method", "HEAD"], 0),
        (b"HTTP/1.1 200 OK\r\n\r\n", ["--request"], 1),
        (GET, ["--response"], 1),
        (b"", [], 1),
    ],
)
def test_tolerances_and_kinds(netkit: Netkit, octets: bytes, options: list[str], code: int) -> None:
    assert netkit("http", "parse", "-", *options, stdin=octets).exit_code == code


def test_what_it_is_instead_is_said(netkit: Netkit) -> None:
    done = netkit("http", "parse", "-", stdin=b"\x16\x03\x01\x00\xa5\x01")
    assert (
        "netkit: parsing -: a TLS record instead of HTTP at octet 0\nhint: one side speaks TLS" in done.stderr
    )
    done = netkit("http", "parse", "-", stdin=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert "the connection preface of HTTP/2" in done.stderr


def test_several_files(netkit: Netkit, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(GET)
    bad.write_bytes(b"GET\r\n\r\n")
    done = netkit("http", "parse", str(good), str(bad), str(tmp_path / "none"), "--json")
    assert done.exit_code == 9
    assert [(row["input"], row.get("error", {}).get("kind")) for row in done.json] == [
        (str(good), None),
        (str(bad), "InvalidRequestLine"),
        (str(tmp_path / "none"), "NoSuchFile"),
    ]
    done = netkit("http", "parse", str(good), str(good), tty=True)
    assert done.exit_code == 0
    assert done.stdout.count("accepted: 1 request") == 2


def test_files_that_cannot_be_read(netkit: Netkit, tmp_path: Path) -> None:
    assert netkit("http", "parse", str(tmp_path)).exit_code == 8
    assert netkit("http", "parse", str(tmp_path / "none")).exit_code == 8


def test_limits(netkit: Netkit) -> None:
    octets = GET[:-2] + b"".join(b"A: b\r\n" for _ in range(200)) + b"\r\n"
    done = netkit("http", "parse", "-", stdin=octets)
    assert done.exit_code == 1
    assert "hint: --limit max-header-count=N allows more" in done.stderr
    assert netkit("http", "parse", "-", "--limit", "max-header-count=201", stdin=octets).exit_code == 0
    assert netkit("http", "parse", "-", "--limit", "max-header-line=3", stdin=GET).exit_code == 1


def test_limits_are_those_there_are() -> None:
    from netkit.cli.commands.http_parse import LIMITS
    from netkit.http.diagnose.diagnosis import BODY_LIMITS, HEAD_LIMITS

    assert {name.replace("-", "_") for name in LIMITS} == {*HEAD_LIMITS, *BODY_LIMITS}


def test_a_closed_standard_input() -> None:
    done = run_netkit_process("http", "parse", "-", preexec_fn=lambda: os.close(0))
    assert done.exit_code == 8
    assert "standard input: it is closed" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "FILE is missing"),
        (["-", "--request", "--response"], "--request and --response exclude each other"),
        (["-", "--request", "--request-method", "HEAD"], "--request and --request-method exclude"),
        (["-", "--strict", "--lenient", "bare-lf"], "--strict and --lenient exclude each other"),
        (["-", "--lenient", "everything"], "everything"),
        (["-", "--request-method", "GE T"], "'GE T' is not a method"),
        (["-", "--request-method", "\udcff"], "is not a method"),
        (["-", "--limit", "max-lines=4"], "'max-lines' is not a limit"),
        (["-", "--limit", "max-header-count=x"], "'x' is not a number"),
        (["-", "--limit", "max-header-count=99999999999"], "write a whole number from 0"),
    ],
)
def test_wrong_usage(netkit: Netkit, options: list[str], says: str) -> None:
    done = netkit("http", "parse", *options, stdin=GET)
    assert done.exit_code == 2
    assert says in done.stderr


def test_as_a_process(tmp_path: Path) -> None:
    """A closed pipe ends it quietly."""
    file = tmp_path / "m"
    file.write_bytes(GET * 1000)
    done = run_netkit_process("http", "parse", "-", stdin=CONFLICT)
    assert (done.exit_code, done.stdout.count("\n")) == (1, 13)
    with open("/dev/full", "wb") as full:
        assert run_netkit_process("http", "parse", str(file), stdout=full).exit_code == 8


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda tail: b"GET / HTTP/1.1\r\nA: " + tail))
def test_nothing_reaches_the_terminal_raw(octets: bytes) -> None:
    for tty in (False, True):
        done = run_netkit("http", "parse", "-", "--hexdump", "--color", "never", stdin=octets, tty=tty)
        assert done.exit_code in (0, 1)
        assert not set(done.raw) & {*range(9), *range(11, 32), 0x7F}
        assert "\x9b" not in done.stdout


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300), st.integers(20, 200))
def test_underlined(octets: bytes, offset: int, length: int, width: int) -> None:
    offset = min(offset, len(octets))
    length = min(length, len(octets) - offset)
    line, carets = underlined(octets, offset, length, width)
    assert len(line) <= width
    assert len(carets) <= width
    assert line.isascii()
    assert carets.strip(" ").strip("^") == ""
    marked = line[carets.index("^") :]
    if length:
        assert (
            marked[: len(carets.lstrip())] == shown(octets[offset : offset + length])[: len(carets.lstrip())]
        )
