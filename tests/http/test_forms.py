"""Forms: what is sent, octet by octet; its length before; and contents that change or end."""

from __future__ import annotations

import email.parser
import email.policy
import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http import HttpError
from netkit.http.bodies.body import SizedBody, body_of
from netkit.http.bodies.forms import FormPart, MultipartForm, encode_form, new_boundary

pytestmark = pytest.mark.once


def sent(form: MultipartForm) -> bytes:
    octets = b"".join(form.pieces())
    if form.length is not None:
        assert len(octets) == form.length
    return octets


def read_again(form: MultipartForm) -> list[tuple[object, ...]]:
    """The parts as Python's reader of mail understands them: name, file name, type, content."""
    head = f"Content-Type: {form.content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + sent(form))
    assert message.get_content_type() == "multipart/form-data"
    assert not message.defects
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


@pytest.mark.parametrize(
    ("fields", "octets"),
    [
        ([], b""),
        ({"a": "b"}, b"a=b"),
        ([("a", "1"), ("a", "2"), ("", "")], b"a=1&a=2&="),
        ([("a b+c", "*-._~")], b"a+b%2Bc=*-._%7E"),
        ([("é", "€\r\n\0&=%")], b"%C3%A9=%E2%82%AC%0D%0A%00%26%3D%25"),
    ],
)
def test_urlencoded(fields: list[tuple[str, str]], octets: bytes) -> None:
    assert encode_form(fields) == octets


def test_urlencoded_is_text() -> None:
    with pytest.raises(HttpError.InvalidValue):
        encode_form([("a", "\ud800")])


def test_a_whole_form_octet_by_octet(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(b"<p>\r\n")
    form = MultipartForm(
        [
            FormPart("Joe owes ", "€100"),
            FormPart("file", tmp_path / "a.html"),
            FormPart("raw", b"\0\xff", filename="x", headers={"X-Note": "y"}),
            FormPart("typed", "{}", content_type="application/json"),
        ],
        boundary="AaB03x",
    )
    assert sent(form) == (
        b'--AaB03x\r\nContent-Disposition: form-data; name="Joe owes "\r\n\r\n\xe2\x82\xac100\r\n'
        b'--AaB03x\r\nContent-Disposition: form-data; name="file"; filename="a.html"\r\n'
        b"Content-Type: text/html\r\n\r\n<p>\r\n\r\n"
        b'--AaB03x\r\nContent-Disposition: form-data; name="raw"; filename="x"\r\n'
        b"Content-Type: application/octet-stream\r\nX-Note: y\r\n\r\n\0\xff\r\n"
        b'--AaB03x\r\nContent-Disposition: form-data; name="typed"\r\n'
        b"Content-Type: application/json\r\n\r\n{}\r\n"
        b"--AaB03x--\r\n"
    )
    assert read_again(form) == [
        ("Joe owes ", None, "text/plain", "€100".encode()),
        ("file", "a.html", "text/html", b"<p>\r\n"),
        ("raw", "x", "application/octet-stream", b"\0\xff"),
        ("typed", None, "application/json", b"{}"),
    ]


@pytest.mark.parametrize(
    ("name", "filename", "written"),
    [
        ('a"b', None, b'name="a%22b"'),
        ("a\r\nb", None, b'name="a%0D%0Ab"'),
        ("a%22", None, b'name="a%22"'),
        ("a\\", 'x";y', b'name="a\\"; filename="x%22;y"'),
        ("é", "€.txt", b'name="\xc3\xa9"; filename="\xe2\x82\xac.txt"'),
        ("a\tb", "\r\n\r\nX: y", b'name="a\tb"; filename="%0D%0A%0D%0AX: y"'),
        ("a", "\udcff.txt", b'filename="\xff.txt"'),
        ("a", "", b'filename=""'),
    ],
)
def test_names_are_escaped_as_browsers_do(name: str, filename: str | None, written: bytes) -> None:
    head = FormPart(name, "", filename=filename).head
    assert written in head
    assert head.count(b"\r\n") == (2 if filename is None else 3)


@pytest.mark.parametrize("name", ["a\0", "a\x1b[m", "a\x7f", "a\ud800"])
def test_names_that_no_header_holds(name: str) -> None:
    for arguments in ({"name": name}, {"name": "a", "filename": name}, {"name": "a", "content_type": name}):
        with pytest.raises(HttpError.InvalidValue):
            FormPart(content="x", **arguments)
    with pytest.raises(HttpError.InvalidValue):
        FormPart("a", "x", content_type="text/plain\r\nX: y")
    with pytest.raises(HttpError.InvalidValue):
        FormPart("a", "\ud800")


def test_lengths_that_are_known_and_those_that_are_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    os.mkfifo(tmp_path / "fifo")
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    lengths: list[tuple[object, int | None]] = [
        ("€", 3),
        (b"ab", 2),
        (bytearray(b"ab"), 2),
        (memoryview(b"abcdef")[::1], 6),
        (file, 6),
        (tmp_path / "a", 10),
        (tmp_path / "fifo", None),
        ([b"ab", b"c"], None),
    ]
    for content, length in lengths:
        part = FormPart("a", content)
        assert part.length == length, content
        assert MultipartForm([part]).length is None or length is not None
    assert file.tell() == 4


def test_a_form_is_a_body_that_can_be_sent_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(200_000))
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    form = MultipartForm(
        [FormPart("a", tmp_path / "a"), FormPart("b", file), FormPart("c", [b"1", b"2"]), FormPart("d", "x")]
    )
    assert isinstance(form, SizedBody)
    body = body_of(form)
    assert (body.length, body.replayable) == (form.length, True)
    first = sent(form)
    assert sent(form) == first
    assert b"\r\n\r\n456789\r\n" in first
    assert max(len(piece) for piece in form.pieces()) <= 65_536


class OnlyForward:
    """A file that is a pipe."""

    def __init__(self, octets: bytes) -> None:
        self.read = io.BytesIO(octets).read


@pytest.mark.parametrize("content", [OnlyForward(b"ab"), iter([b"a", b"b"]), (each for each in [b"ab"])])
def test_what_can_be_read_only_once(content: object) -> None:
    form = MultipartForm([FormPart("a", content)], boundary="x")
    assert form.length is None
    assert b"\r\n\r\nab\r\n--x--" in sent(form)
    with pytest.raises(HttpError.InvalidRequest, match="'a' would have to be sent again"):
        sent(form)


def test_a_file_that_changes_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    form = MultipartForm([FormPart("a", path)])
    path.write_bytes(b"0123456789 and more")
    assert b"\r\n\r\n0123456789\r\n" in sent(form)
    path.write_bytes(b"012345")
    with pytest.raises(HttpError.InvalidRequest, match="'a' has become 4 octets shorter"):
        sent(form)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FormPart("a", tmp_path / "nothing")


@pytest.mark.parametrize("boundary", ["", "a ", "a" * 71, "a\r\n", 'a"', "é", "a;b"])
def test_impossible_boundaries(boundary: str) -> None:
    with pytest.raises(HttpError.InvalidValue, match="boundary: it is 1 to 70"):
        MultipartForm([], boundary=boundary)


def test_boundaries() -> None:
    assert MultipartForm([], boundary="a b").content_type == 'multipart/form-data; boundary="a b"'
    assert sent(MultipartForm([], boundary="x")) == b"--x--\r\n"
    with pytest.raises(HttpError.InvalidValue, match="it is in the form field 'a'"):
        MultipartForm([FormPart("a", "1\r\n--x\r\n")], boundary="x")
    assert new_boundary(bytes) == "----netkit-" + "0" * 32
    assert MultipartForm([]).boundary != MultipartForm([]).boundary


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("a.txt", b"text/plain"),
        ("a.PNG", b"image/png"),
        ("a.json", b"application/json"),
        ("a.tar.gz", b"application/gzip"),
        ("a", b"application/octet-stream"),
        ("data:text/html,x", b"application/octet-stream"),
        (".html", b"application/octet-stream"),
    ],
)
def test_types_by_extension(filename: str, content_type: bytes) -> None:
    assert b"Content-Type: " + content_type + b"\r\n" in FormPart("a", "", filename=filename).head


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text('ab é"\r\n%;\\', max_size=8), st.binary(max_size=50)), max_size=4))
def test_a_reader_finds_every_part(fields: list[tuple[str, bytes]]) -> None:
    form = MultipartForm([FormPart(name, content, filename="f.bin") for name, content in fields])
    found = sent(form).split(f"--{form.boundary}".encode())
    assert found[0] == b""
    assert found[-1] == b"--\r\n"
    contents = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in found[1:-1]]
    assert contents == [content for _, content in fields]
