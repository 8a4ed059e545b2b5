"""The style of records that the +flags of `netkit dig` choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import Value
from netkit.dns.style import Style

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

#: What BIND's dig takes at most for `+split`.
_MAX_SPLIT = 1023


class Split(Value[int]):
    """How many digits of hexadecimal or base64 are together: a multiple of 4, or 0 for all."""

    name = "n"
    form = "write a number from 0 (do not split) to 1023, which is rounded up to a multiple of 4"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= _MAX_SPLIT):
            self.wrong(f"{text!r} is not how many digits are together", param, ctx)
        return (int(text) + 3) // 4 * 4


def style_of(flags: Mapping[str, Any]) -> Style:
    """The style that flags choose."""
    split = flags.get("split", True)
    units = bool(flags.get("ttlunits"))
    return Style(
        multiline=bool(flags.get("multiline")),
        comments=flags.get("rrcomments"),
        crypto=flags.get("crypto", True),
        split=None if split is True else split or 0,
        expand_ipv6=bool(flags.get("expandaaaa")),
        generic=bool(flags.get("unknownformat")),
        ttl_units=units,
        ttl=flags.get("ttlid", True) or units,
        rdclass=flags.get("class", True),
    )


def short_style(flags: Mapping[str, Any]) -> Style:
    """The same for values alone, each of which is one line."""
    return style_of(flags)._replace(multiline=False)
