"""`netkit serve dns` and its secondaries: who may transfer the zones, and who is told of changes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click
import pytest

from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.dns.transfers import Allowed, Told
from netkit.dns import TsigKey, parse_zone
from netkit.dns.messages.message import make_response
from netkit.dns.transfers import TransferError, fetch_zone, refresh_zone
from tests.cli.helpers import row_of, run_netkit, words_of
from tests.cli.test_serve import Server, serving
from tests.dns.scripted import ScriptedServer

pytestmark = pytest.mark.once

KEY = "hmac-sha256:a.key:c2VjcmV0IG9mIGJvdGggc2lkZXM="


def zone(serial: int) -> str:
    hosts = "".join([f"h{number} 60 A 192.0.2.{number}\n" for number in range(20)])
    return f"$ORIGIN a.test.\n@ 60 SOA ns h {serial} 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.{serial}\n{hosts}"


def event(server: Server, kind: str) -> dict[str, Any]:
    """The next event of a kind."""
    assert server.process.stdout is not None
    while True:
        row = row_of(words_of(server.process), server.process.stdout.readline())
        if row["event"] == kind:
            return row


def test_a_secondary_is_told_and_takes_the_differences(tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text(zone(1))
    with ScriptedServer(lambda asked: make_response(asked.message, aa=True)) as secondary:
        args = ("--zone", str(file), "--notify", str(secondary.addr), "--tsig-key", KEY, "--events")
        with serving("dns", *args, "127.0.0.1:0", sockets=2) as server:
            first = event(server, "notified")
            assert (first["zone_serial"], first["rcode"], first["name"]) == (1, "NOERROR", "a.test.")
            mine = fetch_zone("a.test", server.addr("tcp"))
            assert mine == parse_zone(zone(1))
            file.write_text(zone(2))
            server.process.send_signal(signal.SIGHUP)
            told = event(server, "notified")
            assert (told["zone_serial"], told["peer"]) == (2, str(secondary.addr))
            for key in (None, TsigKey.parse(KEY)):
                assert refresh_zone(mine, server.addr("tcp"), key=key) == parse_zone(zone(2))
            shown = run_netkit("dig", f"@{server.addr('tcp')}", "a.test", "IXFR=1", "+short")
            assert len(shown.stdout.splitlines()) == 6
            server.end()


def test_who_may_transfer(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(zone(1))
    args = ("--zone", str(tmp_path / "zone"), "--tsig-key", KEY, "--allow-transfer", "key:a.key")
    with serving("dns", *args, "--allow-transfer", "192.0.2.0/24", "127.0.0.1:0", sockets=2) as server:
        with pytest.raises(TransferError.Refused, match="REFUSED"):
            fetch_zone("a.test", server.addr("tcp"))
        assert fetch_zone("a.test", server.addr("tcp"), key=TsigKey.parse(KEY)) == parse_zone(zone(1))
        server.end()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--allow-transfer", "nobody"], "'nobody' is none of any, none, an address, a network and a key"),
        (["--allow-transfer", "192.0.2.1/24"], "'192.0.2.1/24' is none of"),
        (["--allow-transfer", "any", "--allow-transfer", "none"], "none contradicts the others"),
        (["--allow-transfer", "key:b.key"], "--allow-transfer: there is no key b.key"),
        (["--notify", "ns.example"], "'ns.example' is not an address"),
        (["--notify", "tls://192.0.2.1"], "is notified over UDP"),
        (["--notify-key", "a.key"], "--notify-key without --notify"),
        (["--notify", "192.0.2.1", "--notify-key", "b.key"], "--notify-key: there is no key b.key"),
    ],
)
def test_wrong_usage(tmp_path: Path, args: list[str], words: str) -> None:
    (tmp_path / "zone").write_text(zone(1))
    result = run_netkit("serve", "dns", "--zone", str(tmp_path / "zone"), "--tsig-key", KEY, *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "hint: " in result.stderr


def test_values() -> None:
    context = click.Context(click.Command("x"))
    assert Allowed().convert("any", None, context).anyone
    assert not Allowed().convert("none", None, context).anyone
    assert [str(each) for each in Allowed().convert("2001:db8::/32", None, context).networks] == [
        "2001:db8::/32"
    ]
    assert str(Told().convert("192.0.2.1", None, context)) == "192.0.2.1:53"
    with pytest.raises(WrongValue):
        Told().convert("192.0.2.1:x", None, context)
