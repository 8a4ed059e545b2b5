"""The rows of `netkit http fetch --json`: the request, what came of it, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypedDict

from netkit.cli.frame.fields import Endpoint, EndpointOrPath
from netkit.cli.payload.tls.rows import TlsRow

if TYPE_CHECKING:
    from collections.abc import Iterable

Text = Annotated[str, "Each octet as the character with its number"]


class HeaderRow(TypedDict):
    """A header or trailer field."""

    name: str
    value: Text


class Requested(TypedDict):
    """--offline: the request that would be sent."""

    event: Literal["request"]
    method: str
    url: str
    headers: Annotated[list[HeaderRow], "As they would be sent, Host first"]
    data_b64: Annotated[str | None, "The body; null without one, and for a file, which is read as it is sent"]
    file: Annotated[str | None, "The file that is the body"]
    size: Annotated[int | None, "Octets of the body; null if that is not known"]


class CurlCommand(TypedDict):
    """--curl: the curl command that sends the same."""

    event: Literal["curl"]
    command: Annotated[str, "For a POSIX shell"]


class Interim(TypedDict):
    """A response before the final one: early hints (103), for example."""

    event: Literal["interim"]
    status: int
    headers: list[HeaderRow]


class Redirected(TypedDict):
    """A redirect that was followed."""

    event: Literal["redirected"]
    url: Annotated[str, "What was asked for"]
    status: int
    location: Annotated[str, "What is asked for next"]


class Responded(TypedDict):
    """The head of the response."""

    event: Literal["response"]
    method: str
    url: Annotated[str, "What was asked for in the end"]
    status: int
    http_version: Annotated[Literal["1.0", "1.1", "2"], "The version that the server speaks"]
    headers: list[HeaderRow]
    peer: Annotated[EndpointOrPath | None, "The address of the connection; with a proxy, the proxy's"]
    local: Annotated[Endpoint | None, "This end"]
    reused: Annotated[bool, "Whether an earlier request used the connection"]
    proxy: Annotated[str | None, "The proxy, without its password"]
    tls: Annotated[TlsRow | None, "The result of the TLS handshake"]


class Received(TypedDict):
    """A piece of the body, its content codings undone."""

    event: Literal["received"]
    data_b64: Annotated[str, "The octets"]


class ServerSent(TypedDict):
    """A server-sent event, of a body that is text/event-stream; with --raw its octets are `received`."""

    event: Literal["server-sent"]
    name: Annotated[str, "The event's type, `message` if the server gave none"]
    data: str
    event_id: Annotated[str, "The last id that the server gave; empty before the first"]
    retry_s: Annotated[float | None, "How long to wait before a reconnect, where this event says so"]


class PhaseRow(TypedDict):
    """A step of the exchange."""

    phase: Annotated[
        Literal["queue", "dns", "connect", "proxy", "tls", "send", "wait", "receive"],
        "wait is from the end of the request to the head of the response",
    ]
    started_s: Annotated[float, "When it began, in seconds since the request was asked for"]
    ended_s: float


class Fetched(TypedDict):
    """It is over; with `error`, it did not end well."""

    event: Literal["fetched"]
    url: Annotated[str, "What was asked for in the end"]
    status: int
    redirects: Annotated[int, "How many were followed"]
    size: Annotated[int, "Octets of the body, its content codings undone"]
    elapsed_s: float
    phases: Annotated[list[PhaseRow], "Of the last request"]
    trailers: Annotated[list[HeaderRow], "Fields after the body"]
    file: Annotated[str | None, "The file that has the body"]
    offset: Annotated[int | None, "Where a file was gone on with; 0 for a new one, null without a file"]
    parallel: Annotated[int | None, "In how many requests at once the file came; null without a file"]
    checksum: Annotated[str | None, "The hash of the body, as in --checksum; null if it was not asked for"]


Row: TypeAlias = Requested | CurlCommand | Interim | Redirected | Responded | Received | ServerSent | Fetched


def header_rows(fields: Iterable[tuple[str, str]]) -> list[HeaderRow]:
    """Fields, as rows."""
    return [{"name": name, "value": value} for name, value in fields]
