"""WebSocket (RFC 6455), with permessage-deflate (RFC 7692), over HTTP/1.1 and HTTP/2 (RFC 8441).

    connect               opens a connection; WebSocketHandler accepts them, in an HttpServer
    WebSocket             an open connection: send, receive, ping, close, blocking and awaited
    WebSocketConfig       its settings

    WebSocketProtocol     one connection without I/O: octets in, events and octets out
    WebSocketLimits       how much a peer may send
    Opcode CloseCode      kinds of frames, reasons to close; CloseReason is what a Close frame says
    Frame encode decode   one frame by itself, for tools that show or make frames
    MessageReader         the receiving half: whole messages out of octets; build_frame is the sending one
    accept_request        a server's answer to an opening handshake; refusal_fields go with a refusal
    request_head check_response     a client's handshake; make_key, accept_key and validate_server_handshake
    DeflateConfig         how messages are compressed; DeflateParameters is what both sides agreed on
    random_mask_key       a new masking key
    apply_mask            masking, which is where the bytes of a connection are touched
    WebSocketError        everything that can be wrong, as variants: WebSocketError.InvalidUtf8

What stands below the blank line opens no socket and reads no clock. A name is loaded, with its module, when
it is first used.

    >>> client, server = WebSocketProtocol.client(random_mask_key), WebSocketProtocol.server()
    >>> client.send("hello")
    >>> server.feed(client.take())
    [(<Opcode.Textual: 1>, 'hello')]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.websocket.client import (
        ClientWebSocket as ClientWebSocket,
        connect as connect,
        connect_async as connect_async,
    )
    from netkit.websocket.close import CloseCode as CloseCode, CloseReason as CloseReason
    from netkit.websocket.config import WebSocketConfig as WebSocketConfig
    from netkit.websocket.connection import WebSocket as WebSocket
    from netkit.websocket.deflate_offer import (
        DeflateConfig as DeflateConfig,
        DeflateParameters as DeflateParameters,
    )
    from netkit.websocket.errors import WebSocketError as WebSocketError
    from netkit.websocket.frame import (
        DecodeResult as DecodeResult,
        Frame as Frame,
        build_frame as build_frame,
        decode as decode,
        encode as encode,
    )
    from netkit.websocket.handshake import (
        Agreement as Agreement,
        accept_key as accept_key,
        accept_request as accept_request,
        check_response as check_response,
        make_key as make_key,
        refusal_fields as refusal_fields,
        request_head as request_head,
        validate_server_handshake as validate_server_handshake,
    )
    from netkit.websocket.limits import WebSocketLimits as WebSocketLimits
    from netkit.websocket.mask_key import random_mask_key as random_mask_key
    from netkit.websocket.masking import apply_mask as apply_mask, apply_mask_in_place as apply_mask_in_place
    from netkit.websocket.opcode import Opcode as Opcode
    from netkit.websocket.protocol import (
        Event as Event,
        State as State,
        WebSocketProtocol as WebSocketProtocol,
    )
    from netkit.websocket.reader import MessageReader as MessageReader
    from netkit.websocket.server import (
        ServerWebSocket as ServerWebSocket,
        WebSocketHandler as WebSocketHandler,
        accept_flow as accept_flow,
    )

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "client": "ClientWebSocket connect connect_async",
        "close": "CloseCode CloseReason",
        "config": "WebSocketConfig",
        "connection": "WebSocket",
        "deflate_offer": "DeflateConfig DeflateParameters",
        "errors": "WebSocketError",
        "frame": "DecodeResult Frame build_frame decode encode",
        "handshake": "Agreement accept_key accept_request check_response make_key refusal_fields "
        "request_head validate_server_handshake",
        "limits": "WebSocketLimits",
        "mask_key": "random_mask_key",
        "masking": "apply_mask apply_mask_in_place",
        "opcode": "Opcode",
        "protocol": "Event State WebSocketProtocol",
        "reader": "MessageReader",
        "server": "ServerWebSocket WebSocketHandler accept_flow",
    },
)
