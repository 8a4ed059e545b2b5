"""Messages in the JSON of RFC 8427: written, read again, checked by the schema, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from netkit.dns import DnsError, DnsRecord, Edns, EdnsOption, Message, make_query, parse_zone
from netkit.dns.messages.as_json import SCHEMA, message_to_json, pair_to_json, record_to_json
from netkit.dns.messages.from_json import message_from_json, message_octets, pair_from_json
from tests.dns.strategies import messages

pytestmark = pytest.mark.once

VALIDATOR = Draft202012Validator(SCHEMA)

ZONE = (Path(__file__).parents[1] / "interop" / "dns_types.zone").read_text(encoding="ascii")
RECORDS = [
    DnsRecord.parse(line)
    for line in parse_zone(ZONE, "types.test.").to_text().splitlines()
    if not line.startswith("$")
]


def answer(*records: DnsRecord, **more: Any) -> Message:
    query = make_query("www.example.", 1, id=7)
    return Message(7, 0x8400, question=query.question, answer=records, **more)


def test_a_message_has_the_members_of_the_rfc() -> None:
    record = DnsRecord.parse("www.example. 300 IN MX 10 mail.example.")
    at = datetime(2026, 11, 26, 12, 0, 0, 500000, tzinfo=UTC)
    found = message_to_json(answer(record), wire=b"\0\7", at=at, comment="seen")
    assert found == {
        "dateString": "2026-11-26T12:00:00.500+00:00",
        "dateSeconds": at.timestamp(),
        "comment": "seen",
        "ID": 7,
        "QR": 1,
        "Opcode": 0,
        "AA": 1,
        "TC": 0,
        "RD": 0,
        "RA": 0,
        "AD": 0,
        "CD": 0,
        "RCODE": 0,
        "QDCOUNT": 1,
        "ANCOUNT": 1,
        "NSCOUNT": 0,
        "ARCOUNT": 0,
        "QNAME": "www.example.",
        "QTYPE": 1,
        "QTYPEname": "A",
        "QCLASS": 1,
        "QCLASSname": "IN",
        "answerRRs": [
            {
                "NAME": "www.example.",
                "TYPE": 15,
                "TYPEname": "MX",
                "CLASS": 1,
                "CLASSname": "IN",
                "TTL": 300,
                "rdataMX": "10 mail.example.",
                "RDLENGTH": 16,
                "RDATAHEX": "000A046D61696C076578616D706C6500",
            }
        ],
        "authorityRRs": [],
        "additionalRRs": [],
        "messageOctetsHEX": "0007",
    }
    VALIDATOR.validate(found)


@settings(max_examples=40)
@given(messages())
def test_what_is_written_is_read_as_the_same(message: Message) -> None:
    found = json.loads(json.dumps(message_to_json(message)))
    VALIDATOR.validate(found)
    assert message_from_json(found) == message


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.rdtype))
def test_text_alone_says_a_record_of_each_type(record: DnsRecord) -> None:
    made = record_to_json(record)
    VALIDATOR.validate(message_to_json(answer(record)))
    key = f"rdata{record.rdtype}"
    if record.rdtype.mnemonic == "NULL":
        assert key not in made
        return
    assert set(made) >= {key, "RDATAHEX"}
    lean = {"NAME": made["NAME"], "TTL": 300, key: made[key], "CLASSname": "IN"}
    assert message_from_json({"answerRRs": [lean]}).answer == (record,)


def test_a_name_that_needs_escapes_is_in_octets_too() -> None:
    record = DnsRecord.parse("a\\.b\\255.example. 1 IN A 192.0.2.1")
    made = record_to_json(record)
    assert made["NAME*"] == "04612E62FF076578616D706C6500"
    VALIDATOR.validate(message_to_json(answer(record)))
    for key in ("NAME", "NAME*"):
        lean = {name: value for name, value in made.items() if name not in ("NAME", "NAME*")}
        assert message_from_json({"answerRRs": [lean | {key: made[key]}]}).answer == (record,)


def test_edns_is_an_additional_record_before_the_signature() -> None:
    signature = DnsRecord.TSIG("key.", 0, "hmac-sha256.", 1, 300, b"x", 7, 0, b"", rdclass=255)
    extra = DnsRecord.parse("a. 1 IN A 192.0.2.1")
    edns = Edns(4096, 0, True, options=[EdnsOption.Nsid(b"id")])
    message = answer(additional=[extra, signature], edns=edns, rcode=16)
    found = message_to_json(message)
    assert [each["TYPEname"] for each in found["additionalRRs"]] == ["A", "OPT", "TSIG"]
    assert found["additionalRRs"][1] == {
        "NAME": ".",
        "TYPE": 41,
        "TYPEname": "OPT",
        "CLASS": 4096,
        "TTL": 0x01008000,
        "RDLENGTH": 6,
        "RDATAHEX": "000300026964",
    }
    assert (found["RCODE"], found["ARCOUNT"]) == (0, 3)
    VALIDATOR.validate(found)
    assert message_from_json(found) == message


def test_a_set_of_records_is_as_many_records() -> None:
    both = [{"RDLENGTH": 4, "RDATAHEX": "C0000201"}, {"rdataA": "192.0.2.2"}]
    found = {"answerRRs": [{"NAME": "a", "TYPE": 1, "CLASS": 1, "TTL": 5, "rrSet": both}]}
    assert [str(each) for each in message_from_json(found).answer] == [
        "a.\t5\tIN\tA\t192.0.2.1",
        "a.\t5\tIN\tA\t192.0.2.2",
    ]


def test_the_octets_of_the_message_count_before_all_else() -> None:
    query = make_query("www.example.", 1, id=7)
    assert message_from_json({"messageOctetsHEX": query.to_wire().hex(), "ID": "nonsense"}) == query


def test_several_questions_and_none() -> None:
    several = {
        "questionRRs": [
            {"NAME": "a", "TYPE": 1, "CLASS": 1},
            {"NAME": "b", "TYPEname": "MX", "CLASSname": "IN"},
        ]
    }
    read = message_from_json(several)
    assert [str(each.name) for each in read.question] == ["a.", "b."]
    assert message_from_json(message_to_json(read)) == read
    assert message_octets({}) == bytes(12)
    assert message_from_json({"RD": True, "QNAME": "a", "QTYPE": 1, "QCLASS": 1}).recursion_desired


def test_a_pair() -> None:
    query, response = make_query("www.example.", 1, id=7), answer()
    found = pair_to_json(message_to_json(query), message_to_json(response))
    VALIDATOR.validate(found)
    assert pair_from_json(found) == (query, response)
    with pytest.raises(DnsError.InvalidValue) as caught:
        pair_from_json({"queryMessage": message_to_json(query)})
    assert caught.value.field == "responseMessage"
    with pytest.raises(DnsError.InvalidValue) as caught:
        pair_from_json({"queryMessage": {"ID": -1}, "responseMessage": {}})
    assert caught.value.field == "queryMessage.ID"


BARE: dict[str, Any] = {"NAME": "a", "CLASS": 1, "TTL": 5}
A: dict[str, Any] = {"NAME": "a", "TYPE": 1, "CLASS": 1, "TTL": 5, "RDATAHEX": "C0000201"}


@pytest.mark.parametrize(
    ("found", "field"),
    [
        ({"ID": 65536}, "ID"),
        ({"ID": True}, "ID"),
        ({"ID": 1.5}, "ID"),
        ({"QR": 2}, "QR"),
        ({"Opcode": 16}, "Opcode"),
        ({"ANCOUNT": 1}, "ANCOUNT"),
        ({"answerRRs": {}}, "answerRRs"),
        ({"answerRRs": [A, 1]}, "answerRRs[1]"),
        ({"answerRRs": [A | {"NAME": None}]}, "answerRRs[0].NAME"),
        ({"answerRRs": [A | {"NAME": "a..b"}]}, "answerRRs[0].NAME"),
        ({"answerRRs": [A | {"NAME*": "0161"}]}, "answerRRs[0].NAME*"),
        ({"answerRRs": [A | {"NAME*": "C00C"}]}, "answerRRs[0].NAME*"),
        ({"answerRRs": [A | {"NAME*": "0000"}]}, "answerRRs[0].NAME*"),
        ({"answerRRs": [A | {"TTL": -1}]}, "answerRRs[0].TTL"),
        ({"answerRRs": [A | {"TYPE": "A"}]}, "answerRRs[0].TYPE"),
        ({"answerRRs": [A | {"RDLENGTH": 5}]}, "answerRRs[0].RDLENGTH"),
        ({"answerRRs": [A | {"RDATAHEX": "C00002 1"}]}, "answerRRs[0].RDATAHEX"),
        ({"answerRRs": [A | {"RDATAHEX": "C0000"}]}, "answerRRs[0].RDATAHEX"),
        ({"answerRRs": [BARE]}, "answerRRs[0].TYPE"),
        ({"answerRRs": [BARE | {"rdataNONSENSE": ""}]}, "answerRRs[0].rdataNONSENSE"),
        ({"answerRRs": [BARE | {"TYPEname": "?"}]}, "answerRRs[0].TYPEname"),
        ({"answerRRs": [BARE | {"TYPE": 1, "RDLENGTH": 4}]}, "answerRRs[0].RDATAHEX"),
        ({"answerRRs": [BARE | {"rdataA": "nonsense"}]}, "answerRRs[0].rdataA"),
        ({"answerRRs": [BARE | {"rdataTXT": "x\n$INCLUDE /etc/passwd"}]},
         "answerRRs[0].rdataTXT"),
        ({"answerRRs": [A | {"rrSet": [{"RDATAHEX": "?"}]}]}, "answerRRs[0].rrSet[0].RDATAHEX"),
        ({"questionRRs": [{"NAME": "a", "TYPE": 1}]}, "questionRRs[0].CLASS"),
        ({"QNAME": "a", "QTYPE": 70000, "QCLASS": 1}, "QTYPE"),
        ({"QNAME": "a", "QCLASS": 1}, "QTYPE"),
        ({"messageOctetsHEX": "00" * 70000}, "messageOctetsHEX"),
        ({"answerRRs": [A | {"RDATAHEX": "00" * 60000, "TYPE": 10}] * 2}, ""),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_by_its_path(found: dict[str, Any], field: str) -> None:
    with pytest.raises(DnsError.InvalidValue) as caught:
        message_from_json(found)
    assert caught.value.field == field


def test_octets_that_are_no_message_are_told_as_such() -> None:
    with pytest.raises(DnsError.InvalidResponse):
        message_from_json({"messageOctetsHEX": "00"})
    with pytest.raises(DnsError.InvalidResponse) as caught:
        message_from_json({"answerRRs": [A | {"RDATAHEX": "C0", "RDLENGTH": 1}]})
    assert caught.value.field == "answer[0].rdata.address"


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES | st.sampled_from(["C0000201", "A"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(A)), inner, max_size=4)
    ),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["ID", "QR", "QNAME", "QTYPE", "answerRRs", "messageOctetsHEX"])


@settings(max_examples=60)
@given(st.dictionaries(MEMBERS, VALUES))
def test_anything_else_ends_in_an_error_of_the_dns(found: dict[str, Any]) -> None:
    try:
        message_from_json(found)
    except DnsError:
        pass
