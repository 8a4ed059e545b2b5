"""Named sessions: what is kept for whom, the file, its lock (RFC 6454 for origins)."""

from __future__ import annotations

import json
import os

import pytest

from netkit.http import HttpError, SameSite, Url
from netkit.http.cookies.stored import StoredCookie
from netkit.http.state.session_file import (
    OriginState,
    Session,
    SessionAuth,
    SessionFile,
    cookies_of_header,
    is_kept,
    session_directory,
)

pytestmark = pytest.mark.once

NOW = 1_800_000_000.0
HERE = Url.parse("https://a.example/x?y")

COOKIE = StoredCookie("n", "v\xe9", "a.example", "/p", False, True, True, SameSite.None_, NOW + 0.5, NOW)
SESSION = Session(
    [COOKIE, StoredCookie("s", "1", "b.example")],
    [
        (
            "https://a.example",
            OriginState([("X-A", "1"), ("X-A", "2")], SessionAuth("basic", "me", "hunter2")),
        ),
        ("http://[::1]:8080", OriginState(auth=SessionAuth("bearer", secret=None))),
    ],
)


def test_round_trip() -> None:
    assert Session.parse(SESSION.to_json()) == SESSION
    assert Session.parse(SESSION.to_json().encode()) == SESSION
    assert Session.parse(Session().to_json()) == Session()


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example:8443/x",
        "http://a.example/x",
        "https://b.a.example/x",
        "https://example/x",
        "https://b.example/x",
        "https://a.example.evil.example/",
        "https://a.example@evil.example/",
    ],
)
def test_headers_and_credentials_stay_at_their_origin(url: str) -> None:
    session = Session().with_request(HERE, [("X-A", "1")], SessionAuth("bearer", secret="t"))
    assert session.headers_for(HERE) == (("X-A", "1"),)
    assert session.auth_for(Url.parse("https://A.EXAMPLE:443/")) == SessionAuth("bearer", secret="t")
    other = Url.parse(url)
    assert session.headers_for(other) == () and session.auth_for(other) is None


def test_cookies_stay_at_their_domains() -> None:
    jar = SESSION.jar(NOW)
    assert jar.cookie_header(Url.parse("https://c.a.example/p"), NOW) == "n=v\xe9"
    assert jar.cookie_header(Url.parse("https://b.example/"), NOW) == "s=1"
    assert jar.cookie_header(Url.parse("https://other.example/p"), NOW) is None
    assert [cookie.name for cookie in SESSION.jar(NOW + 1)] == ["s"]
    jar.remove("n", "a.example")
    after = SESSION.with_cookies(jar)
    assert [cookie.name for cookie in after.cookies] == ["s"] and after.origins == SESSION.origins


def test_a_request_changes_what_it_names() -> None:
    session = Session().with_request(
        HERE, [("X-A", "1"), ("X-B", "1"), ("x-a", "2")], SessionAuth("digest", "me")
    )
    session = session.with_request(HERE, [("X-a", "3"), ("X-C", "1")])
    assert session.headers_for(HERE) == (("X-B", "1"), ("X-a", "3"), ("X-C", "1"))
    assert session.auth_for(HERE) == SessionAuth("digest", "me")
    session = session.with_request(HERE, [("X-A", None), ("Host", None)], SessionAuth("basic", "you", "p"))
    assert session.headers_for(HERE) == (("X-B", "1"), ("X-C", "1"))
    assert session.auth_for(HERE) == SessionAuth("basic", "you", "p")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Authorization", True),
        ("User-Agent", True),
        ("Accept", True),
        ("X-Content-A", True),
        ("Iffy", True),
        ("Content-Type", False),
        ("CONTENT-LENGTH", False),
        ("If-None-Match", False),
        ("if-range", False),
        ("Host", False),
        ("Cookie", False),
        ("Range", False),
        ("Expect", False),
        ("Connection", False),
        ("Transfer-Encoding", False),
        ("Proxy-Authorization", False),
    ],
)
def test_which_headers_are_kept(name: str, kept: bool) -> None:
    assert is_kept(name) is kept
    assert Session().with_request(HERE, [(name, "1")]).headers_for(HERE) == (((name, "1"),) if kept else ())


def test_a_header_that_cannot_be_sent_is_not_kept() -> None:
    with pytest.raises(HttpError.InvalidValue):
        Session().with_request(HERE, [("X-A", "1\r\nHost: evil")])


def test_the_user_s_own_cookie_header() -> None:
    made = cookies_of_header(HERE, "a=1; b=2", NOW)
    assert made == [
        StoredCookie("a", "1", "a.example", secure=True, created=NOW),
        StoredCookie("b", "2", "a.example", secure=True, created=NOW),
    ]
    assert not cookies_of_header(Url.parse("http://a.example/"), "a=1", NOW)[0].secure


def changed(path: list[str | int], value: object) -> str:
    """The JSON of the session above with one thing changed."""
    whole = json.loads(SESSION.to_json())
    place = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(whole)


A = ["origins", "https://a.example"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 10_000, "not JSON"),
        ("[]", "the file is not an object"),
        ("{}", "not a session"),
        (changed(["type"], "other"), "not a session"),
        (changed(["version"], 2), "another netkit"),
        (changed(["cookies"], {}), "cookies is not a list"),
        (changed(["cookies", 0], "n=v"), "cookies[0] is not an object"),
        (changed(["cookies", 1, "name"], 7), "cookies[1].name is not text"),
        (changed(["cookies", 1, "value"], None), "cookies[1].value is not text"),
        (changed(["cookies", 1, "value"], "a;b"), "cookies[1]: cookie value"),
        (changed(["cookies", 1, "value"], "a\r\nb"), "cookies[1]: cookie value"),
        (changed(["cookies", 1, "domain"], ""), "cookies[1]: cookie domain"),
        (changed(["cookies", 1, "path"], "x"), "cookies[1]: cookie path"),
        (changed(["cookies", 1, "secure"], 1), "cookies[1].secure is neither true nor false"),
        (changed(["cookies", 1, "same_site"], "odd"), "cookies[1].same_site is none of"),
        (changed(["cookies", 1, "same_site"], []), "cookies[1].same_site is not text"),
        (changed(["cookies", 1, "expires"], True), "cookies[1].expires is not a number"),
        (changed(["cookies", 1, "expires"], float("nan")), "cookies[1].expires is not a number"),
        (changed(["cookies", 1, "expires"], 10**300), "cookies[1].expires is not a number"),
        (changed(["cookies"], [{}] * 2), "cookies[0].name is not text"),
        (changed(["origins"], []), "origins is not an object"),
        (changed(["origins", "https://a.example/x"], {}), "is not an origin"),
        (changed(["origins", "null"], {}), "is not an origin"),
        (changed(["origins", "file:///x"], {}), "is not an origin"),
        (changed(["origins", "https://A.example"], {}), "is not an origin"),
        (changed(A, 1), "origins['https://a.example'] is not an object"),
        (changed([*A, "headers"], {}), "headers is not a list"),
        (changed([*A, "headers", 0], ["X-A"]), "headers[0] is not a name and a value"),
        (changed([*A, "headers", 0], ["X-A", 1]), "headers[0] is not a name and a value"),
        (changed([*A, "headers", 0], ["X A", "1"]), "header name"),
        (changed([*A, "headers", 0], ["X-A", "1\r\n"]), "header X-A"),
        (changed([*A, "headers"], [["X-A", "1"]] * 200), "128"),
        (changed([*A, "auth"], "basic"), "auth is not an object"),
        (changed([*A, "auth", "kind"], "ntlm"), "auth kind"),
        (changed([*A, "auth", "username"], None), "auth.username is not text"),
        (changed([*A, "auth", "secret"], 1), "auth.secret is not text"),
        (
            changed(["origins"], {f"https://h{at}.example": {} for at in range(1001)}),
            "more than 1000 origins",
        ),
    ],
)
def test_a_file_that_is_wrong(text: str | bytes, words: str) -> None:
    with pytest.raises(HttpError.InvalidValue) as caught:
        Session.parse(text)
    assert words in str(caught.value)
    assert caught.value.fault == "local" and caught.value.field == "session"
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    shown = [repr(SESSION), *(repr(state) for _, state in SESSION.origins), repr(COOKIE)]
    assert not any("hunter2" in text or "v\xe9" in text for text in shown)
    session = Session().with_request(HERE, [("Authorization", "Bearer hunter2")])
    assert "hunter2" not in repr(session) and "hunter2" not in repr(session.state_for(HERE))


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/netkit/sessions"),
        ({"XDG_STATE_HOME": "s", "HOME": "/h"}, "/h/.local/state/netkit/sessions"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/netkit/sessions"),
        ({"HOME": "/h"}, "/h/.local/state/netkit/sessions"),
    ],
)
def test_where_sessions_are(environ: dict[str, str], directory: str) -> None:
    assert session_directory(environ) == directory


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a/b", "../a", "/a", "a\\b", "a\0", "a b", "a\n", "\xe4", "~", "a" * 65]
)
def test_a_name_is_no_path(name: str, tmp_path) -> None:
    with pytest.raises(HttpError.InvalidValue, match="session name"):
        SessionFile(name, str(tmp_path))


def test_the_file(tmp_path) -> None:
    directory = tmp_path / "state" / "sessions"
    with SessionFile("work-1.a_b", str(directory)) as file:
        assert file.load() == Session()
        file.save(SESSION)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert all((directory / name).stat().st_mode & 0o777 == 0o600 for name in os.listdir(directory))
    assert sorted(os.listdir(directory)) == [".work-1.a_b.lock", "work-1.a_b.json"]
    with SessionFile("work-1.a_b", str(directory)) as file, SessionFile("other", str(directory)) as other:
        assert file.load() == SESSION and other.load() == Session()


def test_two_runs_at_once(tmp_path) -> None:
    with SessionFile("work", str(tmp_path)):
        with pytest.raises(HttpError.Other, match="in use by another process") as caught:
            SessionFile("work", str(tmp_path)).__enter__()
        assert caught.value.stage == "local" and caught.value.hint
    with SessionFile("work", str(tmp_path)):
        pass


def test_a_wrong_file_is_kept(tmp_path) -> None:
    (tmp_path / "work.json").write_text("precious")
    with SessionFile("work", str(tmp_path)) as file, pytest.raises(HttpError.InvalidValue):
        file.load()
    assert (tmp_path / "work.json").read_text() == "precious"


def test_the_lock_follows_no_link(tmp_path) -> None:
    (tmp_path / ".work.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), SessionFile("work", str(tmp_path)):
        pass
    assert not (tmp_path / "elsewhere").exists()
