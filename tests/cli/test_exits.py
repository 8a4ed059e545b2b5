"""Every way to fail has its row in the table of exit codes."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from typing import get_args

import pytest

from netkit.addr import AddrParseError, IpAddr, SocketAddr
from netkit.cli.commands.http_fetch import fetch
from netkit.cli.commands.tls import probe
from netkit.cli.frame.exits import BUG_HINT, EXIT_TEXTS, Exit, Terminated, explain
from netkit.cli.frame.remedies import REMEDIES
from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.transfers.errors import TransferRefused
from netkit.errors import NetkitError, Remedy
from netkit.http.errors import HttpError
from netkit.io import CancellationError, DeadlineExceeded, LimitExceeded, NoneSucceeded, UnexpectedEof
from netkit.net.errors import (
    LISTEN,
    Attempt,
    ConnectError,
    ListenError,
    ResolveError,
    connect_error,
    unix_error,
)
from netkit.tls.errors import TlsError

pytestmark = pytest.mark.once


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


def unix(code: int, doing: str = "connect to") -> OSError:
    """What a Unix-domain address raises for this error of the system."""
    return unix_error("/run/app.sock", os_error(code), doing)


class Closing(NetkitError):
    """An error of a layer that is not there yet."""

    layer = "ws"
    fault = "peer"


CASES: list[tuple[BaseException, Exit, str, str, str]] = [
    # names
    (
        ResolveError("nowhere", socket.EAI_NONAME, "no such host"),
        Exit.UNRESOLVED,
        "dns",
        "resolve",
        "HostNotFound",
    ),
    (
        ResolveError("nowhere", socket.EAI_AGAIN, "try again"),
        Exit.UNRESOLVED,
        "dns",
        "resolve",
        "TryAgain",
    ),
    (socket.gaierror(socket.EAI_NONAME, "no such host"), Exit.UNRESOLVED, "dns", "resolve", "HostNotFound"),
    (DnsError.NotFound(name="nowhere.test"), Exit.UNRESOLVED, "dns", "resolve", "NotFound"),
    (DnsError.Timeout(5.0, name="example.test"), Exit.TIMEOUT, "dns", "resolve", "Timeout"),
    (
        DnsError.ServerError(Rcode.SERVFAIL, name="example.test"),
        Exit.UNRESOLVED,
        "dns",
        "resolve",
        "ServerError",
    ),
    (DnsError.InvalidResponse("answer[0]", 12, "odd"), Exit.PROTOCOL, "dns", "protocol", "InvalidResponse"),
    (DnsError.InvalidName("a..b", "an empty label"), Exit.USAGE, "dns", "usage", "InvalidName"),
    # connections
    (connecting(errno.ECONNREFUSED), Exit.NO_CONNECTION, "tcp", "connect", "Refused"),
    (connecting(errno.ENETUNREACH, errno.ECONNREFUSED), Exit.NO_CONNECTION, "tcp", "connect", "Refused"),
    (connecting(errno.EHOSTUNREACH), Exit.NO_CONNECTION, "tcp", "connect", "Unreachable"),
    (connecting(errno.ECONNRESET), Exit.NO_CONNECTION, "tcp", "connect", "Reset"),
    (connecting(None), Exit.TIMEOUT, "tcp", "connect", "Timeout"),
    (connecting(errno.EADDRNOTAVAIL), Exit.LOCAL, "tcp", "local", "AddressNotAvailable"),
    (connecting(errno.EINVAL), Exit.LOCAL, "tcp", "local", "Other"),
    (connecting(errno.EACCES), Exit.NO_CONNECTION, "tcp", "connect", "PermissionDenied"),
    (connecting(errno.EPERM), Exit.NO_CONNECTION, "tcp", "connect", "PermissionDenied"),
    (unix(errno.ENOENT), Exit.NO_CONNECTION, "unix", "connect", "NoSuchFile"),
    (unix(errno.ENOENT, LISTEN), Exit.LOCAL, "unix", "local", "NoSuchFile"),
    (unix(errno.EACCES), Exit.LOCAL, "unix", "local", "PermissionDenied"),
    (unix(errno.EMFILE), Exit.LOCAL, "unix", "local", "TooManyFiles"),
    (os_error(errno.ECONNREFUSED), Exit.NO_CONNECTION, "tcp", "connect", "Refused"),
    (os_error(errno.ECONNRESET), Exit.NO_CONNECTION, "tcp", "connect", "Reset"),
    (os_error(errno.EPIPE), Exit.NO_CONNECTION, "tcp", "connect", "Reset"),
    (
        NoneSucceeded([os_error(errno.ECONNREFUSED), TimeoutError()]),
        Exit.NO_CONNECTION,
        "tcp",
        "connect",
        "Refused",
    ),
    # TLS
    (TlsError.HandshakeFailed("no", code=None, hint=None), Exit.TLS, "tls", "tls", "HandshakeFailed"),
    (TlsError.HostnameMismatch("example.com"), Exit.TLS, "tls", "tls", "HostnameMismatch"),
    (TlsError.IoError("reset", errno.ECONNRESET), Exit.NO_CONNECTION, "tls", "connect", "Reset"),
    (TlsError.Truncated(), Exit.TLS, "tls", "tls", "UnexpectedEof"),
    (TlsError.NoTrustStore(("/etc/ssl",)), Exit.LOCAL, "tls", "local", "NoTrustStore"),
    (TlsError.UnusableFile("roots.pem", "no end", 7), Exit.LOCAL, "tls", "local", "UnusableFile"),
    (TlsError.InvalidConfig("min_version", "above max_version"), Exit.USAGE, "tls", "usage", "InvalidConfig"),
    (TlsError.InvalidKey("not a key"), Exit.LOCAL, "tls", "local", "InvalidKey"),
    (ssl.SSLError(1, "handshake failure"), Exit.TLS, "tls", "tls", "HandshakeFailed"),
    # HTTP
    (
        HttpError.ConnectionError("refused", errno=errno.ECONNREFUSED),
        Exit.NO_CONNECTION,
        "http",
        "connect",
        "Refused",
    ),
    (
        HttpError.ConnectionError("closed by the peer", fault="peer"),
        Exit.NO_CONNECTION,
        "http",
        "connect",
        "ConnectionError",
    ),
    (
        HttpError.ConnectionError("no more", errno=errno.EMFILE),
        Exit.LOCAL,
        "http",
        "local",
        "TooManyFiles",
    ),
    (
        HttpError.DnsResolution("no such host", "nowhere.test"),
        Exit.UNRESOLVED,
        "http",
        "resolve",
        "DnsResolution",
    ),
    (HttpError.TlsError("the certificate has expired"), Exit.TLS, "http", "tls", "TlsError"),
    (HttpError.TlsError("no trusted certificates", fault="local"), Exit.LOCAL, "http", "local", "TlsError"),
    (HttpError.Timeout(5.0, "reading the response"), Exit.TIMEOUT, "http", "connect", "Timeout"),
    (HttpError.InvalidUri("it has no scheme", "x"), Exit.USAGE, "http", "usage", "InvalidUri"),
    (HttpError.InvalidUri("it has no host", fault="peer"), Exit.PROTOCOL, "http", "protocol", "InvalidUri"),
    (HttpError.InvalidRequest("no Host"), Exit.USAGE, "http", "usage", "InvalidRequest"),
    (HttpError.InvalidRequest("no Host", fault="peer"), Exit.PROTOCOL, "http", "protocol", "InvalidRequest"),
    (HttpError.InvalidResponse("two lengths"), Exit.PROTOCOL, "http", "protocol", "InvalidResponse"),
    (
        HttpError.InvalidValue("header X", "NUL cannot stand in a value"),
        Exit.USAGE,
        "http",
        "usage",
        "InvalidValue",
    ),
    (
        HttpError.InvalidValue("cookie", "too long", fault="peer"),
        Exit.PROTOCOL,
        "http",
        "protocol",
        "InvalidValue",
    ),
    (HttpError.BodyTooLarge(10, 11), Exit.PROTOCOL, "http", "protocol", "BodyTooLarge"),
    (HttpError.BodyEncoding("it is not 'utf-8'", "utf-8"), Exit.PROTOCOL, "http", "protocol", "BodyEncoding"),
    (HttpError.Other("odd"), Exit.PROTOCOL, "http", "protocol", "Other"),
    (HttpError.Other("odd", fault="network"), Exit.NO_CONNECTION, "http", "connect", "Other"),
    # protocols
    (UnexpectedEof(12, 3), Exit.PROTOCOL, "io", "protocol", "UnexpectedEof"),
    (LimitExceeded("the header", 100), Exit.PROTOCOL, "io", "protocol", "LimitExceeded"),
    (Closing("bad frame"), Exit.PROTOCOL, "ws", "protocol", "Closing"),
    # time
    (DeadlineExceeded("connecting to 192.0.2.1:1"), Exit.TIMEOUT, "io", "connect", "Timeout"),
    (TimeoutError("timed out"), Exit.TIMEOUT, "io", "connect", "Timeout"),
    # this machine
    (os_error(errno.ENOENT, "hosts.txt"), Exit.LOCAL, "system", "local", "NoSuchFile"),
    (os_error(errno.EACCES, "key.pem"), Exit.LOCAL, "system", "local", "PermissionDenied"),
    (os_error(errno.EADDRINUSE), Exit.LOCAL, "system", "local", "AddressInUse"),
    (os_error(errno.EMFILE), Exit.LOCAL, "system", "local", "TooManyFiles"),
    (os_error(errno.EXDEV), Exit.LOCAL, "system", "local", "Other"),
    (ListenError("127.0.0.1:80", os_error(errno.EACCES)), Exit.LOCAL, "tcp", "local", "PermissionDenied"),
    (ModuleNotFoundError("No module named 'h2'", name="h2"), Exit.LOCAL, "netkit", "local", "MissingExtra"),
    # the caller, and nobody
    (AddrParseError.InvalidPort("x:y", 2, "no"), Exit.USAGE, "addr", "usage", "InvalidPort"),
    (CancellationError(), Exit.INTERRUPTED, "netkit", "local", "Interrupted"),
    (KeyboardInterrupt(), Exit.INTERRUPTED, "netkit", "local", "Interrupted"),
    (Terminated(), Exit.TERMINATED, "netkit", "local", "Terminated"),
    (KeyError("x"), Exit.LOCAL, "netkit", "local", "Unexpected"),
    (
        ModuleNotFoundError("No module named 'netkit.x'", name="netkit.x"),
        Exit.LOCAL,
        "netkit",
        "local",
        "Unexpected",
    ),
]


@pytest.mark.parametrize(
    ("error", "code", "layer", "stage", "kind"), CASES, ids=lambda value: getattr(value, "name", None)
)
def test_what_an_error_becomes(error: BaseException, code: Exit, layer: str, stage: str, kind: str) -> None:
    failure = explain(error)
    assert (failure.exit, failure.layer, failure.stage, failure.kind) == (code, layer, stage, kind)
    assert failure.error is not None
    assert failure.message
    assert "Errno" not in failure.message
    shown = failure.to_json()
    attempts = shown.pop("attempts", [])
    assert len(attempts) == len(error.attempts if isinstance(error, ConnectError) else [])
    assert shown == {
        "layer": layer,
        "stage": stage,
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


@pytest.mark.parametrize("lookup", [False, True])
@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ECONNRESET, "Reset"), (errno.ECONNREFUSED, "Refused"), (errno.ENETUNREACH, "Unreachable")],
)
def test_a_name_server_that_was_not_reached_resolved_nothing(lookup: bool, code: int, kind: str) -> None:
    error = DnsError.NetworkError(os.strerror(code), code, name="example.test")
    failure = explain(error, lookup=lookup)
    assert (failure.exit, failure.stage, failure.kind) == (Exit.UNRESOLVED, "resolve", kind)


@pytest.mark.parametrize("lookup", [False, True])
def test_a_name_server_that_this_machine_cannot_ask_is_a_local_problem(lookup: bool) -> None:
    no_more = DnsError.NetworkError("too many open files", errno.EMFILE, name="example.test")
    failure = explain(no_more, lookup=lookup)
    assert (failure.exit, failure.stage, failure.kind) == (Exit.LOCAL, "local", "TooManyFiles")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_what_a_firewall_refuses_is_not_this_machines_and_the_hint_names_it(code: int) -> None:
    refused = DnsError.NetworkError("operation not permitted", code, name="example.test")
    connection, lookup = explain(connecting(code)), explain(refused, lookup=True)
    assert (connection.exit, connection.stage) == (Exit.NO_CONNECTION, "connect")
    assert (lookup.exit, lookup.stage) == (Exit.UNRESOLVED, "resolve")
    for failure in (connection, lookup):
        assert failure.kind == "PermissionDenied"
        assert "firewall" in (failure.hint or "")


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


def test_a_hint_says_what_to_type() -> None:
    """The library says what to do in its own words, and the command line adds the option for it."""
    error = TlsError.AlertReceived(112)
    assert explain(error).hint == f"{error.hint}; --servername NAME says which is asked for"
    assert explain(TlsError.AlertReceived(80)).hint == TlsError.AlertReceived(80).hint
    absent = ResolveError("nowhere.test", socket.EAI_NONAME, "no such host")
    assert explain(absent).hint == "check the spelling; `netkit dig` shows what the name servers say"


def test_every_remedy_is_an_option_that_there_is() -> None:
    assert set(REMEDIES) == set(get_args(Remedy))
    options = {name for command in (probe, fetch) for param in command.params for name in param.opts}
    assert {word for text in REMEDIES.values() for word in re.findall(r"--[a-z0-9-]+", text)} <= options


def test_a_command_without_the_option_shows_the_words_alone() -> None:
    error = TlsError.AlertReceived(70)
    assert explain(error, options={"--ca"}).hint == error.hint
    assert explain(error, options={"--min-version", "--max-version"}).hint != error.hint


def test_a_name_server_that_refuses_has_been_reached() -> None:
    failed = explain(TransferRefused(Rcode.SERVFAIL, name="example.test"))
    assert (failed.kind, failed.hint) == ("Refused", None)
