"""`netkit dig`: its grammar, its four outputs, and what it says of servers that misbehave."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from netkit import __version__
from netkit.cli.commands.dig.grammar.queries import Defaults, read_words
from netkit.cli.frame.options import WrongValue
from netkit.dns import DnsError, DnsServer, TsigKey, parse_zone
from netkit.dns.authority.responder import AnsweredQuery
from netkit.dns.messages.message import Message
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, address_of, run_netkit
from tests.conftest import free_port

ZONE = """\
$ORIGIN example.test.
@ 300 IN SOA ns1 hostmaster 1 3600 600 86400 60
@ 300 NS ns1
@ 300 MX 10 mail
ns1 300 A 127.0.0.1
www 300 A 192.0.2.1
www 300 A 192.0.2.2
evil 300 TXT "\\027[2Jboo" "tab\\009here"
types 300 A 192.0.2.1
types 300 AAAA 2001:db8::1
types 300 MX 10 mail
types 300 TXT "two" "strings"
types 300 PTR www
types 300 SRV 1 2 53 ns1
types 300 TYPE65280 \\# 3 010203
alias 300 CNAME www
"""

Netkit = Callable[..., Result]


@pytest.fixture(scope="module")
def at() -> Iterator[str]:
    """`@ADDRESS:PORT` of a server that has the zone."""
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE, file="zone")])
    with in_background(server.serve):
        yield f"@{server.local_addr}"


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


def refuse(query: bytes) -> bytes:
    asked = Message.from_wire(query)
    return asked.replace(flags=asked.flags | 0x8000, rcode=5, edns=None).to_wire()


@contextmanager
def listening() -> Iterator[tuple[str, list[Message]]]:
    """`@ADDRESS:PORT` of a server that refuses everything, and the queries it was sent."""
    asked: list[Message] = []

    def keep(query: bytes) -> bytes:
        asked.append(Message.from_wire(query))
        return refuse(query)

    with answering(keep) as server:
        yield server, asked


def questions(words: list[str], stdin: str = "") -> list[str]:
    """What `netkit dig` asks when it is given these words."""
    with listening() as (server, asked):
        result = run_netkit("dig", *[word.replace("SERVER", server) for word in words], stdin=stdin)
    assert result.exit_code == 3, result
    return [" ".join(str(message.question[0]).split()) for message in asked]


#: Words that mean something to dig.
WORDS = """
    a.test A aaaa ANY type65280 TYPE99999 AXFR ch class32 any none mx. @ @127.0.0.1 @::1#53 + - -- -t -tMX -c
    -q -x -x10.2 -p -p53 --json -4 +tcp +notcp +norec +bufsize=1 +retry=1 +subnet=0 +noedns +do +short +nocmd
    \\. a..b é.test 192.0.2.1 -r -u +qid=1 +qid +opcode=3 +domain=a.test +padding=8 +proxy +nopadding +noidnin
""".split()  # noqa: SIM905 - a list of 54 is a page


class TestGrammar:
    @pytest.mark.parametrize(
        ("words", "asked"),
        [
            (["a.test"], ["a.test. IN A"]),
            (["a.test", "MX"], ["a.test. IN MX"]),
            (["mx", "a.test"], ["a.test. IN MX"]),
            (["a.test", "CH", "TXT"], ["a.test. CH TXT"]),
            (["chaos", "txt", "version.bind"], ["version.bind. CH TXT"]),
            (["a.test", "type65280", "class32"], ["a.test. CLASS32 TYPE65280"]),
            (["a.test", "TYPE1"], ["a.test. IN A"]),
            (["a.test", "TYPE0", "CLASS0"], ["a.test. CLASS0 TYPE0"]),
            (["-c", "ANY", "a.test"], ["a.test. ANY A"]),
            (["a.test", "MX", "-c", "any"], ["a.test. ANY MX"]),
            (["a\\ b.test", "a\\\\.test"], ["a\\032b.test. IN A", "a\\\\.test. IN A"]),
            (["a.test", "ANY", "+notcp"], ["a.test. IN ANY"]),
            (["."], [". IN A"]),
            ([".", "NS"], [". IN NS"]),
            (["localhost"], ["localhost. IN A"]),
            (["-t", "MX", "a.test"], ["a.test. IN MX"]),
            (["-tMX", "a.test"], ["a.test. IN MX"]),
            (["--type", "MX", "a.test"], ["a.test. IN MX"]),
            (["--type=mx", "a.test", "b.test"], ["a.test. IN MX", "b.test. IN MX"]),
            (["a.test", "-t", "MX", "-c", "CH"], ["a.test. CH MX"]),
            (["-t", "MX", "mx"], ["mx. IN MX"]),
            (["-q", "mx"], ["mx. IN A"]),
            (["-q", "mx", "txt"], ["mx. IN TXT"]),
            (["-q", "@odd", "--", "-odd"], [r"\@odd. IN A", "-odd. IN A"]),
            (["-x", "192.0.2.1"], ["1.2.0.192.in-addr.arpa. IN PTR"]),
            (["-x192.0.2.1"], ["1.2.0.192.in-addr.arpa. IN PTR"]),
            (["-x", "10.2"], ["2.10.in-addr.arpa. IN PTR"]),
            (["-x", "192.0.2.1", "SOA"], ["1.2.0.192.in-addr.arpa. IN SOA"]),
            (["-x", "::1"], ["1" + ".0" * 31 + ".ip6.arpa. IN PTR"]),
            (["Ab.TEST"], ["Ab.TEST. IN A"]),
            (["bücher.test"], ["xn--bcher-kva.test. IN A"]),
            # dig's own repetition
            (["a.test", "A", "b.test", "mx", "c.test"], ["a.test. IN A", "b.test. IN MX", "c.test. IN A"]),
            (["a", "A", "b", "MX"], ["b. IN MX"]),
            (["host", "A", "b", "MX"], ["host. IN A", "b. IN MX"]),
            (["-t", "MX", "a.test", "-q", "b.test"], ["a.test. IN MX", "b.test. IN MX"]),
            (["-t", "MX", "a.test", "-t", "NS", "b.test"], ["a.test. IN NS", "b.test. IN MX"]),
            (["-x", "10.0.0.1", "a.test"], ["1.0.0.10.in-addr.arpa. IN PTR", "a.test. IN A"]),
        ],
    )
    def test_words(self, words: list[str], asked: list[str]) -> None:
        assert questions(["SERVER", "--concurrency=1", *words]) == asked

    def test_lines_of_a_file_are_of_the_same_form(self) -> None:
        lines = "; a comment\na.test\n# another\nb.test MX\nch txt c.test\n"
        lines += "-x 10.0.0.1\n-q mx +norec\n-t NS d.test\n"
        asked = questions(["SERVER", "--concurrency=1", "-f", "-"], lines)
        assert asked == [
            "a.test. IN A",
            "b.test. IN MX",
            "c.test. CH TXT",
            "1.0.0.10.in-addr.arpa. IN PTR",
            "mx. IN A",
            "d.test. IN NS",
        ]
        assert questions(["SERVER", "-", "MX"], "a.test\n") == ["a.test. IN MX"]

    @pytest.mark.parametrize(
        ("server", "more"),
        [
            ("@127.0.0.1:{port}", []),
            ("@127.0.0.1#{port}", []),
            ("@127.0.0.1", ["-p", "{port}"]),
            ("@127.0.0.1", ["-p{port}"]),
            ("@127.0.0.1", ["--port={port}"]),
            ("@localhost:{port}", ["-4"]),
            ("@localhost", ["-4", "-p", "{port}"]),
            ("--server=127.0.0.1:{port}", []),
            ("@127.0.0.1:{port}", ["-p", "1"]),
            ("@127.0.0.1:{port}", ["-b", "127.0.0.1"]),
            ("@127.0.0.1:{port}", ["--source=127.0.0.1#0"]),
        ],
    )
    def test_servers(self, netkit: Netkit, server: str, more: list[str]) -> None:
        with listening() as (where, asked):
            port = where.rpartition(":")[2]
            result = netkit("dig", *[word.format(port=port) for word in (server, "a.test", *more)])
        assert (result.exit_code, len(asked)) == (3, 1), result

    def test_a_server_at_an_ipv6_address(self, netkit: Netkit) -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(("::1", 0))
            except OSError:
                pytest.skip("this machine has no IPv6 loopback")
            port = sock.getsockname()[1]
            for server in (f"@[::1]:{port}", f"@::1#{port}"):
                assert netkit("dig", server, "a.test", "+time=0.01", "+tries=1").exit_code == 7
                sock.recv(4096)

    def test_the_header_of_a_query_is_that_of_dig(self, netkit: Netkit) -> None:
        with listening() as (server, asked):
            netkit("dig", server, "a.test")
        edns = asked[0].edns
        assert edns is not None
        assert asked[0].flag_names == ("rd", "ad")
        assert (edns.payload_size, edns.version, edns.dnssec_ok, edns.options) == (1232, 0, False, ())

    @pytest.mark.parametrize(
        ("flags", "header", "edns"),
        [
            (["+norec"], ("ad",), "EDNS: version: 0, flags:; udp: 1232"),
            (["+norecurse", "+noad", "+cd"], ("cd",), "EDNS: version: 0, flags:; udp: 1232"),
            (["+NORDFLAG", "+noadflag", "+cdflag"], ("cd",), "EDNS: version: 0, flags:; udp: 1232"),
            (["--no-recurse", "--no-ad", "--cd"], ("cd",), "EDNS: version: 0, flags:; udp: 1232"),
            (["+dnssec"], ("rd", "ad"), "EDNS: version: 0, flags: do; udp: 1232"),
            (["+do"], ("rd", "ad"), "EDNS: version: 0, flags: do; udp: 1232"),
            (["--dnssec", "--bufsize=512"], ("rd", "ad"), "EDNS: version: 0, flags: do; udp: 512"),
            (["+do", "+nodnssec"], ("rd", "ad"), "EDNS: version: 0, flags:; udp: 1232"),
            (["+bufsize=4000"], ("rd", "ad"), "EDNS: version: 0, flags:; udp: 4000"),
            (["+edns"], ("rd", "ad"), "EDNS: version: 0, flags:; udp: 1232"),
            (["+edns=7"], ("rd", "ad"), "EDNS: version: 7, flags:; udp: 1232"),
            (["--edns"], ("rd", "ad"), "EDNS: version: 0, flags:; udp: 1232"),
            (["+noedns"], ("rd", "ad"), "None"),
            (["--no-edns"], ("rd", "ad"), "None"),
            (["+nocmd", "+nomultiline"], ("rd", "ad"), "EDNS: version: 0, flags:; udp: 1232"),
        ],
    )
    @pytest.mark.parametrize("where", ["before", "after"])
    def test_flags(
        self, netkit: Netkit, flags: list[str], header: tuple[str, ...], edns: str, where: str
    ) -> None:
        with listening() as (server, asked):
            words = [*flags, "a.test"] if where == "before" else ["a.test", *flags]
            netkit("dig", server, *words)
        assert (asked[0].flag_names, str(asked[0].edns)) == (header, edns)

    @pytest.mark.parametrize(
        ("flag", "option"),
        [
            ("+nsid", "NSID:"),
            ("+subnet=192.0.2.77/24", "CLIENT-SUBNET: 192.0.2.0/24/0"),
            ("+client=2001:db8::1/56", "CLIENT-SUBNET: 2001:db8::/56/0"),
            ("+subnet=192.0.2.1", "CLIENT-SUBNET: 192.0.2.1/32/0"),
            ("+subnet=0", "CLIENT-SUBNET: 0.0.0.0/0/0"),
            ("--subnet=192.0.2.0/24", "CLIENT-SUBNET: 192.0.2.0/24/0"),
            ("+cookie=0123456789abcdef", "COOKIE: 0123456789abcdef"),
            ("--cookie=0123456789abcdef", "COOKIE: 0123456789abcdef"),
            ("+ednsopt=65001:6869", 'OPT=65001: 68 69 ("hi")'),
            ("+ednsopt=expire", "EXPIRE:"),
            ("+ednsopt=ecs:00011800c00002", "CLIENT-SUBNET: 192.0.2.0/24/0"),
            ("--ednsopt=DAU:080d", "DAU: 8, 13"),
        ],
    )
    def test_edns_options(self, netkit: Netkit, flag: str, option: str) -> None:
        with listening() as (server, asked):
            netkit("dig", server, flag, "a.test")
        assert asked[0].edns is not None
        assert [str(each) for each in asked[0].edns.options] == [option]

    def test_several_options_by_number(self, netkit: Netkit) -> None:
        with listening() as (server, asked):
            netkit("dig", server, "+ednsopt=3,65001", "+ednsopt=65002", "a.test")
            netkit("dig", server, "--ednsopt=3", "--ednsopt=65001", "a.test", "+ednsopt=65002:00")
            netkit("dig", server, "--ednsopt=3", "a.test", "+noednsopt")
        sent = [[option.code for option in message.edns.options] for message in asked if message.edns]
        assert sent == [[3, 65001, 65002], [3, 65001, 65002], []]

    def test_a_cookie_of_its_own_is_random(self, netkit: Netkit) -> None:
        with listening() as (server, asked):
            netkit("dig", server, "+cookie", "a.test", "b.test")
            netkit("dig", server, "--cookie", "a.test")
        cookies = {str(message.edns.options[0]) for message in asked if message.edns}
        assert len(cookies) == 3
        assert all(len(cookie) == len("COOKIE: ") + 16 for cookie in cookies)

    def test_flags_after_a_name_are_its_own(self, netkit: Netkit) -> None:
        with listening() as (server, asked):
            netkit("dig", server, "--concurrency=1", "+cd", "a.test", "+norec", "b.test", "+nocd", "--no-ad")
        assert [message.flag_names for message in asked] == [("cd",), ("rd",)]

    def test_each_name_may_have_its_server(self, netkit: Netkit) -> None:
        with listening() as (one, first), listening() as (two, second):
            netkit("dig", "a.test", one, "b.test", two)
        assert [str(message.question[0].name) for message in first] == ["a.test."]
        assert [str(message.question[0].name) for message in second] == ["b.test."]

    @pytest.mark.parametrize(("flag", "count"), [("+tries=2", 2), ("+retry=2", 3), ("--tries=1", 1)])
    def test_tries(self, netkit: Netkit, flag: str, count: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            result = netkit("dig", f"@{address_of(silent)}", "a.test", "+time=0.01", flag)
            came = 0
            silent.setblocking(False)
            while True:
                try:
                    silent.recv(4096)
                except BlockingIOError:
                    break
                came += 1
        assert (result.exit_code, came) == (7, count)

    @pytest.mark.parametrize(
        ("words", "message", "hint"),
        [
            ([], "a name is missing", "write netkit dig [@SERVER] NAME [TYPE]"),
            (["mx"], "a name is missing (MX was read as a type or class)", "write mx. or -q mx"),
            (["a.test", "AAAAA"], "'AAAAA' is not a record type", "did you mean AAAA"),
            (["a.test", "frob"], "'frob' is not a record type", "another name is written frob. or -q frob"),
            (["a.test", "TYPE65536"], "'TYPE65536' is not a record type", "up to 65535"),
            (["a.test", "CLASS65536"], "'CLASS65536' is not a class", "up to 65535"),
            (
                ["-c", "CH", "a.test", "TXT"],
                "'TXT' is a name, as any word without an option",
                "write -t TXT;",
            ),
            (["-t", "A", "-t", "MX", "a.test"], "two types", "-q a"),
            (["-t", "MXX", "a.test"], "'MXX' is not a record type", "did you mean MX"),
            (["-t"], "-t: a value is missing", "as in -t MX"),
            (["@127.0.0.1", "a.test", "-p"], "-p: a value is missing", "[@SERVER] NAME [TYPE]"),
            (["-c", "INN", "a.test"], "'INN' is not a class", "IN, CH, HS"),
            (["a.test", "MX", "AAAA"], "two types for one query, MX and AAAA", "-q mx"),
            (["a.test", "IN", "CH"], "two classes for one query, IN and CH", "-q in"),
            (["-4", "-b", "::1", "a.test"], "-4 contradicts -b ::1", "leave one of the two out"),
            (["a.test", "IXFR"], "IXFR: the serial is missing", "write IXFR=SERIAL"),
            (["a.test", "ixfr=-1"], "ixfr=-1: not a serial", "a number up to 4294967295"),
            (["a.test", "-t", "IXFR=4294967296"], "not a serial", "a number up to 4294967295"),
            (
                ["a.test", "AXFR", "+trace"],
                "+trace does not go with AXFR",
                "--json has a line for each record",
            ),
            (["a.test", "AXFR", "+https"], "over TCP and TLS, not over HTTPS", "use +tls"),
            (["\\256é.test"], r"not a domain name: '\256é.test': a backslash and a digit need three", ""),
            (["☃.test"], "not a domain name: '☃.test': not an IDNA2008 label", "as xn--"),
            (["a..test"], "not a domain name: 'a..test': an empty label (at offset 2)", ""),
            (["http://a.test/b"], "a URL is not a name", "did you mean netkit dig a.test?"),
            (["https://u:p@a.test:8443"], "a URL is not a name", "did you mean netkit dig a.test?"),
            (["https://[::1]:8443/"], "a URL is not a name", "did you mean netkit dig -x ::1?"),
            (["-type=MX", "a.test"], "there is no option -type=MX", "write MX, or -t TYPE"),
            (["a b.test"], "'a b.test' has a blank in it", "\\032"),
            ([""], "an empty word", "NAME [TYPE]"),
            (["-x", "nowhere"], "'nowhere' is not an address", "-x 192.0.2.1"),
            (["-x", "10.300"], "'10.300' is not an address", "-x 192.0.2.1"),
            (["@127.0.0.1:x", "a.test"], "@127.0.0.1:x is not a server", "@192.0.2.53:5353"),
            (["@", "a.test"], "@ is not a server", "@192.0.2.53:5353"),
            (["-p", "domain99", "a.test"], "'domain99' is not a port", "0 to 65535"),
            (["-p", "0", "a.test"], "-p: nobody can be asked at port 0", "leave it out"),
            (["@192.0.2.1:0", "a.test"], "@192.0.2.1:0: nobody can be asked at port 0", "leave it out"),
            (["@::1#0", "a.test"], "@::1#0: nobody can be asked at port 0", "leave it out"),
            (["@tcp://[::1]:0", "a.test"], "@tcp://[::1]:0: nobody can be asked at port 0", "leave it out"),
            (["@tls://192.0.2.1:0", "a.test"], "nobody can be asked at port 0", "write"),
            (["-b", "here", "a.test"], "'here' is not an address", "192.0.2.1"),
            (["-y", "hmac:k:c2VjcmV0", "a.test"], "must be one of hmac-md5", "hmac-sha256:NAME:BASE64"),
            (["-y", "k:topsecret!", "a.test"], "-y: the secret is not base64", "hmac-sha256:NAME:BASE64"),
            (["-y", "k:c2VjcmV0", "-k", "f", "a.test"], "exclude each other", ""),
            (["+ednsopt=x", "a.test"], "is not the number or the name of an option", "65001:6869"),
            (["+ednsopt=1:x", "a.test"], "is not octets in hexadecimal", "65001:6869"),
            (["+noedns", "+ednsopt=1", "a.test"], "+noedns contradicts +ednsopt", ""),
            (["-Z", "a.test"], "there is no option -Z", ""),
            (["--shot", "a.test"], "there is no option --shot", "did you mean --short"),
            (["+frob", "a.test"], "there is no flag +frob", "netkit dig --help"),
            (["+shrt", "a.test"], "there is no flag +shrt", "did you mean +short?"),
            (["+nodnsec", "a.test"], "there is no flag +nodnsec", "did you mean +nodnssec"),
            (["+", "a.test"], "there is no flag +", "netkit dig --help"),
            (["+t", "a.test"], "+t could be", "write more letters of it"),
            (["+tcp=1", "a.test"], "+tcp takes no value", "+tcp or +notcp"),
            (["+qid", "a.test"], "+qid: a value is missing", "+qid=N"),
            (["+bufsize=70000", "a.test"], "+bufsize=70000: '70000' is out of range", "from 0 to 65535"),
            (["a.test", "+tries=0"], "+tries=0: '0' is out of range", "from 1 to 100"),
            (["+notries", "a.test"], "+tries cannot be switched off", "+tries=N"),
            (["+time=soon", "a.test"], "'soon' is not a time", "seconds"),
            (["+subnet=192.0.2.0/33", "a.test"], "'192.0.2.0/33' is not a subnet", "192.0.2.0/24"),
            (
                ["+cookie=12", "a.test"],
                "'12' is not a cookie: the client's part has 8",
                "16 hexadecimal digits",
            ),
            (["+cookie=0g", "a.test"], "'0g' is not octets in hexadecimal", "16 hexadecimal digits"),
            (["+noedns", "+dnssec", "a.test"], "+noedns contradicts +dnssec, which needs EDNS", ""),
            (["--json", "--plain", "a.test"], "--json and --plain exclude each other", ""),
            (["-4", "-6", "a.test"], "-4 and -6 exclude each other", ""),
        ],
    )
    def test_wrong_usage_is_2_and_shows_the_right_form(
        self, words: list[str], message: str, hint: str, netkit: Netkit
    ) -> None:
        result = netkit("dig", *words)
        assert result.exit_code == 2, result
        assert result.stdout == ""
        first, *rest = result.stderr.splitlines()
        assert first.startswith("netkit: dig: ")
        assert message in first
        assert hint in "".join(rest)
        assert "u:p" not in result.stderr

    @pytest.mark.parametrize(
        ("name", "said", "meant"),
        [
            ("192.0.2.1", "192.0.2.1 is asked for as a name, and is an address", "netkit dig -x 192.0.2.1"),
            ("fe80::a", "fe80::a is asked for as a name, and is an address", "netkit dig -x fe80::a"),
            ("::1", "::1 is asked for as a name, and is an address", "netkit dig -x ::1"),
            ("a.test:443", "a.test:443 is asked for with the port in the name", "netkit dig a.test"),
        ],
    )
    def test_an_odd_name_is_asked_for_and_doubted(
        self, at: str, name: str, said: str, meant: str, netkit: Netkit
    ) -> None:
        result = netkit("dig", at, name)
        assert f";{name}." in result.stdout, "asked all the same"
        assert result.stderr.startswith(f"netkit: dig: {said}\nhint: {meant}\n")
        assert said not in netkit("dig", at, "-x" if name != "a.test:443" else "-q", name[:9]).stderr

    @given(st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=6))
    def test_whatever_is_typed_is_a_query_or_a_usage_error(self, words: list[str]) -> None:
        try:
            found = read_words(words, {"-p": True, "--json": False})
            texts = [" ".join(word.text for word in query) for query in found.queries]
            asked = {text: Defaults().parse(text) for text in texts if text != "-"}
        except (WrongValue, DnsError.InvalidName):
            return
        for text, query in asked.items():
            again = read_words(text.split(), {})
            assert (again.options, again.shared) == ([], []), "the text says all of it after the name"
            assert Defaults().parse(" ".join(word.text for word in again.queries[0])) == query

    @pytest.mark.parametrize(
        "line",
        [
            "a.test b.test", "+tcp", "a.test --json", "a.test FROB", "a.test -f x",
            "a.test -k /dev/null", "a.test -p 0", "a.test -b here", "a.test -4 -6", "a.test -6 -b 192.0.2.1",
            "a.test +yaml +json", "a.test -p",
        ],
    )  # fmt: skip
    def test_a_wrong_line_is_a_row_that_says_where(self, line: str, netkit: Netkit) -> None:
        result = netkit("dig", "@127.0.0.1:1", "-f", "-", "--json", stdin=f"\n{line}\n")
        assert result.exit_code == 2
        (row,) = result.json
        assert row["input"] == line
        assert row["error"]["kind"] == "BadInput"
        assert row["error"]["message"].startswith("standard input:2: ")

    def test_the_version_as_digs_v_has_it(self, netkit: Netkit) -> None:
        result = netkit("dig", "-v")
        assert (result.stdout, result.exit_code) == (f"netkit {__version__}\n", 0)

    def test_help_lists_flags_and_options(self, netkit: Netkit) -> None:
        page = netkit("dig", "--help").stdout
        for word in (
            "+[no]tcp",
            "+[no]cookie[=HEX]",
            "--no-recurse",
            "-x, --reverse",
            "-f, --file",
            "+[no]answer",
            "-q,",
        ):
            assert word in page


class TestOutput:
    def test_plain_is_digs(self, netkit: Netkit, at: str) -> None:
        result = netkit("dig", at, "www.example.test")
        header, query_time = result.lines[1], result.lines[-3]
        assert re.fullmatch(r";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: \d+", header)
        assert re.fullmatch(r";; Query time: \d+\.\d msec", query_time)
        host, port = at[1:].split(":")
        assert [line for line in result.lines if line not in (header, query_time)] == [
            ";; Got answer:",
            ";; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1",
            ";; WARNING: recursion requested but not available",
            "",
            ";; OPT PSEUDOSECTION:",
            "; EDNS: version: 0, flags:; udp: 1232",
            ";; QUESTION SECTION:",
            ";www.example.test.\t\tIN\tA",
            "",
            ";; ANSWER SECTION:",
            "www.example.test.\t300\tIN\tA\t192.0.2.1",
            "www.example.test.\t300\tIN\tA\t192.0.2.2",
            "",
            f";; SERVER: {host}#{port}({host}) (UDP)",
            ";; MSG SIZE  rcvd: 77",
        ]
        assert (result.stderr, result.exit_code) == ("", 0)

    @pytest.mark.parametrize(
        ("flags", "shown"),
        [
            (["+noall", "+authority"], ["example.test.\t\t60\tIN\tSOA"]),
            (["+noall", "+question"], [";nowhere.example.test.\t\tIN\tA"]),
            (["+nocomments", "+nostats", "+noquestion"], ["example.test.\t\t60\tIN\tSOA"]),
            (["--no-all", "--authority"], ["example.test.\t\t60\tIN\tSOA"]),
            (["+noall", "+auth", "+nottl", "+nocl"], ["example.test.\t\tSOA\t"]),
            (["+noall", "+authority", "--no-show-ttl"], ["example.test.\t\tIN\tSOA\t"]),
            (["+noall", "+answer"], []),
            (["+noall"], []),
        ],
    )
    def test_what_is_shown(self, netkit: Netkit, at: str, flags: list[str], shown: list[str]) -> None:
        result = netkit("dig", at, "nowhere.example.test", *flags)
        assert len(result.lines) == len(shown)
        assert all(line.startswith(start) for line, start in zip(result.lines, shown, strict=True))
        assert result.exit_code == 1

    def test_flags_that_choose_what_is_shown_are_each_names_own(self, netkit: Netkit, at: str) -> None:
        words = ("+noall", "+answer", "www.example.test", "+nottlid", "example.test", "MX")
        result = netkit("dig", at, "--ordered", *words)
        assert result.lines == [
            "www.example.test.\tIN\tA\t192.0.2.1",
            "www.example.test.\tIN\tA\t192.0.2.2",
            "example.test.\t\t300\tIN\tMX\t10 mail.example.test.",
        ]

    #: Each type's fields in JSON.
    FIELDS: dict[str, dict[str, object]] = {  # noqa: RUF012 - a constant
        "A": {"address": "192.0.2.1"},
        "AAAA": {"address": "2001:db8::1"},
        "MX": {"priority": 10, "exchange": "mail.example.test."},
        "TXT": {"data": "twostrings", "strings_b64": ["dHdv", "c3RyaW5ncw=="]},
        "PTR": {"domain": "www.example.test."},
        "SRV": {"priority": 1, "weight": 2, "port": 53, "target": "ns1.example.test."},
        "TYPE65280": {"rdata_b64": "AQID"},
    }

    @pytest.mark.parametrize("rdtype", FIELDS)
    def test_fields_of_types(self, netkit: Netkit, at: str, rdtype: str) -> None:
        (row,) = netkit("dig", at, "types.example.test", rdtype, "+norec", "--json").json
        records = row["answer"]
        assert [(each["type"], each["fields"]) for each in records] == [(rdtype, self.FIELDS[rdtype])]

    def test_fields_of_an_apex(self, netkit: Netkit, at: str) -> None:
        rows = netkit(
            "dig", at, "--ordered", "example.test", "NS", "-q", "example.test", "SOA", "--json"
        ).json
        assert rows[0]["answer"][0]["fields"] == {"nameserver": "ns1.example.test."}
        assert rows[1]["answer"][0]["fields"] == {
            "mname": "ns1.example.test.",
            "rname": "hostmaster.example.test.",
            "serial": 1,
            "refresh": 3600,
            "retry": 600,
            "expire": 86400,
            "minimum": 60,
        }
        (row,) = netkit("dig", at, "alias.example.test", "--json").json
        assert row["answer"][0]["fields"] == {"canonical": "www.example.test."}

    def test_json_has_everything_whatever_is_shown(self, netkit: Netkit, at: str) -> None:
        (row,) = netkit("dig", at, "www.example.test", "+noall", "+nottlid", "--json").json
        assert [record["ttl_s"] for record in row["answer"]] == [300, 300]

    def test_short(self, netkit: Netkit, at: str) -> None:
        assert netkit("dig", at, "www.example.test", "+short").stdout == "192.0.2.1\n192.0.2.2\n"

    def test_only_the_answer(self, netkit: Netkit, at: str) -> None:
        result = netkit("dig", at, "example.test", "MX", "+noall", "+answer")
        assert result.stdout == "example.test.\t\t300\tIN\tMX\t10 mail.example.test.\n"

    def test_without_ttl(self, netkit: Netkit, at: str) -> None:
        result = netkit("dig", at, "example.test", "MX", "+noall", "+answer", "+nottlid")
        assert result.stdout == "example.test.\t\tIN\tMX\t10 mail.example.test.\n"

    def test_json(self, netkit: Netkit, at: str) -> None:
        (row,) = netkit("dig", at, "example.test", "MX", "--json").json
        asked = {"name": "example.test.", "name_unicode": None, "type": "MX", "class": "IN"}
        assert row["question"] == asked
        assert row["answer"][0]["fields"] == {"priority": 10, "exchange": "mail.example.test."}
        assert (row["rcode"], row["transport"]) == ("NOERROR", "udp")
        assert "aa" in row["flags"]

    @pytest.mark.parametrize("width", [40, 80, 160])
    def test_table(self, netkit: Netkit, at: str, width: int) -> None:
        result = netkit("dig", at, "www.example.test", tty=True, width=width, env={"NO_COLOR": "1"})
        assert all(len(line) <= width for line in result.lines)
        shown = " ".join(result.stdout.split())
        for words in (
            "www.example.test. IN A",
            "✓ NOERROR: 2 records",
            "aa authoritative",
            "192.0.2.2",
            "over UDP",
        ):
            assert words in shown

    @pytest.mark.parametrize(
        ("words", "status"),
        [
            (["nowhere.example.test"], "! NXDOMAIN: there is no such name"),
            (["www.example.test", "MX"], "! NOERROR: the name exists, without records of type MX"),
            (["elsewhere.test"], "✗ REFUSED: the server refuses to answer"),
        ],
    )
    def test_table_of_a_no(self, netkit: Netkit, at: str, words: list[str], status: str) -> None:
        result = netkit("dig", at, *words, tty=True, env={"NO_COLOR": "1"})
        assert status in result.stdout
        assert ("SOA" in result.stdout) == ("elsewhere" not in words[0])

    def test_table_columns(self, netkit: Netkit, at: str) -> None:
        def titles(*flags: str) -> list[str]:
            shown = netkit("dig", at, "www.example.test", "+noall", "+answer", *flags, tty=True).lines
            return re.findall(r"[A-Za-z]+", re.sub("\x1b[^m]*m", "", shown[2]))

        assert titles() == ["name", "TTL", "type", "data"]
        assert titles("+class") == ["name", "TTL", "class", "type", "data"]
        assert titles("+nottlid") == ["name", "type", "data"]

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

    def test_nobody_there_is_3(self, netkit: Netkit) -> None:
        result = netkit("dig", f"@127.0.0.1:{free_port()}", "a.test")
        assert result.exit_code == 3
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


def test_a_journal_is_of_one_question(netkit: Netkit, at: str, tmp_path: Path) -> None:
    """Of one type, server and way of asking; not of one way of showing."""
    journal = str(tmp_path / "journal")
    names = ["www.example.test", "example.test"]
    assert netkit("dig", at, "-t", "A", *names, "--resume", journal, "--short").exit_code == 9
    for other in ([at, "-t", "MX"], [at, "-t", "A", "+tcp"], ["@127.0.0.1:1", "-t", "A"]):
        refused = netkit("dig", *other, *names, "--resume", journal)
        assert refused.exit_code == 8
        assert "the journal of another question" in refused.stderr
    again = netkit("dig", at, "-t", "A", "+noall", "+answer", *names, "--resume", journal)
    assert "all 2 inputs were done before" in again.stderr


def test_answers_of_several_are_set_off_and_records_alone_are_not(netkit: Netkit, at: str) -> None:
    names = "www.example.test\nexample.test MX\nbad..name\nexample.test NS\n"
    args = ("dig", at, "-f", "-", "--ordered")
    whole = netkit(*args, stdin=names).stdout
    begun, first, second, third = whole.split(";; Got answer:\n")
    assert begun == ""
    assert all(text.startswith(";; ->>HEADER<<-") for text in (first, second, third))
    assert first.endswith("\n\n")
    assert "192.0.2.1" in first
    stats, failed, end = second.split("\n\n")[-3:]
    assert "MX\t10 mail" in second
    assert stats.startswith(";; Query time: ")
    assert failed.startswith("bad..name\terror\t")
    assert end == ""
    records = netkit(*args, "+noall", "+answer", stdin=names).lines
    assert "" not in records
    assert len(records) == 5


def test_a_line_has_options_of_its_own(netkit: Netkit, at: str) -> None:
    """They are for that line, and for no other one."""
    server, _, port = at.rpartition(":")
    lines = [
        "www.example.test +short",
        f"-4 example.test -p {port} MX +noall +answer",
        "example.test MX +short -6",
        f"example.test MX +yaml -r -p{port}",
        "example.test +short NS -u +nocmd",
    ]
    result = netkit(
        "dig", server, "-p", port, "-f", "-", "--ordered", "+noall", "+answer", stdin="\n".join(lines)
    )
    addresses, mail, absent, yaml, servers = (
        sorted(result.lines[:2]), result.lines[2], result.lines[3], result.lines[4:-1], result.lines[-1]
    )  # fmt: skip
    assert (addresses, mail) == (
        ["192.0.2.1", "192.0.2.2"],
        "example.test.\t\t300\tIN\tMX\t10 mail.example.test.",
    )
    assert absent.startswith("example.test MX +short -6\terror\tdns.NoServer\t")
    assert (yaml[0], yaml[-1]) == (
        "- type: MESSAGE",
        "        - 'example.test. 300 IN MX 10 mail.example.test.'",
    )
    assert servers == "ns1.example.test."
    bare = netkit(
        "dig", at, "--short", "-f", "-", stdin="example.test MX +noshort +noall +answer\nexample.test MX"
    )
    assert sorted(bare.lines) == ["10 mail.example.test.", mail]


def test_a_line_has_a_source_and_a_key_of_its_own(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text('key "k.test" { algorithm hmac-sha256; secret "c2VjcmV0c2VjcmV0"; };')
    seen: list[AnsweredQuery] = []
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE)], [TsigKey("k.test", b"secretsecret")])
    server.on_query = seen.append
    with in_background(server.serve):
        lines = f"example.test NS -b 127.0.0.9 +tcp\nexample.test NS -k {key} +yaml\nexample.test NS"
        result = run_netkit("dig", f"@{server.local_addr}", "-f", "-", "--ordered", stdin=lines)
    assert result.exit_code == 0, result
    assert sorted(str(each.peer).rpartition(":")[0] for each in seen) == ["127.0.0.1"] * 2 + ["127.0.0.9"]
    assert result.stdout.count("TSIG") == 2


def test_the_last_of_short_and_noshort_decides(netkit: Netkit, at: str) -> None:
    bare = netkit("dig", at, "www.example.test", "+short").stdout
    for flags in (["+noshort", "+short"], ["+short", "+noshort", "+short"]):
        assert netkit("dig", at, *flags, "www.example.test").stdout == bare
    for flags in (["+short", "+noshort"], ["--short", "+noshort"], ["+noshort"]):
        assert ";; ->>HEADER<<-" in netkit("dig", at, *flags, "www.example.test").stdout


def test_short_of_several_keeps_a_line_for_what_is_not_there(netkit: Netkit, at: str) -> None:
    names = ["www.example.test", "nowhere.example.test", "example.test", "MX"]
    result = netkit("dig", at, "+short", "--ordered", *names)
    assert sorted(result.lines[:2]) == ["192.0.2.1", "192.0.2.2"]
    assert result.lines[2:] == ["-", "10 mail.example.test."]
    assert netkit("dig", at, "+short", "nowhere.example.test").stdout == ""
