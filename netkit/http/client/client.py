"""`Client` and `AsyncClient`: HTTP/1.1 and HTTP/2, blocking and awaited.

    with Client() as client:
        response = client.get("https://example.com/")
        print(response.status, response.body_text)

Both keep connections, and follow redirects as `ClientConfig` says. A client may be used from any thread; an
AsyncClient also from several event loops, which then have connections of their own.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar
from weakref import WeakKeyDictionary, ref

from netkit.http.bodies.body import Octets, body_of
from netkit.http.client.core import Call, ClientCore
from netkit.http.client.facts import DOING
from netkit.http.client.failures import as_http_error
from netkit.http.client.response import Incoming, ResponseStream, fetched, whole_body
from netkit.http.config import ClientConfig
from netkit.http.errors import HttpError
from netkit.http.message import Request
from netkit.http.url import Url
from netkit.io import DeadlineExceeded, Interrupted, deadline_after, run, run_async

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Generator
    from typing import Self

    from netkit.http.bodies.body import Body, BodySource
    from netkit.http.client.core import Answer
    from netkit.http.client.dial import DialConfig
    from netkit.http.client.facts import Trace
    from netkit.http.client.response import FetchedResponse
    from netkit.http.cookies.jar import CookieJar
    from netkit.http.headers import HeadersLike
    from netkit.http.policy.auth import Auth
    from netkit.http.policy.netrc import Netrc
    from netkit.http.state.hsts import HstsStore
    from netkit.io import CancellationToken, Flow

T = TypeVar("T")

_loops: WeakKeyDictionary[object, int] = WeakKeyDictionary()
_loops_guard = threading.Lock()
_last_loop = 0
#: The loop that was asked for last, and its number: most threads have one.
_known_loop: tuple[Callable[[], object], int] = (lambda: None, 0)


def loop_number(loop: asyncio.AbstractEventLoop) -> int:
    """A number of the event loop that no other one gets: an address would be used again."""
    global _last_loop, _known_loop
    known, number = _known_loop
    if known() is loop:
        return number
    found = _loops.get(loop)
    if found is None:
        with _loops_guard:
            _last_loop += 1
            _loops[loop] = found = _last_loop
    _known_loop = ref(loop), found
    return found


class _Base:
    """What both forms share: settings, and the flows of a call."""

    def __init__(
        self,
        config: ClientConfig | None = None,
        *,
        dial: DialConfig | None = None,
        cookies: CookieJar | None = None,
        auth: Auth | None = None,
        hsts: HstsStore | None = None,
        netrc: Netrc | None = None,
        trace: Trace | None = None,
    ) -> None:
        """`config` are the settings of requests, `dial` those of connections.

        `cookies` and `hsts` keep what servers set; None keeps nothing. `auth` is for the origin of each first
        request; `netrc` has credentials by host. `trace` is called with every step, as a `TraceEvent`.
        """
        self.config = config or ClientConfig()
        self._core = ClientCore(
            self.config, dial, cookies=cookies, auth=auth, hsts=hsts, netrc=netrc, trace=trace
        )

    def close(self) -> None:
        """Close all connections, those in use too. Requests that are under way fail."""
        self._core.close()

    @property
    def connections(self) -> int:
        """How many connections are open, or being made."""
        return len(self._core.pool)

    @property
    def idle_connections(self) -> int:
        """How many connections are open and not in use."""
        return self._core.pool.idle

    def _call(
        self,
        req: Request,
        body: BodySource | None,
        auth: Auth | None,
        timeout: float | None,
        follow_redirects: bool | None,
        loop: int,
        early_data: bool | None = None,
    ) -> Call:
        made: Body | None
        if body is None:
            made = None if req.body is None else Octets(req.body)
        elif req.body is not None:
            raise HttpError.InvalidRequest("it has a body already")
        else:
            made = body_of(body, may_wait=loop != 0)
        config = self.config
        return Call(
            req.method.encode("ascii"),
            Url.parse(req.uri),
            req.headers.to_items(),
            made,
            auth=auth,
            loop=loop,
            deadline=deadline_after(config.timeout if timeout is None else timeout),
            follows=config.follow_redirects if follow_redirects is None else follow_redirects,
            early_data=early_data,
        )

    def answer_flow(
        self,
        req: Request,
        *,
        body: BodySource | None = None,
        auth: Auth | None = None,
        follow_redirects: bool | None = None,
        early_data: bool | None = None,
        loop: int = 0,
    ) -> Flow[Answer]:
        """Flow: send `req`, and return the answer with its head read, for other flows to `yield from`.

        The time limit is that of the flow's driver. `loop` is the `loop_number` of the event loop that drives
        it, 0 without one.
        """
        call = self._call(req, body, auth, None, follow_redirects, loop, early_data)
        try:
            return (yield from self._core.answer_flow(call))
        except Interrupted as interrupted:
            self._explain(interrupted, call)
            raise

    def _whole_flow(self, call: Call) -> Flow[FetchedResponse]:
        answer = yield from self._core.answer_flow(call)
        reply, config = answer.reply, self.config
        decode, limit = config.decode, config.max_body
        is_decoded = False
        try:
            body = whole_body(reply, limit, decode=decode)
            if body is None:
                incoming = Incoming(answer, decode=decode, limit=limit)
                body = yield from incoming.whole_flow()
                is_decoded = incoming.is_decoded
        except BaseException:
            reply.close()  # whatever happens, the connection is given back
            raise
        if reply.upgraded is not None:
            reply.upgraded.close()  # a whole response has no use for it
        return fetched(answer, body, is_decoded=is_decoded)

    def _stream_flow(self, call: Call, timeout: float | None) -> Flow[ResponseStream]:
        answer = yield from self._core.answer_flow(call)
        try:
            return ResponseStream(Incoming(answer, decode=self.config.decode, limit=None), timeout)
        except BaseException:
            answer.reply.close()
            raise

    def _fail(self, error: OSError, call: Call, timeout: float | None) -> NoReturn:
        """Raise what the caller gets for an error of the layers below, in the handler of that error."""
        made = self._failed(error, call, timeout)
        if made is error:
            raise  # noqa: PLE0704 - it is being handled
        raise made from error

    def _explain(self, interrupted: Interrupted, call: Call) -> None:
        """The time of the flow's driver ran out: only the call knows what was being done."""
        if isinstance(interrupted.error, DeadlineExceeded):
            interrupted.explain(self._failed(interrupted.error, call, None))

    def _failed(self, error: OSError, call: Call, timeout: float | None) -> Exception:
        given = self.config.timeout if timeout is None else timeout
        if isinstance(error, DeadlineExceeded):
            made = HttpError.Timeout(given, error.doing or DOING[call.timing.phase])
            made.__cause__ = error
            return made
        found = as_http_error(error, call.timing.phase)
        if isinstance(found, HttpError.Timeout) and found.timeout is None and _is_over(call.deadline):
            found.timeout = given  # connecting tells which addresses it had tried by then
        return found


def _is_over(deadline: float | None) -> bool:
    """Whether this moment of `time.monotonic()` has come."""
    return deadline is not None and monotonic() >= deadline


class Client(_Base):
    """A client of HTTP/1.1 and HTTP/2, blocking.

        >>> client = Client(ClientConfig(timeout=5))
        >>> client.connections
        0
        >>> client.close()

    It is an `HttpClient`: `request` takes a `Request` whose target is a whole URL. Any thread may use it, and
    several at once share its connections.
    """

    def request(
        self,
        req: Request,
        *,
        body: BodySource | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
        follow_redirects: bool | None = None,
        early_data: bool | None = None,
    ) -> FetchedResponse:
        """Send `req`, and return the response with its whole body.

        `body`: octets, a binary file, or an iterable of octets, where the request itself has none. `auth` is
        for this request's origin. `timeout` is for everything, redirects and body included, in seconds; None
        is the settings'. A response of status 400 and over is a response. `early_data`: with
        `DialConfig.early_data`, whether this request may come twice, and so go early; None lets GET, HEAD and
        OPTIONS.

        Raises HttpError (see its variants), ParseError for a response that is not HTTP/1.1, and
        CancellationError.
        """
        call = self._call(req, body, auth, timeout, follow_redirects, 0, early_data)
        try:
            return run(self._whole_flow(call), deadline=call.deadline, cancel=cancel)
        except OSError as error:
            self._fail(error, call, timeout)

    def stream(
        self,
        req: Request,
        *,
        body: BodySource | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
        follow_redirects: bool | None = None,
        early_data: bool | None = None,
    ) -> ResponseStream:
        """Send `req`, and return the response as soon as its head is there; read its body piece by piece.

        Use it in a `with` block. Arguments and errors as for `request`; nothing limits the size of the body.
        """
        call = self._call(req, body, auth, timeout, follow_redirects, 0, early_data)
        try:
            return run(self._stream_flow(call, timeout), deadline=call.deadline, cancel=cancel)
        except OSError as error:
            self._fail(error, call, timeout)

    def stream_flow(
        self,
        req: Request,
        *,
        body: BodySource | None = None,
        auth: Auth | None = None,
        follow_redirects: bool | None = None,
        early_data: bool | None = None,
    ) -> Flow[ResponseStream]:
        """Flow: `stream`, for flows that `netkit.io.run` runs. The settings limit its time."""
        from netkit.io import before

        call = self._call(req, body, auth, None, follow_redirects, 0, early_data)
        try:
            flow = self._stream_flow(call, None)
            return (yield from flow if call.deadline is None else before(call.deadline, flow))
        except Interrupted as interrupted:
            self._explain(interrupted, call)
            raise
        except OSError as error:
            self._fail(error, call, None)

    def get(
        self, url: str | Url, headers: HeadersLike = (), *, timeout: float | None = None
    ) -> FetchedResponse:
        """`request` with GET."""
        return self.request(Request("GET", url, headers=headers), timeout=timeout)

    def head(
        self, url: str | Url, headers: HeadersLike = (), *, timeout: float | None = None
    ) -> FetchedResponse:
        """`request` with HEAD."""
        return self.request(Request("HEAD", url, headers=headers), timeout=timeout)

    def post(
        self,
        url: str | Url,
        body: BodySource = b"",
        headers: HeadersLike = (),
        *,
        timeout: float | None = None,
    ) -> FetchedResponse:
        """`request` with POST and a body."""
        return self.request(Request("POST", url, headers=headers), body=body, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Base):
    """A client of HTTP/1.1 and HTTP/2 for asyncio, and uvloop.

    It is an `AsyncHttpClient`. Each event loop has connections of its own.
    """

    async def request_async(
        self,
        req: Request,
        *,
        body: BodySource | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
        follow_redirects: bool | None = None,
        early_data: bool | None = None,
    ) -> FetchedResponse:
        """Send `req`, and return the response with its whole body; as `Client.request`.

        `body` may be an async iterable too.
        """
        call = self._call(req, body, auth, timeout, follow_redirects, running_loop_number(), early_data)
        try:
            return await run_async(self._whole_flow(call), deadline=call.deadline, cancel=cancel)
        except OSError as error:
            self._fail(error, call, timeout)

    def stream_async(
        self,
        req: Request,
        *,
        body: BodySource | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
        follow_redirects: bool | None = None,
        early_data: bool | None = None,
    ) -> Opening[ResponseStream]:
        """Send `req`; `async with client.stream_async(req) as response`, or await it; as `Client.stream`."""

        async def opened() -> ResponseStream:
            call = self._call(req, body, auth, timeout, follow_redirects, running_loop_number(), early_data)
            try:
                flow = self._stream_flow(call, timeout)
                return await run_async(flow, deadline=call.deadline, cancel=cancel)
            except OSError as error:
                self._fail(error, call, timeout)

        return Opening(opened)

    async def get_async(
        self, url: str | Url, headers: HeadersLike = (), *, timeout: float | None = None
    ) -> FetchedResponse:
        """`request_async` with GET."""
        return await self.request_async(Request("GET", url, headers=headers), timeout=timeout)

    async def head_async(
        self, url: str | Url, headers: HeadersLike = (), *, timeout: float | None = None
    ) -> FetchedResponse:
        """`request_async` with HEAD."""
        return await self.request_async(Request("HEAD", url, headers=headers), timeout=timeout)

    async def post_async(
        self,
        url: str | Url,
        body: BodySource = b"",
        headers: HeadersLike = (),
        *,
        timeout: float | None = None,
    ) -> FetchedResponse:
        """`request_async` with POST and a body."""
        return await self.request_async(Request("POST", url, headers=headers), body=body, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Opening(Generic[T]):
    """A response that is being asked for: await it, or use it in `async with`."""

    __slots__ = ("_open", "_opened")

    def __init__(self, open_it: Callable[[], Awaitable[T]]) -> None:
        self._open = open_it
        self._opened: T | None = None

    def __await__(self) -> Generator[object, None, T]:
        return self._open().__await__()

    async def __aenter__(self) -> T:
        self._opened = opened = await self._open()
        return opened

    async def __aexit__(self, *_: object) -> None:
        if isinstance(self._opened, ResponseStream):
            self._opened.close()


_get_running_loop: Callable[[], asyncio.AbstractEventLoop] | None = None


def running_loop_number() -> int:
    """The number of the event loop that runs now. Raises RuntimeError if none does."""
    global _get_running_loop
    if _get_running_loop is None:
        from asyncio import get_running_loop

        _get_running_loop = get_running_loop
    return loop_number(_get_running_loop())
