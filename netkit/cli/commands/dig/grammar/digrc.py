"""`~/.digrc`: words that BIND's dig reads before those of its command line, unless `-r` is one of these.

A line has options, flags, a server, a type or a class, as a command line has them. What the command line
says too takes the place of what the file says. BIND's dig passes over names there; here a name is an error,
because it is a mistake.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netkit.cli.commands.dig.grammar.queries import Words, read_words
from netkit.cli.frame.options import WrongValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netkit.cli.frame.context import Environment

#: The most that is read of the file, in octets.
LIMIT = 65536

NONE = Words([], [], [])


def read_digrc(env: Environment, takes_value: Mapping[str, bool]) -> Words:
    """The words of the file in the home directory; none if there is no file. Raises WrongValue."""
    home = env.environ.get("HOME")
    if not home:
        return NONE
    path = os.path.join(home, ".digrc")
    try:
        with open(path, "rb") as file:
            text = file.read(LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return NONE
    except OSError as error:
        raise WrongValue(f"{path}: {error.strerror}", "-r does not read the file") from None
    if len(text) > LIMIT:
        raise WrongValue(f"{path} is over {LIMIT:,} octets", "-r does not read the file")
    found = Words([], [], [])
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and not words[0].startswith(";"):
            try:
                _add_line(found, read_words(words, takes_value))
            except WrongValue as error:
                hint = (
                    f"{error.hint}; -r does not read the file" if error.hint else "-r does not read the file"
                )
                raise WrongValue(f"{path}, line {number}: {error.message}", hint) from None
    return found


def _add_line(found: Words, line: Words) -> None:
    if line.queries:
        # Not repeated: it may be a key behind a mistyped option.
        raise WrongValue("there is a name to ask for", "write it on the command line")
    found.options.extend(line.options)
    found.shared.extend(line.shared)


def merged(file: Words, typed: Words) -> Words:
    """The words of the file and of the command line, whose server, type and class count where it has them."""
    kinds = {word.kind for word in typed.shared if word.kind != "flag"}
    kept = [word for word in file.shared if word.kind not in kinds]
    return Words(file.options + typed.options, kept + typed.shared, typed.queries)
