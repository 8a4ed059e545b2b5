"""How a session is written: payload as it is, events of --json, or lines for people at a terminal.

`Display` is told of everything that is sent and received. It also counts, and passes on to the recording.
What comes from the peer reaches a terminal with every control character as an escape, and octets never do.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from netkit._log import Log
from netkit.cli.frame.messages import plural, visible
from netkit.cli.frame.output import b64
from netkit.cli.ws.exits import code_words
from netkit.cli.ws.recording import payload_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.cli.frame.command import Run
    from netkit.cli.frame.exits import Failure
    from netkit.cli.ws.options import MessageOptions
    from netkit.cli.ws.recording import Recorder
    from netkit.websocket import ClientWebSocket, CloseReason, WebSocketError
    from netkit.websocket.heads import FrameHead

log = Log("netkit.ws")

Direction: TypeAlias = Literal["sent", "received"]

#: The longest text that is set out as JSON on a terminal, in characters.
MAX_SET_OUT = 1 << 20
#: How many octets of a binary message a terminal shows.
MAX_DUMP = 4096


class Display:
    """Writes the session of one command; over several connections, if it is connected again."""

    def __init__(self, run: Run[Any], options: MessageOptions, recorder: Recorder | None) -> None:
        self.run = run
        self.env = run.env
        self.recorder = recorder
        #: What stands before a message on a terminal.
        self.prefix = ""
        self._framing = options.framing
        self._binary_as = options.binary_as
        self._frames = options.frames
        self._opened = monotonic()
        self._reset()

    def _reset(self) -> None:
        self.messages: dict[Direction, int] = {"sent": 0, "received": 0}
        self.octets: dict[Direction, int] = {"sent": 0, "received": 0}
        self.closed_first: Literal["local", "peer"] | None = None
        self._told_close = False

    @property
    def at(self) -> float:
        """Seconds since the connection was open."""
        return monotonic() - self._opened

    # -- the connection

    def connected(self, ws: ClientWebSocket, elapsed: float) -> None:
        """It is open."""
        from netkit.cli.ws.opening import connected_row, connected_words, phase_lines, ws_url

        self._reset()
        self._opened = monotonic()
        if self.recorder is not None:
            self.recorder.connected(ws_url(str(ws.response.url)), ws.subprotocol)
        if self.run.json:
            self.run.write_object(connected_row(ws, elapsed))
        elif self.env.writes_to_terminal:
            self.note(connected_words(ws, elapsed))
        if self.env.verbosity > 0:
            self.env.say(*phase_lines(ws))

    def refused(self, error: WebSocketError.HandshakeRefused, failure: Failure) -> None:
        """The server answered something else."""
        from netkit.cli.ws.opening import refused_lines, refused_row

        if self.run.json:
            self.run.write_object(refused_row(error), None, failure)
        self.env.report(f"opening {self.run.input}", failure, refused_lines(error))

    def closed(self, ws: ClientWebSocket, code: int, reason: str, failure: Failure | None) -> None:
        """It is over."""
        sent = ws.protocol.close_sent
        if sent is not None and not self._told_close:
            self.closing("sent", sent)
        if self.run.json:
            row = {
                "event": "closed",
                "close_code": code,
                "reason": reason,
                "closed_first": self.closed_first,
                "messages_sent": self.messages["sent"],
                "messages_received": self.messages["received"],
                "bytes_sent": self.octets["sent"],
                "bytes_received": self.octets["received"],
                "elapsed_s": self.at,
            }
            self.run.write_object(row, None, failure)
        elif self.env.writes_to_terminal and failure is None:
            words = f"closed with {code_words(code)}" if self.closed_first != "local" else "closed"
            self.note(f"{words}{f': {visible(reason)}' if reason else ''}")

    def reconnecting(self, reason: str, delay: float, number: int) -> None:
        """It is tried again after `delay` seconds."""
        if self.run.json:
            row = {"event": "reconnecting", "reason": reason, "delay_s": delay, "number": number}
            self.run.write_object(row)
        self.note(f"connecting again in {delay:g} s: {visible(reason)}")

    # -- what is sent and received

    def message(self, direction: Direction, payload: str | bytes) -> None:
        """A message."""
        opcode: Literal["text", "binary"] = "text" if isinstance(payload, str) else "binary"
        size = len(payload) if isinstance(payload, bytes) or payload.isascii() else len(payload.encode())
        self.messages[direction] += 1
        self.octets[direction] += size
        if self.recorder is not None:
            self.recorder.write(direction, opcode, **payload_fields(payload))
        if self.run.json:
            row = {"event": "message", "direction": direction, "at_s": self.at, "opcode": opcode}
            self.run.write_object({**row, "size": size, **payload_fields(payload)})
        elif direction == "received":
            self._received(payload)
        log.debug("%s %s of %s", direction, opcode, plural(size, "octet"))

    def ping(self, direction: Direction, payload: bytes) -> None:
        """A ping."""
        if self.recorder is not None:
            self.recorder.write(direction, "ping", data_b64=b64(payload))
        if self.run.json:
            row = {"event": "ping", "direction": direction, "at_s": self.at, "data_b64": b64(payload)}
            self.run.write_object(row)
        log.debug("%s ping of %s", direction, plural(len(payload), "octet"))

    def pong(self, payload: bytes, elapsed: float | None) -> None:
        """A pong of the peer; `elapsed` is the round trip that it ends, if it does, in seconds."""
        if self.recorder is not None:
            self.recorder.write("received", "pong", data_b64=b64(payload))
        if self.run.json:
            row = {"event": "pong", "direction": "received", "at_s": self.at, "data_b64": b64(payload)}
            self.run.write_object({**row, "elapsed_s": elapsed})
        log.debug("received pong%s", "" if elapsed is None else f" after {elapsed * 1000:.1f} ms")

    def closing(self, direction: Direction, close: CloseReason) -> None:
        """A Close frame."""
        self.closed_first = self.closed_first or ("local" if direction == "sent" else "peer")
        self._told_close = self._told_close or direction == "sent"
        if self.recorder is not None:
            self.recorder.write(direction, "close", close_code=int(close.code), reason=close.reason)
        if self.run.json:
            row = {"event": "closing", "direction": direction, "at_s": self.at}
            self.run.write_object({**row, "close_code": int(close.code), "reason": close.reason})
        log.debug("%s Close %s", direction, close)

    def frame(self, direction: Direction, head: FrameHead, size: int | None, wire: int) -> None:
        """A frame, with --frames."""
        from netkit.cli.ws.frames import frame_row, frame_words

        if self.run.json:
            self.run.write_object(frame_row(direction, head, size, wire, self.at))
        else:
            self.env.say(frame_words(direction, head, size, wire))

    @property
    def shows_frames(self) -> bool:
        """Whether `frame` is to be called."""
        return self._frames

    def note(self, text: str) -> None:
        """A line about the connection."""
        self.env.say(text)

    # -- payload

    def _received(self, payload: str | bytes) -> None:
        env = self.env
        if env.writes_to_terminal:
            indent = " " * len(self.prefix)
            env.write_lines(
                f"{indent if number else self.prefix}{line}"
                for number, line in enumerate(self.lines(payload))
            )
            return
        if isinstance(payload, str):
            octets, end = payload.encode(), b"\n"
        else:
            octets, end = self._binary(payload)
        if self._framing == "length":
            env.write_bytes(len(octets).to_bytes(4, "big"))
            end = b""
        elif self._framing is not None:
            end = {"lf": b"\n", "nul": b"\0", "none": b""}[self._framing]
        env.write_bytes(octets + end)
        env.flush()

    def _binary(self, payload: bytes) -> tuple[bytes, bytes]:
        match self._binary_as:
            case "hex":
                return payload.hex().encode(), b"\n"
            case "base64":
                return b64(payload).encode(), b"\n"
        return payload, b""

    def lines(self, payload: str | bytes) -> Iterator[str]:
        """A message for a terminal."""
        if isinstance(payload, str):
            if len(payload) <= MAX_SET_OUT and payload.lstrip()[:1] in ("{", "["):
                from netkit.cli.render.http_body import set_out

                shown = set_out(payload)
                if shown is not None and self.env.color and shown.replace("\n", "").isprintable():
                    # Nothing in it has to be escaped, so the colours need not be told from what has.
                    yield from (set_out(payload, color=True) or shown).split("\n")
                    return
                payload = payload if shown is None else shown
            for line in payload.split("\n"):
                yield visible(line.removesuffix("\r"), tabs=True)
        elif not payload:
            yield "(no octets)"
        elif self._binary_as == "base64":
            yield b64(payload)
        else:
            from netkit.cli.payload.hexdump import dump_rows

            yield from dump_rows(payload[:MAX_DUMP])
            if len(payload) > MAX_DUMP:
                yield f"({len(payload) - MAX_DUMP:,} more octets)"
