r"""The words of a shell command that was copied from somewhere: POSIX quotes, and bash's `$'...'`.

Browsers copy a request as `curl 'https://...' -H 'a: b' --data-raw $'line\n'`, over several lines that end in
a backslash. `shlex` does not know `$'...'`, and would pass over what only a shell can do. Here that is an
error: a variable, a pipe or a second command would otherwise be sent as text. No shell ever runs.
"""

from __future__ import annotations

import re

#: The longest command, in characters: a copied request may carry its whole body.
MAX_LENGTH = 16 * 1024 * 1024

_SPACES = " \t\r\n"
#: What ends a command, or begins something that only a shell can do.
_OPERATORS = {
    "|": "a pipe",
    "&": "a command in the background",
    ";": "a second command",
    **dict.fromkeys("<>()", "a redirection, or a group of commands"),
}
_ANSI_C = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "?": "?",
}
_NUMBERED = re.compile(r"x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})")
_VARIABLE = re.compile(r"\w+|\{[^}]*\}|\(|[@*#?!$-]")
_PLAIN = re.compile(r"[^\s'\"\\$`|&;<>()#]+")


class ShellError(ValueError):
    """A command line that cannot be read without a shell, or at all; `offset` is the character."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (character {offset + 1})")
        self.offset = offset


def split_words(text: str) -> list[str]:
    r"""The words of one command. Raises ShellError.

    >>> split_words("curl 'a b' -d $'x\\n\\u00e9' \\\n  -H \"c: \\\"d\\\"\"")
    ['curl', 'a b', '-d', 'x\né', '-H', 'c: "d"']
    """
    if len(text) > MAX_LENGTH:
        raise ShellError(f"longer than {MAX_LENGTH:,} characters", MAX_LENGTH)
    return _Words(text).all()


class _Words:
    """The text, and how far it was read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def all(self) -> list[str]:
        found: list[str] = []
        while True:
            self._skip_spaces()
            if self._at >= len(self._text):
                return found
            found.append(self._word())

    def _skip_spaces(self) -> None:
        while self._at < len(self._text):
            if self._text[self._at] in _SPACES:
                self._at += 1
            elif self._text.startswith(("\\\n", "\\\r\n"), self._at):
                self._at = self._text.index("\n", self._at) + 1
            elif self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return

    def _word(self) -> str:
        pieces: list[str] = []
        while self._at < len(self._text):
            plain = _PLAIN.match(self._text, self._at)
            if plain is not None:
                pieces.append(plain[0])
                self._at = plain.end()
                continue
            character = self._text[self._at]
            if character in _SPACES:
                break
            pieces.append(self._special(character))
        return "".join(pieces)

    def _special(self, character: str) -> str:
        """What begins here: a quote, an escape, or a character that a shell would act on."""
        start = self._at
        self._at += 1
        if character == "'":
            return self._single(start)
        if character == '"':
            return self._double(start)
        if character == "\\":
            return self._escaped(start)
        if character == "$" and self._text.startswith("'", self._at):
            self._at += 1
            return self._ansi_c(start)
        if character == "$" and self._text.startswith('"', self._at):
            self._at += 1
            return self._double(start)
        if character in "$`":
            return self._dollar(character, start)
        if character in _OPERATORS:
            raise ShellError(
                f"{character} is {_OPERATORS[character]}: give one curl command, its URL in quotes", start
            )
        return character  # a # inside a word, or a space that is none of the shell's

    def _single(self, start: int) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise ShellError("a quote ' is not closed", start)
        text = self._text[self._at : end]
        self._at = end + 1
        return text

    def _double(self, start: int) -> str:
        pieces: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(pieces)
            if character == "\\" and self._text[self._at : self._at + 1] in ("$", "`", '"', "\\", "\n"):
                character = self._text[self._at].replace("\n", "")
                self._at += 1
            elif character in "$`":
                character = self._dollar(character, self._at - 1)
            pieces.append(character)
        raise ShellError('a quote " is not closed', start)

    def _escaped(self, start: int) -> str:
        if self._at >= len(self._text):
            raise ShellError("nothing follows the last backslash", start)
        if self._text.startswith("\r\n", self._at):
            self._at += 2
            return ""
        character = self._text[self._at]
        self._at += 1
        return "" if character == "\n" else character

    def _ansi_c(self, start: int) -> str:
        """`$'...'`, as in bash."""
        pieces: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == "'":
                return "".join(pieces)
            if character == "\\" and self._at < len(self._text):
                character = self._code(start)
            pieces.append(character)
        raise ShellError("a quote $' is not closed", start)

    def _code(self, start: int) -> str:
        numbered = _NUMBERED.match(self._text, self._at)
        if numbered is None:
            character = self._text[self._at]
            self._at += 1
            return _ANSI_C.get(character, f"\\{character}")
        self._at = numbered.end()
        octet, *points, octal = numbered.groups()
        if octet is not None or octal is not None:
            # Octets, which together may be UTF-8: \xc3\xa9.
            number = int(octet, 16) if octet is not None else int(octal, 8) & 0xFF
            return chr(number) if number < 0x80 else self._octets(number)
        number = int(next(each for each in points if each is not None), 16)
        if number > 0x10FFFF:
            raise ShellError("a character that there is not", start)
        return chr(number)

    def _octets(self, first: int) -> str:
        octets = bytearray([first])
        while (
            found := re.match(r"\\(?:x([89A-Fa-f][0-9A-Fa-f])|([23][0-7]{2}))", self._text[self._at :][:4])
        ) is not None:
            octets.append(int(found[1], 16) if found[1] is not None else int(found[2], 8))
            self._at += found.end()
        return octets.decode("utf-8", "surrogateescape")

    def _dollar(self, character: str, start: int) -> str:
        """A dollar sign as itself, unless a shell would put something in its place."""
        name = _VARIABLE.match(self._text, self._at)
        if character == "`" or (name is not None and name[0] == "("):
            raise ShellError("the output of a command, which only a shell can put here", start)
        if name is not None:
            raise ShellError(f"${name[0][:40]} is a variable, which only a shell can fill in", start)
        return character
