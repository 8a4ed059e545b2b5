"""Zone files: `parse_zone` makes a `Zone` from a master file (RFC 1035 section 5).

`netkit.dns.zones.masterfile` reads the lines, the record types read their data, and `netkit.dns.zones.zone`
checks the zone. Every error is a ZoneFileError with the place in the file, and the first in the file's order.

Most lines of a large zone are plain, so that the Rust twin of `read_plain_lines` makes records of runs of
them at once. It takes only what it knows to be right, and stops before any other line, which is then read
as where there is no twin: what a line means, and what is wrong with it, is said in Python alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit import _twins
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.records.base import record_from_line
from netkit.dns.tokens import Place
from netkit.dns.zones.builder import ZoneBuilder
from netkit.dns.zones.generate import MAX_GENERATED
from netkit.dns.zones.masterfile import MasterReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from netkit.dns.records.base import DnsRecord
    from netkit.dns.tokens import Source
    from netkit.dns.zones.masterfile import Include
    from netkit.dns.zones.zone import Zone

    # Records that follow one another, the text that they are in, and the offset of each there.
    _Run: TypeAlias = tuple[list[DnsRecord], Source, list[int]]
    #: Records, the offset of each in the text, and the state behind them: the offset of the next line, the
    #: last owner, and the last TTL written.
    PlainLines: TypeAlias = tuple[list[DnsRecord], list[int], int, Name | None, int | None]


def parse_zone(
    text: str | bytes,
    origin: Name | str | None = None,
    *,
    file: str = "<zone>",
    ttl: int | None = None,
    include: Include | None = None,
    max_generated: int = MAX_GENERATED,
) -> Zone:
    """Make a zone from a master file.

    `origin` is the zone's name. Without `origin`, the owner of the SOA record is the zone's name, and names
    are relative only to `$ORIGIN`. `file` is the file name for errors. `ttl`, in seconds, is the TTL of
    records before the first TTL in the file. `include` returns the content of an `$INCLUDE` file by its path,
    which begins with the folder of `file` if it is relative (`netkit.dns.zones.zonefolder` reads such files);
    without it an include is an error. `max_generated` limits the records that `$GENERATE` makes. Bytes are
    read as UTF-8; strings keep octets that are not UTF-8.

    Raises ZoneFileError, also if the records do not make a zone: no SOA or several at the top, a record
    outside the zone, a CNAME beside other data, two classes, a record that no message can carry.
    """
    origin = Name.of(origin) if origin is not None else None
    reader = MasterReader(origin, ttl, include, max_generated)
    reader.open(text, file)
    builder = None if origin is None else ZoneBuilder(origin)
    waiting: list[_Run] = []  # for the zone's name
    for run in _runs(reader):
        if builder is None:
            waiting.append(run)
            soa = next((each for each in run[0] if each.rdtype == DnsRecordType.SOA), None)
            if soa is not None:
                builder = ZoneBuilder(soa.name)
                for each in waiting:
                    _add(builder, each)
        else:
            _add(builder, run)
    if builder is None:
        raise reader.at_end("no SOA record: a zone has one, for its own name")
    try:
        return builder.finish()
    except DnsError.InvalidValue as error:
        raise reader.at_end(error.reason) from None


def _add(builder: ZoneBuilder, run: _Run) -> None:
    records, source, offsets = run
    add = builder.add
    record = records[0]
    try:
        for record in records:
            add(record)
    except DnsError.InvalidValue as error:
        offset = next(offset for each, offset in zip(records, offsets, strict=True) if each is record)
        raise Place(source, offset).error(error.reason, hint=error.hint) from None


def _runs(reader: MasterReader) -> Iterator[_Run]:
    """The records of a file."""
    while True:
        source = reader.source
        if source is not None and reader.rdclass == DnsClass.IN and not reader.is_making:
            origin = reader.origin
            records, offsets, at, owner, last_ttl = read_plain_lines(
                source.octets,
                reader.at,
                None if origin is None or not origin.is_absolute else origin,
                reader.owner,
                reader.default_ttl,
                reader.last_ttl,
            )
            if records:
                reader.took(at, owner, last_ttl)
                yield records, source, offsets
        line = reader.next_line()
        if line is None:
            return
        record = record_from_line(line)
        yield [record], line.place.source, [line.place.offset]


def _read_plain_lines(
    text: bytes,  # noqa: ARG001
    at: int,
    origin: Name | None,  # noqa: ARG001
    owner: Name | None,
    default_ttl: int | None,  # noqa: ARG001
    last_ttl: int | None,
) -> PlainLines:
    """Read the plain lines from an offset on; here none, because the general way reads them all.

    Args:
        text: the file, with something that no plain line has in place of each character beyond ASCII.
        at: where a line begins.
        origin: what completes relative names; None if lines with such are not to be read.
        owner: the owner of a line that begins with a blank, if there is one.
        default_ttl: that of `$TTL`.
        last_ttl: the TTL that was written last.

    Returns:
        The records in their order, and the state behind them. Some lines may be left that are plain.
    """
    return [], [], at, owner, last_ttl


read_plain_lines = _twins.choose("read_plain_lines", _read_plain_lines)
