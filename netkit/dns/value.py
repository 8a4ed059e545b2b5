"""The values of the DNS codec: their common base, and the check of a field that is a number."""

from __future__ import annotations

from netkit._value import Value, assign
from netkit.dns.errors import DnsError

__all__ = ["Value", "assign", "checked_int"]


def checked_int(field: str, value: int, limit: int) -> int:
    """Return `value` if it is an integer from 0 to `limit`; otherwise raise DnsError.InvalidValue."""
    if not isinstance(value, int):
        raise DnsError.InvalidValue(field, value, "must be an integer")
    if not 0 <= value <= limit:
        raise DnsError.InvalidValue(field, value, f"must be between 0 and {limit}", limit=limit)
    return value
