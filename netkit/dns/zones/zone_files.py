"""`ZoneFiles`: the zones of many files and folders, and what becomes of them when they are read again.

A server that reads its zones again must not lose one to a slip of the pen: a file that cannot be used leaves
the zone that was read from it before, and all others are the new ones. A new zone has no version before it,
so it is left out; and a file that is gone takes its zone with it only where it was found in a folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.zones.findings import zone_findings
from netkit.dns.zones.zonefolder import load_zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.constants import DnsClass
    from netkit.dns.name import Name
    from netkit.dns.zones.findings import ZoneFinding
    from netkit.dns.zones.zone import Zone

#: How the files of a folder end that are zones; others in it are not read.
SUFFIX = ".zone"


class ZoneSource(NamedTuple):
    """A zone file, or a folder of them (all `*.zone` that do not begin with a dot). `origin` is the name of
    the zone, where the file itself does not say it."""

    path: str
    origin: Name | None = None


class DuplicateZone(DnsError, ValueError):
    """Two files have the zone `name`: `file`, and `other`, which was read before."""

    fault = "local"
    stage = "local"

    def __init__(self, file: str, other: str, name: str) -> None:
        super().__init__()
        self.file = file
        self.other = other
        self.name = name

    def __str__(self) -> str:
        return f"{self.file}: the zone {self.name} is also that of {self.other}"


class Reading(NamedTuple):
    """What was read: the zones, what was wrong with files whose zones are still those from before, or are not
    there, and what is odd about zones that were read now."""

    zones: list[Zone]
    problems: list[DnsError | OSError]
    findings: list[ZoneFinding]


class ZoneFiles:
    """The zones of `sources`, as they were read last."""

    def __init__(self, sources: Iterable[ZoneSource]) -> None:
        self._sources = tuple(sources)
        self._zones: dict[str, Zone] = {}
        self._folders: dict[str, list[str]] = {}

    def read(self) -> Reading:
        """Read all of them. Raises OSError, ZoneFileError, DuplicateZone: the first that cannot be used."""
        reading = self.read_again()
        for problem in reading.problems:
            raise problem
        return reading

    def read_again(self) -> Reading:
        """Read all of them, and keep what was read before of those that cannot be used now."""
        problems: list[DnsError | OSError] = []
        findings: list[ZoneFinding] = []
        served = {(zone.origin, zone.rdclass): zone for zone in self._zones.values()}
        found: dict[str, Zone] = {}
        owners: dict[tuple[Name, DnsClass], str] = {}
        for file, origin in self._files(problems):
            if file in found:
                continue
            zone = kept = self._zones.get(file)
            try:
                zone = load_zone(file, origin)
            except (ZoneFileError, OSError) as error:
                problems.append(error)
            if zone is None:
                continue
            other = owners.setdefault((zone.origin, zone.rdclass), file)
            if other != file:
                problems.append(DuplicateZone(file, other, str(zone.origin)))
                continue
            found[file] = zone
            if zone is not kept:
                findings += zone_findings(file, zone, served.get((zone.origin, zone.rdclass)))
        self._zones = found
        return Reading(list(found.values()), problems, findings)

    def _files(self, problems: list[DnsError | OSError]) -> list[tuple[str, Name | None]]:
        """The files, those of folders in the order of their names."""
        files: list[tuple[str, Name | None]] = []
        for path, origin in self._sources:
            if not (os.path.isdir(path) or path in self._folders):
                files.append((path, origin))
                continue
            try:
                names = sorted(
                    name for name in os.listdir(path) if name.endswith(SUFFIX) and not name.startswith(".")
                )
                if not names:
                    raise FileNotFoundError(None, f"no file of this folder ends in {SUFFIX}", path)
                self._folders[path] = [os.path.join(path, name) for name in names]
            except OSError as error:
                problems.append(error)
            files += [(file, origin) for file in self._folders.get(path, ())]
        return files
