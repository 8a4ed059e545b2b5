"""Queries of every kind for the zones of `dns_authority_zones`, as octets: what a name server may be asked.

`about(zones)` asks for the names of zones, and for names beside and below them; `of_form()` has the rest: odd
operations, EDNS, options, several questions, classes, and what is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from struct import pack
from typing import NamedTuple

from netkit.dns.constants import DnsClass, DnsRecordType as T, Opcode
from netkit.dns.name import Name
from netkit.dns.zones.zone import Zone

_TYPES = (T.A, T.NS, T.MX, T.DS, T.CNAME, T.DNAME, T.SOA, T.TXT, T.ANY, T.SRV)
_OF_SIGNED = (T.A, T.DS, T.MX, T.RRSIG, T.NSEC, T.ANY, T.DNSKEY, T.NSEC3PARAM)
# Of many names that are alike, some.
_MANY = re.compile(r"(c\d+|ns\d+\.largecut)\.example\.|[0-9a-v]{32}\.", re.IGNORECASE)
_FEW = ("c0.example.", "c25.example.", "ns3.largecut.example.")


class Query(NamedTuple):
    """A query, and what it is in words."""

    what: str
    wire: bytes


def question(name: str | Name = "host.example.", rdtype: int = T.A, rdclass: int = DnsClass.IN) -> bytes:
    """A question's octets."""
    return Name.of(name).to_wire() + pack("!HH", rdtype, rdclass)


def opt(
    options: bytes = b"", *, version: int = 0, flags: int = 0, size: int = 1232, owner: bytes = b"\0"
) -> bytes:
    """An OPT record's octets."""
    return owner + pack("!HHBBHH", T.OPT, size, 0, version, flags, len(options)) + options


def option(code: int, data: bytes = b"") -> bytes:
    """An option's octets."""
    return pack("!HH", code, len(data)) + data


def query(
    what: str,
    body: bytes,
    *,
    flags: int = 0,
    opcode: int = Opcode.QUERY,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
) -> Query:
    """A query of what follows its header."""
    return Query(what, pack("!6H", 0, flags | opcode << 11, *counts) + body)


def with_edns(what: str, asked: bytes, opt_record: bytes, opcode: int = Opcode.QUERY) -> Query:
    """A query of one question and an OPT record."""
    return query(what, asked + opt_record, opcode=opcode, counts=(1, 0, 0, 1))


_DO = opt(flags=0x8000)
_PLAIN = opt()


def about(zones: Iterable[Zone]) -> Iterator[Query]:
    """Questions for the names of zones and for those around them, each for some types."""
    for zone in zones:
        is_signed = (zone.origin, T.DNSKEY) in zone.rrsets
        turn = 0
        for name in _names(zone):
            own = [rdtype for owner, rdtype in zone.rrsets if owner == name]
            types = _OF_SIGNED if is_signed else _TYPES
            chosen = {T.A, *own, *[types[(turn + each) % len(types)] for each in range(3)]}
            turn += 3
            # That type alone is for nsd no reason to follow an alias, and a zone that named does not load
            # is without one that answers ANY whole.
            chosen -= {T.NSEC3} | ({T.ANY} if "wildns" in str(name) else set())
            for rdtype in sorted(chosen):
                what = f"{name} {rdtype}"
                if not is_signed:
                    yield with_edns(what, question(name, rdtype), _PLAIN)
                    continue
                yield with_edns(f"{what} +do", question(name, rdtype), _DO)
                if turn % 2:
                    yield query(what, question(name, rdtype))


def _names(zone: Zone) -> list[Name]:
    names: dict[Name, None] = {}
    for owner in sorted({owner for owner, _ in zone.rrsets}):  # a signer has another order each time
        text = str(owner)
        if _MANY.match(text) and text not in _FEW:
            continue
        names[owner] = None
        under = "" if owner.is_root else text
        around = [f"x.{under}", f"y.x{under[1:]}"] if owner.is_wildcard else [f"x.{under}", f"*.{under}"]
        for near in around:
            names[Name.parse(near)] = None
        while owner != zone.origin:
            owner = owner.parent
            names[owner] = None  # those between
    return list(names)


#: Names that no rule makes.
_ODD_NAMES = (
    "a." * 60 + "dnlong.example.",
    "a." * 90 + "dn.example.",
    "l" * 60 + "." + "a." * 20 + "dnlong.example.",
    "\\255.dn.example.",
    "wild.wild.dn.example.",
    "b.wild.dn.example.",
    "x.a.dn.example.",
    "HOST.eXaMpLe.",
    "X.wILD.example.",
    "nowhere.",
    "x.y.nowhere.",
    "test.",
    "xexample.",
    ".",
    "x.host.example.",
    "c.b.optout.test.",
)


def of_form() -> Iterator[Query]:
    """Everything but ordinary questions."""
    for name in _ODD_NAMES:
        for rdtype in (T.A, T.NS, T.CNAME):
            yield query(f"{name[-40:]} {rdtype}", question(name, rdtype))
    yield from _operations()
    yield from _flags()
    yield from _counts()
    yield from _edns()
    yield from _options()
    yield from _sizes()
    yield from _classes()
    yield from _types()
    yield from _malformed()


def _operations() -> Iterator[Query]:
    for opcode in range(1, 16):
        # NOTIFY is another matter (RFC 1996), and so is who may update.
        if opcode != Opcode.NOTIFY:
            yield query(f"opcode {opcode}", question("example.", T.SOA), opcode=opcode)
            yield with_edns(f"opcode {opcode} with EDNS", question("example.", T.SOA), _PLAIN, opcode)
            yield with_edns(
                f"opcode {opcode} with EDNS 1", question("example.", T.SOA), opt(version=1), opcode
            )
    for opcode in (Opcode.STATUS, Opcode.UPDATE, Opcode.DSO, Opcode.IQUERY, 15):
        yield query(f"opcode {opcode:d} without a question", b"", opcode=opcode, counts=(0, 0, 0, 0))
    yield query("RFC 1035 section 6.4.1", _record("host.example."), opcode=Opcode.IQUERY, counts=(0, 1, 0, 0))
    yield query("RFC 8490", b"\0\1\0\4\0\0\x3a\x98", opcode=Opcode.DSO, counts=(0, 0, 0, 0))


def _flags() -> Iterator[Query]:
    for bit in (0x0100, 0x0010, 0x0020, 0x0040, 0x0080, 0x0200, 0x0400, 0x07F0):
        yield query(f"flags {bit:04x}", question(), flags=bit)
        yield query(f"flags {bit:04x} +do", question() + _DO, flags=bit, counts=(1, 0, 0, 1))
        yield query(f"flags {bit:04x} NXDOMAIN", question("nothing.example."), flags=bit)
    for rcode in (1, 3, 5, 15):
        yield query(f"rcode {rcode}", question(), flags=rcode)


def _counts() -> Iterator[Query]:
    yield query("no question", b"", counts=(0, 0, 0, 0))
    yield query("no question with EDNS", _PLAIN, counts=(0, 0, 0, 1))
    yield query("no question with a cookie", opt(option(10, b"12345678")), counts=(0, 0, 0, 1))
    for second in (question(), question("www.example."), question("host.example.", T.AAAA), question("x.y.")):
        yield query("two questions", question() + second, counts=(2, 0, 0, 0))
        yield query("two questions with EDNS", question() + second + _PLAIN, counts=(2, 0, 0, 1))
        yield query("two questions with EDNS 1", question() + second + opt(version=1), counts=(2, 0, 0, 1))
    yield query("three questions", question() * 3, counts=(3, 0, 0, 0))
    yield query("two questions of which one is there", question(), counts=(2, 0, 0, 0))
    yield query("a record in answer", question() + _record("x."), counts=(1, 1, 0, 0))
    yield query("a record in authority", question() + _record("x."), counts=(1, 0, 1, 0))
    yield query("a record in additional", question() + _record("x."), counts=(1, 0, 0, 1))
    yield query("a record before OPT", question() + _record("x.") + _PLAIN, counts=(1, 0, 0, 2))
    yield query("a record behind OPT", question() + _PLAIN + _record("x."), counts=(1, 0, 0, 2))


def _record(owner: str) -> bytes:
    return Name.parse(owner).to_wire() + pack("!HHIH", T.A, DnsClass.IN, 0, 4) + bytes((192, 0, 2, 1))


def _edns() -> Iterator[Query]:
    for version in (1, 2, 100, 255):
        for name in ("host.example.", "nothing.example.", "nowhere.", "x.sub.example."):
            yield with_edns(f"EDNS {version} {name}", question(name), opt(version=version))
    yield with_edns("EDNS 1 +do", question(), opt(version=1, flags=0x8000))
    yield with_edns("EDNS 1 NSID", question(), opt(option(3), version=1))
    yield query("EDNS 1 without a question", opt(version=1), counts=(0, 0, 0, 1))
    yield with_edns("flags of EDNS", question(), opt(flags=0x7FFF))
    yield query("two OPT", question() + _PLAIN + _PLAIN, counts=(1, 0, 0, 2))
    yield query("OPT in answer", question() + _PLAIN, counts=(1, 1, 0, 0))
    yield query("OPT in authority", question() + _PLAIN, counts=(1, 0, 1, 0))
    yield query("OPT in authority and in additional", question() + _PLAIN + _PLAIN, counts=(1, 0, 1, 1))
    yield with_edns("OPT with an owner", question(), opt(owner=b"\3foo\0"))


def _options() -> Iterator[Query]:
    for code in (*range(21), 100, 26946, 65001, 65535):
        for data in (b"", b"x", b"12345678"):
            yield with_edns(f"option {code} {data!r}", question(), opt(option(code, data)))
    for name in ("nothing.example.", "nowhere.", "x.sub.example.", "alias.nsec.test."):
        yield with_edns(f"NSID {name}", question(name), opt(option(3)))
    yield with_edns("NSID twice", question(), opt(option(3) * 2))
    for size in (8, 16, 24, 40, 41):
        yield with_edns(f"a cookie of {size}", question(), opt(option(10, b"12345678" * 6)[: 4 + size]))
    subnets = (
        b"\0\1\x18\0\xc0\0\2",
        b"\0\7\x18\0\xc0\0\2",
        b"\0\1\x18\x18\xc0\0\2",
        b"\0\1\x21\0\xc0\0\2\1\1",
    )
    for subnet in subnets:
        yield with_edns(f"client subnet {subnet.hex()}", question(), opt(option(8, subnet)))
    yield with_edns("padding", question(), opt(option(12, bytes(30))))
    yield with_edns(
        "all of them", question(), opt(b"".join(option(code, b"12345678") for code in (3, 10, 12, 65001)))
    )


def _sizes() -> Iterator[Query]:
    for name, rdtype in (("big.example.", T.TXT), ("many.example.", T.A), ("x.largecut.example.", T.A)):
        yield query(f"without EDNS {name}", question(name, rdtype))
        for size in (0, 100, 511, 512, 513, 700, 1231, 1233, 1400, 4096, 65535):
            yield with_edns(f"size {size} {name}", question(name, rdtype), opt(size=size))
    for name, rdtype in (("nsec.test.", T.ANY), ("x.dnwild.nsec3.test.", T.MX), ("q.nsec3.test.", T.A)):
        for size in (512, 700, 900, 1232):
            asked = question(name, rdtype)
            yield with_edns(f"size {size} {name} {rdtype} +do", asked, opt(size=size, flags=0x8000))


def _classes() -> Iterator[Query]:
    names = (
        "version.bind.",
        "version.server.",
        "id.server.",
        "hostname.bind.",
        "authors.bind.",
        "VERSION.bind.",
    )
    for name in (*names, "server.", "bind.", "x.version.bind.", "example.", "."):
        for rdtype in (T.TXT, T.ANY, T.SOA, T.NS, T.A):
            yield query(f"CH {name} {rdtype}", question(name, rdtype, DnsClass.CH))
        yield with_edns(f"CH {name} with EDNS", question(name, T.TXT, DnsClass.CH), _PLAIN)
        yield query(f"{name} TXT", question(name, T.TXT))
        yield query(f"HS {name} TXT", question(name, T.TXT, DnsClass.HS))
    for rdclass in (0, 2, 3, 4, 5, 254, 255, 65535):
        for name in ("host.example.", "nothing.example.", "nowhere.", "x.sub.example."):
            yield query(f"class {rdclass} {name}", question(name, T.A, rdclass))
    yield query("class 255 example. SOA", question("example.", T.SOA, DnsClass.ANY))
    yield query("class 255 host.example. TXT", question("host.example.", T.TXT, DnsClass.ANY))


def _types() -> Iterator[Query]:
    # Who may have a transfer is another matter (RFC 1995), and so is how: that of AXFR is TCP.
    for rdtype in (0, 3, 4, 24, 30, 41, 100, 103, 128, 249, 250, 252, 253, 254, 255, 32768, 65280, 65535):
        for name in (
            "example.",
            "host.example.",
            "nothing.example.",
            "nowhere.",
            "x.sub.example.",
            "sub.example.",
        ):
            if (rdtype, name) != (T.ANY, "sub.example."):
                yield query(f"{name} TYPE{rdtype}", question(name, rdtype))
    yield with_edns("a type for messages with EDNS", question("example.", T.TSIG), _PLAIN)


def _malformed() -> Iterator[Query]:
    yield query("octets behind the question", question() + b"xyz")
    yield query("octets behind OPT", question() + _PLAIN + b"xyz", counts=(1, 0, 0, 1))
    yield query("a question that is cut", question()[:-2])
    yield query("a question that is not there", b"")
    for at in range(1, 4):
        counts = [1, 0, 0, 0]
        counts[at] = 1
        yield query("a record that is not there", question(), counts=(1, counts[1], counts[2], counts[3]))
    yield with_edns("OPT that is cut", question(), _PLAIN[:-2])
    yield with_edns("OPT without its data", question(), _PLAIN[:-2] + b"\0\5")
    yield with_edns("an option without its data", question(), opt(b"\0\3\0\5ab"))
    yield with_edns("an option without its length", question(), opt(b"\0\3\0"))
    yield query("a name that points at itself", b"\xc0\x0c\0\1\0\1")
    yield query("a name that comes back", b"\3www\xc0\x0c\0\1\0\1")
    yield query("a label of 64", b"\x40" + b"a" * 64 + b"\0\0\1\0\1")
    yield query("a name of 257", b"\1a" * 128 + b"\0\0\1\0\1")
    yield query("a name of 255", b"\1a" * 123 + b"\7example\0\0\1\0\1")
