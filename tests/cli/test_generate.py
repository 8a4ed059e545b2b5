"""Generated pages: current, well-formed, and completions that complete, in the shells themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from netkit.cli import table
from netkit.cli.pages import completion, generate
from tests.cli import sample
from tests.cli.helpers import Result
from tests.conftest import require_peer

pytestmark = pytest.mark.once

PAGES = generate.pages()
MANUALS = [name for name in PAGES if name.startswith("man/")]


def test_pages_are_current() -> None:
    outdated = generate.stale()
    assert not outdated, f"not current: {', '.join(outdated)}; make docs"


def test_every_command_has_its_pages() -> None:
    for entry in table.COMMANDS:
        name = entry.path.replace(" ", "-")
        assert f"man/netkit-{name}.1" in PAGES
        assert f"docs/schema/{name}.json" in PAGES


def test_what_is_stale_is_said_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate.stale, "__defaults__", (tmp_path,))
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "netkit-gone.1").write_text("left")
    assert generate.main([]) == 8, "not a source tree"
    (tmp_path / "pyproject.toml").touch()
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "man/netkit.1: not current\n" in said
    assert "man/netkit-gone.1: left over\n" in said
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert not (tmp_path / "man" / "netkit-gone.1").exists()
    (tmp_path / "completions" / "fish" / "netkit.fish").write_text("changed by hand")
    assert generate.main(["--check"]) == 1
    assert generate.main(["--wrong"]) == 2


@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(".json")])
def test_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(PAGES[name]))


@pytest.mark.parametrize("name", MANUALS)
def test_manuals_have_their_parts(name: str) -> None:
    page = PAGES[name]
    assert page.isascii()
    parts = [line[4:] for line in page.splitlines() if line.startswith(".SH ")]
    expected = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"]
    assert [part for part in parts if part in expected] == expected
    # Examples stand near the top, and each option right below a heading.
    assert parts[:4] == ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES"]
    if name != "man/netkit.1":
        assert "OPTIONS" in parts
        assert "\n.SS " not in page
    assert len(parts) == len(set(parts))


def test_manuals_pass_the_linter() -> None:
    mandoc = require_peer("mandoc")
    for name in MANUALS:
        done = subprocess.run(
            [mandoc, "-Tlint", "-Wwarning"], input=PAGES[name], capture_output=True, text=True, check=False
        )
        assert done.stdout == "", f"{name}: {done.stdout}"


def test_what_is_typed_survives_in_manuals() -> None:
    """Hyphens, backslashes, quotes and dots at the beginning of a line are what they were."""
    mandoc = require_peer("mandoc")
    from netkit.cli.pages.manual import _Page

    page = _Page("netkit-test")
    page.section("NAME")
    page.line("test \\- x")
    page.section("OPTIONS")
    page.terms([("--long-option, -o 'X'", "a `b\\x1b --c-d` e-f -- .g"), (".dot", "'quote ~^` … end")])
    page.literal(["$ printf '%s\\n' \"x\" | a-b", ".request"])
    done = subprocess.run(
        [mandoc, "-Tutf8", "-Owidth=100"], input=page.finish(), capture_output=True, text=True, check=True
    )
    shown = "".join(
        character
        for index, character in enumerate(done.stdout)
        if character != "\b" and done.stdout[index + 1 : index + 2] != "\b"
    )
    assert "--long-option, -o 'X'" in shown
    assert "a b\\x1b --c-d e-f -- .g" in shown
    assert ".dot" in shown
    assert "'quote ~^" in shown
    assert "$ printf '%s\\n' \"x\" | a-b\n" in shown
    assert "\n       .request" in shown


# -- completions


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The completions of the sample commands, in a directory with a few files."""
    monkeypatch.setattr(table, "COMMANDS", sample.ENTRIES)
    monkeypatch.setattr(table, "GROUPS", sample.GROUPS)
    places = completion.nodes(sample.ENTRIES)
    (tmp_path / "netkit.bash").write_text(completion.bash(places))
    (tmp_path / "_netkit").write_text(completion.zsh(places))
    (tmp_path / "netkit.fish").write_text(completion.fish(places))
    files = tmp_path / "files"
    files.mkdir()
    (files / "some words").touch()
    (files / "some.txt").touch()
    return tmp_path


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The completions as they are installed, in a directory with a few files."""
    (tmp_path / "netkit.bash").write_text(PAGES["completions/bash/netkit"])
    (tmp_path / "_netkit").write_text(PAGES["completions/zsh/_netkit"])
    (tmp_path / "netkit.fish").write_text(PAGES["completions/fish/netkit.fish"])
    files = tmp_path / "files"
    files.mkdir()
    (files / "some words").touch()
    (files / "some.txt").touch()
    return tmp_path


#: What is on the line when TAB is pressed, and what is offered; `...` where there is more.
CASES: list[tuple[str, set[str], set[str]]] = [
    ("netkit ", {"say", "raw", "tall"}, {"count"}),
    ("netkit s", {"say"}, {"raw"}),
    ("netkit --v", {"--version"}, {"--help"}),
    ("netkit raw ", {"count"}, {"say"}),
    ("netkit say --t", {"--timeout"}, {"--json"}),
    ("netkit say hello --or", {"--ordered"}, set()),
    ("netkit say --color ", {"auto", "always", "never"}, {"say"}),
    ("netkit say -f ", {"some words", "some.txt"}, {"say"}),
    ("netkit say --resume some.", {"some.txt"}, {"some words"}),
    ("netkit say --timeout ", set(), {"say", "some.txt", "--json"}),
    ("netkit raw count +", {"+flag", "+noflag", "+tries="}, {"say"}),
    ("netkit raw count -", {"-o", "--json"}, {"--plain", "-q"}),
    ("netkit say raw --", {"--timeout"}, {"--raise"}),
]
#: The same for the commands there are, at every kind of position.
REAL: list[tuple[str, set[str], set[str]]] = [
    # Commands, groups, and `help` before them.
    ("netkit ", {"dig", "tls", "help"}, {"probe"}),
    ("netkit tls ", {"probe", "help"}, {"dig"}),
    ("netkit help ", {"dig", "tls"}, {"probe"}),
    ("netkit help tls ", {"probe"}, {"dig"}),
    ("netkit tls help pr", {"probe"}, {"dig"}),
    ("netkit -", {"--version", "--help"}, {"--json"}),
    # Options, and what follows them.
    ("netkit tls probe --min", {"--min-version"}, {"--max-version"}),
    ("netkit tls probe --min-version ", {"1.0", "1.1", "1.2", "1.3"}, {"probe"}),
    ("netkit dig -t NSE", {"NSEC", "NSEC3"}, {"NS", "MX"}),
    ("netkit dig --type CN", {"CNAME"}, {"MX"}),
    ("netkit dig -c C", {"CH", "CHAOS"}, {"IN"}),
    ("netkit dig -p dom", {"domain", "domain-s"}, {"https"}),
    ("netkit http negotiate --field ", {"media", "encoding"}, {"gzip"}),
    ("netkit tls probe --ca some.", {"some.txt"}, {"some words"}),
    ("netkit serve dns --zone some.", {"some.txt"}, {"some words"}),
    ("netkit tls probe --source ", set(), {"probe", "--json", "some.txt"}),
    # Arguments.
    ("netkit dig +ed", {"+edns", "+edns="}, {"+edns[=", "+noedns[=", "+noedns="}),
    ("netkit dig +noed", {"+noedns"}, {"+noedns=", "+noedns[="}),
    ("netkit dig +coo", {"+cookie", "+cookie="}, {"+cookie[="}),
    ("netkit dig +sub", {"+subnet="}, {"+subnet", "+subnet[="}),
    ("netkit dig example.com AAA", {"AAAA"}, {"MX"}),
    ("netkit dig --edns AAA", {"AAAA"}, set()),
    ("netkit schema tls", {"tls.probe"}, {"dig"}),
    ("netkit http parse some.", {"some.txt"}, {"some words"}),
    ("netkit tcp scan localhost htt", {"http", "https"}, {"ssh"}),
    ("netkit tcp connect localhost:htt", {"localhost:http", "localhost:https"}, {"localhost:ssh"}),
    ("netkit resolve localhost:ss", {"localhost:ssh"}, {"localhost:https"}),
]
WITH_SIGN = ("netkit say --color=al", {"always"}, {"auto"})


def test_arguments_are_completed_as_they_are_declared() -> None:
    """Whatever the usage line calls them: `serve dns --zone FILE [BIND]` takes no file as its argument."""
    kinds = {node.path: node.positional for node in completion.nodes(table.COMMANDS)}
    endpoints = {"resolve", "tls probe", "tcp connect", "tcp ping", "udp send", "udp ping"}
    files = {"http parse", "serve http", "tls inspect", "unix connect", "unix listen"}
    assert {path for path, kind in kinds.items() if kind == "host"} == {
        "dig",
        "http fetch",
        "tcp scan",
        "ws client",
    }
    assert {path for path, kind in kinds.items() if kind == "endpoint"} == endpoints
    assert {path for path, kind in kinds.items() if kind == "file"} == files


def in_bash(scripts: Path, line: str) -> set[str]:
    """What bash offers: the function that is registered, called as readline does it."""
    # Words break at blanks, and at `=` and `:`, which are words themselves.
    words = re.sub(r"([=:])", r" \1 ", line).replace("  ", " ").split(" ")
    if line[-1] in "=:":
        words.pop()
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"""
source {scripts}/netkit.bash
cd {scripts}/files
COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}
$(complete -p netkit | sed -n 's/.*-F \\([^ ]*\\) .*/\\1/p')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [require_peer("bash"), "--norc", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    # What stands before the colon was a word of its own.
    before = line.rpartition(" ")[2].rpartition(":")
    return {before[0] + before[1] + word.strip() for word in done.stdout.splitlines()}


def in_fish(scripts: Path, line: str) -> set[str]:
    """What fish offers."""
    code = f"source {scripts}/netkit.fish; cd {scripts}/files; complete -C '{line}'"
    done = subprocess.run(
        [require_peer("fish"), "--no-config", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == "", "an error at the first TAB"
    return {word.partition("\t")[0].replace("\\ ", " ") for word in done.stdout.splitlines()}


@pytest.mark.parametrize(("line", "offered", "absent"), [*CASES, WITH_SIGN])
def test_bash_completes(scripts: Path, line: str, offered: set[str], absent: set[str]) -> None:
    found = in_bash(scripts, line)
    assert offered <= found
    assert not absent & found


@pytest.mark.parametrize(("line", "offered", "absent"), CASES)
def test_fish_completes(scripts: Path, line: str, offered: set[str], absent: set[str]) -> None:
    found = in_fish(scripts, line)
    assert offered <= found
    assert not absent & found


@pytest.mark.parametrize("shell", [in_bash, in_fish])
@pytest.mark.parametrize(("line", "offered", "absent"), REAL)
def test_the_commands_are_completed(
    real: Path, shell: Callable[[Path, str], set[str]], line: str, offered: set[str], absent: set[str]
) -> None:
    found = shell(real, line)
    assert offered <= found
    assert not absent & found
    assert not [word for word in found if "[" in word]


#: Makes zsh write what it would offer, and offer nothing: compadd is where every completion ends.
_ZSH_SPY = r"""
compadd() {
    local -a shown; local each
    if [[ ${@[(I)-[OAD]]} -gt 0 ]]; then builtin compadd "$@"; return; fi
    builtin compadd -A shown "$@"
    for each in "$shown[@]"; print -r -- "$IPREFIX$each" >> $OFFERED
    builtin compadd "$@"
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("made", ["scripts", "real"])
def test_zsh_completes(request: pytest.FixtureRequest, tmp_path: Path, made: str) -> None:
    """In an interactive zsh, as its completion system works nowhere else; what it adds is written down."""
    import pexpect

    directory: Path = request.getfixturevalue(made)
    offered_to = tmp_path / "offered"
    (tmp_path / "spy.zsh").write_text(_ZSH_SPY)
    zsh = require_peer("zsh")
    shell = pexpect.spawn(
        zsh,
        ["-f"],
        cwd=str(directory / "files"),
        env={**os.environ, "OFFERED": str(offered_to), "TERM": "dumb"},
        encoding="utf-8",
        dimensions=(60, 200),
        timeout=10,
    )
    shell.delaybeforesend = None
    shell.sendline(f"PS1='> '; fpath=({directory} $fpath); autoload -Uz compinit; compinit -u -D")
    shell.sendline(f"unsetopt AUTO_MENU; LISTMAX=1000; source {tmp_path}/spy.zsh; echo go'ne'")
    shell.expect("gone")
    for line, offered, absent in CASES if made == "scripts" else REAL:
        # The line editor has begun: before it, the terminal itself takes ^U.
        shell.expect_exact("\x1b[?2004h")
        offered_to.write_text("")
        shell.send(f"{line}\t")
        shell.send("\x15")
        shell.sendline("echo cle'ar'")
        shell.expect("clear")
        found = {word.replace("\\ ", " ") for word in offered_to.read_text().splitlines()}
        begun = line.rpartition(" ")[2]
        found = {word for word in found if word.startswith(begun)}
        assert offered <= found, f"{line}: {found}"
        assert not absent & found, line
        assert not [word for word in found if "[" in word], line
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.close()


def test_completion_prints_the_scripts(netkit: Callable[..., Result]) -> None:
    for shell, name in (("bash", "netkit"), ("zsh", "_netkit"), ("fish", "netkit.fish")):
        for tty in (False, True):
            printed = netkit("completion", shell, tty=tty)
            assert (printed.exit_code, printed.stderr) == (0, "")
            assert printed.stdout == PAGES[f"completions/{shell}/{name}"]
        [row] = netkit("completion", shell, "--json").json
        assert row == {"type": "completion", "shell": shell, "script": printed.stdout}
    wrong = netkit("completion", "tcsh")
    assert wrong.exit_code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in wrong.stderr


@pytest.mark.parametrize(("shell", "name"), [("bash", "netkit"), ("zsh", "_netkit"), ("fish", "netkit.fish")])
def test_scripts_are_read_by_their_shells(shell: str, name: str) -> None:
    program = require_peer(shell)
    script = PAGES[f"completions/{shell}/{name}"]
    done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_and_option_is_in_every_script() -> None:
    for name, path in (("bash", "netkit"), ("zsh", "_netkit"), ("fish", "netkit.fish")):
        script = PAGES[f"completions/{name}/{path}"]
        for node in completion.nodes(table.COMMANDS):
            for value in node.options:
                for option in value.names:
                    bare = option.lstrip("-") if name == "fish" else option
                    assert bare in script, (name, node.path, option)
