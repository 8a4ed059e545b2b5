"""The program around the commands: finding them, their help, and every way a run can end."""

from __future__ import annotations

import os
import re
import shlex
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import netkit as package
from netkit.cli import table
from netkit.cli.frame import context
from netkit.cli.frame.command import NetkitCommand, read_doc
from netkit.cli.frame.context import Environment
from netkit.cli.frame.root import LazyGroup, load, root
from netkit.cli.table import Entry
from tests.cli.helpers import Result, netkit_argv, process_environment, run_netkit_process, validator_of

# A test that is about the twins names them itself.
pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


def process(*arguments: str, **more: object) -> Result:
    return run_netkit_process(*arguments, module="tests.cli.sample_main", **more)  # type: ignore[arg-type]


# -- every command keeps the contract


@pytest.mark.parametrize("entry", table.COMMANDS, ids=lambda entry: entry.path)
class TestEveryCommand:
    def test_declares_itself(self, entry: Entry) -> None:
        command = load(entry)
        doc = command.doc
        assert command.path == entry.path
        assert doc.summary == entry.help, "the table and the docstring say the same"
        assert doc.summary.endswith(".")
        assert len(doc.summary) <= 100
        assert doc.examples, "an example is worth a page"
        assert " " not in entry.path or entry.path.rpartition(" ")[0] in table.GROUPS

    def test_its_help_fits(self, entry: Entry, netkit: Netkit) -> None:
        for width in (80, 160):
            result = netkit(*entry.path.split(), "--help", width=width)
            assert result.exit_code == 0
            too_wide = [line for line in result.lines if len(line) > width]
            assert not too_wide
            assert "\n\n\n" not in result.stdout
        assert netkit(*entry.path.split(), "-h").stdout == netkit(*entry.path.split(), "--help").stdout

    def test_every_option_says_what_it_does(self, entry: Entry) -> None:
        command = load(entry)
        context = click.Context(command, info_name=entry.path)
        for options in command.option_sections(context).values():
            for option in options:
                assert option.help, option.opts
                assert option.help.endswith((".", ")", "]")), option.help

    def test_its_examples_are_read(self, entry: Entry) -> None:
        """What the examples show is accepted: options exist, values are in the right form."""
        seen = 0
        for words in netkit_lines(load(entry)):
            with Environment_context(words) as accepted:
                seen += accepted == entry.path
        assert seen, "none of the examples is of this command"

    def test_has_a_schema(self, entry: Entry, netkit: Netkit) -> None:
        command = load(entry)
        validator_of(command)
        assert netkit("schema", *entry.path.split()).exit_code == 0
        types = re.findall(r'"const": "([^"]+)"', netkit("schema", *entry.path.split()).stdout)
        assert any(found == command.view.type or found.startswith(f"{command.view.type}.") for found in types)


class Environment_context:  # noqa: N801 - reads as a function
    """Parse a command line without running it; the path of the command it names."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def __enter__(self) -> str:
        command: click.Command | None = root()
        context = click.Context(root(), info_name="netkit", obj=Environment())
        words = self.words[1:]
        while isinstance(command, LazyGroup):
            if words[:1] in (["--version"], ["--help"]):
                return ""
            _, command, words = command.resolve_command(context, words)
        assert isinstance(command, NetkitCommand)
        command.make_context(command.path, list(words), parent=context)
        return command.path

    def __exit__(self, *_: object) -> None:
        return None


def netkit_lines(command: NetkitCommand) -> list[list[str]]:
    """The netkit commands in a command's examples, without what a shell makes of the rest."""
    found = []
    for line in command.doc.examples:
        if line.startswith("$ "):
            lexer = shlex.shlex(line[2:], posix=True, punctuation_chars="|<>&;")
            lexer.whitespace_split = True
            current: list[str] = []
            for word in [*lexer, "|"]:
                if word in ("|", ">", "<", "&", "&&", ";", ">>", "||"):
                    if current[:1] == ["netkit"]:
                        found.append(current)
                    current = []
                else:
                    current.append(word)
    return found


# -- finding commands


def test_netkit_alone_shows_what_there_is(netkit: Netkit) -> None:
    result = netkit()
    assert result.exit_code == 0
    assert result.stdout == netkit("--help").stdout
    for entry in table.COMMANDS:
        assert f"\n  {entry.path} " in result.stdout
    assert "About netkit:" in result.stdout


@pytest.mark.usefixtures("sample")
def test_groups_show_their_commands(netkit: Netkit) -> None:
    assert re.search(r"\n  raw count +Count up to a number\.", netkit().stdout)
    assert "\nWhat is raw: count.\n" in netkit("raw", "--help").stdout
    assert "\n  count  Count up to a number.\n" in netkit("raw", "--help").stdout


def test_versions(netkit: Netkit, netkit_process: Netkit) -> None:
    said = f"netkit {package.__version__}\n"
    assert netkit("--version").stdout == netkit("-V").stdout == said
    fast = netkit_process("--version")
    assert (fast.stdout, fast.exit_code) == (said, 0)
    row = netkit("version", "--json").json[0]
    assert row["netkit"] == package.__version__
    assert row["libraries"]["click"]
    backends = {each["name"]: each for each in row["tls_backends"]}
    assert backends["ssl"] == {"name": "ssl", "library": ssl.OPENSSL_VERSION, "reason": None}
    assert all((each["library"] is None) is (each["reason"] is not None) for each in backends.values())
    assert netkit("version", "--short").lines == [package.__version__]
    shown = netkit("version", tty=True, env={"NO_COLOR": "1"}).stdout
    assert re.search(rf"^netkit +{re.escape(package.__version__)}$", shown, re.MULTILINE)


def test_pure_python_is_said_with_the_reason() -> None:
    row = run_netkit_process("version", "--json", env={"NETKIT_PURE": "1"}).json[0]
    assert (row["twins"], row["twins_reason"]) == ("python", "NETKIT_PURE is set")
    assert (row["http2"], row["http2_reason"]) == ("python", "NETKIT_PURE is set")
    plain = run_netkit_process("version", env={"NETKIT_PURE": "1"}).stdout
    assert "twins\tpython, slower (NETKIT_PURE is set)\n" in plain
    assert "http2\tpython, slower (NETKIT_PURE is set)\n" in plain


def test_schemas_are_printed_and_listed(netkit: Netkit) -> None:
    assert netkit("schema", "--short").lines == [entry.path for entry in table.COMMANDS]
    assert netkit("schema", "--json").json[0].keys() == {"type", "command", "row_type"}
    assert '"title": "netkit version"' in netkit("schema", "version").stdout
    wrong = netkit("schema", "versoin")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "did you mean version?" in wrong.stderr


def test_a_docstring_in_parts() -> None:
    doc = read_doc("""Do a thing
        with it.

        More of
        it.

          kept
            as is

        Examples:

            $ netkit a
            $ netkit b

            # and
            $ netkit c

        The end.
        """)
    assert doc.summary == "Do a thing with it."
    assert doc.blocks == ["More of\nit.", "  kept\n    as is", "The end."]
    assert doc.examples == ["$ netkit a", "$ netkit b", "", "# and", "$ netkit c"]
    assert read_doc(None).summary == ""


# -- how a run ends


@pytest.mark.usefixtures("sample")
def test_what_a_command_raises_or_returns_is_its_exit_code(netkit: Netkit) -> None:
    assert netkit("raw", "count", "1").exit_code == 0
    assert netkit("raw", "count", "--raise", "exit").exit_code == 6
    refused = netkit("raw", "count", "--raise", "refused", "--json")
    assert refused.exit_code == 4
    assert refused.json == [{"type": "raw.count", "error": {**refused.json[0]["error"], "kind": "Refused"}}]
    assert refused.stderr.startswith("netkit: raw count: connection refused\n")
    interrupted = netkit("raw", "count", "--raise", "interrupt")
    assert (interrupted.exit_code, interrupted.stdout, interrupted.stderr) == (130, "", "")


@pytest.mark.usefixtures("sample")
def test_no_traceback_unless_it_is_asked_for(netkit: Netkit) -> None:
    plain = netkit("raw", "count", "--raise", "bug")
    assert plain.exit_code == 8
    assert "Traceback" not in plain.stderr
    assert "please report it" in plain.stderr
    debug = netkit("raw", "count", "--raise", "bug", env={"NETKIT_DEBUG": "1"})
    assert debug.exit_code == 8
    assert "Traceback" in debug.stderr
    assert debug.stderr.rstrip().endswith("NETKIT_DEBUG=1 shows")
    many = netkit("say", "a", "fails-bug", "--json", env={"NETKIT_DEBUG": "1"})
    assert "Traceback" in many.stderr
    assert "Traceback" not in netkit("say", "fails-bug", env={"NETKIT_DEBUG": "0"}).stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves(tmp_path: Path, unbuffered: str) -> None:
    done = subprocess.run(
        f"{shlex.join(netkit_argv('tall', module='tests.cli.sample_main'))} 2>{tmp_path}/err | head -n 1; "
        "echo ${PIPESTATUS[0]}",
        shell=True,
        executable="/bin/bash",
        env=process_environment(PYTHONUNBUFFERED=unbuffered),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "line 0\n141\n"
    assert (tmp_path / "err").read_text() == ""


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_all_of_it_arrives_through_any_pipe(unbuffered: str, blocking: bool) -> None:
    """Unbuffered, or non-blocking because another process made the open file so."""
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    running = subprocess.Popen(
        netkit_argv("tall", module="tests.cli.sample_main"),
        env=process_environment(PYTHONUNBUFFERED=unbuffered),
        stdout=writer,
    )
    os.close(writer)
    with open(reader, "rb") as stream:
        assert stream.read().count(b"\n") == 40_000
    assert running.wait() == 0


@pytest.mark.parametrize("buffering", [0, -1])
def test_all_messages_arrive_through_any_pipe(buffering: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    came = bytearray()
    monkeypatch.setattr(context, "_wait_writable", lambda _stream: came.extend(os.read(reader, 1_000_000)))
    with open(writer, "wb", buffering) as stream:
        env = Environment(stderr=stream)
        for _ in range(5000):
            env.say("x" * 100)
    with open(reader, "rb") as rest:
        came += rest.read()
    assert came == (b"x" * 100 + b"\n") * 5000


@pytest.mark.parametrize(
    "arguments", [["tall"], ["--help"], ["--version"], ["version", "--json"], ["say", "a", "b"]]
)
def test_closed_standard_output(arguments: list[str]) -> None:
    result = process(*arguments, stdout=None, preexec_fn=lambda: os.close(1), stdin=subprocess.DEVNULL)
    assert (result.exit_code, result.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a Linux device")
@pytest.mark.parametrize(
    "arguments", [["tall"], ["--help"], ["--version"], ["version", "--json"], ["say", "a", "b"]]
)
def test_a_full_disk_is_said(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        result = process(*arguments, stdout=full)
    assert result.exit_code == 8
    assert result.stderr == "netkit: writing to standard output: no space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a Linux device")
@pytest.mark.usefixtures("sample")
def test_a_file_on_a_full_disk_is_named(netkit: Netkit) -> None:
    result = netkit("say", "a", "-o", "/dev/full")
    assert result.exit_code == 8
    assert result.stderr == "netkit: writing to /dev/full: no space left on device\n"


def test_closed_standard_error_and_input_harm_nothing() -> None:
    result = process("say", "fails-refused", stderr=None, preexec_fn=lambda: os.close(2))
    assert (result.exit_code, result.stdout) == (4, "")
    closed = process("say", "-", "x", preexec_fn=lambda: os.close(0))
    assert (closed.exit_code, closed.stdout) == (0, "x\t1\n")


def test_closed_descriptors_are_not_given_to_the_next_socket() -> None:
    """A socket that got number 1 would send what was meant for the reader to a peer."""
    code = (
        "import sys, os; from netkit.cli import main; main._occupy_closed();"
        "import socket; sys.exit(min(s.fileno() for s in socket.socketpair()))"
    )

    def close_all() -> None:
        for fd in (0, 1, 2):
            os.close(fd)

    done = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=close_all, env=process_environment(), check=False
    )
    assert done.returncode > 2


def test_the_module_is_the_program(netkit_process: Netkit) -> None:
    assert netkit_process("schema", "--short").lines == [entry.path for entry in table.COMMANDS]
    assert netkit_process("no-such-command").exit_code == 2


@pytest.mark.parametrize("group", table.GROUPS)
def test_the_line_of_a_group_has_the_commands_that_are_there(
    group: str, netkit: Callable[..., Result]
) -> None:
    names = [entry.path.split()[1] for entry in table.COMMANDS if entry.path.startswith(f"{group} ")]
    assert names
    line = netkit(group, "--help").stdout.split("\n\n")[1].strip()
    assert line == f"{table.GROUPS[group]}: {', '.join(names)}."
