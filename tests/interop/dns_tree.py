"""A tree of name servers on loopback: a root, a top-level domain and zones below, served by named, knotd and
nsd at addresses of their own, all at one port.

    with dns_tree(folder) as tree:
        tree.port, tree.hints          # for netkit's --root-hints; `tree.bind_dig(...)` runs BIND's dig in it

    .                 named at 127.0.0.1; signed
    test.             knotd at 127.53.0.2 and .3; signed, with DS in the root
    example.test.     nsd at 127.53.0.4 and .5; signed, with DS in test.
    other.            nsd at 127.53.0.6; not signed, as is everything else
    far.test.         nsd; its name server ns.hosting.other. has no glue in test.
    lame.test.        delegated to knotd, which does not have it, and to nsd, which does
    nobody.test.      delegated to knotd alone, which does not have it
    glue.test.        the glue in test. is not what the zone itself says
    bogus.test.       a DS record in test., and a zone that is not signed
    dead.test.        its name server is an address where nobody answers

Some names in test. are aliases into other zones, by CNAME and DNAME records.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, QueryOptions, Question, ask
from netkit.io import run
from tests.conftest import absent, free_port, require_peer
from tests.waiting import until

from .name_servers import end, knotd, named, nsd

#: named listens at the addresses that an interface has, and loopback has but this one; the others bind any.
ROOT = "127.0.0.1"
TEST1, TEST2, EXAMPLE1, EXAMPLE2, OTHER = (f"127.53.0.{number}" for number in range(2, 7))
#: Where a socket takes what comes, and nobody answers.
SILENT = "127.53.0.7"

_SOA = "@ SOA {0} admin.{0} 2026112601 3600 600 86400 60\n"


def _zone(origin: str, server: str, *records: str) -> str:
    lines = [f"$ORIGIN {origin}", "$TTL 300", _SOA.format(server).strip(), f"@ NS {server}", *records]
    return "\n".join([*lines, ""])


#: The zones, by name. The DS records of those that are signed are added.
ZONES = {
    ".": _zone(
        ".",
        "ns.root-servers.",
        f"ns.root-servers. A {ROOT}",
        "test. NS ns1.test.",
        "test. NS ns2.test.",
        f"ns1.test. A {TEST1}",
        f"ns2.test. A {TEST2}",
        "other. NS ns.other.",
        f"ns.other. A {OTHER}",
    ),
    "test.": _zone(
        "test.",
        "ns1",
        "@ NS ns2",
        f"ns1 A {TEST1}",
        f"ns2 A {TEST2}",
        "example NS ns1.example",
        "example NS ns2.example",
        f"ns1.example A {EXAMPLE1}",
        f"ns2.example A {EXAMPLE2}",
        "far NS ns.hosting.other.",
        "lame NS ns1",
        "lame NS ns.lame",
        f"ns.lame A {EXAMPLE1}",
        "nobody NS ns1",
        "glue NS ns.glue",
        f"ns.glue A {EXAMPLE1}",
        "bogus NS ns.bogus",
        f"ns.bogus A {EXAMPLE2}",
        "bogus DS 12345 13 2 " + "ab" * 32,
        "dead NS ns.dead",
        f"ns.dead A {SILENT}",
        "here A 192.0.2.10",
        "a.b.empty A 192.0.2.11",
        "alias CNAME www.example",
        "away CNAME www.far",
        "circle CNAME www.loop.example",
        "tree DNAME example",
    ),
    "example.test.": _zone(
        "example.test.",
        "ns1",
        "@ NS ns2",
        f"ns1 A {EXAMPLE1}",
        f"ns2 A {EXAMPLE2}",
        "www A 192.0.2.1",
        "www AAAA 2001:db8::1",
        "*.wild TXT wild",
        "www.loop CNAME circle.test.",
        *[f"big TXT {letter * 200}" for letter in "abcdefghij"],
    ),
    "other.": _zone("other.", "ns", f"ns A {OTHER}", f"ns.hosting A {OTHER}"),
    "far.test.": _zone("far.test.", "ns.hosting.other.", "www A 192.0.2.3"),
    "lame.test.": _zone("lame.test.", "ns1.test.", "@ NS ns", f"ns A {EXAMPLE1}", "www A 192.0.2.4"),
    "glue.test.": _zone("glue.test.", "ns", f"ns A {EXAMPLE2}", "www A 192.0.2.5"),
    "bogus.test.": _zone("bogus.test.", "ns", f"ns A {EXAMPLE2}", "www A 192.0.2.6"),
}
#: Those that are signed, from below.
SIGNED = ("example.test.", "test.", ".")
#: The names of the servers, for a client that asks the system for their addresses.
HOSTS = {
    "ns.root-servers": ROOT,
    "ns1.test": TEST1,
    "ns2.test": TEST2,
    "ns1.example.test": EXAMPLE1,
    "ns2.example.test": EXAMPLE2,
    "ns.other": OTHER,
    "ns.hosting.other": OTHER,
    "ns.lame.test": EXAMPLE1,
    "ns.glue.test": EXAMPLE1,
    "ns.bogus.test": EXAMPLE2,
    "ns.dead.test": SILENT,
}


class Tree:
    """The running tree: its port, and files to begin with."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.hints = self.write_hints("root.hints", {"ns.root-servers.": ROOT})

    def write_hints(self, name: str, servers: Mapping[str, str]) -> Path:
        """A hints file with these servers of the root, and the port of every server of the tree."""
        lines = [
            f". 3600000 NS {server}\n{server} 3600000 A {address}" for server, address in servers.items()
        ]
        lines += [f"{host}. 3600000 A {address}" for host, address in HOSTS.items()]
        text = "\n".join(
            f"{line}  ; port {self.port}" if " A " in line else line
            for each in lines
            for line in each.split("\n")
        )
        path = self.folder / name
        path.write_text(f"{text}\n")
        return path

    def server(self, address: str) -> SocketAddr:
        """A server of the tree."""
        return SocketAddr.new(address, self.port)

    def bind_dig(self, *words: str, server: str = ROOT) -> str:
        """What BIND's dig writes, of which `server` is asked first.

        It asks the system for the addresses of name servers: the names are in a hosts file that only this dig
        sees. Skips the test where no mount namespace can be made.
        """
        hosts = self.folder / "hosts"
        hosts.write_text("".join(f"{address} {name}\n" for name, address in HOSTS.items()))
        command = [require_peer("dig"), "-r", "-p", str(self.port), f"@{server}", *words]
        script = f'mount --bind "{hosts}" /etc/hosts || exit 99; exec "$@"'
        argv = [require_peer("unshare"), "-r", "-m", "sh", "-c", script, "sh", *command]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if ran.returncode == 99 or "unshare" in ran.stderr:
            absent(f"no mount namespace can be made ({ran.stderr.strip()})", "NETKIT_REQUIRE_PEERS")
        return ran.stdout


@contextmanager
def dns_tree(folder: Path, zones: Mapping[str, str] = ZONES) -> Iterator[Tree]:
    """Start the servers, and wait until each has its zones."""
    port = free_port(ROOT)
    _write_zones(folder, zones)
    below = [name for name in zones if name not in (".", "test.")]
    commands = {
        ROOT: _named(folder, port, ["."], [ROOT]),
        TEST1: _knotd(folder, port, ["test."], [TEST1, TEST2]),
        EXAMPLE1: _nsd(folder, port, below, [EXAMPLE1, EXAMPLE2, OTHER]),
    }
    with ExitStack() as stack:
        silent = stack.enter_context(socket(AF_INET, SOCK_DGRAM))
        silent.bind((SILENT, port))
        started = {}
        for address, command in commands.items():
            log = stack.enter_context((folder / f"{address}.log").open("wb"))
            process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            stack.callback(end, process)
            started[address] = process
        for address, process in started.items():
            served = {ROOT: ["."], TEST1: ["test."]}.get(address, below)
            ready = partial(_serves, SocketAddr.new(address, port), process, served)
            until(ready, f"the zones at {address}")
        yield Tree(folder, port)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """The tree, for all tests of a session."""
    with dns_tree(tmp_path_factory.mktemp("tree")) as made:
        yield made


def _serves(server: SocketAddr, process: subprocess.Popen[bytes], zones: Iterable[str]) -> bool:
    assert process.poll() is None, f"the server at {server} has ended"
    options = QueryOptions(timeout=1.0, tries=1, rd=False)
    try:
        return all(run(ask(Question(zone, 6), [server], options)).message.authoritative for zone in zones)
    except DnsError:
        return False


def _write_zones(folder: Path, zones: Mapping[str, str]) -> None:
    """Write the zones, those that are signed with their signatures."""
    for name, text in zones.items():
        (folder / _file(name)).write_text(text)
    keygen, signzone = require_peer("dnssec-keygen"), require_peer("dnssec-signzone")
    for name in [each for each in SIGNED if each in zones]:
        key = _run([keygen, "-q", "-a", "13", "-f", "KSK", name], folder).strip()
        file = folder / _file(name)
        with file.open("a") as appended:
            for below in folder.glob("dsset-*"):
                if below.name.removeprefix("dsset-").endswith(name) or name == ".":
                    appended.write(below.read_text())
                    below.unlink()
            appended.write((folder / f"{key}.key").read_text())
        # One key for all, and no signature beside the ones that are needed: it need not be a key of two.
        argv = [signzone, "-q", "-z", "-S", "-K", str(folder), "-o", name, "-f", f"{file}.signed", str(file)]
        _run(argv, folder)
        Path(f"{file}.signed").rename(file)


def _run(argv: list[str], folder: Path) -> str:
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout


def _file(name: str) -> str:
    return f"{name.rstrip('.') or 'root'}.zone"


def _named(folder: Path, port: int, zones: Iterable[str], addresses: Iterable[str]) -> list[str]:
    listed = "".join(f'zone "{name}" {{ type primary; file "{folder}/{_file(name)}"; }};\n' for name in zones)
    listen = f"listen-on port {port} {{ {' '.join(f'{each};' for each in addresses)} }};"
    return named(folder, listen, "allow-query { any; }; check-integrity no;", listed)


def _knotd(folder: Path, port: int, zones: Iterable[str], addresses: Iterable[str]) -> list[str]:
    listed = "".join(f'  - domain: "{name}"\n    file: {folder}/{_file(name)}\n' for name in zones)
    return knotd(folder, [f"{each}@{port}" for each in addresses], "", f"zone:\n{listed}")


def _nsd(folder: Path, port: int, zones: Iterable[str], addresses: Iterable[str]) -> list[str]:
    listed = "".join(f'zone:\n  name: "{name}"\n  zonefile: "{folder}/{_file(name)}"\n' for name in zones)
    return nsd(folder, [f"{each}@{port}" for each in addresses], "", listed)
