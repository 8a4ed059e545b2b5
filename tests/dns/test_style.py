"""How records are written: on several lines, with comments, without what is long, in columns."""

from __future__ import annotations

import pytest

from netkit.dns import DnsRecord, Question
from netkit.dns.lines import in_columns, question_line, record_line
from netkit.dns.records import record_class
from netkit.dns.records.variants import TYPES
from netkit.dns.style import PLAIN, Style, shape_of, time_in_words, ttl_text

pytestmark = pytest.mark.once

LINES = Style(multiline=True, indent="  ")

SAMPLES = [
    (
        "SOA ns1. host. 7 3600 600 86400 60",
        """\
ns1. host. (
  7          ; serial
  3600       ; refresh (1 hour)
  600        ; retry (10 minutes)
  86400      ; expire (1 day)
  60         ; minimum (1 minute)
  )""",
    ),
    ("DS 1 13 2 " + "ab" * 32, f"1 13 2 (\n  {'AB' * 22}\n  {'AB' * 10} )"),
    ("RRSIG A 8 2 300 20261231235959 20260101000000 7 z. AQID",
     "A 8 2 300 (\n  20261231235959 20260101000000 7 z.\n  AQID )"),
    ("KEY 49152 3 5", "49152 3 5"),
    ("KEY 512 3 5 AQID", "512 3 5 (\n  AQID\n  ); alg = RSASHA1 ; key id = 2311"),
    ("NSEC3 1 0 0 - 2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S", "1 0 0 - (\n  2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S )"),
    ("HIP 2 AB AQID a. b.", "( 2 AB\n  AQID\n  a.\n  b. )"),
    ("IPSECKEY 10 0 0 .", "( 10 0 0 . )"),
    ("TYPE65280 \\# 3 010203", "\\# 3 ( 010203 )"),
    ("TYPE65280 \\# 0", "\\# 0"),
    ("DHCID AAIB", "( AAIB ) ; 2 1 0"),
    ("MX 10 mail.", "10 mail."),
]  # fmt: skip


def record(text: str) -> DnsRecord:
    return DnsRecord.parse(f"name. 300 IN {text}")


@pytest.mark.parametrize(("text", "lines"), SAMPLES)
def test_data_on_several_lines(text: str, lines: str) -> None:
    assert record(text).styled_text(LINES) == lines


@pytest.mark.parametrize(("text", "lines"), SAMPLES)
def test_several_lines_are_read_as_the_same_record(text: str, lines: str) -> None:
    assert DnsRecord.parse(f"name. 300 IN {text.split(maxsplit=1)[0]} {lines}") == record(text)


@pytest.mark.parametrize(("text", "lines"), SAMPLES)
def test_the_plain_style_is_the_text_of_the_record(text: str, lines: str) -> None:
    assert record(text).styled_text(PLAIN) == record(text).rdata_text()


def test_every_shape_has_every_field_once() -> None:
    """But for what stands for a field that text has otherwise."""
    for rdtype in TYPES:
        cls = record_class(rdtype, 1) or record_class(rdtype, 255)
        assert cls is not None
        named = [part for part in shape_of(cls) if part not in "()/"]
        assert {field.name for field in cls.FIELDS} <= set(named)
        assert len(set(named)) == len(named)
        assert all(hasattr(cls, part) for part in named)


@pytest.mark.parametrize(
    ("style", "text", "shown"),
    [
        (Style(crypto=False), "RRSIG A 8 2 300 20261231235959 20260101000000 7 z. AQID",
         "A 8 2 300 20261231235959 20260101000000 7 z. [omitted]"),
        (Style(crypto=False), "DNSKEY 257 3 13 AQID", "257 3 13 [key id = 2064]"),
        (Style(crypto=False), "KEY 49152 3 5", "49152 3 5"),
        (Style(crypto=False), "TLSA 3 1 1 " + "ab" * 32, f"3 1 1 {'AB' * 28} {'AB' * 4}"),
        (Style(comments=True), "DNSKEY 257 3 13 AQID",
         "257 3 13 AQID  ; KSK; alg = ECDSAP256SHA256 ; key id = 2064"),
        (Style(comments=True), "DNSKEY 384 3 253 AWEAAQ==",
         "384 3 253 AWEAAQ==  ; ZSK; alg = a ; key id = 1759"),
        (Style(comments=True), "DNSKEY 384 3 253 /w==",
         "384 3 253 /w==  ; ZSK; alg = PRIVATEDNS ; key id = 1150"),
        (Style(split=8), "SSHFP 1 1 0102030405", "1 1 01020304 05"),
        (Style(split=0), "DS 1 13 2 " + "ab" * 32, "1 13 2 " + "AB" * 32),
        (Style(expand_ipv6=True), "AAAA 2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
        (Style(quotable=True), "AAAA 2001:db8::", "2001:db8::0"),
        (Style(generic=True, multiline=True, indent=" "), "A 192.0.2.1", "\\# 4 ( C0000201 )"),
    ],
)  # fmt: skip
def test_data_in_a_style(style: Style, text: str, shown: str) -> None:
    assert record(text).styled_text(style) == shown


@pytest.mark.parametrize(
    ("seconds", "text", "words"),
    [
        (0, "0s", "0 seconds"),
        (1, "1s", "1 second"),
        (61, "1m1s", "1 minute 1 second"),
        (90000, "1d1h", "1 day 1 hour"),
        (2147483647, "3550w5d3h14m7s", "3550 weeks 5 days 3 hours 14 minutes 7 seconds"),
    ],
)
def test_times(seconds: int, text: str, words: str) -> None:
    assert (ttl_text(seconds), time_in_words(seconds)) == (text, words)


def test_words_stand_in_their_columns() -> None:
    assert in_columns([(0, "short."), (24, "300"), (32, "IN")]) == "short.\t\t\t300\tIN"
    assert in_columns([(0, "x" * 23), (24, "300")]) == "x" * 23 + "\t300"
    assert in_columns([(0, "x" * 24), (24, "300"), (32, "IN")]) == "x" * 24 + " 300\tIN"
    assert in_columns([(0, "x" * 60), (24, "300"), (32, "IN")]) == "x" * 60 + " 300 IN"


def test_a_line_may_leave_out_and_replace() -> None:
    found = DnsRecord.parse("a. 90000 IN A 192.0.2.1")
    assert record_line(found, Style(ttl_units=True)) == "a.\t\t\t1d1h\tIN\tA\t192.0.2.1"
    assert record_line(found, Style(ttl=False, rdclass=False)) == "a.\t\t\tA\t192.0.2.1"
    assert record_line(found, Style(generic=True)) == "a.\t\t\t90000\tCLASS1\tTYPE1\t\\# 4 C0000201"
    assert record_line(found, PLAIN, owner="b.", rdata="data") == "b.\t\t\t90000\tIN\tA\tdata"
    assert question_line(Question("a.", 1), PLAIN) == "a.\t\t\t\tIN\tA"
    assert question_line(Question("a.", 1), Style(rdclass=False)) == "a.\t\t\tIN\tA"
    assert question_line(Question("a.", 1), Style(generic=True)) == "a.\t\t\t\tCLASS1\tTYPE1"
