"""Redirects: chains, loops, to other hosts and schemes, and with references of every form.

RFC 9110 section 15.4 (redirection), 10.2.2 (Location), RFC 3986 section 4.2 (relative references).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from netkit.http.errors import HttpError
from netkit.http.hosts import canonical_host
from netkit.http.inspector.endpoint import ANY_METHOD, Group
from netkit.http.types import StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Redirects", "The target of each is /get, unless it says another.")

#: How long a chain may be.
MAX_CHAIN = 1000


def _left(call: Call) -> int:
    return call.number("n", 1, MAX_CHAIN, least=1)


@GROUP.add(
    "/redirect/{n:int}",
    "n redirects (302), relative, or with `absolute=true` absolute",
    finds="a limit of redirects that is wrong or missing",
    arguments={"absolute": "`true` for whole URLs"},
    examples=("/redirect/2", "/redirect/1?absolute=true"),
)
def redirect(call: Call) -> Flow[None]:
    n = _left(call)
    is_absolute = call.argument("absolute").lower() == "true"
    kind = "absolute" if is_absolute else "relative"
    start = call.origin if is_absolute else ""
    yield from call.redirect_flow(start + ("/get" if n == 1 else f"/{kind}-redirect/{n - 1}"))


@GROUP.add("/relative-redirect/{n:int}", "n relative redirects", examples=("/relative-redirect/2",))
def relative_redirect(call: Call) -> Flow[None]:
    n = _left(call)
    yield from call.redirect_flow("/get" if n == 1 else f"/relative-redirect/{n - 1}")


@GROUP.add("/absolute-redirect/{n:int}", "n redirects to whole URLs", examples=("/absolute-redirect/2",))
def absolute_redirect(call: Call) -> Flow[None]:
    n = _left(call)
    yield from call.redirect_flow(call.origin + ("/get" if n == 1 else f"/absolute-redirect/{n - 1}"))


@GROUP.add(
    "/redirect-to",
    "a redirect to `url`, as it is written, with the status `status_code`",
    methods=ANY_METHOD,
    finds="a method or a body that a client keeps or drops against RFC 9110 section 15.4",
    arguments={"url": "what Location says", "status_code": "300 to 399; 302 without it"},
    examples=("/redirect-to?url=/get&status_code=307",),
)
def redirect_to(call: Call) -> Flow[None]:
    if not call.has("url"):
        raise HttpError.InvalidValue("url", "it is missing")
    status = 302
    if call.has("status_code"):
        wanted = call.number("status_code", 302, 999)
        status = wanted if 300 <= wanted < 400 else 302
    if status in (300, 304, 306) or not StatusCode(status).is_registered:
        fields = [("Location", call.argument("url"))]
        yield from call.reply_flow(status, content_type=None, fields=fields)
        return
    yield from call.redirect_flow(call.argument("url"), status)


@GROUP.add(
    "/redirect-loop",
    "redirects to itself, without end",
    finds="a client that has no limit of redirects, or that sees no loop",
)
def redirect_loop(call: Call) -> Flow[None]:
    yield from call.redirect_flow("/redirect-loop")


@GROUP.add(
    "/redirect-cross/{n:int}",
    "n redirects, each to the other name of this server (`localhost` and `127.0.0.1`), then /headers",
    finds="Authorization and cookies that go to another origin; names that are not looked up again",
    examples=("/redirect-cross/1", "/redirect-cross/2"),
)
def redirect_cross(call: Call) -> Flow[None]:
    n = _left(call)
    path = "/headers" if n == 1 else f"/redirect-cross/{n - 1}"
    yield from call.redirect_flow(_other_host(call) + path)


@GROUP.add(
    "/redirect-origin",
    "a redirect to the server of another port or scheme that the settings name; 404 without one",
    finds="credentials that go to another port; a way from https to http that is taken without a word",
    arguments={"path": "where to; /headers without it"},
)
def redirect_origin(call: Call) -> Flow[None]:
    other = call.config.other_origin
    if other is None:
        yield from call.reply_flow(404, "no other origin is among the settings of this server\n")
        return
    path = call.argument("path", "/headers")
    if not path.startswith("/"):
        raise HttpError.InvalidValue("path", "it does not begin with a slash")
    yield from call.redirect_flow(other + path)


@GROUP.add(
    "/redirect-downgrade",
    "a redirect to the same host by http, at the port `port` (80 without it)",
    finds="a client that leaves TLS without a word",
    arguments={"port": "the port"},
)
def redirect_downgrade(call: Call) -> Flow[None]:
    host = _host(call)
    port = call.number("port", 80, 65_535, least=1)
    yield from call.redirect_flow(f"http://{host}{'' if port == 80 else f':{port}'}/get")


#: References of every form, each made of the origin of this server and the rest of it after the scheme.
_FORMS = {
    "absolute": "{origin}/get?form=absolute",
    "protocol-relative": "{relative}/get?form=protocol-relative",
    "path": "/get?form=path",
    "relative": "../get?form=relative",
    "dots": "/a/./b/../../get?form=dots",
    "query": "?form=query",
    "empty": "",
    "fragment": "/get?form=fragment#part",
    "spaces": "  /get?form=spaces",
    "unescaped": "/get?form=a b",
    "utf-8": "/get?form=\u00fc",
    "backslash": "\\get?form=backslash",
    "userinfo": "{scheme}://user:secret@{authority}/headers",
    "upper-case": "{upper}/get?form=upper-case",
    "no-port": "{scheme}://localhost:/get",
    "bad-port": "{scheme}://localhost:99999/get",
    "no-host": "{scheme}:///get",
    "scheme": "ftp://localhost/get",
    "file": "file:///etc/hostname",
    "javascript": "javascript:alert(1)",
    "data": "data:text/plain,hello",
}


@GROUP.add(
    "/redirect-form/{form}",
    "a redirect whose Location has that form: " + ", ".join(_FORMS),
    finds="references that are resolved wrongly; schemes that must not be followed; fragments that are lost",
    examples=tuple(f"/redirect-form/{form}" for form in _FORMS),
)
def redirect_form(call: Call) -> Flow[None]:
    form = call.variables["form"]
    template = _FORMS.get(form)
    if template is None:
        raise HttpError.InvalidValue("form", "none of " + ", ".join(_FORMS))
    if form == "query" and call.has("form"):
        yield from call.json_flow({"args": dict(call.arguments)})
        return
    origin, authority = call.origin, call.request.authority
    scheme = origin.partition(":")[0]
    location = template.format(
        origin=origin,
        relative=f"//{authority}",
        scheme=scheme,
        authority=authority,
        upper=f"{scheme.upper()}://{authority.upper()}",
    )
    yield from call.redirect_flow(location)


@GROUP.add(
    "/redirect-nowhere",
    "302 without Location",
    finds="a client that fails otherwise than with this response",
)
def redirect_nowhere(call: Call) -> Flow[None]:
    yield from call.reply_flow(302, "a redirect without Location\n")


@GROUP.add(
    "/redirect-twice",
    "302 with two fields Location, to /get?to=1 and to /get?to=2",
    finds="a client that chooses one without a word",
)
def redirect_twice(call: Call) -> Flow[None]:
    fields = [("Location", "/get?to=1"), ("Location", "/get?to=2")]
    yield from call.reply_flow(302, "two places\n", fields=fields)


@GROUP.add(
    "/redirect-body/{status:int}",
    "a redirect with that status to /anything, of any method",
    methods=ANY_METHOD,
    finds="POST that becomes GET where it must not (307, 308), or stays where it must not (303)",
    examples=("/redirect-body/303", "/redirect-body/307", "/redirect-body/308"),
)
def redirect_body(call: Call) -> Flow[None]:
    status = call.number("status", 302, 999)
    if status not in (301, 302, 303, 307, 308):
        raise HttpError.InvalidValue("status", "none of 301, 302, 303, 307, 308")
    yield from call.redirect_flow("/anything", status)


@GROUP.add(
    "/redirect-cookie",
    "a redirect to /cookies that sets a cookie",
    finds="cookies of a redirect that are not kept",
)
def redirect_cookie(call: Call) -> Flow[None]:
    yield from call.redirect_flow("/cookies", fields=[("Set-Cookie", "from=redirect; Path=/")])


@GROUP.add(
    "/links/{n:int}/{at:int}",
    "a page with links to n others; this is the one at that place",
    examples=("/links/3/0",),
)
def link_page(call: Call) -> Flow[None]:
    n, at = call.number("n", 1, 200), call.number("at", 0, 1 << 31)
    yield from call.html_flow("".join(_page(max(1, n), at)))


def _page(n: int, at: int) -> Iterator[str]:
    yield "<!doctype html>\n<html><head><title>Links</title></head><body>"
    for each in range(n):
        yield f"{each} " if each == at else f"<a href='/links/{n}/{each}'>{each}</a> "
    yield "</body></html>\n"


@GROUP.add(
    "/links/{n:int}", "a redirect to the first of n pages that link to each other", examples=("/links/3",)
)
def links(call: Call) -> Flow[None]:
    yield from call.redirect_flow(f"/links/{call.number('n', 1, 1 << 31)}/0")


def _host(call: Call) -> str:
    """The host of the request without its port, in brackets where it needs them."""
    authority = call.request.authority
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0] or "localhost"


def _other_host(call: Call) -> str:
    """The origin of this server by its other name."""
    host = _host(call)
    other = call.config.other_host
    if other is None or canonical_host(host) == other:
        other = "127.0.0.1" if host == "localhost" else "localhost"
    port = call.request.authority.removeprefix(host)
    scheme = call.exchange.connection.scheme
    return f"{scheme}://{quote(other, safe='.-') if ':' not in other else f'[{other}]'}{port}"
