"""netkit's HTTP client beside others: a small file from nginx, 64 in flight, one by one, and by HTTP/2.

Every kind of client runs in a process of its own, on one core; nginx has the other. All kinds run in every
round, one after the other, so that what slows the machine slows them all. What counts is the ratio of CPU per
request to the first kind of each group that is netkit's; wall time is beside it.

    python benchmarks/http_client.py [many|sequential|http2 ...] [--rounds 5] [--count 10000]

The peers are those of the dependency group `bench` (`pip install --group bench`), nginx, curl and h2load
(`make peers`); one that is missing is said to be.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median
from time import monotonic, sleep

IN_FLIGHT = 64
SIZE = 100

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; http2_max_concurrent_streams 256;
  server {{ listen 127.0.0.1:{http}; root {folder}; }}
  server {{ listen 127.0.0.1:{h2c} http2; root {folder}; }}
}}
"""


# netkit


def netkit_blocking(url: str, count: int) -> None:
    from netkit.http import Client, Request

    request = Request("GET", url)
    with Client() as client:
        for _ in range(count):
            assert client.request(request).status == 200


def netkit_async(url: str, count: int, versions: str = "auto") -> None:
    asyncio.run(_netkit(url, count, versions))


def netkit_uvloop(url: str, count: int) -> None:
    import uvloop

    uvloop.run(_netkit(url, count, "auto"))


def netkit_http2(url: str, count: int) -> None:
    import uvloop

    uvloop.run(_netkit(url, count, "2"))


async def _netkit(url: str, count: int, versions: str) -> None:
    from netkit.http import AsyncClient, DialConfig, HttpVersions, Request

    request = Request("GET", url)
    async with AsyncClient(dial=DialConfig(HttpVersions(versions))) as client:

        async def get() -> None:
            response = await client.request_async(request)
            assert response.status == 200
            assert response.body is not None
            assert len(response.body) == SIZE

        await _in_flight(get, count)


async def _in_flight(get: Callable[[], object], count: int) -> None:
    left = count

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await get()  # type: ignore[misc]  # a coroutine function of whichever client

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


# The peers


def aiohttp_uvloop(url: str, count: int) -> None:
    import aiohttp
    import uvloop

    async def main() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

            async def get() -> None:
                async with session.get(url) as response:
                    assert len(await response.read()) == SIZE

            await _in_flight(get, count)

    uvloop.run(main())


def _httpx2(url: str, count: int, *, http2: bool) -> None:
    import httpx2

    async def main() -> None:
        limits = httpx2.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
        async with httpx2.AsyncClient(limits=limits, http2=http2, http1=not http2, timeout=60) as client:

            async def get() -> None:
                assert len((await client.get(url)).content) == SIZE

            await _in_flight(get, count)

    asyncio.run(main())


def httpx2_async(url: str, count: int) -> None:
    _httpx2(url, count, http2=False)


def httpx2_http2(url: str, count: int) -> None:
    _httpx2(url, count, http2=True)


def _pycurl_multi(url: str, count: int, *, http2: bool) -> None:
    import pycurl

    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, 1 if http2 else IN_FLIGHT)
    bodies: dict[object, BytesIO] = {}

    def begin(handle: object) -> None:
        bodies[handle] = body = BytesIO()
        handle.setopt(pycurl.URL, url)  # type: ignore[attr-defined]
        handle.setopt(pycurl.WRITEDATA, body)  # type: ignore[attr-defined]
        if http2:
            handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)  # type: ignore[attr-defined]
            handle.setopt(pycurl.PIPEWAIT, 1)  # type: ignore[attr-defined]
        multi.add_handle(handle)

    for _ in range(min(count, IN_FLIGHT)):
        begin(pycurl.Curl())
    left, active = count - min(count, IN_FLIGHT), min(count, IN_FLIGHT)
    while active:
        multi.perform()
        multi.select(1.0)
        more = 1
        while more:
            more, done, failed = multi.info_read()
            assert not failed, failed
            for handle in done:
                assert len(bodies[handle].getvalue()) == SIZE
                multi.remove_handle(handle)
                active -= 1
                if left:
                    left -= 1
                    active += 1
                    begin(handle)


def pycurl_multi(url: str, count: int) -> None:
    _pycurl_multi(url, count, http2=False)


def pycurl_http2(url: str, count: int) -> None:
    _pycurl_multi(url, count, http2=True)


def pycurl_easy(url: str, count: int) -> None:
    import pycurl

    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    for _ in range(count):
        body = BytesIO()
        handle.setopt(pycurl.WRITEDATA, body)
        handle.perform()
        assert len(body.getvalue()) == SIZE


def httpx2_blocking(url: str, count: int) -> None:
    import httpx2

    with httpx2.Client() as client:
        for _ in range(count):
            assert len(client.get(url).content) == SIZE


def http_client(url: str, count: int) -> None:
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    for _ in range(count):
        connection.request("GET", parts.path)
        assert len(connection.getresponse().read()) == SIZE


def curl_parallel(url: str, count: int) -> None:
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(f'url = "{url}"\noutput = "/dev/null"\n' * count)
        config.flush()
        command = ["curl", "-s", "--parallel", "--parallel-max", str(IN_FLIGHT), "-K", config.name]
        subprocess.run(command, check=True)


def h2load(url: str, count: int) -> None:
    command = ["h2load", "-n", str(count), "-c", "1", "-m", str(IN_FLIGHT), url]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


GROUPS: dict[str, tuple[str, tuple[Callable[[str, int], None], ...]]] = {
    "many": (
        "http",
        (netkit_uvloop, netkit_async, aiohttp_uvloop, pycurl_multi, curl_parallel, httpx2_async),
    ),
    "sequential": ("http", (netkit_blocking, pycurl_easy, http_client, httpx2_blocking)),
    "http2": ("h2c", (netkit_http2, pycurl_http2, h2load, httpx2_http2)),
}


@contextmanager
def nginx() -> Iterator[dict[str, str]]:
    """URLs of a small file, over HTTP/1.1 and over HTTP/2 without TLS."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "small").write_bytes(b"x" * SIZE)
        ports = {}
        for kind in ("http", "h2c"):
            with socket.create_server(("127.0.0.1", 0)) as free:
                ports[kind] = free.getsockname()[1]
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, **ports))
        server = subprocess.Popen([*on_core(0), program, "-c", str(folder / "nginx.conf")])
        try:
            for port in ports.values():
                for _ in range(200):
                    try:
                        socket.create_connection(("127.0.0.1", port)).close()
                        break
                    except OSError:
                        sleep(0.02)
            yield {kind: f"http://127.0.0.1:{port}/small" for kind, port in ports.items()}
        finally:
            server.terminate()
            server.wait()


def on_core(core: int) -> list[str]:
    """The prefix of a command that is to run on that core."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        return []
    return ["taskset", "-c", str(core)]


def measure(group: str, kind: str, url: str, count: int) -> None:
    """In a process of its own: print requests a second, and microseconds of CPU for each."""
    client = next(each for each in GROUPS[group][1] if each.__name__ == kind)
    if kind not in ("curl_parallel", "h2load"):
        client(url, IN_FLIGHT)  # imports
    before, began = cpu(), monotonic()
    client(url, count)
    took = monotonic() - began
    print(count / took, (cpu() - before) / count * 1e6)


def cpu() -> float:
    """Seconds of CPU of this process and its children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("groups", nargs="*", default=list(GROUPS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    with nginx() as urls:
        for group in options.groups:
            served, kinds = GROUPS[group]
            found: dict[str, list[tuple[float, float]]] = {kind.__name__: [] for kind in kinds}
            missing: dict[str, str] = {}
            for _ in range(options.rounds):
                for kind, measured in found.items():
                    command = [
                        sys.executable,
                        __file__,
                        "--one",
                        group,
                        kind,
                        urls[served],
                        str(options.count),
                    ]
                    done = subprocess.run(
                        [*on_core(1), *command], capture_output=True, text=True, check=False
                    )
                    if done.returncode:
                        missing[kind] = (done.stderr.strip().splitlines() or ["failed"])[-1]
                    else:
                        rate, spent = map(float, done.stdout.split())
                        measured.append((rate, spent))
            show(group, found, missing)


def show(group: str, found: dict[str, list[tuple[float, float]]], missing: dict[str, str]) -> None:
    ours = next(iter(found.values()))
    print(f"{group}:")
    for kind, rounds in found.items():
        if not rounds:
            print(f"  {kind:16} not measured: {missing.get(kind)}")
            continue
        ratio = median(spent for _, spent in rounds) / median(spent for _, spent in ours) if ours else 0.0
        rate, spent = (median(each[at] for each in rounds) for at in (0, 1))
        print(f"  {kind:16} {rate:8.0f}/s   CPU {spent:6.1f} us a request   {ratio:5.2f} x netkit's")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        main()
