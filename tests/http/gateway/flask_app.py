"""An application of Flask, with the same paths as the one of Starlette where it can do the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import sleep

import flask

#: What happened outside of responses, for the tests.
HAPPENED: list[str] = []


def make(folder: Path) -> flask.Flask:
    """The application; `file` serves the file of that name in `folder`."""
    app = flask.Flask(__name__)
    app.secret_key = "of a test"

    @app.get("/")
    def hello() -> str:
        return f"hello {flask.request.args.get('name', 'nobody')}"

    @app.get("/stream")
    def stream() -> flask.Response:
        def pieces() -> Iterator[bytes]:
            for number in range(5):
                yield b"%d\n" % number

        return flask.Response(pieces(), mimetype="text/plain")

    @app.get("/events")
    def events() -> flask.Response:
        def pieces() -> Iterator[str]:
            number = 0
            try:
                while True:
                    yield f"id: {number}\ndata: tick\n\n"
                    number += 1
                    sleep(0)
            finally:
                HAPPENED.append("events over")

        return flask.Response(pieces(), mimetype="text/event-stream")

    @app.get("/file")
    def file() -> flask.Response:
        return flask.send_file(
            folder / "file", as_attachment=True, download_name="a name.bin", conditional=True
        )

    @app.post("/upload")
    def upload() -> flask.Response:
        found: dict[str, object] = dict(flask.request.form)
        for name, value in flask.request.files.items():
            found[name] = [value.filename, len(value.read())]
        return flask.jsonify(found)

    @app.post("/size")
    def size() -> str:
        total = 0
        while piece := flask.request.stream.read(10_000):
            total += len(piece)
        return str(total)

    @app.get("/background")
    def background() -> flask.Response:
        response = flask.Response("later")
        response.call_on_close(lambda: HAPPENED.append("background"))
        return response

    @app.get("/count")
    def count() -> flask.Response:
        flask.session["count"] = flask.session.get("count", 0) + 1
        response = flask.Response(str(flask.session["count"]))
        response.set_cookie("plain", "a b", httponly=True)
        return response

    @app.get("/fails")
    def fails() -> str:
        raise KeyError("secret")

    @app.get("/refuses")
    def refuses() -> str:
        flask.abort(418)

    @app.get("/redirects")
    def redirects() -> flask.typing.ResponseReturnValue:
        return flask.redirect(flask.url_for("hello", _external=True))

    @app.get("/address")
    def address() -> flask.Response:
        request = flask.request
        version = request.environ["SERVER_PROTOCOL"].removeprefix("HTTP/")
        return flask.jsonify(url=request.url, client=request.remote_addr, version=version)

    return app
