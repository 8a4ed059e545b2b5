"""`netkit tls probe` over many local endpoints, beside a Go program and `xargs -P N openssl s_client`.

Every endpoint has a certificate and a key of its own (EC P-256), an intermediate between it and the root, and
is served by one process in Go, the same for all subjects. Each subject makes one full handshake with each
endpoint, TLS 1.3 and x25519, verifies the chain and the address, and writes what it found: netkit and the Go
program JSON, openssl its certificates. All have the same concurrency. The wall time is from the start of the
command to its end, in turns; the figures are medians, and CPU is that of the command and its children. netkit
is started as it is once installed, with its modules compiled.

The Go program (tls_probe.go) is crypto/tls in as few lines as it takes, in the place of tlsx, which is a
crypto/tls client too. --tlsx FILE measures tlsx itself where it is at hand.

    python benchmarks/tls_probe.py [--endpoints 200] [--concurrency 32] [--rounds 7] [--tlsx FILE]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from netkit.tls.throwaway import ThrowawayAuthority
from netkit.tls.throwaway.faults import Wanted

SOURCE = Path(__file__).with_suffix(".go")


class Subject(NamedTuple):
    """A command that probes the endpoints on its standard input; `mark` is once in what it writes of each."""

    name: str
    argv: list[str]
    mark: str


class Took(NamedTuple):
    """Seconds of one run."""

    wall: float
    cpu: float


def write_identities(folder: Path, count: int) -> Path:
    """A certificate with its chain and key for each endpoint; the file of the root."""
    authority = ThrowawayAuthority()
    for number in range(count):
        made = authority.present(Wanted(("127.0.0.1",), intermediates=1))
        pem = made.key.to_pem() + "".join(each.to_pem() for each in made.chain)
        (folder / f"{number}.pem").write_text(pem)
    root = folder / "root.pem"
    root.write_text(authority.certificate.to_pem())
    return root


@contextmanager
def serving(program: Path, folder: Path, count: int) -> Iterator[list[str]]:
    """The endpoints, each served."""
    argv = [str(program), "serve", str(folder), str(count)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in range(count)]
        finally:
            process.stdin.close()


def run(subject: Subject, endpoints: list[str], environment: dict[str, str]) -> Took:
    """Run it, and see that it has accepted every endpoint."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = perf_counter()
    done = subprocess.run(
        subject.argv,
        input="".join(f"{each}\n" for each in endpoints),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment,
    )
    wall = perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    count = done.stdout.count(subject.mark)
    if count != len(endpoints) or done.returncode:
        raise SystemExit(f"{subject.name}: {count} of {len(endpoints)} accepted: {done.stdout[-400:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall, cpu)


def subjects(program: Path, root: Path, concurrency: int, tlsx: str | None) -> list[Subject]:
    """Those that can be run here."""
    jobs = str(concurrency)
    argv = [sys.executable, "-m", "netkit", "tls", "probe", "--json", "--concurrency", jobs]
    found = [
        Subject("netkit tls probe", [*argv, "--ca", str(root), "-"], '"accepted": true, "days_left"'),
        Subject("Go, crypto/tls", [str(program), "probe", str(root), jobs], '"accepted":true'),
    ]
    if shutil.which("openssl") and shutil.which("xargs"):
        client = f"openssl s_client -connect $0 -CAfile {root} -verify_ip 127.0.0.1 -verify_return_error"
        shown = "-showcerts -groups x25519 -alpn h2,http/1.1 </dev/null 2>&1"
        argv = ["xargs", "-P", jobs, "-n", "1", "sh", "-c", f"exec {client} {shown}"]
        found.append(Subject("xargs openssl s_client", argv, "Verification: OK"))
    if tlsx:
        found.append(
            Subject(
                "tlsx",
                [tlsx, "-silent", "-json", "-ca", str(root), "-c", jobs, "-disable-update-check"],
                '"probe_status":true',
            )
        )
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tlsx", help="the program tlsx")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "tls_probe"
        subprocess.run(["go", "build", "-o", str(program), str(SOURCE)], check=True)
        root = write_identities(folder, asked.endpoints)
        these = subjects(program, root, asked.concurrency, asked.tlsx)
        took: dict[str, list[Took]] = {each.name: [] for each in these}
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with serving(program, folder, asked.endpoints) as endpoints:
            for each in these:
                run(each, endpoints, environment)  # so that everything is in the caches
            for number in range(asked.rounds):
                turn = number % len(these)
                for each in (*these[turn:], *these[:turn]):
                    took[each.name].append(run(each, endpoints, environment))
    cores = os.cpu_count()
    print(
        f"{asked.endpoints} endpoints, concurrency {asked.concurrency}, {asked.rounds} rounds, {cores} cores"
    )
    mine = took[these[0].name]
    for each in these:
        found = took[each.name]
        ratio = median(other.wall / own.wall for other, own in zip(found, mine, strict=True))
        wall, cpu = median(one.wall for one in found), median(one.cpu for one in found)
        least = min(one.wall for one in found)
        print(
            f"{each.name:24} {wall:6.2f} s wall (least {least:.2f}) {cpu:6.2f} s CPU {ratio:6.2f} of netkit's"
        )


if __name__ == "__main__":
    main()
