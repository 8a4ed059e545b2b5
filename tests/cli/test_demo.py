"""`netkit demo`: every command in it ends as it says it should."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.helpers import Result, command_of
from tests.cli.shell_lines import kept_demo

# The demo shows commands, whose tests run over both twins.
pytestmark = pytest.mark.once


def test_every_step_ends_as_it_should(netkit: Callable[..., Result]) -> None:
    result = netkit("demo", "--json")
    rows = result.json
    assert [(row["argv"], row["exit_code"]) for row in rows] == [
        (row["argv"], row["expected_exit_code"]) for row in rows
    ]
    assert result.exit_code == 0
    assert {row["argv"][1] for row in rows} >= {"dig", "resolve", "tcp", "http", "ws", "tls"}
    said = "".join(row["stdout"] + row["stderr"] for row in rows)
    for wanted in (
        "127.0.0.1",
        "10 mail.demo.test.",
        "what goes out comes back",
        "CN=localhost",
        "< text FIN 13 octets",
        "Hello",
        '"page": "2"',
    ):
        assert wanted in said


@pytest.mark.once
def test_a_line_is_left_between_two_steps_on_a_terminal(netkit: Callable[..., Result]) -> None:
    result = netkit("demo", tty=True)
    assert "\n\n\x1b[2m# the bare values" in result.stdout
    assert "-" not in result.lines
    assert "netkit demo --keep" in result.stderr


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces")
class TestKeep:
    """In a network namespace, where the fixed ports are free."""

    def test_servers_and_files_are_there_until_sigterm(self, tmp_path: Path) -> None:
        with kept_demo(tmp_path) as kept:
            assert [row["exit_code"] for row in kept.steps] == [
                row["expected_exit_code"] for row in kept.steps
            ]
            assert {(row["transport"], row["local"]) for row in kept.listening} == {
                *((each, f"127.0.0.1:{port}") for port in (5300, 7007) for each in ("tcp", "udp")),
                *((each, "[::1]:7007") for each in ("tcp", "udp")),
                ("tcp", "127.0.0.1:8443"),
                ("tcp", "127.0.0.1:8444"),
                ("tcp", "127.0.0.1:8008"),
                ("tcp", "127.0.0.1:8009"),
                ("unix", "netkit-demo/echo.sock"),
            }
            told = command_of(("demo",)).help or ""
            assert all(row["local"].rpartition(":")[2] in told for row in kept.listening)
            assert all(path.name in told for path in (tmp_path / "netkit-demo").iterdir())
            again = kept.run("netkit demo --keep")
            assert again.returncode == 8
            assert again.stderr.splitlines() == [
                "netkit: demo: cannot listen on 127.0.0.1:5300: address already in use",
                "hint: is another `netkit demo --keep` running? If not, end the program that has this port",
            ]
            assert kept.run("netkit dig @127.0.0.1 -p 5300 www.demo.test +short").stdout == (
                "web.demo.test.\n127.0.0.1\n"
            )
            assert kept.end(signal.SIGTERM) == 0
        assert list(tmp_path.iterdir()) == []

    def test_ctrl_c_ends_it_and_leaves_what_the_reader_made(self, tmp_path: Path) -> None:
        with kept_demo(tmp_path) as kept:
            (tmp_path / "netkit-demo" / "mine").touch()
            assert kept.end(signal.SIGINT) == 130
        assert [path.name for path in (tmp_path / "netkit-demo").iterdir()] == ["mine"]
