"""Destination address selection: the examples of RFC 6724 section 10.2, and the rules one by one."""

from __future__ import annotations

import errno
import itertools
import socket

import pytest
from hypothesis import given, strategies as st

from netkit.addr import IpAddr, Ipv4Addr, Ipv6Addr
from netkit.net.order import (
    GLOBAL,
    LINK_LOCAL,
    SITE_LOCAL,
    Destination,
    common_prefix_length,
    order_destinations,
    policy_of,
    scope_of,
    sort_destinations,
    source_address,
)


def destination(text: str) -> Destination:
    """`ADDRESS from SOURCE`, or the address alone where nothing would reach it."""
    address, _, source = text.partition(" from ")
    return Destination(IpAddr.parse(address), IpAddr.parse(source) if source else None)


#: RFC 6724 section 10.2: destinations with the sources that its text gives them, best first.
RFC_EXAMPLES = {
    "prefer matching scope": [
        "2001:db8:1::1 from 2001:db8:1::2",
        "198.51.100.121 from 169.254.13.78",
    ],
    "prefer matching scope, IPv4": [
        "198.51.100.121 from 198.51.100.117",
        "2001:db8:1::1 from fe80::1",
    ],
    "prefer higher precedence": [
        "2001:db8:1::1 from 2001:db8:1::2",
        "10.1.2.3 from 10.1.2.4",
    ],
    "prefer smaller scope": [
        "fe80::1 from fe80::2",
        "2001:db8:1::1 from 2001:db8:1::2",
    ],
    "prefer matching label": [
        "2002:c633:6401::1 from 2002:c633:6401::2",
        "2001:db8:1::1 from 2002:c633:6401::2",
    ],
    "prefer higher precedence, 6to4": [
        "2001:db8:1::1 from 2001:db8:1::2",
        "2002:c633:6401::1 from 2002:c633:6401::2",
    ],
}

#: The same for what those examples leave out.
MORE = {
    "avoid unreachable": ["10.1.2.3 from 10.1.2.4", "2001:db8::1"],
    "unreachable: precedence still": ["2001:db8::1", "192.0.2.1", "fc00::1"],
    "longest matching prefix": [
        "2001:db8:1::1 from 2001:db8:1::2",
        "2001:db8:3ffe::1 from 2001:db8:3f44::2",
    ],
    "an interface's bits do not count, order stays": [
        "2001:db8:1::ffff from 2001:db8:1::1",
        "2001:db8:1::2 from 2001:db8:1::1",
    ],
    "IPv4 stays as it came": [
        "203.0.113.9 from 198.51.100.7",
        "198.51.100.8 from 198.51.100.7",
    ],
    "unique local after IPv4, unless from its like": ["192.0.2.1 from 192.0.2.2", "fd00::1 from fd00::2"],
    "loopback first": ["::1 from ::1", "127.0.0.1 from 127.0.0.1"],
    "Teredo after IPv4": ["192.0.2.1 from 10.0.0.1", "2001::1 from 2001::2"],
    "a matching label beats precedence": ["192.0.2.1 from 10.0.0.1", "2001:db8::1 from fd00::2"],
}


@pytest.mark.parametrize("best_first", [*RFC_EXAMPLES.values(), *MORE.values()], ids=[*RFC_EXAMPLES, *MORE])
def test_examples(best_first: list[str]) -> None:
    expected = [destination(text) for text in best_first]
    assert sort_destinations(expected) == expected


@pytest.mark.parametrize(
    "best_first",
    [
        *RFC_EXAMPLES.values(),
        *(texts for name, texts in MORE.items() if "order stays" not in name and "as it came" not in name),
    ],
)
def test_whatever_order_they_come_in(best_first: list[str]) -> None:
    expected = [destination(text) for text in best_first]
    for shuffled in itertools.permutations(expected):
        assert sort_destinations(shuffled) == expected


@pytest.mark.parametrize(
    ("address", "precedence", "label"),
    [
        ("::1", 50, 0),
        ("2001:db8::1", 40, 1),
        ("ff02::1", 40, 1),
        ("192.0.2.1", 35, 4),
        ("::ffff:192.0.2.1", 35, 4),
        ("2002::1", 30, 2),
        ("2001::1", 5, 5),
        ("2001:1::1", 40, 1),
        ("fc00::1", 3, 13),
        ("fdff:ffff::1", 3, 13),
        ("fe00::1", 40, 1),
        ("::2", 1, 3),
        ("::192.0.2.1", 1, 3),
        ("::1:0:0:0", 40, 1),
        ("fec0::1", 1, 11),
        ("feff::1", 1, 11),
        ("3ffe::1", 1, 12),
        ("3fff::1", 40, 1),
    ],
)
def test_policy_table(address: str, precedence: int, label: int) -> None:
    found = policy_of(IpAddr.parse(address))
    assert (found.precedence, found.label) == (precedence, label)


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("::1", LINK_LOCAL),
        ("fe80::1", LINK_LOCAL),
        ("febf::1", LINK_LOCAL),
        ("fec0::1", SITE_LOCAL),
        ("fc00::1", GLOBAL),
        ("2001:db8::1", GLOBAL),
        ("ff01::1", 1),
        ("ff02::fb", LINK_LOCAL),
        ("ff05::1", SITE_LOCAL),
        ("ff0e::1", GLOBAL),
        ("127.0.0.1", LINK_LOCAL),
        ("127.255.0.1", LINK_LOCAL),
        ("169.254.1.1", LINK_LOCAL),
        ("::ffff:169.254.1.1", LINK_LOCAL),
        ("10.0.0.1", GLOBAL),
        ("192.168.1.1", GLOBAL),
        ("198.51.100.1", GLOBAL),
    ],
)
def test_scopes(address: str, scope: int) -> None:
    assert scope_of(IpAddr.parse(address)) == scope


@pytest.mark.parametrize(
    ("source", "address", "length"),
    [
        ("2001:db8:1::2", "2001:db8:1::1", 64),
        ("2001:db8:3f44::2", "2001:db8:3ffe::1", 40),
        ("fe80::1", "fe80::2", 64),
        ("::", "8000::", 0),
        ("2001:db8::", "2001:db9::", 31),
    ],
)
def test_common_prefix(source: str, address: str, length: int) -> None:
    assert common_prefix_length(Ipv6Addr(source), Ipv6Addr(address)) == length


addresses = st.one_of(
    st.builds(Ipv4Addr, st.integers(0, 2**32 - 1)),
    st.builds(Ipv6Addr, st.integers(0, 2**128 - 1)),
    st.sampled_from([IpAddr.parse(text) for text in ("::1", "fe80::1", "2002::1", "fd00::1", "2001::1")]),
)


@given(st.lists(st.builds(Destination, addresses, st.one_of(st.none(), addresses)), max_size=8))
def test_nothing_is_lost_and_reachable_ones_lead(given_: list[Destination]) -> None:
    found = sort_destinations(given_)
    assert sorted(map(repr, found)) == sorted(map(repr, given_))
    reachable = [one.source is not None for one in found]
    assert reachable == sorted(reachable, reverse=True)
    assert sort_destinations(found) == found


class TestSources:
    def test_of_loopback(self) -> None:
        assert source_address(Ipv4Addr.localhost()) == Ipv4Addr.localhost()

    def test_nothing_is_sent(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.2", 0))
            sock.setblocking(False)
            assert source_address(Ipv4Addr(127, 0, 0, 2)) is not None
            with pytest.raises(BlockingIOError):
                sock.recv(1)

    def test_without_a_route(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable(*_: object) -> None:
            raise OSError(errno.ENETUNREACH, "no route")

        class Unroutable(socket.socket):
            connect = unreachable

        monkeypatch.setattr(socket, "socket", Unroutable)
        assert source_address(Ipv4Addr(192, 0, 2, 1)) is None

    def test_zone_that_this_machine_does_not_have(self) -> None:
        assert source_address(Ipv6Addr("fe80::1%no-such-zone0")) is None

    def test_order_asks_for_each(self) -> None:
        sources = {Ipv4Addr(192, 0, 2, 1): Ipv4Addr(10, 0, 0, 1), Ipv6Addr("2001:db8::1"): None}
        found = order_destinations([Ipv6Addr("2001:db8::1"), Ipv4Addr(192, 0, 2, 1)], sources.__getitem__)
        assert found == [
            Destination(Ipv4Addr(192, 0, 2, 1), Ipv4Addr(10, 0, 0, 1)),
            Destination(Ipv6Addr("2001:db8::1"), None),
        ]
