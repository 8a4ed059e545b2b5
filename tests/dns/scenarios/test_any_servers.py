"""Servers that do anything: a lookup ends in time, with a bounded number of queries, and with a result."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from netkit.dns.constants import Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import QR, TC, Message
from netkit.dns.policy.resolution import Why
from netkit.dns.records import DnsRecord
from tests.dns.scenarios.stage import After, Stage
from tests.dns.scripted import Asked

pytestmark = pytest.mark.once

RCODES = [Rcode(each) for each in (0, 1, 2, 3, 4, 5, 9, 16, 23)]
COOKIES = [None, (b"another1", b"s" * 8), (b"own", b""), (b"own", b"t" * 8)]
CNAMES = [None, "loop", "further"]

replies = st.tuples(
    st.sampled_from(["message", "cased", "garbage", "cut", "no network"]),
    st.sampled_from(RCODES),
    st.booleans(),  # TC
    st.booleans(),  # with a question
    st.sampled_from(COOKIES),
    st.sampled_from([*CNAMES, "address"]),
    st.sampled_from([0.0, 0.01, 1.5, 7.0]),
)
behaviours = st.lists(st.lists(replies, max_size=3), min_size=1, max_size=6)


def sent(asked: Asked, reply: Any) -> After:
    form, rcode, truncated, with_question, cookie, what, after = reply
    query = asked.message
    edns = query.edns and Edns()
    ours = None if query.edns is None else query.edns.option(EdnsOption.Cookie)
    if edns is not None and cookie is not None:
        client = ours.client if ours is not None and cookie[0] == b"own" else b"another1"
        edns = Edns(options=[EdnsOption.Cookie(client, cookie[1])])
    if rcode > 15 and edns is None:
        rcode = Rcode.SERVFAIL
    name = query.question[0].name
    records = {
        None: [],
        "loop": [f"{name} 60 CNAME {name}"],
        "further": [f"{name} 60 CNAME x.{name}"],
        "address": [f"{name} 60 A 198.51.100.1"],
    }[what]
    message = Message(
        query.id,
        QR | (TC if truncated else 0),
        rcode=rcode,
        question=query.question if with_question else (),
        answer=[DnsRecord.parse(text) for text in records],
        edns=edns,
    )
    wire = message.to_wire()
    if form == "cased":
        end = 12 + len(name.to_wire())
        wire = wire[:12] + wire[12:end].swapcase() + wire[end:]
    elif form == "garbage":
        wire = wire[: len(wire) // 2] + b"\xff" * 9
    elif form == "cut":
        wire = wire[:-7]
    elif form == "no network":
        return After(after, DnsError.NetworkError("unreachable", 101))
    return After(after, wire)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(behaviours, min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
    st.sampled_from([None, 4.0]),
)
def test_a_lookup_ends(
    servers: list[Any], hedge: bool, cookies: bool, tries: int, within: float | None
) -> None:
    def script(number: int, behaviour: Any) -> Any:
        def play(asked: Asked) -> list[After]:
            turn = sum(ask.upstream == stage.upstreams[number] for ask in stage.asks)
            return [sent(asked, reply) for reply in behaviour[turn % len(behaviour)]]

        return play

    stage = Stage({f"192.0.2.{n}": script(n, behaviour) for n, behaviour in enumerate(servers)})
    begun = stage.now
    done = stage.look_up("www.example.", hedge=hedge, cookies=cookies, tries=tries, within=within)
    assert (done.answer is None) is (done.error is not None)
    assert len(done.history) == len(stage.asks)
    # For each name of a chain: every server in every round, and once more for each reason.
    names = len({ask.question.name for ask in stage.asks})
    assert len(stage.asks) <= names * len(servers) * (tries + len(Why))
    assert all(ask.until - begun <= (within or float("inf")) + 1e-9 for ask in stage.asks)
    if within is not None:
        assert stage.now - begun <= within + 1e-9
    told = [str(done.error.name), str(done.error)] if done.error is not None else []
    if done.answer is not None:
        told += [str(record.name) for record in (*done.answer.records, *done.answer.aliases)]
    assert not [text for text in told if "example" in text.lower() and "example." not in text]
