"""From words and options to a request: methods, bodies, headers, URLs, and what contradicts."""

from __future__ import annotations

from typing import Any

import click
import pytest

from netkit.cli.fetch.items import ItemError
from netkit.cli.fetch.options import AuthOptions, RequestOptions, tag_values
from netkit.cli.fetch.plan import (
    Credentials,
    DataPiece,
    FileBody,
    HeaderLine,
    RequestPlan,
    SettledRequest,
    complete_url,
)
from netkit.cli.fetch.request import Words, plan_of, plans_of
from netkit.cli.fetch.values import Checksum, Data, HeaderText, Offset, Part, Size, parse_part
from netkit.cli.frame.options import WrongValue

pytestmark = pytest.mark.once

FILES = {"f": b"one\r\ntwo\n", "j.json": b'{"x": [1]}', "-": b"stdin", "h": b"value\n"}


def options(group: Any, **given: Any) -> Any:
    """A group of options, of which only these were given."""
    empty = {
        name: () if field.how.get("multiple") else False if field.how.get("is_flag") else None
        for name, field in group.fields.items()
    }
    return group(**{**empty, **given})


def plan(*words: str, auth: dict[str, Any] | None = None, **request: Any) -> RequestPlan:
    read = Words(words)
    made = plan_of(read, options(RequestOptions, **request), options(AuthOptions, **(auth or {})))
    return plans_of(read, made)[0][1]


def settled(*words: str, **request: Any) -> SettledRequest:
    return plan(*words, **request).settle(FILES.__getitem__, {"User-Agent": "netkit", "Accept": "*/*"})


def data(how: Any, text: str) -> DataPiece:
    return DataPiece(how, text)


# -- words


@pytest.mark.parametrize(
    ("words", "method", "urls", "items"),
    [
        (["a.example"], None, ["a.example"], 0),
        (["PUT", "a.example", "a=b"], "PUT", ["a.example"], 1),
        (["put", "a=b"], None, ["put"], 1),
        (["a.example", "b.example", "https://c/?d=e"], None, ["a.example", "b.example", "https://c/?d=e"], 0),
        (["a.example", "b=c", "https://d/"], None, ["a.example", "https://d/"], 1),
        ([":8080", "A:b"], None, [":8080"], 1),
        (["OPTIONS", "*:80"], "OPTIONS", ["*:80"], 0),
        ([], None, [], 0),
    ],
)
def test_which_word_is_what(words: list[str], method: str | None, urls: list[str], items: int) -> None:
    read = Words(words)
    assert (read.method, read.urls, len(read.items)) == (method, urls, items)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (":8080/x", "http://localhost:8080/x"),
        (":/x", "http://localhost/x"),
        ("/x", "http://localhost/x"),
        ("localhost:3000", "http://localhost:3000"),
        ("app.localhost/x", "http://app.localhost/x"),
        ("db", "http://db"),
        ("127.0.0.1:80", "http://127.0.0.1:80"),
        ("192.0.2.1/x", "http://192.0.2.1/x"),
        ("[::1]:8080/x", "http://[::1]:8080/x"),
        ("[::1]:443", "https://[::1]:443"),
        ("192.0.2.1:443", "https://192.0.2.1:443"),
        ("example.com", "https://example.com"),
        ("example.com:8443/x?a=b:80", "https://example.com:8443/x?a=b:80"),
        ("example.com:80", "http://example.com:80"),
        ("user:pw@example.com/x@y", "https://user:pw@example.com/x@y"),
        ("//example.com/x", "https://example.com/x"),
        ("http://example.com", "http://example.com"),
        ("HTTPS://example.com", "HTTPS://example.com"),
    ],
)
def test_urls_without_a_scheme(text: str, url: str) -> None:
    assert complete_url(text) == url


# -- methods and bodies


@pytest.mark.parametrize(
    ("words", "request_options", "method", "body", "content_type"),
    [
        (["a"], {}, "GET", None, None),
        (["a", "q==1", "A:b"], {}, "GET", None, None),
        (["a", "x=1", "y:=[1,2]"], {}, "POST", b'{"x": "1", "y": [1, 2]}', "application/json"),
        (["PUT", "a", "x=é"], {}, "PUT", '{"x": "é"}'.encode(), "application/json"),
        (["a", "x[y][]=1"], {}, "POST", b'{"x": {"y": ["1"]}}', "application/json"),
        (["a", "x=@h", "y:=@j.json"], {}, "POST", b'{"x": "value\\n", "y": {"x": [1]}}', "application/json"),
        (["a", "x=a b", "y=&"], {"items_as": "form"}, "POST", b"x=a+b&y=%26", "form"),
        (["a"], {"data": (data("data", "x=1"), data("data", "y"))}, "POST", b"x=1&y", "form"),
        (["a"], {"data": (data("data", "@f"),)}, "POST", b"onetwo", "form"),
        (["a"], {"data": (data("binary", "@f"),)}, "POST", b"one\r\ntwo\n", "form"),
        (["a"], {"data": (data("raw", "@f"),)}, "POST", b"@f", "form"),
        (["a"], {"data": (data("data", "@-"),)}, "POST", b"stdin", "form"),
        (["a"], {"data": (data("urlencode", "a b&c"),)}, "POST", b"a+b%26c", "form"),
        (["a"], {"data": (data("urlencode", "n=a b"),)}, "POST", b"n=a+b", "form"),
        (["a"], {"data": (data("urlencode", "=a=b"),)}, "POST", b"a%3Db", "form"),
        (["a"], {"data": (data("urlencode", "n@f"),)}, "POST", b"n=one%0D%0Atwo%0A", "form"),
        (["a"], {"data": (data("urlencode", "@f"),)}, "POST", b"one%0D%0Atwo%0A", "form"),
        (["a"], {"data": (data("data", ""),)}, "POST", b"", "form"),
        (["a"], {"upload": "-"}, "PUT", FileBody("-", None, True), None),
        (["a"], {"upload": "f", "method": "POST"}, "POST", FileBody("f", None, True), None),
        (["a", "@x.json"], {}, "POST", FileBody("x.json", "application/json"), "application/json"),
        (["a", "@x;type=a/b"], {}, "POST", FileBody("x", "a/b"), "a/b"),
        (["a"], {"head": True}, "HEAD", None, None),
        (["a"], {"method": "DELETE"}, "DELETE", None, None),
    ],
)
def test_methods_and_bodies(
    words: list[str], request_options: dict[str, Any], method: str, body: object, content_type: str | None
) -> None:
    made = settled(*words, **request_options)
    if content_type == "form":
        content_type = "application/x-www-form-urlencoded"
    assert (made.method, made.body) == (method, body)
    assert dict(made.fields).get("Content-Type") == content_type


def test_a_query_of_items_and_of_data() -> None:
    made = settled("a.example/x?y#z", "q==a b&c", "f==@h")
    assert str(made.url) == "https://a.example/x?y&q=a+b%26c&f=value%0A#z"
    made = settled("a.example", data=(data("data", "x=1"), data("urlencode", "y=a b")), query=True)
    assert (made.method, str(made.url), made.body) == ("GET", "https://a.example/?x=1&y=a+b", None)
    made = settled("a.example", data=(data("data", "x=1"),), query=True, head=True)
    assert (made.method, str(made.url)) == ("HEAD", "https://a.example/?x=1")


@pytest.mark.parametrize(
    ("url", "path", "whole"),
    [
        ("a.example", "in/b c.txt", "https://a.example/b%20c.txt"),
        ("a.example/d/", "f", "https://a.example/d/f"),
        ("a.example/d/?x=1", "f", "https://a.example/d/f?x=1"),
        ("a.example/d", "f", "https://a.example/d"),
        ("a.example/?x=/", "f", "https://a.example/f?x=/"),
        ("a.example/d/", "-", "https://a.example/d/"),
    ],
)
def test_an_upload_names_its_place(url: str, path: str, whole: str) -> None:
    assert str(settled(url, upload=path).url) == whole
    assert str(settled(url, f"@{path}").url).rstrip("/") == f"https://{url}".rstrip("/")


@pytest.mark.parametrize("word", ["get", "post", "delete"])
def test_a_method_in_small_letters_is_no_host(word: str) -> None:
    with pytest.raises(WrongValue, match=word) as caught:
        Words([word, "a.example"])
    assert word.upper() in (caught.value.hint or "")
    assert Words([word]).urls == [word]
    assert Words([word, "x=1"]).urls == [word]


def test_no_referer_is_made() -> None:
    with pytest.raises(WrongValue, match="Referer"):
        settled("a", referer="http://b/;auto")


def test_headers_have_the_last_word() -> None:
    made = settled(
        *("a", "X-B:2", "Accept:", "X-C;", "X-D:@h"),
        headers=(HeaderLine("user-agent", "mine"), HeaderLine("X-B", "1")),
        byte_range="0-4",
        referer="http://b/",
        cookies=("a=1; b=2;", "c=3"),
    )
    assert made.fields == (
        ("Cookie", "a=1; b=2; c=3"),
        ("Referer", "http://b/"),
        ("Range", "bytes=0-4"),
        ("user-agent", "mine"),
        ("X-B", "1"),
        ("X-B", "2"),
        ("X-C", ""),
        ("X-D", "value"),
    )


def test_json_asks_for_json() -> None:
    assert dict(settled("a", "x=1").fields)["Accept"] == "application/json, */*;q=0.5"
    assert dict(settled("a", "x=1", "Accept:text/html").fields)["Accept"] == "text/html"


def test_credentials_are_not_shown_by_accident() -> None:
    made = plan("a", auth={"user": "u:p:w", "digest": True}).auth
    assert made == Credentials("u", "p:w", "digest")
    assert "p:w" not in repr(made)
    assert plan("a", auth={"user": "u"}).auth == Credentials("u", None)
    assert plan("a", auth={"bearer": "t"}).auth == Credentials.bearer("t")
    assert "t" not in repr(Credentials.bearer("tttt")).replace("Credentials", "")[:12]


@pytest.mark.parametrize(
    ("words", "request_options", "said"),
    [
        (["GET", "a"], {"method": "PUT"}, "METHOD and -X exclude each other"),
        (["a", "x=1"], {"data": (data("data", "y"),)}, "-d is a body, and x=1 would be another"),
        (["a", "x=1"], {"upload": "f"}, "-T is a body, and x=1 would be another"),
        (["a"], {"data": (data("data", "y"),), "upload": "f"}, "-d and -T exclude each other"),
        (["a"], {"data": (data("data", "y"),), "head": True}, "-I asks for headers"),
        (["a", "x=1"], {"query": True}, "-G puts data of -d into the query"),
        (["a", "x:=1"], {"items_as": "form"}, "x:=1 is JSON, which a form cannot hold"),
        (["a", "x@f"], {"items_as": "json"}, "x@f needs a multipart form"),
        (["a", "@f", "x=1"], {}, "@f is the whole body"),
        (["a", "x[=1"], {}, "] is missing"),
        (["a", "x y:z"], {}, "a space cannot stand in a name"),
    ],
)
def test_contradictions(words: list[str], request_options: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongValue) as caught:
        plan(*words, **request_options)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("x:={", "x: this is no JSON"),
        ("x:=NaN", "NaN is not in JSON"),
        ("x:=abc", "this is no JSON"),
        ("x:=" + "[" * 100_000, "nested too deeply"),
        ("x:=@f", "this is no JSON in f"),
        ("x=\udcff", "JSON is UTF-8"),
    ],
)
def test_what_is_no_json(word: str, said: str) -> None:
    with pytest.raises(ItemError) as caught:
        settled("a", word)
    assert said in str(caught.value)


# -- values


def test_data_is_marked_by_its_option() -> None:
    takes = {"-d", "--data", "--data-raw", "--data-binary", "--data-urlencode", "-H", "--form-string", "-X"}
    words = ["-d", "a", "--data-raw", "@b", "-H", "--data-raw", "--data-binary=@c", "-sX", "--data-raw", "u"]
    assert tag_values(words, takes) == [
        *("-d", "a", "--data-raw", "raw\0@b", "-H", "--data-raw", "--data-binary=binary\0@c"),
        *("-sX", "--data-raw", "u"),
    ]
    assert tag_values(["--", "--data-raw", "x"], takes) == ["--", "--data-raw", "x"]
    assert tag_values(["--data-raw"], takes) == ["--data-raw"]
    assert tag_values(["-da", "--data-raw", "x"], takes) == ["-da", "--data-raw", "raw\0x"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text", ("text", None, None, None)),
        ("text;type=a/b", ("text", None, None, "a/b")),
        ("@a/b.txt", (None, "a/b.txt", "b.txt", None)),
        ("@a.txt;type=text/plain;filename=c.txt", (None, "a.txt", "c.txt", "text/plain")),
        ('@"a;b.txt";filename="x\\"y"', (None, "a;b.txt", 'x"y', None)),
        ("<a.txt", (None, "a.txt", None, None)),
        ("@-", (None, "-", "-", None)),
        ("a;b", ("a;b", None, None, None)),
        ("text;type=text/plain; charset=utf-8", ("text", None, None, "text/plain; charset=utf-8")),
    ],
)
def test_parts_as_curl_has_them(content: str, expected: tuple[Any, ...]) -> None:
    part = parse_part("n", content)
    assert (part.text, part.path, part.filename, part.content_type) == expected


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Size(), "100", 100),
        (Size(), "1.5k", 1536),
        (Size(), "2M", 2 << 20),
        (Checksum(), "SHA-256:" + "A" * 64, ("sha256", "a" * 64)),
        (Offset(), "-", -1),
        (Offset(), "10", 10),
        (HeaderText(), "A: b", HeaderLine("A", "b")),
        (HeaderText(), "A:", HeaderLine("A", None)),
        (HeaderText(), "A;", HeaderLine("A", "")),
        (HeaderText(), "A: @b", HeaderLine("A", "@b")),
        (Data(), "raw\0@x", DataPiece("raw", "@x")),
    ],
)
def test_values(kind: click.ParamType[Any], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((Size(), text) for text in ("0", "-1", "k", "1x", "1e9", "")),
        *((Checksum(), text) for text in ("sha256", "sha256:12", "crc32:12345678", "md5:" + "g" * 32)),
        *((HeaderText(), text) for text in ("A", "A b: c", "A: b\nC: d", ": x", "")),
        *((Part(), text) for text in ("x", "=y", "x=@", "x=y;headers=z")),
        (Data(), "@"),
        (Offset(), "-1"),
    ],
)
def test_wrong_values(kind: click.ParamType[Any], text: str) -> None:
    with pytest.raises(WrongValue):
        kind.convert(text, None, None)
