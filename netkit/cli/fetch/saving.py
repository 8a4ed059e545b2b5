"""Bodies in files: the options as settings of the library's download, and what is said on its way.

    -o FILE        that file, as it was asked for, over what is there
    -O, -J         a new file, with a name from the URL or from the server; never over another one (NAME.1)
    --download     the same, and what an earlier run has begun goes on
    -C -           what is in FILE goes on
    --parallel N   a file in N parts at once

Names, ranges, parts, checksums, and what is kept of a file that was cut off: all that is
`netkit.http.client.download`. Here nothing is decided.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from netkit.cli.fetch.outcome import Done, reason_of
from netkit.cli.frame.inputs import BadInput
from netkit.cli.frame.messages import plural, visible
from netkit.http.client.download import Watch

if TYPE_CHECKING:
    from netkit.cli.fetch.exchange import Fetcher, Way
    from netkit.http.client.download import DownloadConfig, Downloaded
    from netkit.http.client.download_errors import DownloadError
    from netkit.http.client.response import FetchedResponse
    from netkit.io import Flow

#: How often progress is shown, in seconds.
SHOW_EVERY = 0.1
#: How often a part is tried that does not get on, by --download and --parallel; --retry may say more.
TRIES = 3


class Saving(Watch):
    """One URL on its way into a file. `named`: the file of -o; None where the URL or the server names it."""

    def __init__(self, fetcher: Fetcher, way: Way, text: str, named: str | None) -> None:
        env, save = fetcher.run.env, fetcher.save
        self._fetcher = fetcher
        self._way = way
        self._text = text
        self._folder = save.folder or ""
        self._path: str | None = None
        if named is not None:
            self._path = os.path.join(self._folder, named)
            if not os.path.basename(self._path):
                hint = "--output-dir names a directory"
                raise BadInput(f"{named!r} is a directory, not a file", None, hint)
        silent = fetcher.run.given.get("output__quiet")  # -s, though -S shows messages
        self._shows_progress = env.shows_status and not fetcher.run.many and not silent
        self._response: FetchedResponse | None = None
        self._file: str | None = None
        self._offset = 0
        self._begun = self._shown = 0.0

    @property
    def _config(self) -> DownloadConfig:
        from netkit.http.client.download import DownloadConfig

        save, follow, way = self._fetcher.save, self._fetcher.follow, self._way
        # What there can be parts of: only that can be gone on with.
        is_file = way.method == "GET" and way.body is None and not way.has_range
        resumes = save.resume is not None or (save.download and is_file)
        named = self._path is not None
        tries = 1 + follow.retry
        pause = 1.0 if follow.retry else 0.25
        return DownloadConfig(
            resume=resumes,
            resume_at=None if save.resume is None or save.resume < 0 else save.resume,
            parallel=save.parallel if is_file else 1,
            on_exists="replace" if named else "fail" if save.resume is not None else "append-number",
            create_folder=save.create_dirs,
            accept="file" if resumes else "no-error" if follow.fail or save.download else "any",
            decode=self._fetcher.compressed and not save.raw,
            use_disposition=save.header_name or save.download,
            set_modified=not named or save.resume is not None,
            limit_rate=save.limit_rate,
            tries=max(TRIES, tries) if is_file and (save.download or save.parallel > 1) else tries,
            backoff=pause if follow.retry_delay is None else follow.retry_delay,
        )

    def flow(self) -> Flow[Done]:
        """Flow: the download."""
        from netkit.http.client.download import download_flow
        from netkit.http.client.download_errors import DownloadError
        from netkit.http.message import Request

        fetcher, way, save = self._fetcher, self._way, self._fetcher.save
        record = fetcher.steps.record
        self._begun = monotonic()
        try:
            done = yield from download_flow(
                fetcher.client,
                Request(way.method, way.url, headers=way.fields),
                self._path,
                folder=self._folder,
                config=self._config,
                auth=way.auth,
                checksum=None if save.checksum is None else ":".join(save.checksum),
                progress=self._progress if self._shows_progress else None,
                watch=self,
                body=way.body,
                claimed=fetcher.claimed,
            )
        except DownloadError.Checksum as error:
            fetcher.say_mismatch(self._text, error.found)
            return self._refused(error, checksum=error.found)
        except (DownloadError.Status, DownloadError.NotResumable) as error:
            if self._response is None:
                raise  # nothing was asked: the command line does not fit the file
            why = self._status if isinstance(error, DownloadError.Status) else str(error)
            fetcher.run.env.warn(f"fetching {self._text}", why, error.hint)
            return self._refused(error)
        except BaseException as error:
            if record is not None:
                record.failed(error)
            if isinstance(error, DownloadError) and error.is_kept and error.received:
                error.hint = error.hint or self._way_on
            raise
        finally:
            fetcher.run.env.status(None)
        if record is not None and done.parts == 1:
            record.saved(done.size - done.resumed_at)
        return self._done(done)

    def _done(self, done: Downloaded) -> Done:
        env, save, follow = self._fetcher.run.env, self._fetcher.save, self._fetcher.follow
        response = self._answered
        if done.resumed_at == done.size and not done.restarts and done.size:
            env.say(f"{visible(self._name)}: complete already, {plural(done.size, 'octet')}")
        if done.single is not None and save.parallel > 1:
            env.say(f"{visible(self._name)}: in one part, because {done.single}")
        is_refused = follow.fail_with_body and response.status >= 400
        if is_refused:
            env.warn(f"fetching {self._text}", self._status)
        return self._made(
            response,
            done.size - done.resumed_at,
            file=done.path,
            offset=done.resumed_at,
            checksum=None if save.checksum is None else save.checksum[1],
            parts=done.parts,
            is_refused=is_refused,
        )

    def _refused(self, error: DownloadError, checksum: str | None = None) -> Done:
        is_there = checksum is not None
        return self._made(
            self._answered,
            error.received - self._offset if is_there else 0,
            file=error.path if is_there else None,
            offset=self._offset if is_there else None,
            checksum=checksum,
            is_refused=True,
        )

    def _made(
        self,
        response: FetchedResponse,
        size: int,
        *,
        file: str | None,
        offset: int | None,
        checksum: str | None,
        parts: int | None = None,
        is_refused: bool,
    ) -> Done:
        return Done(
            str(response.url).partition("#")[0],
            int(response.status),
            len(response.history),
            size,
            monotonic() - self._begun,
            response.timing.phases(),
            response.trailers.fields,
            file,
            offset,
            checksum,
            parts,
            is_refused=is_refused,
        )

    @property
    def _answered(self) -> FetchedResponse:
        assert self._response is not None  # a download that ended has had an answer
        return self._response

    @property
    def _status(self) -> str:
        response = self._answered
        return f"HTTP {int(response.status)} {reason_of(response)}".rstrip()

    @property
    def _name(self) -> str:
        return os.path.basename(self._file or "")

    @property
    def _way_on(self) -> str:
        return "the same command goes on with it" if self._fetcher.save.download else "-C - goes on with it"

    # -- what the library tells

    def responded(self, response: FetchedResponse) -> None:
        # Of a new file in parts, the first response is the one that counts; else the last.
        is_first = self._response is None
        if self._file is None or self._offset:
            self._response = response
        self._fetcher.announce(response, self._way.method, self._text, is_first=is_first)

    def named(self, path: str, size: int) -> None:
        self._file, self._offset = path, size

    def restarted(self, reason: str) -> None:
        self._file, self._offset = None, 0
        self._fetcher.run.env.say(f"{self._text}: {visible(reason)}: from the beginning")

    def kept(self, path: str, received: int, expected: int | None) -> None:
        from sys import exception

        from netkit.errors import NetkitError

        if not isinstance(exception(), NetkitError):  # which says the same itself
            whole = "" if expected is None else f" of {expected:,}"
            self._fetcher.run.env.say(f"{visible(path)}: {received:,}{whole} octets are kept; {self._way_on}")

    def _progress(self, size: int, whole: int | None) -> None:
        now = monotonic()
        if now - self._shown < SHOW_EVERY or size <= self._offset:
            return
        self._shown = now
        rate = (size - self._offset) / max(now - self._begun, 0.001)
        words = [f"{visible(self._name)}: {size:,}"]
        if whole:
            words[0] += f" of {whole:,} octets ({size * 100 // whole} %)"
            words += [f"{rate / 1e6:.1f} MB/s", f"{(whole - size) / rate if rate else 0.0:.0f} s left"]
        else:
            words += [f"{rate / 1e6:.1f} MB/s"]
        self._fetcher.run.env.status(", ".join(words))
