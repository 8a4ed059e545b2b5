"""Send a file, or parts of it, or what a compressor makes of it.

The last octets are read and the file is looked at once more before they are sent. If it has changed by then,
the response is broken off: a client must not take a mixture of two versions for either of them. A file that
has only grown is sent as long as it was: what is appended to a log takes nothing from what was there.

What was handed to sendfile(2) may still change before it is on its way, so a response that was broken off may
have octets of both versions.
"""

from __future__ import annotations

import os
from io import FileIO
from typing import TYPE_CHECKING, Final

from netkit.http.bodies.codings import BodyEncoder
from netkit.http.errors import HttpError
from netkit.http.files.coding import LEVELS
from netkit.http.ranges import multipart_end, multipart_head
from netkit.io import PAUSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.files.representation import Plan, Representation
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

#: How much of a file is read before the last look at it, in octets; how much of what is made is sent at once.
LAST_PIECE: Final = 65_536
#: How much is compressed, or written into an archive, before others have their turn, in octets.
TURN: Final = 131_072


def send_file(exchange: Exchange, answer: Plan, form: Representation, fd: int) -> Flow[None]:
    """Flow: send a file whose response has begun. Raises HttpError.InvalidRequest, of the fault `local`, for
    one that changes meanwhile."""
    if form.is_made:
        assert form.coding is not None
        yield from send_encoded(exchange, _pieces(fd, form), form.coding)
        return
    if not answer.parts:
        yield from _send_part(exchange, fd, form, 0, form.size, end=True)
        return
    several = len(answer.parts) > 1
    for part in answer.parts:
        if several:
            head = multipart_head(part, form.size, form.content_type, answer.boundary)
            yield from exchange.send_flow(head)
        yield from _send_part(exchange, fd, form, part.first, part.length, end=not several)
    if several:
        yield from exchange.send_flow(multipart_end(answer.boundary), end=True)


def send_encoded(exchange: Exchange, pieces: Iterator[bytes], coding: str | None) -> Flow[None]:
    """Flow: send a body that is made piece by piece, in a coding or in none (None), and end it.

    Small pieces are sent together, and others have their turn after each `TURN` octets that were made.
    """
    encoder = None if coding is None else BodyEncoder(coding, LEVELS[coding])
    ready: list[bytes] = []
    size = made = 0
    for piece in pieces:
        out = piece if encoder is None else encoder.encode(piece)
        ready.append(out)
        size += len(out)
        made += len(piece)
        if size >= LAST_PIECE:
            yield from exchange.send_flow(b"".join(ready))
            ready.clear()
            size = 0
        if made >= TURN:
            made = 0
            yield PAUSE
    ready.append(b"" if encoder is None else encoder.finish())
    yield from exchange.send_flow(b"".join(ready), end=True)


def _send_part(
    exchange: Exchange, fd: int, form: Representation, start: int, size: int, *, end: bool
) -> Flow[None]:
    last = min(size, LAST_PIECE)
    if size > last:
        with FileIO(fd, "rb", closefd=False) as file:
            yield from exchange.send_file_flow(file, start, size - last)
    data = os.pread(fd, last, start + size - last)
    if len(data) < last or _has_changed(fd, form):
        raise _changed()
    yield from exchange.send_flow(data, end=end)


def _pieces(fd: int, form: Representation) -> Iterator[bytes]:
    """The octets of a file. Raises HttpError.InvalidRequest at the end of one that has changed."""
    at = 0
    while at < form.size:
        data = os.pread(fd, min(TURN, form.size - at), at)
        if not data:
            raise _changed()
        at += len(data)
        if at == form.size and _has_changed(fd, form):
            raise _changed()
        yield data


def _has_changed(fd: int, form: Representation) -> bool:
    info = os.fstat(fd)
    return info.st_size < form.size or (info.st_size == form.size and info.st_mtime_ns != form.changed)


def _changed() -> HttpError:
    return HttpError.InvalidRequest("the file has changed while it was sent", fault="local")
