"""`netkit dig` against servers that lie, break off, or say nothing: exit code, message and JSON of each."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from netkit.dns.constants import Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import QR, TC, Message, make_response
from tests.cli.helpers import Result, address_of, netkit_argv, process_environment
from tests.conftest import free_port
from tests.dns.scripted import CLOSE, RESET, Asked, Elsewhere, Script, ScriptedServer, answer, changed

Netkit = Callable[..., Result]
Serving = Callable[[Script], str]

RECORD = "www.example. 60 A 192.0.2.1"
SOA = "example. 60 SOA ns1.example. hostmaster.example. 1 2 3 4 5"


@pytest.fixture
def serving() -> Iterator[Serving]:
    """`serving(script)`: `@ADDRESS:PORT` of a server that follows it."""
    with ExitStack() as servers:
        yield lambda script: f"@{servers.enter_context(ScriptedServer(script)).addr}"


def right(asked: Asked) -> Message:
    return answer(asked, RECORD)


def truncated(asked: Asked) -> Message:
    """Cut short over UDP."""
    return answer(asked).replace(flags=QR | TC)


def said(result: Result) -> str:
    """What standard error says, without the port of a server."""
    return re.sub(r"127\.0\.0\.1:\d+", "SERVER", result.stderr)


def raw(counts: tuple[int, int, int, int], rest: bytes) -> Script:
    """A response with these counts, and octets after the question, which ends at octet 29."""

    def script(asked: Asked) -> bytes:
        return asked.wire[:2] + b"\x84\x00" + struct.pack(">HHHH", *counts) + asked.wire[12:29] + rest

    return script


_A = struct.pack(">HHIH", 1, 1, 60, 4)
_MX = b"\xc0\x0c" + struct.pack(">HHIH", 15, 1, 60, 4) + b"\x00\x0a"
ONE = (1, 1, 0, 0)

#: Malformed answers to `www.example`, and what is said of each after "malformed DNS message (from SERVER): ".
MALFORMED: dict[str, tuple[Script, str]] = {
    "pointer to itself": (raw(ONE, b"\xc0\x1d" + _A + bytes(4)), "answer[0].name at octet 29: "),
    "pointer forward": (raw(ONE, b"\xc0\x80" + _A + bytes(4)), "answer[0].name at octet 29: "),
    "loop of two pointers": (raw(ONE, b"\x01a\xc0\x1d" + _A + bytes(4)), "answer[0].name at octet 31: "),
    "name over 255 octets": (
        raw(ONE, (b"\x3f" + b"a" * 63) * 4 + b"\0" + _A), "answer[0].name at octet 221: ",
    ),
    "label type 01": (raw(ONE, b"\x41a\0" + _A + bytes(4)), "answer[0].name at octet 29: "),
    "count that lies": (raw((1, 9, 0, 0), b""), "header.ancount at octet 6: 0 of 9 records are there"),
    "count of all that lies": (raw((1, 65535, 65535, 65535), b"\0" * 40), "answer[3].ttl at octet 67: "),
    "record that is cut": (raw(ONE, b"\xc0\x0c" + _A + bytes(3)), "answer[0].rdata at octet 41: "),
    "exchange cut": (raw(ONE, _MX + b"\x05a"), "answer[0].rdata.exchange at octet 43: "),
    "pointer in rdata forward": (raw(ONE, _MX + b"\xc0\xff"), "answer[0].rdata.exchange at octet 43: "),
    "octets left over": (raw((1, 0, 0, 0), b"\0" * 5), "message at octet 29: 5 octets after the last record"),
    "only a header": (lambda asked: raw((1, 0, 0, 0), b"")(asked)[:12], "header.qdcount at octet 4: "),  # type: ignore[index]
}  # fmt: skip


@pytest.mark.parametrize(("script", "where"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_a_malformed_answer_is_6_and_says_field_and_octet(
    netkit: Netkit, serving: Serving, script: Script, where: str, transport: str
) -> None:
    server = serving(script)
    result = netkit("dig", server, "www.example", "+tries=1", transport, "--json")
    assert result.exit_code == 6, result
    assert said(result).startswith(f"netkit: dig: malformed DNS message (from SERVER): {where}")
    (row,) = result.json
    assert (row["error"]["layer"], row["error"]["kind"]) == ("dns", "InvalidResponse")


def test_a_malformed_answer_over_tcp_is_none_that_was_truncated(netkit: Netkit, serving: Serving) -> None:
    server = serving(lambda asked: asked.wire[:2] + b"\x86\x00" + asked.wire[4:20])  # with TC, and no type
    result = netkit("dig", server, "www.example", "+tries=1", "+tcp")
    assert (result.exit_code, "hint:" in result.stderr) == (6, False)
    assert said(result).startswith("netkit: dig: malformed DNS message (from SERVER): question[0].")


def test_a_malformed_answer_is_shown_as_far_as_it_could_be_read(netkit: Netkit, serving: Serving) -> None:
    good = b"\xc0\x0c" + _A + bytes((192, 0, 2, 1))
    bad = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 3) + bytes(3)
    server = serving(raw((1, 2, 0, 0), good + bad + b"\xff\xff"))
    about = [
        "answer[1].rdata.address at octet 57: needs 4 octets; left of the rdata: 3",
        "message at octet 60: 2 octets after the last record",
    ]
    result = netkit("dig", server, "www.example", "+notcp")
    assert result.exit_code == 6
    lines = result.stdout.splitlines()
    assert lines[:2] == [f";; WARNING: malformed: {each}" for each in about]
    assert "www.example.\t\t60\tIN\tA\t192.0.2.1" in lines
    assert "www.example.\t\t60\tIN\tA\t\\# 3 000000" in lines
    hidden = netkit("dig", server, "www.example", "+notcp", "+nobesteffort", "+tries=1")
    assert (hidden.exit_code, hidden.stdout, about[0] in hidden.stderr) == (6, "", True)
    (row,) = netkit("dig", server, "www.example", "+notcp", "--json").json
    assert [
        f"{each['field']} at octet {each['offset']}: {each['reason']}" for each in row["complaints"]
    ] == about
    assert b64decode(row["wire_b64"])[29:] == good + bad + b"\xff\xff"
    assert [each["rdata"] for each in row["answer"]] == ["192.0.2.1", "\\# 3 000000"]
    server = serving(lambda asked: asked.wire[:2] + b"\x84\x00\0\0\0\1\0\0\0\0\0" + _A + bytes(4))
    result = netkit("dig", server, "www.example", "+tries=1", "+notcp")
    assert result.exit_code == 6
    assert ";; WARNING: malformed: question at octet 4: none in a response without an error" in result.stdout
    # Of one that nothing is wrong with, the octets are not repeated.
    (row,) = netkit("dig", serving(right), "www.example", "--json").json
    assert (row["complaints"], row["wire_b64"]) == ([], None)


#: What is not the answer: ignored until it comes.
FORGED: dict[str, Callable[[Asked], Any]] = {
    "wrong ID": lambda asked: changed(right(asked).to_wire(), 0, asked.wire[0] ^ 0xFF),
    "another question": lambda asked: changed(right(asked).to_wire(), 13, ord("x")),
    "another type": lambda asked: changed(right(asked).to_wire(), 26, 28),
    "the query itself": lambda asked: asked.wire,
    "garbage with another ID": lambda asked: bytes([asked.wire[0] ^ 1]) * 50,
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_forgeries_are_ignored_and_counted(
    netkit: Netkit, serving: Serving, forged: Callable[[Asked], Any]
) -> None:
    server = serving(lambda asked: [forged(asked), forged(asked), forged(asked), right(asked)])
    result = netkit("dig", server, "www.example", "--json")
    (row,) = result.json
    assert (result.exit_code, row["ignored"]) == (0, 3)
    assert row["answer"][0]["rdata"] == "192.0.2.1"
    shown = netkit("dig", server, "www.example", tty=True).stdout
    assert "3 messages that were not the answer came too" in shown
    assert ";; Ignored, for not being the answer: 3" in netkit("dig", server, "www.example").lines


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_forgeries_alone_are_silence(
    netkit: Netkit, serving: Serving, forged: Callable[[Asked], Any]
) -> None:
    server = serving(lambda asked: [forged(asked), forged(asked)])
    result = netkit("dig", server, "www.example", "+time=0.05", "+tries=1")
    assert result.exit_code == 7
    assert "hint: 2 messages came, but not the answer" in result.stderr


def test_an_answer_from_another_port_is_silence(netkit: Netkit, serving: Serving) -> None:
    server = serving(lambda asked: Elsewhere(right(asked).to_wire()))
    result = netkit("dig", server, "www.example", "+time=0.05", "+tries=1")
    assert result.exit_code == 7
    assert re.match(
        r"netkit: dig: www\.example\. A: no answer within 0\.\d+ s, 1 query \(from SERVER\)\n", said(result)
    )


def test_silence_with_a_time_for_the_whole_is_7_within_it(netkit: Netkit) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        result = netkit("dig", f"@{address_of(silent)}", "www.example", "--timeout", "900ms", "--json")
        silent.setblocking(False)
        for _ in range(3):  # each of the three tries has had its turn
            assert silent.recv(512)
        with pytest.raises(BlockingIOError):
            silent.recv(512)
    assert result.exit_code == 7
    (row,) = result.json
    assert row["error"]["kind"] == "Timeout"


def test_the_next_server_is_asked_where_the_first_is_silent(netkit: Netkit, serving: Serving) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = serving(right)
        result = netkit("dig", f"@{address_of(silent)}", server, "www.example", "+time=0.03", "--json")
    (row,) = result.json
    assert (result.exit_code, f"@{row['server']}") == (0, server)


class TestNoConnection:
    @pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
    def test_a_closed_port(self, netkit: Netkit, transport: str) -> None:
        result = netkit("dig", f"@127.0.0.1:{free_port()}", "www.example", transport)
        assert result.exit_code == 3
        assert said(result) == (
            "netkit: dig: www.example. A: connection refused (from SERVER)\n"
            "hint: nothing listens there: is the server running, and the port right?\n"
        )

    @pytest.mark.parametrize(
        ("end", "words"),
        [(RESET, "connection reset by peer"), (CLOSE, "the server closed the connection without an answer")],
    )
    def test_a_server_that_breaks_off(self, netkit: Netkit, serving: Serving, end: str, words: str) -> None:
        result = netkit("dig", serving(lambda asked: end), "www.example", "+tcp", "+tries=1")
        assert result.exit_code == 3
        assert said(result).startswith(f"netkit: dig: www.example. A: {words} (from SERVER)\n")

    def test_a_truncated_answer_that_cannot_be_had_over_tcp(self, netkit: Netkit, serving: Serving) -> None:
        server = serving(lambda asked: RESET if asked.over_tcp else truncated(asked))
        result = netkit("dig", server, "www.example", "+tries=1")
        assert result.exit_code == 3
        assert said(result) == (
            "netkit: dig: www.example. A: connection reset by peer (from SERVER)\n"
            "hint: over UDP the answer was truncated at 40 octets; +ignore accepts that\n"
        )
        result = netkit("dig", server, "www.example", "+ignore", "--json")
        assert result.json[0]["truncated"]
        assert (result.exit_code, result.json[0]["error"]["kind"]) == (3, "Truncated")
        shown = netkit("dig", server, "www.example", "+ignore", tty=True).stdout
        assert "truncated, without any record of the question" in " ".join(shown.split())

    def test_a_truncated_answer_and_silence_over_tcp(self, netkit: Netkit, serving: Serving) -> None:
        server = serving(lambda asked: None if asked.over_tcp else truncated(asked))
        result = netkit("dig", server, "www.example", "+tries=1", "+time=0.05")
        assert result.exit_code == 7
        assert "truncated at 40 octets" in result.stderr

    def test_a_truncated_answer_over_tcp_too(self, netkit: Netkit, serving: Serving) -> None:
        result = netkit("dig", serving(truncated), "www.example")
        assert result.exit_code == 3
        assert "hint: ask another server" in result.stderr

    def test_a_truncated_answer_had_whole(self, netkit: Netkit, serving: Serving) -> None:
        server = serving(lambda asked: right(asked) if asked.over_tcp else truncated(asked))
        result = netkit("dig", server, "www.example", "--json")
        (row,) = result.json
        assert (row["transport"], row["fell_back"], row["truncated"]) == ("tcp", True, False)
        assert result.exit_code == 0
        assert ";; Truncated, retrying in TCP mode." in netkit("dig", server, "www.example").lines

    def test_a_source_address_that_is_not_here(self, netkit: Netkit, serving: Serving) -> None:
        result = netkit("dig", serving(right), "-b", "192.0.2.77", "www.example")
        assert result.exit_code == 8
        assert "hint: -b takes an address that this machine has" in result.stderr

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["-6", "@127.0.0.1"], "the server 127.0.0.1: no IPv6 address"),
            (["-b", "::1", "@127.0.0.1"], "the server 127.0.0.1: no IPv6 address"),
            (["-b", "127.0.0.1", "+tcp", "@::1"], "the server ::1: no IPv4 address"),
            (["@no-such-host.invalid"], "the server no-such-host.invalid: "),
        ],
    )
    def test_nobody_to_ask_is_3(self, netkit: Netkit, words: list[str], message: str) -> None:
        result = netkit("dig", *words, "www.example")
        assert result.exit_code == 3
        assert result.stderr.startswith(f"netkit: dig: {message}")
        assert ("leave out what asks for IPv" in result.stderr) is ("no IPv" in message)
        many = netkit("dig", *words, "www.example", "mail.example", "--json")
        assert [row["error"]["kind"] for row in many.json] == ["NoServer", "NoServer"]
        assert many.exit_code == 3


def explained(asked: Asked) -> Message:
    """SERVFAIL, with an extended error whose text would drive a terminal."""
    option = EdnsOption.ExtendedError(6, "see \x1b]0;owned\x07 here")
    return make_response(asked.message, rcode=Rcode.SERVFAIL, edns=Edns(options=[option]))


class TestWhatAServerSays:
    #: The script, the exit code, the error's kind, and what is said.
    CASES: dict[str, tuple[Script, int, str | None, str]] = {  # noqa: RUF012 - a constant
        "an answer": (right, 0, None, ""),
        "an alias that leads elsewhere": (
            lambda asked: answer(asked, "www.example. 60 CNAME www.elsewhere."), 0, None, "",
        ),
        "an alias to a name without data": (
            lambda asked: answer(asked, "www.example. 60 CNAME x.example.", authority=[SOA]),
            1, "NoData", "the name exists but has no A records",
        ),
        "an alias out of the SOA's zone": (
            lambda asked: answer(asked, "www.example. 60 CNAME www.elsewhere.", authority=[SOA]), 0, None, "",
        ),
        "an alias that leads back to itself": (
            lambda asked: answer(
                asked, "www.example. 60 CNAME x.example.", "x.example. 60 CNAME www.example."
            ),
            3, "AliasLoop", "the alias of www.example. leads back to itself",
        ),
        "an alias of another name": (
            lambda asked: answer(asked, "x.example. 60 CNAME www.elsewhere."),
            1, "NoData", "the name exists but has no A records",
        ),
        "records of another name": (
            lambda asked: answer(asked, "x.example. 60 A 192.0.2.1"),
            1, "NoData", "the name exists but has no A records",
        ),
        "an alias to no name": (
            lambda asked: answer(asked, "www.example. 60 CNAME x.example.", rcode=Rcode.NXDOMAIN),
            1, "NotFound", "the name does not exist",
        ),
        "NXDOMAIN": (
            lambda asked: answer(asked, rcode=Rcode.NXDOMAIN, authority=[SOA]),
            1, "NotFound", "the name does not exist",
        ),
        "no data": (
            lambda asked: answer(asked, authority=[SOA]), 1, "NoData", "the name exists but has no A records",
        ),
        "a referral": (
            lambda asked: answer(asked, authority=["example. 60 NS ns1.example."]),
            1, "NoData", "no answer, only a referral to other servers",
        ),
        "a referral beside records of another name": (
            lambda asked: answer(
                asked, "x.example. 60 A 192.0.2.1", authority=["example. 60 NS ns1.example."]
            ),
            1, "NoData", "no answer, only a referral to other servers",
        ),
        "SERVFAIL": (
            lambda asked: answer(asked, rcode=Rcode.SERVFAIL),
            3, "ServerError", "the server answered SERVFAIL",
        ),
        "REFUSED": (
            lambda asked: answer(asked, rcode=Rcode.REFUSED), 3, "Refused", "the server refuses to answer",
        ),
        "NOTIMP": (
            lambda asked: answer(asked, rcode=Rcode.NOTIMP), 3, "ServerError", "the server answered NOTIMP",
        ),
        "a code nobody assigned": (
            lambda asked: answer(asked, rcode=3841), 3, "ServerError", "the server answered RCODE3841",
        ),
        "an explanation": (
            explained, 3, "ServerError", r"EDE: 6 (DNSSEC Bogus): (see \x1b]0;owned\x07 here)",
        ),
    }  # fmt: skip

    @pytest.mark.parametrize(("script", "code", "kind", "words"), CASES.values(), ids=CASES)
    def test_codes_and_words(
        self, netkit: Netkit, serving: Serving, script: Script, code: int, kind: str | None, words: str
    ) -> None:
        server = serving(script)
        result = netkit("dig", server, "www.example", "--json")
        (row,) = result.json
        assert (result.exit_code, row.get("error", {}).get("kind")) == (code, kind)
        assert row["rcode"], "what the server said is in the row all the same"
        assert words in result.stderr
        for tty in (False, True):
            shown = netkit("dig", server, "www.example", tty=tty, env={"NO_COLOR": "1"})
            assert row["rcode"] in shown.stdout
            assert "\x1b]" not in shown.stdout + shown.stderr
            assert shown.exit_code == code

    def test_a_server_that_does_not_take_edns(self, netkit: Netkit, serving: Serving) -> None:
        def script(asked: Asked) -> Message:
            return right(asked) if asked.message.edns is None else answer(asked, rcode=1).replace(edns=None)

        server = serving(script)
        (row,) = netkit("dig", server, "www.example", "--json").json
        assert (row["rcode"], row["edns"]) == ("NOERROR", None)
        shown = netkit("dig", server, "www.example", tty=True).stdout
        assert "the server does not accept EDNS" in shown
        assert "EDNS:" not in netkit("dig", server, "www.example", "+noedns", tty=True).stdout

    def test_options_of_the_answer(self, netkit: Netkit, serving: Serving) -> None:
        options = [EdnsOption.Nsid(b"ns1\x1b"), EdnsOption.Unknown(65001, b"\x00")]
        server = serving(
            lambda asked: make_response(asked.message, answer=right(asked).answer, edns=Edns(options=options))
        )
        (row,) = netkit("dig", server, "www.example", "--json").json
        assert row["edns"]["options"] == [
            {
                "option_code": 3,
                "name": "NSID",
                "text": '6e 73 31 1b ("ns1.")',
                "fields": {"data_b64": "bnMxGw=="},
            },
            {
                "option_code": 65001,
                "name": "OPT=65001",
                "text": '00 (".")',
                "fields": {"data_b64": "AA=="},
            },
        ]
        assert '; NSID: 6e 73 31 1b ("ns1.")' in netkit("dig", server, "www.example").lines


def test_ctrl_c_ends_it_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with subprocess.Popen(
            netkit_argv("dig", f"@{address_of(silent)}", "www.example", "+time=30"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=process_environment(),
        ) as process:
            silent.settimeout(20)
            silent.recv(4096)  # now it waits for the answer
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_went_away_ends_it_quietly(netkit_process: Netkit, serving: Serving) -> None:
    server = serving(right)
    read, write = os.pipe()
    os.close(read)
    result = netkit_process("dig", server, "www.example", stdout=write)
    os.close(write)
    assert (result.exit_code, result.stderr) == (141, "")
