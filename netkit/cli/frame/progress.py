"""The line of progress over many inputs: on standard error, on a terminal only, removed before other
output."""

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
    """The progress of `output` with `lines`: `###------  31%  3,120 done  12 failed  412/s  0:17 left`."""

    def __init__(self, output: Output[Any], lines: Lines) -> None:
        self._output = output
        self._lines = lines
        self._began = self._shown = monotonic()

    def flow(self, idle: Event) -> Flow[None]:
        """Flow: update the line even while no input finishes, until `idle` is set."""
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
        done, lines = self._output.rows, self._lines
        elapsed = max(now - self._began, 1e-9)
        rate = (done - lines.resumed) / elapsed
        parts = []
        fraction = lines.finished / lines.size if lines.size else None
        if fraction is not None:
            filled = int(fraction * _BAR)
            parts.append(f"{'#' * filled}{'-' * (_BAR - filled)} {fraction:4.0%}")
        parts.append(f"{done:,} done")
        failed = sum(self._output.failures.values())
        if failed:
            parts.append(f"{failed:,} failed")
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
        asked = lines.finished - lines.free
        if lines.size and asked > 0 and elapsed > 1:
            left = round((lines.size - lines.finished) * elapsed / asked)
            parts.append(f"{left // 60}:{left % 60:02} left")
        return "  ".join(parts)
