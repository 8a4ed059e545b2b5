"""Man pages, completions and JSON Schemas, written from the commands' own declarations.

    python -m netkit.cli.pages.generate            write the files that are not current
    python -m netkit.cli.pages.generate --check    name the files that are not current; if any, exit 1

    man/netkit.1, man/netkit-COMMAND.1       completions/SHELL/...       docs/schema/COMMAND.json

Everything is made from the table of commands (main.py) and from what each command declares: its docstring,
its options, its view. So a page can be out of date, but it cannot contradict its command otherwise.
"""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path

from netkit.cli.frame.root import load
from netkit.cli.pages import completion, manual
from netkit.cli.pages.schema import view_schema
from netkit.cli.table import COMMANDS, Entry

ROOT = Path(__file__).parents[3]

#: Directories and names of generated files. A file there that is not generated now is left over.
PLACES = ("man/netkit*.1", "completions/*/*netkit*", "docs/schema/*.json")


def pages(entries: tuple[Entry, ...] = COMMANDS) -> dict[str, str]:
    """Every generated file: its path below the root of the tree, and its text."""
    made = {"man/netkit.1": manual.main_page(entries)}
    for entry in entries:
        command, name = load(entry), entry.path.replace(" ", "-")
        made[f"man/netkit-{name}.1"] = manual.command_page(command, entries)
        schema = view_schema(command.view, f"netkit {entry.path}")
        made[f"docs/schema/{name}.json"] = dumps(schema, indent=2) + "\n"
    places = completion.nodes(entries)
    made["completions/bash/netkit"] = completion.bash(places)
    made["completions/zsh/_netkit"] = completion.zsh(places)
    made["completions/fish/netkit.fish"] = completion.fish(places)
    return made


def stale(root: Path = ROOT) -> dict[str, str | None]:
    """What is not current: path and right text, or None for a file that should not be there."""
    made = pages()
    found: dict[str, str | None] = {path: text for path, text in made.items() if not _has(root / path, text)}
    for pattern in PLACES:
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            if name not in made:
                found[name] = None
    return found


def _has(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except FileNotFoundError:
        return False


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("netkit: generate: the only option is --check\n")
        return 2
    if not (ROOT / "pyproject.toml").exists():
        sys.stderr.write(f"netkit: generate: {ROOT} is not the source tree\n")
        return 8
    outdated = stale()
    for name, text in outdated.items():
        path = ROOT / name
        if arguments:
            sys.stderr.write(f"{name}: {'left over' if text is None else 'not current'}\n")
        elif text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if arguments and outdated:
        sys.stderr.write("hint: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
