"""One client of HTTP/2 that many threads share: who pumps changes from thread to thread."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from netkit.http import Client, HttpError, PoolConfig, Request
from netkit.http.connection.errors import ErrorCode, StreamFault
from netkit.io import CancellationError, CancellationToken
from tests.http.client.h2_peer import ROOMY, Asked, Peer, config, dial, serving
from tests.http.client.test_h2_exchanges import get, nothing, other, tls
from tests.http.connection.forms import Form
from tests.waiting import until, waits, when

__all__ = ["other", "tls"]


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Threads change places far more often than Python would have them do it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@pytest.mark.slow
def test_hundreds_of_requests_from_sixteen_threads(other: Form, tls: bool) -> None:
    """All answers belong to their requests, over one connection, also where only some may run at once."""
    count, each, most = 16, 50, 3 if tls else 10_000

    def work(client: Client, url: str, worker: int) -> None:
        for n in range(each):
            path = f"/{worker}-{n}"
            body = b"body" * (n * 10)
            answer = client.post(url + path, body) if n % 7 == 3 else client.get(url + path)
            assert answer.body == path.encode()

    limits = ROOMY.replace(max_concurrent_streams=most)
    pool = PoolConfig(max_connections=1)
    with (
        serving(other, limits, tls=tls) as peer,
        Client(config(pool_config=pool), dial=dial()) as client,
        threads(count) as workers,
    ):
        client.get(peer.url + "/")
        for done in [workers.submit(work, client, peer.url, worker) for worker in range(count)]:
            done.result(60)
        assert len(peer.requests) == count * each + 1
        assert len(peer.visits) == 1
        assert client.connections == client.idle_connections == 1


@pytest.mark.parametrize("count", [64])
def test_many_in_flight_from_as_many_threads(other: Form, tls: bool, count: int) -> None:
    with (
        serving(other, tls=tls) as peer,
        Client(config(), dial=dial()) as client,
        threads(count) as workers,
    ):
        peer.answer = nothing
        done = [workers.submit(client.get, f"{peer.url}/{n}") for n in range(count)]
        asked = peer.until_asked(count)
        order = random.Random(1).sample(range(count), count)
        for at in order:
            peer.do(lambda at=at: asked[at].respond(asked[at].path.encode()))  # type: ignore[misc]  # a default
        assert [each.result(30).body for each in done] == [b"/%d" % n for n in range(count)]
        assert client.connections == client.idle_connections == 1
        assert len(peer.visits) == 1


@pytest.mark.parametrize("how", ["deadline", "token", "reset"])
def test_a_thread_that_gives_up_does_not_stop_the_others(other: Form, how: str) -> None:
    """The one that pumps gives up while others wait, again and again."""

    def give_up(client: Client, peer: Peer) -> None:
        token = CancellationToken()
        mine = threading.current_thread()
        with ExitStack() as stack:
            if how == "token":
                stack.enter_context(when(lambda: waits(mine), token.cancel))
            stack.enter_context(pytest.raises((HttpError.Timeout, CancellationError, StreamFault)))
            client.request(get("/never", peer), cancel=token, timeout=0.02 if how == "deadline" else 20)

    def answer(asked: Asked) -> None:
        if asked.path != "/never":
            asked.respond(b"ok")
        elif how == "reset":
            asked.give_up(ErrorCode.INTERNAL_ERROR)

    with (
        serving(other) as peer,
        Client(config(), dial=dial()) as client,
        threads(8) as workers,
    ):
        peer.answer = answer
        client.get(peer.url)
        giving = [workers.submit(give_up, client, peer) for _ in range(8)]
        while not all(each.done() for each in giving):
            assert client.get(peer.url).body == b"ok"
        for each in giving:
            each.result()
        for asked in peer.requests:
            if asked.path == "/never" and how != "reset":
                assert peer.until_reset(asked) == ErrorCode.CANCEL
        assert client.connections == client.idle_connections == 1
        assert len(peer.visits) == 1


def test_a_thread_closes_the_client_while_others_wait(other: Form, tls: bool) -> None:
    with serving(other, tls=tls) as peer, Client(config(), dial=dial()) as client, threads(6) as workers:
        peer.answer = nothing
        waiting = [workers.submit(client.get, f"{peer.url}/{n}") for n in range(5)]
        posting = workers.submit(client.post, f"{peer.url}/post", b"body")
        peer.until_asked(6)
        until(lambda: sum(asked.has_ended for asked in peer.requests) == 6)
        client.close()
        for each in (*waiting, posting):
            with pytest.raises(HttpError.ConnectionError):
                each.result(20)
        until(lambda: peer.visit.is_gone)
        assert client.connections == 0
        assert len(peer.requests) == 6


def test_a_thread_closes_a_response_that_another_one_reads(other: Form) -> None:
    with serving(other) as peer, Client(config(), dial=dial()) as client, threads(2) as workers:
        peer.answer = lambda asked: asked.begin()
        response = client.stream(get("/", peer))
        reading = workers.submit(response.read)
        beside = workers.submit(client.get, peer.url + "/other")
        peer.until_asked(2)
        response.close()
        with pytest.raises(HttpError.ConnectionError, match="the response was closed"):
            reading.result(20)
        peer.do(lambda: peer.requests[1].send(b"other", end=True))
        assert beside.result(20).body == b"other"
        assert peer.until_reset(peer.requests[0]) == ErrorCode.CANCEL


@pytest.mark.slow
def test_threads_that_do_everything_at_once(other: Form, tls: bool) -> None:
    """Bodies both ways, half-read responses, deadlines; in the end nothing is left under way."""
    limits = ROOMY.replace(stream_window=65_535, connection_window=131_072)

    def upload(client: Client, peer: Peer, chance: random.Random) -> None:
        size = chance.randrange(200_000)
        answer = client.request(Request("POST", f"{peer.url}/upload", body=bytes(size)))
        assert answer.body == b"%d" % size

    def download(client: Client, peer: Peer, chance: random.Random) -> None:
        size = chance.randrange(200_000)
        assert client.get(f"{peer.url}/octets/{size}").body == bytes(size)

    def half(client: Client, peer: Peer, chance: random.Random) -> None:
        with client.stream(get(f"/octets/{chance.randrange(1, 200_000)}", peer)) as response:
            response.read(1000)

    def impatient(client: Client, peer: Peer, _: random.Random) -> None:
        with pytest.raises(HttpError.Timeout):
            client.get(f"{peer.url}/never", timeout=0.005)

    kinds: list[Callable[[Client, Peer, random.Random], None]] = [upload, download, half, impatient]

    def work(client: Client, peer: Peer, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            chance.choice(kinds)(client, peer, chance)

    def answer(asked: Asked) -> None:
        if asked.path == "/upload":
            asked.respond(b"%d" % len(asked.body))
        elif asked.path != "/never":
            asked.respond(bytes(int(asked.path.rpartition("/")[2] or 0)))

    with (
        serving(other, limits, tls=tls) as peer,
        Client(config(limits=limits), dial=dial()) as client,
        threads(12) as workers,
    ):
        client.get(peer.url)
        peer.answer = answer
        for done in [workers.submit(work, client, peer, seed) for seed in range(12)]:
            done.result(60)
        assert client.connections == client.idle_connections == 1
        assert len(peer.visits) == 1
        assert client.get(f"{peer.url}/octets/300000").body == bytes(300_000)
