r"""Server-sent events: the text/event-stream of a response as events, as it comes.

HTML Standard, section "Server-sent events": "Parsing an event stream", "Interpreting an event stream".

    >>> stream = EventStreamParser()
    >>> stream.feed(b"id: 1\ndata: first\ndata: second\n")
    []
    >>> stream.feed(b"\n: a comment\n\nevent: add\ndata: 73857293\nretry: 2500\n\n")
    [ServerEvent(data='first\nsecond', event='message', id='1', retry=None),
     ServerEvent(data='73857293', event='add', id='1', retry=2.5)]
    >>> stream.last_event_id, stream.retry
    ('1', 2.5)

An event is given as soon as the empty line behind it has come, also if that line ends with a CR whose LF may
still follow. At the end of the stream, an event without its empty line is dropped, as the Standard wants: it
may be half of one. Octets that are not UTF-8 become U+FFFD.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from netkit.http.parser.lines import Buffer

#: The longest line, in octets: 1 MiB.
MAX_LINE: Final = 1 << 20
#: The most octets of the lines of one event: 4 MiB.
MAX_EVENT: Final = 4 << 20
#: The longest time that a server may ask to wait, in seconds: an hour.
MAX_RETRY: Final = 3_600.0

_LINE_END: Final = re.compile(rb"\r\n?|\n")
_BOM: Final = b"\xef\xbb\xbf"
#: More digits are more than any limit, and take long to convert.
_DIGITS: Final = 15


class ServerEvent(NamedTuple):
    """One event: its `data`, its type, the last id that the server gave, and the time to wait if it said one.

    `retry` is in seconds; it is only in the event with which it came.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: float | None = None


class EventStreamParser:
    """Reads an event stream, in pieces of any size.

    Args:
        last_event_id: what was sent in the Last-Event-ID header, if this stream goes on with another one.
        max_line: the longest line, in octets.
        max_event: the most octets of the lines of one event.
        max_retry: a longer time to wait becomes this one, in seconds.
    """

    __slots__ = (
        "_after_cr",
        "_begun",
        "_buffer",
        "_data",
        "_event",
        "_failure",
        "_scanned",
        "_size",
        "_wait",
        "last_event_id",
        "max_event",
        "max_line",
        "max_retry",
        "retry",
    )

    def __init__(
        self,
        last_event_id: str = "",
        *,
        max_line: int = MAX_LINE,
        max_event: int = MAX_EVENT,
        max_retry: float = MAX_RETRY,
    ) -> None:
        #: What to send in Last-Event-ID after a reconnect, in UTF-8; "" for no header.
        self.last_event_id = last_event_id
        #: How long to wait before a reconnect, in seconds; None if the server did not say.
        self.retry: float | None = None
        self.max_line = max_line
        self.max_event = max_event
        self.max_retry = max_retry
        self._buffer = bytearray()
        #: Up to here there is no end of a line in the buffer.
        self._scanned = 0
        self._after_cr = False
        #: Whether the beginning of the stream, where a byte order mark may be, is behind us.
        self._begun = False
        self._data: list[str] = []
        self._event = ""
        self._wait: float | None = None
        self._size = 0
        self._failure: str | None = None

    @property
    def is_between_events(self) -> bool:
        """Whether nothing of an event is lost if the stream ends here."""
        return not self._buffer and not self._data

    def feed(self, data: Buffer) -> list[ServerEvent]:
        """The events that are complete with `data`.

        Raises HttpError.InvalidResponse for a line over `max_line` and an event over `max_event`; nothing can
        be read after that. If there are events before it in the same `data`, they are returned, and the next
        call raises.
        """
        self.finish()
        buffer = self._buffer
        buffer += data
        if not self._begun and not self._skip_mark():
            return []
        events: list[ServerEvent] = []
        at = 0
        if self._after_cr and buffer:
            self._after_cr = False
            at = 1 if buffer[0] == 0x0A else 0
        search = max(at, self._scanned)
        while (found := _LINE_END.search(buffer, search)) is not None:
            end = found.start()
            line = bytes(buffer[at:end])
            at = search = found.end()
            self._after_cr = at == len(buffer) and buffer[at - 1] == 0x0D
            self._check_line(len(line))
            event = self._line(line)
            if self._failure is not None:
                break
            if event is not None:
                events.append(event)
        del found  # while it is there, the buffer cannot shrink
        self._check_line(len(buffer) - at)
        del buffer[:at]
        self._scanned = len(buffer)
        if self._failure is not None:
            del buffer[:]
            if not events:
                self.finish()
        return events

    def finish(self) -> None:
        """The stream has ended. Raises HttpError.InvalidResponse if it went over a limit."""
        if self._failure is not None:
            raise HttpError.InvalidResponse(self._failure)

    def _skip_mark(self) -> bool:
        """Remove the byte order mark at the beginning; whether enough is there to know."""
        buffer = self._buffer
        if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
            return False
        self._begun = True
        if buffer.startswith(_BOM):
            del buffer[: len(_BOM)]
        return True

    def _line(self, line: bytes) -> ServerEvent | None:
        """Take one line; the event, if it ends one."""
        if not line:
            return self._dispatch()
        name, _, rest = line.partition(b":")
        if not name:
            return None  # a comment
        value = rest.removeprefix(b" ")
        match name:
            case b"data":
                self._size += len(line) + 1
                if self._size > self.max_event:
                    self._failure = f"an event is longer than max_event = {self.max_event} octets"
                    return None
                self._data.append(value.decode("utf-8", "replace"))
            case b"event":
                self._event = value.decode("utf-8", "replace")
            case b"id" if b"\0" not in value:
                self.last_event_id = value.decode("utf-8", "replace")
            case b"retry" if value.isdigit():
                wait = int(value) / 1000 if len(value) <= _DIGITS else self.max_retry
                self.retry = self._wait = min(wait, self.max_retry)
        return None

    def _dispatch(self) -> ServerEvent | None:
        event = None
        if self._data:
            # The Standard ends each line of data with LF and takes the last one away: a single empty line of
            # data is an event whose data is empty.
            event = ServerEvent(
                "\n".join(self._data), self._event or "message", self.last_event_id, self._wait
            )
        self._data = []
        self._event = ""
        self._wait = None
        self._size = 0
        return event

    def _check_line(self, size: int) -> None:
        if size > self.max_line and self._failure is None:
            self._failure = f"a line of the event stream is longer than max_line = {self.max_line} octets"
