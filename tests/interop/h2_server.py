"""netkit's HTTP server with either form of HTTP/2, for h2spec and other peers that are about that.

    python -m tests.interop.h2_server rust|pure [--tls CERTIFICATE]     prints its port, and serves

It speaks nothing else, as h2spec expects: with both versions at one port, who begins with neither is answered
in HTTP/1.1. Every request is answered with the same body, in a thread of its own.
"""

from __future__ import annotations

import argparse
import threading
from importlib import import_module
from pathlib import Path
from typing import Self

import pytest
import trustme

from netkit.http.message import Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.h2 import flow as h2_flow
from netkit.http.server.request import ServerRequest
from netkit.http.server.server import HttpServer
from netkit.net import TcpListener
from netkit.serve.stop import Stop
from netkit.tls import Certificate, PrivateKey, TlsConfig

#: h2spec looks for a body that can be cut by a small window.
BODY = b"netkit answers every request with this line.\n"


class Handler:
    """Answers with `BODY`."""

    def handle(self, request: ServerRequest) -> Response:
        if request.method == "CONNECT":
            return Response(501)
        return Response(200, headers={"Content-Type": "text/plain"}, body=BODY)


def tls_of(chain: bytes, key: bytes) -> TlsConfig:
    identity = Certificate.from_pem_chain(chain), PrivateKey.from_pem(key)
    return TlsConfig.server().with_identity(*identity)


class Server:
    """Serves on a port of the loopback, until it is left; over TLS with the certificate `issued`."""

    def __init__(self, form: str, issued: trustme.LeafCert | None = None) -> None:
        self._form = import_module(f"netkit.http.connection.h2_{form}")
        tls = None
        if issued is not None:
            chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
            tls = tls_of(chain, issued.private_key_pem.bytes())
        self._server = HttpServer(Handler(), ServerConfig(threads=0, http1=False), tls=tls)
        self._listener = TcpListener.bind("127.0.0.1:0")
        self.port: int = self._listener.local_addr.port
        self._stop = Stop()
        self._patch = pytest.MonkeyPatch()
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), kwargs={"stop": self._stop}, daemon=True
        )

    def __enter__(self) -> Self:
        self._patch.setattr(h2_flow, "h2_server", self._form.server)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.cut()
        self._thread.join()
        self._patch.undo()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("form", choices=("rust", "pure"))
    parser.add_argument("--tls", metavar="CERTIFICATE", help="a PEM file with a certificate and its key")
    arguments = parser.parse_args()
    issued = None
    if arguments.tls:
        pem = Path(arguments.tls).read_bytes()
        issued = trustme.LeafCert(pem, pem, [])
    with Server(arguments.form, issued) as server:
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
