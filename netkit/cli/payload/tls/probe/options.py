"""The options of `netkit tls probe`: which client it is, how it connects, what else it asks the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit.cli.frame.groups import OptionGroup, SourceOptions, field, flag
from netkit.cli.frame.options import File, Value
from netkit.cli.payload.proxy_url import ProxyUrl
from netkit.cli.payload.tls.client import ClientTlsSettings, check_servername
from netkit.cli.payload.tls.files import protocols

if TYPE_CHECKING:
    import click

    from netkit.cli.frame.context import Environment
    from netkit.io import ByteStream, Flow
    from netkit.net import TcpStream
    from netkit.proxy.url import Proxy
    from netkit.tls.config import TlsConfig
    from netkit.tls.probe.report import BeforeTls, Dial
    from netkit.tls.starttls import StartTlsProtocol, StartTlsReport

#: What a browser offers, where TLS begins with the connection.
BROWSERS = "h2,http/1.1"


def _starttls_names() -> tuple[str, ...]:
    from netkit.tls.starttls import NAMES

    return NAMES


class StartTlsName(Value["StartTlsProtocol"]):
    """The name of a protocol in which TLS is asked for."""

    name = "protocol"
    complete = staticmethod(_starttls_names)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> StartTlsProtocol:
        from netkit.tls.starttls import StartTlsError, StartTlsProtocol, starttls_protocol

        if isinstance(value, StartTlsProtocol):
            return value
        try:
            return starttls_protocol(str(value))
        except StartTlsError.UnknownProtocol as error:
            self.wrong(str(error), param, ctx, error.hint)


class ProbeTls(ClientTlsSettings, own_first=True):
    """The client whose verdict is wanted."""

    names: ClassVar[dict[str, str]] = {
        **ClientTlsSettings.names,
        "session_store": "resumption",
    }

    servername: str | None = field(
        "--servername", metavar="NAME", help="Request and check this name instead of the host's."
    )
    alpn: str | None = field(
        "--alpn",
        metavar="LIST",
        show_default=f"{BROWSERS}; none with --starttls",
        help="Offer these application protocols, separated by commas; '' offers none.",
    )
    resumption: bool = flag(
        "--resumption", help="Connect once more, and tell whether the session is resumed: tickets, 0-RTT."
    )
    early_data: str | None = field(
        "--early-data",
        type=File(),
        help="With --resumption, send FILE as early data (0-RTT) where the server takes any.",
    )

    def check(self) -> None:
        super().check()
        check_servername(self.servername)
        if not self.resumption:
            self.only_with("--resumption", "early_data")

    def check_insecure(self) -> None:
        """The verdict is told with --insecure too, so --ca and --crl have a meaning beside it."""

    def client(self, env: Environment, *, offers: str) -> TlsConfig:
        """The settings; `offers` are the application protocols unless others are asked for.

        Raises what `config` raises, and WrongValue where no backend here can do what is asked for.
        """
        more: dict[str, Any] = {
            "alpn_protocols": tuple(protocols(offers if self.alpn is None else self.alpn))
        }
        if self.resumption:
            from netkit.tls.sessions import MemorySessionStore

            more["session_store"] = MemorySessionStore()  # so that a backend which can is chosen
        config = self.config(env, **more)
        return config if self.early_data is None else self.sending_early(config)


class ProbePath(OptionGroup):
    """What lies before the handshake, and the moment to judge by."""

    section = "Connection"

    starttls: StartTlsProtocol | None = field(
        "--starttls",
        type=StartTlsName(),
        help="Ask for TLS in this protocol (smtp, imap, ldap, postgres, ...); its port is the default.",
    )
    proxy: Proxy | None = field(
        "--proxy",
        type=ProxyUrl(),
        help="Connect through this proxy: socks5://[USER:PASSWORD@]HOST:PORT or http://...",
    )

    def dial(self, source: SourceOptions) -> Dial | None:
        """What makes the connections; None without a proxy."""
        proxy = self.proxy
        if proxy is None:
            return None
        family, bound = source.resolve()

        def dial(host: str, port: int) -> Flow[TcpStream]:
            from netkit.addr import HostPort
            from netkit.proxy.connect import connect_through_flow

            return connect_through_flow(proxy, HostPort(host, port), family=family, source=bound)

        return dial

    def before_tls(self, host: str) -> BeforeTls | None:
        """The dialogue with a server called `host`; None without --starttls."""
        protocol = self.starttls
        if protocol is None:
            return None

        def dialogue(stream: ByteStream) -> Flow[StartTlsReport]:
            from netkit.tls.starttls import starttls_flow

            return starttls_flow(stream, protocol, host=host)

        return dialogue
