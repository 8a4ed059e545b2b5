"""netkit's resolver over UDP, TCP, TLS and HTTPS against unbound, BIND, dnsdist, nsd and knot.

Every server here answers for the zone below on free ports of loopback, and ends with the tests.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netkit.addr import Ipv4Addr, SocketAddr
from netkit.dns import DnsError, QueryOptions, Resolver
from netkit.dns.constants import DnsRecordType
from netkit.dns.policy.upstream import Transport, Upstream
from netkit.doh import DohClient
from netkit.http.client.dial import HttpVersions
from netkit.io import all_of, run, run_async
from netkit.tls.config import TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority
from tests.conftest import free_port, require_peer
from tests.waiting import until

pytestmark = pytest.mark.once

NAME = "dns.peers.test"

#: More than fits in a datagram of 1232 octets.
LONG = ["x" * 200 + str(number) for number in range(10)]

RECORDS = [
    *[(f"h{number}.peers.test.", "A", f"192.0.2.{number + 1}") for number in range(200)],
    *[("long.peers.test.", "TXT", f'"{text}"') for text in LONG],
]

ZONE = "\n".join(
    [
        "$ORIGIN peers.test.",
        "@ 300 SOA ns host ( 1 3600 600 86400 60 )",
        "@ 300 NS ns",
        "ns 300 A 127.0.0.1",
        *[f"{name} 300 {rdtype} {data}" for name, rdtype, data in RECORDS],
        "",
    ]
)


class Identity(NamedTuple):
    """A certificate for the servers, in files, and what clients need."""

    certificate: Path
    key: Path
    tls: TlsConfig
    pin: bytes


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    folder = tmp_path_factory.mktemp("identity")
    authority = ThrowawayAuthority()
    certificate, key = authority.issue([NAME])
    files = folder / "server.crt", folder / "server.key"
    files[0].write_text(certificate.to_pem())
    files[1].write_text(key.to_pem())
    tls = TlsConfig.client().with_root_certs([authority.certificate])
    return Identity(*files, tls, sha256(certificate.spki_der).digest())


#: The port of each transport that a server offers.
Ports = dict[Transport, int]


@contextmanager
def running(command: list[str], ports: Ports, ready: Transport = Transport.UDP) -> Iterator[Ports]:
    """Run a server until the end; its ports, once it answers."""
    log = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            upstream = Upstream(SocketAddr.new("127.0.0.1", ports[ready]), ready)

            def answers() -> bool:
                assert process.poll() is None, f"{command[0]} has ended"
                with Resolver(
                    [upstream], options=QueryOptions(timeout=0.5, tries=1), cache_size=0
                ) as resolver:
                    try:
                        resolver.lookup_a("h0.peers.test")
                    except DnsError:
                        return False
                    return True

            until(answers, f"an answer of {command[0]}")
            yield ports
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def unbound(folder: Path, identity: Identity) -> Iterator[Ports]:
    program = require_peer("unbound")
    dns, tls, https = free_port(), free_port(), free_port()
    data = "\n".join(f"  local-data: '{name} 300 {rdtype} {text}'" for name, rdtype, text in RECORDS)
    (folder / "unbound.conf").write_text(
        f"""\
server:
  directory: "{folder}"
  username: ""
  chroot: ""
  pidfile: "{folder}/pid"
  use-syslog: no
  logfile: "{folder}/log"
  interface: 127.0.0.1@{dns}
  interface: 127.0.0.1@{tls}
  interface: 127.0.0.1@{https}
  do-ip6: no
  tls-port: {tls}
  https-port: {https}
  tls-service-key: "{identity.key}"
  tls-service-pem: "{identity.certificate}"
  local-zone: "peers.test." static
{data}
remote-control:
  control-enable: no
"""
    )
    ports = {Transport.UDP: dns, Transport.TCP: dns, Transport.TLS: tls, Transport.HTTPS: https}
    with running([program, "-d", "-c", str(folder / "unbound.conf")], ports):
        yield ports


@contextmanager
def bind(folder: Path, identity: Identity) -> Iterator[Ports]:
    program = require_peer("named")
    dns, tls, https = free_port(), free_port(), free_port()
    (folder / "zone").write_text(ZONE)
    (folder / "named.conf").write_text(
        f"""\
tls local {{ cert-file "{identity.certificate}"; key-file "{identity.key}"; }};
http local {{ endpoints {{ "/dns-query"; }}; }};
options {{
  directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
  listen-on port {dns} {{ 127.0.0.1; }};
  listen-on port {tls} tls local {{ 127.0.0.1; }};
  listen-on port {https} tls local http local {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no;
}};
controls {{ }};
zone "peers.test" {{ type primary; file "{folder}/zone"; }};
"""
    )
    ports = {Transport.UDP: dns, Transport.TCP: dns, Transport.TLS: tls, Transport.HTTPS: https}
    with running([program, "-g", "-n", "1", "-c", str(folder / "named.conf")], ports):
        yield ports


@contextmanager
def nsd(folder: Path, identity: Identity) -> Iterator[Ports]:
    program = require_peer("nsd")
    dns, tls = free_port(), free_port()
    (folder / "zone").write_text(ZONE)
    (folder / "nsd.conf").write_text(
        f"""\
server:
  server-count: 1
  ip-address: 127.0.0.1@{dns}
  ip-address: 127.0.0.1@{tls}
  tls-port: {tls}
  tls-service-key: "{identity.key}"
  tls-service-pem: "{identity.certificate}"
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
  name: peers.test
  zonefile: zone
"""
    )
    ports = {Transport.UDP: dns, Transport.TCP: dns, Transport.TLS: tls}
    with running([program, "-d", "-c", str(folder / "nsd.conf")], ports):
        yield ports


@contextmanager
def knot(folder: Path, identity: Identity) -> Iterator[Ports]:
    program = require_peer("knotd")
    dns = free_port()
    (folder / "peers.test.zone").write_text(ZONE)
    (folder / "knot.conf").write_text(
        f"""\
server:
  listen: 127.0.0.1@{dns}
  rundir: "{folder}"
  udp-workers: 1
  tcp-workers: 1
database:
  storage: "{folder}"
zone:
  - domain: peers.test
    storage: "{folder}"
"""
    )
    with running(
        [program, "-c", str(folder / "knot.conf")], {Transport.UDP: dns, Transport.TCP: dns}
    ) as ports:
        yield ports


@contextmanager
def dnsdist(folder: Path, identity: Identity) -> Iterator[Ports]:
    program = require_peer("dnsdist")
    behind = folder / "behind"
    behind.mkdir()
    with nsd(behind, identity) as server:
        dns, tls, https = free_port(), free_port(), free_port()
        files = f'"{identity.certificate}", "{identity.key}"'
        (folder / "dnsdist.conf").write_text(
            f"""\
setLocal("127.0.0.1:{dns}")
addTLSLocal("127.0.0.1:{tls}", {files})
addDOHLocal("127.0.0.1:{https}", {files}, "/dns-query")
newServer({{address="127.0.0.1:{server[Transport.UDP]}", healthCheckMode="up"}})
"""
        )
        ports = {Transport.UDP: dns, Transport.TCP: dns, Transport.TLS: tls, Transport.HTTPS: https}
        command = [program, "--supervised", "--disable-syslog", "-C", str(folder / "dnsdist.conf")]
        with running(command, ports):
            yield ports


SERVERS: dict[str, Callable[[Path, Identity], Any]] = {
    "unbound": unbound,
    "bind": bind,
    "nsd": nsd,
    "knot": knot,
    "dnsdist": dnsdist,
}

OFFERED = {
    "unbound": ("udp", "tcp", "tls", "https-post", "https-get"),
    "bind": ("udp", "tcp", "tls", "https-post", "https-get"),
    "nsd": ("udp", "tcp", "tls"),
    "knot": ("udp", "tcp"),
    "dnsdist": ("udp", "tcp", "tls", "https-post", "https-get"),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[Callable[[str], Ports]]:
    """`servers(name)`: the ports of a server, which is started for the first test that wants it."""
    started: dict[str, Ports] = {}
    with ExitStack() as stack:

        def start(name: str) -> Ports:
            if name not in started:
                folder = tmp_path_factory.mktemp(name)
                started[name] = stack.enter_context(SERVERS[name](folder, identity))
            return started[name]

        yield start


def upstream_of(ports: Ports, offered: str, **more: Any) -> Upstream:
    kind, _, method = offered.partition("-")
    transport = Transport(kind)
    if transport.is_encrypted:
        more.setdefault("tls_name", NAME)
    if method:
        more["method"] = method.upper()
    return Upstream(SocketAddr.new("127.0.0.1", ports[transport]), transport, **more)


EVERY = [(server, offered) for server, all_offered in OFFERED.items() for offered in all_offered]


def looks_up(resolver: Resolver, form: str) -> None:
    """A hundred lookups at once, one that is too long for a datagram, and one that is not there."""

    def flows() -> Any:
        return all_of(
            [resolver.resolve_flow(f"h{number}.peers.test", DnsRecordType.A) for number in range(100)]
        )

    async def side_by_side() -> Any:
        return await run_async(flows())

    if form == "blocking":
        outcomes = run(flows())
    elif form == "asyncio":
        outcomes = asyncio.run(side_by_side())
    else:
        uvloop = pytest.importorskip("uvloop")
        outcomes = uvloop.run(side_by_side())
    for number, outcome in enumerate(outcomes):
        (record,) = outcome.unwrap().records
        assert record.address == Ipv4Addr.parse(f"192.0.2.{number + 1}")
    assert sorted(resolver.lookup_txt("long.peers.test")) == sorted(LONG)
    with pytest.raises(DnsError.NotFound):
        resolver.lookup_a("absent.peers.test")


@pytest.mark.parametrize("form", ["blocking", "asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("server", "offered"), EVERY, ids=[f"{server}-{offered}" for server, offered in EVERY]
)
def test_every_transport(
    servers: Callable[[str], Ports], identity: Identity, server: str, offered: str, form: str
) -> None:
    options = QueryOptions(timeout=10.0, tries=2)
    upstream = upstream_of(servers(server), offered)
    with (
        DohClient(identity.tls) as https,
        Resolver([upstream], options=options, tls=identity.tls, https=https) as resolver,
    ):
        looks_up(resolver, form)


@pytest.mark.parametrize("server", ["unbound", "bind", "dnsdist"])
@pytest.mark.parametrize("offered", ["tls", "https-post"])
@pytest.mark.parametrize("name", [None, NAME])
def test_pins(
    servers: Callable[[str], Ports], identity: Identity, server: str, offered: str, name: str | None
) -> None:
    """Without a name the pins decide alone, and no root is needed."""
    tls = None if name is None else identity.tls
    for pin, is_right in ((identity.pin, True), (bytes(32), False)):
        upstream = upstream_of(servers(server), offered, tls_name=name, pins=[pin])
        with (
            DohClient(tls) as https,
            Resolver(
                [upstream], options=QueryOptions(timeout=10.0, tries=1), tls=tls, https=https
            ) as resolver,
        ):
            if is_right:
                assert resolver.lookup_a("h1.peers.test") == [Ipv4Addr.parse("192.0.2.2")]
            else:
                with pytest.raises(DnsError.NetworkError, match="pinned"):
                    resolver.lookup_a("h1.peers.test")


@pytest.mark.parametrize("offered", ["tls", "https-post"])
def test_another_name_is_refused(servers: Callable[[str], Ports], identity: Identity, offered: str) -> None:
    upstream = upstream_of(servers("unbound"), offered, tls_name="other.test")
    with (
        DohClient(identity.tls) as https,
        Resolver(
            [upstream], options=QueryOptions(timeout=10.0, tries=1), tls=identity.tls, https=https
        ) as resolver,
        pytest.raises(DnsError.NetworkError, match=r"other\.test"),
    ):
        resolver.lookup_a("h1.peers.test")


def test_a_path_that_is_not_there(servers: Callable[[str], Ports], identity: Identity) -> None:
    upstream = upstream_of(servers("dnsdist"), "https-post", path="/elsewhere")
    with (
        DohClient(identity.tls) as https,
        Resolver([upstream], options=QueryOptions(timeout=10.0, tries=1), https=https) as resolver,
        pytest.raises(DnsError.NetworkError, match="HTTP status 404"),
    ):
        resolver.lookup_a("h1.peers.test")


def test_http_1(servers: Callable[[str], Ports], identity: Identity) -> None:
    """BIND, dnsdist and unbound want HTTP/2 (RFC 8484 section 5.2): the error says it, and nothing hangs."""
    upstream = upstream_of(servers("unbound"), "https-post")
    with (
        DohClient(identity.tls, HttpVersions.HTTP11) as https,
        Resolver([upstream], options=QueryOptions(timeout=10.0, tries=1), https=https) as resolver,
        pytest.raises(DnsError.NetworkError),
    ):
        resolver.lookup_a("h1.peers.test")
