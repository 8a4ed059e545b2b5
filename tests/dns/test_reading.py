"""Both twins of `read_message` agree: on messages, on messages cut and changed, and on any octets."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.messages.making import converted, ipv4, ipv6, maker_of
from netkit.dns.messages.message import Message
from netkit.dns.messages.reading import Parts
from netkit.dns.messages.wire import WireReader
from netkit.dns.records import DnsRecord, record_class
from tests.conftest import Twin

from .strategies import messages, records
from .test_message import REFUSED, WIRES

OCTETS = [wire for parameter in WIRES for wire in parameter.values if isinstance(wire, bytes)]
FIELDS = (
    "id",
    "flags",
    "opcode",
    "rcode",
    "question",
    "answer",
    "authority",
    "additional",
    "edns",
    "complaints",
)


def outcome(read: Any, data: bytes) -> tuple[object, ...]:
    """All that a reading says: the parts, with the letters of names as they are, or the error."""
    try:
        parts: Parts = read(data)
    except DnsError.InvalidResponse as error:
        return "refused", error.field, error.offset, error.reason, error.limit
    values = tuple(getattr(parts, field) for field in FIELDS)
    return (*values, repr(values))


def agree(twins: tuple[Twin, Twin], data: bytes) -> None:
    python, rust = twins
    assert outcome(rust.read_message, data) == outcome(python.read_message, data)


@pytest.mark.parametrize("wire", OCTETS)
def test_on_messages_cut_at_every_octet(twins: tuple[Twin, Twin], wire: bytes) -> None:
    for length in range(len(wire) + 1):
        agree(twins, wire[:length])
    agree(twins, wire + b"\0")


@pytest.mark.parametrize("title", REFUSED)
def test_on_what_is_refused(twins: tuple[Twin, Twin], title: str) -> None:
    agree(twins, bytes.fromhex(REFUSED[title][0]))


def test_on_every_octet_changed(twins: tuple[Twin, Twin]) -> None:
    wire = next(wire for wire in OCTETS if 100 < len(wire) < 200)
    for at in range(len(wire)):
        for value in (0, 1, 0x3F, 0x40, 0x80, 0xC0, 0xFF, wire[at] ^ 1, wire[at] ^ 0x20):
            agree(twins, wire[:at] + bytes((value,)) + wire[at + 1 :])


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_on_mutated_messages(twins: tuple[Twin, Twin], data: st.DataObject) -> None:
    wire = bytearray(data.draw(st.sampled_from(OCTETS) | messages().map(Message.to_wire)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(wire) - 1))
        match data.draw(st.sampled_from(("set", "point", "drop", "add"))):
            case "set":
                wire[at] = data.draw(st.integers(0, 255))
            case "point":  # at any octet: before, in the middle of a label, at itself, behind
                wire[at : at + 2] = (0xC000 | data.draw(st.integers(0, len(wire)))).to_bytes(2, "big")
            case "drop" if len(wire) > 1:
                del wire[at]
            case _:
                wire[at:at] = data.draw(st.binary(min_size=1, max_size=3))
    agree(twins, bytes(wire))


@given(st.binary(max_size=300), st.tuples(*[st.integers(0, 3)] * 4))
def test_on_any_octets_behind_a_header(
    twins: tuple[Twin, Twin], data: bytes, counts: tuple[int, ...]
) -> None:
    agree(twins, b"\0\0\x80\0" + b"".join(count.to_bytes(2, "big") for count in counts) + data)


def tangle(chance: random.Random) -> bytes:
    """Records that are little but pointers to each other."""
    count = chance.randrange(1, 200)
    names = []
    at = 12
    starts = [12]
    for _ in range(count):
        label = chance.choice((b"", b"", b"\1a", b"\77" + b"b" * 63)) if chance.random() < 0.7 else b""
        target = chance.choice(starts[-3:] if chance.random() < 0.7 else starts)
        if chance.random() < 0.01:
            target = chance.randrange(at + 20)
        name = b"\1r\0" if at == 12 else label + (0xC000 | target).to_bytes(2, "big")
        names.append(name)
        starts.append(at + len(label))
        at += len(name) + 10
    body = b"".join(name + b"\xff\x00\0\1\0\0\0\0\0\0" for name in names)
    return b"\0\0\x80\0\0\0" + count.to_bytes(2, "big") + bytes(4) + body


def test_on_pointers_to_pointers(twins: tuple[Twin, Twin]) -> None:
    chance = random.Random(1035)
    read = 0
    for _ in range(150):
        wire = tangle(chance)
        agree(twins, wire)
        read += outcome(twins[0].read_message, wire)[0] != "refused"
    assert 15 < read < 135  # both happen


def test_on_chains_around_the_limit(twins: tuple[Twin, Twin]) -> None:
    for links in (126, 127, 128, 129):
        names = [b"\1a\0", *[(0xC000 | 12 + at).to_bytes(2, "big") for at in _places(links)]]
        body = b"".join(name + b"\xff\x00\0\1\0\0\0\0\0\0" for name in names)
        agree(twins, b"\0\0\x80\0\0\0" + len(names).to_bytes(2, "big") + bytes(4) + body)


def _places(links: int) -> list[int]:
    return [0, *[13 + 12 * at for at in range(links - 1)]]


def test_more_than_64_kib_is_read_too(twin: Twin) -> None:
    wire = (
        bytes.fromhex("0001 8000 0000 0002 0000 0000") + (b"\0\xff\0\0\1\0\0\0\0\xff\xff" + bytes(65535)) * 2
    )
    assert [len(record.rdata) for record in twin.read_message(wire).answer] == [65535, 65535]


def test_what_is_no_octets_is_refused_the_same(twins: tuple[Twin, Twin]) -> None:
    errors = []
    for twin in twins:
        with pytest.raises(TypeError) as caught:
            twin.read_message("text")
        errors.append(str(caught.value))
    assert len(set(errors)) == 1


def test_records_are_made_once(twin: Twin) -> None:
    parts = twin.read_message(OCTETS[0])
    assert parts.answer is parts.answer
    assert parts.question is parts.question
    message = Message.from_wire(OCTETS[0])
    assert message.answer is message.answer


def test_a_view_may_be_looked_at_by_several_threads() -> None:
    wire = max(OCTETS, key=len)
    expected = Message.from_wire(wire)
    message = Message.from_wire(wire)
    start = threading.Barrier(4)
    seen: list[bool] = []

    def look() -> None:
        start.wait(10)
        seen.append(message == expected)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == [True] * 4


@given(records)
def test_values_by_letters_are_those_of_the_class(record: DnsRecord) -> None:
    cls = record_class(record.rdtype, record.rdclass)
    if cls is None or cls.LAYOUT is None:
        return
    from netkit.dns.messages.layout import compiled

    wire = record.rdata_wire()
    reader = WireReader(wire)
    values = reader.values(compiled(cls.LAYOUT), len(wire))
    assert values is not None
    assert reader.remaining == 0
    made = maker_of(cls)(record.name, record.ttl, DnsClass(record.rdclass), values)
    assert made == record
    assert type(made) is type(record)
    assert made == cls.from_values(record.name, record.ttl, DnsClass(record.rdclass), values)
    # One octet less or more is not read, and the reader stays where it was.
    for count in (len(wire) - 1, len(wire) + 1):
        other = WireReader(wire)
        if count >= 0 and not cls.LAYOUT.endswith("r") and other.values(compiled(cls.LAYOUT), count) is None:
            assert other.offset == 0
            assert other.remaining == len(wire)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
def test_addresses_are_those_of_the_constructor(four: bytes, sixteen: bytes) -> None:
    for made, constructed in ((ipv4(four), Ipv4Addr(four)), (ipv6(sixteen), Ipv6Addr(sixteen))):
        assert made == constructed
        assert (hash(made), str(made), made.packed) == (
            hash(constructed),
            str(constructed),
            constructed.packed,
        )
        assert type(made) is type(constructed)


def test_the_letters_of_common_types() -> None:
    letters = {
        "A": "4",
        "AAAA": "6",
        "NS": "n",
        "CNAME": "n",
        "PTR": "n",
        "MX": "Hn",
        "SOA": "nnIIIII",
        "TXT": "S",
    }
    for mnemonic, layout in letters.items():
        cls = record_class(DnsRecordType.parse(mnemonic), DnsClass.IN)
        assert cls is not None
        assert layout == cls.LAYOUT
        assert len(list(map(converted, cls.FIELDS))) == len(layout)
