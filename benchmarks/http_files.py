"""A large file served: netkit beside nginx and Go, over one plain connection of HTTP/1.1 on loopback.

Every server is a process on one core, the client has the other. All kinds run in every round. What counts is
seconds of CPU of the server for the file, and the ratio to netkit's; GB a second are beside it.

    python benchmarks/http_files.py [KIND ...] [--rounds 5] [--size 1073741824]

netkit_sendfile: `Exchange.send_file_flow` as it is. netkit_reading: the same where the system is not asked to
send. nginx: with sendfile on; nginx_reading: with sendfile off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from http_server import cpu_of, free_port, go_server, on_core, rounds, running

#: How a kind is shown.
LINE = "CPU {spent:6.3f} s for the file   {ratio:5.2f} x the first   {rate:6.2f} GB/s"

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile {sendfile};
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def netkit_sendfile(port: int, root: str) -> None:
    from netkit.http.server.exchange import Exchange
    from netkit.http.server.server import HttpServer
    from netkit.io import Flow
    from netkit.net.tcp import TcpListener

    class Files:
        def handle_flow(self, exchange: Exchange) -> Flow[None]:
            path = Path(root) / exchange.request.path.lstrip("/")
            size = path.stat().st_size
            with path.open("rb") as file:
                exchange.begin(200, length=size)
                yield from exchange.send_file_flow(file, 0, size)
            yield from exchange.end_flow()

    HttpServer(Files()).run([TcpListener.bind(f"127.0.0.1:{port}")])


def netkit_reading(port: int, root: str) -> None:
    from netkit.http.server.h1 import exchange as h1_exchange

    h1_exchange.SYSTEM_SENDS_FROM = 1 << 62
    netkit_sendfile(port, root)


def nginx(port: int, root: str, sendfile: str = "on") -> None:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    config = NGINX.format(folder=folder, port=port, root=root, sendfile=sendfile)
    (folder / "nginx.conf").write_text(config)
    os.execv(program, [program, "-c", str(folder / "nginx.conf")])


def nginx_reading(port: int, root: str) -> None:
    nginx(port, root, "off")


def go(port: int, root: str) -> None:
    os.execv(os.environ["GO_SERVER"], [os.environ["GO_SERVER"], str(port), root])


KINDS = {each.__name__: each for each in (netkit_sendfile, netkit_reading, nginx, nginx_reading, go)}


def receive(port: int, size: int) -> None:
    """Get the file, and drop it."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        room = bytearray(1 << 20)
        got = sock.recv_into(room)
        head = bytes(room[:got]).partition(b"\r\n\r\n")[0]
        assert b" 200 OK" in head.partition(b"\r\n")[0], head
        got -= len(head) + 4
        while count := sock.recv_into(room):
            got += count
    assert got == size, got


def measure(kind: str, root: str, size: int) -> tuple[float, float]:
    """GB a second, and seconds of CPU of the server."""
    port = free_port()
    with running([sys.executable, __file__, "--serve", kind, str(port), root], port) as group:
        before, begun = cpu_of(group), monotonic()
        command = [sys.executable, __file__, "--receive", str(port), str(size)]
        subprocess.run([*on_core(0), *command], check=True)
        took = monotonic() - begun
        return size / took / 1e9, cpu_of(group) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1 << 30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root, go_server():
        Path(root).chmod(0o755)
        with (Path(root) / "large").open("wb") as file:
            for _ in range(options.size >> 20):
                file.write(bytes(1 << 20))
            file.write(bytes(options.size % (1 << 20)))
        rounds(options.kinds, options.rounds, lambda kind: measure(kind, root, options.size), LINE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        KINDS[sys.argv[2]](int(sys.argv[3]), sys.argv[4])
    elif sys.argv[1:2] == ["--receive"]:
        receive(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
