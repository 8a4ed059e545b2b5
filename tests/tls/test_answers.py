"""What servers of no good say to a hello, and what each backend makes of it: in memory, octet for octet."""

from __future__ import annotations

import pytest

from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from tests.tls.each_backend import OWN
from tests.tls.memory import new_session

CLIENT = TlsConfig.client().with_verify_mode(CertVerifyMode.None_)


def _record(kind: int, body: bytes) -> bytes:
    return bytes((kind, 3, 3)) + len(body).to_bytes(2, "big") + body


def _server_hello(suite: int, extensions: bytes) -> bytes:
    """RFC 8446 section 4.1.3: one that chooses TLS 1.2, unless `extensions` choose another version."""
    fixed = b"\3\3" + b"R" * 32 + b"\0" + suite.to_bytes(2, "big") + b"\0"
    body = fixed + len(extensions).to_bytes(2, "big") + extensions
    return _record(22, b"\2" + len(body).to_bytes(3, "big") + body)


def _error(backend: str, answer: bytes, config: TlsConfig = CLIENT) -> TlsError:
    """The error by which a client ends the handshake with a server that gives this answer."""
    session = new_session(config.with_backend(backend), None)
    session.handshake()
    session.feed(answer)
    with pytest.raises(TlsError) as caught:
        session.handshake()
    return caught.value


@pytest.mark.once
@pytest.mark.parametrize("backend", ["ssl", "pyopenssl"])
def test_a_close_notify_is_the_end_of_the_connection(backend: str) -> None:
    error = _error(backend, _record(21, b"\1\0"))
    assert isinstance(error, TlsError.Truncated)
    assert str(error) == "the peer closed the connection in the middle of the handshake"


@pytest.mark.once
@pytest.mark.parametrize("backend", OWN)
def test_a_version_that_nobody_knows_is_not_told_as_the_one_that_it_imitates(backend: str) -> None:
    error = _error(backend, _server_hello(0x1301, b"\0\x2b\0\2\3\x09"))
    assert "TLS 1.2" not in str(error)


@pytest.mark.once
@pytest.mark.parametrize("backend", OWN)
def test_a_version_that_is_not_allowed_is_named(backend: str) -> None:
    newest = TlsConfig.client().replace(verify_mode=CertVerifyMode.None_, min_version=CLIENT.max_version)
    error = _error(backend, _server_hello(0xC02F, b"\xff\1\0\1\0"), newest)
    assert str(error) == "TLS 1.2 is not among the protocol versions allowed here"


@pytest.mark.once
@pytest.mark.parametrize("backend", OWN)
def test_a_record_that_is_too_long_is_told_alike(backend: str) -> None:
    error = _error(backend, _record(22, b"A" * 20_000))
    assert str(error) == "TLS handshake failed: the peer sent a record that is too long for TLS"


@pytest.mark.once
@pytest.mark.parametrize("backend", ["ssl", "pyopenssl"])
def test_a_message_that_is_too_long_is_not_taken_for_certificates(backend: str) -> None:
    """It says of itself that it is a ServerHello of 16 MiB."""
    error = _error(backend, _record(22, b"\2\xff\xff\xff" + bytes(100)))
    assert "sent a message that is longer than OpenSSL accepts" in str(error)


@pytest.mark.once
@pytest.mark.parametrize("backend", OWN)
def test_what_is_no_record_is_told_alike(backend: str) -> None:
    """After a record of TLS; else it is another protocol."""
    error = _error(backend, _server_hello(0x1301, b"") + b"\xee\xee\xee\xee\xee" * 20)
    assert isinstance(error, TlsError.HandshakeFailed)
    words = str(error)
    assert "corrupt" not in words
    assert "misbehaved" not in words


@pytest.mark.once
@pytest.mark.skipif("rustls" not in OWN, reason="rustls is not here")
@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (("message", "InvalidContentType", None, "x"), "the peer sent something that is no record of TLS"),
        (("message", "InvalidKeyUpdate", None, "x"), "sent a message that is malformed: invalid key update"),
        (("misbehaved", "MissingKeyShare", None, "x"), "the peer broke a rule of TLS: missing key share"),
        (("incompatible", "NullCompressionRequired", None, "x"), "together: null compression required"),
        (("decrypt", "DecryptError", None, "x"), "a record was damaged on the way"),
        (("other", "General", None, "as it says"), "as it says"),
        (("certificate", "Other", None, "invalid peer certificate: Other(OtherError(ExtensionValueInvalid))"),
         "a certificate has an extension twice, or with a value that is not allowed"),
        (("certificate", "Other", None, "invalid peer certificate: Other(OtherError(MalformedExtensions))"),
         "malformed extensions"),
    ],
)  # fmt: skip
def test_names_of_rustls_are_words(failure: tuple[str, str, int | None, str], words: str) -> None:
    from netkit.tls.backends.rustls.failures import translated

    told = {"is_server": False, "handshaking": True, "server_name": None, "version": None}
    error = translated(failure, received=b"\x16\x03\x03", **told)  # type: ignore[arg-type]
    assert str(error).endswith(words)
