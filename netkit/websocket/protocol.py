"""One WebSocket connection without I/O: octets in, events and octets out (RFC 6455 sections 5 to 7).

    protocol = WebSocketProtocol.server()
    for opcode, payload in protocol.feed(data):
        protocol.send(payload)
    write(protocol.take())

A method never waits, and never raises for what the peer did: the events up to the wrong octet are handed
out, `error` says what was wrong, and the Close frame that says so to the peer is among the octets to send.
That frame, and the answer to the peer's Close frame, is written by the next `take`, so that what came before
in the same octets can still be answered. There is no clock here. Whoever drives the protocol decides how
long a peer may take, for an answer to a ping as well as for the rest of a message.

Most of the work, from octets to whole messages, is done by `MessageReader`, of which there is a form in Rust.
What it finds is handed on as it is, unless there is something to decide: a control frame, a compressed
message or an error.
"""

from __future__ import annotations

from contextlib import nullcontext
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias, cast

from netkit.websocket.close import CloseCode, CloseReason, encode_close, parse_close, shortened
from netkit.websocket.errors import WebSocketError
from netkit.websocket.frame import FIN, RSV1, build_frame, control_payload, frame_header
from netkit.websocket.limits import DEFAULT_LIMITS
from netkit.websocket.opcode import Opcode
from netkit.websocket.reader import COMPRESSED, Found, MessageReader
from netkit.websocket.utf8 import Utf8Validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from netkit.websocket.deflate import Deflater, Inflater
    from netkit.websocket.deflate_offer import DeflateConfig, DeflateParameters
    from netkit.websocket.limits import WebSocketLimits
    from netkit.websocket.masking import Octets

#: What was received: `Opcode.Textual` and a text, `Binary`, `Ping` or `Pong` and octets, `Close` and a
#: CloseReason.
Event: TypeAlias = "tuple[Opcode, str | bytes | CloseReason]"

#: Pongs that wait to be taken. Beyond that, a new one takes the place of the last (section 5.5.3).
_MAX_PONGS = 16

#: How many times as much zlib makes of compressed octets, at the most.
_MOST_INFLATED = 1032

#: How many octets a driver should feed at once: with compression, the least and the most.
_LEAST_FED, _MOST_FED = 4096, 65536

#: From this many octets on, a server's payload is handed on as it is, behind its header, and not copied.
_APART = 16384

_NO_LOCK = nullcontext()

_TEXT_FRAME, _BINARY_FRAME = int(FIN | Opcode.Textual), int(FIN | Opcode.Binary)


class State(Enum):
    """Where a connection is (RFC 6455 section 7.1)."""

    OPEN = "open"
    CLOSING = "closing"
    """One of the two Close frames was sent or received."""
    CLOSED = "closed"
    """Both were, or the connection failed or ended."""


class WebSocketProtocol:
    """The protocol of one side, behind the opening handshake. `server` and `client` make one.

    `error` is what the peer did wrong, None if nothing. `close_sent` and `close_received` are what the Close
    frames said. `subprotocol` and `deflate` are what was agreed on.
    """

    __slots__ = (
        "_config",
        "_counted",
        "_deflater",
        "_farewell",
        "_fragment",
        "_inflated",
        "_inflater",
        "_is_deaf",
        "_is_flooded",
        "_last_pong",
        "_limits",
        "_mask_key",
        "_min_size",
        "_out",
        "_pings",
        "_pongs",
        "_reader",
        "_size",
        "_utf8",
        "close_received",
        "close_sent",
        "deflate",
        "error",
        "is_client",
        "is_ended",
        "subprotocol",
    )

    def __init__(
        self,
        *,
        mask_key: Callable[[], bytes] | None,
        limits: WebSocketLimits = DEFAULT_LIMITS,
        deflate: DeflateParameters | None = None,
        config: DeflateConfig | None = None,
        subprotocol: str | None = None,
    ) -> None:
        self.is_client = mask_key is not None
        self.subprotocol = subprotocol
        self.deflate = deflate
        self.error: WebSocketError | None = None
        self.close_sent: CloseReason | None = None
        self.close_received: CloseReason | None = None
        #: Whether the peer will send no more octets.
        self.is_ended = False
        self._mask_key = mask_key
        self._limits = limits
        self._reader = MessageReader(
            not self.is_client,
            allow_compressed=deflate is not None,
            max_frame=limits.max_frame,
            max_message=limits.max_message,
            max_fragments=limits.max_fragments,
            max_empty_fragments=limits.max_empty_fragments,
        )
        #: Whether what comes is not looked at any more.
        self._is_deaf = False
        self._out: list[bytes] = []
        #: How many parts of `_out` are counted in `_size`, so that each is counted once.
        self._counted = 0
        self._size = 0
        #: Pongs in `_out`, where the last of them is, and pings since octets were taken.
        self._pongs = 0
        self._last_pong = 0
        self._pings = 0
        #: Whether some of them came before the octets that are looked at now. Of those that come together
        #: none could be answered before the next, and how many do so says nothing of the peer.
        self._is_flooded = False
        #: The Close frame that the next `take` writes: its code and its reason.
        self._farewell: tuple[int | None, str] | None = None
        #: What the next fragment of a message that is being sent begins with; -1 if none is.
        self._fragment = -1
        #: Messages of fewer octets are not compressed; None if none is.
        self._min_size: int | None = None
        self._config = config
        #: Both are made when the first compressed message comes or goes.
        self._deflater: Deflater | None = None
        self._inflater: Inflater | None = None
        self._inflated = bytearray()
        self._utf8 = Utf8Validator()
        if deflate is not None:
            self._min_size = 128 if config is None else config.min_size

    @classmethod
    def server(
        cls,
        *,
        limits: WebSocketLimits = DEFAULT_LIMITS,
        deflate: DeflateParameters | None = None,
        config: DeflateConfig | None = None,
        subprotocol: str | None = None,
    ) -> WebSocketProtocol:
        """The side of a server.

        Args:
            limits: how much the client may send.
            deflate: what was agreed on for permessage-deflate; None for no compression.
            config: how this side compresses.
            subprotocol: what was agreed on.
        """
        return cls(mask_key=None, limits=limits, deflate=deflate, config=config, subprotocol=subprotocol)

    @classmethod
    def client(
        cls,
        mask_key: Callable[[], bytes],
        *,
        limits: WebSocketLimits = DEFAULT_LIMITS,
        deflate: DeflateParameters | None = None,
        config: DeflateConfig | None = None,
        subprotocol: str | None = None,
    ) -> WebSocketProtocol:
        """The side of a client.

        Args:
            mask_key: returns four new octets for each frame, that the server cannot predict (section 10.3):
                `random_mask_key`.
            limits, deflate, config, subprotocol: as for `server`.
        """
        return cls(mask_key=mask_key, limits=limits, deflate=deflate, config=config, subprotocol=subprotocol)

    # Receiving

    def feed(self, data: Octets, lock: AbstractContextManager[object] = _NO_LOCK) -> list[Event]:
        """What the next octets mean.

        Args:
            data: what was received, in any contiguous buffer, which may be used again afterwards.
            lock: is held while more is done than to read messages, for a driver that sends in other threads
                meanwhile.

        Returns:
            The events, in order. Pings are answered already. Look at `error` after the events: if it is set,
            they are the last. Until `take`, all of them can be answered, also with a Close frame among them.
        """
        if self._is_deaf:
            return []
        reader = self._reader
        found = reader.feed(data)
        if reader.is_plain:
            if found and self._pings:
                self._pings = 0
            return cast("list[Event]", found)
        with lock:
            return self.decide(found)

    def decide(self, found: list[Found]) -> list[Event]:
        """The events in what the reader has just found; see `feed`."""
        events: list[Event] = []
        reader = self._reader
        self._is_flooded = self._pings > 0
        try:
            for kind, payload in found:
                self._take(kind, payload, events)
        except WebSocketError as error:
            self._fail(error.fresh())
        else:
            if reader.error is not None:
                self._fail(reader.error)
        return events

    @property
    def feed_size(self) -> int:
        """How many octets a driver should feed at once.

        What a peer compresses may become 1032 times as large, in many messages. With so few octets at once,
        all that is inflated of them is about as much as one message may have; a driver that holds the peer
        back between two feeds keeps to its limits then.
        """
        if self.deflate is None:
            return _MOST_FED
        return max(_LEAST_FED, min(self._limits.max_message // _MOST_INFLATED, _MOST_FED))

    def fail_slow(self, limit: float) -> None:
        """Give the connection up because a message is under way for more than `limit` seconds.

        A driver that has a clock says so (section 10.4). The peer gets 1008.
        """
        if self.error is None and not self._is_deaf:
            self._fail(WebSocketError.LimitExceeded("message_timeout", limit, self._reader.offset))

    def feed_eof(self) -> None:
        """The peer sends no more octets. Without a Close frame before, that is an error (section 7.1.5)."""
        if self.is_ended:
            return
        self.is_ended = self._is_deaf = True
        if self.close_received is None and self.error is None:
            self.error = WebSocketError.ConnectionClosed(CloseCode.ABNORMAL)

    def _take(self, kind: int, payload: str | bytes, events: list[Event]) -> None:
        if kind & COMPRESSED:
            assert isinstance(payload, bytes)
            self._inflate(kind, payload, events)
        elif kind < Opcode.Close:
            self._pings = 0
            events.append((Opcode(kind), payload))
        else:
            assert isinstance(payload, bytes)
            self._take_control(Opcode(kind), payload, events)

    def _take_control(self, opcode: Opcode, payload: bytes, events: list[Event]) -> None:
        if opcode is Opcode.Ping:
            self._pings += 1
            if self._is_flooded and self._pings > self._limits.max_pings:
                raise WebSocketError.LimitExceeded("max_pings", self._limits.max_pings, self._reader.offset)
            self._answer(payload)
            events.append((opcode, payload))
        elif opcode is Opcode.Pong:
            events.append((opcode, payload))
        else:
            self._is_deaf = True
            reason = parse_close(payload, self._reader.offset - len(payload))
            self.close_received = reason
            if self.close_sent is None:
                # Section 5.5.1: the answer has the code that was received.
                self._farewell = (None if reason.code == CloseCode.NO_STATUS else reason.code), ""
            events.append((opcode, reason))

    def _answer(self, payload: bytes) -> None:
        """A pong to a ping (section 5.5.2)."""
        if self.close_sent is not None:
            return
        frame = self._frame(FIN | Opcode.Pong, payload)
        if self._pongs < _MAX_PONGS:
            self._pongs += 1
            self._last_pong = len(self._out)
            self._out.append(frame)
        else:
            if self._last_pong < self._counted:
                self._size += len(frame) - len(self._out[self._last_pong])
            self._out[self._last_pong] = frame

    def _inflate(self, kind: int, piece: bytes, events: list[Event]) -> None:
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = self._made_inflater()
        out, end, opcode = self._inflated, bool(kind & FIN), Opcode(kind & 0x0F)
        before = len(out)
        inflater.inflate(piece, out, self._reader.offset, end=end)
        if opcode is Opcode.Textual:
            self._check_text(memoryview(out)[before:], end)
        if end:
            self._pings = 0
            self._inflated = bytearray()
            events.append((opcode, out.decode() if opcode is Opcode.Textual else bytes(out)))

    def _check_text(self, piece: memoryview, end: bool) -> None:
        """Check the next piece of an inflated text."""
        try:
            self._utf8.feed(piece)
            if end:
                self._utf8.finish()
                self._utf8 = Utf8Validator()
        except WebSocketError.InvalidUtf8 as error:
            raise WebSocketError.InvalidUtf8(error.octet, error.offset, True) from None

    def _made_inflater(self) -> Inflater:
        from netkit.websocket.deflate import Inflater

        agreed = self.deflate
        assert agreed is not None
        bits, forgets = (
            (agreed.server_max_window_bits, agreed.server_no_context_takeover)
            if self.is_client
            else (agreed.client_max_window_bits, agreed.client_no_context_takeover)
        )
        limits = self._limits
        return Inflater(
            bits, keeps_context=not forgets, max_message=limits.max_message, max_ratio=limits.max_ratio
        )

    def _fail(self, error: WebSocketError) -> None:
        """Give the connection up (section 7.1.7)."""
        self.error = error
        self._is_deaf = True
        self._inflated = bytearray()  # its message will never be whole
        if self.close_sent is None:
            self._farewell = error.close_code, shortened(str(error))

    # Sending

    def send(self, message: str | Octets) -> None:
        """Send a message: a text, or octets.

        Octets of 16 KiB and more that a server sends as `bytes` are not copied.

        Raises:
            WebSocketError.ConnectionClosed: a Close frame was sent, or the connection has ended.
            WebSocketError.InvalidValue: a text with a lone surrogate, or a message inside another one.
        """
        first = FIN | Opcode.Textual if isinstance(message, str) else FIN | Opcode.Binary
        if self.close_sent is not None or self.is_ended or self._fragment >= 0:
            self._refuse()
        if self._min_size is not None:
            data = _octets(message)
            if len(data) >= self._min_size:
                first, message = self._compressed(first, data)
            else:
                message = data
        try:
            if self._mask_key is not None:
                self._out.append(build_frame(first, message, self._mask_key()))
            elif len(message) < _APART:
                self._out.append(build_frame(first, message))
            else:
                data = _octets(message)
                self._out.extend((frame_header(first, len(data)), data))
        except UnicodeEncodeError:
            raise WebSocketError.InvalidValue("message", "a lone surrogate is no text") from None

    def frame_past_outbox(self, message: object) -> bytes | None:
        """The frame of a message for which nothing is to be decided, while the outbox is empty.

        Whoever alone sends may send it at once. None for every other message: give it to `send`.
        """
        kind = type(message)
        if self._out or self._fragment >= 0 or self.close_sent is not None or self.is_ended:
            return None
        if self._min_size is not None or (kind is not str and kind is not bytes):
            return None
        if len(message) >= _APART:  # type: ignore[arg-type]  # one of the two above
            return None
        key = None if self._mask_key is None else self._mask_key()
        try:
            return build_frame(_TEXT_FRAME if kind is str else _BINARY_FRAME, message, key)  # type: ignore[arg-type]  # as above
        except UnicodeEncodeError:
            return None  # `send` says what is wrong

    def send_fragment(self, data: str | Octets, *, end: bool) -> None:
        """Send a part of a message in a frame of its own; `end` with the last part.

        The first part says whether the message is a text; all parts are of one kind.

        Raises as `send` does.
        """
        opcode = Opcode.Textual if isinstance(data, str) else Opcode.Binary
        if self.close_sent is not None or self.is_ended:
            self._refuse()
        begins = self._fragment < 0
        if not begins and opcode != self._fragment:
            raise WebSocketError.InvalidValue("fragment", "a message is either a text or octets")
        octets = _octets(data)
        first = int(opcode if begins else Opcode.Continuation)
        if self._min_size is not None:
            octets = self._made_deflater().compress(octets, end=end)
            first |= RSV1 if begins else 0
        self._out.append(self._frame(first | (FIN if end else 0), octets))
        self._fragment = -1 if end else opcode

    def ping(self, payload: Octets = b"") -> None:
        """Send a ping of up to 125 octets. The peer's answer is the event `Opcode.Pong` with the same octets.

        Raises WebSocketError.ConnectionClosed, WebSocketError.InvalidValue.
        """
        self._send_control(Opcode.Ping, payload)

    def pong(self, payload: Octets = b"") -> None:
        """Send a pong that nobody asked for, which says that this side is there (section 5.5.3).

        Raises as `ping` does.
        """
        self._send_control(Opcode.Pong, payload)

    def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Begin the closing handshake (section 7.1.2). Nothing can be sent afterwards; messages may come.

        Nothing happens where a Close frame was sent before. Raises WebSocketError.InvalidValue for a code or
        a reason that may not be sent.
        """
        encode_close(code, reason)  # which refuses what may not be sent
        if self.close_sent is None and not self.is_ended:
            self._write_close(code, reason)

    def _write_close(self, code: int | None, reason: str) -> None:
        self._farewell = None
        self._out.append(self._frame(FIN | Opcode.Close, encode_close(code, reason)))
        self.close_sent = CloseReason(CloseCode.NO_STATUS if code is None else code, reason)

    def _send_control(self, opcode: Opcode, payload: Octets) -> None:
        if self.close_sent is not None or self.is_ended:
            self._refuse()
        self._out.append(self._frame(FIN | opcode, bytes(control_payload(payload, opcode.name.lower()))))

    def _frame(self, first: int, payload: bytes) -> bytes:
        return build_frame(first, payload, None if self._mask_key is None else self._mask_key())

    def _compressed(self, first: int, data: bytes) -> tuple[int, bytes]:
        """A whole message compressed, or as it is where that is shorter and nothing later refers to it."""
        packed = self._made_deflater().compress(data)
        agreed = self.deflate
        assert agreed is not None
        forgets = agreed.client_no_context_takeover if self.is_client else agreed.server_no_context_takeover
        if forgets and len(packed) >= len(data):
            return first, data
        return first | RSV1, packed

    def _made_deflater(self) -> Deflater:
        if self._deflater is None:
            from netkit.websocket.deflate import Deflater
            from netkit.websocket.deflate_offer import DeflateConfig

            agreed, config = self.deflate, self._config or DeflateConfig()
            assert agreed is not None
            bits, forgets = (
                (agreed.client_max_window_bits, agreed.client_no_context_takeover)
                if self.is_client
                else (agreed.server_max_window_bits, agreed.server_no_context_takeover)
            )
            self._deflater = Deflater(
                min(bits, config.window_bits),
                keeps_context=not forgets and not config.no_context_takeover,
                level=config.level,
                mem_level=config.mem_level,
            )
        return self._deflater

    def _refuse(self) -> None:
        """Raise because nothing, or nothing of the kind, can be sent now."""
        if self.close_sent is not None or self.is_ended:
            code, reason = self.close_code, self.close_reason
            if self.close_received is None and not self.is_ended and self.close_sent is not None:
                code, reason = self.close_sent.code, self.close_sent.reason
            raise WebSocketError.ConnectionClosed(code, reason)
        raise WebSocketError.InvalidValue("message", "a fragmented message is not finished")

    # Octets to send

    def take(self, *, holding: bool = False) -> bytes:
        """The octets to send, in order, each once; `b""` where there is nothing.

        With `holding`, the Close frame that answers one, or a fault, is kept back: messages that came before
        it may still be answered.
        """
        if self._farewell is not None and not holding:
            self._write_close(*self._farewell)
        out = self._out
        if not out:
            return b""
        taken = out[0] if len(out) == 1 else b"".join(out)
        self._taken()
        return taken

    def take_parts(self, *, holding: bool = False) -> list[bytes]:
        """The octets to send as a list of their parts, for a `sendmsg` that copies none; as `take`."""
        if self._farewell is not None and not holding:
            self._write_close(*self._farewell)
        out = self._out
        self._taken()
        return out

    def _taken(self) -> None:
        self._out = []
        self._pongs = self._pings = self._counted = self._size = 0

    @property
    def has_output(self) -> bool:
        """Whether `take` has something."""
        return bool(self._out) or self._farewell is not None

    @property
    def output_size(self) -> int:
        """How many octets there are to send, without a Close frame that `take` will add."""
        out = self._out
        while self._counted < len(out):
            self._size += len(out[self._counted])
            self._counted += 1
        return self._size

    @property
    def is_congested(self) -> bool:
        """Whether there is so much to send (`limits.high_water`) that a sender should wait, and a driver
        should not read on, because what it reads may ask for an answer."""
        return self.output_size >= self._limits.high_water

    # The state

    @property
    def state(self) -> State:
        """Where the connection is. What `take` has is still to be sent."""
        if self.is_ended:
            return State.CLOSED
        ends = self.error is not None or self.close_received is not None
        if ends and self.close_sent is not None:
            return State.CLOSED
        return State.CLOSING if ends or self.close_sent is not None else State.OPEN

    @property
    def should_disconnect(self) -> bool:
        """Whether this side is to close the transport, once `take` is empty.

        Section 7.1.1: the server closes first, and a client waits for that. Section 7.1.7: whoever gives the
        connection up closes it.
        """
        return self.state is State.CLOSED and (not self.is_client or self.is_ended or self.error is not None)

    @property
    def awaits_disconnect(self) -> bool:
        """Whether a client waits for the server to close the transport; for a time that it decides itself."""
        return self.state is State.CLOSED and not self.should_disconnect

    @property
    def close_code(self) -> int:
        """Why the connection was closed (section 7.1.5): the code received, 1005 if there was none in the
        Close frame, 1006 if no Close frame was received."""
        return CloseCode.ABNORMAL if self.close_received is None else self.close_received.code

    @property
    def close_reason(self) -> str:
        """The peer's words (section 7.1.6)."""
        return "" if self.close_received is None else self.close_received.reason

    @property
    def in_message(self) -> bool:
        """Whether a message is under way, for a driver that limits how long it may take."""
        return self._reader.in_message

    def __repr__(self) -> str:
        return f"<WebSocketProtocol {'client' if self.is_client else 'server'} {self.state.value}>"


def _octets(message: str | Octets) -> bytes:
    if isinstance(message, str):
        try:
            return message.encode()
        except UnicodeEncodeError:
            raise WebSocketError.InvalidValue("message", "a lone surrogate is no text") from None
    return bytes(message)
