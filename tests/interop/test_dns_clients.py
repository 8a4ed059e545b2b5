"""Other DNS clients against `netkit serve dns`: BIND's dig, Knot's kdig and the drill of ldns.

Each client asks as its user types it, with the EDNS and the buffer size that are its own defaults. What is
expected is written beside each question, record by record, and is not computed by netkit. That a client went
from UDP to TCP is read from the events of the server, because drill does not show it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.test_serve import serving
from tests.conftest import require_peer

from .test_dns_peers import Shown, normal, shown_by

pytestmark = pytest.mark.once

#: Twelve strings of 202 octets: more than the 1232 octets that the server sends over UDP at most.
BIG = [f'"{number:02d}{"x" * 200}"' for number in range(12)]

ZONE = """\
$ORIGIN clients.test.
$TTL 300
@ SOA ns1 host\\.master 2026112601 3600 600 86400 60
@ NS ns1
@ NS ns2.elsewhere.test.
@ MX 10 mail
@ MX 20 mail.elsewhere.test.
@ CAA 0 issue "ca.elsewhere.test; policy=ev"
@ CAA 128 iodef "mailto:security@clients.test"
@ HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1
ns1 A 127.0.0.1
mail A 192.0.2.25
host 60 A 192.0.2.1
host 60 A 192.0.2.2
host AAAA 2001:db8::1
text TXT "v=spf1 -all" "a \\"quoted\\" string; with a semicolon"
_sip._udp SRV 10 60 5060 host
first CNAME second
second 30 CNAME third.deep
third.deep CNAME host
away CNAME www.elsewhere.test.
dangling CNAME nowhere
""" + "".join([f"big TXT {text}\n" for text in BIG])

#: The SOA record as it is asked for; and in the authority section of an answer that says no, where its TTL is
#: the smaller of its own and its last field (RFC 2308 section 3).
SOA = "clients.test. 300 IN SOA ns1.clients.test. host\\.master.clients.test. 2026112601 3600 600 86400 60"
NO = SOA.replace(" 300 ", " 60 ", 1)

ADDRESSES = ["host.clients.test. 60 IN A 192.0.2.1", "host.clients.test. 60 IN A 192.0.2.2"]
CHAIN = [
    "first.clients.test. 300 IN CNAME second.clients.test.",
    "second.clients.test. 30 IN CNAME third.deep.clients.test.",
    "third.deep.clients.test. 300 IN CNAME host.clients.test.",
]


class Expected(NamedTuple):
    """What the zone says to a question."""

    answer: list[str]
    authority: tuple[str, ...] = ()
    status: str = "NOERROR"
    flags: str = "qr aa rd"


QUESTIONS = {
    "host.clients.test A": Expected(ADDRESSES),
    "host.clients.test AAAA": Expected(["host.clients.test. 300 IN AAAA 2001:db8::1"]),
    "clients.test MX": Expected(
        [
            "clients.test. 300 IN MX 10 mail.clients.test.",
            "clients.test. 300 IN MX 20 mail.elsewhere.test.",
        ]
    ),
    "text.clients.test TXT": Expected(
        ['text.clients.test. 300 IN TXT "v=spf1 -all" "a \\"quoted\\" string; with a semicolon"']
    ),
    "clients.test SOA": Expected([SOA]),
    "clients.test NS": Expected(
        ["clients.test. 300 IN NS ns1.clients.test.", "clients.test. 300 IN NS ns2.elsewhere.test."]
    ),
    "clients.test CAA": Expected(
        [
            'clients.test. 300 IN CAA 0 issue "ca.elsewhere.test; policy=ev"',
            'clients.test. 300 IN CAA 128 iodef "mailto:security@clients.test"',
        ]
    ),
    "_sip._udp.clients.test SRV": Expected(
        ["_sip._udp.clients.test. 300 IN SRV 10 60 5060 host.clients.test."]
    ),
    "clients.test HTTPS": Expected(
        ["clients.test. 300 IN HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1"]
    ),
    "nowhere.clients.test A": Expected([], (NO,), "NXDOMAIN"),
    "host.clients.test MX": Expected([], (NO,)),
    # A name that has no records, only names below it (RFC 8020 section 2).
    "deep.clients.test A": Expected([], (NO,)),
    "first.clients.test A": Expected([*CHAIN, *ADDRESSES]),
    "second.clients.test MX": Expected(CHAIN[1:], (NO,)),
    "first.clients.test CNAME": Expected(CHAIN[:1]),
    "away.clients.test A": Expected(["away.clients.test. 300 IN CNAME www.elsewhere.test."]),
    # The status is of the last name of a chain (RFC 6604 section 3).
    "dangling.clients.test A": Expected(
        ["dangling.clients.test. 300 IN CNAME nowhere.clients.test."], (NO,), "NXDOMAIN"
    ),
    "www.elsewhere.test A": Expected([], (), "REFUSED", "qr rd"),
}


class Client(NamedTuple):
    """A program, and over what it asks until an answer of more than 1232 octets is whole."""

    command: list[str]
    flags: list[str]
    asks: list[str]

    def ask(self, port: int, question: str) -> Shown:
        program, *more = self.command
        return shown_by([require_peer(program), *more], port, question, *self.flags)


CLIENTS = {
    "dig": Client(["dig", "-r"], [], ["udp", "tcp"]),
    "kdig": Client(["kdig"], [], ["udp", "tcp"]),
    # -a: ask again if an answer is truncated, first with EDNS, which allows more than 512 octets, over UDP.
    "drill": Client(["drill"], ["-a"], ["udp", "udp", "tcp"]),
}


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "zone"
    path.write_text(ZONE)
    return path


@pytest.fixture(scope="module")
def port(zone: Path) -> Iterator[int]:
    """The port of one server, for all but the questions after which the events are read."""
    with serving("dns", "--zone", str(zone), sockets=2) as server:
        yield server.addr("udp").port


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_shows_what_the_zone_says(port: int, name: str, question: str) -> None:
    expected = QUESTIONS[question]
    shown = CLIENTS[name].ask(port, question)
    # dig alone writes quotation marks around these.
    answer = [line.replace('alpn="h2,h3"', "alpn=h2,h3") for line in shown.sections["answer"]]
    assert (shown.status, shown.flags) == (expected.status, set(expected.flags.split()))
    assert answer == normal(expected.answer)
    assert shown.sections["authority"] == list(expected.authority)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_truncated_answer_is_asked_for_over_tcp(zone: Path, name: str) -> None:
    client = CLIENTS[name]
    with serving("dns", "--events", "--zone", str(zone), sockets=2) as server:
        shown = client.ask(server.addr("udp").port, "big.clients.test TXT")
        server.process.send_signal(signal.SIGTERM)
        out, _ = server.process.communicate(timeout=20)
    assert (shown.status, shown.flags) == ("NOERROR", {"qr", "aa", "rd"})
    assert shown.sections["answer"] == [f"big.clients.test. 300 IN TXT {text}" for text in BIG]
    asked = [row for row in map(json.loads, out.splitlines()) if row["event"] == "query"]
    assert [row["transport"] for row in asked] == client.asks
    assert {row["question"]["name"] for row in asked} == {"big.clients.test."}


def test_included_and_generated_records_are_served(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "zone").write_text(
        """\
$ORIGIN made.test.
$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
$GENERATE 8-12/2 node-${0,4,x} A 192.0.2.$
$INCLUDE hosts/web web
after A 192.0.2.90
"""
    )
    # The inner name is relative to the folder of the file that has it.
    (tmp_path / "hosts" / "web").write_text("www A 192.0.2.80\n$INCLUDE more\n")
    (tmp_path / "hosts" / "more").write_text("$GENERATE 1-2 m$ 60 CNAME www\n")
    expected = {
        "node-0008.made.test": ["node-0008.made.test. 300 IN A 192.0.2.8"],
        "node-000c.made.test": ["node-000c.made.test. 300 IN A 192.0.2.12"],
        "www.web.made.test": ["www.web.made.test. 300 IN A 192.0.2.80"],
        "m2.web.made.test": [
            "m2.web.made.test. 60 IN CNAME www.web.made.test.",
            "www.web.made.test. 300 IN A 192.0.2.80",
        ],
        "after.made.test": ["after.made.test. 300 IN A 192.0.2.90"],
    }
    dig = CLIENTS["dig"]
    with serving("dns", "--zone", str(tmp_path / "zone"), sockets=2) as server:
        port = server.addr("udp").port
        for name, records in expected.items():
            shown = dig.ask(port, f"{name} A")
            assert (shown.status, shown.sections["answer"]) == ("NOERROR", records)
        # Between two steps, behind the last, and a name of the included file without its origin.
        for name in ("node-0009.made.test", "node-000d.made.test", "m3.web.made.test", "www.made.test"):
            assert dig.ask(port, f"{name} A").status == "NXDOMAIN"
        assert server.end()[0] == 0
