"""List a directory: read its entries, and send them in the form that the client likes best.

An entry is there only if a request for it would be answered: a link that leads out, a FIFO, a name that is
kept back are not. Of a directory with more entries than the limit, as many as that are read, in the order of
the system.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from netkit.http.files.archive import ARCHIVES
from netkit.http.files.coding import coding_to_make
from netkit.http.files.entries import Entry, Order
from netkit.http.files.page import Page, as_json, html, policy, text
from netkit.http.files.replies import reply
from netkit.http.files.representation import NOSNIFF
from netkit.http.files.sending import send_encoded
from netkit.http.files.target import is_served
from netkit.http.files.tree import open_directory
from netkit.io import PAUSE

if TYPE_CHECKING:
    from netkit.http.connection.events import FieldList
    from netkit.http.files.config import FilesConfig
    from netkit.http.files.query import Query
    from netkit.http.files.tree import Found, Walk
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

#: The media types of a listing, the default first.
OFFERS: Final = ("text/html", "application/json", "text/plain")
#: How many entries are looked at before others have their turn.
TURN: Final = 128


def send_listing(
    exchange: Exchange, query: Query, config: FilesConfig, walk: Walk, found: Found, names: tuple[bytes, ...]
) -> Flow[None]:
    """Flow: the listing of the directory that was found under `names`."""
    kind = query.preferred(OFFERS)
    if kind is None:
        yield from reply(exchange, query, 406, [(b"vary", b"accept")], f"it can be {', '.join(OFFERS)}")
        return
    coding = coding_to_make(query.octets(b"accept-encoding")) if config.compress else None
    content_type = kind if kind == "application/json" else f"{kind}; charset=utf-8"
    fields: FieldList = [
        (b"content-type", content_type.encode()),
        NOSNIFF,
        (b"vary", b"accept, accept-encoding"),
        (b"cache-control", b"no-cache"),
        *query.fields,
    ]
    if coding is not None:
        fields.append((b"content-encoding", coding.encode()))
    if kind == "text/html":
        # A form of a page with "no-referrer" would be sent with "Origin: null".
        fields += [(b"content-security-policy", policy()), (b"referrer-policy", b"same-origin")]
    if query.method == "HEAD":
        exchange.begin(200, fields, end=True)
        yield from exchange.flush_flow()
        return
    try:
        entries, is_whole = yield from read_entries(walk, found, config)
    except PermissionError:
        yield from reply(exchange, query, 403)
        return
    parameters = query.parameters()
    upload = config.upload
    page = Page(
        names,
        Order.of(parameters.get("sort"), parameters.get("order")).sorted(entries),
        Order.of(parameters.get("sort"), parameters.get("order")),
        is_whole,
        can_upload=upload is not None,
        can_upload_folders=upload is not None and upload.directories,
        archives=ARCHIVES if config.archives else (),
    )
    pieces = (
        html(page) if kind == "text/html" else as_json(page) if kind == "application/json" else text(page)
    )
    exchange.begin(200, fields)
    yield from send_encoded(exchange, pieces, coding)


def read_entries(walk: Walk, found: Found, config: FilesConfig) -> Flow[tuple[list[Entry], bool]]:
    """Flow: the entries of a directory that are served, and whether these are all. Raises OSError."""
    entries: list[Entry] = []
    fd = open_directory(found.fd)
    try:
        with os.scandir(fd) as scanned:
            for count, each in enumerate(scanned, 1):
                if count % TURN == 0:
                    yield PAUSE
                name = os.fsencode(each.name)
                if not is_served(name, config.hidden):
                    continue
                if len(entries) == config.max_entries:
                    return entries, False
                try:
                    info: os.stat_result | None = each.stat(follow_symlinks=False)
                    if info is not None and stat.S_ISLNK(info.st_mode):
                        info = walk.look((name,), found.place)
                except OSError:  # it has gone meanwhile
                    continue
                if info is None:
                    continue
                if stat.S_ISDIR(info.st_mode):
                    entries.append(Entry(name, True, None, info.st_mtime_ns))
                elif stat.S_ISREG(info.st_mode):
                    entries.append(Entry(name, False, info.st_size, info.st_mtime_ns))
    finally:
        os.close(fd)
    return entries, True
