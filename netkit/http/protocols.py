"""The interfaces of a client, which makes requests, and of a handler, which answers them; sync and async.

A test can replace a client by a handler. A proxy is a handler that uses a client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from netkit.http.message import Request, Response
    from netkit.io.token import CancellationToken


@runtime_checkable
class HttpClient(Protocol):
    """Requests go out, blocking."""

    def request(
        self, req: Request, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Response:
        """Send `req` and return the response, body and all; `timeout` in seconds.

        Raises HttpError for whatever kept it from one; a response of status 400 and over is a response.
        """


@runtime_checkable
class AsyncHttpClient(Protocol):
    """Requests go out, awaited."""

    async def request_async(
        self, req: Request, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Response:
        """Send `req` and return the response, body and all; `timeout` in seconds.

        Raises HttpError for whatever kept it from one; a response of status 400 and over is a response.
        """


@runtime_checkable
class HttpHandler(Protocol):
    """Requests come in, one at a time for each call, blocking."""

    def handle(self, req: Request) -> Response:
        """The response to `req`. An HttpError raised becomes one of status 400 or 500, by its `fault`."""


@runtime_checkable
class AsyncHttpHandler(Protocol):
    """Requests come in, awaited."""

    async def handle_async(self, req: Request) -> Response:
        """The response to `req`. An HttpError raised becomes one of status 400 or 500, by its `fault`."""
