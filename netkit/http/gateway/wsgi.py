"""WSGI applications (PEP 3333), served: each call in a thread of a bounded pool.

The thread asks the connection's flow for everything that concerns the connection (`server.bridge`). A body
that is there as a whole, in a list or in one piece of the announced length, is sent while the thread goes on;
a file that the application wrapped is sent when the thread is free again. Other pieces are sent one by one,
each before the next is made: so a client that takes nothing holds the application back.

`wsgi.errors` goes to the log of this module, line by line.
"""

from __future__ import annotations

import io
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from netkit._log import Log
from netkit.http.bodies.body import Closable
from netkit.http.gateway.environ import request_environ
from netkit.http.gateway.fields import HOP_BY_HOP, ResponseHead, Sender, refuse_too_long
from netkit.http.server.handling.bridge import Bridge, in_thread_flow
from netkit.http.server.handling.threads import ThreadPool
from netkit.http.server.stream import BodyFile, RequestStream
from netkit.io import Event, beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import BinaryIO

    from netkit.http.gateway.environ import Environ
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

log = Log("netkit.http.gateway")

#: A WSGI application: `app(environ, start_response)` returns the pieces of its body.
WsgiApp: TypeAlias = "Callable[[Environ, Any], Iterable[bytes]]"
ExcInfo: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType]"

_STATUS = re.compile(r"[0-9]{3}(?: [^\r\n\0]*)?").fullmatch

#: The status that frameworks make of an error that they do not know.
INTERNAL_ERROR = 500

#: How many octets of a wrapped file are read at once, unless the application says.
FILE_BLOCK = 65_536


class WsgiHandler:
    """Serves `app`, a WSGI application, in threads: as many as `ServerConfig.threads`, at least one.

    `script_name` is the path that the application is mounted at. `multiprocess` tells it whether other
    processes serve it as well.
    """

    def __init__(self, app: WsgiApp, *, script_name: str = "", multiprocess: bool = False) -> None:
        self._app = app
        self._script_name = script_name.rstrip("/")
        self._multiprocess = multiprocess
        self._pool: ThreadPool | None = None
        self._made = Event()  # set when there are threads
        #: Called once with the number of threads when all are taken and calls wait (`threads.LONG_WAIT`).
        self.on_exhausted: Callable[[int], object] = _log_exhausted

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: serve, and let the threads end afterwards."""
        try:
            yield from beside(serving, self._watching_flow())
        finally:
            self._made.clear()
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.close()

    def _watching_flow(self) -> Flow[None]:
        yield from self._made.wait()
        if self._pool is not None:
            yield from self._pool.exhausted_flow()
            self.on_exhausted(self._pool.size)

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: have the application answer the request."""
        if self._pool is None:
            self._pool = ThreadPool(exchange.config.threads or 1)
            self._made.set_soon()
        refuse_too_long(exchange)
        bridge = Bridge()
        errors = ErrorLog()
        environ = request_environ(
            exchange.head,
            exchange.version,
            exchange.connection,
            _body_file(exchange, bridge),
            errors,
            script_name=self._script_name,
            software=exchange.config.server_name or "netkit",
            multithread=self._pool.size > 1,
            multiprocess=self._multiprocess,
        )
        environ["wsgi.file_wrapper"] = FileWrapper
        call = _Call(self._app, environ, exchange, bridge)
        try:
            rest = yield from in_thread_flow(
                self._pool, exchange, bridge, call.run, dropped=_Rest.close, is_received=not exchange.has_body
            )
        finally:
            errors.flush()
        try:
            yield from rest.flow()
        finally:
            rest.close()


class _Rest:
    """What is left to do for a response when the application's thread is free."""

    __slots__ = ("_close", "flow")

    def __init__(self, flow: Callable[[], Flow[None]], close: Callable[[], object]) -> None:
        self.flow = flow
        self._close = close

    def close(self) -> None:
        """It is done, or is not to be done."""
        self._close()


class _Call:
    """One call of the application, in a thread."""

    __slots__ = ("_app", "_bridge", "_environ", "_exchange", "_is_whole", "_sender")

    def __init__(self, app: WsgiApp, environ: Environ, exchange: Exchange, bridge: Bridge) -> None:
        self._app = app
        self._environ = environ
        self._exchange = exchange
        self._bridge = bridge
        self._sender = Sender(exchange)
        self._is_whole = False  # the last octet of the announced length is on its way

    def run(self) -> _Rest:
        """Call the application, and send what it returns."""
        result = self._app(self._environ, self.start_response)
        close = result.close if isinstance(result, Closable) else _nothing
        kept = False
        try:
            if not self._sender.has_begun and not self._is_whole:
                if isinstance(result, FileWrapper) and (file := result.real_file) is not None:
                    kept = True
                    return _Rest(partial(self._send_file, file, result.tell()), close)
                if isinstance(result, (list, tuple)):
                    self._finish(b"".join([_checked(piece) for piece in result]))
                    return _Rest(self._exchange.end_flow, _nothing)
            for piece in result:
                if _checked(piece):
                    self.write(piece)
            if not self._is_whole:
                self._finish(b"")
            return _Rest(self._exchange.end_flow, _nothing)
        finally:
            if not kept:
                close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """Say how the response begins; again only with `exc_info`, before any of it was sent.

        Returns `write`. Raises ValueError and TypeError for what cannot be sent, the error of `exc_info` if
        the response has begun. A framework makes 500 of every error, also of one in the request's body that
        it read: that error is raised here, because it has its own status, such as 413.
        """
        if exc_info is not None:
            try:
                if self._sender.has_begun or self._is_whole:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                del exc_info  # it refers to this frame
        elif self._sender.head is not None:
            raise ValueError("start_response was called before, and is without exc_info now")
        code, refused = _status_code(status), self._exchange.refused
        if code == INTERNAL_ERROR and refused is not None:
            raise refused
        self._sender.head = ResponseHead(code, _fields(headers))
        return self.write

    def write(self, piece: bytes) -> None:
        """Send a piece of the body; returns when the system has it."""
        sender = self._sender
        if self._is_whole and piece and not sender.is_bodiless:
            raise RuntimeError("the application's body is longer than its Content-Length")
        if sender.left is not None and len(_checked(piece)) == sender.left and not self._is_whole:
            self._finish(piece)
        else:
            self._bridge.delegate(partial(sender.send_flow, piece))

    def _finish(self, piece: bytes) -> None:
        """The last piece: it is sent while the thread goes on."""
        if self._sender.head is None:
            raise RuntimeError("the application returned without having called start_response")
        self._is_whole = True
        self._bridge.post(partial(self._sender.send_flow, piece, end=True))

    def _send_file(self, file: BinaryIO, start: int) -> Flow[None]:
        """Flow: send a file from `start` to its end."""
        import os

        sender, exchange = self._sender, self._exchange
        if sender.head is None:
            raise RuntimeError("the application returned without having called start_response")
        size = max(0, os.fstat(file.fileno()).st_size - start)
        wanted = size if sender.left is None else sender.left
        if wanted > size:
            raise RuntimeError("the file is shorter than the Content-Length says")
        sender.begin(length=wanted)
        if not exchange.is_ended:
            yield from exchange.send_file_flow(file, start, wanted)
        yield from exchange.end_flow()


@runtime_checkable
class _MaySeek(Protocol):
    def seekable(self) -> bool: ...


def _may_seek(file: object) -> bool:
    return isinstance(file, _MaySeek) and file.seekable()


class FileWrapper:
    """`wsgi.file_wrapper`: a file as the pieces of a body. One of the system's is sent without the thread.

    It is its own iterator, and can seek if the file can: so a framework that sends a range of it, and closes
    what it iterates over, closes the file.
    """

    def __init__(self, file: BinaryIO, block_size: int = FILE_BLOCK) -> None:
        self._file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if piece := self._file.read(self._block_size):
            return piece
        raise StopIteration

    def seekable(self) -> bool:
        """Whether the file can be read from another place."""
        return _may_seek(self._file)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Read on from there."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the file is read from."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file, if it can be."""
        if isinstance(self._file, Closable):
            self._file.close()

    @property
    def real_file(self) -> BinaryIO | None:
        """The file, if it is one of the system's that has a size; else None."""
        import stat
        from os import fstat

        if not isinstance(self._file, (io.BufferedReader, io.FileIO, io.BufferedRandom)):
            return None
        try:
            is_regular = stat.S_ISREG(fstat(self._file.fileno()).st_mode)
        except (OSError, ValueError):
            return None
        return self._file if is_regular else None


class ErrorLog(io.TextIOBase):
    """`wsgi.errors`: what is written is logged, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self._line = ""

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str) -> int:
        """Log the lines of `text`; the last one when it has its end."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            log.warning("%s", line)
        return len(text)

    def flush(self) -> None:
        """Log what is there of a line."""
        line, self._line = self._line, ""
        if line:
            log.warning("%s", line)


def _body_file(exchange: Exchange, bridge: Bridge) -> BinaryIO:
    if not exchange.has_body:
        return io.BytesIO()
    return io.BufferedReader(BodyFile(RequestStream(exchange, bridge)), 65_536)


def _checked(piece: bytes) -> bytes:
    if not isinstance(piece, bytes):
        raise TypeError(f"a piece of a body is bytes, not {type(piece).__name__}")
    return piece


def _status_code(status: str) -> int:
    """The number of a status such as `"200 OK"`."""
    if _STATUS(status) is None:
        raise ValueError("a status is three digits, a space and a phrase")
    return int(status[:3])


def _fields(headers: Iterable[tuple[Any, Any]]) -> list[tuple[bytes, bytes]]:
    fields = []
    for name, value in headers:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("names and values of headers are str")
        try:
            field = name.encode("latin-1"), value.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError("a header has characters that are not of ISO 8859-1") from None
        if field[0].lower() in HOP_BY_HOP:
            raise ValueError(f"{name} is about the connection: a WSGI application must not send it")
        fields.append(field)
    return fields


def _log_exhausted(threads: int) -> None:
    log.warning("all %d threads of the application are taken, and requests wait", threads)


def _nothing() -> None:
    return None
