"""`TlsAcceptor`: handshakes as a server, with one identity or one for each name (SNI, RFC 6066 section 3).

    acceptor = TlsAcceptor(certificate, key)
    tls = acceptor.accept(tcp)

    acceptor = TlsAcceptor(certificate, key, names={"a.example": identity, "*.b.example": another})
    acceptor = TlsAcceptor(TlsConfig.server(), resolver=look_it_up)

Without names and resolver nothing is read before the session is there. With them, `connection.resolving`
reads the ClientHello first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from netkit.io import ByteStream, CancellationToken, Flow, deadline_after, phase, run, run_async
from netkit.tls.backends import backend_for, prepare
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.stream import HELLO_TIMEOUT, TlsStream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.tls.backend import IdentityResolver
    from netkit.tls.identity import Identity
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.keys import PrivateKey


class TlsAcceptor:
    """Makes handshakes as a server with the same settings, over any number of accepted streams.

    Give it settings, or a certificate (or a sequence: the certificate, and then its intermediates) and its
    key. `names` maps host names, and wildcards such as `*.example.com`, to an `Identity` or to whole
    settings; other clients get the identity of the settings, or the alert unrecognized_name if there is none.
    `resolver` is a function that chooses by what the client's hello says: it gets a `ClientHelloInfo`, and
    returns an `Identity`, a `TlsConfig`, or None to refuse the name. It may be a flow (a generator), which
    can wait for a file or a database, or a coroutine if an event loop drives the handshake. The client has
    `hello_timeout` seconds for its hello then.

    May be used from any thread. Raises `TlsError.InvalidConfig` for settings that cannot be used, and
    `TlsError.CapabilityError` for one that no backend here can honour.
    """

    @overload
    def __init__(
        self,
        config: TlsConfig,
        /,
        *,
        names: Mapping[str, Identity | TlsConfig] | None = None,
        resolver: IdentityResolver | None = None,
        hello_timeout: float | None = HELLO_TIMEOUT,
    ) -> None: ...

    @overload
    def __init__(
        self,
        certificate: Certificate | Sequence[Certificate],
        key: PrivateKey,
        /,
        *,
        names: Mapping[str, Identity | TlsConfig] | None = None,
        resolver: IdentityResolver | None = None,
        hello_timeout: float | None = HELLO_TIMEOUT,
    ) -> None: ...

    def __init__(
        self,
        config: TlsConfig | Certificate | Sequence[Certificate],
        key: PrivateKey | None = None,
        /,
        *,
        names: Mapping[str, Identity | TlsConfig] | None = None,
        resolver: IdentityResolver | None = None,
        hello_timeout: float | None = HELLO_TIMEOUT,
    ) -> None:
        made = _settings(config, key)
        if names is not None:
            if resolver is not None:
                raise TlsError.InvalidConfig("resolver", "either names or a resolver, not both")
            from netkit.tls.connection.resolving import ByName

            resolver = ByName(names, made.identity)
        if resolver is not None:
            made = made.replace(resolver=resolver)
        #: The settings of every handshake.
        self.config = made
        self.hello_timeout = hello_timeout
        if not made.is_server:
            raise TlsError.InvalidConfig("is_server", "these are a client's settings: use TlsConnector")
        if made.resolver is None:
            prepare(made)
        else:  # the identity comes later; what the backend refuses is known now
            backend_for(made.replace(resolver=None))

    def accept_flow(self, inner: ByteStream) -> Flow[TlsStream]:
        """Flow: `accept`, for other flows to `yield from`."""
        return (yield from TlsStream.accept_flow(inner, self.config, hello_timeout=self.hello_timeout))

    def accept(
        self,
        inner: ByteStream,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> TlsStream:
        """Make a handshake over `inner`, an accepted stream. `timeout` limits all of it, in seconds.

        The stream's `server_name` is what the client asked for. Raises TlsError (see its variants, and
        `connection.resolving` for those of a hello that is read here), DeadlineExceeded, CancellationError,
        and what the resolver raises. Each of them closes `inner`.
        """
        with phase("in the TLS handshake with a client", "tls"):
            return run(self.accept_flow(inner), deadline=deadline_after(timeout), cancel=cancel)

    async def accept_async(
        self,
        inner: ByteStream,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> TlsStream:
        """Make a handshake over `inner`; arguments and errors as `accept`."""
        with phase("in the TLS handshake with a client", "tls"):
            flow = self.accept_flow(inner)
            return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)

    def __repr__(self) -> str:
        return f"<TlsAcceptor {'by name' if self.config.resolver else 'with one identity'}>"


def _settings(config: TlsConfig | Certificate | Sequence[Certificate], key: PrivateKey | None) -> TlsConfig:
    if not isinstance(config, TlsConfig):
        if key is None:
            raise TlsError.InvalidConfig("identity_key", "a certificate needs its private key")
        return TlsConfig.server().with_identity(config, key)
    if key is not None:
        raise TlsError.InvalidConfig("identity_key", "settings have their key already")
    return config
