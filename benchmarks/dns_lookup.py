"""netkit's resolver beside others: addresses of distinct names from nsd, one at a time and 100 at once.

Every kind of resolver runs in a process of its own, on one core; nsd has the other. All kinds run in every
round, one after the other, so that what slows the machine slows them all. No name is asked twice, so that no
cache answers, though all that have one use it. What counts is the ratio of CPU per lookup to the first kind
of each group; wall time is beside it.

    python benchmarks/dns_lookup.py [sequential|many ...] [--rounds 5] [--count 20000]

The peers are those of the dependency group `bench` (`pip install --group bench`), and nsd (`make peers`); one
that is missing is said to be. getaddrinfo(3) is not among them: it asks the servers of /etc/resolv.conf.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep

AT_ONCE = 100
NAMES = 50_000

NSD = """
server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  pidfile: "{folder}/pid"
  logfile: "{folder}/log"
remote-control:
  control-enable: no
zone:
  name: bench.test
  zonefile: zone
"""


def name(number: int) -> str:
    return f"host-{number}.bench.test"


# netkit


def netkit_blocking(port: int, count: int) -> None:
    from netkit.dns import Resolver

    with Resolver([f"127.0.0.1:{port}"]) as resolver:
        for number in range(count):
            assert len(resolver.lookup_a(name(number))) == 1


def netkit_async(port: int, count: int) -> None:
    asyncio.run(_netkit_one_by_one(port, count))


def netkit_uvloop(port: int, count: int) -> None:
    import uvloop

    uvloop.run(_netkit_one_by_one(port, count))


async def _netkit_one_by_one(port: int, count: int) -> None:
    from netkit.dns import Resolver

    with Resolver([f"127.0.0.1:{port}"]) as resolver:
        for number in range(count):
            assert len(await resolver.lookup_a_async(name(number))) == 1


def netkit_gather(port: int, count: int) -> None:
    asyncio.run(_netkit_many(port, count))


def netkit_gather_uvloop(port: int, count: int) -> None:
    import uvloop

    uvloop.run(_netkit_many(port, count))


async def _netkit_many(port: int, count: int) -> None:
    from netkit.dns import Resolver

    with Resolver([f"127.0.0.1:{port}"]) as resolver:

        async def look_up(number: int) -> None:
            assert len(await resolver.lookup_a_async(name(number))) == 1

        await _at_once(look_up, count)


def netkit_resolve_many(port: int, count: int) -> None:
    from netkit.dns import Answer, Resolver

    with Resolver([f"127.0.0.1:{port}"]) as resolver:
        questions = ((name(number), 1) for number in range(count))
        for _, found in resolver.resolve_many(questions, concurrency=AT_ONCE):
            assert isinstance(found, Answer)
            assert len(found.records) == 1


async def _at_once(look_up: Callable[[int], Awaitable[None]], count: int) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await look_up(number)

    await asyncio.gather(*[work() for _ in range(AT_ONCE)])


# The peers


def dnspython(port: int, count: int) -> None:
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    resolver.cache = dns.resolver.LRUCache(4096)
    for number in range(count):
        assert len(resolver.resolve(name(number), "A")) == 1


def dnspython_async(port: int, count: int) -> None:
    import dns.asyncresolver

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port

    async def look_up(number: int) -> None:
        assert len(await resolver.resolve(name(number), "A")) == 1

    asyncio.run(_at_once(look_up, count))


def pycares(port: int, count: int) -> None:
    """Its sockets in a poll of our own: its event thread would cost two switches for each lookup."""
    import pycares

    poll = select.poll()

    def changed(fd: int, readable: bool, writable: bool) -> None:
        if readable or writable:
            poll.register(fd, (select.POLLIN if readable else 0) | (select.POLLOUT if writable else 0))
        else:
            poll.unregister(fd)

    channel = pycares.Channel(servers=["127.0.0.1"], udp_port=port, tcp_port=port, sock_state_cb=changed)
    found: list[int] = []

    def answered(result: object, error: int) -> None:
        assert not error, error
        found.append(len(result.answer))  # type: ignore[attr-defined]

    for number in range(count):
        channel.query(name(number), pycares.QUERY_TYPE_A, callback=answered)
        while len(found) <= number:
            for fd, _ in poll.poll(1000):
                channel.process_fd(fd, pycares.ARES_SOCKET_BAD)
    assert found == [1] * count


def aiodns(port: int, count: int) -> None:
    asyncio.run(_aiodns(port, count))


def aiodns_uvloop(port: int, count: int) -> None:
    import uvloop

    uvloop.run(_aiodns(port, count))


async def _aiodns(port: int, count: int) -> None:
    import aiodns

    resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=port, tcp_port=port)

    async def look_up(number: int) -> None:
        assert len((await resolver.query_dns(name(number), "A")).answer) == 1

    await _at_once(look_up, count)


def aiodns_one_by_one(port: int, count: int) -> None:
    async def main() -> None:
        import aiodns

        resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=port, tcp_port=port)
        for number in range(count):
            assert len((await resolver.query_dns(name(number), "A")).answer) == 1

    asyncio.run(main())


GROUPS: dict[str, list[Callable[[int, int], None]]] = {
    "sequential": [netkit_blocking, netkit_async, netkit_uvloop, pycares, aiodns_one_by_one, dnspython],
    "many": [
        netkit_gather,
        netkit_gather_uvloop,
        netkit_resolve_many,
        aiodns,
        aiodns_uvloop,
        dnspython_async,
    ],
}


@contextmanager
def nsd() -> Iterator[int]:
    """nsd with a zone of NAMES addresses, on a core of its own; its port."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        lines = [
            "$ORIGIN bench.test.",
            "$TTL 300",
            "@ SOA ns host 1 3600 600 86400 60",
            "@ NS ns",
            "ns A 127.0.0.1",
        ]
        lines += [f"host-{number} A 192.0.2.{number % 250 + 1}" for number in range(NAMES)]
        Path(folder, "zone").write_text("\n".join(lines) + "\n", encoding="ascii")
        config = Path(folder, "nsd.conf")
        config.write_text(NSD.format(port=port, folder=folder), encoding="ascii")
        program = shutil.which("nsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            sys.exit("nsd is not installed (make peers)")
        server = subprocess.Popen([*on_core(0), program, "-d", "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                if _answers(port):
                    break
                sleep(0.1)
            yield port
        finally:
            server.terminate()
            server.wait()


def _answers(port: int) -> bool:
    from netkit.dns import DnsError, Resolver

    try:
        with Resolver([f"127.0.0.1:{port}"], timeout=0.5, tries=1, cache_size=0) as resolver:
            resolver.lookup_a(name(0))
    except DnsError:
        return False
    return True


def on_core(core: int) -> list[str]:
    """The prefix of a command that is to run on that core."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        return []
    return ["taskset", "-c", str(core)]


def measure(kind: str, port: int, count: int) -> None:
    """In a process of its own: print lookups a second, and microseconds of CPU for each."""
    resolver = next(each for kinds in GROUPS.values() for each in kinds if each.__name__ == kind)
    resolver(port, AT_ONCE)  # imports
    before, began = _cpu(), monotonic()
    resolver(port, count)
    took = monotonic() - began
    print(count / took, (_cpu() - before) / count * 1e6)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("groups", nargs="*", default=list(GROUPS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000)
    options = parser.parse_args()
    with nsd() as port:
        for group in options.groups:
            found: dict[str, list[tuple[float, float]]] = {kind.__name__: [] for kind in GROUPS[group]}
            missing: dict[str, str] = {}
            for _ in range(options.rounds):
                for kind, measured in found.items():
                    command = [
                        sys.executable,
                        __file__,
                        "--one",
                        kind,
                        str(port),
                        str(min(options.count, NAMES)),
                    ]
                    done = subprocess.run(
                        [*on_core(1), *command], capture_output=True, text=True, check=False
                    )
                    if done.returncode:
                        missing[kind] = (done.stderr.strip().splitlines() or ["failed"])[-1]
                    else:
                        rate, spent = map(float, done.stdout.split())
                        measured.append((rate, spent))
            show(group, found, missing)


def show(group: str, found: dict[str, list[tuple[float, float]]], missing: dict[str, str]) -> None:
    ours = next(iter(found.values()))
    print(f"{group}:")
    for kind, rounds in found.items():
        if not rounds:
            print(f"  {kind:20} not measured: {missing.get(kind)}")
            continue
        ratio = median(spent for _, spent in rounds) / median(spent for _, spent in ours) if ours else 0.0
        rate, spent = (median(each[at] for each in rounds) for at in (0, 1))
        print(f"  {kind:20} {rate:8.0f}/s   CPU {spent:6.1f} us a lookup   {ratio:5.2f} x netkit's")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
