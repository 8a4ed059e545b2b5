"""Dates in HTTP: write the one standard form, read the three of the standard, and those of cookies leniently.

RFC 9110 section 5.6.7 (IMF-fixdate and the obsolete forms), RFC 6265bis section 5.1.1 (cookie dates).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {month.lower(): number for number, month in enumerate(_MONTHS, 1)}
_DIGITS = frozenset("0123456789")

#: What separates the tokens of a cookie's date: tab, and punctuation other than the colon.
_DELIMITERS = frozenset(
    chr(code)
    for first, last in ((0x09, 0x09), (0x20, 0x2F), (0x3B, 0x40), (0x5B, 0x60), (0x7B, 0x7E))
    for code in range(first, last + 1)
)


def format_http_date(moment: datetime) -> str:
    """An aware datetime in the form that RFC 9110 requires: `Sun, 06 Nov 1994 08:49:37 GMT`.

    Raises ValueError for a datetime without a time zone, because its moment is unknown.
    """
    from datetime import UTC

    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone is no moment: give it one, such as UTC")
    at = moment.astimezone(UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02} {month} {at.year:04} {at.hour:02}:{at.minute:02}:{at.second:02} GMT"


_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
#: The forms of a date, each with the day of the week, which is not looked at.
_FORMS = (
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[0-9 ][0-9]) {_CLOCK} (?P<year>[0-9]{{4}})"),
)


def parse_http_date(text: str) -> datetime | None:
    """The moment (in UTC) of a date in one of the three forms of RFC 9110 section 5.6.7, else None.

    A year of two digits is 1970 to 2069: the RFC would have it depend on the clock. A leap second is the
    second before it.
    """
    text = text.strip(" \t")
    if len(text) > 40:
        return None
    for form in _FORMS:
        if (found := form.fullmatch(text)) is None:
            continue
        from datetime import UTC, datetime

        year, day, hour, minute, second = (
            int(found[name]) for name in ("year", "day", "hour", "minute", "second")
        )
        if len(found["year"]) == 2:
            year += 2000 if year < 70 else 1900
        month = _MONTHS.index(found["month"]) + 1
        try:
            return datetime(year, month, day, hour, minute, 59 if second == 60 else second, tzinfo=UTC)
        except ValueError:  # the 30th of February
            return None
    return None


def parse_cookie_date(text: str) -> datetime | None:
    """The moment (in UTC) in the Expires attribute of a cookie, or None if the text is no date.

    The tokens may have any order. The first token that looks like a time is the time; the day, the month and
    the year are found in the same way. Other tokens (a day of the week, a zone) are ignored. Years of two
    digits are 1970 to 2069.
    """
    time: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _tokens(text):
        if time is None and (found := _time(token)) is not None:
            time = found
        elif day is None and (number := _number(token, 1, 2)) is not None:
            day = number
        elif month is None and token[:3].lower() in _MONTH_NUMBERS:
            month = _MONTH_NUMBERS[token[:3].lower()]
        elif year is None and (number := _number(token, 2, 4)) is not None:
            year = number
    if time is None or day is None or month is None or year is None:
        return None
    if 70 <= year <= 99:
        year += 1900
    elif 0 <= year <= 69:
        year += 2000
    if year < 1601:
        return None
    from datetime import UTC, datetime

    try:
        return datetime(year, month, day, *time, tzinfo=UTC)
    except ValueError:  # an hour of 24, the 30th of February
        return None


def _tokens(text: str) -> list[str]:
    return "".join([" " if char in _DELIMITERS else char for char in text]).split(" ")


def _number(token: str, least: int, most: int) -> int | None:
    """The number of `least` to `most` digits that a token begins with, if no digit follows it."""
    length = 0
    while length < len(token) and length <= most and token[length] in _DIGITS:
        length += 1
    return int(token[:length]) if least <= length <= most else None


def _time(token: str) -> tuple[int, int, int] | None:
    """Hours, minutes and seconds of a token `H:M:S`, each of one or two digits; anything may follow."""
    hour, colon, rest = token.partition(":")
    minute, second_colon, second = rest.partition(":")
    if not (colon and second_colon):
        return None
    for field in (hour, minute):
        if not 1 <= len(field) <= 2 or not _DIGITS.issuperset(field):
            return None
    seconds = _number(second, 1, 2)
    return None if seconds is None else (int(hour), int(minute), seconds)
