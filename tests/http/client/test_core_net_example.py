"""The end-to-end HTTPS example of core-net.txt, with the names as they are here; and the same by a Client.

Its error for a URL without a host, or a response without an end of its head, is a ValueError here. The port
of the test's server and the certificate that it is trusted by are what a test needs besides.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from netkit.http import AsyncClient, Client, DialConfig, Url
from netkit.net import TcpStream
from netkit.tls import Certificate, SystemCerts, TlsConfig, TlsStream
from tests.http.client.serving import Conn, Received, Site, authority, reply, trusting

VALUE = {"words": ["one", "zwölf"], "number": 7}


async def fetch_json(url: str, roots: list[Certificate]) -> object:
    """What core-net.txt calls so, line for line."""
    parsed = Url.parse(url)
    host = parsed.host
    if host is None:
        raise ValueError("no host")
    port = parsed.port or 443

    tcp = await TcpStream.connect_async((host, port))
    cfg = TlsConfig.client().with_root_certs(roots)
    async with await TlsStream.connect_async(tcp, host, cfg) as tls:
        req = f"GET {parsed.path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        await tls.write_all_async(req.encode())

        buf = bytearray()
        while tmp := await tls.read_async(4096):
            buf += tmp
    text = buf.decode(errors="replace")
    _, separator, body = text.partition("\r\n\r\n")
    if not separator:
        raise ValueError("malformed response")
    return json.loads(body)


def answer(request: Received, conn: Conn) -> bytes:
    assert request.target == "/value.json"
    return reply(
        json.dumps(VALUE).encode(), 200, ("Content-Type", "application/json"), ("Connection", "close")
    )


@pytest.fixture
def url() -> Iterator[str]:
    with Site(answer, tls=True) as site:
        yield site.url("/value.json", host="localhost")


def test_the_example(url: str) -> None:
    roots = [Certificate.from_pem(authority().cert_pem.bytes())]
    assert asyncio.run(fetch_json(url, roots)) == VALUE
    with pytest.raises(ValueError, match="host"):
        asyncio.run(fetch_json("data:,x", roots))


def test_its_roots_are_those_of_the_system() -> None:
    assert TlsConfig.client().with_root_certs(SystemCerts.load()).root_certs


def test_the_same_by_a_client(url: str) -> None:
    dial = DialConfig(tls=trusting())
    with Client(dial=dial) as client:
        assert json.loads(client.get(url).body_text or "") == VALUE

    async def fetch() -> object:
        async with AsyncClient(dial=dial) as client:
            return json.loads((await client.get_async(url)).body_text or "")

    assert asyncio.run(fetch()) == VALUE
