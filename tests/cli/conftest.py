"""Fixtures of the command tests.

def test_something(netkit):
    result = netkit("version", "--json")           # in this process
    assert result.json[0]["type"] == "version"     # validated against the schema

def test_as_a_process(netkit_process):
    assert netkit_process("version").exit_code == 0
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cli.helpers import Result, add_commands, run_netkit, run_netkit_process
from tests.cli.tls_servers import Files, made_files


@pytest.fixture
def netkit() -> Callable[..., Result]:
    """`netkit(*args, stdin=b"", tty=False, width=80, env={}, encoding="utf-8")` in this process."""
    return run_netkit


@pytest.fixture
def netkit_process() -> Callable[..., Result]:
    """`netkit_process(*args, stdin=b"", env={}, timeout=20.0, **subprocess_arguments)`."""
    return run_netkit_process


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The commands of tests/cli/sample.py, beside the real ones."""
    from tests.cli import sample

    add_commands(monkeypatch, sample.ENTRIES, sample.GROUPS)
    sample.EVENTS.clear()
    sample.ASKED.clear()
    sample.FLIGHT.update(now=0, most=0)
    yield
    sample.EVENTS.clear()


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Certificates for the commands that speak TLS, in files."""
    return made_files(tmp_path_factory.mktemp("tls"))
