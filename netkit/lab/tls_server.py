"""`TlsServer`: a TLS server for tests, whose certificates and conduct depend on the name that is asked for.

For each connection: read the ClientHello, choose a `Site` by its server name, do what the site's `Conduct`
says in place of a handshake, or make the handshake and hand the stream to what talks. Everything that a
client does with the handshake is told as a `Handshake`, also where it failed: why is what a test wants to
know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netkit._log import Log
from netkit.io import ByteStream, ClosedError, Flow, Semaphore, all_of, before, race, sleep_until
from netkit.lab.tls_conduct import (
    GOOD,
    HTTP_ANSWER,
    HTTPS_WANTED,
    SMTP_BANNER,
    SSH_BANNER,
    Breach,
    Conduct,
    TamperedStream,
    TruncatedStream,
)
from netkit.serve.connections import Served, serve
from netkit.serve.farewell import farewell_flow, reset
from netkit.serve.stop import another_request, finishing, leave
from netkit.tls.alerts import alert_name
from netkit.tls.connection.resolving import hello_flow
from netkit.tls.hello.errors import HelloError, PlainProtocol
from netkit.tls.hello.records import Alert
from netkit.tls.stream import TlsStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import SocketAddr
    from netkit.io import Event
    from netkit.net.listening import StreamListener
    from netkit.tls.config import TlsConfig
    from netkit.tls.hello.client_hello import ClientHello
    from netkit.tls.x509.certificate import Certificate

log = Log("netkit.lab.tls")

#: How long a client has for its ClientHello, and for the rest of the handshake, in seconds.
HANDSHAKE_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Site:
    """What is served under a name: the settings of TLS, and the conduct. `name` is for logs."""

    config: TlsConfig
    conduct: Conduct = GOOD
    name: str | None = None


#: Chooses the site for the name that a client asks for (SNI, in lower case); None is no name.
Chooser: TypeAlias = Callable[["str | None"], Site]


class Handshake:
    """What became of the handshake of one connection.

    `number` counts connections from 1; `place` is that of the listener among the server's. `hello` is what
    the client has asked for, None if it sent no ClientHello that can be read. `tls` is the connection where
    there is one. `error` is why there is none, `deed` what the server has done in place of it. `elapsed` is
    in seconds since `begun` (monotonic).
    """

    __slots__ = (
        "begun",
        "deed",
        "elapsed",
        "error",
        "hello",
        "local",
        "number",
        "peer",
        "place",
        "site",
        "tls",
    )

    def __init__(self, number: int, place: int, peer: SocketAddr | str, local: SocketAddr | str) -> None:
        self.number = number
        self.place = place
        self.peer = peer
        self.local = local
        self.hello: ClientHello | None = None
        self.site: Site | None = None
        self.tls: TlsStream | None = None
        self.error: Exception | None = None
        self.deed: str | None = None
        self.begun = monotonic()
        self.elapsed = 0.0

    @property
    def server_name(self) -> str | None:
        """The name that the client has asked for (SNI), in lower case."""
        name = None if self.hello is None else self.hello.server_name
        return None if name is None else name.lower()

    @property
    def client_certificate(self) -> Certificate | None:
        """The client's certificate, if it has shown one."""
        return None if self.tls is None else self.tls.peer_certificate


#: Answers the early data of a connection whose client has not finished its handshake, until it has.
Early: TypeAlias = Callable[[TlsStream], Flow[None]]

#: Talks over a connection whose handshake is made, until it is over or `stop` is set.
Talk: TypeAlias = Callable[[ByteStream, Handshake, "Event"], Flow[None]]


def echo_flow(stream: ByteStream, handshake: Handshake, stop: Event) -> Flow[None]:
    """Flow: send back what comes, early data first, until the client has finished."""
    if handshake.tls is not None:
        stream.put_back(handshake.tls.take_early_data())
    while (yield from another_request(stream, stop)):
        yield from stream.write_all_flow((yield from stream.read_flow()))
    yield from stream.finish()


def echo_early_flow(tls: TlsStream) -> Flow[None]:
    """Flow: send back early data at once, until the client has finished its handshake."""
    while data := (yield from tls.read_early_flow()):
        yield from tls.write_all_flow(data)


class TlsServer:
    """Serves TLS at `listeners`, which it closes at the end.

        server = TlsServer([TcpListener.bind("127.0.0.1:8443")], lambda name: Site(config), echo_flow)
        run(server.serve(stop))

    `wrap` makes the stream below TLS from an accepted one: faults on purpose. `on_handshake` is told of each
    handshake when it is over. `numbers` are those of the connections: a server of several processes gives
    each of them others. No more than `max_connections` are served at once, over all listeners. `early`
    answers early data where a site's `TlsConfig.half_rtt` hands connections out before the client has
    finished; without it, that is waited for.
    """

    def __init__(
        self,
        listeners: Sequence[StreamListener[Any, Any]],
        choose: Chooser,
        talk: Talk,
        *,
        wrap: Callable[[Any], ByteStream] | None = None,
        on_handshake: Callable[[Handshake], object] | None = None,
        max_connections: int | None = None,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
        early: Early | None = None,
    ) -> None:
        self._listeners = list(listeners)
        self._choose = choose
        self._talk = talk
        self._wrap = wrap
        self._on_handshake = on_handshake
        self._timeout = handshake_timeout
        self._early = early
        self.max_connections = max_connections
        self.numbers = count(1)
        self.connections = Served()
        self.handshakes = 0
        self.refused = 0

    def counts(self) -> dict[str, int]:
        """The counts so far: `refused` are connections with a deed in place of a handshake."""
        return {
            "connections": self.connections.accepted,
            "active": len(self.connections.active),
            "handshakes": self.handshakes,
            "refused": self.refused,
            "failed": self.connections.failed,
            "cut_off": self.connections.cut_off,
        }

    def serve(self, stop: Event, *, drain: float | None = None) -> Flow[None]:
        """Flow: serve until `stop` is set; open connections then have `drain` seconds to end."""
        room: int | Semaphore | None = self.max_connections
        if self.max_connections is not None and len(self._listeners) > 1:
            room = Semaphore(self.max_connections)
        finish = finishing(stop)
        flows: list[Flow[Any]] = [
            serve(
                listener,
                self._handler(place, finish),
                stop=stop,
                drain=drain,
                hurry=leave,
                max_connections=room,
                served=self.connections,
            )
            for place, listener in enumerate(self._listeners)
        ]
        try:
            yield from all_of(flows)
        finally:
            self.close()

    def close(self) -> None:
        """Release the listeners, from any thread."""
        for each in self._listeners:
            each.close()

    def _handler(self, place: int, finish: Event) -> Callable[[Any], Flow[None]]:
        def handling(accepted: Any) -> Flow[None]:
            told = Handshake(next(self.numbers), place, accepted.peer_addr, accepted.local_addr)
            stream: ByteStream = accepted if self._wrap is None else self._wrap(accepted)
            try:
                told.tls = yield from self._shake_hands(stream, told, finish)
            except ClosedError:
                raise  # the server has cut it off
            except Exception as error:
                if told.deed is None:  # what a client does after that does not matter
                    told.error = error
                    self.connections.failed += 1
            if told.deed is None:
                self._tell(told)
            if told.tls is None:
                yield from _hello_refused(stream, told.error)
                stream.close()
                return
            truncates = told.site is not None and told.site.conduct.truncates
            outer: ByteStream = TruncatedStream(told.tls) if truncates else told.tls
            try:
                yield from self._talk(outer, told, finish)
                yield from farewell_flow(outer)
            finally:
                outer.close()

        return handling

    def _do(self, told: Handshake, deed: str) -> None:
        """Note, and tell, what is done in place of a handshake."""
        told.deed = deed
        self._tell(told)

    def _tell(self, told: Handshake) -> None:
        told.elapsed = monotonic() - told.begun
        if told.tls is not None:
            self.handshakes += 1
        elif told.error is None:
            self.refused += 1
        log.debug("connection %d from %s: %s", told.number, told.peer, told.error or told.deed or told.tls)
        if self._on_handshake is not None:
            self._on_handshake(told)

    def _shake_hands(self, stream: ByteStream, told: Handshake, finish: Event) -> Flow[TlsStream | None]:
        """Flow: the TLS connection; None where the server did something else."""
        told.site = site = self._choose(None)
        first = site.conduct.breach
        if first is not None and (first.speaks_first or first is Breach.Silent):
            self._do(told, first.words)
            yield from _breach_flow(stream, first, finish)
            return None
        until = monotonic() + self._timeout
        told.hello = yield from before(until, hello_flow(stream), "waiting for a ClientHello")
        told.site = site = self._choose(told.server_name)
        conduct = site.conduct
        if conduct.slow:
            yield from race(sleep_until(monotonic() + conduct.slow), stream.gone.wait())
            until = monotonic() + self._timeout
        if conduct.alert is not None:
            self._do(told, f"sent the alert {alert_name(conduct.alert)} ({conduct.alert})")
            yield from stream.write_all_flow(Alert.fatal(conduct.alert).to_record())
            yield from farewell_flow(stream)
            return None
        if conduct.breach is not None and not conduct.breach.needs_handshake:
            self._do(told, conduct.breach.words)
            yield from _breach_flow(stream, conduct.breach, finish)
            return None
        if not conduct.tampers:
            return (yield from before(until, self._accepted(stream, site), "in the handshake"))
        tampered = TamperedStream(stream, conduct)
        try:
            return (yield from before(until, self._accepted(tampered, site), "in the handshake"))
        except Exception:
            if not tampered.is_over or conduct.breach is None:
                raise
            self._do(told, conduct.breach.words)
            return None

    def _accepted(self, stream: ByteStream, site: Site) -> Flow[TlsStream]:
        """Flow: the handshake to its end, and what is answered before it."""
        tls = yield from TlsStream.accept_flow(stream, site.config)
        if not tls.is_confirmed:
            yield from (self._early or TlsStream.confirm_flow)(tls)
        return tls


def _hello_refused(stream: ByteStream, error: Exception | None) -> Flow[None]:
    """Flow: tell a client what is wrong with what it sent in place of a ClientHello.

    One of plain HTTP is told in HTTP, as web servers do; a malformed hello is answered with its alert.
    """
    if isinstance(error, PlainProtocol) and error.protocol == "HTTP":
        answer = HTTPS_WANTED
    elif isinstance(error, HelloError):
        answer = Alert.fatal(error.alert).to_record()
    else:
        return
    try:
        yield from stream.write_all_flow(answer)
        yield from farewell_flow(stream)
    except OSError as failure:
        log.debug("%s: %s", stream, failure)  # it has gone


def _breach_flow(stream: ByteStream, breach: Breach, finish: Event) -> Flow[None]:
    """Flow: what a server does in place of a handshake, to the end of the connection."""
    if breach is Breach.ResetAfterHello:
        reset(stream)
        return
    if breach is Breach.Silent:
        yield from race(_drained(stream), finish.wait())
    elif breach.speaks_first:
        yield from stream.write_all_flow(SSH_BANNER if breach is Breach.PlainSsh else SMTP_BANNER)
        yield from race(stream.fill(1), finish.wait())
    elif breach is Breach.PlainHttp:
        yield from stream.write_all_flow(HTTP_ANSWER)
    yield from farewell_flow(stream)


def _drained(stream: ByteStream) -> Flow[None]:
    while (yield from stream.read_flow()):
        pass
