"""OpenSSL's store as the judge of a chain, through pyOpenSSL: what a verdict is, and how the store gives one.

pyOpenSSL's `X509StoreContext` makes the same checks as a handshake, except the name and the security level,
which the connection adds. The OpenSSL is the one that the cryptography package brings, not the one of the ssl
module: each verdict says which it was. The purpose is set through a binding that pyOpenSSL does not make
public; the verdict says if that failed.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from netkit.tls import verify_codes as codes
from netkit.tls.errors import TlsError
from netkit.tls.verifying.roots import TrustLocations
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.extensions import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from OpenSSL import crypto

    from netkit.tls.x509.trust import Purpose


class Verdict(NamedTuple):
    """A client's result: OpenSSL's code (0 is success), its words, and which OpenSSL that was.

    `path` is the path that OpenSSL built, also if it refused it; empty if it is not known. `depth` is that of
    the faulty certificate, None if it is not told; the peer's certificate has depth 0. `purpose_judged`,
    `name_judged` and `level_judged` tell whether the verdict covers the purpose, the name, and the security
    level. `unread`: the client refused what it was sent without judging it, because it cannot be read.
    """

    code: int
    message: str
    judge: str
    path: tuple[Certificate, ...] = ()
    depth: int | None = None
    purpose_judged: bool = True
    name_judged: bool = True
    level_judged: bool = True
    unread: bool = False

    @property
    def accepted(self) -> bool:
        """Whether no fault was found in what was judged."""
        return self.code == codes.OK

    @property
    def library(self) -> str:
        """The name of the TLS library that judged, for sentences."""
        return self.judge.partition(" ")[0] or "OpenSSL"


def store_verdict(
    chain: Sequence[Certificate],
    roots: Sequence[Certificate] | TrustLocations,
    now: datetime,
    purpose: Purpose = "serverAuth",
) -> Verdict:
    """OpenSSL's verdict about `chain` at the moment `now` (UTC), for `purpose`; no name, no security level.

    `roots` are the trusted certificates, or the places where OpenSSL finds them. Raises
    `TlsError.InvalidCertificate` if OpenSSL cannot read a certificate of the chain.
    """
    from OpenSSL import SSL, crypto

    version = SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode("ascii", "replace")
    leaf, *rest = (_load(certificate) for certificate in chain)
    if isinstance(roots, TrustLocations):
        store, lock = _kept_store(roots, _changed_at(roots), purpose), _lock
    else:
        store, lock = _store_of(roots), threading.Lock()
    purpose_judged = set_purpose(store, purpose)

    def verdict(code: int, message: str, path: list[crypto.X509], depth: int | None) -> Verdict:
        return Verdict(
            code,
            message,
            f"{version} (pyOpenSSL)",
            tuple(Certificate(crypto.dump_certificate(crypto.FILETYPE_ASN1, one)) for one in path),
            depth,
            purpose_judged=purpose_judged,
            name_judged=False,
            level_judged=False,
        )

    with lock:  # the store holds the moment to judge by, and threads share the store
        store.set_time(now)
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # as every context here has it
        try:
            verified = crypto.X509StoreContext(store, leaf, rest).get_verified_chain()
        except crypto.X509StoreContextError as error:
            code, depth, message = error.errors
            return verdict(code, message, [], depth)
    return verdict(codes.OK, "ok", verified, None)


#: OpenSSL's numbers of the purposes (X509_PURPOSE_SSL_CLIENT, X509_PURPOSE_SSL_SERVER).
_PURPOSES: Final[dict[Purpose, int]] = {"clientAuth": 1, "serverAuth": 2}


def set_purpose(store: crypto.X509Store, purpose: Purpose) -> bool:
    """Have `store` judge for `purpose`; False if this pyOpenSSL does not let it.

    pyOpenSSL binds X509_STORE_set_purpose, but has no method for it. A test fails if the binding goes.
    """
    try:
        from OpenSSL import _util

        inner: Any = getattr(store, "_store")  # noqa: B009  # private, and watched
        return bool(_util.lib.X509_STORE_set_purpose(inner, _PURPOSES[purpose]) == 1)
    except (ImportError, AttributeError):
        return False


_lock = threading.Lock()


@lru_cache(4)
def _kept_store(where: TrustLocations, _changed_at: object, _purpose: Purpose) -> crypto.X509Store:
    """The system's roots, read once. Reading takes 25 ms, and every verdict needs them."""
    store = _store_of(where.extra)
    if where.cafile or where.capath:
        store.load_locations(where.cafile, where.capath)
    return store


def _changed_at(where: TrustLocations) -> object:
    try:
        return os.stat(where.cafile).st_mtime_ns if where.cafile else None
    except OSError:
        return None


def _store_of(roots: Sequence[Certificate]) -> crypto.X509Store:
    from OpenSSL import crypto

    store = crypto.X509Store()
    for root in roots:
        try:
            store.add_cert(_load(root))
        except TlsError:
            continue  # what cannot be read cannot be trusted
    return store


def _load(certificate: Certificate) -> crypto.X509:
    from OpenSSL import crypto

    try:
        with quiet():
            return crypto.load_certificate(crypto.FILETYPE_ASN1, certificate.der_data)
    except crypto.Error as error:
        reason = (
            ", ".join(str(item[-1]) for item in (error.args[0] if error.args else ())) or "not a certificate"
        )
        raise TlsError.InvalidCertificate(reason) from None
