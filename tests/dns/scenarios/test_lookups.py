"""From a question to records: aliases, denials, private addresses, split DNS, every error of a lookup."""

from __future__ import annotations

from typing import Any

import pytest

from netkit.addr import IpAddr
from netkit.dns.constants import Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AD, Message
from netkit.dns.policy.answer import MAX_ALIASES, is_private
from netkit.dns.policy.upstream import Routes
from tests.dns.scenarios.stage import Script, Stage
from tests.dns.scripted import Asked, answer

pytestmark = pytest.mark.once

ONE, TWO = "192.0.2.1", "192.0.2.2"
SOA = "example. 300 SOA ns.example. hostmaster.example. 1 2 3 4 60"


def table(records: dict[str, list[str]]) -> Script:
    """A server that answers from a table of names, an alias without what it leads to."""
    return lambda asked: answer(
        asked, *records.get(asked.name, []), authority=[] if asked.name in records else [SOA]
    )


class TestAliases:
    def test_across_replies(self) -> None:
        stage = Stage({
            ONE: table({
                "www.example.": ["www.example. 50 CNAME a.example."],
                "a.example.": ["a.example. 5 CNAME b.net."],
                "b.net.": ["b.net. 60 A 198.51.100.1"],
            })
        })  # fmt: skip
        done = stage.look_up("www.example.")
        assert done.answer is not None
        assert str(done.answer.canonical_name) == "b.net."
        assert (done.answer.ttl, len(done.answer.replies)) == (5, 3)
        assert stage.why == ["FIRST", "ALIAS", "ALIAS"]
        assert [step.number for step in done.history] == [1, 2, 3]
        assert [round(step.at, 3) for step in done.history] == [0.0, 0.01, 0.02], "since the lookup began"

    @pytest.mark.parametrize("split", [False, True])
    def test_a_loop_is_said_to_be_one_with_the_server(self, split: bool) -> None:
        one, two = "www.example. 50 CNAME a.example.", "a.example. 50 CNAME WWW.example."
        script = table(
            {"www.example.": [one], "a.example.": [two]} if split else {"www.example.": [one, two]}
        )
        stage = Stage({ONE: script})
        error = stage.look_up("www.example.").error
        assert isinstance(error, DnsError.AliasLoop)
        assert "leads back" in error.reason
        assert str(error.server) == f"{ONE}:53"
        assert len(stage.asks) == 1 + split

    def test_a_chain_without_end(self) -> None:
        def script(asked: Asked) -> Message:
            return answer(asked, f"{asked.name} 50 CNAME a{len(asked.name)}.{asked.name}")

        stage = Stage({ONE: script})
        error = stage.look_up("www.example.").error
        assert isinstance(error, DnsError.AliasLoop)
        assert f"more than {MAX_ALIASES}" in str(error)
        assert len(stage.asks) == MAX_ALIASES + 1

    def test_a_denial_at_the_end_names_what_does_not_exist(self) -> None:
        alias = "www.example. 50 CNAME gone.example."
        stage = Stage({ONE: lambda asked: answer(asked, alias, rcode=Rcode.NXDOMAIN, authority=[SOA])})
        error = stage.look_up("www.example.").error
        assert isinstance(error, DnsError.NotFound)
        assert (str(error.name), str(error.absent)) == ("www.example.", "gone.example.")
        assert error.negative_ttl == 50

    def test_a_denial_holds_no_longer_than_the_aliases_in_earlier_replies(self) -> None:
        stage = Stage({ONE: table({"www.example.": ["www.example. 5 CNAME gone.example."]})})
        error = stage.look_up("www.example.").error
        assert isinstance(error, DnsError.NoData)
        assert error.negative_ttl == 5


class TestSplitDns:
    def test_each_name_at_the_servers_of_its_domain(self) -> None:
        inner = table({"db.corp.example.": ["db.corp.example. 60 A 10.0.0.7"]})
        outer = table({"www.example.": ["www.example. 60 CNAME db.corp.example."]})
        stage = Stage({ONE: outer, TWO: inner})
        routes = Routes([ONE], {"corp.example": [TWO], "example": [ONE]})
        done = stage.look_up("www.example.", routes=routes)
        assert done.answer is not None
        assert stage.told == [f"{ONE}:53 udp", f"{TWO}:53 udp"], "the alias leads into the inner domain"

    def test_a_domain_without_servers_is_asked_nowhere(self) -> None:
        stage = Stage({ONE: table({})})
        done = stage.look_up("a.onion.", routes=Routes([ONE], {"onion": []}))
        assert isinstance(done.error, DnsError.TryAgain)
        assert stage.asks == []


PRIVATE = [
    "10.1.2.3", "172.31.0.1", "192.168.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "100.64.0.1",
    "::1", "::", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
]  # fmt: skip


class TestRebinding:
    def script(self, address: str) -> Script:
        kind = "AAAA" if ":" in address else "A"
        return lambda asked: answer(
            asked, f"{asked.name} 60 {kind} 2001:4860::8" if kind == "AAAA" else f"{asked.name} 60 A 8.8.8.8",
            f"{asked.name} 60 {kind} {address}",
        )  # fmt: skip

    @pytest.mark.parametrize("address", PRIVATE)
    def test_private_addresses_are_refused_for_public_names(self, address: str) -> None:
        stage = Stage({ONE: self.script(address)})
        rdtype = "AAAA" if ":" in address else "A"
        assert stage.look_up("www.example.", rdtype).answer is not None, "an option, and off"
        error = stage.look_up("www.example.", rdtype, refuse_private=True).error
        assert isinstance(error, DnsError.Other)
        assert str(IpAddr.parse(address)) in str(error)
        assert str(error.server) == f"{ONE}:53"

    @pytest.mark.parametrize("hint", ["ipv4hint=8.8.8.8,10.1.2.3", "ipv6hint=fd00::1"])
    def test_nor_by_the_hints_of_a_service(self, hint: str) -> None:
        stage = Stage({ONE: lambda asked: answer(asked, f"{asked.name} 60 HTTPS 1 . alpn=h2 {hint}")})
        assert stage.look_up("www.example.", "HTTPS").answer is not None
        assert isinstance(stage.look_up("www.example.", "HTTPS", refuse_private=True).error, DnsError.Other)

    @pytest.mark.parametrize("name", ["db.corp.test.", "corp.test.", "localhost.", "printer.home.arpa."])
    def test_names_that_may_have_them(self, name: str) -> None:
        stage = Stage({ONE: self.script("10.0.0.7")})
        done = stage.look_up(name, refuse_private=True, private_names=["corp.test"])
        assert done.answer is not None

    @pytest.mark.parametrize("name", ["notcorp.test.", "test.", "localhost.example.", "arpa."])
    def test_names_that_only_look_like_them(self, name: str) -> None:
        stage = Stage({ONE: self.script("10.0.0.7")})
        assert stage.look_up(name, refuse_private=True, private_names=["corp.test"]).error

    @pytest.mark.parametrize(
        "text", ["8.8.8.8", "172.32.0.1", "2001:4860::8", "::ffff:8.8.8.8", "64:ff9b::808:808"]
    )
    def test_public_addresses(self, text: str) -> None:
        assert not is_private(IpAddr.parse(text))


def test_ad_counts_only_from_a_trusted_server() -> None:
    def script(asked: Asked) -> Message:
        whole = answer(asked, "www.example. 60 A 198.51.100.1")
        return whole.replace(flags=whole.flags | AD)

    stage = Stage({ONE: script})
    done = stage.look_up("www.example.")
    assert done.answer is not None
    assert not done.answer.authentic
    assert not stage.asks[0].message.authentic_data
    done = stage.look_up("www.example.", trust_ad=True)
    assert done.answer is not None
    assert done.answer.authentic
    assert stage.asks[1].message.authentic_data, "RFC 6840 section 5.7: AD in a query asks for AD"


def garbage(asked: Asked) -> bytes:
    return asked.wire[:2] + b"\x84\0" + b"\xff" * 30


def cut(asked: Asked) -> Any:
    if asked.over_tcp:
        return DnsError.NetworkError("connection reset", 104)
    whole = answer(asked)
    return whole.replace(flags=whole.flags | 0x0200)


#: Each error of a lookup, and a server that brings it about.
ERRORS: dict[str, tuple[Script, type[DnsError]]] = {
    "NotFound": (lambda asked: answer(asked, rcode=Rcode.NXDOMAIN, authority=[SOA]), DnsError.NotFound),
    "NoData": (lambda asked: answer(asked, authority=[SOA]), DnsError.NoData),
    "TryAgain": (lambda asked: answer(asked, authority=["example. 60 NS ns.example."]), DnsError.TryAgain),
    "NoRecovery": (lambda asked: answer(asked, rcode=Rcode.NOTIMP), DnsError.NoRecovery),
    "AliasLoop": (lambda asked: answer(asked, f"{asked.name} 60 CNAME {asked.name}"), DnsError.AliasLoop),
    "Timeout": (lambda asked: None, DnsError.Timeout),
    "ServerError": (lambda asked: answer(asked, rcode=Rcode.SERVFAIL), DnsError.ServerError),
    "Refused": (lambda asked: answer(asked, rcode=Rcode.REFUSED), DnsError.Refused),
    "Truncated": (cut, DnsError.Truncated),
    "InvalidResponse": (garbage, DnsError.InvalidResponse),
    "NetworkError": (lambda asked: DnsError.NetworkError("no route to host", 113), DnsError.NetworkError),
    "Other": (lambda asked: answer(asked, f"{asked.name} 60 A 10.0.0.1"), DnsError.Other),
}


@pytest.mark.parametrize(("script", "kind"), ERRORS.values(), ids=ERRORS)
def test_each_error(script: Script, kind: type[DnsError]) -> None:
    stage = Stage({ONE: script})
    done = stage.look_up("Www.Example.", refuse_private=True)
    assert type(done.error) is kind
    assert (str(done.error.name), str(done.error.rdtype)) == ("Www.Example.", "A")
    assert f"{ONE}:53" in str(done.error.server)
    assert done.history


def test_extended_errors_are_told() -> None:
    edns = Edns(options=[EdnsOption.ExtendedError(6, "signature expired")])
    stage = Stage({ONE: lambda asked: answer(asked, rcode=Rcode.SERVFAIL).replace(edns=edns)})
    assert "signature expired" in str(stage.look_up("www.example.").error)
