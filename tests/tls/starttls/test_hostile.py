"""Servers that say no, speak something else, break their protocol, or never come to an end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from netkit.tls.starttls import PROTOCOLS, StartTlsError
from netkit.tls.starttls.wire import LINE_LIMIT, LINES_LIMIT, TOTAL_LIMIT
from netkit.tls.text import printable
from tests.tls.starttls.scripts import (
    MYSQL_FLAGS,
    SCRIPTS,
    STREAM,
    TLS,
    Script,
    mysql_handshake,
    mysql_packet,
    negotiation,
    xmpp_header,
)

if TYPE_CHECKING:
    from collections.abc import Callable

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def outcome(protocol: str, pieces: list[bytes]) -> object:
    """What a negotiation comes to: the report, or the class and the words of the error."""
    talk = negotiation(protocol)
    try:
        for piece in pieces:
            talk.feed(piece)
        if talk.report is None:
            raise talk.end()
    except StartTlsError as error:
        assert printable(str(error)) == str(error)
        assert len(str(error)) < 1000
        return type(error), error.stage
    return talk.report


def error_of(protocol: str, said: bytes) -> StartTlsError:
    """The error that `said` ends in, fed whole; by byte it must be the same one."""
    talk = negotiation(protocol)
    with pytest.raises(StartTlsError) as caught:
        _feed(talk.feed, [said])
    by_byte = negotiation(protocol)
    with pytest.raises(type(caught.value)) as again:
        _feed(by_byte.feed, [said[at : at + 1] for at in range(len(said))])
    assert str(again.value) == str(caught.value)
    return caught.value


def _feed(feed: Callable[[bytes], None], pieces: list[bytes]) -> None:
    for piece in pieces:
        feed(piece)


SMTP = b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n"
IMAP = b"* OK hi\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK\r\n"
NEWS = b"200 hi\r\n101 list\r\nSTARTTLS\r\n.\r\n"
XMPP = xmpp_header() + b"<stream:features><starttls xmlns='" + TLS + b"'/></stream:features>"
STREAM_ERROR = (
    b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>no &lt;such&gt; \x1bhost</text></stream:error>"
)


def ldap_result(code: int, *, identity: int = 1, name: bytes = b"", text: bytes = b"no") -> bytes:
    result = b"\x0a\x01" + bytes([code]) + b"\x04\0\x04" + bytes([len(text)]) + text
    if name:
        result += b"\x8a" + bytes([len(name)]) + name
    message = b"\x02\x01" + bytes([identity]) + b"\x78" + bytes([len(result)]) + result
    return b"\x30" + bytes([len(message)]) + message


#: The protocol, what the server says, and the command, the code and the words of the refusal.
REFUSALS = (
    ("smtp", b"554-go\r\n554 away\r\n", "", "554", "go away"),
    ("smtp", b"421 busy\r\n", "", "421", "busy"),
    ("smtp", b"220 mx\r\n502 no EHLO here\r\n", "EHLO", "502", "no EHLO here"),
    ("smtp", SMTP + b"454 4.7.0 TLS not available\r\n", "STARTTLS", "454", "4.7.0 TLS not available"),
    ("smtp", SMTP + b"250 OK\r\n", "STARTTLS", "250", "OK"),
    ("lmtp", b"220 mx\r\n500 what?\x1b[2J\r\n", "LHLO", "500", "what?\\x1b[2J"),
    ("imap", b"* BYE overloaded\r\n", "", "BYE", "overloaded"),
    ("imap", b"* PREAUTH welcome back\r\n", "STARTTLS", "PREAUTH", "welcome back"),
    ("imap", b"* OK hi\r\n* BYE\r\n", "CAPABILITY", "BYE", ""),
    ("imap", IMAP + b"a2 BAD not now\r\n", "STARTTLS", "BAD", "not now"),
    ("imap", IMAP + b"a2 NO \xff\r\n", "STARTTLS", "NO", "\\xff"),
    ("pop3", b"-ERR no room\r\n", "", "-ERR", "no room"),
    ("pop3", b"+OK\r\n-ERR what?\r\n-ERR what?\r\n", "STLS", "-ERR", "what?"),
    ("ftp", b"421 too many users\r\n", "", "421", "too many users"),
    ("ftp", b"220 hi\r\n500 FEAT?\r\n500 AUTH?\r\n", "AUTH TLS", "500", "AUTH?"),
    ("ftp", b"220 hi\r\n500 FEAT?\r\n334 security data\r\n", "AUTH TLS", "334", "security data"),
    ("nntp", b"502 go away\r\n", "", "502", "go away"),
    ("nntp", b"200 hi\r\n503 broken\r\n", "CAPABILITIES", "503", "broken"),
    ("nntp", NEWS + b"580 Can not initiate TLS\r\n", "STARTTLS", "580", "Can not initiate TLS"),
    ("sieve", b'BYE (REFERRAL "sieve://x") "gone"\r\n', "", 'BYE (REFERRAL "sieve://x")', "gone"),
    ("sieve", b'"STARTTLS"\r\nOK\r\nNO "TLS is off"\r\n', "STARTTLS", "NO", "TLS is off"),
    ("irc", b"ERROR :Closing link: (banned)\r\n", "", "ERROR", "Closing link: (banned)"),
    ("irc", b":irc CAP * LS :tls\r\n:irc 691 * :STARTTLS failed\r\n", "STARTTLS", "691", "STARTTLS failed"),
    ("irc", b":irc 451 * :Register\r\n:irc 451 * :first\r\n", "STARTTLS", "451", "first"),
    ("irc", b":irc 421 * STARTTLS :Unknown command\r\n", "STARTTLS", "421", "Unknown command"),
    ("ldap", ldap_result(2, text=b"no TLS"), "StartTLS", "2 protocolError", "no TLS"),
    ("ldap", ldap_result(52), "StartTLS", "52 unavailable", "no"),
    (
        "ldap",
        ldap_result(99),
        "StartTLS",
        "99 a result that RFC 4511 does not know",
        "no",
    ),
    (
        "ldap",
        ldap_result(0, identity=0, name=b"1.3.6.1.4.1.1466.20036", text=b"bye"),
        "",
        "0 success",
        "bye",
    ),
    ("xmpp", xmpp_header() + STREAM_ERROR, "", "host-unknown", "no <such> \\x1bhost"),
    ("xmpp", XMPP + b"<failure xmlns='" + TLS + b"'/>", "starttls", None, "failure"),
    (
        "postgres",
        b"E\0\0\0\x1eSFATAL\0C0A000\0Mno TLS\0\0\0\0\0",
        "SSLRequest",
        "0A000",
        "no TLS",
    ),
    ("mysql", mysql_packet(b"\xff\x6a\x04Host is blocked"), "", "1130", "Host is blocked"),
    ("mysql", mysql_packet(b"\xff\x10\x04#08004Too many"), "", "1040", "Too many"),
)


@pytest.mark.parametrize(("protocol", "said", "command", "code", "text"), REFUSALS)
def test_refusals(protocol: str, said: bytes, command: str, code: str | None, text: str) -> None:
    error = error_of(protocol, said)
    assert isinstance(error, StartTlsError.Declined)
    assert (error.command, error.code, error.text) == (command, code, text)
    assert (error.stage, error.kind, error.layer) == ("tls", "Declined", "tls")
    assert str(error).isprintable()
    assert text in str(error)
    assert (error.hint is not None) == (code in ("454", "580", "691", "PREAUTH"))


#: The protocol, what the server says, and what it offers instead.
WITHOUT = (
    ("smtp", b"220 mx\r\n250-mx\r\n250-SIZE\r\n250 XSTARTTLS\r\n", ("SIZE", "XSTARTTLS")),
    ("smtp", b"220 mx\r\n250 mx\r\n", ()),
    ("lmtp", b"220 mx\r\n250-STARTTLS\r\n250 SIZE\r\n", ("SIZE",)),
    ("imap", b"* OK [CAPABILITY STARTTLS]\r\n* CAPABILITY IMAP4rev1\r\na1 OK\r\n", ("IMAP4rev1",)),
    ("pop3", b"+OK\r\n+OK\r\nTOP\r\n.\r\n", ("TOP",)),
    ("ftp", b"220\r\n211-f\r\n UTF8\r\n211 end\r\n", ("UTF8",)),
    ("ftp", b"220\r\n211 none\r\n", ()),
    ("nntp", b"200 hi\r\n101 list\r\nREADER\r\n.\r\n", ("READER",)),
    ("sieve", b'"SASL" "PLAIN"\r\nOK\r\n', ("SASL PLAIN",)),
    ("xmpp", xmpp_header() + b"<stream:features/>", ()),
    ("xmpp", xmpp_header() + b"<stream:features><starttls xmlns='x'/></stream:features>", ("starttls",)),
    ("xmpp", b"<stream:stream " + STREAM + b">", ()),
    ("postgres", b"N", ()),
    ("mysql", mysql_handshake(1 | 1 << 9), ("LONG_PASSWORD", "PROTOCOL_41")),
)


@pytest.mark.parametrize(("protocol", "said", "offered"), WITHOUT)
def test_not_offered(protocol: str, said: bytes, offered: tuple[str, ...]) -> None:
    error = error_of(protocol, said)
    assert isinstance(error, StartTlsError.NotOffered)
    assert error.capabilities == offered
    assert error.stage == "tls"
    assert ", ".join(offered) in str(error)


def test_a_long_list_of_capabilities_is_shortened_in_words() -> None:
    said = b"220 mx\r\n250-mx\r\n" + b"250-X\r\n" * 50 + b"250 " + b"y" * 100 + b"\r\n"
    error = error_of("smtp", said)
    assert isinstance(error, StartTlsError.NotOffered)
    assert len(error.capabilities) == 51
    assert str(error).endswith("and 39 more")


#: What servers of other kinds begin with. FTP greets as SMTP does, so its greeting alone tells nothing.
OTHERS = {
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
    "SMTP, LMTP or FTP": b"220-mx\r\n220 ready\r\n",
    "NNTP": b"201 INN ready\r\n",
    "IMAP": b"* OK ready\r\n",
    "POP3": b"+OK ready\r\n",
    "MySQL": mysql_handshake(MYSQL_FLAGS),
    "XMPP": b"<?xml version='1.0'?><stream:error/>\n",
    "ManageSieve": b'"IMPLEMENTATION" "x"\r\nOK\r\n',
    "IRC": b":irc NOTICE * :*** Looking up\r\n",
    "Redis": b"-ERR unknown command 'EHLO'\r\n",
}


@each_protocol
@pytest.mark.parametrize("found", OTHERS)
def test_other_protocols_are_named(protocol: str, found: str) -> None:
    title = PROTOCOLS[protocol].title
    if title.startswith(found) or title in found:
        return
    if (protocol, found) in (("pop3", "Redis"), ("postgres", "SSH")):
        return  # POP3 says -ERR too, and PostgreSQL S
    error = error_of(protocol, OTHERS[found])
    if found == "IRC" and protocol in ("ldap", "xmpp", "xmpp-server", "postgres", "mysql"):
        assert isinstance(error, StartTlsError.InvalidReply)  # its first word may be any
        return
    assert isinstance(error, StartTlsError.WrongProtocol)
    assert (error.found, error.title, error.stage) == (found, title, "protocol")
    if found == "TLS":
        assert isinstance(error, StartTlsError.SpeaksTls)
        assert str(error) == f"this port speaks TLS directly, not {title} first"


def test_ftp_asked_as_a_mail_server() -> None:
    for protocol in ("smtp", "lmtp"):
        error = error_of(protocol, b"220 (vsFTPd 3.0.3)\r\n530 Please login with USER and PASS.\r\n")
        assert isinstance(error, StartTlsError.WrongProtocol)
        assert error.found == "FTP"


@pytest.mark.parametrize("said", [b"HTTP/1.0 400", b"\x15\x03", b"RFB 003.008"])
@each_protocol
def test_another_protocol_that_ends(protocol: str, said: bytes) -> None:
    talk = negotiation(protocol)
    try:
        talk.feed(said)
    except StartTlsError.WrongProtocol:
        return
    error = talk.end()
    if len(said) < 3:  # too little to tell
        assert isinstance(error, StartTlsError.Closed)
        assert error.had == len(said)
    else:
        assert isinstance(error, StartTlsError.WrongProtocol)


@each_protocol
def test_the_end_at_once(protocol: str) -> None:
    error = negotiation(protocol).end()
    assert isinstance(error, StartTlsError.Closed)
    assert isinstance(error, EOFError)
    assert error.kind == "UnexpectedEof"
    port = PROTOCOLS[protocol].tls_port
    assert (f"directly, as {port} does" if port else "directly ends") in str(error.hint)
    assert str(port or PROTOCOLS[protocol].title) in str(negotiation(protocol).doubt)


def test_doubt_names_what_was_said() -> None:
    talk = negotiation("postgres")
    talk.feed(b"\x15\x03\x01"[:2])
    assert talk.doubt is None
    talk = negotiation("smtp")
    talk.feed(b"SSH-2.0")
    assert talk.doubt == "what it sent looks like SSH"


#: The protocol, what the server says, and a word of the reason.
BROKEN = (
    ("smtp", b"\r\n", "without a code"),
    ("smtp", b"2200 x\r\n", "without a code"),
    ("smtp", b"220-x\r\n250 y\r\n", "another code"),
    ("smtp", b"220-x\r\ny\r\n", "without a code"),
    ("smtp", b"620 x\r\n", "without a code"),
    ("smtp", b"250 x\r\n", "the code 250"),
    ("nntp", b"299 x\r\n", "the code 299"),
    ("imap", b"a1 OK\r\n", "no greeting"),
    ("imap", b"* CAPABILITY\r\n", "no greeting"),
    ("imap", b"* OK\r\n+ go ahead\r\n", "no answer"),
    ("imap", b"* OK\r\na2 OK\r\n", "no answer"),
    ("imap", b"* OK\r\na1 MAYBE\r\n", "no answer"),
    ("imap", b"* OK\r\nOK\r\n", "no answer"),
    ("imap", b"* OK\r\n\r\n", "no answer"),
    ("pop3", b"OK\r\n", "neither +OK nor -ERR"),
    ("pop3", b"+OKAY\r\n", "neither +OK nor -ERR"),
    ("ftp", b"hello\r\n", "without a code"),
    ("nntp", b"hello\r\n", "without a code"),
    ("sieve", b"hello\r\n", "not a string"),
    ("sieve", b"\r\n", "neither strings"),
    ("sieve", b'"open\r\n', "not a string"),
    ("sieve", b'"a" b\r\n', "not a string"),
    ("sieve", b"OK {9999999}\r\n", "not a string"),
    ("irc", b"???\r\n", "not a message"),
    ("irc", b"\r\n", "not a message"),
    ("ldap", b"\x30\x80\0\0\0\0\0\0", "definite"),
    ("ldap", b"\x30\x85\0\0\0\0\0\x01\0", "definite"),
    ("ldap", b"\x31\x0c\x02\x01\x01\x78\x07", "not a message"),
    ("ldap", b"\x30\x05\x02\x01\x01\x78\0", "not a result"),
    ("ldap", b"\x30\x05\x02\x01\x01\x65\0", "not an extended response"),
    ("ldap", b"\x30\x05\x02\x84\xff\xff\xff", "definite"),
    ("ldap", b"\x30\x05\x02\x7f\x01\x78\0", "ends behind"),
    ("ldap", b"\x30\x08\x02\0\x02\0\x02\0\x02\0", "more elements"),
    ("ldap", ldap_result(0, identity=2), "message 2"),
    ("ldap", b"\x30\x0e\x02\x01\x01\x78\x09\x0a\x00\x04\0\x04\x03abc", "result code"),
    ("xmpp", b"<!DOCTYPE x><stream:stream>", "markup"),
    ("xmpp", b"<!-- x --><stream:stream>", "markup"),
    ("xmpp", b"<a b='1' b='2'>", "twice"),
    ("xmpp", b"<a/ >     ", "markup"),
    ("xmpp", b"<stream>", "not a stream of XMPP"),
    ("xmpp", b"<x:stream>", "prefix"),
    ("xmpp", b"</stream>", "beginning"),
    ("xmpp", b"<stream/>", "beginning"),
    ("xmpp", b"<?xml version='1.0'?> x <stream>", "beginning"),
    ("xmpp", xmpp_header() + b"text<stream:features/>", "text"),
    ("xmpp", xmpp_header() + b"<a></b>", "end of another element"),
    ("xmpp", xmpp_header() + b"<a></a b='c'>", "end tag"),
    ("xmpp", xmpp_header() + b"<message/>", "not the features"),
    ("xmpp", xmpp_header() + b"<?php x?>", "markup"),
    ("xmpp", XMPP + b"<proceed/>", "neither proceed"),
    ("postgres", b"X\0\0\0\0", "neither S nor N"),
    ("postgres", b"E\0\0\0\0", "neither S nor N"),
    ("postgres", b"EOOPS", "neither S nor N"),
    ("mysql", b"\0\0\0\0\x0a", "begins with"),
    ("mysql", mysql_packet(b"\x09old"), "begins with"),
    ("mysql", mysql_packet(b"\x0a8.0\0short"), "capabilities"),
    ("mysql", mysql_packet(b"\x0a8.0"), "capabilities"),
    ("mysql", mysql_packet(b"\x0a8.0", 1), "begins with"),
)


@pytest.mark.parametrize(("protocol", "said", "reason"), BROKEN)
def test_broken(protocol: str, said: bytes, reason: str) -> None:
    error = error_of(protocol, said)
    assert type(error) is StartTlsError.InvalidReply
    assert reason in error.reason
    assert (error.stage, error.kind) == ("protocol", "InvalidResponse")


def test_the_end_of_a_stream_of_xmpp() -> None:
    error = error_of("xmpp", xmpp_header() + b"</stream:stream>")
    assert isinstance(error, StartTlsError.Closed)
    assert "features" in str(error)


#: The protocol, a beginning, what the server says for ever, and what the limit counts.
ENDLESS = (
    ("smtp", b"", b"2", "bytes in one line", LINE_LIMIT),
    ("smtp", b"", b"220-x\r\n", "lines in one answer", LINES_LIMIT),
    ("smtp", b"", b"220-" + b"x" * 1000 + b"\r\n", "bytes", TOTAL_LIMIT),
    ("lmtp", b"220 x\r\n", b"250-STARTTLS\r\n", "lines in one answer", LINES_LIMIT),
    ("imap", b"* OK\r\n", b"* OK\r\n", "lines in one answer", LINES_LIMIT),
    ("imap", b"* OK ", b"x" * 100, "bytes in one line", LINE_LIMIT),
    ("pop3", b"+OK\r\n+OK\r\n", b"X\r\n", "lines in one answer", LINES_LIMIT),
    ("ftp", b"220-", b"x\r\n", "lines in one answer", LINES_LIMIT),
    ("nntp", b"200 x\r\n101 x\r\n", b"X\r\n", "lines in one answer", LINES_LIMIT),
    ("sieve", b"", b'"X"\r\n', "lines in one answer", LINES_LIMIT),
    ("sieve", b"", b"{100}\r\n" + b"x" * 100, "lines in one answer", LINES_LIMIT),
    ("sieve", b"{999999}\r\n", b"x", "bytes", TOTAL_LIMIT),
    ("irc", b"", b":x NOTICE * :x\r\n", "lines in one answer", LINES_LIMIT),
    ("ldap", b"\x30\x84\0\x02\0\0", b"\0", "bytes in one message", TOTAL_LIMIT),
    ("ldap", b"\x30\x84\0\x01\0\0", b"\0", "bytes", TOTAL_LIMIT),
    ("xmpp", b"<", b"a", "bytes", TOTAL_LIMIT),
    ("xmpp", xmpp_header(), b" ", "bytes", TOTAL_LIMIT),
    ("xmpp", xmpp_header(), b"<a>", "elements in one another", 32),
    ("xmpp", xmpp_header() + b"<a>", b"<b/>", "bytes", TOTAL_LIMIT),
    ("xmpp", xmpp_header() + b"<a b='", b">", "bytes", TOTAL_LIMIT),
    ("xmpp-server", b"<a ", b"b='c' ", "bytes", TOTAL_LIMIT),
    ("postgres", b"E\0\x01\0\0", b"x", "bytes", TOTAL_LIMIT),
    ("mysql", b"\0\0\x01\0\x0a", b"x", "bytes", TOTAL_LIMIT),
)


@pytest.mark.parametrize(("protocol", "beginning", "more", "what", "limit"), ENDLESS)
def test_endless(protocol: str, beginning: bytes, more: bytes, what: str, limit: int) -> None:
    said = beginning + more * (2 * TOTAL_LIMIT // len(more))
    for size in (7, 1000, 4 * TOTAL_LIMIT):
        talk = negotiation(protocol)
        with pytest.raises(StartTlsError.LimitExceeded) as caught:
            _feed(talk.feed, [said[at : at + size] for at in range(0, len(said), size)])
        assert (caught.value.what, caught.value.limit) == (what, limit)
        assert isinstance(caught.value, ValueError)
        assert str(limit) in str(caught.value)


def cut(data: bytes, cuts: set[int]) -> list[bytes]:
    ends = [0, *sorted(one for one in cuts if 0 < one < len(data)), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


said_by_anybody = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [
                *(b"220 x\r\n", b"250-a\r\n", b"250 STARTTLS\r\n", b"* OK\r\n", b"a1 OK\r\n", b"+OK\r\n"),
                *(b'"STARTTLS"\r\n', b"OK\r\n", b"{3}\r\n", b"<a>", b"</a>", b"S", b"E\0\0\0\x05x", b"\r\n"),
                *(xmpp_header(), b"101 x\r\n", b"200 x\r\n", b"STARTTLS\r\n", b":x 421 a :b\r\n", b".\r\n"),
            ]
        ),
        max_size=12,
    ).map(b"".join),
)


@given(
    protocol=st.sampled_from(list(PROTOCOLS)),
    said=said_by_anybody,
    cuts=st.sets(st.integers(1, 300), max_size=8),
)
def test_anything_ends_in_a_typed_error_the_same_however_it_is_cut(
    protocol: str, said: bytes, cuts: set[int]
) -> None:
    assert outcome(protocol, [said]) == outcome(protocol, cut(said, cuts))


@given(script=st.sampled_from(SCRIPTS), data=st.data())
def test_scripts_with_faults(script: Script, data: st.DataObject) -> None:
    """A byte changed, taken out or put in anywhere: a typed error, or another report, or a wait for more."""
    said = bytearray(b"".join(said for said, _ in script.turns))
    at = data.draw(st.integers(0, len(said) - 1))
    said[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    whole = outcome(script.protocol, [bytes(said)])
    assert whole == outcome(script.protocol, [bytes([one]) for one in said])
