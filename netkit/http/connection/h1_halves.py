"""The two halves of a connection of HTTP/1.1: messages that come, and messages that go (RFC 9112).

`Incoming` finds heads, body octets and ends in what it is fed. `Outgoing` writes heads and frames bodies.
`h1_client` and `h1_server` know which message answers which.

What is received stays in one buffer until it is handed out. A body that comes in one piece with its head is
copied once, out of that piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.errors import IncompleteMessage
from netkit.http.connection.events import UNLIMITED, Data, End, encode_lines
from netkit.http.parser.chunked import ChunkedDecoder, ChunkEnd
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import Events
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.http.parser.framing import Lenient
    from netkit.http.parser.head import Done, HttpParser
    from netkit.http.parser.lines import Buffer

#: More octets than this behind a message are moved only once, however many messages follow.
_MOVED_AT_ONCE = 4096

#: Octets on either side of a fault that an error keeps, to be shown.
EXCERPT = 160

#: The settings of the parsers, and the limits of `ConnectionLimits` that they come from.
_LIMIT_NAMES = {
    "max_request_line": "max_start_line",
    "max_header_line": "max_header_list",
    "max_headers_total": "max_header_list",
    "max_header_count": "max_header_count",
}


class Incoming:
    """The messages that come: `buffer` from `at` on is what nobody has taken.

    `framing` is how the end of the body under way is found, None between messages. `left` are the octets of
    it that are still to come, where its length is known, and `taken` those that were handed out. `before` are
    the octets of the message that have left the buffer, so that the offset of an error counts from its start.
    """

    __slots__ = (
        "_decoder",
        "_lenient",
        "_limits",
        "at",
        "before",
        "buffer",
        "framing",
        "left",
        "length",
        "parser",
        "taken",
    )

    def __init__(self, parser: HttpParser, limits: ConnectionLimits, lenient: Lenient) -> None:
        self.parser = parser
        self.buffer: bytes | bytearray = b""
        self.at = 0
        self.before = 0
        self.framing: Framing | None = None
        self.left = 0
        self.length: int | None = None
        self.taken = 0
        self._limits = limits
        self._lenient = lenient
        self._decoder: ChunkedDecoder | None = None

    def put(self, data: Buffer) -> None:
        """Append received octets."""
        if not self.buffer:
            self.buffer = data if type(data) is bytes else bytes(data)
        elif type(self.buffer) is bytearray:
            self.buffer += data
        else:
            self.buffer = bytearray(self.buffer)
            self.buffer += data

    def drop_taken(self) -> None:
        """Forget the octets before `at`."""
        at = self.at
        if not at:
            return
        self.at = 0
        if at >= len(self.buffer):
            self.buffer = b""
        elif type(self.buffer) is bytearray:
            del self.buffer[:at]
        elif len(self.buffer) - at > _MOVED_AT_ONCE:
            self.buffer = bytearray(memoryview(self.buffer)[at:])
        else:
            self.buffer = self.buffer[at:]

    @property
    def pending(self) -> int:
        """How many octets nobody has taken."""
        return len(self.buffer) - self.at

    def rest(self) -> bytes:
        """All octets that nobody has taken; they are the caller's now."""
        rest = bytes(self.buffer[self.at :])
        self.buffer, self.at = b"", 0
        return rest

    def forget(self) -> None:
        """No octet of what was received is needed any more."""
        self.buffer, self.at = b"", 0

    def begin_body(self, done: Done) -> bool:
        """The head is read: what follows is framed as it says. Returns whether there is a body."""
        self.at = done.body_start
        self.framing = framing = done.framing
        self.taken = 0
        self.length = None
        if framing is Framing.LENGTH:
            assert done.body_len is not None  # a body framed by its length has one
            self.left = self.length = done.body_len
        elif framing is Framing.NONE:
            self.left = 0
        elif framing is Framing.CHUNKED:
            # Its offsets count from the front of the buffer, so the head goes.
            self.before = self.at
            self.drop_taken()
            if self._decoder is None:
                limits = self._limits
                self._decoder = ChunkedDecoder(
                    lenient=self._lenient,
                    max_header_line=limits.max_header_list,
                    max_headers_total=limits.max_header_list,
                    max_header_count=limits.max_header_count,
                )
            else:
                self._decoder.reset()
        if framing is Framing.NONE or (framing is Framing.LENGTH and not self.left):
            self.framing = None
            return False
        return True

    def read_body(self, stream: int, events: Events) -> bool:
        """Hand out what is there of the body. Returns whether it ended. Raises ParseError."""
        if self.framing is Framing.CHUNKED:
            return self._read_chunks(stream, events)
        size = len(self.buffer) - self.at
        if self.framing is Framing.LENGTH:
            size = min(size, self.left)
            self.left -= size
        if size:
            start = self.at
            self.at = start + size
            if start == 0 and size == len(self.buffer):
                data = bytes(self.buffer)
            else:
                data = bytes(memoryview(self.buffer)[start : self.at])
            self.taken += size
            events.append(Data(stream, data))
        if self.framing is Framing.LENGTH and not self.left:
            self.framing = None
            events.append(End(stream, []))
            return True
        return False

    def _read_chunks(self, stream: int, events: Events) -> bool:
        decoder, buffer = self._decoder, self.buffer
        assert decoder is not None  # made by `begin_body`
        pieces: list[bytes] = []
        try:
            while True:
                step = decoder.feed(buffer)
                if not step:
                    break
                if isinstance(step, ChunkEnd):
                    self.at = step.end
                    self.before = 0
                    self.framing = None
                    self._hand_out(stream, pieces, events)
                    events.append(End(stream, [(each.name, each.value) for each in decoder.trailers]))
                    return True
                pieces.append(bytes(step.data(buffer)))
        except ParseError:
            self._hand_out(stream, pieces, events)
            raise
        self._hand_out(stream, pieces, events)
        done = decoder.safe_to_discard
        if done:
            self.at = done
            self.before += done
            self.drop_taken()
            decoder.discard(done)
        return False

    def _hand_out(self, stream: int, pieces: list[bytes], events: Events) -> None:
        """Tiny chunks that came together are one piece: else an octet a chunk costs an object each."""
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.taken += len(data)
            events.append(Data(stream, data))

    def end(self) -> None:
        """The peer sends no more. Raises IncompleteMessage inside a body whose end was to come."""
        if self.framing is Framing.LENGTH:
            raise IncompleteMessage(self.taken, self.length)
        if self.framing is Framing.CHUNKED:
            raise IncompleteMessage(self.taken)

    def explained(self, error: ParseError) -> ParseError:
        """The parser's error in terms of the message and of `ConnectionLimits`."""
        error = error.fresh()
        begin = max(0, error.offset - EXCERPT)
        error.excerpt = bytes(self.buffer[begin : error.offset + EXCERPT]), error.offset - begin
        error.offset += self.before
        if isinstance(error, ParseError.InvalidStatusLine) and _is_http2(error.excerpt[0]):
            error.hint, error.remedy = "these are frames of HTTP/2, which was not asked for", "http2"
        if isinstance(
            error, (ParseError.RequestLineTooLong, ParseError.HeaderTooLong, ParseError.TooManyHeaders)
        ):
            error.setting = _LIMIT_NAMES[error.setting]
            error.hint = f"{error.setting}={error.limit} is the limit; ConnectionLimits can set a larger one"
        return error

    @property
    def direct(self) -> int:
        """How many octets of the body could be received without passing through here; see `h1`."""
        if len(self.buffer) > self.at:
            return 0
        if self.framing is Framing.LENGTH:
            return self.left
        return UNLIMITED if self.framing is Framing.UNTIL_CLOSE else 0

    def received(self, size: int, stream: int, events: Events) -> bool:
        """So many octets of the body were received past `feed`. Returns whether it ended."""
        if not 0 <= size <= self.direct:
            raise ValueError(f"{size} octets of body were not to be received past the connection")
        self.taken += size
        if self.framing is Framing.LENGTH:
            self.left -= size
            if not self.left:
                self.framing = None
                events.append(End(stream, []))
                return True
        return False


def _is_http2(octets: bytes) -> bool:
    """Whether these are what a server of HTTP/2 sends first: a SETTINGS frame (RFC 9113 section 3.4)."""
    return len(octets) >= 9 and octets[0] == 0 and octets[3:9] == b"\x04\0\0\0\0\0"


class Outgoing:
    """The messages that go. `framing` is that of the body under way, None where there is none."""

    __slots__ = ("_pieces", "framing", "left")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.framing: Framing | None = None
        self.left = 0

    def begin(self, head: bytes, framing: Framing | None, length: int = 0) -> None:
        """Write a head; a body framed so follows it."""
        self._pieces.append(head)
        self.framing = framing
        self.left = length

    def send(self, data: Buffer, *, end: bool) -> None:
        """Write body octets. Raises ValueError if they do not fit the length that the head announced."""
        view = memoryview(data)
        size = view.nbytes
        if self.framing is None:
            raise ValueError("no body is under way")
        if self.framing is Framing.LENGTH:
            self.fits(size, end=end)
            self.left -= size
        if size:
            if self.framing is Framing.CHUNKED:
                self._pieces.append(b"%x\r\n" % size)
            self._pieces.append(bytes(data))
            if self.framing is Framing.CHUNKED:
                self._pieces.append(b"\r\n")
        if end:
            if self.framing is Framing.CHUNKED:
                self._pieces.append(b"0\r\n\r\n")
            self.framing = None

    def fits(self, size: int, *, end: bool) -> None:
        """Raise ValueError if so many more octets do not fit the length that the head announced."""
        if self.framing is Framing.CHUNKED or self.framing is Framing.UNTIL_CLOSE:
            return
        if size > self.left or (end and size < self.left):
            missing = "more" if size > self.left else "less"
            raise ValueError(f"{missing} octets than announced: {self.left} are to come, and {size} came")

    def trailers(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """End the body with trailers; only a chunked body has any (RFC 9112 section 7.1.2)."""
        if self.framing is Framing.CHUNKED:
            self._pieces.append(b"0\r\n%b\r\n" % encode_lines(fields))
            self.framing = None
        else:
            self.send(b"", end=True)

    def passed(self, size: int) -> None:
        """So many octets of a body with a known length were sent past `take`, such as by sendfile(2)."""
        if self.framing is not Framing.LENGTH or not 0 <= size <= self.left:
            raise ValueError(f"no {size} octets of a body with a known length are to be sent")
        if self._pieces:
            raise ValueError("what `take` has is to be sent before")
        self.left -= size
        if not self.left:
            self.framing = None

    @property
    def has_output(self) -> bool:
        """Whether `take` has something."""
        return bool(self._pieces)

    def take(self) -> bytes:
        """What is to be sent."""
        pieces = self._pieces
        if len(pieces) == 1:
            return pieces.pop()
        data = b"".join(pieces)
        pieces.clear()
        return data
