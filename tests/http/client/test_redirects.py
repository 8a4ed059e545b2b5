"""Redirects: where they lead, what goes along, and that no secret of one origin reaches another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from netkit.http import ClientConfig, CookieJar, DialConfig, HttpError, Request, Url
from netkit.http.client.redirect import (
    MAX_LOCATION,
    fields_for_other_origin,
    fields_without_body,
    redirect_of,
    same_origin,
)
from netkit.http.policy.auth import Auth, BasicAuth, BearerAuth
from netkit.http.policy.netrc import parse_netrc
from netkit.proxy.url import Proxy
from tests.http.client.conftest import Form
from tests.http.client.serving import Conn, Received, Site, always, in_turn, redirect, reply, trusting

pytestmark = pytest.mark.once

# The pure table


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        # RFC 9110 section 15.4: which methods stay what they are, and with them their bodies.
        (301, {"GET": "GET", "HEAD": "HEAD", "POST": "GET", "PUT": "PUT", "DELETE": "DELETE", "X": "X"}),
        (302, {"GET": "GET", "HEAD": "HEAD", "POST": "GET", "PUT": "PUT", "DELETE": "DELETE", "X": "X"}),
        (303, {"GET": "GET", "HEAD": "HEAD", "POST": "GET", "PUT": "GET", "DELETE": "GET", "X": "GET"}),
        (307, {"GET": "GET", "HEAD": "HEAD", "POST": "POST", "PUT": "PUT", "DELETE": "DELETE", "X": "X"}),
        (308, {"GET": "GET", "HEAD": "HEAD", "POST": "POST", "PUT": "PUT", "DELETE": "DELETE", "X": "X"}),
    ],
)
def test_methods(status: int, kept: dict[str, str]) -> None:
    for method, then in kept.items():
        found = redirect_of(Url.parse("http://a/"), method.encode(), status, [(b"Location", b"/b")])
        assert found is not None
        assert found.method == then.encode()
        if method != then:
            assert not found.keeps_body
        elif method != "GET":
            assert found.keeps_body


@pytest.mark.parametrize("status", [200, 201, 204, 300, 304, 305, 306, 309, 399, 401])
def test_what_is_no_redirect(status: int) -> None:
    assert redirect_of(Url.parse("http://a/"), b"GET", status, [(b"Location", b"/b")]) is None


def test_without_location_it_is_none() -> None:
    assert redirect_of(Url.parse("http://a/"), b"GET", 302, [(b"X-Location", b"/b")]) is None


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        ("http://a/b/c?d#e", b"/x", "http://a/x#e"),
        ("http://a/b/c?d", b"x", "http://a/b/x"),
        ("http://a/b/c", b"../x", "http://a/x"),
        ("http://a/b/c", b"../../../x", "http://a/x"),
        ("http://a/b/c?d", b"?x", "http://a/b/c?x"),
        ("http://a/b/c?d", b"", "http://a/b/c?d"),
        ("http://a/b/c?d#e", b"#f", "http://a/b/c?d#f"),
        ("http://a/b#e", b"http://b/#", "http://b/#"),
        ("http://a/b", b"//b:8080/x", "http://b:8080/x"),
        ("https://a/b", b"http://A/x", "http://a/x"),
        ("http://a/b", b"HTTPS://b", "https://b/"),
        ("http://a/b", b"/x y", "http://a/x%20y"),
        ("http://a/b", "/ä".encode(), "http://a/%C3%A4"),
        ("http://a/b", b"/\xe4", "http://a/%C3%A4"),
        ("http://a/b", b"http://jo:secret@b/x", "http://b/x"),
        ("http://jo:secret@a/b", b"/x", "http://a/x"),
        ("http://a/b", b"http://xn--mller-kva.example/", "http://xn--mller-kva.example/"),
        ("http://a/b", "http://müller.example/".encode(), "http://xn--mller-kva.example/"),
    ],
)
def test_locations(base: str, location: bytes, url: str) -> None:
    found = redirect_of(Url.parse(base), b"GET", 302, [(b"location", location)])
    assert found is not None
    assert str(found.url) == url


@pytest.mark.parametrize(
    "locations",
    [
        (b"ftp://a/b",),
        (b"file:///etc/passwd",),
        (b"javascript:alert(1)",),
        (b"data:,x",),
        (b"http://",),
        (b"http://a b/",),
        (b"http://a:99999/",),
        (b"/x", b"/y"),
        (b"/" + b"x" * MAX_LOCATION,),
    ],
)
def test_locations_that_lead_nowhere(locations: tuple[bytes, ...]) -> None:
    with pytest.raises(HttpError.InvalidResponse):
        redirect_of(Url.parse("http://a/"), b"GET", 302, [(b"Location", each) for each in locations])


def test_the_same_location_twice_is_one() -> None:
    assert redirect_of(Url.parse("http://a/"), b"GET", 302, [(b"Location", b"/b")] * 2) is not None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a/", "http://a:80/x?y", True),
        ("https://a/", "https://A:443/", True),
        ("http://a/", "https://a/", False),
        ("http://a/", "http://a:81/", False),
        ("http://a/", "http://b/", False),
        ("http://a/", "http://a./", False),
        ("http://a/", "http://b.a/", False),
        ("http://a:443/", "https://a/", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    assert same_origin(Url.parse(one), Url.parse(other)) is same


def test_which_fields_go() -> None:
    harmless = [(b"Accept", b"x"), (b"range", b"bytes=0-"), (b"USER-AGENT", b"me"), (b"Content-Type", b"a/b")]
    secret = [
        (b"Authorization", b"x"),
        (b"Cookie", b"x"),
        (b"X-Api-Key", b"x"),
        (b"Referer", b"x"),
        (b"x", b"x"),
    ]
    assert fields_for_other_origin([*secret, *harmless]) == harmless
    of_body = [(b"Content-Type", b"a/b"), (b"content-encoding", b"gzip"), (b"Content-Length", b"3")]
    assert fields_without_body([*of_body, *secret]) == secret


# End to end


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "2"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_method_and_body(client_form: Form, status: int, method: str, http2: bool) -> None:
    client = client_form.client(dial=DialConfig(tls=trusting()))
    body = b"body" if method in ("POST", "PUT") else None
    fields = {"Content-Type": "text/plain", "Content-Language": "en", "X-Own": "1"} if body else {}
    with Site(in_turn(redirect("/next?q", status), reply(b"end")), http2=http2) as site:
        request = Request(method, site.url("/first"), headers=fields)
        response = client_form.call(client.request, request, body=body)
        first, second = site.requests
        assert response.body == (b"" if method == "HEAD" else b"end")
        assert second.target == "/next?q"
        keeps = status in (307, 308) or (method == "PUT" and status != 303)
        assert second.method == (method if keeps or method == "HEAD" else "GET")
        if body:
            assert first.body == body
            assert second.body == (body if keeps else b"")
            assert second.field("content-type") == ("text/plain" if keeps else None)
            assert second.field("content-language") == ("en" if keeps else None)
            assert second.field("x-own") == "1"
            if not keeps:
                assert second.field("content-length") is None
        assert site.connections == 1
        (before,) = response.history
        assert (before.status, before.body, str(before.url)) == (status, None, site.url("/first"))
        assert before.headers.get_first("location") == "/next?q"
        assert str(response.url) == site.url("/next?q")


def test_a_chain_and_its_history(client_form: Form) -> None:
    client = client_form.client(ClientConfig(max_redirects=3))
    with Site(in_turn(*(redirect(f"/{n}") for n in (1, 2, 3)), reply(b"end"))) as site:
        response = client_form.get(client, site.url("/0"))
        assert [each.url.path for each in response.history] == ["/0", "/1", "/2"]
        assert response.url.path == "/3"


@pytest.mark.parametrize("most", [0, 1, 5])
def test_round_in_circles(client_form: Form, most: int) -> None:
    client = client_form.client(ClientConfig(max_redirects=most))
    with Site(always(redirect("/again"))) as site:
        with pytest.raises(HttpError.InvalidResponse, match=f"more than {most} redirects"):
            client_form.get(client, site.url())
        assert len(site.requests) == most + 1
        assert client.connections == client.idle_connections


def test_not_followed(client_form: Form) -> None:
    client = client_form.client(ClientConfig(follow_redirects=False))
    with Site(in_turn(redirect("/next"), redirect("/next"), reply(b"end"))) as site:
        response = client_form.get(client, site.url())
        assert (response.status, response.body, response.history) == (302, b"moved", ())
        assert client_form.get(client, site.url(), follow_redirects=True).body == b"end"
    client = client_form.client()
    with Site(always(redirect("/next"))) as site:
        assert client_form.get(client, site.url(), follow_redirects=False).status == 302


@pytest.mark.parametrize("location", ["ftp://a.example/", "http://a b/", "http://"])
def test_a_location_that_leads_nowhere(client_form: Form, location: str) -> None:
    client = client_form.client()
    with Site(always(redirect(location))) as site:
        with pytest.raises(HttpError.InvalidResponse):
            client_form.get(client, site.url())
        assert client.connections == client.idle_connections


def test_a_body_that_goes_once(client_form: Form) -> None:
    client = client_form.client()
    with Site(in_turn(redirect("/next", 307))) as site:
        with pytest.raises(HttpError.InvalidRequest, match="only once"):
            client_form.post(client, site.url(), iter([b"body"]))
        assert len(site.requests) == 1
        assert client.connections == client.idle_connections
    with Site(in_turn(redirect("/next", 302), reply(b"end"))) as site:  # it does not go along here
        assert client_form.post(client, site.url(), iter([b"body"])).body == b"end"


def test_the_body_of_a_redirect_is_not_kept_and_not_unpacked(client_form: Form) -> None:
    """A large one ends its connection; a small one is read, so that the connection is used again."""
    client = client_form.client(ClientConfig(max_body=10))
    large = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: %d\r\n\r\n" % (1 << 30)
    bad = redirect("/next", 302, ("Content-Encoding", "gzip"))
    with Site(in_turn(large, reply(b"end"), bad, reply(b"end"))) as site:
        assert client_form.get(client, site.url()).body == b"end"
        assert site.connections == 2
        assert client_form.get(client, site.url()).body == b"end"
        assert site.connections == 2


# Secrets


class Place(NamedTuple):
    """Where a redirect leads from the first origin, and whether that is another origin."""

    name: str
    first: str
    second: str


#: One origin, and others that differ in one part. The names lead to the two sites below.
PLACES = [
    Place("another port", "http://a.example:{plain}", "http://a.example:{other}"),
    Place("another host", "http://a.example:{plain}", "http://b.example:{plain}"),
    Place("another scheme", "http://a.example:{plain}", "https://a.example:{tls}"),
    Place("without TLS", "https://a.example:{tls}", "http://a.example:{plain}"),
    Place("a host below", "http://a.example:{plain}", "http://c.a.example:{plain}"),
    Place("a host above", "http://c.a.example:{plain}", "http://a.example:{plain}"),
]

SECRET = "sEcReT"


class World:
    """Three servers, under some names. `second` is where the redirect leads; what got there is in `got`."""

    def __init__(self, place: Place, status: int, stack: ExitStack) -> None:
        self.status = status
        self.got: list[Received] = []
        self.first_got: list[Received] = []
        sites = {
            name: stack.enter_context(Site(self.answer, tls=name == "tls"))
            for name in ("plain", "other", "tls")
        }
        ports = {name: site.port for name, site in sites.items()}
        self.first, self.second = (text.format(**ports) for text in place[1:])
        self.connect_to = {
            f"{host}:{site.port}": site.endpoint
            for host in ("a.example", "b.example", "c.a.example")
            for site in sites.values()
        }

    def answer(self, request: Received, conn: Conn) -> bytes:
        if request.target == "/first":
            self.first_got.append(request)
            return redirect(f"{self.second}/second", self.status)
        self.got.append(request)
        return reply(b"end")

    def dial(self, **more: Any) -> DialConfig:
        return DialConfig(tls=trusting(), connect_to=self.connect_to, **more)

    def check(self, response: Any) -> None:
        """The redirect was followed, the first origin got the secret, and the second did not."""
        assert response.body == b"end"
        assert any(holds(each) for each in self.first_got)
        assert len(self.got) == 1
        assert not holds(self.got[0]), self.got[0]


def holds(request: Received) -> bool:
    """Whether a secret is in it, as it is or in the form of Basic."""
    import base64

    texts = [value for _, value in request.fields] + [request.target]
    for text in list(texts):
        kind, _, coded = text.partition(" ")
        if kind == "Basic":
            texts.append(base64.b64decode(coded).decode())
    return any(SECRET in text for text in texts)


@pytest.fixture(params=PLACES, ids=lambda place: place.name)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.param
    return found


@pytest.fixture(params=[302, 308])
def world(client_form: Form, request: pytest.FixtureRequest, place: Place) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(place, request.param, stack)


@pytest.mark.parametrize(
    "field",
    ["Authorization", "Cookie", "X-Api-Key", "Referer", "Origin", "Proxy-Authorization", "X-Forwarded-For"],
)
def test_fields_of_the_caller(client_form: Form, world: World, field: str) -> None:
    client = client_form.client(dial=world.dial())
    value = f"Bearer {SECRET}" if field.endswith("Authorization") else f"a={SECRET}"
    response = client_form.get(client, f"{world.first}/first", {field: value, "Accept": "a/b"})
    if field == "Proxy-Authorization":  # which goes to no server
        assert not holds(world.first_got[0])
        assert not holds(world.got[0])
        return
    world.check(response)
    assert world.got[0].field(field.lower()) is None
    assert world.got[0].field("accept") == "a/b"


@pytest.mark.parametrize(
    "how", ["auth of the client", "auth of the call", "userinfo", "default_headers", "netrc", "netrc default"]
)
def test_credentials(client_form: Form, world: World, how: str) -> None:
    auth: Auth = BasicAuth("jo", SECRET) if world.status == 302 else BearerAuth(SECRET)
    more: dict[str, Any] = {}
    call: dict[str, Any] = {}
    config, first = ClientConfig(), world.first
    if how == "auth of the client":
        more = {"auth": auth}
    elif how == "auth of the call":
        call = {"auth": auth}
    elif how == "userinfo":
        first = first.replace("://", f"://jo:{SECRET}@")
    elif how == "default_headers":
        config = ClientConfig(default_headers={"X-Api-Key": SECRET, "Authorization": f"Bearer {SECRET}"})
    elif how == "netrc":
        host = Url.parse(world.first).host
        more = {"netrc": parse_netrc(f"machine {host} login jo password {SECRET}\n")}
    else:
        more = {"netrc": parse_netrc(f"default login jo password {SECRET}\n")}
    client = client_form.client(config, dial=world.dial(), **more)
    response = client_form.get(client, f"{first}/first", **call)
    world.check(response)
    assert world.got[0].field("authorization") is None
    assert SECRET not in repr(response.url)
    assert all(SECRET not in str(each.url) for each in response.history)


def test_userinfo_in_a_location_is_for_nobody(client_form: Form, world: World) -> None:
    """A server must not have a client log in where it wants (RFC 9110 section 4.2.4)."""
    world.second = world.second.replace("://", f"://jo:{SECRET}@")
    client = client_form.client(dial=world.dial())
    assert client_form.get(client, f"{world.first}/first").body == b"end"
    assert world.got[0].field("authorization") is None


def test_a_host_of_the_caller(client_form: Form, world: World) -> None:
    client = client_form.client(dial=world.dial())
    client_form.get(client, f"{world.first}/first", {"Host": "virtual.example"})
    assert world.first_got[0].all("host") == ["virtual.example"]
    assert world.got[0].all("host") == [Url.parse(world.second).host_header]


def test_cookies_go_by_the_rules_of_the_jar(client_form: Form, world: World, place: Place) -> None:
    """RFC 6265bis: by host, whatever the port; with Secure over TLS only."""
    jar = CookieJar()
    jar.store(Url.parse(world.first), [f"plain={SECRET}"], now=0)
    if world.first.startswith("https"):
        jar.store(Url.parse(world.first), [f"safe={SECRET}; Secure"], now=0)
    client = client_form.client(dial=world.dial(), cookies=jar)
    client_form.get(client, f"{world.first}/first")
    assert f"plain={SECRET}" in (world.first_got[0].field("cookie") or "")
    cookie = world.got[0].field("cookie")
    if "host" in place.name:
        assert cookie is None
    else:
        assert cookie == f"plain={SECRET}"


def test_within_an_origin_all_goes_along(client_form: Form) -> None:
    client = client_form.client(auth=BearerAuth(SECRET))
    with Site(in_turn(redirect("/next"), reply(b"end"))) as site:
        client_form.get(client, site.url(), {"Cookie": "a=b", "X-Own": "1", "Host": "virtual.example"})
        for request in site.requests:
            assert request.field("authorization") == f"Bearer {SECRET}"
            assert request.field("cookie") == "a=b"
            assert request.field("x-own") == "1"
            assert request.field("host") == "virtual.example"
    client = client_form.client()
    with Site(in_turn(redirect("next"), reply(b"end"))) as site:
        response = client_form.get(client, site.url("/a/b", userinfo="jo:secret@"))
        assert [each.field("authorization") for each in site.requests] == ["Basic am86c2VjcmV0"] * 2
        assert str(response.url) == site.url("/a/next")


def test_away_and_back(client_form: Form) -> None:
    """What the caller set does not come back, because the other origin chose what is asked for."""
    with Site(always(b"")) as one, Site(always(redirect("/"))) as two:
        two.answer = always(redirect(one.url("/back")))
        one.answer = in_turn(redirect(two.url()), reply(b"end"))
        client = client_form.client()
        client_form.get(client, one.url(), {"X-Api-Key": SECRET, "Authorization": SECRET})
        first, back = one.requests
        assert first.field("x-api-key") == SECRET
        assert not holds(back)


def test_credentials_of_a_proxy_reach_the_proxy_alone(client_form: Form) -> None:
    """Redirected from what goes through the proxy to what does not."""
    with Site(always(b"")) as proxy, Site(always(reply(b"end"))) as server:
        proxy.answer = always(redirect(server.url("/direct")))
        through = Proxy.parse(f"http://jo:{SECRET}@{proxy.endpoint}")
        dial = DialConfig(proxy_for=lambda url: through if url.host == "a.example" else None)
        client = client_form.client(dial=dial)
        response = client_form.get(client, "http://a.example/first", {"X-Api-Key": SECRET})
        assert response.body == b"end"
        (asked,) = proxy.requests
        assert asked.target == "http://a.example/first"
        assert asked.field("proxy-authorization") is not None
        (direct,) = server.requests
        assert direct.field("proxy-authorization") is None
        assert not holds(direct)
        assert direct.target == "/direct"


@pytest.mark.parametrize("status", [302, 307])
def test_through_one_proxy_to_another_origin(client_form: Form, status: int) -> None:
    """The caller's fields are dropped, and the proxy still gets its own credentials."""
    with Site(always(b"")) as proxy:
        proxy.answer = in_turn(redirect("http://b.example/second", status), reply(b"end"))
        through = Proxy.parse(f"http://jo:{SECRET}@{proxy.endpoint}")
        client = client_form.client(
            dial=DialConfig(proxy_for=lambda url: through), auth=BearerAuth("token-1")
        )
        client_form.get(client, "http://a.example/first", {"X-Api-Key": "key-1"})
        first, second = proxy.requests
        assert second.target == "http://b.example/second"
        assert (first.field("authorization"), first.field("x-api-key")) == ("Bearer token-1", "key-1")
        assert (second.field("authorization"), second.field("x-api-key")) == (None, None)
        assert first.field("proxy-authorization") == second.field("proxy-authorization")
        assert first.field("proxy-authorization") is not None


def test_over_http2_too(client_form: Form) -> None:
    with Site(always(b""), http2=True) as one, Site(always(reply(b"end")), http2=True) as two:
        one.answer = always(redirect(two.url("/second"), 307))
        client = client_form.client(dial=DialConfig(tls=trusting()), auth=BearerAuth(SECRET))
        response = client_form.post(client, one.url("/first"), b"body", {"X-Api-Key": SECRET})
        assert (response.body, response.connection.version) == (b"end", "2")
        assert holds(one.requests[0])
        assert not holds(two.requests[0])
        assert two.requests[0].body == b"body"
