"""The opening handshake: what is asked, checked and answered (RFC 6455 section 4, RFC 8441 section 5).

Nothing here is sent or received: functions take the fields of a message and return those of the answer. They
serve HTTP/1.1, where a GET asks for an upgrade, and HTTP/2, where an extended CONNECT asks for the protocol
`websocket`. There, the key and its proof do not exist, because such a request cannot be mistaken for another.

The fields Connection, and Upgrade of a request, are written by the connection of `netkit.http.connection`
itself; the functions check them, and do not return them.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import TYPE_CHECKING, ClassVar, Final

from netkit._value import Value, assign
from netkit.http.connection.events import RequestHead
from netkit.http.fields.syntax import TOKEN, lower_ascii
from netkit.http.headers import Headers
from netkit.websocket.deflate_offer import NAME, accept, answer, offer
from netkit.websocket.errors import WebSocketError
from netkit.websocket.extensions import FIELD as EXTENSIONS, parse_extensions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.http.connection.events import FieldList
    from netkit.http.headers import HeadersLike
    from netkit.websocket.deflate_offer import DeflateConfig, DeflateParameters

VERSION: Final = "13"
PROTOCOL: Final = b"websocket"

_KEY: Final = "Sec-WebSocket-Key"
_ACCEPT: Final = "Sec-WebSocket-Accept"
_VERSION: Final = "Sec-WebSocket-Version"
_SUBPROTOCOL: Final = "Sec-WebSocket-Protocol"

#: What the key is hashed with (section 1.3).
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#: Subprotocols in one request that are read.
MAX_SUBPROTOCOLS: Final = 100


class Agreement(Value):
    """What both sides agreed on, and the server's answer.

    `status` and `fields` are the answer that accepts; a client has those that it received. `subprotocol` is
    None where there is none, and `deflate` where messages are not compressed.
    """

    __slots__ = ("deflate", "fields", "status", "subprotocol")
    __match_args__: ClassVar[tuple[str, ...]] = ("status", "fields", "subprotocol", "deflate")

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    subprotocol: str | None
    deflate: DeflateParameters | None

    def __init__(
        self,
        status: int,
        fields: Sequence[tuple[bytes, bytes]] = (),
        subprotocol: str | None = None,
        deflate: DeflateParameters | None = None,
    ) -> None:
        assign(self, "status", status)
        assign(self, "fields", tuple(fields))
        assign(self, "subprotocol", subprotocol)
        assign(self, "deflate", deflate)


def make_key(random_octets: bytes) -> str:
    """The value of Sec-WebSocket-Key (section 4.1), from 16 octets of randomness, new for each connection.

    Raises WebSocketError.InvalidValue for another number of octets.
    """
    if len(random_octets) != 16:
        raise WebSocketError.InvalidValue("key", f"16 octets of randomness, not {len(random_octets)}")
    return binascii.b2a_base64(random_octets, newline=False).decode()


def accept_key(client_key: str | bytes) -> str:
    """The value of Sec-WebSocket-Accept that answers a key (section 4.2.2).

    >>> accept_key("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    key = client_key.encode() if isinstance(client_key, str) else client_key
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


def validate_server_handshake(headers: HeadersLike) -> str | None:
    """The client's key, if the fields of a GET ask for a WebSocket by all rules (section 4.2.1); else None.

    `accept_request` does the same, and says what is wrong.
    """
    try:
        return _checked_upgrade(Headers.frozen_from(headers))
    except WebSocketError:
        return None


# The server


def accept_request(
    head: RequestHead,
    version: tuple[int, int],
    *,
    subprotocols: Sequence[str] = (),
    origins: Sequence[str] | Callable[[str | None], bool] | None = None,
    deflate: DeflateConfig | None = None,
) -> Agreement:
    """What a server answers to a request for a WebSocket (RFC 6455 section 4.2, RFC 8441 section 5).

    Args:
        head: the request, as the connection has it: a GET with Upgrade, or an extended CONNECT.
        version: of HTTP: (1, 1), (2, 0).
        subprotocols: those that the server speaks, the one it likes best first.
        origins: the origins that may connect, as `https://example.com`, or a function that decides. A request
            without Origin, which comes from no browser, is refused by a list, and asked for by None. None
            lets all in.
        deflate: compress messages if the client offers it.

    Returns:
        The answer, and what is agreed on.

    Raises:
        WebSocketError.InvalidHandshake: the request breaks a rule. `status` is the answer's, and
            `refusal_fields` its fields.
    """
    headers = Headers.from_received(head.all_fields())
    fields: FieldList = []
    if version >= (2, 0):
        _check_connect(head, headers)
        status = 200
    else:
        if head.method != b"GET":
            raise WebSocketError.InvalidHandshake("method", "a WebSocket is asked for with GET", 405)
        if version < (1, 1):
            raise WebSocketError.InvalidHandshake("version", "HTTP/1.0 has no Upgrade")
        key = _checked_upgrade(headers)
        status = 101
        fields += [(b"Upgrade", PROTOCOL), (_ACCEPT.encode(), accept_key(key).encode())]
    _check_origin(headers, origins)
    subprotocol = _chosen(_tokens(headers, _SUBPROTOCOL), subprotocols)
    if subprotocol is not None:
        fields.append((_SUBPROTOCOL.encode(), subprotocol.encode()))
    offered = parse_extensions(headers.get_all(EXTENSIONS))
    agreed = None
    taken = None if deflate is None else answer(offered, deflate)
    if taken is not None:
        extension, agreed = taken
        fields.append((EXTENSIONS.encode(), str(extension).encode()))
    return Agreement(status, fields, subprotocol, agreed)


def offered_subprotocols(head: RequestHead) -> list[str]:
    """The subprotocols that a request offers, the one that the client likes best first.

    Raises WebSocketError.InvalidHandshake for what is no list of tokens.
    """
    return _tokens(Headers.from_received(head.all_fields()), _SUBPROTOCOL)


def refusal_fields(error: WebSocketError.InvalidHandshake) -> FieldList:
    """The fields of a server's answer that refuses: with 405 and 426 what would be accepted.

    RFC 6455 section 4.4 (426 has the version), RFC 9110 sections 15.5.6 (405 has Allow) and 15.5.22.
    """
    if error.status == 405:
        return [(b"Allow", b"GET")]
    if error.status == 426:
        return [(b"Upgrade", PROTOCOL), (_VERSION.encode(), VERSION.encode())]
    return []


def _checked_upgrade(headers: Headers) -> str:
    if "websocket" not in _lower_tokens(headers, "Upgrade"):
        raise WebSocketError.InvalidHandshake("Upgrade", "does not ask for websocket", 426)
    if "upgrade" not in _lower_tokens(headers, "Connection"):
        raise WebSocketError.InvalidHandshake("Connection", "does not have upgrade")
    _check_version(headers)
    key = _only(headers, _KEY)
    try:
        octets = binascii.a2b_base64(key, strict_mode=True)
    except (ValueError, binascii.Error):
        octets = b""
    # The last of the 24 characters that encode 16 octets has four bits that are zero.
    if len(octets) != 16 or make_key(octets) != key:
        raise WebSocketError.InvalidHandshake(_KEY, "is not 16 octets in base64")
    # The frames would begin behind it (RFC 9110 section 7.8), or before for who does not think of it: two
    # that read one stream differently are what smuggles requests.
    if headers.get_all("Transfer-Encoding") or any(
        each.strip("0") for each in headers.get_all("Content-Length")
    ):
        raise WebSocketError.InvalidHandshake("body", "a request for a WebSocket has none")
    return key


def _check_connect(head: RequestHead, headers: Headers) -> None:
    """RFC 8441 section 5. That `:scheme`, `:path` and `:authority` are there, the connection has checked."""
    if head.method != b"CONNECT" or head.protocol is None:
        raise WebSocketError.InvalidHandshake("method", "a WebSocket is asked for with an extended CONNECT")
    if head.protocol != PROTOCOL:
        raise WebSocketError.InvalidHandshake(":protocol", "is not websocket", 501)
    _check_version(headers)


def _check_version(headers: Headers) -> None:
    if not headers.get_all(_VERSION):
        raise WebSocketError.InvalidHandshake(_VERSION, "is missing")
    if headers.get_all(_VERSION) != (VERSION,):
        raise WebSocketError.InvalidHandshake(_VERSION, "is not 13", 426)


def _check_origin(headers: Headers, origins: Sequence[str] | Callable[[str | None], bool] | None) -> None:
    if origins is None:
        return
    given = headers.get_all("Origin")
    if len(given) > 1:
        raise WebSocketError.InvalidHandshake("Origin", "is there more than once")
    origin = given[0] if given else None
    if not (origins(origin) if callable(origins) else origin is not None and origin in origins):
        raise WebSocketError.InvalidHandshake("Origin", "may not connect to this server", 403)


def _chosen(offered: Sequence[str], spoken: Sequence[str]) -> str | None:
    return next((each for each in spoken if each in offered), None)


# The client


def request_head(
    target: bytes,
    authority: bytes,
    *,
    scheme: bytes = b"https",
    key: str | None = None,
    subprotocols: Sequence[str] = (),
    origin: str | None = None,
    deflate: DeflateConfig | None = None,
    fields: Sequence[tuple[bytes, bytes]] = (),
) -> RequestHead:
    """A client's request for a WebSocket (RFC 6455 section 4.1, RFC 8441 section 5).

    Args:
        target, authority: what stands in the request line or `:path`, and in Host or `:authority`.
        scheme: `https` for wss, `http` for ws.
        key: from `make_key`, for HTTP/1.1; None makes the request of HTTP/2.
        subprotocols: those that are offered, the one that is liked best first.
        origin: the value of Origin, if there is to be one.
        deflate: offer to compress messages.
        fields: more fields.

    Raises WebSocketError.InvalidValue for a subprotocol that is no token, or is there twice.
    """
    asked: FieldList = [(_VERSION.encode(), VERSION.encode())]
    if key is not None:
        asked.append((_KEY.encode(), key.encode()))
    if origin is not None:
        asked.append((b"Origin", origin.encode()))
    if subprotocols:
        if len(set(subprotocols)) != len(subprotocols) or not all(map(TOKEN.fullmatch, subprotocols)):
            raise WebSocketError.InvalidValue("subprotocols", "must be tokens, each of them once")
        asked.append((_SUBPROTOCOL.encode(), ", ".join(subprotocols).encode()))
    if deflate is not None:
        asked.append((EXTENSIONS.encode(), str(offer(deflate)).encode()))
    method = b"CONNECT" if key is None else b"GET"
    return RequestHead(method, target, authority, scheme, [*asked, *fields], protocol=PROTOCOL)


def check_response(
    status: int,
    fields: Sequence[tuple[bytes, bytes]],
    *,
    key: str | None = None,
    subprotocols: Sequence[str] = (),
    deflate: DeflateConfig | None = None,
) -> Agreement:
    """What a client makes of the answer to `request_head` (RFC 6455 section 4.1, RFC 8441 section 5).

    Args:
        status, fields: the answer's.
        key, subprotocols, deflate: as they were given to `request_head`.

    Raises:
        WebSocketError.HandshakeRefused: the status is another one.
        WebSocketError.InvalidHandshake: the answer accepts, and breaks a rule.
    """
    if status != 101 if key is not None else not 200 <= status < 300:
        raise WebSocketError.HandshakeRefused(status)
    headers = Headers.from_received(fields)
    if key is not None:
        if _lower_tokens(headers, "Upgrade") != ["websocket"]:
            raise WebSocketError.InvalidHandshake("Upgrade", "is not websocket")
        if "upgrade" not in _lower_tokens(headers, "Connection"):
            raise WebSocketError.InvalidHandshake("Connection", "does not have upgrade")
        if _only(headers, _ACCEPT) != accept_key(key):
            raise WebSocketError.InvalidHandshake(_ACCEPT, "is no answer to the key that was sent")
    subprotocol = None
    if headers.get_all(_SUBPROTOCOL):
        subprotocol = _only(headers, _SUBPROTOCOL)
        if subprotocol not in subprotocols:
            raise WebSocketError.InvalidHandshake(_SUBPROTOCOL, "is none of those that were offered")
    agreed = None
    for extension in parse_extensions(headers.get_all(EXTENSIONS)):
        if extension.name != NAME or deflate is None:
            raise WebSocketError.InvalidHandshake(EXTENSIONS, "an extension that was not offered")
        if agreed is not None:
            raise WebSocketError.InvalidHandshake(EXTENSIONS, f"{NAME} more than once")
        agreed = accept(extension, deflate)
    return Agreement(status, fields, subprotocol, agreed)


def _only(headers: Headers, name: str) -> str:
    values = headers.get_all(name)
    if len(values) != 1:
        how = "is there more than once" if values else "is missing"
        raise WebSocketError.InvalidHandshake(name, how)
    return values[0]


def _tokens(headers: Headers, name: str) -> list[str]:
    """The members of a list of tokens. Raises WebSocketError.InvalidHandshake for what is none."""
    values = headers.get_all(name)
    members = [member.strip(" \t") for value in values for member in value.split(",", MAX_SUBPROTOCOLS)]
    found = [member for member in members if member]
    if len(found) > MAX_SUBPROTOCOLS or (values and not found) or not all(map(TOKEN.fullmatch, found)):
        raise WebSocketError.InvalidHandshake(name, f"is no list of at most {MAX_SUBPROTOCOLS} tokens")
    if len(set(found)) != len(found):
        # Section 4.1: "the elements that comprise this value MUST ... all be unique strings".
        raise WebSocketError.InvalidHandshake(name, "a member is there twice")
    return found


def _lower_tokens(headers: Headers, name: str) -> list[str]:
    return [
        lower_ascii(member.strip(" \t")) for value in headers.get_all(name) for member in value.split(",")
    ]
