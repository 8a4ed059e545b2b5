"""HTTP/2 without sockets: netkit's two forms beside python-hyper's h2 alone, both ends in one process.

A round trip is a GET with eight fields besides its pseudo-header fields, and a response with seven and a body
of 100 octets; 64 requests are in flight. The body is 32 MiB in one response, with the windows that netkit has
by default, and credit given for each piece. Both are measured as users have them: with every limit in force,
every event made, and every octet copied to where the next layer takes it. python-hyper alone has no limits of
netkit's, and its own checks of header lists.

Every round measures all, one after another, so that what slows the machine slows them all; the figures are
medians of rounds, the ratios medians of the ratios in each round. The last lines are the cost of the meter of
frames, of python-hyper's round trip and by itself.

    python benchmarks/h2_codec.py [ROUNDS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import process_time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived as HyperRequest, StreamEnded
from h2.settings import SettingCodes, Settings

from netkit.http.connection import h2, h2_pure
from netkit.http.connection.events import Data, End, FieldBlock, RequestHead, RequestReceived
from netkit.http.connection.h2 import H2ClientConnection, H2ServerConnection
from netkit.http.connection.limits import DEFAULT_LIMITS
from netkit.http.connection.meter import DATA, END_STREAM, HEADERS, Meter

ROUNDS = 9
IN_FLIGHT = 64
TURNS = 12
BODY = 32 << 20
PIECE = 65_536

FIELDS = [
    (b"user-agent", b"netkit/0.1"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"accept-language", b"en-GB,en;q=0.9"),
    (b"cache-control", b"no-cache"),
    (b"cookie", b"session=0123456789abcdef0123456789abcdef"),
    (b"referer", b"https://example.com/"),
]
ANSWER = [
    (b"server", b"nginx"),
    (b"date", b"Wed, 25 Nov 2026 22:00:00 GMT"),
    (b"content-type", b"application/json"),
    (b"content-length", b"100"),
    (b"cache-control", b"max-age=60"),
    (b"vary", b"accept-encoding"),
]
SMALL = b"x" * 100


def pump(client: H2ClientConnection, server: H2ServerConnection) -> None:
    while client.has_output or server.has_output:
        server.feed(client.take())
        client.feed(server.take())


def netkit_trips(
    client: H2ClientConnection, server: H2ServerConnection, turns: int, *, first: int = 0
) -> int:
    """Round trips over a pair of netkit's, which may be of either form; how many were made."""
    shared = FieldBlock(FIELDS)
    done = 0
    for turn in range(turns):
        for number in range(IN_FLIGHT):
            own = [(b"x-request-id", b"%032x" % (first + turn * IN_FLIGHT + number))]
            path = b"/api/v1/items/%d?page=2&sort=name" % number
            client.request(RequestHead(b"GET", path, b"example.com", fields=own, shared=shared), end=True)
        for event in server.feed(client.take()):
            if type(event) is RequestReceived:
                etag = (b"etag", b'"%032x"' % event.stream)
                server.respond(event.stream, 200, [*ANSWER, etag], end=False)
                server.send(event.stream, SMALL, end=True)
        for event in client.feed(server.take()):
            if type(event) is Data:
                client.consumed(event.stream, event.credit)
            elif type(event) is End:
                done += 1
        pump(client, server)
    return done


def netkit_body(client: H2ClientConnection, server: H2ServerConnection) -> int:
    """One large response over a pair of netkit's; its octets."""
    stream = client.request(RequestHead(b"GET", b"/", b"example.com"), end=True)
    pump(client, server)
    server.respond(stream, 200, ANSWER[:3], end=False)
    left, got, piece = BODY, 0, bytes(PIECE)
    while got < BODY:
        while left and (room := server.room(stream)):
            size = min(room, left, PIECE)
            left -= size
            server.send(stream, piece if size == PIECE else piece[:size], end=not left)
        for event in client.feed(server.take()):
            if type(event) is Data:
                got += len(event.data)
                client.consumed(stream, event.credit)
        server.feed(client.take())
    return got


def hyper_pair() -> tuple[H2Connection, H2Connection]:
    """python-hyper alone, with netkit's windows."""
    pair = []
    for is_client in (True, False):
        connection = H2Connection(H2Configuration(client_side=is_client, header_encoding=None))
        window = {SettingCodes.INITIAL_WINDOW_SIZE: DEFAULT_LIMITS.stream_window}
        connection.local_settings = Settings(client=is_client, initial_values=window)
        connection.initiate_connection()
        connection.increment_flow_control_window(DEFAULT_LIMITS.connection_window - 65_535)
        pair.append(connection)
    client, server = pair
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    return client, server


def hyper_trips(client: H2Connection, server: H2Connection, turns: int) -> int:
    done = 0
    for turn in range(turns):
        for number in range(IN_FLIGHT):
            head = [
                (b":method", b"GET"),
                (b":scheme", b"https"),
                (b":authority", b"example.com"),
                (b":path", b"/api/v1/items/%d?page=2&sort=name" % number),
            ]
            own = (b"x-request-id", b"%032x" % (turn * IN_FLIGHT + number))
            client.send_headers(client.get_next_available_stream_id(), [*head, *FIELDS, own], end_stream=True)
        for event in server.receive_data(client.data_to_send()):
            if isinstance(event, HyperRequest):
                etag = (b"etag", b'"%032x"' % event.stream_id)
                server.send_headers(event.stream_id, [(b":status", b"200"), *ANSWER, etag])
                server.send_data(event.stream_id, SMALL, end_stream=True)
        for event in client.receive_data(server.data_to_send()):
            if isinstance(event, DataReceived):
                client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                done += 1
        server.receive_data(client.data_to_send())
    return done


def hyper_body(client: H2Connection, server: H2Connection) -> int:
    stream = client.get_next_available_stream_id()
    client.send_headers(
        stream,
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"e"), (b":path", b"/")],
        end_stream=True,
    )
    server.receive_data(client.data_to_send())
    server.send_headers(stream, [(b":status", b"200"), *ANSWER[:3]])
    left, got, piece = BODY, 0, bytes(16_384)
    while got < BODY:
        while left and server.local_flow_control_window(stream) >= len(piece):
            left -= len(piece)
            server.send_data(stream, piece, end_stream=not left)
        for event in client.receive_data(server.data_to_send()):
            if isinstance(event, DataReceived):
                got += len(event.data)
                client.acknowledge_received_data(event.flow_controlled_length, stream)
        server.receive_data(client.data_to_send())
    return got


def rate(work: Callable[[], int]) -> float:
    """How much of the work is done in a second of the processor."""
    begun = process_time()
    done = work()
    return done / (process_time() - begun)


def makers() -> dict[str, Callable[[], tuple[H2ClientConnection, H2ServerConnection]]]:
    """What makes a pair of each form of netkit's."""

    def pure() -> tuple[H2ClientConnection, H2ServerConnection]:
        return h2_pure.client(DEFAULT_LIMITS), h2_pure.server(DEFAULT_LIMITS)

    found = {"netkit (python-hyper)": pure}
    if h2.implementation()[0] == "rust":
        found = {"netkit (Rust)": lambda: (h2.h2_client(), h2.h2_server()), **found}
    else:
        print(f"no Rust form: {h2.implementation()[1]}")
    return found


def measure(rounds: int) -> None:
    peer = "python-hyper alone"
    trips: dict[str, list[float]] = {}
    bodies: dict[str, list[float]] = {}
    for _ in range(rounds):
        hyper = hyper_pair()
        trips.setdefault(peer, []).append(rate(lambda: hyper_trips(*hyper, TURNS)))  # noqa: B023
        bodies.setdefault(peer, []).append(rate(lambda: hyper_body(*hyper)))  # noqa: B023
        for name, make in makers().items():
            pair = make()
            pump(*pair)
            turns = TURNS * (8 if "Rust" in name else 1)
            trips.setdefault(name, []).append(rate(lambda: netkit_trips(*pair, turns)))  # noqa: B023
            bodies.setdefault(name, []).append(rate(lambda: netkit_body(*pair)))  # noqa: B023
    for title, found, unit, scale in (
        ("round trips", trips, "a second", 1.0),
        ("body", bodies, "MiB/s", float(1 << 20)),
    ):
        print(title)
        for name, rates in found.items():
            times = median(own / other for own, other in zip(rates, found[peer], strict=True))
            print(f"  {name:<24}{median(rates) / scale:12,.0f} {unit:<10}{times:6.1f} times {peer}")


def meter() -> None:
    """The meter in Python by itself: the frames of a round trip, as one side sees them."""
    counting = Meter(DEFAULT_LIMITS, is_server=True)
    turns = 50_000
    block = bytes(120)
    begun = process_time()
    for _ in range(turns):
        counting.received(HEADERS, 5, block)
        counting.sent(HEADERS, 4, 90, is_asked_for=False)
        counting.sent(DATA, END_STREAM, 100, is_asked_for=False)
    taken = (process_time() - begun) / turns
    pair = h2_pure.client(DEFAULT_LIMITS), h2_pure.server(DEFAULT_LIMITS)
    pump(*pair)
    begun = process_time()
    done = netkit_trips(*pair, TURNS)
    whole = (process_time() - begun) / done
    print("meter of frames, in Python")
    print(f"  {taken * 1e6:.2f} us of CPU a round trip and side, {2 * taken / whole:.1%} of both sides")


def main() -> None:
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    meter()


if __name__ == "__main__":
    main()
