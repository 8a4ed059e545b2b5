"""X.509 certificates (RFC 5280): a certificate keeps its DER bytes and reads each part on demand.

One part of a peer's certificate may be broken while the other parts are correct. The user wants to see
both. So making a `Certificate` reads nothing. Reading a broken part raises `TlsError.InvalidCertificate`,
which names the part. `problems` and `to_dict` read all parts, and report the broken parts beside the others.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from netkit.tls.errors import TlsError
from netkit.tls.text import rfc4514_safe
from netkit.tls.x509 import pem
from netkit.tls.x509.der import (
    OBJECT_IDENTIFIER,
    CertificateParts,
    DerError,
    element_at,
    hexadecimal,
    oid_text,
    part_offset,
    split_certificate,
    with_only,
)
from netkit.tls.x509.extensions import (
    AUTHORITY_KEY_IDENTIFIER,
    BASIC_CONSTRAINTS,
    SUBJECT_ALTERNATIVE_NAME,
    SUBJECT_KEY_IDENTIFIER,
    TLS_FEATURE,
    Extensions,
    NameConstraints,
    SubjectAltNames,
    extension_name,
    quiet,
)
from netkit.tls.x509.keys import PublicKeyInfo, public_key_info, same_key
from netkit.tls.x509.names import comparable_name, name_text
from netkit.tls.x509.signature import SIGNATURE_ALGORITHMS, verifies
from netkit.tls.x509.trust import parse_trust
from netkit.tls.x509.unreadable import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cryptography import x509

    from netkit.tls.x509.keys import KeyType
    from netkit.tls.x509.trust import TrustSettings

T = TypeVar("T")

_OCSP: Final = "1.3.6.1.5.5.7.48.1"
_CA_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"


class Certificate:
    """One certificate; `der_data` is its complete DER. Certificates with the same bytes are equal.

    `trust` holds the trust settings that follow the certificate in a TRUSTED CERTIFICATE block: the purposes
    for which OpenSSL must trust or reject the certificate. It is None if there are no settings, as in every
    other kind of block. `TlsConfig`, `verify_chain` and `SystemCerts` obey these settings. Comparison
    ignores them.
    Every property except the fingerprints may raise `TlsError.InvalidCertificate` with the `field`.
    """

    def __init__(
        self, der_data: bytes | bytearray | memoryview, *, trust: TrustSettings | None = None
    ) -> None:
        self.der_data = bytes(der_data)
        self.trust = trust

    @classmethod
    def from_der(cls, data: bytes | bytearray | memoryview) -> Certificate:
        """Make a certificate from DER. Nothing is checked until a part is read; see `problems`."""
        return cls(data)

    @classmethod
    def from_pem(cls, text: str | bytes) -> Certificate:
        """The first certificate of a PEM text. Raises `TlsError.InvalidCertificate` if there is none."""
        return cls.from_pem_chain(text)[0]

    @classmethod
    def from_pem_chain(cls, text: str | bytes) -> list[Certificate]:
        """All certificates of a PEM text, in order; other blocks, and text between blocks, are ignored.

        A TRUSTED CERTIFICATE block gives a certificate with `trust`, which may say *not* to trust it.
        Raises `TlsError.InvalidCertificate` if the text has no certificate, or a block is malformed.
        """
        found: list[Certificate] = []
        others: set[str] = set()
        try:
            for block in pem.blocks(text):
                if block.label in pem.CERTIFICATE_LABELS:
                    found.append(cls._of_block(block))
                else:
                    others.add(block.label)
        except pem.PemError as error:
            raise TlsError.InvalidCertificate(str(error)) from None
        if not found:
            kinds = f"only {', '.join(sorted(others))}" if others else "no PEM block"
            raise TlsError.InvalidCertificate(f"the text holds no certificate ({kinds})")
        return found

    @classmethod
    def from_file_content(cls, data: bytes) -> list[Certificate]:
        """The certificates in a file's content, which is PEM or DER. Raises `TlsError.InvalidCertificate`.

        Trust settings may follow a DER certificate, as in a TRUSTED CERTIFICATE block.
        """
        if data[:1] != b"\x30":
            return cls.from_pem_chain(data)
        return [cls.from_block(data, trusted=True)]

    @classmethod
    def from_block(cls, data: bytes, *, trusted: bool = False) -> Certificate:
        """The certificate that is the whole of `data`, DER; `trusted` allows trust settings behind it.

        Its parts must be there, however they look. Raises `TlsError.InvalidCertificate`.
        """
        try:
            certificate = cls._with_trust(data) if trusted else cls(data)
        except DerError as error:
            raise TlsError.InvalidCertificate(str(error)) from None
        certificate._parts  # noqa: B018  # raises if that is no certificate
        return certificate

    @classmethod
    def _of_block(cls, block: pem.PemBlock) -> Certificate:
        data = block.decode()
        if block.label != pem.TRUSTED_CERTIFICATE:
            return cls(data)
        try:
            return cls._with_trust(data)
        except DerError as error:
            raise pem.PemError(str(error), block.line) from None

    @classmethod
    def _with_trust(cls, data: bytes) -> Certificate:
        """Read a certificate and the trust settings that follow it. Raises DerError."""
        end = element_at(data, 0, len(data)).end
        return cls(data[:end], trust=parse_trust(data, end))

    @property
    def der_bytes(self) -> bytes:
        """The certificate's DER."""
        return self.der_data

    @property
    def size(self) -> int:
        """How many bytes its DER has."""
        return len(self.der_data)

    def to_pem(self) -> str:
        """The certificate as one PEM block."""
        return pem.encode("CERTIFICATE", self.der_data)

    def to_cryptography(self) -> x509.Certificate:
        """The same certificate as a cryptography object. Raises InvalidCertificate if cryptography fails."""
        if self._loaded is None:
            raise TlsError.InvalidCertificate(self._load_failure)
        return self._loaded

    # Fingerprints. They are made of the bytes, so they work for an unreadable certificate too.

    @cached_property
    def fingerprint_sha256(self) -> str:
        """SHA-256 of the DER, in lower-case hexadecimal."""
        return hashlib.sha256(self.der_data).hexdigest()

    @cached_property
    def fingerprint_sha1(self) -> str:
        """SHA-1 of the DER, in lower-case hexadecimal. Use it for lookups in old tools, not for trust."""
        return hashlib.sha1(self.der_data, usedforsecurity=False).hexdigest()

    @property
    def spki_der(self) -> bytes:
        """Its public key, as SubjectPublicKeyInfo in DER."""
        return self._parts.spki

    @property
    def spki_sha256_b64(self) -> str:
        """SHA-256 of the public key's SubjectPublicKeyInfo in base64, the pin of RFC 7469 section 2.4."""
        return b64encode(hashlib.sha256(self._parts.spki).digest()).decode("ascii")

    @property
    def channel_binding_hash(self) -> bytes:
        """The hash for the channel binding tls-server-end-point (RFC 5929 section 4.1).

        It uses the hash function of the certificate's signature. SHA-256 replaces MD5 and SHA-1. SHA-256 is
        also used where the signature has no single hash function (Ed25519), a case that RFC 5929 leaves
        undefined.
        """
        name = self.signature_hash
        if name in (None, "md2", "md5", "sha1"):
            name = "sha256"
        return hashlib.new(str(name), self.der_data).digest()

    # The fields of the certificate.

    @cached_property
    def serial(self) -> int:
        """Its serial number. RFC 5280 requires a positive number, but a peer may send any other."""
        octets = self._parts.serial
        content = element_at(octets, 0, len(octets)).content
        return int.from_bytes(octets[content:], "big", signed=True)

    @property
    def serial_hex(self) -> str:
        """Its serial number as pairs of hexadecimal digits: `"0A:1B"`."""
        return hexadecimal(self.serial)

    @cached_property
    def version(self) -> int:
        """1, 2 or 3."""
        return self._parts.version[-1] + 1 if self._parts.version else 1

    @cached_property
    def subject(self) -> str:
        """The subject's name as RFC 4514 text (the most specific part first); `""` for an empty name."""
        return self._name("subject")

    @cached_property
    def issuer(self) -> str:
        """The issuer's name as RFC 4514 text."""
        return self._name("issuer")

    @cached_property
    def common_name(self) -> str | None:
        """The subject's (last) common name. It is for display; never verify a host by it (RFC 9525)."""
        names = [part.value for part in self._name_object("subject") if part.oid.dotted_string == "2.5.4.3"]
        return rfc4514_safe(str(names[-1])) if names else None

    @property
    def subject_der(self) -> bytes:
        """The subject's DER."""
        return self._parts.subject

    @property
    def issuer_der(self) -> bytes:
        """The issuer's DER."""
        return self._parts.issuer

    @cached_property
    def subject_key(self) -> object:
        """A key to compare subjects by. It ignores case and spacing (RFC 5280 section 7.1)."""
        return self._name_key("subject")

    @cached_property
    def issuer_key(self) -> object:
        """A key to compare issuers by, as `subject_key`."""
        return self._name_key("issuer")

    @cached_property
    def not_before(self) -> datetime:
        """The first moment at which it is valid, UTC."""
        return self._read("validity", lambda view: view.not_valid_before_utc)

    @cached_property
    def not_after(self) -> datetime:
        """The last moment at which it is valid, UTC."""
        return self._read("validity", lambda view: view.not_valid_after_utc)

    def days_left(self, now: datetime) -> int:
        """Whole days from `now` until it expires, rounded down: 0 on the last day, negative when expired."""
        return (self.not_after - now).days

    @cached_property
    def public_key(self) -> PublicKeyInfo:
        """The algorithm, size and curve of its key."""
        return self._read("spki", public_key_info, "public key")

    @property
    def key_type(self) -> KeyType | None:
        """The type of its key; None if netkit cannot sign with that type in TLS."""
        return self.public_key.key_type

    @cached_property
    def signature_algorithm(self) -> str:
        """The signature algorithm: its name in the RFCs, such as `"ecdsa-with-SHA256"`, or an identifier."""
        return SIGNATURE_ALGORITHMS.get(self._signature_oid, (self._signature_oid, None))[0]

    @cached_property
    def signature_hash(self) -> str | None:
        """The hash function of the signature (`"sha256"`); None if it has none or the hash is unknown."""
        known = SIGNATURE_ALGORITHMS.get(self._signature_oid, (None, None))[1]
        if known is not None:
            return known
        try:
            algorithm = self._signature_view.signature_hash_algorithm
        except Exception:  # an algorithm that cryptography does not know has no hash that is known here
            return None
        return algorithm.name if algorithm is not None else None

    @property
    def signature(self) -> bytes:
        """The issuer's signature."""
        value = self._parts.signature_value
        bits = element_at(value, 0, len(value))
        return value[bits.content + 1 : bits.end]  # the first byte of a BIT STRING counts unused bits

    @property
    def tbs_bytes(self) -> bytes:
        """The signed part: the certificate without its signature, as DER."""
        self._parts  # noqa: B018  # raises if this is no certificate
        outer = element_at(self.der_data, 0, self.size)
        tbs = element_at(self.der_data, outer.content, outer.end)
        return self.der_data[tbs.start : tbs.end]

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name."""
        return bool(self.subject_key == self.issuer_key)

    @cached_property
    def is_self_signed(self) -> bool:
        """Whether it is self-issued and its own key verifies its signature."""
        return self.is_self_issued and self.is_signed_by(self)

    @property
    def is_self_issued_or_broken(self) -> bool:
        """`is_self_issued`, or its names cannot be told."""
        try:
            return self.is_self_issued
        except TlsError:
            return True

    def has_key(self, spki: bytes) -> bool:
        """Whether `spki`, a SubjectPublicKeyInfo in DER, is its public key, maybe in another encoding."""
        return self._or_none(lambda: same_key(self.spki_der, spki)) or False

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Whether `issuer`'s key verifies this certificate's signature. Names are not compared.

        Also False if the algorithm is not supported, or if one of the two certificates cannot be read.
        """
        return verifies(self, issuer)

    # Extensions.

    @cached_property
    def sans(self) -> SubjectAltNames:
        """The names and addresses that the certificate is valid for; all empty without the extension."""
        return self._extensions.subject_alt_names()

    @cached_property
    def is_ca(self) -> bool:
        """Whether it may issue certificates (basic constraints)."""
        constraints = self._extensions.value(BASIC_CONSTRAINTS)
        return constraints is not None and bool(constraints.ca)

    @cached_property
    def path_len(self) -> int | None:
        """How many intermediate certificates may stand below it; None for no limit."""
        constraints = self._extensions.value(BASIC_CONSTRAINTS)
        return None if constraints is None else constraints.path_length

    @cached_property
    def key_usage(self) -> tuple[str, ...] | None:
        """What the key may be used for, by RFC 5280's names; None if the certificate does not say."""
        return self._extensions.key_usage()

    @cached_property
    def extended_key_usage(self) -> tuple[str, ...] | None:
        """The purposes that it is valid for (`"serverAuth"`); None if the certificate does not say."""
        return self._extensions.extended_key_usage()

    @cached_property
    def name_constraints(self) -> NameConstraints | None:
        """The names that it may issue for, and may not; None if it does not say."""
        return self._extensions.name_constraints()

    @cached_property
    def ocsp_urls(self) -> tuple[str, ...]:
        """The URLs of the OCSP servers that tell its status."""
        return self._extensions.access_urls(_OCSP)

    @cached_property
    def ca_issuer_urls(self) -> tuple[str, ...]:
        """The URLs of its issuer's certificate (authority information access)."""
        return self._extensions.access_urls(_CA_ISSUERS)

    @cached_property
    def crl_urls(self) -> tuple[str, ...]:
        """The URLs of its revocation list."""
        return self._extensions.crl_urls()

    @cached_property
    def subject_key_id(self) -> bytes | None:
        """The identifier of its key, by which certificates it issued refer to it."""
        value = self._extensions.value(SUBJECT_KEY_IDENTIFIER)
        return None if value is None else bytes(value.digest)

    @cached_property
    def authority_key_id(self) -> bytes | None:
        """The identifier of its issuer's key."""
        value = self._extensions.value(AUTHORITY_KEY_IDENTIFIER)
        return None if value is None or value.key_identifier is None else bytes(value.key_identifier)

    @cached_property
    def authority_issuer_key(self) -> object:
        """A key to compare the issuer's own issuer by; None if the authority key identifier has no name."""
        value = self._extensions.value(AUTHORITY_KEY_IDENTIFIER)
        for name in (value.authority_cert_issuer or ()) if value is not None else ():
            if hasattr(name.value, "rdns"):
                return comparable_name(name.value)
        return None

    @cached_property
    def must_staple(self) -> bool:
        """Whether it wants its OCSP status stapled (RFC 7633)."""
        features = self._extensions.value(TLS_FEATURE) or ()
        return any(feature.name == "status_request" for feature in features)

    @cached_property
    def critical_extensions(self) -> tuple[str, ...]:
        """Its critical extensions' identifiers. A client that does not know one must reject it."""
        return tuple(extension.oid for extension in self._extensions if extension.critical)

    @cached_property
    def extension_oids(self) -> tuple[str, ...]:
        """The identifiers of all its extensions, in order."""
        return tuple(extension.oid for extension in self._extensions)

    # All of it.

    @cached_property
    def problems(self) -> tuple[TlsError, ...]:
        """One `TlsError.InvalidCertificate` for each part that cannot be read or that occurs twice."""
        try:
            self._parts  # noqa: B018
        except TlsError as error:
            return (error,)
        found: list[TlsError] = []

        def probe(take: Callable[[], object]) -> None:
            try:
                take()
            except TlsError as problem:
                found.append(problem)

        for name in _FIELDS:
            probe(partial(getattr, self, name))
        for extension in self._extensions:
            if extension.oid != SUBJECT_ALTERNATIVE_NAME:  # its names are read one by one, below
                probe(partial(self._extensions.value, extension.oid))
        sans = self._or_none(lambda: self.sans)
        found += (
            TlsError.InvalidCertificate(reason, f"{extension_name(SUBJECT_ALTERNATIVE_NAME)} extension")
            for reason in (sans.malformed if sans is not None else ())
        )
        found += (
            TlsError.InvalidCertificate("it is there twice", f"{extension_name(oid)} extension")
            for oid in self._extensions.duplicates
        )
        if not found and self._loaded is None:
            found.append(TlsError.InvalidCertificate(self._load_failure))
        # Several properties may read the same extension. It counts as one problem.
        return tuple({str(problem): problem for problem in found}.values())

    def to_dict(self, now: datetime | None = None) -> dict[str, Any]:
        """All parts as plain data for JSON and tables. An unreadable part is None and is in `problems`.

        If `now` is given, the result also has `days_left`.
        """
        key = self._or_none(lambda: self.public_key)
        sans = self._or_none(lambda: self.sans)
        data: dict[str, Any] = {
            "subject": self._or_none(lambda: self.subject),
            "issuer": self._or_none(lambda: self.issuer),
            "serial": self._or_none(lambda: self.serial_hex),
            "version": self._or_none(lambda: self.version),
            "not_before": self._or_none(lambda: rfc3339(self.not_before)),
            "not_after": self._or_none(lambda: rfc3339(self.not_after)),
        }
        if now is not None:
            data["days_left"] = self._or_none(lambda: self.days_left(now))
        data |= {
            "sans": None
            if sans is None
            else {
                "dns_names": list(sans.dns),
                "ip_addresses": list(sans.ip),
                "emails": list(sans.email),
                "uris": list(sans.uri),
                "others": list(sans.other),
            },
            "key": None
            if key is None
            else {"algorithm": key.algorithm, "bits": key.bits, "curve": key.curve},
            "signature_algorithm": self._or_none(lambda: self.signature_algorithm),
            "is_ca": self._or_none(lambda: self.is_ca),
            "path_len": self._or_none(lambda: self.path_len),
            "key_usage": self._or_none(lambda: _listed(self.key_usage)),
            "extended_key_usage": self._or_none(lambda: _listed(self.extended_key_usage)),
            "self_signed": self._or_none(lambda: self.is_self_signed),
            "must_staple": self._or_none(lambda: self.must_staple),
            "ocsp_urls": self._or_none(lambda: list(self.ocsp_urls)),
            "ca_issuer_urls": self._or_none(lambda: list(self.ca_issuer_urls)),
            "crl_urls": self._or_none(lambda: list(self.crl_urls)),
            "sha256": self.fingerprint_sha256,
            "sha1": self.fingerprint_sha1,
            "spki_sha256_b64": self._or_none(lambda: self.spki_sha256_b64),
            "size": self.size,
            "problems": [str(problem) for problem in self.problems],
        }
        return data

    def __repr__(self) -> str:
        subject = self._or_none(lambda: self.subject)
        return f"<Certificate {subject or self.fingerprint_sha256[:16]}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Certificate):
            return NotImplemented
        return self.der_data == other.der_data

    def __hash__(self) -> int:
        return hash(self.der_data)

    def __reduce__(self) -> tuple[Callable[..., Certificate], tuple[bytes, TrustSettings | None]]:
        return _restored, (self.der_data, self.trust)

    # How its parts are read.

    @cached_property
    def _parts(self) -> CertificateParts:
        try:
            return split_certificate(self.der_data)
        except DerError as error:
            raise TlsError.InvalidCertificate(str(error)) from None

    @cached_property
    def _loaded(self) -> x509.Certificate | None:
        """cryptography's object. None if cryptography rejects it; `_load_failure` then has the reason."""
        from cryptography import x509

        parts = self._parts
        # A future version of cryptography will reject a serial number that is not positive. This class reads
        # the serial number from the parts, so the copy for cryptography gets another number.
        data = (
            self.der_data
            if self.serial > 0
            else with_only(**parts._replace(serial=b"\x02\x01\x01")._asdict())
        )
        try:
            with quiet():
                return x509.load_der_x509_certificate(data)
        except Exception as error:  # ValueError, InvalidVersion and others
            self._load_failure = reason_of(error)
            return None

    _load_failure = ""

    @cached_property
    def _extensions(self) -> Extensions:
        return Extensions(self._parts, self._loaded)

    def _view(self, part: str) -> x509.Certificate:
        """A cryptography object that has `part` of this certificate, and the other parts if possible."""
        if self._loaded is not None:
            return self._loaded
        from cryptography import x509

        return x509.load_der_x509_certificate(with_only(**{part: getattr(self._parts, part)}))

    def _read(self, part: str, take: Callable[[x509.Certificate], T], field: str | None = None) -> T:
        try:
            return take(self._view(part))
        except TlsError:
            raise
        except Exception as error:  # cryptography raises many kinds; each means an unreadable part
            reason = reason_of(error, part_offset(self.der_data, self._parts, part))
            raise TlsError.InvalidCertificate(reason, field or part) from None

    def _name_object(self, part: str) -> x509.Name:
        with quiet():  # for names of unusual length
            name: x509.Name = self._read(part, lambda view: getattr(view, part))
        return name

    def _name(self, part: str) -> str:
        with quiet():
            return self._read(part, lambda view: name_text(getattr(view, part)))

    def _name_key(self, part: str) -> object:
        try:
            name = self._name_object(part)
        except TlsError:
            return getattr(self._parts, part)
        return comparable_name(name)

    @cached_property
    def _signature_view(self) -> x509.Certificate:
        if self._loaded is not None:
            return self._loaded
        from cryptography import x509

        parts = self._parts
        return x509.load_der_x509_certificate(
            with_only(signature=parts.signature, signature_algorithm=parts.signature_algorithm)
        )

    @cached_property
    def _signature_oid(self) -> str:
        data = self._parts.signature_algorithm
        try:
            outer = element_at(data, 0, len(data))
            oid = element_at(data, outer.content, outer.end, OBJECT_IDENTIFIER)
            return oid_text(data[oid.content : oid.end], oid.start)
        except DerError as error:
            start = part_offset(self.der_data, self._parts, "signature_algorithm")
            reason = str(DerError(error.reason, start + error.offset))
            raise TlsError.InvalidCertificate(reason, "signature algorithm") from None

    @staticmethod
    def _or_none(take: Callable[[], T]) -> T | None:
        try:
            return take()
        except TlsError:
            return None


_FIELDS: Final = (
    "subject",
    "issuer",
    "not_before",
    "not_after",
    "public_key",
    "signature_algorithm",
    "sans",
)


def rfc3339(moment: datetime) -> str:
    """A moment in UTC as RFC 3339 text: `"2031-05-04T03:02:01Z"`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year >= 1000 else moment.isoformat()


def _listed(items: tuple[str, ...] | None) -> list[str] | None:
    return None if items is None else list(items)


def _restored(der_data: bytes, trust: TrustSettings | None) -> Certificate:
    return Certificate(der_data, trust=trust)
