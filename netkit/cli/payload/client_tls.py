"""TLS on the side that connects: the options, and the handshake with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import WrongValue, exclude
from netkit.cli.payload.tls_files import ca_field, insecure_field, protocols, trusted_certificates

if TYPE_CHECKING:
    from netkit.cli.frame.context import Environment
    from netkit.io import ByteStream, Flow
    from netkit.tls.config import TlsConfig
    from netkit.tls.stream import TlsStream


class ClientTlsOptions(OptionGroup):
    """`--tls` and what goes with it, on the side that connects."""

    tls: bool = flag("--tls", help="Talk TLS, and verify the server.")
    servername: str | None = field(
        "--servername", metavar="NAME", help="Ask for, and verify, this name instead of the host's."
    )
    alpn: str | None = field(
        "--alpn", metavar="LIST", help="Offer these application protocols, separated by commas."
    )
    ca: str | None = ca_field()
    insecure: bool = insecure_field()

    def check(self) -> None:
        if not self.tls:
            self.only_with("--tls")
        exclude("--ca", self.ca, "--insecure", self.insecure, "--insecure verifies nothing")

    def client(self, host: str | None, env: Environment) -> ClientTls | None:
        """TLS as it was asked for; None without --tls. `host` is the name that a server has by itself, and
        `env` is told of certificates that are passed over.

        Raises OSError, WrongValue for files that are of no use, WrongValue where there is no name to verify.
        """
        if not self.tls:
            return None
        name = self.servername or host
        if name is None and not self.insecure:
            raise WrongValue("there is no name to verify", "give --servername NAME, or --insecure")

        from netkit.tls.config import CertVerifyMode, TlsConfig

        config = TlsConfig.client().with_alpn(protocols(self.alpn))
        if self.ca is not None:
            config = config.with_root_certs(trusted_certificates(self.ca, env))
        if self.insecure:
            config = config.with_verify_mode(CertVerifyMode.None_)
        return ClientTls(name, config)


class ClientTls:
    """TLS as the options ask for it: the server's name, and the settings."""

    def __init__(self, server_name: str | None, config: TlsConfig) -> None:
        self.server_name = server_name
        self.config = config

    def over(self, stream: ByteStream) -> Flow[TlsStream]:
        """Flow: the handshake; closes `stream` if it fails."""
        from netkit.io import phase
        from netkit.tls.stream import TlsStream

        with phase(f"in the TLS handshake with {self.server_name or 'the server'}", "tls"):
            return (yield from TlsStream.connect_flow(stream, self.server_name, self.config))
