"""What an authority says of a certificate after it was issued: an OCSP response, and a revocation list.

RFC 6960 section 4.2 (OCSP), RFC 5280 section 5.1 (lists).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from netkit.tls.throwaway.kinds import Staple
from netkit.tls.throwaway.template import (
    DAY,
    RawExtension,
    generalized_time,
    integer,
    key_identifier,
    time_der,
)
from netkit.tls.x509.der import BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, element_at, encode, encode_oid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from netkit.tls.throwaway.template import Issuer

_SHA1: Final = encode(SEQUENCE, encode_oid("1.3.14.3.2.26") + b"\x05\x00")
_OCSP_BASIC: Final = encode_oid("1.3.6.1.5.5.7.48.1.1")
_ENUMERATED: Final = 0x0A
_SUCCESSFUL: Final = encode(_ENUMERATED, b"\x00")


def ocsp_response(serial: bytes, issuer: Issuer, certificate: bytes, says: Staple, now: datetime) -> bytes:
    """The DER of a response about the certificate with that serial number (an INTEGER in DER).

    `certificate` is the issuer's own, which is in the response: a root is not sent otherwise.
    """
    hours = DAY / 24
    begins, ends = now - hours, now + 7 * DAY
    if says is Staple.Expired:
        begins, ends = now - 8 * DAY, now - DAY
    status = b"\x80\x00"
    if says is Staple.Revoked:
        status = encode(0xA1, generalized_time(now - hours))
    about = (
        _SHA1
        + encode(OCTET_STRING, hashlib.sha1(issuer.name, usedforsecurity=False).digest())
        + encode(OCTET_STRING, key_identifier(issuer.said))
        + serial
    )
    single = (
        encode(SEQUENCE, about) + status + generalized_time(begins) + encode(0xA0, generalized_time(ends))
    )
    data = encode(
        SEQUENCE,
        encode(0xA2, encode(OCTET_STRING, key_identifier(issuer.said)))
        + generalized_time(begins)
        + encode(SEQUENCE, encode(SEQUENCE, single)),
    )
    basic = _signed(data, issuer, encode(0xA0, encode(SEQUENCE, certificate)))
    return encode(
        SEQUENCE, _SUCCESSFUL + encode(0xA0, encode(SEQUENCE, _OCSP_BASIC + encode(OCTET_STRING, basic)))
    )


def revocation_list(serials: Iterable[bytes], issuer: Issuer, now: datetime) -> bytes:
    """The DER of the list of `issuer` with these serial numbers (INTEGERs in DER), valid for a week."""
    entries = b"".join(encode(SEQUENCE, serial + time_der(now - DAY)) for serial in serials)
    extensions = [
        RawExtension("2.5.29.35", False, encode(SEQUENCE, encode(0x80, key_identifier(issuer.said)))),
        RawExtension("2.5.29.20", False, integer(int(now.timestamp()))),
    ]
    data = encode(
        SEQUENCE,
        encode(INTEGER, b"\x01")
        + issuer.signer.algorithm()
        + issuer.name
        + time_der(now - DAY)
        + time_der(now + 7 * DAY)
        + (encode(SEQUENCE, entries) if entries else b"")
        + encode(0xA0, encode(SEQUENCE, b"".join(each.encode() for each in extensions))),
    )
    return _signed(data, issuer)


def serial_of(certificate: bytes) -> bytes:
    """The serial number of a certificate, as it stands in it (an INTEGER in DER)."""
    outer = element_at(certificate, 0, len(certificate), SEQUENCE)
    tbs = element_at(certificate, outer.content, outer.end, SEQUENCE)
    version = element_at(certificate, tbs.content, tbs.end)
    serial = element_at(certificate, version.end, tbs.end, INTEGER)
    return certificate[serial.start : serial.end]


def _signed(data: bytes, issuer: Issuer, more: bytes = b"") -> bytes:
    signature = encode(BIT_STRING, b"\x00" + issuer.signer.sign(data))
    return encode(SEQUENCE, data + issuer.signer.algorithm() + signature + more)
