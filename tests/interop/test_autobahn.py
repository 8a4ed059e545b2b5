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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

#: How many cases may be run once more.
MOST_AGAIN = 3

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(TIME)]

TOOL = Path(__file__).parents[2] / "tools" / "autobahn.sh"
CONFIG = WebSocketConfig(deflate=DeflateConfig(min_size=0))
GOOD = {"OK", "INFORMATIONAL"}
CLOSED = WebSocketError.ConnectionClosed


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
    file.write_text(json.dumps({"outdir": str(path), "exclude-cases": [], "exclude-agent-cases": {}} | spec))
    log = (path / "log").open("wb")
    with log:
        return subprocess.Popen(
            [program, "-m", mode, "-s", str(file), "-u", "0"], stdout=log, stderr=log, cwd=path
        )


#: Cases that were worse than they should be: how they went, and how the connection ended.
Faults = dict[str, tuple[str, str]]


def faults(path: Path, count: int) -> Faults:
    """What the report says; all cases must have run."""
    (cases,) = json.loads((path / "index.json").read_text()).values()
    assert len(cases) == count
    return {
        name: (each["behavior"], each["behaviorClose"])
        for name, each in cases.items()
        if each["behavior"] not in GOOD or each["behaviorClose"] not in GOOD
    }


def check(path: Path, run: Callable[[Path, list[str], int], Faults]) -> None:
    """No case fails. Some may be run once more, alone: the suite gives a connection a second to end, which is
    little beside other tests, and a real fault is there the second time too."""
    (first := path / "first").mkdir()
    bad = run(first, CASES, COUNT)
    assert len(bad) <= MOST_AGAIN, bad
    if bad:
        (again := path / "again").mkdir()
        assert not run(again, [*bad], len(bad)), bad


@pytest.mark.parametrize("form", ["blocking"] if ALL else ["blocking", "async"])
def test_server(tmp_path: Path, form: str) -> None:
    def run(path: Path, cases: list[str], count: int) -> Faults:
        with Serving(WebSocketHandler(Echo(), config=CONFIG), form=form) as served:
            url = f"ws://127.0.0.1:{served.at[1]}"
            spec = {"servers": [{"agent": "netkit", "url": url}], "cases": cases}
            suite = started(path, "fuzzingclient", spec)
            try:
                assert suite.wait(TIME) == 0, (path / "log").read_text()
            finally:
                suite.kill()
                suite.wait()
        return faults(path, count)

    check(tmp_path, run)


@contextmanager
def site(path: Path, cases: list[str]) -> Iterator[str]:
    """The suite as a server."""
    port = free_port()
    suite = started(path, "fuzzingserver", {"url": f"ws://127.0.0.1:{port}", "cases": cases})
    try:
        until_connected(port, suite).close()
        yield f"ws://127.0.0.1:{port}"
    finally:
        suite.kill()
        suite.wait()


def test_client(tmp_path: Path) -> None:
    def run(path: Path, cases: list[str], count: int) -> Faults:
        with site(path, cases) as url:
            with connect(f"{url}/getCaseCount") as ws:
                assert int(ws.receive()) == count
            for number in range(1, count + 1):
                echo_until_the_end(f"{url}/runCase?case={number}&agent=netkit")
            with connect(f"{url}/updateReports?agent=netkit") as ws, pytest.raises(CLOSED):
                ws.receive()
        return faults(path, count)

    check(tmp_path, run)


def echo_until_the_end(url: str) -> None:
    ws = connect(url, config=CONFIG)
    try:
        while True:
            ws.send(ws.receive())
    except WebSocketError:
        pass
    finally:
        ws.close()
