"""The Link header: the examples of RFC 8288 and RFC 8187, round trips, and what is refused."""

from __future__ import annotations

from time import monotonic

import pytest
from hypothesis import given, strategies as st

from netkit.http import Url, link_header
from netkit.http.fields.errors import FieldError, FieldLimitExceeded, InvalidField
from netkit.http.fields.syntax import Dropped
from netkit.http.link_header import (
    ExtValue,
    LinkEntry,
    decode_ext_value,
    encode_ext_value,
    find_rel,
    parse,
    resolve,
)

pytestmark = pytest.mark.once


def test_the_examples_of_rfc_8288() -> None:
    (first,) = parse('<http://example.com/TheBook/chapter2>; rel="previous"; title="previous chapter"')
    assert (first.uri, first.rels, first.title) == (
        "http://example.com/TheBook/chapter2",
        ("previous",),
        "previous chapter",
    )
    assert parse('</>; rel="http://example.net/foo"')[0].rels == ("http://example.net/foo",)
    assert parse('</terms>; rel="copyright"; anchor="#foo"')[0].anchor == "#foo"
    last, following = parse(
        "</TheBook/chapter2>;\n rel=\"previous\"; title*=UTF-8'de'letztes%20Kapitel,\n"
        "</TheBook/chapter4>;\n rel=\"next\"; title*=UTF-8'de'n%c3%a4chstes%20Kapitel".replace("\n", "")
    )
    assert (last.title, following.title) == ("letztes Kapitel", "nächstes Kapitel")
    assert following.params[1] == ("title*", ExtValue("nächstes Kapitel", "de"))
    several = parse('<http://example.org/>; rel="start http://example.net/relation/other"')
    assert several[0].rels == ("start", "http://example.net/relation/other")
    two = parse('<https://example.org/>; rel="start", <https://example.org/index>; rel="index"')
    assert [entry.uri for entry in two] == ["https://example.org/", "https://example.org/index"]


@pytest.mark.parametrize(
    ("header", "params"),
    [
        ("<>; rel=next", (("rel", "next"),)),
        ("<a>;REL = Next ; Foo", (("rel", "Next"), ("foo", None))),
        ("<a>;;rel=next;", (("rel", "next"),)),
        ("<a>; type=text/html", (("type", "text/html"),)),
        (r'<a>; title="a \"b\" \\, <c>;"', (("title", r'a "b" \, <c>;'),)),
        ("<a>; rel=first; rel=second; title=x; title=y", (("rel", "first"), ("title", "x"))),
        ("<a>; hreflang=de; hreflang=en", (("hreflang", "de"), ("hreflang", "en"))),
        ("<a>; title*=nothing", (("title*", "nothing"),)),
        ('<a>; title=""', (("title", ""),)),
    ],
)
def test_parameters(header: str, params: object) -> None:
    assert parse(header)[0].params == params


def test_titles_and_languages() -> None:
    assert parse("<a>; title*=UTF-8''%ff; title=plain")[0].title == "plain"
    assert parse("<a>; title=plain; title*=UTF-8''%c3%a9")[0].title == "é"
    assert parse("<a>; hreflang=de; hreflang=en")[0].hreflang == ("de", "en")


def test_relations_are_compared_as_ascii() -> None:
    (entry,) = parse('<a>; rel="LIN\u212a\tnext\xa0prev"')
    assert entry.rels == ("lin\u212a", "next\xa0prev")
    assert find_rel([entry], "link") is None


def test_an_anchor_that_is_empty_is_the_resource_itself() -> None:
    assert find_rel(parse('<a>; rel=next; anchor=""'), "next") is not None


def test_a_relation_is_found_in_any_case_and_among_others() -> None:
    entries = parse(
        '<1>; rel="nextish prev", <2>; rel="NEXT"; anchor="/other", <3>; rel="x Next", <4>; rel=next'
    )
    for wanted, uri in (("next", "3"), ("NEXT", "3"), ("prev", "1"), ("X", "3")):
        found = find_rel(entries, wanted)
        assert found is not None
        assert found.uri == uri
    anchored = find_rel(entries, "next", anchored=True)
    assert anchored is not None
    assert anchored.uri == "2"
    for missing in ("nex", "x next", "", "last"):
        assert find_rel(entries, missing) is None
    assert find_rel(parse("<a>; title=next"), "next") is None


BASE = Url.parse("https://api.example/a/b?q#part")


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("c", "https://api.example/a/c"),
        ("", "https://api.example/a/b?q"),
        ("?page=2", "https://api.example/a/b?page=2"),
        ("#top", "https://api.example/a/b?q#top"),
        ("//other.example", "https://other.example/"),
        (r"\\\host.example\a\..\b", "https://host.example/b"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("https://[::1/", "https://[::1/"),  # no URL: it stays as it is written
        ("//a" + "b" * 70_000, "https://a" + "b" * 70_000 + "/"),
    ],
)
def test_a_target_resolves_against_the_resource(target: str, uri: str) -> None:
    """Whatever the anchor is (RFC 8288 section 3.1)."""
    plain, anchored = LinkEntry.new(target, "next"), LinkEntry.new(target, "next", anchor="/x/y")
    assert resolve(plain, BASE) == (plain, uri, None)
    assert resolve(anchored, BASE) == (anchored, uri, "https://api.example/x/y")
    assert resolve(anchored, None) == (anchored, target, "/x/y")


@pytest.mark.parametrize(
    ("anchor", "itself"),
    [
        ("", True),
        ("https://API.example:443/a/./b?q", True),
        ("b?q", True),
        ("?q", True),
        ("b", False),
        ("/x", False),
        ("#part", False),  # a part of the resource is another context (RFC 8288 section 3.2)
        ("https://[::1/", False),
    ],
)
def test_an_anchor_that_resolves_to_the_resource_is_none(anchor: str, itself: bool) -> None:
    entries = [LinkEntry.new("/2", "next", anchor=anchor), LinkEntry.new("/3", "next")]
    assert find_rel(entries, "next", base=BASE) is entries[0 if itself else 1]
    assert find_rel(entries, "next") is entries[1 if anchor else 0]
    assert find_rel(entries, "next", anchored=True, base=BASE) is entries[0]


@pytest.mark.parametrize(
    ("header", "offset"),
    [
        ("a", 0),
        ("<a", 0),
        ("<a b>; rel=x", 0),
        ("<a\0>", 0),
        ("<a> rel=x", 4),
        ("<a>; =x", 5),
        ("<a>; rel=", 9),
        ('<a>; rel="x', 9),
        ('<a>; rel="x\0"', 9),
        ("<a>; rel=x <b>", 11),
        ("<a>; rel=<b>", 9),
    ],
)
def test_what_is_no_link_header(header: str, offset: int) -> None:
    with pytest.raises(InvalidField) as caught:
        parse(header)
    assert (caught.value.offset, caught.value.layer) == (offset, "http")


def test_limits() -> None:
    with pytest.raises(FieldLimitExceeded, match="max_entries=1,024"):
        parse("<a>," * 2000)
    with pytest.raises(FieldLimitExceeded, match="max_params=64"):
        parse("<a>" + ";b" * 65)
    with pytest.raises(FieldLimitExceeded, match="max_length"):
        parse(f"<{'a' * 70_000}>")
    assert parse("") == parse(" , ,") == []


def test_a_lenient_reading_drops_a_link_and_says_so() -> None:
    header = '</a>; rel=next, b>, <x,y>; =, <c,d>; title="e, f"; g h, <i>; rel="j, k'
    with pytest.raises(InvalidField):
        parse(header)
    dropped: list[Dropped] = []
    assert [entry.uri for entry in parse(header, complaints=dropped)] == ["/a"]
    assert [each.member for each in dropped] == [
        "b>",
        "<x,y>; =",
        '<c,d>; title="e, f"; g h',
        '<i>; rel="j, k',
    ]
    assert parse("<a>", complaints=dropped[:0]) == parse("<a>")
    with pytest.raises(FieldLimitExceeded, match="max_entries"):
        parse("b," * 2000, complaints=[])


@pytest.mark.parametrize(
    "header",
    [
        "<a>;b," * 200_000,
        "<a>;" + ";" * 10**6,
        "<" * 10**6,
        '<a>;b="' + "\\" * 10**6,
        "<a>" + " " * 10**6 + "x",
    ],
    ids=["entries", "semicolons", "brackets", "backslashes", "spaces"],
)
def test_time_is_linear(header: str) -> None:
    begun = monotonic()
    try:
        parse(header, max_entries=10**7, max_length=10**8)
    except FieldError as error:
        assert error.offset <= len(header)
    assert monotonic() - begun < 30


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("UTF-8''%c2%a3%20and%20%e2%82%ac%20rates", ExtValue("£ and € rates")),
        ("iso-8859-1'en'%A3%20rates", ExtValue("£ rates", "en")),
        ("UTF-8''", ExtValue("")),
        ("UTF-8'%ff", None),
        ("UTF-8''%ff", None),
        ("UTF-8''a b", None),
        ("UTF-8''%c", None),
        ("utf-16''ab", None),
        ("''a", None),
    ],
)
def test_extended_values(text: str, value: ExtValue | None) -> None:
    assert decode_ext_value(text) == value


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))), st.sampled_from(["", "en", "de-CH"]))
def test_extended_values_round_trip(text: str, language: str) -> None:
    assert decode_ext_value(encode_ext_value(text, language)) == ExtValue(text, language)


def test_the_shortest_form_is_written() -> None:
    entry = LinkEntry.new("/2", "next", title="x")
    assert link_header.format([entry]) == "</2>; rel=next; title=x"
    assert str(LinkEntry.new("/2", "next prev", title="é")) == "</2>; rel=\"next prev\"; title*=UTF-8''%C3%A9"
    assert (
        link_header.format(parse('<a>; rel="next"; type="text/html"; x'))
        == '<a>; rel=next; type="text/html"; x'
    )


@pytest.mark.parametrize(
    "entry",
    [
        LinkEntry("a b"),
        LinkEntry("a>b"),
        LinkEntry("a", (("b c", "d"),)),
        LinkEntry("a", (("b", "c\r\nd"),)),
        LinkEntry("a", (("b*", ExtValue("c", "d'e")),)),
        LinkEntry("a", (("b*", ExtValue("\ud800")),)),
        LinkEntry("a", (("b", ExtValue("c")),)),
        LinkEntry("a", (("b*", "UTF-8''c"),)),
        LinkEntry("a", (("rel", "x"), ("rel", "y"))),
        LinkEntry("a", (("REL", "x"),)),
    ],
)
def test_what_no_field_can_carry_is_not_written(entry: LinkEntry) -> None:
    with pytest.raises(InvalidField) as caught:
        link_header.format([entry])
    assert caught.value.fault == "caller"


NAME = st.text(alphabet="abcrel-", min_size=1, max_size=6).filter(lambda name: name != "rel")
TEXT = st.text(
    alphabet=st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="\x7f"), max_size=12
)
EXT = st.builds(ExtValue, TEXT, st.sampled_from(["", "en"]))
PARAM = st.tuples(NAME, TEXT | st.none()) | st.tuples(NAME.map(lambda name: f"{name}*"), EXT)
ENTRY = st.builds(
    LinkEntry,
    st.text(alphabet='abc/:?#,;"=é', max_size=12),
    st.lists(PARAM, max_size=4).map(lambda params: (("rel", "next"), *params)),
)


@given(st.lists(ENTRY, max_size=4))
def test_what_is_written_is_read(entries: list[LinkEntry]) -> None:
    assert parse(link_header.format(entries)) == entries


@given(st.text(alphabet="<>a;,=\"\\ *'%é\0\t", max_size=60))
def test_nothing_but_documented_errors(header: str) -> None:
    try:
        entries = parse(header)
    except FieldError as error:
        assert 0 <= error.offset <= len(header)
    else:
        assert parse(link_header.format(entries)) == entries
