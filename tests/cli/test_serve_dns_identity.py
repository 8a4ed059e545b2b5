"""`netkit serve dns`: who the server is, cookies, and whom it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netkit._version import __version__
from netkit.cli.payload.dns.identity import ServerIdentity
from netkit.dns.authority.cookies import ServerCookies
from netkit.dns.authority.options import ServerOptions
from tests.cli.helpers import Result, run_netkit
from tests.cli.test_serve import Server, serving

pytestmark = pytest.mark.once

KEY = "hmac-sha256:k:c2VjcmV0IHNlY3JldCBzZWNyZXQ="
SECRET = bytes(range(16))
DEFAULTS: dict[str, Any] = {
    "identity": None, "server_version": None, "signed_only": False, "cookies": None, "cookie_secret": None
}  # fmt: skip


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("identity") / "zone"
    made.write_text("$ORIGIN e.\n@ 60 SOA a b 1 2 3 4 5\nwww 60 A 192.0.2.1\n")
    return made


@pytest.fixture(scope="module")
def server(zone: Path) -> Iterator[Server]:
    args = ["--identity", "one of two", "--cookies", "require", "--signed-only", "--tsig-key", KEY]
    with serving("dns", "--zone", str(zone), *args, sockets=2) as started:
        yield started
        assert started.end()[0] == 0


def dig(server: Server, *args: str) -> dict[str, Any]:
    addr = server.addr("udp")
    result = run_netkit("dig", f"@{addr.ip}", "-p", str(addr.port), *args, "--json")
    row: dict[str, Any] = json.loads(result.stdout)
    return row


def test_who_it_is(server: Server) -> None:
    row = dig(server, "id.server", "TXT", "CH", "-y", KEY)
    assert [record["rdata"] for record in row["answer"]] == ['"one of two"']
    row = dig(server, "version.bind", "TXT", "CH", "-y", KEY)
    assert [record["rdata"] for record in row["answer"]] == [f'"netkit {__version__}"']


def test_nsid_and_a_cookie_after_the_first_was_refused(server: Server) -> None:
    row = dig(server, "www.e", "+nsid", "+cookie", "-y", KEY)
    assert (row["rcode"], [record["rdata"] for record in row["answer"]]) == ("NOERROR", ["192.0.2.1"])
    assert {option["name"] for option in row["edns"]["options"]} == {"NSID", "COOKIE"}


def test_whoever_does_not_sign_is_refused(server: Server) -> None:
    row = dig(server, "www.e")
    assert row["rcode"] == "REFUSED"
    assert "18 (Prohibited)" in [option["text"] for option in row["edns"]["options"]]


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, ServerOptions(None, f"netkit {__version__}")),
        ({"identity": "", "server_version": ""}, ServerOptions()),
        ({"identity": "x", "server_version": "y"}, ServerOptions("x", "y")),
    ],
)
def test_what_it_is_told(given: dict[str, Any], options: ServerOptions) -> None:
    assert ServerIdentity(**{**DEFAULTS, **given}).server_options() == options


def test_a_secret_is_shared_or_random() -> None:
    made = [
        ServerIdentity(**{**DEFAULTS, "cookies": "offer", "cookie_secret": secret}).server_options().cookies
        for secret in (SECRET, SECRET, None, None)
    ]
    from netkit.addr import IpAddr

    here = IpAddr.parse("192.0.2.1")
    cookies = [each.make(b"a client", here, 0) for each in made if each is not None]
    assert cookies[0] == cookies[1] == ServerCookies(SECRET).make(b"a client", here, 0)
    assert len(set(cookies)) == 3


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--identity", "x" * 256], "256 octets of text"),
        (["--server-version", "\N{EURO SIGN}" * 86], "258 octets of text"),
        (["--cookies", "always"], "'always' is not one of"),
        (["--cookies", "offer", "--cookie-secret", "00"], "32 hexadecimal digits"),
        (["--cookies", "offer", "--cookie-secret", "x" * 32], "32 hexadecimal digits"),
        (["--cookie-secret", "00" * 16], "--cookie-secret without --cookies"),
        (["--signed-only"], "--signed-only without a key"),
    ],
)
def test_wrong_usage(netkit: Callable[..., Result], zone: Path, args: list[str], says: str) -> None:
    result = netkit("serve", "dns", "--zone", str(zone), *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert "x" * 32 not in result.stderr or "256" in says
