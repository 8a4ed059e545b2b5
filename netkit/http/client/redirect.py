"""Redirects: where a response leads, and what of a request goes along (RFC 9110 section 15.4).

Pure: nothing here is sent. The rule for what goes to another origin (scheme, host or port) is a list of what
may: fields that describe what is wanted. All else that a caller set may be a secret, whatever its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.events import values_of
from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import FieldList
    from netkit.http.url import Url

#: The statuses that redirect, with whether the method stays (RFC 9110 section 15.4.2 to 15.4.9).
_KEEPS_METHOD = {301: False, 302: False, 303: False, 307: True, 308: True}

#: Fields that may go to another origin.
_HARMLESS = frozenset(
    (
        # What a handshake asks for: names and a nonce, by RFC 6455 no secrets.
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"content-encoding",
        b"content-language",
        b"content-type",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"pragma",
        b"range",
        b"te",
        b"user-agent",
    )
)

#: Fields that describe a body: they go when it goes.
_OF_BODY = frozenset(
    (
        b"content-digest",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-location",
        b"content-range",
        b"content-type",
        b"digest",
        b"expect",
        b"last-modified",
        b"repr-digest",
    )
)

#: The longest Location that is looked at, in octets.
MAX_LOCATION = 16_384


class Redirect:
    """Where to go next: the URL, the method, and whether the body goes along."""

    __slots__ = ("keeps_body", "method", "url")

    def __init__(self, url: Url, method: bytes, keeps_body: bool) -> None:
        self.url = url
        self.method = method
        self.keeps_body = keeps_body


def redirect_of(url: Url, method: bytes, status: int, fields: FieldList) -> Redirect | None:
    """Where a response to `method` `url` leads; None if it is no redirect.

    301 and 302 make a GET of a POST, 303 of everything but HEAD; 307 and 308 change nothing. Credentials in
    Location are dropped. Raises HttpError.InvalidResponse for a Location that is no URL of HTTP, or that
    stands there twice.
    """
    keeps = _KEEPS_METHOD.get(status)
    if keeps is None:
        return None
    locations = values_of(fields, b"location")
    if not locations:
        return None  # RFC 9110 section 15.4: without it, the client cannot follow
    if len(set(locations)) > 1:
        raise HttpError.InvalidResponse("a redirect with two Locations")
    target = _target(url, locations[0])
    if not keeps:
        if status == 303 and method != b"HEAD":
            return Redirect(target, b"GET", False)
        if method == b"POST":
            return Redirect(target, b"GET", False)
    return Redirect(target, method, True)


def _target(url: Url, location: bytes) -> Url:
    if len(location) > MAX_LOCATION:
        raise HttpError.InvalidResponse(f"a Location of more than {MAX_LOCATION} octets")
    try:
        text = location.decode("utf-8")
    except UnicodeDecodeError:
        text = location.decode("latin-1")
    try:
        target = url.resolve(text)
    except HttpError.InvalidUri as error:
        raise HttpError.InvalidResponse(f"its Location is not a URL: {error.reason}") from error
    if target.scheme not in ("http", "https"):
        raise HttpError.InvalidResponse(f"it redirects to the scheme {target.scheme[:20]!r}, not to HTTP")
    if target.username or target.password:
        target = target.replace(username="", password="")
    if target.fragment is None and url.fragment is not None:
        target = target.replace(fragment=url.fragment)  # RFC 9110 section 10.2.2
    return target


def same_origin(one: Url, other: Url) -> bool:
    """Whether scheme, host and port are the same (RFC 9110 section 4.3.1)."""
    return (one.scheme, one.host, one.effective_port) == (other.scheme, other.host, other.effective_port)


def fields_for_other_origin(fields: Sequence[tuple[bytes, bytes]]) -> FieldList:
    """What of the caller's fields may go to another origin."""
    return [field for field in fields if field[0].lower() in _HARMLESS]


def fields_without_body(fields: Sequence[tuple[bytes, bytes]]) -> FieldList:
    """The caller's fields, when the body does not go along."""
    return [field for field in fields if field[0].lower() not in _OF_BODY]
