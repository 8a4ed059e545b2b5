"""A zone file is the same over both twins of `read_plain_lines`: its records and their spelling, or the error
with its place, on plain lines, on all others, and on lines that were changed at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings, strategies as st

from netkit import _twins
from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import ZoneFileError
from netkit.dns.name import Name
from netkit.dns.zones import zonefile
from netkit.dns.zones.zonefile import parse_zone

if TYPE_CHECKING:
    from netkit.dns.zones.zonefile import PlainLines

    Read = Callable[[bytes, int, Name | None, Name | None, int | None, int | None], PlainLines]

pytestmark = pytest.mark.skipif(_twins.rust is None, reason="there is one twin")

#: The Python twin reads none, so that the general way reads all.
PYTHON = cast("Read", _twins.python_functions["read_plain_lines"])

HEAD = "$ORIGIN e.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n"

OWNERS = [
    "a",
    "A.b",
    "@",
    ".",
    "",
    "*",
    "_x._tcp",
    "a.",
    "www.E.",
    "a..b",
    ".a",
    "a\\.b",
    "$a",
    "é",
    "?",
    "-",
]
OWNERS += [
    "x" * 63,
    "x" * 64,
    "x." * 126 + "x",
    "x." * 125 + "x",
    "a/b",
    "a$",
    "a@b",
    '"a"',
    "(a",
    "a;b",
    "1",
    "in",
]
MIDDLES = [
    "",
    "60",
    "IN",
    "in 60",
    "60 IN",
    "1h",
    "IN IN",
    "1 1",
    "CH",
    "CLASS1",
    "0",
    "2147483648",
    "00000000060",
]
MIDDLES += ["1W2d3h4m5", "1h5", "5h1x", "1hh", "3550w", "3551w", "0000000001h", "00000000001h"]
MIDDLES += ["4294967296", "99999999999", "0000000060", '"60"']
DATA = ["A 192.0.2.1", "a 192.0.2.1", "A 192.0.2.01", "A 192.0.2.256", "A 1.2.3", "A 1.2.3.4.5", "A +1.2.3.4"]
DATA += ["AAAA ::", "AAAA 2001:DB8::1", "AAAA ::ffff:192.0.2.1", "AAAA 1:2:3:4:5:6:7::", "AAAA 1::2::3"]
DATA += [
    "AAAA fe80::1%1",
    "AAAA 12345::",
    "AAAA 1:2:3:4:5:6:7:8",
    "AAAA ::1:2:3:4:5:6:7:8",
    "AAAA 1",
    "AAAA :1::",
]
DATA += ["AAAA 0001:2:3:4:5:6:7:8", "AAAA 1:2:3:4::5:6:7:8", "AAAA 1:2:3:4:5:6:7:8::", "AAAA 00001::"]
DATA += [
    "NS b",
    "CNAME B.",
    "PTR @",
    "DNAME .",
    "MX 10 b",
    "MX 00010 b",
    "MX 65536 b",
    "MX -1 b",
    "MX 10",
    "MX +1 b",
]
DATA += [
    "SRV 1 2 3 b",
    "SRV 1 2 b",
    "TXT x",
    'TXT "a b" c',
    'TXT ""',
    'TXT "(;)"',
    'TXT "a"b',
    'TXT a"b"',
    "TXT",
]
DATA += [
    'TXT "a\\"b"',
    "TXT \\# 1 00",
    "TXT " + "x" * 255,
    "TXT " + "x" * 256,
    'TXT "é"',
    "TXT a?",
    "TXT a=b",
]
DATA += [
    "A ( 192.0.2.1 )",
    "A (\n192.0.2.1)",
    "A \\# 4 c0000201",
    "TYPE1 \\# 4 c0000201",
    "SOA a b 1 2 3 4 5",
    "BOGUS",
]
DATA += [
    "A 192.0.2.1 x",
    "TXT a\tb\x0bc",
    "TXT a\x7f",
    "NS b c",
    "MX 4294967296 b",
    "MX 99999999999 b",
    "A\u00a0192.0.2.1",
]
ENDS = ["", " ", "\t; comment", ';é ( " ?', "\r", " \r", "; a\r"]
BEFORE = ["", " ", "\t", "  "]
OTHER = [
    "",
    " ",
    "; comment",
    "\r",
    "$ORIGIN b",
    "$ORIGIN @",
    "$TTL 5",
    "$TTL 1h",
    "$INCLUDE i",
    "$GENERATE 1-2 g$ A 10.0.0.$",
]


@st.composite
def some_lines(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(OTHER))
    few = draw(st.booleans())  # so that most lines are right, and are not all of few
    owner, middle, data = (each[:1] if few else each for each in (OWNERS, MIDDLES, DATA))
    parts = [draw(st.sampled_from(each)) for each in (owner, middle, data)]
    space = draw(st.sampled_from([" ", "\t", " \t "]))
    return space.join(parts) + draw(st.sampled_from(ENDS))


def outcome(read: Read, text: str, origin: str | None) -> object:
    """The records as they are written, or the error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zonefile, "read_plain_lines", read)
        try:
            zone = parse_zone(text, origin, include=lambda path: "i A 192.0.2.1\n TXT x\n")
        except ZoneFileError as error:
            return str(error), error.line, error.column, error.hint
    return [(str(record), type(record), record) for rrset in zone.rrsets.values() for record in rrset]


def both(text: str, origin: str | None = None) -> object:
    assert _twins.rust is not None
    python = outcome(PYTHON, text, origin)
    assert outcome(_twins.rust.read_plain_lines, text, origin) == python
    return python


@pytest.mark.parametrize("head", [HEAD, "e. SOA ns.e. h.e. 1 2 3 4 5\n", ""])
def test_every_form(head: str) -> None:
    lines = [f"{owner} {middle} {data}" for owner in OWNERS for middle in MIDDLES[:5] for data in DATA[:1]]
    lines += [f"{blank}b {middle} {DATA[0]}{end}" for middle in MIDDLES for end in ENDS for blank in BEFORE]
    lines += [f"b {data}{end}" for data in DATA for end in ENDS[:3]]
    for line in lines:
        both(f"{head}a 5 TXT x\n{line}\n  TXT last\n", "e.")


@given(st.lists(some_lines(), max_size=6), st.sampled_from([HEAD, "@ SOA ns h 1 2 3 4 5\n", ""]))
@settings(max_examples=300)
def test_lines(some: list[str], head: str) -> None:
    both(head + "\n".join(some), "e.")


PLAIN = HEAD + "".join(
    f'h{n} A 192.0.2.{n}\n AAAA 2001:db8::{n:x}\nh{n}.sub 60 IN MX {n} h{n} ; x\nt{n} IN 5 TXT "a b" c{n}\n'
    for n in range(5)
)


@given(
    st.lists(
        st.tuples(st.integers(0, len(PLAIN)), st.sampled_from('\n \t\r;()"\\?é@$.0aA\0\x7f')),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=300)
def test_changed_octets(changes: list[tuple[int, str]]) -> None:
    text = PLAIN
    for at, char in changes:
        text = text[:at] + char + text[at + 1 :]
    both(text)


def test_more_lines_than_are_read_at_once() -> None:
    lines = [f"h{n} A 10.0.{n >> 8}.{n & 255}\n" for n in range(3000)]
    random.Random(1).shuffle(lines)
    text = HEAD + "".join(lines)
    assert len(both(text)) == 3001  # type: ignore[arg-type]
    assert both(text + "h1 MX x y\n")[1:3] == (3004, 7)  # type: ignore[index]
    assert both(text + "x. A 192.0.2.1\n" + lines[0])[1:3] == (3004, 1)  # type: ignore[index]


def test_the_twin_reads_plain_lines() -> None:
    assert _twins.rust is not None
    origin = Name.parse("e")
    text = b"a A 192.0.2.1\n TXT x\n\n; c\nb 5 NS c\n d CNAME (e)\n"
    records, offsets, at, owner, last_ttl = _twins.rust.read_plain_lines(text, 0, origin, None, 60, None)
    assert [record.rdtype for record in records] == [DnsRecordType.A, DnsRecordType.TXT, DnsRecordType.NS]
    assert [text[offset : offset + 3] for offset in offsets] == [b"a A", b"TXT", b"b 5"]
    assert (text[at:], owner, last_ttl) == (b" d CNAME (e)\n", Name.parse("b.e"), 5)
    assert _twins.rust.read_plain_lines(text, 14, origin, None, 60, None)[0] == []
    assert _twins.rust.read_plain_lines(text, 0, None, None, 60, None)[0] == []
    assert _twins.rust.read_plain_lines(text, 0, origin, None, None, None)[0] == []
    assert _twins.rust.read_plain_lines(text, 1000, origin, None, 60, None)[:3] == ([], [], 1000)
