"""The octets of a download: each part asks for what is missing of it, receives it, and goes on if it fails.

`Transfer` is the lower half of `download_job.Download`, which decides what the parts are. RFC 9110 sections
13.1.5 (If-Range), 14 (ranges), 15.3.7 (206).
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from netkit.errors import NetkitError
from netkit.http.client.download_errors import DownloadError, incomplete
from netkit.http.client.download_file import is_device
from netkit.http.client.download_plan import (
    PASSING,
    AlreadyThere,
    Enclosed,
    Entity,
    Head,
    OtherEntity,
    Pace,
    Part,
    Whole,
    judge,
    parse_checksum,
    place_of,
    range_fields,
)
from netkit.http.client.download_state import State
from netkit.http.client.failures import as_http_error
from netkit.http.client.response import Incoming, without_body
from netkit.http.connection.errors import ConnectionFault, IncompleteMessage
from netkit.http.errors import HttpError
from netkit.http.message import Request
from netkit.http.url import Url
from netkit.io import OPERATIONS_PER_TURN, PAUSE, Event, all_of, sleep_until

if TYPE_CHECKING:
    from netkit.http.bodies.body import BodySource
    from netkit.http.client.core import Answer
    from netkit.http.client.download_config import DownloadConfig, Progress, Source, Watch
    from netkit.http.client.download_file import Target
    from netkit.http.headers import HeadersLike
    from netkit.http.policy.auth import Auth
    from netkit.io import Flow

#: What one read takes, in octets. The more there is in one call, the less the system has to do for an octet
#: (measured: 1 MiB costs a third less than 256 KiB). And the most that the buffers of all parts take.
BUFFER: Final = 1 << 20
ALL_BUFFERS: Final = 8 << 20

#: After so many octets that came without a wait, others get their turn: reads are large.
TURN: Final = 4 << 20

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
        body: BodySource | None = None,
        auth: Auth | None = None,
        loop: int = 0,
    ) -> Flow[Answer]:
        """Flow: send `req`, and return the answer with its head read."""


class Again(Exception):
    """The parts that are there are of no use: begin again. `answer` is one to go on with, if there is one."""

    def __init__(self, reason: str, answer: Answer | None, *, single: str | None = None) -> None:
        super().__init__(reason)
        self.answer = answer
        self.single = single


class Transfer:
    """The state of one download, and how its parts are fetched."""

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
        watch: Watch | None = None,
        body: BodySource | None = None,
        claimed: set[str] | None = None,
    ) -> None:
        self.client = client
        self.config = config
        self.auth = auth
        self.loop = loop
        self.progress = progress
        self.watch = watch
        self.body = body
        self.claimed = set() if claimed is None else claimed
        self.request = _request(source, headers, config)
        self.url = Url.parse(self.request.uri)
        self.place = place_of(self.url)
        self.checksum = None if checksum is None else parse_checksum(checksum)
        self.pace = None if config.limit_rate is None else Pace(config.limit_rate)
        if path is None:
            self.folder, self.name = os.fspath(folder), None
        else:
            path = os.fspath(path)
            if config.on_exists == "replace" and os.path.islink(path) and not is_device(path):
                path = os.path.realpath(path)  # the user's own link, by the user's own words
            self.folder, self.name = os.path.split(path)
        self.file: Target | None = None
        self.is_whole = True  # what comes is the file, or a part of it, and not another answer
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
        self.hash: Hash | None = None
        self.moving = 0  # parts that have begun, and neither ended nor wait for another one
        self.waiting = 0  # parts that wait for another one
        self.one_ended = Event()
        self.spare: list[memoryview] = []  # buffers that no part uses

    def _ask(self, fields: list[tuple[str, str]]) -> Flow[Answer]:
        request = self.request
        own = list(request.headers.fields)
        if fields:
            # A range of an encoded file is of use to nobody.
            own = [field for field in own if field[0].lower() != "accept-encoding"]
            fields = [*fields, ("Accept-Encoding", "identity")]
        answer = yield from self.client.answer_flow(
            request.replace(headers=[*own, *fields]), body=self.body, auth=self.auth, loop=self.loop
        )
        if self.watch is not None:
            try:
                self.watch.responded(without_body(answer))
            except BaseException:
                answer.reply.close()
                raise
        return answer

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

    # The parts.

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
        """Flow: everything that is missing of one part."""
        self.moving += 1
        try:
            yield from self._part_in_tries(part, incoming)
        finally:
            self.moving += self.waiting - 1
            self.waiting = 0
            ended, self.one_ended = self.one_ended, Event()
            ended.set()

    def _another_ends(self) -> Flow[None]:
        """Flow: until another part has ended."""
        self.moving -= 1
        self.waiting += 1
        yield from self.one_ended.wait()

    def _part_in_tries(self, part: Part, incoming: Incoming | None) -> Flow[None]:
        """Flow: everything that is missing of one part, in as many requests as it takes.

        A server may refuse more than it does at once for one client. Then the part waits until another one
        has ended, which is no failure; the last part that moves does not wait.
        """
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
            except (DownloadError, Again):
                raise
            except (NetkitError, OSError) as caught:
                error = self._cut_off(caught, incoming)
                is_passing = _is_passing(error, incoming is not None)
            incoming = None
            if is_passing and part.done == before and self.moving > 1 and not isinstance(error, TimeoutError):
                yield from self._another_ends()
                continue
            if part.done - before >= PROGRESS:
                failures = 0
            failures += 1
            if not (is_passing and self.is_whole and self.entity.validator) or failures >= self.config.tries:
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
                raise Again("the file on the server has changed", None)
            assert isinstance(found, Whole)  # there is nothing else
            keeps = True
            if found.is_same and (len(self.parts) > 1 or part.at):
                raise Again("the server does no ranges", answer, single="the server does no ranges")
            raise Again("the file on the server has changed", answer)
        except BaseException as error:
            if not (keeps and isinstance(error, Again)):
                reply.close()
            raise
        finally:
            if not keeps:
                reply.close()

    def _receive(self, part: Part, incoming: Incoming) -> Flow[None]:
        """Flow: the octets of a response into the file, up to the end of the part or of the response."""
        assert self.file is not None  # the caller has looked
        size = min(BUFFER, ALL_BUFFERS // min(len(self.parts), self.config.parallel))
        view = self.spare.pop() if self.spare else memoryview(bytearray(size))
        try:
            yield from self._receive_into(view, part, incoming, self.file)
        finally:
            self.spare.append(view)

    def _receive_into(self, view: memoryview, part: Part, incoming: Incoming, file: Target) -> Flow[None]:
        pace, limit, hashed = self.pace, self.config.max_size, self.hash
        most = len(view) if pace is None else min(len(view), pace.piece)
        read = incoming.read_into_flow
        since_turn = 0
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
            since_turn += size
            if since_turn >= TURN:
                since_turn = 0
                yield PAUSE
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
        if self.file is not None and self.is_whole:
            self.unsaved = 0
            parts = tuple(self.parts) if len(self.parts) > 1 else None
            self.file.save_state(State(self.place, self.entity, parts))

    def _hash_what_is_there(self, part: Part) -> Flow[None]:
        assert self.checksum is not None  # the caller has looked
        self.hash = Hash(self.checksum[0])
        yield from self._hash_flow(self.hash, part.done)

    def _hash_flow(self, into: Hash, size: int) -> Flow[None]:
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


class Hash:
    """A checksum that grows."""

    __slots__ = ("_hash", "hexdigest", "update")

    def __init__(self, name: str) -> None:
        import hashlib

        self._hash = hashlib.new(name)
        self.update = self._hash.update
        self.hexdigest = self._hash.hexdigest


def _request(source: Source, headers: HeadersLike, config: DownloadConfig) -> Request:
    """The request for a source. Raises HttpError.InvalidRequest for one that a download cannot make.

    Where every answer will do, any request will, except to go on with a file.
    """
    if not isinstance(source, Request):
        made = Request("GET", source, headers=headers)
    else:
        more = Request("GET", "/", headers=headers).headers.fields
        made = source.replace(headers=[*source.headers.fields, *more])
    own = list(made.headers.fields)
    if config.accept == "file" or config.resume:
        if made.method != "GET":
            raise HttpError.InvalidRequest(f"a download is a GET, not a {made.method}")
        for name, _ in own:
            if name.lower() in ("range", "if-range"):
                raise HttpError.InvalidRequest(f"a download makes {name} itself")
        own = [field for field in own if field[0].lower() != "accept-encoding"]
    if not any(name.lower() == "accept-encoding" for name, _ in own):
        own = [*own, ("Accept-Encoding", "identity")]
    return made.replace(headers=own)


def _is_passing(error: NetkitError, in_body: bool) -> bool:
    """Whether the same request may succeed: the connection failed, and not what was said on it."""
    if isinstance(error, (IncompleteMessage, HttpError.ConnectionError, HttpError.Timeout)):
        return True
    if isinstance(error, HttpError.TlsError):
        return in_body  # cut off without a farewell; before, a certificate may be wrong
    if isinstance(error, ConnectionFault):
        return error.by_peer
    return error.kind == "Incomplete"
