"""The codes of extended DNS errors: RFC 8914 section 4, RFC 9824 section 9.3 and IANA's registry."""

from __future__ import annotations

#: The codes that netkit gives as a reason itself (RFC 8914 sections 4.19, 4.21 and 4.22).
PROHIBITED, NOT_AUTHORITATIVE, NOT_SUPPORTED = 18, 20, 21

#: RFC 8914 section 4 and the IANA registry "Extended DNS Error Codes".
EXTENDED_ERRORS = {
    0: "Other",
    1: "Unsupported DNSKEY Algorithm",
    2: "Unsupported DS Digest Type",
    3: "Stale Answer",
    4: "Forged Answer",
    5: "DNSSEC Indeterminate",
    6: "DNSSEC Bogus",
    7: "Signature Expired",
    8: "Signature Not Yet Valid",
    9: "DNSKEY Missing",
    10: "RRSIGs Missing",
    11: "No Zone Key Bit Set",
    12: "NSEC Missing",
    13: "Cached Error",
    14: "Not Ready",
    15: "Blocked",
    16: "Censored",
    17: "Filtered",
    18: "Prohibited",
    19: "Stale NXDOMAIN Answer",
    20: "Not Authoritative",
    21: "Not Supported",
    22: "No Reachable Authority",
    23: "Network Error",
    24: "Invalid Data",
    25: "Signature Expired before Valid",
    26: "Too Early",
    27: "Unsupported NSEC3 Iterations Value",
    28: "Unable to conform to policy",
    29: "Synthesized",
    30: "Invalid Query Type",
}
