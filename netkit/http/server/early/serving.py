"""How a connection of any version of HTTP takes in the octets that came as early data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.server.early.requests import EarlyMarks

if TYPE_CHECKING:
    from netkit.http.connection.events import Events
    from netkit.http.server.request import ConnectionFacts


class EarlyServing:
    """The base of what serves a connection: early data goes to its `_feed` alone, before any later octets.

    A subclass implements `_feed`; while `_early` is not None, it has `_mark` see the events.
    """

    def __init__(self, facts: ConnectionFacts) -> None:
        self.facts = facts
        #: What marks the requests that came as early data, while some of that is left.
        self._early: EarlyMarks | None = None
        #: While the client has not finished its TLS handshake; None where it has.
        self._unconfirmed = facts.unconfirmed

    def _feed(self, data: bytes, *, is_later: bool = True) -> None:
        """Take in octets that came; `is_later`: after the TLS handshake."""
        raise NotImplementedError

    def _confirmed(self) -> None:
        """The client has finished its TLS handshake just now; what came early before is taken in."""

    def _feed_first_early(self) -> None:
        """Take in what had come early when the connection was accepted."""
        early, self.facts.early_data = self.facts.early_data, b""
        if early:
            self._feed_early(early)

    def _feed_early(self, early: bytes) -> None:
        if self._early is None:
            self._early = EarlyMarks()
        self._early.left += len(early)
        self._feed(early, is_later=False)

    def _look_for_early(self) -> bool:
        """Take in what else came early; whether anything did. `_unconfirmed` is None after the last of it."""
        assert self._unconfirmed is not None
        early = self._unconfirmed.take()
        is_over = self._unconfirmed.is_over
        if early:
            self._feed_early(early)
        if is_over:
            self._unconfirmed = None
            self._confirmed()
        return bool(early)

    def _mark(self, events: Events, held: int, *, is_later: bool) -> None:
        """Mark the requests among the events of what was fed; `held` octets of it have told nothing yet."""
        assert self._early is not None
        self._early.fed(events, held, is_later=is_later)
        if not self._early.left:
            self._early = None
