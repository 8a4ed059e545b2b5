"""What a backend must show for each capability that it claims: one function each, over two sessions.

A case gets the names of the client's and the server's backend. At least one of them is the one that is being
tested; the other has the capability of its side too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.identity import Identity
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.versions import TlsVersion
from tests.tls import pki
from tests.tls.conformance.ends import (
    HOST,
    authority,
    client_config,
    client_identity,
    connected,
    identity,
    join,
    server_config,
    versions,
)

if TYPE_CHECKING:
    from netkit.tls.backend import ResumableSession
    from netkit.tls.x509.certificate import Certificate

Case = Callable[[str, str], None]

_CASES: dict[Capability, Case] = {}


def case(capability: Capability) -> Callable[[Case], Case]:
    """Name the function that shows `capability`."""

    def note(function: Case) -> Case:
        assert capability not in _CASES
        _CASES[capability] = function
        return function

    return note


def _version(version: TlsVersion) -> Case:
    def show(client: str, server: str) -> None:
        only = {"min_version": version, "max_version": version}
        ends = connected(client_config(client, **only), server_config(server, **only))
        assert ends.client.version is ends.server.version is version
        assert ends.say(b"ping") == b"ping"
        assert ends.say(b"pong", from_server=True) == b"pong"

    return show


for _capability, _of in (
    (Capability.Tls10, TlsVersion.Tls10),
    (Capability.Tls11, TlsVersion.Tls11),
    (Capability.Tls12, TlsVersion.Tls12),
    (Capability.Tls13, TlsVersion.Tls13),
):
    _CASES[_capability] = _version(_of)


@case(Capability.CipherList)
def _cipher_list(client: str, server: str) -> None:
    only = {"max_version": TlsVersion.Tls12}
    chosen = client_config(client, cipher_suites="ECDHE+AESGCM:!AES128", **only)
    ends = connected(chosen, server_config(server, **only))
    assert ends.client.cipher == "ECDHE-ECDSA-AES256-GCM-SHA384"
    refused = join(chosen, server_config(server, cipher_suites="ECDHE-ECDSA-CHACHA20-POLY1305", **only))
    refused.shake_hands()
    assert isinstance(refused.server_error, TlsError.NoCipherSuites)


@case(Capability.Tls13Suites)
def _tls13_suites(client: str, server: str) -> None:
    suites = ("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")
    both = [suite for suite in suites if _takes(client, server, tls13_cipher_suites=(suite,))]
    assert both
    for suite in both:
        ends = connected(client_config(client, tls13_cipher_suites=(suite,)), server_config(server))
        assert ends.client.cipher == suite
        ends = connected(client_config(client), server_config(server, tls13_cipher_suites=(suite,)))
        assert ends.client.cipher == suite


@case(Capability.Groups)
def _groups(client: str, server: str) -> None:
    tells = Capability.GroupName
    p384 = _takes(client, server, groups=("secp384r1",))
    for group in [
        one for one in ("secp384r1", "x25519", "secp256r1") if _takes(client, server, groups=(one,))
    ]:
        ends = connected(client_config(client, groups=(group,)), server_config(server))
        if _has(client, "client", tells):
            assert ends.client.group == group
    both = ("secp384r1" if p384 else "x25519", "secp256r1")
    ends = connected(client_config(client, groups=both), server_config(server, groups=both[1:]))
    if _has(server, "server", tells):
        assert ends.server.group == "secp256r1"
    refused = join(client_config(client, groups=both[:1]), server_config(server, groups=both[1:]))
    refused.shake_hands()
    assert refused.server_error is not None


@case(Capability.PostQuantum)
def _post_quantum(client: str, server: str) -> None:
    ends = connected(client_config(client), server_config(server))
    # The client's first share has 1,216 octets, the server's 1,120 (draft-ietf-tls-ecdhe-mlkem).
    assert ends.to_server > 1216
    assert ends.to_client > 1120
    if _has(client, "client", Capability.GroupName):
        assert ends.client.group == "X25519MLKEM768"


@case(Capability.SignatureAlgorithms)
def _signature_algorithms(client: str, server: str) -> None:
    connected(client_config(client, signature_algorithms=("ecdsa_secp256r1_sha256",)), server_config(server))
    refused = join(client_config(client, signature_algorithms=("ed25519",)), server_config(server))
    refused.shake_hands()
    assert refused.server_error is not None


@case(Capability.GroupName)
def _group_name(client: str, server: str) -> None:
    ends = connected(client_config(client), server_config(server))
    told = {
        end.group
        for name, role, end in ((client, "client", ends.client), (server, "server", ends.server))
        if _has(name, role, Capability.GroupName)
    }
    assert len(told) == 1
    assert told <= {"X25519MLKEM768", "x25519", "secp256r1"}


@case(Capability.SignatureScheme)
def _signature_scheme(client: str, server: str) -> None:
    ends = connected(client_config(client), server_config(server))
    if _has(client, "client", Capability.SignatureScheme):
        assert ends.client.signature_scheme == "ecdsa_secp256r1_sha256"


@case(Capability.Exporter)
def _exporter(client: str, server: str) -> None:
    for version in versions(client, server):
        only = {"min_version": version, "max_version": version}
        ends = connected(client_config(client, **only), server_config(server, **only))
        mine = ends.client.export_keying_material(b"EXPORTER-test", b"context", 48)
        assert len(mine) == 48
        assert mine == ends.server.export_keying_material(b"EXPORTER-test", b"context", 48)
        assert mine != ends.client.export_keying_material(b"EXPORTER-other", b"context", 48)
        without = ends.client.export_keying_material(b"EXPORTER-test", None, 32)
        empty = ends.client.export_keying_material(b"EXPORTER-test", b"", 32)
        # RFC 5705 section 4 tells them apart; RFC 8446 section 7.5 does not.
        assert (without == empty) is (version is TlsVersion.Tls13)
        assert without == ends.server.export_keying_material(b"EXPORTER-test", None, 32)


@case(Capability.ExtendedMasterSecret)
def _extended_master_secret(client: str, server: str) -> None:
    for version in versions(client, server):
        only = {"min_version": version, "max_version": version}
        ends = connected(client_config(client, **only), server_config(server, **only))
        if _has(client, "client", Capability.ExtendedMasterSecret):
            assert ends.client.extended_master_secret is True
        if _has(server, "server", Capability.ExtendedMasterSecret):
            assert ends.server.extended_master_secret is True


def _first_session(client: str, server: str, version: TlsVersion, **of_server: Any) -> ResumableSession:
    ends = connected(*_resuming(client, server, version, **of_server))
    assert not ends.client.resumed
    # Tickets of TLS 1.3 come after the handshake, in front of what the server says.
    assert ends.say(b"x", from_server=True) == b"x"
    sessions = list(ends.client.take_sessions())
    assert sessions
    return sessions[-1]


_stores: dict[str, MemorySessionStore] = {}


def _resuming(client: str, server: str, version: TlsVersion, **of_server: Any) -> tuple[TlsConfig, TlsConfig]:
    only = {"min_version": version, "max_version": version}
    store = _stores.setdefault(client, MemorySessionStore())
    return client_config(client, session_store=store, **only), server_config(server, **only, **of_server)


@case(Capability.Resumption)
def _resumption(client: str, server: str) -> None:
    for version in versions(client, server):
        session = _first_session(client, server, version)
        assert session.backend == client
        again = connected(*_resuming(client, server, version), resume=session)
        assert again.client.resumed is True
        assert again.server.resumed is True
        assert again.say(b"ping") == b"ping"


@case(Capability.SessionBytes)
def _session_bytes(client: str, server: str) -> None:
    assert _first_session(client, server, TlsVersion.Tls13).data


@case(Capability.Tickets)
def _tickets(client: str, server: str) -> None:
    config = client_config(client, session_store=MemorySessionStore())
    ends = connected(config, server_config(server, tickets=0))
    ends.say(b"x", from_server=True)
    assert not list(ends.client.take_sessions())


@case(Capability.OptionalClientAuth)
def _optional_client_auth(client: str, server: str) -> None:
    asking = server_config(
        server,
        verify_mode=CertVerifyMode.Full,
        root_certs=(authority().certificate,),
        client_auth_optional=True,
    )
    without = connected(client_config(client), asking)
    assert without.server.peer_chain == ()
    with_one = connected(_with_identity(client), asking)
    assert with_one.server.peer_chain[0] == client_identity().certificate


def _asking(server: str, **changes: Any) -> TlsConfig:
    """A server that asks for a certificate of the authority."""
    roots = (authority().certificate,)
    return server_config(server, verify_mode=CertVerifyMode.Full, root_certs=roots, **changes)


def _with_identity(client: str) -> TlsConfig:
    one = client_identity()
    return client_config(client).with_identity(one.chain, one.key)


@case(Capability.ClientAuthRequest)
def _client_auth_request(client: str, server: str) -> None:
    for version in versions(client, server):
        only = {"min_version": version, "max_version": version}
        asked = connected(
            _with_identity(client).replace(**only),
            server_config(
                server, verify_mode=CertVerifyMode.Full, root_certs=(authority().certificate,), **only
            ),
        ).client.client_certificate_requested
        assert asked is not None
        plain = connected(client_config(client, **only), server_config(server, **only))
        assert plain.client.client_certificate_requested is None


@case(Capability.VerifierInside)
def _verifier_inside(client: str, server: str) -> None:
    seen: list[tuple[tuple[Certificate, ...], str | None]] = []

    def refuse(chain: tuple[Certificate, ...], name: str | None) -> None:
        seen.append((chain, name))
        raise TlsError.CertificateVerificationFailed("not the one that was pinned")

    judged = client_config(client, root_certs=(), verify_mode=CertVerifyMode.Custom, verifier=refuse)
    ends = join(judged, server_config(server)).shake_hands()
    assert isinstance(ends.client_error, TlsError.CertificateVerificationFailed)
    assert "not the one that was pinned" in str(ends.client_error)
    assert isinstance(ends.server_error, TlsError.AlertReceived)
    assert len(seen) == 1
    assert seen[0][0][0] == identity().certificate


@case(Capability.Crls)
def _crls(client: str, server: str) -> None:
    root = pki.issue("an authority with a list", ca=True)
    leaf = pki.issue(HOST, root, sans=(HOST,))
    serial = x509.load_der_x509_certificate(leaf.certificate.der_data).serial_number

    def listing(revoked: int) -> bytes:
        day, now = timedelta(days=1), datetime.now(UTC)
        entry = x509.RevokedCertificateBuilder(revoked, now - day).build()
        builder = x509.CertificateRevocationListBuilder(root.name, now - day, now + day)
        builder = builder.add_revoked_certificate(entry)
        # RFC 5280 section 5.2 demands both; webpki insists.
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        return builder.sign(root.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def checking(revoked: int) -> TlsConfig:
        return client_config(client, root_certs=(root.certificate,), crls=(listing(revoked),))

    shown = server_config(server, Identity((leaf.certificate,), leaf.private_key))
    connected(checking(serial + 1), shown)
    ends = join(checking(serial), shown).shake_hands()
    assert isinstance(ends.client_error, TlsError.CertificateVerificationFailed)
    assert "revoked" in str(ends.client_error)


@case(Capability.KeyLog)
def _key_log(client: str, server: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "keys")
        connected(client_config(client, key_log=path), server_config(server))
        with open(path, encoding="ascii") as file:
            labels = {line.split()[0] for line in file if not line.startswith("#")}
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"} <= labels


@case(Capability.Ocsp)
def _ocsp(client: str, server: str) -> None:
    response = b"\x30\x03\x0a\x01\x03"  # an OCSPResponse: tryLater (RFC 6960 section 4.2.1)
    stapling = server_config(server, ocsp_response=response)
    assert connected(client_config(client, request_ocsp=True), stapling).client.ocsp_response == response
    plain = connected(client_config(client, request_ocsp=True), server_config(server))
    assert not plain.client.ocsp_response


@case(Capability.EarlyData)
def _early_data(client: str, server: str) -> None:
    settings = {"max_early_data": 16384}
    session = _first_session(client, server, TlsVersion.Tls13, **settings)
    assert session.max_early_data

    ends = join(*_resuming(client, server, TlsVersion.Tls13, **settings), resume=session)
    request = b"GET / HTTP/1.1\r\n\r\n"
    assert ends.client.write_early_data(memoryview(request)) == len(request)
    ends.client.handshake()
    flight = ends.client.take_output()
    ends.server.feed(flight)
    ends.server.handshake()
    early = ends.server.read_early_data()
    ends.shake_hands()
    assert ends.good, (ends.client_error, ends.server_error)
    assert early + ends.server.read_early_data() == request
    assert ends.client.early_data_accepted is True
    assert ends.say(b"late") == b"late"
    # Somebody on the path sends the first flight again: nothing of it is taken (RFC 8446 section 8).
    replayed = join(*_resuming(client, server, TlsVersion.Tls13, **settings)).server
    replayed.feed(flight)
    replayed.handshake()
    assert replayed.read_early_data() == b""


@case(Capability.HalfRtt)
def _half_rtt(client: str, server: str) -> None:
    """What the server answers is there, and read, before the client's Finished (RFC 8446 section 4.4.4)."""
    settings = {"max_early_data": 16384, "half_rtt": True}
    session = _first_session(client, server, TlsVersion.Tls13, **settings)
    ends = join(*_resuming(client, server, TlsVersion.Tls13, **settings), resume=session)
    assert ends.client.write_early_data(memoryview(b"question")) == 8
    ends.client.handshake()
    ends.server.feed(ends.client.take_output())
    assert not ends.server.handshake()
    assert ends.server.read_early_data() == b"question"
    assert ends.server.resumed
    assert ends.server.version is TlsVersion.Tls13
    answer = b"answer" * 10_000
    assert ends.server.write(memoryview(answer)) == len(answer)

    # The client has it all before it says anything more. Its Finished comes later, and what follows it.
    ends.client.feed(ends.server.take_output())
    assert ends.client.handshake()
    heard = b""
    while got := ends.client.read(65536):
        heard += got
    assert heard == answer
    assert not ends.server.handshake()
    ends.move()
    assert ends.server.handshake()
    assert ends.server.read_early_data() == b""
    ends.move()
    assert ends.say(b"late") == b"late"
    assert ends.say(b"and answered", from_server=True) == b"and answered"


@case(Capability.CertificateCompression)
def _certificate_compression(client: str, server: str) -> None:
    many = identity("a-name-that-is-long-enough-to-be-worth-compressing.server.test")
    plain = connected(client_config(client, verify_mode=CertVerifyMode.None_), server_config(server, many))
    for algorithm in ("zlib", "brotli", "zstd"):
        wanted = {"certificate_compression": (algorithm,)}
        ends = connected(
            client_config(client, verify_mode=CertVerifyMode.None_, **wanted),
            server_config(server, many, **wanted),
        )
        assert ends.client.peer_chain[0] == many.certificate
        assert ends.to_client < plain.to_client


@case(Capability.KeyUpdate)
def _key_update(client: str, server: str) -> None:
    ends = connected(client_config(client), server_config(server))
    for side, role, name in ((ends.client, "client", client), (ends.server, "server", server)):
        if _has(name, role, Capability.KeyUpdate):
            side.update_keys()
            assert ends.say(b"there", from_server=role == "server") == b"there"
            assert ends.say(b"and back", from_server=role == "client") == b"and back"


def _takes(client: str, server: str, **setting: Any) -> bool:
    """Whether no end that has the capability refuses the value: not every provider has every algorithm."""
    configs = (client_config(client, **setting), server_config(server, **setting))
    reasons = [reason for config in configs for reason in find_backend(config.backend or "").refusals(config)]
    return not any("its provider has nothing" in reason.reason for reason in reasons)


def _has(backend: str, role: str, capability: Capability) -> bool:
    return capability in find_backend(backend).capabilities("client" if role == "client" else "server")


CASES: Final = dict(_CASES)

#: Capabilities that two sessions of this machine cannot show, and where they are shown.
ELSEWHERE: Final = {
    Capability.Ech: "with a server in Go, in tests/interop",
    Capability.Scts: "a handshake's SCTs come from public logs",
    Capability.KernelTls: "where the kernel's keys are tested",
    Capability.Fips: "where OpenSSL's FIPS provider is loaded",
    Capability.PlatformVerifier: "on macOS and Windows",
}
