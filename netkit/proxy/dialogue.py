"""The dialogue that asks a proxy for a connection: as flows over any byte stream, blocking, and async.

    socks5_flow(stream, target)    RFC 1928, RFC 1929
    http_flow(stream, target)      RFC 9110 section 9.3.6

    receive_header_flow(stream)    haproxy's proxy-protocol.txt, the receiver's side

When the first two flows return, the stream is the connection to the target: the next byte that the caller
reads is the first byte from the target. When a flow raises, the caller must close the stream, because a part
of the proxy's answer may already be read and lost. The flows have no time limit of their own. The caller sets
a deadline, because a proxy may send nothing, or only a byte a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from netkit._log import Log
from netkit._version import __version__
from netkit.addr import HostPort, to_socket_addrs_parts
from netkit.io import Flow, LimitExceeded, UnexpectedEof, deadline_after, phase, run, run_async
from netkit.proxy import http_connect, socks5
from netkit.proxy.errors import ProxyError
from netkit.proxy.header import SIGNATURE, V1_LONGEST, V2_LONGEST, ProxyHeader, v2_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.addr import SocketAddrsLike
    from netkit.io import ByteStream, CancellationToken
    from netkit.proxy.http_connect import ConnectReply, ReplyReader
    from netkit.proxy.socks5 import Bound

T = TypeVar("T")

log = Log("netkit.proxy")


def socks5_flow(
    stream: ByteStream,
    target: SocketAddrsLike,
    *,
    username: str | None = None,
    password: str | None = None,
) -> Flow[Bound]:
    """Flow: like `socks5_tunnel`, for use with `yield from` in other flows."""
    where = to_socket_addrs_parts(target)
    request = socks5.connect_request(where)
    credentials = username is not None
    login = b"" if username is None else socks5.authentication(username, password or "")

    yield from stream.write_all_flow(socks5.greeting(credentials=credentials))
    answer = yield from _exactly(stream, 2, "the method it chose")
    if socks5.chosen_method(answer, credentials=credentials) == socks5.USER_PASSWORD:
        log.debug("SOCKS: authenticating as %s", username)
        yield from stream.write_all_flow(login)
        socks5.check_authentication((yield from _exactly(stream, 2, "its verdict")), username or "")

    log.debug("SOCKS: asking for %s", where)
    yield from stream.write_all_flow(request)
    socks5.check_reply((yield from _exactly(stream, 2, "its reply")), where)
    what = "the rest of its reply"
    size = socks5.bound_size((yield from _exactly(stream, 2, what)))
    if size is None:
        (length,) = yield from _exactly(stream, 1, what)
        bound = socks5.bound_address((yield from _exactly(stream, length + 2, what)), name=True)
    else:
        bound = socks5.bound_address((yield from _exactly(stream, size, what)), name=False)
    log.debug("SOCKS: connected to %s, from %s port %d", where, *bound)
    return bound


def http_flow(
    stream: ByteStream,
    target: SocketAddrsLike,
    *,
    username: str | None = None,
    password: str | None = None,
    fields: Iterable[tuple[str, str]] = (),
    limit: int = http_connect.HEAD_LIMIT,
) -> Flow[ConnectReply]:
    """Flow: like `http_tunnel`, for use with `yield from` in other flows."""
    where = to_socket_addrs_parts(target)
    # RFC 9110 section 10.1.5: a user agent SHOULD send this field in each request.
    agent = [("User-Agent", f"netkit/{__version__}")]
    given = list(fields)
    if any(name.lower() == "user-agent" for name, _ in given):
        agent = []
    request = http_connect.connect_request(where, username=username, password=password, fields=agent + given)
    log.debug("HTTP: CONNECT %s", where)
    yield from stream.write_all_flow(request)

    reader = http_connect.ReplyReader(limit)
    for _ in range(http_connect.INTERIM_LIMIT + 1):
        reply = yield from _reply(stream, reader)
        log.debug("HTTP: %d %s", reply.status, reply.reason[:80])
        # RFC 9110 section 15.2: "A client MUST be able to parse one or more 1xx responses received prior to
        # a final response". 101 (Switching Protocols) is an error: the request did not ask for it.
        if not 100 <= reply.status <= 199 or reply.status == 101:
            http_connect.judge(reply, where, username)
            return reply
    raise ProxyError.LimitExceeded("interim answers", http_connect.INTERIM_LIMIT)


def receive_header_flow(stream: ByteStream, *, limit: int = V2_LONGEST) -> Flow[ProxyHeader]:
    """Flow: like `receive_header`, for use with `yield from` in other flows."""
    what = "a PROXY protocol header"
    # The signature tells the two versions apart. A header of either version is longer than the signature.
    data = yield from _exactly(stream, len(SIGNATURE), what)
    if data == SIGNATURE:
        data += yield from _exactly(stream, 4, what)
        data += yield from _exactly(stream, v2_size(data, limit) - 16, what)
    elif data.startswith(b"PROXY "):
        try:
            data += yield from stream.read_until_flow(b"\n", V1_LONGEST - len(data))
        except LimitExceeded:
            raise ProxyError.InvalidHeader(f"no line end within {V1_LONGEST} bytes", V1_LONGEST) from None
        except UnexpectedEof as error:
            raise ProxyError.Closed(what, len(data) + error.had) from None
    parsed = ProxyHeader.parse(data, limit=limit)
    assert parsed is not None  # the data is now complete, or is not a header
    log.debug("PROXY protocol: %s", parsed[0])
    return parsed[0]


def _reply(stream: ByteStream, reader: ReplyReader) -> Flow[ConnectReply]:
    """Flow: read the proxy's next answer. It reads the head from the stream, and no byte after the head."""
    while True:
        view = stream.peek()
        found = reader.feed(view)
        had = len(view)
        view.release()
        if found is not None:
            reply, size = found
            stream.skip(size)
            return reply
        if not (yield from stream.fill(had + 1)):
            raise ProxyError.Closed("the head of its answer", had)


def _exactly(stream: ByteStream, size: int, what: str) -> Flow[bytes]:
    try:
        return (yield from stream.read_exactly_flow(size))
    except UnexpectedEof as error:
        raise ProxyError.Closed(what, error.had) from None


# Blocking and async forms.


def socks5_tunnel(
    stream: ByteStream,
    target: SocketAddrsLike,
    *,
    username: str | None = None,
    password: str | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Bound:
    """Ask the SOCKS 5 proxy at the other end of `stream` to connect to `target`.

    Returns the address from which the proxy connected. The proxy looks up a name in `target`. With
    `username`, the client offers two methods, user name with password and no authentication, and the proxy
    chooses one. `timeout` limits the whole dialogue, in seconds.

    Raises ProxyError (InvalidProxy before anything is sent; AuthRequired, AuthFailed, SocksReply, Closed,
    InvalidReply), DeadlineExceeded, CancellationError, OSError. After an error the caller must close the
    stream.
    """
    flow = socks5_flow(stream, target, username=username, password=password)
    with phase(asking(target)):
        return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def socks5_tunnel_async(
    stream: ByteStream,
    target: SocketAddrsLike,
    *,
    username: str | None = None,
    password: str | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Bound:
    """Ask the SOCKS 5 proxy at the other end to connect to `target`; otherwise like `socks5_tunnel`."""
    flow = socks5_flow(stream, target, username=username, password=password)
    with phase(asking(target)):
        return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def http_tunnel(
    stream: ByteStream,
    target: SocketAddrsLike,
    *,
    username: str | None = None,
    password: str | None = None,
    fields: Iterable[tuple[str, str]] = (),
    limit: int = http_connect.HEAD_LIMIT,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ConnectReply:
    """Ask the HTTP proxy at the other end of `stream` to connect to `target`.

    Returns the head of the proxy's answer. The proxy looks up a name in `target`. With `username`, the
    request contains Basic credentials. `fields` are additional header fields of the request. `limit` is the
    longest head that is accepted, in bytes; `timeout` limits the whole dialogue, in seconds.

    Raises ProxyError (InvalidProxy before anything is sent; AuthRequired, AuthFailed, Status, Closed,
    InvalidReply, LimitExceeded), DeadlineExceeded, CancellationError, OSError. After an error the caller must
    close the stream.
    """
    flow = http_flow(stream, target, username=username, password=password, fields=fields, limit=limit)
    with phase(asking(target)):
        return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def http_tunnel_async(
    stream: ByteStream,
    target: SocketAddrsLike,
    *,
    username: str | None = None,
    password: str | None = None,
    fields: Iterable[tuple[str, str]] = (),
    limit: int = http_connect.HEAD_LIMIT,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ConnectReply:
    """Ask the HTTP proxy at the other end to connect to `target`; otherwise like `http_tunnel`."""
    flow = http_flow(stream, target, username=username, password=password, fields=fields, limit=limit)
    with phase(asking(target)):
        return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def receive_header(
    stream: ByteStream,
    *,
    limit: int = V2_LONGEST,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ProxyHeader:
    """Read the PROXY protocol header, version 1 or 2, at the beginning of a connection.

    `limit` is the longest header of version 2, in bytes. Raises `ProxyError.InvalidHeader`,
    `ProxyError.Closed`, DeadlineExceeded, CancellationError, OSError.
    """
    with phase("waiting for a PROXY protocol header"):
        return run(receive_header_flow(stream, limit=limit), deadline=deadline_after(timeout), cancel=cancel)


async def receive_header_async(
    stream: ByteStream,
    *,
    limit: int = V2_LONGEST,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ProxyHeader:
    """Read the PROXY protocol header at the beginning of a connection; otherwise like `receive_header`."""
    flow = receive_header_flow(stream, limit=limit)
    with phase("waiting for a PROXY protocol header"):
        return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def asking(target: SocketAddrsLike | HostPort) -> str:
    """Return the description of a dialogue, for the error message when its deadline passes."""
    return f"asking the proxy for {to_socket_addrs_parts(target)}"
