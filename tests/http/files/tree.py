"""The directory that the tests of this folder serve, and a client for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from netkit.http.files import FileHandler, FilesConfig
from tests.http.server.serving import Client, Reply, Serving

#: What is outside of the root: no answer may have it.
SECRET = b"outside of the root"
#: What is in the root, and kept back.
KEPT = b"kept back"
#: 2026-01-02 03:04:05 UTC, in seconds.
CHANGED = 1_767_323_045
CHANGED_TEXT = b"Fri, 02 Jan 2026 03:04:05 GMT"


def write(path: Path, data: bytes | str, changed: int = CHANGED) -> Path:
    """A file with that content, changed at that time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(path, (changed, changed))
    return path


def make_root(home: Path) -> Path:
    """A root with what tests need, beside a file that must not be reached."""
    root = home / "root"
    write(home / "secret.txt", SECRET)
    write(home / "rooted" / "secret.txt", SECRET)  # its path begins as that of the root
    write(root / "a.txt", "0123456789" * 10)
    write(root / "big.bin", bytes(range(256)) * 4_096)
    write(root / "empty", b"")
    write(root / "sub" / "b.txt", "in a directory\n")
    write(root / "sub" / "deep" / "c.txt", "deeper\n")
    write(root / "site" / "index.html", "<p>a site\n")
    write(root / ".hidden", KEPT)
    write(root / ".git" / "config", KEPT)
    return root


@contextmanager
def serving(root: Path, form: str = "blocking", **settings: object) -> Iterator[Serving]:
    """The root, served with these settings of FilesConfig."""
    config = FilesConfig(root, **settings)  # type: ignore[arg-type]  # the tests' own keywords
    with Serving(FileHandler(config), form=form) as served:
        yield served


def ask(
    client: Client,
    target: str | bytes,
    fields: Sequence[str] = (),
    method: str = "GET",
    body: bytes = b"",
    host: str = "localhost",
) -> Reply:
    """The response to one request over a connection that is kept."""
    octets = target if isinstance(target, bytes) else target.encode("latin-1")
    lines = [f"Host: {host}", *fields]
    if body or method in ("PUT", "POST"):
        lines.append(f"Content-Length: {len(body)}")
    head = method.encode() + b" " + octets + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode("latin-1")
    return client.ask(head + b"\r\n\r\n" + body, method=method)


def get(served: Serving, target: str | bytes, *fields: str, method: str = "GET") -> Reply:
    """The response to one request over a connection of its own."""
    with served.client() as client:
        return ask(client, target, fields, method)
