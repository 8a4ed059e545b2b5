"""Which status answers a request that went wrong, and the fields that every response has.

RFC 9110 section 15.5 and 15.6 (statuses), RFC 6585 section 5 (431).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.errors import ConnectionFault, IncompleteMessage
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from netkit.http.server.response import text_response
from netkit.http.types import StatusCode

if TYPE_CHECKING:
    from netkit.http.message import Response

#: What is wrong with a request, where a handler says so or a connection does.
_REFUSED = (
    HttpError.InvalidRequest,
    HttpError.InvalidUri,
    HttpError.InvalidValue,
    ConnectionFault,
    IncompleteMessage,
)


def status_of(error: Exception, *, received: bool = True) -> int:
    """The status for a request that failed with `error`: of the parser, of the connection, of a handler.

    `received`: reading the request raised it. Otherwise a handler did, and what its own work runs into, such
    as the response of another server, is no fault of the client's.

    >>> status_of(HttpError.BodyTooLarge(limit=10))
    413
    >>> status_of(KeyError("x"))
    500
    >>> status_of(HttpError.Timeout(1.0, "waiting for another server", fault="peer"), received=False)
    500
    """
    if not received:
        if isinstance(error, HttpError.InvalidRequest) and error.fault in ("peer", "caller"):
            return 400  # the handler says so
        if isinstance(error, (HttpError.InvalidUri, HttpError.InvalidValue)) and error.fault == "peer":
            return 400
        if isinstance(error, HttpError.BodyEncoding) and error.fault == "peer":
            return 415
        return 500
    if isinstance(error, ParseError):
        return error.status
    if isinstance(error, HttpError.BodyTooLarge):
        return 413
    if isinstance(error, HttpError.Timeout) and error.fault == "peer":
        return 408
    if isinstance(error, HttpError.Timeout) and error.fault == "local":
        return 503
    if isinstance(error, HttpError.BodyEncoding):
        return 415
    if isinstance(error, _REFUSED) and error.fault in ("peer", "caller"):
        return 400
    return 500


def refusal(status: int) -> Response:
    """A short response that says no more than its status: what went wrong is for the log of the server."""
    return text_response(status, f"{status} {StatusCode(status).reason_phrase}")
