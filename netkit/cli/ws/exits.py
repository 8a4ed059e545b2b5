"""How a WebSocket ended, as an exit code and as an error for people and scripts.

1000, 1001, none (1005)    0    it was closed as it should
another code of the peer   1    the application says no
no Close frame (1006)      4    the connection was lost
a rule that was broken     6    netkit closed with 1002, 1003, 1007, 1008, 1009 or 1010
a refused handshake        1    the server answers something else than yes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.exits import Exit, Failure, explain
from netkit.websocket.connection import NORMAL_CODES
from netkit.websocket.errors import WebSocketError

if TYPE_CHECKING:
    from netkit.cli.frame.command import Run
    from netkit.websocket import ClientWebSocket

#: Codes after which it may be worth to connect again: the server goes away, restarts, or is overloaded.
TRANSIENT = frozenset((1001, 1006, 1011, 1012, 1013, 1014))


def code_words(code: int) -> str:
    """`1011 (internal error)`, for codes that have a name."""
    from netkit.websocket.close import CloseCode

    try:
        return f"{code} ({CloseCode(code).name.lower().replace('_', ' ')})"
    except ValueError:
        return str(code)


def failure_of(error: BaseException, run: Run[object]) -> Failure | None:
    """What `error`, with which a connection ended, means; None where it ended well."""
    if isinstance(error, WebSocketError.ConnectionClosed):
        if error.code in NORMAL_CODES:
            return None
        cause = error.__cause__
        if error.code == 1006 and cause is not None and not isinstance(cause, EOFError):
            found = run.explain(cause)
            if found.exit is Exit.TIMEOUT:
                return found
            words = f"the connection was lost (1006): {found.message}"
            return found._replace(exit=Exit.NO_CONNECTION, stage="connect", message=words)
        if error.code == 1006:
            words = "the server ended the connection without a Close frame (1006)"
            return Failure(Exit.NO_CONNECTION, "ws", "connect", "ConnectionClosed", words, None, error)
        words = f"the server closed with {code_words(error.code)}"
        words += f": {error.reason}" if error.reason else ""
        return Failure(Exit.NO, "ws", "protocol", "ConnectionClosed", words, None, error)
    if isinstance(error, WebSocketError.HandshakeRefused):
        return run.explain(error)._replace(exit=Exit.NO)
    found = run.explain(error)
    if isinstance(error, WebSocketError.LimitExceeded) and error.setting in ("max_frame", "max_message"):
        return found._replace(hint=f"--max-message allows more than {error.limit} octets")
    return found


def is_transient(error: BaseException) -> bool:
    """Whether the same may work a moment later."""
    if isinstance(error, WebSocketError.ConnectionClosed):
        return error.code in TRANSIENT
    if isinstance(error, WebSocketError.HandshakeRefused):
        return error.status == 429 or error.status >= 500
    found = explain(error)
    return found.exit in (Exit.NO_CONNECTION, Exit.TIMEOUT, Exit.UNRESOLVED)


def end_of(ws: ClientWebSocket, ended: BaseException | None) -> tuple[int, str]:
    """The code and the words that it ended with."""
    if isinstance(ended, WebSocketError.ConnectionClosed):
        return ended.code, ended.reason
    if isinstance(ended, WebSocketError):
        return ended.close_code, str(ended)
    received = ws.protocol.close_received
    return (1006, "") if received is None else (int(received.code), received.reason)
