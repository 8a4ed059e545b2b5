"""Words for people: what goes to standard error, and text made safe to show.

Text from a peer (a TXT record, a certificate's subject, a server's banner) may hold control characters that a
terminal obeys: they change colours, or the window title, or even type commands. Marks that change the
reading direction can show `exe.jpg` as `gpj.exe`. `visible` replaces all of these by escapes.
"""

from __future__ import annotations

import re

#: C0 and C1 controls, DEL, line and paragraph separators, marks and overrides of direction, invisible
#: operators and tags, the byte order mark, and halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_UNSAFE_BUT_TAB = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0a-\x1f"))

#: The password of a URL, also of one without its scheme, and what is before it.
_PASSWORD = re.compile(r"((?:^|://)[^/?#\\\s:@]*:)[^/?#\\\s]*(?=@)")

_ABBREVIATIONS = frozenset(("dns", "fd", "http", "io", "ip", "sni", "tls", "uri", "url"))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str, *, tabs: bool = False) -> str:
    r"""`text` with every control character shown as an escape (`\x1b`), so that a terminal obeys none.

    With `tabs` a tab stays a tab, for lines whose cells are separated by it.

    >>> print(visible("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():
        return text
    return (_UNSAFE_BUT_TAB if tabs else _UNSAFE).sub(_escape, text)


def without_password(text: str) -> str:
    """`text` as it may be repeated in rows, messages and journals: of a URL's password it has `***`.

    >>> without_password("https://ann:secret@example.com:8443/")
    'https://ann:***@example.com:8443/'
    >>> without_password("ann:secret@example.com")
    'ann:***@example.com'
    """
    return _PASSWORD.sub(r"\1***", text) if "@" in text else text


def message_lines(doing: str | None, happened: str, hint: str | None = None) -> list[str]:
    """`netkit: <what was being done>: <what happened>`, and `hint: <what to do>` where there is one."""
    if doing:
        doing, happened = _said_once(doing, happened)
    words = f"{doing}: {happened}" if doing else happened
    lines = [f"netkit: {visible(without_password(words))}"]
    if hint:
        lines.append(f"hint: {visible(hint)}")
    return lines


def _said_once(doing: str, happened: str) -> tuple[str, str]:
    """The two halves of a message without what both of them name.

    >>> _said_once("opening /x", "/x: no such file or directory")
    ('opening /x', 'no such file or directory')
    >>> _said_once("probing a", "cannot connect to a:443: connection refused")
    ('probing', 'cannot connect to a:443: connection refused')
    """
    words = doing.split(" ")
    for start in range(1, len(words)):
        subject = " ".join(words[start:])
        if happened.startswith(f"{subject}: "):
            return doing, happened[len(subject) + 2 :]
        begins = happened.startswith((f"{subject} ", f"{subject}. "))
        if begins or re.search(rf" {re.escape(subject)}(:\d+)?([:,;] |$)", happened):
            return " ".join(words[:start]), happened
    return doing, happened


def in_words(kind: str) -> str:
    """A kind of error, which is the name of a class, for people.

    >>> in_words("CertificateVerificationFailed"), in_words("NotTls")
    ('certificate verification failed', 'not TLS')
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower().split(" ")
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in words)


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 input`, `3 inputs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def suggest(wrong: str, known: list[str], cutoff: float = 0.6) -> str | None:
    """`did you mean X?`, where one of `known` is close to `wrong` (`cutoff` from 0, anything, to 1)."""
    from difflib import get_close_matches

    close = get_close_matches(wrong, known, n=3, cutoff=cutoff)
    return choice(close) if close else None


def choice(meant: list[str]) -> str:
    """`did you mean X?`, `did you mean X, Y or Z?`."""
    *others, last = meant
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"
