"""Zero-downtime replacement: a running server passes its listening sockets to its successor.

The running server offers them at a Unix-domain control socket. The successor connects there, gets the same
sockets (by SCM_RIGHTS, not new sockets at the same addresses), begins to accept from them, and says that it
is ready. Only then does the old server stop accepting, and drain. So at every moment at least one of them
listens: a connection that comes meanwhile waits in the backlog, which both share. If the successor dies or is
silent before it is ready, the old server continues as before. The control socket is passed with the others.

    successor   {"take_over": 1}
    old         {"sockets": [{"name": "tcp"}, ...], "protocol": "echo", "private": ["tls"]}
                                                                with the descriptors, in that order
    successor   {"ready": true, "pid": 4711}
    old         {"stopping": true}                              and the end of the stream

Each message is a line of JSON. Only processes of the same user, or of root, get the sockets. `protocol` says
what is spoken on the sockets: whoever connects to them must not meet another one from one moment to the next,
so the successor compares it with what it was going to speak. `private` is what a successor needs for that and
cannot have from elsewhere, such as the key of a certificate. It goes in files that have no name
(memfd_create(2)), and to the same user only. Any number of dialogues go on side by side, so that a client
that says nothing delays nobody.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from netkit._log import Log
from netkit.errors import NetkitError
from netkit.io import (
    Closing,
    DeadlineExceeded,
    Event,
    Flow,
    LimitExceeded,
    before,
    deadline_after,
    run,
)
from netkit.net.errors import FdPassingError
from netkit.net.unix import UnixListener, UnixStream
from netkit.serve.connections import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from netkit.net.fds import HasFileno

T = TypeVar("T")

log = Log("netkit.serve.handover")

#: How long a successor has from getting the sockets to saying that it is ready, in seconds.
READY_TIMEOUT = 60.0

#: How long either side waits for any other message, in seconds.
REPLY_TIMEOUT = 10.0

#: How many dialogues there may be at the same time, with successors and with who takes itself for one.
MOST_DIALOGUES = 64

#: The most that is read of a private file, in bytes.
MOST_PRIVATE = 1 << 20

#: The name of the control socket among the passed sockets.
CONTROL = "control"

_VERSION = 1


class HandoverError(NetkitError):
    """Taking over failed: the old server keeps the sockets. The stage is `connect`."""

    layer = "net"
    fault = "peer"
    stage = "connect"

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"the running server's sockets cannot be taken over: {self.reason}"


class Offered(NamedTuple):
    """A socket to pass to a successor, and its name."""

    name: str
    socket: HasFileno


class Handover:
    """The side of the running server: it offers `sockets` at `control`, until a successor has taken them.

    `protocol` names the protocol on them. `private` makes the further data, by name, that only a successor of
    the same user gets.
    """

    def __init__(
        self,
        control: UnixListener,
        sockets: Iterable[Offered],
        *,
        protocol: str = "",
        private: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        self._control = control
        self._sockets = [*sockets, Offered(CONTROL, control)]
        self._protocol = protocol
        self._private = private
        #: The process that has taken over; None before.
        self.successor: int | None = None

    def offer(self) -> Flow[None]:
        """Flow: until a successor is ready. What it was given is still open here, and to be closed.

        The files of Unix-domain listeners, the control socket's too, are the successor's by then. The control
        socket is closed here.
        """
        taken = Event()

        def dialogue(stream: UnixStream) -> Flow[None]:
            try:
                yield from self._hand_over(stream)
                taken.set()
            except (OSError, EOFError, HandoverError, LimitExceeded, FdPassingError) as error:
                log.warning("the sockets were not handed over: %s", error)

        yield from serve(self._control, dialogue, stop=taken, drain=0.0, max_connections=MOST_DIALOGUES)

    def _hand_over(self, stream: UnixStream) -> Flow[None]:
        who = stream.peer_cred
        asked = yield from _hear(
            stream, REPLY_TIMEOUT
        )  # read first: closing with unread data would reset the connection, and lose the answer
        if who.uid not in (os.geteuid(), 0):
            yield from _say(stream, {"refused": "it runs as another user"})
            raise HandoverError(f"asked for by user {who.uid}")
        if asked.get("take_over") != _VERSION:
            yield from _say(stream, {"refused": f"it speaks version {_VERSION} of the take-over"})
            raise HandoverError("the request is not understood")
        with ExitStack() as stack:
            private = self._private() if who.uid == os.geteuid() else {}
            files = [stack.enter_context(_PrivateFile(content)) for content in private.values()]
            names = [{"name": each.name} for each in self._sockets]
            line = _line({"sockets": names, "protocol": self._protocol, "private": list(private)})
            offer = stream.send_fds_flow([*(each.socket for each in self._sockets), *files], line)
            yield from _in_time(REPLY_TIMEOUT, offer)
        ready = yield from _hear(stream, READY_TIMEOUT)
        if ready.get("ready") is not True:
            raise HandoverError("the successor is not ready")
        if self.successor is not None:
            raise HandoverError(f"process {self.successor} was sooner")
        self.successor = int(ready.get("pid") or who.pid or 0)
        for each in self._sockets:
            if isinstance(each.socket, UnixListener):
                each.socket.unlink_on_close = False
        try:
            yield from _say(stream, {"stopping": True})
        except OSError as error:
            log.debug("the successor did not wait for the answer: %s", error)


class TakenOver(Closing):
    """The side of the successor: the sockets that it got, until it says that it is ready.

        with TakenOver.connect("/run/echo.control") as taken:
            ...                     # adopt `taken.sockets`, which are descriptors with names, and serve
            taken.ready()

    If it is closed before `ready`, the old server continues as before. Closing it also closes the descriptors
    that were not taken with `take`.
    """

    def __init__(
        self, stream: UnixStream, sockets: list[tuple[str, int]], protocol: str, private: dict[str, bytes]
    ) -> None:
        self._stream = stream
        self._sockets = sockets
        #: What is spoken on the sockets.
        self.protocol = protocol
        #: What the old server has given besides, by name; nothing to another user.
        self.private = private

    @classmethod
    def connect(cls, path: str, *, timeout: float | None = REPLY_TIMEOUT) -> Self:
        """Ask the server at the control socket `path` for its sockets.

        Raises UnixError if no server listens there, HandoverError if it does not give the sockets.
        """
        return run(cls._connect(path), deadline=deadline_after(timeout))

    @classmethod
    def _connect(cls, path: str) -> Flow[Self]:
        stream = yield from UnixStream.connect_flow(path)
        fds: list[int] = []
        try:
            stream.expect_fds()
            yield from _say(stream, {"take_over": _VERSION})
            answer = yield from _hear(stream, REPLY_TIMEOUT)
            if "refused" in answer:
                raise HandoverError(str(answer["refused"]))
            _, fds = stream.take_fds()
            names = [str(each["name"]) for each in answer["sockets"]]
            files = [str(name) for name in answer.get("private", ())]
            if len(names) + len(files) != len(fds):
                raise HandoverError(
                    f"{len(fds)} descriptors came for {len(names)} sockets and {len(files)} files"
                )
            private = {}
            for name in reversed(files):
                private[name] = _content(fds.pop())
            protocol = str(answer.get("protocol", ""))
        except BaseException as error:
            _close(fds)
            stream.close()
            if isinstance(error, (KeyError, TypeError, EOFError)):
                raise HandoverError("its answer is not understood") from error
            raise
        return cls(stream, list(zip(names, fds, strict=True)), protocol, private)

    @property
    def sockets(self) -> list[tuple[str, int]]:
        """Names and descriptors, in the order of the old server."""
        return list(self._sockets)

    def take(self) -> list[tuple[str, int]]:
        """The same as `sockets`; they belong to the caller from now on."""
        taken, self._sockets = self._sockets, []
        return taken

    def ready(self, *, timeout: float | None = REPLY_TIMEOUT) -> None:
        """Say that this process serves the sockets. When it returns, the old server has stopped accepting.

        Raises HandoverError if the old server has ended, or does not answer.
        """
        try:
            run(self._ready(), deadline=deadline_after(timeout))
        except (OSError, EOFError, DeadlineExceeded) as error:
            raise HandoverError(f"it does not say that it stops: {error}") from error

    def _ready(self) -> Flow[None]:
        yield from _say(self._stream, {"ready": True, "pid": os.getpid()})
        yield from _hear(self._stream, REPLY_TIMEOUT)

    def close(self) -> None:
        """End the dialogue, and close the descriptors that were not taken."""
        self._stream.close()
        _close([fd for _, fd in self.take()])


class _PrivateFile:
    """A file without a name that holds `content`."""

    def __init__(self, content: bytes) -> None:
        if hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("netkit"), "w+b", buffering=0)
        else:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._file.write(content)

    def fileno(self) -> int:
        return self._file.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _content(fd: int) -> bytes:
    """What a private file holds; the descriptor is closed."""
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        return file.read(MOST_PRIVATE)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _in_time(timeout: float, flow: Flow[T]) -> Flow[T]:
    """Flow: run `flow`; raises HandoverError after `timeout` seconds (this is not the caller's deadline)."""

    def late(_: BaseException) -> HandoverError:
        return HandoverError(f"the other side did not answer within {timeout:g} s")

    return (yield from before(monotonic() + timeout, flow, expired=late))


def _say(stream: UnixStream, message: dict[str, Any]) -> Flow[None]:
    yield from _in_time(REPLY_TIMEOUT, stream.write_all_flow(_line(message)))


def _hear(stream: UnixStream, timeout: float) -> Flow[dict[str, Any]]:
    line = yield from _in_time(timeout, stream.read_until_flow(b"\n"))
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise HandoverError("a message is not understood")
    return message


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
