"""A query over UDP: one datagram to the server, and one datagram back with the answer.

Every query has its own socket, so that the system chooses a random port (RFC 5452 section 4.5). The socket is
connected, so that it receives only from the server, and a closed port is reported at once.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.transports.reply import Ignored, Reply, decode_reply
from netkit.io import OPERATIONS_PER_TURN, PAUSE, before
from netkit.net.udp import UdpSocket

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.messages.message import Message, Question
    from netkit.dns.tsig.guard import Guard
    from netkit.io import Flow


def exchange_udp(
    query: Message,
    server: SocketAddr,
    *,
    until: float | None,
    source: SocketAddr | None = None,
    exact_case: bool = True,
    ignored: Ignored | None = None,
    question: Question | None = None,
    guard: Guard | None = None,
    preface: bytes = b"",
) -> Flow[Reply]:
    """Flow: send `query` to `server` and wait for its answer until the moment `until`.

    `preface` are octets before the query. With `guard`, the query is signed, and the answer must be.
    `ignored` counts the messages that are not the answer, so that the caller can report them after a failure.
    Raises DnsError.Timeout, NetworkError, and InvalidResponse for an answer that is malformed; with `guard`,
    its objection to the last message.
    """
    asked = query.question[0] if query.question else None
    name, rdtype = (asked.name, asked.rdtype) if asked else (None, None)
    ignored = ignored or Ignored()
    begun = monotonic()
    try:
        sock = UdpSocket.connected(server, source=source)
    except OSError as error:
        raise DnsError.NetworkError.from_os_error(error, name=name, rdtype=rdtype, server=server) from error

    refusal: DnsError | None = None

    def silence(_: Exception) -> DnsError:
        return refusal or DnsError.Timeout(
            monotonic() - begun, 1, name=name, rdtype=rdtype, server=server, hint=ignored.hint
        )

    try:
        yield from sock.send_flow(preface + (query.to_wire() if guard is None else guard.wire))
        while True:
            wire, _ = yield from before(until, sock.receive_flow(), expired=silence)
            message = decode_reply(query, wire, server, exact_case=exact_case, question=question)
            refusal = guard.objection(wire) if guard is not None and message is not None else refusal
            if message is not None and refusal is None:
                elapsed = monotonic() - begun
                return Reply(
                    query,
                    message,
                    server=server,
                    transport="udp",
                    wire=wire,
                    elapsed_s=elapsed,
                    ignored=ignored.count,
                )
            ignored.add(query, wire, server)
            if ignored.count % OPERATIONS_PER_TURN == 0:
                yield PAUSE
    except OSError as error:
        if isinstance(error, DnsError):
            raise
        raise DnsError.NetworkError.from_os_error(error, name=name, rdtype=rdtype, server=server) from error
    finally:
        sock.close()
