"""The keys of TSIG: a name, a secret, an algorithm; from text as in `dig -y`, from files as `dig -k` reads.

RFC 8945 section 6 (the algorithms), section 5.2.2.1 (how far a MAC may be cut).

A name such as hmac-sha256-128 has two meanings. In RFC 8945 it is an algorithm of its own, with that name on
the wire. In BIND's tools it is hmac-sha256 on the wire, with a MAC that is cut to 128 bits. Here the names
that RFC 8945 registers are its algorithms, and any other number of bits is BIND's meaning; `mac_size` has it
for every number.
"""

from __future__ import annotations

import hmac
import re
from binascii import Error as NotBase64, a2b_base64
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.tsig.errors import TsigError
from netkit.dns.value import Value, assign

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The algorithm of a key that is written without one, as in BIND's dig.
DEFAULT_ALGORITHM = "hmac-sha256"

#: RFC 8945 section 5.2.2.1: no MAC is shorter, in octets, nor shorter than half of what the algorithm gives.
LEAST_MAC = 10

#: The octets of a TSIG record beside its names and its MAC (RFC 8945 section 4.2).
FIXED_SIZE = 26

#: A longer secret is no key: 64 KiB is more than any tool makes.
MAX_SECRET = 0xFFFF

#: A longer file is no file of keys, in characters.
MAX_KEY_FILE = 1 << 20


class Algorithm(NamedTuple):
    """An algorithm: its name on the wire, the hash, and how many octets its MAC has."""

    name: Name
    hash: str
    size: int


#: The algorithms by their names in text. GSS-TSIG (RFC 3645) is not among them: it has no shared secret.
ALGORITHMS = {
    text: Algorithm(Name.parse(wire), digest, size)
    for text, wire, digest, size in (
        ("hmac-md5", "hmac-md5.sig-alg.reg.int.", "md5", 16),
        ("hmac-sha1", "hmac-sha1.", "sha1", 20),
        ("hmac-sha224", "hmac-sha224.", "sha224", 28),
        ("hmac-sha256", "hmac-sha256.", "sha256", 32),
        ("hmac-sha384", "hmac-sha384.", "sha384", 48),
        ("hmac-sha512", "hmac-sha512.", "sha512", 64),
        ("hmac-sha256-128", "hmac-sha256-128.", "sha256", 16),
        ("hmac-sha384-192", "hmac-sha384-192.", "sha384", 24),
        ("hmac-sha512-256", "hmac-sha512-256.", "sha512", 32),
    )
}
_ALIASES = {"hmac-md5.sig-alg.reg.int": "hmac-md5"}


class TsigKey(Value):
    """A secret that both sides share.

    `name` is the key's name, `secret` its octets, `algorithm` one of RFC 8945 section 6. `mac_size` is how
    many octets of the MAC are sent, and the least that are accepted; None is all of them. hmac-md5 is refused
    without `allow_md5`: RFC 8945 section 6 forbids it. `repr` and `str` do not show the secret.

    Raises DnsError.InvalidName and DnsError.InvalidValue.
    """

    __slots__ = ("_shared", "algorithm", "allow_md5", "mac_size", "name", "secret")
    __match_args__ = ("name", "secret", "algorithm", "mac_size", "allow_md5")

    name: Name
    secret: bytes
    algorithm: str
    mac_size: int
    allow_md5: bool

    def __init__(
        self,
        name: Name | str,
        secret: bytes,
        algorithm: str = DEFAULT_ALGORITHM,
        mac_size: int | None = None,
        allow_md5: bool = False,
    ) -> None:
        text = algorithm.lower().rstrip(".")
        text = _ALIASES.get(text, text)
        known = ALGORITHMS.get(text)
        if known is None:
            names = ", ".join(ALGORITHMS)
            raise DnsError.InvalidValue("algorithm", algorithm, f"must be one of {names}")
        if known.hash == "md5" and not allow_md5:
            raise DnsError.InvalidValue("algorithm", algorithm, "is broken, and RFC 8945 forbids it")
        if not secret:
            raise DnsError.InvalidValue("secret", "(not shown)", "is empty")
        if len(secret) > MAX_SECRET:
            raise DnsError.InvalidValue(
                "secret", "(not shown)", f"longer than {MAX_SECRET} octets", limit=MAX_SECRET
            )
        size = known.size if mac_size is None else mac_size
        if not max(LEAST_MAC, (known.size + 1) // 2) <= size <= known.size:
            least = max(LEAST_MAC, (known.size + 1) // 2)
            raise DnsError.InvalidValue("mac_size", size, f"must be between {least} and {known.size}")
        whole = Name.of(name)
        assign(self, "name", whole if whole.is_absolute else Name(whole.labels))
        assign(self, "secret", bytes(secret))
        assign(self, "algorithm", text)
        assign(self, "mac_size", size)
        assign(self, "allow_md5", allow_md5)
        assign(self, "_shared", None)

    @classmethod
    def parse(cls, text: str, *, allow_md5: bool = False) -> TsigKey:
        """A key as dig -y takes it: `hmac-sha256:NAME:BASE64`, or without the algorithm.

        Raises DnsError.InvalidValue, in which the text is not repeated, and DnsError.InvalidName.
        """
        parts = text.split(":")
        if not 2 <= len(parts) <= 3:
            raise DnsError.InvalidValue("key", "(not shown)", "must be ALGORITHM:NAME:BASE64, or NAME:BASE64")
        algorithm = parts[0] if len(parts) == 3 else DEFAULT_ALGORITHM
        return cls._of_words(parts[-2], algorithm, parts[-1], allow_md5)

    @classmethod
    def parse_file(cls, text: str, file: str = "<keys>", *, allow_md5: bool = False) -> tuple[TsigKey, ...]:
        """The keys in a file of BIND's: `key "NAME" { algorithm ALGORITHM; secret "BASE64"; };`, any number.

        Comments are `# ...`, `// ...` and `/* ... */`. Raises TsigError.KeyFile with the place.
        """
        words = _Words(text, file)
        keys = []
        while (begin := words.next()) is not None:
            if begin.text != "key":
                raise words.error(begin, "a key begins with the word key")
            keys.append(cls._of_statement(words, begin, allow_md5))
        if not keys:
            raise TsigError.KeyFile(file, 1, 1, "no key is in it", hint=_FORM)
        return tuple(keys)

    @classmethod
    def _of_statement(cls, words: _Words, begin: _Word, allow_md5: bool) -> TsigKey:
        name = words.need("the name of the key")
        words.expect("{")
        given: dict[str, _Word] = {}
        while (word := words.need("algorithm, secret or }")).text != "}":
            if word.text not in ("algorithm", "secret"):
                raise words.error(word, "must be algorithm, secret or }")
            if word.text in given:
                raise words.error(word, f"a second {word.text}")
            given[word.text] = words.need(f"the {word.text}")
            words.expect(";")
        words.expect(";")
        for what in ("algorithm", "secret"):
            if what not in given:
                raise words.error(begin, f"the key has no {what}")
        try:
            return cls._of_words(name.text, given["algorithm"].text, given["secret"].text, allow_md5)
        except DnsError.InvalidName as error:
            raise words.error(name, error.reason) from None
        except DnsError.InvalidValue as error:
            at = given.get(error.field, begin)
            raise words.error(at, f"the {error.field} {error.reason}") from None

    @classmethod
    def _of_words(cls, name: str, algorithm: str, secret: str, allow_md5: bool) -> TsigKey:
        try:
            octets = a2b_base64(secret, strict_mode=True)
        except (NotBase64, ValueError):
            raise DnsError.InvalidValue("secret", "(not shown)", "is not base64") from None
        mac_size = None
        plain, _, bits = algorithm.lower().rpartition("-")
        if algorithm.lower() not in ALGORITHMS and plain in ALGORITHMS and bits.isascii() and bits.isdigit():
            if len(bits) > 4 or int(bits) % 8:
                raise DnsError.InvalidValue("algorithm", algorithm, "bits must be a multiple of 8")
            algorithm, mac_size = plain, int(bits) // 8
        return cls(name, octets, algorithm, mac_size, allow_md5)

    @property
    def algorithm_name(self) -> Name:
        """The algorithm's name on the wire."""
        return ALGORITHMS[self.algorithm].name

    @property
    def record_size(self) -> int:
        """How many octets a signature with this key adds to a message."""
        return len(self.name.to_wire()) + len(self.algorithm_name.to_wire()) + self.mac_size + FIXED_SIZE

    @property
    def full_size(self) -> int:
        """How many octets a MAC of the algorithm has that is not cut."""
        return ALGORITHMS[self.algorithm].size

    def digest(self, parts: Iterable[bytes]) -> bytes:
        """The MAC of octets, not cut by `mac_size`."""
        known = ALGORITHMS[self.algorithm]
        shared = self._shared
        if shared is None:  # the key's part of the work is done once
            shared = hmac.new(self.secret, digestmod=known.hash)
            assign(self, "_shared", shared)
        code = shared.copy()
        for part in parts:
            code.update(part)
        return code.digest()[: known.size]

    _shared: hmac.HMAC | None

    def __repr__(self) -> str:
        return f"TsigKey({str(self.name)!r}, {self.algorithm!r})"

    def __str__(self) -> str:
        return f"{self.name} ({self.algorithm})"


def find_key(keys: Iterable[TsigKey], name: Name, algorithm: Name) -> TsigKey | None:
    """The key of this name and algorithm."""
    for key in keys:
        if key.name == name and key.algorithm_name == algorithm:
            return key
    return None


# -- files of keys

_FORM = 'write key "NAME" { algorithm hmac-sha256; secret "BASE64"; };'


class _Word(NamedTuple):
    text: str
    at: int


class _Words:
    """The words of a file in BIND's syntax; errors never repeat a word, which may be a secret."""

    _TOKEN = re.compile(
        r"""\s+ | \#[^\n]* | //[^\n]* | /\*.*?\*/ | (?P<sign>[{};]) | "(?P<quoted>[^"\n]*)" """
        r"""| (?P<word>(?:(?!/\*|//)[^\s{};"\#])+)""",
        re.VERBOSE | re.DOTALL,
    )

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        if len(text) > MAX_KEY_FILE:
            raise TsigError.KeyFile(file, 1, 1, f"more than {MAX_KEY_FILE} characters")
        self._words = self._read()

    def _read(self) -> Iterator[_Word]:
        at = 0
        while at < len(self._text):
            found = self._TOKEN.match(self._text, at)
            if found is None:
                raise self.error(_Word("", at), "a quotation mark or a comment has no end")
            for group in ("sign", "quoted", "word"):
                if found[group] is not None:
                    yield _Word(found[group], at)
            at = found.end()

    def next(self) -> _Word | None:
        """The next word; None at the end."""
        return next(self._words, None)

    def need(self, what: str) -> _Word:
        """The next word, which must be there."""
        word = self.next()
        if word is None:
            raise self.error(_Word("", len(self._text)), f"the file ends before {what}")
        return word

    def expect(self, sign: str) -> None:
        """Read a sign."""
        word = self.need(sign)
        if word.text != sign:
            raise self.error(word, f"a {sign} must be here")

    def error(self, word: _Word, reason: str) -> TsigError.KeyFile:
        """The error at a word."""
        line = self._text.count("\n", 0, word.at) + 1
        column = word.at - self._text.rfind("\n", 0, word.at)
        return TsigError.KeyFile(self._file, line, column, reason, hint=_FORM)
