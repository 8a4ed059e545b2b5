"""Manual pages (man(7) macros) made from what the commands declare about themselves."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from netkit._version import __version__
from netkit.cli.frame.command import NetkitCommand, option_record
from netkit.cli.frame.exits import EXIT_TEXTS
from netkit.cli.frame.root import load
from netkit.cli.table import ABOUT, CONNECT, LOOK_UP, SERVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.cli.table import Entry

#: The date in the footer; set it with the version, so that pages do not change by themselves.
DATE = "2026-11-23"

#: Variables that every command reads.
VARIABLES = (
    ("NO_COLOR", "If set and not empty, no colours (as if with --color never)."),
    ("COLUMNS", "The width of tables, if it should differ from the terminal's."),
    ("TERM", "If it is `dumb`, no colours and no progress line."),
    ("NETKIT_DEBUG", "If 1, errors are shown with their tracebacks."),
    ("NETKIT_PURE", "If 1, use the Python version of every function that also exists in Rust."),
)

_INTRODUCTION = """\
netkit examines a network from the bottom up: addresses, TCP, UDP, DNS, TLS. All commands have one grammar,
one form of output and one set of exit codes; and they explain what they find.

Wherever a command takes an endpoint, it takes `HOST:PORT`, `[v6]:PORT`, `:PORT`, names of services and
URLs."""

_OUTPUT = """\
Standard output carries results only. Progress, warnings and errors go to standard error. A message is
`netkit: what was being done: what happened`; a line with `hint:` follows if there is something to do.

On a terminal, results are tables. Elsewhere, or with `--plain`, the same facts are text separated by tabs,
with a dash for a missing value. `--short` gives the bare values, one a line. `--json` gives JSON Lines, one
object for every input, or for every event of a stream. An object always has `type`; it has `input` if the
command takes inputs, and `error` (`layer`, `kind`, `message`, `hint`) if the input failed. Keys that end in
`_s` are seconds, those in `_b64` are base64; dates are RFC 3339. `netkit schema COMMAND` prints the JSON
Schema.

An offset in a message is the number of characters of what was typed, or of octets of what was received,
that stand before what is wrong: offset 0 is the first.

Text from a peer is shown with its control characters as escapes, `\\x1b`, in every form of output."""

#: The commands whose first examples are on the page of netkit itself.
_FIRST = ("demo", "dig", "resolve", "tls probe", "tcp connect", "tcp scan", "http parse", "serve echo")

_INPUTS = """\
A command that probes takes any number of inputs: as arguments, from a file with `-f FILE`, or from standard
input with `-`; there, one a line, blank lines and lines that begin with `#` skipped. There is one row for
every input, whatever happened to it; in plain text that of a failed one is the input, `error`, the layer
and kind, and the message; with `--short` it is `-`. A list without any input is said on standard error, and
ends with 2.

Rows come as inputs finish, or with `--ordered` in the order of the inputs; then no input begins more than
4096 ahead of the one whose row is due. `--concurrency` and `--rate` say how many are under way at once and
how many begin in a second. With `--resume FILE`, finished inputs are noted in a journal, and the same
command goes on after an interruption where it was (with `-o`, appending to what is there): an input is
done if its number and its text are in the journal. The journal also has the options that decide what a
result is: the same list with another type, server or timeout is refused (8), with another form of output
not."""


def command_page(command: NetkitCommand, entries: Iterable[Entry]) -> str:
    """The page of one command."""
    context = click.Context(command, info_name=f"netkit {command.path}")
    doc = command.doc
    page = _Page(f"netkit-{command.path.replace(' ', '-')}")
    summary = doc.summary.rstrip(".")
    page.section("NAME")
    if summary[1:2].islower():
        summary = summary[:1].lower() + summary[1:]
    page.line(f"{_plain(page.name)} \\- {_plain(summary)}")
    page.section("SYNOPSIS")
    page.synopsis(f"netkit {command.path}", " ".join(command.collect_usage_pieces(context)))
    page.section("DESCRIPTION")
    page.text([doc.summary, *doc.blocks])
    if doc.examples:
        page.section("EXAMPLES")
        page.literal(doc.examples)
    for section in command.sections:
        page.section(section.title.upper())
        page.terms(section.rows)
    # Options are looked for under that heading, so the first of their groups has it, whatever its own title.
    for index, (title, options) in enumerate(command.option_sections(context).items()):
        page.section(title.upper() if index else "OPTIONS")
        page.terms(option_record(option) for option in options)
    page.section("EXIT STATUS")
    page.terms((str(int(code)), text) for code, text in EXIT_TEXTS.items())
    group = command.path.rpartition(" ")[0]
    near = [
        f"netkit-{entry.path.replace(' ', '-')}(1)"
        for entry in entries
        if group and entry.path.startswith(f"{group} ") and entry.path != command.path
    ]
    page.section("SEE ALSO")
    page.references(["netkit(1)", *near, *command.see_also])
    return page.finish()


def main_page(entries: Iterable[Entry]) -> str:
    """The page of netkit itself: what is common to all commands."""
    entries = list(entries)
    page = _Page("netkit")
    page.section("NAME")
    page.line("netkit \\- a network from the bottom up")
    page.section("SYNOPSIS")
    page.synopsis("netkit", "COMMAND [ARGUMENTS] [OPTIONS]")
    page.synopsis("netkit", "help [COMMAND]")
    page.synopsis("netkit", "--version | --help")
    page.section("DESCRIPTION")
    page.text(_INTRODUCTION.split("\n\n"))
    page.section("EXAMPLES")
    page.literal(_examples(entries))
    page.section("COMMANDS")
    sections = dict.fromkeys([LOOK_UP, CONNECT, SERVE, ABOUT, *(entry.section for entry in entries)])
    for section in sections:
        if not any(entry.section == section for entry in entries):
            continue
        page.subsection(section)
        page.terms((f"netkit {e.path}", e.help) for e in entries if e.section == section)
    for title, text in (("OUTPUT", _OUTPUT), ("SEVERAL INPUTS", _INPUTS)):
        page.section(title)
        page.text(text.split("\n\n"))
    page.section("EXIT STATUS")
    page.terms((str(int(code)), text) for code, text in EXIT_TEXTS.items())
    page.text(["The first layer that failed decides the code."])
    page.section("ENVIRONMENT")
    page.terms(VARIABLES)
    page.section("SEE ALSO")
    page.references(f"netkit-{entry.path.replace(' ', '-')}(1)" for entry in entries)
    return page.finish()


def _examples(entries: Iterable[Entry]) -> list[str]:
    """The first example of each command that a beginner may want first."""
    loaded = {entry.path: load(entry).doc.examples for entry in entries if entry.path in _FIRST}
    return [loaded[path][0] for path in _FIRST if loaded.get(path)]


class _Page:
    def __init__(self, name: str) -> None:
        self.name = name
        self._lines = [
            ".\\\" Made from the commands' own declarations by `make docs`: do not edit.",
            f'.TH {name.upper()} 1 "{DATE}" "netkit {__version__}" "netkit manual"',
            ".nh",
            ".ad l",
        ]
        self._fresh = True  # right below a heading, where a paragraph needs no macro

    def line(self, text: str) -> None:
        self._lines.append(text)
        self._fresh = False

    def section(self, title: str) -> None:
        self._lines.append(f".SH {title}")
        self._fresh = True

    def subsection(self, title: str) -> None:
        self._lines.append(f".SS {title}")
        self._fresh = True

    def synopsis(self, name: str, rest: str) -> None:
        if not self._fresh:
            self._lines.append(".br")
        self.line(f"\\fB{_code(name)}\\fR {_plain(rest)}".rstrip())

    def text(self, blocks: Iterable[str]) -> None:
        for block in blocks:
            if block.startswith(" "):
                self.literal(block.splitlines())
                continue
            if not self._fresh:
                self._lines.append(".PP")
            self._lines += _prose(block)
            self._fresh = False

    def literal(self, lines: Iterable[str]) -> None:
        if not self._fresh:
            self._lines.append(".PP")
        self._lines.append(".nf")
        self._lines += [_guarded(_code(line)) if line else "\\&" for line in lines]
        self._lines.append(".fi")
        self._fresh = False

    def terms(self, rows: Iterable[tuple[str, str]]) -> None:
        for term, text in rows:
            self._lines += [".TP", f"\\fB{_code(term)}\\fR", *(_prose(text) or ["\\&"])]
        self._fresh = False

    def references(self, pages: Iterable[str]) -> None:
        shown = []
        for page in dict.fromkeys(pages):
            name, parenthesis, section = page.partition("(")
            shown.append(f"\\fB{_code(name)}\\fR{parenthesis}{section}")
        self.line(",\n".join(shown))

    def finish(self) -> str:
        return "\n".join(self._lines) + "\n"


def _escape(text: str) -> str:
    text = text.replace("\\", "\\e")
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)


def _code(text: str) -> str:
    """Text that a user types: hyphens and quotes must stay the same when a user copies them."""
    for character, escape in (("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti")):
        text = text.replace(character, f"\0{escape[1:]}")
    return _escape(text).replace("\0", "\\")


def _plain(text: str) -> str:
    return _guarded(_bare(text))


def _bare(text: str) -> str:
    """Words: only a hyphen at the beginning of a word is one that a user types."""
    return re.sub(r"(?<!\w)-+", lambda match: "\\-" * len(match[0]), _escape(text))


def _prose(text: str) -> list[str]:
    """A paragraph, broken into lines: text in backquotes is bold."""
    parts = " ".join(text.split()).split("`")
    shown = "".join(
        _bare(part) if index % 2 == 0 else f"\\fB{_code(part)}\\fR" for index, part in enumerate(parts)
    )
    return [_guarded(line) for line in wrap(shown, 78, break_long_words=False, break_on_hyphens=False)]


def _guarded(line: str) -> str:
    """Protect a line that begins with a dot or a quote: troff would read it as a request."""
    return f"\\&{line}" if line.startswith((".", "'")) else line
