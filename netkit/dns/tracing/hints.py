"""Root hints: where a walk begins. The root servers of IANA are built in; a file may name others.

A hints file is a master file (RFC 1035 section 5) with the NS records of the root and the addresses of these
servers, such as IANA's named.root. A comment after an address may give its port, so that other programs still
read the file:

    .                  3600000  NS  ns.root.test.
    ns.root.test.      3600000  A   127.0.0.1  ; port 5300
    ns.example.test.   3600000  A   127.0.0.3  ; port 5303

An address with a port is asked at this port wherever the walk meets it, also if it is no root server's:
referrals have no ports, and a tree of servers on one machine needs some.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import AddrParseError, IpAddr, parse_port
from netkit.dns.constants import DnsClass
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord, record_from_line
from netkit.dns.zones.masterfile import Line, MasterReader

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The most records of a hints file: IANA's has 39.
MAX_RECORDS = 10_000

_COMMENT = re.compile(r";\s*port\b[ \t=:]*([^\s;]*)\s*$", re.IGNORECASE)
_PORT_FORM = "a port is written behind the address, as in: ns.root.test. A 127.0.0.1 ; port 5300"


class HintServer(NamedTuple):
    """A server of the root, with its addresses."""

    name: Name
    addresses: tuple[IpAddr, ...]


class Hints(NamedTuple):
    """The servers of the root, and the ports of addresses that are not asked at the usual one."""

    servers: tuple[HintServer, ...]
    ports: Mapping[IpAddr, int] = {}


def parse_hints(text: str | bytes, *, file: str = "<hints>") -> Hints:
    """Read a hints file; see the module's docstring.

    Raises ZoneFileError: for text that is no master file, for NS records of another name than the root, for a
    port that is none, and where no root server has an address.
    """
    reader = MasterReader(Name.root, 0)
    reader.open(text, file)
    names: dict[Name, None] = {}
    addresses: dict[Name, list[IpAddr]] = {}
    ports: dict[IpAddr, int] = {}
    count = 0
    while (line := reader.next_line()) is not None:
        count += 1
        if count > MAX_RECORDS:
            raise line.place.error(f"more than {MAX_RECORDS} records: is this a hints file?")
        if line.rdclass != DnsClass.IN:
            raise line.place.error(f"the class is {line.rdclass}: hints are of class IN")
        record = record_from_line(line)
        if isinstance(record, DnsRecord.NS):
            if not record.name.is_root:
                raise line.place.error(f"the NS records of hints are those of the root, not of {record.name}")
            names[record.nameserver] = None
        elif isinstance(record, (DnsRecord.A, DnsRecord.AAAA)):
            of_name = addresses.setdefault(record.name, [])
            if record.address not in of_name:
                of_name.append(record.address)
            port = _port(line, reader)
            if port is not None and ports.setdefault(record.address, port) != port:
                raise line.place.error(f"two ports for {record.address}: {ports[record.address]} and {port}")
    if not names:
        raise reader.at_end("no NS record of the root: a line such as `. 3600000 NS ns.root.test.`")
    servers = tuple(HintServer(name, tuple(addresses.get(name, ()))) for name in names)
    if not any(server.addresses for server in servers):
        raise reader.at_end("no address of a root server: a line such as `ns.root.test. 3600000 A 127.0.0.1`")
    return Hints(servers, ports)


def _port(line: Line, reader: MasterReader) -> int | None:
    """The port in the comment at the end of a line with an address."""
    source = line.place.source
    end = reader.at if reader.source is source else len(source.text)
    found = _COMMENT.search(source.text[line.place.offset : end].rstrip())
    if found is None:
        return None
    try:
        port = parse_port(found[1], "udp")
    except AddrParseError as error:
        raise line.place.error(f"not a port: {found[1]!r}: {error.reason}", hint=_PORT_FORM) from None
    if not port:
        raise line.place.error("port 0 cannot be asked", hint=_PORT_FORM)
    return port


def _servers(*rows: tuple[str, str, str]) -> tuple[HintServer, ...]:
    return tuple(
        HintServer(Name.parse(f"{letter}.root-servers.net."), (IpAddr.parse(v4), IpAddr.parse(v6)))
        for letter, v4, v6 in rows
    )


#: The root servers as IANA lists them (https://www.iana.org/domains/root/servers).
ROOT_HINTS = Hints(
    _servers(
        ("a", "198.41.0.4", "2001:503:ba3e::2:30"),
        ("b", "170.247.170.2", "2801:1b8:10::b"),
        ("c", "192.33.4.12", "2001:500:2::c"),
        ("d", "199.7.91.13", "2001:500:2d::d"),
        ("e", "192.203.230.10", "2001:500:a8::e"),
        ("f", "192.5.5.241", "2001:500:2f::f"),
        ("g", "192.112.36.4", "2001:500:12::d0d"),
        ("h", "198.97.190.53", "2001:500:1::53"),
        ("i", "192.36.148.17", "2001:7fe::53"),
        ("j", "192.58.128.30", "2001:503:c27::2:30"),
        ("k", "193.0.14.129", "2001:7fd::1"),
        ("l", "199.7.83.42", "2001:500:9f::42"),
        ("m", "202.12.27.33", "2001:dc3::35"),
    )
)
