"""EDNS, its versions and options: servers without, servers that object, cookies, padding."""

from __future__ import annotations

import pytest

from netkit.dns.constants import Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import QR, Message
from netkit.dns.policy.knowledge import COOKIE_LIFE, LEARNT_FOR
from tests.dns.scenarios.stage import Stage
from tests.dns.scripted import Asked, answer

pytestmark = pytest.mark.once

RECORD = "www.example. 60 A 198.51.100.1"


def good(asked: Asked) -> Message:
    return answer(asked, RECORD)


def cookie_of(asked: Asked) -> tuple[bytes, bytes] | None:
    option = None if asked.message.edns is None else asked.message.edns.option(EdnsOption.Cookie)
    return None if option is None else (option.client, option.server)


def with_cookie(message: Message, client: bytes, server: bytes) -> Message:
    return message.replace(edns=Edns(options=[EdnsOption.Cookie(client, server)]))


@pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.NOTIMP])
@pytest.mark.parametrize("echoes", [False, True])
def test_a_server_without_edns_is_asked_without_and_remembered(rcode: Rcode, echoes: bool) -> None:
    def script(asked: Asked) -> Message:
        if asked.message.edns is None:
            return good(asked)
        return Message(
            asked.message.id,
            QR,
            rcode=rcode,
            question=asked.message.question,
            edns=asked.message.edns if echoes and rcode == Rcode.FORMERR else None,
        )

    stage = Stage({"192.0.2.1": script})
    assert stage.look_up("www.example.").answer is not None
    assert stage.why == ["FIRST", "NO_EDNS"]
    assert stage.look_up("www.example.").answer is not None
    assert stage.why == ["FIRST"]
    assert stage.asks[-1].message.edns is None
    stage.now += LEARNT_FOR
    stage.look_up("www.example.")
    assert stage.why == ["FIRST", "NO_EDNS"]


def test_formerr_without_edns_is_about_the_question() -> None:
    stage = Stage({"192.0.2.1": lambda asked: answer(asked, rcode=Rcode.FORMERR)})
    stage.look_up("www.example.", tries=1)
    assert stage.why == ["FIRST", "NO_EDNS"]
    stage.look_up("www.example.", tries=1)
    assert stage.asks[2].message.edns is not None, "nothing was learnt of EDNS"


def test_notimp_with_edns_is_about_the_question() -> None:
    """A server that answers with an OPT record of its own knows EDNS."""
    stage = Stage({"192.0.2.1": lambda asked: answer(asked, rcode=Rcode.NOTIMP)})
    stage.look_up("www.example.")
    assert stage.why == ["FIRST"]


def test_silence_does_not_mean_that_edns_is_to_blame() -> None:
    stage = Stage({"192.0.2.1": lambda asked: None if asked.message.edns else good(asked)})
    stage.look_up("www.example.", tries=3)
    assert all(ask.message.edns is not None for ask in stage.asks)


@pytest.mark.parametrize("with_question", [True, False])
def test_badvers_is_understood_without_a_question_too(with_question: bool) -> None:
    def script(asked: Asked) -> Message:
        assert asked.message.edns is not None
        if asked.message.edns.version == 0:
            return good(asked)
        asking = asked.message.question if with_question else ()
        return Message(asked.message.id, QR, rcode=Rcode.BADVERS, question=asking, edns=Edns())

    stage = Stage({"192.0.2.1": script})
    assert stage.look_up("www.example.", edns=Edns(version=1)).answer is not None
    assert stage.why == ["FIRST", "VERSION"]


class TestCookies:
    """RFC 7873 section 5.3, RFC 9018."""

    def test_the_servers_cookie_comes_back(self) -> None:
        def script(asked: Asked) -> Message:
            cookie = cookie_of(asked)
            assert cookie is not None
            seen.append(cookie)
            return with_cookie(good(asked), cookie[0], b"servers-%d" % len(seen))

        seen: list[tuple[bytes, bytes]] = []
        stage = Stage({"192.0.2.1": script})
        for _ in range(3):
            stage.look_up("www.example.", cookies=True)
        assert [server for _, server in seen] == [b"", b"servers-1", b"servers-2"]
        assert len({client for client, _ in seen}) == 1
        stage.now += COOKIE_LIFE + 1
        stage.look_up("www.example.", cookies=True)
        assert seen[3][0] != seen[0][0]
        assert seen[3][1] == b""

    def test_each_server_gets_another(self) -> None:
        stage = Stage({"192.0.2.1": lambda asked: None, "192.0.2.2": lambda asked: None})
        stage.look_up("www.example.", cookies=True, tries=1)
        cookies = {
            option
            for ask in stage.asks
            if ask.message.edns is not None
            and (option := ask.message.edns.option(EdnsOption.Cookie)) is not None
        }
        assert len(cookies) == 2

    def test_badcookie_brings_the_cookie_to_use(self) -> None:
        def script(asked: Asked) -> Message:
            client, server = cookie_of(asked) or (b"", b"")
            if server == b"right-one":
                return with_cookie(good(asked), client, server)
            return with_cookie(answer(asked, rcode=Rcode.BADCOOKIE), client, b"right-one")

        stage = Stage({"192.0.2.1": script})
        assert stage.look_up("www.example.", cookies=True).answer is not None
        assert stage.why == ["FIRST", "COOKIE"]

    def test_badcookie_for_ever_goes_to_tcp_and_ends(self) -> None:
        def script(asked: Asked) -> Message:
            client, _ = cookie_of(asked) or (b"", b"")
            return with_cookie(answer(asked, rcode=Rcode.BADCOOKIE), client, b"%08d" % len(stage.asks))

        stage = Stage({"192.0.2.1": script})
        done = stage.look_up("www.example.", cookies=True)
        assert stage.why == ["FIRST", "COOKIE", "COOKIE_TCP"]
        assert stage.told[-1] == "192.0.2.1:53 tcp"
        assert "BADCOOKIE" in str(done.error)

    def test_a_server_that_never_answers_with_one_is_asked_without(self) -> None:
        stage = Stage({"192.0.2.1": good})
        stage.look_up("www.example.", cookies=True)
        stage.look_up("www.example.", cookies=True)
        edns = [ask.message.edns for ask in stage.asks]
        assert [each is not None and bool(each.options) for each in edns] == [True, False]

    def test_a_server_that_echoes_anothers_is_asked_without(self) -> None:
        def script(asked: Asked) -> Message:
            return (
                good(asked) if cookie_of(asked) is None else with_cookie(good(asked), b"another1", b"s" * 8)
            )

        stage = Stage({"192.0.2.1": script})
        assert stage.look_up("www.example.", cookies=True).answer is not None
        assert stage.why == ["FIRST", "COOKIE_FOREIGN"]
        stage.look_up("www.example.", cookies=True)
        assert stage.why == ["FIRST"]

    def test_an_answer_without_the_cookie_that_the_server_gives_is_not_believed(self) -> None:
        def script(asked: Asked) -> Message:
            client, _ = cookie_of(asked) or (b"", b"")
            if len(stage.asks) == 2:  # forged: whoever made it has not seen the query
                return answer(asked, "www.example. 60 A 203.0.113.6")
            return with_cookie(good(asked), client, b"servers-1")

        stage = Stage({"192.0.2.1": script})
        stage.look_up("www.example.", cookies=True)
        done = stage.look_up("www.example.", cookies=True)
        assert stage.why == ["FIRST", "COOKIE_TCP"]
        assert done.answer is not None
        assert "198.51.100.1" in str(done.answer.records[0])

    def test_none_over_encrypted_transports(self) -> None:
        stage = Stage({"tls://192.0.2.1#a.example": good})
        stage.look_up("www.example.", cookies=True)
        edns = stage.asks[0].message.edns
        assert edns is not None
        assert edns.option(EdnsOption.Cookie) is None


@pytest.mark.parametrize("server", ["tls://192.0.2.1#a.example", "https://192.0.2.1/dns-query"])
@pytest.mark.parametrize("name", ["a.", "www.example.", "a-very-long-label-indeed." * 7])
def test_encrypted_queries_are_padded(server: str, name: str) -> None:
    """RFC 8467 section 4.1."""
    stage = Stage({server: lambda asked: answer(asked, ra=False)})
    stage.ask(name)
    assert len(stage.asks[0].message.to_wire()) % 128 == 0
    stage.ask(name, padding=False)
    assert len(stage.asks[1].message.to_wire()) % 128 != 0


@pytest.mark.parametrize(
    ("server", "asks"), [("192.0.2.1", False), ("tcp://192.0.2.1", True), ("tls://192.0.2.1", True),
    ("https://192.0.2.1", False)]
)  # fmt: skip
def test_connections_are_asked_to_be_kept(server: str, asks: bool) -> None:
    """RFC 7828 section 3.2.1."""
    stage = Stage({server: good})
    stage.look_up("www.example.")
    edns = stage.asks[0].message.edns
    assert edns is not None
    assert (edns.option(EdnsOption.Keepalive) is not None) is asks
    stage.look_up("www.example.", edns=None)
    assert stage.asks[1].message.edns is None


def test_the_id_over_https_is_0() -> None:
    """RFC 8484 section 4.1: so that caches see the same request again."""
    stage = Stage({"https://192.0.2.1/dns-query{?dns}": good, "tls://192.0.2.1": good})
    stage.look_up("www.example.")
    assert stage.asks[0].message.id == 0
