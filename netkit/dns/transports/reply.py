"""The answer to a query, and what was not the answer.

`netkit.dns.policy.matching` decides whether a message is the answer. netkit counts any other message and
continues to wait. Such a message is not an error, because otherwise one forged datagram could end a lookup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Message
from netkit.dns.policy.matching import Mismatch, match

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.addr import SocketAddr
    from netkit.dns.messages.message import Question


class Connection(NamedTuple):
    """The connection over which an answer came: how long each step of making it took, and what it became.

    `connect_s` is for TCP, `proxy_s` for what the proxy then did, `tls_s` for the TLS handshake, in seconds;
    None where there was no such step. `is_reused` says that an earlier query had it made: then this one did
    not wait for these steps. `tls_version`, `cipher`, `alpn` and `group` are what TLS agreed on,
    `http_version` is as in `"2"`; empty without. `resumed` says whether an earlier session of TLS was
    resumed; None if that is not known. `ocsp_response` is what the server stapled, DER. `ech_accepted` says
    whether the server decrypted the hello; None where it was not encrypted. `tls_backend` names the backend.
    """

    connect_s: float | None = None
    proxy_s: float | None = None
    tls_s: float | None = None
    tls_version: str = ""
    cipher: str = ""
    alpn: str = ""
    http_version: str = ""
    is_reused: bool = False
    group: str = ""
    resumed: bool | None = None
    ocsp_response: bytes | None = None
    ech_accepted: bool | None = None
    tls_backend: str = ""

    @property
    def made_in(self) -> float:
        """How many seconds the query waited for the connection; 0 where it was there."""
        return 0.0 if self.is_reused else sum(filter(None, (self.connect_s, self.proxy_s, self.tls_s)))


class Reply:
    """A server's answer to a query, and how it was received.

    `elapsed_s` is from sending the query to having the answer, and over a new connection what it took to make
    it; `size` is the answer's length in octets; `ignored` counts messages that were not the answer;
    `fell_back` is True where an answer over UDP was truncated and this is the one over TCP. `connection` is
    the one it came over; None over UDP.
    """

    __slots__ = (
        "_query",
        "_query_size",
        "connection",
        "elapsed_s",
        "fell_back",
        "ignored",
        "message",
        "server",
        "size",
        "transport",
        "wire",
    )

    def __init__(
        self,
        query: Message | bytes,
        message: Message,
        *,
        server: SocketAddr,
        transport: str,
        wire: bytes,
        elapsed_s: float,
        ignored: int = 0,
    ) -> None:
        self._query = query
        self._query_size: int | None = None
        self.message = message
        self.server = server
        self.transport = transport
        self.wire = wire
        self.size = len(wire)
        self.elapsed_s = elapsed_s
        self.ignored = ignored
        self.fell_back = False
        self.connection: Connection | None = None

    def over(self, connection: Connection, took: float) -> None:
        """Say over which connection it came, and how many seconds it took from sending the query over it."""
        self.connection = connection
        self.elapsed_s = connection.made_in + took

    @property
    def query(self) -> Message:
        """The query as it was sent."""
        if isinstance(self._query, bytes):
            self._query_size = len(self._query)
            self._query = Message.from_wire(self._query)
        return self._query

    @property
    def query_size(self) -> int:
        """The octets of the query."""
        query = self.query  # its size is kept when it is decoded
        if self._query_size is None:
            self._query_size = len(query.to_wire())
        return self._query_size

    def __repr__(self) -> str:
        return f"<Reply {self.message.rcode} from {self.server} over {self.transport}>"


class Ignored:
    """Messages that were not the answer: how many, and whether one was in all but its letter case.

    `on_miscased` is called at the first of these.
    """

    __slots__ = ("count", "miscased", "on_miscased")

    def __init__(self, on_miscased: Callable[[], None] | None = None) -> None:
        self.count = 0
        self.miscased = False
        self.on_miscased = on_miscased

    def add(self, query: Message, wire: bytes, server: SocketAddr) -> None:
        """Count a message that `decode_reply` did not take."""
        self.count += 1
        if not self.miscased:
            self.miscased = decode_reply(query, wire, server, exact_case=False) is not None
            if self.miscased and self.on_miscased is not None:
                self.on_miscased()

    @property
    def hint(self) -> str | None:
        """Return the hint about these messages, for an error when no answer came."""
        if not self.count:
            return None
        came = "1 message" if self.count == 1 else f"{self.count} messages"
        return f"{came} came, but not the answer"


def decode_reply(
    query: Message,
    wire: bytes,
    server: SocketAddr,
    *,
    exact_case: bool = True,
    question: Question | None = None,
) -> Message | None:
    """The message, if it is the answer to `query` (`netkit.dns.policy.matching`); None if it is none.

    `exact_case` says whether the letters of the name must come back in the case they were sent in. `question`
    has the letter case to give it back in. Raises DnsError.InvalidResponse if the message has the query's ID
    but is malformed.
    """
    try:
        found = match(wire, query, question or query.question[0], exact_case)
    except (DnsError.InvalidResponse, DnsError.Truncated) as error:
        error.server = server
        raise
    return None if isinstance(found, Mismatch) else found
