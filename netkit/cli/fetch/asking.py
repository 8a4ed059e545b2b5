"""A URL in the place of a header: `netkit link URL` and `netkit range ... --url URL` ask its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.frame.options import Value
from netkit.cli.payload.tls.client import ClientTlsSettings

if TYPE_CHECKING:
    import click

    from netkit.cli.frame.context import Environment
    from netkit.http.client.client import Client
    from netkit.http.headers import Headers
    from netkit.http.url import Url
    from netkit.io import Flow


class AskOptions(ClientTlsSettings):
    """The options of TLS, for a server that is asked."""

    section = "Where a URL is asked over TLS"


class Head(NamedTuple):
    """The head of a response: the URL that redirects led to, the status, the headers, and the length."""

    url: Url
    status: int
    headers: Headers
    length: int | None


def url_of(text: str) -> Url | None:
    """The URL that an input is; None for what is a header. Raises HttpError.InvalidUri."""
    if not text.lower().startswith(("http://", "https://")):
        return None
    from netkit.http.url import Url

    return Url.parse(text)


class AskedUrl(Value["Url"]):
    """A URL that is asked for; as in `http fetch`, one without a scheme is completed."""

    name = "url"
    form = "write it as in https://example.com/a, or :8080/a for this machine"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Url:
        from netkit.cli.fetch.plan import complete_url
        from netkit.http.errors import HttpError
        from netkit.http.url import Url

        if isinstance(value, Url):
            return value
        try:
            url = Url.parse(complete_url(str(value)))
        except HttpError.InvalidUri as error:
            self.wrong(str(error), param, ctx)
        if url.scheme not in ("http", "https"):
            self.wrong(f"the scheme {url.scheme!r} is not one of HTTP", param, ctx)
        return url


def asking_client(ask: AskOptions, env: Environment) -> Client:
    """A client that follows redirects, through the proxies of the environment.

    Raises what `ClientTlsSettings.config` raises.
    """
    from netkit.cli.fetch.settings import environment_proxies
    from netkit.http.client.client import Client
    from netkit.http.client.dial import DialConfig
    from netkit.http.config import ClientConfig

    dial = DialConfig(tls=ask.config_or_none(env), proxy_for=environment_proxies(env))
    return Client(ClientConfig(timeout=None), dial=dial)


def head_flow(client: Client, url: Url, fields: list[tuple[str, str]]) -> Flow[Head]:
    """Flow: ask for `url`, and take the head of the answer only."""
    from netkit.http.message import Request

    response = yield from client.stream_flow(Request("GET", url, headers=fields))
    with response:
        return Head(response.url, int(response.status), response.headers, response.length)
