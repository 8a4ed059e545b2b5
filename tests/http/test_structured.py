"""Structured fields: the examples of RFC 9651, both ways, and everything just outside its grammar."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal, Inexact, localcontext
from time import monotonic
from typing import Any

import pytest
from hypothesis import given, strategies as st

from netkit.http.fields.errors import FieldError, FieldLimitExceeded, InvalidField
from netkit.http.structured import (
    Date,
    DisplayString,
    InnerList,
    Item,
    Token,
    parse_dictionary,
    parse_item,
    parse_list,
    serialize_dictionary,
    serialize_item,
    serialize_list,
)

pytestmark = pytest.mark.once

BARE: list[tuple[str, Any]] = [
    ("42", 42),
    ("-42", -42),
    ("999999999999999", 999_999_999_999_999),
    ("4.5", Decimal("4.5")),
    ("-0.125", Decimal("-0.125")),
    ("123456789012.123", Decimal("123456789012.123")),
    ('"hello world"', "hello world"),
    (r'"a \"b\" \\"', 'a "b" \\'),
    ('""', ""),
    ("foo123/456", Token("foo123/456")),
    ("*:a", Token("*:a")),
    (":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:", b"pretend this is binary content."),
    ("::", b""),
    ("?1", True),
    ("?0", False),
    ("@1659578233", Date(1659578233)),
    ("@-1", Date(-1)),
    (
        '%"This is intended for display to %c3%bcsers."',
        DisplayString("This is intended for display to üsers."),
    ),
]


@pytest.mark.parametrize(("text", "value"), BARE)
def test_bare_items_both_ways(text: str, value: Any) -> None:
    item = parse_item(text)
    assert (item.value, type(item.value), item.params) == (value, type(value), {})
    assert serialize_item(Item(value)) == text
    assert parse_item(f"  {text};q=?0;a  ".encode()) == Item(value, {"q": False, "a": True})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("00", 0),
        ("-0", 0),
        ("0042", 42),
        ("5.0", Decimal(5)),
        (":aGVsbG8:", b"hello"),
        (":aGVsbG9=:", b"hello"),
    ],
)
def test_what_is_read_but_not_written(text: str, value: Any) -> None:
    assert parse_item(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\t1", "1\t", "1 2", "1,2", "1 ;a", "1;", "1;A", "1;a=", "é", "\0"),
        *("1000000000000000", "1234567890123.0", "1.", "1.1234", ".5", "-", "--1", "+1", "1e3", "-a"),
        *('"', '"a', r'"\a"', '"é"', '"\0"', '"a\tb"', '"\\', "'a'"),
        *(":", ":a", ":aGVsbG8", ":aGVsbG8=x:", ":*:", ":a:", ":a b:", ":====:", ":YQ===:", ":YWJj=:"),
        *("?", "?2", "?true", "@", "@1.5", "@a", "@1000000000000000"),
        *("%", '%"', '%"%C3%BC"', '%"%fc"', '%"%"', '%"%a"', '%"ü"', '%"\0"', "%a"),
        *("(1)", "a=1", "/a", "=a"),
    ],
)
def test_what_is_no_item(text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_item(text)
    assert 0 <= caught.value.offset <= len(text)


def test_lists_of_rfc_9651() -> None:
    assert parse_list("sugar, tea, rum") == [Item(Token("sugar")), Item(Token("tea")), Item(Token("rum"))]
    assert parse_list('("foo" "bar"), ("baz"), ("bat" "one"), ()') == [
        InnerList((Item("foo"), Item("bar"))),
        InnerList((Item("baz"),)),
        InnerList((Item("bat"), Item("one"))),
        InnerList(()),
    ]
    (first, second) = parse_list('("foo"; a=1;b=2);lvl=5, ("bar" "baz");lvl=1')
    assert first == InnerList((Item("foo", {"a": 1, "b": 2}),), {"lvl": 5})
    assert second.params == {"lvl": 1}
    assert parse_list("") == []
    assert parse_list("1\t ,\t2") == [Item(1), Item(2)]
    item, inner = parse_list('abc;a=1;b=2; cde_456, (ghi;jk=4 l);q="9";r=w')
    assert item == Item(Token("abc"), {"a": 1, "b": 2, "cde_456": True})
    assert inner == InnerList((Item(Token("ghi"), {"jk": 4}), Item(Token("l"))), {"q": "9", "r": Token("w")})


def test_dictionaries_of_rfc_9651() -> None:
    found = parse_dictionary('en="Applepie", da=:w4ZibGV0w6ZydGU=:')
    assert found == {"en": Item("Applepie"), "da": Item("Æbletærte".encode())}
    assert parse_dictionary("a=?0, b, c; foo=bar") == {
        "a": Item(False),
        "b": Item(True),
        "c": Item(True, {"foo": Token("bar")}),
    }
    assert parse_dictionary("rating=1.5, feelings=(joy sadness)")["feelings"] == InnerList(
        (Item(Token("joy")), Item(Token("sadness")))
    )
    assert list(parse_dictionary("a=1, b=2, a=3").items()) == [("a", Item(3)), ("b", Item(2))]


@pytest.mark.parametrize(
    "text", ["a,", ",a", "a,,b", "a b", "(a", "(a,b)", "((a))", "(a)b", '("a""b")', "(a\tb)"]
)
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(InvalidField):
        parse_list(text)


@pytest.mark.parametrize("text", ["a=", "A=1", "a=1,", "a==1", "a =1", "a= 1", "1=a", '"a"=1', "a=1 b=2"])
def test_what_is_no_dictionary(text: str) -> None:
    with pytest.raises(InvalidField):
        parse_dictionary(text)


def test_written_as_the_rfc_says() -> None:
    members = {
        "a": Item(True, {"x": True, "y": False}),
        "b": Item(False),
        "c": InnerList((Item(1), Item(2)), {"d": 3}),
    }
    assert serialize_dictionary(members) == "a;x;y=?0, b=?0, c=(1 2);d=3"
    assert serialize_list([]) == ""
    for value, text in (
        (0.0025, "0.002"),
        (Decimal("0.0035"), "0.004"),
        (1.0, "1.0"),
        (Decimal(-7), "-7.0"),
    ):
        assert serialize_item(Item(value)) == text


@pytest.mark.parametrize(
    "value",
    [
        *(10**15, -(10**15), Decimal(10**12), Decimal("999999999999.9999"), float("nan"), float("inf")),
        *("é", "a\nb", "\x7f", Token(""), Token("a b"), Token("1a"), Date(10**15), DisplayString("\ud800")),
        *(None, [1]),
    ],
)
def test_what_no_field_can_carry_is_not_written(value: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        serialize_item(Item(value))
    assert caught.value.fault == "caller"
    with pytest.raises(InvalidField):
        serialize_item(Item(1, {"a": value}))


@pytest.mark.parametrize("value", [Decimal("-0.0001"), Decimal("-0.0"), -0.0, -0.0004])
def test_zero_has_no_sign(value: float | Decimal) -> None:
    """Section 4.1.5: "-" is written where the number is less than, and not equal to, zero."""
    assert serialize_item(Item(value)) == "0.0"


def test_numbers_are_written_alike_whatever_the_caller_counts_with() -> None:
    class Float(float):
        def __repr__(self) -> str:
            return "Float(1.5)"

    assert serialize_item(Item(Float(1.5))) == "1.5"
    with localcontext() as context:
        context.prec = 6
        context.traps[Inexact] = True
        assert serialize_item(Item(Decimal("999999999999.12349"))) == "999999999999.123"


def test_items_are_copied_and_pickled() -> None:
    for one in (Item(1), InnerList((Item(Token("a")),)), parse_item("a;b")):
        assert copy.deepcopy(one) == one
        assert pickle.loads(pickle.dumps(one)) == one
    assert Item(1).params == {}
    assert Item(1) == Item(1, {})
    assert repr(Item(1)) == "Item(value=1, params={})"


def test_keys_are_checked() -> None:
    for key in ("", "A", "1a", "a b", "é"):
        with pytest.raises(InvalidField):
            serialize_dictionary({key: Item(1)})


def test_tokens_and_strings_are_not_the_same() -> None:
    assert Token("a") != "a"
    assert [Token("a")] != ["a"]
    assert DisplayString("a") != "a"
    assert len({Token("a"), "a", DisplayString("a")}) == 3
    assert repr(Token("a")) == "Token('a')"


def test_limits() -> None:
    for text, limit in (
        (",".join("a" * 1025), "max_members=1,024"),
        ("(" + "a " * 257 + ")", "max_inner=256"),
        ("a" + ";b" * 257, "max_params=256"),
        ("a" * 70_000, "max_length"),
    ):
        with pytest.raises(FieldLimitExceeded, match=limit):
            parse_list(text)
    # RFC 9651 section 3: these at least are to be supported.
    assert len(parse_list(",".join("a" * 1024))) == 1024
    assert len(parse_item(f'"{"a" * 1024}"').value) == 1024  # type: ignore[arg-type]
    assert parse_item(f":{'A' * 21848}:").value == bytes(16386)


@pytest.mark.parametrize(
    "text",
    [
        "a," * 300_000 + "a",
        '"' + "\\\\" * 500_000,
        "(" * 10**6,
        "a" + ";b" * 300_000,
        "(" + " " * 10**6,
        "1" * 10**6,
        '%"' + "%c3" * 300_000,
        ":" + "A" * 10**6,
    ],
    ids=["members", "escapes", "brackets", "params", "spaces", "digits", "display", "base64"],
)
def test_time_is_linear(text: str) -> None:
    begun = monotonic()
    big = 10**8
    try:
        parse_list(text, max_members=big, max_inner=big, max_params=big, max_length=big)
    except FieldError as error:
        assert error.offset <= len(text)
    assert monotonic() - begun < 30


KEY = st.from_regex(r"[a-z*][a-z0-9_\-.*]{0,5}", fullmatch=True)
VALUES = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.integers(-(10**15) + 1, 10**15 - 1).map(lambda number: Decimal(number).scaleb(-3)),
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)),
    st.from_regex(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]{0,8}", fullmatch=True).map(Token),
    st.binary(max_size=20),
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1).map(Date),
    st.text(alphabet=st.characters(exclude_categories=("Cs",))).map(DisplayString),
)
PARAMS = st.dictionaries(KEY, VALUES, max_size=3)
ITEM = st.builds(Item, VALUES, PARAMS)
MEMBER = ITEM | st.builds(InnerList, st.lists(ITEM, max_size=3).map(tuple), PARAMS)


@given(ITEM, st.lists(MEMBER, max_size=4), st.dictionaries(KEY, MEMBER, max_size=4))
def test_what_is_written_is_read(item: Item, members: list[Any], keyed: dict[str, Any]) -> None:
    assert parse_item(serialize_item(item)) == item
    assert parse_list(serialize_list(members)) == members
    again = parse_dictionary(serialize_dictionary(keyed))
    assert list(again.items()) == list(keyed.items())


@given(st.text(alphabet='a1(";=,):@%?*\\ .-é\0', max_size=40))
def test_nothing_but_documented_errors(text: str) -> None:
    for parse, serialize in ((parse_list, serialize_list), (parse_dictionary, serialize_dictionary)):
        try:
            found: Any = parse(text)
        except FieldError as error:
            assert 0 <= error.offset <= len(text)
        else:
            assert parse(serialize(found)) == found
