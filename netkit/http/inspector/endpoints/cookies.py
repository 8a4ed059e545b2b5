"""Cookies: shown, set, deleted (RFC 6265)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from netkit.http.cookies.cookie import Cookie, parse_cookie_header
from netkit.http.errors import HttpError
from netkit.http.inspector.endpoint import Group

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Cookies")

_PAST = datetime(1970, 1, 1, tzinfo=UTC)


def cookies_of(call: Call) -> dict[str, str]:
    """The cookies of a request by name; of one name, the first counts."""
    found: dict[str, str] = {}
    for line in call.headers.get_all("Cookie"):
        for name, value in parse_cookie_header(line):
            found.setdefault(name, _text(value))
    return found


def _text(value: str) -> str:
    """A value without the quotes around it, and as UTF-8 where it is."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def set_cookie(call: Call, name: str, value: str) -> tuple[str, str]:
    """The field that sets a cookie for all paths of this server. Raises HttpError.InvalidValue."""
    secure = call.exchange.connection.scheme == "https"
    try:
        return "Set-Cookie", Cookie(name, value, path="/", secure=secure).to_header_value()
    except HttpError.InvalidValue:
        # Servers do send such values: a client has to cope. What would end the line is refused as it is sent.
        if not name or any(char in f"{name}{value}" for char in ";\r\n\0") or "=" in name:
            raise
        return "Set-Cookie", f"{name}={value}; Path=/{'; Secure' if secure else ''}"


@GROUP.add(
    "/cookies", "the cookies of the request", finds="cookies that are lost, or sent where they must not be"
)
def cookies(call: Call) -> Flow[None]:
    yield from call.json_flow({"cookies": cookies_of(call)})


@GROUP.add(
    "/cookies/set",
    "sets the cookies that the query names, and redirects to /cookies",
    finds="cookies of a redirect that are not kept",
    arguments={"...": "a cookie's name and value"},
    examples=("/cookies/set?a=1&b=2",),
)
def cookies_set(call: Call) -> Flow[None]:
    fields = [set_cookie(call, name, value) for name, value in dict(call.arguments).items()]
    yield from call.redirect_flow("/cookies", fields=fields)


@GROUP.add("/cookies/set/{name}/{value}", "the same with one cookie", examples=("/cookies/set/a/1",))
def cookies_set_one(call: Call) -> Flow[None]:
    variables = call.variables
    yield from call.redirect_flow(
        "/cookies", fields=[set_cookie(call, variables["name"], variables["value"])]
    )


@GROUP.add(
    "/cookies/set-detail/{name}/{value}",
    "sets a cookie with the attributes that the query names, and redirects to /cookies",
    finds="attributes that a client does not keep to: path, domain, secure, expiry",
    arguments={
        "path": "Path",
        "domain": "Domain",
        "max_age": "Max-Age, in seconds",
        "expires": "Expires, as it is written",
        "secure": "`1` for Secure",
        "httponly": "`1` for HttpOnly",
        "samesite": "SameSite",
    },
    examples=("/cookies/set-detail/a/1?path=/cookies&httponly=1",),
)
def cookies_set_detail(call: Call) -> Flow[None]:
    name, value = call.variables["name"], call.variables["value"]
    if any(char in f"{name}{value}" for char in ";\r\n\0") or "=" in name:
        raise HttpError.InvalidValue("cookie", "a semicolon or a line's end cannot stand in it")
    parts = [f"{name}={value}"]
    for argument, attribute in (
        ("path", "Path"),
        ("domain", "Domain"),
        ("max_age", "Max-Age"),
        ("expires", "Expires"),
        ("samesite", "SameSite"),
    ):
        if call.has(argument):
            parts.append(f"{attribute}={call.argument(argument)}")
    parts += [attribute for attribute in ("Secure", "HttpOnly") if call.argument(attribute.lower()) == "1"]
    yield from call.redirect_flow("/cookies", fields=[("Set-Cookie", "; ".join(parts))])


@GROUP.add(
    "/cookies/delete",
    "deletes the cookies that the query names, and redirects to /cookies",
    finds="cookies that stay although they have ended",
    arguments={"...": "a cookie's name"},
    examples=("/cookies/delete?a",),
)
def cookies_delete(call: Call) -> Flow[None]:
    fields = [
        ("Set-Cookie", Cookie(name, "", path="/", expires=_PAST, max_age=0).to_header_value())
        for name in dict(call.arguments)
    ]
    yield from call.redirect_flow("/cookies", fields=fields)
