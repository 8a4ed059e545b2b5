"""The tree of errors as a whole: every class says where it stands, and one cause has one kind everywhere."""

from __future__ import annotations

import errno
import importlib
import pkgutil
import socket
import typing
from collections.abc import Iterator

import pytest

import netkit
from netkit.addr import SocketAddr
from netkit.errors import SYSTEM_KINDS, Fault, NetkitError, Stage

FAULTS = typing.get_args(Fault)
STAGES = typing.get_args(Stage)


def _below(cls: type[NetkitError]) -> Iterator[type[NetkitError]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)


def error_classes() -> list[type[NetkitError]]:
    """Every class of the library's errors, the heads of its branches included."""
    for module in pkgutil.walk_packages(netkit.__path__, "netkit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {cls for cls in _below(NetkitError) if cls.__module__.startswith("netkit.")}
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


CLASSES = error_classes()


def blank(cls: type[NetkitError]) -> NetkitError:
    """An instance without its fields: what a class says of itself does not depend on them."""
    error = cls.__new__(cls)
    error.__dict__.setdefault("code", None)
    return error


def test_there_are_some() -> None:
    assert len(CLASSES) > 120


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_a_class_says_where_it_stands(cls: type[NetkitError]) -> None:
    assert cls.fault in FAULTS
    assert cls.layer
    assert any("layer" in vars(base) for base in cls.__mro__[: cls.__mro__.index(NetkitError)])
    error = blank(cls)
    assert error.kind.isidentifier()
    for fault in FAULTS:  # which some have from who raises them
        error.fault = fault
        assert error.stage in STAGES


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if issubclass(cls, TimeoutError)])
def test_every_timeout_is_called_so(cls: type[NetkitError]) -> None:
    assert blank(cls).kind == "Timeout"


def _attempted(code: int) -> NetkitError:
    from netkit.net.errors import Attempt, connect_error

    attempt = Attempt(SocketAddr.parse("192.0.2.1:443"), 0.0)
    attempt.error = OSError(code, "words")
    return connect_error("example.com:443", [attempt])


def met_by_every_layer(code: int) -> list[NetkitError]:
    """The errors of all layers in which the system's error `code` may end."""
    from netkit.dns.errors import DnsError
    from netkit.http.errors import HttpError
    from netkit.net.errors import ListenError, SourceError, unix_error
    from netkit.tls.errors import TlsError

    cause, addr = OSError(code, "words"), SocketAddr.parse("192.0.2.1:443")
    return [
        _attempted(code),
        SourceError(addr, cause),
        ListenError(addr, cause),
        unix_error("/run/app.sock", cause),
        DnsError.NetworkError.from_os_error(cause),
        TlsError.IoError("words", code),
        HttpError.ConnectionError("words", errno=code),
    ]


@pytest.mark.parametrize("code", SYSTEM_KINDS, ids=lambda code: errno.errorcode[code])
def test_what_the_system_reports_has_one_kind_in_every_layer(code: int) -> None:
    assert {error.kind for error in met_by_every_layer(code)} == {SYSTEM_KINDS[code]}


def test_a_proxys_refusal_is_one() -> None:
    from netkit.proxy.errors import ProxyError

    assert ProxyError.SocksReply("a:1", 5).kind == ProxyError.Status("a:1", 503, "").kind == "Refused"


def test_a_missing_file_is_no_missing_name() -> None:
    from netkit.dns.errors import DnsError
    from netkit.net.errors import UnixError

    assert DnsError.NotFound().kind == "NotFound"
    assert UnixError.NoSuchFile("a", errno.ENOENT, "no").kind == SYSTEM_KINDS[errno.ENOENT] == "NoSuchFile"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (socket.EAI_NONAME, "HostNotFound"),
        (socket.EAI_AGAIN, "TryAgain"),
        (socket.EAI_FAIL, "NoRecovery"),
        (socket.EAI_MEMORY, "Other"),
        (None, "Other"),
    ],
)
def test_getaddrinfo_is_told_in_the_words_of_the_dns(code: int | None, kind: str) -> None:
    from netkit.dns.errors import DnsError
    from netkit.net.errors import ResolveError

    assert ResolveError("nowhere", code, "words").kind == kind
    assert hasattr(DnsError, kind)
