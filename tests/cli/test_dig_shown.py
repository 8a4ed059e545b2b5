"""The +flags of `netkit dig` that say what is shown, in each form of the output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from netkit.addr import SocketAddr
from netkit.cli.commands.dig.answered import Answered
from netkit.cli.commands.dig.grammar.queries import Defaults
from netkit.cli.commands.dig.showing.view import DigView
from netkit.dns import (
    DnsRecord,
    DnsServer,
    Edns,
    EdnsOption,
    Message,
    Rcode,
    make_query,
    make_response,
    parse_zone,
)
from netkit.dns.messages.as_json import SCHEMA
from netkit.dns.messages.from_json import message_from_json, pair_from_json
from netkit.dns.transports.reply import Reply
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, run_netkit
from tests.cli.test_dig import answering
from tests.dns.strategies import messages

pytestmark = pytest.mark.once

VALIDATOR = Draft202012Validator(SCHEMA)

ZONE = """\
$ORIGIN example.test.
@ 90000 IN SOA ns1 hostmaster 1 3600 600 86400 60
@ 300 NS ns1
ns1 300 AAAA 2001:db8::
key 300 DNSKEY 257 3 13 AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8w (
  MTIzNDU2Nzg5Ojs8PT4/QA== )
txt 300 TXT "it's" "a: #b"
xn--bcher-kva 300 A 192.0.2.1
sig 300 RRSIG A 8 2 300 20261231235959 20260101000000 7 xn--bcher-kva. AQID
"""

DIGITS = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QA=="
KEY = "key.example.test.\t300\tIN\tDNSKEY\t257 3 13"


@pytest.fixture(scope="module")
def at() -> Iterator[str]:
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE, file="zone")])
    with in_background(server.serve):
        yield f"@{server.local_addr}"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["example.test", "SOA", "+multiline"],
         ["example.test.\t\t90000 IN SOA ns1.example.test. hostmaster.example.test. (",
          "\t\t\t\t1          ; serial", "\t\t\t\t3600       ; refresh (1 hour)",
          "\t\t\t\t600        ; retry (10 minutes)", "\t\t\t\t86400      ; expire (1 day)",
          "\t\t\t\t60         ; minimum (1 minute)", "\t\t\t\t)"]),
        (["example.test", "NS", "+ttlunits", "+nottlid"], ["example.test.\t\t5m\tIN\tNS\tns1.example.test."]),
        (["ns1.example.test", "AAAA", "+expandaaaa"],
         ["ns1.example.test.\t300\tIN\tAAAA\t2001:0db8:0000:0000:0000:0000:0000:0000"]),
        (["ns1.example.test", "AAAA", "+unknown"],
         ["ns1.example.test.\t300\tCLASS1\tTYPE28\t\\# 16 20010DB8000000000000000000000000"]),
        (["key.example.test", "DNSKEY", "+nocrypto"],
         [f"{KEY} [key id = 2098]"]),
        (["key.example.test", "DNSKEY", "+nocrypto", "+rrcomments"],
         [f"{KEY} [key id = 2098]  ; KSK; alg = ECDSAP256SHA256 ; key id = 2098"]),
        (["key.example.test", "DNSKEY", "+split=62"],
         [f"{KEY} {DIGITS[:64]} {DIGITS[64:]}"]),
        (["sig.example.test", "RRSIG", "+multiline", "+idnout", "+nocrypto"],
         ["sig.example.test.\t300 IN RRSIG A 8 2 300 (",
          "\t\t\t\t20261231235959 20260101000000 7 bücher.", "\t\t\t\t[omitted] )"]),
        (["xn--bcher-kva.example.test", "+idnout"], ["bücher.example.test.\t300\tIN\tA\t192.0.2.1"]),
    ],
    ids=lambda value: " ".join(value) if "+" in " ".join(value) else "",
)  # fmt: skip
def test_records(at: str, words: list[str], lines: list[str]) -> None:
    assert run_netkit("dig", at, "+noall", "+answer", *words).lines == lines


def test_split_may_be_without_a_number_and_without_effect(at: str) -> None:
    asked = ("dig", at, "key.example.test", "DNSKEY", "+short")
    plain = run_netkit(*asked)
    assert run_netkit(*asked, "+split").stdout == plain.stdout
    assert " ".join(run_netkit(*asked, "+nosplit").stdout.split(" ", 3)[:3]) == "257 3 13"
    assert run_netkit(*asked, "+nosplit").stdout == run_netkit(*asked, "+split=0").stdout
    assert run_netkit(*asked, "--split=0").stdout.count(" ") == 3
    wrong = run_netkit(*asked, "+split=2000")
    assert (wrong.exit_code, "write a number from 0" in wrong.stderr) == (2, True)


def test_short_is_one_line_a_record_and_says_who_answered(at: str) -> None:
    result = run_netkit("dig", at, "example.test", "SOA", "+short", "+multiline", "+identify")
    (line,) = result.lines
    assert re.fullmatch(r"ns1\.example\.test\. .* 60 from server 127\.0\.0\.1 in \d+ ms\.", line)


@pytest.mark.parametrize("flag", ["+short=3", "+short"])
def test_a_number_of_short_changes_nothing(at: str, flag: str) -> None:
    assert run_netkit("dig", at, "example.test", "NS", flag).stdout == "ns1.example.test.\n"


def test_who_answered_is_said_where_the_statistics_are_not(at: str) -> None:
    result = run_netkit("dig", at, "example.test", "NS", "+noall", "+answer", "+identify")
    records, received = result.lines
    assert records == "example.test.\t\t300\tIN\tNS\tns1.example.test."
    port = at.rpartition(":")[2]
    assert re.fullmatch(
        rf";; Received \d+ bytes from 127\.0\.0\.1#{port}\(127\.0\.0\.1\) in \d+ ms", received
    )
    assert "Received" not in run_netkit("dig", at, "example.test", "NS", "+identify").stdout


def test_the_query_is_shown_as_it_was_sent(at: str) -> None:
    result = run_netkit("dig", at, "example.test", "NS", "+qr", "+cookie=0102030405060708")
    sent, came = result.stdout.split(";; Got answer:\n")
    size = re.search(r";; QUERY SIZE: (\d+)\n", sent)
    assert size is not None
    assert sent.startswith(";; Sending:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: ")
    assert "\n;; flags: rd ad; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1\n" in sent
    assert "\n; COOKIE: 0102030405060708\n" in sent
    assert "\n;; flags: qr aa rd; " in came
    (row,) = run_netkit("dig", at, "example.test", "NS", "+cookie=0102030405060708", "--json").json
    assert (row["query_message"]["size"], row["query_message"]["flags"]) == (int(size[1]), ["rd", "ad"])
    assert [each["name"] for each in row["query_message"]["edns"]["options"]] == ["COOKIE"]


def test_queries_without_an_answer_are_shown_too(at: str) -> None:
    del at
    result = run_netkit("dig", "@127.0.0.1:1", "example.test", "+qr", "+tries=1")
    assert result.exit_code == 3
    assert ";; Sending:" in result.stderr


def wants_cookie(query: bytes) -> bytes:
    """BADCOOKIE until the server's own cookie comes back (RFC 7873 section 5.2.3)."""
    asked = Message.from_wire(query)
    assert asked.edns is not None
    cookie = asked.edns.option(EdnsOption.Cookie)
    assert cookie is not None
    edns = Edns(options=[EdnsOption.Cookie(cookie.client, b"serverok")])
    rcode = Rcode.NOERROR if cookie.server == b"serverok" else Rcode.BADCOOKIE
    return make_response(asked, rcode=rcode, edns=edns).to_wire()


def test_an_answer_that_led_to_another_query_is_shown_on_demand() -> None:
    with answering(wants_cookie) as server:
        words = ("dig", server, "example.test", "+cookie")
        shown = run_netkit(*words, "+showbadcookie").stdout
        hidden = run_netkit(*words).stdout
        queries = run_netkit(*words, "+qr", "+noall", "+comments").stdout
        yaml = run_netkit(*words, "+qr", "+yaml", "+showbadcookie").stdout
    assert re.findall(r"status: (\w+)", shown) == ["BADCOOKIE", "NOERROR"]
    assert shown.index("status: BADCOOKIE") < shown.index(";; BADCOOKIE, retrying.\n")
    assert re.findall(r"status: (\w+)|(BADCOOKIE, retrying)", hidden) == [
        ("", "BADCOOKIE, retrying"),
        ("NOERROR", ""),
    ]
    assert [len(each) for each in re.findall(r"; COOKIE: (\w+)", queries)] == [16, 32, 32]
    assert re.findall(r"    type: (\w+)|status: (BAD\w+)", yaml) == [
        ("RECURSIVE_QUERY", ""),
        ("AUTH_RESPONSE", ""),
        ("", "BADCOOKIE"),
        ("RECURSIVE_QUERY", ""),
        ("AUTH_RESPONSE", ""),
    ]


def test_sections_are_set_off_as_in_dig(at: str) -> None:
    """`sed -n '/ANSWER SECTION/,/^$/p'` is in many scripts."""
    text = run_netkit("dig", at, "example.test", "NS").stdout
    _, _, rest = text.partition(";; ANSWER SECTION:\n")
    assert rest.partition("\n\n")[0] == "example.test.\t\t300\tIN\tNS\tns1.example.test."


def answer_of_update(query: bytes) -> bytes:
    asked = Message.from_wire(query)
    new = DnsRecord.A("new.example.test", 60, "192.0.2.1")
    return make_response(asked, answer=[new], authority=[new], additional=[new]).to_wire()


def test_the_sections_of_update_have_their_own_names() -> None:
    """RFC 2136 section 2."""
    words = ("example.test", "SOA", "+opcode=UPDATE")
    with answering(answer_of_update) as server:
        text = run_netkit("dig", server, *words).stdout
        yaml = run_netkit("dig", server, *words, "+yaml", "+noedns").stdout
        at_terminal = run_netkit("dig", server, *words, "--color", "never", tty=True).stdout
        (row,) = run_netkit("dig", server, *words, "--json").json
    assert re.findall(r";; (\w+) SECTION:", text) == ["ZONE", "PREREQUISITE", "UPDATE", "ADDITIONAL"]
    assert re.findall(r"^ +(\w+_SECTION|[A-Z]+: \d):?", yaml, re.MULTILINE) == [
        "ZONE: 1", "PREREQ: 1", "UPDATE: 1", "ADDITIONAL: 1",
        "ZONE_SECTION", "PREREQUISITE_SECTION", "UPDATE_SECTION", "ADDITIONAL_SECTION",
    ]  # fmt: skip
    shown = re.findall(
        r"^ *(zone|question|Prerequisite|Update|Answer|Authority|Additional)\b", at_terminal, re.MULTILINE
    )
    assert shown == ["zone", "Prerequisite", "Update", "Additional"]
    assert [len(row[name]) for name in ("answer", "authority", "additional")] == [1, 1, 1]


class TestYaml:
    def yaml(self, *words: str) -> Result:
        return run_netkit("dig", *words, "+yaml")

    def test_an_answer(self, at: str) -> None:
        text = self.yaml(at, "ns1.example.test", "AAAA").stdout
        moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
        port = at.rpartition(":")[2]
        assert re.fullmatch(
            rf"""- type: MESSAGE
  message:
    type: AUTH_RESPONSE
    query_time: !!timestamp {moment}
    response_time: !!timestamp {moment}
    message_size: \d+b
    socket_family: INET
    socket_protocol: UDP
    response_address: "127\.0\.0\.1"
    response_port: {port}
    query_address: "0\.0\.0\.0"
    query_port: 0
    response_message_data:
      opcode: QUERY
      status: NOERROR
      id: \d+
      flags: qr aa rd
      QUESTION: 1
      ANSWER: 1
      AUTHORITY: 0
      ADDITIONAL: 1
      OPT_PSEUDOSECTION:
        EDNS:
          version: 0
          flags:
          udp: 1232
      QUESTION_SECTION:
        - 'ns1\.example\.test\. IN AAAA'
      ANSWER_SECTION:
        - 'ns1\.example\.test\. 300 IN AAAA 2001:db8::0'
""",
            text,
        )

    def test_several_are_one_list_with_those_that_failed(self, at: str) -> None:
        result = self.yaml(
            at, "--ordered", "txt.example.test", "TXT", "example.test", "@127.0.0.1:1", "+tries=1"
        )
        assert [line for line in result.lines if line.startswith("-")] == [
            "- type: MESSAGE",
            "- type: DIG_ERROR",
        ]
        assert "        - 'txt.example.test. 300 IN TXT \"it''s\" \"a: #b\"'" in result.lines
        assert result.lines[-2] == "  message: |"
        assert "" not in result.lines

    def test_queries_and_sections(self, at: str) -> None:
        result = self.yaml(at, "example.test", "SOA", "+qr", "+noall", "+answer", "+nsid")
        assert [line.strip() for line in result.lines if "_message_data" in line] == [
            "query_message_data:",
            "response_message_data:",
        ]
        assert "OPT_PSEUDOSECTION" not in result.stdout
        assert result.stdout.count("SECTION:") == 1

    def test_what_would_be_no_yaml_is_quoted(self) -> None:
        def odd(query: bytes) -> bytes:
            asked = Message.from_wire(query)
            options = [
                EdnsOption.ExtendedError(15, "\x00 \"by\" 'us'"),
                EdnsOption.ExtendedError(15, "für"),
                EdnsOption.ReportChannel("*.example."),
                EdnsOption.Nsid(b"a: b #"),
            ]
            return make_response(asked, edns=Edns(options=options)).to_wire()

        with answering(odd) as server:
            lines = [line.strip() for line in self.yaml(server, "example.test").lines]
        assert {
            'EXTRA-TEXT: "\\u0000 \\"by\\" \'us\'"',
            'EXTRA-TEXT: "für"',
            "REPORT-CHANNEL: '*.example.'",
            "NSID: '61 3a 20 62 20 23 (\"a: b #\")'",
        } <= set(lines)

    def test_the_last_of_yaml_and_noyaml_decides_for_all(self, at: str) -> None:
        found = run_netkit("dig", at, "example.test", "NS", "+yaml", "example.test", "SOA", "+noyaml")
        assert "- type" not in found.stdout

    def test_json_and_short_have_their_own_forms(self, at: str) -> None:
        assert self.yaml(at, "example.test", "NS", "+short").stdout == "ns1.example.test.\n"
        (row,) = self.yaml(at, "example.test", "NS", "--json").json
        assert row["rcode"] == "NOERROR"


class TestJson:
    def objects(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in run_netkit("dig", *words).lines]

    def test_an_answer_and_a_pair(self, at: str) -> None:
        (answer,) = self.objects(at, "example.test", "NS", "+json")
        assert VALIDATOR.is_valid(answer)
        (record,) = message_from_json(answer).answer
        assert record == DnsRecord.parse("example.test. 300 NS ns1.example.test.")
        (pair,) = self.objects(at, "example.test", "NS", "--rfc8427", "+qr")
        assert VALIDATOR.is_valid(pair)
        query, response = pair_from_json(pair)
        assert query.id == response.id

    def test_a_name_without_an_answer_has_a_comment(self, at: str) -> None:
        dead = ("example.test", "@127.0.0.1:1", "+tries=1")
        rows = self.objects("--ordered", "+json", "example.test", at, *dead)
        assert list(rows[1]) == ["comment"]
        assert "connection refused" in rows[1]["comment"]

    def test_it_is_no_yaml(self, at: str) -> None:
        result = run_netkit("dig", at, "example.test", "+json", "+yaml")
        assert (result.exit_code, "+yaml contradicts +json" in result.stderr) == (2, True)


def test_the_command_is_shown_without_its_secrets(at: str) -> None:
    words = ("example.test", "NS", "+cmd", "+noall", "-y", "hmac-sha256:k:c2VjcmV0")
    result = run_netkit("dig", at, *words)
    assert re.fullmatch(
        rf"; <<>> netkit dig \S+ <<>> {at} example\.test NS \+cmd \+noall -y \.\.\.", result.lines[1]
    )
    assert result.lines[2] == ";; global options: +cmd"
    for spelled in ("--tsig-key=hmac-sha256:k:c2VjcmV0", "-yhmac-sha256:k:c2VjcmV0"):
        assert "c2VjcmV0" not in run_netkit("dig", at, "example.test", "NS", "+cmd", spelled).stdout
    assert "<<>>" not in run_netkit("dig", at, "example.test", "NS", "+cmd", "+nocmd").stdout


SHOWN = ("DNSKEY", "+multiline", "+qr", "--color=never")


def test_tables_have_the_same_on_a_terminal(at: str) -> None:
    shown = run_netkit("dig", at, "key.example.test", *SHOWN, tty=True)
    assert re.search(r"│ +│ +│ +│ +\) ; KSK; alg = ECDSAP256SHA256 ;", shown.stdout)
    assert re.search(r"│ +│ +│ +│   AQID[^ ]{32} +│", shown.stdout)
    assert re.search(r"\nsent +ID \d+, QUERY, flags rd ad, \d+ octets\n", shown.stdout)
    assert max(map(len, shown.lines)) <= 80


@settings(max_examples=25)
@given(messages(), st.sampled_from(["multiline", "unknownformat", "rrcomments", "yaml", "json", "qr"]))
def test_whatever_came_is_shown_in_printable_lines(message: Message, flag: str) -> None:
    query = make_query("www.example.", 1, id=7)
    wire = message.to_wire()
    server = SocketAddr.parse("127.0.0.1:53")
    reply = Reply(query, Message.from_wire(wire), server=server, transport="udp", wire=wire, elapsed_s=0.001)
    asked = Defaults().parse("www.example A")._replace(flags={flag: True})
    for line in DigView().plain(Answered(asked, reply)):
        assert isinstance(line, str)
        assert all(char.isprintable() or char == "\t" for char in line)
