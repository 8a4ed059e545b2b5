"""The errors of TSIG (RFC 8945).

    DnsError
    └── TsigError
        ├── Unsigned       there is no signature where one must be
        ├── UnknownKey     signed with a key (a name and an algorithm) that is not known here: BADKEY
        ├── BadSignature   signed with another secret, or changed on the way: BADSIG
        ├── BadTime        signed too long ago, or the clocks differ: BADTIME, with both times
        ├── ShortMac       the signature is cut shorter than is accepted here: BADTRUNC
        ├── Rejected       the server says that it does not accept the signature of the query
        └── KeyFile        local (ValueError): a mistake in a file of keys, with file, line and column

Except for Rejected and KeyFile, they are about a message that was received; `code` is the error that a server
answers with (RFC 8945 section 5.2). A TSIG record that is malformed, or not the last record, is
DnsError.InvalidResponse, to which a server answers FORMERR.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from typing import Unpack

    from netkit.dns.errors import Said
    from netkit.errors import Stage

#: The number of BADSIG: in EDNS the same number means BADVERS (RFC 6891 section 9).
BADSIG = 16

#: What the errors of a server mean, for its client.
_MEANINGS = {
    BADSIG: "the signature is wrong",
    Rcode.BADKEY: "it does not know the key",
    Rcode.BADTIME: "the query is not of its time",
    Rcode.BADTRUNC: "the MAC is too short",
}
_REMEDIES = {
    BADSIG: "do both sides have the same secret for this key?",
    Rcode.BADKEY: "do both sides know the key by the same name and algorithm?",
    Rcode.BADTIME: "set the clocks of both machines",
    Rcode.BADTRUNC: "sign with the whole MAC",
}


def error_name(code: int) -> str:
    """The mnemonic of an error in a TSIG record: `"BADKEY"`."""
    return "BADSIG" if code == BADSIG else str(Rcode(code)) if code <= 0xFFF else f"RCODE{code}"


class TsigError(DnsError):
    """A signature is missing, wrong or refused. `key` is the name of the key, as text."""

    stage: Stage = "protocol"
    #: The error that a server answers with, as a number.
    code: ClassVar[int] = BADSIG

    if TYPE_CHECKING:
        Unsigned: TypeAlias = "TsigUnsigned"
        UnknownKey: TypeAlias = "TsigUnknownKey"
        BadSignature: TypeAlias = "TsigBadSignature"
        BadTime: TypeAlias = "TsigBadTime"
        ShortMac: TypeAlias = "TsigShortMac"
        Rejected: TypeAlias = "TsigRejected"
        KeyFile: TypeAlias = "TsigKeyFileError"

    def __init__(self, key: str, **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.key = key

    def __str__(self) -> str:
        return f"{self._subject}: {self._reason}{self._from_server}"

    @property
    def _reason(self) -> str:
        return f"TSIG with the key {self.key} failed"


class TsigUnsigned(TsigError):
    """A message without a signature, where one with `key` must be."""

    hint = "does the server know the key? the signed answer may also have been taken away on the way"

    @property
    def _reason(self) -> str:
        return f"the answer is not signed with {self.key}"


class TsigUnknownKey(TsigError):
    """A message is signed with `key` and `algorithm`, which are not known here together."""

    code = int(Rcode.BADKEY)

    def __init__(self, key: str, algorithm: str, **asked: Unpack[Said]) -> None:
        super().__init__(key, **asked)
        self.algorithm = algorithm

    @property
    def _reason(self) -> str:
        return f"signed with an unknown key: {self.key} ({self.algorithm})"


class TsigBadSignature(TsigError):
    """The signature is not that of the message: another secret, or the message was changed on the way."""

    hint = _REMEDIES[BADSIG]

    @property
    def _reason(self) -> str:
        return f"the signature with {self.key} is wrong"


class TsigBadTime(TsigError):
    """A message was signed at `signed_at`, which is more than `fudge` seconds from `now`.

    Times are in seconds since 1970; `now` is the time of whoever found it so.
    """

    hint = _REMEDIES[Rcode.BADTIME]
    code = int(Rcode.BADTIME)

    def __init__(self, key: str, signed_at: int, now: int, fudge: int, **asked: Unpack[Said]) -> None:
        super().__init__(key, **asked)
        self.signed_at = signed_at
        self.now = now
        self.fudge = fudge

    @property
    def skew(self) -> int:
        """How many seconds the time of the signature is ahead of `now`; negative if it is behind."""
        return self.signed_at - self.now

    @property
    def _reason(self) -> str:
        return (
            f"signed with {self.key} at {moment(self.signed_at)}, {apart(self.skew)} of this clock "
            f"({moment(self.now)}), where {self.fudge} s are allowed"
        )


class TsigShortMac(TsigError):
    """The MAC has `size` octets, where `limit` are the least that is accepted."""

    code = int(Rcode.BADTRUNC)

    def __init__(self, key: str, size: int, limit: int, **asked: Unpack[Said]) -> None:
        super().__init__(key, **asked)
        self.size = size
        self.limit = limit

    @property
    def _reason(self) -> str:
        return f"the MAC with {self.key} is cut to {self.size} octets, where at least {self.limit} are wanted"


class TsigRejected(TsigError):
    """The server refused the query for its signature: `error` is the number of BADSIG, BADKEY, ...

    `is_verified` says that this answer is itself signed with the key, so that nobody forged it. Of BADTIME,
    `signed_at` is the query's time and `server_time` the server's, in seconds since 1970, if it said so.
    """

    stage = "resolve"

    def __init__(
        self,
        key: str,
        error: int,
        is_verified: bool = False,
        signed_at: int | None = None,
        server_time: int | None = None,
        **asked: Unpack[Said],
    ) -> None:
        super().__init__(key, **asked)
        self.error = error
        self.is_verified = is_verified
        self.signed_at = signed_at
        self.server_time = server_time
        if not asked.get("hint"):
            self.hint = _REMEDIES.get(error)

    @property
    def error_name(self) -> str:
        """The mnemonic of the error: `"BADKEY"`."""
        return error_name(self.error)

    @property
    def _reason(self) -> str:
        reason = f"the server refuses the signature with {self.key}: {self.error_name}"
        if self.signed_at is not None and self.server_time is not None:
            skew = self.signed_at - self.server_time
            return (
                f"{reason}: the query was signed at {moment(self.signed_at)}, {apart(skew)} of the server's "
                f"clock ({moment(self.server_time)})"
            )
        meaning = _MEANINGS.get(self.error)
        return f"{reason} ({meaning})" if meaning else reason


class TsigKeyFileError(TsigError, ValueError):
    """A mistake in a file of keys: `file`, `line` and `column` (from 1), and `reason`."""

    fault = "local"
    stage = "local"

    def __init__(self, file: str, line: int, column: int, reason: str, **asked: Unpack[Said]) -> None:
        super().__init__("", **asked)
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.reason}"


def moment(seconds: int) -> str:
    """A time in seconds since 1970 as RFC 3339 has it; a number where there is no such date."""
    from datetime import datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def apart(skew: int) -> str:
    """In words how far a time is from another."""
    return f"{abs(skew)} s {'ahead' if skew > 0 else 'behind'}"


for _name, _cls in {
    "Unsigned": TsigUnsigned,
    "UnknownKey": TsigUnknownKey,
    "BadSignature": TsigBadSignature,
    "BadTime": TsigBadTime,
    "ShortMac": TsigShortMac,
    "Rejected": TsigRejected,
    "KeyFile": TsigKeyFileError,
}.items():
    _cls.__name__ = _name
    _cls.__qualname__ = f"TsigError.{_name}"
    setattr(TsigError, _name, _cls)
