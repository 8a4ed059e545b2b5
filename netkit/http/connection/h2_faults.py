"""The errors of HTTP/2, made in one place for both of its forms (RFC 9113 sections 5.4 and 7).

The words are the same whichever library found the fault, because what a library says of it is either nothing
(the Rust crate) or about itself (python-hyper). The decision a reader would wonder about: functions, not
classes, because the Rust form calls them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.errors import ConnectionFault, IncompleteMessage, StreamFault, code_name
from netkit.http.connection.events import Broken, Reset
from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from netkit.errors import NetkitError


def reset(
    stream: int,
    kind: str,
    code: int | None = None,
    is_safe: bool = False,
    words: str = "",
    limit_name: str | None = None,
    limit: int | None = None,
    received: int = 0,
    expected: int | None = None,
) -> Reset:
    """The event that one stream failed.

    `kind` is "peer" (RST_STREAM), "goaway" (above the last stream of GOAWAY), "rule" (`words` says which, or
    nothing), "limit", or "end" (of the connection, before that of the message) and "unanswered" (the same,
    before there was a response).
    """
    if kind == "unanswered":
        unanswered = HttpError.ConnectionError("the server closed the connection without an answer")
        return Reset(stream, unanswered, code, is_safe)
    if kind == "end" or code is None:
        return Reset(stream, IncompleteMessage(received, expected), code, is_safe)
    name = code_name(code)
    if kind == "peer":
        words = f"the peer reset the stream: {name}"
    elif kind == "goaway":
        words = f"the peer goes away ({name}) and has not worked on the stream"
    elif kind == "limit":
        words = "the peer went over a limit on the stream"
    else:
        words = words or f"the peer broke a rule of HTTP/2 on the stream: {name}"
    error = StreamFault(
        words, code, stream=stream, limit_name=limit_name, limit=limit, by_peer=kind in ("peer", "goaway")
    )
    return Reset(stream, error, code, is_safe)


def broken(code: int, words: str = "", limit_name: str | None = None, limit: int | None = None) -> Broken:
    """The event that the connection cannot go on."""
    if limit_name is not None:
        words = "the peer went over a limit"
    words = words or f"the peer broke a rule of HTTP/2: {code_name(code)}"
    return Broken(ConnectionFault(words, code, limit_name=limit_name, limit=limit), code)


def invalid_request(reason: str) -> NetkitError:
    """A head that HTTP/2 cannot send."""
    return HttpError.InvalidRequest(reason)


def invalid_value(place: str, reason: str = "has octets that it cannot hold") -> NetkitError:
    """A field or a status that HTTP/2 cannot send."""
    return HttpError.InvalidValue(place, reason)


def no_requests() -> NetkitError:
    """The connection takes no request: it goes away, it is broken, or it has as many as the peer allows."""
    return HttpError.ConnectionError("the connection takes no more requests")
