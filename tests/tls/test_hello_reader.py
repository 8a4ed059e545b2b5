"""Records, `HelloReader` and `FlightReader`: in any pieces, with limits, and with what is not TLS."""

from __future__ import annotations

import pickle
import ssl
from time import process_time

import pytest
from hypothesis import given, strategies as st

from netkit.tls.errors import TlsError
from netkit.tls.hello import (
    Alert,
    Alpn,
    CertificateMessage,
    ClientHello,
    FlightReader,
    Handshake,
    HelloError,
    HelloReader,
    Malformed,
    MalformedMessage,
    MessageTooLong,
    PlainProtocol,
    Record,
    ServerHello,
    ServerName,
    UnexpectedMessage,
    to_records,
)
from netkit.tls.hello.codes import ContentType, ProtocolVersion
from netkit.tls.hello.reader import EMPTY_RECORD_LIMIT, HELLO_LIMIT
from tests.tls.hellos import FULL, RANDOM, of_openssl
from tests.tls.pki import Issued, issue, server_context

WIRE = of_openssl()
MESSAGE = WIRE[5:]


def record(kind: int, fragment: bytes, version: int = 0x0303) -> bytes:
    return Record(ContentType(kind), ProtocolVersion(version), fragment).to_bytes()


def read(data: bytes, pieces: int = 1 << 20, **options: int) -> ClientHello | None:
    reader = HelloReader(**options)
    for start in range(0, len(data), pieces):
        reader.feed(data[start : start + pieces])
    return reader.hello


class TestHelloReader:
    @pytest.mark.parametrize("pieces", [1, 2, 3, 7, 100, 1 << 20])
    @pytest.mark.parametrize("fragment", [1, 3, 100, 16384])
    def test_in_pieces_and_fragments(self, pieces: int, fragment: int) -> None:
        wire = to_records(MESSAGE, version=0x0301, fragment=fragment)
        reader = HelloReader()
        for start in range(0, len(wire), pieces):
            assert reader.hello is None
            hello = reader.feed(wire[start : start + pieces])
        assert hello is not None
        assert hello == reader.hello == ClientHello.parse(MESSAGE)
        assert reader.received == wire
        assert reader.consumed == len(wire)
        assert reader.left == b""

    def test_what_follows_is_left(self) -> None:
        reader = HelloReader()
        assert reader.feed(WIRE + b"early data") is not None
        assert reader.feed(b" and more") is reader.hello
        assert reader.left == b"early data and more"
        assert reader.received == WIRE + b"early data and more"

    def test_a_hello_of_16_kib(self) -> None:
        hello = FULL.with_extensions(Alpn(tuple(b"protocol-%d" % i for i in range(1300))))
        octets = hello.to_bytes()
        assert len(octets) > 16384
        assert read(to_records(octets)) == hello

    def test_the_limit(self) -> None:
        fitting = ClientHello(RANDOM, FULL.cipher_suites, (Alpn((b"x" * 255,) * 64),)).to_bytes()
        assert read(to_records(fitting), limit=len(fitting)) is not None
        with pytest.raises(MessageTooLong, match=f"is over the limit of {len(fitting) - 1}") as raised:
            read(to_records(fitting), limit=len(fitting) - 1)
        assert raised.value.alert == 47

    def test_the_limit_is_seen_at_once(self) -> None:
        size = HELLO_LIMIT.to_bytes(3, "big")
        with pytest.raises(MessageTooLong, match=f"a client_hello message of {HELLO_LIMIT + 4} octets"):
            read(record(22, b"\x01" + size))

    def test_empty_records(self) -> None:
        empty = record(22, b"")
        assert read(empty * EMPTY_RECORD_LIMIT + WIRE) is not None
        with pytest.raises(MessageTooLong, match="the number of empty records"):
            read(empty * (EMPTY_RECORD_LIMIT + 1) + WIRE)

    def test_time_grows_with_the_octets_only(self) -> None:
        """16 KiB in records of one octet, fed one octet at a time: 96 KiB of wire."""

        def seconds(size: int) -> float:
            message = b"\x01" + (size - 4).to_bytes(3, "big") + bytes(size - 5)
            wire = to_records(message, fragment=1)
            reader = HelloReader()
            start = process_time()
            for i in range(len(wire)):
                reader.feed(wire[i : i + 1])
            return process_time() - start

        small, large = min(seconds(2048) for _ in range(3)), seconds(16384)
        assert large < 3 * 8 * small

    def test_lenient(self) -> None:
        broken = WIRE.replace(b"example.com", b"exam/le.com")
        with pytest.raises(MalformedMessage, match="server_name"):
            HelloReader().feed(broken)
        hello = HelloReader(lenient=True).feed(broken)
        assert hello is not None
        assert hello.server_name is None
        assert [each.type.name for each in hello.extensions if isinstance(each, Malformed)] == ["server_name"]
        assert hello.alpn == ("h2", "http/1.1")

    @given(st.binary(max_size=400), st.integers(1, 50))
    def test_anything(self, data: bytes, pieces: int) -> None:
        try:
            hello = read(data, pieces)
        except TlsError as error:
            assert str(error)
        else:
            assert hello is None

    @given(st.data())
    def test_damaged(self, data: st.DataObject) -> None:
        wire = bytearray(WIRE)
        for _ in range(data.draw(st.integers(1, 3))):
            wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
        outcomes = []
        for pieces in (1, 1 << 20):
            try:
                outcomes.append(repr(read(bytes(wire), pieces)))
            except TlsError as error:
                outcomes.append(str(type(error)))
        assert outcomes[0] == outcomes[1]


class TestNotAHello:
    @pytest.mark.parametrize(
        ("received", "protocol"),
        [
            (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "HTTP"),
            (b"POST /x HTTP/1.1\r\n", "HTTP"),
            (b"CONNECT a:443 HTTP/1.1\r\n", "HTTP"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "SSH"),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY protocol"),
            (b"\r\n\r\n\x00\r\nQUIT\n", "PROXY protocol"),
            (b"\x05\x01\x00\x00\x00", "SOCKS 5"),
            (b"EHLO me\r\n", "SMTP"),
            (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", "SSLv2"),
            (b"\x80\x1c\x01\x00\x02\x00\x03\x00\x00", "SSLv2"),
            (b"\x00\x00\x00\x00\x00", None),
            (b"\x16\x04\x00\x00\x10", None),
        ],
    )
    def test_another_protocol_is_named(self, received: bytes, protocol: str | None) -> None:
        for pieces in (1, 1 << 20):
            with pytest.raises(PlainProtocol) as raised:
                read(received, pieces)
            assert raised.value.protocol == protocol
            assert received.startswith(raised.value.received)
            assert raised.value.hint
        assert isinstance(raised.value, TlsError.NotTls)
        assert "does not speak TLS" in str(raised.value)
        back = pickle.loads(pickle.dumps(raised.value))
        assert (back.protocol, str(back)) == (protocol, str(raised.value))

    def test_an_alert(self) -> None:
        with pytest.raises(TlsError.AlertReceived) as raised:
            read(Alert.fatal(40).to_record())
        assert raised.value.code == 40

    @pytest.mark.parametrize(
        ("wire", "what"),
        [
            (record(23, b"data"), "a record of type application_data"),
            (record(20, b"\x01"), "a record of type change_cipher_spec"),
            (record(21, b"\x02"), "a record of type alert"),
            (record(22, b"\x02\x00\x00\x00"), "a server_hello message"),
            (record(22, MESSAGE + b"\x01"), "a message behind the ClientHello"),
        ],
    )
    def test_another_record_or_message(self, wire: bytes, what: str) -> None:
        with pytest.raises(UnexpectedMessage, match=what) as raised:
            read(wire)
        assert raised.value.alert == 10
        assert wire.startswith(raised.value.received)

    def test_long_records(self) -> None:
        with pytest.raises(MessageTooLong, match="a record of 18433 octets"):
            read(b"\x16\x03\x01\x48\x01")
        with pytest.raises(MessageTooLong, match="a record of 16385 octets"):
            read(record(22, MESSAGE + bytes(16385 - len(MESSAGE))))

    def test_the_end_before_the_hello(self) -> None:
        assert "without a ClientHello" in str(HelloReader().end())
        for beginning in (b"\x16", WIRE[:100]):
            reader = HelloReader()
            assert reader.feed(beginning) is None
            assert isinstance(reader.end(), TlsError.Truncated)
            assert "in the middle of its ClientHello" in str(reader.end())
        reader = HelloReader()
        assert reader.feed(b"GET ") is None
        error = reader.end()
        assert isinstance(error, PlainProtocol)
        assert error.protocol == "HTTP"

    def test_all_have_an_alert(self) -> None:
        assert issubclass(MalformedMessage, HelloError)
        assert {cls.alert for cls in (MalformedMessage, UnexpectedMessage, MessageTooLong)} == {50, 10, 47}


@pytest.fixture(scope="module")
def leaf() -> Issued:
    return issue("a.example", sans=("a.example",))


class TestFlightReader:
    def flight(self, leaf: Issued, version: ssl.TLSVersion, *, asks: bool = False) -> bytes:
        """What the standard library's server answers to `of_openssl`."""
        context = server_context([leaf.certificate], leaf.private_key)
        context.minimum_version = context.maximum_version = version
        if asks:
            context.load_verify_locations(cadata=leaf.certificate.der_data)
            context.verify_mode = ssl.CERT_OPTIONAL
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        incoming.write(WIRE)
        with pytest.raises(ssl.SSLWantReadError):
            context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
        return outgoing.read()

    @pytest.mark.parametrize("pieces", [1, 50, 1 << 20])
    def test_of_tls12(self, leaf: Issued, pieces: int) -> None:
        wire = self.flight(leaf, ssl.TLSVersion.TLSv1_2, asks=True)
        reader = FlightReader()
        items = [item for i in range(0, len(wire), pieces) for item in reader.feed(wire[i : i + pieces])]
        messages = [item for item in items if isinstance(item, Handshake)]
        assert [message.type.name for message in messages] == [
            "server_hello",
            "certificate",
            "server_key_exchange",
            "certificate_request",
            "server_hello_done",
        ]
        assert len(items) == len(messages)
        hello = ServerHello.parse(messages[0].to_bytes())
        assert hello.version == 0x0303
        assert hello.downgraded_from is None  # a server without TLS 1.3 has nothing to mark
        assert CertificateMessage.parse(messages[1].message).certificates == (leaf.certificate.der_data,)
        assert not reader.encrypted
        assert reader.left == b""
        assert messages[0].body == messages[0].message[4:]

    def test_of_tls13(self, leaf: Issued) -> None:
        reader = FlightReader()
        first, *others = reader.feed(self.flight(leaf, ssl.TLSVersion.TLSv1_3))
        assert isinstance(first, Handshake)
        hello = ServerHello.parse(first.message)
        assert hello.version == 0x0304
        assert hello.group is not None
        assert reader.encrypted
        assert all(isinstance(item, Record) for item in others)

    def test_what_came_before_a_fault_is_given(self) -> None:
        items = FlightReader().feed(Alert(1, 112).to_record() + b"HTTP/1.1 400\r\n")
        alert = next(items)
        assert alert == Alert(1, 112)
        assert isinstance(alert, Alert)
        assert (alert.name, alert.is_fatal) == ("unrecognized_name", False)
        with pytest.raises(PlainProtocol):
            next(items)

    def test_faults(self) -> None:
        with pytest.raises(MalformedMessage, match="an alert: 3 octets"):
            list(FlightReader().feed(record(21, b"\x02\x28\x00")))
        with pytest.raises(MessageTooLong, match="a certificate message of 104 octets"):
            list(FlightReader(limit=100).feed(record(22, b"\x0b\x00\x00\x64")))
        with pytest.raises(MessageTooLong, match="a record of 16385 octets"):
            list(FlightReader().feed(record(22, bytes(16385))))
        assert list(FlightReader().feed(record(24, b"x"))) == [
            Record(ContentType(24), ProtocolVersion(0x0303), b"x")
        ]


def test_a_name_in_any_case_is_kept_as_it_was_sent() -> None:
    hello = FULL.with_extensions(ServerName.of("WWW.Example.COM."))
    again = read(to_records(hello.to_bytes()))
    assert again is not None
    assert again.server_name == "WWW.Example.COM."
