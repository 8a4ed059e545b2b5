"""The quick helpers, over a resolver of the test's; and what is a name and what an address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from netkit.addr import IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr
from netkit.dns import lookup
from netkit.dns.errors import DnsError
from netkit.dns.resolver import Resolver
from netkit.dns.system import Hosts, HostSource
from netkit.io import CancellationError, CancellationToken, DeadlineExceeded
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

pytestmark = pytest.mark.once

Scripted = Callable[[Script], ScriptedServer]

FOUND = [IpAddr.parse("127.0.0.1"), IpAddr.parse("127.0.0.2")]


def from_dns(asked: Asked) -> Any:
    """IPv4 addresses for every host but those that begin with `n`, which keep everybody waiting."""
    if asked.name.startswith("n"):
        return None
    if asked.rdtype == "PTR":
        return answer(asked, f"{asked.name} 60 PTR host.example.")
    if asked.rdtype == "AAAA":
        return (
            answer(asked, f"{asked.name} 60 AAAA fe80::1") if asked.name.startswith("six") else answer(asked)
        )
    return answer(asked, f"{asked.name} 60 A 127.0.0.1", f"{asked.name} 60 A 127.0.0.2")


@pytest.fixture(autouse=True)
def resolver(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """The helpers' shared resolver asks this server, and knows nothing of this system."""
    server = scripted(from_dns)
    made = Resolver([server.addr], hosts=Hosts(), sources=[HostSource("dns")], search=[])
    monkeypatch.setattr(lookup, "_resolver", made)
    return server


#: A helper, its arguments, what it gives; its `_async` form gives the same.
HELPERS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("lookup_host", ("host.example",), FOUND),
    ("lookup_host", ("192.0.2.1",), [Ipv4Addr("192.0.2.1")]),
    ("lookup_host_v4", ("six.example",), FOUND),
    ("lookup_host_v6", ("six.example",), [Ipv6Addr("fe80::1")]),
    ("lookup_addr", ("192.0.2.1",), "host.example"),
    ("lookup_addr", (Ipv6Addr("2001:db8::1"),), "host.example"),
    ("resolve", ("host.example", 443), [SocketAddr.new(address, 443) for address in FOUND]),
]


@pytest.mark.parametrize(("helper", "arguments", "expected"), HELPERS)
def test_helpers(helper: str, arguments: tuple[Any, ...], expected: Any) -> None:
    assert getattr(lookup, helper)(*arguments) == expected
    assert asyncio.run(getattr(lookup, f"{helper}_async")(*arguments)) == expected


@pytest.mark.parametrize(
    ("helper", "arguments"),
    [("lookup_host", ("n.example",)), ("lookup_host_v4", ("n.example",)), ("resolve", ("n.example", 1))],
)
def test_they_take_timeout_and_cancel(helper: str, arguments: tuple[Any, ...]) -> None:
    blocking, async_form = getattr(lookup, helper), getattr(lookup, f"{helper}_async")
    with pytest.raises(DeadlineExceeded):
        blocking(*arguments, timeout=0.02)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(async_form(*arguments, timeout=0.02))
    token = CancellationToken()
    token.cancel()
    with pytest.raises(CancellationError):
        blocking(*arguments, cancel=token)
    with pytest.raises(CancellationError):
        asyncio.run(async_form(*arguments, cancel=token))


def test_no_address_of_the_family() -> None:
    with pytest.raises(DnsError.HostNotFound):
        lookup.lookup_host_v6("host.example")


def test_one_resolver_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lookup.system_resolver() is lookup.system_resolver()
    monkeypatch.setattr(lookup, "_resolver", None)
    assert lookup.system_resolver() is lookup.system_resolver()


@pytest.mark.parametrize(
    ("text", "domain", "address"),
    [
        ("example.com", True, False),
        ("example.com.", True, False),
        ("xn--bcher-kva.example", True, False),
        ("bücher.example", True, False),
        ("localhost", True, False),
        ("3com.example", True, False),
        ("a-b.example", True, False),
        ("192.0.2.1", False, True),
        ("2001:db8::1", False, True),
        ("fe80::1%eth0", False, True),
        ("::ffff:192.0.2.1", False, True),
        ("", False, False),
        (".", False, False),
        ("a..b", False, False),
        ("-a.example", False, False),
        ("a-.example", False, False),
        ("a_b.example", False, False),
        ("a b.example", False, False),
        ("x" * 64 + ".example", False, False),
        (".".join(["a" * 60] * 5), False, False),
        ("192.0.2.256", False, False),
        ("192.0.2.1.", False, False),
        ("host.1", False, False),
        ("1.host", True, False),
        ("[::1]", False, False),
    ],
)
def test_what_is_what(text: str, domain: bool, address: bool) -> None:
    assert lookup.is_valid_domain(text) is domain
    assert lookup.is_ip_address(text) is address
