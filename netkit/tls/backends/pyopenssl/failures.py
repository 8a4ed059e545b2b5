"""What OpenSSL's error queue says, in the form that `from_openssl` converts into a TlsError."""

from __future__ import annotations

from netkit.tls.backends.pyopenssl.bindings import ffi, lib
from netkit.tls.openssl_errors import OpensslFailure

_OWN_LIBRARY = "SSL routines"


def taken_failure(*, is_eof: bool = False) -> OpensslFailure:
    """The failure that the queue of this thread holds; the queue is empty then.

    The first entry is the cause, and what follows is what it led to. An error of TLS itself says more than
    one of a library below it.
    """
    entries: list[tuple[str, str]] = []
    while code := lib.ERR_get_error():
        entries.append((_text(lib.ERR_lib_error_string(code)), _text(lib.ERR_reason_error_string(code))))
    ours = [reason for library, reason in entries if library == _OWN_LIBRARY]
    words = (ours or [reason for _, reason in entries] or [""])[0]
    return OpensslFailure(words.upper().replace(" ", "_"), words, is_eof)


def verify_failure(code: int) -> OpensslFailure:
    """The failure of a verification, by its `X509_V_ERR_` code."""
    lib.ERR_clear_error()
    return OpensslFailure(verify_code=code, verify_words=_text(lib.X509_verify_cert_error_string(code)))


def _text(pointer: object) -> str:
    return "" if pointer == ffi.NULL else ffi.string(pointer).decode("utf-8", "replace")  # type: ignore[arg-type]
