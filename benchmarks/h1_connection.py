"""An exchange of HTTP/1.1 without I/O: netkit's `H1Client` and `H1Server` beside h11's Connection.

The client makes a GET with four fields, takes its octets, and is fed the response: eight fields and 100
octets of body. The server is fed that request, answers it with three fields and 100 octets, and takes them.
Both connections go on and on, as those of a pool do. netkit's runs on the twin that is in use
(`NETKIT_PURE=1` for the Python one).

Every round measures all of them, one after another, so that what slows the machine slows them all; the
figures are medians of rounds, the ratios medians of the ratios in each round.

    python benchmarks/h1_connection.py [ROUNDS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from timeit import Timer

import h11

from netkit import _twins
from netkit.http.connection.events import FieldBlock, RequestHead
from netkit.http.connection.h1 import H1Client, H1Server

ROUNDS = 40
#: How long one measurement takes, about.
SECONDS = 0.01

FIELDS = [
    (b"User-Agent", b"netkit"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate, br"),
    (b"X-Request", b"1"),
]
ANSWER = [(b"Server", b"netkit"), (b"Content-Type", b"text/html"), (b"ETag", b'"5d8c72a5"')]
BODY = b"x" * 100
REQUEST = b"".join(
    [b"GET /page HTTP/1.1\r\nHost: example.com\r\n", *[b"%b: %b\r\n" % field for field in FIELDS], b"\r\n"]
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx\r\n"
    b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    b"Content-Type: text/html\r\n"
    b"Content-Length: 100\r\n"
    b"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    b"Connection: keep-alive\r\n"
    b'ETag: "5d8c72a5"\r\n'
    b"Accept-Ranges: bytes\r\n"
    b"\r\n" + BODY
)


def netkit_client(shared: bool) -> Callable[[], object]:
    client = H1Client()
    block = FieldBlock(FIELDS) if shared else None
    fields = [] if shared else FIELDS

    def exchange() -> object:
        client.request(RequestHead(b"GET", b"/page", b"example.com", b"http", fields, shared=block), end=True)
        client.take()
        return client.feed(RESPONSE)

    return exchange


def netkit_server() -> Callable[[], object]:
    server = H1Server()

    def exchange() -> object:
        (event,) = server.feed(REQUEST)
        server.respond(event.stream, 200, ANSWER, end=False, length=100)
        server.send(event.stream, BODY, end=True)
        return server.take()

    return exchange


def h11_client() -> Callable[[], object]:
    connection = h11.Connection(h11.CLIENT)
    fields = [(b"Host", b"example.com"), *FIELDS]

    def exchange() -> object:
        connection.send(h11.Request(method=b"GET", target=b"/page", headers=fields))
        connection.send(h11.EndOfMessage())
        connection.receive_data(RESPONSE)
        found = [connection.next_event(), connection.next_event(), connection.next_event()]
        connection.start_next_cycle()
        return found

    return exchange


def h11_server() -> Callable[[], object]:
    connection = h11.Connection(h11.SERVER)
    fields = [*ANSWER, (b"Content-Length", b"100")]

    def exchange() -> object:
        connection.receive_data(REQUEST)
        connection.next_event()
        connection.next_event()
        octets = connection.send(h11.Response(status_code=200, headers=fields, reason=b"OK"))
        octets += connection.send(h11.Data(data=BODY))
        octets += connection.send(h11.EndOfMessage())
        connection.start_next_cycle()
        return octets

    return exchange


#: What is measured, and what it is compared with.
SUBJECTS = [
    ("h11, client", h11_client, None),
    ("netkit, client", lambda: netkit_client(shared=False), "h11, client"),
    ("netkit, client, fields shared", lambda: netkit_client(shared=True), "h11, client"),
    ("h11, server", h11_server, None),
    ("netkit, server", netkit_server, "h11, server"),
]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    timers = {name: Timer(make()) for name, make, _ in SUBJECTS}
    counts = {name: max(1, int(SECONDS / (timer.timeit(300) / 300))) for name, timer in timers.items()}
    times: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            times[name].append(timer.timeit(counts[name]) / counts[name])
    print(
        f"HTTP/1.1 exchanges without I/O: medians of {rounds} alternating rounds, "
        f"Python {sys.version.split()[0]}, netkit's twins in {_twins.implementation}"
    )
    for name, _, against in SUBJECTS:
        line = f"  {name:<30} {median(times[name]) * 1e6:8.2f} us"
        if against is not None:
            ratio = median(ours / theirs for ours, theirs in zip(times[name], times[against], strict=True))
            line += f"   {ratio:.3f} of h11"
        print(line)


if __name__ == "__main__":
    main()
