"""The PROXY protocol: a header with the client's address, which a proxy sends first on a connection.

The specification is haproxy's proxy-protocol.txt. Version 1 (section 2.1) is a line of text,
`PROXY TCP4 192.0.2.1 198.51.100.7 56324 443`. Version 2 (section 2.2) is binary; it also supports datagrams,
Unix sockets, connections that the proxy makes for itself (LOCAL), and type-length-values. Neither version is
authenticated: a server that accepts headers from every peer lets every peer choose its own address.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr, SocketAddr
from netkit.proxy.errors import ProxyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Section 2.2: the first bytes of every header of version 2; no other protocol begins with them.
SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
#: Section 2.1: "the maximum line lengths the receiver must support", including CR LF.
V1_LONGEST: Final = 107
#: The default limit for a header of version 2, in bytes, including its first 16 bytes.
V2_LONGEST: Final = 4096

#: Section 2.2.2: the type of a CRC32c of the whole header.
CRC32C: Final = 0x03

_UNIX_PATH: Final = 108


class Transport(IntEnum):
    """The kind of socket on which the connection arrived (the low four bits of version 2's family byte)."""

    Unspecified = 0
    Stream = 1
    Datagram = 2


class ProxyHeader:
    """The real `source` and `destination` of a connection that a proxy forwards. Immutable.

    Both are `SocketAddr` of one family, both are `bytes` (paths of Unix sockets), or both are None (unknown).
    `local` is True if the proxy made the connection for itself, such as a health check. `tlvs` are pairs of a
    type and its bytes, in order. Only version 2 supports TLVs, Unix sockets, datagrams and `local`.

    Raises `ProxyError.InvalidHeader` for values that fit in no header.
    """

    __slots__ = ("destination", "local", "source", "tlvs", "transport")

    source: SocketAddr | bytes | None
    destination: SocketAddr | bytes | None
    transport: Transport
    local: bool
    tlvs: tuple[tuple[int, bytes], ...]

    def __init__(
        self,
        source: SocketAddr | bytes | None = None,
        destination: SocketAddr | bytes | None = None,
        *,
        transport: Transport = Transport.Stream,
        local: bool = False,
        tlvs: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        source, destination = _unmapped(source, destination)
        for which, addr in (("source", source), ("destination", destination)):
            if isinstance(addr, bytes) and len(addr) > _UNIX_PATH:
                raise _impossible(f"the {which}'s path has {len(addr)} bytes, more than {_UNIX_PATH}")
        if _family(source) != _family(destination):
            raise _impossible("source and destination are not of one family")
        if source is None and tlvs:
            raise _impossible("TLVs without addresses: nobody could tell where they begin")
        if source is not None and local:
            raise _impossible("LOCAL says nothing about addresses")
        put = object.__setattr__
        put(self, "source", source)
        put(self, "destination", destination)
        put(self, "transport", Transport.Unspecified if source is None else transport)
        put(self, "local", local)
        put(self, "tlvs", tuple((kind, bytes(value)) for kind, value in tlvs))

    # Out.

    def to_bytes(self, version: int = 2, *, checksum: bool = False) -> bytes:
        """Return the header's bytes, which are sent once, before all other data.

        With `checksum`, a header of version 2 contains a CRC32c. Raises `ProxyError.InvalidHeader` for values
        that this version does not support.
        """
        if version == 1:
            return self._v1()
        if version != 2:
            raise _impossible(f"there is no version {version}")
        return self._v2(checksum)

    def _v1(self) -> bytes:
        if self.local or self.tlvs or isinstance(self.source, bytes) or self.transport is Transport.Datagram:
            raise _impossible("only version 2 knows LOCAL, datagrams, Unix sockets and TLVs")
        if not isinstance(self.source, SocketAddr) or not isinstance(self.destination, SocketAddr):
            return b"PROXY UNKNOWN\r\n"
        family = "TCP4" if _family(self.source) == 1 else "TCP6"
        ends = [_plain(addr.ip) for addr in (self.source, self.destination)]
        return f"PROXY {family} {ends[0]} {ends[1]} {self.source.port} {self.destination.port}\r\n".encode()

    def _v2(self, checksum: bool) -> bytes:
        family = _family(self.source)
        if isinstance(self.source, SocketAddr) and isinstance(self.destination, SocketAddr):
            ports = struct.pack("!HH", self.source.port, self.destination.port)
            body = _plain(self.source.ip).packed + _plain(self.destination.ip).packed + ports
        elif isinstance(self.source, bytes) and isinstance(self.destination, bytes):
            body = struct.pack("108s108s", self.source, self.destination)
        else:
            body = b""
        for kind, value in self.tlvs:
            if not 0 <= kind <= 255 or len(value) > 65535:
                raise _impossible(f"a TLV of type {kind} and {len(value)} bytes")
            body += struct.pack("!BH", kind, len(value)) + value
        if checksum and not family:
            raise _impossible("a CRC32c without addresses: nobody could tell where it is")
        if checksum:
            body += struct.pack("!BHI", CRC32C, 4, 0)
        if len(body) > 65535:
            raise _impossible(f"{len(body)} bytes of addresses and TLVs are more than 65535")
        command = 0x20 if self.local else 0x21
        head = SIGNATURE + struct.pack("!BBH", command, family << 4 | self.transport, len(body))
        if not checksum:
            return head + body
        # "a 32-bit number which is the CRC32c of the header with the 4 bytes of the checksum set to zero"
        return head + body[:-4] + crc32c(head + body).to_bytes(4, "big")

    # In.

    @classmethod
    def parse(
        cls, data: bytes | bytearray | memoryview, *, limit: int = V2_LONGEST
    ) -> tuple[ProxyHeader, int] | None:
        """Return the header at the beginning of `data` and its length in bytes; None if `data` is too short.

        `limit` is the longest header of version 2, in bytes. Raises `ProxyError.InvalidHeader`.
        """
        view = bytes(data[: max(limit, V1_LONGEST)])
        if view.startswith(SIGNATURE[: len(view)]):
            if len(view) < 16:
                return None
            size = v2_size(view, limit)
            return (cls._read_v2(view[:size]), size) if len(view) >= size else None
        if not view.startswith(b"PROXY "[: len(view)]):
            raise ProxyError.InvalidHeader("it begins with neither PROXY nor the signature of version 2", 0)
        end = view.find(b"\n", 0, V1_LONGEST)
        if end < 0:
            if len(view) >= V1_LONGEST:
                raise ProxyError.InvalidHeader(f"no line end within {V1_LONGEST} bytes", V1_LONGEST)
            return None
        return cls._read_v1(view[: end + 1]), end + 1

    @classmethod
    def _read_v1(cls, line: bytes) -> ProxyHeader:
        if not line.endswith(b"\r\n"):
            raise ProxyError.InvalidHeader("its line ends without CR LF", len(line) - 1)
        family, _, rest = line[6:-2].partition(b" ")
        if family == b"UNKNOWN":  # "the receiver must ignore anything presented before the CRLF is found"
            return cls()
        kind = {b"TCP4": Ipv4Addr, b"TCP6": Ipv6Addr}.get(family)
        if kind is None:
            raise ProxyError.InvalidHeader(f"{family[:20]!r} is none of TCP4, TCP6 and UNKNOWN", 6)
        words = rest.split(b" ")
        if len(words) != 4:
            raise ProxyError.InvalidHeader(f"{len(words)} words after {family.decode()}, not 4", 11)
        addresses = []
        for word, port in ((words[0], words[2]), (words[1], words[3])):
            try:
                ip = kind(word.decode("ascii"))
            except (AddrParseError, ValueError):
                raise ProxyError.InvalidHeader(f"{word[:50]!r} is not such an address", 11) from None
            plain = port.isdigit() and len(port) <= 5 and (port == b"0" or port[:1] != b"0")
            if not plain or int(port) > 65535:
                raise ProxyError.InvalidHeader(f"{port[:20]!r} is not a port", 11)
            addresses.append(SocketAddr.new(ip, int(port)))
        return cls(*addresses)

    @classmethod
    def _read_v2(cls, data: bytes) -> ProxyHeader:
        command = data[12] & 0x0F
        if command > 1:
            raise ProxyError.InvalidHeader(f"command {command} is neither LOCAL nor PROXY", 12)
        if command == 0:
            # Section 2.2: "the receiver must accept this connection as valid and must use the real connection
            # endpoints and discard the protocol block including the family which is ignored"
            return cls(local=True)
        family, transport = data[13] >> 4, data[13] & 0x0F
        if family > 3 or transport > 2 or (family == 0) != (transport == 0):
            raise ProxyError.InvalidHeader(f"{data[13]:#04x} is no address family and transport", 13)
        size = {0: 0, 1: 12, 2: 36, 3: 216}[family]
        if len(data) - 16 < size:
            raise ProxyError.InvalidHeader(f"{len(data) - 16} bytes are less than its addresses take", 14)
        # With UNSPEC the length of the addresses is unknown, so the TLVs cannot be found.
        tlvs = tuple(_tlvs(data, 16 + size)) if family else ()
        _check_crc(data, tlvs)
        source: SocketAddr | bytes | None = None
        destination: SocketAddr | bytes | None = None
        body = data[16 : 16 + size]
        if family in (1, 2):
            width = 4 if family == 1 else 16
            kind = Ipv4Addr if family == 1 else Ipv6Addr
            ports = struct.unpack("!HH", body[-4:])
            source = SocketAddr.new(kind(body[:width]), ports[0])
            destination = SocketAddr.new(kind(body[width : 2 * width]), ports[1])
        elif family == 3:
            source, destination = _path(body[:_UNIX_PATH]), _path(body[_UNIX_PATH:])
        return cls(source, destination, transport=Transport(transport), tlvs=tlvs)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a ProxyHeader does not change: {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, self._all()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProxyHeader) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def _all(self) -> tuple[object, ...]:
        return self.source, self.destination, self.transport, self.local, self.tlvs

    def __repr__(self) -> str:
        if self.local:
            return "<ProxyHeader LOCAL>"
        if self.source is None:
            return "<ProxyHeader UNKNOWN>"
        ends = (end if isinstance(end, SocketAddr) else repr(end) for end in (self.source, self.destination))
        return f"<ProxyHeader {' to '.join(map(str, ends))}>"


def _remade(
    source: SocketAddr | bytes | None,
    destination: SocketAddr | bytes | None,
    transport: Transport,
    local: bool,
    tlvs: tuple[tuple[int, bytes], ...],
) -> ProxyHeader:
    return ProxyHeader(source, destination, transport=transport, local=local, tlvs=tlvs)


def v2_size(data: bytes, limit: int = V2_LONGEST) -> int:
    """Return the length of a version 2 header, from its first 16 bytes. Raises `ProxyError.InvalidHeader`."""
    if data[12] >> 4 != 2:
        raise ProxyError.InvalidHeader(f"version {data[12] >> 4} after the signature of version 2", 12)
    size = 16 + int.from_bytes(data[14:16], "big")
    if size > limit:
        raise ProxyError.InvalidHeader(f"{size} bytes are more than the limit of {limit}", 14)
    return size


def crc32c(data: bytes) -> int:
    """The CRC32c of RFC 9260 appendix A (Castagnoli's polynomial, reflected)."""
    table = _crc_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def _check_crc(data: bytes, tlvs: tuple[tuple[int, bytes], ...]) -> None:
    """Section 2.2.2: "if the checksum does not match, the receiver must drop the connection"."""
    sums = [value for kind, value in tlvs if kind == CRC32C]
    if not sums:
        return
    at = len(data)
    for kind, value in reversed(tlvs):
        at -= len(value)
        if kind == CRC32C:
            break
        at -= 3
    if len(sums) > 1 or len(sums[0]) != 4:
        raise ProxyError.InvalidHeader("a CRC32c that is not 4 bytes, once", at)
    if crc32c(data[:at] + bytes(4) + data[at + 4 :]) != int.from_bytes(sums[0], "big"):
        raise ProxyError.InvalidHeader("its CRC32c is wrong", at)


def _tlvs(data: bytes, at: int) -> Iterable[tuple[int, bytes]]:
    while at < len(data):
        if at + 3 > len(data):
            raise ProxyError.InvalidHeader("a TLV is cut off", at)
        kind, size = struct.unpack_from("!BH", data, at)
        if at + 3 + size > len(data):
            raise ProxyError.InvalidHeader(f"a TLV of {size} bytes goes over the header's end", at)
        yield kind, data[at + 3 : at + 3 + size]
        at += 3 + size


def _unmapped(
    source: SocketAddr | bytes | None, destination: SocketAddr | bytes | None
) -> tuple[SocketAddr | bytes | None, SocketAddr | bytes | None]:
    """Replace IPv4-mapped addresses, which a socket for both families gives, with IPv4 addresses."""
    if not isinstance(source, SocketAddr) or not isinstance(destination, SocketAddr):
        return source, destination
    from_ip, to_ip = source.ip.unmapped, destination.ip.unmapped
    if from_ip == source.ip or to_ip == destination.ip:
        return source, destination
    return SocketAddr.new(from_ip, source.port), SocketAddr.new(to_ip, destination.port)


def _plain(ip: Ipv4Addr | Ipv6Addr) -> Ipv4Addr | Ipv6Addr:
    """Remove the zone, which has no meaning on another machine."""
    return Ipv6Addr(ip.packed) if isinstance(ip, Ipv6Addr) else ip


def _family(addr: SocketAddr | bytes | None) -> int:
    """Version 2's number for the family: 0 unspecified, 1 IPv4, 2 IPv6, 3 Unix."""
    if addr is None:
        return 0
    if isinstance(addr, bytes):
        return 3
    return 1 if isinstance(addr.ip, Ipv4Addr) else 2


def _path(field: bytes) -> bytes:
    """Return a path without its padding. An abstract name begins with NUL and keeps this first NUL."""
    return field[:1] + field[1:].rstrip(b"\0") if field[:1] == b"\0" else field.partition(b"\0")[0]


def _impossible(reason: str) -> ProxyError:
    return ProxyError.InvalidHeader(reason, None, "caller")
