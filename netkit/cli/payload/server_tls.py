"""TLS on the side that listens: the options, and the configuration that they make."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import File, WrongValue, exclude
from netkit.cli.payload.tls_files import certificates, private_key, protocols

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.cli.frame.context import Environment
    from netkit.io import ByteStream, Flow
    from netkit.serve.handover import TakenOver
    from netkit.tls.config import TlsConfig

#: What the name of a protocol that is spoken over TLS ends with, and what its secrets are handed over as.
TLS_SUFFIX = "+tls"

#: How long a client has for the handshake, in seconds.
HANDSHAKE_TIMEOUT = 10.0


class CurrentTls:
    """The configuration that handshakes are made with from now on: None is no TLS."""

    def __init__(self, config: TlsConfig | None) -> None:
        self.config = config

    def accept_flow(self, stream: ByteStream) -> Flow[ByteStream]:
        """Flow: the handshake with a client."""
        assert self.config is not None
        return handshake(stream, config=self.config)

    def packed(self) -> bytes:
        """As a successor gets it."""
        assert self.config is not None
        return packed(self.config)


class ServerTlsOptions(OptionGroup):
    """`--tls` and what goes with it, on the side that listens."""

    tls: bool = flag("--tls", help="Talk TLS, with a certificate made on the spot unless --cert gives one.")
    cert: str | None = field(
        "--cert", type=File(), help="Send this certificate, and the chain that follows it (PEM)."
    )
    key: str | None = field("--key", type=File(), help="Its private key (PEM).")
    alpn: str | None = field(
        "--alpn", metavar="LIST", help="Agree on one of these application protocols, separated by commas."
    )
    write_ca: str | None = field(
        "--write-ca", type=File(), help="Write the root of the certificate made here (PEM)."
    )

    @classmethod
    def none(cls) -> ServerTlsOptions:
        """Those of a command that has none of them."""
        return cls(tls=False, cert=None, key=None, alpn=None, write_ca=None)

    def check(self) -> None:
        if not self.tls:
            self.only_with("--tls")
        if (self.cert is None) != (self.key is None):
            raise WrongValue("--cert and --key belong together", "give both, or neither")
        hint = "only a certificate made here has a root here"
        exclude("--cert", self.cert, "--write-ca", self.write_ca, hint)

    def successor(self, taken: TakenOver) -> TlsConfig | None:
        """The configuration to go on with after a running server; None without TLS.

        What was not given here is as it was there. Raises HandoverError where it would be another protocol
        for who connects, and what `config` raises for files.
        """
        from netkit.serve.handover import HandoverError

        if not taken.protocol.endswith(TLS_SUFFIX):
            if self.tls:
                raise HandoverError("it serves without TLS", "leave --tls away, or start a server of its own")
            return None
        if self.cert is not None:
            return self._own()
        if self.write_ca is not None:
            raise HandoverError(
                "its certificate goes on, and its root is not known here", "leave --write-ca away"
            )
        if TLS_SUFFIX not in taken.private:
            raise HandoverError(
                "it gives its private key to no other user", "write --tls --cert FILE --key FILE"
            )
        config = unpacked(taken.private[TLS_SUFFIX])
        return config if self.alpn is None else config.with_alpn(protocols(self.alpn))

    def reload(self, current: CurrentTls) -> Callable[[], None] | None:
        """What reads the files of --cert and --key again into `current`; None where there are none."""
        if self.cert is None:
            return None

        def read() -> None:
            current.config = self._own()

        return read

    def _own(self) -> TlsConfig:
        """The configuration with the certificate of --cert. Errors as `config`'s."""
        from netkit.tls.backends import new_session
        from netkit.tls.config import TlsConfig

        assert self.cert is not None
        assert self.key is not None
        key = private_key(self.key, "--key")
        config = TlsConfig.server().with_alpn(protocols(self.alpn))
        config = config.with_identity(certificates(self.cert, "--cert"), key)
        new_session(config, None)  # a key that does not match fails now, not at the first client
        return config

    def config(self, names: Sequence[str], env: Environment) -> TlsConfig | None:
        """The configuration; None without TLS. If a certificate is made here, it is for `names`, and a
        message says so.

        Raises OSError, WrongValue or TlsError if a file cannot be used.
        """
        if not self.tls:
            return None
        if self.cert is not None:
            return self._own()
        from netkit.tls.config import TlsConfig
        from netkit.tls.throwaway import ThrowawayAuthority

        authority = ThrowawayAuthority()
        certificate, key = authority.issue(names)
        if self.write_ca is not None:
            with open(self.write_ca, "w", encoding="ascii") as file:
                file.write(authority.certificate.to_pem())
        env.say(f"certificate for {', '.join(names)}; SHA-256 {certificate.fingerprint_sha256}")
        config = TlsConfig.server().with_alpn(protocols(self.alpn))
        return config.with_identity(certificate, key)


def packed(config: TlsConfig) -> bytes:
    """What a successor needs to go on with `config`, its private key included."""
    assert config.identity_cert is not None
    assert config.identity_key is not None
    chain = [config.identity_cert, *config.identity_chain]
    return json.dumps(
        {
            "certificates": "".join(each.to_pem() for each in chain),
            "key": config.identity_key.to_pem(),
            "alpn": list(config.alpn_protocols),
        }
    ).encode()


def unpacked(data: bytes) -> TlsConfig:
    """The configuration that `packed` made this of."""
    from netkit.tls.certificate import Certificate
    from netkit.tls.config import TlsConfig
    from netkit.tls.keys import PrivateKey

    said = json.loads(data)
    chain = Certificate.from_pem_chain(said["certificates"])
    return TlsConfig.server().with_identity(chain, PrivateKey.from_pem(said["key"])).with_alpn(said["alpn"])


def handshake(stream: ByteStream, *, config: TlsConfig) -> Flow[ByteStream]:
    """Flow: the handshake with a client, within HANDSHAKE_TIMEOUT; closes `stream` if it fails."""
    from netkit.io import before, phase
    from netkit.tls.stream import TlsStream

    until = monotonic() + HANDSHAKE_TIMEOUT
    with phase("in the TLS handshake with a client", "tls"):
        return (yield from before(until, TlsStream.accept_flow(stream, config)))
