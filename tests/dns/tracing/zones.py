"""The zones that the walks of these tests go through, at servers of their own."""

from __future__ import annotations

from netkit.dns.tracing.trace import Trace
from tests.dns.tracing.world import Script, World, authority, zone

DS = "12345 13 2 " + "ab" * 32

ROOT = zone(
    ".",
    "test. NS ns.test.",
    "test. NS ns2.test.",
    "ns.test. A 10.0.0.2",
    "ns2.test. A 10.0.0.3",
    "other. NS ns.other.",
    "ns.other. A 10.0.0.6",
    ns=["ns.root."],
)
TEST = zone(
    "test.",
    "example NS ns.example.test.",
    "ns.example A 10.0.0.4",
    f"example DS {DS}",
    "far NS ns.hosting.other.",
    "bare NS ns.bare.test.",
    "here A 192.0.2.7",
    "one.two A 192.0.2.8",
    "away CNAME www.site.other.",
    ns=["ns.test.", "ns2.test."],
)
EXAMPLE = zone(
    "example.test.",
    "www A 192.0.2.1",
    "www AAAA 2001:db8::1",
    "near CNAME www",
    "away CNAME www.site.other.",
    "loop CNAME loop2",
    "loop2 CNAME loop",
    "ns A 10.0.0.4",
    ns=["ns.example.test."],
)
OTHER = zone("other.", "site NS ns.hosting.other.", "hosting NS ns.hosting.other.", "ns.hosting A 10.0.0.7")
HOSTING = zone("hosting.other.", "ns A 10.0.0.7")
SITE = zone("site.other.", "www A 192.0.2.3")
FAR = zone("far.test.", "www A 192.0.2.4")

SERVERS: dict[str, Script] = {
    "10.0.0.1": authority(ROOT),
    "10.0.0.2": authority(TEST),
    "10.0.0.3": authority(TEST),
    "10.0.0.4": authority(EXAMPLE),
    "10.0.0.6": authority(OTHER),
    "10.0.0.7": authority(HOSTING, SITE, FAR),
}


def world(**changed: Script) -> World:
    """The world above with other servers at some addresses: `at2=silent` is 10.0.0.2."""
    others = {f"10.0.0.{name.removeprefix('at')}": script for name, script in changed.items()}
    return World({**SERVERS, **others})


def addresses(walked: Trace) -> list[str]:
    return [record.rdata_text() for record in walked.records]
