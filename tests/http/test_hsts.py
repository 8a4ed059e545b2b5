"""HSTS: the field, the hosts, the upgrade of a URL, and the file that curl has too (RFC 6797)."""

from __future__ import annotations

import os
import subprocess

import pytest

from netkit.http import HttpError, Url
from netkit.http.state.hsts import (
    MAX_AGE,
    HstsHost,
    HstsPolicy,
    HstsStore,
    format_hsts_file,
    load_hsts,
    parse_hsts_file,
    save_hsts,
)
from tests.conftest import free_port, require_peer

pytestmark = pytest.mark.once

NOW = 1_800_000_000.0
HTTPS = Url.parse("https://a.example/")


def store_of(url: str, value: str, **limits: int) -> HstsStore:
    store = HstsStore(**limits)
    assert store.note(Url.parse(url), [value], NOW)
    return store


@pytest.mark.parametrize(
    ("text", "max_age", "subdomains"),
    [  # RFC 6797 section 6.2, and what the grammar of 6.1 allows besides
        ("max-age=31536000", 31536000, False),
        ("max-age=15768000 ; includeSubDomains", 15768000, True),
        ('max-age="31536000"', 31536000, False),
        ("max-age=0", 0, False),
        ("max-age=0; includeSubDomains", 0, True),
        ("MAX-AGE=1;INCLUDESUBDOMAINS", 1, True),
        (" \t;;max-age = 1 ; ;", 1, False),
        ("includeSubDomains;max-age=1", 1, True),
        ('max-age="\\1\\2"', 12, False),
        ('max-age=1; x="a;b\\"c"; preload; y=z', 1, False),
        ("max-age=" + "9" * 1000, MAX_AGE, False),
        ("max-age=" + "0" * 1000 + "7", 7, False),
    ],
)
def test_the_field(text: str, max_age: int, subdomains: bool) -> None:
    policy = HstsPolicy.parse(text)
    assert policy == HstsPolicy(max_age, subdomains)
    assert HstsPolicy.parse(str(policy)) == policy


@pytest.mark.parametrize(
    ("text", "words", "offset"),
    [
        ("", "no max-age", None),
        ("includeSubDomains", "no max-age", None),
        ("max-age=1; max-age=1", "max-age occurs twice", 11),
        ("max-age=1; x; X=1", "x occurs twice", 14),
        ("max-age=1; includeSubDomains; includesubdomains", "includesubdomains occurs twice", 30),
        ("max-age", "not a number", 0),
        ('max-age=""', "not a number", 0),
        ("max-age=-1", "not a number", 0),
        ("max-age=1.5", "not a number", 0),
        ("max-age=1e3", "not a number", 0),
        ("max-age=\xb2", "no value", 8),
        ("max-age=", "no value", 8),
        ("max-age=1; includeSubDomains=1", "has no value", 11),
        ("max-age=1, includeSubDomains", "','", 9),
        ("max-age=1 2", "'2'", 10),
        ("=1", "'='", 0),
        ('max-age="1', "closing quote", 8),
        ('max-age="1\\', "closing quote", 8),
        ("max-age=1; x=\x00", "no value", 13),
        ("max-age=1;" + " " * 5000, "4096", None),
    ],
)
def test_what_is_no_policy(text: str, words: str, offset: int | None) -> None:
    with pytest.raises(HttpError.InvalidValue) as caught:
        HstsPolicy.parse(text)
    assert words in str(caught.value)
    assert caught.value.offset == offset
    assert caught.value.fault == "peer"
    assert not HstsStore().note(HTTPS, [text], NOW)


@pytest.mark.parametrize(
    ("url", "upgraded"),
    [
        ("http://a.example/x?y#z", "https://a.example/x?y#z"),
        ("http://a.example:80/", "https://a.example/"),
        ("http://a.example:8080/", "https://a.example:8080/"),
        ("http://a.example:443/", "https://a.example/"),
        ("http://user:secret@A.EXAMPLE./", "https://user:secret@a.example./"),
        ("http://b.a.example/", "https://b.a.example/"),
        ("http://c.b.a.example/", "https://c.b.a.example/"),
        ("ws://a.example:80/", "wss://a.example/"),
        ("ws://a.example:81/", "wss://a.example:81/"),
        ("https://a.example:80/", "https://a.example:80/"),
        ("http://xa.example/", None),
        ("http://example/", None),
        ("ftp://a.example/", None),
        ("file:///a.example", None),
    ],
)
def test_the_upgrade(url: str, upgraded: str | None) -> None:
    store = store_of("https://a.example/", "max-age=60; includeSubDomains")
    given = Url.parse(url)
    made = store.upgrade(given, NOW)
    assert str(made) == (upgraded or url)
    if given.scheme == "http" and given.port in (None, 80) and upgraded:
        assert made.effective_port == 443


def test_a_policy_without_subdomains_is_for_the_host_alone() -> None:
    store = store_of("https://a.example/", "max-age=60")
    assert store.find("a.example", NOW) == HstsHost("a.example", NOW + 60)
    assert store.find("b.a.example", NOW) is None
    # A nearer host without the flag does not hide a farther one with it (section 8.2).
    store.note(Url.parse("https://example/"), ["max-age=60; includeSubDomains"], NOW)
    assert store.find("b.a.example", NOW) == HstsHost("example", NOW + 60, True)


def test_names_are_compared_after_idna() -> None:
    store = store_of("https://b\u00fccher.example./", "max-age=60")
    assert [host.host for host in store] == ["xn--bcher-kva.example"]
    assert store.upgrade(Url.parse("http://B\u00dcCHER.example/"), NOW).scheme == "https"
    assert store.find("b\u00fccher.example", NOW) is not None
    assert store.remove("B\u00fccher.example") and len(store) == 0


@pytest.mark.parametrize("url", ["http://a.example/", "ws://a.example/"])
def test_what_came_without_tls_is_passed_over(url: str) -> None:
    store = HstsStore()
    assert not store.note(Url.parse(url), ["max-age=60"], NOW)
    assert len(store) == 0


def test_an_unverified_server_neither_sets_nor_ends_a_policy() -> None:
    store = store_of("https://a.example/", "max-age=60")
    assert not store.note(HTTPS, ["max-age=0"], NOW, is_verified=False)
    assert not store.note(Url.parse("http://a.example/"), ["max-age=0"], NOW)
    assert not store.note(Url.parse("https://b.example/"), ["max-age=60"], NOW, is_verified=False)
    assert [host.host for host in store] == ["a.example"]


@pytest.mark.parametrize("url", ["https://192.0.2.1/", "https://[2001:db8::1]/", "https://127.1/"])
def test_addresses_have_no_policy(url: str) -> None:
    store = HstsStore()
    assert not store.note(Url.parse(url), ["max-age=60; includeSubDomains"], NOW)
    assert store.find("192.0.2.1", NOW) is None
    with pytest.raises(HttpError.InvalidValue):
        HstsHost("192.0.2.1", NOW)


def test_only_the_first_field_counts() -> None:
    store = HstsStore()
    assert not store.note(HTTPS, ["nonsense", "max-age=60"], NOW)
    assert not store.note(HTTPS, [], NOW)
    assert store.note(HTTPS, ["max-age=60", "max-age=0"], NOW)
    assert store.find("a.example", NOW) is not None


def test_the_time_of_a_policy() -> None:
    store = store_of("https://a.example/", "max-age=60")
    assert store.find("a.example", NOW + 59) is not None
    assert store.find("a.example", NOW + 60) is None
    assert len(store) == 0
    store.note(HTTPS, ["max-age=60"], NOW)
    store.note(HTTPS, ["max-age=60; includeSubDomains"], NOW + 30)
    assert list(store) == [HstsHost("a.example", NOW + 90, True)]
    assert store.remove_expired(NOW + 90) == 1


def test_max_age_0_ends_it() -> None:
    store = store_of("https://a.example/", "max-age=60; includeSubDomains")
    assert not store.note(Url.parse("https://b.a.example/"), ["max-age=0"], NOW), "that is another host"
    assert store.find("b.a.example", NOW) is not None
    assert store.note(HTTPS, ["max-age=0"], NOW)
    assert not store.note(HTTPS, ["max-age=0"], NOW)
    assert len(store) == 0


def test_the_limit() -> None:
    store = HstsStore(max_hosts=3)
    for name in "abc":
        store.note(Url.parse(f"https://{name}.example/"), ["max-age=60"], NOW)
    store.find("a.example", NOW)
    store.note(Url.parse("https://d.example/"), ["max-age=60"], NOW)
    assert [host.host for host in store] == ["a.example", "c.example", "d.example"]
    store.note(Url.parse("https://d.example/"), ["max-age=1"], NOW)
    store.note(Url.parse("https://e.example/"), ["max-age=60"], NOW + 2)
    assert [host.host for host in store] == ["a.example", "c.example", "e.example"]
    with pytest.raises(HttpError.InvalidValue, match="max_hosts"):
        HstsStore(max_hosts=0)


def test_the_file() -> None:
    hosts = [
        HstsHost("a.example", NOW, True),
        HstsHost("b.example", NOW + 0.75),
        HstsHost("c.example", float("inf")),
    ]
    text = format_hsts_file(hosts)
    assert text.splitlines()[1:] == [
        '.a.example "20270115 08:00:00"',
        'b.example "20270115 08:00:00"',
        'c.example "unlimited"',
    ]
    assert parse_hsts_file(text) == [hosts[0], HstsHost("b.example", NOW), hosts[2]]
    assert parse_hsts_file("\r\n# comment\r\n" + text.replace("\n", "\r\n")) == parse_hsts_file(text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.example", "line 2: it is not HOST"),
        ("a.example 20270115 08:00:00", "line 2: it is not HOST"),
        ('a.example "', "line 2: it is not HOST"),
        ('a.example "20270115"', "line 2: the time"),
        ('a.example "20270230 08:00:00"', "line 2: the time"),
        ('a.example "20270115 24:00:00"', "line 2: the time"),
        ('a.example "2027011\u0665 08:00:00"', "line 2: the time"),
        ('a.example "20270115T08:00:00"', "line 2: the time"),
        ('a.example "00000115 08:00:00"', "line 2: the time"),
        ('192.0.2.1 "20270115 08:00:00"', "line 2: the host"),
        ('..example "20270115 08:00:00"', "line 2: the host"),
        (' "20270115 08:00:00"', "line 2: it is not HOST"),
        ("x" * 2000, "line 2: more than 1024"),
        ('b.example "unlimited"\n' * 3, "line 4: more than 2 hosts"),
    ],
)
def test_a_file_that_is_wrong(line: str, words: str) -> None:
    with pytest.raises(HttpError.InvalidValue, match=words) as caught:
        parse_hsts_file(f"# first\n{line}", max_hosts=2)
    assert caught.value.fault == "local"


def test_load_and_save(tmp_path) -> None:
    path = str(tmp_path / "hsts")
    with pytest.raises(FileNotFoundError):
        load_hsts(path, NOW)
    store = HstsStore([HstsHost("a.example", NOW + 5, True), HstsHost("b.example", NOW + 9)])
    save_hsts(store, path, NOW + 5)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert list(load_hsts(path, NOW)) == [HstsHost("b.example", NOW + 9)]
    assert len(load_hsts(path, NOW + 9)) == 0
    with pytest.raises(HttpError.InvalidValue, match="longer than 10 octets"):
        load_hsts(path, NOW, max_size=10)


def test_curl_reads_the_file_and_writes_one(tmp_path) -> None:
    curl, path = require_peer("curl"), str(tmp_path / "hsts")
    hosts = [HstsHost("a.example", 4_000_000_000, True), HstsHost("b.example", float("inf"))]
    save_hsts(HstsStore(hosts), path, NOW)
    command = [curl, "-q", "-s", "--noproxy", "*", "--hsts", path, f"http://127.0.0.1:{free_port()}/"]
    subprocess.run(command, timeout=20, check=False)
    with open(path) as file:
        assert "generated by libcurl" in file.read(), "curl has written the file anew"
    assert list(load_hsts(path, NOW)) == hosts
