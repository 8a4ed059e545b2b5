"""What the servers of the HTTP client's tests have in common: paths, and what each answers.

    /hello          200, "hello\\n"
    /echo           200, the request as JSON: method, target, fields, length and SHA-256 of the body, trailers
    /bytes/N        200, N octets that follow a rule (`octets`), with Content-Length, ETag and byte ranges
    /gzip           200, `TEXT` in gzip where Accept-Encoding allows it
    /chunked/N      200, N octets without a Content-Length
    /status/N       N, the number as text where that status has a body
    /redirect/N     302 to /redirect/N-1; /redirect/0 is /hello
    /trailers       200, "body\\n" and the trailer field X-Checksum, its SHA-256
    /early-hints    103 with a Link field, then /hello
    /slow-head      /hello, but only after `?after=SECONDS` (30), or never where the client leaves before
    /sse            200, an event stream of three events (`EVENTS`)
    /auth/basic     401, or "hello jo\\n" to the user "jo" with the password "p4w"

Static servers have the files of `SIZES` below /bytes. The table in http_servers.py says what each one lacks.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache

HELLO = b"hello\n"
TEXT = b"a line that compresses well\n" * 1000
EVENTS = b"".join(
    b"event: tick\nid: %d\ndata: %s\n\n" % each for each in enumerate((b"one", b"two", b"three"))
)
BODY = b"body\n"
CHECKSUM = hashlib.sha256(BODY).hexdigest()
HINT = "</style.css>; rel=preload; as=style"
CREDENTIALS = base64.b64encode(b"jo:p4w").decode()

#: The files below /bytes; the last is large enough to fill every buffer on the way.
SIZES = (0, 1, 1000, 65_537, 1_000_000, 20_000_000)

#: What /status/N is asked for.
STATUSES = (200, 201, 204, 304, 400, 403, 404, 405, 410, 429, 500, 502, 503, 504)

_BLOCK = bytes((index ^ index >> 8) & 255 for index in range(65536))


@cache
def octets(count: int) -> bytes:
    """`count` octets. The one at index i is the exclusive or of the three octets of i, so that a piece that
    is missing, doubled or out of place is seen."""
    blocks = []
    for block in range((count + 65535) // 65536):
        changed = bytes(value ^ (block & 255) for value in range(256))
        blocks.append(_BLOCK.translate(changed))
    return b"".join(blocks)[:count]


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and last index of a Range field with one byte range; None where the whole is to be sent.

    Raises ValueError where no octet is in the range (416).
    """
    if header is None or not header.startswith("bytes=") or "," in header:
        return None
    first, _, last = header.removeprefix("bytes=").partition("-")
    begin = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if begin > end:
        raise ValueError(header)
    return begin, end
