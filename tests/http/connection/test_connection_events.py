"""Events, heads and blocks of fields: values that compare, show themselves shortly, and encode once."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from netkit.http import HttpError
from netkit.http.connection.events import (
    MANAGED_FIELDS,
    Broken,
    Data,
    End,
    FieldBlock,
    GoAway,
    Interim,
    RequestHead,
    Room,
    encode_lines,
)

pytestmark = pytest.mark.once


def test_events_compare_by_their_fields() -> None:
    assert Data(1, b"x") == Data(1, b"x", 0)
    assert Data(1, b"x") != Data(2, b"x")
    assert Data(1, b"x") != Data(1, b"y")
    assert Data(1, b"x", 1) != Data(1, b"x")
    assert End(1, []) != Interim(1, 100, [])
    assert Room(1) == Room(1) != Room(0)
    assert GoAway(3).stream == Broken(HttpError("x")).stream == 0
    assert Data(1, b"x") != "Data"
    with pytest.raises(TypeError):
        hash(Data(1, b"x"))


def test_events_show_themselves_shortly() -> None:
    assert repr(End(1, [(b"A", b"b")])) == "End(stream=1, trailers=[(b'A', b'b')])"
    assert len(repr(Data(1, b"x" * 100_000))) < 200
    assert "secret" not in repr(RequestHead(b"GET", b"/", b"a", fields=[(b"Authorization", b"secret")]))
    assert repr(FieldBlock([(b"Authorization", b"secret")])) == "FieldBlock(1 fields)"
    assert len(repr(RequestHead(b"GET", b"/" * 10_000, b"a"))) < 200


def test_a_block_encodes_once() -> None:
    block = FieldBlock([(b"User-Agent", b"x"), (b"A", b"")])
    assert block.items == ((b"User-Agent", b"x"), (b"A", b""))
    assert block.lines == b"User-Agent: x\r\nA: \r\n"
    assert block.lines is block.lines
    assert block.lower == [(b"user-agent", b"x"), (b"a", b"")]
    assert block.lower is block.lower
    assert FieldBlock().lines == b""
    wrong = FieldBlock([(b"A", b"\r\nB: c")])
    for _ in range(2):
        with pytest.raises(HttpError.InvalidValue):
            _ = wrong.lines


def test_all_fields() -> None:
    shared = FieldBlock([(b"A", b"1")])
    assert RequestHead(b"GET", b"/", b"a", fields=[(b"B", b"2")], shared=shared).all_fields() == [
        (b"A", b"1"),
        (b"B", b"2"),
    ]
    assert RequestHead(b"GET", b"/", b"a", fields=((b"B", b"2"),)).all_fields() == [(b"B", b"2")]


OCTETS = st.text("aB-: \r\n\t\0\x7f\xff,", max_size=12).map(lambda text: text.encode("latin-1"))
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@given(st.lists(st.tuples(OCTETS | st.sampled_from(sorted(MANAGED_FIELDS)), OCTETS), max_size=3))
def test_what_is_encoded_is_one_line_a_field(fields: list[tuple[bytes, bytes]]) -> None:
    """A field is sent as it is, or refused: judged one by one, without an expression over all of them."""

    def may_be_sent(name: bytes, value: bytes) -> bool:
        if not name or not TOKEN.issuperset(name) or name.lower() in MANAGED_FIELDS:
            return False
        return all(octet == 0x09 or (octet >= 0x20 and octet != 0x7F) for octet in value)

    if all(may_be_sent(*field) for field in fields):
        assert encode_lines(fields).split(b"\r\n")[:-1] == [b": ".join(field) for field in fields]
    else:
        with pytest.raises(HttpError.InvalidValue):
            encode_lines(fields)
