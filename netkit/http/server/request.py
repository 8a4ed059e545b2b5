"""A request as a server received it: what `Request` has, and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit._value import assign
from netkit.http.errors import HttpError
from netkit.http.headers import Headers
from netkit.http.message import Request, checked_target
from netkit.http.types import Method, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from netkit.addr import SocketAddr
    from netkit.http.connection.events import FieldList, RequestHead
    from netkit.http.headers import HeadersLike
    from netkit.http.server.early.half_rtt import Unconfirmed
    from netkit.http.server.stream import RequestStream
    from netkit.http.url import Url
    from netkit.tls.stream import TlsStream

#: The versions by what stands in a request line.
VERSIONS = {(1, 0): Version.Http10, (1, 1): Version.Http11, (2, 0): Version.Http2}


#: The usual methods by what stands in a request line.
METHODS = {
    each.encode(): each
    for each in (
        Method.Get,
        Method.Head,
        Method.Post,
        Method.Put,
        Method.Delete,
        Method.Options,
        Method.Patch,
    )
}


class ConnectionFacts:
    """What a server knows of a connection.

    `number` counts the connections of the server from 1. `peer` and `local` are a SocketAddr, or the path of
    a Unix-domain socket (empty for a client without one). `tls` is the TLS connection, None without TLS.
    `requests` counts the requests so far. `early_data` is what came before the TLS handshake was over, until
    it is read; `unconfirmed` is there where that is not over yet (`TlsConfig.half_rtt`).
    """

    __slots__ = ("early_data", "local", "number", "peer", "requests", "tls", "unconfirmed")

    def __init__(
        self, number: int, peer: SocketAddr | str, local: SocketAddr | str, tls: TlsStream | None
    ) -> None:
        self.number = number
        self.peer = peer
        self.local = local
        self.tls = tls
        self.requests = 0
        self.early_data = b""
        self.unconfirmed: Unconfirmed | None = None

    @property
    def scheme(self) -> str:
        """`"https"` over TLS, else `"http"`."""
        return "http" if self.tls is None else "https"


class ServerRequest(Request):
    """A request that a server received.

    `authority` is whom it was sent to: the Host field or `:authority`, empty for an old client that said
    nothing. `connection` says where it came from. `trailers` are the fields that followed the body. `stream`
    is the body that is still to come, with `ServerConfig.stream_bodies`; then `body` is None.
    """

    __slots__ = ("authority", "connection", "stream", "trailers")
    __match_args__: ClassVar[tuple[str, ...]] = (
        "method",
        "uri",
        "version",
        "headers",
        "body",
        "authority",
        "trailers",
    )

    authority: str
    connection: ConnectionFacts
    trailers: tuple[tuple[bytes, bytes], ...]
    stream: RequestStream | None

    def __init__(
        self,
        method: Method | str,
        uri: str | Url,
        version: Version = Version.Http11,
        headers: HeadersLike = (),
        body: bytes | bytearray | memoryview | None = None,
        authority: str = "",
        trailers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """A request that nobody sent, for the test of a handler; `connection` is one that leads nowhere."""
        super().__init__(method, uri, version, headers, body)
        assign(self, "authority", authority)
        assign(self, "trailers", tuple(trailers))
        assign(self, "connection", ConnectionFacts(0, "", "", None))
        assign(self, "stream", None)

    def replace(self, **changes: Any) -> Self:
        """A copy of the request with some fields changed, of the same connection."""
        made = super().replace(**changes)
        assign(made, "connection", self.connection)
        assign(made, "stream", self.stream)
        return made

    @classmethod
    def of(
        cls,
        head: RequestHead,
        version: tuple[int, int],
        connection: ConnectionFacts,
        body: bytes | None = None,
        trailers: FieldList | None = None,
    ) -> ServerRequest:
        """The request that a connection received.

        Raises HttpError.InvalidUri and HttpError.InvalidValue for a target or a method that is none: a
        parser of HTTP/1.1 has refused them already, a library of HTTP/2 may not have.
        """
        try:
            made = cls.received(
                head.method,
                head.target or head.authority,
                VERSIONS.get(version, Version.Http11),
                Headers.from_received(with_host(head)),
                body,
                head.authority.decode("latin-1"),
                connection,
            )
            if version >= (2, 0):
                checked_target(made.uri)
        except HttpError as error:
            error.fault = "peer"
            raise
        if trailers:
            assign(made, "trailers", tuple(trailers))
        return made

    @staticmethod
    def received(
        method: bytes,
        target: bytes,
        version: Version,
        headers: Headers,
        body: bytes | None,
        authority: str,
        connection: ConnectionFacts,
    ) -> ServerRequest:
        """A request of parts that are right: a parser of HTTP/1.1 has checked them. `headers` are frozen, and
        have Host among them."""
        made = _Unfinished()
        made.method = METHODS.get(method) or Method(method.decode("latin-1"))
        made.uri = target.decode("latin-1")
        made.version = version
        made.headers = headers
        made.body = body
        made.authority = authority
        made.connection = connection
        made.trailers = ()
        made.stream = None
        made.__class__ = ServerRequest
        request: ServerRequest = made
        return request

    @property
    def early_data(self) -> bool:
        """Whether it came as early data (0-RTT) to this server, or to a proxy in front: `Early-Data` says so
        (RFC 8470 section 5.1).

        This server has waited for the end of its own handshake, unless `TlsConfig.half_rtt` lets it answer
        before: then it has not for a request that is safe. Where the field is a proxy's, somebody may have
        sent the request again, so what must not happen twice is answered with 425 (Too Early).
        """
        return "early-data" in self.headers

    @property
    def path(self) -> str:
        """The path of the target as it was sent, percent-encoded, without the query; `*` for OPTIONS."""
        path = self.uri.partition("?")[0]
        if path[:1] != "/" and "://" in path:  # RFC 9112 section 3.2.2: the absolute form
            path = "/" + path.partition("://")[2].partition("/")[2]
        return path

    @property
    def query(self) -> str:
        """What follows the first `?` of the target; empty without one."""
        return self.uri.partition("?")[2]


class _Unfinished(ServerRequest):
    """A request whose fields can still be set. It becomes a ServerRequest, which is as it is: `assign` for
    each field costs three times as much as all else that is done for a request."""

    __slots__ = ()
    __init__ = object.__init__
    __setattr__ = object.__setattr__  # type: ignore[assignment]  # which Value's own refuses
    __delattr__ = object.__delattr__  # type: ignore[assignment]  # without it, the other is not as fast


def with_host(head: RequestHead) -> Sequence[tuple[bytes, bytes]]:
    """The fields of a request, Host among them, which connections keep apart."""
    if not head.authority or head.method == b"CONNECT":
        return head.fields
    return [(b"host", head.authority), *head.fields]
