"""Exchanges as an HTTP Archive (HAR 1.2), the format that browsers and debugging proxies read.

The format is that of the W3C's draft of August 2012, which is also what browsers write. Times in it are
milliseconds, and -1 is a phase that did not happen. What the draft has no place for stands under names that
begin with `_`, as it says: an error, or that a request's body is in base64.

A HAR file is made to be given away, and is full of secrets. So this module leaves them out unless it is told
otherwise: values of headers that are credentials or cookies, cookies, passwords in URLs, and parameters of a
query or a form that are called like secrets (`access_token`, `password`). Other bodies are kept as they are.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from typing import TYPE_CHECKING, ClassVar

from netkit._value import Value, assign
from netkit._version import __version__
from netkit.http.cookies.cookie import Cookie, parse_cookie_header
from netkit.http.errors import HttpError
from netkit.http.headers import SENSITIVE
from netkit.http.message import charset_of, decode_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from netkit.http.har.format import (
        Archive,
        Content,
        Entry,
        HarCookie,
        HarRequest,
        HarResponse,
        NamedValue,
        PostData,
        Timings,
    )

#: What stands in the place of a secret.
REDACTED = "***"
#: Headers that are secrets beside those that netkit knows everywhere.
_SECRET_HEADERS = SENSITIVE | {"x-api-key", "x-auth-token", "x-csrf-token", "x-amz-security-token"}
#: Parameters of a query or a form whose values are secrets, in lower case.
SECRET_PARAMETERS = frozenset(
    (
        "access_token",
        "api_key",
        "apikey",
        "auth",
        "client_secret",
        "code",
        "id_token",
        "key",
        "passwd",
        "password",
        "refresh_token",
        "secret",
        "session",
        "sessionid",
        "sig",
        "signature",
        "token",
        "x-amz-security-token",
        "x-amz-signature",
    )
)
#: The phases that an exchange may have. In HAR, TLS is a part of connecting.
PHASES = ("blocked", "dns", "connect", "tls", "send", "wait", "receive")
#: What is text of the media types application/*, beside what ends in one of the ends.
_TEXT_TYPES = frozenset(
    ("ecmascript", "graphql", "javascript", "json", "ndjson", "x-javascript", "x-ndjson", "xml", "yaml")
)
_TEXT_ENDS = ("+json", "+xml", "+yaml", "-json", "x-www-form-urlencoded")
#: A password in a URL, and a parameter in its query or fragment.
_PASSWORD = re.compile(r"^([A-Za-z][\w+.-]*://[^/?#@:]*:)[^/?#@]*@")
_PARAMETER = re.compile(r"([?&#])([^=&#]+)=([^&#]*)")


class HarExchange(Value):
    """One request and what came of it.

    `started` is when it began, with its zone. `request_headers` and `headers` are pairs, in order; Host is
    among them as it was sent. `body` is the response's body with its codings undone, None if it was not kept
    or there is none; `body_size` is how many octets came over the network (None: unknown). `phases` are
    seconds by the names of PHASES; a phase that is not there did not happen. `error` says why there is no
    response, or no whole one. `server` is the address of the peer without its port.
    """

    __slots__ = (
        "body",
        "body_size",
        "connection",
        "error",
        "headers",
        "method",
        "phases",
        "reason",
        "request_body",
        "request_headers",
        "server",
        "started",
        "status",
        "url",
        "version",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "started",
        "method",
        "url",
        "version",
        "request_headers",
        "request_body",
        "status",
        "reason",
        "headers",
        "body",
        "body_size",
        "phases",
        "server",
        "connection",
        "error",
    )

    started: datetime
    method: str
    url: str
    version: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: bytes | None
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    body_size: int | None
    phases: Mapping[str, float]
    server: str | None
    connection: str | None
    error: str | None

    def __init__(
        self,
        started: datetime,
        method: str,
        url: str,
        version: str = "HTTP/1.1",
        request_headers: Iterable[tuple[str, str]] = (),
        request_body: bytes | None = None,
        status: int = 0,
        reason: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        body_size: int | None = None,
        phases: Mapping[str, float] | None = None,
        server: str | None = None,
        connection: str | None = None,
        error: str | None = None,
    ) -> None:
        if started.tzinfo is None:
            raise HttpError.InvalidValue("started", "a moment needs its zone")
        assign(self, "started", started)
        assign(self, "method", method)
        assign(self, "url", url)
        assign(self, "version", version)
        assign(self, "request_headers", tuple(request_headers))
        assign(self, "request_body", request_body)
        assign(self, "status", status)
        assign(self, "reason", reason)
        assign(self, "headers", tuple(headers))
        assign(self, "body", body)
        assign(self, "body_size", body_size)
        assign(self, "phases", dict(phases or {}))
        assign(self, "server", server)
        assign(self, "connection", connection)
        assign(self, "error", error)


def archive(exchanges: Iterable[HarExchange], *, secrets: bool = False) -> Archive:
    """The archive of exchanges, as an object that `json.dumps` takes.

    `secrets`: keep what is otherwise `***`.
    """
    entries = [_Scribe(secrets).entry(each) for each in exchanges]
    return {
        "log": {"version": "1.2", "creator": {"name": "netkit", "version": __version__}, "entries": entries}
    }


def is_text(media_type: str) -> bool:
    """Whether a media type is one of text.

    >>> is_text("application/problem+json; charset=utf-8"), is_text("image/png"), is_text("text/event-stream")
    (True, False, True)
    """
    plain = media_type.partition(";")[0].strip().lower()
    kind, _, name = plain.partition("/")
    return kind == "text" or (kind == "application" and name in _TEXT_TYPES) or name.endswith(_TEXT_ENDS)


class _Scribe:
    """Writes entries, with or without their secrets."""

    def __init__(self, secrets: bool) -> None:
        self._secrets = secrets

    def entry(self, exchange: HarExchange) -> Entry:
        timings = _timings(exchange.phases)
        made: Entry = {
            "startedDateTime": exchange.started.isoformat(timespec="milliseconds"),
            "time": _whole(timings),
            "request": self._request(exchange),
            "response": self._response(exchange),
            "cache": {},
            "timings": timings,
        }
        if exchange.server is not None:
            made["serverIPAddress"] = exchange.server
        if exchange.connection is not None:
            made["connection"] = exchange.connection
        return made

    def _request(self, exchange: HarExchange) -> HarRequest:
        from netkit.http.url import Url

        url = Url.parse(exchange.url)
        body = exchange.request_body
        cookie = _first(exchange.request_headers, "cookie")
        made: HarRequest = {
            "method": exchange.method,
            "url": self._url(exchange.url),
            "httpVersion": exchange.version,
            "cookies": [
                {"name": name, "value": self._secret(value)}
                for name, value in (parse_cookie_header(cookie) if cookie else ())
            ],
            "headers": self._headers(exchange.request_headers),
            "queryString": self._parameters(url.query_params),
            "headersSize": _size(
                exchange.request_headers, len(exchange.method) + len(url.request_target) + 12
            ),
            "bodySize": len(body or b""),
        }
        if body is not None:
            made["postData"] = self._post_data(body, _first(exchange.request_headers, "content-type") or "")
        return made

    def _post_data(self, body: bytes, media_type: str) -> PostData:
        text = _as_text(body, media_type)
        if text is None:
            return {"mimeType": media_type, "params": [], "text": _base64(body), "_encoding": "base64"}
        params: list[NamedValue] = []
        if media_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            pairs = _form_pairs(text)
            params = self._parameters(pairs)
            if not self._secrets and any(_is_secret(name) for name, _ in pairs):
                from urllib.parse import urlencode

                text = urlencode([(each["name"], each["value"]) for each in params], safe="*")
        return {"mimeType": media_type, "params": params, "text": text}

    def _response(self, exchange: HarExchange) -> HarResponse:
        made: HarResponse = {
            "status": exchange.status,
            "statusText": exchange.reason,
            "httpVersion": exchange.version if exchange.status else "",
            "cookies": self._set_cookies(exchange.headers),
            "headers": self._headers(exchange.headers),
            "content": _content(exchange),
            "redirectURL": self._location(exchange),
            "headersSize": _size(exchange.headers, len(exchange.reason) + 15) if exchange.status else -1,
            "bodySize": -1 if exchange.body_size is None else exchange.body_size,
        }
        if exchange.error is not None:
            made["_error"] = exchange.error
        return made

    def _location(self, exchange: HarExchange) -> str:
        location = _first(exchange.headers, "location") if 300 <= exchange.status < 400 else None
        return "" if location is None else self._url(location)

    def _headers(self, fields: Sequence[tuple[str, str]]) -> list[NamedValue]:
        found: list[NamedValue] = []
        for name, value in fields:
            lower = name.lower()
            if lower in _SECRET_HEADERS:
                value = self._secret(value)
            elif lower in ("location", "referer", "content-location"):
                value = self._url(value)
            found.append({"name": name, "value": value})
        return found

    def _parameters(self, pairs: Iterable[tuple[str, str]]) -> list[NamedValue]:
        return [
            {"name": name, "value": self._secret(value) if _is_secret(name) else value}
            for name, value in pairs
        ]

    def _set_cookies(self, fields: Sequence[tuple[str, str]]) -> list[HarCookie]:
        found: list[HarCookie] = []
        for name, value in fields:
            if name.lower() != "set-cookie":
                continue
            try:
                cookie = Cookie.parse(value)
            except HttpError:
                continue  # no client would keep it; the header is there
            made: HarCookie = {
                "name": cookie.name,
                "value": self._secret(cookie.value),
                "httpOnly": cookie.http_only,
                "secure": cookie.secure,
            }
            if cookie.path is not None:
                made["path"] = cookie.path
            if cookie.domain is not None:
                made["domain"] = cookie.domain
            if cookie.expires is not None:
                made["expires"] = cookie.expires.isoformat()
            found.append(made)
        return found

    def _url(self, text: str) -> str:
        """A URL, or a reference to one, without its password and without parameters that are secrets."""
        if self._secrets:
            return text
        text = _PASSWORD.sub(rf"\g<1>{REDACTED}@", text)
        return _PARAMETER.sub(
            lambda found: f"{found[1]}{found[2]}={REDACTED}" if _is_secret(found[2]) else found[0], text
        )

    def _secret(self, value: str) -> str:
        return value if self._secrets else REDACTED


def _is_secret(parameter: str) -> bool:
    return parameter.lower() in SECRET_PARAMETERS


def _timings(phases: Mapping[str, float]) -> Timings:
    def ms(name: str) -> float:
        return round(phases[name] * 1000, 3) if name in phases else -1

    connect, tls = ms("connect"), ms("tls")
    return {
        "blocked": ms("blocked"),
        "dns": ms("dns"),
        "connect": connect if tls < 0 else round(max(0.0, connect) + tls, 3),
        "ssl": tls,
        "send": max(0.0, ms("send")),
        "wait": max(0.0, ms("wait")),
        "receive": max(0.0, ms("receive")),
    }


def _whole(timings: Timings) -> float:
    """The milliseconds of all phases; TLS is in connecting."""
    parts = [timings["blocked"], timings["dns"], timings["connect"]]
    parts += [timings["send"], timings["wait"], timings["receive"]]
    return round(sum(max(0.0, part) for part in parts), 3)


def _content(exchange: HarExchange) -> Content:
    media_type = _first(exchange.headers, "content-type") or ""
    body = exchange.body
    made: Content = {"size": len(body or b""), "mimeType": media_type}
    if body is None:
        if exchange.body_size:
            made["size"] = exchange.body_size
            made["comment"] = "the body was not kept"
        return made
    text = _as_text(body, media_type)
    if text is None:
        made["text"], made["encoding"] = _base64(body), "base64"
    else:
        made["text"] = text
    if exchange.body_size is not None and exchange.body_size < len(body):
        made["compression"] = len(body) - exchange.body_size
    return made


def _as_text(body: bytes, media_type: str) -> str | None:
    """A body as text; None where it is none, or would not come back the same."""
    if media_type and not is_text(media_type):
        return None
    try:
        text = decode_body(body, charset_of(media_type))
    except HttpError:
        return None
    return None if "\0" in text else text


def _form_pairs(text: str) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    return parse_qsl(text, keep_blank_values=True)


def _base64(octets: bytes) -> str:
    return b2a_base64(octets, newline=False).decode("ascii")


def _first(fields: Iterable[tuple[str, str]], lower: str) -> str | None:
    return next((value for name, value in fields if name.lower() == lower), None)


def _size(fields: Iterable[tuple[str, str]], start_line: int) -> int:
    """Octets of a head in HTTP/1.1, with the empty line."""
    return start_line + 2 + sum(len(name) + len(value) + 4 for name, value in fields)
