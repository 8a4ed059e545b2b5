"""The ClientHello: read, asked, made and written (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from netkit.tls.hello.blocks import read_extensions, write_extensions
from netkit.tls.hello.codes import (
    CodeLike,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from netkit.tls.hello.extensions.base import (
    Extension,
    Flag,
    Message,
)
from netkit.tls.hello.extensions.certificates import (
    SignatureAlgorithms,
)
from netkit.tls.hello.extensions.keys import (
    KeyShare,
    KeyShares,
    PointFormats,
    PreSharedKeys,
    PskModes,
    RenegotiationInfo,
    SupportedGroups,
    SupportedVersions,
)
from netkit.tls.hello.extensions.names import (
    Alpn,
    ServerName,
)
from netkit.tls.hello.fields import Fields
from netkit.tls.hello.framing import message_body, write_message
from netkit.tls.hello.octets import code_vector, vector
from netkit.tls.hello.suites import CipherSuite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from netkit.tls.hello.errors import MalformedMessage

    _E = TypeVar("_E", bound=Extension)

#: What `ClientHello.offer` offers unless told otherwise: what today's clients have in common.
DEFAULT_SUITES: Final = CipherSuite.all_of(
    (
        *("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
        *("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        *("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        *("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    )
)
DEFAULT_GROUPS: Final = NamedGroup.all_of(("x25519", "secp256r1", "secp384r1", "secp521r1"))
DEFAULT_SCHEMES: Final = SignatureScheme.all_of(
    (
        *("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"),
        *("ecdsa_secp384r1_sha384", "rsa_pss_rsae_sha384", "rsa_pkcs1_sha384"),
        *("rsa_pss_rsae_sha512", "rsa_pkcs1_sha512", "ed25519"),
    )
)
DEFAULT_VERSIONS: Final = ProtocolVersion.all_of((0x0304, 0x0303))

_TLS12: Final = ProtocolVersion(0x0303)
_TLS13: Final = ProtocolVersion(0x0304)
_EXTENDED_MASTER_SECRET: Final = ExtensionType(23)


class ClientHello(Fields):
    """What a client offers.

    `random` has 32 octets, and is handed in: this room knows no randomness. `has_extensions` is False for a
    hello that ends after the compression methods, as those before RFC 4366 do. `faults` has what a lenient
    reading met, in the order of the octets.
    """

    random: bytes
    cipher_suites: tuple[CipherSuite, ...]
    extensions: tuple[Extension, ...] = ()
    session_id: bytes = b""
    legacy_version: ProtocolVersion = _TLS12
    compression_methods: bytes = b"\x00"
    has_extensions: bool = True
    faults: tuple[MalformedMessage, ...] = ()

    UNCOMPARED: ClassVar = frozenset({"faults"})

    # Reading and writing.

    @classmethod
    def parse(cls, message: bytes, *, lenient: bool = False) -> Self:
        """Read a whole handshake message, its type and length included.

        A lenient reading keeps a malformed extension as `Malformed`, passes over octets that belong to
        nothing, and lists all of it in `faults`. Raises MalformedMessage; a lenient reading raises it only
        for a fault in front of the extensions.
        """
        octets = message_body(message, HandshakeType(1), "ClientHello")
        version = octets.code(ProtocolVersion, "legacy_version")
        random = octets.take(32, "random")
        session_id = octets.opaque(1, "legacy_session_id", most=32)
        suites = octets.codes(2, CipherSuite, "cipher_suites")
        compression = octets.opaque(1, "legacy_compression_methods", least=1)
        if not len(octets):
            return cls(random, suites, (), session_id, version, compression, has_extensions=False)
        extensions, faults = read_extensions(octets, Message.ClientHello, lenient=lenient)
        return cls(random, suites, extensions, session_id, version, compression, True, faults)

    def to_bytes(self) -> bytes:
        """The whole handshake message. Raises ValueError for a field that is too long."""
        return write_message(
            HandshakeType(1),
            self.legacy_version.octets,
            self.random,
            vector(1, self.session_id),
            code_vector(2, self.cipher_suites),
            vector(1, self.compression_methods),
            write_extensions(self.extensions) if self.has_extensions else b"",
        )

    # Making one.

    @classmethod
    def offer(
        cls,
        random: bytes,
        *,
        server_name: str | None = None,
        versions: Iterable[CodeLike] = DEFAULT_VERSIONS,
        suites: Iterable[CodeLike] = DEFAULT_SUITES,
        groups: Iterable[CodeLike] = DEFAULT_GROUPS,
        schemes: Iterable[CodeLike] = DEFAULT_SCHEMES,
        alpn: Iterable[str | bytes] = (),
        key_shares: Mapping[CodeLike, bytes] | None = None,
        session_id: bytes = b"",
        more: Iterable[Extension] = (),
    ) -> Self:
        """The hello of a client that offers just this, everything by number or by name.

            ClientHello.offer(random, server_name="example.com", versions=["TLS 1.3"],
                              suites=["TLS_AES_128_GCM_SHA256"], groups=["X25519MLKEM768"])

        Each extension is there that the versions offered need. `key_shares` maps groups to public keys; none
        lets a TLS 1.3 server that wants one of the groups name it in a HelloRetryRequest. `more` follows the
        other extensions; one of a type that is there already takes its place. Raises ValueError for an
        unknown name.
        """
        offered = ProtocolVersion.all_of(versions)
        old = [version for version in offered if version < _TLS13 and not version.is_grease]
        chosen_groups = NamedGroup.all_of(groups)
        chosen_schemes = SignatureScheme.all_of(schemes)
        names = tuple(name.encode("ascii") if isinstance(name, str) else bytes(name) for name in alpn)
        shares = tuple(KeyShare(NamedGroup.of(group), key) for group, key in (key_shares or {}).items())
        extensions: list[Extension] = []
        if server_name is not None:
            extensions.append(ServerName.of(server_name))
        if old:
            extensions += Flag(_EXTENDED_MASTER_SECRET), RenegotiationInfo()
        if chosen_groups:
            extensions.append(SupportedGroups(chosen_groups))
            if old:
                extensions.append(PointFormats())
        if names:
            extensions.append(Alpn(names))
        # RFC 5246 section 7.4.1.4.1: a client older than TLS 1.2 does not send it.
        if chosen_schemes and max(offered) >= _TLS12:
            extensions.append(SignatureAlgorithms(chosen_schemes))
        if len(old) < len(offered):
            extensions += SupportedVersions(offered), PskModes(), KeyShares(shares)
        hello = cls(
            random,
            CipherSuite.all_of(suites),
            tuple(extensions),
            session_id,
            max(old, default=_TLS12),
        )
        return hello.with_extensions(*more)

    def with_extensions(self, *extensions: Extension) -> Self:
        """A copy with these extensions: each takes the place of the one of its type, or comes last.

        pre_shared_key stays the last one, as RFC 8446 section 4.2.11 demands.
        """
        made = {extension.type: extension for extension in self.extensions}
        made.update((extension.type, extension) for extension in extensions)
        ordered = sorted(made.values(), key=lambda extension: extension.type == PreSharedKeys.type)
        return self.replace(extensions=tuple(ordered), has_extensions=True)

    def without_extension(self, kind: CodeLike) -> Self:
        """A copy without the extensions of one type."""
        unwanted = ExtensionType.of(kind)
        return self.replace(extensions=tuple(each for each in self.extensions if each.type != unwanted))

    # What it says.

    def find(self, kind: type[_E]) -> _E | None:
        """The first extension of a class, None if there is none, or if it is malformed."""
        for extension in self.extensions:
            if type(extension) is kind:
                return extension
        return None

    def has(self, kind: CodeLike) -> bool:
        """Whether an extension of this type is there, well-formed or not."""
        wanted = ExtensionType.of(kind)
        return any(extension.type == wanted for extension in self.extensions)

    @property
    def server_name(self) -> str | None:
        """The host name that the client asks for (SNI), as the client wrote it; None without one."""
        names = self.find(ServerName)
        return None if names is None else names.host_name

    @property
    def alpn(self) -> tuple[str, ...]:
        """The application protocols offered, preferred first. Each octet is the character of its number."""
        alpn = self.find(Alpn)
        return () if alpn is None else tuple([name.decode("latin-1") for name in alpn.protocols])

    @property
    def groups(self) -> tuple[NamedGroup, ...]:
        """The groups offered for the key exchange, preferred first."""
        groups = self.find(SupportedGroups)
        return () if groups is None else groups.groups

    @property
    def key_share_groups(self) -> tuple[NamedGroup, ...]:
        """The groups that a public key is there for."""
        shares = self.find(KeyShares)
        return () if shares is None else tuple([share.group for share in shares.shares])

    @property
    def signature_schemes(self) -> tuple[SignatureScheme, ...]:
        """The signatures that the client can check, preferred first."""
        schemes = self.find(SignatureAlgorithms)
        return () if schemes is None else schemes.schemes

    @property
    def versions(self) -> tuple[ProtocolVersion, ...]:
        """The versions offered. A client older than TLS 1.3 says only which is its newest."""
        versions = self.find(SupportedVersions)
        return (self.legacy_version,) if versions is None else versions.versions
