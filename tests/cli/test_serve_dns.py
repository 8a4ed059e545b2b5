"""`netkit serve dns`: transports, many zones, faults on purpose, reload, workers, and a successor."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from netkit.addr import SocketAddr
from netkit.cli.frame.context import Environment
from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.dns.options import DnsFaultOptions, FaultText, ZoneText
from netkit.dns import DnsError, DnsRecordType, QueryOptions, Resolver, make_query
from netkit.dns.zones.zone_files import ZoneSource
from netkit.doh import DohClient
from netkit.tls.config import TlsConfig
from netkit.tls.x509.certificate import Certificate
from tests.cli.helpers import Result, row_of, words_of
from tests.cli.test_serve import Server, serving

pytestmark = pytest.mark.once

ONCE = QueryOptions(timeout=0.3, tries=1)


def zone(address: str = "192.0.2.1", serial: int = 1) -> str:
    return f"@ 300 SOA ns1 h {serial} 2 3 4 60\n@ 300 NS ns1\nns1 300 A 127.0.0.1\nwww 300 A {address}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("serve-dns")
    (made / "bare.txt").write_text(zone())
    (made / "zones").mkdir()
    for name in ("a", "b"):
        (made / "zones" / f"{name}.zone").write_text(f"$ORIGIN {name}.test.\n{zone()}")
    return made


class Full(Server):
    """A server over every transport, and the root of its certificate."""

    root: TlsConfig


@pytest.fixture(scope="module")
def full(folder: Path) -> Iterator[Server]:
    args = ["--zone", f"c.test={folder}/bare.txt", "--zone", f"{folder}/zones"]
    args += ["--tls-port", "0", "--https-port", "0", "--https-path", "/q", "--write-ca", f"{folder}/ca.pem"]
    args += ["--workers", "2", "--fault", "wrong-id:name=www.b.test,type=A,over=udp"]
    args += ["--fault", "servfail:type=TXT"]
    with serving("dns", *args, "127.0.0.1:0", sockets=4) as server:
        yield server
        code, counts = server.end()
        assert code == 0
        assert (counts["failed"], counts["cut_off"]) == (0, 0)
        assert counts["queries"] >= counts["responses"] > 3
        assert counts["fault_wrong_id"] >= 1


def looked_up(server: SocketAddr | str, name: str = "www.a.test", **how: object) -> list[str]:
    with Resolver([server], options=QueryOptions(timeout=10.0, tries=1), **how) as resolver:  # type: ignore[arg-type]
        return [str(each) for each in resolver.lookup_a(name)]


class TestTransports:
    def test_where_it_listens(self, full: Server) -> None:
        assert [each["transport"] for each in full.listening] == ["tcp", "udp", "tls", "https"]
        assert full.addr("tcp") == full.addr("udp")

    def test_each(self, full: Server, folder: Path) -> None:
        root = TlsConfig.client().with_root_certs([Certificate.from_pem((folder / "ca.pem").read_bytes())])
        with DohClient(root) as https:
            assert [
                looked_up(full.addr("udp")),
                looked_up(f"tcp://{full.addr('tcp')}"),
                looked_up(f"tls://{full.addr('tls')}#localhost", tls=root),
                looked_up(f"https://{full.addr('https')}/q#localhost", https=https),
            ] == [["192.0.2.1"]] * 4

    def test_zones_of_a_folder_and_of_a_file_without_its_name(self, full: Server) -> None:
        tcp = f"tcp://{full.addr('tcp')}"
        assert [looked_up(tcp, f"www.{name}.test") for name in "abc"] == [["192.0.2.1"]] * 3

    def test_faults(self, full: Server) -> None:
        with Resolver([full.addr("udp")], options=ONCE) as resolver:
            with pytest.raises(DnsError.Timeout):
                resolver.lookup_a("www.b.test")
            with pytest.raises(DnsError.ServerError):
                resolver.lookup_txt("www.a.test")


class TestReload:
    def test_one_spoilt_zone_of_three(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / f"{name}.zone").write_text(f"$ORIGIN {name}.test.\n{zone()}")
        with serving("dns", "--zone", str(tmp_path), sockets=2) as server:
            (tmp_path / "a.zone").write_text(f"$ORIGIN a.test.\n{zone('192.0.2.999')}")
            (tmp_path / "b.zone").write_text(f"$ORIGIN b.test.\n{zone('192.0.2.2', 2)}")
            (tmp_path / "c.zone").write_text(f"$ORIGIN c.test.\n{zone('192.0.2.3')}")
            server.process.send_signal(signal.SIGHUP)
            assert server.process.stdout is not None
            event = row_of(words_of(server.process), server.process.stdout.readline())
            assert event["event"] == "reloaded"
            assert f"{tmp_path}/a.zone:5:" in event["error"]["message"]
            found = [looked_up(server.addr("udp"), f"www.{name}.test") for name in "abc"]
            assert found == [["192.0.2.1"], ["192.0.2.2"], ["192.0.2.3"]]
            server.process.send_signal(signal.SIGTERM)
            _, errors = server.process.communicate(timeout=20)
            assert b"not reloaded, but all else is: " in errors

    def test_a_serial_that_goes_back(self, tmp_path: Path) -> None:
        file = tmp_path / "a.zone"
        file.write_text(f"$ORIGIN a.test.\n{zone()}".replace("@ 300 NS ns1\n", ""))
        with serving("dns", "--zone", str(file), "--workers", "2", sockets=3) as server:
            assert [each["event"] for each in server.listening] == ["listening", "listening", "finding"]
            file.write_text(f"$ORIGIN a.test.\n{zone(serial=0)}".replace("@ 300 NS ns1\n", ""))
            server.process.send_signal(signal.SIGHUP)
            assert server.process.stdout is not None
            events = [row_of(words_of(server.process), server.process.stdout.readline()) for _ in range(3)]
            assert [(each["event"], each.get("code")) for each in events] == [
                ("finding", "no-name-servers"), ("finding", "serial-back"), ("reloaded", None)
            ]  # fmt: skip
            server.process.send_signal(signal.SIGTERM)
            _, errors = server.process.communicate(timeout=20)
        assert errors.count(b"has no NS records at its apex") == 2
        assert errors.count(f"{file}: the serial of a.test. goes back from 1 to 0".encode()) == 1


def test_a_successor_takes_the_sockets(folder: Path, tmp_path: Path) -> None:
    args = ["dns", "--zone", f"{folder}/zones", "--control", f"{tmp_path}/control"]
    with ExitStack() as stack:
        first = stack.enter_context(serving(*args, "--tls-port", "0", "127.0.0.1:0", sockets=3))
        second = stack.enter_context(serving(*args, "--upgrade", sockets=3))
        assert [each["transport"] for each in second.listening] == ["tcp", "udp", "tls"]
        assert first.process.wait(20) == 0
        assert [second.addr(each) for each in ("udp", "tls")] == [first.addr(each) for each in ("udp", "tls")]
        assert looked_up(second.addr("udp")) == ["192.0.2.1"]
        assert second.end()[1]["responses"] == 1


class TestWords:
    @pytest.mark.parametrize(
        ("text", "path", "origin"),
        [
            ("a.zone", "a.zone", None),
            ("a.test=file", "file", "a.test."),
            (".=root", "root", "."),
            ("./a=b", "./a=b", None),
            ("a.test=b=c", "b=c", "a.test."),
        ],
    )
    def test_a_zone(self, text: str, path: str, origin: str | None) -> None:
        found = ZoneText().convert(text, None, None)
        assert (found.path, None if found.origin is None else str(found.origin)) == (path, origin)
        assert isinstance(found, ZoneSource)

    @pytest.mark.parametrize("text", ["", "a.test=", f"{'x' * 64}=file"])
    def test_no_zone(self, text: str) -> None:
        with pytest.raises((WrongValue, click.UsageError)):
            ZoneText().convert(text, None, None)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("drop", "drop"),
            ("cut=40:type=TXT", "cut=40 for TXT of every name"),
            ("delay=200ms:name=*.a.test", "delay=0.2 for every type of *.a.test."),
            ("wrong-id:share=20%,count=3,over=tcp", "wrong-id over TCP, 20%, 3 times"),
            ("wrong-address=127.0.0.2:type=a", "wrong-address=127.0.0.2 for A of every name over UDP"),
            ("wrong-address=[::1]:count=1", "wrong-address=::1 over UDP, once"),
        ],
    )
    def test_a_fault(self, text: str, words: str) -> None:
        assert str(FaultText().convert(text, None, None)) == words

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("lie", "it is one of wrong-id, "),
            ("drop=1", "drop takes none"),
            ("cut", "--fault: cut needs a number of octets"),
            ("cut=x", "needs a number of octets"),
            ("delay=5", "has no unit"),
            ("wrong-address=x", "x"),
            ("drop:x", "'x' says nothing of which queries"),
            ("drop:type=A,type=A", "'type=A' says nothing"),
            ("drop:colour=red", "'colour' is none of name, type"),
            ("drop:type=lie", "lie"),
            ("drop:share=0.5", "has no unit"),
            ("drop:count=0", "out of range"),
            ("drop:over=quic", "it is one of udp, tcp, tls, https"),
            ("wrong-port:over=tcp", "wrong-port is for datagrams"),
        ],
    )
    def test_no_fault(self, netkit: Callable[..., Result], text: str, says: str) -> None:
        result = netkit("serve", "dns", "--zone", "none", "--fault", text)
        assert result.exit_code == 2
        assert says in result.stderr

    @pytest.mark.parametrize(
        ("args", "says"),
        [
            (["--cert", "x"], "--cert is for --tls-port or --https-port"),
            (["--https-path", "/q"], "--https-path is for --tls-port or --https-port"),
            (["--tls-port", "0", "--https-path", "/q"], "--https-path is for --https-port"),
            (["--upgrade"], "--upgrade without --control"),
            (["--upgrade", "--control", "x", ":53"], "--upgrade takes the sockets"),
            (["--workers", "2", "--fault", "drop:count=1"], "each of them counts for itself"),
            (["--seed", "1", "--fault", "drop"], "--seed without a fault"),
        ],
    )
    def test_options_that_contradict_each_other(
        self, netkit: Callable[..., Result], args: list[str], says: str
    ) -> None:
        result = netkit("serve", "dns", "--zone", "none", *args)
        assert result.exit_code == 2
        assert says in result.stderr

    @pytest.mark.parametrize(
        ("address", "says"), [("[::1]", "no socket of the server is of IPv6"), ("192.0.2.9", "no address of")]
    )
    def test_an_address_that_no_answer_can_come_from(
        self, netkit: Callable[..., Result], tmp_path: Path, address: str, says: str
    ) -> None:
        zone = tmp_path / "zone"
        zone.write_text("@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\na 60 A 192.0.2.1\n")
        given = ("--zone", f"a.test={zone}", "127.0.0.1:0", "--fault", f"wrong-address={address}")
        result = netkit("serve", "dns", *given)
        assert (result.exit_code, says in result.stderr) == (2, True), result

    def test_a_script_chooses_the_same_again(self) -> None:
        fault = FaultText().convert("drop:share=50%", None, None)
        env = Environment(stdout=io.BytesIO(), stderr=io.BytesIO())
        query = make_query("a.test", DnsRecordType.A, id=1).to_wire()
        sent = []
        for _ in range(2):
            options = DnsFaultOptions(
                **dict.fromkeys(DnsFaultOptions.fields) | {"fault": (fault,), "seed": 7}
            )
            script = options.script(env)
            assert script is not None
            sent.append([len(script.deliveries(query, query, "udp")) for _ in range(40)])
        assert sent[0] == sent[1]
        assert {*sent[0]} == {0, 1}
