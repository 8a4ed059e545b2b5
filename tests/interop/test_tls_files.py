"""Files as openssl and GnuTLS write them, read here; and what is written here, read by openssl."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from netkit.tls.files import read_certificates, read_file, read_identity, read_private_key
from tests.cli.helpers import run_netkit
from tests.conftest import require_peer
from tests.tls.stored import CHAIN, HOST, LEAF, MIDDLE, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Openssl = Callable[..., str]

# None of this uses a twin.
pytestmark = pytest.mark.once

SECRET = "open sesame"
PASSWORD = ("-passout", f"pass:{SECRET}")


def run(program: str, folder: Path, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        [require_peer(program), *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files")
    (path / "leaf.pem").write_text(LEAF.pem)
    (path / "middle.pem").write_text(MIDDLE.pem)
    (path / "root.pem").write_text(ROOT.pem)
    (path / "rest.pem").write_text(MIDDLE.pem + ROOT.pem)
    (path / "chain.pem").write_text(LEAF.pem + MIDDLE.pem + ROOT.pem)
    (path / "key.pem").write_text(LEAF.key_pem)
    (path / "root-key.pem").write_text(ROOT.key_pem)
    return path


@pytest.fixture(scope="module")
def openssl(folder: Path) -> Openssl:
    return lambda *arguments, **more: run("openssl", folder, *arguments, **more)


#: How openssl writes the key: arguments, and whether a password protects it.
KEYS = {
    "PKCS #8": (("pkcs8", "-topk8", "-nocrypt", "-in", "key.pem"), False),
    "PKCS #8 DER": (("pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER"), False),
    "SEC 1": (("ec", "-in", "key.pem"), False),
    "SEC 1 DER": (("ec", "-in", "key.pem", "-outform", "DER"), False),
    "encrypted": (("pkcs8", "-topk8", "-in", "key.pem", *PASSWORD), True),
    "encrypted DER": (("pkcs8", "-topk8", "-in", "key.pem", "-outform", "DER", *PASSWORD), True),
    "scrypt": (("pkcs8", "-topk8", "-in", "key.pem", "-scrypt", *PASSWORD), True),
    "old encryption": (("ec", "-in", "key.pem", "-aes128", *PASSWORD), True),
    "3DES": (("pkcs8", "-topk8", "-in", "key.pem", "-v2", "des3", *PASSWORD), True),
}


@pytest.mark.parametrize("case", KEYS)
def test_keys_of_openssl(case: str, openssl: Openssl, folder: Path) -> None:
    arguments, locked = KEYS[case]
    openssl(*arguments, "-out", "made")
    assert read_private_key(folder / "made", SECRET if locked else None) == LEAF.private_key
    (item,) = read_file(folder / "made").items
    assert (item.problem is not None) is locked


#: How openssl and GnuTLS write an identity.
IDENTITIES = {
    "openssl": ("openssl", ("pkcs12", "-export")),
    "openssl, for old readers": ("openssl", ("pkcs12", "-export", "-legacy")),
    "openssl, no MAC": ("openssl", ("pkcs12", "-export", "-nomac")),
    "openssl, plain": ("openssl", ("pkcs12", "-export", "-keypbe", "NONE", "-certpbe", "NONE")),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities_of_openssl(case: str, folder: Path) -> None:
    program, arguments = IDENTITIES[case]
    given = ("-in", "leaf.pem", "-inkey", "key.pem", "-certfile", "rest.pem", "-name", "fred")
    run(program, folder, *arguments, *given, *PASSWORD, "-out", "made.p12")
    found = read_identity(folder / "made.p12", SECRET)
    assert (found.chain, found.key) == (CHAIN, LEAF.private_key)
    names = [item.name for item in read_file(folder / "made.p12", SECRET).items]
    assert "fred" in names


def test_identities_of_gnutls(folder: Path) -> None:
    files = ("--load-certificate", "chain.pem", "--load-privkey", "key.pem", "--outfile", "gnutls.p12")
    named = ("--p12-name", "fred", "--password", SECRET)
    run("certtool", folder, "--to-p12", "--outder", *files, *named)
    assert read_identity(folder / "gnutls.p12", SECRET).chain == CHAIN


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_bags_of_openssl(form: str, openssl: Openssl, folder: Path) -> None:
    openssl("crl2pkcs7", "-nocrl", "-certfile", "chain.pem", "-outform", form, "-out", "made.p7b")
    assert set(read_certificates(folder / "made.p7b")) == set(CHAIN)
    assert read_identity(folder / "made.p7b", key=folder / "key.pem").chain == CHAIN


def test_a_signed_message_in_a_stream(openssl: Openssl, folder: Path) -> None:
    """With indefinite lengths, and the certificate of its signer inside."""
    signed = ("-signer", "leaf.pem", "-inkey", "key.pem", "-certfile", "middle.pem", "-outform", "DER")
    openssl("smime", "-sign", "-in", "key.pem", *signed, "-stream", "-indef", "-nodetach", "-out", "made.p7")
    assert (folder / "made.p7").read_bytes()[:2] == b"\x30\x80"
    assert set(read_certificates(folder / "made.p7")) == set(CHAIN[:2])


def test_a_request_of_openssl(openssl: Openssl, folder: Path) -> None:
    asked = ("-subj", f"/O=Grüße/CN={HOST}", "-utf8", "-addext", f"subjectAltName=DNS:{HOST},IP:192.0.2.1")
    openssl("req", "-new", "-key", "key.pem", *asked, "-addext", "tlsfeature=status_request", "-out", "r.pem")
    (row,) = run_netkit("tls", "inspect", str(folder / "r.pem"), "--json").json
    (item,) = row["items"]
    assert item["subject"] == f"CN={HOST},O=Grüße"
    assert (item["sans"]["dns_names"], item["sans"]["ip_addresses"]) == ([HOST], ["192.0.2.1"])
    assert (item["must_staple"], item["signature_valid"]) == (True, True)


@pytest.fixture(scope="module")
def listed(openssl: Openssl, folder: Path) -> str:
    """A revocation list of the root with one entry, made by `openssl ca`."""
    (folder / "index.txt").write_text("")
    (folder / "number").write_text("1A\n")
    settings = ("database=index.txt", "crlnumber=number", "default_md=sha256", "default_crl_days=30")
    (folder / "ca.cnf").write_text("\n".join(("[ca]", "default_ca=x", "[x]", *settings)))
    how = ("ca", "-config", "ca.cnf", "-keyfile", "root-key.pem", "-cert", "root.pem")
    openssl(*how, "-revoke", "middle.pem", "-crl_reason", "superseded")
    openssl(*how, "-gencrl", "-out", "list.crl")
    return str(folder / "list.crl")


def test_a_revocation_list_of_openssl(listed: str, folder: Path, openssl: Openssl) -> None:
    chain = str(folder / "chain.pem")
    revocations, certificates = run_netkit("tls", "inspect", listed, chain, "--json").json
    (item,) = revocations["items"]
    assert (item["list_number"], item["revoked_count"], item["signature_valid"]) == ("26", 1, True)
    assert item["revoked"][0]["reason"] == "superseded"
    assert item["revoked"][0]["serial"] == MIDDLE.certificate.serial_hex
    found = [each["revocation"] is not None for each in certificates["items"]]
    assert found == [False, True, False]
    assert "verify OK" in run_for_error(folder, "crl", "-in", "list.crl", "-CAfile", "root.pem", "-noout")


def run_for_error(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [require_peer("openssl"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def test_what_is_told_of_a_certificate_is_what_openssl_tells(openssl: Openssl, folder: Path) -> None:
    (row,) = run_netkit("tls", "inspect", str(folder / "leaf.pem"), "--json").json
    found = row["items"][0]["certificate"]
    wanted = ("-serial", "-fingerprint", "-sha256", "-subject", "-issuer", "-dates", "-nameopt", "RFC2253")
    told = dict(
        line.split("=", 1)
        for line in openssl("x509", "-in", "leaf.pem", "-noout", *wanted, "-dateopt", "iso_8601").splitlines()
    )
    assert told["serial"] == found["serial"].replace(":", "")
    assert told["sha256 Fingerprint"].replace(":", "").lower() == found["sha256"]
    assert (told["subject"], told["issuer"]) == (found["subject"], found["issuer"])
    assert told["notAfter"].replace(" ", "T") == found["not_after"]


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("--host", HOST), ("-verify_hostname", HOST)),
        (("--host", "x.example"), ("-verify_hostname", "x.example")),
        (("--at", "2100-01-01"), ("-attime", "4102444800")),
        (("--client",), ("-purpose", "sslclient")),
    ],
)
def test_the_verdict_is_the_one_of_openssl_verify(
    arguments: tuple[str, ...], extra: tuple[str, ...], folder: Path
) -> None:
    how = ("verify", "-CAfile", "root.pem", "-untrusted", "middle.pem", *extra, "leaf.pem")
    accepted = "leaf.pem: OK" in run_for_error(folder, *how)
    chain, ca = str(folder / "chain.pem"), str(folder / "root.pem")
    result = run_netkit("tls", "inspect", chain, "--ca", ca, *arguments, "--json")
    assert result.json[0]["accepted"] is accepted
    assert result.exit_code == (0 if accepted else 5)


def test_what_is_written_here_is_read_by_openssl(openssl: Openssl, folder: Path, tmp_path: Path) -> None:
    openssl("crl2pkcs7", "-nocrl", "-certfile", "chain.pem", "-outform", "DER", "-out", "bag.p7c")
    bag, key = str(folder / "bag.p7c"), str(folder / "key.pem")
    out = str(tmp_path / "out.pem")
    assert run_netkit("tls", "inspect", "--pem", "--with-key", bag, key, "-o", out).exit_code == 0
    told = run_for_error(folder, "verify", "-CAfile", "root.pem", "-untrusted", out, out)
    assert f"{out}: OK" in told
    assert "ASN1 OID: prime256v1" in run_for_error(folder, "pkey", "-in", out, "-text_pub", "-noout")


def test_a_public_key_of_openssl(openssl: Openssl, folder: Path) -> None:
    openssl("pkey", "-in", "key.pem", "-pubout", "-ec_conv_form", "compressed", "-out", "public.pem")
    files = (str(folder / "public.pem"), str(folder / "chain.pem"))
    (row, _) = run_netkit("tls", "inspect", *files, "--json").json
    assert row["items"][0]["certificates"] == [LEAF.certificate.fingerprint_sha256]


def test_trust_settings_are_kept(openssl: Openssl, folder: Path) -> None:
    openssl("x509", "-in", "root.pem", "-trustout", "-addreject", "serverAuth", "-out", "t")
    (found,) = read_certificates(folder / "t")
    assert found == ROOT.certificate
    assert found.trust is not None
    assert found.trust.distrusts("serverAuth")


def test_kinds_of_keys(openssl: Openssl, folder: Path) -> None:
    """What openssl says of a key is what is shown."""
    cases: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
        "ed448": (("genpkey", "-algorithm", "ED448"), {"algorithm": "Ed448", "bits": 456, "curve": None}),
        "p521": (
            ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
            {"algorithm": "EC", "bits": 521, "curve": "P-521"},
        ),
        "rsa": (
            ("genrsa", "-traditional", "1024"),
            {"algorithm": "RSA", "bits": 1024, "curve": None},
        ),
    }
    for name, (arguments, key) in cases.items():
        (folder / name).write_text(openssl(*arguments))
        (row,) = run_netkit("tls", "inspect", str(folder / name), "--json").json
        assert row["items"][0]["key"] == key
