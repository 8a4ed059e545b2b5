"""Nothing a peer says reaches a terminal as anything but text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, strategies as st

from netkit.cli.frame.messages import in_words, message_lines, plural, suggest, visible

pytestmark = pytest.mark.once

#: What none of may be in text that is shown: controls, separators of lines, halves of pairs.
FORBIDDEN = {"Cc", "Zl", "Zp", "Cs"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("Zürich 東京 🙂", "Zürich 東京 🙂"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x9b31mb", r"a\x9b31mb"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\r\nb\tc\0", r"a\x0d\x0ab\x09c\x00"),
        ("exe.\u202egpj", r"exe.\u202egpj"),
        ("a\u2028b\ufeff", r"a\u2028b\ufeff"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("क्\u200dष", "क्\u200dष"),  # a joiner that the script needs
    ],
)
def test_controls_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_tab_between_cells_stays() -> None:
    assert visible("a\tb\nc", tabs=True) == "a\tb\\x0ac"


@given(st.text(st.characters(exclude_categories=())))
def test_no_control_survives(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(character) for character in shown} & FORBIDDEN
    assert visible(shown) == shown


def test_a_message_says_what_was_done_what_happened_and_what_to_do() -> None:
    assert message_lines("probing x", "refused", "try y") == ["netkit: probing x: refused", "hint: try y"]
    assert message_lines(None, "refused") == ["netkit: refused"]
    assert message_lines("x\n", "y\x1b") == [r"netkit: x\x0a: y\x1b"]


@pytest.mark.parametrize(
    ("doing", "happened", "said"),
    [
        ("opening /x", "/x: no such file", "opening /x: no such file"),
        ("opening a b", "a b: no such file", "opening a b: no such file"),
        ("probing a", "cannot connect to a: refused", "probing: cannot connect to a: refused"),
        ("probing a", "cannot connect to a:443: refused", "probing: cannot connect to a:443: refused"),
        ("probing a", "the certificate is not valid for a", "probing: the certificate is not valid for a"),
        ("tcp scan a", "cannot resolve a: unknown", "tcp scan: cannot resolve a: unknown"),
        ("resolving a", "a. AAAA: connection refused", "resolving: a. AAAA: connection refused"),
        # Other words that happen to be alike are no repetition.
        ("probing a", "a.example: refused", "probing a: a.example: refused"),
        ("probing a", "no such host as ab: gone", "probing a: no such host as ab: gone"),
        ("dig", "dig: odd", "dig: dig: odd"),
    ],
)
def test_nothing_is_said_twice(doing: str, happened: str, said: str) -> None:
    assert message_lines(doing, happened) == [f"netkit: {said}"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("CertificateVerificationFailed", "certificate verification failed"),
        ("Refused", "refused"),
        ("NotTls", "not TLS"),
        ("UnexpectedEof", "unexpected eof"),
        ("InvalidUri", "invalid URI"),
    ],
)
def test_kinds_in_words(kind: str, words: str) -> None:
    assert in_words(kind) == words


def test_suggestions() -> None:
    assert suggest("versoin", ["version", "schema"]) == "did you mean version?"
    assert suggest("tl", ["tls", "tla"]) in ("did you mean tls or tla?", "did you mean tla or tls?")
    assert suggest("zzz", ["version"]) is None


def test_plurals() -> None:
    assert [plural(n, "input") for n in (0, 1, 2000)] == ["0 inputs", "1 input", "2,000 inputs"]
    assert plural(2, "query", "queries") == "2 queries"
