"""Server cookies: what shows that a client has had a response at its address before (RFC 7873, RFC 9018).

A cookie is a time and a keyed hash of the client's cookie, that time and the client's address. Servers with
the same secret accept each other's: this is the format of named, knotd and nsd.
"""

from __future__ import annotations

from hmac import compare_digest
from struct import Struct
from typing import TYPE_CHECKING

from netkit.dns.edns import EdnsOption

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

#: Octets of a secret: the key of SipHash-2-4.
SECRET_SIZE = 16
#: RFC 9018 section 4.3: seconds that a cookie is good for, and how far in the future it may be.
MAX_AGE, MAX_AHEAD = 3600, 300
#: RFC 9018 section 4.3: from this age on, the client gets a new one.
RENEWED_AFTER = 1800
#: RFC 9018 section 4: the version, three octets without meaning, and the time.
_HEAD = Struct("!B3xI")
_VERSION = 1
_SIZE = 16

_MASK = (1 << 64) - 1
# "somepseudorandomlygeneratedbytes", with which SipHash begins.
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


class ServerCookies:
    """The cookies of servers that share `secret`, SECRET_SIZE octets."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_SIZE:
            raise ValueError(f"a secret has {SECRET_SIZE} octets, not {len(secret)}")
        self._secret = secret

    def make(self, client: bytes, address: IPv4Address | IPv6Address, now: float) -> bytes:
        """The server's part of a cookie for a client with that part; `now` is in seconds since 1970."""
        return self._of(client, address, int(now) & 0xFFFFFFFF)

    def answer(
        self, asked: EdnsOption.Cookie, address: IPv4Address | IPv6Address, now: float
    ) -> tuple[EdnsOption.Cookie, bool]:
        """The option for the response to a query with a cookie, and whether the client had it from here.

        The server's part is the same again, as long as it is young enough.
        """
        age = self._age(asked.client, asked.server, address, now)
        if age is not None and age < RENEWED_AFTER:
            return asked, True
        return EdnsOption.Cookie(asked.client, self.make(asked.client, address, now)), age is not None

    def _age(
        self, client: bytes, server: bytes, address: IPv4Address | IPv6Address, now: float
    ) -> int | None:
        """How many seconds old the server's part is; None for one that is not accepted."""
        if len(server) != _SIZE or server[0] != _VERSION:
            return None
        made = _HEAD.unpack_from(server)[1]
        # RFC 1982: times are numbers in a circle.
        age = (int(now) - made + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if not -MAX_AHEAD <= age <= MAX_AGE:
            return None
        return age if compare_digest(self._of(client, address, made, server[1:4]), server) else None

    def _of(
        self, client: bytes, address: IPv4Address | IPv6Address, time: int, reserved: bytes = bytes(3)
    ) -> bytes:
        head = bytes((_VERSION,)) + reserved + time.to_bytes(4, "big")
        return head + siphash(self._secret, client + head + address.packed)


def siphash(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4 of octets with a key of sixteen: eight octets."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    state = [half ^ start for half, start in zip((k0, k1, k0, k1), _START, strict=True)]
    last = len(data) - len(data) % 8
    words = [data[at : at + 8] for at in range(0, last, 8)]
    words.append(data[last:].ljust(7, b"\0") + bytes((len(data) & 0xFF,)))
    for octets in words:
        word = int.from_bytes(octets, "little")
        state[3] ^= word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _rounds(state, 4)
    return (state[0] ^ state[1] ^ state[2] ^ state[3]).to_bytes(8, "little")


def _rounds(state: list[int], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a = a + b & _MASK
        b = (b << 13 | b >> 51) & _MASK ^ a
        a = (a << 32 | a >> 32) & _MASK
        c = c + d & _MASK
        d = (d << 16 | d >> 48) & _MASK ^ c
        a = a + d & _MASK
        d = (d << 21 | d >> 43) & _MASK ^ a
        c = c + b & _MASK
        b = (b << 17 | b >> 47) & _MASK ^ c
        c = (c << 32 | c >> 32) & _MASK
    state[:] = a, b, c, d
