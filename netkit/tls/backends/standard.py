"""The standard library's `ssl` over two memory BIOs, as a backend."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from netkit.tls.backend import Capability, Refusal, ResumableSession, Role, TlsSession
from netkit.tls.backends.content import ContentCount
from netkit.tls.backends.context import (
    KEPT_CONTEXTS,
    PLATFORM_VERIFIES,
    SETS_GROUPS,
    context_for,
    is_settable_group,
    key_pipe_of,
)
from netkit.tls.backends.needs import STANDARD, missing, role_of
from netkit.tls.backends.outside import settings_outside
from netkit.tls.backends.peer import FIRST, another_client, chosen_version, hostname_for, refused_version
from netkit.tls.errors import TlsError
from netkit.tls.openssl_errors import from_ssl_error
from netkit.tls.verifying.explain import explain_refusal
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate

if TYPE_CHECKING:
    from netkit.tls.backends.outside import Outside
    from netkit.tls.config import TlsConfig

_VERSIONS = {
    "TLSv1": TlsVersion.Tls10,
    "TLSv1.1": TlsVersion.Tls11,
    "TLSv1.2": TlsVersion.Tls12,
    "TLSv1.3": TlsVersion.Tls13,
}

_ENCODING_DER = 2  # `_ssl.ENCODING_DER`

#: What a message with a ticket has at least, in octets (RFC 8446 section 4.6.1); other messages that come
#: after the handshake, and alerts, have less.
_TICKET = 16

#: The most plaintext of one record (RFC 8446 section 5.1).
_RECORD = 16_384


class _Scratch(threading.local):
    """Where one thread decrypts into."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(4 * _RECORD))


_scratch = _Scratch()

#: What the ssl module can do on both sides.
_BOTH: Final = frozenset(
    {
        Capability.Tls12,
        Capability.Tls13,
        Capability.CipherList,
        Capability.Resumption,
        Capability.Crls,
        Capability.KeyLog,
    }
)

_SERVER: Final = frozenset({Capability.Tickets, Capability.OptionalClientAuth})


class StandardBackend:
    """The ssl module of the standard library, over Python's own OpenSSL."""

    name = STANDARD
    version = ssl.OPENSSL_VERSION

    def capabilities(self, role: Role) -> frozenset[Capability]:
        found = _BOTH | (_SERVER if role == "server" else frozenset())
        if ssl.HAS_TLSv1:
            found |= {Capability.Tls10}
        if ssl.HAS_TLSv1_1:
            found |= {Capability.Tls11}
        if ssl.OPENSSL_VERSION_INFO >= (3, 5):
            found |= {Capability.PostQuantum}
        if is_fips_in_force():
            found |= {Capability.Fips}
        if role == "client" and PLATFORM_VERIFIES:
            found |= {Capability.PlatformVerifier}
        if SETS_GROUPS:
            found |= {Capability.Groups}
        return found

    def refusals(self, config: TlsConfig) -> tuple[Refusal, ...]:
        return tuple(
            _refused_groups(config) if refusal.setting == "groups" else refusal
            for refusal in missing(config, self.capabilities(role_of(config)))
            if refusal.setting != "groups" or not _is_one_group(config)
        )

    def prepare(self, config: TlsConfig) -> PreparedContext:
        return _prepared(config, settings_outside(config))


def is_fips_in_force() -> bool:
    """Whether OpenSSL's FIPS provider is loaded, and the default of this process (fips_module(7)).

    The system's configuration decides that, not a program. Python tells it in a module without documentation,
    so where that module lacks the function, the answer is no.
    """
    try:
        import _hashlib

        return _hashlib.get_fips_mode() == 1
    except (ImportError, AttributeError, ValueError):
        return False


def _is_one_group(config: TlsConfig) -> bool:
    return len(config.groups) == 1 and is_settable_group(config.groups[0])


def _refused_groups(config: TlsConfig) -> Refusal:
    if len(config.groups) == 1:
        return Refusal("groups", f"OpenSSL has no group {config.groups[0]} that it can be told to use")
    return Refusal("groups", "it can be told to use one group, not several")


@cache
def standard_backend() -> StandardBackend:
    """The backend: one for the process."""
    return StandardBackend()


@lru_cache(KEPT_CONTEXTS)
def _prepared(config: TlsConfig, _outside: Outside) -> PreparedContext:
    return PreparedContext(config, context_for(config))


class PreparedContext:
    """A configuration as an `ssl.SSLContext`."""

    def __init__(self, config: TlsConfig, context: ssl.SSLContext) -> None:
        self.config = config
        self.context = context

    @property
    def backend(self) -> StandardBackend:
        return standard_backend()

    def session(self, server_name: str | None, resume: ResumableSession | None = None) -> StandardSession:
        return StandardSession(self.config, self.context, server_name, resume)


class StandardSession(TlsSession):
    """One side of a TLS connection. It uses OpenSSL through the standard library."""

    def __init__(
        self,
        config: TlsConfig,
        context: ssl.SSLContext,
        server_name: str | None,
        resume: ResumableSession | None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._config = config
        self._server_name = server_name
        self._is_server = config.is_server
        self._first = b""
        self._latest = b""
        self._eof = False
        self._ended = False  # the peer's close_notify was read
        self._deferred: TlsError | None = None  # what the next read raises
        self._verifies = context.verify_mode is not ssl.CERT_NONE
        self._secrets = key_pipe_of(context)
        # For who keeps sessions:
        self._looks = config.session_store is not None  # whether there may be one to take
        self._count: ContentCount | None = None  # of what came after a handshake of TLS 1.3
        self._explained = 0  # how much of the content is data, and what was looked at
        self._given: ssl.SSLSession | None = None
        if config.is_server:
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            return
        hostname = hostname_for(config, server_name)
        try:
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        except (ValueError, ssl.SSLError) as error:
            raise TlsError.InvalidConfig("server_name", str(error)) from None
        if resume is not None and isinstance(resume.value, ssl.SSLSession):
            self._object.session = resume.value

    def feed(self, data: bytes | memoryview) -> None:
        if len(self._first) < FIRST:
            self._first = (self._first + bytes(data[:FIRST]))[:FIRST]
        # For an alert in the clear. Views come after the handshake, where alerts are encrypted.
        self._latest = data if isinstance(data, bytes) else b""
        self._incoming.write(data)
        if self._count is not None:
            self._count.feed(data)

    def feed_eof(self) -> None:
        self._eof = True
        self._incoming.write_eof()

    def handshake(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise self._translated(error) from None
        except ValueError as error:  # a certificate that Python cannot turn into its own form
            raise TlsError.HandshakeFailed(str(error)) from None
        finally:
            if self._secrets is not None:
                self._secrets.flush()
        self._demand_certificate()
        if self._looks and self._object.version() == "TLSv1.3":
            self._count = ContentCount()
            left = self._incoming.pending  # of what was fed last; OpenSSL takes whole records
            if left:
                self._count.feed(self._latest[-left:])
        return True

    def _demand_certificate(self) -> None:
        """Refuse a server without a certificate, which OpenSSL lets in with an anonymous cipher suite."""
        if self._verifies and not self._is_server and not self._object.getpeercert(True):
            raise TlsError.HandshakeFailed("the peer sent no certificate, and one is required")

    def read(self, size: int) -> bytes | None:
        # Each record is decrypted into the thread's scratch, and all of them are copied once: faster than
        # an object for each, and a protocol that takes pieces apart does it once for several.
        view = _scratch.view
        if size < len(view):
            view = view[:size]
        taken = self.read_into(view)
        return None if taken is None else bytes(view[:taken])

    def read_into(self, view: memoryview) -> int | None:
        if self._deferred is not None:
            raise self._deferred
        found, incoming = self._object, self._incoming
        if not (incoming.pending or self._eof or self._ended or found.pending()):
            return None  # to ask would cost an exception
        read = found.read
        size = len(view)
        taken = 0
        try:
            # The stub knows bytearray only; any writable buffer will do.
            while True:
                got: int = read(size - taken, view[taken:])  # type: ignore[assignment]
                taken += got
                self._explained += got
                if not got:
                    self._ended = True
                    return taken
                if taken == size or not incoming.pending:
                    return taken
        except ssl.SSLWantReadError:
            return taken or None
        except ssl.SSLZeroReturnError:
            self._ended = True
        except ssl.SSLError as error:
            self._failed(error, taken)
        return taken

    def _failed(self, error: ssl.SSLError, taken: int) -> None:
        """Raise what `error` means; if something was read before it, with the next read."""
        truncated = self._eof and isinstance(error, ssl.SSLEOFError)
        made = TlsError.Truncated() if truncated else self._translated(error)
        if not taken:
            raise made from None
        self._deferred = made

    def write(self, data: memoryview) -> int:
        try:
            return self._object.write(data)
        except ssl.SSLError as error:
            raise self._translated(error) from None

    def close_notify(self) -> None:
        try:
            self._object.unwrap()
            self._ended = True  # the peer's had come
        except ssl.SSLError:
            pass  # the alert is in the output; unwrap() now waits for input, which the reader handles
        except ValueError:
            pass  # before the handshake there is no connection to end

    @property
    def pending_output(self) -> int:
        return self._outgoing.pending

    def take_output(self, limit: int | None = None) -> bytes:
        return self._outgoing.read() if limit is None else self._outgoing.read(limit)

    @property
    def version(self) -> TlsVersion | None:
        name = self._object.version()
        if name is not None:
            return _VERSIONS.get(name)
        # OpenSSL tells the version only after the handshake. Before that, the cipher suite shows TLS 1.3,
        # and the ServerHello shows the other versions.
        cipher = self._object.cipher()
        if cipher is None or self._is_server:
            return None
        return TlsVersion.Tls13 if cipher[1] == "TLSv1.3" else chosen_version(self._first)

    @property
    def cipher(self) -> str | None:
        cipher = self._object.cipher()
        return None if cipher is None else cipher[0]

    @property
    def alpn(self) -> str | None:
        return self._object.selected_alpn_protocol()

    @property
    def peer_chain(self) -> tuple[Certificate, ...]:
        chain = self._certificates("get_unverified_chain")
        if chain:
            return chain
        try:
            own = self._object.getpeercert(True)
        except ValueError:  # the handshake is not done
            own = None
        return (Certificate(own),) if own else ()

    @property
    def built_path(self) -> tuple[Certificate, ...]:
        return self._certificates("get_verified_chain")

    def _certificates(self, name: str) -> tuple[Certificate, ...]:
        """What a method of the connection lists.

        It is public from Python 3.13 on. From 3.10 on, an inner object has the same method.
        """
        for owner in (self._object, getattr(self._object, "_sslobj", None)):
            method = getattr(owner, name, None)
            if method is not None:
                # A server without a certificate of its client finds None in the list.
                return tuple(Certificate(_der(item)) for item in method() or () if item is not None)
        return ()

    @property
    def server_name(self) -> str | None:
        name = self._object.server_hostname
        return name if isinstance(name, str) else None

    @property
    def resumed(self) -> bool | None:
        return self._object.session_reused

    @property
    def extended_master_secret(self) -> bool | None:
        return True if self.version is TlsVersion.Tls13 else None

    @property
    def verified(self) -> bool | None:
        if not self._verifies or self._object.version() is None or self._object.session_reused:
            return None
        return True if self._object.getpeercert(True) else None

    def take_sessions(self) -> tuple[ResumableSession, ...]:
        if not self._looks:
            return ()
        if self._count is None:
            self._looks = False  # before TLS 1.3 there is one, and it is there with the handshake
        elif self._count.content - self._explained - self._object.pending() < _TICKET:
            return ()
        elif not self._incoming.pending:  # what OpenSSL has not taken yet may be the ticket: look again then
            self._explained = self._count.content - self._object.pending()
        session = self._object.session
        # Each ticket makes another session; of several that came at once, OpenSSL keeps the last.
        if session is None or session == self._given or not (session.has_ticket or session.id):
            return ()
        self._given = session
        life = session.ticket_lifetime_hint
        if not life:
            if self._count is not None:
                return ()  # a ticket that is to be thrown away at once
            life = session.timeout
        return (ResumableSession(STANDARD, self.version, session, life),)

    def explain(self, error: TlsError) -> TlsError:
        if isinstance(error, TlsError.CertificateVerificationFailed):
            explain_refusal(error, self.peer_chain, self.built_path, datetime.now(UTC))
        return error

    def _translated(self, error: ssl.SSLError) -> TlsError:
        if not self._is_server and (mirrored := another_client(self._first)):
            return mirrored
        return from_ssl_error(
            error,
            server_name=self._server_name,
            received=self._first,
            latest=self._latest,
            version=refused_version(self._first, self._config),
        )


def _der(item: Any) -> bytes:
    # Python 3.13's public method returns bytes. Older versions return an object of `_ssl`.
    return item if isinstance(item, bytes) else bytes(item.public_bytes(_ENCODING_DER))
