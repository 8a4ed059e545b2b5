"""Bodies whose coding or charset is wrong, and those that decode to far more than they are.

RFC 9110 section 8.3 (types and charsets), 8.4 (codings). The framing is right: every version has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.bodies.codings import BodyEncoder, encode
from netkit.http.errors import HttpError
from netkit.http.inspector.endpoint import Group
from netkit.io import PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Wrong bodies")

_TEXT = b"a text that is compressed, and compressed wrongly. " * 20
_PIECE = bytes(65_536)


def _coded() -> bytes:
    return encode("gzip", _TEXT)


def _changed_check() -> bytes:
    data = bytearray(_coded())
    data[-8] ^= 0xFF
    return bytes(data)


#: Path, what is sent, the fault it finds, the content type, the coding it names, the octets.
_BODIES = (
    ("gzip-garbage", "gzip whose data are none", "text/plain", "gzip", lambda: _coded()[:10] + b"\xff" * 50),
    ("gzip-cut", "gzip that ends in the middle", "text/plain", "gzip", lambda: _coded()[:-20]),
    ("gzip-check", "gzip whose checksum is wrong", "text/plain", "gzip", _changed_check),
    (
        "gzip-more",
        "gzip with octets behind it that belong to nothing",
        "text/plain",
        "gzip",
        lambda: _coded() + b"more",
    ),
    ("gzip-plain", "plain text that is called gzip", "text/plain", "gzip", lambda: _TEXT),
    ("gzip-empty", "no octet, called gzip", "text/plain", "gzip", lambda: b""),
    ("gzip-unnamed", "gzip that nothing names", "text/plain", None, _coded),
    (
        "gzip-members",
        "gzip of two members, which is right (RFC 1952 section 2.2)",
        "text/plain",
        "gzip",
        lambda: encode("gzip", b"one ") + encode("gzip", b"two"),
    ),
    (
        "deflate-raw",
        "deflate without the frame of zlib, which many servers send",
        "text/plain",
        "deflate",
        lambda: encode("deflate", _TEXT)[2:-4],
    ),
    ("coding-strange", "a content coding that nobody knows", "text/plain", "x-strange", lambda: _TEXT),
    ("coding-empty", "a Content-Encoding without a value", "text/plain", "", lambda: _TEXT),
    (
        "charset",
        "octets that are no UTF-8, called so",
        "text/plain; charset=utf-8",
        None,
        lambda: b"caf\xe9 \xff\xfe",
    ),
    ("charset-unknown", "a charset that nobody knows", "text/plain; charset=x-nobody", None, lambda: _TEXT),
    (
        "charset-codec",
        "a charset that Python has and HTTP has not",
        "text/plain; charset=zip",
        None,
        lambda: _TEXT,
    ),
    (
        "charset-bom",
        "UTF-16 with a byte order mark, called UTF-8",
        "text/plain; charset=utf-8",
        None,
        lambda: "text".encode("utf-16"),
    ),
    ("content-type", "a Content-Type that is none", "text//plain;;=;charset", None, lambda: _TEXT),
    ("json", "JSON that ends in the middle", "application/json", None, lambda: b'{"a": [1, 2'),
    (
        "json-deep",
        "JSON of 100,000 brackets within each other",
        "application/json",
        None,
        lambda: b"[" * 100_000,
    ),
    ("json-nan", "JSON with NaN, which is none", "application/json", None, lambda: b'{"a": NaN}'),
)

_FINDS = {
    "gzip": "data decoded that are none; a body cut off that is taken for whole",
    "deflate": "one of the two readings of deflate that is missing",
    "coding": "a coding that is ignored without a word",
    "charset": "a program that breaks at text which is none",
    "content": "a program that breaks at a type which is none",
    "json": "a program that breaks otherwise than with an error of JSON",
}


def _add(name: str, what: str, content_type: str, coding: str | None, octets: Callable[[], bytes]) -> None:
    @GROUP.add(f"/wrong/{name}", what, finds=_FINDS[name.partition("-")[0]])
    def answer(call: Call) -> Flow[None]:
        fields = [] if coding is None else [("Content-Encoding", coding)]
        yield from call.reply_flow(200, octets(), content_type, fields)


for _row in _BODIES:
    _add(*_row)


@GROUP.add(
    "/bomb/{coding}",
    "a small body that decodes to `size` octets of zero, up to the limit of the settings",
    finds="a body that is decoded into memory without a limit",
    arguments={"size": "octets; 16 MiB without it"},
    examples=("/bomb/gzip?size=1048576",),
)
def bomb(call: Call) -> Flow[None]:
    coding = call.variables["coding"]
    size = call.number("size", 16 << 20, call.config.max_endless)
    try:
        encoder = BodyEncoder(coding)
    except HttpError.BodyEncoding as error:
        yield from call.reply_flow(404, f"{error}\n")
        return
    call.begin(200, "application/octet-stream", [("Content-Encoding", encoder.coding)])
    for at in range(0, size, len(_PIECE)):
        data = encoder.encode(_PIECE[: size - at])
        if data:
            yield from call.send_flow(data)
        yield PAUSE
    yield from call.send_flow(encoder.finish())
    yield from call.exchange.end_flow()


@GROUP.add(
    "/bomb-layers/{n:int}",
    "a body in n layers of gzip",
    finds="no limit for the number of codings",
    examples=("/bomb-layers/20",),
)
def layers(call: Call) -> Flow[None]:
    n = call.number("n", 1, 100, least=1)
    body = _TEXT
    for _ in range(n):
        body = encode("gzip", body)
    yield from call.reply_flow(200, body, "text/plain", [("Content-Encoding", ", ".join(["gzip"] * n))])
