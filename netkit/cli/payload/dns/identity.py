"""The options of `netkit serve dns` about the server itself: who it is, and whom it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit._version import __version__
from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import Value, WrongValue, parse_hex

if TYPE_CHECKING:
    from netkit.dns.authority.options import ServerOptions

_COOKIES: Any = click.Choice(["offer", "require"])


class ShortText(Value[str]):
    """A text that fits a string of a TXT record."""

    name = "text"
    form = "write a shorter text: it has to fit a string of a TXT record"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.dns.messages.wire_writer import MAX_STRING

        text = str(value)
        size = len(text.encode(errors="surrogateescape"))
        if size > MAX_STRING:
            self.wrong(f"{size} octets of text, more than {MAX_STRING}", param, ctx)
        return text


class Secret(Value[bytes]):
    """The secret of server cookies."""

    name = "secret"
    metavar = "HEX"
    form = "write 32 hexadecimal digits, the same for all servers of a name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        from netkit.dns.authority.cookies import SECRET_SIZE

        if isinstance(value, bytes):
            return value
        try:
            secret = parse_hex(str(value))
        except ValueError:
            secret = b""
        if len(secret) != SECRET_SIZE:
            self.wrong("a secret that is none", param, ctx)  # which it is, nobody else shall read
        return secret


class ServerIdentity(OptionGroup):
    """Who the server is, and whom it answers."""

    section = "Server"

    identity: str | None = field(
        "--identity",
        type=ShortText(),
        metavar="NAME",
        help="The name of this server, for who asks for id.server or hostname.bind (class CH, TXT), or with "
        "NSID. Without it, the server has none.",
    )
    server_version: str | None = field(
        "--server-version",
        type=ShortText(),
        metavar="TEXT",
        show_default="netkit and its version",
        help="What version.server and version.bind tell (class CH, TXT); '' tells nothing.",
    )
    signed_only: bool = flag(
        "--signed-only",
        help="Refuse queries and notifications without a signature by one of the keys (TSIG).",
    )
    cookies: str | None = field(
        "--cookies",
        type=_COOKIES,
        help="Have server cookies (RFC 9018) for clients that know cookies. With require, such a client gets "
        "BADCOOKIE over UDP until it sends one. Without this option, cookies are ignored.",
    )
    cookie_secret: bytes | None = field(
        "--cookie-secret",
        type=Secret(),
        help="What the cookies are made with, where several servers share them; else it is random.",
    )

    def check(self) -> None:
        if self.cookie_secret is not None and self.cookies is None:
            raise WrongValue("--cookie-secret without --cookies", "add --cookies offer, or leave it out")

    def check_keys(self, *, has_keys: bool) -> None:
        """Refuse --signed-only where nobody has a key to sign with."""
        if self.signed_only and not has_keys:
            raise WrongValue("--signed-only without a key", "add --tsig-key or --tsig-file")

    def server_options(self) -> ServerOptions:
        """The same for the library."""
        from netkit.dns.authority.options import ServerOptions

        cookies = None
        if self.cookies is not None:
            from secrets import token_bytes

            from netkit.dns.authority.cookies import SECRET_SIZE, ServerCookies

            cookies = ServerCookies(self.cookie_secret or token_bytes(SECRET_SIZE))
        version = f"netkit {__version__}" if self.server_version is None else self.server_version
        return ServerOptions(
            self.identity or None, version or None, self.signed_only, cookies, self.cookies == "require"
        )
