"""The line of progress over many inputs: standard error, a terminal only, gone before anything is written."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netkit.cli.frame.lines import Lines
    from netkit.cli.frame.output import Output
    from netkit.io import Event, Flow

#: How often the line is written, in seconds.
INTERVAL = 0.1
_BAR = 20


class Progress:
    """How far `output` has come with `lines`: `###------  31%  3,120 done  12 failed  412/s  0:17 left`."""

    def __init__(self, output: Output[Any], lines: Lines) -> None:
        self._output = output
        self._lines = lines
        self._began = self._shown = monotonic()
        self._before = output.rows

    def flow(self, idle: Event) -> Flow[None]:
        """Flow: keep the line current while nothing finishes, until `idle` is set."""
        from netkit.io import Want

        while not idle.is_set:
            yield Want(event=idle, until=monotonic() + INTERVAL)
            self.show()

    def show(self) -> None:
        """Write the line, if it is time."""
        now = monotonic()
        if now - self._shown >= INTERVAL:
            self._shown = now
            self._output.env.status(self.text(now))

    def text(self, now: float) -> str:
        """The line at the moment `now`."""
        done = self._output.rows
        elapsed = max(now - self._began, 1e-9)
        rate = (done - self._before) / elapsed
        parts = []
        fraction = self._fraction()
        if fraction is not None:
            filled = int(fraction * _BAR)
            parts.append(f"{'#' * filled}{'-' * (_BAR - filled)} {fraction:4.0%}")
        parts.append(f"{done:,} done")
        failed = sum(self._output.failures.values())
        if failed:
            parts.append(f"{failed:,} failed")
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
        if fraction is not None and 0 < fraction < 1 and elapsed > 1:
            left = int(elapsed / fraction - elapsed)
            parts.append(f"{left // 60}:{left % 60:02} left")
        return "  ".join(parts)

    def _fraction(self) -> float | None:
        """How much of the list has been read: by bytes, since its lines are not counted beforehand."""
        if self._lines.ended:
            return None
        return self._lines.read / self._lines.size if self._lines.size else None
