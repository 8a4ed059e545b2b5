"""The errors of a download: what went wrong, and what is kept of the file.

    NetkitError
    └── HttpError
        └── DownloadError         `path`, `received`, `expected`, `is_kept`
            ├── File              local (OSError) the file cannot be made, opened or written; a full disk
            ├── Status            the server answers with a status that has no file in it: `status`
            ├── BadRange          the server sent another part than the one that was asked for
            ├── Changed           the file on the server is not the one that the download began with
            ├── NotResumable      usage: what is there cannot be gone on with
            ├── TooLarge          the file is larger than was allowed: `limit`
            ├── Checksum          all is there, and not what was expected: `algorithm`, `wanted`, `found`
            └── Incomplete        the transfer was cut off; stage, kind and hint are those of its cause
                └── TimedOut      (TimeoutError) it took too long

An error before the head of a response is there (no connection, TLS) is that error itself.
"""

from __future__ import annotations

import errno as numbers
import os
from typing import TYPE_CHECKING, Final, TypeAlias

from netkit.errors import NetkitError, system_kind
from netkit.http.errors import HttpError, quoted

if TYPE_CHECKING:
    from typing import Self

    from netkit.errors import Fault, Stage

#: Words for causes that only files have.
_KINDS: Final = {
    numbers.EEXIST: "FileExists",
    numbers.ELOOP: "IsLink",
    numbers.EFBIG: "NoSpace",
    numbers.EDQUOT: "NoSpace",
    numbers.EROFS: "PermissionDenied",
    numbers.EAGAIN: "FileInUse",
}


class DownloadError(HttpError):
    """A download that did not succeed; the variants are its attributes.

    `path` is the file, None before it has a name. `received` is how many octets of it are there, those of
    earlier runs included, and `expected` how many it has in all, None if the server did not say. `is_kept`
    says whether the file is kept, so that a later run can go on.
    """

    if TYPE_CHECKING:
        File: TypeAlias = "DownloadFileError"
        Status: TypeAlias = "DownloadStatus"
        BadRange: TypeAlias = "DownloadBadRange"
        Changed: TypeAlias = "DownloadChanged"
        NotResumable: TypeAlias = "DownloadNotResumable"
        TooLarge: TypeAlias = "DownloadTooLarge"
        Checksum: TypeAlias = "DownloadChecksum"
        Incomplete: TypeAlias = "DownloadIncomplete"
        TimedOut: TypeAlias = "DownloadTimedOut"

    def __init__(self, reason: str = "", *, fault: Fault | None = None, hint: str | None = None) -> None:
        super().__init__(reason, fault=fault, hint=hint)
        self.path: str | None = None
        self.received = 0
        self.expected: int | None = None
        self.is_kept = False

    def about(self, path: str | None, received: int, expected: int | None, *, is_kept: bool) -> Self:
        """Note what is there of which file; returns the error itself."""
        self.path = path
        self.received = received
        self.expected = expected
        self.is_kept = is_kept
        return self

    def __str__(self) -> str:
        if not self.is_kept or self.path is None:
            return self.reason
        of = "" if self.expected is None else f" of {self.expected}"
        return f"{self.reason}; {self.received}{of} octets are kept in {quoted(self.path)}"


class DownloadFileError(DownloadError, OSError):
    """This machine cannot make, open or write the file: it exists, the disk is full, there is no permission.

    `errno` is the system's number for it.
    """

    fault: Fault = "local"

    def __init__(self, reason: str, errno: int | None = None, *, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.errno = errno
        self.strerror = reason

    @property
    def kind(self) -> str:
        """The word for the system's reason."""
        return _KINDS.get(self.errno or 0) or system_kind(self, "File")


class DownloadStatus(DownloadError):
    """The server answered, but not with the file: `status`. Nothing is written."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server answered {status}")
        self.status = status


class DownloadBadRange(DownloadError):
    """The server's part is not the one that was asked for, or its Content-Range contradicts itself.

    Nothing of it is written.
    """


class DownloadChanged(DownloadError):
    """The file on the server has changed since the download began."""


class DownloadNotResumable(DownloadError):
    """The file that is there cannot be gone on with, and it is not overwritten."""

    fault: Fault = "caller"


class DownloadTooLarge(DownloadError):
    """The file is larger than `limit` octets (`max_size`)."""

    def __init__(self, limit: int, size: int | None = None) -> None:
        what = "larger" if size is None else f"{size} octets, more"
        super().__init__(f"the file is {what} than the limit of {limit} octets (max_size)")
        self.limit = limit
        self.size = size


class DownloadChecksum(DownloadError):
    """The file is complete, and its checksum is not the one that was given."""

    def __init__(self, algorithm: str, wanted: str, found: str) -> None:
        super().__init__(f"its {algorithm} is {found}, not {wanted}")
        self.algorithm = algorithm
        self.wanted = wanted
        self.found = found


class DownloadIncomplete(DownloadError):
    """The transfer was cut off by its `__cause__`."""

    _kind = "Incomplete"
    _stage: Stage | None = None

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"the download was cut off: {cause}")
        self.__cause__ = cause
        if isinstance(cause, NetkitError):
            self._kind, self._stage = cause.kind, cause.stage
            self.fault, self.hint, self.remedy = cause.fault, cause.hint, cause.remedy

    @property
    def kind(self) -> str:
        """That of the cause."""
        return self._kind

    @property
    def stage(self) -> Stage:
        """That of the cause."""
        return super().stage if self._stage is None else self._stage


class DownloadTimedOut(DownloadIncomplete, TimeoutError):
    """The time is over, for the whole download or for a wait for the server."""

    fault: Fault = "network"
    _kind = "Timeout"


for _variant in (
    DownloadFileError,
    DownloadStatus,
    DownloadBadRange,
    DownloadChanged,
    DownloadNotResumable,
    DownloadTooLarge,
    DownloadChecksum,
    DownloadIncomplete,
    DownloadTimedOut,
):
    _name = "File" if _variant is DownloadFileError else _variant.__name__.removeprefix("Download")
    _variant.__name__ = _name
    _variant.__qualname__ = f"DownloadError.{_name}"
    setattr(DownloadError, _name, _variant)


def incomplete(cause: Exception) -> DownloadIncomplete:
    """The error for a transfer that `cause` cut off."""
    return DownloadTimedOut(cause) if isinstance(cause, TimeoutError) else DownloadIncomplete(cause)


def file_error(error: OSError, path: str, doing: str) -> DownloadFileError:
    """The error for what the system says about a file."""
    number = error.errno
    hint: str | None = None
    if number == numbers.EEXIST:
        hint = "give another name, remove the file, or resume it if it is a part of the same file"
    elif number == numbers.ELOOP:
        hint = "a symbolic link is never followed here"
    elif number == numbers.EAGAIN:
        hint = "another download is writing it"
    what = os.strerror(number) if number else str(error)
    made = DownloadFileError(f"cannot {doing} {quoted(path)}: {what}", number, hint=hint)
    made.path = path
    made.__cause__ = error
    return made
