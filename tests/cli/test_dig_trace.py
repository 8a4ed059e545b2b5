"""`netkit dig +trace`: its outputs, its options, and how it ends; over servers that follow a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from netkit.dns.edns import Edns, EdnsOption
from tests.cli.helpers import Result, run_netkit
from tests.dns.scripted import Asked, ScriptedServer, Sent, answer

pytestmark = pytest.mark.once

#: What the server of test. has; another one is the root.
RECORDS = {
    ("www.test.", "A"): ("www.test. 300 A 192.0.2.1",),
    ("alias.test.", "A"): ("alias.test. 300 CNAME www.test.", "www.test. 300 A 192.0.2.1"),
    ("xn--bcher-kva.test.", "A"): ("xn--bcher-kva.test. 300 A 192.0.2.2",),
    ("test.", "NS"): ("test. 300 NS ns.test.",),  # without the address, which the zone does not have
}
SOA = "test. 60 SOA ns.test. admin.test. 1 1 1 1 60"


def root(asked: Asked) -> Sent:
    if asked.name == ".":
        return answer(asked, ". 60 NS ns.root.", aa=True, ra=False, additional=["ns.root. 60 A 127.0.0.1"])
    glue = ["ns.test. 60 A 127.0.0.2"]
    return answer(asked, authority=["test. 60 NS ns.test."], additional=glue, ra=False)


@pytest.fixture(scope="module")
def hints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Hints files, by name: `good`, and `dead` with a server before it that never answers."""
    folder = tmp_path_factory.mktemp("hints")
    with ExitStack() as stack:
        top = stack.enter_context(ScriptedServer(root))
        silent = stack.enter_context(ScriptedServer(lambda _: None))
        below = stack.enter_context(ScriptedServer(zone, address="127.0.0.2"))
        good = f". 1 NS ns.root.\nns.root. 1 A 127.0.0.1 ; port {top.addr.port}\n"
        good += f"ns.test. 1 A 127.0.0.2 ; port {below.addr.port}\n"
        files = {
            "good": good,
            "dead": f". 1 NS dead.root.\ndead.root. 1 A 127.0.0.1 ; port {silent.addr.port}\n",
        }
        made = {}
        for name, text in files.items():
            made[name] = folder / f"{name}.hints"
            made[name].write_text(text)
        yield made


def zone(asked: Asked) -> Sent:
    """The server of test., at 127.0.0.2."""
    records = RECORDS.get((asked.name, asked.rdtype))
    if records is not None:
        return answer(asked, *records, aa=True, ra=False)
    if asked.name == "evil.test.":
        why = EdnsOption.ExtendedError(18, "\x1b[2Jboo\u202e")
        return answer(asked, rcode=5, ra=False).replace(edns=Edns(options=[why]))
    if asked.name == "refused.test.":
        return answer(asked, rcode=5, ra=False)
    return answer(asked, rcode=3, authority=[SOA], aa=True, ra=False)


def trace(file: Path, *words: str) -> Result:
    return run_netkit("dig", "--root-hints", str(file), *words)


def row_of(result: Result) -> dict[str, Any]:
    (row,) = result.json
    return row


class TestForms:
    def test_plain_is_as_in_dig(self, hints: dict[str, Path]) -> None:
        result = trace(hints["good"], "www.test")
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert lines[0].split() == ["test.", "60", "IN", "NS", "ns.test."]
        assert lines[1].startswith(";; Received ")
        assert "(ns.root.) in " in lines[1]
        assert lines[2] == ";; test., 1 name server; no DS; the servers of test. are asked"
        assert lines[3] == ""
        assert lines[4].split() == ["www.test.", "300", "IN", "A", "192.0.2.1"]

    def test_only_records(self, hints: dict[str, Path]) -> None:
        result = trace(hints["good"], "www.test", "+noall", "+answer")
        assert [line.split() for line in result.lines] == [["www.test.", "300", "IN", "A", "192.0.2.1"]]

    def test_short_is_the_answer(self, hints: dict[str, Path]) -> None:
        assert trace(hints["good"], "+short", "alias.test").stdout == "192.0.2.1\n"

    def test_json_has_every_hop(self, hints: dict[str, Path]) -> None:
        row = row_of(trace(hints["good"], "www.test", "--json"))
        assert row["meaning"] == "answer"
        assert [(hop["zone"], hop["purpose"], hop["meaning"]) for hop in row["hops"]] == [
            (".", "name", "referral"),
            ("test.", "name", "answer"),
            (".", "check", "answer"),
            ("test.", "check", "answer"),
            ("test.", "check", "no-name"),
        ]
        first = row["hops"][0]
        assert first["delegation"]["name_servers"] == [{"name": "ns.test.", "addresses": ["127.0.0.2"]}]
        assert (first["name_server"], first["rcode"], first["transport"]) == ("ns.root.", "NOERROR", "udp")
        assert 0 <= first["elapsed_s"] < 10
        assert [record["rdata"] for record in row["answer"]] == ["192.0.2.1"]
        assert [zone["zone"] for zone in row["zones"]] == [".", "test."]
        assert row["checked"]
        assert [finding["code"] for finding in row["findings"]] == ["glue-differs"]

    def test_at_a_terminal(self, hints: dict[str, Path]) -> None:
        result = run_netkit("dig", "--root-hints", str(hints["good"]), "alias.test", "bücher.test", tty=True)
        assert result.exit_code == 0
        result = run_netkit("dig", "--root-hints", str(hints["good"]), "bücher.test", tty=True)
        assert "bücher.test. A from the root" in result.stdout
        assert "192.0.2.2" in result.stdout
        assert "glue-differs" in result.stdout

    def test_several_inputs(self, hints: dict[str, Path]) -> None:
        result = trace(hints["good"], "+short", "www.test", "gone.test")
        assert (result.stdout, result.exit_code) == ("192.0.2.1\n-\n", 9)

    def test_one_of_two_queries(self, hints: dict[str, Path]) -> None:
        result = trace(hints["good"], "www.test", "+trace", "--json")
        assert "hops" in row_of(result)

    def test_records_and_messages_have_the_forms_of_dig(self, hints: dict[str, Path]) -> None:
        lines = trace(hints["good"], "www.test", "+noall", "+authority", "+multiline", "+ttlunits").lines
        assert "test.\t\t\t1m IN NS ns.test." in lines
        short = trace(hints["good"], "www.test", "+short", "+unknownformat").lines
        assert short == ["\\# 4 C0000201"]
        yaml = trace(hints["good"], "www.test", "+yaml").lines
        assert yaml.count("- type: MESSAGE") == 2
        assert "        - 'www.test. 300 IN A 192.0.2.1'" in yaml
        objects = [json.loads(line) for line in trace(hints["good"], "www.test", "+json").lines]
        assert [each["QNAME"] for each in objects] == ["www.test."] * 2


class TestEnds:
    @pytest.mark.parametrize(
        ("name", "code", "kind"),
        [("gone.test", 1, "NotFound"), ("refused.test", 3, "LameDelegation")],
    )
    def test_what_the_authority_says(self, hints: dict[str, Path], name: str, code: int, kind: str) -> None:
        result = trace(hints["good"], name, "--json")
        assert result.exit_code == code
        row = row_of(result)
        assert row["error"]["kind"] == kind
        assert row["hops"], "also of a walk that failed"

    @pytest.mark.parametrize("tty", [False, True])
    def test_what_a_server_says_cannot_command_the_terminal(self, hints: dict[str, Path], tty: bool) -> None:
        result = run_netkit(
            "dig", "--root-hints", str(hints["good"]), "evil.test", tty=tty, env={"NO_COLOR": "1"}
        )
        assert result.exit_code == 3
        for text in (result.stdout, result.stderr):
            assert "\x1b[2J" not in text
            assert "\u202e" not in text
        assert "boo" in result.stdout

    def test_silence_is_7_within_the_time(self, hints: dict[str, Path]) -> None:
        result = trace(hints["dead"], "www.test", "--json", "--timeout", "0.4")
        assert result.exit_code == 7
        row = row_of(result)
        assert row["elapsed_s"] < 0.4
        assert {hop["meaning"] for hop in row["hops"]} == {"timeout"}

    def test_the_times_of_dig(self, hints: dict[str, Path]) -> None:
        result = trace(hints["dead"], "www.test", "--json", "+time=0.05", "+tries=3")
        assert [hop["turn"] for hop in row_of(result)["hops"]] == [1, 2, 3]

    def test_the_beginning_may_be_a_server(self, hints: dict[str, Path]) -> None:
        port = hints["good"].read_text().partition("; port ")[2].partition("\n")[0]
        result = run_netkit("dig", f"@127.0.0.1:{port}", "-p", port, "+trace", ".", "NS", "--json")
        row = row_of(result)
        assert [hop["purpose"] for hop in row["hops"]] == ["root", "name"]


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["+trace", "+tls", "a.test"], "+trace asks authoritative servers"),
            (["+trace", "@https://127.0.0.1", "a.test"], "+trace asks authoritative servers"),
            (["+trace", "-y", "a:c2VjcmV0", "a.test"], "+trace and a key (-y, -k) exclude each other"),
            (["+nssearch", "+yaml", "a.test"], "+nssearch and +yaml exclude each other"),
            (["+nssearch", "a.test", "+trace"], "+trace and +nssearch exclude each other"),
            (["+nssearch", "a.test", "+search"], "+nssearch and +search exclude each other"),
            (["--root-hints", "{good}", "@127.0.0.1", "a.test"], "both say where the walk begins"),
        ],
    )
    def test_contradictions_are_2(self, hints: dict[str, Path], words: list[str], message: str) -> None:
        result = run_netkit("dig", *[word.format(good=hints["good"]) for word in words])
        assert result.exit_code == 2, result
        assert message in result.stderr

    def test_a_file_that_is_not_there_is_8(self, tmp_path: Path) -> None:
        assert trace(tmp_path / "none", "a.test").exit_code == 8

    def test_a_file_that_is_no_hints_file_is_8(self, tmp_path: Path) -> None:
        file = tmp_path / "hints"
        file.write_text("example. 1 NS a.\n")
        result = trace(file, "a.test")
        assert result.exit_code == 8
        assert f"{file}:1:1: the NS records of hints are those of the root" in result.stderr

    def test_a_file_that_is_too_long_is_8(self, tmp_path: Path) -> None:
        file = tmp_path / "hints"
        file.write_bytes(b";" * 1_000_001)
        result = trace(file, "a.test")
        assert result.exit_code == 8
        assert "is it a hints file?" in result.stderr
