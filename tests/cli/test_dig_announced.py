"""`netkit dig +proxy`: the PROXY header before queries, over UDP, TCP and TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netkit.dns.messages.message import Message, make_response
from netkit.proxy.header import ProxyHeader, Transport
from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import Result, address_of, run_netkit

pytestmark = pytest.mark.once

Serve = Callable[[socket.socket, list[ProxyHeader]], None]


@contextmanager
def serving(kind: int, serve: Serve) -> Iterator[tuple[str, list[ProxyHeader]]]:
    """`@ADDRESS:PORT` of what `serve` does in a thread, and the headers that it has seen."""
    seen: list[ProxyHeader] = []
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        thread = threading.Thread(target=serve, args=(sock, seen), daemon=True)
        thread.start()
        yield f"@{address_of(sock)}", seen
        thread.join(10)


def header_of(data: bytes, seen: list[ProxyHeader]) -> bytes:
    """What follows the header."""
    found = ProxyHeader.parse(data)
    assert found is not None
    seen.append(found[0])
    return data[found[1] :]


def answer_to(query: bytes) -> bytes:
    return make_response(Message.from_wire(query)).to_wire()


def over_udp(sock: socket.socket, seen: list[ProxyHeader]) -> None:
    data, peer = sock.recvfrom(4096)
    sock.sendto(answer_to(header_of(data, seen)), peer)


def converse(connection: socket.socket, times: int) -> None:
    """Answer framed queries."""
    with connection.makefile("rwb") as stream:
        for _ in range(times):
            reply = answer_to(stream.read(int.from_bytes(stream.read(2), "big")))
            stream.write(len(reply).to_bytes(2, "big") + reply)
            stream.flush()


def read_header(connection: socket.socket, seen: list[ProxyHeader]) -> None:
    data = b""
    while ProxyHeader.parse(data) is None:
        more = connection.recv(1)
        assert more
        data += more
    header_of(data, seen)


def over_tcp(sock: socket.socket, seen: list[ProxyHeader]) -> None:
    connection, _ = sock.accept()
    with connection:
        read_header(connection, seen)
        converse(connection, 2)


def dig(at: str, *words: str) -> Result:
    return run_netkit(
        "dig", at, "+tries=1", "+time=5", "--concurrency=1", "--json", *words, "x.test", "y.test"
    )


@pytest.mark.parametrize(
    ("flag", "source", "destination"),
    [
        ("+proxy", None, None),
        ("+proxy-plain", None, None),
        ("+proxy=192.0.2.1-192.0.2.53", "192.0.2.1:0", "192.0.2.53:53"),
        ("+proxy=2001:db8::1#4000-2001:db8::53#5353", "[2001:db8::1]:4000", "[2001:db8::53]:5353"),
    ],
)
def test_the_header_precedes_a_datagram_and_a_connection(
    flag: str, source: str | None, destination: str | None
) -> None:
    with serving(socket.SOCK_DGRAM, over_udp) as (at, seen):
        result = run_netkit("dig", at, "+tries=1", "+time=5", flag, "x.test", "--json")
    assert result.json[0]["rcode"] == "NOERROR"
    with serving(socket.SOCK_STREAM, over_tcp) as (at, seen_of_tcp):
        result = dig(at, "+tcp", flag)
    assert [row["rcode"] for row in result.json] == ["NOERROR", "NOERROR"]
    [header], [of_tcp] = seen, seen_of_tcp  # one for two queries over one connection
    for found in (header, of_tcp):
        assert found.local is (source is None)
        assert (found.source and str(found.source)) == source
        assert (found.destination and str(found.destination)) == destination
    if source is not None:
        assert (header.transport, of_tcp.transport) == (Transport.Datagram, Transport.Stream)


@pytest.mark.parametrize("flag", ["+proxy", "+proxy-plain"])
def test_over_tls_the_header_is_in_it_or_before_it(flag: str, tmp_path: Path) -> None:
    certificate, key = ThrowawayAuthority().issue(["dns.test"])
    (tmp_path / "both.pem").write_text(certificate.to_pem() + key.to_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")

    def over_tls(sock: socket.socket, seen: list[ProxyHeader]) -> None:
        connection, _ = sock.accept()
        if flag == "+proxy-plain":
            read_header(connection, seen)
        with context.wrap_socket(connection, server_side=True) as secure:
            if flag == "+proxy":
                read_header(secure, seen)
            converse(secure, 2)

    with serving(socket.SOCK_STREAM, over_tls) as (at, seen):
        result = dig(at, "+tls", "--insecure", f"{flag}=192.0.2.1-192.0.2.53")
    assert [row["transport"] for row in result.json] == ["tls", "tls"]
    assert [str(header.source) for header in seen] == ["192.0.2.1:0"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["+proxy=192.0.2.1"], "'192.0.2.1': there must be two addresses"),
        (["+proxy=192.0.2.1-2001:db8::1"], "source and destination are not of one family"),
        (["+proxy=here-there"], "'here-there'"),
        (["+proxy=192.0.2.1#x-192.0.2.2"], "'192.0.2.1#x-192.0.2.2'"),
        (["+proxy", "+https"], "+proxy is for UDP, TCP and TLS"),
        (["--proxy-header=192.0.2.1"], "there must be two addresses"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], message: str) -> None:
    result = run_netkit("dig", "@127.0.0.1", "x.test", *words)
    assert result.exit_code == 2
    assert message in result.stderr
