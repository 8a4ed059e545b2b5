"""`serve tls --badssl` as OpenSSL, GnuTLS and curl see it: each fault is what its name says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.http.server.tls_page import TlsPage
from netkit.lab.tls_server import TlsServer
from netkit.lab.tls_sites import BadSites, site_of
from netkit.net import TcpListener
from netkit.serve.connections import in_background
from netkit.tls.config import TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority, Wanted
from tests.conftest import require_peer

pytestmark = pytest.mark.once

WAIT = 20.0


class Served(NamedTuple):
    """The server: its port, the file with the roots, and one with a certificate for clients."""

    port: int
    ca: str
    client: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    authority = ThrowawayAuthority()
    config = TlsConfig.server().with_alpn(("h2", "http/1.1"))
    usual = site_of(authority.present(Wanted(("localhost",))), config)
    sites = BadSites(authority, "localhost", usual, [authority.certificate])
    folder = tmp_path_factory.mktemp("sites")
    roots = [authority.certificate, *sites.roots]
    (folder / "ca.pem").write_text("".join(root.to_pem() for root in roots))
    client = authority.present(Wanted(("a client",), is_client=True))
    (folder / "client.pem").write_text(client.chain[0].to_pem() + client.key.to_pem())
    listener = TcpListener.bind("127.0.0.1:0")
    server = TlsServer([listener], sites, TlsPage().talk_flow)
    with in_background(server.serve):
        yield Served(listener.local_addr.port, str(folder / "ca.pem"), str(folder / "client.pem"))


def said(*argv: str) -> tuple[int, str]:
    """The exit code of a program, and everything that it says."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=WAIT,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace")


def openssl(served: Served, site: str, *more: str) -> tuple[int, str]:
    """s_client, which verifies as a client does."""
    name = f"{site}.localhost"
    connect = ("-connect", f"127.0.0.1:{served.port}", "-servername", name, "-verify_hostname", name)
    verify = ("-CAfile", served.ca, "-verify_return_error", "-brief")
    return said(require_peer("openssl"), "s_client", *connect, *verify, *more)


def gnutls(served: Served, site: str) -> tuple[int, str]:
    name = f"{site}.localhost"
    names = (f"--sni-hostname={name}", f"--verify-hostname={name}")
    program = require_peer("gnutls-cli")
    return said(program, f"--x509cafile={served.ca}", *names, "-p", str(served.port), "127.0.0.1")


#: What OpenSSL and GnuTLS say of each site; None where they connect.
SITES: dict[str, tuple[str | None, str | None]] = {
    "good": (None, None),
    "expired": ("certificate has expired", "expired certificate"),
    "not-yet-valid": ("not yet valid", "not yet valid"),
    "wrong-host": ("hostname mismatch", "does not match the expected"),
    "self-signed": ("self-signed certificate", "issuer is unknown"),
    "untrusted-root": ("unable to get local issuer", "issuer is unknown"),
    "missing-intermediate": ("unable to get local issuer", "issuer is unknown"),
    "wrong-signature": ("certificate signature failure", "signature in the certificate is invalid"),
    "decoy-issuer": ("certificate signature failure", "signature in the certificate is invalid"),
    "wrong-path": ("unable to get local issuer", "issuer is unknown"),
    "expired-intermediate": ("certificate has expired", "expired certificate"),
    "expired-root": ("certificate has expired", "expired certificate"),
    "not-ca": ("invalid CA certificate", "issuer is not a CA"),
    "path-length": ("path length constraint exceeded", "violates the signer's constraints"),
    "name-constraints": ("permitted subtree violation", "violates the signer's constraints"),
    "weak-key": ("EE certificate key too weak", None),
    "sha1": ("digest algorithm too weak", "insecure algorithm"),
    "empty-eku": ("unsuitable certificate purpose", None),
    "client-eku": ("unsuitable certificate purpose", "does not match the intended purpose"),
    "unknown-critical": ("unhandled critical extension", "unknown critical extension"),
    "must-staple": (None, "requires the server to include an OCSP status"),
    "revoked": (None, "The certificate chain is revoked"),
    "expired-staple": (None, "OCSP data are old"),
    "long-chain": (None, "Error in the certificate"),
    "huge-chain": ("excessive message size", "Fatal error"),
    "malformed-certificate": ("asn1 encoding routines", "Error in the certificate"),
    "malformed-names": ("invalid certificate", "Error in the certificate"),
    "duplicate-extension": ("invalid certificate", "Error in the certificate"),
    "tls1-2": (None, None),
    "alert-80": ("SSL alert number 80", "Received alert [80]"),
    "plain-http": ("wrong version number", "unexpected TLS packet"),
    "garbage": ("wrong version number", "unexpected TLS packet"),
    "long-record": ("packet length too long", "invalid length"),
    "close-after-hello": ("unexpected eof", "non-properly terminated"),
    "close-after-server-hello": ("unexpected eof", "non-properly terminated"),
}


@pytest.mark.parametrize("site", SITES)
def test_openssl(served: Served, site: str) -> None:
    words = SITES[site][0]
    code, output = openssl(served, site)
    if words is None:
        assert code == 0, output
        assert "Verification: OK" in output
    else:
        assert words in output
        assert "Verification: OK" not in output


@pytest.mark.parametrize("site", SITES)
def test_gnutls(served: Served, site: str) -> None:
    words = SITES[site][1]
    code, output = gnutls(served, site)
    if words is None:
        assert code == 0, output
        assert "The certificate is trusted" in output
    else:
        assert words in output
        assert code != 0


@pytest.mark.parametrize(("site", "version"), [("tls1-0", "TLSv1"), ("tls1-1", "TLSv1.1")])
def test_old_versions(served: Served, site: str, version: str) -> None:
    code, output = openssl(served, site, "-cipher", "DEFAULT@SECLEVEL=0")
    assert code == 0, output
    assert f"Protocol version: {version}\n" in output


def test_curl_shows_the_page(served: Served) -> None:
    curl = (require_peer("curl"), "-sS", "--max-time", "20", "--cacert", served.ca)
    port = served.port
    for option, alpn in (("--http1.1", "http/1.1"), ("--http2", "h2")):
        code, page = said(*curl, option, f"https://good.localhost:{port}/")
        assert code == 0, page
        assert f"ALPN                {alpn}\n" in page
        assert "client certificate  none\n" in page
    code, page = said(*curl, "--cert", served.client, f"https://client-cert-required.localhost:{port}/")
    assert code == 0, page
    assert "client certificate  CN=a client (SHA-256 " in page
    code, _ = said(*curl, f"https://client-cert-required.localhost:{port}/")
    assert code in (35, 55, 56)  # the alert comes after what curl takes for the end of the handshake
    code, words = said(*curl, "--cert-status", f"https://revoked.localhost:{port}/")
    assert (code, "revocation" in words) == (91, True)
    code, _ = said(*curl, f"https://expired.localhost:{port}/")
    assert code == 60
    code, _ = said(*curl, f"https://truncate.localhost:{port}/", "-o", str(Path(served.ca).parent / "page"))
    assert code == 0 or code == 56
