"""Random names, records and messages for the property tests of the codec."""

from __future__ import annotations

from hypothesis import strategies as st

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.constants import DnsRecordType
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.message import AA, AD, CD, QR, RA, RD, TC, Message, Question, Z
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord, record_class

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

#: Records of every type that has a class of its own, and of those that have none.
records: st.SearchStrategy[DnsRecord] = st.one_of(
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
