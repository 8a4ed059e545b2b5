"""Errors of the layers below, as the errors of HTTP that a client raises.

The original is the `__cause__`, with its attempts, its alert, its server. `stage`, `kind` and `hint` stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.http.client.facts import DOING
from netkit.http.connection.errors import ConnectionFault
from netkit.http.errors import HttpError
from netkit.io import ClosedError, DeadlineExceeded
from netkit.net.errors import ResolveError

if TYPE_CHECKING:
    from netkit.http.client.facts import Phase


def as_http_error(error: Exception, phase: Phase) -> Exception:
    """The error of HTTP for `error`, which it has as its cause; `error` itself if it is one, or nobody's.

    `phase` is what was being done.
    """
    if isinstance(error, HttpError):
        return error
    made = _made(error, phase)
    if made is None:
        return error
    if isinstance(error, NetkitError):
        made.fault = error.fault
        made.hint = made.hint or error.hint
        made.remedy = error.remedy
    made.__cause__ = error
    return made


def _made(error: Exception, phase: Phase) -> HttpError | None:
    if isinstance(error, DeadlineExceeded):
        return HttpError.Timeout(None, error.doing or DOING[phase])
    errno = error.errno if isinstance(error, OSError) else None
    if _broke_below_tls(error) and phase in ("send", "wait", "receive"):
        return HttpError.ConnectionError(f"the connection broke while {DOING[phase]}: {error}", errno=errno)
    if isinstance(error, NetkitError) and error.stage == "tls":
        return HttpError.TlsError(str(error), errno=errno)
    if isinstance(error, NetkitError) and error.layer == "proxy":
        # Between the client and the server: there is no connection, whatever the proxy said.
        return HttpError.ConnectionError(str(error), errno=errno)
    if not isinstance(error, OSError):
        return None
    stage = error.stage if isinstance(error, NetkitError) else "connect"
    if isinstance(error, TimeoutError) and isinstance(error, NetkitError):
        return HttpError.Timeout(None, DOING[phase])
    if isinstance(error, ResolveError):
        return HttpError.DnsResolution(error.reason, error.host, errno=error.errno)
    if stage == "resolve":
        return HttpError.DnsResolution(str(error), None, errno=error.errno)
    if isinstance(error, ClosedError):
        return HttpError.ConnectionError("the connection was closed meanwhile")
    if isinstance(error, NetkitError):
        return HttpError.ConnectionError(str(error), errno=error.errno)
    return HttpError.ConnectionError(
        f"the connection broke while {DOING[phase]}: {error.strerror or error}", errno=error.errno
    )


def is_of_connection(error: Exception) -> bool:
    """Whether the connection failed, and not what was said on it: the request may then go over another."""
    if isinstance(error, TimeoutError):
        return False
    if isinstance(error, HttpError.ConnectionError):
        return True
    if isinstance(error, ConnectionFault):
        return error.by_peer  # a stream that the server refused, a connection that it ended
    return isinstance(error, OSError) and (not isinstance(error, NetkitError) or _broke_below_tls(error))


def _broke_below_tls(error: Exception) -> bool:
    """Whether TLS only tells that the connection under it ended or broke (with or without a number)."""
    return isinstance(error, NetkitError) and isinstance(error, OSError) and error.layer == "tls"
