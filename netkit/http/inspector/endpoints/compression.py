"""Content codings (RFC 9110 section 8.4): right ones here, wrong ones in `bad_bodies`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.bodies.codings import encode
from netkit.http.errors import HttpError
from netkit.http.inspector.call import JSON, json_octets
from netkit.http.inspector.endpoint import Group
from netkit.http.inspector.facts import facts
from netkit.http.negotiation import parse_accept_encoding, select_best_coding

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Compression", "The coding of the path, whether Accept-Encoding has it or not.")

#: Paths, their codings, and what the JSON calls them.
_CODINGS = {
    "gzip": ("gzip", "gzipped"),
    "deflate": ("deflate", "deflated"),
    "brotli": ("br", "brotli"),
    "zstd": ("zstd", "zstd"),
}


def _coded(coding: str, word: str) -> None:
    path = next(path for path, (each, _) in _CODINGS.items() if each == coding)

    @GROUP.add(
        f"/{path}",
        f"a body in the coding {coding}",
        finds="a coding that a client asks for and cannot undo",
    )
    def coded(call: Call) -> Flow[None]:
        shown = {**facts(call, "origin", "headers", "method"), word: True}
        yield from coded_flow(call, json_octets(shown), (coding,))


for _coding, _word in _CODINGS.values():
    _coded(_coding, _word)


def coded_flow(call: Call, body: bytes, codings: tuple[str, ...], content_type: str = JSON) -> Flow[None]:
    """Flow: a body in those codings, one after the other; 501 where a library is missing."""
    try:
        for coding in codings:
            body = encode(coding, body)
    except HttpError.BodyEncoding as error:
        yield from call.reply_flow(501, f"{error}\n")
        return
    yield from call.reply_flow(200, body, content_type, [("Content-Encoding", ", ".join(codings))])


@GROUP.add(
    "/coding/{codings}",
    "a body in several codings, one after the other: `gzip,br`",
    finds="codings that are undone in the wrong order",
    examples=("/coding/gzip,deflate",),
)
def coding_of(call: Call) -> Flow[None]:
    codings = tuple([each.strip().lower() for each in call.variables["codings"].split(",")])
    if len(codings) > 10:
        raise HttpError.InvalidValue("codings", "more than 10", limit=10)
    if not {each for each, _ in _CODINGS.values()}.issuperset(codings):
        raise HttpError.InvalidValue("codings", "each is gzip, deflate, br or zstd")
    yield from coded_flow(call, json_octets(facts(call, "origin", "headers", "method")), codings)


@GROUP.add(
    "/negotiated",
    "a body in the coding that Accept-Encoding likes best; 406 where it refuses all",
    finds="an Accept-Encoding that asks for what a client cannot undo",
)
def negotiated(call: Call) -> Flow[None]:
    accept = call.headers.combined("Accept-Encoding")
    offers = ("zstd", "br", "gzip", "deflate", "identity")
    best = "identity" if accept is None else select_best_coding(parse_accept_encoding(accept), offers)
    body = json_octets({**facts(call, "origin", "headers", "method"), "coding": best})
    vary = [("Vary", "Accept-Encoding")]
    if best is None:
        yield from call.reply_flow(406, content_type=None, fields=vary)
    elif best == "identity":
        yield from call.reply_flow(200, body, JSON, vary)
    else:
        yield from coded_flow(call, body, (best,))
