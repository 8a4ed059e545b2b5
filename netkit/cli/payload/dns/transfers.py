"""The options of `netkit serve dns` about secondaries: who may transfer the zones, and who is notified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.groups import OptionGroup, field
from netkit.cli.frame.options import Number, Value, WrongValue

if TYPE_CHECKING:
    import click

    from netkit.addr import SocketAddr
    from netkit.cli.frame.command import Run
    from netkit.cli.payload.events import Events
    from netkit.dns.authority.notify import Notified
    from netkit.dns.authority.notify_sending import Notifier
    from netkit.dns.authority.transfers_out import TransferPolicy
    from netkit.dns.tsig.keys import TsigKey


class Allowed(Value["TransferPolicy"]):
    """Who may transfer zones: `any`, `none`, an address, a network, or `key:NAME`."""

    name = "who"
    metavar = "WHO"
    form = "write any, none, an address, a network as in 192.0.2.0/24, or key:NAME for a TSIG key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TransferPolicy:
        from ipaddress import ip_network

        from netkit.dns.authority.transfers_out import TransferPolicy
        from netkit.dns.errors import DnsError
        from netkit.dns.name import Name

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        if value in ("any", "none"):
            return TransferPolicy(anyone=value == "any")
        kind, colon, name = value.partition(":")
        try:
            if colon and kind == "key":
                return TransferPolicy(keys=(Name.parse(name),))
            return TransferPolicy((ip_network(value),))
        except DnsError.InvalidName as error:
            self.wrong(str(error), param, ctx)
        except ValueError:
            self.wrong(f"{value!r} is none of any, none, an address, a network and a key", param, ctx)


class Told(Value["SocketAddr"]):
    """The address of a secondary."""

    name = "addr"
    metavar = "ADDR[:PORT]"
    form = "write an address, as in 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SocketAddr:
        from netkit.addr import AddrParseError
        from netkit.dns.authority.notify_sending import address_of
        from netkit.dns.errors import DnsError

        try:
            return address_of(value)
        except (AddrParseError, DnsError.InvalidValue) as error:
            self.wrong(f"{value!r} is not an address: {error.reason}", param, ctx)


class SecondaryOptions(OptionGroup):
    """What secondaries get: transfers and notifications."""

    section = "Transfers"

    allow_transfer: tuple[TransferPolicy, ...] = field(
        "--allow-transfer",
        type=Allowed(),
        multiple=True,
        show_default="127.0.0.0/8 and ::1",
        help="Who may transfer the zones (AXFR, IXFR): any, none, an address, a network, or key:NAME for "
        "whoever signs with this key. Several are possible; any of them is enough.",
    )
    notify: tuple[SocketAddr, ...] = field(
        "--notify",
        type=Told(),
        multiple=True,
        help="Tell this server (NOTIFY) at the start, and when the serial of a zone has risen after SIGHUP. "
        "Several are possible.",
    )
    notify_key: str | None = field(
        "--notify-key",
        metavar="NAME",
        help="Sign what is told with the key of this name, and take only answers that are signed with it.",
    )

    max_transfers: int = field(
        "--max-transfers",
        type=Number(1, 100_000),
        default=10,
        help="Give this many transfers over TCP and TLS at the same time, over all workers (one each at "
        "least). Others get SERVFAIL, and may ask again.",
    )

    def policy(self, keys: tuple[TsigKey, ...]) -> TransferPolicy:
        """Who may transfer zones. Raises WrongValue for a key that is not there."""
        from netkit.dns.authority.transfers_out import THIS_MACHINE, TransferPolicy

        given = self.allow_transfer
        if not given:
            return THIS_MACHINE
        if len(given) > 1 and TransferPolicy() in given:
            raise WrongValue("--allow-transfer none contradicts the others", "leave none out, or the others")
        for name in (name for each in given for name in each.keys):
            _key(name.to_text(omit_final_dot=True), keys, "--allow-transfer")
        return TransferPolicy(
            tuple([network for each in given for network in each.networks]),
            tuple([name for each in given for name in each.keys]),
            any(each.anyone for each in given),
        )

    def notifier(
        self, run: Run[Any], keys: tuple[TsigKey, ...], wanted: Events | None, workers: int
    ) -> Notifier | None:
        """Tells the servers of --notify; None without any. Raises WrongValue for a key that is not there.

        Of several workers one tells, a moment later: a secondary that asks at once may come to any of them.
        """
        if self.notify_key is not None and not self.notify:
            raise WrongValue("--notify-key without --notify", "add --notify ADDR, or leave it out")
        if not self.notify:
            return None
        from netkit.dns.authority.notify_sending import Notifier

        key = None if self.notify_key is None else _key(self.notify_key, keys, "--notify-key")
        made = Notifier(self.notify, key, 0.0 if workers == 1 else _DELAY)

        def told(outcome: Notified) -> None:
            if wanted is not None:
                wanted.notified(outcome)
            if not outcome.is_heard:
                run.env.warn("serve dns", f"not notified: {outcome}", _REMEDY)

        made.on_notified = told
        return made


#: How many seconds all workers have to read the zones again.
_DELAY = 1.0

#: What may help where a secondary has not heard.
_REMEDY = "is this server one of its primaries there, and may it notify?"


def _key(name: str, keys: tuple[TsigKey, ...], option: str) -> TsigKey:
    from netkit.dns.errors import DnsError
    from netkit.dns.name import Name

    try:
        wanted = Name.parse(name)
    except DnsError.InvalidName as error:
        raise WrongValue(f"{option}: {error}", "write the name of a key") from None
    found = next((key for key in keys if key.name == wanted), None)
    if found is None:
        raise WrongValue(f"{option}: there is no key {name}", "give it with --tsig-key or --tsig-file")
    return found
