"""Reading a zone file: netkit, both twins, beside dnspython, named-checkzone and kzonecheck.

The zone has 200,000 records, written as a registry and a hosting company write them: delegations with glue,
hosts of both families, aliases, mail, text, and reverse names; a tenth of the lines are none that the Rust
twin reads (units in the TTL, parentheses, escapes). Python's readers are measured in records a second of CPU
time, each in a process of its own, because what one leaves in memory slows the next. The two programs are
given for scale in seconds by the wall clock: both check more than they read, and are written in C.

    python benchmarks/dns_zone.py [RECORDS [ROUNDS]]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

RECORDS = 200_000
ROUNDS = 3
ORIGIN = "bench.test."


def lines(records: int) -> Iterator[str]:
    yield f"$ORIGIN {ORIGIN}"
    yield "$TTL 3600"
    yield "@ IN SOA ns1 hostmaster ( 2026112601 ; serial"
    yield "    1d 2h 4w 5m )"
    yield "@ NS ns1"
    yield "ns1 A 192.0.2.1"
    for number in range((records - 3) // 20):
        low, high = number & 0xFF, number >> 8 & 0xFF
        yield f"d{number} NS ns1.d{number}"
        yield "  NS ns2.example.net."
        yield f"ns1.d{number} A 192.0.{high}.{low}"
        yield f"ns1.d{number} AAAA 2001:db8::{number:x}"
        yield f"host{number} 300 IN A 10.1.{high}.{low}"
        yield f"host{number} 300 IN AAAA 2001:db8:1::{number:x}"
        yield f"www.host{number} IN CNAME host{number}"
        yield f"www2.host{number} 60 CNAME host{number}.{ORIGIN}"
        yield f"host{number} MX 10 mail{number % 7} ; the nearest"
        yield "    MX 20 mail.example.net."
        yield f'host{number} TXT "v=spf1 a mx -all"'
        yield f'_dmarc.host{number} TXT "v=DMARC1; p=reject; rua=mailto:d{number}@example.net"'
        yield f"_sip._udp.host{number} SRV 10 60 5060 host{number}"
        yield f"{low}.{high}.1.10.in-addr PTR host{number}"
        yield f"a{number} A 10.2.{high}.{low}"
        yield f"a{number} A 10.3.{high}.{low}"
        yield f"b{number} IN 86400 A 10.4.{high}.{low}"
        yield f"c{number}.deep.down A 10.5.{high}.{low}"
        yield f"e{number} 1h A 10.6.{high}.{low}"
        yield f"f{number} TXT ( semi\\;colon\n    second )"


def netkit_reads(text: str) -> int:
    from netkit.dns.zones.zonefile import parse_zone

    return sum(map(len, parse_zone(text, ORIGIN).rrsets.values()))


def dnspython_reads(text: str) -> int:
    import dns.zone

    zone = dns.zone.from_text(text, ORIGIN, relativize=False)
    return sum(1 for _ in zone.iterate_rdatas())


READERS = {"netkit": netkit_reads, "dnspython": dnspython_reads}


def measure(reader: str, path: str) -> None:
    """Print the records that are read, and the seconds it takes."""
    text = Path(path).read_text()
    READERS[reader]("@ 1 SOA a b 1 2 3 4 5\n@ 1 NS a\na 1 A 192.0.2.1\n")  # what is loaded when first met
    start = process_time()
    found = READERS[reader](text)
    print(found, process_time() - start)


def rate(reader: str, path: str, pure: bool) -> tuple[int, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--measure", reader, path],
        env={**os.environ, "NETKIT_PURE": str(int(pure))},
        capture_output=True,
        text=True,
        check=True,
    )
    records, seconds = done.stdout.split()
    return int(records), int(records) / float(seconds)


def main(records: int = RECORDS, rounds: int = ROUNDS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/zone"
        Path(path).write_text("\n".join(lines(records)) + "\n")
        readers = {"netkit, Rust": ("netkit", False), "netkit, Python": ("netkit", True)}
        readers["dnspython"] = "dnspython", False
        found: dict[str, list[tuple[int, float]]] = {title: [] for title in readers}
        for _ in range(rounds):
            for title, (reader, pure) in readers.items():
                found[title].append(rate(reader, path, pure))
        theirs = [rate for _, rate in found["dnspython"]]
        for title, each in found.items():
            ratio = median(mine / other for (_, mine), other in zip(each, theirs, strict=True))
            middle = median(rate for _, rate in each)
            print(f"{title:16} {each[0][0]:8} records {middle:10,.0f} a second {ratio:6.1f} times dnspython")
        for program in ("named-checkzone", "kzonecheck"):
            if shutil.which(program) is None:
                print(f"{program:16} is not installed")
                continue
            # Without the checks for which BIND asks other name servers.
            options = ["-i", "none", ORIGIN] if program == "named-checkzone" else ["-o", ORIGIN]
            command = [program, *options, path]
            seconds = []
            for _ in range(rounds):
                start = perf_counter()
                done = subprocess.run(command, capture_output=True, check=False)
                seconds.append(perf_counter() - start)
            print(f"{program:16} {median(seconds):6.2f} s by the wall clock, status {done.returncode}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
