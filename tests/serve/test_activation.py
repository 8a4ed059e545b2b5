"""Descriptors from a service manager, in real child processes; adopting them; what the manager is told."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from netkit.io import DeadlineExceeded
from netkit.net.errors import UnixError
from netkit.net.tcp import TcpStream
from netkit.net.udp import UdpSocket
from netkit.net.unix import UnixStream
from netkit.serve import activation
from netkit.serve.activation import (
    ActivationError,
    AdoptError,
    ListenFd,
    listen_fd,
    listen_fds,
    listen_fds_named,
    sd_notify,
    tcp_listener_from_raw_fd,
    tcp_stream_from_raw_fd,
    udp_socket_from_raw_fd,
    unix_listener_from_raw_fd,
    unix_stream_from_raw_fd,
    watchdog_interval,
)
from tests.net.conftest import Call

pytestmark = pytest.mark.usefixtures("no_leak")

ROOT = Path(__file__).parent.parent.parent
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the variables of the protocol, for this process or the one that is said."""
    for name in (*VARIABLES, "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.setenv(name, "")  # so that what the test leaves is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(activation, "_found", ([], ActivationError.NotActivated()))

    def set_variables(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return set_variables


# In a process of its own: the descriptors are 3, 4, ... there.

SHIM = """
import json, os, socket, sys
fds, environment, argv = json.loads(sys.argv[1])
# As sd-daemon's users start: descriptors from 3 on, and nothing else.
safe = [os.dup(fd) for fd in fds] if fds else []
high = [__import__("fcntl").fcntl(fd, 0, 100) for fd in safe]  # F_DUPFD: out of the way
for index, fd in enumerate(high):
    os.dup2(fd, 3 + index)
os.closerange(3 + len(high), 300)
environment = {name: value.replace("PID", str(os.getpid())) for name, value in environment.items()}
os.execve(argv[0], argv, {**os.environ, **environment})
"""


def activated(program: str, fds: Sequence[int], **environment: str) -> Any:
    """What a Python program prints, as JSON, that is started with these descriptors and variables."""
    arguments = json.dumps([list(fds), environment, [sys.executable, "-c", program]])
    done = subprocess.run(
        [sys.executable, "-I", "-c", SHIM, arguments],
        pass_fds=list(fds),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        timeout=50,
        check=True,
    )
    return json.loads(done.stdout)


REPORT = """
import json, os, subprocess, sys
from netkit.serve.activation import listen_fds
fds = listen_fds()
print(json.dumps({
    "fds": [[int(fd), fd.name, os.get_inheritable(fd)] for fd in fds],
    "again": [int(fd) for fd in listen_fds()],
    "left": [name for name in os.environ if name.startswith("LISTEN_")],
    "child": subprocess.run(
        [sys.executable, "-I", "-c", "import os; fds = [f'/proc/self/fd/{fd}' for fd in (3, 4, 5)];"
         "print([fd for fd in fds if os.path.exists(fd) and 'socket' in os.readlink(fd)])"],
        close_fds=False, capture_output=True, text=True).stdout.strip(),
}))
"""


class TestListenFds:
    def test_in_a_child(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            found = activated(
                REPORT,
                [one.fileno(), two.fileno()],
                LISTEN_PID="PID",
                LISTEN_FDS="2",
                LISTEN_FDNAMES="web:",
                LISTEN_PIDFDID="7",
            )
        assert found == {
            "fds": [[3, "web", False], [4, "", False]],
            "again": [3, 4],
            "left": [],
            "child": "[]",
        }

    def test_of_another_process(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one:
            found = activated(REPORT, [one.fileno()], LISTEN_PID="1", LISTEN_FDS="1")
        assert (found["fds"], found["left"]) == ([], [])

    def test_serving_on_all_three_kinds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        program = (
            "import json, os\n"
            "from netkit.net import listen_fd, listen_fds_named, tcp_listener_from_raw_fd\n"
            "from netkit.net import unix_listener_from_raw_fd, udp_socket_from_raw_fd\n"
            "tcp = tcp_listener_from_raw_fd(listen_fd(0))\n"
            "unix = unix_listener_from_raw_fd(listen_fds_named('unix')[0])\n"
            "blocking = [os.get_blocking(fd) for fd in (3, 4)]\n"
            "udp = udp_socket_from_raw_fd(listen_fd(2))\n"
            "for listener in (tcp, unix):\n"
            "    stream, _ = listener.accept(timeout=20)\n"
            "    stream.write_all(stream.read(timeout=20).upper())\n"
            "    stream.close()\n"
            "data, peer = udp.recv_from(timeout=20)\n"
            "udp.send_to(data.upper(), peer)\n"
            "blocking += [os.get_blocking(fd) for fd in (3, 4)]\n"
            "for each in (tcp, unix, udp): each.close()\n"
            "print(json.dumps([blocking, os.path.exists('app.sock')]))\n"
        )
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_UNIX) as unix,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            TcpStream.connect(tcp.getsockname()) as tcp_client,
        ):
            unix.bind("app.sock")
            unix.listen()
            udp.bind(("127.0.0.1", 0))
            with (
                UnixStream.connect("app.sock") as unix_client,
                socket.socket(type=socket.SOCK_DGRAM) as client,
            ):
                for stream in (tcp_client, unix_client):
                    stream.write_all(b"hello")
                client.sendto(b"hello", udp.getsockname())
                blocking, file_is_there = activated(
                    program,
                    [tcp.fileno(), unix.fileno(), udp.fileno()],
                    LISTEN_PID="PID",
                    LISTEN_FDS="3",
                    LISTEN_FDNAMES="tcp:unix:udp",
                )
                assert blocking == [True] * 4  # as they were: they belong to the manager too
                assert file_is_there  # and so does the file
                for stream in (tcp_client, unix_client):
                    assert stream.read(timeout=5) == b"HELLO"
                client.settimeout(5)
                assert client.recv(100) == b"HELLO"
            # The manager's listeners go on listening.
            for sock in (tcp, unix):
                with socket.socket(sock.family) as late:
                    late.connect(sock.getsockname())

    def test_without_a_manager(self, environment: Callable[..., None]) -> None:
        assert listen_fds() == []
        assert listen_fds_named("web") == []
        with pytest.raises(ActivationError.NotActivated) as caught:
            listen_fd(0)
        assert caught.value.hint and caught.value.fault == "local"

    def test_for_another_process(self, environment: Callable[..., None]) -> None:
        environment(LISTEN_PID=1, LISTEN_FDS=1)
        with pytest.raises(ActivationError.OtherProcess) as caught:
            listen_fd(0)
        assert caught.value.pid == 1
        assert listen_fds() == []
        assert not [name for name in VARIABLES if name in os.environ]

    def test_a_number_that_is_not_there(
        self, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment(LISTEN_PID=os.getpid(), LISTEN_FDS=0)
        for index in (0, -1, 7):
            with pytest.raises(ActivationError.NoSuchFd) as caught:
                listen_fd(index)
            assert isinstance(caught.value, IndexError)
            assert (caught.value.index, caught.value.count) == (index, 0)

    def test_one_that_is_not_open(
        self, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = os.dup(0)
        os.close(closed)
        monkeypatch.setattr(activation, "LISTEN_FDS_START", closed)
        environment(LISTEN_PID=os.getpid(), LISTEN_FDS=1)
        with pytest.raises(AdoptError.BadDescriptor) as caught:
            listen_fds()
        assert caught.value.fd == closed
        assert listen_fds() == []

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            *(("LISTEN_PID", value) for value in ("", "0", "-1", "1x", " 1", "1_0", "٣", "9" * 5000)),
            *(("LISTEN_FDS", value) for value in ("", "-1", "2.0", "0x2", "99999999", "9" * 19)),
            *(("LISTEN_FDNAMES", value) for value in ("one", "one:two:three")),
        ],
    )
    def test_what_makes_no_sense(self, environment: Callable[..., None], variable: str, value: str) -> None:
        environment(**{"LISTEN_PID": os.getpid(), "LISTEN_FDS": 2, variable: value})
        with pytest.raises(ActivationError.Malformed) as caught:
            listen_fds()
        assert (caught.value.variable, caught.value.value) == (variable, value)
        assert isinstance(caught.value, ValueError)
        assert not [name for name in VARIABLES if name in os.environ]
        assert listen_fds() == []

    def test_a_number_with_a_name(self) -> None:
        fd = ListenFd(3, "web")
        assert (fd, fd.name, fd + 1, repr(fd)) == (3, "web", 4, "ListenFd(3, 'web')")


Adopt = Callable[[int], Any]
ADOPTERS: dict[str, Adopt] = {
    "tcp listener": tcp_listener_from_raw_fd,
    "unix listener": unix_listener_from_raw_fd,
    "udp": udp_socket_from_raw_fd,
    "tcp": tcp_stream_from_raw_fd,
    "unix": unix_stream_from_raw_fd,
}


class Things:
    """Descriptors of every kind that somebody might hand over by mistake."""

    def __init__(self, folder: Path) -> None:
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        self.open: list[Any] = [server, client, server.accept()[0]]
        bound = self._socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.bind(("127.0.0.1", 0))
        unix = self._socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(str(folder / "app.sock"))
        unbound_unix = self._socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.listen()
        one, other = socket.socketpair()
        sequenced = self._socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sequenced.bind(str(folder / "sequenced.sock"))
        sequenced.listen()
        file = open(folder / "file", "w+b")  # noqa: SIM115
        self.open += [one, other, file]
        self.by_name: dict[str, Any] = {
            "tcp listener": server,
            "tcp": client,
            "tcp bound": bound,
            "udp": self._socket(socket.AF_INET, socket.SOCK_DGRAM),
            "udp6": self._socket(socket.AF_INET6, socket.SOCK_DGRAM),
            "unix listener": unix,
            "unix unbound": unbound_unix,
            "unix": one,
            "unix datagrams": self._socket(socket.AF_UNIX, socket.SOCK_DGRAM),
            "unix sequenced": sequenced,
            "file": file,
        }

    def _socket(self, family: int, kind: int) -> socket.socket:
        made = socket.socket(family, kind)
        self.open.append(made)
        return made

    def close(self) -> None:
        for each in self.open:
            each.close()


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Things]:
    monkeypatch.chdir(tmp_path)
    made = Things(Path())
    yield made
    made.close()


REFUSED = [
    ("tcp listener", "tcp", AdoptError.NotListening),
    ("tcp listener", "tcp bound", AdoptError.NotListening),
    ("tcp listener", "udp", AdoptError.WrongType),
    ("tcp listener", "unix listener", AdoptError.WrongFamily),
    ("tcp listener", "file", AdoptError.NotASocket),
    ("unix listener", "tcp listener", AdoptError.WrongFamily),
    ("unix listener", "unix", AdoptError.NotListening),
    ("unix listener", "unix unbound", AdoptError.NotListening),
    ("unix listener", "unix datagrams", AdoptError.WrongType),
    ("unix listener", "unix sequenced", AdoptError.WrongType),
    ("unix listener", "file", AdoptError.NotASocket),
    ("udp", "tcp listener", AdoptError.WrongType),
    ("udp", "unix datagrams", AdoptError.WrongFamily),
    ("udp", "file", AdoptError.NotASocket),
    ("tcp", "tcp listener", AdoptError.Listening),
    ("tcp", "tcp bound", AdoptError.NotConnected),
    ("tcp", "unix", AdoptError.WrongFamily),
    ("unix", "unix listener", AdoptError.Listening),
    ("unix", "unix unbound", AdoptError.NotConnected),
    ("unix", "tcp", AdoptError.WrongFamily),
]


class TestAdopting:
    @pytest.mark.parametrize(("as_what", "thing", "error"), REFUSED)
    def test_what_is_something_else_is_refused_and_left(
        self, things: Things, as_what: str, thing: str, error: type[AdoptError]
    ) -> None:
        fd = things.by_name[thing].fileno()
        os.set_inheritable(fd, True)
        with pytest.raises(error) as caught:
            ADOPTERS[as_what](fd)
        assert type(caught.value) is error
        assert caught.value.fd == fd
        assert isinstance(caught.value, OSError)
        assert str(caught.value).startswith(f"descriptor {fd}: it is ")
        assert os.get_inheritable(fd)  # it is open, and as it was

    @pytest.mark.parametrize("as_what", ADOPTERS)
    @pytest.mark.parametrize("fd", [-1, 999_999])
    def test_what_is_not_open(self, as_what: str, fd: int) -> None:
        with pytest.raises(AdoptError.BadDescriptor) as caught:
            ADOPTERS[as_what](fd)
        assert caught.value.errno == errno.EBADF

    @pytest.mark.parametrize("as_what", ADOPTERS)
    def test_what_is_right_is_taken(self, things: Things, as_what: str) -> None:
        fd = os.dup(things.by_name[as_what].fileno())
        os.set_inheritable(fd, True)
        with ADOPTERS[as_what](fd) as adopted:
            assert adopted.as_raw_fd() == fd
            assert not os.get_inheritable(fd)
            if as_what != "udp" or "inherited" in UdpSocket.__init__.__annotations__:
                assert os.get_blocking(fd)
        with pytest.raises(OSError):  # noqa: PT011
            os.fstat(fd)

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_default_timeout_of_the_program_changes_nothing(
        self, things: Things, call: Call, blocking: bool
    ) -> None:
        fd = os.dup(things.by_name["tcp listener"].fileno())
        os.set_blocking(fd, blocking)
        socket.setdefaulttimeout(30)
        try:
            with pytest.raises(AdoptError.WrongFamily):
                unix_listener_from_raw_fd(fd)
            assert os.get_blocking(fd) == blocking
            with tcp_listener_from_raw_fd(fd) as listener:
                assert os.get_blocking(fd) == blocking
                with pytest.raises(DeadlineExceeded):
                    call(listener.accept, timeout=0.01)
        finally:
            socket.setdefaulttimeout(None)

    def test_ipv6_datagrams(self, things: Things) -> None:
        udp_socket_from_raw_fd(os.dup(things.by_name["udp6"].fileno())).close()

    @pytest.mark.parametrize("mapped", [False, True])
    def test_a_connected_udp_socket_knows_its_peer(self, mapped: bool) -> None:
        with UdpSocket.bind("127.0.0.1:0") as peer:
            family = socket.AF_INET6 if mapped else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect(peer.local_addr.to_sockaddr(family))
                fd = os.dup(sock.fileno())
            with udp_socket_from_raw_fd(fd) as adopted:
                assert adopted.peer_addr == peer.local_addr
                adopted.send(b"x")
                assert peer.recv(timeout=5) == b"x"
            assert adopted.peer_addr == peer.local_addr
            with udp_socket_from_raw_fd(os.dup(peer.fileno())) as unconnected:
                assert unconnected.peer_addr is None

    def test_another_protocol_over_ip(self) -> None:
        try:
            sctp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        except OSError:
            pytest.skip("no SCTP here")
        with sctp, pytest.raises(AdoptError.WrongType, match="IP protocol 132"):
            tcp_listener_from_raw_fd(sctp.fileno())

    def test_connections(self, things: Things, call: Call) -> None:
        with tcp_stream_from_raw_fd(os.dup(things.by_name["tcp"].fileno())) as stream:
            call(stream.write_all, b"x")
            assert things.open[2].recv(1) == b"x"
        with unix_stream_from_raw_fd(os.dup(things.by_name["unix"].fileno())) as unix:
            call(unix.write_all, b"y")
            assert things.by_name["unix"].fileno() != unix.fileno()

    def test_accepting(self, things: Things, call: Call) -> None:
        for as_what in ("tcp listener", "unix listener"):
            sock = things.by_name[as_what]
            with ADOPTERS[as_what](os.dup(sock.fileno())) as listener, socket.socket(sock.family) as client:
                client.connect(sock.getsockname())
                stream, _ = call(listener.accept, timeout=5)
                with stream:
                    client.sendall(b"x")
                    assert call(stream.read, timeout=5) == b"x"

    def test_the_file_is_the_successors_if_it_says_so(self, things: Things) -> None:
        fd = things.by_name["unix listener"].fileno()
        unix_listener_from_raw_fd(os.dup(fd)).close()
        assert os.path.exists("app.sock")
        unix_listener_from_raw_fd(os.dup(fd), unlink_on_close=True).close()
        assert not os.path.exists("app.sock")
        unix_listener_from_raw_fd(os.dup(fd), unlink_on_close=True).close()


class Manager:
    """A socket such as a service manager listens at for notifications."""

    def __init__(self, addr: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(addr)
        self.sock.settimeout(5)

    def heard(self) -> list[str]:
        return self.sock.recv(4096).decode().split("\n")


class TestNotify:
    @pytest.fixture(params=["path", "abstract"])
    def manager(
        self,
        request: pytest.FixtureRequest,
        environment: Callable[..., None],
        tmp_path: Path,
    ) -> Iterator[Manager]:
        if request.param == "path":
            # As short as it can be: absolute, and wherever the tests' directory is.
            folder = os.open(tmp_path, os.O_RDONLY)
            addr = f"/proc/self/fd/{folder}/notify"
        else:
            folder = None
            addr = f"@netkit-notify-{os.getpid()}"
        manager = Manager(addr.replace("@", "\0"))
        environment(NOTIFY_SOCKET=addr)
        yield manager
        manager.sock.close()
        if folder is not None:
            os.close(folder)

    @pytest.mark.parametrize(
        ("said", "heard"),
        [
            ({"ready": True}, ["READY=1"]),
            ({"stopping": True}, ["STOPPING=1"]),
            ({"watchdog": True}, ["WATCHDOG=1"]),
            (
                {"ready": True, "status": "serving ünï = 3", "main_pid": 77},
                ["READY=1", "STATUS=serving ünï = 3", "MAINPID=77"],
            ),
            ({"status": ""}, ["STATUS="]),
        ],
    )
    def test_what_is_said_is_heard(self, manager: Manager, said: dict[str, Any], heard: list[str]) -> None:
        assert sd_notify(**said) is True
        assert manager.heard() == heard
        assert "NOTIFY_SOCKET" in os.environ

    def test_other_lines(self, manager: Manager) -> None:
        assert sd_notify("FDSTORE=1", "FDNAME=web", ready=True)
        assert manager.heard() == ["FDSTORE=1", "FDNAME=web", "READY=1"]

    def test_reloading_says_when(self, manager: Manager) -> None:
        import time

        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        sd_notify(reloading=True)
        first, second = manager.heard()
        assert first == "RELOADING=1"
        name, _, moment = second.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before <= int(moment) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    def test_unset(self, manager: Manager) -> None:
        assert sd_notify(ready=True, unset_environment=True) is True
        assert "NOTIFY_SOCKET" not in os.environ
        assert sd_notify(ready=True) is False

    @pytest.mark.parametrize("text", ["two\nlines", "\n", "x\nREADY=1"])
    def test_a_line_is_a_line(self, manager: Manager, text: str) -> None:
        with pytest.raises(ValueError, match="not one line"):
            sd_notify(status=text)
        with pytest.raises(ValueError, match="not one line"):
            sd_notify("READY")

    def test_a_manager_that_does_not_listen(self, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(activation, "NOTIFY_TIMEOUT", 0.02)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            while True:
                try:
                    sock.sendto(b"X=1", manager.sock.getsockname())
                except BlockingIOError:
                    break
        with pytest.raises(UnixError.TimedOut) as caught:
            sd_notify(watchdog=True)
        assert "does not receive the message" in str(caught.value)

    def test_a_manager_that_has_gone(self, manager: Manager) -> None:
        manager.sock.close()
        with pytest.raises(UnixError.Refused):
            sd_notify(ready=True)

    def test_without_a_manager(self, environment: Callable[..., None]) -> None:
        assert sd_notify(ready=True, stopping=True, watchdog=True, status="x") is False
        environment(NOTIFY_SOCKET="")
        assert sd_notify(ready=True) is False

    @pytest.mark.parametrize("addr", ["vsock:2:9999", "relative/notify"])
    def test_an_address_of_another_kind(self, environment: Callable[..., None], addr: str) -> None:
        environment(NOTIFY_SOCKET=addr)
        with pytest.raises(UnixError.Unsupported):
            sd_notify(ready=True)

    def test_an_address_that_is_none(self, environment: Callable[..., None]) -> None:
        environment(NOTIFY_SOCKET="/" + "x" * 200)
        with pytest.raises(UnixError.PathTooLong):
            sd_notify(ready=True)


class TestWatchdog:
    def test_interval(self, environment: Callable[..., None]) -> None:
        assert watchdog_interval() is None
        environment(WATCHDOG_USEC=2_500_000)
        assert watchdog_interval() == 2.5
        environment(WATCHDOG_PID=os.getpid())
        assert watchdog_interval() == 2.5
        assert watchdog_interval(unset_environment=True) == 2.5
        assert watchdog_interval() is None
        assert "WATCHDOG_PID" not in os.environ

    def test_of_another_process(self, environment: Callable[..., None]) -> None:
        environment(WATCHDOG_USEC=2_500_000, WATCHDOG_PID=1)
        assert watchdog_interval() is None

    @pytest.mark.parametrize("value", ["", "0", "-5", "1.5", "soon"])
    def test_what_makes_no_sense(self, environment: Callable[..., None], value: str) -> None:
        environment(WATCHDOG_USEC=value)
        with pytest.raises(ActivationError.Malformed):
            watchdog_interval()
        environment(WATCHDOG_USEC=1, WATCHDOG_PID=value)
        with pytest.raises(ActivationError.Malformed):
            watchdog_interval()
