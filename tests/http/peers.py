"""What netkit, llhttp (through httptools) and h11 make of one message, in a form that compares.

Each verdict is about the first message in the data: `accepts` with what was read, `refuses` with the reason,
`waits` for the rest of the head, or `reads on` in the body, which may go on until the connection closes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from netkit.http.parser.chunked import ChunkedDecoder, ChunkEnd
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing
from netkit.http.parser.head import HttpParser


class Content(NamedTuple):
    """What was read: the method and the target, or the status; the headers, names in lower case; the body."""

    start: tuple[Any, ...]
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Verdict(NamedTuple):
    """What a parser makes of a message."""

    what: str
    reason: str = ""
    content: Content | None = None
    conflict: bool = False
    #: Of one that refuses: whether the head was accepted.
    in_body: bool = False


def by_netkit(data: bytes, kind: str) -> Verdict:
    parser = HttpParser.request() if kind == "request" else HttpParser.response(request_method="GET")
    done = None
    try:
        done = parser.feed(data)
        if not done:
            return Verdict("waits")
        if done.framing is Framing.UNTIL_CLOSE:
            return Verdict("reads on", conflict=done.framing_conflict)
        body = _body(data, done)
    except ParseError as error:
        return Verdict("refuses", error.kind, in_body=done is not None)
    if body is None:
        return Verdict("reads on", conflict=done.framing_conflict)
    if kind == "request":
        start: tuple[Any, ...] = (parser.method(data), parser.target(data))
    else:
        start = (parser.status,)
    headers = [(name.lower(), value) for name, value in parser.items(data)]
    return Verdict("accepts", "", Content(start, headers, body), done.framing_conflict)


def _body(data: bytes, done: Any) -> bytes | None:
    """The body, None where it is not complete."""
    if done.framing is not Framing.CHUNKED:
        end = done.body_start + done.body_len
        return data[done.body_start : end] if end <= len(data) else None
    decoder = ChunkedDecoder(start=done.body_start)
    body = b""
    while progress := decoder.feed(data):
        if isinstance(progress, ChunkEnd):
            return body
        body += progress.data(data)
    return None


class _Callbacks:
    """What llhttp calls; the first message is kept."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.head: list[tuple[bytes, bytes]] | None = None
        self.body = b""
        self.content: Content | None = None
        self.parser: Any = None
        self.kind = ""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.head = list(self.headers)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.content is None:
            start: tuple[Any, ...]
            if self.kind == "request":
                start = (self.parser.get_method(), self.url)
            else:
                start = (self.parser.get_status_code(),)
            # Trailers come as headers do.
            self.content = Content(start, self.head or [], self.body)


def by_llhttp(data: bytes, kind: str) -> Verdict:
    import httptools

    callbacks = _Callbacks()
    make = httptools.HttpRequestParser if kind == "request" else httptools.HttpResponseParser
    callbacks.parser = parser = make(callbacks)
    callbacks.kind = kind
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return Verdict("hands over", "", callbacks.content)
    except httptools.HttpParserError as error:
        if callbacks.content is None:
            return Verdict("refuses", str(error))
    if callbacks.content is None:
        return Verdict("waits" if callbacks.head is None else "reads on")
    return Verdict("accepts", "", callbacks.content)


def by_h11(data: bytes, kind: str) -> Verdict:
    import h11

    if kind == "request":
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)
    else:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=65536)
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    start: tuple[Any, ...] = ()
    headers: list[tuple[bytes, bytes]] = []
    body = b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return Verdict("reads on" if start else "waits")
            if isinstance(event, h11.Request):
                start, headers = (event.method, event.target), list(event.headers)
            elif isinstance(event, (h11.Response, h11.InformationalResponse)):
                start, headers = (event.status_code,), list(event.headers)
                if isinstance(event, h11.InformationalResponse):
                    return Verdict("accepts", "", Content(start, headers, b""))
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
                return Verdict("accepts", "", Content(start, headers, body))
            else:
                raise AssertionError(f"an event that nothing should lead to: {event}")
    except h11.RemoteProtocolError as error:
        return Verdict("refuses", str(error))


PEERS = {"llhttp": by_llhttp, "h11": by_h11}


#: Interim statuses that llhttp does not know.
_LATER_1XX = range(104, 200)


def difference(peer: str, kind: str, data: bytes) -> tuple[str, str] | None:
    """What netkit and a peer make of a message, if that is not the same: each verdict in a word or two.

    The reason is given of whoever is the stricter, because that is what has to be explained.
    """
    ours, theirs = by_netkit(data, kind), PEERS[peer](data, kind)
    if theirs.what == "hands over":
        # What comes after the head is another protocol's to llhttp, right or wrong.
        if (
            (ours.what == "accepts" and ours.content != theirs.content)
            or ours.what == "reads on"
            or ours.in_body
        ):
            return "the body of a CONNECT or an upgrade", "hands over"
        theirs = theirs._replace(what="accepts")
    if ours.content is not None and ours.content.start[0] in _LATER_1XX and theirs.what != "refuses":
        return None if ours.content == theirs.content else ("no body in 1xx", "reads one")
    if ours.what == theirs.what:
        if ours.content == theirs.content or ours.content is None or theirs.content is None:
            return None
        parts = [
            part for part in Content._fields if getattr(ours.content, part) != getattr(theirs.content, part)
        ]
        return "accepts", f"reads another {' and '.join(parts)}"
    if ours.conflict:
        return "framing_conflict", theirs.what
    if ours.what == "refuses" and theirs.what != "waits":
        return f"refuses: {ours.reason}", theirs.what
    if theirs.what == "refuses" and (ours.what == "accepts" or (ours.what == "reads on" and peer == "h11")):
        return "accepts", f"refuses: {theirs.reason}"
    return ours.what, theirs.what
