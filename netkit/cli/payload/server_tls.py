"""TLS on the side that listens: the options, and the configuration that comes of them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import File, WrongValue, exclude
from netkit.cli.payload.tls_files import certificates, private_key, protocols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.context import Environment
    from netkit.io import ByteStream, Flow
    from netkit.tls.config import TlsConfig

#: How long a client has for the handshake, in seconds.
HANDSHAKE_TIMEOUT = 10.0


class ServerTlsOptions(OptionGroup):
    """`--tls` and what goes with it, on the side that listens."""

    tls: bool = flag("--tls", help="Talk TLS, with a certificate made on the spot unless --cert has one.")
    cert: str | None = field(
        "--cert", type=File(), help="Present this certificate, and the chain after it (PEM)."
    )
    key: str | None = field("--key", type=File(), help="Its private key (PEM).")
    alpn: str | None = field(
        "--alpn", metavar="LIST", help="Agree on one of these application protocols, separated by commas."
    )
    write_ca: str | None = field(
        "--write-ca", type=File(), help="Write the root of the certificate made here (PEM)."
    )

    def check(self) -> None:
        if not self.tls:
            self.only_with("--tls")
        if (self.cert is None) != (self.key is None):
            raise WrongValue("--cert and --key belong together", "give both, or neither")
        hint = "only a certificate made here has a root here"
        exclude("--cert", self.cert, "--write-ca", self.write_ca, hint)

    def config(self, names: Sequence[str], env: Environment) -> TlsConfig | None:
        """The configuration; None without TLS. A certificate made here is for `names`, and `env` is told.

        Raises OSError, WrongValue, TlsError for files that are of no use.
        """
        if not self.tls:
            return None
        from netkit.tls.config import TlsConfig

        config = TlsConfig.server().with_alpn(protocols(self.alpn))
        if self.cert is not None and self.key is not None:
            from netkit.tls.backends import new_session

            key = private_key(self.key, "--key")
            config = config.with_identity(certificates(self.cert, "--cert"), key)
            new_session(config, None)  # a key of another certificate is said now, not to the first client
            return config
        from netkit.tls.throwaway import ThrowawayAuthority

        authority = ThrowawayAuthority()
        certificate, key = authority.issue(names)
        if self.write_ca is not None:
            with open(self.write_ca, "w", encoding="ascii") as file:
                file.write(authority.certificate.to_pem())
        env.say(f"certificate for {', '.join(names)}; SHA-256 {certificate.fingerprint_sha256}")
        return config.with_identity(certificate, key)


def handshake(stream: ByteStream, *, config: TlsConfig) -> Flow[ByteStream]:
    """Flow: the handshake with a client, in HANDSHAKE_TIMEOUT; `stream` is closed if it fails."""
    from netkit.io import before, phase
    from netkit.tls.stream import TlsStream

    until = monotonic() + HANDSHAKE_TIMEOUT
    with phase("in the TLS handshake with a client", "tls"):
        return (yield from before(until, TlsStream.accept_flow(stream, config)))
