"""netkit's HTTP server over HTTP/2 beside others: 13 octets, by h2load, 8 connections of 32 streams.

Every server is one process on one core, h2load has the other. All kinds run in every round, one after the
other, so that what slows the machine slows them all. What counts is CPU per request, and its ratio to the
first kind, in the same round; requests a second are beside it. All figures are medians of the rounds.

    python benchmarks/h2_server.py [KIND ...] [--rounds 5] [--count 20000]

netkit: a blocking handler with `threads=0`, with Request and Response objects. netkit_pure: the same with the
Python twins, so with python-hyper's h2. netkit_async: an async handler under uvloop. The peers are nginx and
h2load (`make peers`), and hypercorn, of the tests' dependencies; one that is missing is said to be.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from http_server import cpu_of, free_port, on_core, running

BODY = b"Hello, World!"

#: How a kind is shown.
LINE = "  {kind:14} CPU {spent:6.1f} us a request   {ratio:5.2f} x the first   {rate:8.0f}/s"

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; default_type text/plain; sendfile on;
  server {{ listen 127.0.0.1:{port} http2; root {folder}; }}
}}
"""


def netkit(port: int) -> None:
    from netkit.http.message import Request, Response
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.server import HttpServer
    from netkit.net.tcp import TcpListener

    class Hello:
        def handle(self, _request: Request) -> Response:
            return Response(200, headers={"Content-Type": "text/plain"}, body=BODY)

    HttpServer(Hello(), ServerConfig(threads=0)).run([TcpListener.bind(f"127.0.0.1:{port}")])


def netkit_pure(port: int) -> None:
    os.environ["NETKIT_PURE"] = "1"
    netkit(port)


def netkit_async(port: int) -> None:
    import uvloop

    from netkit.http.message import Request, Response
    from netkit.http.server.server import HttpServer
    from netkit.net.tcp import TcpListener

    class Hello:
        async def handle_async(self, _request: Request) -> Response:
            return Response(200, headers={"Content-Type": "text/plain"}, body=BODY)

    uvloop.run(HttpServer(Hello()).run_async([TcpListener.bind(f"127.0.0.1:{port}")]))


Message = Mapping[str, object]


async def asgi(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """An ASGI application."""
    while scope["type"] == "lifespan":
        said = (await receive())["type"]
        await send({"type": f"{said}.complete"})
        if said == "lifespan.shutdown":
            return
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": BODY})


def hypercorn(port: int) -> None:
    config = Path(tempfile.mkdtemp()) / "hypercorn.toml"
    # It would end a connection after 1,000 requests.
    config.write_text('loglevel = "critical"\nkeep_alive_max_requests = 100000000\n')
    arguments = ["--bind", f"127.0.0.1:{port}", "--worker-class", "uvloop", "--config", str(config)]
    os.chdir(Path(__file__).parent)
    os.execv(sys.executable, [sys.executable, "-m", "hypercorn", *arguments, "h2_server:asgi"])


def nginx(port: int) -> None:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "index.html").write_bytes(BODY)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    os.execv(program, [program, "-c", str(folder / "nginx.conf")])


KINDS: dict[str, Callable[[int], None]] = {
    each.__name__: each for each in (netkit, netkit_async, netkit_pure, nginx, hypercorn)
}


class Figures(NamedTuple):
    """Of one kind in one round: requests a second, and microseconds of CPU for each."""

    rate: float
    spent: float


def measure(kind: str, count: int) -> Figures:
    """Run a kind once. Raises RuntimeError where a request failed."""
    port = free_port()
    command = [*on_core(0), "h2load", "-c8", "-m32", f"http://127.0.0.1:{port}/"]
    server = [sys.executable, "-W", "ignore", __file__, "--serve", kind, str(port)]
    with running(server, port) as group:
        subprocess.run([*command, f"-n{count // 10}"], check=True, stdout=subprocess.DEVNULL)
        before = cpu_of(group)
        done = subprocess.run([*command, f"-n{count}"], check=True, capture_output=True, text=True)
        spent = cpu_of(group) - before
    if f"{count} succeeded" not in done.stdout:
        raise RuntimeError("not every request succeeded")
    rate = re.search(r"([\d.]+) req/s", done.stdout)
    assert rate is not None
    return Figures(float(rate[1]), spent / count * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000)
    options = parser.parse_args()
    found: dict[str, list[Figures]] = {kind: [] for kind in options.kinds}
    missing: dict[str, str] = {}
    for _ in range(options.rounds):
        for kind, rounds in found.items():
            if kind not in missing:
                try:
                    rounds.append(measure(kind, options.count))
                except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                    missing[kind] = str(error)
    first = next(iter(found.values()))
    for kind, rounds in found.items():
        if not rounds:
            print(f"  {kind:14} not measured: {missing[kind]}")
            continue
        ratio = median(each.spent / ours.spent for each, ours in zip(rounds, first, strict=False))
        spent, rate = median(each.spent for each in rounds), median(each.rate for each in rounds)
        print(LINE.format(kind=kind, spent=spent, ratio=ratio, rate=rate))
    print("load average: " + " ".join(f"{each:.2f}" for each in os.getloadavg()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        KINDS[sys.argv[2]](int(sys.argv[3]))
    else:
        main()
