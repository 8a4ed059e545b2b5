"""The shell lines of README, docs/*.md and the help pages, and a place to run them.

In a page they are:

    ```sh         a script; a ```text block right after it is what it prints
    ```console    `$ ` lines, each followed by what a terminal of 80 columns shows
    | netkit |    code in a table's column of that title

A line that ends in `# needs the internet` is not run. Everything else runs as it is written, in a directory
where `netkit demo --keep` was started. `make` only says what it would do (--dry-run): the suite cannot run
itself.

    with kept_demo(folder) as kept:
        kept.run("netkit dig @127.0.0.1 -p 5300 www.demo.test")
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.cli.helpers import ROOT, netkit_argv, process_environment
from tests.conftest import require_peer

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

INTERNET = "# needs the internet"

#: What a block of a page may be: those of shell lines, and those that are none.
SHELL, OTHERS = {"sh", "console"}, {"text", "json", "python"}

#: Where lines that set up a shell write to, below a home directory of the tests.
HOME_PLACES = (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$\n?(?:\n?^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


class Script(NamedTuple):
    """A block of shell lines, without those that need the internet; what it prints, where the page says."""

    page: str
    line: int
    kind: str
    text: str
    shown: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Of a console: each line that is typed, and what is shown then."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
        assert not parts[0].strip(), f"{self}: output before the first command"
        return [(typed, shown) for typed, _, shown in (part.partition("\n") for part in parts[1:])]


def scripts(path: Path) -> Iterator[Script]:
    """The blocks of a page that are for a shell. Every block says what it is: a page in which one does not
    would have lines that nothing runs."""
    page = path.read_text(encoding="utf-8")
    for block in _FENCE.finditer(page):
        kind, text, shown = block[1], block[2], block[3]
        place = f"{path.name}:{page.count(chr(10), 0, block.start()) + 1}"
        assert kind in SHELL | OTHERS, f"{place}: a block of no known kind: {kind!r}"
        kept = [line for line in text.splitlines() if not line.rstrip().endswith(INTERNET)]
        if kind in SHELL and any(kept):
            line = int(place.rpartition(":")[2])
            yield Script(path.name, line, kind, "\n".join(kept) + "\n", shown)


class Cell(NamedTuple):
    """A command in a table: the page, the row's first cell, the command."""

    page: str
    purpose: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.purpose}: {self.text}"


def cells(path: Path) -> Iterator[Cell]:
    """The commands in the columns called `netkit` of a page's tables."""
    place: int | None = None
    rows = path.read_text(encoding="utf-8").splitlines()
    for row in rows:
        if not row.startswith("|"):
            place = None
            continue
        # A pipe within code is written \| in a table.
        columns = [each.strip() for each in re.split(r"(?<!\\)\|", row)[1:-1]]
        if "netkit" in columns:
            place = columns.index("netkit")
        elif place is not None and "---" not in columns[place]:
            for code in re.findall(r"`([^`]+)`", columns[place]):
                yield Cell(path.name, columns[0], code.replace("\\|", "|"))


class KeptDemo:
    """`netkit demo --keep`, running in a network namespace, and a shell beside it."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], tools: Path) -> None:
        self.folder = folder
        self._process = process
        self.environment = process_environment(
            PATH=f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin",
            HOME=str(tools),
            NO_COLOR="1",
            TERM="xterm",
        )
        self.steps: list[dict[str, Any]] = []
        self.listening: list[dict[str, Any]] = []
        assert process.stdout is not None
        while not self.listening or self.listening[-1]["transport"] != "unix":
            line = process.stdout.readline()
            assert line, "netkit demo --keep has ended"
            row = json.loads(line)
            (self.steps if "argv" in row else self.listening).append(row)

    def argv(self, line: str) -> list[str]:
        """The command that runs a shell line beside the servers."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        enter = [require_peer("nsenter"), f"--target={self._process.pid}", *user, "--net"]
        return [*enter, require_peer("bash"), "-c", line]

    def start(self, line: str, **more: Any) -> subprocess.Popen[str]:
        """Start a shell line in a process group of its own, its three streams pipes."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            self.argv(line),
            cwd=self.folder,
            env=self.environment,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
            **{**pipes, **more},
        )

    def run(self, line: str, stdin: str = "", timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a shell line to its end; what it has started goes with it."""
        process = self.start(line)
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        finally:
            end_group(process)
        return subprocess.CompletedProcess(line, process.returncode, stdout, stderr)

    def end(self, how: signal.Signals) -> int:
        """End the demo; its exit code."""
        self._process.send_signal(how)
        self._process.communicate(timeout=20)
        return self._process.returncode


def end_group(process: subprocess.Popen[Any]) -> None:
    """End what is left of a process that leads a group, and wait for it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()


@contextmanager
def kept_demo(folder: Path) -> Iterator[KeptDemo]:
    """`netkit demo --keep` in `folder`, in a network namespace with nothing but a loopback interface."""
    unshare, ip = require_peer("unshare"), require_peer("ip")
    tools = folder.with_name(f"{folder.name}-tools")
    for place in HOME_PLACES:
        (tools / place).mkdir(parents=True, exist_ok=True)
    programs = {
        "netkit": f'exec {" ".join(netkit_argv())} "$@"',
        "make": f'exec {require_peer("make")} --dry-run --directory {ROOT} "$@"',
    }
    for name, text in programs.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    process = subprocess.Popen(
        [
            *([unshare] if os.geteuid() == 0 else [unshare, "--user", "--map-root-user"]),
            *("--net", "sh", "-c", f'{ip} link set lo up; exec "$@"', "sh"),
            *netkit_argv("demo", "--keep", "--json"),
        ],
        cwd=folder,
        env=process_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield KeptDemo(folder, process, tools)
    finally:
        end_group(process)
