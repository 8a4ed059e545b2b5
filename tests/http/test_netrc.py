"""The .netrc file: what is in it, what is found by which host, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, strategies as st

from netkit.http import HttpError, Url
from netkit.http.policy.netrc import Netrc, NetrcEntry, find_netrc, load_netrc, parse_netrc

pytestmark = pytest.mark.once


WHOLE = r"""
# A comment, and a machine after it.
machine example.com login me password "two \"words\" \\ and\ttab"
machine EXAMPLE.ORG. login me
        password #not-a-comment # but this is one
        account acct
macdef init
machine evil.example login x password y
put something

machine example.org login second password 2
default login anonymous password me@example.com
machine [2001:DB8::1] password back\slash
machine bücher.example login ü password ü
"""


def test_a_whole_file() -> None:
    netrc = parse_netrc(WHOLE)
    assert netrc.lookup("example.com") == ("me", 'two "words" \\ and\ttab', None)
    assert netrc.lookup("example.org") == ("me", "#not-a-comment", "acct")
    assert netrc.lookup("example.org", "second") == ("second", "2", None)
    assert netrc.lookup("example.org", "nobody") is None
    assert netrc.lookup("evil.example") == ("anonymous", "me@example.com", None)
    assert netrc.lookup("[2001:db8::1]") == netrc.lookup("2001:db8::1") == (None, "back\\slash", None)
    assert netrc.lookup("[2001:db8::1]", "anyone") is not None
    assert netrc.lookup("xn--bcher-kva.example") == ("ü", "ü", None)
    assert repr(netrc) == "<Netrc of 4 machines and a default>"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://EXAMPLE.com./",
        "https://other.example@example.com/",
        "https://ex%61mple.com/",
        "https:\\\\example.com\\@other.example/",
    ],
)
def test_the_parsed_host_is_looked_up(url: str) -> None:
    netrc = parse_netrc("machine example.com password right machine other.example password wrong")
    entry = netrc.lookup(Url.parse(url).host or "")
    assert entry is not None
    assert entry.password == "right"


@pytest.mark.parametrize("host", ["sub.example.com", "example.com..", "example.co", "xexample.com", "", "."])
def test_a_host_is_no_part_of_another(host: str) -> None:
    assert parse_netrc("machine example.com password x").lookup(host) is None


def test_an_entry_without_password_does_not_fall_back_to_the_default() -> None:
    netrc = parse_netrc("machine a login me default login other password secret")
    assert netrc.lookup("a") == ("me", None, None)


@pytest.mark.parametrize("text", ["", "\n\n", "# only this", "\t\r\n #\r\n", "macdef x\nmachine a"])
def test_files_with_nothing_in_them(text: str) -> None:
    assert repr(parse_netrc(text)) == "<Netrc of 0 machines>"


def test_lines_may_end_with_carriage_returns() -> None:
    netrc = parse_netrc("machine a login b\r\nmacdef m\r\nx\r\n\r\nmachine c login d\r\n")
    assert netrc.lookup("a") == ("b", None, None)
    assert netrc.lookup("c") == ("d", None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("machine", "line 1: nothing after machine"),
        ("\n\nmachine a login\n\n", "line 3: nothing after login"),
        ("machine a\nsecret word", "line 2: neither machine, default"),
        ("# x\nlogin secret", "line 2: login before the first machine"),
        ('machine a\npassword "secret', "line 2: a quotation mark that is not closed"),
        ('machine a\npassword "secret\n"', "line 2: a quotation mark that is not closed"),
        ('machine a\npassword "secret\\', "line 2: a quotation mark that is not closed"),
        ("macdef a\nb\n\n\nmachine a b", "line 5: neither"),
        ("machine " + "a" * 4_097, "line 1: a word longer than max_word = 4096"),
        ("machine a\n" * 4_097, "line 4097: more machines than max_machines = 4096"),
        ("#" * ((1 << 20) + 1), "longer than max_size = 1048576"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(HttpError.InvalidValue) as caught:
        parse_netrc(text, name="/home/me/.netrc")
    assert str(caught.value).startswith("/home/me/.netrc: ")
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.fault == "local"


@given(st.lists(st.sampled_from(["machine", "login", "default", "macdef", "\n", '"', "\\", "#", "a", " "])))
def test_any_text_is_a_file_or_an_error(words: list[str]) -> None:
    try:
        assert isinstance(parse_netrc(" ".join(words)), Netrc)
    except HttpError.InvalidValue:
        pass


@pytest.mark.parametrize(
    "piece", ['"', '\\"', "machine a ", "# ", "macdef a\n", "macdef a\n\n", "\n ", "default\t"]
)
def test_long_files_take_no_long_time(piece: str) -> None:
    begun = process_time()
    try:
        parse_netrc(piece * (200_000 // len(piece)), max_machines=1_000_000)
    except HttpError.InvalidValue:
        pass
    assert process_time() - begun < 2


def test_secrets_are_not_shown() -> None:
    netrc = parse_netrc("machine a login b password secret account secret")
    assert "secret" not in f"{netrc!r}{netrc.lookup('a')!r}"
    assert repr(NetrcEntry("a")) == "NetrcEntry(login='a', password=None)"


def test_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    assert find_netrc() is None
    (tmp_path / ".netrc").write_text("machine a login b")
    assert find_netrc() == tmp_path / ".netrc"
    monkeypatch.setenv("NETRC", "/nowhere/else")
    assert find_netrc() == Path("/nowhere/else")
    assert find_netrc({}) == tmp_path / ".netrc"


@pytest.mark.skipif(os.name == "nt", reason="modes are of POSIX")
@pytest.mark.parametrize(
    ("text", "mode", "is_exposed"),
    [
        ("machine a login b password c", 0o600, False),
        ("machine a login b password c", 0o400, False),
        ("machine a login b password c", 0o640, True),
        ("machine a login b password c", 0o602, True),
        ("default login b password c", 0o644, True),
        ("machine a login b", 0o644, False),
        ("machine a login anonymous password me@example.com", 0o644, False),
    ],
)
def test_a_file_that_others_can_read(tmp_path: Path, text: str, mode: int, is_exposed: bool) -> None:
    path = tmp_path / "netrc"
    path.write_text(text)
    path.chmod(mode)
    assert load_netrc(path).is_exposed is is_exposed


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_netrc(tmp_path / "nothing")
    path = tmp_path / "netrc"
    path.write_bytes(b"\xef\xbb\xbfmachine a login b password \xff")
    assert load_netrc(path).lookup("a") == ("b", "\udcff", None)
    with pytest.raises(HttpError.InvalidValue, match="max_size = 10"):
        load_netrc(path, max_size=10)
    path.write_text("machine a\nx")
    with pytest.raises(HttpError.InvalidValue, match="netrc: line 2"):
        load_netrc(path)
