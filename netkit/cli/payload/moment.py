"""A moment on the command line: `--at TIME`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import Value

if TYPE_CHECKING:
    import click

#: The unit of a moment that is given by its distance from now.
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Moment(Value[datetime]):
    """A moment: `2027-01-31`, `2027-01-31T12:00:00Z`, or by its distance from now, `+30d`."""

    name = "time"
    form = "write 2027-01-31, 2027-01-31T12:00:00Z, or the time from now, as in +30d or -12h"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        from datetime import timedelta

        text = str(value).strip()
        try:
            if text[:1] in ("+", "-") and text[-1:] in UNITS:
                distance = timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
                return datetime.now(UTC) + distance
            found = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.wrong(f"{value!r} is not a moment", param, ctx)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
