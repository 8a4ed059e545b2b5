"""The page of a TLS server for tests: what its client and it have agreed on, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from netkit.http.message import Response
from netkit.http.server.config import DEFAULT_CONFIG
from netkit.http.server.h1.flow import H1Serving
from netkit.http.server.handling.handlers import flow_handler
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.service import Service
from netkit.lab.tls_told import negotiated
from netkit.tls.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.message import Request
    from netkit.http.server.request import ServerRequest
    from netkit.io import ByteStream, Event, Flow
    from netkit.lab.tls_server import Handshake
    from netkit.lab.tls_told import Negotiated


class Listed(Protocol):
    """A site that the page names."""

    @property
    def name(self) -> str: ...
    @property
    def reason(self) -> str: ...


class TlsPage:
    """Talks HTTP over connections of a `TlsServer`, and answers every request with the page.

    The page is JSON for a client that accepts it by name, else text.
    """

    def __init__(self, sites: Sequence[Listed] = ()) -> None:
        """`sites` are listed on the page of names that are none of them."""
        self._sites = {site.name: site for site in sites}
        self._known: dict[int, Handshake] = {}
        self._handler = flow_handler(self, DEFAULT_CONFIG)

    def handle(self, request: Request) -> Response:
        """The page."""
        served: ServerRequest = request  # type: ignore[assignment]  # a server's handler gets no other
        handshake = self._known[served.connection.number]
        found = negotiated(handshake)
        if "application/json" in (request.headers.combined("Accept") or ""):
            body = json.dumps(found, indent=2).encode() + b"\n"
            return Response(200, headers={"Content-Type": "application/json"}, body=body)
        text = page_text(found)
        if self._sites and handshake.server_name not in self._sites:
            port = served.authority.rpartition(":")[2]
            at = f":{port}" if port.isdigit() else ""
            text += "\n" + "".join(
                f"https://{each.name}{at}/  {each.reason}\n" for each in self._sites.values()
            )
        return Response(200, headers={"Content-Type": "text/plain; charset=utf-8"}, body=text.encode())

    def talk_flow(self, stream: ByteStream, handshake: Handshake, stop: Event) -> Flow[None]:
        """Flow: serve one connection; it is a `Talk`."""
        service = Service(self._handler, DEFAULT_CONFIG, stop)
        facts = ConnectionFacts(handshake.number, handshake.peer, handshake.local, handshake.tls)
        if handshake.tls is not None:
            facts.early_data = handshake.tls.take_early_data()
        self._known[handshake.number] = handshake
        try:
            if handshake.tls is not None and handshake.tls.alpn_protocol == "h2":
                from netkit.http.server.h2.flow import H2Serving

                yield from H2Serving(service, stream, facts).run_flow()
            else:
                yield from H1Serving(service, stream, facts).run_flow()
        finally:
            del self._known[handshake.number]


def page_text(found: Negotiated) -> str:
    """The page as text: a line for each fact."""
    certificate = found["client_certificate"]
    resumed = found["resumed"]
    rows = {
        "server name": found["server_name"] or "none (the client sent no SNI)",
        "protocol": found["protocol"],
        "cipher suite": found["cipher"],
        "group": found["group"],
        "ALPN": found["alpn"] or "none",
        "resumed": None if resumed is None else "yes" if resumed else "no",
        "early data": "accepted" if found["early_data_accepted"] else None,
        "client certificate": "none"
        if certificate is None
        else f"{certificate['subject'] or 'unreadable'} (SHA-256 {certificate['sha256']})",
    }
    width = max(map(len, rows))
    return "".join(
        f"{name:<{width}}  {printable(value)}\n" for name, value in rows.items() if value is not None
    )
