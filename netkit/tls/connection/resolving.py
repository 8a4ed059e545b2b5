"""What a server shows, chosen by the ClientHello: the hello is read here, before there is a session.

`TlsConfig.resolver` says what to show: a function, a flow that waits, or a coroutine in an event loop. It
needs no backend, and works alike for all of them: the hello stays in the stream's buffer, and the session
that is made afterwards reads it as if nobody had. A second hello, which a HelloRetryRequest asks for, is the
session's. No code of the caller's runs inside a session.

A name that the resolver refuses is answered with the alert unrecognized_name (RFC 6066 section 3) before
anything else is sent; what is wrong with a hello, with the alert that RFC 8446 section 6.2 has for it.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Mapping
from functools import lru_cache
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from netkit.io import ByteStream, ClosedError, Event, Flow, before, deadline_after
from netkit.tls.backend import ClientHelloInfo
from netkit.tls.backends import prepare
from netkit.tls.backends.outside import settings_outside
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.hello.codes import without_grease
from netkit.tls.hello.errors import HelloError, UnrecognizedName
from netkit.tls.hello.extensions.base import (
    Malformed,
)
from netkit.tls.hello.extensions.certificates import (
    SignatureAlgorithms,
)
from netkit.tls.hello.extensions.keys import (
    SupportedGroups,
    SupportedVersions,
)
from netkit.tls.hello.extensions.names import (
    Alpn,
    ServerName,
)
from netkit.tls.hello.reader import HELLO_LIMIT, HelloReader
from netkit.tls.hello.records import Alert
from netkit.tls.identity import Identity
from netkit.tls.verifying.hostname import dns_reference

if TYPE_CHECKING:
    from netkit.tls.backend import IdentityResolver, PreparedConfig, Resolved
    from netkit.tls.backends.outside import Outside
    from netkit.tls.hello.client_hello import ClientHello

#: How many settings are kept ready: each name has its own. One takes about 20 KiB, and a millisecond to make.
#: A backend keeps some itself, but fewer: those of a program, which has no more than a few configurations.
KEPT: Final = 1024

_INTERNAL_ERROR: Final = 80
_UNRECOGNIZED_NAME: Final = 112

#: The versions of TLS that a record can be of; a client's own may be from the future.
_OLDEST, _NEWEST = 0x0301, 0x0303

#: The extensions that a resolver is told of. It is not asked about a hello in which one of them is malformed.
_TOLD: Final = frozenset(
    kind.type for kind in (ServerName, Alpn, SupportedGroups, SupportedVersions, SignatureAlgorithms)
)


class ByName:
    """A resolver that looks the client's name up: `ByName({"a.example": identity, "*.b.example": config})`.

    A name is compared as RFC 9525 section 6.3 says for certificates: in A-labels, case does not matter, and
    `*` is the whole leftmost label and stands for exactly one. An exact name goes before a wildcard.
    `default` is for every other name, and for a client that sends none; None refuses these clients.

    Raises `TlsError.InvalidConfig` for a key that is neither a host name nor such a wildcard.
    """

    def __init__(
        self, names: Mapping[str, Identity | TlsConfig], default: Identity | TlsConfig | None = None
    ) -> None:
        self._exact: dict[str, Identity | TlsConfig] = {}
        self._below: dict[str, Identity | TlsConfig] = {}
        self._default = default
        for name, shown in names.items():
            wild, parent = name.startswith("*."), name.removeprefix("*.")
            try:
                reference = dns_reference(parent)
            except ValueError as error:
                raise TlsError.InvalidConfig("resolver", str(error)) from None
            if wild and "." not in reference:
                problem = f"{name!r}: at least two labels follow the wildcard"
                raise TlsError.InvalidConfig("resolver", problem)
            (self._below if wild else self._exact)[reference] = shown

    def __call__(self, hello: ClientHelloInfo) -> Identity | TlsConfig | None:
        name = hello.server_name
        if name is None:
            return self._default
        shown = self._exact.get(name)
        if shown is None:
            shown = self._below.get(name.partition(".")[2])
        return self._default if shown is None else shown


class Chosen(NamedTuple):
    """What the resolver chose: the settings for the session, and the name that the client asked for."""

    prepared: PreparedConfig
    server_name: str | None


def choose_flow(
    inner: ByteStream,
    config: TlsConfig,
    *,
    hello_timeout: float | None,
    hello_limit: int = HELLO_LIMIT,
) -> Flow[Chosen]:
    """Flow: look at the ClientHello that comes over `inner`, and ask the resolver of `config`.

    The hello has to be there within `hello_timeout` seconds, and may have `hello_limit` octets. Raises
    DeadlineExceeded, TlsError (`HandshakeFailed` for a malformed hello, `NotTls` for another protocol,
    `Truncated` if the client leaves, `UnrecognizedName` if the resolver has nothing for the name), and what
    the resolver raises. Each of them closes `inner`, after an alert if there is one for it.
    """
    try:
        reading = _wanted(inner, hello_limit)
        hello = yield from before(deadline_after(hello_timeout), reading, "waiting for the ClientHello")
    except HelloError as error:
        _refuse(inner, error.alert)
        raise
    except OSError as error:
        inner.close()
        if isinstance(error, (TlsError, ClosedError, TimeoutError)):
            raise
        reason = f"the connection failed before the ClientHello: {error.strerror or error}"
        raise TlsError.IoError(reason, error.errno) from error
    except BaseException:
        inner.close()
        raise
    version = min(max(hello.legacy_version, _OLDEST), _NEWEST)
    info = hello_info(hello)
    try:
        chosen = yield from _answer(info, config)
    except Exception:
        _refuse(inner, _INTERNAL_ERROR, version)
        raise
    except BaseException:
        inner.close()
        raise
    if chosen is None:
        _refuse(inner, _UNRECOGNIZED_NAME, version)
        raise UnrecognizedName(info.server_name)
    return Chosen(chosen, info.server_name)


def hello_info(hello: ClientHello) -> ClientHelloInfo:
    """What a resolver is told of a hello. What RFC 8701 reserves for nonsense is left out."""
    return ClientHelloInfo(
        server_name=_name_in(hello),
        alpn=hello.alpn,
        versions=without_grease(hello.versions),
        cipher_suites=without_grease(hello.cipher_suites),
        groups=without_grease(hello.groups),
        signature_schemes=without_grease(hello.signature_schemes),
    )


def sent_name(received: bytes) -> str | None:
    """The name that the client asks for, by the ClientHello at the beginning of `received`; None without."""
    try:
        hello = HelloReader(lenient=True).feed(received)
    except TlsError:
        return None
    return None if hello is None else _name_in(hello)


def _name_in(hello: ClientHello) -> str | None:
    name = hello.server_name
    return None if name is None else name.lower().removesuffix(".")


def hello_flow(stream: ByteStream, *, limit: int = HELLO_LIMIT) -> Flow[ClientHello]:
    """Flow: look at the ClientHello that comes. Its octets stay in the stream's buffer, for a session.

    An extension that is malformed is `Malformed` in it (see `ClientHello.faults`). Raises as `HelloReader`,
    and `TlsError.Truncated` if the client leaves before the hello is whole.
    """
    reader = HelloReader(limit=limit, lenient=True)
    seen = 0
    while (yield from stream.fill(seen + 1)):
        with stream.peek() as view:
            hello = reader.feed(view[seen:])
            seen = len(view)
        if hello is not None:
            return hello
    raise reader.end()


def _wanted(stream: ByteStream, limit: int) -> Flow[ClientHello]:
    """Flow: the hello, if what a resolver is told of it can be read. The session judges the rest."""
    hello = yield from hello_flow(stream, limit=limit)
    malformed = [each for each in hello.extensions if isinstance(each, Malformed)]
    of_the_session = [each.error for each in malformed if each.type not in _TOLD]
    for fault in hello.faults:
        if fault not in of_the_session:
            raise fault
    return hello


def _answer(info: ClientHelloInfo, config: TlsConfig) -> Flow[PreparedConfig | None]:
    """Flow: the settings that the resolver wants; None if it refuses. Raises what it raises."""
    resolver = cast("IdentityResolver", config.resolver)
    answer: object = resolver(info)
    if isinstance(answer, Generator):
        answer = yield from cast("Flow[Resolved]", answer)
    elif iscoroutine(answer):
        answer = yield from _awaited(answer)
    if answer is None:
        return None
    if isinstance(answer, Identity):
        chosen = _showing(config, answer)
    elif not isinstance(answer, TlsConfig):
        problem = f"it gave {type(answer).__name__}, and not an Identity, a TlsConfig or None"
        raise TlsError.InvalidConfig("resolver", problem)
    elif answer.is_server and answer.resolver is None:
        chosen = answer
    else:
        problem = "it gave another resolver" if answer.is_server else "it gave a client's settings"
        raise TlsError.InvalidConfig("resolver", problem)
    return _prepared(chosen, settings_outside(chosen))


def _awaited(coroutine: Coroutine[Any, Any, object]) -> Flow[object]:
    """Flow: the result of a coroutine, which runs in the event loop that drives the flow."""
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coroutine.close()
        problem = "it is a coroutine, which needs an event loop; without one it has to be a flow"
        raise TlsError.InvalidConfig("resolver", problem) from None
    task = loop.create_task(coroutine)
    ended = Event()
    task.add_done_callback(lambda _: ended.set_soon())
    try:
        yield from ended.wait()
        return task.result()
    finally:
        task.cancel()  # where the flow is interrupted


@lru_cache(KEPT)
def _prepared(config: TlsConfig, _outside: Outside) -> PreparedConfig:
    return prepare(config)


@lru_cache(KEPT)
def _showing(config: TlsConfig, identity: Identity) -> TlsConfig:
    return config.replace(
        resolver=None,
        identity_cert=identity.certificate,
        identity_chain=identity.chain[1:],
        identity_key=identity.key,
    )


def _refuse(inner: ByteStream, description: int, version: int = _NEWEST) -> None:
    """Send an alert, if the socket takes it at once, and close."""
    try:
        inner.try_send(Alert.fatal(description).to_record(version))
    except OSError:
        pass  # the client is gone, and needs no alert
    inner.close()
