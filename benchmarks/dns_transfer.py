"""AXFR of `netkit serve dns` beside nsd and knotd: how much processor time a transfer takes the server.

The zone is that of `dns_zone.py`: 200,000 records of a registry and a hosting company, with and without
compressible names. The client reads and throws away. All are measured in every round, one after the other;
what counts is the time that the server itself took (user and system). With --before, the netkit of another
checkout is measured in the same rounds.

    python benchmarks/dns_transfer.py [--before CHECKOUT] [--rounds N]
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from dns_server import processor_time, running, servers
from dns_zone import ORIGIN, RECORDS, lines

from netkit.dns.transfers.query import make_transfer_query, transfer_question

ROUNDS = 3
#: So many transfers after the first are measured together: the system counts in hundredths of a second.
LATER = 10
#: What `dns_server.py` configures.
ZONE = "load.test."


class Transfer(NamedTuple):
    """What a transfer had, and how many seconds of the server's processor time it took: the first one since
    the server was started, and each later one."""

    messages: int
    octets: int
    first: float
    later: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, help="another checkout of netkit, with its .venv")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    found: dict[str, list[Transfer]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        zone = folder / "load.zone"
        text = "\n".join([*lines(RECORDS), "n1 A 192.0.2.1"]) + "\n"
        zone.write_text(text.replace(ORIGIN, ZONE))
        for _ in range(given.rounds):
            for subject in servers(given.before):
                with running(subject, folder, zone) as (port, process):
                    found.setdefault(subject.name, []).append(measure(port, process))
    print(
        f"a zone of {RECORDS:,} records by AXFR, seconds of the server's processor time, medians of "
        f"{given.rounds} alternating rounds, Python {sys.version.split()[0]}"
    )
    ours = found["netkit"]
    for name, transfers in found.items():
        first, later = median(each.first for each in transfers), median(each.later for each in transfers)
        print(
            f"{name:<16}first {first:6.3f} s {first / median(each.first for each in ours):6.2f} x"
            f"   later {later:6.3f} s {later / median(each.later for each in ours):6.2f} x"
            f"   {transfers[0].messages:5} messages, {transfers[0].octets:,} octets"
        )


def measure(port: int, process: int) -> Transfer:
    """The first transfer and later ones, and what they took."""
    begin = processor_time(process)
    messages, octets = transfer(port)
    then = processor_time(process)
    for _ in range(LATER):
        transfer(port)
    end = processor_time(process)
    return Transfer(messages, octets, then - begin, (end - then) / LATER)


def transfer(port: int) -> tuple[int, int]:
    """Transfer the zone; how many messages and octets came."""
    query = make_transfer_query(transfer_question(ZONE, None), 7).to_wire()
    messages = octets = 0
    with socket.create_connection(("127.0.0.1", port)) as stream, stream.makefile("rb") as reader:
        stream.sendall(len(query).to_bytes(2, "big") + query)
        # The SOA record is behind the header and the question, and once more at the end.
        soa = b""
        while True:
            message = reader.read(int.from_bytes(reader.read(2), "big"))
            if message[3:4] != b"\0":
                sys.exit("benchmarks/dns_transfer.py: a transfer is refused, or broke")
            messages, octets = messages + 1, octets + len(message)
            if not soa:
                soa = message[len(query) :].partition(b"hostmaster")[2][2 : 2 + 20]
            elif soa in message[-64:]:
                return messages, octets


if __name__ == "__main__":
    main()
