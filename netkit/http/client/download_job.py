"""One download on its way: it asks, receives, goes on after a failure, verifies, and leaves things in order.

There is one way for all: a file is a list of parts, and each part asks for what is missing of it, until
nothing is. A plain download is one part; its first request has no Range. A part that was cut off asks again,
from where it was. An answer of another version of the file ends all parts, and the download begins again from
octet 0, once; a second change is an error.

`download_plan` decides, `download_file` has the file, `download_transfer` moves the octets.
RFC 9110 sections 13.1.5 (If-Range), 14 (ranges), 15.3.7 (206).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from netkit.http.client.download_config import Downloaded
from netkit.http.client.download_errors import DownloadError, incomplete
from netkit.http.client.download_file import Device, PartialFile, is_device, make_folder
from netkit.http.client.download_plan import (
    OVERLAP,
    Enclosed,
    Entity,
    Head,
    Part,
    entity_of,
    judge,
    judge_whole,
    range_fields,
    split,
    undoes,
    why_single,
)
from netkit.http.client.download_transfer import Again, Hash, Transfer
from netkit.http.client.response import Incoming
from netkit.http.connection.errors import IncompleteMessage
from netkit.http.errors import HttpError
from netkit.io import DeadlineExceeded, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.client.core import Answer
    from netkit.http.client.download_file import Target
    from netkit.io import Flow


#: How many files of a taken name, and of its numbers, are looked at for one to go on with.
MAX_LOOKS: Final = 16


class Download(Transfer):
    """One download on its way."""

    #: Names under which there may be a file to go on with, which were not looked at yet.
    names: Iterator[str] = iter(())
    #: The name that was looked for, with its numbers.
    looked: str | None = None

    # From the beginning to the end.

    def run_flow(self) -> Flow[Downloaded]:
        """Flow: the download."""
        try:
            yield from self._to_the_end()
            yield from self._verify()
            return self._finish()
        except BaseException as error:
            self._leave(error)
            raise

    def _to_the_end(self) -> Flow[None]:
        answer: Answer | None = None
        parallel = self.config.parallel
        left = self.config.restarts
        if self.config.resume and not self._is_device:
            self._look(self._early_name())
        while True:
            try:
                if answer is None and self.file is not None and self._can_resume():
                    yield from self._resume(parallel)
                else:
                    yield from self._begin(answer, parallel)
                return
            except Again as again:
                answer = again.answer
                reason, single = str(again), again.single
                if not self.is_ours:
                    if self._numbers:
                        self._leave_alone(answer)
                        continue
                    if answer is not None:
                        answer.reply.close()
                    raise DownloadError.NotResumable(
                        reason, hint="remove the file, or give another name, to have it whole"
                    ) from None
                if single is not None and self.single != single:
                    parallel, self.single = 1, single
                elif single is not None:
                    if answer is not None:
                        answer.reply.close()
                    raise incomplete(IncompleteMessage(self.received, self.entity.total)) from None
                elif self.resumed_at and not self.restarts:
                    self.restarts += 1  # what was there before is old: no change while this ran
                elif not left:
                    if answer is not None:
                        answer.reply.close()
                    raise DownloadError.Changed(reason) from None
                else:
                    left -= 1
                    self.restarts += 1
                try:
                    self._forget(reason)
                except BaseException:
                    if answer is not None:
                        answer.reply.close()
                    raise

    def _forget(self, reason: str) -> None:
        """Nothing of what is in the file counts any more."""
        assert self.file is not None  # there was something to forget
        if self.watch is not None:
            self.watch.restarted(reason)
        self.file.truncate()
        self.file.state = None
        self.received = self.resumed_at = self.unsaved = self.fetched = 0
        self.parts = []
        self.hash = None

    def _early_name(self) -> str:
        if self.name is not None:
            return self.name
        from netkit.http.content_disposition import safe_filename

        return safe_filename(None, url=self.url)

    @property
    def _is_device(self) -> bool:
        """Whether the path that was named is a device or a pipe."""
        if self.name is None or self.config.on_exists != "replace":
            return False
        return is_device(os.path.join(self.folder, self.name))

    @property
    def _numbers(self) -> bool:
        """Whether a name that is taken is not an error: another one will do."""
        return self.name is None and self.config.on_exists not in ("fail", "replace")

    def _look(self, name: str) -> None:
        """Open a file of that name, if there is one to go on with, or of its numbers."""
        self.looked = name
        if not self._numbers:
            self._open(name)
            return
        from netkit.http.bodies.save import candidate_names

        exists = self.config.on_exists
        assert exists != "replace"  # which has no numbers
        self.names = candidate_names(name, exists, MAX_LOOKS)
        self._open_next()

    def _open_next(self) -> None:
        """Open the next file that may be ours, if there is one."""
        for name in self.names:
            path = os.path.join(self.folder, name)
            if not os.path.lexists(path):
                return  # names are given without gaps
            if path in self.claimed:
                continue
            try:
                self._open(name)
            except HttpError:
                continue  # of another download, or in use, or no file at all
            if self.file is not None:
                return

    def _leave_alone(self, answer: Answer | None) -> None:
        """The file is not of this download: it stays as it is. Try the next one, or have a new one."""
        assert self.file is not None  # it was found not to be ours
        self.claimed.discard(self.file.path)
        self.file.close()
        self.file = None
        self.received = self.resumed_at = 0
        self.parts = []
        self.is_ours = True
        if answer is None:
            self._open_next()

    def _open(self, name: str) -> None:
        """Open a file of that name, if there is one. Raises DownloadError.NotResumable, File."""
        file = PartialFile.open(self.folder, name)
        at = self.config.resume_at
        try:
            if file is None:
                if at:
                    raise DownloadError.NotResumable(f"{name!r} is not there, to go on at octet {at}")
                return
            if at is not None and file.size != at:
                raise DownloadError.NotResumable(f"{name!r} has {file.size} octets, and not {at}")
            if file.state is not None and file.state.place != self.place:
                raise DownloadError.NotResumable(
                    f"{name!r} is a part of another file, of {file.state.place[:200]!r}",
                    hint="give another name, or remove the file and what is beside it",
                )
        except BaseException:
            if file is not None:
                file.close()
            raise
        self.is_ours = file.state is not None or not file.size
        self._claim(file)

    def _claim(self, file: Target) -> None:
        self.file = file
        self.claimed.add(file.path)

    def _can_resume(self) -> bool:
        """Whether the file has octets that count."""
        assert self.file is not None  # the caller has looked
        state = self.file.state
        if state is not None and state.entity.coding is None:
            return False
        return self.file.size > 0

    def _begin(self, answer: Answer | None, parallel: int) -> Flow[None]:
        """Flow: a file of which nothing is there. `answer` is one with the whole of it, if there is one."""
        if answer is None:
            answer = yield from self._ask([])
        reply = answer.reply
        try:
            head = Head(reply.status, reply.fields)
            self._judge(head)
            if self.file is None and not self._name(head):
                reply.close()
                yield from self._resume(parallel)
                return
            assert self.file is not None  # it has been made, or was there
            undone = self._undoes((head.get(b"content-encoding") or "").lower(), self.file.name)
            length = reply.length if reply.pieces or not reply.is_ended else 0  # of HEAD, 304: only told
            self._learn(answer, head, entity_of(head, total=length, undone=undone))
            entity = self.entity
            whole = Part(0, None if entity.total is None else entity.total - 1)
            why = why_single(head, entity, parallel, self.config.min_part)
            if parallel > 1 and not (self.is_whole and self.file.keeps):
                why = "it is not the whole of a file" if not self.is_whole else "it has no positions"
            self._tell_name(0)
            if parallel > 1:
                self.single = why or None
            parts = [whole]
            if why is None and parallel > 1:
                parts = split([whole], parallel, self.config.min_part)
            incoming = Incoming(answer, decode=undone, limit=None)
        except BaseException:
            reply.close()
            raise
        yield from self._fetch(parts, parallel, incoming)

    def _judge(self, head: Head) -> None:
        """Whether this answer is the file, or another one that is wanted. Raises DownloadError."""
        accept = self.config.accept
        if accept == "file":
            judge_whole(head)
            return
        if accept == "no-error" and head.status >= 400:
            raise DownloadError.Status(head.status)
        self.is_whole = (
            head.status in (200, 203)
            and self.request.method == "GET"
            and not any(name.lower() == "range" for name, _ in self.request.headers.fields)
        )

    def _undoes(self, coding: str, name: str) -> bool:
        """Whether to undo a content coding."""
        if not self.config.decode:
            return False
        asked = self.request.headers.get_first("Accept-Encoding") != "identity"
        return coding not in ("", "identity") and (asked or undoes(coding, name))

    def _tell_name(self, size: int) -> None:
        if self.watch is not None and self.file is not None:
            self.watch.named(self.file.path, size)

    def _name(self, head: Head) -> bool:
        """Make the file. False if there is one of that name, to go on with."""
        name = self.name
        if name is None:
            from netkit.http.content_disposition import parse, safe_filename
            from netkit.http.fields.errors import FieldError

            suggested: str | None = None
            disposition = head.get(b"content-disposition") if self.config.use_disposition else None
            if disposition is not None:
                try:
                    suggested = parse(disposition).filename
                except FieldError:
                    pass  # a name is only a suggestion
            # The URL that was asked for, not the one that it led to: who asked knows it.
            name = safe_filename(suggested, url=self.url)
            if self.config.resume and name != self.looked:
                self._look(name)
                if self.file is not None and self._can_resume():
                    return False
        if self.file is None:
            self._claim(self._create(name))
            self.is_ours = True
        return True

    def _create(self, name: str) -> Target:
        config = self.config
        folder = self.folder
        if config.on_exists == "replace":
            path = os.path.join(folder, name)
            if is_device(path):
                return Device(path)
        if config.create_folder and folder:
            make_folder(folder)
        return PartialFile.create(folder, name, on_exists=config.on_exists, mode=config.mode)

    def _learn(self, answer: Answer, head: Head, entity: Entity) -> None:
        """Note which file it is. Raises DownloadError.TooLarge."""
        self.entity = entity
        self.final = answer.url
        self.modified = head.get(b"last-modified")
        limit = self.config.max_size
        if limit is not None and entity.total is not None and entity.total > limit:
            raise DownloadError.TooLarge(limit, entity.total)

    def _resume(self, parallel: int) -> Flow[None]:
        """Flow: the rest of a file of which some is there."""
        assert self.file is not None  # the caller has looked
        size, state = self.file.size, self.file.state
        parts = [Part(0, None, size)]
        self.entity = Entity()
        if state is not None:
            self.entity = state.entity
            if state.parts is not None:
                if size < max((part.at for part in state.parts if part.done), default=0):
                    raise DownloadError.NotResumable(
                        f"{self.file.name!r} has only {size} octets: it was cut",
                        hint="remove the file and what is beside it, and begin again",
                    )
                parts = [Part(part.first, part.last, part.done) for part in state.parts]
        self.received = self.resumed_at = sum(part.done for part in parts)
        self._tell_name(self.received)
        if self.entity.validator is None:
            if len(parts) > 1:
                raise Again("nothing tells whether the file on the server is the same", None)
            yield from self._resume_by_overlap(parts[0], parallel)
            return
        total = self.entity.total
        if len(parts) == 1 and total is not None:
            if size > total:
                raise Again(f"there are {size} octets, and the file on the server has {total}", None)
            parts[0].last = total - 1
        # A single part that is complete stays as it is, and is asked for what follows it.
        if not all(part.is_done for part in parts):
            parts = split(parts, parallel, self.config.min_part)
        yield from self._fetch(parts, parallel, None)

    def _resume_by_overlap(self, part: Part, parallel: int) -> Flow[None]:
        """Flow: resume a file of which only the octets are known: compare the last ones with the server's.

        Nothing is written before they are equal.
        """
        assert self.file is not None  # the caller has looked
        size = part.done
        overlap = min(size, OVERLAP)
        first = size - overlap
        answer = yield from self._ask(range_fields(Entity(), first, None))
        reply = answer.reply
        try:
            head = Head(reply.status, reply.fields)
            if head.status in (200, 203):
                raise Again("the server does no ranges, so what is there is of no use", answer)
            found = judge(head, Entity(), first, None)
            if not isinstance(found, Enclosed) or found.last < size - 1:
                raise Again("the file on the server is shorter than what is there", None)
            if (head.get(b"content-encoding") or "identity").lower() != "identity":
                raise Again("the server encodes the file", None)
            incoming = Incoming(answer, decode=False, limit=None)
            if self._numbers and self._is_of_another_time(head):
                raise Again("what is there has another date than the file on the server", None)
            if (yield from self._take(incoming, overlap)) != self.file.read_at(first, overlap):
                raise Again("what is there is not the beginning of the file on the server", None)
            self._learn(answer, head, entity_of(head, total=found.total))
        except Again as again:
            if again.answer is None:
                reply.close()
            raise
        except BaseException:
            reply.close()
            raise
        self.is_ours = True
        part.last = found.last
        if found.last + 1 == size:
            reply.close()
            self.parts = [part]
            self._tell()
            return
        if parallel > 1:
            self.single = "it was begun without a note of which version it is"
        yield from self._fetch([part], 1, incoming)

    def _is_of_another_time(self, head: Head) -> bool:
        """Whether the file has not the time of what the server has, which a complete one would have.

        Of a name that nobody gave, the same end is not enough: archives end alike.
        """
        assert self.file is not None  # the caller has looked
        modified = _moment(head.get(b"last-modified")) if self.config.set_modified else None
        return modified is not None and int(self.file.modified) != int(modified)

    # The end.

    def _verify(self) -> Flow[None]:
        """Flow: that the file is whole, and has its checksum. Raises DownloadError.Checksum."""
        assert self.file is not None  # there is a file by now
        size = sum(part.last + 1 - part.first for part in self.parts if part.last is not None)
        if not all(part.is_done for part in self.parts) or self.file.size != size:
            raise DownloadError.Changed(
                f"the file has {self.file.size} octets, and {size} were received: something else wrote to it",
                fault="local",
            )
        if self.checksum is None:
            return
        algorithm, wanted = self.checksum
        if self.hash is None:
            self.hash = Hash(algorithm)
            yield from self._hash_flow(self.hash, size)
        found = self.hash.hexdigest()
        if found != wanted:
            raise DownloadError.Checksum(algorithm, wanted, found)

    def _finish(self) -> Downloaded:
        assert self.file is not None  # there is a file by now
        self.file.finish(_moment(self.modified) if self.config.set_modified else None)
        return Downloaded(
            self.file.path,
            self.received,
            self.final,
            self.resumed_at,
            max(1, self.fetched),
            self.restarts,
            self.single,
            None if self.checksum is None else ":".join(self.checksum),
            self.entity.etag,
        )

    def _leave(self, error: BaseException) -> None:
        """Keep what there is, or remove a file in which nothing is; say so in the error. Never waits."""
        file = self.file
        is_kept = False
        if file is not None:
            is_kept = file.keeps and (self.received > 0 or not file.is_new)
            if is_kept:
                try:
                    if self.received and self.parts and self.is_ours:
                        self._save()
                except DownloadError:
                    pass  # the disk is full: the state that was written before is older, and still right
                finally:
                    file.close()
                if self.watch is not None and self.received:
                    self.watch.kept(file.path, self.received, self.entity.total)
            else:
                file.discard()
        path = None if file is None else file.path
        if isinstance(error, Interrupted) and isinstance(error.error, DeadlineExceeded):
            made = incomplete(HttpError.Timeout(None, "downloading"))
            error.explain(made.about(path, self.received, self.entity.total, is_kept=is_kept))
        elif isinstance(error, DownloadError):
            error.about(error.path or path, self.received, self.entity.total, is_kept=is_kept)


def _moment(text: str | None) -> float | None:
    """A date of HTTP in seconds since 1970; None if it is none."""
    from netkit.http.fields.dates import parse_cookie_date

    found = None if text is None else parse_cookie_date(text)
    return None if found is None else found.timestamp()
