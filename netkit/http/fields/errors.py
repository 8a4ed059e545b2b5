"""The errors in the value of a header field that has a grammar of its own.

    NetkitError
    └── FieldError                  (ValueError) any of these; `field`, `offset`
        ├── InvalidField            the value is not in the field's grammar: `reason`
        ├── UnknownRangeUnit        a Range in another unit than bytes: `unit`
        ├── FieldLimitExceeded      within the grammar, but over a limit: `limit`, `allowed`
        └── UnsatisfiableRange      no range of it is in the representation: `complete_length`

The stage is `protocol`, and `usage` where it is the caller's fault.
An offset counts characters from the start of the value. If the caller wants to write a wrong value, the
error is also an `InvalidField`, with `fault` "caller".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.errors import NetkitError

if TYPE_CHECKING:
    from netkit.errors import Fault


class FieldError(NetkitError, ValueError):
    """Something is wrong with a field's value: `field` is the field's name, `offset` where it shows."""

    layer = "http"

    def __init__(self, field: str, offset: int) -> None:
        super().__init__(field, offset)
        self.field = field
        self.offset = offset


class InvalidField(FieldError):
    """The value is not in the grammar of its field; `reason` says what is wrong at `offset`."""

    def __init__(self, field: str, reason: str, offset: int = 0, *, fault: Fault = "peer") -> None:
        super().__init__(field, offset)
        self.args = (field, reason, offset)
        self.reason = reason
        self.fault = fault

    def __str__(self) -> str:
        return f"invalid {self.field}: {self.reason} (at offset {self.offset})"


class UnknownRangeUnit(FieldError):
    """A Range, or a Content-Range, in a unit that is not bytes.

    RFC 9110 section 14.2: a server ignores such a Range. Section 14.4: a client must not put a part with
    such a Content-Range together with others.
    """

    def __init__(self, unit: str, field: str = "Range") -> None:
        super().__init__(field, 0)
        self.args = (unit, field)
        self.unit = unit

    def __str__(self) -> str:
        so = "the whole representation is sent" if self.field == "Range" else "the part cannot be placed"
        return f"the range unit {self.unit[:80]!r} is not bytes, so {so}"


class FieldLimitExceeded(FieldError):
    """More than was allowed; `limit` names the keyword that sets the limit, `allowed` is its value."""

    kind = "LimitExceeded"

    def __init__(self, field: str, limit: str, allowed: int, offset: int = 0) -> None:
        super().__init__(field, offset)
        self.args = (field, limit, allowed, offset)
        self.limit = limit
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.field} exceeds {self.limit}={self.allowed:,} (at offset {self.offset})"


class UnsatisfiableRange(FieldError):
    """None of the ranges is in the representation: answer 416 (RFC 9110 section 15.5.17).

    `complete_length` is the representation's length in bytes.
    """

    def __init__(self, complete_length: int) -> None:
        super().__init__("Range", 0)
        self.args = (complete_length,)
        self.complete_length = complete_length

    @property
    def content_range(self) -> str:
        """The Content-Range to send with the 416."""
        return f"bytes */{self.complete_length}"

    def __str__(self) -> str:
        return f"no range of it is in a representation of {self.complete_length:,} bytes"
