"""What can go wrong with a name, a message, a lookup or a zone file.

    NetkitError
    └── DnsError
        ├── NotFound          the name does not exist: NXDOMAIN, said by a server
        ├── HostNotFound      no address for the host, from any source (what getaddrinfo calls NONAME)
        ├── NoData            the name exists, without records of the type asked for
        ├── TryAgain          no usable answer now; the same question may succeed later
        ├── NoRecovery        no server will ever answer it: FORMERR, NOTIMP from all of them
        ├── Timeout           (TimeoutError) no answer in the time given
        ├── ServerError       a server answered with an error code, SERVFAIL as a rule
        ├── Refused           a server refuses to answer: REFUSED
        ├── Truncated         the answer was cut short and could not be had whole
        ├── InvalidResponse   protocol: bytes that are not a DNS message: which field, which octet, why
        ├── InvalidName       usage (ValueError): text that is not a domain name, and where it goes wrong
        ├── InvalidValue      usage (ValueError): a value that its field cannot hold
        ├── NetworkError      (OSError) the question could not be sent, or the answer not received
        ├── ZoneFileError     local (ValueError): a zone file is wrong: file, line, column
        └── Other             anything else, in words

The stage is `resolve` where none is named.
NotFound is about a name and comes from the DNS; HostNotFound is about a host, after the hosts file,
the search list and both address types were tried. A lookup that raises HostNotFound because of an
NXDOMAIN or of missing data chains that error as its `__cause__`.

Every variant is reached as `DnsError.X`; the module-level `DnsX` is the same class, for annotations.
All carry `name`, `rdtype` and `server`, each None where the error is not about one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from netkit.errors import NetkitError, Stage, system_kind

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.constants import DnsRecordType, Rcode
    from netkit.dns.name import Name


class DnsError(NetkitError):
    """Anything that went wrong in the DNS layer; the variants are its attributes.

    `name` and `rdtype` are what was asked, `server` who was asked; `negative_ttl` is for how many seconds a
    "no" holds, where the server said so (RFC 2308 section 5).
    """

    layer = "dns"
    stage: Stage = "resolve"
    negative_ttl: int | None = None

    if TYPE_CHECKING:
        NotFound: TypeAlias = "DnsNotFound"
        HostNotFound: TypeAlias = "DnsHostNotFound"
        NoData: TypeAlias = "DnsNoData"
        TryAgain: TypeAlias = "DnsTryAgain"
        NoRecovery: TypeAlias = "DnsNoRecovery"
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
    """Hang a variant on DnsError under its name there, which is also the name it is printed with."""
    cls.__name__ = cls.__name__.removeprefix("Dns")
    cls.__qualname__ = f"DnsError.{cls.__name__}"
    setattr(DnsError, cls.__name__, cls)


class DnsNotFound(DnsError):
    """The name does not exist (NXDOMAIN, RFC 1035 section 4.1.1): no type would find anything."""

    fault = "caller"

    def __str__(self) -> str:
        return f"{self._subject}: the name does not exist{self._from_server}"


class DnsHostNotFound(DnsError):
    """The host has no address: not in the hosts file, not as A, not as AAAA."""

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
    """No server gave a usable answer this time; the failure is not final."""

    fault = "network"
    hint = "try again later, or ask another server"

    def __init__(self, reason: str = "no usable answer for now", **asked: Any) -> None:
        super().__init__(**asked)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self._subject}: {self.reason}{self._from_server}"


class DnsNoRecovery(DnsError):
    """No server will answer this question, now or later (FORMERR or NOTIMP from every one of them)."""

    def __init__(self, rcode: Rcode | None = None, **asked: Any) -> None:
        super().__init__(**asked)
        self.rcode = rcode

    @property
    def rcode_name(self) -> str | None:
        """The response code's mnemonic, such as `"NOTIMP"`."""
        return None if self.rcode is None else str(self.rcode)

    def __str__(self) -> str:
        why = "" if self.rcode is None else f" ({self.rcode_name})"
        return f"{self._subject}: no server will answer this{why}{self._from_server}"


class DnsTimeout(DnsError, TimeoutError):
    """No answer came in `timeout` seconds, over `attempts` queries."""

    fault = "network"
    hint = "check that the server is reachable, or ask another one"

    def __init__(self, timeout: float | None = None, attempts: int | None = None, **asked: Any) -> None:
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

    def __init__(self, rcode: Rcode, explanations: tuple[str, ...] = (), **asked: Any) -> None:
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
    """The server refuses to answer (REFUSED), by its own policy; `explanations` as in ServerError."""

    hint = "the server may not serve this zone, or may not recurse for this client"

    def __init__(self, explanations: tuple[str, ...] = (), **asked: Any) -> None:
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
    """The answer was cut at `size` octets (TC, RFC 1035 section 4.1.1) and could not be had whole."""

    fault = "network"
    hint = "allow TCP for this query"

    def __init__(self, size: int | None = None, **asked: Any) -> None:
        super().__init__(**asked)
        self.size = size

    def __str__(self) -> str:
        at = "" if self.size is None else f" at {self.size} octets"
        return f"{self._subject}: the answer was truncated{at}{self._from_server}"


class DnsInvalidResponse(DnsError):
    """Bytes that are not a DNS message, whoever sent them (a malformed query is one, too).

    `field` is the path to the field (`"answer[2].rdata.exchange"`), `offset` the octet in the message
    where it goes wrong, `reason` what is wrong, `limit` the bound it broke or None.
    """

    stage = "protocol"

    def __init__(self, field: str, offset: int, reason: str, limit: int | None = None, **asked: Any) -> None:
        super().__init__(**asked)
        self.field = field
        self.offset = offset
        self.reason = reason
        self.limit = limit

    def __str__(self) -> str:
        where = f"{self.field} at octet {self.offset}" if self.field else f"octet {self.offset}"
        return f"malformed DNS message{self._from_server}: {where}: {self.reason}"


class DnsInvalidName(DnsError, ValueError):
    """Text (or labels) that is not a domain name.

    `text` is what was given, `offset` the index in it where it goes wrong (None where there is no one
    place), `reason` what is wrong, `limit` the bound it broke (63 octets a label, 255 a name) or None.
    """

    fault = "caller"
    stage = "usage"

    def __init__(
        self, text: str, reason: str, offset: int | None = None, limit: int | None = None, **asked: Any
    ) -> None:
        super().__init__(**asked)
        self.text = text
        self.reason = reason
        self.offset = offset
        self.limit = limit

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        at = "" if self.offset is None else f" (at offset {self.offset})"
        return f"not a domain name: {shown!a}: {self.reason}{at}"


class DnsInvalidValue(DnsError, ValueError):
    """A value that its field cannot hold: `field`, `value`, `reason`, and the `limit` it broke or None."""

    fault = "caller"
    stage = "usage"

    def __init__(
        self, field: str, value: object, reason: str, limit: int | None = None, **asked: Any
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
    """The question could not be sent or the answer not received; `errno` is the system's, or None."""

    fault = "network"

    def __init__(self, reason: str, errno: int | None = None, **asked: Any) -> None:
        super().__init__(**asked)
        self.reason = reason
        self.errno = errno

    @classmethod
    def from_os_error(cls, error: OSError, **asked: Any) -> DnsNetworkError:
        """The same failure as a DnsError; raise it `from` the original."""
        words = error.strerror or str(error)
        return cls(words[:1].lower() + words[1:] or type(error).__name__, error.errno, **asked)

    @property
    def kind(self) -> str:
        return system_kind(self, "NetworkError")

    def __str__(self) -> str:
        return f"{self._subject}: {self.reason}{self._from_server}"


class DnsOther(DnsError):
    """Anything else, in words."""

    def __init__(self, message: str, **asked: Any) -> None:
        super().__init__(**asked)
        self.message = message

    def __str__(self) -> str:
        return f"{self._subject}: {self.message}" if self.name is not None else self.message


class ZoneFileError(DnsError, ValueError):
    """A zone file (RFC 1035 section 5) is wrong at `line` and `column` (both from 1) of `file`: `reason`."""

    fault = "local"
    stage = "local"

    def __init__(self, file: str, line: int, column: int, reason: str, **asked: Any) -> None:
        super().__init__(**asked)
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.reason}"


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


for _cls in (
    DnsNotFound,
    DnsHostNotFound,
    DnsNoData,
    DnsTryAgain,
    DnsNoRecovery,
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
