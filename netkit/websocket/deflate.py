"""permessage-deflate, done (RFC 7692 section 7.2): a message compressed, and one inflated within limits.

A compressed message is what zlib makes of it, flushed to a whole octet, without the four octets 00 00 ff ff
that such a flush ends with. Who inflates puts them back.

Some peers end a message with a final block (section 7.2.3.4). zlib stops there, so that what follows, which
is mostly the empty rest of the message, is inflated from anew, with what the message has had so far as its
window. A message may do this `MAX_FINAL_BLOCKS` times: each costs as much as a new stream.
"""

from __future__ import annotations

import zlib
from typing import Final

from netkit.websocket.errors import WebSocketError

_TAIL: Final = b"\x00\x00\xff\xff"

#: Final blocks in one message.
MAX_FINAL_BLOCKS: Final = 16

#: Up to this size of a message (1 MiB) its ratio does not matter.
RATIO_FLOOR: Final = 1 << 20


class Deflater:
    """Compresses the messages of one side, in order.

    Args:
        window_bits: 8 to 15; with 8 nothing is referred to but the octet before, because zlib has no such
            window.
        keeps_context: what was sent before may be referred to.
    """

    __slots__ = ("_base", "_held", "_keeps_context", "_zlib")

    def __init__(
        self, window_bits: int = 15, *, keeps_context: bool = True, level: int = 6, mem_level: int = 8
    ) -> None:
        self._keeps_context = keeps_context
        strategy = zlib.Z_RLE if window_bits == 8 else zlib.Z_DEFAULT_STRATEGY
        self._base = zlib.compressobj(level, zlib.DEFLATED, -max(window_bits, 9), mem_level, strategy)
        # A copy of a compressor costs less than a new one. Without a context, none is kept between messages.
        self._zlib = self._base if keeps_context else None
        #: The four octets at the end of a fragment, which are dropped if it is the last one.
        self._held = b""

    def compress(self, data: bytes, *, end: bool = True) -> bytes:
        """Compress a message, or a fragment of one; `end` with the last."""
        compressor = self._zlib
        if compressor is None:
            compressor = self._base.copy()
        # With nothing new to flush there is no output: then what was held is still the end.
        out = self._held + compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if not end:
            self._zlib = compressor
            self._held = out[-4:]
            return out[:-4]
        self._zlib = compressor if self._keeps_context else None
        self._held = b""
        return out[:-4] if out else b"\x00"  # section 7.2.3.6: an empty message is one octet


class Inflater:
    """Inflates the messages of one side, in order, piece by piece.

    Args:
        window_bits: 8 to 15, what the other side agreed to.
        keeps_context: it may refer to what it sent before.
        max_message: the most octets of a message when it is inflated.
        max_ratio: the most octets for each compressed one, in a message of more than a mebibyte; None is no
            limit.
    """

    __slots__ = ("_bits", "_final", "_in", "_keeps_context", "_max_message", "_max_ratio", "_out", "_zlib")

    def __init__(
        self,
        window_bits: int = 15,
        *,
        keeps_context: bool = True,
        max_message: int = 16 << 20,
        max_ratio: int | None = None,
    ) -> None:
        # A zlib of before 2018 compresses with 9 where 8 was agreed on.
        self._bits = -max(window_bits, 9)
        self._keeps_context = keeps_context
        self._max_message = max_message
        self._max_ratio = max_ratio
        self._zlib = zlib.decompressobj(self._bits)
        #: Octets of the message under way: compressed, inflated, and its final blocks.
        self._in = 0
        self._out = 0
        self._final = 0

    def inflate(self, data: bytes, out: bytearray, offset: int, *, end: bool) -> None:
        """Inflate the next piece of a message, `end` with the last, and append it to `out`.

        At most one octet more than the limit is ever made.

        Raises:
            WebSocketError.LimitExceeded: the message is too large, or too large for what was sent.
            WebSocketError.InvalidDeflate: zlib cannot read it. `offset` is the error's in both.
        """
        self._in += len(data)
        begun = len(out) - self._out
        data = data + _TAIL if end else data
        try:
            while True:
                most = self._most()
                made = self._zlib.decompress(data, most - self._out + 1)
                self._out += len(made)
                out += made
                if self._out > most:
                    raise self._exceeded(most, offset)
                if not self._zlib.eof:
                    break
                data = self._restarted(out, begun, offset)
        except zlib.error:
            raise WebSocketError.InvalidDeflate("its octets are not DEFLATE", offset) from None
        if end:
            self._in = self._out = self._final = 0
            if not self._keeps_context:
                self._zlib = zlib.decompressobj(self._bits)

    def _most(self) -> int:
        if self._max_ratio is None:
            return self._max_message
        return min(self._max_message, max(RATIO_FLOOR, self._max_ratio * self._in))

    def _exceeded(self, most: int, offset: int) -> WebSocketError:
        if most < self._max_message and self._max_ratio is not None:
            return WebSocketError.LimitExceeded("max_ratio", self._max_ratio, offset)
        return WebSocketError.LimitExceeded("max_message", self._max_message, offset)

    def _restarted(self, out: bytearray, begun: int, offset: int) -> bytes:
        """Begin again behind a final block; what is left to inflate."""
        self._final += 1
        if self._final > MAX_FINAL_BLOCKS:
            raise WebSocketError.InvalidDeflate(f"more than {MAX_FINAL_BLOCKS} final blocks", offset)
        rest = self._zlib.unused_data
        window = bytes(out[max(begun, len(out) - (1 << -self._bits)) :])
        self._zlib = (
            zlib.decompressobj(self._bits, zdict=window) if window else zlib.decompressobj(self._bits)
        )
        return rest
