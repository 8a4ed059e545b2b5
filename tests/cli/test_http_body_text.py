"""Bodies on a terminal: JSON in lines, text made safe, nothing binary."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from netkit.cli.render import http_body
from netkit.cli.render.http_body import MAX_DEPTH, MAX_SET_OUT, BodyText, is_json, set_out

pytestmark = pytest.mark.once


def shown(*pieces: bytes, media_type: str = "text/plain", charset: str | None = None) -> str:
    body = BodyText(media_type, charset)
    return "".join(map(body.feed, pieces)) + body.end()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4),
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_json_set_out_is_the_same_value(value: Any, ascii_only: bool, indent: int | None) -> None:
    made = set_out(json.dumps(value, ensure_ascii=ascii_only, indent=indent))
    assert made is not None
    if ascii_only:
        assert json.loads(made) == value


def test_it_looks_like_json_with_an_indent_of_two() -> None:
    value = {"a": [1, {"b": []}, []], "c": {"d": None, "e": [True, "x"]}, "f": {}}
    assert set_out(json.dumps(value)) == json.dumps(value, indent=2)


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 1.10, "n": 12345678901234567890.5, "e": 1E400, "s": "\\u00e9\\/"}',
        "[1e5,-0,-0.0]",
        ' "x" ',
        "0",
    ],
)
def test_tokens_stay_as_they_are(text: str) -> None:
    made = set_out(text)
    assert made is not None
    assert "".join(made.split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", "[1", "[1,]", "[,1]", "{,}", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", "[1 2]"),
        *("01", "1.", ".5", "+1", "1e", "tru", "truex", "nul", "'a'", '"a', '"\n"', '"\\x"', "[1]]", "1 2"),
        *("}", "]", ":", ",", "[}", "{]", '{"a":1]', "NaN", "[1]x", "[:]", '{"a","b"}', "//x\n1"),
    ],
)
def test_what_is_no_json(text: str) -> None:
    if text != "NaN":  # which Python takes
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
    assert set_out(text) is None


def test_how_deep() -> None:
    assert set_out("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert set_out("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) is None


def test_how_much_longer_it_may_become(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "MAX_LINES", 1000)
    deep = "[" * 50 + "1" + "]" * 50
    assert set_out("[1,2,3]") is not None
    assert set_out(f"[{deep},{deep}]") is None


def test_colours_are_for_keys_and_values() -> None:
    made = set_out('{"a": ["x", 1, null]}', color=True)
    assert made is not None
    assert '\x1b[1;34m"a"\x1b[0m: [' in made
    assert '\x1b[32m"x"\x1b[0m' in made


def test_nothing_from_the_peer_drives_the_terminal() -> None:
    assert shown(b"a\x1b[31mb\x07\tc\r\nd\re\n") == "a\\x1b[31mb\\x07\tc\nd\\x0de\n"
    assert shown("\x9b31m\u202e\u2028".encode()) == "\\x9b31m\\u202e\\u2028\n"
    json_body = '{"a": "\x9b31m\u202e"}'.encode()
    assert "\\x9b31m\\u202e" in shown(json_body, media_type="application/json")
    assert "\x1b" not in shown(b'{"a": "\x1b[31m"}', media_type="application/json")


@given(st.text(), st.integers(1, 5))
def test_pieces_make_no_difference(text: str, size: int) -> None:
    octets = text.encode("utf-8", "surrogatepass").replace(b"\0", b"")
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    assert shown(*pieces) == shown(octets)


def test_text_comes_as_it_comes() -> None:
    body = BodyText("text/event-stream")
    assert body.feed(b"data: 1\n\nda") == "data: 1\n\nda"
    assert body.feed(b"ta: 2\n\n") == "ta: 2\n\n"
    assert body.end() == ""


def test_the_last_line_is_ended() -> None:
    assert shown(b"x") == "x\n"
    assert shown(b"x\n") == "x\n"
    assert shown() == ""


def test_what_says_json_and_is_none_is_text() -> None:
    assert shown(b"<html>", media_type="application/json") == "<html>\n"


def test_json_that_is_too_large_is_shown_as_it_comes() -> None:
    body = BodyText("application/json")
    assert body.feed(b"[" + b" " * (MAX_SET_OUT - 1)) == ""
    assert len(body.feed(b"1")) == MAX_SET_OUT + 1
    assert body.feed(b"]") == "]"


def test_charsets() -> None:
    assert shown("é".encode("latin-1"), charset="iso-8859-1") == "é\n"
    assert shown("é".encode("utf-16"), charset="utf-16") == "é\n"
    assert shown(b"\xff", charset="utf-8") == "�\n"
    assert shown("é".encode(), charset="no-such-charset") == "é\n"
    assert shown(b"abc", charset="unicode_escape") == "abc\n"
    assert shown('﻿{"a":1}'.encode(), media_type="application/json") == '{\n  "a": 1\n}\n'


def test_binary_is_not_shown() -> None:
    body = BodyText("image/png")
    assert (body.feed(b"\x89PNG\r\n\0\0"), body.is_binary, body.feed(b"abc"), body.end()) == (
        "",
        True,
        "",
        "",
    )


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/x-ndjson", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_which_media_types_are_json(media_type: str, expected: bool) -> None:
    assert is_json(media_type) is expected
