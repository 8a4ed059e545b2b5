"""Values on the command line: what they mean, and the right form where they are wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import pytest

from netkit.addr import HostPort
from netkit.cli.frame import options
from tests.cli.helpers import Result

pytestmark = pytest.mark.once

GOOD: list[tuple[click.ParamType[Any], str, Any]] = [
    (options.Seconds(), "5", 5.0),
    (options.Seconds(), "0.25", 0.25),
    (options.Seconds(), "250ms", 0.25),
    (options.Seconds(), "2s", 2.0),
    (options.Seconds(), "1.5m", 90.0),
    (options.Seconds(), "1h", 3600.0),
    (options.Seconds(zero=True), "0", 0.0),
    (options.Seconds(zero=True), "0ms", 0.0),
    (options.Number(1, 10), "10", 10),
    (options.Number(), "0", 0),
    (options.Port(), "443", 443),
    (options.Port(), "https", 443),
    (options.Port("udp"), "domain", 53),
    (options.Address(), "192.0.2.1", "192.0.2.1"),
    (options.Address(), "2001:db8::1", "2001:db8::1"),
    (options.Network(), "192.0.2.0/24", "192.0.2.0/24"),
    (options.Network(), "::1", "::1/128"),
    (options.Rate(), "100/s", 0.01),
    (options.Rate(), "30/m", 2.0),
    (options.Rate(), "1/h", 3600.0),
    (options.Rate(), "4", 0.25),
    (options.Endpoint(), "example.com:443", "example.com:443"),
    (options.Endpoint(), "example.com:https", "example.com:443"),
    (options.Endpoint(), "[::1]:53", "[::1]:53"),
    (options.Endpoint(), ":8080", "localhost:8080"),
    (options.Endpoint(empty_host="0.0.0.0"), ":8080", "0.0.0.0:8080"),
    (options.Endpoint(443), "example.com", "example.com:443"),
    (options.Endpoint(443), "::1", "[::1]:443"),
    (options.Endpoint(443), "[::1]", "[::1]:443"),
    (options.Endpoint(), "https://example.com/path?q=1#f", "example.com:443"),
    (options.Endpoint(), "http://user:secret@example.com:8080/", "example.com:8080"),
    (options.Endpoint(), "wss://[2001:db8::1]/", "[2001:db8::1]:443"),
    (options.Endpoint(443), "http://example.com", "example.com:80"),
]

BAD: list[tuple[click.ParamType[Any], str, str]] = [
    (options.Seconds(), "five", "is not a time"),
    (options.Seconds(), "0", "above 0"),
    (options.Seconds(), "-1", "above 0"),
    (options.Seconds(), "inf", "above 0"),
    (options.Seconds(), "nan", "above 0"),
    (options.Seconds(zero=True), "-1", "from 0 up"),
    (options.Seconds(zero=True), "inf", "from 0 up"),
    (options.Seconds(), "nan", "above 0"),
    (options.Seconds(), "", "is not a time"),
    (options.Number(1, 10), "11", "out of range"),
    (options.Number(1), "0", "out of range"),
    (options.Number(), "-1", "is not a number"),
    (options.Number(), "9" * 5000, "out of range"),
    (options.Number(), "٣", "is not a number"),
    (options.Port(), "65536", "is not a port"),
    (options.Port(), "no-such-service", "is not a port"),
    (options.Address(), "example.com", "is not an IP address"),
    (options.Network(), "192.0.2.1/24", "is not a network"),
    (options.Rate(), "fast", "is not a rate"),
    (options.Rate(), "1/day", "is not a rate"),
    (options.Rate(), "0/s", "above 0"),
    (options.Endpoint(), "example.com", "port"),
    (options.Endpoint(443), "", "nothing is there"),
    (options.Endpoint(443), "a b", "cannot stand"),
    (options.File(), "", "empty"),
]


@pytest.mark.parametrize(("kind", "text", "value"), GOOD, ids=lambda v: v if isinstance(v, str) else None)
def test_good_values(kind: click.ParamType[Any], text: str, value: Any) -> None:
    found = kind.convert(text, None, None)
    if isinstance(value, str):
        assert str(found) == value
    else:
        assert found == value
        assert type(found) is type(value)
    assert kind.convert(found, None, None) == found, "a default that is a value already stays as it is"


@pytest.mark.parametrize(
    ("kind", "text", "message"), BAD, ids=lambda v: v[:20] if isinstance(v, str) else None
)
def test_wrong_values_show_the_form(kind: click.ParamType[Any], text: str, message: str) -> None:
    with pytest.raises(options.WrongValue) as caught:
        kind.convert(text, None, None)
    assert message in caught.value.message
    assert "write" in (caught.value.hint or "") or kind.name == "endpoint"


def test_an_endpoint_may_be_one_already() -> None:
    endpoint = HostPort("example.com", 443)
    assert options.Endpoint().convert(endpoint, None, None) is endpoint


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["say", "x", "--timeout", "soon"], "netkit: say: --timeout: 'soon' is not a time", "write seconds"),
        (["say", "x", "--timeout"], "netkit: say: option '--timeout' requires an argument", "netkit say"),
        (["say", "x", "--shrt"], "netkit: say: there is no option --shrt", "did you mean --short?"),
        (["say", "x", "-4", "-6"], "netkit: say: -4 and -6 exclude each other", "without either"),
        (["say", "x", "--json", "--short"], "netkit: say: --json and --short exclude", "choose one"),
        (["say", "x", "--color", "blue"], "netkit: say: --color: 'blue' is not one of", "netkit say"),
        (["say", "x", "--rate", "0/s"], "netkit: say: --rate: '0/s' is not a rate above 0", "100/s"),
        (["say", "x", "--concurrency", "0"], "netkit: say: --concurrency: '0' is out of range", "from 1"),
        (["say"], "netkit: say: WORD is missing", "-f FILE"),
        (["say", "a1"], "netkit: say: 'a1' has a digit in it", "netkit say"),
        (["raw", "count", "x"], "netkit: raw count: 'x' is not a number", "from 0 to 100"),
        (
            ["raw", "count", "1", "2"],
            "netkit: raw count: too many arguments: 2",
            "netkit raw count",
        ),
        (
            ["raw", "coutn"],
            "netkit: there is no command `netkit raw coutn`",
            "did you mean netkit raw count?",
        ),
        (["raw"], "netkit: raw: a command is missing", "count"),
        (["count"], "netkit: there is no command `netkit count`", "did you mean netkit raw count?"),
        (["saay"], "netkit: there is no command `netkit saay`", "did you mean netkit say?"),
        (["--bogus"], "netkit: there is no option --bogus", "netkit COMMAND"),
    ],
)
def test_usage_errors(netkit: Callable[..., Result], arguments: list[str], message: str, hint: str) -> None:
    result = netkit(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(message), result.stderr
    assert hint in result.stderr.partition("\n")[2], result.stderr


@pytest.mark.usefixtures("sample")
def test_families(netkit: Callable[..., Result]) -> None:
    assert netkit("say", "x", "-4").stderr == "family 4\n"
    assert netkit("say", "x", "-6").stderr == "family 6\n"
    assert netkit("say", "x").stderr == ""


@pytest.mark.usefixtures("sample")
def test_a_command_may_keep_letters_and_read_its_own_grammar(netkit: Callable[..., Result]) -> None:
    assert netkit("raw", "count", "-o", "+2").lines == ["0", "1"]
    assert netkit("raw", "count", "-q").exit_code == 2, "the short letters are not the frame's here"
    assert netkit("raw", "count", "--quiet").exit_code == 0
    assert netkit("raw", "count", "--plain").exit_code == 2, "a mode that the command does not offer"


@pytest.mark.parametrize("text", ["0102030405060708", "01:02:03:04:05:06:07:08", "0102 0304:05060708"])
def test_octets_are_written_in_one_form_everywhere(text: str) -> None:
    from netkit.cli.commands.dig.grammar.flag_values import Cookie
    from netkit.cli.commands.udp import Hex
    from netkit.cli.payload.dns.identity import Secret
    from netkit.dns.edns import EdnsOption

    octets = bytes(range(1, 9))
    assert Hex().convert(text, None, None) == options.parse_hex(text) == octets
    assert Cookie().convert(text, None, None) == EdnsOption.Cookie(octets)
    assert Secret().convert(f"{text} {text}", None, None) == octets * 2
    for wrong in ("0", "0x01", "zz"):
        with pytest.raises(ValueError, match="hex"):
            options.parse_hex(wrong)
