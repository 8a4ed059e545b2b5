"""The command that `netkit.cli` shows as an example is one, as it stands there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

import netkit.cli
from netkit.addr import IpAddr
from netkit.cli import table
from netkit.dns.host import FoundNames, HostName
from netkit.dns.resolver import Resolver
from netkit.io import Flow
from tests.cli.helpers import Result, add_commands

pytestmark = pytest.mark.once

DOC = netkit.cli.__doc__ or ""
CODE = dedent(DOC[DOC.index('    """`netkit rev`') : DOC.index("and its line in")])
LINE = next(line.strip().rstrip(",") for line in DOC.splitlines() if line.startswith('    Entry("rev"'))


@pytest.fixture
def rev(netkit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The example as a module, in the table by the line that is shown, with names that are always there."""
    module = ModuleType("netkit.cli.commands.rev")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(CODE, "rev.py", "exec"), module.__dict__)
    entry = eval(LINE, vars(table))
    add_commands(monkeypatch, (entry,), {})

    def names(_resolver: Any, address: IpAddr) -> Flow[FoundNames]:
        return FoundNames(address, [HostName("a.test", "hosts", None), HostName("b.test", "dns", 60)])
        yield

    monkeypatch.setattr(Resolver, "find_names_flow", names)
    return netkit


def test_the_example_runs(rev: Callable[..., Result]) -> None:
    done = rev("rev", "192.0.2.1", "--json", "--timeout", "3", "--source", "127.0.0.1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.json == [{"type": "rev", "input": "192.0.2.1", "names": ["a.test", "b.test"]}]
    assert rev("rev", "192.0.2.1").lines == ["192.0.2.1\ta.test\thosts", "192.0.2.1\tb.test\tdns"]
    shown = rev("rev", "192.0.2.1", "192.0.2.2", tty=True, env={"NO_COLOR": "1"}).lines
    assert shown[0].split() == ["address", "names"]
    assert sorted(line.split(maxsplit=1)[1] for line in shown[1:]) == ["a.test, b.test"] * 2
    assert "│ a.test │ hosts  │" in rev("rev", "192.0.2.1", tty=True, env={"NO_COLOR": "1"}).lines
    assert rev("rev", "nonsense").exit_code == 2
    assert "Find the names of addresses." in rev("--help").stdout
