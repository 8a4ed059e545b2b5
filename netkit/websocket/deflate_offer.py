"""permessage-deflate, negotiated (RFC 7692 sections 5 and 7.1): what is offered, answered and declined.

Each side compresses with a window of its own size, and keeps that window from message to message or not; so
there are four parameters. The offer of a client asks, the answer of the server settles.

A window of 2**8 octets is a special case: zlib cannot compress with it, though it may be asked to. netkit
agrees to it, and then refers back by one octet only, which any window allows (`netkit.websocket.deflate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from netkit._value import Value, assign
from netkit.websocket.errors import WebSocketError
from netkit.websocket.extensions import FIELD, Extension

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "permessage-deflate"

SERVER_NO_TAKEOVER: Final = "server_no_context_takeover"
CLIENT_NO_TAKEOVER: Final = "client_no_context_takeover"
SERVER_BITS: Final = "server_max_window_bits"
CLIENT_BITS: Final = "client_max_window_bits"

_FLAGS = (SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER)
_BITS = {str(bits): bits for bits in range(8, 16)}  # section 7.1.2: no leading zeros

#: What one parameter says: that it is there (True), or a number of bits.
Settings = dict[str, "int | bool"]


class DeflateConfig(Value):
    """How this side compresses, and what it asks of the other one.

    `window_bits`: the window of this side's compressor is 2**bits octets, 9 to 15. `level` (1 to 9) and
    `mem_level` (1 to 9) are zlib's. A connection with the defaults, 12 and 5, takes about 40 KiB.
    `no_context_takeover`: this side begins each message without what it has sent before; less memory, larger
    messages. `min_size`: messages of fewer octets are sent as they are.
    `peer_window_bits`: the largest window of the other side, 8 to 15; None is 12 for a server that is offered
    the choice, and no demand for a client. `peer_no_context_takeover`: the other side is to forget as well.

    Raises WebSocketError.InvalidValue for a number out of range.
    """

    __slots__ = (
        "level",
        "mem_level",
        "min_size",
        "no_context_takeover",
        "peer_no_context_takeover",
        "peer_window_bits",
        "window_bits",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "window_bits",
        "level",
        "mem_level",
        "no_context_takeover",
        "min_size",
        "peer_window_bits",
        "peer_no_context_takeover",
    )

    window_bits: int
    level: int
    mem_level: int
    no_context_takeover: bool
    min_size: int
    peer_window_bits: int | None
    peer_no_context_takeover: bool

    def __init__(
        self,
        window_bits: int = 12,
        level: int = 6,
        mem_level: int = 5,
        no_context_takeover: bool = False,
        min_size: int = 128,
        peer_window_bits: int | None = None,
        peer_no_context_takeover: bool = False,
    ) -> None:
        ranges = (
            ("window_bits", window_bits, 9, 15),
            ("level", level, 1, 9),
            ("mem_level", mem_level, 1, 9),
            ("min_size", min_size, 0, 1 << 30),
            ("peer_window_bits", 8 if peer_window_bits is None else peer_window_bits, 8, 15),
        )
        for name, value, least, most in ranges:
            if not least <= value <= most:
                raise WebSocketError.InvalidValue(name, f"{value} is not {least} to {most}", most)
        assign(self, "window_bits", window_bits)
        assign(self, "level", level)
        assign(self, "mem_level", mem_level)
        assign(self, "no_context_takeover", no_context_takeover)
        assign(self, "min_size", min_size)
        assign(self, "peer_window_bits", peer_window_bits)
        assign(self, "peer_no_context_takeover", peer_no_context_takeover)


class DeflateParameters(Value):
    """What both sides agreed on (RFC 7692 section 7.1)."""

    __slots__ = (
        "client_max_window_bits",
        "client_no_context_takeover",
        "server_max_window_bits",
        "server_no_context_takeover",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
    )

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int
    client_max_window_bits: int

    def __init__(
        self,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = 15,
        client_max_window_bits: int = 15,
    ) -> None:
        assign(self, "server_no_context_takeover", server_no_context_takeover)
        assign(self, "client_no_context_takeover", client_no_context_takeover)
        assign(self, "server_max_window_bits", server_max_window_bits)
        assign(self, "client_max_window_bits", client_max_window_bits)


def offer(config: DeflateConfig) -> Extension:
    """What a client offers (section 7.1).

    >>> str(offer(DeflateConfig()))
    'permessage-deflate; client_max_window_bits'
    """
    parameters: list[tuple[str, str | None]] = []
    if config.peer_no_context_takeover:
        parameters.append((SERVER_NO_TAKEOVER, None))
    if config.no_context_takeover:
        parameters.append((CLIENT_NO_TAKEOVER, None))
    if config.peer_window_bits is not None and config.peer_window_bits < 15:
        parameters.append((SERVER_BITS, str(config.peer_window_bits)))
    # Without a value: the server may choose, which it must be told (section 7.1.2.2).
    parameters.append((CLIENT_BITS, None))
    return Extension(NAME, parameters)


def answer(offers: Iterable[Extension], config: DeflateConfig) -> tuple[Extension, DeflateParameters] | None:
    """What a server answers to the offers of a client: to the first one that it can take (section 5).

    An offer that breaks a rule is declined, as section 7.1 has it, and the next one is looked at.

    Returns:
        The extension for the response, and what is agreed on; None if no offer is taken.
    """
    for each in offers:
        if each.name == NAME:
            settings = _settings(each, is_offer=True)
            if isinstance(settings, dict):
                return _taken(settings, config)
    return None


def _taken(offered: Settings, config: DeflateConfig) -> tuple[Extension, DeflateParameters]:
    parameters: list[tuple[str, str | None]] = []
    server_forgets = SERVER_NO_TAKEOVER in offered or config.no_context_takeover
    if server_forgets:
        parameters.append((SERVER_NO_TAKEOVER, None))
    client_forgets = CLIENT_NO_TAKEOVER in offered or config.peer_no_context_takeover
    if client_forgets:
        parameters.append((CLIENT_NO_TAKEOVER, None))
    server_bits = client_bits = 15
    if SERVER_BITS in offered:
        server_bits = min(offered[SERVER_BITS], config.window_bits)
        parameters.append((SERVER_BITS, str(server_bits)))
    if CLIENT_BITS in offered:
        # True is 1: no value was offered, and there is no limit on that side.
        most = 15 if offered[CLIENT_BITS] is True else offered[CLIENT_BITS]
        client_bits = min(most, 12 if config.peer_window_bits is None else config.peer_window_bits)
        parameters.append((CLIENT_BITS, str(client_bits)))
    agreed = DeflateParameters(server_forgets, client_forgets, server_bits, client_bits)
    return Extension(NAME, parameters), agreed


def accept(answered: Extension, config: DeflateConfig) -> DeflateParameters:
    """What a client makes of the answer to `offer(config)` (sections 5.1 and 7.1).

    Raises WebSocketError.InvalidHandshake for an answer that the offer does not allow: the connection fails.
    """
    settings = _settings(answered, is_offer=False)
    if isinstance(settings, str):
        raise WebSocketError.InvalidHandshake(FIELD, settings)
    if config.peer_no_context_takeover and SERVER_NO_TAKEOVER not in settings:
        raise WebSocketError.InvalidHandshake(FIELD, f"{SERVER_NO_TAKEOVER} was offered and is not answered")
    server_bits, client_bits = settings.get(SERVER_BITS, 15), settings.get(CLIENT_BITS, 15)
    if config.peer_window_bits is not None and server_bits > config.peer_window_bits:
        raise WebSocketError.InvalidHandshake(
            FIELD, f"{SERVER_BITS} {server_bits} is more than {config.peer_window_bits}, which was offered"
        )
    return DeflateParameters(
        SERVER_NO_TAKEOVER in settings, CLIENT_NO_TAKEOVER in settings, server_bits, client_bits
    )


def _settings(extension: Extension, *, is_offer: bool) -> Settings | str:
    """The parameters by their names; or what is wrong with them."""
    found: Settings = {}
    for name, value in extension.parameters:
        if name in found:
            return f"{name} twice"
        if name in _FLAGS:
            if value is not None:
                return f"{name} with a value"
            found[name] = True
        elif name == CLIENT_BITS and value is None and is_offer:
            found[name] = True
        elif name in (SERVER_BITS, CLIENT_BITS):
            if value not in _BITS:
                return f"{name} is not 8 to 15"
            found[name] = _BITS[value]
        else:
            return "a parameter that permessage-deflate does not have"
    return found
