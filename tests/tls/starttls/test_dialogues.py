"""Every dialogue, however its bytes are cut: what is sent when, what is learned, that nothing may follow."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from netkit.tls.starttls import NAMES, PROTOCOLS, Caller, Negotiation, StartTlsError, starttls_protocol
from netkit.tls.starttls.dialogues import DIALOGUES
from tests.tls.starttls.scripts import CALLER, SCRIPTS, Script, negotiation

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)


def pieces(data: bytes, cuts: set[int]) -> list[bytes]:
    ends = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


def hold(script: Script, cuts: set[int]) -> Negotiation:
    """Go through the script. The client must speak after the last byte of the server's turn, not before."""
    talk = negotiation(script.protocol)
    for said, expected in script.turns:
        sent = talk.outgoing() if not said else b""
        for piece in pieces(said, cuts) if said else []:
            assert sent == b""
            assert talk.report is None
            talk.feed(piece)
            sent = talk.outgoing()
        assert sent == expected
    return talk


@each_script
def test_whole_and_byte_by_byte(script: Script) -> None:
    longest = max(len(said) for said, _ in script.turns)
    assert hold(script, set()).report == script.report
    assert hold(script, set(range(longest))).report == script.report


@given(script=st.sampled_from(SCRIPTS), cuts=st.sets(st.integers(1, 400), max_size=12))
def test_every_way_to_cut(script: Script, cuts: set[int]) -> None:
    assert hold(script, cuts).report == script.report


@each_script
@pytest.mark.parametrize("injected", [b"\r\n", b"250 OK\r\n", b"\x16\x03\x01", b"\0", b" "])
def test_bytes_behind_the_go_ahead_are_refused(script: Script, injected: bytes) -> None:
    """CVE-2011-0411: in the same segment as the go-ahead, cut anywhere, and after it."""
    *first, (last, expected) = script.turns
    for cut in range(1, len(last) + 1):
        talk = hold(script._replace(turns=tuple(first)), set())
        if cut < len(last):
            talk.feed(last[:cut])
        with pytest.raises(StartTlsError.DataBeforeTls) as caught:
            talk.feed((last[cut:] or last) + injected)
        assert caught.value.size == len(injected)
        assert caught.value.stage == "protocol"
    talk = hold(script, set())
    talk.feed(b"")
    with pytest.raises(StartTlsError.DataBeforeTls):
        talk.feed(injected)
    assert expected == b"" or script.protocol == "mysql"


def test_mysql_sends_nothing_when_it_was_told_too_much() -> None:
    """MySQL has no go-ahead: with its SSLRequest the client would begin TLS."""
    script = next(script for script in SCRIPTS if script.protocol == "mysql")
    talk = negotiation("mysql")
    with pytest.raises(StartTlsError.DataBeforeTls):
        talk.feed(script.turns[0][0] + b"\x16")
    assert talk.report is None


@each_script
def test_the_end_at_every_byte(script: Script) -> None:
    """The connection may end anywhere: before the go-ahead that is an error, and says what was waited for."""
    talk = negotiation(script.protocol)
    assert talk.outgoing() == (script.turns[0][1] if not script.turns[0][0] else b"")
    for said, _ in script.turns:
        for byte in said:
            ended = talk.end()
            assert isinstance(ended, (StartTlsError.Closed, StartTlsError.WrongProtocol))
            assert talk.report is None
            talk.feed(bytes([byte]))
    assert talk.report == script.report


def test_every_protocol_has_a_dialogue_and_a_script() -> None:
    assert list(PROTOCOLS) == list(DIALOGUES)
    assert {script.protocol for script in SCRIPTS} == set(PROTOCOLS)


def test_names() -> None:
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.port != protocol.tls_port
        for alias in (name, name.upper(), *protocol.aliases):
            assert starttls_protocol(alias) is protocol
    assert len(set(NAMES)) == len(PROTOCOLS) + sum(len(each.aliases) for each in PROTOCOLS.values())
    with pytest.raises(StartTlsError.UnknownProtocol) as caught:
        starttls_protocol("gopher")
    assert caught.value.stage == "usage"
    assert "smtp" in str(caught.value.hint)
    with pytest.raises(StartTlsError.UnknownProtocol):
        Negotiation(PROTOCOLS["smtp"]._replace(name="gopher"), CALLER)


def test_the_names_of_openssl_are_known() -> None:
    """`openssl s_client -starttls` lists these, and telnet (RFC 2946 is no standard's)."""
    for name in ("smtp", "pop3", "imap", "ftp", "xmpp", "xmpp-server", "irc", "mysql", "postgres", "lmtp"):
        assert starttls_protocol(name).name == name
    for name in ("nntp", "sieve", "ldap"):
        assert starttls_protocol(name).name == name


@pytest.mark.parametrize("name", ["", "a b", "a\r\nRCPT", "ä", "a" * 256])
def test_a_name_of_the_client_that_would_be_a_command(name: str) -> None:
    for protocol in ("smtp", "lmtp"):
        with pytest.raises(StartTlsError.InvalidName) as caught:
            Negotiation(PROTOCOLS[protocol], CALLER._replace(client_name=name))
        assert caught.value.fault == "caller"


@pytest.mark.parametrize("host", ["", ".", "a'b", "a<b", "a b", "a&b", "a" * 1024])
def test_a_domain_that_would_be_markup(host: str) -> None:
    for protocol in ("xmpp", "xmpp-server"):
        with pytest.raises(StartTlsError.InvalidName):
            Negotiation(PROTOCOLS[protocol], CALLER._replace(host=host))


def test_a_domain_in_utf_8() -> None:
    talk = Negotiation(PROTOCOLS["xmpp"], Caller("bücher.example.", ""))
    assert " to='bücher.example' ".encode() in talk.outgoing()
