"""The extensions of a certificate, one at a time.

RFC 5280 section 4.2. The cryptography package reads all extensions or none: one extension that it rejects
hides the others. If that happens, this module reads each extension alone, in a copy of the certificate that
has only this extension. This module reads subject alternative names itself, because one malformed address
must not hide the names, and because hostname verification needs only their bytes.
"""

from __future__ import annotations

import ipaddress
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from netkit.tls.errors import TlsError
from netkit.tls.x509.der import (
    SEQUENCE,
    CertificateParts,
    DerError,
    ExtensionParts,
    element_at,
    elements,
    oid_text,
    with_only,
)
from netkit.tls.x509.unreadable import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

IpText: TypeAlias = str


@contextmanager
def quiet() -> Iterator[None]:
    """Hide cryptography's warnings about unusual certificates from the user's screen.

    The warnings are for people who make certificates. A certificate's `problems` and the findings of its
    verification report the same faults.
    """
    with warnings.catch_warnings():
        # Names of unusual length get a plain UserWarning, all else one that is derived from it.
        warnings.simplefilter("ignore", UserWarning)
        yield


SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
KEY_USAGE: Final = "2.5.29.15"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
NAME_CONSTRAINTS: Final = "2.5.29.30"
CRL_DISTRIBUTION_POINTS: Final = "2.5.29.31"
SUBJECT_KEY_IDENTIFIER: Final = "2.5.29.14"
AUTHORITY_KEY_IDENTIFIER: Final = "2.5.29.35"
AUTHORITY_INFORMATION_ACCESS: Final = "1.3.6.1.5.5.7.1.1"
TLS_FEATURE: Final = "1.3.6.1.5.5.7.1.24"

#: Extensions by the names that RFC 5280 and the RFCs after it give them.
EXTENSION_NAMES: Final[dict[str, str]] = {
    SUBJECT_ALTERNATIVE_NAME: "subject alternative name",
    BASIC_CONSTRAINTS: "basic constraints",
    KEY_USAGE: "key usage",
    EXTENDED_KEY_USAGE: "extended key usage",
    NAME_CONSTRAINTS: "name constraints",
    CRL_DISTRIBUTION_POINTS: "CRL distribution points",
    SUBJECT_KEY_IDENTIFIER: "subject key identifier",
    AUTHORITY_KEY_IDENTIFIER: "authority key identifier",
    AUTHORITY_INFORMATION_ACCESS: "authority information access",
    TLS_FEATURE: "TLS feature",
    "2.5.29.18": "issuer alternative name",
    "2.5.29.32": "certificate policies",
    "2.5.29.33": "policy mappings",
    "2.5.29.36": "policy constraints",
    "2.5.29.46": "freshest CRL",
    "2.5.29.54": "inhibit any-policy",
    "1.3.6.1.5.5.7.1.11": "subject information access",
    "1.3.6.1.4.1.11129.2.4.2": "signed certificate timestamps",
    "1.3.6.1.4.1.11129.2.4.3": "precertificate poison",
    "1.3.6.1.5.5.7.48.1.5": "OCSP no check",
    "2.16.840.1.113730.1.1": "Netscape certificate type",
}

#: Purposes of an extended key usage (RFC 5280 section 4.2.1.12 and the registries it points to).
PURPOSE_NAMES: Final[dict[str, str]] = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.4.1.311.10.3.3": "msSGC",
    "2.16.840.1.113730.4.1": "nsSGC",
}

_KEY_USAGES: Final = (
    ("digital_signature", "digitalSignature"),
    ("content_commitment", "nonRepudiation"),
    ("key_encipherment", "keyEncipherment"),
    ("data_encipherment", "dataEncipherment"),
    ("key_agreement", "keyAgreement"),
    ("key_cert_sign", "keyCertSign"),
    ("crl_sign", "cRLSign"),
)


def extension_name(oid: str) -> str:
    """The name of an extension, or its identifier if the name is not known here."""
    return EXTENSION_NAMES.get(oid, oid)


class SubjectAltNames(NamedTuple):
    """The names a certificate is valid for (RFC 5280 section 4.2.1.6), each kind in the certificate's order.

    `malformed` describes the names that cannot be read. The other names are still present.
    """

    dns: tuple[str, ...] = ()
    ip: tuple[IpText, ...] = ()
    email: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All names as text. A DNS name or an address stands alone; other names have their kind in front."""
        return (
            *self.dns,
            *self.ip,
            *(f"email:{name}" for name in self.email),
            *(f"URI:{name}" for name in self.uri),
            *self.other,
        )


class Subtree(NamedTuple):
    """One name of a name constraint: its kind as in SubjectAltNames, or `"directory"`; and its text."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}"


class NameConstraints(NamedTuple):
    """The names that an authority may issue for, and may not (RFC 5280 section 4.2.1.10)."""

    permitted: tuple[Subtree, ...] = ()
    excluded: tuple[Subtree, ...] = ()


def read_subject_alt_names(value: bytes, offset: int = 0) -> SubjectAltNames:
    """Read a subjectAltName extension's value. Raises DerError if it is not a sequence of names.

    `offset` is where the value stands in its certificate: what is malformed is told with its place there.
    """
    try:
        return _names_in(value, offset)
    except DerError as error:
        raise DerError(error.reason, error.offset + offset) from None


def _names_in(value: bytes, offset: int) -> SubjectAltNames:
    sequence = element_at(value, 0, len(value), SEQUENCE)
    dns: list[str] = []
    ip: list[str] = []
    email: list[str] = []
    uri: list[str] = []
    other: list[str] = []
    malformed: list[str] = []
    ia5 = {0x81: email, 0x82: dns, 0x86: uri}
    for name in elements(value, sequence.content, sequence.end):
        content = value[name.content : name.end]
        if name.tag in ia5:
            # The type is IA5String. Other bytes stay visible as escapes, and they match no host.
            ia5[name.tag].append(content.decode("ascii", "backslashreplace"))
        elif name.tag == 0x87:
            if len(content) in (4, 16):
                ip.append(str(ipaddress.ip_address(content)))
            else:
                malformed.append(f"an IP address of {len(content)} bytes at octet {offset + name.start}")
        elif name.tag == 0x88:
            try:
                other.append(f"ID:{oid_text(content, offset + name.start)}")
            except DerError as error:
                malformed.append(str(error))
        elif name.tag == 0xA4:
            other.append(f"directory:{_directory_name(content)}")
        elif name.tag == 0xA0:
            other.append(f"other:{_other_name(content)}")
        else:
            where = offset + name.start
            malformed.append(f"a name of an unknown kind (tag {name.tag:#04x}) at octet {where}")
    return SubjectAltNames(tuple(dns), tuple(ip), tuple(email), tuple(uri), tuple(other), tuple(malformed))


def _directory_name(content: bytes) -> str:
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(with_only(subject=content)).subject.rfc4514_string()
    except Exception:  # one malformed name must not hide the others
        return content.hex()


def _other_name(content: bytes) -> str:
    try:
        oid = element_at(content, 0, len(content), 0x06)
        return oid_text(content[oid.content : oid.end])
    except DerError:
        return content.hex()


class Extensions:
    """The extensions of one certificate, each read when first asked for."""

    def __init__(self, parts: CertificateParts, loaded: x509.Certificate | None) -> None:
        self._raw: dict[str, ExtensionParts] = {}
        self.duplicates: list[str] = []
        for extension in parts.extensions:
            if extension.oid in self._raw:
                self.duplicates.append(extension.oid)
            else:
                self._raw[extension.oid] = extension
        self._values: dict[str, Any] = {}
        if loaded is not None and not self.duplicates:
            try:
                with quiet():
                    extensions = loaded.extensions
                for item in extensions:
                    self._values[item.oid.dotted_string] = item.value
            except Exception:  # one extension is malformed, so each is read alone on demand
                self._values = {}

    def __contains__(self, oid: str) -> bool:
        return oid in self._raw

    def __iter__(self) -> Iterator[ExtensionParts]:
        return iter(self._raw.values())

    def value(self, oid: str) -> Any:
        """cryptography's value of an extension, None if there is none. Raises InvalidCertificate."""
        raw = self._raw.get(oid)
        if raw is None:
            return None
        if oid not in self._values:
            self._values[oid] = self._read_alone(raw)
        value = self._values[oid]
        if isinstance(value, TlsError):
            raise value
        return value

    def _read_alone(self, raw: ExtensionParts) -> Any:
        from cryptography import x509

        try:
            with quiet():
                alone = x509.load_der_x509_certificate(with_only(extensions=(raw,)))
                return next(iter(alone.extensions)).value
        except Exception as error:  # cryptography raises many kinds; each means an unreadable extension
            reason = reason_of(error, raw.offset)
            return TlsError.InvalidCertificate(reason, f"{extension_name(raw.oid)} extension")

    def subject_alt_names(self) -> SubjectAltNames:
        """The certificate's names. Raises InvalidCertificate if the extension is not a list of names."""
        raw = self._raw.get(SUBJECT_ALTERNATIVE_NAME)
        if raw is None:
            return SubjectAltNames()
        try:
            return read_subject_alt_names(raw.value, raw.offset + len(raw.raw) - len(raw.value))
        except DerError as error:
            name = extension_name(SUBJECT_ALTERNATIVE_NAME)
            raise TlsError.InvalidCertificate(str(error), f"{name} extension") from None

    def name_constraints(self) -> NameConstraints | None:
        """The name constraints; None without the extension."""
        found = self.value(NAME_CONSTRAINTS)
        if found is None:
            return None
        return NameConstraints(
            tuple(map(_subtree, found.permitted_subtrees or ())),
            tuple(map(_subtree, found.excluded_subtrees or ())),
        )

    def key_usage(self) -> tuple[str, ...] | None:
        """The key usages, by RFC 5280's names; None without the extension."""
        usage = self.value(KEY_USAGE)
        if usage is None:
            return None
        names = [name for attribute, name in _KEY_USAGES if getattr(usage, attribute)]
        if usage.key_agreement:
            names += ["encipherOnly"] * usage.encipher_only + ["decipherOnly"] * usage.decipher_only
        return tuple(names)

    def extended_key_usage(self) -> tuple[str, ...] | None:
        """The purposes, as names if known, else as identifiers; None without the extension."""
        raw = self._raw.get(EXTENDED_KEY_USAGE)
        if raw is not None and raw.value == b"\x30\x00":
            return ()  # RFC 5280 wants one at least, and cryptography reads no empty list: it allows nothing
        usage = self.value(EXTENDED_KEY_USAGE)
        if usage is None:
            return None
        oids = (purpose.dotted_string for purpose in usage)
        return tuple(PURPOSE_NAMES.get(oid, oid) for oid in oids)

    def access_urls(self, method: str) -> tuple[str, ...]:
        """The authority information access URLs of a method, by its identifier."""
        access = self.value(AUTHORITY_INFORMATION_ACCESS) or ()
        return tuple(
            str(item.access_location.value)
            for item in access
            if item.access_method.dotted_string == method and isinstance(item.access_location.value, str)
        )

    def crl_urls(self) -> tuple[str, ...]:
        """The URLs of the revocation list."""
        points = self.value(CRL_DISTRIBUTION_POINTS) or ()
        names = (name for point in points for name in point.full_name or ())
        return tuple(name.value for name in names if isinstance(name.value, str))


def _subtree(name: x509.GeneralName) -> Subtree:
    from cryptography import x509

    kinds = {
        x509.DNSName: "dns",
        x509.IPAddress: "ip",
        x509.RFC822Name: "email",
        x509.UniformResourceIdentifier: "uri",
        x509.DirectoryName: "directory",
    }
    value = name.value
    text = value.rfc4514_string() if isinstance(value, x509.Name) else str(value)
    return Subtree(kinds.get(type(name), "other"), text)
