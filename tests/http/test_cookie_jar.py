"""The jar: what it stores, what it sends where, what it throws away (RFC 6265bis sections 5.7 and 5.8)."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from netkit.http import HttpError, SameSite, Url
from netkit.http.cookies.cookie import MAX_AGE
from netkit.http.cookies.jar import MAX_HEADER, CookieJar
from netkit.http.cookies.stored import StoredCookie
from netkit.http.hosts import canonical_host

pytestmark = pytest.mark.once

NOW = 1_800_000_000.0


def jar_of(url: str, *values: str | bytes, **limits) -> CookieJar:
    jar = CookieJar(**limits)
    assert jar.store(Url.parse(url), values, NOW) == []
    return jar


def sent(jar: CookieJar, url: str, now: float = NOW, **about) -> str | None:
    return jar.cookie_header(Url.parse(url), now, **about)


@pytest.mark.parametrize(
    ("set_by", "value", "asked", "expected"),
    [
        # The host alone, without Domain (5.7.3 step 10).
        ("http://a.example/", "n=v", "http://a.example/", "n=v"),
        ("http://a.example/", "n=v", "http://b.a.example/", None),
        ("http://b.a.example/", "n=v", "http://a.example/", None),
        # With Domain, what is under it too.
        ("http://a.example/", "n=v; Domain=a.example", "http://b.a.example/", "n=v"),
        ("http://b.a.example/", "n=v; Domain=a.example", "http://a.example/", "n=v"),
        ("http://b.a.example/", "n=v; Domain=.A.EXAMPLE", "http://c.a.example/", "n=v"),
        ("http://a.example/", "n=v; Domain=a.example", "http://xa.example/", None),
        ("http://a.example/", "n=v; Domain=a.example", "http://example/", None),
        ("http://a.example/", "n=v; Domain=b.a.example; Domain=a.example", "http://b.a.example/", "n=v"),
        # An empty Domain is none.
        ("http://a.example/", "n=v; Domain=", "http://b.a.example/", None),
        # A port is no boundary of a cookie (section 8.5).
        ("http://a.example:81/", "n=v", "http://a.example:82/", "n=v"),
        # Names in one form: case, IDNA, and the dot at the end.
        ("http://A.Example/", "n=v", "http://a.example/", "n=v"),
        ("http://a.example./", "n=v", "http://a.example/", "n=v"),
        ("http://a.example/", "n=v", "http://a.example./", "n=v"),
        ("http://a.example/", "n=v; Domain=a.example.", "http://b.a.example./", "n=v"),
        ("http://b\u00fccher.example/", "n=v", "http://xn--bcher-kva.example/", "n=v"),
        (
            "http://b\u00fccher.example/",
            "n=v; Domain=xn--bcher-kva.example",
            "http://a.b\u00fccher.example/",
            "n=v",
        ),
        # Addresses are themselves alone.
        ("http://192.0.2.1/", "n=v", "http://192.0.2.1/", "n=v"),
        ("http://192.0.2.1/", "n=v; Domain=192.0.2.1", "http://192.0.2.1/", "n=v"),
        ("http://192.0.2.1/", "n=v", "http://0xC0.0.2.1/", "n=v"),
        ("http://[2001:db8::1]/", "n=v; Domain=2001:db8::1", "http://[2001:DB8:0::1]/", "n=v"),
        # The path: the directory of the request, or what is said.
        ("http://a.example/x/y", "n=v", "http://a.example/x", "n=v"),
        ("http://a.example/x/y", "n=v", "http://a.example/x/z?q", "n=v"),
        ("http://a.example/x/y", "n=v", "http://a.example/xy", None),
        ("http://a.example/x/y", "n=v", "http://a.example/", None),
        ("http://a.example/x/y", "n=v; Path=/", "http://a.example/", "n=v"),
        ("http://a.example/x/y", "n=v; Path=z", "http://a.example/x/w", "n=v"),
        ("http://a.example/", "n=v; Path=/Q", "http://a.example/q", None),
        # Secure: over TLS, or to this machine.
        ("https://a.example/", "n=v; Secure", "https://a.example/", "n=v"),
        ("https://a.example/", "n=v; Secure", "wss://a.example/", "n=v"),
        ("https://a.example/", "n=v; Secure", "http://a.example/", None),
        ("https://a.example/", "n=v; Secure", "ws://a.example/", None),
        ("https://a.example/", "n=v", "http://a.example/", "n=v"),
        ("http://localhost/", "n=v; Secure", "http://localhost:8080/", "n=v"),
        ("http://127.0.0.1/", "n=v; Secure", "http://127.0.0.1/", "n=v"),
        ("http://127.9.9.9/", "n=v; Secure", "http://127.9.9.9/", "n=v"),
        ("http://[::1]/", "n=v; Secure", "http://[::1]/", "n=v"),
        # Without a name, and as octets.
        ("http://a.example/", "=v", "http://a.example/", "v"),
        ("http://a.example/", b"n=caf\xc3\xa9", "http://a.example/", "n=caf\xc3\xa9"),
        # Partitioned is a browser's matter.
        ("https://a.example/", "n=v; Secure; Partitioned", "https://a.example/", "n=v"),
    ],
)
def test_where_a_cookie_goes(set_by: str, value: str | bytes, asked: str, expected: str | None) -> None:
    assert sent(jar_of(set_by, value), asked) == expected


@pytest.mark.parametrize(
    ("url", "value", "words"),
    [
        ("http://a.example/", "n=v; Domain=b.example", "not in it"),
        ("http://a.example/", "n=v; Domain=b.a.example", "not in it"),
        ("http://xa.example/", "n=v; Domain=a.example", "not in it"),
        ("http://a.example/", "n=v; Domain=..a.example", "not in it"),
        ("http://a.example/", "n=v; Domain=a..example", "not in it"),
        ("http://a.example/", "n=v; Domain=a.example..", "not in it"),
        ("http://a.example/", "n=v; Domain=*.example", "not in it"),
        # A part of an address is no domain of it.
        ("http://192.0.2.1/", "n=v; Domain=0.2.1", "not in it"),
        ("http://192.0.2.1/", "n=v; Domain=2.1", "not in it"),
        ("http://[2001:db8::1]/", "n=v; Domain=:1", "not in it"),
        # Public suffixes, those of companies too, in every spelling.
        ("http://a.co.uk/", "n=v; Domain=co.uk", "public suffix"),
        ("http://a.co.uk./", "n=v; Domain=co.uk.", "public suffix"),
        ("http://a.co.uk/", "n=v; Domain=.CO.UK", "public suffix"),
        ("http://a.co.uk/", "n=v; Domain=uk", "public suffix"),
        ("http://a.github.io/", "n=v; Domain=github.io", "public suffix"),
        ("http://a.foo.ck/", "n=v; Domain=foo.ck", "public suffix"),
        ("http://a.nosuchtld/", "n=v; Domain=nosuchtld", "public suffix"),
        ("http://a.xn--55qx5d.cn/", "n=v; Domain=xn--55qx5d.cn", "public suffix"),
        ("http://a.\u516c\u53f8.cn/", "n=v; Domain=xn--55qx5d.cn", "public suffix"),
        # Without encryption, and what a prefix promises.
        ("http://a.example/", "n=v; Secure", "without encryption"),
        ("http://a.localhost/", "n=v; Secure", "without encryption"),
        ("http://128.0.0.1/", "n=v; Secure", "without encryption"),
        ("https://a.example/", "__Secure-n=v", "requires Secure"),
        ("https://a.example/", "__HOST-n=v; Secure; Path=/x", "requires Path=/"),
        ("https://a.example/", "__Host-n=v; Secure; Path=/; Domain=a.example", "allows no Domain"),
        ("https://a.example/x/y", "__Host-n=v; Secure", "requires Path=/"),
        ("https://a.example/", "n=v; SameSite=None", "requires Secure"),
        # Sizes, and characters that could end a header.
        ("http://a.example/", "n=" + "v" * 4096, "4096"),
        ("http://a.example/", "n=v\r\nX: y", "carriage return"),
        ("http://a.example/", "n=v\0", "NUL"),
        ("http://a.example/", "n=\u20ac", "no octet"),
        ("http://a.example/", "", "neither"),
        ("http://a.example/" + "x" * 2000 + "/y", "n=v", "1024"),
        ("http://" + ".".join(["a" * 60] * 5) + "/", "n=v", "host cannot have cookies"),
    ],
)
def test_what_is_refused(url: str, value: str, words: str) -> None:
    jar = CookieJar()
    [error] = jar.store(Url.parse(url), [value], NOW)
    assert words in str(error)
    assert error.fault == "peer"
    assert len(jar) == 0 and sent(jar, url) is None


def test_a_refused_cookie_does_not_stop_the_others() -> None:
    jar = CookieJar()
    refused = jar.store(Url.parse("http://a.example/"), ["a=1", "b=2; Domain=x.example", "c=3"], NOW)
    assert len(refused) == 1
    assert sent(jar, "http://a.example/") == "a=1; c=3"


def test_a_public_suffix_may_have_cookies_of_its_own() -> None:
    jar = jar_of("http://github.io/", "n=v; Domain=github.io")
    assert sent(jar, "http://github.io/") == "n=v"
    assert sent(jar, "http://a.github.io/") is None
    # An exception of the list (!www.ck) is no suffix.
    assert sent(jar_of("http://a.www.ck/", "n=v; Domain=www.ck"), "http://b.www.ck/") == "n=v"


def test_loopback_is_not_secure_through_a_proxy() -> None:
    jar, url = CookieJar(), Url.parse("http://localhost/")
    assert len(jar.store(url, ["n=v; Secure"], NOW, loopback_is_secure=False)) == 1
    jar.store(url, ["n=v; Secure"], NOW)
    assert sent(jar, "http://localhost/", loopback_is_secure=False) is None
    assert sent(jar, "http://localhost/") == "n=v"


def test_the_order_is_longer_paths_first_then_older_ones() -> None:
    jar = jar_of("http://a.example/x/y/z", "a=1; Path=/", "b=2", "c=3; Path=/x", "d=4; Domain=a.example")
    jar.store(Url.parse("http://a.example/"), ["e=5; Path=/", "a=6; Path=/"], NOW + 9)
    # `a` was replaced, and keeps the time and the place of its creation (5.7.3 step 23).
    assert sent(jar, "http://a.example/x/y/z", NOW + 9) == "b=2; d=4; c=3; a=6; e=5"
    assert [cookie.created for cookie in jar if cookie.name in "ae"] == [NOW, NOW + 9]


def test_cookies_that_differ_in_path_or_domain_are_several() -> None:
    jar = jar_of("http://a.example/", "n=1", "n=2; Path=/x", "n=3; Domain=a.example", "n=4")
    assert sent(jar, "http://a.example/x") == "n=2; n=4; n=3"
    assert len(jar) == 3


@pytest.mark.parametrize(
    ("value", "lives"),
    [
        ("n=v; Max-Age=10", 10),
        ("n=v; Max-Age=10; Expires=Sun, 06 Nov 1994 08:49:37 GMT", 10),
        ("n=v; Expires=Fri, 15 Jan 2027 08:00:30 GMT", 30),
        ("n=v; Max-Age=99999999999999999999", MAX_AGE),
        ("n=v; Expires=Fri, 31 Dec 9999 23:59:59 GMT", MAX_AGE),
    ],
)
def test_expiry(value: str, lives: float) -> None:
    jar = jar_of("http://a.example/", value)
    [cookie] = jar
    assert cookie.expires == NOW + lives
    assert sent(jar, "http://a.example/", NOW + lives - 1) == "n=v"
    assert sent(jar, "http://a.example/", NOW + lives) is None
    assert len(jar) == 0, "what is over is thrown away where it is met"


@pytest.mark.parametrize("end", ["Max-Age=0", "Max-Age=-1", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_server_removes_its_cookie(end: str) -> None:
    jar = jar_of("http://a.example/", "n=v; Max-Age=100", "m=w")
    assert jar.store(Url.parse("http://a.example/"), [f"n=; {end}"], NOW + 1) == []
    assert [cookie.name for cookie in jar] == ["m"]
    # A cookie of another path stays.
    jar.store(Url.parse("http://a.example/"), [f"m=; Path=/x; {end}"], NOW + 1)
    assert len(jar) == 1


def test_the_end_of_a_session() -> None:
    jar = jar_of("http://a.example/", "s=1", "p=2; Max-Age=9")
    assert jar.end_session() == 1
    assert [cookie.name for cookie in jar] == ["p"]
    assert jar.remove_expired(NOW + 9) == 1


@pytest.mark.parametrize(
    ("secure", "insecure", "is_refused"),
    [
        ("n=s; Secure", "n=i", True),
        ("n=s; Secure; Path=/x", "n=i; Path=/x/y", True),
        ("n=s; Secure; Path=/x", "n=i; Path=/", False),
        ("n=s; Secure; Domain=a.example", "n=i; Domain=a.example", True),
        ("n=s; Secure", "n=i; Max-Age=0", True),
        ("n=s; Secure", "m=i", False),
        ("n=s", "n=i", False),
    ],
)
def test_an_insecure_response_leaves_secure_cookies_alone(
    secure: str, insecure: str, is_refused: bool
) -> None:
    jar = jar_of("https://a.example/", secure)
    assert len(jar.store(Url.parse("http://a.example/"), [insecure], NOW)) == is_refused
    assert ("n=s" in (sent(jar, "https://a.example/x/y") or "")) == (insecure != "n=i" or is_refused)


def test_an_insecure_response_hides_no_secure_cookie_of_a_related_domain() -> None:
    jar = jar_of("https://b.a.example/", "n=s; Secure")
    [error] = jar.store(Url.parse("http://c.a.example/"), ["n=i; Domain=a.example"], NOW)
    assert "Secure cookie of this name" in str(error)
    jar = jar_of("https://a.example/", "n=s; Secure; Domain=a.example; Max-Age=5")
    assert len(jar.store(Url.parse("http://b.a.example/"), ["n=i"], NOW)) == 1
    # The time of the Secure one is over: there is nothing left to protect.
    assert jar.store(Url.parse("http://b.a.example/"), ["n=i"], NOW + 5) == []


@pytest.mark.parametrize(
    ("initiator", "method", "expected"),
    [
        (None, "GET", "s l n d"),
        (None, "POST", "s l n d"),
        ("https://b.a.example/", "POST", "s l n d"),
        ("https://a.example:8443/", "POST", "s l n d"),
        ("https://other.example/", "GET", "l n d"),
        ("https://other.example/", "HEAD", "l n d"),
        ("https://other.example/", "POST", "n"),
        ("https://other.example/", "DELETE", "n"),
        # Another scheme is another site (5.2, schemeful).
        ("http://a.example/", "GET", "l n d"),
    ],
)
def test_same_site_after_a_redirect(initiator: str | None, method: str, expected: str) -> None:
    jar = jar_of(
        "https://a.example/",
        "s=1; SameSite=Strict",
        "l=1; SameSite=Lax",
        "n=1; SameSite=None; Secure",
        "d=1",
    )
    by = None if initiator is None else Url.parse(initiator)
    found = jar.cookies_for(Url.parse("https://a.example/"), NOW, method=method, initiator=by)
    assert " ".join(cookie.name for cookie in found) == expected


def test_neighbours_under_a_public_suffix_are_different_sites() -> None:
    jar = jar_of("https://a.github.io/", "s=1; SameSite=Strict")
    neighbour = Url.parse("https://b.github.io/")
    assert sent(jar, "https://a.github.io/", initiator=neighbour) is None


def test_the_limit_of_a_domain() -> None:
    jar = CookieJar(max_per_domain=3)
    url = Url.parse("https://a.example/")
    jar.store(url, ["old=1; Max-Age=5", "s=1; Secure", "i=1", "j=1"], NOW)
    # Insecure ones go first, the one that was not used for longest before the others.
    assert [cookie.name for cookie in jar] == ["s", "i", "j"]
    jar.store(url, ["i=2"], NOW)
    jar.store(url, ["k=1"], NOW)
    assert [cookie.name for cookie in jar] == ["s", "i", "k"]
    jar.store(url, ["t=1; Secure", "u=1; Secure", "v=1; Secure"], NOW)
    assert [cookie.name for cookie in jar] == ["t", "u", "v"], "then the Secure ones"
    jar.store(Url.parse("http://a.example/"), ["w=1"], NOW)
    assert [cookie.name for cookie in jar] == ["t", "u", "v"], "an insecure response drives none of them out"
    jar.store(Url.parse("https://b.example/"), ["w=1"], NOW)
    assert len(jar) == 4, "another domain has its own count"


def test_the_expired_go_before_the_living() -> None:
    jar = CookieJar(max_per_domain=2)
    url = Url.parse("https://a.example/")
    jar.store(url, ["a=1", "b=1; Secure; Max-Age=5"], NOW)
    jar.store(url, ["c=1"], NOW + 6)
    assert [cookie.name for cookie in jar] == ["a", "c"]


def test_the_limit_of_all() -> None:
    jar = CookieJar(max_cookies=3)
    for name in "abc":
        jar.store(Url.parse(f"https://{name}.example/"), ["n=v"], NOW)
    assert sent(jar, "https://a.example/") == "n=v"  # used now
    jar.store(Url.parse("https://d.example/"), ["n=v"], NOW)
    assert jar.domains() == ["a.example", "c.example", "d.example"]
    jar.store(Url.parse("https://e.example/"), [f"n{at}=v" for at in range(50)], NOW)
    assert len(jar) == 3 and jar.domains() == ["e.example"]


def test_a_flood_stays_within_the_limits() -> None:
    jar = CookieJar(max_cookies=300)
    for at in range(40):
        jar.store(Url.parse(f"https://h{at % 4}.example/"), [f"n{at}-{n}=v" for n in range(100)], NOW)
        assert len(jar) <= 300
        assert all(len(jar.of_domain(domain)) <= 180 for domain in jar.domains())


def test_the_header_has_a_limit() -> None:
    jar = jar_of("http://a.example/", *(f"n{at}={'v' * 4000}" for at in range(5)), "last=1")
    header = sent(jar, "http://a.example/")
    assert header is not None and len(header) <= MAX_HEADER
    assert [pair.partition("=")[0] for pair in header.split("; ")] == ["n0", "n1", "n2", "last"]
    jar = CookieJar(max_header=7)
    jar.store(Url.parse("http://a.example/"), ["abc=123", "d=4"], NOW)
    assert sent(jar, "http://a.example/") == "abc=123"


@pytest.mark.parametrize("limit", ["max_cookies", "max_per_domain", "max_header"])
def test_a_limit_is_at_least_one(limit: str) -> None:
    with pytest.raises(HttpError.InvalidValue, match=limit):
        CookieJar(**{limit: 0})


def test_looking_and_removing() -> None:
    jar = jar_of("https://b.a.example/", "n=1", "n=2; Path=/x", "m=3; Domain=a.example")
    assert jar.domains() == ["a.example", "b.a.example"]
    assert [cookie.value for cookie in jar.of_domain("B.A.Example.")] == ["1", "2"]
    assert jar.remove("n", "b.a.example", "/x") == 1
    assert jar.remove("n", "a.example") == 0
    assert jar.clear("x.example") == 0
    assert jar.clear("a.example") == 2 and len(jar) == 0
    jar.add(StoredCookie("n", "v", "a.example"))
    assert jar.clear() == 1 and list(jar) == []


def test_iteration_is_over_a_copy() -> None:
    jar = jar_of("http://a.example/", "a=1", "b=2")
    for cookie in jar:
        jar.remove(cookie.name, cookie.domain)
    assert len(jar) == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"domain": ""}, "not a host name"),
        ({"domain": "a b.example"}, "not a host name"),
        ({"domain": "a..example"}, "not a host name"),
        ({"path": "x"}, "slash"),
        ({"path": "/" + "x" * 1024}, "1024"),
        ({"value": "v" * 4096}, "4096"),
        ({"value": "a;b"}, "';'"),
        ({"value": "a\nb"}, "line feed"),
        ({"name": "a=b"}, "'='"),
        ({"name": "", "value": ""}, "neither"),
        ({"name": "__Secure-n"}, "requires Secure"),
        ({"name": "__Host-n", "secure": True, "host_only": False}, "one host"),
        ({"name": "__Host-n", "secure": True, "path": "/x"}, "Path=/"),
    ],
)
def test_a_stored_cookie_is_checked(fields: dict[str, object], words: str) -> None:
    with pytest.raises(HttpError.InvalidValue, match=words):
        StoredCookie(**{"name": "n", "value": "v", "domain": "a.example", **fields})


def test_a_stored_cookie_is_canonical_and_keeps_its_secret() -> None:
    cookie = StoredCookie("n", "hunter2", "B\u00fccher.Example.", same_site=SameSite.Lax)
    assert cookie.domain == "xn--bcher-kva.example"
    assert "hunter2" not in repr(cookie)
    assert StoredCookie("n", "v", "192.0.2.1", host_only=False).host_only
    assert cookie.is_for("xn--bcher-kva.example", "/x") and not cookie.is_for("a.xn--bcher-kva.example", "/")
    wide = cookie.replace(host_only=False, path="/x")
    assert wide.is_for("a.xn--bcher-kva.example", "/x/y") and not wide.is_for("a.xn--bcher-kva.example", "/")


def test_threads_share_a_jar() -> None:
    jar, errors = CookieJar(max_cookies=50), []

    def work(number: int) -> None:
        try:
            for at in range(60):
                url = Url.parse(f"https://h{(at + number) % 9}.example/")
                jar.store(url, [f"n{at}=v; Max-Age={at % 3}"], NOW)
                jar.cookie_header(url, NOW + at % 2)
                list(jar)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(jar) == len(list(jar)) <= 50


def test_the_list_of_suffixes_is_loaded_when_a_domain_could_be_one() -> None:
    program = """
import sys
from netkit.http import Url
from netkit.http.cookies.jar import CookieJar
jar, url = CookieJar(), Url.parse("https://a.b.example/")
jar.store(url, ["n=v", "m=v; Domain=other.example", "o=v; Domain=example"], 0)
jar.cookie_header(url, 0, initiator=url)
assert "publicsuffixlist" not in sys.modules
jar.store(url, ["n=v; Domain=b.example"], 0)
assert "publicsuffixlist" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".a", "a..", "a..b", "a b", "a/b", "a@b", "[::1]", "a\0", "x" * 254]
)
def test_what_is_no_host(text: str) -> None:
    assert canonical_host(text) is None
