"""The PROXY protocol's headers: both versions, out and in, and what is no header."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from netkit.addr import Ipv4Addr, Ipv6Addr, SocketAddr
from netkit.io import run
from netkit.proxy import ProxyError, ProxyHeader, Transport, receive_header_flow
from netkit.proxy.header import SIGNATURE, V1_LONGEST, crc32c
from tests.proxy.scripted import CUTS, ScriptedStream

pytestmark = pytest.mark.once


def addr(text: str) -> SocketAddr:
    return SocketAddr.parse(text)


V4 = ProxyHeader(addr("192.0.2.1:56324"), addr("198.51.100.7:443"))
V6 = ProxyHeader(addr("[2001:db8::1]:1"), addr("[2001:db8::2]:65535"))

#: A header, and the bytes of it in version 1 (section 2.1) and 2 (section 2.2).
HEADERS = [
    (
        V4,
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        SIGNATURE + bytes.fromhex("21 11 000c c0000201 c6336407 dc04 01bb"),
    ),
    (
        V6,
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
        SIGNATURE + bytes.fromhex(f"21 21 0024 20010db8{1:024x} 20010db8{2:024x} 0001 ffff"),
    ),
    (ProxyHeader(), b"PROXY UNKNOWN\r\n", SIGNATURE + bytes.fromhex("21 00 0000")),
    (ProxyHeader(local=True), None, SIGNATURE + bytes.fromhex("20 00 0000")),
    (
        ProxyHeader(V4.source, V4.destination, transport=Transport.Datagram, tlvs=[(1, b"h2"), (4, b"")]),
        None,
        SIGNATURE + bytes.fromhex("21 12 0014 c0000201 c6336407 dc04 01bb 01 0002 6832 04 0000"),
    ),
    (
        ProxyHeader(b"/run/a", b"\0abstract"),
        None,
        SIGNATURE
        + bytes.fromhex("21 31 00d8")
        + b"/run/a".ljust(108, b"\0")
        + b"\0abstract".ljust(108, b"\0"),
    ),
]


@pytest.mark.parametrize(("header", "first", "second"), HEADERS)
def test_both_versions_both_ways(header: ProxyHeader, first: bytes | None, second: bytes) -> None:
    assert header.to_bytes(2) == second
    if first is None:
        with pytest.raises(ProxyError.InvalidHeader, match="only version 2"):
            header.to_bytes(1)
    else:
        assert header.to_bytes(1) == first
    for wire in filter(None, (first, second)):
        assert ProxyHeader.parse(wire + b"GET /") == (header, len(wire))
        for end in range(len(wire)):
            assert ProxyHeader.parse(wire[:end]) is None


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("header", "first", "second"), HEADERS)
def test_what_follows_stays_in_the_stream(header, first, second, cut) -> None:
    for wire in filter(None, (first, second)):
        stream = ScriptedStream(cut(wire + b"GET /"))
        assert run(receive_header_flow(stream)) == header
        assert stream.read_exactly(5) == b"GET /"


def test_addresses_of_a_socket_that_takes_both_families() -> None:
    header = ProxyHeader(addr("[::ffff:192.0.2.1]:56324"), addr("[::ffff:198.51.100.7]:443"))
    assert header == V4


def test_a_zone_is_not_sent() -> None:
    header = ProxyHeader(addr("[fe80::1%1]:5"), addr("[fe80::2%1]:6"))
    assert header.to_bytes(1) == b"PROXY TCP6 fe80::1 fe80::2 5 6\r\n"


def test_unknown_may_be_followed_by_anything() -> None:
    line = b"PROXY UNKNOWN ffff:f...f:ffff 65535\r\n"
    assert ProxyHeader.parse(line) == (ProxyHeader(), len(line))


def test_local_discards_the_block() -> None:
    wire = SIGNATURE + bytes.fromhex("20 ff 0003 010203")
    assert ProxyHeader.parse(wire) == (ProxyHeader(local=True), len(wire))


def test_the_checksum() -> None:
    # RFC 7143 appendix A.4 has CRC32c of 32 bytes of zeros, of ones, and counting up.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    header = ProxyHeader(V4.source, V4.destination, tlvs=[(5, b"id")])
    wire = header.to_bytes(2, checksum=True)
    parsed = ProxyHeader.parse(wire)
    assert parsed is not None
    assert [kind for kind, _ in parsed[0].tlvs] == [5, 3]
    for at in range(16, len(wire) - 7):  # every byte of what it is a checksum of, but lengths and types
        if at in (28, 29, 30):
            continue
        wrong = wire[:at] + bytes([wire[at] ^ 0x10]) + wire[at + 1 :]
        with pytest.raises(ProxyError.InvalidHeader, match="CRC32c is wrong"):
            ProxyHeader.parse(wrong)


BAD = [
    (b"GET / HTTP/1.1\r\n\r\n", "neither PROXY nor"),
    (b"proxy TCP4 192", "neither PROXY nor"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "without CR LF"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "3 words"),
    (b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "5 words"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 70000\r\n", "not a port"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "not a port"),
    (b"PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n", "not such an address"),
    (b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "not such an address"),
    (b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "none of TCP4"),
    (b"PROXY UNKNOWN" + b"x" * 200, f"no line end within {V1_LONGEST}"),
    (SIGNATURE + bytes.fromhex("11 11 000c c0000201 c6336407 dc04 01bb"), "version 1 after"),
    (SIGNATURE + bytes.fromhex("22 11 000c c0000201 c6336407 dc04 01bb"), "neither LOCAL nor"),
    (SIGNATURE + bytes.fromhex("21 41 0000"), "no address family"),
    (SIGNATURE + bytes.fromhex("21 10 0000"), "no address family"),
    (SIGNATURE + bytes.fromhex("21 01 0000"), "no address family"),
    (SIGNATURE + bytes.fromhex("21 11 0004 c0000201"), "less than its addresses"),
    (SIGNATURE + bytes.fromhex("21 11 ffff"), "more than the limit"),
    (SIGNATURE + bytes.fromhex("21 11 000e c0000201 c6336407 dc04 01bb 0100"), "a TLV is cut off"),
    (SIGNATURE + bytes.fromhex("21 11 000f c0000201 c6336407 dc04 01bb 010001"), "over the header's end"),
    (SIGNATURE + bytes.fromhex("21 11 0011 c0000201 c6336407 dc04 01bb 03 0002 0000"), "not 4 bytes"),
]


@pytest.mark.parametrize(("wire", "words"), BAD)
def test_what_is_no_header(wire: bytes, words: str) -> None:
    with pytest.raises(ProxyError.InvalidHeader, match=words) as caught:
        ProxyHeader.parse(wire)
    assert caught.value.fault == "peer"
    with pytest.raises(ProxyError.InvalidHeader, match=words):
        run(receive_header_flow(ScriptedStream([wire])))


@pytest.mark.parametrize("wire", [b"", b"PROXY TCP4 1", SIGNATURE, HEADERS[0][2][:-1]])
def test_a_header_that_is_cut_off(wire: bytes) -> None:
    with pytest.raises(ProxyError.Closed):
        run(receive_header_flow(ScriptedStream([wire])))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ProxyHeader(V4.source, V6.source), "one family"),
        (lambda: ProxyHeader(V4.source, None), "one family"),
        (lambda: ProxyHeader(b"x" * 109, b""), "109 bytes"),
        (lambda: ProxyHeader(tlvs=[(1, b"")]), "TLVs without addresses"),
        (lambda: ProxyHeader(V4.source, V4.destination, local=True), "LOCAL"),
        (lambda: V4.to_bytes(3), "no version 3"),
        (lambda: ProxyHeader(V4.source, V4.destination, tlvs=[(256, b"")]).to_bytes(), "type 256"),
        (lambda: ProxyHeader(V4.source, V4.destination, tlvs=[(1, b"x" * 65535)]).to_bytes(), "65535"),
        (lambda: ProxyHeader().to_bytes(2, checksum=True), "CRC32c without addresses"),
    ],
)
def test_what_no_header_can_say(make, words: str) -> None:
    with pytest.raises(ProxyError.InvalidHeader, match=words) as caught:
        make()
    assert caught.value.fault == "caller"


ADDRS = st.one_of(
    st.tuples(
        *[st.builds(SocketAddr.new, st.binary(min_size=4, max_size=4).map(Ipv4Addr), st.integers(0, 65535))]
        * 2
    ),
    st.tuples(
        *[
            st.builds(
                SocketAddr.new,
                st.binary(min_size=15, max_size=15).map(lambda b: Ipv6Addr(b"\x20" + b)),
                st.integers(0, 65535),
            )
        ]
        * 2
    ),
)


@given(ADDRS, st.lists(st.tuples(st.integers(0x20, 255), st.binary(max_size=20)), max_size=4), st.booleans())
def test_round_trip(ends, tlvs, checksum: bool) -> None:
    header = ProxyHeader(*ends, tlvs=tlvs)
    wire = header.to_bytes(2, checksum=checksum)
    parsed = ProxyHeader.parse(wire + b"rest")
    assert parsed is not None
    assert (parsed[0].source, parsed[0].destination) == ends
    assert list(parsed[0].tlvs[: len(tlvs)]) == tlvs
    assert parsed[1] == len(wire)
    first = ProxyHeader(*ends)
    assert ProxyHeader.parse(first.to_bytes(1)) == (first, len(first.to_bytes(1)))


@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\0"]),
)
def test_whatever_comes(data: bytes, start: bytes) -> None:
    try:
        ProxyHeader.parse(start + data)
    except ProxyError.InvalidHeader:
        pass
