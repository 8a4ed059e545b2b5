"""The root of netkit's error tree, and what every error in it has in common.

Each layer grows its own branch in its own `errors.py`:

    NetkitError
    ├── AddrParseError          netkit.addr     text that is not an address
    ├── IoError branches        netkit.io       cancellation, deadlines, misuse of a stream
    ├── NetError branches       netkit.net      names, connections, listeners
    ├── DnsError                netkit.dns      lookups, messages, zone files
    ├── ProxyError              netkit.proxy    SOCKS, HTTP CONNECT, the PROXY protocol
    ├── TlsError                netkit.tls      handshakes, certificates, keys
    └── HttpError, ParseError, WebSocketError   with the layers that raise them

An error carries typed fields set in `__init__`; its words are made in `__str__`. What the operating
system reports stays an `OSError` or inherits from one, a timeout is a `TimeoutError`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

#: Whose doing an error is: `caller` gave something unusable, `peer` broke its protocol or refused,
#: `network` lost or blocked something on the way, `local` is this machine (files, permissions).
Fault = Literal["caller", "peer", "network", "local"]


class NetkitError(Exception):
    """Everything netkit raises on purpose is one of these (or an `OSError` from the system itself).

    `layer` names the layer that failed (`"addr"`, `"io"`, `"tcp"`, `"dns"`, `"tls"`, `"http"`, `"ws"`),
    `fault` whose doing it is, and `hint` one thing worth trying, or None.
    """

    layer: ClassVar[str] = "netkit"
    fault: Fault = "peer"
    hint: str | None = None

    @property
    def kind(self) -> str:
        """The variant's name as scripts match on it, such as `"InvalidPort"` or `"Timeout"`."""
        return type(self).__name__
