"""Content negotiation: RFC 9110's and RFC 4647's examples, what is refused, and how long anything takes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest
from hypothesis import given, strategies as st

from netkit.http.fields.errors import FieldError, FieldLimitExceeded, InvalidField
from netkit.http.fields.syntax import Dropped
from netkit.http.negotiation import (
    MediaRange,
    Preference,
    basic_match,
    filter_languages,
    lookup_language,
    parse_accept,
    parse_accept_charset,
    parse_accept_encoding,
    parse_accept_language,
    parse_media_type,
    rank_charsets,
    rank_codings,
    rank_languages,
    rank_media,
    select_best_charset,
    select_best_coding,
    select_best_language,
    select_best_media,
)

pytestmark = pytest.mark.once

#: RFC 9110 section 12.5.1, the last example: each media type and the quality it is given there.
PRECEDENCE = (
    "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
)


@pytest.mark.parametrize(
    ("offer", "q"),
    [
        ("text/plain;format=flowed", 1.0),
        ("text/plain", 0.7),
        ("text/html", 0.3),
        ("image/jpeg", 0.5),
        ("text/plain;format=fixed", 0.4),
        ("text/html;level=3", 0.3),
    ],
)
def test_the_most_specific_range_gives_the_weight(offer: str, q: float) -> None:
    (verdict,) = rank_media(parse_accept(PRECEDENCE), [offer])
    assert (verdict.q, verdict.acceptable) == (q, True)


@pytest.mark.parametrize(
    ("header", "offers", "best"),
    [
        ("audio/*; q=0.2, audio/basic", ["audio/mpeg", "audio/basic"], "audio/basic"),
        ("audio/*; q=0.2, audio/basic", ["audio/mpeg"], "audio/mpeg"),
        ("text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", ["text/x-dvi", "text/x-c"], "text/x-c"),
        ("text/html;q=0.9, application/json", ["application/json", "text/html"], "application/json"),
        ("*/*, text/*, text/html", ["image/png", "text/plain", "text/html"], "text/html"),
        ("text/html, text/plain", ["text/plain", "text/html"], "text/plain"),
        ("text/html;q=0, */*", ["text/html"], None),
        ("text/html;q=0, */*", ["text/html", "text/css"], "text/css"),
        ("text/*;q=0, text/html;q=0.001", ["text/plain", "text/html"], "text/html"),
        ("text/html", ["image/png"], None),
        ("", ["image/png"], "image/png"),
        ("TEXT/HTML;Charset=UTF-8", ["text/html;charset=utf-8"], "text/html;charset=utf-8"),
        ('text/html;level="1"', ["text/html", "text/html;level=1"], "text/html;level=1"),
        ("text/html;q=0.5;level=1, text/css;q=0.4", ["text/css", "text/html;level=1"], "text/html;level=1"),
        ("text/html", [], None),
    ],
)
def test_the_best_media_type(header: str, offers: list[str], best: str | None) -> None:
    assert select_best_media(parse_accept(header), offers) == best


def test_names_count_before_parameters_and_each_of_these_once() -> None:
    (verdict,) = rank_media(parse_accept("text/html;q=0, */*;a=1;b=2;c=3"), ["text/html;a=1;b=2;c=3"])
    assert not verdict.acceptable
    (verdict,) = rank_media(
        parse_accept("text/html;a=1;a=1, text/html;b=1;c=1;q=0"), ["text/html;a=1;b=1;c=1"]
    )
    assert not verdict.acceptable


@pytest.mark.parametrize(
    ("rank", "offer"),
    [
        (rank_codings, "*"),
        (rank_codings, "gzip;q=1"),
        (rank_codings, ""),
        (rank_charsets, "utf 8"),
        (rank_languages, "*"),
        (rank_languages, "en_GB"),
        (rank_languages, "en-\x1b"),
        (rank_languages, ""),
    ],
)
def test_what_cannot_be_offered(rank: Callable[..., object], offer: str) -> None:
    with pytest.raises(InvalidField) as caught:
        rank([Preference("*")], [offer])
    assert caught.value.fault == "caller"


def test_without_the_field_everything_is_acceptable() -> None:
    assert select_best_media(None, ["a/b", "c/d"]) == "a/b"
    assert select_best_coding(None, ["br", "gzip"]) == "br"
    assert select_best_charset(None, ["utf-8"]) == "utf-8"
    assert select_best_language(None, ["de"]) == "de"


@pytest.mark.parametrize(
    ("header", "offers", "best"),
    [
        ("compress, gzip", ["gzip"], "gzip"),
        ("", ["gzip"], "identity"),
        ("", ["gzip", "identity"], "identity"),
        ("*", ["br", "gzip"], "br"),
        ("compress;q=0.5, gzip;q=1.0", ["compress", "gzip"], "gzip"),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", ["br"], "identity"),
        ("gzip;q=1.0, *;q=0", ["br"], None),
        ("identity;q=0", ["br"], None),
        ("identity;q=0, *", ["identity"], None),
        ("identity;q=0.5, *;q=0", [], "identity"),
        ("gzip;q=0.001", ["identity", "gzip"], "gzip"),
        ("X-GZip", ["gzip"], "gzip"),
        ("gzip", ["x-gzip"], "x-gzip"),
        ("br;q=0", ["br"], "identity"),
    ],
)
def test_the_best_coding(header: str, offers: list[str], best: str | None) -> None:
    assert select_best_coding(parse_accept_encoding(header), offers) == best


def test_why_identity_is_acceptable_is_said() -> None:
    verdicts = rank_codings(parse_accept_encoding("gzip"), ["identity", "gzip", "br"])
    assert [(each.offer, each.acceptable) for each in verdicts] == [
        ("gzip", True),
        ("identity", True),
        ("br", False),
    ]
    assert verdicts[1].reason == "acceptable without being named"


def test_identity_is_ranked_where_nothing_offered_will_do() -> None:
    def ranked(header: str, *offers: str) -> list[tuple[str, bool]]:
        verdicts = rank_codings(parse_accept_encoding(header), offers, or_identity=True)
        return [(each.offer, each.acceptable) for each in verdicts]

    assert ranked("gzip", "br") == [("identity", True), ("br", False)]
    assert ranked("gzip", "gzip", "br") == [("gzip", True), ("br", False)]
    assert ranked("gzip, *;q=0", "Identity") == [("Identity", False)]
    assert ranked("gzip, *;q=0", "br") == [("br", False), ("identity", False)]


def test_charsets() -> None:
    prefs = parse_accept_charset("iso-8859-5, unicode-1-1;q=0.8")
    assert prefs == [Preference("iso-8859-5", 1.0), Preference("unicode-1-1", 0.8)]
    assert select_best_charset(prefs, ["unicode-1-1", "ISO-8859-5"]) == "ISO-8859-5"
    assert select_best_charset(prefs, ["utf-8"]) is None


def test_languages_of_rfc_9110() -> None:
    prefs = parse_accept_language("da, en-gb;q=0.8, en;q=0.7")
    assert select_best_language(prefs, ["en-US", "en-GB"]) == "en-GB"
    assert select_best_language(prefs, ["en-US", "en-GB", "da-DK"]) == "da-DK"
    assert select_best_language(prefs, ["fr"]) is None
    assert filter_languages(prefs, ["fr", "en", "da", "en-GB-oed"]) == ["da", "en-GB-oed", "en"]


@pytest.mark.parametrize(
    ("tag", "matched"),
    [("de-DE", True), ("de-de-1996", True), ("de-Deva", False), ("de-Latn-DE", False), ("de", False)],
)
def test_basic_filtering_of_rfc_4647(tag: str, matched: bool) -> None:
    assert basic_match("de-de", tag) is matched
    assert basic_match("*", tag)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["zh-Hant-CN-x-private1-private2", "zh"], "zh-Hant-CN-x-private1-private2"),
        (["zh-Hant-CN-x-private1", "zh"], "zh-Hant-CN-x-private1"),
        (["zh-Hant-CN-x", "zh-Hant-CN", "zh"], "zh-Hant-CN"),
        (["zh", "zh-hant"], "zh-hant"),
        (["zh", "fr"], "zh"),
        (["fr"], "the default"),
    ],
)
def test_lookup_falls_back_as_in_rfc_4647(tags: list[str], found: str) -> None:
    prefs = [Preference("*"), Preference("zh-Hant-CN-x-private1-private2")]
    assert lookup_language(prefs, tags, "the default") == found


def test_tags_are_compared_as_ascii() -> None:
    assert not basic_match("de-k", "de-\u212a")


def test_of_one_language_twice_the_weight_counts() -> None:
    prefs = parse_accept_language("en;q=0, en;q=0.5")
    assert lookup_language(prefs, ["en"]) == select_best_language(prefs, ["en"]) == "en"


def test_lookup_takes_the_heaviest_and_never_a_rejected_one() -> None:
    prefs = parse_accept_language("fr-CH;q=0.5, de-CH, en;q=0")
    assert lookup_language(prefs, ["fr", "de"]) == "de"
    assert lookup_language(prefs, ["fr", "en"]) == "fr"
    assert lookup_language(prefs, ["en"]) is None


@pytest.mark.parametrize(
    ("header", "offset"),
    [
        ("text", 4),
        ("text/", 5),
        ("*/html", 0),
        ("text/html text/css", 10),
        ("text/html;q=2", 9),
        ("text/html;q=0.1234", 9),
        ("text/html;q=-0", 9),
        ("text/html;q=1.001", 9),
        ("text/html;q=", 12),
        ("text/html;q=.5", 9),
        ("text/html;q=٠", 12),
        ("text/html;q=1;q=1", 13),
        ('text/html;a="b', 12),
        ('text/html;a="\0"', 12),
        ("text/html;a =b", 11),
        ("text/\0", 5),
    ],
)
def test_what_is_no_accept_field(header: str, offset: int) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_accept(header)
    assert (caught.value.offset, caught.value.layer, caught.value.kind) == (offset, "http", "InvalidField")


#: What Java's HttpURLConnection sends.
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


def test_a_lenient_reading_drops_a_member_and_says_so() -> None:
    with pytest.raises(InvalidField):
        parse_accept(JAVA)
    dropped: list[Dropped] = []
    found = parse_accept(JAVA, complaints=dropped)
    assert [str(each) for each in found] == ["text/html", "image/gif", "image/jpeg"]
    assert [(each.member, each.offset, each.error.offset) for each in dropped] == [
        ("*; q=.2", 34, 35),
        ("*/*; q=.2", 43, 46),
    ]
    assert dropped[1].error.reason == "the weight '.2' is not 0 to 1 with up to three decimals"


@pytest.mark.parametrize(
    ("header", "kept", "dropped"),
    [
        ("text/html", ["text/html"], []),
        ("a/b c/d, e/f", ["e/f"], ["a/b c/d"]),
        ('a/b;x="1,2" y, e/f', ["e/f"], ['a/b;x="1,2" y']),
        ('a;x="\\",c/d", e/f', ["e/f"], ['a;x="\\",c/d"']),
        ('a/b;x="not closed, c/d', [], ['a/b;x="not closed, c/d']),
        ('a/b, c/d;x="\\', ["a/b"], ['c/d;x="\\']),
        ("a/b;q=2 \t, c/d;q=1;q=1,,", [], ["a/b;q=2", "c/d;q=1;q=1"]),
        ("/, \0, a/b", ["a/b"], ["/", "\0"]),
        (b"\xff, a/b", ["a/b"], ["\xff"]),
        ("", [], []),
    ],
)
def test_what_is_dropped(header: str | bytes, kept: list[str], dropped: list[str]) -> None:
    complaints: list[Dropped] = []
    assert [str(each) for each in parse_accept(header, complaints=complaints)] == kept
    assert [each.member for each in complaints] == dropped


@pytest.mark.parametrize(
    ("parse", "header", "kept", "dropped"),
    [
        (parse_accept_language, "en_GB, de;q=.5, fr;q=0.5", [("fr", 0.5)], ["en_GB", "de;q=.5"]),
        (parse_accept_encoding, "gzip;level=9, x-gzip, br q=1", [("gzip", 1.0)], ["gzip;level=9", "br q=1"]),
        (parse_accept_charset, "utf-8;q=1.5, [x], *;q=0", [("*", 0.0)], ["utf-8;q=1.5", "[x]"]),
    ],
)
def test_what_is_dropped_from_the_other_fields(
    parse: Callable[..., list[Preference]], header: str, kept: list[tuple[str, float]], dropped: list[str]
) -> None:
    with pytest.raises(InvalidField):
        parse(header)
    complaints: list[Dropped] = []
    assert parse(header, complaints=complaints) == kept
    assert [each.member for each in complaints] == dropped


def test_a_lenient_reading_keeps_to_the_limits() -> None:
    for header, limit in (("a," * 2000, "max_members"), ("a" * 70_000, "max_length")):
        with pytest.raises(FieldLimitExceeded, match=limit):
            parse_accept(header, complaints=[])


def test_other_fields_take_a_weight_only() -> None:
    for parse in (parse_accept_encoding, parse_accept_charset, parse_accept_language):
        with pytest.raises(InvalidField):
            parse("a;level=1")
    with pytest.raises(InvalidField):
        parse_accept_language("en_GB")
    with pytest.raises(InvalidField):
        parse_media_type("text/*")


def test_empty_members_are_ignored_and_counted() -> None:
    assert parse_accept(", ,text/html,,") == [MediaRange("text", "html")]
    with pytest.raises(FieldLimitExceeded) as caught:
        parse_accept("," * 2000)
    assert (caught.value.limit, caught.value.allowed) == ("max_members", 1024)
    with pytest.raises(FieldLimitExceeded, match="max_length"):
        parse_accept("a/b;c=" + "d" * 70_000)


@pytest.mark.parametrize(
    "header",
    [
        "a/b," * 250_000,
        "a/b" + ";" * 1_000_000,
        'a/b;c="' + "\\" * 1_000_000,
        "," * 1_000_000,
        "a" * 1_000_000,
    ],
    ids=["members", "semicolons", "backslashes", "commas", "token"],
)
def test_time_is_linear(header: str) -> None:
    begun = monotonic()
    try:
        parse_accept(header, max_members=10**7, max_length=10**7)
    except FieldError as error:
        assert error.offset <= len(header)
    assert monotonic() - begun < 30  # quadratic, it would be hours


@pytest.mark.parametrize(
    "header",
    ["a?b," * 50_000, "a/b" + ";" * 10**6 + '"', 'a/b;c="' + "\\" * 10**6, 'a"",' * 50_000, "a" * 10**6],
    ids=["members", "semicolons", "backslashes", "quotes", "token"],
)
def test_time_is_linear_where_members_are_dropped(header: str) -> None:
    begun = monotonic()
    dropped: list[Dropped] = []
    assert parse_accept(header, max_members=10**7, max_length=10**7, complaints=dropped) == []
    assert dropped
    assert all(each.error.__traceback__ is None for each in dropped)
    assert monotonic() - begun < 30  # quadratic, it would be hours


@given(st.text(alphabet='ab/*;,q=01. "\\\t\0é', max_size=60))
def test_nothing_but_documented_errors(header: str) -> None:
    for parse in (parse_accept, parse_accept_encoding, parse_accept_language, parse_accept_charset):
        try:
            strict = parse(header)
        except FieldError as error:
            assert 0 <= error.offset <= len(header)
            complaints: list[Dropped] = []
            parse(header, complaints=complaints)
            assert complaints[0].error.offset == error.offset
            assert all(header.startswith(each.member, each.offset) for each in complaints)
        else:
            assert parse(header, complaints=[]) == strict


WORD = st.text(alphabet="abcz019-+.", min_size=1, max_size=8)
VALUE = st.text(
    alphabet=st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=9
)
MEDIA = st.builds(
    MediaRange,
    WORD,
    WORD | st.just("*"),
    st.lists(st.tuples(WORD.filter(lambda name: name != "q"), VALUE), max_size=3).map(tuple),
    st.integers(0, 1000).map(lambda thousandths: thousandths / 1000),
)


@given(st.lists(MEDIA, max_size=5))
def test_what_is_written_is_read(ranges: list[MediaRange]) -> None:
    assert parse_accept(", ".join(f"{each};q={each.q:.3f}" for each in ranges)) == ranges
