"""`netkit tls inspect`: every form of file, what files say together, verdicts, and hostile content."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from hypothesis import given, strategies as st

from netkit.cli.payload.tls.item_sheets import item_pairs, item_words
from netkit.cli.payload.tls.items import Show, item_row
from netkit.tls.files import read_identity
from netkit.tls.files.reading import NothingRead, read_content
from netkit.tls.files.report import report_on
from netkit.tls.x509 import pem
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import encode, join_certificate, split_certificate
from netkit.tls.x509.keys import PrivateKey
from tests.tls.pki import DAY, NOW, issue
from tests.tls.stored import (
    CHAIN,
    DER,
    HOST,
    LEAF,
    MIDDLE,
    PEM,
    ROOT,
    SECRET,
    bag,
    identity,
    key_bytes,
    request,
    revocation_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.helpers import Result

    Netkit = Callable[..., Result]
    Written = Callable[[str, bytes | str], str]

pytestmark = pytest.mark.once


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """`written(name, content)`: the path of a file with this content. The working directory is its folder."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: bytes | str) -> str:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return write


@pytest.fixture
def chain(written: Written) -> str:
    return written("chain.pem", LEAF.pem + MIDDLE.pem)


@pytest.fixture
def wrong(written: Written) -> str:
    return written("wrong.pem", ROOT.pem + LEAF.pem + MIDDLE.pem)


@pytest.fixture
def ca(written: Written) -> str:
    return written("ca.pem", ROOT.pem)


def values(result: Result) -> dict[tuple[str, str], list[str]]:
    """The values of plain lines by kind and name, or by severity and code."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in result.lines:
        _, kind, *rest = line.split("\t")
        if kind in ("error", "warning", "note"):
            found.setdefault((kind, rest[0]), []).append("\t".join(rest[1:]))
        elif kind in ("form", "judge", "verdict"):
            found.setdefault((kind, ""), []).append("\t".join(rest))
        else:
            found.setdefault((kind, rest[1]), []).append("\t".join(rest[2:]))
    return found


def one(result: Result) -> dict[str, Any]:
    (row,) = result.json
    assert row["type"] == "tls.inspect"
    return row


class TestForms:
    def test_plain(self, netkit: Netkit, chain: str) -> None:
        result = netkit("tls", "inspect", chain)
        assert (result.exit_code, result.stderr) == (0, "")
        assert all(line.startswith("chain.pem\t") for line in result.lines)
        found = values(result)
        assert found["form", ""] == ["PEM"]
        assert found["certificate", "subject"] == [f"CN={HOST}", "CN=Middle"]
        assert found["certificate", "SHA-256"] == [each.fingerprint_sha256 for each in CHAIN[:2]]
        assert found["certificate", "found"] == ["line 1", f"line {LEAF.pem.count(chr(10)) + 1}"]
        assert found["verdict", ""] == ["read\t89 days left"]

    @pytest.mark.parametrize("width", [60, 80, 139, 140, 160, 250])
    def test_tables_keep_to_the_width(self, netkit: Netkit, written: Written, width: int) -> None:
        everything = (
            ROOT.pem.encode()
            + LEAF.key_pem.encode()
            + request("a.example", HOST).public_bytes(PEM)
            + revocation_list(1, 2).public_bytes(PEM)
            + LEAF.pem.encode()
            + MIDDLE.pem.encode()
            + b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        )
        path = written("all.pem", everything)
        result = netkit("tls", "inspect", path, tty=True, width=width, env={"NO_COLOR": "1"})
        assert result.exit_code == 0
        assert max(map(len, result.lines)) <= width
        for shown in (
            f"CN={HOST}",
            "Private key 1",
            "EC P-256",
            "belongs to  certificate 4",
            "Certificate request 2",
            "Revocation list 3",
            "keyCompromise",
            "EC PARAMETERS",
            "wrong-order",
            "✓ read: 89 days left",
        ):
            assert shown in result.stdout
        assert ("Certificate 0" in result.stdout) is (width < 140)

    def test_json(self, netkit: Netkit, written: Written) -> None:
        path = written("all.p12", identity())
        secret = written("secret", b"open sesame\nanother line\n")
        row = one(netkit("tls", "inspect", path, "--password-file", secret, "--json"))
        assert (row["form"], row["in_order"], row["accepted"], row["verification"]) == (
            "PKCS #12",
            True,
            None,
            None,
        )
        assert row["chain"] == [each.fingerprint_sha256 for each in CHAIN[:2]]
        leaf, middle, key = row["items"]
        assert [each["item_kind"] for each in row["items"]] == ["certificate", "certificate", "private-key"]
        assert (leaf["name"], middle["name"], leaf["inside"]) == ("fred", None, "PKCS #12")
        assert leaf["certificate"]["subject"] == f"CN={HOST}"
        assert key["key"] == {"algorithm": "EC", "bits": 256, "curve": "P-256"}
        assert key["certificates"] == [LEAF.certificate.fingerprint_sha256]
        assert key["spki_sha256_b64"] == LEAF.certificate.spki_sha256_b64
        assert key["encrypted"] is True

    def test_short(self, netkit: Netkit, written: Written, chain: str, ca: str) -> None:
        key = written("key.pem", LEAF.key_pem)
        result = netkit("tls", "inspect", chain, key, "--short")
        assert result.lines == [f"certificate CN={HOST}", "certificate CN=Middle", "private key EC P-256"]
        assert netkit("tls", "inspect", chain, "--ca", ca, "--short").lines == ["accepted"]
        refused = netkit("tls", "inspect", chain, "--ca", ca, "--host", "x.example", "--short")
        assert (refused.lines, refused.exit_code) == (["wrong-host"], 5)

    def test_several(self, netkit: Netkit, chain: str, wrong: str) -> None:
        result = netkit("tls", "inspect", chain, wrong, "absent.pem", "--json")
        assert result.exit_code == 9
        assert [row["input"] for row in result.json] == [chain, wrong, "absent.pem"]
        assert result.json[2]["error"]["kind"] == "NoSuchFile"
        table = netkit("tls", "inspect", chain, wrong, "absent.pem", tty=True, width=100)
        assert "2 certificates" in table.stdout
        assert "3 certificates" in table.stdout
        assert "no such file" in table.stdout

    def test_standard_input(self, netkit: Netkit) -> None:
        result = netkit("tls", "inspect", "-", "--json", stdin=bag())
        row = one(result)
        assert (row["input"], row["form"]) == ("-", "PKCS #7")
        assert {each["inside"] for each in row["items"]} == {"PKCS #7"}


class TestPem:
    @pytest.mark.parametrize("tty", [False, True])
    def test_a_chain_is_written_in_order(self, netkit: Netkit, wrong: str, tty: bool) -> None:
        result = netkit("tls", "inspect", "--pem", wrong, tty=tty)
        assert tuple(Certificate.from_pem_chain(result.stdout)) == CHAIN
        assert "written in order" in result.stderr
        assert result.exit_code == 0

    @pytest.mark.parametrize("data", [bag(), bag(PEM), b"".join(each.der_data for each in CHAIN[:2])])
    def test_other_forms_become_pem(self, netkit: Netkit, written: Written, data: bytes) -> None:
        result = netkit("tls", "inspect", "--pem", written("bag", data))
        assert tuple(Certificate.from_pem_chain(result.stdout)) == CHAIN[:2]

    def test_a_key_is_written_only_when_asked_for(
        self, netkit: Netkit, written: Written, tmp_path: Path
    ) -> None:
        path = written("identity.p12", identity())
        secret = written("secret", SECRET)
        result = netkit("tls", "inspect", "--pem", path, "--password-file", secret)
        assert "PRIVATE" not in result.stdout
        assert tuple(Certificate.from_pem_chain(result.stdout)) == CHAIN[:2]
        output = tmp_path / "out.pem"
        asked = ("--pem", "--with-key", path, "--password-file", secret)
        assert netkit("tls", "inspect", *asked, "-o", str(output)).exit_code == 0
        assert read_identity(output) == read_identity(path, SECRET)
        (row,) = netkit("tls", "inspect", *asked, "--json").json
        assert PrivateKey.from_pem(row["items"][2]["pem"]) == LEAF.private_key
        assert Certificate.from_pem(row["items"][1]["pem"]) == MIDDLE.certificate

    def test_everything_else_follows(self, netkit: Netkit, written: Written) -> None:
        data = request("a.example").public_bytes(PEM) + revocation_list(1).public_bytes(PEM)
        data += pem.encode("PUBLIC KEY", LEAF.certificate.spki_der).encode() + LEAF.pem.encode()
        result = netkit("tls", "inspect", "--pem", written("file", data))
        labels = [block.label for block in pem.blocks(result.stdout)]
        assert labels == ["CERTIFICATE", "CERTIFICATE REQUEST", "X509 CRL", "PUBLIC KEY"]

    def test_a_secret_is_in_no_other_output(self, netkit: Netkit, written: Written) -> None:
        key = written("key.pem", LEAF.key_pem)
        secret = LEAF.key.private_numbers().private_value.to_bytes(32, "big")
        base64 = "".join(LEAF.key_pem.splitlines()[1:-1])
        for arguments in ([], ["--json"], ["--json", "--pem"], ["--short"], ["-v"], ["--pem"]):
            result = netkit("tls", "inspect", key, *arguments)
            text = result.stdout + result.stderr
            assert secret.hex() not in text.lower().replace(":", "")
            assert base64[40:80] not in text.replace("\n", "").replace("\\n", "")


class TestTogether:
    def test_a_key_and_its_certificate(self, netkit: Netkit, written: Written, chain: str) -> None:
        key = written("key.pem", key_bytes(LEAF.key, password=SECRET))
        secret = written("secret", SECRET)
        result = netkit("tls", "inspect", chain, key, "--password-file", secret)
        assert result.exit_code == 0
        assert values(result)["private-key", "belongs to"] == [f"CN={HOST}"]
        assert values(result)["private-key", "stored as"] == ["PKCS #8, encrypted"]

    def test_a_key_of_no_certificate(self, netkit: Netkit, written: Written, chain: str) -> None:
        key = written("key.pem", ROOT.key_pem)
        result = netkit("tls", "inspect", chain, key, "--json")
        assert result.exit_code == 9
        assert result.json[1]["findings"][0]["code"] == "key-mismatch"
        assert netkit("tls", "inspect", key).exit_code == 0, "there is no certificate to compare with"
        both = written("both.pem", LEAF.pem + ROOT.key_pem)
        result = netkit("tls", "inspect", both)
        assert result.exit_code == 1
        assert values(result)["verdict", ""] == ["wrong\tkey-mismatch"]

    def test_a_key_that_is_locked(self, netkit: Netkit, written: Written, monkeypatch: Any) -> None:
        key = written("key.pem", key_bytes(LEAF.key, password=SECRET))
        row = one(netkit("tls", "inspect", key, "--json"))
        assert (row["items"][0]["locked"], "error" in row) == (True, False)
        wrong_secret = written("wrong", b"sesame")
        result = netkit("tls", "inspect", key, "--password-file", wrong_secret, "--json")
        assert result.exit_code == 8
        assert "password is wrong" in result.json[0]["error"]["message"]
        from_variable = netkit("tls", "inspect", key, env={"NETKIT_KEY_PASSWORD": SECRET.decode()})
        assert values(from_variable)["private-key", "key"] == ["EC P-256"]
        asked: list[str] = []

        def ask(prompt: str) -> str:
            asked.append(prompt)
            return SECRET.decode()

        monkeypatch.setattr("getpass.getpass", ask)
        assert "EC P-256" in netkit("tls", "inspect", key, tty=True).stdout
        assert asked == [f"Password of {key}: "]

    def test_pkcs12_without_its_password(self, netkit: Netkit, written: Written) -> None:
        result = netkit("tls", "inspect", written("id.p12", identity()))
        assert result.exit_code == 8
        assert "needs a password" in result.stderr
        assert "hint: --password-file FILE" in result.stderr

    def test_a_request_and_its_certificate(self, netkit: Netkit, written: Written, chain: str) -> None:
        path = written("request.pem", request(HOST, "192.0.2.1").public_bytes(PEM))
        (row, _) = netkit("tls", "inspect", path, chain, "--json").json
        (item,) = row["items"]
        assert item["subject"] == f"CN={HOST}"
        assert item["sans"]["dns_names"] == [HOST]
        assert item["sans"]["ip_addresses"] == ["192.0.2.1"]
        assert item["signature_valid"] is True
        assert item["certificates"] == [LEAF.certificate.fingerprint_sha256]

    def test_a_request_with_a_wrong_signature(self, netkit: Netkit, written: Written) -> None:
        data = bytearray(request(HOST).public_bytes(DER))
        data[data.index(HOST.encode())] ^= 1
        result = netkit("tls", "inspect", written("request.der", bytes(data)))
        assert result.exit_code == 1
        assert "NOT valid" in result.stdout
        assert values(result)["error", "bad-signature"]

    def test_a_revoked_certificate(self, netkit: Netkit, written: Written, chain: str) -> None:
        listed = revocation_list(LEAF.certificate.serial, 77)
        path = written("list.crl", listed.public_bytes(DER))
        result = netkit("tls", "inspect", path, chain, "--json")
        assert result.exit_code == 9
        revocations, certificates = result.json
        (item,) = revocations["items"]
        assert (item["issuer"], item["revoked_count"], item["list_number"]) == ("CN=Middle", 2, "17")
        assert (item["signature_valid"], item["signed_by"]) == (True, MIDDLE.certificate.fingerprint_sha256)
        assert item["revoked"][1] == {
            "serial": "4D",
            "revoked_at": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "reason": "keyCompromise",
        }
        assert certificates["items"][0]["revocation"]["serial"] == LEAF.certificate.serial_hex
        assert certificates["items"][1]["revocation"] is None
        assert certificates["findings"][0]["code"] == "revoked"
        alone = one(netkit("tls", "inspect", path, "--json"))
        assert alone["items"][0]["signature_valid"] is None
        trusted = netkit("tls", "inspect", path, "--ca", written("middle.pem", MIDDLE.pem), "--json")
        assert one(trusted)["items"][0]["signature_valid"] is True

    def test_a_list_that_its_issuer_did_not_sign(self, netkit: Netkit, written: Written, chain: str) -> None:
        forged = revocation_list(LEAF.certificate.serial, issuer=issue("Middle", ca=True))
        path = written("list.crl", forged.public_bytes(DER))
        result = netkit("tls", "inspect", path, chain, "--json")
        revocations, certificates = result.json
        assert revocations["findings"][0]["code"] == "bad-signature"
        assert revocations["items"][0]["signature_valid"] is False
        assert certificates["items"][0]["revocation"] is None, "a forged list revokes nobody"

    def test_an_old_list(self, netkit: Netkit, written: Written) -> None:
        path = written("list.crl", revocation_list(1).public_bytes(DER))
        result = netkit("tls", "inspect", path, "--at", "+30d")
        assert result.exit_code == 0
        assert values(result)["warning", "outdated-list"]

    @pytest.mark.parametrize(("arguments", "shown"), [([], 12), (["--all"], 30)])
    def test_many_entries(self, netkit: Netkit, written: Written, arguments: list[str], shown: int) -> None:
        path = written("list.crl", revocation_list(*range(1, 31)).public_bytes(DER))
        row = one(netkit("tls", "inspect", path, "--json", *arguments))
        assert (row["items"][0]["revoked_count"], len(row["items"][0]["revoked"])) == (30, shown)
        table = netkit("tls", "inspect", path, *arguments, tty=True)
        assert ("and 18 more (--all)" in table.stdout) is (shown == 12)


class TestVerdict:
    def test_accepted(self, netkit: Netkit, chain: str, ca: str) -> None:
        row = one(netkit("tls", "inspect", chain, "--ca", ca, "--host", HOST, "--json"))
        assert (row["accepted"], row["verification"]["server_name"]) == (True, HOST)
        assert "OpenSSL" in row["verification"]["judge"]
        plain = values(netkit("tls", "inspect", chain, "--ca", ca, "--host", HOST))
        assert plain["judge", ""] == [row["verification"]["judge"]]
        table = netkit("tls", "inspect", chain, "--ca", ca, "--host", HOST, tty=True, width=200)
        assert f"judged by {row['verification']['judge']}" in table.stdout
        assert row["verification"]["path"] == [each.fingerprint_sha256 for each in CHAIN]

    def test_a_chain_in_the_wrong_order_is_judged_in_the_right_one(
        self, netkit: Netkit, wrong: str, ca: str
    ) -> None:
        result = netkit("tls", "inspect", wrong, "--ca", ca, "--host", HOST)
        assert result.exit_code == 0
        assert values(result)["warning", "wrong-order"]
        assert values(result)["verdict", ""][0].startswith("accepted")

    def test_every_reason(self, netkit: Netkit, chain: str, ca: str) -> None:
        result = netkit("tls", "inspect", chain, "--ca", ca, "--host", "x.example", "--at", "+91d")
        assert result.exit_code == 5
        assert values(result)["verdict", ""] == ["refused\texpired, wrong-host"]
        assert "x.example" in values(result)["error", "wrong-host"][0]
        assert result.stderr.startswith("netkit: inspecting chain.pem: the certificate")

    @pytest.mark.parametrize(
        ("moment", "accepted"),
        [
            ((NOW + 89 * DAY).strftime("%Y-%m-%d"), True),
            ((NOW + 95 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ"), False),
            ((NOW - 2 * DAY).isoformat(), False),
            ("+2000h", True),
            ("-3d", False),
        ],
    )
    def test_at_another_moment(
        self, netkit: Netkit, chain: str, ca: str, moment: str, accepted: bool
    ) -> None:
        result = netkit("tls", "inspect", chain, "--ca", ca, "--at", moment, "--json")
        assert (one(result)["accepted"], result.exit_code) == (accepted, 0 if accepted else 5)

    def test_as_a_client(self, netkit: Netkit, written: Written, ca: str) -> None:
        oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")
        path = written("client.pem", issue("me", ROOT, purposes=(oid,)).pem)
        assert netkit("tls", "inspect", path, "--ca", ca, "--client").exit_code == 0
        result = netkit("tls", "inspect", path, "--ca", ca, "--host", "me.example", "--short")
        assert "wrong-purpose" in result.lines

    def test_the_systems_trust(
        self, netkit: Netkit, chain: str, ca: str, written: Written, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", ca)
        monkeypatch.setenv("SSL_CERT_DIR", "nowhere")
        assert netkit("tls", "inspect", chain, "--host", HOST, "--short").lines == ["accepted"]

    def test_a_broken_source_of_trust(
        self, netkit: Netkit, chain: str, written: Written, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = written("roots.pem", f"{ROOT.pem}-----BEGIN CERTIFICATE-----\n")
        monkeypatch.setenv("SSL_CERT_FILE", broken)
        monkeypatch.setenv("SSL_CERT_DIR", "nowhere")
        result = netkit("tls", "inspect", chain, "--host", HOST)
        assert (result.exit_code, result.stdout) == (8, "")
        line = ROOT.pem.count("\n") + 1
        assert f"roots.pem: line {line}: CERTIFICATE does not end" in result.stderr
        assert "hint: SSL_CERT_FILE names it" in result.stderr
        assert netkit("tls", "inspect", chain).exit_code == 0, "nobody asked whom to trust"

    @pytest.mark.parametrize(("days", "code"), [(10, 0), (89, 0), (90, 1)])
    def test_days_that_must_be_left(self, netkit: Netkit, chain: str, days: int, code: int) -> None:
        result = netkit("tls", "inspect", chain, "--warn-days", str(days))
        assert result.exit_code == code
        assert ("under the" in result.stdout) is bool(code)

    def test_a_file_without_a_chain(self, netkit: Netkit, written: Written, ca: str) -> None:
        key = written("key.pem", LEAF.key_pem)
        row = one(netkit("tls", "inspect", key, "--ca", ca, "--json"))
        assert (row["accepted"], row["verification"], row["days_left"]) == (None, None, None)


class TestWrong:
    def test_one_bad_block(self, netkit: Netkit, written: Written) -> None:
        broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"
        path = written("broken.pem", LEAF.pem + broken + MIDDLE.pem)
        line = LEAF.pem.count("\n") + 1
        result = netkit("tls", "inspect", path)
        assert result.exit_code == 8
        assert f"broken.pem: line {line}: not base64" in result.stderr
        assert values(result)["certificate", "subject"] == [f"CN={HOST}", "CN=Middle"]
        assert values(result)["verdict", ""] == ["read in part\t1 item cannot be read"]
        row = one(netkit("tls", "inspect", path, "--json"))
        assert (row["error"]["stage"], row["error"]["kind"]) == ("local", "UnusableFile")
        assert row["items"][1]["problem"]
        assert "read in part" in netkit("tls", "inspect", path, tty=True).stdout

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "it is empty"),
            (os.urandom(64).replace(b"\x30", b"\x31"), "neither PEM nor DER"),
            (b"\xfe\xed\xfe\xed", "a Java keystore"),
            (b"ssh-ed25519 AAAA", "a public key of SSH"),
        ],
    )
    def test_nothing_that_is_known(self, netkit: Netkit, written: Written, data: bytes, words: str) -> None:
        path = written("file", data)
        result = netkit("tls", "inspect", path)
        assert result.exit_code == 8
        assert result.stderr.startswith("netkit: inspecting file: it ")
        assert words in result.stderr
        assert netkit("tls", "inspect", "-", stdin=data).exit_code == 8

    def test_a_folder_and_a_file_that_is_not_there(self, netkit: Netkit, tmp_path: Path) -> None:
        assert netkit("tls", "inspect", str(tmp_path)).exit_code == 8
        assert netkit("tls", "inspect", str(tmp_path / "absent")).exit_code == 8

    def test_a_large_file(self, netkit: Netkit, tmp_path: Path) -> None:
        with open(tmp_path / "large", "wb") as file:
            file.truncate(100 * 1024 * 1024)
        result = netkit("tls", "inspect", str(tmp_path / "large"))
        assert result.exit_code == 8
        assert "larger than the limit of 33,554,432 bytes" in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "FILE is missing"),
            (["f", "--at", "soon"], "is not a moment"),
            (["f", "--at", "+99999999999999d"], "is not a moment"),
            (["f", "--host", "a b"], "not a host name"),
            (["f", "--host", "a.example", "--client"], "exclude each other"),
            (["f", "--with-key"], "--with-key is for --pem"),
            (["f", "--warn-days", "x"], "not a number"),
        ],
    )
    def test_wrong_usage(self, netkit: Netkit, arguments: list[str], words: str) -> None:
        result = netkit("tls", "inspect", *arguments)
        assert result.exit_code == 2, result
        assert words in result.stderr


MUTANTS = [
    LEAF.certificate.der_data,
    request("a.example").public_bytes(DER),
    revocation_list(1, LEAF.certificate.serial).public_bytes(DER),
    bag(),
    key_bytes(LEAF.key, encoding=DER),
    LEAF.certificate.spki_der,
    (LEAF.pem + MIDDLE.pem + LEAF.key_pem).encode(),
]


def with_serial(serial: bytes) -> bytes:
    parts = split_certificate(LEAF.certificate.der_data)
    return join_certificate(parts._replace(serial=encode(0x02, serial)))


class TestHostile:
    def test_a_chain_of_a_thousand(self, netkit: Netkit, written: Written) -> None:
        """A dozen are shown, the others are counted; all are ordered and written."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificates = [issue("0", ca=True, key=key, key_ids=False)]
        for number in range(1, 1000):
            certificates.append(issue(f"n{number}", certificates[-1], ca=True, key=key, key_ids=False))
        path = written("long.pem", "".join(each.pem for each in certificates))
        table = netkit("tls", "inspect", path, tty=True)
        assert table.exit_code == 0
        assert "988 more items (--all shows them)" in table.stdout
        assert table.stdout.count("SHA-256") == 12
        written_out = Certificate.from_pem_chain(netkit("tls", "inspect", "--pem", path).stdout)
        assert written_out == [each.certificate for each in reversed(certificates)]

    @pytest.mark.parametrize("arguments", [[], ["--json"], ["--short"]])
    @pytest.mark.parametrize("tty", [False, True])
    def test_names_cannot_steer_a_terminal(
        self, netkit: Netkit, written: Written, arguments: list[str], tty: bool
    ) -> None:
        name = "x\x1b]0;owned\x07\u202ey"
        evil = issue(name, ROOT, sans=("a.example",), ca=True)
        data = evil.pem.encode() + revocation_list(1, issuer=evil).public_bytes(PEM)
        result = netkit("tls", "inspect", written("evil.pem", data), *arguments, tty=tty)
        text = result.stdout + result.stderr
        for bad in ("\x1b]", "\x07", "\u202e"):
            assert bad not in text

    @pytest.mark.parametrize("width", [80, 160])
    @pytest.mark.parametrize("tty", [False, True])
    def test_a_name_cannot_look_like_several(
        self, netkit: Netkit, written: Written, tty: bool, width: int
    ) -> None:
        """A line break or a comma within a name are shown as such, an empty name as empty."""
        evil = issue("evil", ROOT, sans=("a\nb", "c, d", ""))
        result = netkit("tls", "inspect", written("evil.pem", evil.pem), tty=tty, width=width)
        assert all(name in result.stdout for name in (r"a\nb", r"c,\x20d", '""')), result.stdout

    def test_a_label_cannot_steer_a_terminal(self, netkit: Netkit, written: Written) -> None:
        data = b"-----BEGIN \x1b[31m\xc2\x9b2J-----\nAAAA\n-----END \x1b[31m\xc2\x9b2J-----\n"
        for tty in (False, True):
            result = netkit("tls", "inspect", written("evil.pem", data), tty=tty, env={"NO_COLOR": "1"})
            assert "\x1b" not in result.stdout + result.stderr
            assert "\x9b" not in result.stdout + result.stderr

    @pytest.mark.parametrize(
        ("serial", "shown"),
        [(b"\x80", "-80"), (b"\x00", "00"), (b"\x7f" + bytes(100_000), "7F:00:00")],
    )
    def test_serial_numbers(self, netkit: Netkit, written: Written, serial: bytes, shown: str) -> None:
        path = written("serial.der", with_serial(serial))
        result = netkit("tls", "inspect", path)
        assert result.exit_code == 0
        assert values(result)["certificate", "serial"][0].startswith(shown)
        table = netkit("tls", "inspect", path, tty=True)
        assert len(table.stdout) < 8_000
        assert ("more characters" in table.stdout) is (len(serial) > 9)

    def test_a_malformed_extension_hides_nothing(self, netkit: Netkit, written: Written) -> None:
        parts = split_certificate(LEAF.certificate.der_data)
        usage = bytes.fromhex("300b0603551d0f0404ffffffff")  # a key usage that is no bit string
        raw = parts.extensions[0]._replace(oid="2.5.29.15", value=b"\xff\xff\xff\xff", raw=usage)
        data = join_certificate(parts._replace(extensions=(*parts.extensions, raw)))
        result = netkit("tls", "inspect", written("odd.der", data))
        assert result.exit_code == 0
        found = values(result)
        assert found["certificate", "names"] == [HOST]
        assert "key usage extension cannot be read" in found["certificate", "problem"][0]

    def test_many_bad_blocks_are_counted(self, netkit: Netkit, written: Written) -> None:
        keys = "".join(
            pem.encode("PRIVATE KEY", key_bytes(x25519.X25519PrivateKey.generate(), encoding=DER))
            for _ in range(30)
        )
        row = one(netkit("tls", "inspect", written("keys.pem", LEAF.pem + keys), "--json"))
        assert len(row["findings"]) == 13
        assert row["findings"][-1]["message"] == "18 more of this kind"

    @given(st.data())
    def test_mutated_files_are_shown(self, data: st.DataObject) -> None:
        """Whatever is in a file, a row, a sheet and a line are made of it."""
        octets = bytearray(data.draw(st.sampled_from(MUTANTS)))
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(octets) - 1))
            octets[place] = data.draw(st.sampled_from((0, 1, 0x30, 0x7F, 0x80, 0x82, 0xFF)))
        try:
            content = read_content(bytes(octets), SECRET)
        except NothingRead:
            return
        (report,) = report_on([content], NOW, [ROOT.certificate])
        for index, item in enumerate(content.items):
            show = Show(NOW, pem=True, with_key=True, everything=True)
            assert item_row(report, index, show)["item_kind"] == item.kind.value
            assert item_pairs(report, index, show)
            assert item_words(item)

    def test_more_blocks_than_the_limit(self, netkit: Netkit, written: Written) -> None:
        block = "-----BEGIN X-----\n-----END X-----\n"
        result = netkit("tls", "inspect", written("many.pem", block * 10_001))
        assert result.exit_code == 8
        assert "more than 10,000 things" in result.stderr


def test_a_pipe(netkit_process: Netkit, tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_text(LEAF.pem)
    with open(path, "rb") as file:
        result = netkit_process("tls", "inspect", "-", "--json", stdin=file.read())
    assert one(result)["items"][0]["certificate"]["subject"] == f"CN={HOST}"


def test_the_password_of_a_file_does_not_need_a_line_end(netkit: Netkit, written: Written) -> None:
    path = written("key.pem", key_bytes(LEAF.key, password=SECRET))
    for content in (SECRET, SECRET + b"\n", SECRET + b"\r\n"):
        result = netkit("tls", "inspect", path, "--password-file", written("secret", content))
        assert values(result)["private-key", "key"] == ["EC P-256"]


def test_the_output_with_a_key_is_for_its_owner(netkit: Netkit, written: Written, tmp_path: Path) -> None:
    key = written("key.pem", LEAF.key_pem)
    output = tmp_path / "out.pem"
    assert netkit("tls", "inspect", key, "--pem", "--with-key", "-o", str(output)).exit_code == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
