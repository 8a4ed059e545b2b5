"""Applications of Python's two standard interfaces, as handlers of the HTTP server.

    AsgiHandler      an ASGI 3 application, in the event loop that drives the server (`HttpServer.run_async`)
    WsgiHandler      a WSGI application (PEP 3333), in threads
    load_app         the application that a text such as `module:app` names
    app_handler      the handler for an application of either kind

    server = HttpServer(app_handler(load_app("shop.main:app")))
    asyncio.run(server.run_async([TcpListener.bind("127.0.0.1:8000")]))

Both are handlers of flows, so they answer over every version of HTTP that the server speaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.http.gateway.asgi import AsgiHandler as AsgiHandler
    from netkit.http.gateway.errors import AppError as AppError, LifespanError as LifespanError
    from netkit.http.gateway.load import app_handler as app_handler, load_app as load_app
    from netkit.http.gateway.wsgi import WsgiHandler as WsgiHandler

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "asgi": "AsgiHandler",
        "errors": "AppError LifespanError",
        "load": "app_handler load_app",
        "wsgi": "WsgiHandler",
    },
)
