"""Conditional requests: RFC 9110 section 13, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from netkit.http.fields.dates import format_http_date, parse_http_date
from netkit.http.preconditions import MAX_LENGTH, evaluate, matches

pytestmark = pytest.mark.once

CHANGED = datetime(1994, 10, 29, 19, 43, 31, tzinfo=UTC)
AT = "Sat, 29 Oct 1994 19:43:31 GMT"
BEFORE = "Sat, 29 Oct 1994 19:43:30 GMT"
AFTER = "Sat, 29 Oct 1994 19:43:32 GMT"
TAG = '"xyzzy"'

# Section 13.1.1 to 13.1.4, and the order of 13.2.2.
ROWS: list[tuple[str, dict[str, str], int | None]] = [
    ("GET", {}, None),
    ("GET", {"If-Match": TAG}, None),
    ("GET", {"If-Match": '"a", "xyzzy", "c"'}, None),
    ("GET", {"If-Match": "*"}, None),
    ("GET", {"If-Match": ' "a" ,,\t"xyzzy"'}, None),
    ("GET", {"If-Match": '"a"'}, 412),
    ("PUT", {"If-Match": '"a"'}, 412),
    ("PUT", {"If-Match": f"W/{TAG}"}, 412),  # strong comparison
    ("PUT", {"If-Match": "xyzzy"}, 412),  # no tag
    ("PUT", {"If-Match": '"xyzzy'}, 412),
    ("PUT", {"If-Match": ""}, 412),
    ("GET", {"If-Unmodified-Since": AT}, None),
    ("GET", {"If-Unmodified-Since": AFTER}, None),
    ("PUT", {"If-Unmodified-Since": BEFORE}, 412),
    ("PUT", {"If-Unmodified-Since": "yesterday"}, None),  # no date: ignored
    ("PUT", {"If-Match": TAG, "If-Unmodified-Since": BEFORE}, None),  # the first decides
    ("GET", {"If-None-Match": TAG}, 304),
    ("HEAD", {"If-None-Match": f'"a", W/{TAG}'}, 304),  # weak comparison
    ("GET", {"If-None-Match": "*"}, 304),
    ("PUT", {"If-None-Match": "*"}, 412),
    ("POST", {"If-None-Match": TAG}, 412),
    ("GET", {"If-None-Match": '"a"'}, None),
    ("GET", {"If-None-Match": '"xyzz", "xyzzyx"'}, None),
    ("GET", {"If-None-Match": '"a,xyzzy"'}, None),  # a comma in a tag
    ("GET", {"If-Modified-Since": AT}, 304),
    ("GET", {"If-Modified-Since": AFTER}, 304),
    ("HEAD", {"If-Modified-Since": "Saturday, 29-Oct-94 19:43:31 GMT"}, 304),
    ("GET", {"If-Modified-Since": "Sat Oct 29 19:43:31 1994"}, 304),
    ("GET", {"If-Modified-Since": BEFORE}, None),
    ("GET", {"If-Modified-Since": "Sat, 29 Oct 1994 19:43:31"}, None),  # no date
    ("POST", {"If-Modified-Since": AT}, None),  # for GET and HEAD only
    ("GET", {"If-None-Match": '"a"', "If-Modified-Since": AT}, None),  # the first decides
    ("GET", {"If-None-Match": TAG, "If-Modified-Since": BEFORE}, 304),
    ("GET", {"If-Match": TAG, "If-None-Match": TAG}, 304),  # one after the other
    ("GET", {"If-Match": '"a"', "If-None-Match": TAG}, 412),
    ("GET", {"If-Unmodified-Since": AT, "If-Modified-Since": AT}, 304),
    ("GET", {"If-Unmodified-Since": BEFORE, "If-None-Match": TAG}, 412),
]


@pytest.mark.parametrize(("method", "fields", "status"), ROWS)
def test_evaluate(method: str, fields: dict[str, str], status: int | None) -> None:
    assert evaluate(method, fields.get, etag=TAG, last_modified=CHANGED) == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"If-Match": "*"}, 412),
        ({"If-Match": TAG}, 412),
        ({"If-None-Match": "*"}, None),
        ({"If-None-Match": TAG}, None),
        ({"If-Unmodified-Since": AFTER}, 412),
        ({}, None),
    ],
)
def test_of_what_is_not_there(fields: dict[str, str], status: int | None) -> None:
    assert evaluate("PUT", fields.get, etag=None, last_modified=None, exists=False) == status


def test_a_fraction_of_a_second_counts_for_nothing() -> None:
    changed = CHANGED + timedelta(microseconds=900_000)
    assert evaluate("GET", {"If-Modified-Since": AT}.get, etag=None, last_modified=changed) == 304
    assert evaluate("GET", {"If-Unmodified-Since": AT}.get, etag=None, last_modified=changed) is None


def test_a_weak_tag_equals_weakly_only() -> None:
    assert matches('W/"a"', 'W/"a"', weak=True)
    assert matches('"a"', 'W/"a"', weak=True)
    assert not matches('W/"a"', 'W/"a"', weak=False)
    assert not matches('"a"', 'W/"a"', weak=False)


def test_a_long_list_is_read_in_linear_time_or_not_at_all() -> None:
    long = ",".join(['"a"'] * (MAX_LENGTH // 4 - 2))
    assert matches(f"{long},{TAG}", TAG, weak=True)
    assert not matches(f'{long},"bbb",{TAG}', TAG, weak=True)
    for hostile in ('"' * MAX_LENGTH, "," * MAX_LENGTH, 'W/"' * (MAX_LENGTH // 3), " " * MAX_LENGTH):
        assert not matches(hostile, TAG, weak=True)


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms_of_a_date(text: str) -> None:
    assert parse_http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 30 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "784111777",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_http_date(text) is None


def test_dates_come_back() -> None:
    for year in (1, 1970, 2000, 2069, 9999):
        moment = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
        assert parse_http_date(format_http_date(moment)) == moment
    assert parse_http_date("Fri, 30 Jun 1972 23:59:60 GMT") == datetime(1972, 6, 30, 23, 59, 59, tzinfo=UTC)
