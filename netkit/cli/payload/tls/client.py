"""TLS on the side that connects: the options, the settings that they make, and the handshake with them.

ClientTlsSettings    whom to trust, what to show, how to talk: of every command that connects with TLS
└── ClientTlsOptions     with --tls, --servername and --alpn, where a command may talk without TLS
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit.cli.frame.groups import field, flag
from netkit.cli.frame.options import File, WrongValue, exclude
from netkit.cli.payload.tls.ech import ech_field, ech_settings
from netkit.cli.payload.tls.files import (
    Password,
    ca_field,
    crl_field,
    identity,
    insecure_field,
    password_field,
    protocols,
    revocation_lists,
    trusted_certificates,
)
from netkit.cli.payload.tls.options import TlsOptions, compress_field, compressions

if TYPE_CHECKING:
    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.tls.ech import Ech
    from netkit.io import ByteStream, Flow
    from netkit.tls.config import TlsConfig
    from netkit.tls.sessions import MemorySessionStore
    from netkit.tls.stream import TlsStream


def cert_field(*more: str) -> str | None:
    """The field of a group that is `--cert FILE` of a client; `more` are other names of it."""
    return field(
        *more,
        "--cert",
        type=File(),
        help="Show this certificate, and the chain that follows it, to a server that asks for one.",
    )


def servername_field() -> str | None:
    """The field of a group that is `--servername NAME`."""
    return field("--servername", metavar="NAME", help="Ask for, and verify, this name instead of the host's.")


def check_servername(servername: str | None) -> None:
    """Refuse what can be no certificate's name, before anything connects; `''` too: the host's name is not
    what was meant. Raises WrongValue."""
    if servername is None:
        return
    hint = "write the name that the certificate is to be for"
    if not servername:
        raise WrongValue("--servername is empty", hint)
    from netkit.tls.verifying.hostname import server_name_for

    try:
        server_name_for(servername)
    except ValueError as error:
        raise WrongValue(f"--servername: {error}", hint) from None


class ClientTlsSettings(TlsOptions, own_first=True):
    """What a command that connects can be told of TLS."""

    names: ClassVar[dict[str, str]] = {
        **TlsOptions.names,
        "root_certs": "ca",
        "verify_mode": "insecure",
        "identity_cert": "cert",
        "identity_key": "key",
        "crls": "crl",
        "request_ocsp": "ocsp",
        "alpn_protocols": "alpn",
        "early_data": "early_data",
        "session_store": "early_data",
        "ech_config_list": "ech",
        "ech_grease": "ech",
        "certificate_compression": "compress_cert",
    }

    ca: tuple[str, ...] = ca_field()
    insecure: bool = insecure_field()
    cert: str | None = cert_field()
    key: str | None = field(
        "--key", type=File(), help="Its private key. Without it the key is in the file of --cert."
    )
    password_file: str | None = password_field()
    crl: tuple[str, ...] = crl_field("server")
    ocsp: bool = flag("--ocsp", help="Ask for an OCSP response with the certificate (stapling).")
    ech: Ech | None = ech_field()
    compress_cert: str | None = compress_field("Accept")

    def check(self) -> None:
        super().check()
        self.check_insecure()
        if self.cert is None:
            self.only_with("--cert", "key", "password_file")

    def check_insecure(self) -> None:
        """Refuse roots beside --insecure; a command that judges a server all the same says nothing here."""
        exclude("--ca", self.ca, "--insecure", self.insecure, "--insecure verifies nothing")
        exclude("--crl", self.crl, "--insecure", self.insecure, "--insecure verifies nothing")

    def config(self, env: Environment, **more: Any) -> TlsConfig:
        """The settings; `more` are others of a `TlsConfig`. `env` is told of certificates that are passed
        over, and asked for a password where one is needed.

        Raises OSError and UnusableFile for files, WrongValue for a setting that no backend can honour.
        """
        from netkit.tls.config import CertVerifyMode, TlsConfig

        made = {**self.shared(), **more}
        if self.ca:
            made["root_certs"] = tuple(trusted_certificates(self.ca, env))
        if self.insecure:
            made["verify_mode"] = CertVerifyMode.None_
        if self.cert is not None:
            found = identity(self.cert, self.key, Password(self.password_file, env))
            first, *rest = found.chain
            made |= {"identity_cert": first, "identity_chain": tuple(rest), "identity_key": found.key}
        if self.crl:
            made["crls"] = revocation_lists(self.crl)
        if self.ocsp:
            made["request_ocsp"] = True
        made |= {**ech_settings(self.ech), **compressions(self.compress_cert)}
        return self.usable(TlsConfig.client(), **made)

    def config_or_none(self, env: Environment, **more: Any) -> TlsConfig | None:
        """The settings; None where no option says any, so that the library's own are not even made."""
        return self.config(env, **more) if self.given or more else None


class ClientTlsOptions(ClientTlsSettings, own_first=True):
    """`--tls` and what goes with it, on the side that connects."""

    tls: bool = flag("--tls", help="Talk TLS, and verify the server.")
    servername: str | None = servername_field()
    alpn: str | None = field(
        "--alpn", metavar="LIST", help="Offer these application protocols, separated by commas."
    )
    early_data: bool = flag(
        "--early-data",
        help="Send what standard input begins with in the first flight (0-RTT), as much as the server takes. "
        "A connection is made before, for a session. Others can send early data again.",
    )

    def check(self) -> None:
        if not self.tls:
            self.only_with("--tls")
        check_servername(self.servername)
        super().check()

    def client(self, host: str | None, env: Environment) -> ClientTls | None:
        """TLS as it was asked for; None without --tls. `host` is the name that a server has by itself.

        Raises what `config` raises, and WrongValue where there is no name to verify.
        """
        if not self.tls:
            return None
        name = host if self.servername is None else self.servername
        if name is None and not self.insecure:
            raise WrongValue("there is no name to verify", "give --servername NAME, or --insecure")
        made: dict[str, Any] = {"alpn_protocols": tuple(protocols(self.alpn))}
        if not self.early_data:
            return ClientTls(name, self.config(env, **made))
        if name is None:
            raise WrongValue("--early-data needs a name", "give --servername NAME: sessions are kept by it")
        from netkit.tls.sessions import MemorySessionStore

        store = MemorySessionStore()
        config = self.sending_early(self.config(env, **made, session_store=store))
        return ClientTls(name, config, store)


class ClientTls:
    """TLS as the options ask for it: the server's name, the settings, and with --early-data the sessions."""

    def __init__(
        self, server_name: str | None, config: TlsConfig, store: MemorySessionStore | None = None
    ) -> None:
        self.server_name = server_name
        self.config = config
        self.store = store

    def over(self, stream: ByteStream, early_data: bytes = b"") -> Flow[TlsStream]:
        """Flow: the handshake; closes `stream` if it fails."""
        from netkit.io import phase
        from netkit.tls.stream import TlsStream

        with phase(f"in the TLS handshake with {self.server_name or 'the server'}", "tls"):
            return (
                yield from TlsStream.connect_flow(
                    stream, self.server_name, self.config, early_data=early_data
                )
            )
