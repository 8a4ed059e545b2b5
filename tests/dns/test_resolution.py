"""What a recursive server's messages mean: answers, aliases, denials, refusals, referrals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions, resolve_question
from netkit.dns.messages.message import Question
from netkit.dns.policy.answer import MAX_ALIASES
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

Scripted = Callable[[Script], ScriptedServer]
Drive = Callable[..., Any]

QUESTION = Question("www.example.", DnsRecordType.A)
PATIENT = QueryOptions(timeout=5.0, tries=2)
SOA = "example. 300 SOA ns.example. hostmaster.example. 1 2 3 4 60"
A = "192.0.2.1"


def table(records: dict[str, list[str]]) -> Script:
    """A server that answers from a table of names, an alias without what it leads to."""
    return lambda asked: answer(
        asked, *records.get(asked.name, []), authority=[] if asked.name in records else [SOA]
    )


class TestAliases:
    def test_in_one_message(self, scripted: Scripted, drive: Drive) -> None:
        chain = ["www.example. 50 CNAME a.example.", "a.example. 40 CNAME b.net.", f"b.net. 60 A {A}"]
        server = scripted(lambda asked: answer(asked, *chain))
        found = drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert [str(each.canonical) for each in found.aliases] == ["a.example.", "b.net."]
        assert str(found.canonical_name) == "b.net."
        assert found.ttl == 40
        assert len(server.asked) == len(found.replies) == 1

    def test_in_any_order(self, scripted: Scripted, drive: Drive) -> None:
        chain = [f"b.net. 60 A {A}", "a.example. 40 CNAME b.net.", "www.example. 50 CNAME a.example."]
        server = scripted(lambda asked: answer(asked, *chain))
        assert len(drive(resolve_question(QUESTION, [server.addr], PATIENT)).records) == 1

    def test_across_messages(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(
            table({
                "www.example.": ["www.example. 50 CNAME a.example."],
                "a.example.": ["a.example. 5 CNAME b.net."],
                "b.net.": [f"b.net. 60 A {A}"],
            })
        )  # fmt: skip
        found = drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert [asked.name for asked in server.asked] == ["www.example.", "a.example.", "b.net."]
        assert (len(found.replies), len(found.aliases), found.ttl) == (3, 2, 5)
        assert found.question == QUESTION

    def test_what_nothing_leads_to_is_not_taken(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: answer(asked, f"other.example. 60 A {A}", authority=[SOA]))
        with pytest.raises(DnsError.NoData):
            drive(resolve_question(QUESTION, [server.addr], PATIENT))

    def test_an_alias_may_be_asked_for(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: answer(asked, "www.example. 50 CNAME a.example."))
        question = Question("www.example.", DnsRecordType.CNAME)
        found = drive(resolve_question(question, [server.addr], PATIENT))
        assert (len(found.records), found.aliases) == (1, ())
        found = drive(resolve_question(Question("www.example.", DnsRecordType.ANY), [server.addr], PATIENT))
        assert len(found.records) == 1

    def test_loop_in_a_message(self, scripted: Scripted, drive: Drive) -> None:
        loop = ["www.example. 50 CNAME a.example.", "a.example. 50 CNAME WWW.example."]
        server = scripted(lambda asked: answer(asked, *loop))
        with pytest.raises(DnsError.AliasLoop, match="leads back"):
            drive(resolve_question(QUESTION, [server.addr], PATIENT))

    def test_loop_across_messages(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(
            table({
                "www.example.": ["www.example. 50 CNAME a.example."],
                "a.example.": ["a.example. 50 CNAME www.example."],
            })
        )  # fmt: skip
        with pytest.raises(DnsError.AliasLoop, match="leads back"):
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert len(server.asked) <= MAX_ALIASES + 1

    def test_chain_without_end(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(
            lambda asked: answer(asked, f"{asked.name} 50 CNAME a{len(asked.name)}.{asked.name}")
        )
        with pytest.raises(DnsError.AliasLoop, match=f"more than {MAX_ALIASES} aliases"):
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert len(server.asked) == MAX_ALIASES + 1

    def test_leads_to_nothing(self, scripted: Scripted, drive: Drive) -> None:
        """RFC 2308 section 2.1: the code and the SOA are of the name at the end."""
        alias = "www.example. 50 CNAME gone.example."
        server = scripted(lambda asked: answer(asked, alias, rcode=Rcode.NXDOMAIN, authority=[SOA]))
        with pytest.raises(DnsError.NotFound) as caught:
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert caught.value.negative_ttl == 50, "the SOA says 60, and the alias holds for 50"
        assert caught.value.name == QUESTION.name

    def test_leads_to_no_data(self, scripted: Scripted, drive: Drive) -> None:
        alias = "www.example. 50 CNAME mail.example."
        server = scripted(lambda asked: answer(asked, alias, authority=[SOA]))
        with pytest.raises(DnsError.NoData):
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert len(server.asked) == 1, "the SOA says that the server looked there too"


class TestDenials:
    def test_nxdomain(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: answer(asked, rcode=Rcode.NXDOMAIN, authority=[SOA]))
        with pytest.raises(DnsError.NotFound) as caught:
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert (caught.value.name, caught.value.rdtype, caught.value.server) == (
            QUESTION.name, DnsRecordType.A, server.addr,
        )  # fmt: skip

    def test_no_data(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: answer(asked, authority=[SOA]))
        with pytest.raises(DnsError.NoData):
            drive(resolve_question(QUESTION, [server.addr], PATIENT))

    def test_no_data_without_soa(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(answer)
        with pytest.raises(DnsError.NoData) as caught:
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert caught.value.negative_ttl is None

    def test_a_denial_is_final(self, scripted: Scripted, drive: Drive) -> None:
        denying = scripted(lambda asked: answer(asked, rcode=Rcode.NXDOMAIN))
        other = scripted(lambda asked: answer(asked, f"www.example. 60 A {A}"))
        with pytest.raises(DnsError.NotFound):
            drive(resolve_question(QUESTION, [denying.addr, other.addr], PATIENT))
        assert other.asked == []

    def test_a_denial_holds_no_longer_than_the_aliases_to_it(self, scripted: Scripted, drive: Drive) -> None:
        def script(asked: Asked) -> Any:
            if asked.name == "www.example.":
                return answer(asked, "www.example. 5 CNAME gone.net.")
            return answer(asked, rcode=Rcode.NXDOMAIN, authority=["net. 300 SOA ns.net. h.net. 1 2 3 4 60"])

        server = scripted(script)
        with pytest.raises(DnsError.NotFound) as caught:
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert (caught.value.name, caught.value.negative_ttl) == (QUESTION.name, 5)

    def test_the_soa_of_another_zone_says_nothing_of_how_long(self, scripted: Scripted, drive: Drive) -> None:
        other = "net. 300 SOA ns.net. h.net. 1 2 3 4 60"
        server = scripted(lambda asked: answer(asked, rcode=Rcode.NXDOMAIN, authority=[other]))
        with pytest.raises(DnsError.NotFound) as caught:
            drive(resolve_question(QUESTION, [server.addr], PATIENT))
        assert caught.value.negative_ttl is None


#: What is no answer, and makes way for the next server's; the error if there is no other, and how
#: often it is asked then in two rounds (SERVFAIL again in the second, FORMERR once more without EDNS).
UNUSABLE: dict[str, tuple[Callable[[Asked], Any], type[DnsError], int]] = {
    "SERVFAIL": (lambda asked: answer(asked, rcode=Rcode.SERVFAIL), DnsError.ServerError, 2),
    "REFUSED": (lambda asked: answer(asked, rcode=Rcode.REFUSED), DnsError.Refused, 1),
    "NOTIMP": (lambda asked: answer(asked, rcode=Rcode.NOTIMP), DnsError.NoRecovery, 1),
    "FORMERR": (lambda asked: answer(asked, rcode=Rcode.FORMERR), DnsError.NoRecovery, 2),
    "NOTAUTH": (lambda asked: answer(asked, rcode=Rcode.NOTAUTH), DnsError.ServerError, 1),
    "lame": (
        lambda asked: answer(asked, authority=["example. 60 NS ns.example."], ra=False),
        DnsError.TryAgain,
        1,
    ),
    "lame, and says that it recurses": (
        lambda asked: answer(asked, authority=["example. 60 NS ns.example."], ra=True),
        DnsError.TryAgain,
        1,
    ),
}


@pytest.mark.parametrize(("script", "error", "queries"), UNUSABLE.values(), ids=UNUSABLE)
class TestUnusable:
    def test_makes_way_for_the_next_server(
        self, scripted: Scripted, drive: Drive, script: Script, error: type[DnsError], queries: int
    ) -> None:
        bad, good = scripted(script), scripted(lambda asked: answer(asked, f"www.example. 60 A {A}"))
        options = PATIENT.replace(edns=None)
        found = drive(resolve_question(QUESTION, [bad.addr, good.addr], options))
        assert found.replies[0].server == good.addr
        assert len(bad.asked) == 1

    def test_is_told_where_there_is_no_other(
        self, scripted: Scripted, drive: Drive, script: Script, error: type[DnsError], queries: int
    ) -> None:
        one, two = scripted(script), scripted(script)
        with pytest.raises(error) as caught:
            drive(resolve_question(QUESTION, [one.addr, two.addr], PATIENT))
        assert caught.value.server == two.addr
        assert len(one.asked) == len(two.asked) == queries


def test_extended_errors_are_told(scripted: Scripted, drive: Drive) -> None:
    edns = Edns(options=[EdnsOption.ExtendedError(6, "signature expired")])
    server = scripted(lambda asked: answer(asked, rcode=Rcode.SERVFAIL).replace(edns=edns))
    with pytest.raises(DnsError.ServerError, match=r"EDE: 6 .*signature expired"):
        drive(resolve_question(QUESTION, [server.addr], PATIENT))
