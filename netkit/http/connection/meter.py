"""The meter of HTTP/2 frames: netkit's own limits on what a peer may send, in front of either library.

A peer can make a receiver work for next to nothing: streams begun and reset at once (CVE-2023-44487), streams
that the receiver is made to reset (CVE-2025-8671), SETTINGS, PING, PRIORITY, WINDOW_UPDATE and DATA without
octets (CVE-2019-9511 to 9518), header blocks without an end (CVE-2024-27316). RFC 9113 section 10.5 leaves
the limits to the receiver. No library has all of them, and the Rust crate shows no PING, SETTINGS or
CONTINUATION; so the frame headers are counted here, before the library sees the frames.

The rules, which the Rust twin in `rust/h2/src/meter.rs` keeps as well:

- A frame that does work pays back one SETTINGS, one PING and one empty frame: HEADERS, DATA with octets that
  was received, and DATA that was sent. DATA that was sent pays one more empty frame for each KiB of it,
  because its receiver may say as often that it can take more.
- An empty frame is DATA without octets that does not end its stream, a HEADERS or CONTINUATION frame without
  any, WINDOW_UPDATE, PRIORITY, GOAWAY, and a frame of an unknown type.
- A reset is an RST_STREAM that was received, or that this side sent without being asked by its application.
  A client does not count NO_ERROR and REFUSED_STREAM, which a server sends when all is well. A stream that
  the server's side ends properly pays one back.
- A header block may have so many CONTINUATION frames, and no more octets than its list may have decoded.

There is no clock in it, so a limit is a count in a burst. The decision a reader would wonder about: a peer
that sends nothing but keep-alive pings on an idle connection is stopped after `max_pings` of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.errors import ErrorCode

if TYPE_CHECKING:
    from netkit.http.connection.limits import ConnectionLimits

# The types of frames (RFC 9113 section 6).
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)

# Flags, which mean different things on different types.
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8

#: Octets of a frame's header (RFC 9113 section 4.1).
HEADER_SIZE = 9


class Excess(Exception):
    """The limit that the peer went over: its name in `ConnectionLimits`, and its value."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(name, limit)
        self.name = name
        self.limit = limit


class Meter:
    """Counts the frames of one connection, of a server's side or of a client's."""

    __slots__ = (
        "_block",
        "_continuations",
        "_empty_frames",
        "_is_server",
        "_limits",
        "_pings",
        "_resets",
        "_settings",
        "awaited_pings",
    )

    def __init__(self, limits: ConnectionLimits, is_server: bool) -> None:
        self._limits = limits
        self._is_server = is_server
        self._resets = self._settings = self._pings = self._empty_frames = 0
        #: Of the header block that is coming: its CONTINUATION frames, and its octets.
        self._continuations = self._block = 0
        #: Pings that were sent and not answered yet.
        self.awaited_pings = 0

    def received(self, kind: int, flags: int, payload: bytes | memoryview) -> None:
        """Count a frame that was received. Raises `Excess` for the limit that it exceeds."""
        length = len(payload)
        if kind == DATA:
            padding = 1 + payload[0] if flags & PADDED and length else 0
            if length > padding:
                self._work()
            elif not flags & END_STREAM:
                self._empty()
                return
            self._ended(flags, is_sent=False)
        elif kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                self._continuations = self._block = 0
                self._work()
                self._ended(flags, is_sent=False)
            else:
                self._continuations += 1
                if self._continuations > self._limits.max_continuations:
                    raise Excess("max_continuations", self._limits.max_continuations)
            self._block += length
            if self._block > self._limits.max_header_list:
                raise Excess("max_header_list", self._limits.max_header_list)
            if not length:
                self._empty()
        elif kind == RST_STREAM:
            code = int.from_bytes(payload[:4], "big")
            if self._is_server or code not in (ErrorCode.NO_ERROR, ErrorCode.REFUSED_STREAM):
                self._reset()
        elif kind == SETTINGS:
            self._settings += 1
            if self._settings > self._limits.max_settings:
                raise Excess("max_settings", self._limits.max_settings)
        elif kind == PING:
            if flags & ACK and self.awaited_pings:
                self.awaited_pings -= 1
                return
            self._pings += 1
            if self._pings > self._limits.max_pings:
                raise Excess("max_pings", self._limits.max_pings)
        else:
            self._empty()

    def sent(self, kind: int, flags: int, length: int, is_asked_for: bool) -> None:
        """Count a frame that this side has sent; `is_asked_for`: the application reset the stream.

        Raises `Excess` where the peer makes this side reset too many streams.
        """
        if kind == DATA and length:
            self._work()
            self._empty_frames = max(0, self._empty_frames - 1 - (length >> 10))
        elif kind == RST_STREAM:
            if not is_asked_for:
                self._reset()
            return
        if kind in (DATA, HEADERS):
            self._ended(flags, is_sent=True)

    def _ended(self, flags: int, *, is_sent: bool) -> None:
        """A stream that the answering side ended properly was no reset."""
        if flags & END_STREAM and is_sent is self._is_server and self._resets:
            self._resets -= 1

    def _work(self) -> None:
        if self._settings:
            self._settings -= 1
        if self._pings:
            self._pings -= 1
        if self._empty_frames:
            self._empty_frames -= 1

    def _reset(self) -> None:
        self._resets += 1
        if self._resets > self._limits.max_resets:
            raise Excess("max_resets", self._limits.max_resets)

    def _empty(self) -> None:
        self._empty_frames += 1
        if self._empty_frames > self._limits.max_empty_frames:
            raise Excess("max_empty_frames", self._limits.max_empty_frames)
