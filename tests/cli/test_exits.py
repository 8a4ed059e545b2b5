"""Every way to fail has its row in the table of exit codes."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from netkit.addr import AddrParseError, IpAddr, SocketAddr
from netkit.cli.frame.exits import BUG_HINT, EXIT_TEXTS, Exit, Terminated, explain
from netkit.dns.errors import DnsError
from netkit.errors import NetkitError
from netkit.http.errors import HttpError
from netkit.io import CancellationError, DeadlineExceeded, LimitExceeded, NoneSucceeded, UnexpectedEof
from netkit.net.errors import Attempt, ListenError, ResolveError, connect_error
from netkit.tls.errors import TlsError


def os_error(code: int, filename: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), filename)


def connecting(*codes: int | None) -> OSError:
    """What connecting raises when the addresses tried ended in these errors."""
    attempts = []
    for code in codes:
        attempt = Attempt(SocketAddr.parse("192.0.2.1:443"), 0.0)
        attempt.error = TimeoutError() if code is None else os_error(code)
        attempts.append(attempt)
    return connect_error("example.com:443", attempts)


class Closing(NetkitError):
    """An error of a layer that is not there yet."""

    layer = "ws"
    fault = "peer"


CASES: list[tuple[BaseException, Exit, str, str]] = [
    # names
    (ResolveError("nowhere", socket.EAI_NONAME, "no such host"), Exit.UNRESOLVED, "dns", "HostNotFound"),
    (ResolveError("nowhere", socket.EAI_AGAIN, "try again"), Exit.UNRESOLVED, "dns", "ResolveError"),
    (socket.gaierror(socket.EAI_NONAME, "no such host"), Exit.UNRESOLVED, "dns", "ResolveError"),
    (DnsError.NotFound(name="nowhere.test"), Exit.UNRESOLVED, "dns", "NotFound"),
    (DnsError.Timeout(5.0, name="example.test"), Exit.TIMEOUT, "dns", "Timeout"),
    (DnsError.ServerError(2, name="example.test"), Exit.UNRESOLVED, "dns", "ServerError"),
    (DnsError.InvalidResponse("answer[0]", 12, "odd"), Exit.PROTOCOL, "dns", "InvalidResponse"),
    (DnsError.InvalidName("a..b", "an empty label"), Exit.USAGE, "dns", "InvalidName"),
    # connections
    (connecting(errno.ECONNREFUSED), Exit.NO_CONNECTION, "tcp", "Refused"),
    (connecting(errno.ENETUNREACH, errno.ECONNREFUSED), Exit.NO_CONNECTION, "tcp", "Refused"),
    (connecting(errno.EHOSTUNREACH), Exit.NO_CONNECTION, "tcp", "Unreachable"),
    (connecting(errno.ECONNRESET), Exit.NO_CONNECTION, "tcp", "Reset"),
    (connecting(None), Exit.TIMEOUT, "tcp", "Timeout"),
    (connecting(errno.EADDRNOTAVAIL), Exit.LOCAL, "tcp", "Failed"),
    (os_error(errno.ECONNREFUSED), Exit.NO_CONNECTION, "tcp", "Refused"),
    (os_error(errno.ECONNRESET), Exit.NO_CONNECTION, "tcp", "Reset"),
    (os_error(errno.EPIPE), Exit.NO_CONNECTION, "tcp", "Reset"),
    (NoneSucceeded([os_error(errno.ECONNREFUSED), TimeoutError()]), Exit.NO_CONNECTION, "tcp", "Refused"),
    # TLS
    (TlsError.HandshakeFailed("no", code=None, hint=None), Exit.TLS, "tls", "HandshakeFailed"),
    (TlsError.HostnameMismatch("example.com"), Exit.TLS, "tls", "HostnameMismatch"),
    (TlsError.IoError("reset", errno.ECONNRESET), Exit.NO_CONNECTION, "tls", "IoError"),
    (TlsError.Truncated(), Exit.TLS, "tls", "Truncated"),
    (TlsError.NoTrustStore(("/etc/ssl",)), Exit.LOCAL, "tls", "NoTrustStore"),
    (TlsError.InvalidConfig("min_version", "above max_version"), Exit.USAGE, "tls", "InvalidConfig"),
    (TlsError.InvalidKey("not a key"), Exit.LOCAL, "tls", "InvalidKey"),
    (ssl.SSLError(1, "handshake failure"), Exit.TLS, "tls", "SSLError"),
    # HTTP
    (
        HttpError.ConnectionError("refused", errno=errno.ECONNREFUSED),
        Exit.NO_CONNECTION,
        "http",
        "ConnectionError",
    ),
    (
        HttpError.ConnectionError("closed by the peer", fault="peer"),
        Exit.NO_CONNECTION,
        "http",
        "ConnectionError",
    ),
    (HttpError.ConnectionError("no more", errno=errno.EMFILE), Exit.LOCAL, "http", "ConnectionError"),
    (HttpError.DnsResolution("no such host", "nowhere.test"), Exit.UNRESOLVED, "http", "DnsResolution"),
    (HttpError.TlsError("the certificate has expired"), Exit.TLS, "http", "TlsError"),
    (HttpError.TlsError("no trusted certificates", fault="local"), Exit.LOCAL, "http", "TlsError"),
    (HttpError.Timeout(5.0, "reading the response"), Exit.TIMEOUT, "http", "Timeout"),
    (HttpError.InvalidUri("it has no scheme", "x"), Exit.USAGE, "http", "InvalidUri"),
    (HttpError.InvalidUri("it has no host", fault="peer"), Exit.PROTOCOL, "http", "InvalidUri"),
    (HttpError.InvalidRequest("no Host"), Exit.USAGE, "http", "InvalidRequest"),
    (HttpError.InvalidRequest("no Host", fault="peer"), Exit.PROTOCOL, "http", "InvalidRequest"),
    (HttpError.InvalidResponse("two lengths"), Exit.PROTOCOL, "http", "InvalidResponse"),
    (HttpError.InvalidValue("header X", "NUL cannot stand in a value"), Exit.USAGE, "http", "InvalidValue"),
    (HttpError.InvalidValue("cookie", "too long", fault="peer"), Exit.PROTOCOL, "http", "InvalidValue"),
    (HttpError.BodyTooLarge(10, 11), Exit.PROTOCOL, "http", "BodyTooLarge"),
    (HttpError.BodyEncoding("it is not 'utf-8'", "utf-8"), Exit.PROTOCOL, "http", "BodyEncoding"),
    (HttpError.Other("odd"), Exit.PROTOCOL, "http", "Other"),
    (HttpError.Other("odd", fault="network"), Exit.NO_CONNECTION, "http", "Other"),
    # protocols
    (UnexpectedEof(12, 3), Exit.PROTOCOL, "io", "UnexpectedEof"),
    (LimitExceeded("the header", 100), Exit.PROTOCOL, "io", "LimitExceeded"),
    (Closing("bad frame"), Exit.PROTOCOL, "ws", "Closing"),
    # time
    (DeadlineExceeded("connecting to 192.0.2.1:1"), Exit.TIMEOUT, "io", "Timeout"),
    (TimeoutError("timed out"), Exit.TIMEOUT, "io", "Timeout"),
    # this machine
    (os_error(errno.ENOENT, "hosts.txt"), Exit.LOCAL, "system", "NotFound"),
    (os_error(errno.EACCES, "key.pem"), Exit.LOCAL, "system", "PermissionDenied"),
    (os_error(errno.EADDRINUSE), Exit.LOCAL, "system", "AddressInUse"),
    (os_error(errno.EMFILE), Exit.LOCAL, "system", "TooManyFiles"),
    (os_error(errno.EXDEV), Exit.LOCAL, "system", "OSError"),
    (ListenError("127.0.0.1:80", os_error(errno.EACCES)), Exit.LOCAL, "tcp", "ListenError"),
    (ModuleNotFoundError("No module named 'h2'", name="h2"), Exit.LOCAL, "netkit", "MissingExtra"),
    # the caller, and nobody
    (AddrParseError.InvalidPort("x:y", 2, "no"), Exit.USAGE, "addr", "InvalidPort"),
    (CancellationError(), Exit.INTERRUPTED, "netkit", "Interrupted"),
    (KeyboardInterrupt(), Exit.INTERRUPTED, "netkit", "Interrupted"),
    (Terminated(), Exit.TERMINATED, "netkit", "Terminated"),
    (KeyError("x"), Exit.LOCAL, "netkit", "Unexpected"),
    (ModuleNotFoundError("No module named 'netkit.x'", name="netkit.x"), Exit.LOCAL, "netkit", "Unexpected"),
]


@pytest.mark.parametrize(
    ("error", "code", "layer", "kind"), CASES, ids=lambda value: getattr(value, "name", None)
)
def test_what_an_error_becomes(error: BaseException, code: Exit, layer: str, kind: str) -> None:
    failure = explain(error)
    assert (failure.exit, failure.layer, failure.kind) == (code, layer, kind)
    assert failure.error is not None
    assert failure.message
    assert "Errno" not in failure.message
    assert failure.to_json() == {
        "layer": layer,
        "kind": kind,
        "message": failure.message,
        "hint": failure.hint,
    }


def test_no_such_name_is_the_answer_of_a_lookup_and_an_obstacle_elsewhere() -> None:
    absent = DnsError.NotFound(name="nowhere.test")
    assert explain(absent, lookup=True).exit is Exit.NO
    assert explain(absent).exit is Exit.UNRESOLVED
    refused = DnsError.Refused(name="example.test")
    assert explain(refused, lookup=True).exit is Exit.UNRESOLVED


def test_a_wrong_address_is_said_with_its_form() -> None:
    with pytest.raises(AddrParseError) as caught:
        IpAddr.parse("192.0.2.256")
    failure = explain(caught.value)
    assert failure.exit is Exit.USAGE
    assert "256" in failure.message


def test_a_file_is_named_in_the_words_of_the_system() -> None:
    assert explain(os_error(errno.ENOENT, "hosts.txt")).message == "hosts.txt: no such file or directory"
    assert explain(FileNotFoundError(errno.ENOENT, "No such file or directory", b"raw")).message.startswith(
        "raw:"
    )


def test_a_bug_is_asked_to_be_reported() -> None:
    failure = explain(ZeroDivisionError())
    assert failure.message == "ZeroDivisionError"
    assert failure.hint == BUG_HINT


def test_every_code_has_its_text() -> None:
    assert set(EXIT_TEXTS) == set(Exit)
    assert all(text.endswith(".") for text in EXIT_TEXTS.values())
