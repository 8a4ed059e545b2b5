"""Random names, records and messages for the property tests of the codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.constants import DnsRecordType
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import AA, AD, CD, QR, RA, RD, TC, Message, Question, Z
from netkit.dns.name import Name
from netkit.dns.records import (
    DnsRecord,
    binary,
    codes,
    fields,
    gateways,
    positions,
    prefixes,
    record_class,
    strings,
    svcparams,
)
from netkit.dns.records.fields import Field
from netkit.dns.records.prefixes import AddressPrefix
from netkit.dns.records.variants import TYPES

_U8, _U16, _U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)

#: Labels: often the same few, so that names share suffixes and compression has something to do.
labels = st.one_of(
    st.sampled_from([b"www", b"WWW", b"example", b"Example", b"com", b"a", b"_tcp", b"*"]),
    st.binary(min_size=1, max_size=63),
)


@st.composite
def names(draw: st.DrawFn, absolute: bool = True) -> Name:
    """A name within the limits."""
    chosen: list[bytes] = []
    length = 1
    for label in draw(st.lists(labels, max_size=8)):
        length += 1 + len(label)
        if length > 255:
            break
        chosen.append(label)
    return Name(chosen, absolute)


ttls = st.integers(0, 0x7FFFFFFF)
_strings = st.lists(st.binary(max_size=255), min_size=1, max_size=4)
# Types without fields of their own, in class IN.
_unknown_types = st.integers(0, 0xFFFF).filter(
    lambda number: number != DnsRecordType.OPT and record_class(number, 1) is None
)

#: Records of every type, most often of those that are common, and of those that have no class.
records: st.SearchStrategy[DnsRecord] = st.one_of(
    st.sampled_from(TYPES).flatmap(lambda rdtype: records_of(rdtype)),  # noqa: PLW0108 - defined below
    st.builds(DnsRecord.A, names(), ttls, st.builds(Ipv4Addr, _U32)),
    st.builds(DnsRecord.AAAA, names(), ttls, st.builds(Ipv6Addr, st.integers(0, 2**128 - 1))),
    st.builds(DnsRecord.CNAME, names(), ttls, names(), st.sampled_from((1, 3, 4, 32))),
    st.builds(DnsRecord.NS, names(), ttls, names()),
    st.builds(DnsRecord.PTR, names(), ttls, names()),
    st.builds(DnsRecord.MX, names(), ttls, _U16, names()),
    st.builds(DnsRecord.SRV, names(), ttls, _U16, _U16, _U16, names()),
    st.builds(DnsRecord.SOA, names(), ttls, names(), names(), _U32, _U32, _U32, _U32, _U32),
    st.builds(DnsRecord.TXT, names(), ttls, _strings, st.sampled_from((1, 3))),
    st.builds(DnsRecord.Unknown, names(), ttls, _unknown_types, st.binary(max_size=300)),
    st.builds(DnsRecord.Unknown, names(), ttls, st.just(1), st.binary(max_size=9), st.sampled_from((3, 254))),
)

_subnets = st.one_of(
    st.builds(EdnsOption.ClientSubnet, st.builds(Ipv4Addr, _U32), st.integers(0, 32), st.integers(0, 32)),
    st.builds(
        EdnsOption.ClientSubnet,
        st.builds(Ipv6Addr, st.integers(0, 2**128 - 1)),
        st.integers(0, 128),
        st.integers(0, 128),
    ),
)

#: Options of every kind.
options: st.SearchStrategy[EdnsOption] = st.one_of(
    _subnets,
    st.builds(EdnsOption.Nsid, st.binary(max_size=40)),
    st.builds(
        EdnsOption.Cookie,
        st.binary(min_size=8, max_size=8),
        st.one_of(st.just(b""), st.binary(min_size=8, max_size=32)),
    ),
    st.builds(EdnsOption.Keepalive, st.one_of(st.none(), _U16.map(lambda tenths: tenths / 10))),
    st.builds(EdnsOption.Padding, st.integers(0, 200)),
    st.builds(EdnsOption.ExtendedError, _U16, st.one_of(st.text(max_size=20), st.binary(max_size=20))),
    st.builds(EdnsOption.LongLivedQuery, _U16, _U16, _U16, st.integers(0, 2**64 - 1), _U32),
    st.builds(EdnsOption.UpdateLease, _U32, st.none() | _U32),
    st.builds(EdnsOption.DnssecAlgorithms, st.lists(_U8, max_size=5)),
    st.builds(EdnsOption.DsHashes, st.lists(_U8, max_size=5)),
    st.builds(EdnsOption.Nsec3Hashes, st.lists(_U8, max_size=5)),
    st.builds(EdnsOption.Expire, st.none() | _U32),
    st.builds(EdnsOption.Chain, names()),
    st.builds(EdnsOption.KeyTag, st.lists(_U16, min_size=1, max_size=5)),
    st.builds(EdnsOption.ReportChannel, names()),
    st.just(EdnsOption.ZoneVersion()),
    st.builds(EdnsOption.ZoneVersion, _U8, st.just(0), st.binary(min_size=4, max_size=4)),
    st.builds(EdnsOption.ZoneVersion, _U8, st.integers(1, 255), st.binary(max_size=9)),
    st.builds(EdnsOption.Unknown, st.integers(100, 0xFFFF), st.binary(max_size=40)),
)

edns = st.builds(Edns, _U16, _U8, st.booleans(), st.integers(0, 0x7FFF), st.lists(options, max_size=4))

_flags = st.sets(st.sampled_from((QR, AA, TC, RD, RA, Z, AD, CD))).map(sum)
_sections = st.lists(records, max_size=4)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A message, with an OPT record where its response code needs one."""
    extension = draw(st.one_of(st.none(), edns))
    return Message(
        draw(_U16),
        draw(_flags),
        draw(st.integers(0, 15)),
        draw(st.integers(0, 15 if extension is None else 4095)),
        draw(st.lists(st.builds(Question, names(), _U16, _U16), max_size=2)),
        draw(_sections),
        draw(_sections),
        draw(_sections),
        extension,
    )


# Records of any type, from the kinds of its fields.

_octets = st.binary(max_size=40)
_types = st.lists(st.integers(1, 0xFFFF), max_size=6)
_addresses4 = st.builds(Ipv4Addr, _U32)
_addresses6 = st.builds(Ipv6Addr, st.integers(0, 2**128 - 1))
_sizes = st.builds(lambda digit, zeros: digit * 10**zeros, st.integers(0, 9), st.integers(0, 9))
_prefixes = st.lists(
    st.one_of(
        st.builds(AddressPrefix, _addresses4, st.integers(0, 32), st.booleans()),
        st.builds(AddressPrefix, _addresses6, st.integers(0, 128), st.booleans()),
    ),
    max_size=4,
)
_words = st.text("abcXYZ019-", min_size=1, max_size=20)
_svc_values: dict[str | int, st.SearchStrategy[object]] = {
    "mandatory": st.just(["alpn"]),
    "alpn": st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=3),
    "no-default-alpn": st.just(True),
    "port": _U16,
    "ipv4hint": st.lists(_addresses4, min_size=1, max_size=2),
    "ech": st.binary(min_size=1, max_size=30),
    "ipv6hint": st.lists(_addresses6, min_size=1, max_size=2),
    "dohpath": st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    "ohttp": st.just(True),
    667: st.binary(max_size=20),
    65534: st.binary(max_size=3),
}
_params: st.SearchStrategy[dict[str | int, object]] = st.just({}) | st.fixed_dictionaries(
    {"alpn": _svc_values.pop("alpn")}, optional=_svc_values
)


def _values_of(field: Field[Any, Any]) -> st.SearchStrategy[Any]:
    """What a constructor takes for a field."""
    match field:
        case positions.Angle():
            return st.integers(-field.limit, field.limit)
        case positions.Altitude():
            return st.integers(-10_000_000, 0xFFFFFFFF - 10_000_000)
        case positions.Size():
            return _sizes
        case fields.U8() | fields.U16() | fields.U32() | fields.U48() | fields.U64():
            return st.one_of(
                st.integers(0, 300).map(lambda n: min(n, field.limit)), st.integers(0, field.limit)
            )
        case fields.Ipv4():
            return _addresses4
        case fields.Ipv6():
            return _addresses6
        case fields.DomainName():
            return names()
        case fields.DomainNames():
            return st.lists(names(), max_size=2)
        case fields.OptionalName():
            return st.none() | names()
        case strings.Word():
            return _words
        case strings.CharacterString():
            return st.binary(min_size=field.minimum, max_size=60)
        case strings.OptionalString():
            return st.none() | st.binary(max_size=60)
        case strings.CharacterStrings():
            return _strings
        case strings.LongString() | binary.Octets():
            return st.binary(min_size=field.minimum, max_size=80)
        case binary.SizedBase32Hex():
            return st.binary(min_size=1, max_size=40)
        case binary.SizedHex() | binary.SizedBase64():
            return _octets
        case binary.FixedHex():
            return st.binary(min_size=field.size, max_size=field.size)
        case codes.TypeCode():
            return _U16
        case codes.TypeBitmap():
            return _types
        case codes.FlatBitmap():
            return st.lists(st.integers(1, 127), max_size=6)
        case codes.Ports():
            return st.lists(_U16, max_size=5)
        case gateways.Gateway():
            return st.one_of(st.none(), _addresses4, _addresses6, names())
        case prefixes.Prefixes():
            return _prefixes
        case svcparams.Params():
            return _params
    raise NotImplementedError(field)


def records_of(rdtype: int) -> st.SearchStrategy[DnsRecord]:
    """Records of a type, in class IN."""
    cls = record_class(rdtype, 1)
    assert cls is not None

    @st.composite
    def made(draw: st.DrawFn) -> DnsRecord:
        values = {field.name: draw(_values_of(field)) for field in cls.FIELDS}
        match cls.__name__:
            case "KEY":
                values["key"] = b"" if values["flags"] & 0xC000 == 0xC000 else values["key"]
            case "DS" | "CDS" | "DLV" | "TA":
                size = {1: 20, 2: 32, 3: 32, 4: 48}.get(values["digest_type"])
                values["digest"] = draw(st.binary(min_size=size or 1, max_size=size or 60))
            case "ZONEMD":
                size = {1: 48, 2: 64}.get(values["hash_algorithm"]) if values["scheme"] == 1 else None
                values["digest"] = draw(st.binary(min_size=size or 12, max_size=size or 80))
            case "ATMA":
                values["format"] %= 2
                if values["format"]:
                    values["address"] = draw(st.text("0123456789", min_size=1, max_size=20)).encode()
            case "A6":
                length = values["prefix_length"] = draw(st.integers(0, 128))
                values["suffix"] = Ipv6Addr(int(values["suffix"]) & (1 << 128 - length) - 1)
                values["prefix"] = draw(names()) if length else None
            case "HIP":
                values["hit"] = draw(st.binary(min_size=1, max_size=40))
            case "AMTRELAY":
                values["discovery_optional"] %= 2
        if isinstance(values.get("strings"), list):
            values["data"] = values.pop("strings")
        build: Callable[..., DnsRecord] = cls
        return build(name=draw(names()), ttl=draw(ttls), **values)

    return made()
