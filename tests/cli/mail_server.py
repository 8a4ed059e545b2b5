"""A mail server for the lines of docs/tls.md: it greets, begins TLS when it is asked to, and says no more.

python -m tests.cli.mail_server PORT CERTIFICATE KEY
"""

from __future__ import annotations

import sys
from pathlib import Path

from netkit.errors import NetkitError
from netkit.net import TcpListener, TcpStream
from netkit.tls.config import TlsConfig
from netkit.tls.stream import TlsStream
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.keys import PrivateKey


def serve(stream: TcpStream, config: TlsConfig) -> None:
    """The dialogue of RFC 3207, and a handshake."""
    stream.write_all(b"220 mail.test ESMTP\r\n")
    stream.read_until(b"\r\n", timeout=5)
    stream.write_all(b"250-mail.test\r\n250-STARTTLS\r\n250 SIZE 1000000\r\n")
    stream.read_until(b"\r\n", timeout=5)
    stream.write_all(b"220 go ahead\r\n")
    with TlsStream.accept(stream, config, timeout=5) as tls:
        tls.read_to_end(timeout=5)


def main(port: str, certificate: str, key: str) -> None:
    chain = Certificate.from_pem_chain(Path(certificate).read_text())
    config = TlsConfig.server().with_identity(chain, PrivateKey.from_pem(Path(key).read_text()))
    listener = TcpListener.bind(f"127.0.0.1:{port}")
    while True:
        stream, _ = listener.accept()
        with stream:
            try:
                serve(stream, config)
            except (NetkitError, OSError) as error:
                print(error, file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
