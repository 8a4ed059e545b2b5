"""`EdnsOption`, the base of all options, and what is derived from the fields that one declares (RFC 6891).

    EdnsOption
    ├── LongLivedQuery RFC 8764    a question whose answer is told again when it changes
    ├── UpdateLease    RFC 9664    how long what was updated stays
    ├── Nsid           RFC 5001    which of many servers answered
    ├── DnssecAlgorithms, DsHashes, Nsec3Hashes   RFC 6975   the algorithms that the client knows
    ├── ClientSubnet   RFC 7871    the network of the client that the answer is for
    ├── Expire         RFC 7314    when a secondary server's zone expires
    ├── Cookie         RFC 7873    proof that the answer comes from the server that was asked
    ├── Keepalive      RFC 7828    how long a TCP connection may idle
    ├── Padding        RFC 7830    octets that hide a message's length
    ├── Chain          RFC 7901    the records that lead from a name to the one asked for are wanted
    ├── KeyTag         RFC 8145    the trust anchors that the client has
    ├── ExtendedError  RFC 8914    why there is no answer, or no better one
    ├── ReportChannel  RFC 9567    to whom errors are reported
    ├── ZoneVersion    RFC 9660    the version of the zone that the answer comes from
    └── Unknown                    any other option, with its octets unchanged

Most messages have no options, and so the classes are loaded when the first one is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import WireWriter
from netkit.dns.records.declared import WithFields, json_schema_of
from netkit.dns.value import Value

if TYPE_CHECKING:
    from typing import Self, dataclass_transform

    from netkit.dns.edns import fields as option_fields, options
    from netkit.dns.messages.wire import WireReader
    from netkit.dns.records import fields
    from netkit.dns.records.fields import Schema


class Declared(WithFields):
    """Makes the classes of options; the fields are those of the option's data."""

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> object:  # noqa: N805 - this is a metaclass
            if name in _VARIANTS:
                import_module(_OPTIONS)  # it makes the variants attributes
                if name in vars(EdnsOption):
                    return vars(EdnsOption)[name]
            raise AttributeError(f"type object {cls.__qualname__!r} has no attribute {name!r}")


# Imported by their names, when they are first needed, because they need this module.
_OPTIONS = "netkit.dns.edns.options"
_NAMES = "netkit.dns.edns.names"

_VARIANTS = frozenset((
    "Chain", "ClientSubnet", "Cookie", "DnssecAlgorithms", "DsHashes", "Expire", "ExtendedError", "Keepalive",
    "KeyTag", "LongLivedQuery", "Nsec3Hashes", "Nsid", "Padding", "ReportChannel", "Unknown", "UpdateLease",
    "ZoneVersion",
))  # fmt: skip

if TYPE_CHECKING:

    @dataclass_transform(
        field_specifiers=(
            fields.DomainName,
            fields.U16,
            fields.U32,
            fields.U64,
            fields.U8,
            option_fields.Numbers,
            option_fields.Octets,
            option_fields.OptionalNumber,
            option_fields.Tenths,
            option_fields.Zeros,
        )
    )
    class OptionType(Declared):
        """`Declared`, with what mypy has to know of it."""

else:
    OptionType = Declared


class Variants:
    """The options, as attributes of `EdnsOption`; `options` makes them so."""

    __slots__ = ()

    if TYPE_CHECKING:
        LongLivedQuery: TypeAlias = options.LongLivedQuery
        UpdateLease: TypeAlias = options.UpdateLease
        Nsid: TypeAlias = options.Nsid
        DnssecAlgorithms: TypeAlias = options.DnssecAlgorithms
        DsHashes: TypeAlias = options.DsHashes
        Nsec3Hashes: TypeAlias = options.Nsec3Hashes
        ClientSubnet: TypeAlias = options.ClientSubnet
        Expire: TypeAlias = options.Expire
        Cookie: TypeAlias = options.Cookie
        Keepalive: TypeAlias = options.Keepalive
        Padding: TypeAlias = options.Padding
        Chain: TypeAlias = options.Chain
        KeyTag: TypeAlias = options.KeyTag
        ExtendedError: TypeAlias = options.ExtendedError
        ReportChannel: TypeAlias = options.ReportChannel
        ZoneVersion: TypeAlias = options.ZoneVersion
        Unknown: TypeAlias = options.UnknownOption


class EdnsOption(Value, Variants, metaclass=OptionType):
    """One option of an OPT record; `code` is its number, the variants are its attributes.

    `str` gives the option as dig prints it, without control characters. Constructors raise
    DnsError.InvalidValue with the field's name.
    """

    code: ClassVar[int]
    #: The name of the option in dig's output.
    title: ClassVar[str]

    if not TYPE_CHECKING:

        def __init__(self, *given: object, **named: object) -> None:
            cls = type(self)
            if len(given) > len(cls.FIELDS):
                raise TypeError(f"{cls.__qualname__} takes {len(cls.FIELDS)} arguments, not {len(given)}")
            values = dict(zip(cls.__match_args__, given, strict=False))
            for name, value in named.items():
                if name not in cls.__match_args__ or name in values:
                    raise TypeError(f"{cls.__qualname__} has no argument {name!r}, or has it twice")
                values[name] = value
            for field in cls.FIELDS:
                if field.name in values:
                    field.put(self, field.check(values[field.name]))
                elif field.optional:
                    field.put(self, field.default)
                else:
                    raise TypeError(f"{cls.__qualname__} needs {field.name}")
            self._check()

    def _check(self) -> None:
        """Hold the rules between the fields. Raises DnsError.InvalidValue."""

    @classmethod
    def parse(cls, text: str) -> EdnsOption:
        """An option as dig's `+ednsopt=` has it: a number or a name, and after a colon octets in hexadecimal.

        Octets that are not right for the option are kept as they are, in an Unknown. Raises
        DnsError.InvalidValue.
        """
        found: EdnsOption = import_module(_NAMES).parse_option(text)
        return found

    @classmethod
    def of(cls, code: int, data: bytes) -> EdnsOption:
        """The option of these octets; Unknown where they are not right for it, or would change if sent."""
        found: EdnsOption = import_module(_OPTIONS).option_of(code, data)
        return found

    @classmethod
    def from_wire(cls, reader: WireReader) -> EdnsOption:
        """Read an option from `reader`, restricted to the option's data. Raises DnsError.InvalidResponse."""
        return cls._read(reader)

    @classmethod
    def _read(cls, reader: WireReader) -> Self:
        """The option of the fields one after another."""
        start = reader.offset
        made = cls.__new__(cls)
        for field in cls.FIELDS:
            field.put(made, field.read(reader))
        try:
            made._check()
        except DnsError.InvalidValue as error:
            reader.fail(error.field, error.reason, start, error.limit)
        return made

    def to_wire(self, writer: WireWriter) -> None:
        """Write the option's data (without its code and length)."""
        for field in type(self).FIELDS:
            field.write(field.get(self), writer)

    def data_wire(self) -> bytes:
        """The octets of the option's data."""
        writer = WireWriter(compress=False)
        self.to_wire(writer)
        return bytes(writer.data)

    def text(self) -> str:
        """The text after the title in dig's output."""
        return " ".join(filter(None, [field.text(field.get(self)) for field in type(self).FIELDS]))

    def json_fields(self) -> dict[str, object]:
        """The fields as JSON has them: octets in base64 under keys with `_b64`, seconds under `_s`."""
        return {field.key: field.json(field.get(self)) for field in type(self).FIELDS}

    @classmethod
    def json_schema(cls) -> Schema:
        """The JSON Schema of `json_fields`."""
        return json_schema_of(cls)

    def __str__(self) -> str:
        return f"{self.title}: {self.text()}".rstrip()
