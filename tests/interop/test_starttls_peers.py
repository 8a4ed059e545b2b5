"""STARTTLS against servers that nobody here wrote: TLS begins in each, and the protocol goes on under it."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netkit.io import DeadlineExceeded
from netkit.net import TcpStream
from netkit.tls.config import TlsConfig
from netkit.tls.starttls import PROTOCOLS, StartTlsError, StartTlsReport, starttls, starttls_async
from netkit.tls.stream import TlsStream
from tests.interop.starttls_servers import HOST, SERVER_OF, Server, serving
from tests.tls.pki import issue

if TYPE_CHECKING:
    from collections.abc import Iterator

# None of this uses a twin.
pytestmark = pytest.mark.once


class Servers:
    """Starts each server when it is first wanted."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running
        self._ports: dict[Server, dict[str, int]] = {}
        root = issue("Root", ca=True)
        leaf = issue(HOST, root, sans=(HOST,))
        self._identity = leaf.pem, leaf.key_pem
        self.config = TlsConfig.client().with_root_certs([root.certificate])

    def port(self, protocol: str) -> int:
        server = SERVER_OF[protocol]
        if server not in self._ports:
            folder = self._folder / server.launch.__name__
            self._ports[server] = self._running.enter_context(serving(server, folder, self._identity))
        return self._ports[server][protocol]

    def connect(self, protocol: str) -> TcpStream:
        return TcpStream.connect(("127.0.0.1", self.port(protocol)), timeout=20)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    # Not pytest's own folder: these servers change to users of their own, who must be able to look into it.
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        Path(name).chmod(0o755)
        yield Servers(Path(name), running)


class Known(NamedTuple):
    """What is known of a server: words of its greeting, a capability, and an exchange under TLS."""

    greeting: str
    capability: str
    asks: bytes
    answer: bytes


#: A stream's header of XMPP, as a client's and as a server's.
STREAM, STREAM_OF_A_SERVER = (
    f"<stream:stream to='{HOST}' version='1.0' xmlns='jabber:{kind}' "
    "xmlns:stream='http://etherx.jabber.org/streams'>".encode()
    for kind in ("client", "server")
)
#: LDAPMessage 2, a bind as nobody (RFC 4511 section 4.2); a BindResponse, [APPLICATION 1], answers it.
BIND = b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\0\x80\0"
#: A StartupMessage of protocol 9.0, which is refused before anything else is looked at.
STARTUP = b"\0\0\0\x08\0\x09\0\0"
#: HandshakeResponse41 for the user root without a password, then the answer OK to it.
RESPONSE = b"\x00\x82\x00\x00" + b"\0\0\0\x01\x2d" + bytes(23) + b"root\0\0"
LOGIN = len(RESPONSE).to_bytes(3, "little") + b"\x02" + RESPONSE

KNOWN = {
    "smtp": Known(f"{HOST} ESMTP Postfix", "STARTTLS", b"EHLO me\r\n", b"250-ENHANCEDSTATUSCODES"),
    "lmtp": Known("Dovecot", "STARTTLS", b"LHLO me\r\n", b"250 PIPELINING"),
    "imap": Known("", "IMAP4rev1", b"a CAPABILITY\r\n", b"a OK"),
    "pop3": Known("Dovecot", "STLS", b"CAPA\r\n", b"+OK"),
    "ftp": Known("(vsFTPd ", "AUTH TLS", b"FEAT\r\n", b"211 End"),
    "ldap": Known("", "", BIND, b"\x02\x01\x02\x61"),
    "xmpp": Known(HOST, "starttls required", STREAM, b"</stream:features>"),
    "xmpp-server": Known(HOST, "starttls required", STREAM_OF_A_SERVER, b"<stream:features"),
    "postgres": Known("", "", STARTUP, b"unsupported frontend protocol 9.0"),
    "mysql": Known("MariaDB", "SSL", LOGIN, b"\x07\x00\x00\x03\x00"),
    "nntp": Known(f"{HOST} InterNetNews", "STARTTLS", b"CAPABILITIES\r\n", b"\r\n.\r\n"),
    "sieve": Known("Dovecot", "STARTTLS", b"", b'"TLS negotiation successful."'),
    "irc": Known("", "tls", b"NICK me\r\nUSER me 0 * :me\r\nCAP END\r\n", b" 001 me "),
}


def check(protocol: str, report: StartTlsReport) -> None:
    known = KNOWN[protocol]
    assert report.protocol == protocol
    assert known.greeting in report.greeting
    if known.capability:
        assert known.capability in report.capabilities


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_begins(servers: Servers, protocol: str) -> None:
    known = KNOWN[protocol]
    with servers.connect(protocol) as tcp:
        check(protocol, starttls(tcp, protocol, host=HOST, timeout=20))
        with TlsStream.connect(tcp, HOST, servers.config, timeout=20) as tls:
            if known.asks:
                tls.write_all(known.asks, timeout=20)
            answer = tls.read_until(known.answer, timeout=20)
    assert b"STARTTLS" not in answer
    assert b"urn:ietf:params:xml:ns:xmpp-tls" not in answer


def test_async(servers: Servers) -> None:
    async def ask() -> None:
        port = servers.port("smtp")
        async with await TcpStream.connect_async(("127.0.0.1", port), timeout=20) as tcp:
            check("smtp", await starttls_async(tcp, "smtp", host=HOST, timeout=20))
            async with await TlsStream.connect_async(tcp, HOST, servers.config, timeout=20) as tls:
                await tls.write_all_async(b"EHLO me\r\n", timeout=20)
                answer = await tls.read_until_async(b"250 CHUNKING\r\n", timeout=20)
        assert b"STARTTLS" not in answer

    asyncio.run(ask())


@pytest.mark.parametrize("asked", ["ldap", "xmpp", "xmpp-server", "postgres", "irc"])
def test_a_port_for_tls_alone_that_is_spoken_to(servers: Servers, asked: str) -> None:
    """What is no ClientHello is answered with an alert by some servers; others just hang up."""
    with servers.connect("tls") as tcp, pytest.raises(StartTlsError.SpeaksTls):
        starttls(tcp, asked, host=HOST, timeout=20)
    with servers.connect("imaps") as tcp, pytest.raises(StartTlsError.Closed) as caught:
        starttls(tcp, asked, host=HOST, timeout=20)
    assert "a port that speaks TLS directly" in str(caught.value.hint)


def test_a_port_for_tls_alone_that_waits(servers: Servers) -> None:
    with servers.connect("imaps") as tcp, pytest.raises(DeadlineExceeded) as caught:
        starttls(tcp, "imap", host=HOST, timeout=0.05)
    assert "a port that speaks TLS directly, as 993 does" in str(caught.value.hint)


#: The protocols in which the server speaks first, and so shows at once what it is.
GREETED = ("smtp", "lmtp", "imap", "pop3", "ftp", "mysql", "nntp", "sieve")


@pytest.mark.parametrize("asked", PROTOCOLS)
def test_the_wrong_server(servers: Servers, asked: str) -> None:
    """Each protocol is asked of each server that speaks first: the answer is no, and says who is there."""
    for there in GREETED:
        if there == asked:
            continue
        with servers.connect(there) as tcp, pytest.raises(StartTlsError) as caught:
            starttls(tcp, asked, host=HOST, timeout=20)
        error = caught.value
        if there == "lmtp" and isinstance(error, StartTlsError.Declined):
            continue  # its greeting is one of SMTP or FTP too, but it does not know the command
        assert isinstance(error, StartTlsError.WrongProtocol), (there, error)
        assert PROTOCOLS[there].title in error.found
