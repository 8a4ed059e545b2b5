"""named, knotd and nsd as secondaries of netkit's name server, which give the zones on.

    with secondaries(folder, primary) as peers:
        ...

Each transfers the zones ZONES from `primary`, of which KEYED is signed with the key; gives them to whoever
asks on this machine, KEYED only to who signs; and takes notifications. named also gives them over TLS.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from netkit.addr import SocketAddr
from tests.conftest import free_port

from .dns_authorities import Peer
from .name_servers import end, knotd, named, nsd

PLAIN, KEYED = "plain.test", "keyed.test"
ZONES = (PLAIN, KEYED)
SECRET = "bmV0a2l0IHRlc3RzOiBhIHNlY3JldCBvZiA0MCBvY3RldHMsIGZpeGVk"
KEY = f"hmac-sha256:transfer.key:{SECRET}"
NAME = "named.peers.test"


class Primary(NamedTuple):
    """netkit's server: its port, and that over TLS, which named asks for PLAIN."""

    port: int
    tls_port: int


class Secondary(NamedTuple):
    """A running secondary: where it is, and its port over TLS if it has one."""

    peer: Peer
    addr: SocketAddr
    tls: int | None = None


class Files(NamedTuple):
    """A certificate and its key, in files."""

    certificate: Path
    key: Path


@contextmanager
def secondaries(folder: Path, primary: Primary, files: Files) -> Iterator[list[Secondary]]:
    """All of them; they are not waited for."""
    with ExitStack() as stack:
        made = []
        tls = free_port()
        for name in ("named", "knotd", "nsd"):
            own, port = folder / name, free_port()
            own.mkdir()
            if name == "named":
                command = _named(own, port, primary, files, tls)
            else:
                command = (_knotd if name == "knotd" else _nsd)(own, port, primary)
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.enter_context(process)
            stack.callback(end, process)
            addr = SocketAddr.new("127.0.0.1", port)
            made.append(Secondary(Peer(name, port), addr, tls if name == "named" else None))
        yield made


def _named(folder: Path, port: int, primary: Primary, files: Files, tls: int) -> list[str]:
    def zone(name: str, primaries: str, allowed: str) -> str:
        return (
            f'zone "{name}" {{ type secondary; file "{folder}/{name}"; masterfile-format text;\n'
            f"  primaries {{ {primaries} }}; allow-transfer {{ {allowed} }}; request-ixfr yes; }};\n"
        )

    over_tls = f"127.0.0.1 port {primary.tls_port} tls ephemeral;"
    signed = f'127.0.0.1 port {primary.port} key "transfer.key";'
    return named(
        folder,
        f"""listen-on port {port} {{ 127.0.0.1; }}; listen-on port {tls} tls "own" {{ 127.0.0.1; }};""",
        """allow-notify { 127.0.0.1; };
  serial-query-rate 1000; notify-delay 0; transfer-message-size 4096; max-ixfr-ratio unlimited;""",
        f"""key "transfer.key" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
tls "own" {{ cert-file "{files.certificate}"; key-file "{files.key}"; }};
{zone(PLAIN, over_tls, "127.0.0.1;")}{zone(KEYED, signed, 'key "transfer.key";')}""",
    )


def _knotd(folder: Path, port: int, primary: Primary) -> list[str]:
    sections = f"""key:
  - id: transfer.key
    algorithm: hmac-sha256
    secret: {SECRET}
remote:
  - id: plain
    address: 127.0.0.1@{primary.port}
  - id: signed
    address: 127.0.0.1@{primary.port}
    key: transfer.key
acl:
  - id: notified
    address: 127.0.0.1
    action: notify
  - id: plain
    address: 127.0.0.1
    action: transfer
  - id: signed
    key: transfer.key
    action: transfer
zone:
  - domain: {PLAIN}
    storage: {folder}
    master: plain
    acl: [notified, plain]
  - domain: {KEYED}
    storage: {folder}
    master: signed
    acl: [notified, signed]
"""
    return knotd(folder, [f"127.0.0.1@{port}"], "", sections)


def _nsd(folder: Path, port: int, primary: Primary) -> list[str]:
    def zone(name: str, key: str) -> str:
        return f"""zone:
  name: {name}
  zonefile: {name}
  request-xfr: 127.0.0.1@{primary.port} {key}
  allow-notify: 127.0.0.1 NOKEY
  provide-xfr: 127.0.0.1 {key}
  store-ixfr: yes
  create-ixfr: yes
"""

    sections = f"""key:
  name: transfer.key
  algorithm: hmac-sha256
  secret: "{SECRET}"
{zone(PLAIN, "NOKEY")}{zone(KEYED, "transfer.key")}"""
    return nsd(folder, [f"127.0.0.1@{port}"], f'  xfrdir: "{folder}"\n', sections)
