"""Where the body of a response goes that is in no file: standard output, a terminal, events, or nowhere.

A sink takes the pieces as they come. `has_enough` ends the exchange before the body does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.output import b64

if TYPE_CHECKING:
    from netkit.cli.fetch.exchange import Fetcher
    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.http.client.response import ResponseStream


class Sink:
    """Takes a body, and says what it did with it. By itself, it drops everything."""

    #: The hash of the body in hexadecimal, if it was asked for, and whether it is another one than expected.
    checksum: str | None = None
    is_mismatch = False
    #: The body is binary, and the sink a terminal.
    is_withheld = False
    #: Nothing more is wanted.
    has_enough = False

    def write(self, piece: memoryview) -> None:
        """Take a piece, whose place is used again for the next one."""

    def end(self) -> None:
        """The body is over."""

    def broke_off(self, error: BaseException) -> None:
        """There will be no more, because of `error`."""


class Payload(Sink):
    """Standard output, unchanged and without delay."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def write(self, piece: memoryview) -> None:
        self._env.write_bytes(piece)
        self._env.flush()


class Screen(Sink):
    """A terminal: text made safe, JSON set out where that is wanted, nothing binary."""

    def __init__(self, env: Environment, response: ResponseStream, *, set_out: bool) -> None:
        from netkit.cli.render.http_body import BodyText
        from netkit.http.message import charset_of

        media_type = response.headers.get_first("Content-Type") or ""
        self._env = env
        self._text = BodyText(media_type if set_out else "", charset_of(media_type), color=env.color)

    def write(self, piece: memoryview) -> None:
        self._show(self._text.feed(bytes(piece)))
        if self._text.is_binary:
            self.is_withheld = self.has_enough = True
            self._env.warn(
                None,
                "the body is binary, and was not written to the terminal",
                "-o FILE writes it to a file, -o - to the terminal all the same",
            )

    def end(self) -> None:
        self._show(self._text.end())

    def broke_off(self, error: BaseException) -> None:  # noqa: ARG002
        self.end()

    def _show(self, text: str) -> None:
        if text:
            self._env.write(text)
            self._env.flush()


class Events(Sink):
    """The events of --json."""

    def __init__(self, run: Run[Any], text: str) -> None:
        self._run = run
        self._text = text

    def write(self, piece: memoryview) -> None:
        self._run.write_object({"event": "received", "data_b64": b64(bytes(piece))}, self._text)


class ServerEvents(Sink):
    """The events of --json for a stream of server-sent events: one object for each of them."""

    def __init__(self, run: Run[Any], text: str) -> None:
        from netkit.http.bodies.event_stream import EventStreamParser

        self._run = run
        self._text = text
        self._parser = EventStreamParser()

    def write(self, piece: memoryview) -> None:
        for found in self._parser.feed(piece):
            row = {"name": found.event, "data": found.data, "event_id": found.id, "retry_s": found.retry}
            self._run.write_object({"event": "server-sent", **row}, self._text)

    def end(self) -> None:
        self._parser.finish()


class Hashed(Sink):
    """Another sink, and the hash of what goes through."""

    def __init__(self, sink: Sink, name: str, expected: str) -> None:
        from hashlib import new

        self._sink = sink
        self._hash = new(name, usedforsecurity=False)
        self._expected = expected
        self.has_enough = sink.has_enough

    def write(self, piece: memoryview) -> None:
        self._hash.update(piece)
        self._sink.write(piece)
        self.has_enough = self._sink.has_enough

    def end(self) -> None:
        self.checksum = self._hash.hexdigest()
        self.is_mismatch = self.checksum != self._expected
        self._sink.end()
        self.is_withheld = self._sink.is_withheld

    def broke_off(self, error: BaseException) -> None:
        self._sink.broke_off(error)


def sink_of(fetcher: Fetcher, response: ResponseStream, method: str, text: str) -> Sink:
    """The sink for the body of this response."""
    save = fetcher.save
    drops_failed = fetcher.follow.fail or save.download
    if method == "HEAD" or (drops_failed and response.status >= 400):
        return Sink()
    sink = _plain_sink(fetcher, response, text)
    return sink if save.checksum is None else Hashed(sink, *save.checksum)


def _plain_sink(fetcher: Fetcher, response: ResponseStream, text: str) -> Sink:
    run = fetcher.run
    if run.json:
        media_type = (response.headers.get_first("Content-Type") or "").partition(";")[0].strip().lower()
        is_stream = media_type == "text/event-stream" and not fetcher.save.raw
        return ServerEvents(run, text) if is_stream else Events(run, text)
    if run.env.writes_to_terminal and "-" not in fetcher.save.outputs:
        return Screen(run.env, response, set_out=run.env.mode == "table")
    return Payload(run.env)
