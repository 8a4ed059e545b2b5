"""A directory as a page, as JSON and as text, piece by piece.

HTML Standard; Content Security Policy Level 3. The page needs nothing but itself: no script, no image, one
style, whose hash the policy names. So a name of a file that got through the escaping could still do nothing.
The references are relative, which holds behind a proxy that has taken a part of the path away.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.files.entries import COLUMNS, Order, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.http.files.entries import Column, Entry

#: How many entries make one piece.
ROWS: Final = 256

_STYLE: Final = """
:root{color-scheme:light dark;--Line:#d8dee4;--Soft:#59636e;--Link:#0757b8;--Over:#f3f6f9}
@media(prefers-color-scheme:dark){:root{--Line:#30363d;--Soft:#9198a1;--Link:#6cb0ff;--Over:#1b2128}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1.5rem 1rem}
h1{font-size:1.25rem;font-weight:600;overflow-wrap:anywhere;margin:0 0 1rem}
a{color:var(--Link);text-decoration:none}a:hover,a:focus{text-decoration:underline}
table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .5rem;text-align:left;border-bottom:1px solid var(--Line);vertical-align:top}
th{font-weight:600;white-space:nowrap}th a{color:inherit}
td:first-child{overflow-wrap:anywhere;width:100%}
th:nth-child(2),td:nth-child(2){text-align:right}
td+td{color:var(--Soft);white-space:nowrap;font-variant-numeric:tabular-nums}
tbody tr:hover{background:var(--Over)}
.d{font-weight:600}
p,form{color:var(--Soft);margin:1rem 0}
form{border:1px solid var(--Line);border-radius:.5rem;padding:.75rem 1rem}
label{display:block;margin:.25rem 0}
@media(max-width:36rem){th:nth-child(3),td:nth-child(3){display:none}}
"""


class Page(NamedTuple):
    """What a listing shows.

    `names` are those of the directory, from the root on. `is_whole` is false if there are more entries.
    `can_upload`, `can_upload_folders`, `archives`: what else the page offers.
    """

    names: tuple[bytes, ...]
    entries: Sequence[Entry]
    order: Order = Order()
    is_whole: bool = True
    can_upload: bool = False
    can_upload_folders: bool = False
    archives: tuple[str, ...] = ()


@cache
def policy() -> bytes:
    """The value of Content-Security-Policy."""
    found = b64encode(sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{found}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ).encode()


def html(page: Page) -> Iterator[bytes]:
    """The pieces of the page."""
    path = "".join([f"{shown(name)}/" for name in page.names])
    title = escape(f"/{path}")
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_crumbs(page.names)}</h1>\n<table>\n<thead><tr>{_headings(page.order)}</tr></thead>\n<tbody>\n"
    ).encode()
    rows: list[str] = []
    if page.names:
        rows.append('<tr><td><a class="d" href="../">..</a></td><td></td><td></td></tr>\n')
    for entry in page.entries:
        rows.append(_row(entry))
        if len(rows) >= ROWS:
            yield "".join(rows).encode()
            rows.clear()
    yield "".join(rows).encode() + f"</tbody>\n</table>\n{_foot(page)}</body>\n</html>\n".encode()


def as_json(page: Page) -> Iterator[bytes]:
    """The pieces of the listing as JSON: an object with the path, the entries, and whether these are all."""
    path = "".join([f"/{shown(name)}" for name in page.names]) + "/"
    yield f'{{"path": {json.dumps(path)}, "complete": {json.dumps(page.is_whole)}, "entries": ['.encode()
    rows: list[str] = []
    separator = "\n"
    for entry in page.entries:
        modified = entry.modified
        fields = {
            "name": entry.shown,
            "type": "directory" if entry.is_directory else "file",
            "size": entry.size,
            "modified": None if modified is None else f"{modified:%Y-%m-%dT%H:%M:%SZ}",
            "url": entry.reference,
        }
        rows.append(separator + json.dumps(fields))
        separator = ",\n"
        if len(rows) >= ROWS:
            yield "".join(rows).encode()
            rows.clear()
    yield "".join(rows).encode() + b"\n]}\n"


def text(page: Page) -> Iterator[bytes]:
    """The pieces of the listing as text: a name a line, that of a directory with a slash."""
    rows: list[str] = []
    for entry in page.entries:
        rows.append(f"{entry.shown}/\n" if entry.is_directory else f"{entry.shown}\n")
        if len(rows) >= ROWS:
            yield "".join(rows).encode()
            rows.clear()
    yield "".join(rows).encode()


def size_text(size: int) -> str:
    """A size for people, in powers of 1,024.

    >>> size_text(999), size_text(1536), size_text(10 * 2**20)
    ('999 B', '1.5 KiB', '10 MiB')
    """
    if size < 1_024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        value /= 1_024
        if value < 999.5 or unit == "EiB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def _crumbs(names: tuple[bytes, ...]) -> str:
    """The way from the root, each directory a link."""
    steps = ["/", *[f"{shown(name)}/" for name in names]]
    last = len(steps) - 1
    links = [f'<a href="{"../" * (last - at)}">{escape(step)}</a>' for at, step in enumerate(steps[:-1])]
    return "".join(links) + escape(steps[-1])


_TITLES: Final[dict[Column, str]] = {"name": "Name", "size": "Size", "modified": "Changed (UTC)"}


def _headings(order: Order) -> str:
    cells = []
    for column in COLUMNS:
        here = column == order.column
        turned = "desc" if here and not order.descending else "asc"
        state = f' aria-sort="{"descending" if order.descending else "ascending"}"' if here else ""
        arrow = (" \u2193" if order.descending else " \u2191") if here else ""
        link = f'<a href="?sort={column}&amp;order={turned}">{_TITLES[column]}</a>'
        cells.append(f'<th scope="col"{state}>{link}{arrow}</th>')
    return "".join(cells)


def _row(entry: Entry) -> str:
    name = escape(entry.shown)
    size = "" if entry.size is None else f"<td>{size_text(entry.size)}</td>"
    modified = entry.modified
    when = (
        ""
        if modified is None
        else f'<time datetime="{modified:%Y-%m-%dT%H:%M:%SZ}">{modified:%Y-%m-%d %H:%M}</time>'
    )
    link = (
        f'<a class="d" href="{entry.reference}">{name}/</a>'
        if entry.is_directory
        else f'<a href="{entry.reference}">{name}</a>'
    )
    return f"<tr><td>{link}</td>{size or '<td></td>'}<td>{when}</td></tr>\n"


def _foot(page: Page) -> str:
    parts = []
    if not page.is_whole:
        parts.append(f"<p>These are {len(page.entries)} entries; there are more.</p>\n")
    if page.archives:
        links = " \u00b7 ".join(f'<a href="?archive={kind}">{kind}</a>' for kind in page.archives)
        parts.append(f"<p>All of it as an archive: {links}</p>\n")
    if page.can_upload:
        folder = (
            '<label>or a folder: <input type="file" name="folder" webkitdirectory></label>\n'
            if page.can_upload_folders
            else ""
        )
        parts.append(
            '<form method="post" action="./" enctype="multipart/form-data">\n'
            '<label>Upload files: <input type="file" name="file" multiple></label>\n'
            f"{folder}<button>Upload</button>\n</form>\n"
        )
    return "".join(parts)
