r"""Read multipart/form-data, piece by piece, without any input or output of its own.

RFC 7578 (multipart/form-data), RFC 2046 section 5.1.1 (multipart), RFC 7578 section 4.2 (names).

    >>> parser = MultipartParser("7")
    >>> body = b'--7\r\nContent-Disposition: form-data; name="q"\r\n\r\none\r\n--7--\r\n'
    >>> [type(event).__name__ for event in parser.feed(body)], parser.is_complete
    (['PartHead', 'PartData', 'PartEnd'], True)

What is between two parts is found wherever the pieces are cut, and a part is never in memory as a whole: its
octets are handed on as they come. What is before the first part and after the last is dropped. A line that
only begins with the boundary is content, as Go reads it. In all else the reading is strict: what writes forms
today writes them right, and a body that two programs read differently is a way around one of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from netkit.http.content_disposition import parse as parse_disposition
from netkit.http.errors import HttpInvalidRequest
from netkit.http.fields.errors import FieldError
from netkit.http.headers import is_token
from netkit.http.negotiation import parse_media_type

if TYPE_CHECKING:
    from netkit.http.parser.lines import Buffer

#: The most parts of one body.
MAX_PARTS: Final = 1_000
#: The most octets of the head of one part.
MAX_HEAD: Final = 16_384
#: The most spaces and tabs after a boundary (RFC 2046 calls them transport padding).
MAX_PADDING: Final = 64

#: RFC 2046 section 5.1.1: up to 70 characters, the last of them no space.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class MultipartError(HttpInvalidRequest):
    """A body that is no multipart/form-data: `offset` is where in the body that shows.

    `limit` is the number that is exceeded, None if none is.
    """

    fault = "peer"

    def __init__(self, reason: str, offset: int, limit: int | None = None) -> None:
        super().__init__(reason)
        self.offset = offset
        self.limit = limit

    def __str__(self) -> str:
        return f"invalid form: {self.reason} (at offset {self.offset})"


class PartHead(NamedTuple):
    """A part begins. `name` is that of its form field; `filename` is what the client says, and not safe, None
    if the part is no file; `content_type` as it is written, None if it is not."""

    name: str
    filename: str | None
    content_type: str | None
    fields: tuple[tuple[str, str], ...]


class PartData(NamedTuple):
    """The next octets of the part."""

    data: bytes


class PartEnd(NamedTuple):
    """The part is over, of so many octets."""

    size: int


PartEvent: TypeAlias = PartHead | PartData | PartEnd

#: What is read: what is before the first part, what follows a boundary, a head, the empty line after it,
#: content, what follows the last part.
_PREAMBLE, _AFTER, _HEAD, _BLANK, _CONTENT, _EPILOGUE = range(6)


def boundary_of(content_type: str | None) -> str | None:
    """The boundary that a Content-Type names; None if it is not multipart/form-data.

    Raises MultipartError, of offset 0, if it is, but names no boundary, or an impossible one.
    """
    if content_type is None:
        return None
    try:
        found = parse_media_type(content_type)
    except FieldError:
        return None
    if (found.type, found.subtype) != ("multipart", "form-data"):
        return None
    boundary = dict(reversed(found.params)).get("boundary")
    if boundary is None or not _BOUNDARY.fullmatch(boundary):
        raise MultipartError("its Content-Type names no boundary that is one", 0)
    return boundary


class MultipartParser:
    """Reads one body.

    Args:
        boundary: what is between the parts, as `boundary_of` returns it.
        max_parts: the most parts.
        max_head: the most octets of the head of one part.
    """

    __slots__ = ("_at", "_buffer", "_delimiter", "_max_head", "_max_parts", "_parts", "_size", "_state")

    def __init__(self, boundary: str, *, max_parts: int = MAX_PARTS, max_head: int = MAX_HEAD) -> None:
        if not _BOUNDARY.fullmatch(boundary):
            raise MultipartError("the boundary is none", 0)
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._max_parts = max_parts
        self._max_head = max_head
        # The first boundary has no line end before it that would belong to it.
        self._buffer = bytearray(b"\r\n")
        self._at = -2  # the offset in the body of the first octet of the buffer
        self._state = _PREAMBLE
        self._parts = 0
        self._size = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last part is over."""
        return self._state == _EPILOGUE

    def feed(self, data: Buffer) -> list[PartEvent]:
        """What the next octets tell. Raises MultipartError; the parser cannot be used again then."""
        events: list[PartEvent] = []
        if self._state == _EPILOGUE:
            self._at += len(data)
            return events
        self._buffer += data
        while self._step(events):
            pass
        return events

    def finish(self) -> None:
        """The body is over. Raises MultipartError if the last part is not."""
        if not self.is_complete:
            raise MultipartError("it ends in the middle", self._at + len(self._buffer))

    def _step(self, events: list[PartEvent]) -> bool:
        """Take one thing from the buffer; whether there may be more in it."""
        if self._state in (_PREAMBLE, _CONTENT):
            return self._content(events)
        if self._state == _AFTER:
            return self._after(events)
        if self._state == _HEAD:
            return self._head(events)
        if self._state == _BLANK:
            return self._blank()
        self._drop(len(self._buffer))
        return False

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._at += size

    def _give(self, size: int, events: list[PartEvent]) -> None:
        """The first octets of the buffer are content."""
        if size and self._state == _CONTENT:
            events.append(PartData(bytes(memoryview(self._buffer)[:size])))
            self._size += size
        self._drop(size)

    def _content(self, events: list[PartEvent]) -> bool:
        buffer, delimiter = self._buffer, self._delimiter
        at = buffer.find(delimiter)
        if at < 0:
            # A delimiter has one CR, its first octet: only the last CR of the buffer can begin one.
            start = buffer.rfind(b"\r", max(0, len(buffer) - len(delimiter) + 1))
            whole = len(buffer) if start < 0 or not delimiter.startswith(buffer[start:]) else start
            self._give(whole, events)
            return False
        follows = self._looks_like_end(at + len(delimiter))
        if follows is None:
            self._give(at, events)
            return False
        if not follows:
            self._give(at + len(delimiter), events)
            return True
        self._give(at, events)
        if self._state == _CONTENT:
            events.append(PartEnd(self._size))
            self._size = 0
        self._drop(len(delimiter))
        self._state = _AFTER
        return True

    def _looks_like_end(self, at: int) -> bool | None:
        """Whether what is at `at`, after a boundary, can follow one; None: more octets will tell."""
        rest = bytes(memoryview(self._buffer)[at : at + MAX_PADDING + 2])
        if rest.startswith(b"--"):
            return True
        bare = rest.lstrip(b" \t")
        if bare.startswith(b"\r\n"):
            return True
        if b"\r\n".startswith(bare) or (len(rest) < 2 and b"--".startswith(rest)):
            return None if len(rest) < MAX_PADDING + 2 else False
        return False

    def _after(self, events: list[PartEvent]) -> bool:  # noqa: ARG002 - as the other steps
        buffer = self._buffer
        if buffer.startswith(b"--"):
            self._state = _EPILOGUE
            return True
        end = buffer.index(b"\r\n")  # `_looks_like_end` has seen it
        self._parts += 1
        if self._parts > self._max_parts:
            raise MultipartError(f"more than {self._max_parts} parts", self._at, self._max_parts)
        self._drop(end + 2)
        self._state = _HEAD
        return True

    def _head(self, events: list[PartEvent]) -> bool:
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            raise MultipartError("a part without a Content-Disposition", self._at)
        end = buffer.find(b"\r\n\r\n", 0, self._max_head + 4)
        if end < 0:
            if len(buffer) >= self._max_head + 4:
                raise MultipartError(
                    f"the head of a part has more than {self._max_head} octets", self._at, self._max_head
                )
            return False
        events.append(_part_head(bytes(memoryview(buffer)[:end]), self._at))
        self._drop(end + 2)
        self._state = _BLANK
        return True

    def _blank(self) -> bool:
        """The empty line after a head. A part may have no body at all (RFC 2046 section 5.1.1), and some
        programs write an empty file so: then the line end is that of the next boundary."""
        buffer, delimiter = self._buffer, self._delimiter
        if buffer.startswith(delimiter):
            follows = self._looks_like_end(len(delimiter))
            if follows is None:
                return False
            if not follows:
                self._drop(2)
        elif delimiter.startswith(buffer):
            return False
        else:
            self._drop(2)
        self._state = _CONTENT
        return True


def _part_head(head: bytes, at: int) -> PartHead:
    """The fields of a part. Raises MultipartError."""
    fields: list[tuple[str, str]] = []
    disposition: bytes | None = None
    content_type: str | None = None
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        label = name.decode("latin-1").lower()
        value = value.strip(b" \t")
        if not colon or not is_token(label) or _CONTROL.search(value):
            raise MultipartError("a line in the head of a part is no field", at)
        fields.append((label, value.decode("latin-1")))
        if label == "content-disposition":
            if disposition is not None:
                raise MultipartError("a part with two Content-Dispositions", at)
            disposition = value
        elif label == "content-type":
            content_type = value.decode("latin-1")
        at += len(line) + 2
    if disposition is None:
        raise MultipartError("a part without a Content-Disposition", at)
    try:
        found = parse_disposition(disposition)
    except FieldError:
        raise MultipartError("a Content-Disposition that cannot be read", at) from None
    called = found.get("name")
    if found.type != "form-data" or called is None:
        raise MultipartError("a part that names no form field", at)
    return PartHead(_utf_8(called), found.filename, content_type, tuple(fields))


def _utf_8(text: str) -> str:
    """A name is in UTF-8 (RFC 7578 section 5.1); other octets stay characters of the same numbers."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
