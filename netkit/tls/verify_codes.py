"""OpenSSL's results of a verification, by its own names (without `X509_V_ERR_`) and numbers (x509_vfy.h).

They are the common tongue of all backends for why a chain is refused: those that do not use OpenSSL translate
their reasons.
"""

from __future__ import annotations

from typing import Final

OK: Final = 0
UNSPECIFIED: Final = 1
UNABLE_TO_GET_ISSUER_CERT: Final = 2
UNABLE_TO_GET_CRL: Final = 3
UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: Final = 6
CERT_SIGNATURE_FAILURE: Final = 7
CRL_SIGNATURE_FAILURE: Final = 8
CERT_NOT_YET_VALID: Final = 9
CERT_HAS_EXPIRED: Final = 10
CRL_HAS_EXPIRED: Final = 12
DEPTH_ZERO_SELF_SIGNED_CERT: Final = 18
SELF_SIGNED_CERT_IN_CHAIN: Final = 19
UNABLE_TO_GET_ISSUER_CERT_LOCALLY: Final = 20
UNABLE_TO_VERIFY_LEAF_SIGNATURE: Final = 21
CERT_CHAIN_TOO_LONG: Final = 22
CERT_REVOKED: Final = 23
#: In OpenSSL 1.1.1, this number is that of an issuer that is no authority.
NO_ISSUER_PUBLIC_KEY: Final = 24
PATH_LENGTH_EXCEEDED: Final = 25
INVALID_PURPOSE: Final = 26
CERT_UNTRUSTED: Final = 27
CERT_REJECTED: Final = 28
KEYUSAGE_NO_CERTSIGN: Final = 32
UNHANDLED_CRITICAL_EXTENSION: Final = 34
PERMITTED_VIOLATION: Final = 47
EXCLUDED_VIOLATION: Final = 48
SUBTREE_MINMAX: Final = 49
UNSUPPORTED_CONSTRAINT_TYPE: Final = 51
UNSUPPORTED_CONSTRAINT_SYNTAX: Final = 52
UNSUPPORTED_NAME_SYNTAX: Final = 53
HOSTNAME_MISMATCH: Final = 62
IP_ADDRESS_MISMATCH: Final = 64
EE_KEY_TOO_SMALL: Final = 66
CA_KEY_TOO_SMALL: Final = 67
CA_MD_TOO_WEAK: Final = 68
INVALID_CA: Final = 79

#: A name that a constraint of an authority does not allow, and constraints that cannot be applied.
VIOLATIONS: Final = frozenset(
    {
        PERMITTED_VIOLATION,
        EXCLUDED_VIOLATION,
        SUBTREE_MINMAX,
        UNSUPPORTED_CONSTRAINT_TYPE,
        UNSUPPORTED_CONSTRAINT_SYNTAX,
        UNSUPPORTED_NAME_SYNTAX,
    }
)
