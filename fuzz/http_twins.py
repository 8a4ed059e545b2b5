"""Coverage-guided fuzzing of the Python twins, with the Rust twins beside them: a difference is a finding.

    python fuzz/http_twins.py [LIBFUZZER OPTIONS] [CORPUS]

The first five octets of the input say which parser it is for, what is tolerated, how low the limits are, and
where to cut. Documented exceptions are outcomes; anything else is a finding.
"""

from __future__ import annotations

import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["netkit.http"]):
    import netkit.http.parser.chunked
    import netkit.http.parser.head  # noqa: F401 - imported for its twins

from netkit import _twins
from netkit.http.parser.framing import Lenient
from tests.http.feeding import body, head

METHODS = (None, "GET", "HEAD", "CONNECT")


def test_one_input(data: bytes) -> None:
    """What libFuzzer calls."""
    if len(data) < 5:
        return
    kind, flags, low, cut, other = data[:5]
    message = data[5:]
    lenient = Lenient(flags | (kind >> 4 & 15) << 8)
    limits: dict[str, Any] = {}
    if low & 1:
        limits = {"max_header_line": low, "max_headers_total": 2 * low, "max_header_count": 3}
    if kind & 3 == 0:
        chunked = {"max_chunk_size": low, "max_extension": low // 2, "max_extensions_total": low}
        compare(
            message,
            cut,
            other,
            body,
            "ChunkedDecoder",
            lenient=lenient,
            **limits,
            **(chunked if limits else {}),
        )
        return
    if limits:
        limits["max_request_line"] = low
    if kind & 3 == 1:
        method = METHODS[kind >> 2 & 3]
        compare(message, cut, other, head, "response", lenient=lenient, request_method=method, **limits)
    else:
        compare(message, cut, other, head, "request", lenient=lenient, **limits)


def compare(message: bytes, cut: int, other: int, feed: Any, name: str, **options: Any) -> None:
    """One outcome, whichever twin it is and however the message arrives."""
    size = len(message)
    pieces = sorted({min(cut, size), min(other, size), size})
    expected = feed(make("python", name, options), message)
    assert feed(make("python", name, options), message, pieces) == expected, "Python, in pieces"
    assert feed(make("python", name, options), message, list(range(size + 1))) == expected, "octet by octet"
    if _twins.rust is not None:
        assert feed(make("rust", name, options), message) == expected, "Rust"
        assert feed(make("rust", name, options), message, pieces, bytearray) == expected, "Rust, in pieces"


def make(twin: str, name: str, options: dict[str, Any]) -> Any:
    """A parser or a decoder of one twin."""

    def of(cls: str) -> Any:
        return _twins.python_functions[cls] if twin == "python" else getattr(_twins.rust, cls)

    return of(name)(**options) if name == "ChunkedDecoder" else getattr(of("HttpParser"), name)(**options)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
