"""The checks of a certificate chain: one function for each kind of fault, which yields findings.

RFC 5280 section 6 (the path), RFC 9525 (the name), RFC 8446 section 4.4.2 (what a peer sends). No check
raises an error because of a certificate's content. `check_malformed` reports the parts that cannot be read;
the other checks skip them.

    subject        what is checked, and the words for it
    anchor         where the path ends, and which other there is
    time           the dates
    host           the name
    rules          authorities, purposes, critical extensions
    constraints    name constraints
    strength       keys and signatures
    form           how certificates are made and sent
    strict         what strict clients refuse
    staple         what a stapled OCSP response says, for who has one
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.verifying.checks.anchor import check_distrusted, check_end_of_path, check_other_path
from netkit.tls.verifying.checks.constraints import check_name_constraints
from netkit.tls.verifying.checks.form import check_malformed, check_sent, check_serial, check_staple
from netkit.tls.verifying.checks.host import check_host
from netkit.tls.verifying.checks.rules import check_authority, check_critical, check_purpose
from netkit.tls.verifying.checks.strength import check_known_algorithms, check_strength
from netkit.tls.verifying.checks.strict import check_strict
from netkit.tls.verifying.checks.time import check_time, check_validity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.verifying.findings import Finding

#: Every check. The order does not matter.
CHECKS: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    check_end_of_path,
    check_other_path,
    check_distrusted,
    check_time,
    check_validity,
    check_host,
    check_authority,
    check_purpose,
    check_critical,
    check_name_constraints,
    check_strength,
    check_known_algorithms,
    check_malformed,
    check_serial,
    check_staple,
    check_sent,
    check_strict,
)
