"""The settings of a download, what it tells on its way, and what comes of it.

`DownloadConfig`, `Watch`, `Downloaded`, `DownloadOutcome`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from netkit._value import Value, assign
from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.bodies.save import OnExists as OnExistsHere
    from netkit.http.client.response import FetchedResponse
    from netkit.http.message import Request
    from netkit.http.url import Url

    #: As `create_file` has it; "replace" writes over what is there, and into devices and pipes.
    OnExists: TypeAlias = OnExistsHere | Literal["replace"]

#: Which answers become a file: the whole file only, all below 400, or every one.
Accept: TypeAlias = Literal["file", "no-error", "any"]


class DownloadConfig(Value):
    """How files are downloaded.

    `resume`: go on with a file that is there; with `resume_at`, only if it has so many octets. `parallel`: in
    how many parts at once. `min_part`: the least octets of a part, so that a small file has one.

    `on_exists`: what to do if the name is taken (see `create_file`). "replace" is for a path that a person
    has written: it is written over, links are followed, and a device or a pipe gets the octets. With a way to
    number names, and no path given, a file that cannot be gone on with is left alone as well, and the next
    free name is taken. `create_folder`: make the folder, and those above it.

    `accept`: which answers become a file. "file" is the whole file, status 200 or 203, and nothing else.
    "any" stores whatever the server answers to whatever request, as the user of a tool may want it, and
    "no-error" all that is below 400; of these, only a 200 to a GET is gone on with, or comes in parts.
    `decode`: undo a content coding, where `undoes` says so, or where the caller asked for one.

    `use_disposition`: take the name from Content-Disposition. `set_modified`: give the file the time of
    Last-Modified. `limit_rate`: the most octets a second, of all parts. `max_size`: the most
    octets of a file; None, because the disk is the limit. `tries`: how often a part may fail without getting
    on, `backoff` the seconds before its second try, doubled for each more. `restarts`: how often to begin
    again because the file on the server has changed meanwhile. `mode`: the permissions before the umask.
    """

    __slots__ = (
        "accept",
        "backoff",
        "create_folder",
        "decode",
        "limit_rate",
        "max_size",
        "min_part",
        "mode",
        "on_exists",
        "parallel",
        "restarts",
        "resume",
        "resume_at",
        "set_modified",
        "tries",
        "use_disposition",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "resume",
        "parallel",
        "min_part",
        "on_exists",
        "use_disposition",
        "set_modified",
        "limit_rate",
        "max_size",
        "tries",
        "backoff",
        "restarts",
        "mode",
        "resume_at",
        "accept",
        "decode",
        "create_folder",
    )

    resume: bool
    parallel: int
    min_part: int
    on_exists: OnExists
    use_disposition: bool
    set_modified: bool
    limit_rate: float | None
    max_size: int | None
    tries: int
    backoff: float
    restarts: int
    mode: int
    resume_at: int | None
    accept: Accept
    decode: bool
    create_folder: bool

    def __init__(
        self,
        resume: bool = False,
        parallel: int = 1,
        min_part: int = 1 << 20,
        on_exists: OnExists = "fail",
        use_disposition: bool = True,
        set_modified: bool = False,
        limit_rate: float | None = None,
        max_size: int | None = None,
        tries: int = 3,
        backoff: float = 0.25,
        restarts: int = 1,
        mode: int = 0o666,
        resume_at: int | None = None,
        accept: Accept = "file",
        decode: bool = True,
        create_folder: bool = False,
    ) -> None:
        if not 1 <= parallel <= 64:
            raise HttpError.InvalidValue("parallel", f"{parallel} is not 1 to 64", limit=64)
        if limit_rate is not None and not limit_rate > 0:
            raise HttpError.InvalidValue("limit_rate", f"{limit_rate:g} is not more than 0 octets a second")
        if (
            min_part < 1
            or tries < 1
            or backoff < 0
            or restarts < 0
            or (max_size is not None and max_size < 0)
            or (resume_at is not None and resume_at < 0)
        ):
            raise HttpError.InvalidValue("DownloadConfig", "a number is too small")
        assign(self, "resume", bool(resume))
        assign(self, "parallel", parallel)
        assign(self, "min_part", min_part)
        assign(self, "on_exists", on_exists)
        assign(self, "use_disposition", bool(use_disposition))
        assign(self, "set_modified", bool(set_modified))
        assign(self, "limit_rate", limit_rate)
        assign(self, "max_size", max_size)
        assign(self, "tries", tries)
        assign(self, "backoff", backoff)
        assign(self, "restarts", restarts)
        assign(self, "mode", mode)
        assign(self, "resume_at", resume_at)
        assign(self, "accept", accept)
        assign(self, "decode", bool(decode))
        assign(self, "create_folder", bool(create_folder))


DEFAULT: Final = DownloadConfig()


class Watch:
    """What a download tells while it is under way. By itself, it does nothing with it."""

    def responded(self, response: FetchedResponse) -> None:
        """A response has come, whose body is not here; of a file in parts, one for each request."""

    def named(self, path: str, size: int) -> None:
        """The file is open; `size` octets of it were there."""

    def restarted(self, reason: str) -> None:
        """What was there is of no use, for this `reason`: the download begins again."""

    def kept(self, path: str, received: int, expected: int | None) -> None:
        """It ends before its end, and so many octets stay in the file, also where it was interrupted."""


class Downloaded(Value):
    """A file that is complete.

    `path`, `size` in octets, `url` where it came from in the end. `resumed_at`: how many octets were there
    before. `parts`: in how many parts it came. `restarts`: how often it began again, because the file had
    changed. `single`: why it came in one part although several were asked for. `checksum` was verified, as
    `NAME:HEX`. `etag` is the entity tag.
    """

    __slots__ = ("checksum", "etag", "parts", "path", "restarts", "resumed_at", "single", "size", "url")
    __match_args__: ClassVar[tuple[str, ...]] = (
        "path",
        "size",
        "url",
        "resumed_at",
        "parts",
        "restarts",
        "single",
        "checksum",
        "etag",
    )

    path: str
    size: int
    url: Url
    resumed_at: int
    parts: int
    restarts: int
    single: str | None
    checksum: str | None
    etag: str | None

    def __init__(
        self,
        path: str,
        size: int,
        url: Url,
        resumed_at: int = 0,
        parts: int = 1,
        restarts: int = 0,
        single: str | None = None,
        checksum: str | None = None,
        etag: str | None = None,
    ) -> None:
        assign(self, "path", path)
        assign(self, "size", size)
        assign(self, "url", url)
        assign(self, "resumed_at", resumed_at)
        assign(self, "parts", parts)
        assign(self, "restarts", restarts)
        assign(self, "single", single)
        assign(self, "checksum", checksum)
        assign(self, "etag", etag)


class DownloadOutcome(Value):
    """How one of many downloads ended: its place among the URLs, the URL, and the file or the error."""

    __slots__ = ("done", "error", "index", "url")
    __match_args__: ClassVar[tuple[str, ...]] = ("index", "url", "done", "error")

    index: int
    url: str
    done: Downloaded | None
    error: Exception | None

    def __init__(self, index: int, url: str, done: Downloaded | None, error: Exception | None) -> None:
        assign(self, "index", index)
        assign(self, "url", url)
        assign(self, "done", done)
        assign(self, "error", error)


if TYPE_CHECKING:
    #: Called with how many octets of the file are there, and how many it has (None if that is not known).
    Progress = Callable[[int, int | None], None]
    #: The same of one of many, with its place first.
    ManyProgress = Callable[[int, int, int | None], None]
    Source = str | Url | Request
