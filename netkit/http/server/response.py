"""Responses whose bodies are sent piece by piece, and small responses made of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit._value import assign
from netkit.http.message import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.http.bodies.body import BodySource
    from netkit.http.headers import HeadersLike
    from netkit.http.types import StatusCode


class StreamedResponse(Response):
    """A response whose body comes from a file, an iterator, or an async iterator.

        >>> StreamedResponse(200, source=iter([b"one ", b"two"]), headers={"Content-Type": "text/plain"})
        <StreamedResponse HTTP/1.1 200 OK, 1 header lines, no body>

    `source` is anything that a request of a client may have as its body: a file is sent from its position, an
    object with a `length` is framed by it, and of an iterator each piece is sent as it comes. `trailers` is
    called when the body is over, and returns the fields that follow it. Files and generators are closed when
    the response is over, however it ends. An async iterator is for async handlers.
    """

    __slots__ = ("source", "trailers")
    __match_args__: ClassVar[tuple[str, ...]] = ("status", "source", "headers", "trailers")

    source: BodySource
    trailers: Callable[[], Iterable[tuple[bytes, bytes]]] | None

    def __init__(
        self,
        status: StatusCode | int,
        source: BodySource,
        headers: HeadersLike = (),
        trailers: Callable[[], Iterable[tuple[bytes, bytes]]] | None = None,
    ) -> None:
        super().__init__(status, headers=headers)
        assign(self, "source", source)
        assign(self, "trailers", trailers)


def text_response(status: int, text: str, headers: HeadersLike = ()) -> Response:
    """A response of plain text in UTF-8.

    >>> text_response(404, "no such note").body
    b'no such note\\n'
    """
    from netkit.http.headers import Headers

    fields = Headers(headers)
    fields.insert("Content-Type", "text/plain; charset=utf-8")
    return Response(status, headers=fields, body=text.encode() + b"\n")
