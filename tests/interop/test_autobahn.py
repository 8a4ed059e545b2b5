"""netkit's WebSocket against the Autobahn test suite: 517 cases, as server and as client.

Where the suite is built, this runs the cases of its categories 1 to 7 and 10: framing, pings, reserved bits,
opcodes, fragments, UTF-8, closing. .ci/run builds it where there is a Python 2.7. `make autobahn` builds it
and runs all of them, the limits, the speed and the compression too, which takes some minutes.

Every case must be OK or INFORMATIONAL; NON-STRICT will not do.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from netkit.io import Flow
from netkit.websocket import DeflateConfig, WebSocketConfig, WebSocketError
from netkit.websocket.client import connect
from netkit.websocket.server import ServerWebSocket, WebSocketHandler
from tests.conftest import absent, free_port
from tests.http.server.serving import Serving
from tests.waiting import until_connected

#: Whether all cases run, or those that take seconds.
ALL = os.environ.get("NETKIT_AUTOBAHN") == "all"
CASES = ["*"] if ALL else ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
COUNT = 517 if ALL else 247

#: How long all cases may take together, in seconds.
TIME = 3600 if ALL else 120

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(TIME)]

TOOL = Path(__file__).parents[2] / "tools" / "autobahn.sh"
CONFIG = WebSocketConfig(deflate=DeflateConfig(min_size=0))
GOOD = {"OK", "INFORMATIONAL"}


@cache
def wstest() -> str:
    """The suite's program; skips the test where it is not built."""
    done = subprocess.run([TOOL, "--look"], capture_output=True, text=True, check=False)
    if done.returncode:
        absent(done.stderr.strip().rpartition("netkit: ")[2], "NETKIT_REQUIRE_AUTOBAHN")
    return done.stdout.strip()


class Echo:
    """Sends every message back."""

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        while True:
            message = yield from ws.receive_flow()
            yield from ws.send_flow(message)


def started(path: Path, mode: str, spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    """The suite, with its report in `path`."""
    program = wstest()
    file = path / "spec.json"
    file.write_text(
        json.dumps(
            {"outdir": str(path), "cases": CASES, "exclude-cases": [], "exclude-agent-cases": {}} | spec
        )
    )
    log = (path / "log").open("wb")
    with log:
        return subprocess.Popen(
            [program, "-m", mode, "-s", str(file), "-u", "0"], stdout=log, stderr=log, cwd=path
        )


def check(path: Path) -> None:
    """Every case ran, and none was worse than it should."""
    (cases,) = json.loads((path / "index.json").read_text()).values()
    bad = {
        name: (each["behavior"], each["behaviorClose"])
        for name, each in cases.items()
        if each["behavior"] not in GOOD or each["behaviorClose"] not in GOOD
    }
    assert not bad
    assert len(cases) == COUNT


@pytest.mark.parametrize("form", ["blocking"] if ALL else ["blocking", "async"])
def test_server(tmp_path: Path, form: str) -> None:
    with Serving(WebSocketHandler(Echo(), config=CONFIG), form=form) as served:
        url = f"ws://127.0.0.1:{served.at[1]}"
        suite = started(tmp_path, "fuzzingclient", {"servers": [{"agent": "netkit", "url": url}]})
        try:
            assert suite.wait(TIME) == 0, (tmp_path / "log").read_text()
        finally:
            suite.kill()
            suite.wait()
    check(tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The suite as a server."""
    wstest()
    port = free_port()
    suite = started(tmp_path, "fuzzingserver", {"url": f"ws://127.0.0.1:{port}"})
    try:
        until_connected(port, suite).close()
        yield f"ws://127.0.0.1:{port}"
    finally:
        suite.kill()
        suite.wait()


def test_client(tmp_path: Path, site: str) -> None:
    with connect(f"{site}/getCaseCount") as ws:
        count = int(ws.receive())
    assert count == COUNT
    for number in range(1, count + 1):
        ws = connect(f"{site}/runCase?case={number}&agent=netkit", config=CONFIG)
        try:
            while True:
                ws.send(ws.receive())
        except WebSocketError:
            pass
        finally:
            ws.close()
    with connect(f"{site}/updateReports?agent=netkit") as ws, pytest.raises(WebSocketError.ConnectionClosed):
        ws.receive()
    check(tmp_path)
