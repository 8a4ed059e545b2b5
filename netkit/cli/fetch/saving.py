"""Bodies in files: which name, how an interrupted download goes on, what is said on the way.

    -o FILE        that file, as it was asked for, over what is there
    -O, -J         a new file, with a name from the URL or from the server; never over another one (NAME.1)
    --download     the same, and what an earlier run has begun goes on
    -C -           what is in FILE goes on

A download goes on only if the server still has the same content: the request has a Range and an If-Range (RFC
9110 sections 13.1.5, 14.2), and a server with other content sends the whole. What If-Range needs, the entity
tag or the date, is kept with the file: in an extended attribute where the file system has them, and as the
file's time. A file without either is not taken for ours.

One request at a time is all that is here. What asks for several ranges at once takes the place of
`Fetcher._copy` (exchange.py): it has the response that says how long the file is, and the sink's `SavedFile`.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from netkit.cli.fetch.sinks import Sink
from netkit.cli.frame.inputs import BadInput
from netkit.cli.frame.messages import plural, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from netkit.cli.fetch.options import SaveOptions
    from netkit.cli.frame.context import Environment
    from netkit.http.client.response import ResponseStream
    from netkit.http.headers import Headers
    from netkit.http.save import SavedFile
    from netkit.http.url import Url

#: The extended attribute with the entity tag of a file's content.
ATTRIBUTE = "user.netkit.etag"
#: How often progress is shown, in seconds.
SHOW_EVERY = 0.1


class Again(Exception):
    """The answer leads to a file that an earlier run began: the request is to be sent again, for the rest."""


class Download:
    """One URL on its way into a file: `fields` are for its request, `sink` is for its body.

    `named`: the file of -o; None where the URL or the server names it.
    """

    def __init__(
        self, env: Environment, save: SaveOptions, named: str | None, *, shows_progress: bool
    ) -> None:
        self.env = env
        self.save = save
        self.folder = save.folder or ""
        self.name: str | None = None
        self.shows_progress = shows_progress
        #: The partial file that is gone on with, and what identifies its content.
        self.part: SavedFile | None = None
        self.validator: str | None = None
        self._goes_on = save.resume is not None or save.download
        if named is not None:
            path = os.path.join(self.folder, named)
            if os.path.islink(path):
                path = os.path.realpath(path)  # the user's own link, by the user's own words
            self.folder, self.name = os.path.split(path)
            if not self.name:
                hint = "--output-dir names a directory"
                raise BadInput(f"{named!r} is a directory, not a file", None, hint)
        if save.create_dirs and self.folder:
            os.makedirs(self.folder, exist_ok=True)
        if self.name is not None and self._goes_on and not self.is_special:
            self._find_part(self.name)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The headers that ask for the rest of a file."""
        if self.part is None:
            return []
        found = [("Range", f"bytes={self.part.size}-")]
        return found if self.validator is None else [*found, ("If-Range", self.validator)]

    def close(self) -> None:
        """Nothing came of it."""
        if self.part is not None:
            self.part.close()
            self.part = None

    @property
    def is_special(self) -> bool:
        """Whether the file that was named is a device or a pipe, such as /dev/null."""
        path = os.path.join(self.folder, self.name or "")
        return self.name is not None and os.path.exists(path) and not os.path.isfile(path)

    def sink(self, response: ResponseStream, url: Url) -> Sink:
        """Where the body goes.

        Raises Again where the request is to be sent once more, OSError, and BadInput for an answer that does
        not fit the file.
        """
        if self.part is not None:
            return self._rest(response, self.part)
        if self.is_special:
            return SpecialSink(os.path.join(self.folder, self.name or ""))
        name = self.name or self._name(response, url)
        if self.name is None and self._goes_on:
            found = self._begun(name, response.headers)
            if found is not None:
                return found
        return FileSink(self, self._new(name), response, begins_at=0)

    # -- names

    def _name(self, response: ResponseStream, url: Url) -> str:
        from netkit.http.content_disposition import parse, safe_filename
        from netkit.http.field_errors import FieldError

        suggested = None
        value = response.headers.get_first("Content-Disposition")
        if value is not None and (self.save.header_name or self.save.download):
            try:
                suggested = parse(value).filename
            except FieldError:
                pass  # a name is only a suggestion
        return safe_filename(suggested, url=response.url if self.save.download else url)

    def _new(self, name: str) -> SavedFile:
        from netkit.http.save import create_file, resume_file

        if self.name is None:
            return create_file(self.folder, name, on_exists="append-number", keep_partial=True)
        try:
            file = resume_file(self.folder, name)
        except FileNotFoundError:
            return create_file(self.folder, name, keep_partial=True)
        file.restart()
        return file

    # -- going on

    def _find_part(self, name: str) -> None:
        from netkit.http.save import resume_file

        try:
            part = resume_file(self.folder, name)
        except FileNotFoundError:
            return
        wanted = self.save.resume
        if wanted is not None and wanted >= 0 and part.size != wanted:
            size = part.size
            part.close()
            reason = f"{name} has {plural(size, 'octet')}, and not {wanted}"
            raise BadInput(reason, None, "-C - goes on at its end")
        if not part.size:
            part.close()
            return
        self.part, self.validator = part, validator_of(part.path)

    def _begun(self, name: str, headers: Headers) -> Sink | None:
        """What to do with a file that is there under the name that the server gave. None: it is not ours."""
        path = os.path.join(self.folder, name)
        known = validator_of(path) if os.path.isfile(path) else None
        if known is None or known not in (headers.get_first("ETag"), headers.get_first("Last-Modified")):
            return None
        self.name = name
        self._find_part(name)
        if self.part is None:
            return None
        length = headers.get_first("Content-Length")
        if length is not None and length.isdigit() and int(length) == self.part.size:
            return self._complete(self.part)
        raise Again

    def _rest(self, response: ResponseStream, part: SavedFile) -> Sink:
        """The answer to a request for the rest of a file."""
        from netkit.http.errors import HttpError, quoted
        from netkit.http.field_errors import FieldError
        from netkit.http.ranges import parse_content_range

        status = int(response.status)
        content_range = response.headers.get_first("Content-Range")
        try:
            found = None if content_range is None else parse_content_range(content_range)
        except FieldError:
            found = None
        if status == 206:
            if found is None or found.range is None or found.range.first != part.size:
                got = quoted(content_range or "")
                raise HttpError.InvalidResponse(
                    f"another part than was asked for: {got}, not from {part.size} on",
                    hint="without -C, the whole file is asked for",
                )
            return FileSink(self, part, response, begins_at=part.size)
        if status == 416:
            whole = None if found is None else found.complete_length
            if whole == part.size:
                return self._complete(part)
            return Refused(f"{part.name} has {plural(part.size, 'octet')}, and the server's file {whole}")
        if status == 200:
            self.env.say(f"{visible(part.name)}: the server has other content now: from the beginning")
            part.restart()
            return FileSink(self, part, response, begins_at=0)
        return Sink()

    def _complete(self, part: SavedFile) -> Sink:
        self.env.say(f"{visible(part.name)}: complete already, {plural(part.size, 'octet')}")
        return Complete(part)


class Refused(Sink):
    """No part that could be added."""

    has_enough = True

    def __init__(self, reason: str) -> None:
        self.refusal = reason


class Complete(Sink):
    """A file that needs nothing more."""

    has_enough = True
    is_complete = True

    def __init__(self, part: SavedFile) -> None:
        self._part = part
        self.file = part.path
        self.offset = part.size

    def end(self) -> None:
        self._part.close()

    def present(self) -> Iterator[bytes]:
        return _content(self._part.path, self._part.size)

    def broke_off(self, error: BaseException) -> None:  # noqa: ARG002
        self._part.close()


class SpecialSink(Sink):
    """A device or a pipe."""

    def __init__(self, path: str) -> None:
        self.file, self.offset = path, 0
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - end() closes it

    def write(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[self._file.write(view) :]

    def end(self) -> None:
        self._file.close()

    def broke_off(self, error: BaseException) -> None:  # noqa: ARG002
        self._file.close()


class FileSink(Sink):
    """A file, with progress on a terminal's standard error."""

    def __init__(
        self, download: Download, file: SavedFile, response: ResponseStream, *, begins_at: int
    ) -> None:
        self._download = download
        self._env = download.env
        self._file = file
        self._headers = response.headers
        self.file = file.path
        self.offset = begins_at
        length = None if response.is_decoded else response.length
        self._whole = None if length is None else begins_at + length
        self._begun = monotonic()
        self._shown = 0.0
        note_validator(file.path, self._headers)

    def present(self) -> Iterator[bytes]:
        return _content(self._file.path, self.offset or 0)

    def write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            error.filename = self._file.path
            raise
        if self._download.shows_progress:
            self._progress()

    def end(self) -> None:
        self._env.status(None)
        self._file.close()
        if self._download.name is None or self._download.save.resume is not None:
            keep_time(self._file.path, self._headers)

    def broke_off(self, error: BaseException) -> None:
        self._env.status(None)
        size, path = self._file.size, self._file.path
        self._file.__exit__(type(error), error, None)
        if size or not self._file.is_new:
            keep_time(path, self._headers)
            whole = "" if self._whole is None else f" of {self._whole:,}"
            again = "the same command goes on" if self._download.save.download else "-C - goes on"
            self._env.say(f"{visible(path)}: {size:,}{whole} octets are kept; {again}")

    def _progress(self) -> None:
        now = monotonic()
        if now - self._shown < SHOW_EVERY:
            return
        self._shown = now
        size, begun = self._file.size, self.offset or 0
        rate = (size - begun) / max(now - self._begun, 0.001)
        words = [f"{visible(self._file.name)}: {size:,}"]
        if self._whole:
            words[0] += f" of {self._whole:,} octets ({size * 100 // self._whole} %)"
            left = (self._whole - size) / rate if rate else 0.0
            words += [f"{rate / 1e6:.1f} MB/s", f"{left:.0f} s left"]
        else:
            words += [f"{rate / 1e6:.1f} MB/s"]
        self._env.status(", ".join(words))


def _content(path: str, size: int) -> Iterator[bytes]:
    """The first `size` octets of a file."""
    with open(path, "rb") as file:
        while size > 0 and (piece := file.read(min(size, 1 << 18))):
            size -= len(piece)
            yield piece


# -- what identifies the content of a file


def validator_of(path: str) -> str | None:
    """What If-Range takes for a file that was saved here: its strong entity tag, or the date of its content.

    RFC 9110 section 13.1.5: a weak tag does not do. A date that is not the server's does no harm: then the
    server sends the whole.
    """
    tag = _attribute(path)
    if tag is not None:
        return tag if tag.startswith('"') else None
    from datetime import UTC, datetime

    from netkit.http.dates import format_http_date

    return format_http_date(datetime.fromtimestamp(int(os.stat(path).st_mtime), UTC))


def note_validator(path: str, headers: Headers) -> None:
    """Keep the entity tag of what is being saved, where the file system can."""
    tag = headers.get_first("ETag")
    set_attribute = getattr(os, "setxattr", None)
    if tag is None or set_attribute is None:
        return
    try:
        set_attribute(path, ATTRIBUTE, tag.encode("latin-1"))
    except OSError:
        pass  # a file system without them: the date is there


def _attribute(path: str) -> str | None:
    get_attribute = getattr(os, "getxattr", None)
    if get_attribute is None:
        return None
    try:
        value: bytes = get_attribute(path, ATTRIBUTE)
    except OSError:
        return None
    return value.decode("latin-1")


def keep_time(path: str, headers: Headers) -> None:
    """Give a file the time of its content (Last-Modified)."""
    moment = _last_modified(headers)
    if moment is not None:
        try:
            os.utime(path, (moment.timestamp(), moment.timestamp()))
        except OSError:
            pass  # somebody else's file, or gone


def _last_modified(headers: Headers) -> datetime | None:
    from netkit.http.dates import parse_cookie_date

    value = headers.get_first("Last-Modified")
    return None if value is None else parse_cookie_date(value)
