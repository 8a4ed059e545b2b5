"""The errors of connections through a proxy.

    ProxyError
    ├── InvalidProxy         usage     (ValueError) the caller's URL, user name or target is not valid
    ├── InvalidReply         protocol  the proxy sent something that is not an answer to the request
    │   └── LimitExceeded    protocol  (ValueError) the answer is longer than allowed
    ├── Closed               connect   (ConnectionError) the proxy closed the connection during the dialogue
    ├── AuthRequired         connect   the proxy demands a kind of authentication that was not offered
    ├── AuthFailed           connect   the proxy does not accept the user name and password
    ├── Refused              connect   (ConnectionError) the proxy did not connect to the target
    │   ├── SocksReply       connect   it answered with a SOCKS reply code (RFC 1928 section 6)
    │   └── Status           connect   it answered with an HTTP status (RFC 9110 section 15)
    └── InvalidHeader        protocol  (ValueError) a received PROXY protocol header is not valid
                             usage     (ValueError) the caller's values do not fit in a header

The second column is the stage.

If the proxy itself cannot be reached, the error is a `ConnectError`, as for every endpoint. The fields hold
text from the proxy unchanged; `__str__` shortens it.
"""

from __future__ import annotations

import errno
from typing import ClassVar

from netkit.errors import Fault, NetkitError

#: The longest text from the proxy that a message shows, in characters.
SHOWN = 120

#: RFC 1928 section 6.
SOCKS_REPLIES: dict[int, str] = {
    1: "general failure",
    2: "not allowed by the proxy's rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class ProxyError(NetkitError):
    """Base class of the errors of a dialogue with a proxy; the variants are its attributes."""

    layer = "proxy"

    InvalidProxy: ClassVar[type[InvalidProxy_]]
    InvalidReply: ClassVar[type[InvalidReply_]]
    LimitExceeded: ClassVar[type[LimitExceeded_]]
    Closed: ClassVar[type[Closed_]]
    AuthRequired: ClassVar[type[AuthRequired_]]
    AuthFailed: ClassVar[type[AuthFailed_]]
    Refused: ClassVar[type[Refused_]]
    SocksReply: ClassVar[type[SocksReply_]]
    Status: ClassVar[type[Status_]]
    InvalidHeader: ClassVar[type[InvalidHeader_]]


class InvalidProxy(ProxyError, ValueError):
    """The caller's URL, user name or target is not valid; `reason` says why. Nothing was sent."""

    __qualname__ = "ProxyError.InvalidProxy"
    fault: Fault = "caller"
    stage = "usage"

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason, hint)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return self.reason


class InvalidReply(ProxyError):
    """The proxy's answer violates the protocol; `received` is the beginning of the answer."""

    __qualname__ = "ProxyError.InvalidReply"
    stage = "protocol"
    kind: str = "InvalidResponse"

    def __init__(self, reason: str, received: bytes = b"", hint: str | None = None) -> None:
        super().__init__(reason, received, hint)
        self.reason = reason
        self.received = received
        self.hint = hint

    def __str__(self) -> str:
        return f"not an answer of such a proxy: {self.reason}"


class LimitExceeded(InvalidReply, ValueError):
    """The proxy's answer exceeds `limit`; `what` names what the limit counts."""

    __qualname__ = "ProxyError.LimitExceeded"
    kind = "LimitExceeded"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"more than {limit} {what}")
        self.args = (what, limit)  # the arguments with which pickle calls the class
        self.what = what
        self.limit = limit


class Closed(ProxyError, ConnectionError):
    """The proxy closed the connection instead of answering; `during` says which answer was expected."""

    __qualname__ = "ProxyError.Closed"
    fault: Fault = "peer"
    stage = "connect"
    kind = "UnexpectedEof"
    hint = "some proxies hang up on clients, or targets, that they do not serve"

    def __init__(self, during: str, had: int) -> None:
        super().__init__(errno.ECONNRESET, "closed by the proxy")
        self.args = (during, had)
        self.during = during
        self.had = had

    def __str__(self) -> str:
        after = f" after {self.had} bytes of it" if self.had else ""
        return f"the proxy closed the connection instead of sending {self.during}{after}"


class AuthRequired(ProxyError):
    """The proxy demands authentication that the client did not offer; `offered` are the proxy's methods."""

    __qualname__ = "ProxyError.AuthRequired"
    stage = "connect"

    def __init__(self, offered: tuple[str, ...] = (), had_credentials: bool = False) -> None:
        super().__init__(offered, had_credentials)
        self.offered = offered
        self.had_credentials = had_credentials
        if not had_credentials:
            self.hint = "give a user name and a password: scheme://USER:PASSWORD@HOST:PORT"

    def __str__(self) -> str:
        names = ", ".join(self.offered)[:SHOWN]
        kinds = f" ({names})" if names else ""
        if self.had_credentials:
            return f"the proxy takes no user name and password{kinds}"
        return f"the proxy requires authentication{kinds}"


class AuthFailed(ProxyError):
    """The proxy does not accept this user name and password; `user` is the user name."""

    __qualname__ = "ProxyError.AuthFailed"
    stage = "connect"

    def __init__(self, user: str) -> None:
        super().__init__(user)
        self.user = user

    def __str__(self) -> str:
        return f"the proxy does not accept the password of {self.user}"


class Refused(ProxyError, ConnectionError):
    """The proxy did not connect to `target`; `code` is the code of its answer, `reason` the text for it."""

    __qualname__ = "ProxyError.Refused"
    stage = "connect"
    kind = "Refused"

    def __init__(self, target: str, code: int, reason: str) -> None:
        super().__init__(errno.ECONNREFUSED, reason)
        self.args = (target, code, reason)
        self.target = target
        self.code = code
        self.reason = reason


class SocksReply(Refused):
    """A SOCKS reply other than "succeeded": `code` 1 to 255 (RFC 1928 section 6)."""

    __qualname__ = "ProxyError.SocksReply"
    fault: Fault = "network"

    def __init__(self, target: str, code: int) -> None:
        super().__init__(target, code, SOCKS_REPLIES.get(code, "a reply that RFC 1928 does not know"))
        self.args = (target, code)

    def __str__(self) -> str:
        return f"the proxy did not connect to {self.target}: {self.reason} (SOCKS reply {self.code})"


class Status(Refused):
    """An HTTP status other than 2xx: `code` 300 to 999, `reason` the proxy's phrase, perhaps empty."""

    __qualname__ = "ProxyError.Status"
    fault: Fault = "network"

    def __init__(self, target: str, code: int, reason: str) -> None:
        super().__init__(target, code, reason)
        if code in (400, 404, 405, 501):
            self.hint = "is that a proxy? a web server answers CONNECT like this"
        elif code == 401:
            self.hint = "some proxies say so of a user name and password that they do not accept"

    def __str__(self) -> str:
        status = f"{self.code} {self.reason[:SHOWN]}".rstrip()
        return f"the proxy did not connect to {self.target}: HTTP status {status}"


class InvalidHeader(ProxyError, ValueError):
    """A PROXY protocol header cannot be read (`fault` is peer) or made (caller); `offset` may be None."""

    __qualname__ = "ProxyError.InvalidHeader"

    def __init__(self, reason: str, offset: int | None = None, fault: Fault = "peer") -> None:
        super().__init__(reason, offset, fault)
        self.reason = reason
        self.offset = offset
        self.fault = fault

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at octet {self.offset}"
        return f"invalid PROXY protocol header{where}: {self.reason}"


# A class cannot use its nested names as annotations of themselves; these lines give them their types.
InvalidProxy_ = InvalidProxy
InvalidReply_ = InvalidReply
LimitExceeded_ = LimitExceeded
Closed_ = Closed
AuthRequired_ = AuthRequired
AuthFailed_ = AuthFailed
Refused_ = Refused
SocksReply_ = SocksReply
Status_ = Status
InvalidHeader_ = InvalidHeader

ProxyError.InvalidProxy = InvalidProxy
ProxyError.InvalidReply = InvalidReply
ProxyError.LimitExceeded = LimitExceeded
ProxyError.Closed = Closed
ProxyError.AuthRequired = AuthRequired
ProxyError.AuthFailed = AuthFailed
ProxyError.Refused = Refused
ProxyError.SocksReply = SocksReply
ProxyError.Status = Status
ProxyError.InvalidHeader = InvalidHeader
