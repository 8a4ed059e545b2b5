"""STARTTLS: ask a server for TLS in the middle of its own protocol, in thirteen protocols.

    codec   what the server says           wire.py recognise.py, and a file for each kind of dialogue:
            and what is answered           replies.py (SMTP, LMTP, FTP, NNTP) mailboxes.py (IMAP, POP3,
                                           ManageSieve) irc.py ldap.py xmpp.py postgres.py mysql.py
            which there are                names.py dialogues.py
            one dialogue, fed with bytes   negotiation.py
    API     the same over a stream         flow.py

Every protocol ends in the same way: with the server's go-ahead, behind which no byte in the clear may stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.tls.starttls.errors import StartTlsError as StartTlsError
    from netkit.tls.starttls.flow import (
        starttls as starttls,
        starttls_async as starttls_async,
        starttls_flow as starttls_flow,
    )
    from netkit.tls.starttls.names import (
        NAMES as NAMES,
        PROTOCOLS as PROTOCOLS,
        StartTlsProtocol as StartTlsProtocol,
        starttls_protocol as starttls_protocol,
    )
    from netkit.tls.starttls.negotiation import Negotiation as Negotiation
    from netkit.tls.starttls.wire import Caller as Caller, StartTlsReport as StartTlsReport

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "errors": "StartTlsError",
        "flow": "starttls starttls_async starttls_flow",
        "names": "NAMES PROTOCOLS StartTlsProtocol starttls_protocol",
        "negotiation": "Negotiation",
        "wire": "Caller StartTlsReport",
    },
)
