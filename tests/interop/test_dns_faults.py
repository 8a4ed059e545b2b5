"""Answers that are wrong on purpose, and what netkit's resolver, dig, BIND, unbound and c-ares do with them.

A name server of netkit has an address for each kind of fault (so that what a resolver learns of one server
does not touch another), and everybody asks all of them at once. What comes of it is the table of
docs/dns-faults.md: a peer of another version may do otherwise, so the table is compared only where its
versions are those here; what must never happen is compared everywhere. NETKIT_WRITE_DOCS=1 writes the table.

c-ares is asked through Node.js, whose `dns.Resolver` it is.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import NamedTuple

import pytest

from netkit.addr import IpAddr, SocketAddr
from netkit.dns import DnsError, QueryOptions, Resolver, parse_zone
from netkit.dns.authority.faults import KINDS, Delivery, DnsFault, DnsFaults
from netkit.dns.authority.responder import Responder
from netkit.dns.authority.server import DnsServer
from netkit.dns.constants import Rcode
from netkit.dns.messages.message import Message, make_query
from netkit.dns.name import Name
from netkit.io import Event, run
from netkit.net import TcpListener, UdpSocket
from tests.conftest import free_port, require_peer
from tests.waiting import until

pytestmark = pytest.mark.once

DOCS = Path(__file__).parent.parent.parent / "docs" / "dns-faults.md"
ADDRESS = "192.0.2.1"
VALUES = {"cut": 40, "delay": 0.1, "wrong-address": IpAddr.parse("127.0.2.1")}
#: The faults after which nothing that was sent may be taken for an answer.
#: And those after which a resolver may give up: the right server has said what cannot be.
MAY_FAIL = ("broken-first", "badvers")
NEVER = ("wrong-id", "wrong-question", "wrong-port", "wrong-address", "cut", "pointer-loop", "drop",
         "servfail", "refused", "lame", "endless-cname")  # fmt: skip
#: How long a client waits for an answer of a resolver, in seconds: BIND gives up after ten.
PATIENCE = 14.0


class Asked(NamedTuple):
    """A query as it came: over what, and whether it had EDNS."""

    over: str
    edns: bool


class Noting(DnsFaults):
    """Faults that note what came, by the first label of the name: that is who asks."""

    def __init__(self, fault: DnsFault) -> None:
        super().__init__([fault], lambda: 0.0)
        self.came: dict[str, list[Asked]] = {}

    def deliveries(self, query: bytes, response: bytes | None, over: str) -> list[Delivery]:
        """As they are; the query is noted."""
        asked = Message.from_malformed(query)
        labels = asked.question[0].name.labels if asked.question else ()
        # The aliases of a chain stand before the name that was asked.
        who = labels[-3].decode().lower() if len(labels) >= 3 else ""
        self.came.setdefault(who, []).append(Asked(over, asked.edns is not None))
        return super().deliveries(query, response, over)


class Wrong(NamedTuple):
    """The servers: an address for each kind, one port, and what each was asked."""

    addresses: dict[str, str]
    port: int
    notes: dict[str, Noting]

    def at(self, kind: str) -> SocketAddr:
        return SocketAddr.parse(f"{self.addresses[kind]}:{self.port}")

    def how(self, kind: str, who: str) -> str:
        """What a client did beside asking once over UDP."""
        came = self.notes[kind].came.get(who, [])
        words = []
        if any(not each.edns for each in came) and any(each.edns for each in came):
            words.append("without EDNS")
        if any(each.over == "tcp" for each in came):
            words.append("over TCP")
        return "".join(f", {word}" for word in words)


@pytest.fixture(scope="module")
def wrong() -> Iterator[Wrong]:
    port = free_port()
    addresses = {kind: f"127.0.1.{number}" for number, kind in enumerate(KINDS, 1)}
    notes = {kind: Noting(DnsFault(kind, VALUES.get(kind))) for kind in KINDS}
    stop, threads, servers = Event(), [], []
    for kind, address in addresses.items():
        text = f"@ 60 SOA ns h 1 2 3 4 60\n@ 60 NS ns\nns 60 A {address}\n* 60 A {ADDRESS}\n"
        zone = parse_zone(text, f"{kind}.test.")
        at = SocketAddr.parse(f"{address}:{port}")
        server = DnsServer([UdpSocket.bind_addr(at)], [TcpListener.bind(at)], Responder([zone], (), time))
        servers.append(server)
        threads.append(
            threading.Thread(target=run, args=(server.serve(stop, script=notes[kind]),), daemon=True)
        )
    for thread in threads:
        thread.start()
    yield Wrong(addresses, port, notes)
    stop.set()
    for thread in threads:
        thread.join(10)


# Who asks: each gives an outcome for each kind.


#: What the errors of netkit's resolver are called in the table.
WORDS = {
    DnsError.ServerError: "SERVFAIL",
    DnsError.Refused: "REFUSED",
    DnsError.InvalidResponse: "malformed",
    DnsError.TryAgain: "lame",
    DnsError.AliasLoop: "too many CNAMEs",
}


def by_netkit(wrong: Wrong, _folder: Path) -> dict[str, str]:
    def ask(kind: str) -> str:
        options = QueryOptions(timeout=1.0, tries=2, within=8.0, randomize_case=True)
        with Resolver([wrong.at(kind)], options=options) as resolver:
            try:
                found = [str(each) for each in resolver.lookup_a(f"netkit.{kind}.test")]
            except DnsError.Timeout:
                return "no answer"
            except DnsError as error:
                return WORDS[type(error)]
        return "answer" if found == [ADDRESS] else str(found)

    return side_by_side(ask)


def side_by_side(ask: Callable[[str], str]) -> dict[str, str]:
    with ThreadPoolExecutor(len(KINDS)) as pool:
        return dict(zip(KINDS, pool.map(ask, KINDS), strict=True))


def by_dig(wrong: Wrong, _folder: Path) -> dict[str, str]:
    dig = require_peer("dig")

    def ask(kind: str) -> str:
        command = [dig, f"@{wrong.addresses[kind]}", "-p", str(wrong.port), "+time=1", "+tries=2"]
        said = subprocess.run(
            [*command, f"dig.{kind}.test", "A"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
        if re.search(rf"\bA\t{re.escape(ADDRESS)}$", said, re.MULTILINE):
            return (
                "answer, with a warning" if ";; Warning" in said or ";; Got bad packet" in said else "answer"
            )
        if "Got bad packet" in said:
            return "bad packet"
        status = re.search(r"status: (\w+)", said)
        if status is None:
            return "no answer"
        if status[1] == "NOERROR":
            return "the CNAME" if "CNAME" in said else "an empty answer"
        return status[1]

    return side_by_side(ask)


def asked_of(port: int, who: str) -> dict[str, str]:
    """What a resolver at that port says about each kind: all are asked at once."""
    queries = {
        number: (kind, make_query(f"{who}.{kind}.test.", 1, id=number).to_wire())
        for number, kind in enumerate(KINDS, 1)
    }
    found: dict[str, str] = {}
    end = monotonic() + PATIENCE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        for _, wire in queries.values():
            sock.send(wire)
        while len(found) < len(KINDS) and (left := end - monotonic()) > 0:
            sock.settimeout(left)
            try:
                message = Message.from_wire(sock.recv(4096))
            except TimeoutError:
                break
            kind = queries[message.id][0]
            data = [str(record.rdata_text()) for record in message.answer if record.rdtype == 1]
            if message.rcode != Rcode.NOERROR:
                found[kind] = str(message.rcode)
            elif data:
                found[kind] = "answer" if data == [ADDRESS] else str(data)
            else:
                found[kind] = "the CNAMEs" if message.answer else "an empty answer"
    return {kind: found.get(kind, "no answer") for kind in KINDS}


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[None]:
    """Run a resolver until the end of the block; it answers by then."""
    probe = make_query("localhost.", 1, id=1).to_wire()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:

            def answers() -> bool:
                assert process.poll() is None, f"{command[0]} has ended"
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.settimeout(0.2)
                    sock.connect(("127.0.0.1", port))
                    try:
                        sock.send(probe)
                        return bool(sock.recv(4096))
                    except OSError:
                        return False

            until(answers, f"an answer of {command[0]}")
            yield
        finally:
            process.kill()


def by_named(wrong: Wrong, folder: Path) -> dict[str, str]:
    port = free_port()
    zones = "\n".join(
        f'zone "{kind}.test" {{ type forward; forward only; '
        f"forwarders {{ {address} port {wrong.port}; }}; }};"
        for kind, address in wrong.addresses.items()
    )
    (folder / "named.conf").write_text(
        f"""\
options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; dnssec-validation no; empty-zones-enable no; resolver-query-timeout 10;
}};
controls {{ }};
zone "localhost" {{ type primary; file "{folder}/localhost"; }};
{zones}
"""
    )
    (folder / "localhost").write_text(
        "@ 60 SOA ns h 1 2 3 4 60\n@ 60 NS ns\n@ 60 A 127.0.0.1\nns 60 A 127.0.0.1\n"
    )
    with running([require_peer("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")], port):
        return asked_of(port, "named")


def by_unbound(wrong: Wrong, folder: Path) -> dict[str, str]:
    port = free_port()
    zones = "\n".join(
        f'forward-zone:\n  name: "{kind}.test."\n  forward-addr: {address}@{wrong.port}'
        for kind, address in wrong.addresses.items()
    )
    (folder / "unbound.conf").write_text(
        f"""\
server:
  directory: "{folder}"
  username: ""
  chroot: ""
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: "{folder}/log"
  interface: 127.0.0.1@{port}
  do-ip6: no
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
  infra-cache-max-rtt: 1000
  outbound-msg-retry: 2
  use-caps-for-id: yes
{zones}
remote-control:
  control-enable: no
"""
    )
    with running([require_peer("unbound"), "-d", "-c", str(folder / "unbound.conf")], port):
        return asked_of(port, "unbound")


_NODE = """
const { Resolver } = require("dns").promises;
const servers = JSON.parse(process.argv[1]);
Promise.all(Object.entries(servers).map(async ([kind, server]) => {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  resolver.setServers([server]);
  try { return [kind, await resolver.resolve4("cares." + kind + ".test")]; }
  catch (error) { return [kind, error.code]; }
})).then(found => console.log(JSON.stringify(Object.fromEntries(found))));
"""
_CODES = {
    "ETIMEOUT": "no answer",
    "ECONNREFUSED": "no answer",
    "ESERVFAIL": "SERVFAIL",
    "EREFUSED": "REFUSED",
    "EFORMERR": "FORMERR",
    "EBADRESP": "malformed",
    "ENODATA": "no data",
}


def by_cares(wrong: Wrong, _folder: Path) -> dict[str, str]:
    servers = json.dumps({kind: f"{address}:{wrong.port}" for kind, address in wrong.addresses.items()})
    said = subprocess.run(
        [require_peer("node"), "-e", _NODE, servers], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    found = json.loads(said)
    return {
        kind: _CODES.get(result, result)
        if isinstance(result, str)
        else "answer"
        if result == [ADDRESS]
        else "an empty answer"
        for kind, result in ((kind, found[kind]) for kind in KINDS)
    }


CLIENTS: dict[str, Callable[[Wrong, Path], dict[str, str]]] = {
    "netkit": by_netkit,
    "dig": by_dig,
    "named": by_named,
    "unbound": by_unbound,
    "cares": by_cares,
}


@pytest.fixture(scope="module")
def outcomes(wrong: Wrong, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What each client made of each kind: all ask at the same time, as most of it is waiting."""
    for program in ("dig", "named", "unbound", "node"):
        require_peer(program)
    folder = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        pending = {who: pool.submit(ask, wrong, folder) for who, ask in CLIENTS.items()}
        found = {who: future.result() for who, future in pending.items()}
    return {
        who: {kind: outcome + wrong.how(kind, who) for kind, outcome in of_kinds.items()}
        for who, of_kinds in found.items()
    }


def versions() -> str:
    def said(*command: str) -> str:
        done = subprocess.run(
            [require_peer(command[0]), *command[1:]], capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr).strip()

    named = re.search(r"BIND (\d+\.\d+)", said("named", "-v"))
    unbound = re.search(r"Version (\d+\.\d+)", said("unbound", "-V"))
    cares = re.search(r"\d+\.\d+", said("node", "-p", "process.versions.ares"))
    assert named is not None and unbound is not None and cares is not None
    return f"dig and named of BIND {named[1]}, unbound {unbound[1]}, c-ares {cares[0]} in Node.js"


HEADINGS = {"netkit": "netkit", "dig": "dig", "named": "named", "unbound": "unbound", "cares": "c-ares"}


def table(outcomes: dict[str, dict[str, str]]) -> str:
    rows = [["`--fault`", *HEADINGS.values()], ["---"] * (1 + len(HEADINGS))]
    rows += [[f"`{kind}`", *(outcomes[who][kind] for who in HEADINGS)] for kind in KINDS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_netkit_believes_nothing_wrong(outcomes: dict[str, dict[str, str]], kind: str) -> None:
    """What is wrong is no answer; what is right in the end is one, however it came."""
    if kind not in MAY_FAIL:
        assert outcomes["netkit"][kind].startswith("answer") == (kind not in NEVER), outcomes["netkit"]


def test_the_table(outcomes: dict[str, dict[str, str]]) -> None:
    page = DOCS.read_text(encoding="utf-8")
    begin, end = "<!-- made by tests/interop/test_dns_faults.py -->\n", "<!-- end -->"
    before, _, rest = page.partition(begin)
    old, _, after = rest.partition(end)
    new = f"\nMeasured with {versions()}.\n\n{table(outcomes)}\n"
    if "NETKIT_WRITE_DOCS" in os.environ:
        DOCS.write_text(before + begin + new + end + after, encoding="utf-8")
    elif new.split("\n")[1] == old.split("\n")[1]:
        assert new == old
    else:
        assert table(outcomes).count("\n") == old.count("\n| ")  # other versions: each fault has its row


def test_a_query_for_a_name_that_has_no_fault(wrong: Wrong) -> None:
    with Resolver([wrong.at("duplicate")]) as resolver:
        assert [str(each) for each in resolver.lookup_a(Name.parse("plain.duplicate.test"))] == [ADDRESS]
