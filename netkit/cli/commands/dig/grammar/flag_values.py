"""How the values of dig's +flags are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import Value, parse_hex

if TYPE_CHECKING:
    import click

    from netkit.dns.constants import Opcode
    from netkit.dns.edns import EdnsOption
    from netkit.dns.name import Name
    from netkit.dns.transports.announced import Announced


class Subnet(Value["EdnsOption"]):
    """A client's network for EDNS; `0` discloses no network."""

    name = "subnet"
    form = "write an address and a prefix length, as in 192.0.2.0/24, 2001:db8::/56, or 0 to give none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> EdnsOption:
        from netkit.dns.edns import EdnsOption

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        address, slash, bits = value.partition("/")
        try:
            if value in ("0", "0/0"):
                return EdnsOption.ClientSubnet("0.0.0.0", 0)
            if slash and not (bits.isascii() and bits.isdigit() and len(bits) <= 3):
                raise ValueError(f"{bits!r} is not a prefix length")
            return EdnsOption.ClientSubnet(address, int(bits) if slash else 128 if ":" in address else 32)
        except ValueError as error:
            self.wrong(f"{value!r} is not a subnet: {error}", param, ctx)


class Cookie(Value["EdnsOption"]):
    """A DNS cookie in hexadecimal: the client's eight octets, and the server's part if there is one."""

    name = "hex"
    form = (
        "write 16 hexadecimal digits, and up to 64 more for the server's part; or no value: a random cookie"
    )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> EdnsOption:
        from netkit.dns.edns import EdnsOption
        from netkit.dns.errors import DnsError

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        try:
            octets = parse_hex(value)
        except ValueError:
            self.wrong(f"{value!r} is not octets in hexadecimal", param, ctx)
        if len(octets) < 8:
            self.wrong(f"{value!r} is not a cookie: the client's part has 8 octets", param, ctx)
        try:
            return EdnsOption.Cookie(octets[:8], octets[8:])
        except DnsError.InvalidValue as error:
            self.wrong(f"{value!r} is not a cookie: {error.reason}", param, ctx)


class EdnsOptions(Value["tuple[EdnsOption, ...]"]):
    """Options of EDNS: a number or a name, and octets in hexadecimal; several with commas between them."""

    name = "option"
    form = "write a number or a name, and octets in hexadecimal: 65001:6869, NSID, or several: NSID,65001:00"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[EdnsOption, ...]:
        from netkit.dns.edns import EdnsOption

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        try:
            return tuple([EdnsOption.parse(each) for each in value.split(",")])
        except ValueError as error:
            self.wrong(f"{value!r} is not an option: {error}", param, ctx)


class HttpPath(Value[str]):
    """The path of a server over HTTPS."""

    name = "path"
    form = "write a path, as in /dns-query"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).removesuffix("{?dns}")
        is_plain = text.isascii() and text.isprintable() and not set(text) & set(" ?{#")
        if not text.startswith("/") or not is_plain:
            self.wrong(f"{value!r} is not a path", param, ctx)
        return text


class Pins(Value["tuple[bytes, ...]"]):
    """Hashes of public keys, as in RFC 7858 section 4.2 and kdig."""

    name = "pins"
    form = "write SHA-256 hashes of public keys (SPKI) in base64, with commas between them"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[bytes, ...]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        from binascii import Error, a2b_base64

        try:
            pins = tuple([a2b_base64(each, strict_mode=True) for each in value.split(",")])
        except (Error, ValueError):
            pins = ()
        if not pins or any(len(pin) != 32 for pin in pins):
            self.wrong(f"{value!r} is not a SHA-256 hash in base64", param, ctx)
        return pins


class HostName(Value[str]):
    """The name in a server's certificate."""

    name = "name"
    form = "write a host name, as in dns.example"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.dns.errors import DnsError
        from netkit.dns.name import Name

        try:
            name = Name.parse(str(value))
        except DnsError.InvalidName as error:
            self.wrong(f"{value!r} is not a host name: {error.reason}", param, ctx)
        if not name.is_hostname or name.is_root:
            self.wrong(f"{value!r} is not a host name", param, ctx)
        return name.to_text(omit_final_dot=True)


class OpcodeText(Value["Opcode"]):
    """What a query asks for: a number or a mnemonic."""

    name = "opcode"
    form = "write a number from 0 to 15, or QUERY, IQUERY, STATUS, NOTIFY, UPDATE, DSO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Opcode:
        from netkit.dns.constants import Opcode
        from netkit.dns.errors import DnsError

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        is_number = value.isascii() and value.isdigit() and len(value) <= 2
        try:
            return Opcode(int(value)) if is_number else Opcode.parse(value)
        except DnsError.InvalidValue:
            self.wrong(f"{value!r} is not an opcode", param, ctx)


class EdnsFlags(Value[int]):
    """The flags of EDNS that nobody has assigned: a number, also in hexadecimal."""

    name = "bits"
    form = "write the bits below DO as a number up to 32767 or 0x7fff; +dnssec sets DO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value)
        try:
            found = int(text, 16 if text[:2].lower() == "0x" else 10)
        except ValueError:
            found = -1
        if not 0 <= found <= 0x7FFF or "_" in text or not text.isascii():
            self.wrong(f"{value!r} is not a set of flags", param, ctx)
        return found


class SearchDomain(Value["Name"]):
    """A domain to put behind names."""

    name = "domain"
    form = "write a domain, as in example.com"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Name:
        from netkit.dns.errors import DnsError
        from netkit.dns.name import Name

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        try:
            return Name.parse(value)
        except DnsError.InvalidName as error:
            self.wrong(f"{value!r} is not a domain: {error.reason}", param, ctx)


class ProxyAddresses(Value["Announced"]):
    """Whom queries are said to come from, and to be meant for: two addresses, with ports after `#`."""

    name = "addresses"
    form = "write two addresses of one family, as in 192.0.2.1#4000-192.0.2.53#53"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Announced:
        from netkit.addr import AddrParseError, IpAddr, SocketAddr, parse_port
        from netkit.dns.constants import DNS_PORT
        from netkit.dns.errors import DnsError
        from netkit.dns.transports.announced import Announced

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        ends = value.split("-")
        try:
            if len(ends) != 2:
                raise ValueError("there must be two addresses")
            places = []
            for text, port in zip(ends, (0, DNS_PORT), strict=True):
                address, sign, number = text.partition("#")
                places.append(
                    SocketAddr.new(IpAddr.parse(address), parse_port(number, "udp") if sign else port)
                )
            found = Announced(places[0], places[1])
            found.datagram  # noqa: B018 - it says whether there is such a header
        except (AddrParseError, DnsError.InvalidValue) as error:
            self.wrong(f"{value!r}: {error.reason}", param, ctx)
        except ValueError as error:
            self.wrong(f"{value!r}: {error}", param, ctx)
        return found
