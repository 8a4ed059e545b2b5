"""URLs by the WHATWG URL Standard, read by ada-url, with a reason for each refused text.

The Standard's parser works as browsers do: it repairs what it can, and gives one spelling for each URL. This
module adds two facts that the parser does not report: whether the text has the default port of the scheme
(`port`), and why a text is no URL (`HttpError.InvalidUri`). ada-url is imported when the first URL is read.

Programs read the same few URLs again and again. So `Url.parse` remembers the last of them, and a Url
remembers what a client needs of it for each request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from netkit._value import Value, assign
from netkit.http.errors import HttpError, quoted
from netkit.http.headers import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ada_url import URL

    from netkit.addr import HostPort, IpAddr

#: The port of a scheme, for those that have one (URL Standard section 4.2, "special scheme").
DEFAULT_PORTS = {"ftp": 21, "http": 80, "https": 443, "ws": 80, "wss": 443}
#: For each of those another one that is read by the same rules and has another port.
_SIBLINGS = {"ftp": "http", "http": "https", "https": "http", "ws": "wss", "wss": "ws"}
_SPECIAL = frozenset((*DEFAULT_PORTS, "file"))
#: What is removed from a text before it is read: around it, and anywhere in it.
_AROUND = "".join(map(chr, range(0x21)))
_ANYWHERE = str.maketrans("", "", "\t\n\r")
#: How many texts `Url.parse` remembers, and the longest of them, in characters: half a megabyte at most.
_REMEMBERED = 256
_LONGEST_REMEMBERED = 1024
_FORBIDDEN_HOST = frozenset("\0\t\n\r #/:<>?@[\\]^|%") | frozenset(map(chr, range(0x20))) | {"\x7f"}


class Url(Value):
    """An absolute URL, immutable: `Url.parse("https://example.com:443/a?q#top")`.

        >>> url = Url.parse("HTTPS://user@Ex%41mple.com:443/a/../b?q=1")
        >>> str(url), url.host, url.port, url.effective_port
        ('https://user@example.com/b?q=1', 'example.com', 443, 443)
        >>> url.resolve("../c?x#y").request_target
        '/c?x'
        >>> Url.parse("https://[::1/")
        Traceback (most recent call last):
        netkit.http.errors.HttpError.InvalidUri: 'https://[::1/' is not a URL: the closing bracket is...

    Equal are two that the Standard writes alike; that one of them was written with its scheme's own port
    makes no difference there, nor in `str`.
    """

    __slots__ = (
        "_endpoint",
        "_fragment",
        "_head_parts",
        "_host",
        "_host_header",
        "_href",
        "_origin",
        "_password",
        "_path",
        "_port",
        "_query",
        "_request_target",
        "_scheme",
        "_username",
    )
    #: The longest text that is read, in characters, unless another limit is given.
    MAX_LENGTH: ClassVar[int] = 65536

    _scheme: str
    _host: str
    _port: int | None
    _path: str
    _query: str | None
    _fragment: str | None
    _username: str
    _password: str
    _href: str
    _host_header: str
    _request_target: str
    #: Made when they are first asked for; until then None.
    _origin: str | None
    _endpoint: HostPort | None
    _head_parts: tuple[bytes, bytes, bytes] | None

    @classmethod
    def parse(cls, text: str, *, max_length: int | None = MAX_LENGTH) -> Url:
        """Read an absolute URL. Raises HttpError.InvalidUri with the reason.

        The same text may give the same object: the last ones that were read are remembered.
        """
        if cls is Url and type(text) is str and len(text) <= _LONGEST_REMEMBERED:
            longest = _LONGEST_REMEMBERED if max_length is None else max_length
            if len(text) <= longest:
                return _parsed(text)
        return cls._read(text, None, max_length)

    @classmethod
    def can_parse(cls, text: str) -> bool:
        """Whether `parse` would take it."""
        try:
            cls.parse(text)
        except HttpError.InvalidUri:
            return False
        return True

    def resolve(self, reference: str, *, max_length: int | None = MAX_LENGTH) -> Url:
        """What `reference` (`../x`, `?q`, `//host/`, a whole URL) means where this URL is the base.

        As for the Location header: a fragment of the base is not handed on (RFC 9110 section 10.2.2 leaves
        that to who follows a redirect). Raises HttpError.InvalidUri.
        """
        return type(self)._read(reference, self, max_length)

    @classmethod
    def _read(cls, text: str, base: Url | None, max_length: int | None) -> Url:
        import ada_url

        if not isinstance(text, str):
            raise TypeError(f"a URL is text, not {type(text).__name__}")
        if max_length is not None and len(text) > max_length:
            raise HttpError.InvalidUri(f"it is longer than {max_length} characters", text)
        try:
            found = ada_url.URL(text, base=None if base is None else base._href)
        except ValueError as error:
            reason, hint = _why_not(text, base)
            # A password in the text is not repeated.
            raise HttpError.InvalidUri(reason, _without_secrets(text), hint=hint) from error
        made = cls._of(found)
        if made._port is None:
            assign(made, "_port", _written_default_port(made._scheme, text, base))
        return made

    @classmethod
    def _of(cls, found: URL) -> Url:
        made = cls.__new__(cls)
        href = found.href
        front, hash_mark, fragment = href.partition("#")
        front, question_mark, query = front.partition("?")
        scheme, _, rest = front.partition(":")
        if scheme in DEFAULT_PORTS:
            # Always //user:password@host:port/path, taken apart faster than ada-url hands it out in parts.
            authority, _, path = rest[2:].partition("/")
            path = f"/{path}"
            userinfo, _, host = authority.rpartition("@")
            username, _, password = userinfo.partition(":")
            if host[-1] != "]" and ":" in host:
                host, _, port = host.rpartition(":")
            else:
                port = ""
        else:
            host, port, path = found.hostname, found.port, found.pathname
            username, password = found.username, found.password
        target = f"{path}?{query}" if question_mark else path
        assign(made, "_href", href)
        assign(made, "_scheme", scheme)
        assign(made, "_host", host)
        assign(made, "_port", int(port) if port else None)
        assign(made, "_path", path)
        assign(made, "_username", username)
        assign(made, "_password", password)
        assign(made, "_query", query if question_mark else None)
        assign(made, "_fragment", fragment if hash_mark else None)
        assign(made, "_request_target", target)
        # The Standard writes no port that is the scheme's own.
        assign(made, "_host_header", f"{host}:{port}" if port else host)
        assign(made, "_origin", None)
        assign(made, "_endpoint", None)
        assign(made, "_head_parts", None)
        return made

    @property
    def scheme(self) -> str:
        """The scheme, in lower case and without its colon."""
        return self._scheme

    @property
    def host(self) -> str | None:
        """The host: a name (an international one as its `xn--` form) or an address, an IPv6 address without
        its brackets; None where the URL has none (`mailto:`, `file:///`).
        """
        return self._host.removeprefix("[").removesuffix("]") or None

    @property
    def ip(self) -> IpAddr | None:
        """The host as an address, where it is one: `http://0x7f.1/` is 127.0.0.1."""
        from netkit.addr import AddrParseError, IpAddr

        if self._scheme not in _SPECIAL and not self._host.startswith("["):
            return None  # an opaque host: to that scheme a name, whatever it looks like
        try:
            return IpAddr.parse(self.host or "")
        except AddrParseError:
            return None

    @property
    def port(self) -> int | None:
        """The port that was written, or None; see `effective_port` for the one to connect to."""
        return self._port

    @property
    def effective_port(self) -> int | None:
        """The port written, else the scheme's own; None where there is neither."""
        return DEFAULT_PORTS.get(self._scheme) if self._port is None else self._port

    @property
    def endpoint(self) -> HostPort | None:
        """Where to connect to: host and effective port, or None where the URL does not say."""
        if self._endpoint is None:
            from netkit.addr import HostPort

            host, port = self.host, self.effective_port
            if host is not None and port is not None:
                assign(self, "_endpoint", HostPort(self.ip or host, port))
        return self._endpoint

    @property
    def username(self) -> str:
        """The user's name, percent-encoded as in the URL; "" if there is none."""
        return self._username

    @property
    def password(self) -> str:
        """The password, percent-encoded as in the URL; "" if there is none."""
        return self._password

    @property
    def path(self) -> str:
        """The path, percent-encoded; "/" where an http URL has none."""
        return self._path

    @property
    def query(self) -> str | None:
        """What follows the question mark, percent-encoded; None without one, "" with nothing after it."""
        return self._query

    @property
    def fragment(self) -> str | None:
        """What follows the number sign, percent-encoded; None without one. It is never sent."""
        return self._fragment

    @property
    def query_params(self) -> tuple[tuple[str, str], ...]:
        """The query as a form's names and values, decoded (URL Standard section 5.1), in order."""
        from urllib.parse import unquote_to_bytes

        def decoded(part: str) -> str:
            return unquote_to_bytes(part.replace("+", " ")).decode("utf-8", "replace")

        pieces = [piece.partition("=") for piece in (self._query or "").split("&") if piece]
        return tuple([(decoded(name), decoded(value)) for name, _, value in pieces])

    @property
    def origin(self) -> str:
        """Scheme, host and port as the Standard compares sites; "null" for what is of no site.

        A blob is of the site in its path: that of `blob:https://a.example/x` is `https://a.example`. It is
        made once, so it is a cheap key for what belongs to a site, such as its connections.
        """
        if self._origin is None:
            assign(self, "_origin", self._site())
        return self._origin or "null"

    def _site(self) -> str:
        if self._scheme == "blob":
            try:
                inner = Url.parse(self._path)
            except HttpError.InvalidUri:
                return "null"
            return inner.origin if inner._scheme in ("http", "https") else "null"
        if self._scheme not in DEFAULT_PORTS:
            return "null"
        return f"{self._scheme}://{self._host_header}"

    @property
    def host_header(self) -> str:
        """The value of the Host header (RFC 9110 section 7.2): the port only where it is not the scheme's."""
        return self._host_header

    @property
    def head_parts(self) -> tuple[bytes, bytes, bytes]:
        """What the head of a request has of the URL, as octets: scheme, authority and target, made once.

        RFC 9113 section 8.3.1: `:scheme`, `:authority` (which is `host_header`) and `:path`. Raises
        HttpError.InvalidUri for what cannot be sent: a URL without a host, or a path without its slash.
        """
        if self._head_parts is None:
            target = self._request_target
            if not self._host:
                raise HttpError.InvalidUri("a request needs a host", self.redacted)
            if target[:1] != "/" or not target.isascii() or not target.isprintable() or " " in target:
                raise HttpError.InvalidUri("its path cannot be the target of a request", self.redacted)
            parts = (self._scheme.encode(), self._host_header.encode(), target.encode())
            assign(self, "_head_parts", parts)
            return parts
        return self._head_parts

    @property
    def authority(self) -> str:
        """Host and effective port, `example.com:443`: what CONNECT asks for (RFC 9112 section 3.2.3)."""
        port = self.effective_port
        return self._host if port is None else f"{self._host}:{port}"

    @property
    def request_target(self) -> str:
        """Path and query, as a request line has them (RFC 9112 section 3.2.1)."""
        return self._request_target

    @property
    def is_secure(self) -> bool:
        """Whether the scheme goes over TLS."""
        return self._scheme in ("https", "wss")

    @property
    def to_string(self) -> str:
        """The URL as the Standard writes it: what `str` gives."""
        return self._href

    @property
    def without_fragment(self) -> str:
        """The URL as it is sent where a request has a whole URL: a fragment is never sent."""
        return self._href if self._fragment is None else self._href.partition("#")[0]

    @property
    def redacted(self) -> str:
        """The URL for a log: a password in it is `***`."""
        if not self._password:
            return self._href
        return self._href.replace(f":{self._password}@", ":***@", 1)

    def replace(self, **changes: Any) -> Url:
        """The same with parts changed: scheme, username, password, host, port, path, query, fragment.

        What needs it is percent-encoded; None takes query, fragment or port out; `query` may be a mapping or
        pairs of names and values. Raises HttpError.InvalidUri for what a part cannot be.

            >>> str(Url.parse("http://example.com/?a").replace(path="/x y", query={"b": "1&2"}))
            'http://example.com/x%20y?b=1%262'
        """
        import ada_url

        unknown = changes.keys() - _PARTS.keys()
        if unknown:
            raise TypeError(f"a Url has no part {', '.join(sorted(unknown))}")
        found = ada_url.URL(self._href)
        port = self._port
        # In an order in which none undoes another: a scheme drops its own port, a host may be needed first.
        for part, attribute in _PARTS.items():
            if part not in changes:
                continue
            value = changes[part]
            if part == "query" and value is not None and not isinstance(value, str):
                value = _form(value)
            if part == "port":
                if value is not None and not (isinstance(value, int) and 0 <= value <= 65535):
                    raise HttpError.InvalidUri(f"{value!r} is not a port: a number from 0 to 65535")
                port = value
            text = "" if value is None else str(value)
            if part == "host" and ":" in text and not text.startswith("["):
                text = f"[{text}]"
            self._set(found, part, attribute, text)
        made = type(self)._of(found)
        if made._port is None and port == DEFAULT_PORTS.get(made._scheme):
            assign(made, "_port", port)
        return made

    @staticmethod
    def _set(found: URL, part: str, attribute: str, text: str) -> None:
        """Set a part; the Standard's setters ignore what they cannot take, this raises."""
        problem = HttpError.InvalidUri(f"{quoted(text)} cannot be the {part} of this URL")
        try:
            if part in ("port", "query", "fragment") and not text:
                delattr(found, attribute)
                return
            before = found.href
            setattr(found, attribute, text)
        except (ValueError, AttributeError) as error:
            raise problem from error
        if part == "scheme" and found.protocol != f"{text.lower().removesuffix(':')}:":
            raise problem
        if part == "host" and found.href == before and found.hostname != text.lower():
            raise problem
        if part == "port" and not found.port and int(text) != DEFAULT_PORTS.get(found.protocol[:-1]):
            raise problem
        if part in ("username", "password") and text and not getattr(found, attribute):
            raise problem

    def __eq__(self, other: object) -> bool:
        return self._href == other._href if isinstance(other, Url) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._href)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._href, self._port)

    def __repr__(self) -> str:
        return f"<Url {self.redacted}>"

    def __str__(self) -> str:
        return self._href


#: The parts that `replace` takes, and what the Standard calls them.
_PARTS = {
    "scheme": "protocol",
    "host": "hostname",
    "port": "port",
    "username": "username",
    "password": "password",
    "path": "pathname",
    "query": "search",
    "fragment": "hash",
}


@lru_cache(_REMEMBERED)
def _parsed(text: str) -> Url:
    """`Url.parse`, remembered. An error is not: to explain it again is rare, and may be long."""
    return Url._read(text, None, None)


def _restored(href: str, port: int | None) -> Url:
    import ada_url

    made = Url._of(ada_url.URL(href))
    assign(made, "_port", port)
    return made


def _form(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """Names and values as a form writes them (URL Standard section 5.2)."""
    from collections.abc import Mapping
    from urllib.parse import urlencode

    # The Standard leaves the asterisk and encodes the tilde, quote_plus the other way round.
    listed = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
    return urlencode(listed, safe="*").replace("~", "%7E")


def _clean(text: str) -> str:
    """The text as the Standard's parser begins with it."""
    return text.strip(_AROUND).translate(_ANYWHERE)


def _scheme_of(text: str) -> str:
    """The scheme at the beginning of a cleaned text, in lower case, or ""."""
    scheme, colon, _ = text.partition(":")
    if not colon or not (scheme[:1].isascii() and scheme[:1].isalpha()):
        return ""
    legal = scheme.isascii() and all(char.isalnum() or char in "+-." for char in scheme)
    return scheme.lower() if legal else ""


def _written_default_port(scheme: str, text: str, base: Url | None) -> int | None:
    """The scheme's own port, if it was written: the Standard then forgets that."""
    import ada_url

    default = DEFAULT_PORTS.get(scheme)
    if default is None:
        return None
    cleaned = _clean(text)
    if str(default) not in cleaned and (base is None or base._port is None):
        return None
    # A scheme with another port, read by the same rules, does not forget this one.
    sibling = _SIBLINGS[scheme]
    given = _scheme_of(cleaned)
    if given:
        cleaned = f"{sibling}{cleaned[len(given) :]}"
    sibling_base = None
    if base is not None and base._scheme == scheme:
        port = "" if base._port is None else f":{base._port}"
        sibling_base = f"{sibling}://{base._host}{port}/"
    try:
        written = ada_url.URL(cleaned, base=sibling_base).port
    except ValueError:  # relative to a base of another kind: nothing was written
        return None
    return default if written == str(default) else None


def _why_not(text: str, base: Url | None) -> tuple[str, str | None]:
    """Why the Standard's parser refuses a text, and what to do."""
    cleaned = _clean(text)
    if not cleaned and base is None:
        return "nothing is there", None
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "it holds half a character (a surrogate)", None
    scheme = _scheme_of(cleaned)
    if not scheme and base is None:
        start = cleaned.lstrip("/\\")
        hint = f"write https://{start}" if 0 < len(start) <= 80 and start.isprintable() else None
        return "it has no scheme", hint
    rest = cleaned[len(scheme) + 1 :] if scheme else cleaned
    scheme = scheme or (base._scheme if base is not None else "")
    special = scheme in _SPECIAL
    slashes = "/\\" if special else "/"
    authority = rest.lstrip(slashes) if special and scheme != "file" else rest[2:]
    end = next((at for at, char in enumerate(authority) if char in slashes or char in "?#"), len(authority))
    host = authority[:end].rpartition("@")[2]
    if host.startswith("["):
        return _why_not_bracketed(host)
    name, colon, port = host.partition(":")
    if not name:
        return "it has no host", None
    if colon and not (port.isascii() and (port.isdigit() or not port)):
        bare = "an IPv6 address belongs in brackets" if ":" in port else None
        return f"the port {quoted(port)} is not a number", bare
    if len(port.lstrip("0")) > 5 or (port and int(port.lstrip("0") or "0") > 65535):
        return f"the port {quoted(port)} is more than 65535", None
    return _why_not_host(name, special)


def _why_not_bracketed(host: str) -> tuple[str, str | None]:
    from netkit.addr import AddrParseError, Ipv6Addr

    address, bracket, port = host[1:].partition("]")
    if not bracket:
        return "the closing bracket is missing", None
    if "%" in address:
        return "an address in a URL has no zone", None
    try:
        Ipv6Addr.parse(address)
    except AddrParseError as error:
        return f"{quoted(address)} is not an IPv6 address: {error.reason}", None
    if port.startswith(":"):
        digits = port[1:]
        if digits.isascii() and digits.isdigit():
            return f"the port {quoted(digits)} is more than 65535", None
        return f"the port {quoted(digits)} is not a number", None
    return "only a port can follow the bracket", None


def _why_not_host(name: str, special: bool) -> tuple[str, str | None]:
    from urllib.parse import unquote

    decoded = unquote(name) if special else name
    for char in decoded:
        if char in _FORBIDDEN_HOST and (special or char != "%"):
            return f"{named(char)} cannot stand in a host", None
    last = decoded.removesuffix(".").rpartition(".")[2]
    if special and (last.isdigit() or last[:2].lower() == "0x"):
        return f"{quoted(decoded)} is not an IPv4 address", None
    if special and ("xn--" in decoded.lower() or not decoded.isascii()):
        return f"{quoted(decoded)} is not an internationalised name (UTS 46)", None
    return f"{quoted(decoded)} is not a host", None


def _without_secrets(text: str) -> str:
    """The text for a message: without what may be a password."""
    start = len(text) - len(text.lstrip(_AROUND))
    start += len(_scheme_of(text[start:])) or -1
    start += 1
    while text[start : start + 1] in ("/", "\\"):
        start += 1
    end = next((at for at in range(start, len(text)) if text[at] in "/\\?#"), len(text))
    at = text.rfind("@", start, end)
    colon = text.find(":", start, max(at, start))
    return text if colon < 0 else f"{text[: colon + 1]}***{text[at:]}"
