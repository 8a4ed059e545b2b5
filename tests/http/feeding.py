"""How the tests feed a parser and a decoder, and in what form they compare what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import netkit.http.parser.chunked
import netkit.http.parser.head  # noqa: F401 - the twins are known from when these are imported
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Lenient

#: In what a buffer may come.
BUFFERS: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "a part of a memoryview": lambda octets: memoryview(bytearray(b"--" + octets + b"--"))[
        2 : 2 + len(octets)
    ],
}


def options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments, with tolerances named as on the command line."""
    if "lenient" in given:
        return {**given, "lenient": Lenient.named(given["lenient"])}
    return dict(given)


def whole(size: int) -> list[int]:
    return [size]


def byte_by_byte(size: int) -> list[int]:
    return list(range(size + 1))


def in_pieces(seed: int) -> Callable[[int], list[int]]:
    """Cuts at random places, the same for the same seed."""

    def cuts(size: int) -> list[int]:
        chosen = random.Random(seed * 1_000_003 + size)
        return sorted({*(chosen.randint(0, size) for _ in range(chosen.randint(1, 8))), size})

    return cuts


#: How a message may arrive: the lengths of the buffer, call by call.
WAYS: dict[str, Callable[[int], list[int]]] = {
    "whole": whole,
    "byte by byte": byte_by_byte,
    **{f"in pieces {seed}": in_pieces(seed) for seed in range(4)},
}


def described(error: ParseError) -> tuple[Any, ...]:
    """An error in a form that compares."""
    return ("refused", type(error).__name__, dict(vars(error)), str(error))


def head(
    parser: Any, data: bytes, cuts: list[int] | None = None, make: Callable[[bytes], Any] = bytes
) -> tuple[Any, ...]:
    """What came of feeding a message, in a form that compares between twins and between ways."""
    progress: Any = None
    try:
        for cut in cuts or [len(data)]:
            progress = parser.feed(make(data[:cut]))
            if progress:
                break
    except ParseError as error:
        return described(error)
    if not progress:
        return ("needs more", read(parser, data))
    fields = (
        progress.consumed,
        progress.body_start,
        progress.body_len,
        progress.framing,
        progress.framing_conflict,
    )
    return ("done", fields, read(parser, data))


def read(parser: Any, data: bytes) -> dict[str, Any]:
    """Everything a parser says about a message."""
    views = [(view.key_start, view.key_len, view.value_start, view.value_len) for view in parser.headers]
    return {
        "views": views,
        "items": parser.items(data),
        "start line": parser.start_line,
        "version": parser.version,
        "status": parser.status,
        "form": parser.target_form,
        "received": received(parser, data),
    }


def received(parser: Any, data: bytes) -> Any:
    """What a client asks for in one call, of a response that is complete."""
    try:
        return parser.received_head(data)
    except ValueError as error:
        return str(error)


def body(
    decoder: Any, data: bytes, cuts: list[int] | None = None, make: Callable[[bytes], Any] = bytes
) -> tuple[Any, ...]:
    """What came of decoding a body: its data, its end and its trailers."""
    decoded = bytearray()
    try:
        for cut in cuts or [len(data)]:
            for progress in events(decoder, make(data[:cut])):
                if hasattr(progress, "consumed"):
                    trailers = [(field.name, field.value, field.mergeable) for field in decoder.trailers]
                    return ("done", bytes(decoded), progress.consumed, progress.end, trailers)
                decoded += progress.data(data)
    except ParseError as error:
        return (*described(error), bytes(decoded))
    return ("needs more", bytes(decoded), decoder.safe_to_discard)


def events(decoder: Any, buffer: Any) -> Iterator[Any]:
    """What a decoder finds in a buffer."""
    while progress := decoder.feed(buffer):
        yield progress
        if hasattr(progress, "consumed"):
            return
