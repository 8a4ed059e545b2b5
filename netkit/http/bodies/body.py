"""The bodies of messages: octets, files, iterators, and how a flow takes pieces of them.

A body has a `length`, None if only its end will tell, and is `replayable` if it can be sent from its
beginning, also once more, after a redirect or on a fresh connection. An async iterator runs in the event loop
of the caller: the flow waits for its next piece through an `Event`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import partial
from io import TextIOBase
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from netkit.http.errors import HttpError
from netkit.io import Event, Flow

if TYPE_CHECKING:
    import asyncio

    from netkit.io.protocols import Buffer

#: How much of a file is read at once, in octets.
PIECE = 262_144


@runtime_checkable
class BinaryFile(Protocol):
    """A file opened for reading in binary mode."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` octets; `b""` at the end."""


@runtime_checkable
class SizedBody(Protocol):
    """A body that makes its pieces anew each time: `length` octets, None where that is not known."""

    @property
    def length(self) -> int | None:
        """How many octets."""

    def pieces(self) -> Iterator[bytes]:
        """The pieces, from the beginning."""


@runtime_checkable
class Closable(Protocol):
    """Something with a `close` that does not wait."""

    def close(self) -> object:
        """Nothing more is wanted of it."""


#: What may be sent as a body.
BodySource: TypeAlias = (
    "bytes | bytearray | memoryview | BinaryFile | SizedBody | Iterable[bytes] | AsyncIterable[bytes]"
)


class Body:
    """A body that can be sent: see `body_of`."""

    __slots__ = ("length", "replayable")

    def __init__(self, length: int | None, *, replayable: bool) -> None:
        self.length = length
        self.replayable = replayable

    def begin(self) -> Pieces:
        """The pieces from the beginning. Raises HttpError.InvalidRequest for a second time, if it cannot."""
        raise NotImplementedError


class Pieces:
    """A body on its way: piece after piece, `b""` at its end."""

    #: Whether `next_flow` may wait.
    waits = False

    def next_flow(self) -> Flow[Buffer]:
        """Flow: the next piece; `b""` at the end.

        Raises HttpError.InvalidRequest if the system cannot read it: that is no trouble of the connection.
        What else the caller's own code raises comes as it is.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Nothing more is wanted."""


class Octets(Body):
    """A body that is there as a whole."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data), replayable=True)
        self.data = data

    def begin(self) -> Pieces:
        return _Iterated(iter((self.data,)))


class _FromFile(Body):
    """A file from its current position."""

    __slots__ = ("_begun", "_file", "_start")

    def __init__(self, file: BinaryFile) -> None:
        from netkit.http.bodies.forms import extent_of

        self._file = file
        self._begun = False
        extent = extent_of(file)
        self._start = None if extent is None else extent[0]
        super().__init__(None if extent is None else extent[1], replayable=True)

    def begin(self) -> Pieces:
        if self._begun:
            from netkit.http.bodies.forms import SeekableFile

            if self._start is None or not isinstance(self._file, SeekableFile):
                raise _only_once()
            self._file.seek(self._start)
        self._begun = True
        self.replayable = self._start is not None
        return _Iterated(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        """What is announced, and no more: the file may grow meanwhile."""
        left = self.length
        while left != 0 and (piece := self._file.read(PIECE if left is None else min(PIECE, left))):
            if left is not None:
                left -= len(piece)
            yield piece


class _Sized(Body):
    """A body that makes its pieces anew each time."""

    __slots__ = ("_body",)

    def __init__(self, body: SizedBody) -> None:
        super().__init__(body.length, replayable=True)
        self._body = body

    def begin(self) -> Pieces:
        return _Iterated(iter(self._body.pieces()))


class _Once(Body):
    """A body that can be sent once."""

    __slots__ = ("_source",)

    def __init__(self, source: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        super().__init__(None, replayable=True)
        self._source: Iterable[bytes] | AsyncIterable[bytes] | None = source

    def begin(self) -> Pieces:
        source, self._source = self._source, None
        self.replayable = False
        if source is None:
            raise _only_once()
        if isinstance(source, AsyncIterable):
            return _AsyncIterated(aiter(source))
        return _Iterated(iter(source))


class _Iterated(Pieces):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def next_flow(self) -> Flow[Buffer]:
        try:
            for piece in self._pieces:
                if piece:  # an empty piece is not the end
                    return _checked(piece)
        except OSError as error:
            raise _unreadable(error) from error
        return b""
        yield  # a flow, though it never waits

    def close(self) -> None:
        if isinstance(self._pieces, Closable):
            self._pieces.close()  # a generator, which may hold a file


class _AsyncIterated(Pieces):
    waits = True

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._task: asyncio.Task[bytes | None] | None = None

    def next_flow(self) -> Flow[Buffer]:
        from asyncio import get_running_loop

        while True:
            there = Event()
            self._task = task = get_running_loop().create_task(_awaited(self._pieces))
            task.add_done_callback(partial(_ring, there))
            try:
                yield from there.wait()
            except BaseException:
                task.cancel()
                raise
            self._task = None
            try:
                piece = task.result()
            except OSError as error:
                raise _unreadable(error) from error
            if piece is None:
                return b""
            if piece:
                return _checked(piece)

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _ring(there: Event, _: object) -> None:
    there.set()


async def _awaited(pieces: AsyncIterator[bytes]) -> bytes | None:
    async for piece in pieces:
        return piece
    return None


def body_of(source: BodySource, *, may_wait: bool = True) -> Body:
    """The body that `source` is.

    Octets and files that can seek have a length and can be sent again. A file is sent from its current
    position on. Raises TypeError for text, and for what is none of these; HttpError.InvalidRequest for an
    async iterable, if nobody can wait for it.
    """
    if isinstance(source, bytes):
        return Octets(source)
    if isinstance(source, (bytearray, memoryview)):
        return Octets(bytes(source))
    if isinstance(source, str):
        raise TypeError("a body is bytes: encode the text")
    if isinstance(source, TextIOBase):
        raise TypeError("a body is bytes: open the file in binary mode")
    if isinstance(source, SizedBody):
        return _Sized(source)
    if isinstance(source, BinaryFile):
        return _FromFile(source)
    if isinstance(source, AsyncIterable):
        if not may_wait:
            raise HttpError.InvalidRequest("an async iterator is a body for the async form of a request only")
        return _Once(source)
    if isinstance(source, Iterable):
        return _Once(source)
    raise TypeError(f"a body is bytes, a file or an iterable of bytes, not {type(source).__name__}")


def close_source(source: BodySource) -> None:
    """Close what a body was read from, where it can be: a file, a generator."""
    if isinstance(source, Closable):
        source.close()


def _checked(piece: bytes) -> bytes:
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"a piece of a body is bytes, not {type(piece).__name__}")
    return piece


def _only_once() -> HttpError:
    return HttpError.InvalidRequest(
        "the body would have to be sent again, and can be read only once",
        hint="give it as bytes, or as a file that can seek",
    )


def _unreadable(error: OSError) -> HttpError:
    return HttpError.InvalidRequest(f"its body cannot be read: {error.strerror or error}", fault="local")
