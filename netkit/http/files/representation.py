"""What is sent of one file: which of its forms, and what the answer says of it.

RFC 9110 sections 8 (representation data), 12.5.5 (Vary), 13.2.2 (preconditions), 14 (ranges). Nothing is read
here: a `Representation` is made of what the system said of an open file, and `plan` decides.

The entity tag has the size, the time of the last change in nanoseconds, and the coding. It is strong, except
for what is compressed while it is sent: another version of the library would give other octets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.fields.dates import format_http_date
from netkit.http.preconditions import evaluate
from netkit.http.range_answer import answer_range
from netkit.http.ranges import if_range_matches

if TYPE_CHECKING:
    from netkit.http.connection.events import FieldList
    from netkit.http.files.query import Query
    from netkit.http.ranges import ResolvedRange

#: Parts of a file that are no further apart than this are sent as one: the head of a part is as long.
GAP: Final = 80
#: A browser takes the type as it is said (Fetch Standard, section "X-Content-Type-Options header").
NOSNIFF: Final = (b"x-content-type-options", b"nosniff")


class Representation(NamedTuple):
    """One form of a file: `size` and `changed` (nanoseconds) are those of the octets on the disk.

    `coding` is what Content-Encoding says, `is_made` whether it is made while the file is sent. `varies`:
    other requests may get another form.
    """

    size: int
    changed: int
    content_type: str
    coding: str | None = None
    is_made: bool = False
    varies: bool = False

    @property
    def etag(self) -> str:
        """The entity tag, as the field says it."""
        tag = f"{self.changed:x}-{self.size:x}"
        if self.coding is not None:
            tag += f"-{self.coding}"
        return f'W/"{tag}"' if self.is_made else f'"{tag}"'

    @property
    def modified(self) -> datetime:
        """When it was changed, in whole seconds; the nearest year that a datetime has."""
        return moment(self.changed // 1_000_000_000)

    def last_modified(self, now: int) -> int:
        """When it was changed, in seconds; never later than `now` (RFC 9110 section 8.8.2.1)."""
        return min(self.changed // 1_000_000_000, now)


class Plan(NamedTuple):
    """An answer: its status, its fields, which octets of the file it carries, and how long the body is (None:
    not known). With several parts, `boundary` is between them."""

    status: int
    fields: FieldList
    parts: tuple[ResolvedRange, ...] = ()
    length: int | None = 0
    boundary: str = ""


def plan(
    form: Representation, query: Query, *, now: int, boundary: str, cache_control: str | None = None
) -> Plan:
    """The answer to GET or HEAD.

    Args:
        form: what would be sent.
        query: the request.
        now: the time, in seconds since 1970.
        boundary: for several parts; it must not be in the file, so it is random.
        cache_control: the value of that field.
    """
    etag = form.etag
    seconds = form.last_modified(now)
    fields: FieldList = [(b"etag", etag.encode()), (b"last-modified", http_time(seconds))]
    if form.varies:
        fields.append((b"vary", b"accept-encoding"))
    if cache_control is not None:
        fields.append((b"cache-control", cache_control.encode("latin-1")))
    modified = None
    if query.is_conditional:
        modified = moment(seconds)
        status = evaluate(query.method, query.field, etag=etag, last_modified=modified)
        if status is not None:
            return Plan(status, fields)
    fields += ((b"content-type", form.content_type.encode("latin-1")), NOSNIFF)
    if form.coding is not None:
        fields.append((b"content-encoding", form.coding.encode()))
    if form.is_made:
        fields.append((b"accept-ranges", b"none"))
        return Plan(200, fields, length=None)
    # Of an empty file there is no part. RFC 9110 section 14.2 allows to ignore any Range.
    wanted = query.octets(b"range") if query.method == "GET" and form.size else None
    if wanted is not None and (condition := query.field("if-range")) is not None:
        modified = modified or moment(seconds)
        date = datetime.fromtimestamp(now, UTC)
        if not if_range_matches(condition, etag=etag, last_modified=modified, date=date):
            wanted = None
    if wanted is not None:
        answer = answer_range(wanted, form.size, content_type=form.content_type, boundary=boundary, gap=GAP)
        if answer.status != 200:
            return _partial(answer.status, answer.parts, answer.headers, fields, boundary)
    fields.append((b"accept-ranges", b"bytes"))
    return Plan(200, fields, length=form.size)


def _partial(
    status: int,
    parts: tuple[ResolvedRange, ...],
    headers: tuple[tuple[str, str], ...],
    fields: FieldList,
    boundary: str,
) -> Plan:
    """A 206, or a 416, which has no content type: it says nothing about the file but its length."""
    length: int | None = 0
    own = {name.lower(): value for name, value in headers}
    if status == 416:
        fields = [each for each in fields if each[0] not in (b"content-type", b"content-encoding")]
    for name, value in own.items():
        if name == "content-length":
            length = int(value)
            continue
        octets = name.encode("latin-1")
        fields = [each for each in fields if each[0] != octets]
        fields.append((octets, value.encode("latin-1")))
    return Plan(status, fields, parts, length, boundary)


@lru_cache(256)
def http_time(seconds: int) -> bytes:
    """A time in seconds since 1970 as a field says it. A year that no datetime has is the nearest one."""
    return format_http_date(moment(seconds)).encode()


def moment(seconds: int) -> datetime:
    """A time in seconds since 1970. A year that no datetime has is the nearest one."""
    return datetime.fromtimestamp(max(-62_135_596_800, min(seconds, 253_402_300_799)), UTC)
