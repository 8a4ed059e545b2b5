"""Content-Disposition: the examples of RFC 6266 and RFC 8187, and names that want to be somewhere else."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, strategies as st

from netkit.http import Headers, Url, content_disposition
from netkit.http.content_disposition import ContentDisposition, parse, safe_filename, shortened
from netkit.http.fields.errors import FieldError, FieldLimitExceeded, InvalidField

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("value", "kind", "filename"),
    [
        # RFC 6266 section 5
        ("Attachment; filename=example.html", "attachment", "example.html"),
        ('INLINE; FILENAME= "an example.html"', "inline", "an example.html"),
        ("attachment; filename*= UTF-8''%e2%82%ac%20rates", "attachment", "€ rates"),
        (
            "attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates",
            "attachment",
            "€ rates",
        ),
        # RFC 8187 section 3.2.2, with the name of our parameter
        ("attachment; filename*=UTF-8''%c2%a3%20and%20%e2%82%ac%20rates", "attachment", "£ and € rates"),
        ("attachment; filename*=UTF-8'en'%C2%A3%20rates", "attachment", "£ rates"),
        # the order does not matter, and what cannot be decoded does not count
        ("attachment; filename*=UTF-8''a%20b; filename=c", "attachment", "a b"),
        ("attachment; filename*=UTF-8''%ff; filename=c", "attachment", "c"),
        ("attachment; filename*=UTF-16''%00a; filename=c", "attachment", "c"),
        ("attachment; filename*=UTF-8''%zz; filename=c", "attachment", "c"),
        ("attachment; filename*=a; filename=c", "attachment", "c"),
        ("attachment; filename*=UTF-8''%ff", "attachment", None),
        ("attachment; filename*=iso-8859-1''%A3", "attachment", "£"),
        # what servers send
        ("attachment", "attachment", None),
        ("inline;", "inline", None),
        ("filename=a.txt", "attachment", "a.txt"),
        ("attachment; filename=my file (1).pdf ;x=y", "attachment", "my file (1).pdf"),
        ("attachment;filename=a;filename=b", "attachment", "a"),
        ("attachment; ; filename=a;", "attachment", "a"),
        (r'attachment; filename="a\"b\\c"', "attachment", r'a"b\c'),
        ('attachment; filename="a;b, c"', "attachment", "a;b, c"),
        ('attachment; filename=""', "attachment", ""),
        ("attachment; filename=a%20b", "attachment", "a%20b"),
        (b'attachment; filename="\xe2\x82\xac"', "attachment", "€"),
        (b'attachment; filename="\xa3"', "attachment", "£"),
        ('attachment; filename="€"', "attachment", "€"),
        ("form-data; name=x", "form-data", None),
    ],
)
def test_names(value: str | bytes, kind: str, filename: str | None) -> None:
    found = parse(value)
    assert (found.type, found.filename) == (kind, filename)
    assert found.is_attachment is (kind != "inline")


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        ("", 0),
        (";", 0),
        ('"attachment"', 0),
        ("attachment filename=x", 11),
        ('attachment; filename="x', 21),
        ("attachment; filename=", 21),
        ("attachment; filename=;", 21),
        ("attachment; filename", 12),
        ('attachment; filename="x" y', 25),
        ("attachment; filename=x\r\nSet-Cookie: a=b", 22),
        ("attachment; filename=\0", 21),
    ],
)
def test_what_cannot_be_read(value: str, offset: int) -> None:
    with pytest.raises(InvalidField) as caught:
        parse(value)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("value", "limit"), [("a; " + "b=c; " * 33, "max_params"), ("a" * 16_385, "max_length")]
)
def test_limits(value: str, limit: str) -> None:
    with pytest.raises(FieldLimitExceeded) as caught:
        parse(value)
    assert caught.value.limit == limit


@pytest.mark.parametrize("piece", [";", "a=b;", "a =", '"', '\\"', " ", "\t;"])
def test_long_values_take_no_long_time(piece: str) -> None:
    begun = process_time()
    for start in ("a; ", 'a; b="'):
        try:
            parse(start + piece * (100_000 // len(piece)), max_length=200_000, max_params=100_000)
        except FieldError:
            pass
    assert process_time() - begun < 2


@pytest.mark.parametrize(
    ("filename", "value"),
    [
        (None, "attachment"),
        ("a.txt", 'attachment; filename="a.txt"'),
        ('a"b\\c%d', "attachment; filename=\"a_b_c_d\"; filename*=UTF-8''a%22b%5Cc%25d"),
        ("é", "attachment; filename=\"_\"; filename*=UTF-8''%C3%A9"),
    ],
)
def test_what_is_written_is_read_again(filename: str | None, value: str) -> None:
    assert content_disposition.format("attachment", filename) == value
    assert parse(value).filename == filename
    Headers([("Content-Disposition", value)])


def test_what_is_not_written() -> None:
    for kind, filename in (("a b", None), ("attachment", "a\r\nb"), ("attachment", "\ud800")):
        with pytest.raises(InvalidField) as caught:
            content_disposition.format(kind, filename)
        assert caught.value.fault == "caller"


SAFE = [
    ("a.txt", "a.txt"),
    ("a b.txt", "a b.txt"),
    ("naïve-€.tar.gz", "naïve-€.tar.gz"),
    ("👨‍👩‍👧.png", "👨‍👩‍👧.png"),
    # places
    ("../../etc/passwd", "passwd"),
    ("..\\..\\windows\\win.ini", "win.ini"),
    ("/etc/passwd", "passwd"),
    ("C:\\x.txt", "x.txt"),
    ("C:x.txt", "C_x.txt"),
    ("\\\\server\\share\\x", "x"),
    ("a/../b", "b"),
    ("%2e%2e%2fx", "%2e%2e%2fx"),
    # hidden, and other starts and ends
    (".bashrc", "bashrc"),
    ("..bashrc", "bashrc"),
    (". .bashrc", "bashrc"),
    ("a.txt. . ", "a.txt"),
    ("\u00a0\u3000a\u00a0", "a"),
    (".\u00a0.a\u00a0.", "a"),
    ("-rf", "_rf"),
    ("--output=x", "_-output=x"),
    # characters
    ("a\0b\r\nc\x1b[31md\x7f\x9b", "a_b__c_[31md__"),
    ("a\u202egpj.exe", "a_gpj.exe"),
    ("a\u2066\u2069\u200f\u061c\u2028b", "a_____b"),
    ('a:b|c?d*e<f>g"h', "a_b_c_d_e_f_g_h"),
    ("a.txt::$DATA", "a.txt__$DATA"),
    ("a\ud800b", "a_b"),
    # devices
    ("CON", "_CON"),
    ("nul.txt", "_nul.txt"),
    ("Com1.tar.gz", "_Com1.tar.gz"),
    ("lpt¹", "_lpt¹"),
    ("aux .txt", "_aux .txt"),
    ("CONIN$", "_CONIN$"),
    ("console.log", "console.log"),
    ("com10", "com10"),
    # nothing left
    ("", "download"),
    (None, "download"),
    (".", "download"),
    ("..", "download"),
    ("a/", "download"),
    ("///", "download"),
    ("...", "download"),
    (" ", "download"),
    ("\0\0", "download"),
]


@pytest.mark.parametrize(("name", "safe"), SAFE)
def test_safe_names(name: str | None, safe: str) -> None:
    assert safe_filename(name) == safe
    assert safe_filename(safe) == safe


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example/x/report.pdf?q=/y#z", "report.pdf"),
        ("https://a.example/%E2%82%AC%20rates.txt", "€ rates.txt"),
        ("https://a.example/..%2f..%2f.bashrc", "bashrc"),
        ("https://a.example/%ff.txt", "%ff.txt"),
        ("https://a.example/a%00b", "a_b"),
        ("https://a.example/x/", "index.html"),
        ("https://a.example", "index.html"),
    ],
)
def test_the_url_has_a_name_too(url: str, safe: str) -> None:
    assert safe_filename(None, url=Url.parse(url), default="index.html") == safe
    assert safe_filename("..", url=Url.parse(url), default="index.html") == safe
    assert safe_filename("name", url=Url.parse(url)) == "name"


def test_a_default_is_made_safe_too() -> None:
    assert safe_filename(None, default="../x") == "x"
    assert safe_filename(None, default="..") == "download"


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("a" * 300, "aaa"),
        ("a" * 300 + ".html", "a.html"),
        ("€" * 300 + ".tar.gz", "€.tar.gz"),
        ("a" + "." + "b" * 300, "bbb"),
        ("a" * 250 + "." * 20 + "b" * 300, "a"),
        ("😀" * 100 + ".x", "😀.x"),
    ],
)
def test_long_names_keep_their_extension(name: str, end: str) -> None:
    safe = safe_filename(name)
    assert safe.endswith(end)
    assert 240 <= len(safe.encode()) <= 255
    assert len(safe_filename(name, max_octets=32).encode()) <= 32


def test_shortened() -> None:
    assert shortened("a.txt") == "a.txt"
    assert shortened("aaaaaaaaaaaaaaaa.txt", 10) == "aaaaaa.txt"
    with pytest.raises(ValueError, match="32 or more"):
        safe_filename("a", max_octets=31)


@given(st.text() | st.text(alphabet="./\\ -_a\u202e\x00:CONconaux1é"), st.integers(32, 255))
def test_every_name_becomes_safe(name: str, max_octets: int) -> None:
    safe = safe_filename(name, max_octets=max_octets)
    assert 0 < len(safe.encode()) <= max_octets
    assert not set(safe) & set('/\\:\0\n\r\x1b<>"|?*\u202e')
    assert safe[0] not in ".- "
    assert safe[-1] not in ". "
    assert safe_filename(safe, max_octets=max_octets) == safe


def test_long_names_take_no_long_time() -> None:
    begun = process_time()
    for piece in ("a/", ". ", " x", ".tar", "\u202e", "-", "con."):
        safe_filename(piece * 500_000)
    assert process_time() - begun < 2


def test_it_is_a_value() -> None:
    assert parse("inline; A=b") == ContentDisposition("inline", (("a", "b"),))
    assert parse("inline; A=b").get("x") is None
