"""Who the caller is: Basic, Bearer and Digest with a server that checks, userinfo, .netrc, and challenges.

The server of Digest is written from RFC 7616 section 3.4, by hand: it knows the password, and computes what
the client must answer.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from netkit.http import DialConfig, HttpError, Request
from netkit.http.policy.auth import Auth, BasicAuth, BearerAuth, DigestAuth, PasswordAuth
from netkit.http.policy.netrc import parse_netrc
from tests.http.client.conftest import Form
from tests.http.client.serving import Conn, Received, Site, always, in_turn, reply, trusting

BASIC = "Basic am86c2VjcmV0"  # jo:secret


@pytest.mark.parametrize(
    ("auth", "value"),
    [(BasicAuth("jo", "secret"), BASIC), (BearerAuth("token"), "Bearer token")],
    ids=["basic", "bearer"],
)
@pytest.mark.parametrize("of", ["client", "call"])
def test_what_goes_at_once(client_form: Form, auth: Auth, value: str, of: str) -> None:
    client = client_form.client(auth=auth if of == "client" else None)
    with Site(always(reply(b"x"))) as site:
        for _ in range(2):
            client_form.get(client, site.url(), auth=auth if of == "call" else None)
        assert [each.field("authorization") for each in site.requests] == [value] * 2


def test_who_goes_first(client_form: Form) -> None:
    """A field of the caller, then the call, then the URL, then the client, then .netrc."""
    netrc = parse_netrc("machine 127.0.0.1 login ned password n\n")
    with Site(always(reply(b"x"))) as site:
        url, full = site.url(), site.url(userinfo="una:u@")
        one = client_form.client(netrc=netrc)
        two = client_form.client(netrc=netrc, auth=BearerAuth("client"))
        client_form.get(one, url)
        client_form.get(two, url)
        client_form.get(two, full)
        client_form.get(two, full, auth=BearerAuth("call"))
        client_form.get(two, full, {"Authorization": "Own"}, auth=BearerAuth("call"))
        values = [each.field("authorization") for each in site.requests]
        assert values == ["Basic bmVkOm4=", "Bearer client", "Basic dW5hOnU=", "Bearer call", "Own"]


@pytest.mark.parametrize(
    ("userinfo", "value"),
    [
        ("jo:secret@", BASIC),
        ("jo@", "Basic am86"),
        (":secret@", "Basic OnNlY3JldA=="),
        ("j%6f:%73ecret@", BASIC),
        ("j%C3%B6:%C3%A4@", "Basic asO2OsOk"),
    ],
)
def test_userinfo(client_form: Form, userinfo: str, value: str) -> None:
    client = client_form.client()
    with Site(always(reply(b"x"))) as site:
        response = client_form.get(client, site.url("/a", userinfo=userinfo))
        (request,) = site.requests
        assert request.field("authorization") == value
        assert request.target == "/a"
        assert request.field("host") == site.endpoint
        assert str(response.url) == site.url("/a")
        # The same origin, so the same connection; but not the same credentials.
        client_form.get(client, site.url("/b"))
        assert site.requests[1].field("authorization") is None
        assert site.connections == 1


def test_netrc_is_asked_for_the_host_that_is_connected_to(client_form: Form) -> None:
    """What stands before an @, or looks like a host in a path, is not it."""
    netrc = parse_netrc("machine a.example login jo password secret\nmachine 127.0.0.1 login x password y\n")
    with Site(always(reply(b"x"))) as site:
        dial = DialConfig(connect_to={f"{host}:80": site.endpoint for host in ("a.example", "b.example")})
        client = client_form.client(dial=dial, netrc=netrc)
        asked = [
            ("http://A.Example/", BASIC),
            ("http://a.example./", BASIC),
            ("http://b.example/a.example", None),
            ("http://b.example/?@a.example/", None),
            ("http://b.example\\@a.example/", None),
        ]
        for url, value in asked:
            client_form.get(client, url)
            assert site.requests[-1].field("authorization") == value, url
        client_form.get(client, "http://a.example@b.example/")
        assert site.requests[-1].field("authorization") == "Basic YS5leGFtcGxlOg=="


# Challenges


class Digest:
    """The server's side of RFC 7616. `stale` nonces are refused as such, `used` counts what was accepted."""

    def __init__(self, *, algorithm: str = "SHA-256", qop: str = "auth", password: str = "secret") -> None:
        self.algorithm, self.qop, self.password = algorithm, qop, password
        self.nonce = 1
        self.seen: set[tuple[str, str]] = set()
        self.stale = False
        self.next_nonce = False

    def __call__(self, request: Received, conn: Conn) -> bytes:
        found = request.field("authorization")
        if found is None:
            return self.refuse()
        assert found.startswith("Digest ")
        given = {
            name: quoted or plain
            for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', found)
        }
        assert given["realm"] == "here"
        assert given["uri"] == request.target
        assert given["opaque"] == "abc"
        if given["response"] != self.expected(request, given):
            return self.refuse()
        if given["nonce"] != f"n{self.nonce}":
            return self.refuse(stale=True)
        if (given["nonce"], given["nc"]) in self.seen:  # RFC 7616 section 5.5: a replay
            return self.refuse(stale=True)
        self.seen.add((given["nonce"], given["nc"]))
        if self.next_nonce:
            self.nonce += 1
            return reply(b"in", 200, ("Authentication-Info", f'nextnonce="n{self.nonce}"'))
        return reply(b"in")

    def expected(self, request: Received, given: dict[str, str]) -> str:
        name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[
            self.algorithm.removesuffix("-sess")
        ]

        def hashed(text: str) -> str:
            return hashlib.new(name, text.encode()).hexdigest()

        first = hashed(f"jo:here:{self.password}")
        if self.algorithm.endswith("-sess"):
            first = hashed(f"{first}:{given['nonce']}:{given['cnonce']}")
        second = f"{request.method}:{request.target}"
        if given["qop"] == "auth-int":
            second += ":" + hashlib.new(name, request.body).hexdigest()
        middle = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}"
        return hashed(f"{first}:{middle}:{hashed(second)}")

    def refuse(self, *, stale: bool = False) -> bytes:
        value = (
            f'Digest realm="here", nonce="n{self.nonce}", opaque="abc", qop="{self.qop}", '
            f"algorithm={self.algorithm}"
        )
        return reply(b"who are you?", 401, ("WWW-Authenticate", value + (", stale=true" if stale else "")))


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "2"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-256-sess", "SHA-512-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int", "auth, auth-int"])
def test_digest(client_form: Form, algorithm: str, qop: str, http2: bool) -> None:
    server = Digest(algorithm=algorithm, qop=qop)
    client = client_form.client(auth=DigestAuth("jo", "secret"), dial=DialConfig(tls=trusting()))
    with Site(server, http2=http2) as site:
        assert client_form.get(client, site.url("/a?b")).body == b"in"
        assert client_form.post(client, site.url("/c"), b"body").body == b"in"
        assert client_form.call(client.request, Request("PUT", site.url("/d")), body=b"").body == b"in"
        counts = [re.findall("nc=([0-9a-f]+)", each.field("authorization") or "") for each in site.requests]
        assert counts == [[], ["00000001"], ["00000002"], ["00000003"]]
        assert site.connections == 1


def test_a_stale_nonce(client_form: Form) -> None:
    server = Digest()
    client = client_form.client(auth=DigestAuth("jo", "secret"))
    with Site(server) as site:
        client_form.get(client, site.url())
        server.nonce += 1
        assert client_form.get(client, site.url()).body == b"in"
        assert len(site.requests) == 4


def test_the_next_nonce(client_form: Form) -> None:
    server = Digest()
    server.next_nonce = True
    client = client_form.client(auth=DigestAuth("jo", "secret"))
    with Site(server) as site:
        for _ in range(3):
            assert client_form.get(client, site.url()).body == b"in"
        assert len(site.requests) == 4


@pytest.mark.parametrize(
    "auth",
    [DigestAuth("jo", "wrong"), PasswordAuth("jo", "wrong"), BasicAuth("jo", "wrong"), BearerAuth("wrong")],
)
def test_a_wrong_password_is_the_401(client_form: Form, auth: Auth) -> None:
    client = client_form.client(auth=auth)

    def refuse(request: Received, conn: Conn) -> bytes:
        return Digest().refuse()

    with Site(refuse) as site:
        response = client_form.get(client, site.url())
        assert (response.status, response.body) == (401, b"who are you?")
        assert len(site.requests) <= 2
        assert client.idle_connections == 1


def test_challenges_without_end(client_form: Form) -> None:
    """A server that says stale for ever."""
    client = client_form.client(auth=DigestAuth("jo", "secret"))
    numbers = iter(range(1000))

    def stale(request: Received, conn: Conn) -> bytes:
        value = f'Digest realm="here", nonce="{next(numbers)}", stale=true, qop="auth", algorithm=SHA-256'
        return reply(b"no", 401, ("WWW-Authenticate", value))

    with Site(stale) as site:
        assert client_form.get(client, site.url()).status == 401
        assert len(site.requests) <= 6


def test_basic_that_waits_for_a_challenge(client_form: Form) -> None:
    client = client_form.client(auth=BasicAuth("jo", "secret", preemptive=False))

    def answer(request: Received, conn: Conn) -> bytes:
        if request.field("authorization") is None:
            return reply(b"who?", 401, ("WWW-Authenticate", 'Basic realm="here"'))
        return reply(request.field("authorization").encode() + request.body)  # type: ignore[union-attr]

    with Site(answer) as site:
        assert client_form.post(client, site.url(), b"body").body == BASIC.encode() + b"body"
        # A body that goes once cannot go again: the answer is the 401.
        assert client_form.post(client, site.url(), iter([b"body"])).status == 401


def test_a_password_proves_itself_in_the_strongest_way(client_form: Form) -> None:
    server = Digest()

    def answer(request: Received, conn: Conn) -> bytes:
        said = server(request, conn)
        return said.replace(b"WWW-Authenticate:", b'WWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate:')

    client = client_form.client(auth=PasswordAuth("jo", "secret"))
    with Site(answer) as site:
        assert client_form.get(client, site.url()).body == b"in"
        assert (site.requests[1].field("authorization") or "").startswith("Digest")


@pytest.mark.parametrize(
    "value", ["", "=,=", "Digest", 'Digest realm="x', "Basic " + "x" * 5000, "Unknown a=b"]
)
def test_challenges_that_say_nothing(client_form: Form, value: str) -> None:
    client = client_form.client(auth=PasswordAuth("jo", "secret"))
    with Site(always(reply(b"no", 401, ("WWW-Authenticate", value)))) as site:
        assert client_form.get(client, site.url()).status == 401
        assert len(site.requests) <= 2


def test_a_401_without_anybody_to_ask_is_the_answer(client_form: Form) -> None:
    client = client_form.client()
    with Site(always(Digest().refuse())) as site:
        assert client_form.get(client, site.url()).status == 401
        assert len(site.requests) == 1


def test_a_secret_is_in_no_error_and_no_trace(client_form: Form) -> None:
    from tests.conftest import free_port

    told: list[Any] = []
    client = client_form.client(trace=told.append)
    with pytest.raises(HttpError) as caught:
        client_form.get(client, f"http://jo:secret@127.0.0.1:{free_port()}/")
    assert "secret" not in f"{caught.value} {caught.value!r} {caught.value.__cause__} {told}"


def test_credentials_that_answered_a_challenge_stay_with_the_origin(client_form: Form) -> None:
    """After a redirect to another origin, its challenge is not answered."""
    with Site(Digest()) as one, Site(always(Digest().refuse())) as two:
        client = client_form.client(auth=PasswordAuth("jo", "secret"))
        assert client_form.get(client, one.url()).body == b"in"
        one.answer = always(reply(b"", 307, ("Location", two.url("/there"))))
        assert client_form.get(client, one.url()).status == 401
        assert len(two.requests) == 1
        assert two.requests[0].field("authorization") is None


def test_one_turn_each(client_form: Form) -> None:
    """A retry after 503 does not use a nonce count twice."""
    from netkit.http import ClientConfig
    from netkit.http.policy.retry import RetryPolicy

    server = Digest()
    client = client_form.client(
        ClientConfig(retry=RetryPolicy(backoff=0.001)), auth=DigestAuth("jo", "secret")
    )
    with Site(server) as site:
        client_form.get(client, site.url())

        def busy(request: Received, conn: Conn) -> bytes:
            assert b"200" in server(request, conn).partition(b"\r\n")[0]
            return reply(b"", 503)

        site.answer = in_turn(busy, server)
        assert client_form.get(client, site.url()).body == b"in"
        assert len(site.requests) == 4
