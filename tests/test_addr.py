"""Addresses: what is read, what is written, and where exactly a wrong text goes wrong."""

from __future__ import annotations

import copy
import errno
import ipaddress
import pickle
import socket
import subprocess
import sys
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import pytest
from hypothesis import example, given, strategies as st

from netkit.addr import (
    AddrParseError,
    HostPort,
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    ToSocketAddrs,
    UnknownZone,
    parse_port,
    to_socket_addrs_parts,
)
from netkit.errors import NetkitError

FORMAT = AddrParseError.InvalidFormat
OCTET = AddrParseError.InvalidOctet
PORT = AddrParseError.InvalidPort

v4s = st.integers(0, 2**32 - 1).map(Ipv4Addr)
# Runs of zeros decide the text of an IPv6 address, so half of the segments are zero.
plain_v6s = st.lists(st.just(0) | st.integers(0, 0xFFFF), min_size=8, max_size=8).map(lambda s: Ipv6Addr(*s))
zones = st.integers(1, 2**32 - 1).map(str) | st.from_regex(r"[a-z][a-z0-9.\-]{0,14}", fullmatch=True)
v6s = plain_v6s | st.builds(Ipv6Addr.with_scope, plain_v6s, zones)
ports = st.integers(0, 65535)
names = st.from_regex(r"[a-z_]([a-z0-9-]{0,10}[a-z])?(\.[a-z][a-z0-9-]{0,5}[a-z])*\.?", fullmatch=True)
# Text near an address: the characters of one in any order, and now and then another.
near_v4 = st.text(st.sampled_from("0129.") | st.characters(), max_size=18)
near_v6 = st.text(st.sampled_from("01fF:::.") | st.sampled_from("g%/ [١"), max_size=42)


# Ipv4Addr


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("0.0.0.0", (0, 0, 0, 0)),
        ("127.0.0.1", (127, 0, 0, 1)),
        ("192.0.2.10", (192, 0, 2, 10)),
        ("255.255.255.255", (255, 255, 255, 255)),
    ],
)
def test_v4_text(text, octets):
    addr = Ipv4Addr.parse(text)
    assert addr.octets == octets
    assert addr == Ipv4Addr(*octets) == Ipv4Addr(text) == IpAddr.parse(text) == IpAddr.v4(*octets)
    assert str(addr) == text
    assert repr(addr) == f"Ipv4Addr('{text}')"


BAD_V4 = [
    ("", FORMAT, 0, "nothing is there"),
    ("1", FORMAT, 1, "1 of four numbers"),
    ("1.2.3", FORMAT, 5, "3 of four numbers"),
    ("1.2.3.4.5", FORMAT, 7, "more than four numbers"),
    ("1.2.3.4.", FORMAT, 7, "more than four numbers"),
    ("1.2.3.", OCTET, 6, "a number is missing"),
    (".1.2.3", OCTET, 0, "a number is missing"),
    ("1..2.3", OCTET, 2, "a number is missing"),
    ("256.0.0.1", OCTET, 0, "'256' is more than 255"),
    ("192.0.2.256", OCTET, 8, "'256' is more than 255"),
    ("192.0.2.1000", OCTET, 8, "'1000' is more than 255"),
    ("192.0.02.1", OCTET, 6, "'02' has a leading zero"),
    ("00.0.0.0", OCTET, 0, "'00' has a leading zero"),
    ("0x7f.0.0.1", FORMAT, 1, "'x' is not a decimal digit"),
    ("1.2.3.-4", FORMAT, 6, "'-' is not a decimal digit"),
    ("1.2.3.+4", FORMAT, 6, "'+' is not a decimal digit"),
    ("1.2.3.1_0", FORMAT, 7, "'_' is not a decimal digit"),
    (" 1.2.3.4", FORMAT, 0, "' ' is not a decimal digit"),
    ("1.2.3.4 ", FORMAT, 7, "' ' is not a decimal digit"),
    ("1.2.3.4\n", FORMAT, 7, r"'\n' is not a decimal digit"),
    ("1.2.3.4/24", FORMAT, 7, "'/' is not a decimal digit"),
    ("1.2.3.4%eth0", FORMAT, 7, "'%' is not a decimal digit"),
    ("1.2.٣.4", FORMAT, 4, "'٣' is not a decimal digit"),
    ("1.2.3.²", FORMAT, 6, "'²' is not a decimal digit"),
    ("example.com", FORMAT, 0, "'e' is not a decimal digit"),
]


@pytest.mark.parametrize(("text", "variant", "offset", "reason"), BAD_V4)
@pytest.mark.parametrize("parse", [Ipv4Addr.parse, Ipv4Addr, IpAddr.parse], ids=["parse", "new", "IpAddr"])
def test_v4_errors(parse, text, variant, offset, reason):
    with pytest.raises(variant) as caught:
        parse(text)
    error = caught.value
    assert (error.text, error.offset, error.reason) == (text, offset, reason)
    assert "192.0.2.1" in error.hint


def test_v4_from_numbers():
    assert Ipv4Addr.from_u32(0xC0000201) == Ipv4Addr(192, 0, 2, 1)
    assert Ipv4Addr(192, 0, 2, 1).to_u32() == 0xC0000201
    for bits in (-1, 2**32):
        with pytest.raises(FORMAT, match="not a number of 32 bits"):
            Ipv4Addr.from_u32(bits)
    with pytest.raises(OCTET) as caught:
        Ipv4Addr(192, 0, 2, 256)
    assert (caught.value.text, caught.value.offset) == ("192.0.2.256", 8)
    with pytest.raises(OCTET) as caught:
        Ipv4Addr(192, -1, 256, 0)
    assert (caught.value.text, caught.value.offset) == ("192.-1.256.0", 4)
    with pytest.raises(TypeError, match="four octets, not 3"):
        Ipv4Addr(1, 2, 3)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        Ipv4Addr(1.5, 0, 0, 0)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "value",
    [
        IPv4Address("192.0.2.1"),
        Ipv4Addr(192, 0, 2, 1),
        0xC0000201,
        b"\xc0\0\2\1",
        bytearray(b"\xc0\0\2\1"),
        memoryview(b"..\xc0\0\2\1")[2:],
    ],
    ids=lambda value: type(value).__name__,
)
def test_v4_from_whatever_the_standard_library_takes(value):
    assert Ipv4Addr(value) == Ipv4Addr(192, 0, 2, 1)


def test_what_the_standard_library_refuses_is_refused_alike():
    for bad in (2**32, -1, b"\xc0\0\2", IPv6Address("::1"), ipaddress.IPv4Interface("192.0.2.1/24"), None):
        with pytest.raises(AddressValueError):
            IPv4Address(bad)
        with pytest.raises(AddressValueError):
            Ipv4Addr(bad)


def test_v4_well_known():
    assert str(Ipv4Addr.localhost()) == "127.0.0.1"
    assert str(Ipv4Addr.unspecified()) == "0.0.0.0"
    assert str(Ipv4Addr.broadcast()) == "255.255.255.255"
    assert Ipv4Addr.localhost().is_loopback
    assert Ipv4Addr.unspecified().is_unspecified
    assert Ipv4Addr.broadcast().is_broadcast
    assert not Ipv4Addr(255, 255, 255, 254).is_broadcast
    assert Ipv4Addr(224, 0, 0, 1).is_multicast
    # RFC 1918 section 3, and what ipaddress counts besides: 100.64.0.0/10 is neither private nor global.
    assert [Ipv4Addr(text).is_private for text in ("10.1.2.3", "172.31.0.1", "192.168.0.1", "8.8.8.8")] == [
        True,
        True,
        True,
        False,
    ]
    assert not Ipv4Addr(100, 64, 0, 1).is_private
    assert not Ipv4Addr(100, 64, 0, 1).is_global


# Ipv6Addr


@pytest.mark.parametrize(
    ("text", "segments", "written"),
    [
        ("::", (0,) * 8, "::"),
        ("::1", (0, 0, 0, 0, 0, 0, 0, 1), "::1"),
        ("1::", (1, 0, 0, 0, 0, 0, 0, 0), "1::"),
        ("0:0:0:0:0:0:0:0", (0,) * 8, "::"),
        ("1:2:3:4:5:6:7:8", (1, 2, 3, 4, 5, 6, 7, 8), "1:2:3:4:5:6:7:8"),
        ("1:2:3:4:5:6:7::", (1, 2, 3, 4, 5, 6, 7, 0), "1:2:3:4:5:6:7:0"),
        ("::2:3:4:5:6:7:8", (0, 2, 3, 4, 5, 6, 7, 8), "0:2:3:4:5:6:7:8"),
        # RFC 5952 sections 4.1 (no leading zeros), 4.3 (lower case), 4.2.1 to 4.2.3 (what "::" shortens).
        ("2001:0DB8::00AB", (0x2001, 0xDB8, 0, 0, 0, 0, 0, 0xAB), "2001:db8::ab"),
        ("2001:db8:0:1:1:1:1:1", (0x2001, 0xDB8, 0, 1, 1, 1, 1, 1), "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", (0x2001, 0, 0, 1, 0, 0, 0, 1), "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", (0x2001, 0xDB8, 0, 0, 1, 0, 0, 1), "2001:db8::1:0:0:1"),
        # Section 5: IPv4-mapped in mixed notation; other dotted ends are written as groups.
        ("::ffff:192.0.2.1", (0, 0, 0, 0, 0, 0xFFFF, 0xC000, 0x201), "::ffff:192.0.2.1"),
        ("::FFFF:c000:201", (0, 0, 0, 0, 0, 0xFFFF, 0xC000, 0x201), "::ffff:192.0.2.1"),
        ("64:ff9b::192.0.2.33", (0x64, 0xFF9B, 0, 0, 0, 0, 0xC000, 0x221), "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:1.2.3.4", (1, 2, 3, 4, 5, 6, 0x102, 0x304), "1:2:3:4:5:6:102:304"),
        ("1:2:3:4:5::1.2.3.4", (1, 2, 3, 4, 5, 0, 0x102, 0x304), "1:2:3:4:5:0:102:304"),
        ("::1.2.3.4", (0, 0, 0, 0, 0, 0, 0x102, 0x304), "::102:304"),
    ],
)
def test_v6_text(text, segments, written):
    addr = Ipv6Addr.parse(text)
    assert addr.segments == segments
    assert addr == Ipv6Addr(*segments) == Ipv6Addr(text) == IpAddr.parse(text) == IpAddr.v6(*segments)
    assert addr == IPv6Address(text)
    assert str(addr) == written
    assert addr.octets == tuple(addr.packed)
    assert addr.scope_id is None


BAD_V6 = [
    (":", FORMAT, 0, "a single colon at the beginning"),
    (":1:2:3:4:5:6:7", FORMAT, 0, "a single colon at the beginning"),
    ("1:", FORMAT, 1, "a single colon at the end"),
    ("1:2:3:4:5:6:7:", FORMAT, 13, "a single colon at the end"),
    ("1::2:", FORMAT, 4, "a single colon at the end"),
    (":::", FORMAT, 2, "a third colon"),
    ("1:::2", FORMAT, 3, "a third colon"),
    ("1::2::3", FORMAT, 4, "a second ::"),
    ("1:2", FORMAT, 3, "2 of eight groups"),
    ("1:2:3:4:5:6:7", FORMAT, 13, "7 of eight groups"),
    ("1:2:3:4:5:6:7:8:9", FORMAT, 15, "more than eight groups"),
    ("1:2:3:4:5:6:7:8:", FORMAT, 15, "a single colon at the end"),
    ("1:2:3:4:5:6:7:8::", FORMAT, 15, "more than eight groups"),
    ("1:2:3:4:5:6:7::8", FORMAT, 15, "more than eight groups"),
    ("1::3:4:5:6:7:8:9", FORMAT, 14, "more than eight groups"),
    ("::1:2:3:4:5:6:7:8", FORMAT, 15, "more than eight groups"),
    ("12345::", FORMAT, 0, "more than four digits in a group"),
    ("1::00000", FORMAT, 3, "more than four digits in a group"),
    ("1::g", FORMAT, 3, "'g' is not a hexadecimal digit"),
    ("1::0x1", FORMAT, 4, "'x' is not a hexadecimal digit"),
    ("1::1_0", FORMAT, 4, "'_' is not a hexadecimal digit"),
    ("1::-1", FORMAT, 3, "'-' is not a hexadecimal digit"),
    (" ::1", FORMAT, 0, "' ' is not a hexadecimal digit"),
    ("::1 ", FORMAT, 3, "' ' is not a hexadecimal digit"),
    ("::1/64", FORMAT, 3, "'/' is not a hexadecimal digit"),
    ("[::1]", FORMAT, 0, "'[' is not a hexadecimal digit"),
    ("::١", FORMAT, 2, "'١' is not a hexadecimal digit"),
    ("::1.2.3", FORMAT, 7, "3 of four numbers"),
    ("::1.2.3.4:5", FORMAT, 9, "a dotted address is not at the end"),
    ("::ffff:1.2.3.256", OCTET, 13, "'256' is more than 255"),
    ("::ffff:01.2.3.4", OCTET, 7, "'01' has a leading zero"),
    ("::ffff:1..3.4", OCTET, 9, "a number is missing"),
    ("1:2:1.2.3.4", FORMAT, 4, "a dotted address is not in the place of the last two groups"),
    ("1:2:3:4:5:6:7:1.2.3.4", FORMAT, 14, "a dotted address is not in the place of the last two groups"),
    ("1::3:4:5:6:7:1.2.3.4", FORMAT, 13, "a dotted address is not in the place of the last two groups"),
    # RFC 4007 section 11.2: what stands after the percent sign.
    ("fe80::1%", FORMAT, 8, "a zone is missing"),
    ("fe80::1%%", FORMAT, 8, "'%' cannot stand in a zone"),
    ("fe80::1%eth0%1", FORMAT, 12, "'%' cannot stand in a zone"),
    ("fe80::1%eth 0", FORMAT, 11, "' ' cannot stand in a zone"),
    ("fe80::1%eth0/64", FORMAT, 12, "'/' cannot stand in a zone"),
    ("fe80::1%eth0:53", FORMAT, 12, "':' cannot stand in a zone"),
    ("fe80::1%é", FORMAT, 8, "'é' cannot stand in a zone"),
    ("fe80::1%\x1b[m", FORMAT, 8, r"'\x1b' cannot stand in a zone"),
    ("fe80::1%4294967296", FORMAT, 8, "the zone is not a number of 32 bits"),
    ("fe80:1%eth0", FORMAT, 6, "2 of eight groups"),
]


@pytest.mark.parametrize(
    ("text", "variant", "offset", "reason"), [("", FORMAT, 0, "nothing is there"), *BAD_V6]
)
@pytest.mark.parametrize("parse", [Ipv6Addr.parse, Ipv6Addr], ids=["parse", "new"])
def test_v6_errors(parse, text, variant, offset, reason):
    with pytest.raises(variant) as caught:
        parse(text)
    error = caught.value
    assert (error.text, error.offset, error.reason) == (text, offset, reason)
    assert ("2001:db8::1" if variant is FORMAT and "of four" not in reason else "192.0.2.1") in error.hint


def test_v6_zone_is_part_of_the_address():
    addr = Ipv6Addr("FE80:0::1%eth0")
    assert (str(addr), addr.scope_id, addr.is_link_local) == ("fe80::1%eth0", "eth0", True)
    assert addr != Ipv6Addr("fe80::1")
    assert addr != Ipv6Addr("fe80::1%eth1")
    assert addr == IPv6Address("fe80::1%eth0")
    assert Ipv6Addr(IPv6Address("fe80::1%eth0")) == addr
    assert addr.with_scope(2) == Ipv6Addr("fe80::1%2")
    assert addr.with_scope(None) == addr.with_scope(0) == Ipv6Addr("fe80::1")
    assert str(Ipv6Addr("::ffff:192.0.2.1%3")) == "::ffff:192.0.2.1%3"
    with pytest.raises(FORMAT, match="cannot stand in a zone"):
        addr.with_scope("eth 0")


def test_v6_long_texts_with_a_zone():
    addr = Ipv6Addr("fe80::1%eth0")
    assert addr.exploded == "fe80:0000:0000:0000:0000:0000:0000:0001%eth0"
    assert addr.reverse_pointer == "1" + ".0" * 28 + ".8.e.f.ip6.arpa"
    plain = IPv6Address("2001:db8::ab:cd")
    assert Ipv6Addr(plain).exploded == plain.exploded
    assert Ipv6Addr(plain).reverse_pointer == plain.reverse_pointer


def test_v6_well_known():
    assert Ipv6Addr.localhost() == Ipv6Addr("::1")
    assert Ipv6Addr.localhost().is_loopback
    assert Ipv6Addr.unspecified() == Ipv6Addr("::")
    assert Ipv6Addr.unspecified().is_unspecified
    assert Ipv6Addr("ff02::1").is_multicast
    # RFC 4291 section 2.5.6 (fe80::/10) and RFC 4193 section 3.1 (fc00::/7), at both edges.
    assert [Ipv6Addr(t).is_link_local for t in ("fe7f:ffff::", "fe80::", "febf::1", "fec0::")] == [
        False,
        True,
        True,
        False,
    ]
    assert [Ipv6Addr(t).is_unique_local for t in ("fbff::", "fc00::", "fdff::1", "fe00::")] == [
        False,
        True,
        True,
        False,
    ]


def test_v6_from_numbers():
    assert Ipv6Addr(b"\x20\1\x0d\xb8" + bytes(11) + b"\1") == Ipv6Addr("2001:db8::1")
    assert Ipv6Addr(memoryview(bytes(16))) == Ipv6Addr.unspecified()
    with pytest.raises(FORMAT) as caught:
        Ipv6Addr(0x2001, 0xDB8, 0x10000, 0, 0, 0, 0, 1)
    assert (caught.value.text, caught.value.offset) == ("2001:db8:10000:0:0:0:0:1", 9)
    with pytest.raises(FORMAT):
        Ipv6Addr(-1, 0, 0, 0, 0, 0, 0, 1)
    with pytest.raises(TypeError, match="eight segments, not 2"):
        Ipv6Addr(1, 2)  # type: ignore[call-overload]


# IpAddr


def test_ip_addr_of_anything():
    assert type(IpAddr.of("192.0.2.1")) is type(IpAddr.of(IPv4Address("192.0.2.1"))) is Ipv4Addr
    assert type(IpAddr.of("::1")) is type(IpAddr.of(IPv6Address("::1"))) is Ipv6Addr
    assert IpAddr.of(b"\x7f\0\0\1") == Ipv4Addr.localhost()
    assert IpAddr.of(bytes(15) + b"\1") == Ipv6Addr.localhost()
    addr = Ipv6Addr("fe80::1%eth0")
    assert IpAddr.of(addr) is addr
    with pytest.raises(AddressValueError):
        IpAddr.of(b"\x7f\0\0")


def test_ip_addr_is_either():
    four, six = Ipv4Addr.localhost(), Ipv6Addr.localhost()
    for addr, standard in ((four, IPv4Address), (six, IPv6Address)):
        assert isinstance(addr, IpAddr)
        assert isinstance(addr, standard)
    assert not isinstance(IPv4Address("127.0.0.1"), IpAddr)
    assert (four.is_ipv4, four.is_ipv6, six.is_ipv4, six.is_ipv6) == (True, False, False, True)
    with pytest.raises(TypeError, match="abstract"):
        IpAddr()  # type: ignore[abstract]


def test_ip_addr_in_match():
    def what(addr: IpAddr) -> str:
        match addr:
            case Ipv4Addr((127, *_)):
                return "the loopback net"
            case IpAddr.V4():
                return "IPv4"
            case Ipv6Addr((0xFE80, *_)):
                return "link-local"
            case IpAddr.V6():
                return "IPv6"
        return "neither"

    texts = ("127.1.2.3", "192.0.2.1", "fe80::1", "2001:db8::1")
    assert [what(IpAddr.parse(text)) for text in texts] == ["the loopback net", "IPv4", "link-local", "IPv6"]
    assert IpAddr.V4(Ipv4Addr.localhost()) == Ipv4Addr.localhost()


def test_all_addresses_have_an_order():
    texts = ["10.0.0.1", "192.0.2.1", "::1", "fe80::1", "fe80::1%1", "fe80::1%eth0", "fe80::2"]
    addrs = [IpAddr.parse(text) for text in texts]
    backwards = addrs[::-1]
    assert sorted(backwards) == addrs
    for i, a in enumerate(addrs):
        for j, b in enumerate(addrs):
            assert (a < b, a <= b, a > b, a >= b, a == b) == (i < j, i <= j, i > j, i >= j, i == j), (a, b)
    with pytest.raises(TypeError):
        assert addrs[0] < "10.0.0.2"


def test_the_standard_library_takes_them():
    assert Ipv4Addr(192, 0, 2, 7) in ipaddress.ip_network("192.0.2.0/24")
    assert Ipv6Addr("2001:db8::7") in ipaddress.ip_network("2001:db8::/32")
    assert {Ipv4Addr(192, 0, 2, 7): "x"}[IPv4Address("192.0.2.7")] == "x"  # type: ignore[index]
    assert Ipv4Addr(192, 0, 2, 7) + 1 == Ipv4Addr(192, 0, 2, 8)
    assert type(Ipv4Addr(192, 0, 2, 7) + 1) is Ipv4Addr


@pytest.mark.parametrize(
    "value",
    [
        Ipv4Addr(192, 0, 2, 1),
        Ipv6Addr("fe80::1%eth0"),
        Ipv6Addr("::ffff:192.0.2.1"),
        SocketAddr.parse("192.0.2.1:53"),
        SocketAddrV6("fe80::1", 53, flowinfo=7, scope_id=2),
        HostPort("example.com", 443),
        HostPort("::1", 443),
    ],
    ids=str,
)
def test_values_copy_pickle_and_stay_as_they_are(value):
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert again == value
        assert hash(again) == hash(value)
        assert type(again) is type(value)
        assert str(again) == str(value)
    for name in ("port", "ip", "host", "octets", "flowinfo", "new"):
        with pytest.raises(AttributeError):
            setattr(value, name, 1)


# SocketAddr


@pytest.mark.parametrize(
    ("text", "sockaddr", "written"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080), "127.0.0.1:8080"),
        ("0.0.0.0:0", ("0.0.0.0", 0), "0.0.0.0:0"),
        ("[::1]:53", ("::1", 53, 0, 0), "[::1]:53"),
        ("[2001:DB8:0::1]:65535", ("2001:db8::1", 65535, 0, 0), "[2001:db8::1]:65535"),
        ("[fe80::1%2]:53", ("fe80::1", 53, 0, 2), "[fe80::1%2]:53"),
        ("[::ffff:192.0.2.1]:1", ("::ffff:192.0.2.1", 1, 0, 0), "[::ffff:192.0.2.1]:1"),
    ],
)
def test_socket_addr_text(text, sockaddr, written):
    addr = SocketAddr.parse(text)
    assert addr.to_sockaddr() == sockaddr
    assert str(addr) == written
    assert SocketAddr.from_sockaddr(sockaddr) == addr == SocketAddr.new(addr.ip, addr.port)
    assert addr.family == (socket.AF_INET if len(sockaddr) == 2 else socket.AF_INET6)
    assert (addr.is_ipv4, addr.is_ipv6) == (len(sockaddr) == 2, len(sockaddr) == 4)
    assert addr.to_socket_addrs() == (addr,)


BAD_SOCKET_ADDRS = [
    ("", FORMAT, 0, "nothing is there"),
    ("127.0.0.1", PORT, 9, "the port is missing"),
    ("127.0.0.1:", PORT, 10, "the port is missing"),
    (":80", FORMAT, 0, "nothing is there"),
    ("127.0.0.1:65536", PORT, 10, "'65536' is more than 65535"),
    ("127.0.0.1:123456", PORT, 10, "'123456' is more than 65535"),
    ("127.0.0.1:080", PORT, 10, "'080' has a leading zero"),
    ("127.0.0.1:https", PORT, 10, "'h' cannot stand in a port"),
    ("127.0.0.1:80 ", PORT, 12, "' ' cannot stand in a port"),
    ("127.0.0.1:-1", PORT, 10, "'-' cannot stand in a port"),
    ("127.0.0.1:٨٠", PORT, 10, "'٨' cannot stand in a port"),
    ("127.0.0.1:80:80", FORMAT, 12, "one colon too many"),
    ("127.0.0.256:80", OCTET, 8, "'256' is more than 255"),
    ("127.0.0:80", FORMAT, 7, "3 of four numbers"),
    ("localhost:80", FORMAT, 0, "'l' is not a decimal digit"),
    ("::1", PORT, 3, "the port is missing"),
    ("2001:db8::1:53000", FORMAT, 12, "more than four digits in a group"),
    ("[::1]", PORT, 5, "the port is missing"),
    ("[::1]:", PORT, 6, "the port is missing"),
    ("[::1", FORMAT, 4, "the closing bracket is missing"),
    ("[::1]53", FORMAT, 5, "only :PORT can follow the bracket"),
    ("[::1]]:53", FORMAT, 5, "only :PORT can follow the bracket"),
    ("[]:53", FORMAT, 1, "nothing is there"),
    ("[127.0.0.1]:53", FORMAT, 1, "only an IPv6 address stands in brackets"),
    ("[::g]:53", FORMAT, 3, "'g' is not a hexadecimal digit"),
    ("[::1.2.3.400]:53", OCTET, 9, "'400' is more than 255"),
    ("[fe80::1%]:53", FORMAT, 9, "a zone is missing"),
    ("[::1]:70000", PORT, 6, "'70000' is more than 65535"),
]


@pytest.mark.parametrize(("text", "variant", "offset", "reason"), BAD_SOCKET_ADDRS)
def test_socket_addr_errors(text, variant, offset, reason):
    with pytest.raises(variant) as caught:
        SocketAddr.parse(text)
    error = caught.value
    assert (error.text, error.offset, error.reason) == (text, offset, reason)
    assert error.hint


def test_socket_addr_new():
    assert SocketAddr.new_v4(Ipv4Addr.localhost(), 53) == SocketAddrV4("127.0.0.1", 53)
    assert SocketAddr.new_v6(Ipv6Addr.localhost(), 53) == SocketAddrV6("::1", 53)
    assert SocketAddr.new(IPv6Address("fe80::1%2"), 53) == SocketAddr.new_v6("fe80::1", 53, scope_id=2)
    assert isinstance(SocketAddr.new("127.0.0.1", 53), SocketAddr.V4)
    assert isinstance(SocketAddr.new("::1", 53), SocketAddr.V6)
    for port in (-1, 65536):
        with pytest.raises(PORT) as caught:
            SocketAddr.new("::1", port)
        assert (caught.value.text, caught.value.offset) == (str(port), 0)
    with pytest.raises(TypeError, match="a port is an int, not str"):
        SocketAddr.new("::1", "53")  # type: ignore[arg-type]
    with pytest.raises(AddressValueError):
        SocketAddr.new_v4("::1", 53)
    with pytest.raises(TypeError, match="abstract"):
        SocketAddr()  # type: ignore[abstract]


def test_socket_addr_in_match():
    match SocketAddr.parse("[fe80::1%2]:53"):
        case SocketAddrV6(Ipv6Addr((0xFE80, *_)), 53 as port):
            assert port == 53
        case other:
            pytest.fail(f"{other!r} did not match")


def test_socket_addr_order_and_equality():
    texts = ["10.0.0.1:9", "10.0.0.1:80", "10.0.0.2:1", "[::1]:1", "[fe80::1%2]:1", "[fe80::2]:0"]
    addrs = [SocketAddr.parse(text) for text in texts]
    backwards = addrs[::-1]
    assert sorted(backwards) == addrs
    assert max(addrs) >= min(addrs)
    assert len({*addrs, *map(SocketAddr.parse, texts)}) == len(texts)
    assert SocketAddrV6("::1", 53) != SocketAddrV6("::1", 53, flowinfo=1)
    assert addrs[0] != ("10.0.0.1", 9)
    with pytest.raises(TypeError):
        assert addrs[0] < ("10.0.0.1", 10)


def test_flowinfo_and_zone():
    addr = SocketAddrV6("fe80::1", 53, flowinfo=0xFFFFF, scope_id=4)
    assert (addr.flowinfo, addr.scope_id, addr.ip.scope_id) == (0xFFFFF, 4, "4")
    assert addr.to_sockaddr() == ("fe80::1", 53, 0xFFFFF, 4)
    assert str(addr) == "[fe80::1%4]:53"
    assert SocketAddrV6("fe80::1%4", 53, scope_id=4) == SocketAddrV6("fe80::1%4", 53)
    with pytest.raises(FORMAT, match="flowinfo"):
        SocketAddrV6("fe80::1", 53, flowinfo=0x100000)
    with pytest.raises(FORMAT, match="a second zone, 4") as caught:
        SocketAddrV6("fe80::1%eth0", 53, scope_id=4)
    assert (caught.value.text, caught.value.offset) == ("fe80::1%eth0", 8)
    # What getpeername gives under some loops: the zone in both places, once by name.
    assert SocketAddr.from_sockaddr(("fe80::1%eth0", 53, 0, 4)) == SocketAddr.parse("[fe80::1%4]:53")
    assert SocketAddr.from_sockaddr(("fe80::1%eth0", 53, 0, 0)) == SocketAddr.parse("[fe80::1%eth0]:53")


def test_a_zone_by_name_becomes_its_number():
    index, name = socket.if_nameindex()[0]
    addr = SocketAddr.parse(f"[fe80::1%{name}]:53")
    assert isinstance(addr, SocketAddrV6)
    assert str(addr) == f"[fe80::1%{name}]:53"
    assert addr.scope_id == index
    assert addr.to_sockaddr() == ("fe80::1", 53, 0, index)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("nosuchzone", "the zone is an interface's name or number"),
        ("25eth7", "outside a URL write %eth7, not %25eth7"),
    ],
)
def test_a_zone_that_is_not_there(zone, hint):
    addr = SocketAddrV6(f"fe80::1%{zone}", 53)
    with pytest.raises(OSError, match=f"no interface is named '{zone}'") as caught:
        addr.to_sockaddr()
    error = caught.value
    assert isinstance(error, UnknownZone)
    assert isinstance(error, NetkitError)
    assert (error.errno, error.zone, error.hint) == (errno.ENODEV, zone, hint)
    assert error.strerror == str(error)  # which errors of other layers repeat
    assert (error.layer, error.fault, error.kind) == ("addr", "caller", "NoSuchInterface")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_real_socket_agrees(host):
    """What a socket reports is read back, and what is made from text is what it takes."""
    addr = SocketAddr.new(host, 0)
    with socket.socket(addr.family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(addr.to_sockaddr())
        except OSError as error:
            if addr.is_ipv6 and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                pytest.skip("no IPv6 loopback here")
            raise
        bound = SocketAddr.from_sockaddr(sock.getsockname())
        assert bound == SocketAddr.new(host, sock.getsockname()[1])
        sock.sendto(b"hello", bound.to_sockaddr())
        data, peer = sock.recvfrom(16)
        assert (data, SocketAddr.from_sockaddr(peer)) == (b"hello", bound)


# HostPort


@pytest.mark.parametrize(
    ("text", "host", "port", "written"),
    [
        ("example.com:443", "example.com", 443, "example.com:443"),
        ("Example.COM.:0", "Example.COM.", 0, "Example.COM.:0"),
        ("localhost:65535", "localhost", 65535, "localhost:65535"),
        ("_imap._tcp.example:143", "_imap._tcp.example", 143, "_imap._tcp.example:143"),
        ("bücher.example:80", "bücher.example", 80, "bücher.example:80"),
        ("3com.example:80", "3com.example", 80, "3com.example:80"),
        ("cafe:80", "cafe", 80, "cafe:80"),
        ("192.0.2.1:53", Ipv4Addr(192, 0, 2, 1), 53, "192.0.2.1:53"),
        ("[2001:DB8::1]:53", Ipv6Addr("2001:db8::1"), 53, "[2001:db8::1]:53"),
        ("[fe80::1%eth0]:53", Ipv6Addr("fe80::1%eth0"), 53, "[fe80::1%eth0]:53"),
        (":8080", "", 8080, ":8080"),
        ("example.com:https", "example.com", 443, "example.com:443"),
        ("example.com:HTTPS", "example.com", 443, "example.com:443"),
        ("[::1]:domain", Ipv6Addr.localhost(), 53, "[::1]:53"),
        (":http", "", 80, ":80"),
    ],
)
def test_host_port_text(text, host, port, written):
    endpoint = HostPort.parse(text)
    assert (endpoint.host, endpoint.port) == (host, port)
    assert type(endpoint.host) is type(host)
    assert str(endpoint) == written
    assert endpoint == HostPort(host, port) == HostPort.parse(text, default_port=1)
    assert repr(endpoint) == f"<HostPort {written}>"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("192.0.2.1", Ipv4Addr(192, 0, 2, 1)),
        ("2001:db8::1", Ipv6Addr("2001:db8::1")),
        ("[2001:db8::1]", Ipv6Addr("2001:db8::1")),
        ("fe80::1%eth0", Ipv6Addr("fe80::1%eth0")),
        # Not port 53 of ::1: several colons without brackets are an address.
        ("::1:53", Ipv6Addr("::1:53")),
    ],
)
def test_host_port_without_a_port(text, host):
    assert HostPort.parse(text, 853) == HostPort(host, 853)
    with pytest.raises(PORT) as caught:
        HostPort.parse(text)
    assert (caught.value.offset, caught.value.reason) == (len(text), "the port is missing")
    form = f"write [{text}]:PORT" if ":" in text and "[" not in text else f"write {text}:PORT"
    if text == "::1:53":
        form = "write [::1]:53, or [::1:53]:PORT if all of it is the address"
    assert caught.value.hint == form


BAD_ENDPOINTS = [
    ("", FORMAT, 0, "nothing is there"),
    (":", PORT, 1, "the port is missing"),
    ("example.com:", PORT, 12, "the port is missing"),
    ("example.com:65536", PORT, 12, "'65536' is more than 65535"),
    ("example.com:99999999999", PORT, 12, "'99999999999' is more than 65535"),
    ("example.com:00", PORT, 12, "'00' has a leading zero"),
    ("example.com:+80", PORT, 12, "no service is named '+80' over tcp"),
    ("example.com:nosuch-service", PORT, 12, "no service is named 'nosuch-service' over tcp"),
    ("example.com:80/path", PORT, 14, "'/' cannot stand in a port"),
    ("example.com:80 ", PORT, 14, "' ' cannot stand in a port"),
    ("example.com:8٠", PORT, 13, "'٠' cannot stand in a port"),
    ("example.com:80:90", FORMAT, 14, "one colon too many"),
    ("example.com:80:", FORMAT, 14, "one colon too many"),
    ("192.0.2.1:80:90", FORMAT, 12, "one colon too many"),
    ("https://example.com", FORMAT, 5, "a URL is not an endpoint"),
    ("user@example.com:22", FORMAT, 4, "'@' cannot stand in a host name"),
    ("example.com/path:80", FORMAT, 11, "'/' cannot stand in a host name"),
    (" example.com:80", FORMAT, 0, "' ' cannot stand in a host name"),
    ("exam\u3000ple:80", FORMAT, 4, r"'\u3000' cannot stand in a host name"),
    ("exam\x1bple:80", FORMAT, 4, r"'\x1b' cannot stand in a host name"),
    ("example%2ecom:80", FORMAT, 7, "'%' cannot stand in a host name"),
    # A name whose last label is a number: an address that is wrong, not a name.
    ("192.0.2.256:80", OCTET, 8, "'256' is more than 255"),
    ("192.0.2.01:80", OCTET, 8, "'01' has a leading zero"),
    ("127.1:80", FORMAT, 5, "2 of four numbers"),
    ("192.0.2.1.:80", FORMAT, 9, "more than four numbers"),
    ("0x7f000001:80", FORMAT, 1, "'x' is not a decimal digit"),
    ("example.0x7f:80", FORMAT, 0, "'e' is not a decimal digit"),
    ("example.1:80", FORMAT, 0, "'e' is not a decimal digit"),
    ("2130706433:80", OCTET, 0, "'2130706433' is more than 255"),
    ("8080", FORMAT, 0, "a number is not a host"),
    ("2001:db8::1:https", FORMAT, 12, "'h' is not a hexadecimal digit"),
    ("::1]:80", FORMAT, 3, "']' is not a hexadecimal digit"),
    ("fe80::1%eth0:80", FORMAT, 12, "':' cannot stand in a zone"),
    ("[::1", FORMAT, 4, "the closing bracket is missing"),
    ("[::1]80", FORMAT, 5, "only :PORT can follow the bracket"),
    ("[example.com]:80", FORMAT, 1, "only an IPv6 address stands in brackets"),
    ("[::1:80", FORMAT, 7, "the closing bracket is missing"),
    ("[1::2::3]:80", FORMAT, 5, "a second ::"),
]


@pytest.mark.parametrize(("text", "variant", "offset", "reason"), BAD_ENDPOINTS)
@pytest.mark.parametrize("default_port", [None, 443])
def test_host_port_errors(text, variant, offset, reason, default_port):
    with pytest.raises(variant) as caught:
        HostPort.parse(text, default_port)
    error = caught.value
    assert (error.text, error.offset, error.reason) == (text, offset, reason)
    assert error.hint


def test_hints_show_the_form_that_was_meant():
    def hint(text: str) -> str | None:
        with pytest.raises(AddrParseError) as caught:
            HostPort.parse(text)
        return caught.value.hint

    assert hint("8080") == "write :8080 for that port of this machine"
    assert hint("2001:db8::1:https") == (
        "write an IPv6 address before a port in brackets, such as [2001:db8::1]:443"
    )
    assert hint("::1") == "write [::1]:PORT"
    assert "HOST:PORT" in (hint("x" * 1000) or "")
    assert "[2001:db8::1]:443" in (hint("https://example.com") or "")


def test_host_port_constructor():
    assert HostPort("::1", 80) == HostPort("[::1]", 80) == HostPort(IPv6Address("::1"), 80)
    assert HostPort("192.0.2.1", 80).host == Ipv4Addr(192, 0, 2, 1)
    assert HostPort("example.com", 80) != HostPort("example.com", 81)
    assert HostPort("example.com", 80) != ("example.com", 80)
    for host in ("example.com:80", "exam ple", "1.2.3", "[::1]:80", "[x]"):
        with pytest.raises(FORMAT):
            HostPort(host, 80)
    with pytest.raises(PORT):
        HostPort("example.com", 65536)
    with pytest.raises(PORT):
        HostPort.parse("example.com", default_port=65536)


def test_host_port_socket_addr():
    assert HostPort.parse("192.0.2.1:53").socket_addr == SocketAddr.parse("192.0.2.1:53")
    assert HostPort.parse("[fe80::1%2]:53").socket_addr == SocketAddr.parse("[fe80::1%2]:53")
    assert HostPort.parse("example.com:53").socket_addr is None
    assert HostPort.parse(":53").socket_addr is None


def test_service_names_follow_the_protocol(monkeypatch):
    asked = []

    def getservbyname(name: str, proto: str) -> int:
        asked.append((name, proto))
        if (name, proto) == ("syslog", "udp"):
            return 514
        raise OSError("service/proto not found")

    monkeypatch.setattr(socket, "getservbyname", getservbyname)
    assert HostPort.parse("log.example:syslog", proto="udp").port == 514
    with pytest.raises(PORT, match="no service is named 'syslog' over tcp"):
        HostPort.parse("log.example:syslog")
    # Where the system has no table of its own, the services that netkit speaks are still known.
    assert [parse_port(name) for name in ("https", "HTTPS", "domain-s")] == [443, 443, 853]
    assert ("https", "tcp") in asked


@pytest.mark.parametrize(("text", "port"), [("0", 0), ("53", 53), ("65535", 65535), ("https", 443)])
def test_parse_port(text, port):
    assert parse_port(text) == port


@pytest.mark.parametrize(
    ("text", "offset"), [("", 0), ("65536", 0), ("053", 0), ("5 3", 1), ("-1", 0), ("1e3", 0), ("nosuch", 0)]
)
def test_parse_port_errors(text, offset):
    with pytest.raises(PORT) as caught:
        parse_port(text)
    assert (caught.value.text, caught.value.offset) == (text, offset)


# Every form of ToSocketAddrs


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("example.com:443", "example.com:443"),
        ("[::1]:53", "[::1]:53"),
        ("example.com:https", "example.com:443"),
        (("example.com", 443), "example.com:443"),
        (("example.com", "https"), "example.com:443"),
        (("192.0.2.1", 53), "192.0.2.1:53"),
        (("::1", 8080), "[::1]:8080"),
        (("[::1]", 8080), "[::1]:8080"),
        (("", 8080), ":8080"),
        ((Ipv4Addr(192, 0, 2, 1), 53), "192.0.2.1:53"),
        ((Ipv6Addr("fe80::1%2"), 53), "[fe80::1%2]:53"),
        ((IPv4Address("192.0.2.1"), 53), "192.0.2.1:53"),
        ((IPv6Address("::1"), 53), "[::1]:53"),
        (["example.com", 443], "example.com:443"),
        (SocketAddr.parse("192.0.2.1:53"), "192.0.2.1:53"),
        (SocketAddr.parse("[fe80::1%2]:53"), "[fe80::1%2]:53"),
        (HostPort("example.com", 443), "example.com:443"),
    ],
)
def test_to_socket_addrs_parts(value, text):
    parts = to_socket_addrs_parts(value)
    assert parts == HostPort.parse(text)
    assert type(parts.host) is type(HostPort.parse(text).host)


def test_to_socket_addrs_parts_with_a_default_port():
    for value in ("192.0.2.1", Ipv4Addr(192, 0, 2, 1), IPv4Address("192.0.2.1")):
        assert to_socket_addrs_parts(value, 53) == HostPort("192.0.2.1", 53)
        with pytest.raises(PORT, match="the port is missing"):
            to_socket_addrs_parts(value)
    assert to_socket_addrs_parts(("192.0.2.1", 80), 53).port == 80


@pytest.mark.parametrize(
    "value", [None, 80, b"example.com:80", ("example.com",), ("example.com", 80, 0), ("example.com", None)]
)
def test_to_socket_addrs_parts_of_something_else(value):
    with pytest.raises(TypeError, match="not an address"):
        to_socket_addrs_parts(value)


def test_to_socket_addrs_parts_errors():
    for value, variant in (
        (("1.2.3", 80), FORMAT),
        (("1.2.3.4", 65536), PORT),
        (("1.2.3.4", "nosuch"), PORT),
    ):
        with pytest.raises(variant):
            to_socket_addrs_parts(value)


def test_a_socket_addr_is_a_to_socket_addrs():
    def first(target: ToSocketAddrs) -> SocketAddr:
        return next(iter(target.to_socket_addrs()))

    addr = SocketAddr.parse("192.0.2.1:53")
    assert first(addr) is addr


# Errors


def test_errors_belong_to_both_trees():
    with pytest.raises(AddrParseError.InvalidOctet) as caught:
        Ipv4Addr.parse("192.0.2.256")
    error = caught.value
    assert isinstance(error, AddrParseError)
    assert isinstance(error, NetkitError)
    assert isinstance(error, AddressValueError)
    assert isinstance(error, ValueError)
    assert (error.layer, error.fault, error.kind) == ("addr", "caller", "InvalidOctet")
    assert str(error) == "'192.0.2.256': '256' is more than 255 (at offset 8)"
    assert type(error).__qualname__ == "AddrParseError.InvalidOctet"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.offset, again.hint, str(again)) == (type(error), 8, error.hint, str(error))


@pytest.mark.parametrize("parse", [IpAddr.parse, SocketAddr.parse, HostPort.parse, parse_port])
@pytest.mark.parametrize("text", ["1" * 100_000, ":" * 100_000, "a.:" * 30_000, "\x1b[31m" + "%" * 100_000])
def test_long_and_hostile_text_makes_a_short_and_plain_message(parse, text):
    with pytest.raises(AddrParseError) as caught:
        parse(text)
    message = str(caught.value)
    assert len(message) < 400
    assert message.isprintable()
    assert caught.value.text == text


# Properties


@given(v4s)
def test_v4_round_trip(addr):
    assert Ipv4Addr.parse(str(addr)) == addr == Ipv4Addr(*addr.octets) == Ipv4Addr.from_u32(addr.to_u32())
    assert IpAddr.of(addr.packed) == addr == IPv4Address(str(addr))


@given(v6s)
@example(Ipv6Addr("::ffff:0.0.0.0"))
@example(Ipv6Addr("::ffff:0:0%1"))
def test_v6_round_trip(addr):
    assert Ipv6Addr.parse(str(addr)) == addr
    assert Ipv6Addr.parse(addr.exploded) == addr
    assert Ipv6Addr(*addr.segments).with_scope(addr.scope_id) == addr
    assert IpAddr.of(addr.packed) == addr.with_scope(None)
    assert IPv6Address(str(addr)) == addr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1%eth0", "192.0.2.1"),
        ("::192.0.2.1", "::c000:201"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_mapped_address_stands_for_one_of_ipv4(text, expected):
    assert IpAddr.parse(text).unmapped == IpAddr.parse(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
        ("[::192.0.2.1]:80", "[::192.0.2.1]:80"),
        ("[fe80::1%2]:80", "[fe80::1%2]:80"),
        ("192.0.2.1:80", "192.0.2.1:80"),
    ],
)
def test_a_socket_address_of_a_mapped_one(text, expected):
    assert SocketAddr.parse(text).unmapped == SocketAddr.parse(expected)


def test_what_a_socket_of_the_other_family_takes():
    v4, v6 = SocketAddr.parse("192.0.2.1:80"), SocketAddr.parse("[2001:db8::1]:80")
    assert v4.to_sockaddr(socket.AF_INET) == v4.to_sockaddr() == ("192.0.2.1", 80)
    assert v4.to_sockaddr(socket.AF_INET6) == ("::ffff:192.0.2.1", 80, 0, 0)
    assert v6.to_sockaddr(socket.AF_INET6) == v6.to_sockaddr() == ("2001:db8::1", 80, 0, 0)


@given(v6s)
def test_v6_text_is_the_recommended_one(addr):
    """RFC 5952 section 4, by its rules and not by another implementation."""
    text = str(addr).partition("%")[0]
    if addr.ipv4_mapped is not None:
        assert text == f"::ffff:{addr.ipv4_mapped}"
        return
    assert text == text.lower()
    left, shortened, right = text.partition("::")
    groups = [group for side in (left, right) for group in side.split(":") if group]
    assert all(group == format(int(group, 16), "x") for group in groups)
    bits = "".join("0" if segment == 0 else "x" for segment in addr.segments)
    longest = max((len(run) for run in bits.split("x")), default=0)
    if not shortened:
        assert longest < 2
        return
    assert "::" not in right
    assert 8 - len(groups) == longest
    assert bits.index("0" * longest) == len([group for group in left.split(":") if group])


@given(v4s | v6s, ports)
def test_socket_addr_round_trip(ip, port):
    addr = SocketAddr.new(ip, port)
    assert SocketAddr.parse(str(addr)) == addr
    assert HostPort.parse(str(addr)).socket_addr == addr
    if ip.is_ipv4 or ip.scope_id is None or ip.scope_id.isdigit():
        assert SocketAddr.from_sockaddr(addr.to_sockaddr()) == addr


@given(names | v4s | v6s | st.just(""), ports)
def test_host_port_round_trip(host, port):
    endpoint = HostPort(host, port)
    assert HostPort.parse(str(endpoint)) == endpoint
    assert to_socket_addrs_parts((host, port)) == endpoint
    assert to_socket_addrs_parts((str(host), port)) == endpoint


def accepts(make, text: str):
    try:
        return make(text)
    except ValueError:
        return None


@given(near_v4)
def test_v4_accepts_what_the_standard_library_accepts(text):
    assert accepts(Ipv4Addr.parse, text) == accepts(IPv4Address, text)


@given(near_v6.filter(lambda text: "%" not in text))
@example("::" + "0" * 5)
@example("1:2:3:4:5:6:7::")
@example("::2:3:4:5:6:7:8")
def test_v6_accepts_what_the_standard_library_accepts(text):
    assert accepts(Ipv6Addr.parse, text) == accepts(IPv6Address, text)


@given(st.text() | near_v4 | near_v6)
def test_any_text_is_read_or_refused_at_an_offset_within_it(text):
    for parse in (IpAddr.parse, Ipv4Addr.parse, Ipv6Addr.parse, SocketAddr.parse, HostPort.parse, parse_port):
        error = refusal(parse, text)
        if error is None:
            continue
        assert error.text == text
        assert 0 <= error.offset <= len(text)
        assert error.reason
        assert error.hint
        assert str(error).isprintable()


def refusal(parse, text: str) -> AddrParseError | None:
    try:
        parse(text)
    except AddrParseError as error:
        return error
    return None


@given(v4s | v6s, v4s | v6s)
def test_order_is_total(a, b):
    assert (a < b) + (a == b) + (a > b) == 1
    assert (a <= b) == (a < b or a == b)
    assert (a >= b) == (a > b or a == b)


# What importing it costs


def test_import_brings_nothing_heavy():
    """Start-up time: every command imports this module before it does anything else."""
    code = "import sys, netkit.addr; print(*sorted(sys.modules))"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert (
        not {"asyncio", "dataclasses", "inspect", "logging", "socket", "ssl", "enum"} & {*listed} - _always()
    )


def _always() -> set[str]:
    """What this interpreter has loaded before it runs anything (a .pth file may load what it likes)."""
    code = "import sys, typing; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {*run.stdout.split()}
