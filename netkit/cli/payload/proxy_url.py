"""The value of `--proxy URL`, for the commands that connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import Value

if TYPE_CHECKING:
    import click

    from netkit.proxy.url import Proxy


class ProxyUrl(Value["Proxy"]):
    """A proxy's URL. Error messages do not show the text, because it may contain a password."""

    name = "url"
    form = "write socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before HOST if it is needed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Proxy:
        from netkit.proxy.errors import ProxyError
        from netkit.proxy.url import Proxy

        if isinstance(value, Proxy):
            return value
        try:
            return Proxy.parse(str(value))
        except ProxyError as error:
            self.wrong(str(error), param, ctx, error.hint)
