"""What the fields of JSON rows are made of where several commands have them: one word for one thing.

`docs/json.md` is the list of these words, and a test holds every schema to it. A row's TypedDict takes a type
from here and adds its own text: `peer: Annotated[Endpoint, "Where it went"]`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias


class Pattern(str):
    """In an `Annotated`: the regular expression that the text follows."""

    __slots__ = ()


class Format(str):
    """In an `Annotated`: the JSON Schema format of the text, such as `date-time` or `ipv4`."""

    __slots__ = ()


_IP = r"(?:[0-9]+(?:\.[0-9]+){3}|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:%.+)?)"

#: An IP address without a port, an IPv6 one with its zone where it has one: `192.0.2.1`, `fe80::1%eth0`.
Address: TypeAlias = Annotated[str, Pattern(f"^{_IP}$")]

#: An IP address and a port: `192.0.2.1:443`, `[2001:db8::1]:443`.
Endpoint: TypeAlias = Annotated[
    str, Pattern(r"^(?:[0-9]+(?:\.[0-9]+){3}|\[[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:%.+)?\]):[0-9]+$")
]

#: The same, or a Unix-domain socket's path or `@NAME`, where a command speaks both.
EndpointOrPath: TypeAlias = Annotated[str, Pattern(f"^(?!{_IP}$)")]
