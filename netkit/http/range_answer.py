"""The answer to a Range request: which status, which parts, which headers.

RFC 9110 sections 14.2 (Range), 15.3.7 (206) and 15.5.17 (416). `netkit.http.ranges` reads the fields and
resolves the ranges; this module decides what a server sends.

    >>> answer = answer_range("bytes=0-499, 400-899", 10_000, content_type="text/plain", boundary="part")
    >>> answer.status, dict(answer.headers)["Content-Range"]
    (206, 'bytes 0-899/10000')
    >>> answer_range("bytes=10000-", 10_000, content_type="text/plain", boundary="part").status
    416
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from netkit.http.fields.errors import FieldError, UnsatisfiableRange
from netkit.http.ranges import (
    ResolvedRange,
    encode_content_range,
    multipart_length,
    multipart_type,
    parse_range_header,
    resolve_and_merge,
    resolve_range,
)

if TYPE_CHECKING:
    from netkit.http.ranges import RangeSet, RangeSpec


class RangeAnswer(NamedTuple):
    """What a server answers to a request with a Range, or without one."""

    status: Literal[200, 206, 416]
    parts: tuple[ResolvedRange, ...]
    """What the body carries, in order. With several, the body is multipart/byteranges."""
    dropped: tuple[RangeSpec, ...]
    """The ranges that hold nothing of the representation, as they were asked for; with 200, where the Range
    does not count, none."""
    headers: tuple[tuple[str, str], ...]
    """The headers that say what the body carries, and those that a 416 has instead."""
    complete_length: int
    """The length of the whole representation, in bytes."""

    @property
    def is_multipart(self) -> bool:
        """Whether the body needs `multipart_head` before each part, and `multipart_end`."""
        return len(self.parts) > 1

    @property
    def error(self) -> UnsatisfiableRange | None:
        """Why there is no part, where the status is 416."""
        return UnsatisfiableRange(self.complete_length) if self.status == 416 else None


def answer_range(
    wanted: RangeSet | str | bytes | None,
    complete_length: int,
    *,
    content_type: str,
    boundary: str,
    gap: int = 0,
) -> RangeAnswer:
    """The answer to a GET of a representation.

    Args:
        wanted: the Range field's value, as it came or parsed; None where the request has none, or where it
            does not count (another method than GET, or `if_range_matches` is false).
        complete_length: the length of the whole representation, in bytes.
        content_type: the media type of the representation.
        boundary: what separates several parts. It must not occur in them.
        gap: parts that are no more than this many bytes apart are joined.

    A field that is malformed, over a limit or in another unit than bytes is ignored (RFC 9110 section 14.2):
    the answer is 200 with the whole. So it is for a suffix range of an empty representation, which is
    satisfiable (section 14.1.2) without there being a part to send. Raises InvalidField for a boundary that
    is none, and for a content type that no field can carry, where several parts are sent; ValueError for a
    negative gap.
    """
    if isinstance(wanted, str | bytes):
        try:
            wanted = parse_range_header(wanted)
        except FieldError:
            wanted = None
    if wanted is None:
        return _whole(complete_length, content_type)
    dropped = tuple([spec for spec in wanted.specs if resolve_range(spec, complete_length) is None])
    headers: tuple[tuple[str, str], ...]
    try:
        parts = resolve_and_merge(wanted, complete_length, gap=gap)
    except UnsatisfiableRange as error:
        headers = (("Content-Range", error.content_range), ("Accept-Ranges", "bytes"))
        return RangeAnswer(416, (), dropped, headers, complete_length)
    if not parts:
        return _whole(complete_length, content_type)
    if len(parts) == 1:
        headers = (
            ("Content-Range", encode_content_range(parts[0], complete_length)),
            ("Content-Type", content_type),
            ("Content-Length", str(parts[0].length)),
        )
    else:  # no Content-Range: each part has its own (RFC 9110 section 15.3.7.2)
        total = multipart_length(parts, complete_length, content_type, boundary)
        headers = (("Content-Type", multipart_type(boundary)), ("Content-Length", str(total)))
    return RangeAnswer(206, tuple(parts), dropped, headers, complete_length)


def _whole(complete_length: int, content_type: str) -> RangeAnswer:
    parts = (ResolvedRange(0, complete_length - 1),) if complete_length else ()
    headers = (
        ("Content-Type", content_type),
        ("Content-Length", str(complete_length)),
        ("Accept-Ranges", "bytes"),
    )
    return RangeAnswer(200, parts, (), headers, complete_length)
