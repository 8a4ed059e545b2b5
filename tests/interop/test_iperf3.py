"""docs/netcat.md, section Measuring: its lines for iperf3 run. tests/cli/test_docs_lines.py runs netkit's."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port, require_peer
from tests.waiting import until

# None of this uses a twin.
pytestmark = pytest.mark.once

PAGE = (Path(__file__).parents[2] / "docs" / "netcat.md").read_text("utf-8")
SECTION = PAGE.partition("## Measuring\n")[2].partition("\n## ")[0]
IPERF3 = re.findall(r"`(iperf3 -c [^`]+)`", SECTION)


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
    assert len(IPERF3) == 8


@pytest.mark.slow
@pytest.mark.parametrize("row", IPERF3)
def test_iperf3(row: str, iperf3: int) -> None:
    words = [
        "127.0.0.1" if word == "H" else str(iperf3) if word == "P" else word for word in shlex.split(row)
    ]
    if "-n" not in words:
        words += ["-t", "1"]

    results: list[subprocess.CompletedProcess[bytes]] = []

    def is_free() -> bool:
        results.append(subprocess.run(words, capture_output=True, timeout=50, check=False))
        return b"server is busy" not in results[-1].stdout + results[-1].stderr

    # The server is busy for a moment after its last client has left.
    until(is_free, "a server that is free")
    assert results[-1].returncode == 0, results[-1]
