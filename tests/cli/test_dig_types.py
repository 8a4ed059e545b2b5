"""`netkit dig` with every record type: text and JSON of a zone that has them all, served by netkit."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from netkit.dns import DnsRecord, DnsServer, parse_zone
from netkit.serve.connections import in_background
from tests.cli.helpers import ROOT, Result, command_of, run_netkit, validator_of

pytestmark = pytest.mark.once

ZONE = (ROOT / "tests" / "interop" / "dns_types.zone").read_text(encoding="ascii")
RECORDS = [
    DnsRecord.parse(line)
    for line in parse_zone(ZONE, "types.test.").to_text().splitlines()
    # Asking at a cut gives a referral, and the names of NSEC3 records are no names of the zone (RFC 5155
    # section 7.2.8).
    if not line.startswith(("$", "ds.sub.types.test.\t300\tIN\tNS")) and "\tNSEC3\t" not in line
]
QUESTIONS = sorted({(str(record.name), str(record.rdtype)) for record in RECORDS})


@pytest.fixture(scope="module")
def asked() -> Iterator[dict[str, Result]]:
    """What one dig for everything says, in each form."""
    words = [word for question in QUESTIONS for word in question]
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE, "types.test.")])
    with in_background(server.serve):
        yield {
            form: run_netkit("dig", f"@{server.local_addr}", *words, form) for form in ("--json", "--short")
        }


def test_json_follows_the_schema(asked: dict[str, Result]) -> None:
    rows = asked["--json"].json
    found = {(row["answer"][0]["name"], row["answer"][0]["type"]) for row in rows}
    assert found == set(QUESTIONS)
    said = {(each["name"], each["type"], each["rdata"]) for row in rows for each in row["answer"]}
    assert said == {(str(each.name), str(each.rdtype), each.rdata_text()) for each in RECORDS}


def test_short_says_the_data(asked: dict[str, Result]) -> None:
    assert sorted(asked["--short"].lines) == sorted(each.rdata_text() for each in RECORDS)


def test_the_schema_has_the_fields_of_each_type(asked: dict[str, Result]) -> None:
    validator = validator_of(command_of(["dig"]))
    row: dict[str, Any] = json.loads(asked["--json"].lines[0])
    answers = {
        answer["type"]: answer for line in asked["--json"].lines for answer in json.loads(line)["answer"]
    }
    for changed, is_right in (
        (answers["CAA"], True),
        (answers["CAA"] | {"fields": answers["CAA"]["fields"] | {"flags": "s"}}, False),
        (answers["NAPTR"] | {"fields": answers["NAPTR"]["fields"] | {"flags": 1}}, False),
        (answers["MX"] | {"fields": answers["A"]["fields"]}, False),
        (answers["MX"] | {"fields": {"rdata_b64": ""}}, True),
        (answers["MX"] | {"fields": {}}, False),
    ):
        row["answer"] = [copy.deepcopy(changed)]
        assert validator.is_valid(row) is is_right, changed
