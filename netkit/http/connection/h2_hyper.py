"""What both sides of a connection have, by python-hyper's h2 (RFC 9113); `h2_pure` has the sides.

python-hyper keeps the states, the windows and the compression. What it would end a connection for, where the
RFC has a stream end or nothing at all, is done here: header lists and the lengths of bodies (`h2_rules`),
streams over the limit (refused), and GOAWAY, after which it would let no stream under way go on. It is fed
one frame at a time, so that the events before a fault are not lost with it.

The decision a reader would wonder about: it is not told how many streams the peer may open, only the peer is,
because it ends the connection of a client that has not heard of the limit yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection as Library
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived as LibraryRequest,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import DenialOfServiceError, H2Error, ProtocolError
from h2.settings import SettingCodes, Settings

from netkit.http.connection import h2_faults, h2_rules
from netkit.http.connection.errors import ErrorCode
from netkit.http.connection.events import (
    Data,
    End,
    GoAway,
    Interim,
    PingAnswered,
    ResponseHead,
    Room,
)
from netkit.http.connection.h2_parts import HyperDecoder, HyperStream, sendable, whole_frames
from netkit.http.connection.h2_rules import Malformed
from netkit.http.connection.meter import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADER_SIZE,
    HEADERS,
    PADDED,
    RST_STREAM,
    SETTINGS,
    Excess,
    Meter,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from h2.events import Event as LibraryEvent

    from netkit.http.connection.events import Events, FieldList
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.http.parser.lines import Buffer

#: What a client sends first (RFC 9113 section 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: The largest payload of a frame that this side takes, which is the default (section 6.5.2).
MAX_PAYLOAD = 16384
#: How many streams a client opens before the server has said how many (section 6.5.2).
FIRST_STREAMS = 100
#: How many streams that were reset are remembered, so that what still comes on them is ignored.
REMEMBERED = 1000
_FIRST_WINDOW = 65535
LAST_STREAM = 2**31 - 1


class HyperConnection:
    """What both sides have: `H2Connection`."""

    is_server: bool

    def __init__(self, limits: ConnectionLimits, settings: dict[SettingCodes, int]) -> None:
        self._limits = limits
        self._library = Library(
            H2Configuration(
                client_side=not self.is_server,
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        settings = {
            SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window,
            SettingCodes.MAX_HEADER_LIST_SIZE: limits.max_header_list,
            **settings,
        }
        untold = {SettingCodes.MAX_CONCURRENT_STREAMS: LAST_STREAM} if self.is_server else {}
        self._library.local_settings = Settings(
            client=not self.is_server, initial_values={**settings, **untold}
        )
        self._library.decoder = self._decoder = HyperDecoder(limits)
        self._library.initiate_connection()
        self._library.clear_outbound_data_buffer()
        payload = b"".join(
            code.to_bytes(2, "big") + value.to_bytes(4, "big") for code, value in settings.items()
        )
        self._out = bytearray(b"" if self.is_server else PREFACE)
        self._out += len(payload).to_bytes(3, "big") + bytes((SETTINGS, 0, 0, 0, 0, 0)) + payload
        if limits.connection_window > _FIRST_WINDOW:
            self._library.increment_flow_control_window(limits.connection_window - _FIRST_WINDOW)
        self._meter = Meter(limits, self.is_server)
        self._buffer = bytearray()
        self._preface = len(PREFACE) if self.is_server else 0
        self._streams: dict[int, HyperStream] = {}
        self._open = 0
        self._last_stream = 0
        self._asked: set[int] = set()
        #: Streams that this side has reset, and whether the peer was told.
        self._given_up: dict[int, bool] = {}
        self._late: Events = []
        self._has_settings = self._is_leaving = self._is_draining = self._broken = False
        self._in_block = False  # a header block has begun and not ended
        self._collect()

    # Receiving.

    def feed(self, data: Buffer) -> Events:
        """What the received octets mean. After `Broken` it returns nothing more."""
        events, self._late = self._late, []
        if self._broken:
            return events
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            if self._preface:
                at = min(self._preface, len(buffer))
                self._library.receive_data(bytes(buffer[:at]))
                self._preface -= at
            while len(buffer) - at >= HEADER_SIZE:
                length = int.from_bytes(buffer[at : at + 3], "big")
                if length > MAX_PAYLOAD:
                    self._break(ErrorCode.FRAME_SIZE_ERROR, "", events)  # section 4.2
                    break
                end = at + HEADER_SIZE + length
                if end > len(buffer):
                    break
                if not self._frame(bytes(buffer[at:end]), events):
                    break
                at = end
                self._collect()
        except DenialOfServiceError:
            self._stop(Excess("max_header_list", self._limits.max_header_list), events)
        except ProtocolError as error:
            self._break(error.error_code, "", events)
        except Excess as excess:
            self._stop(excess, events)
        except Exception:
            self._break(ErrorCode.INTERNAL_ERROR, "the HTTP/2 library failed on what the peer sent", events)
        del buffer[:at]
        return events

    def _frame(self, frame: bytes, events: Events) -> bool:
        """One whole frame: what it means, and whether another may follow. Raises what `feed` catches."""
        kind, flags = frame[3], frame[4]
        number = int.from_bytes(frame[5:9], "big") & LAST_STREAM
        payload = frame[HEADER_SIZE:]
        if not self._has_settings and (kind != SETTINGS or flags & ACK):
            self._break(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS", events)
            return False
        self._has_settings = True
        self._meter.received(kind, flags, payload)
        if kind == SETTINGS and flags & ACK and payload:
            self._break(ErrorCode.FRAME_SIZE_ERROR, "", events)  # section 6.5
            return False
        if kind == GOAWAY and not number and len(payload) >= 8:
            self._goaway_received(payload, events)
            return True
        if kind in (HEADERS, CONTINUATION):
            self._in_block = not flags & END_HEADERS
        if kind == HEADERS:
            if self.is_server and number % 2:
                self._last_stream = max(self._last_stream, number)
            self._decoder.is_late = not self.is_server and number not in self._streams
        if kind in (DATA, HEADERS) and (stream := self._streams.get(number)) is not None:
            if not stream.is_receiving:
                words = "a frame came after the end of the message"  # section 5.1, half-closed (remote)
                self._refuse(number, words, events, ErrorCode.STREAM_CLOSED)
            elif kind == DATA:
                self._check_length(number, stream, flags, payload, events)
            elif stream.has_head and not flags & END_STREAM:
                self._refuse(number, "trailers do not end the stream", events)  # section 8.1
        for event in self._library.receive_data(frame):
            self._translate(event, events)
        return True

    def _check_length(
        self, number: int, stream: HyperStream, flags: int, payload: bytes, events: Events
    ) -> None:
        """The body is as long as it was said to be (section 8.1.1); the library must not find out first."""
        size = len(payload)
        if flags & PADDED:
            if not size or payload[0] >= size:
                return  # which the library refuses
            size -= 1 + payload[0]
        expected = 0 if stream.is_head else stream.expected
        if expected is None or not stream.has_head:
            return
        total = stream.received + size
        if total > expected or (flags & END_STREAM and total < expected):
            self._refuse(number, "the body is not as long as Content-Length says", events)

    def _translate(self, event: LibraryEvent, events: Events) -> None:
        """An event of python-hyper's, as one of netkit's."""
        if isinstance(event, DataReceived):
            self._data(event, events)
        elif isinstance(event, LibraryRequest):
            self._request_received(event, events)
        elif isinstance(event, ResponseReceived):
            self._response(event.stream_id, event.stream_ended is not None, events)
        elif isinstance(event, InformationalResponseReceived):
            self._interim(event.stream_id, events)
        elif isinstance(event, TrailersReceived):
            self._trailers_received(event.stream_id, events)
        elif isinstance(event, StreamEnded):
            self._ended(event.stream_id, [], events)
        elif isinstance(event, StreamReset):
            self._was_reset(event, events)
        elif isinstance(event, WindowUpdated):
            self._room(event.stream_id, events)
        elif isinstance(event, RemoteSettingsChanged):
            changed = event.changed_settings.get(SettingCodes.INITIAL_WINDOW_SIZE)
            if changed is not None and changed.new_value > (changed.original_value or 0):
                self._room(0, events)
        elif isinstance(event, PingAckReceived):
            events.append(PingAnswered(bytes(event.ping_data)))

    def _data(self, event: DataReceived, events: Events) -> None:
        number = event.stream_id
        stream = self._streams.get(number)
        size = len(event.data)
        # Nobody will take the padding, nor what comes on a stream that was given up.
        unseen = event.flow_controlled_length - (0 if stream is None else size)
        if unseen:
            self._library.acknowledge_received_data(unseen, number)
        if stream is not None and size:
            stream.received += size
            stream.credit += size
            events.append(Data(number, bytes(event.data), size))

    def _request_received(self, event: LibraryRequest, events: Events) -> None:
        """A request has come, to a server."""

    def _response(self, number: int, end: bool, events: Events) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        try:
            status, fields = h2_rules.received_response(self._decoder.items)
            length = h2_rules.content_length(fields)
            has_body = not stream.is_head and status not in (204, 304)
            if end and length and has_body:
                raise Malformed("the body is not as long as Content-Length says")
        except Malformed as error:
            self._refuse(number, str(error), events)
            return
        if self._has_too_many(number, fields, events):
            return
        stream.has_head = True
        stream.expected = length
        events.append(ResponseHead(number, status, fields, end, (2, 0), b"", length))
        if end:
            stream.is_receiving = False
            self._settle(number)

    def _interim(self, number: int, events: Events) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.interim += 1
        if stream.interim > self._limits.max_interim:
            raise Excess("max_interim", self._limits.max_interim)
        try:
            status, fields = h2_rules.received_response(self._decoder.items)
        except Malformed as error:
            self._refuse(number, str(error), events)
            return
        if not self._has_too_many(number, fields, events):
            events.append(Interim(number, status, fields))

    def _trailers_received(self, number: int, events: Events) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        try:
            fields = h2_rules.received_trailers(self._decoder.items)
            if stream.expected is not None and not stream.is_head and stream.received != stream.expected:
                raise Malformed("the body is not as long as Content-Length says")
        except Malformed as error:
            self._refuse(number, str(error), events)
            return
        if not self._has_too_many(number, fields, events):
            self._ended(number, fields, events)

    def _has_too_many(self, number: int, fields: FieldList, events: Events) -> bool:
        limit = self._limits.max_header_count
        if len(fields) <= limit:
            return False
        self._give_up(number, ErrorCode.ENHANCE_YOUR_CALM)
        if self._forget(number) is not None:
            code = ErrorCode.ENHANCE_YOUR_CALM
            events.append(h2_faults.reset(number, "limit", code, limit_name="max_header_count", limit=limit))
        return True

    def _ended(self, number: int, trailers: FieldList, events: Events) -> None:
        """The message is over. python-hyper says so after a head without a body, too."""
        stream = self._streams.get(number)
        if stream is None or not stream.is_receiving:
            return
        stream.is_receiving = False
        events.append(End(number, trailers))
        self._settle(number)

    def _was_reset(self, event: StreamReset, events: Events) -> None:
        number = event.stream_id
        if self._forget(number) is None:
            return
        code = int(event.error_code or 0)
        is_safe = not self.is_server and event.remote_reset and code == ErrorCode.REFUSED_STREAM
        kind = "peer" if event.remote_reset else "rule"
        events.append(h2_faults.reset(number, kind, code, is_safe))

    def _room(self, number: int, events: Events) -> None:
        if number:
            stream = self._streams.get(number)
            if stream is not None and stream.is_sending:
                events.append(Room(number))
        elif any(stream.is_sending for stream in self._streams.values()):
            events.append(Room(0))

    def _goaway_received(self, payload: bytes, events: Events) -> None:
        """The peer takes no more streams; those up to the last one go on, which the library would not let."""
        self._is_leaving = True
        last, code = (int.from_bytes(payload[at : at + 4], "big") for at in (0, 4))
        last &= LAST_STREAM
        events.append(GoAway(last, code, payload[8:]))
        if not self.is_server:
            for number in sorted(number for number in self._streams if number > last):
                # The library forgets it too; the server has, and is not told.
                self._give_up(number, ErrorCode.CANCEL)
                self._given_up[number] = True
                if self._forget(number) is not None:
                    events.append(h2_faults.reset(number, "goaway", code, True))

    def feed_eof(self) -> Events:
        """The peer will send no more: each stream on which something was to come fails."""
        events, self._late = self._late, []
        self._is_leaving = True
        for number in sorted(self._streams):
            stream = self._streams[number]
            if stream.is_receiving:
                self._forget(number)
                kind = "end" if stream.has_head else "unanswered"
                events.append(
                    h2_faults.reset(number, kind, received=stream.received, expected=stream.expected)
                )
        return events

    # Sending.

    def take(self) -> bytes:
        """The octets to send, in order, each once."""
        self._collect_late()
        taken = bytes(self._out)
        self._out.clear()
        return taken

    @property
    def has_output(self) -> bool:
        """Whether `take` has something."""
        self._collect_late()
        return bool(self._out)

    def _collect_late(self) -> None:
        try:
            self._collect()
        except Excess as excess:
            self._stop(excess, self._late)

    def _collect(self) -> None:
        """Take what the library has to send, and count it. Raises `Excess`."""
        data = self._library.data_to_send()
        if not data:
            return
        excess = None
        kept = []
        for kind, flags, stream, frame in whole_frames(data):
            if kind == RST_STREAM and stream in self._given_up:
                if self._given_up[stream]:
                    continue  # said again, for a frame that was under way when the stream was reset
                self._given_up[stream] = True
            kept.append(frame)
            try:
                self._meter.sent(kind, flags, len(frame) - HEADER_SIZE, stream in self._asked)
            except Excess as error:
                excess = error
        self._out += b"".join(kept)
        self._asked.clear()
        if excess is not None and not self._broken:
            raise excess

    def room(self, stream: int) -> int:
        """How many octets of body may be sent on the stream now."""
        state = self._streams.get(stream)
        if state is None or not state.is_sending:
            return 0
        return max(0, self._library.local_flow_control_window(stream))

    def send(self, stream: int, data: Buffer, *, end: bool = False) -> None:
        """Send octets of a body; `end` with the last of them.

        Raises ValueError for more than `room`, and for a stream that never was or whose message has ended.
        """
        if self._sender(stream) is None:
            return
        view = memoryview(data).cast("B")
        size, room = len(view), self.room(stream)
        if size > room:
            raise ValueError(f"{size} octets are more than the room of {room} octets")
        most = self._library.max_outbound_frame_size
        at = 0
        while size - at > most:
            self._library.send_data(stream, bytes(view[at : at + most]))
            at += most
        if end or size > at:
            self._library.send_data(stream, bytes(view[at:]), end_stream=end)
        if end:
            self._end_sending(stream)

    def trailers(self, stream: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """End the message with these fields after its body."""
        if self._sender(stream) is None:
            return
        try:
            items = sendable(fields)
        except Malformed as error:
            raise h2_faults.invalid_value("head", str(error)) from None
        self._library.send_headers(stream, items, end_stream=True)
        self._end_sending(stream)

    def _known(self, number: int) -> HyperStream | None:
        """The stream; None if it is gone, which the caller's events may say only later, so nothing is sent.

        Raises ValueError for one that never was.
        """
        stream = self._streams.get(number)
        if stream is None and not 0 < number <= self._last_stream:
            raise ValueError(f"there is no stream {number}")
        return stream

    def _sender(self, number: int) -> HyperStream | None:
        """The stream, if a body may be sent on it; None if it is gone."""
        stream = self._known(number)
        if stream is None:
            return None
        if not stream.is_sending:
            raise ValueError(f"the message on stream {number} has ended")
        if not stream.is_answered:
            raise ValueError(f"stream {number} has no head yet")
        return stream

    def _end_sending(self, number: int) -> None:
        self._streams[number].is_sending = False
        self._settle(number)

    def consumed(self, stream: int, credit: int) -> None:
        """The application took body octets of that `credit`: as many more may come."""
        state = self._streams.get(stream)
        if state is None:
            return
        credit = min(credit, state.credit)
        if credit and not self._broken:
            self._library.acknowledge_received_data(credit, stream)
        state.credit -= credit
        self._settle(stream)

    def reset(self, stream: int, code: int = ErrorCode.CANCEL) -> None:
        """Give up the stream: nothing more is sent on it, and no event comes of it."""
        state = self._forget(stream)
        if state is not None and state.is_open:
            self._collect_late()
            self._asked.add(stream)
            self._give_up(stream, code)

    def goaway(self, code: int = 0) -> None:
        """Tell the peer that no new stream is taken; those under way go on."""
        if not self._broken and not self._is_draining:
            self._collect_late()
            self._is_draining = True
            self._write_goaway(code)

    def ping(self, data: bytes) -> None:
        """Ask the peer for a sign of life, with eight octets."""
        if len(data) != 8:
            raise ValueError("a ping has 8 octets")
        if not self._broken:
            self._meter.awaited_pings += 1
            self._library.ping(bytes(data))

    @property
    def is_in_head(self) -> bool:
        """Whether the peer has begun a head, or the preface, and not ended it."""
        have = self._buffer[:HEADER_SIZE]
        is_in_frame = bool(have) and (len(have) < HEADER_SIZE or have[3] in (HEADERS, CONTINUATION))
        return self._preface > 0 or self._in_block or is_in_frame

    @property
    def in_flight(self) -> int:
        """How many streams are under way."""
        return self._open

    @property
    def is_closed(self) -> bool:
        """Whether the connection is of no further use."""
        return self._broken or (not self._open and (self._is_leaving or self._is_draining))

    # The ends of streams, and of the connection.

    def _add(self, number: int, stream: HyperStream) -> None:
        self._streams[number] = stream
        self._open += 1

    def _settle(self, number: int) -> None:
        """Forget a stream that is over, when all of its octets are credited."""
        stream = self._streams[number]
        if stream.is_sending or stream.is_receiving:
            return
        if stream.is_open:
            stream.is_open = False
            self._open -= 1
        if not stream.credit:
            del self._streams[number]

    def _forget(self, number: int) -> HyperStream | None:
        """Take a stream out whose octets nobody will take any more."""
        stream = self._streams.pop(number, None)
        if stream is not None:
            if stream.is_open:
                self._open -= 1
            if stream.credit and not self._broken:
                self._library.acknowledge_received_data(stream.credit, number)
        return stream

    def _refuse(
        self, number: int, words: str, events: Events, code: ErrorCode = ErrorCode.PROTOCOL_ERROR
    ) -> None:
        """The peer broke a rule on the stream. The library ignores what still comes on it."""
        self._give_up(number, code)
        if (stream := self._forget(number)) is not None and stream.is_open:
            events.append(h2_faults.reset(number, "rule", code, words=words))

    def _give_up(self, number: int, code: int) -> None:
        try:
            self._library.reset_stream(number, code)
        except H2Error:
            return  # it is over on both sides already
        self._given_up[number] = False
        if len(self._given_up) > REMEMBERED:
            del self._given_up[next(iter(self._given_up))]

    def _stop(self, excess: Excess, events: Events) -> None:
        self._break(ErrorCode.ENHANCE_YOUR_CALM, "", events, excess)

    def _break(self, code: int, words: str, events: Events, excess: Excess | None = None) -> None:
        """The connection cannot go on; the peer is told, unless the library has done it."""
        self._broken = True
        said = self._library.data_to_send() or b""
        self._out += said
        codes = [frame[13:17] for kind, _, _, frame in whole_frames(said) if kind == GOAWAY]
        if int(code).to_bytes(4, "big") not in codes:
            self._write_goaway(code, b"" if excess is None else excess.name.encode())
        self._open = 0
        self._streams.clear()
        name, limit = (None, None) if excess is None else (excess.name, excess.limit)
        events.append(h2_faults.broken(int(code), words, name, limit))

    def _write_goaway(self, code: int, debug: bytes = b"") -> None:
        last = self._last_stream if self.is_server else 0
        payload = last.to_bytes(4, "big") + int(code).to_bytes(4, "big") + debug
        self._out += len(payload).to_bytes(3, "big") + bytes((GOAWAY, 0, 0, 0, 0, 0)) + payload
