"""HTTPie's items, and JSON from flat names."""

from __future__ import annotations

import json

import pytest

from netkit.cli.fetch.items import Item, ItemError, is_url, parse_item
from netkit.cli.fetch.json_paths import MAX_DEPTH, MAX_INDEX, JsonBuilder, parse_path

pytestmark = pytest.mark.once

ITEMS = [
    # each separator
    ("a=b", Item("field", "a", "b")),
    ("a=", Item("field", "a", "")),
    ("a:=1", Item("json", "a", "1")),
    ("a==b", Item("query", "a", "b")),
    ("A:b", Item("header", "A", "b")),
    ("A:", Item("no header", "A", "")),
    ("A;", Item("header", "A", "")),
    ("a@b", Item("upload", "a", "b", True)),
    ("a=@b", Item("field", "a", "b", True)),
    ("a:=@b", Item("json", "a", "b", True)),
    ("a==@b", Item("query", "a", "b", True)),
    ("A:@b", Item("header", "A", "b", True)),
    ("@b", Item("upload", "", "b", True)),
    # the first separator counts, the longest at its place
    ("a=b:c", Item("field", "a", "b:c")),
    ("a=b@c=d", Item("field", "a", "b@c=d")),
    ("Referer:http://a/?b=c", Item("header", "Referer", "http://a/?b=c")),
    ("a===b", Item("query", "a", "=b")),
    ("e=u@h.example", Item("field", "e", "u@h.example")),
    # escapes
    (r"a\=b=c", Item("field", "a=b", "c")),
    (r"a\:b=c", Item("field", "a:b", "c")),
    (r"a=b\=c", Item("field", "a", "b=c")),
    (r"a\==b", Item("field", "a=", "b")),
    (r"p=C:\temp\new", Item("field", "p", r"C:\temp\new")),
    (r"a\[b=c", Item("field", r"a\[b", "c")),
    # text that is not ASCII
    ("ключ=значение", Item("field", "ключ", "значение")),
    ("X-A:café", Item("header", "X-A", "café".encode().decode("latin-1"))),
    ("X-A:€", Item("header", "X-A", "€".encode().decode("latin-1"))),
]


@pytest.mark.parametrize(("word", "item"), ITEMS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_item(word: str, item: Item) -> None:
    assert parse_item(word) == item


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nothing", "'nothing' is no item"),
        ("", "is no item"),
        (r"a\=b", "is no item"),
        ("A;b", "nothing can follow the ;"),
        ("A b:c", "a space cannot stand in a name"),
        ("A:b\r\nX: c", "a carriage return cannot stand in a value"),
        ("A:b\0", "NUL cannot stand in a value"),
        (":b", "header name: it is empty"),
        ("==b", "a name is missing"),
        ("a@", "the path of a file is missing behind @"),
        ("a:=@", "the path of a file is missing behind :=@"),
    ],
)
def test_what_is_no_item(word: str, said: str) -> None:
    with pytest.raises(ItemError) as caught:
        parse_item(word)
    assert said in str(caught.value)


def test_the_type_of_an_upload() -> None:
    item = parse_item("photo@a;b.bin;type=image/png")
    assert (item.path, item.content_type) == ("a;b.bin", "image/png")
    assert (parse_item("photo@a.bin").path, parse_item("photo@a.bin").content_type) == ("a.bin", None)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("http://a/?b=c", True),
        ("HTTPS://a@b/", True),
        ("example.com", True),
        ("example.com/x/y", True),
        (":8080", True),
        (":8080/x=1", True),
        ("example.com:8080", False),
        ("a=http://b/", False),
        ("q==http://b/", False),
        ("Referer:http://b/", False),
        ("@file", False),
        (r"a\=b", True),
    ],
)
def test_which_words_are_urls(word: str, expected: bool) -> None:
    assert is_url(word) is expected


# -- nested names


def built(*items: tuple[str, object]) -> str:
    made = JsonBuilder()
    for name, value in items:
        made.put(name, value)
    return json.dumps(made.value)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], "{}"),
        ([("a", 1)], '{"a": 1}'),
        ([("a", 1), ("a", 2)], '{"a": 2}'),
        ([("a[b][c]", 1), ("a[d]", 2)], '{"a": {"b": {"c": 1}, "d": 2}}'),
        ([("a[]", 1), ("a[]", 2)], '{"a": [1, 2]}'),
        ([("a[2]", 1), ("a[0]", 2)], '{"a": [2, null, 1]}'),
        ([("a[][x]", 1), ("a[][x]", 2)], '{"a": [{"x": 1}, {"x": 2}]}'),
        ([("a[0][x]", 1), ("a[0][y]", 2)], '{"a": [{"x": 1, "y": 2}]}'),
        ([("[]", 1), ("[]", "b")], '[1, "b"]'),
        ([("[1][x]", 1)], '[null, {"x": 1}]'),
        ([("[a]", 1), ("b", 2)], '{"a": 1, "b": 2}'),
        ([(r"a\[b\]", 1)], '{"a[b]": 1}'),
        ([(r"a[\3]", 1)], '{"a": {"3": 1}}'),
        ([("3", 1)], '{"3": 1}'),
        ([("a[b]", {"x": 1}), ("a[b][y]", 2)], '{"a": {"b": {"x": 1, "y": 2}}}'),
        ([("", 1)], '{"": 1}'),
        ([("a", None), ("a[b]", 1)], '{"a": {"b": 1}}'),
    ],
)
def test_json_of_names(items: list[tuple[str, object]], expected: str) -> None:
    assert built(*items) == expected


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([("a", 1), ("a[b]", 2)], "'a[b]' wants a to be an object, but an earlier item made it a value"),
        ([("a[b]", 1), ("a[]", 2)], "wants a to be a list, but an earlier item made it an object"),
        ([("a[x][]", 1), ("a[x][y]", 2)], "wants a[x] to be an object, but an earlier item made it a list"),
        ([("[]", 1), ("a", 2)], "wants the body to be an object"),
        ([("a[", 1)], "] is missing before the end"),
        ([("a]", 1)], "a ] that nothing opens or closes"),
        ([("a[b]c", 1)], "[ is missing before 'c'"),
        ([("a[b[c]]", 1)], "a [ that nothing opens"),
        ([(f"a[{MAX_INDEX + 1}]", 1)], f"is over {MAX_INDEX}"),
        ([("a[99999999999999999999]", 1)], f"is over {MAX_INDEX}"),
        ([("a" + "[]" * MAX_DEPTH, 1)], f"deeper than {MAX_DEPTH} steps"),
    ],
)
def test_names_that_contradict_or_are_none(items: list[tuple[str, object]], said: str) -> None:
    with pytest.raises(ItemError) as caught:
        built(*items)
    assert said in str(caught.value)


def test_the_limits_themselves_are_allowed() -> None:
    assert len(parse_path("a" + "[]" * (MAX_DEPTH - 1))) == MAX_DEPTH
    made = JsonBuilder()
    made.put(f"a[{MAX_INDEX}]", 1)
    assert len(made.value["a"]) == MAX_INDEX + 1
