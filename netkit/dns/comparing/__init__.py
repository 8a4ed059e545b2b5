"""What several name servers say of one question, and how it differs.

    Server      whom to ask, and whether the zone is said to be on that server
    Heard       what one server said, or why it said nothing
    compare     from all that was heard to a `Comparison`: serials, groups that agree, differences
    compare_servers(question, servers)         ask all of them side by side, and compare; also `_async`

`content`, `difference`, `heard` and `comparison` have no socket and no clock; `asking` sends.

What is compared, and what is not:

- The response code, the records of the answer (their order, and the letter case of names, do not matter),
  whether the answer is only a referral and whose, and whether it is truncated.
- The zone and its serial, of authoritative answers. A cache fetches the SOA record for itself at any time, so
  the serial says nothing of how old its other records are.
- The TTL, of authoritative answers. A cache counts down, so its TTL may be anything up to the zone's; one
  above it is a difference.
- The AD flag, of answers that are not authoritative: some validate, others do not.
- Not the authority and the additional section, because how much is in them is a matter of taste; not the
  octets and the times of signatures, because a server that signs at the moment makes others each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.dns.comparing.asking import (
        compare_flow as compare_flow,
        compare_servers as compare_servers,
        compare_servers_async as compare_servers_async,
        hear_all_flow as hear_all_flow,
        hear_flow as hear_flow,
    )
    from netkit.dns.comparing.comparison import (
        Comparison as Comparison,
        Group as Group,
        Member as Member,
        Standing as Standing,
        ZoneSerial as ZoneSerial,
        compare as compare,
    )
    from netkit.dns.comparing.content import Content as Content
    from netkit.dns.comparing.difference import (
        Difference as Difference,
        TtlDifference as TtlDifference,
        difference_of as difference_of,
    )
    from netkit.dns.comparing.heard import Heard as Heard, Server as Server

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "asking": "compare_flow compare_servers compare_servers_async hear_all_flow hear_flow",
        "comparison": "Comparison Group Member Standing ZoneSerial compare",
        "content": "Content",
        "difference": "Difference TtlDifference difference_of",
        "heard": "Heard Server",
    },
)
