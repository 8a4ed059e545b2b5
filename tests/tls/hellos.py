"""Hellos for tests: what OpenSSL sends here and now, one with every extension, and strategies for more."""

from __future__ import annotations

import ssl
from functools import cache

from hypothesis import strategies as st

from netkit.tls.hello import (
    Alert,
    Alpn,
    CertificateAuthorities,
    CertificateCompression,
    CertificateMessage,
    CertificateRequest,
    CertificateSignatureAlgorithms,
    CipherSuite,
    ClientCertificateType,
    ClientHello,
    CompressCertificate,
    ContentType,
    Cookie,
    DelegatedCredential,
    EncryptedClientHello,
    Extension,
    ExtensionType,
    Flag,
    Handshake,
    HandshakeType,
    KeyShare,
    KeyShares,
    Malformed,
    MalformedMessage,
    NamedGroup,
    PointFormat,
    PointFormats,
    PreSharedKeys,
    ProtocolVersion,
    PskIdentity,
    PskMode,
    PskModes,
    Record,
    RecordSizeLimit,
    RenegotiationInfo,
    RequestedGroup,
    SelectedPsk,
    SelectedVersion,
    ServerHello,
    ServerName,
    SessionTicket,
    SignatureAlgorithms,
    SignatureScheme,
    SignedTimestamps,
    StatusRequest,
    SupportedGroups,
    SupportedVersions,
    Unknown,
)
from netkit.tls.hello.codes import RETRY_RANDOM, Code

RANDOM = bytes(range(32))


@cache
def of_openssl(server_name: str | None = "example.com", alpn: tuple[str, ...] = ("h2", "http/1.1")) -> bytes:
    """What the standard library's OpenSSL sends first: the records of its hello."""
    context = ssl.create_default_context()
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def groups(*names: str) -> tuple[NamedGroup, ...]:
    return NamedGroup.all_of(names)


#: One of each extension that a client has, well-formed, the last one at the end.
EVERY: tuple[Extension, ...] = (
    ServerName.of("www.example.com"),
    StatusRequest((b"\x01\x02",), b"\x30\x00"),
    SupportedGroups(groups("GREASE_2A2A", "X25519MLKEM768", "x25519", "P-256")),
    PointFormats((PointFormat(0), PointFormat(7))),
    SignatureAlgorithms(SignatureScheme.all_of(["ed25519", 0x0A0A, 0x1234])),
    CertificateSignatureAlgorithms(SignatureScheme.all_of(["rsa_pkcs1_sha256"])),
    DelegatedCredential(SignatureScheme.all_of(["ecdsa_secp256r1_sha256"])),
    Alpn((b"h2", b"\x0a\x0a", b"http/1.1")),
    Flag(ExtensionType.of("signed_certificate_timestamp")),
    Flag(ExtensionType.of("encrypt_then_mac")),
    Flag(ExtensionType.of("extended_master_secret")),
    CompressCertificate(CertificateCompression.all_of(["brotli", "zstd"])),
    RecordSizeLimit(16385),
    SessionTicket(b"a ticket"),
    Flag(ExtensionType.of("early_data")),
    SupportedVersions(ProtocolVersion.all_of([0x7A7A, "TLS 1.3", 0x7F1C])),
    Cookie(b"a cookie"),
    PskModes((PskMode(1), PskMode(0x0B))),
    CertificateAuthorities((b"\x30\x00", b"\x30\x01\x00")),
    Flag(ExtensionType.of("post_handshake_auth")),
    KeyShares((KeyShare(NamedGroup(0x2A2A), b"\x00"), KeyShare(NamedGroup.of("x25519"), bytes(32)))),
    EncryptedClientHello(1, 3, 77, bytes(32), b"the inner hello, encrypted"),
    Unknown(ExtensionType(0x1A1A), b""),
    Unknown(ExtensionType.of("padding"), bytes(9)),
    RenegotiationInfo(),
    PreSharedKeys((PskIdentity(b"one", 5), PskIdentity(b"two", 0xFFFFFFFF)), (bytes(32), bytes(48))),
)

FULL = ClientHello(RANDOM, CipherSuite.all_of([0x3A3A, "TLS_AES_128_GCM_SHA256", 0x00FF]), EVERY, bytes(32))

OF_TLS13 = ServerHello(
    RANDOM,
    CipherSuite(0x1301),
    (
        SelectedVersion(ProtocolVersion.of("TLS 1.3")),
        KeyShare(NamedGroup.of("x25519"), bytes(32)),
        SelectedPsk(1),
    ),
    bytes(32),
)
RETRY = ServerHello(
    RETRY_RANDOM,
    CipherSuite(0x1302),
    (
        SelectedVersion(ProtocolVersion.of("TLS 1.3")),
        RequestedGroup(NamedGroup.of("secp384r1")),
        Cookie(b"again"),
    ),
)
OF_TLS12 = ServerHello(
    RANDOM[:24] + b"DOWNGRD\x01",
    CipherSuite(0xC02F),
    (
        Flag(ExtensionType.of("server_name")),
        RenegotiationInfo(),
        Alpn((b"h2",)),
        SignedTimestamps((b"one", b"two")),
        Flag(ExtensionType.of("extended_master_secret")),
    ),
)
SERVER_HELLOS = (OF_TLS13, RETRY, OF_TLS12)

#: Values of every class.
VALUES = (
    FULL,
    *EVERY,
    PskIdentity(b"one", 5),
    Malformed(ExtensionType(0), b"\x00", MalformedMessage("server_name", "it is cut off", 50)),
    *(value for hello in SERVER_HELLOS for value in (hello, *hello.extensions)),
    CertificateMessage((b"one", b"two")),
    CertificateRequest(ClientCertificateType.all_of(["rsa_sign"]), None, (b"\x30\x00",)),
    Handshake(HandshakeType(14), b"\x0e\x00\x00\x00"),
    Record(ContentType(22), ProtocolVersion.of("TLS 1.2"), b"\x0e\x00\x00\x00"),
    Alert.fatal(112),
)


def codes(kind: type[Code], most: int = 8) -> st.SearchStrategy[tuple[Code, ...]]:
    """One to `most` codes of a table, assigned or not."""
    number = st.integers(0, (1 << 8 * kind.size) - 1)
    return st.lists(number, min_size=1, max_size=most).map(kind.all_of)


_short = st.binary(min_size=1, max_size=20)
_labels = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]{1,8}){0,3}", fullmatch=True)
_shares = st.builds(KeyShare, st.integers(0, 0xFFFF).map(NamedGroup), _short)
_identities = st.builds(PskIdentity, _short, st.integers(0, 2**32 - 1))

#: A strategy for each extension but the last.
_EACH: tuple[st.SearchStrategy[Extension], ...] = (
    st.builds(ServerName.of, _labels),
    st.builds(StatusRequest, st.lists(_short, max_size=3).map(tuple), st.binary(max_size=9)),
    st.builds(SupportedGroups, codes(NamedGroup)),
    st.builds(PointFormats, codes(PointFormat)),
    st.builds(SignatureAlgorithms, codes(SignatureScheme)),
    st.builds(Alpn, st.lists(_short, min_size=1, max_size=4).map(tuple)),
    st.builds(SupportedVersions, codes(ProtocolVersion)),
    st.builds(PskModes, codes(PskMode)),
    st.builds(KeyShares, st.lists(_shares, max_size=3).map(tuple)),
    st.builds(Cookie, _short),
    st.builds(SessionTicket, st.binary(max_size=30)),
    st.builds(CompressCertificate, codes(CertificateCompression)),
    st.builds(RenegotiationInfo, st.binary(max_size=36)),
    st.builds(
        EncryptedClientHello,
        *(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 255)),
        *(st.binary(max_size=32), _short),
    ),
    st.builds(Unknown, st.just(ExtensionType(0x4A4A)), st.binary(max_size=30)),
    st.just(Flag(ExtensionType(23))),
)


@st.composite
def extensions(draw: st.DrawFn) -> tuple[Extension, ...]:
    """Some extensions of a ClientHello, each of its own type, pre_shared_key last if it is there."""
    chosen = draw(st.lists(st.sampled_from(_EACH), max_size=4, unique_by=id))
    made = [draw(each) for each in chosen]
    identities = draw(st.lists(_identities, max_size=2))
    if identities:
        made.append(PreSharedKeys(tuple(identities), tuple(bytes(32 + i) for i in range(len(identities)))))
    return tuple(made)


def hellos() -> st.SearchStrategy[ClientHello]:
    """Well-formed hellos."""
    return st.builds(
        ClientHello,
        st.binary(min_size=32, max_size=32),
        codes(CipherSuite, 20),
        extensions(),
        st.binary(max_size=32),
        st.integers(0, 0xFFFF).map(ProtocolVersion),
        st.binary(min_size=1, max_size=3),
    )
