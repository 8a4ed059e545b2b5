"""Commands that talk over a connection: they are started with a socket as standard input and output.

A command gets a blocking socket, because programs expect that. O_NONBLOCK belongs to the open file, which the
command shares. So the stream is given up (`into_socket`) and made blocking before the command starts, and
this process never uses it again (rule 11 of `netkit.io`). If this process must see or change the bytes (TLS,
a transcript), the command gets one end of a socket pair, and the other end is a stream of ours.

This module waits for the process itself, not for SIGCHLD. On Linux a pidfd becomes readable when the process
ends, and stays so. Therefore no signal can be missed, or confused with that of another child. On other
systems a thread waits.
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
from netkit.serve.pipes import PipeReader, Pipes, PipeWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.net.sockets import SocketStream

log = Log("netkit.serve.child")

#: How long a command has between SIGTERM and SIGKILL, in seconds.
KILL_AFTER = 2.0


class Child:
    """A started command: its `pid`, and its `status` after its end (negative: the signal that ended it)."""

    def __init__(self, process: subprocess.Popen[bytes], *, leads_group: bool = False) -> None:
        """`leads_group`: signals go to all processes of its group, those that it has started included."""
        self._process = process
        self._leads_group = leads_group
        self._ended = Event()
        self._said = False
        self._pidfd: Descriptor | None = None
        try:
            pidfd = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # not Linux, or an old Linux
            threading.Thread(target=self._wait_in_thread, name="netkit-child", daemon=True).start()
        else:
            self._pidfd = Descriptor(pidfd, close=lambda: os.close(pidfd))

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; negative if a signal ended the command, None while it runs."""
        return self._process.poll()

    def ended_flow(self) -> Flow[int]:
        """Flow: wait until the command has ended, and reap it. Returns its status."""
        if self._pidfd is not None:
            while self._process.poll() is None:
                yield self._pidfd.want_read
        else:
            yield from self._ended.wait()
        return self._reaped()

    def end(self, kill_after: float = KILL_AFTER) -> Flow[int]:
        """Flow: send SIGTERM, and SIGKILL after `kill_after` seconds; reap the command. Returns its status.

        If the command has ended already, no signal is sent.
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
        """Send SIGKILL if the command runs, and reap it. Waits only until the system has ended the process.

        For a flow that is interrupted while the command runs, because it must clean up without waiting.
        """
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
        self._reaped()

    def _signal(self, number: signal.Signals) -> None:
        try:
            if self._leads_group:
                # It has not been reaped, so its number is no other group's.
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended at this moment

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
    """End commands and wait for them: SIGTERM to all, SIGKILL to those that still run after `kill_after`
    seconds.

    This blocks: it is for the end of a program, when its flows do not run any more.
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

    Bytes that `stream` has received and that were not taken are lost, so pass a stream that was never read.
    `env` adds to this process's variables. If the command cannot be started, raises OSError and closes the
    socket.
    """
    sock = stream.into_socket()
    try:
        # Before the command shares it; after that only the command uses it.
        sock.setblocking(True)
        return _start(sock, argv, env)
    finally:
        sock.close()


def start_beside(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> tuple[Child, UnixStream]:
    """Start a command whose standard input and output are one end of a pair; returns the other end too.

    Raises OSError if the command cannot be started.
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


def start_piped(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> tuple[Child, Pipes]:
    """Start a command with pipes as its standard input, output and error; returns our ends of them.

    For programs that read and write lines: pipes, unlike sockets, can be opened by name (/dev/stdout), and
    no shell takes them for a network login. The command is in a session of its own: Ctrl-C at a terminal does
    not reach it, and signals of `Child` go to the processes that it has started, too.
    `env` adds to this process's variables. Raises OSError if the command cannot be started.
    """
    ends: list[int] = []
    try:
        for _ in range(3):
            ends += os.pipe()
        process = subprocess.Popen(
            argv,
            stdin=ends[0],
            stdout=ends[3],
            stderr=ends[5],
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except BaseException:
        for end in ends:
            os.close(end)
        raise
    for end in (ends[0], ends[3], ends[5]):
        os.close(end)
    log.debug("process %d: %s", process.pid, argv[0])
    return Child(process, leads_group=True), Pipes(
        PipeWriter(ends[1]), PipeReader(ends[2]), PipeReader(ends[4])
    )


def _start(sock: socket.socket, argv: Sequence[str], env: Mapping[str, str] | None) -> Child:
    variables = {**os.environ, **(env or {})}
    process = subprocess.Popen(argv, stdin=sock.fileno(), stdout=sock.fileno(), env=variables)
    log.debug("process %d: %s", process.pid, argv[0])
    return Child(process)
