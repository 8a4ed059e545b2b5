"""TLS on the side that listens: the options, and the configuration that comes of them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import FILE, File, WrongValue, option
from netkit.cli.payload.tls_files import certificates, private_key, protocols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.command import Run
    from netkit.cli.frame.options import F
    from netkit.io import ByteStream, Flow
    from netkit.tls.config import TlsConfig

#: How long a client has for the handshake, in seconds.
HANDSHAKE_TIMEOUT = 10.0

_OPTIONS = (
    option(
        "--tls", is_flag=True, help="Talk TLS, with a certificate made on the spot unless --cert has one."
    ),
    option(
        "--cert",
        type=File(),
        metavar="FILE",
        complete=FILE,
        help="Present this certificate, and the chain after it (PEM).",
    ),
    option("--key", type=File(), metavar="FILE", complete=FILE, help="Its private key (PEM)."),
    option(
        "--alpn", metavar="LIST", help="Agree on one of these application protocols, separated by commas."
    ),
    option(
        "--write-ca",
        type=File(),
        metavar="FILE",
        complete=FILE,
        help="Write the root of the certificate made here (PEM).",
    ),
)


def server_tls(function: F) -> F:
    """`--tls` and what goes with it, on the side that listens; taken out by `ServerTls`."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


class ServerTls:
    """The options of `server_tls`, taken out of `given` and checked. Raises WrongValue."""

    def __init__(self, run: Run[Any], given: dict[str, Any]) -> None:
        self._run = run
        self.wanted: bool = given.pop("tls")
        self._cert: str | None = given.pop("cert")
        self._key: str | None = given.pop("key")
        self._alpn: str | None = given.pop("alpn")
        self._write_ca: str | None = given.pop("write_ca")
        if not self.wanted:
            asked = {"--cert": self._cert, "--key": self._key, "--alpn": self._alpn}
            for name, value in {**asked, "--write-ca": self._write_ca}.items():
                if value is not None:
                    raise WrongValue(f"{name} is for --tls", "add --tls, or leave it out")
        if (self._cert is None) != (self._key is None):
            raise WrongValue("--cert and --key belong together", "give both, or neither")
        if self._cert is not None and self._write_ca is not None:
            raise WrongValue(
                "--cert and --write-ca exclude each other", "only a certificate made here has a root here"
            )

    def config(self, names: Sequence[str]) -> TlsConfig | None:
        """The configuration; None without TLS. A certificate made here is for `names`.

        Raises OSError, WrongValue, TlsError for files that are of no use.
        """
        if not self.wanted:
            return None
        from netkit.tls.config import TlsConfig

        config = TlsConfig.server().with_alpn(protocols(self._alpn))
        if self._cert is not None and self._key is not None:
            from netkit.tls.backends import new_session

            key = private_key(self._key, "--key")
            config = config.with_identity(certificates(self._cert, "--cert"), key)
            new_session(config, None)  # a key of another certificate is said now, not to the first client
            return config
        from netkit.tls.throwaway import ThrowawayAuthority

        authority = ThrowawayAuthority()
        certificate, key = authority.issue(names)
        if self._write_ca is not None:
            with open(self._write_ca, "w", encoding="ascii") as file:
                file.write(authority.certificate.to_pem())
        self._run.env.say(f"certificate for {', '.join(names)}; SHA-256 {certificate.fingerprint_sha256}")
        return config.with_identity(certificate, key)


def handshake(stream: ByteStream, *, config: TlsConfig) -> Flow[ByteStream]:
    """Flow: the handshake with a client, in HANDSHAKE_TIMEOUT; `stream` is closed if it fails."""
    from netkit.io import before, phase
    from netkit.tls.stream import TlsStream

    until = monotonic() + HANDSHAKE_TIMEOUT
    with phase("in the TLS handshake with a client", "tls"):
        return (yield from before(until, TlsStream.accept_flow(stream, config)))
