"""HTTP's values as a fast client uses them: headers, URLs, requests, responses, heads; each beside its peers.

A response with eight fields, as nginx sends them, and a URL with a path and a query. Peers are httpx and
httpx2 (Headers, URL, Request, Response), multidict and yarl (those of aiohttp), httptools and h11, as far as
they are installed, and the standard library. "eager" is netkit without the quick way: what it costs where
text comes from a program, and must be checked.

Every round measures all of them, one after another, so that what slows the machine slows them all; the
figures are medians of rounds, the ratios medians of the ratios in each round. Over 1, netkit is faster.

    python benchmarks/http_values.py [ROUNDS]
"""

from __future__ import annotations

import email.message
import http.client
import io
import itertools
import sys
import urllib.parse
import urllib.request
from importlib import import_module
from statistics import median
from timeit import Timer
from typing import Any, NamedTuple

import netkit.http.parser.head
from netkit import _twins
from netkit.http import Headers, Method, Request, Response, StatusCode, Url, Version
from netkit.http.parser.framing import connection_persists

ROUNDS = 30
#: How long one measurement takes, about.
SECONDS = 0.005

FIELDS = {
    "Server": "nginx",
    "Date": "Tue, 01 Dec 2026 10:00:00 GMT",
    "Content-Type": "text/html; charset=utf-8",
    "Content-Length": "612",
    "Connection": "keep-alive",
    "ETag": '"5d8c72a5edda8-2c39"',
    "Accept-Ranges": "bytes",
    "Cache-Control": "max-age=60",
}
ITEMS = [(name.encode(), value.encode()) for name, value in FIELDS.items()]
LINES = b"".join([b"%b: %b\r\n" % item for item in ITEMS]) + b"\r\n"
HEAD = b"HTTP/1.1 200 OK\r\n" + LINES
#: The same from the same peer a second later: three of the eight values are new.
LATER = HEAD.replace(b"10:00:00", b"10:00:01").replace(b"612", b"613").replace(b"5d8c", b"5d8d")
TEXT = "https://www.example.com/articles/2026/index.html?page=2&order=date"
#: More than any of the libraries remembers.
TEXTS = [TEXT.replace("page=2", f"page={number}") for number in range(20_000)]


class Subject(NamedTuple):
    """A statement, with the names it uses."""

    name: str
    statement: str
    names: dict[str, Any]


class Operation(NamedTuple):
    """What is done: by netkit, and by the peers."""

    name: str
    ours: Subject
    peers: list[Subject]


def installed(name: str) -> Any:
    """A module, or None."""
    try:
        return import_module(name)
    except ImportError:
        return None


def peers(*found: tuple[str, str, str, dict[str, Any]]) -> list[Subject]:
    """Those whose module is installed: (module, name, statement, names); the module is called `m`."""
    there = [(installed(module), name, statement, names) for module, name, statement, names in found]
    return [
        Subject(name, statement, {**names, "m": m}) for m, name, statement, names in there if m is not None
    ]


def headers() -> list[Operation]:
    names: dict[str, Any] = {
        "Headers": Headers,
        "received": Headers.from_received,
        "ITEMS": ITEMS,
        "FIELDS": FIELDS,
        "PAIRS": list(FIELDS.items()),
        "LINES": LINES,
        "BytesIO": io.BytesIO,
        "parse": http.client.parse_headers,
        "Message": email.message.Message,
    }
    eager = Subject("netkit, eager", "Headers(ITEMS)", names)

    def others(after: str, first: str) -> list[Subject]:
        decoded = "[(n.decode('latin-1'), v.decode('latin-1')) for n, v in ITEMS]"
        return peers(
            ("httpx", "httpx.Headers", f"h = m.Headers(ITEMS); {after}", names),
            ("httpx2", "httpx2.Headers", f"h = m.Headers(ITEMS); {after}", names),
            ("multidict", "multidict.CIMultiDict", f"h = m.CIMultiDict({decoded}); {after}", names),
            ("http.client", "http.client, parsed", f"h = parse(BytesIO(LINES)); {first}", names),
        )

    get = "h['content-length']"
    every = "list(h.items())"
    return [
        Operation(
            "received, kept", Subject("netkit", "received(ITEMS)", names), [eager, *others("None", "None")]
        ),
        Operation(
            "received, one field read",
            Subject("netkit", "received(ITEMS).get_first('content-length')", names),
            others(get, get),
        ),
        Operation(
            "received, all read",
            Subject("netkit", "h = received(ITEMS); h.fields", names),
            others(every, every),
        ),
        Operation(
            "made of a dict of eight, checked",
            Subject("netkit", "Headers(FIELDS)", names),
            peers(
                ("httpx", "httpx.Headers", "m.Headers(FIELDS)", names),
                ("httpx2", "httpx2.Headers", "m.Headers(FIELDS)", names),
                ("multidict", "multidict.CIMultiDict", "m.CIMultiDict(FIELDS)", names),
                (
                    "email.message",
                    "email.message.Message",
                    "h = Message()\nfor n, v in PAIRS: h.add_header(n, v)",
                    names,
                ),
            ),
        ),
    ]


def urls() -> list[Operation]:
    names: dict[str, Any] = {
        "parse": Url.parse,
        "url": Url.parse(TEXT),
        "TEXT": TEXT,
        "split": urllib.parse.urlsplit,
    }
    module = ("httpx", "httpx2", "yarl")

    def with_next(make: str) -> list[Subject]:
        found = [
            (name, f"{name}.URL", f"m.URL({make})", {**names, "next": itertools.cycle(TEXTS).__next__})
            for name in module
        ]
        return peers(*found)

    fresh = {**names, "next": itertools.cycle(TEXTS).__next__}
    return [
        Operation(
            "a URL that was read before",
            Subject("netkit", "parse(TEXT)", names),
            [*with_next("TEXT"), Subject("urllib.parse.urlsplit", "split(TEXT)", names)],
        ),
        Operation(
            "a URL that is new",
            Subject("netkit", "parse(next())", fresh),
            [*with_next("next()"), Subject("urllib.parse.urlsplit", "split(next())", dict(fresh))],
        ),
        Operation(
            "site and target of a URL",
            Subject("netkit", "url.origin; url.head_parts", names),
            peers(
                ("yarl", "yarl", "u.origin(); u.raw_path_qs", {"u": url_of("yarl")}),
                ("httpx", "httpx", "u.raw_scheme; u.raw_host; u.port; u.raw_path", {"u": url_of("httpx")}),
                ("httpx2", "httpx2", "u.raw_scheme; u.raw_host; u.port; u.raw_path", {"u": url_of("httpx2")}),
            ),
        ),
    ]


def url_of(name: str) -> Any:
    module = installed(name)
    return None if module is None else module.URL(TEXT)


def messages() -> list[Operation]:
    frozen = Headers.from_received(ITEMS)
    names: dict[str, Any] = {
        "Request": Request,
        "GET": Method.Get,
        "url": Url.parse(TEXT),
        "TEXT": TEXT,
        "UrllibRequest": urllib.request.Request,
        "Response": Response,
        "received": Response.received,
        "from_received": Headers.from_received,
        "HTTP11": Version.Http11,
        "frozen": frozen,
        "ITEMS": ITEMS,
        "StatusCode": StatusCode,
    }
    httpx = ("httpx", "httpx2")
    return [
        Operation(
            "a request of text",
            Subject("netkit", "Request('GET', TEXT)", names),
            [
                *peers(*[(one, f"{one}.Request", "m.Request('GET', TEXT)", names) for one in httpx]),
                Subject("urllib.request.Request", "UrllibRequest(TEXT)", names),
            ],
        ),
        Operation(
            "a request of a Url",
            Subject("netkit", "Request(GET, url)", names),
            peers(*[(one, f"{one}.Request", "m.Request('GET', u)", {"u": url_of(one)}) for one in httpx]),
        ),
        Operation(
            "a response that was received",
            Subject("netkit", "received(200, HTTP11, from_received(ITEMS), b'')", names),
            [
                Subject("netkit, eager", "Response(200, HTTP11, ITEMS, b'')", names),
                *peers(
                    *[
                        (one, f"{one}.Response", "m.Response(200, headers=ITEMS, content=b'')", names)
                        for one in httpx
                    ]
                ),
            ],
        ),
    ]


class Callbacks:
    """What httptools calls, to know what `received_head` tells."""

    def __init__(self) -> None:
        self.items: list[tuple[bytes, bytes]] = []
        self.reason = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.items.append((name, value))

    def on_status(self, reason: bytes) -> None:
        self.reason = reason


HTTPTOOLS = """\
c = Callbacks(); p = m.HttpResponseParser(c); p.feed_data(next())
p.get_status_code(); p.get_http_version(); p.should_keep_alive()
"""
H11 = """\
c = m.Connection(m.CLIENT); c.send(m.Request(method='GET', target='/', headers=[('Host', 'a')]))
c.receive_data(next()); e = c.next_event(); e.status_code; e.http_version; e.reason; e.headers
"""
STEPS = """\
reset(0, request_method='GET'); data = next(); done = feed(data)
fields = items(data); parser.status; _, minor = parser.version; parser.reason(data); persists(minor, fields)
"""
AT_ONCE = "reset(0, request_method='GET'); data = next(); done = feed(data); received_head(data)"


def heads() -> list[Operation]:
    def by(twin: Any, texts: tuple[bytes, ...]) -> dict[str, Any]:
        parser = twin.response(request_method="GET")
        methods = {name: getattr(parser, name) for name in ("reset", "feed", "items", "received_head")}
        methods["persists"] = connection_persists
        return {"parser": parser, **methods, "next": itertools.cycle(texts).__next__}

    twins = {"Python": _twins.python_functions["HttpParser"]}
    if _twins.rust is not None:
        twins = {"Rust": _twins.rust.HttpParser, **twins}
    names = {"Callbacks": Callbacks, "next": itertools.cycle((HEAD, LATER)).__next__}
    others = peers(("httptools", "httptools", HTTPTOOLS, names), ("h11", "h11", H11, names))
    found = []
    for kind, twin in twins.items():
        for what, texts in (("the same", (HEAD,)), ("three values new", (HEAD, LATER))):
            found.append(
                Operation(
                    f"the head of a response, {what} ({kind})",
                    Subject("netkit, at once", AT_ONCE, by(twin, texts)),
                    [Subject("netkit, step by step", STEPS, by(twin, texts)), *others],
                )
            )
    return found


def steps() -> list[Operation]:
    """The parts of the last, each alone; they have no peers."""
    parser: Any = netkit.http.parser.head.HttpParser.response(request_method="GET")
    names = {"parser": parser, "data": HEAD, "done": parser.feed(HEAD)}
    return [
        Operation(statement, Subject("netkit", statement, names), [])
        for statement in (
            "parser.items(data)",
            "parser.received_head(data)",
            "parser.status; parser.version; parser.reason(data)",
            "done.framing; done.body_len; done.body_start",
        )
    ]


def measure(operations: list[Operation], rounds: int) -> None:
    """Measure all subjects of each operation in alternating rounds, and say what came of it."""
    for operation in operations:
        subjects = [operation.ours, *operation.peers]
        timers = [Timer(subject.statement, globals=subject.names) for subject in subjects]
        counts = [max(1, int(SECONDS / (timer.timeit(100) / 100))) for timer in timers]
        times: list[list[float]] = [[] for _ in subjects]
        for _ in range(rounds):
            for taken, timer, count in zip(times, timers, counts, strict=True):
                taken.append(timer.timeit(count) / count)
        print(f"{operation.name:<52}{median(times[0]) * 1e9:8.0f} ns")
        for subject, taken in zip(subjects[1:], times[1:], strict=True):
            ratio = median(theirs / ours for theirs, ours in zip(taken, times[0], strict=True))
            print(f"    {subject.name:<48}{median(taken) * 1e9:8.0f} ns   {ratio:6.1f}x")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"HTTP values: medians of {rounds} alternating rounds, Python {sys.version.split()[0]}")
    print(f"the parser in use: {_twins.implementation}")
    absent = [name for name in ("httpx", "httpx2", "multidict", "yarl") if installed(name) is None]
    if absent:
        print(f"not installed, so not beside it: {', '.join(absent)}")
    for operations in (headers(), urls(), messages(), heads(), steps()):
        measure(operations, rounds)


if __name__ == "__main__":
    main()
