"""Proxies that nobody here wrote: how microsocks, tinyproxy and ncat are started.

microsocks speaks SOCKS 5; tinyproxy and ncat speak CONNECT, and tinyproxy also takes requests for http URLs.
The login is "jo" with the password "p4w".
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import free_port, require_peer
from tests.waiting import until_connected


@contextmanager
def running(argv: list[str], port: int) -> Iterator[None]:
    """A program that listens on `port` before long."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until_connected(port, process).close()
            yield
        finally:
            process.kill()


def microsocks(port: int, folder: Path, login: bool) -> list[str]:
    more = ["-u", "jo", "-P", "p4w"] if login else []
    return [require_peer("microsocks"), "-i", "127.0.0.1", "-p", str(port), *more]


def tinyproxy(port: int, folder: Path, login: bool) -> list[str]:
    settings = [
        f"Port {port}",
        "Listen 127.0.0.1",
        "Timeout 20",
        f'PidFile "{folder}/pid"',
        f'LogFile "{folder}/log"',
    ]
    if login:
        settings.append("BasicAuth jo p4w")
    (folder / "tinyproxy.conf").write_text("\n".join(settings) + "\n")
    return [require_peer("tinyproxy"), "-d", "-c", str(folder / "tinyproxy.conf")]


def ncat_http(port: int, folder: Path, login: bool) -> list[str]:
    more = ["--proxy-auth", "jo:p4w"] if login else []
    return [require_peer("ncat"), "-l", "127.0.0.1", str(port), "-k", "--proxy-type", "http", *more]


#: What speaks which.
PROXIES: dict[str, tuple[str, Callable[[int, Path, bool], list[str]]]] = {
    "microsocks": ("socks5", microsocks),
    "tinyproxy": ("http", tinyproxy),
    "ncat": ("http", ncat_http),
}


class ForwardProxies:
    """The proxies of `PROXIES`, each started when it is first asked for."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home = home
        self._stack = stack
        self._ports: dict[tuple[str, bool], int] = {}

    def url(self, name: str, *, login: bool = False, given: str | None = None) -> str:
        """Its URL; with `login` it wants one, which is in the URL (or `given`, such as "jo:wrong")."""
        scheme, argv = PROXIES[name]
        if (name, login) not in self._ports:
            folder = self._home / f"{name}-{login}"
            folder.mkdir()
            port = free_port()
            self._stack.enter_context(running(argv(port, folder, login), port))
            self._ports[name, login] = port
        who = given if given is not None else "jo:p4w" if login else ""
        return f"{scheme}://{who}{'@' if who else ''}127.0.0.1:{self._ports[name, login]}"


@pytest.fixture(scope="session")
def forward_proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForwardProxies]:
    """`forward_proxies.url("tinyproxy", login=True)`"""
    with ExitStack() as stack:
        yield ForwardProxies(tmp_path_factory.mktemp("proxies"), stack)
