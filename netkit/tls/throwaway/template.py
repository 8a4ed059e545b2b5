"""What one certificate is like, and its DER (RFC 5280 section 4.1), as right or as wrong as it is wanted.

The DER is made here and not by cryptography's builder, which refuses what is wrong on purpose.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.throwaway.kinds import Digest, KeyKind
from netkit.tls.x509.der import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    element_at,
    encode,
    encode_oid,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.throwaway.keys import Signer

DAY: Final = timedelta(days=1)

SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"

_COMMON_NAME: Final = encode_oid("2.5.4.3")
_ORGANIZATION: Final = encode_oid("2.5.4.10")
_SET: Final = 0x31
_UTF8_STRING: Final = 0x0C
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_TRUE: Final = encode(BOOLEAN, b"\xff")

#: Bits of KeyUsage (RFC 5280 section 4.2.1.3), as they stand in the first octet.
DIGITAL_SIGNATURE: Final = 0x80
KEY_CERT_SIGN: Final = 0x04
CRL_SIGN: Final = 0x02


class RawExtension(NamedTuple):
    """An extension as it stands: its identifier, whether it is critical, the octets of its value."""

    oid: str
    critical: bool
    value: bytes

    def encode(self) -> bytes:
        """Its DER."""
        critical = _TRUE if self.critical else b""
        return encode(SEQUENCE, encode_oid(self.oid) + critical + encode(OCTET_STRING, self.value))


@dataclass(frozen=True, slots=True)
class Template:
    """What a certificate is like; the defaults are those of a good certificate for a server.

    `begins` and `ends` are relative to the time at which it is made. `subject` is the DER of a Name, and
    `common_name` what stands in it otherwise. Behind `names`, each with `name_suffix`, there are invented
    ones up to `more_names`, and DNS names of any octets. `purposes` are those of the extended key usage: None
    leaves the extension out, () leaves it empty. `permitted` are DNS names of name constraints. Without
    `is_strict` the basic constraints are not critical, as RFC 5280 section 4.2.1.9 demands of an authority's.
    """

    common_name: str = ""
    subject: bytes | None = None
    names: tuple[str, ...] = ()
    name_suffix: str = ""
    more_names: int = 0
    extra_names: tuple[bytes, ...] = ()
    has_names: bool = True
    begins: timedelta = -DAY
    ends: timedelta = 30 * DAY
    key: KeyKind = KeyKind.P256
    digest: Digest = Digest.Sha256
    is_ca: bool = False
    is_strict: bool = True
    path_length: int | None = None
    purposes: tuple[str, ...] | None = (SERVER_AUTH,)
    usage: int | None = DIGITAL_SIGNATURE
    serial: int | None = None
    must_staple: bool = False
    permitted: tuple[str, ...] = ()
    has_key_ids: bool = True
    extra: tuple[RawExtension, ...] = ()

    @property
    def subject_der(self) -> bytes:
        """The DER of the subject."""
        return name_der(self.common_name) if self.subject is None else self.subject


#: A certificate of an authority.
AUTHORITY: Final = Template(is_ca=True, purposes=None, usage=DIGITAL_SIGNATURE | KEY_CERT_SIGN | CRL_SIGN)


class Issuer(NamedTuple):
    """Who signs: the DER of its name, its key, and the public key that it is said to have."""

    name: bytes
    signer: Signer
    said: bytes

    @classmethod
    def honest(cls, name: bytes, signer: Signer) -> Issuer:
        """One that signs with the key that it is said to have."""
        return cls(name, signer, signer.spki)


def certificate_der(template: Template, spki: bytes, issuer: Issuer, serial: int, now: datetime) -> bytes:
    """The DER of a certificate for the public key `spki`. Raises ValueError where none can be made."""
    algorithm = issuer.signer.algorithm(template.digest)
    extensions = b"".join(each.encode() for each in _extensions(template, spki, issuer.said))
    tbs = encode(
        SEQUENCE,
        b"\xa0\x03\x02\x01\x02"
        + integer(serial if template.serial is None else template.serial)
        + algorithm
        + issuer.name
        + encode(SEQUENCE, time_der(now + template.begins) + time_der(now + template.ends))
        + template.subject_der
        + spki
        + (encode(0xA3, encode(SEQUENCE, extensions)) if extensions else b""),
    )
    signature = issuer.signer.sign(tbs, template.digest)
    return encode(SEQUENCE, tbs + algorithm + encode(BIT_STRING, b"\x00" + signature))


def name_der(common_name: str, organization: str | None = None) -> bytes:
    """The DER of a Name; characters that are no UTF-8 become its octets (surrogateescape)."""
    parts = [(_ORGANIZATION, organization), (_COMMON_NAME, common_name)]
    return encode(
        SEQUENCE,
        b"".join(
            encode(
                _SET,
                encode(SEQUENCE, oid + encode(_UTF8_STRING, value.encode("utf-8", "surrogateescape"))),
            )
            for oid, value in parts
            if value
        ),
    )


def time_der(moment: datetime) -> bytes:
    """A Time: UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5)."""
    if 1950 <= moment.year < 2050:
        return encode(_UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(moment)


def generalized_time(moment: datetime) -> bytes:
    """A GeneralizedTime in DER, in whole seconds of UTC."""
    return encode(_GENERALIZED_TIME, f"{moment.year:04d}{moment:%m%d%H%M%SZ}".encode())


def key_identifier(spki: bytes) -> bytes:
    """The SHA-1 of the public key's bits (RFC 5280 section 4.2.1.2): a name for it, not a signature."""
    outer = element_at(spki, 0, len(spki), SEQUENCE)
    algorithm = element_at(spki, outer.content, outer.end, SEQUENCE)
    bits = element_at(spki, algorithm.end, outer.end, BIT_STRING)
    return hashlib.sha1(spki[bits.content + 1 : bits.end], usedforsecurity=False).digest()


def general_name(text: str) -> bytes:
    """A GeneralName in DER: an address, or a DNS name whatever it consists of."""
    try:
        return encode(0x87, ip_address(text).packed)
    except ValueError:
        return encode(0x82, text.encode("utf-8", "surrogateescape"))


def _extensions(template: Template, spki: bytes, issuer_spki: bytes) -> list[RawExtension]:
    found = []
    if template.has_names and template.names:
        names = b"".join(_general_names(template))
        # Critical where the subject is empty (RFC 5280 section 4.2.1.6).
        found.append(RawExtension("2.5.29.17", template.subject_der == b"\x30\x00", encode(SEQUENCE, names)))
    constraints = _TRUE if template.is_ca else b""
    if template.path_length is not None:
        constraints += integer(template.path_length)
    found.append(RawExtension("2.5.29.19", template.is_strict, encode(SEQUENCE, constraints)))
    if template.usage is not None:
        unused = (template.usage & -template.usage).bit_length() - 1
        bits = encode(BIT_STRING, bytes((unused, template.usage)))
        found.append(RawExtension("2.5.29.15", True, bits))
    if template.purposes is not None:
        purposes = b"".join(map(encode_oid, template.purposes))
        found.append(RawExtension("2.5.29.37", False, encode(SEQUENCE, purposes)))
    if template.has_key_ids:
        own = encode(OCTET_STRING, key_identifier(spki))
        found.append(RawExtension("2.5.29.14", False, own))
        theirs = encode(SEQUENCE, encode(0x80, key_identifier(issuer_spki)))
        found.append(RawExtension("2.5.29.35", False, theirs))
    if template.permitted:
        trees = b"".join(encode(SEQUENCE, encode(0x82, name.encode())) for name in template.permitted)
        found.append(RawExtension("2.5.29.30", True, encode(SEQUENCE, encode(0xA0, trees))))
    if template.must_staple:
        # status_request, the extension of TLS that must be in the handshake (RFC 7633 section 4.1).
        found.append(RawExtension("1.3.6.1.5.5.7.1.24", False, encode(SEQUENCE, integer(5))))
    return [*found, *template.extra]


def _general_names(template: Template) -> Iterator[bytes]:
    for name in template.names:
        yield general_name(name + template.name_suffix)
    for number in range(len(template.names), template.more_names):
        yield general_name(f"name-{number}.invalid")
    for octets in template.extra_names:
        yield encode(0x82, octets)


def integer(value: int) -> bytes:
    """An INTEGER in DER."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
