"""What servers say and clients answer, from the RFCs: a script for each way in which a dialogue goes well."""

from __future__ import annotations

from typing import NamedTuple

from netkit.tls.starttls import PROTOCOLS, Caller, Negotiation, StartTlsReport

HOST = "mail.example.com"
CALLER = Caller(HOST, "client.example.com")

#: LDAPMessage 1, ExtendedResponse: success, no matched name, "ready", and the name of the operation.
LDAP_SUCCESS = b"\x30\x29\x02\x01\x01\x78\x24\x0a\x01\x00\x04\x00\x04\x05ready\x8a\x161.3.6.1.4.1.1466.20037"
LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

STREAM = b"xmlns:stream='http://etherx.jabber.org/streams'"
TLS = b"urn:ietf:params:xml:ns:xmpp-tls"


def xmpp_opening(space: str) -> bytes:
    return (
        f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' xml:lang='en' xmlns='{space}' "
        "xmlns:stream='http://etherx.jabber.org/streams'>"
    ).encode()


def xmpp_header(space: bytes = b"jabber:client") -> bytes:
    return (
        b"<?xml version='1.0'?><stream:stream from='mail.example.com' id=\"a>b\" version='1.0' xmlns='"
        + (space + b"' ")
        + STREAM
        + b">"
    )


def mysql_packet(content: bytes, number: int = 0) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


def mysql_handshake(flags: int, version: bytes = b"11.4.2-MariaDB") -> bytes:
    low, high = (flags & 0xFFFF).to_bytes(2, "little"), (flags >> 16).to_bytes(2, "little")
    middle = b"\x07\0\0\0" + b"12345678" + b"\0" + low + b"\x2d" + b"\x02\0" + high
    end = b"\x15" + bytes(10) + b"123456789012\0" + b"mysql_native_password\0"
    return mysql_packet(b"\x0a" + version + b"\0" + middle + end)


#: LONG_PASSWORD, PROTOCOL_41, SSL, SECURE_CONNECTION, PLUGIN_AUTH.
MYSQL_FLAGS = 1 | 1 << 9 | 1 << 11 | 1 << 15 | 1 << 19
MYSQL_NAMES = ("LONG_PASSWORD", "PROTOCOL_41", "SSL", "SECURE_CONNECTION", "PLUGIN_AUTH")
MYSQL_REQUEST = mysql_packet(
    MYSQL_FLAGS.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\x2d" + bytes(23), 1
)


class Script(NamedTuple):
    name: str
    protocol: str
    #: What the server says, and what the client says then. The server says nothing first where that is b"".
    turns: tuple[tuple[bytes, bytes], ...]
    report: StartTlsReport


def _script(
    name: str,
    protocol: str,
    *turns: tuple[bytes, bytes],
    greeting: str = "",
    capabilities: tuple[str, ...] = (),
    answer: str = "",
) -> Script:
    return Script(name, protocol, turns, StartTlsReport(protocol, greeting, capabilities, answer))


EHLO = b"EHLO client.example.com\r\n"
GO_SMTP = (b"220 2.0.0 Ready to start TLS\r\n", b"")
SIEVE_GREETING = (
    b'"IMPLEMENTATION" "Example1 ManageSieved v001"\r\n"SASL" "PLAIN"\r\n'
    b'"SIEVE" "fileinto \\"x\\""\r\n"STARTTLS"\r\n"VERSION" "1.0"\r\nOK\r\n'
)
IRC_ANSWER = (
    b":irc.example.com NOTICE * :*** Looking up your hostname...\r\n"
    b"@time=now :irc.example.com CAP * LS * :multi-prefix tls\r\n"
    b":irc.example.com CAP * LS :sasl=PLAIN\r\n"
    b":irc.example.com 670 * :STARTTLS successful, go ahead with TLS handshake\r\n"
)
FEATURES = b"211-Extensions supported:\r\n MDTM\r\n AUTH TLS;SSL\r\n PBSZ\r\n211 End\r\n"
SCRIPTS = (
    _script(
        "SMTP, RFC 3207 section 5",
        "smtp",
        (b"220 mail.imc.org SMTP service ready\r\n", EHLO),
        (
            b"250-mail.imc.org offers a warm hug of welcome\r\n250-8BITMIME\r\n250 STARTTLS\r\n",
            b"STARTTLS\r\n",
        ),
        (b"220 Go ahead\r\n", b""),
        greeting="mail.imc.org SMTP service ready",
        capabilities=("8BITMIME", "STARTTLS"),
        answer="Go ahead",
    ),
    _script(
        "SMTP, a long greeting, small letters, lines that end with LF, an answer without words",
        "smtp",
        (b"220-mx ESMTP\r\n220-no spam\r\n220 please\r\n", EHLO),
        (b"250-mx\n250-size 1000\n250 starttls\n", b"STARTTLS\r\n"),
        (b"220\r\n", b""),
        greeting="mx ESMTP no spam please",
        capabilities=("size 1000", "starttls"),
    ),
    _script(
        "LMTP, RFC 2033 section 4.2",
        "lmtp",
        (b"220 foo.edu LMTP server ready\r\n", b"LHLO client.example.com\r\n"),
        (b"250-foo.edu\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 SIZE\r\n", b"STARTTLS\r\n"),
        GO_SMTP,
        greeting="foo.edu LMTP server ready",
        capabilities=("PIPELINING", "STARTTLS", "SIZE"),
        answer="2.0.0 Ready to start TLS",
    ),
    _script(
        "IMAP, RFC 9051 section 6.2.1",
        "imap",
        (b"* OK [CAPABILITY IMAP4rev2 STARTTLS LOGINDISABLED] ready\r\n", b"a1 CAPABILITY\r\n"),
        (
            b"* CAPABILITY IMAP4rev2 STARTTLS LOGINDISABLED\r\na1 OK CAPABILITY completed\r\n",
            b"a2 STARTTLS\r\n",
        ),
        (b"a2 OK Begin TLS negotiation now\r\n", b""),
        greeting="[CAPABILITY IMAP4rev2 STARTTLS LOGINDISABLED] ready",
        capabilities=("IMAP4rev2", "STARTTLS", "LOGINDISABLED"),
        answer="Begin TLS negotiation now",
    ),
    _script(
        "IMAP, with answers that nobody asked for",
        "imap",
        (b"* ok hello\r\n", b"a1 CAPABILITY\r\n"),
        (
            b"* OK still here\r\n* capability imap4rev1 starttls\r\n* \r\na1 ok\r\n",
            b"a2 STARTTLS\r\n",
        ),
        (b"* OK one moment\r\na2 OK\r\n", b""),
        greeting="hello",
        capabilities=("imap4rev1", "starttls"),
    ),
    _script(
        "POP3, RFC 2595 section 4",
        "pop3",
        (b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n", b"CAPA\r\n"),
        (b"+OK Capability list follows\r\nTOP\r\n..odd\r\nSTLS\r\n.\r\n", b"STLS\r\n"),
        (b"+OK Begin TLS negotiation\r\n", b""),
        greeting="POP3 server ready <1896.697170952@dbc.mtview.ca.us>",
        capabilities=("TOP", ".odd", "STLS"),
        answer="Begin TLS negotiation",
    ),
    _script(
        "POP3, a server from before CAPA",
        "pop3",
        (b"+OK\r\n", b"CAPA\r\n"),
        (b"-ERR unknown command\r\n", b"STLS\r\n"),
        (b"+OK\r\n", b""),
    ),
    _script(
        "FTP, RFC 4217 section 6",
        "ftp",
        (b"120 ready in 1 minute\r\n220-welcome\r\n to the archive\r\n220 ready\r\n", b"FEAT\r\n"),
        (FEATURES, b"AUTH TLS\r\n"),
        (b"234 AUTH command OK; starting TLS connection.\r\n", b""),
        greeting="welcome  to the archive ready",
        capabilities=("MDTM", "AUTH TLS;SSL", "PBSZ"),
        answer="AUTH command OK; starting TLS connection.",
    ),
    _script(
        "FTP, a server that tells nothing before the login",
        "ftp",
        (b"220 (vsFTPd 3.0.3)\r\n", b"FEAT\r\n"),
        (b"530 Please login with USER and PASS.\r\n", b"AUTH TLS\r\n"),
        (b"234 Proceed with negotiation.\r\n", b""),
        greeting="(vsFTPd 3.0.3)",
        answer="Proceed with negotiation.",
    ),
    _script(
        "LDAP, RFC 4511 section 4.14",
        "ldap",
        (b"", LDAP_REQUEST),
        (LDAP_SUCCESS, b""),
        answer="ready",
    ),
    _script(
        "LDAP, long forms of the lengths, no name of the operation",
        "ldap",
        (b"", LDAP_REQUEST),
        (b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0", b""),
    ),
    _script(
        "XMPP, RFC 6120 section 9.1.1",
        "xmpp",
        (b"", xmpp_opening("jabber:client")),
        (
            xmpp_header()
            + b"<stream:features><starttls xmlns='"
            + TLS
            + b"'><required/></starttls><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
            b"<mechanism>SCRAM-SHA-1</mechanism>\n<mechanism>PLAIN</mechanism></mechanisms></stream:features>",
            b"<starttls xmlns='" + TLS + b"'/>",
        ),
        (b"<proceed xmlns='" + TLS + b"'/>", b""),
        greeting="mail.example.com",
        capabilities=("starttls required", "mechanisms SCRAM-SHA-1 PLAIN"),
        answer="proceed",
    ),
    _script(
        "XMPP, other prefixes, an end tag, room between the elements",
        "xmpp",
        (b"", xmpp_opening("jabber:client")),
        (
            b"<s:stream version='1.0' xmlns:s=\"http://etherx.jabber.org/streams\" xmlns:t='"
            + TLS
            + b"' >\n <s:features ><t:starttls></t:starttls ></s:features>",
            b"<starttls xmlns='" + TLS + b"'/>",
        ),
        (b"\n<t:proceed\n></t:proceed>", b""),
        capabilities=("starttls",),
        answer="proceed",
    ),
    _script(
        "XMPP between servers",
        "xmpp-server",
        (b"", xmpp_opening("jabber:server")),
        (
            xmpp_header(b"jabber:server")
            + b"<stream:features><starttls xmlns='"
            + TLS
            + b"'/></stream:features>",
            b"<starttls xmlns='" + TLS + b"'/>",
        ),
        (b"<proceed xmlns='" + TLS + b"'/>", b""),
        greeting="mail.example.com",
        capabilities=("starttls",),
        answer="proceed",
    ),
    _script(
        "PostgreSQL",
        "postgres",
        (b"", b"\0\0\0\x08\x04\xd2\x16\x2f"),
        (b"S", b""),
        answer="S",
    ),
    _script(
        "MySQL",
        "mysql",
        (mysql_handshake(MYSQL_FLAGS), MYSQL_REQUEST),
        greeting="11.4.2-MariaDB",
        capabilities=MYSQL_NAMES,
    ),
    _script(
        "NNTP, RFC 4642 section 2.3",
        "nntp",
        (b"200 news.example.com InterNetNews ready\r\n", b"CAPABILITIES\r\n"),
        (b"101 Capability list:\r\nVERSION 2\r\nREADER\r\nSTARTTLS\r\n.\r\n", b"STARTTLS\r\n"),
        (b"382 Continue with TLS negotiation\r\n", b""),
        greeting="news.example.com InterNetNews ready",
        capabilities=("VERSION 2", "READER", "STARTTLS"),
        answer="Continue with TLS negotiation",
    ),
    _script(
        "NNTP, a server that switches modes",
        "nntp",
        (b"201 no posting\r\n", b"CAPABILITIES\r\n"),
        (b"101 list\r\nVERSION 2\r\nMODE-READER\r\n.\r\n", b"MODE READER\r\n"),
        (b"201 reading\r\n", b"CAPABILITIES\r\n"),
        (b"101 list\r\nREADER\r\nSTARTTLS\r\n.\r\n", b"STARTTLS\r\n"),
        (b"382 go\r\n", b""),
        greeting="no posting",
        capabilities=("READER", "STARTTLS"),
        answer="go",
    ),
    _script(
        "NNTP, a server from before CAPABILITIES",
        "nntp",
        (b"200 old\r\n", b"CAPABILITIES\r\n"),
        (b"500 what?\r\n", b"STARTTLS\r\n"),
        (b"382 go\r\n", b""),
        greeting="old",
        answer="go",
    ),
    _script(
        "ManageSieve, RFC 5804 section 2.2",
        "sieve",
        (
            SIEVE_GREETING,
            b"STARTTLS\r\n",
        ),
        (b'OK "Begin TLS negotiation now."\r\n', b""),
        greeting="Example1 ManageSieved v001",
        capabilities=(
            "IMPLEMENTATION Example1 ManageSieved v001",
            "SASL PLAIN",
            'SIEVE fileinto "x"',
            "STARTTLS",
            "VERSION 1.0",
        ),
        answer="Begin TLS negotiation now.",
    ),
    _script(
        "ManageSieve, literals",
        "sieve",
        (
            b'{14}\r\nIMPLEMENTATION {3}\r\na\nb\r\n"STARTTLS"\r\nOK (TAG {1}) {5}\r\nhello\r\n',
            b"STARTTLS\r\n",
        ),
        (b"OK {12}\r\nBegin\r\n TLS\x1b\r\n", b""),
        greeting="hello",
        capabilities=("IMPLEMENTATION a\\nb", "STARTTLS"),
        answer="Begin\\r\\n TLS\\x1b",
    ),
    _script(
        "IRC, IRCv3",
        "irc",
        (b"", b"CAP LS 302\r\nSTARTTLS\r\n"),
        (
            IRC_ANSWER,
            b"",
        ),
        greeting="*** Looking up your hostname...",
        capabilities=("multi-prefix", "tls", "sasl=PLAIN"),
        answer="STARTTLS successful, go ahead with TLS handshake",
    ),
    _script(
        "IRC, a server that knows no CAP",
        "irc",
        (b"", b"CAP LS 302\r\nSTARTTLS\r\n"),
        (b":irc 421 * CAP :Unknown command\r\n:irc 670 you go\r\n", b""),
        answer="go",
    ),
)


def negotiation(protocol: str) -> Negotiation:
    return Negotiation(PROTOCOLS[protocol], CALLER)
