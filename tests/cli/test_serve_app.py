"""`netkit serve http --app`, by real processes: an application's start and end, and its threads."""

from __future__ import annotations

import select
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.helpers import netkit_argv, process_environment
from tests.cli.test_serve_http import ask, connected, serving
from tests.waiting import until

pytestmark = pytest.mark.once

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"

#: An application that writes down its start and its end, and has requests that do not end.
NOTES = """\
import asyncio, os, pathlib

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {startup}
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        {shutdown}
        pathlib.Path(f"ended-{{os.getpid()}}").touch()
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    pathlib.Path("asked").touch()
    if scope["path"] == "/forever":
        await asyncio.Event().wait()
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"hello"}})
"""


def write_notes(folder: Path, startup: str = "pass", shutdown: str = "pass") -> None:
    (folder / "notes.py").write_text(NOTES.format(startup=startup, shutdown=shutdown))


class TestCtrlC:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_the_application_has_its_shutdown(self, tmp_path: Path, workers: int) -> None:
        write_notes(tmp_path)
        with serving("--app", "notes:app", "--workers", str(workers), cwd=tmp_path) as server:
            assert ask(server).body == b"hello"
            assert server.end(signal.SIGINT)[0] == 130
        assert len(list(tmp_path.glob("ended-*"))) == workers

    def test_a_request_that_does_not_end_does_not_hinder_it(self, tmp_path: Path) -> None:
        write_notes(tmp_path)
        with serving("--app", "notes:app", cwd=tmp_path) as server, connected(server) as sock:
            sock.sendall(GET % b"forever")
            until((tmp_path / "asked").exists)
            assert server.end(signal.SIGINT)[0] == 130
        assert len(list(tmp_path.glob("ended-*"))) == 1

    def test_a_second_one_ends_at_once(self, tmp_path: Path) -> None:
        write_notes(tmp_path, shutdown="pathlib.Path('ending').touch(); await asyncio.Event().wait()")
        with serving("--app", "notes:app", cwd=tmp_path) as server:
            server.process.send_signal(signal.SIGINT)
            until((tmp_path / "ending").exists)
            server.process.send_signal(signal.SIGINT)
            _, stderr = server.process.communicate(timeout=20)
            assert server.process.returncode == 130
        assert b"has not ended" not in stderr, "the limit was waited for"


def test_requests_that_wait_for_a_thread_are_spoken_of_once(tmp_path: Path) -> None:
    (tmp_path / "hang.py").write_text(
        "import pathlib, threading\n"
        "def app(environ, start_response):\n"
        "    with open('asked', 'a') as file:\n"
        "        file.write('x')\n"
        "    threading.Event().wait()\n"
    )
    with (
        serving("--app", "hang:app", "--threads", "2", cwd=tmp_path) as server,
        connected(server) as first,
        connected(server) as second,
        connected(server) as third,
    ):
        for each in (first, second, third):
            each.sendall(GET % b"")
        stderr = server.process.stderr
        assert stderr is not None
        assert b"all 2 threads are taken" in stderr.readline()
        assert (tmp_path / "asked").read_text() == "xx"
        server.process.send_signal(signal.SIGINT)
        assert b"all 2 threads" not in server.process.communicate(timeout=20)[1]


def test_threads_are_for_an_application() -> None:
    done = subprocess.run(
        netkit_argv("serve", "http", "--threads", "2"), capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert b"--app" in done.stderr


def test_threads_are_not_for_asgi(tmp_path: Path) -> None:
    write_notes(tmp_path)
    argv = netkit_argv("serve", "http", "--app", "notes:app", "--threads", "2")
    done = subprocess.run(
        argv, cwd=tmp_path, env=process_environment(), capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert b"--threads is for a WSGI application" in done.stderr


class TestStart:
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_it_is_announced_when_the_application_has_started(self, tmp_path: Path, workers: str) -> None:
        write_notes(
            tmp_path,
            startup="pathlib.Path('starting').touch()\n"
            "        while not os.path.exists('go'): await asyncio.sleep(0.01)",
        )
        argv = netkit_argv("serve", "http", "--app", "notes:app", "--short", "--workers", workers)
        with subprocess.Popen(
            argv, cwd=tmp_path, env=process_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout is not None
                until((tmp_path / "starting").exists)
                assert not select.select([process.stdout], [], [], 0)[0]
                (tmp_path / "go").touch()
                assert process.stdout.readline().startswith(b"http://127.0.0.1:")
                process.terminate()
                assert process.wait(20) == 0
            finally:
                process.kill()

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_one_that_cannot_start_is_not_announced(self, tmp_path: Path, workers: str) -> None:
        write_notes(
            tmp_path,
            startup="await send({'type': 'lifespan.startup.failed', 'message': 'no database'}); return",
        )
        argv = netkit_argv("serve", "http", "--app", "notes:app", "--short", "--workers", workers)
        done = subprocess.run(
            argv, cwd=tmp_path, env=process_environment(), capture_output=True, timeout=20, check=False
        )
        assert (done.returncode, done.stdout) == (8, b"")
        assert b"no database" in done.stderr
