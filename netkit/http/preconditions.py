r"""Conditional requests: whether a request is done, is not needed, or must not be done.

RFC 9110 sections 13.1 (the fields), 13.2.2 (their order), 8.8.3.2 (comparing entity tags).

    >>> tag, fields = '"v2"', {"If-None-Match": '"v1", W/"v2"'}
    >>> evaluate("GET", fields.get, etag=tag, last_modified=None)
    304
    >>> evaluate("PUT", {"If-Match": '"v1"'}.get, etag=tag, last_modified=None)
    412

The answer is a status, or None: go on. What a Range then means is for `ranges.if_range_matches`, which is the
last step of the order. A date that is none is ignored, as the RFC has it; of a list of tags, what is no tag
equals none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from netkit.http.fields.dates import parse_http_date

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

#: The longest list of tags that is looked at, in characters.
MAX_LENGTH: Final = 16_384

_MEMBER: Final = re.compile(r'[ \t,]*+((?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"|[^,"]++|")')


def evaluate(
    method: str,
    field: Callable[[str], str | None],
    *,
    etag: str | None,
    last_modified: datetime | None,
    exists: bool = True,
) -> Literal[304, 412] | None:
    """The status that ends a conditional request; None if it is to be done.

    Args:
        method: of the request. GET and HEAD only read.
        field: gives the value of a field by its name (several joined with a comma), None if it was not sent.
        etag: the entity tag of the representation that would be sent or replaced, quotes and `W/` included;
            None if it has none.
        last_modified: when it was last modified (aware); None if that is unknown.
        exists: whether there is a representation at all.
    """
    reads = method in ("GET", "HEAD")
    wanted = field("If-Match")
    if wanted is not None:
        if not matches(wanted, etag, exists=exists, weak=False):
            return 412
    elif (limit := _moment(field("If-Unmodified-Since"))) is not None and (
        last_modified is None or last_modified.replace(microsecond=0) > limit
    ):
        return 412
    known = field("If-None-Match")
    if known is not None:
        if matches(known, etag, exists=exists, weak=True):
            return 304 if reads else 412
    elif (
        reads
        and last_modified is not None
        and (limit := _moment(field("If-Modified-Since"))) is not None
        and last_modified.replace(microsecond=0) <= limit
    ):
        return 304
    return None


def matches(value: str, etag: str | None, *, exists: bool = True, weak: bool) -> bool:
    """Whether a list of tags (or `*`) has the tag of a representation.

    With `weak`, tags are compared without `W/`; otherwise a weak tag equals none (RFC 9110 section 8.8.3.2).
    A list that is longer than `MAX_LENGTH` has no tag.
    """
    if value.strip(" \t") == "*":
        return exists
    if etag is None or not exists or len(value) > MAX_LENGTH:
        return False
    if weak:
        opaque = etag.removeprefix("W/")
        return any(each.removeprefix("W/") == opaque for each in _tags(value))
    return not etag.startswith("W/") and etag in _tags(value)


def _tags(value: str) -> list[str]:
    return [found[1] for found in _MEMBER.finditer(value)]


def _moment(value: str | None) -> datetime | None:
    return None if value is None else parse_http_date(value)
