"""The words of a master file and the cursor over them: places, escapes, and that what is written is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.errors import ZoneFileError
from netkit.dns.name import Name
from netkit.dns.text import GENERIC, TextReader, generic, quoted
from netkit.dns.tokens import Place, decoded, entries
from tests.test_layers import imports

pytestmark = pytest.mark.once


def reader(text: str, origin: str | None = "example.") -> TextReader:
    (entry,) = entries(text, "f")
    return TextReader(entry.tokens, None if origin is None else Name.parse(origin))


def spot(place: Place) -> tuple[str, int, int]:
    return place.file, place.line, place.column


def test_it_stands_below_the_records() -> None:
    above = ("netkit.dns.records", "netkit.dns.rrset", "netkit.dns.zones.zone", "netkit.dns.messages.message")
    assert not [each for each in imports("netkit.dns.text") if each.module.startswith(above)]


def test_tokens_and_their_places() -> None:
    found = list(entries('a  "b c" ; no token\n\n  ( d\n e ) f\n;\n', "f"))
    assert [
        [(token.text, token.quoted, *spot(token.place)) for token in entry.tokens] for entry in found
    ] == [
        [("a", False, "f", 1, 1), ("b c", True, "f", 1, 4)],
        [("d", False, "f", 3, 5), ("e", False, "f", 4, 2), ("f", False, "f", 4, 6)],
    ]
    assert [entry.blank for entry in found] == [False, True]
    token = found[0].tokens[1]
    places = [spot(place) for place in (token.end, token.inside(0), token.inside(None))]
    assert places == [("f", 1, 9), ("f", 1, 5), ("f", 1, 4)]


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("abc", b"abc"),
        (r"\065\\\"\;", b'A\\";'),
        ('"a b"', b"a b"),
        ('""', b""),
        (r"a\000\255", b"a\x00\xff"),
        ("grün", "grün".encode()),
        (r"gr\252n", b"gr\xfcn"),
    ],
)
def test_octets(text: str, octets: bytes) -> None:
    assert reader(text).token("field").octets == octets


def test_octets_that_are_not_utf_8_come_back() -> None:
    assert reader(decoded(b"\xef\xbb\xbf\xff\\032\xfe")).token("field").octets == b"\xff \xfe"


Read = Callable[[TextReader], object]


@pytest.mark.parametrize(
    ("text", "read", "value"),
    [
        ("255", lambda r: r.u8("f"), 255),
        ("65535", lambda r: r.u16("f"), 65535),
        ("04294967295"[1:], lambda r: r.u32("f"), 4294967295),
        ("1w2d3h4m5s", lambda r: r.seconds("f"), 788645),
        ("1H30", lambda r: r.seconds("f"), 3630),
        ("www", lambda r: r.name("f"), Name.parse("www.example.")),
        ("@", lambda r: r.name("f"), Name.parse("example.")),
        (r"a\.b.", lambda r: r.name("f"), Name((b"a.b",))),
        ("192.0.2.1", lambda r: r.ipv4("f"), Ipv4Addr("192.0.2.1")),
        ("::1", lambda r: r.ipv6("f"), Ipv6Addr("::1")),
        ('a "b c"', lambda r: r.character_strings("f"), [b"a", b"b c"]),
        ("0a0 B", lambda r: r.hexadecimal("f"), b"\x0a\x0b"),
        (r"\# 3 0a 0b0C", lambda r: r.generic()[0], b"\x0a\x0b\x0c"),
        (r"\# 0", lambda r: r.generic()[0], b""),
    ],
)
def test_fields(text: str, read: Read, value: object) -> None:
    cursor = reader(text)
    assert read(cursor) == value
    assert not cursor.more
    cursor.finish("the field")


@pytest.mark.parametrize(
    ("text", "read", "column", "reason"),
    [
        ("256", lambda r: r.u8("f"), 1, "f: '256' is more than 255"),
        ("4294967296", lambda r: r.u32("f"), 1, "more than 4294967295"),
        ("00000000001", lambda r: r.u32("f"), 1, "is more than"),
        ("-1", lambda r: r.u8("f"), 1, "is not a number"),
        ("١", lambda r: r.u8("f"), 1, "is not a number"),
        ('"1"', lambda r: r.u8("f"), 1, "must not be quoted"),
        ("1h1", lambda r: r.seconds("f", 3600), 1, "more than 3600 seconds"),
        ("1y", lambda r: r.seconds("f"), 1, "is not a time"),
        ("ab..c", lambda r: r.name("f"), 4, "an empty label"),
        ("1.2.3.x", lambda r: r.ipv4("f"), 7, "f: '1.2.3.x': "),
        ("a b", lambda r: [r.word("f"), r.word("f"), r.word("g")], 4, "g is missing"),
        ('"a" "b"', lambda r: [r.token("f"), r.token("f"), r.token("g")], 8, "g is missing"),
        (r"a\3x", lambda r: r.character_string("f"), 2, "three digits"),
        (r'"a\3x"', lambda r: r.character_string("f"), 3, "three digits"),
        ("a" * 256, lambda r: r.character_string("f"), 1, "a string of 256 octets, longer than 255"),
        ("0a 0g", lambda r: r.hexadecimal("f"), 5, "f: 'g' is not a hexadecimal digit"),
        ("0a0", lambda r: r.hexadecimal("f"), 4, "an odd number"),
        (r"\# 2 0a", lambda r: r.generic(), 4, "length 2 is not that of the data, 1"),
        ("a b c", lambda r: [r.word("f"), r.finish("the f")], 3, "'b' is left over after the f"),
    ],
)
def test_what_a_field_is_not(text: str, read: Read, column: int, reason: str) -> None:
    with pytest.raises(ZoneFileError) as caught:
        read(reader(text))
    assert (caught.value.file, caught.value.line, caught.value.column) == ("f", 1, column)
    assert reason in caught.value.reason


@pytest.mark.parametrize("text", ["@", "www"])
def test_a_relative_name_needs_an_origin(text: str) -> None:
    with pytest.raises(ZoneFileError, match="origin") as caught:
        reader(text, origin=None).name("f")
    assert "$ORIGIN" in str(caught.value.hint)


def test_the_generic_form_is_told_from_a_string_of_its_letters() -> None:
    assert reader(r"\# 0").is_generic
    assert not reader(r'"\#" 0').is_generic
    assert not reader("a").is_generic


@given(st.lists(st.binary(max_size=255), min_size=1, max_size=4))
def test_strings_that_are_written_are_read(strings: list[bytes]) -> None:
    assert reader(" ".join(map(quoted, strings))).character_strings("f") == strings


@given(st.binary(max_size=200))
def test_data_that_is_written_is_read(octets: bytes) -> None:
    text = generic(octets)
    assert text.startswith(f"{GENERIC} {len(octets)}")
    assert reader(text).generic()[0] == octets


@given(st.text(alphabet='a1.\\"();@ \t\n\r', max_size=60))
def test_any_text_is_cut_or_refused(text: str) -> None:
    lines = text.split("\n")
    try:
        for entry in entries(text, "f"):
            for token in entry.tokens:
                line = lines[token.place.line - 1]
                assert line.startswith(token.text, token.inside(0).column - 1)
    except ZoneFileError as error:
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
