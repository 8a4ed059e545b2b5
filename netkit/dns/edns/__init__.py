"""EDNS: the OPT pseudo-record of a message and its options (RFC 6891).

`opt` has the record, `option` the base of options, `options` each option, `fields` the kinds of fields that
only options have, `extended_errors` the codes of RFC 8914, `names` the options' names in text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.dns.edns.extended_errors import ExtendedErrorCode as ExtendedErrorCode
    from netkit.dns.edns.opt import DEFAULT_PAYLOAD_SIZE as DEFAULT_PAYLOAD_SIZE, Edns as Edns
    from netkit.dns.edns.option import EdnsOption as EdnsOption

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "extended_errors": "ExtendedErrorCode",
        "opt": "DEFAULT_PAYLOAD_SIZE Edns",
        "option": "EdnsOption",
    },
)
