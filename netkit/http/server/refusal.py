"""Which status answers a request that went wrong, and the fields that every response has.

RFC 9110 section 15.5 and 15.6 (statuses), RFC 6585 section 5 (431).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.errors import ConnectionFault, IncompleteMessage
from netkit.http.errors import HttpError
from netkit.http.parse_errors import ParseError
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


def status_of(error: Exception) -> int:
    """The status for a request that failed with `error`: of the parser, of the connection, of a handler.

    >>> status_of(HttpError.BodyTooLarge(limit=10))
    413
    >>> status_of(KeyError("x"))
    500
    """
    if isinstance(error, ParseError.RequestLineTooLong):
        return 414
    if isinstance(error, (ParseError.HeaderTooLong, ParseError.TooManyHeaders)):
        return 431
    if isinstance(error, ParseError.UnsupportedVersion):
        return 505
    if isinstance(error, ParseError.UnknownMethod):
        return 501
    if isinstance(error, ParseError):
        return 400
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
