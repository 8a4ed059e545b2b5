"""What early data saves: GETs over new connections to a server that is far away, netkit's beside nginx.

The server is behind a relay that delays what goes through it; connecting itself takes no time. Each GET has
a connection of its own, which resumes a session; the request goes after the handshake, or as early data. The
server waits for the client's Finished, or answers before it (0.5-RTT), as nginx does.

    python benchmarks/early_data.py [--delay 25] [--count 15]

nginx is left out where it is not here (`make peers`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from netkit.http import Client, ClientConfig, DialConfig, HttpVersions, PoolConfig, Response
from netkit.http.protocols import HttpHandler
from netkit.http.server.request import ServerRequest
from netkit.http.server.server import HttpServer
from netkit.net import TcpListener
from netkit.serve.stop import Stop
from netkit.tls import Certificate, PrivateKey, TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
{user}
events {{}}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    ssl_protocols TLSv1.3; ssl_early_data on; ssl_session_cache builtin;
    location / {{ return 200 "hello"; }}
  }}
}}
"""


class Hello(HttpHandler):
    """Says hello."""

    def handle(self, request: ServerRequest) -> Response:  # type: ignore[override]  # a server's gets no other
        del request
        return Response(200, body=b"hello")


@contextmanager
def netkit_server(certificate: Certificate, key: PrivateKey, *, half_rtt: bool) -> Iterator[int]:
    """The port of netkit's server."""
    config = TlsConfig.server().with_identity(certificate, key)
    tls = config.replace(max_early_data=16_384, half_rtt=half_rtt, backend="rustls")
    listener = TcpListener.bind("127.0.0.1:0")
    port, stop = listener.local_addr.port, Stop()
    thread = threading.Thread(
        target=HttpServer(Hello(), tls=tls).run, args=([listener],), kwargs={"stop": stop}
    )
    thread.start()
    try:
        yield port
    finally:
        stop.set()
        thread.join()


@contextmanager
def nginx_server(certificate: Certificate, key: PrivateKey) -> Iterator[int]:
    """The port of nginx."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        (Path(folder) / "cert.pem").write_text(certificate.to_pem())
        (Path(folder) / "key.pem").write_text(key.to_pem())
        user = "user root;" if os.geteuid() == 0 else ""
        (Path(folder) / "conf").write_text(NGINX.format(folder=folder, port=port, user=user))
        line = ["nginx", "-p", folder, "-e", "stderr", "-c", f"{folder}/conf"]
        with subprocess.Popen(line, stderr=subprocess.DEVNULL) as process:
            try:
                until_it_listens(port)
                yield port
            finally:
                process.terminate()


def until_it_listens(port: int) -> None:
    """Until something listens at a port."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return


@contextmanager
def relay(to: int, delay: float) -> Iterator[int]:
    """The port of a relay to another port, through which everything takes `delay` seconds each way."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        now = asyncio.get_running_loop().time

        async def send() -> None:
            while True:
                moment, data = await due.get()
                await asyncio.sleep(moment - now())
                if not data:
                    writer.close()
                    return
                writer.write(data)

        sending = asyncio.create_task(send())
        data = b"x"
        while data:
            try:
                data = await reader.read(65_536)
            except ConnectionError:
                data = b""
            due.put_nowait((now() + delay, data))
        await sending

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", to)
        try:
            await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))
        except asyncio.CancelledError:
            there[1].close()  # the relay ends first

    async def serve() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.to_thread(over.wait)
        server.close()

    port: list[int] = []
    ready, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield port[0]
    finally:
        over.set()
        thread.join()


def times(port: int, root: Certificate, count: int, *, early: bool) -> tuple[float, int]:
    """The median of so many GETs in milliseconds, and how many connections were made for them."""
    config = TlsConfig.client().with_root_certs([root])
    dial = DialConfig(HttpVersions.HTTP11, config, early_data=early)
    found: list[float] = []
    made = 0
    with Client(ClientConfig(pool_config=PoolConfig(idle_timeout=0.0)), dial=dial) as client:
        while len(found) < count:
            begun = perf_counter()
            answer = client.get(f"https://localhost:{port}/")
            elapsed = perf_counter() - begun
            assert answer.body == b"hello"
            made += 1
            tls = answer.connection
            if tls.resumed and tls.early_data_accepted is (True if early else None):
                found.append(elapsed * 1000)
    return median(found), made


def main() -> None:
    """Measure, and print a row for each server."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--delay", type=float, default=25.0, help="milliseconds each way")
    parser.add_argument("--count", type=int, default=15)
    asked = parser.parse_args()
    authority = ThrowawayAuthority()
    certificate, key = authority.issue(["localhost"])
    print(f"median of {asked.count} GETs over new connections, {asked.delay:g} ms each way")
    print(f"{'server':<28}{'resumed':>10}{'early':>10}{'saved':>10}{'connections':>14}")
    with ExitStack() as stack:
        servers = {
            "netkit": stack.enter_context(netkit_server(certificate, key, half_rtt=False)),
            "netkit, half_rtt": stack.enter_context(netkit_server(certificate, key, half_rtt=True)),
        }
        if shutil.which("nginx"):
            servers["nginx"] = stack.enter_context(nginx_server(certificate, key))
        for name, port in servers.items():
            with relay(port, asked.delay / 1000) as far:
                resumed, _ = times(far, authority.certificate, asked.count, early=False)
                early, made = times(far, authority.certificate, asked.count, early=True)
            saved = f"{resumed - early:.0f} ms"
            print(f"{name:<28}{resumed:>7.1f} ms{early:>7.1f} ms{saved:>10}{made:>14}")


if __name__ == "__main__":
    main()
