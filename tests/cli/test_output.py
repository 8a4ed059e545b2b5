"""One result, four forms; and where it is written to."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from netkit.cli.frame.cells import Column
from netkit.cli.frame.context import Environment, OutputFailed
from netkit.cli.frame.messages import visible
from netkit.cli.frame.output import b64, json_line, rfc3339
from netkit.cli.render import facts, mark, render, side_by_side, table, text
from netkit.cli.render.columns import display_width, failed_line, row_line, title_line
from tests.cli.helpers import Result

Netkit = Callable[..., Result]
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("sample")]


def test_the_mode_follows_the_stream(netkit: Netkit) -> None:
    assert netkit("say", "hello").stdout == "hello\t5\n"
    assert "│" in netkit("say", "hello", tty=True).stdout
    assert netkit("say", "hello", "--plain", tty=True).stdout == "hello\t5\n"
    assert netkit("say", "hello", "--short", tty=True).stdout == "hello\n"
    assert netkit("say", "hello", "--json", tty=True).json == [
        {"type": "say", "input": "hello", "word": "hello", "length": 5}
    ]


def test_colours_are_asked_for_kept_and_refused(netkit: Netkit) -> None:
    assert "\x1b[" in netkit("say", "hello", tty=True).stdout
    for refused in ({"env": {"NO_COLOR": "1"}}, {"env": {"TERM": "dumb"}}):
        shown = netkit("say", "hello", tty=True, **refused).stdout
        assert "\x1b" not in shown
        assert "│" in shown
    assert "\x1b" not in netkit("say", "hello", "--color", "never", tty=True).stdout
    assert "\x1b[" in netkit("say", "hello", tty=True, env={"NO_COLOR": ""}).stdout
    always = netkit("say", "hello", "--color", "always", env={"NO_COLOR": "1"}).stdout
    assert "\x1b[" in always, "asked for by name, so also into a pipe, and with the table it belongs to"
    assert "│" in always
    assert netkit("say", "hello", "--color", "always", "--plain").stdout == "hello\t5\n"


def test_messages_are_coloured_only_on_a_terminal(netkit: Netkit) -> None:
    assert netkit("say", "fails-refused", tty=True).stderr.startswith("\x1b[1;31mnetkit:\x1b[0m ")
    assert netkit("say", "fails-refused").stderr.startswith("netkit: ")
    assert netkit("say", "fails-refused", tty=True, env={"NO_COLOR": "1"}).stderr.startswith("netkit: ")


def test_a_failure_says_why_and_what_to_do(netkit: Netkit) -> None:
    result = netkit("say", "fails-refused")
    assert result.exit_code == 4
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    assert first == "netkit: saying fails-refused: connection refused"
    assert second.startswith("hint: ")


def test_quiet_leaves_results_and_the_exit_code(netkit: Netkit) -> None:
    result = netkit("say", "hello", "fails-refused", "-q")
    assert (result.exit_code, result.stderr) == (9, "")
    assert result.lines[0] == "hello\t5"


def test_a_result_that_failed_is_shown_all_the_same(netkit: Netkit) -> None:
    result = netkit("say", "doubtful", "--json")
    assert result.exit_code == 5
    assert result.json[0]["word"] == "doubtful"
    assert result.json[0]["error"]["layer"] == "tls"
    assert netkit("say", "doubtful").stdout == "doubtful\t8\n"
    assert "does not verify" in netkit("say", "doubtful").stderr
    no = netkit("say", "no")
    assert (no.exit_code, no.stdout, no.stderr) == (1, "no\t2\n", ""), "a no is an answer, not a failure"


@pytest.mark.parametrize("mode", [["--plain"], ["--short"], ["--json"], []])
@pytest.mark.parametrize("tty", [False, True])
def test_nothing_hostile_reaches_the_terminal(netkit: Netkit, mode: list[str], tty: bool) -> None:
    word = "a\x1b];t\x07\x9bm\u202eb\x7f"
    result = netkit("say", word, *mode, tty=tty, env={"NO_COLOR": "1"})
    other = netkit("say", "fails-hostile", word, *mode, tty=tty, env={"NO_COLOR": "1"})
    for shown in (result.stdout, other.stdout, other.stderr):
        cleaned = shown.replace("\x1b[2K", "").replace("\r", "")  # the progress line's own
        assert all(c in "\n\t" or c == visible(c) for c in cleaned), repr(shown)
    if mode == ["--json"]:
        assert result.json[0]["word"] == word, "escaped, and the same text when it is read back"


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=()))), st.booleans())
def test_json_lines_are_one_safe_line_that_reads_back(row: dict[str, str], ascii_only: bool) -> None:
    line = json_line(row, ascii_only=ascii_only)
    assert line == visible(line)
    assert line.isascii() or not ascii_only
    assert json.loads(line) == row


def test_json_never_holds_what_json_has_not() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_line({"time_s": float("nan")})
    with pytest.raises(TypeError, match="b64"):
        json_line({"data": b"raw"})
    moment = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    assert json_line({"at": moment}) == '{"at": "2026-03-01T12:00:00Z"}'


def test_bytes_and_moments() -> None:
    assert b64(b"\x00\xff\xfe" * 40) == "AP/+" * 40
    assert b64(memoryview(b"")) == ""
    assert rfc3339(datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)) == "2026-03-01T12:00:00.250000Z"
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 3, 1))  # noqa: DTZ001


def test_another_encoding_gets_what_it_can_show(netkit: Netkit) -> None:
    assert netkit("say", "Zürich東", "--plain", encoding="iso8859-1").raw == b"Z\xfcrich\\u6771\t7\n"
    row = netkit("say", "Zürich", "--json", encoding="iso8859-1")
    assert row.raw.isascii()
    assert row.json[0]["word"] == "Zürich"
    shown = netkit("say", "abc", tty=True, encoding="ascii", env={"NO_COLOR": "1"}).stdout
    assert shown.isascii()
    assert "+--" in shown


def test_output_to_a_file(netkit: Netkit, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    result = netkit("say", "hello", "-o", str(path), tty=True)
    assert (result.exit_code, result.stdout) == (0, "")
    assert path.read_text() == "hello\t5\n", "a file is no terminal"
    netkit("say", "again", "--json", "--output", str(path))
    assert json.loads(path.read_text())["word"] == "again"
    assert netkit("say", "hello", "-o", "-").stdout == "hello\t5\n"


def test_an_output_that_cannot_be_opened(netkit: Netkit, tmp_path: Path) -> None:
    result = netkit("say", "hello", "-o", str(tmp_path / "no" / "out.txt"))
    assert result.exit_code == 8
    assert result.stderr.startswith("netkit: opening ")
    assert "no such file or directory" in result.stderr


def test_several_inputs_are_a_line_each_on_a_terminal(netkit: Netkit) -> None:
    words = ("hello", "fails-refused", "a-rather-long-word")
    result = netkit("say", *words, tty=True, width=24, env={"NO_COLOR": "1"})
    assert result.exit_code == 9
    assert result.lines == [
        "word            length",
        "hello           5",
        "fails-refused",
        "  ✗ connection refused",
        "a-rather-long-word",
        "                18",
    ]
    assert "fails-refused" not in result.stderr, "its row says it"
    assert "1 of 3 inputs failed: 1 refused" in result.stderr


def test_a_wide_terminal_shows_the_whole_of_an_input(netkit: Netkit) -> None:
    words = ("an-even-longer-one-1", "an-even-longer-one-2")
    result = netkit("say", *words, tty=True, width=160, env={"NO_COLOR": "1"})
    assert result.lines == ["word                      length", *(f"{word}      20" for word in words)]
    narrow = netkit("say", *words, tty=True, width=20, env={"NO_COLOR": "1"})
    first, second = words
    assert narrow.lines == ["word", "  length", first, "  20", second, "  20"]


_COLUMNS = (Column("server", 16), Column("days", 5), Column("state", 8), Column("verdict", 60))
_CELLS = ("host.example.test:443", "29", "TLS 1.3", "refused: self-signed, wrong-host, expired yesterday")


@pytest.mark.parametrize("width", [24, 40, 60, 80, 160])
@pytest.mark.parametrize("colour", [True, False])
def test_no_cell_is_cut_at_any_width(width: int, colour: bool) -> None:
    """Each word is whole, in its column, whatever the width; a reason has a sign of its own."""
    env = Environment(width=width)
    env.color = colour
    shown = [
        title_line(env, _COLUMNS),
        row_line(env, _COLUMNS, _CELLS, failed=True),
        failed_line(env, _COLUMNS, _CELLS[0], "cannot connect to 192.0.2.1:443: connection refused"),
    ]
    plain = [re.sub("\x1b\\[[0-9;]*m", "", text) for text in shown]
    assert (shown == plain) is not colour
    assert all(len(line) <= width for text in plain for line in text.split("\n"))
    assert not any(line != line.rstrip() for text in plain for line in text.split("\n"))
    assert set(plain[0].split()) == {"server", "days", "state", "verdict"}
    assert sorted(plain[1].split()) == sorted(" ".join(_CELLS).split())
    input_text, sign, why = plain[2].partition("✗ ")
    assert (input_text.split(), sign) == ([_CELLS[0]], "✗ ")
    assert " ".join(why.split()) == "cannot connect to 192.0.2.1:443: connection refused"


def test_a_word_longer_than_its_column_loses_nothing() -> None:
    env = Environment(width=30)
    address = "2001:db8:1234:5678:9abc:def0:1234:5678"
    shown = row_line(env, (Column("name", 8), Column("address", 40)), ("東京" * 9, address), failed=False)
    assert all(display_width(line) <= 30 for line in shown.split("\n")[:1])
    assert "".join(shown.split()) == "東京" * 9 + address


def test_the_table_knows_terminals_without_unicode() -> None:
    env = Environment(width=80, encoding="ascii")
    assert failed_line(env, _COLUMNS, "here", "no").split() == ["here", "x", "no"]


def test_several_inputs_in_plain_text_have_a_row_each(netkit: Netkit) -> None:
    result = netkit("say", "hello", "fails-refused")
    assert result.lines == ["hello\t5", "fails-refused\terror\ttcp.Refused\tconnection refused"]
    assert result.stderr.splitlines() == [
        "netkit: saying fails-refused: connection refused",
        "netkit: 1 of 2 inputs failed: 1 refused",
    ]


def test_cells_without_a_value_keep_their_place() -> None:
    out = io.BytesIO()
    env = Environment(stdout=out)
    from netkit.cli.frame.output import _lines

    env.write_lines(_lines([("a", None, "", True, False, 0, "x\ty"), "whole\tline"]))
    assert out.getvalue().decode() == "a\t-\t-\tyes\tno\t0\tx\\x09y\nwhole\tline\n"


def test_verbose_shows_what_the_library_says(netkit: Netkit, monkeypatch: pytest.MonkeyPatch) -> None:
    from netkit._log import Log
    from tests.cli import sample

    log = Log("netkit.say")
    monkeypatch.setattr(sample, "parse_word", str)
    said = sample.say_flow

    def say_flow(word: str) -> object:
        log.debug("asked for %s", word)
        return said(word)

    monkeypatch.setattr(sample, "say_flow", say_flow)
    result = netkit("say", "a\x1bb", "-v")
    (line,) = result.stderr.splitlines()
    assert line.endswith(r"s say      asked for a\x1bb")
    assert float(line.split("s ")[0]) >= 0
    assert netkit("say", "x").stderr == "", "the handler is gone with the command"
    assert logging.getLogger("netkit").propagate


def test_the_clock_of_verbose_begins_with_the_first_step(
    netkit: Netkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netkit._log import Log
    from tests.cli import sample

    said = sample.say_flow

    def say_flow(word: str) -> object:
        Log("netkit.say").debug("asked")
        return said(word)

    monkeypatch.setattr(sample, "say_flow", say_flow)
    times = [float(line.split("s ")[0]) for line in netkit("say", "a", "b", "-v").stderr.splitlines()]
    assert times[0] == 0.0
    assert times[1] >= 0.0


# -- tables


@pytest.mark.parametrize(
    ("variables", "ascii_only"),
    [
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "", "LC_CTYPE": "C.UTF-8"}, False),
    ],
)
def test_the_c_locale_is_drawn_in_ascii(
    netkit_process: Netkit, variables: dict[str, str], ascii_only: bool
) -> None:
    shown = netkit_process("resolve", "--color", "always", "127.0.0.1", env=variables)
    assert shown.exit_code == 0
    assert shown.raw.isascii() is ascii_only


def rendered(*renderables: object, width: int = 60, color: bool = False, encoding: str = "utf-8") -> str:
    env = Environment(width=width, encoding=encoding, environ={"TERM": "xterm-256color"})
    env.color = color
    return render(env, renderables)


def test_tables_take_text_as_it_is() -> None:
    shown = rendered(
        table(["[b]name[/b]", "n"], [["[red]x[/red] :smile:", 1], ["a\x1bb\nc", None]], right=[1])
    )
    assert "[b]name[/b]" in shown
    assert "[red]x[/red] :smile:" in shown
    assert r"a\x1bb" in shown
    assert "\x1b" not in shown
    assert "│      - │" not in shown
    assert "│ - │" in shown


def test_a_table_never_is_wider_than_the_terminal_and_loses_nothing() -> None:
    value = "".join(chr(97 + i % 26) for i in range(150))
    shown = rendered(table(["name", "value"], [["x", value]]), width=40)
    assert all(len(line) <= 40 for line in shown.splitlines())
    cells = "".join(line.split("│")[2].strip() for line in shown.splitlines() if line.count("│") == 3)
    assert cells == "value" + value
    cut = rendered(table(["name", "value"], [["x", value]], cut=[1]), width=40)
    assert "…" in cut


def test_facts_and_columns_and_marks() -> None:
    env = Environment()
    sheet = facts([("name", "value"), ("verdict", mark("bad", "expired", env))], title="Sheet")
    assert rendered(sheet).splitlines() == ["Sheet", "name     value", "verdict  ✗ expired"]
    ascii_env = Environment(encoding="ascii")
    assert mark("good", "ok", ascii_env).plain == "+ ok"
    side = rendered(side_by_side(facts([("a", 1)]), facts([("b", 2)])), width=60)
    assert len(side.splitlines()) == 1
    assert text(None).plain == "-"
    assert text(True).plain == "yes"


def test_a_view_that_makes_its_own_text_is_still_safe() -> None:
    from rich.text import Text

    shown = rendered(Text("a\x1b]0;x\x07b"), color=True)
    assert "\x1b]" not in shown
    assert "\x07" not in shown


def test_wide_characters_keep_columns_apart() -> None:
    assert [display_width(word) for word in ("abc", "東京", "e\u0301")] == [3, 4, 1]


# -- where it cannot be written


class Full(io.BytesIO):
    """A stream that fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, data: object) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (BrokenPipeError(32, "Broken pipe"), True),
        (OSError(28, "No space left"), False),
        (ValueError("closed"), True),
    ],
)
def test_what_cannot_be_written_is_told_apart(error: Exception, broken: bool) -> None:
    env = Environment(stdout=Full(error))
    with pytest.raises(OutputFailed) as caught:
        env.write("x")
    assert caught.value.is_broken_pipe is broken
    assert caught.value.where == "standard output"


def test_a_closed_standard_error_is_nobodys_problem() -> None:
    Environment(stderr=None).warn("x", "y")
    Environment(stderr=Full(OSError(5, "gone"))).warn("x", "y")


def test_the_progress_line_goes_away_before_anything_is_written() -> None:
    stderr, stdout = io.BytesIO(), io.BytesIO()
    env = Environment(stdout=stdout, stderr=stderr, stdout_tty=True, stderr_tty=True, width=20)
    env.status("working " * 5)
    assert stderr.getvalue() == b"working working wor"
    env.write_lines(["row"])
    assert stderr.getvalue().endswith(b"\r\x1b[2K")
    env.status("again")
    env.warn(None, "odd")
    assert stderr.getvalue().endswith(b"again\r\x1b[2K\x1b[1;31mnetkit:\x1b[0m odd\n")


def test_the_width_is_the_terminals_or_said() -> None:
    assert Environment(environ={"COLUMNS": "132"}).width == 132
    assert Environment(environ={"COLUMNS": "0"}).width > 0
    assert Environment(environ={"COLUMNS": "wide"}).width > 0
    assert Environment(width=50, environ={"COLUMNS": "132"}).width == 50
