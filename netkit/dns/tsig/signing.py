"""Signing one message with TSIG, and verifying it (RFC 8945 sections 4.2, 4.3 and 5).

A message is signed on its octets, and verified on the octets that came: to encode it again could change
them. The signature covers the message without its TSIG record and with the ID that it was signed with, so
that a forwarder, or a socket where that ID is taken, may send it with another one. The names of key and
algorithm are signed in lower case. The MAC of the query is signed with the answer, so that an answer to
another query is not one to this.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import MAX_MESSAGE, WireReader
from netkit.dns.records import DnsRecord
from netkit.dns.tsig.errors import TsigError
from netkit.dns.tsig.keys import LEAST_MAC, TsigKey, find_key
from netkit.dns.value import checked_int

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.records.tsig import TSIG

#: How many seconds the clocks of both sides may differ (RFC 8945 section 10 recommends 300).
DEFAULT_FUDGE = 300

_HEADER_SIZE = 12
# The octets of the server's time, in the other data of BADTIME.
_TIME_SIZE = 6
_ANY_AND_NO_TTL = int(DnsClass.ANY).to_bytes(2, "big") + bytes(4)


class Signed(NamedTuple):
    """A signed message: its octets, and its MAC, which is signed with the answer."""

    wire: bytes
    mac: bytes


class Verified(NamedTuple):
    """A message whose signature is right.

    `key` signed it, `mac` is its MAC, `time_signed` when it was signed in seconds since 1970. `message` are
    its octets without the TSIG record, with the ID that it was signed with.
    """

    key: TsigKey
    mac: bytes
    time_signed: int
    message: bytes


class Envelope(NamedTuple):
    """A message that was taken apart: its TSIG record, and its octets without that."""

    record: TSIG
    message: bytes


def sign(
    wire: bytes,
    key: TsigKey,
    time: float,
    request_mac: bytes = b"",
    *,
    fudge: int = DEFAULT_FUDGE,
    error: int = 0,
    other: bytes = b"",
) -> Signed:
    """Sign a message.

    `time` is in seconds since 1970. `request_mac` is the MAC of the query that this is the answer to. `fudge`
    is how many seconds the clocks may differ. `error` and `other` say why a query was refused.

    Raises DnsError.InvalidValue if the message has no room for the signature.
    """
    signed_at = checked_int("time", int(time), 0xFFFFFFFFFFFF)
    checked_int("fudge", fudge, 0xFFFF)
    variables = _variables(key, signed_at, fudge, error, other)
    mac = key.digest((_with_length(request_mac), wire, variables))[: key.mac_size]
    return Signed(append(wire, key, signed_at, fudge, mac, error, other), mac)


def verify(wire: bytes, keys: TsigKey | Iterable[TsigKey], now: float, request_mac: bytes = b"") -> Verified:
    """Verify the signature of a message that was received.

    `keys` are those that may have signed it. `now` is the time in seconds since 1970. `request_mac` is the
    MAC of the query; with it, the message is an answer, and one in which the server refuses the query's
    signature raises TsigError.Rejected.

    Raises TsigError, and DnsError.InvalidResponse for a malformed message.
    """
    keys = (keys,) if isinstance(keys, TsigKey) else tuple(keys)
    envelope = open_envelope(wire)
    if envelope is None:
        raise TsigError.Unsigned(", ".join(str(key.name) for key in keys))
    record, message = envelope
    if request_mac and not record.mac:
        refuse_unsigned(record, message)
    key = known_key(record, keys)
    variables = _variables(key, record.time_signed, record.fudge, record.error, record.other)
    check_mac(record, key, (_with_length(request_mac), message, variables))
    if request_mac and record.error:
        raise _rejected(record, is_verified=True)
    check_time(record, key, now)
    check_size(record, key)
    return Verified(key, record.mac, record.time_signed, message)


# -- the steps, of which `transfer` makes use too


def open_envelope(wire: bytes) -> Envelope | None:
    """Take a message apart; None if it has no TSIG record.

    Raises DnsError.InvalidResponse if the message is malformed, or its TSIG record is not the last one, not
    of class ANY, or has a TTL (RFC 8945 sections 4.2 and 5.2).
    """
    reader = WireReader(wire)
    _, _, qdcount, *counts = reader.header_fields()
    for _ in range(qdcount):
        reader.name("name")
        reader.take(4, "type")
    record: TSIG | None = None
    start = 0
    left = sum(counts)
    while left:
        left -= 1
        start = reader.offset
        name = reader.name("name")
        fields = reader.offset
        rdtype, rdclass, ttl, rdlength = reader.record_fields()
        if rdtype != DnsRecordType.TSIG:
            reader.take(rdlength, "rdata")
            continue
        if left or not counts[2]:
            reader.fail("type", "TSIG is not the last record", fields)
        if rdclass != DnsClass.ANY or ttl:
            reader.fail("type", "TSIG must have class ANY and no TTL", fields)
        with reader.restrict_to(rdlength, "rdata"):
            record = DnsRecord.TSIG.from_wire(name, 0, DnsClass.ANY, reader)
    if reader.remaining:
        reader.fail("message", f"{reader.remaining} octets after the last record")
    if record is None:
        return None
    additional = (counts[2] - 1).to_bytes(2, "big")
    original = record.original_id.to_bytes(2, "big")
    return Envelope(record, b"".join((original, wire[2:10], additional, wire[_HEADER_SIZE:start])))


def known_key(record: TSIG, keys: Iterable[TsigKey]) -> TsigKey:
    """The key that a record names. Raises TsigError.UnknownKey."""
    key = find_key(keys, record.name, record.algorithm)
    if key is None:
        raise TsigError.UnknownKey(str(record.name), str(record.algorithm))
    return key


def check_mac(record: TSIG, key: TsigKey, parts: Iterable[bytes]) -> None:
    """Compare the MAC with that of the octets, in constant time, as far as it is cut.

    Raises TsigError.BadSignature; DnsError.InvalidResponse for a length that RFC 8945 section 5.2.2.1 does
    not allow.
    """
    size, full = len(record.mac), key.full_size
    if size > full:
        raise DnsError.InvalidResponse("tsig.mac", 0, f"{size} octets, where {full} are all", full)
    if size < max(LEAST_MAC, (full + 1) // 2):
        # Also the unsigned error of a server; and BADSIG is what a query without a MAC is.
        if not size:
            raise TsigError.BadSignature(str(key.name))
        least = max(LEAST_MAC, (full + 1) // 2)
        raise DnsError.InvalidResponse("tsig.mac", 0, f"{size} octets, where {least} are the least", least)
    if not compare_digest(key.digest(parts)[:size], record.mac):
        raise TsigError.BadSignature(str(key.name))


def check_time(record: TSIG, key: TsigKey, now: float) -> None:
    """Raise TsigError.BadTime if the message is not of this time (RFC 8945 section 5.2.3)."""
    if abs(record.time_signed - int(now)) > record.fudge:
        raise TsigError.BadTime(str(key.name), record.time_signed, int(now), record.fudge)


def check_size(record: TSIG, key: TsigKey) -> None:
    """Raise TsigError.ShortMac if the MAC is cut more than the key allows (RFC 8945 section 5.2.4)."""
    if len(record.mac) < key.mac_size:
        raise TsigError.ShortMac(str(key.name), len(record.mac), key.mac_size)


def refuse_unsigned(record: TSIG, message: bytes) -> None:
    """Raise TsigError.Rejected for an answer that says that the signature of the query was not accepted.

    It has no signature: RFC 8945 sections 5.3.2 and 5.4. BADTIME should have one, and nsd's has none.
    """
    if message[3] & 0xF == Rcode.NOTAUTH and record.error:
        raise _rejected(record, is_verified=False)


def _rejected(record: TSIG, *, is_verified: bool) -> TsigError.Rejected:
    server_time = int.from_bytes(record.other, "big") if len(record.other) == _TIME_SIZE else None
    signed_at = None if server_time is None else record.time_signed
    return TsigError.Rejected(str(record.name), record.error, is_verified, signed_at, server_time)


def append(
    wire: bytes, key: TsigKey, signed_at: int, fudge: int, mac: bytes, error: int = 0, other: bytes = b""
) -> bytes:
    """The message with a TSIG record at its end.

    Raises DnsError.InvalidValue if there is no room for it.
    """
    name, algorithm = key.name.to_wire(), key.algorithm_name.to_wire()
    return append_record(wire, name, algorithm, signed_at, fudge, mac, error, other)


def append_record(
    wire: bytes,
    name: bytes,
    algorithm: bytes,
    signed_at: int,
    fudge: int,
    mac: bytes,
    error: int,
    other: bytes,
) -> bytes:
    """The same, with the wire forms of the names of key and algorithm."""
    rdata = b"".join(
        (
            algorithm,
            signed_at.to_bytes(6, "big"),
            fudge.to_bytes(2, "big"),
            _with_length(mac, always=True),
            wire[:2],
            error.to_bytes(2, "big"),
            _with_length(other, always=True),
        )
    )
    count = int.from_bytes(wire[10:12], "big") + 1
    made = b"".join(
        (
            wire[:10],
            checked_int("additional", count, 0xFFFF).to_bytes(2, "big"),
            wire[_HEADER_SIZE:],
            name,
            int(DnsRecordType.TSIG).to_bytes(2, "big"),
            _ANY_AND_NO_TTL,
            _with_length(rdata, always=True),
        )
    )
    if len(made) > MAX_MESSAGE:
        raise DnsError.InvalidValue(
            "message", len(made), f"octets with the signature, more than {MAX_MESSAGE}", limit=MAX_MESSAGE
        )
    return made


def timers(signed_at: int, fudge: int) -> bytes:
    """What is signed of a TSIG record in the later messages of an answer (RFC 8945 section 5.3.1)."""
    return signed_at.to_bytes(6, "big") + fudge.to_bytes(2, "big")


def _variables(key: TsigKey, signed_at: int, fudge: int, error: int, other: bytes) -> bytes:
    """What is signed of a TSIG record (RFC 8945 section 4.3.3)."""
    return b"".join(
        (
            key.name.to_wire().lower(),
            _ANY_AND_NO_TTL,
            key.algorithm_name.to_wire().lower(),
            timers(signed_at, fudge),
            error.to_bytes(2, "big"),
            _with_length(other, always=True),
        )
    )


def with_length(octets: bytes) -> bytes:
    """Octets behind their number; nothing for none."""
    return _with_length(octets)


def _with_length(octets: bytes, *, always: bool = False) -> bytes:
    return len(octets).to_bytes(2, "big") + octets if octets or always else b""
