"""When the bytes of a TLS connection move: the flows of `TlsStream` between its session and the stream below.

RFC 8446 and RFC 5246; closing as in RFC 8446 section 6.1.

Rules (the details of rule 8 of `netkit.io`):
- Ciphertext is sent in the order in which the session made it. It stays in the session's output until it is
  sent. `_flush` waits until the peer takes it; only one `_flush` runs at a time.
- Reading may produce ciphertext (the answer to a KeyUpdate). The reader offers it to the socket and does not
  wait. The rest is sent with the next write, which RFC 8446 section 4.6.3 allows. If a peer causes answers
  but does not read them, the stream fails at `OUTBOX_LIMIT`.
- A turn has an end by the octets that came, and what brings no data has a limit: see `intake`.
- A lock protects the session, for one reader thread and one writer thread. It is never held across a yield.
- A server's stream may be handed out before the client's Finished has come (`TlsConfig.half_rtt`). Who reads
  goes on with the handshake first: nothing is read that is not confirmed, and early data is kept apart.
- Encryption cannot be undone. So if a write is interrupted before its ciphertext is sent, the stream is
  marked as broken.
"""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    BrokenStreamError,
    BusyError,
    ByteStream,
    ClosedError,
    Event,
    Flow,
    LimitExceeded,
    Want,
    run,
)
from netkit.io.stream import LINGER, QUIET, RECEIVE_SIZE, WRITING
from netkit.tls.connection.early import EarlyOffer
from netkit.tls.connection.facts import TlsFacts
from netkit.tls.connection.intake import FILL_SIZE, Intake
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.io import CancellationToken
    from netkit.io.protocols import Buffer
    from netkit.tls.backend import PreparedConfig
    from netkit.tls.kernel.link import KernelLink

#: How much plaintext is encrypted before the ciphertext is sent, in bytes: a few records of 16 KiB.
SEND_SIZE = 131_072

#: How much plaintext `offer` takes at once, in bytes: its ciphertext may have to wait for the peer.
OFFER_SIZE = 65_536

#: The most ciphertext that is received at once into a caller's large buffer, in bytes.
FEED_SIZE = 1 << 20

#: The most ciphertext that leaves the session at once, in bytes: more than a piece of `SEND_SIZE` becomes.
TAKE_SIZE = 140_000

#: How many pieces of ciphertext are looked through for the alert that explains a reset.
AHEAD_LIMIT = 256

#: The limit for unsent ciphertext that reading has produced, in bytes. An answer to a KeyUpdate has about 30.
OUTBOX_LIMIT = 262_144


class TlsBytes(TlsFacts):
    """A stream over `inner` whose bytes a session encrypts and decrypts; its handshake is `TlsStream`'s."""

    _what = "TLS stream"

    def __init__(self, inner: ByteStream, prepared: PreparedConfig, server_name: str | None = None) -> None:
        """A stream over `inner`, without a handshake yet. Use `connect` or `accept` to get a connection.

        Raises TlsError for a name that cannot be verified.
        """
        super().__init__()
        self._inner = inner
        self._prepared = prepared
        self._config = prepared.config
        self._store = prepared.config.session_store
        resume = None
        if self._store is not None and server_name is not None:
            resume = self._store.take(prepared, server_name)
        self._session = prepared.session(server_name, resume)
        self._early_offer = EarlyOffer.of(resume)
        self._lock = threading.Lock()
        self._leaving: bytes | memoryview = b""  # ciphertext taken from the session and not sent yet
        self._flushing = False
        self._encrypted = 0  # how much of what is being written the session has taken
        self._hungry = False  # the session has said that it needs more input, and got none since
        self._intake = Intake()
        self._read_ahead: list[bytes] = []  # plaintext that `_finish` had to read to get past it
        self._failure: TlsError | None = None  # what ended the reading side
        self._established = False  # the handshake is over: the peer's Finished was right
        self._finished = False
        self._stopped = False
        self._closed = False
        self._asked_name = server_name
        self._first_flight = b""  # what a client sent before the handshake was done: its hello has its name
        self._early_data = bytearray()
        self._came_early = False
        self._kernel: KernelLink | None = None  # once the kernel encrypts

    @property
    def is_closed(self) -> bool:
        """Whether this stream, or the one below it, was closed."""
        return self._closed or self._inner.is_closed

    @property
    def gone(self) -> Event:
        """Set when the stream is closed."""
        return self._inner.gone

    @property
    def below(self) -> ByteStream:
        """The stream that this one runs over."""
        return self._inner

    # The three flows of a ByteStream.

    # `fill` is ByteStream's, with `_receive` inlined: it saves two generators for each message.

    def fill(self, size: int = 1) -> Flow[bool]:
        """Flow: wait until `size` bytes are in the buffer. False if the stream ends before that."""
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        buffer = self._buffer
        if len(buffer) >= size:
            return True
        self._reading = True
        self._intake.begin()
        try:
            while not self._eof:
                if not self._hungry and self._take_plaintext():
                    if len(buffer) >= size:
                        return True
                else:
                    if self._intake.is_due():
                        yield PAUSE
                    yield from self._feed()
        finally:
            self._reading = False
        return False

    def _is_ready(self) -> bool:
        if self._reading or self._eof:
            return False
        if self._buffer:
            return True
        self._reading = True
        try:
            for _ in range(OPERATIONS_PER_TURN):
                while True:  # of what was received nothing is left: who goes on waits for the socket
                    if not self._hungry and self._take_plaintext():
                        return True
                    if not self._intake.unfed:
                        break
                    self._take_step()
                # Where much comes, the next piece has often come.
                cipher = self._intake.buffer
                count = self._inner.try_read_into(cipher) if cipher else None
                if count is None or not self._take_received(count):
                    break
            return False
        finally:
            self._reading = False

    def _take_plaintext(self) -> bool:
        """Put what the session can decrypt into the buffer, or note the end. False if it needs more input."""
        if self._closed or self._inner.is_closed:
            raise ClosedError(self._what)
        if not (self._established or self._try_confirm()):
            return False
        session = self._session
        with self._lock:
            if self._read_ahead:
                data: bytes | None = self._read_ahead.pop(0)
            elif self._failure is not None:
                raise self._failure
            else:
                try:
                    data = session.read(RECEIVE_SIZE)
                except TlsError as error:
                    self._fail(error)
                    raise
                if self._store is not None:
                    self._keep_sessions()
        if self._leaving or session.pending_output:
            self._offer_output()
        if data is None:
            self._check_outbox()
            self._hungry = True
            return False
        if data:
            self._intake.found()
            self._buffer.put(data)
        else:
            self._eof = True
        return True

    def _try_confirm(self) -> bool:
        """Go on with a handshake that is not over with what has come; whether it is over now.

        Early data that came too is kept for `read_early`. What fails here, fails every later call.
        """
        try:
            with self._lock:
                if self._failure is not None:
                    raise self._failure
                self._established = self._session.handshake()
                self._keep_early_data()
            if self._established:
                self._intake.found()
        except TlsError as error:
            self._fail(error)
            self._offer_output()  # the alert with the reason, if the socket takes it at once
            raise
        self._offer_output()
        return self._established

    def _keep_early_data(self) -> None:
        """Put what has come early where it is kept apart. For who holds the lock."""
        if self._config.max_early_data:
            self._early_data += self._session.read_early_data()
            self._came_early = self._came_early or bool(self._early_data)

    def _confirming(self, *, or_early: bool) -> Flow[None]:
        """Flow: until the handshake is over; with `or_early`, until some early data is there."""
        if self._established or (or_early and self._early_data):
            return
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        self._reading = True
        self._intake.begin()
        try:
            self._check_open()
            while not (self._try_confirm() or (or_early and self._early_data)):
                if self._intake.is_due():
                    yield PAUSE
                yield from self._feed()
        finally:
            self._reading = False

    def _fail(self, error: TlsError) -> None:
        """Note what ended the connection. It does not recover: the next read raises it again."""
        self._failure = error
        self._hungry = False
        if isinstance(error, TlsError.HandshakeFailed):
            error.established = self._established

    def _check_outbox(self) -> None:
        if self._session.pending_output > OUTBOX_LIMIT:
            raise LimitExceeded("answers that the peer provokes without reading them", OUTBOX_LIMIT)

    # `write_all` and `_send_rest` are ByteStream's. What the socket takes at once needs no flow to be driven,
    # and no generator for each piece.

    def write_all(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send all of `data`. If it is interrupted after a part was sent, the stream is broken."""
        if cancel is not None:
            super().write_all(data, timeout=timeout, cancel=cancel)
            return
        view = memoryview(data).cast("B")
        self._begin_writing()
        self._encrypted = sent = 0
        try:
            for _ in range(OPERATIONS_PER_TURN):
                if sent == len(view):
                    return
                self._encrypt(view, sent)
                if not self._send_at_once():
                    break
                sent = self._encrypted
            with WRITING:
                run(self._send_rest(view, sent), deadline=self._write_deadline(timeout))
        except BaseException as error:
            self._note_stop(error, view, sent)
            raise
        finally:
            self._flushing = False
            self._writing = False

    def _send(self, data: memoryview) -> Flow[int]:
        piece = data[:SEND_SIZE]
        yield from self._send_rest(piece, 0)
        return len(piece)

    def _send_rest(self, view: memoryview, sent: int) -> Flow[None]:
        """Flow: send what of `view` follows the first `sent` bytes. For who holds the writing side."""
        total = len(view)
        turns = 0
        try:
            if not self._flushing:
                self._encrypted = sent
            elif sent < total:  # a piece that `write_all` has encrypted
                yield from self._flush()
                sent = self._encrypted
            while sent < total:
                self._encrypt(view, sent)
                if not self._send_at_once():
                    yield from self._flush()
                self._flushing = False
                sent = self._encrypted
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0 and sent < total:
                    yield PAUSE
        except BaseException as error:
            self._note_stop(error, view, sent)
            raise
        finally:
            self._flushing = False

    def _encrypt(self, view: memoryview, sent: int) -> None:
        """Encrypt a piece of `view` after its first `sent` bytes, and take it from the session.

        What the session has made before goes first. For who holds the writing side, and sends next.
        """
        if self._closed or self._finished or self._inner.is_closed:
            self._check_open()
            raise ClosedError(f"{self._what}'s writing side")
        with self._lock:
            self._flushing = True  # what reading makes meanwhile waits for its turn
            self._encrypted = sent + self._session.write(view[sent : sent + SEND_SIZE])
            if not self._leaving:
                self._leaving = self._session.take_output(TAKE_SIZE)
        if self._encrypted == sent and not self._leaving:
            raise TlsError.IoError(f"the backend {self.backend} takes nothing to encrypt")

    def _note_stop(self, error: BaseException, view: memoryview, sent: int) -> None:
        """`error` ends a write of `view`, of which `sent` bytes have gone. Raise what explains it better."""
        if self._broken is not None:
            return  # it was noted where it came up
        if self._encrypted > sent:
            self._broken = BrokenStreamError(sent, len(view))
        else:
            self._note_break(sent, view)
        if isinstance(error, ConnectionError):
            self._raise_alert(error)
        elif isinstance(error, TlsError) and self._failure is not None:
            raise self._failure from None  # the connection has failed before, and this only follows

    def _send_at_once(self) -> bool:
        """Send what is leaving without waiting; whether nothing is left. For who has set `_flushing`."""
        leaving = self._leaving
        sent = self._inner.try_send(leaving)
        self._leaving = b"" if sent == len(leaving) else memoryview(leaving)[sent:]
        return not (self._leaving or self._session.pending_output)

    def _finish(self) -> Flow[None]:
        self._check_open()
        if not self._finished:
            yield from self._confirming(or_early=False)
            self._finished = True
            with self._lock:
                self._put_close_notify()
        try:
            yield from self._flush()
            if self._kernel is not None:
                yield from self._kernel.end_flow()
            yield from self._inner.flush()  # so that a close after this loses no data in the stream below
        except ConnectionError as error:
            self._raise_alert(error)
            raise

    def _put_close_notify(self) -> None:
        # OpenSSL looks for the peer's close_notify at once, and fails if unread data comes before it.
        self._decrypt_ahead()
        self._session.close_notify()

    def _decrypt_ahead(self) -> bool:
        """Decrypt what the session has, for later reads. False at the end. For who holds the lock."""
        while self._failure is None:
            try:
                data = self._session.read(RECEIVE_SIZE)
            except TlsError as error:
                self._fail(error)
                break
            if data is None:
                return True
            self._read_ahead.append(data)
            if not data:
                break
        return False

    def _raise_alert(self, reset: ConnectionError) -> None:
        """Raise the alert by which the peer has explained `reset`, which a write met, if there is one.

        The alert was received before the reset, and nobody has read it yet. What else came is kept for
        reads. A reader that is under way finds it by itself.
        """
        if not self._reading and not isinstance(reset, NetkitError):
            self._reading = True
            try:
                self._receive_ahead()
            except OSError:
                pass  # of the same reset
            finally:
                self._reading = False
        if isinstance(self._failure, TlsError.AlertReceived):
            raise self._failure from reset

    def _receive_ahead(self) -> None:
        """Take all that was received before a reset into the session, and decrypt it."""
        for _ in range(AHEAD_LIMIT):
            with self._lock:
                if not self._established:
                    try:
                        self._session.handshake()
                    except TlsError as error:
                        self._fail(error)
                elif not self._decrypt_ahead():
                    return
            if self._failure is not None:
                return
            data: bytes | memoryview = self._intake.step()
            if not data:
                if not self._inner.try_fill(fresh=True):
                    return
                data = self._inner._buffer.take(RECEIVE_SIZE)
            if not data:
                return  # the end, which the next read finds
            self._hungry = False
            self._intake.feed(len(data))
            if self._intake.is_flood:
                return
            with self._lock:
                self._session.feed(data)

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
        self._intake.begin()
        try:
            while (size := self._decrypt_into(view)) is None:
                if self._intake.is_due():
                    yield PAUSE
                if not (yield from self._feed(min(FEED_SIZE, max(len(view), FILL_SIZE)))):
                    return 0
            return size + self._decrypt_more(view[size:]) if size and self._intake.unfed else size
        finally:
            self._reading = False

    def _decrypt_more(self, view: memoryview) -> int:
        """Decrypt into `view` the rest of what was received, as long as it is data: one call for many steps.

        What ends or fails the stream there is for the next call.
        """
        got = 0
        try:
            while self._intake.unfed and got < len(view):
                self._take_step()
                size = self._decrypt_into(view[got:])
                if not size:
                    break
                got += size
        except NetkitError:
            pass  # the stream keeps it: a failure, what waits to be sent, that it was closed
        return got

    def _decrypt_into(self, view: memoryview) -> int | None:
        """Decrypt what there is into `view`; 0 is the end, None that more input is needed."""
        self._check_open()
        if not (self._established or self._try_confirm()):
            return None
        try:
            with self._lock:
                size = self._session.read_into(view)
                if self._store is not None:
                    self._keep_sessions()
        except TlsError as error:
            self._fail(error)
            raise
        self._offer_output()
        if size is None:
            self._check_outbox()
        else:
            self._intake.found()
        self._eof = size == 0
        return size

    # Ciphertext, in and out.

    def _feed(self, most: int = FILL_SIZE) -> Flow[bool]:
        """Flow: wait for ciphertext from the peer, and give a step of it to the session.

        False if reading was stopped (`stop_reading`): the stream is at its end, and nothing is missing.

        Where much comes, it is received into a buffer, which grows up to `most` bytes while the peer fills
        it. It goes when little comes, so that an idle stream has none, and where no data comes.
        """
        if self._intake.unfed:
            return self._take_step()
        inner, cipher = self._inner, self._intake.buffer
        if not cipher:
            yield from inner.fill(1)
            data = inner._buffer.take(RECEIVE_SIZE)
            if len(data) == RECEIVE_SIZE and self._intake.barren < RECEIVE_SIZE:
                self._intake.buffer = memoryview(bytearray(FILL_SIZE))
            return self._take_ciphertext(data)
        return self._take_received((yield from inner.read_into_flow(cipher)), most)

    def _take_received(self, count: int, most: int = FILL_SIZE) -> bool:
        """Give the session a step of the `count` bytes that were received. As `_feed`."""
        self._intake.received(count, most)
        return self._take_step()

    def _take_what_came(self, *, fresh: bool) -> bool | None:
        """Give the session a step of what has come, without waiting. None if nothing has; else as `_feed`."""
        if self._intake.unfed:
            return self._take_step()
        if not self._inner.try_fill(fresh=fresh):
            return None
        return self._take_ciphertext(self._inner._buffer.take(RECEIVE_SIZE))

    def _take_step(self) -> bool:
        """Give the session the next step of what was received. As `_feed`."""
        return self._take_ciphertext(self._intake.step())

    def _take_ciphertext(self, data: bytes | memoryview) -> bool:
        """Give the session what came; `b""` is the end below. False if this stream has ended by that."""
        if not data and self._stopped:
            self._eof = True
            return False
        self._hungry = False
        if data:
            if self._established:
                self._intake.check()
            else:
                self._intake.check_handshake(self._config.max_early_data)
            self._intake.feed(len(data))
        with self._lock:
            if data:
                self._session.feed(data)
            else:
                self._session.feed_eof()
        if not self._established and self._config.is_server and len(self._first_flight) < RECEIVE_SIZE:
            self._first_flight += data
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
            try:
                yield from self._inner.lingering_close(quiet)
            except OSError as error:
                if self._kernel is None or error.errno != errno.EIO:
                    raise
                # recv(2) of a socket that the kernel decrypts meets the peer's close_notify.
            return 0
        finally:
            self.close()

    def _flush(self) -> Flow[None]:
        """Flow: send all ciphertext. If it is interrupted, the next call sends the rest, in order."""
        with self._lock:
            self._flushing = True
            if not self._leaving:
                self._leaving = self._session.take_output(TAKE_SIZE)
        try:
            while self._leaving:
                sent = self._inner.try_send(self._leaving) or (
                    yield from self._inner.write_flow(self._leaving)
                )
                self._leaving = b"" if sent == len(self._leaving) else memoryview(self._leaving)[sent:]
                if not self._leaving:
                    with self._lock:
                        self._leaving = self._session.take_output(TAKE_SIZE)
        finally:
            self._flushing = False

    def flush(self) -> Flow[None]:
        """Flow: wait until the system has everything that was written, and what `offer` has taken."""
        if self.unsent:
            self._begin_writing()
            try:
                yield from self._flush()
            except ConnectionError as error:
                self._raise_alert(error)
                raise
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
            while True:
                if not self._leaving:
                    self._leaving = self._session.take_output(TAKE_SIZE)
                    if not self._leaving:
                        return
                try:
                    sent = self._inner.try_send(self._leaving)
                except OSError:
                    return  # the next write raises the error
                if not sent:
                    return
                self._leaving = b"" if sent == len(self._leaving) else memoryview(self._leaving)[sent:]

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
                came = self._take_what_came(fresh=fresh)
                if not came:
                    return came is False
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
            taken = self._session.write(memoryview(data)[:OFFER_SIZE])
        self._offer_output()
        return taken

    @property
    def unsent(self) -> int:
        """How many bytes of ciphertext wait to be sent."""
        return len(self._leaving) + self._session.pending_output

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        """What to wait for: that of the stream below, and its writing side while ciphertext is unsent."""
        return self._inner.want(write=write or self.unsent > 0, event=event, until=until)

    def _keep_sessions(self) -> None:
        """Put the sessions that came into the store of the configuration."""
        store, name = self._store, self._asked_name
        if store is not None and name is not None:
            for session in self._session.take_sessions():
                store.put(self._prepared, name, session)

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
        if self._kernel is not None and not self.unsent:
            try:
                self._kernel.try_end()
            except OSError:
                pass  # the peer is gone
