"""Caches and validators (RFC 9110 section 8.8 and 13, RFC 9111)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.inspector.endpoint import Group
from netkit.http.inspector.facts import facts
from netkit.http.server.exchange import http_date

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Caches")


def _get_flow(call: Call, fields: list[tuple[str, str]]) -> Flow[None]:
    yield from call.json_flow(facts(call, "url", "args", "headers", "origin"), fields=fields)


@GROUP.add(
    "/cache",
    "/get with validators; 304 to every If-Modified-Since and If-None-Match",
    finds="a cache that does not ask again, or shows a 304 as it is",
)
def cache(call: Call) -> Flow[None]:
    if call.headers.contains("If-Modified-Since") or call.headers.contains("If-None-Match"):
        yield from call.reply_flow(304, content_type=None)
        return
    yield from _get_flow(
        call, [("Last-Modified", http_date().decode()), ("ETag", f'"{call.secrets.token()}"')]
    )


@GROUP.add(
    "/cache/{n:int}",
    "/get that may be kept for n seconds",
    finds="a cache that keeps it longer, or not at all",
    examples=("/cache/60",),
)
def cache_control(call: Call) -> Flow[None]:
    yield from _get_flow(call, [("Cache-Control", f"public, max-age={int(call.variables['n'])}")])


@GROUP.add(
    "/etag/{tag}",
    "/get with that entity tag; 304 or 412 as If-None-Match and If-Match say",
    finds="validators that are compared wrongly",
    examples=("/etag/one",),
)
def etag(call: Call) -> Flow[None]:
    tag = call.variables["tag"].replace('"', "")
    field = [("ETag", f'"{tag}"')]
    none_match, match = _tags(call, "If-None-Match"), _tags(call, "If-Match")
    if none_match:
        if tag in none_match or "*" in none_match:
            yield from call.reply_flow(304, content_type=None, fields=field)
            return
    elif match and tag not in match and "*" not in match:
        yield from call.reply_flow(412, content_type=None, fields=field)
        return
    yield from _get_flow(call, field)


def _tags(call: Call, name: str) -> list[str]:
    value = call.headers.combined(name)
    return [] if value is None else [each.strip().removeprefix("W/").strip('"') for each in value.split(",")]
