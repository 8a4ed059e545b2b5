"""`TlsStream`: TLS over any byte stream, as a byte stream.

A session (see `backends`) holds the TLS state and turns bytes into bytes. This module decides when bytes
move. RFC 8446 and RFC 5246; closing as in RFC 8446 section 6.1.

Rules (the details of rule 8 of `netkit.io`):
- Ciphertext is sent in the order in which the session made it. It stays in the session's output until it is
  sent. `_flush` waits until the peer takes it; only one `_flush` runs at a time.
- Reading may produce ciphertext (the answer to a KeyUpdate). The reader offers it to the socket and does not
  wait. The rest is sent with the next write, which RFC 8446 section 4.6.3 allows. If a peer causes answers
  but does not read them, the stream fails at `OUTBOX_LIMIT`.
- A lock protects the session, for one reader thread and one writer thread. It is never held across a yield.
- Encryption cannot be undone. So if a write is interrupted before its ciphertext is sent, the stream is
  marked as broken.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    BrokenStreamError,
    BusyError,
    ByteStream,
    CancellationToken,
    ClosedError,
    Event,
    Flow,
    LimitExceeded,
    Want,
    deadline_after,
    phase,
    run,
    run_async,
)
from netkit.io.stream import LINGER, QUIET, RECEIVE_SIZE
from netkit.tls.backends import TlsSession, new_session
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.tls.certificate import Certificate
    from netkit.tls.versions import TlsVersion

#: How much plaintext is encrypted before the ciphertext is sent: a few records of 16 KiB.
SEND_SIZE = 65536

#: The most ciphertext that is received at once for a large body, in bytes.
FEED_SIZE = 1 << 20

#: The limit for unsent ciphertext that reading has produced, in bytes. An answer to a KeyUpdate has about 30.
OUTBOX_LIMIT = 262_144


class TlsStream(ByteStream):
    """A TLS connection over another stream: a `ByteStream` that encrypts.

        config = TlsConfig.client()
        with TlsStream.connect(TcpStream.connect("example.com:443"), "example.com", config) as stream:
            stream.write_all(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
            print(stream.negotiated_version, stream.read())

    Reading raises `TlsError.Truncated` if the connection ends without the peer's close_notify: the data may
    be incomplete. From the beginning of the handshake this stream owns the stream below, and closes it
    together with itself, also when the handshake fails.
    """

    _what = "TLS stream"

    def __init__(
        self, inner: ByteStream, session: TlsSession, config: TlsConfig, server_name: str | None = None
    ) -> None:
        """A stream over `inner`, without a handshake yet. Use `connect` or `accept` to get a connection."""
        super().__init__()
        self._inner = inner
        self._session = session
        self._config = config
        self._lock = threading.Lock()
        self._leaving = memoryview(b"")  # ciphertext taken from the session and not sent yet
        self._flushing = False
        self._cipher = memoryview(b"")  # where ciphertext of large bodies is received
        self._read_ahead: list[bytes] = []  # plaintext that `_finish` had to read to get past it
        self._failure: TlsError | None = None  # what ended the reading side
        self._established = False
        self._finished = False
        self._stopped = False
        self._closed = False
        self.server_name = server_name

    # Handshakes.

    @classmethod
    def connect_flow(cls, inner: ByteStream, server_name: str | None, config: TlsConfig) -> Flow[Self]:
        """Flow: `connect`, for other flows to `yield from`."""
        session = _session_or_close(inner, config, server_name, as_server=False)
        stream = cls(inner, session, config, server_name)
        yield from stream.handshake_flow()
        return stream

    @classmethod
    def accept_flow(cls, inner: ByteStream, config: TlsConfig) -> Flow[Self]:
        """Flow: `accept`, for other flows to `yield from`."""
        stream = cls(inner, _session_or_close(inner, config, None, as_server=True), config)
        yield from stream.handshake_flow()
        return stream

    @classmethod
    def connect(
        cls,
        inner: ByteStream,
        server_name: str | None,
        config: TlsConfig | None = None,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Make a handshake as the client over `inner`, a connected stream.

        The peer's certificate must be valid for `server_name`, a name or an address. A name is also sent as
        SNI. None is only for configurations that verify nothing. `timeout` limits the whole handshake, in
        seconds.

        Raises TlsError (see its variants), DeadlineExceeded, CancellationError. Each of them closes `inner`.
        """
        flow = cls.connect_flow(inner, server_name, config or TlsConfig.client())
        with phase(_doing(server_name), "tls"):
            return run(flow, deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    async def connect_async(
        cls,
        inner: ByteStream,
        server_name: str | None,
        config: TlsConfig | None = None,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Make a handshake as the client over `inner`; arguments and errors as `connect`."""
        flow = cls.connect_flow(inner, server_name, config or TlsConfig.client())
        with phase(_doing(server_name), "tls"):
            return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    def accept(
        cls,
        inner: ByteStream,
        config: TlsConfig,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Make a handshake as the server over `inner`, an accepted stream. Errors as `connect`."""
        with phase("in the TLS handshake with a client", "tls"):
            return run(cls.accept_flow(inner, config), deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    async def accept_async(
        cls,
        inner: ByteStream,
        config: TlsConfig,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Make a handshake as the server over `inner`; arguments and errors as `accept`."""
        with phase("in the TLS handshake with a client", "tls"):
            flow = cls.accept_flow(inner, config)
            return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)

    def handshake_flow(self) -> Flow[None]:
        """Flow: the handshake. Raises TlsError. If it does not succeed, both streams are closed.

        After a failure, what is already known about the peer can still be read.
        """
        try:
            yield from self._shake_hands()
            self._established = True
            if self._config.verify_mode is CertVerifyMode.Custom and self._config.verifier is not None:
                self._config.verifier(self.peer_chain, self.server_name)
        except TlsError as error:
            self._offer_output()  # send the alert with the reason, if the socket takes it at once
            self.close()
            raise self._session.explain(error) from None
        except OSError as error:
            self.close()
            if isinstance(error, (ClosedError, TimeoutError)):
                raise
            reason = f"the connection failed during the handshake: {error.strerror or error}"
            raise TlsError.IoError(reason, error.errno) from error
        except BaseException:
            self.close()
            raise

    def _shake_hands(self) -> Flow[None]:
        turns = 0
        while True:
            with self._lock:
                done = self._session.handshake()
            yield from self._flush()
            if done:
                return
            yield from self._feed()
            turns += 1
            if turns % OPERATIONS_PER_TURN == 0:
                yield PAUSE

    # The three flows of a ByteStream.

    def _receive(self) -> Flow[None]:
        turns = 0
        while not self._take_plaintext():
            if not (yield from self._feed()):
                return
            turns += 1
            if turns % OPERATIONS_PER_TURN == 0:
                yield PAUSE

    def _take_plaintext(self) -> bool:
        """Put what the session can decrypt into the buffer, or note the end. False if it needs more input."""
        self._check_open()
        with self._lock:
            data = self._read_session()
        self._offer_output()
        if data is None:
            if self._session.pending_output > OUTBOX_LIMIT:
                raise LimitExceeded("answers that the peer provokes without reading them", OUTBOX_LIMIT)
            return False
        if data:
            self._buffer.put(data)
        else:
            self._eof = True
        return True

    def _send(self, data: memoryview) -> Flow[int]:
        self._check_open()
        if self._finished:
            raise ClosedError(f"{self._what}'s writing side")
        with self._lock:
            sent = self._session.write(data[:SEND_SIZE])
        try:
            yield from self._flush()
        except BaseException:
            self._broken = BrokenStreamError(0, sent)
            raise
        return sent

    def _finish(self) -> Flow[None]:
        self._check_open()
        if not self._finished:
            self._finished = True
            with self._lock:
                self._put_close_notify()
        yield from self._flush()
        yield from self._inner.flush()  # so that a close after this loses no data in the stream below

    def _put_close_notify(self) -> None:
        # OpenSSL looks for the peer's close_notify at once, and fails if unread data comes before it.
        while self._failure is None:
            try:
                data = self._session.read(RECEIVE_SIZE)
            except TlsError as error:
                self._failure = error
                break
            if data:
                self._read_ahead.append(data)
            else:
                if data == b"":
                    self._read_ahead.append(data)
                break
        self._session.close_notify()

    def _read_session(self) -> bytes | None:
        if self._read_ahead:
            return self._read_ahead.pop(0)
        if self._failure is not None:
            raise self._failure
        try:
            return self._session.read(RECEIVE_SIZE)
        except TlsError as error:
            self._failure = error  # a TLS connection does not recover: the next read raises the same error
            raise

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` bytes into `view`; 0 at the end of the stream.

        They are decrypted directly into it, unless some are in the buffer already, and the ciphertext comes
        in larger pieces: for large bodies.
        """
        if self._buffer or self._eof or self._read_ahead or self._failure is not None or not view:
            return (yield from super().read_into_flow(view))
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        self._reading = True
        turns = 0
        try:
            while (size := self._decrypt_into(view)) is None:
                cipher = self._cipher or memoryview(bytearray(RECEIVE_SIZE))
                count = yield from self._inner.read_into_flow(cipher)
                if not self._take_ciphertext(cipher[:count]):
                    return 0
                # It grows while the peer fills it, and goes when little comes: an idle stream has none.
                if count * 8 < len(cipher):
                    self._cipher = memoryview(b"")
                elif count == len(cipher) < min(FEED_SIZE, len(view)):
                    self._cipher = memoryview(bytearray(2 * count))
                else:
                    self._cipher = cipher
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
            return size
        finally:
            self._reading = False

    def _decrypt_into(self, view: memoryview) -> int | None:
        """Decrypt what there is into `view`; 0 is the end, None that more input is needed."""
        self._check_open()
        try:
            with self._lock:
                size = self._session.read_into(view)
        except TlsError as error:
            self._failure = error
            raise
        self._offer_output()
        if size is None and self._session.pending_output > OUTBOX_LIMIT:
            raise LimitExceeded("answers that the peer provokes without reading them", OUTBOX_LIMIT)
        self._eof = size == 0
        return size

    # Ciphertext, in and out.

    def _feed(self) -> Flow[bool]:
        """Flow: wait for ciphertext from the peer, and give it to the session.

        False if reading was stopped (`stop_reading`): the stream is at its end, and nothing is missing.
        """
        return self._take_ciphertext((yield from self._inner.read_flow(RECEIVE_SIZE)))

    def _take_ciphertext(self, data: bytes | memoryview) -> bool:
        """Give the session what came; `b""` is the end below. False if this stream has ended by that."""
        if not data and self._stopped:
            self._eof = True
            return False
        with self._lock:
            if data:
                self._session.feed(data)
            else:
                self._session.feed_eof()
        return True

    def stop_reading(self, quiet: float = QUIET) -> None:
        """End the stream for its reader when the peer has sent nothing for `quiet` seconds."""
        self._check_open()
        if self._established:  # a handshake that is cut off counts as failed
            self._stopped = True
        self._inner.stop_reading(quiet)

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """Flow: after `finish`, end the connection below, drop input until the peer ends it, then close.

        The result is 0: the dropped input is ciphertext, and the peer's close_notify is a part of it.
        """
        try:
            yield from self._inner.finish()
            yield from self._inner.lingering_close(quiet)
            return 0
        finally:
            self.close()

    def _flush(self) -> Flow[None]:
        """Flow: send all ciphertext. If it is interrupted, the next call sends the rest, in order."""
        with self._lock:
            self._flushing = True
        try:
            while True:
                if not self._leaving:
                    with self._lock:
                        self._leaving = memoryview(self._session.take_output())
                    if not self._leaving:
                        return
                sent = yield from self._inner.write_flow(self._leaving)
                self._leaving = self._leaving[sent:]
        finally:
            self._flushing = False

    def flush(self) -> Flow[None]:
        """Flow: wait until the system has everything that was written, and what `offer` has taken."""
        if self.unsent:
            self._begin_writing()
            try:
                yield from self._flush()
            finally:
                self._writing = False
        yield from self._inner.flush()

    def _offer_output(self) -> None:
        """Send the ciphertext that the socket takes at once. Do nothing if another call is sending."""
        if not (self._session.pending_output or self._leaving):
            return
        with self._lock:
            if self._flushing or self._broken is not None:
                return
            if not self._leaving:
                self._leaving = memoryview(self._session.take_output())
            while self._leaving:
                try:
                    sent = self._inner.try_send(self._leaving)
                except OSError:
                    return  # the next write raises the error
                if not sent:
                    return
                self._leaving = self._leaving[sent:]

    # Steps that never wait.

    def try_fill(self, *, fresh: bool = False) -> bool:
        """Receive and decrypt what is there, without waiting. True if there are bytes, or the end."""
        if self._buffer or self._eof:
            return True
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        self._reading = True
        try:
            while not self._take_plaintext():
                if not self._inner.try_fill(fresh=fresh):
                    return False
                if not self._take_ciphertext(self._inner._buffer.take(RECEIVE_SIZE)):
                    return True
            return True
        finally:
            self._reading = False

    def offer(self, data: bytes | memoryview) -> int:
        """Encrypt as much of `data` as goes into one piece, and send what the socket takes at once.

        Nothing is taken while ciphertext of an earlier piece is still unsent.
        """
        self._check_open()
        self._offer_output()
        if not data or self._writing or self._broken is not None or self._finished or self.unsent:
            return 0
        with self._lock:
            taken = self._session.write(memoryview(data)[:SEND_SIZE])
        self._offer_output()
        return taken

    @property
    def unsent(self) -> int:
        """How many bytes of ciphertext wait to be sent."""
        return len(self._leaving) + self._session.pending_output

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        """What to wait for: that of the stream below, and its writing side while ciphertext is unsent."""
        return self._inner.want(write=write or self.unsent > 0, event=event, until=until)

    # The end.

    def shutdown(self, *, timeout: float | None = None, cancel: CancellationToken | None = None) -> None:
        """Send close_notify: nothing can be written after it. Reading continues to the peer's close_notify.

        A peer with TLS 1.2 or older answers with its own close_notify at once, and discards the data that it
        has not sent yet (RFC 5246 section 7.2.1).
        """
        with phase("closing TLS"):
            run(self.finish(), deadline=self._write_deadline(timeout), cancel=cancel)

    async def shutdown_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send close_notify; as `shutdown`."""
        with phase("closing TLS"):
            await run_async(self.finish(), deadline=self._write_deadline(timeout), cancel=cancel)

    def close(self) -> None:
        """Close both streams at once, from any thread. close_notify is sent if the socket takes it at once.

        A call that is waiting on the stream raises ClosedError.
        """
        if self._closed:
            return
        self._closed = True
        if self._established and not self._finished and not self._inner.is_closed:
            self._say_goodbye()
        self._inner.close()

    def _say_goodbye(self) -> None:
        if not self._lock.acquire(blocking=False):
            return  # another thread uses the session, and closing does not wait
        try:
            if self._flushing or self._broken is not None:
                return
            self._put_close_notify()
        finally:
            self._lock.release()
        self._offer_output()

    @property
    def is_closed(self) -> bool:
        """Whether this stream, or the one below it, was closed."""
        return self._closed or self._inner.is_closed

    # The results of the handshake.

    @property
    def negotiated_version(self) -> TlsVersion | None:
        """The protocol version; None until the server has chosen one."""
        return self._session.version

    @property
    def cipher(self) -> str | None:
        """The cipher suite, by OpenSSL's name (`"TLS_AES_256_GCM_SHA384"`)."""
        return self._session.cipher

    @property
    def alpn_protocol(self) -> str | None:
        """The application protocol that both sides agreed on (`"h2"`), or None."""
        return self._session.alpn

    @property
    def alpn(self) -> str | None:
        """The same as `alpn_protocol`."""
        return self._session.alpn

    @property
    def peer_certificate(self) -> Certificate | None:
        """The peer's certificate, None if it sent none."""
        chain = self.peer_chain
        return chain[0] if chain else None

    @property
    def peer_chain(self) -> tuple[Certificate, ...]:
        """All certificates in the order the peer sent them, the peer's own certificate first."""
        with self._lock:
            return self._session.peer_chain

    @property
    def tls_server_end_point(self) -> bytes | None:
        """The channel binding of RFC 5929 section 4.1: a hash of the peer's certificate.

        The hash function is the one of the certificate's signature: 32 bytes of SHA-256 for most certificates
        (and for those signed with MD5 or SHA-1), 48 bytes for SHA-384. SCRAM-SHA-256-PLUS uses this value.
        """
        certificate = self.peer_certificate
        return None if certificate is None else certificate.channel_binding_hash

    @property
    def peer_cert_hash_sha256(self) -> bytes | None:
        """SHA-256 of the peer's certificate, 32 bytes. For channel binding use `tls_server_end_point`."""
        certificate = self.peer_certificate
        return None if certificate is None else bytes.fromhex(certificate.fingerprint_sha256)

    @property
    def gone(self) -> Event:
        """Set when the stream is closed."""
        return self._inner.gone

    @property
    def below(self) -> ByteStream:
        """The stream that this one runs over."""
        return self._inner

    def get_ref(self) -> ByteStream:
        """The stream below, to read its addresses and options. Never read or write it: that breaks TLS."""
        return self._inner

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else str(self._session.version or "in its handshake")
        return f"<TlsStream {self.server_name or ''} {state} over {self._inner!r}>"


def _session_or_close(
    inner: ByteStream, config: TlsConfig, server_name: str | None, *, as_server: bool
) -> TlsSession:
    try:
        if config.is_server is not as_server:
            side, method = ("a server's", "accept") if config.is_server else ("a client's", "connect")
            raise TlsError.InvalidConfig("is_server", f"these are {side} settings: use {method}")
        return new_session(config, server_name)
    except BaseException:
        inner.close()
        raise


def _doing(server_name: str | None) -> str:
    return f"in the TLS handshake with {server_name}" if server_name else "in the TLS handshake"
