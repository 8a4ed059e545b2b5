"""A connection of HTTP/2, served: many exchanges at a time, each in a flow of its own (RFC 9113)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netkit.http.server.request import ConnectionFacts
    from netkit.http.server.service import Service
    from netkit.io import ByteStream, Flow


class H2Serving:
    """One connection, while it is served."""

    def __init__(self, service: Service, stream: ByteStream, facts: ConnectionFacts) -> None:
        self.service = service
        self.stream = stream
        self.facts = facts

    def run_flow(self) -> Flow[None]:
        """Flow: serve the connection to its end."""
        raise NotImplementedError
