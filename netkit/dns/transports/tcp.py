"""A query over TCP: two octets of length before each message (RFC 1035 section 4.2.2, RFC 7766)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit.dns.errors import DnsError
from netkit.dns.transports.reply import Ignored, Reply, decode_reply
from netkit.io import UnexpectedEof, before
from netkit.net.connect import connect_first
from netkit.net.errors import ConnectError
from netkit.net.tcp import TcpStream

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.messages.message import Message, Question
    from netkit.io import ByteStream, Flow


def exchange_tcp(
    query: Message,
    server: SocketAddr,
    *,
    until: float | None,
    source: SocketAddr | None = None,
    exact_case: bool = True,
    ignored: Ignored | None = None,
    question: Question | None = None,
) -> Flow[Reply]:
    """Flow: connect to `server`, send `query`, and wait for its answer until the moment `until`.

    `ignored` is as in `exchange_udp`. Raises DnsError.Timeout, NetworkError (also where the server closes
    without an answer), and InvalidResponse.
    """
    asked = query.question[0] if query.question else None
    about: dict[str, Any] = {
        "name": asked.name if asked else None,
        "rdtype": asked.rdtype if asked else None,
        "server": server,
    }
    ignored = ignored or Ignored()
    begun = monotonic()

    def silence(_: Exception) -> DnsError:
        return DnsError.Timeout(monotonic() - begun, 1, hint=ignored.hint, **about)

    exchange = _exchange(query, server, source, exact_case, ignored, question, begun)
    try:
        return (yield from before(until, exchange, expired=silence))
    except UnexpectedEof as error:
        reason = "the server closed the connection without an answer"
        raise DnsError.NetworkError(reason, **about) from error
    except ConnectError as error:
        reason = error.attempts[-1].outcome if error.attempts else str(error)
        raise DnsError.NetworkError(reason, error.errno, **about) from error
    except OSError as error:
        if isinstance(error, DnsError):
            raise
        raise DnsError.NetworkError.from_os_error(error, **about) from error


def _exchange(
    query: Message,
    server: SocketAddr,
    source: SocketAddr | None,
    exact_case: bool,
    ignored: Ignored,
    question: Question | None,
    begun: float,
) -> Flow[Reply]:
    made = yield from connect_first([server], source=source)
    with TcpStream(made.sock, made.descriptor, peer=server) as stream:
        yield from stream.write_all_flow(framed(query.to_wire()))
        while True:
            wire = yield from receive_framed(stream)
            message = decode_reply(query, wire, server, exact_case=exact_case, question=question)
            if message is not None:
                return Reply(
                    query,
                    message,
                    server=server,
                    transport="tcp",
                    wire=wire,
                    elapsed_s=monotonic() - begun,
                    ignored=ignored.count,
                )
            ignored.add(query, wire, server)


def framed(wire: bytes) -> bytes:
    """A message with its length in front, to be sent in one piece (RFC 7766 section 8)."""
    return len(wire).to_bytes(2, "big") + wire


def receive_framed(stream: ByteStream) -> Flow[bytes]:
    """Flow: the next message. Raises UnexpectedEof where the stream ends before it is whole."""
    length = int.from_bytes((yield from stream.read_exactly_flow(2)), "big")
    return (yield from stream.read_exactly_flow(length))
