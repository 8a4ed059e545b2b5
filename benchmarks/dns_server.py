"""`netkit serve dns` beside nsd and knotd: responses over UDP for a second of processor time, on one core.

The client (`dns_load.c`, compiled here) has another core, where there are two, and keeps the server busy. All
are measured in every round, one after the other. What counts is the time that the server itself took of its
core (user and system), so that another program on the machine changes little. Three loads: a thousand names
again and again, names that are there and are each asked once, and names that are not there, each asked once.
With --before, the netkit of another checkout is measured in the same rounds.

    python benchmarks/dns_server.py [--before CHECKOUT] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import NamedTuple

from netkit.addr import SocketAddr
from netkit.dns import DnsError, QueryOptions, Resolver
from netkit.dns.messages.message import make_query

ROUNDS = 3
SECONDS = 1.5
WINDOW = 64
NAMES = 200_000
HERE = Path(__file__).parent
ROOT = HERE.parent
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class Subject(NamedTuple):
    """A server: how it is started at a port, in a folder, with a zone file."""

    name: str
    command: Callable[[Path, Path, int], list[str]]
    checkout: Path | None = None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, help="another checkout of netkit, with its .venv")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    subjects = list(servers(given.before))
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        load, zone, queries = compile_load(folder), zone_in(folder), loads()
        for _ in range(given.rounds):
            for subject in subjects:
                with running(subject, folder, zone) as (port, process):
                    for label, octets in queries.items():
                        rate = measure(load, port, octets, process)
                        rates.setdefault((subject.name, label), []).append(rate)
    print(
        f"responses over UDP for a second of processor time, medians of {given.rounds} alternating rounds, "
        f"{WINDOW} queries on their way, a zone of {NAMES:,} names, Python {sys.version.split()[0]}"
    )
    unit = "netkit"
    print(f"{'':<16}" + "".join(f"{label:>18}{'':>9}" for label in loads()))
    for subject in subjects:
        line = f"{subject.name:<16}"
        for label in queries:
            rate = median(rates[subject.name, label])
            line += f"{rate:>18,.0f} {rate / median(rates[unit, label]):6.2f} x"
        print(line)


def servers(before: Path | None) -> Iterator[Subject]:
    """What is measured."""

    def netkit(checkout: Path) -> Callable[[Path, Path, int], list[str]]:
        python = checkout / ".venv" / "bin" / "python"
        program = str(python) if python.exists() else sys.executable
        return lambda _folder, zone, port: [
            *(program, "-m", "netkit", "serve", "dns", "--zone", str(zone), f"127.0.0.1:{port}")
        ]

    yield Subject("netkit", netkit(ROOT), ROOT)
    if before is not None:
        yield Subject("netkit before", netkit(before), before)
    if nsd := shutil.which("nsd", path=PATH):
        yield Subject("nsd", lambda folder, zone, port: nsd_command(nsd, folder, zone, port))
    if knotd := shutil.which("knotd", path=PATH):
        yield Subject("knotd", lambda folder, zone, port: knotd_command(knotd, folder, zone, port))


def nsd_command(program: str, folder: Path, zone: Path, port: int) -> list[str]:
    """nsd with one process that serves."""
    config = folder / "nsd.conf"
    config.write_text(
        f"""\
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: load.test
  zonefile: "{zone}"
  provide-xfr: 127.0.0.1 NOKEY
"""
    )
    return [program, "-d", "-c", str(config)]


def knotd_command(program: str, folder: Path, zone: Path, port: int) -> list[str]:
    """knotd with one thread for UDP."""
    config = folder / "knot.conf"
    config.write_text(
        f"""\
server:
  listen: 127.0.0.1@{port}
  rundir: {folder}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {folder}
acl:
  - id: here
    address: 127.0.0.1
    action: transfer
template:
  - id: default
    storage: {folder}
    acl: here
zone:
  - domain: load.test
    file: {zone}
"""
    )
    return [program, "-c", str(config)]


def zone_in(folder: Path) -> Path:
    """The zone of all servers."""
    path = folder / "load.zone"
    with path.open("w") as file:
        file.write("$ORIGIN load.test.\n$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n")
        file.writelines(f"n{number} A 192.0.2.{number % 254 + 1}\n" for number in range(NAMES))
    return path


def loads() -> dict[str, bytes]:
    """The queries of each load, with two octets of length before each."""

    def of(names: Iterator[str]) -> bytes:
        wires = (make_query(f"{name}.load.test.", 1, id=0, rd=False).to_wire() for name in names)
        return b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires)

    return {
        "the same names": of(f"n{number}" for number in range(1000)),
        "each name once": of(f"n{number}" for number in range(NAMES)),
        "no such names": of(f"x{number}" for number in range(NAMES)),
    }


def compile_load(folder: Path) -> str:
    """The client, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("benchmarks/dns_server.py: a C compiler is needed for its client (dns_load.c)")
    made = str(folder / "dns_load")
    subprocess.run([compiler, "-O2", "-o", made, str(HERE / "dns_load.c")], check=True)
    return made


@contextmanager
def running(subject: Subject, folder: Path, zone: Path) -> Iterator[tuple[int, int]]:
    """The server on the first core; its port and its process, once it answers for the zone."""
    port = free_port()
    command = [*pinned(0), *subject.command(folder, zone, port)]
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=silent, stderr=silent, cwd=subject.checkout)
    try:
        until, options = monotonic() + 60, QueryOptions(timeout=0.2, tries=1)
        with Resolver([SocketAddr.new("127.0.0.1", port)], options=options) as asking:
            while True:
                try:
                    asking.lookup_a("n1.load.test")
                    break
                except DnsError:
                    if process.poll() is not None or monotonic() > until:
                        sys.exit(f"benchmarks/dns_server.py: {subject.name} does not answer")
                    sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


def measure(load: str, port: int, queries: bytes, process: int) -> float:
    """Responses for a second of the server's processor time."""
    command = [*pinned(1), load, str(port), str(WINDOW), str(SECONDS)]
    before = processor_time(process)
    done = subprocess.run(command, input=queries, capture_output=True, check=True)
    return int(done.stdout.split()[1]) / (processor_time(process) - before)


def processor_time(process: int) -> float:
    """How many seconds of processor time a process and all that it has started have taken so far."""
    taken: dict[int, tuple[int, int]] = {}  # the parent, and the ticks
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        taken[int(path.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    ticks = 0
    for each, (_, own) in taken.items():
        while each in taken and each != process:
            each = taken[each][0]
        ticks += own if each == process else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def pinned(place: int) -> list[str]:
    """What keeps a command on one of the cores that this process may use, where there are several."""
    cores, taskset = sorted(os.sched_getaffinity(0)), shutil.which("taskset")
    return [] if taskset is None or len(cores) < 2 else [taskset, "-c", str(cores[place])]


def free_port() -> int:
    """A port that nobody has over UDP and TCP."""
    from netkit.net.same_port import bind_same_port

    listener, sock = bind_same_port("127.0.0.1:0")
    with listener, sock:
        return sock.local_addr.port


if __name__ == "__main__":
    main()
