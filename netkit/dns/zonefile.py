"""Zone files: `parse_zone`, which makes a `Zone` of a master file (RFC 1035 section 5).

`netkit.dns.masterfile` reads the lines, the types of records read their data, `netkit.dns.zone` refuses what
makes no zone; every error is a ZoneFileError, which says where in the file.
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
    """The zone that a master file describes.

    `origin` is the zone's name; without it, it is what the SOA record belongs to, and names are relative
    to `$ORIGIN` only. `file` is what errors call the text. `ttl`, in seconds, is for records before any
    TTL is said. `opener` turns the name in an `$INCLUDE` into text; without one there are no includes.
    Bytes are read as UTF-8; what is not UTF-8 is kept as it is in strings.

    Raises ZoneFileError, also for what makes no zone: not one SOA at its top, a record outside, a CNAME
    beside other data, two classes.
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
