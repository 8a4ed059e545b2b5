"""OpenSSL's own verdict about a chain, without a connection.

netkit finds the reasons that `verify` gives in Python, so that people can understand them. The verdict is
OpenSSL's, because the question is whether a client will accept the chain. pyOpenSSL's `X509StoreContext`
makes the same checks as a handshake, except those that depend on the connection: name, purpose and security
level. `verify` adds those. The verifier of the cryptography package is not used: it requires the profile of
the public web (RFC 5280 with the CA/Browser Forum's rules), and would refuse private authorities that every
client accepts.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from netkit.tls.certificate import Certificate
from netkit.tls.errors import TlsError
from netkit.tls.extensions import quiet
from netkit.tls.roots import TrustLocations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from OpenSSL import crypto

#: OpenSSL's result for a chain without fault.
X509_V_OK = 0


class Verdict(NamedTuple):
    """OpenSSL's result: the code (0 is success), its words, and the depth of the faulty certificate.

    The peer's certificate has depth 0. `path` is the path that OpenSSL verified, empty if it refused.
    """

    code: int
    message: str
    depth: int
    path: tuple[Certificate, ...] = ()


def openssl_verdict(
    chain: Sequence[Certificate], roots: Sequence[Certificate] | TrustLocations, now: datetime
) -> Verdict:
    """OpenSSL's verdict about `chain` at the moment `now` (UTC).

    `roots` are the trusted certificates, or the places where OpenSSL finds them. Raises
    `TlsError.InvalidCertificate` if OpenSSL cannot read a certificate of the chain.
    """
    from OpenSSL import crypto

    leaf, *rest = (_load(certificate) for certificate in chain)
    if isinstance(roots, TrustLocations):
        store, lock = _kept_store(roots, _changed_at(roots)), _lock
    else:
        store, lock = _store_of(roots), threading.Lock()
    with lock:  # the store holds the moment to judge by, and threads share the store
        store.set_time(now)
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # as every context here has it
        try:
            verified = crypto.X509StoreContext(store, leaf, rest).get_verified_chain()
        except crypto.X509StoreContextError as error:
            code, depth, message = error.errors
            return Verdict(code, message, depth)
    path = tuple(
        Certificate(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)) for certificate in verified
    )
    return Verdict(X509_V_OK, "ok", 0, path)


_lock = threading.Lock()


@lru_cache(4)
def _kept_store(where: TrustLocations, _changed_at: object) -> crypto.X509Store:
    """The system's roots, read once. Reading takes 25 ms, and every probe of a server needs them."""
    from OpenSSL import crypto

    store = crypto.X509Store()
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
