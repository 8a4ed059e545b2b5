"""The fields of RDATA by letters, so that a decoder can read them without asking each field.

`DnsRecord.LAYOUT` says in letters what a type's RDATA is: `B H I L Q` a number of 8, 16, 32, 48 or 64 bits,
`4` and `6` the octets of an address, `n` a name that may be compressed, `N` one that may not, `s` a string
behind its length, `x` one that is not empty, `S` one or more strings up to the end, `r` all octets up to the
end, `R` at least one of them, `t` a set of types up to the end (RFC 4034 section 4.1.2) as its octets.
`WireReader.values` and the Rust twin read by it.

A decoder by letters says only that RDATA is wrong; the type's own `from_wire` then says which field and why.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

# What of Python's struct module the letters of fixed size are; 48 bits have none.
_FIXED = {"B": "B", "H": "H", "I": "I", "Q": "Q", "4": "4s", "6": "16s"}


class Step(NamedTuple):
    """A part of a layout: a run of fields of fixed size, or one field of another letter, with `size` 0."""

    size: int
    unpack: Callable[[bytes, int], tuple[int | bytes, ...]]
    letter: str


#: The steps of one type's RDATA.
Layout = tuple[Step, ...]


def compiled(letters: str) -> Layout:
    """The steps by which RDATA of these letters is read."""
    steps: list[Step] = []
    run = ""
    for letter in letters + "\0":
        if letter in _FIXED:
            run += _FIXED[letter]
            continue
        if run:
            struct = Struct("!" + run)
            steps.append(Step(struct.size, struct.unpack_from, ""))
            run = ""
        if letter != "\0":
            steps.append(Step(0, _NOTHING, letter))
    return tuple(steps)


_NOTHING = Struct("").unpack_from


def is_bitmap(octets: bytes) -> bool:
    """Whether octets are windows of types: in their order, of 1 to 32 octets, the last of them not zero."""
    previous = -1
    at = 0
    while at + 2 <= len(octets):
        window, size = octets[at], octets[at + 1]
        at += 2 + size
        if window <= previous or not 1 <= size <= 32 or at > len(octets) or not octets[at - 1]:
            return False
        previous = window
    return at == len(octets)
