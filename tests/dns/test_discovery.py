"""Discovery of designated resolvers (RFC 9462): what SVCB records mean, and who is believed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from netkit.dns import DnsError, DnsRecord, Resolver
from netkit.dns.policy.discovery import QUESTION, designated
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.upstream import Upstream
from netkit.tls.config import TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

pytestmark = pytest.mark.once

Scripted = Callable[[Script], ScriptedServer]

PLAIN = Upstream.parse("192.0.2.53")


def found(*records: str, additional: tuple[str, ...] = ()) -> list[str]:
    made = [DnsRecord.parse(f"_dns.resolver.arpa. 60 SVCB {each}") for each in records]
    return [str(each) for each in designated(made, [DnsRecord.parse(each) for each in additional], PLAIN)]


@pytest.mark.parametrize(
    ("record", "upstreams"),
    [
        ("1 dns.example. alpn=dot", ["tls://192.0.2.53:853#192.0.2.53"]),
        ("1 dns.example. alpn=dot port=8853", ["tls://192.0.2.53:8853#192.0.2.53"]),
        (
            "1 dns.example. alpn=h2 dohpath=/dns-query{?dns}",
            ["https://192.0.2.53:443/dns-query#192.0.2.53"],
        ),
        (
            "1 dns.example. alpn=dot,h2,h3 dohpath=/q{?dns} ipv4hint=192.0.2.1,192.0.2.2",
            [
                "tls://192.0.2.1:853#192.0.2.53",
                "tls://192.0.2.2:853#192.0.2.53",
                "https://192.0.2.1:443/q#192.0.2.53",
                "https://192.0.2.2:443/q#192.0.2.53",
            ],
        ),
        ("1 dns.example. alpn=dot ipv6hint=2001:db8::1", ["tls://[2001:db8::1]:853#192.0.2.53"]),
        ("1 dns.example. alpn=h3,doq dohpath=/q{?dns}", []),
        ("1 dns.example. alpn=h2", []),
        ("1 dns.example. alpn=h2 dohpath=/q", []),
        ("1 dns.example. alpn=h2 dohpath=/q{a}{?dns}", []),
        ("1 dns.example.", []),
        ("0 dns.example.", []),
    ],
)
def test_what_a_record_means(record: str, upstreams: list[str]) -> None:
    assert found(record) == upstreams


def test_the_best_first_and_none_twice() -> None:
    assert found(
        "2 b.example. alpn=dot port=2", "1 a.example. alpn=dot port=1", "3 c.example. alpn=dot port=1"
    ) == [
        "tls://192.0.2.53:1#192.0.2.53",
        "tls://192.0.2.53:2#192.0.2.53",
    ]


def test_addresses_beside_the_records() -> None:
    additional = ("dns.example. 60 A 192.0.2.7", "other.example. 60 A 192.0.2.8")
    assert found("1 dns.example. alpn=dot", additional=additional) == ["tls://192.0.2.7:853#192.0.2.53"]


def test_only_a_server_with_a_certificate_for_that_address_is_believed(
    scripted: Scripted, drive: Callable[..., object], tmp_path: Path
) -> None:
    authority = ThrowawayAuthority()
    tls = TlsConfig.client().with_root_certs([authority.certificate])
    for name, is_believed in (("127.0.0.1", True), ("dns.example", False)):
        certificate, key = authority.issue([name])
        file = tmp_path / name
        file.write_text(key.to_pem() + certificate.to_pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        with ScriptedServer(
            lambda asked: answer(asked, f"{asked.name} 60 A 192.0.2.1"), tls=context
        ) as secure:

            def names(asked: Asked, port: int = secure.addr.port) -> object:
                record = f"{asked.name} 60 SVCB 1 dns.example. alpn=dot port={port} ipv4hint=127.0.0.1"
                return answer(asked, record)

            plain = scripted(names)  # type: ignore[arg-type]  # the script's second argument has its default
            options = QueryOptions(timeout=10.0, tries=1)
            with Resolver([plain.addr], options=options) as resolver:
                upstreams = drive(resolver.discover_flow(resolver.upstreams[0]))
                assert upstreams == resolver.discover(plain.addr)
                assert plain.asked[0].name == str(QUESTION.name)
            with Resolver(upstreams, options=options, tls=tls) as resolver:  # type: ignore[arg-type]
                if is_believed:
                    assert resolver.lookup_a("host.example")
                else:
                    with pytest.raises(DnsError.NetworkError, match=r"127\.0\.0\.1"):
                        resolver.lookup_a("host.example")


def test_a_server_that_names_none(scripted: Scripted) -> None:
    server = scripted(
        lambda asked: answer(asked, authority=["resolver.arpa. 60 SOA a.example. b.example. 1 2 3 4 5"])
    )
    with Resolver([server.addr]) as resolver:
        assert resolver.discover(server.addr) == []
