"""UnixStream and UnixListener: addresses, socket files, credentials, and what goes wrong."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netkit.io import (
    AsyncRead,
    AsyncWrite,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    Read,
    Write,
)
from netkit.net import socket_file
from netkit.net.errors import UnixError
from netkit.net.sockets import Shutdown
from netkit.net.unix import (
    _XUCRED,
    SUN_PATH,
    PeerCred,
    UnixAddr,
    UnixIncoming,
    UnixListener,
    UnixStream,
    _peer_of_xucred,
)
from tests.net.conftest import Call
from tests.waiting import waits, when

linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")


def abstract(request_id: object) -> str:
    return f"@netkit-test-{os.getpid()}-{id(request_id)}"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The working directory, so that paths are short wherever the tests' directory is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nobody(home: Path) -> Iterator[None]:
    """A directory that may not be written, by a user to whom that says something."""
    home.chmod(0o555)
    try:
        with unprivileged():
            yield
    finally:
        home.chmod(0o755)


@pytest.fixture
def nobodys(home: Path) -> Iterator[Path]:
    """A live listener that its own user may not connect to."""
    with UnixListener.bind("app.sock", mode=0o000):
        home.chmod(0o755)
        with unprivileged():
            yield Path("app.sock")


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody else for a while, where the tests are run by root, who may do everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestUnixAddr:
    @pytest.mark.parametrize(
        ("given", "path", "name", "text"),
        [
            ("/run/app.sock", "/run/app.sock", None, "/run/app.sock"),
            (b"/run/\xff.sock", "/run/\udcff.sock", None, "/run/\udcff.sock"),
            (Path("@odd"), "@odd", None, "./@odd"),
            ("./@odd", "./@odd", None, "./@odd"),
            (b"@odd", "@odd", None, "./@odd"),
            ("@name", None, b"name", "@name"),
            ("\0name", None, b"name", "@name"),
            (b"\0na\0me\xff", None, b"na\0me\xff", "@na\0me\udcff"),
        ],
    )
    def test_parse(self, given, path, name, text) -> None:
        addr = UnixAddr.parse(given)
        assert (addr.path, addr.name, str(addr)) == (path, name, text)
        assert not addr.is_unnamed
        assert UnixAddr.parse(addr) is addr
        assert UnixAddr.from_sockaddr(addr.to_sockaddr()) == addr
        assert type(UnixAddr.from_sockaddr(addr.to_sockaddr())) is type(addr)
        if path is None:
            assert UnixAddr.parse(text) == addr

    def test_matching(self) -> None:
        def kind(addr: UnixAddr) -> object:
            match addr:
                case UnixAddr.Path(path):
                    return path
                case UnixAddr.Abstract(name):
                    return name
                case UnixAddr.Unnamed():
                    return None
            raise AssertionError(addr)

        assert [kind(UnixAddr.parse(text)) for text in ("/a", "@b")] == ["/a", b"b"]
        assert kind(UnixAddr.from_sockaddr("")) is None

    def test_equal_and_hashable(self) -> None:
        assert len({UnixAddr.parse("/a"), UnixAddr.parse(b"/a"), UnixAddr.parse("@a")}) == 2
        assert UnixAddr.parse("/a") != "/a"

    @pytest.mark.parametrize("given", ["", b"", "a\0b", "@", b"\0"])
    def test_no_address(self, given) -> None:
        with pytest.raises(UnixError.InvalidAddress) as caught:
            UnixAddr.parse(given)
        assert isinstance(caught.value, ValueError)
        assert caught.value.fault == "caller"
        assert caught.value.kind == "InvalidAddress"

    def test_too_long(self) -> None:
        assert UnixAddr.parse("x" * (SUN_PATH - 1)).path
        for given in ("x" * SUN_PATH, "@" + "x" * SUN_PATH, "é" * (SUN_PATH // 2)):
            with pytest.raises(UnixError.PathTooLong) as caught:
                UnixAddr.parse(given)
            assert caught.value.limit == SUN_PATH - 1
            assert caught.value.length >= SUN_PATH
            assert caught.value.errno == errno.ENAMETOOLONG
            assert str(SUN_PATH - 1) in str(caught.value)


class TestUnixStream:
    def test_is_what_the_protocols_ask_for(self, no_leak) -> None:
        ours, theirs = UnixStream.pair()
        with ours, theirs:
            for protocol in (Read, Write, AsyncRead, AsyncWrite):
                assert isinstance(ours, protocol)

    def test_to_and_fro(self, no_leak, home: Path, call: Call) -> None:
        with UnixListener.bind("app.sock") as listener, call(UnixStream.connect, "app.sock") as ours:
            theirs, peer = call(listener.accept, timeout=5)
            with theirs:
                assert peer.is_unnamed
                assert ours.peer_addr == listener.local_addr == UnixAddr.parse("app.sock")
                assert theirs.peer_addr == ours.local_addr == UnixAddr.Unnamed()
                call(ours.write_all, b"question\nrest")
                ours.shutdown(Shutdown.Write)
                assert call(theirs.read_until, b"\n", timeout=5) == b"question\n"
                assert call(theirs.read_exactly, 4, timeout=5) == b"rest"
                assert call(theirs.read, timeout=5) == b""
                call(theirs.write_all, b"answer")
                assert call(ours.read, timeout=5) == b"answer"

    def test_much_data(self, no_leak, call: Call) -> None:
        ours, theirs = UnixStream.pair()
        data = os.urandom(1 << 20)
        received = bytearray()

        def drain() -> None:
            for piece in theirs:
                received.extend(piece)

        with ours, theirs:
            thread = threading.Thread(target=drain)
            thread.start()
            call(ours.write_all, data, timeout=10)
            ours.shutdown()
            thread.join(10)
            assert bytes(received) == data

    @linux
    @pytest.mark.parametrize("form", [str, lambda name: b"\0" + name[1:].encode()])
    def test_abstract_name(self, no_leak, home: Path, call: Call, form) -> None:
        name = abstract(call)
        with UnixListener.bind(form(name)) as listener:
            assert str(listener.local_addr) == name
            with call(UnixStream.connect, name, timeout=5) as ours:
                theirs, _ = call(listener.accept, timeout=5)
                theirs.close()
                assert str(ours.peer_addr) == name
            assert not list(home.iterdir())
        with pytest.raises(UnixError.Refused):
            call(UnixStream.connect, name)

    @linux
    def test_a_client_that_has_a_name(self, no_leak, home: Path) -> None:
        with UnixListener.bind("app.sock") as listener:
            for name in ("client.sock", "\0" + abstract(listener)):
                with socket.socket(socket.AF_UNIX) as client:
                    client.bind(name)
                    client.connect("app.sock")
                    stream, peer = listener.accept(timeout=5)
                    stream.close()
                    assert peer == UnixAddr.parse(name) == stream.peer_addr

    def test_peer_cred(self, no_leak, home: Path) -> None:
        ours, theirs = UnixStream.pair()
        with ours, theirs:
            assert ours.peer_cred == (os.getpid(), os.getuid(), os.getgid())
        program = (
            "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('app.sock');"
            "s.sendall(b'%d' % os.getpid()); s.recv(1)"
        )
        with (
            UnixListener.bind("app.sock") as listener,
            subprocess.Popen([sys.executable, "-I", "-c", program]) as child,
        ):
            stream, _ = listener.accept(timeout=30)
            with stream:
                assert stream.peer_cred == PeerCred(child.pid, os.getuid(), os.getgid())
                assert stream.read() == b"%d" % child.pid

    def test_the_layout_of_the_other_systems(self) -> None:
        data = struct.pack("=IIhxx16I", 0, 501, 3, 20, 12, 61, *range(13))
        assert len(data) == _XUCRED.size
        assert _peer_of_xucred(data, 77) == PeerCred(77, 501, 20)

    def test_nothing_there(self, no_leak, home: Path, call: Call) -> None:
        with pytest.raises(UnixError.NoSuchFile) as caught:
            call(UnixStream.connect, "absent.sock")
        assert isinstance(caught.value, FileNotFoundError)
        assert str(caught.value) == "cannot connect to absent.sock: no such file or directory"

    @pytest.mark.parametrize("kind", ["file", "directory"])
    def test_what_is_no_socket(self, no_leak, home: Path, call: Call, kind: str) -> None:
        path = home / "app.sock"
        path.mkdir() if kind == "directory" else path.write_text("precious")
        with pytest.raises(UnixError.NotASocket, match="the file there is not a socket") as caught:
            call(UnixStream.connect, "app.sock")
        assert (caught.value.fault, caught.value.hint) == ("peer", "is the path right?")

    def test_a_dead_socket_refuses(self, no_leak, home: Path, call: Call) -> None:
        dead_socket("app.sock")
        with pytest.raises(UnixError.Refused) as caught:
            call(UnixStream.connect, "app.sock")
        assert isinstance(caught.value, ConnectionRefusedError)
        assert caught.value.fault == "peer"

    def test_a_socket_of_another_type(self, no_leak, home: Path, call: Call) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind("app.sock")
            with pytest.raises(UnixError.WrongType):
                call(UnixStream.connect, "app.sock")
            with pytest.raises(UnixError.AddressInUse):
                UnixListener.bind("app.sock")
            assert (home / "app.sock").exists()

    def test_a_full_backlog_is_waited_for(self, no_leak, home: Path, call: Call) -> None:
        with UnixListener.bind_with_backlog("app.sock", 0) as listener:
            first = UnixStream.connect("app.sock", timeout=5)
            with pytest.raises(UnixError.TimedOut) as caught:
                call(UnixStream.connect, "app.sock", timeout=0.05)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.kind == "Timeout"
            token = CancellationToken()
            token.cancel()
            with pytest.raises(CancellationError):
                call(UnixStream.connect, "app.sock", cancel=token)

            # It is let in as soon as there is room, which another thread makes while it waits.
            def make_room() -> None:
                listener.accept(timeout=5)[0].close()

            accepting = threading.Thread(target=make_room)
            accepting.start()
            call(UnixStream.connect, "app.sock", timeout=5).close()
            accepting.join()
            first.close()

    def test_timeout_and_cancel_lose_nothing(self, no_leak, call: Call) -> None:
        ours, theirs = UnixStream.pair()
        with ours, theirs:
            with pytest.raises(DeadlineExceeded, match="while reading"):
                call(ours.read, timeout=0.01)
            token = CancellationToken()
            with when(waits, token.cancel), pytest.raises(CancellationError):
                call(ours.read, cancel=token)
            theirs.write_all(b"late")
            assert call(ours.read, timeout=5) == b"late"

    def test_a_peer_that_never_reads(self, no_leak, call: Call) -> None:
        ours, theirs = UnixStream.pair()
        with ours, theirs, pytest.raises(DeadlineExceeded, match="while writing"):
            call(ours.write_all, bytes(50_000_000), timeout=0.05)

    def test_a_peer_that_has_gone(self, no_leak, call: Call) -> None:
        ours, theirs = UnixStream.pair()
        with ours:
            theirs.close()
            assert call(ours.read) == b""
            with pytest.raises(BrokenPipeError):
                call(ours.write_all, b"x")

    def test_an_inherited_one_is_left_blocking(self, no_leak, call: Call) -> None:
        one, other = socket.socketpair()
        with other, UnixStream(one, inherited=True) as stream:
            with pytest.raises(DeadlineExceeded):
                call(stream.read, timeout=0.01)
            other.sendall(b"x")
            assert call(stream.read, timeout=5) == b"x"
            with pytest.raises(DeadlineExceeded):
                call(stream.write_all, bytes(50_000_000), timeout=0.05)
            assert os.get_blocking(stream.fileno())

    def test_closing_an_inherited_one_does_not_end_it_for_others(self, no_leak) -> None:
        one, other = socket.socketpair()
        shared = one.dup()
        with other, shared:
            stream = UnixStream(one, inherited=True)
            with when(waits, stream.close), pytest.raises(ClosedError):
                stream.read(timeout=5)
            other.sendall(b"still there")
            assert shared.recv(100) == b"still there"


def dead_socket(path: str) -> None:
    """A socket file whose process has died."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)


class TestUnixListener:
    def test_the_file_and_its_mode(self, no_leak, home: Path) -> None:
        file = home / "app.sock"
        before = os.umask(0o077)
        try:
            for mode, expected in ((None, 0o700), (0o600, 0o600), (0o666, 0o666)):
                with UnixListener.bind(file, mode=mode):
                    found = file.lstat().st_mode
                    assert stat.S_ISSOCK(found)
                    assert stat.S_IMODE(found) == expected
                assert not file.exists()
        finally:
            os.umask(before)

    def test_a_dead_socket_is_taken_over(self, no_leak, home: Path) -> None:
        dead_socket("app.sock")
        with pytest.raises(UnixError.AddressInUse, match="dead socket"):
            UnixListener.bind("app.sock", unlink_stale=False)
        with UnixListener.bind("app.sock") as listener, UnixStream.connect("app.sock"):
            listener.accept(timeout=5)[0].close()
        assert not (home / "app.sock").exists()

    def test_what_a_killed_server_leaves_is_taken_over(self, no_leak, home: Path) -> None:
        program = (
            "from netkit.net.unix import UnixListener; l = UnixListener.bind('app.sock');"
            "print('ready', flush=True); l.accept()"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            with pytest.raises(UnixError.AddressInUse):
                UnixListener.bind("app.sock")
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert (home / "app.sock").exists()
            UnixListener.bind("app.sock").close()

    def test_a_live_socket_is_in_use(self, no_leak, home: Path) -> None:
        with UnixListener.bind("app.sock") as listener:
            with pytest.raises(UnixError.AddressInUse) as caught:
                UnixListener.bind("app.sock")
            assert str(caught.value) == "cannot listen on app.sock: address already in use"
            assert caught.value.hint
            listener.accept(timeout=5)[0].close()  # the question whether it lives
            UnixStream.connect("app.sock").close()

    def test_a_live_socket_with_a_full_backlog_is_in_use(self, no_leak, home: Path) -> None:
        with UnixListener.bind("app.sock", backlog=0), UnixStream.connect("app.sock", timeout=5):
            with pytest.raises(UnixError.AddressInUse):
                UnixListener.bind("app.sock")
            assert (home / "app.sock").exists()

    @linux
    def test_an_abstract_name_in_use(self, no_leak) -> None:
        name = abstract(self)
        with UnixListener.bind(name), pytest.raises(UnixError.AddressInUse):
            UnixListener.bind(name)
        UnixListener.bind(name).close()

    @pytest.mark.parametrize("kind", ["file", "directory", "symlink to nothing", "symlink", "fifo"])
    def test_what_is_no_socket_is_never_removed(self, no_leak, home: Path, kind: str) -> None:
        path = home / "app.sock"
        if kind == "file":
            path.write_text("precious")
        elif kind == "directory":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            if kind == "symlink":
                dead_socket("other.sock")
            path.symlink_to("other.sock")
        with pytest.raises(UnixError.NotASocket) as caught:
            UnixListener.bind("app.sock")
        assert caught.value.errno == errno.EADDRINUSE
        assert os.path.lexists(path)

    def test_an_abstract_name_has_no_mode(self, no_leak) -> None:
        with pytest.raises(ValueError, match="has no file, whose mode could be 600"):
            UnixListener.bind("@name", mode=0o600)

    def test_no_such_directory(self, no_leak, home: Path) -> None:
        with pytest.raises(UnixError.NoSuchFile) as caught:
            UnixListener.bind("absent/app.sock")
        assert (caught.value.fault, caught.value.hint) == ("local", "the directory must exist")
        with pytest.raises(UnixError.PathTooLong):
            UnixListener.bind("x" * 200)

    def test_a_directory_that_may_not_be_written(self, no_leak, home: Path, nobody: None) -> None:
        with pytest.raises(UnixError.PermissionDenied):
            UnixListener.bind("app.sock")

    def test_a_socket_that_may_not_be_connected_to(self, no_leak, home: Path, nobodys: Path) -> None:
        with pytest.raises(UnixError.PermissionDenied) as caught:
            UnixStream.connect(nobodys)
        assert isinstance(caught.value, PermissionError)
        with pytest.raises(UnixError.AddressInUse, match="permission denied when tried"):
            UnixListener.bind(nobodys)

    def test_a_directory_that_cannot_be_locked(
        self, no_leak, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import fcntl

        monkeypatch.setattr(socket_file, "LOCK_WAIT", 0.02)
        dead_socket("app.sock")
        held = os.open(".", os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(UnixError.AddressInUse, match="could not be locked"):
                UnixListener.bind("app.sock")
            assert (home / "app.sock").exists()
            UnixListener.bind("other.sock").close()  # a new one needs no removal
        finally:
            os.close(held)

    def test_of_many_that_find_a_dead_socket_one_listens(self, no_leak, home: Path) -> None:
        listening: list[UnixListener] = []
        refused: list[UnixError] = []
        start = threading.Barrier(8)

        def bind() -> None:
            start.wait()
            try:
                listening.append(UnixListener.bind("app.sock"))
            except UnixError.AddressInUse as error:
                refused.append(error)

        for _ in range(20):
            dead_socket("app.sock")
            listening.clear()
            refused.clear()
            threads = [threading.Thread(target=bind) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (len(listening), len(refused)) == (1, 7)
            UnixStream.connect("app.sock").close()  # and it is the one that is found there
            listening[0].close()
            assert not (home / "app.sock").exists()

    def test_the_file_of_another_is_left_alone(self, no_leak, home: Path) -> None:
        first = UnixListener.bind("app.sock")
        (home / "app.sock").unlink()  # somebody's doing
        with UnixListener.bind("app.sock"):
            first.close()
            UnixStream.connect("app.sock").close()
        assert not (home / "app.sock").exists()

    def test_the_file_may_stay(self, no_leak, home: Path) -> None:
        UnixListener.bind("app.sock", unlink_on_close=False).close()
        assert (home / "app.sock").exists()
        with UnixListener.bind("app.sock") as listener:
            listener.unlink_on_close = False
        assert (home / "app.sock").exists()

    def test_the_file_is_found_from_another_directory(
        self, no_leak, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with UnixListener.bind("app.sock"):
            monkeypatch.chdir("/")
        assert not (home / "app.sock").exists()

    def test_a_forked_child_removes_nothing(self, home: Path) -> None:
        # In a process of its own: this one has threads, which a fork does not take along.
        program = (
            "import os; from netkit.net.unix import UnixListener; l = UnixListener.bind('app.sock')\n"
            "child = os.fork()\n"
            "if not child: l.close(); os._exit(0)\n"
            "os.waitpid(child, 0); print(os.path.exists('app.sock')); l.close()\n"
            "print(os.path.exists('app.sock'))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["True", "False"]

    def test_a_listener_that_cannot_listen_leaves_nothing(
        self, no_leak, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "chmod", full)
        with pytest.raises(UnixError.Failed):
            UnixListener.bind("app.sock", mode=0o1777)
        assert not (home / "app.sock").exists()

    def test_incoming(self, no_leak, home: Path) -> None:
        with UnixListener.bind("app.sock") as listener:
            clients = [UnixStream.connect("app.sock") for _ in range(3)]
            incoming = listener.incoming()
            for client in clients:
                client.write_all(b"x")
                with next(incoming) as served:
                    assert served.read(timeout=5) == b"x"
                client.close()

    def test_incoming_async(self, no_leak, home: Path, loop_runner: asyncio.Runner) -> None:
        async def main() -> int:
            count = 0
            with UnixListener.bind("app.sock") as listener:
                clients = [await UnixStream.connect_async("app.sock") for _ in range(3)]
                incoming = listener.incoming_async()
                assert isinstance(incoming, UnixIncoming)
                async for stream in incoming:
                    stream.close()
                    count += 1
                    if count == 3:
                        break
                for client in clients:
                    client.close()
            return count

        assert loop_runner.run(main()) == 3

    def test_close_under_an_accept(self, no_leak, home: Path) -> None:
        listener = UnixListener.bind("app.sock")
        with when(waits, listener.close), pytest.raises(ClosedError):
            listener.accept(timeout=5)
        assert not (home / "app.sock").exists()
        assert "closed" in repr(listener)
