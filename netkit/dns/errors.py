"""The errors of names, messages, lookups and zone files.

    NetkitError
    └── DnsError
        ├── NotFound          the name does not exist: a server answered NXDOMAIN
        ├── HostNotFound      no address for the host, from any source (what getaddrinfo calls NONAME)
        ├── NoData            the name exists, but has no records of the requested type
        ├── TryAgain          no usable answer now; the same question may succeed later
        ├── NoRecovery        no server will ever answer this question: all say FORMERR or NOTIMP
        ├── AliasLoop         the name is an alias that leads back to itself, or to aliases without end
        ├── Timeout           (TimeoutError) no answer came within the time limit
        ├── ServerError       a server answered with an error code, usually SERVFAIL
        ├── Refused           a server refuses to answer: REFUSED
        ├── Truncated         the answer is incomplete, and netkit could not get all of it
        ├── InvalidResponse   protocol: bytes that are not a DNS message, with field, octet and reason
        ├── InvalidName       usage (ValueError): text that is not a domain name, with the offset
        ├── InvalidValue      usage (ValueError): a value that does not fit in its field
        ├── NetworkError      (OSError) the question could not be sent, or the answer not received
        ├── ZoneFileError     local (ValueError): a mistake in a zone file, with file, line and column
        └── Other             anything else; the message describes it

The stage is `resolve` if the list names none. NotFound is about a name: a DNS server said that the name does
not exist. HostNotFound is about a host: netkit tried the hosts file, the search list and both address types.
If the reason for HostNotFound is NXDOMAIN or missing data, that error is the `__cause__`.

Use `DnsError.X` for every variant; the module-level `DnsX` is the same class, for annotations. Every error
has `name`, `rdtype` and `server`; a field is None if it does not apply to the error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from netkit.errors import NetkitError, Stage, system_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict, Unpack

    from netkit.addr import SocketAddr
    from netkit.dns.constants import DnsRecordType, Rcode
    from netkit.dns.name import Name

    class Asked(TypedDict, total=False):
        """What every error of this layer is about: the question, and the server that was asked."""

        name: Name | str | None
        rdtype: DnsRecordType | None
        server: SocketAddr | str | None

    class Said(Asked, total=False):
        """What every error of this layer takes: the same, and another hint than that of its class."""

        hint: str | None


class DnsError(NetkitError):
    """Base class of all errors of the DNS layer; the variants are its attributes.

    `name` and `rdtype` are the question, `server` is the server that was asked. `negative_ttl` is how many
    seconds a negative answer is valid, or None if the server did not say it (RFC 2308 section 5). `absent` is
    the name that does not exist, at the end of the aliases, where a server said so. `history` is what was
    asked of whom, each a `netkit.dns.policy.steps.Step`, where whoever asked has kept it.
    """

    layer = "dns"
    stage: Stage = "resolve"
    negative_ttl: int | None = None
    absent: Name | None = None
    history: Sequence[object] = ()

    if TYPE_CHECKING:
        NotFound: TypeAlias = "DnsNotFound"
        HostNotFound: TypeAlias = "DnsHostNotFound"
        NoData: TypeAlias = "DnsNoData"
        TryAgain: TypeAlias = "DnsTryAgain"
        NoRecovery: TypeAlias = "DnsNoRecovery"
        AliasLoop: TypeAlias = "DnsAliasLoop"
        Timeout: TypeAlias = "DnsTimeout"
        ServerError: TypeAlias = "DnsServerError"
        Refused: TypeAlias = "DnsRefused"
        Truncated: TypeAlias = "DnsTruncated"
        InvalidResponse: TypeAlias = "DnsInvalidResponse"
        InvalidName: TypeAlias = "DnsInvalidName"
        InvalidValue: TypeAlias = "DnsInvalidValue"
        NetworkError: TypeAlias = "DnsNetworkError"
        Other: TypeAlias = "DnsOther"

    def __init__(
        self,
        *,
        name: Name | str | None = None,
        rdtype: DnsRecordType | None = None,
        server: SocketAddr | str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.rdtype = rdtype
        self.server = server
        if hint is not None:
            self.hint = hint

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({str(self)!r})"

    def __str__(self) -> str:
        return f"{self._subject}: DNS error{self._from_server}"

    @property
    def _subject(self) -> str:
        """The question as words: `example.com. AAAA`."""
        words = [str(part) for part in (self.name, self.rdtype) if part is not None]
        return " ".join(words) or "lookup"

    @property
    def _from_server(self) -> str:
        return "" if self.server is None else f" (from {self.server})"


def _variant(cls: type[DnsError]) -> None:
    """Make a variant an attribute of DnsError; messages print the class with this name too."""
    cls.__name__ = cls.__name__.removeprefix("Dns")
    cls.__qualname__ = f"DnsError.{cls.__name__}"
    setattr(DnsError, cls.__name__, cls)


class DnsNotFound(DnsError):
    """The name does not exist (NXDOMAIN, RFC 1035 section 4.1.1), so it has no records of any type."""

    fault = "caller"

    def __str__(self) -> str:
        return f"{self._subject}: the name does not exist{self._from_server}"


class DnsHostNotFound(DnsError):
    """The host has no address: neither in the hosts file nor in A or AAAA records."""

    fault = "caller"

    def __str__(self) -> str:
        return f"{self._subject}: no address for this host{self._from_server}"


class DnsNoData(DnsError):
    """The name exists and has no records of this type (RFC 2308 section 2.2)."""

    fault = "caller"

    def __str__(self) -> str:
        what = "no records" if self.rdtype is None else f"no {self.rdtype} records"
        return f"{self.name or 'lookup'}: the name exists but has {what}{self._from_server}"


class DnsTryAgain(DnsError):
    """No server gave a usable answer; a later attempt may succeed."""

    fault = "network"
    hint = "try again later, or ask another server"

    def __init__(self, reason: str = "no usable answer for now", **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self._subject}: {self.reason}{self._from_server}"


class DnsNoRecovery(DnsError):
    """No server will answer this question, now or later (FORMERR or NOTIMP from every one of them)."""

    def __init__(self, rcode: Rcode | None = None, **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.rcode = rcode

    @property
    def rcode_name(self) -> str | None:
        """The response code's mnemonic, such as `"NOTIMP"`."""
        return None if self.rcode is None else str(self.rcode)

    def __str__(self) -> str:
        why = "" if self.rcode is None else f" ({self.rcode_name})"
        return f"{self._subject}: no server will answer this{why}{self._from_server}"


class DnsAliasLoop(DnsError):
    """The name is an alias that leads to no records: back to itself, or on without end (RFC 1034 section
    3.6.2). `reason` says which. The zone is wrong, not the message."""

    hint = "that is a mistake in the zone: whoever keeps it must break the loop"

    def __init__(self, reason: str, **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self._subject}: {self.reason}{self._from_server}"


class DnsTimeout(DnsError, TimeoutError):
    """No answer came in `timeout` seconds, over `attempts` queries."""

    fault = "network"
    hint = "check that the server is reachable, or ask another one"

    def __init__(
        self, timeout: float | None = None, attempts: int | None = None, **asked: Unpack[Said]
    ) -> None:
        super().__init__(**asked)
        self.timeout = timeout
        self.attempts = attempts

    def __str__(self) -> str:
        within = "" if self.timeout is None else f" within {self.timeout:g} s"
        queries = (
            "" if self.attempts is None else f", {self.attempts} quer{_plural(self.attempts, 'y', 'ies')}"
        )
        return f"{self._subject}: no answer{within}{queries}{self._from_server}"


class DnsServerError(DnsError):
    """A server answered with the error code `rcode`; `explanations` are its extended errors (RFC 8914)."""

    def __init__(self, rcode: Rcode, explanations: tuple[str, ...] = (), **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.rcode = rcode
        self.explanations = explanations

    @property
    def rcode_name(self) -> str:
        """The response code's mnemonic, such as `"SERVFAIL"`."""
        return str(self.rcode)

    def __str__(self) -> str:
        why = "".join(f"; {text}" for text in self.explanations)
        return f"{self._subject}: the server answered {self.rcode_name}{self._from_server}{why}"


class DnsRefused(DnsError):
    """The server refuses to answer (REFUSED) because of its policy; `explanations` as in ServerError."""

    hint = "the server may not serve this zone, or may not recurse for this client"

    def __init__(self, explanations: tuple[str, ...] = (), **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.rcode = 5
        self.explanations = explanations

    @property
    def rcode_name(self) -> str:
        """`"REFUSED"`."""
        return "REFUSED"

    def __str__(self) -> str:
        why = "".join(f"; {text}" for text in self.explanations)
        return f"{self._subject}: the server refuses to answer{self._from_server}{why}"


class DnsTruncated(DnsError):
    """The answer was truncated at `size` octets (TC, RFC 1035 section 4.1.1); the rest is not available."""

    fault = "network"
    hint = "allow TCP for this query"

    def __init__(self, size: int | None = None, **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.size = size

    def __str__(self) -> str:
        at = "" if self.size is None else f" at {self.size} octets"
        return f"{self._subject}: the answer was truncated{at}{self._from_server}"


class DnsInvalidResponse(DnsError):
    """The bytes are not a valid DNS message; they may be a response or a query.

    `field` is the path to the wrong field (`"answer[2].rdata.exchange"`), `offset` is the index of the wrong
    octet in the message, `reason` says what is wrong, `limit` is the limit that the message exceeds or None.
    """

    stage = "protocol"

    def __init__(
        self, field: str, offset: int, reason: str, limit: int | None = None, **asked: Unpack[Said]
    ) -> None:
        super().__init__(**asked)
        self.field = field
        self.offset = offset
        self.reason = reason
        self.limit = limit

    def __str__(self) -> str:
        where = f"{self.field} at octet {self.offset}" if self.field else f"octet {self.offset}"
        return f"malformed DNS message{self._from_server}: {where}: {self.reason}"


class DnsInvalidName(DnsError, ValueError):
    """The text (or the labels) is not a valid domain name.

    `text` is the given text, `offset` is the index of the mistake in `text` (None if no single place is
    wrong), `reason` says what is wrong, `limit` is the limit that the name exceeds (63 octets for a label,
    255 for a name) or None.
    """

    fault = "caller"
    stage = "usage"

    def __init__(
        self,
        text: str,
        reason: str,
        offset: int | None = None,
        limit: int | None = None,
        **asked: Unpack[Said],
    ) -> None:
        super().__init__(**asked)
        self.text = text
        self.reason = reason
        self.offset = offset
        self.limit = limit

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        at = "" if self.offset is None else f" (at offset {self.offset})"
        # As it was written: a backslash is not doubled, and what can be printed is not escaped.
        quoted = repr(shown).replace("\\\\", "\\")
        return f"not a domain name: {quoted}: {self.reason}{at}"


class DnsInvalidValue(DnsError, ValueError):
    """A value does not fit in its field: `field`, `value`, `reason`, and the exceeded `limit` or None."""

    fault = "caller"
    stage = "usage"

    def __init__(
        self, field: str, value: object, reason: str, limit: int | None = None, **asked: Unpack[Said]
    ) -> None:
        super().__init__(**asked)
        self.field = field
        self.value = value
        self.reason = reason
        self.limit = limit

    def __str__(self) -> str:
        shown = ascii(self.value)
        return f"{self.field} {shown if len(shown) <= 80 else shown[:77] + '...'}: {self.reason}"


class DnsNetworkError(DnsError, OSError):
    """The question could not be sent or the answer not received; `errno` is the system's, or None.

    `below` is the kind of the error of TLS or HTTP that is the reason, if one is.
    """

    fault = "network"
    below: str | None = None

    def __init__(self, reason: str, errno: int | None = None, **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.reason = reason
        self.errno = errno

    @classmethod
    def from_os_error(cls, error: OSError, **asked: Unpack[Said]) -> DnsNetworkError:
        """Convert an OSError to a DnsError; raise the result `from` the OSError."""
        words = error.strerror or str(error)
        return cls(words[:1].lower() + words[1:] or type(error).__name__, error.errno, **asked)

    @classmethod
    def from_layer(cls, error: NetkitError, **asked: Unpack[Asked]) -> DnsNetworkError:
        """Convert an error of a layer below, such as TLS, to a DnsError; raise the result `from` it.

        A failure of TLS, or of a protocol, is of the same stage and kind here: it is no matter of names.
        """
        made = cls(str(error), error.errno if isinstance(error, OSError) else None, hint=error.hint, **asked)
        if error.stage in ("tls", "protocol"):
            made.stage = error.stage
            made.below = error.kind
        return made

    @property
    def kind(self) -> str:
        return self.below or system_kind(self, "NetworkError")

    def __str__(self) -> str:
        return f"{self._subject}: {self.reason}{self._from_server}"


class DnsOther(DnsError):
    """Any other failure; the message describes it."""

    def __init__(self, message: str, **asked: Unpack[Said]) -> None:
        super().__init__(**asked)
        self.message = message

    def __str__(self) -> str:
        return f"{self._subject}: {self.message}" if self.name is not None else self.message


class ZoneFileError(DnsError, ValueError):
    """A mistake in a zone file (RFC 1035 section 5): `file`, `line` and `column` (from 1), and `reason`.

    `via` says how the line came to be read, if it is not a line of the zone's own file: which `$INCLUDE`
    names the file, which line `$GENERATE` made. The nearest is the first.
    """

    fault = "local"
    stage = "local"

    def __init__(
        self,
        file: str,
        line: int,
        column: int,
        reason: str,
        via: tuple[str, ...] = (),
        **asked: Unpack[Said],
    ) -> None:
        super().__init__(**asked)
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason
        self.via = via

    def __str__(self) -> str:
        via = f" ({', '.join(self.via)})" if self.via else ""
        return f"{self.file}:{self.line}:{self.column}: {self.reason}{via}"


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


for _cls in (
    DnsNotFound,
    DnsHostNotFound,
    DnsNoData,
    DnsTryAgain,
    DnsNoRecovery,
    DnsAliasLoop,
    DnsTimeout,
    DnsServerError,
    DnsRefused,
    DnsTruncated,
    DnsInvalidResponse,
    DnsInvalidName,
    DnsInvalidValue,
    DnsNetworkError,
    DnsOther,
):
    _variant(_cls)
