"""`netkit dig ZONE AXFR`, `IXFR=SERIAL`: records as they come, and what is said of a transfer that breaks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import jsonschema
import pytest

from netkit.cli.commands.dig.command import dig
from netkit.cli.pages.schema import view_schema
from netkit.dns import DnsRecord, Message
from netkit.dns.lines import record_line
from netkit.dns.messages.message import QR
from netkit.dns.style import PLAIN, Style
from tests.cli.helpers import Result, netkit_argv, process_environment, run_netkit, run_netkit_process
from tests.dns.scripted import CLOSE, Asked, Script, ScriptedServer
from tests.dns.transfers.messages import STEPS, WHOLE, soa
from tests.dns.transfers.test_transfer import KEY, sent, signing

pytestmark = pytest.mark.once

SCHEMA = jsonschema.Draft202012Validator(view_schema(dig.view, "netkit dig"))


@pytest.fixture
def at() -> Iterator[Callable[[Script], str]]:
    """`at(script)`: `@ADDRESS:PORT` of a server that does what the script says."""
    with ExitStack() as servers:
        yield lambda script: f"@{servers.enter_context(ScriptedServer(script)).addr}"


At = Callable[[Script], str]


def both(asked: Asked) -> Any:
    return sent(asked, WHOLE if asked.rdtype == "AXFR" else STEPS)


def as_lines(records: Iterable[DnsRecord], style: Style = PLAIN) -> list[str]:
    return [record_line(record, style) for record in records]


def lines(text: str) -> list[str]:
    """The lines of the output, with what changes from run to run taken out."""
    return re.sub(r"\d+\.\d msec|127\.0\.0\.1#\d+", "N", text).splitlines()


def test_the_records_and_the_statistics(at: At) -> None:
    result = run_netkit("dig", at(both), "example.test", "AXFR")
    assert (result.exit_code, result.stderr) == (0, "")
    size = sum(map(len, sent(Asked(ask(), b"", True), WHOLE)))
    assert lines(result.stdout) == [
        *as_lines(WHOLE),
        ";; Query time: N",
        ";; SERVER: N(127.0.0.1) (TCP)",
        f";; XFR size: 7 records (messages 4, bytes {size})",
    ]


def ask() -> Message:
    from netkit.dns.transfers.query import make_transfer_query, transfer_question

    return make_transfer_query(transfer_question("example.test", None), 1)


@pytest.mark.parametrize("word", ["IXFR=3", "ixfr=3", "-tIXFR=3"])
def test_differences(at: At, word: str) -> None:
    result = run_netkit("dig", at(both), word, "example.test", "+noall", "+answer")
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines(result.stdout) == as_lines(STEPS)


def test_what_the_flags_show(at: At) -> None:
    server = at(both)
    short = run_netkit("dig", server, "example.test", "AXFR", "+short")
    assert lines(short.stdout) == [record.rdata_text() for record in WHOLE]
    bare = run_netkit("dig", server, "example.test", "AXFR", "+noall", "+answer", "+nottlid", "+noclass")
    assert lines(bare.stdout) == as_lines(WHOLE, PLAIN._replace(ttl=False, rdclass=False))
    one = run_netkit("dig", server, "example.test", "AXFR", "+noall", "+answer", "+onesoa")
    assert lines(one.stdout) == as_lines(WHOLE[:-1])
    several = run_netkit("dig", server, "example.test", "AXFR", "+noall", "+answer", "+multiline")
    assert "5          ; serial" in several.stdout
    stats = run_netkit("dig", server, "example.test", "AXFR", "+noanswer")
    assert [line[:2] for line in lines(stats.stdout)] == [";;"] * 3


def test_the_messages_in_yaml(at: At) -> None:
    server = at(both)
    shown = run_netkit("dig", server, "example.test", "IXFR=3", "+yaml", "+qr").stdout
    entries = shown.split("- type: MESSAGE\n")[1:]
    assert [re.findall(r"    type: (\w+)", entry) for entry in entries] == [
        ["AUTH_QUERY"], *[["AUTH_RESPONSE"]] * (len(entries) - 1)
    ]  # fmt: skip
    assert "      AUTHORITY_SECTION:\n        - 'example.test. 0 IN SOA . . 3 0 0 0 0'" in entries[0]
    found = re.findall(r"        - '(.*)'", "".join(entries[1:]))
    assert found == as_yaml(STEPS)
    assert "QUESTION_SECTION" not in shown
    whole = run_netkit("dig", server, "example.test", "AXFR", "+yaml", "+question", "+onesoa").stdout
    assert whole.count("QUESTION_SECTION") == 1
    assert re.findall(r"        - '(.*)'", whole)[1:] == as_yaml(WHOLE[:-1])


def as_yaml(records: Iterable[DnsRecord]) -> list[str]:
    return [f"{each.name} {each.ttl} {each.rdclass} {each.rdtype} {each.rdata_text()}" for each in records]


def test_the_messages_as_text(at: At) -> None:
    server = at(both)
    shown = run_netkit("dig", server, "example.test", "AXFR", "+comments", "+question", "+onesoa").stdout
    headers = re.findall(r"^;; ->>HEADER<<- .*\n;; flags: qr.*?ANSWER: (\d+),", shown, re.MULTILINE)
    assert (len(headers), sum(map(int, headers))) == (4, len(WHOLE))
    assert shown.count(";example.test.\t\t\tIN\tAXFR\n") == 1
    assert [line for line in lines(shown) if line and line[0] != ";"] == as_lines(WHOLE[:-1])


def test_the_messages_in_the_json_of_rfc_8427(at: At) -> None:
    from netkit.dns.messages.as_json import SCHEMA as MESSAGES

    result = run_netkit("dig", at(both), "example.test", "AXFR", "+json", "+qr")
    query, *answers = [json.loads(line) for line in result.stdout.splitlines()]
    for each in (query, *answers):
        jsonschema.Draft202012Validator(MESSAGES).validate(each)
    assert (query["QR"], query["QTYPEname"]) == (0, "AXFR")
    sent = [record["RDATAHEX"] for answer in answers for record in answer["answerRRs"]]
    assert sent == [each.rdata_wire().hex().upper() for each in WHOLE]


@pytest.mark.parametrize(
    ("flag", "shown"),
    [
        ("+yaml", ["MESSAGE", "DIG_ERROR"]),
        ("+json", ['RCODE": 5', "refuses the transfer"]),
        ("+comments", ["status: REFUSED", "; Transfer failed."]),
    ],
)
def test_a_refusal_in_these_forms(at: At, flag: str, shown: list[str]) -> None:
    server = at(lambda asked: Message(asked.message.id, QR, 0, 5, asked.message.question))
    result = run_netkit("dig", server, "example.test", "AXFR", flag)
    assert result.exit_code == 3
    assert re.findall("|".join(shown), result.stdout) == shown


def test_the_query_that_led_to_nothing(at: At) -> None:
    server = at(both)
    shown = run_netkit("dig", server, "example.test", "IXFR=3", "+qr")
    size = "example.test.\t\t0\tIN\tSOA\t. . 3 0 0 0 0\n;; QUERY SIZE: 75\n"
    assert shown.stdout.startswith(f"{size}\n{as_lines(STEPS)[0]}\n")
    lost = run_netkit("dig", at(lambda _: []), "example.test", "IXFR=3", "+qr", "+time=0.1")
    assert (lost.stdout, lost.exit_code) == ("", 7)
    assert size in lost.stderr


def rows(result: Result) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in result.stdout.splitlines()]
    for row in found:
        SCHEMA.validate(row)
    return found


def test_json_lines(at: At) -> None:
    result = run_netkit("dig", at(both), "example.test", "IXFR=3", "--json")
    *records, end = rows(result)
    assert [row["part"] for row in records] == [
        "first", "old_soa", "deleted", "new_soa", "added", "added", "old_soa", "deleted", "new_soa", "added",
        "last",
    ]  # fmt: skip
    assert {row["input"] for row in (*records, end)} == {"example.test IXFR=3"}
    assert [row["record"]["rdata"] for row in records] == [each.rdata_text() for each in STEPS]
    shown = {
        name: end[name] for name in ("event", "kind", "zone_serial", "asked_serial", "record_count", "signed")
    }
    assert shown == {
        "event": "transferred", "kind": "ixfr", "zone_serial": 5, "asked_serial": 3, "record_count": 11,
        "signed": False,
    }  # fmt: skip


def test_a_terminal_shows_what_goes_and_comes(at: At) -> None:
    server = at(both)
    shown = run_netkit("dig", server, "example.test", "IXFR=3", tty=True, width=160).stdout
    assert f"\n- {as_lines([STEPS[2]])[0]}\n+ example.test." in shown
    assert "the differences from serial 3 to 5, 11 records" in shown
    whole = run_netkit("dig", server, "example.test", "AXFR", tty=True, width=160).stdout
    assert "the whole zone, serial 5, 7 records: 4 messages" in whole
    several = run_netkit("dig", server, "example.test", "AXFR", "example.test", "IXFR=3", tty=True, width=160)
    assert len(several.stdout.splitlines()) == 3
    assert several.exit_code == 0


def test_nothing_newer(at: At) -> None:
    server = at(lambda asked: sent(asked, [soa(5)]))
    result = run_netkit("dig", server, "example.test", "IXFR=5", "+notcp", "+noall", "+answer")
    assert (result.stdout, result.exit_code) == (f"{as_lines([soa(5)])[0]}\n", 0)
    assert (
        "nothing newer than serial 5" in run_netkit("dig", server, "example.test", "IXFR=5", tty=True).stdout
    )


def test_signed_with_a_key(at: At) -> None:
    from base64 import b64encode

    key = f"hmac-sha256:{KEY.name}:{b64encode(KEY.secret).decode()}"
    result = run_netkit("dig", at(signing), "example.test", "AXFR", "-y", key)
    assert lines(result.stdout)[:7] == as_lines(WHOLE)
    assert ";; TSIG: every message was verified" in result.stdout
    unsigned = run_netkit("dig", at(both), "example.test", "AXFR", "-y", key)
    assert (unsigned.stdout, unsigned.exit_code) == ("; Transfer failed.\n", 6)
    assert "message 1: the answer is not signed with key.test." in unsigned.stderr


def test_several_go_one_after_the_other(at: At) -> None:
    server = at(both)
    result = run_netkit("dig", server, "+noall", "+answer", "example.test", "AXFR", "example.test", "IXFR=3")
    whole, steps = as_lines(WHOLE), as_lines(STEPS)
    assert lines(result.stdout) in (whole + steps, steps + whole)


@pytest.mark.parametrize(
    ("script", "code", "words", "shown"),
    [
        (lambda asked: Message(asked.message.id, QR, 0, 5, asked.message.question), 3,
         "the server refuses the transfer: REFUSED", 0),
        (lambda asked: [*sent(asked, WHOLE)[:2], CLOSE], 6, "message 3: the connection ended before", 4),
        (lambda asked: sent(asked, [*WHOLE[:4], *STEPS[1:]]), 6, "message 3, record 1: the last SOA has", 4),
        (lambda asked: sent(asked, WHOLE)[:1], 7, "message 2: no message for 0.2 s", 2),
    ],
    ids=["refused", "cut", "broken", "silent"],
)  # fmt: skip
def test_a_transfer_that_fails(at: At, script: Script, code: int, words: str, shown: int) -> None:
    server = at(script)
    result = run_netkit("dig", server, "example.test", "AXFR", "+time=0.2")
    assert lines(result.stdout) == [*as_lines(WHOLE[:shown]), "; Transfer failed."]
    assert result.exit_code == code
    assert words in result.stderr
    *records, last = rows(run_netkit("dig", server, "example.test", "AXFR", "--json", "+time=0.2"))
    assert len(records) == shown
    assert words in last["error"]["message"]


def test_another_server_is_asked_where_one_cannot_be(at: At) -> None:
    from tests.conftest import free_port

    nobody = f"@127.0.0.1:{free_port()}"
    result = run_netkit("dig", nobody, at(both), "example.test", "AXFR", "+short")
    assert (len(lines(result.stdout)), result.exit_code) == (7, 0)
    assert run_netkit("dig", nobody, "example.test", "AXFR").exit_code == 3


def test_a_reader_that_has_enough(at: At) -> None:
    server = at(both)
    reading, writing = os.pipe()
    os.close(reading)
    result = run_netkit_process("dig", server, "example.test", "AXFR", stdout=writing)
    os.close(writing)
    assert (result.exit_code, result.stderr) == (141, "")


def test_ctrl_c_says_what_came(at: At) -> None:
    import signal
    import subprocess

    server = at(lambda asked: sent(asked, WHOLE)[:2])
    with subprocess.Popen(
        netkit_argv("dig", server, "example.test", "AXFR"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=process_environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted: example.test. AXFR is not complete, 4 records came" in stderr
