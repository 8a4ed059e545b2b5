"""The cipher suites: IANA's "TLS Cipher Suites" registry, and a few numbers that were in use without it.

The table holds runs: the first number, and the names from there on.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, ClassVar, Final

from netkit.tls.hello.codes import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def _each(exchanges: str, *ciphers: str) -> Iterator[str]:
    """Every cipher with the first key exchange, then with the second, and so on."""
    return (f"{exchange}_WITH_{cipher}" for exchange, cipher in product(exchanges.split(), ciphers))


_ARIA_CBC: Final = ("ARIA_128_CBC_SHA256", "ARIA_256_CBC_SHA384")
_ARIA_GCM: Final = ("ARIA_128_GCM_SHA256", "ARIA_256_GCM_SHA384")
_CAMELLIA_CBC: Final = ("CAMELLIA_128_CBC_SHA256", "CAMELLIA_256_CBC_SHA384")
_CAMELLIA_GCM: Final = ("CAMELLIA_128_GCM_SHA256", "CAMELLIA_256_GCM_SHA384")
_GCM: Final = ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384")
_CBC: Final = ("AES_128_CBC_SHA256", "AES_256_CBC_SHA384")
_NULLS: Final = ("NULL_SHA256", "NULL_SHA384")
_SHA1: Final = ("RC4_128_SHA", "3DES_EDE_CBC_SHA", "AES_128_CBC_SHA", "AES_256_CBC_SHA")
_CCM: Final = ("AES_128_CCM", "AES_256_CCM")
_CCM_8: Final = ("AES_128_CCM_8", "AES_256_CCM_8")
#: The key exchanges in the order in which most RFCs number them.
_SIX: Final = "RSA DH_DSS DH_RSA DHE_DSS DHE_RSA DH_anon"
_DES: Final = ("EXPORT_WITH_DES40_CBC_SHA", "WITH_DES_CBC_SHA", "WITH_3DES_EDE_CBC_SHA")

_RUNS: Final[tuple[tuple[int, str | Iterable[str]], ...]] = (
    (
        0x0000,  # RFC 5246 and its predecessors
        (
            "NULL_WITH_NULL_NULL RSA_WITH_NULL_MD5 RSA_WITH_NULL_SHA RSA_EXPORT_WITH_RC4_40_MD5"
            " RSA_WITH_RC4_128_MD5 RSA_WITH_RC4_128_SHA RSA_EXPORT_WITH_RC2_CBC_40_MD5 RSA_WITH_IDEA_CBC_SHA"
        ),
    ),
    (0x0008, [f"{e}_{c}" for e, c in product(("RSA", "DH_DSS", "DH_RSA", "DHE_DSS", "DHE_RSA"), _DES)]),
    (0x0017, ("DH_anon_EXPORT_WITH_RC4_40_MD5", "DH_anon_WITH_RC4_128_MD5", *(f"DH_anon_{c}" for c in _DES))),
    (
        0x001E,  # RFC 2712
        (
            *_each("KRB5", "DES_CBC_SHA", "3DES_EDE_CBC_SHA", "RC4_128_SHA", "IDEA_CBC_SHA"),
            *_each("KRB5", "DES_CBC_MD5", "3DES_EDE_CBC_MD5", "RC4_128_MD5", "IDEA_CBC_MD5"),
            *_each("KRB5_EXPORT", "DES_CBC_40_SHA", "RC2_CBC_40_SHA", "RC4_40_SHA"),
            *_each("KRB5_EXPORT", "DES_CBC_40_MD5", "RC2_CBC_40_MD5", "RC4_40_MD5"),
        ),
    ),
    (0x002C, _each("PSK DHE_PSK RSA_PSK", "NULL_SHA")),  # RFC 4785
    (0x002F, _each(_SIX, "AES_128_CBC_SHA")),
    (0x0035, _each(_SIX, "AES_256_CBC_SHA")),
    (0x003B, _each("RSA", "NULL_SHA256", "AES_128_CBC_SHA256", "AES_256_CBC_SHA256")),
    (0x003E, _each("DH_DSS DH_RSA DHE_DSS", "AES_128_CBC_SHA256")),
    (0x0041, _each(_SIX, "CAMELLIA_128_CBC_SHA")),  # RFC 5932
    (
        0x0060,  # draft-ietf-tls-56-bit-ciphersuites: used, and reserved for that reason
        (
            *_each("RSA_EXPORT1024", "RC4_56_MD5", "RC2_CBC_56_MD5", "DES_CBC_SHA"),
            "DHE_DSS_EXPORT1024_WITH_DES_CBC_SHA",
            "RSA_EXPORT1024_WITH_RC4_56_SHA",
            "DHE_DSS_EXPORT1024_WITH_RC4_56_SHA",
            "DHE_DSS_WITH_RC4_128_SHA",
        ),
    ),
    (0x0067, ("DHE_RSA_WITH_AES_128_CBC_SHA256",)),
    (0x0068, _each("DH_DSS DH_RSA DHE_DSS DHE_RSA", "AES_256_CBC_SHA256")),
    (0x006C, _each("DH_anon", "AES_128_CBC_SHA256", "AES_256_CBC_SHA256")),
    (0x0080, _each("GOSTR341094 GOSTR341001", "28147_CNT_IMIT")),
    (0x0082, _each("GOSTR341094 GOSTR341001", "NULL_GOSTR3411")),
    (0x0084, _each(_SIX, "CAMELLIA_256_CBC_SHA")),
    (0x008A, _each("PSK DHE_PSK RSA_PSK", *_SHA1)),  # RFC 4279
    (0x0096, _each(_SIX, "SEED_CBC_SHA")),  # RFC 4162
    (0x009C, _each("RSA DHE_RSA DH_RSA DHE_DSS DH_DSS DH_anon", *_GCM)),  # RFC 5288
    (0x00A8, _each("PSK DHE_PSK RSA_PSK", *_GCM)),  # RFC 5487
    (0x00AE, _each("PSK DHE_PSK RSA_PSK", *_CBC, *_NULLS)),
    (0x00BA, _each(_SIX, "CAMELLIA_128_CBC_SHA256")),
    (0x00C0, _each(_SIX, "CAMELLIA_256_CBC_SHA256")),
    (0x00C6, ("SM4_GCM_SM3", "SM4_CCM_SM3")),  # RFC 8998
    (0x00FF, ("EMPTY_RENEGOTIATION_INFO_SCSV",)),  # RFC 5746
    (
        0x1301,  # RFC 8446 appendix B.4
        (
            "AES_128_GCM_SHA256 AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 AES_128_CCM_SHA256"
            " AES_128_CCM_8_SHA256 AEGIS_256_SHA512 AEGIS_128L_SHA256"
        ),
    ),
    (0x5600, ("FALLBACK_SCSV",)),  # RFC 7507
    (0xC001, _each("ECDH_ECDSA ECDHE_ECDSA ECDH_RSA ECDHE_RSA ECDH_anon", "NULL_SHA", *_SHA1)),  # RFC 8422
    (0xC01A, _each("SRP_SHA SRP_SHA_RSA SRP_SHA_DSS", "3DES_EDE_CBC_SHA")),  # RFC 5054
    (0xC01D, _each("SRP_SHA SRP_SHA_RSA SRP_SHA_DSS", "AES_128_CBC_SHA")),
    (0xC020, _each("SRP_SHA SRP_SHA_RSA SRP_SHA_DSS", "AES_256_CBC_SHA")),
    (0xC023, _each("ECDHE_ECDSA ECDH_ECDSA ECDHE_RSA ECDH_RSA", *_CBC)),  # RFC 5289
    (0xC02B, _each("ECDHE_ECDSA ECDH_ECDSA ECDHE_RSA ECDH_RSA", *_GCM)),
    (0xC033, _each("ECDHE_PSK", *_SHA1, *_CBC, "NULL_SHA", *_NULLS)),  # RFC 5489
    (0xC03C, _each(_SIX, *_ARIA_CBC)),  # RFC 6209
    (0xC048, _each("ECDHE_ECDSA ECDH_ECDSA ECDHE_RSA ECDH_RSA", *_ARIA_CBC)),
    (0xC050, _each("RSA DHE_RSA DH_RSA DHE_DSS DH_DSS DH_anon", *_ARIA_GCM)),
    (0xC05C, _each("ECDHE_ECDSA ECDH_ECDSA ECDHE_RSA ECDH_RSA", *_ARIA_GCM)),
    (0xC064, _each("PSK DHE_PSK RSA_PSK", *_ARIA_CBC)),
    (0xC06A, _each("PSK DHE_PSK RSA_PSK", *_ARIA_GCM)),
    (0xC070, _each("ECDHE_PSK", *_ARIA_CBC)),
    (0xC072, _each("ECDHE_ECDSA ECDH_ECDSA ECDHE_RSA ECDH_RSA", *_CAMELLIA_CBC)),  # RFC 6367
    (0xC07A, _each("RSA DHE_RSA DH_RSA DHE_DSS DH_DSS DH_anon", *_CAMELLIA_GCM)),
    (0xC086, _each("ECDHE_ECDSA ECDH_ECDSA ECDHE_RSA ECDH_RSA", *_CAMELLIA_GCM)),
    (0xC08E, _each("PSK DHE_PSK RSA_PSK", *_CAMELLIA_GCM)),
    (0xC094, _each("PSK DHE_PSK RSA_PSK ECDHE_PSK", *_CAMELLIA_CBC)),
    (0xC09C, _each("RSA DHE_RSA", *_CCM)),  # RFC 6655
    (0xC0A0, _each("RSA DHE_RSA", *_CCM_8)),
    (0xC0A4, _each("PSK DHE_PSK", *_CCM)),
    (0xC0A8, _each("PSK PSK_DHE", *_CCM_8)),  # the last two are spelled so in RFC 6655
    (0xC0AC, _each("ECDHE_ECDSA", *_CCM, *_CCM_8)),  # RFC 7251
    (0xC0B0, _each("ECCPWD", *_GCM, "AES_128_CCM_SHA256", "AES_256_CCM_SHA384")),  # RFC 8492
    (0xC0B4, ("SHA256_SHA256", "SHA384_SHA384")),  # RFC 9150
    (0xC100, _each("GOSTR341112_256", "KUZNYECHIK_CTR_OMAC", "MAGMA_CTR_OMAC", "28147_CNT_IMIT")),  # RFC 9189
    (
        0xC103,  # RFC 9367
        _each("GOSTR341112_256", "KUZNYECHIK_MGM_L", "MAGMA_MGM_L", "KUZNYECHIK_MGM_S", "MAGMA_MGM_S"),
    ),
    (
        0xCCA8,
        _each("ECDHE_RSA ECDHE_ECDSA DHE_RSA PSK ECDHE_PSK DHE_PSK RSA_PSK", "CHACHA20_POLY1305_SHA256"),
    ),
    (0xD001, _each("ECDHE_PSK", *_GCM, "AES_128_CCM_8_SHA256")),  # RFC 8442
    (0xD005, _each("ECDHE_PSK", "AES_128_CCM_SHA256")),
)


# How OpenSSL calls a key exchange (ciphers(1)), a cipher, and a cipher behind an exchange without a password.
_OPENSSL_EXCHANGES: Final = {
    "RSA": "",
    "DHE_RSA": "DHE-RSA-",
    "DHE_DSS": "DHE-DSS-",
    "DH_anon": "ADH-",
    "ECDHE_RSA": "ECDHE-RSA-",
    "ECDHE_ECDSA": "ECDHE-ECDSA-",
    "ECDH_anon": "AECDH-",
    "PSK": "PSK-",
    "DHE_PSK": "DHE-PSK-",
    "PSK_DHE": "DHE-PSK-",
    "RSA_PSK": "RSA-PSK-",
    "ECDHE_PSK": "ECDHE-PSK-",
    "SRP_SHA": "SRP-",
    "SRP_SHA_RSA": "SRP-RSA-",
    "SRP_SHA_DSS": "SRP-DSS-",
}
_OPENSSL_CIPHERS: Final = (
    ("_POLY1305_SHA256", "_POLY1305"),
    ("RC4_128_", "RC4_"),
    ("CCM_8", "CCM8"),
    ("AES_128", "AES128"),
    ("AES_256", "AES256"),
    ("ARIA_128", "ARIA128"),
    ("ARIA_256", "ARIA256"),
    ("CAMELLIA_128_CBC", "CAMELLIA128"),
    ("CAMELLIA_256_CBC", "CAMELLIA256"),
    ("CAMELLIA_128", "CAMELLIA128"),
    ("CAMELLIA_256", "CAMELLIA256"),
)
_OPENSSL_SHORTER: Final = (
    ("3DES_EDE_CBC", "DES_CBC3"),
    ("AES128_CBC", "AES128"),
    ("AES256_CBC", "AES256"),
    ("SEED_CBC", "SEED"),
)


def _openssl_name(name: str) -> str | None:
    """OpenSSL's name of a suite, by IANA's; None for a key exchange that OpenSSL has not, or no more."""
    exchange, found, cipher = name.removeprefix("TLS_").partition("_WITH_")
    if not found:
        return name
    prefix = _OPENSSL_EXCHANGES.get(exchange)
    if prefix is None:
        return None
    for theirs, ours in _OPENSSL_CIPHERS:
        cipher = cipher.replace(theirs, ours)
    if exchange.startswith("SRP"):
        cipher = cipher.replace("AES", "AES_")
    elif "PSK" not in exchange:
        for theirs, ours in _OPENSSL_SHORTER:
            cipher = cipher.replace(theirs, ours)
    if cipher.startswith("ARIA") and exchange == "ECDHE_RSA":
        prefix = "ECDHE-"
    return prefix + cipher.replace("_", "-")


_NAMES: Final = {
    start + i: f"TLS_{name}"
    for start, run in _RUNS
    for i, name in enumerate(run.split() if isinstance(run, str) else run)
}
_OPENSSL_NAMES: Final = {
    number: openssl
    for number, openssl in ((number, _openssl_name(name)) for number, name in _NAMES.items())
    if openssl is not None
}


class CipherSuite(Code):
    """A cipher suite (RFC 8446 section B.4, RFC 5246 appendix A.5), the signalling values included."""

    __slots__ = ()
    _names: ClassVar = _NAMES

    _aliases: ClassVar = {openssl.lower(): number for number, openssl in _OPENSSL_NAMES.items()}

    @property
    def openssl_name(self) -> str | None:
        """OpenSSL's name, which `TlsStream.cipher` has too; None for a suite that OpenSSL has no name for.

        `of` takes it as well.
        """
        return None if self.is_signal else _OPENSSL_NAMES.get(self)

    @property
    def is_tls13(self) -> bool:
        """Whether it is for TLS 1.3, where the key exchange is chosen apart from it."""
        return self >> 8 == 0x13 or self in (0x00C6, 0x00C7, 0xC0B4, 0xC0B5) or 0xC103 <= self <= 0xC106

    @property
    def is_signal(self) -> bool:
        """Whether it is no suite and says something else (RFC 5746 section 3.3, RFC 7507 section 2)."""
        return self in (0x00FF, 0x5600)
