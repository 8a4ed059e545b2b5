"""Content negotiation: read a client's preferences, and choose the best of a server's offers.

RFC 9110 section 12 (Accept, Accept-Charset, Accept-Encoding, Accept-Language), RFC 4647 sections 3.3.1
(basic filtering) and 3.4 (lookup).

    >>> prefs = parse_accept("text/html;q=0.9, application/json")
    >>> select_best_media(prefs, ["text/html", "application/json"])
    'application/json'

The most specific range that matches an offer decides about it, whatever the weight of the range is. Then the
offers are ranked by weight, by this specificity, and by their order. A `rank_...` function returns the
verdicts about all offers; a `select_best_...` function returns the best offer. Preferences of None mean that
the field was not sent; then everything is acceptable. A weight is one of 1,001 numbers, so floats compare
exactly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from netkit.http.fields.errors import InvalidField
from netkit.http.fields.syntax import (
    MAX_LENGTH,
    MAX_MEMBERS,
    TOKEN,
    Cursor,
    Dropped,
    lower_ascii,
    members,
    quote,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Params: TypeAlias = "tuple[tuple[str, str], ...]"
_Match: TypeAlias = "tuple[str | None, float, Specificity]"

_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_LANGUAGE_RANGE = re.compile(r"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
#: RFC 9110 section 8.4.1: these are equivalent to the names without "x-".
_CODING_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}

#: How specific a match is: the more names it has, and then the more parameters.
Specificity: TypeAlias = "tuple[int, int]"
#: A match by name, one by "*", and what is acceptable without one; then no match.
_NAMED, _ANY, _IMPLICIT, _NONE = (2, 0), (0, 0), (-1, 0), (-2, 0)


class MediaRange(NamedTuple):
    """A media range of Accept (or, as an offer, a media type): type and subtype in lower case, the
    parameters without the weight, and the weight `q`, from 0 (not acceptable) to 1."""

    type: str
    subtype: str
    params: Params = ()
    q: float = 1.0

    @property
    def specificity(self) -> Specificity:
        """0 for `*/*`, 1 for `type/*`, 2 for `type/subtype`; of as many, how many parameters."""
        names = 0 if self.type == "*" else 1 if self.subtype == "*" else 2
        return names, len(set(map(_comparable, self.params)))

    def matches(self, other: MediaRange) -> bool:
        """Whether the media type `other` is in this range: it may have more parameters, but not fewer."""
        if self.type not in ("*", other.type) or self.subtype not in ("*", other.subtype):
            return False
        return not self.params or set(map(_comparable, self.params)) <= set(map(_comparable, other.params))

    def __str__(self) -> str:
        params = "".join(f";{name}={quote(value, 'Accept')}" for name, value in self.params)
        return f"{self.type}/{self.subtype}{params}"


class Preference(NamedTuple):
    """A member of Accept-Encoding, Accept-Language or Accept-Charset: what, or `*`, and its weight."""

    value: str
    q: float = 1.0

    def __str__(self) -> str:
        return self.value


class Verdict(NamedTuple):
    """The verdict about an offer: the range that decided (None: no range matched), its weight, how specific
    it is (larger: more specific), whether the offer is acceptable, and the reason in words. `order` counts
    the offers from 0."""

    offer: str
    order: int
    match: str | None
    q: float
    specificity: Specificity
    acceptable: bool
    reason: str


def parse_accept(
    header: str | bytes,
    *,
    max_members: int = MAX_MEMBERS,
    max_length: int = MAX_LENGTH,
    complaints: list[Dropped] | None = None,
) -> list[MediaRange]:
    """The media ranges of an Accept field, in the order they are written (RFC 9110 section 12.5.1).

    A parameter named "q" is the weight wherever it stands. Several fields are joined with a comma first.

    Args:
        header: the field's value.
        max_members: the most members, empty ones included.
        max_length: the longest value, in characters.
        complaints: with a list, members that break the grammar are left out of the result, and each goes
            there with its fault. A server must also answer clients that send `*; q=.2`, such as Java's
            HttpURLConnection. If no member is left, the result is empty. This means that everything is
            acceptable; for Accept-Encoding, it means that only identity is acceptable.

    Raises InvalidField with the offset where it breaks the grammar, FieldLimitExceeded over a limit.

        >>> left_out = []
        >>> [str(one) for one in parse_accept("text/html, *; q=.2, */*; q=0.2", complaints=left_out)]
        ['text/html', '*/*']
        >>> left_out[0].member, left_out[0].error.reason
        ('*; q=.2', "'/' expected, not ';'")
    """
    return members(Cursor(header, "Accept", max_length), max_members, _media_range, complaints)


def parse_media_type(text: str | bytes, *, max_length: int = MAX_LENGTH) -> MediaRange:
    """A media type such as `text/html; charset=utf-8`, as a server offers it (RFC 9110 section 8.3.1).

    Raises InvalidField, also for a range (`text/*`).
    """
    cursor = Cursor(text, "media type", max_length)
    cursor.skip()
    kind, subtype = _type_and_subtype(cursor)
    params = []
    while (parameter := cursor.parameter()) is not None:
        params.append(parameter)
    cursor.skip()
    if cursor.at != cursor.end:
        cursor.expected("the end")
    if "*" in (kind, subtype):
        cursor.fail("a range is not a media type", 0)
    return MediaRange(kind, subtype, tuple(params))


def parse_accept_encoding(
    header: str | bytes,
    *,
    max_members: int = MAX_MEMBERS,
    max_length: int = MAX_LENGTH,
    complaints: list[Dropped] | None = None,
) -> list[Preference]:
    """The codings of an Accept-Encoding field, in lower case (RFC 9110 section 12.5.3).

    An empty field is an empty list: nothing but identity is acceptable. `x-gzip` is given as `gzip`.
    Arguments and errors as in `parse_accept`.
    """
    cursor = Cursor(header, "Accept-Encoding", max_length)
    found = members(cursor, max_members, _preference("a content coding"), complaints)
    return [Preference(_CODING_ALIASES.get(name, name), q) for name, q in found]


def parse_accept_charset(
    header: str | bytes,
    *,
    max_members: int = MAX_MEMBERS,
    max_length: int = MAX_LENGTH,
    complaints: list[Dropped] | None = None,
) -> list[Preference]:
    """The charsets of an Accept-Charset field, in lower case (RFC 9110 section 12.5.2, which deprecates it).

    Arguments and errors as in `parse_accept`.
    """
    cursor = Cursor(header, "Accept-Charset", max_length)
    return members(cursor, max_members, _preference("a charset"), complaints)


def parse_accept_language(
    header: str | bytes,
    *,
    max_members: int = MAX_MEMBERS,
    max_length: int = MAX_LENGTH,
    complaints: list[Dropped] | None = None,
) -> list[Preference]:
    """The language ranges of an Accept-Language field, as they are written (RFC 9110 section 12.5.4).

    Arguments and errors as in `parse_accept`.
    """
    return members(Cursor(header, "Accept-Language", max_length), max_members, _language_range, complaints)


def rank_media(prefs: Sequence[MediaRange] | None, offers: Iterable[str]) -> list[Verdict]:
    """The verdict about each offered media type, the best first, the unacceptable ones last.

    No preferences (None, or an empty Accept) make every offer acceptable. Raises InvalidField for an offer
    that is no media type.
    """

    def judge(offer: str) -> _Match:
        wanted = parse_media_type(offer)
        return _decide((str(each), each.q, each.specificity) for each in prefs or () if each.matches(wanted))

    return _rank(offers, judge, open_to_all=not prefs)


def rank_codings(
    prefs: Sequence[Preference] | None, offers: Iterable[str], *, or_identity: bool = False
) -> list[Verdict]:
    """The verdict about each offered content coding, the best first. RFC 9110 section 12.5.3: an unnamed
    identity is acceptable, but less than every named coding, unless `identity;q=0` or `*;q=0` rejects it.

    With `or_identity`, identity is ranked too if no offer is acceptable, because a server can always send it.
    Raises InvalidField for an offer that is no coding.
    """
    listed = list(prefs or ())

    def judge(offer: str) -> _Match:
        name = _name(offer, "content coding")
        name = _CODING_ALIASES.get(name, name)
        found = _decide(
            (each.value, each.q, _exact(each, name)) for each in listed if each.value in (name, "*")
        )
        return (None, 0.0, _IMPLICIT) if found[0] is None and name == "identity" else found

    offers = list(offers)
    verdicts = _rank(offers, judge, open_to_all=prefs is None)
    if or_identity and _first(verdicts) is None and "identity" not in map(str.lower, offers):
        verdicts = _rank([*offers, "identity"], judge, open_to_all=prefs is None)
    return verdicts


def rank_charsets(prefs: Sequence[Preference] | None, offers: Iterable[str]) -> list[Verdict]:
    """The verdict about each offered charset, the best first. An empty field counts as no field.

    Raises InvalidField for an offer that is no charset.
    """

    def judge(offer: str) -> _Match:
        name = _name(offer, "charset")
        return _decide(
            (each.value, each.q, _exact(each, name)) for each in prefs or () if each.value in (name, "*")
        )

    return _rank(offers, judge, open_to_all=not prefs)


def rank_languages(prefs: Sequence[Preference] | None, offers: Iterable[str]) -> list[Verdict]:
    """The verdict about each offered language tag, the best first. Tags match by basic filtering: the longest
    range that matches a tag decides. An empty field counts as no field.

    Raises InvalidField for an offer that is no language tag.
    """

    def judge(offer: str) -> _Match:
        if offer == "*" or not _LANGUAGE_RANGE.fullmatch(offer):
            raise InvalidField("language tag", f"{offer[:80]!r} is not one (RFC 5646)", fault="caller")
        return _decide(
            (each.value, each.q, (0 if each.value == "*" else 1 + each.value.count("-"), 0))
            for each in prefs or ()
            if basic_match(each.value, offer)
        )

    return _rank(offers, judge, open_to_all=not prefs)


def select_best_media(prefs: Sequence[MediaRange] | None, offers: Iterable[str]) -> str | None:
    """The offer to send, or None where none is acceptable (answer 406). As `rank_media`."""
    return _first(rank_media(prefs, offers))


def select_best_coding(prefs: Sequence[Preference] | None, offers: Iterable[str]) -> str | None:
    """The coding to send. If no offer is acceptable, the result is `"identity"`, or None if the client
    rejects identity too. As `rank_codings`."""
    return _first(rank_codings(prefs, offers, or_identity=True))


def select_best_charset(prefs: Sequence[Preference] | None, offers: Iterable[str]) -> str | None:
    """The charset to send, or None where none is acceptable. As `rank_charsets`."""
    return _first(rank_charsets(prefs, offers))


def select_best_language(prefs: Sequence[Preference] | None, offers: Iterable[str]) -> str | None:
    """The language to send, or None where none matches. As `rank_languages`."""
    return _first(rank_languages(prefs, offers))


def basic_match(language_range: str, tag: str) -> bool:
    """Whether a language tag is in a basic range: equal, or longer by whole subtags (RFC 4647, 3.3.1).

    >>> basic_match("de-de", "de-DE-1996"), basic_match("de-de", "de-Deva")
    (True, False)
    """
    wanted, given = lower_ascii(language_range), lower_ascii(tag)
    return wanted in ("*", given) or given.startswith(f"{wanted}-")


def filter_languages(prefs: Sequence[Preference], tags: Iterable[str]) -> list[str]:
    """Every tag that a range matches, those of heavier ranges first (basic filtering, RFC 4647, 3.3.1).

    A tag is weighed by the longest range that matches it; where that has q=0, the tag is left out.
    """
    best = [verdict for verdict in rank_languages(prefs, tags) if verdict.acceptable] if prefs else []
    return [verdict.offer for verdict in best]


def lookup_language(
    prefs: Sequence[Preference], tags: Iterable[str], default: str | None = None
) -> str | None:
    """The one tag that fits best, or `default` (lookup, RFC 4647 section 3.4).

    Ranges are tried from the heaviest, each shortened from its end subtag by subtag until a tag equals it.
    "*" says nothing here; a tag that a range with q=0 equals is never given, unless another gives it weight.

    >>> lookup_language([Preference("zh-Hant-CN-x-private1")], ["zh", "zh-Hant"])
    'zh-Hant'
    """
    rejected = {lower_ascii(each.value) for each in prefs if each.q == 0}
    rejected -= {lower_ascii(each.value) for each in prefs if each.q > 0}
    known = {lower_ascii(tag): tag for tag in reversed(list(tags)) if lower_ascii(tag) not in rejected}
    for each in sorted((each for each in prefs if each.q > 0), key=lambda each: -each.q):
        subtags = [] if each.value == "*" else lower_ascii(each.value).split("-")
        while subtags:
            if (found := known.get("-".join(subtags))) is not None:
                return found
            subtags.pop()
            if subtags and len(subtags[-1]) == 1:  # "x" and other singletons go with what they introduce
                subtags.pop()
    return default


def _media_range(cursor: Cursor) -> MediaRange:
    kind, subtype = _type_and_subtype(cursor)
    params: list[tuple[str, str]] = []
    q: float | None = None
    while True:
        begun = cursor.at
        parameter = cursor.parameter()
        if parameter is None:
            return MediaRange(kind, subtype, tuple(params), 1.0 if q is None else q)
        name, value = parameter
        if name != "q":
            params.append((name, value))
        elif q is not None:
            cursor.fail("a second weight", begun)
        else:
            q = _qvalue(cursor, value, begun)


def _type_and_subtype(cursor: Cursor) -> tuple[str, str]:
    begun = cursor.at
    kind = cursor.token("a type").lower()
    if not cursor.take("/"):
        cursor.expected("'/'")
    subtype = cursor.token("a subtype").lower()
    if kind == "*" and subtype != "*":
        cursor.fail("'*' as a type goes with '*' as a subtype only", begun)
    return kind, subtype


def _preference(what: str) -> Callable[[Cursor], Preference]:
    """How a member that is a token, with or without a weight, is read."""
    return lambda cursor: Preference(cursor.token(what).lower(), _weight(cursor))


def _language_range(cursor: Cursor) -> Preference:
    begun = cursor.at
    name = cursor.token("a language range")
    if not _LANGUAGE_RANGE.fullmatch(name):
        cursor.fail(f"{name[:80]!r} is not a language range (RFC 4647)", begun)
    return Preference(name, _weight(cursor))


def _weight(cursor: Cursor) -> float:
    """`;q=0.5`, or nothing, which is 1 (RFC 9110 section 12.4.2)."""
    begun = cursor.at
    parameter = cursor.parameter()
    if parameter is None:
        return 1.0
    if parameter[0] != "q" or cursor.parameter() is not None:
        cursor.fail("only a weight (;q=) may follow", begun)
    return _qvalue(cursor, parameter[1], begun)


def _qvalue(cursor: Cursor, text: str, offset: int) -> float:
    if not _QVALUE.fullmatch(text):
        cursor.fail(f"the weight {text[:80]!r} is not 0 to 1 with up to three decimals", offset)
    return float(text)


def _comparable(parameter: tuple[str, str]) -> tuple[str, str]:
    """RFC 9110 section 8.3.2: charsets are compared without regard to case; other values as they are."""
    name, value = parameter
    return name, value.lower() if name == "charset" else value


def _name(offer: str, what: str) -> str:
    """An offer's name in lower case. Raises InvalidField for one that is no token, or "*"."""
    if offer == "*" or not TOKEN.fullmatch(offer):
        raise InvalidField(what, f"{offer[:80]!r} is not one", fault="caller")
    return offer.lower()


def _exact(preference: Preference, name: str) -> Specificity:
    return _NAMED if preference.value == name else _ANY


def _decide(matching: Iterable[tuple[str, float, Specificity]]) -> _Match:
    """The most specific match; of several as specific, the heaviest."""
    return max(matching, key=lambda match: (match[2], match[1]), default=(None, 0.0, _NONE))


def _rank(offers: Iterable[str], judge: Callable[[str], _Match], *, open_to_all: bool) -> list[Verdict]:
    verdicts = []
    for order, offer in enumerate(offers):
        match, q, specificity = judge(offer)
        if open_to_all:
            verdicts.append(Verdict(offer, order, None, 1.0, _ANY, True, "no preference was sent"))
            continue
        acceptable = q > 0 or specificity == _IMPLICIT
        if specificity == _IMPLICIT:
            reason = "acceptable without being named"
        elif match is None:
            reason = "nothing in the field matches"
        else:
            reason = f"matched by {match}" if q > 0 else f"rejected by {match};q=0"
        verdicts.append(Verdict(offer, order, match, q, specificity, acceptable, reason))
    return sorted(
        verdicts, key=lambda each: (each.acceptable, each.q, each.specificity, -each.order), reverse=True
    )


def _first(verdicts: Sequence[Verdict]) -> str | None:
    return verdicts[0].offer if verdicts and verdicts[0].acceptable else None
