"""Heads that break the rules of RFC 9112, and those of HTTP/1.1 that are odd but right."""

from __future__ import annotations

from netkit.http.inspector.endpoint import Group
from netkit.http.inspector.faults.raw import OK, Ending, raw_fault

GROUP = Group(
    "Wrong heads",
    "Octet by octet, so only in HTTP/1.1. A client should refuse them, or show what it has let pass.",
)

_TEN = b"Content-Length: 10\r\n\r\n0123456789"
_LINE = "RFC 9112 section 4"
_FIELD = "RFC 9112 section 5"

#: Path, what is sent, which fault of a client it finds, the octets.
_HEADS: tuple[tuple[str, str, str, bytes], ...] = (
    ("nothing", "no octet at all", "a response that is taken for empty; a retry without a limit", b""),
    ("no-head", "text without a head, as HTTP/0.9 had it", "a body taken without a head", b"hello\n"),
    ("not-http", "the greeting of another protocol", "any text taken for a response", b"220 mail ESMTP\r\n"),
    (
        "status-line",
        f"a status line without a status ({_LINE})",
        "a head that is guessed",
        b"HTTP/1.1 OK\r\n" + _TEN,
    ),
    ("status-short", "a status of two digits", "a status that is guessed", b"HTTP/1.1 20 OK\r\n" + _TEN),
    ("status-long", "a status of four digits", "a status that is cut off", b"HTTP/1.1 2000 OK\r\n" + _TEN),
    ("status-text", "a status of letters", "a status that is guessed", b"HTTP/1.1 abc OK\r\n" + _TEN),
    (
        "status-999",
        "the status 999, which is none (RFC 9110 section 15)",
        "a class of statuses that is not there; it counts as 5xx",
        b"HTTP/1.1 999 Odd\r\n" + _TEN,
    ),
    (
        "version-2",
        "HTTP/2.0 in a status line",
        "a version that is not looked at",
        b"HTTP/2.0 200 OK\r\n" + _TEN,
    ),
    (
        "version-11",
        "HTTP/11 in a status line",
        "a version that is not looked at",
        b"HTTP/11 200 OK\r\n" + _TEN,
    ),
    (
        "version-1.9",
        "HTTP/1.9, which is to be taken as 1.1 (RFC 9110 section 2.5)",
        "a minor version that is refused",
        b"HTTP/1.9 200 OK\r\n" + _TEN,
    ),
    (
        "reason-missing",
        "a status line that ends after the status, without a space",
        "a head that many servers send, refused",
        b"HTTP/1.1 200\r\n" + _TEN,
    ),
    (
        "reason-latin-1",
        "octets over 127 in the reason",
        "a reason decoded wrongly",
        b"HTTP/1.1 200 \xe4\r\n" + _TEN,
    ),
    (
        "empty-lines",
        "empty lines before the head",
        "octets before a response, ignored",
        b"\r\n\r\n" + OK + _TEN,
    ),
    (
        "nul-in-value",
        f"NUL in a field's value ({_FIELD}.5)",
        "a value cut off at it",
        OK + b"X-A: a\0b\r\n" + _TEN,
    ),
    ("nul-in-name", "NUL in a field's name", "a name cut off at it", OK + b"X-\0A: b\r\n" + _TEN),
    (
        "control-in-value",
        "an escape character in a value",
        "a terminal that obeys it",
        OK + b"X-A: \x1b[31mred\r\n" + _TEN,
    ),
    (
        "latin-1-value",
        "octets over 127 in a value",
        "a value decoded wrongly",
        OK + b"X-A: caf\xe9\r\n" + _TEN,
    ),
    (
        "fold",
        f"a value in two lines ({_FIELD}.2)",
        "the second line taken for a field",
        OK + b"X-A: one\r\n  two: 2\r\n" + _TEN,
    ),
    (
        "fold-first",
        "a line with a space before the first field",
        "a field that is hidden",
        b"HTTP/1.1 200 OK\r\n X-A: b\r\n" + _TEN,
    ),
    ("no-colon", "a line without a colon", "a line that is dropped without a word", OK + b"X-A b\r\n" + _TEN),
    ("empty-name", "a line that begins with a colon", "a field without a name", OK + b": b\r\n" + _TEN),
    (
        "space-before-colon",
        f"a space between name and colon ({_FIELD}.1)",
        "Content-Length that is not seen",
        OK + b"Content-Length : 10\r\n\r\n0123456789",
    ),
    ("space-in-name", "a space in a name", "a name that is guessed", OK + b"X A: b\r\n" + _TEN),
    (
        "bare-lf",
        "lines that end with LF alone (RFC 9112 section 2.2)",
        "lines that one parser sees and another does not",
        OK.replace(b"\r", b"") + _TEN.replace(b"\r", b""),
    ),
    (
        "bare-cr",
        "CR within a value",
        "a line's end that is one to some only",
        OK + b"X-A: a\rX-B: b\r\n" + _TEN,
    ),
    (
        "cr-lf-mixed",
        "one line of many that ends with LF alone",
        "a field that is hidden",
        OK + b"X-A: a\nX-B: b\r\n" + _TEN,
    ),
    ("cut", "a head that ends in the middle", "a head taken without its end", OK + b"X-A: the con"),
    ("cut-status", "a status line that ends in the middle", "a head taken without its end", b"HTTP/1.1 20"),
    (
        "switching",
        "101 that nobody asked for (RFC 9110 section 15.2.2)",
        "a connection that is handed over unasked",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: surprise\r\nConnection: Upgrade\r\n\r\n",
    ),
    (
        "interim-body",
        "103 with Content-Length, then the response",
        "an interim response taken for one with a body",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + OK + _TEN,
    ),
    (
        "interim-only",
        "100 (Continue), and nothing behind it",
        "an interim response taken for the final one",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ),
)

for _name, _what, _finds, _octets in _HEADS:
    raw_fault(GROUP, f"/wrong/{_name}", _what, _finds, _octets)

raw_fault(
    GROUP,
    "/wrong/two-responses",
    "a response, and at once another that nobody asked for; the connection stays open",
    "the answer to the next request taken from the octets behind this one (response splitting)",
    OK + _TEN + OK + b"X-Poison: yes\r\nContent-Length: 6\r\n\r\npoison",
    Ending.STAY,
)
