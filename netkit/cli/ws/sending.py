"""What is sent: the arguments of the command, standard input, or a recording; one `Outgoing` after another.

A source hands out one thing at a time, and keeps its place: when a connection is lost (--reconnect), what was
not sent goes over the next one.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from netkit.cli.frame.inputs import BadInput
from netkit.cli.payload.talking import stdin_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.cli.frame.context import Environment
    from netkit.io import Flow

#: The longest message that is taken from standard input, in octets.
MAX_INPUT = 1 << 30


class Outgoing(NamedTuple):
    """Something to send: a message, a ping, or the end (`code` and `reason`). `at`: not before this time."""

    kind: Literal["message", "ping", "close"]
    payload: str | bytes = b""
    code: int | None = None
    reason: str = ""
    at: float | None = None


class Outgoings(Protocol):
    """Where they come from."""

    def next_flow(self) -> Flow[Outgoing | None]:
        """Flow: the next; None at the end. Raises BadInput, OSError."""


class Listed:
    """What is known from the beginning: arguments, or the lines of a recording, as they are read."""

    def __init__(self, items: Iterable[Outgoing], speed: float = 1.0) -> None:
        self._items: Iterator[Outgoing] = iter(items)
        self._speed = speed
        self._begun: float | None = None

    def next_flow(self) -> Flow[Outgoing | None]:
        """Flow: the next one, when its time has come."""
        from netkit.io import sleep_until

        if self._begun is None:
            self._begun = monotonic()
        item = next(self._items, None)
        if item is not None and item.at is not None and self._speed:
            yield from sleep_until(self._begun + item.at / self._speed)
        return item


class Piped:
    """Standard input: a message is a line, what ends in a NUL, all of it, or each piece as it comes."""

    def __init__(self, env: Environment, split: str, *, binary: bool) -> None:
        self._source = stdin_source(env)
        self._end = {"lines": b"\n", "nul": b"\0"}.get(split)
        self._is_whole = split != "pieces"
        self._binary = binary
        self._kept = bytearray()
        self._searched = 0
        self._number = 0
        self._ended = False

    def next_flow(self) -> Flow[Outgoing | None]:
        """Flow: the next message. Raises BadInput for a text that is not UTF-8, and one that is too long."""
        while not self._ended:
            if self._end is not None and (at := self._kept.find(self._end, self._searched)) >= 0:
                octets = bytes(self._kept[:at])
                del self._kept[: at + 1]
                self._searched = 0
                return self._message(octets)
            self._searched = len(self._kept)
            if len(self._kept) > MAX_INPUT:
                raise BadInput(f"standard input: a message of more than {MAX_INPUT:,} octets", None, None)
            data = yield from self._source.read_flow(65536)
            self._ended = not data
            if data and not self._is_whole:
                return self._message(data)
            self._kept += data
        octets, self._kept = bytes(self._kept), bytearray()
        return self._message(octets) if octets else None

    def _message(self, octets: bytes) -> Outgoing:
        self._number += 1
        if self._binary:
            return Outgoing("message", octets)
        octets = octets.removesuffix(b"\r") if self._end == b"\n" else octets
        return Outgoing("message", text_of(octets, f"message {self._number} of standard input"))


class Chained:
    """The messages that are arguments, and then standard input (--input)."""

    def __init__(self, first: Iterable[Outgoing], then: Piped) -> None:
        self.first = deque(first)
        self._then = then

    def next_flow(self) -> Flow[Outgoing | None]:
        """Flow: the next one; errors as those of `Piped`."""
        if self.first:
            return self.first.popleft()
        return (yield from self._then.next_flow())


def of_arguments(texts: Iterable[str], env: Environment, *, binary: bool) -> list[Outgoing]:
    """The messages that are arguments: `@FILE` is what a file holds, `@@text` begins with one @.

    Raises BadInput, OSError.
    """
    found: list[Outgoing] = []
    for text in texts:
        octets = text.encode("utf-8", "surrogateescape")
        if text.startswith("@@"):
            octets = octets[1:]
        elif text.startswith("@"):
            octets = read_file(env, text[1:])
        found.append(Outgoing("message", octets if binary else text_of(octets, text)))
    return found


def read_file(env: Environment, path: str) -> bytes:
    """What a file holds, or standard input (`-`). Raises OSError, BadInput for one that is too large."""
    if path == "-":
        octets = b"" if env.stdin is None else env.stdin.read(MAX_INPUT + 1)
    else:
        with open(path, "rb") as file:
            octets = file.read(MAX_INPUT + 1)
    if len(octets) > MAX_INPUT:
        raise BadInput(f"more than {MAX_INPUT:,} octets, which are no message", path, None)
    return octets


def text_of(octets: bytes, where: str) -> str:
    """The text that octets are. Raises BadInput for what is not UTF-8."""
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        words = f"{where} is no text: octet {error.start} is not UTF-8"
        raise BadInput(words, None, "--binary sends octets") from None
