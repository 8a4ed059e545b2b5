"""RFC 9525: which names and addresses a certificate is for."""

from __future__ import annotations

import pytest

from netkit.tls.errors import TlsError
from netkit.tls.verifying.hostname import (
    dns_name_matches,
    dns_reference,
    ip_reference,
    matches_host,
    server_name_for,
    verify_host,
)
from netkit.tls.x509.extensions import SubjectAltNames
from tests.tls.pki import issue


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("www.example.com", "www.example.com", True),
        ("WWW.Example.COM", "www.example.com", True),
        ("www.example.com", "WWW.EXAMPLE.com.", True),
        ("www.example.com.", "www.example.com", False),
        ("www.example.com", "www.example.com..", False),
        ("www.example.com", "example.com", False),
        ("example.com", "www.example.com", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", ".example.com", False),
        ("w*.example.com", "www.example.com", False),
        ("*w.example.com", "www.example.com", False),
        ("www.*.com", "www.example.com", False),
        ("*.*.com", "www.example.com", False),
        ("*.com", "example.com", False),
        ("*", "com", False),
        ("*.", "a.", False),
        ("", "a.example", False),
        ("*.xn--mller-kva.example", "www.müller.example", True),
        ("xn--mller-kva.example", "MÜLLER.example", True),
        ("müller.example", "müller.example", False),  # an IA5String cannot hold it
        ("good.example\\x00.evil.example", "good.example", False),
        ("_dmarc.example.com", "_dmarc.example.com", True),
    ],
)
def test_names(pattern, host, matches):
    assert matches_host(SubjectAltNames(dns=(pattern,)), host) is matches


@pytest.mark.parametrize(
    ("names", "host", "matches"),
    [
        (SubjectAltNames(ip=("192.0.2.1",)), "192.0.2.1", True),
        (SubjectAltNames(ip=("192.0.2.1",)), "192.0.2.2", False),
        (SubjectAltNames(ip=("2001:db8::1",)), "2001:DB8:0:0::1", True),
        (SubjectAltNames(ip=("2001:db8::1",)), "[2001:db8::1]", True),
        (SubjectAltNames(ip=("fe80::1",)), "fe80::1%eth0", True),
        (SubjectAltNames(dns=("192.0.2.1",)), "192.0.2.1", False),
        (SubjectAltNames(dns=("*.0.2.1",)), "192.0.2.1", False),
        (SubjectAltNames(uri=("https://a.example",)), "a.example", False),
        (SubjectAltNames(), "a.example", False),
    ],
)
def test_kinds(names, host, matches):
    assert matches_host(names, host) is matches


@pytest.mark.parametrize(
    "host", ["", ".", "a..b", "a.example..", "a b", "x" * 64, ".".join(["x" * 60] * 5), "a\x00b", "ab\u0080c"]
)
def test_what_is_no_host_name(host):
    with pytest.raises(ValueError, match="not a host name"):
        dns_reference(host)
    assert not matches_host(SubjectAltNames(dns=("*.example",)), host)


def test_references():
    assert dns_reference("Bücher.Example.") == "xn--bcher-kva.example"
    assert ip_reference("::1") is not None
    assert ip_reference("1.2.3") is None
    assert server_name_for("Example.COM.") == "example.com"
    assert server_name_for("192.0.2.1") is None
    assert server_name_for("[::1]") is None
    assert not dns_name_matches("*.example", "a.example")


def test_the_common_name_never_counts():
    with pytest.raises(TlsError.HostnameMismatch) as caught:
        verify_host(
            issue("www.example.com", sans=("other.example", "192.0.2.9")).certificate, "www.example.com"
        )
    assert caught.value.names == ("other.example", "192.0.2.9")
    verify_host(issue("x", sans=("www.example.com",)).certificate, "www.example.com")
