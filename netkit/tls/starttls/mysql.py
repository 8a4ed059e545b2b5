"""MySQL and MariaDB: the server's handshake packet, and the SSLRequest that answers it.

MySQL's documentation of the client/server protocol: Protocol::Packet, Protocol::HandshakeV10,
Protocol::SSLRequest, ERR_Packet. There is no go-ahead: TLS begins right after the client's SSLRequest, if the
handshake packet has CLIENT_SSL among its capabilities.
"""

from __future__ import annotations

from typing import Final

from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.wire import TOTAL_LIMIT, Caller, StartTlsReport, Talk, Wire, shown

#: The version of the protocol, and what stands in its place in a packet with an error.
_VERSION: Final = 10
_ERROR: Final = 0xFF

#: The capability flags, from the lowest bit.
FLAGS: Final = (
    *("LONG_PASSWORD", "FOUND_ROWS", "LONG_FLAG", "CONNECT_WITH_DB", "NO_SCHEMA", "COMPRESS", "ODBC"),
    *("LOCAL_FILES", "IGNORE_SPACE", "PROTOCOL_41", "INTERACTIVE", "SSL", "IGNORE_SIGPIPE", "TRANSACTIONS"),
    *("RESERVED", "SECURE_CONNECTION", "MULTI_STATEMENTS", "MULTI_RESULTS", "PS_MULTI_RESULTS"),
    *("PLUGIN_AUTH", "CONNECT_ATTRS", "PLUGIN_AUTH_LENENC_CLIENT_DATA", "CAN_HANDLE_EXPIRED_PASSWORDS"),
    *("SESSION_TRACK", "DEPRECATE_EOF", "OPTIONAL_RESULTSET_METADATA", "ZSTD_COMPRESSION"),
    *("QUERY_ATTRIBUTES", "MULTI_FACTOR_AUTHENTICATION", "CAPABILITY_EXTENSION"),
)
_SSL: Final = 1 << FLAGS.index("SSL")

#: What the client says that it can do; it asks for no more than the server has.
_WANTED: Final = sum(
    1 << FLAGS.index(name)
    for name in ("LONG_PASSWORD", "PROTOCOL_41", "SSL", "TRANSACTIONS", "SECURE_CONNECTION", "PLUGIN_AUTH")
)

#: The largest packet that the client takes, and utf8mb4_general_ci as its character set.
_LARGEST_PACKET: Final = 1 << 24
_UTF8MB4: Final = 45

_WHAT: Final = "its handshake packet"


def mysql(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """The server's handshake packet, SSLRequest."""
    # A packet: its length in three bytes, the lowest first, its number, which begins with 0, its content.
    beginning = bytes((yield from wire.fill(5, _WHAT))[:5])
    length = int.from_bytes(beginning[:3], "little")
    kind = beginning[4]
    if beginning[3] or not 1 <= length <= TOTAL_LIMIT or kind not in (_VERSION, _ERROR):
        raise wire.unexpected("not the packet that the server begins with", beginning)
    wire.take(4)
    packet = yield from wire.exactly(length, _WHAT)
    if kind == _ERROR:
        raise _refusal(packet)
    version, _, rest = packet[1:].partition(b"\0")
    # After the version: the thread's number (4), random bytes (8), a zero, the lower half of the flags (2),
    # the character set (1), the status (2), the upper half of the flags (2).
    if len(rest) < 15:
        raise wire.unexpected("a handshake packet without its capabilities", packet)
    flags = int.from_bytes(rest[13:15] + rest[18:20], "little")
    capabilities = tuple(name for bit, name in enumerate(FLAGS) if flags >> bit & 1)
    if not flags & _SSL:
        raise StartTlsError.NotOffered(wire.title, capabilities)
    wire.say(_ssl_request(flags))
    return wire.report(shown(version), capabilities)


def _ssl_request(flags: int) -> bytes:
    """The packet with the number 1: the flags (4), the largest packet (4), the character set, 23 zeros."""
    content = (
        (flags & _WANTED).to_bytes(4, "little")
        + _LARGEST_PACKET.to_bytes(4, "little")
        + bytes([_UTF8MB4])
        + bytes(23)
    )
    return len(content).to_bytes(3, "little") + b"\x01" + content


def _refusal(packet: bytes) -> StartTlsError:
    """ERR_Packet: the code (2), and the words; before them, perhaps, a # and five characters of a state."""
    words = packet[3:]
    if words.startswith(b"#"):
        words = words[6:]
    return StartTlsError.Declined("", str(int.from_bytes(packet[1:3], "little")), shown(words))
