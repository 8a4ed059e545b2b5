"""Connections that end at the wrong moment, authentication without end, cookies of others, TLS cut off."""

from __future__ import annotations

import itertools
import os
import socket
import ssl
from collections.abc import Callable

from netkit.http.connection.errors import IncompleteMessage
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from tests.http.client.hostile_framing import CUT, GONE, OK
from tests.http.client.scripting import (
    CLOSE,
    DROP,
    RESET,
    WAIT,
    Answer,
    Ask,
    Outcome,
    Received,
    Scenario,
    Script,
    Service,
    Visitor,
    answers,
    endless,
    repeated,
    response,
)

HELLO, GOOD = b"hello\n", b"good\n"
GOOD_SERVER: Script = answers(response(200, GOOD))
BIG = bytes(8 << 20)
RETRY = "RFC 9110 section 9.2.2: only idempotent requests are sent again by themselves"


def _after_one(then: Callable[[Visitor], None]) -> Script:
    """A good answer to the first request; what follows is for the next."""

    def script(visitor: Visitor) -> None:
        visitor.request()
        visitor.send(response())
        then(visitor)

    return script


def _closes_on_request(visitor: Visitor) -> None:
    visitor.head()
    visitor.leave(CLOSE)


def _resets_on_request(visitor: Visitor) -> None:
    visitor.head()
    visitor.leave(RESET)


def _part_on_request(visitor: Visitor) -> None:
    visitor.request()
    visitor.send(OK + b"Content-Length: 10\r\n\r\npart")
    visitor.leave(CLOSE)


def _resets_in_answer(visitor: Visitor) -> None:
    visitor.request()
    visitor.send(OK + b"Content-Le")
    visitor.leave(RESET)


def _says_408(visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    visitor.leave(CLOSE)


def _idle(
    name: str,
    then: Callable[[Visitor], None],
    method: str,
    again: Outcome,
    requests: int,
    rule: str = RETRY,
    *,
    settle: bool = False,
) -> Scenario:
    """The first request is answered well; the next, of that method, meets `then` on the same connection."""
    outcome = Outcome(status=200, body=HELLO, again=(again,), requests=requests)
    return Scenario(name, [_after_one(then), GOOD_SERVER], outcome, rule, Ask(again=(method,), settle=settle))


def _once(method: str) -> Callable[[Service], None]:
    def check(service: Service) -> None:
        assert [each.method for each in service.requests].count(method) == 1, service.requests

    return check


_GOOD_ONE = Outcome(status=200, body=GOOD)
_GONE = Outcome(errors=(*GONE, *CUT))

IDLE = [
    _idle("closed when the next request comes: GET", _closes_on_request, "GET", _GOOD_ONE, 3),
    _idle("closed when the next request comes: DELETE", _closes_on_request, "DELETE", _GOOD_ONE, 3),
    _idle("closed when the next request comes: POST", _closes_on_request, "POST", _GONE, 2),
    _idle("reset when the next request comes: GET", _resets_on_request, "GET", _GOOD_ONE, 3),
    _idle("reset when the next request comes: POST", _resets_on_request, "POST", _GONE, 2),
    _idle("closed in the next answer: GET", _part_on_request, "GET", Outcome(errors=CUT), 2),
    _idle("reset in the next answer: GET", _resets_in_answer, "GET", _GONE, 2),
    _idle("closed while idle: GET", lambda visitor: visitor.leave(CLOSE), "GET", _GOOD_ONE, 2, settle=True),
    _idle("closed while idle: POST", lambda visitor: visitor.leave(CLOSE), "POST", _GOOD_ONE, 2, settle=True),
    _idle("408 while idle", _says_408, "GET", _GOOD_ONE, 2, "RFC 9110 section 15.5.9", settle=True),
    Scenario(
        "closed at every request", [answers(b"", end=CLOSE, whole=False)],
        Outcome(errors=GONE, requests=1, or_else=Outcome(errors=GONE, requests=2)), RETRY,
    ),
]  # fmt: skip


def _early(status: int, end: str) -> Script:
    """A final response as soon as the head is there; the body is never read if it ends with RESET."""

    def script(visitor: Visitor) -> None:
        visitor.head()
        visitor.send(response(status, b"too much\n", ("Connection", "close")))
        visitor.leave(end)

    return script


UPLOAD = Ask(method="POST", body=BIG)
EARLY = [
    Scenario(
        "413 before the body, which is then read", [_early(413, CLOSE)],
        Outcome(status=413, body=b"too much\n", requests=1), "RFC 9112 section 9.5", UPLOAD,
    ),
    Scenario(
        "413 before the body, and a reset", [_early(413, RESET)],
        Outcome(
            status=413, body=b"too much\n", requests=1, or_else=Outcome(errors=(*GONE, *CUT), requests=1)
        ),
        "RFC 9112 section 9.6", UPLOAD,
    ),
    Scenario(
        "reset before the body is read", [answers(b"", whole=False, end=RESET)],
        Outcome(errors=GONE, requests=1), RETRY, UPLOAD,
    ),
]  # fmt: skip


# Authentication and misdirected requests

_nonces = itertools.count()


def _digest(visitor: Visitor, received: Received) -> bytes:
    challenge = f'Digest realm="netkit", nonce="n{next(_nonces)}", stale=true, algorithm=SHA-256, qop="auth"'
    return response(401, b"again\n", ("WWW-Authenticate", challenge))


def _at_most(count: int) -> Callable[[Service], None]:
    def check(service: Service) -> None:
        assert len(service.requests) <= count, f"{len(service.requests)} requests"

    return check


def _401(
    name: str, answer: Answer, most: int, auth: str | None, *, fields: tuple[tuple[str, str], ...] = ()
) -> Scenario:
    outcome = Outcome(status=401, check=_at_most(most))
    return Scenario(name, [answers(answer)], outcome, "RFC 9110 section 11", Ask(auth=auth, fields=fields))


def _challenge(text: str) -> bytes:
    return response(401, b"who?\n", ("WWW-Authenticate", text))


def _no_proxy_credentials(service: Service) -> None:
    assert all(each.field("proxy-authorization") is None for each in service.requests)


def _421(visitor: Visitor, received: Received) -> bytes:
    return response(421, b"not here\n") if visitor.number == 0 else response(200, GOOD)


AUTHENTICATION = [
    _401("a new nonce for every digest", _digest, 4, "digest"),
    _401("Basic refused for ever", _challenge('Basic realm="netkit"'), 2, "basic"),
    _401("a scheme that nobody has", _challenge("Foo x=y"), 2, "basic"),
    _401("no challenge", response(401, b"who?\n"), 2, "basic"),
    _401("a broken challenge", _challenge('Digest realm="a, nonce=, ,=='), 2, "digest"),
    _401("a digest of an algorithm that nobody has",
         _challenge('Digest realm="a", nonce="b", algorithm=FOO-9'), 2, "digest"),
    _401("nobody was asked to log in", _challenge('Basic realm="netkit"'), 1, None),
    Scenario(
        "407 from a server that is no proxy",
        [answers(response(407, b"proxy?\n", ("Proxy-Authenticate", 'Basic realm="netkit"')))],
        Outcome(status=407, check=_no_proxy_credentials), "RFC 9110 section 15.5.8", Ask(auth="basic"),
    ),
    Scenario(
        "421 on the first connection", [answers(_421)],
        Outcome(status=200, body=GOOD, requests=2, connections=2), "RFC 9110 section 15.5.20",
    ),
    Scenario(
        "421 for ever", [answers(response(421, b"not here\n"))],
        Outcome(status=421, check=_at_most(2)), "RFC 9110 section 15.5.20",
    ),
    Scenario(
        "a gigantic Retry-After", [answers(response(503, b"later\n", ("Retry-After", "9" * 30)))],
        Outcome(status=503, body=b"later\n", requests=1), "RFC 9110 section 10.2.3",
    ),
    Scenario(
        "Retry-After in another age",
        [answers(response(429, b"later\n", ("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")))],
        Outcome(status=429, body=b"later\n", requests=1), "RFC 9110 section 10.2.3",
    ),
]  # fmt: skip


# Cookies: the host is www.example.com, which the client is told to find on the loopback


def _set(*cookies: str) -> Answer:
    fields = [("Set-Cookie", cookie) for cookie in cookies]
    return lambda visitor, received: response(200, HELLO, *fields)


def _cookies(name: str, cookies: tuple[str, ...], sent: str | None, rule: str, **more: object) -> Scenario:
    """What is set, and what the next request to the same host has."""

    def check(service: Service) -> None:
        assert service.requests[-1].field("cookie") == sent, service.requests[-1]

    outcome = Outcome(status=200, body=HELLO, requests=2, again=(Outcome(status=200),), check=check)
    ask = Ask(cookies=True, again=("GET",))
    return Scenario(name, [answers(_set(*cookies))], outcome, rule, ask, host="www.example.com")._replace(
        **more
    )


def _small(service: Service) -> None:
    for received in service.requests:
        assert len(received.field("cookie") or "") <= 16384, "a Cookie that no server takes"


def _many(visitor: Visitor, received: Received) -> bytes:
    """A hundred cookies, and a redirect to the next hundred."""
    turn = len(visitor.service.requests)
    fields = [("Set-Cookie", f"c{turn}x{each}={'v' * 100}") for each in range(100)]
    if turn >= 10:
        return response(200, HELLO, *fields)
    return response(302, b"", ("Location", f"/{turn}"), *fields)


_6265 = "RFC 6265 section 5.3"
COOKIES = [
    _cookies("a cookie", ("a=1",), "a=1", _6265),
    _cookies("a cookie for the parent domain", ("a=1; Domain=example.com",), "a=1", _6265),
    _cookies("a cookie for another domain", ("a=1; Domain=example.org",), None, _6265),
    _cookies("a cookie for a sister", ("a=1; Domain=mail.example.com",), None, _6265),
    _cookies("a cookie for a domain that only ends alike", ("a=1; Domain=ample.com",), None, _6265),
    _cookies("a cookie for a public suffix", ("a=1; Domain=com",), None, _6265),
    _cookies("a cookie for a public suffix with dots", ("a=1; Domain=.com.",), None, _6265),
    _cookies("a cookie for everything", ("a=1; Domain=.",), "a=1", _6265,
             outcome=Outcome(status=200, body=HELLO, requests=2)),
    _cookies("a cookie for another path", ("a=1; Path=/other",), None, _6265),
    _cookies("a secure cookie over http", ("a=1; Secure",), None, "RFC 6265bis section 5.7"),
    _cookies("a secure cookie over https", ("a=1; Secure",), "a=1", "RFC 6265bis section 5.7", tls=True),
    _cookies("__Host- with a domain", ("__Host-a=1; Secure; Path=/; Domain=example.com",), None,
             "RFC 6265bis section 5.7", tls=True),
    _cookies("__Secure- without Secure", ("__Secure-a=1",), None, "RFC 6265bis section 5.7", tls=True),
    _cookies("an expired cookie", ("a=1", "a=; Max-Age=0"), None, _6265),
    _cookies("a cookie that is too long", (f"a={'v' * 5000}",), None, "RFC 6265bis section 5.7"),
    Scenario(
        "ten thousand cookies at once", [answers(_set(*(f"c{each}=1" for each in range(10_000))))],
        Outcome(errors=(ParseError,), limit="max_header_count", requests=1), "", Ask(cookies=True),
        host="www.example.com",
    ),
    Scenario(
        "a thousand cookies by and by", [answers(_many)],
        Outcome(status=200, body=HELLO, requests=11, again=(Outcome(status=200),), check=_small),
        "RFC 6265 section 6.1", Ask(cookies=True, again=("GET",)), host="www.example.com",
    ),
]  # fmt: skip


# TLS


def _no_tls(visitor: Visitor) -> None:
    visitor.more()
    visitor.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    visitor.leave(CLOSE)


def _two_records(visitor: Visitor) -> None:
    """An interim response and the final one, each in a TLS record of its own, in one segment."""
    visitor.request()
    assert isinstance(visitor.sock, ssl.SSLSocket)
    raw = socket.socket(fileno=os.dup(visitor.sock.fileno()))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    visitor.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    visitor.send(response())
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    raw.close()
    visitor.leave(WAIT)


TLS = [
    Scenario(
        "two records in one segment", [_two_records],
        Outcome(status=200, body=HELLO, requests=1), "RFC 8446 section 5.1", tls=True,
    ),
    Scenario(
        "close_notify ends a body", [answers(OK + b"\r\nhello\n", end=CLOSE)],
        Outcome(status=200, body=HELLO, requests=1), "RFC 9112 section 9.8", tls=True,
    ),
    Scenario(
        "a body cut off without close_notify", [answers(OK + b"\r\nhello\n", end=DROP)],
        Outcome(errors=(HttpError, IncompleteMessage), requests=1), "RFC 9112 section 9.8", tls=True,
    ),
    Scenario(
        "a chunked body cut off without close_notify",
        [answers(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", end=DROP)],
        Outcome(errors=(HttpError, ParseError), requests=1), "RFC 9112 section 9.8", tls=True,
    ),
    Scenario(
        "no close_notify after a whole body", [answers(response(), end=DROP)],
        Outcome(status=200, body=HELLO, requests=1), "RFC 9112 section 9.8", tls=True,
    ),
    Scenario(
        "endless header lines over TLS", [endless(OK, repeated(b"X-Line: value\r\n"))],
        Outcome(errors=(ParseError.TooManyHeaders, ParseError.HeaderTooLong), requests=1), "", tls=True,
    ),
    Scenario(
        "https to a server without TLS", [_no_tls],
        Outcome(errors=(HttpError.TlsError,), requests=0), "RFC 8446 section 5.1", speaks_tls=False, tls=True,
    ),
]  # fmt: skip


# Names for a file

#: Content-Dispositions whose names must not become paths, hidden files or lines of a terminal.
DISPOSITIONS: tuple[str, ...] = (
    'attachment; filename="name.txt"',
    'attachment; filename="../../etc/passwd"',
    'attachment; filename="/etc/passwd"',
    'attachment; filename="..\\\\..\\\\evil.bat"',
    'attachment; filename=".bashrc"',
    'attachment; filename=".."',
    'attachment; filename=""',
    'attachment; filename="-rf"',
    'attachment; filename="a\u009b2Jb"',
    "attachment; filename*=UTF-8''..%2F..%2Fevil",
    "attachment; filename*=UTF-8''a%00b%1B%5D0",
    f'attachment; filename="{"n" * 5000}"',
    "attachment; filename*=UTF-8''%E2%80%AEtxt.exe",
    "inline",
)

SCENARIOS: list[Scenario] = [*IDLE, *EARLY, *AUTHENTICATION, *COOKIES, *TLS]
