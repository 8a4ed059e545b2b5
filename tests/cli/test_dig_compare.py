"""`netkit dig --compare`: who is stale, lame, split or dead, in each form of the output."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from netkit.cli.commands.dig.grammar.watch_options import join_servers
from netkit.cli.frame.options import WrongValue
from netkit.dns import DnsServer, parse_zone
from netkit.net.errors import ListenError
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, address_of, run_netkit, run_netkit_process
from tests.conftest import free_port

pytestmark = pytest.mark.once

#: The servers of the zone, by the last octet of their loopback addresses; .15 is dead.
PRIMARY, STALE, SPLIT, LAME, DEAD, TWIN = ("127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14",
                                           "127.0.0.15", "127.0.0.16")  # fmt: skip
NS = "".join([f"@ 300 NS ns{n}\nns{n} 300 A 127.0.0.1{n}\n" for n in range(1, 6)])


def zone_text(serial: int, www: str = "192.0.2.1") -> str:
    return (
        f"$ORIGIN example.test.\n@ 300 SOA ns1 host {serial} 2 3 4 60\n{NS}@ 300 NS ns9.nowhere.test.\n"
        f'www 300 A {www}\nwww 300 A 192.0.2.3\nevil 300 TXT "\\027[2J{serial}"\n'
        "ok 300 NS ns1\n"
    )


#: A zone all of whose servers agree.
GOOD = (
    "$ORIGIN good.test.\n@ 300 SOA ns1 host 7 2 3 4 60\n@ 300 NS ns1\n@ 300 NS ns2\n"
    f"ns1 300 A {PRIMARY}\nns2 300 A {TWIN}\nwww 300 A 192.0.2.1\n"
)
OTHER = "$ORIGIN other.test.\n@ 300 SOA ns1 host 9 2 3 4 60\n"
CONTENT = {
    PRIMARY: (zone_text(2), GOOD),
    STALE: (zone_text(1),),
    SPLIT: (zone_text(2, "192.0.2.99"),),
    LAME: (OTHER,),
    TWIN: (zone_text(2), GOOD),
}


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    """The port of all servers."""
    for _ in range(20):
        chosen = free_port()
        with ExitStack() as stack:
            try:
                bound = [
                    DnsServer.bind(f"{address}:{chosen}", [parse_zone(text) for text in texts])
                    for address, texts in CONTENT.items()
                ]
            except ListenError:
                continue
            for server in bound:
                stack.enter_context(in_background(server.serve))
            yield str(chosen)
            return
    pytest.fail("no port is free at all loopback addresses")


def dig(port: str, *words: str, **how: Any) -> Result:
    return run_netkit("dig", "-p", port, "+tries=1", "+time=1", *words, **how)


def test_all_servers_that_are_named_agree(port: str) -> None:
    result = dig(port, "www.example.test", "--compare", PRIMARY, TWIN)
    assert (result.exit_code, result.stderr) == (0, "")
    cells = [line.split("\t") for line in result.lines]
    assert cells[0] == ["www.example.test. A", "compare", "agree", "servers=2", "groups=1"]
    assert cells[1][1:] == ["serial", "example.test.", "2", "newest", f"{PRIMARY}:{port},{TWIN}:{port}"]
    assert [each[1] for each in cells] == ["compare", "serial", "server", "server", "record", "record"]
    assert dig(port, "www.example.test", "--compare", PRIMARY, TWIN, "--short").stdout == ""


def test_a_stale_secondary_a_split_answer_and_a_dead_server(port: str) -> None:
    result = dig(port, "www.example.test", "--compare", PRIMARY, TWIN, STALE, SPLIT, DEAD)
    assert result.exit_code == 1
    assert result.stderr == ""
    (row,) = dig(port, "www.example.test", "--compare", PRIMARY, TWIN, STALE, SPLIT, DEAD, "--json").json
    assert row["event"] == "compared"
    assert row["agree"] is False
    assert [(each["zone_serial"], each["behind"]) for each in row["serials"]] == [(2, 0), (1, 1)]
    assert row["serials"][1]["servers"] == [f"{STALE}:{port}"]
    assert [each["group_index"] for each in row["servers"]] == [0, 0, 2, 1, None]
    assert row["servers"][4]["standing"] == "failed"
    assert row["servers"][4]["reason"] == "connection refused"
    split, stale = row["groups"][1]["difference"], row["groups"][2]["difference"]
    assert [each["rdata"] for each in split["only_first"]] == ["192.0.2.1"]
    assert [each["rdata"] for each in split["only_second"]] == ["192.0.2.99"]
    assert stale["serial_change"] == {"first_serial": 2, "second_serial": 1, "behind": 1}
    assert stale["only_first"] == stale["only_second"] == []
    differ = [line.split("\t")[1:] for line in result.lines if "\tdiffer\t" in line]
    assert ["differ", "3", "serial", "2", "1", "1 behind"] in differ
    assert ["differ", "2", "extra", "www.example.test.", "300", "IN", "A", "192.0.2.99"] in differ


def test_all_authoritative_servers(port: str) -> None:
    (row,) = dig(port, f"@{PRIMARY}", "www.example.test", "--compare", "auth", "--json").json
    assert row["zone"] == "example.test."
    assert {each["name"]: (each["standing"], each["server"]) for each in row["servers"]} == {
        "ns1.example.test.": ("answered", f"{PRIMARY}:{port}"),
        "ns2.example.test.": ("answered", f"{STALE}:{port}"),
        "ns3.example.test.": ("answered", f"{SPLIT}:{port}"),
        "ns4.example.test.": ("lame", f"{LAME}:{port}"),
        "ns5.example.test.": ("failed", f"{DEAD}:{port}"),
        "ns9.nowhere.test.": ("failed", None),
    }
    reasons = {each["name"]: each["reason"] for each in row["servers"]}
    assert reasons["ns4.example.test."] == "answers REFUSED"
    assert reasons["ns9.nowhere.test."].startswith("no address")
    short = dig(port, f"@{PRIMARY}", "www.example.test", "--compare=auth", "--short")
    assert short.lines == [
        *[f"{each}:{port}" for each in (STALE, SPLIT, LAME, DEAD)],
        "ns9.nowhere.test.",
    ]
    assert short.exit_code == 1


def test_authoritative_servers_that_agree_and_one_more(port: str) -> None:
    assert dig(port, f"@{PRIMARY}", "www.good.test", "--compare", "auth").exit_code == 0
    assert dig(port, f"@{PRIMARY}", "absent.good.test", "--compare", "auth").exit_code == 0
    (row,) = dig(port, f"@{PRIMARY}", "www.good.test", "--compare", f"auth,{LAME}", "--json").json
    assert [each["standing"] for each in row["servers"]] == ["answered"] * 3
    assert row["groups"][1]["difference"]["rcode_change"] == {
        "first_text": "NOERROR",
        "second_text": "REFUSED",
    }


@pytest.mark.parametrize("width", [80, 160])
def test_on_a_terminal(port: str, width: int) -> None:
    words = (f"@{PRIMARY}", "www.example.test", "--compare", "auth")
    result = dig(port, *words, tty=True, width=width, env={"NO_COLOR": "1"})
    assert result.exit_code == 1
    assert max(map(len, result.lines)) <= width
    for part in ("1 of 6 servers agrees; 1 behind in serial; 1 lame; 2 failed", "✗ 1 behind", "✓ newest",
                 "lame: answers REFUSED", "Answer of group 1", "192.0.2.99", "1 (1 behind)"):  # fmt: skip
        assert part in result.stdout, part


def test_hostile_text_reaches_no_terminal(port: str) -> None:
    for how in ({"tty": True}, {}):
        result = dig(port, "evil.example.test", "TXT", "--compare", PRIMARY, STALE, **how)
        assert "\x1b[2J" not in result.stdout
        assert "\\027[2J1" in result.stdout


def test_several_names(port: str) -> None:
    words = ("www.good.test", "www.example.test", "--compare", PRIMARY, SPLIT, "--ordered")
    result = dig(port, *words)
    assert result.exit_code == 1
    result = dig(port, "www.good.test", "www.example.test", "--compare", PRIMARY, TWIN, "--ordered")
    assert result.exit_code == 0
    shown = dig(port, *words, tty=True, width=100, env={"NO_COLOR": "1"})
    assert "differ" in shown.stdout


def test_each_query_is_explained(port: str) -> None:
    result = dig(port, "www.good.test", "--compare", PRIMARY, TWIN, "+explain")
    assert result.stdout.count(";; HISTORY of ") == 2
    shown = dig(port, "www.good.test", "--compare", PRIMARY, TWIN, "+explain", tty=True, width=120)
    assert shown.stdout.count("History of ") == 2


def test_nobody_answers(port: str) -> None:
    result = dig(port, "www.example.test", "--compare", DEAD, "127.0.0.17")
    assert result.exit_code == 3
    assert "connection refused" in result.stderr
    (row,) = dig(port, "www.example.test", "--compare", DEAD, "127.0.0.17", "--json").json
    assert row["error"]["kind"] == "Refused"
    assert row["groups"] == []
    assert dig(port, f"@{DEAD}", "www.example.test", "--compare", "auth").exit_code == 3


def test_a_silent_server_is_given_up_within_the_time_limit(port: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        words = ("www.good.test", "--compare", PRIMARY, address_of(silent), "--timeout", "0.3", "--json")
        result = run_netkit("dig", "-p", port, *words)
    assert result.exit_code == 1
    assert [each["standing"] for each in result.json[0]["servers"]] == ["answered", "failed"]
    assert result.json[0]["servers"][1]["reason"].startswith("no answer within ")


def test_the_same_server_twice_is_nothing_to_compare() -> None:
    result = run_netkit("dig", "@127.0.0.1:1", "www.example.test", "--compare", "127.0.0.1:1")
    assert result.exit_code == 3
    assert "nothing to compare: only one server is given, with one address" in result.stderr
    assert "hint: name a second server" in result.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--compare",), "a value is missing"),
        (("--compare", "--json"), "a server is missing"),
        (("--compare", "192.0.2.1"), "only one server is given"),
        (("--compare", "192.0.2.1,"), "a server is missing"),
        (("--compare", "192.0.2.1,a..b:x"), "is not a server"),
        (("--compare", "auth", "+search"), "--compare and +search exclude each other"),
        (("--compare", "auth", "+trace"), "--compare and +trace exclude each other"),
        (("--compare", "auth", "+yaml"), "--compare and +yaml exclude each other"),
        (("--compare", "auth", "--watch", "+domain=x.test"), "--watch and +domain exclude each other"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], reason: str) -> None:
    result = run_netkit("dig", "www.example.test", *words)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "servers", "rest"),
    [
        ("auth", "auth", []),
        ("192.0.2.1 192.0.2.2 www.example", "192.0.2.1,192.0.2.2", ["www.example"]),
        ("ns1.example ns2.example", "ns1.example", ["ns2.example"]),
        ("ns1.example @ns2.example auth MX", "ns1.example,@ns2.example,auth", ["MX"]),
        (
            "[2001:db8::1]:53 2001:db8::2 192.0.2.1#53 www",
            "[2001:db8::1]:53,2001:db8::2,192.0.2.1#53",
            ["www"],
        ),
        ("192.0.2.1 tls://192.0.2.2#x +tcp", "192.0.2.1,tls://192.0.2.2#x", ["+tcp"]),
        ("a,b www", "a,b", ["www"]),
    ],
)
def test_which_words_are_servers(words: str, servers: str, rest: list[str]) -> None:
    first, *more = words.split()
    more.reverse()
    assert join_servers(first, more) == servers
    assert list(reversed(more)) == rest


def test_an_option_is_no_server() -> None:
    with pytest.raises(WrongValue):
        join_servers("-p", [])


def test_at_servers_are_compared_too(port: str) -> None:
    (row,) = dig(port, f"@{PRIMARY}", "www.good.test", "--compare", TWIN, "--json").json
    assert [each["server"] for each in row["servers"]] == [f"{PRIMARY}:{port}", f"{TWIN}:{port}"]


def test_the_help_page_names_it() -> None:
    page = run_netkit("dig", "--help").stdout
    for word in ("--compare SERVER,...|auth", "--watch", "--until EXPR", "--interval", "--count"):
        assert word in page


def test_a_closed_pipe(port: str) -> None:
    import os

    read, write = os.pipe()
    os.close(read)
    try:
        result = run_netkit_process(
            "dig", "-p", port, "www.example.test", "--compare", PRIMARY, STALE, stdout=write
        )
    finally:
        os.close(write)
    assert (result.exit_code, result.stderr) == (141, "")
