"""The objects of an HTTP Archive (HAR 1.2), as `json.dumps` takes them.

The draft's own names and spellings. `netkit.http.har` makes them.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class NamedValue(TypedDict):
    """A header, or a parameter."""

    name: str
    value: str


class HarCookie(NamedValue):
    """A cookie; what a request's Cookie header does not say is left out."""

    path: NotRequired[str]
    domain: NotRequired[str]
    expires: NotRequired[str]
    httpOnly: NotRequired[bool]
    secure: NotRequired[bool]


class Content(TypedDict):
    """A response's body, with its content codings undone."""

    size: int
    mimeType: str
    text: NotRequired[str]
    encoding: NotRequired[str]
    compression: NotRequired[int]
    comment: NotRequired[str]


class PostData(TypedDict):
    """A request's body."""

    mimeType: str
    params: list[NamedValue]
    text: str
    _encoding: NotRequired[str]


class HarRequest(TypedDict):
    """A request."""

    method: str
    url: str
    httpVersion: str
    cookies: list[HarCookie]
    headers: list[NamedValue]
    queryString: list[NamedValue]
    postData: NotRequired[PostData]
    headersSize: int
    bodySize: int


class HarResponse(TypedDict):
    """A response; status 0 where there is none."""

    status: int
    statusText: str
    httpVersion: str
    cookies: list[HarCookie]
    headers: list[NamedValue]
    content: Content
    redirectURL: str
    headersSize: int
    bodySize: int
    _error: NotRequired[str]


class Timings(TypedDict):
    """Milliseconds; -1 where a phase did not happen."""

    blocked: float
    dns: float
    connect: float
    ssl: float
    send: float
    wait: float
    receive: float


class Entry(TypedDict):
    """An exchange."""

    startedDateTime: str
    time: float
    request: HarRequest
    response: HarResponse
    cache: dict[str, str]
    timings: Timings
    serverIPAddress: NotRequired[str]
    connection: NotRequired[str]


class Creator(TypedDict):
    """What made the archive."""

    name: str
    version: str


class Log(TypedDict):
    """All entries."""

    version: str
    creator: Creator
    entries: list[Entry]


class Archive(TypedDict):
    """The whole file."""

    log: Log
