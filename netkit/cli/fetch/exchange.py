"""One URL from its plan to the end of its body: what `netkit http fetch` does between its options and rows.

A `Fetcher` has the client and the options of a command. `fetch_flow` sends one request, and takes the body
piece by piece into a sink: standard output, a terminal, events (`netkit.cli.fetch.sinks`). What goes to a
file is a download of the library (`netkit.cli.fetch.saving`).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from netkit.cli.fetch.describe import read_file, settled
from netkit.cli.fetch.outcome import Done, reason_of
from netkit.cli.fetch.plan import FileBody
from netkit.cli.fetch.settings import auth_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.cli.fetch.dialogue import Steps
    from netkit.cli.fetch.options import FollowOptions, SaveOptions, ShowOptions
    from netkit.cli.fetch.plan import Credentials, RequestPlan
    from netkit.cli.fetch.sinks import Sink
    from netkit.cli.fetch.state import State
    from netkit.cli.frame.command import Run
    from netkit.http.bodies.body import BodySource
    from netkit.http.bodies.forms import MultipartForm
    from netkit.http.client.client import Client
    from netkit.http.client.response import FetchedResponse, ResponseStream
    from netkit.http.policy.auth import Auth
    from netkit.io import Flow

#: How much of a body is taken at once, in octets.
PIECE = 262_144


class Fetcher:
    """The client of one command, and what its options say of every exchange."""

    def __init__(
        self,
        run: Run[Any],
        client: Client,
        state: State,
        steps: Steps,
        *,
        follow: FollowOptions,
        save: SaveOptions,
        show: ShowOptions,
        compressed: bool,
    ) -> None:
        self.run = run
        self.client = client
        self.state = state
        self.steps = steps
        self.follow = follow
        self.save = save
        self.show = show
        #: Whether a file may be asked for in a compressed form.
        self.compressed = compressed
        #: Whether redirects are followed.
        self.follows = follow.follows or save.download
        #: The files of this command.
        self.claimed: set[str] = set()
        self._auth: dict[Credentials, Auth | None] = {}
        self._files: dict[str, bytes] = {}

    def prepare(self, plan: RequestPlan) -> None:
        """Read what all requests share, so that what is wrong with it is said once: files, the password.

        Raises BadInput, OSError.
        """
        self._auth_of(plan)
        settled(plan.replace(url="http://localhost/"), self.read, is_saved=False)

    def read(self, path: str) -> bytes:
        """A file that the request names; read once, though there may be many URLs."""
        if path not in self._files:
            self._files[path] = read_file(self.run.env, path)
        return self._files[path]

    def fetch_flow(self, plan: RequestPlan, text: str, output: str | None = None) -> Flow[Done]:
        """Flow: one URL; `text` is how it was typed, `output` the file for it."""
        plan = self.state.applied(plan)
        with Way(self, plan, output, self._auth_of(plan)) as way:
            if way.is_saved:
                from netkit.cli.fetch.saving import Saving

                done = yield from Saving(self, way, text, output).flow()
            else:
                done = yield from self._shown_flow(way, text)
        if self.show.timing and not self.run.json:
            self._show_timing(done)
        if not self.save.saves:
            self.run.env.flush()
        return done

    def _shown_flow(self, way: Way, text: str) -> Flow[Done]:
        """Flow: a body for standard output."""
        from netkit.cli.fetch.sinks import sink_of
        from netkit.http.message import Request

        begun = monotonic()
        request = Request(way.method, way.url, headers=way.fields)
        response = yield from self.client.stream_flow(request, body=way.body, auth=way.auth)
        with response:
            sink = sink_of(self, response, way.method, text)
            self.announce(response, way.method, text, is_first=True)
            if way.has_range and response.status == 200:
                self.run.env.warn(None, f"{text} has the whole content, and not the range that was asked for")
            size = yield from self._copy(response, sink)
        return Done(
            str(response.url).partition("#")[0],
            int(response.status),
            len(response.history),
            size,
            monotonic() - begun,
            response.timing.phases(),
            response.trailers.fields,
            checksum=sink.checksum,
            is_refused=self._is_refused(response, sink, text),
            is_withheld=sink.is_withheld,
        )

    def _auth_of(self, plan: RequestPlan) -> Auth | None:
        if plan.auth is None:
            return None
        if plan.auth not in self._auth:
            self._auth[plan.auth] = auth_of(plan.auth, self.run.env)
        return self._auth[plan.auth]

    def _copy(self, response: ResponseStream, sink: Sink) -> Flow[int]:
        """Flow: take the body, no faster than --limit-rate says. The octets of it."""
        from netkit.io import sleep_until

        rate, size, begun = self.save.limit_rate, 0, monotonic()
        view = memoryview(bytearray(PIECE if rate is None else max(1, min(PIECE, rate // 8))))
        try:
            while not sink.has_enough and (count := (yield from response.read_into_flow(view))):
                size += count
                if self.steps.record is not None:
                    self.steps.record.received(bytes(view[:count]))
                sink.write(view[:count])
                if rate is not None:
                    yield from sleep_until(begun + size / rate)
            sink.end()
        except BaseException as error:
            if self.steps.record is not None:
                self.steps.record.failed(error)
            sink.broke_off(error)
            raise
        return size

    # -- what is said beside the body

    def announce(
        self, response: ResponseStream | FetchedResponse, method: str, text: str, *, is_first: bool
    ) -> None:
        """The events of the head, or the head itself where it is to be shown: of the first for a file."""
        run, env = self.run, self.run.env
        if run.json:
            for row in _head_rows(response, method):
                run.write_object(row, text)
        elif not is_first:
            return
        elif self.show.include or method == "HEAD":
            self._show_head(response)
        elif env.writes_to_terminal and not self.save.saves and not self._has_shown_head:
            from netkit.cli.render.http_head import status_words

            env.say(status_words(_version(response), int(response.status), reason_of(response)))
        location = response.headers.get_first("Location")
        if is_first and location is not None and 300 <= response.status < 400 and not self.follows:
            env.warn(None, f"{text} redirects to {location} ({int(response.status)})", "-L follows redirects")

    @property
    def _has_shown_head(self) -> bool:
        """Whether -v has shown the head on the terminal already."""
        return self.run.env.stderr_tty and (self.show.trace or self.run.env.verbosity > 0)

    def _show_head(self, response: ResponseStream | FetchedResponse) -> None:
        """The heads on standard output, as curl's -i does: those of redirects too."""
        env = self.run.env
        from netkit.cli.render.http_head import field_lines, status_line

        heads: list[FetchedResponse | ResponseStream] = [*response.history, response]
        for each in heads:
            reason = each.reason or each.status.reason_phrase
            if env.mode == "table":
                lines = [status_line(_version(each), int(each.status), reason, color=env.color)]
                lines += field_lines(each.headers.fields, color=env.color)
                env.write_lines([*lines, ""])
            else:
                line = f"HTTP/{_version(each)} {int(each.status)} {reason}".rstrip()
                env.write_bytes(f"{line}\r\n".encode("latin-1") + each.headers.to_bytes() + b"\r\n")
        env.flush()

    def _is_refused(self, response: ResponseStream, sink: Sink, text: str) -> bool:
        fails = self.follow.fails or self.save.download
        if fails and response.status >= 400:
            status = f"HTTP {int(response.status)} {reason_of(response)}".rstrip()
            self.run.env.warn(f"fetching {text}", status)
            return True
        if sink.is_mismatch:
            self.say_mismatch(text, sink.checksum or "")
        return sink.is_mismatch

    def say_mismatch(self, text: str, found: str) -> None:
        """Say that a body has another checksum than --checksum."""
        name, expected = self.save.checksum or ("", "")
        self.run.env.warn(
            f"fetching {text}",
            f"its {name} is {found}, and not {expected}",
            "it is another file, or was changed on the way: do not use it",
        )

    def _show_timing(self, done: Done) -> None:
        env = self.run.env
        if env.stderr_tty:
            from netkit.cli.render import render
            from netkit.cli.render.http_head import waterfall

            env.say(*render(env, waterfall(done.phases, env)).splitlines())
        else:
            from netkit.cli.render.http_head import timing_lines

            env.say(*timing_lines(done.phases))


class Way:
    """One URL on its way: the request with its files read, which are closed in the end.

    `is_saved`: the body goes to a file. `has_range`: the request is for a part of the content, by -r.
    """

    def __init__(self, fetcher: Fetcher, plan: RequestPlan, output: str | None, auth: Auth | None) -> None:
        env, save = fetcher.run.env, fetcher.save
        is_saved = save.saves and output != "-" and not fetcher.compressed
        request = settled(plan, fetcher.read, is_saved=is_saved)
        self.method = request.method
        self.url = request.url
        self.auth = auth
        self.body: BodySource | None
        self._file: BinaryIO | None = None
        to_file = output is not None or save.remote_name or save.download
        self.is_saved = output != "-" and to_file and self.method != "HEAD"
        names = {name.lower() for name, _ in request.fields}
        # To the client an empty default is one that is not sent.
        left_out = [(name, "") for name in ("Accept", "Accept-Encoding") if name.lower() not in names]
        #: The headers of the request.
        self.fields = [*request.fields, *left_out]
        self.has_range = "range" in names
        if fetcher.steps.record is not None:
            fetcher.steps.record.expect(
                self.method, request.body if isinstance(request.body, bytes) else None
            )
        source: bytes | MultipartForm | BinaryIO | None
        if not isinstance(request.body, FileBody):
            source = request.body
        elif request.body.path == "-":
            source = env.stdin if env.stdin is not None else b""
        else:
            source = self._file = open(request.body.path, "rb")  # noqa: SIM115 - __exit__ closes it
        # Framing is the client's own. What it can do for this header: a body without a length is chunked.
        is_chunked = source is not None and "transfer-encoding" in names
        self.body = _pieces(source) if source is not None and is_chunked else source

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _pieces(body: bytes | MultipartForm | BinaryIO) -> Iterator[bytes]:
    """A body piece by piece, so that nobody knows its length."""
    from netkit.http.bodies.forms import MultipartForm

    if isinstance(body, bytes):
        yield body
    elif isinstance(body, MultipartForm):
        yield from body.pieces()
    else:
        while piece := body.read(PIECE):
            yield piece


def _version(response: Any) -> str:
    return "2" if str(response.version) == "HTTP/2" else str(response.version).removeprefix("HTTP/")


def _head_rows(response: ResponseStream | FetchedResponse, method: str) -> Iterator[dict[str, Any]]:
    """The events of a head: the redirects that led here, interim responses, and the response."""
    from netkit.cli.fetch.rows import header_rows
    from netkit.cli.payload.tls.rows import info_tls_row

    urls = [*(str(each.url) for each in response.history), str(response.url)]
    for each, location in zip(response.history, urls[1:], strict=True):
        yield {
            "event": "redirected",
            "url": str(each.url).partition("#")[0],
            "status": int(each.status),
            "location": location.partition("#")[0],
        }
    for status, headers in response.interim:
        yield {"event": "interim", "status": status, "headers": header_rows(headers.fields)}
    info = response.connection
    yield {
        "event": "response",
        "method": method,
        "url": urls[-1].partition("#")[0],
        "status": int(response.status),
        "http_version": _version(response),
        "headers": header_rows(response.headers.fields),
        "peer": info.unix_path if info.peer is None else str(info.peer),
        "local": None if info.local is None else str(info.local),
        "reused": info.reused,
        "proxy": info.proxy,
        "tls": info_tls_row(info),
    }
