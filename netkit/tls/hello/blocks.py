"""The list of extensions at the end of a hello (RFC 8446 section 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.tls.hello.codes import ExtensionType
from netkit.tls.hello.errors import MalformedMessage
from netkit.tls.hello.extensions.base import (
    Malformed,
    Message,
)
from netkit.tls.hello.extensions.keys import (
    PreSharedKeys,
)
from netkit.tls.hello.extensions.table import (
    read_extension,
)
from netkit.tls.hello.octets import Octets, vector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.tls.hello.extensions.base import (
        Extension,
    )


def read_extensions(
    octets: Octets, message: Message, *, lenient: bool = False
) -> tuple[tuple[Extension, ...], tuple[MalformedMessage, ...]]:
    """The extensions, and what is malformed about them, which only a lenient reading returns.

    Raises MalformedMessage for the first fault if the reading is not lenient.
    """
    faults: list[MalformedMessage] = []

    def note(fault: MalformedMessage) -> None:
        if not lenient:
            raise fault
        faults.append(fault)

    part = f"the extensions of the {message.value}"
    block = _block(octets, part, note)
    extensions: list[Extension] = []
    seen: set[ExtensionType] = set()
    while len(block):
        at = block.offset
        try:
            kind = block.code(ExtensionType, "an extension's type")
            data = block.vector(2, "the data of an extension")
        except MalformedMessage as fault:  # where one has no end, no other begins
            note(fault)
            break
        if kind in seen:
            # RFC 8446 section 4.2: there is not more than one extension of a type in a message.
            note(MalformedMessage.illegal(part, f"a second {kind.name}", at))
        elif PreSharedKeys.type in seen and message is Message.ClientHello:
            # RFC 8446 section 4.2.11: pre_shared_key is the last one, because its binders cover the others.
            note(
                MalformedMessage.illegal(
                    part, f"{kind.name} follows pre_shared_key, which is the last one", at
                )
            )
        seen.add(kind)
        start = data.offset
        data.part = kind.name
        try:
            extensions.append(read_extension(kind, data, message))
        except MalformedMessage as fault:
            note(fault)
            data.offset = start
            extensions.append(Malformed(kind, data.rest(), fault))
    return tuple(extensions), tuple(faults)


def _block(octets: Octets, part: str, note: Callable[[MalformedMessage], None]) -> Octets:
    """The place of the extensions: all octets that are left, whatever their length says."""
    octets.part = part
    at = octets.offset
    if len(octets) < 2:
        note(octets.malformed("the length of the extensions is cut off"))
        octets.rest()
        return octets
    length = octets.number(2, "the length of the extensions")
    if length != len(octets):
        note(octets.malformed(f"they have {length} octets where {len(octets)} are left", at))
        length = min(length, len(octets))
    return octets.part_of(length)


def write_extensions(extensions: Iterable[Extension]) -> bytes:
    """The extensions behind their length. Raises ValueError if they are too long."""
    made = [
        each.type.octets + vector(2, each.write(), f"the extension {each.type.name}") for each in extensions
    ]
    return vector(2, b"".join(made), "a list of extensions")
