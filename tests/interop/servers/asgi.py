"""hypercorn with the common paths as an ASGI application: plain and TLS, HTTP/1.1 and HTTP/2.

    python -m tests.interop.servers.asgi --plain FD --tls FD --certificate FILE --key FILE

Each FD is a socket that listens already.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

from tests.interop.servers import contract

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Fields = Sequence[tuple[bytes, bytes]]


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.fields: dict[bytes, bytes] = dict(scope["headers"])
        self.query = parse_qs(scope["query_string"].decode())

    async def answer(self, body: bytes = b"", status: int = 200, fields: Fields = (), **head: Any) -> None:
        sized = [] if head or status in (204, 304) else [(b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": status, "headers": [*fields, *sized], **head}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def pieces(self, pieces: list[bytes], fields: Fields = (), trailers: Fields = ()) -> None:
        if "http.response.trailers" not in self.scope["extensions"]:
            trailers = ()
        head = {
            "type": "http.response.start",
            "status": 200,
            "headers": [*fields],
            "trailers": bool(trailers),
        }
        await self.send(head)
        for piece in pieces:
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})
        if trailers:
            await self.send(
                {"type": "http.response.trailers", "headers": [*trailers], "more_trailers": False}
            )

    async def answer_hello(self, rest: str) -> None:
        await self.answer(contract.HELLO, fields=[(b"content-type", b"text/plain")])

    async def answer_echo(self, rest: str) -> None:
        body = hashlib.sha256()
        length = 0
        while True:
            message = await self.receive()
            piece = message.get("body", b"")
            body.update(piece)
            length += len(piece)
            if not message.get("more_body"):
                break
        query = self.scope["query_string"]
        said = {
            "method": self.scope["method"],
            "target": self.scope["raw_path"].decode() + (f"?{query.decode()}" if query else ""),
            "version": f"HTTP/{self.scope['http_version']}",
            "fields": [[name.decode(), value.decode()] for name, value in self.scope["headers"]],
            "length": length,
            "sha256": body.hexdigest(),
            "trailers": [],
        }
        await self.answer(json.dumps(said).encode(), fields=[(b"content-type", b"application/json")])

    async def answer_bytes(self, rest: str) -> None:
        content = contract.octets(int(rest))
        etag = b'"%d"' % len(content)
        fields = [(b"etag", etag), (b"accept-ranges", b"bytes")]
        if self.fields.get(b"if-none-match") == etag:
            return await self.answer(status=304, fields=fields)
        asked = self.fields.get(b"range") if self.fields.get(b"if-range", etag) == etag else None
        try:
            found = contract.byte_range(asked.decode() if asked else None, len(content))
        except ValueError:
            return await self.answer(status=416, fields=[(b"content-range", b"bytes */%d" % len(content))])
        if found is None:
            return await self.answer(content, fields=fields)
        begin, end = found
        fields.append((b"content-range", b"bytes %d-%d/%d" % (begin, end, len(content))))
        return await self.answer(content[begin : end + 1], 206, fields)

    async def answer_gzip(self, rest: str) -> None:
        if b"gzip" in self.fields.get(b"accept-encoding", b""):
            await self.answer(gzip.compress(contract.TEXT), fields=[(b"content-encoding", b"gzip")])
        else:
            await self.answer(contract.TEXT)

    async def answer_chunked(self, rest: str) -> None:
        content = contract.octets(int(rest))
        step = max(1, min(len(content) // 2, 30_000))
        await self.pieces([content[at : at + step] for at in range(0, len(content), step)])

    async def answer_status(self, rest: str) -> None:
        await self.answer(b"" if rest in ("204", "304") else f"{rest}\n".encode(), int(rest))

    async def answer_redirect(self, rest: str) -> None:
        if int(rest) == 0:
            return await self.answer_hello("")
        return await self.answer(status=302, fields=[(b"location", b"/redirect/%d" % (int(rest) - 1))])

    async def answer_trailers(self, rest: str) -> None:
        checksum = (b"x-checksum", contract.CHECKSUM.encode())
        await self.pieces([contract.BODY], [(b"trailer", b"x-checksum")], [checksum])

    async def answer_early_hints(self, rest: str) -> None:
        if "http.response.early_hint" in self.scope["extensions"]:
            await self.send({"type": "http.response.early_hint", "links": [contract.HINT.encode()]})
        await self.answer_hello("")

    async def answer_slow_head(self, rest: str) -> None:
        seconds = float(self.query.get("after", ["30"])[0])

        async def gone() -> None:
            while (await self.receive())["type"] != "http.disconnect":
                pass

        try:
            await asyncio.wait_for(gone(), seconds)
        except TimeoutError:
            await self.answer_hello("")

    async def answer_sse(self, rest: str) -> None:
        lines = contract.EVENTS.splitlines(keepends=True)
        await self.pieces(lines, [(b"content-type", b"text/event-stream")])

    async def answer_auth(self, rest: str) -> None:
        if self.fields.get(b"authorization") == f"Basic {contract.CREDENTIALS}".encode():
            await self.answer(b"hello jo\n")
        else:
            await self.answer(b"who?\n", 401, [(b"www-authenticate", b'Basic realm="netkit"')])


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        return
    name, _, rest = scope["path"].lstrip("/").partition("/")
    exchange = Exchange(scope, receive, send)
    handler = getattr(exchange, f"answer_{name.replace('-', '_')}", None)
    if handler is None:
        await exchange.answer(b"no such path\n", 404)
    else:
        await handler(rest)


def main() -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    parser = argparse.ArgumentParser()
    for kind in ("plain", "tls"):
        parser.add_argument(f"--{kind}", type=int)
    for kind in ("certificate", "key"):
        parser.add_argument(f"--{kind}")
    given = parser.parse_args()
    config = Config()
    config.bind = [f"fd://{given.tls}"]
    config.insecure_bind = [f"fd://{given.plain}"]
    config.certfile, config.keyfile = given.certificate, given.key
    config.accesslog = None
    config.graceful_timeout = 0
    asyncio.run(serve(application, config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
