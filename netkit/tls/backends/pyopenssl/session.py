"""One side of a TLS connection: pyOpenSSL's `Connection` over two memory BIOs."""

from __future__ import annotations

import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

from netkit.tls import verify_codes as codes
from netkit.tls.backend import Capability
from netkit.tls.backends.peer import FIRST, another_client, hostname_for, refused_version
from netkit.tls.backends.pyopenssl.bindings import (
    allocate,
    ffi,
    found,
    incoming_of,
    lib,
    outgoing_of,
)
from netkit.tls.backends.pyopenssl.callbacks import turn
from netkit.tls.backends.pyopenssl.failures import taken_failure, verify_failure
from netkit.tls.backends.pyopenssl.known import NAME, KnownSession
from netkit.tls.backends.pyopenssl.resumption import from_octets
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.openssl_errors import from_openssl
from netkit.tls.verifying.explain import explain_refusal
from netkit.tls.verifying.hostname import ip_reference

if TYPE_CHECKING:
    from netkit.tls.backend import ResumableSession
    from netkit.tls.backends.pyopenssl.bindings import Pointer
    from netkit.tls.config import TlsConfig
    from netkit.tls.openssl_errors import OpensslFailure

#: The most plaintext that one call gives, in bytes: the memory for it is allocated before.
_MOST: Final = 65_536

#: What SSL_read_early_data returns (they are bound as no constants).
_EARLY_DATA: Final = 1
_EARLY_DATA_END: Final = 2

#: A refusal whose alert is certificate_unknown, which says nothing that the verifier did not say: OpenSSL
#: sends it for every code that it has no other alert for.
_REFUSED: Final = 1_000


class PyopensslSession(KnownSession):
    """One side of a TLS connection. It uses OpenSSL through pyOpenSSL."""

    def __init__(
        self,
        config: TlsConfig,
        context: SSL.Context,
        server_name: str | None,
        resume: ResumableSession | None,
    ) -> None:
        super().__init__(config, context, server_name)
        self._incoming = incoming_of(self._connection)
        self._outgoing = outgoing_of(self._connection)
        self._place = ffi.new("char **")
        self._first = b""
        self._latest = b""
        self._eof = False
        self._idle = False  # all input was read: there is no use in asking OpenSSL again
        self._pending = 0  # bytes of output
        self._each_ticket = False
        self._deferred: TlsError | None = None  # what the next read raises
        self._verdict: int | None = None  # what the verifier said
        self._early = bytearray()
        self._early_awaited = config.is_server and config.max_early_data > 0
        self._early_sent = 0
        self._early_limit = 0
        if config.is_server:
            self._connection.set_accept_state()
        else:
            self._begin_as_client(resume)

    def _begin_as_client(self, resume: ResumableSession | None) -> None:
        self._connection.set_connect_state()
        host = hostname_for(self._config, self._asked_name)
        if host is not None:
            self._name_server(host)
        if self._config.session_store is not None:
            # OpenSSL stops behind each ticket. Otherwise only the last of several would be seen.
            lib.SSL_clear_mode(self._ssl, lib.SSL_MODE_AUTO_RETRY)
            self._each_ticket = True
        if self._config.request_ocsp:
            self._connection.request_ocsp()
        if resume is not None:
            self._resume(resume)

    def _resume(self, session: ResumableSession) -> None:
        """Offer a session to the server. One of another backend is passed over, and what cannot be read."""
        if session.backend != NAME or not session.data or Capability.Resumption not in found():
            return
        own = from_octets(session.data)
        if own is not None and lib.SSL_set_session(self._ssl, own) == 1:
            self._early_limit = session.max_early_data
            self._seen = own  # no new one: a ticket is used once (RFC 8446 appendix C.4)
        lib.ERR_clear_error()

    def _name_server(self, host: str) -> None:
        """Send the name, and let OpenSSL compare it with the certificate, which it does not by default."""
        address = ip_reference(host)
        if address is None:
            self._sni = host
            self._connection.set_tlsext_host_name(host.encode("ascii"))
        if self._config.verify_mode is not CertVerifyMode.Full:
            return
        parameters = lib.SSL_get0_param(self._ssl)
        # RFC 9525: no common name; a wildcard is a whole label.
        flags = lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | lib.X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
        lib.X509_VERIFY_PARAM_set_hostflags(parameters, flags)
        if address is None:
            name = host.encode("ascii")
            taken = lib.X509_VERIFY_PARAM_set1_host(parameters, name, len(name))
        else:
            taken = lib.X509_VERIFY_PARAM_set1_ip(parameters, address.packed, len(address.packed))
        if not taken:
            lib.ERR_clear_error()
            raise TlsError.InvalidConfig("server_name", f"{host!r} cannot be verified")

    # Ciphertext.

    def feed(self, data: bytes | memoryview) -> None:
        if len(self._first) < FIRST:
            self._first = (self._first + bytes(data[:FIRST]))[:FIRST]
        # For an alert in the clear. Views come after the handshake, where alerts are encrypted.
        self._latest = data if isinstance(data, bytes) else b""
        lib.BIO_write(self._incoming, ffi.from_buffer(data), len(data))
        self._idle = False

    def feed_eof(self) -> None:
        self._eof = True
        self._idle = False
        self._connection.bio_shutdown()

    @property
    def pending_output(self) -> int:
        return self._pending

    def _count_output(self) -> None:
        """Note how much output there is. Whatever makes any ends with it: asking is called far more often."""
        self._pending = lib.BIO_get_mem_data(self._outgoing, self._place)

    def take_output(self, limit: int | None = None) -> bytes:
        count = self._pending if limit is None else min(limit, self._pending)
        if count <= 0:
            return b""
        memory = allocate("char[]", count)
        lib.BIO_read(self._outgoing, memory, count)
        self._pending -= count
        return ffi.buffer(memory, count)[:]

    # The handshake.

    def handshake(self) -> bool:
        lib.ERR_clear_error()
        try:
            with turn.of(self):
                if self._early_awaited and not self._await_early_data():
                    return False
                result = lib.SSL_do_handshake(self._ssl)
        finally:
            self._count_output()
        if result == 1:
            turn.check()
            self._finish()
            return True
        return self._stopped(result)

    def _stopped(self, result: int) -> bool:
        """What stopped OpenSSL: False if it needs more input, else the error is raised."""
        turn.check()
        code = lib.SSL_get_error(self._ssl, result)
        if code == lib.SSL_ERROR_WANT_READ:
            return False
        raise self._failure(code)

    def _finish(self) -> None:
        self._done = True
        if self._config.is_server:
            # A connection that is freed without its end takes its session along. That was a rule of TLS 1.0,
            # and is none since (RFC 5246 section 7.2.1). Clients resume copies.
            ends = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN
            weakref.finalize(self, self._connection.set_shutdown, ends).atexit = False
        if self._early_sent:
            self._early_taken = self.heard.takes_early_data
        mode = self._config.verify_mode
        if mode is CertVerifyMode.None_ or self.resumed:
            return
        if not self._config.is_server and lib.SSL_get_peer_cert_chain(self._ssl) == ffi.NULL:
            # A cipher list can allow suites without a certificate, for which OpenSSL verifies nothing.
            raise TlsError.HandshakeFailed("the peer sent no certificate, and one is required")
        # OpenSSL asks for every chain. A chain that it did not ask for is not accepted unseen.
        if mode is CertVerifyMode.Custom and self.peer_chain:
            self.judge()

    @property
    def verdict(self) -> int:
        return _REFUSED if self._verdict is None else self._verdict

    def judge(self) -> None:
        if self._verdict is not None:
            return
        verifier = self._config.verifier
        assert verifier is not None
        try:
            verifier(self.peer_chain, self._asked_name or self.server_name)
            self._verdict = codes.OK
        except BaseException as error:
            self._verdict = _code_of(error)
            raise
        finally:
            lib.ERR_clear_error()  # what the verifier left there is no failure of this handshake

    def _failure(self, code: int) -> TlsError:
        """The error for a call that failed; what OpenSSL says of it is taken from its queue."""
        refused = lib.SSL_get_verify_result(self._ssl)
        # A close_notify in the middle ends the handshake as the end of the connection does.
        failure = taken_failure(is_eof=code in (lib.SSL_ERROR_SYSCALL, lib.SSL_ERROR_ZERO_RETURN))
        if failure.reason == "CERTIFICATE_VERIFY_FAILED" and refused != codes.OK:
            failure = verify_failure(refused)
        return self._translated(failure)

    # Early data.

    def write_early_data(self, data: memoryview) -> int:
        piece = data[: self._early_limit]
        if not piece:
            return 0
        written = ffi.new("size_t *")
        lib.ERR_clear_error()
        with turn.of(self):
            result = lib.SSL_write_early_data(self._ssl, ffi.from_buffer(piece), len(piece), written)
        self._count_output()
        if result != 1:
            self._stopped(result)
            return 0
        self._early_sent = len(piece)
        return len(piece)

    def _await_early_data(self) -> bool:
        """Take the early data that came. True when there will be no more."""
        memory = allocate("char[]", _MOST)
        count = ffi.new("size_t *")
        while True:
            result = lib.SSL_read_early_data(self._ssl, memory, _MOST, count)
            if result == _EARLY_DATA_END:
                self._early_awaited = False
                return True
            if result != _EARLY_DATA:
                return self._stopped(0)
            self._early_taken = True
            self._early += ffi.buffer(memory, int(count[0]))[:]  # type: ignore[call-overload]

    def read_early_data(self) -> bytes:
        data = bytes(self._early)
        self._early.clear()
        return data

    def _write_before_finished(self, data: memoryview) -> int:
        """Encrypt `data` for a client whose Finished has not come."""
        written = ffi.new("size_t *")
        result = lib.SSL_write_early_data(self._ssl, ffi.from_buffer(data), len(data), written)
        self._count_output()
        turn.check()
        if result != 1:
            raise self._failure(lib.SSL_get_error(self._ssl, result))
        size: int = written[0]  # type: ignore[assignment]  # what a size_t is
        return size

    # Plaintext.

    def read(self, size: int) -> bytes | None:
        if self._idle:
            return None
        most = min(size, _MOST)
        memory = allocate("char[]", most)
        taken = self._decrypt(memory, most)
        return None if taken is None else ffi.buffer(memory, taken)[:]

    def read_into(self, view: memoryview) -> int | None:
        if self._idle:
            return None
        # Given back at once: a view that is still lent when a cycle of references (an exception, its frames)
        # is collected crashes the interpreter.
        with ffi.from_buffer(view) as memory:
            return self._decrypt(memory, len(view))

    def _decrypt(self, memory: Pointer, size: int) -> int | None:
        """Decrypt what there is and fits into `memory`: 0 is the end, None that input is needed."""
        if self._deferred is not None:
            raise self._deferred
        ssl, incoming, place = self._ssl, self._incoming, self._place
        taken = 0
        lib.ERR_clear_error()
        while taken < size:
            count = lib.SSL_read(ssl, memory + taken, size - taken)
            if count <= 0:
                if self._each_ticket and self._took_ticket(count):
                    continue
                self._count_output()
                return self._ended(count, taken)
            taken += count
            if not lib.BIO_get_mem_data(incoming, place):
                # What OpenSSL holds is not a whole record, or it is one that did not fit.
                self._idle = taken < size and not self._eof
                break
        self._count_output()
        turn.check()
        return taken

    def _took_ticket(self, result: int) -> bool:
        """Whether OpenSSL stopped behind a ticket with more input left; its session is noted."""
        left = lib.BIO_get_mem_data(self._incoming, self._place)
        if not left or lib.SSL_get_error(self._ssl, result) != lib.SSL_ERROR_WANT_READ:
            return False
        self._note_session()
        return True

    def _ended(self, result: int, taken: int) -> int | None:
        turn.check()
        code = lib.SSL_get_error(self._ssl, result)
        if code == lib.SSL_ERROR_WANT_READ:
            self._idle = True
            return taken or None
        if code == lib.SSL_ERROR_ZERO_RETURN:
            return taken
        failure = taken_failure(is_eof=code == lib.SSL_ERROR_SYSCALL)
        is_eof = failure.is_eof or failure.reason == "UNEXPECTED_EOF_WHILE_READING"
        made = TlsError.Truncated() if self._eof and is_eof else self._translated(failure)
        if not taken:
            raise made
        self._deferred = made
        return taken

    def write(self, data: memoryview) -> int:
        size = len(data)
        if not size:
            return 0
        lib.ERR_clear_error()
        if self._early_taken and not self._done and self._config.is_server:
            return self._write_before_finished(data)
        count = lib.SSL_write(self._ssl, ffi.from_buffer(data), size)
        self._count_output()
        turn.check()
        if count <= 0:
            raise self._failure(lib.SSL_get_error(self._ssl, count))
        return count

    def close_notify(self) -> None:
        try:
            self._connection.shutdown()
        except SSL.Error:
            pass  # before the handshake, and after a failure, there is no connection to end
        self._count_output()

    def explain(self, error: TlsError) -> TlsError:
        if isinstance(error, TlsError.CertificateVerificationFailed):
            explain_refusal(error, self.peer_chain, self.built_path, datetime.now(UTC))
        return error

    def _translated(self, failure: OpensslFailure) -> TlsError:
        if not self._config.is_server and (mirrored := another_client(self._first)):
            return mirrored
        return from_openssl(
            failure,
            server_name=self._asked_name,
            received=self._first,
            latest=self._latest,
            version=refused_version(self._first, self._config),
        )


def _code_of(refusal: BaseException) -> int:
    """The `X509_V_ERR_` code by which OpenSSL chooses the alert for a refusal."""
    code = refusal.code if isinstance(refusal, TlsError.CertificateVerificationFailed) else None
    return code if code is not None and code > codes.UNSPECIFIED else _REFUSED
