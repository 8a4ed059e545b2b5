"""The cursor and the buffer under the codec."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import WireReader, WireWriter
from netkit.dns.name import Name

from .strategies import names

N = Name.parse


def test_reads_what_is_there() -> None:
    reader = WireReader(bytes.fromhex("01 0203 04050607 0241 42 ff"))
    assert reader.u8("a") == 1
    assert reader.u16("b") == 0x0203
    assert reader.u32("c") == 0x04050607
    assert reader.offset == 7
    assert reader.remaining == 4
    assert reader.character_string("d") == b"AB"
    assert reader.rest() == b"\xff"
    assert (reader.remaining, reader.rest()) == (0, b"")


@pytest.mark.parametrize(
    ("method", "arguments", "octets", "wanted"),
    [
        ("u8", (), "", 1),
        ("u16", (), "01", 2),
        ("u32", (), "010203", 4),
        ("take", (5,), "01020304", 5),
        ("name", (), "", 1),
    ],
)
def test_never_reads_past_the_end(method: str, arguments: tuple[int, ...], octets: str, wanted: int) -> None:
    data = bytes.fromhex(octets)
    for reader in (
        WireReader(b"\xaa" + data, 1),
        WireReader(b"\xaa" + data + b"\0\0\0\0\0", 1, 1 + len(data)),
    ):
        with pytest.raises(DnsError.InvalidResponse) as caught:
            getattr(reader, method)(*arguments, "some field")
        assert caught.value.field == "some field"
        assert caught.value.offset == 1
        assert f"needs {wanted} octet" in caught.value.reason
        assert f": {len(data)}" in caught.value.reason


def test_a_string_that_ends_too_early() -> None:
    with pytest.raises(DnsError.InvalidResponse, match="octet 1: needs 3 octets; left of the message: 2"):
        WireReader(b"\x03ab").character_string("text")


def test_record_fields_are_named_one_by_one() -> None:
    whole = bytes.fromhex("0001 0002 00000003 0004")
    assert WireReader(whole).record_fields() == (1, 2, 3, 4)
    for length, field, offset in ((0, "type", 0), (3, "class", 2), (7, "ttl", 4), (9, "rdlength", 8)):
        with pytest.raises(DnsError.InvalidResponse) as caught:
            WireReader(whole[:length]).record_fields()
        assert (caught.value.field, caught.value.offset) == (field, offset)


def test_a_restricted_part() -> None:
    reader = WireReader(b"\1\2\3\4\5")
    with reader.restrict_to(3, "outer"):
        assert reader.u8("a") == 1
        with reader.restrict_to(2, "inner"):
            assert reader.remaining == 2
            assert reader.rest() == b"\2\3"
        assert reader.remaining == 0
    assert reader.remaining == 2


def test_a_restricted_part_must_be_read_whole() -> None:
    reader = WireReader(b"\1\2\3\4\5")
    with pytest.raises(DnsError.InvalidResponse) as caught, reader.restrict_to(3, "part"):
        reader.u8("a")
    assert (caught.value.field, caught.value.offset) == ("part", 1)
    assert caught.value.reason == "2 octets left over"
    assert reader.remaining == 4  # the restriction is gone all the same


def test_a_restricted_part_cannot_be_left() -> None:
    reader = WireReader(b"\1\2\3\4\5")
    with (
        pytest.raises(DnsError.InvalidResponse, match="left of the inner: 1") as caught,
        reader.restrict_to(3, "outer"),
        reader.restrict_to(1, "inner"),
    ):
        reader.u16("number")
    assert caught.value.field == "outer.inner.number"
    with pytest.raises(DnsError.InvalidResponse, match="needs 6 octets"):
        WireReader(b"\1\2\3\4\5").restrict_to(6, "part")


def test_compression_as_rfc_1035_shows_it() -> None:
    # Section 4.1.4: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64 and the root at 92.
    data = bytearray(93)
    data[20:32] = b"\1F\3ISI\4ARPA\0"
    data[40:46] = b"\3FOO\xc0\x14"
    data[64:66] = b"\xc0\x1a"
    for offset, text, end in (
        (20, "F.ISI.ARPA.", 32),
        (40, "FOO.F.ISI.ARPA.", 46),
        (64, "ARPA.", 66),
        (92, ".", 93),
    ):
        reader = WireReader(data, offset)
        assert str(reader.name("name")) == text
        assert reader.offset == end
    # In one go, when names before are remembered.
    reader = WireReader(data, 20)
    for offset, text in (
        (20, "F.ISI.ARPA."),
        (40, "FOO.F.ISI.ARPA."),
        (64, "ARPA."),
        (40, "FOO.F.ISI.ARPA."),
    ):
        reader.offset = offset
        assert str(reader.name("name")) == text


def test_a_name_may_point_out_of_its_part_but_not_run_out_of_it() -> None:
    data = b"\3com\0" + b"\1a\xc0\0" + b"\1a\0"
    reader = WireReader(data, 5)
    with reader.restrict_to(4, "rdata"):
        assert str(reader.name("target")) == "a.com."
    with pytest.raises(DnsError.InvalidResponse, match="left of the rdata"), reader.restrict_to(2, "rdata"):
        reader.name("target")


def test_no_pointer_where_none_is_allowed() -> None:
    with pytest.raises(
        DnsError.InvalidResponse, match="a compression pointer where none is allowed"
    ) as caught:
        WireReader(b"\0\1a\xc0\0", 1, compression=False).name("target")
    assert caught.value.offset == 3


def test_writes() -> None:
    writer = WireWriter()
    writer.u8(1)
    writer.u16(0x0203)
    writer.u32(0x04050607)
    writer.character_string(b"AB")
    with writer.length_prefix():
        writer.write(b"xyz")
    assert writer.data == bytes.fromhex("01 0203 04050607 024142 0003 78797a")
    with pytest.raises(DnsError.InvalidValue, match="longer than 255 octets"):
        writer.character_string(bytes(256))
    with pytest.raises(DnsError.InvalidValue, match="longer than 65535 octets"), writer.length_prefix():
        writer.write(bytes(0x10000))


def test_compresses_against_names_of_the_same_case_only() -> None:
    writer = WireWriter()
    for text in ("www.example.com", "mail.example.com", "example.com", "Example.com", "."):
        writer.name(N(text))
    assert writer.data == (
        b"\3www\7example\3com\0" + b"\4mail\xc0\4" + b"\xc0\4" + b"\7Example\xc0\x0c" + b"\0"
    )


def test_an_uncompressed_name_can_still_be_pointed_at() -> None:
    writer = WireWriter()
    writer.name(N("a.b"))
    writer.name(N("x.a.b"), compress=False)
    writer.name(N("y.x.a.b"))
    assert writer.data == b"\1a\1b\0" + b"\1x\1a\1b\0" + b"\1y\xc0\5"
    plain = WireWriter(compress=False)
    plain.name(N("a.b"))
    plain.name(N("a.b"))
    assert plain.data == b"\1a\1b\0" * 2


def test_a_pointer_reaches_14_bits() -> None:
    writer = WireWriter()
    writer.write(bytes(0x3FFD))
    writer.name(N("a.b"))  # "a" at 0x3FFD can be pointed at, and so can "b" at 0x3FFF
    writer.name(N("c"))  # this cannot: it is at 0x4002
    writer.name(N("a.b"))
    writer.name(N("b"))
    writer.name(N("c"))
    assert writer.data[0x3FFD:] == b"\1a\1b\0" + b"\1c\0" + b"\xff\xfd" + b"\xff\xff" + b"\1c\0"


def test_rewinding_forgets_the_names_too() -> None:
    writer = WireWriter()
    writer.name(N("example.com"))
    mark = writer.mark()
    writer.name(N("www.example.com"))
    writer.name(N("example.net"))
    writer.rewind(mark)
    writer.name(N("example.net"))
    writer.name(N("www.example.com"))
    assert writer.data == b"\7example\3com\0" + b"\7example\3net\0" + b"\3www\xc0\0"


@given(st.lists(st.tuples(names(), st.booleans()), max_size=12), st.booleans())
def test_names_come_back(written: list[tuple[Name, bool]], compress: bool) -> None:
    writer = WireWriter(compress)
    for name, may in written:
        writer.name(name, may)
    reader = WireReader(bytes(writer.data))
    for name, _ in written:
        assert reader.name("name").is_identical(name)
    assert reader.remaining == 0


@given(st.binary(max_size=80), st.integers(0, 80))
def test_a_name_from_any_octets_is_within_its_limits(data: bytes, offset: int) -> None:
    reader = WireReader(data, min(offset, len(data)))
    try:
        name = reader.name("name")
    except DnsError.InvalidResponse as error:
        assert error.field == "name"
        assert 0 <= error.offset <= len(data)
        return
    assert len(name.to_wire()) <= 255
    assert all(0 < len(label) <= 63 for label in name.labels)
    assert Name(name.labels) == name
    assert reader.offset <= len(data)
