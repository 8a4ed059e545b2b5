"""WebSocket masking (RFC 6455 section 5.3): a payload combined by exclusive or with a repeated key.

The same operation masks and unmasks. A payload that is handled in pieces passes, with each, the number of
octets that went before it.

Python has no operation on bytes that does this, so that two detours are taken. A short payload becomes one
large integer and back, which has the least overhead. In a long one, where turning bytes into the digits of
an integer costs more than anything else, each of the four lanes of octets that meet the same octet of the
key is translated through a table.
"""

from __future__ import annotations

from operator import index
from typing import TypeAlias

from netkit import _twins

Octets: TypeAlias = "bytes | bytearray | memoryview"

#: Payloads up to this many octets are masked as one integer; measured, the lanes win above it.
_INTEGER_LIMIT = 2048

_EVERY_OCTET = int.from_bytes(range(256), "little")
_ONE_IN_EVERY_OCTET = int.from_bytes(b"\x01" * 256, "little")


def _apply_mask(data: Octets, key: Octets, offset: int = 0) -> bytes:
    """Mask or unmask a payload, or a piece of one (RFC 6455 section 5.3).

    >>> apply_mask(b"Hello", bytes.fromhex("37fa213d")).hex()
    '7f9f4d5158'

    Args:
        data: the octets, in any contiguous buffer.
        key: the masking key, 4 bytes.
        offset: how many octets of the payload precede data.

    Returns:
        The masked octets, as many as were given.

    Raises:
        ValueError: the key is not 4 bytes long, or offset is negative.
        TypeError: data or key is no bytes-like object, data is not contiguous, or offset no integer.
    """
    key = _turned(key, offset)
    octets = data if isinstance(data, bytes) else memoryview(data).cast("B")
    length = len(octets)
    if length > _INTEGER_LIMIT:
        return bytes(_masked_by_lane(octets, key))
    keys = (key * (length // 4 + 1))[:length]
    masked = int.from_bytes(octets, "little") ^ int.from_bytes(keys, "little")
    return masked.to_bytes(length, "little")


def _apply_mask_in_place(buffer: bytearray | memoryview, key: Octets, offset: int = 0) -> None:
    """Mask or unmask a payload where it lies, or a piece of one (RFC 6455 section 5.3).

    Args:
        buffer: the octets, in any contiguous and writable buffer.
        key: the masking key, 4 bytes.
        offset: how many octets of the payload precede the buffer.

    Raises:
        ValueError: the key is not 4 bytes long, or offset is negative.
        TypeError: buffer is not writable or not contiguous, or an argument is of the wrong type.
    """
    key = _turned(key, offset)
    octets = memoryview(buffer).cast("B")
    if octets.readonly:
        raise TypeError("cannot modify read-only memory")
    octets[:] = _masked_by_lane(octets, key)


def _turned(key: Octets, offset: int) -> bytes:
    """The key as it meets a piece of a payload that has offset octets before it."""
    key = key if isinstance(key, bytes) else memoryview(key).tobytes()
    if len(key) != 4:
        raise ValueError(f"a masking key is 4 bytes, not {len(key)}")
    offset = index(offset)
    if offset < 0:
        raise ValueError("offset must not be negative")
    offset %= 4
    return key[offset:] + key[:offset]


def _masked_by_lane(octets: bytes | memoryview, key: bytes) -> bytearray:
    """The octets masked, those that meet the same octet of the key together."""
    masked = bytearray(octets)
    for lane, octet in enumerate(key):
        table = (_EVERY_OCTET ^ _ONE_IN_EVERY_OCTET * octet).to_bytes(256, "little")
        masked[lane::4] = masked[lane::4].translate(table)
    return masked


apply_mask = _twins.choose("apply_mask", _apply_mask)
apply_mask_in_place = _twins.choose("apply_mask_in_place", _apply_mask_in_place)
