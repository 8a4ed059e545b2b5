"""The messages of `netkit.tls.hello`: read, written, asked; and what is wrong with them, with its octet."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from netkit.tls.errors import TlsError
from netkit.tls.hello import (
    Alpn,
    CertificateMessage,
    CertificateRequest,
    CipherSuite,
    ClientCertificateType,
    ClientHello,
    EncryptedClientHello,
    ExtensionType,
    Flag,
    KeyShares,
    Malformed,
    MalformedMessage,
    NamedGroup,
    PreSharedKeys,
    ProtocolVersion,
    PskMode,
    RecordSizeLimit,
    ServerHello,
    ServerName,
    SignatureScheme,
    StatusRequest,
    SupportedGroups,
    SupportedVersions,
    UnexpectedMessage,
    Unknown,
    ja3,
    ja4,
    to_records,
    without_grease,
)
from netkit.tls.hello.codes import RETRY_RANDOM
from netkit.tls.hello.fingerprint import ja3_text
from tests.tls.hellos import EVERY, FULL, OF_TLS12, OF_TLS13, RANDOM, RETRY, hellos, of_openssl

OPENSSL = of_openssl()[5:]
TLS13 = ProtocolVersion(0x0304)


class TestCodes:
    def test_names_and_numbers(self) -> None:
        for kind in (CipherSuite, NamedGroup, SignatureScheme, ExtensionType, ProtocolVersion, PskMode):
            known = kind.known()
            assert known
            names = {code.name for code in known}
            assert len(names) == len(known), f"{kind.__name__}: a name twice"
            for code in known:
                assert kind.of(code.name) == kind.of(code.name.lower()) == code
                assert not code.is_grease
                assert code.is_known

    @pytest.mark.parametrize(
        ("number", "name"),
        [
            (0x0000, "TLS_NULL_WITH_NULL_NULL"),
            (0x000A, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
            (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
            (0x001B, "TLS_DH_anon_WITH_3DES_EDE_CBC_SHA"),
            (0x002B, "TLS_KRB5_EXPORT_WITH_RC4_40_MD5"),
            (0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA"),
            (0x0040, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256"),
            (0x006B, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
            (0x0095, "TLS_RSA_PSK_WITH_AES_256_CBC_SHA"),
            (0x00A7, "TLS_DH_anon_WITH_AES_256_GCM_SHA384"),
            (0x00B9, "TLS_RSA_PSK_WITH_NULL_SHA384"),
            (0x00C5, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA256"),
            (0x00FF, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
            (0x1305, "TLS_AES_128_CCM_8_SHA256"),
            (0xC019, "TLS_ECDH_anon_WITH_AES_256_CBC_SHA"),
            (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            (0xC03B, "TLS_ECDHE_PSK_WITH_NULL_SHA384"),
            (0xC09B, "TLS_ECDHE_PSK_WITH_CAMELLIA_256_CBC_SHA384"),
            (0xC0AB, "TLS_PSK_DHE_WITH_AES_256_CCM_8"),
            (0xC0AF, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"),
            (0xCCAE, "TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256"),
            (0xD005, "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256"),
        ],
    )
    def test_each_run_of_suites_ends_where_it_should(self, number: int, name: str) -> None:
        assert CipherSuite(number).name == name
        assert CipherSuite.of(name) == number

    def test_numbers_without_a_name(self) -> None:
        assert CipherSuite(0x00C8).name == "0x00C8"
        assert CipherSuite.of("0x00c8") == 0xC8
        assert NamedGroup(0x2A2A).name == "GREASE_2A2A"
        assert NamedGroup.of("grease_2a2a") == 0x2A2A
        assert ProtocolVersion(0x7F1C).name == "TLS 1.3 draft 28"
        assert repr(NamedGroup(29)) == "<NamedGroup x25519>"
        assert f"{NamedGroup(29)}" == "x25519"

    def test_grease(self) -> None:
        of_two_octets = [number for number in range(0x10000) if NamedGroup(number).is_grease]
        assert of_two_octets == [0x0A0A + 0x1010 * i for i in range(16)]  # RFC 8701 section 2
        assert [n for n in range(256) if PskMode(n).is_grease] == [0x0B + 0x1F * i for i in range(8)]
        assert without_grease(NamedGroup.all_of([0x0A0A, 29, 0xFAFA])) == (29,)

    @pytest.mark.parametrize("text", ["", "x", "0x", "0xzz", "grease_", "x25520", "0x10000"])
    def test_no_such_name(self, text: str) -> None:
        with pytest.raises(ValueError, match="NamedGroup"):
            NamedGroup.of(text)

    @pytest.mark.parametrize("number", [-1, 65536])
    def test_no_such_number(self, number: int) -> None:
        with pytest.raises(ValueError, match="does not fit"):
            CipherSuite(number)

    @pytest.mark.parametrize(
        ("openssl", "name"),
        [
            ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
            ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
            ("AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
            ("DES-CBC3-SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
            ("PSK-AES128-CBC-SHA", "TLS_PSK_WITH_AES_128_CBC_SHA"),
            ("SRP-RSA-AES-256-CBC-SHA", "TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA"),
            ("ECDHE-ARIA128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256"),
            ("DHE-PSK-AES256-CCM8", "TLS_PSK_DHE_WITH_AES_256_CCM_8"),
        ],
    )
    def test_names_of_openssl(self, openssl: str, name: str) -> None:
        suite = CipherSuite.of(openssl)
        assert (suite.name, suite.openssl_name) == (name, openssl)

    def test_suites_without_a_name_of_openssl(self) -> None:
        assert CipherSuite.of("TLS_KRB5_WITH_RC4_128_SHA").openssl_name is None
        assert CipherSuite.of("TLS_FALLBACK_SCSV").openssl_name is None
        assert CipherSuite(0x0A0A).openssl_name is None

    def test_suites_of_tls13_and_signals(self) -> None:
        assert CipherSuite.of("TLS_AES_128_GCM_SHA256").is_tls13
        assert not CipherSuite.of("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256").is_tls13
        assert [suite.name for suite in CipherSuite.known() if suite.is_signal] == [
            "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
            "TLS_FALLBACK_SCSV",
        ]

    def test_they_pickle(self) -> None:
        back = pickle.loads(pickle.dumps(FULL))
        assert back == FULL
        assert type(back.cipher_suites[0]) is CipherSuite

    def test_the_random_of_a_retry_request(self) -> None:
        assert hashlib.sha256(b"HelloRetryRequest").digest() == RETRY_RANDOM  # RFC 8446 section 4.1.3


class TestClientHello:
    def test_of_openssl(self) -> None:
        hello = ClientHello.parse(OPENSSL)
        assert hello.to_bytes() == OPENSSL
        assert hello.server_name == "example.com"
        assert hello.alpn == ("h2", "http/1.1")
        assert TLS13 in hello.versions
        assert NamedGroup.of("x25519") in hello.groups
        assert hello.key_share_groups
        assert SignatureScheme.of("ed25519") in hello.signature_schemes
        assert hello.has("extended_master_secret")
        assert not hello.faults

    def test_every_extension(self) -> None:
        hello = ClientHello.parse(FULL.to_bytes())
        assert hello == FULL
        assert hello.to_bytes() == FULL.to_bytes()
        for extension in EVERY:
            assert type(hello.find(type(extension))) is type(extension)
        ech = hello.find(EncryptedClientHello)
        assert ech is not None
        assert ech.config_id == 77
        assert without_grease(hello.groups) == NamedGroup.all_of(["X25519MLKEM768", "x25519", "secp256r1"])

    @given(hellos())
    def test_written_and_read_again(self, hello: ClientHello) -> None:
        octets = hello.to_bytes()
        again = ClientHello.parse(octets)
        assert again == hello
        assert again.to_bytes() == octets
        lenient = ClientHello.parse(octets, lenient=True)
        assert lenient == hello
        assert not lenient.faults

    def test_before_there_were_extensions(self) -> None:
        hello = ClientHello(
            RANDOM, CipherSuite.all_of([0x0035]), legacy_version=ProtocolVersion(0x0300), has_extensions=False
        )
        octets = hello.to_bytes()
        assert len(octets) == 4 + 2 + 32 + 1 + 4 + 2
        assert ClientHello.parse(octets) == hello
        assert hello.versions == (0x0300,)
        assert (hello.server_name, hello.alpn, hello.groups) == (None, (), ())
        assert ClientHello.parse(ClientHello(RANDOM, hello.cipher_suites).to_bytes()).has_extensions

    def test_a_name_of_another_type(self) -> None:
        names = ServerName(((9, b"\xff"), (0, b"a.example")))
        hello = FULL.with_extensions(names)
        assert ClientHello.parse(hello.to_bytes()).find(ServerName) == names
        assert hello.server_name == "a.example"
        assert FULL.with_extensions(ServerName(((9, b"x"),))).server_name is None

    def test_another_message(self) -> None:
        with pytest.raises(UnexpectedMessage, match="a server_hello message where a client_hello"):
            ClientHello.parse(b"\x02" + OPENSSL[1:])


class TestOffer:
    def test_what_is_asked_for(self) -> None:
        hello = ClientHello.offer(
            RANDOM,
            server_name="example.com",
            versions=["TLS 1.3"],
            suites=["TLS_AES_128_GCM_SHA256", 0x1302],
            groups=["X25519MLKEM768", "P-256"],
            alpn=["h2", b"\x0a\x0a"],
            key_shares={"P-256": b"\x04" + bytes(64)},
            session_id=bytes(32),
        )
        again = ClientHello.parse(hello.to_bytes())
        assert again == hello
        assert again.server_name == "example.com"
        assert again.versions == (TLS13,)
        assert again.legacy_version == 0x0303
        assert again.cipher_suites == (0x1301, 0x1302)
        assert again.groups == (0x11EC, 0x0017)
        assert again.key_share_groups == (0x0017,)
        assert again.alpn == ("h2", "\n\n")
        assert not again.has("renegotiation_info")
        assert not again.has("ec_point_formats")

    def test_of_old_versions_only(self) -> None:
        hello = ClientHello.offer(RANDOM, versions=["TLS 1.2", "TLS 1.0"], suites=[0x002F], groups=[])
        assert hello.legacy_version == 0x0303
        assert not hello.has("supported_versions")
        assert not hello.has("key_share")
        assert not hello.has("supported_groups")
        assert hello.has("renegotiation_info")
        older = ClientHello.offer(RANDOM, versions=["TLS 1.0"])
        assert older.legacy_version == 0x0301
        assert not older.has("signature_algorithms")

    def test_more_takes_the_place_of_its_type(self) -> None:
        psk = PreSharedKeys(EVERY[-1].identities, EVERY[-1].binders)  # type: ignore[attr-defined]
        hello = ClientHello.offer(
            RANDOM, more=[psk, Alpn((b"h2",)), SupportedGroups(NamedGroup.all_of([23]))]
        )
        assert hello.groups == (23,)
        assert hello.alpn == ("h2",)
        assert hello.extensions[-1] == psk
        assert ClientHello.parse(hello.to_bytes()) == hello
        assert not hello.without_extension("pre_shared_key").has("pre_shared_key")

    def test_a_name_that_is_no_name(self) -> None:
        with pytest.raises(ValueError, match="NamedGroup: unknown name 'x25520'"):
            ClientHello.offer(RANDOM, groups=["x25520"])
        with pytest.raises(ValueError, match="ascii"):
            ClientHello.offer(RANDOM, server_name="bücher.example")


def with_data(kind: int, data: bytes) -> bytes:
    """The hello of OpenSSL, with this extension at its front."""
    hello = ClientHello.parse(OPENSSL).without_extension(kind)
    unknown = Unknown(ExtensionType(kind), data)
    return ClientHello(
        hello.random, hello.cipher_suites, (unknown, *hello.extensions), hello.session_id
    ).to_bytes()


#: Malformed data of extensions: the type, the data, what is said, and the octet in the data.
MALFORMED = [
    (0, b"", "the length of server_name_list is cut off", 0),
    (0, b"\x00\x00", "server_name_list has 0 octets, and at least 1 are needed", 0),
    (0, b"\x00\x05\x00\x00\x03a", "server_name_list has 5 octets where 4 are left", 0),
    (0, b"\x00\x04\x00\x00\x02a", "the name has 2 octets where 1 are left", 3),
    (0, b"\x00\x03\x00\x00\x00", "the name has 0 octets, and at least 1 are needed", 3),
    (0, b"\x00\x08\x00\x00\x01a\x00\x00\x01b", "two names of the same type", 6),
    (0, b"\x00\x04\x00\x00\x01\x00", "a host name with a character that no host name has", 2),
    (0, b"\x00\x06\x00\x00\x03a/b", "a host name with a character that no host name has", 2),
    (0, b"\x00\x05\x00\x00\x02..", "a host name that is too long, or has an empty label", 2),
    (0, b"\x00\x07\x00\x00\x04.a.b", "a host name that is too long, or has an empty label", 2),
    (0, b"\x01\x03\x00\x01\x00" + b"a" * 256, "a host name that is too long, or has an empty label", 2),
    (5, b"\x01\x00\x00", "the length of request_extensions is cut off", 3),
    (10, b"\x00\x00", "named_group_list has 0 octets, and at least 2 are needed", 0),
    (10, b"\x00\x03\x00\x1d\x00", "named_group_list has 3 octets, which is no multiple of 2", 0),
    (10, b"\x00\x02\x00\x1d\x00", "1 octets too many", 4),
    (11, b"\x00", "ec_point_format_list has 0 octets, and at least 1 are needed", 0),
    (13, b"\x00\x04\x04\x03", "supported_signature_algorithms has 4 octets where 2 are left", 0),
    (16, b"\x00\x01\x00", "protocol_name_list has 1 octets, and at least 2 are needed", 0),
    (16, b"\x00\x02\x00\x00", "a protocol's name has 0 octets, and at least 1 are needed", 2),
    (23, b"\x00", "1 octets too many", 0),
    (27, b"\x01\x00", "algorithms has 1 octets, and at least 2 are needed", 0),
    (28, b"\x40", "RecordSizeLimit has 2 octets where 1 are left", 0),
    (43, b"\x03\x03\x04\x03", "versions has 3 octets, which is no multiple of 2", 0),
    (44, b"\x00\x00", "cookie has 0 octets, and at least 1 are needed", 0),
    (45, b"\x00", "ke_modes has 0 octets, and at least 1 are needed", 0),
    (51, b"\x00\x05\x00\x1d\x00\x00\x00", "key_exchange has 0 octets, and at least 1 are needed", 4),
    (0xFE0D, b"\x07", "type 7, where only 0 (outer) and 1 (inner) are defined", 0),
    (0xFE0D, b"\x00\x00\x01\x00\x03\x05\x00\x00\x00\x00", "payload has 0 octets, and at least 1", 8),
    (0xFE0D, b"\x01\x00", "1 octets too many", 1),
    (0xFF01, b"\x01", "renegotiated_connection has 1 octets where 0 are left", 0),
]


class TestMalformed:
    @pytest.mark.parametrize(("kind", "data", "problem", "offset"), MALFORMED)
    def test_an_extension(self, kind: int, data: bytes, problem: str, offset: int) -> None:
        octets = with_data(kind, data)
        with pytest.raises(MalformedMessage) as raised:
            ClientHello.parse(octets)
        error = raised.value
        assert problem in error.problem
        assert error.part == ExtensionType(kind).name
        assert (
            error.offset
            == octets.index(kind.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data) + 4 + offset
        )
        assert error.alert == 50
        assert error.fault == "peer"

    @pytest.mark.parametrize(("kind", "data", "problem", "offset"), MALFORMED)
    def test_the_rest_is_read_all_the_same(self, kind: int, data: bytes, problem: str, offset: int) -> None:
        del offset
        octets = with_data(kind, data)
        hello = ClientHello.parse(octets, lenient=True)
        assert hello.to_bytes() == octets
        first, *others = hello.extensions
        assert isinstance(first, Malformed)
        assert (first.type, first.data) == (kind, data)
        assert hello.faults == (first.error,)
        assert problem in str(first.error)
        sound = ClientHello.parse(OPENSSL).without_extension(kind)
        assert others == list(sound.extensions)
        if kind != 0:
            assert hello.server_name == "example.com"

    def test_cut_off(self) -> None:
        for end in range(len(OPENSSL)):
            with pytest.raises(MalformedMessage):
                ClientHello.parse(OPENSSL[:end])

    def test_cut_off_with_a_length_that_says_so(self) -> None:
        for end in range(4, len(OPENSSL)):
            cut = b"\x01" + (end - 4).to_bytes(3, "big") + OPENSSL[4:end]
            try:
                hello = ClientHello.parse(cut, lenient=True)
            except MalformedMessage as error:
                assert error.offset <= end
            else:
                assert hello.faults or not hello.has_extensions

    def test_octets_behind_the_message(self) -> None:
        with pytest.raises(MalformedMessage, match="2 octets too many"):
            ClientHello.parse(OPENSSL + b"\x00\x00")

    def test_octets_behind_the_extensions(self) -> None:
        longer = b"\x01" + (len(OPENSSL) - 4 + 3).to_bytes(3, "big") + OPENSSL[4:] + b"abc"
        with pytest.raises(MalformedMessage, match=r"they have \d+ octets where \d+ are left"):
            ClientHello.parse(longer)
        hello = ClientHello.parse(longer, lenient=True)
        assert len(hello.faults) == 1
        assert hello.extensions == ClientHello.parse(OPENSSL).extensions

    def test_twice(self) -> None:
        twice = ClientHello(RANDOM, FULL.cipher_suites, (ServerName.of("a"), ServerName.of("b")))
        with pytest.raises(MalformedMessage, match="a second server_name") as raised:
            ClientHello.parse(twice.to_bytes())
        assert raised.value.alert == 47
        lenient = ClientHello.parse(twice.to_bytes(), lenient=True)
        assert lenient.to_bytes() == twice.to_bytes()
        assert lenient.server_name == "a"
        assert len(lenient.faults) == 1

    def test_something_behind_pre_shared_key(self) -> None:
        wrong = ClientHello(RANDOM, FULL.cipher_suites, (EVERY[-1], RecordSizeLimit(64)))
        with pytest.raises(MalformedMessage, match="record_size_limit follows pre_shared_key"):
            ClientHello.parse(wrong.to_bytes())
        assert ClientHello.parse(wrong.to_bytes(), lenient=True).find(RecordSizeLimit) is not None

    def test_binders_without_identities(self) -> None:
        psk = PreSharedKeys(EVERY[-1].identities, (bytes(32),))  # type: ignore[attr-defined]
        with pytest.raises(MalformedMessage, match="1 binders for 2 identities"):
            ClientHello.parse(FULL.with_extensions(psk).to_bytes())

    def test_fields_before_the_extensions(self) -> None:
        body = bytearray(OPENSSL)
        body[38] = 33
        with pytest.raises(MalformedMessage, match="legacy_session_id has 33 octets, and at most 32"):
            ClientHello.parse(bytes(body), lenient=True)
        none = ClientHello(RANDOM, ()).to_bytes()
        with pytest.raises(MalformedMessage, match="cipher_suites has 0 octets, and at least 2"):
            ClientHello.parse(none)

    @given(st.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        message = b"\x01" + len(data).to_bytes(3, "big") + data
        for lenient in (False, True):
            try:
                hello = ClientHello.parse(message, lenient=lenient)
            except MalformedMessage as error:
                assert 0 <= error.offset <= len(message)
                assert pickle.loads(pickle.dumps(error)).args == error.args
            else:
                assert lenient or hello.to_bytes() == message

    @given(st.data())
    def test_damaged(self, data: st.DataObject) -> None:
        octets = bytearray(FULL.to_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            octets[data.draw(st.integers(4, len(octets) - 1))] = data.draw(st.integers(0, 255))
        try:
            hello = ClientHello.parse(bytes(octets))
        except MalformedMessage:
            try:
                assert ClientHello.parse(bytes(octets), lenient=True).faults
            except MalformedMessage:
                pass
        else:
            assert hello.to_bytes() == octets
            assert ClientHello.parse(bytes(octets), lenient=True) == hello

    def test_too_long_to_write(self) -> None:
        with pytest.raises(ValueError, match="longer than a length of 2 octets can say"):
            FULL.with_extensions(Unknown(ExtensionType(9), bytes(65536))).to_bytes()


class TestServerMessages:
    def test_of_tls13(self) -> None:
        hello = ServerHello.parse(OF_TLS13.to_bytes())
        assert hello == OF_TLS13
        assert (hello.version, hello.group, hello.is_retry_request) == (TLS13, 29, False)
        assert hello.downgraded_from is None

    def test_retry_request(self) -> None:
        hello = ServerHello.parse(RETRY.to_bytes())
        assert hello == RETRY
        assert hello.is_retry_request
        assert hello.group == NamedGroup.of("secp384r1")

    def test_of_tls12(self) -> None:
        hello = ServerHello.parse(OF_TLS12.to_bytes())
        assert hello == OF_TLS12
        assert (hello.version, hello.group, hello.alpn) == (0x0303, None, "h2")
        assert hello.downgraded_from == TLS13

    def test_without_extensions(self) -> None:
        hello = ServerHello(RANDOM, CipherSuite(0x002F), has_extensions=False)
        assert ServerHello.parse(hello.to_bytes()) == hello

    def test_two_protocols_chosen(self) -> None:
        octets = ServerHello(RANDOM, CipherSuite(0x002F), (Alpn((b"h2", b"h3")),)).to_bytes()
        with pytest.raises(MalformedMessage, match="a server chooses exactly one protocol"):
            ServerHello.parse(octets)
        assert len(ServerHello.parse(octets, lenient=True).faults) == 1

    def test_certificates(self) -> None:
        sent = CertificateMessage((b"not looked into", b"\x30\x00"))
        assert CertificateMessage.parse(sent.to_bytes()) == sent
        assert CertificateMessage.parse(CertificateMessage(()).to_bytes()).certificates == ()
        with pytest.raises(MalformedMessage, match="a certificate has 0 octets"):
            CertificateMessage.parse(b"\x0b\x00\x00\x06\x00\x00\x03\x00\x00\x00")

    def test_a_request_for_certificates(self) -> None:
        types = ClientCertificateType.all_of(["rsa_sign", "ecdsa_sign"])
        sent = CertificateRequest(types, SignatureScheme.all_of(["ed25519"]), (b"\x30\x00",))
        assert CertificateRequest.parse(sent.to_bytes()) == sent
        older = CertificateRequest(types, None, (b"\x30\x00",))
        assert CertificateRequest.parse(older.to_bytes(), 0x0301) == older

    @given(st.binary(max_size=200), st.sampled_from([2, 11, 13]))
    def test_anything(self, data: bytes, kind: int) -> None:
        message = bytes((kind,)) + len(data).to_bytes(3, "big") + data
        readers: dict[int, Callable[[bytes], ServerHello | CertificateMessage | CertificateRequest]]
        readers = {2: ServerHello.parse, 11: CertificateMessage.parse, 13: CertificateRequest.parse}
        try:
            made = readers[kind](message)
        except MalformedMessage:
            return
        assert made.to_bytes() == message


class TestFingerprints:
    def test_ja3(self) -> None:
        hello = ClientHello.offer(
            RANDOM, versions=["TLS 1.2"], suites=[0x0A0A, 0xC02F, 0x35], groups=[29, 23]
        )
        assert ja3_text(hello) == "771,49199-53,23-65281-10-11-13,29-23,0"
        assert ja3(hello) == hashlib.md5(ja3_text(hello).encode()).hexdigest()

    def test_ja4(self) -> None:
        hello = ClientHello.offer(
            RANDOM,
            server_name="a.example",
            versions=[0x1A1A, "TLS 1.3"],
            suites=[0x1302, 0x0A0A, 0x1301],
            schemes=[0x0804, 0x0403],
            alpn=["h2"],
        )
        head, suites, rest = ja4(hello).split("_")
        # server_name, supported_groups, ALPN, signature_algorithms, versions, PSK modes, key_share; and these
        # three, because GREASE does not make it an old client: none.
        assert head == f"t13d02{len(hello.extensions):02}h2"
        assert suites == hashlib.sha256(b"1301,1302").hexdigest()[:12]
        expected = ",".join(sorted(f"{e.type:04x}" for e in hello.extensions if e.type not in (0, 16)))
        assert rest == hashlib.sha256(f"{expected}_0804,0403".encode()).hexdigest()[:12]

    def test_the_order_of_extensions_is_nothing_to_ja4(self) -> None:
        shuffled = ClientHello(FULL.random, FULL.cipher_suites, EVERY[5:-1] + EVERY[:5])
        straight = ClientHello(FULL.random, FULL.cipher_suites, EVERY[:-1])
        assert ja4(shuffled) == ja4(straight)
        assert ja3(shuffled) != ja3(straight)

    def test_of_a_client_that_says_nothing(self) -> None:
        hello = ClientHello(RANDOM, CipherSuite.all_of([0x0A0A]))
        assert ja4(hello) == "t12i000000_000000000000_000000000000"

    def test_letters_of_an_odd_protocol(self) -> None:
        hello = ClientHello.offer(RANDOM, alpn=[b"\xab\xcd"])
        assert ja4(hello).split("_")[0].endswith("ad")


class TestFields:
    def test_what_a_constructor_takes(self) -> None:
        kind = ExtensionType(9)
        assert Unknown(kind) == Unknown(kind, b"") == Unknown(type=kind, data=b"")
        assert Unknown(kind, b"x").replace(data=b"y") == Unknown(kind, b"y")
        wrong: list[Callable[[], object]] = [
            lambda: Unknown(data=b""),  # type: ignore[call-arg]
            lambda: Unknown(kind, b"", 3),  # type: ignore[call-arg]
            lambda: Unknown(kind, type=kind),  # type: ignore[misc]
            lambda: Unknown(kind, size=3),  # type: ignore[call-arg]
        ]
        for make in wrong:
            with pytest.raises(TypeError, match="Unknown"):
                make()

    def test_what_is_compared(self) -> None:
        fault, other = MalformedMessage("a", "b", 1), MalformedMessage("a", "b", 2)
        assert Malformed(ExtensionType(9), b"", fault) == Malformed(ExtensionType(9), b"", other)
        assert Flag(ExtensionType(9)) != Unknown(ExtensionType(9))
        assert len({FULL, ClientHello.parse(FULL.to_bytes()), FULL.replace(faults=(fault,))}) == 1
        assert repr(Flag(ExtensionType(23))) == "Flag(type=<ExtensionType extended_master_secret>)"


def test_unknown_kinds_inside_known_extensions() -> None:
    """A status_request of another type, and the inner half of an encrypted hello, are kept as they are."""
    hello = FULL.with_extensions(
        Unknown(StatusRequest.type, b"\x02anything"), Unknown(EncryptedClientHello.type, b"\x01")
    )
    assert ClientHello.parse(hello.to_bytes()) == hello


def test_the_errors_are_tls_errors() -> None:
    with pytest.raises(TlsError.HandshakeFailed) as raised:
        ClientHello.parse(b"\x01\x00\x00\x02\x03")
    assert raised.value.stage == "tls"
    assert "octet" in str(raised.value)
    assert KeyShares().write() == b"\x00\x00"
    assert SupportedVersions((TLS13,)).write() == b"\x02\x03\x04"
    assert to_records(b"abc", fragment=2) == b"\x16\x03\x03\x00\x02ab\x16\x03\x03\x00\x01c"
    with pytest.raises(ValueError, match="a fragment has 1 to 16384 octets"):
        to_records(b"abc", fragment=0)
