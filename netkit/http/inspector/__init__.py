"""Endpoints to test HTTP clients with: those of httpbin, and faults that a server makes on purpose.

    server = HttpServer(Inspector())
    server.run([TcpListener.bind("127.0.0.1:8080")])

    config                the settings and the limits
    endpoint              an endpoint with its documentation, and the paths that lead to it
    table                 all endpoints: from it come the index page, /endpoints.json and docs/http-inspect.md
    call                  one request to an endpoint, and how it is answered
    forms_in, facts       what a request says, as httpbin shows it
    inspector             the handler: finds the endpoint, checks the host, adds CORS
    pages                 the table as a page of HTML, JSON, Markdown

The endpoints themselves are in two packages, in modules by their groups: `endpoints` has those that answer as
they should, `faults` those that do wrong on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.http.inspector.config import InspectorConfig as InspectorConfig
    from netkit.http.inspector.inspector import Inspector as Inspector

__getattr__, __dir__, __all__ = lazy(__name__, {"config": "InspectorConfig", "inspector": "Inspector"})
