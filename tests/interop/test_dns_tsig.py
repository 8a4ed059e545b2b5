"""TSIG with peers: BIND's dig and Knot's kdig ask netkit's server; netkit asks named, knotd and nsd.

The servers here answer for a zone, or transfer it, only to who signs with the key below. Zone transfers are
read as octets over TCP: their messages are what is verified.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsRecord, Message, QueryOptions, Question, TsigError, TsigKey, ask, parse_zone
from netkit.dns.authority.server import DnsServer
from netkit.dns.messages.message import make_query
from netkit.dns.tsig import TsigVerifier, sign
from netkit.io import run
from netkit.serve.connections import in_background
from tests.cli.helpers import run_netkit
from tests.conftest import free_port, require_peer

from .test_dns_peers import running

SECRET = "bmV0a2l0IHRlc3RzOiBhIHNlY3JldCBvZiA0MCBvY3RldHMsIGZpeGVk"
ALGORITHMS = ["hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]
KEYS = {
    algorithm: TsigKey.parse(f"{algorithm}:{algorithm}.key:{SECRET}", allow_md5=True)
    for algorithm in ALGORITHMS
}
KEY = KEYS["hmac-sha256"]
WRITTEN = f"hmac-sha256:hmac-sha256.key:{SECRET}"
#: Enough records for several messages of a transfer.
COUNT = 6000
ZONE = (
    "$ORIGIN peers.test.\n$TTL 300\n@ SOA ns host 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n"
    "www A 192.0.2.1\nwww A 192.0.2.2\n" + "".join([f'r{n} TXT "record {n}"\n' for n in range(COUNT)])
)


@contextmanager
def named(folder: Path) -> Iterator[int]:
    port = free_port()
    keys = "".join(
        [f'key "{key.name}" {{ algorithm {key.algorithm}; secret "{SECRET}"; }};\n' for key in KEYS.values()]
    )
    allowed = "".join([f'key "{key.name}"; ' for key in KEYS.values()])
    (folder / "named.conf").write_text(
        f"""{keys}
options {{
  directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no;
  allow-query {{ {allowed} }}; allow-transfer {{ {allowed} }};
}};
controls {{ }};
zone "peers.test" {{ type primary; file "{folder}/zone"; }};
"""
    )
    with running([require_peer("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")], port):
        yield port


@contextmanager
def knot(folder: Path) -> Iterator[int]:
    port = free_port()
    keys = "".join(
        [
            f"  - id: {key.name}\n    algorithm: {key.algorithm}\n    secret: {SECRET}\n"
            for key in KEYS.values()
        ]
    )
    (folder / "knot.conf").write_text(
        f"""server:
  listen: 127.0.0.1@{port}
  rundir: {folder}
database:
  storage: {folder}
key:
{keys}
acl:
  - id: signed
    key: [{", ".join([str(key.name) for key in KEYS.values()])}]
    action: [query, transfer]
zone:
  - domain: peers.test
    storage: {folder}
    file: zone
    acl: signed
"""
    )
    with running([require_peer("knotd"), "-c", str(folder / "knot.conf")], port):
        yield port


@contextmanager
def nsd(folder: Path) -> Iterator[int]:
    port = free_port()
    keys = "".join(
        [
            f'key:\n  name: "{key.name}"\n  algorithm: {key.algorithm}\n  secret: "{SECRET}"\n'
            for key in KEYS.values()
        ]
    )
    allowed = "".join(
        [
            f'  {what}: 127.0.0.1 "{key.name}"\n'
            for key in KEYS.values()
            for what in ("allow-query", "provide-xfr")
        ]
    )
    (folder / "nsd.conf").write_text(
        f"""server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
remote-control:
  control-enable: no
{keys}
zone:
  name: peers.test
  zonefile: zone
{allowed}
"""
    )
    with running([require_peer("nsd"), "-d", "-c", str(folder / "nsd.conf")], port):
        yield port


SERVERS: dict[str, Callable[[Path], object]] = {"named": named, "knotd": knot, "nsd": nsd}


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of each server in turn."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "zone").write_text(ZONE)
    with SERVERS[request.param](folder) as found:  # type: ignore[attr-defined]
        yield found


# -- netkit asks


@pytest.mark.parametrize("flag", ["+notcp", "+tcp"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_netkits_dig_asks_with_each_algorithm(port: int, algorithm: str, flag: str) -> None:
    key = f"{algorithm}:{algorithm}.key:{SECRET}"
    result = run_netkit("dig", "@127.0.0.1", "-p", str(port), "www.peers.test", "+short", flag, "-y", key)
    assert result.stderr == ""
    assert (sorted(result.stdout.split()), result.exit_code) == (["192.0.2.1", "192.0.2.2"], 0)


def test_netkits_dig_asks_with_a_file_of_a_key(port: int, tmp_path: Path) -> None:
    program = require_peer("tsig-keygen")
    made = subprocess.run(
        [program, "-a", "hmac-sha256", "other.key"], capture_output=True, text=True, check=True
    )
    (tmp_path / "other").write_text(made.stdout)
    (tmp_path / "right").write_text(
        re.sub('secret ".*"', f'secret "{SECRET}"', made.stdout.replace("other.key", str(KEY.name)))
    )
    at = ("dig", "@127.0.0.1", "-p", str(port), "www.peers.test", "+short")
    assert run_netkit(*at, "-k", str(tmp_path / "right")).exit_code == 0
    unknown = run_netkit(*at, "-k", str(tmp_path / "other"))
    assert unknown.exit_code == 3
    assert "BADKEY" in unknown.stderr


@pytest.mark.parametrize("tcp", [False, True], ids=["UDP", "TCP"])
def test_what_a_server_says_of_a_signature(port: int, tcp: bool) -> None:
    server = SocketAddr.parse(f"127.0.0.1:{port}")

    def failure(key: TsigKey) -> TsigError:
        with pytest.raises(TsigError) as caught:
            run(ask(Question("www.peers.test", 1), [server], QueryOptions(tsig=key, tcp=tcp, tries=1)))
        return caught.value

    unknown = failure(KEY.replace(name="unknown.key"))
    assert isinstance(unknown, TsigError.Rejected)
    assert (unknown.error_name, unknown.is_verified) == ("BADKEY", False)
    wrong = failure(KEY.replace(secret=b"another"))
    assert isinstance(wrong, TsigError.Rejected)
    assert (wrong.error_name, wrong.is_verified) == ("BADSIG", False)


def test_another_time(port: int) -> None:
    query = make_query("www.peers.test", 1, id=9)
    signed = sign(query.to_wire(), KEY, time() - 4000)
    (wire,) = over_tcp(port, signed.wire, lambda message: True)
    with pytest.raises(TsigError.Rejected) as caught:
        TsigVerifier(KEY, signed.mac).hear(wire, time() - 4000)
    error = caught.value
    assert error.error_name == "BADTIME"
    assert error.is_verified == bool(signature_of(wire).mac)  # nsd's has none
    assert error.signed_at is not None
    assert error.server_time is not None
    assert 3990 < error.server_time - error.signed_at < 4100


def signature_of(wire: bytes) -> DnsRecord.TSIG:
    record = Message.from_wire(wire).additional[-1]
    assert isinstance(record, DnsRecord.TSIG)
    return record


def over_tcp(port: int, query: bytes, is_last: Callable[[Message], bool]) -> list[bytes]:
    """The messages that come in answer to a query, up to the last one."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock, sock.makefile("rb") as file:
        sock.sendall(len(query).to_bytes(2, "big") + query)
        found = []
        while True:
            size = int.from_bytes(file.read(2), "big")
            found.append(file.read(size))
            assert size, "the server has closed the connection"
            if is_last(Message.from_wire(found[-1])):
                return found


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512"])
def test_a_zone_transfer(port: int, algorithm: str) -> None:
    key = KEYS[algorithm]
    signed = sign(make_query("peers.test", 252, id=9, edns=None).to_wire(), key, time())
    seen = 0

    def is_last(message: Message) -> bool:
        nonlocal seen
        seen += sum(record.rdtype == 6 for record in message.answer)
        assert message.rcode == 0
        return seen == 2

    sent = over_tcp(port, signed.wire, is_last)
    assert len(sent) > 3
    verifier = TsigVerifier(key, signed.mac)
    records = [record for wire in sent for record in Message.from_wire(verifier.hear(wire, time())).answer]
    verifier.finish()
    assert len(records) == COUNT + 6
    verifier = TsigVerifier(key, signed.mac)
    verifier.hear(sent[0], time())
    with pytest.raises(TsigError):
        hear_all(verifier, sent[2:])


def hear_all(verifier: TsigVerifier, wires: list[bytes]) -> None:
    for wire in wires:
        verifier.hear(wire, time())
    verifier.finish()


def test_an_unsigned_transfer_is_refused(port: int) -> None:
    (wire,) = over_tcp(port, make_query("peers.test", 252, id=9, edns=None).to_wire(), lambda message: True)
    assert str(Message.from_wire(wire).rcode) in ("REFUSED", "NOTAUTH")


# -- others ask netkit


@pytest.fixture(scope="module")
def ours() -> Iterator[int]:
    zone = (
        "peers.test. 60 SOA a. b. 1 2 3 4 5\nwww.peers.test. 60 A 192.0.2.1\nbig.peers.test. 60 TXT "
        + ('"' + "x" * 200 + '" ') * 8
    )
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(zone)], KEYS.values())
    with in_background(server.serve):
        yield server.local_addr.port


@contextmanager
def theirs(port: int, tool: str, *words: str) -> Iterator[str]:
    """What another client shows."""
    command = [require_peer(tool), *(["-r"] if tool == "dig" else []), "@127.0.0.1", "-p", str(port), *words]
    yield subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout


@pytest.mark.parametrize("tool", ["dig", "kdig"])
@pytest.mark.parametrize("flags", [[], ["+tcp"]], ids=["UDP", "TCP"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_others_ask_netkit(ours: int, tool: str, algorithm: str, flags: list[str]) -> None:
    key = f"{algorithm}:{algorithm.upper()}.Key:{SECRET}"
    for name, rdtype, shown in (("www", "A", r"192\.0\.2\.1\n"), ("big", "TXT", "x{200}")):
        with theirs(ours, tool, f"{name}.peers.test", rdtype, *flags, "-y", key) as text:
            assert "status: NOERROR" in text
            assert re.search(shown, text)
            assert re.search(rf"ANY\s+TSIG\s+{algorithm}\S* \d+ 300 \d+ [\S ]+ \d+ NOERROR 0", text)
            assert "verif" not in text.lower()
            assert "could not be validated" not in text


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_netkit_refuses_their_signatures(ours: int, tool: str) -> None:
    for key, error in [
        (WRITTEN.replace("hmac-sha256.key", "unknown"), "BADKEY"),
        (WRITTEN.replace("bmV0", "bmV1"), "BADSIG"),
        (WRITTEN.replace("hmac-sha256.key", "hmac-sha1.key"), "BADKEY"),
    ]:
        with theirs(ours, tool, "www.peers.test", "-y", key) as text:
            assert "NOTAUTH" in text or f"status: {error}" in text  # kdig shows the one in place of the other
            assert error in text
            assert "192.0.2.1" not in text
    with theirs(ours, tool, "www.peers.test") as text:
        assert "192.0.2.1" in text
        assert "TSIG" not in text


def test_binds_cut_macs(ours: int) -> None:
    with theirs(ours, "dig", "www.peers.test", "-y", WRITTEN.replace("sha256:", "sha256-128:")) as text:
        assert "BADTRUNC" in text
        assert "192.0.2.1" not in text
