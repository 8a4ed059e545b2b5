"""A named session: cookies, headers and credentials that one run of a client leaves for the next.

A session is a value, and its file is JSON. Cookies are kept for their own domains (RFC 6265bis section 5.7).
Headers and credentials are kept for one origin (RFC 6454 section 4: scheme, host and port), the one that the
user gave them for: a session that is used with a second host tells it nothing about the first.

A file has one writer at a time. The lock is not on the file itself, which is replaced whole, but on another
one beside it, which stays.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from netkit._value import Value, assign
from netkit.http.cookies.cookie import SameSite, parse_cookie_header
from netkit.http.cookies.jar import CookieJar
from netkit.http.cookies.stored import StoredCookie
from netkit.http.errors import HttpError, quoted
from netkit.http.headers import Headers
from netkit.http.hosts import canonical_host
from netkit.http.state.state_file import MAX_FILE, read_state, write_state
from netkit.http.url import Url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

#: Origins and cookies of one session.
MAX_ORIGINS = 1000
MAX_COOKIES = 3000
#: Characters of a session's name, and how many there may be.
_NAME_CHARACTERS = frozenset("-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_MAX_NAME = 64

#: Fields of one request or one connection, which mean nothing in the next; besides Content-* and If-*.
#: Cookie is here because cookies are kept in another way.
_OF_ONE_REQUEST = frozenset(
    (
        *("connection", "cookie", "expect", "host", "keep-alive", "proxy-authorization"),
        *("proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade"),
    )
)

AUTH_KINDS: Final = ("basic", "bearer", "digest")


class SessionAuth(Value):
    """The credentials for one origin. `kind` is `"basic"`, `"digest"` or `"bearer"`.

    `username` is "" for a bearer token. `secret` is the password or the token; if it is None, the
    user is asked for it each time. Raises HttpError.InvalidValue for another kind.
    """

    __slots__ = ("kind", "secret", "username")
    __match_args__: ClassVar[tuple[str, ...]] = ("kind", "username", "secret")

    kind: str
    username: str
    secret: str | None

    def __init__(self, kind: str, username: str = "", secret: str | None = None) -> None:
        if kind not in AUTH_KINDS:
            known = ", ".join(AUTH_KINDS)
            raise HttpError.InvalidValue("auth kind", f"{quoted(kind)} is none of {known}")
        assign(self, "kind", kind)
        assign(self, "username", username)
        assign(self, "secret", secret)

    def __repr__(self) -> str:
        secret = "no secret" if self.secret is None else "***"
        return f"<SessionAuth {self.kind} {self.username!r} {secret}>"


class OriginState(Value):
    """What a session keeps for one origin: headers in order, and credentials."""

    __slots__ = ("auth", "headers")
    __match_args__: ClassVar[tuple[str, ...]] = ("headers", "auth")

    headers: tuple[tuple[str, str], ...]
    auth: SessionAuth | None

    def __init__(self, headers: Iterable[tuple[str, str]] = (), auth: SessionAuth | None = None) -> None:
        assign(self, "headers", Headers(headers).fields)  # checks each of them
        assign(self, "auth", auth)

    def __repr__(self) -> str:
        return f"<OriginState {[name for name, _ in self.headers]} {self.auth!r}>"


class Session(Value):
    """All that a session keeps, immutable; `origins` are pairs of an origin and its state.

        >>> url = Url.parse("https://example.com/login")
        >>> session = Session().with_request(url, [("X-Team", "red"), ("Content-Type", "text/plain")])
        >>> session.headers_for(url), session.headers_for(Url.parse("https://example.org/"))
        ((('X-Team', 'red'),), ())

    Raises HttpError.InvalidValue for an origin that is none, and over a limit.
    """

    __slots__ = ("cookies", "origins")
    __match_args__: ClassVar[tuple[str, ...]] = ("cookies", "origins")

    cookies: tuple[StoredCookie, ...]
    origins: tuple[tuple[str, OriginState], ...]

    def __init__(
        self, cookies: Iterable[StoredCookie] = (), origins: Iterable[tuple[str, OriginState]] = ()
    ) -> None:
        kept, states = tuple(cookies), tuple(sorted(dict(origins).items(), key=lambda pair: pair[0]))
        for what, count, limit in (
            ("cookies", len(kept), MAX_COOKIES),
            ("origins", len(states), MAX_ORIGINS),
        ):
            if count > limit:
                raise HttpError.InvalidValue("session", f"more than {limit} {what}", limit=limit)
        for origin, _ in states:
            if not Url.can_parse(origin) or Url.parse(origin).origin != origin:
                raise HttpError.InvalidValue("session", f"{quoted(origin)} is not an origin")
        assign(self, "cookies", kept)
        assign(self, "origins", states)

    def state_for(self, url: Url) -> OriginState:
        """What is kept for the origin of `url`."""
        return dict(self.origins).get(url.origin, OriginState())

    def headers_for(self, url: Url) -> tuple[tuple[str, str], ...]:
        """The headers that go with a request to `url`."""
        return self.state_for(url).headers

    def auth_for(self, url: Url) -> SessionAuth | None:
        """The credentials for a request to `url`."""
        return self.state_for(url).auth

    def jar(self, now: float) -> CookieJar:
        """A jar with the cookies whose time is not over."""
        kept = [cookie for cookie in self.cookies if not cookie.is_expired(now)]
        return CookieJar(kept, max_cookies=MAX_COOKIES)

    def with_cookies(self, cookies: Iterable[StoredCookie]) -> Session:
        """The same session with these cookies, those of a jar after a run, instead of its own."""
        return Session(cookies, self.origins)

    def with_request(
        self, url: Url, headers: Iterable[tuple[str, str | None]], auth: SessionAuth | None = None
    ) -> Session:
        """The session after the user gave `headers` and `auth` for a request to `url`.

        A header replaces all that the session has of its name; None as its value forgets them. Fields of one
        request (Content-*, If-*, Host, Range, Connection, ...) are not kept, nor is Cookie: see
        `cookies_of_header`. If `auth` is None, the credentials stay.
        """
        given = [(name, value) for name, value in headers if is_kept(name)]
        names = {name.lower() for name, _ in given}
        old = self.state_for(url)
        fields = [field for field in old.headers if field[0].lower() not in names]
        fields += [(name, value) for name, value in given if value is not None]
        state = OriginState(fields, old.auth if auth is None else auth)
        return Session(self.cookies, (*self.origins, (url.origin, state)))

    @classmethod
    def parse(cls, text: str | bytes) -> Session:
        """Read the JSON that `to_json` writes. Raises HttpError.InvalidValue, which names the wrong place."""
        import json

        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError):
            _wrong("the file is not JSON")
        whole = _object(value, "the file")
        if whole.get("type") != _TYPE:
            _wrong("the file is not a session")
        if whole.get("version") != _VERSION:
            _wrong(f"the version of the file is not {_VERSION}: another netkit has written it")
        cookies, origins = [], []
        for at, each in enumerate(_list(whole.get("cookies", []), "cookies")):
            cookies.append(_cookie(_object(each, f"cookies[{at}]"), f"cookies[{at}]"))
        for origin, each in _object(whole.get("origins", {}), "origins").items():
            where = f"origins[{quoted(origin)}]"
            origins.append((origin, _state(_object(each, where), where)))
        try:
            return cls(cookies, origins)
        except HttpError.InvalidValue as error:
            _wrong(error.reason)

    def to_json(self) -> str:
        """The text of a session's file."""
        import json

        whole = {
            "type": _TYPE,
            "version": _VERSION,
            "cookies": [_cookie_fields(cookie) for cookie in self.cookies],
            "origins": {origin: _state_fields(state) for origin, state in self.origins},
        }
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"

    def __repr__(self) -> str:
        return f"<Session with {len(self.cookies)} cookies, {[origin for origin, _ in self.origins]}>"


_TYPE, _VERSION = "netkit.session", 1


def is_kept(name: str) -> bool:
    """Whether a session keeps headers of this name."""
    key = name.lower()
    return not key.startswith(("content-", "if-")) and key not in _OF_ONE_REQUEST


def cookies_of_header(url: Url, value: str, now: float) -> list[StoredCookie]:
    """The cookies in a Cookie header that the user gave for a request to `url`, to be put in a jar.

    They are for that host alone, and Secure if the URL is: the user gave them for no other. Raises
    HttpError.InvalidValue.
    """
    host = canonical_host(url.host or "") or ""
    return [
        StoredCookie(name, text, host, secure=url.is_secure, created=now)
        for name, text in parse_cookie_header(value)
    ]


def _wrong(reason: str) -> NoReturn:
    raise HttpError.InvalidValue("session", reason, fault="local") from None


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        _wrong(f"{where} is not an object")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        _wrong(f"{where} is not a list")
    return value


def _text(fields: dict[str, object], key: str, where: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        _wrong(f"{where}.{key} is not text")
    return value


def _flag(fields: dict[str, object], key: str, where: str) -> bool:
    value = fields.get(key, False)
    if not isinstance(value, bool):
        _wrong(f"{where}.{key} is neither true nor false")
    return value


def _time(fields: dict[str, object], key: str, where: str) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 2**53:
        _wrong(f"{where}.{key} is not a number of seconds")
    return float(value)


def _cookie(fields: dict[str, object], where: str) -> StoredCookie:
    same_site: SameSite | None = None
    if fields.get("same_site") is not None:
        word = _text(fields, "same_site", where)
        try:
            same_site = SameSite(word)
        except ValueError:
            _wrong(f"{where}.same_site is none of Strict, Lax, None")
    name, value, domain, path = [_text(fields, key, where) for key in ("name", "value", "domain", "path")]
    host_only, secure, http_only = [_flag(fields, key, where) for key in ("host_only", "secure", "http_only")]
    expires, created = _time(fields, "expires", where), _time(fields, "created", where) or 0.0
    try:
        return StoredCookie(
            name, value, domain, path, host_only, secure, http_only, same_site, expires, created
        )
    except HttpError.InvalidValue as error:
        _wrong(f"{where}: {error}")


def _cookie_fields(cookie: StoredCookie) -> dict[str, object]:
    fields: dict[str, object] = {field: getattr(cookie, field) for field in StoredCookie.__match_args__}
    fields["same_site"] = None if cookie.same_site is None else cookie.same_site.value
    return fields


def _state(fields: dict[str, object], where: str) -> OriginState:
    headers: list[tuple[str, str]] = []
    for at, each in enumerate(_list(fields.get("headers", []), f"{where}.headers")):
        match each:
            case [str(name), str(value)]:
                headers.append((name, value))
            case _:
                _wrong(f"{where}.headers[{at}] is not a name and a value")
    auth: SessionAuth | None = None
    try:
        if fields.get("auth") is not None:
            given, inside = _object(fields["auth"], f"{where}.auth"), f"{where}.auth"
            secret = None if given.get("secret") is None else _text(given, "secret", inside)
            auth = SessionAuth(_text(given, "kind", inside), _text(given, "username", inside), secret)
        return OriginState(headers, auth)
    except HttpError.InvalidValue as error:
        if error.field == "session":
            raise
        _wrong(f"{where}: {error}")


def _state_fields(state: OriginState) -> dict[str, object]:
    auth = state.auth
    kept = None if auth is None else {"kind": auth.kind, "username": auth.username, "secret": auth.secret}
    return {"headers": [list(field) for field in state.headers], "auth": kept}


# The edge: directory, lock, file.


def session_directory(environ: Mapping[str, str]) -> str:
    """Where sessions are: `$XDG_STATE_HOME/netkit/sessions`, by default under `~/.local/state`.

    XDG Base Directory Specification: a path that is not absolute is ignored.
    """
    state = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        home = environ.get("HOME") or os.path.expanduser("~")
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, "netkit", "sessions")


def checked_session_name(name: str) -> str:
    """The name, if a file can be called so: letters, digits, `-`, `_` and `.`, at most 64, no dot in front.

    Raises HttpError.InvalidValue.
    """
    if not name or len(name) > _MAX_NAME or name[0] == "." or not _NAME_CHARACTERS.issuperset(name):
        hint = f"letters, digits, - _ and dots, at most {_MAX_NAME}, and no dot in front"
        raise HttpError.InvalidValue("session name", f"{quoted(name)} cannot be one", hint=hint)
    return name


class SessionFile:
    """The file of the session called `name`, locked from `with` on to its end.

        with SessionFile("work", session_directory(os.environ)) as file:
            session = file.load()
            ...
            file.save(session)

    Raises HttpError.InvalidValue for a name with a path in it, and OSError. At `with`, raises HttpError.Other
    if another process has the session.
    """

    def __init__(self, name: str, directory: str) -> None:
        self.name = checked_session_name(name)
        self.path = os.path.join(directory, f"{name}.json")
        self._lock_path = os.path.join(directory, f".{name}.lock")
        self._fd: int | None = None

    def __enter__(self) -> Self:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._fd = os.open(self._lock_path, flags, 0o600)
        try:
            self._lock(self._fd)
        except BaseException:
            self.close()
            raise
        return self

    def _lock(self, fd: int) -> None:
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:
            return  # Windows: no advisory locks
        try:
            flock(fd, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise HttpError.Other(
                f"the session {self.name} is in use by another process",
                fault="local",
                hint="wait until it has ended, or use another session",
            ) from None

    def load(self) -> Session:
        """The session; an empty one if there is no file. Raises OSError and HttpError.InvalidValue."""
        try:
            text = read_state(self.path, max_size=MAX_FILE)
        except FileNotFoundError:
            return Session()
        return Session.parse(text)

    def save(self, session: Session) -> None:
        """Replace the file, with mode 0600. Raises OSError."""
        write_state(self.path, session.to_json().encode())

    def close(self) -> None:
        """Give up the lock."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def __exit__(self, *exc_info: object) -> None:
        self.close()
