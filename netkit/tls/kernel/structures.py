"""What Linux is told so that it encrypts a TCP connection (kTLS), and what its records say: codecs only.

The structures are those of `linux/tls.h`, with the two first numbers in the machine's order; see
Documentation/networking/tls.rst of the kernel. RFC 8446 and RFC 5246 are behind what records say.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.alerts import CLOSE_NOTIFY
from netkit.tls.errors import TlsError
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from netkit.tls.backend import KernelSecret

#: `linux/socket.h`, `linux/tcp.h` and `linux/tls.h`.
SOL_TLS: Final = 282
TCP_ULP: Final = 31
TLS_TX: Final = 1
TLS_RX: Final = 2
TLS_SET_RECORD_TYPE: Final = 1
TLS_GET_RECORD_TYPE: Final = 2

#: Types of records (RFC 8446 section 5.1).
ALERT: Final = 21
HANDSHAKE: Final = 22
APPLICATION_DATA: Final = 23

_HELLO_REQUEST: Final = 0
_NEW_SESSION_TICKET: Final = 4
_KEY_UPDATE: Final = 24
_WARNING: Final = 1
_USER_CANCELED: Final = 90

#: The record that ends the sending side: a close_notify of the level warning.
CLOSE_NOTIFY_ALERT: Final = bytes((_WARNING, CLOSE_NOTIFY))

#: The bit by which the explicit nonces of the kernel differ from those of before; see `crypto_info`.
_ASIDE: Final = 0x80


class _Cipher(NamedTuple):
    """A cipher of the kernel: its number, and how the twelve octets of the nonce are divided."""

    number: int
    key: int
    salt: int


_CIPHERS: Final = {
    "AES-128-GCM": _Cipher(51, 16, 4),
    "AES-256-GCM": _Cipher(52, 32, 4),
    "CHACHA20-POLY1305": _Cipher(54, 32, 0),
}


def cipher_of(suite: str) -> str | None:
    """The kernel's cipher for a suite by OpenSSL's name, as `KernelSecret` names it; None if it has none."""
    plain = suite.replace("_", "").replace("-", "")
    for name in _CIPHERS:
        if name.replace("-", "") in plain:
            return name
    return None


def crypto_info(version: TlsVersion, secret: KernelSecret, *, transmit: bool) -> bytes:
    """`struct tls12_crypto_info_*` for one direction: version, cipher, iv, key, salt, number of the record.

    AES-GCM in TLS 1.2 sends a part of each nonce with its record (RFC 5288 section 3), and leaves to the
    sender how it is made. rustls adds the number of the record to what it began with; the kernel counts up
    from what it is given, and so would use the nonces of the records before it once more: that would give
    the key away. So the kernel begins with the highest bit turned over, 2^63 nonces further.

    Raises `TlsError.CapabilityError` for a cipher that the kernel has no structure for.
    """
    cipher = _CIPHERS.get(secret.suite)
    if cipher is None or version not in (TlsVersion.Tls12, TlsVersion.Tls13):
        raise TlsError.CapabilityError("enable_ktls", f"Linux has no {secret.suite} for {version}")
    if len(secret.key) != cipher.key or len(secret.iv) != 12:
        raise ValueError(f"{secret.suite} has no key of {len(secret.key)} and iv of {len(secret.iv)} octets")
    salt, iv = secret.iv[: cipher.salt], secret.iv[cipher.salt :]
    if transmit and cipher.salt and version is TlsVersion.Tls12:
        iv = bytes((iv[0] ^ _ASIDE,)) + iv[1:]
    head = struct.pack("=HH", version, cipher.number)
    return head + iv + secret.key + salt + secret.sequence.to_bytes(8, "big")


def is_the_end(kind: int, data: bytes, version: TlsVersion) -> bool:
    """Whether a record that is no data is the peer's close_notify. False for one that changes nothing.

    Raises TlsError for what ends the connection: a fatal alert (RFC 8446 section 6), or a message that only
    who has the secrets could follow.
    """
    if kind == ALERT and len(data) == 2:
        level, code = data
        if code == CLOSE_NOTIFY:
            return True
        if code == _USER_CANCELED or (level == _WARNING and version is TlsVersion.Tls12):
            return False
        raise TlsError.AlertReceived(code)
    if kind == HANDSHAKE:
        for message in _messages(data):
            _check_message(message, version)
        return False
    words = f"the kernel has received a record of the type {kind}"
    raise TlsError.HandshakeFailed(words, code="UnexpectedRecord")


def _messages(data: bytes) -> list[int]:
    """The types of the handshake messages in a record; -1 for one that goes on in the next."""
    found, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        found.append(data[at] if end <= len(data) and at + 4 <= len(data) else -1)
        at = end
    return found


def _check_message(message: int, version: TlsVersion) -> None:
    """Pass over a ticket of TLS 1.3, and a wish of TLS 1.2 to begin anew (RFC 5246 section 7.4.1.1)."""
    ignored = _NEW_SESSION_TICKET if version is TlsVersion.Tls13 else _HELLO_REQUEST
    if message == ignored:
        return
    if message == _KEY_UPDATE and version is TlsVersion.Tls13:
        words = "the peer has changed its keys, and the secrets to follow it went to the kernel"
        raise TlsError.HandshakeFailed(words, code="KeyUpdate")
    words = "the kernel has received a message of a handshake, and there is nobody to answer it"
    raise TlsError.HandshakeFailed(words, code="UnexpectedMessage")
