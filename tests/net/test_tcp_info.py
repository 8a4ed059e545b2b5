"""TCP_INFO: what the system has measured of a connection."""

from __future__ import annotations

import sys

import pytest

from netkit.io import ClosedError
from netkit.net import TcpListener, TcpStream


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO as Linux has it")
def test_what_the_system_has_measured() -> None:
    with TcpListener.bind("127.0.0.1:0") as listener, TcpStream.connect(listener.local_addr) as stream:
        with listener.accept()[0] as other:
            stream.write_all(bytes(100_000))
            other.read_exactly(100_000, timeout=5)
            info = stream.info
        assert info is not None
        assert 0 < info.round_trip < 10
        assert 0 < info.round_trip_variation < 10
        assert 500 < info.mss <= info.path_mtu <= 65_536
        assert info.congestion_window > 1
        assert info.retransmits >= 0
        stream.close()
        with pytest.raises(ClosedError):
            stream.info  # noqa: B018
