"""`Negotiation`: one dialogue from its first byte to the go-ahead, fed with bytes.

No socket, no clock: `feed` what the server sent, send what `outgoing` gives, until there is a `report`. The
rule that counts most is kept here, for every protocol at once: when the dialogue is over, no byte may be
left. A byte in the clear behind the go-ahead would be read as the first one under TLS (CVE-2011-0411).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.tls.starttls.dialogues import DIALOGUES
from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.recognise import other_than
from netkit.tls.starttls.wire import Caller, StartTlsReport, Wire, shown

if TYPE_CHECKING:
    from netkit.tls.starttls.names import StartTlsProtocol

#: How much of what came too early an error shows, in bytes.
_SHOWN = 80


class Negotiation:
    """Asks a server of one protocol for TLS."""

    __slots__ = ("_talk", "_wire", "report")

    def __init__(self, protocol: StartTlsProtocol, caller: Caller) -> None:
        """Raises `StartTlsError.InvalidName` for a name that the dialogue cannot carry, UnknownProtocol."""
        dialogue = DIALOGUES.get(protocol.name)
        if dialogue is None:  # one of the caller's own making
            raise StartTlsError.UnknownProtocol(protocol.name, tuple(DIALOGUES))
        self._wire = Wire(protocol)
        self._talk = dialogue(self._wire, caller)
        self.report: StartTlsReport | None = None
        """What was learned; None until TLS can begin."""
        self._step()

    def outgoing(self) -> bytes:
        """Take what is to be sent now."""
        return self._wire.outgoing()

    def feed(self, data: bytes | memoryview) -> None:
        """The server sent `data`. Raises StartTlsError, after which the negotiation is over."""
        self._wire.put(data)
        if self.report is None:
            self._step()
        elif data:
            raise self._too_early()

    def end(self) -> StartTlsError:
        """The error for a server that ends the connection now."""
        return self._wire.ended()

    @property
    def doubt(self) -> str | None:
        """For a server that says no more: what may be the matter, by what it has said so far."""
        protocol = self._wire.protocol
        if self._wire.is_silent:
            if protocol.tls_port is None:
                return f"it said nothing: is this a {protocol.title} server?"
            return (
                f"it said nothing: a port that speaks TLS directly, as {protocol.tls_port} does, "
                "waits for the client"
            )
        found = other_than(protocol.title, self._wire.rest)
        return None if found is None else f"what it sent looks like {found}"

    def _step(self) -> None:
        try:
            next(self._talk)
        except StopIteration as stop:
            if self._wire.rest:
                raise self._too_early() from None
            self.report = stop.value

    def _too_early(self) -> StartTlsError:
        rest = self._wire.rest
        return StartTlsError.DataBeforeTls(self._wire.title, shown(rest[:_SHOWN]), len(rest))
