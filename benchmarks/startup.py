"""What a command costs before it does anything: `netkit --version` and `netkit dig --json`, in interpreters.

The unit is an interpreter that starts and ends, `python -c pass`, measured in the same rounds; the aims of
DESIGN.md section 8 are 6 of them for `--version`, and 10 for a lookup on loopback. BIND's dig, where it is
installed, asks the same server the same question. `tests/test_startup.py` keeps what these are made of.

    python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from netkit.dns.authority.server import DnsServer
from netkit.dns.zones.zonefile import parse_zone
from netkit.serve.connections import in_background

ROUNDS = 40

ZONE = """
$ORIGIN example.test.
$TTL 60
@     SOA  ns hostmaster 1 3600 600 86400 60
@     NS   ns
ns    A    127.0.0.1
www   A    192.0.2.1
"""


class Subject(NamedTuple):
    """A command line, and how many interpreters it may take, if that is a question."""

    name: str
    command: list[str]
    aim: float | None


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with dns_server() as port:
        subjects = list(commands(port))
        times = measure(subjects, rounds)
    unit = median(times[0])
    print(f"start-up: medians of {rounds} alternating rounds, Python {sys.version.split()[0]}")
    for subject, taken in zip(subjects, times, strict=True):
        ratio = median(taken) / unit
        line = f"{subject.name:<20} {median(taken) * 1000:7.1f} ms {ratio:6.1f} x"
        if subject.aim is not None:
            line += f"   aim {subject.aim:g} x: {'met' if ratio <= subject.aim else 'missed'}"
        print(line)


def commands(port: int) -> Iterator[Subject]:
    """What is measured; the first is the unit."""
    netkit = str(Path(sys.executable).with_name("netkit"))
    question = ["@127.0.0.1", "-p", str(port), "www.example.test", "A"]
    yield Subject("python -c pass", [sys.executable, "-c", "pass"], None)
    yield Subject("netkit --version", [netkit, "--version"], 6)
    yield Subject("netkit dig --json", [netkit, "dig", "--json", *question], 10)
    if dig := shutil.which("dig"):
        yield Subject("dig (BIND)", [dig, *question], None)


def measure(subjects: list[Subject], rounds: int) -> list[list[float]]:
    """Seconds of every run of every subject, in rounds, so that what slows the machine slows them all."""
    times: list[list[float]] = [[] for _ in subjects]
    # Byte code is cached by whoever runs first, as it is in an installation; that run is not counted.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for counted in [False, *[True] * rounds]:
        for subject, taken in zip(subjects, times, strict=True):
            begun = perf_counter()
            subprocess.run(subject.command, stdout=subprocess.DEVNULL, env=environment, check=True)
            if counted:
                taken.append(perf_counter() - begun)
    return times


@contextmanager
def dns_server() -> Iterator[int]:
    """The port of a server on loopback that has the zone above."""
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE)])
    with in_background(server.serve):
        yield server.local_addr.port


if __name__ == "__main__":
    main()
