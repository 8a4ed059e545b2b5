"""Requests that came as early data (0-RTT): where they are told from later ones, how they are marked, and
which of them wait for the end of the handshake.

RFC 8470 section 3 lets a server choose. This one holds every request until the handshake is over, unless
`TlsConfig.half_rtt` allows an answer before: then the client is known to be there, and what came early is no
replay of an earlier connection (the TLS backend takes each session once). With `half_rtt`, requests that are
safe (RFC 9110 section 9.2.1), and those that the handler says itself, are answered at once; others are held
as without. So no method is refused with 425 (Too Early). Every request of which any octet came early is
marked by the field `Early-Data: 1` (section 5.1), as a proxy in front marks what it forwards: so a handler
reads it, and an application behind a gateway gets it.

The octets that came early are fed to the protocol object alone, before any later ones, so that it is known
which requests began with them. Where that is not known, a request counts as early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from netkit.http.connection.events import RequestReceived

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.connection.events import Events, RequestHead

#: Says of a request whose head came as early data whether it is answered before the handshake is over.
AnswersEarly: TypeAlias = "Callable[[RequestHead], bool]"

#: The methods that are safe, and that early data is usually sent with (RFC 9110 section 9.2.1).
SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))

#: The field, and all that it says (RFC 8470 section 5.1).
FIELD: Final = b"early-data"
VALUE: Final = b"1"


@runtime_checkable
class ChoosesEarly(Protocol):
    """A handler that says itself which requests may be answered before the handshake is over."""

    def answers_early(self, head: RequestHead) -> bool:
        """Whether this request may: somebody who has recorded it may have sent it in place of the client."""


def is_safe(head: RequestHead) -> bool:
    """Whether a request changes nothing: by its method, and it asks for no other protocol either."""
    return head.method in SAFE and not any(name.lower() == b"upgrade" for name, _ in head.fields)


def chooser(handler: object) -> AnswersEarly:
    """What chooses for a handler: itself, or `is_safe`."""
    return handler.answers_early if isinstance(handler, ChoosesEarly) else is_safe


class EarlyMarks:
    """Marks the requests of one connection while octets that came early are left: `left` of them."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = 0

    def fed(self, events: Events, held: int, *, is_later: bool = False) -> Events:
        """The events of what was fed, with their requests marked. `held` octets of it have told nothing yet.

        `is_later`: octets were fed that came later. Then all that were early belong to the first request
        that these complete.
        """
        if self.left:
            for event in events:
                if isinstance(event, RequestReceived):
                    mark(event.head)
                    if is_later:
                        break
            if not is_later:
                self.left = min(self.left, held)
            elif events:
                self.left = 0
        return events


def mark(head: RequestHead) -> None:
    """Say in a request's head that it came as early data, unless that is said already."""
    if not any(name.lower() == FIELD for name, _ in head.fields):
        head.fields = [*head.fields, (FIELD, VALUE)]
