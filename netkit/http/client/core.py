"""What a client decides: what to send, over which connection, and what an answer leads to.

`answer_flow` carries one call from its first request to the head of its last response: HSTS, cookies,
authentication, redirects, retries. It is the same for the blocking and the async form, and for bodies that
are read whole or piece by piece. RFC 9110 section 9.2.2 (what may be repeated), 15.4 (redirects), 15.5.2
(401), 15.5.20 (421), RFC 9112 section 9.3.1 (retries on a connection that was closed).

Secrets go to the origin that they were given for and to no other: `Call.origin` is that of the first request,
and every redirect to another one drops what the caller set.
"""

from __future__ import annotations

from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.http.client.channel import Exchange, NoRoom, timed_out
from netkit.http.client.dial import DialConfig, Dialer, HttpVersions, Link
from netkit.http.client.facts import Timing, TraceEvent
from netkit.http.client.failures import as_http_error, is_of_connection
from netkit.http.client.h1_channel import H1Channel
from netkit.http.client.pool import Pool, PoolLease
from netkit.http.client.redirect import (
    fields_for_other_origin,
    fields_without_body,
    redirect_of,
    same_origin,
)
from netkit.http.connection.events import FieldBlock, RequestHead, values_of
from netkit.http.connection.h1_client import H1Client
from netkit.http.errors import HttpError
from netkit.http.types import Method
from netkit.io import before, sleep_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.http.bodies.body import Body
    from netkit.http.client.channel import Channel, Lease, Reply
    from netkit.http.client.dial import Route
    from netkit.http.client.early import EarlyRequest
    from netkit.http.client.facts import ConnectionInfo, Trace
    from netkit.http.config import ClientConfig
    from netkit.http.connection.events import FieldList
    from netkit.http.cookies.jar import CookieJar
    from netkit.http.policy.auth import Auth, RequestFacts
    from netkit.http.policy.netrc import Netrc
    from netkit.http.state.hsts import HstsStore
    from netkit.http.url import Url
    from netkit.io import Flow
    from netkit.tls.config import TlsConfig

log = Log("netkit.http")

#: Fields that the client writes itself, from the facts: a caller's are dropped.
_OURS = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)

#: Statuses after which the client itself may ask once more, see `_round_flow`.
_ASK_AGAIN = (417, 421, 425)

#: How many times a request may go over another connection because one had been closed.
MAX_FRESH = 3

#: How many times a request may be answered with new credentials.
MAX_CHALLENGES = 4

#: How much of an unwanted body is read, in octets, and for how long, in seconds.
DROP_LIMIT = 65_536
DROP_TIME = 1.0

#: How long to wait for 100 (Continue) before the body goes anyway, in seconds.
CONTINUE_TIME = 1.0


class Call:
    """One call of a client, from its first request to its last response.

    `authority` is a Host that the caller set. `closes`: the caller wants no further request on the
    connection. `upgrade` are the protocols that the caller asks to go on with (RFC 9110 section 7.8).
    `early_data`: whether the request may go early, None leaves it to its method (RFC 8470 section 4).
    """

    __slots__ = (
        "auth",
        "authority",
        "body",
        "closes",
        "deadline",
        "early_data",
        "fields",
        "follows",
        "history",
        "interim",
        "loop",
        "method",
        "origin",
        "redirects",
        "timing",
        "upgrade",
        "url",
    )

    def __init__(
        self,
        method: bytes,
        url: Url,
        fields: Sequence[tuple[bytes, bytes]],
        body: Body | None,
        *,
        auth: Auth | None = None,
        loop: int = 0,
        deadline: float | None = None,
        follows: bool = True,
        early_data: bool | None = None,
    ) -> None:
        if url._username or url._password:
            # They are for the origin of this URL, and for no other place that shows or keeps a URL.
            auth = auth or _auth_of(url)
            url = url.replace(username="", password="")
        self.authority: bytes | None = None
        self.closes = False
        self.upgrade: bytes | None = None
        self.redirects = 0
        self.history: Sequence[Answer] = ()
        self.interim: Sequence[tuple[int, FieldList]] = ()
        self.method = method
        self.url = url
        self.body = body
        self.auth = auth
        self.loop = loop
        self.deadline = deadline
        self.follows = follows
        self.early_data = early_data
        self.origin = url  # the first URL: what the caller set is for its origin
        self.timing = Timing(monotonic())
        self.fields: Sequence[tuple[bytes, bytes]] = self._own(fields) if fields else ()

    def note_interim(self, status: int, fields: FieldList) -> None:
        """A 1xx response came."""
        self.interim = (*self.interim, (status, fields))

    def _own(self, fields: Sequence[tuple[bytes, bytes]]) -> FieldList:
        """The caller's fields, without those that the client writes."""
        kept: FieldList = []
        for name, value in fields:
            key = name.lower()
            if key == b"host":
                self.authority = value
            elif key == b"connection":
                self.closes = self.closes or b"close" in value.lower()
            elif key == b"upgrade":
                self.upgrade = value
            elif key not in _OURS:
                kept.append((name, value))
        return kept


def _auth_of(url: Url) -> Auth:
    """The user name and the password in a URL."""
    from urllib.parse import unquote

    from netkit.http.policy.auth import BasicAuth

    return BasicAuth(unquote(url.username), unquote(url.password))


class Answer:
    """A response whose head is there, with what led to it. Its body is in `reply`."""

    __slots__ = ("deadline", "history", "info", "interim", "reply", "timing", "url")

    def __init__(self, call: Call, url: Url, reply: Reply, info: ConnectionInfo) -> None:
        self.url = url
        self.reply = reply
        self.info = info
        self.timing = call.timing
        self.interim = call.interim
        self.history = call.history
        self.deadline = call.deadline


class ClientCore:
    """The state of a client: settings, pool, cookies, credentials."""

    def __init__(
        self,
        config: ClientConfig,
        dial: DialConfig | None = None,
        *,
        cookies: CookieJar | None = None,
        auth: Auth | None = None,
        hsts: HstsStore | None = None,
        netrc: Netrc | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.config = config
        self.dialer = Dialer(dial or DialConfig())
        self.pool = Pool(config.pool_config)
        self.cookies = cookies
        self.auth = auth
        self.hsts = hsts
        self.netrc = netrc
        self.trace = trace
        self._shared = self._default_fields()
        self._defaults = [
            field
            for field in config.default_headers.to_items()
            if field[0].lower() not in _OURS and field[0].lower() != b"host"  # which every request has
        ]
        self._shared_names = frozenset(name.lower() for name, _ in self._shared.items)
        #: Whether nothing of a response matters to the next request.
        self._notes_nothing = cookies is None and hsts is None and config.retry is None
        pool = config.pool_config
        self._read_timeout = pool.read_timeout
        self._write_timeout = pool.write_timeout

    def _default_fields(self) -> FieldBlock:
        config = self.config
        fields: FieldList = []
        given = {name.lower() for name in config.default_headers}
        if config.user_agent is not None and "user-agent" not in given:
            fields.append((b"User-Agent", config.user_agent.encode("latin-1")))
        if "accept" not in given:
            fields.append((b"Accept", b"*/*"))
        if config.decode and "accept-encoding" not in given:
            from netkit.http.bodies.codings import accept_encoding

            fields.append((b"Accept-Encoding", accept_encoding().encode("ascii")))
        return FieldBlock(fields)

    # The call.

    def answer_flow(self, call: Call) -> Flow[Answer]:
        """Flow: send what the call asks for, and return the answer that it leads to, with its head read."""
        while True:
            answer = yield from self._round_flow(call)
            reply = answer.reply
            if not (call.follows and 300 <= reply.status <= 399):
                return answer
            try:
                redirect = redirect_of(answer.url, call.method, reply.status, reply.fields)
                if redirect is None:
                    return answer
                call.redirects += 1
                if call.redirects > self.config.max_redirects:
                    last = redirect.url.redacted
                    error = HttpError.InvalidResponse(
                        f"more than {self.config.max_redirects} redirects, the last one to {last}",
                        hint="the server sends the client round in circles, or the limit is too small",
                    )
                    error.remedy = "max_redirects"
                    raise error
            except BaseException:
                reply.close()
                raise
            yield from drop_flow(reply)
            call.history = (*call.history, answer)
            self._tell("redirect", status=reply.status, url=redirect.url)
            if not same_origin(call.url, redirect.url):
                call.fields = fields_for_other_origin(call.fields)
                call.auth = None
                call.authority = None
                if call.upgrade != b"websocket":
                    call.upgrade = None  # a handshake goes on where the redirect leads
                call.origin = redirect.url
            if not redirect.keeps_body:
                call.body = None
                call.fields = fields_without_body(call.fields)
            elif call.body is not None and not call.body.replayable:
                raise HttpError.InvalidRequest(
                    f"a redirect ({reply.status}) asks for the body again, which can be read only once",
                    hint="give it as bytes, or as a file that can seek",
                )
            call.method = redirect.method
            call.url = redirect.url
            call.timing = Timing(monotonic())

    def _round_flow(self, call: Call) -> Flow[Answer]:
        """Flow: one URL of the call: authentication, 421 and the retries that the settings allow."""
        url = call.url
        if self.hsts is not None:
            secure = self.hsts.upgrade(url, time())
            if secure is not url:
                self._tell("upgrade_to_https", url=secure)
                call.url = url = secure
        route = self.dialer.route(url, call.loop, upgrades=call.upgrade is not None)
        auth = None
        if call.auth is not None or self.auth is not None or self.netrc is not None:
            auth = self._auth_for(call, route)
        challenges = attempts = 0
        credentials: str | None = None
        misdirected = is_too_early = False
        facts: RequestFacts | None = None
        expects = call.body is not None and self._expects(call.body)
        while True:
            call.interim = ()
            if auth is not None:
                facts = self._facts(call, url, challenges)
                if credentials is None:
                    credentials = auth.first(facts)
            head = self._head(call, url, route, credentials, expects=expects)
            note = call.note_interim if self.trace is None else partial(self._on_interim, call)
            exchange = Exchange(head, call.body, call.timing, note)
            self._limit_waits(call, exchange)
            if expects:
                exchange.expects_continue = CONTINUE_TIME
            try:
                reply, info = yield from self._exchange_flow(
                    route,
                    exchange,
                    fresh=misdirected,
                    early=None if is_too_early else self._early(call, exchange),
                )
            except Exception as error:
                delay = self._retry_delay(call, attempts, exchange, None, error)
                if delay is None:
                    raise
                attempts += 1
                yield from self._pause(call, delay, attempts, type(error).__name__)
                credentials = None  # a nonce count is used once
                continue
            answer = Answer(call, url, reply, info)
            if auth is None and self._notes_nothing and reply.status not in _ASK_AGAIN:
                return answer
            try:
                if self.cookies is not None or self.hsts is not None:
                    self._note(url, route, reply)
                if auth is not None and facts is not None:
                    if exchange.head.method != call.method:
                        facts = self._facts(call, url, challenges, exchange.head.method)
                    credentials = self._answered(auth, facts, reply)
                    if credentials is not None and challenges < MAX_CHALLENGES and self._replayable(call):
                        challenges += 1
                        yield from drop_flow(reply)
                        self._tell("auth", status=reply.status)
                        call.timing = Timing(monotonic())
                        continue
                if reply.status == 417 and expects and self._replayable(call):
                    # RFC 9110 section 10.1.1: without the expectation.
                    expects = False
                    yield from drop_flow(reply)
                    self._tell("retry", status=417)
                    call.timing = Timing(monotonic())
                    credentials = None
                    continue
                if reply.status == 421 and not misdirected and self._replayable(call):
                    # RFC 9110 section 15.5.20: over another connection, whatever the method.
                    misdirected = True
                    yield from drop_flow(reply)
                    self._tell("retry", status=421)
                    call.timing = Timing(monotonic())
                    credentials = None
                    continue
                if reply.status == 425 and exchange.was_early:
                    # RFC 8470 section 5.2: once more, and not early. Not if it was not early: then it is
                    # not this client's haste that the server minds.
                    is_too_early = True
                    yield from drop_flow(reply)
                    self._tell("retry", status=425)
                    call.timing = Timing(monotonic())
                    credentials = None
                    continue
                if self.config.retry is None:
                    return answer
                delay = self._retry_delay(call, attempts, exchange, reply, None)
            except BaseException:
                reply.close()
                raise
            if delay is None:
                return answer
            attempts += 1
            yield from drop_flow(reply)
            yield from self._pause(call, delay, attempts, str(reply.status))
            credentials = None

    def _limit_waits(self, call: Call, exchange: Exchange) -> None:
        """Give the exchange its limits of time, but none that comes after the end of the whole call."""
        left = None if call.deadline is None else call.deadline - call.timing.started
        timeout = self._read_timeout
        if timeout is not None and (left is None or timeout < left):
            exchange.read_timeout = timeout
        if call.body is not None:
            timeout = self._write_timeout
            if timeout is not None and (left is None or timeout < left):
                exchange.write_timeout = timeout

    def _early(self, call: Call, exchange: Exchange) -> EarlyRequest | None:
        """The request as one that goes early if a connection is made for it; None if it must not."""
        if not self.dialer.config.early_data:
            return None
        from netkit.http.client.early import EarlyRequest, may_be_early

        if not may_be_early(exchange, call.early_data):
            return None
        return EarlyRequest(exchange, self.config.limits)

    def _exchange_flow(
        self, route: Route, exchange: Exchange, *, fresh: bool, early: EarlyRequest | None = None
    ) -> Flow[tuple[Reply, ConnectionInfo]]:
        """Flow: one request over one connection; over another one where that can do no harm."""
        timing = exchange.timing
        pool = self.pool
        tries = 0
        while True:
            taken = None if fresh else pool.take(route)
            if exchange.head.protocol is not None:
                channel, reused = yield from self._upgradable_flow(route, exchange, taken)
            elif taken is not None:
                channel, reused = taken, True
            else:
                timing.phase = "queue"
                try:
                    channel, reused = yield from pool.acquire_flow(
                        route,
                        partial(self._dial_flow, route, timing, early=early),
                        may_share=self.dialer.may_be_http2(route),
                        fresh=fresh,
                    )
                except Exception as error:
                    made = as_http_error(error, timing.phase)
                    if made is error:
                        raise
                    raise made from error
            timing.acquired = monotonic()
            info = channel.info_again if reused else channel.info
            if self.trace is not None:
                self._tell("reuse" if reused else "connected", info=info)
                self._tell("request", head=exchange.head, info=info)
            try:
                reply = yield from channel.exchange_flow(exchange)
            except NoRoom:
                pool.release(route, channel)
                continue
            except Exception as error:
                pool.release(route, channel)
                if tries < MAX_FRESH and self._may_go_again(exchange, error, reused):
                    log.debug("%s: %s; over another connection", route.endpoint, error)
                    self._tell("retry", error=error)
                    tries += 1
                    # Of HTTP/2, one new connection is enough for all that go again; the pool knows the old
                    # one to be over.
                    fresh = not channel.is_http2
                    exchange.was_sent = exchange.was_early = exchange.has_answer = False
                    continue
                made = as_http_error(error, timing.phase)
                if made is error:
                    raise
                raise made from error
            except BaseException:
                pool.release(route, channel)
                raise
            if self.trace is not None:
                self._tell("response", reply=reply)
            if reply.is_upgraded:
                pool.hand_over(channel)
                return reply, info
            if reply.is_ended and self.trace is None:
                pool.release(route, channel)  # without a lease, which nobody would end later
                return reply, info
            lease: Lease = PoolLease(pool, route, channel)
            if self.trace is not None:
                lease = _TracedLease(lease, partial(self._tell, "end", reply=reply))
            reply.when_over(lease)
            return reply, info

    def _upgradable_flow(
        self, route: Route, exchange: Exchange, taken: Channel | None, *, tries_http2: bool = True
    ) -> Flow[tuple[Channel, bool]]:
        """Flow: a channel for a request that asks for another protocol, and whether it was used before.

        HTTP/2 has no Upgrade (RFC 9113 section 8.6), but servers may take an extended CONNECT for a WebSocket
        (RFC 8441): then it goes over the connection that is there. Otherwise it goes over one of HTTP/1.1,
        since a new connection of HTTP/2 might turn out to be of no use, unless `http2_websockets` is set.
        """
        pool, timing, config = self.pool, exchange.timing, self.dialer.config
        only_http2 = config.versions is HttpVersions.HTTP2 and not route.is_forwarded
        may_be_http2 = only_http2 or (
            tries_http2 and config.http2_websockets and self.dialer.may_be_http2(route)
        )
        reused = taken is not None
        timing.phase = "queue"
        channel = taken
        try:
            if channel is None:
                channel, reused = yield from pool.acquire_flow(
                    route,
                    partial(self._dial_flow, route, timing, http11=not may_be_http2),
                    may_share=may_be_http2,
                    fresh=not may_be_http2,
                )
            if not channel.is_http2:
                if exchange.head.method == b"CONNECT":
                    exchange.head = exchange.upgrade_head or exchange.head
                return channel, reused
            from netkit.http.client.h2_channel import H2Channel
            from netkit.http.client.h2_tunnel import extended_connect

            assert isinstance(channel, H2Channel)
            if exchange.head.protocol == b"websocket" and (yield from channel.takes_protocols_flow(exchange)):
                if exchange.head.method != b"CONNECT":
                    exchange.upgrade_head = exchange.head
                    exchange.head = extended_connect(exchange.head)
                return channel, reused
        except Exception as error:
            if channel is not None:
                pool.release(route, channel)
            made = as_http_error(error, timing.phase)
            if made is error:
                raise
            raise made from error
        except BaseException:
            if channel is not None:
                pool.release(route, channel)
            raise
        pool.release(route, channel)
        if only_http2:
            raise HttpError.InvalidRequest(
                "HTTP/2 has no Upgrade, and the server takes no extended CONNECT for this protocol",
                hint="connect with DialConfig(HttpVersions.HTTP11)",
            )
        return (yield from self._upgradable_flow(route, exchange, None, tries_http2=False))

    @staticmethod
    def _may_go_again(exchange: Exchange, error: Exception, reused: bool) -> bool:
        """Whether the request may be sent again, over a fresh connection, without being asked to.

        Only where no octet of a response came, and the server cannot have acted on it (it was not sent), or
        acting twice is the same as once (RFC 9112 section 9.3.1).
        """
        if exchange.has_answer or not is_of_connection(error):
            return False
        if exchange.body is not None and not exchange.body.replayable:
            return False
        return not exchange.was_sent or (
            reused and Method(exchange.head.method.decode("ascii")).is_idempotent
        )

    def _dial_flow(
        self, route: Route, timing: Timing, *, http11: bool = False, early: EarlyRequest | None = None
    ) -> Flow[Channel]:
        """Flow: a new connection, with the protocol that it speaks; with `http11`, that of HTTP/1.1.

        `early` is the request that it is made for, if that may go early.
        """
        timing.queued = monotonic()
        try:
            link = yield from self._link_flow(route, timing, http11=http11, early=early)
        except Exception as error:
            if early is None or not early.may_have_failed_by(error):
                raise
            # RFC 8446 appendix D.3: the server has gone back to an older version, or something between.
            self._tell("retry", error=error)
            early.exchange.was_sent = early.exchange.was_early = False
            link = yield from self._link_flow(route, timing, http11=http11, early=None)
        return self._channel(link)

    def _link_flow(
        self, route: Route, timing: Timing, *, http11: bool, early: EarlyRequest | None
    ) -> Flow[Link]:
        """Flow: a new connection within the time for it."""
        timeout = self.dialer.config.connect_timeout
        flow = self.dialer.dial_flow(route, timing, self._tell, http11=http11, early=early)
        if timeout is None:
            return (yield from flow)
        return (
            yield from before(monotonic() + timeout, flow, expired=lambda _: timed_out(timeout, timing.phase))
        )

    def _channel(self, link: Link) -> Channel:
        if not link.is_http2:
            return H1Channel(link, self.config.limits)
        from netkit.http.client.h2_channel import H2Channel
        from netkit.http.connection.h2 import h2_client

        begun = None if link.early is None else link.early.begun
        if begun is None:
            return H2Channel(link, h2_client(self.config.limits), self.pool.call_next)
        assert not isinstance(begun.conn, H1Client)  # `Dialer` has looked
        return H2Channel(link, begun.conn, self.pool.call_next)

    # What a request says.

    def _head(
        self, call: Call, url: Url, route: Route, credentials: str | None, *, expects: bool
    ) -> RequestHead:
        fields: Sequence[tuple[bytes, bytes]] = call.fields
        shared = self._shared
        if fields or self._defaults:
            fields = self._merged(call)
            names = {name.lower() for name, _ in fields}
            if not self._shared_names.isdisjoint(names):
                shared = FieldBlock(field for field in shared.items if field[0].lower() not in names)
                # A caller's field without a value takes the client's own out.
                fields = [field for field in fields if field[1] or field[0].lower() not in self._shared_names]
        if self.cookies is not None:
            cookie = self.cookies.cookie_header(
                url,
                time(),
                method=call.method.decode("ascii"),
                initiator=call.history[-1].url if call.history else None,
                loopback_is_secure=self._is_direct(route),
            )
            if cookie is not None:
                fields = self._with_cookie(fields, cookie)
        if credentials is not None:
            fields = [*fields, (b"Authorization", credentials.encode("latin-1"))]
        if expects:
            fields = [*fields, (b"Expect", b"100-continue")]
        scheme, authority, target = url.head_parts
        if route.proxy is not None and route.is_forwarded:
            # RFC 9112 section 3.2.2: to a proxy, the target is the whole URL.
            target = b"http://%b%b" % (authority, target)
            if route.proxy.username is not None:
                from netkit.http.policy.auth import basic_credentials

                value = basic_credentials(route.proxy.username, route.proxy.password or "")
                fields = [*fields, (b"Proxy-Authorization", value.encode("latin-1"))]
        return RequestHead(
            call.method,
            target,
            call.authority or authority,
            scheme,
            fields,
            shared=shared,
            protocol=call.upgrade,
            closes=call.closes,
        )

    def _merged(self, call: Call) -> Sequence[tuple[bytes, bytes]]:
        """The caller's fields, and those of the settings that the caller did not set."""
        if not self._defaults:
            return call.fields
        names = {name.lower() for name, _ in call.fields}
        more = [field for field in self._defaults if field[0].lower() not in names]
        if call.history and not same_origin(call.history[0].url, call.url):
            more = fields_for_other_origin(more)
        return [*more, *call.fields]

    @staticmethod
    def _with_cookie(fields: Sequence[tuple[bytes, bytes]], cookie: str) -> FieldList:
        """One Cookie field, with the caller's own cookies first (RFC 6265bis section 5.8.3)."""
        value = cookie.encode("latin-1")
        own = values_of(fields, b"cookie")
        if own:
            value = b"; ".join([*own, value])
        return [*(field for field in fields if field[0].lower() != b"cookie"), (b"Cookie", value)]

    def _expects(self, body: Body) -> bool:
        """Whether to wait for 100 (Continue) before this body (RFC 9110 section 10.1.1)."""
        least = self.config.expect_continue
        if least is None or body.length == 0:
            return False
        return body.length is None or body.length >= least

    # Who the caller is.

    def _auth_for(self, call: Call, route: Route) -> Auth | None:
        """How to authenticate to this origin: as the call says, the client, or .netrc; else None."""
        if any(name.lower() == b"authorization" for name, _ in call.fields):
            return None
        if call.auth is not None:
            return call.auth
        if call.history and not (
            same_origin(call.history[0].url, call.url) and same_origin(call.origin, call.url)
        ):
            # A server that redirects must not choose who gets credentials, nor over what: not by TLS to a
            # host that .netrc knows, not to one that only its default entry is for.
            return None
        if self.auth is not None:
            return self.auth
        if self.netrc is not None:
            found = self.netrc.lookup(route.name)
            if found is not None and found.login is not None:
                from netkit.http.policy.auth import BasicAuth

                return BasicAuth(found.login, found.password or "")
        return None

    @staticmethod
    def _facts(call: Call, url: Url, attempt: int, method: bytes | None = None) -> RequestFacts:
        from netkit.http.bodies.body import Octets
        from netkit.http.policy.auth import RequestFacts

        body: bytes | None = b""
        if call.body is not None:
            body = call.body.data if isinstance(call.body, Octets) else None
        return RequestFacts(
            (method or call.method).decode("ascii"), url.request_target, url.origin, body, attempt
        )

    @staticmethod
    def _answered(auth: Auth, facts: RequestFacts, reply: Reply) -> str | None:
        """What to answer a challenge with; None where there is none, or nothing helps."""
        from netkit.http.challenges import parse_challenges
        from netkit.http.fields.errors import FieldError

        if reply.status != 401:
            info = values_of(reply.fields, b"authentication-info")
            if info and reply.status < 400:
                auth.learned(info[0].decode("latin-1"), facts)
            return None
        asked = values_of(reply.fields, b"www-authenticate")
        if not asked:
            return None
        try:
            return auth.answer(parse_challenges(b", ".join(asked)), facts)
        except FieldError:
            return None  # the response itself, 401, is then the result

    # What a response says.

    def _note(self, url: Url, route: Route, reply: Reply) -> None:
        """Keep the cookies and the policy that a response sets."""
        cookies: list[str | bytes] = []
        policies: list[str] = []
        for name, value in reply.fields:
            key = name.lower()
            if key == b"set-cookie":
                cookies.append(value)
            elif key == b"strict-transport-security":
                policies.append(value.decode("latin-1"))
        if cookies and self.cookies is not None:
            for refused in self.cookies.store(
                url, cookies, time(), loopback_is_secure=self._is_direct(route)
            ):
                log.debug("%s: a cookie was refused: %s", url.host, refused)
        if policies and self.hsts is not None:
            tls = self.dialer.config.tls
            self.hsts.note(url, policies, time(), is_verified=_verifies(tls))

    def _is_direct(self, route: Route) -> bool:
        """Whether a loopback name really is this machine: no proxy and no setting leads elsewhere."""
        dial = self.dialer.config
        return route.proxy is None and not dial.resolve_to and not dial.connect_to

    def _on_interim(self, call: Call, status: int, fields: FieldList) -> None:
        call.note_interim(status, fields)
        self._tell("interim", status=status, fields=fields)

    @staticmethod
    def _replayable(call: Call) -> bool:
        return call.body is None or call.body.replayable

    # Retries that the settings ask for.

    def _retry_delay(
        self, call: Call, attempts: int, exchange: Exchange, reply: Reply | None, error: Exception | None
    ) -> float | None:
        policy = self.config.retry
        if policy is None or not self._replayable(call):
            return None
        from random import random

        from netkit.http.policy.retry import TryOutcome

        status = None if reply is None else reply.status
        retry_after: str | None = None
        if reply is not None:
            values = values_of(reply.fields, b"retry-after")
            retry_after = values[0].decode("latin-1") if values else None
        elif not isinstance(error, HttpError) or not isinstance(error, OSError) or error.fault == "caller":
            return None
        elif isinstance(error, HttpError.TlsError):
            return None  # a certificate does not become another one
        outcome = TryOutcome(
            call.method.decode("ascii"), status, retry_after, is_unsent=not exchange.was_sent
        )
        delay: float | None = policy.delay(attempts + 1, outcome, time(), random)
        return delay

    def _pause(self, call: Call, delay: float, attempt: int, why: str) -> Flow[None]:
        self._tell("retry", delay=delay, attempt=attempt, why=why)
        yield from sleep_until(monotonic() + delay)
        call.timing = Timing(monotonic())

    def _tell(self, name: str, **facts: object) -> None:
        if self.trace is not None:
            self.trace(TraceEvent(name, monotonic(), facts))

    def close(self) -> None:
        """Close all connections, and forget the sessions of TLS."""
        self.pool.close()
        self.dialer.close()


class _TracedLease:
    """A lease whose end is told."""

    __slots__ = ("_lease", "_tell")

    def __init__(self, lease: Lease, tell: Callable[[], None]) -> None:
        self._lease = lease
        self._tell = tell

    def end(self) -> None:
        """Give the channel back."""
        self._tell()
        self._lease.end()


def drop_flow(reply: Reply) -> Flow[None]:
    """Flow: the body of `reply` is not wanted. Read it if it is short, so that the connection can be kept."""
    try:
        if reply.length is None or reply.length <= DROP_LIMIT:
            yield from before(monotonic() + DROP_TIME, _read_and_drop(reply), expired=_Slow)
    except (OSError, ValueError, EOFError, _Slow):
        pass  # the connection is closed then, and nobody needs it
    finally:
        reply.close()


class _Slow(Exception):
    """The rest of a body that is not wanted does not come."""


def _read_and_drop(reply: Reply) -> Flow[None]:
    dropped = 0
    while dropped <= DROP_LIMIT and (piece := (yield from reply.next_flow())):
        dropped += len(piece)


def _verifies(tls: TlsConfig | None) -> bool:
    """Whether a peer's certificate is verified by these settings."""
    from netkit.tls.config import CertVerifyMode

    return tls is None or tls.verify_mode is not CertVerifyMode.None_
