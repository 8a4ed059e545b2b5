"""The error tree: every variant's fields, words, fault, and what it also is."""

from __future__ import annotations

import copy
import pickle

import pytest

from netkit.addr import Ipv4Addr, SocketAddr
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError, DnsNetworkError, ZoneFileError
from netkit.dns.name import Name
from netkit.errors import NetkitError

pytestmark = pytest.mark.once

ASKED = {"name": Name.parse("www.example.com"), "rdtype": DnsRecordType.AAAA, "server": "192.0.2.53:53"}
Q = "www.example.com. AAAA"

VARIANTS = [
    # error, kind, fault, what it also is, its words
    (
        DnsError.NotFound(**ASKED),
        "NotFound",
        "caller",
        Exception,
        f"{Q}: the name does not exist (from 192.0.2.53:53)",
    ),
    (
        DnsError.HostNotFound(name="host"),
        "HostNotFound",
        "caller",
        Exception,
        "host: no address for this host",
    ),
    (
        DnsError.NoData(**ASKED),
        "NoData",
        "caller",
        Exception,
        "www.example.com.: the name exists but has no AAAA records (from 192.0.2.53:53)",
    ),
    (DnsError.NoData(), "NoData", "caller", Exception, "lookup: the name exists but has no records"),
    (DnsError.TryAgain(), "TryAgain", "network", Exception, "lookup: no usable answer for now"),
    (
        DnsError.TryAgain("all servers failed", name="a"),
        "TryAgain",
        "network",
        Exception,
        "a: all servers failed",
    ),
    (
        DnsError.NoRecovery(Rcode.NOTIMP, name="a"),
        "NoRecovery",
        "peer",
        Exception,
        "a: no server will answer this (NOTIMP)",
    ),
    (DnsError.NoRecovery(), "NoRecovery", "peer", Exception, "lookup: no server will answer this"),
    (
        DnsError.AliasLoop("the alias of b leads back to a", name="a"),
        "AliasLoop",
        "peer",
        Exception,
        "a: the alias of b leads back to a",
    ),
    (
        DnsError.Timeout(2.5, 3, **ASKED),
        "Timeout",
        "network",
        TimeoutError,
        f"{Q}: no answer within 2.5 s, 3 queries (from 192.0.2.53:53)",
    ),
    (DnsError.Timeout(attempts=1), "Timeout", "network", TimeoutError, "lookup: no answer, 1 query"),
    (
        DnsError.ServerError(Rcode.SERVFAIL, ("EDE: 6 (DNSSEC Bogus)",), **ASKED),
        "ServerError",
        "peer",
        Exception,
        f"{Q}: the server answered SERVFAIL (from 192.0.2.53:53); EDE: 6 (DNSSEC Bogus)",
    ),
    (
        DnsError.ServerError(Rcode(3841)),
        "ServerError",
        "peer",
        Exception,
        "lookup: the server answered RCODE3841",
    ),
    (
        DnsError.Refused(**ASKED),
        "Refused",
        "peer",
        Exception,
        f"{Q}: the server refuses to answer (from 192.0.2.53:53)",
    ),
    (
        DnsError.Truncated(512, name="a"),
        "Truncated",
        "network",
        Exception,
        "a: the answer was truncated at 512 octets",
    ),
    (
        DnsError.InvalidResponse(
            "answer[2].rdata.exchange", 57, "name longer than 255 octets", 255, server="x"
        ),
        "InvalidResponse",
        "peer",
        Exception,
        "malformed DNS message (from x): answer[2].rdata.exchange at octet 57: name longer than 255 octets",
    ),
    (
        DnsError.InvalidName("a..b", "an empty label", 2),
        "InvalidName",
        "caller",
        ValueError,
        "not a domain name: 'a..b': an empty label (at offset 2)",
    ),
    (
        DnsError.InvalidName("\x1b" * 200, "odd"),
        "InvalidName",
        "caller",
        ValueError,
        "not a domain name: '" + "\\x1b" * 77 + "...': odd",
    ),
    (
        DnsError.InvalidValue("ttl", -1, "must be between 0 and 5", limit=5),
        "InvalidValue",
        "caller",
        ValueError,
        "ttl -1: must be between 0 and 5",
    ),
    (
        DnsError.NetworkError("Network is unreachable", name="a"),
        "NetworkError",
        "network",
        OSError,
        "a: Network is unreachable",
    ),
    (ZoneFileError("e.zone", 3, 7, "oh"), "ZoneFileError", "local", ValueError, "e.zone:3:7: oh"),
    (DnsError.Other("odd"), "Other", "peer", Exception, "odd"),
    (DnsError.Other("odd", name="a"), "Other", "peer", Exception, "a: odd"),
]


@pytest.mark.parametrize(
    ("error", "kind", "fault", "also", "words"), VARIANTS, ids=lambda value: getattr(value, "kind", "")
)
def test_variants(error: DnsError, kind: str, fault: str, also: type[Exception], words: str) -> None:
    assert isinstance(error, DnsError)
    assert isinstance(error, NetkitError)
    assert isinstance(error, also)
    assert (error.kind, error.layer, error.fault) == (kind, "dns", fault)
    assert str(error) == words
    if kind != "ZoneFileError":
        assert getattr(DnsError, kind) is type(error)
        assert type(error).__qualname__ == f"DnsError.{kind}"
        assert repr(error) == f"DnsError.{kind}({words!r})"


@pytest.mark.parametrize("error", [case[0] for case in VARIANTS], ids=lambda error: error.kind)
def test_errors_go_to_other_processes(error: DnsError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_all_of_core_net() -> None:
    expected = (
        "NotFound HostNotFound TryAgain NoRecovery NoData Timeout ServerError InvalidName InvalidResponse"
    )
    for variant in (*expected.split(), "NetworkError", "Truncated", "Refused", "Other"):
        assert issubclass(getattr(DnsError, variant), DnsError)
        assert any(case[1] == variant for case in VARIANTS)


def test_fields() -> None:
    error = DnsError.Timeout(1.0, 2, **ASKED)
    assert (error.timeout, error.attempts) == (1.0, 2)
    assert (error.name, error.rdtype, error.server) == (ASKED["name"], ASKED["rdtype"], ASKED["server"])
    assert DnsError.NotFound().name is None
    assert DnsError.ServerError(Rcode(2)).rcode_name == "SERVFAIL"
    assert (DnsError.Refused().rcode, DnsError.Refused().rcode_name) == (5, "REFUSED")
    assert DnsError.NoRecovery().rcode_name is None
    server = SocketAddr.new_v4(Ipv4Addr(192, 0, 2, 1), 53)
    assert "(from 192.0.2.1:53)" in str(DnsError.Refused(server=server))


def test_hints() -> None:
    assert DnsError.NotFound().hint is None
    assert DnsError.NotFound(hint="look again").hint == "look again"
    for error in (DnsError.Timeout(), DnsError.Refused(), DnsError.Truncated(), DnsError.TryAgain()):
        assert error.hint


def test_what_the_system_reports() -> None:
    error = DnsError.NetworkError.from_os_error(OSError(113, "No route to host"), name="a")
    assert isinstance(error, DnsNetworkError)
    assert (error.errno, error.reason, str(error)) == (113, "no route to host", "a: no route to host")
    assert error.kind == "Unreachable"
    assert DnsError.NetworkError.from_os_error(ConnectionResetError()).reason == "ConnectionResetError"


def test_match() -> None:
    match DnsError.ServerError(Rcode.SERVFAIL, name="a"):
        case DnsError.Timeout():
            pytest.fail("not that")
        case DnsError.ServerError(rcode=Rcode.SERVFAIL, name=name):
            assert name == "a"
        case _:
            pytest.fail("does not match")
