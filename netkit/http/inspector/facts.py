"""What a request says, as httpbin shows it in JSON.

httpbin runs behind WSGI, which writes names of fields in its own way, and joins fields of one name with a
comma. So do these: test suites compare them. /wire shows the names as they came.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from netkit.addr import SocketAddr
from netkit.http.inspector.call import lists
from netkit.http.inspector.forms_in import received_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.inspector.call import Call
    from netkit.io import Flow

#: The longest body that is shown as JSON, in octets: to write it takes the time of others.
MAX_JSON = 1 << 20
#: How deep JSON that is shown may be: the module json calls itself for each level.
MAX_DEPTH = 100

#: Fields that proxies before a server add: httpbin leaves them out, unless the query has `show_env`.
PROXY_FIELDS = frozenset(
    (
        "connect-time",
        "total-route-time",
        "via",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-forwarded-protocol",
        "x-forwarded-ssl",
        "x-heroku-dynos-in-use",
        "x-heroku-queue-depth",
        "x-heroku-queue-wait-time",
        "x-real-ip",
        "x-request-id",
        "x-request-start",
        "x-varnish",
    )
)


def shown_headers(call: Call) -> dict[str, str]:
    """The fields by name, each word of a name with a capital; those of one name are joined with a comma."""
    hidden = frozenset() if call.has("show_env") else PROXY_FIELDS
    found: dict[str, list[str]] = {}
    for name, value in call.headers.fields:
        if name.lower() not in hidden:
            found.setdefault(name.title(), []).append(value)
    return {name: ",".join(values) for name, values in found.items()}


def shown_peer(call: Call) -> str:
    """Where the request came from: what a proxy says, or the address of the peer."""
    forwarded = call.headers.get_all("X-Forwarded-For")
    if forwarded:
        return ",".join(forwarded)
    peer = call.exchange.connection.peer
    return str(peer.ip if isinstance(peer, SocketAddr) else peer)


def shown_url(call: Call) -> str:
    """The URL of the request, with the scheme that a proxy before this server says."""
    headers = call.headers
    scheme = headers.get_first("X-Forwarded-Proto") or headers.get_first("X-Forwarded-Protocol")
    if scheme is None and headers.get_first("X-Forwarded-Ssl") == "on":
        scheme = "https"
    request = call.request
    query = f"?{request.query}" if request.query else ""
    return f"{scheme or call.exchange.connection.scheme}://{request.authority}{request.path}{query}"


def shown_octets(data: bytes, content_type: str = "application/octet-stream") -> str:
    """Octets as text where they are UTF-8, else as a data URL (RFC 2397)."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"data:{content_type};base64,{b64encode(data).decode()}"


def shown_json(data: bytes) -> Any:
    """A body as data; None if it is no JSON, or more of it than is shown."""
    if len(data) > MAX_JSON:
        return None
    try:
        value = json.loads(data.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return value if _is_shallow(value) else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_shallow(value: Any) -> bool:
    """Whether nothing in it is within more than `MAX_DEPTH` others."""
    level = [value]
    for _ in range(MAX_DEPTH):
        within: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                within += each.values()
            elif isinstance(each, list):
                within += each
        if not within:
            return True
        level = within
    return False


def facts(call: Call, *names: str) -> dict[str, Any]:
    """What a request without a body says: some of `url`, `args`, `headers`, `origin`, `method`."""
    made: dict[str, Callable[[], Any]] = {
        "url": lambda: shown_url(call),
        "args": lambda: lists(call.arguments),
        "headers": lambda: shown_headers(call),
        "origin": lambda: shown_peer(call),
        "method": lambda: call.method,
    }
    return {name: made[name]() for name in names}


def facts_with_body_flow(call: Call, *names: str) -> Flow[dict[str, Any]]:
    """Flow: the same of one with a body: also `form`, `data`, `files`, `json`."""
    body = yield from call.body_flow()
    content_type = call.headers.get_first("Content-Type") or ""
    # What is in a form with a content coding is not looked for.
    is_coded = (call.headers.combined("Content-Encoding") or "identity").strip().lower() != "identity"
    form = received_form(content_type, b"" if is_coded else body)
    data = body if form is None else b""
    files = [] if form is None else form.files
    of_body = {
        "form": {} if form is None else lists(form.fields),
        "data": shown_octets(data),
        "files": lists(
            [
                (each.name, shown_octets(each.data, each.content_type or "application/octet-stream"))
                for each in files
            ]
        ),
        "json": shown_json(data),
    }
    return {
        **facts(call, *(name for name in names if name not in of_body)),
        **{name: of_body[name] for name in names if name in of_body},
    }
