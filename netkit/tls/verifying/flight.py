"""The first messages of a TLS 1.2 server, up to its certificates: what makes a client judge a chain.

RFC 5246 sections 7.4.1.3 (ServerHello) and 7.4.2 (Certificate). In TLS 1.2 both go in the clear and neither
is signed, so they can be written for any certificates, without their keys. A client of OpenSSL judges the
chain as soon as it has the Certificate message. `oracle` plays these messages to a client.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from netkit.tls.errors import TlsError
from netkit.tls.hello.extensions import RenegotiationInfo
from netkit.tls.hello.reader import HelloReader
from netkit.tls.hello.records import to_records
from netkit.tls.hello.server_messages import CertificateMessage, ServerHello
from netkit.tls.x509.certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The suites of TLS 1.2 in which the server shows a certificate: with an RSA key, and with another one.
#: OpenSSL refuses a key that is not of the suite's kind (RFC 5246 section 7.4.2).
_WITH_RSA: Final = re.compile(r"TLS_(ECDHE_RSA|DHE_RSA|RSA)_WITH_")
_WITH_OTHER: Final = re.compile(r"TLS_ECDHE_ECDSA_WITH_")


def certificate_flight(client_hello: bytes, chain: Sequence[bytes]) -> bytes | None:
    """What a server answers to `client_hello`, in records, up to the certificates of `chain`.

    The certificates are DER, the server's own first. None if the client offers no suite of TLS 1.2 in which a
    server shows one. Raises TlsError for what is no ClientHello, ValueError if the chain has over 16 MiB.
    """
    hello = HelloReader().feed(client_hello)
    suites = hello.cipher_suites if hello is not None else ()
    fitting = _WITH_RSA if chain and _has_rsa_key(chain[0]) else _WITH_OTHER
    suite = next((one for one in suites if fitting.match(one.name)), None)
    if suite is None:
        return None
    answer = ServerHello(bytes(32), suite, (RenegotiationInfo(b""),))  # RFC 5746 section 3.6: an empty one
    return to_records(answer.to_bytes() + CertificateMessage(tuple(chain)).to_bytes())


def _has_rsa_key(der: bytes) -> bool:
    try:
        return Certificate(der).public_key.algorithm.startswith("RSA")
    except TlsError:
        return False  # no suite fits what nobody can read
