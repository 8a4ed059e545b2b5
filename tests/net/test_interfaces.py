"""The interfaces of this machine, and of a network namespace that has one without an address."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from netkit.addr import Ipv4Addr
from netkit.net import interfaces
from netkit.net.interfaces import InterfaceError, interface_index, interface_ipv4, interface_names
from tests.cli.helpers import process_environment
from tests.conftest import require_peer


def test_loopback() -> None:
    known = {name: index for index, name in socket.if_nameindex()}
    assert interface_names() == sorted(known, key=known.__getitem__)
    assert interface_index("lo") == known["lo"]
    assert interface_ipv4("lo") == Ipv4Addr("127.0.0.1")


@pytest.mark.parametrize("name", ["", "nosuch7", "lo\0", "l" * 100, "127.0.0.1"])
def test_an_unknown_interface(name: str) -> None:
    for ask in (interface_index, interface_ipv4):
        with pytest.raises(InterfaceError.NoSuchInterface, match="no interface is named") as caught:
            ask(name)
        error = caught.value
        assert (error.interface, error.errno, error.fault, error.kind) == (
            name,
            errno.ENODEV,
            "caller",
            "NoSuchInterface",
        )
        assert "lo" in str(error.hint)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


WITHOUT_ADDRESS = """
from netkit.net.interfaces import InterfaceError, interface_ipv4, interface_names
try:
    interface_ipv4("lo")
except InterfaceError.AddressNotAvailable as error:
    print(error.kind, error.fault, error, interface_names())
"""


def test_an_interface_without_an_address() -> None:
    """The loopback interface of a new network namespace is down."""
    alone = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    done = subprocess.run(
        [require_peer("unshare"), *alone, "--net", sys.executable, "-c", WITHOUT_ADDRESS],
        capture_output=True,
        text=True,
        timeout=50,
        env=process_environment(),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "AddressNotAvailable local the interface 'lo' has no IPv4 address ['lo']\n"


def test_a_system_that_does_not_tell_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "sys", SimpleNamespace(platform="darwin"))
    with pytest.raises(InterfaceError.Unsupported) as caught:
        interface_ipv4("lo")
    assert caught.value.hint == "write the interface's IPv4 address"
    with pytest.raises(InterfaceError.NoSuchInterface):
        interface_ipv4("nosuch7")
