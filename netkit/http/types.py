"""Methods, status codes and versions: the words of a start line.

RFC 9110 section 9 (methods), 15 (status codes), 2.5 (versions); the IANA registries "HTTP Methods" and
"HTTP Status Codes".

Method and StatusCode are a `str` and an `int` with properties. They are no `enum`, because a message may use
a method or a code that is not registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from netkit.http.errors import HttpError, quoted
from netkit.http.headers import TOKEN_CHARACTERS, named

if TYPE_CHECKING:
    from typing import Self

_T = TypeVar("_T")

_SAFE, _IDEMPOTENT, _BODY = 1, 2, 4
_READS = _SAFE | _IDEMPOTENT


class _Registered:
    """A name in the body of Method: becomes the member of that name as the class is made."""

    def __init__(self, text: str, traits: int) -> None:
        self.text = text
        self.traits = traits

    def __set_name__(self, owner: type[Method], attribute: str) -> None:
        setattr(owner, attribute, owner._register(self.text, self.traits))

    def __get__(self, instance: object, owner: type[_T]) -> _T:
        # Read only by type checkers: at run time the member itself has taken this place.
        raise AttributeError


class Method(str):
    """A request method, which is case-sensitive: `Method.Get`, `Method("GET")`, `Method("PROPFIND")`.

    It is the text it is sent as: `Method.Get == "GET"`. Of a method that is not registered nothing is known,
    so it counts as neither safe nor idempotent.

    Raises HttpError.InvalidValue for what is not a token, and for more than 64 characters.

    >>> Method.Put.is_idempotent, Method.Post.is_idempotent, Method("BREW").is_registered
    (True, False, False)
    """

    __slots__ = ()
    _known: ClassVar[dict[str, Method]] = {}
    _traits: ClassVar[dict[str, int]] = {}
    #: The longest method that is taken, in characters.
    MAX_LENGTH: ClassVar[int] = 64

    def __new__(cls, text: str) -> Self:
        if type(text) is cls:
            return text
        if not isinstance(text, str):
            raise TypeError(f"a method is text, not {type(text).__name__}")
        if cls is Method:
            known = cls._known.get(text)
            if known is not None:
                return known  # type: ignore[return-value]  # of this very class
        if not text:
            raise HttpError.InvalidValue("method", "it is empty")
        for at, char in enumerate(text[: cls.MAX_LENGTH]):
            if char not in TOKEN_CHARACTERS:
                raise HttpError.InvalidValue("method", f"{named(char)} cannot stand in a method", offset=at)
        if len(text) > cls.MAX_LENGTH:
            raise HttpError.InvalidValue(
                "method", f"more than {cls.MAX_LENGTH} characters", limit=cls.MAX_LENGTH
            )
        return str.__new__(cls, text)

    @classmethod
    def _register(cls, text: str, traits: int) -> Method:
        member = str.__new__(cls, text)
        cls._known[text] = member
        cls._traits[text] = traits
        return member

    Get = _Registered("GET", _READS)
    Head = _Registered("HEAD", _READS)
    Post = _Registered("POST", _BODY)
    Put = _Registered("PUT", _IDEMPOTENT | _BODY)
    Delete = _Registered("DELETE", _IDEMPOTENT)
    Connect = _Registered("CONNECT", 0)
    Options = _Registered("OPTIONS", _READS)
    Trace = _Registered("TRACE", _READS)
    Patch = _Registered("PATCH", _BODY)

    @classmethod
    def from_str(cls, text: str) -> Method | None:
        """The registered method of exactly this name, or None; `Method(text)` takes any token."""
        return cls._known.get(text)

    @property
    def as_str(self) -> str:
        """Its name, as a plain `str`."""
        return str.__str__(self)

    @property
    def is_registered(self) -> bool:
        """Whether it is in IANA's registry."""
        return self in self._traits

    @property
    def is_safe(self) -> bool:
        """Whether it only reads (RFC 9110 section 9.2.1)."""
        return bool(self._traits.get(self, 0) & _SAFE)

    @property
    def is_idempotent(self) -> bool:
        """Whether doing it twice is doing it once, so that it may be retried (RFC 9110 section 9.2.2)."""
        return bool(self._traits.get(self, 0) & _IDEMPOTENT)

    @property
    def has_body(self) -> bool:
        """Whether its requests are expected to have content.

        Such a request without content says so with `Content-Length: 0` (RFC 9110 section 8.6).
        """
        return bool(self._traits.get(self, 0) & _BODY)

    def __repr__(self) -> str:
        return f"<Method {self.as_str}>"

    def __str__(self) -> str:
        return str.__str__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Method, (self.as_str,)


# The rest of IANA's registry, of which RFC 9110 does not speak, by what the specification of each says.
for _text, _what in (
    ("ACL", _IDEMPOTENT | _BODY),
    ("BASELINE-CONTROL", _IDEMPOTENT | _BODY),
    ("BIND", _IDEMPOTENT | _BODY),
    ("CHECKIN", _IDEMPOTENT | _BODY),
    ("CHECKOUT", _IDEMPOTENT | _BODY),
    ("COPY", _IDEMPOTENT),
    ("LABEL", _IDEMPOTENT | _BODY),
    ("LINK", _IDEMPOTENT),
    ("LOCK", _BODY),
    ("MERGE", _IDEMPOTENT | _BODY),
    ("MKACTIVITY", _IDEMPOTENT),
    ("MKCALENDAR", _IDEMPOTENT | _BODY),
    ("MKCOL", _IDEMPOTENT),
    ("MKREDIRECTREF", _IDEMPOTENT | _BODY),
    ("MKWORKSPACE", _IDEMPOTENT),
    ("MOVE", _IDEMPOTENT),
    ("ORDERPATCH", _IDEMPOTENT | _BODY),
    ("PRI", _READS),
    ("PROPFIND", _READS | _BODY),
    ("PROPPATCH", _IDEMPOTENT | _BODY),
    ("QUERY", _READS | _BODY),
    ("REBIND", _IDEMPOTENT | _BODY),
    ("REPORT", _READS | _BODY),
    ("SEARCH", _READS | _BODY),
    ("UNBIND", _IDEMPOTENT | _BODY),
    ("UNCHECKOUT", _IDEMPOTENT),
    ("UNLINK", _IDEMPOTENT),
    ("UNLOCK", _IDEMPOTENT),
    ("UPDATE", _IDEMPOTENT | _BODY),
    ("UPDATEREDIRECTREF", _IDEMPOTENT | _BODY),
    ("VERSION-CONTROL", _IDEMPOTENT | _BODY),
):
    Method._register(_text, _what)


#: IANA's "HTTP Status Codes" registry, without the codes it keeps unused (306, 418).
REASON_PHRASES: dict[int, str] = {
    100: "Continue",
    101: "Switching Protocols",
    102: "Processing",
    103: "Early Hints",
    104: "Upload Resumption Supported",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    207: "Multi-Status",
    208: "Already Reported",
    226: "IM Used",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    423: "Locked",
    424: "Failed Dependency",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    506: "Variant Also Negotiates",
    507: "Insufficient Storage",
    508: "Loop Detected",
    510: "Not Extended",
    511: "Network Authentication Required",
}


class StatusCode(int):
    """A status code of three digits: `StatusCode(404)`, `StatusCode.not_found()`, `StatusCode.NOT_FOUND`.

    It is the number: `StatusCode(404) == 404`. Every registered code is a constant under its reason phrase,
    and `reason_phrase` is "" for the others. A code over 599 is no valid one, and counts as a server's error,
    as RFC 9110 section 15 wants it taken. Raises HttpError.InvalidValue for a number under 100 or over 999.

    >>> StatusCode(503).reason_phrase, StatusCode(302).is_redirection, f"{StatusCode.ok()}"
    ('Service Unavailable', True, '200 OK')
    """

    __slots__ = ()
    #: Those that were asked for, which are at most 900.
    _made: ClassVar[dict[int, StatusCode]] = {}

    if TYPE_CHECKING:
        CONTINUE: ClassVar[StatusCode]
        SWITCHING_PROTOCOLS: ClassVar[StatusCode]
        PROCESSING: ClassVar[StatusCode]
        EARLY_HINTS: ClassVar[StatusCode]
        UPLOAD_RESUMPTION_SUPPORTED: ClassVar[StatusCode]
        OK: ClassVar[StatusCode]
        CREATED: ClassVar[StatusCode]
        ACCEPTED: ClassVar[StatusCode]
        NON_AUTHORITATIVE_INFORMATION: ClassVar[StatusCode]
        NO_CONTENT: ClassVar[StatusCode]
        RESET_CONTENT: ClassVar[StatusCode]
        PARTIAL_CONTENT: ClassVar[StatusCode]
        MULTI_STATUS: ClassVar[StatusCode]
        ALREADY_REPORTED: ClassVar[StatusCode]
        IM_USED: ClassVar[StatusCode]
        MULTIPLE_CHOICES: ClassVar[StatusCode]
        MOVED_PERMANENTLY: ClassVar[StatusCode]
        FOUND: ClassVar[StatusCode]
        SEE_OTHER: ClassVar[StatusCode]
        NOT_MODIFIED: ClassVar[StatusCode]
        USE_PROXY: ClassVar[StatusCode]
        TEMPORARY_REDIRECT: ClassVar[StatusCode]
        PERMANENT_REDIRECT: ClassVar[StatusCode]
        BAD_REQUEST: ClassVar[StatusCode]
        UNAUTHORIZED: ClassVar[StatusCode]
        PAYMENT_REQUIRED: ClassVar[StatusCode]
        FORBIDDEN: ClassVar[StatusCode]
        NOT_FOUND: ClassVar[StatusCode]
        METHOD_NOT_ALLOWED: ClassVar[StatusCode]
        NOT_ACCEPTABLE: ClassVar[StatusCode]
        PROXY_AUTHENTICATION_REQUIRED: ClassVar[StatusCode]
        REQUEST_TIMEOUT: ClassVar[StatusCode]
        CONFLICT: ClassVar[StatusCode]
        GONE: ClassVar[StatusCode]
        LENGTH_REQUIRED: ClassVar[StatusCode]
        PRECONDITION_FAILED: ClassVar[StatusCode]
        CONTENT_TOO_LARGE: ClassVar[StatusCode]
        URI_TOO_LONG: ClassVar[StatusCode]
        UNSUPPORTED_MEDIA_TYPE: ClassVar[StatusCode]
        RANGE_NOT_SATISFIABLE: ClassVar[StatusCode]
        EXPECTATION_FAILED: ClassVar[StatusCode]
        MISDIRECTED_REQUEST: ClassVar[StatusCode]
        UNPROCESSABLE_CONTENT: ClassVar[StatusCode]
        LOCKED: ClassVar[StatusCode]
        FAILED_DEPENDENCY: ClassVar[StatusCode]
        TOO_EARLY: ClassVar[StatusCode]
        UPGRADE_REQUIRED: ClassVar[StatusCode]
        PRECONDITION_REQUIRED: ClassVar[StatusCode]
        TOO_MANY_REQUESTS: ClassVar[StatusCode]
        REQUEST_HEADER_FIELDS_TOO_LARGE: ClassVar[StatusCode]
        UNAVAILABLE_FOR_LEGAL_REASONS: ClassVar[StatusCode]
        INTERNAL_SERVER_ERROR: ClassVar[StatusCode]
        NOT_IMPLEMENTED: ClassVar[StatusCode]
        BAD_GATEWAY: ClassVar[StatusCode]
        SERVICE_UNAVAILABLE: ClassVar[StatusCode]
        GATEWAY_TIMEOUT: ClassVar[StatusCode]
        HTTP_VERSION_NOT_SUPPORTED: ClassVar[StatusCode]
        VARIANT_ALSO_NEGOTIATES: ClassVar[StatusCode]
        INSUFFICIENT_STORAGE: ClassVar[StatusCode]
        LOOP_DETECTED: ClassVar[StatusCode]
        NOT_EXTENDED: ClassVar[StatusCode]
        NETWORK_AUTHENTICATION_REQUIRED: ClassVar[StatusCode]

    def __new__(cls, code: int) -> Self:
        if cls is StatusCode and type(code) is int:
            made = cls._made.get(code)
            if made is not None:
                return made  # type: ignore[return-value]  # of this very class
        if isinstance(code, bool) or not isinstance(code, int):
            raise TypeError(f"a status code is an int, not {type(code).__name__}")
        if not 100 <= code <= 999:
            raise HttpError.InvalidValue("status code", "not a number of three digits, from 100 to 999")
        status = int.__new__(cls, code)
        if cls is StatusCode:
            status = cls._made.setdefault(int(code), status)  # type: ignore[assignment]
        return status

    @classmethod
    def parse(cls, text: str) -> Self:
        """From three ASCII digits, nothing around them. Raises HttpError.InvalidValue."""
        if len(text) != 3 or not (text.isascii() and text.isdigit()):
            raise HttpError.InvalidValue("status code", f"{quoted(text)} is not a number of three digits")
        return cls(int(text))

    @classmethod
    def ok(cls) -> StatusCode:
        """200."""
        return cls(200)

    @classmethod
    def created(cls) -> StatusCode:
        """201."""
        return cls(201)

    @classmethod
    def no_content(cls) -> StatusCode:
        """204."""
        return cls(204)

    @classmethod
    def bad_request(cls) -> StatusCode:
        """400."""
        return cls(400)

    @classmethod
    def unauthorized(cls) -> StatusCode:
        """401."""
        return cls(401)

    @classmethod
    def forbidden(cls) -> StatusCode:
        """403."""
        return cls(403)

    @classmethod
    def not_found(cls) -> StatusCode:
        """404."""
        return cls(404)

    @classmethod
    def internal_server_error(cls) -> StatusCode:
        """500."""
        return cls(500)

    @property
    def code(self) -> int:
        """The number, as a plain `int`."""
        return int(self)

    @property
    def reason_phrase(self) -> str:
        """The phrase that IANA's registry has for it, or ""; what a server sent is in the status line."""
        return REASON_PHRASES.get(self, "")

    @property
    def is_registered(self) -> bool:
        """Whether it is in IANA's registry."""
        return self in REASON_PHRASES

    @property
    def is_informational(self) -> bool:
        """1xx: an interim response, with the real one to come."""
        return self < 200

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self < 300

    @property
    def is_redirection(self) -> bool:
        """3xx; not all of them name another place (304, 300)."""
        return 300 <= self < 400

    @property
    def is_client_error(self) -> bool:
        """4xx."""
        return 400 <= self < 500

    @property
    def is_server_error(self) -> bool:
        """5xx, and what is over 599 (RFC 9110 section 15)."""
        return self >= 500

    @property
    def allows_body(self) -> bool:
        """Whether a response with it can have content: not 1xx, 204, 304 (RFC 9110 section 6.4.1)."""
        return self >= 200 and self not in (204, 304)

    def __str__(self) -> str:
        return f"{int(self)} {self.reason_phrase}".rstrip()

    def __repr__(self) -> str:
        return f"<StatusCode {self}>"

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec.endswith("d") else format(str(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return StatusCode, (int(self),)


for _code, _phrase in REASON_PHRASES.items():
    setattr(StatusCode, _phrase.upper().replace(" ", "_").replace("-", "_"), StatusCode(_code))


class Version:
    """A version of HTTP; they compare from old to new. The four there are: Http10, Http11, Http2, Http3.

    >>> Version.parse("HTTP/1.1") is Version.Http11, Version.Http2.alpn, Version.Http10 < Version.Http3
    (True, 'h2', True)
    """

    __slots__ = ("alpn", "as_str", "major", "minor", "name")
    _by_number: ClassVar[dict[tuple[int, int], Version]] = {}
    _by_text: ClassVar[dict[str, Version]] = {}

    Http10: ClassVar[Version]
    Http11: ClassVar[Version]
    Http2: ClassVar[Version]
    Http3: ClassVar[Version]

    name: str
    major: int
    minor: int
    #: As a start line has it, and people write it: `"HTTP/1.1"`, `"HTTP/2"`.
    as_str: str
    #: As TLS negotiates it (RFC 7301, IANA's "TLS ALPN Protocol IDs").
    alpn: str

    def __new__(cls, major: int, minor: int = 0) -> Version:  # noqa: PYI034  # one of the four
        """The version of that number. Raises HttpError.InvalidValue where there is none."""
        version = cls._by_number.get((major, minor))
        if version is None:
            raise HttpError.InvalidValue("version", f"there is no HTTP/{major}.{minor}")
        return version

    @classmethod
    def _make(cls, name: str, major: int, minor: int, as_str: str, alpn: str) -> Version:
        made = object.__new__(cls)
        for field, value in (
            ("name", name),
            ("major", major),
            ("minor", minor),
            ("as_str", as_str),
            ("alpn", alpn),
        ):
            object.__setattr__(made, field, value)
        cls._by_number[major, minor] = made
        for text in (as_str, alpn, f"HTTP/{major}.{minor}"):
            cls._by_text[text] = made
        return made

    @classmethod
    def parse(cls, text: str) -> Version:
        """From `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`, `HTTP/3` (with or without `.0`), or an ALPN name.

        Raises HttpError.InvalidValue with the forms that are understood. The name is case-sensitive
        (RFC 9112 section 2.3).
        """
        version = cls._by_text.get(text)
        if version is None:
            raise HttpError.InvalidValue(
                "version",
                f"{quoted(text)} is not a version of HTTP",
                hint="write HTTP/1.0, HTTP/1.1, HTTP/2 or HTTP/3",
            )
        return version

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a version cannot be changed")

    def __lt__(self, other: Version) -> bool:
        return (self.major, self.minor) < (other.major, other.minor)

    def __le__(self, other: Version) -> bool:
        return (self.major, self.minor) <= (other.major, other.minor)

    def __gt__(self, other: Version) -> bool:
        return (self.major, self.minor) > (other.major, other.minor)

    def __ge__(self, other: Version) -> bool:
        return (self.major, self.minor) >= (other.major, other.minor)

    def __copy__(self) -> Version:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Version:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Version, (self.major, self.minor)

    def __repr__(self) -> str:
        return f"Version.{self.name}"

    def __str__(self) -> str:
        return self.as_str


Version.Http10 = Version._make("Http10", 1, 0, "HTTP/1.0", "http/1.0")
Version.Http11 = Version._make("Http11", 1, 1, "HTTP/1.1", "http/1.1")
Version.Http2 = Version._make("Http2", 2, 0, "HTTP/2", "h2")
Version.Http3 = Version._make("Http3", 3, 0, "HTTP/3", "h3")
