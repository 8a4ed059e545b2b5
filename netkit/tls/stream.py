"""`TlsStream`: TLS over any byte stream, as a byte stream.

A session (see `backends`) holds the TLS state and turns bytes into bytes, and `connection.moving` decides
when bytes move. Here is how a connection begins and ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from netkit.io import (
    PAUSE,
    BusyError,
    ByteStream,
    CancellationToken,
    ClosedError,
    Flow,
    deadline_after,
    phase,
    run,
    run_async,
)
from netkit.io.stream import RECEIVE_SIZE
from netkit.tls.backend import Capability
from netkit.tls.backends import prepare
from netkit.tls.backends.needs import role_of
from netkit.tls.config import TlsConfig
from netkit.tls.connection.early import EarlyBytes
from netkit.tls.connection.moving import TAKE_SIZE, TlsBytes
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.net import TcpStream
    from netkit.tls.backend import PreparedConfig
    from netkit.tls.connection.early import EarlyWriter
    from netkit.tls.versions import TlsVersion

#: How long a server waits for the ClientHello where a resolver is asked, in seconds.
HELLO_TIMEOUT = 10.0


class TlsStream(TlsBytes):
    """A TLS connection over another stream: a `ByteStream` that encrypts.

        config = TlsConfig.client()
        with TlsStream.connect(TcpStream.connect("example.com:443"), "example.com", config) as stream:
            stream.write_all(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
            print(stream.negotiated_version, stream.read())

    Reading raises `TlsError.Truncated` if the connection ends without the peer's close_notify: the data may
    be incomplete. From the beginning of the handshake this stream owns the stream below, and closes it
    together with itself, also when the handshake fails.
    """

    # Handshakes.

    @classmethod
    def connect_flow(
        cls,
        inner: ByteStream,
        server_name: str | None,
        config: TlsConfig,
        *,
        early_data: bytes | EarlyWriter = b"",
    ) -> Flow[Self]:
        """Flow: `connect`, for other flows to `yield from`."""
        stream = cls._begun(inner, config, server_name, as_server=False)
        yield from stream.handshake_flow(early_data)
        return stream

    @classmethod
    def accept_flow(
        cls, inner: ByteStream, config: TlsConfig, *, hello_timeout: float | None = HELLO_TIMEOUT
    ) -> Flow[Self]:
        """Flow: `accept`, for other flows to `yield from`.

        `hello_timeout` is how long the ClientHello may take, in seconds, where it is read for a resolver.
        """
        if config.resolver is None:
            stream = cls._begun(inner, config, None, as_server=True)
        else:
            from netkit.tls.connection.resolving import choose_flow

            chosen = yield from choose_flow(inner, config, hello_timeout=hello_timeout)
            stream = cls._begun(inner, chosen.prepared.config, None, as_server=True, prepared=chosen.prepared)
            stream._asked_name = chosen.server_name
        yield from stream.handshake_flow()
        return stream

    @classmethod
    def _begun(
        cls,
        inner: ByteStream,
        config: TlsConfig,
        server_name: str | None,
        *,
        as_server: bool,
        prepared: PreparedConfig | None = None,
    ) -> Self:
        """A stream before its handshake; closes `inner` if there can be none."""
        try:
            if config.is_server is not as_server:
                side, method = ("a server's", "accept") if config.is_server else ("a client's", "connect")
                raise TlsError.InvalidConfig("is_server", f"these are {side} settings: use {method}")
            return cls(inner, prepared or prepare(config), server_name)
        except BaseException:
            inner.close()
            raise

    @classmethod
    def connect(
        cls,
        inner: ByteStream,
        server_name: str | None,
        config: TlsConfig | None = None,
        *,
        early_data: bytes | EarlyWriter = b"",
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Make a handshake as the client over `inner`, a connected stream.

        The peer's certificate must be valid for `server_name`, a name or an address. A name is also sent as
        SNI. None is only for configurations that verify nothing. `timeout` limits the whole handshake, in
        seconds.

        `early_data` is sent as 0-RTT where a session is resumed that allows it, and the rest of it, or all
        if the server rejects it, right after the handshake: so it is always sent once that the server takes.
        Somebody on the path can replay 0-RTT to the server (RFC 8446 section 8): give only what may come
        twice. `early_data_accepted` tells which way it went. A function gets an `EarlyOffer` once such a
        session is there, and returns the bytes: they are of the application protocol of that session, and
        where another one is agreed on, they are not sent again.

        Raises TlsError (see its variants), DeadlineExceeded, CancellationError. Each of them closes `inner`.
        """
        flow = cls.connect_flow(inner, server_name, config or TlsConfig.client(), early_data=early_data)
        with phase(_doing(server_name), "tls"):
            return run(flow, deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    async def connect_async(
        cls,
        inner: ByteStream,
        server_name: str | None,
        config: TlsConfig | None = None,
        *,
        early_data: bytes | EarlyWriter = b"",
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Make a handshake as the client over `inner`; arguments and errors as `connect`."""
        flow = cls.connect_flow(inner, server_name, config or TlsConfig.client(), early_data=early_data)
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
        """Make a handshake as the server over `inner`, an accepted stream. Errors as `connect`.

        If `config` has a resolver, the ClientHello is read first, and the resolver chooses by it what the
        client is shown. Raises what the resolver raises, too.
        """
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

    def handshake_flow(self, early_data: bytes | EarlyWriter = b"") -> Flow[None]:
        """Flow: the handshake. Raises TlsError. If it does not succeed, both streams are closed.

        After a failure, what is already known about the peer can still be read.
        """
        try:
            early = EarlyBytes.of(early_data, self._early_offer)
            sent = self._session.write_early_data(memoryview(early.data)) if early.data else 0
            if not (yield from self._shake_hands()):
                return  # there is early data to answer
            if self._config.verifier is not None and not self._verifier_was_asked():
                self._config.verifier(self.peer_chain, self.server_name)
            self._established = True
            self._intake.found()
            self._keep_sessions()
            rest = early.rest(sent if self._session.early_data_accepted else None, self._session.alpn)
            if rest:
                yield from self.write_all_flow(rest)
        except TlsError as error:
            self._offer_output()  # send the alert with the reason, if the socket takes it at once
            self.close()
            raise self._session.explain(error) from None
        except OSError as error:
            try:
                if isinstance(error, ConnectionError):
                    self._raise_alert(error)
            finally:
                self.close()
            if isinstance(error, (ClosedError, TimeoutError)):
                raise
            reason = f"the connection failed during the handshake: {error.strerror or error}"
            raise TlsError.IoError(reason, error.errno) from error
        except BaseException:
            self.close()
            raise

    def _verifier_was_asked(self) -> bool:
        capabilities = self._prepared.backend.capabilities(role_of(self._config))
        return Capability.VerifierInside in capabilities

    def _shake_hands(self) -> Flow[bool]:
        """Flow: the handshake. False where `half_rtt` ends it before its end, because early data has come."""
        if self._config.is_server:
            yield from self._feed()  # the client speaks first (RFC 8446 section 2)
        while True:
            with self._lock:
                done = self._session.handshake()
                self._keep_early_data()
                self._flushing = True
                self._leaving = self._leaving or self._session.take_output(TAKE_SIZE)
            try:
                if self._leaving and not self._send_at_once():
                    yield from self._flush()
            finally:
                self._flushing = False
            if done or (self._config.half_rtt and self._early_data):
                return done
            if self._intake.is_due():
                yield PAUSE
            yield from self._feed()

    # Before the client's Finished.

    @property
    def is_confirmed(self) -> bool:
        """Whether the handshake is over. Only with `TlsConfig.half_rtt` a server has a stream before that.

        Until then anybody can have sent the early data, who has recorded it (RFC 8446 section 4.4.4): the
        backend takes each session once, so not twice, but maybe in place of the client.
        """
        return self._established

    def try_confirm(self) -> bool:
        """Go on with the handshake, without waiting. Returns `is_confirmed`; raises as `confirm`."""
        if not self._established:
            if self._reading:
                raise BusyError(f"{self._what}'s reading side")
            while not self._try_confirm() and self._take_what_came(fresh=True) is not None:
                pass
        return self._established

    def confirm_flow(self) -> Flow[None]:
        """Flow: `confirm`, for other flows to `yield from`."""
        yield from self._confirming(or_early=False)

    def confirm(self, *, timeout: float | None = None, cancel: CancellationToken | None = None) -> None:
        """Wait until the handshake is over: the client is there itself, and no recording of it.

        What more comes early meanwhile is in `early_data` then. Every read, and `shutdown`, waits for this
        first; a write does not. Raises TlsError if the client's Finished is wrong or does not come,
        DeadlineExceeded, CancellationError; the stream stays open for the caller to close.
        """
        with phase("waiting for the client's Finished", "tls"):
            run(self.confirm_flow(), deadline=self._read_deadline(timeout), cancel=cancel)

    async def confirm_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Wait until the handshake is over; arguments and errors as `confirm`."""
        with phase("waiting for the client's Finished", "tls"):
            await run_async(self.confirm_flow(), deadline=self._read_deadline(timeout), cancel=cancel)

    def read_early_flow(self) -> Flow[bytes]:
        """Flow: `read_early`, for other flows to `yield from`."""
        yield from self._confirming(or_early=True)
        return self.take_early_data()

    def read_early(self, *, timeout: float | None = None, cancel: CancellationToken | None = None) -> bytes:
        """The early data that came and was not taken yet, at least one byte; `b""` once there is no more,
        and the handshake is over. Raises as `confirm`."""
        with phase("reading early data", "tls"):
            return run(self.read_early_flow(), deadline=self._read_deadline(timeout), cancel=cancel)

    async def read_early_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """The early data that came and was not taken yet; as `read_early`."""
        with phase("reading early data", "tls"):
            flow = self.read_early_flow()
            return await run_async(flow, deadline=self._read_deadline(timeout), cancel=cancel)

    # Keys.

    def update_keys(self) -> None:
        """Use new keys for what is written from now on, and ask the peer to do so (RFC 8446 section 4.6.3).

        This never waits: what has no room in the socket goes with the next write. Raises
        `TlsError.CapabilityError` in TLS 1.2, and where the backend cannot.
        """
        self._check_open()
        with self._lock:
            self._session.update_keys()
        self._offer_output()

    @property
    def kernel_tls(self) -> str | None:
        """`"tx+rx"` if the kernel encrypts and decrypts; None if this process does."""
        return None if self._kernel is None else "tx+rx"

    def enable_ktls(self) -> None:
        """Let the kernel encrypt and decrypt from now on (Linux, kTLS). Nothing happens if it does so.

        No call may read or write meanwhile. What was known of the connection stays known, but no keys can be
        exported or updated. If the peer updates its own (RFC 8446 section 4.6.3), reading fails. Sessions
        that the server gives from now on are dropped.

        Raises `TlsError.CapabilityError` with the reason if it cannot be, or cannot be at this moment: the
        stream goes on as before. Raises `TlsError.IoError` if the kernel fails after it had the keys: then
        the stream is closed.
        """
        if self._kernel is not None:
            return
        self._check_open()
        if self._reading or self._writing:
            raise BusyError(self._what)
        from netkit.tls.kernel.link import KernelLink, why_not
        from netkit.tls.kernel.session import KernelSession

        tcp, version, cipher = self._for_ktls()
        self._catch_up()
        if problem := self._why_not_now() or why_not(version, cipher):
            raise TlsError.CapabilityError("enable_ktls", problem)
        try:
            link = KernelLink(tcp)
        except OSError as error:
            reason = f"the kernel does not take this connection: {error.strerror or error}"
            raise TlsError.CapabilityError("enable_ktls", reason) from error
        with self._lock:
            after = KernelSession(self._session)
            secrets = self._session.extract_secrets()
            try:
                link.hand_over(secrets, after)
            except OSError as error:
                self._finished = True  # nothing can be said any more, nor a close_notify
                self.close()
                reason = f"the kernel has refused the keys: {error.strerror or error}"
                raise TlsError.IoError(reason, error.errno) from error
            self._session, self._kernel = after, link
            self._hungry = False

    def _for_ktls(self) -> tuple[TcpStream, TlsVersion, str]:
        """The connection below, and what the kernel must have. Raises TlsError where it can never be."""
        from netkit.net import TcpStream
        from netkit.tls.kernel.structures import cipher_of

        inner, session, problem = self._inner, self._session, None
        if Capability.KernelTls not in self._prepared.backend.capabilities(role_of(self._config)):
            problem = f"the backend {self.backend} does not give out its keys"
        elif not self._established or session.version is None or session.cipher is None:
            problem = "the handshake is not done"
        elif (cipher := cipher_of(session.cipher)) is None:
            problem = f"the kernel has no cipher for {session.cipher}"
        elif isinstance(inner, TcpStream):
            return inner, session.version, cipher
        else:
            problem = f"the kernel encrypts TCP, and this runs over {type(inner).__name__}"
        raise TlsError.CapabilityError("enable_ktls", problem)

    def _catch_up(self) -> None:
        """Decrypt what was received, and send what can be: both belong to the session that ends."""
        while self._intake.unfed:
            self._take_step()
        while self._inner._buffer:
            self._take_ciphertext(self._inner._buffer.take(RECEIVE_SIZE))
        with self._lock:
            self._decrypt_ahead()
        self._keep_sessions()
        self._offer_output()

    def _why_not_now(self) -> str | None:
        """Why the session cannot give out its keys at this moment."""
        if self._failure is not None or self._eof or self._read_ahead[-1:] == [b""]:
            return "the peer sends nothing any more"
        if self._finished or self._broken is not None:
            return "nothing can be written any more"
        if self.unsent:
            return "there is ciphertext that the socket did not take yet: flush first"
        if self._session.pending_input:
            return "a record was received in part: read first"
        return None

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

    def get_ref(self) -> ByteStream:
        """The stream below, to read its addresses and options. Never read or write it: that breaks TLS."""
        return self._inner

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else str(self._session.version or "in its handshake")
        return f"<TlsStream {self.server_name or ''} {state} over {self._inner!r}>"


def _doing(server_name: str | None) -> str:
    return f"in the TLS handshake with {server_name}" if server_name else "in the TLS handshake"
