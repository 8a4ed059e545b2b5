"""The short answers of a file server, and the head that all of its answers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.files.representation import NOSNIFF
from netkit.http.types import StatusCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.files.query import Query
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

PLAIN = (b"content-type", b"text/plain; charset=utf-8")


def reply(
    exchange: Exchange,
    query: Query,
    status: int,
    fields: Sequence[tuple[bytes, bytes]] = (),
    text: str | None = None,
) -> Flow[None]:
    """Flow: a short answer of text, by default its status. A 204 has none."""
    own = [each for each in fields if each[0] != b"content-type"]
    if status == 204:
        exchange.begin(status, [*own, *query.fields], end=True)
        yield from exchange.flush_flow()
        return
    if text is None:
        text = f"{status} {StatusCode(status).reason_phrase}"
    body = f"{text}\n".encode("utf-8", "replace")
    own += [PLAIN, NOSNIFF, *query.fields]
    if query.method == "HEAD":
        exchange.begin(status, own, length=len(body), end=True)
        yield from exchange.flush_flow()
    else:
        exchange.begin(status, own, length=len(body))
        yield from exchange.send_flow(body, end=True)
