"""Proxies that nobody here wrote: microsocks, tinyproxy, ncat and haproxy, with a target that echoes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.net import TcpListener
from netkit.proxy import Proxy, ProxyError, connect_through, connect_through_async, receive_header
from tests.cli.helpers import run_netkit
from tests.conftest import free_port, require_peer
from tests.interop.proxies import PROXIES, microsocks, running

WAIT = 20.0


@pytest.fixture
def target() -> Iterator[int]:
    """The port of a server that greets, and echoes until a line says quit."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=[connection], daemon=True).start()

        def echo(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.sendall(b"220 hello\r\n")
                    while data := connection.recv(65536):
                        connection.sendall(data)
                        if data.endswith(b"quit\n"):
                            return
                except OSError:
                    pass

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT)


@pytest.fixture(params=PROXIES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["open", "login"])
def proxy(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[tuple[Proxy, bool]]:
    """Each proxy in turn, with and without a login; and whether it wants one."""
    scheme, argv = PROXIES[kind]
    port = free_port()
    login = "jo:p4w@" if request.param else ""
    with running(argv(port, tmp_path, request.param), port):
        yield Proxy.parse(f"{scheme}://{login}127.0.0.1:{port}"), request.param


def test_through(proxy: tuple[Proxy, bool], target: int) -> None:
    through, login = proxy
    data = bytes(range(256)) * 2000
    with connect_through(through, f"127.0.0.1:{target}", timeout=WAIT) as stream:
        assert stream.read_exactly(11, timeout=WAIT) == b"220 hello\r\n"
        sender = threading.Thread(target=stream.write_all, args=[data], daemon=True)
        sender.start()
        assert stream.read_exactly(len(data), timeout=WAIT) == data
        sender.join(WAIT)
    if login:
        wrong = Proxy(through.scheme, through.endpoint, username="jo", password="wrong")
        # tinyproxy says 401 of a wrong password, which is for servers; 407 where there is none.
        with pytest.raises((ProxyError.AuthFailed, ProxyError.Closed, ProxyError.Status)):
            connect_through(wrong, f"127.0.0.1:{target}", timeout=WAIT)
        nobody = Proxy(through.scheme, through.endpoint)
        with pytest.raises((ProxyError.AuthRequired, ProxyError.Closed)):
            connect_through(nobody, f"127.0.0.1:{target}", timeout=WAIT)


def test_a_target_that_is_not_there(kind: str, tmp_path: Path) -> None:
    scheme, argv = PROXIES[kind]
    nowhere, port = free_port(), free_port()
    with running(argv(port, tmp_path, False), port), pytest.raises(ProxyError) as caught:
        connect_through(f"{scheme}://127.0.0.1:{port}", f"127.0.0.1:{nowhere}", timeout=WAIT)
    assert isinstance(caught.value, (ProxyError.Refused, ProxyError.Closed))


def test_the_command(proxy: tuple[Proxy, bool], target: int) -> None:
    through, login = proxy
    who = f"{through.username}:{through.password}@" if login else ""
    url = f"{through.scheme}://{who}{through.endpoint}"
    result = run_netkit("tcp", "connect", "--proxy", url, f"localhost:{target}", stdin=b"payload, quit\n")
    assert (result.raw, result.exit_code) == (b"220 hello\r\npayload, quit\n", 0)


def test_async(target: int, tmp_path: Path) -> None:
    import asyncio

    port = free_port()

    async def main() -> bytes:
        where = f"socks5://127.0.0.1:{port}"
        async with await connect_through_async(where, f"127.0.0.1:{target}", timeout=WAIT) as stream:
            return await stream.read_until_async(b"\n", timeout=WAIT)

    with running(microsocks(port, tmp_path, False), port):
        assert asyncio.run(main()) == b"220 hello\r\n"


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_the_header_that_haproxy_sends(version: str, tmp_path: Path) -> None:
    port = free_port()
    with TcpListener.bind("127.0.0.1:0") as listener:
        (tmp_path / "cfg").write_text(
            "defaults\n mode tcp\n timeout connect 20s\n timeout client 20s\n timeout server 20s\n"
            f"listen test\n bind 127.0.0.1:{port}\n server one {listener.local_addr} {version}\n"
        )
        with running([require_peer("haproxy"), "-db", "-f", str(tmp_path / "cfg")], port):
            listener.accept(timeout=WAIT)[0].close()  # the one that looked whether haproxy listens
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as client:
                client.sendall(b"payload")
                with listener.accept(timeout=WAIT)[0] as stream:
                    header = receive_header(stream, timeout=WAIT)
                    assert str(header.source) == f"127.0.0.1:{client.getsockname()[1]}"
                    assert str(header.destination) == f"127.0.0.1:{port}"
                    assert stream.read_exactly(7, timeout=WAIT) == b"payload"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_header_that_haproxy_takes(version: str, tmp_path: Path, target: int) -> None:
    """haproxy believes our header: the address it hands on, by a header of its own, is ours."""
    port = free_port()
    with TcpListener.bind("127.0.0.1:0") as listener:
        (tmp_path / "cfg").write_text(
            "defaults\n mode tcp\n timeout connect 20s\n timeout client 20s\n timeout server 20s\n"
            f"listen test\n bind 127.0.0.1:{port} accept-proxy\n"
            f" server one {listener.local_addr} send-proxy\n"
        )
        with running([require_peer("haproxy"), "-db", "-f", str(tmp_path / "cfg")], port):
            found: list[object] = []

            def accept() -> None:
                with listener.accept(timeout=WAIT)[0] as stream:
                    found.append(receive_header(stream, timeout=WAIT).source)
                    found.append(stream.read_exactly(7, timeout=WAIT))

            thread = threading.Thread(target=accept, daemon=True)
            thread.start()
            given = ["--proxy-protocol", version, "--json"]
            result = run_netkit("tcp", "connect", *given, f"127.0.0.1:{port}", stdin=b"payload")
            thread.join(WAIT)
    assert result.exit_code == 0
    assert [str(found[0]), found[1]] == [result.json[0]["local"], b"payload"]
