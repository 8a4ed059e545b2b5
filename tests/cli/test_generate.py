"""Generated pages: current, well-formed, and completions that complete, in the shells themselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest

from netkit.cli import table
from netkit.cli.pages import completion, generate
from tests.cli import sample
from tests.conftest import require_peer

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
    (tmp_path / "completions" / "netkit.fish").write_text("changed by hand")
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
    if name != "man/netkit.1":
        assert {"OPTIONS", "EXAMPLES"} <= set(parts)


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
WITH_SIGN = ("netkit say --color=al", {"always"}, {"auto"})


def test_arguments_are_completed_as_they_are_declared() -> None:
    """Whatever the usage line calls them: `serve dns --zone FILE [BIND]` takes no file as its argument."""
    kinds = {node.path: node.positional for node in completion.nodes(table.COMMANDS)}
    hosts = {"dig", "resolve", "tls probe", "tcp connect", "tcp ping", "tcp scan", "udp send", "udp ping"}
    files = {"http parse", "unix connect", "unix listen"}
    assert {path for path, kind in kinds.items() if kind == "host"} == hosts
    assert {path for path, kind in kinds.items() if kind == "file"} == files


@pytest.mark.parametrize(("line", "offered", "absent"), [*CASES, WITH_SIGN])
def test_bash_completes(scripts: Path, line: str, offered: set[str], absent: set[str]) -> None:
    bash = require_peer("bash")
    # What readline does before it calls the function: words break at blanks and at `=`.
    words = line.replace("=", " = ").split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"""
source {scripts}/netkit.bash
cd {scripts}/files
COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}
$(complete -p netkit | sed -n 's/.*-F \\([^ ]*\\) .*/\\1/p')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run([bash, "--norc", "-c", code], capture_output=True, text=True, check=True)
    found = {word.strip() for word in done.stdout.splitlines()}
    assert offered <= found
    assert not absent & found
    assert done.stderr == ""


@pytest.mark.parametrize(("line", "offered", "absent"), CASES)
def test_fish_completes(scripts: Path, line: str, offered: set[str], absent: set[str]) -> None:
    fish = require_peer("fish")
    code = f"source {scripts}/netkit.fish; cd {scripts}/files; complete -C '{line}'"
    done = subprocess.run([fish, "--no-config", "-c", code], capture_output=True, text=True, check=True)
    found = {word.partition("\t")[0].replace("\\ ", " ") for word in done.stdout.splitlines()}
    assert offered <= found
    assert not absent & found
    assert done.stderr == ""


def _rest_of(line: str, word: str) -> list[str]:
    """What is left to be typed of a word that is the only one offered."""
    begun = line.rpartition(" ")[2]
    return [word[len(begun) :]] if begun and word.startswith(begun) else []


@pytest.mark.slow
def test_zsh_completes(scripts: Path) -> None:
    """In an interactive zsh, as its completion system works nowhere else: TAB, then the list it shows."""
    import pexpect

    zsh = require_peer("zsh")
    shell = pexpect.spawn(
        zsh, ["-f"], cwd=str(scripts / "files"), encoding="utf-8", dimensions=(60, 200), timeout=10
    )
    shell.delaybeforesend = None
    shell.sendline(f"PS1='ready> '; fpath=({scripts} $fpath); autoload -Uz compinit; compinit -u -D")
    # Every TAB lists what there is, and none begins to cycle through it.
    shell.sendline("unsetopt AUTO_MENU LIST_AMBIGUOUS; LISTMAX=1000; echo go'ne'")
    shell.expect("gone")
    for line, offered, _ in CASES:
        missing = set(offered)
        shell.send(f"{line}\t")
        while missing:
            written = {word: [word, word.replace(" ", "\\ "), *_rest_of(line, word)] for word in missing}
            texts = [text for forms in written.values() for text in forms]
            shell.expect_exact(texts)
            missing -= {word for word, forms in written.items() if shell.match in forms}
        shell.send("\x15")
        shell.sendline("echo cle'ar'")
        shell.expect("clear")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.close()


@pytest.mark.parametrize(
    ("shell", "name"), [("bash", "netkit.bash"), ("zsh", "netkit.zsh"), ("fish", "netkit.fish")]
)
def test_scripts_are_read_by_their_shells(shell: str, name: str) -> None:
    program = require_peer(shell)
    script = PAGES[f"completions/{name}"]
    done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_and_option_is_in_every_script() -> None:
    for name in ("bash", "zsh", "fish"):
        script = PAGES[f"completions/netkit.{name}"]
        for node in completion.nodes(table.COMMANDS):
            for value in node.options:
                for option in value.names:
                    bare = option.lstrip("-") if name == "fish" else option
                    assert bare in script, (name, node.path, option)
