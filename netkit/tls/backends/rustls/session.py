"""One side of a TLS connection: rustls, with bytes for everything that comes and goes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from netkit import _rustls
from netkit.tls.backend import CertificateRequest, KernelSecret, KernelSecrets, ResumableSession, TlsSession
from netkit.tls.backends import key_log
from netkit.tls.backends.peer import FIRST, another_client, hostname_for, refused_version
from netkit.tls.backends.rustls.failures import translated
from netkit.tls.backends.rustls.wishes import suite_name
from netkit.tls.clear import begins_like_tls
from netkit.tls.errors import TlsError
from netkit.tls.hello.codes import NamedGroup, SignatureScheme
from netkit.tls.verifying.explain import explain_refusal
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.tls.config import TlsConfig, Verifier


class _Turn(threading.local):
    """The session that rustls works for on this thread: the verifier is one of the configuration."""

    session: RustlsSession | None = None


turn = _Turn()


class Named(Protocol):
    """What the session needs of its backend."""

    @property
    def name(self) -> str: ...


class Native(Protocol):
    """What the session needs of its configuration."""

    @property
    def backend(self) -> Named: ...
    @property
    def verifier(self) -> Verifier | None: ...

    @property
    def config(self) -> TlsConfig: ...
    @property
    def native(self) -> _rustls.Config: ...
    @property
    def key_log(self) -> str | None: ...


class RustlsSession(TlsSession):
    """One side of a TLS connection. It uses rustls."""

    def __init__(self, prepared: Native, server_name: str | None, resume: ResumableSession | None) -> None:
        self._backend = prepared.backend.name
        self._verifier = prepared.verifier
        self._config = prepared.config
        self._key_log = prepared.key_log
        self._asked_name = server_name
        self._first = b""
        self._done = False
        self._came_early = False  # a server has early data, so it has answered the hello
        self._refusal: BaseException | None = None  # what the verifier raised
        name = None if self._config.is_server else hostname_for(self._config, server_name)
        self._sni = name
        ticket = resume.value if resume is not None and resume.backend == self._backend else None
        if not isinstance(ticket, _rustls.Ticket):
            ticket = None
        try:
            self._session = _rustls.Session(prepared.native, name, ticket)
        except ValueError as error:
            raise TlsError.InvalidConfig("server_name", str(error)) from None

    # Ciphertext.

    def feed(self, data: bytes | memoryview) -> None:
        if len(self._first) < FIRST:
            self._first = (self._first + bytes(data[:FIRST]))[:FIRST]
        self._session.feed(data)

    def feed_eof(self) -> None:
        self._session.feed_eof()

    @property
    def pending_output(self) -> int:
        return self._session.pending_output

    def take_output(self, limit: int | None = None) -> bytes:
        return self._session.take_output(limit)

    # The handshake.

    def handshake(self) -> bool:
        if len(self._first) >= 3 and not begins_like_tls(self._first):
            # rustls would wait for as many octets as the text of another protocol says that its record has.
            raise TlsError.NotTls(self._first)
        turn.session = self
        try:
            self._done = self._session.handshake()
        except _rustls.TlsFailure as failure:
            if self._refusal is not None:
                raise self._refusal from None
            raise self._translated(failure) from None
        finally:
            turn.session = None
            self._write_key_log()
        return self._done

    def judge(self, chain: Sequence[bytes], name: str | None) -> bool:
        """Ask the caller's verifier; what it raises goes to who made the handshake.

        `name` is what a server's client asked for; the session itself answers nothing meanwhile. A server
        that refuses an encrypted hello is judged by the public name of its ECHConfig: retry configs of
        somebody else do not count (RFC 9849 section 6.1.7).
        """
        verifier = self._verifier
        assert verifier is not None
        try:
            asked = self._asked_name or (name if self._config.is_server else self._sni)
            if self._config.ech_config_list is not None and name not in (None, self._sni):
                asked = name
            verifier(tuple(map(Certificate, chain)), asked)
        except BaseException as error:  # it goes to the caller when rustls has returned
            self._refusal = error
            return False
        return True

    def _write_key_log(self) -> None:
        if self._key_log and (lines := self._session.take_key_log()):
            key_log.append(self._key_log, "".join(f"{line}\n" for line in lines).encode("ascii"))

    # Plaintext.

    def read(self, size: int) -> bytes | None:
        try:
            return self._session.read(size)
        except _rustls.TlsFailure as failure:
            raise self._translated(failure) from None

    def read_into(self, view: memoryview) -> int | None:
        try:
            return self._session.read_into(view)
        except _rustls.TlsFailure as failure:
            raise self._translated(failure) from None

    def write(self, data: memoryview) -> int:
        try:
            return self._session.write(data)
        except _rustls.TlsFailure as failure:
            raise self._translated(failure) from None

    def close_notify(self) -> None:
        self._session.close_notify()

    # Early data.

    def write_early_data(self, data: memoryview) -> int:
        try:
            return self._session.write_early(data)
        except _rustls.TlsFailure as failure:
            raise self._translated(failure) from None
        finally:
            self._write_key_log()

    def read_early_data(self) -> bytes:
        data = self._session.read_early()
        self._came_early = self._came_early or bool(data)
        return data

    @property
    def early_data_accepted(self) -> bool | None:
        return self._session.early_accepted

    # What is known.

    @property
    def version(self) -> TlsVersion | None:
        number = self._session.version
        return None if number is None else TlsVersion(number)

    @property
    def cipher(self) -> str | None:
        number = self._session.suite
        return None if number is None else suite_name(number)

    @property
    def alpn(self) -> str | None:
        name = self._session.alpn
        return None if name is None else name.decode("latin-1")

    @property
    def server_name(self) -> str | None:
        return self._session.server_name if self._config.is_server else self._sni

    @property
    def group(self) -> str | None:
        number = self._session.group
        return None if number is None else NamedGroup(number).name

    @property
    def signature_scheme(self) -> str | None:
        number = self._session.scheme
        return None if number is None else SignatureScheme(number).name

    @property
    def peer_chain(self) -> tuple[Certificate, ...]:
        return tuple(map(Certificate, self._session.peer_chain))

    @property
    def ocsp_response(self) -> bytes | None:
        return self._session.ocsp if self._config.request_ocsp else None

    @property
    def client_certificate_requested(self) -> CertificateRequest | None:
        names = self._session.requested
        return None if names is None else CertificateRequest(tuple(names))

    @property
    def resumed(self) -> bool | None:
        return self._session.resumed if self._done or self._came_early else None

    @property
    def extended_master_secret(self) -> bool | None:
        return True if self.version is TlsVersion.Tls13 else None

    @property
    def verified(self) -> bool | None:
        return self._session.verified

    @property
    def ech_accepted(self) -> bool | None:
        return self._session.ech_accepted

    @property
    def ech_retry_configs(self) -> bytes | None:
        return self._session.ech_retry_configs

    def take_sessions(self) -> tuple[ResumableSession, ...]:
        if self._config.session_store is None:
            return ()
        return tuple(
            ResumableSession(
                self._backend,
                self.version,
                ticket,
                max_early_data=ticket.max_early_data,
                alpn=self.alpn,
            )
            for ticket in self._session.take_tickets()
        )

    def export_keying_material(self, label: bytes, context: bytes | None, length: int) -> bytes:
        try:
            return self._session.export(label, context, length)
        except ValueError as error:
            raise TlsError.HandshakeFailed(str(error), fault="caller") from None

    def update_keys(self) -> None:
        try:
            self._session.update_keys()
        except ValueError as error:
            raise TlsError.CapabilityError("update_keys", str(error)) from None

    @property
    def pending_input(self) -> int:
        return self._session.pending_input

    def extract_secrets(self) -> KernelSecrets:
        version = self.version
        try:
            send, receive, unread = self._session.extract_secrets()
        except ValueError as error:
            raise TlsError.CapabilityError("enable_ktls", str(error)) from None
        assert version is not None
        return KernelSecrets(version, _secret(send), _secret(receive), unread)

    def explain(self, error: TlsError) -> TlsError:
        chain = self.peer_chain
        if chain and isinstance(error, TlsError.CertificateVerificationFailed):
            explain_refusal(error, chain, self.built_path, datetime.now(UTC))
        return error

    def _translated(self, failure: _rustls.TlsFailure) -> TlsError:
        if not self._config.is_server and (mirrored := another_client(self._first)):
            return mirrored
        return translated(
            failure.args,
            is_server=self._config.is_server,
            handshaking=not self._done,
            server_name=self._asked_name,
            received=self._first,
            version=refused_version(self._first, self._config),
            retry_configs=self._session.ech_retry_configs,
        )


def _secret(parts: tuple[str, bytes, bytes, int]) -> KernelSecret:
    cipher, key, iv, sequence = parts
    return KernelSecret(cipher, sequence, key, iv)


def judged(chain: Sequence[bytes], name: str | None) -> bool:
    """The verifier of every configuration that has one: it asks that of the session that is running."""
    session = turn.session
    return session is not None and session.judge(chain, name)
