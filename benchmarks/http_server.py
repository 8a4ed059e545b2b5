"""netkit's HTTP server beside others: a response of 13 octets to 64 connections, by wrk.

Every server is a process on one core, wrk has the other. All kinds run in every round, one after the other,
so that what slows the machine slows them all. What counts is CPU per request, of all processes of the server,
and its ratio to that of netkit's loop; requests a second are beside it.

    python benchmarks/http_server.py [KIND ...] [--rounds 5] [--seconds 3] [--connections 64]

netkit_loop: a blocking handler with `threads=0`. netkit_flow: the same without the loop, so a flow for each
connection, as with TLS. netkit_handler: one of flows. netkit_threads: the default of a blocking handler.
netkit_async: an async handler under uvloop. With `_pure`, the Python twin. All of them have Request and
Response objects. The peers are those of the dependency group `bench` (`pip install --group bench`), nginx
and Go (`make peers`); one that is missing is said to be.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import sleep

BODY = b"Hello, World!"
TYPE = {"Content-Type": "text/plain"}

#: How a kind is shown.
LINE = "CPU {spent:6.1f} us a request   {ratio:5.2f} x the first   {rate:8.0f}/s"

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; default_type text/plain; sendfile on;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""

GO = """package main

import (
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 2 {
		http.Handle("/", http.FileServer(http.Dir(os.Args[2])))
	} else {
		body := []byte("Hello, World!")
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Write(body)
		})
	}
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
"""


# netkit


def netkit_loop(port: int, threads: int = 0) -> None:
    from netkit.http import Request, Response
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.server import HttpServer
    from netkit.net.tcp import TcpListener

    class Hello:
        def handle(self, _request: Request) -> Response:
            return Response(200, headers={"Content-Type": "text/plain"}, body=BODY)

    HttpServer(Hello(), ServerConfig(threads=threads)).run([TcpListener.bind(f"127.0.0.1:{port}")])


def netkit_flow(port: int) -> None:
    from netkit.http.server.h1.loop import HttpLoop

    HttpLoop.available = False
    netkit_loop(port)


def netkit_handler(port: int) -> None:
    from netkit.http import Response
    from netkit.http.server.exchange import Exchange
    from netkit.http.server.server import HttpServer
    from netkit.io import Flow
    from netkit.net.tcp import TcpListener

    class Hello:
        def handle_flow(self, exchange: Exchange) -> Flow[None]:
            assert exchange.request.path == "/"
            yield from exchange.respond_flow(Response(200, headers=TYPE, body=BODY))

    HttpServer(Hello()).run([TcpListener.bind(f"127.0.0.1:{port}")])


def netkit_threads(port: int) -> None:
    netkit_loop(port, 32)


def netkit_async(port: int) -> None:
    import uvloop

    from netkit.http import Request, Response
    from netkit.http.server.server import HttpServer
    from netkit.net.tcp import TcpListener

    class Hello:
        async def handle_async(self, _request: Request) -> Response:
            return Response(200, headers={"Content-Type": "text/plain"}, body=BODY)

    uvloop.run(HttpServer(Hello()).run_async([TcpListener.bind(f"127.0.0.1:{port}")]))


# The peers


async def asgi(
    scope: dict[str, object], receive: Callable[[], object], send: Callable[[object], object]
) -> None:
    """An ASGI application, for uvicorn and granian."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()  # type: ignore[misc]
            await send({"type": f"{message['type']}.complete"})  # type: ignore[misc]
            if message["type"] == "lifespan.shutdown":
                return
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})  # type: ignore[misc]
    await send({"type": "http.response.body", "body": BODY})  # type: ignore[misc]


def uvicorn(port: int) -> None:
    import uvicorn as server

    server.run(
        asgi, port=port, log_level="critical", access_log=False, http="httptools", loop="uvloop", ws="none"
    )


def granian(port: int) -> None:
    program = Path(sys.executable).parent / "granian"
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    arguments = ["--interface", "asgi", "--port", str(port), "--no-ws", "--log-level", "critical"]
    os.execv(program, [str(program), *arguments, "http_server:asgi"])


def aiohttp(port: int) -> None:
    import uvloop
    from aiohttp import web

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(body=BODY, content_type="text/plain")

    uvloop.install()
    application = web.Application()
    application.router.add_get("/", hello)
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None)


def nginx(port: int) -> None:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "index.html").write_bytes(BODY)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    os.execv(program, [program, "-c", str(folder / "nginx.conf")])


def go(port: int) -> None:
    program = os.environ["GO_SERVER"]
    os.execv(program, [program, str(port)])


KINDS: dict[str, Callable[[int], None]] = {
    each.__name__: each
    for each in (
        netkit_loop,
        netkit_flow,
        netkit_handler,
        netkit_threads,
        netkit_async,
        go,
        nginx,
        granian,
        uvicorn,
        aiohttp,
    )
}


def on_core(core: int) -> list[str]:
    """The prefix of a command that is to run on that core."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        return []
    return ["taskset", "-c", str(core)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def cpu_of(group: int) -> float:
    """Seconds of CPU of all threads of the processes of that process group."""
    spent = 0
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                if int((each / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                    spent += sum(int(task.read_text().split()[0]) for task in each.glob("task/*/schedstat"))
            except OSError:
                continue  # it has just ended
    return spent / 1e9


@contextmanager
def running(command: list[str], port: int, pure: bool = False) -> Iterator[int]:
    """A server on core 1, in a process group of its own. Raises RuntimeError with what it said if it ends."""
    environment = {**os.environ, "GOMAXPROCS": "1", **({"NETKIT_PURE": "1"} if pure else {})}
    process = subprocess.Popen(
        [*on_core(1), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        for _ in range(300):
            if process.poll() is not None:
                said = process.stderr.read().decode(errors="replace").strip().splitlines()
                raise RuntimeError(said[-1] if said else "it ended")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                sleep(0.05)
        yield process.pid
    finally:
        for each in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, each)
                process.wait(2)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        process.stderr.close()


def measure(kind: str, seconds: int, connections: int) -> tuple[float, float]:
    """Requests a second, and microseconds of CPU for each."""
    port = free_port()
    name, pure = kind.removesuffix("_pure"), kind.endswith("_pure")
    with running([sys.executable, "-W", "ignore", __file__, "--serve", name, str(port)], port, pure) as group:
        command = ["wrk", "-t1", f"-c{connections}", f"http://127.0.0.1:{port}/"]
        subprocess.run([*on_core(0), *command, "-d1s"], check=True, stdout=subprocess.DEVNULL)
        before = cpu_of(group)
        done = subprocess.run(
            [*on_core(0), *command, f"-d{seconds}s"], check=True, capture_output=True, text=True
        )
        spent = cpu_of(group) - before
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError("errors: " + done.stdout.strip().splitlines()[-3].strip())
    requests = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    assert requests is not None
    assert rate is not None
    return float(rate[1]), spent / int(requests[1]) * 1e6


@contextmanager
def go_server() -> Iterator[None]:
    """Go's server, built."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.go").write_text(GO)
        os.environ["GO_SERVER"] = f"{folder}/server"
        if shutil.which("go") is not None:
            command = ["go", "build", "-o", f"{folder}/server", f"{folder}/main.go"]
            subprocess.run(command, check=True, cwd=folder)
        yield


def show(found: dict[str, list[tuple[float, float]]], missing: dict[str, str], line: str) -> None:
    ours = next((each for each in found.values() if each), [])
    for kind, rounds in found.items():
        if not rounds:
            print(f"  {kind:20} not measured: {missing.get(kind)}")
            continue
        rate, spent = (median(each[at] for each in rounds) for at in (0, 1))
        ratio = spent / median(each[1] for each in ours)
        print(f"  {kind:20} " + line.format(spent=spent, ratio=ratio, rate=rate))


def load() -> str:
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def rounds(
    kinds: Iterable[str], count: int, once: Callable[[str], tuple[float, float]], line: str = LINE
) -> None:
    """Run every kind in each round, and print the medians of its rate and its cost."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    missing: dict[str, str] = {}
    print(f"load average before: {load()}")
    for _ in range(count):
        for kind, measured in found.items():
            if kind in missing:
                continue
            try:
                measured.append(once(kind))
            except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                missing[kind] = str(error)
    show(found, missing, line)
    print(f"load average after: {load()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=["netkit_loop", "netkit_loop_pure", *list(KINDS)[1:]])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with go_server():
        rounds(
            options.kinds,
            options.rounds,
            lambda kind: measure(kind, options.seconds, options.connections),
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        KINDS[sys.argv[2]](int(sys.argv[3]))
    else:
        main()
