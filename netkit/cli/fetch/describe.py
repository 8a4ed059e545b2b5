"""`--offline` and `--curl`: a request that is not sent, as it would be sent, or as curl would send it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit._version import __version__
from netkit.cli.fetch.items import ItemError
from netkit.cli.fetch.plan import Credentials, FileBody, SettledRequest
from netkit.cli.frame.inputs import BadInput
from netkit.cli.frame.output import b64

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.cli.fetch.plan import Read, RequestPlan, SettledBody
    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment

#: The most of a file that is read into a request at once, in octets; -T sends larger ones.
MAX_FILE = 256 * 1024 * 1024


def read_file(env: Environment, path: str) -> bytes:
    """The whole of a file, or of standard input (`-`). Raises OSError, and BadInput for one too large."""
    if path == "-":
        octets = b"" if env.stdin is None else env.stdin.read(MAX_FILE + 1)
    else:
        with open(path, "rb") as file:
            octets = file.read(MAX_FILE + 1)
    if len(octets) > MAX_FILE:
        raise BadInput(f"larger than {MAX_FILE:,} octets", path, "-T FILE sends a file of any size")
    return octets


def defaults(*, is_whole: bool) -> dict[str, str]:
    """The headers that every request has unless it says otherwise.

    A file is asked for as it is, and so is a part of something (not `is_whole`): a checksum is of that, and
    an offset in it. A server that compresses what it sends knows no offsets.
    """
    from netkit.http.bodies.codings import accept_encoding

    coding = accept_encoding() if is_whole else "identity"
    return {"User-Agent": f"netkit/{__version__}", "Accept": "*/*", "Accept-Encoding": coding}


def settled(plan: RequestPlan, read: Read, *, is_saved: bool) -> SettledRequest:
    """The plan with its files read. Raises BadInput, OSError, HttpError.InvalidUri."""
    try:
        return plan.settle(read, defaults(is_whole=not (is_saved or plan.header("Range") is not None)))
    except ItemError as error:
        raise BadInput(str(error), None, error.hint) from error


def describe(
    run: Run[Any],
    plan: RequestPlan,
    *,
    curl: bool,
    is_saved: bool,
    beside: Sequence[tuple[str, object]],
) -> None:
    """Write the request, or the curl command that sends it."""
    env = run.env
    request = settled(plan, lambda path: read_file(env, path), is_saved=is_saved)
    if curl:
        from netkit.cli.fetch.curl_line import to_curl, without_counterpart

        line = to_curl(plan, request, beside)
        for name in without_counterpart(beside):
            env.warn(None, f"curl has no counterpart of {name}")
        if run.json:
            run.write_object({"event": "curl", "command": line})
        else:
            env.write_lines([line])
        return
    fields = with_authority(request, plan.auth)
    if run.json:
        from netkit.cli.fetch.rows import header_rows

        body = request.body
        run.write_object(
            {
                "event": "request",
                "method": request.method,
                "url": str(request.url).partition("#")[0],
                "headers": header_rows(fields),
                "data_b64": b64(body) if isinstance(body, bytes) else None,
                "file": body.path if isinstance(body, FileBody) else None,
                "size": _size(body),
            }
        )
    elif env.mode == "table":
        env.write("".join(_shown(request, fields, env)))
    else:
        env.write_bytes(head_octets(request, fields))
        if isinstance(request.body, bytes):
            env.write_bytes(request.body)
        elif isinstance(request.body, FileBody):
            _copy(env, request.body)
        elif request.body is not None:
            for piece in request.body.pieces():
                env.write_bytes(piece)
    env.flush()


def with_authority(request: SettledRequest, auth: Credentials | None) -> list[tuple[str, str]]:
    """All fields as a client sends them in HTTP/1.1: with Host, the framing, and credentials."""
    fields = list(request.fields)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", request.url.host_header))
    if auth is not None and "authorization" not in names and auth.scheme != "digest":
        fields.append(("Authorization", _authorization(auth)))
    if "content-length" in names or "transfer-encoding" in names:
        return fields
    size = _size(request.body)
    if size is not None:
        fields.append(("Content-Length", str(size)))
    elif request.body is not None:
        fields.append(("Transfer-Encoding", "chunked"))
    return fields


def _authorization(auth: Credentials) -> str:
    from netkit.http.policy.auth import basic_credentials

    if auth.scheme == "bearer":
        return f"Bearer {auth.password}"
    return basic_credentials(auth.user, auth.password or "")


def head_octets(request: SettledRequest, fields: Sequence[tuple[str, str]]) -> bytes:
    """The head as HTTP/1.1 has it (RFC 9112 sections 3 and 5)."""
    from netkit.http.headers import Headers

    line = f"{request.method} {request.url.request_target} HTTP/1.1\r\n"
    return line.encode("latin-1") + Headers(fields).to_bytes() + b"\r\n"


def _size(body: SettledBody) -> int | None:
    """Octets of a body; None for what has no size."""
    if isinstance(body, bytes):
        return len(body)
    if body is None or not isinstance(body, FileBody):
        return None if body is None else body.length
    import os
    import stat

    if body.path == "-":
        return None
    about = os.stat(body.path)
    return about.st_size if stat.S_ISREG(about.st_mode) else None


def _shown(request: SettledRequest, fields: Sequence[tuple[str, str]], env: Environment) -> Iterator[str]:
    """The request on a terminal."""
    from netkit.cli.render.http_body import BodyText
    from netkit.cli.render.http_head import field_lines, request_line

    yield f"{request_line(request.method, request.url.request_target, '1.1', color=env.color)}\n"
    for line in field_lines(fields, color=env.color):
        yield f"{line}\n"
    yield "\n"
    if isinstance(request.body, FileBody):
        yield f"({request.body.path})\n"
    elif request.body is not None:
        body = request.body if isinstance(request.body, bytes) else b"".join(request.body.pieces())
        media_type = next((value for name, value in fields if name.lower() == "content-type"), "")
        text = BodyText(media_type, color=env.color)
        yield text.feed(body)
        yield text.end()
        if text.is_binary:
            yield f"({len(body):,} octets that are no text)\n"


def _copy(env: Environment, body: FileBody) -> None:
    if body.path == "-":
        while env.stdin is not None and (piece := env.stdin.read(65536)):
            env.write_bytes(piece)
        return
    with open(body.path, "rb") as file:
        while piece := file.read(65536):
            env.write_bytes(piece)
