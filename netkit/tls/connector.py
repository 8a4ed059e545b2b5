"""`TlsConnector`: connections as a client with the same settings, which resume earlier sessions.

connector = TlsConnector().with_alpn(["h2", "http/1.1"])
tls = connector.connect("example.com", 443)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from netkit.io import CancellationToken, Flow, deadline_after, phase, run, run_async
from netkit.net import TcpStream
from netkit.tls.backends import prepare, resuming
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.stream import TlsStream

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from netkit.net.connect import ConnectOptions
    from netkit.tls.connection.early import EarlyWriter


class TlsConnector:
    """Connects over TCP and makes the handshake, with the same settings each time.

    It keeps the sessions that servers give out (in the `session_store` of `config`, else in memory), and a
    later connection to the same name resumes one: the handshake is shorter, and the server's certificate is
    not verified again. `resume=False` keeps none. Whether it worked is `TlsStream.resumed`. Servers send
    tickets of TLS 1.3 after the handshake, so a connection that read nothing leaves none behind.

    A connector never changes; `with_alpn` and `with_config` return a new one, which shares the store. May be
    used from any thread. Raises `TlsError.InvalidConfig` for settings that cannot be used, and
    `TlsError.CapabilityError` for one that no backend here can honour.
    """

    def __init__(self, config: TlsConfig | None = None, *, resume: bool = True) -> None:
        made = config or TlsConfig.client()
        if made.is_server:
            raise TlsError.InvalidConfig("is_server", "these are a server's settings: use TlsAcceptor")
        made = resuming(made, MemorySessionStore()) if resume else made.replace(session_store=None)
        prepare(made)
        #: The settings of every connection.
        self.config = made
        self._resume = resume

    def with_alpn(self, protocols: Iterable[str | bytes]) -> Self:
        """A connector that offers these application protocols, preferred first."""
        return self.with_config(self.config.with_alpn(protocols))

    def with_config(self, config: TlsConfig) -> Self:
        """A connector with other settings. Its sessions are in the same store, unless `config` has its own.

        A session is never resumed with other settings than those that it was made with.
        """
        if config.session_store is None and self._resume:
            config = config.replace(session_store=self.config.session_store)
        return type(self)(config, resume=self._resume)

    def connect_flow(
        self,
        host: str,
        port: int = 443,
        *,
        server_name: str | None = None,
        early_data: bytes | EarlyWriter = b"",
        **how: Unpack[ConnectOptions],
    ) -> Flow[TlsStream]:
        """Flow: `connect`, for other flows to `yield from`."""
        name = server_name or host
        tcp = yield from TcpStream.connect_flow((host, port), **how)
        with phase(f"in the TLS handshake with {name}", "tls"):
            return (yield from TlsStream.connect_flow(tcp, name, self.config, early_data=early_data))

    def connect(
        self,
        host: str,
        port: int = 443,
        *,
        server_name: str | None = None,
        early_data: bytes | EarlyWriter = b"",
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
        **how: Unpack[ConnectOptions],
    ) -> TlsStream:
        """Connect to `host`, a name or an address, and make the handshake.

        The server's certificate has to be valid for `server_name`, which is also sent as SNI; it is `host`
        unless it is given. `early_data` is that of `TlsStream.connect`. `timeout` covers everything, the
        lookup of the name included, in seconds. `how` are those of `TcpStream.connect`: `family`, `prefer`,
        `source`, `attempt_delay`, `resolver`.

        Raises ResolveError, ConnectError, TlsError, DeadlineExceeded, CancellationError.
        """
        flow = self.connect_flow(host, port, server_name=server_name, early_data=early_data, **how)
        return run(flow, deadline=deadline_after(timeout), cancel=cancel)

    async def connect_async(
        self,
        host: str,
        port: int = 443,
        *,
        server_name: str | None = None,
        early_data: bytes | EarlyWriter = b"",
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
        **how: Unpack[ConnectOptions],
    ) -> TlsStream:
        """Connect to `host`, and make the handshake; arguments and errors as `connect`."""
        flow = self.connect_flow(host, port, server_name=server_name, early_data=early_data, **how)
        return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)

    def __repr__(self) -> str:
        return f"<TlsConnector {' '.join(self.config.alpn_protocols) or 'without ALPN'}>"
