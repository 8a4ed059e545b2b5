"""`netkit dig`: its grammar, its four outputs, and what it says of servers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from netkit.cli.dig_words import questions, rewrite
from netkit.cli.options import WrongValue
from netkit.dns import DnsServer, parse_zone
from netkit.dns.message import Message
from netkit.io import Event, run
from tests.cli.helpers import Result, address_of

ZONE = """\
$ORIGIN example.test.
@ 300 IN SOA ns1 hostmaster 1 3600 600 86400 60
@ 300 NS ns1
@ 300 MX 10 mail
ns1 300 A 127.0.0.1
www 300 A 192.0.2.1
www 300 A 192.0.2.2
evil 300 TXT "\\027[2Jboo" "tab\\009here"
"""

Netkit = Callable[..., Result]


@pytest.fixture(scope="module")
def at() -> Iterator[str]:
    """`@ADDRESS:PORT` of a server that has the zone."""
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE, file="zone")])
    stop = Event()
    thread = threading.Thread(target=run, args=[server.serve(stop)])
    thread.start()
    yield f"@{server.local_addr}"
    stop.set()
    thread.join(10)


@contextmanager
def answering(*replies: Callable[[bytes], bytes]) -> Iterator[str]:
    """`@ADDRESS:PORT` of a UDP server that sends, for each query, what each of `replies` makes of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)

        def work() -> None:
            while True:
                try:
                    query, peer = sock.recvfrom(4096)
                except OSError:
                    return
                if query == b"end":
                    return
                for reply in replies:
                    sock.sendto(reply(query), peer)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"@{address_of(sock)}"
        sock.sendto(b"end", sock.getsockname())
        thread.join(10)


def good(query: bytes) -> bytes:
    asked = Message.from_wire(query)
    return asked.replace(flags=asked.flags | 0x8000, edns=None).to_wire()


class TestGrammar:
    @pytest.mark.parametrize(
        ("words", "becomes"),
        [
            (["@192.0.2.1", "a.test"], ["--server", "192.0.2.1", "a.test"]),
            (["+tcp", "+norec"], ["--tcp", "--no-recurse"]),
            (["+vc", "+nodnssec"], ["--tcp", "--no-dnssec"]),
            (["+noedns"], ["--no-edns"]),
            (["+edns", "+edns=1"], ["--edns", "0", "--edns", "1"]),
            (
                ["+bufsize=512", "+time=2", "+tries=1"],
                ["--bufsize", "512", "--try-timeout", "2", "--tries", "1"],
            ),
            (["+noall", "+answer"], ["--show", "answer"]),
            (["+nocomments", "+nostats"], ["--show", "question,answer,authority,additional"]),
            (["+cookie"], ["--cookie", "new"]),
            (["--", "+tcp"], ["--", "+tcp"]),
        ],
    )
    def test_flags_are_long_options(self, words: list[str], becomes: list[str]) -> None:
        assert rewrite(words) == becomes

    @pytest.mark.parametrize("flag", ["+frob", "+tcp=1", "+bufsize", "+notries=2", "+t"])
    def test_flags_that_are_none(self, flag: str, netkit: Netkit) -> None:
        with pytest.raises(WrongValue):
            rewrite([flag])
        result = netkit("dig", "@127.0.0.1", "a.test", flag)
        assert result.exit_code == 2
        assert "hint: " in result.stderr

    @pytest.mark.parametrize(
        ("words", "asked"),
        [
            (["a.test"], ["a.test A"]),
            (["a.test", "MX"], ["a.test MX"]),
            (["mx", "a.test"], ["a.test MX"]),
            (["a.test", "CH", "TXT"], ["a.test TXT CH"]),
            (["a.test", "A", "b.test", "mx", "c.test"], ["a.test A", "b.test MX", "c.test A"]),
            (["a.test", "TYPE65280"], ["a.test TYPE65280"]),
            (["SOA"], [". SOA"]),
            ([], [". NS"]),
        ],
    )
    def test_words(self, words: list[str], asked: list[str]) -> None:
        assert questions(words) == asked

    def test_names_that_look_like_types(self) -> None:
        assert questions([], names=["mx"]) == ["mx A"]
        assert questions(["mx"], names=["a"]) == ["a MX"]

    def test_reverse(self) -> None:
        assert questions([], reverse=["192.0.2.1"]) == ["1.2.0.192.in-addr.arpa. PTR"]

    @pytest.mark.parametrize(
        "words",
        [["a.test", "MX", "AAAA"], ["a.test", "FROB"], ["-t", "FROB", "a.test"], ["-x", "nowhere"], ["a..b"]],
    )
    def test_wrong_words_are_2_and_show_the_right_form(self, words: list[str], netkit: Netkit) -> None:
        result = netkit("dig", "@127.0.0.1", *words)
        assert result.exit_code == 2, result
        assert result.stdout == ""

    def test_a_wrong_server(self, netkit: Netkit) -> None:
        result = netkit("dig", "@127.0.0.1:x:y", "a.test")
        assert result.exit_code == 2
        assert "hint: " in result.stderr


class TestOutput:
    def test_plain(self, netkit: Netkit, at: str) -> None:
        result = netkit("dig", at, "www.example.test")
        records = [line for line in result.lines if not line.startswith(";")]
        assert records == [f"www.example.test.\t300\tIN\tA\t192.0.2.{last}" for last in (1, 2)]
        assert result.lines[0].startswith(";; status: NOERROR")
        assert (result.stderr, result.exit_code) == ("", 0)

    def test_short(self, netkit: Netkit, at: str) -> None:
        assert netkit("dig", at, "www.example.test", "+short").stdout == "192.0.2.1\n192.0.2.2\n"

    def test_only_the_answer(self, netkit: Netkit, at: str) -> None:
        result = netkit("dig", at, "example.test", "MX", "+noall", "+answer")
        assert result.stdout == "example.test.\t300\tIN\tMX\t10 mail.example.test.\n"

    def test_without_ttl(self, netkit: Netkit, at: str) -> None:
        result = netkit("dig", at, "example.test", "MX", "+noall", "+answer", "+nottlid")
        assert result.stdout == "example.test.\tIN\tMX\t10 mail.example.test.\n"

    def test_json(self, netkit: Netkit, at: str) -> None:
        (row,) = netkit("dig", at, "example.test", "MX", "--json").json
        assert row["question"] == {"name": "example.test.", "type": "MX", "class": "IN"}
        assert row["answer"][0]["fields"] == {"priority": 10, "exchange": "mail.example.test."}
        assert (row["rcode"], row["transport"]) == ("NOERROR", "udp")
        assert "aa" in row["flags"]

    @pytest.mark.parametrize("width", [80, 160])
    def test_table(self, netkit: Netkit, at: str, width: int) -> None:
        result = netkit("dig", at, "www.example.test", tty=True, width=width, env={"NO_COLOR": "1"})
        assert "192.0.2.2" in result.stdout
        assert "authoritative" in result.stdout
        assert max(map(len, result.lines)) <= width

    def test_text_of_a_peer_moves_no_cursor(self, netkit: Netkit, at: str) -> None:
        for tty in (False, True):
            shown = netkit("dig", at, "evil.example.test", "TXT", tty=tty, env={"NO_COLOR": "1"}).stdout
            assert "\x1b[2J" not in shown

    def test_nsid_cookie_and_subnet_are_sent(self, netkit: Netkit) -> None:
        seen: list[Message] = []

        def keep(query: bytes) -> bytes:
            seen.append(Message.from_wire(query))
            return good(query)

        with answering(keep) as server:
            netkit(
                "dig", server, "a.test", "+nsid", "+cookie", "+subnet=192.0.2.0/24", "+do", "+bufsize=4000"
            )
        edns = seen[0].edns
        assert edns is not None
        assert (edns.dnssec_ok, edns.payload_size, len(edns.options)) == (True, 4000, 3)

    def test_the_name_is_sent_as_it_was_typed(self, netkit: Netkit) -> None:
        seen: list[str] = []

        def keep(query: bytes) -> bytes:
            seen.append(str(Message.from_wire(query).question[0].name))
            return good(query).replace(b"ExAmPlE", b"example")  # and an answer in other letters counts

        with answering(keep) as server:
            assert netkit("dig", server, "ExAmPlE").exit_code == 1
        assert seen == ["ExAmPlE."]


class TestExitCodes:
    @pytest.mark.parametrize(
        ("words", "code", "kind"),
        [
            (["www.example.test"], 0, None),
            (["nowhere.example.test"], 1, "NotFound"),
            (["www.example.test", "MX"], 1, "NoData"),
            (["elsewhere.test"], 3, "Refused"),
        ],
    )
    def test_what_a_server_says(
        self, netkit: Netkit, at: str, words: list[str], code: int, kind: str | None
    ) -> None:
        result = netkit("dig", at, *words, "--json")
        assert result.exit_code == code
        (row,) = result.json
        assert (row.get("error") or {}).get("kind") == kind
        assert row["rcode"]  # what the server said is shown all the same

    def test_servfail_is_3(self, netkit: Netkit) -> None:
        def servfail(query: bytes) -> bytes:
            asked = Message.from_wire(query)
            return asked.replace(flags=asked.flags | 0x8000, rcode=2).to_wire()

        with answering(servfail) as server:
            result = netkit("dig", server, "a.test")
        assert result.exit_code == 3
        assert "SERVFAIL" in result.stderr

    def test_nobody_there_is_4(self, netkit: Netkit) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            server = f"@{address_of(gone)}"
        result = netkit("dig", server, "a.test")
        assert result.exit_code == 4
        assert "connection refused" in result.stderr

    def test_silence_is_7(self, netkit: Netkit) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            result = netkit("dig", f"@{address_of(silent)}", "a.test", "+time=0.02", "+tries=2")
        assert result.exit_code == 7
        assert "2 queries" in result.stderr

    @pytest.mark.parametrize(
        ("tail", "field"),
        [
            (b"\xc0\x23" + bytes(10), "answer[0].name"),  # points at itself
            (b"\xc0\x80" + bytes(10), "answer[0].name"),  # points forward
            ((b"\x3f" + b"a" * 63) * 4 + b"\x00" + bytes(10), "answer[0].name"),  # over 255 octets
            (b"\xc0\x0c\x00\x01\x00\x01" + bytes(4) + b"\x00\x09abc", "answer[0]"),  # a length that lies
        ],
        ids=["loop", "forward", "long", "length"],
    )
    def test_a_malformed_answer_is_6_and_says_where(self, netkit: Netkit, tail: bytes, field: str) -> None:
        def malformed(query: bytes) -> bytes:
            asked = Message.from_wire(query)
            plain = bytearray(asked.replace(flags=asked.flags | 0x8000, edns=None).to_wire())
            plain[7] = 1  # one answer, which is the tail
            return bytes(plain) + tail

        with answering(malformed) as server:
            result = netkit("dig", server, "a23456789012.test", "+tries=1")
        assert result.exit_code == 6
        assert field in result.stderr
        assert "octet" in result.stderr

    def test_what_is_not_the_answer_is_ignored_and_counted(self, netkit: Netkit) -> None:
        with answering(
            lambda query: b"junk",
            lambda query: bytes([query[0] ^ 1]) + good(query)[1:],  # another ID
            lambda query: query,  # not a response
            lambda query: good(query).replace(b"\x01a\x04test", b"\x01b\x04test"),  # another question
            good,
        ) as server:
            result = netkit("dig", server, "a.test", "--json")
        (row,) = result.json
        assert row["ignored"] == 4
        assert result.exit_code == 1


class TestMany:
    def test_questions_of_a_file(self, netkit: Netkit, at: str) -> None:
        lines = "www.example.test\nexample.test MX\n# a comment\n\nnowhere.example.test\n-x 127.0.0.1\na..b\n"
        result = netkit("dig", at, "-f", "-", "--ordered", "--json", stdin=lines)
        rows = result.json
        assert [row["input"] for row in rows] == [
            "www.example.test",
            "example.test MX",
            "nowhere.example.test",
            "-x 127.0.0.1",
            "a..b",
        ]
        assert [(row.get("error") or {}).get("kind") for row in rows] == [
            None,
            None,
            "NotFound",
            "Refused",
            "BadInput",
        ]
        assert result.exit_code == 9

    def test_all_alike_is_that_code(self, netkit: Netkit, at: str) -> None:
        assert netkit("dig", at, "x.example.test", "y.example.test", "z.example.test").exit_code == 1

    def test_a_line_each_on_a_terminal(self, netkit: Netkit, at: str) -> None:
        result = netkit("dig", at, "www.example.test", "nowhere.example.test", tty=True, width=160)
        assert "NXDOMAIN" in result.stdout
        assert "192.0.2.1" in result.stdout
