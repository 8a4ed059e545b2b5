"""`--tsig-key` and `--tsig-file`: the keys with which queries and answers are signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import Value, WrongValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from netkit.dns.tsig.keys import TsigKey


class TsigKeyText(Value["TsigKey"]):
    """A key as BIND's dig has it on its command line. No message repeats it: there is a secret in it.

    `allow_md5` takes hmac-md5 too, where a peer that knows nothing better is to be asked.
    """

    name = "key"
    metavar = "[ALGORITHM:]NAME:BASE64"
    form = "write hmac-sha256:NAME:BASE64, with the secret in base64"

    def __init__(self, *, allow_md5: bool = False) -> None:
        self.allow_md5 = allow_md5

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TsigKey:
        from netkit.dns.errors import DnsError
        from netkit.dns.tsig.keys import TsigKey

        if isinstance(value, TsigKey):
            return value
        try:
            return TsigKey.parse(str(value), allow_md5=self.allow_md5)
        except DnsError.InvalidName as error:
            self.wrong(f"the key's name: {error.reason}", param, ctx)
        except DnsError.InvalidValue as error:
            shown = f" {error.value}" if error.field == "algorithm" else ""
            self.wrong(f"the {error.field}{shown} {error.reason}", param, ctx)


def read_keys(paths: Iterable[str], *, allow_md5: bool = False) -> list[TsigKey]:
    """The keys in files. Raises OSError, TsigError.KeyFile with line and column, and WrongValue for a path
    that is a key itself, and is not repeated."""
    from netkit.dns.tsig.keys import MAX_KEY_FILE, TsigKey

    keys: list[TsigKey] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read(MAX_KEY_FILE + 1)
        except FileNotFoundError:
            if _is_key(path):
                raise WrongValue(
                    "a key, where a file with one is wanted", "write --tsig-key for it"
                ) from None
            raise
        keys += TsigKey.parse_file(text, path, allow_md5=allow_md5)
    return keys


def _is_key(text: str) -> bool:
    from netkit.dns.errors import DnsError
    from netkit.dns.tsig.keys import TsigKey

    try:
        TsigKey.parse(text, allow_md5=True)
    except DnsError:
        return False
    return True
