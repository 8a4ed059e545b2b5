"""Several watchers of one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.http.server.exchange import Exchange
    from netkit.http.server.request import ConnectionFacts
    from netkit.http.server.service import Watcher


class Watchers:
    """A Watcher that tells several others, in their order."""

    def __init__(self, watchers: Iterable[Watcher]) -> None:
        self._watchers = tuple(watchers)

    @classmethod
    def joined(cls, watchers: Iterable[Watcher | None]) -> Watcher | None:
        """One watcher in the place of those that there are; None where there is none."""
        present = [watcher for watcher in watchers if watcher is not None]
        return cls(present) if len(present) > 1 else present[0] if present else None

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """A request was answered, or was not."""
        for watcher in self._watchers:
            watcher.exchange(exchange, elapsed, error)

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        """A client broke the rules."""
        for watcher in self._watchers:
            watcher.fault(connection, error)
