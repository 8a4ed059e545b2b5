"""OPT and its options. What a whole message makes of them is in test_message.py."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given, strategies as st
from jsonschema import validate

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns.edns import Edns, EdnsOption, ExtendedErrorCode
from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import WireReader, WireWriter

from .strategies import edns, options

pytestmark = pytest.mark.once

O = EdnsOption  # noqa: E741

OPTIONS = [
    # option, its code and data, what dig prints
    (O.Nsid(), "0003 0000", "NSID:"),
    (O.Nsid(b"a\x1bz"), "0003 0003 611b7a", 'NSID: 61 1b 7a ("a.z")'),
    (O.ClientSubnet("192.0.2.0", 24), "0008 0007 0001 18 00 c00002", "CLIENT-SUBNET: 192.0.2.0/24/0"),
    (
        O.ClientSubnet("192.0.2.255", 25, 32),
        "0008 0008 0001 19 20 c0000280",
        "CLIENT-SUBNET: 192.0.2.128/25/32",
    ),
    (O.ClientSubnet("0.0.0.0", 0), "0008 0004 0001 00 00", "CLIENT-SUBNET: 0.0.0.0/0/0"),
    (O.ClientSubnet("2001:db8::", 32), "0008 0008 0002 20 00 20010db8", "CLIENT-SUBNET: 2001:db8::/32/0"),
    (O.ClientSubnet("::", 0, 56), "0008 0004 0002 00 38", "CLIENT-SUBNET: ::/0/56"),
    (O.Cookie(b"12345678"), "000a 0008 3132333435363738", "COOKIE: 3132333435363738"),
    (
        O.Cookie(b"12345678", b"abcdefgh"),
        "000a 0010 3132333435363738 6162636465666768",
        "COOKIE: 31323334353637386162636465666768",
    ),
    (O.Keepalive(), "000b 0000", "TCP-KEEPALIVE:"),
    (O.Keepalive(12.3), "000b 0002 007b", "TCP-KEEPALIVE: 12.3 secs"),
    (O.Padding(0), "000c 0000", "PAD:"),
    (O.Padding(1), "000c 0001 00", "PAD: (1 byte)"),
    (O.ExtendedError(6), "000f 0002 0006", "EDE: 6 (DNSSEC Bogus)"),
    (O.ExtendedError(15, "grün"), "000f 0007 000f 6772c3bc6e", "EDE: 15 (Blocked): (grün)"),
    (O.ExtendedError(49152, b"x\x1b\xff"), "000f 0005 c000 781bff", "EDE: 49152: (x\\x1b\\xff)"),
    (
        O.LongLivedQuery(1, 2, 3, 4, 3600),
        "0001 0012 0001 0002 0003 0000000000000004 00000e10",
        "LLQ: Version: 1, Opcode: 2, Error: 3, Identifier: 4, Lifetime: 3600",
    ),
    (O.UpdateLease(7200), "0002 0004 00001c20", "UL: 7200 (2 hours)"),
    (
        O.UpdateLease(7200, 61),
        "0002 0008 00001c20 0000003d",
        "UL: 7200 (2 hours), key 61 (1 minute 1 second)",
    ),
    (O.DnssecAlgorithms([8, 13]), "0005 0002 080d", "DAU: 8, 13"),
    (O.DnssecAlgorithms([]), "0005 0000", "DAU:"),
    (O.DsHashes([2]), "0006 0001 02", "DHU: 2"),
    (O.Nsec3Hashes([1]), "0007 0001 01", "N3U: 1"),
    (O.Expire(), "0009 0000", "EXPIRE:"),
    (O.Expire(0), "0009 0004 00000000", "EXPIRE: 0 (0 seconds)"),
    (O.Expire(694861), "0009 0004 000a9a4d", "EXPIRE: 694861 (1 week 1 day 1 hour 1 minute 1 second)"),
    (O.Chain("example.com"), "000d 000d 076578616d706c6503636f6d00", "CHAIN: example.com."),
    (O.KeyTag([20326, 38696]), "000e 0004 4f66 9728", "KEY-TAG: 20326, 38696"),
    (O.ReportChannel("a.example"), "0012 000b 0161076578616d706c6500", "REPORT-CHANNEL: a.example."),
    (O.ZoneVersion(), "0013 0000", "ZONEVERSION:"),
    (
        O.ZoneVersion(2, 0, b"\x78\xc4\x05\x2d"),
        "0013 0006 02 00 78c4052d",
        "ZONEVERSION: SOA-SERIAL: 2026112301 (2 labels)",
    ),
    (O.ZoneVersion(1, 7, b"ab"), "0013 0004 01 07 6162", 'ZONEVERSION: 7: 61 62 ("ab") (1 label)'),
    (O.ZoneVersion(1, 7), "0013 0002 01 07", "ZONEVERSION: 7: (1 label)"),
    (O.Unknown(65001), "fde9 0000", "OPT=65001:"),
    (O.Unknown(65001, b"\nA"), "fde9 0002 0a41", 'OPT=65001: 0a 41 (".A")'),
    # A family that RFC 7871 does not have: kept as it came.
    (O.Unknown(8, b"\0\3\0\0"), "0008 0004 0003 00 00", 'OPT=8: 00 03 00 00 ("....")'),
]


@pytest.mark.parametrize(("option", "wire", "text"), OPTIONS)
def test_options(option: EdnsOption, wire: str, text: str) -> None:
    octets = bytes.fromhex(wire)
    extension = Edns(options=[option])
    writer = WireWriter()
    extension.to_wire(writer)
    assert writer.data[11:] == octets
    decoded = Edns.from_wire(1232, 0, WireReader(octets))
    assert decoded == extension
    assert type(decoded.options[0]) is type(option)
    assert str(option) == text
    assert text.isprintable()
    assert pickle.loads(pickle.dumps(option)) == option


MALFORMED = [
    # octets, field, octet, words of the reason
    ("00", "option[0].code", 0, "needs 2 octets"),
    ("0003", "option[0].length", 2, "needs 2 octets"),
    ("0003 0002 61", "option[0].data", 4, "needs 2 octets"),
    ("0003 0000 000f 0001 00", "option[1].data.info_code", 8, "needs 2 octets"),
    ("0008 0001 00", "option[0].data.family", 4, "needs 2 octets"),
    ("0008 0003 0001 18", "option[0].data.scope_prefix", 7, "needs 1 octet"),
    ("0008 0008 0001 21 00 c0000201", "option[0].data.source_prefix", 6, "33 bits of an address of 32"),
    ("0008 0004 0002 00 81", "option[0].data.scope_prefix", 7, "129 bits of an address of 128"),
    ("0008 0006 0001 18 00 c000", "option[0].data.address", 8, "2 octets for a prefix of 24 bits"),
    ("0008 0008 0001 18 00 c0000200", "option[0].data.address", 8, "4 octets for a prefix of 24 bits"),
    ("0008 0007 0001 17 00 c00003", "option[0].data.address", 8, "a bit is set past the prefix of 23 bits"),
    ("000a 0007 31323334353637", "option[0].data.client", 4, "needs 8 octets"),
    ("000a 0009 313233343536373800", "option[0].data.server", 12, "8 to 32 octets, not 1"),
    ("000a 0029" + "00" * 41, "option[0].data.server", 12, "8 to 32 octets, not 33"),
    ("000b 0001 00", "option[0].data.timeout", 4, "needs 2 octets"),
    ("000b 0003 000000", "option[0].data", 6, "1 octet left over"),
    ("0001 0011 0001 0002 0003 0000000000000004 00000e", "option[0].data.lease", 18, "needs 4 octets"),
    ("0002 0000", "option[0].data.lease", 4, "needs 4 octets"),
    ("0002 0005 0000000000", "option[0].data.key_lease", 8, "needs 4 octets"),
    ("0009 0001 00", "option[0].data.seconds", 4, "needs 4 octets"),
    ("0009 0005 0000000000", "option[0].data", 8, "1 octet left over"),
    ("000d 0000", "option[0].data.closest", 4, "needs 1 octet"),
    ("000d 0004 0161c000", "option[0].data.closest", 6, "pointer where none is allowed"),
    ("000e 0000", "option[0].data.tags", 4, "needs 2 octets"),
    ("000e 0003 000000", "option[0].data.tags", 6, "needs 2 octets"),
    ("0012 0002 0000", "option[0].data", 5, "1 octet left over"),
    ("0013 0001 02", "option[0].data.kind", 4, "labels and kind belong together"),
    ("0013 0005 02 00 000000", "option[0].data.version", 4, "4 octets"),
]


@pytest.mark.parametrize(("wire", "field", "offset", "reason"), MALFORMED)
def test_malformed_options(wire: str, field: str, offset: int, reason: str) -> None:
    with pytest.raises(DnsError.InvalidResponse) as caught:
        Edns.from_wire(1232, 0, WireReader(bytes.fromhex(wire)))
    assert (caught.value.field, caught.value.offset) == (field, offset)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: O.Cookie(b"1234567"), "client"),
        (lambda: O.Cookie(b"12345678", b"1234567"), "server"),
        (lambda: O.Cookie(b"12345678", bytes(33)), "server"),
        (lambda: O.Keepalive(-1), "timeout"),
        (lambda: O.Keepalive(6554), "timeout"),
        (lambda: O.ClientSubnet("192.0.2.0", 33), "source_prefix"),
        (lambda: O.ClientSubnet("192.0.2.0", 24, 33), "scope_prefix"),
        (lambda: O.Padding(-1), "length"),
        (lambda: O.ExtendedError(65536), "info_code"),
        (lambda: O.Unknown(65536), "code"),
        (lambda: O.Expire(1 << 32), "seconds"),
        (lambda: O.KeyTag([]), "tags"),
        (lambda: O.KeyTag([65536]), "tags"),
        (lambda: O.DsHashes([256]), "algorithms"),
        (lambda: O.ZoneVersion(2), "kind"),
        (lambda: O.ZoneVersion(2, 0, b"123"), "version"),
        (lambda: O.ZoneVersion(None, None, b"1234"), "version"),
        (lambda: O.LongLivedQuery(1, 2, 3, 1 << 64, 5), "id"),
        (lambda: Edns(65536), "payload_size"),
        (lambda: Edns(version=256), "version"),
        (lambda: Edns(flags=0x8000), "flags"),
    ],
)
def test_values_that_no_option_holds(make: object, field: str) -> None:
    with pytest.raises(DnsError.InvalidValue) as caught:
        make()  # type: ignore[operator]
    assert caught.value.field == field


def test_a_subnet_of_no_address() -> None:
    with pytest.raises(AddrParseError):
        O.ClientSubnet("192.0.2", 24)


def test_addresses_are_of_netkit() -> None:
    assert isinstance(O.ClientSubnet("192.0.2.1", 24).address, Ipv4Addr)
    assert isinstance(O.ClientSubnet(Ipv6Addr("2001:db8::1"), 64).address, Ipv6Addr)


def test_the_record_around_the_options() -> None:
    writer = WireWriter()
    Edns(4096, 1, True, 0x0003, [O.Nsid()]).to_wire(writer, rcode=0x123)
    assert writer.data == bytes.fromhex("00 0029 1000 12 01 8003 0004 0003 0000")
    assert Edns.from_wire(4096, 0x12018003, WireReader(writer.data, 11)) == Edns(4096, 1, True, 3, [O.Nsid()])


def test_options_over_64_kib_are_refused() -> None:
    with pytest.raises(DnsError.InvalidValue, match="longer than 65535 octets"):
        Edns(options=[O.Padding(40000), O.Padding(40000)]).to_wire(WireWriter())


def test_an_extended_error_in_words() -> None:
    error = O.ExtendedError(18, "no\0")
    assert error.info_code == ExtendedErrorCode.PROHIBITED
    assert error.purpose == str(ExtendedErrorCode.PROHIBITED) == "Prohibited"
    assert ExtendedErrorCode.parse("prohibited") is ExtendedErrorCode.PROHIBITED
    assert (str(ExtendedErrorCode(4000)), ExtendedErrorCode(4000).mnemonic) == ("EDE4000", None)
    assert error.extra_text == "no"
    assert error.octets == b"no\0"
    assert O.ExtendedError(4711).purpose is None
    assert O.ExtendedError(0, b"\xff").extra_text == "\\xff"
    assert error.replace(info_code=17) == O.ExtendedError(17, b"no\0")


def test_finding_options() -> None:
    first, second = O.ExtendedError(1), O.ExtendedError(2)
    extension = Edns(options=[O.Unknown(9), first, O.Nsid(b"x"), second])
    assert extension.option(O.Nsid) == O.Nsid(b"x")
    assert extension.option(O.ExtendedError) is first
    assert extension.option(O.Cookie) is None
    assert extension.extended_errors == (first, second)
    match extension.options[2]:
        case O.Nsid(data=data):
            assert data == b"x"
        case _:
            pytest.fail("does not match")


def test_what_dig_says_of_it() -> None:
    assert str(Edns()) == "EDNS: version: 0, flags:; udp: 1232"
    assert str(Edns(4096, 1, True, 2)) == "EDNS: version: 1, flags: do; MBZ: 0x0002, udp: 4096"
    assert str(Edns(flags=0x4000)) == "EDNS: version: 0, flags: co; udp: 1232"


@given(edns)
def test_round_trip(extension: Edns) -> None:
    writer = WireWriter()
    extension.to_wire(writer)
    reader = WireReader(writer.data)
    assert reader.name("name").is_root
    rdtype, size, ttl, length = reader.record_fields()
    assert (rdtype, length) == (41, reader.remaining)
    assert Edns.from_wire(size, ttl, reader) == extension
    assert pickle.loads(pickle.dumps(extension)) == extension


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("nsid", O.Nsid()),
        ("3:6e7331", O.Nsid(b"ns1")),
        ("ECS:00011800c00002", O.ClientSubnet("192.0.2.0", 24)),
        ("expire", O.Expire()),
        ("PADDING:0000", O.Padding(2)),
        ("PAD:0001", O.Unknown(12, b"\0\1")),  # it would be sent as zeros
        ("chain:00", O.Chain(".")),
        ("COOKIE:00", O.Unknown(10, b"\0")),  # not right, and sent all the same
        ("65535:00 01", O.Unknown(65535, b"\0\1")),
        ("0", O.Unknown(0)),
    ],
)
def test_options_as_dig_takes_them(text: str, option: EdnsOption) -> None:
    assert EdnsOption.parse(text) == option
    assert type(EdnsOption.parse(text)) is type(option)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "65536", "3:x", "3:0", ":00", "3:6e:73", "٣", f"9:{'00' * 65536}"]
)
def test_what_is_no_option_for_dig(text: str) -> None:
    with pytest.raises(DnsError.InvalidValue):
        EdnsOption.parse(text)


@given(options)
def test_json_of_options(option: EdnsOption) -> None:
    validate(json.loads(json.dumps(option.json_fields())), option.json_schema())
    assert all("description" in each for each in _described(option))


def _described(option: EdnsOption) -> list[dict[str, object]]:
    """The schemas of the fields that the option declares."""
    properties = option.json_schema()["properties"]
    return [properties[field.key] for field in type(option).FIELDS]


@given(options)
def test_an_option_of_its_octets(option: EdnsOption) -> None:
    assert EdnsOption.of(option.code, option.data_wire()) == option
    assert EdnsOption.parse(f"{option.code}:{option.data_wire().hex()}") == option


@given(st.integers(0, 30), st.binary(max_size=40))
def test_octets_of_any_option_are_kept(code: int, data: bytes) -> None:
    option = EdnsOption.of(code, data)
    assert (option.code, option.data_wire()) == (code, data)
    assert str(option).isprintable()


def test_constructors_take_what_is_declared() -> None:
    with pytest.raises(TypeError, match="needs client"):
        O.Cookie()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes 1 arguments"):
        O.Expire(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no argument"):
        O.Expire(secs=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        O.Other  # type: ignore[attr-defined] # noqa: B018
    assert O.ZoneVersion(2, 0, bytes(4)).serial == 0
    assert O.ZoneVersion(2, 1, bytes(4)).serial is None


@given(options)
def test_no_option_prints_a_control_character(option: EdnsOption) -> None:
    assert str(option).isprintable()
