"""The pool: which connection a request goes over, who waits, and what is done again."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from netkit.errors import NetkitError
from netkit.http import AsyncClient, Client, ClientConfig, DialConfig, HttpError, PoolConfig, Request, Url
from netkit.http.client.dial import Route
from netkit.http.client.pool import Pool
from netkit.io import CancellationError, CancellationToken, Event, Flow, run
from netkit.proxy.url import Proxy
from tests.http.client.conftest import Form
from tests.http.client.serving import PATIENCE, Answer, Conn, Received, Site, always, in_turn, reply, trusting
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


def limited(connections: int, **more: Any) -> ClientConfig:
    return ClientConfig(pool_config=PoolConfig(max_connections=connections, **more))


class Gate:
    """Answers as the test opens it; `arrived` are the targets that wait, in their order."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self._open: dict[str, threading.Event] = {}
        self._guard = threading.Lock()

    def __call__(self, request: Received, conn: Conn) -> bytes:
        event = self._event(request.target)
        self.arrived.append(request.target)
        assert event.wait(PATIENCE)
        return reply(request.target.encode())

    def open(self, target: str) -> None:
        self._event(target).set()

    def _event(self, target: str) -> threading.Event:
        with self._guard:
            return self._open.setdefault(target, threading.Event())


def started(form: Form, client: Any, url: str, **named: Any) -> Future[Any]:
    return form.start(client.request, Request("GET", url), **named)


def waiting(client: Any) -> int:
    """How many requests wait for their turn."""
    pool = getattr(client, "client", client)._core.pool  # noqa: SLF001
    return sum(not seat.has_left for seat in pool._seats)  # noqa: SLF001


# Use again


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_connection_is_used_again(client_form: Form, tls: bool) -> None:
    client = client_form.client(dial=DialConfig(tls=trusting()))
    with Site(always(reply(b"x")), tls=tls) as site:
        responses = [client_form.get(client, site.url(f"/{n}")) for n in range(5)]
        assert [each.connection.reused for each in responses] == [False, True, True, True, True]
        assert (site.connections, client.connections, client.idle_connections) == (1, 1, 1)
        with client_form.stream(client, site.url()):
            pass
        assert site.connections == 1


@pytest.mark.parametrize(
    ("octets", "lasts"),
    [
        (reply(b"x"), True),
        (reply(b"x", 200, ("Connection", "close")), False),
        (reply(b"x", 200, ("Connection", "foo, Close")), False),
        (reply(b"x", version="HTTP/1.0"), False),
        (reply(b"x", 200, ("Connection", "keep-alive"), version="HTTP/1.0"), True),
        (reply(b"", 204), True),
    ],
)
def test_what_a_response_says_of_the_connection(client_form: Form, octets: bytes, lasts: bool) -> None:
    client = client_form.client()
    with Site(always(octets)) as site:
        for _ in range(2):
            client_form.get(client, site.url())
            assert (client.connections, client.idle_connections) == ((1, 1) if lasts else (0, 0))
        assert site.connections == (1 if lasts else 2)


def test_the_caller_says_close(client_form: Form) -> None:
    client = client_form.client()
    with Site(always(reply(b"x"))) as site:
        client_form.get(client, site.url(), {"Connection": "close"})
        assert site.requests[0].all("connection") == ["close"]
        assert client.connections == 0


def test_origins_do_not_share(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as site:
        dial = DialConfig(connect_to={f"{name}.example:80": site.endpoint for name in "ab"})
        client = client_form.client(dial=dial)
        for name in "abab":
            client_form.get(client, f"http://{name}.example/")
        assert site.connections == 2
        assert client.idle_connections == 2


def test_what_makes_routes_equal() -> None:
    url = Url.parse("https://a.example/x")
    proxy = Proxy.parse("http://127.0.0.1:1")
    routes = [
        Route(url, None, 0),
        Route(Url.parse("https://a.example:444/x"), None, 0),
        Route(Url.parse("http://a.example:443/x"), None, 0),
        Route(Url.parse("https://b.example/x"), None, 0),
        Route(url, proxy, 0),
        Route(url, Proxy.parse("http://user:one@127.0.0.1:1"), 0),
        Route(url, Proxy.parse("http://user:two@127.0.0.1:1"), 0),
        Route(url, None, 1),
    ]
    assert len(set(routes)) == len(routes)
    assert Route(Url.parse("HTTPS://A.example:443/y"), None, 0) == routes[0]
    assert Route(url, Proxy.parse("http://127.0.0.1:1"), 0) == routes[4]


def test_event_loops_have_connections_of_their_own() -> None:
    client = AsyncClient()
    with Site(always(reply(b"x"))) as site:

        async def main() -> None:
            for _ in range(2):
                await client.get_async(site.url())

        for count in (1, 2):
            asyncio.run(main())
            assert site.connections == count
        client.close()  # of loops that are over, too
        until(lambda: site.open == 0)
        assert client.connections == 0


# Unasked octets, and closed connections


def test_octets_that_nobody_asked_for_end_the_connection(client_form: Form) -> None:
    """They could be the answer to what somebody else has sent: the next request does not get it."""
    client = client_form.client()
    sent = threading.Event()

    def later(request: Received, conn: Conn) -> None:
        conn.send(reply(b"x"))
        if request.connection == 1:
            conn.send(reply(b"evil"))
        sent.set()

    with Site(later) as site:
        assert client_form.get(client, site.url()).body == b"x"
        assert sent.wait(PATIENCE)
        assert client_form.get(client, site.url()).body == b"x"
        assert site.connections == 2

    client = client_form.client()
    with Site(in_turn(reply(b"x") + reply(b"evil"), reply(b"y"))) as site:
        assert client_form.get(client, site.url()).body == b"x"
        assert client_form.get(client, site.url()).body == b"y"
        assert site.connections == 2


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_was_closed_while_idle(client_form: Form, method: str, tls: bool) -> None:
    """That shows before anything is sent, so that every method goes over a new one."""
    client = client_form.client(dial=DialConfig(tls=trusting()))

    def once(request: Received, conn: Conn) -> None:
        conn.send(reply(b"x"))
        conn.close()

    with Site(once, tls=tls) as site:
        for count in (1, 2, 3):
            assert client_form.call(client.request, Request(method, site.url())).body == b"x"
            until(lambda: site.open == 0)
            assert site.connections == count


def hang_up(request: Received, conn: Conn) -> None:
    conn.close()


def reset(request: Received, conn: Conn) -> None:
    conn.reset()


def half_an_answer(request: Received, conn: Conn) -> None:
    conn.send(b"HTTP/1.1 2")
    conn.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("end", [hang_up, reset])
@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PUT", b"body"), ("PUT", bytes(200_000)), ("DELETE", None)]
)
def test_a_request_goes_again_over_a_fresh_connection(
    client_form: Form, method: str, body: bytes | None, end: Any, tls: bool
) -> None:
    client = client_form.client(dial=DialConfig(tls=trusting()))
    with Site(in_turn(reply(b"x"), end, reply(b"y")), tls=tls) as site:
        client_form.get(client, site.url())
        response = client_form.call(client.request, Request(method, site.url("/again")), body=body)
        assert response.body == b"y"
        assert [each.connection for each in site.requests] == [1, 1, 2]
        assert [each.body for each in site.requests[1:]] == [body or b""] * 2
        assert client.connections == 1


@pytest.mark.parametrize("end", [hang_up, reset])
@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", None), ("POST", b"body"), ("PATCH", None), ("PUT", "once")],
)
def test_a_request_that_does_not_go_again(client_form: Form, method: str, body: Any, end: Any) -> None:
    """The server may have done it, or the body is gone."""
    client = client_form.client()
    with Site(in_turn(reply(b"x"), end, reply(b"y"))) as site:
        client_form.get(client, site.url())
        source = iter([b"body"]) if body == "once" else body
        with pytest.raises(HttpError.ConnectionError):
            client_form.call(client.request, Request(method, site.url()), body=source)
        assert [each.connection for each in site.requests] == [1, 1]
        assert client.connections == 0


def test_one_retry_and_no_more(client_form: Form) -> None:
    client = client_form.client()
    with Site(in_turn(reply(b"x"), hang_up)) as site:
        client_form.get(client, site.url())
        with pytest.raises(HttpError.ConnectionError):
            client_form.get(client, site.url())
        assert [each.connection for each in site.requests] == [1, 1, 2]
        with pytest.raises(HttpError.ConnectionError):
            client_form.get(client, site.url())  # none is idle: this is a fresh one already
        assert len(site.requests) == 4
        assert client.connections == 0


def test_not_after_an_octet_of_the_response(client_form: Form) -> None:
    client = client_form.client()
    with Site(in_turn(reply(b"x"), half_an_answer, reply(b"y"))) as site:
        client_form.get(client, site.url())
        with pytest.raises(NetkitError):
            client_form.get(client, site.url())
        assert len(site.requests) == 2


def test_the_retry_does_not_take_another_idle_connection(client_form: Form) -> None:
    """It could be as dead as the first."""
    gate = Gate()
    client = client_form.client()
    with Site(gate) as site:
        futures = [started(client_form, client, site.url(f"/{n}")) for n in range(3)]
        until(lambda: len(gate.arrived) == 3)
        for n in range(3):
            gate.open(f"/{n}")
        for future in futures:
            future.result(PATIENCE)
        assert client.idle_connections == 3
        site.answer = in_turn(hang_up, reply(b"y"))
        assert client_form.get(client, site.url()).body == b"y"
        assert site.connections == 4


# Limits and turns


def test_no_more_than_max_connections(client_form: Form) -> None:
    gate = Gate()
    client = client_form.client(limited(2))
    with Site(gate) as site:
        futures = []
        for n in range(6):  # one after the other, so that there is an order
            futures.append(started(client_form, client, site.url(f"/{n}")))
            until(lambda begun=n + 1: len(gate.arrived) + waiting(client) == begun)  # type: ignore[misc]
        assert sorted(gate.arrived) == ["/0", "/1"]
        assert client.connections == 2
        for n in range(6):
            most = min(n + 2, 6)
            until(lambda most=most: len(gate.arrived) == most)  # type: ignore[misc]
            gate.open(f"/{n}")
            assert futures[n].result(PATIENCE).body == b"/%d" % n
        assert gate.arrived[2:] == ["/2", "/3", "/4", "/5"]
        assert site.connections == 2


def test_who_comes_late_does_not_go_first() -> None:
    """A request that begins in the instant in which a turn is given does not take it."""
    arrived: list[str] = []
    rest = threading.Event()

    async def main() -> None:
        async with AsyncClient(limited(1)) as client:
            holder = await client.stream_async(Request("GET", site.url("/hold")))
            tasks = []
            for n in range(3):  # one after the other, so that there is an order
                tasks.append(asyncio.create_task(client.get_async(site.url(f"/{n}"))))
                while waiting(client) <= n:
                    await asyncio.sleep(0)
            rest.set()
            await holder.read_to_end_async(10)  # gives the connection back
            await client.get_async(site.url("/late"))
            await asyncio.gather(*tasks)

    with Site(slow(rest, arrived)) as site:
        asyncio.run(main())
        assert arrived == ["/hold", "/0", "/1", "/2", "/late"]


def slow(rest: threading.Event, arrived: list[str]) -> Answer:
    """The head at once, and the body when `rest` is set."""

    def answer(request: Received, conn: Conn) -> bytes:
        arrived.append(request.target)
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
        assert rest.wait(PATIENCE)
        return b"x"

    return answer


@pytest.mark.parametrize("by", ["token", "task"])
def test_who_leaves_gives_the_turn_on(client_form: Form, by: str) -> None:
    if by == "task" and client_form.name == "blocking":
        pytest.skip("a task is one of asyncio")
    gate = Gate()
    client = client_form.client(limited(1))
    token = CancellationToken()
    with Site(gate) as site:
        first = started(client_form, client, site.url("/0"))
        until(lambda: gate.arrived)
        second = started(client_form, client, site.url("/1"), cancel=token)
        until(lambda: waiting(client) == 1)
        third = started(client_form, client, site.url("/2"))
        until(lambda: waiting(client) == 2)
        if by == "token":
            token.cancel()
            with pytest.raises(CancellationError):
                second.result(PATIENCE)
        else:
            assert second.cancel()
            until(lambda: waiting(client) == 1)
        gate.open("/0")
        gate.open("/2")
        first.result(PATIENCE)
        assert third.result(PATIENCE).body == b"/2"
        assert gate.arrived == ["/0", "/2"]
        assert client.connections == client.idle_connections == 1


def test_a_waiter_that_is_cancelled_in_the_turn_in_which_it_is_called() -> None:
    """The turn is not lost, whichever of the two comes first."""

    async def main(cancel_first: bool) -> None:
        rest.clear()
        async with AsyncClient(limited(1)) as client:
            holder = await client.stream_async(Request("GET", site.url()))
            tasks = [asyncio.create_task(client.get_async(site.url())) for _ in range(3)]
            while waiting(client) < 3:
                await asyncio.sleep(0)
            rest.set()
            if cancel_first:
                tasks[0].cancel()
                holder.close()
            else:
                holder.close()
                tasks[0].cancel()
            done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
            assert isinstance(done[0], asyncio.CancelledError)
            assert [each.body for each in done[1:]] == [b"x", b"x"]  # type: ignore[union-attr]
            assert client.connections == client.idle_connections == 1

    rest = threading.Event()
    with Site(slow(rest, [])) as site:
        for cancel_first in (False, True):
            asyncio.run(main(cancel_first))


def test_the_idle_connection_of_another_origin_makes_room(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as site:
        dial = DialConfig(connect_to={f"{name}.example:80": site.endpoint for name in "abc"})
        client = client_form.client(limited(2), dial=dial)
        for name in "abc":  # the one that was idle longest goes
            client_form.get(client, f"http://{name}.example/")
            assert client.connections <= 2
        until(lambda: site.open == 2)
        for name in "bc":
            client_form.get(client, f"http://{name}.example/")
        assert site.connections == 3


def test_a_waiter_of_another_origin_gets_the_connection_that_is_given_back(client_form: Form) -> None:
    gate = Gate()
    with Site(gate) as site:
        dial = DialConfig(connect_to={f"{name}.example:80": site.endpoint for name in "ab"})
        client = client_form.client(limited(1), dial=dial)
        first = started(client_form, client, "http://a.example/0")
        until(lambda: gate.arrived)
        second = started(client_form, client, "http://b.example/1")
        until(lambda: waiting(client) == 1)
        gate.open("/0")
        gate.open("/1")
        assert first.result(PATIENCE).body == b"/0"
        assert second.result(PATIENCE).body == b"/1"
        assert (site.connections, client.connections) == (2, 1)


def test_a_failed_connection_gives_its_place_to_who_waits(client_form: Form) -> None:
    gate = Gate()
    with Site(gate) as site:
        dial = DialConfig(connect_to={"b.example:80": "127.0.0.1:1"})
        client = client_form.client(limited(1), dial=dial)
        holder = started(client_form, client, site.url("/0"))
        until(lambda: gate.arrived)
        refused = started(client_form, client, "http://b.example/")
        until(lambda: waiting(client) == 1)
        last = started(client_form, client, site.url("/1"))
        until(lambda: waiting(client) == 2)
        gate.open("/0")
        gate.open("/1")
        holder.result(PATIENCE)
        with pytest.raises(HttpError.ConnectionError):
            refused.result(PATIENCE)
        assert last.result(PATIENCE).body == b"/1"


# Time


def test_an_idle_connection_ends_after_its_time(client_form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("netkit.http.client.pool.monotonic", lambda: now[0])
    client = client_form.client(limited(5, idle_timeout=10.0))
    with Site(always(reply(b"x"))) as site, Site(always(reply(b"y"))) as other:
        client_form.get(client, site.url())
        now[0] += 9
        client_form.get(client, site.url())
        assert site.connections == 1
        now[0] += 11
        client_form.get(client, other.url())  # whichever request looks at the pool
        assert client.connections == 1
        until(lambda: site.open == 0)
        client_form.get(client, site.url())
        assert site.connections == 2


def test_an_idle_timeout_of_nothing_keeps_nothing(client_form: Form) -> None:
    client = client_form.client(limited(5, idle_timeout=0.0))
    with Site(always(reply(b"x"))) as site:
        client_form.get(client, site.url())
        assert client.connections == 0
        client_form.get(client, site.url())
        assert site.connections == 2


# The end


def test_close_ends_all(client_form: Form) -> None:
    gate = Gate()
    client = client_form.client(limited(1))
    with Site(gate) as site:
        busy = started(client_form, client, site.url("/0"))
        until(lambda: gate.arrived)
        waiter = started(client_form, client, site.url("/1"))
        until(lambda: waiting(client) == 1)
        client.close()
        for future in (busy, waiter):
            with pytest.raises(HttpError.ConnectionError, match="closed"):
                future.result(PATIENCE)
        assert client.connections == 0
        with pytest.raises(HttpError.ConnectionError, match="closed") as caught:
            client_form.get(client, site.url("/2"))
        assert caught.value.fault == "caller"
        gate.open("/0")
        assert gate.arrived == ["/0"]


def test_close_while_a_connection_is_made(client_form: Form) -> None:
    """The request does not go over a connection that nobody would close."""
    client = client_form.client(dial=DialConfig(tls=trusting()))
    gate = threading.Event()
    with Site(always(reply(b"x")), tls=True) as site:
        serve = site._serve  # noqa: SLF001

        def late(*arguments: Any) -> None:
            assert gate.wait(PATIENCE)
            serve(*arguments)

        site._serve = late  # type: ignore[method-assign,assignment]  # noqa: SLF001
        future = started(client_form, client, site.url())
        until(lambda: site.connections)
        client.close()
        gate.set()
        with pytest.raises(HttpError.ConnectionError, match="closed"):
            future.result(PATIENCE)
        assert client.connections == 0
        assert not site.requests


def test_one_connect_for_many_while_the_protocol_is_unknown(client_form: Form) -> None:
    """Over TLS it may turn out to be HTTP/2, which one connection is enough for; then it is HTTP/1.1."""
    client = client_form.client(dial=DialConfig(tls=trusting()))
    gate = Gate()
    shake = threading.Event()
    with Site(gate, tls=True) as site:
        serve = site._serve  # noqa: SLF001

        def late(*arguments: Any) -> None:
            assert shake.wait(PATIENCE)
            serve(*arguments)

        site._serve = late  # type: ignore[method-assign,assignment]  # noqa: SLF001
        futures = [started(client_form, client, site.url(f"/{n}")) for n in range(3)]
        until(lambda: site.connections == 1)
        assert client.connections == 1
        shake.set()
        until(lambda: len(gate.arrived) == 3)
        assert site.connections == 3
        for n, future in enumerate(futures):
            gate.open(f"/{n}")
            assert future.result(PATIENCE).body == b"/%d" % n


def test_a_failed_connect_fails_all_who_wait_for_it(client_form: Form) -> None:
    client = client_form.client(dial=DialConfig(tls=trusting()))
    gate = threading.Event()
    with Site(always(reply(b"x")), tls=True) as site:

        def refuse(sock: Any, number: int) -> None:
            assert gate.wait(PATIENCE)
            sock.close()

        site._serve = refuse  # type: ignore[method-assign]  # noqa: SLF001
        futures = [started(client_form, client, site.url()) for _ in range(3)]
        until(lambda: site.connections == 1)
        gate.set()
        for future in futures:
            with pytest.raises(HttpError):
                future.result(PATIENCE)
        assert client.connections == 0


def test_ten_threads_and_one_client() -> None:
    with Site(lambda request, conn: reply(request.target.encode())) as site, Client(limited(4)) as client:
        wrong: list[object] = []

        def work(name: int) -> None:
            for n in range(50):
                body = client.get(site.url(f"/{name}/{n}")).body
                if body != b"/%d/%d" % (name, n):
                    wrong.append(body)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not wrong
        assert len(site.requests) == 500
        assert site.connections <= 4
        assert client.connections == client.idle_connections <= 4


# The turns by themselves, with channels that are no connections


class FakeChannel:
    """A channel of HTTP/2 with room for so many requests."""

    is_http2 = True
    is_usable = True

    def __init__(self, room: int) -> None:
        self.room = room
        self.in_flight = 0
        self.idle_since = 0.0
        self.closed = False
        self.settled = Event()
        self.settled.set()

    @property
    def has_room(self) -> bool:
        return self.in_flight < self.room

    def is_alive(self) -> bool:
        return self.has_room

    def close(self) -> None:
        self.closed = True

    retire = close


def acquired(pool: Pool, route: Route, channel: FakeChannel) -> Flow[bool]:
    def dial() -> Flow[Any]:
        return channel
        yield

    found, reused = yield from pool.acquire_flow(route, dial, may_share=True)  # type: ignore[arg-type]
    found.in_flight += 1  # type: ignore[misc]
    return reused


def test_a_shared_connection_calls_all_whom_it_has_room_for() -> None:
    """They wait because every connection is in use. When one of them gets a shared one, that is enough."""
    pool = Pool(PoolConfig(max_connections=1))
    one = Route(Url.parse("https://a.example/"), None, 0)
    other = Route(Url.parse("https://b.example/"), None, 0)
    first, shared = FakeChannel(1), FakeChannel(3)
    assert run(acquired(pool, other, first)) is False
    flows = [acquired(pool, one, shared) for _ in range(5)]
    for flow in flows:
        flow.send(None)  # type: ignore[arg-type]
    pool.release(other, first)  # type: ignore[arg-type]
    ended = []
    for n, flow in enumerate(flows):
        try:
            flow.send(True)
        except StopIteration:
            ended.append(n)
    assert ended == [0, 1, 2]
    assert first.closed
    shared.in_flight -= 1
    pool.release(one, shared)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        flows[3].send(True)
    flows[4].send(True)  # waits on
    flows[4].close()
    assert len(pool) == 1
    pool.close()


def test_who_finds_room_that_has_just_come_is_counted() -> None:
    """Between two looks of one request at a shared connection, another thread ends the last request on it."""

    class JustNow(FakeChannel):
        looks = 0

        @property
        def has_room(self) -> bool:
            self.looks += 1
            return self.looks > 1

    pool = Pool(PoolConfig(max_connections=1))
    route = Route(Url.parse("https://a.example/"), None, 0)
    channel = JustNow(1)
    run(acquired(pool, route, channel))
    pool.release(route, channel)  # type: ignore[arg-type]
    assert pool.idle == 1
    assert run(acquired(pool, route, channel)) is True
    assert pool.idle == 0
    pool.release(route, channel)  # type: ignore[arg-type]
    assert (len(pool), pool.idle, channel.closed) == (1, 1, False)
    pool.close()
