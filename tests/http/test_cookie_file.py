"""Files of cookies: read, written, refused with the number of the line; and curl's own."""

from __future__ import annotations

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given, strategies as st

from netkit.http import HttpError, SameSite, Url
from netkit.http.cookies.file import format_cookie_file, load_cookies, parse_cookie_file, save_cookies
from netkit.http.cookies.jar import CookieJar
from netkit.http.cookies.stored import StoredCookie
from tests.conftest import require_peer

pytestmark = pytest.mark.once

NOW = 1_800_000_000.0
LATER = NOW + 100


def line(*fields: str) -> str:
    return "\t".join(fields)


@pytest.mark.parametrize(
    ("text", "cookie"),
    [
        (
            line("a.example", "FALSE", "/", "FALSE", "0", "n", "v"),
            StoredCookie("n", "v", "a.example", created=NOW),
        ),
        (
            line(".a.example", "TRUE", "/x", "TRUE", "1800000100", "n", "v"),
            StoredCookie("n", "v", "a.example", "/x", False, True, False, None, LATER, NOW),
        ),
        # Without the dot, which some programs leave out; and in another case.
        (
            line("A.Example", "true", "/", "false", "1800000100.0", "n", "v"),
            StoredCookie("n", "v", "a.example", host_only=False, expires=LATER, created=NOW),
        ),
        (
            line("#HttpOnly_a.example", "FALSE", "/", "FALSE", "0", "n", "v\xe9 =v"),
            StoredCookie("n", "v\xe9 =v", "a.example", http_only=True, created=NOW),
        ),
        (
            line("a.example", "FALSE", "/", "FALSE", "0", "n", ""),
            StoredCookie("n", "", "a.example", created=NOW),
        ),
        (
            line("a.example", "FALSE", "/", "FALSE", "0", "n"),
            StoredCookie("n", "", "a.example", created=NOW),
        ),
        (
            line("a.example", "FALSE", "/", "FALSE", "0", "", "v"),
            StoredCookie("", "v", "a.example", created=NOW),
        ),
        (
            line("192.0.2.1", "TRUE", "/", "FALSE", "0", "n", "v"),
            StoredCookie("n", "v", "192.0.2.1", created=NOW),
        ),
        # Comments, empty lines, and what is over.
        ("", None),
        (" \t ", None),
        ("# a.example\tFALSE", None),
        ("#HttpOnly_", None),
        (line("a.example", "FALSE", "/", "FALSE", "1800000000", "n", "v"), None),
        (line("a.example", "FALSE", "/", "FALSE", "-1", "n", "v"), None),
    ],
)
def test_a_line(text: str, cookie: StoredCookie | None) -> None:
    expected = [] if cookie is None else [cookie]
    assert parse_cookie_file(text, NOW) == expected
    assert parse_cookie_file(f"# Netscape HTTP Cookie File\r\n{text}\r\n", NOW) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.example FALSE / FALSE 0 n v", "1 fields instead of 7"),
        ("Set-Cookie: n=v", "1 fields instead of 7"),
        (line("a.example", "FALSE", "/", "FALSE", "0", "n", "v", "w"), "8 fields"),
        (line("a.example", "YES", "/", "FALSE", "0", "n", "v"), "subdomains: it is neither TRUE nor FALSE"),
        (line("a.example", "TRUE", "/", "", "0", "n", "v"), "secure: it is neither TRUE nor FALSE"),
        *(
            (line("a.example", "TRUE", "/", "TRUE", end, "n", "v"), "end: it is not a number of seconds")
            for end in ("", "x", "1e9", "nan", "inf", "1_0", "1.", ".1", "--1", " 1", "\xb2", "9" * 30)
        ),
        (line("", "TRUE", "/", "TRUE", "0", "n", "v"), "cookie domain"),
        (line("..a", "TRUE", "/", "TRUE", "0", "n", "v"), "cookie domain"),
        (line("a.example", "TRUE", "x", "TRUE", "0", "n", "v"), "cookie path"),
        (line("a.example", "TRUE", "/", "TRUE", "0", "n", "a;b"), "cookie value"),
        (line("a.example", "TRUE", "/", "TRUE", "0", "n", "a\0"), "cookie value"),
        (line("a.example", "TRUE", "/", "TRUE", "0", "n", "a\rb"), "cookie value"),
        (line("a.example", "TRUE", "/", "TRUE", "0", "__Host-n", "v"), "__Host-"),
        ("x" * 9000, "more than 8192 characters"),
    ],
)
def test_a_line_that_is_wrong(text: str, words: str) -> None:
    with pytest.raises(HttpError.InvalidValue) as caught:
        parse_cookie_file(f"# first\n\n{text}\n", NOW)
    assert f"line 3: {words}" in str(caught.value) or (
        "line 3: cookie" in str(caught.value) and words in str(caught.value)
    )
    assert caught.value.fault == "local"


def test_the_number_of_cookies_has_a_limit() -> None:
    text = "".join(f"a.example\tFALSE\t/\tFALSE\t0\tn{at}\tv\n" for at in range(3))
    assert len(parse_cookie_file(text, NOW, max_cookies=3)) == 3
    with pytest.raises(HttpError.InvalidValue, match="line 3: more than 2 cookies"):
        parse_cookie_file(text, NOW, max_cookies=2)


def test_what_is_written() -> None:
    text, left_out = format_cookie_file(
        [
            StoredCookie("n", "v", "a.example", "/x", http_only=True, secure=True, expires=LATER + 0.7),
            StoredCookie("m", "", "b.example", host_only=False, same_site=SameSite.Strict),
            StoredCookie("t", "a\tb", "b.example"),
            StoredCookie("o", "v", "b.example", expires=-5),
        ]
    )
    assert text.split("\n\n", 1)[1] == (
        "#HttpOnly_a.example\tFALSE\t/x\tTRUE\t1800000100\tn\tv\n"
        ".b.example\tTRUE\t/\tFALSE\t0\tm\t\n"
        "b.example\tFALSE\t/\tFALSE\t1\to\tv\n"
    )
    assert text.startswith("# Netscape HTTP Cookie File\n"), "without it, http.cookiejar reads nothing"
    assert [cookie.name for cookie in left_out] == ["t"]


OCTETS = st.text(st.sampled_from([chr(at) for at in range(256)]), max_size=12)


@given(OCTETS, OCTETS, st.booleans(), st.booleans(), st.one_of(st.none(), st.integers(1_800_000_001, 2**40)))
def test_what_is_written_is_read_back(
    name: str, value: str, secure: bool, host_only: bool, expires: int | None
) -> None:
    try:
        cookie = StoredCookie(name, value, "a.example", "/p", host_only, secure, True, None, expires, NOW)
    except HttpError.InvalidValue:
        return
    text, left_out = format_cookie_file([cookie])
    assert parse_cookie_file(text, NOW) == ([] if left_out else [cookie])


@given(st.text(st.sampled_from("ab.\t\n\r#/0123456789TRUEFALSHttpOnly_;= \x00\xff"), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_cookie_file(text, NOW)
    except HttpError.InvalidValue as error:
        assert "line " in str(error)


def test_load_and_save(tmp_path) -> None:
    path = str(tmp_path / "cookies")
    with pytest.raises(FileNotFoundError):
        load_cookies(path, NOW)
    jar = CookieJar()
    url = Url.parse("https://a.example/")
    jar.store(url, ["p=1; Max-Age=100; Secure; HttpOnly", "over=1; Max-Age=5", "s=caf\xe9", "t=a\tb"], NOW)
    assert [cookie.name for cookie in save_cookies(jar, path, NOW + 5)] == ["t"]
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert load_cookies(path, NOW).cookie_header(url, NOW) == "p=1; s=caf\xe9"
    save_cookies(jar, path, NOW, with_session=False)
    assert [cookie.name for cookie in load_cookies(path, NOW)] == ["p", "over"]
    with pytest.raises(HttpError.InvalidValue, match="longer than 10"):
        load_cookies(path, NOW, max_size=10)


def test_curl_reads_what_is_written_and_the_other_way_round(tmp_path) -> None:
    curl, path, other = require_peer("curl"), str(tmp_path / "ours"), str(tmp_path / "curls")
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Cookie"])
            self.send_response(200)
            self.send_header("Set-Cookie", "theirs=2; Max-Age=1000; HttpOnly; Path=/x")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    jar = CookieJar()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        url = Url.parse(f"http://127.0.0.1:{server.server_port}/x/y")
        jar.store(url, ["s=2; HttpOnly"], NOW)
        jar.add(StoredCookie("ours", "1", "127.0.0.1", expires=4_000_000_000))  # by curl's clock
        save_cookies(jar, path, NOW)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        command = [curl, "-q", "-s", "--noproxy", "*", "-b", path, "-c", other, str(url)]
        subprocess.run(command, timeout=20, check=True)
        thread.join()
    assert asked == [jar.cookie_header(url, NOW)] == ["s=2; ours=1"]
    theirs = load_cookies(other, 0.0)
    assert {cookie.name: (cookie.path, cookie.http_only, cookie.expires is None) for cookie in theirs} == {
        "ours": ("/", False, False),
        "s": ("/x", True, True),
        "theirs": ("/x", True, False),
    }
