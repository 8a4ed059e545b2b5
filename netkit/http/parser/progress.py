"""The results of a parser: it needs more input, or it is done; and the position of each header field.

These are the Python versions. Import the names from `head` and `chunked`: there they are native classes with
the same interface if the Rust version is in use.
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from netkit.http.parser.framing import Framing
    from netkit.http.parser.lines import Buffer


class _Fields:
    """Equality, hash and repr from the fields that a pattern matches."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__name__}({fields})"


class HeaderView(_Fields):
    """Where a header field is in the buffer: the octets of its name, and of its value."""

    __slots__ = ("key_len", "key_start", "value_len", "value_start")
    __match_args__ = ("key_start", "key_len", "value_start", "value_len")

    def __init__(self, key_start: int, key_len: int, value_start: int, value_len: int) -> None:
        self.key_start = key_start
        self.key_len = key_len
        self.value_start = value_start
        self.value_len = value_len

    def key(self, buf: Buffer) -> memoryview:
        """The name as it was sent, as a view of the buffer that was fed."""
        return memoryview(buf)[self.key_start : self.key_start + self.key_len]

    def value(self, buf: Buffer) -> memoryview:
        """The value without the whitespace around it, as a view of the buffer that was fed.

        Where folds are tolerated, one is in it as it was sent; `HttpParser.items` puts a space for it.
        """
        return memoryview(buf)[self.value_start : self.value_start + self.value_len]


class ParseProgress(ABC):
    """What `HttpParser.feed` returns: `NeedMore`, or `Done`."""

    __slots__ = ()

    NeedMore: ClassVar[type[NeedMore]]
    Done: ClassVar[type[Done]]


class NeedMore(_Fields):
    """The head of the message is not complete. It counts as false."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False


class Done(_Fields):
    """The head of the message is complete.

    `consumed` is how many octets it has, the empty lines that were skipped before it and the one that ends
    it included. `body_start` is where in the buffer the body begins, which is `consumed` unless the message
    began elsewhere than at the start of the buffer. `body_len` is the length of the body, None where only
    its end will tell; `framing` how that is found. `framing_conflict` is set where both Content-Length and
    Transfer-Encoding were sent, of which the latter was followed: a server refuses such a request
    (RFC 9112 section 6.1).
    """

    __slots__ = ("body_len", "body_start", "consumed", "framing", "framing_conflict")
    __match_args__ = ("consumed", "body_start", "body_len", "framing", "framing_conflict")

    def __init__(
        self, consumed: int, body_start: int, body_len: int | None, framing: Framing, framing_conflict: bool
    ) -> None:
        self.consumed = consumed
        self.body_start = body_start
        self.body_len = body_len
        self.framing = framing
        self.framing_conflict = framing_conflict

    def __bool__(self) -> Literal[True]:
        return True


class ChunkProgress(ABC):
    """What `ChunkedDecoder.feed` returns: `ChunkNeedMore`, `ChunkOutput`, or `ChunkEnd`."""

    __slots__ = ()

    ChunkNeedMore: ClassVar[type[ChunkNeedMore]]
    ChunkOutput: ClassVar[type[ChunkOutput]]
    ChunkEnd: ClassVar[type[ChunkEnd]]


class ChunkNeedMore(_Fields):
    """All that is in the buffer was handed out. It counts as false."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False


class ChunkOutput(_Fields):
    """Data: `data_len` octets from `data_start` of the buffer; of its chunk, `remaining` are to follow."""

    __slots__ = ("data_len", "data_start", "remaining")
    __match_args__ = ("data_start", "data_len", "remaining")

    def __init__(self, data_start: int, data_len: int, remaining: int) -> None:
        self.data_start = data_start
        self.data_len = data_len
        self.remaining = remaining

    def __bool__(self) -> Literal[True]:
        return True

    def data(self, buf: Buffer) -> memoryview:
        """The data, as a view of the buffer that was fed."""
        return memoryview(buf)[self.data_start : self.data_start + self.data_len]


class ChunkEnd(_Fields):
    """The body is complete: its encoding has `consumed` octets, and ends before octet `end` of the buffer."""

    __slots__ = ("consumed", "end")
    __match_args__ = ("consumed", "end")

    def __init__(self, consumed: int, end: int) -> None:
        self.consumed = consumed
        self.end = end

    def __bool__(self) -> Literal[True]:
        return True


class Trailer(_Fields):
    """A trailer field: `name` and `value`, and whether it may be merged into the headers.

    RFC 9110 section 6.5.1: what frames, routes, modifies or authenticates a message, or says how to read
    its content, is too late in a trailer, and `mergeable` is false for it.
    """

    __slots__ = ("mergeable", "name", "value")
    __match_args__ = ("name", "value", "mergeable")

    def __init__(self, name: bytes, value: bytes, mergeable: bool) -> None:
        self.name = name
        self.value = value
        self.mergeable = mergeable


#: Trailers that come too late (RFC 9110 section 6.5.1), besides those that the parser refuses.
_TOO_LATE = frozenset(
    b"host connection keep-alive proxy-connection te upgrade trailer expect range max-forwards pragma "
    b"cache-control vary age expires date location retry-after warning content-encoding content-type "
    b"content-range authorization proxy-authorization proxy-authenticate www-authenticate cookie set-cookie "
    b"if-match if-none-match if-modified-since if-unmodified-since if-range".split()
)


def make_trailer(name: bytes, value: bytes) -> Trailer:
    """A trailer field, judged by its name."""
    return Trailer(name, value, name.lower() not in _TOO_LATE)


ParseProgress.NeedMore = ParseProgress.register(NeedMore)
ParseProgress.Done = ParseProgress.register(Done)
ChunkProgress.ChunkNeedMore = ChunkProgress.register(ChunkNeedMore)
ChunkProgress.ChunkOutput = ChunkProgress.register(ChunkOutput)
ChunkProgress.ChunkEnd = ChunkProgress.register(ChunkEnd)

NEED_MORE = NeedMore()
CHUNK_NEED_MORE = ChunkNeedMore()
