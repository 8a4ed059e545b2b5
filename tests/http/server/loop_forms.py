"""One connection of a server, in the loop or in a flow of its own, with the client in the same thread.

Client and server take turns in one driver: the client sends a piece, and goes on when the server has
received it. So a test says exactly which octets come together, without threads and without waiting.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence

from netkit.http import Request, Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.h1.flow import H1Serving
from netkit.http.server.h1.flow_loop import loop_for
from netkit.http.server.handling.handlers import flow_handler
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.service import Service
from netkit.io import PAUSE, Event, Flow, beside, run, run_async
from netkit.net.sockets import unread
from netkit.net.tcp import TcpStream

#: What handlers of these tests are: a function of a request.
INLINE = ServerConfig(threads=0)


class Notes:
    """A watcher that keeps what it is told, as text that is the same in both forms."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        head = exchange.head
        assert elapsed >= 0
        self.said.append(
            f"{head!r} {head.fields!r} {exchange.version} length={exchange.length} body={exchange.has_body} "
            f"-> {exchange.status} received={exchange.received} sent={exchange.sent} "
            f"number={exchange.connection.requests} {type(error).__name__}"
        )

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        self.said.append(f"fault {type(error).__name__}: {error}")


class Outcome:
    """What a client got from a server, up to the end of the connection, and what the server says of it."""

    def __init__(self, octets: bytes, said: list[str], counts: dict[str, object], by_loop: int) -> None:
        self.octets = re.sub(rb"(?i)\r\ndate: [^\r]*GMT\r\n", rb"\r\ndate: now\r\n", octets)
        self.said = said
        self.counts = counts
        #: How often the handler was called by the loop, without a flow.
        self.by_loop = by_loop

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Outcome)
        return (self.octets, self.said, self.counts) == (other.octets, other.said, other.counts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Outcome {self.octets!r} {self.said} {self.counts}>"


def exchange_octets(
    handler: object,
    pieces: Sequence[bytes],
    *,
    in_loop: bool,
    config: ServerConfig = INLINE,
    watch: bool = True,
    settle: bool = False,
    awaited: bool = False,
) -> Outcome:
    """Serve one client, who sends these pieces and then no more, and reads all that comes.

    `settle`: each piece is sent when the loop has the connection again. `awaited`: in an event loop.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    stream = TcpStream(ours)
    notes = Notes() if watch else None
    service = Service(flow_handler(handler, config), config, Event(), notes)  # type: ignore[arg-type]
    loop = loop_for(service) if in_loop else None
    assert loop is not None or not in_loop
    facts = ConnectionFacts(1, "", "", None)
    got = bytearray()

    def has_ended() -> bool:
        """Read what has come; whether the server has ended the connection."""
        try:
            while data := theirs.recv(65536):
                got.extend(data)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            pass
        return True

    def client() -> Flow[None]:
        ended = False
        for piece in pieces:
            try:
                theirs.sendall(piece)
            except OSError:
                break  # the server has ended the connection
            while not stream.is_closed and (unread(ours) or (settle and loop and not loop.places)):
                # It reads meanwhile: a server whose answer is not taken does not go on reading.
                ended = ended or has_ended()
                yield PAUSE
        theirs.shutdown(socket.SHUT_WR)
        while not (ended or has_ended()):
            yield PAUSE

    def server() -> Flow[None]:
        try:
            yield from H1Serving(service, stream, facts, loop=loop).run_flow()
        finally:
            stream.close()

    def both() -> Flow[None]:
        serving = server()
        yield from beside(_all(serving, client()), *([] if loop is None else loop.flows()))

    with theirs:
        try:
            if awaited:
                asyncio.run(run_async(both()))
            else:
                run(both())
        finally:
            if loop is not None:
                loop.close()
    counts = service.counts
    told: dict[str, object] = {
        name: getattr(counts, name)
        for name in ("requests", "failed", "faults", "received", "sent", "statuses")
    }
    return Outcome(
        bytes(got),
        [] if notes is None else notes.said,
        told,
        0 if loop is None else loop.answered,
    )


def _all(*flows: Flow[None]) -> Flow[None]:
    from netkit.io import all_of

    yield from all_of(flows)


class Mirror:
    """Answers with what it was asked, or as the path says."""

    def handle(self, request: Request) -> Response:
        from netkit.http.server.request import ServerRequest

        assert isinstance(request, ServerRequest)
        match request.path:
            case "/raise":
                raise KeyError("a secret")
            case "/none":
                return None  # type: ignore[return-value]  # a handler that is wrong
            case "/close":
                return Response(200, headers={"Connection": "close", "X-Is": "last"}, body=b"bye")
            case "/empty":
                return Response(200)
            case "/204":
                return Response(204, headers={"X-Is": "nothing"}, body=b"dropped")
            case "/304":
                return Response(304, headers={"ETag": '"a"', "Content-Length": "7"})
            case "/304-body":
                return Response(304, body=b"dropped")
            case "/length":
                return Response(200, headers={"Content-Length": "12", "Transfer-Encoding": "chunked"})
            case "/bad-length":
                return Response(200, headers={"Content-Length": "many"}, body=b"x")
            case "/426":
                return Response(426, headers={"Upgrade": "h2c"}, body=b"upgrade")
            case "/103":
                return Response(103)
            case "/dated":
                return Response(200, headers={"date": "Thu, 01 Jan 1970 00:00:00 GMT", "Server": "mine"})
            case "/host-field":
                return Response(200, headers={"Host": "not.sent"}, body=b"x")
            case "/large":
                return Response(200, body=b"x" * 200_000)
            case "/streamed":
                from netkit.http.server.response import StreamedResponse

                return StreamedResponse(200, iter([b"one ", b"two"]), trailers=lambda: [(b"x-end", b"yes")])
            case "/refuse":
                from netkit.http import HttpError

                raise HttpError.InvalidValue("x", "the caller is wrong", fault="caller")
        seen = (
            f"{request.method} {request.uri} {request.version} {request.authority} {request.body!r} "
            f"{request.trailers} {request.headers.fields} {request.connection.requests}\n"
        )
        return Response(200, headers={"Content-Type": "text/plain"}, body=seen.encode())
