"""What can be wrong with the certificates of a server: each fault by name, and what it changes.

A fault is a row of `FAULTS`: fields of the server's certificate, of the authority that issued it, of the one
at the top, of the root, and of the chain that is sent. Faults that change different fields go together;
others contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from netkit.tls.throwaway.kinds import Digest, KeyKind, Staple
from netkit.tls.throwaway.template import (
    AUTHORITY,
    CLIENT_AUTH,
    CRL_SIGN,
    DAY,
    DIGITAL_SIGNATURE,
    RawExtension,
    Template,
    general_name,
    name_der,
)
from netkit.tls.x509.der import SEQUENCE, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

#: A host that no certificate is wanted for, and a domain that no name is in (RFC 2606).
OTHER_HOST: Final = "another-host.invalid"
OTHER_DOMAIN: Final = "another-domain.invalid"

#: Text that does harm where it is shown as it is: terminal escapes, line ends, NUL, a change of direction.
HOSTILE_TEXT: Final = (
    "\x1b[2J\x1b[31m\x07\r\nnetkit: all is well\x00\u202egpj.exe<script>alert(1)</script>'; --"
)

#: How many certificates long chains have, and how many issuers of one name are sent before the right one.
LONG_CHAIN: Final = 70
HUGE_CHAIN: Final = 1000
MANY_ISSUERS: Final = 9

#: How many names the certificate of `ManyNames` has.
MANY_NAMES: Final = 1000


class CertificateFault(Enum):
    """What is wrong with the certificates; the values are the names on the command line."""

    Expired = "expired"
    NotYetValid = "not-yet-valid"
    LongValidity = "long-validity"
    WrongHost = "wrong-host"
    NoSan = "no-san"
    TrailingDot = "trailing-dot"
    ManyNames = "many-names"
    HostileSubject = "hostile-subject"
    HostileNames = "hostile-names"
    SelfSigned = "self-signed"
    UntrustedRoot = "untrusted-root"
    MissingIntermediate = "missing-intermediate"
    WrongOrder = "wrong-order"
    WrongSignature = "wrong-signature"
    DecoyIssuer = "decoy-issuer"
    ManyIssuers = "many-issuers"
    WrongPath = "wrong-path"
    ExpiredIntermediate = "expired-intermediate"
    ExpiredRoot = "expired-root"
    NotCa = "not-ca"
    NoCertSign = "no-cert-sign"
    NonCriticalCa = "non-critical-ca"
    PathLength = "path-length"
    NameConstraints = "name-constraints"
    LongChain = "long-chain"
    HugeChain = "huge-chain"
    WeakKey = "weak-key"
    WeakIntermediate = "weak-intermediate"
    Sha1 = "sha1"
    Sha1Intermediate = "sha1-intermediate"
    Md5 = "md5"
    MlDsa = "ml-dsa"
    MlDsaRoot = "ml-dsa-root"
    EmptyEku = "empty-eku"
    ClientEku = "client-eku"
    WrongKeyUsage = "wrong-key-usage"
    CaLeaf = "ca-leaf"
    NoKeyIds = "no-key-ids"
    MustStaple = "must-staple"
    Revoked = "revoked"
    ExpiredStaple = "expired-staple"
    LongSerial = "long-serial"
    NegativeSerial = "negative-serial"
    UnknownCritical = "unknown-critical"
    DuplicateExtension = "duplicate-extension"
    MalformedExtension = "malformed-extension"
    MalformedNames = "malformed-names"
    MalformedCertificate = "malformed-certificate"
    MalformedIntermediate = "malformed-intermediate"


@dataclass(frozen=True, slots=True)
class Chain:
    """How the certificates hang together, and which are sent.

    `intermediates` is how many there are at least; `withheld` of them, from the server's on, are not sent.
    `decoys` certificates with the name of the server's issuer and other keys are sent before it. `crossed`:
    so is one of the same name and key from a root that nobody has. `malformed` is the place in what is sent
    where the octets are no certificate. With `is_contradictory`, OpenSSL refuses to send the server's.
    `staple` is what an OCSP response says of the server's, if there is one.
    """

    intermediates: int = 0
    is_self_signed: bool = False
    has_unknown_root: bool = False
    withheld: int = 0
    is_reversed: bool = False
    is_forged: bool = False
    decoys: int = 0
    is_crossed: bool = False
    malformed: int | None = None
    is_contradictory: bool = False
    staple: Staple | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What one fault changes, by field; `accepted` where ordinary clients of today connect all the same."""

    words: str
    accepted: bool = False
    leaf: Mapping[str, Any] = field(default_factory=dict)
    issuer: Mapping[str, Any] = field(default_factory=dict)
    top: Mapping[str, Any] = field(default_factory=dict)
    root: Mapping[str, Any] = field(default_factory=dict)
    chain: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_about_strength(self) -> bool:
        """Whether it is about a key or a digest, which a TLS library may refuse to send."""
        return any("key" in part or "digest" in part for part in self.parts.values())

    @property
    def parts(self) -> dict[str, Mapping[str, Any]]:
        """The changes of each part."""
        return {
            "leaf": self.leaf,
            "issuer": self.issuer,
            "top": self.top,
            "root": self.root,
            "chain": self.chain,
        }


_ONE: Final[Mapping[str, Any]] = {"intermediates": 1}
_PAST: Final[Mapping[str, Any]] = {"begins": -60 * DAY, "ends": -DAY}
_SAN: Final = "2.5.29.17"
_AIA: Final = "1.3.6.1.5.5.7.1.1"
#: Under the arc for examples (2.999), which nobody implements.
_UNKNOWN: Final = "2.999.1"
#: A SEQUENCE whose only element is longer than it.
_BROKEN: Final = b"\x30\x03\x82\x7fx"

F = CertificateFault

FAULTS: Final[dict[CertificateFault, Change]] = {
    F.Expired: Change("The certificate expired yesterday.", leaf=_PAST),
    F.NotYetValid: Change("The certificate is valid from tomorrow on.", leaf={"begins": DAY}),
    F.LongValidity: Change(
        "The certificate is valid for 825 days: over 398.", accepted=True, leaf={"ends": 824 * DAY}
    ),
    F.WrongHost: Change(
        "The certificate is for another host.", leaf={"common_name": OTHER_HOST, "names": (OTHER_HOST,)}
    ),
    F.NoSan: Change("The name stands in the subject only.", leaf={"has_names": False}),
    F.TrailingDot: Change("The names end with a dot.", leaf={"name_suffix": "."}),
    F.ManyNames: Change(
        f"The certificate has {MANY_NAMES:,} names.", accepted=True, leaf={"more_names": MANY_NAMES}
    ),
    F.HostileSubject: Change(
        "Terminal escapes and NUL stand in the subject.",
        accepted=True,
        leaf={"subject": name_der(HOSTILE_TEXT, HOSTILE_TEXT)},
    ),
    F.HostileNames: Change(
        "Terminal escapes and NUL stand in one of the names.",
        accepted=True,
        leaf={"extra_names": (HOSTILE_TEXT.encode(),)},
    ),
    F.SelfSigned: Change("The certificate is signed by itself.", chain={"is_self_signed": True}),
    F.UntrustedRoot: Change("The root is another one than usual.", chain={"has_unknown_root": True}),
    F.MissingIntermediate: Change("The issuer is not sent.", chain={**_ONE, "withheld": 1}),
    F.WrongOrder: Change(
        "The issuers are sent in the wrong order.",
        accepted=True,
        chain={"intermediates": 2, "is_reversed": True},
    ),
    F.WrongSignature: Change(
        "Another key has signed in the issuer's name.", chain={**_ONE, "is_forged": True}
    ),
    F.DecoyIssuer: Change("A wrong issuer of the same name is sent first.", chain={**_ONE, "decoys": 1}),
    F.ManyIssuers: Change(
        f"{MANY_ISSUERS} wrong issuers of the same name are sent first.",
        chain={**_ONE, "decoys": MANY_ISSUERS},
    ),
    F.WrongPath: Change(
        "The first of two paths leads to a root that nobody has.", chain={**_ONE, "is_crossed": True}
    ),
    F.ExpiredIntermediate: Change("The issuer expired yesterday.", issuer=_PAST, chain=_ONE),
    F.ExpiredRoot: Change("The root expired yesterday.", root=_PAST),
    F.NotCa: Change("The issuer is no authority.", issuer={"is_ca": False}, chain=_ONE),
    F.NoCertSign: Change(
        "The issuer may not sign certificates.",
        issuer={"usage": DIGITAL_SIGNATURE | CRL_SIGN},
        chain=_ONE,
    ),
    F.NonCriticalCa: Change(
        "The issuer's basic constraints are not critical.",
        accepted=True,
        issuer={"is_strict": False},
        chain=_ONE,
    ),
    F.PathLength: Change(
        "An authority allows no other below it, and there is one.",
        top={"path_length": 0},
        chain={"intermediates": 2},
    ),
    F.NameConstraints: Change(
        "The issuer may issue for another domain only.", issuer={"permitted": (OTHER_DOMAIN,)}, chain=_ONE
    ),
    F.LongChain: Change(
        f"{LONG_CHAIN} intermediates are sent.", accepted=True, chain={"intermediates": LONG_CHAIN}
    ),
    F.HugeChain: Change(f"{HUGE_CHAIN:,} intermediates are sent.", chain={"intermediates": HUGE_CHAIN}),
    F.WeakKey: Change("The key is RSA of 1024 bits.", leaf={"key": KeyKind.Rsa1024}),
    F.WeakIntermediate: Change(
        "The issuer's key is RSA of 1024 bits.", issuer={"key": KeyKind.Rsa1024}, chain=_ONE
    ),
    F.Sha1: Change("The certificate is signed with SHA-1.", leaf={"digest": Digest.Sha1}),
    F.Sha1Intermediate: Change(
        "The issuer's certificate is signed with SHA-1.", issuer={"digest": Digest.Sha1}, chain=_ONE
    ),
    F.Md5: Change(
        "The certificate is signed with MD5.",
        leaf={"digest": Digest.Md5},
        issuer={"key": KeyKind.Rsa2048},
        chain=_ONE,
    ),
    F.MlDsa: Change("The issuer's key is ML-DSA-65.", issuer={"key": KeyKind.MlDsa65}, chain=_ONE),
    F.MlDsaRoot: Change("The root's key is ML-DSA-65.", root={"key": KeyKind.MlDsa65}),
    F.EmptyEku: Change("The extended key usage is empty.", leaf={"purposes": ()}),
    F.ClientEku: Change("The certificate is for clients only.", leaf={"purposes": (CLIENT_AUTH,)}),
    F.WrongKeyUsage: Change("The key may only sign CRLs.", leaf={"usage": CRL_SIGN}),
    F.CaLeaf: Change("The certificate is one of an authority.", accepted=True, leaf={"is_ca": True}),
    F.NoKeyIds: Change(
        "Key identifiers are missing.",
        accepted=True,
        leaf={"has_key_ids": False},
        issuer={"has_key_ids": False},
        chain=_ONE,
    ),
    F.MustStaple: Change(
        "The certificate demands a stapled OCSP response.", accepted=True, leaf={"must_staple": True}
    ),
    F.Revoked: Change(
        "A stapled OCSP response says: revoked.", accepted=True, chain={**_ONE, "staple": Staple.Revoked}
    ),
    F.ExpiredStaple: Change(
        "The stapled OCSP response has expired.", accepted=True, chain={**_ONE, "staple": Staple.Expired}
    ),
    F.LongSerial: Change("The serial number has 40 octets.", accepted=True, leaf={"serial": 0x5A << 312}),
    F.NegativeSerial: Change("The serial number is negative.", accepted=True, leaf={"serial": -0x5A5A}),
    F.UnknownCritical: Change(
        "A critical extension is there that nobody knows.",
        leaf={"extra": (RawExtension(_UNKNOWN, True, b"\x05\x00"),)},
    ),
    F.DuplicateExtension: Change(
        "The extension of the names is there twice.",
        leaf={"extra": (RawExtension(_SAN, False, encode(SEQUENCE, general_name(OTHER_HOST))),)},
        chain={"is_contradictory": True},
    ),
    F.MalformedExtension: Change(
        "One of the extensions is no DER.",
        accepted=True,
        leaf={"extra": (RawExtension(_AIA, False, _BROKEN),)},
    ),
    F.MalformedNames: Change(
        "The extension of the names is no DER.",
        leaf={"has_names": False, "extra": (RawExtension(_SAN, False, _BROKEN),)},
        chain={"is_contradictory": True},
    ),
    F.MalformedCertificate: Change("Octets are sent that are no certificate.", chain={"malformed": 0}),
    F.MalformedIntermediate: Change(
        "Octets that are no certificate are sent for the issuer.", chain={**_ONE, "malformed": 1}
    ),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which certificates a server is to have.

    `names` are DNS names and addresses. `intermediates` authorities stand between it and the root. `begins`
    and `ends` are relative to the time at which it is made. With `is_client` the certificate is a client's.
    `is_stapled` is for an OCSP response, which says that it is good unless a fault says otherwise.
    Raises ValueError if there is no name, or if faults contradict each other.
    """

    names: tuple[str, ...]
    faults: tuple[CertificateFault, ...] = ()
    intermediates: int = 0
    key: KeyKind = KeyKind.P256
    begins: timedelta = -DAY
    ends: timedelta = 30 * DAY
    is_client: bool = False
    is_stapled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "faults", tuple(dict.fromkeys(self.faults)))
        if not self.names:
            raise ValueError("a server certificate needs a name")
        check_faults(self.faults)

    def plan(self) -> Plan:
        """What has to be made for it."""
        changes: dict[str, dict[str, Any]] = {}
        for fault in self.faults:
            for part, values in FAULTS[fault].parts.items():
                merged = changes.setdefault(part, {})
                for name, value in values.items():
                    merged[name] = max(value, merged.get(name, 0)) if name == "intermediates" else value
        chain = Chain(**changes.get("chain", {}))
        chain = replace(chain, intermediates=max(chain.intermediates, self.intermediates))
        if self.is_stapled and chain.staple is None:
            chain = replace(chain, staple=Staple.Good)
        leaf = Template(
            common_name=self.names[0], names=self.names, begins=self.begins, ends=self.ends, key=self.key
        )
        if self.is_client:
            leaf = replace(leaf, purposes=(CLIENT_AUTH,))
        issuers = [
            replace(AUTHORITY, common_name=f"netkit throw-away intermediate {number}")
            for number in range(1, chain.intermediates + 1)
        ]
        if issuers:
            issuers[-1] = replace(issuers[-1], **changes.get("issuer", {}))
            issuers[0] = replace(issuers[0], **changes.get("top", {}))
        root = changes.get("root")
        kinds = ", ".join(fault.value for fault in self.faults if FAULTS[fault].root)
        return Plan(
            replace(leaf, **changes.get("leaf", {})),
            tuple(issuers),
            replace(AUTHORITY, common_name=f"netkit throw-away root ({kinds})", **root) if root else None,
            chain,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The certificates to make: the server's, its issuers from the root down, and a root if not the usual."""

    leaf: Template
    issuers: tuple[Template, ...]
    root: Template | None
    chain: Chain


def contradiction(faults: Iterable[CertificateFault]) -> tuple[CertificateFault, CertificateFault] | None:
    """Two of the faults that change the same thing in different ways, or cannot both be seen."""
    found = list(faults)
    changed: dict[tuple[str, str], CertificateFault] = {}
    for fault in found:
        for part, values in FAULTS[fault].parts.items():
            for name, value in values.items():
                before = changed.setdefault((part, name), fault)
                if name != "intermediates" and FAULTS[before].parts[part][name] != value:
                    return before, fault
    for fault in found:
        change = FAULTS[fault]
        above = change.issuer or change.top or change.root or change.chain
        if F.SelfSigned in found and above and fault is not F.SelfSigned:
            return F.SelfSigned, fault
        if F.UntrustedRoot in found and change.root:
            return F.UntrustedRoot, fault
    return None


def check_faults(faults: Iterable[CertificateFault]) -> None:
    """Raise ValueError where two faults contradict each other."""
    found = contradiction(faults)
    if found is not None:
        raise ValueError(f"{found[0].value} and {found[1].value} exclude each other")
