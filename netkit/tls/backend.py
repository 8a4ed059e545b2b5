"""What a TLS backend is: an object that says what it can do, and makes sessions that turn bytes into bytes.

    Backend          a TLS library: its name, its version, its capabilities, why it refuses a configuration
    PreparedConfig   a configuration in the library's own form, made once and used for many connections
    TlsSession       one connection's state: ciphertext in, plaintext out, and the other way round

A backend knows nothing about sockets, waiting or threads: `TlsStream` moves the bytes, in the same way for
every backend. `backends` chooses one. A backend never clamps or drops a setting in silence: `refusals` names
each setting that it cannot honour, before anything connects.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence
    from typing import Any

    from netkit.tls.config import TlsConfig
    from netkit.tls.errors import TlsError
    from netkit.tls.identity import Identity
    from netkit.tls.versions import TlsVersion
    from netkit.tls.x509.certificate import Certificate

Role: TypeAlias = Literal["client", "server"]


class Capability(Enum):
    """Something that one TLS library can do and another cannot; the value is its name in tables."""

    Tls10 = "TLS 1.0"
    Tls11 = "TLS 1.1"
    Tls12 = "TLS 1.2"
    Tls13 = "TLS 1.3"
    #: `cipher_suites` may be a cipher list in OpenSSL's notation; without it, only names of suites.
    CipherList = "cipher list"
    #: `tls13_cipher_suites` chooses the suites of TLS 1.3.
    Tls13Suites = "suites of TLS 1.3"
    #: `groups` chooses and orders the groups of the key exchange.
    Groups = "groups"
    #: X25519MLKEM768 is negotiated by default.
    PostQuantum = "X25519MLKEM768"
    #: `signature_algorithms` chooses the signature schemes.
    SignatureAlgorithms = "signature algorithms"
    #: The session tells the group, or the signature scheme, that was agreed on.
    GroupName = "tells the group"
    SignatureScheme = "tells the signature scheme"
    #: RFC 5705 and RFC 8446 section 7.5.
    Exporter = "exporter"
    #: The session knows whether the extended master secret (RFC 7627) is in use.
    ExtendedMasterSecret = "tells extended master secret"
    #: A client resumes sessions of its `session_store`; a server lets sessions be resumed.
    Resumption = "resumption"
    #: Its sessions can be kept as octets, for another process.
    SessionBytes = "sessions as octets"
    #: `tickets` sets how many session tickets a server sends.
    Tickets = "number of tickets"
    #: RFC 8446 section 2.3; a server refuses what is replayed.
    EarlyData = "0-RTT"
    #: RFC 8446 section 4.4.4: `half_rtt`, a server writes before the client's Finished.
    HalfRtt = "0.5-RTT"
    #: `ech_config_list` and `ech_grease`.
    Ech = "ECH"
    #: RFC 8879, `certificate_compression`.
    CertificateCompression = "certificate compression"
    #: A client asks for, a server sends a stapled OCSP response.
    Ocsp = "OCSP stapling"
    #: The session tells the signed certificate timestamps of the handshake (RFC 6962 section 3.3).
    Scts = "SCTs"
    #: A `verifier` is asked inside the handshake, so that a refusal is an alert to the peer and no client
    #: certificate has gone out. Without it, the verifier is asked right after the handshake.
    VerifierInside = "verifier inside the handshake"
    #: A server may ask for a client certificate and go on without one (`client_auth_optional`).
    OptionalClientAuth = "optional client certificate"
    #: The session knows whether the server asked for a certificate, and of which authorities.
    ClientAuthRequest = "tells that a certificate was asked for"
    #: `crls` are honoured.
    Crls = "CRLs"
    KeyLog = "key log"
    #: `update_keys` (RFC 8446 section 4.6.3).
    KeyUpdate = "key update"
    #: It gives out the traffic secrets, which `enable_ktls` hands to the kernel.
    KernelTls = "secrets for kTLS"
    #: Its cryptography is a FIPS module that is in force.
    Fips = "FIPS"
    #: The platform's own verifier judges the chain (macOS, Windows).
    PlatformVerifier = "platform verifier"


class Refusal(NamedTuple):
    """A setting that a backend cannot honour, and why."""

    setting: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClientHelloInfo:
    """What a client asks for, for a resolver to choose by. Numbers are IANA's.

    `server_name` is the name of the SNI extension in lower case, None if the client sent none.
    """

    server_name: str | None
    alpn: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    cipher_suites: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    signature_schemes: tuple[int, ...] = ()


#: What a resolver gives: an identity, a whole configuration, or None to refuse the name.
Resolved: TypeAlias = "Identity | TlsConfig | None"

#: A resolver that waits, for a database: a flow (`netkit.io.Flow`), or a coroutine where an event loop drives
#: the server.
Resolving: TypeAlias = "Generator[object, bool, Resolved] | Coroutine[Any, Any, Resolved]"

#: Chooses by the ClientHello what a server shows.
IdentityResolver: TypeAlias = "Callable[[ClientHelloInfo], Resolved | Resolving]"


@dataclass(frozen=True, slots=True)
class ResumableSession:
    """A session that a later connection can resume: a ticket and its secret (RFC 8446 section 4.6.1).

    `value` is the backend's own object. `lifetime` is in seconds, None if it is not known. `data` is the
    session as octets where the backend can; they are as secret as a key. `alpn` is the application protocol
    that was agreed on: early data is of that one (RFC 8446 section 4.2.10).
    """

    backend: str
    version: TlsVersion | None
    value: object
    lifetime: int | None = None
    max_early_data: int = 0
    data: bytes | None = None
    alpn: str | None = None

    def __repr__(self) -> str:
        return f"<ResumableSession {self.backend} {self.version}>"


class SessionStore(Protocol):
    """Where a client keeps sessions to resume. Used by threads at once.

    `scope` stands for the configuration: a session is never resumed with other settings, because it is not
    verified again.
    """

    def put(self, scope: object, server_name: str, session: ResumableSession) -> None:
        """Keep `session`."""

    def take(self, scope: object, server_name: str) -> ResumableSession | None:
        """A session for that server; one of TLS 1.3 is given out once (RFC 8446 appendix C.4)."""


class CertificateRequest(NamedTuple):
    """The server asked for a client certificate; `ca_names` are DER names of the authorities it takes."""

    ca_names: tuple[bytes, ...] = ()


class KernelSecret(NamedTuple):
    """One direction's keys for the kernel: the cipher (`"AES-128-GCM"`, `"AES-256-GCM"`,
    `"CHACHA20-POLY1305"`), the number of its next record, and the twelve octets that its nonces begin
    with."""

    suite: str
    sequence: int
    key: bytes
    iv: bytes


class KernelSecrets(NamedTuple):
    """The keys of both directions, and ciphertext that was fed and not decrypted yet."""

    version: TlsVersion
    transmit: KernelSecret
    receive: KernelSecret
    unread: bytes


class TlsSession(Protocol):
    """One connection's TLS state. Not safe for two threads at once: its owner holds a lock around it.

    A backend's class inherits from this one. What follows "What is known" has answers that mean "not known",
    so that a backend writes only what it can tell.
    """

    @abstractmethod
    def feed(self, data: bytes | memoryview) -> None:
        """Take ciphertext that the peer sent. A view is not kept."""

    @abstractmethod
    def feed_eof(self) -> None:
        """Tell the session that the peer will send no more."""

    @abstractmethod
    def handshake(self) -> bool:
        """Continue the handshake: True when it is done, False when it needs more input. Raises TlsError."""

    @abstractmethod
    def read(self, size: int) -> bytes | None:
        """Plaintext of as many records as are there, up to `size` bytes; `b""` after the peer's close_notify;
        None when it needs more input. Raises TlsError; what came before a fault is given first."""

    @abstractmethod
    def read_into(self, view: memoryview) -> int | None:
        """Plaintext into `view`, as much as there is and fits; how many bytes. 0 and None as of `read`."""

    @abstractmethod
    def write(self, data: memoryview) -> int:
        """Encrypt `data`, and return how many bytes were taken. 0 for data that is not empty means that it
        takes no more until its output was taken. Raises TlsError."""

    @abstractmethod
    def close_notify(self) -> None:
        """Put a close_notify alert into the output. Nothing may be written after it; reading goes on."""

    @property
    @abstractmethod
    def pending_output(self) -> int:
        """How many bytes of ciphertext wait to be taken."""

    @abstractmethod
    def take_output(self, limit: int | None = None) -> bytes:
        """Ciphertext to send to the peer, in order, each byte once; at most `limit` bytes."""

    @property
    @abstractmethod
    def version(self) -> TlsVersion | None:
        """The protocol version that both sides agreed on; None before that."""

    @property
    @abstractmethod
    def cipher(self) -> str | None:
        """The cipher suite agreed on, by OpenSSL's name."""

    @property
    @abstractmethod
    def alpn(self) -> str | None:
        """The application protocol agreed on."""

    @property
    @abstractmethod
    def peer_chain(self) -> tuple[Certificate, ...]:
        """The certificates that the peer sent, its own first; also if their verification failed."""

    @property
    def built_path(self) -> tuple[Certificate, ...]:
        """The path from the peer's certificate that the library built, also where it refused it; empty if it
        built none, or does not tell."""
        return ()

    @abstractmethod
    def explain(self, error: TlsError) -> TlsError:
        """The same error, with details from the peer's certificates."""

    # What is known.

    @property
    def server_name(self) -> str | None:
        """The name that the client sent (SNI), on both sides."""
        return None

    @property
    def group(self) -> str | None:
        """The group of the key exchange, by IANA's name (`"X25519MLKEM768"`, `"x25519"`)."""
        return None

    @property
    def signature_scheme(self) -> str | None:
        """The scheme of the peer's signature, by IANA's name (`"ecdsa_secp256r1_sha256"`)."""
        return None

    @property
    def ocsp_response(self) -> bytes | None:
        """The stapled OCSP response, DER."""
        return None

    @property
    def scts(self) -> tuple[bytes, ...] | None:
        """The signed certificate timestamps of the handshake."""
        return None

    @property
    def client_certificate_requested(self) -> CertificateRequest | None:
        """What the server asked for; None if it did not, or if the backend does not know."""
        return None

    @property
    def resumed(self) -> bool | None:
        """Whether an earlier session was resumed."""
        return None

    @property
    def extended_master_secret(self) -> bool | None:
        """Whether the keys are bound to the handshake (RFC 7627); True in TLS 1.3."""
        return None

    @property
    def verified(self) -> bool | None:
        """Whether the chain was judged, and accepted, in this handshake. None if nobody judged: the session
        was resumed, or no certificate was asked for."""
        return None

    def take_sessions(self) -> Sequence[ResumableSession]:
        """The sessions that came since the last call. Tickets of TLS 1.3 come after the handshake."""
        return ()

    def write_early_data(self, data: memoryview) -> int:
        """Take bytes to send as 0-RTT, before `handshake` is called first; how many."""
        del data
        return 0

    def read_early_data(self) -> bytes:
        """What a server has received as 0-RTT and has not given yet. It never mixes into `read`.

        With `half_rtt`, `write` is right as soon as this has given some, though `handshake` is not done.
        """
        return b""

    @property
    def early_data_accepted(self) -> bool | None:
        """Whether the server took the early data; None if none was sent, or the answer is not there yet."""
        return None

    @property
    def ech_accepted(self) -> bool | None:
        """Whether the server decrypted the inner hello (ECH); None if none was sent."""
        return None

    @property
    def ech_retry_configs(self) -> bytes | None:
        """The ECHConfigList that the server gave where it refused."""
        return None

    def export_keying_material(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """RFC 5705 section 4. No context and an empty one differ in TLS 1.2. Raises TlsError where the
        handshake is not done, or the backend cannot."""
        from netkit.tls.errors import TlsError

        del label, context, length
        raise TlsError.CapabilityError("export_keying_material", "this backend has no exporter")

    def update_keys(self) -> None:
        """Use new keys for what is written from now on, and ask the peer to do so (RFC 8446 section 4.6.3).

        Raises `TlsError.CapabilityError` in TLS 1.2, before the handshake is done, and where the backend
        cannot.
        """
        from netkit.tls.errors import TlsError

        raise TlsError.CapabilityError("update_keys", "this backend does not change keys")

    @property
    def pending_input(self) -> int:
        """How many bytes of ciphertext were fed and are no whole record yet, where it counts them."""
        return 0

    def extract_secrets(self) -> KernelSecrets:
        """The keys for the kernel; the session must not be used after it. Raises TlsError."""
        from netkit.tls.errors import TlsError

        raise TlsError.CapabilityError("enable_ktls", "this backend does not give out its keys")


class PreparedConfig(Protocol):
    """A configuration in a backend's own form."""

    @property
    def config(self) -> TlsConfig:
        """The configuration."""

    @property
    def backend(self) -> Backend:
        """The backend that prepared it."""

    def session(self, server_name: str | None, resume: ResumableSession | None = None) -> TlsSession:
        """A new connection's session. `resume` is a session from the same configuration; one that the backend
        does not take is passed over. Raises TlsError for a server name that cannot be."""


class Backend(Protocol):
    """A TLS library."""

    @property
    def name(self) -> str:
        """What `TlsConfig.backend` calls it."""

    @property
    def version(self) -> str:
        """The library and its version (`"OpenSSL 3.0.19 27 Jan 2026"`)."""

    def capabilities(self, role: Role) -> frozenset[Capability]:
        """What it can do on that side."""

    def refusals(self, config: TlsConfig) -> tuple[Refusal, ...]:
        """The settings of `config` that it cannot honour; empty if it can honour all."""

    def prepare(self, config: TlsConfig) -> PreparedConfig:
        """`config` in the library's form; the same settings give the same object while the trust store's
        place and the key log's are the same. Raises TlsError for an identity or roots that cannot be used."""
