"""Records: every type through its four methods, as values, and loaded only when met."""

from __future__ import annotations

import ipaddress
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns import constants
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.messages.wire import WireReader
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord, record_class, record_from_wire

from .strategies import records

pytestmark = pytest.mark.once

R = DnsRecord
T = DnsRecordType
N = Name.parse

RECORDS = [
    # record, its RDATA uncompressed, its RDATA as text
    (R.A("a", 1, "192.0.2.1"), "c0000201", "192.0.2.1"),
    (R.AAAA("a", 1, "2001:db8::1"), "20010db8000000000000000000000001", "2001:db8::1"),
    (R.AAAA("a", 1, "::ffff:192.0.2.9"), "00000000000000000000ffffc0000209", "::ffff:192.0.2.9"),
    (R.AAAA("a", 1, "::192.0.2.9"), "000000000000000000000000c0000209", "::192.0.2.9"),
    (R.AAAA("a", 1, "::1:2"), "00000000000000000000000000010002", "::0.1.0.2"),
    (R.AAAA("a", 1, "::2"), "00000000000000000000000000000002", "::2"),
    (R.AAAA("a", 1, "::"), "00000000000000000000000000000000", "::"),
    (R.CNAME("a", 1, "Www.Example"), "03577777074578616d706c6500", "Www.Example."),
    (R.NS("a", 1, "."), "00", "."),
    (R.PTR("a", 1, r"x\.y"), "03782e7900", r"x\.y."),
    (R.MX("a", 1, 10, "mx.a"), "000a026d78016100", "10 mx.a."),
    (R.SRV("_x._tcp.a", 1, 1, 2, 65535, "b"), "00010002ffff016200", "1 2 65535 b."),
    (
        R.SOA("a", 1, "m", "r", 1, 2, 3, 4, 0xFFFFFFFF),
        "016d00 017200 00000001 00000002 00000003 00000004 ffffffff",
        "m. r. 1 2 3 4 4294967295",
    ),
    (R.TXT("a", 1, "v=x"), "03763d78", '"v=x"'),
    (R.TXT("a", 1, ""), "00", '""'),
    (
        R.TXT("a", 1, [b"", b'"\\;@$(\0\xff~ ']),
        "00 0a225c3b402428 00 ff 7e 20",
        '"" "\\"\\\\;@$(\\000\\255~ "',
    ),
    (R.Unknown("a", 1, 65280, b""), "", "\\# 0"),
    (R.Unknown("a", 1, 65280, b"\n\0\0\1"), "0a000001", "\\# 4 0A000001"),
    (R.Unknown("a", 1, 65280, bytes(29)), "00" * 29, "\\# 29 " + "0" * 56 + " 00"),
    (R.Unknown("a", 1, T.UINFO, b"\0\5issue;"), "000569737375653b", "\\# 8 000569737375653B"),
    (R.Unknown("a", 1, T.A, b"\1y\0\0\1", DnsClass.CH), "0179000001", "\\# 5 0179000001"),
]


@pytest.mark.parametrize(
    ("record", "wire", "text"), RECORDS, ids=lambda value: str(getattr(value, "rdtype", ""))
)
def test_four_methods(record: DnsRecord, wire: str, text: str) -> None:
    octets = bytes.fromhex(wire)
    assert record.rdata_wire() == octets
    assert record.rdata_text() == text
    head = record.name, record.rdtype, record.rdclass, record.ttl
    reader = WireReader(octets, compression=False)
    with reader.restrict_to(len(octets), "rdata"):
        assert record_from_wire(*head, reader) == record
    line = f"{record.name}\t1\t{record.rdclass}\t{record.rdtype}\t{text}"
    assert str(record) == line
    assert DnsRecord.parse(line) == record
    # The form that any type has, RFC 3597 section 5.
    assert DnsRecord.parse(line.removesuffix(text) + record.generic_text()) == record


@pytest.mark.parametrize(
    "record",
    [record for record, _, _ in RECORDS if not isinstance(record, R.Unknown)],
    ids=lambda record: str(record.rdtype),
)
def test_rdata_cut_at_every_octet(record: DnsRecord) -> None:
    octets = record.rdata_wire()
    for length in range(len(octets)):
        reader = WireReader(octets[:length])
        if isinstance(record, R.TXT) and length and length == 1 + octets[0]:
            continue  # a string less is still a record
        with pytest.raises(DnsError.InvalidResponse) as caught, reader.restrict_to(length, "rdata"):
            record_from_wire(record.name, record.rdtype, record.rdclass, record.ttl, reader)
        assert caught.value.field.startswith("rdata.")
        assert caught.value.field.removeprefix("rdata.") in {*record.fields, "strings"}
    reader = WireReader(octets + b"\xc0")
    with pytest.raises(DnsError.InvalidResponse), reader.restrict_to(len(octets) + 1, "rdata"):
        record_from_wire(record.name, record.rdtype, record.rdclass, record.ttl, reader)


def test_the_fields_have_the_names_of_core_net() -> None:
    expected = {
        "A": ["address"],
        "AAAA": ["address"],
        "CNAME": ["canonical"],
        "MX": ["priority", "exchange"],
        "TXT": ["data"],
        "NS": ["nameserver"],
        "PTR": ["domain"],
        "SRV": ["priority", "weight", "port", "target"],
        "SOA": ["mname", "rname", "serial", "refresh", "retry", "expire", "minimum"],
    }
    for variant, fields in expected.items():
        cls = getattr(DnsRecord, variant)
        assert cls.__match_args__ == ("name", "ttl", *fields, "rdclass")
        assert cls.__qualname__ == f"DnsRecord.{variant}"
        assert cls.rdtype == getattr(DnsRecordType, variant)
        assert record_class(cls.rdtype, DnsClass.IN) is cls


def test_match() -> None:
    match R.MX(name="example.com", ttl=300, priority=10, exchange="mail.example.com"):
        case R.A() | R.AAAA():
            pytest.fail("not an address")
        case R.MX(priority=priority, exchange=exchange, name=name):
            assert (priority, exchange, name) == (10, N("mail.example.com"), N("example.com"))
        case _:
            pytest.fail("does not match")


def test_constructors_take_text_and_addresses() -> None:
    for address in ("192.0.2.1", ipaddress.ip_address("192.0.2.1"), Ipv4Addr(192, 0, 2, 1)):
        record = R.A(name=N("a"), ttl=0, address=address)
        assert isinstance(record.address, Ipv4Addr)
        assert record == R.A("A.", 0, "192.0.2.1")
    assert isinstance(R.AAAA("a", 0, ipaddress.ip_address("::1")).address, Ipv6Addr)
    assert R.A("a", 0, "192.0.2.1").rdclass is DnsClass.IN
    assert R.NS("a", 0, "b", rdclass=3).rdclass is DnsClass.CH


@pytest.mark.parametrize(
    ("make", "field", "limit"),
    [
        (lambda: R.A("a", -1, "192.0.2.1"), "ttl", 0x7FFFFFFF),
        (lambda: R.A("a", 0x80000000, "192.0.2.1"), "ttl", 0x7FFFFFFF),
        (lambda: R.A("a", 1, "192.0.2.1", rdclass=0x10000), "class", 0xFFFF),
        (lambda: R.A("a", 1.5, "192.0.2.1"), "ttl", None),  # type: ignore[arg-type]
        (lambda: R.AAAA("a", 1, "fe80::1%eth0"), "address", None),
        (lambda: R.MX("a", 1, 65536, "b"), "priority", 0xFFFF),
        (lambda: R.SRV("a", 1, 0, -1, 0, "b"), "weight", 0xFFFF),
        (lambda: R.SRV("a", 1, 0, 0, 65536, "b"), "port", 0xFFFF),
        (lambda: R.SOA("a", 1, "b", "c", 2**32, 0, 0, 0, 0), "serial", 0xFFFFFFFF),
        (lambda: R.TXT("a", 1, []), "data", None),
        (lambda: R.TXT("a", 1, [bytes(256)]), "data", 255),
        (lambda: R.Unknown("a", 1, 65536, b""), "record type", 0xFFFF),
        (lambda: R.Unknown("a", 1, 65280, bytes(65536)), "rdata", 0xFFFF),
    ],
)
def test_values_that_no_record_holds(make: object, field: str, limit: int | None) -> None:
    with pytest.raises(DnsError.InvalidValue) as caught:
        make()  # type: ignore[operator]
    assert (caught.value.field, caught.value.limit) == (field, limit)
    assert len(str(caught.value)) < 200


def test_names_and_addresses_that_are_none() -> None:
    with pytest.raises(DnsError.InvalidName):
        R.NS("a..b", 1, "c")
    with pytest.raises(DnsError.InvalidName):
        R.NS("a", 1, "c..d")
    with pytest.raises(AddrParseError):
        R.A("a", 1, "192.0.2")


def test_records_are_values() -> None:
    record = R.MX("example.com", 300, 10, "mail.example.com")
    same = R.MX("EXAMPLE.com", 300, 10, "Mail.example.com")
    assert record == same
    assert hash(record) == hash(same)
    assert len({record, same}) == 1
    for other in (
        record.replace(ttl=1),
        record.replace(priority=1),
        record.replace(name="a"),
        R.NS("a", 1, "b"),
    ):
        assert record != other
    assert record.same_data(record.replace(ttl=1))
    assert not record.same_data(record.replace(priority=1))
    assert record != ("example.com", 300, 10, "mail.example.com")
    assert pickle.loads(pickle.dumps(record)) == record
    assert repr(record) == (
        "DnsRecord.MX(name=<Name example.com.>, ttl=300, priority=10,"
        " exchange=<Name mail.example.com.>, rdclass=<DnsClass IN>)"
    )
    with pytest.raises(AttributeError, match=r"DnsRecord\.MX\.ttl cannot be changed: use replace"):
        record.ttl = 5
    with pytest.raises(AttributeError):
        del record.ttl
    with pytest.raises(DnsError.InvalidValue):
        record.replace(ttl=-1)
    assert record.fields == {"priority": 10, "exchange": N("mail.example.com")}


def test_text_records() -> None:
    long = R.TXT("a", 1, "é" * 200)
    assert [len(string) for string in long.strings] == [255, 145]
    assert long.data == "é" * 200  # although a character is cut in two
    assert long.fields == {"data": long.data, "strings": long.strings}
    assert R.TXT("a", 1, b"\xff\0").data == "\\xff\0"
    split = R.TXT("a", 1, [b"ab", b"c"])
    assert split.data == R.TXT("a", 1, "abc").data == "abc"
    assert split != R.TXT("a", 1, "abc")
    assert split.replace(ttl=2).strings == (b"ab", b"c")
    match split:
        case R.TXT(data="abc"):
            pass
        case _:
            pytest.fail("does not match")


def test_other_classes() -> None:
    assert record_class(T.A, DnsClass.CH) is None
    assert record_class(T.SRV, DnsClass.HS) is None
    assert record_class(T.TXT, DnsClass.CH) is R.TXT
    # RFC 2136 section 2.4: an update's "delete this set" has a type and no data.
    assert record_class(T.MX, DnsClass.ANY) is None
    assert record_class(T.NS, DnsClass.NONE) is None
    assert record_class(T.UINFO, DnsClass.IN) is None


@given(records)
@settings(max_examples=40)
def test_text_round_trip(record: DnsRecord) -> None:
    text = str(record)
    assert text.replace("\t", " ").isprintable()
    assert text.isascii()
    again = DnsRecord.parse(text)
    assert again == record
    assert str(again) == text
    assert pickle.loads(pickle.dumps(record)) == record


@given(
    st.sampled_from([T.A, T.AAAA, T.CNAME, T.MX, T.TXT, T.NS, T.PTR, T.SRV, T.SOA]), st.binary(max_size=70)
)
def test_any_rdata_is_read_or_refused(rdtype: DnsRecordType, octets: bytes) -> None:
    reader = WireReader(octets)
    try:
        with reader.restrict_to(len(octets), "rdata"):
            record = record_from_wire(Name.root, rdtype, DnsClass.IN, 0, reader)
    except DnsError.InvalidResponse as error:
        assert 0 <= error.offset <= len(octets)
        return
    assert record.rdtype == rdtype
    assert DnsRecord.parse(str(record)) == record


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "no record is there"),
        ("; nothing", 10, "no record is there"),
        ("a. A 192.0.2.1", 4, "no TTL"),
        ("a. 1 IN A 192.0.2.1\nb. A 192.0.2.1", 1, "a second record"),
        ("a. 1 IN A 192.0.2", 11, "3 of four numbers"),
    ],
)
def test_parsing_one_record(text: str, column: int, reason: str) -> None:
    with pytest.raises(ZoneFileError, match=reason) as caught:
        DnsRecord.parse(text)
    if reason != "3 of four numbers":
        assert caught.value.column == column


def test_parsing_with_an_origin_and_a_ttl() -> None:
    assert DnsRecord.parse("www A 192.0.2.1", origin="example.com", ttl=5) == R.A(
        "www.example.com", 5, "192.0.2.1"
    )


# The numbers.


def test_types() -> None:
    assert T.AAAA == 28
    assert T(28) is T.AAAA
    assert T.parse("aaaa") is T.AAAA
    assert T.parse("TYPE28") is T.AAAA
    assert T.parse("nsap-ptr") is T.NSAP_PTR
    assert (str(T.NSAP_PTR), T.NSAP_PTR.mnemonic, repr(T.A)) == ("NSAP-PTR", "NSAP-PTR", "<DnsRecordType A>")
    assert f"{T.A:>3}|{T.A:03d}" == "  A|001"
    unknown = T.Unknown(65280)
    assert unknown == T(65280) == T.parse("type65280") == 65280
    assert isinstance(T(65280), T.Unknown)
    assert (str(unknown), unknown.mnemonic, repr(unknown)) == ("TYPE65280", None, "<Unknown TYPE65280>")
    assert T.Unknown(1) is T.A
    assert pickle.loads(pickle.dumps([T.A, unknown])) == [T.A, unknown]
    assert pickle.loads(pickle.dumps(T.A)) is T.A
    match T(65280):
        case T.Unknown(number):
            assert number == 65280
        case _:
            pytest.fail("does not match")


def test_constants_have_the_names_of_core_net() -> None:
    expected = {
        "A": 1,
        "NS": 2,
        "CNAME": 5,
        "SOA": 6,
        "PTR": 12,
        "MX": 15,
        "TXT": 16,
        "AAAA": 28,
        "SRV": 33,
        "ANY": 255,
    }
    for mnemonic, number in expected.items():
        assert getattr(constants, f"DNS_TYPE_{mnemonic}") is getattr(T, mnemonic) is T(number)


def test_every_mnemonic_is_its_own() -> None:
    for code, numbers in ((DnsRecordType, 65536), (DnsClass, 65536), (Opcode, 16), (Rcode, 4096)):
        named = [member for member in map(code, range(numbers)) if member.mnemonic is not None]
        assert len(named) > 4
        for member in named:
            assert str(member) == member.mnemonic
            found = code.parse(member.mnemonic)
            assert found == member
            assert type(found) is code


@pytest.mark.parametrize("text", ["", "BOGUS", "TYPE", "TYPE-1", "TYPE1x", "TYPE999999", "28", "TYPE\u0661"])
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(DnsError.InvalidValue) as caught:
        T.parse(text)
    assert caught.value.field == "record type"
    assert caught.value.hint == "write a mnemonic, or TYPE and the number"


def test_numbers_out_of_range() -> None:
    for code, number in ((T, 65536), (T, -1), (DnsClass, 65536), (Opcode, 16), (Rcode, 4096)):
        with pytest.raises(DnsError.InvalidValue, match="must be between 0 and"):
            code(number)
    with pytest.raises(DnsError.InvalidValue):
        T.parse("TYPE65536")


def test_other_numbers() -> None:
    assert (str(DnsClass.CH), str(DnsClass(32)), DnsClass.parse("class32")) == ("CH", "CLASS32", 32)
    assert (str(Rcode(16)), str(Rcode(3841)), str(Opcode(3))) == ("BADVERS", "RCODE3841", "OPCODE3")


def _modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_types_are_loaded_when_they_are_met() -> None:
    wire = "bytes.fromhex('0001800000000001000000000000010001000000000004c0000201')"
    loaded = _modules_after(f"from netkit.dns.messages.message import Message; Message.from_wire({wire})")
    assert {name for name in loaded if name.startswith("netkit.dns.records.")} == {
        "netkit.dns.records.base",
        "netkit.dns.records.declared",
        "netkit.dns.records.fields",
        "netkit.dns.records.variants",
        "netkit.dns.records.a",
    }
    # What costs time to load and is not needed to ask for an address.
    assert not loaded & {
        "dataclasses",
        "inspect",
        "socket",
        "ssl",
        "asyncio",
        "logging",
        "idna",
        "netkit.dns.zones.masterfile",
        "netkit.dns.text",
        "netkit.dns.zones.zonefile",
    }
