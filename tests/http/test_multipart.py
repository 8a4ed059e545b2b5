"""multipart/form-data as a server reads it: RFC 7578, RFC 2046 section 5.1.1."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from netkit.http.bodies.forms import FormPart, MultipartForm
from netkit.http.multipart import (
    MAX_HEAD,
    MAX_PADDING,
    MultipartError,
    MultipartParser,
    PartData,
    PartEnd,
    PartHead,
    boundary_of,
)

pytestmark = pytest.mark.once

HEAD = b'Content-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'


class Part(NamedTuple):
    name: str
    filename: str | None
    content: bytes


def read(body: bytes, boundary: str = "x", cuts: tuple[int, ...] = (), **limits: int) -> list[Part]:
    """The parts of a body that comes in pieces."""
    parser = MultipartParser(boundary, **limits)
    parts: list[Part] = []
    head: PartHead | None = None
    content = b""
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    for start, end in pairwise(places):
        for event in parser.feed(body[start:end]):
            if isinstance(event, PartHead):
                assert head is None
                head, content = event, b""
            elif isinstance(event, PartData):
                assert head is not None
                assert event.data
                content += event.data
            else:
                assert head is not None
                assert event == PartEnd(len(content))
                parts.append(Part(head.name, head.filename, content))
                head = None
    parser.finish()
    assert parser.is_complete
    return parts


def body(*parts: bytes, boundary: bytes = b"x") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    )


GOOD: list[tuple[bytes, list[bytes]]] = [
    (body(HEAD + b"one"), [b"one"]),
    (body(HEAD + b""), [b""]),
    (body(HEAD + b"one", HEAD + b"two"), [b"one", b"two"]),
    (b"a preamble\r\nof lines\r\n" + body(HEAD + b"one"), [b"one"]),
    (body(HEAD + b"one") + b"an epilogue\r\n--x\r\n", [b"one"]),
    (body(HEAD + b"one").removesuffix(b"\r\n"), [b"one"]),  # the last line end may be missing
    (body(HEAD + b"\r\n"), [b"\r\n"]),
    (body(HEAD + b"\r\n\r\n--"), [b"\r\n\r\n--"]),
    (body(HEAD + b"a--x"), [b"a--x"]),  # not at the start of a line
    (body(HEAD + b"--xy"), [b"--xy"]),  # only begins with the boundary
    (body(HEAD + b"--"), [b"--"]),
    (b"--x\r\n" + HEAD[:-2] + b"\r\n--x\r\n" + HEAD[:-2] + b"\r\n--x--", [b"", b""]),  # without a body
    (body(HEAD + b"a\r\n--xy\r\nb"), [b"a\r\n--xy\r\nb"]),  # only begins with the boundary
    (body(HEAD + b"a\r\n--x-\r\nb"), [b"a\r\n--x-\r\nb"]),
    (body(HEAD + b"a\n--x\r\nb"), [b"a\n--x\r\nb"]),  # a line ends in CRLF
    (body(HEAD + b"a\r--x\r\nb"), [b"a\r--x\r\nb"]),
    (body(HEAD + b"a\r\r\n-\r\n--"), [b"a\r\r\n-\r\n--"]),
    (b"--x \t\r\n" + HEAD + b"one\r\n--x\t\t\r\n" + HEAD + b"two\r\n--x--  \r\n", [b"one", b"two"]),
    (b"--x" + b" " * MAX_PADDING + b"\r\n" + HEAD + b"one\r\n--x--", [b"one"]),
    (b"--x--\r\n", []),
]


@pytest.mark.parametrize(("octets", "contents"), GOOD)
def test_reading(octets: bytes, contents: list[bytes]) -> None:
    assert [part.content for part in read(octets)] == contents
    # Octet by octet, and in two pieces cut at every place.
    assert [part.content for part in read(octets, cuts=tuple(range(len(octets))))] == contents
    for cut in range(len(octets)):
        assert [part.content for part in read(octets, cuts=(cut,))] == contents


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "ends in the middle"),
        (b"nothing at all", "ends in the middle"),
        (b"--x\r\n" + HEAD + b"one", "ends in the middle"),
        (b"--x\r\n" + HEAD + b"one\r\n--x", "ends in the middle"),
        (b"--x\r\n" + HEAD + b"one\r\n--x-", "ends in the middle"),
        (body(b"\r\none"), "without a Content-Disposition"),
        (body(b"A: b\r\n\r\none"), "without a Content-Disposition"),
        (body(HEAD[:-2] + HEAD + b"one"), "two Content-Dispositions"),
        (body(b"Content-Disposition: attachment; name=a\r\n\r\n"), "names no form field"),
        (body(b"Content-Disposition: form-data\r\n\r\n"), "names no form field"),
        (body(b'Content-Disposition: form-data; name="a\r\n\r\n'), "cannot be read"),
        (body(b"Content Disposition: form-data; name=a\r\n\r\n"), "is no field"),
        (body(b"Content-Disposition form-data; name=a\r\n\r\n"), "is no field"),
        (body(b"Content-Disposition : form-data; name=a\r\n\r\n"), "is no field"),
        (body(b"Content-Disposition: form-data;\r\n name=a\r\n\r\n"), "is no field"),  # no folding
        (body(b"Content-Disposition: form-data; name=a\0\r\n\r\n"), "is no field"),
        (body(b"Content-Disposition: form-data; name=a\nB: c\r\n\r\n"), "is no field"),
    ],
)
def test_what_is_refused(octets: bytes, words: str) -> None:
    for cuts in ((), tuple(range(len(octets)))):
        with pytest.raises(MultipartError, match=words) as caught:
            read(octets, cuts=cuts)
        assert 0 <= caught.value.offset <= len(octets)
        assert caught.value.fault == "peer"


def test_limits() -> None:
    assert len(read(body(*[HEAD] * 3), max_parts=3)) == 3
    with pytest.raises(MultipartError, match="more than 3 parts") as caught:
        read(body(*[HEAD] * 4), max_parts=3)
    assert caught.value.limit == 3

    field = b"A: " + b"a" * (MAX_HEAD - len(HEAD) - 1) + b"\r\n"
    assert len(field + HEAD) - 4 == MAX_HEAD
    assert len(read(body(field + HEAD))) == 1
    for cuts in ((), tuple(range(0, 40_000, 7))):
        with pytest.raises(MultipartError, match="more than 16384 octets") as caught:
            read(body(b"A" + field + HEAD), cuts=cuts)
        assert caught.value.limit == MAX_HEAD
    endless = MultipartParser("x")
    endless.feed(b"--x\r\n")
    endless.feed(b"a" * 16_000)
    with pytest.raises(MultipartError, match="more than 16384"):
        endless.feed(b"a" * 1_000)


def test_content_is_handed_on_as_it_comes() -> None:
    """A parser keeps no more than what may be the start of a boundary."""
    parser = MultipartParser("boundary")
    parser.feed(b"--boundary\r\n" + HEAD)
    for piece in (b"a" * 65_536, b"\r\n" * 1_000, b"\r\n--boundar", b"\r\n--boundary" + b" " * 30):
        given = sum(len(event.data) for event in parser.feed(piece) if isinstance(event, PartData))
        assert given >= len(piece) - len(b"\r\n--boundary") - 30


@pytest.mark.parametrize("hostile", [b"\r\n--xa", b"\r\n-", b"\r\n--x" + b" " * 65 + b"a", b"\r"])
def test_hostile_content_is_linear(hostile: bytes) -> None:
    content = hostile * 5_000
    assert [part.content for part in read(body(HEAD + content), cuts=tuple(range(0, len(content), 999)))] == [
        content
    ]


NAMES: list[tuple[bytes, str, str | None]] = [
    (b"form-data; name=q", "q", None),
    (b'FORM-DATA; NAME="q"', "q", None),
    (b'form-data; name=""', "", None),
    (b'form-data; name="f"; filename=""', "f", ""),
    (b'form-data; name="f"; filename="../../etc/passwd"', "f", "../../etc/passwd"),
    ('form-data; name="größe"; filename="naïve.txt"'.encode(), "größe", "naïve.txt"),
    (b'form-data; name="f"; filename="caf\xe9.txt"', "f", "caf\xe9.txt"),
    (b"form-data; name=f; filename*=UTF-8''na%C3%AFve.txt", "f", "naïve.txt"),
    (b'form-data; name="f"; filename="a%22b.txt"', "f", "a%22b.txt"),
    (b'form-data; name="f"; filename="a\\"b.txt"', "f", 'a"b.txt'),
]


@pytest.mark.parametrize(("disposition", "name", "filename"), NAMES)
def test_names(disposition: bytes, name: str, filename: str | None) -> None:
    [part] = read(body(b"Content-Disposition: " + disposition + b"\r\n\r\n"))
    assert (part.name, part.filename) == (name, filename)


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b"', "a b"),
        ("multipart/form-data; boundary=a; boundary=b", "a"),
        ("multipart/mixed; boundary=abc", None),
        ("application/x-www-form-urlencoded", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_boundary_of(value: str | None, boundary: str | None) -> None:
    assert boundary_of(value) == boundary


@pytest.mark.parametrize(
    "value",
    [
        "multipart/form-data",
        'multipart/form-data; boundary=""',
        f"multipart/form-data; boundary={'a' * 71}",
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="a\xe9"',
        'multipart/form-data; boundary="a;b"',
    ],
)
def test_no_boundary(value: str) -> None:
    with pytest.raises(MultipartError, match="names no boundary"):
        boundary_of(value)


CONTENTS = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.lists(
            st.sampled_from(
                [b"\r", b"\n", b"\r\n", b"-", b"--", b"--b", b"--bo", b"b", b"o", b" ", b"\r\n--b"]
            ),
            max_size=12,
        ).map(b"".join),
    ),
    max_size=4,
)


@given(CONTENTS, st.lists(st.integers(0, 600), max_size=12))
def test_whatever_is_written_is_read_wherever_it_is_cut(contents: list[bytes], cuts: list[int]) -> None:
    wanted = [content for content in contents if b"\r\n--bo" not in b"\r\n" + content]
    form = MultipartForm(
        [FormPart("f", content, filename="n") for content in wanted if b"--bo" not in content], boundary="bo"
    )
    kept = [content for content in wanted if b"--bo" not in content]
    octets = b"".join(form.pieces())
    assert boundary_of(form.content_type) == "bo"
    assert read(octets, "bo", tuple(cuts)) == [Part("f", "n", content) for content in kept]


def test_what_another_writer_makes() -> None:
    werkzeug = pytest.importorskip("werkzeug.test")
    datastructures = pytest.importorskip("werkzeug.datastructures")
    content = b"\r\n--x\r\n" * 999
    files = [
        datastructures.FileStorage(io.BytesIO(content), "größe.txt", "f"),
        datastructures.FileStorage(io.BytesIO(b""), "empty", "f"),
    ]
    stream, size, boundary = werkzeug.stream_encode_multipart({"text": "ä", "file": files})
    octets = stream.read()
    assert len(octets) == size
    parts = read(octets, boundary, tuple(range(0, size, 100)))
    assert [(part.name, part.content) for part in parts] == [
        ("text", "ä".encode()),
        ("file", content),
        ("file", b""),
    ]
    assert parts[2].filename == "empty"


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=6))
def test_any_octets_are_read_the_same_in_any_pieces(junk: bytes, cuts: list[int]) -> None:
    octets = b"--x\r\n" + HEAD + junk.replace(b"y", b"\r\n--x") + b"\r\n--x--"

    def outcome(cuts: tuple[int, ...]) -> object:
        try:
            return read(octets, cuts=cuts)
        except MultipartError as error:
            return str(error)

    assert outcome(()) == outcome(tuple(cuts))
