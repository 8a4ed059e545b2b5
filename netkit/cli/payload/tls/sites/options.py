"""The options of `netkit serve tls`: the certificates, their faults, the conduct; and what they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import click

from netkit.cli.frame.groups import Field, OptionGroup, field, flag
from netkit.cli.frame.options import File, Number, Seconds, Value, WrongValue, exclude
from netkit.cli.payload.tls.files import protocols
from netkit.cli.payload.tls.server import ServerTlsSettings, early_settings
from netkit.tls.throwaway.faults import FAULTS, CertificateFault, Wanted, contradiction
from netkit.tls.throwaway.kinds import KeyKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.context import Environment
    from netkit.lab.tls_conduct import Conduct
    from netkit.lab.tls_sites import ClientAuth

#: The most intermediates of --intermediates.
MOST_INTERMEDIATES = 100


class AlertNumber(Value[int]):
    """An alert, by its number or its name: `40`, `handshake_failure`."""

    name = "alert"
    form = "write a number from 0 to 255 or a name, as in 40 or handshake_failure"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from netkit.tls.alerts import ALERT_NAMES

        text = str(value).strip().lower().replace("-", "_")
        if text.isascii() and text.isdigit() and int(text) < 256:
            return int(text)
        for number, name in ALERT_NAMES.items():
            if name == text:
                return number
        self.wrong(f"{value!r} is no alert", param, ctx)
        return None


class ServerName(Value[str]):
    """A name or an address in a certificate."""

    name = "name"
    form = "write a name or an address without a port, as in www.example.com, '*.example.com' or 192.0.2.7"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            self.wrong(f"{value!r} is no name", param, ctx)
        return text


_KEY_KINDS: Any = click.Choice([kind.value for kind in KeyKind if not kind.value.startswith("ml-dsa")])
_CLIENT_CERT: Any = click.Choice(["none", "optional", "required"])
_CLOSE_AFTER: Any = click.Choice(["hello", "server-hello"])
_SPEAK: Any = click.Choice(["http", "ssh", "smtp"])


class MadeOptions(OptionGroup):
    """The certificates that are made here."""

    section = "Certificates made here"

    name: tuple[str, ...] = field(
        "--name",
        type=ServerName(),
        multiple=True,
        help="Make the certificate for this name or address; several are possible. [default: localhost, this "
        "machine's name, and the address]",
    )
    key_type: str = field(
        "--key-type",
        type=_KEY_KINDS,
        metavar="KIND",
        default=KeyKind.P256.value,
        help=f"The kind of key to make: {', '.join(_KEY_KINDS.choices)}.",
    )
    intermediates: int = field(
        "--intermediates",
        type=Number(0, MOST_INTERMEDIATES),
        default=0,
        help="Put this many authorities between the root and the certificate.",
    )
    staple: bool = flag("--staple", help="Staple an OCSP response, which says that it is good.")
    write_crl: str | None = field(
        "--write-crl",
        type=File(),
        help="Write the revocation lists (PEM); with --revoked, the certificate is in one of them.",
    )
    write_ca: str | None = field("--write-ca", type=File(), help="Write the root (PEM).")
    write_client: str | None = field(
        "--write-client",
        type=File(),
        help="Write a certificate for clients, and its key, which --client-cert accepts (PEM).",
    )

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are written."""
        return [self.spelled(name) for name in self.fields if name != "key_type" and getattr(self, name)]

    @property
    def asks_for_strong_key(self) -> bool:
        """Whether another key than usual is asked for, and not a weak one."""
        return self.key_type not in (KeyKind.P256.value, KeyKind.Rsa1024.value)

    @property
    def is_weak(self) -> bool:
        """Whether OpenSSL has to be told that such a key may be sent."""
        return self.key_type == KeyKind.Rsa1024.value

    def wanted(self, names: Sequence[str], faults: Sequence[CertificateFault]) -> Wanted:
        """The certificate to make."""
        kind = KeyKind(self.key_type)
        return Wanted(tuple(names), tuple(faults), self.intermediates, kind, is_stapled=self.staple)


class CertificateFaultOptions(OptionGroup):
    """A flag for each fault of certificates."""

    section = "Faults of the certificate"
    fields: ClassVar[dict[str, Field]] = {
        fault.value.replace("-", "_"): Field((f"--{fault.value}",), {"is_flag": True, "help": change.words})
        for fault, change in FAULTS.items()
    }

    @property
    def chosen(self) -> tuple[CertificateFault, ...]:
        """The faults that were asked for."""
        return tuple(fault for fault in CertificateFault if getattr(self, fault.value.replace("-", "_")))

    def check(self) -> None:
        found = contradiction(self.chosen)
        if found is not None:
            raise WrongValue(
                f"--{found[0].value} and --{found[1].value} exclude each other",
                "start a server for each, or all at once with --badssl",
            )


class SiteTlsOptions(ServerTlsSettings, own_first=True):
    """The certificates to show and what is agreed on."""

    client_cert: Literal["none", "optional", "required"] | None = field(
        "--client-cert",
        type=_CLIENT_CERT,
        help="Whether a client needs a certificate: of --client-ca, or one that is made here.",
        show_default="none",
    )
    alpn: str | None = field(
        "--alpn",
        metavar="LIST",
        help="Agree on one of these application protocols, separated by commas.",
        show_default="h2,http/1.1",
    )
    no_alpn: bool = flag("--no-alpn", help="Agree on no application protocol.")

    early_data: bool = flag(
        "--early-data",
        help="Take early data (0-RTT), up to 16,384 bytes of a connection.",
    )
    half_rtt: bool = flag(
        "--half-rtt",
        help="With --early-data and --echo, send early data back before the client has finished the "
        "handshake.",
    )

    def settings(self, env: Environment) -> dict[str, Any]:
        return super().settings(env) | early_settings(self.early_data, self.tickets, self.half_rtt)

    def check(self) -> None:
        super().check()
        if not self.early_data:
            self.only_with("--early-data", "half_rtt")
        asks = self.client_cert != "none" and (self.client_cert or self.client_ca)
        hint = "a client that is asked for a certificate cannot be answered before its Finished"
        exclude(
            "--half-rtt", self.half_rtt, "--client-cert" if self.client_cert else "--client-ca", asks, hint
        )
        exclude("--alpn", self.alpn, "--no-alpn", self.no_alpn)

    def check_clients(self) -> None:
        if self.cert and not self.client_ca:
            self.only_with("--client-ca", "client_cert", "crl")
        if not (self.client_ca or self.client_cert):
            self.only_with("--client-cert", "crl")

    def agreed(self, *, speaks_http: bool) -> tuple[str, ...]:
        """The application protocols to agree on."""
        if self.alpn is None and speaks_http and not self.no_alpn:
            return ("h2", "http/1.1")
        return tuple(protocols(self.alpn))

    @property
    def client_auth(self) -> ClientAuth:
        """Whether clients need a certificate."""
        return self.client_cert or ("required" if self.client_ca else "none")


class ConductOptions(OptionGroup):
    """What the server does wrong."""

    section = "Faults of the server"

    alert: int | None = field(
        "--alert",
        type=AlertNumber(),
        help="Answer the ClientHello with this fatal alert, by number or name, in the clear.",
    )
    close_after: str | None = field(
        "--close-after", type=_CLOSE_AFTER, help="Close the connection after this message."
    )
    reset: bool = flag("--reset", help="Reset the connection after the ClientHello.")
    garbage: bool = flag("--garbage", help="Send garbage after the ServerHello.")
    long_record: bool = flag("--long-record", help="Send a record that is too long after the ServerHello.")
    speak: str | None = field("--speak", type=_SPEAK, help="Speak this protocol, without TLS.")
    silent: bool = flag("--silent", help="Say nothing.")
    slow_handshake: float | None = field(
        "--slow-handshake", type=Seconds(), help="Answer the ClientHello after this time."
    )
    truncate: bool = flag("--truncate", help="End connections without close_notify.")

    def check(self) -> None:
        given = [
            self.spelled(name)
            for name in ("alert", "close_after", "reset", "garbage", "long_record", "speak", "silent")
            if getattr(self, name) not in (None, False)
        ]
        if len(given) > 1:
            exclude(given[0], True, given[1], True)

    @property
    def is_given(self) -> bool:
        """Whether there is any of them."""
        return any(getattr(self, name) not in (None, False) for name in self.fields)

    def conduct(self) -> Conduct:
        """The conduct that they ask for."""
        from netkit.lab.tls_conduct import Breach, Conduct

        flags = (
            (self.reset, Breach.ResetAfterHello),
            (self.garbage, Breach.Garbage),
            (self.long_record, Breach.LongRecord),
            (self.silent, Breach.Silent),
            (self.close_after == "hello", Breach.CloseAfterHello),
            (self.close_after == "server-hello", Breach.CloseAfterServerHello),
            (self.speak == "http", Breach.PlainHttp),
            (self.speak == "ssh", Breach.PlainSsh),
            (self.speak == "smtp", Breach.PlainSmtp),
        )
        breach = next((breach for is_given, breach in flags if is_given), None)
        return Conduct(breach, self.alert, self.slow_handshake or 0.0, self.truncate)
