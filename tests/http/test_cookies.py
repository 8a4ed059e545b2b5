"""Cookies: what is sent, what is read, and what a browser would not keep (RFC 6265bis)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, strategies as st

from netkit.http import (
    Cookie,
    Headers,
    HttpError,
    SameSite,
    default_path,
    domain_matches,
    format_cookie_header,
    format_http_date,
    parse_cookie_date,
    parse_cookie_header,
    path_matches,
)
from netkit.http.cookies.cookie import MAX_AGE

pytestmark = pytest.mark.once

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_example():
    cookie = Cookie("id", "7", path="/", domain="example.com", max_age=3600, secure=True, http_only=True)
    cookie = cookie.replace(same_site=SameSite.Lax)
    text = "id=7; Max-Age=3600; Domain=example.com; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert cookie.to_header_value() == str(cookie) == text
    assert Cookie.parse(text) == cookie
    assert cookie.is_conformant and not cookie.is_host_only and not cookie.is_session


@pytest.mark.parametrize(
    ("text", "fields"),
    [  # RFC 6265 section 3.1, and the steps of section 5.6 of its revision
        ("SID=31d4d96e407aad42", {}),
        ("SID=31d4; Path=/; Domain=example.com", {"path": "/", "domain": "example.com"}),
        ("SID=31d4; Path=/; Secure; HttpOnly", {"path": "/", "secure": True, "http_only": True}),
        (
            "SID=; Expires=Sun, 06 Nov 1994 08:49:37 GMT",
            {"value": "", "expires": datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)},
        ),
        ("  SID \t=  31d4  ;  secure  ", {"secure": True}),
        ("SID=a=b", {"value": "a=b"}),
        ("nothing", {"name": "", "value": "nothing"}),
        ("=x", {"name": "", "value": "x"}),
        ("SID=31d4; domain=.Example.COM", {"domain": "example.com"}),
        ("SID=31d4; Domain=", {}),
        ("SID=31d4; Domain=.", {}),
        ("SID=31d4; Path=x", {}),
        ("SID=31d4; Path=/a; Path=", {}),
        ("SID=31d4; Path=/a; Path=/b", {"path": "/b"}),
        ("SID=31d4; Max-Age=60", {"max_age": 60}),
        ("SID=31d4; Max-Age=-60", {"max_age": 0}),
        ("SID=31d4; Max-Age=0", {"max_age": 0}),
        ("SID=31d4; Max-Age=" + "9" * 500, {"max_age": MAX_AGE}),
        ("SID=31d4; Max-Age=60; Max-Age=x", {"max_age": 60}),
        *(
            (f"SID=31d4; Max-Age={odd}", {})
            for odd in ("", "-", "+5", "5x", "5.0", " ", "\xb2", "--5", "1_0")
        ),
        ("SID=31d4; Expires=never", {}),
        ("SID=31d4; SameSite=STRICT", {"same_site": SameSite.Strict}),
        ("SID=31d4; SameSite=lax", {"same_site": SameSite.Lax}),
        ("SID=31d4; SameSite=None; Secure", {"same_site": SameSite.None_, "secure": True}),
        ("SID=31d4; SameSite=odd", {}),
        ("SID=31d4; SameSite=Strict; SameSite=odd", {}),
        ("SID=31d4; Secure=no; Odd; =; ;;", {"secure": True}),
        ("SID=31d4; Secure; Partitioned", {"secure": True, "partitioned": True}),
        ("SID=31d4; Path=/" + "x" * 1024, {}),
        ("SID=31d4; Path=/" + "x" * 1023, {"path": "/" + "x" * 1023}),
        ("__Host-SID=1; Secure; Path=/", {"name": "__Host-SID", "value": "1", "secure": True, "path": "/"}),
        ("__secure-SID=1; Secure", {"name": "__secure-SID", "value": "1", "secure": True}),
        ('SID="a b"', {"value": '"a b"'}),
        ("SID=a\tb", {"value": "a\tb"}),
        ("SID=caf\xe9", {"value": "caf\xe9"}),
    ],
)
def test_reading(text, fields):
    found = Cookie.parse(text)
    known = (
        {"name": "SID", "value": "31d4", **fields} if "96e4" not in text else {"value": "31d4d96e407aad42"}
    )
    for field in Cookie.__match_args__[2:]:
        default = False if field in ("secure", "http_only", "partitioned") else None
        assert getattr(found, field) == known.get(field, default), field
    assert (found.name, found.value) == (known.get("name", "SID"), known["value"])
    assert Cookie.parse(text.encode("latin-1")) == found
    assert Cookie.parse(found.to_header_value()) == found


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "=",
            "==",
            "= =a",
            "==a; Secure",
            " ; Secure",
            ";",
            "a\0=b",
            "a=b\r\nX: y",
            "a=b; Path=/\x7f",
            "a=b\x1b",
        ),
        *("__Secure-a=b", "__SECURE-a=b", "__Host-a=b; Secure", "__Host-a=b; Path=/"),
        *("__Host-a=b; Secure; Path=/; Domain=a", "__Host-a=b; Secure; Path=/x", "__hOSt-a=b; Secure"),
        *("__Host-a; Secure; Path=/", "=__Secure-a; Secure", "a=b; SameSite=None", "a=b; Partitioned"),
        *("a=b; Domain=\xe9", "a=" + "b" * 4096, "a" * 4097, "a=b" + ";" * 65),
    ],
)
def test_what_a_browser_ignores(text):
    with pytest.raises(HttpError.InvalidValue) as caught:
        Cookie.parse(text)
    assert caught.value.fault == "peer"


def test_sizes():
    assert Cookie.parse("a=" + "b" * 4095).value == "b" * 4095
    assert Cookie.parse("a=b" + ";" * 64).name == "a"
    assert Cookie.parse("a=bcd", max_pair=4).value == "bcd"
    with pytest.raises(HttpError.InvalidValue) as caught:
        Cookie.parse("a=bcde", max_pair=4)
    assert caught.value.limit == 4
    assert Cookie.parse("a=b; Path=/x", max_attribute=1).path is None
    with pytest.raises(HttpError.InvalidValue):
        Cookie.parse("a=b; c; d", max_attributes=1)
    with pytest.raises(HttpError.InvalidValue) as caught:
        Cookie.parse("a=€")
    assert caught.value.fault == "caller"


def test_no_cookie_lives_longer_than_400_days():
    text = "a=b; Expires=Fri, 31 Dec 9999 23:59:59 GMT"
    assert Cookie.parse(text).expires == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert Cookie.parse(text, now=NOW).expires == NOW + timedelta(days=400)
    assert Cookie.parse("a=b; Max-Age=99999999").expires_at(NOW) == NOW + timedelta(days=400)
    assert Cookie.parse("a=b; Max-Age=60; " + text[5:]).expires_at(NOW) == NOW + timedelta(seconds=60)
    assert Cookie.parse("a=b; Max-Age=-5").expires_at(NOW) == NOW
    assert Cookie("a", "b", max_age=-5).expires_at(NOW) == NOW
    assert Cookie("a", "b").expires_at(NOW) is None


@pytest.mark.parametrize(
    "fields",
    [
        *({"name": ""}, {"name": "a b"}, {"name": "a=b"}, {"name": "a;b"}, {"name": "a\r\nb"}, {"name": "é"}),
        *({"value": "a b"}, {"value": "a;b"}, {"value": "a,b"}, {"value": 'a"b'}, {"value": "a\\b"}),
        *(
            {"value": '"'},
            {"value": '"a;b"'},
            {"value": "a\r\nSet-Cookie: x=y"},
            {"value": "\0"},
            {"value": "é"},
        ),
        *({"path": ""}, {"path": "x"}, {"path": "/a;b"}, {"path": "/\r\n"}, {"path": "/" * 1025}),
        *({"domain": ""}, {"domain": "."}, {"domain": "a b"}, {"domain": "a;b"}, {"domain": "é"}),
        *({"value": "b" * 4096}, {"expires": datetime(2026, 1, 1)}, {"same_site": SameSite.None_}),  # noqa: DTZ001
        *({"partitioned": True}, {"name": "__Secure-a"}, {"name": "__host-a", "secure": True}),
    ],
)
def test_what_no_server_should_send(fields):
    with pytest.raises(HttpError.InvalidValue) as caught:
        Cookie(**{"name": "a", "value": "b", **fields})
    assert caught.value.fault == "caller"
    with pytest.raises(HttpError.InvalidValue):
        Cookie("a", "b").replace(**fields)


def test_types():
    for wrong in ({"max_age": "5"}, {"max_age": 1.5}, {"same_site": "Lax"}):
        with pytest.raises(TypeError):
            Cookie("a", "b", **wrong)
    with pytest.raises(TypeError):
        Cookie("a", None)
    assert Cookie("a", '"b"').to_pair() == 'a="b"'
    assert Cookie("a", "").to_pair() == "a="
    assert not Cookie.parse("a=b c").is_conformant
    assert "s3cret" not in repr(Cookie("a", "s3cret", path="/"))


COOKIES = st.builds(
    Cookie,
    st.text("abcXYZ019!#$_-", min_size=1, max_size=10),
    st.text("abc019=/+%:&", max_size=20),
    path=st.one_of(st.none(), st.text("ab/ =", max_size=10).map("/{}".format).map(str.rstrip)),
    domain=st.sampled_from([None, "example.com", "a.b"]),
    max_age=st.one_of(st.none(), st.integers(0, MAX_AGE)),
    expires=st.one_of(
        st.none(),
        st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
            lambda moment: moment.replace(microsecond=0)
        ),
    ),
    secure=st.just(True),
    http_only=st.booleans(),
    same_site=st.sampled_from([None, *SameSite]),
    partitioned=st.booleans(),
)


@given(COOKIES)
def test_what_is_written_is_read(cookie):
    assert Cookie.parse(cookie.to_header_value()) == cookie
    assert Headers({"Set-Cookie": cookie.to_header_value()}).get_first("Set-Cookie") == str(cookie)


@given(
    st.one_of(st.text(), st.text("ab=; \tSecurePathDomainExpires/-__Host\0\xe9", max_size=60), st.binary())
)
@example(text="==")
def test_no_header_is_too_odd(text):
    """What is taken is safe to write, and means the same then."""
    try:
        cookie = Cookie.parse(text)
    except HttpError.InvalidValue:
        return
    again = Cookie.parse(cookie.to_header_value())
    assert (again.name, again.value, again.domain, again.secure) == (
        *(cookie.name, cookie.value, cookie.domain, cookie.secure),
    )
    header = format_cookie_header([cookie])
    assert parse_cookie_header(header) == ((cookie.name, cookie.value),)
    assert Headers({"Cookie": header}).get_first("cookie") == header


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("SID=31d4", (("SID", "31d4"),)),
        ("SID=31d4; lang=en-US", (("SID", "31d4"), ("lang", "en-US"))),
        ("a=1; a=2", (("a", "1"), ("a", "2"))),
        ("a=1;b=2 ;\tc = 3", (("a", "1"), ("b", "2"), ("c", "3"))),
        ('a="1; 2"', (("a", '"1'), ("", '2"'))),
        ("flag; =x; a=b=c;; ;=", (("", "flag"), ("", "x"), ("a", "b=c"))),
        ("", ()),
    ],
)
def test_the_cookie_header(text, pairs):
    assert parse_cookie_header(text) == pairs
    assert parse_cookie_header(text.encode()) == pairs


def test_the_cookie_header_refused():
    for text in ("a=b\n", "a=\0", "a=b; c\x7f"):
        with pytest.raises(HttpError.InvalidValue):
            parse_cookie_header(text)
    with pytest.raises(HttpError.InvalidValue) as caught:
        parse_cookie_header("a=b;" * 180)
    assert caught.value.limit == 180
    assert len(parse_cookie_header("a=b;" * 180, max_pairs=181)) == 180
    for pair in (
        *(
            ("a", "b;c"),
            ("a;b", "c"),
            ("a=b", "c"),
            ("a", "b\r\n"),
            ("", "a=b"),
            ("", ""),
            ("a", " b"),
            (" a", "b"),
        ),
        ("a", "€"),
    ):
        with pytest.raises(HttpError.InvalidValue):
            format_cookie_header([pair])
    assert format_cookie_header([]) == ""


# Dates (section 5.1.1)

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",  # the three forms of RFC 9110 section 5.6.7
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "6 nov 94 8:49:37",
        "1994 November 06 08:49:37",
        "08:49:37 6 NOVEMBERISH 1994",
        "Sun 06_Nov_1994 08:49:37 +0500",  # a zone says nothing
        "06th Nov 1994x 08:49:37z junk 12 Dec 2000 11:11:11",
        "Sun, 06 Nov 1994 08:49:37.123 GMT",
    ],
)
def test_dates(text):
    assert parse_cookie_date(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "06 Nov 1994", "06 Nov 08:49:37", "Nov 1994 08:49:37", "06 1994 08:49:37"),
        *("31 Nov 1994 08:49:37", "00 Nov 1994 08:49:37", "32 Nov 1994 08:49:37", "29 Feb 2023 00:00:00"),
        *("06 Nov 1600 08:49:37", "06 Nov 1994 24:00:00", "06 Nov 1994 08:60:00", "06 Nov 1994 08:00:60"),
        *("06 Nov 1994 08:49", "06 Nov 1994 008:49:37", "06 Nov 1994 08:49:037", "06 Nov 19940 08:49:37"),
        *("06 Nov ١٩٩٤ 08:49:37", "06 Nov 100 08:49:37", "Sun,06Nov1994 08:49:37"),
    ],
)
def test_what_is_no_date(text):
    assert parse_cookie_date(text) is None


@pytest.mark.parametrize(
    ("year", "meant"), [("00", 2000), ("69", 2069), ("70", 1970), ("99", 1999), ("1601", 1601)]
)
def test_years(year, meant):
    found = parse_cookie_date(f"01 Jan {year} 00:00:00")
    assert found is not None and found.year == meant


@given(st.datetimes(datetime(1601, 1, 1), datetime(9999, 12, 30)))  # noqa: DTZ001
def test_every_date_comes_back(moment):
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    if moment.astimezone(UTC).year >= 1601:
        assert parse_cookie_date(format_http_date(moment)) == moment


@given(st.text("0123456789: -,JanFebSunGMT", max_size=50))
def test_no_date_is_too_odd(text):
    found = parse_cookie_date(text)
    assert found is None or found.tzinfo is UTC


def test_a_date_is_written_with_its_zone():
    assert format_http_date(MOMENT) == "Sun, 06 Nov 1994 08:49:37 GMT"
    with pytest.raises(ValueError, match="zone"):
        format_http_date(MOMENT.replace(tzinfo=None))


# Where a cookie goes


@pytest.mark.parametrize(
    ("host", "domain", "matches"),
    [
        ("example.com", "example.com", True),
        ("www.Example.com", "eXample.com", True),
        ("badexample.com", "example.com", False),
        ("example.com", "www.example.com", False),
        ("example.com", "", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "2.1", False),
        ("::1", "1", False),
    ],
)
def test_domains(host, domain, matches):
    assert domain_matches(host, domain) is matches


@pytest.mark.parametrize(
    ("request_path", "cookie_path", "matches"),
    [("/", "/", True), ("/a/b", "/a", True), ("/a/b", "/a/", True), ("/ab", "/a", False), ("/", "/a", False)],
)
def test_paths(request_path, cookie_path, matches):
    assert path_matches(request_path, cookie_path) is matches


@pytest.mark.parametrize(
    ("request_path", "path"),
    [("", "/"), ("x", "/"), ("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b/c", "/a/b")],
)
def test_default_paths(request_path, path):
    assert default_path(request_path) == path
