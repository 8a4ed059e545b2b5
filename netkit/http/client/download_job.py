"""One download on its way: it asks, receives, goes on after a failure, verifies, and leaves things in order.

There is one way for all: a file is a list of parts, and each part asks for what is missing of it, until
nothing is. A plain download is one part; its first request has no Range. A part that was cut off asks again,
from where it was. An answer of another version of the file ends all parts, and the download begins again from
octet 0, once; a second change is an error.

`download_plan` decides, `download_file` has the file; this module moves the octets. RFC 9110 sections 13.1.5
(If-Range), 14 (ranges), 15.3.7 (206).
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from netkit.errors import NetkitError
from netkit.http.client.download_config import Downloaded
from netkit.http.client.download_errors import DownloadError, incomplete
from netkit.http.client.download_file import PartialFile
from netkit.http.client.download_plan import (
    OVERLAP,
    PASSING,
    AlreadyThere,
    Enclosed,
    Entity,
    Head,
    OtherEntity,
    Pace,
    Part,
    Whole,
    entity_of,
    judge,
    judge_whole,
    parse_checksum,
    place_of,
    range_fields,
    split,
    undoes,
    why_single,
)
from netkit.http.client.download_state import State
from netkit.http.client.failures import as_http_error
from netkit.http.client.response import Incoming
from netkit.http.connection.errors import ConnectionFault, IncompleteMessage
from netkit.http.errors import HttpError
from netkit.http.message import Request
from netkit.http.url import Url
from netkit.io import OPERATIONS_PER_TURN, PAUSE, DeadlineExceeded, Interrupted, all_of, sleep_until

if TYPE_CHECKING:
    from netkit.http.auth import Auth
    from netkit.http.client.core import Answer
    from netkit.http.client.download_config import DownloadConfig, Progress, Source
    from netkit.http.headers import HeadersLike
    from netkit.io import Flow

#: What one read takes, in octets.
BUFFER: Final = 262_144

#: How many octets are received in several parts before the state is written again.
STATE_EVERY: Final = 8 << 20

#: Of a file of up to so many octets, the state is written only if it is cut off.
SMALL: Final = 1 << 20

#: So many octets between two failures count as going on: the tries begin anew.
PROGRESS: Final = 65_536


class Fetcher(Protocol):
    """What a download needs of a client; `Client` and `AsyncClient` have it."""

    def answer_flow(
        self,
        req: Request,
        *,
        auth: Auth | None = None,
        loop: int = 0,
    ) -> Flow[Answer]:
        """Flow: send `req`, and return the answer with its head read."""


class _Again(Exception):
    """The parts that are there are of no use: begin again. `answer` is one to go on with, if there is one."""

    def __init__(self, reason: str, answer: Answer | None, *, single: str | None = None) -> None:
        super().__init__(reason)
        self.answer = answer
        self.single = single


class Download:
    """One download on its way."""

    def __init__(
        self,
        client: Fetcher,
        source: Source,
        path: str | os.PathLike[str] | None,
        folder: str | os.PathLike[str],
        config: DownloadConfig,
        headers: HeadersLike,
        auth: Auth | None,
        checksum: str | None,
        progress: Progress | None,
        loop: int,
    ) -> None:
        self.client = client
        self.config = config
        self.auth = auth
        self.loop = loop
        self.progress = progress
        self.request = _request(source, headers)
        self.url = Url.parse(self.request.uri)
        self.place = place_of(self.url)
        self.checksum = None if checksum is None else parse_checksum(checksum)
        self.pace = None if config.limit_rate is None else Pace(config.limit_rate)
        if path is None:
            self.folder, self.name = os.fspath(folder) or ".", None
        else:
            head, self.name = os.path.split(os.fspath(path))
            self.folder = head or "."
        self.file: PartialFile | None = None
        self.entity = Entity()
        self.parts: list[Part] = []
        self.final = self.url
        self.modified: str | None = None
        self.received = 0  # octets that are in the file
        self.resumed_at = 0
        self.restarts = 0
        self.single: str | None = None
        self.unsaved = 0  # octets since the state was written
        self.fetched = 0  # parts that were fetched here
        self.is_ours = True  # the file's state says so, or it was made here
        self.hash: _Hash | None = None
        self.spare: list[memoryview] = []  # buffers that no part uses

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
        if self.config.resume:
            self._open(self._early_name())
        while True:
            try:
                if answer is None and self.file is not None and self._can_resume():
                    yield from self._resume(parallel)
                else:
                    yield from self._begin(answer, parallel)
                return
            except _Again as again:
                answer = again.answer
                reason, single = str(again), again.single
                if not self.is_ours:
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
                    self._forget()
                except BaseException:
                    if answer is not None:
                        answer.reply.close()
                    raise

    def _forget(self) -> None:
        """Nothing of what is in the file counts any more."""
        assert self.file is not None  # there was something to forget
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

    def _open(self, name: str) -> None:
        """Open a file of that name, if there is one."""
        self.file = PartialFile.open(self.folder, name)
        if self.file is not None:
            state = self.file.state
            self.is_ours = state is not None or not self.file.size
            if state is not None and state.place != self.place:
                raise DownloadError.NotResumable(
                    f"{name!r} is a part of another file, of {state.place[:200]!r}",
                    hint="give another name, or remove the file and what is beside it",
                )

    def _can_resume(self) -> bool:
        """Whether the file has octets that count."""
        assert self.file is not None  # the caller has looked
        state = self.file.state
        if state is not None and state.entity.coding is None:
            return False
        return self.file.size > 0

    # Asking.

    def _ask(self, fields: list[tuple[str, str]]) -> Flow[Answer]:
        request = self.request
        return (
            yield from self.client.answer_flow(
                request.replace(headers=[*request.headers.fields, *fields, ("Accept-Encoding", "identity")]),
                auth=self.auth,
                loop=self.loop,
            )
        )

    def _begin(self, answer: Answer | None, parallel: int) -> Flow[None]:
        """Flow: a file of which nothing is there. `answer` is one with the whole of it, if there is one."""
        if answer is None:
            answer = yield from self._ask([])
        reply = answer.reply
        try:
            head = Head(reply.status, reply.fields)
            judge_whole(head)
            if self.file is None and not self._name(head):
                reply.close()
                yield from self._resume(parallel)
                return
            assert self.file is not None  # it has been made, or was there
            undone = undoes((head.get(b"content-encoding") or "").lower(), self.file.name)
            self._learn(answer, head, entity_of(head, total=reply.length, undone=undone))
            entity = self.entity
            whole = Part(0, None if entity.total is None else entity.total - 1)
            why = why_single(head, entity, parallel, self.config.min_part)
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

    def _name(self, head: Head) -> bool:
        """Make the file. False if there is one of that name, to go on with."""
        name = self.name
        if name is None:
            from netkit.http.content_disposition import parse, safe_filename
            from netkit.http.field_errors import FieldError

            suggested: str | None = None
            disposition = head.get(b"content-disposition") if self.config.use_disposition else None
            if disposition is not None:
                try:
                    suggested = parse(disposition).filename
                except FieldError:
                    pass  # a name is only a suggestion
            # The URL that was asked for, not the one that it led to: who asked knows it.
            name = safe_filename(suggested, url=self.url)
            if self.config.resume:
                self._open(name)
                if self.file is not None and self._can_resume():
                    return False
        if self.file is None:
            config = self.config
            self.file = PartialFile.create(self.folder, name, on_exists=config.on_exists, mode=config.mode)
            self.is_ours = True
        return True

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
        if self.entity.validator is None:
            if len(parts) > 1:
                raise _Again("nothing tells whether the file on the server is the same", None)
            yield from self._resume_by_overlap(parts[0], parallel)
            return
        total = self.entity.total
        if len(parts) == 1 and total is not None:
            if size > total:
                raise _Again(f"there are {size} octets, and the file on the server has {total}", None)
            parts[0].last = total - 1
            # One that is complete is asked for what follows it: it may have changed.
            if size < total:
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
                raise _Again("the server does no ranges, so what is there is of no use", answer)
            found = judge(head, Entity(), first, None)
            if not isinstance(found, Enclosed) or found.last < size - 1:
                raise _Again("the file on the server is shorter than what is there", None)
            if (head.get(b"content-encoding") or "identity").lower() != "identity":
                raise _Again("the server encodes the file", None)
            incoming = Incoming(answer, decode=False, limit=None)
            if (yield from self._take(incoming, overlap)) != self.file.read_at(first, overlap):
                raise _Again("what is there is not the beginning of the file on the server", None)
            self._learn(answer, head, entity_of(head, total=found.total))
        except _Again as again:
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

    def _take(self, incoming: Incoming, size: int) -> Flow[bytes]:
        """Flow: so many octets of the body, or fewer if it ends before."""
        taken = bytearray()
        view = memoryview(bytearray(size))
        while len(taken) < size:
            try:
                count = yield from incoming.read_into_flow(view[: size - len(taken)])
            except (NetkitError, OSError) as error:
                raise incomplete(as_http_error(error, incoming.answer.timing.phase)) from error
            if not count:
                break
            taken += view[:count]
        return bytes(taken)

    # Fetching.

    def _fetch(self, parts: list[Part], parallel: int, incoming: Incoming | None) -> Flow[None]:
        """Flow: what is missing of `parts`; `incoming` is a response for the first that misses something."""
        assert self.file is not None  # the caller has looked
        self.parts = parts
        self._tell()
        several = len(parts) > 1
        try:
            if self.checksum is not None and not several:
                yield from self._hash_what_is_there(parts[0])
            if several or self.entity.total is None or self.entity.total > SMALL:
                self._save()
            if several:
                # After the state: a file as long as the whole, with nothing beside it, would look complete.
                self.file.allocate(self.entity.total or 0)
            missing = [part for part in parts if not part.is_done]
            if not missing and not several:
                missing = parts
        except BaseException:
            if incoming is not None:
                incoming.close()
            raise
        self.fetched = len(missing)
        flows = []
        for part in missing:
            flows.append(self._part(part, incoming))
            incoming = None
        if len(flows) == 1:
            yield from flows[0]
        else:
            yield from all_of(flows, limit=parallel)

    def _part(self, part: Part, incoming: Incoming | None) -> Flow[None]:
        """Flow: everything that is missing of one part, in as many requests as it takes."""
        failures = 0
        while True:
            before = part.done
            error: NetkitError
            try:
                if incoming is None:
                    incoming = yield from self._ask_part(part)
                    if incoming is None:
                        return
                try:
                    yield from self._receive(part, incoming)
                finally:
                    incoming.close()
                if part.is_done:
                    return
                error = IncompleteMessage(part.done - before)  # less than was asked for, which is allowed
                is_passing = part.done > before
            except DownloadError.Status as status:
                error, is_passing = status, status.status in PASSING and bool(part.done or part.first)
            except (DownloadError, _Again):
                raise
            except (NetkitError, OSError) as caught:
                error = self._cut_off(caught, incoming)
                is_passing = _is_passing(error, incoming is not None)
            incoming = None
            if part.done - before >= PROGRESS:
                failures = 0
            failures += 1
            if not is_passing or self.entity.validator is None or failures >= self.config.tries:
                raise error if isinstance(error, DownloadError) else incomplete(error)
            self._save()
            yield from sleep_until(monotonic() + self.config.backoff * 2 ** (failures - 1))

    @staticmethod
    def _cut_off(error: NetkitError | OSError, incoming: Incoming | None) -> NetkitError:
        made = as_http_error(error, "receive" if incoming is None else incoming.answer.timing.phase)
        return made if isinstance(made, NetkitError) else HttpError.ConnectionError(str(error))

    def _ask_part(self, part: Part) -> Flow[Incoming | None]:
        """Flow: ask for what is missing of a part; None if nothing is."""
        last = None if part.is_done else part.last
        is_open = last is None or last + 1 == self.entity.total
        answer = yield from self._ask(range_fields(self.entity, part.at, None if is_open else last))
        reply = answer.reply
        keeps = False
        try:
            head = Head(reply.status, reply.fields)
            found = judge(head, self.entity, part.at, last)
            if isinstance(found, Enclosed):
                keeps = True
                self.final = answer.url
                self.modified = self.modified or head.get(b"last-modified")
                if self.entity.total is None and found.total is not None:
                    self.entity = self.entity.replace(total=found.total)
                if part.last is None:
                    part.last = found.last
                elif part.is_done:
                    raise DownloadError.BadRange(f"there are octets after the {part.at} that are all")
                return Incoming(answer, decode=False, limit=None)
            if isinstance(found, AlreadyThere):
                part.last = found.total - 1
                self.final = answer.url
                return None
            if isinstance(found, OtherEntity):
                raise _Again("the file on the server has changed", None)
            assert isinstance(found, Whole)  # there is nothing else
            keeps = True
            if found.is_same and (len(self.parts) > 1 or part.at):
                raise _Again("the server does no ranges", answer, single="the server does no ranges")
            raise _Again("the file on the server has changed", answer)
        except BaseException as error:
            if not (keeps and isinstance(error, _Again)):
                reply.close()
            raise
        finally:
            if not keeps:
                reply.close()

    def _receive(self, part: Part, incoming: Incoming) -> Flow[None]:
        """Flow: the octets of a response into the file, up to the end of the part or of the response."""
        assert self.file is not None  # the caller has looked
        view = self.spare.pop() if self.spare else memoryview(bytearray(BUFFER))
        try:
            yield from self._receive_into(view, part, incoming, self.file)
        finally:
            self.spare.append(view)

    def _receive_into(
        self, view: memoryview, part: Part, incoming: Incoming, file: PartialFile
    ) -> Flow[None]:
        pace, limit, hashed = self.pace, self.config.max_size, self.hash
        most = len(view) if pace is None else min(len(view), pace.piece)
        read = incoming.read_into_flow
        while True:
            left = part.left
            if left == 0:
                yield from self._expect_the_end(part, incoming, view)
                return
            size = yield from read(view[: most if left is None else min(left, most)])
            if not size:
                if left is None:
                    part.last = part.at - 1
                    return
                raise IncompleteMessage(part.done, part.done + left)
            if limit is not None and self.received + size > limit:
                raise DownloadError.TooLarge(limit)
            # No wait between taking octets and storing them: what is counted is in the file, and no more.
            written = 0
            while written < size:
                count = file.write_at(part.at, view[written:size])
                part.done += count
                self.received += count
                written += count
            if hashed is not None:
                hashed.update(view[:size])
            if len(self.parts) > 1:
                self.unsaved += size
                if self.unsaved >= STATE_EVERY:
                    self._save()
            self._tell()
            if pace is not None:
                until = pace.after(size, monotonic())
                yield from sleep_until(until)

    def _expect_the_end(self, part: Part, incoming: Incoming, view: memoryview) -> Flow[None]:
        """Flow: the part is complete; the response should be as well, unless it is of more than the part."""
        reply = incoming.answer.reply
        if reply.status != 206 and part.last is not None and part.last + 1 != self.entity.total:
            return  # the first response has the whole, and other parts fetch the rest
        if reply.is_ended and not reply.pieces:
            return
        if (yield from incoming.read_into_flow(view[:1])):
            raise DownloadError.BadRange("the server sent more octets than it said")

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self.received, self.entity.total)

    def _save(self) -> None:
        """Keep what is known beside the file."""
        if self.file is not None:
            self.unsaved = 0
            parts = tuple(self.parts) if len(self.parts) > 1 else None
            self.file.save_state(State(self.place, self.entity, parts))

    # The checksum.

    def _hash_what_is_there(self, part: Part) -> Flow[None]:
        assert self.checksum is not None  # the caller has looked
        self.hash = _Hash(self.checksum[0])
        yield from self._hash_flow(self.hash, part.done)

    def _hash_flow(self, into: _Hash, size: int) -> Flow[None]:
        assert self.file is not None  # the caller has looked
        at = turns = 0
        while at < size:
            data = self.file.read_at(at, min(BUFFER, size - at))
            if not data:
                break
            into.update(data)
            at += len(data)
            turns += 1
            if turns % OPERATIONS_PER_TURN == 0:
                yield PAUSE

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
            self.hash = _Hash(algorithm)
            yield from self._hash_flow(self.hash, size)
        found = self.hash.hexdigest()
        if found != wanted:
            raise DownloadError.Checksum(algorithm, wanted, found)

    # The end.

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
            is_kept = self.received > 0 or not file.is_new
            if is_kept:
                try:
                    if self.received and self.parts and self.is_ours:
                        self._save()
                except DownloadError:
                    pass  # the disk is full: the state that was written before is older, and still right
                finally:
                    file.close()
            else:
                file.discard()
        path = None if file is None else file.path
        if isinstance(error, Interrupted) and isinstance(error.error, DeadlineExceeded):
            made = incomplete(HttpError.Timeout(None, "downloading"))
            error.explain(made.about(path, self.received, self.entity.total, is_kept=is_kept))
        elif isinstance(error, DownloadError):
            error.about(error.path or path, self.received, self.entity.total, is_kept=is_kept)


class _Hash:
    """A checksum that grows."""

    __slots__ = ("_hash", "hexdigest", "update")

    def __init__(self, name: str) -> None:
        import hashlib

        self._hash = hashlib.new(name)
        self.update = self._hash.update
        self.hexdigest = self._hash.hexdigest


def _request(source: Source, headers: HeadersLike) -> Request:
    """The request for a source. Raises HttpError.InvalidRequest for one that a download cannot make."""
    if not isinstance(source, Request):
        made = Request("GET", source, headers=headers)
    elif source.method != "GET":
        raise HttpError.InvalidRequest(f"a download is a GET, not a {source.method}")
    else:
        made = source.replace(
            headers=[*source.headers.fields, *Request("GET", "/", headers=headers).headers.fields]
        )
    for name, _ in made.headers.fields:
        if name.lower() in ("range", "if-range"):
            raise HttpError.InvalidRequest(f"a download makes {name} itself")
    return made.replace(
        headers=[field for field in made.headers.fields if field[0].lower() != "accept-encoding"]
    )


def _is_passing(error: NetkitError, in_body: bool) -> bool:
    """Whether the same request may succeed: the connection failed, and not what was said on it."""
    if isinstance(error, (IncompleteMessage, HttpError.ConnectionError, HttpError.Timeout)):
        return True
    if isinstance(error, HttpError.TlsError):
        return in_body  # cut off without a farewell; before, a certificate may be wrong
    if isinstance(error, ConnectionFault):
        return error.by_peer
    return error.kind == "Incomplete"


def _moment(text: str | None) -> float | None:
    """A date of HTTP in seconds since 1970; None if it is none."""
    from netkit.http.dates import parse_cookie_date

    found = None if text is None else parse_cookie_date(text)
    return None if found is None else found.timestamp()
