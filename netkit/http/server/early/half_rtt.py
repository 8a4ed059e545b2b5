"""A connection whose client has not finished its TLS handshake, and is served already (0.5-RTT).

RFC 8446 section 4.4.4, RFC 8470 section 3: with `TlsConfig.half_rtt` a stream that has early data is handed
out before the client's Finished. Which requests are answered then, and which are held, is decided here; so is
how long the client has for its Finished: as long as for any handshake, whatever it was answered meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.io import BusyError, ClosedError, DeadlineExceeded, Event, race, sleep_until
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.http.connection.events import RequestHead
    from netkit.http.server.early.requests import AnswersEarly
    from netkit.io import Flow
    from netkit.tls.stream import TlsStream


class Unconfirmed:
    """What is to be known of such a connection. `answers` says which requests are answered before the client
    has finished; it has until `until` for that (monotonic, in seconds)."""

    __slots__ = ("_answers", "_tls", "_until")

    def __init__(self, tls: TlsStream, answers: AnswersEarly, until: float) -> None:
        self._tls = tls
        self._answers = answers
        self._until = until

    def holds(self, head: RequestHead) -> bool:
        """Whether this request, all of whose head came early, waits for the end of the handshake."""
        return not self._answers(head)

    def soonest(self, until: float | None) -> float:
        """`until`, or the end of the client's time: whoever waits for octets looks again then, because the
        last look at them may have taken some."""
        return self._until if until is None else min(self._until, until)

    @property
    def is_over(self) -> bool:
        """Whether the handshake is over."""
        return self._tls.is_confirmed

    def look(self) -> bool:
        """Go on with the handshake, without waiting. Returns `is_over`; raises what the stream does."""
        return self._tls.try_confirm()

    def take(self) -> bytes:
        """The octets that came early since the last call."""
        return self._tls.take_early_data()

    def serve_flow(self, serving: Flow[None]) -> Flow[Exception | None]:
        """Flow: run `serving` to its end, or until the client has had its time.

        Returns why the handshake was not ended, None where it was.
        """
        ended = yield from race(serving, self._late_flow())
        return ended.value if ended.index else self._problem()

    def _late_flow(self) -> Flow[Exception | None]:
        """Flow: until the client is too late."""
        yield from sleep_until(self._until)
        if self._tls.is_closed or (problem := self._problem()) is None:
            yield from Event().wait()  # for ever: the serving ends by itself
            return None
        return problem

    def _problem(self) -> Exception | None:
        """Why the handshake is not over; a Finished that came and that nobody has read yet is read."""
        try:
            if self._tls.try_confirm():
                return None
        except BusyError:
            pass  # who waits for it has read all that came
        except ClosedError:
            return TlsError.HandshakeFailed("the connection ended before the client's Finished")
        except (TlsError, OSError) as error:
            return error
        return DeadlineExceeded("TLS handshake")
