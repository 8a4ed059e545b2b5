"""Authentication: challenges, the examples of RFC 7617, RFC 7616 and RFC 2617, and what must not happen."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import given, strategies as st

from netkit.http import Headers, HttpError
from netkit.http.challenges import (
    Challenge,
    challenges_in,
    parse_authentication_info,
    parse_challenges,
)
from netkit.http.fields.errors import FieldError, FieldLimitExceeded, InvalidField
from netkit.http.policy.auth import (
    Auth,
    BasicAuth,
    BearerAuth,
    DigestAuth,
    PasswordAuth,
    RequestFacts,
    basic_credentials,
)

pytestmark = pytest.mark.once

GET = RequestFacts("GET", "/dir/index.html", "http://www.example.org")


def again(facts: RequestFacts) -> RequestFacts:
    return facts._replace(attempt=facts.attempt + 1)


def fixed(cnonce: str) -> Callable[[int], bytes]:
    """Randomness of which the client's nonce becomes this text of an example."""

    class Octets(bytes):
        def hex(self) -> str:  # type: ignore[override]
            return cnonce

    return Octets


def fields(header: str) -> dict[str, str]:
    """The parameters of credentials, read with the parser of challenges."""
    (credentials,) = parse_challenges(header)
    assert credentials.scheme == "digest"
    return dict(credentials.params)


# Challenges


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        ("Basic", [Challenge("basic")]),
        ("Basic realm=simple", [Challenge("basic", (("realm", "simple"),))]),
        # RFC 9110 section 11.6.1
        (
            'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            [
                Challenge("basic", (("realm", "simple"),)),
                Challenge("newauth", (("realm", "apps"), ("type", "1"), ("title", 'Login to "apps"'))),
            ],
        ),
        ("Negotiate, NTLM", [Challenge("negotiate"), Challenge("ntlm")]),
        ("Negotiate , Basic realm=x", [Challenge("negotiate"), Challenge("basic", (("realm", "x"),))]),
        ("Negotiate YWJj/+-._~==", [Challenge("negotiate", (), "YWJj/+-._~==")]),
        ("Negotiate YQ== , Bearer", [Challenge("negotiate", (), "YQ=="), Challenge("bearer")]),
        ("Negotiate YQ", [Challenge("negotiate", (), "YQ")]),
        (" ,, Basic  realm = x ,,, opaque\t=\ty,", [Challenge("basic", (("realm", "x"), ("opaque", "y")))]),
        ('Basic REALM="a, Digest b=c"', [Challenge("basic", (("realm", "a, Digest b=c"),))]),
        ("Digest nonce=YWJj==, realm=a/b", [Challenge("digest", (("nonce", "YWJj=="), ("realm", "a/b")))]),
        (b'Basic realm="caf\xe9"', [Challenge("basic", (("realm", "café"),))]),
        ("", []),
        (" , ,", []),
    ],
)
def test_challenges(value: str | bytes, challenges: list[Challenge]) -> None:
    assert parse_challenges(value) == challenges


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        ("=", 0),
        ('"Basic"', 0),
        ("Basic@", 5),
        ('Basic realm="x', 12),
        ("Basic a=b, realm=", 17),
        ("Basic a=b, realm=,", 17),
        ("Basic realm=x charset=y", 14),
        ("Basic realm=x, realm=y", 15),
        ("Basic realm=x, REALM=y", 15),
        ("Digest Basic realm=x", 7),
        ("Negotiate YQ==\\x", 14),
        ("Basic realm=x, =y", 15),
        ('Basic realm="a\x01"', 12),
        ("Basic realm=x\r\nSet-Cookie: a=b", 13),
    ],
)
def test_challenges_that_break_the_grammar(value: str, offset: int) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_challenges(value)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("A, " * 17, "max_challenges"),
        ("A " + ", ".join(f"p{number}=1" for number in range(33)), "max_params"),
        ("A" * 65_537, "max_length"),
    ],
)
def test_challenges_over_a_limit(value: str, limit: str) -> None:
    with pytest.raises(FieldLimitExceeded) as caught:
        parse_challenges(value)
    assert caught.value.limit == limit


@given(st.text(alphabet='aB =,"\\\t/é\x00', max_size=40))
def test_any_text_is_challenges_or_an_error(value: str) -> None:
    try:
        found = parse_challenges(value)
    except FieldError:
        return
    for challenge in found:
        assert challenge.scheme
        assert not (challenge.params and challenge.token68)


@pytest.mark.parametrize("piece", ["a=", "A ", 'A b="', '\\"', "A b = ", "A b=c,", ",", "=", "\t"])
def test_long_values_take_no_long_time(piece: str) -> None:
    value = "A " + piece * (60_000 // len(piece))
    begun = process_time()
    try:
        parse_challenges(value, max_challenges=100_000, max_params=100_000)
    except FieldError:
        pass
    assert process_time() - begun < 2


def test_a_wrong_field_does_not_hide_the_others() -> None:
    headers = Headers([("WWW-Authenticate", "Basic realm=x"), ("www-authenticate", 'Digest "'), ("a", "b")])
    assert challenges_in(headers) == [Challenge("basic", (("realm", "x"),))]
    assert challenges_in(headers, is_proxy=True) == []
    parted = Headers([("Proxy-Authenticate", "Basic realm=x"), ("Proxy-Authenticate", "charset=UTF-8")])
    (whole,) = challenges_in(parted, is_proxy=True)
    assert whole.get("charset") == "UTF-8"
    assert challenges_in(Headers([("WWW-Authenticate", "A, " * 17)])) == []


def test_authentication_info() -> None:
    info = 'nextnonce="abc\\"", QOP=auth, rspauth="0123", nc=00000001,'
    assert parse_authentication_info(info) == {
        "nextnonce": 'abc"',
        "qop": "auth",
        "rspauth": "0123",
        "nc": "00000001",
    }
    assert parse_authentication_info("") == {}
    for wrong in ("Digest nextnonce=a", "nextnonce", "a=b c=d"):
        with pytest.raises(InvalidField):
            parse_authentication_info(wrong)


# Basic and Bearer


def test_the_examples_of_rfc_7617() -> None:
    assert basic_credentials("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic_credentials("test", "123£") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    ("username", "password", "field", "offset"),
    [
        ("a:b", "x", "user name", 1),
        ("a\nb", "x", "user name", 1),
        ("a", "secret\r\nX: y", "password", 6),
        ("a", "secret\x7f", "password", 6),
        ("a", "secret\0", "password", 6),
        ("a", "secret\ud800", "password", 6),
    ],
)
def test_what_basic_cannot_send(username: str, password: str, field: str, offset: int) -> None:
    with pytest.raises(HttpError.InvalidValue) as caught:
        BasicAuth(username, password)
    assert (caught.value.field, caught.value.offset) == (field, offset)
    assert "secret" not in str(caught.value)


def test_octets_that_are_no_text_are_sent_as_they_are() -> None:
    assert b64decode(basic_credentials("a", "\udcff")[6:]) == b"a:\xff"


def test_basic_is_sent_once() -> None:
    asked = parse_challenges('Negotiate, BASIC realm="x"')
    auth: Auth = BasicAuth("Aladdin", "open sesame")
    assert auth.first(GET) == basic_credentials("Aladdin", "open sesame")
    assert auth.answer(asked, GET) is None
    patient = BasicAuth("Aladdin", "open sesame", preemptive=False)
    assert patient.first(GET) is None
    assert patient.answer(asked, GET) == auth.first(GET)
    assert patient.answer(asked, again(GET)) is None
    assert patient.answer(parse_challenges("Negotiate"), GET) is None


def test_bearer() -> None:
    auth: Auth = BearerAuth("mF_9.B5f-4.1JqM")  # RFC 6750 section 2.1
    assert auth.first(GET) == "Bearer mF_9.B5f-4.1JqM"
    assert auth.answer(parse_challenges("Bearer"), GET) is None
    assert BearerAuth("1|abc").first(GET) == "Bearer 1|abc"
    for wrong in ("", "sec ret", "secret\n", "secr\xe9t", "secret\ud800"):
        with pytest.raises(HttpError.InvalidValue) as caught:
            BearerAuth(wrong)
        assert "secr" not in str(caught.value)


# Digest

#: RFC 7616 section 3.9.1.
BOTH = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    ', Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
MUFASA = "8ca523f5e9506fed4657c9700eebdbec"
MUFASA_SHA = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def mufasa(cnonce: str = CNONCE) -> DigestAuth:
    return DigestAuth("Mufasa", "Circle of Life", randomness=fixed(cnonce))


def test_the_example_of_rfc_7616_with_two_challenges() -> None:
    challenges = parse_challenges(BOTH)
    header = mufasa().answer(challenges, GET)
    assert header is not None
    assert fields(header) == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": "SHA-256",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": CNONCE,
        "qop": "auth",
        "response": MUFASA_SHA,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }
    assert mufasa().answer(challenges[::-1], GET) == header
    md5 = mufasa().answer(challenges[1:], GET)
    assert md5 is not None
    assert f'response="{MUFASA}"' in md5
    assert "algorithm=MD5" in md5
    for unquoted in ("qop=auth,", "nc=00000001,", "algorithm=SHA-256,"):  # section 3.4
        assert unquoted in header


def test_the_example_of_rfc_7616_with_userhash() -> None:
    """Section 3.9.2, with the values of its erratum 4897: those printed are of a truncated SHA-512."""
    challenges = parse_challenges(
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", '
        "charset=UTF-8, userhash=true"
    )
    facts = RequestFacts("GET", "/doe.json", "http://api.example.org")
    auth = DigestAuth(
        "Jäsøn Doe", "Secret, or not?", randomness=fixed("NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")
    )
    header = auth.answer(challenges, facts)
    assert header is not None
    found = fields(header)
    assert found["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    assert found["response"] == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert found["userhash"] == "true"
    assert found["algorithm"] == "SHA-512-256"


def test_the_example_of_rfc_2617() -> None:
    challenges = parse_challenges(
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    auth = DigestAuth("Mufasa", "Circle Of Life", randomness=fixed("0a4f113b"))
    header = auth.answer(challenges, GET)
    assert header is not None
    assert fields(header)["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in fields(header)


def test_a_server_without_qop() -> None:
    """RFC 2617 section 3.2.2.1, for servers of RFC 2069."""
    (challenge,) = parse_challenges('Digest realm="r", nonce="n"')
    header = mufasa().answer([challenge], GET)
    assert header is not None

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    assert fields(header) == {
        "username": "Mufasa",
        "realm": "r",
        "nonce": "n",
        "uri": "/dir/index.html",
        "response": md5(f"{md5('Mufasa:r:Circle of Life')}:n:{md5('GET:/dir/index.html')}"),
    }


@pytest.mark.parametrize("algorithm", ["MD5-sess", "SHA-256-sess", "SHA-512-256-SESS", "sha-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_sessions_and_integrity(algorithm: str, qop: str) -> None:
    """RFC 7616 sections 3.4.1 to 3.4.3, computed from their words."""
    is_session = algorithm.lower().endswith("-sess")
    name = algorithm.lower().removesuffix("-sess").replace("sha-", "sha").replace("-", "_")

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    (challenge,) = parse_challenges(f'Digest realm="r", nonce="n", qop="{qop}", algorithm={algorithm}')
    facts = RequestFacts("PUT", "/x", "http://a", b"the body")
    auth = mufasa("c")
    for count in (1, 2):
        header = auth.answer([challenge], facts) if count == 1 else auth.first(facts)
        assert header is not None
        a1 = h("Mufasa:r:Circle of Life")
        if is_session:
            a1 = h(f"{a1}:n:c")
        a2 = "PUT:/x" if qop == "auth" else f"PUT:/x:{h('the body')}"
        assert fields(header)["response"] == h(f"{a1}:n:{count:08x}:c:{qop}:{h(a2)}")
        assert fields(header)["algorithm"] == algorithm


def test_the_client_nonce_is_new_each_time_but_for_a_session() -> None:
    for algorithm, number in (("SHA-256", 3), ("SHA-256-sess", 1)):
        auth = DigestAuth("a", "b")
        challenges = parse_challenges(f"Digest realm=r, nonce=n, qop=auth, algorithm={algorithm}")
        headers = [auth.answer(challenges, GET), auth.first(GET), auth.first(GET)]
        assert len({fields(header or "")["cnonce"] for header in headers}) == number
        assert [fields(header or "")["nc"] for header in headers] == ["00000001", "00000002", "00000003"]


def test_a_nonce_is_used_for_its_origin_only() -> None:
    auth = mufasa()
    assert auth.first(GET) is None
    auth.answer(parse_challenges(BOTH), GET)
    assert auth.first(GET._replace(origin="http://other.example")) is None
    assert auth.first(GET) is not None


def test_origins_are_forgotten_when_there_are_too_many() -> None:
    auth = mufasa()
    challenges = parse_challenges(BOTH)
    for number in range(300):
        auth.answer(challenges, GET._replace(origin=f"http://{number}.example"))
    known = [number for number in range(300) if auth.first(GET._replace(origin=f"http://{number}.example"))]
    assert known == list(range(300 - 256, 300))


def test_a_refused_answer_is_given_up_and_a_stale_one_is_not() -> None:
    auth = mufasa()
    challenges = parse_challenges(BOTH)
    stale = parse_challenges('Digest realm="r", nonce="other", qop="auth", stale=TRUE')
    assert auth.answer(challenges, GET)
    assert auth.answer(challenges, again(GET)) is None
    assert auth.first(GET) is None
    assert auth.answer(challenges, GET)
    header = auth.answer(stale, again(GET))
    assert header is not None
    assert fields(header)["nonce"] == "other"
    assert fields(header)["nc"] == "00000001"
    assert auth.answer(stale, again(again(GET)))
    assert auth.answer(stale, again(again(again(GET)))) is None


def test_the_next_nonce_is_used() -> None:
    auth = mufasa()
    auth.learned('nextnonce="too early"', GET)
    auth.answer(parse_challenges(BOTH), GET)
    auth.first(GET)
    auth.learned('nextnonce="following", qop=auth', GET)
    header = auth.first(GET)
    assert header is not None
    assert fields(header)["nonce"] == "following"
    assert fields(header)["nc"] == "00000001"
    assert fields(header)["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
    for ignored in ('nextnonce="', "", "nextnonce=", f'nextnonce="{"x" * 5_000}"', "qop=auth"):
        auth.learned(ignored, GET)
    assert fields(auth.first(GET) or "")["nonce"] == "following"


@pytest.mark.parametrize(
    "value",
    [
        "Basic realm=x",
        "Digest realm=x",
        "Digest nonce=x",
        "Digest YQ==",
        "Digest realm=r, nonce=n, algorithm=MD4",
        "Digest realm=r, nonce=n, algorithm=-sess",
        "Digest realm=r, nonce=n, qop=auth-conf",
        f"Digest realm=r, nonce={'n' * 4_096}",
        "",
    ],
)
def test_challenges_that_are_not_answered(value: str) -> None:
    assert mufasa().answer(parse_challenges(value), GET) is None


def test_auth_int_needs_a_known_body() -> None:
    auth = mufasa()
    integrity = parse_challenges('Digest realm=r, nonce=n, qop="auth-int"')
    both = parse_challenges('Digest realm=r, nonce=n, qop="auth-int,auth"')
    streamed = GET._replace(body=None)
    assert auth.answer(integrity, streamed) is None
    assert "qop=auth," in (auth.answer(both, streamed) or "")
    assert "qop=auth-int," in (auth.answer(integrity, GET) or "")
    assert auth.first(streamed) is None


def test_names_that_are_not_ascii() -> None:
    auth = DigestAuth("Jäsøn", "b")
    plain = auth.answer(parse_challenges("Digest realm=r, nonce=n"), GET)
    assert plain is not None
    assert fields(plain)["username"].encode("latin-1").decode() == "Jäsøn"
    utf_8 = auth.answer(parse_challenges("Digest realm=r, nonce=n, charset=UTF-8"), GET)
    assert utf_8 is not None
    assert fields(utf_8)["username*"] == "UTF-8''J%C3%A4s%C3%B8n"


def test_nothing_leaves_its_quotes() -> None:
    auth = DigestAuth('a", x="y\\', "b")
    header = auth.answer(parse_challenges('Digest realm="r\\", uri=\\"/z", nonce="n\\\\"'), GET)
    assert header is not None
    found = fields(header)
    assert found["username"] == 'a", x="y\\'
    assert (found["realm"], found["nonce"], found["uri"]) == ('r", uri="/z', "n\\", "/dir/index.html")
    assert "x" not in found
    Headers([("Authorization", header)])
    for wrong in ("a\r\n", "a\0", "\ud800"):
        with pytest.raises(HttpError.InvalidValue):
            DigestAuth(wrong, "b")
    with pytest.raises(HttpError.InvalidValue):
        auth.answer(parse_challenges("Digest realm=r, nonce=n"), GET._replace(target="/\r\n"))


# The choice among them


def test_the_strongest_is_chosen() -> None:
    asked = parse_challenges(f"Basic realm=x, {BOTH}")
    auth = PasswordAuth("Mufasa", "Circle of Life", randomness=fixed(CNONCE))
    assert auth.first(GET) is None
    assert MUFASA_SHA in (auth.answer(asked, GET) or "")
    assert "nc=00000002" in (auth.first(GET) or "")
    auth.learned("nextnonce=next", GET)
    assert 'nonce="next"' in (auth.first(GET) or "")
    # The password does not follow in clear text.
    assert auth.answer(asked, again(GET)) is None
    basic = parse_challenges("Basic realm=x, Digest realm=x, nonce=n, algorithm=MD4")
    assert auth.answer(basic, GET) == basic_credentials("Mufasa", "Circle of Life")
    assert auth.answer(basic, again(GET)) is None
    assert PasswordAuth("a", "b", allow_basic=False).answer(basic, GET) is None


@pytest.mark.parametrize(
    "auth",
    [
        BasicAuth("name", "hunter2"),
        BearerAuth("hunter2"),
        DigestAuth("name", "hunter2"),
        PasswordAuth("name", "hunter2"),
    ],
    ids=lambda auth: type(auth).__name__,
)
def test_secrets_are_not_shown(auth: Auth) -> None:
    auth.answer(parse_challenges(BOTH), GET)
    assert "hunter2" not in f"{auth!r}{auth}"
    assert "***" in repr(auth)
