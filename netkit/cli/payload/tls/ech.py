"""`--ech`: which hello a client encrypts, or pretends to."""

from __future__ import annotations

import os.path
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from netkit.cli.frame.groups import field
from netkit.cli.frame.options import Value

if TYPE_CHECKING:
    import click

#: A client's Encrypted Client Hello: the list of a server, a pretended one, or what HTTPS records say.
Ech: TypeAlias = "bytes | Literal['grease', 'auto']"

#: The longest file of --ech: a list has a length of two octets.
LONGEST_LIST = 2 + 0xFFFF


class EchConfig(Value["Ech"]):
    """An ECHConfigList, in base64 or in a file (itself, or base64 of it), `grease`; of HTTP `auto` too."""

    name = "list"
    form = "write grease, the ECHConfigList in base64, or the file that has it"

    def __init__(self, *, auto: bool = False) -> None:
        self._auto = auto
        if auto:
            self.form = self.form.replace("grease,", "auto, grease,")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ech:
        if isinstance(value, bytes):
            return value
        if value == "grease":
            return "grease"
        if value == "auto":
            if self._auto:
                return "auto"
            self.wrong("auto: this command asks for no HTTPS records, which `http fetch` does", param, ctx)
        data = _decoded(str(value))
        if data is None and os.path.isfile(str(value)):
            with open(str(value), "rb") as file:
                content = file.read(2 * LONGEST_LIST)
            data = content if _is_list(content) else _decoded(content.decode("latin-1"))
        if data is None:
            self.wrong(f"{str(value)[:60]!r} is no ECHConfigList", param, ctx)
        return data


def ech_field(*, auto: bool = False) -> Ech | None:
    """The field of a group that is `--ech`; `auto`: the command asks for HTTPS records."""
    words = "Encrypt the ClientHello for this ECHConfigList (base64, or a file), or pretend to: grease"
    more = "; auto: for the one in the HTTPS record" * auto
    return field(
        "--ech",
        type=EchConfig(auto=auto),
        help=f"{words}{more}.",
    )


def _decoded(text: str) -> bytes | None:
    """The list that `text` is in base64; None if it is none."""
    try:
        data = b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None
    return data if _is_list(data) else None


def _is_list(data: bytes) -> bool:
    return len(data) > 2 and int.from_bytes(data[:2], "big") == len(data) - 2


def ech_settings(ech: Ech | None) -> dict[str, Any]:
    """The settings of a `TlsConfig` for the option."""
    if ech is None:
        return {}
    return {"ech_config_list": ech} if isinstance(ech, bytes) else {"ech_grease": True}
