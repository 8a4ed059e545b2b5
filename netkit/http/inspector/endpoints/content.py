"""Bodies of known content: pages, data, octets, ranges.

RFC 9110 section 14 (ranges). Everything is made here: no file is read.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from html import escape
from random import Random
from typing import TYPE_CHECKING

from netkit.http.fields.errors import FieldError
from netkit.http.inspector.call import OCTETS, json_octets
from netkit.http.inspector.endpoint import Group
from netkit.http.inspector.endpoints import images
from netkit.http.inspector.endpoints.statuses import status_flow
from netkit.http.inspector.facts import facts
from netkit.http.range_answer import answer_range
from netkit.http.ranges import multipart_end, multipart_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Content")

#: The most pages that a chain of links, and lines that a stream has.
MAX_STREAM = 100

#: In pieces of this many octets, where the query says nothing.
CHUNK = 10_240

_MOBY = """<!doctype html>
<html>
<head><meta charset="utf-8"><title>Moby-Dick</title></head>
<body>
<h1>Herman Melville - Moby-Dick</h1>
<p>Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse,
and nothing particular to interest me on shore, I thought I would sail about a little and see the watery
part of the world.</p>
</body>
</html>
"""

_XML = """<?xml version="1.0" encoding="us-ascii"?>
<slideshow title="Sample Slide Show" date="Date of publication" author="Yours Truly">
  <slide type="all">
    <title>Wake up to WonderWidgets!</title>
  </slide>
  <slide type="all">
    <title>Overview</title>
    <item>Why <em>WonderWidgets</em> are great</item>
    <item/>
    <item>Who <em>buys</em> WonderWidgets</item>
  </slide>
</slideshow>
"""

_SLIDES = {
    "slideshow": {
        "title": "Sample Slide Show",
        "date": "date of publication",
        "author": "Yours Truly",
        "slides": [
            {"type": "all", "title": "Wake up to WonderWidgets!"},
            {
                "type": "all",
                "title": "Overview",
                "items": ["Why <em>WonderWidgets</em> are great", "Who <em>buys</em> WonderWidgets"],
            },
        ],
    }
}

#: Text of many scripts: characters of one to four octets, composed and decomposed, right to left, joined.
_UTF_8 = """<!doctype html>
<html><head><meta charset="utf-8"><title>UTF-8</title></head><body><h1>Text in UTF-8</h1><pre>
Latin        na\u00efve fa\u00e7ade \u00c5ngstr\u00f6m Stra\u00dfe
Decomposed   nai\u0308ve A\u030angstro\u0308m
Greek        \u03b3\u03bb\u03ce\u03c3\u03c3\u03b1
Cyrillic     \u044f\u0437\u044b\u043a
Hebrew       \u05e9\u05e4\u05d4
Arabic       \u0644\u063a\u0629
Devanagari   \u092d\u093e\u0937\u093e
Thai         \u0e20\u0e32\u0e29\u0e32
Han          \u8a9e\u8a00 \U00020000
Hangul       \uc5b8\uc5b4
Symbols      \u221a2 \u2248 1.414 \u2260 \u221e \u20ac \u2620 \u266b
Emoji        \U0001f980 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308
</pre></body></html>
"""

_FORM = """<!doctype html>
<html><head><meta charset="utf-8"><title>A form</title></head><body>
<form method="post" action="/post" enctype="{kind}">
<p><label>Customer name: <input name="custname"></label></p>
<p><label>Telephone: <input type="tel" name="custtel"></label></p>
<p><label>E-mail address: <input type="email" name="custemail"></label></p>
<fieldset><legend>Size</legend>
<p><label><input type="radio" name="size" value="small"> Small</label></p>
<p><label><input type="radio" name="size" value="large"> Large</label></p>
</fieldset>
<fieldset><legend>Toppings</legend>
<p><label><input type="checkbox" name="topping" value="cheese"> Cheese</label></p>
<p><label><input type="checkbox" name="topping" value="onion"> Onion</label></p>
</fieldset>
<p><label>A file: <input type="file" name="file"></label></p>
<p><label>Comments: <textarea name="comments"></textarea></label></p>
<p><button>Send</button></p>
</form></body></html>
"""


@GROUP.add("/html", "a page of HTML")
def html(call: Call) -> Flow[None]:
    yield from call.html_flow(_MOBY)


@GROUP.add("/json", "a document of JSON")
def json_document(call: Call) -> Flow[None]:
    yield from call.json_flow(_SLIDES)


@GROUP.add("/xml", "a document of XML, which says another charset than JSON and HTML have", finds="charsets")
def xml(call: Call) -> Flow[None]:
    yield from call.reply_flow(200, _XML, "application/xml")


@GROUP.add("/robots.txt", "rules for robots: not /deny", finds="a robot that does not keep to them")
def robots(call: Call) -> Flow[None]:
    yield from call.reply_flow(200, "User-agent: *\nDisallow: /deny\n", "text/plain")


@GROUP.add("/deny", "the page that /robots.txt forbids")
def deny(call: Call) -> Flow[None]:
    yield from call.reply_flow(200, "YOU SHOULDN'T BE HERE\n", "text/plain")


@GROUP.add("/encoding/utf8", "text of many scripts in UTF-8", finds="text that is decoded wrongly")
def utf_8(call: Call) -> Flow[None]:
    yield from call.html_flow(_UTF_8)


@GROUP.add(
    "/forms/post",
    "a form for browsers, sent to /post",
    arguments={"multipart": "sent as multipart/form-data, with the file"},
)
def form(call: Call) -> Flow[None]:
    kind = "multipart/form-data" if call.has("multipart") else "application/x-www-form-urlencoded"
    yield from call.reply_flow(
        200,
        _FORM.format(kind=escape(kind)),
        "text/html; charset=utf-8",
        [("Content-Security-Policy", "default-src 'none'; form-action 'self'")],
    )


@GROUP.add("/uuid", "a random UUID", finds="a cache that must not be there")
def uuid(call: Call) -> Flow[None]:
    yield from call.json_flow({"uuid": call.secrets.uuid()})


@GROUP.add(
    "/base64/{value}",
    "what the text is that stands there in base64url",
    examples=("/base64/aGVsbG8gd29ybGQ=",),
)
def base64(call: Call) -> Flow[None]:
    try:
        text = urlsafe_b64decode(call.variables["value"].encode()).decode()
    except ValueError:
        text = "Incorrect Base64 data try: SFRUUEJJTiBpcyBhd2Vzb21l"
    yield from call.reply_flow(200, text)


# Images.

_IMAGES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "webp": ("image/webp", images.webp),
    "svg": ("image/svg+xml", images.svg),
    "jpeg": ("image/jpeg", images.jpeg),
    "png": ("image/png", images.png),
}


@GROUP.add(
    "/image/{kind}",
    "a small picture: png, jpeg, webp or svg",
    finds="bodies that are taken for text",
    examples=("/image/png", "/image/jpeg", "/image/webp", "/image/svg"),
)
def image_of(call: Call) -> Flow[None]:
    found = _IMAGES.get(call.variables["kind"])
    if found is None:
        yield from call.reply_flow(404, "png, jpeg, webp or svg\n")
        return
    yield from call.reply_flow(200, found[1](), found[0])


@GROUP.add(
    "/image",
    "a small picture of a type that Accept names",
    finds="a client that sends no Accept, or a wrong one",
)
def image(call: Call) -> Flow[None]:
    accept = (call.headers.combined("Accept") or "image/png").lower()
    for content_type, make in _IMAGES.values():
        if content_type in accept or (
            content_type == "image/png" and ("image/*" in accept or "*/*" in accept)
        ):
            yield from call.reply_flow(200, make(), content_type)
            return
    yield from status_flow(call, 406)


# Octets.


@GROUP.add(
    "/bytes/{n:int}",
    "n random octets; with `seed` always the same",
    arguments={"seed": "a whole number"},
    examples=("/bytes/16?seed=1",),
)
def random_bytes(call: Call) -> Flow[None]:
    data = _random(call, call.number("n", 0, call.config.max_size))
    yield from call.reply_flow(200, data, OCTETS)


@GROUP.add(
    "/stream-bytes/{n:int}",
    "the same in pieces of `chunk_size` octets, without a length",
    finds="a client that wants a length, or takes a chunk for a message",
    arguments={"seed": "a whole number", "chunk_size": "octets of a piece; 10240 without it"},
    examples=("/stream-bytes/100?chunk_size=7&seed=1",),
)
def stream_bytes(call: Call) -> Flow[None]:
    data = _random(call, call.number("n", 0, call.config.max_size))
    size = max(1, call.number("chunk_size", CHUNK, CHUNK))
    call.begin(200, OCTETS)
    for at in range(0, len(data), size):
        yield from call.send_flow(data[at : at + size])
    yield from call.exchange.end_flow()


def _random(call: Call, size: int) -> bytes:
    """Random octets, those of httpbin where there is a seed: Python's generator has one order everywhere."""
    if not call.has("seed"):
        return call.secrets.randomness(size)
    chance = Random(call.number("seed", 0, 1 << 53, least=-(1 << 53)))
    return bytes([chance.randint(0, 255) for _ in range(size)])


@GROUP.add(
    "/stream/{n:int}",
    "n lines, each a document of JSON",
    finds="a client that waits for the end before it gives a line",
    examples=("/stream/3",),
)
def json_lines(call: Call) -> Flow[None]:
    shown = facts(call, "url", "args", "headers", "origin")
    call.begin(200, "application/json")
    for number in range(call.number("n", 1, MAX_STREAM)):
        line = json.dumps({**shown, "id": number}) + "\n"
        yield from call.send_flow(line.encode())
    yield from call.exchange.end_flow()


# Ranges.


@GROUP.add(
    "/range/{n:int}",
    "n octets (a to z, again and again) with ranges, also several; in pieces of `chunk_size`, in `duration`",
    finds="ranges that are put together wrongly; 200 taken for 206; If-Range that is not sent",
    arguments={
        "chunk_size": "octets of a piece",
        "duration": "seconds for all of them",
    },
    examples=("/range/1024",),
)
def range_of(call: Call) -> Flow[None]:
    size = call.number("n", 0, 1 << 53)
    tag = f'"range{size}"'
    common = [("ETag", tag), ("Accept-Ranges", "bytes")]
    if not 0 < size <= call.config.max_size:
        text = f"the number of octets is 1 to {call.config.max_size}\n"
        yield from call.reply_flow(404, text, fields=common)
        return
    wanted = call.headers.combined("Range")
    if_range = call.headers.get_first("If-Range")
    if call.method != "GET" or (if_range is not None and if_range != tag):
        wanted = None
    boundary = call.secrets.token()
    try:
        answer = answer_range(wanted, size, content_type=OCTETS, boundary=boundary)
    except FieldError:  # pragma: no cover - the boundary and the type are ours
        answer = answer_range(None, size, content_type=OCTETS, boundary=boundary)
    fields = [
        (name, value) for name, value in answer.headers if name not in ("Content-Length", "Accept-Ranges")
    ]
    fields += common
    if answer.status == 416:
        yield from call.reply_flow(416, content_type=None, fields=fields)
        return
    body = bytearray()
    for part in answer.parts:
        if answer.is_multipart:
            body += multipart_head(part, size, OCTETS, boundary)
        body += bytes([97 + at % 26 for at in range(part.slice.start, part.slice.stop)])
    if answer.is_multipart:
        body += multipart_end(boundary)
    yield from _paced_flow(call, answer.status, bytes(body), fields)


def _paced_flow(call: Call, status: int, body: bytes, fields: list[tuple[str, str]]) -> Flow[None]:
    """Flow: a body in pieces, spread over the time that was asked for."""
    chunk = max(1, call.number("chunk_size", CHUNK, call.config.max_size))
    pause = call.seconds("duration", 0) * chunk / len(body)
    call.begin(status, None, fields, length=len(body))
    for piece in _pieces(body, chunk):
        yield from call.send_flow(piece)
        yield from call.wait_flow(pause)
    yield from call.exchange.end_flow()


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@GROUP.add(
    "/response-headers",
    "a response with the fields that the query names, and all its fields as JSON",
    methods=("GET", "POST"),
    finds="fields that a client changes, joins or drops",
    arguments={"...": "a field's name and value; a name may stand more than once"},
    examples=("/response-headers?X-One=1&X-One=2&X-Two=b",),
)
def response_headers(call: Call) -> Flow[None]:
    asked = [(name, value) for name, value in call.arguments if name.lower() not in _OURS]
    wanted = [value for name, value in call.arguments if name.lower() == "content-type"]
    content_type = wanted[-1] if wanted else "application/json"
    shown: dict[str, object] = {"Content-Type": content_type}
    for name, value in asked:
        held = shown.get(name)
        shown[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
    length = 0
    while length != len(body := json_octets({**shown, "Content-Length": str(length)})):
        length = len(body)
    yield from call.reply_flow(200, body, content_type, asked)


#: Fields of a response that the query cannot set: those of the framing, and what would make a browser that is
#: sent here forget what other servers on this machine have stored in it.
_OURS = frozenset(
    (
        "content-length",
        "transfer-encoding",
        "connection",
        "content-type",
        "content-encoding",
        "host",
        "clear-site-data",
    )
)
