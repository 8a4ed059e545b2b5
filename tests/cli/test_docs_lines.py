"""Every shell line of README.md, docs/*.md and the help pages runs as it is written.

What a line needs beside `netkit demo --keep` is started here: for a server a client, and the proxies.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from time import monotonic
from typing import Any, NamedTuple

import pexpect
import pytest

from netkit.cli.frame.root import load
from netkit.cli.table import COMMANDS
from tests.cli.helpers import ROOT
from tests.cli.shell_lines import (
    INTERNET,
    PAGES,
    Cell,
    KeptDemo,
    Script,
    cells,
    end_group,
    kept_demo,
    scripts,
)
from tests.conftest import require_peer

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform != "linux", reason="network namespaces"),
]

SCRIPTS = [script for page in PAGES for script in scripts(page)]
CELLS = [cell for page in PAGES for cell in cells(page)]

#: Names and addresses that are nobody's (RFC 2606, 5737, 3849) or a group's, and files that the reader would
#: have: lines of the help pages with them are not run.
ELSEWHERE = re.compile(
    r"\bexample\b|\b192\.0\.2\.|2001:db8:|\b239\.|\bdb$"
    r"|(?<![/\w-])(?:hosts|lines|names|servers)\.txt|answer\.http|captured"
)

#: The command of a line that goes on until it is told to end.
SERVER = re.compile(
    r"netkit (?:\w+ listen|(?:serve|tcp|udp) echo|serve (?:dns|http|tls|ws)|ws server|demo --keep)\b"
)
#: What a client of such a server meets is no success.
REFUSES = re.compile(r"--(?:deny|drop|alert|speak|truncate)\b|--client-cert required")
#: What goes on after its input, since only the echo server could end it; and what shows the echo.
WAITS = re.compile(
    r"netkit tcp connect (?=.*(?:--on-eof keep|--recv-only|--proxy |--tls))(?!.*--idle-timeout)"
    r"(?!.*example)"
)
ECHOED = re.compile(r"netkit (?:tcp|unix) connect (?!.*(?:--send-only|--json|--hexdump|<))")
LISTENS = re.compile(
    r"(?:listening on|receiving on|listening\t\w+\t|\"local\": \")\s*\"?([^\s\",]+)"
    r"|^(?:(?:http|ws)s?://)?([\d.]+:\d+)/?$",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptDemo]:
    require_peer("jq")
    with kept_demo(tmp_path_factory.mktemp("docs")) as kept:
        yield kept


class Running(NamedTuple):
    """A server of a line, and where it listens."""

    process: subprocess.Popen[str]
    said: str
    local: str


def serve(kept: KeptDemo, line: str, stdin: str = "") -> Running:
    """Start a line that serves, and wait until it says where it listens."""
    process = kept.start(line)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(stdin)
    process.stdin.close()
    process.stdin = None
    said, streams, until = "", [process.stdout, process.stderr], monotonic() + 20
    while not (found := LISTENS.search(said)):
        ready, _, _ = select.select(streams, [], [], max(0.0, until - monotonic()))
        # Not through the stream's own buffer, in which select sees nothing.
        pieces = [os.read(stream.fileno(), 65536).decode() for stream in ready]
        streams = [stream for stream in streams if stream not in ready or pieces[ready.index(stream)]]
        said += "".join(pieces)
        if not streams or not ready:
            end_group(process)
            pytest.fail(f"{line}: it never listened: {said}")
    return Running(process, said, found[1] or found[2])


def terminate(process: subprocess.Popen[str]) -> None:
    """SIGTERM, to the shell and to the command that it waits for."""
    os.killpg(process.pid, signal.SIGTERM)


def client_of(line: str, local: str) -> str:
    """A line that talks to the server of `line`: by curl where it can, which starts in no time."""
    if "udp" in line.split()[1:3] or "--udp" in line:
        return f"netkit udp send --data 'hello\n' {local}"
    if "serve http" in line:
        scheme = "https" if "--tls" in line else "http"
        local = local.replace("0.0.0.0", "127.0.0.1").replace("[::]", "127.0.0.1")
        return f"{require_peer('curl')} --insecure --silent --output /dev/null --user ann:secret {scheme}://{local}/"
    if "serve tls" in line:
        if "--echo" in line:
            return f"netkit tcp connect --tls --insecure -N {local}"
        return f"netkit http fetch --insecure --min-version 1.0 -q -o /dev/null https://{local}/"
    if "ws" in line.split()[1:3]:
        url = f"{'wss' if '--tls' in line else 'ws'}://{local.replace('0.0.0.0', '127.0.0.1')}"
        path = "/chat" if "--path /chat" in line else "/"
        return f"netkit ws client --insecure --quiet-time 0.3 {url}{path} hello"
    if "serve dns" in line:
        return f"netkit dig @127.0.0.1 -p {local.rpartition(':')[2]} demo.test SOA"
    if "unix" in line:
        return f"netkit unix connect {local}"
    local = local.replace("0.0.0.0", "127.0.0.1").replace("[::]", "127.0.0.1")
    options = " --tls --insecure -N" if "--tls" in line else ""
    options += " --proxy-protocol v2" if "--proxy-protocol" in line else ""
    return f"netkit tcp connect{options} {local}"


def check_server(kept: KeptDemo, line: str) -> None:
    """It serves one client, and ends by itself (one connection) or by SIGTERM."""
    running = serve(kept, line)
    process = running.process
    try:
        client = kept.run(client_of(line, running.local), "hello\n")
        if not REFUSES.search(line):
            assert client.returncode == 0, (running.said, client)
        shows = " listen" in line and not re.search("--exec|--deny|--json|--hexdump|--send-only|>", line)
        # What came is shown some time after it was sent: the client may have ended before.
        assert process.stdout is not None
        shown = process.stdout.readline() if shows else ""
        by_itself = " listen" in line and not re.search(r" -k| --deny| udp listen", line)
        if not by_itself and "--count" not in line and "--idle-timeout" not in line:
            terminate(process)
        stdout, stderr = process.communicate(timeout=20)
        assert process.returncode in ((0,) if by_itself else (0, 143, -15)), (stdout, stderr)
        if shows:
            assert shown + stdout == "hello\n"
    finally:
        end_group(process)


def check(kept: KeptDemo, line: str) -> None:
    """It ends in 0, or does as a server does."""
    if SERVER.search(line):
        check_server(kept, line)
        return
    if WAITS.search(line):
        check_waiting(kept, line)
        return
    done = kept.run(line, "hello\n")
    assert done.returncode == 0, done
    if ECHOED.search(line):
        assert done.stdout.endswith("hello\n"), done


def check_waiting(kept: KeptDemo, line: str) -> None:
    """It shows the echo of its input, if it sends any, and goes on until it is told to end."""
    process = kept.start(line)
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write("hello\n")
        process.stdin.close()
        process.stdin = None
        if "--recv-only" in line:
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(timeout=1)
        else:
            assert process.stdout.readline() == "hello\n"
        terminate(process)
        process.communicate(timeout=20)
        assert process.returncode in (143, -15)
    finally:
        end_group(process)


# -- blocks


def test_there_are_some() -> None:
    assert {script.page for script in SCRIPTS} >= {"README.md", "json.md"}
    assert len(CELLS) > 60


@pytest.mark.parametrize("script", [each for each in SCRIPTS if each.kind == "sh"], ids=str)
def test_a_script(kept: KeptDemo, script: Script) -> None:
    done = kept.run(f"set -e\n{script.text}", timeout=50)
    assert done.returncode == 0, done
    if script.shown is not None:
        assert done.stdout == script.shown


#: What is another each time, or elsewhere: serial numbers, fingerprints, pins, dates, times, sizes, versions.
VARIES = re.compile(
    r"(?:[0-9A-F]{2}:){9,}[0-9A-F]{2}|\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b|[A-Za-z0-9+/]{43}="
    r"|\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\dZ)?|[\d.]+ ms|[\d,]+ (?:sent|received)|OpenSSL \d[\w. ]* \d{4}"
)


def normal(text: str) -> str:
    """A terminal's text without what varies, and without how it was wrapped and padded for that."""
    return VARIES.sub("~", " ".join(text.split()))


@pytest.mark.parametrize("script", [each for each in SCRIPTS if each.kind == "console"], ids=str)
def test_a_console(kept: KeptDemo, script: Script) -> None:
    """Each line shows what the page has, on a terminal of 80 columns."""
    status: int | None = 0
    environment: Any = kept.environment
    for typed, shown in script.commands:
        program, *args = kept.argv(f"(exit {status}); {typed}")
        child = pexpect.spawn(
            program,
            args,
            cwd=kept.folder,
            env=environment,
            dimensions=(100, 80),
            encoding="utf-8",
            timeout=30,
        )
        said = child.read()
        child.close()
        status = child.exitstatus
        assert normal(said) == normal(shown)


# -- tables


@pytest.fixture(scope="module")
def proxies(kept: KeptDemo) -> Iterator[None]:
    """At the ports that the page names."""
    socks, http = require_peer("microsocks"), require_peer("tinyproxy")
    config = kept.folder / "tinyproxy.conf"
    config.write_text("Port 3128\nListen 127.0.0.1\nConnectPort 7007\nLogLevel Error\n")
    lines = [
        f"exec {socks} -i 127.0.0.1 -p 1080",
        f"exec {socks} -i 127.0.0.1 -p 1081 -u USER -P PW",
        f"exec {http} -d -c {config}",
    ]
    started = [kept.start(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for line in lines]
    try:
        for port in (1080, 1081, 3128):
            until = monotonic() + 10
            while kept.run(f"netkit tcp ping -q -c 1 127.0.0.1:{port}").returncode:
                assert monotonic() < until, f"nobody listens at port {port}"
        yield
    finally:
        for each in started:
            end_group(each)


@pytest.fixture(scope="module")
def mail(kept: KeptDemo) -> Iterator[None]:
    """A server that begins TLS when it is asked to, at the port that the page names."""
    identity = "netkit-demo/cert.pem netkit-demo/key.pem"
    line = f"PYTHONPATH={ROOT} exec {sys.executable} -m tests.cli.mail_server 2525 {identity}"
    process = kept.start(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = monotonic() + 10
        while kept.run("netkit tcp ping -q -c 1 127.0.0.1:2525").returncode:
            assert monotonic() < until, "nobody listens at port 2525"
        yield
    finally:
        end_group(process)


#: Tables whose rows are two lines: a server, and its client.
PAIRS = {
    first.purpose: (first, second) for first, second in pairwise(CELLS) if first.purpose == second.purpose
}
ALONE = [cell for cell in CELLS if cell.purpose not in PAIRS]


@pytest.mark.parametrize("cell", ALONE, ids=str)
def test_a_cell(kept: KeptDemo, cell: Cell, request: pytest.FixtureRequest) -> None:
    if "--proxy " in cell.text:
        request.getfixturevalue("proxies")
    if "--starttls " in cell.text:
        request.getfixturevalue("mail")
    check(kept, cell.text)


@pytest.mark.parametrize("purpose", PAIRS)
def test_two_cells(kept: KeptDemo, purpose: str) -> None:
    """The first is a server, the second its client. What is transferred is a file, into one called `got`."""
    first, second = (cell.text for cell in PAIRS[purpose])
    for left in ("got", "back"):
        (kept.folder / left).unlink(missing_ok=True)
    if not SERVER.search(first):
        first, second = second, first
    running = serve(kept, first)
    try:
        done = kept.run(second, "hello\n")
        assert done.returncode == 0, done
        if " -k" in first:
            terminate(running.process)
        stdout, stderr = running.process.communicate(timeout=20)
        assert running.process.returncode in (0, -15), stderr
    finally:
        end_group(running.process)
    if "got" in first + second:
        assert (kept.folder / "got").read_bytes() == (kept.folder / "netkit-demo" / "names.txt").read_bytes()
    else:
        assert stdout == "hello\n"


# -- help pages

EXAMPLES = [
    (entry.path, line.removeprefix("$ "))
    for entry in COMMANDS
    for line in load(entry).doc.examples
    if line.startswith("$ ") and not ELSEWHERE.search(line)
]


def test_most_examples_are_run() -> None:
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize(("path", "line"), EXAMPLES, ids=lambda value: value)
def test_an_example_of_a_help_page(kept: KeptDemo, path: str, line: str) -> None:
    assert INTERNET not in line
    if line.endswith("&"):
        check_background(kept, line)
    elif line == "netkit demo --keep":
        assert kept.listening  # this is what runs here
    elif line.startswith("netkit demo"):
        check_demo(kept, line)
    elif line.endswith(" 8000-"):
        check(kept, f"{line}8100")  # 57,000 ports; tests/measure/test_scan.py has ranges without an end
    elif "--upgrade" in line:
        before = serve(kept, line.replace("--upgrade", "127.0.0.1:9017"))
        try:
            check_server(kept, line)
        finally:
            end_group(before.process)
    else:
        check(kept, line)


def check_demo(kept: KeptDemo, line: str) -> None:
    """Its steps are those that `netkit demo --keep` began with; what a pipe does with them runs here.

    tests/cli/test_demo.py runs `netkit demo` itself, on a terminal and with --json.
    """
    assert [row["exit_code"] for row in kept.steps] == [row["expected_exit_code"] for row in kept.steps]
    demo, _, filtered = line.partition(" | ")
    assert demo in ("netkit demo", "netkit demo --json")
    if filtered:
        done = kept.run(filtered, "".join(f"{json.dumps(row)}\n" for row in kept.steps))
        assert (done.returncode, done.stdout.count("\n")) == (0, len(kept.steps)), done


def check_background(kept: KeptDemo, line: str) -> None:
    """A script waits for the file into which the server in the background writes where it listens."""
    process = kept.start(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert process.wait(20) == 0
        script = "until [ -s address.txt ]; do :; done; netkit tcp connect $(cat address.txt)"
        assert kept.run(script, "hello\n").stdout == "hello\n"
    finally:
        end_group(process)
