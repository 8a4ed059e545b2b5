"""The key log (SSLKEYLOGFILE): secrets of connections, appended to a file that nobody else may read.

Whoever asks for it gets all of it, or an error: a handshake whose secrets cannot be written fails, with every
backend. The ssl module writes the file itself and tells nobody that the disk is full; so it is given a pipe,
and what is in there is appended after each step of a handshake.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final

from netkit.tls.errors import TlsError

#: How much a pipe should hold, in bytes: the secrets of as many handshakes as threads make at once, with
#: about 900 bytes each. The ssl module waits for room.
_ROOM: Final = 1 << 20

_AT_ONCE: Final = 65_536


def append(path: str, lines: bytes) -> None:
    """Append whole lines at once. Raises `TlsError.UnusableFile`.

    The file is opened for each call: it may be moved away at any time, and no other writer cuts a line.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # A disk that is nearly full takes a part, and says with the next part why.
            while lines := lines[os.write(descriptor, lines) :]:
                pass
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: str, error: OSError) -> TlsError:
    """The error for a key log that cannot be written."""
    hint = (
        "the key log (SSLKEYLOGFILE) needs a folder that is there, that can be written to, and that has room"
    )
    return TlsError.UnusableFile(path, error.strerror or str(error), hint=hint)


class KeyPipe:
    """A pipe for a library that wants a file name for the secrets: `name`, until `opened` is called.

    Raises OSError where a pipe cannot be opened by a name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        reading, self._writing = os.pipe()
        self._reading = reading
        self._closing = weakref.finalize(self, os.close, reading)
        self.name = f"/dev/fd/{self._writing}"
        os.set_blocking(reading, False)
        try:
            _widen(reading)
            os.stat(self.name)
        except OSError:
            self.opened()
            self._closing()
            raise

    def opened(self) -> None:
        """The library has opened the pipe, or will not."""
        os.close(self._writing)

    def flush(self) -> None:
        """Append to the key log what the library has written. Raises `TlsError.UnusableFile`."""
        with self._lock:
            lines = b"".join(iter(self._received, b""))
            if lines:
                append(self._path, lines)

    def _received(self) -> bytes:
        try:
            return os.read(self._reading, _AT_ONCE)
        except BlockingIOError:
            return b""


def _widen(descriptor: int) -> None:
    """Give a pipe more room, where the system can and lets this user."""
    try:
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _ROOM)
    except (ImportError, AttributeError, PermissionError):
        pass
