"""Endpoints that show the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.inspector.endpoint import ANY_METHOD, Group
from netkit.http.inspector.facts import facts, facts_with_body_flow, shown_headers, shown_peer

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group(
    "The request", "What arrived of a request, as JSON. Fields have the names that WSGI gives them."
)

_WITH_BODY = ("url", "args", "form", "data", "origin", "headers", "files", "json")


@GROUP.add(
    "/get",
    "the arguments, fields, URL and address of a GET",
    finds="arguments that are encoded wrongly, fields that are lost",
    examples=("/get?a=1&a=2&b=x%20y",),
)
def got(call: Call) -> Flow[None]:
    yield from call.json_flow(facts(call, "url", "args", "headers", "origin"))


def _with_body(call: Call) -> Flow[None]:
    yield from call.json_flow((yield from facts_with_body_flow(call, *_WITH_BODY)))


for _method in ("POST", "PUT", "PATCH", "DELETE"):
    GROUP.add(
        f"/{_method.lower()}",
        f"the same of a {_method}, and its body: as text, as a form, as files, as JSON",
        methods=(_method,),
        finds="bodies and forms that are encoded or framed wrongly",
    )(_with_body)


@GROUP.add(
    "/anything/{rest:path}",
    "the same of any method and path",
    methods=ANY_METHOD,
    examples=("/anything/a/b%20c?x=1",),
)
@GROUP.add("/anything", "the same of any method", methods=ANY_METHOD)
def anything(call: Call) -> Flow[None]:
    shown = yield from facts_with_body_flow(call, *_WITH_BODY, "method")
    yield from call.json_flow(shown)


@GROUP.add("/headers", "the fields of the request", finds="fields that are lost, doubled or changed")
def headers(call: Call) -> Flow[None]:
    yield from call.json_flow({"headers": shown_headers(call)})


@GROUP.add("/ip", "the address that the request came from", finds="a proxy that was not used, or was")
def ip(call: Call) -> Flow[None]:
    yield from call.json_flow({"origin": shown_peer(call)})


@GROUP.add("/user-agent", "the field User-Agent")
def user_agent(call: Call) -> Flow[None]:
    yield from call.json_flow({"user-agent": call.headers.get_first("User-Agent")})
