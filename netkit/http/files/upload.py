"""Uploads: PUT to a path, and a form to a directory.

RFC 9110 sections 9.3.4 (PUT), 13.1 (conditions), 14.5 (no part of a file); RFC 7578 (forms). A file is
written under a name that is never served, in the directory that it will be in, and gets its own name when it
is whole. So nobody sees half of one, and an upload that is broken off leaves nothing. The files of a form get
their names together, when the whole form has come.

The new name is made by a link, which fails if there is a file of that name; only where a file may be
replaced, a rename does it. A symbolic link of that name is replaced itself: nothing is written through it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.content_disposition import MAX_NAME, safe_filename
from netkit.http.errors import HttpError
from netkit.http.files.representation import Representation
from netkit.http.files.target import UPLOADING, is_served
from netkit.http.files.tree import Found, Nothing, open_directory
from netkit.http.multipart import PartData, PartHead
from netkit.http.preconditions import evaluate

if TYPE_CHECKING:
    from netkit.http.files.config import UploadConfig
    from netkit.http.files.query import Query
    from netkit.http.files.tree import Walk
    from netkit.http.files.worker import Worker
    from netkit.http.multipart import MultipartParser
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

#: How many directories the name of a file in a form may have.
MAX_DIRECTORIES: Final = 32

#: What the system says where a file cannot be stored, as a status.
_STATUSES: Final = {
    errno.ENOSPC: 507,
    errno.EDQUOT: 507,
    errno.EFBIG: 413,
    errno.EACCES: 403,
    errno.EPERM: 403,
    errno.EROFS: 403,
    errno.ENAMETOOLONG: 400,
    errno.EINVAL: 400,
    errno.EILSEQ: 400,
    errno.ENOTDIR: 409,
    errno.EISDIR: 409,
    errno.EEXIST: 409,
    errno.ENOENT: 409,
}


class Refused(Exception):
    """The upload is refused: with which status, and in which words."""

    def __init__(self, status: int, text: str | None = None) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


class Stored(NamedTuple):
    """A file that was stored: the names from the directory of the request on, and whether it is new."""

    names: tuple[bytes, ...]
    is_new: bool


class _Draft:
    """A file that is being uploaded: under a name of its own until it is whole."""

    __slots__ = ("directory", "fd", "name", "names", "temporary")

    def __init__(self, directory: int, names: tuple[bytes, ...]) -> None:
        self.directory = directory
        self.names = names
        self.name = names[-1]
        self.temporary = UPLOADING + os.urandom(8).hex().encode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self.fd: int | None = os.open(self.temporary, flags, 0o666, dir_fd=directory)

    def write(self, data: bytes) -> None:
        assert self.fd is not None
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]

    def close(self) -> None:
        """The octets are all there."""
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)

    def sync_flow(self, worker: Worker) -> Flow[None]:
        """Flow: until the octets are on the disk."""
        fd = self.fd
        assert fd is not None
        yield from worker.call(lambda: os.fsync(fd))

    def keep_flow(self, worker: Worker) -> Flow[None]:
        """Flow: until the name is on the disk too."""
        fd = open_directory(self.directory)
        try:
            yield from worker.call(lambda: os.fsync(fd))
        finally:
            os.close(fd)

    def publish(self, replaces: os.stat_result | None) -> None:
        """Give the file its name, in the place of a file if `replaces` is what that was. Raises OSError.

        It keeps the permissions of a file that it replaces. A symbolic link says 0777, which are nobody's.
        """
        if replaces is not None:
            if stat.S_ISREG(replaces.st_mode):
                os.chmod(self.temporary, stat.S_IMODE(replaces.st_mode) & 0o777, dir_fd=self.directory)
            os.rename(self.temporary, self.name, src_dir_fd=self.directory, dst_dir_fd=self.directory)
            return
        try:
            os.link(
                self.temporary,
                self.name,
                src_dir_fd=self.directory,
                dst_dir_fd=self.directory,
                follow_symlinks=False,
            )
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            # A file system without links: an empty file holds the name.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            os.close(os.open(self.name, flags, 0o666, dir_fd=self.directory))
            os.rename(self.temporary, self.name, src_dir_fd=self.directory, dst_dir_fd=self.directory)

    def discard(self) -> None:
        """Leave nothing; no effect on a file that was renamed."""
        self.close()
        try:
            os.unlink(self.temporary, dir_fd=self.directory)
        except OSError:  # it has its name
            pass


class Uploader:
    """Stores what is uploaded."""

    __slots__ = ("_config", "_hidden", "_worker")

    def __init__(self, config: UploadConfig, hidden: bool, worker: Worker) -> None:
        self._config = config
        self._hidden = hidden
        self._worker = worker

    def put_flow(
        self, exchange: Exchange, query: Query, walk: Walk, names: tuple[bytes, ...]
    ) -> Flow[tuple[bool, str]]:
        """Flow: store the body as the file of that name; returns whether it is new, and its entity tag.

        Raises Refused, OSError, and what `Exchange.read_flow` does.
        """
        if query.field("content-range") is not None:
            raise Refused(400, "a part of a file cannot be stored")
        if (query.field("content-encoding") or "identity").lower() != "identity":
            raise Refused(415, "a file with a content coding cannot be stored")
        directory = self._directory(walk, walk.root, names[:-1])
        self._may_replace(query, directory, names[-1])
        draft = _Draft(directory, names)
        try:
            exchange.max_body = self._config.max_size
            while piece := (yield from exchange.read_flow()):
                draft.write(piece)
            if self._config.durable:
                yield from draft.sync_flow(self._worker)
            draft.close()
            # Once more: it may have come, changed or gone meanwhile.
            before = self._may_replace(query, directory, names[-1])
            draft.publish(before)
            if self._config.durable:
                yield from draft.keep_flow(self._worker)
            info = os.stat(names[-1], dir_fd=directory, follow_symlinks=False)
        finally:
            draft.discard()
        return before is None, _etag(info)

    def form_flow(
        self, exchange: Exchange, walk: Walk, place: tuple[int, ...], parser: MultipartParser
    ) -> Flow[list[Stored]]:
        """Flow: store the files of a form in the directory at the end of `place`.

        Raises Refused, MultipartError, OSError, and what `Exchange.read_flow` does; then no file is stored,
        unless the last step failed for one of several.
        """
        drafts: list[_Draft] = []
        directories: dict[tuple[bytes, ...], int] = {(): place[-1]}
        draft: _Draft | None = None
        try:
            exchange.max_body = self._config.max_size
            while piece := (yield from exchange.read_flow()):
                for event in parser.feed(piece):
                    if isinstance(event, PartData):
                        if draft is not None:
                            draft.write(event.data)
                    elif isinstance(event, PartHead):
                        draft = self._begun(walk, place, event, drafts, directories)
                        if draft is not None:
                            drafts.append(draft)
                    elif draft is not None:
                        if self._config.durable:
                            yield from draft.sync_flow(self._worker)
                        draft.close()
                        draft = None
            parser.finish()
            if not drafts:
                raise Refused(400, "the form has no file")
            stored = []
            for each in drafts:
                before = self._existing(each.directory, each.name)
                if before is not None and not self._config.overwrite:
                    raise Refused(409, "there is a file of that name")
                each.publish(before)
                if self._config.durable:
                    yield from each.keep_flow(self._worker)
                stored.append(Stored(each.names, before is None))
        finally:
            for each in drafts:
                each.discard()
        return stored

    def _begun(
        self,
        walk: Walk,
        place: tuple[int, ...],
        head: PartHead,
        drafts: list[_Draft],
        directories: dict[tuple[bytes, ...], int],
    ) -> _Draft | None:
        """The file that a part is; None for a field without one."""
        if not head.filename:
            return None
        if len(drafts) >= self._config.max_files:
            raise Refused(413, f"more than {self._config.max_files} files")
        names = self._names(head.filename)
        directory = directories.get(names[:-1])
        if directory is None:
            directory = directories[names[:-1]] = self._directory(walk, place, names[:-1])
        if any(each.names == names for each in drafts):
            raise Refused(409, "two files of one name")
        if self._existing(directory, names[-1]) is not None and not self._config.overwrite:
            raise Refused(409, "there is a file of that name")
        return _Draft(directory, names)

    def _names(self, filename: str) -> tuple[bytes, ...]:
        """The name that a client gave, made safe; with its directories, if these may be made."""
        parts = filename.split("/") if self._config.directories else [filename]
        if len(parts) > MAX_DIRECTORIES:
            raise Refused(400, f"more than {MAX_DIRECTORIES} directories")
        if any(not part or not part.strip(".") for part in parts[:-1]):
            raise Refused(400, "a name with an impossible directory")
        return tuple([os.fsencode(safe_filename(part, max_octets=MAX_NAME)) for part in parts])

    def _directory(self, walk: Walk, place: tuple[int, ...], names: tuple[bytes, ...]) -> int:
        """The directory in which a file goes, made where it is missing and may be."""
        for name in names:
            found = walk.find((name,), place)
            if found is Nothing.MISSING and self._config.directories and is_served(name, self._hidden):
                try:
                    os.mkdir(name, dir_fd=place[-1])
                except FileExistsError:  # another request was faster, or it is a link to nowhere
                    pass
                found = walk.find((name,), place)
            if not isinstance(found, Found) or not found.is_directory:
                if found is Nothing.REFUSED:
                    raise Refused(404)
                raise Refused(403 if found is Nothing.FORBIDDEN else 409, "there is no such directory")
            place = found.place
        return place[-1]

    def _may_replace(self, query: Query, directory: int, name: bytes) -> os.stat_result | None:
        """What is there of that name, None if nothing is. Raises Refused where it must stay."""
        before = self._existing(directory, name)
        changed = None
        if before is not None:
            changed = Representation(before.st_size, before.st_mtime_ns, "").modified
        status = evaluate(
            query.method,
            query.field,
            etag=None if before is None else _etag(before),
            last_modified=changed,
            exists=before is not None,
        )
        if status is not None:
            raise Refused(412)
        if before is not None and not self._config.overwrite and query.field("if-match") is None:
            raise Refused(409, "there is a file of that name")
        return before

    def _existing(self, directory: int, name: bytes) -> os.stat_result | None:
        try:
            info = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(info.st_mode):
            raise Refused(409, "there is a directory of that name")
        if not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
            raise Refused(409, "what is there of that name is no file")
        return info


def status_of(error: OSError) -> int | None:
    """The status for a file that the system did not let be stored; None for an error of another kind."""
    return None if isinstance(error, HttpError) else _STATUSES.get(error.errno or 0)


def _etag(info: os.stat_result) -> str:
    return Representation(info.st_size, info.st_mtime_ns, "").etag
