"""`netkit range`, `netkit link` and `netkit http negotiate`: each form of output, and how each ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.helpers import Result

Netkit = Callable[..., Result]


def test_range_shows_the_parts_and_the_answer(netkit: Netkit) -> None:
    done = netkit("range", "bytes=0-499, 400-899, -100, 99999-", "--length", "10000", "--json")
    assert done.exit_code == 0
    (row,) = done.json
    assert row["status"] == 206
    assert [(part["first"], part["last"]) for part in row["parts"]] == [(0, 899), (9900, 9999)]
    assert row["dropped"] == ["99999-"]
    assert row["headers"][0]["value"] == "multipart/byteranges; boundary=netkit-part"
    assert netkit("range", "Range: bytes=0-4", "--length", "9", "--short").lines == ["0-4"]
    assert netkit("range", "bytes=0-4", "--length", "9").lines == [
        "bytes=0-4\tstatus\t206",
        "bytes=0-4\tpart\t0\t4\t5",
        "bytes=0-4\theader\tContent-Range\tbytes 0-4/9",
        "bytes=0-4\theader\tContent-Type\tapplication/octet-stream",
        "bytes=0-4\theader\tContent-Length\t5",
    ]


def test_range_draws_a_picture(netkit: Netkit) -> None:
    done = netkit("range", "bytes=0-4, 9-9", "--length", "10", "--color", "never", tty=True)
    assert "[█████····█]" in done.stdout
    assert " 0        9" in done.stdout
    assert "bytes 0-4/10" in done.stdout
    for length in ("1", "2", "999999999999999999"):
        assert netkit("range", "bytes=0-0", "--length", length, tty=True).exit_code == 0


def test_range_that_cannot_be_satisfied_is_a_no(netkit: Netkit) -> None:
    for length in ("100", "0"):
        done = netkit("range", "bytes=500-", "--length", length, "--json")
        assert done.exit_code == 1
        (row,) = done.json
        assert (row["status"], row["error"]["kind"], row["error"]["layer"]) == (
            416,
            "UnsatisfiableRange",
            "http",
        )
        assert row["headers"][0] == {"name": "Content-Range", "value": f"bytes */{length}"}
        assert netkit("range", "bytes=500-", "--length", length, tty=True).exit_code == 1


def test_range_suffix_of_an_empty_file(netkit: Netkit) -> None:
    done = netkit("range", "bytes=-5", "--length", "0", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    (row,) = done.json
    assert (row["status"], row["asked"], row["dropped"], row["parts"]) == (200, ["-5"], [], [])
    assert {"name": "Content-Length", "value": "0"} in row["headers"]
    assert netkit("range", "bytes=-5", "--length", "0").lines[0].split("\t")[1:] == ["status", "200"]
    assert "a suffix of it is satisfiable" in netkit("range", "bytes=-5", "--length", "0", tty=True).stdout
    assert netkit("range", "bytes=-0", "--length", "0").exit_code == 1


@pytest.mark.parametrize(
    "args",
    [
        ("bytes=5-2", "--length", "9"),
        ("items=1-2", "--length", "9"),
        ("bytes=0-1",),
        ("bytes=0-1", "--length", "-1"),
        ("bytes=0-1", "--length", "9", "--boundary", "a b\n"),
        ("bytes=0-1", "--length", "9", "--boundary", "a "),
        ("bytes=0-1", "--length", "9", "--content-type", "text"),
        ("bytes=0-1", "--length", "9", "--content-type", 'text/html; a="\u20ac"'),
        ("--length", "9"),
    ],
)
def test_range_used_wrongly(netkit: Netkit, args: tuple[str, ...]) -> None:
    done = netkit("range", *args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "hint: " in done.stderr


def test_range_quotes_a_boundary_that_needs_it(netkit: Netkit) -> None:
    done = netkit("range", "bytes=0-1,5-6", "--length", "9", "--boundary", "a:b", "--json")
    assert done.json[0]["headers"][0]["value"] == 'multipart/byteranges; boundary="a:b"'


def test_range_of_several_inputs(netkit: Netkit) -> None:
    done = netkit(
        "range", "--length", "9", "--json", "-f", "-", "--ordered", stdin=b"bytes=0-1\nbytes=9-\nnonsense\n"
    )
    assert done.exit_code == 9
    assert [row.get("status") for row in done.json] == [206, 416, None]
    assert done.json[2]["error"]["kind"] == "BadInput"


LINKS = (
    '<items?page=2>; rel="next"; title="Page 2", </items?page=9>; rel=last, '
    "<https://other.example/>; rel=\"next\"; anchor=/x; title*=UTF-8'de'%C3%A4"
)


def test_link_shows_every_link(netkit: Netkit) -> None:
    (row,) = netkit("link", f"Link: {LINKS}", "--json", "--base", "https://api.example/items").json
    assert [link["uri"] for link in row["links"]] == [
        "https://api.example/items?page=2",
        "https://api.example/items?page=9",
        "https://other.example/",
    ]
    assert [link["anchor"] for link in row["links"]] == [None, None, "https://api.example/x"]
    assert row["links"][2]["title"] == "ä"
    assert row["links"][2]["params"][2] == {"name": "title*", "value": "ä", "language": "de"}
    table = netkit("link", LINKS, tty=True).stdout
    assert "Page 2" in table
    assert "items?page=2" in table
    assert netkit("link", LINKS).lines[1] == f"{LINKS}\tlast\t/items?page=9\t-\t-"
    assert len(netkit("link", LINKS, "--short").lines) == 3


def test_link_rel_gives_the_uri_alone(netkit: Netkit) -> None:
    for tty in (False, True):
        done = netkit("link", LINKS, "--rel", "NEXT", "--base", "https://api.example/a/b", tty=tty)
        assert (done.exit_code, done.stdout.strip()) == (0, "https://api.example/a/items?page=2")
        absent = netkit("link", LINKS, "--rel", "prev", tty=tty)
        assert (absent.exit_code, absent.stdout) == (1, "")
    only = '<https://other.example/>; rel=next; anchor="/x"'
    assert netkit("link", only, "--rel", "next").exit_code == 1
    assert netkit("link", only, "--rel", "next", "--anchored").lines == ["https://other.example/"]


def test_link_of_several_inputs_has_a_row_for_each(netkit: Netkit) -> None:
    """With a byte order mark before them, as some editors put it."""
    many = b"\xef\xbb\xbf<a>; rel=prev\n<b>; rel=next, <c>; rel=next\n,\n"
    done = netkit("link", "-f", "-", "--rel", "next", "--ordered", stdin=many)
    assert done.lines == ["<a>; rel=prev\t-", "<b>; rel=next, <c>; rel=next\tb", ",\t-"]
    assert done.exit_code == 9
    done = netkit("link", "-f", "-", "--ordered", stdin=many)
    assert [line.split("\t")[1:3] for line in done.lines] == [
        ["prev", "a"],
        ["next", "b"],
        ["next", "c"],
        ["-", "-"],
    ]


def test_link_about_the_resource_itself(netkit: Netkit) -> None:
    about = '</b>; rel=next; anchor="https://api.example/a"'
    done = netkit("link", about, "--rel", "next", "--base", "https://api.example/a")
    assert done.lines == ["https://api.example/b"]
    assert netkit("link", about, "--rel", "next").exit_code == 1


def test_link_takes_a_long_argument_and_names_it_shortly(netkit: Netkit) -> None:
    assert netkit("link", f"<{'a' * 20_000}>; rel=x", "--rel", "x").lines == ["a" * 20_000]
    done = netkit("link", f"<{'a' * 70_000}>")
    assert done.exit_code == 2
    assert len(done.stderr) < 1000
    done = netkit("link", "-f", "-", stdin=b"<%s>" % (b"a" * 20_000))
    assert "over 16,384 bytes" in done.stderr
    assert len(done.stderr) < 1000


def test_link_resolves_as_browsers_do(netkit: Netkit) -> None:
    done = netkit("link", r"<\\\\host.example\a\..\b>;rel=x", "--rel", "x", "--base", "https://api.example/")
    assert done.lines == ["https://host.example/b"]


def test_link_writes_no_control_characters(netkit: Netkit) -> None:
    done = netkit("link", "<a>; rel=x; title*=UTF-8''%1b%5b31m%0a")
    assert "\x1b" not in done.stdout
    assert len(done.lines) == 1


@pytest.mark.parametrize(
    "args",
    [
        ("<a",),
        ("<a>; rel=x", "--anchored"),
        ("<a>; rel=x", "--base", "/relative"),
        ("<a>", "--base", "mailto:x@y"),
        (),
    ],
)
def test_link_used_wrongly(netkit: Netkit, args: tuple[str, ...]) -> None:
    done = netkit("link", *args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "hint: " in done.stderr


@pytest.mark.parametrize(
    ("args", "chosen"),
    [
        (
            (
                "Accept: text/html;q=0.9, application/json",
                "--offer",
                "text/html",
                "--offer",
                "application/json",
            ),
            1,
        ),
        (("text/*;q=0.5, text/css;q=0", "--offer", "text/css", "--offer", "text/html"), 1),
        (("--field", "encoding", "gzip, br;q=0", "--offer", "br", "--offer", "gzip"), 1),
        (("Accept-Language: de-CH, en;q=0.5", "--offer", "en-GB", "--offer", "de-CH-1996"), 1),
        (("--field", "charset", "utf-8", "--offer", "UTF-8"), 0),
    ],
)
def test_negotiate_chooses(netkit: Netkit, args: tuple[str, ...], chosen: int) -> None:
    offers = [args[index + 1] for index, word in enumerate(args) if word == "--offer"]
    done = netkit("http", "negotiate", "--short", *args)
    assert (done.exit_code, done.lines) == (0, [offers[chosen]])
    (row,) = netkit("http", "negotiate", "--json", *args).json
    assert row["chosen"] == offers[chosen] == row["offers"][0]["offer"]
    assert len(row["offers"]) == len(offers)


@pytest.mark.parametrize(
    ("header", "offer"),
    [
        ("Accept: */*", "de"),
        ("Accept-Encoding: *", "*"),
        ("Accept-Encoding: *", "a;q=1"),
        ("Accept-Language: *", "en_GB"),
        ("Accept-Charset: *", ""),
    ],
)
def test_negotiate_says_what_cannot_be_offered(netkit: Netkit, header: str, offer: str) -> None:
    done = netkit("http", "negotiate", header, "--offer", offer)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"--offer {offer!r} is no " in done.stderr
    assert "hint: " in done.stderr


def test_negotiate_says_why(netkit: Netkit) -> None:
    args = ("http", "negotiate", "text/*;q=0.5, text/css;q=0", "--offer", "text/css", "--offer", "text/html")
    table = netkit(*args, "--color", "never", tty=True).stdout
    assert "✓ chosen" in table
    assert "rejected by text/css;q=0" in table
    assert netkit(*args).lines == [
        "text/*;q=0.5, text/css;q=0\ttext/html\tchosen\t0.5\ttext/*\tmatched by text/*",
        "text/*;q=0.5, text/css;q=0\ttext/css\trefused\t0\ttext/css\trejected by text/css;q=0",
    ]


def test_negotiate_falls_back_to_identity_or_says_no(netkit: Netkit) -> None:
    done = netkit("http", "negotiate", "Accept-Encoding: br;q=0", "--offer", "br", "--short")
    assert (done.exit_code, done.lines) == (0, ["identity"])
    for header in ("Accept-Encoding: identity;q=0", "Accept: image/png;q=0", "Accept: text/css"):
        offer = "br" if "Encoding" in header else "image/png"
        done = netkit("http", "negotiate", header, "--offer", offer, "--json")
        assert (done.exit_code, done.json[0]["chosen"]) == (1, None)


JAVA = "text/html, image/gif, *; q=.2, */*; q=.2"


def test_negotiate_drops_what_is_malformed_and_says_so(netkit: Netkit) -> None:
    args = ("http", "negotiate", JAVA, "--offer", "image/gif")
    reasons = ["'/' expected, not ';'", "the weight '.2' is not 0 to 1 with up to three decimals"]
    (row,) = netkit(*args, "--json").json
    assert row["chosen"] == "image/gif"
    assert row["dropped"] == [
        {"member": "*; q=.2", "offset": 22, "reason": reasons[0]},
        {"member": "*/*; q=.2", "offset": 31, "reason": reasons[1]},
    ]
    assert netkit(*args).lines[1:] == [
        f"{JAVA}\t*; q=.2\tdropped\t-\t-\t{reasons[0]}",
        f"{JAVA}\t*/*; q=.2\tdropped\t-\t-\t{reasons[1]}",
    ]
    assert "dropped, as it breaks the grammar: *; q=.2" in netkit(*args, tty=True).stdout
    short = netkit(*args, "--short")
    assert short.lines == ["image/gif"]
    assert f"dropped '*; q=.2', which breaks the grammar: {reasons[0]}" in short.stderr
    assert netkit("http", "negotiate", "*/*", "--offer", "a/b", "--json").json[0]["dropped"] == []


def test_link_drops_what_is_malformed_and_says_so(netkit: Netkit) -> None:
    args = ("link", "</a>; rel=next, b>; rel=x")
    done = netkit(*args)
    assert (done.exit_code, len(done.lines)) == (0, 1)
    assert "dropped 'b>; rel=x', which breaks the grammar: a target in <> expected" in done.stderr
    done = netkit(*args, "--json")
    assert done.stderr == ""
    assert [each["member"] for each in done.json[0]["dropped"]] == ["b>; rel=x"]
    assert netkit("link", "b>; rel=x").exit_code == 2


def test_what_is_dropped_cannot_steer_a_terminal(netkit: Netkit) -> None:
    for args in (("link", "<a>, \x1b]0;x\x07"), ("http", "negotiate", "a/b, \x1b]0;x\x07", "--offer", "a/b")):
        for more in ((), ("--short",), ("--json",)):
            for tty in (False, True):
                done = netkit(*args, *more, tty=tty)
                assert done.exit_code == 0
                assert "\x1b]" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("text/html",),
        ("text/html;q=9", "--offer", "a/b"),
        ("text/html", "--offer", "html"),
        ("--offer", "a/b"),
    ],
)
def test_negotiate_used_wrongly(netkit: Netkit, args: tuple[str, ...]) -> None:
    done = netkit("http", "negotiate", *args)
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize("more", [(), ("--offer", "gzip")])
def test_negotiate_asks_which_field_it_is(netkit: Netkit, more: tuple[str, ...]) -> None:
    done = netkit("http", "negotiate", "gzip, br", *more)
    assert done.exit_code == 2
    assert done.stderr == (
        "netkit: http negotiate: which field is 'gzip, br'? It is no Accept\n"
        "hint: write its name, as in 'Accept-Encoding: gzip, br', or say --field encoding\n"
    )
    for right in (("Accept-Encoding: gzip, br",), ("gzip, br", "--field", "encoding")):
        assert netkit("http", "negotiate", *right, "--offer", "gzip", "--short").stdout == "gzip\n"


def test_negotiate_without_an_offer(netkit: Netkit) -> None:
    done = netkit("http", "negotiate", "text/html")
    assert done.stderr == (
        "netkit: http negotiate: --offer OFFER is missing\n"
        "hint: say what the server has, as in --offer text/html\n"
    )


def test_an_option_that_is_missing_is_named(netkit: Netkit) -> None:
    assert netkit("range", "bytes=0-1").stderr.startswith("netkit: range: --length N is missing\n")
