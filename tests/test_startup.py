"""The start-up budget of DESIGN.md section 8, held by what a command does not import.

Seconds depend on the machine, imports do not: `benchmarks/startup.py` shows the seconds, this keeps what
they are made of. To find out who imported something, `python -X importtime -m netkit ...` shows the tree.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

# What is imported does not depend on the twin in use.
pytestmark = pytest.mark.once

#: What an import costs over an empty interpreter is in DESIGN.md; none of these is under 8 ms.
HEAVY = {
    "OpenSSL",
    "ada_url",
    "asyncio",
    "cryptography",
    "h2",
    "importlib.metadata",
    "logging",
    "publicsuffixlist",
    "rich",
    "ssl",
    "truststore",
    "uvloop",
}

#: A command line, and what it must do without besides; a module stands for everything in it.
BUDGETS = [
    (["--version"], {"netkit.dns", "netkit.io", "netkit.net", "netkit.tls", "idna", "socket"}),
    (["--help"], {"netkit.dns", "netkit.io", "netkit.net", "netkit.tls", "idna", "socket"}),
    (["range", "bytes=0-4", "--length", "9"], {"netkit.dns", "netkit.net", "netkit.tls", "idna"}),
    (["link", "</2>; rel=next", "--rel", "next"], {"netkit.dns", "netkit.net", "netkit.tls", "idna"}),
    (
        ["http", "parse", "--short", "MESSAGE"],
        {"netkit.dns", "netkit.net", "netkit.tls", "netkit.io", "idna"},
    ),
    (
        ["http", "fetch", "--help"],
        {"netkit.dns", "netkit.io", "netkit.net", "netkit.tls", "netkit.http.client"},
    ),
    (["http", "negotiate", "text/*", "--offer", "text/html"], {"netkit.dns", "netkit.net", "netkit.tls"}),
    *(
        ([*command, "--help"], {"netkit.dns", "netkit.io", "netkit.net", "netkit.proxy", "netkit.tls"})
        for command in (
            *(["tcp", word] for word in ("connect", "listen", "echo", "ping", "scan")),
            *(["udp", word] for word in ("send", "listen", "echo", "ping")),
            *(["unix", word] for word in ("connect", "listen")),
            *(["serve", word] for word in ("echo", "dns")),
        )
    ),
    *(
        (
            ["dig", form, "@127.0.0.1", "-p", "PORT", "www.example.test", "A"],
            {
                "netkit.tls",
                "netkit.cli.commands.dig.showing.rfc8427",
                "netkit.cli.commands.dig.showing.yaml_lines",
                "netkit.dns.authority",
                "netkit.dns.comparing",
                "netkit.dns.messages.as_json",
                "netkit.dns.system",
                "netkit.dns.tracing",
                "netkit.dns.transfers",
                "netkit.dns.watching",
                "hashlib",
                "idna",
                "pathlib",
            },
        )
        for form in ("--json", "--short", "--plain")
    ),
]


#: What a fetch must do without: it reads URLs, so ada-url is not among it. TLS is for https only.
FETCHING = (HEAVY - {"ada_url"}) | {"brotli", "backports", "dataclasses", "hpack", "publicsuffixlist", "zstd"}
FETCHES = [
    (["http://127.0.0.1:PORT/"], {"netkit.dns", "netkit.tls", "netkit.cli.render", "idna"}),
    (["http://127.0.0.1:PORT/", "--json"], {"netkit.dns", "netkit.tls", "idna"}),
    (["http://127.0.0.1:PORT/", "-L", "-i"], {"netkit.dns", "netkit.tls", "idna"}),
    (["--offline", "example.test", "a=b"], {"netkit.dns", "netkit.tls", "netkit.net", "netkit.io"}),
]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a server that answers every query for an address with 192.0.2.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        thread = threading.Thread(target=_answer, args=(sock,), daemon=True)
        thread.start()
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", port))
        thread.join()


def _answer(sock: socket.socket) -> None:
    record = bytes.fromhex(
        "c00c 0001 0001 0000003c 0004 c0000201"
    )  # the name asked for, A, IN, 60, 192.0.2.1
    while True:
        query, peer = sock.recvfrom(4096)
        if not query:
            return
        question = query[12 : query.index(0, 12) + 5]
        counts = bytes.fromhex("0001 0001 0000 0000")
        sock.sendto(query[:2] + bytes.fromhex("8580") + counts + question + record, peer)


@pytest.fixture(scope="module")
def web_server() -> Iterator[int]:
    """The port of a server of HTTP that answers `hello` to everything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_greet, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _greet(listener: socket.socket) -> None:
    while True:
        try:
            conn, _ = listener.accept()
        except OSError:
            return
        with conn:
            conn.recv(65536)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")


def imported(*arguments: str) -> tuple[set[str], str]:
    """Every module that an interpreter imports while it runs, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}, done.stdout


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What an interpreter of this environment imports before it does anything."""
    return imported("-c", "pass")[0]


@pytest.mark.parametrize(("command", "besides"), BUDGETS, ids=[" ".join(command) for command, _ in BUDGETS])
def test_what_a_command_does_not_import(
    command: list[str], besides: set[str], bare: set[str], server: int, tmp_path: Path
) -> None:
    message = tmp_path / "message"
    message.write_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    given = {"PORT": str(server), "MESSAGE": str(message)}
    command = [given.get(word, word) for word in command]
    modules, output = imported("-m", "netkit", *command)
    if command[0] == "dig":
        assert "192.0.2.1" in output
    found = forbidden_among(modules - bare, HEAVY | besides)
    assert not found, f"netkit {' '.join(command)} imports {sorted(found)}"


def forbidden_among(modules: set[str], forbidden: set[str]) -> set[str]:
    """The modules that are forbidden, or in a package that is."""
    return {
        module
        for module in modules
        if module in forbidden or any(module.startswith(f"{name}.") for name in forbidden)
    }


@pytest.mark.parametrize(("words", "besides"), FETCHES, ids=[" ".join(words) for words, _ in FETCHES])
def test_what_a_fetch_does_not_import(
    words: list[str], besides: set[str], bare: set[str], web_server: int
) -> None:
    command = ["http", "fetch", *(word.replace("PORT", str(web_server)) for word in words)]
    modules, output = imported("-m", "netkit", *command)
    assert "hello" in output or "Host: example.test" in output or "aGVsbG8=" in output
    found = forbidden_among(modules - bare, FETCHING | besides)
    assert not found, f"netkit {' '.join(command)} imports {sorted(found)}"
