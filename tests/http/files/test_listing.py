"""Listings of directories: what is in them, in which order, and that no name can do anything."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from netkit.http.files.entries import Entry, Order, shown
from netkit.http.files.page import Page, html, policy, size_text
from tests.http.files.tree import KEPT, SECRET, ask, get, serving, write

pytestmark = pytest.mark.once

#: Names that a page must survive, as octets.
NAMES = [
    b"<script>alert(1)<",
    b"a\"b'c",
    b"a&amp;b",
    b"new\nline",
    b"\x1b[31mred\x07",
    b"caf\xe9",
    "e\u0301 \u202etxt.exe".encode(),
    b"a:b",
    b"javascript:alert(1)",
    b"?q#f",
    b"100%25",
    b" space ",
    b"--",
    b"\\back\\slash",
    "日本語".encode(),
]


class Links(HTMLParser):
    """Every tag of a page, and the text of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.links: list[tuple[str, str]] = []
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self._open = dict(attrs)["href"]
            self.links.append((self._open or "", ""))

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.links[-1] = (self.links[-1][0], self.links[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None


def read(page: bytes) -> Links:
    parser = Links()
    parser.feed(page.decode())
    return parser


def test_a_page(root: Path) -> None:
    with serving(root) as served:
        reply = get(served, "/sub/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
        assert reply.status == 200
        assert reply.field(b"content-type") == b"text/html; charset=utf-8"
        assert reply.field(b"vary") == b"accept, accept-encoding"
        assert reply.field(b"x-content-type-options") == b"nosniff"
        assert reply.field(b"content-security-policy") == policy()
        assert reply.field(b"referrer-policy") == b"same-origin"
        page = read(reply.body)
        assert ("../", "/") in page.links  # the way from the root
        assert ("../", "..") in page.links
        assert page.links[-2:] == [("deep/", "deep/"), ("b.txt", "b.txt")]
        assert not [tag for tag, _ in page.tags if tag in ("script", "img", "link", "iframe", "form")]
        assert not [1 for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"]


def test_the_style_is_the_one_that_the_policy_names(root: Path) -> None:
    from base64 import b64encode
    from hashlib import sha256

    with serving(root) as served:
        page = get(served, "/").body
    style = page.partition(b"<style>")[2].partition(b"</style>")[0]
    assert b"'sha256-" + b64encode(sha256(style).digest()) + b"'" in policy()
    assert b"prefers-color-scheme:dark" in style
    assert b"url(" not in style
    assert b"@import" not in style


def test_names_do_nothing_but_lead_to_their_files(root: Path) -> None:
    place = os.fsencode(root / "names")
    os.mkdir(place)
    for number, name in enumerate(NAMES):
        Path(os.fsdecode(place + b"/" + name)).write_text(str(number))
    os.mkdir(place + b"/<i>")
    with serving(root) as served, served.client() as client:
        reply = ask(client, "/names/")
        page = read(reply.body)
        allowed = {"html", "head", "meta", "title", "style", "body", "h1", "a", "table", "thead", "tr", "th"}
        allowed |= {"tbody", "td", "time"}
        assert {tag for tag, _ in page.tags} <= allowed
        found = set()
        for reference, text in page.links:
            if reference.startswith(("../", "?")):
                continue
            assert not set(reference) & set(":?#\\\"'<> \n")
            name = unquote_to_bytes(reference)
            assert text == shown(name)
            assert all(char.isprintable() or char == "\ufffd" for char in text.replace(" ", ""))
            assert "\u202e" not in text
            status = ask(client, b"/names/" + reference.encode())
            assert status.status == 200
            if not name.endswith(b"/"):
                assert status.body == b"%d" % NAMES.index(name)
            found.add(name)
        assert found == {*NAMES, b"<i>/"}

        as_json = json.loads(ask(client, "/names/", ["Accept: application/json"]).body)
        assert {unquote_to_bytes(each["url"]) for each in as_json["entries"]} == found
        as_text = ask(client, "/names/", ["Accept: text/plain"]).body
        assert len(as_text.splitlines()) == len(found)
        assert not set(as_text.replace(b"\n", b"")) & set(range(0x20))


def test_as_json(root: Path) -> None:
    with serving(root) as served:
        reply = get(served, "/sub/", "Accept: application/json")
        assert reply.field(b"content-type") == b"application/json"
        assert json.loads(reply.body) == {
            "path": "/sub/",
            "complete": True,
            "entries": [
                {
                    "name": "deep",
                    "type": "directory",
                    "size": None,
                    "modified": json.loads(reply.body)["entries"][0]["modified"],
                    "url": "deep/",
                },
                {
                    "name": "b.txt",
                    "type": "file",
                    "size": 15,
                    "modified": "2026-01-02T03:04:05Z",
                    "url": "b.txt",
                },
            ],
        }
        assert get(served, "/sub/", "Accept: image/png").status == 406
        assert get(served, "/sub/", "Accept: text/plain").body == b"deep/\nb.txt\n"
        assert get(served, "/sub/", "Accept: nonsense").field(b"content-type") == b"text/html; charset=utf-8"


def test_what_is_not_listed(root: Path) -> None:
    from tests.http.files.test_escapes import escapes

    escapes(root)
    (root / "link-in").symlink_to("a.txt")
    (root / "link-dir").symlink_to("sub")
    with serving(root) as served:
        names = get(served, "/", "Accept: text/plain").body.decode().split()
        assert names == ["link-dir/", "site/", "sub/", "a.txt", "big.bin", "empty", "link-in"]
        whole = get(served, "/").body
        assert KEPT not in whole
        assert SECRET not in whole


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["d10", "file1", "File2", "file10"]),
        ("?sort=name&order=desc", ["d10", "file10", "File2", "file1"]),
        ("?sort=size", ["d10", "file10", "file1", "File2"]),
        ("?sort=size&order=desc", ["d10", "File2", "file1", "file10"]),
        ("?sort=modified", ["d10", "File2", "file10", "file1"]),
        ("?sort=modified&order=desc", ["d10", "file1", "file10", "File2"]),
        ("?sort=nonsense&order=asc", ["d10", "file1", "File2", "file10"]),
        ("?sort=%00&sort=size&order", ["d10", "file1", "File2", "file10"]),
    ],
)
def test_order(tmp_path: Path, query: str, names: list[str]) -> None:
    root = tmp_path / "ordered"
    write(root / "file1", "22", 3_000)
    write(root / "File2", "333", 1_000)
    write(root / "file10", "1", 2_000)
    (root / "d10").mkdir()
    with serving(root) as served:
        reply = get(served, f"/{query}", "Accept: application/json")
        assert [each["name"] for each in json.loads(reply.body)["entries"]] == names
        page = read(get(served, f"/{query}").body)
        assert [text.rstrip("/") for reference, text in page.links if "?" not in reference] == names
        assert sum("aria-sort" in attrs for _, attrs in page.tags) == 1


def test_a_directory_of_many(tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(1_000):
        (root / f"{number}").touch()
    with serving(root, max_entries=700) as served:
        reply = get(served, "/", "Accept: application/json", "Accept-Encoding: gzip")
        assert reply.field(b"content-encoding") == b"gzip"
        found = json.loads(get(served, "/", "Accept: application/json").body)
        assert (len(found["entries"]), found["complete"]) == (700, False)
        assert b"there are more" in get(served, "/").body
    with serving(root) as served:
        found = json.loads(get(served, "/", "Accept: application/json").body)
        assert (len(found["entries"]), found["complete"]) == (1_000, True)
        assert [each["name"] for each in found["entries"]] == [str(number) for number in range(1_000)]


def test_what_the_page_offers() -> None:
    plain = b"".join(html(Page((), [])))
    assert b"<form" not in plain
    assert b"archive" not in plain
    full = b"".join(
        html(
            Page(
                (b"a", b"b"), [], can_upload=True, can_upload_folders=True, archives=("zip",), is_whole=False
            )
        )
    )
    page = read(full)
    assert ("?archive=zip", "zip") in page.links
    assert ("../../", "/") in page.links
    [form] = [attrs for tag, attrs in page.tags if tag == "form"]
    assert form == {"method": "post", "action": "./", "enctype": "multipart/form-data"}
    assert [attrs["name"] for tag, attrs in page.tags if tag == "input"] == ["file", "folder"]


def test_times_and_sizes_of_any_value() -> None:
    for changed in (-(10**30), -1, 0, 10**30):
        entry = Entry(b"a", False, 0, changed)
        assert b"a</a>" in b"".join(html(Page((), [entry])))
    assert [size_text(size) for size in (0, 1_023, 1_024, 10_188, 10_189, 2**20 - 1, 2**70)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "9.9 KiB",
        "10 KiB",
        "1.0 MiB",
        "1024 EiB",
    ]
    assert Order.of(None, None) == Order("name", descending=False)
