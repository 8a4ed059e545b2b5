"""`netkit link URL` and `netkit range --url URL`: a server is asked, and its answer explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cli.helpers import Result
from tests.cli.http_servers import CONTENT, Server, http_server, raw_server

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with http_server() as running:
        yield running


def test_the_links_of_a_url(netkit: Netkit, server: Server) -> None:
    url = server.url("/links")
    done = netkit("link", url)
    assert done.exit_code == 0
    assert done.lines[0].split("\t")[:3] == [url, "next", server.url("/links?page=2")]
    assert netkit("link", "--rel", "next", url).lines == [server.url("/links?page=2")]
    (row,) = netkit("link", "--json", url).json
    assert (row["url"], row["status"], len(row["links"])) == (url, 200, 2)
    nothing = netkit("link", server.url("/json"))
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert "no link in the answer (HTTP 200)" in nothing.stderr
    assert "no link with the relation up in" in netkit("link", "--rel", "up", url).stderr


def test_pages_are_followed_to_the_last(netkit: Netkit, server: Server) -> None:
    server.requests.clear()
    done = netkit("link", "--follow", "--json", server.url("/links"))
    assert [row["url"] for row in done.json] == [
        server.url("/links"),
        server.url("/links?page=2"),
        server.url("/links?page=3"),
    ]
    assert done.exit_code == 0
    assert len(server.requests) == 3


def test_pages_in_a_circle_end(netkit: Netkit) -> None:
    answer = b"HTTP/1.1 200 OK\r\nLink: </b>; rel=next\r\nContent-Length: 0\r\n\r\n"
    with raw_server(answer) as server:
        done = netkit("link", "--follow", server.url("/a"))
    assert done.exit_code == 0
    assert len(server.requests) == 2
    assert "/b was there before: it is not followed" in done.stderr


def test_what_a_server_does_wrong_is_shown(netkit: Netkit) -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n") as server:
        for words in (["link", server.url()], ["range", "bytes=0-1", "--url", server.url()]):
            done = netkit(*words)
            assert done.exit_code == 6
            assert done.stderr.splitlines()[1:] == [r"    A b: c\r\n", "     ^"]


def test_a_hint_names_no_option_of_another_command(netkit: Netkit) -> None:
    with raw_server(bytes.fromhex("000006040000000000000300000064")) as server:
        done = netkit("link", server.url())
    assert done.stderr.splitlines()[-1] == "hint: these are frames of HTTP/2, which was not asked for"


def test_urls_without_a_scheme(netkit: Netkit, server: Server) -> None:
    done = netkit("range", "bytes=0-1", "--url", server.address + "/file")
    assert done.exit_code == 0, done
    assert "a URL begins with http://" in netkit("link", server.address).stderr
    wrong = netkit("range", "bytes=0-1", "--url", "ftp://a/")
    assert (wrong.exit_code, "not one of HTTP" in wrong.stderr) == (2, True)


def test_a_url_that_fails(netkit: Netkit) -> None:
    assert netkit("link", "http://nowhere.invalid/").exit_code == 3
    assert netkit("link", "http://a b/").exit_code == 2


def test_the_ranges_of_a_url(netkit: Netkit, server: Server) -> None:
    done = netkit("range", "bytes=99990-", "--url", server.url("/file"))
    assert done.exit_code == 0
    lines = [line.split("\t")[1:] for line in done.lines]
    assert ["part", "99990", "99999", "10"] in lines
    assert ["seen", "206", "bytes 99990-99999/100000", "bytes"] in lines
    assert ["verdict", "the server answers so"] in lines
    row = netkit("range", "bytes=0-4", "--json", "--url", server.url("/json")).json[0]
    assert (row["status"], row["seen"]["status"], row["seen"]["as_expected"]) == (206, 200, True)
    shown = netkit("range", "bytes=99990-", "--url", server.url("/file"), tty=True).stdout
    assert "Seen 206" in shown


def test_a_range_that_cannot_be_satisfied(netkit: Netkit, server: Server) -> None:
    done = netkit("range", f"bytes={len(CONTENT)}-", "--url", server.url("/file"), "--json")
    assert done.exit_code == 1
    assert (done.json[0]["status"], done.json[0]["seen"]["status"]) == (416, 416)


def test_a_server_that_answers_wrongly(netkit: Netkit) -> None:
    wrong = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nwhat"
    with raw_server(wrong) as server:
        row = netkit("range", "bytes=4-7", "--json", "--url", server.url()).json[0]
        assert row["seen"]["as_expected"] is False
        assert (
            "the server sends bytes 0-3/9, not bytes 4-7/9"
            in netkit("range", "bytes=4-7", "--url", server.url()).stdout
        )


def test_a_server_that_has_nothing(netkit: Netkit, server: Server) -> None:
    done = netkit("range", "bytes=0-1", "--url", server.url("/nowhere"))
    assert (done.exit_code, "the server answers 404" in done.stderr) == (6, True)
    assert netkit("range", "bytes=0-1", "--url", server.url(), "--length", "5").exit_code == 2
