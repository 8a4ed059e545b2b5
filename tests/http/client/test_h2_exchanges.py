"""HTTP/2 between a client and a server in a thread, of different libraries: flow control, ends, limits."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import import_module
from typing import Any, TypeVar

import pytest

from netkit.http import AsyncClient, Client, HttpError, PoolConfig, Request
from netkit.http.connection import h2
from netkit.http.connection.errors import ConnectionFault, ErrorCode, IncompleteMessage, StreamFault
from netkit.http.connection.limits import ConnectionLimits
from netkit.io import CancellationError, CancellationToken
from tests.http.client.h2_peer import ROOMY, Asked, Peer, Visit, config, dial, serving
from tests.http.connection.conftest import FORMS
from tests.http.connection.forms import (
    GOAWAY,
    PING,
    RST_STREAM,
    Form,
    frame,
    goaway,
    require_form,
    settings_frame,
)
from tests.io.conftest import LOOPS
from tests.net.conftest import open_before, opened_since
from tests.waiting import turns, until, until_async

T = TypeVar("T")
MAX_CONCURRENT_STREAMS = 3
INITIAL_WINDOW_SIZE = 4
LAST = 2**31 - 1


@pytest.fixture(params=FORMS)
def other(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Form:
    """The clients are of each form in turn; this is the other one, for the server."""
    require_form(request.param)
    monkeypatch.setattr(h2, "_form", import_module(f"netkit.http.connection.h2_{request.param}"))
    other = next((name for name in FORMS if name != request.param), request.param)
    require_form(other)
    return Form(other)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Awaitable[T]], T]]:
    """Runs a coroutine under each loop, in debug mode: what is never awaited or closed is a warning."""
    with asyncio.Runner(debug=True, loop_factory=LOOPS[request.param]) as runner:
        yield runner.run  # type: ignore[misc]  # it takes a coroutine


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "tls")


Run = Callable[[Any], Any]


def get(path: str, peer: Peer, method: str = "GET", body: bytes | None = None) -> Request:
    return Request(method, f"{peer.url}{path}", body=body)


def nothing(_: Asked) -> None:
    """No answer by itself."""


def echo(requests: list[Asked]) -> None:
    """Each gets its path."""
    for asked in requests:
        asked.respond(asked.path.encode())


# Many at once.


@pytest.mark.parametrize("count", [64, 500])
def test_many_in_flight_in_one_loop(other: Form, run: Run, tls: bool, count: int) -> None:
    """All are on their way before the first is answered, in an order of the server's own."""

    async def main(peer: Peer) -> None:
        async with AsyncClient(config(), dial=dial()) as client:
            assert (await client.get_async(f"{peer.url}/first")).body == b"/first"
            peer.answer = nothing
            tasks = [asyncio.create_task(client.get_async(f"{peer.url}/{n}")) for n in range(count)]
            await until_async(lambda: len(peer.requests) > count)
            waiting = peer.requests[1:]
            peer.do(lambda: echo(waiting[::2]))
            peer.do(lambda: echo(waiting[:0:-2]))
            bodies = [(await task).body for task in tasks]
            assert bodies == [b"/%d" % n for n in range(count)]
            assert client.connections == client.idle_connections == 1
        assert len(peer.visits) == 1

    with serving(other, tls=tls) as peer:
        run(main(peer))


def test_many_at_once_over_a_connection_whose_settings_have_not_come(other: Form, run: Run) -> None:
    """A hundred may go before the server says how many; the others wait for that, and dial nothing."""

    async def main(peer: Peer) -> None:
        async with AsyncClient(config(), dial=dial()) as client:
            bodies = await asyncio.gather(*(client.get_async(f"{peer.url}/{n}") for n in range(300)))
            assert [each.body for each in bodies] == [b"/%d" % n for n in range(300)]
        assert len(peer.visits) == 1

    with serving(other) as peer:
        run(main(peer))


# Leaving.


@pytest.mark.parametrize("how", ["task", "token", "deadline", "stream"])
def test_the_pump_is_cancelled(other: Form, run: Run, how: str) -> None:
    async def main(peer: Peer) -> None:
        peer.answer = nothing
        async with AsyncClient(config(), dial=dial()) as client:
            token = CancellationToken()
            first: asyncio.Task[Any] = asyncio.create_task(
                client.request_async(get("/0", peer), cancel=token, timeout=0.05 if how == "deadline" else 20)
            )
            await until_async(lambda: peer.requests)
            others = [asyncio.create_task(client.get_async(f"{peer.url}/{n}")) for n in (1, 2, 3)]
            await until_async(lambda: len(peer.requests) >= 4)
            pumped = peer.requests[0]
            if how == "task":
                first.cancel()
            elif how == "token":
                token.cancel()
            elif how == "stream":
                peer.do(pumped.begin)
                stream = asyncio.create_task(client.stream_async(get("/4", peer)).__aenter__())
                await until_async(lambda: len(peer.requests) >= 5)
                peer.do(peer.requests[4].begin)
                (await stream).close()
                pumped = peer.requests[4]
            if how != "stream":
                with pytest.raises((asyncio.CancelledError, CancellationError, HttpError.Timeout)):
                    await first
            assert peer.until_reset(pumped) == ErrorCode.CANCEL
            peer.do(lambda: echo(peer.requests[1:4]))
            assert [(await task).body for task in others] == [b"/1", b"/2", b"/3"]
            if how == "stream":
                peer.do(lambda: peer.requests[0].send(b"/0", end=True))
                assert (await first).body == b"/0"
            peer.answer = lambda asked: asked.respond(b"again")
            assert (await client.get_async(f"{peer.url}/")).body == b"again"
            assert client.connections == client.idle_connections == 1
        assert len(peer.visits) == 1

    with serving(other) as peer:
        run(main(peer))


# Flow control of responses.


def test_a_response_that_nobody_reads_holds_back_only_itself(other: Form, run: Run, tls: bool) -> None:
    limits = ROOMY.replace(stream_window=65_536)

    async def main(peer: Peer) -> None:
        async with (
            AsyncClient(config(limits=limits), dial=dial()) as client,
            client.stream_async(get("/octets/1000000", peer)) as unread,
        ):
            for n in range(20):
                assert (await client.get_async(f"{peer.url}/octets/{n}00000")).body == bytes(
                    n * 100_000
                ) or not n
            queue = peer.requests[0].visit.queues
            until(lambda: bool(queue), "the first response, which is held back")
            total = 0
            async for piece in unread:
                total += len(piece)
            assert total == 1_000_000
            assert client.connections == client.idle_connections == 1

    with serving(other, tls=tls) as peer:
        run(main(peer))


@pytest.mark.parametrize("how", ["unread", "half read", "ended and unread", "whole"])
def test_the_window_of_the_connection_never_shrinks_for_good(other: Form, how: str) -> None:
    """A hundred bodies, together more than the window, each given up at another place; then one that fills
    it."""
    limits = ROOMY.replace(stream_window=65_535, connection_window=65_535)
    size = 60_000 if how != "ended and unread" else 3_000
    with serving(other) as peer, Client(config(limits=limits), dial=dial()) as client:
        for n in range(100):
            if how == "whole":
                assert len(client.get(f"{peer.url}/octets/{1 + n * 37}").body or b"") == 1 + n * 37
                continue
            with client.stream(get(f"/octets/{size}", peer)) as response:
                assert response.status == 200
                if how == "half read":
                    response.read()
                elif how == "ended and unread":
                    client.get(f"{peer.url}/octets/10")  # which pumps for both
        assert len(client.get(f"{peer.url}/octets/200000", timeout=10).body or b"") == 200_000
        assert len(peer.visits) == 1


def test_small_bodies_give_their_credit_back(other: Form, run: Run) -> None:
    """Each comes in one piece, with its end: more of them than the window holds."""
    limits = ROOMY.replace(connection_window=65_535)

    async def main(peer: Peer) -> None:
        async with AsyncClient(config(limits=limits), dial=dial()) as client:
            for _ in range(30):
                assert len((await client.get_async(f"{peer.url}/octets/10000")).body or b"") == 10_000

    with serving(other) as peer:
        run(main(peer))


# Uploads.


def test_an_upload_larger_than_the_windows(other: Form, run: Run, tls: bool) -> None:
    async def main(peer: Peer) -> None:
        peer.answer = lambda asked: asked.respond(b"%d" % len(asked.body))
        body = bytes(range(256)) * 4096 * 3
        async with AsyncClient(config(), dial=dial()) as client:
            answers = await asyncio.gather(*(client.post_async(f"{peer.url}/", body) for _ in range(4)))
            assert {answer.body for answer in answers} == {b"%d" % len(body)}
        assert all(asked.body == body for asked in peer.requests)

    with serving(other, ROOMY.replace(stream_window=65_535), tls=tls) as peer:
        run(main(peer))


def test_an_echo_while_the_body_is_sent(other: Form, run: Run, tls: bool) -> None:
    """The server reads on only as far as it can write: both directions are larger than all windows."""

    def begin(asked: Asked) -> None:
        asked.begin()

    def came(asked: Asked, octets: bytes) -> None:
        asked.send(octets)
        if sum(len(piece) for piece, _, _ in asked.visit.queues.get(asked.stream, ())) < 100_000:
            asked.take()

    async def main(peer: Peer) -> None:
        peer.begun, peer.came, peer.takes = begin, came, False
        peer.answer = lambda asked: asked.send(b"", end=True)
        body = bytes(range(256)) * 4096 * 6
        limits = ROOMY.replace(stream_window=65_535, connection_window=65_535)
        async with AsyncClient(config(limits=limits), dial=dial()) as client:
            answer = await client.post_async(f"{peer.url}/", body, timeout=20)
            assert answer.body == body

    with serving(other, ROOMY.replace(stream_window=65_535, connection_window=65_535), tls=tls) as peer:
        run(main(peer))


@pytest.mark.parametrize("kind", ["bytes", "iterator", "async iterator"])
@pytest.mark.parametrize("status", [200, 413])
def test_an_early_answer_ends_the_upload(other: Form, run: Run, kind: str, status: int) -> None:
    """Whole, and RST_STREAM with NO_ERROR behind it; the async iterator has nothing more just then."""
    never = asyncio.Event()
    closed = []

    async def slowly() -> AsyncIterator[bytes]:
        try:
            yield bytes(1000)
            await never.wait()
            yield b"never"
        finally:
            closed.append(True)

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(20_000)
        finally:
            closed.append(True)

    bodies: dict[str, Callable[[], Any]] = {
        "bytes": lambda: bytes(5_000_000),
        "iterator": endless,
        "async iterator": slowly,
    }

    def early(asked: Asked, _: bytes) -> None:
        if not asked.has_answer:
            asked.respond(b"enough", status)
            asked.visit.raw(frame(RST_STREAM, 0, asked.stream, bytes(4)))

    async def main(peer: Peer) -> None:
        peer.takes = False
        peer.came = early
        async with AsyncClient(config(), dial=dial()) as client:
            answer = await client.post_async(f"{peer.url}/", bodies[kind](), timeout=10)
            assert (answer.status, answer.body) == (status, b"enough")
            peer.came, peer.takes = (lambda _, __: None), True
            assert (await client.get_async(f"{peer.url}/next")).body == b"/next"
            assert client.connections == client.idle_connections == 1
        gc.collect()
        await turns()
        assert closed == [True] or kind == "bytes"

    with serving(other) as peer:
        run(main(peer))


def test_a_server_that_stops_reading(other: Form, tls: bool) -> None:
    """Windows without end, and nobody who reads: what waits to be sent is bounded, and the wait is, too."""
    wide = ROOMY.replace(stream_window=LAST, connection_window=LAST)
    taken = [0]

    def endless() -> Iterator[bytes]:
        while True:
            taken[0] += 100_000
            yield bytes(100_000)

    pool = PoolConfig(write_timeout=0.2)
    with (
        serving(other, wide, tls=tls, buffer=4096) as peer,
        Client(config(pool_config=pool), dial=dial()) as client,
    ):
        client.get(f"{peer.url}/")
        peer.do(lambda: peer.visit.read(False))
        with pytest.raises(HttpError.Timeout) as caught:
            client.request(get("/", peer, "POST"), body=endless())
        assert caught.value.timeout == 0.2
        assert caught.value.phase == "sending the request"
        assert taken[0] < 8_000_000  # with what the system's buffers take


def test_uploads_to_a_slow_server_share_the_outbox(other: Form, run: Run, tls: bool) -> None:
    """Who waits for room in the outbox is woken when there is some, though nothing comes from the server."""
    wide = ROOMY.replace(stream_window=LAST, connection_window=LAST)

    async def main(peer: Peer) -> None:
        peer.takes = False  # so that no credit comes either
        peer.answer = lambda asked: asked.respond(b"%d" % len(asked.body))
        async with AsyncClient(config(), dial=dial()) as client:
            await client.get_async(f"{peer.url}/")
            peer.do(lambda: peer.visit.read(False))
            tasks = [
                asyncio.create_task(client.post_async(f"{peer.url}/", bytes(2_000_000))) for _ in range(3)
            ]
            await turns(20)
            peer.do(lambda: peer.visit.read(True))
            async with asyncio.timeout(20):
                assert [(await task).body for task in tasks] == [b"2000000"] * 3

    with serving(other, wide, tls=tls, buffer=65_536) as peer:
        run(main(peer))


def test_expect_continue_trailers_and_interim(other: Form, run: Run) -> None:
    def begin(asked: Asked) -> None:
        asked.visit.conn.respond(asked.stream, 103, [(b"link", b"</a>")], end=False)
        asked.visit.conn.respond(asked.stream, 100, [], end=False)

    async def main(peer: Peer) -> None:
        peer.begun = begin
        peer.answer = lambda asked: asked.respond(bytes(asked.body), trailers=[(b"sum", b"1")])
        async with AsyncClient(config(expect_continue=0), dial=dial()) as client:
            answer = await client.post_async(f"{peer.url}/", b"body")
            assert answer.body == b"body"
            assert answer.trailers.get_first("sum") == "1"
            assert [status for status, _ in answer.interim] == [103, 100]
        assert (b"expect", b"100-continue") in list(peer.requests[0].head.fields)

    with serving(other) as peer:
        run(main(peer))


def test_a_refusal_in_place_of_continue_leaves_the_body_unread(other: Form) -> None:
    touched: list[int] = []

    def body() -> Iterator[bytes]:
        touched.append(1)
        yield b"x"

    with serving(other) as peer, Client(config(expect_continue=0), dial=dial()) as client:
        peer.begun = lambda asked: asked.respond(b"no", 403)
        answer = client.request(get("/", peer, "POST"), body=body())
        assert (answer.status, answer.body) == (403, b"no")
        assert not touched


# The end of a connection.


@pytest.mark.parametrize("graceful", [False, True])
def test_goaway_sends_those_above_the_last_stream_to_one_new_connection(
    other: Form, run: Run, graceful: bool
) -> None:
    async def main(peer: Peer) -> None:
        peer.answer = nothing
        async with AsyncClient(config(), dial=dial()) as client:
            paths = [f"/{n}" for n in range(6)]
            tasks = {
                path: asyncio.create_task(client.request_async(get(path, peer, "POST", b"body")))
                for path in paths
            }
            await until_async(lambda: sum(asked.has_ended for asked in peer.requests) >= 6)
            visit, below = peer.visit, peer.requests[:2]
            peer.answer = lambda asked: asked.respond(asked.path.encode())
            if graceful:
                peer.do(lambda: visit.raw(goaway(LAST)))
            peer.do(lambda: visit.raw(goaway(below[1].stream)))
            kept = [tasks.pop(asked.path) for asked in below]
            for path, task in tasks.items():
                assert (await task).body == path.encode()
            assert not any(task.done() for task in kept)
            peer.do(lambda: echo(below))
            assert [(await task).body for task in kept] == [asked.path.encode() for asked in below]
            until(lambda: visit.is_gone, "the end of the old connection, which is of no more use")
            assert client.connections == client.idle_connections == 1
        assert len(peer.visits) == 2

    with serving(other) as peer:
        run(main(peer))


def test_a_goaway_that_came_while_idle_is_seen_before_the_next_request(other: Form) -> None:
    with serving(other) as peer, Client(config(), dial=dial()) as client:
        assert client.get(f"{peer.url}/1").body == b"/1"
        peer.do(lambda: peer.visit.raw(goaway(1)))
        assert client.request(get("/2", peer, "POST", b"")).body == b"/2"
        assert [asked.visit.number for asked in peer.requests] == [0, 1]
        assert client.connections == 1


def test_a_refused_stream_goes_again(other: Form) -> None:
    def refuse(asked: Asked) -> None:
        peer.answer = lambda asked: asked.respond(asked.path.encode())
        asked.give_up(ErrorCode.REFUSED_STREAM)

    with serving(other) as peer, Client(config(), dial=dial()) as client:
        peer.answer = refuse
        assert client.request(get("/2", peer, "POST", b"body")).body == b"/2"
        assert len(peer.requests) == 2
        peer.answer = lambda asked: asked.give_up(ErrorCode.REFUSED_STREAM)
        with pytest.raises(StreamFault, match="REFUSED_STREAM"):
            client.get(f"{peer.url}/3")
        assert len(peer.requests) == 2 + 4


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("connections", [1, 3])
def test_requests_wait_for_their_turn(other: Form, run: Run, most: int, connections: int) -> None:
    """As many at once as the server allows, over as many connections as the settings do."""
    under_way: dict[Visit, int] = {}
    highest = [0]

    def answer(asked: Asked) -> None:
        under_way[asked.visit] = sum(
            not each.has_answer for each in peer.requests if each.visit is asked.visit
        )
        highest[0] = max(highest[0], under_way[asked.visit])
        asked.respond(asked.path.encode())

    async def main() -> None:
        peer.answer = answer
        pool = PoolConfig(max_connections=connections)
        async with AsyncClient(config(pool_config=pool), dial=dial()) as client:
            await client.get_async(f"{peer.url}/first")
            answers = await asyncio.gather(*(client.get_async(f"{peer.url}/{n}") for n in range(60)))
            assert [each.body for each in answers] == [b"/%d" % n for n in range(60)]
            assert client.connections == client.idle_connections <= connections

    with serving(other, ROOMY.replace(max_concurrent_streams=most)) as peer:
        run(main())
        assert highest[0] <= most


def test_a_server_that_allows_more_is_asked_for_more(other: Form, run: Run) -> None:
    """One at a time, the others wait; then the server changes its mind, while the first is under way."""

    async def main(peer: Peer) -> None:
        peer.answer = nothing
        pool = PoolConfig(max_connections=1)
        async with AsyncClient(config(pool_config=pool), dial=dial()) as client:
            first = asyncio.create_task(client.get_async(f"{peer.url}/0"))
            await until_async(lambda: peer.requests)
            peer.do(lambda: peer.visit.raw(settings_frame((MAX_CONCURRENT_STREAMS, 1))))
            await until_async(lambda: len(peer.visit.acks) >= 2)
            more = [asyncio.create_task(client.get_async(f"{peer.url}/{n}")) for n in (1, 2, 3)]
            await turns(20)
            assert len(peer.requests) == 1
            peer.do(lambda: peer.visit.raw(settings_frame((MAX_CONCURRENT_STREAMS, 4))))
            async with asyncio.timeout(10):
                await until_async(lambda: len(peer.requests) >= 4)
            peer.do(lambda: echo(peer.requests))
            assert [(await task).body for task in (first, *more)] == [b"/0", b"/1", b"/2", b"/3"]
        assert len(peer.visits) == 1

    with serving(other) as peer:
        run(main(peer))


def test_a_server_that_allows_nothing_hangs_nobody(other: Form) -> None:
    """Streams over its limit of none are refused, over each new connection, until that is said."""

    def arrived(visit: Visit) -> None:
        visit.raw(settings_frame((MAX_CONCURRENT_STREAMS, 0)))

    with serving(other) as peer:
        peer.arrived = arrived
        peer.answer = lambda asked: asked.give_up(ErrorCode.REFUSED_STREAM)
        with Client(config(pool_config=PoolConfig(max_connections=1)), dial=dial()) as client:
            with pytest.raises((StreamFault, HttpError.ConnectionError)):
                client.get(f"{peer.url}/", timeout=10)
            peer.arrived = lambda _: None
            peer.answer = lambda asked: asked.respond(b"well")
            assert client.get(f"{peer.url}/").body == b"well"


@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_connection_fails_each_request_by_name_and_repeats_what_is_safe(
    other: Form, run: Run, tls: bool, reset: bool
) -> None:
    async def main(peer: Peer) -> None:
        async with AsyncClient(config(), dial=dial()) as client:
            await client.get_async(f"{peer.url}/")
            peer.answer = nothing
            unanswered = asyncio.create_task(client.get_async(f"{peer.url}/1"))
            posted = asyncio.create_task(client.post_async(f"{peer.url}/2", b"body"))
            begun = asyncio.create_task(client.get_async(f"{peer.url}/3"))
            await until_async(lambda: sum(asked.has_ended for asked in peer.requests) >= 4)
            visit = peer.visit
            by_path = {asked.path: asked for asked in peer.requests}
            peer.do(lambda: by_path["/3"].respond(b"half", end=False))
            peer.answer = lambda asked: asked.respond(asked.path.encode())
            peer.do(lambda: visit.close(reset=reset))
            assert (await unanswered).body == b"/1"
            with pytest.raises((HttpError.ConnectionError, IncompleteMessage)):
                await posted
            if reset:
                with pytest.raises((HttpError.ConnectionError, IncompleteMessage)):
                    await begun
            else:
                with pytest.raises(IncompleteMessage):
                    await begun
            assert client.connections == client.idle_connections == 1
        assert [asked.path for asked in peer.requests].count("/2") == 1
        assert len(peer.visits) == 2

    with serving(other, tls=tls) as peer:
        run(main(peer))


# Floods, and time.


def test_a_flood_ends_every_request_with_the_name_of_the_limit(other: Form, run: Run) -> None:
    limits = ConnectionLimits(max_pings=50)

    async def main(peer: Peer) -> None:
        peer.answer = nothing
        async with AsyncClient(config(limits=limits), dial=dial()) as client:
            tasks = [asyncio.create_task(client.get_async(f"{peer.url}/{n}")) for n in range(5)]
            await until_async(lambda: len(peer.requests) >= 5)
            visit = peer.visit
            peer.do(lambda: visit.raw(frame(PING, 0, 0, bytes(8)) * 60))
            errors = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(error) for error in errors] == [ConnectionFault] * 5
            assert {error.limit_name for error in errors} == {"max_pings"}  # type: ignore[union-attr]  # see above
            until(lambda: visit.is_gone, "the end of the connection")
            told = [each for each in visit.frames if each.kind == GOAWAY]
            assert not told or told[0].code == ErrorCode.ENHANCE_YOUR_CALM
            assert client.connections == 0

    with serving(other) as peer:
        run(main(peer))


def test_the_read_timeout_is_for_each_stream(other: Form, run: Run) -> None:
    """The others are lively all the time; the one that waits in vain is given up, and tells its server so."""

    async def main(peer: Peer) -> None:
        def answer(asked: Asked) -> None:
            if asked.path != "/never":
                asked.respond(b"ok")

        peer.answer = answer
        pool = PoolConfig(read_timeout=0.1)
        async with AsyncClient(config(pool_config=pool), dial=dial()) as client:
            waiting = asyncio.create_task(client.get_async(f"{peer.url}/never"))
            while not waiting.done():
                assert (await client.get_async(f"{peer.url}/lively")).body == b"ok"
            with pytest.raises(HttpError.Timeout) as caught:
                await waiting
            assert caught.value.timeout == 0.1
            (never,) = (asked for asked in peer.requests if asked.path == "/never")
            assert peer.until_reset(never) == ErrorCode.CANCEL
            assert client.connections == client.idle_connections == 1
        assert len(peer.visits) == 1

    with serving(other) as peer:
        run(main(peer))


def test_the_whole_timeout(other: Form) -> None:
    with serving(other) as peer, Client(config(), dial=dial()) as client:
        peer.answer = lambda asked: asked.respond(b"part", end=False)
        with pytest.raises(HttpError.Timeout) as caught:
            client.get(f"{peer.url}/", timeout=0.05)
        assert caught.value.timeout == 0.05
        assert peer.until_reset(peer.requests[0]) == ErrorCode.CANCEL
        peer.answer = lambda asked: asked.respond(b"whole")
        assert client.get(f"{peer.url}/").body == b"whole"


# What is left.


def test_an_idle_connection_costs_no_thread_no_task_and_no_timer(other: Form, run: Run) -> None:
    async def main(peer: Peer) -> None:
        threads = threading.active_count()
        loop = asyncio.get_running_loop()
        async with AsyncClient(config(), dial=dial()) as client:
            await asyncio.gather(*(client.get_async(f"{peer.url}/{n}") for n in range(5)))
            await turns()
            assert threading.active_count() == threads
            assert len(asyncio.all_tasks()) == 1
            timers = [each for each in getattr(loop, "_scheduled", ()) if not each.cancelled()]
            assert timers == []

    with serving(other) as peer:
        run(main(peer))


def test_no_descriptor_is_left(other: Form, run: Run, tls: bool) -> None:
    async def main(peer: Peer) -> None:
        async with AsyncClient(config(), dial=dial()) as client:
            peer.answer = lambda asked: None if "never" in asked.path else asked.respond(b"ok")
            never = [asyncio.create_task(client.get_async(f"{peer.url}/never")) for _ in range(3)]
            await client.get_async(f"{peer.url}/")
            never[0].cancel()
        for each in never[1:]:
            with pytest.raises(HttpError.ConnectionError):
                await each
        with pytest.raises(asyncio.CancelledError):
            await never[0]

    with serving(other, tls=tls) as warm:
        run(main(warm))
    before = open_before()
    with serving(other, tls=tls) as peer:
        run(main(peer))
    gc.collect()
    assert not opened_since(before)
