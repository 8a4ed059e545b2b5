r"""Parameters of a service, as SVCB and HTTPS have them (RFC 9460 sections 2.1, 2.2, 7, 8 and appendix A).

    alpn="h2,h3" port=8443 ipv4hint=192.0.2.1 key667="hello"

A parameter stays as its octets; the properties read them. On the wire keys rise and none comes twice, and
the values of known keys have their form, or else the record is malformed (section 2.2). Parameters may
contradict each other (section 2.4.3: a mandatory key is not there, or no-default-alpn is there without alpn):
programs and zone files cannot write such a record, and one that is received stays as its octets.

In text a list is written twice: its commas and backslashes are escaped, and the result is a character string
(appendix A.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns.errors import DnsError
from netkit.dns.records.fields import Field, ipv6_text
from netkit.dns.records.strings import base64_text, string_text
from netkit.dns.value import Value, assign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import ClassVar, TypeAlias

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema
    from netkit.dns.text import TextReader

    #: Parameters by name, by number, or by both.
    Values: TypeAlias = Mapping[str, object] | Mapping[int, object] | Mapping[str | int, object]

MANDATORY, ALPN, NO_DEFAULT_ALPN, PORT, IPV4HINT, ECH, IPV6HINT, DOHPATH, OHTTP = range(9)
#: The names of the keys (RFC 9460 section 14.3.2, RFC 9461 section 5, RFC 9540 section 4).
NAMES = {
    MANDATORY: "mandatory",
    ALPN: "alpn",
    NO_DEFAULT_ALPN: "no-default-alpn",
    PORT: "port",
    IPV4HINT: "ipv4hint",
    ECH: "ech",
    IPV6HINT: "ipv6hint",
    DOHPATH: "dohpath",
    OHTTP: "ohttp",
}
_NUMBERS = {name: key for key, name in NAMES.items()}
_WITHOUT_VALUE = (NO_DEFAULT_ALPN, OHTTP)
#: RFC 9460 section 14.3.2: this key is never used.
_INVALID_KEY = 65535
_MAX_VALUE = 0xFFFF


class SvcParams(Value):
    """The parameters of a service: `items` are pairs of a key and its octets, in the order of the keys.

    Iterable over the pairs. The properties are None, or empty, if the key is not there.
    """

    __slots__ = ("items",)
    __match_args__ = ("items",)

    items: tuple[tuple[int, bytes], ...]

    def __init__(self, items: Mapping[int, bytes] | tuple[tuple[int, bytes], ...] = ()) -> None:
        pairs = dict(items)
        if len(pairs) != len(items):
            raise DnsError.InvalidValue("params", items, "a key comes twice")
        for key, octets in pairs.items():
            if not 0 <= key < _INVALID_KEY:
                raise DnsError.InvalidValue("params", key, "is not a key", limit=_INVALID_KEY - 1)
            reason = problem(key, octets)
            if reason is not None:
                raise DnsError.InvalidValue("params", octets, f"{name_of(key)}: {reason}")
        assign(self, "items", tuple(sorted(pairs.items())))

    @classmethod
    def of(cls, values: Values) -> SvcParams:
        """Those of values by name or number: `{"alpn": ["h2"], "port": 8443, "no-default-alpn": True}`.

        Lists of text for mandatory, alpn and the hints, a number for port, octets for ech, text for dohpath,
        True for a key without a value; octets for any key. Raises DnsError.InvalidValue.
        """
        pairs = {}
        for name, value in values.items():
            key = name if isinstance(name, int) else key_of(name)
            if key is None:
                raise DnsError.InvalidValue("params", name, "is not a key", hint=_KEY_HINT)
            pairs[key] = _octets_of(key, value)
        return cls(pairs)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def get(self, key: int) -> bytes | None:
        """The octets of a key, or None."""
        return dict(self.items).get(key)

    @property
    def mandatory(self) -> tuple[int, ...]:
        """The keys that a client must know to use the record."""
        return _keys(self.get(MANDATORY) or b"")

    @property
    def alpn(self) -> tuple[bytes, ...]:
        """The protocols of the service, by their ALPN identifiers."""
        return tuple(_strings(self.get(ALPN) or b"") or ())

    @property
    def no_default_alpn(self) -> bool:
        """Whether the service does not speak the protocol that it would have without `alpn`."""
        return self.get(NO_DEFAULT_ALPN) is not None

    @property
    def port(self) -> int | None:
        """The port of the service."""
        octets = self.get(PORT)
        return None if octets is None else int.from_bytes(octets, "big")

    @property
    def ipv4hint(self) -> tuple[Ipv4Addr, ...]:
        """Addresses that the target may have."""
        octets = self.get(IPV4HINT) or b""
        return tuple([Ipv4Addr(octets[at : at + 4]) for at in range(0, len(octets), 4)])

    @property
    def ipv6hint(self) -> tuple[Ipv6Addr, ...]:
        """Addresses that the target may have."""
        octets = self.get(IPV6HINT) or b""
        return tuple([Ipv6Addr(octets[at : at + 16]) for at in range(0, len(octets), 16)])

    @property
    def ech(self) -> bytes | None:
        """The configuration of Encrypted Client Hello."""
        return self.get(ECH)

    @property
    def dohpath(self) -> str | None:
        """The template of the path for DNS over HTTPS (RFC 9461)."""
        octets = self.get(DOHPATH)
        return None if octets is None else string_text(octets)

    @property
    def contradiction(self) -> str | None:
        """Why the parameters do not fit each other (RFC 9460 section 2.4.3), or None."""
        missing = [name_of(key) for key in self.mandatory if self.get(key) is None]
        if missing:
            return f"mandatory, but not there: {', '.join(missing)}"
        if self.no_default_alpn and not self.alpn:
            return "no-default-alpn without alpn"
        return None

    def __str__(self) -> str:
        return " ".join([_text_of(key, octets) for key, octets in self.items])


class Params(Field[SvcParams, "SvcParams | Values"]):
    """All that is left of the RDATA as parameters; a constructor takes what `SvcParams.of` takes."""

    schema: ClassVar[Schema] = {"type": "object"}
    optional, default = True, SvcParams()

    def __init__(self, about: str = "", *, default: None = None) -> None:  # noqa: ARG002 - for mypy
        super().__init__(about)

    def check(self, value: SvcParams | Values) -> SvcParams:
        return value if isinstance(value, SvcParams) else SvcParams.of(value)

    def read(self, reader: WireReader) -> SvcParams:
        pairs: list[tuple[int, bytes]] = []
        while reader.remaining:
            start = reader.offset
            key = reader.u16(self.name)
            if pairs and key <= pairs[-1][0]:
                reader.fail(self.name, f"{name_of(key)} after {name_of(pairs[-1][0])}", start)
            if key == _INVALID_KEY:
                reader.fail(self.name, "65535 is not a key", start)
            size = reader.u16(self.name)
            value_start = reader.offset
            octets = reader.take(size, self.name)
            reason = problem(key, octets)
            if reason is not None:
                reader.fail(self.name, f"{name_of(key)}: {reason}", value_start)
            pairs.append((key, octets))
        params = SvcParams.__new__(SvcParams)
        assign(params, "items", tuple(pairs))
        return params

    def write(self, value: SvcParams, writer: WireWriter) -> None:
        for key, octets in value.items:
            writer.u16(key)
            writer.u16(len(octets))
            writer.write(octets)

    def parse(self, reader: TextReader) -> SvcParams:
        pairs: dict[int, bytes] = {}
        while reader.more:
            token = reader.pair(self.name)
            name, equals, _ = token.text.partition("=")
            key = key_of(name)
            if key is None:
                raise token.place.error(f"{self.name}: {name!a} is not a key", hint=_KEY_HINT)
            if key in pairs:
                raise token.place.error(f"{self.name}: {name} comes twice")
            value = token.part(len(name) + len(equals))
            wrong: str | None
            try:
                pairs[key] = _parsed(key, value.octets, bool(equals))
            except ValueError as error:
                wrong = error.reason if isinstance(error, AddrParseError) else str(error)
            else:
                wrong = problem(key, pairs[key])
            if wrong is not None:
                raise token.place.error(f"{self.name}: {name}: {wrong}")
        return SvcParams(pairs)

    def text(self, value: SvcParams) -> str:
        return str(value)

    def json(self, value: SvcParams) -> object:
        return {name_of(key): _json_of(key, octets) for key, octets in value.items}


_KEY_HINT = f"{', '.join(_NUMBERS)}, or keyNNN"


def name_of(key: int) -> str:
    """The name of a key."""
    return NAMES.get(key) or f"key{key}"


def key_of(name: str) -> int | None:
    """The key that a name means, or None. RFC 9460 section 2.1: in lower case, without leading zeros."""
    if name in _NUMBERS:
        return _NUMBERS[name]
    digits = name.removeprefix("key")
    if digits == name or not (digits.isascii() and digits.isdigit()) or len(digits) > 5:
        return None
    key = int(digits)
    return key if str(key) == digits and key < _INVALID_KEY else None


def problem(key: int, octets: bytes) -> str | None:
    """Why the octets cannot be the value of the key (RFC 9460 sections 7 and 8), or None."""
    if len(octets) > _MAX_VALUE:
        return "longer than 65535 octets"
    if key in _WITHOUT_VALUE:
        return "has a value" if octets else None
    if key == PORT:
        return None if len(octets) == 2 else f"{len(octets)} octets, not 2"
    if key in (IPV4HINT, IPV6HINT):
        size = 4 if key == IPV4HINT else 16
        return (
            None if octets and len(octets) % size == 0 else f"{len(octets)} octets, not addresses of {size}"
        )
    if key == ALPN:
        strings = _strings(octets)
        return None if strings and all(strings) else "not a list of names that are not empty"
    if key == MANDATORY:
        if not octets or len(octets) % 2:
            return f"{len(octets)} octets, not keys of 2"
        keys = _keys(octets)
        if MANDATORY in keys:
            return "contains itself"
        if any(keys[at] >= keys[at + 1] for at in range(len(keys) - 1)):
            return "not in rising order"
    if key in (DOHPATH, ECH) and not octets:
        return "is empty"
    return None


def _keys(octets: bytes) -> tuple[int, ...]:
    return tuple([int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2)])


def _strings(octets: bytes) -> list[bytes] | None:
    """Strings, each behind its length; None if the last one is cut."""
    strings = []
    at = 0
    while at < len(octets):
        after = at + 1 + octets[at]
        if after > len(octets):
            return None
        strings.append(octets[at + 1 : after])
        at = after
    return strings


def _octets_of(key: int, value: object) -> bytes:
    """The octets of a value that a program gives. Raises DnsError.InvalidValue."""
    if isinstance(value, bytes):
        return value
    try:
        match value:
            case True:
                return b""
            case int():
                return value.to_bytes(2, "big")
            case str() if key == DOHPATH:
                return value.encode("utf-8")
            case str():
                return _listed(key, [value.encode("utf-8")])
            case list() | tuple():
                return _listed(
                    key, [each if isinstance(each, bytes) else str(each).encode() for each in value]
                )
    except AddrParseError:
        raise
    except (ValueError, OverflowError) as error:
        raise DnsError.InvalidValue("params", value, f"{name_of(key)}: {error}") from None
    raise DnsError.InvalidValue("params", value, f"{name_of(key)}: must be octets, text, a number or a list")


def _listed(key: int, values: list[bytes]) -> bytes:
    """The octets of a list. Raises ValueError."""
    match key:
        case 0:
            keys = [key_of(each.decode("ascii", "replace")) for each in values]
            known = sorted({key for key in keys if key is not None})
            if len(known) != len(values):
                raise ValueError("not a list of different keys")
            return b"".join([key.to_bytes(2, "big") for key in known])
        case 1:
            if any(not 1 <= len(each) <= 255 for each in values):
                raise ValueError("a name must be 1 to 255 octets")
            return b"".join([bytes((len(each),)) + each for each in values])
        case 4:
            return b"".join([Ipv4Addr(each.decode("ascii", "replace")).packed for each in values])
        case 6:
            addresses = [Ipv6Addr(each.decode("ascii", "replace")) for each in values]
            if any(each.scope_id is not None for each in addresses):
                raise ValueError("a record's address has no zone")
            return b"".join([each.packed for each in addresses])
    raise ValueError("is not a list")


def _parsed(key: int, octets: bytes, has_value: bool) -> bytes:
    """The value that a character string in text means. Raises ValueError."""
    if key in (MANDATORY, ALPN, IPV4HINT, IPV6HINT):
        return _listed(key, _split(octets))
    if key == PORT:
        if not octets.isdigit() or len(octets) > 5 or int(octets) > 0xFFFF:
            raise ValueError("is not a port")
        return int(octets).to_bytes(2, "big")
    if key == ECH:
        from binascii import a2b_base64

        return a2b_base64(octets, strict_mode=True)
    if key in _WITHOUT_VALUE and has_value and octets:
        raise ValueError("has a value")
    return octets


def _split(octets: bytes) -> list[bytes]:
    r"""The members of a list: commas between them, `\,` and `\\` inside. Raises ValueError."""
    members = [bytearray()]
    rest = iter(octets)
    for octet in rest:
        if octet == ord("\\"):
            octet = next(rest, 0)
            if octet not in b"\\,":
                raise ValueError("a backslash before neither a comma nor a backslash")
        elif octet == ord(","):
            members.append(bytearray())
            continue
        members[-1].append(octet)
    return [bytes(each) for each in members]


def _text_of(key: int, octets: bytes) -> str:
    """A parameter as dig prints it."""
    from netkit.dns.text import quoted

    name = name_of(key)
    match key:
        case 0:
            return f"{name}={','.join(map(name_of, _keys(octets)))}"
        case 1:
            members = [each.replace(b"\\", b"\\\\").replace(b",", b"\\,") for each in _strings(octets) or ()]
            return f"{name}={quoted(b','.join(members))}"
        case 3:
            return f"{name}={int.from_bytes(octets, 'big')}"
        case 4:
            return f"{name}={','.join(map(str, SvcParams({key: octets}).ipv4hint))}"
        case 5:
            return f"{name}={base64_text(octets)}"
        case 6:
            return f"{name}={','.join(map(ipv6_text, SvcParams({key: octets}).ipv6hint))}"
    return f"{name}={quoted(octets)}" if octets else name


def _json_of(key: int, octets: bytes) -> Any:
    params = SvcParams({key: octets})
    match key:
        case 0:
            return list(map(name_of, params.mandatory))
        case 1:
            return list(map(string_text, params.alpn))
        case 2 | 8:
            return True
        case 3:
            return params.port
        case 4:
            return list(map(str, params.ipv4hint))
        case 6:
            return list(map(str, params.ipv6hint))
        case 7:
            return params.dohpath
    return base64_text(octets)
