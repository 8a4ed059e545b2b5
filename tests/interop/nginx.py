"""An nginx of the tests' own: in a folder of its own, on sockets that listen already."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import require_peer

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def nginx(home: Path, http: str, listeners: Sequence[socket.socket]) -> Iterator[None]:
    """nginx with `http` in its http block, on `listeners`, which its `listen` directives name.

    It is handed sockets that listen already (as it hands them to itself in an upgrade), so that nobody has
    to wait for it, and no port can be taken in between.
    """
    program = require_peer("nginx")
    home.mkdir()
    folders = "".join(f"{kind}_temp_path {home}/{kind};\n" for kind in _TEMPORARY)
    (home / "nginx.conf").write_text(
        # A process of its own accepts: nginx in one process does not, from sockets it was handed.
        f"daemon off; worker_processes 1; pid {home}/pid; error_log stderr;\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{ access_log off; {folders}{http} }}\n"
    )
    descriptors = [listener.fileno() for listener in listeners]
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            [program, "-p", str(home), "-e", "stderr", "-c", str(home / "nginx.conf")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            env={**os.environ, "NGINX": "".join(f"{number};" for number in descriptors)},
        ) as server,
    ):
        try:
            yield
        finally:
            server.terminate()  # not killed: it has a worker to end
            server.wait(20)
