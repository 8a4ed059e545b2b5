"""The words of a command line, or of a line in a file, without the secrets in them.

A line of `-f` stands in the output as the input of its row, in the journal of `--resume` and in messages, and
`+cmd` shows the command line. Keys and passwords are left out of all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netkit.cli.frame.messages import without_password

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Long options whose value is a secret, or may have one in it.
SECRET_OPTIONS = ("--tsig-key", "--proxy")
#: -y, with its value glued to it or not, also behind the letters of options without a value.
_KEY = re.compile(r"-[46imnruv]*y")
_HIDDEN = "..."


def without_secrets(words: Iterable[str]) -> list[str]:
    """The words, with `...` for each secret."""
    shown: list[str] = []
    is_secret = False
    for word in words:
        option, equals, _ = word.partition("=")
        key = _KEY.match(word)
        if is_secret:
            shown.append(_HIDDEN)
            is_secret = False
        elif option in SECRET_OPTIONS:
            shown.append(f"{option}={_HIDDEN}" if equals else option)
            is_secret = not equals
        elif key is not None:
            is_secret = key[0] == word
            shown.append(word if is_secret else f"{key[0]}{_HIDDEN}")
        else:
            shown.append(without_password(word))
    return shown


def shown_line(text: str) -> str:
    """A line as it may be repeated; as it is if there is no secret in it."""
    words = text.split()
    shown = without_secrets(words)
    return text if shown == words else " ".join(shown)
