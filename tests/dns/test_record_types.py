"""Every record type: examples of the RFCs, and random records through octets, text, pickle and JSON."""

from __future__ import annotations

import base64
import hashlib
import inspect
import pickle
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.messages.layout import compiled
from netkit.dns.messages.message import Message
from netkit.dns.messages.wire import WireReader
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord, record_class, record_from_wire
from netkit.dns.records.variants import TYPES

from .strategies import records_of

pytestmark = pytest.mark.once


def read(rdtype: int, octets: bytes, *, compression: bool = True) -> DnsRecord:
    """A record from its RDATA alone."""
    reader = WireReader(octets, compression=compression)
    with reader.restrict_to(len(octets), "rdata"):
        return record_from_wire(Name.root, DnsRecordType(rdtype), DnsClass.IN, 1, reader)


def b64(text: str) -> str:
    return base64.b64decode(text).hex()


def name(text: str) -> str:
    return Name.parse(text).to_wire().hex()


def text_of(octets: str) -> str:
    return f"{len(octets):02x}{octets.encode().hex()}"


#: The key of RFC 4034 section 2.3.
KEY = (
    "AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8no"
    "kfzj31GajIQKY+5CptLr3buXA10hWqTkF7H6RfoRqXQeogmMHfpftf6z"
    "Mv1LyBUgia7za6ZEzOJBOztyvhjL742iU/TpPSEDhm2SNKLijfUppn1U"
    "aNvv4w=="
)
IPSEC = "AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ=="

DIGEST = "c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c"

#: Type and text as an RFC has them (or the draft that the type's file names), and the octets.
EXAMPLES = [
    # RFC 1035 sections 3.3 and 3.4
    ("MB", "host.example.", name("host.example")),
    ("MD", "host.example.", name("host.example")),
    ("MF", "host.example.", name("host.example")),
    ("MG", "member.example.", name("member.example")),
    ("MR", "new.example.", name("new.example")),
    ("MINFO", "a.example. b.example.", name("a.example") + name("b.example")),
    ("HINFO", '"DEC-2060" "TOPS20"', text_of("DEC-2060") + text_of("TOPS20")),
    ("NULL", "\\# 3 010203", "010203"),
    ("NULL", "\\# 0", ""),
    ("WKS", "10.0.0.52 6 21 25", "0a000034 06 00000440"),
    ("WKS", "10.0.0.52 17", "0a000034 11"),
    # RFC 1183 sections 1 to 3
    ("AFSDB", "1 bigbird.toaster.com.", "0001" + name("bigbird.toaster.com")),
    (
        "RP",
        "louie.trantor.umd.edu. lam1.people.umd.edu.",
        name("louie.trantor.umd.edu") + name("lam1.people.umd.edu"),
    ),
    ("RP", r"root\.x.example. .", name(r"root\.x.example") + "00"),
    ("X25", '"311061700956"', text_of("311061700956")),
    ("ISDN", '"150862028003217" "004"', text_of("150862028003217") + text_of("004")),
    ("ISDN", '"150862028003217"', text_of("150862028003217")),
    ("ISDN", '"150862028003217" ""', text_of("150862028003217") + "00"),
    ("RT", "2 relay.prime.com.", "0002" + name("relay.prime.com")),
    # RFC 1706 section 5, RFC 1348 section 4
    (
        "NSAP",
        "0x47000580005a0000000001e133ffffff00016100",
        "47 0005 80 005a00 0000 0001 e133 ffffff000161 00",
    ),
    ("NSAP-PTR", "foo.bar.com.", name("foo.bar.com")),
    # RFC 1712 section 3
    ("GPOS", '"-32.6882" "116.8652" "10.0"', text_of("-32.6882") + text_of("116.8652") + text_of("10.0")),
    # RFC 1876 section 4
    ("LOC", "42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m", "00331613 89172dd0 70be15f0 00988d20"),
    ("LOC", "42 21 43.952 N 71 5 6.344 W -24.00m 1m 200m 10m", "00122413 891706 90 70bf2dd8 00988d20"),
    ("LOC", "32 7 19.000 S 116 2 25.000 E 10.00m 1m 10000m 10m", "00121613 791b7d28 98e64868 00989a68"),
    (
        "LOC",
        "90 0 0.000 S 180 0 0.000 W -100000.00m 0.00m 0.09m 90000000m",
        "00009099 6cb02700 59604e00 00000000",
    ),
    # RFC 2163 section 4, RFC 2230 section 3
    ("PX", "50 dom. px400.", "0032" + name("dom") + name("px400")),
    ("KX", "1 kx.example.", "0001" + name("kx.example")),
    # RFC 2535 sections 3, 4 and 5
    ("KEY", f"256 3 5 {KEY[:56]} {KEY[56:112]} {KEY[112:168]} {KEY[168:]}", "0100 03 05" + b64(KEY)),
    ("KEY", "49408 3 5", "c100 03 05"),
    (
        "SIG",
        "NXT 1 2 3600 19960102030405 19951211100908 2143 foo.nil. AQID",
        "001e 01 02 00000e10 30e8a0a5 30cc0344 085f" + name("foo.nil") + "010203",
    ),
    ("NXT", "big.bar. A MX NXT", name("big.bar") + "40 01 00 02"),
    # RFC 2671 and the drafts of Nimrod; ATM Forum af-saa-0069
    ("EID", "E32C6F78163A9348", "e32c6f78163a9348"),
    ("NIMLOC", "32251A030067", "32251a030067"),
    ("ATMA", "39246f000e7c9c031200010001000012345678ff", "00 39246f000e7c9c031200010001000012345678ff"),
    ("ATMA", "+358400123123", "01" + b"358400123123".hex()),
    # RFC 2782, RFC 3403 section 6.2
    ("SRV", "0 1 9 old-slow-box.example.com.", "0000 0001 0009" + name("old-slow-box.example.com")),
    (
        "NAPTR",
        '100 50 "s" "http+N2L+N2C+N2R" "" www.example.com.',
        "0064 0032" + text_of("s") + text_of("http+N2L+N2C+N2R") + "00" + name("www.example.com"),
    ),
    (
        "NAPTR",
        '100 10 "" "" "!^urn:cid:.+@([^\\\\.]+\\\\.)(.*)$!\\\\2!i" .',
        "0064 000a 00 00" + text_of("!^urn:cid:.+@([^\\.]+\\.)(.*)$!\\2!i") + "00",
    ),
    # RFC 2874 section 3.1
    ("A6", "0 2345:c1:ca11:1:1234:5678:9abc:def0", "00 234500c1ca1100011234 56789abcdef0"),
    (
        "A6",
        "64 ::1234:5678:9abc:def0 subnet-1.ip6.x.example.",
        "40 123456789abcdef0" + name("subnet-1.ip6.x.example"),
    ),
    ("A6", "61 ::7:0:0:0:1 p.", "3d 07 0000000000000001" + name("p")),
    ("A6", "128 p.", "80" + name("p")),
    # RFC 2930 section 2, RFC 8945 section 4.2
    (
        "TKEY",
        "gss-tsig. 0 4294967295 3 BADKEY 3 AQID 0",
        name("gss-tsig") + "00000000 ffffffff 0003 0011 0003 010203 0000",
    ),
    (
        "TSIG",
        "hmac-sha256. 853804800 300 4 AQIDBA== 54321 BADTIME 6 AAAAAAAB",
        name("hmac-sha256") + "000032e40700 012c" + "0004 01020304 d431 0012 0006 000000000001",
    ),
    # RFC 3123 section 5
    ("APL", "1:192.168.32.0/21 !1:192.168.38.0/28", "0001 15 03 c0a820 0001 1c 83 c0a826"),
    ("APL", "1:224.0.0.0/4 2:ff00::/8", "0001 04 01 e0 0002 08 01 ff"),
    ("APL", "", ""),
    # RFC 4025 section 3.2
    ("IPSECKEY", f"10 1 2 192.0.2.38 {IPSEC}", "0a 01 02 c0000226" + b64(IPSEC)),
    ("IPSECKEY", f"10 0 2 . {IPSEC}", "0a 00 02" + b64(IPSEC)),
    (
        "IPSECKEY",
        f"10 3 2 mygateway.example.com. {IPSEC}",
        "0a 03 02" + name("mygateway.example.com") + b64(IPSEC),
    ),
    (
        "IPSECKEY",
        f"10 2 2 2001:db8:0:8002::2000:1 {IPSEC}",
        "0a 02 02 20010db8000080020000000020000001" + b64(IPSEC),
    ),
    ("IPSECKEY", "10 3 0 .", "0a 03 00 00"),
    # RFC 4034 sections 2.3, 3.3, 4.3 and 5.4
    ("DNSKEY", f"256 3 5 {KEY[:56]} {KEY[56:112]} {KEY[112:168]} {KEY[168:]}", "0100 03 05" + b64(KEY)),
    (
        "RRSIG",
        "A 5 3 86400 20030322173103 20030220173103 2642 example.com. oJB1W6WN",
        "0001 05 03 00015180 3e7c9dd7 3e5510d7 0a52" + name("example.com") + "a090755ba58d",
    ),
    (
        "NSEC",
        "host.example.com. A MX RRSIG NSEC TYPE1234",
        name("host.example.com")
        + "0006 400100000003 041b 000000000000000000000000000000000000000000000000000020",
    ),
    (
        "DS",
        "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
        "ec45 05 01 2bb183af5f22588179a53b0a98631fad1a292118",
    ),
    (
        "DLV",
        "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
        "ec45 05 01 2bb183af5f22588179a53b0a98631fad1a292118",
    ),
    (
        "TA",
        "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
        "ec45 05 01 2bb183af5f22588179a53b0a98631fad1a292118",
    ),
    # RFC 4255 section 3.2
    (
        "SSHFP",
        "2 1 123456789ABCDEF67890123456789ABCDEF67890",
        "02 01 123456789abcdef67890123456789abcdef67890",
    ),
    # RFC 4398 section 2
    ("CERT", "PKIX 12345 RSASHA1 AQID", "0001 3039 05 010203"),
    ("CERT", "65280 0 0 AQID", "ff00 0000 00 010203"),
    # RFC 4701 section 3.6.1
    (
        "DHCID",
        "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
        b64("AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="),
    ),
    # RFC 5155 appendix A
    (
        "NSEC3",
        "1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR NS SOA MX RRSIG DNSKEY NSEC3PARAM",
        "01 01 000c 04aabbccdd 14 174eb2409fe28bcb4887a1836f957f0a8425e27b 0007 220100 0000 0290",
    ),
    ("NSEC3", "1 0 0 - 00", "01 00 0000 00 01 00"),
    ("NSEC3PARAM", "1 0 12 AABBCCDD", "01 00 000c 04aabbccdd"),
    # RFC 6672, RFC 6698 section 2.3, RFC 8162
    ("DNAME", "frobozz-division.acme.example.", name("frobozz-division.acme.example")),
    (
        "TLSA",
        "0 0 1 D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB10 6618E971",
        "00 00 01 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
    ),
    ("SMIMEA", "3 0 0 AABB", "03 00 00 aabb"),
    # RFC 6742 sections 2.1.3, 2.2.3, 2.3.3 and 2.4.3
    ("NID", "10 0014:4fff:ff20:ee64", "000a 00144fffff20ee64"),
    ("L32", "10 10.1.2.0", "000a 0a010200"),
    ("L64", "10 2001:0db8:1140:1000", "000a 20010db811401000"),
    ("LP", "10 l64-subnet1.example.com.", "000a" + name("l64-subnet1.example.com")),
    # RFC 7043 sections 3.2 and 4.2
    ("EUI48", "00-00-5e-00-53-2a", "00005e00532a"),
    ("EUI64", "00-00-5e-ef-10-00-00-2a", "00005eef1000002a"),
    # RFC 7344, RFC 8078 section 4
    ("CDS", "0 0 0 00", "0000 00 00 00"),
    ("CDNSKEY", "0 3 0 AA==", "0000 03 00 00"),
    # RFC 7477 section 2.1.2, RFC 7553 section 4.5
    ("CSYNC", "66 3 A NS AAAA", "00000042 0003 0004 60000008"),
    ("URI", '10 1 "ftp://ftp1.example.com/public"', "000a 0001" + b"ftp://ftp1.example.com/public".hex()),
    # RFC 7929 section 2
    ("OPENPGPKEY", "AQID", "010203"),
    # RFC 8005 section 6
    (
        "HIP",
        "2 200100107B1A74DF365639CC39F1D578 AQID rvs1.example.com. rvs2.example.com.",
        "10 02 0003 200100107b1a74df365639cc39f1d578 010203"
        + name("rvs1.example.com")
        + name("rvs2.example.com"),
    ),
    # RFC 8659 section 4.1.1 and 4.5
    (
        "CAA",
        '0 issue "ca1.example.net; account=230123"',
        "00" + text_of("issue") + b"ca1.example.net; account=230123".hex(),
    ),
    ("CAA", '128 tbs "Unknown"', "80" + text_of("tbs") + b"Unknown".hex()),
    ("CAA", '0 issue ""', "00" + text_of("issue")),
    # RFC 8777 section 4.3.2
    ("AMTRELAY", "10 0 1 203.0.113.15", "0a 01 cb00710f"),
    ("AMTRELAY", "10 1 2 2001:db8::15", "0a 82 20010db8000000000000000000000015"),
    ("AMTRELAY", "128 1 3 amtrelays.example.com.", "80 83" + name("amtrelays.example.com")),
    ("AMTRELAY", "10 0 0 .", "0a 00"),
    # RFC 8976 appendix A.1
    (
        "ZONEMD",
        f"2018031900 1 1 {DIGEST[:56].upper()} {DIGEST[56:].upper()}",
        "7848b91c 01 01" + DIGEST,
    ),
    # RFC 9460 appendix D
    ("HTTPS", "0 foo.example.com.", "0000" + name("foo.example.com")),
    ("SVCB", "1 .", "0001 00"),
    ("SVCB", "16 foo.example.com. port=53", "0010" + name("foo.example.com") + "0003 0002 0035"),
    ("SVCB", '1 foo.example.com. key667="hello"', "0001" + name("foo.example.com") + "029b 0005 68656c6c6f"),
    (
        "SVCB",
        '1 foo.example.com. key667="hello\\210qoo"',
        "0001" + name("foo.example.com") + "029b 0009 68656c6c6fd2716f6f",
    ),
    (
        "SVCB",
        "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1",
        "0001"
        + name("foo.example.com")
        + "0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001",
    ),
    (
        "SVCB",
        "1 example.com. ipv6hint=2001:db8:122:344::c000:221",
        "0001" + name("example.com") + "0006 0010 20010db80122034400000000c0000221",
    ),
    (
        "SVCB",
        '16 foo.example.org. mandatory=alpn,ipv4hint alpn="h2,h3-19" ipv4hint=192.0.2.1',
        "0010"
        + name("foo.example.org")
        + "0000 0004 0001 0004 0001 0009 02 6832 05 68332d3139 0004 0004 c0000201",
    ),
    (
        "SVCB",
        '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"',
        "0010" + name("foo.example.org") + "0001 000c 08 665c6f6f2c626172 02 6832",
    ),
    # RFC 9461 section 5, RFC 9540 section 4
    (
        "SVCB",
        '1 . alpn="h2" dohpath="/q{?dns}" ohttp',
        "0001 00 0001 0003 026832 0007 0008 2f717b3f646e737d 0008 0000",
    ),
    (
        "HTTPS",
        '1 . alpn="h2" no-default-alpn ech=AQID',
        "0001 00 0001 0003 026832 0002 0000 0005 0003 010203",
    ),
    # RFC 9606 section 6, RFC 9859 section 2, RFC 9886
    ("RESINFO", '"qnamemin" "exterr=15-17"', text_of("qnamemin") + text_of("exterr=15-17")),
    ("DSYNC", "CDS NOTIFY 5359 cds-scanner.example.net.", "003b 01 14ef" + name("cds-scanner.example.net")),
    ("DSYNC", "CSYNC 128 1 a.", "003e 80 0001" + name("a")),
    ("HHIT", "AQID", "010203"),
    ("BRID", "AQID", "010203"),
    # Types of drafts, of IANA's registry alone, and of the form of others
    ("SINK", "1 2 3 AQID", "01 02 03 010203"),
    ("TALINK", "a.example. .", name("a.example") + "00"),
    ("RKEY", "0 3 5 AQID", "0000 03 05 010203"),
    ("DOA", '0 1 2 "" aHR0cA==', "00000000 00000001 02 00 68747470"),
    ("DOA", '1234 1 1 "text/plain" -', "000004d2 00000001 01" + text_of("text/plain")),
    ("SPF", '"v=spf1 -all"', text_of("v=spf1 -all")),
    ("NINFO", '"x" ""', text_of("x") + "00"),
    ("AVC", '"app-name:x"', text_of("app-name:x")),
    ("WALLET", '"BTC" "x"', text_of("BTC") + text_of("x")),
    ("CLA", '"TCP-v4-v6"', text_of("TCP-v4-v6")),
    ("IPN", "18446744073709551615", "ffffffffffffffff"),
]

IDS = [f"{rdtype} {text}"[:50] for rdtype, text, _ in EXAMPLES]


def test_every_type_has_an_example() -> None:
    elsewhere = {"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "TXT"}  # test_records.py
    assert {rdtype for rdtype, _, _ in EXAMPLES} | elsewhere == {each.mnemonic for each in TYPES}


@pytest.mark.parametrize(("rdtype", "text", "wire"), EXAMPLES, ids=IDS)
def test_examples(rdtype: str, text: str, wire: str) -> None:
    octets = bytes.fromhex(wire)
    record = DnsRecord.parse(f"a.example. 1 IN {rdtype} {text}")
    assert not isinstance(record, DnsRecord.Unknown)
    assert record.rdata_wire().hex() == octets.hex()
    assert record.rdata_text() == text
    assert read(record.rdtype, octets).replace(name="a.example") == record


@pytest.mark.parametrize(("rdtype", "text", "wire"), EXAMPLES, ids=IDS)
def test_examples_cut_at_every_octet(rdtype: str, text: str, wire: str) -> None:
    """Cut RDATA is refused, with the name of a field, or is another record that says what it is."""
    octets = bytes.fromhex(wire)
    cls = record_class(DnsRecordType.parse(rdtype), 1)
    assert cls is not None
    fields = {field.name for field in cls.FIELDS} | {"version"}
    for length in range(len(octets)):
        try:
            record = read(cls.rdtype, octets[:length])
        except DnsError.InvalidResponse as error:
            part, _, field = error.field.partition(".")
            assert part == "rdata"
            assert field in fields
            assert 0 <= error.offset <= length
        else:
            assert record.rdata_wire() == octets[:length]


# Random records.


@pytest.mark.parametrize("rdtype", TYPES, ids=str)
def test_random_records(rdtype: DnsRecordType) -> None:
    @given(records_of(rdtype))
    @settings(max_examples=10)
    def holds(record: DnsRecord) -> None:
        wire = record.rdata_wire()
        again = read(rdtype, wire, compression=False)
        assert again.replace(name=record.name, ttl=record.ttl) == record
        assert again.rdata_wire() == wire
        text = record.to_text()
        assert text.isascii()
        assert text.replace("\t", " ").isprintable()
        parsed = DnsRecord.parse(text)
        assert parsed == record
        assert parsed.rdata_wire() == wire
        assert parsed.to_text() == text
        assert DnsRecord.parse(f"{record.name} 1 IN {rdtype} {record.generic_text()}").same_data(record)
        copied = pickle.loads(pickle.dumps(record))
        assert copied == record
        assert copied.rdata_wire() == wire
        assert record.replace(ttl=1).replace(ttl=record.ttl) == record
        assert record.canonical_wire().lower() == wire.lower()
        jsonschema.validate(record.json_fields(), record.json_schema())
        if record.LAYOUT is not None:
            values = WireReader(wire, compression=False).values(compiled(record.LAYOUT), len(wire))
            assert values is not None
            made = type(record).from_values(record.name, record.ttl, record.rdclass, values)
            assert made == record
            assert made.rdata_wire() == wire
        message = Message.from_wire(Message(1, answer=[record, record]).to_wire())
        assert message.answer == (record, record)
        assert [each.rdata_wire() for each in message.answer] == [wire, wire]

    holds()


@pytest.mark.parametrize("rdtype", TYPES, ids=str)
def test_random_octets_are_read_or_refused(rdtype: DnsRecordType) -> None:
    """What is read is written again with the same octets, in both forms."""

    @given(st.one_of(st.binary(max_size=60), records_of(rdtype).flatmap(_changed)))
    @settings(max_examples=15)
    def holds(octets: bytes) -> None:
        try:
            record = read(rdtype, octets, compression=False)
        except DnsError.InvalidResponse as error:
            assert error.field.startswith("rdata")
            assert 0 <= error.offset <= len(octets)
            return
        assert record.rdtype == rdtype
        assert record.rdata_wire() == octets
        parsed = DnsRecord.parse(record.to_text())
        assert parsed == record
        assert parsed.rdata_wire() == octets

    holds()


@st.composite
def _changed(draw: st.DrawFn, record: DnsRecord) -> bytes:
    """The RDATA of a record with one octet changed."""
    octets = bytearray(record.rdata_wire())
    if octets:
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    return bytes(octets)


def test_the_layouts() -> None:
    layouts = {str(rdtype): record_class(rdtype, 1).LAYOUT for rdtype in TYPES}  # type: ignore[union-attr]
    expected = {"A": "4", "AAAA": "6", "MX": "Hn", "SOA": "nnIIIII", "TXT": "S", "SRV": "HHHn", "NS": "n"}
    assert {key: layouts[key] for key in expected} == expected
    assert (layouts["DNSKEY"], layouts["DS"], layouts["RRSIG"], layouts["NSEC"]) == (
        "HBBr",
        "HBBR",
        "HBBIIIHNr",
        "Nt",
    )
    assert (layouts["NAPTR"], layouts["HTTPS"], layouts["CNAME"]) == ("HHsssn", None, "n")


# Names in RDATA.

#: RFC 3597 section 4: these are written with pointers, and those below only read with them.
WRITTEN = {"NS", "MD", "MF", "CNAME", "SOA", "MB", "MG", "MR", "PTR", "MINFO", "MX"}
READ = {"RP", "AFSDB", "RT", "SIG", "PX", "NXT", "NAPTR", "KX", "SRV"}
#: RFC 4034 section 6.2 (3), without NSEC (RFC 6840 section 5.1).
LOWERED = WRITTEN | READ | {"DNAME", "A6", "RRSIG"}

SIGNED = "A 1 2 3 20260101000000 20250101000000"

WITH_NAMES = {
    "NS": "{}", "MD": "{}", "MF": "{}", "CNAME": "{}", "SOA": "{} {} 1 2 3 4 5", "MB": "{}", "MG": "{}",
    "MR": "{}",
    "PTR": "{}", "MINFO": "{} {}", "MX": "1 {}", "RP": "{} {}", "AFSDB": "1 {}", "RT": "1 {}",
    "SIG": f"{SIGNED} 6 {{}} AQID", "PX": "1 {} {}", "NXT": "{} A", "NAPTR": '1 2 "" "" "" {}', "KX": "1 {}",
    "SRV": "1 2 3 {}", "DNAME": "{}", "A6": "128 {}", "RRSIG": f"{SIGNED} 6 {{}} AQID", "NSEC": "{} A",
    "NSAP-PTR": "{}", "HIP": "2 AA AQID {} {}", "IPSECKEY": "1 3 2 {}", "AMTRELAY": "1 0 3 {}", "LP": "1 {}",
    "SVCB": "1 {}", "HTTPS": "1 {}", "DSYNC": "CDS 2 1 {}", "TALINK": "{} {}", "TKEY": "{} 0 0 1 NOERROR 0 0",
    "TSIG": "{} 0 0 0 1 NOERROR 0",
}  # fmt: skip


@pytest.mark.parametrize("rdtype", WITH_NAMES)
def test_names_are_compressed_and_lowered_where_an_rfc_says_so(rdtype: str) -> None:
    text = WITH_NAMES[rdtype].replace("{}", "Mail.Example.")
    record = DnsRecord.parse(f"Mail.Example. 1 IN {rdtype} {text}")
    assert record.rdata_text() == text
    wire = record.rdata_wire()
    plain = Name.parse("Mail.Example").to_wire()
    assert plain in wire
    lowered = wire.replace(plain, plain.lower())
    assert record.canonical_wire() == (lowered if rdtype in LOWERED else wire)
    # A message with the owner's name before it, the only one to point at.
    message = Message(1, answer=[record]).to_wire()
    assert message.endswith(wire) == (rdtype not in WRITTEN)
    assert Message.from_wire(message).answer[0].rdata_wire() == wire
    # The same with pointers in place of the names, whoever writes them.
    pointed = wire.replace(plain, b"\xc0\x0c")
    head = message[: 12 + len(plain) + 8]
    compressed = head + len(pointed).to_bytes(2, "big") + pointed
    if rdtype in WRITTEN | READ:
        assert Message.from_wire(compressed).answer[0].rdata_wire() == wire
    else:
        with pytest.raises(DnsError.InvalidResponse, match="a compression pointer where none is allowed"):
            Message.from_wire(compressed)


# What stays as its octets.


@pytest.mark.parametrize(
    ("rdtype", "wire"),
    [
        ("WKS", "0a000001 06 0000"),  # zero octets at the end of the set
        ("NXT", "00 80"),  # bit zero: another form
        ("A6", "3d ff00000000000001 00"),  # bits before the suffix
        ("APL", "0003 00 00"),  # a family that nothing defines
        ("IPSECKEY", "0a 04 02 01"),  # a gateway of a type that nothing defines
        ("AMTRELAY", "0a 04 01"),
        ("LOC", "01 000000"),  # another version
        ("LOC", "00 01 00 00 80000000 80000000 00000000"),  # a zero with an exponent
        ("ATMA", "02 01"),
        ("SVCB", "0001 00 0002 0000"),  # no-default-alpn without alpn (RFC 9460 section 2.4.3)
        ("HTTPS", "0001 00 0000 0002 0003"),  # a mandatory key that is not there
    ],
)
def test_what_no_text_gives_again_stays_as_it_is(rdtype: str, wire: str) -> None:
    octets = bytes.fromhex(wire)
    record = read(DnsRecordType.parse(rdtype), octets)
    assert isinstance(record, DnsRecord.Unknown)
    assert record.rdata == octets
    assert DnsRecord.parse(record.to_text()) == record
    # In a message too, which another decoder reads.
    message = Message(1, answer=[record]).to_wire()
    assert Message.from_wire(message).answer == (record,)


@pytest.mark.parametrize(
    ("rdtype", "wire", "field", "offset", "reason"),
    [
        ("NSEC", "00 0000", "types", 2, "a window of 0 octets"),
        ("NSEC", "00 0021" + "ff" * 33, "types", 2, "a window of 33 octets"),
        ("NSEC", "00 0002 4000", "types", 4, "a window with a zero octet at its end"),
        ("NSEC", "00 0101 40 0001 40", "types", 4, "window 0 after window 1"),
        ("NSEC", "00 0001 40 0001 40", "types", 4, "window 0 after window 0"),
        ("NXT", "00 4000", "types", 2, "a set with a zero octet at its end"),
        ("NXT", "00" + "01" * 17, "types", 1, "a set of 17 octets, more than 16"),
        ("DS", "0001 08 02 aabb", "digest", 0, "must be 32 octets"),
        ("ZONEMD", "00000001 01 01" + "aa" * 12, "digest", 0, "must be 48 octets"),
        ("ZONEMD", "00000001 01 03" + "aa" * 11, "digest", 6, "needs 12 octets"),
        ("KEY", "c000 03 05 01", "key", 0, "must be empty, as the flags say that there is no key"),
        ("NSEC3", "01 00 0000 00 00", "next", 5, "must not be empty"),
        ("CAA", "00 00 41", "tag", 1, "must not be empty"),
        ("CAA", "00 02 615f 41", "tag", 2, "must be letters, digits and hyphens"),
        ("URI", "0001 0001", "target", 4, "must not be empty"),
        ("APL", "0001 21 00", "prefixes", 2, "a prefix of 33 bits"),
        ("APL", "0001 20 05 0102030405", "prefixes", 3, "an address of 5 octets"),
        ("APL", "0001 20 02 0100", "prefixes", 5, "a zero octet at its end"),
        ("A6", "81", "prefix_length", 0, "129, more than 128"),
        ("LOC", "00 a0 00 00 80000000 80000000 00000000", "size", 1, "0xa0 is not two digits"),
        ("LOC", "00 00 00 00 00000000 80000000 00000000", "latitude", 4, "more than 90 degrees"),
        ("HIP", "00 02 0001 01", "hit", 0, "must not be empty"),
        ("HIP", "01 02 0000 01", "key", 2, "must not be empty"),
        ("ATMA", "01 41", "address", 0, "must be decimal digits"),
        ("SVCB", "0001 00 0003 0002 0035 0003 0002 0035", "params", 9, "port after port"),
        ("SVCB", "0001 00 0003 0002 0035 0001 0003 026832", "params", 9, "alpn after port"),
        ("SVCB", "0001 00 ffff 0000", "params", 3, "65535 is not a key"),
        ("SVCB", "0001 00 0003 0001 35", "params", 7, "port: 1 octets, not 2"),
        ("SVCB", "0001 00 0001 0000", "params", 7, "alpn: not a list"),
        ("SVCB", "0001 00 0001 0001 00", "params", 7, "alpn: not a list"),
        ("SVCB", "0001 00 0001 0003 036832", "params", 7, "alpn: not a list"),
        ("SVCB", "0001 00 0002 0001 00", "params", 7, "no-default-alpn: has a value"),
        ("SVCB", "0001 00 0004 0003 c00002", "params", 7, "ipv4hint: 3 octets"),
        ("SVCB", "0001 00 0006 0000", "params", 7, "ipv6hint: 0 octets"),
        ("SVCB", "0001 00 0000 0002 0000", "params", 7, "mandatory: contains itself"),
        ("SVCB", "0001 00 0000 0004 0004 0001", "params", 7, "mandatory: not in rising order"),
        ("SVCB", "0001 00 0000 0001 00", "params", 7, "mandatory: 1 octets"),
    ],
)
def test_malformed(rdtype: str, wire: str, field: str, offset: int, reason: str) -> None:
    with pytest.raises(DnsError.InvalidResponse) as caught:
        read(DnsRecordType.parse(rdtype), bytes.fromhex(wire))
    assert (caught.value.field, caught.value.offset) == (f"rdata.{field}", offset)
    assert reason in caught.value.reason


# Text.


@pytest.mark.parametrize(
    ("rdtype", "text", "again"),
    [
        ("DNSKEY", "256 3 RSASHA1 AQ ID", "256 3 5 AQID"),
        (
            "RRSIG",
            "a rsasha256 2 300 0 4294967295 1 . AQID",
            "A 8 2 300 19700101000000 21060207062815 1 . AQID",
        ),
        ("CERT", "1 2 5 AQID", "PKIX 2 RSASHA1 AQID"),
        ("CERT", "1 2 12 AQID", "PKIX 2 ECCGOST AQID"),
        ("WKS", "10.0.0.52 TCP ftp smtp 25", "10.0.0.52 6 21 25"),
        ("TLSA", "DANE-EE SPKI SHA2-256 aa bb", "3 1 1 AABB"),
        ("DSYNC", "csync 1 2 a.", "CSYNC NOTIFY 2 a."),
        ("NSEC", ". TYPE1 mx A", ". A MX"),
        ("NSEC3", "1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s", "1 0 0 - 2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S"),
        ("NSAP", "0X47.0005", "0x470005"),
        ("NID", "1 14:0:FF20:1", "1 0014:0000:ff20:0001"),
        ("ATMA", "47.0005", "470005"),
        ("ATMA", "+61.2.000", "+612000"),
        ("APL", "!2:2001:DB8::/32", "!2:2001:db8::/32"),
        ("LOC", "42 21 54 N 71 06 W -24m", "42 21 54.000 N 71 6 0.000 W -24.00m 1m 10000m 10m"),
        ("LOC", "42 N 71 W 0 1234.5m", "42 0 0.000 N 71 0 0.000 W 0.00m 1000m 10000m 10m"),
        ("ISDN", "123", '"123"'),
        ("CAA", "0 issue ca.example", '0 issue "ca.example"'),
        ("A6", "0 2001:db8::", "0 2001:db8::"),
        # RFC 9460 sections 2.1 and 2.2, appendix A
        ("SVCB", "1 . port=53 alpn=h2,h3", '1 . alpn="h2,h3" port=53'),
        ("SVCB", "1 . alpn=h2", '1 . alpn="h2"'),
        ("SVCB", '1 . key667="a b;c"', '1 . key667="a b;c"'),
        ("SVCB", '1 . key667=""', "1 . key667"),
        ("SVCB", "1 . alpn=h2 mandatory=alpn", '1 . mandatory=alpn alpn="h2"'),
        (
            "SVCB",
            "1 . ipv6hint=2001:DB8::1 ipv4hint=192.0.2.1",
            "1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
        ),
        ("SVCB", r"16 . alpn=f\\\092oo\092,bar,h2", r'16 . alpn="f\\\\oo\\,bar,h2"'),
    ],
)
def test_other_ways_to_write(rdtype: str, text: str, again: str) -> None:
    record = DnsRecord.parse(f"a. 1 IN {rdtype} {text}")
    assert record.rdata_text() == again
    assert DnsRecord.parse(str(record)) == record


@pytest.mark.parametrize(
    ("rdtype", "text", "column", "reason"),
    [
        ("DNSKEY", "256 3 5 AQI", 9, "key: 'AQI' is not base64"),
        ("DNSKEY", "256 3 BOGUS AQID", 7, "algorithm: 'BOGUS' is not a number"),
        ("DNSKEY", "256 256 5 AQID", 5, "protocol: '256' is more than 255"),
        ("DS", "1 2 2 AABB", 7, "digest: must be 32 octets"),
        ("DS", "1 2 9", 5, "digest: shorter than 1 octets"),
        ("DS", "1 2 9 ABC", 10, "digest: an odd number of hexadecimal digits"),
        ("RRSIG", "A 5 2 1 20230230000000 20230101000000 1 . AQID", 9, "is not a moment from 1970 to 2106"),
        ("RRSIG", "A 5 2 1 20230101000060 20230101000000 1 . AQID", 9, "is not a moment"),
        ("RRSIG", "A 5 2 1 21060207062816 20230101000000 1 . AQID", 9, "is not a moment"),
        ("RRSIG", "A 5 2 1 4294967296 20230101000000 1 . AQID", 9, "is more than 4294967295"),
        ("NSEC", ". BOGUS", 3, "types: 'BOGUS': unknown"),
        ("NSEC3", "1 0 0 - W0", 9, "is not up to 255 octets in base32hex"),
        ("NSEC3", "1 0 0 - 01", 9, "is not up to 255 octets in base32hex"),
        ("NSEC3", "1 0 0 ABC 00", 7, "is not up to 255 octets in hexadecimal"),
        ("NXT", ". TYPE128", 3, "is not a type from 1 to 127"),
        ("WKS", "10.0.0.1 6 65536", 12, "ports: '65536' is more than 65535"),
        ("EUI48", "00-00-5e-00-53", 1, "is not 6 octets in hexadecimal"),
        ("EUI48", "0-00-5e-00-53-2a", 1, "is not 6 octets in hexadecimal"),
        ("NID", "1 00144:0:0:0", 3, "is not 8 octets in hexadecimal"),
        ("NSAP", "470005", 1, "is not octets in hexadecimal"),
        ("ATMA", "+12a", 1, "address: must be decimal digits"),
        ("ATMA", "0x12", 1, "is not an ATM address"),
        ("CAA", "0 is_sue x", 3, "tag: must be letters, digits and hyphens"),
        ("CAA", '0 "" x', 3, "tag: must not be empty"),
        ("URI", '1 1 ""', 5, "target: must not be empty"),
        ("HINFO", f"{'x' * 256} y", 1, "a string of 256 octets"),
        ("A6", "129 :: a.", 5, "prefix_length: more than 128"),
        ("A6", "64 1:: a.", 8, "suffix: has bits before"),
        ("APL", "3:192.0.2.0/24", 1, "not FAMILY:ADDRESS/LENGTH"),
        ("APL", "1:192.0.2.0/33", 1, "not a prefix of at most 32 bits"),
        ("APL", "1:192.0.2/24", 1, "3 of four numbers"),
        ("IPSECKEY", "1 4 2 a. AQID", 7, "type 4 is not 0 to 3"),
        ("IPSECKEY", "1 0 2 a. AQID", 7, "must be . for the type 0"),
        ("IPSECKEY", "1 1 2 a. AQID", 7, "is not a decimal digit"),
        ("AMTRELAY", "1 2 0 .", 7, "discovery_optional: must be between 0 and 1"),
        ("LOC", "91 N 0 E 0", 1, "latitude: '91' is more than 90"),
        ("LOC", "90 0 0.001 N 0 E 0", 1, "latitude: more than 90 degrees"),
        ("LOC", "1 60 N 0 E 0", 3, "latitude: '60' is more than 59"),
        ("LOC", "1 1 1 1 N 0 E 0", 7, "latitude: '1' is not N or S"),
        ("LOC", "1 1 1.0001 N 0 E 0", 5, "has more than 3 places"),
        ("LOC", "1 N 1 E x", 9, "altitude: 'x' is not a number"),
        ("LOC", "1 N 1 E --1", 9, "altitude"),
        ("LOC", "1 N 1 E 42849673m", 9, "is not a height that LOC can hold"),
        ("LOC", "1 N 1 E 1 90000001m", 11, "is more than 90000000m"),
        ("NULL", "x", 1, "the data of NULL can be written in the generic form only"),
        ("TKEY", "a. 0 0 1 0 3 AQI= 0", 12, "key: 2 octets, not 3"),
        ("KEY", "49152 3 5 AQID", 11, "key: must be empty"),
        ("SVCB", "1 . bogus=1", 5, "'bogus' is not a key"),
        ("SVCB", "1 . key01=1", 5, "'key01' is not a key"),
        ("SVCB", "1 . key65535=1", 5, "'key65535' is not a key"),
        ("SVCB", "1 . PORT=1", 5, "'PORT' is not a key"),
        ("SVCB", "1 . port=1 port=2", 12, "port comes twice"),
        ("SVCB", "1 . port=65536", 5, "port: is not a port"),
        ("SVCB", "1 . port", 5, "port: is not a port"),
        ("SVCB", "1 . alpn=", 5, "alpn: a name must be 1 to 255 octets"),
        ("SVCB", "1 . alpn=h2,,h3", 5, "alpn: a name must be 1 to 255 octets"),
        ("SVCB", "1 . alpn=h2 no-default-alpn=x", 13, "no-default-alpn: has a value"),
        ("SVCB", "1 . no-default-alpn", 5, "params: no-default-alpn without alpn"),
        ("SVCB", "1 . mandatory=port", 5, "params: mandatory, but not there: port"),
        ("SVCB", "1 . mandatory=port,port port=1", 5, "mandatory: not a list of different keys"),
        ("SVCB", "1 . mandatory=mandatory", 5, "mandatory: contains itself"),
        ("SVCB", "1 . ipv4hint=192.0.2", 5, "ipv4hint: 3 of four numbers"),
        ("SVCB", "1 . ipv6hint=fe80::1%eth0", 5, "ipv6hint: a record's address has no zone"),
        ("SVCB", "1 . ech=x", 5, "ech:"),
        ("SVCB", "1 . dohpath=", 5, "dohpath: is empty"),
        ("TXT", 'alpn="x"', 6, "a quotation mark inside a word"),
        ("SVCB", '1 . key1="x"y', 13, "a quotation mark inside a word"),
        ("SVCB", '1 . key1=x"y"', 11, "a quotation mark inside a word"),
    ],
)
def test_text_that_is_refused(rdtype: str, text: str, column: int, reason: str) -> None:
    head = f"a. 1 IN {rdtype} "
    with pytest.raises(ZoneFileError) as caught:
        DnsRecord.parse(head + text)
    assert reason in caught.value.reason
    assert caught.value.column == len(head) + column


# Constructors and properties.


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: DnsRecord.CAA("a", 1, 256, "issue", "x"), "flags"),
        (lambda: DnsRecord.CAA("a", 1, 0, "is sue", "x"), "tag"),
        (lambda: DnsRecord.URI("a", 1, 0, 0, ""), "target"),
        (lambda: DnsRecord.HINFO("a", 1, "x" * 256, ""), "cpu"),
        (lambda: DnsRecord.NSEC3("a", 1, 1, 0, 0, b"", b"", []), "next"),
        (lambda: DnsRecord.NSEC3PARAM("a", 1, 1, 0, 0, bytes(256)), "salt"),
        (lambda: DnsRecord.NXT("a", 1, "b", [128]), "types"),
        (lambda: DnsRecord.EUI48("a", 1, b"12345"), "address"),
        (lambda: DnsRecord.DS("a", 1, 1, 8, 2, b"x"), "digest"),
        (lambda: DnsRecord.ZONEMD("a", 1, 1, 1, 1, bytes(47)), "digest"),
        (lambda: DnsRecord.KEY("a", 1, 0xC000, 3, 5, b"x"), "key"),
        (lambda: DnsRecord.LOC("a", 1, 324_000_001, 0, 0), "latitude"),
        (lambda: DnsRecord.LOC("a", 1, 0, 0, -10_000_001), "altitude"),
        (lambda: DnsRecord.LOC("a", 1, 0, 0, 0, 11), "size"),
        (lambda: DnsRecord.A6("a", 1, 129, "::", "b"), "prefix_length"),
        (lambda: DnsRecord.A6("a", 1, 0, "::", "b"), "prefix"),
        (lambda: DnsRecord.APL("a", 1, ["1:192.0.2.0"]), "prefixes"),
        (lambda: DnsRecord.HIP("a", 1, 2, b"", b"x"), "hit"),
        (lambda: DnsRecord.TKEY("a", 1, "b", 0, 0, 0, 0, bytes(65536), b""), "key"),
        (lambda: DnsRecord.SVCB("a", 1, 1, ".", {"bogus": 1}), "params"),
        (lambda: DnsRecord.SVCB("a", 1, 1, ".", {"port": 65536}), "params"),
        (lambda: DnsRecord.SVCB("a", 1, 1, ".", {"port": b"1"}), "params"),
        (lambda: DnsRecord.SVCB("a", 1, 1, ".", {"port": 1.5}), "params"),
        (lambda: DnsRecord.SVCB("a", 1, 1, ".", {65535: b""}), "params"),
        (lambda: DnsRecord.SVCB("a", 1, 1, ".", {"no-default-alpn": True}), "params"),
        (lambda: DnsRecord.SVCB("a", 1, 1, ".", {"mandatory": ["port"]}), "params"),
    ],
)
def test_values_that_are_refused(make: Any, field: str) -> None:
    with pytest.raises(DnsError.InvalidValue) as caught:
        make()
    assert caught.value.field == field


def test_arguments_are_those_of_a_function() -> None:
    assert DnsRecord.ISDN("a", 1, "1") == DnsRecord.ISDN(name="a", ttl=1, address=b"1", subaddress=None)
    wrong: list[tuple[Any, str]] = [
        (lambda: DnsRecord.MX("a", 1, 2), "needs exchange"),  # type: ignore[call-arg]
        (lambda: DnsRecord.MX("a", 1, 2, "b", 1, 2), "takes 5 arguments, not 6"),  # type: ignore[call-arg]
        (lambda: DnsRecord.MX("a", 1, 2, "b", host="c"), "has no argument 'host'"),  # type: ignore[call-arg]
        (lambda: DnsRecord.MX("a", 1, 2, "b", priority=3), "is given 'priority' twice"),  # type: ignore[misc]
    ]
    for make, reason in wrong:
        with pytest.raises(TypeError, match=reason):
            make()
    signature = "(name, ttl, address, subaddress=None, rdclass=<DnsClass IN>)"
    assert str(inspect.signature(DnsRecord.ISDN)) == signature


def test_service_parameters() -> None:
    record = DnsRecord.HTTPS(
        "a",
        1,
        1,
        ".",
        {
            "alpn": ["h3", "h2"],
            "port": 8443,
            "ipv4hint": ["192.0.2.1"],
            "ipv6hint": ["2001:db8::1"],
            "ech": b"\1",
            "no-default-alpn": True,
            "mandatory": ["port", "alpn"],
            "dohpath": "/q{?dns}",
            667: b"x",
        },
    )
    params = record.params
    assert params.alpn == (b"h3", b"h2")
    assert (params.port, params.ech, params.dohpath, params.mandatory) == (8443, b"\1", "/q{?dns}", (1, 3))
    assert list(map(str, (*params.ipv4hint, *params.ipv6hint))) == ["192.0.2.1", "2001:db8::1"]
    assert (params.no_default_alpn, params.get(667), len(params), record.is_alias) == (True, b"x", 9, False)
    assert dict(params)[3] == b"\x20\xfb"
    none = DnsRecord.HTTPS("a", 1, 0, "b").params
    assert (none.alpn, none.port, none.ech, none.dohpath, none.ipv4hint) == ((), None, None, None, ())
    assert record.json_fields()["params"] == {
        "mandatory": ["alpn", "port"],
        "alpn": ["h3", "h2"],
        "no-default-alpn": True,
        "port": 8443,
        "ipv4hint": ["192.0.2.1"],
        "ech": "AQ==",
        "ipv6hint": ["2001:db8::1"],
        "dohpath": "/q{?dns}",
        "key667": "eA==",
    }


def test_key_tags() -> None:
    # RFC 4034 section 5.4: the DS record of its example key; and RFC 4034 appendix B.1, by the octets.
    example = (
        "256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMm"
        "mAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw=="
    )
    record = DnsRecord.parse(f"dskey.example.com. 86400 IN DNSKEY {example}")
    assert isinstance(record, DnsRecord.DNSKEY)
    assert record.key_tag == 60485
    # Section 5.1.4: the digest is of the owner's name and the RDATA, both in canonical form.
    digest = hashlib.sha1(Name.parse("dskey.example.com").to_wire() + record.canonical_wire()).hexdigest()
    assert digest.upper() == "2BB183AF5F22588179A53B0A98631FAD1A292118"
    assert DnsRecord.DNSKEY("a", 1, 256, 3, 1, b"\x12\x34\x56\x78").key_tag == 0x3456


def test_json_says_what_text_says() -> None:
    caa = DnsRecord.CAA("a", 1, 128, "issue", "x")
    assert caa.json_fields() == {"flags": 128, "tag": "issue", "value": "x"}
    naptr = DnsRecord.NAPTR("a", 1, 1, 2, "s", "x", b"\xff", ".")
    assert naptr.json_fields()["flags"] == "s"
    assert naptr.json_fields()["regexp"] == "\\xff"
    rrsig = DnsRecord.RRSIG("a", 1, "MX", 8, 1, 300, 0, 2**32 - 1, 5, "a", b"x")
    fields = rrsig.json_fields()
    assert (fields["expiration"], fields["inception"]) == ("1970-01-01T00:00:00Z", "2106-02-07T06:28:15Z")
    assert (fields["type_covered"], fields["signature_b64"]) == ("MX", "eA==")
    assert DnsRecord.NSEC("a", 1, "b", ["MX", 1]).json_fields() == {"next": "b.", "types": ["A", "MX"]}
    gateway = DnsRecord.IPSECKEY("a", 1, 1, 2, None, b"")
    assert gateway.json_fields() == {"precedence": 1, "algorithm": 2, "gateway": None, "key_b64": ""}
    assert DnsRecord.IPSECKEY("a", 1, 1, 2, "2001:db8::1", b"").gateway_type == 2
    assert DnsRecord.AMTRELAY("a", 1, 1, 0, "relay.example").relay_type == 3
