"""The decisions of a download: parts, paces, codings, what is remembered."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from netkit.http.client.download_plan import (
    Entity,
    Head,
    Pace,
    Part,
    entity_of,
    place_of,
    range_fields,
    split,
    undoes,
)
from netkit.http.client.download_state import State
from netkit.http.url import Url

pytestmark = pytest.mark.once


@given(st.integers(0, 10_000), st.integers(1, 64), st.integers(1, 300))
def test_the_parts_are_the_whole(total: int, count: int, least: int) -> None:
    parts = split([Part(0, total - 1)], count, least)
    assert [octet for part in parts for octet in (part.first, (part.last or 0) + 1)] == [
        0,
        *[bound for part in parts[1:] for bound in (part.first, part.first)],
        total,
    ] or total == 0
    sizes = [part.left or 0 for part in parts]
    assert sum(sizes) == total and max(sizes) - min(sizes) <= 1
    assert len(parts) == max(1, min(count, total // least))


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500)), min_size=1, max_size=6), st.integers(1, 12)
)
def test_what_is_left_is_shared(sizes: list[tuple[int, int]], count: int) -> None:
    parts, at = [], 0
    for size, done in sizes:
        parts.append(Part(at, at + size - 1, min(done, size)))
        at += size
    left = sum(part.left or 0 for part in parts)
    received = {octet for part in parts for octet in range(part.first, part.at)}
    made = split(parts, count, 10)
    assert sum(part.left or 0 for part in made) == left
    assert {octet for part in made for octet in range(part.first, part.at)} == received
    assert [part.first for part in made[1:]] == [(part.last or 0) + 1 for part in made[:-1]]
    state = State("http://localhost/", Entity('"a"', None, at), tuple(made))
    again = State.decode(state.encode())
    assert again.entity == state.entity and repr(again.parts) == repr(state.parts)


def test_a_pace() -> None:
    pace = Pace(1000)
    assert pace.piece == 100
    assert pace.after(100, 5.0) == 5.1
    assert pace.after(100, 5.1) == pytest.approx(5.2)
    # After a long pause it catches up for a quarter of a second, and no more.
    assert pace.after(100, 10.0) == pytest.approx(9.85)
    assert Pace(1).piece == 1


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ({}, None),
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": "a"}, None),
        ({"ETag": '"'}, None),
        ({"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, None),
        (
            {"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:38 GMT"},
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ),
        ({"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, None),
        ({"Last-Modified": "never", "Date": "Sun, 06 Nov 1994 08:49:38 GMT"}, None),
    ],
)
def test_what_tells_one_version_from_another(fields: dict[str, str], validator: str | None) -> None:
    head = Head(200, [(name.encode(), value.encode()) for name, value in fields.items()])
    entity = entity_of(head, total=10)
    assert entity.validator == validator
    asked = dict(range_fields(entity, 3, None))
    assert asked.get("If-Range") == validator and asked["Range"] == "bytes=3-"
    assert entity_of(head, total=10, undone=True).validator is None


@pytest.mark.parametrize(
    ("coding", "name", "undone"),
    [
        ("", "a", False),
        ("identity", "a", False),
        ("gzip", "a.txt", True),
        ("gzip", "a.tar.gz", False),
        ("x-gzip", "A.TGZ", False),
        ("gzip", "gz", True),
        ("br", "a.gz", True),
        ("zstd", "a.zst", False),
    ],
)
def test_a_coding_that_the_name_says_stays(coding: str, name: str, undone: bool) -> None:
    assert undoes(coding, name) is undone


def test_no_secret_is_remembered() -> None:
    url = Url.parse("https://jo:secret@example.com:8443/a%20b?key=secret#secret")
    assert place_of(url) == "https://example.com:8443/a%20b"
