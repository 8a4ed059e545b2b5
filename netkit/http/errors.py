"""The errors of an HTTP message, a URL, or an exchange.

    NetkitError
    └── HttpError
        ├── ConnectionError    connect (ConnectionError): no connection, or one that broke
        ├── InvalidUri         (ValueError) text that is not a URL or a request target, and why
        ├── InvalidRequest     (ValueError) a request that cannot be sent, or that no server could take
        ├── InvalidResponse    (ValueError) what the server answered is not HTTP, or contradicts itself
        ├── InvalidValue       (ValueError) a value that its field cannot hold: header, cookie, setting
        ├── Timeout            (TimeoutError) no answer in the time given; in which phase
        ├── DnsResolution      resolve (OSError): the name of the host could not be resolved
        ├── TlsError           tls (OSError): TLS failed
        ├── BodyTooLarge       (ValueError) a body over the limit
        ├── BodyEncoding       (ValueError) a body whose coding or character set cannot be undone
        └── Other              anything else, in words

The stage depends on who is at fault. For the three variants with a stage above, the stage is the named one,
or `local` if this machine is at fault.

An error of a lower layer (a refused connection, a failed handshake) is the `__cause__` of the variant that
represents it here. Use every variant as `HttpError.X`; the module-level `HttpX` is the same class, for
annotations. Wrong octets in an HTTP/1.1 message raise a `ParseError`, which has the offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from netkit.errors import NetkitError, system_kind

if TYPE_CHECKING:
    from netkit.errors import Fault, Stage

#: Characters of somebody else's text that a message quotes.
_QUOTED = 80


class HttpError(NetkitError):
    """Anything that went wrong in the HTTP layer; the variants are its attributes.

    `reason` says in words what happened. `fault` says who is at fault, if that is not the variant's default.
    `hint` says what the user can do.
    """

    layer = "http"

    if TYPE_CHECKING:
        ConnectionError: TypeAlias = "HttpConnectionError"
        InvalidUri: TypeAlias = "HttpInvalidUri"
        InvalidRequest: TypeAlias = "HttpInvalidRequest"
        InvalidResponse: TypeAlias = "HttpInvalidResponse"
        InvalidValue: TypeAlias = "HttpInvalidValue"
        Timeout: TypeAlias = "HttpTimeout"
        DnsResolution: TypeAlias = "HttpDnsResolution"
        TlsError: TypeAlias = "HttpTlsError"
        BodyTooLarge: TypeAlias = "HttpBodyTooLarge"
        BodyEncoding: TypeAlias = "HttpBodyEncoding"
        Other: TypeAlias = "HttpOther"

    def __init__(self, reason: str = "", *, fault: Fault | None = None, hint: str | None = None) -> None:
        super().__init__()
        self.reason = reason
        if fault is not None:
            self.fault = fault
        if hint is not None:
            self.hint = hint

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({str(self)!r})"

    def __str__(self) -> str:
        return self.reason or "HTTP error"


class _SystemError(HttpError, OSError):
    """A variant that a system's error may be the cause of: it keeps that error's number, `errno`."""

    #: The step that failed, unless it was this machine.
    _stage: ClassVar[Stage] = "connect"

    def __init__(
        self,
        reason: str = "",
        *,
        errno: int | None = None,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason, fault=fault, hint=hint)
        self.errno = errno
        self.strerror = reason or None

    @property
    def stage(self) -> Stage:
        return "local" if self.fault == "local" else self._stage


class HttpConnectionError(_SystemError, ConnectionError):
    """There was no connection (refused, unreachable), or it broke before the exchange was over."""

    fault: Fault = "network"

    @property
    def kind(self) -> str:
        return system_kind(self, "ConnectionError")

    def __str__(self) -> str:
        return self.reason or "the connection failed"


class HttpInvalidUri(HttpError, ValueError):
    """Text that is not a URL, or cannot be the target of a request; `uri` is the text, if it may be shown."""

    fault: Fault = "caller"

    def __init__(
        self,
        reason: str,
        uri: str | None = None,
        *,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason, fault=fault, hint=hint)
        self.uri = uri

    def __str__(self) -> str:
        return self.reason if self.uri is None else f"{quoted(self.uri)} is not a URL: {self.reason}"


class HttpInvalidRequest(HttpError, ValueError):
    """A request that cannot be sent as it is; on a server, a received request that cannot be accepted."""

    fault: Fault = "caller"

    def __str__(self) -> str:
        return f"invalid request: {self.reason}"


class HttpInvalidResponse(HttpError, ValueError):
    """What the server answered is not a response to this request, or contradicts itself."""

    def __str__(self) -> str:
        return f"invalid response: {self.reason}"


class HttpInvalidValue(HttpError, ValueError):
    """A value that its field cannot hold; the value itself, which may be a secret, is not in the words.

    `field` names the place for the value (`"header name"`, `"cookie value"`, `"max_redirects"`). `offset` is
    the index of the forbidden character, and `limit` is the limit that the value exceeds. Each of them is
    None if it does not apply.
    """

    fault: Fault = "caller"

    def __init__(
        self,
        field: str,
        reason: str,
        *,
        offset: int | None = None,
        limit: int | None = None,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason, fault=fault, hint=hint)
        self.field = field
        self.offset = offset
        self.limit = limit

    def __str__(self) -> str:
        where = "" if self.offset is None else f" (at offset {self.offset})"
        return f"{self.field}: {self.reason}{where}"


class HttpTimeout(HttpError, TimeoutError):
    """The time is over. `phase` is the unfinished step (`"connecting"`), `timeout` the seconds given."""

    fault: Fault = "network"

    def __init__(
        self,
        timeout: float | None = None,
        phase: str | None = None,
        *,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(fault=fault, hint=hint)
        self.timeout = timeout
        self.phase = phase

    def __str__(self) -> str:
        after = "" if self.timeout is None else f" after {self.timeout:g} s"
        return f"timed out{after}{'' if self.phase is None else f' while {self.phase}'}"


class HttpDnsResolution(_SystemError):
    """The host's name could not be resolved; `host` is that name."""

    fault: Fault = "network"
    _stage = "resolve"

    def __init__(
        self,
        reason: str = "",
        host: str | None = None,
        *,
        errno: int | None = None,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason, errno=errno, fault=fault, hint=hint)
        self.host = host

    def __str__(self) -> str:
        name = "the host's name" if self.host is None else quoted(self.host)
        return f"cannot resolve {name}{f': {self.reason}' if self.reason else ''}"


class HttpTlsError(_SystemError):
    """TLS failed: the handshake, or the verification of the server's certificate."""

    _stage = "tls"

    def __str__(self) -> str:
        return self.reason or "TLS failed"


class HttpBodyTooLarge(HttpError, ValueError):
    """A body over the limit: `limit` octets; `size` is what it would be, where that is known.

    `limit_name` names the setting that the limit comes from (`"max_ratio"`), where there are several.
    """

    def __init__(
        self,
        limit: int,
        size: int | None = None,
        *,
        limit_name: str | None = None,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(fault=fault, hint=hint)
        self.limit = limit
        self.size = size
        self.limit_name = limit_name

    def __str__(self) -> str:
        size = "larger" if self.size is None else f"{self.size} octets, more"
        name = "" if self.limit_name is None else f" ({self.limit_name})"
        return f"the body is {size} than the limit of {self.limit} octets{name}"


class HttpBodyEncoding(HttpError, ValueError):
    """A body that cannot be read: its `encoding`, a content coding or a charset, does not fit or is unknown.

    `offset` is the octet of the body that does not fit, where one is to blame.
    """

    def __init__(
        self,
        reason: str,
        encoding: str | None = None,
        *,
        offset: int | None = None,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason, fault=fault, hint=hint)
        self.encoding = encoding
        self.offset = offset

    def __str__(self) -> str:
        where = "" if self.offset is None else f" (at offset {self.offset})"
        return f"the body cannot be read: {self.reason}{where}"


class HttpOther(HttpError):
    """Anything else, in words."""


for _variant in (
    HttpConnectionError,
    HttpInvalidUri,
    HttpInvalidRequest,
    HttpInvalidResponse,
    HttpInvalidValue,
    HttpTimeout,
    HttpDnsResolution,
    HttpTlsError,
    HttpBodyTooLarge,
    HttpBodyEncoding,
    HttpOther,
):
    _variant.__name__ = _variant.__name__.removeprefix("Http")
    _variant.__qualname__ = f"HttpError.{_variant.__name__}"
    setattr(HttpError, _variant.__name__, _variant)


def quoted(text: str) -> str:
    """Somebody else's text as a message may show it: in quotes, short, without control characters."""
    return repr(text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…")
