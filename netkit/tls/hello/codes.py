"""The numbers of TLS and their names, both ways: IANA's "TLS Parameters" and "TLS Extensions" registries.

Each table is an `int` subclass and not an `enum`: a number that nobody has assigned is a member too, because
a peer may send it, and three hundred names load in no time. Names are IANA's own. The numbers that RFC 8701
reserves for nonsense are called `GREASE_0A0A`; others without a name are hexadecimal.

    CipherSuite(0x1301).name                        "TLS_AES_128_GCM_SHA256"
    NamedGroup.of("x25519")                         NamedGroup(0x001D), which is equal to 29
    NamedGroup.of(0x1A1A).is_grease                 True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

#: How a caller may write a code: its number, or its name.
CodeLike: TypeAlias = "int | str"


class Code(int):
    """A number of one of the tables: compares and hashes as the number it is."""

    __slots__ = ()

    #: How many octets it has on the wire.
    size: ClassVar[int] = 2
    _names: ClassVar[dict[int, str]] = {}
    #: Names that others have for the same numbers, in lower case.
    _aliases: ClassVar[dict[str, int]] = {}
    _numbers: ClassVar[dict[str, int]] = {}

    def __init_subclass__(cls) -> None:
        names = {name.lower(): number for number, name in cls._names.items()}
        cls._numbers = {**names, **cls._aliases}

    def __new__(cls, number: int) -> Self:
        if not 0 <= number < 1 << 8 * cls.size:
            raise ValueError(f"{cls.__name__}: {number} does not fit in {cls.size} octets")
        return int.__new__(cls, number)

    @classmethod
    def of(cls, code: CodeLike) -> Self:
        """The code that a number or a name stands for. Case does not matter; `"0x1301"` is a number too.

        Raises ValueError for an unknown name and for a number out of range.
        """
        if isinstance(code, int):
            return cls(code)
        wanted = code.strip().lower()
        number = cls._numbers.get(wanted)
        if number is None:
            digits = wanted.removeprefix("grease_") if wanted.startswith("grease_") else wanted[2:]
            if not wanted.startswith(("0x", "grease_")) or not digits.isalnum():
                raise ValueError(f"{cls.__name__}: unknown name {code!r}")
            try:
                number = int(digits, 16)
            except ValueError:
                raise ValueError(f"{cls.__name__}: {code!r} is no hexadecimal number") from None
        return cls(number)

    @classmethod
    def read(cls, number: int) -> Self:
        """The code of a number that is known to fit, because it was read from as many octets."""
        return int.__new__(cls, number)

    @classmethod
    def all_of(cls, codes: Iterable[CodeLike]) -> tuple[Self, ...]:
        """Several codes, each given by number or name. Raises ValueError."""
        return tuple([cls.of(code) for code in codes])

    @classmethod
    def known(cls) -> tuple[Self, ...]:
        """Every code that has a name, by number."""
        return tuple(cls(number) for number in sorted(cls._names))

    @property
    def name(self) -> str:
        """IANA's name; `GREASE_` and the number, or the number alone, where there is none."""
        name = self._names.get(self)
        if name is not None:
            return name
        digits = f"{int(self):0{2 * self.size}X}"
        return f"GREASE_{digits}" if self.is_grease else f"0x{digits}"

    @property
    def is_known(self) -> bool:
        """Whether it has a name."""
        return self in self._names

    @property
    def is_grease(self) -> bool:
        """Whether RFC 8701 reserves it, for a peer that wants to see unknown numbers ignored."""
        return self.size == 2 and self & 0x0F0F == 0x0A0A and self >> 8 == self & 0xFF

    @property
    def octets(self) -> bytes:
        """The number as it stands on the wire."""
        return self.to_bytes(self.size, "big")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def without_grease(codes: Iterable[Code]) -> tuple[Code, ...]:
    """The codes that RFC 8701 does not reserve, in their order."""
    return tuple([code for code in codes if not code.is_grease])


class ContentType(Code):
    """What a record carries (RFC 8446 section 5.1)."""

    __slots__ = ()
    size = 1
    _names: ClassVar = {
        20: "change_cipher_spec",
        21: "alert",
        22: "handshake",
        23: "application_data",
        24: "heartbeat",
    }


class HandshakeType(Code):
    """What a handshake message is (RFC 8446 section 4, RFC 5246 section 7.4)."""

    __slots__ = ()
    size = 1
    _names: ClassVar = {
        0: "hello_request",
        1: "client_hello",
        2: "server_hello",
        4: "new_session_ticket",
        5: "end_of_early_data",
        8: "encrypted_extensions",
        11: "certificate",
        12: "server_key_exchange",
        13: "certificate_request",
        14: "server_hello_done",
        15: "certificate_verify",
        16: "client_key_exchange",
        20: "finished",
        21: "certificate_url",
        22: "certificate_status",
        24: "key_update",
        25: "compressed_certificate",
        254: "message_hash",
    }


class ProtocolVersion(Code):
    """A version on the wire, those included that `TlsVersion` does not know: SSL 3.0, drafts, GREASE."""

    __slots__ = ()
    _names: ClassVar = {
        0x0002: "SSL 2.0",
        0x0300: "SSL 3.0",
        0x0301: "TLS 1.0",
        0x0302: "TLS 1.1",
        0x0303: "TLS 1.2",
        0x0304: "TLS 1.3",
        0xFEFF: "DTLS 1.0",
        0xFEFD: "DTLS 1.2",
        0xFEFC: "DTLS 1.3",
    }

    @property
    def name(self) -> str:
        if self >> 8 == 0x7F:
            return f"TLS 1.3 draft {self & 0xFF}"
        return super().name


# The curves of RFC 8422 and of the documents that go on from there, from number 1.
_CURVES: Final = (
    "sect163k1 sect163r1 sect163r2 sect193r1 sect193r2 sect233k1 sect233r1 sect239k1 sect283k1 sect283r1"
    " sect409k1 sect409r1 sect571k1 sect571r1 secp160k1 secp160r1 secp160r2 secp192k1 secp192r1 secp224k1"
    " secp224r1 secp256k1 secp256r1 secp384r1 secp521r1 brainpoolP256r1 brainpoolP384r1 brainpoolP512r1"
    " x25519 x448 brainpoolP256r1tls13 brainpoolP384r1tls13 brainpoolP512r1tls13"
    " GC256A GC256B GC256C GC256D GC512A GC512B GC512C curveSM2"
)


class NamedGroup(Code):
    """A group for the key exchange (RFC 8446 section 4.2.7)."""

    __slots__ = ()
    _names: ClassVar = {
        **dict(enumerate(_CURVES.split(), start=1)),
        0x0100: "ffdhe2048",
        0x0101: "ffdhe3072",
        0x0102: "ffdhe4096",
        0x0103: "ffdhe6144",
        0x0104: "ffdhe8192",
        0x0200: "MLKEM512",
        0x0201: "MLKEM768",
        0x0202: "MLKEM1024",
        0x11EB: "SecP256r1MLKEM768",
        0x11EC: "X25519MLKEM768",
        0x11ED: "SecP384r1MLKEM1024",
        0x11EE: "curveSM2MLKEM768",
        0x6399: "X25519Kyber768Draft00",
        0x639A: "SecP256r1Kyber768Draft00",
        0xFF01: "arbitrary_explicit_prime_curves",
        0xFF02: "arbitrary_explicit_char2_curves",
    }
    _aliases: ClassVar = {"p-256": 23, "prime256v1": 23, "p-384": 24, "p-521": 25, "prime192v1": 19}


class SignatureScheme(Code):
    """An algorithm to sign the handshake with (RFC 8446 section 4.2.3), TLS 1.2's pairs included."""

    __slots__ = ()
    _names: ClassVar = {
        0x0101: "rsa_md5",
        0x0201: "rsa_pkcs1_sha1",
        0x0202: "dsa_sha1",
        0x0203: "ecdsa_sha1",
        0x0301: "rsa_sha224",
        0x0302: "dsa_sha224",
        0x0303: "ecdsa_sha224",
        0x0401: "rsa_pkcs1_sha256",
        0x0402: "dsa_sha256",
        0x0403: "ecdsa_secp256r1_sha256",
        0x0420: "rsa_pkcs1_sha256_legacy",
        0x0501: "rsa_pkcs1_sha384",
        0x0502: "dsa_sha384",
        0x0503: "ecdsa_secp384r1_sha384",
        0x0520: "rsa_pkcs1_sha384_legacy",
        0x0601: "rsa_pkcs1_sha512",
        0x0602: "dsa_sha512",
        0x0603: "ecdsa_secp521r1_sha512",
        0x0620: "rsa_pkcs1_sha512_legacy",
        0x0704: "eccsi_sha256",
        0x0705: "iso_ibs1",
        0x0706: "iso_ibs2",
        0x0707: "iso_chinese_ibs",
        0x0708: "sm2sig_sm3",
        0x0709: "gostr34102012_256a",
        0x070A: "gostr34102012_256b",
        0x070B: "gostr34102012_256c",
        0x070C: "gostr34102012_256d",
        0x070D: "gostr34102012_512a",
        0x070E: "gostr34102012_512b",
        0x070F: "gostr34102012_512c",
        0x0804: "rsa_pss_rsae_sha256",
        0x0805: "rsa_pss_rsae_sha384",
        0x0806: "rsa_pss_rsae_sha512",
        0x0807: "ed25519",
        0x0808: "ed448",
        0x0809: "rsa_pss_pss_sha256",
        0x080A: "rsa_pss_pss_sha384",
        0x080B: "rsa_pss_pss_sha512",
        0x081A: "ecdsa_brainpoolP256r1tls13_sha256",
        0x081B: "ecdsa_brainpoolP384r1tls13_sha384",
        0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
        0x0904: "mldsa44",
        0x0905: "mldsa65",
        0x0906: "mldsa87",
    }


class ExtensionType(Code):
    """What an extension is about (RFC 8446 section 4.2)."""

    __slots__ = ()
    _names: ClassVar = {
        0: "server_name",
        1: "max_fragment_length",
        2: "client_certificate_url",
        3: "trusted_ca_keys",
        4: "truncated_hmac",
        5: "status_request",
        6: "user_mapping",
        7: "client_authz",
        8: "server_authz",
        9: "cert_type",
        10: "supported_groups",
        11: "ec_point_formats",
        12: "srp",
        13: "signature_algorithms",
        14: "use_srtp",
        15: "heartbeat",
        16: "application_layer_protocol_negotiation",
        17: "status_request_v2",
        18: "signed_certificate_timestamp",
        19: "client_certificate_type",
        20: "server_certificate_type",
        21: "padding",
        22: "encrypt_then_mac",
        23: "extended_master_secret",
        24: "token_binding",
        25: "cached_info",
        26: "tls_lts",
        27: "compress_certificate",
        28: "record_size_limit",
        29: "pwd_protect",
        30: "pwd_clear",
        31: "password_salt",
        32: "ticket_pinning",
        33: "tls_cert_with_extern_psk",
        34: "delegated_credential",
        35: "session_ticket",
        36: "TLMSP",
        37: "TLMSP_proxying",
        38: "TLMSP_delegate",
        39: "supported_ekt_ciphers",
        41: "pre_shared_key",
        42: "early_data",
        43: "supported_versions",
        44: "cookie",
        45: "psk_key_exchange_modes",
        47: "certificate_authorities",
        48: "oid_filters",
        49: "post_handshake_auth",
        50: "signature_algorithms_cert",
        51: "key_share",
        52: "transparency_info",
        54: "connection_id",
        55: "external_id_hash",
        56: "external_session_id",
        57: "quic_transport_parameters",
        58: "ticket_request",
        59: "dnssec_chain",
        60: "sequence_number_encryption_algorithms",
        61: "rrc",
        62: "tls_flags",
        13172: "next_protocol_negotiation",
        17513: "application_settings_old",
        17613: "application_settings",
        30032: "channel_id",
        0xFD00: "ech_outer_extensions",
        0xFE0D: "encrypted_client_hello",
        0xFF01: "renegotiation_info",
    }
    _aliases: ClassVar = {"alpn": 16, "sni": 0, "sct": 18, "ech": 0xFE0D}


class PskMode(Code):
    """How a pre-shared key may be used (RFC 8446 section 4.2.9)."""

    __slots__ = ()
    size = 1
    _names: ClassVar = {0: "psk_ke", 1: "psk_dhe_ke"}
    _grease: ClassVar = frozenset((0x0B, 0x2A, 0x49, 0x68, 0x87, 0xA6, 0xC5, 0xE4))

    @property
    def is_grease(self) -> bool:
        return self in self._grease


class PointFormat(Code):
    """How a point of a curve is written (RFC 8422 section 5.1.2)."""

    __slots__ = ()
    size = 1
    _names: ClassVar = {0: "uncompressed", 1: "ansiX962_compressed_prime", 2: "ansiX962_compressed_char2"}


class CertificateCompression(Code):
    """How a Certificate message may be compressed (RFC 8879 section 7.3)."""

    __slots__ = ()
    _names: ClassVar = {1: "zlib", 2: "brotli", 3: "zstd"}


class ClientCertificateType(Code):
    """The kind of key that a client certificate should have (RFC 5246 section 7.4.4, RFC 8422)."""

    __slots__ = ()
    size = 1
    _names: ClassVar = {
        1: "rsa_sign",
        2: "dss_sign",
        3: "rsa_fixed_dh",
        4: "dss_fixed_dh",
        5: "rsa_ephemeral_dh",
        6: "dss_ephemeral_dh",
        20: "fortezza_dms",
        64: "ecdsa_sign",
        65: "rsa_fixed_ecdh",
        66: "ecdsa_fixed_ecdh",
        67: "gost_sign256",
        68: "gost_sign512",
    }


#: ServerHello.random of a HelloRetryRequest: the SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3).
RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
