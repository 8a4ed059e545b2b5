"""The forms that clients send, read: application/x-www-form-urlencoded and multipart/form-data.

URL Standard section 5.1; RFC 7578 (multipart/form-data), RFC 2046 section 5.1.1 (boundaries). A part that
cannot be read is left out, as httpbin does it: the endpoint shows what arrived, and the raw body is at /wire.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

from netkit.http.content_disposition import parse as parse_disposition
from netkit.http.errors import HttpError
from netkit.http.field_errors import FieldError
from netkit.http.inspector.call import MAX_ARGUMENTS

_HEAD = re.compile(rb"([!#-'*+\-.0-9A-Z^-z|~]+):[ \t]*([^\r\n]*?)[ \t]*\r?\n")
_BOUNDARY = re.compile(r"""boundary=(?:"([^"]+)"|([^;\s"]+))""", re.IGNORECASE)

#: The most octets of a boundary (RFC 2046 section 5.1.1), and parts that are read.
MAX_BOUNDARY = 70
MAX_PARTS = 1000


class Part(NamedTuple):
    """A part of a multipart form. `filename` is None for a plain field."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes


class ReceivedForm(NamedTuple):
    """The fields and the files of a form."""

    fields: list[tuple[str, str]]
    files: list[Part]


def received_form(content_type: str, body: bytes) -> ReceivedForm | None:
    """The form in a body of that Content-Type; None if it is no form.

    Raises HttpError.InvalidValue for more fields or parts than are read.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(
                body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_ARGUMENTS
            )
        except ValueError:
            raise HttpError.InvalidValue(
                "form", f"more than {MAX_ARGUMENTS} fields", limit=MAX_ARGUMENTS
            ) from None
        return ReceivedForm(pairs, [])
    if kind != "multipart/form-data":
        return None
    found = _BOUNDARY.search(content_type)
    boundary = "" if found is None else found[1] or found[2]
    if not boundary or len(boundary) > MAX_BOUNDARY:
        raise HttpError.InvalidValue(
            "Content-Type", "multipart/form-data without a boundary of 1 to 70 octets"
        )
    parts = multipart(body, boundary.encode("latin-1", "replace"))
    fields = [(each.name, each.data.decode("utf-8", "replace")) for each in parts if each.filename is None]
    return ReceivedForm(fields, [each for each in parts if each.filename is not None])


def multipart(body: bytes, boundary: bytes) -> list[Part]:
    """The parts of a multipart body, in order. Raises HttpError.InvalidValue for more than `MAX_PARTS`."""
    # The boundary is a whole line (RFC 2046 section 5.1.1): a line that only begins with it is content.
    delimiter = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r\n|$)")
    data = b"\r\n" + body
    found: list[Part] = []
    count, start = 0, -1
    line = delimiter.search(data)
    while line is not None:
        if start >= 0:
            part = _part(data[start : line.start()])
            if part is not None:
                found.append(part)
        count += 1
        if count > MAX_PARTS + 1:
            raise HttpError.InvalidValue("form", f"more than {MAX_PARTS} parts", limit=MAX_PARTS)
        if line[1]:
            break
        start = line.end()
        # The line's end is also the one before the next boundary, if the part is empty.
        line = delimiter.search(data, start - 2)
    return found


def _part(piece: bytes) -> Part | None:
    end = piece.find(b"\r\n\r\n")
    if end < 0:
        return None
    fields = {name.lower(): value for name, value in _HEAD.findall(piece[: end + 2])}
    try:
        disposition = parse_disposition(fields.get(b"content-disposition", b"").decode("utf-8", "replace"))
    except FieldError:
        return None
    name = disposition.get("name")
    if name is None:
        return None
    content_type = fields.get(b"content-type")
    return Part(
        name,
        disposition.get("filename"),
        None if content_type is None else content_type.decode("latin-1"),
        piece[end + 4 :],
    )
