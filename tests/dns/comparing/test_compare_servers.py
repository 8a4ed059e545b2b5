"""Asking real servers the same: a stale secondary, a lame delegation, a split answer, a dead server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from netkit.dns import DnsServer, QueryOptions, parse_zone
from netkit.dns.comparing import (
    Comparison,
    Server,
    Standing,
    compare_flow,
    compare_servers,
    compare_servers_async,
)
from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Question
from netkit.dns.name import Name
from netkit.io import CancellationToken
from netkit.serve.connections import in_background
from tests.conftest import free_port
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

pytestmark = pytest.mark.once

ORIGIN = Name.parse("example.test")
WWW = Question("www.example.test.", DnsRecordType.A)
#: As short as loopback allows: a dead server is found dead quickly.
OPTIONS = QueryOptions(timeout=0.05, tries=1, rd=False)


def zone_text(serial: int, address: str = "192.0.2.1") -> str:
    return (
        f"$ORIGIN example.test.\n@ 300 SOA ns1 host {serial} 2 3 4 60\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n"
        f"www 300 A {address}\nalias 300 CNAME www.example.org.\nd 300 DNAME example.org.\n"
    )


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    """Servers with another version of the zone each, or without it."""
    texts = {
        "primary": zone_text(2),
        "stale": zone_text(1),
        "split": zone_text(2, "192.0.2.99"),
        "lame": "$ORIGIN elsewhere.test.\n@ 300 SOA ns1 host 9 2 3 4 60\n",
    }
    with ExitStack() as stack:
        found = {}
        for name, text in texts.items():
            server = DnsServer.bind("127.0.0.1:0", [parse_zone(text)])
            stack.enter_context(in_background(server.serve))
            found[name] = Server.of(server.local_addr, Name.parse(f"{name}.test"), ORIGIN)
        found["dead"] = Server.of(f"127.0.0.1:{free_port()}", Name.parse("dead.test"), ORIGIN)
        yield found


def compared(servers: dict[str, Server], *names: str, question: Question = WWW) -> Comparison:
    return compare_servers(question, [servers[name] for name in names], OPTIONS)


def test_a_stale_secondary(servers: dict[str, Server]) -> None:
    comparison = compared(servers, "stale", "primary")
    assert [(str(each.zone), each.serial, each.behind) for each in comparison.serials] == [
        ("example.test.", 2, 0),
        ("example.test.", 1, 1),
    ]
    assert [each.server for each in comparison.dissenting] == [servers["stale"]]
    assert not comparison.groups[1].difference.only_first  # the name itself is the same in both versions


def test_a_split_answer(servers: dict[str, Server]) -> None:
    difference = compared(servers, "primary", "split").groups[1].difference
    assert difference.serials is None
    assert [record.rdata_text() for record in difference.only_first] == ["192.0.2.1"]
    assert [record.rdata_text() for record in difference.only_second] == ["192.0.2.99"]


def test_a_lame_delegation_and_a_dead_server(servers: dict[str, Server]) -> None:
    comparison = compared(servers, "primary", "lame", "dead")
    assert [each.standing for each in comparison.members] == [
        Standing.ANSWERED,
        Standing.LAME,
        Standing.FAILED,
    ]
    assert not comparison.agree
    assert isinstance(comparison.members[2].heard.error, DnsError.NetworkError)
    only = compared(servers, "dead", "lame")
    assert only.error is only.members[0].heard.error


@pytest.mark.parametrize("name", ["alias.example.test.", "below.d.example.test.", "absent.example.test."])
def test_the_serial_of_a_zone_is_found_from_any_name(servers: dict[str, Server], name: str) -> None:
    question = Question(name, DnsRecordType.A)
    for known in (ORIGIN, None):
        asked = [servers[each]._replace(zone=known) for each in ("primary", "stale")]
        comparison = compare_servers(question, asked, OPTIONS)
        assert [each.serial for each in comparison.serials] == [2, 1], comparison.members


def test_the_question_for_the_soa_needs_no_second_query(scripted: Callable[[Script], ScriptedServer]) -> None:
    def script(asked: Asked) -> object:
        return answer(asked, "example.test. 300 SOA ns host 5 2 3 4 60", aa=True)

    server = scripted(script)  # type: ignore[arg-type]
    comparison = compare_servers(Question(ORIGIN, DnsRecordType.SOA), [server.addr], OPTIONS)
    assert [each.serial for each in comparison.serials] == [5]
    assert len(server.asked) == 1


def test_a_cache_is_not_asked_for_the_serial(scripted: Callable[[Script], ScriptedServer]) -> None:
    server = scripted(lambda asked: answer(asked, "www.example.test. 7 A 192.0.2.1"))
    comparison = compare_servers(WWW, [server.addr], OPTIONS)
    assert comparison.agree
    assert comparison.serials == ()
    assert len(server.asked) == 1


def test_a_server_that_says_aliases_without_end(scripted: Callable[[Script], ScriptedServer]) -> None:
    """Each name is an alias: nobody says which zone it is in, and the search ends all the same."""
    name = "a.b.c.d.e.f.g.h.i.j.k.l.example.test."

    def script(asked: Asked) -> object:
        return answer(asked, f"{asked.message.question[0].name} 60 CNAME x.org.", aa=True)

    server = scripted(script)  # type: ignore[arg-type]
    comparison = compare_servers(Question(name, DnsRecordType.A), [server.addr], OPTIONS)
    assert comparison.serials == ()
    assert len(server.asked) == 9


def test_the_async_form(servers: dict[str, Server]) -> None:
    given = [servers["primary"], servers["split"]]
    comparison = asyncio.run(compare_servers_async(WWW, given, OPTIONS))
    assert len(comparison.groups) == 2


def test_a_comparison_is_cancelled(servers: dict[str, Server]) -> None:
    from netkit.io import CancellationError, run

    token = CancellationToken()
    token.cancel()
    with pytest.raises(CancellationError):
        run(compare_flow(WWW, [servers["primary"]], OPTIONS), cancel=token)
