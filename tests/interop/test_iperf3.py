"""docs/netcat.md, section Measuring: every row is run, on iperf3 or on `netkit serve echo`."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.helpers import run_netkit
from tests.cli.test_serve_echo import serving
from tests.conftest import free_port, require_peer

# None of this uses a twin.
pytestmark = pytest.mark.once

PAGE = (Path(__file__).parents[2] / "docs" / "netcat.md").read_text("utf-8")
SECTION = PAGE.partition("## Measuring\n")[2].partition("\n## ")[0]
IPERF3 = re.findall(r"`(iperf3 -c [^`]+)`", SECTION)
NETKIT = re.findall(r"`netkit ([^`]+)`", SECTION)


@pytest.fixture(scope="module")
def iperf3() -> Iterator[int]:
    """The port of a server."""
    port = free_port()
    argv = [require_peer("iperf3"), "-s", "-B", "127.0.0.1", "-p", str(port), "--forceflush"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert any("listening" in line for line in server.stdout)
            yield port
        finally:
            server.terminate()


def test_there_are_rows() -> None:
    assert (len(IPERF3), len(NETKIT)) == (8, 11)


@pytest.mark.slow
@pytest.mark.parametrize("row", IPERF3)
def test_iperf3(row: str, iperf3: int) -> None:
    words = [
        "127.0.0.1" if word == "H" else str(iperf3) if word == "P" else word for word in shlex.split(row)
    ]
    if "-n" not in words:
        words += ["-t", "1"]
    done = subprocess.run(words, capture_output=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("row", NETKIT)
def test_netkit(row: str) -> None:
    words = shlex.split(row)
    if words[0] == "serve":
        with serving(*words[2:-1], "127.0.0.1:0", sockets=2) as server:
            code, _ = server.end()
        assert code == 0
        return
    with serving("127.0.0.1:0", sockets=2) as server:
        done = run_netkit(*(server.addr if word == "H:P" else word for word in words), stdin=bytes(100_000))
    assert done.exit_code == (7 if "--idle-timeout" in words else 0), done.stderr
