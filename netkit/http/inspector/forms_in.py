"""The forms that clients send, read whole: application/x-www-form-urlencoded and multipart/form-data.

URL Standard section 5.1; RFC 7578, by `netkit.http.multipart`, which is strict: httpbin takes what it can
read of a form that is wrong, and here the client is told what is wrong with it.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl

from netkit.http.errors import HttpError
from netkit.http.inspector.call import MAX_ARGUMENTS
from netkit.http.multipart import MultipartParser, PartData, PartHead, boundary_of


class Part(NamedTuple):
    """A part of a multipart form. `is_file`: it has a file's name, maybe an empty one."""

    name: str
    is_file: bool
    content_type: str | None
    data: bytes


class ReceivedForm(NamedTuple):
    """The fields and the files of a form."""

    fields: list[tuple[str, str]]
    files: list[Part]


def received_form(content_type: str, body: bytes) -> ReceivedForm | None:
    """The form in a body of that Content-Type; None if it is no form.

    Raises HttpError.InvalidValue for more fields than are read, MultipartError for what breaks RFC 7578.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        text = body.decode("utf-8", "replace")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
        except ValueError:
            many = f"more than {MAX_ARGUMENTS} fields"
            raise HttpError.InvalidValue("form", many, limit=MAX_ARGUMENTS) from None
        return ReceivedForm(pairs, [])
    boundary = boundary_of(content_type)
    if boundary is None:
        return None
    parts = _parts(boundary, body) if body else []
    fields = [(each.name, each.data.decode("utf-8", "replace")) for each in parts if not each.is_file]
    return ReceivedForm(fields, [each for each in parts if each.is_file])


def _parts(boundary: str, body: bytes) -> list[Part]:
    parser = MultipartParser(boundary)
    found: list[Part] = []
    head: PartHead | None = None
    data = bytearray()
    for event in parser.feed(body):
        if isinstance(event, PartHead):
            head = event
            data.clear()
        elif isinstance(event, PartData):
            data += event.data
        elif head is not None:
            found.append(Part(head.name, head.filename is not None, head.content_type, bytes(data)))
    parser.finish()
    return found
