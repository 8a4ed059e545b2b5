"""Questions over UDP, TCP, TLS and HTTPS to scripted servers, by the flows that share sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Message, Question, make_query
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.resolution import Resolution
from netkit.dns.policy.steps import Done
from netkit.dns.policy.upstream import Transport, Upstream
from netkit.dns.transports.chance import Chance
from netkit.dns.transports.places import Places
from netkit.dns.transports.pump import pump_flow
from netkit.dns.transports.query import QueryEncoder
from netkit.dns.transports.ready import AT_ONCE, ReadySet
from netkit.dns.transports.reply import Reply
from netkit.dns.transports.station import Settings, Station
from netkit.dns.transports.stream_channel import StreamChannel
from netkit.dns.transports.streams import connect_flow
from netkit.dns.transports.table import Outstanding
from netkit.dns.transports.udp_pool import MAX_SOCKETS, SOCKET_QUESTIONS, UdpPool
from netkit.dns.transports.waiting import FULL_SECONDS, Waiting
from netkit.io import (
    PAUSE,
    CancellationError,
    CancellationToken,
    Event,
    Flow,
    Want,
    all_of,
    race,
    run,
    run_async,
    sleep_until,
)
from netkit.tls.config import TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority
from tests.conftest import free_port
from tests.dns.scripted import CLOSE, Asked, Pieces, ScriptedServer, answer, framed
from tests.waiting import until

Drive = Callable[..., Any]

PATIENT = QueryOptions(timeout=10.0, tries=1)
SHORT = QueryOptions(timeout=0.2, tries=1)


def right(asked: Asked) -> Message:
    return answer(asked, f"{asked.name} 60 A 192.0.2.{int(asked.name[1:].partition('.')[0]) % 250}")


def question(number: int = 1) -> Question:
    return Question(f"h{number}.example.", 1)


def upstream_of(server: ScriptedServer, transport: Transport = Transport.UDP, **more: Any) -> Upstream:
    return Upstream(server.addr, transport, **more)


def asks(
    station: Station, upstreams: Sequence[Upstream], options: QueryOptions = PATIENT, number: int = 1
) -> Flow[Reply]:
    """Flow: the first reply to a question; raises the machine's error."""
    machine = Resolution(question(number), upstreams, options, monotonic(), station.random, any_reply=True)
    done: Done = yield from pump_flow(machine, station)
    if done.error is not None:
        raise done.error
    assert done.reply is not None
    return done.reply


@pytest.fixture
def station() -> Iterator[Station]:
    made = Station(Settings())
    yield made
    made.close()
    assert not made.is_in_use
    assert made.udp.sockets == made.streams.connections == 0


class TestUdp:
    def test_one_after_the_other_through_one_socket(self, station: Station, drive: Drive) -> None:
        with ScriptedServer(right) as server:

            def several() -> Flow[list[Reply]]:
                replies: list[Reply] = []
                for number in range(5):
                    reply = yield from asks(station, [upstream_of(server)], number=number)
                    replies.append(reply)
                return replies

            replies = drive(several())
        assert [str(reply.message.answer[0].name) for reply in replies] == [
            f"h{n}.example." for n in range(5)
        ]
        assert station.udp.sockets == 1
        assert all(reply.elapsed_s > 0 and reply.transport == "udp" for reply in replies)

    def test_a_hundred_at_once_answered_in_any_order(self, station: Station, drive: Drive) -> None:
        held: list[tuple[Asked, Message]] = []

        def script(asked: Asked) -> Any:
            held.append((asked, right(asked)))
            return None

        class Shuffling(ScriptedServer):
            def _serve_udp(self) -> None:
                peers = []
                while True:
                    wire, peer = self._udp.recvfrom(65535)
                    if not wire:
                        return
                    list(self._replies(wire, over_tcp=False))
                    peers.append(peer)
                    if len(held) == 100:
                        for (_, message), to in sorted(
                            zip(held, peers, strict=True), key=lambda pair: pair[0][1].id
                        ):
                            self._udp.sendto(message.to_wire(), to)

        with Shuffling(script) as server:
            flows = [asks(station, [upstream_of(server)], number=number) for number in range(100)]
            outcomes = drive(all_of(flows))
        for number, outcome in enumerate(outcomes):
            reply = outcome.unwrap()
            assert reply.message.question[0] == question(number)
            assert reply.message.answer[0].address == SocketAddr.new(f"192.0.2.{number % 250}", 1).ip
        assert 10 < station.udp.sockets <= MAX_SOCKETS
        assert station.udp.outstanding == 0

    def test_ports_are_random_and_replaced(self, station: Station) -> None:
        ports: set[int] = set()
        pool = UdpPool(Chance())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            addr = SocketAddr.new("127.0.0.1", server.getsockname()[1])
            wire, asked = QueryEncoder().encode(make_query("example.", 1, id=1))
            for _ in range(3 * SOCKET_QUESTIONS):
                one = Outstanding(wire, asked, None, Event())
                assert pool.send(one, addr) is None
                ports.add(server.recvfrom(512)[1][1])
                pool.drop(one)
            assert len(ports) == 3
            assert pool.sockets == 1, "the old ones are closed"
        pool.close()

    def test_ten_thousand_outstanding(self) -> None:
        pool = UdpPool(Chance())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            addr = SocketAddr.new("127.0.0.1", server.getsockname()[1])
            encoder = QueryEncoder()
            waiting: list[tuple[Outstanding, Event]] = []
            queries = []
            for number in range(10_000):
                wire, asked = encoder.encode(make_query(f"h{number}.example.", 1, id=number))
                event = Event()
                one = Outstanding(wire, asked, None, event)
                assert pool.send(one, addr) is None
                waiting.append((one, event))
                queries.append(server.recvfrom(512))
            assert (pool.outstanding, pool.sockets) == (10_000, MAX_SOCKETS)
            for number, (wire, peer) in enumerate(queries):
                server.sendto(wire[:2] + b"\x84\x00" + wire[4:], peer)
                if number % 50 == 49:
                    run(pool.wait_flow(*waiting[number]))
            for each in waiting:
                run(pool.wait_flow(*each))
        assert pool.outstanding == 0
        for number, (one, _) in enumerate(waiting):
            assert one.answer is not None
            assert Message.from_wire(one.answer).question[0] == question(number)
        pool.close()

    def test_an_answer_longer_than_the_query_allows_is_taken_whole(
        self, station: Station, drive: Drive
    ) -> None:
        text = f"h1.example. 60 TXT {'x' * 250}"
        with ScriptedServer(lambda asked: answer(asked, *[text] * 30)) as server:
            reply = drive(asks(station, [upstream_of(server)]))
        assert (len(reply.message.answer), reply.size > 30 * 250) == (30, True)

    def test_a_closed_port_is_told_at_once(self, station: Station, drive: Drive) -> None:
        nobody = Upstream(SocketAddr.new("127.0.0.1", free_port()))
        with pytest.raises(DnsError.NetworkError, match="refused"):
            drive(asks(station, [nobody]))
        with pytest.raises(DnsError.NetworkError, match="refused"):
            drive(asks(station, [nobody]), deadline=monotonic() + 10)
        assert station.udp.outstanding == 0

    def test_a_closed_port_ends_all_questions_to_it_and_no_other(
        self, station: Station, drive: Drive
    ) -> None:
        nobody = Upstream(SocketAddr.new("127.0.0.1", free_port()))
        with ScriptedServer(right) as server:
            flows = [
                asks(station, [nobody if number % 2 else upstream_of(server)], number=number)
                for number in range(20)
            ]
            outcomes = drive(all_of(flows, return_errors=True))
        assert all(isinstance(outcome.error, DnsError.NetworkError) for outcome in outcomes[1::2])
        assert all(outcome.error is None for outcome in outcomes[::2])

    def test_cancellation_leaves_nothing_behind(self, station: Station, drive: Drive) -> None:
        token = CancellationToken()
        with ScriptedServer(lambda asked: token.cancel()) as server, pytest.raises(CancellationError):
            drive(asks(station, [upstream_of(server)]), cancel=token)
        assert station.udp.outstanding == 0
        assert not station.is_in_use

    def test_the_pump_is_handed_on(self, station: Station, drive: Drive) -> None:
        """The first flow pumps; it is given up, and those that waited beside it get their answers."""
        left = threading.Event()

        def script(asked: Asked) -> Any:
            if asked.name == "h0.example.":
                return None
            left.wait(10)
            return right(asked)

        with ScriptedServer(script) as server:

            def first() -> Flow[None]:
                yield from race(
                    asks(station, [upstream_of(server)], number=0), sleep_until(monotonic() + 0.05)
                )
                left.set()

            outcomes = drive(
                all_of([first(), *[asks(station, [upstream_of(server)], number=n) for n in range(1, 6)]])
            )
        assert all(isinstance(outcome.unwrap(), Reply) for outcome in outcomes[1:])

    def test_silence(self, station: Station, drive: Drive) -> None:
        with ScriptedServer(lambda asked: None) as server, pytest.raises(DnsError.Timeout):
            drive(asks(station, [upstream_of(server)], SHORT))
        assert station.udp.outstanding == 0

    def test_another_letter_case_costs_one_more_query(self, station: Station, drive: Drive) -> None:
        def lowers(asked: Asked) -> bytes:
            wire = right(asked).to_wire()
            return wire[:12] + wire[12:24].lower() + wire[24:]

        with ScriptedServer(lowers) as server:
            begun = monotonic()
            reply = drive(asks(station, [upstream_of(server)], PATIENT.replace(timeout=60.0)))
            assert monotonic() - begun < 50, "nothing was waited for"
        assert reply.message.answer
        assert 1 <= len(server.asked) <= 2
        assert station.udp.outstanding == 0


@pytest.mark.parametrize("case", ["kept", "lost", "silence"])
def test_without_a_descriptor_for_many_sockets(
    station: Station, drive: Drive, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """As on systems that have neither epoll nor kqueue: a socket for each question."""
    monkeypatch.setattr(ReadySet, "available", False)

    def script(asked: Asked) -> Any:
        wire = right(asked).to_wire()
        # Not lower case: one query in a thousand has that by chance.
        other = wire[:12] + wire[12:24].swapcase() + wire[24:]
        return {"kept": wire, "lost": other, "silence": None}[case]

    with ScriptedServer(script) as server:
        if case == "kept":
            outcomes = drive(all_of([asks(station, [upstream_of(server)], number=n) for n in range(10)]))
            assert all(outcome.unwrap().message.answer for outcome in outcomes)
        else:
            with pytest.raises(DnsError.Timeout):
                drive(asks(station, [upstream_of(server)], SHORT))
    assert station.udp.sockets == 0


class TestPlaces:
    def test_a_blocking_call_in_a_callback_of_the_loop(self) -> None:
        places = Places(lambda: Station(Settings()))
        may_answer = threading.Event()

        def script(asked: Asked) -> Any:
            if asked.name == "h1.example.":
                may_answer.wait(10)
            return right(asked)

        with ScriptedServer(script) as slow, ScriptedServer(right) as quick:

            def asks_here(server: ScriptedServer, number: int) -> Flow[Reply]:
                return (yield from asks(places.here(), [upstream_of(server)], number=number))

            async def main() -> tuple[Reply, Reply]:
                task = asyncio.ensure_future(run_async(asks_here(slow, 1)))
                await asyncio.sleep(0)
                within = run(asks_here(quick, 2), deadline=monotonic() + 10)
                may_answer.set()
                return await task, within

            first, within = asyncio.run(main())
        assert [str(reply.message.question[0].name) for reply in (first, within)] == [
            "h1.example.",
            "h2.example.",
        ]
        places.close()

    def test_many_threads_and_loops(self) -> None:
        places = Places(lambda: Station(Settings()))
        got: list[str] = []

        with ScriptedServer(right) as server:

            def asks_here(number: int) -> Flow[None]:
                reply = yield from asks(places.here(), [upstream_of(server)], number=number)
                got.append(str(reply.message.answer[0].name))

            async def several(numbers: range) -> None:
                await asyncio.gather(*[run_async(asks_here(number)) for number in numbers])

            def work(index: int) -> None:
                for number in range(index * 10, index * 10 + 5):
                    run(asks_here(number))
                asyncio.run(several(range(index * 10 + 5, index * 10 + 8)))
                asyncio.run(several(range(index * 10 + 8, index * 10 + 10)))

            threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(got) == sorted(f"h{number}.example." for number in range(80))
        places.close()

    @pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
    def test_closing_from_another_thread(self, transport: Transport) -> None:
        places = Places(lambda: Station(Settings()))
        with ScriptedServer(lambda asked: None) as server:
            errors: list[BaseException] = []

            def work() -> None:
                try:
                    run(asks(places.here(), [upstream_of(server, transport)], PATIENT))
                except DnsError as error:
                    errors.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            until(lambda: bool(server.asked), "a question")
            places.close()
            thread.join(10)
        assert isinstance(errors[0], DnsError.NetworkError)
        with pytest.raises(DnsError.NetworkError, match="closed"):
            places.here()

    def test_a_forked_child_has_places_of_its_own(self) -> None:
        places = Places(lambda: Station(Settings()))
        before_it = places.here()
        assert places.here() is before_it
        child = os.fork()
        if not child:
            os._exit(0 if places.here() is not before_it else 1)
        assert os.waitpid(child, 0)[1] == 0
        places.close()

    def test_what_a_thread_leaves_is_closed(self) -> None:
        places = Places(lambda: Station(Settings()))
        folder = Path("/proc/self/fd")
        if not folder.exists():
            pytest.skip("no /proc")
        with ScriptedServer(right) as server:

            def work() -> None:
                run(asks(places.here(), [upstream_of(server)]))

            work()
            open_before = len(list(folder.iterdir()))
            for _ in range(5):
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
            until(
                lambda: len(list(folder.iterdir())) <= open_before, "the sockets of the threads to be closed"
            )
        places.close()


@pytest.fixture(scope="module")
def authority() -> ThrowawayAuthority:
    return ThrowawayAuthority()


class Identity:
    """A certificate for names, its context for a server, and the hash of its key."""

    def __init__(self, authority: ThrowawayAuthority, folder: Path, names: list[str]) -> None:
        certificate, key = authority.issue(names)
        file = folder / "server.pem"
        file.write_text(key.to_pem() + certificate.to_pem())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)
        self.context.set_alpn_protocols(["dot"])
        self.pin = sha256(certificate.spki_der).digest()


@pytest.fixture(scope="module")
def identity(authority: ThrowawayAuthority, tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(authority, tmp_path_factory.mktemp("tls"), ["dns.example"])


@pytest.fixture(params=[Transport.TCP, Transport.TLS])
def streaming(
    request: pytest.FixtureRequest, identity: Identity, authority: ThrowawayAuthority
) -> Iterator[Callable[[Any], tuple[Station, ScriptedServer, Upstream]]]:
    """A server over TCP or TLS that follows a script, a station, and the upstream that is that server."""
    transport: Transport = request.param
    is_tls = transport is Transport.TLS
    opened: list[Any] = []

    def make(script: Any) -> tuple[Station, ScriptedServer, Upstream]:
        server = ScriptedServer(script, tls=identity.context if is_tls else None)
        station = Station(Settings(tls=TlsConfig.client().with_root_certs([authority.certificate])))
        opened.extend((station, server))
        return station, server, upstream_of(server, transport, tls_name="dns.example" if is_tls else None)

    yield make
    for each in opened:
        each.close()


Streaming = Callable[[Any], tuple[Station, ScriptedServer, Upstream]]


class TestStreams:
    def test_a_connection_is_used_again(self, streaming: Streaming, drive: Drive) -> None:
        station, server, upstream = streaming(right)

        def several() -> Flow[None]:
            for number in range(5):
                reply = yield from asks(station, [upstream], number=number)
                assert reply.transport == upstream.transport.value
                assert reply.message.question[0] == question(number)

        drive(several())
        assert server.connected == 1
        assert len(server.asked) == 5

    def test_pipelined_and_answered_out_of_order(self, streaming: Streaming, drive: Drive) -> None:
        held: list[Message] = []

        def script(asked: Asked) -> Any:
            held.append(right(asked))
            return held[::-1] if len(held) == 50 else None

        station, server, upstream = streaming(script)
        outcomes = drive(all_of([asks(station, [upstream], number=number) for number in range(50)]))
        assert [outcome.unwrap().message.question[0] for outcome in outcomes] == [
            question(n) for n in range(50)
        ]
        assert server.connected == 1

    def test_a_closed_connection_is_made_again(self, streaming: Streaming, drive: Drive) -> None:
        station, server, upstream = streaming(lambda asked: [right(asked), CLOSE])

        def several() -> Flow[None]:
            for number in range(4):
                yield from asks(station, [upstream], number=number)

        drive(several())
        assert server.connected == 4

    def test_a_server_that_closes_after_each_answer(self, streaming: Streaming, drive: Drive) -> None:
        station, server, upstream = streaming(lambda asked: [right(asked), CLOSE])
        outcomes = drive(all_of([asks(station, [upstream], number=number) for number in range(8)]))
        assert all(outcome.unwrap().message.answer for outcome in outcomes)
        assert 2 <= server.connected <= 8

    def test_a_server_that_closes_without_an_answer(self, streaming: Streaming, drive: Drive) -> None:
        station, _, upstream = streaming(lambda asked: CLOSE)

        def failing(number: int) -> Flow[None]:
            with pytest.raises(DnsError.NetworkError):
                yield from asks(station, [upstream], number=number)

        for outcome in drive(all_of([failing(number) for number in range(8)])):
            outcome.unwrap()

    def test_a_question_ends_with_the_connection_that_ended_before_it(self, drive: Drive) -> None:
        with ScriptedServer(right) as server:
            stream, connection = drive(connect_flow(server.addr, None))
            channel = StreamChannel(stream, Chance(), connection)
            channel.close()  # while another one, who waited for it too, was sent
            event = Event()
            one = Outstanding(*QueryEncoder().encode(make_query("example.", 1, id=1)), None, event)
            channel.send(one)
            drive(channel.wait_flow(one, event))
        assert "closed" in str(one.error)

    def test_closed_in_the_middle_of_an_answer(self, streaming: Streaming, drive: Drive) -> None:
        def script(asked: Asked) -> Any:
            return [Pieces([framed(right(asked).to_wire())[:9]]), CLOSE]

        station, server, upstream = streaming(script)
        with pytest.raises(DnsError.NetworkError):
            drive(asks(station, [upstream]))
        assert server.connected == 1, "a new connection that gave no answer is no reason to try again"

    def test_one_that_was_used_is_asked_once_more(self, streaming: Streaming, drive: Drive) -> None:
        seen: list[Asked] = []

        def script(asked: Asked) -> Any:
            seen.append(asked)
            return CLOSE if len(seen) == 2 else right(asked)

        station, server, upstream = streaming(script)

        def several() -> Flow[None]:
            yield from asks(station, [upstream])
            yield from asks(station, [upstream], number=2)

        drive(several())
        assert server.connected == 2
        assert [asked.name for asked in seen] == ["h1.example.", "h2.example.", "h2.example."]

    def test_byte_by_byte_and_foreign_messages(self, streaming: Streaming, drive: Drive) -> None:
        def script(asked: Asked) -> Any:
            stray = framed(bytes([asked.wire[0] ^ 1]) + asked.wire[1:]) + framed(b"") + framed(b"\x00\x01")
            return Pieces(bytes([octet]) for octet in stray + framed(right(asked).to_wire()))

        station, _, upstream = streaming(script)
        reply = drive(asks(station, [upstream]))
        assert reply.message.answer
        assert reply.ignored == 3

    def test_the_query_sent_back_ends_the_question(self, streaming: Streaming, drive: Drive) -> None:
        """Nobody but the server can have sent it, and an echo service has nothing else to say."""
        station, server, upstream = streaming(lambda asked: asked.wire)
        with pytest.raises(DnsError.InvalidResponse, match="QR is 0: it is a query, not") as caught:
            drive(asks(station, [upstream]))
        assert caught.value.server == upstream.addr
        assert server.connected == 1

    def test_a_flood_of_foreign_messages_ends_it(self, streaming: Streaming, drive: Drive) -> None:
        station, _, upstream = streaming(lambda asked: Pieces([framed(b"\x00\x01" * 8) * 500] * 3))
        with pytest.raises(DnsError.NetworkError, match="answer nothing"):
            drive(asks(station, [upstream]))

    def test_cancellation_leaves_the_connection_to_others(self, streaming: Streaming, drive: Drive) -> None:
        station, server, upstream = streaming(
            lambda asked: None if asked.name == "h0.example." else right(asked)
        )

        def both() -> Flow[Reply]:
            yield from race(asks(station, [upstream], number=0), sleep_until(monotonic() + 0.1))
            return (yield from asks(station, [upstream], number=1))

        assert drive(both()).message.answer
        assert server.connected == 1
        assert not station.is_in_use

    def test_silence(self, streaming: Streaming, drive: Drive) -> None:
        station, _, upstream = streaming(lambda asked: None)
        with pytest.raises(DnsError.Timeout):
            drive(asks(station, [upstream], SHORT))
        assert not station.is_in_use

    def test_nobody_listens(self, station: Station, drive: Drive) -> None:
        nobody = Upstream(SocketAddr.new("127.0.0.1", free_port()), Transport.TLS, tls_name="dns.example")
        with pytest.raises(DnsError.NetworkError, match="refused"):
            drive(asks(station, [nobody]))


class TestTls:
    def test_a_name_that_the_certificate_has_not(
        self, identity: Identity, authority: ThrowawayAuthority, drive: Drive
    ) -> None:
        station = Station(Settings(tls=TlsConfig.client().with_root_certs([authority.certificate])))
        with ScriptedServer(right, tls=identity.context) as server:
            for name in ("other.example", None):
                with pytest.raises(DnsError.NetworkError) as caught:
                    drive(asks(station, [upstream_of(server, Transport.TLS, tls_name=name)]))
                assert type(caught.value.__cause__).__name__ == "HostnameMismatch"
            assert not server.asked
        station.close()

    @pytest.mark.parametrize("name", [None, "dns.example"])
    def test_pins(
        self, identity: Identity, authority: ThrowawayAuthority, drive: Drive, name: str | None
    ) -> None:
        tls = None if name is None else TlsConfig.client().with_root_certs([authority.certificate])
        station = Station(Settings(tls=tls))
        with ScriptedServer(right, tls=identity.context) as server:
            pinned = upstream_of(server, Transport.TLS, tls_name=name, pins=[bytes(32), identity.pin])
            assert drive(asks(station, [pinned])).message.answer
            wrong = upstream_of(server, Transport.TLS, tls_name=name, pins=[bytes(32)])
            with pytest.raises(DnsError.NetworkError, match="pinned"):
                drive(asks(station, [wrong]))
            assert len(server.asked) == 1
        station.close()

    def test_the_address_of_a_named_server_is_looked_up(
        self, identity: Identity, authority: ThrowawayAuthority, drive: Drive
    ) -> None:
        looked_up: list[tuple[str, int]] = []
        with ScriptedServer(right, tls=identity.context) as server:

            def bootstrap(host: str, port: int, family: int = 0) -> Flow[list[SocketAddr]]:
                looked_up.append((host, port))
                return [SocketAddr.new("127.0.0.1", port)]
                yield

            tls = TlsConfig.client().with_root_certs([authority.certificate])
            station = Station(Settings(tls=tls, bootstrap=bootstrap))
            named = Upstream.parse(f"tls://dns.example:{server.addr.port}")
            assert drive(asks(station, [named])).message.answer
            assert drive(asks(station, [named], number=2)).message.answer
        assert looked_up == [("dns.example", server.addr.port)]
        station.close()


class _Endless(Waiting):
    """A server that sends without end: there is always more, and taking it in takes time."""

    outstanding = 1

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.turns = 0

    def begin(self, one: Outstanding) -> None:
        self._moments.add(one)

    def _want(self, until: float | None) -> Want:
        return PAUSE

    def _step(self) -> bool:
        self.now += 0.001
        self.turns += 1
        return self.turns < 10_000

    def _forget(self, one: Outstanding) -> None:
        pass


@pytest.mark.once
def test_who_sends_without_end_does_not_make_a_question_last_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endless = _Endless()
    monkeypatch.setattr("netkit.dns.transports.waiting.monotonic", lambda: endless.now)
    event = Event()
    one = Outstanding(b"", b"", 101.0, event)
    endless.begin(one)
    run(endless.wait_flow(one, event))
    assert isinstance(one.error, DnsError.Timeout)
    assert 101.0 <= endless.now <= 101.0 + FULL_SECONDS + 0.01


@pytest.mark.once
@pytest.mark.skipif(not ReadySet.available, reason="a socket for each question")
def test_a_flooded_socket_leaves_the_others_their_turn() -> None:
    class Looked(UdpPool):
        def look(self) -> bool:
            return self._step()

    pool = Looked(Chance())
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)]
        stack.callback(pool.close)
        ones = []
        for number, server in enumerate(servers):
            server.bind(("127.0.0.1", 0))
            wire, asked = QueryEncoder().encode(make_query(f"h{number}.example.", 1, id=number))
            ones.append(Outstanding(wire, asked, None, Event()))
            pool.send(ones[-1], SocketAddr.parse(f"127.0.0.1:{server.getsockname()[1]}"))
        flooding, quiet = ones
        query, client = servers[0].recvfrom(512)
        for _ in range(3 * AT_ONCE):
            servers[0].sendto(bytes([query[0] ^ 1]) + query[1:], client)
        query, client = servers[1].recvfrom(512)
        servers[1].sendto(query[:2] + b"\x81\x80" + query[4:], client)
        assert pool.look()
        assert quiet.is_over
        assert not flooding.is_over
