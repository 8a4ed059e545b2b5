"""Redirects that go nowhere, go on for ever, or would carry secrets to somebody else (RFC 9110 section 15.4).

A request carries credentials, cookies and a field of its own. None of them may reach another origin: another
scheme, host or port (RFC 6454 section 4).
"""

from __future__ import annotations

from collections.abc import Callable

from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from tests.http.client.scripting import (
    Answer,
    Ask,
    Outcome,
    Received,
    Scenario,
    Script,
    Service,
    Visitor,
    answers,
    response,
)

RULE = "RFC 9110 section 15.4"
SECRETS = (
    ("Authorization", "Bearer secret-1"),
    ("Cookie", "session=secret-2"),
    ("X-Api-Key", "secret-3"),
    ("Proxy-Authorization", "Basic secret-4"),
)
LOADED = Ask(fields=SECRETS)
HELLO = b"hello\n"

#: Where a redirect leads; of the service and the request.
Where = Callable[[Service, Received], str]


def to(where: str | Where, status: int = 302) -> Answer:
    """A redirect from anywhere but /end, which is the answer."""

    def answer(visitor: Visitor, received: Received) -> bytes:
        if received.target.startswith("/end"):
            return response()
        location = where if isinstance(where, str) else where(visitor.service, received)
        return response(status, b"elsewhere\n", ("Location", location))

    return answer


def no_secret(service: Service) -> None:
    """Nothing of the first origin reached the other one."""
    for received in service.at("other"):
        text = repr(received)
        assert "secret" not in text, f"a secret reached another origin: {text}"
        assert received.field("authorization") is None, text
        assert received.field("cookie") is None, text


def no_secret_to_another_host(service: Service) -> None:
    """The same where both hosts are one listener, told apart by Host."""
    first, *others = service.requests
    assert "secret" in repr(first)
    for received in others:
        if received.field("host") != first.field("host"):
            assert "secret" not in repr(received), f"a secret reached another host: {received}"


def _leak(
    name: str, status: int, where: Where, check: Callable[[Service], None] = no_secret, **more: object
) -> Scenario:
    outcome = Outcome(status=200, body=HELLO, requests=2, check=check)
    scenario = Scenario(name, [answers(to(where, status))], outcome, RULE, LOADED)
    return scenario._replace(**more)


GOOD: list[Script] = [answers(response())]


def other_origin(service: Service, _received: Received) -> str:
    return f"{service.origin('other')}/end"


def other_host(service: Service, received: Received) -> str:
    host = "localhost" if (received.field("host") or "").startswith("127.") else "127.0.0.1"
    return f"{service.origin(host=host)}/end"


def _kept(name: str, status: int, method: str, becomes: str, body: bytes) -> Scenario:
    """What becomes of a POST (or PUT): RFC 9110 sections 15.4.2 to 15.4.9."""

    def check(service: Service) -> None:
        last = service.requests[-1]
        assert (last.method, last.body) == (becomes, body)
        if not body:
            for field in ("content-type", "content-length", "transfer-encoding", "content-encoding"):
                assert last.field(field) in (None, "0"), last

    outcome = Outcome(status=200, body=HELLO, requests=2, check=check)
    ask = Ask(method=method, body=b"content", fields=(("Content-Type", "text/x-some"),))
    return Scenario(name, [answers(to("/end", status))], outcome, RULE, ask)


def _relative(location: str, path: str, target: str) -> Scenario:
    """What a reference comes to, at a path (RFC 3986 section 5.2)."""

    def check(service: Service) -> None:
        assert [each.target for each in service.requests] == [path, target]

    outcome = Outcome(status=200, body=HELLO, requests=2, check=check)

    def answer(visitor: Visitor, received: Received) -> bytes:
        if len(visitor.service.requests) > 1:
            return response()
        return response(302, b"", ("Location", location))

    return Scenario(f"Location: {location!r} at {path}", [answers(answer)], outcome, RULE, Ask(path=path))


def _refused(location: str, *errors: type[BaseException]) -> Scenario:
    """A Location that must not be followed: an error, or the redirect itself."""
    outcome = Outcome(
        errors=errors or (HttpError.InvalidResponse, HttpError.InvalidUri),
        requests=1,
        or_else=Outcome(status=302, requests=1),
    )
    return Scenario(f"Location: {location!r}", [answers(to(location))], outcome, RULE)


def _as_it_is(name: str, status: int, *fields: tuple[str, str]) -> Scenario:
    """A response that is no redirect that a client can follow."""
    outcome = Outcome(status=status, body=b"look\n", requests=1)
    return Scenario(name, [answers(response(status, b"look\n", *fields))], outcome, RULE)


def _endless(name: str, where: str | Where) -> Scenario:
    outcome = Outcome(errors=(HttpError,), limit="max_redirects", requests=11)
    return Scenario(name, [answers(to(where))], outcome, RULE)


def _next(service: Service, received: Received) -> str:
    return f"/{len(service.requests)}"


def _ten(service: Service, received: Received) -> str:
    return "/end" if len(service.requests) == 10 else _next(service, received)


def _escaped(service: Service) -> None:
    last = service.requests[-1]
    assert last.target.lower() == "/end%0d%0ax-evil:%20yes", last.target
    assert last.field("x-evil") is None


def _no_userinfo(service: Service) -> None:
    for received in service.requests[1:]:
        assert received.field("authorization") is None, received
        assert "@" not in (received.field("host") or ""), received


def _none_of_the_call(service: Service) -> None:
    first, *others = service.requests
    assert first.field("authorization") == "Basic am86cDR3", first
    assert all(each.field("authorization") is None for each in others), others


def _only_first(service: Service) -> None:
    first, *others = service.requests
    assert first.field("authorization") == "Basic am86c2VjcmV0", first
    assert all(each.field("authorization") is None for each in others), others


SCENARIOS: list[Scenario] = [
    _endless("a redirect to itself", lambda service, received: received.target),
    _endless("two redirects to each other", lambda _, received: "/b" if received.target == "/" else "/"),
    _endless("redirects without end", _next),
    Scenario(
        "as many redirects as allowed", [answers(to(_ten))],
        Outcome(status=200, body=HELLO, requests=11, connections=1), RULE,
    ),
    *(
        _leak(f"{status} to another port", status, other_origin, other=GOOD)
        for status in (301, 302, 303, 307, 308)
    ),
    *(
        _leak(f"{status} to another host", status, other_host, no_secret_to_another_host)
        for status in (302, 307, 308)
    ),
    _leak("307 from http to https", 307, other_origin, other=GOOD, other_tls=True),
    _leak("307 from https to http", 307, other_origin, other=GOOD, tls=True),
    _leak(
        "307 to another port, with a body", 307, other_origin, other=GOOD,
        ask=Ask(method="POST", body=b"content", fields=SECRETS),
    ),
    Scenario(
        "to another port and back",
        [answers(to(lambda service, received: f"{service.origin('other')}/back"))],
        Outcome(status=200, body=HELLO, requests=3, check=no_secret), RULE, LOADED,
        other=[answers(to(lambda service, received: f"{service.origin()}/end"))],
    ),
    Scenario(
        "credentials in the URL, and another port", [answers(to(other_origin))],
        Outcome(status=200, body=HELLO, requests=2, check=_only_first), RULE, Ask(userinfo="jo:secret"), GOOD,
    ),
    Scenario(
        "credentials of a client, and another port", [answers(to(other_origin))],
        Outcome(status=200, body=HELLO, requests=2, check=_none_of_the_call), RULE, Ask(auth="basic"), GOOD,
    ),
    Scenario(
        "credentials of a call, and another port", [answers(to(other_origin))],
        Outcome(status=200, body=HELLO, requests=2, check=_none_of_the_call), RULE,
        Ask(auth="basic", auth_of="call"), GOOD,
    ),
    Scenario(
        "credentials in Location",
        [answers(to(lambda s, r: s.origin("other").replace("://", "://jo:p4w@") + "/end"))],
        Outcome(
            status=200, body=HELLO, requests=2, check=_no_userinfo,
            or_else=Outcome(errors=(HttpError,), requests=1),
        ),
        "RFC 9110 section 4.2.4", other=GOOD,
    ),
    Scenario(
        "CR and LF in Location, escaped", [answers(to("/end%0d%0aX-Evil:%20yes"))],
        Outcome(status=200, body=HELLO, requests=2, check=_escaped), RULE,
    ),
    Scenario(
        "a control character in Location", [answers(to("/end\x01"))],
        Outcome(errors=(ParseError.InvalidHeaderValue,), requests=1), "RFC 9110 section 5.5",
    ),
    _kept("301 after POST", 301, "POST", "GET", b""),
    _kept("302 after POST", 302, "POST", "GET", b""),
    _kept("303 after POST", 303, "POST", "GET", b""),
    _kept("303 after PUT", 303, "PUT", "GET", b""),
    _kept("301 after PUT", 301, "PUT", "PUT", b"content"),
    _kept("307 after POST", 307, "POST", "POST", b"content"),
    _kept("308 after POST", 308, "POST", "POST", b"content"),
    _relative("/x", "/a/b?c", "/x"),
    _relative("x", "/a/b?c", "/a/x"),
    _relative("./x", "/a/b", "/a/x"),
    _relative("../x", "/a/b/c", "/a/x"),
    _relative("../../../../x", "/a/b", "/x"),
    _relative("?q", "/a/b?c", "/a/b?q"),
    _relative("x#part", "/a/b", "/a/x"),
    _relative("/x y", "/", "/x%20y"),
    _relative("/\xe9", "/", "/%C3%A9"),
    _relative("/a\\b", "/", "/a/b"),
    _refused("file:///etc/passwd"),
    _refused("data:text/plain,hello"),
    _refused("ftp://127.0.0.1/x"),
    _refused("javascript:alert(1)"),
    _refused("gopher://127.0.0.1:70/x"),
    _refused("http://"),
    _refused("http://[::1"),
    _refused("http://127.0.0.1:99999/"),
    _refused("http://a b/"),
    _as_it_is("302 without Location", 302),
    _as_it_is("300 without Location", 300),
    _as_it_is("305 (Use Proxy)", 305, ("Location", "http://127.0.0.1:1/")),
    _as_it_is("306", 306, ("Location", "/end")),
    _as_it_is("200 with Location", 200, ("Location", "/end")),
    _as_it_is("201 with Location", 201, ("Location", "/end")),
    _as_it_is("200 with Refresh", 200, ("Refresh", "0; url=/end")),
]  # fmt: skip
