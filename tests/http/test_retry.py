"""Retries: what is tried again, how long is waited, and what a server may ask for (RFC 9110 10.2.3)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from netkit.http import HttpError, Method, StatusCode
from netkit.http.policy.retry import RetryPolicy, TryOutcome, parse_retry_after

pytestmark = pytest.mark.once

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
PLAIN = RetryPolicy(tries=3, backoff=1.0, jitter=0)


def no_random() -> float:
    raise AssertionError("a wait without another try needs no random number")


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        *((TryOutcome("GET", status), True) for status in (408, 429, 500, 502, 503, 504)),
        *((TryOutcome("GET", status), False) for status in (200, 301, 400, 401, 404, 421, 501, 505)),
        *((TryOutcome(method, 503), True) for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")),
        *((TryOutcome(method, 503), False) for method in ("POST", "PATCH", "CONNECT", "BREW", "get")),
        (TryOutcome(Method.Get, StatusCode(503)), True),
        # No response: the request may have been worked on, unless it was not.
        (TryOutcome("GET"), True),
        (TryOutcome("POST"), False),
        (TryOutcome("POST", is_unsent=True), True),
        # A body that is used up is not sent again, whatever else holds.
        (TryOutcome("PUT", 503, can_repeat=False), False),
        (TryOutcome("POST", is_unsent=True, can_repeat=False), False),
    ],
)
def test_what_is_tried_again(outcome: TryOutcome, again: bool) -> None:
    wait = PLAIN.delay(1, outcome, NOW, (lambda: 0.0) if again else no_random)
    assert wait == (1.0 if again else None)


def test_the_caller_may_say_otherwise() -> None:
    policy = RetryPolicy(statuses=[418], methods=["POST"], jitter=0)
    assert policy.delay(1, TryOutcome("POST", 418), NOW, lambda: 0) == 0.5
    assert policy.delay(1, TryOutcome("POST", 503), NOW, no_random) is None
    assert policy.delay(1, TryOutcome("GET", 418), NOW, no_random) is None
    assert policy == RetryPolicy(statuses=(418, 418), methods=("POST", Method.Post), jitter=0)
    assert RetryPolicy(methods=None, jitter=0).delay(1, TryOutcome("POST", 503), NOW, lambda: 0) == 0.5


def test_tries_are_counted() -> None:
    outcome = TryOutcome("GET", 503)
    assert [PLAIN.delay(attempt, outcome, NOW, lambda: 0) for attempt in (1, 2, 3, 4)] == [1, 2, None, None]
    assert RetryPolicy(tries=1).delay(1, outcome, NOW, no_random) is None


@pytest.mark.parametrize(
    ("settings", "waits"),
    [
        ({}, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        ({"factor": 1}, [0.5] * 8),
        ({"backoff": 0}, [0] * 8),
        ({"backoff": 40}, [30] * 8),
        ({"max_backoff": 0}, [0] * 8),
        ({"factor": 100, "max_backoff": 604800}, [0.5, 50, 5000, 500000, 604800, 604800, 604800, 604800]),
    ],
)
def test_the_wait_grows(settings: dict[str, float], waits: list[float]) -> None:
    policy = RetryPolicy(tries=1000, jitter=0, **settings)
    outcome = TryOutcome("GET", 503)
    assert [policy.delay(at, outcome, NOW, lambda: 0) for at in range(1, 9)] == waits
    assert policy.delay(999, outcome, NOW, lambda: 0) == waits[-1]


@pytest.mark.parametrize(
    ("jitter", "number", "wait"),
    [(0, 0.9, 8), (0.5, 0, 8), (0.5, 0.5, 6), (0.5, 1, 4), (1, 0.75, 2), (1, 1, 0), (1, 7, 0), (1, -7, 8)],
)
def test_a_part_of_the_wait_is_random(jitter: float, number: float, wait: float) -> None:
    policy = RetryPolicy(backoff=8, jitter=jitter)
    assert policy.delay(1, TryOutcome("GET", 503), NOW, lambda: number) == wait


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120\t", 120),
        ("0" * 5000 + "7", 7),
        ("9" * 5000, math.inf),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
        ("Sun Nov  6 08:50:37 1994", 60),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 162573022),
        ("Sun, 06 Nov 1970 08:49:37 GMT", 0),
        *(
            (odd, None)
            for odd in ("", "-1", "+1", "1.5", "1e3", "\xb2", "soon", "1, 2", "Sun, 06 Nov 1994", "x" * 9999)
        ),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("0", 1),
        ("1", 1),
        ("60", 60),
        ("120", 120),
        ("121", None),
        ("9" * 400, None),
        ("Sun, 06 Nov 1994 08:51:37 GMT", 120),
        ("Sun, 06 Nov 1994 08:51:38 GMT", None),
        ("Sun, 06 Nov 1904 08:51:38 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("nonsense", 1),
    ],
)
def test_a_server_is_not_asked_before_it_said(retry_after: str, wait: float | None) -> None:
    assert PLAIN.delay(1, TryOutcome("GET", 503, retry_after), NOW, lambda: 0) == wait
    deaf = PLAIN.replace(respect_retry_after=False)
    assert deaf.delay(1, TryOutcome("GET", 503, retry_after), NOW, lambda: 0) == 1


@given(
    st.integers(1, 1000),
    st.one_of(st.none(), st.text(max_size=40)),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(-1e12, 1e12),
)
def test_a_wait_is_never_out_of_range(
    attempt: int, retry_after: str | None, number: float, jitter: float, now: float
) -> None:
    policy = RetryPolicy(tries=1000, jitter=jitter)
    wait = policy.delay(attempt, TryOutcome("GET", 503, retry_after), now, lambda: number)
    assert wait is None or 0 <= wait <= 120


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"tries": 0}, "tries"),
        ({"tries": 1001}, "tries"),
        ({"statuses": [99]}, "statuses"),
        ({"statuses": [600]}, "statuses"),
        ({"backoff": -1}, "backoff"),
        ({"backoff": math.nan}, "backoff"),
        ({"max_backoff": math.inf}, "max_backoff"),
        ({"factor": 0.5}, "factor"),
        ({"jitter": 1.1}, "jitter"),
        ({"max_retry_after": -1}, "max_retry_after"),
    ],
)
def test_an_impossible_policy(settings: dict[str, object], field: str) -> None:
    with pytest.raises(HttpError.InvalidValue, match=field) as caught:
        RetryPolicy(**settings)
    assert caught.value.field == field
    with pytest.raises(TypeError):
        RetryPolicy(tries="3")
