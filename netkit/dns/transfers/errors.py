"""The errors of zone transfers.

    DnsError
    └── TransferError
        ├── Refused      the server answered with an error code, at once or in the midst
        ├── Broken       protocol: the messages are not the transfer of a zone
        ├── Incomplete   protocol: the connection ended, or was silent, before the last record
        ├── Untrusted    protocol: a message is not signed as it must be; the cause is a TsigError
        ├── TooLarge     protocol: more than the limit came
        └── Unfit        protocol: a difference is not one of the zone that it was applied to

Every one of them says where it broke: `message` is the number of the message in the transfer, and `record`
the number of the record in that message's answer, both from 1; None where no message, or no record, is it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from typing import Unpack

    from netkit.dns.constants import Rcode
    from netkit.dns.errors import Said
    from netkit.errors import Stage


class TransferError(DnsError):
    """A zone transfer came to nothing. Nothing of what came before it may be used as the zone."""

    stage: Stage = "protocol"

    if TYPE_CHECKING:
        Refused: TypeAlias = "TransferRefused"
        Broken: TypeAlias = "TransferBroken"
        Incomplete: TypeAlias = "TransferIncomplete"
        Untrusted: TypeAlias = "TransferUntrusted"
        TooLarge: TypeAlias = "TransferTooLarge"
        Unfit: TypeAlias = "TransferUnfit"

    def __init__(
        self, reason: str, message: int | None = None, record: int | None = None, **asked: Unpack[Said]
    ) -> None:
        super().__init__(**asked)
        self.reason = reason
        self.message = message
        self.record = record

    @property
    def place(self) -> str:
        """Where it broke, in words: `message 3, record 12`; empty if no message is it."""
        if self.message is None:
            return ""
        return f"message {self.message}" + ("" if self.record is None else f", record {self.record}")

    def __str__(self) -> str:
        place = self.place and f"{self.place}: "
        return f"{self._subject}: {place}{self.reason}{self._from_server}"


class TransferRefused(TransferError):
    """The server answered with the error code `rcode`; `explanations` are its extended errors (RFC 8914).

    In a `message` after the first, it gave up a transfer that it had begun.
    """

    stage = "resolve"

    def __init__(
        self,
        rcode: Rcode,
        explanations: tuple[str, ...] = (),
        message: int | None = None,
        record: int | None = None,
        **asked: Unpack[Said],
    ) -> None:
        why = "".join([f"; {text}" for text in explanations])
        verb = "refuses the transfer" if message in (None, 1) else "gave up the transfer"
        super().__init__(f"the server {verb}: {rcode}{why}", message, record, **asked)
        self.rcode = rcode
        self.explanations = explanations
        if not asked.get("hint"):
            self.hint = _REMEDIES.get(str(rcode))

    @property
    def rcode_name(self) -> str:
        """The response code's mnemonic, such as `"REFUSED"`."""
        return str(self.rcode)

    def __str__(self) -> str:
        if self.message in (None, 1):
            return f"{self._subject}: {self.reason}{self._from_server}"
        return super().__str__()


#: What may help against an error code.
_REMEDIES = {
    "REFUSED": "servers give a zone to few: from which address, with which TSIG key, does this one allow it?",
    "NOTAUTH": "does the server have this zone, by just this name, and does it know the TSIG key?",
    "NOTIMP": "this server does not give zones away in this manner",
    "FORMERR": "this server does not understand the query, or does not give zones over this transport",
}


class TransferBroken(TransferError):
    """What came is not the transfer of a zone: `reason` says what is wrong."""

    @property
    def kind(self) -> str:
        return "InvalidResponse"


class TransferIncomplete(TransferError):
    """The transfer ended before its last record: `message` is the one that did not come, or not whole."""

    fault = "network"
    hint = "nothing of it was used: try again, or ask another server of the zone"

    @property
    def kind(self) -> str:
        return "UnexpectedEof"


class TransferUntrusted(TransferError):
    """A message is not signed as it must be (RFC 8945 section 5.3.1); `__cause__` is the TsigError."""


class TransferTooLarge(TransferError):
    """More came than `limit`, of what `what` names: `"octets"` or `"records"`."""

    def __init__(
        self,
        what: str,
        limit: int,
        message: int | None = None,
        record: int | None = None,
        **asked: Unpack[Said],
    ) -> None:
        super().__init__(f"more than {limit:,} {what} came", message, record, **asked)
        self.what = what
        self.limit = limit

    @property
    def kind(self) -> str:
        return "LimitExceeded"


class TransferUnfit(TransferError):
    """A difference (RFC 1995) cannot be applied to the zone: it is not one from that zone's version."""

    hint = "the copies of the zone have parted: transfer the whole zone (AXFR)"


for _name, _cls in {
    "Refused": TransferRefused,
    "Broken": TransferBroken,
    "Incomplete": TransferIncomplete,
    "Untrusted": TransferUntrusted,
    "TooLarge": TransferTooLarge,
    "Unfit": TransferUnfit,
}.items():
    _cls.__name__ = _name
    _cls.__qualname__ = f"TransferError.{_name}"
    setattr(TransferError, _name, _cls)
