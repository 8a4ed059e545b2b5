"""The body of a message on a terminal: JSON set out and coloured, other text as it is, nothing binary.

Text comes from a peer, so every control character but a line end and a tab is shown as an escape. JSON is
set out by its tokens, not by reading it into values: numbers keep their digits, keys their order and their
repetitions. What is not JSON after all, or too large to be held back until its end, is shown as text.

No rich here: a body can be long, and needs three colours.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from netkit.cli.frame.messages import visible

if TYPE_CHECKING:
    from codecs import IncrementalDecoder

#: A JSON body up to this size, in octets, is held back to be set out.
MAX_SET_OUT = 4 * 1024 * 1024
#: JSON that is nested deeper, or would be longer in lines (in characters), is shown as text.
MAX_DEPTH = 200
MAX_LINES = 64 * 1024 * 1024

_KEY, _STRING, _NUMBER, _LITERAL, _RESET = "\x1b[1;34m", "\x1b[32m", "\x1b[36m", "\x1b[35m", "\x1b[0m"
_TOKEN = re.compile(
    r'[ \t\r\n]*(?:([{}\[\],:])|("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")'
    r"|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|(true|false|null)(?!\w))",
    re.ASCII,
)
_REST = re.compile(r"[ \t\r\n]*")


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON: `application/json`, `application/problem+json`."""
    plain = media_type.partition(";")[0].strip().lower()
    return plain in ("application/json", "text/json", "text/javascript+json") or plain.endswith("+json")


def set_out(text: str, *, color: bool = False) -> str | None:
    r"""JSON in lines, set in by two blanks for each level; None if the text is no JSON.

    >>> print(set_out('{"a":[1.10,{}],"a":"\\u00e9"}'))
    {
      "a": [
        1.10,
        {}
      ],
      "a": "\u00e9"
    }
    """
    setter = _Setter(color)
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            break
        if not setter.take(found):
            return None
        at = found.end()
    rest = _REST.match(text, at)
    return setter.text if setter.is_whole and rest is not None and rest.end() == len(text) else None


class _Setter:
    """Checks the order of tokens, and writes them.

    `_wants` says what may come: a value, a value or the end of a list, a key or the end of an object, a key,
    a colon, or what follows a value.
    """

    def __init__(self, color: bool) -> None:
        self._color = color
        self._pieces: list[str] = []
        self._open: list[str] = []
        self._wants = "value"
        self._room = MAX_LINES

    @property
    def is_whole(self) -> bool:
        return self._wants == "after" and not self._open

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def take(self, found: re.Match[str]) -> bool:
        """Take a token. False: it cannot stand here, or there is no room for it."""
        self._room -= 2 * len(self._open) + 2
        if self._room < 0:
            return False
        sign, string, number, _ = found.groups()
        if sign is not None:
            return self._sign(sign)
        token = found[0].strip(" \t\r\n")
        if self._wants in ("key", "first key"):
            if string is None:
                return False
            self._begin_line()
            self._add(token, _KEY)
            self._wants = "colon"
            return True
        if self._wants not in ("value", "first value"):
            return False
        self._begin_value()
        self._add(token, _STRING if string is not None else _NUMBER if number is not None else _LITERAL)
        self._wants = "after"
        return True

    def _sign(self, sign: str) -> bool:
        wants = self._wants
        if sign in "{[":
            if wants not in ("value", "first value") or len(self._open) >= MAX_DEPTH:
                return False
            self._begin_value()
            self._pieces.append(sign)
            self._open.append(sign)
            self._wants = "first key" if sign == "{" else "first value"
            return True
        if sign in "}]":
            empty = "first key" if sign == "}" else "first value"
            if not self._open or self._open[-1] != "{["["}]".index(sign)] or wants not in ("after", empty):
                return False
            self._open.pop()
            if wants == "after":
                self._begin_line()
            self._pieces.append(sign)
            self._wants = "after"
            return True
        if sign == ":" and wants == "colon":
            self._pieces.append(": ")
            self._wants = "value"
            return True
        if sign == "," and wants == "after" and self._open:
            self._pieces.append(",")
            self._wants = "key" if self._open[-1] == "{" else "value"
            return True
        return False

    def _begin_value(self) -> None:
        if self._open and self._open[-1] == "[":
            self._begin_line()

    def _begin_line(self) -> None:
        self._pieces.append(f"\n{'  ' * len(self._open)}")

    def _add(self, token: str, color: str) -> None:
        shown = visible(token)
        self._pieces.append(f"{color}{shown}{_RESET}" if self._color else shown)


class BodyText:
    """Turns the pieces of a body into text for a terminal, as they come.

    `feed` and `end` return text that may be written at once. `is_binary` says that the body is none of text:
    nothing of it has been returned then. `charset` None is UTF-8.
    """

    def __init__(self, media_type: str, charset: str | None = None, *, color: bool = False) -> None:
        self.is_binary = False
        self._color = color
        self._held: list[bytes] | None = [] if is_json(media_type) else None
        self._size = 0
        self._begun = False
        self._carried = ""
        self._ends_line = True
        self._decoder: IncrementalDecoder = _decoder(charset)

    def feed(self, piece: bytes) -> str:
        """What may be written of the body when `piece` has come."""
        if self.is_binary or not piece:
            return ""
        if not self._begun and looks_binary(piece):
            self.is_binary = True
            return ""
        self._begun = True
        if self._held is not None:
            self._held.append(piece)
            self._size += len(piece)
            if self._size <= MAX_SET_OUT:
                return ""
            piece = b"".join(self._held)
            self._held = None
        return self._shown(self._decoder.decode(piece), last=False)

    def end(self) -> str:
        """The rest; it ends a line, so that the shell's prompt begins one."""
        if self.is_binary or not self._begun:
            return ""
        held, self._held = self._held, None
        if held is not None:
            text = self._decoder.decode(b"".join(held), True)
            made = set_out(text.removeprefix("\ufeff"), color=self._color)
            if made is not None:
                return f"{made}\n"
            shown = self._shown(text, last=True)
        else:
            shown = self._shown(self._decoder.decode(b"", True), last=True)
        return shown if self._ends_line else f"{shown}\n"

    def _shown(self, text: str, *, last: bool) -> str:
        text = self._carried + text
        self._carried = ""
        if text.endswith("\r") and not last:
            text, self._carried = text[:-1], "\r"
        lines = text.replace("\r\n", "\n").split("\n")
        shown = "\n".join(visible(line, tabs=True) for line in lines)
        if shown:
            self._ends_line = shown.endswith("\n")
        return shown


def looks_binary(beginning: bytes) -> bool:
    """Whether a body that begins so is no text: it has a NUL, and is not UTF-16 with its mark."""
    return b"\0" in beginning[:8192] and not beginning.startswith((b"\xff\xfe", b"\xfe\xff"))


def _decoder(charset: str | None) -> IncrementalDecoder:
    """What reads a charset; an unknown one, or one that makes no text, is read as UTF-8."""
    from netkit.http.errors import HttpError
    from netkit.http.message import decode_body

    name = charset or "utf-8"
    try:
        decode_body(b"", name)
    except HttpError:
        name = "utf-8"
    return codecs.getincrementaldecoder(name)("replace")
