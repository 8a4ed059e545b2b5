"""`netkit dig`: the flags that change what is asked, by the octets that a server gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.dns.constants import Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import Message, make_response
from tests.cli.helpers import Result, run_netkit
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

pytestmark = pytest.mark.once

#: `x.test IN A`, and an OPT record without options as netkit sends it.
QUESTION = "0178 0474657374 00 0001 0001"
OPT = "00 0029 04d0 00000000 0000"


def refuse(asked: Asked) -> Message:
    return make_response(asked.message, rcode=Rcode.REFUSED)


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedServer]:
    with ScriptedServer(refuse) as server:
        yield server


class Peer(NamedTuple):
    """A server that does as it is told, and netkit dig at it."""

    server: ScriptedServer

    def dig(self, *words: str, script: Script = refuse, env: dict[str, str] | None = None) -> Result:
        """Run netkit dig; what came is in `wires`."""
        self.server.script = script
        self.server.asked.clear()
        return run_netkit("dig", f"@{self.server.addr}", "+tries=1", "+time=5", *words, env=env)

    @property
    def wires(self) -> list[str]:
        """The queries without their IDs, in hexadecimal."""
        return [asked.wire[2:].hex() for asked in self.server.asked]

    @property
    def names(self) -> list[str]:
        """The names that were asked for."""
        return [str(asked.message.question[0].name) for asked in self.server.asked]

    @property
    def transports(self) -> str:
        """A letter for each query: u for UDP, t for TCP."""
        return "".join(["t" if asked.over_tcp else "u" for asked in self.server.asked])


@pytest.fixture
def peer(shared: ScriptedServer) -> Peer:
    return Peer(shared)


def octets(flags: str, question: str = QUESTION, opt: str = OPT) -> str:
    """A query without its ID: the second line of the header, the counts, the question, OPT."""
    counts = f"{'0001' if question else '0000'} 0000 0000 {'0001' if opt else '0000'}"
    return f"{flags}{counts}{question}{opt}".replace(" ", "")


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ([], octets("0120")),
        (["+aaflag"], octets("0520")),
        (["+aaonly"], octets("0520")),
        (["+raflag"], octets("01a0")),
        (["+zflag"], octets("0160")),
        (["+zflag", "+aa", "+ra"], octets("05e0")),
        (["+zflag", "+nozflag"], octets("0120")),
        (["+noadflag"], octets("0100")),
        (["+cdflag", "+norecurse"], octets("0030")),
        (["+opcode=5"], octets("2920")),
        (["+opcode=status"], octets("1120")),
        (["+opcode=15"], octets("7920")),
        (["+opcode=notify", "+noopcode"], octets("0120")),
        (["--opcode=NOTIFY"], octets("2120")),
        (["+header-only"], octets("0120", question="")),
        (["+header-only", "+noedns"], octets("0120", question="", opt="")),
        (["+bufsize"], octets("0120")),
        (["+bufsize=0"], octets("0120", opt="00 0029 0000 00000000 0000")),
        (["+ednsflags=1"], octets("0120", opt="00 0029 04d0 00000001 0000")),
        (["+ednsflags=0x1002", "+dnssec"], octets("0120", opt="00 0029 04d0 00009002 0000")),
        (["+ednsflags"], octets("0120")),
        (["+ednsflags=8", "+noednsflags"], octets("0120")),
        (["+coflag"], octets("0120", opt="00 0029 04d0 00004000 0000")),
        (["+edns=1", "+noednsnegotiation"], octets("0120", opt="00 0029 04d0 00010000 0000")),
        (["+expire"], octets("0120", opt="00 0029 04d0 00000000 0004 0009 0000")),
        (["+keepalive"], octets("0120", opt="00 0029 04d0 00000000 0004 000b 0000")),
        (["+keepalive", "+tcp"], octets("0120", opt="00 0029 04d0 00000000 0004 000b 0000")),
        (["+tcp"], octets("0120")),
        (["+padding=64"], octets("0120", opt=f"00 0029 04d0 00000000 001d 000c 0019 {'00' * 25}")),
        (["+padding=39"], octets("0120", opt="00 0029 04d0 00000000 0004 000c 0000")),
        (["+padding=64", "+tcp"],
         octets("0120", opt=f"00 0029 04d0 00000000 001d 000c 0019 {'00' * 25}")),
        (["+padding=0"], octets("0120")),
        (["+padding=64", "+padding=0"], octets("0120")),
        (["+cookie=0011223344556677"],
         octets("0120", opt="00 0029 04d0 00000000 000c 000a 0008 0011223344556677")),
        (["+cookie=0011223344556677", "+nocookie"], octets("0120")),
        (["+nocookie", "+cookie=0011223344556677"],
         octets("0120", opt="00 0029 04d0 00000000 000c 000a 0008 0011223344556677")),
        (["+unexpected", "+mapped", "-i", "-n", "-m"], octets("0120")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_flag_is_in_the_octets(words: list[str], sent: str, peer: Peer) -> None:
    assert peer.dig(*words, "x.test").exit_code == 3
    assert peer.wires == [sent]
    # After the name it is for this name only, and in a line of a file too.
    if words and not any(word.startswith("-") for word in words):
        assert peer.dig("x.test", *words).exit_code == 3
        assert peer.wires == [sent]


def test_the_id_of_each_query_is_the_one_that_was_asked_for(peer: Peer) -> None:
    peer.dig("+qid=4660", "x.test", "y.test", "z.test", "+qid=0")
    assert sorted([asked.message.id for asked in peer.server.asked]) == [0, 4660, 4660]
    assert peer.dig("+qid=4660", "x.test", "--json").json[0]["id"] == 4660


def test_the_answer_to_a_header_has_no_question_either(peer: Peer) -> None:
    def script(asked: Asked) -> Message:
        return Message(asked.message.id, 0x8180, edns=Edns(options=[EdnsOption.Nsid(b"here")]))

    result = peer.dig("+header-only", "+nsid", "x.test", "+explain", script=script)
    assert '("here")' in result.stdout
    assert "no question" in result.stdout
    assert peer.dig("+header-only", "x.test", "--json", script=script).json[0]["rcode"] == "NOERROR"
    words = ["dig", f"@{peer.server.addr}", "+header-only", "x.test"]
    assert "only a header was sent" in run_netkit(*words, tty=True, width=160).stdout
    result = peer.dig("+header-only", "x.test", "+tcp", script=script)
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_answer_to_another_opcode_needs_no_records(peer: Peer) -> None:
    def script(asked: Asked) -> Message:
        return make_response(asked.message)

    assert peer.dig("+opcode=NOTIFY", "x.test", "SOA", script=script).exit_code == 0
    assert peer.dig("x.test", "SOA", script=script).exit_code == 1


def test_an_answer_with_tc_to_a_query_with_tc_is_asked_for_over_tcp(peer: Peer) -> None:
    def script(asked: Asked) -> Message:
        return refuse(asked).replace(flags=refuse(asked).flags | asked.message.flags & 0x0200)

    peer.dig("+tcflag", "x.test", script=script)
    assert peer.transports == "ut"
    assert {wire[:4] for wire in peer.wires} == {"0320"}


class TestRetries:
    def test_badcookie_is_asked_again_with_the_servers_cookie_then_over_tcp(self, peer: Peer) -> None:
        server_part = b"server's"

        def script(asked: Asked) -> Message:
            assert asked.message.edns is not None
            cookie = asked.message.edns.option(EdnsOption.Cookie)
            assert cookie is not None
            good = cookie.server == server_part and asked.over_tcp
            own = Edns(options=[EdnsOption.Cookie(cookie.client, server_part)])
            return make_response(asked.message, rcode=0 if good else Rcode.BADCOOKIE, edns=own)

        row = peer.dig("x.test", "+cookie=0011223344556677", "--json", script=script).json[0]
        assert (row["rcode"], peer.transports) == ("NOERROR", "uut")
        assert [len(asked.wire) for asked in peer.server.asked[:2]] == [47, 55]
        assert peer.wires[1].endswith("000a00100011223344556677" + server_part.hex())
        result = peer.dig("x.test", "+cookie=0011223344556677", "+nobadcookie", "--json", script=script)
        assert (result.json[0]["rcode"], peer.transports) == ("BADCOOKIE", "u")

    def test_a_cookie_of_another_client_is_not_sent_back(self, peer: Peer) -> None:
        def script(asked: Asked) -> Message:
            own = Edns(options=[EdnsOption.Cookie(b"somebody", b"server's")])
            return make_response(asked.message, rcode=Rcode.BADCOOKIE, edns=own)

        peer.dig("x.test", "+cookie", script=script)
        assert peer.transports == "u"

    def test_badvers_is_asked_again_in_the_version_that_the_server_told(self, peer: Peer) -> None:
        def script(asked: Asked) -> Message:
            assert asked.message.edns is not None
            known = min(asked.message.edns.version, 2)
            right = known == asked.message.edns.version
            return make_response(asked.message, rcode=0 if right else Rcode.BADVERS, edns=Edns(version=known))

        row = peer.dig("x.test", "+edns=9", "--json", script=script).json[0]
        assert (row["rcode"], len(peer.wires)) == ("NOERROR", 2)
        assert [asked.message.edns and asked.message.edns.version for asked in peer.server.asked] == [9, 2]
        row = peer.dig("x.test", "+edns=9", "+noednsneg", "--json", script=script).json[0]
        assert (row["rcode"], len(peer.wires)) == ("BADVERS", 1)

    def test_formerr_is_asked_again_without_edns_unless_that_is_not_wanted(self, peer: Peer) -> None:
        def script(asked: Asked) -> Message:
            if asked.message.edns is None:
                return answer(asked, "x.test. 60 A 192.0.2.1")
            return make_response(asked.message, rcode=Rcode.FORMERR).replace(edns=None)

        assert peer.dig("x.test", "+short", script=script).stdout == "192.0.2.1\n"
        assert len(peer.wires) == 2
        assert peer.dig("x.test", "+noednsneg", "--json", script=script).json[0]["rcode"] == "FORMERR"
        assert len(peer.wires) == 1

    def test_nofail_asks_the_next_server_after_servfail(self, peer: Peer) -> None:
        def fail(asked: Asked) -> Message:
            return make_response(asked.message, rcode=Rcode.SERVFAIL)

        with ScriptedServer(lambda asked: answer(asked, "x.test. 60 A 192.0.2.7")) as second:
            two = [f"@{second.addr}", "x.test", "+short"]
            assert peer.dig(*two, script=fail).stdout == ""
            assert len(second.asked) == 0
            assert peer.dig(*two, "+nofail", script=fail).stdout == "192.0.2.7\n"
            assert len(second.asked) == 1
        with ScriptedServer(fail) as second:
            result = peer.dig(f"@{second.addr}", "x.test", "+nofail", "--json", "+tries=3", script=fail)
            assert result.json[0]["server"] == str(second.addr)
        assert (len(peer.wires), len(second.asked)) == (1, 1)


def test_keepopen_says_whether_queries_share_a_connection(peer: Peer) -> None:
    for flag, connections in (("+keepopen", 1), ("+nokeepopen", 3)):
        before = peer.server.connected
        peer.dig("+tcp", flag, "x.test", "y.test", "z.test", "--concurrency=1")
        assert peer.server.connected - before == connections


def test_a_server_with_an_ipv4_address_is_asked_from_an_ipv6_socket(peer: Peer) -> None:
    row = peer.dig("-6", "+mapped", "x.test", "--json").json[0]
    assert row["server"] == f"[::ffff:127.0.0.1]:{peer.server.addr.port}"
    result = peer.dig("-6", "+nomapped", "x.test")
    assert "no IPv6 address" in result.stderr
    assert peer.wires == []


def test_names_in_unicode_are_asked_for_as_idna_or_as_they_are(peer: Peer) -> None:
    peer.dig("é.test")
    assert peer.names == ["xn--9ca.test."]
    peer.dig("é.test", "+noidnin")
    assert peer.names == ["\\195\\169.test."]
    peer.dig("\udce9.test", "+noidnin")  # the octet E9 of a command line
    assert peer.names == ["\\233.test."]


class TestSearch:
    """Which names are asked for: those of the search list while the answer is NXDOMAIN."""

    @staticmethod
    def only(name: str) -> Script:
        def script(asked: Asked) -> Message:
            if asked.name == name:
                return answer(asked, f"{name} 60 A 192.0.2.1")
            return answer(asked, rcode=Rcode.NXDOMAIN, authority=["test. 60 SOA a b 1 2 3 4 5"])

        return script

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["www", "+domain=y.test"], ["www.y.test."]),
            (["www.", "+domain=y.test"], ["www."]),
            (["www", "+domain=z.test"], ["www.z.test.", "www."]),
            (["a.b", "+domain=z.test"], ["a.b.", "a.b.z.test."]),
            (["a.b", "+domain=z.test", "+ndots=2"], ["a.b.z.test.", "a.b."]),
            (["www", "+domain=z.test", "+ndots=0"], ["www.", "www.z.test."]),
            (["www", "+domain=z.test", "+nosearch"], ["www."]),
            (["-q", "www", "+domain=y.test"], ["www.y.test."]),
            (["-x", "192.0.2.1", "+domain=y.test"], ["1.2.0.192.in-addr.arpa."]),
        ],
    )
    def test_domain_and_ndots(self, words: list[str], names: list[str], peer: Peer) -> None:
        peer.dig(*words, script=self.only("www.y.test."))
        assert peer.names == names

    def test_the_list_is_that_of_the_system(self, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCALDOMAIN", "x.test y.test z.test")
        script = self.only("www.y.test.")
        assert peer.dig("www", script=script).exit_code == 1
        assert peer.names == ["www."]
        for flag in ("+search", "+defname", "+showsearch"):
            assert peer.dig("www", flag, "+short", script=script).stdout == "192.0.2.1\n"
            assert peer.names == ["www.x.test.", "www.y.test."]
        row = peer.dig("www", "+search", "--json", script=script).json[0]
        assert row["question"]["name"] == "www.y.test."
        assert row["searched"] == [{"name": "www.x.test.", "rcode": "NXDOMAIN"}]
        assert [step["number"] for step in row["history"]] == [1, 2]

    def test_showsearch_shows_what_was_tried(self, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCALDOMAIN", "x.test y.test z.test")
        script = self.only("www.y.test.")
        shown = peer.dig("www", "+showsearch", script=script).stdout
        assert shown.index("status: NXDOMAIN") < shown.index("status: NOERROR")
        assert ";www.x.test." in shown
        assert "NXDOMAIN" not in peer.dig("www", "+search", script=script).stdout
        server = f"@{peer.server.addr}"
        sheet = run_netkit("dig", server, "www", "+showsearch", "+explain", tty=True, width=160).stdout
        assert "there is no such name" in sheet
        assert sheet.count("www.x.test. A") == 1  # in the history of the last

    def test_the_last_answer_decides(self, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCALDOMAIN", "x.test y.test z.test")

        def script(asked: Asked) -> Message:
            return self.only("nothing.")(asked) if asked.name != "www.y.test." else refuse(asked)  # type: ignore[return-value]

        result = peer.dig("www", "+search", script=script)
        assert (result.exit_code, peer.names) == (3, ["www.x.test.", "www.y.test."])
        result = peer.dig("www", "+search", script=self.only("nothing."))
        assert (result.exit_code, peer.names[-1]) == (1, "www.")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["+opcode=99"], "+opcode=99: '99' is not an opcode", "from 0 to 15"),
        (["+opcode"], "+opcode: a value is missing", "+[no]opcode=OPCODE"),
        (["+qid=65536"], "'65536' is out of range", "from 0 to 65535"),
        (["+ednsflags=0x8000"], "'0x8000' is not a set of flags", "+dnssec sets DO"),
        (["+ednsflags=-1"], "'-1' is not a set of flags", "0x7fff"),
        (["+padding=513"], "'513' is out of range", "from 0 to 512"),
        (["+nopadding"], "+padding cannot be switched off", "+padding=N"),
        (["+domain=a..b"], "'a..b' is not a domain", "example.com"),
        (["+noedns", "+padding=8"], "+noedns contradicts +padding", ""),
        (["+noedns", "+expire"], "+noedns contradicts +expire", ""),
        (["+http-plain"], "BIND's dig has this flag, netkit dig does not", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_values_are_refused(words: list[str], message: str, hint: str, peer: Peer) -> None:
    result = peer.dig("x.test", *words)
    assert (result.exit_code, peer.wires) == (2, [])
    assert message in result.stderr
    assert hint in result.stderr


Home = Callable[[str], dict[str, str]]


class TestDigrc:
    """Words that stand in ~/.digrc."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Home:
        def write(text: str) -> dict[str, str]:
            (tmp_path / ".digrc").write_text(text)
            return {"HOME": str(tmp_path)}

        return write

    def test_its_words_precede_those_of_the_command_line(self, peer: Peer, home: Home) -> None:
        env = home("+norec  # ask for what the server has\n; a comment\n\n-t MX +noall\n+answer\n")
        script = TestSearch.only("x.test.")
        shown = peer.dig("x.test", env=env, script=script).lines
        assert [line.split() for line in shown] == [["x.test.", "60", "IN", "A", "192.0.2.1"]]
        assert peer.wires == [octets("0020", question="0178 0474657374 00 000f 0001")]
        for words in (
            ["x.test", "A", "+rec"],
            ["A", "+rec", "x.test"],
            ["x.test", "-r"],
            ["--no-digrc", "x.test"],
        ):
            peer.dig(*words, env=env)
            assert peer.wires == [octets("0120")]

    def test_the_server_of_the_command_line_is_in_place_of_its_server(self, peer: Peer, home: Home) -> None:
        env = home(f"@{peer.server.addr} +tcp\n")
        assert peer.dig("x.test", env=env).exit_code == 3
        assert peer.transports == "t"
        peer.server.asked.clear()
        run_netkit("dig", "x.test", "+notcp", env=env)
        assert peer.transports == "u"

    def test_short_may_be_taken_back(self, peer: Peer, home: Home) -> None:
        env = home("+short")
        script = TestSearch.only("x.test.")
        assert peer.dig("x.test", env=env, script=script).stdout == "192.0.2.1\n"
        assert "ANSWER SECTION" in peer.dig("x.test", "+noshort", env=env, script=script).stdout
        assert "ANSWER SECTION" in peer.dig("+noshort", "x.test", env=env, script=script).stdout

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("\n+nonsense\n", ".digrc, line 2: there is no flag +nonsense"),
            ("www.x.test\n", ".digrc, line 1: there is a name to ask for"),
            ("-x 192.0.2.1\n", ".digrc, line 1: there is a name to ask for"),
            ("+qid=a b\n", ".digrc, line 1: +qid=a: 'a' is not a number"),
            ("-t\n", ".digrc, line 1: -t: a value is missing"),
            ("#" * 70000, ".digrc is over 65,536 octets"),
        ],
        ids=range(6),
    )
    def test_what_is_wrong_in_it_is_told_with_the_line(
        self, text: str, message: str, peer: Peer, home: Home
    ) -> None:
        env = home(text)
        result = peer.dig("x.test", env=env)
        assert (result.exit_code, peer.wires) == (2, [])
        assert message in result.stderr
        assert "-r does not read the file" in result.stderr
        assert peer.dig("x.test", "-r", env=env).exit_code == 3

    def test_a_home_without_it_is_no_error(self, peer: Peer, tmp_path: Path) -> None:
        assert peer.dig("x.test", env={"HOME": str(tmp_path)}).exit_code == 3
        assert peer.dig("x.test", env={"HOME": "/dev/null"}).exit_code == 3
        (tmp_path / ".digrc").mkdir()
        result = peer.dig("x.test", env={"HOME": str(tmp_path)})
        assert (result.exit_code, "Is a directory" in result.stderr) == (2, True)


def test_of_two_words_for_one_flag_the_last_counts(peer: Peer) -> None:
    for words in (["x.test", "+nocookie", "+cookie"], ["+nocookie", "+cookie", "x.test"]):
        peer.dig(*words)
        assert len(peer.server.asked[0].wire) == 47
    peer.dig("+ednsopt=65001:00", "+noednsopt", "+ednsopt=65002", "+ednsopt=65003", "x.test")
    assert peer.wires[0].endswith("0008 fdea 0000 fdeb 0000".replace(" ", ""))
    peer.dig("+ednsopt=65001:00", "+noednsopt", "x.test")
    assert peer.wires == [octets("0120")]


def test_without_a_name_a_server_is_asked_for_the_servers_of_the_root(peer: Peer) -> None:
    for words in ([], ["+short"], ["+norec"]):
        peer.dig(*words)
        assert [str(asked.message.question[0]) for asked in peer.server.asked] == [".\tIN\tNS"]
    assert run_netkit("dig").exit_code == 2
    assert "mx was read as a type" in peer.dig("mx").stderr.lower()


def test_a_line_of_a_file_may_have_the_letters_of_the_command_line(peer: Peer) -> None:
    result = run_netkit(
        "dig",
        f"@{peer.server.addr}",
        "--json",
        "--ordered",
        "-f",
        "-",
        stdin="x.test -r -u\ny.test +qid=5 -m\n",
    )
    assert [row["error"]["kind"] for row in result.json] == ["Refused", "Refused"]
    assert result.json[1]["id"] == 5


def test_u_shows_microseconds(peer: Peer) -> None:
    script = TestSearch.only("x.test.")
    assert " usec" in peer.dig("x.test", "-u", script=script).stdout
    assert " msec" in peer.dig("x.test", script=script).stdout
