"""Asks the queries of `netkit dig`, with the settings that all of them share.

All queries of one invocation share sockets and connections (a `Station`): of a thousand names that are asked
for over TLS, only the first waits for a handshake.
"""

from __future__ import annotations

from contextlib import contextmanager
from errno import EADDRNOTAVAIL, EMFILE, ENETUNREACH
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.answered import Answered
from netkit.cli.commands.dig.showing.answer_lines import lost_query_lines
from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.dns.history import explain
from netkit.cli.payload.dns.tls import LazyDoh
from netkit.dns.constants import DnsRecordType
from netkit.dns.edns import DEFAULT_PAYLOAD_SIZE, Edns, EdnsOption
from netkit.dns.edns.opt import COMPACT_OK
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions, random_bits, search_and_tell
from netkit.dns.messages.header import AA, RA, TC, Z
from netkit.dns.policy.form import QueryForm
from netkit.dns.transports.station import Settings, Station
from netkit.io import phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netkit.addr import SocketAddr
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.commands.dig.servers import Servers
    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.dns.tls import DnsTlsOptions
    from netkit.dns.messages.message import Question
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transfers.transfer import ZoneTransfer
    from netkit.dns.transports.announced import Announced
    from netkit.dns.tsig.keys import TsigKey
    from netkit.io import Flow
    from netkit.proxy.url import Proxy

#: dig's own defaults: seconds to wait for one answer, and how often each server is asked.
TIME = 5.0
TRIES = 3

#: The hints for the system's errors.
_HINTS = {
    ENETUNREACH: "there is no route: is the network up, also for this family (-4, -6)?",
    EADDRNOTAVAIL: "-b takes an address that this machine has",
    EMFILE: "raise the limit with `ulimit -n`, or lower --concurrency",
}


class Asker:
    """Sends queries; `close` ends the connections they were sent over."""

    def __init__(
        self,
        env: Environment,
        servers: Servers,
        source: SocketAddr | None,
        timeout: float | None,
        how: DnsTlsOptions,
        tsig: TsigKey | None = None,
    ) -> None:
        self._tsig = tsig
        self._env = env
        self._servers = servers
        self._source = source
        self._timeout = timeout
        self._how = how
        self._places: dict[tuple[DnsTlsOptions, SocketAddr | None, Announced | None], _Place] = {}

    def ask(self, query: Query) -> Flow[Answered]:
        """Flow: the reply to one query. Raises DnsError, NoServer, OSError and UnusableFile."""
        begun = monotonic()
        flags = query.flags
        upstreams = yield from self._servers.upstreams(query.servers, flags)
        how = self.options(query, len(upstreams), monotonic() - begun)
        questions = self._questions(query)
        if any(upstream.transport.is_encrypted for upstream in upstreams):
            # What takes time to import is not part of the time that the server takes.
            import netkit.tls.stream  # noqa: F401
        with (
            self.place(flags) as station,
            phase(f"waiting for an answer to {query.name} {query.rdtype}", "resolve"),
        ):
            ends = yield from search_and_tell(questions, upstreams, how, station=station)
        before: list[Answered] = []
        for end, question in zip(ends, questions, strict=False):
            if end.reply is not None:
                asked = query._replace(name=question.name)
                answered = Answered(asked, end.reply, end.history, self._how.proxy, before)
                answered.source = self.source_of(flags)
                before.append(answered)
        done = ends[-1]
        if done.reply is not None:
            return before[-1]
        error = done.error or DnsError.TryAgain(name=query.name, rdtype=query.rdtype)
        error.history = done.history
        if flags.get("explain") and self._env.mode != "json":
            explain(done.history, self._env)
        elif flags.get("qr") and self._env.mode in ("plain", "table"):
            self._env.say(*lost_query_lines(query, done.history))
        if isinstance(error, DnsError.Truncated) and isinstance(error.__cause__, DnsError):
            # The error over TCP decides what to do. The user must also learn why TCP was tried.
            over_tcp = error.__cause__
            over_tcp.hint = f"over UDP the answer was truncated at {error.size} octets; +ignore accepts that"
            over_tcp.history = done.history
            raise over_tcp from None
        if isinstance(error, DnsError.NetworkError):
            error.hint = error.hint or _HINTS.get(error.errno or 0)
        raise error

    def source_of(self, flags: Mapping[str, Any]) -> SocketAddr | None:
        """Where a query with these flags is sent from; None for any address."""
        source: SocketAddr | None = flags.get("source", self._source)
        return source

    def key_of(self, flags: Mapping[str, Any]) -> TsigKey | None:
        """The key that signs a query with these flags; None for none."""
        key: TsigKey | None = flags.get("key", self._tsig)
        return key

    @property
    def proxy(self) -> Proxy | None:
        """The proxy that connections go through."""
        return self._how.proxy

    def upstreams(self, query: Query) -> Flow[list[Upstream]]:
        """Flow: whom to ask, in order. Raises NoServer."""
        return (yield from self._servers.upstreams(query.servers, query.flags))

    def transfer(self, query: Query, upstream: Upstream) -> ZoneTransfer:
        """The transfer of a zone from one server, which has a connection of its own."""
        from netkit.dns.transfers.transfer import PATIENCE, ZoneTransfer

        flags = query.flags
        how = self._with_files(flags)
        connect, announced = how.connect(), _announced(flags)
        if announced is not None:
            if upstream.transport.is_encrypted and not announced.before_tls:
                raise WrongValue(
                    "+proxy does not go with a transfer over TLS", "write +proxy-plain: before TLS"
                )
            connect = announced.before(connect)
        return ZoneTransfer(
            query.name,
            upstream,
            serial=query.serial,
            rdclass=query.rdclass,
            key=self.key_of(flags),
            try_udp=flags.get("tcp") is False,
            patience=flags.get("time", PATIENCE),
            edns=edns_of(flags),
            source=self.source_of(flags),
            tls=how.tls(self._env),
            connect=connect,
        )

    def close(self) -> None:
        """Close all sockets and connections."""
        for place in self._places.values():
            place.close()

    def _questions(self, query: Query) -> list[Question]:
        """The questions to ask one after the other: more than one with a search list."""
        flags = query.flags
        is_searched = flags.get("search", flags.get("showsearch") or "domain" in flags)
        if query.relative is None or not is_searched:
            return [query.question]
        from netkit.dns.system import search_names

        conf = self._servers.conf
        search = [flags["domain"]] if "domain" in flags else conf.search
        names = search_names(query.relative, search, flags.get("ndots", conf.ndots))
        return [query._replace(name=name).question for name in names]

    def _with_files(self, flags: Mapping[str, Any]) -> DnsTlsOptions:
        """The settings of TLS, with the files of +tls-ca, +tls-certfile and +tls-keyfile."""
        ca = flags.get("tls-ca")
        return self._how.with_files(
            ca if isinstance(ca, str) else None,
            flags.get("tls-certfile") or None,
            flags.get("tls-keyfile") or None,
        )

    @contextmanager
    def place(self, flags: Mapping[str, Any]) -> Iterator[Station]:
        """The sockets and connections of a query: those of all with the same certificates, or its own."""
        how = self._with_files(flags)
        # Two queries with the same ID cannot share a socket.
        announced, source = _announced(flags), self.source_of(flags)
        if not flags.get("keepopen", True) or "qid" in flags:
            place = _Place(self._env, how, source, announced)
            try:
                yield place.station
            finally:
                place.close()
            return
        found = self._places.get((how, source, announced))
        if found is None:
            found = self._places[how, source, announced] = _Place(self._env, how, source, announced)
        yield found.station

    def options(self, query: Query, servers: int, spent: float) -> QueryOptions:
        """How a query is asked of so many servers one after the other, `spent` seconds after its begin."""
        flags = query.flags
        tries = flags.get("tries", TRIES)
        time = flags.get("time", TIME)
        if self._timeout is not None and "time" not in flags:
            # A little less than its share: then each server gets its turn, and the error names the silent
            # one.
            time = min(time, max((self._timeout - spent) * 0.96 / (servers * tries), 0.001))
        return QueryOptions(
            timeout=time,
            tries=tries,
            # As in BIND's dig: an answer to ANY is larger than servers like to send over UDP.
            tcp=flags.get("tcp", query.rdtype == DnsRecordType.ANY),
            ignore_truncation=flags.get("ignore", False),
            rd=flags.get("recurse", True),
            ad=flags.get("ad", True),
            cd=flags.get("cd", False),
            edns=edns_of(flags),
            randomize_case=False,  # send the name as it was typed
            source=self.source_of(flags),
            lenient=flags.get("besteffort", True),  # show what there is
            tsig=self.key_of(flags),
            form=_form(flags),
            padding_block=flags.get("padding"),
            keepalive=False,  # on demand, as in BIND's dig: it is among the options of `_edns`
            negotiate_edns=flags.get("ednsnegotiation", True),
            return_cookie=flags.get("badcookie", True),
            skip_servfail=not flags.get("fail", True),
        )


class _Place:
    """The sockets and connections of the queries with the same settings of TLS."""

    def __init__(
        self,
        env: Environment,
        how: DnsTlsOptions,
        source: SocketAddr | None,
        announced: Announced | None,
    ) -> None:
        tls = how.tls(env)
        self._doh = LazyDoh(tls, how.proxy, source)
        self.station = Station(
            Settings(source, tls, self._doh.exchange, connect=how.connect(), announced=announced)
        )

    def close(self) -> None:
        """Close all of them."""
        self.station.close()
        self._doh.close()


def _announced(flags: Mapping[str, Any]) -> Announced | None:
    """What +proxy and +proxy-plain say; the second where both are given."""
    for name in ("proxy-plain", "proxy"):
        given = flags.get(name)
        if given:
            from netkit.dns.transports.announced import Announced

            found = Announced() if given is True else given
            return found._replace(before_tls=name == "proxy-plain")
    return None


def _form(flags: Mapping[str, Any]) -> QueryForm:
    named = {"aaflag": AA, "tcflag": TC, "raflag": RA, "zflag": Z}
    bits = sum([bit for name, bit in named.items() if flags.get(name)])
    return QueryForm(flags.get("opcode") or 0, bits, flags.get("qid"), not flags.get("header-only"))


def edns_of(flags: Mapping[str, Any]) -> Edns | None:
    """The EDNS that the flags say; None with +noedns."""
    version = flags.get("edns", True)
    if version is False:
        return None
    sent: list[EdnsOption] = [EdnsOption.Nsid()] if flags.get("nsid") else []
    if flags.get("subnet"):
        sent.append(flags["subnet"])
    cookie = flags.get("cookie")
    if cookie:
        sent.append(EdnsOption.Cookie(random_bits(64).to_bytes(8, "big")) if cookie is True else cookie)
    if flags.get("expire"):
        sent.append(EdnsOption.Expire())
    if flags.get("keepalive"):
        sent.append(EdnsOption.Keepalive())
    sent += flags.get("ednsopt") or ()
    size, bits = flags.get("bufsize", True), flags.get("ednsflags", False)
    return Edns(
        DEFAULT_PAYLOAD_SIZE if size is True else size,
        0 if version is True else version,
        flags.get("dnssec", False),
        (0 if bits is True else bits) | (COMPACT_OK if flags.get("coflag") else 0),
        sent,
    )
