"""What a client gets: `FetchedResponse`, read whole, and `ResponseStream`, read piece by piece.

Both undo the content codings of the body (RFC 9110 section 8.4) unless the settings say otherwise, within the
limits of size and ratio: what is received, what is dropped and what is kept are all bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit._value import assign
from netkit.errors import NetkitError
from netkit.http.client.failures import as_http_error
from netkit.http.connection.events import values_of
from netkit.http.errors import HttpError
from netkit.http.headers import Headers
from netkit.http.message import Response
from netkit.http.types import StatusCode, Version
from netkit.io import DeadlineExceeded, Interrupted, run, run_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Self

    from netkit.http.bodies.codings import BodyDecoder
    from netkit.http.client.channel import Reply
    from netkit.http.client.core import Answer
    from netkit.http.client.facts import ConnectionInfo, Timing
    from netkit.http.connection.events import FieldList
    from netkit.http.url import Url
    from netkit.io import CancellationToken, Flow
    from netkit.io.stream import ByteStream

#: The most octets that `read` returns at once.
PIECE = 65_536

_VERSIONS = {(1, 0): Version.Http10, (1, 1): Version.Http11, (2, 0): Version.Http2, (3, 0): Version.Http3}
#: Those that have come, which are at most 900: a call of a class costs three times as much.
_STATUSES: dict[int, StatusCode] = {}
_NO_HEADERS = Headers().frozen()


class FetchedResponse(Response):
    """A response that a client received whole.

    The body is what its content codings were undone to. The headers are as they came, so Content-Encoding and
    Content-Length still speak of what was sent; `is_decoded` says that they do.
    """

    __slots__ = ("_answer", "is_decoded")
    __match_args__: ClassVar[tuple[str, ...]] = ("status", "version", "headers", "body")

    _answer: Answer | _Kept
    is_decoded: bool

    # Most callers ask for few of these: so each is made when it is asked for.

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """A field that nobody has asked for yet."""
            if name == "headers":
                made = Headers.from_received(self._answer.reply.fields)
            elif name == "version":
                made = _VERSIONS.get(self._answer.reply.version, Version.Http11)
            else:
                raise AttributeError(f"a {type(self).__name__} has no {name}")
            assign(self, name, made)
            return made

    @property
    def url(self) -> Url:
        """The URL that this response came from."""
        return self._answer.url

    @property
    def history(self) -> tuple[FetchedResponse, ...]:
        """The redirects before this response, in order, without their bodies."""
        return tuple(map(without_body, self._answer.history))

    @property
    def trailers(self) -> Headers:
        """The fields after the body."""
        trailers = self._answer.reply.trailers
        return Headers.from_received(trailers) if trailers else _NO_HEADERS

    @property
    def interim(self) -> tuple[tuple[int, Headers], ...]:
        """The 1xx responses before this one: status and headers of each."""
        return _interim(self._answer)

    @property
    def timing(self) -> Timing:
        """When each phase of the exchange ended."""
        return self._answer.timing

    @property
    def connection(self) -> ConnectionInfo:
        """Over which connection it came."""
        return self._answer.info

    @property
    def reason(self) -> str:
        """The reason phrase that the server sent; empty in HTTP/2."""
        return self._answer.reply.reason.decode("latin-1")

    @property
    def body_text(self) -> str | None:
        """The body as text, in the charset of its Content-Type, else in UTF-8; None without a body.

        Raises HttpError.BodyEncoding for octets that are invalid in the charset, for an unknown charset, and
        for a content coding that was not undone.
        """
        if not self.is_decoded or self.body is None:
            return super().body_text
        from netkit.http.message import charset_of, decode_body

        content_type = self.headers.get_first("Content-Type")
        return decode_body(self.body, None if content_type is None else charset_of(content_type))

    def replace(self, **changes: object) -> Self:
        """A copy with some of `status`, `version`, `headers` and `body` changed; all else stays."""
        made = super().replace(**changes)
        for name in FetchedResponse.__slots__:
            assign(made, name, getattr(self, name))
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self._values(), self.is_decoded, _Kept(self._answer))

    def raise_for_status(self) -> Self:
        """The response itself; raises HttpError.InvalidResponse if its status is 400 or over."""
        if self.status >= 400:
            raise HttpError.InvalidResponse(f"{self.url.redacted} answered {self.status}")
        return self


class _Kept:
    """What a response that was pickled keeps of its answer: all but the connection itself."""

    __slots__ = (
        "fields",
        "history",
        "info",
        "interim",
        "reason",
        "status",
        "timing",
        "trailers",
        "url",
        "version",
    )

    url: Url
    history: tuple[_Kept, ...]
    interim: tuple[tuple[int, FieldList], ...]
    timing: Timing
    info: ConnectionInfo
    status: int
    version: tuple[int, int]
    reason: bytes
    fields: FieldList
    trailers: FieldList

    def __init__(self, answer: Answer | _Kept) -> None:
        reply = answer.reply
        self.url = answer.url
        self.history = tuple(map(_Kept, answer.history))
        self.interim = tuple(answer.interim)
        self.timing = answer.timing
        self.info = answer.info
        self.status, self.version, self.reason = reply.status, reply.version, reply.reason
        self.fields, self.trailers = reply.fields, reply.trailers

    @property
    def reply(self) -> _Kept:
        """Where an answer has the parts of its head."""
        return self


def _restored(
    cls: type[FetchedResponse],
    values: tuple[int, Version, Headers, bytes | None],
    is_decoded: bool,
    kept: _Kept,
) -> FetchedResponse:
    """The response that was pickled."""
    return cls.received(*values, is_decoded=is_decoded, _answer=kept)


class Incoming:
    """A response on its way, with its body decoded: what both forms of reading share."""

    __slots__ = ("_decoded", "_decoder", "_limit", "_over", "answer", "size")

    def __init__(self, answer: Answer, *, decode: bool, limit: int | None) -> None:
        self.answer = answer
        self.size = 0  # octets of body so far, decoded
        self._limit = limit
        self._decoder: BodyDecoder | None = None
        self._decoded: Iterator[bytes] | None = None
        self._over = memoryview(b"")  # of a decoded piece, what the last buffer had no room for
        reply = answer.reply
        if decode and reply.may_be_coded and (reply.pieces or not reply.is_ended):
            codings = values_of(reply.fields, b"content-encoding")
            if codings:
                from netkit.http.bodies.codings import BodyDecoder

                decoder = BodyDecoder(b", ".join(codings), max_size=limit)
                self._decoder = decoder if decoder.codings else None

    @property
    def is_decoded(self) -> bool:
        """Whether a content coding is undone."""
        return self._decoder is not None

    def next_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; `b""` at its end."""
        decoder = self._decoder
        reply = self.answer.reply
        if decoder is None:
            piece = yield from reply.next_flow()
            self.size += len(piece)
            if self._limit is not None and self.size > self._limit:
                raise HttpError.BodyTooLarge(self._limit, limit_name="max_body")
            return piece
        if self._over:
            piece, self._over = bytes(self._over), memoryview(b"")
            return piece
        while True:
            if self._decoded is not None:
                try:
                    piece = next(self._decoded, b"")
                except HttpError.BodyTooLarge as error:
                    if error.limit_name == "max_size":
                        error.limit_name = "max_body"  # as the setting is called here
                    raise
                if piece:
                    self.size += len(piece)
                    return piece
                self._decoded = None
            data = yield from reply.next_flow()
            if not data:
                decoder.finish()
                return b""
            self._decoded = decoder.pieces(data)

    def whole_flow(self) -> Flow[bytes]:
        """Flow: the whole body. Raises HttpError.BodyTooLarge over the limit, at once if it is announced."""
        reply = self.answer.reply
        limit = self._limit
        has_body = bool(reply.pieces) or not reply.is_ended  # HEAD only says what there would be
        if has_body and reply.length is not None and limit is not None and reply.length > limit:
            raise HttpError.BodyTooLarge(limit, reply.length, limit_name="max_body")
        pieces: list[bytes] = []
        while piece := (yield from self.next_flow()):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` octets of the body into `view`; 0 at its end."""
        if self._decoder is None:
            size = yield from self.answer.reply.read_into_flow(view)
            self.size += size
            if self._limit is not None and self.size > self._limit:
                raise HttpError.BodyTooLarge(self._limit, limit_name="max_body")
            return size
        over = self._over or memoryview((yield from self.next_flow()))
        size = min(len(over), len(view))
        view[:size] = over[:size]
        self._over = over[size:]
        return size

    def close(self) -> None:
        """Give up what is left."""
        self.answer.reply.close()


def whole_body(reply: Reply, limit: int, *, decode: bool) -> bytes | None:
    """The whole body, where all of it is there in one piece that needs nothing more, as most small ones are.

    None where `Incoming.whole_flow` has to read it, or has to say what is wrong with it.
    """
    pieces = reply.pieces
    if not reply.is_ended:
        return None
    if not pieces:
        return b""
    if len(pieces) > 1 or (decode and reply.may_be_coded) or len(pieces[0][0]) > limit:
        return None
    data, credit = pieces.popleft()
    reply.give_back(credit)
    return data


def fetched(answer: Answer, body: bytes | None, *, is_decoded: bool) -> FetchedResponse:
    """The response with that body."""
    answer.reply.exchange.body = None  # what was sent is not needed any more, and may be large
    return _made(answer, body, is_decoded)


def _made(answer: Answer | _Kept, body: bytes | None, is_decoded: bool) -> FetchedResponse:
    made = FetchedResponse.__new__(FetchedResponse)
    code = answer.reply.status
    status = _STATUSES.get(code)
    if status is None:
        status = _STATUSES[code] = StatusCode(code)
    assign(made, "status", status)
    assign(made, "body", body)
    assign(made, "is_decoded", is_decoded)
    assign(made, "_answer", answer)
    return made


def _interim(answer: Answer | _Kept) -> tuple[tuple[int, Headers], ...]:
    if not answer.interim:
        return ()
    return tuple((status, Headers.from_received(fields)) for status, fields in answer.interim)


def without_body(answer: Answer | _Kept) -> FetchedResponse:
    """The response of an answer, but not its body."""
    return _made(answer, None, False)


class _Reading:
    """Around a read: an error closes the response, and becomes one of HTTP."""

    __slots__ = ("_stream", "_timeout")

    def __init__(self, stream: ResponseStream, timeout: float | None) -> None:
        self._stream = stream
        self._timeout = timeout

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (NetkitError, OSError)):
            made = self._stream.failed(error, self._timeout)
            if made is not error:
                raise made from error
        elif error is not None:
            if isinstance(error, Interrupted) and isinstance(error.error, DeadlineExceeded):
                error.explain(self._stream.failed(error.error, self._timeout))
            self._stream.close()


class ResponseStream:
    """A response whose body is read piece by piece: the server is held back until a piece is taken.

        with client.stream(Request("GET", "https://example.com/large")) as response:
            for piece in response:
                sink.write(piece)

    Every method that can wait has an `_async` form, and `async for` gives the pieces too. The time limit of
    the call goes on; `timeout` limits one read. Leaving the `with` block closes it: what was not read is
    given up, and with HTTP/1.1 the connection too, unless little is left.
    """

    def __init__(self, incoming: Incoming, timeout: float | None) -> None:
        answer = incoming.answer
        reply = answer.reply
        self._incoming = incoming
        self._deadline = answer.deadline
        self._timeout = timeout
        self._ended = False
        self._closed = False
        self._rest = memoryview(b"")
        self.status = StatusCode(reply.status)
        self.version = _VERSIONS.get(reply.version, Version.Http11)
        self.reason = reply.reason.decode("latin-1")
        self.headers = Headers.from_received(reply.fields)
        self.url = answer.url
        self.history = tuple(map(without_body, answer.history))
        self.interim = _interim(answer)
        self.timing = answer.timing
        self.connection = answer.info

    @property
    def length(self) -> int | None:
        """How many octets the server announced for the body as it is sent; None if it did not say."""
        return self._incoming.answer.reply.length

    @property
    def is_decoded(self) -> bool:
        """Whether a content coding of the body is undone."""
        return self._incoming.is_decoded

    @property
    def trailers(self) -> Headers:
        """The fields after the body; empty until they have come."""
        trailers = self._incoming.answer.reply.trailers
        return Headers.from_received(trailers) if trailers else _NO_HEADERS

    @property
    def stream(self) -> ByteStream | None:
        """After an upgrade (101): the connection, to go on with another protocol; `close` closes it too."""
        reply = self._incoming.answer.reply
        return reply.upgraded if reply.is_upgraded else None

    # Reading.

    def _read_flow(self, size: int) -> Flow[bytes]:
        if self._rest:
            taken = bytes(self._rest[:size])
            self._rest = self._rest[len(taken) :]
            return taken
        if self._ended:
            return b""
        if self._closed:
            raise HttpError.ConnectionError(
                "the response is closed, and was not read to its end", fault="caller"
            )
        piece = yield from self._incoming.next_flow()
        if not piece:
            self._ended = True
            return b""
        if len(piece) > size:
            self._rest = memoryview(piece)[size:]
            return piece[:size]
        return piece

    def _whole_flow(self, limit: int) -> Flow[bytes]:
        pieces: list[bytes] = []
        total = 0
        while piece := (yield from self._read_flow(PIECE)):
            pieces.append(piece)
            total += len(piece)
            if total > limit:
                raise HttpError.BodyTooLarge(limit)
        return b"".join(pieces)

    def _read_into_flow(self, view: memoryview) -> Flow[int]:
        if not view:
            return 0
        if self._rest or self._ended or self._closed:
            piece = yield from self._read_flow(len(view))
            view[: len(piece)] = piece
            return len(piece)
        size = yield from self._incoming.read_into_flow(view)
        self._ended = not size
        return size

    def _until(self, timeout: float | None) -> float | None:
        from netkit.io import deadline_after

        own = deadline_after(timeout)
        if own is None or (self._deadline is not None and self._deadline < own):
            return self._deadline
        return own

    def failed(self, error: NetkitError | OSError, timeout: float | None) -> Exception:
        """The response is over because of `error`; what the caller gets for it."""
        self.close()
        if isinstance(error, DeadlineExceeded):
            made = HttpError.Timeout(self._timeout if timeout is None else timeout, "receiving the body")
            made.__cause__ = error
            return made
        return as_http_error(error, self.timing.phase)

    def read(
        self, size: int = PIECE, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """Up to `size` octets of the body, as soon as there are any; `b""` at its end.

        Raises HttpError for whatever cuts it off, and closes the response then.
        """
        with _Reading(self, timeout):
            return run(self._read_flow(size), deadline=self._until(timeout), cancel=cancel)

    def read_flow(self, size: int = PIECE) -> Flow[bytes]:
        """Flow: `read`; the time limit of the call is that of whoever runs the flow."""
        with _Reading(self, None):
            return (yield from self._read_flow(size))

    async def read_async(
        self, size: int = PIECE, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """Up to `size` octets of the body, as soon as there are any; `b""` at its end."""
        with _Reading(self, timeout):
            return await run_async(self._read_flow(size), deadline=self._until(timeout), cancel=cancel)

    def read_to_end(
        self, limit: int, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """The rest of the body. Raises HttpError.BodyTooLarge for more than `limit` octets."""
        with _Reading(self, timeout):
            return run(self._whole_flow(limit), deadline=self._until(timeout), cancel=cancel)

    async def read_to_end_async(
        self, limit: int, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """The rest of the body. Raises HttpError.BodyTooLarge for more than `limit` octets."""
        with _Reading(self, timeout):
            return await run_async(self._whole_flow(limit), deadline=self._until(timeout), cancel=cancel)

    def read_into(
        self,
        buffer: bytearray | memoryview,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> int:
        """Octets of the body into `buffer`, as many as come at once; 0 at its end. For large bodies."""
        with _Reading(self, timeout):
            flow = self._read_into_flow(memoryview(buffer).cast("B"))
            return run(flow, deadline=self._until(timeout), cancel=cancel)

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: `read_into`; the time limit of the call is that of whoever runs the flow."""
        with _Reading(self, None):
            return (yield from self._read_into_flow(view))

    async def read_into_async(
        self,
        buffer: bytearray | memoryview,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> int:
        """Octets of the body into `buffer`, as many as come at once; 0 at its end. For large bodies."""
        with _Reading(self, timeout):
            flow = self._read_into_flow(memoryview(buffer).cast("B"))
            return await run_async(flow, deadline=self._until(timeout), cancel=cancel)

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body as they come (blocking)."""
        while piece := self.read():
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces of the body as they come, for `async for`."""
        while piece := await self.read_async():
            yield piece

    # The end.

    def close(self) -> None:
        """Give up what was not read. Never waits."""
        if not self._closed:
            self._closed = True
            self._rest = memoryview(b"")
            self._incoming.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ResponseStream {self.version} {self.status} {self.url.redacted}>"
