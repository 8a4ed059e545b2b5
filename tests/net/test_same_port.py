"""TCP and UDP at one port, also where the system's choice for the one is taken for the other."""

from __future__ import annotations

import errno

import pytest

from netkit.addr import SocketAddr
from netkit.net import ListenError, UdpSocket
from netkit.net.same_port import ATTEMPTS, bind_same_port


def taken_at_first(monkeypatch: pytest.MonkeyPatch, times: int) -> list[SocketAddr]:
    """Have the first ports be taken for UDP; the ports that were tried."""
    tried: list[SocketAddr] = []
    bind_addr = UdpSocket.bind_addr

    def bind(addr: SocketAddr) -> UdpSocket:
        tried.append(addr)
        if len(tried) <= times:
            raise ListenError(addr, OSError(errno.EADDRINUSE, "Address already in use"))
        return bind_addr(addr)

    monkeypatch.setattr(UdpSocket, "bind_addr", bind)
    return tried


@pytest.mark.parametrize("addr", ["127.0.0.1:0", SocketAddr.parse("127.0.0.1:0"), ("localhost", 0)])
def test_another_port_is_tried_where_any_will_do(monkeypatch: pytest.MonkeyPatch, addr: object) -> None:
    tried = taken_at_first(monkeypatch, 3)
    listener, sock = bind_same_port(addr)  # type: ignore[arg-type]
    with listener, sock:
        assert listener.local_addr == sock.local_addr == tried[3]


def test_a_port_that_was_named_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, sock = bind_same_port("127.0.0.1:0")
    addr = listener.local_addr
    listener.close()
    sock.close()
    tried = taken_at_first(monkeypatch, 1)
    with pytest.raises(ListenError):
        bind_same_port(addr)
    assert tried == [addr]


def test_it_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = taken_at_first(monkeypatch, 1000)
    with pytest.raises(ListenError):
        bind_same_port("127.0.0.1:0")
    assert len(tried) == ATTEMPTS
