"""resolv.conf, hosts and nsswitch.conf: read as the C library reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from netkit.addr import IpAddr, SocketAddr
from netkit.dns import system
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.policy.reloading import Reloading
from netkit.dns.system import (
    DEFAULT_SOURCES,
    Hosts,
    HostSource,
    ResolvConf,
    load_sources,
    parse_sources,
)

pytestmark = pytest.mark.once

OPTIONS = ("ndots", "timeout", "attempts", "rotate", "use_vc", "trust_ad", "no_aaaa", "edns0")

#: Text of resolv.conf(5), and what of it is not the default.
RESOLV_CONF: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("nameserver 192.0.2.53", {"servers": ["192.0.2.53:53"]}),
    ("nameserver\t2001:db8::53", {"servers": ["[2001:db8::53]:53"]}),
    ("nameserver fe80::53%2", {"servers": ["[fe80::53%2]:53"]}),
    ("nameserver 1.1.1.1\nnameserver 8.8.8.8\n", {"servers": ["1.1.1.1:53", "8.8.8.8:53"]}),
    (
        "".join(f"nameserver 192.0.2.{n}\n" for n in range(5)),
        {"servers": [f"192.0.2.{n}:53" for n in range(5)]},
    ),
    ("nameserver 192.0.2.53 # of the office", {"servers": ["192.0.2.53:53"]}),
    ("# nameserver 192.0.2.1\n; nameserver 192.0.2.2\n", {}),
    ("nameserver ns.example.com\nnameserver\nnameserver 192.0.2.300\n", {}),
    ("name server 192.0.2.1", {}),
    ("search example.com example.net.", {"search": ["example.com.", "example.net."]}),
    ("domain example.com", {"search": ["example.com."]}),
    ("search a.example\ndomain b.example", {"search": ["b.example."]}),
    ("domain b.example\nsearch a.example c.example", {"search": ["a.example.", "c.example."]}),
    ("search a..b good.example", {"search": ["good.example."]}),
    ("options ndots:3", {"ndots": 3}),
    ("options ndots:99", {"ndots": 15}),
    ("options ndots:0", {"ndots": 0}),
    ("options ndots:", {}),
    ("options ndots:-1", {}),
    ("options ndots:two", {}),
    ("options timeout:2 attempts:4", {"timeout": 2.0, "attempts": 4}),
    ("options timeout:0 attempts:0", {"timeout": 1.0, "attempts": 1}),
    ("options timeout:99 attempts:99", {"timeout": 30.0, "attempts": 5}),
    ("options rotate use-vc", {"rotate": True, "use_vc": True}),
    ("options edns0 trust-ad no-aaaa", {"edns0": True, "trust_ad": True, "no_aaaa": True}),
    ("options ndots:2\noptions attempts:3", {"ndots": 2, "attempts": 3}),
    ("options", {}),
    ("\x00\x01garbage ��\n   \n", {}),
]


@pytest.mark.parametrize(("text", "expected"), RESOLV_CONF)
def test_resolv_conf(text: str, expected: dict[str, Any]) -> None:
    conf = ResolvConf.parse(text)
    found = {
        "servers": [str(server) for server in conf.servers],
        "search": [str(name) for name in conf.search],
        **{field: getattr(conf, field) for field in OPTIONS},
    }
    default = {
        "servers": ["127.0.0.1:53"], "search": [], "ndots": 1, "timeout": 5.0, "attempts": 2, "rotate": False,
        "use_vc": False, "trust_ad": False, "no_aaaa": False, "edns0": False,
    }  # fmt: skip
    assert found == default | expected


class TestEnvironment:
    """resolv.conf(5): LOCALDOMAIN and RES_OPTIONS."""

    TEXT = "nameserver 192.0.2.53\nsearch a.example\noptions ndots:2 timeout:9"

    def test_a_search_list_and_options_of_this_process(self) -> None:
        conf = ResolvConf.parse(
            self.TEXT, {"LOCALDOMAIN": "b.example c.example", "RES_OPTIONS": "ndots:3 rotate"}
        )
        assert [str(name) for name in conf.search] == ["b.example.", "c.example."]
        assert (conf.ndots, conf.timeout, conf.rotate) == (3, 9.0, True)

    def test_none(self) -> None:
        conf = ResolvConf.parse(self.TEXT, {"PATH": "/bin"})
        assert ([str(name) for name in conf.search], conf.ndots) == (["a.example."], 2)
        assert ResolvConf.parse(self.TEXT, {"LOCALDOMAIN": ""}).search == ()

    def test_without_a_file_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RES_OPTIONS", "ndots:4")
        assert ResolvConf.load(str(tmp_path / "none")).ndots == 4
        assert ResolvConf.load(str(tmp_path / "none"), {}).ndots == 1

    def test_what_it_means_for_a_question(self) -> None:
        options = ResolvConf.parse("options use-vc timeout:3 attempts:4 trust-ad").query_options()
        assert (options.tcp, options.timeout, options.tries, options.trust_ad) == (True, 3.0, 4, True)
        assert not options.hedge, "there is nobody else to ask"
        both = ResolvConf.parse("nameserver 192.0.2.1\nnameserver 192.0.2.2").query_options()
        assert (both.hedge, both.trust_ad) == (True, False)


class TestReloading:
    """A file that changes while the program runs, with a clock of the test's own."""

    def reloading(self, path: Path, moments: list[float]) -> Reloading[ResolvConf]:
        return Reloading(str(path), ResolvConf.load, lambda: moments[-1])

    def test_a_change_is_seen_a_second_later(self, tmp_path: Path) -> None:
        moments = [10.0]
        file = tmp_path / "resolv.conf"
        file.write_text("options ndots:2")
        conf = self.reloading(file, moments)
        assert conf.content.ndots == 2
        file.write_text("options ndots:3\n")
        assert conf.content.ndots == 2, "not looked at more than once a second"
        moments.append(11.0)
        assert conf.content.ndots == 3

    def test_only_a_change_is_read(self, tmp_path: Path) -> None:
        moments = [10.0]
        file = tmp_path / "resolv.conf"
        file.write_text("")
        conf = self.reloading(file, moments)
        first = conf.content
        moments.append(20.0)
        assert conf.content is first

    def test_replaced_by_another_of_the_same_size_and_time(self, tmp_path: Path) -> None:
        moments = [10.0]
        file, new = tmp_path / "resolv.conf", tmp_path / "new"
        file.write_text("options ndots:2")
        new.write_text("options ndots:3")
        os.utime(new, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
        conf = self.reloading(file, moments)
        new.replace(file)
        moments.append(11.0)
        assert conf.content.ndots == 3

    def test_one_that_goes_and_comes(self, tmp_path: Path) -> None:
        moments = [10.0]
        file = tmp_path / "resolv.conf"
        conf = self.reloading(file, moments)
        file.write_text("options ndots:2")
        moments.append(11.0)
        assert conf.content.ndots == 2
        file.unlink()
        moments.append(12.0)
        assert conf.content.ndots == 1, "an absent file is an empty one"

    def test_one_that_cannot_be_read_any_more(self, tmp_path: Path) -> None:
        moments = [10.0]
        file = tmp_path / "resolv.conf"
        file.write_text("options ndots:2")
        conf = self.reloading(file, moments)
        file.unlink()
        file.mkdir()
        moments.append(11.0)
        assert conf.content.ndots == 2, "what was read before stays"
        file.rmdir()
        file.write_text("options ndots:3")
        moments.append(12.0)
        assert conf.content.ndots == 3


@given(st.text())
def test_nothing_in_a_file_is_an_error(text: str) -> None:
    ResolvConf.parse(text)
    Hosts.parse(text)
    parse_sources(text)


@pytest.mark.parametrize(
    ("ndots", "host", "names"),
    [
        (1, "www", ["www.a.example.", "www.b.example.", "www."]),
        (1, "www.x", ["www.x.", "www.x.a.example.", "www.x.b.example."]),
        (2, "www.x", ["www.x.a.example.", "www.x.b.example.", "www.x."]),
        (0, "www", ["www.", "www.a.example.", "www.b.example."]),
        (1, "www.", ["www."]),
        (5, "www.x.", ["www.x."]),
        (1, r"a\.b", [r"a\.b.a.example.", r"a\.b.b.example.", r"a\.b."]),
    ],
)
def test_candidates(ndots: int, host: str, names: list[str]) -> None:
    conf = ResolvConf(search=[Name.parse("a.example"), Name.parse("b.example")], ndots=ndots)
    assert [str(name) for name in conf.candidates(host)] == names


def test_candidates_that_would_be_too_long_are_left_out() -> None:
    long = ".".join(["a" * 60] * 4)
    conf = ResolvConf(search=[Name.parse("suffix.of.some.example"), Name.parse("b")])
    assert [str(name) for name in conf.candidates(long)] == [f"{long}.", f"{long}.b."]


@pytest.mark.parametrize("host", ["a..b", "x" * 64, ".".join(["a" * 60] * 5)])
def test_hosts_that_are_no_names(host: str) -> None:
    with pytest.raises(DnsError.InvalidName):
        ResolvConf().candidates(host)


HOSTS = """\
127.0.0.1\tlocalhost localhost.localdomain  # this machine
::1 localhost

192.0.2.1 www.Example.com www
192.0.2.2 www
192.0.2.1 again www
not-an-address foo
192.0.2.300 foo
# 192.0.2.9 commented
fe80::1%eth0 router
192.0.2.7
"""


class TestHosts:
    hosts = Hosts.parse(HOSTS)

    @pytest.mark.parametrize(
        ("host", "addresses"),
        [
            ("localhost", ["127.0.0.1", "::1"]),
            ("LOCALHOST.", ["127.0.0.1", "::1"]),
            ("www.example.com", ["192.0.2.1"]),
            ("www", ["192.0.2.1", "192.0.2.2"]),
            ("router", ["fe80::1%eth0"]),
            ("foo", []),
            ("commented", []),
            ("", []),
        ],
    )
    def test_addresses(self, host: str, addresses: list[str]) -> None:
        assert self.hosts.addresses(host) == [IpAddr.parse(text) for text in addresses]

    @pytest.mark.parametrize(
        ("address", "names"),
        [
            ("127.0.0.1", ["localhost", "localhost.localdomain"]),
            ("192.0.2.1", ["www.Example.com", "www", "again", "www"]),
            ("fe80::1", ["router"]),
            ("fe80::1%eth1", ["router"]),
            ("192.0.2.7", []),
            ("192.0.2.8", []),
        ],
    )
    def test_names(self, address: str, names: list[str]) -> None:
        assert self.hosts.names(IpAddr.parse(address)) == list(dict.fromkeys(names))

    def test_what_is_handed_out_is_a_copy(self) -> None:
        self.hosts.addresses("localhost").clear()
        self.hosts.names(IpAddr.parse("127.0.0.1")).clear()
        assert self.hosts.addresses("localhost")
        assert self.hosts.names(IpAddr.parse("127.0.0.1"))


_SUCCESS = frozenset({"SUCCESS"})
_ALL = frozenset({"SUCCESS", "NOTFOUND", "UNAVAIL", "TRYAGAIN"})

SOURCES: list[tuple[str, list[HostSource]]] = [
    ("hosts: files dns", [HostSource("files"), HostSource("dns")]),
    ("hosts:\tdns  files # a comment", [HostSource("dns"), HostSource("files")]),
    ("# hosts: dns\nhosts: files\n", [HostSource("files")]),
    ("passwd: files\nhosts : dns\n", [HostSource("dns")]),
    (
        "hosts: files mdns4_minimal [NOTFOUND=return] dns",
        [HostSource("files"), HostSource("mdns4_minimal", _SUCCESS | {"NOTFOUND"}), HostSource("dns")],
    ),
    (
        "hosts: resolve [!UNAVAIL=return] files",
        [HostSource("resolve", _ALL - {"UNAVAIL"}), HostSource("files")],
    ),
    (
        "hosts: dns[notfound=return tryagain=return]files",
        [HostSource("dns", _ALL - {"UNAVAIL"}), HostSource("files")],
    ),
    ("hosts: files [SUCCESS=continue] dns", [HostSource("files", frozenset()), HostSource("dns")]),
    ("hosts: [NOTFOUND=return] dns", [HostSource("dns")]),
    ("hosts: dns [NONSENSE=return] files", [HostSource("dns"), HostSource("files")]),
    ("hosts: dns [!NONSENSE=return] files", [HostSource("dns"), HostSource("files")]),
    ("hosts:", []),
    ("hosts files", list(DEFAULT_SOURCES)),
    ("", list(DEFAULT_SOURCES)),
]


@pytest.mark.parametrize(("text", "sources"), SOURCES)
def test_sources(text: str, sources: list[HostSource]) -> None:
    assert list(parse_sources(text)) == sources


class TestFiles:
    def test_absent_ones_are_empty(self, tmp_path: Path) -> None:
        absent = str(tmp_path / "absent")
        assert ResolvConf.load(absent).servers == (SocketAddr.new("127.0.0.1", 53),)
        assert Hosts.load(absent).addresses("localhost") == []
        assert load_sources(absent) == DEFAULT_SOURCES

    def test_they_are_read(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"\xef\xbb\xbf# \xff\nnameserver 192.0.2.1\n192.0.2.2 name\nhosts: dns\n")
        assert ResolvConf.load(str(file)).servers == (SocketAddr.new("192.0.2.1", 53),)
        assert Hosts.load(str(file)).addresses("name") == [IpAddr.parse("192.0.2.2")]
        assert load_sources(str(file)) == (HostSource("dns"),)

    @pytest.mark.parametrize("load", [ResolvConf.load, Hosts.load, load_sources])
    def test_unreadable_ones_are_errors(self, tmp_path: Path, load: Any) -> None:
        with pytest.raises(IsADirectoryError):
            load(str(tmp_path))

    @pytest.mark.parametrize("load", [ResolvConf.load, Hosts.load, load_sources])
    def test_endless_ones_too(self, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(system, "MAX_FILE_SIZE", 1000)
        with pytest.raises(OSError, match="more than 1,000 octets"):
            load("/dev/zero")
