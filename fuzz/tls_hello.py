"""Coverage-guided fuzzing of reading TLS hellos, of clients and of servers.

    python fuzz/tls_hello.py [LIBFUZZER OPTIONS] [CORPUS]

A documented exception is an outcome; anything else is a finding. What strict reading accepts is written back
as the same octets, lenient reading accepts it too and has nothing to say of it, and a reader that is fed one
octet at a time comes to the same end.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["netkit.tls.hello"]):
    from netkit.tls.errors import TlsError
    from netkit.tls.hello import (
        ClientHello,
        FlightReader,
        Handshake,
        HelloReader,
        MalformedMessage,
        ServerHello,
    )
    from netkit.tls.hello.fingerprint import ja3, ja4


def outcome(data: bytes, pieces: int) -> str:
    """What a reader makes of these octets."""
    reader = HelloReader()
    try:
        for start in range(0, len(data), pieces):
            reader.feed(data[start : start + pieces])
    except TlsError as error:
        return type(error).__name__
    return repr(reader.hello)


def test_one_input(data: bytes) -> None:
    """What libFuzzer calls: the first octet says whether records, a client's or a server's hello follow."""
    kind, data = data[:1], data[1:]
    if kind == b"\0":
        assert outcome(data, 1) == outcome(data, 1 << 20)
        try:
            for item in FlightReader().feed(data):
                if isinstance(item, Handshake):
                    assert item.to_bytes()
        except TlsError:
            pass
        return
    cls, number = (ClientHello, 1) if kind == b"\1" else (ServerHello, 2)
    message = bytes((number,)) + len(data).to_bytes(3, "big") + data
    try:
        hello = cls.parse(message)
    except MalformedMessage as error:
        if not 0 <= error.offset <= len(message):
            raise
        try:
            assert cls.parse(message, lenient=True).faults, "lenient reading has nothing to say"
        except MalformedMessage:
            pass
        return
    assert hello.to_bytes() == message
    assert cls.parse(message, lenient=True) == hello
    if isinstance(hello, ClientHello):
        assert ja3(hello)
        assert ja4(hello)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
