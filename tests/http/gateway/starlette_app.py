"""An application of Starlette, with one path for each thing that a server has to do for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route

#: What happened outside of responses, for the tests.
HAPPENED: list[str] = []


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"hello {request.query_params.get('name', 'nobody')}")


async def stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"%d\n" % number
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type="text/plain")


async def blocking_stream(request: Request) -> Response:
    def pieces() -> Iterator[bytes]:
        for number in range(5):
            yield b"%d\n" % number

    return StreamingResponse(pieces(), media_type="text/plain")


async def events(request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        number = 0
        try:
            while True:
                yield f"id: {number}\ndata: tick\n\n"
                number += 1
                await asyncio.sleep(0.001)
        finally:
            HAPPENED.append("events over")

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def file(request: Request) -> Response:
    return FileResponse(request.app.state.folder / "file", filename="a name.bin")


async def upload(request: Request) -> Response:
    found = {}
    async with request.form() as form:
        for name, value in form.items():
            found[name] = value if isinstance(value, str) else [value.filename, len(await value.read())]
    return JSONResponse(found)


async def size(request: Request) -> Response:
    total = 0
    try:
        async for piece in request.stream():
            total += len(piece)
    except ClientDisconnect:
        HAPPENED.append("client gone")
        raise
    return PlainTextResponse(str(total))


async def background(request: Request) -> Response:
    async def task() -> None:
        await asyncio.sleep(0)
        HAPPENED.append("background")

    return PlainTextResponse("later", background=BackgroundTask(task))


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    response = PlainTextResponse(str(request.session["count"]))
    response.set_cookie("plain", "a b", httponly=True)
    return response


async def fails(request: Request) -> Response:
    raise KeyError("secret")


async def refuses(request: Request) -> Response:
    raise HTTPException(418, "a teapot")


async def redirects(request: Request) -> Response:
    return RedirectResponse(request.url_for("hello"))


async def address(request: Request) -> Response:
    assert request.client is not None
    return JSONResponse(
        {"url": str(request.url), "client": request.client.host, "version": request.scope["http_version"]}
    )


async def hints(request: Request) -> Response:
    await request.send_early_hints("</style.css>; rel=preload; as=style")
    return PlainTextResponse("hinted")


async def inner(request: Request) -> Response:
    return JSONResponse({"root_path": request.scope["root_path"], "path": request.scope["path"]})


def blocking(request: Request) -> Response:
    return PlainTextResponse("from a thread")


class Named(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["X-Name"] = request.state.name
        return response


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    HAPPENED.append("startup")
    yield {"name": "from the lifespan"}
    HAPPENED.append("shutdown")


def make(folder: Path) -> Starlette:
    """The application; `file` serves the file of that name in `folder`."""
    app = Starlette(
        routes=[
            Route("/", hello, name="hello"),
            Route("/stream", stream),
            Route("/blocking-stream", blocking_stream),
            Route("/events", events),
            Route("/file", file),
            Route("/upload", upload, methods=["POST"]),
            Route("/size", size, methods=["POST"]),
            Route("/background", background),
            Route("/count", count),
            Route("/fails", fails),
            Route("/refuses", refuses),
            Route("/redirects", redirects),
            Route("/address", address),
            Route("/hints", hints),
            Route("/blocking", blocking),
            Mount("/mounted", routes=[Route("/inner", inner)]),
        ],
        middleware=[
            Middleware(SessionMiddleware, secret_key="of a test"),
            Middleware(Named),
            Middleware(GZipMiddleware, minimum_size=1000),
        ],
        lifespan=lifespan,
    )
    app.state.folder = folder
    return app
