"""What HTTPS records mean (RFC 9460 sections 2, 3, 7, 8 and 9); written from the RFC."""

from __future__ import annotations

import pytest

from netkit.dns import DnsError, Name
from netkit.dns.messages.message import Message, make_query, make_response
from netkit.dns.policy.service import MAX_RECORDS, alias_target, https_records, query_name, services
from netkit.dns.records import DnsRecord

OWNER = Name.parse("www.example.")
BOTH = ("h2", "http/1.1")


def found(
    *texts: str, supported: tuple[str, ...] = BOTH, port: int = 443, random: int = 0
) -> list[tuple[str, int, tuple[str, ...], list[str]]]:
    """What the records say; they went over the wire, as those of servers do."""
    made = [DnsRecord.parse(f"www.example. 60 HTTPS {text}") for text in texts]
    wire = make_response(make_query("www.example.", made[0].rdtype, id=1), answer=made).to_wire()
    records = https_records(Message.from_wire(wire).answer)
    chosen = services(records, OWNER, port, supported, lambda below: min(random, below - 1))
    return [(str(each.host), each.port, each.alpn, [str(hint) for hint in each.hints]) for each in chosen]


def test_the_name_to_ask_for() -> None:
    """Section 9.1."""
    assert str(query_name(OWNER, 443)) == "www.example."
    assert str(query_name(OWNER, 8443)) == "_8443._https.www.example."
    with pytest.raises(DnsError.InvalidName):
        query_name(Name.parse(".".join(["a" * 60] * 4)), 8443)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The owner itself, with HTTP's default protocol (sections 2.5.2 and 7.1).
        ("1 .", ("www.example.", 443, ("http/1.1",), [])),
        ("1 . alpn=h2", ("www.example.", 443, BOTH, [])),
        ("1 . alpn=h2 no-default-alpn", ("www.example.", 443, ("h2",), [])),
        ("1 . alpn=h3,h2", ("www.example.", 443, BOTH, [])),
        ("1 pool.example. port=8443 alpn=h2", ("pool.example.", 8443, BOTH, [])),
        (
            "1 pool.example. ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1",
            ("pool.example.", 443, ("http/1.1",), ["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
        ),
        ("1 . mandatory=alpn,port alpn=h2 port=1", ("www.example.", 1, BOTH, [])),
        ("1 . key65000=x", ("www.example.", 443, ("http/1.1",), [])),
    ],
)
def test_an_endpoint(text: str, expected: tuple[str, int, tuple[str, ...], list[str]]) -> None:
    assert found(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "1 . alpn=h3 no-default-alpn",  # none of the client's protocols (section 7.1.2)
        "1 . mandatory=key65000 key65000=x",  # a key that netkit does not act on (section 8)
        "1 . mandatory=ech ech=AAAA",
    ],
)
def test_a_record_that_is_passed_over(text: str) -> None:
    assert found(text) == []
    assert found(text, "2 other.example.") == [("other.example.", 443, ("http/1.1",), [])]


def test_who_encrypts_hellos_understands_one_key_more() -> None:
    """RFC 9848 section 3."""
    texts = ("1 . mandatory=ech ech=AAAA", "2 . port=1")
    records = https_records([DnsRecord.parse(f"www.example. 60 HTTPS {text}") for text in texts])
    assert [each.ech for each in services(records, OWNER, 443, BOTH, lambda _: 0, ech=True)] == [
        b"\0\0\0",
        None,
    ]


def test_only_the_clients_protocols_are_offered() -> None:
    assert found("1 . alpn=h2", supported=("http/1.1",))[0][2] == ("http/1.1",)
    assert found("1 . alpn=h2", supported=("h2",))[0][2] == ("h2",)
    assert found("1 .", supported=("h2",)) == []


def test_the_port_is_the_origins_without_one() -> None:
    assert found("1 .", port=8443)[0][1] == 8443
    assert found("1 . port=1", port=8443)[0][1] == 1


def test_in_the_order_of_priority_and_at_random_within_one() -> None:
    """Section 2.4.1."""
    texts = ["2 b.example.", "1 a.example.", "2 c.example."]
    assert found(*texts)[0][0] == "a.example."
    orders = {tuple(each[0] for each in found(*texts, random=number)) for number in range(3)}
    assert orders == {
        ("a.example.", "b.example.", "c.example."),
        ("a.example.", "c.example.", "b.example."),
    }


def test_an_alias_counts_alone() -> None:
    """Sections 2.4.1 and 2.4.2: then what is in ServiceMode is ignored, and its own parameters too."""
    alias, service = (DnsRecord.parse(f"www.example. 60 HTTPS {text}") for text in ("0 a.example.", "1 ."))
    records = https_records([service, alias])
    assert str(alias_target(records)) == "a.example."
    assert alias_target(https_records([service])) is None
    assert services(https_records([alias]), OWNER, 443, BOTH, lambda _: 0) == []


def test_what_is_no_https_record_is_ignored_and_the_number_is_limited() -> None:
    service = DnsRecord.parse("www.example. 60 HTTPS 1 .")
    other = DnsRecord.parse("www.example. 60 SVCB 1 .")
    assert https_records([other, service]) == [service]
    assert len(https_records([service] * 100)) == MAX_RECORDS
