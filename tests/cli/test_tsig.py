"""`dig -y` and `-k`, `serve dns --tsig-key` and `--tsig-file`: signed queries and answers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netkit.dns import DnsServer, TsigKey, make_query, parse_zone
from netkit.dns.messages.message import Message
from netkit.dns.tsig import sign, verify
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, row_of, run_netkit, words_of
from tests.cli.test_serve import ZONE, serving
from tests.dns.scripted import Asked, ScriptedServer, answer

Netkit = Callable[..., Result]

SECRET = "bmV0a2l0IHRlc3RzOiBhIHNlY3JldCBvZiA0MCBvY3RldHMsIGZpeGVk"
TEXT = f"hmac-sha256:key.example:{SECRET}"
KEY = TsigKey.parse(TEXT)
FILE = f'key "key.example" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
NAME = "ns1.example.test"


@pytest.fixture
def server() -> Iterator[str]:
    """`@ADDRESS:PORT` of a server that knows the key."""
    made = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE)], [KEY])
    with in_background(made.serve):
        yield f"@{made.local_addr}"


def test_a_signed_answer(netkit: Netkit, server: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(FILE)
    for how in (["-y", TEXT], ["--tsig-key", TEXT], ["-k", str(tmp_path / "key")], [f"-y{TEXT}", "+tcp"]):
        result = netkit("dig", server, NAME, "+short", *how)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "127.0.0.1\n", "")


def test_a_signature_is_shown(netkit: Netkit, server: str) -> None:
    plain = netkit("dig", server, NAME, "-y", TEXT).stdout
    _, _, signature = plain.partition(";; TSIG PSEUDOSECTION:\n")
    assert signature.startswith("key.example.\t\t0\tANY\tTSIG\thmac-sha256. ")
    assert ";; ADDITIONAL SECTION" not in plain
    (row,) = netkit("dig", server, NAME, "-y", TEXT, "--json").json
    (record,) = row["additional"]
    assert (record["type"], record["class"], record["ttl_s"]) == ("TSIG", "ANY", 0)
    assert record["fields"]["algorithm"] == "hmac-sha256."
    assert record["fields"]["error"] == 0
    assert SECRET not in plain + str(row)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (TEXT.replace("key.example", "other"), "the server refuses the signature with other.: BADKEY"),
        (TEXT.replace("bmV0", "bmV1"), "the server refuses the signature with key.example.: BADSIG"),
    ],
)
def test_a_signature_that_the_server_refuses_is_3(netkit: Netkit, server: str, key: str, said: str) -> None:
    result = netkit("dig", server, NAME, "-y", key)
    assert (result.exit_code, result.stdout) == (3, "")
    assert said in result.stderr
    assert "\nhint: do both sides" in result.stderr


@pytest.mark.parametrize("tcp", ["+notcp", "+tcp"])
def test_an_answer_that_is_not_signed_is_6(netkit: Netkit, tcp: str) -> None:
    with ScriptedServer(lambda asked: answer(asked, f"{NAME}. 60 A 192.0.2.66")) as forging:
        result = netkit("dig", f"@{forging.addr}", NAME, "-y", TEXT, "+short", tcp, "+time=10")
        (row,) = netkit("dig", f"@{forging.addr}", NAME, "-y", TEXT, "--json", tcp).json
    assert (result.exit_code, result.stdout) == (6, "")
    assert "the answer is not signed with key.example." in result.stderr
    assert (row["error"]["layer"], row["error"]["kind"]) == ("dns", "Unsigned")


def test_clocks_that_differ_are_told_apart(netkit: Netkit) -> None:
    def of_long_ago(asked: Asked) -> bytes:
        query = verify(asked.wire, KEY, _time_of(asked))
        return sign(answer(asked).to_wire(), KEY, 1_000_000_000, query.mac).wire

    with ScriptedServer(of_long_ago) as late:
        result = netkit("dig", f"@{late.addr}", NAME, "-y", TEXT, "+tcp")
    assert result.exit_code == 6
    assert "2001-09-09T01:46:40Z" in result.stderr
    assert "hint: set the clocks" in result.stderr


def _time_of(asked: Asked) -> int:
    time: int = asked.message.additional[-1].fields["time_signed"]
    return time


def test_a_key_file_that_cannot_be_used(netkit: Netkit, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(FILE + f"key b {{ algorithm hmac-sha256; secret {SECRET}! }};")
    result = netkit("dig", "@127.0.0.1", NAME, "-k", str(path))
    assert result.exit_code == 8
    assert f"{path}:2:" in result.stderr
    assert SECRET not in result.stderr
    path.write_text(FILE * 2)
    assert netkit("dig", "@127.0.0.1", NAME, "-k", str(path)).exit_code == 2
    assert netkit("dig", "@127.0.0.1", NAME, "-k", str(tmp_path / "absent")).exit_code == 8


def test_the_secret_is_in_no_message_of_wrong_usage(netkit: Netkit) -> None:
    for key in (f"hmac-sha9:k:{SECRET}", f"k:{SECRET}!", f"a:b:c:{SECRET}", f"a..b:{SECRET}"):
        result = netkit("dig", "@127.0.0.1", NAME, "-y", key)
        assert result.exit_code == 2
        assert SECRET[:12] not in result.stderr
        result = netkit("serve", "dns", "--zone", "none", "--tsig-key", key)
        assert result.exit_code == 2
        assert SECRET[:12] not in result.stderr


#: Lines of a file that are wrong, and have the secret where a message might repeat it.
WRONG_LINES = (
    f"{NAME} -y {TEXT} other.example", f"{NAME} -y {TEXT} MX NS", f"{NAME} -y{TEXT} +frob",
    f"{NAME} -4y{TEXT}", f"{NAME} --tsig-key={TEXT}", f"{NAME} --tsig-key {TEXT}", f"-y {TEXT}",
    f"{NAME} -y {TEXT} -k none", f"{NAME} -y {TEXT}!", f"{NAME} --proxy http://user:{SECRET}@127.0.0.1",
    f"{NAME} @https://user:{SECRET}@127.0.0.1/dns-query", f"https://user:{SECRET}@example.test",
)  # fmt: skip


@pytest.mark.parametrize("form", ["--json", "--plain", "--short", "+yaml", "tty"])
def test_the_key_of_a_line_is_not_repeated(form: str, server: str, tmp_path: Path) -> None:
    """A line stands in its row, in messages and in the journal."""
    (tmp_path / "wrong").write_text("\n".join(WRONG_LINES))
    (tmp_path / "lines").write_text(f"{NAME} -y {TEXT}\nmissing.example.test -y{TEXT}\n")
    words = ("dig", server, "--ordered", *([] if form == "tty" else [form]))
    journal = tmp_path / "journal"
    result = run_netkit(
        *words, "-f", str(tmp_path / "lines"), "--resume", str(journal), tty=form == "tty", width=200
    )
    assert result.exit_code == 9
    assert NAME in result.stdout or form == "--short"
    wrong = run_netkit(*words, "-f", str(tmp_path / "wrong"), tty=form == "tty", width=200)
    assert wrong.exit_code == 2
    assert f"{len(WRONG_LINES)} of {len(WRONG_LINES)} inputs failed" in wrong.stderr
    assert f"{NAME} -y ..." in journal.read_text()
    for text in (result.stdout, result.stderr, wrong.stdout, wrong.stderr, journal.read_text()):
        assert SECRET[:12] not in text
    again = run_netkit(*words, "-f", str(tmp_path / "lines"), "--resume", str(journal))
    assert "all 2 inputs were done before" in again.stderr


def test_a_key_in_a_line_signs_its_query_alone(netkit: Netkit, server: str, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(f"{NAME} -y {TEXT}\n{NAME}\n")
    signed, plain = netkit("dig", server, "--json", "--ordered", "-f", str(tmp_path / "lines")).json
    assert [record["type"] for record in signed["additional"]] == ["TSIG"]
    assert plain["additional"] == []
    assert (signed["input"], plain["input"]) == (f"{NAME} -y ...", NAME)


def test_the_secret_of_digrc_is_in_no_message(tmp_path: Path) -> None:
    for line in (
        f"-y {TEXT} name.example", f"-y {TEXT}!", f"-y {TEXT} +frob", f"--tsig-kye={TEXT}",
        f"--tsig-kye {TEXT}", f"-tsig-key={TEXT}", f"-k {TEXT}",
    ):  # fmt: skip
        (tmp_path / ".digrc").write_text(line)
        result = run_netkit("dig", NAME, env={"HOME": str(tmp_path)})
        assert result.exit_code == 2
        assert SECRET[:12] not in result.stderr


def test_an_old_algorithm(netkit: Netkit) -> None:
    # dig was asked for it by name; a server takes none that can be forged.
    with ScriptedServer(answer) as anyone:
        result = netkit("dig", f"@{anyone.addr}", NAME, "-y", f"hmac-md5:k:{SECRET}", "+tcp")
        assert result.exit_code == 6
        assert str(anyone.asked[0].message.additional[-1].fields["algorithm"]) == "hmac-md5.sig-alg.reg.int."
    result = netkit("serve", "dns", "--zone", "none", "--tsig-key", f"hmac-md5:k:{SECRET}")
    assert result.exit_code == 2
    assert "forbids" in result.stderr


def test_serve_dns_with_keys(netkit: Netkit, tmp_path: Path) -> None:
    zone, keys = tmp_path / "zone", tmp_path / "keys"
    zone.write_text(ZONE)
    keys.write_text(FILE)
    given = f"hmac-sha512:given:{SECRET}"
    files = ("--zone", str(zone), "--tsig-file", str(keys), "--tsig-key", given)
    with serving("dns", *files, sockets=2) as server:
        at = ("dig", f"@{server.addr('udp')}", NAME, "+short")
        assert netkit(*at, "-y", TEXT).exit_code == 0
        assert netkit(*at, "-y", given).exit_code == 0
        assert netkit(*at).stdout == "127.0.0.1\n"
        keys.write_text(FILE.replace("key.example", "renamed"))
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stdout is not None
        assert row_of(words_of(server.process), server.process.stdout.readline())["event"] == "reloaded"
        assert netkit(*at, "-y", TEXT).exit_code == 3
        assert netkit(*at, "-y", TEXT.replace("key.example", "renamed")).exit_code == 0
        assert netkit(*at, "-y", given).exit_code == 0
        assert server.end()[0] == 0


def test_a_query_of_the_library_is_what_dig_sends(netkit: Netkit) -> None:
    with ScriptedServer(lambda asked: None if not asked.over_tcp else answer(asked)) as silent:
        netkit("dig", f"@{silent.addr}", NAME, "-y", TEXT, "+tcp", "+noad")
    (asked,) = silent.asked
    verified = verify(asked.wire, KEY, _time_of(asked))
    assert Message.from_wire(verified.message) == make_query(
        NAME, 1, id=asked.message.id, edns=asked.message.edns
    )
