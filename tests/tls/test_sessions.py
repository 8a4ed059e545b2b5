"""Sessions that are resumed: the store, and connections that use it, blocking and async."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from netkit.net import TcpStream
from netkit.tls import sessions
from netkit.tls.backend import ResumableSession
from netkit.tls.backends.content import ContentCount
from netkit.tls.config import TlsConfig
from netkit.tls.sessions import LONGEST_LIFE, MemorySessionStore
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from tests.tls.each_backend import each_backend  # noqa: F401 - a fixture
from tests.tls.serving import echoing, listening
from tests.tls.test_stream import CLIENT, HOST, SERVER, Both

VERSIONS = (TlsVersion.Tls12, TlsVersion.Tls13)


def made(
    number: int = 0, version: TlsVersion = TlsVersion.Tls13, lifetime: int | None = 100
) -> ResumableSession:
    return ResumableSession("ssl", version, number, lifetime)


class TestStore:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1000.0]
        monkeypatch.setattr(sessions, "monotonic", lambda: now[0])
        return now

    def test_one_of_tls13_is_given_out_once(self) -> None:
        store = MemorySessionStore()
        store.put("scope", HOST, made(1))
        store.put("scope", HOST, made(2))
        assert len(store) == 2
        assert store.take("scope", HOST) == made(2)
        assert store.take("scope", HOST) == made(1)
        assert store.take("scope", HOST) is None
        assert len(store) == 0

    def test_one_of_tls12_is_given_out_again(self) -> None:
        store = MemorySessionStore()
        session = made(version=TlsVersion.Tls12)
        store.put("scope", HOST, session)
        assert store.take("scope", HOST) is store.take("scope", HOST) is session

    def test_names_and_scopes_are_told_apart(self) -> None:
        store = MemorySessionStore()
        store.put("scope", HOST, made())
        assert store.take("other", HOST) is None
        assert store.take("scope", "else.example") is None
        assert store.take("scope", HOST.upper()) == made()

    @pytest.mark.parametrize(
        ("lifetime", "lives"), [(100, 100), (None, LONGEST_LIFE), (LONGEST_LIFE * 2, LONGEST_LIFE), (0, 0)]
    )
    def test_lifetime(self, clock: list[float], lifetime: int | None, lives: int) -> None:
        store = MemorySessionStore()
        for _ in range(2):
            store.put("scope", HOST, made(lifetime=lifetime))
        if lives:
            clock[0] += lives - 0.5
            assert store.take("scope", HOST) is not None
            clock[0] += 0.5
        assert store.take("scope", HOST) is None
        assert len(store) == 0

    def test_one_that_has_expired_hides_no_other(self, clock: list[float]) -> None:
        store = MemorySessionStore()
        store.put("scope", HOST, made(1, lifetime=100))
        store.put("scope", HOST, made(2, lifetime=10))
        clock[0] += 50
        assert store.take("scope", HOST) == made(1)

    def test_the_server_used_least_recently_goes_first(self) -> None:
        store = MemorySessionStore(servers=2)
        for name in ("a", "b"):
            store.put("scope", name, made(version=TlsVersion.Tls12))
        store.put("scope", "a", made(1, version=TlsVersion.Tls12))
        store.put("scope", "c", made(version=TlsVersion.Tls12))
        assert store.take("scope", "b") is None
        assert store.take("scope", "a") is not None
        assert store.take("scope", "c") is not None

    def test_of_each_server_the_newest_are_kept(self) -> None:
        store = MemorySessionStore(each=2)
        for number in range(5):
            store.put("scope", HOST, made(number))
        assert [store.take("scope", HOST) for _ in range(3)] == [made(4), made(3), None]

    def test_threads(self) -> None:
        """None is lost, and none is given out twice."""
        store = MemorySessionStore(each=10_000)
        taken: list[ResumableSession] = []

        def work(first: int) -> None:
            for number in range(first, first + 1000):
                store.put("scope", HOST, made(number))
                session = store.take("scope", HOST)
                if session is not None:
                    taken.append(session)

        threads = [threading.Thread(target=work, args=(first,)) for first in (0, 1000, 2000, 3000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        while (left := store.take("scope", HOST)) is not None:
            taken.append(left)
        assert sorted(session.value for session in taken) == list(range(4000))  # type: ignore[type-var]

    def test_clear(self) -> None:
        store = MemorySessionStore()
        store.put("scope", HOST, made())
        store.clear()
        assert store.take("scope", HOST) is None

    def test_what_is_shown_of_a_session(self) -> None:
        assert repr(ResumableSession("ssl", TlsVersion.Tls13, 1, data=b"secret")) == (
            f"<ResumableSession ssl {TlsVersion.Tls13}>"
        )


def keeping(**changes: Any) -> TlsConfig:
    return CLIENT.replace(**{"session_store": MemorySessionStore()} | changes)


def exchanged(client: TlsConfig, server: TlsConfig = SERVER, name: str = HOST) -> bool | None:
    """Whether a connection was resumed, after one message each way."""
    with Both(client, server, name) as both:
        both.client.write_all(b"ping", timeout=5)
        assert both.server.read(timeout=5) == b"ping"
        both.server.write_all(b"pong", timeout=5)
        assert both.client.read_exactly(4, timeout=5) == b"pong"
        assert both.client.resumed == both.server.resumed
        assert both.client.peer_chain
        return both.client.resumed


@pytest.mark.usefixtures("each_backend")
class TestResumption:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_each_version(self, version: TlsVersion) -> None:
        client = keeping(max_version=version)
        assert [exchanged(client) for _ in range(4)] == [False, True, True, True]

    def test_it_is_not_asked_for(self) -> None:
        assert [exchanged(CLIENT) for _ in range(2)] == [False, False]

    def test_the_names_of_a_server_are_told_apart(self) -> None:
        client = keeping()
        assert exchanged(client) is False
        assert exchanged(client, name="127.0.0.1") is False
        assert exchanged(client, name=HOST.upper()) is True

    @pytest.mark.parametrize(
        "changes",
        [
            {"alpn_protocols": ("h2",)},
            {"identity": None},
            {"min_version": TlsVersion.Tls13},
            {"distrusted": None},
        ],
    )
    def test_never_across_settings(self, changes: dict[str, Any]) -> None:
        """What was verified with other settings is verified again: the scope is the configuration."""
        first = keeping()
        if "identity" in changes:
            other = first.with_identity(SERVER.identity_cert, SERVER.identity_key)  # type: ignore[arg-type]
        elif "distrusted" in changes:
            other = first.with_root_certs([*first.root_certs, SERVER.identity_cert])  # type: ignore[list-item]
        else:
            other = first.replace(**changes)
        assert exchanged(first) is False
        assert exchanged(other) is False
        assert exchanged(first) is True
        assert exchanged(other) is True

    def test_a_server_that_does_not_know_the_ticket(self) -> None:
        client = keeping()
        assert exchanged(client) is False
        assert exchanged(client, SERVER.with_alpn(["h2"])) is False  # another context has other keys

    def test_a_ticket_that_comes_with_nothing_else(self) -> None:
        """Nobody reads data, and the ticket is kept all the same: by the read that waits for more."""
        client = keeping()
        store = client.session_store
        assert isinstance(store, MemorySessionStore)
        with Both(client) as both:
            assert both.client.read_nonblock() is None
            both.server.shutdown(timeout=5)
            assert both.client.read(timeout=5) == b""
            assert len(store) >= 1

    def test_into_the_callers_buffer(self) -> None:
        from netkit.io import run

        client = keeping()
        with Both(client) as both:
            both.server.write_all(b"pong", timeout=5)
            view = memoryview(bytearray(100))
            assert run(both.client.read_into_flow(view)) == 4
        assert exchanged(client) is True

    def test_no_tickets(self) -> None:
        client = keeping(min_version=TlsVersion.Tls13)
        server = SERVER.replace(tickets=0)
        assert [exchanged(client, server) for _ in range(2)] == [False, False]

    def test_async(self) -> None:
        client = keeping()

        async def talk(port: int) -> bool | None:
            tcp = await TcpStream.connect_async(("127.0.0.1", port), timeout=5)
            async with await TlsStream.connect_async(tcp, HOST, client, timeout=5) as stream:
                await stream.write_all_async(b"ping", timeout=5)
                assert await stream.read_exactly_async(4, timeout=5) == b"ping"
                return stream.resumed

        async def main(port: int) -> list[bool | None]:
            return [await talk(port) for _ in range(3)]

        with listening(echoing(SERVER)) as port:
            assert asyncio.run(main(port)) == [False, True, True]


def records(*contents: int, kind: int = 23) -> bytes:
    return b"".join(bytes([kind, 3, 3]) + (size + 17).to_bytes(2) + bytes(size + 17) for size in contents)


class TestContentCount:
    @pytest.mark.parametrize("pieces", [1, 3, 7, 1000])
    @pytest.mark.parametrize("kind", [bytes, memoryview])
    def test_pieces_of_any_size(self, pieces: int, kind: Callable[[bytes], bytes]) -> None:
        wire = records(1, 200, 0, 5)
        count = ContentCount()
        for start in range(0, len(wire), pieces):
            count.feed(kind(wire[start : start + pieces]))
        assert count.content == 206

    def test_what_is_no_data(self) -> None:
        count = ContentCount()
        count.feed(records(1, kind=20) + b"\x17\x03\x03\x00\x00" + b"\x17\x03\x03\x00\x02xx" + records(4))
        assert count.content == 4

    def test_a_record_counts_when_it_is_whole(self) -> None:
        count = ContentCount()
        wire = records(100)
        count.feed(wire[:-1])
        assert count.content == 0
        count.feed(wire[-1:])
        assert count.content == 100


def test_the_session_is_looked_at_only_where_a_ticket_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """To look costs a quarter of a handshake, so reads of data do not."""
    from netkit.tls.backends import standard

    given: list[object] = []
    take = standard.StandardSession.take_sessions

    def counting(self: standard.StandardSession) -> tuple[ResumableSession, ...]:
        before = self._explained
        found = take(self)
        given.append((self._explained != before, len(found)))
        return found

    monkeypatch.setattr(standard.StandardSession, "take_sessions", counting)
    with Both(keeping(backend="ssl")) as both:
        for _ in range(20):
            both.server.write_all(b"x" * 1000, timeout=5)
            assert both.client.read_exactly(1000, timeout=5)
    assert len(given) >= 20
    assert given.count((True, 1)) == 1
    assert set(given) == {(True, 1), (False, 0)}
