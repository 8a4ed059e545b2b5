"""Zone files: `parse_zone` makes a `Zone` from a master file (RFC 1035 section 5).

`netkit.dns.masterfile` reads the lines, the record types read their data, and `netkit.dns.zone` checks the
zone. Every error is a ZoneFileError with the place in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.masterfile import MasterReader
from netkit.dns.name import Name
from netkit.dns.records.base import record_from_line
from netkit.dns.text import decoded
from netkit.dns.zone import Zone, ZoneBuilder

if TYPE_CHECKING:
    from netkit.dns.masterfile import Opener


def parse_zone(
    text: str | bytes,
    origin: Name | str | None = None,
    *,
    file: str = "<zone>",
    ttl: int | None = None,
    opener: Opener | None = None,
) -> Zone:
    """Make a zone from a master file.

    `origin` is the zone's name. Without `origin`, the owner of the SOA record is the zone's name, and names
    are relative only to `$ORIGIN`. `file` is the file name for errors. `ttl`, in seconds, is the TTL of
    records before the first TTL in the file. `opener` returns the text of an `$INCLUDE` file by its name;
    without it an include is an error. Bytes are read as UTF-8; strings keep octets that are not UTF-8.

    Raises ZoneFileError, also if the records do not make a zone: no SOA or several at the top, a record
    outside the zone, a CNAME beside other data, two classes.
    """
    origin = Name.of(origin) if origin is not None else None
    reader = MasterReader(origin, ttl, opener)
    records = [(record_from_line(line), line.place) for line in reader.read(decoded(text), file)]
    apex = origin or next((each.name for each, _ in records if each.rdtype == DnsRecordType.SOA), None)
    if apex is None:
        raise reader.at_end("no SOA record: a zone has one, for its own name")
    builder = ZoneBuilder(apex)
    for record, place in records:
        try:
            builder.add(record)
        except DnsError.InvalidValue as error:
            raise place.error(error.reason, hint=error.hint) from None
    try:
        return builder.finish()
    except DnsError.InvalidValue as error:
        raise reader.at_end(error.reason) from None
