"""A TLS client that is asked to send a second hello: its first key is for a group that few servers know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from OpenSSL import SSL, crypto
from OpenSSL._util import lib

from netkit.tls.hello import FlightReader, Handshake

if TYPE_CHECKING:
    from netkit.net import TcpStream
    from netkit.tls.x509.certificate import Certificate


def retrying_client(stream: TcpStream, server_name: str, root: Certificate) -> int:
    """Make a handshake over `stream`, and end it; how many ClientHellos it took.

    It offers MLKEM1024 first, with a key, and secp384r1 without one: a server that does not know the first
    answers with a HelloRetryRequest (RFC 8446 section 4.1.4).
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(root.to_cryptography()))
    context.set_verify(SSL.VERIFY_PEER)
    handle = context._context  # noqa: SLF001  # no public method chooses groups
    assert lib.SSL_CTX_set1_curves_list(handle, b"MLKEM1024:P-384") == 1
    client = SSL.Connection(context)
    client.set_tlsext_host_name(server_name.encode())
    client.set_connect_state()
    reader = FlightReader()
    hellos = 0
    done = False
    while not done:
        try:
            client.do_handshake()
            done = True
        except SSL.WantReadError:
            pass
        try:
            sent = client.bio_read(65536)
        except SSL.WantReadError:
            sent = b""
        items = reader.feed(sent)
        hellos += sum(isinstance(item, Handshake) and item.type.name == "client_hello" for item in items)
        stream.write_all(sent, timeout=5)
        if not done:
            client.bio_write(stream.read(timeout=5))
    return hellos
