"""The scenarios of a resolver on scripted servers, through real sockets: UDP, TCP, TLS and HTTPS.

tests/dns/scenarios has them without sockets, and with a clock that jumps; this shows that the same comes out
where a real transport is below. HTTPS is netkit's own client against netkit's own server. A `Resolver` asks
all questions, and the tests look at what the servers were asked, so they hold for each path through the
resolver. Where a rule is only for some transports, the others show that it does not apply there.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any, Self, TypeVar

import pytest

from netkit.dns import DnsError, QueryOptions, Resolver
from netkit.dns.cache import STALE_TTL
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.host import find_addresses_flow
from netkit.dns.messages.message import QR, TC, Message, Question
from netkit.dns.name import Name
from netkit.dns.policy.answer import Answer
from netkit.dns.policy.steps import Done
from netkit.dns.policy.upstream import Transport, Upstream
from netkit.dns.records import DnsRecord
from netkit.dns.system import Hosts, HostSource
from netkit.dns.transports.https import MEDIA_TYPE
from netkit.doh import DohClient
from netkit.http.message import Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.request import ServerRequest
from netkit.http.server.server import HttpServer
from netkit.io import Flow, all_of
from netkit.net import TcpListener
from netkit.serve.stop import Stop
from netkit.tls import TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority
from tests.dns.scripted import Asked, Script, ScriptedServer, answer
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.once

T = TypeVar("T")

UDP, TCP, TLS, HTTPS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.HTTPS
A, AAAA, MX = DnsRecordType.A, DnsRecordType.AAAA, DnsRecordType.MX

#: So long does nothing take here: where a test goes on before, something else than this ended the wait.
FOR_EVER = 10 * PATIENCE
SOA = "example. 300 SOA ns.example. hostmaster.example. 1 2 3 4 60"
#: A name in which random letter case is never lower case throughout.
NAME = "a-name-with-very-many-letters-in-its-only.label-and-then-some.example."


def good(asked: Asked) -> Message:
    return answer(asked, f"{asked.name} 60 A 198.51.100.1")


def silent(asked: Asked) -> None:
    return None


class Identity:
    """An authority, and the certificate that it issued to the server `dns.example`, in each form needed."""

    def __init__(self, folder: Path) -> None:
        authority = ThrowawayAuthority()
        certificate, key = authority.issue(["dns.example"])
        file = folder / "server.pem"
        file.write_text(key.to_pem() + certificate.to_pem())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)
        self.server = TlsConfig.server().with_identity(certificate, key)
        self.client = TlsConfig.client().with_root_certs([authority.certificate])


class ScriptedHttps:
    """`ScriptedServer` over HTTPS: netkit's HTTP server, in a thread of its own."""

    def __init__(self, script: Script, tls: TlsConfig) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._errors: list[BaseException] = []
        self._over = threading.Event()
        self._stop = Stop()
        listener = TcpListener.bind("127.0.0.1:0")
        self.addr = listener.local_addr
        server = HttpServer(self, ServerConfig(threads=8), tls=tls)
        self._thread = threading.Thread(
            target=server.run, args=([listener],), kwargs={"stop": self._stop}, daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and raise what the script raised."""
        self._over.set()
        self._stop.cut()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server does not end"
        if self._errors:
            raise self._errors[0]

    def handle(self, request: ServerRequest) -> Response:
        """Answer as the script says."""
        try:
            wire = request.body or b""
            asked = Asked(Message.from_wire(wire), wire, over_tcp=True)
            assert asked.message.id == 0
            self.asked.append(asked)
            sent = self.script(asked)
        except BaseException as error:
            self._errors.append(error)
            raise
        if sent is None:
            self._over.wait(PATIENCE)
            return Response(503)
        body = sent.to_wire() if isinstance(sent, Message) else sent
        assert isinstance(body, bytes)
        return Response(200, headers={"Content-Type": MEDIA_TYPE}, body=body)


Server = ScriptedServer | ScriptedHttps


class Stand:
    """Servers and resolvers over one transport, and one way to drive flows; all of it ends with the test."""

    def __init__(self, transport: Transport, identity: Identity, drive: Callable[..., Any]) -> None:
        self.transport = transport
        self._identity = identity
        self._drive = drive
        self._opened = ExitStack()

    def serve(self, script: Script) -> Server:
        """A server over this transport."""
        if self.transport is HTTPS:
            return self._opened.enter_context(ScriptedHttps(script, self._identity.server))
        tls = self._identity.context if self.transport is TLS else None
        return self._opened.enter_context(ScriptedServer(script, tls=tls))

    def upstream(self, server: Server) -> Upstream:
        tls_name = "dns.example" if self.transport.is_encrypted else None
        return Upstream(server.addr, self.transport, tls_name=tls_name)

    def resolver(
        self, *servers: Server, cache_size: int = 100, timeout: float = FOR_EVER, **how: Any
    ) -> Resolver:
        """A resolver that asks these servers; what is no argument of Resolver is one of QueryOptions."""
        domains = {name: [self.upstream(each)] for name, each in how.pop("domains", {}).items()}
        ours = {key: how.pop(key) for key in ("clock", "serve_stale", "tell") if key in how}
        https = self._opened.enter_context(DohClient(self._identity.client))
        return self._opened.enter_context(
            Resolver(
                [self.upstream(each) for each in servers],
                options=QueryOptions(timeout=timeout, **how),
                domains=domains,
                hosts=Hosts(),
                sources=[HostSource("dns")],
                cache_size=cache_size,
                tls=self._identity.client,
                https=https,
                **ours,
            )
        )

    def drive(self, flow: Flow[T]) -> T:
        """What the flow returns; fails if that takes too long."""
        result: T = self._drive(flow, deadline=monotonic() + PATIENCE)
        return result

    def look_up(self, resolver: Resolver, *questions: Any) -> list[Answer | DnsError]:
        """What comes of questions, one after the other. Each is a name, or a name and a type."""

        def flow() -> Flow[list[Answer | DnsError]]:
            found: list[Answer | DnsError] = []
            for each in questions:
                name, rdtype = (each, A) if isinstance(each, str) else each
                try:
                    found.append((yield from resolver.resolve_flow(name, rdtype)))
                except DnsError as error:
                    found.append(error)
            return found

        return self.drive(flow())

    def close(self) -> None:
        self._opened.close()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=[UDP, TCP, TLS, HTTPS], ids=str)
def stand(request: pytest.FixtureRequest, identity: Identity, drive: Callable[..., Any]) -> Iterator[Stand]:
    made = Stand(request.param, identity, drive)
    yield made
    made.close()


def over(*transports: Transport) -> pytest.MarkDecorator:
    """The test is run over these transports only."""
    return pytest.mark.parametrize("stand", transports, indirect=True, ids=str)


def addresses(found: Answer | DnsError) -> list[str]:
    """The addresses in an answer; raises what is none."""
    if isinstance(found, DnsError):
        raise found
    return [str(each.address) for each in found.records if isinstance(each, (DnsRecord.A, DnsRecord.AAAA))]


def told(server: Server) -> list[str]:
    """The names that a server was asked for, in lower case."""
    return [asked.name for asked in server.asked]


def test_what_the_transport_is(stand: Stand) -> None:
    """All that follows is worth nothing if it goes over another transport than it says."""
    first, second = stand.look_up(stand.resolver(stand.serve(good)), "www.example.", "other.example.")
    assert isinstance(first, Answer) and isinstance(second, Answer)
    assert [reply.transport for reply in (*first.replies, *second.replies)] == [str(stand.transport)] * 2
    connection = second.replies[0].connection
    if stand.transport is not UDP:
        assert connection is not None
        assert connection.is_reused
        assert connection.tls_version == ("TLS 1.3" if stand.transport.is_encrypted else "")
        assert connection.http_version == ("2" if stand.transport is HTTPS else "")


class TestLetterCase:
    def test_a_server_that_loses_it_costs_one_query_more_and_once(self, stand: Stand) -> None:
        def lowercases(asked: Asked) -> Message:
            return good(asked).replace(question=[Question(Name.parse(asked.name), A)])

        server = stand.serve(lowercases)
        for found in stand.look_up(stand.resolver(server), NAME, f"x.{NAME}"):
            assert addresses(found) == ["198.51.100.1"]
        names = [str(asked.message.question[0].name) for asked in server.asked]
        random, plain = (
            [(name.lower(), name != name.lower()) for name in names],
            [(NAME, False), (f"x.{NAME}", False)],
        )
        assert random == ([(NAME, True), *plain] if stand.transport is UDP else plain)

    def test_it_reaches_no_result_by_a_name_that_points_into_the_question(self, stand: Stand) -> None:
        def script(asked: Asked) -> bytes:
            head = Message(asked.message.id, QR, question=asked.message.question).to_wire()
            record = b"\xc0\x0c\0\x0f\0\1\0\0\0\x3c" + b"\0\x07" + b"\0\x0a" + b"\x02mx" + b"\xc0\x0c"
            return head[:6] + b"\0\1" + head[8:] + record

        (found,) = stand.look_up(stand.resolver(stand.serve(script)), (NAME, MX))
        assert isinstance(found, Answer)
        assert str(found.records[0]).split() == [NAME, "60", "IN", "MX", "10", f"mx.{NAME}"]


@over(UDP)
@pytest.mark.parametrize("at", [None, 60, 31, 12])
def test_a_cut_answer_is_asked_for_over_tcp(stand: Stand, at: int | None) -> None:
    """Cut after a record, in the middle of one, in the question, after the header."""

    def script(asked: Asked) -> Message | bytes:
        records = [f"www.example. 60 A 198.51.100.{last}" for last in range(9)]
        whole = answer(asked, *records)
        return whole if asked.over_tcp else whole.replace(flags=whole.flags | TC).to_wire()[:at]

    server = stand.serve(script)
    (found,) = stand.look_up(stand.resolver(server), "www.example.")
    assert len(addresses(found)) == 9
    assert [asked.over_tcp for asked in server.asked] == [False, True]


class TestEdns:
    @pytest.mark.parametrize(("rcode", "echoes"), [(Rcode.FORMERR, True), (Rcode.NOTIMP, False)])
    def test_a_server_without_it_is_asked_without_and_remembered(
        self, stand: Stand, rcode: Rcode, echoes: bool
    ) -> None:
        def script(asked: Asked) -> Message:
            asking, edns = asked.message.question, asked.message.edns
            if edns is None:
                return good(asked)
            return Message(asked.message.id, QR, rcode=rcode, question=asking, edns=edns if echoes else None)

        server = stand.serve(script)
        for found in stand.look_up(stand.resolver(server), "www.example.", "other.example."):
            assert addresses(found) == ["198.51.100.1"]
        assert told(server) == ["www.example.", "www.example.", "other.example."]
        assert [asked.message.edns is not None for asked in server.asked] == [True, False, False]

    def test_badvers_without_a_question(self, stand: Stand) -> None:
        def script(asked: Asked) -> Message:
            assert asked.message.edns is not None
            if asked.message.edns.version == 0:
                return good(asked)
            return Message(asked.message.id, QR, rcode=Rcode.BADVERS, edns=Edns())

        server = stand.serve(script)
        (found,) = stand.look_up(stand.resolver(server, edns=Edns(version=1)), "www.example.")
        assert addresses(found) == ["198.51.100.1"]
        assert len(server.asked) == 2


def cookie_of(asked: Asked) -> EdnsOption.Cookie | None:
    edns = asked.message.edns
    return None if edns is None else edns.option(EdnsOption.Cookie)


def with_cookie(message: Message, client: bytes, server: bytes) -> Message:
    return message.replace(edns=Edns(options=[EdnsOption.Cookie(client, server)]))


class TestCookies:
    """RFC 7873. Over encrypted transports none are sent."""

    def test_badcookie_brings_the_one_to_use(self, stand: Stand) -> None:
        def script(asked: Asked) -> Message:
            cookie = cookie_of(asked)
            if cookie is None:
                return good(asked)
            made = good(asked) if cookie.server == b"right-one" else answer(asked, rcode=Rcode.BADCOOKIE)
            return with_cookie(made, cookie.client, b"right-one")

        server = stand.serve(script)
        for found in stand.look_up(stand.resolver(server, cookies=True), "www.example.", "other.example."):
            assert addresses(found) == ["198.51.100.1"]
        sent = [None if cookie is None else cookie.server for cookie in map(cookie_of, server.asked)]
        encrypted = stand.transport.is_encrypted
        assert {asked.over_tcp for asked in server.asked} == {stand.transport is not UDP}
        assert sent == ([None, None] if encrypted else [b"", b"right-one", b"right-one"])
        assert not encrypted or not any(len(asked.wire) % 128 for asked in server.asked), "padded instead"

    @over(UDP, TCP)
    def test_a_server_that_answers_with_anothers_is_asked_without(self, stand: Stand) -> None:
        def script(asked: Asked) -> Message:
            if cookie_of(asked) is None:
                return good(asked)
            forged = answer(asked, "www.example. 60 A 203.0.113.6")
            return with_cookie(forged, b"another1", b"s" * 8)

        server = stand.serve(script)
        for found in stand.look_up(stand.resolver(server, cookies=True), "www.example.", "other.example."):
            assert addresses(found) == ["198.51.100.1"]
        assert [cookie_of(asked) is not None for asked in server.asked] == [True, False, False]


class TestTurns:
    def test_servfail_is_tried_elsewhere_and_in_the_next_round(self, stand: Stand) -> None:
        order: list[str] = []

        def script(name: str) -> Script:
            def fails_twice(asked: Asked) -> Message:
                order.append(name)
                return answer(asked, rcode=Rcode.SERVFAIL) if len(order) < 3 else good(asked)

            return fails_twice

        resolver = stand.resolver(stand.serve(script("one")), stand.serve(script("two")))
        (found,) = stand.look_up(resolver, "www.example.")
        assert addresses(found) == ["198.51.100.1"]
        assert order == ["one", "two", "one"]

    def test_a_silent_server_is_remembered(self, stand: Stand) -> None:
        one, two = stand.serve(silent), stand.serve(good)
        resolver = stand.resolver(one, two, timeout=0.15, tries=100)
        (found,) = stand.look_up(resolver, "www.example.")
        assert addresses(found) == ["198.51.100.1"]
        assert one.asked or stand.transport.is_encrypted, "a handshake that is late is silence too"
        # On a busy machine the second server may be late as well, and then the first gets another turn. But
        # one that is not remembered is asked first each time.
        for name in [f"n{number}.example." for number in range(10)]:
            (found,) = stand.look_up(resolver, name)
            assert addresses(found) == ["198.51.100.1"]
            if name not in told(one):
                break
        else:
            pytest.fail("it is asked first each time")

    def test_a_second_server_is_asked_when_the_first_is_late(self, stand: Stand) -> None:
        one = stand.serve(lambda asked: None if asked.name == "late.example." else good(asked))
        resolver = stand.resolver(one, two := stand.serve(good), hedge=True)
        for found in stand.look_up(resolver, "www.example.", "late.example."):
            assert addresses(found) == ["198.51.100.1"], "the time-out is longer than the test's patience"
        assert "late.example." in told(two)
        until(lambda: "late.example." in told(one), "the question at the first server")

    def test_one_deadline_over_all(self, stand: Stand) -> None:
        resolver = stand.resolver(
            stand.serve(silent), stand.serve(silent), timeout=0.04, tries=10_000, within=0.1
        )
        (found,) = stand.look_up(resolver, "www.example.")
        assert isinstance(found, DnsError.Timeout)
        assert found.timeout is not None and found.timeout >= 0.1

    def test_one_deadline_over_all_aliases(self, stand: Stand) -> None:
        """A name that leads to another, and so on to one that nothing is said of."""

        def script(asked: Asked) -> Message | None:
            if asked.name.startswith("a.a.a."):
                return None
            return answer(asked, f"{asked.name} 60 CNAME a.{asked.name}")

        (found,) = stand.look_up(stand.resolver(stand.serve(script), within=0.1), "www.example.")
        assert isinstance(found, DnsError.Timeout)
        assert str(found.name) == "www.example."

    def test_identical_questions_in_flight_are_asked_once(self, stand: Stand) -> None:
        server = stand.serve(good)
        resolver = stand.resolver(server, cache_size=0)
        names = ["same.example.", "SAME.example.", "other.example.", "same.Example."]
        outcomes = stand.drive(all_of([resolver.resolve_flow(name, A) for name in names]))
        assert [addresses(outcome.unwrap()) for outcome in outcomes] == [["198.51.100.1"]] * 4
        assert sorted(told(server)) == ["other.example.", "same.example."]

    def test_one_family_that_is_silent_is_not_waited_for_to_the_end(self, stand: Stand) -> None:
        """RFC 8305 section 3."""
        server = stand.serve(lambda asked: good(asked) if asked.rdtype == "A" else None)
        resolver = stand.resolver(server)
        found = stand.drive(find_addresses_flow(resolver, "www.example.", grace=0.02))
        assert [str(each.address) for each in found.addresses] == ["198.51.100.1"]
        (problem,) = found.problems
        assert isinstance(problem, DnsError.Timeout)
        assert problem.rdtype == AAAA


class TestCache:
    def test_nothing_is_below_a_name_that_does_not_exist(self, stand: Stand) -> None:
        """RFC 8020."""
        server = stand.serve(lambda asked: answer(asked, rcode=Rcode.NXDOMAIN, authority=[SOA]))
        questions = ["gone.example.", ("gone.example.", MX), ("a.b.gone.example.", AAAA), "also.example."]
        found = stand.look_up(stand.resolver(server), *questions)
        assert [type(each) for each in found] == [DnsError.NotFound] * 4
        assert told(server) == ["gone.example.", "also.example."]

    def test_a_negative_answer_is_kept_as_long_as_the_soa_says(self, stand: Stand) -> None:
        """RFC 2308 section 5: the lesser of the record's TTL and its last field."""
        server = stand.serve(
            lambda asked: good(asked) if asked.rdtype == "A" else answer(asked, authority=[SOA])
        )
        now = [1000.0]
        resolver = stand.resolver(server, clock=lambda: now[0])
        question = ("www.example.", AAAA)
        first, again, other = stand.look_up(resolver, question, question, "www.example.")
        assert isinstance(first, DnsError.NoData) and isinstance(again, DnsError.NoData)
        assert addresses(other) == ["198.51.100.1"], "there is no such record, but there are others"
        assert [asked.rdtype for asked in server.asked] == ["AAAA", "A"]
        now[0] += 59
        stand.look_up(resolver, question)
        assert len(server.asked) == 2
        now[0] += 1
        stand.look_up(resolver, question)
        assert len(server.asked) == 3

    def test_a_stale_answer_where_the_server_is_gone(self, stand: Stand) -> None:
        """RFC 8767."""
        server = stand.serve(good)
        now, ends = [1000.0], list[Done]()
        resolver = stand.resolver(
            server, clock=lambda: now[0], serve_stale=1000, tell=lambda question, done: ends.append(done)
        )
        stand.look_up(resolver, "www.example.")
        server.close()
        now[0] += 61
        stale, again, unknown = stand.look_up(resolver, "www.example.", "www.example.", "other.example.")
        assert addresses(stale) == addresses(again) == ["198.51.100.1"]
        assert isinstance(unknown, DnsError.NetworkError)
        assert [end.error is not None for end in ends] == [False, True, True], "`again` asked nobody"

    def test_a_stale_answer_where_the_server_is_silent(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """RFC 8767 section 5: the servers get a short time, for one question and for many."""
        monkeypatch.setattr("netkit.dns.resolver.STALE_AFTER", 0.02)
        seen: list[str] = []

        def once(asked: Asked) -> Message | None:
            seen.append(asked.name)
            return good(asked) if seen.count(asked.name) == 1 else None

        now = [1000.0]
        resolver = stand.resolver(stand.serve(once), clock=lambda: now[0], serve_stale=1000)
        stand.look_up(resolver, "www.example.")
        now[0] += 61
        (stale,) = stand.look_up(resolver, "www.example.")
        assert addresses(stale) == ["198.51.100.1"]
        now[0] += STALE_TTL

        async def many() -> list[Answer | DnsError]:
            async with asyncio.timeout(PATIENCE):
                return [found async for _, found in resolver.resolve_many_async([("www.example.", A)])]

        (stale,) = asyncio.run(many())
        assert addresses(stale) == ["198.51.100.1"]


class TestLookups:
    @pytest.mark.parametrize("messages", [1, 2])
    def test_a_loop_of_aliases_is_said_to_be_one_with_the_server(self, stand: Stand, messages: int) -> None:
        def script(asked: Asked) -> Message:
            loop = ["www.example. 60 CNAME a.example.", "a.example. 60 CNAME WWW.example."]
            return answer(asked, *(loop if messages == 1 else [loop[asked.name == "a.example."]]))

        server = stand.serve(script)
        (found,) = stand.look_up(stand.resolver(server), "www.example.")
        assert isinstance(found, DnsError.AliasLoop)
        assert "leads back" in found.reason
        assert str(found.server) == str(server.addr)
        assert len(server.asked) == messages

    def test_private_addresses_are_refused_for_public_names(self, stand: Stand) -> None:
        """DNS rebinding."""
        server = stand.serve(lambda asked: answer(asked, f"{asked.name} 60 A 10.0.0.7"))
        resolver = stand.resolver(server, refuse_private=True, private_names=["corp.example"])
        public, ours, kept = stand.look_up(resolver, "www.example.", "db.corp.example.", "www.example.")
        for each in (public, kept):
            assert isinstance(each, DnsError.Other)
            assert "10.0.0.7" in str(each)
        assert addresses(ours) == ["10.0.0.7"]

    def test_each_name_is_asked_of_the_servers_of_its_domain(self, stand: Stand) -> None:
        inner = stand.serve(lambda asked: answer(asked, f"{asked.name} 60 A 10.0.0.7"))
        outer = stand.serve(lambda asked: answer(asked, f"{asked.name} 60 CNAME db.corp.example."))
        resolver = stand.resolver(outer, domains={"corp.example": inner})
        for found in stand.look_up(resolver, "www.example.", "x.corp.example."):
            assert addresses(found) == ["10.0.0.7"]
        assert told(outer) == ["www.example."]
        assert told(inner) == ["db.corp.example.", "x.corp.example."], "also where an alias leads"
