"""A large file from nginx, plain and over TLS: netkit's `download` beside curl, wget2 and xh, where they are.

nginx has core 0, the client core 1 (where there are two). The file, and what is made of it, are in memory
(/dev/shm), so that no disk is measured. Each client is a process of its own. "whole" counts it from its start
to its end; "moving", of netkit only, what lies between the first and the last octet, because what a start
costs is measured elsewhere (`startup.py`). CPU is that of the client's process, user and system. All are
measured in every round, one after the other, in an order that turns; the figures are medians of the rounds,
and so are the ratios to curl in the same round. The range of curl's own rates is the machine's noise.

    NETKIT_MIB=256 python benchmarks/http_download.py [ROUNDS]
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from netkit.tls.throwaway import ThrowawayAuthority

ROUNDS = 5
MIB = int(os.environ.get("NETKIT_MIB", "1024"))
CORES = (os.cpu_count() or 1) > 1 and shutil.which("taskset") is not None

OURS = """
import sys
from time import monotonic
from netkit.http import Client, DialConfig, HttpVersions
from netkit.http.client.download import DownloadConfig, download
url, path, ca, version, parallel = sys.argv[1:]
tls = None
if url.startswith("https:"):
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.config import TlsConfig
    tls = TlsConfig.client().replace(root_certs=(Certificate.from_pem(open(ca, "rb").read()),))
moments = []
def note(done, total):
    if not moments:
        moments.append(monotonic())
with Client(dial=DialConfig(HttpVersions(version), tls=tls)) as client:
    download(client, url, path, config=DownloadConfig(parallel=int(parallel)), progress=note)
print(monotonic() - moments[0])
"""


class Run(NamedTuple):
    """One download: seconds in all, seconds of CPU, and seconds in which octets moved (None: not known)."""

    whole: float
    cpu: float
    moving: float | None


class Subject(NamedTuple):
    """A client: what it is called, and its command line."""

    name: str
    argv: list[str]


class Server(NamedTuple):
    """nginx: its addresses, and the certificate of its authority."""

    plain: str
    tls: str
    ca: Path


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        home = Path(folder)
        (home / "data").mkdir()
        with (home / "data" / "file").open("wb") as file:
            block = os.urandom(1 << 20)
            for _ in range(MIB):
                file.write(block)
        with nginx(home) as server:
            for title, subjects in kinds(server, home / "got"):
                show(title, measured(subjects, rounds, home / "got"))


def kinds(server: Server, path: Path) -> Iterator[tuple[str, list[Subject]]]:
    ca, got = str(server.ca), str(path)

    def ours(name: str, url: str, version: str, parallel: int = 1) -> Subject:
        return Subject(name, [sys.executable, "-c", OURS, url, got, ca, version, str(parallel)])

    def theirs(url: str, *, http2: bool = False) -> Iterator[Subject]:
        version = "--http2" if http2 else "--http1.1"
        commands = {
            "curl": ["curl", "-sS", version, "--cacert", ca, "-o", got, url],
            "wget2": ["wget2", "-q", "--no-config", "--ca-certificate", ca, "-O", got, url]
            + ([] if http2 else ["--no-http2"]),
            "xh": ["xh", "--ignore-stdin", "-q", "--verify", ca, "-d", "-o", got, url],
        }
        for name, argv in commands.items():
            if shutil.which(argv[0]) and not (name == "xh" and http2):
                yield Subject(name, argv)

    yield "plain", [ours("netkit", server.plain, "1.1"), *theirs(server.plain)]
    yield "TLS", [ours("netkit", server.tls, "1.1"), *theirs(server.tls)]
    yield "TLS, HTTP/2", [ours("netkit", server.tls, "2"), *theirs(server.tls, http2=True)]
    yield "plain, in 4 parts", [ours("netkit", server.plain, "1.1", 4), *theirs(server.plain)]


def measured(subjects: list[Subject], rounds: int, path: Path) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {subject.name: [] for subject in subjects}
    for number in range(rounds + 1):
        turn = number % len(subjects)
        for subject in subjects[turn:] + subjects[:turn]:
            run = once(subject, path)
            if number:  # the first round warms up what the system and Python keep
                runs[subject.name].append(run)
    return runs


def once(subject: Subject, path: Path) -> Run:
    path.unlink(missing_ok=True)
    pinned = ["taskset", "-c", "1", *subject.argv] if CORES else subject.argv
    begun = time.monotonic()
    process = subprocess.Popen(pinned, stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    whole = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{subject.name} ended with {process.returncode}"
    assert path.stat().st_size == MIB << 20, f"{subject.name} left {path.stat().st_size} octets"
    moving = float(told) if subject.name.startswith("netkit") else None
    return Run(whole, usage.ru_utime + usage.ru_stime, moving)


def show(title: str, runs: dict[str, list[Run]]) -> None:
    print(f"{title}, {MIB} MiB")
    curl = runs.get("curl")
    for name, each in runs.items():
        line = f"  {name:8} {MIB / median(run.whole for run in each):7.0f} MiB/s whole"
        line += f"  {median(run.cpu for run in each) * 1024 / MIB:6.2f} s of CPU a GiB"
        if curl is not None and name != "curl":
            pairs = list(zip(each, curl, strict=True))
            line += f"  {median(theirs.whole / run.whole for run, theirs in pairs):5.2f} times curl's rate"
            line += f", CPU {median(run.cpu / theirs.cpu for run, theirs in pairs):4.2f} times"
            if each[0].moving is not None:
                ratios = [theirs.whole / run.moving for run, theirs in pairs if run.moving]
                line += f"; moving {median(ratios):5.2f} times"
        elif curl is not None:
            rates = sorted(MIB / run.whole for run in each)
            line += f"  ({rates[0]:.0f} to {rates[-1]:.0f})"
        print(line, flush=True)


@contextmanager
def nginx(home: Path) -> Iterator[Server]:
    """nginx on core 0, with the folder `data`."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        sys.exit("nginx is not installed (make peers)")
    authority = ThrowawayAuthority()
    certificate, key = authority.issue(["localhost"])
    (home / "ca.pem").write_text(authority.certificate.to_pem())
    (home / "chain.pem").write_text(certificate.to_pem())
    (home / "key.pem").write_text(key.to_pem())
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    temporary = "".join(
        f"{kind}_temp_path {home}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {home}/pid; error_log stderr;\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{ access_log off; sendfile on; {temporary}\n"
        f"server {{ listen 127.0.0.1:{ports[0]}; root {home}/data; }}\n"
        f"server {{ listen 127.0.0.1:{ports[1]} ssl http2; root {home}/data;\n"
        f"ssl_certificate {home}/chain.pem; ssl_certificate_key {home}/key.pem; }} }}\n"
    )
    argv = [program, "-p", str(home), "-e", "stderr", "-c", str(home / "nginx.conf")]
    process = subprocess.Popen(["taskset", "-c", "0", *argv] if CORES else argv)
    try:
        for port in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None, "nginx has ended"
                    time.sleep(0.01)
        yield Server(
            f"http://localhost:{ports[0]}/file", f"https://localhost:{ports[1]}/file", home / "ca.pem"
        )
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main()
