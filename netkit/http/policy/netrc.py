r"""The .netrc file: names and passwords by host, as ftp, curl and Git keep them.

There is no RFC; the manual pages of ftp(1) and curl(1) say what it is. A file is a list of words:

    machine example.com login user password "two \"words\""
    default login anonymous password me@example.com

    >>> netrc = parse_netrc("machine example.com login me password secret")
    >>> netrc.lookup("Example.COM.").login
    'me'
    >>> netrc
    <Netrc of 1 machine>

A lookup takes the host of a parsed URL, never a text that a user wrote, because two readers of one text may
find two hosts in it. The first entry of a host counts, as in ftp and curl. `default` counts only where no
machine has the host's name, wherever it stands in the file. Words are in quotes as in curl: a backslash means
something only inside quotes. A password never is in an error or in a `repr`.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The longest file, in octets.
MAX_SIZE: Final = 1 << 20
#: The most machines of a file.
MAX_MACHINES: Final = 4_096
#: The longest word, in characters.
MAX_WORD: Final = 4_096

_SPACE: Final = re.compile(r"[ \t\r\n\f\v]*+")
_WORD: Final = re.compile(r"[^ \t\r\n\f\v]++")
_QUOTED: Final = re.compile(r'"((?:[^"\\\n]++|\\[^\n])*+)"')
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}
#: An empty line ends a macro.
_MACRO_END: Final = re.compile(r"\n[ \t\r]*(?=\n)|\Z")


class NetrcEntry(NamedTuple):
    """What the file says of one machine. Each is None if the file does not say it."""

    login: str | None = None
    password: str | None = None
    account: str | None = None

    def __repr__(self) -> str:
        secret = None if self.password is None else "***"
        return f"NetrcEntry(login={self.login!r}, password={secret})"


class Netrc:
    """The entries of a file.

    `is_exposed` says that the file holds a password and that other users can read it, or own it. ftp refuses
    such a file and curl warns; the caller decides.
    """

    __slots__ = ("_machines", "default", "is_exposed")

    def __init__(
        self,
        machines: Mapping[str, tuple[NetrcEntry, ...]],
        default: NetrcEntry | None = None,
        *,
        is_exposed: bool = False,
    ) -> None:
        self._machines = {_normal(name): tuple(entries) for name, entries in machines.items()}
        #: The entry for all other hosts.
        self.default = default
        self.is_exposed = is_exposed

    def __repr__(self) -> str:
        number = len(self._machines)
        default = "" if self.default is None else " and a default"
        return f"<Netrc of {number} machine{'' if number == 1 else 's'}{default}>"

    @property
    def has_password(self) -> bool:
        """Whether there is a secret in it: the password of `anonymous` is none."""
        entries = [entry for each in self._machines.values() for entry in each]
        entries += [] if self.default is None else [self.default]
        return any(entry.password and entry.login != "anonymous" for entry in entries)

    def lookup(self, host: str, login: str | None = None) -> NetrcEntry | None:
        """The first entry of a host, or the default entry; None if there is neither.

        Args:
            host: the host of a parsed URL (`Url.host`). Case, a final dot and the brackets of an IPv6
                address make no difference.
            login: if it is given, only an entry with this login, or with none, is found.
        """
        entries = self._machines.get(_normal(host))
        if entries is None:
            entries = () if self.default is None else (self.default,)
        for entry in entries:
            if login is None or entry.login is None or entry.login == login:
                return entry
        return None


def parse_netrc(
    text: str,
    *,
    name: str = "netrc",
    max_size: int = MAX_SIZE,
    max_machines: int = MAX_MACHINES,
    max_word: int = MAX_WORD,
) -> Netrc:
    """The entries of a file's text.

    `name` is what an error calls the file. Raises HttpError.InvalidValue with the number of the line for what
    is no netrc file, and over a limit.
    """
    return _Reader(text, name, max_size, max_machines, max_word).read()


def find_netrc(environ: Mapping[str, str] | None = None) -> Path | None:
    """Where the user's file is: what NETRC names, else `.netrc` (or on Windows `_netrc`) in the home folder.

    None if there is no such file. The file that NETRC names is not looked for: it has to be there.
    """
    from pathlib import Path

    named = (os.environ if environ is None else environ).get("NETRC")
    if named:
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError:  # nobody's home
        return None
    for candidate in (".netrc", "_netrc") if os.name == "nt" else (".netrc",):
        if (home / candidate).is_file():
            return home / candidate
    return None


def load_netrc(path: str | os.PathLike[str], *, max_size: int = MAX_SIZE) -> Netrc:
    """Read a file. Octets that are not UTF-8 are kept as they are.

    Raises OSError if it cannot be read, and HttpError.InvalidValue as `parse_netrc` does.
    """
    with open(path, "rb") as file:
        about = os.fstat(file.fileno())
        octets = file.read(max_size + 1)
    text = octets.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if len(octets) > max_size:
        _too_large(os.fspath(path), max_size)
    netrc = parse_netrc(text, name=os.fspath(path), max_size=max_size)
    if netrc.has_password and os.name != "nt" and stat.S_ISREG(about.st_mode):
        netrc.is_exposed = bool(about.st_mode & 0o077) or about.st_uid not in (os.geteuid(), 0)
    return netrc


def _too_large(name: str, max_size: int) -> NoReturn:
    raise HttpError.InvalidValue(
        name, f"it is longer than max_size = {max_size}", limit=max_size, fault="local"
    )


def _normal(host: str) -> str:
    """A host as it is compared: in lower case, in ASCII, without a final dot and without brackets."""
    if not host.isascii():
        from netkit.http.url import Url

        try:
            host = Url.parse(f"http://{host}/").host or host
        except HttpError.InvalidUri:
            pass
    host = host.lower().removesuffix(".")
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


class _Reader:
    """Reads the words of a file from left to right."""

    def __init__(self, text: str, name: str, max_size: int, max_machines: int, max_word: int) -> None:
        if len(text) > max_size:
            _too_large(name, max_size)
        self.text = text.replace("\r\n", "\n")
        self.name = name
        self.max_machines = max_machines
        self.max_word = max_word
        self.at = 0
        self.line = 1

    def read(self) -> Netrc:
        machines: dict[str, list[NetrcEntry]] = {}
        default: NetrcEntry | None = None
        current: dict[str, str] | None = None
        host: str | None = None
        count = 0

        def close() -> None:
            nonlocal default
            if current is None:
                return
            entry = NetrcEntry(**current)
            if host is not None:
                machines.setdefault(host, []).append(entry)
            elif default is None:
                default = entry

        while (word := self.keyword()) is not None:
            if word in ("machine", "default"):
                close()
                count += 1
                if count > self.max_machines:
                    self.fail(f"more machines than max_machines = {self.max_machines}", self.max_machines)
                host = _normal(self.value(word)) if word == "machine" else None
                current = {}
            elif word == "macdef":
                self.value(word)
                self.skip_macro()
            elif word in ("login", "user", "password", "account"):
                value = self.value(word)
                if current is None:
                    self.fail(f"{word} before the first machine")
                # ftp and curl: the last one counts.
                current["login" if word == "user" else word] = value
            else:
                self.fail("neither machine, default, login, password, account nor macdef is here")
        close()
        return Netrc({each: tuple(entries) for each, entries in machines.items()}, default)

    def keyword(self) -> str | None:
        """The next word that says what follows; None at the end. Comments are passed over here only, because
        a password may begin with "#"."""
        while True:
            self.skip()
            if self.at == len(self.text):
                return None
            if self.text[self.at] != "#":
                return self.word()
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def value(self, keyword: str) -> str:
        begun = self.line
        self.skip()
        if self.at == len(self.text):
            self.line = begun
            self.fail(f"nothing after {keyword}")
        return self.word()

    def word(self) -> str:
        if self.text[self.at] == '"':
            found = _QUOTED.match(self.text, self.at)
            if found is None:
                self.fail("a quotation mark that is not closed on its line")
            word = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), found[1])
        else:
            found = _WORD.match(self.text, self.at)
            assert found is not None  # `skip` has stopped at it
            word = found[0]
        if len(word) > self.max_word:
            self.fail(f"a word longer than max_word = {self.max_word}", self.max_word)
        self.at = found.end()
        return word

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.line += found[0].count("\n")
        self.at = found.end()

    def skip_macro(self) -> None:
        found = _MACRO_END.search(self.text, self.at)
        assert found is not None
        self.line += self.text.count("\n", self.at, found.end())
        self.at = found.end()

    def fail(self, reason: str, limit: int | None = None) -> NoReturn:
        raise HttpError.InvalidValue(self.name, f"line {self.line}: {reason}", limit=limit, fault="local")
