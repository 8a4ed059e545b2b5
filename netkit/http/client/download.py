"""Downloads: one file, in one part or in several at once; resumed after an interruption; many into a folder.

    with Client() as client:
        config = DownloadConfig(resume=True, parallel=4)
        done = download(client, "https://example.com/large.iso", config=config)
        print(done.path, done.size)

The work is done in `download_job`, by the rules in `download_plan`; here are its blocking and async forms.

Content codings: none are asked for, because a range of an encoded file is of use to nobody. If a server
encodes all the same, the coding is undone, except that of a name which says it (`.gz`); a file whose coding
was undone cannot be resumed.

Files are written by the thread that runs the flow, also under asyncio: the system takes such writes into its
memory at once, except when it is short of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.client.download_config import DEFAULT, DownloadConfig, Downloaded, DownloadOutcome, Watch
from netkit.http.client.download_job import Download
from netkit.http.message import Request
from netkit.io import all_of, deadline_after, run, run_async

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from netkit.http.bodies.body import BodySource
    from netkit.http.client.download_config import ManyProgress, Progress, Source
    from netkit.http.client.download_transfer import Fetcher
    from netkit.http.headers import HeadersLike
    from netkit.http.policy.auth import Auth
    from netkit.io import CancellationToken, Flow, Outcome

__all__ = [
    "DownloadConfig",
    "DownloadOutcome",
    "Downloaded",
    "Watch",
    "download",
    "download_async",
    "download_flow",
    "download_many",
    "download_many_async",
    "download_many_flow",
]


def download_flow(
    client: Fetcher,
    source: Source,
    path: str | os.PathLike[str] | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
    config: DownloadConfig = DEFAULT,
    headers: HeadersLike = (),
    auth: Auth | None = None,
    checksum: str | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    body: BodySource | None = None,
    claimed: set[str] | None = None,
    loop: int = 0,
) -> Flow[Downloaded]:
    """Flow: `download`, for other flows to `yield from`.

    `claimed`: the paths of the downloads that share it. None of them goes on with another one's file.
    """
    made = Download(
        client, source, path, folder, config, headers, auth, checksum, progress, loop, watch, body, claimed
    )
    return made.run_flow()


def download(
    client: Fetcher,
    source: Source,
    path: str | os.PathLike[str] | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
    config: DownloadConfig = DEFAULT,
    headers: HeadersLike = (),
    auth: Auth | None = None,
    checksum: str | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    body: BodySource | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Downloaded:
    """Download a file.

    Args:
        client: a `Client`. Its settings count, except the time limit of a whole request.
        source: a URL, or a GET request for one.
        path: where to. None is a safe name in `folder`, from Content-Disposition or from the URL.
        folder: a directory that is there.
        config: see `DownloadConfig`.
        headers: more fields for each request.
        auth: for the origin of `source`.
        checksum: `NAME:HEX`, such as `sha256:...`, with a name that `hashlib` knows.
        progress: called often, with the octets that are there and the octets in all (or None).
        watch: is told of responses, of the file's name, and of what stays after a failure.
        body: of a request other than GET, where `config.accept` takes the answer to one.
        timeout: for everything, in seconds; None is no limit. Each wait for the server has the limit of the
            client's PoolConfig.

    Raises DownloadError (see its variants), HttpError for what fails before a response is there, ParseError,
    CancellationError. What was received is kept, with what is needed to go on, also when it is interrupted.
    """
    flow = download_flow(
        client,
        source,
        path,
        folder=folder,
        config=config,
        headers=headers,
        auth=auth,
        checksum=checksum,
        progress=progress,
        watch=watch,
        body=body,
    )
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def download_async(
    client: Fetcher,
    source: Source,
    path: str | os.PathLike[str] | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
    config: DownloadConfig = DEFAULT,
    headers: HeadersLike = (),
    auth: Auth | None = None,
    checksum: str | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    body: BodySource | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Downloaded:
    """Download a file by an `AsyncClient`; arguments and errors as `download`."""
    flow = download_flow(
        client,
        source,
        path,
        folder=folder,
        config=config,
        headers=headers,
        auth=auth,
        checksum=checksum,
        progress=progress,
        watch=watch,
        body=body,
        loop=_running_loop(),
    )
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def download_many_flow(
    client: Fetcher,
    sources: Iterable[Source],
    folder: str | os.PathLike[str],
    *,
    concurrency: int = 4,
    config: DownloadConfig = DEFAULT,
    headers: HeadersLike = (),
    auth: Auth | None = None,
    on_end: Callable[[DownloadOutcome], None] | None = None,
    progress: ManyProgress | None = None,
    loop: int = 0,
) -> Flow[list[DownloadOutcome]]:
    """Flow: `download_many`, for other flows to `yield from`."""
    kept: list[DownloadOutcome] = []
    urls: dict[int, str] = {}
    claimed: set[str] = set()

    def one(index: int, source: Source) -> Flow[Downloaded]:
        urls[index] = str(source.uri) if isinstance(source, Request) else str(source)
        tell = None if progress is None else _placed(progress, index)
        return (
            yield from download_flow(
                client,
                source,
                folder=folder,
                config=config,
                headers=headers,
                auth=auth,
                progress=tell,
                claimed=claimed,
                loop=loop,
            )
        )

    def ended(index: int, outcome: Outcome[Downloaded]) -> None:
        made = DownloadOutcome(index, urls.pop(index), outcome.value, outcome.error)
        if on_end is None:
            kept.append(made)
        else:
            on_end(made)

    yield from all_of(
        (one(index, source) for index, source in enumerate(sources)),
        limit=concurrency,
        on_result=ended,
        return_errors=True,
    )
    return kept


def download_many(
    client: Fetcher,
    sources: Iterable[Source],
    folder: str | os.PathLike[str],
    *,
    concurrency: int = 4,
    config: DownloadConfig = DEFAULT,
    headers: HeadersLike = (),
    auth: Auth | None = None,
    on_end: Callable[[DownloadOutcome], None] | None = None,
    progress: ManyProgress | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> list[DownloadOutcome]:
    """Download many files into a folder, `concurrency` of them at once.

    Each has an outcome of its own; one that fails does not end the others. They come in order of ending: to
    `on_end`, and the list is then empty, or in the list. `sources` may be lazy. A name that is taken, by a
    file that was there or by one of the others, is an error of that one, unless `config.on_exists` says
    otherwise. The other arguments are as for `download`; `progress` gets the place among the sources first.
    """
    flow = download_many_flow(
        client,
        sources,
        folder,
        concurrency=concurrency,
        config=config,
        headers=headers,
        auth=auth,
        on_end=on_end,
        progress=progress,
    )
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def download_many_async(
    client: Fetcher,
    sources: Iterable[Source],
    folder: str | os.PathLike[str],
    *,
    concurrency: int = 4,
    config: DownloadConfig = DEFAULT,
    headers: HeadersLike = (),
    auth: Auth | None = None,
    on_end: Callable[[DownloadOutcome], None] | None = None,
    progress: ManyProgress | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> list[DownloadOutcome]:
    """Download many files into a folder by an `AsyncClient`; as `download_many`."""
    flow = download_many_flow(
        client,
        sources,
        folder,
        concurrency=concurrency,
        config=config,
        headers=headers,
        auth=auth,
        on_end=on_end,
        progress=progress,
        loop=_running_loop(),
    )
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def _placed(progress: ManyProgress, index: int) -> Progress:
    return lambda done, total: progress(index, done, total)


def _running_loop() -> int:
    from netkit.http.client.client import running_loop_number

    return running_loop_number()
