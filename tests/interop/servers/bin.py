"""httpbin on werkzeug's server: plain and TLS, HTTP/1.1.

    python -m tests.interop.servers.bin --plain FD --tls FD --certificate FILE --key FILE

Each FD is a socket that listens already. Its paths are its own (/get, /anything, /stream-bytes/N, ...).
"""

from __future__ import annotations

import argparse
import threading


def main() -> None:
    from httpbin import app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *args: object) -> None:
            """No log."""

    parser = argparse.ArgumentParser()
    for kind in ("plain", "tls"):
        parser.add_argument(f"--{kind}", type=int)
    for kind in ("certificate", "key"):
        parser.add_argument(f"--{kind}")
    given = parser.parse_args()
    pair = (given.certificate, given.key)
    for descriptor, context in ((given.plain, None), (given.tls, pair)):
        server = make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=Quiet, ssl_context=context, fd=descriptor
        )
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
