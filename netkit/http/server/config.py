"""The settings of an HTTP server: how long it waits for a client, and how much it takes from one.

A value that never changes; `replace` returns a new one. All times are in seconds, None for no limit.
"""

from __future__ import annotations

from typing import ClassVar

from netkit._value import Value, assign
from netkit._version import __version__
from netkit.http.config import checked_count, checked_seconds
from netkit.http.connection.limits import DEFAULT_LIMITS, ConnectionLimits
from netkit.http.errors import HttpError
from netkit.http.headers import checked_value


class ServerConfig(Value):
    """The settings of a server.

    `head_timeout`: how long the head of a request may take, from its first octet. `body_timeout`: how long a
    wait for octets of a body may take. `min_rate`: how many octets a second a client sends of its body, and
    takes of a response, on the average after the first `body_timeout` or `write_timeout` (None: any).
    `idle_timeout`: how long a connection without a request is kept. `write_timeout`: how long a wait for a
    client that takes nothing may take. `handler_timeout`: how long a handler may take before it begins its
    response; then the answer is 503.

    `max_body`: the most octets of a request's body; more is answered with 413. `max_unread`: octets of a body
    that a handler did not read and that are dropped so that the connection can be kept; with more it closes.
    `max_requests`: requests of one connection, None for any number. `max_connections`: connections at the
    same time, over all listeners; others wait in the backlog.

    `threads`: how many blocking handlers run at once, each in a thread; with 0 they are called in the
    server's own thread, which is fastest, and right for handlers that never wait. `stream_bodies`: a
    handler gets its request before the body has come, and reads the body from `ServerRequest.stream`.
    `server_name`: what the field Server says, None for no such field. `http2`: HTTP/2 is spoken with
    clients that ask for it (ALPN; without TLS by prior knowledge). `http1`: HTTP/1.1 is; without it, whoever
    does not begin with HTTP/2 is not answered. `limits` are those of each connection.
    Raises HttpError.InvalidValue for an impossible setting.
    """

    __slots__ = (
        "body_timeout",
        "handler_timeout",
        "head_timeout",
        "http1",
        "http2",
        "idle_timeout",
        "limits",
        "max_body",
        "max_connections",
        "max_requests",
        "max_unread",
        "min_rate",
        "server_name",
        "stream_bodies",
        "threads",
        "write_timeout",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "head_timeout",
        "body_timeout",
        "idle_timeout",
        "write_timeout",
        "handler_timeout",
        "min_rate",
        "max_body",
        "max_unread",
        "max_requests",
        "max_connections",
        "threads",
        "stream_bodies",
        "server_name",
        "http2",
        "limits",
        "http1",
    )

    head_timeout: float | None
    body_timeout: float | None
    idle_timeout: float | None
    write_timeout: float | None
    handler_timeout: float | None
    min_rate: int | None
    max_body: int | None
    max_unread: int
    max_requests: int | None
    max_connections: int | None
    threads: int
    stream_bodies: bool
    server_name: str | None
    http2: bool
    limits: ConnectionLimits
    http1: bool

    def __init__(
        self,
        head_timeout: float | None = 10.0,
        body_timeout: float | None = 30.0,
        idle_timeout: float | None = 75.0,
        write_timeout: float | None = 60.0,
        handler_timeout: float | None = None,
        min_rate: int | None = 100,
        max_body: int | None = 16 << 20,
        max_unread: int = 262_144,
        max_requests: int | None = None,
        max_connections: int | None = None,
        threads: int = 32,
        stream_bodies: bool = False,
        server_name: str | None = f"netkit/{__version__}",
        http2: bool = True,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        http1: bool = True,
    ) -> None:
        if server_name is not None:
            server_name = checked_value("Server", server_name)
        assign(self, "head_timeout", checked_seconds("head_timeout", head_timeout))
        assign(self, "body_timeout", checked_seconds("body_timeout", body_timeout))
        assign(self, "idle_timeout", checked_seconds("idle_timeout", idle_timeout))
        assign(self, "write_timeout", checked_seconds("write_timeout", write_timeout))
        assign(self, "handler_timeout", checked_seconds("handler_timeout", handler_timeout))
        assign(self, "min_rate", None if min_rate is None else checked_count("min_rate", min_rate, 1, 2**40))
        assign(self, "max_body", None if max_body is None else checked_count("max_body", max_body, 0, 2**53))
        assign(self, "max_unread", checked_count("max_unread", max_unread, 0, 2**40))
        for name, value in (("max_requests", max_requests), ("max_connections", max_connections)):
            assign(self, name, None if value is None else checked_count(name, value, 1, 2**53))
        assign(self, "threads", checked_count("threads", threads, 0, 10_000))
        assign(self, "stream_bodies", bool(stream_bodies))
        assign(self, "server_name", server_name)
        assign(self, "http2", bool(http2))
        assign(self, "limits", limits)
        assign(self, "http1", bool(http1))
        if not (http1 or http2):
            raise HttpError.InvalidValue("http1", "a server speaks HTTP/1.1, HTTP/2 or both")


#: What a server keeps to unless it is given others.
DEFAULT_CONFIG = ServerConfig()
