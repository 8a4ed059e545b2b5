"""`netkit dig +nssearch`, over the lab of the demo: a tree of netkit's own servers with a stale secondary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netkit.cli.payload.demo.names import ABOVE, FIRST, SECOND, dns_lab
from tests.cli.helpers import Result, run_netkit
from tests.conftest import free_port

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    found = free_port(FIRST)
    with dns_lab(found) as hints:
        if hints is None:
            pytest.skip("loopback has one address only")
        yield str(found)


def search(port: str, *words: str, at: str = FIRST, tty: bool = False) -> Result:
    return run_netkit(
        "dig",
        f"@{at}",
        "-p",
        port,
        "+nssearch",
        "+time=1",
        "+tries=1",
        *words,
        tty=tty,
        env={"NO_COLOR": "1"},
    )


@pytest.mark.parametrize("name", ["stale.test", "www.stale.test", "gone.below.stale.test"])
def test_a_stale_secondary_is_told(port: str, name: str) -> None:
    result = search(port, name)
    assert result.exit_code == 1
    first, second, newest, behind, summary = result.lines
    soa = "ns1.stale.test. admin.stale.test."
    assert first.startswith(f"SOA {soa} 2 86400 7200 2419200 300 from server {FIRST} in ")
    assert second.startswith(f"SOA {soa} 1 86400 7200 2419200 300 from server {SECOND} in ")
    assert newest == f";; WARNING: serial 2 (newest): {FIRST}:{port} (ns1.stale.test.)"
    assert behind == f";; WARNING: serial 1 (1 behind): {SECOND}:{port} (ns2.stale.test.)"
    assert summary == ";; 1 of 2 servers agrees; 1 behind in serial"


def test_servers_that_agree(port: str) -> None:
    result = search(port, "test", at=ABOVE)
    assert result.exit_code == 0
    assert [line.partition(" from ")[0] for line in result.lines] == [
        "SOA ns.test. admin.test. 1 86400 7200 2419200 300"
    ]


def test_a_server_that_does_not_have_the_zone(port: str) -> None:
    """Its name is looked up at the server that was given, which does not know it; it is told all the same."""
    result = search(port, "lame.test")
    assert result.exit_code == 1
    assert any(line.startswith(";; ns1.demo.test.: failed: no address") for line in result.lines)


def test_short_is_a_serial_for_each_server(port: str) -> None:
    assert search(port, "stale.test", "--short").stdout == f"{FIRST}:{port} 2\n{SECOND}:{port} 1\n"


def test_json_is_that_of_compare(port: str) -> None:
    (row,) = search(port, "www.stale.test", "--json").json
    assert (row["zone"], row["agree"], row["question"]["type"]) == ("stale.test.", False, "SOA")
    assert [each["zone_serial"] for each in row["servers"]] == [2, 1]


def test_at_a_terminal(port: str) -> None:
    result = search(port, "stale.test", tty=True)
    assert "1 behind" in result.stdout
    assert max(map(len, result.lines)) <= 80


def test_a_zone_that_nobody_knows_is_3(port: str) -> None:
    result = search(port, "nowhere.example")
    assert result.exit_code == 3
