"""Accepting: interruption loses nothing, and a listener that others share is neither blocked on nor ended."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netkit.io import (
    BusyError,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
)
from netkit.net import AsyncIncoming, ListenError, TcpListener, TcpStream, listening
from netkit.net.listening import StreamListener
from netkit.net.sockets import SocketStream
from netkit.net.unix import UnixListener
from tests.accepting import failing_accept
from tests.net.conftest import Call, Drive, open_fds, same_socket
from tests.waiting import turns, waits, when

pytestmark = pytest.mark.usefixtures("no_leak")


class Kind:
    """A kind of listener: how one is made, inherited, and connected to."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.path = str(folder / "app.sock")

    def bind(self) -> StreamListener[Any, Any]:
        return TcpListener.bind("127.0.0.1:0") if self.name == "tcp" else UnixListener.bind(self.path)

    def plain(self) -> socket.socket:
        """A blocking listening socket, as a parent leaves it."""
        if self.name == "tcp":
            return socket.create_server(("127.0.0.1", 0))
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(self.path)
        sock.listen()
        return sock

    def inherit(self, sock: socket.socket) -> StreamListener[Any, Any]:
        kind: Callable[..., StreamListener[Any, Any]] = TcpListener if self.name == "tcp" else UnixListener
        return kind(sock.dup(), inherited=True)

    def connect(self, addr: object) -> socket.socket:
        client = socket.socket(socket.AF_INET if self.name == "tcp" else socket.AF_UNIX)
        client.connect(addr)
        return client


@pytest.fixture(params=["tcp", "unix"])
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Each kind of listener in turn."""
    monkeypatch.chdir(tmp_path)
    return Kind(request.param, Path())


@pytest.fixture
def listener(kind: Kind) -> Iterator[StreamListener[Any, Any]]:
    with kind.bind() as made:
        yield made


def addr_of(listener: StreamListener[Any, Any]) -> object:
    with same_socket(listener) as sock:
        return sock.getsockname()


class TestAccepting:
    def test_timeout_and_cancel(self, listener: StreamListener[Any, Any], call: Call) -> None:
        with pytest.raises(DeadlineExceeded, match="waiting for a connection"):
            call(listener.accept, timeout=0.01)
        token = CancellationToken()
        with when(waits, token.cancel), pytest.raises(CancellationError):
            call(listener.accept, cancel=token)

    def test_a_second_waiter(self, listener: StreamListener[Any, Any], drive: Drive) -> None:
        first = listener.accept_flow()
        next(first)
        with pytest.raises(BusyError):
            drive(listener.accept_flow(), timeout=5)
        first.close()

    def test_what_was_accepted_when_the_waiting_was_interrupted_is_kept(
        self, kind: Kind, listener: StreamListener[Any, Any], drive: Drive
    ) -> None:
        with kind.connect(addr_of(listener)) as client:
            drive(listener._arrive(), timeout=5)  # and whoever waited has gone
            client.sendall(b"hello")
            stream, _ = listener.accept(timeout=5)
            with stream:
                assert stream.read(timeout=5) == b"hello"

    def test_what_nobody_took_is_closed(self, kind: Kind, drive: Drive) -> None:
        with kind.bind() as listener, kind.connect(addr_of(listener)) as client:
            drive(listener._arrive(), timeout=5)
            listener.close()
            assert client.recv(1) == b""

    def test_closed_while_it_waits(self, kind: Kind, call: Call) -> None:
        listener = kind.bind()
        with when(waits, listener.close), pytest.raises(ClosedError):
            call(listener.accept, timeout=5)
        assert listener.as_raw_fd() == -1

    @pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN])
    def test_one_that_has_ended_is_passed_over(
        self,
        kind: Kind,
        listener: StreamListener[Any, Any],
        call: Call,
        code: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with kind.connect(addr_of(listener)):
            gone = failing_accept(monkeypatch, [code] * 100)
            call(listener.accept, timeout=5)[0].close()
        assert not gone

    def test_out_of_descriptors_is_raised(
        self, listener: StreamListener[Any, Any], call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing_accept(monkeypatch, [errno.EMFILE])
        with pytest.raises(OSError, match="Too many open files"):
            call(listener.accept, timeout=5)

    def test_a_server_leaves_some_descriptors_to_the_rest_of_its_process(
        self, kind: Kind, listener: StreamListener[Any, Any], drive: Drive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listening, "ACCEPT_PAUSE", 0.001)
        accepted: list[SocketStream] = []
        errors: list[int | None] = []

        def failed(error: OSError) -> None:
            errors.append(error.errno)
            with open(__file__, "rb"):  # there is room for a file
                accepted[0].close()

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with ExitStack() as clients:
            for _ in range(3):
                clients.enter_context(kind.connect(addr_of(listener)))
            accepted.append(drive(listener.accept_persistently_flow(failed), timeout=5)[0])
            # No number below is free, and the limit is so high that all of SPARE_DESCRIPTORS is left over: an
            # event loop, which is one of the rest, takes up to ten. None of these is taken: whoever started
            # the suite may have left a descriptor with a high number, near the limit.
            spare = listening.SPARE_DESCRIPTORS
            taken = open_fds().keys()
            highest = next(
                number
                for number in count(4 * spare)
                if taken.isdisjoint(range(number + 1, number + 1 + spare))
            )
            while clients.enter_context(open(os.devnull)).fileno() < highest:
                pass
            limit = highest + 1 + spare
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            try:
                more = [drive(listener.accept_persistently_flow(failed), timeout=5)[0] for _ in range(2)]
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert errors == [errno.EMFILE]
        for stream in more:
            stream.close()


class TestAsyncIncoming:
    def test_a_connection_accepted_as_the_task_is_cancelled_is_the_next(
        self, kind: Kind, listener: StreamListener[Any, Any], loop_runner: asyncio.Runner
    ) -> None:
        async def main() -> None:
            incoming = listener.incoming_async()
            assert isinstance(incoming, AsyncIncoming)
            assert aiter(incoming) is incoming
            for number in range(20):
                waiting = asyncio.ensure_future(anext(incoming))
                await turns()
                with kind.connect(addr_of(listener)) as client:
                    client.sendall(b"not lost")
                    await turns(number % 5)  # in one of them it has been accepted, and the task has not run
                    waiting.cancel()
                    try:
                        stream = await waiting
                    except asyncio.CancelledError:
                        stream, _ = await listener.accept_async(timeout=5)
                    async with stream:
                        assert await stream.read_async(timeout=5) == b"not lost"

        loop_runner.run(main())

    def test_ends_with_its_token_or_listener(
        self, kind: Kind, listener: StreamListener[Any, Any], loop_runner: asyncio.Runner
    ) -> None:
        async def main() -> None:
            token = CancellationToken()
            loop = asyncio.get_running_loop()
            loop.call_soon(token.cancel)  # runs once this task waits
            with pytest.raises(CancellationError):
                await anext(listener.incoming_async(cancel=token))
            loop.call_soon(listener.close)
            with pytest.raises(ClosedError):
                await anext(listener.incoming_async())

        loop_runner.run(main())

    @pytest.mark.parametrize("code", [errno.EMFILE, errno.EINVAL])
    def test_an_error_of_accepting_does_not_end_it(
        self,
        kind: Kind,
        listener: StreamListener[Any, Any],
        loop_runner: asyncio.Runner,
        monkeypatch: pytest.MonkeyPatch,
        code: int,
    ) -> None:
        failures = failing_accept(monkeypatch, [code] * 4)

        async def main() -> None:
            async for stream in listener.incoming_async():
                stream.close()
                break

        monkeypatch.setattr(listening, "ACCEPT_PAUSE", 0.001)
        with kind.connect(addr_of(listener)):
            loop_runner.run(main())
        failures += [code] * 4
        with kind.connect(addr_of(listener)):
            for stream in listener.incoming():
                stream.close()
                break
        assert not failures

    def test_of_a_blocking_iterator(self, kind: Kind, listener: StreamListener[Any, Any]) -> None:
        token = CancellationToken()
        incoming = listener.incoming(cancel=token)
        with kind.connect(addr_of(listener)):
            next(incoming).close()
        token.cancel()
        with pytest.raises(CancellationError):
            next(incoming)


class TestSharedListener:
    def test_it_is_left_as_it_is(self, kind: Kind, call: Call) -> None:
        with kind.plain() as sock:
            listener = kind.inherit(sock)
            assert listener.inherited
            with listener:
                with pytest.raises(DeadlineExceeded):
                    call(listener.accept, timeout=0.01)
                with kind.connect(sock.getsockname()) as client:
                    stream, _ = call(listener.accept, timeout=5)
                    with stream:
                        assert not os.get_blocking(stream.fileno())
                        client.sendall(b"x")
                        assert call(stream.read, timeout=5) == b"x"
                        with same_socket(stream) as accepted:
                            assert receive_timeout(accepted) == 0
                assert os.get_blocking(sock.fileno())
                assert receive_timeout(sock) == 0

    def test_its_own_timeout_is_given_back(self, kind: Kind) -> None:
        with kind.plain() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 7, 0))
            with kind.inherit(sock) as listener, kind.connect(sock.getsockname()):
                listener.accept(timeout=5)[0].close()
            assert receive_timeout(sock) == 7

    def test_one_that_does_not_block_needs_no_care(self, kind: Kind, monkeypatch) -> None:
        def never(sock: socket.socket) -> Any:
            pytest.fail("it is not blocking")

        monkeypatch.setattr(listening, "_accept_for_a_tick", never)
        with kind.plain() as sock:
            sock.setblocking(False)
            with kind.inherit(sock) as listener:
                with pytest.raises(DeadlineExceeded):
                    listener.accept(timeout=0.01)
                with kind.connect(sock.getsockname()):
                    listener.accept(timeout=5)[0].close()

    def test_a_lost_race_does_not_block(self, kind: Kind, call: Call, monkeypatch) -> None:
        """Another process accepts what poll(2) has announced, in the worst of all moments."""
        stolen: list[socket.socket] = []

        class Late:
            """poll(2), after which somebody else is quicker."""

            def __init__(self) -> None:
                self._poll = real_poll()
                self.register = self._poll.register

            def poll(self, timeout: float) -> list[tuple[int, int]]:
                found: list[tuple[int, int]] = self._poll.poll(timeout)
                if found and not stolen:
                    stolen.append(sock.accept()[0])
                return found

        real_poll = listening.select.poll  # type: ignore[attr-defined]
        with kind.plain() as sock, kind.inherit(sock) as listener:
            monkeypatch.setattr(listening, "select", type("Select", (), {"poll": Late, "POLLIN": 1}))
            with kind.connect(sock.getsockname()):
                begun = monotonic()
                with pytest.raises(DeadlineExceeded):
                    call(listener.accept, timeout=0.1)
                assert monotonic() - begun < 10  # it would be for ever
            assert len(stolen) == 1
            stolen[0].close()
            with kind.connect(sock.getsockname()):  # and the next one is ours
                call(listener.accept, timeout=5)[0].close()

    def test_another_process_that_is_accepting_is_waited_for(self, kind: Kind, call: Call) -> None:
        program = (
            "import fcntl, os, sys; fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX); print('held', flush=True);"
            "sys.stdin.read()"
        )
        with (
            kind.plain() as sock,
            kind.inherit(sock) as listener,
            subprocess.Popen(
                [sys.executable, "-I", "-c", program, str(sock.fileno())],
                pass_fds=[sock.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as other,
        ):
            assert other.stdin is not None and other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            with kind.connect(sock.getsockname()):
                with pytest.raises(DeadlineExceeded):
                    call(listener.accept, timeout=0.05)
                other.stdin.close()
                other.wait()
                call(listener.accept, timeout=5)[0].close()

    def test_many_processes_share_one(self, kind: Kind) -> None:
        """Each connection is accepted by one of them, and none blocks while it has other things to do."""
        program = (
            "import socket, sys, time\n"
            "from netkit.io import DeadlineExceeded\n"
            "from netkit.net.tcp import TcpListener\n"
            "from netkit.net.unix import UnixListener\n"
            "sock = socket.socket(fileno=int(sys.argv[1]))\n"
            "kind = TcpListener if sock.family == socket.AF_INET else UnixListener\n"
            "listener = kind(sock, inherited=True)\n"
            "print('ready', flush=True)\n"
            "count = 0; worst = 0.0\n"
            "while True:\n"
            "    begun = time.monotonic()\n"
            "    try: stream, _ = listener.accept(timeout=0.05)\n"
            "    except DeadlineExceeded: stream = None\n"
            "    worst = max(worst, time.monotonic() - begun)\n"
            "    if stream is None: continue\n"
            "    end = stream.read(1) == b'.'\n"
            "    stream.write_all(b'x'); stream.close()\n"
            "    if end: break\n"
            "    count += 1\n"
            "print(count, worst, flush=True)\n"
        )
        with kind.plain() as sock:
            fd = sock.fileno()
            workers = [
                subprocess.Popen(
                    [sys.executable, "-c", program, str(fd)], pass_fds=[fd], stdout=subprocess.PIPE, text=True
                )
                for _ in range(3)
            ]
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            for text in [b"x"] * 300 + [b"."] * 3:
                with kind.connect(sock.getsockname()) as client:
                    client.settimeout(30)
                    client.sendall(text)
                    assert client.recv(1) == b"x"
            outputs = [worker.communicate(timeout=30)[0].split() for worker in workers]
            assert sum(int(count) for count, _ in outputs) == 300
            # Without the guard a lost race lasts until the next connection, which never comes to the last.
            assert all(float(worst) < 20 for _, worst in outputs)

    def test_closing_it_does_not_end_it_for_others(self, kind: Kind, call: Call) -> None:
        with kind.plain() as sock:
            listener = kind.inherit(sock)
            with when(waits, listener.close), pytest.raises(ClosedError):
                call(listener.accept, timeout=5)
            with kind.connect(sock.getsockname()):
                sock.accept()[0].close()


def receive_timeout(sock: socket.socket) -> int:
    value = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.calcsize("ll"))
    seconds, microseconds = struct.unpack("ll", value)
    assert microseconds == 0
    return int(seconds)


class TestTcpOptions:
    def test_only_v6(self) -> None:
        if not socket.has_dualstack_ipv6():
            pytest.skip("no dual-stack sockets here")
        with TcpListener.bind("[::]:0", only_v6=True) as listener:
            assert listener.only_v6
            port = listener.local_addr.port
            with socket.socket() as held:
                held.bind(("127.0.0.1", port))  # so that nobody else listens there meanwhile
                with pytest.raises(ConnectionRefusedError):
                    TcpStream.connect(("127.0.0.1", port), timeout=5)
            TcpStream.connect(("::1", port), timeout=5).close()
            listener.accept(timeout=5)[0].close()
            listener.set_only_v6(True)
            with pytest.raises(ListenError) as caught:
                listener.set_only_v6(False)
            assert caught.value.hint == "give only_v6 to TcpListener.bind"
        for given in (None, False):
            with TcpListener.bind(":0", only_v6=given) as listener:
                assert not listener.only_v6
                TcpStream.connect(("127.0.0.1", listener.local_addr.port), timeout=5).close()
                listener.accept(timeout=5)[0].close()

    def test_only_v6_and_an_ipv4_address(self) -> None:
        with pytest.raises(ListenError, match="not an IPv6 address"):
            TcpListener.bind("127.0.0.1:0", only_v6=True)
        with TcpListener.bind("127.0.0.1:0") as listener, pytest.raises(OSError):  # noqa: PT011
            listener.set_only_v6(True)

    def test_only_v6_async(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> bool:
            async with await TcpListener.bind_async("[::1]:0", only_v6=True) as listener:
                return listener.only_v6

        assert loop_runner.run(main())

    def test_keepalive(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as listener, TcpStream.connect(listener.local_addr) as stream:
            before = stream.keepalive
            assert not before.enabled
            stream.set_keepalive(True)
            assert stream.keepalive == before._replace(enabled=True)
            stream.set_keepalive(True, idle=30, interval=4.5, count=3)
            assert stream.keepalive == (True, 30, 5, 3)
            stream.set_keepalive(False)
            assert stream.keepalive == (False, 30, 5, 3)
            with pytest.raises(OSError):  # noqa: PT011
                stream.set_keepalive(True, idle=0)
            enabled, *_ = stream.keepalive
            assert not enabled

    def test_keepalive_where_the_system_has_less(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from netkit.net import tcp

        monkeypatch.setattr(tcp, "_KEEPALIVE", {})
        with TcpListener.bind("127.0.0.1:0") as listener, TcpStream.connect(listener.local_addr) as stream:
            with pytest.raises(OSError, match="no keepalive interval") as caught:
                stream.set_keepalive(True, interval=1)
            assert caught.value.errno == errno.ENOPROTOOPT
            stream.set_keepalive(True)
            assert stream.keepalive == (True, None, None, None)

    def test_getters(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as listener, TcpStream.connect(listener.local_addr) as stream:
            assert stream.nodelay
            stream.set_nodelay(False)
            assert not stream.nodelay
            assert stream.linger is None
            for seconds in (0, 5, None):
                stream.set_linger(seconds)
                assert stream.linger == seconds
            for each in (stream, listener):
                each.set_ttl(17)
                assert each.ttl == 17

    def test_ttl_is_of_both_families_on_a_dual_stack_listener(self) -> None:
        if not socket.has_dualstack_ipv6():
            pytest.skip("no dual-stack sockets here")
        with TcpListener.bind(":0") as listener:
            listener.set_ttl(9)
            assert listener.ttl == 9
            with same_socket(listener) as sock:
                assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 9

    def test_a_closed_one_says_so(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as listener, TcpStream.connect(listener.local_addr) as stream:
            pass
        for ask in ("nodelay", "keepalive", "linger", "ttl"):
            with pytest.raises(ClosedError):
                getattr(stream, ask)
        for ask in ("ttl", "only_v6", "local_addr"):
            with pytest.raises(ClosedError):
                getattr(listener, ask)
