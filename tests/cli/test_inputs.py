"""Many inputs: a row for each, whatever happens, as they finish or in order, and resumed where it ended."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from netkit.cli.frame import batch, inputs, lines as reading
from netkit.cli.frame.context import Environment
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.journal import Journal, JournalError
from netkit.cli.frame.output import Output
from netkit.cli.frame.progress import Progress
from netkit.cli.frame.root import load, run_in
from netkit.cli.table import COMMANDS, Entry
from netkit.errors import NetkitError
from netkit.io import Event, Flow, Want, all_of, run
from tests.cli import sample
from tests.cli.helpers import Result, netkit_argv, process_environment
from tests.conftest import free_port

Netkit = Callable[..., Result]
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("sample")]


def words(result: Result) -> list[str]:
    return [row["input"] for row in result.json]


# -- what is repeated of them

#: Commands that take a URL for an endpoint, or that ask for it.
TAKE_URLS = [
    "http fetch URL",
    "link URL",
    "tcp connect URL",
    "tcp ping -c 1 URL",
    "tcp scan URL 1",
    "tls probe URL",
    "udp ping -c 1 -w 0.1 URL",
    "ws client WS hello",
]


@pytest.mark.parametrize("port", [None, 99999])
@pytest.mark.parametrize("line", TAKE_URLS)
def test_no_password_is_repeated(netkit: Netkit, line: str, port: int | None, tmp_path: Path) -> None:
    url = f"http://ann:s3cret@127.0.0.1:{port or free_port()}/"
    words = line.replace("URL", url).replace("WS", url.replace("http", "ws")).split()
    for form in ("--json", "--plain"):
        result = netkit(*words, form)
        assert "s3cret" not in result.stdout + result.stderr
    if line in ("http fetch URL", "link URL", "tls probe URL") and port is None:
        urls, journal = tmp_path / "urls", tmp_path / "journal"
        urls.write_text(f"{url}\n")
        words = line.replace("URL", f"-o {tmp_path / 'body'}" if line == "http fetch URL" else "").split()
        result = netkit(*words, "--file", str(urls), "--resume", str(journal), "--json")
        assert "s3cret" not in result.stdout + result.stderr + journal.read_text()


def test_the_place_of_a_password_is_shown(netkit: Netkit) -> None:
    rest = f"127.0.0.1:{free_port()}/x"
    (row,) = netkit("tls", "probe", f"https://ann:s3cret@{rest}", "--json").json
    assert row["input"] == f"https://ann:***@{rest}"


# -- where inputs come from


def test_lists_have_comments_blank_lines_and_any_line_end(netkit: Netkit, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"# a list\n\n one \r\ntwo\n   # more\nthree")
    assert words(netkit("say", "zero", "-f", str(path), "--json")) == ["zero", "one", "two", "three"]
    assert words(netkit("say", "--file", "-", "--json", stdin=path.read_bytes())) == ["one", "two", "three"]
    assert words(netkit("say", "a", "-", "b", "--json", stdin="x\n")) == ["a", "x", "b"]


#: Every command that takes several inputs, as it is typed without any.
WITH_INPUTS = [
    (
        entry.path,
        *{
            "tcp scan": ("-", "80"),
            "http negotiate": ("-", "--offer", "a/b"),
            "range": ("-", "--length", "9"),
        }.get(entry.path, ("-",)),
    )
    for entry in COMMANDS
    if "targets" in load(entry).bundles
]


@pytest.mark.parametrize("words", WITH_INPUTS, ids=lambda words: words[0])
@pytest.mark.parametrize("stdin", ["", "# nothing\n\n; either\n"])
@pytest.mark.parametrize("form", ["--json", "--plain"])
def test_an_empty_list_is_wrong_usage(
    netkit: Netkit, words: tuple[str, ...], stdin: str, form: str, tmp_path: Path
) -> None:
    """In every command: a script whose list came out empty does not go on as if all were well."""
    path, *rest = words
    result = netkit(*path.split(), form, *rest, stdin=stdin)
    assert (result.exit_code, result.stdout) == (2, "")
    said, hint = result.stderr.splitlines()
    assert said == f"netkit: {path}: standard input: there is no input"
    assert hint.startswith("hint: a list has one ")
    (tmp_path / "list").write_text(stdin)
    option = "--file" if path == "http fetch" else "-f"  # whose letters are curl's
    listed = netkit(*path.split(), option, str(tmp_path / "list"), form, *rest[1:])
    assert (listed.exit_code, listed.stdout) == (2, "")
    assert listed.stderr.startswith(f"netkit: {path}: {tmp_path / 'list'}: there is no input\n")


def test_a_list_that_is_empty_beside_an_argument_is_none(netkit: Netkit) -> None:
    assert netkit("say", "-", "word", stdin="").exit_code == 0


def test_a_closed_standard_input_is_an_empty_list() -> None:
    env = Environment(stdin=None, stdout=io.BytesIO())
    assert run_in(["say", "-"], env) == 2


def test_an_empty_argument_is_an_input(netkit: Netkit) -> None:
    assert words(netkit("say", "", "word", "--json")) == ["", "word"]


def test_a_bad_line_is_a_row_that_says_where(netkit: Netkit, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("good\n\nbad1\nalso\n")
    result = netkit("say", "-f", str(path), "--json")
    assert words(result) == ["good", "bad1", "also"]
    assert result.exit_code == 9
    error = result.json[1]["error"]
    assert (error["layer"], error["kind"]) == ("usage", "BadInput")
    assert error["message"] == f"{path}:3: 'bad1' has a digit in it"
    assert netkit("say", "good", "bad1").exit_code == 2, "on the command line it is wrong usage"
    assert sample.ASKED == ["good", "also"], "and nothing is asked"


def test_a_list_that_is_not_there(netkit: Netkit, tmp_path: Path) -> None:
    result = netkit("say", "first", "-f", str(tmp_path / "absent"))
    assert result.exit_code == 8
    assert sample.ASKED == [], "before anything was asked"
    assert "absent: no such file or directory" in result.stderr


def test_lines_too_long_and_bytes_that_are_no_text(netkit: Netkit) -> None:
    long = b"x" * (inputs.MAX_LINE + 1)
    result = netkit("say", "-", "--json", stdin=long + b"\n" + long * 9 + b"\nok\n\xff\xfe\n")
    assert [len(word) for word in words(result)] == [101, 101, 2, 2]
    assert "a line over 16,384 bytes" in result.json[1]["error"]["message"]
    assert result.json[3]["word"] == "\udcff\udcfe"
    assert netkit("say", "-", stdin=b"\xff\n").stdout == "\\udcff\t1\n"


@pytest.mark.parametrize("chunk", [1, 3, 7, 65536])
def test_lines_across_reads(monkeypatch: pytest.MonkeyPatch, netkit: Netkit, chunk: int) -> None:
    monkeypatch.setattr(reading, "_CHUNK", chunk)
    assert words(netkit("say", "-", "--json", stdin="alpha\r\nbeta\n\n\ngamma")) == ["alpha", "beta", "gamma"]


# -- how they are gone through


def test_rows_as_they_finish_and_in_order(netkit: Netkit) -> None:
    assert words(netkit("say", "waits-x", "a", "wakes-x", "b", "--json")) == ["a", "wakes-x", "b", "waits-x"]
    sample.EVENTS.clear()
    ordered = netkit("say", "waits-x", "a", "wakes-x", "b", "--json", "--ordered")
    assert words(ordered) == ["waits-x", "a", "wakes-x", "b"]


def test_no_more_than_so_many_at_once(netkit: Netkit) -> None:
    netkit("say", *["crowd-4"] * 50, "--concurrency", "4")
    assert sample.FLIGHT["most"] == 4
    sample.FLIGHT["most"] = 0
    netkit("say", *["crowd-1"] * 50, "--concurrency", "1")
    assert sample.FLIGHT["most"] == 1


def test_order_is_kept_with_bounded_memory(netkit: Netkit, monkeypatch: pytest.MonkeyPatch) -> None:
    """No input begins that is more than WINDOW ahead of the one whose row is due."""
    monkeypatch.setattr(batch, "WINDOW", 5)
    begun_while_waiting: list[int] = []

    def say_flow(word: str) -> Flow[str]:
        if word == "first":
            event = sample.EVENTS.setdefault("first", Event())
            while not event.is_set:
                yield Want(event=event)
            begun_while_waiting.append(len(sample.ASKED))
        else:
            sample.ASKED.append(word)
            if len(sample.ASKED) == 4:
                sample.EVENTS.setdefault("first", Event()).set()
        return word
        yield

    monkeypatch.setattr(sample, "say_flow", say_flow)
    many = [chr(ord("a") + index) for index in range(20)]
    result = netkit("say", "first", *many, "--json", "--ordered", "--concurrency", "20")
    assert words(result) == ["first", *many]
    assert begun_while_waiting == [4], "and those beyond the window had not begun"


def test_a_rate_spreads_what_begins(netkit: Netkit) -> None:
    began = time.monotonic()
    result = netkit("say", *"abcdefghijk", "--rate", "100/s")
    elapsed = time.monotonic() - began
    assert len(result.lines) == 11
    assert 0.08 <= elapsed < 20


def test_a_timeout_is_each_inputs_own(netkit: Netkit) -> None:
    result = netkit("say", "never-a", "x", "never-b", "--timeout", "20ms", "--json")
    assert words(result) == ["x", "never-a", "never-b"]
    assert [row.get("error", {}).get("kind") for row in result.json] == [None, "Timeout", "Timeout"]
    assert result.exit_code == 9
    alone = netkit("say", "never-a", "--timeout", "10ms")
    assert alone.exit_code == 7
    assert "timed out" in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["a", "b"], 0),
        (["fails-refused", "fails-refused"], 4),
        (["a", "fails-refused"], 9),
        (["fails-silent", "fails-refused"], 9),
        (["no", "no"], 1),
        (["no", "yes"], 9),
        (["fails-unresolved"], 3),
        (["doubtful", "doubtful"], 5),
    ],
)
def test_the_exit_code_of_several(netkit: Netkit, arguments: list[str], code: int) -> None:
    result = netkit("say", *arguments, "--json")
    assert result.exit_code == code
    assert len(result.json) == len(arguments)


def test_a_view_that_fails_costs_one_row(netkit: Netkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample.SayView, "plain", lambda _self, result: [result] if result != "b" else 1 / 0)
    result = netkit("say", "a", "b", "c")
    assert result.exit_code == 9
    assert result.lines == ["a", "b\terror\tnetkit.Unexpected\tZeroDivisionError: division by zero", "c"]
    assert "please report it" in result.stderr
    alone = netkit("say", "b")
    assert (alone.exit_code, alone.stdout) == (8, "")
    assert "netkit: saying b: ZeroDivisionError" in alone.stderr


def test_the_bare_values_of_several_have_a_line_for_each_that_failed(netkit: Netkit) -> None:
    several = netkit("say", "a", "fails-refused", "b", "--short", "--ordered")
    assert several.lines == ["a", "-", "b"]
    assert "netkit: saying fails-refused: connection refused" in several.stderr
    assert netkit("say", "fails-refused", "--short").stdout == "", "one that failed has none"


# -- interruption and --resume

HEAD = b"netkit journal 2 of say\nasked {}\n"


def test_an_interruption_leaves_what_was_written(netkit: Netkit) -> None:
    result = netkit("say", "a", "b", "interrupts-", "c")
    assert result.exit_code == 130
    assert result.lines == ["a\t1", "b\t1"]
    assert result.stderr == "netkit: interrupted after 2 inputs\n"


def test_resuming_asks_nothing_twice(netkit: Netkit, tmp_path: Path) -> None:
    journal, out = str(tmp_path / "journal"), tmp_path / "out"
    common = ["--resume", journal, "-o", str(out), "--concurrency", "1"]
    first = netkit("say", "a", "same", "interrupts-", "same", "fails-refused", *common)
    assert first.exit_code == 130
    assert "the same command goes on where this ended" in first.stderr
    assert out.read_text() == "a\t1\nsame\t4\n"
    assert sample.ASKED == ["a", "same", "interrupts-"]

    sample.ASKED.clear()
    with out.open("a") as file:
        file.write("interr")  # a row that was cut off when power failed
    second = netkit("say", "a", "same", "b", "same", "fails-refused", *common)
    assert sample.ASKED == ["b", "same", "fails-refused"], "the second `same` is another input"
    assert out.read_text().splitlines() == [
        "a\t1",
        "same\t4",
        "b\t1",
        "same\t4",
        "fails-refused\terror\ttcp.Refused\tconnection refused",
    ]
    assert second.exit_code == 9, "those of the first run count"

    sample.ASKED.clear()
    third = netkit("say", "a", "same", "b", "same", "fails-refused", *common)
    assert (sample.ASKED, third.exit_code) == ([], 9)
    assert "all 5 inputs were done before" in third.stderr
    assert len(out.read_text().splitlines()) == 5


def test_resuming_in_order(netkit: Netkit, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    assert netkit("say", "a", "interrupts-", "--resume", journal, "--ordered").exit_code == 130
    result = netkit("say", "a", "b", "c", "--resume", journal, "--ordered", "--json")
    assert words(result) == ["b", "c"]


def test_an_edited_list_is_asked_again_from_the_edit_on(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "j"), "say", {})
    for index, word in enumerate(["a", "b", "c"]):
        journal.done(index, word, index)
    journal.close()
    again = Journal(str(tmp_path / "j"), "say", {})
    assert [again.code(i, word) for i, word in enumerate(["a", "x", "c", "d"])] == [0, None, 2, None]
    assert again.count == 3
    again.close()


def test_a_line_cut_off_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(HEAD + b"0 0 a\n1 0 bc")
    journal = Journal(str(path), "say", {})
    assert (journal.code(0, "a"), journal.code(1, "bc")) == (0, None)
    journal.done(1, "bcd", 4)
    journal.close()
    assert path.read_bytes() == HEAD + b"0 0 a\n1 4 bcd\n"


@pytest.mark.parametrize("length", [0, 11, len(b"netkit journal 2 of say\n"), 28, 33])
def test_a_head_cut_off_is_written_anew(tmp_path: Path, length: int) -> None:
    path = tmp_path / "j"
    path.write_bytes(HEAD[:length])
    Journal(str(path), "say", {}).close()
    assert path.read_bytes() == HEAD


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"important notes\n", "not a journal"),
        (b"important", "not a journal"),
        (b"netkit journal 2 of dig\n", "the journal of `netkit dig`, not of `netkit say`"),
        (b"netkit journal 1 of say\n0 0 a\n", "another version of netkit"),
        (b"netkit journal 2 of say\n0 0 a\n", "another question: --timeout was not given, and is 5.0 now"),
        (b'netkit journal 2 of say\nasked {"--timeout": 5.0}\nnonsense\n', "a line that no journal has"),
        (b'netkit journal 2 of say\nasked {"--timeout": 5.0}\n0 999 a\n', "a line that no journal has"),
        (b'netkit journal 2 of say\nasked {"--timeout": 5.0}\n99999999999 0 a\n', "out of order"),
    ],
)
def test_no_file_is_taken_for_a_journal(netkit: Netkit, tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)
    result = netkit("say", "a", "b", "--resume", str(path))
    assert result.exit_code == 8
    assert reason in result.stderr
    assert path.read_bytes() == content, "and none is harmed"


def test_the_same_list_with_other_options_is_another_question(netkit: Netkit, tmp_path: Path) -> None:
    path = tmp_path / "j"
    common = ["a", "b", "--resume", str(path)]
    assert netkit("say", *common).exit_code == 0
    before = path.read_bytes()
    for options, difference in (
        (["--timeout", "1"], "--timeout was 5.0, and is 1.0 now"),
        (["-4"], "-4 was not given, and is given now"),
    ):
        result = netkit("say", *common, *options, "--json")
        assert result.exit_code == 8
        assert result.json[0]["error"]["kind"] == "JournalError"
        assert f"the journal of another question: {difference}" in result.json[0]["error"]["message"]
        assert "give the options of the first run" in result.json[0]["error"]["hint"]
        assert path.read_bytes() == before
    assert sample.ASKED == ["a", "b"]
    for shown in (
        ["--json"],
        ["--concurrency", "2", "--ordered"],
        ["--rate", "9/s", "-q"],
        ["--timeout", "5s"],
    ):
        assert netkit("say", *common, *shown).exit_code == 0, "these are no other question"
    assert sample.ASKED == ["a", "b"]


@pytest.mark.parametrize(
    "entry",
    [each for each in COMMANDS if any(param.name == "batch__resume" for param in load(each).params)],
    ids=lambda entry: entry.path,
)
def test_a_question_is_the_same_each_time_it_is_put(entry: Entry) -> None:
    """The options of every command are written as they are read; no object's address is among them."""
    command = load(entry)
    given = {
        param.name or "": EXAMPLES.get(type(param.type).__name__, param.get_default(context))
        for context in [click.Context(command)]
        for param in command.params
    }
    question = command.question({name: _converted(command, name, value) for name, value in given.items()})
    assert " at 0x" not in str(question)
    assert not {name for name in question if name in ("--json", "--color", "--concurrency", "--resume")}


#: A value of each kind that is an object of netkit's own.
EXAMPLES = {
    "Address": "192.0.2.1",
    "Network": "192.0.2.0/24",
    "Endpoint": "[2001:db8::1]:443",
    "BaseUrl": "https://example.com/a/",
    "Source": "192.0.2.1#5353",
    "Server": "192.0.2.53",
    "Version": "1.2",
    "_Optional": "",
    "Subnet": "192.0.2.0/24",
    "Cookie": "0011223344556677",
}


def _converted(command: click.Command, name: str, value: Any) -> Any:
    (param,) = [each for each in command.params if each.name == name]
    if not isinstance(value, str):
        return value
    found = param.type.convert(value, param, None)
    return (found,) if param.multiple else found


def test_one_journal_one_user(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "j"), "say", {})
    with pytest.raises(JournalError, match="in use"):
        Journal(str(tmp_path / "j"), "say", {})
    journal.close()
    assert isinstance(JournalError("x", "y"), NetkitError)


# -- progress


def test_progress_is_shown_on_a_terminal_and_wiped(netkit: Netkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netkit.cli.frame.progress.INTERVAL", 0.0)
    shown = netkit("say", "a", "turn-b", "fails-refused", "turn-c", tty=True, env={"NO_COLOR": "1"}).stderr
    assert " done" in shown
    assert "1 failed" in shown
    assert shown.rpartition("\r\x1b[2K")[2].startswith("netkit: 1 of 4"), "nothing of it is left"
    assert "done" not in netkit("say", "a", "turn-b").stderr
    assert netkit("say", "a", "turn-b", "-q", tty=True).stderr == ""
    assert "done" not in netkit("say", "a", "turn-b", tty=True, env={"TERM": "dumb"}).stderr


def test_the_words_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netkit.cli.frame.progress.monotonic", lambda: 1000.0)
    env = Environment(stdout=io.BytesIO())
    output = Output(env, sample.SayView())
    how = inputs.BatchOptions(file=None, concurrency=1, rate=None, ordered=False, resume=None)
    lines = reading.Lines(inputs.Inputs(inputs.Spec("WORD", str), ["a"], how), env)
    progress = Progress(output, lines)
    for _ in range(30):
        output.count(Exit.OK)
    output.count(Exit.TIMEOUT, "Timeout")
    lines.size = None
    assert progress.text(1002.0) == "31 done  1 failed  16/s"


def test_the_time_left_is_that_of_the_inputs_that_are_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of a list of 100 lines 64 are read and 20 are over after 25 seconds: 80 take 100 seconds more."""
    monkeypatch.setattr("netkit.cli.frame.progress.monotonic", lambda: 1000.0)
    path = tmp_path / "list"
    path.write_text("# which\n" + "word\n" * 100)
    env = Environment(stdout=io.BytesIO())
    output = Output(env, sample.SayView())
    how = inputs.BatchOptions(file=str(path), concurrency=1, rate=None, ordered=False, resume=None)
    lines = reading.Lines(inputs.Inputs(inputs.Spec("WORD", str), [], how), env)
    items = run(all_of([lines.next() for _ in range(64)]))
    progress = Progress(output, lines)
    for outcome in items[44:]:
        lines.done(outcome.unwrap())
        output.count(Exit.OK)
    assert progress.text(1025.0) == "####----------------  21%  20 done  0.8/s  1:40 left"
    for outcome in items[:20]:  # these were in the journal: they took no time
        lines.done(outcome.unwrap(), resumed=True)
        output.count(Exit.OK)
    assert progress.text(1025.0) == "########------------  41%  40 done  0.8/s  1:15 left"
    lines.close()


def test_arguments_have_a_bar_too_and_a_pipe_has_none(tmp_path: Path) -> None:
    how = inputs.BatchOptions(file=None, concurrency=1, rate=None, ordered=False, resume=None)
    spec = inputs.Spec("WORD", str)
    with (tmp_path / "list").open("w+b") as file:
        file.write(b"one\ntwo\n")
        file.flush()
        file.seek(4)
        assert reading.Lines(inputs.Inputs(spec, ["a", "-"], how), Environment(stdin=file)).size == 6
    assert reading.Lines(inputs.Inputs(spec, ["a", "-"], how), Environment(stdin=io.BytesIO())).size is None


@pytest.mark.parametrize("elsewhere", ["pipe", "file"])
def test_progress_stays_where_rows_go_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, elsewhere: str
) -> None:
    """Each row replaces it by the next, and none takes it away before the end."""
    monkeypatch.setattr("netkit.cli.frame.progress.INTERVAL", 0.0)
    env = Environment(
        stdout=io.BytesIO(), stderr=(errors := io.BytesIO()), stderr_tty=True, stdout_tty=elsewhere == "file"
    )
    out = ["-o", str(tmp_path / "out")] if elsewhere == "file" else []
    assert run_in(["say", "a", "turn-b", "turn-c", *out], env) == 0
    first, *shown, last = errors.getvalue().decode().split("\r\x1b[2K")
    assert (first.split()[0][0], last) == ("#" if "#" in first else "-", "")
    assert len(shown) >= 2
    assert all(" done" in line for line in shown)


# -- as a process


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        netkit_argv(*arguments, module="tests.cli.sample_main"),
        env=process_environment(PYTHONUNBUFFERED="0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_slow_pipe_is_answered_line_by_line_and_stays_blocking() -> None:
    """Each line has its row before the next is written, while another input is still in flight."""
    process = start("say", "never-x", "-", "--timeout", "30")
    assert process.stdin is not None
    assert process.stdout is not None
    for word in (b"one", b"two"):
        process.stdin.write(word + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == word + b"\t3\n"
    assert os.get_blocking(process.stdin.fileno())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.startswith(b"netkit: interrupted after ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_at_once_with_the_rows_so_far(number: signal.Signals, code: int) -> None:
    process = start("say", "a", "never-x", "--timeout", "30")
    assert process.stdout is not None
    assert process.stdout.readline() == b"a\t1\n"
    process.send_signal(number)
    rest, errors = process.communicate()
    assert (process.returncode, rest) == (code, b"")
    assert b"Traceback" not in errors


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    process = start("say", "-")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"a\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"a\t1\n"
    process.stdout.close()

    def feed() -> None:
        assert process.stdin is not None
        try:
            while True:
                process.stdin.write(b"word\n" * 1000)
                process.stdin.flush()
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=feed)
    thread.start()
    errors = process.stderr.read()
    assert process.wait() == 141
    thread.join()
    process.stderr.close()
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass
    assert errors == b""


@pytest.mark.parametrize(
    "words",
    [
        ("tcp", "scan", "--all", "127.0.0.1", "1-"),
        ("tcp", "scan", "--all", "--json", "127.0.0.1", "1-"),
        ("tcp", "ping", "-i", "1ms", "127.0.0.1:1", "127.0.0.1:2"),
        ("udp", "ping", "-i", "1ms", "--json", "127.0.0.1:1"),
        ("dig", "@127.0.0.1:1", "+tries=1", "--json", "-f"),
        ("resolve", "--short", "-f"),
        ("tls", "probe", "--json", "-f"),
        ("link", "-f"),
    ],
    ids=" ".join,
)
def test_what_writes_while_it_goes_ends_quietly_with_its_reader(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """As with `| head -1`: no traceback, no message, 141."""
    if words[-1] == "-f":
        path = tmp_path / "list"
        path.write_text("127.0.0.1\n" * 20_000 if words[0] != "link" else "<http://a.example/>\n" * 20_000)
        words = (*words, str(path))
    with subprocess.Popen(
        netkit_argv(*words), env=process_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (141, b"")
