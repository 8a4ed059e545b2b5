"""The types of JSON fields that several commands have, so that one word has one meaning everywhere.

`docs/json.md` lists these words, and a test checks every schema against it. A row's TypedDict takes a type
from here and adds its own text: `peer: Annotated[Endpoint, "Where it went"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable


class Pattern(str):
    """In an `Annotated`: the regular expression that the text follows."""

    __slots__ = ()


class Format(str):
    """In an `Annotated`: the JSON Schema format of the text, such as `date-time` or `ipv4`."""

    __slots__ = ()


class Cases(NamedTuple):
    """In an `Annotated`: the value follows one of these schemas too, which say how its keys depend on each
    other. `name` is that of their definition, and `make` is called when a schema is asked for."""

    name: str
    make: Callable[[], list[dict[str, Any]]]


_IP = r"(?:[0-9]+(?:\.[0-9]+){3}|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:%.+)?)"

#: An IP address without a port, with the zone of an IPv6 address if it has one: `192.0.2.1`, `fe80::1%eth0`.
Address: TypeAlias = Annotated[str, Pattern(f"^{_IP}$")]

#: An IP address and a port: `192.0.2.1:443`, `[2001:db8::1]:443`.
Endpoint: TypeAlias = Annotated[
    str, Pattern(r"^(?:[0-9]+(?:\.[0-9]+){3}|\[[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:%.+)?\]):[0-9]+$")
]

#: An endpoint, or a Unix-domain socket's path or `@NAME`, for commands that take both.
EndpointOrPath: TypeAlias = Annotated[str, Pattern(f"^(?!{_IP}$)")]
