"""Hints files: whom a walk begins with, and at which port."""

from __future__ import annotations

from pathlib import Path

import pytest

from netkit.addr import IpAddr
from netkit.dns.errors import ZoneFileError
from netkit.dns.tracing.hints import ROOT_HINTS, parse_hints

pytestmark = pytest.mark.once

FILE = """
; a lab
.              3600000  NS    ns.root.test.
               3600000  IN NS b.root.test.
ns.root.test.  3600000  A     127.0.0.1   ; port 5300
ns.root.test.           AAAA  ::1
b.root.test.            A     127.0.0.2   ; port: 5301
ns.sub.test.            A     127.0.0.3   ; PORT=5302
ns.sub.test.            A     127.0.0.4   ; a comment about port 7
ns.sub.test.            A     127.0.0.5   ; portable
"""


def test_servers_addresses_and_ports() -> None:
    hints = parse_hints(FILE)
    assert [(str(each.name), list(map(str, each.addresses))) for each in hints.servers] == [
        ("ns.root.test.", ["127.0.0.1", "::1"]),
        ("b.root.test.", ["127.0.0.2"]),
    ]
    assert {str(address): port for address, port in hints.ports.items()} == {
        "127.0.0.1": 5300,
        "127.0.0.2": 5301,
        "127.0.0.3": 5302,
    }


def test_a_port_in_the_last_line_without_a_newline() -> None:
    hints = parse_hints(". 1 NS a.\na. 1 A 127.0.0.1 ; port 5300")
    assert hints.ports == {IpAddr.parse("127.0.0.1"): 5300}


def test_a_port_behind_parentheses() -> None:
    hints = parse_hints(". 1 NS a.\na. 1 A ( 127.0.0.1 ; port 1\n ) ; port 5300\nb. 1 A 127.0.0.2\n")
    assert hints.ports == {IpAddr.parse("127.0.0.1"): 5300}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no NS record of the root"),
        (". 1 NS a.", "no address of a root server"),
        (". 1 NS a.\nb. 1 A 127.0.0.1", "no address of a root server"),
        ("test. 1 NS a.test.", "are those of the root, not of test."),
        (". 1 CH NS a.", "the class is CH"),
        (". 1 NS a.\na. 1 A 127.0.0.1 ; port 99999", "not a port: '99999'"),
        (". 1 NS a.\na. 1 A 127.0.0.1 ; port", "not a port: ''"),
        (". 1 NS a.\na. 1 A 127.0.0.1 ; port 0", "port 0"),
        (
            ". 1 NS a.\na. 1 A 127.0.0.1 ; port 1\na. 1 A 127.0.0.1 ; port 2",
            "two ports for 127.0.0.1: 1 and 2",
        ),
        (". 1 NS a.\na. 1 A 127.0.0.999", "127.0.0.999"),
        ("$INCLUDE /etc/passwd", "not allowed"),
        ("$GENERATE 1-60000 a$. 1 A 127.0.0.1", "more than 10000 records"),
        ("\0\1\2", ""),
    ],
)
def test_what_is_no_hints_file(text: str, reason: str) -> None:
    with pytest.raises(ZoneFileError) as caught:
        parse_hints(text, file="root.hints")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("root.hints:")


def test_the_built_in_ones_are_those_of_iana() -> None:
    """As the distribution's package of them has them."""
    file = Path("/usr/share/dns/root.hints")
    if not file.exists():
        pytest.skip("dns-root-data is not installed")
    listed = parse_hints(file.read_bytes())
    assert {each.name: set(each.addresses) for each in listed.servers} == {
        each.name: set(each.addresses) for each in ROOT_HINTS.servers
    }
