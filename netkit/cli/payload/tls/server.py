"""TLS on the side that listens: the options, and the configuration that they make.

ServerTlsSettings    what to show, whom to ask for a certificate, how to talk
└── ServerTlsOptions     with --tls, --alpn, and a certificate that is made on the spot
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import click

from netkit.cli.frame.groups import field, flag
from netkit.cli.frame.options import File, Number, WrongValue, exclude
from netkit.cli.payload.tls.files import (
    Password,
    crl_field,
    identity,
    password_field,
    protocols,
    revocation_lists,
    stapled_response,
    trusted_certificates,
)
from netkit.cli.payload.tls.options import TlsOptions, compress_field, compressions
from netkit.cli.payload.tls.packed import packed, unpacked, with_identities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.cli.frame.context import Environment
    from netkit.io import ByteStream, Flow
    from netkit.serve.handover import TakenOver
    from netkit.tls.config import TlsConfig
    from netkit.tls.identity import Identity

#: What the name of a protocol that is spoken over TLS ends with, and what its secrets are handed over as.
TLS_SUFFIX = "+tls"

#: How long a client has for the handshake, in seconds.
HANDSHAKE_TIMEOUT = 10.0

#: How many bytes of early data a server takes with --early-data: what every backend that has it can.
EARLY_DATA = 16_384

#: The type checker gives it the type of the field that it is for.
_CLIENT_CERTS: Any = click.Choice(["none", "optional", "required"])


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


class ServerTlsSettings(TlsOptions, own_first=True):
    """What a command that listens can be told of TLS."""

    names: ClassVar[dict[str, str]] = {
        **TlsOptions.names,
        "identity_cert": "cert",
        "identity_key": "key",
        "root_certs": "client_ca",
        "client_auth_optional": "client_cert",
        "verify_mode": "client_cert",
        "crls": "crl",
        "ocsp_response": "ocsp_staple",
        "tickets": "tickets",
        "max_early_data": "early_data",
        "half_rtt": "half_rtt",
        "certificate_compression": "compress_cert",
        "alpn_protocols": "alpn",
    }

    cert: tuple[str, ...] = field(
        "--cert",
        type=File(),
        multiple=True,
        help="Send this certificate, and the chain that follows it. Of several, each client gets the one for "
        "the name that it asks for; the first is for all other names.",
    )
    key: tuple[str, ...] = field(
        "--key",
        type=File(),
        multiple=True,
        help="Its private key; of several, in the order of --cert. Without it the key is in the file of "
        "--cert.",
    )
    password_file: str | None = password_field()
    client_ca: tuple[str, ...] = field(
        "--client-ca",
        type=File(),
        multiple=True,
        help="Ask clients for a certificate of one of the authorities in FILE; may be given several times.",
    )
    client_cert: Literal["none", "optional", "required"] | None = field(
        "--client-cert",
        type=_CLIENT_CERTS,
        help="With --client-ca: whether a client needs a certificate.",
        show_default="required",
    )
    crl: tuple[str, ...] = crl_field("client")
    ocsp_staple: str | None = field(
        "--ocsp-staple", type=File(), help="Send this OCSP response (DER) to clients that ask for one."
    )
    tickets: int | None = field(
        "--tickets", type=Number(0, 100), help="Send N tickets to resume a session with, with TLS 1.3."
    )
    compress_cert: str | None = compress_field("Send")

    def check(self) -> None:
        super().check()
        if not self.cert:
            self.only_with("--cert", "key", "password_file", "ocsp_staple")
        if self.key and len(self.key) != len(self.cert):
            problem = f"--cert is given {_times(self.cert)}, and --key {_times(self.key)}"
            raise WrongValue(problem, "write a --key for each --cert, in the same order, or none")
        if self.ocsp_staple is not None and len(self.cert) > 1:
            raise WrongValue("--ocsp-staple is for one --cert", "an OCSP response is about one certificate")
        self.check_clients()

    def check_clients(self) -> None:
        """Refuse options about clients' certificates where none is asked for. Raises WrongValue."""
        if not self.client_ca:
            self.only_with("--client-ca", "client_cert", "crl")

    def identities(self, password: Password) -> list[Identity]:
        """The certificates of --cert with their keys. Raises OSError, UnusableFile."""
        keys: Sequence[str | None] = self.key or (None,) * len(self.cert)
        return [identity(cert, key, password) for cert, key in zip(self.cert, keys, strict=True)]

    def settings(self, env: Environment) -> dict[str, Any]:
        """What the options say, apart from certificates to show. Raises OSError, UnusableFile, WrongValue."""
        from netkit.tls.config import CertVerifyMode

        made = self.shared()
        if self.client_ca and self.client_cert != "none":
            roots = trusted_certificates(self.client_ca, env, named="--client-ca", purpose="clientAuth")
            made |= {
                "root_certs": tuple(roots),
                "verify_mode": CertVerifyMode.Full,
                "client_auth_optional": self.client_cert == "optional",
            }
        if self.crl:
            made["crls"] = revocation_lists(self.crl)
        if self.ocsp_staple is not None:
            made["ocsp_response"] = stapled_response(self.ocsp_staple)
        if self.tickets is not None:
            made["tickets"] = self.tickets
        return made | compressions(self.compress_cert)

    def showing(
        self, identities: Sequence[Identity], env: Environment, base: TlsConfig | None = None, **more: Any
    ) -> TlsConfig:
        """The configuration of a server that shows `identities`. What no option says is as in `base`.

        Raises OSError and UnusableFile for files, WrongValue for a setting that no backend can honour.
        """
        from netkit.tls.config import TlsConfig

        config = with_identities(base or TlsConfig.server(), identities)
        return self.usable(config, **self.settings(env), **more)


class ServerTlsOptions(ServerTlsSettings, own_first=True):
    """`--tls` and what goes with it, on the side that listens."""

    #: The option without which there is no TLS.
    switch: ClassVar[str] = "--tls"

    tls: bool = flag("--tls", help="Talk TLS, with a certificate made on the spot unless --cert gives one.")
    alpn: str | None = field(
        "--alpn", metavar="LIST", help="Agree on one of these application protocols, separated by commas."
    )
    write_ca: str | None = field(
        "--write-ca", type=File(), help="Write the root of the certificate made here (PEM)."
    )

    @classmethod
    def none(cls) -> ServerTlsOptions:
        """Those of a command that has none of them."""
        return cls(**dict.fromkeys(cls.fields))  # type: ignore[arg-type]  # None is as good as not given

    def check(self) -> None:
        if not self.tls:
            self.only_with(self.switch)
        super().check()
        hint = "only a certificate made here has a root here"
        exclude("--cert", self.cert, "--write-ca", self.write_ca, hint)

    def successor(self, taken: TakenOver, env: Environment) -> TlsConfig | None:
        """The configuration to go on with after a running server; None without TLS.

        What was not given here is as it was there. Raises HandoverError where it would be another protocol
        for who connects, and what `config` raises for files.
        """
        from netkit.serve.handover import HandoverError

        if not taken.protocol.endswith(TLS_SUFFIX):
            if self.tls:
                raise HandoverError("it serves without TLS", "leave --tls away, or start a server of its own")
            return None
        if self.write_ca is not None:
            raise HandoverError(
                "its certificate goes on, and its root is not known here", "leave --write-ca away"
            )
        told = taken.private.get(TLS_SUFFIX)
        if told is None and not self.cert:
            raise HandoverError(
                "it gives its private key to no other user", "write --tls --cert FILE --key FILE"
            )
        base = None if told is None else unpacked(told)
        if self.cert:
            return self._own(Password(self.password_file, env), env, base)
        assert base is not None
        return self.usable(base, **self.settings(env), **self._agreed())

    def reload(self, current: CurrentTls, env: Environment) -> Callable[[], None] | None:
        """What reads the files of the options again into `current`; None where there are none.

        A server that took over from another keeps what that one's options said.
        """
        if not (self.cert or self.client_ca):
            return None
        password = Password(self.password_file, env)

        def read() -> None:
            config = current.config
            if self.cert:
                current.config = self._own(password, env, config)
            elif config is not None:
                current.config = self.usable(config, **self.settings(env), **self._agreed())

        return read

    def _agreed(self) -> dict[str, Any]:
        return {} if self.alpn is None else {"alpn_protocols": tuple(protocols(self.alpn))}

    def _own(self, password: Password, env: Environment, base: TlsConfig | None = None) -> TlsConfig:
        """The configuration with the certificates of --cert. Errors as `config`'s."""
        return self.showing(self.identities(password), env, base, **self._agreed())

    def config(self, names: Sequence[str], env: Environment) -> TlsConfig | None:
        """The configuration; None without TLS. If a certificate is made here, it is for `names`, and a
        message says so.

        Raises OSError, UnusableFile, WrongValue or TlsError if an option cannot be honoured.
        """
        if not self.tls:
            return None
        if self.cert:
            return self._own(Password(self.password_file, env), env)
        from netkit.tls.identity import Identity
        from netkit.tls.throwaway import ThrowawayAuthority

        authority = ThrowawayAuthority()
        certificate, key = authority.issue(names)
        config = self.showing([Identity((certificate,), key)], env, **self._agreed())
        if self.write_ca is not None:
            with open(self.write_ca, "w", encoding="ascii") as file:
                file.write(authority.certificate.to_pem())
        env.say(f"certificate for {', '.join(names)}; SHA-256 {certificate.fingerprint_sha256}")
        return config


def early_settings(early_data: bool, tickets: int | None, half_rtt: bool = False) -> dict[str, Any]:
    """What --early-data and --half-rtt say of a server. Raises WrongValue where no session can be resumed."""
    hint = "early data needs a session to resume"
    exclude("--early-data", early_data, "--tickets 0", tickets == 0, hint)
    return {"max_early_data": EARLY_DATA, "half_rtt": half_rtt} if early_data else {}


def _times(given: Sequence[str]) -> str:
    return "once" if len(given) == 1 else f"{len(given)} times"


def handshake(stream: ByteStream, *, config: TlsConfig) -> Flow[ByteStream]:
    """Flow: the handshake with a client, within HANDSHAKE_TIMEOUT; closes `stream` if it fails."""
    from netkit.io import before, phase
    from netkit.tls.stream import TlsStream

    until = monotonic() + HANDSHAKE_TIMEOUT
    with phase("in the TLS handshake with a client", "tls"):
        return (yield from before(until, TlsStream.accept_flow(stream, config)))
