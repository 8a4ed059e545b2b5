"""The options of `netkit serve dns`: the zones, over what they are served, the faults on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit.cli.frame.groups import OptionGroup, field
from netkit.cli.frame.options import File, Number, Option, Value, WrongValue
from netkit.cli.frame.tsig import TsigKeyText, read_keys
from netkit.cli.payload.faults import Delay, FaultOptions, Share
from netkit.cli.payload.http.options import UrlPath
from netkit.cli.payload.tls.server import ServerTlsOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import click

    from netkit.cli.frame.context import Environment
    from netkit.dns.authority.faults import DnsFault, DnsFaults
    from netkit.dns.tsig.keys import TsigKey
    from netkit.dns.zones.zone_files import ZoneSource


class ZoneText(Value["ZoneSource"]):
    """A zone file or a folder of them, and the name of the zone where the file does not say it."""

    name = "zone"
    metavar = "[ORIGIN=]PATH"
    form = "write the path of a zone file or of a folder; or ORIGIN=FILE, as in example.org=zone.txt"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ZoneSource:
        from netkit.dns.errors import DnsError
        from netkit.dns.name import Name
        from netkit.dns.zones.zone_files import ZoneSource

        if isinstance(value, ZoneSource):
            return value
        origin, equals, path = str(value).partition("=")
        if not equals or "/" in origin:  # ./a=b is a file
            path, origin = str(value), ""
        if not path:
            self.wrong("an empty path", param, ctx)
        if not equals or not origin:
            return ZoneSource(path)
        try:
            return ZoneSource(path, Name.parse(origin))
        except DnsError.InvalidName as error:
            self.wrong(str(error), param, ctx)


class ZoneOptions(OptionGroup):
    """What is served, and to whom it is signed."""

    section = "Zones"

    zone: tuple[ZoneSource, ...] = field(
        "--zone",
        type=ZoneText(),
        multiple=True,
        required=True,
        complete=File.complete,
        help="A zone file (RFC 1035 section 5), or a folder: each of its files that ends in .zone. Several "
        "are possible. ORIGIN is the zone's name, if the file does not say it.",
    )
    tsig_key: tuple[TsigKey, ...] = field(
        "--tsig-key",
        type=TsigKeyText(),
        multiple=True,
        help="A key with which clients sign their queries; may be given several times. Who lists the "
        "processes of this machine sees it: --tsig-file hides it.",
    )
    tsig_file: tuple[str, ...] = field(
        "--tsig-file",
        type=File(),
        multiple=True,
        help="A file of such keys; may be given several times.",
    )

    def keys(self) -> tuple[TsigKey, ...]:
        """The keys, those of files as they are now. Raises OSError, TsigError.KeyFile."""
        return (*self.tsig_key, *read_keys(self.tsig_file))


class DnsTlsOptions(ServerTlsOptions, own_first=True):
    """Over TLS and HTTPS, at ports of their own; what of TLS can be told is as for other servers."""

    section = "TLS and HTTPS"
    switch: ClassVar[str] = "--tls-port or --https-port"

    tls_port: int | None = field(
        "--tls-port",
        type=Number(0, 65535),
        help="Answer over TLS too (RFC 7858), at this port of the same address; 0 takes a free one.",
    )
    https_port: int | None = field(
        "--https-port",
        type=Number(0, 65535),
        help="Answer over HTTPS too (RFC 8484), at this port of the same address; 0 takes a free one.",
    )
    https_path: str | None = field(
        "--https-path",
        type=UrlPath(),
        metavar="PATH",
        show_default="/dns-query",
        help="The path of the URL for queries over HTTPS.",
    )

    def check(self) -> None:
        super().check()
        if self.https_port is None and self.https_path is not None:
            raise WrongValue("--https-path is for --https-port", "add --https-port, or leave it out")

    @classmethod
    def options(cls, argument: str, **changes: dict[str, Any]) -> list[Option]:
        own = super().options(argument, **changes)
        return [option for option in own if option.name not in (f"{argument}__tls", f"{argument}__alpn")]

    @classmethod
    def of(cls, argument: str, given: Mapping[str, Any]) -> Self:
        is_on = given[f"{argument}__tls_port"] is not None or given[f"{argument}__https_port"] is not None
        return super().of(argument, {**given, f"{argument}__tls": is_on, f"{argument}__alpn": None})


class FaultText(Value["DnsFault"]):
    """`KIND[=VALUE][:NAME=VALUE,...]`: a fault in the messages, and the queries that it is for."""

    name = "fault"
    metavar = "KIND[=VALUE][:WHICH]"
    form = (
        "write a kind, and which queries it is for: drop, cut=40:type=TXT, delay=200ms:name=*.example.org, "
        "wrong-id:share=20%,count=3,over=tcp"
    )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DnsFault:
        from netkit.dns.authority.faults import DnsFault, InvalidDnsFault
        from netkit.dns.errors import DnsError

        if isinstance(value, DnsFault):
            return value
        head, _, rest = str(value).partition(":")
        kind, equals, text = head.partition("=")
        if equals and kind == "wrong-address":  # an IPv6 address has colons
            text, _, rest = _address_and_rest(str(value).partition("=")[2])
        try:
            more = self._which(rest, param, ctx)
            return DnsFault(kind, self._value(kind, text, param, ctx) if equals else None, **more)
        except (InvalidDnsFault, DnsError, ValueError) as error:
            self.wrong(str(error), param, ctx)

    def _value(self, kind: str, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from netkit.addr import IpAddr

        if kind == "delay":
            return Delay().convert(text, param, ctx)[0]
        if kind == "wrong-address":
            return IpAddr.parse(text)
        return int(text) if text.isascii() and text.isdigit() else text

    def _which(self, rest: str, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        from netkit.dns.constants import DnsRecordType
        from netkit.dns.name import Name

        found: dict[str, Any] = {}
        said: set[str] = set()
        for part in rest.split(",") if rest else ():
            name, equals, text = part.partition("=")
            if not equals or name in said:
                raise ValueError(f"{part!r} says nothing of which queries the fault is for")
            said.add(name)
            if name == "name":
                found["name"] = Name.parse(text)
            elif name == "type":
                found["rdtype"] = DnsRecordType.parse(text)
            elif name == "share":
                found["share"] = Share().convert(text, param, ctx)
            elif name == "count":
                found["count"] = Number(1, 2**31).convert(text, param, ctx)
            elif name == "over":
                found["over"] = text
            else:
                raise ValueError(f"{name!r} is none of name, type, share, count and over")
        return found


def _address_and_rest(text: str) -> tuple[str, str, str]:
    """An address, and what follows it after a colon: of IPv6 in brackets, as in a URL."""
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        return address, "", rest.removeprefix(":")
    return text.partition(":")


class DnsFaultOptions(FaultOptions, own_first=True):
    """Faults in the messages, beside those of the transport, which all servers have alike."""

    fault: tuple[DnsFault, ...] = field(
        "--fault",
        type=FaultText(),
        multiple=True,
        help="Answer wrongly on purpose: KIND is one of those listed above. WHICH says for which queries: "
        "name=NAME (*.NAME: those under it), type=TYPE, share=20%, count=3 (the first ones), over=tcp. "
        "Several are possible; the first that fits counts.",
    )

    def has_faults(self) -> bool:
        return super().has_faults() or any(fault.share < 1 for fault in self.fault)

    def script(self, env: Environment) -> DnsFaults | None:
        """The faults in the messages; None without any. Prints the seed, if there is a choice."""
        if not self.fault:
            return None
        from random import Random, randrange

        from netkit.dns.authority.faults import DnsFaults

        seed = randrange(2**32) if self.seed is None else self.seed
        is_chance = any(fault.share < 1 for fault in self.fault)
        hint = f"--seed {seed} makes the same choices again" if is_chance else None
        env.warn(None, f"wrong answers on purpose: {'; '.join(map(str, self.fault))}", hint)
        return DnsFaults(self.fault, Random(seed).random)
