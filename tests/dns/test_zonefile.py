"""Master files: what is read, what is refused and where, and that NSD reads what is written."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.zones.builder import ZoneBuilder
from netkit.dns.zones.masterfile import MAX_DEPTH, MAX_INCLUDES
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zonefile import parse_zone
from tests.conftest import require_peer

from .strategies import records

pytestmark = pytest.mark.once

R = DnsRecord
T = DnsRecordType
N = Name.parse

SOA = "@ 60 IN SOA ns root 1 2 3 4 5\n"

ZONE = r"""
; A zone with a bit of everything.
$ORIGIN example.com.
$TTL 1h
@   IN  SOA  ns1 hostmaster.example.com. (
        2024010101  ; serial
        1d 2h 4W    ; refresh retry expire
        5m30s )     ; minimum
            NS      ns1
        300 NS      ns.example.net.
    IN  MX  10 mail
    300 IN MX 20 mail2
    IN 2M MX 30 mail3
ns1 A 192.0.2.1
    AAAA 2001:db8::1
WWW 1800 IN CNAME @
txt TXT "a b" c\;d "e;f(g)" ( "h"
    i ) \"j
_sip._tcp SRV 1 2 5060 ns1
a\.b TXT \065\\\"
*.wild TXT x
$ORIGIN sub.example.com.
@ NS ns.sub
ns A 192.0.2.53
ns.sub AAAA ::1
$TTL 7
deep.er TYPE65280 \# 4 0a00 0001
deep.er TYPE1 \# 4 c0000207
deep.er TYPE65281 \# 0
$ORIGIN com.
last.example PTR $.example
last.example	 	TXT	$TTL
"""


def test_a_bit_of_everything() -> None:
    zone = parse_zone(ZONE)
    assert zone.origin == N("example.com")
    assert zone.rdclass is DnsClass.IN
    expected = [
        R.SOA(
            "example.com",
            3600,
            "ns1.example.com",
            "hostmaster.example.com",
            2024010101,
            86400,
            7200,
            2419200,
            330,
        ),
        # One set has one TTL, the lowest (RFC 2181 section 5.2).
        R.NS("example.com", 300, "ns1.example.com"),
        R.NS("example.com", 300, "ns.example.net"),
        R.MX("example.com", 120, 10, "mail.example.com"),
        R.MX("example.com", 120, 20, "mail2.example.com"),
        R.MX("example.com", 120, 30, "mail3.example.com"),
        R.A("ns1.example.com", 3600, "192.0.2.1"),
        R.AAAA("ns1.example.com", 3600, "2001:db8::1"),
        R.CNAME("www.example.com", 1800, "example.com"),
        R.TXT("txt.example.com", 3600, [b"a b", b"c;d", b"e;f(g)", b"h", b"i", b'"j']),
        R.SRV("_sip._tcp.example.com", 3600, 1, 2, 5060, "ns1.example.com"),
        R.TXT(Name([b"a.b", b"example", b"com"]), 3600, b'A\\"'),
        R.TXT("*.wild.example.com", 3600, "x"),
        R.NS("sub.example.com", 3600, "ns.sub.sub.example.com"),
        R.A("ns.sub.example.com", 3600, "192.0.2.53"),
        R.AAAA("ns.sub.sub.example.com", 3600, "::1"),
        R.Unknown("deep.er.sub.example.com", 7, 65280, b"\x0a\0\0\1"),
        R.A("deep.er.sub.example.com", 7, "192.0.2.7"),
        R.Unknown("deep.er.sub.example.com", 7, 65281, b""),
        R.PTR("last.example.com", 7, "$.example.com"),
        R.TXT("last.example.com", 7, "$TTL"),
    ]
    assert [record for rrset in zone.rrsets.values() for record in rrset] == expected
    assert zone.soa == expected[0]
    assert str(zone.rrsets[N("www.example.com"), T.CNAME].name) == "WWW.example.com."


def test_the_text_of_a_zone_is_that_zone() -> None:
    zone = parse_zone(ZONE)
    text = zone.to_text()
    assert parse_zone(text) == zone
    assert parse_zone(text).to_text() == text
    assert text.startswith("example.com.\t3600\tIN\tSOA\tns1.example.com.")
    assert parse_zone(text.replace("192.0.2.1\n", "192.0.2.2\n")) != zone
    assert zone != "a zone"
    assert repr(zone) == "<Zone example.com. IN, 18 record sets>"


@given(st.lists(records.filter(lambda record: record.rdclass == 1), max_size=8))
@settings(max_examples=40)
def test_the_text_of_any_zone_is_that_zone(some: list[DnsRecord]) -> None:
    builder = ZoneBuilder(Name.root)
    builder.add(R.SOA(".", 1, "a", "b", 1, 2, 3, 4, 5))
    for record in some:
        try:
            builder.add(record)
        except DnsError.InvalidValue:
            continue  # a second SOA, a CNAME beside something, a type that is no data
    zone = builder.finish()
    again = parse_zone(zone.to_text())
    assert again == zone
    assert again.to_text() == zone.to_text()


def test_nsd_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(parse_zone(ZONE).to_text())
    program = require_peer("nsd-checkzone")
    done = subprocess.run([program, "example.com", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "zone example.com is ok" in done.stdout


@pytest.mark.parametrize(
    ("text", "ttl"),
    [
        ("0", 0),
        ("3600", 3600),
        ("1s", 1),
        ("1M", 60),
        ("1h30m", 5400),
        ("1W2D3H4M5S", 788645),
        ("1h5", 3605),
        ("2147483647", 2147483647),
    ],
)
def test_times(text: str, ttl: int) -> None:
    for line in (f"a. {text} IN TXT x", f"a. IN {text} TXT x", f"$TTL {text}\na. TXT x"):
        assert DnsRecord.parse(line).ttl == ttl


def test_ttls_that_are_not_said() -> None:
    zone = parse_zone(SOA + "a TXT 1\nb 5 TXT 2\nc TXT 3\n$TTL 9\nd TXT 4\ne 6 TXT 5\nf TXT 6\n", "x")
    ttls = [zone.rrsets[N(f"{label}.x"), T.TXT].ttl for label in "abcdef"]
    # The last one written (RFC 1035 section 5.1); once there is $TTL, that (RFC 2308 section 4).
    assert ttls == [60, 5, 5, 9, 6, 9]
    assert parse_zone("@ SOA ns root 1 2 3 4 5", "x", ttl=77).soa.ttl == 77


@pytest.mark.parametrize(
    "soa",
    [
        "ns root 1 2 3 4 1m5",
        "( ns root 1\n2 3 4 65 )",
        "\\# 22 0000 0000000100000002000000030000000400000041",
    ],
)
def test_without_any_ttl_the_minimum_of_the_first_soa_is_it(soa: str) -> None:
    zone = parse_zone(f"@ SOA {soa}\na TXT 1\nb 5 TXT 2\nc TXT 3\n", "x")
    assert zone.soa.ttl == zone.soa.minimum == 65
    assert [zone.rrsets[N(f"{label}.x"), T.TXT].ttl for label in "abc"] == [65, 5, 65]
    # RFC 2181 section 8: a TTL has a bit less than a minimum.
    assert parse_zone("@ SOA ns root 1 2 3 4 4294967295", "x").soa.ttl == 0x7FFFFFFF
    assert DnsRecord.parse("x. SOA a. b. 1 2 3 4 5").ttl == 5


def test_odd_but_right() -> None:
    for text in (
        "\ufeff" + SOA,
        SOA.replace("\n", "\r\n"),
        SOA.removesuffix("\n"),
        "  ; a comment\n\n\t\n" + SOA,
        "@ 60 IN SOA ns root ( 1 2\n\n ; in between\n 3 4 5 )",
        "@ 60 IN SOA (ns)root(1(2)3)4 5",
        "( @ 60 IN\nSOA ns root 1 2 3 4 5 )",
        "@ 60 in soa ns root 1 2 3 4 5",
        "@ CLASS1 60 TYPE6 ns root 1 2 3 4 5;comment",
        "$origin x.\n$ttl 60\nx. SOA ns root 1 2 3 4 5",
    ):
        zone = parse_zone(text, "x")
        assert zone == parse_zone(SOA, "x")
        assert parse_zone(text.encode(), "x") == zone


def test_octets_that_are_not_utf_8_survive_in_strings() -> None:
    zone = parse_zone(SOA.encode() + b'a TXT \xff\xe9 "\xc3\xa9" \\200\xff', "x")
    expected = [b"\xff\xe9", b"\xc3\xa9", b"\xc8\xff"]
    assert zone.rrsets[N("a.x"), T.TXT].records[0] == R.TXT("a.x", 60, expected)
    assert parse_zone(SOA + "bücher TXT grün", "x").rrsets[N("xn--bcher-kva.x"), T.TXT].ttl == 60


def test_a_record_there_twice_is_there_once() -> None:
    zone = parse_zone(SOA + "a A 192.0.2.1\nA 5 A 192.0.2.1\na 60 A 192.0.2.2\n" + SOA, "x")
    assert zone.rrsets[N("a.x"), T.A].records == (R.A("a.x", 60, "192.0.2.1"), R.A("a.x", 60, "192.0.2.2"))


def test_other_classes() -> None:
    zone = parse_zone("bind. 0 CH SOA a. b. 1 2 3 4 5\nversion TXT none\n$ORIGIN bind.\na A \\# 1 00", "bind")
    assert zone.rdclass is DnsClass.CH
    assert zone.rrsets[N("version.bind"), T.TXT].rdclass is DnsClass.CH
    assert zone.rrsets[N("a.bind"), T.A].records == (R.Unknown("a.bind", 0, 1, b"\0", 3),)


HEAD = "$ORIGIN e.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n"

REFUSED = [
    # text behind HEAD, line (from 4), column, words of the reason
    ("a A 192.0.2", 4, 12, "address: '192.0.2': 3 of four numbers"),
    ("a A 192.0.2.400", 4, 13, "'400' is more than 255"),
    ("a A 192.0.2.1 192.0.2.2", 4, 15, "'192.0.2.2' is left over after the A record"),
    ("a AAAA 192.0.2.1", 4, 8, "address: '192.0.2.1'"),
    ("a AAAA fe80::1%eth0", 4, 8, "address: a record's address has no zone"),
    ("a MX ten b", 4, 6, "priority: 'ten' is not a number"),
    ("a MX -1 b", 4, 6, "priority: '-1' is not a number"),
    ("a MX \u0661 b", 4, 6, "is not a number"),
    ("a MX 65536 b", 4, 6, "priority: '65536' is more than 65535"),
    ("a MX 1" + "0" * 5000 + " b", 4, 6, "is more than 65535"),
    ("a MX 10", 4, 8, "exchange is missing"),
    ("a MX 10 ; no", 4, 8, "exchange is missing"),
    ("a MX (\n 10\n )", 5, 4, "exchange is missing"),
    ("a MX 10 b..c", 4, 11, "exchange: 'b..c': an empty label"),
    ("a MX 10 " + "b" * 64, 4, 9, "a label of 64 octets"),
    ("a MX 10 " + "b." * 128, 4, 263, "longer than 255 octets"),
    ("a MX 10 " + "b." * 126 + "b", 4, 9, "longer than 255 octets with the origin e."),
    ("a SRV 1 2 70000 b", 4, 11, "port: '70000' is more than 65535"),
    ("a SOA ns h 1 2 3 4 5", 4, 1, "an SOA record for a.e. in the zone e."),
    ("@ SOA ns h 1 2 3 4 6", 4, 1, "a second SOA record"),
    ("@ SOA ns h 4294967296 2 3 4 6", 4, 12, "serial: '4294967296' is more than 4294967295"),
    ("@ SOA ns h 1 2x 3 4 6", 4, 14, "refresh: '2x' is not a time"),
    ("@ SOA ns h 1 9999999w 3 4 6", 4, 14, "refresh: '9999999w' is more than 4294967295 seconds"),
    ("a 99999999999 A 192.0.2.1", 4, 3, "TTL: '99999999999' is more than 2147483647 seconds"),
    ("a 1x A 192.0.2.1", 4, 3, "TTL: '1x' is not a time"),
    ("a 1 2 A 192.0.2.1", 4, 5, "record type '2': unknown"),
    ("a IN IN A 192.0.2.1", 4, 6, "record type 'IN': unknown"),
    ("a CLASS65536 A 192.0.2.1", 4, 3, "class"),
    ("a BOGUS x", 4, 3, "record type 'BOGUS': unknown"),
    ("a", 4, 2, "type is missing"),
    ("a 1h IN", 4, 8, "type is missing"),
    ('a "A" 192.0.2.1', 4, 3, "type must not be quoted"),
    ('"a" A 192.0.2.1', 4, 1, "owner must not be quoted"),
    ('a "60" A 192.0.2.1', 4, 3, "type must not be quoted"),
    ("a..b A 192.0.2.1", 4, 3, "owner: 'a..b': an empty label"),
    (r"a\256 A 192.0.2.1", 4, 2, "three digits up to 255"),
    ("ü☃ A 192.0.2.1", 4, 1, "not an IDNA2008 label"),
    ("x.org. A 192.0.2.1", 4, 1, "x.org. is not in the zone e."),
    ("a CH TXT x", 4, 1, "class CH in a zone of class IN"),
    ("a ANY x", 4, 7, "the data of ANY in class IN can be written in the generic form only"),
    ("a OPT \\# 0", 4, 1, "OPT records do not belong in a zone"),
    ("a UID 0 issue x", 4, 7, "the data of UID in class IN can be written in the generic form only"),
    ("a TYPE65280", 4, 3, "in the generic form only"),
    ("a TYPE65280 \\#", 4, 15, "length is missing"),
    ("a TYPE65280 \\# 4 0000", 4, 16, "length 4 is not that of the data, 2"),
    ("a TYPE65280 \\# 1 0", 4, 19, "an odd number of hexadecimal digits"),
    ("a TYPE65280 \\# 1 0g", 4, 19, "'g' is not a hexadecimal digit"),
    ("a A \\# 3 c00002", 4, 8, "not the data of A: data.address at octet 0: needs 4 octets"),
    ("a MX \\# 4 0001c000", 4, 9, "not the data of MX: data.exchange at octet 2: a compression pointer"),
    ("a TXT", 4, 6, "strings is missing"),
    ("a TXT " + "x" * 256, 4, 7, "strings: a string of 256 octets, longer than 255"),
    ("a TXT " + "é" * 128, 4, 7, "a string of 256 octets"),
    (r"a TXT ab\25", 4, 9, "three digits up to 255"),
    (r'a TXT "ab\25"', 4, 10, "three digits up to 255"),
    ('a TXT "ab', 4, 7, "a quotation mark that is not closed on its line"),
    ('a TXT "ab\ncd"', 4, 7, "a quotation mark that is not closed on its line"),
    ('a TXT ab"cd"', 4, 9, "a quotation mark inside a word"),
    ('a TXT "ab"cd', 4, 11, "a quotation mark inside a word"),
    ('a TXT "ab""cd"', 4, 11, "a quotation mark inside a word"),
    ("a TXT ab\\", 4, 9, "a backslash at the end of a line"),
    ("a TXT ab\\\ncd", 4, 9, "a backslash at the end of a line"),
    ("a TXT ( b\n\n", 4, 7, "a parenthesis that is never closed"),
    ("a TXT b )", 4, 9, "a closing parenthesis without its opening"),
    ("c CNAME d\nc A 192.0.2.1", 5, 1, "c.e. has a CNAME record: nothing can stand beside it"),
    ("c A 192.0.2.1\n  CNAME d", 5, 3, "c.e. has other records: a CNAME stands alone"),
    ("c CNAME d\nC CNAME f", 5, 1, "a second CNAME record for C.e."),
    ("$FOO", 4, 1, "unknown directive '$FOO'"),
    ("$ORIGIN", 4, 8, "origin is missing"),
    ("$ORIGIN a b", 4, 11, "'b' is left over after $ORIGIN"),
    ("$ORIGIN a..b", 4, 11, "origin: 'a..b': an empty label"),
    ("$TTL", 4, 5, "TTL is missing"),
    ("$TTL x", 4, 6, "TTL: 'x' is not a time"),
    ("$TTL 2147483648", 4, 6, "more than 2147483647"),
    ("$INCLUDE other", 4, 10, "$INCLUDE is not allowed here"),
]


@pytest.mark.parametrize(("text", "line", "column", "reason"), REFUSED, ids=lambda value: str(value)[:30])
def test_refuses(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(ZoneFileError) as caught:
        parse_zone(HEAD + text, file="e.zone")
    error = caught.value
    assert (error.file, error.line, error.column) == ("e.zone", line, column)
    assert reason in error.reason
    assert str(error) == f"e.zone:{line}:{column}: {error.reason}"
    assert str(error).isprintable()
    assert len(str(error)) < 250
    assert (error.layer, error.fault, error.kind) == ("dns", "local", "ZoneFileError")
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("text", "origin", "line", "column", "reason"),
    [
        ("", None, 1, 1, "no SOA record"),
        ("\n\n; nothing\n", "e", 4, 1, "no SOA record for e."),
        ("a A 192.0.2.1", None, 1, 1, "owner: 'a' is relative, and there is no origin"),
        ("@ A 192.0.2.1", None, 1, 1, "owner: @ stands for the origin, and there is none"),
        (" A 192.0.2.1", "e", 1, 2, "no owner"),
        ("a A 192.0.2.1", "e", 1, 3, "no TTL, here or before"),
        ("@ SOA ns h 1 2 3 x", "e", 1, 18, "expire: 'x' is not a time"),
        ("@ SOA ns h 1 2 3 4", "e", 1, 19, "minimum is missing"),
        ("@ SOA \\# 3 000001", "e", 1, 10, "not the data of SOA"),
        ("f. 1 SOA ns h 1 2 3 4 5", "e", 1, 1, "f. is not in the zone e."),
        ("a.e. 1 A 192.0.2.1\n", "e", 2, 1, "no SOA record for e."),
        ("a.f. 1 A 192.0.2.1\ne. 1 SOA a. b. 1 2 3 4 5", None, 1, 1, "a.f. is not in the zone e."),
    ],
)
def test_refuses_whole_files(text: str, origin: str | None, line: int, column: int, reason: str) -> None:
    with pytest.raises(ZoneFileError) as caught:
        parse_zone(text, origin, file="f")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert reason in caught.value.reason


def test_hints() -> None:
    for text, hint in (
        ("a BOGUS x", "write a mnemonic, or TYPE and the number"),
        ("a UID 0 issue x", "write \\# LENGTH HEX (RFC 3597)"),
        ("$FOO", "there are $ORIGIN, $TTL, $INCLUDE and $GENERATE; a name that begins so is written \\$"),
    ):
        with pytest.raises(ZoneFileError) as caught:
            parse_zone(HEAD + text)
        assert caught.value.hint == hint


# Includes.


def test_includes() -> None:
    files = {
        "one": "a A 192.0.2.1\n$ORIGIN deeper\n$INCLUDE two\n TXT still-a\nb A 192.0.2.2\n",
        "two": "c A 192.0.2.3\n",
        "three four": "@ A 192.0.2.4\n",
    }
    text = HEAD + 'x A 192.0.2.9\n$INCLUDE one\n TXT still-x\n$INCLUDE "three four" sub\ny A 192.0.2.8\n'
    zone = parse_zone(text, include=lambda name: files[name].encode())
    # RFC 1035 section 5.1: owner and origin are again what they were before the included file.
    assert {(str(name), str(rdtype)) for name, rdtype in zone.rrsets} == {
        ("e.", "SOA"),
        ("x.e.", "A"),
        ("a.e.", "A"),
        ("c.deeper.e.", "A"),
        ("a.e.", "TXT"),
        ("b.deeper.e.", "A"),
        ("x.e.", "TXT"),
        ("sub.e.", "A"),
        ("y.e.", "A"),
    }


def test_paths_are_those_of_the_including_file() -> None:
    files = {
        "zones/sub/one": "$INCLUDE ../two\n",
        "zones/sub/../two": "$INCLUDE /three\n",
        "/three": "a A 192.0.2.1\n",
    }
    zone = parse_zone(HEAD + "$INCLUDE sub/one", file="zones/main", include=files.__getitem__)
    assert (N("a.e."), T.A) in zone.rrsets
    with pytest.raises(ZoneFileError, match=r"'x.x1b' is not a printable name of a file"):
        parse_zone(HEAD + "$INCLUDE x\\027", include=files.__getitem__)


def test_errors_in_an_included_file_are_there() -> None:
    files = {"f/one": "\n\n$INCLUDE two\n", "f/two": "\na A 192.0.2\n"}
    with pytest.raises(ZoneFileError) as caught:
        parse_zone(HEAD + "\n$INCLUDE one", file="f/main", include=files.__getitem__)
    assert str(caught.value).startswith("f/two:2:12: ")
    assert caught.value.via == ("included at f/one:3:10", "included at f/main:5:10")
    assert str(caught.value).endswith("(included at f/one:3:10, included at f/main:5:10)")
    # What is wrong with the zone is where its record is.
    with pytest.raises(ZoneFileError, match=r"^f/two:2:1: .* is not in the zone e\.") as caught:
        parse_zone(HEAD + "$INCLUDE two", file="f/main", include=lambda path: "\nx. A 192.0.2.1")


def test_files_that_include_one_another() -> None:
    with pytest.raises(ZoneFileError) as caught:
        parse_zone(HEAD + "$INCLUDE a", file="main", include={"a": "$INCLUDE ./b", "./b": "\n$INCLUDE a"}.get)
    error = caught.value
    assert (error.file, error.line, error.column) == ("./b", 2, 10)
    assert error.reason == "'a' is being read already: it is included at main:4:10"
    with pytest.raises(ZoneFileError, match="'main' is being read already: it is the zone's own file"):
        parse_zone(HEAD + "$INCLUDE main", file="main", include=lambda path: "")


def test_depth_and_number_of_files() -> None:
    asked = []

    def deeper(path: str) -> str:
        asked.append(path)
        return f"$INCLUDE {path}x\n"

    with pytest.raises(ZoneFileError, match=f"more than {MAX_DEPTH} deep"):
        parse_zone(HEAD + "$INCLUDE x", include=deeper)
    assert len(asked) == MAX_DEPTH
    text = HEAD + "$INCLUDE x\n" * MAX_INCLUDES
    assert len(parse_zone(text, include=lambda path: "").rrsets) == 1
    with pytest.raises(ZoneFileError, match=f"more than {MAX_INCLUDES} files") as caught:
        parse_zone(text + "$INCLUDE x", include=lambda path: "")
    assert caught.value.line == 4 + MAX_INCLUDES


def test_a_file_that_cannot_be_read() -> None:
    def opener(name: str) -> str:
        raise FileNotFoundError(2, "No such file or directory", name)

    with pytest.raises(ZoneFileError, match="'x' cannot be read: No such file or directory") as caught:
        parse_zone(HEAD + "$INCLUDE x", include=opener)
    assert (caught.value.line, caught.value.column) == (4, 10)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


# Any input at all.


_WORDS = "a @ 60 1h IN CH A TXT SOA MX NS TYPE65280 \\# 4 0a000001 192.0.2.1 $ORIGIN $TTL $INCLUDE é .. \\000"
_WORDS += " $GENERATE 1-9/2 h$ ${1,2,n}"
_PIECES = [*_WORDS.split(" "), *'";()\\\n\n \t\r\0\udcff', '"x y"', "ns h 1 2 3 4 5"]


@given(st.lists(st.sampled_from(_PIECES), max_size=30))
def test_any_text_is_a_zone_or_refused(pieces: list[str]) -> None:
    text = HEAD + " ".join(pieces)
    try:
        zone = parse_zone(text, include=lambda name: "b A 192.0.2.1\n")
    except ZoneFileError as error:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= max(map(len, lines)) + 1
        assert str(error).isprintable()
        return
    assert parse_zone(zone.to_text()) == zone


def _spent(text: str) -> float:
    start = time.process_time()
    try:
        parse_zone(text)
    except ZoneFileError:
        pass
    return time.process_time() - start


@pytest.mark.parametrize("piece", ["(", '"', "\\", "(\n", '"a"', "a", "\\0", " ", "a TXT (x) ; y\n", '"\\'])
def test_reading_takes_time_in_proportion(piece: str) -> None:
    short, long = HEAD + "a TXT " + piece * 500, HEAD + "a TXT " + piece * 5000
    # Ten times the text; a hundred times the time would be quadratic.
    assert min(_spent(long) for _ in range(2)) < 40 * max(min(_spent(short) for _ in range(3)), 0.0002)


# Sets and builders.


def test_a_builder_refuses_without_a_place() -> None:
    builder = ZoneBuilder("e")
    with pytest.raises(DnsError.InvalidValue, match=r"no SOA record for e\."):
        builder.finish()
    builder.add(R.SOA("e", 1, "a", "b", 1, 2, 3, 4, 5))
    with pytest.raises(DnsError.InvalidValue, match=r"f\. is not in the zone e\.") as caught:
        builder.add(R.A("f", 1, "192.0.2.1"))
    assert caught.value.field == "record"
    zone = builder.finish()
    assert isinstance(zone, Zone)
    with pytest.raises(TypeError):
        hash(zone)


def test_what_may_stand_beside_an_alias() -> None:
    # RFC 4034 section 3: its signature, and the record that says what else is there.
    signature = f"\\# 19 {'00' * 19}"
    text = HEAD + f"c CNAME d\nc RRSIG {signature}\nc NSEC \\# 1 00\n"
    assert len(parse_zone(text).rrsets) == 4
    assert len(parse_zone(HEAD + f"c RRSIG {signature}\nc CNAME d").rrsets) == 3
