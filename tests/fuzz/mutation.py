"""What the servers are fed: messages of their protocols with something done to them, from a seed."""

from __future__ import annotations

import ssl
import struct
from random import Random

from netkit.addr import SocketAddr
from netkit.dns import DnsRecordType, make_query
from netkit.dns.constants import Opcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import AD, CD, QR, Message, Question
from netkit.proxy import ProxyHeader

#: The largest payload of a datagram over IPv4.
MAX_DATAGRAM = 65507

_NAMES = [
    *("example.test.", "www.example.test.", "huge.example.test.", "many.example.test."),
    *(
        "x.wild.example.test.",
        "alias.example.test.",
        "sub.example.test.",
        "none.example.test.",
        ".",
        "other.test.",
    ),
    f"{'a' * 63}.{'b' * 63}.{'c' * 63}.example.test.",
]
_TYPES = [1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 43, 249, 250, 251, 252, 255, 999, 65535]
_OPTIONS = [
    EdnsOption.Nsid(b""),
    EdnsOption.Cookie(b"12345678"),
    EdnsOption.Padding(40),
    EdnsOption.Keepalive(None),
    EdnsOption.ExtendedError(3, "text"),
    EdnsOption.Unknown(65001, b"abc"),
]


def mutated(rng: Random, data: bytes, fragments: tuple[bytes, ...] = ()) -> bytes:
    """`data` with up to six things done to it; now and then none."""
    made = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(8):
            case 0 if made:
                made[at % len(made)] ^= 1 << rng.randrange(8)
            case 1 if made:
                made[at % len(made)] = rng.choice(
                    (0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF, rng.randrange(256))
                )
            case 2:
                del made[at:]
            case 3:
                del made[at : at + rng.randrange(1, 9)]
            case 4:
                made[at:at] = rng.randbytes(rng.randrange(1, 20))
            case 5:
                other = rng.randrange(len(made) + 1)
                made[at:at] = made[min(at, other) : max(at, other)] * rng.choice((1, 1, 2, 50))
            case 6 if fragments:
                made[at:at] = rng.choice(fragments)
            case 7:
                made[at : at + 2] = struct.pack(">H", rng.choice((0, 1, 2, 110, 300, 0x7FFF, 0xFFFF)))
    return bytes(made)


#: What stands in messages of the DNS: pointers, counts, questions, OPT records whole and in part.
_DNS = (
    b"\xc0\x0c",
    b"\xc0\x00",
    b"\xff\xff",
    b"\x00\x00\x01\x00\x01" * 110,
    b"\x03www\x07example\x04test\x00\x00\x01\x00\x01",
    b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00",
    b"\x00\x00\x29\xff\xff\x00\x01\x80\x00\x00\x00",
    b"\x00\x00\x29\x00\x00\x01\xff\xff\xff\xff\xff",
    b"\x00\x0a\x00\x03abc",
    b"\x3f" + b"a" * 63,
    b"\x2a" * 600,
)


def query(rng: Random) -> bytes:
    """A query, mutated."""
    edns = None
    if rng.random() < 0.6:
        options = rng.sample(_OPTIONS, rng.randrange(3))
        edns = Edns(
            rng.choice((0, 512, 1232, 65535)), rng.choice((0, 0, 0, 1, 255)), rng.random() < 0.5, 0, options
        )
    made: Message = make_query(rng.choice(_NAMES), rng.choice(_TYPES), id=rng.randrange(65536), edns=edns)
    if rng.random() < 0.3:
        made = made.replace(
            opcode=rng.choice((Opcode.IQUERY, Opcode.STATUS, 3, Opcode.NOTIFY, Opcode.UPDATE, 6, 15))
        )
    if rng.random() < 0.3:
        number = rng.choice((0, 2, 110, 300))
        made = made.replace(
            question=[Question(rng.choice((".", "www.example.test.")), DnsRecordType.A)] * number
        )
    if rng.random() < 0.1:
        made = made.replace(flags=rng.choice((QR, AD, CD, QR | CD)))
    return mutated(rng, made.to_wire(), _DNS)[:MAX_DATAGRAM]


def framed(rng: Random, wires: list[bytes]) -> bytes:
    """Messages as they go over TCP; some with a length that is not theirs."""
    return b"".join(
        [
            (len(wire) if rng.random() < 0.9 else rng.randrange(65536)).to_bytes(2, "big") + wire
            for wire in wires
        ]
    )


def datagram(rng: Random) -> bytes:
    """Anything, of every size."""
    return rng.randbytes(rng.choice((0, 1, 12, 100, 1472, 9000, MAX_DATAGRAM)))


def client_hello(rng: Random) -> bytes:
    """The first flight of a TLS client, mutated."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(rng.sample(["h2", "http/1.1", "echo"], rng.randrange(1, 4)))
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return mutated(
        rng,
        outgoing.read(),
        (b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x03\xff\xff", b"\x17\x03\x03\x00\x00"),
    )


def proxy_header(rng: Random) -> bytes:
    """A header of the PROXY protocol, of either version, mutated."""
    source, destination = SocketAddr.parse("192.0.2.1:1"), SocketAddr.parse("192.0.2.2:65535")
    header = ProxyHeader(source, destination).to_bytes(rng.choice((1, 2)))
    return mutated(rng, header, (b"\r\n", b"PROXY UNKNOWN\r\n", b"\x21\x11\xff\xff", b"\x20\x00\x00\x00"))
