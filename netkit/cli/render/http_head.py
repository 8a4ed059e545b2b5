"""Heads of messages, and the time that each phase took, as text for people.

A head is shown as HTTP/1.1 has it, whatever the version. Every octet of a peer that a terminal could obey is
an escape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.messages import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.cli.frame.context import Environment

_NAME, _GOOD, _ELSEWHERE, _BAD, _BOLD, _RESET = (
    "\x1b[36m",
    "\x1b[1;32m",
    "\x1b[1;33m",
    "\x1b[1;31m",
    "\x1b[1m",
    "\x1b[0m",
)


def status_words(version: str, status: int, reason: str) -> str:
    """`HTTP/1.1 200 OK`, as in a status line; `reason` may be empty (HTTP/2 has none)."""
    return f"HTTP/{version} {status} {reason}".rstrip()


def status_line(version: str, status: int, reason: str, *, color: bool) -> str:
    """The status line, coloured by what it says."""
    words = visible(status_words(version, status, reason))
    if not color:
        return words
    shade = _BAD if status >= 400 else _ELSEWHERE if status >= 300 else _GOOD
    return f"{shade}{words}{_RESET}"


def request_line(method: str, target: str, version: str, *, color: bool) -> str:
    """The request line."""
    words = visible(f"{method} {target} HTTP/{version}")
    return f"{_BOLD}{words}{_RESET}" if color else words


def field_lines(fields: Iterable[tuple[str, str]], *, color: bool) -> Iterator[str]:
    """A line for each field. Values are octets; those that are UTF-8 are shown as the text that they are."""
    for name, value in fields:
        shown = visible(decoded(value), tabs=True)
        yield f"{_NAME}{visible(name)}{_RESET}: {shown}" if color else f"{visible(name)}: {shown}"


def decoded(value: str) -> str:
    """The octets of a field (each a character) as UTF-8, if they are that."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


#: What each phase is, on a terminal.
PHASE_WORDS = {
    "queue": "waiting for a connection",
    "dns": "name lookup",
    "connect": "connecting",
    "proxy": "proxy",
    "tls": "TLS handshake",
    "send": "sending",
    "wait": "waiting",
    "receive": "receiving",
}
#: How wide the bars of a waterfall are at most, in columns, and what the other columns take.
_BAR, _BESIDE = 40, 44


def timing_lines(phases: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    """The phases, a line each: name, beginning and end in seconds, and its length in milliseconds."""
    for name, begun, ended in phases:
        yield f"{name}\t{begun:.6f}\t{ended:.6f}\t{(ended - begun) * 1000:.3f} ms"


def waterfall(phases: Sequence[tuple[str, float, float]], env: Environment) -> Iterator[Any]:
    """The phases as a table whose bars stand where each was in the whole time."""
    from rich.text import Text

    from netkit.cli.render import table

    whole = max((ended for _, _, ended in phases), default=0.0)
    most = max(4, min(_BAR, env.width - _BESIDE))
    full, least = ("█", "▏") if env.encoding.startswith("utf") else ("#", "|")
    rows: list[list[object]] = []
    for name, begun, ended in phases:
        start = min(most - 1, int(begun / whole * most)) if whole else 0
        length = round((ended - begun) / whole * most) if whole else 0
        bar = Text(f"{' ' * start}{full * length or least}"[:most], "cyan")
        rows.append([PHASE_WORDS.get(name, name), f"{(ended - begun) * 1000:.1f} ms", bar])
    rows.append(["all", f"{whole * 1000:.1f} ms", " "])
    yield table(("phase", "took", " "), rows, right=(1,))
