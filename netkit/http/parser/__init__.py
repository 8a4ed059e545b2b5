"""HTTP/1.1 as octets (RFC 9112): the head of a message, where its body ends, and a chunked body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.http.parser.chunked import ChunkedDecoder as ChunkedDecoder, ChunkProgress as ChunkProgress
    from netkit.http.parser.errors import ParseError as ParseError
    from netkit.http.parser.framing import Framing as Framing, Lenient as Lenient, TargetForm as TargetForm
    from netkit.http.parser.head import (
        MAX_HEADER_COUNT as MAX_HEADER_COUNT,
        MAX_HEADER_LINE as MAX_HEADER_LINE,
        MAX_HEADERS_TOTAL as MAX_HEADERS_TOTAL,
        MAX_REQUEST_LINE as MAX_REQUEST_LINE,
        HeaderView as HeaderView,
        HttpParser as HttpParser,
        ParseProgress as ParseProgress,
    )

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "chunked": "ChunkedDecoder ChunkProgress",
        "errors": "ParseError",
        "framing": "Framing Lenient TargetForm",
        "head": (
            "HeaderView HttpParser MAX_HEADERS_TOTAL MAX_HEADER_COUNT MAX_HEADER_LINE MAX_REQUEST_LINE "
            "ParseProgress"
        ),
    },
)
