"""Ask a server for TLS over any byte stream: as a flow, blocking, and async.

    report = starttls(stream, "smtp", host="mail.example.com", timeout=10)
    tls = TlsStream.connect(stream, "mail.example.com")

When the flow returns, the server waits for the ClientHello. When it raises, the caller must close the stream.
It has no time limit of its own, so the caller sets a deadline: a server may say nothing, or only a byte a
minute.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    ClosedError,
    DeadlineExceeded,
    Flow,
    Interrupted,
    deadline_after,
    phase,
    run,
    run_async,
)
from netkit.tls.errors import TlsError
from netkit.tls.starttls.names import StartTlsProtocol, starttls_protocol
from netkit.tls.starttls.negotiation import Negotiation
from netkit.tls.starttls.wire import Caller, StartTlsReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.io import ByteStream, CancellationToken

#: What this side calls itself where it must say a name and has none (RFC 5321 section 4.1.4: "a client that
#: has no meaningful name SHOULD send an address literal").
CLIENT_NAME = "[127.0.0.1]"

log = Log("netkit.tls")


def starttls_flow(
    stream: ByteStream, protocol: StartTlsProtocol | str, *, host: str, client_name: str = CLIENT_NAME
) -> Flow[StartTlsReport]:
    """Flow: `starttls`, for other flows to `yield from`."""
    chosen = starttls_protocol(protocol) if isinstance(protocol, str) else protocol
    negotiation = Negotiation(chosen, Caller(host, client_name))
    with phase(asking(chosen, host), "tls"), _explained(negotiation):
        turns = 0
        while True:
            yield from _send(stream, negotiation)
            if negotiation.report is not None:
                break
            data = yield from stream.read_flow()
            if not data:
                raise negotiation.end()
            negotiation.feed(data)
            turns += 1
            if turns % OPERATIONS_PER_TURN == 0:
                yield PAUSE
        # What has come by now came in the clear: a server waits for the ClientHello.
        if stream.try_fill(fresh=True):
            negotiation.feed(bytes(stream.peek()))
    log.debug("%s: TLS can begin: %s", chosen.title, negotiation.report.answer)
    return negotiation.report


def starttls(
    stream: ByteStream,
    protocol: StartTlsProtocol | str,
    *,
    host: str,
    client_name: str = CLIENT_NAME,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> StartTlsReport:
    """Ask the server at the other end of `stream` for TLS, in its own protocol.

    `protocol` is one of `PROTOCOLS`, or a name that `starttls_protocol` takes. `host` is the name of the
    server: XMPP asks for it. `client_name` is what SMTP and LMTP call this side, a name or an address
    literal. `timeout` limits the whole dialogue, in seconds.

    Returns what the server said. The next bytes on `stream` are those of TLS, which this side begins.

    Raises StartTlsError (see its variants; UnknownProtocol and InvalidName before anything is sent),
    `TlsError.IoError` if the connection fails, DeadlineExceeded, CancellationError. After an error the caller
    must close the stream.
    """
    flow = starttls_flow(stream, protocol, host=host, client_name=client_name)
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def starttls_async(
    stream: ByteStream,
    protocol: StartTlsProtocol | str,
    *,
    host: str,
    client_name: str = CLIENT_NAME,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> StartTlsReport:
    """Ask the server at the other end of `stream` for TLS; arguments, result and errors as `starttls`."""
    flow = starttls_flow(stream, protocol, host=host, client_name=client_name)
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def asking(protocol: StartTlsProtocol, host: str) -> str:
    """What the dialogue does, for the message when its deadline passes."""
    return f"asking {host} for TLS in {protocol.title}"


def _send(stream: ByteStream, negotiation: Negotiation) -> Flow[None]:
    """Flow: send what the negotiation wants sent."""
    data = negotiation.outgoing()
    if not data:
        return
    try:
        yield from stream.write_all_flow(data)
    except ConnectionError:
        # Who refuses a client says why and hangs up; the words are there although this write failed.
        said = stream.try_take()
        if said:
            negotiation.feed(said)
        raise


@contextmanager
def _explained(negotiation: Negotiation) -> Iterator[None]:
    """Failures of the connection become a TlsError; a deadline that passes says what may be the matter."""
    try:
        yield
    except Interrupted as interrupted:
        error = interrupted.error
        if isinstance(error, DeadlineExceeded) and error.hint is None:
            error.hint = negotiation.doubt
        raise
    except OSError as error:
        if isinstance(error, (TlsError, ClosedError, TimeoutError)):
            raise
        reason = f"the connection failed before TLS: {error.strerror or error}"
        raise TlsError.IoError(reason, error.errno) from error
