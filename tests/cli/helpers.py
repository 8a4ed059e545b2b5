"""Run netkit in a test: in this process (fast, any terminal you like) or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pytest

from netkit.cli import table
from netkit.cli.frame.command import NetkitCommand
from netkit.cli.frame.context import Environment
from netkit.cli.frame.root import load, run_in
from netkit.cli.pages.schema import view_schema

ROOT = Path(__file__).parents[2]


class Result:
    """What a command did: `stdout`, `stderr` (text; `raw` is standard output's bytes), `exit_code`.

    `json` are the objects of a run with --json, each validated against the command's own schema.
    """

    def __init__(self, args: tuple[str, ...], stdout: bytes, stderr: bytes, exit_code: int) -> None:
        self.args = args
        self.raw = stdout
        self.stderr = stderr.decode("utf-8", "backslashreplace")
        self.exit_code = exit_code

    @property
    def stdout(self) -> str:
        return self.raw.decode("utf-8", "backslashreplace")

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [row_of(self.args, line) for line in self.raw.decode().split("\n") if line]

    def __repr__(self) -> str:
        shown = " ".join(self.args)
        return f"<netkit {shown}: {self.exit_code}\n{self.stdout}--- stderr\n{self.stderr}>"


def row_of(args: Sequence[str], line: str | bytes) -> dict[str, Any]:
    """A line of JSON that `netkit ARGS` wrote, validated against the command's own schema."""
    command = command_of(args)
    row: dict[str, Any] = json.loads(line)
    errors = [f"{error.json_path}: {error.message}" for error in validator_of(command).iter_errors(row)]
    assert not errors, f"{row} does not follow the schema of netkit {command.path}: {errors}"
    return row


def words_of(process: subprocess.Popen[bytes]) -> list[str]:
    """What follows `netkit` on the command line of a netkit process."""
    assert isinstance(process.args, list)
    return [str(word) for word in process.args[process.args.index("netkit") + 1 :]]


def command_of(args: Sequence[str]) -> NetkitCommand:
    """The command that the first words of a command line name."""
    for entry in table.COMMANDS:
        words = entry.path.split()
        if list(args[: len(words)]) == words:
            return load(entry)
    raise AssertionError(f"no command in {args}")


@cache
def validator_of(command: NetkitCommand) -> jsonschema.Draft202012Validator:
    """What validates the command's JSON, after its schema itself was checked."""
    schema = view_schema(command.view, f"netkit {command.path}")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def run_netkit(
    *args: str,
    stdin: str | bytes = b"",
    tty: bool = False,
    width: int = 80,
    env: dict[str, str] | None = None,
    encoding: str = "utf-8",
) -> Result:
    """Run `netkit ARGS` in this process; with `tty`, all three streams are terminals `width` wide."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    environment = Environment(
        stdin=io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin),
        stdout=stdout,
        stderr=stderr,
        stdin_tty=tty,
        stdout_tty=tty,
        stderr_tty=tty,
        environ={"TERM": "xterm-256color", **(env or {})},
        encoding=encoding,
        width=width,
    )
    code = run_in(args, environment)
    return Result(args, stdout.getvalue(), stderr.getvalue(), int(code))


def address_of(sock: socket.socket) -> str:
    """Where an IPv4 socket is bound, as it is typed: `127.0.0.1:8007`."""
    host, port = sock.getsockname()
    return f"{host}:{port}"


def process_environment(**more: str) -> dict[str, str]:
    """The variables for a netkit process: this tree first on the path, nothing of the tester's taste.

    Its home is an empty folder: a ~/.digrc of the tester would be read before each line of dig.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("NO_COLOR", "COLUMNS", "NETKIT_DEBUG") and not key.startswith("XDG_")
    }
    return {**kept, "HOME": _home().name, "PYTHONPATH": str(ROOT), **more}


@cache
def _home() -> TemporaryDirectory[str]:
    """The home of all netkit processes of a test run, which is removed at its end."""
    return TemporaryDirectory(prefix="netkit-home-")


def netkit_argv(*args: str, module: str = "netkit") -> list[str]:
    """The command line of a netkit process."""
    return [sys.executable, "-m", module, *args]


def run_netkit_process(
    *args: str,
    stdin: str | bytes = b"",
    env: dict[str, str] | None = None,
    timeout: float = 20.0,
    module: str = "netkit",
    **more: Any,
) -> Result:
    """Run `netkit ARGS` as a process; `more` goes to subprocess.run."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    if "stdin" not in more and "preexec_fn" not in more:
        more["input"] = data
    done = subprocess.run(
        netkit_argv(*args, module=module),
        env=process_environment(**(env or {})),
        timeout=timeout,
        check=False,
        **more,
    )
    return Result(args, done.stdout or b"", done.stderr or b"", done.returncode)


def add_commands(
    monkeypatch: pytest.MonkeyPatch, entries: tuple[table.Entry, ...], groups: dict[str, str]
) -> None:
    """Put commands of a test's own into the table."""
    monkeypatch.setattr(table, "COMMANDS", (*table.COMMANDS, *entries))
    monkeypatch.setattr(table, "GROUPS", {**table.GROUPS, **groups})
