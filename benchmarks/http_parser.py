"""The head of an HTTP/1.1 request: netkit's parser, both twins, beside httptools, h11 and gunicorn_h1c.

Two requests, written for this: a small GET of 78 octets with three headers, and a browser's of about 700
with ten. netkit's parser is reused, as a server does it, and measured with its headers left as views, with an
object made for each view, and with every header as bytes; httptools with a callback for every header, h11 up
to its Request, and gunicorn_h1c by `parse_request_raw`, whose headers are offsets too. The crate's parser
alone is measured where there is a cargo.

Every round measures all of them, one after another, so that what slows the machine slows them all; the
figures are medians of rounds, the ratios medians of the ratios in each round.

    python benchmarks/http_parser.py [ROUNDS]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from timeit import Timer
from typing import Any, NamedTuple

import gunicorn_h1c
import h11
import httptools

import netkit.http.parser.head  # noqa: F401 - the twins are known from when it is imported
from netkit import _twins

ROUNDS = 40
#: How long one measurement takes, about.
SECONDS = 0.01

SMALL = b"GET /page HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
BROWSER = (
    b"GET /articles/2026/11/how-a-message-is-framed?ref=front&utm_source=letter HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.8,de;q=0.5,fr;q=0.3\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://www.example.com/articles/2026/11/\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=6c0fd8a1b2e34f5a9d7c8b6a5f4e3d2c1b0a9f8e; consent=necessary,statistics; theme=dark; "
    b"last-seen=2026-11-23T09%3A12%3A44Z; cart=3f9a1c77; ab=variant-b; region=eu-west; tz=Europe%2FDublin\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b'If-None-Match: W/"5d8c72a5edda8-2c39"\r\n'
    b"\r\n"
)


class Subject(NamedTuple):
    """Statements that parse `data`, and what they are to be compared with, if that is an aim."""

    name: str
    statements: str
    names: dict[str, Any]
    against: str | None = None
    aim: float | None = None
    """At most so many times what `against` takes."""


class Headers:
    """What httptools calls for every header."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))


def by_netkit(twin: Any) -> dict[str, Any]:
    """A parser of one twin, reused."""
    parser = twin.request()
    return {"parser": parser, "reset": parser.reset, "feed": parser.feed, "items": parser.items}


H1C = "gunicorn_h1c, parse_request_raw"
HTTPTOOLS = "httptools, header callbacks"
H11 = "h11"


def subjects() -> list[Subject]:
    httptools_names = {"Headers": Headers, "Parser": httptools.HttpRequestParser}
    h11_statements = "c = Connection(SERVER); c.receive_data(data); c.next_event()"
    h11_names = {"Connection": h11.Connection, "SERVER": h11.SERVER}
    found = [
        Subject(H1C, "parse(data)", {"parse": gunicorn_h1c.parse_request_raw}),
        Subject(HTTPTOOLS, "Parser(Headers()).feed_data(data)", httptools_names),
        Subject(H11, h11_statements, h11_names),
    ]
    if _twins.rust is not None:
        rust = by_netkit(_twins.rust.HttpParser)
        found += [
            Subject("netkit (Rust), headers left", "reset(); feed(data)", rust, H1C, 1),
            Subject("netkit (Rust), views made", "reset(); feed(data); parser.headers", rust),
            Subject("netkit (Rust), as bytes", "reset(); feed(data); items(data)", rust, HTTPTOOLS, 0.5),
        ]
    python = by_netkit(_twins.python_functions["HttpParser"])
    found += [
        Subject("netkit (Python), headers left", "reset(); feed(data)", python, H11, 1 / 3),
        Subject("netkit (Python), as bytes", "reset(); feed(data); items(data)", python, H11, 1 / 3),
    ]
    return found


def measure(name: str, data: bytes, rounds: int) -> None:
    """Measure every subject in alternating rounds, and say what came of it."""
    measured = subjects()
    timers = [Timer(subject.statements, globals={**subject.names, "data": data}) for subject in measured]
    counts = [max(1, int(SECONDS / (timer.timeit(500) / 500))) for timer in timers]
    times: dict[str, list[float]] = {subject.name: [] for subject in measured}
    for _ in range(rounds):
        for subject, timer, count in zip(measured, timers, counts, strict=True):
            times[subject.name].append(timer.timeit(count) / count)
    print(f"{name}, {len(data)} octets")
    for subject in measured:
        taken = times[subject.name]
        line = f"  {subject.name:<34} {median(taken) * 1e6:8.3f} us"
        if subject.against is not None and subject.aim is not None:
            ratio = median(a / b for a, b in zip(taken, times[subject.against], strict=True))
            peer = subject.against.split(",")[0]
            met = "met" if ratio <= subject.aim else "missed"
            line += f"   {ratio:.2f} of {peer}, aim {subject.aim:.2f}: {met}"
        print(line)


def rust_alone(rounds: int) -> None:
    """The crate's parser without Python, at the browser's request."""
    cargo = shutil.which("cargo")
    if cargo is None:
        print("Rust alone: no cargo to build it with")
        return
    crate = Path(__file__).parents[1] / "rust"
    with tempfile.NamedTemporaryFile() as file:
        file.write(BROWSER)
        file.flush()
        command = [cargo, "run", "--quiet", "--release", "--locked", "--no-default-features"]
        command += ["--example", "http_head", "--", file.name, str(rounds)]
        done = subprocess.run(command, cwd=crate, capture_output=True, text=True, check=True)
    taken = median(float(line) for line in done.stdout.split())
    met = "met" if taken <= 150 else "missed"
    print(f"Rust alone: {taken:.0f} ns for {len(BROWSER)} octets, aim 150: {met}")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"HTTP request heads: medians of {rounds} alternating rounds, Python {sys.version.split()[0]}")
    measure("a small GET", SMALL, rounds)
    measure("a browser's", BROWSER, rounds)
    rust_alone(rounds)


if __name__ == "__main__":
    main()
