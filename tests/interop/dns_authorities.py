"""Name servers beside which netkit's own is held: named, nsd and knotd, with the same zones and settings.

    with authorities(folder, zones) as peers:
        for peer in peers:
            responses = peer.exchange(queries)

Each gets its queries over one socket, many at a time; what it leaves unanswered is None.
"""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple, TypeAlias

from tests.conftest import free_port
from tests.waiting import until

from .name_servers import end, knotd, named, nsd

#: What all of them say of themselves.
IDENTITY = "one.of.four"
VERSION = "a version"
#: How many queries wait for their responses at a time: sockets hold some hundred datagrams.
_WINDOW = 60

#: Writes the configuration of a server into its folder, for a port and for zones; returns its command line.
_Configure: TypeAlias = Callable[[Path, int, Sequence[str]], list[str]]


class Peer(NamedTuple):
    """A running name server, at a port of 127.0.0.1."""

    name: str
    port: int

    def exchange(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """Send queries over UDP and return the response to each, None where there is none.

        The queries have different IDs.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", self.port))
            sock.setblocking(False)
            got: dict[bytes, bytes] = {}
            for start in range(0, len(queries), _WINDOW):
                window = queries[start : start + _WINDOW]
                for _ in range(2):  # a datagram may be lost
                    _ask(sock, [wire for wire in window if wire[:2] not in got], got)
        return [got.get(wire[:2]) for wire in queries]

    def exchange_over_tcp(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """The same over TCP, over a connection for each query: a server may end one that it does not like."""
        return [self._over_tcp(wire) for wire in queries]

    def _over_tcp(self, wire: bytes) -> bytes | None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as stream:
            stream.sendall(len(wire).to_bytes(2, "big") + wire)
            stream.shutdown(socket.SHUT_WR)
            received = b""
            while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
                try:
                    more = stream.recv(65537)
                except (ConnectionError, TimeoutError):
                    return None
                if not more:
                    return None
                received += more
            return received[2:]


#: A query that each of them answers: what came before it and is not answered, never will be.
_FENCE = b"\xff\xff\0\0\0\1\0\0\0\0\0\0\0\0\6\0\1"


def _ask(sock: socket.socket, queries: Sequence[bytes], got: dict[bytes, bytes]) -> None:
    """Send queries, and take their responses until that of the fence behind them."""
    if not queries:
        return
    for wire in queries:
        sock.send(wire)
    sock.send(_FENCE)
    fence = _FENCE[:2]
    until_then = monotonic() + 5
    while monotonic() < until_then:
        if not select.select([sock], [], [], 0.5)[0]:
            return
        response = sock.recv(65535)
        if response[:2] == fence:
            return
        got[response[:2]] = response


@contextmanager
def authorities(
    folder: Path, zones: Mapping[str, str], servers: Mapping[str, _Configure] | None = None
) -> Iterator[list[Peer]]:
    """All of them, or some, serving the zones: each zone's name, and the text of its file."""
    for index, text in enumerate(zones.values()):
        (folder / f"{index}.zone").write_text(text)
    names = list(zones)
    with ExitStack() as stack:
        started: list[tuple[Peer, subprocess.Popen[bytes]]] = []
        for name, configure in (servers or _SERVERS).items():
            port = free_port()
            own = folder / name
            own.mkdir()
            command = configure(own, port, names)
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(end, process)
            started.append((Peer(name, port), process))
        for peer, process in started:
            until(partial(_answers, peer, process, names), f"{peer.name}'s zones")
        yield [peer for peer, _ in started]


def _answers(peer: Peer, process: subprocess.Popen[bytes], names: Sequence[str]) -> bool:
    """Whether it has loaded all zones."""
    assert process.poll() is None, f"{peer.name} has ended"
    queries = []
    for index, name in enumerate(names):
        labels = [label.encode() for label in name.split(".") if label]
        question = b"".join([bytes([len(label)]) + label for label in labels]) + b"\0\0\6\0\1"
        queries.append(index.to_bytes(2, "big") + bytes((0, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + question)
    try:
        responses = peer.exchange(queries)
    except ConnectionRefusedError:
        return False
    return None not in responses


@contextmanager
def named_with_cookies(folder: Path, secret: bytes) -> Iterator[Peer]:
    """named alone, which wants a cookie made with a secret (RFC 9018) of who knows cookies."""
    zone = "$TTL 60\n. SOA a. b. 1 2 3 4 5\n. NS a.\na. A 192.0.2.1\n"
    with authorities(folder, {".": zone}, {"named": partial(_named, cookie_secret=secret)}) as peers:
        yield peers[0]


def _named(folder: Path, port: int, names: Sequence[str], cookie_secret: bytes | None = None) -> list[str]:
    cookies = "answer-cookie no;"
    if cookie_secret is not None:
        cookies = f'require-server-cookie yes; cookie-secret "{cookie_secret.hex()}";'
    zones = "".join(
        [
            f'zone "{name}" {{ type primary; file "{folder.parent}/{index}.zone"; }};\n'
            for index, name in enumerate(names)
        ]
    )
    return named(
        folder,
        f"listen-on port {port} {{ 127.0.0.1; }};",
        f"""allow-query {{ any; }}; allow-transfer {{ none; }};
  minimal-responses yes; {cookies} max-udp-size 1232; edns-udp-size 1232; nocookie-udp-size 1232;
  zero-no-soa-ttl no; check-names primary ignore; check-integrity no; check-wildcard no; check-mx ignore;
  version "{VERSION}"; hostname "{IDENTITY}"; server-id "{IDENTITY}";""",
        zones,
    )


def _nsd(folder: Path, port: int, names: Sequence[str]) -> list[str]:
    zones = "".join(
        [
            f'zone:\n  name: "{name}"\n  zonefile: "{folder.parent}/{index}.zone"\n'
            for index, name in enumerate(names)
        ]
    )
    about_itself = f"""  identity: "{IDENTITY}"
  version: "{VERSION}"
  nsid: "ascii_{IDENTITY}"
  ipv4-edns-size: 1232
  minimal-responses: yes
"""
    return nsd(folder, [f"127.0.0.1@{port}"], about_itself, zones)


def _knotd(folder: Path, port: int, names: Sequence[str]) -> list[str]:
    zones = "".join(
        [f"  - domain: {name}\n    file: {folder.parent}/{index}.zone\n" for index, name in enumerate(names)]
    )
    about_itself = f"""  identity: "{IDENTITY}"
  version: "{VERSION}"
  nsid: "{IDENTITY}"
  udp-max-payload: 1232
"""
    return knotd(folder, [f"127.0.0.1@{port}"], about_itself, f"zone:\n{zones}")


_SERVERS: dict[str, _Configure] = {"named": _named, "nsd": _nsd, "knotd": _knotd}
