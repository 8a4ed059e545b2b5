"""URLs: what the WHATWG parser makes of them, the port that was written, and why a text is none."""

from __future__ import annotations

import pickle

import ada_url
import pytest
from hypothesis import example, given, strategies as st

from netkit.addr import HostPort, Ipv4Addr, Ipv6Addr
from netkit.http import HttpError, Url

pytestmark = pytest.mark.once


def test_the_parts():
    url = Url.parse("https://user:pass@host:443/path?q#frag")  # the example of core-net.txt
    assert (url.scheme, url.host, url.port, url.effective_port) == ("https", "host", 443, 443)
    assert (url.username, url.password) == ("user", "pass")
    assert (url.path, url.query, url.fragment) == ("/path", "q", "frag")
    assert str(url) == url.to_string == "https://user:pass@host/path?q#frag"
    assert (url.origin, url.host_header, url.authority) == ("https://host", "host", "host:443")
    assert url.request_target == "/path?q"
    assert url.endpoint == HostPort("host", 443)
    assert url.is_secure


@pytest.mark.parametrize(
    ("text", "port", "effective"),
    [
        ("http://a/", None, 80),
        ("http://a:80/", 80, 80),
        ("HTTP://a:080/", 80, 80),
        ("http://a:/", None, 80),
        ("http://a:8080/", 8080, 8080),
        ("http://a:443/", 443, 443),
        ("https://a:443", 443, 443),
        ("https://a/:443", None, 443),
        ("https://a?:443", None, 443),
        ("https://x:443@a/", None, 443),
        ("https://x:y@a:443/", 443, 443),
        ("https:\\\\a:443\\", 443, 443),
        ("https:a:443", 443, 443),
        (" ht\ntps://a:4\t43/ ", 443, 443),
        ("https://[::1]:443/", 443, 443),
        ("https://[::1]/", None, 443),
        ("wss://a:443/", 443, 443),
        ("ws://a:80/", 80, 80),
        ("ftp://a:21/", 21, 21),
        ("ftp://a/", None, 21),
        ("foo://a:443/", 443, 443),
        ("foo://a/", None, None),
        ("file:///x", None, None),
        ("mailto:a@b", None, None),
        ("http://a:0/", 0, 0),
        ("http://a:65535/", 65535, 65535),
    ],
)
def test_the_port_that_was_written(text, port, effective):
    url = Url.parse(text)
    assert (url.port, url.effective_port) == (port, effective)
    assert str(url) == ada_url.URL(text).href
    assert pickle.loads(pickle.dumps(url)).port == port


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss", "ftp"])
@given(
    host=st.sampled_from(["a", "a.b", "127.1", "[::1]", "x%41", "münchen.de"]),
    port=st.one_of(st.none(), st.integers(0, 65535), st.sampled_from([21, 80, 443])),
    userinfo=st.sampled_from(["", "u@", "u:443@", "u:80@", "a@b:21@"]),
    rest=st.sampled_from(["", "/", "/:443", "?:80", "#:21", "/x@y:443"]),
)
def test_every_written_port_is_kept(scheme, host, port, userinfo, rest):
    url = Url.parse(f"{scheme}://{userinfo}{host}{'' if port is None else f':{port}'}{rest}")
    assert url.port == port
    assert url.resolve("/other").port == port
    assert url.resolve("//elsewhere/").port is None


@pytest.mark.parametrize(
    ("reference", "meant"),
    [  # RFC 3986 section 5.4
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        (";x", "http://a/b/c/;x"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../../../g", "http://a/g"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("mailto:x", "mailto:x"),
        ("http:g", "http://a/b/c/g"),  # as browsers do; RFC 3986 allows it for compatibility
        ("https://h:443/", "https://h/"),
    ],
)
def test_references(reference, meant):
    assert str(Url.parse("http://a/b/c/d;p?q").resolve(reference)) == meant


def test_the_port_of_a_reference():
    base = Url.parse("https://a:443/x")
    for reference, port in [
        *(("y", 443), ("?q", 443), ("https:y", 443), ("//b/", None), ("//b:443/", 443), ("https://b/", None)),
        *(("http://b/", None), ("http://b:80/", 80), ("//a:8443/", 8443), ("", 443)),
    ]:
        assert base.resolve(reference).port == port, reference
    with pytest.raises(HttpError.InvalidUri):
        base.resolve("//[/")
    with pytest.raises(HttpError.InvalidUri):
        Url.parse("mailto:x").resolve("y")


def test_hosts():
    assert Url.parse("http://[2001:DB8::1]:1/").host == "2001:db8::1"
    assert Url.parse("http://[2001:DB8::1]:1/").ip == Ipv6Addr.parse("2001:db8::1")
    assert Url.parse("http://[2001:DB8::1]/").host_header == "[2001:db8::1]"
    assert Url.parse("http://0x7f.1/").ip == Ipv4Addr.parse("127.0.0.1")
    assert Url.parse("http://MÜNCHEN.de/").host == "xn--mnchen-3ya.de"
    assert Url.parse("http://example.com/").ip is None
    assert Url.parse("foo://0x7f.1/").ip is None
    for text in ("mailto:a@b", "file:///etc/hosts", "data:,x"):
        url = Url.parse(text)
        assert (url.host, url.endpoint, url.origin) == (None, None, "null")
    assert Url.parse("https://[::1]/").endpoint == HostPort("::1", 443)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("blob:https://a.example/x", "https://a.example"),
        ("blob:http://u:p@A.example:8080/x?y#z", "http://a.example:8080"),
        ("blob:https://a.example:443/", "https://a.example"),
        ("blob:ws://a.example/x", "null"),
        ("blob:file:///x", "null"),
        ("blob:blob:https://a.example/x", "null"),
        ("blob:x", "null"),
        ("ws://a.example/x", "ws://a.example"),
        ("data:,x", "null"),
    ],
)
def test_origin(text: str, origin: str) -> None:
    assert Url.parse(text).origin == origin == ada_url.URL(text).origin


def test_nothing_and_empty_are_told_apart():
    for text, query, fragment in [
        *(("http://a/", None, None), ("http://a/?", "", None), ("http://a/#", None, "")),
        *(("http://a/?#", "", ""), ("http://a/#?", None, "?"), ("http://a/?a?b#c#d", "a?b", "c#d")),
    ]:
        url = Url.parse(text)
        assert (url.query, url.fragment) == (query, fragment)
        assert str(url) == text


def test_query_params():
    url = Url.parse("http://a/?q=a+b&x=%C3%A9&x&&=y&p=1=2&bad=%ff%")
    assert url.query_params == (
        *(("q", "a b"), ("x", "é"), ("x", ""), ("", "y"), ("p", "1=2")),
        ("bad", "\ufffd%"),
    )
    assert Url.parse("http://a/").query_params == ()


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_query_params_come_back(pairs):
    def whole(text: str) -> str:
        return text.encode("utf-8", "replace").decode()

    pairs = [(whole(name), whole(value)) for name, value in pairs]
    url = Url.parse("http://a/").replace(query=pairs)
    assert url.query_params == tuple(pairs)
    assert tuple(ada_url.parse_search_params(url.query or "").keys()) == tuple(dict(pairs))


def test_replace():
    url = Url.parse("https://u:p@a:443/x?y#z")
    assert str(url.replace(username="", password="")) == "https://a/x?y#z"
    assert str(url.replace(query=None, fragment=None)) == "https://u:p@a/x"
    assert str(url.replace(host="::1", port=8443)) == "https://u:p@[::1]:8443/x?y#z"
    assert url.replace(port=None).port is None
    assert url.replace(port=443).port == 443
    assert url.replace(path="/1").port == 443
    assert url.replace(scheme="http").port is None
    assert url.replace(scheme="http", port=80).effective_port == 80
    assert str(url.replace(query={"a": "b c"})) == "https://u:p@a/x?a=b+c#z"
    assert str(url.replace(path="/ä b")) == "https://u:p@a/%C3%A4%20b?y#z"
    assert url.replace(host="a") == url
    for wrong in (
        *({"port": 65536}, {"port": -1}, {"port": "80"}, {"host": "a b"}, {"host": ""}, {"host": "[::"}),
        *({"scheme": "foo"}, {"scheme": "1"}, {"scheme": ""}, {"host": "a/b"}, {"host": "1.2.3.256"}),
    ):
        with pytest.raises(HttpError.InvalidUri):
            url.replace(**wrong)
    with pytest.raises(TypeError):
        url.replace(nothing=1)


def test_secrets():
    url = Url.parse("https://user:secret@example.com/")
    assert "secret" in str(url)
    assert "secret" not in repr(url)
    assert url.redacted == "https://user:***@example.com/"
    for text in (
        "https://user:secret@exa mple.com/",
        "https://user:secret@h:99999/x@y",
        "https:user:secret@[/",
    ):
        with pytest.raises(HttpError.InvalidUri) as caught:
            Url.parse(text)
        assert "secret" not in f"{caught.value}{caught.value.hint}"


def test_equality():
    assert Url.parse("https://a:443/") == Url.parse("HTTPS://A/")
    assert hash(Url.parse("https://a:443/")) == hash(Url.parse("https://a"))
    assert Url.parse("https://a/") != Url.parse("https://a/#")
    assert Url.parse("https://a/") != "https://a/"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing is there"),
        (" \n", "nothing is there"),
        ("example.com", "it has no scheme"),
        ("//example.com/", "it has no scheme"),
        ("1http://a/", "it has no scheme"),
        ("http://", "it has no host"),
        ("http:///", "it has no host"),
        ("https://?q", "it has no host"),
        ("http://user@/", "it has no host"),
        ("http://:80/", "it has no host"),
        ("http://a:b/", "the port 'b' is not a number"),
        ("http://a:-1/", "the port '-1' is not a number"),
        ("http://a:٣/", "the port '٣' is not a number"),
        ("http://a:65536/", "the port '65536' is more than 65535"),
        ("http://a:99999999999999999999/", "is more than 65535"),
        ("http://2001:db8::1/", "is not a number"),
        ("http://[::1/", "the closing bracket is missing"),
        ("http://[::1]x/", "only a port can follow the bracket"),
        ("http://[::1]:x/", "the port 'x' is not a number"),
        ("http://[::1]:70000/", "is more than 65535"),
        ("http://[::g]/", "is not an IPv6 address"),
        ("http://[fe80::1%25eth0]/", "an address in a URL has no zone"),
        ("http://1.2.3.256/", "is not an IPv4 address"),
        ("http://1.2.3.4.5/", "is not an IPv4 address"),
        ("http://a b/", "a space cannot stand in a host"),
        ("http://a%00b/", "NUL cannot stand in a host"),
        ("http://a<b/", "'<' cannot stand in a host"),
        ("http://a%2fb/", "'/' cannot stand in a host"),
        ("http://\ufffd/", "is not an internationalised name"),
        ("http://a/\ud800", "half a character"),
        ("foo://a b/", "a space cannot stand in a host"),
        ("foo://a:x/", "the port 'x' is not a number"),
    ],
)
def test_why_not(text, reason):
    with pytest.raises(HttpError.InvalidUri) as caught:
        Url.parse(text)
    assert reason in caught.value.reason
    assert not Url.can_parse(text)


def test_hints():
    with pytest.raises(HttpError.InvalidUri) as caught:
        Url.parse("example.com/x")
    assert caught.value.hint == "write https://example.com/x"
    with pytest.raises(HttpError.InvalidUri) as caught:
        Url.parse("http://2001:db8::1/")
    assert "brackets" in (caught.value.hint or "")
    with pytest.raises(HttpError.InvalidUri, match="longer than 9"):
        Url.parse("http://a/x", max_length=9)
    with pytest.raises(HttpError.InvalidUri):
        Url.parse(f"http://a/{'x' * 65536}")
    assert len(str(Url.parse(f"http://a/{'x' * 65536}", max_length=None))) == 65545
    with pytest.raises(TypeError):
        Url.parse(b"http://a/")


ODD = st.text(alphabet="htps:/\\@[]?#.%0129afxn-\t\n \0ä\ud800€", max_size=24)


@given(
    st.one_of(st.text(), ODD, ODD.map("http:{}".format), ODD.map("https://{}".format), ODD.map("a:{}".format))
)
@example("https:@:443")
@example("http:\\\\[")
def test_no_text_is_too_odd(text):
    """Taken exactly where the Standard's parser takes it, as it writes it; else refused with a reason."""
    try:
        href = ada_url.URL(text).href
    except ValueError:
        with pytest.raises(HttpError.InvalidUri) as caught:
            Url.parse(text)
        assert caught.value.reason
        assert str(caught.value)
        return
    url = Url.parse(text)
    assert str(url) == href
    assert url.port in (int(ada_url.URL(text).port or 0) or url.port, 0)
    assert href.isascii() and href.isprintable()  # a space can be in an opaque path
    assert Url.parse(href) == url
    assert pickle.loads(pickle.dumps(url)) == url
    assert url.redacted and repr(url) and url.origin and url.host_header is not None
    assert url.effective_port is None or 0 <= url.effective_port <= 65535


@given(ODD)
def test_no_reference_is_too_odd(reference):
    base = Url.parse("https://a:443/b/c?d")
    try:
        href = ada_url.URL(reference, base=str(base)).href
    except ValueError:
        with pytest.raises(HttpError.InvalidUri):
            base.resolve(reference)
        return
    assert str(base.resolve(reference)) == href


# What is made once


@given(
    scheme=st.sampled_from(["http", "https", "ws", "wss", "ftp", "file", "foo", "blob", "mailto", "data"]),
    slashes=st.sampled_from(["", "/", "//", "///"]),
    userinfo=st.sampled_from(["", "@", "u@", ":p@", "u:p@", "u:p:q@", "a@b:c@", "%3A:@"]),
    host=st.sampled_from(["a", "a.b", "127.1", "[::1]", "x%41", "münchen.de", ""]),
    port=st.sampled_from(["", ":", ":0", ":80", ":443", ":8080", ":00021", ":65535"]),
    rest=st.sampled_from(
        ["", "/", "/a/../b", "//x", "/@:1", "?", "?q#f", "?a?b", "#", "#a#b?c", "/x y?x y#x y"]
    ),
)
def test_the_parts_are_those_of_the_standard(scheme, slashes, userinfo, host, port, rest):
    """They are cut out of the URL as it is written, so they are compared with what ada-url says they are."""
    text = f"{scheme}:{slashes}{userinfo}{host}{port}{rest}"
    try:
        found = ada_url.URL(text)
    except ValueError:
        with pytest.raises(HttpError.InvalidUri):
            Url.parse(text)
        return
    url = Url.parse(text)
    assert str(url) == found.href
    assert f"{url.scheme}:" == found.protocol
    assert (url.host or "") == found.hostname.strip("[]")
    assert (url.username, url.password, url.path) == (found.username, found.password, found.pathname)
    assert (url.query or "") == found.search.removeprefix("?")
    assert (url.fragment or "") == found.hash.removeprefix("#")
    if found.port:
        assert url.port == int(found.port)
    assert url.host_header == found.host
    assert url.without_fragment == found.href.partition("#")[0]
    if scheme not in ("blob", "file"):
        assert url.origin == found.origin
    again = pickle.loads(pickle.dumps(url))
    for part in ("origin", "host_header", "request_target", "port", "without_fragment"):
        assert getattr(again, part) == getattr(url, part)
    if scheme in ("http", "https", "ws", "wss", "ftp"):
        assert url.endpoint == again.endpoint == HostPort(url.ip or url.host or "", url.effective_port or 0)
        assert url.endpoint is url.endpoint


def test_the_last_texts_are_remembered():
    text = "http://remembered.example/"
    assert Url.parse(text) is Url.parse(text)
    for number in range(300):
        Url.parse(f"http://{number}.example/")
    assert Url.parse(text) is not None
    long = f"http://a/{'x' * 2000}"
    assert Url.parse(long) == Url.parse(long)
    assert Url.parse(long) is not Url.parse(long)


def test_a_remembered_text_still_has_a_limit():
    assert Url.parse("http://a/b") is Url.parse("http://a/b", max_length=None)
    with pytest.raises(HttpError.InvalidUri, match="longer than 5"):
        Url.parse("http://a/b", max_length=5)
    assert Url.parse("http://a/b", max_length=10).path == "/b"


def test_what_is_remembered_is_of_the_class_that_was_asked():
    class Special(Url):
        __slots__ = ()

    class Text(str):
        __slots__ = ()

    assert type(Special.parse("http://a/")) is Special
    assert type(Url.parse("http://a/")) is Url
    assert Url.parse(Text("http://a/")) == Url.parse("http://a/")
    for wrong in (b"http://a/", None, ["http://a/"]):
        with pytest.raises(TypeError):
            Url.parse(wrong)


def test_an_error_is_explained_each_time():
    for _ in range(2):
        with pytest.raises(HttpError.InvalidUri, match="closing bracket"):
            Url.parse("https://[::1/")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://a", (b"http", b"a", b"/")),
        ("https://u:p@a:443/b?c#d", (b"https", b"a", b"/b?c")),
        ("http://[::1]:8080?q", (b"http", b"[::1]:8080", b"/?q")),
        ("https://münchen.de/ä b", (b"https", b"xn--mnchen-3ya.de", b"/%C3%A4%20b")),
        ("http://a/\r\nx y", (b"http", b"a", b"/x%20y")),
    ],
)
def test_what_the_head_of_a_request_has_of_it(text, parts):
    url = Url.parse(text)
    assert url.head_parts == parts
    assert url.head_parts is url.head_parts


@pytest.mark.parametrize("text", ["mailto:a@b", "data:x y", "file:///x", "foo://a", "foo:/x"])
def test_what_no_request_can_be_made_of(text):
    for _ in range(2):
        with pytest.raises(HttpError.InvalidUri):
            Url.parse(text).head_parts  # noqa: B018
