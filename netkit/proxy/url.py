"""The URL of a proxy: `socks5://user:password@proxy.example:1080`, `http://127.0.0.1:3128`.

The form is that of RFC 3986. A password never appears in a message, `repr` or `str`: an error quotes wrong
text only after `user:password@` is removed.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from netkit.addr import AddrParseError, HostPort
from netkit.proxy.errors import ProxyError

FORM: Final = (
    "write socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before the host if it asks for it"
)

#: Schemes, their protocols and their default ports. With socks5 the proxy looks up names, as with curl's
#: socks5h.
_SCHEMES: Final = {"socks5": ("socks5", 1080), "socks5h": ("socks5", 1080), "http": ("http", 80)}


class Proxy:
    """The address of a proxy, its protocol (`"socks5"` or `"http"`), and the user's credentials. Immutable.

    `endpoint` is a `HostPort`. `username` and `password` are None or text; the dialogues check which
    characters the text may contain.
    """

    __slots__ = ("endpoint", "password", "scheme", "username")

    endpoint: HostPort
    scheme: str
    username: str | None
    password: str | None

    def __init__(
        self,
        scheme: str,
        endpoint: HostPort,
        *,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        if scheme not in _SCHEMES:
            raise ProxyError.InvalidProxy(f"{scheme[:20]!r} is not a kind of proxy that netkit knows", FORM)
        if not endpoint.port:
            raise ProxyError.InvalidProxy("port 0 cannot be connected to", FORM)
        put = object.__setattr__
        put(self, "scheme", _SCHEMES[scheme][0])
        put(self, "endpoint", endpoint)
        put(self, "username", username)
        put(self, "password", password)

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Read the URL of a proxy; user name and password may be percent-encoded.

        Raises `ProxyError.InvalidProxy`. Its message says what is wrong and never shows a password.
        """
        scheme, separator, rest = text.strip().partition("://")
        scheme = scheme.lower()
        if not separator:
            raise ProxyError.InvalidProxy("a proxy is written as a URL", FORM)
        if scheme not in _SCHEMES:
            raise ProxyError.InvalidProxy(f"{scheme[:20]!r} is not a kind of proxy that netkit knows", FORM)
        authority, _, path = rest.partition("/")
        if path or "?" in authority or "#" in authority:
            raise ProxyError.InvalidProxy("a proxy's URL ends after its port", FORM)
        userinfo, at, place = authority.rpartition("@")
        username = password = None
        if at:
            user, colon, secret = userinfo.partition(":")
            if not user:
                raise ProxyError.InvalidProxy("the user name is missing before the @", FORM)
            username, password = _decoded(user), _decoded(secret) if colon else ""
        try:
            endpoint = HostPort.parse(place, _SCHEMES[scheme][1])
        except AddrParseError as error:
            raise ProxyError.InvalidProxy(str(error), FORM) from None
        return cls(scheme, endpoint, username=username, password=password)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Proxy does not change: {name}")

    def __reduce__(self) -> tuple[object, ...]:
        return _remade, self._all()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proxy) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def _all(self) -> tuple[object, ...]:
        return self.scheme, self.endpoint, self.username, self.password

    def __str__(self) -> str:
        who = "" if self.username is None else f"{self.username}:***@"
        return f"{self.scheme}://{who}{self.endpoint}"

    def __repr__(self) -> str:
        return f"<Proxy {self}>"


def _remade(scheme: str, endpoint: HostPort, username: str | None, password: str | None) -> Proxy:
    return Proxy(scheme, endpoint, username=username, password=password)


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")
