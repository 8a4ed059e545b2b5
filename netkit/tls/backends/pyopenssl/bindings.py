"""What OpenSSL's functions are called through: the part of cryptography's bindings that pyOpenSSL stands on.

pyOpenSSL's public classes lack much of what a session should tell and do. The same bindings have it, but no
version of cryptography promises a name. So this module says what is there: a backend without one of
`REQUIRED` cannot verify a host, and is absent; each capability of `OPTIONAL` is there if all its names are.
Every other module of the backend uses these functions, and nothing else that is private, but the pointers
inside of pyOpenSSL's objects (`context_of`, `ssl_of`, `incoming_of`, `outgoing_of`).
"""

# ruff: noqa: N815 - names are OpenSSL's own

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from netkit.tls.backend import Capability
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from OpenSSL.SSL import Connection, Context


class Pointer(Protocol):
    """A pointer of C, or an array."""

    def __add__(self, other: int) -> Pointer: ...

    def __getitem__(self, index: int) -> Pointer: ...


class Lent(Pointer, Protocol):
    """A pointer into a buffer of Python, for as long as the block lasts."""

    def __enter__(self) -> Pointer: ...

    def __exit__(self, *_: object) -> None: ...


class Octets(Protocol):
    """C's memory as a buffer."""

    def __getitem__(self, index: slice) -> bytes: ...


#: What a function of C is given as octets.
Data: TypeAlias = "Pointer | bytes"


class ForeignFunctions(Protocol):
    """cffi: memory and callbacks of C."""

    NULL: Pointer
    new: Callable[..., Pointer]
    buffer: Callable[[Pointer, int], Octets]
    from_buffer: Callable[[bytes | bytearray | memoryview], Lent]
    gc: Callable[[Pointer, Callable[[Pointer], object]], Pointer]
    callback: Callable[..., Pointer]
    new_allocator: Callable[..., Callable[[str, int], Pointer]]
    string: Callable[[Pointer], bytes]


class Library(Protocol):
    """The functions and constants of OpenSSL that are used here, by their own names."""

    SSL_do_handshake: Callable[[Pointer], int]
    SSL_read: Callable[[Pointer, Pointer, int], int]
    SSL_write: Callable[[Pointer, Pointer, int], int]
    SSL_get_error: Callable[[Pointer, int], int]
    SSL_get_verify_result: Callable[[Pointer], int]
    SSL_get_peer_certificate: Callable[[Pointer], Pointer]
    SSL_get_peer_cert_chain: Callable[[Pointer], Pointer]
    SSL_get0_verified_chain: Callable[[Pointer], Pointer]
    SSL_get0_param: Callable[[Pointer], Pointer]
    SSL_get0_group_name: Callable[[Pointer], Pointer]
    SSL_get_extms_support: Callable[[Pointer], int]
    SSL_get_tlsext_status_ocsp_resp: Callable[[Pointer, Pointer], int]
    SSL_set_tlsext_status_type: Callable[[Pointer, int], int]
    SSL_session_reused: Callable[[Pointer], int]
    SSL_get_session: Callable[[Pointer], Pointer]
    SSL_get1_session: Callable[[Pointer], Pointer]
    SSL_set_session: Callable[[Pointer, Pointer], int]
    SSL_SESSION_free: Callable[[Pointer], None]
    SSL_SESSION_get_max_early_data: Callable[[Pointer], int]
    i2d_SSL_SESSION: Callable[[Pointer, Pointer], int]
    d2i_SSL_SESSION: Callable[[Pointer, Pointer, int], Pointer]
    SSL_write_early_data: Callable[[Pointer, Pointer, int, Pointer], int]
    SSL_read_early_data: Callable[[Pointer, Pointer, int, Pointer], int]
    SSL_CTX_set_max_early_data: Callable[[Pointer, int], int]
    SSL_CTX_set_msg_callback: Callable[[Pointer, Pointer], None]
    SSL_CTX_set_verify: Callable[[Pointer, int, Pointer], None]
    SSL_CTX_set1_curves_list: Callable[[Pointer, bytes], int]
    SSL_CTX_set1_sigalgs_list: Callable[[Pointer, bytes], int]
    SSL_CTX_set_ciphersuites: Callable[[Pointer, bytes], int]
    SSL_CTX_set_cipher_list: Callable[[Pointer, bytes], int]
    SSL_CTX_set_min_proto_version: Callable[[Pointer, int], int]
    SSL_CTX_set_max_proto_version: Callable[[Pointer, int], int]
    SSL_CTX_add_client_custom_ext: Callable[[Pointer, int, Pointer, Pointer, Pointer, Pointer, Pointer], int]
    SSL_clear_mode: Callable[[Pointer, int], int]
    SSL_CTX_clear_mode: Callable[[Pointer, int], int]
    SSL_CTX_use_certificate: Callable[[Pointer, Pointer], int]
    SSL_CTX_use_PrivateKey: Callable[[Pointer, Pointer], int]
    SSL_CTX_add_extra_chain_cert: Callable[[Pointer, Pointer], int]
    SSL_CTX_get_cert_store: Callable[[Pointer], Pointer]
    X509_STORE_add_cert: Callable[[Pointer, Pointer], int]
    X509_STORE_add_crl: Callable[[Pointer, Pointer], int]
    X509_STORE_set_flags: Callable[[Pointer, int], int]
    X509_STORE_CTX_get_error: Callable[[Pointer], int]
    X509_STORE_CTX_set_error: Callable[[Pointer, int], None]
    X509_VERIFY_PARAM_set1_host: Callable[[Pointer, bytes, int], int]
    X509_VERIFY_PARAM_set1_ip: Callable[[Pointer, bytes, int], int]
    X509_VERIFY_PARAM_set_hostflags: Callable[[Pointer, int], None]
    X509_verify_cert_error_string: Callable[[int], Pointer]
    X509_free: Callable[[Pointer], None]
    X509_CRL_free: Callable[[Pointer], None]
    EVP_PKEY_free: Callable[[Pointer], None]
    d2i_X509_bio: Callable[[Pointer, Pointer], Pointer]
    i2d_X509_bio: Callable[[Pointer, Pointer], int]
    d2i_X509_CRL_bio: Callable[[Pointer, Pointer], Pointer]
    d2i_PrivateKey_bio: Callable[[Pointer, Pointer], Pointer]
    sk_X509_num: Callable[[Pointer], int]
    sk_X509_value: Callable[[Pointer, int], Pointer]
    BIO_new: Callable[[Pointer], Pointer]
    BIO_s_mem: Callable[[], Pointer]
    BIO_new_mem_buf: Callable[[Data, int], Pointer]
    BIO_free: Callable[[Pointer], int]
    BIO_read: Callable[[Pointer, Pointer, int], int]
    BIO_write: Callable[[Pointer, Pointer, int], int]
    BIO_get_mem_data: Callable[[Pointer, Pointer], int]
    ERR_get_error: Callable[[], int]
    ERR_clear_error: Callable[[], None]
    ERR_reason_error_string: Callable[[int], Pointer]
    ERR_lib_error_string: Callable[[int], Pointer]
    OpenSSL_version_num: Callable[[], int]
    OpenSSL_version: Callable[[int], Pointer]
    OPENSSL_VERSION: int
    TLSEXT_STATUSTYPE_ocsp: int
    SSL_ERROR_WANT_READ: int
    SSL_ERROR_ZERO_RETURN: int
    SSL_ERROR_SYSCALL: int
    SSL_MODE_AUTO_RETRY: int
    SSL_MODE_ENABLE_PARTIAL_WRITE: int
    SSL_OP_NO_RENEGOTIATION: int
    SSL_OP_LEGACY_SERVER_CONNECT: int
    X509_V_FLAG_PARTIAL_CHAIN: int
    X509_V_FLAG_CRL_CHECK: int
    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS: int
    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT: int


#: What each capability needs.
OPTIONAL: Final[dict[Capability, tuple[str, ...]]] = {
    Capability.Tls13Suites: ("SSL_CTX_set_ciphersuites",),
    Capability.Groups: ("SSL_CTX_set1_curves_list",),
    Capability.SignatureAlgorithms: ("SSL_CTX_set1_sigalgs_list",),
    Capability.GroupName: ("SSL_get0_group_name",),
    Capability.SignatureScheme: ("SSL_CTX_set_msg_callback",),
    Capability.ExtendedMasterSecret: ("SSL_get_extms_support",),
    Capability.Resumption: (
        "SSL_get_session",
        "SSL_get1_session",
        "SSL_set_session",
        "SSL_SESSION_free",
        "i2d_SSL_SESSION",
        "d2i_SSL_SESSION",
    ),
    Capability.SessionBytes: ("i2d_SSL_SESSION", "d2i_SSL_SESSION"),
    Capability.EarlyData: (
        "SSL_write_early_data",
        "SSL_read_early_data",
        "SSL_CTX_set_max_early_data",
        "SSL_SESSION_get_max_early_data",
        "SSL_CTX_set_msg_callback",
        "i2d_SSL_SESSION",
        "d2i_SSL_SESSION",
    ),
    Capability.Ocsp: (
        "SSL_set_tlsext_status_type",
        "SSL_get_tlsext_status_ocsp_resp",
        "SSL_CTX_set_tlsext_status_cb",
    ),
    Capability.Scts: ("SSL_CTX_set_msg_callback", "SSL_CTX_add_client_custom_ext"),
    Capability.VerifierInside: ("SSL_CTX_set_msg_callback", "SSL_CTX_set_verify", "X509_STORE_CTX_set_error"),
    Capability.ClientAuthRequest: ("SSL_CTX_set_msg_callback",),
    Capability.Crls: ("d2i_X509_CRL_bio", "X509_STORE_add_crl", "X509_CRL_free"),
    Capability.KeyLog: ("SSL_CTX_set_keylog_callback",),
}

_MAYBE: Final = frozenset(name for names in OPTIONAL.values() for name in names)

#: Without one of these there is no backend.
REQUIRED: Final = tuple(name for name in Library.__annotations__ if name not in _MAYBE)


def _bindings() -> tuple[Library, ForeignFunctions]:
    from cryptography.hazmat.bindings.openssl.binding import Binding

    binding = Binding()
    return cast(Library, binding.lib), cast(ForeignFunctions, binding.ffi)


lib, ffi = _bindings()

#: Memory that nobody has cleared: what is read into it is longer than what is taken out of it by nothing.
allocate: Final = ffi.new_allocator(should_clear_after_alloc=False)

_bound: Final = frozenset(dir(lib))


def is_bound(name: str) -> bool:
    """Whether a function of OpenSSL is there."""
    return name in _bound


def missing(bound: frozenset[str] = _bound) -> tuple[str, ...]:
    """The names that a backend cannot do without, and that are not bound here."""
    return tuple(name for name in REQUIRED if name not in bound)


@cache
def found(bound: frozenset[str] = _bound) -> frozenset[Capability]:
    """The capabilities whose functions are bound here."""
    return frozenset(capability for capability, names in OPTIONAL.items() if bound.issuperset(names))


@cache
def versions() -> frozenset[TlsVersion]:
    """The protocol versions that this OpenSSL was built with."""
    from OpenSSL.SSL import TLS_METHOD, Context

    here = set()
    for version in TlsVersion:
        context = context_of(Context(TLS_METHOD))
        if lib.SSL_CTX_set_min_proto_version(context, version) and lib.SSL_CTX_set_max_proto_version(
            context, version
        ):
            here.add(version)
    lib.ERR_clear_error()
    return frozenset(here)


def has_post_quantum() -> bool:
    """Whether X25519MLKEM768 is negotiated by default: OpenSSL 3.5 and newer."""
    return lib.OpenSSL_version_num() >= 0x30500000


def library_version() -> str:
    """The library and its version, as it says it."""
    return ffi.string(lib.OpenSSL_version(lib.OPENSSL_VERSION)).decode("ascii", "replace")


def context_of(context: Context) -> Pointer:
    """The SSL_CTX of a context."""
    return cast(Pointer, context._context)


def ssl_of(connection: Connection) -> Pointer:
    """The SSL of a connection."""
    return cast(Pointer, connection._ssl)


def incoming_of(connection: Connection) -> Pointer:
    """The memory BIO that a connection reads ciphertext from."""
    return cast(Pointer, connection._into_ssl)


def outgoing_of(connection: Connection) -> Pointer:
    """The memory BIO that a connection writes ciphertext to."""
    return cast(Pointer, connection._from_ssl)
