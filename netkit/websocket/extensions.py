"""Sec-WebSocket-Extensions: the list of extensions that is offered, and the one that is answered.

RFC 6455 section 9.1. A parameter may have no value; a value in quotes means what it means without them, and
must be a token either way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from netkit._value import Value, assign
from netkit.http.fields.errors import FieldError
from netkit.http.fields.syntax import TOKEN, Cursor
from netkit.websocket.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELD: Final = "Sec-WebSocket-Extensions"

#: Extensions in one message, and parameters of one extension, that are read.
MAX_EXTENSIONS: Final = 32
MAX_PARAMETERS: Final = 32


class Extension(Value):
    """An extension with its parameters, names and values as they were written; None is no value."""

    __slots__ = ("name", "parameters")
    __match_args__: ClassVar[tuple[str, ...]] = ("name", "parameters")

    name: str
    parameters: tuple[tuple[str, str | None], ...]

    def __init__(self, name: str, parameters: Iterable[tuple[str, str | None]] = ()) -> None:
        assign(self, "name", name)
        assign(self, "parameters", tuple(parameters))

    def __str__(self) -> str:
        parts = [name if value is None else f"{name}={value}" for name, value in self.parameters]
        return "; ".join([self.name, *parts])


def parse_extensions(values: Iterable[str]) -> list[Extension]:
    """Read the values of all Sec-WebSocket-Extensions fields of a message, in order.

    >>> parse_extensions(['permessage-deflate; client_max_window_bits; server_max_window_bits="10"'])[0]
    Extension(name='permessage-deflate', parameters=(('client_max_window_bits', None), ('server_max_window_bits', '10')))

    Raises WebSocketError.InvalidHandshake for what is not in the grammar, or too much.
    """  # noqa: E501
    found: list[Extension] = []
    for value in values:
        try:
            cursor, left = Cursor(value, FIELD), MAX_EXTENSIONS - len(found)
            while cursor.next_member(left):
                found.append(_extension(cursor))
                cursor.end_member()
        except FieldError as error:
            raise WebSocketError.InvalidHandshake(FIELD, str(error)) from None
        if not value.strip(" \t,"):
            # RFC 6455 section 9.1: a list of at least one.
            raise WebSocketError.InvalidHandshake(FIELD, "an empty list")
    return found


def _extension(cursor: Cursor) -> Extension:
    name = cursor.token("an extension's name")
    parameters: list[tuple[str, str | None]] = []
    cursor.skip()
    while cursor.take(";"):
        if len(parameters) == MAX_PARAMETERS:
            cursor.fail(f"more than {MAX_PARAMETERS} parameters")
        cursor.skip()
        key, value = cursor.token("a parameter's name"), None
        cursor.skip()
        if cursor.take("="):
            cursor.skip()
            begun = cursor.at
            value = cursor.quoted() if cursor.here == '"' else cursor.token("a parameter's value")
            if not TOKEN.fullmatch(value):
                cursor.fail("a quoted value that is no token", begun)
            cursor.skip()
        parameters.append((key, value))
    return Extension(name, parameters)
