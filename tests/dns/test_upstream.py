"""`Upstream` as text and back, what cannot be asked, which servers a name has; the limits of `Knowledge`."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest
from hypothesis import given, strategies as st

from netkit.addr import AddrParseError, IpAddr, SocketAddr
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.policy.knowledge import LEARNT_FOR, Knowledge
from netkit.dns.policy.upstream import DEFAULT_PATH, Routes, Transport, Upstream

pytestmark = pytest.mark.once

#: Text, its normal form, and the fields.
TEXTS: list[tuple[str, str, dict[str, Any]]] = [
    ("192.0.2.1", "192.0.2.1:53", {"transport": Transport.UDP, "port": 53}),
    ("192.0.2.1:5353", "192.0.2.1:5353", {"port": 5353}),
    ("2001:db8::1", "[2001:db8::1]:53", {}),
    ("[2001:db8::1]:5353", "[2001:db8::1]:5353", {}),
    ("udp://192.0.2.1", "192.0.2.1:53", {"transport": Transport.UDP}),
    ("TCP://192.0.2.1", "tcp://192.0.2.1:53", {"transport": Transport.TCP}),
    ("tls://192.0.2.1", "tls://192.0.2.1:853", {"transport": Transport.TLS, "tls_name": None}),
    ("tls://192.0.2.1#dns.example", "tls://192.0.2.1:853#dns.example", {"tls_name": "dns.example"}),
    ("tls://[2001:db8::1]:8853#a.example", "tls://[2001:db8::1]:8853#a.example", {"port": 8853}),
    ("tls://dns.example", "tls://dns.example:853", {"addr": None, "tls_name": "dns.example", "port": 853}),
    ("tls://dns.example:8853", "tls://dns.example:8853", {"addr": None, "port": 8853}),
    (
        "https://dns.example/dns-query{?dns}",
        "https://dns.example:443/dns-query{?dns}",
        {"addr": None, "method": "GET", "path": "/dns-query", "tls_name": "dns.example"},
    ),
    ("https://dns.example/q", "https://dns.example:443/q", {"method": "POST", "path": "/q"}),
    ("https://dns.example", "https://dns.example:443/dns-query", {"path": DEFAULT_PATH, "method": "POST"}),
    (
        "https://192.0.2.1:8443/q{?dns}#dns.example",
        "https://192.0.2.1:8443/q{?dns}#dns.example",
        {"addr": SocketAddr.parse("192.0.2.1:8443"), "tls_name": "dns.example", "method": "GET"},
    ),
]


@pytest.mark.parametrize(("text", "normal", "fields"), TEXTS)
def test_parse(text: str, normal: str, fields: dict[str, Any]) -> None:
    upstream = Upstream.parse(text)
    assert str(upstream) == normal
    again = Upstream.parse(normal)
    assert again == upstream
    assert hash(again) == hash(upstream)
    assert pickle.loads(pickle.dumps(upstream)) == upstream
    for field, value in fields.items():
        assert getattr(upstream, field) == value


def test_a_name_in_unicode_is_the_one_of_its_certificate() -> None:
    assert Upstream.parse("tls://b\u00fccher.example").tls_name == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text",
    [
        "ftp://192.0.2.1", "quic://192.0.2.1", "dns.example", "tcp://dns.example", "udp://192.0.2.1#dns.example",
        "192.0.2.1/dns-query", "tls://192.0.2.1/dns-query", "https://dns.example/q?a=b", "https://dns.example/q{?x}",
        "https://dns.example/{?dns}/q", "https://dns.example/a b", "tls://a.example#b.example", "tls://a_b.example",
        "https://dns.example/\u00e9",
        "192.0.2.1:0", "https://dns.example:0/dns-query",
    ],
)  # fmt: skip
def test_what_cannot_be_asked(text: str) -> None:
    with pytest.raises(DnsError.InvalidValue):
        Upstream.parse(text)


@pytest.mark.parametrize("text", ["", "192.0.2.1:", "192.0.2.1:99999", "192.0.2.256", "tls://", "https:///q"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises((AddrParseError, DnsError.InvalidValue)):
        Upstream.parse(text)


@given(st.text(max_size=60), st.sampled_from(["", "udp://", "tcp://", "tls://", "https://"]))
def test_any_text_is_a_server_or_an_error_that_says_why(text: str, scheme: str) -> None:
    try:
        upstream = Upstream.parse(scheme + text)
    except (DnsError.InvalidValue, DnsError.InvalidName, AddrParseError) as error:
        assert str(error)
    else:
        assert Upstream.parse(str(upstream)) == upstream


ADDR = SocketAddr.parse("192.0.2.1:53")


@pytest.mark.parametrize(
    "fields",
    [
        {"addr": None}, {"addr": None, "transport": Transport.TLS}, {"tls_name": "a.example"},
        {"pins": [bytes(32)]}, {"transport": Transport.TLS, "pins": [bytes(31)]}, {"path": "/q"},
        {"transport": Transport.HTTPS, "path": "q"}, {"transport": Transport.HTTPS, "method": "PUT"},
        {"transport": Transport.HTTPS, "path": "/q\r\nX: y"},
    ],
)  # fmt: skip
def test_combinations_that_cannot_be_asked(fields: dict[str, Any]) -> None:
    with pytest.raises(DnsError.InvalidValue):
        Upstream(**({"addr": ADDR} | fields))


def test_bootstrap_keeps_everything_else() -> None:
    named = Upstream.parse("https://dns.example:8443/q{?dns}")
    found = named.replace(addr=SocketAddr.parse("192.0.2.1:8443"))
    assert str(found) == "https://192.0.2.1:8443/q{?dns}#dns.example"
    assert named.server == "https://dns.example:8443/q{?dns}"
    assert found.server == SocketAddr.parse("192.0.2.1:8443")


def test_any_form_of_a_server() -> None:
    same = Upstream.parse("192.0.2.1")
    for form in ("192.0.2.1", ADDR, IpAddr.parse("192.0.2.1"), same):
        assert Upstream.of(form) == same


class TestRoutes:
    ROUTES = Routes(
        ["192.0.2.1"], {"corp.example": ["10.0.0.1"], "db.corp.example": ["10.0.0.2"], "onion": []}
    )

    @pytest.mark.parametrize(
        ("name", "server"),
        [
            ("example.", "192.0.2.1:53"), ("notcorp.example.", "192.0.2.1:53"),
            ("corp.example.", "10.0.0.1:53"),
            ("A.Corp.Example.", "10.0.0.1:53"), ("db.corp.example.", "10.0.0.2:53"), (".", "192.0.2.1:53"),
            ("x.db.corp.example.", "10.0.0.2:53"), ("x.onion.", None),
        ],
    )  # fmt: skip
    def test_the_longest_domain_counts(self, name: str, server: str | None) -> None:
        found = self.ROUTES.for_name(Name.parse(name))
        assert [str(each) for each in found] == ([] if server is None else [server])

    def test_the_domain_of_a_name(self) -> None:
        assert self.ROUTES.domain_of(Name.parse("x.db.corp.example.")) == Name.parse("db.corp.example.")
        assert self.ROUTES.domain_of(Name.parse("example.")) is None
        assert Routes(["192.0.2.1"]).domain_of(Name.parse("example.")) is None


class TestKnowledge:
    def test_the_upstream_unused_for_longest_is_forgotten(self) -> None:
        knowledge = Knowledge(limit=3)
        servers = [Upstream.parse(f"192.0.2.{last}") for last in range(4)]
        for server in servers[:3]:
            knowledge.of(server).lacks_edns(1.0)
        knowledge.of(servers[0])
        knowledge.of(servers[3])
        assert len(knowledge) == 3
        assert not knowledge.of(servers[0]).has_edns(2.0)
        assert knowledge.of(servers[1]).has_edns(2.0), "it was forgotten"

    def test_what_is_learnt_is_of_one_transport_of_one_server(self) -> None:
        knowledge = Knowledge()
        knowledge.of(Upstream.parse("192.0.2.1")).loses_case(1.0)
        assert knowledge.of(Upstream.parse("tcp://192.0.2.1")).keeps_case(1.0)
        assert not knowledge.of(Upstream.parse("192.0.2.1:53")).keeps_case(LEARNT_FOR)
        assert knowledge.of(Upstream.parse("192.0.2.1:53")).keeps_case(1.0 + LEARNT_FOR)

    def test_a_cookie_for_a_client_cookie_that_is_gone_is_not_kept(self) -> None:
        learnt = Knowledge().of(Upstream.parse("192.0.2.1"))
        own, _ = learnt.cookie(1.0, lambda bits: 7) or (b"", b"")
        learnt.gave_cookie(b"another1", b"servers1")
        assert not learnt.has_server_cookie
        learnt.gave_cookie(own, b"servers1")
        assert learnt.has_server_cookie

    def test_from_many_threads(self) -> None:
        knowledge = Knowledge(limit=4)
        servers = [Upstream.parse(f"192.0.2.{last}") for last in range(8)]
        errors: list[BaseException] = []
        start = threading.Barrier(4)

        def learn() -> None:
            try:
                start.wait(10)
                for turn in range(300):
                    learnt = knowledge.of(servers[turn % 8])
                    learnt.answered(Transport.UDP, 0.01, float(turn))
                    learnt.failed(float(turn))
                    learnt.cookie(float(turn), lambda bits: bits)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=learn) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert len(knowledge) == 4
