"""What a download decides: which octets to ask for, what an answer to that means, what to remember.

No socket, no file, no clock. RFC 9110 sections 13.1.5 (If-Range), 14 (Range, Content-Range), 15.3.7 (206),
15.5.17 (416) and 8.8 (validators).

A part of a file is of use only if it is a part of the same representation. Only a strong validator says so:
a strong entity tag, or a date of last modification that is at least a second older than the answer (section
8.8.2.2). Without one, the last octets that are there are asked for again and compared (`OVERLAP`). This finds
files that have grown or were rewritten, though not every change; it is the best that can be done.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from netkit._value import Value, assign
from netkit.http.client.download_errors import DownloadError
from netkit.http.fields.dates import parse_cookie_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import FieldList
    from netkit.http.url import Url

#: How many octets at the end of a file are compared if nothing else says what it is a part of.
OVERLAP: Final = 16_384

#: The most parts of a file.
MAX_PARTS: Final = 1_024

#: Positions in a file: what a signed 64-bit offset holds.
MAX_POSITION: Final = 2**63 - 1

#: A single read takes as many octets as the limit of the rate allows in this time, in seconds.
RATE_STEP: Final = 0.1
#: How far, in seconds, a rate may catch up after a pause of the server.
RATE_CATCH_UP: Final = 0.25

#: The coding that the extension of a name stands for: then it is a property of the file, and stays.
_NAMED_CODINGS: Final = {
    "gzip": (".gz", ".tgz", ".svgz", ".emz"),
    "x-gzip": (".gz", ".tgz", ".svgz", ".emz"),
    "br": (".br",),
    "zstd": (".zst", ".tzst"),
    "compress": (".z",),
}


class Head(NamedTuple):
    """What of a response decides: the status, and the fields."""

    status: int
    fields: FieldList

    def get(self, name: bytes) -> str | None:
        """The first field of that name, which is in lower case."""
        for each, value in self.fields:
            if each.lower() == name:
                return value.decode("latin-1").strip(" \t")
        return None


class Entity(Value):
    """Which file it is: what the server says of one representation.

    `etag` is a strong entity tag, `modified` a Last-Modified that is as good as one; None where there is
    none. `total` is the length in octets, None if unknown. `coding` is the content coding of the octets as
    they are stored, `""` for none; None if a coding was undone, so that positions mean nothing to the server.
    """

    __slots__ = ("coding", "etag", "modified", "total")
    __match_args__: ClassVar[tuple[str, ...]] = ("etag", "modified", "total", "coding")

    etag: str | None
    modified: str | None
    total: int | None
    coding: str | None

    def __init__(
        self,
        etag: str | None = None,
        modified: str | None = None,
        total: int | None = None,
        coding: str | None = "",
    ) -> None:
        assign(self, "etag", etag)
        assign(self, "modified", modified)
        assign(self, "total", total)
        assign(self, "coding", coding)

    @property
    def validator(self) -> str | None:
        """What If-Range can say; None if nothing tells this representation from another one."""
        return None if self.coding is None else self.etag or self.modified


def entity_of(head: Head, *, total: int | None, undone: bool = False) -> Entity:
    """The entity that a response is of. `undone`: its content coding is not in what is stored."""
    etag = head.get(b"etag")
    if etag is not None and (len(etag) < 2 or etag[0] != '"' or etag[-1] != '"' or len(etag) > 4096):
        etag = None  # weak (RFC 9110 section 8.8.3), or none at all
    coding = (head.get(b"content-encoding") or "").lower()
    coding = "" if coding == "identity" else coding
    return Entity(etag, _strong_date(head), None if undone else total, None if undone else coding)


def _strong_date(head: Head) -> str | None:
    """The Last-Modified of a response, if no second version can have the same one (section 8.8.2.2)."""
    text, date = head.get(b"last-modified"), head.get(b"date")
    if text is None or date is None or len(text) > 64:
        return None
    modified, sent = parse_cookie_date(text), parse_cookie_date(date)
    if modified is None or sent is None or (sent - modified).total_seconds() < 1:
        return None
    return text


def undoes(coding: str, name: str) -> bool:
    """Whether to undo a content coding that was not asked for, before storing.

    Not if the name says it: many servers call a `.tar.gz` gzip in Content-Encoding, and who asks for such a
    name wants such a file.
    """
    if coding in ("", "identity"):
        return False
    return not name.lower().endswith(_NAMED_CODINGS.get(coding, ()))


def place_of(url: Url) -> str:
    """What the state remembers of a URL: no user, no query and no fragment, where secrets are."""
    return f"{url.scheme}://{url.host_header}{url.path}"


class Part:
    """The octets from `first` to `last` (included), of which the first `done` are there.

    `last` is None for a part that goes on to the end, where that is not known.
    """

    __slots__ = ("done", "first", "last")

    def __init__(self, first: int, last: int | None, done: int = 0) -> None:
        self.first = first
        self.last = last
        self.done = done

    @property
    def at(self) -> int:
        """The position of the next octet."""
        return self.first + self.done

    @property
    def left(self) -> int | None:
        """How many octets are missing; None if that is not known."""
        return None if self.last is None else self.last + 1 - self.at

    @property
    def is_done(self) -> bool:
        """Whether no octet is missing."""
        return self.left == 0

    def __repr__(self) -> str:
        return f"<Part {self.first}-{'' if self.last is None else self.last}, {self.done} done>"


def split(parts: Sequence[Part], count: int, least: int) -> list[Part]:
    """The same octets in more parts: the largest remainders are halved, until `count` are to be fetched.

    No part gets smaller than `least` octets. A fresh file so becomes `count` parts of nearly one size; of
    parts that were interrupted, those with most left are shared.
    """
    made = list(parts)
    if len(made) == 1 and not made[0].done and made[0].left is not None:
        return _even(made[0], min(count, MAX_PARTS, max(1, made[0].left // max(1, least))))
    while sum(not part.is_done for part in made) < count and len(made) < MAX_PARTS:
        part = max(made, key=lambda each: each.left or 0)
        left = part.left
        if left is None or left < 2 * max(1, least):
            break
        middle = part.at + (left + 1) // 2
        made.append(Part(middle, part.last))
        part.last = middle - 1
    return sorted(made, key=lambda each: each.first)


def _even(part: Part, count: int) -> list[Part]:
    left = part.left
    assert left is not None  # the caller has looked
    bounds = [part.first + left * number // count for number in range(count + 1)]
    return [Part(first, after - 1) for first, after in pairwise(bounds)]


# What is asked.


def range_fields(entity: Entity, first: int, last: int | None) -> list[tuple[str, str]]:
    """The fields of a request for the octets from `first` to `last`, of this entity and no other one.

    RFC 9110 section 13.1.5: where the validator does not match, the server sends the whole.
    """
    fields = [("Range", f"bytes={first}-{'' if last is None else last}")]
    if entity.validator is not None:
        fields.append(("If-Range", entity.validator))
    return fields


# What an answer means.


class Enclosed(NamedTuple):
    """A 206 with octets of the right entity, from the first one asked for to `last`."""

    last: int
    total: int | None


class Whole(NamedTuple):
    """A 200: the whole file. `is_same`: it is the same entity, so the server does not do ranges."""

    is_same: bool


class AlreadyThere(NamedTuple):
    """A 416 that says that the file ends where the missing part would begin: nothing is missing."""

    total: int


class OtherEntity(NamedTuple):
    """A 206 of another entity, by its tag: the server does not do If-Range, and the file has changed."""


def judge(
    head: Head, entity: Entity, first: int, last: int | None
) -> Enclosed | Whole | AlreadyThere | OtherEntity:
    """What the answer to a request for `first` to `last` means.

    A server may send less than was asked for (RFC 9110 section 15.3.7), but nothing else: it must begin at
    `first`, it must be one part, with the same length of the whole and in the same content coding.

    Raises DownloadError.BadRange, and DownloadError.Status for any other status.
    """
    status = head.status
    if status in (200, 203):
        return Whole(entity.etag is not None and head.get(b"etag") == entity.etag)
    if status == 416:
        return AlreadyThere(_complete_length(head, entity, first))
    if status != 206:
        raise DownloadError.Status(status)
    etag = head.get(b"etag")
    if entity.etag is not None:
        # Section 15.3.7: a 206 has the ETag that a 200 would have had.
        if etag is None:
            raise DownloadError.BadRange("the server sent a part without the ETag that the whole has")
        if etag != entity.etag:
            return OtherEntity()
    elif entity.modified is not None:
        modified = head.get(b"last-modified")
        if modified is not None and modified != entity.modified:
            return OtherEntity()
    return _enclosed(head, entity, first, last)


def _enclosed(head: Head, entity: Entity, first: int, last: int | None) -> Enclosed:
    from netkit.http.fields.errors import FieldError
    from netkit.http.ranges import parse_content_range

    text = head.get(b"content-range")
    if text is None:
        kind = (head.get(b"content-type") or "").partition(";")[0].strip().lower()
        what = "several parts (multipart/byteranges)" if kind == "multipart/byteranges" else "a part"
        raise DownloadError.BadRange(f"one range was asked for, and the server sent {what} without a place")
    try:
        found = parse_content_range(text)
    except FieldError as error:
        raise DownloadError.BadRange(f"the server sent a part in no known place: {error}") from error
    asked = f"{first}-{'' if last is None else last}"
    part, total = found.range, found.complete_length
    if part is None or part.first != first or (last is not None and part.last > last):
        raise DownloadError.BadRange(f"asked for octets {asked}, the server sent {text[:80]!r}")
    if entity.total is not None and total != entity.total:
        raise DownloadError.BadRange(
            f"the file has {entity.total} octets, and the server sent a part of {text[:80]!r}"
        )
    if part.last > MAX_POSITION or (total or 0) > MAX_POSITION:
        raise DownloadError.BadRange(f"no file is as long as {text[:80]!r} says")
    coding = (head.get(b"content-encoding") or "").lower()
    if (entity.coding or "") != ("" if coding == "identity" else coding):
        raise DownloadError.BadRange(
            f"the server sent a part in another content coding ({coding or 'none'}) than the file has"
        )
    length = head.get(b"content-length")
    if length is not None and length.isdecimal() and int(length[:20]) != part.length:
        raise DownloadError.BadRange(f"{length} octets are announced for {text[:80]!r}")
    return Enclosed(part.last, total)


def _complete_length(head: Head, entity: Entity, first: int) -> int:
    """The length that a 416 tells, which must be where the missing part would begin (section 15.5.17)."""
    from netkit.http.fields.errors import FieldError
    from netkit.http.ranges import parse_content_range

    text = head.get(b"content-range")
    total = entity.total
    if text is not None:
        try:
            total = parse_content_range(text).complete_length
        except FieldError as error:
            raise DownloadError.BadRange(f"the server answered 416 with a wrong field: {error}") from error
    if total is None or total != first:
        of = "" if total is None else f": the server's file has {total}"
        raise DownloadError.BadRange(f"there is nothing after octet {first}{of}")
    return total


def judge_whole(head: Head) -> None:
    """Raises unless a response to a request without a range has the whole file in it."""
    if head.status == 206:
        raise DownloadError.BadRange("the server sent a part, and the whole was asked for")
    if head.status not in (200, 203):
        raise DownloadError.Status(head.status)


#: Statuses after which the same request may succeed (RFC 9110 section 15.6, RFC 6585 section 4).
PASSING: Final = frozenset((408, 425, 429, 500, 502, 503, 504))


def why_single(head: Head, entity: Entity, count: int, least: int) -> str | None:
    """Why a file cannot be had in `count` parts, in words; None if it can.

    A server that says nothing of ranges may do them (section 14.3): it is asked.
    """
    if count <= 1:
        return None
    if entity.coding is None:
        return "its content coding is undone"
    if entity.total is None:
        return "its length is not known"
    if entity.total < 2 * max(1, least):
        return "it is small"
    if entity.validator is None:
        return "it has no strong ETag, and no date that is old enough, to tell one version from another"
    if (head.get(b"accept-ranges") or "").lower() == "none":
        return "the server does no ranges"
    return None


class Pace:
    """A limit of octets a second. It has no clock: the caller passes the time, and sleeps."""

    __slots__ = ("_next", "piece", "rate")

    def __init__(self, rate: float) -> None:
        if not rate > 0:
            raise ValueError(f"a rate is more than 0 octets a second, not {rate:g}")
        self.rate = rate
        #: How much to take at once, so that the pauses are short.
        self.piece = max(1, min(1 << 30, int(rate * RATE_STEP)))
        self._next: float | None = None

    def after(self, size: int, now: float) -> float:
        """`size` octets have come at `now`: when to go on."""
        begun = now if self._next is None else max(self._next, now - RATE_CATCH_UP)
        self._next = begun + size / self.rate
        return self._next


def parse_checksum(text: str) -> tuple[str, str]:
    """The algorithm and the digest in lower case of `sha256:0123...`. Raises HttpError.InvalidValue."""
    import hashlib

    from netkit.http.errors import HttpError

    name, colon, digest = text.partition(":")
    name, digest = name.strip().lower(), digest.strip().lower()
    if not colon:
        raise HttpError.InvalidValue("checksum", "it is not NAME:HEX, such as sha256:0123...")
    try:
        size = hashlib.new(name).digest_size
        found = bytes.fromhex(digest)
    except ValueError:
        raise HttpError.InvalidValue(
            "checksum", "its algorithm is unknown, or its digest not hexadecimal", hint="sha256 is known"
        ) from None
    if not size or len(found) != size:
        raise HttpError.InvalidValue("checksum", f"{name} has {2 * size} hexadecimal digits")
    return name, found.hex()
