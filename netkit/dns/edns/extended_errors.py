"""The codes of extended DNS errors: RFC 8914 section 4, RFC 9824 section 9.3 and IANA's registry."""

from __future__ import annotations

from typing import ClassVar

from netkit.dns.constants import Assigned, Code


class ExtendedErrorCode(Code):
    """Why an answer is what it is (RFC 8914): `str` is IANA's purpose of the code, such as "Prohibited"."""

    __slots__ = ()
    _members: ClassVar[dict[int, Code]] = {}
    _mnemonics: ClassVar[dict[int, str]] = {}
    _prefix = "EDE"
    _what = "extended error code"

    OTHER = Assigned(0, "Other")
    UNSUPPORTED_DNSKEY_ALGORITHM = Assigned(1, "Unsupported DNSKEY Algorithm")
    UNSUPPORTED_DS_DIGEST_TYPE = Assigned(2, "Unsupported DS Digest Type")
    STALE_ANSWER = Assigned(3, "Stale Answer")
    FORGED_ANSWER = Assigned(4, "Forged Answer")
    DNSSEC_INDETERMINATE = Assigned(5, "DNSSEC Indeterminate")
    DNSSEC_BOGUS = Assigned(6, "DNSSEC Bogus")
    SIGNATURE_EXPIRED = Assigned(7, "Signature Expired")
    SIGNATURE_NOT_YET_VALID = Assigned(8, "Signature Not Yet Valid")
    DNSKEY_MISSING = Assigned(9, "DNSKEY Missing")
    RRSIGS_MISSING = Assigned(10, "RRSIGs Missing")
    NO_ZONE_KEY_BIT_SET = Assigned(11, "No Zone Key Bit Set")
    NSEC_MISSING = Assigned(12, "NSEC Missing")
    CACHED_ERROR = Assigned(13, "Cached Error")
    NOT_READY = Assigned(14, "Not Ready")
    BLOCKED = Assigned(15, "Blocked")
    CENSORED = Assigned(16, "Censored")
    FILTERED = Assigned(17, "Filtered")
    PROHIBITED = Assigned(18, "Prohibited")
    STALE_NXDOMAIN_ANSWER = Assigned(19, "Stale NXDOMAIN Answer")
    NOT_AUTHORITATIVE = Assigned(20, "Not Authoritative")
    NOT_SUPPORTED = Assigned(21, "Not Supported")
    NO_REACHABLE_AUTHORITY = Assigned(22, "No Reachable Authority")
    NETWORK_ERROR = Assigned(23, "Network Error")
    INVALID_DATA = Assigned(24, "Invalid Data")
    SIGNATURE_EXPIRED_BEFORE_VALID = Assigned(25, "Signature Expired before Valid")
    TOO_EARLY = Assigned(26, "Too Early")
    UNSUPPORTED_NSEC3_ITERATIONS_VALUE = Assigned(27, "Unsupported NSEC3 Iterations Value")
    UNABLE_TO_CONFORM_TO_POLICY = Assigned(28, "Unable to conform to policy")
    SYNTHESIZED = Assigned(29, "Synthesized")
    INVALID_QUERY_TYPE = Assigned(30, "Invalid Query Type")
