"""Commands that talk over a connection: started with a socket as their standard input and output, waited for.

The socket that a command gets is blocking, as any program expects: O_NONBLOCK belongs to the open file, which
the command shares, so a stream is given up (`into_socket`) and made blocking before the command is started,
and this process never uses it again (rule 11 of `netkit.io`). Where bytes have to be seen or changed on their
way (TLS, a transcript), the command gets one end of a pair, and the other end is a stream of ours.

Waiting is for the process itself, not for SIGCHLD: a pidfd (Linux) becomes readable when it ends, for good,
so no signal can be missed, and none of another child's is taken for it. Elsewhere a thread waits.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from time import monotonic
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.io import Descriptor, Event, Flow, Want
from netkit.net.unix import UnixStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.net.sockets import SocketStream

log = Log("netkit.serve.child")

#: How long a command has between SIGTERM and SIGKILL, in seconds.
KILL_AFTER = 2.0


class Child:
    """A command that was started; `pid`, and `status` once it has ended (negative: by that signal)."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._ended = Event()
        self._said = False
        self._pidfd: Descriptor | None = None
        try:
            pidfd = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # not Linux, or an old one
            threading.Thread(target=self._wait_in_thread, name="netkit-child", daemon=True).start()
        else:
            self._pidfd = Descriptor(pidfd, close=lambda: os.close(pidfd))

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; negative where a signal ended it, None while it runs."""
        return self._process.poll()

    def ended_flow(self) -> Flow[int]:
        """Flow: wait until the command has ended, and reap it; its status."""
        if self._pidfd is not None:
            while self._process.poll() is None:
                yield self._pidfd.want_read
        else:
            yield from self._ended.wait()
        return self._reaped()

    def end(self, kill_after: float = KILL_AFTER) -> Flow[int]:
        """Flow: SIGTERM, and SIGKILL when `kill_after` seconds have passed; its status, reaped.

        Of a command that has ended, that is all: its status.
        """
        if self._process.poll() is not None:
            return self._reaped()
        until = monotonic() + kill_after
        self._signal(signal.SIGTERM)
        while self._process.poll() is None and monotonic() < until:
            if self._pidfd is not None:
                yield Want(read=self._pidfd, until=until)
            else:
                yield Want(event=self._ended, until=until)
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
        return (yield from self.ended_flow())

    def kill(self) -> None:
        """SIGKILL, and reap it; of a command that has ended, only that. Never waits for more than the system.

        For a flow that is interrupted while the command runs: it cleans up without waiting.
        """
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
        self._reaped()

    def _signal(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass  # it has ended in this instant

    def _reaped(self) -> int:
        status = self._process.wait()  # it has ended
        if not self._said:
            self._said = True
            log.debug("process %d ended with status %d", self.pid, status)
        if self._pidfd is not None:
            self._pidfd.close()
        return status

    def _wait_in_thread(self) -> None:
        self._process.wait()
        self._ended.set()


def end_all(children: Iterable[Child], kill_after: float = KILL_AFTER) -> None:
    """End commands and wait for them: SIGTERM to all, SIGKILL to those that stay for `kill_after` seconds.

    This blocks: it is for the end of a program, when flows have been abandoned.
    """
    running = [child for child in children if child.status is None]
    until = monotonic() + kill_after
    for child in running:
        child._signal(signal.SIGTERM)
    for child in running:
        try:
            child._process.wait(max(0.0, until - monotonic()))
        except subprocess.TimeoutExpired:
            child._signal(signal.SIGKILL)
        child._reaped()


def start_on(stream: SocketStream, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Child:
    """Start a command whose standard input and output are `stream`'s socket; the stream is given up.

    What `stream` has received and nobody has taken would be lost: hand over a stream that nobody read. `env`
    adds to this process's variables. Raises OSError where the command cannot be started; the socket is closed
    then too.
    """
    sock = stream.into_socket()
    try:
        # Before anybody shares it; from here on only the command uses it.
        sock.setblocking(True)
        return _start(sock, argv, env)
    finally:
        sock.close()


def start_beside(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> tuple[Child, UnixStream]:
    """Start a command whose standard input and output are one end of a pair; the other end is the stream.

    Raises OSError where the command cannot be started.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with theirs:
            child = _start(theirs, argv, env)
    except BaseException:
        ours.close()
        raise
    ours.setblocking(False)
    return child, UnixStream(ours)


def _start(sock: socket.socket, argv: Sequence[str], env: Mapping[str, str] | None) -> Child:
    variables = {**os.environ, **(env or {})}
    process = subprocess.Popen(argv, stdin=sock.fileno(), stdout=sock.fileno(), env=variables)
    log.debug("process %d: %s", process.pid, argv[0])
    return Child(process)
