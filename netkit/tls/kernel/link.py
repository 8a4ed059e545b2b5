"""The socket whose kernel encrypts: whether it can, giving it the keys, and its records that are no data."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netkit.tls.backend import KernelSecret
from netkit.tls.errors import TlsError
from netkit.tls.kernel.structures import (
    ALERT,
    APPLICATION_DATA,
    CLOSE_NOTIFY_ALERT,
    SOL_TLS,
    TCP_ULP,
    TLS_GET_RECORD_TYPE,
    TLS_RX,
    TLS_SET_RECORD_TYPE,
    TLS_TX,
    crypto_info,
)

if TYPE_CHECKING:
    from netkit.io import Flow
    from netkit.net import TcpStream
    from netkit.tls.backend import KernelSecrets
    from netkit.tls.kernel.session import KernelSession
    from netkit.tls.versions import TlsVersion

#: Which protocols this kernel puts over TCP (tcp(7)).
_AVAILABLE: Final = Path("/proc/sys/net/ipv4/tcp_available_ulp")

#: How many records that say nothing are passed over at once: others have their turn then.
_PASSED: Final = 16

#: What recvmsg(2) says of records that cannot be: a wrong tag, too long, no TLS.
_BAD_RECORDS: Final = {
    errno.EBADMSG: "a record does not decrypt",
    errno.EMSGSIZE: "a record is too long",
    errno.EINVAL: "what came is no record of TLS",
    errno.EIO: "a record cannot be told from another",
}

#: Room for one octet beside the data: the type of the record.
_BESIDE: Final = 32

#: What the kernel was seen to do, by version and cipher.
_able: set[tuple[TlsVersion, str]] = set()


def why_not(version: TlsVersion, cipher: str) -> str | None:
    """Why this kernel cannot encrypt with that cipher; None if it can.

    It is tried on a connection of its own, to this machine, because a session that has given its secrets
    away cannot go on.
    """
    if sys.platform != "linux":
        return f"only Linux encrypts TCP in its kernel, and this is {sys.platform}"
    if (version, cipher) in _able:
        return None
    try:
        with _connected() as trial:
            trial.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
            for option in (TLS_TX, TLS_RX):
                trial.setsockopt(SOL_TLS, option, _empty(version, cipher, transmit=option == TLS_TX))
    except OSError as error:
        return _words(error, cipher)
    _able.add((version, cipher))
    return None


def _connected() -> socket.socket:
    """A connection to this machine: a protocol is put over connected sockets only."""
    family, host = (socket.AF_INET, "127.0.0.1")
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
        listener.listen(1)
        return socket.create_connection(listener.getsockname()[:2], timeout=5)


def _empty(version: TlsVersion, cipher: str, *, transmit: bool) -> bytes:
    key = bytes(16 if cipher == "AES-128-GCM" else 32)
    return crypto_info(version, KernelSecret(cipher, 0, key, bytes(12)), transmit=transmit)


def _words(error: OSError, cipher: str) -> str:
    try:
        available = _AVAILABLE.read_text("ascii").split()
    except (OSError, ValueError):
        available = []
    if "tls" not in available:
        has = f" (it has {', '.join(available)})" if available else ""
        return f"this kernel has no protocol tls over TCP{has}: load the module tls"
    return f"this kernel does not take {cipher}: {error.strerror or error}"


class KernelLink:
    """The TCP connection below a stream, and what goes through it beside data."""

    def __init__(self, stream: TcpStream) -> None:
        """Put the protocol over `stream`, which goes on as before until `hand_over`. Raises OSError."""
        self._stream = stream
        self._sock = stream.get_socket()
        self._sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        self._said = False

    def hand_over(self, secrets: KernelSecrets, session: KernelSession) -> None:
        """Give the kernel the keys: it encrypts and decrypts from now on. Raises OSError: then the
        connection is of no use any more."""
        version = secrets.version
        self._sock.setsockopt(SOL_TLS, TLS_TX, crypto_info(version, secrets.transmit, transmit=True))
        self._sock.setsockopt(SOL_TLS, TLS_RX, crypto_info(version, secrets.receive, transmit=False))
        self._session = session
        self._stream.receive_by(self._receive)

    def _receive(self, size: int, flags: int) -> bytes:
        """Data of records; `b""` at the end, of which the session knows the reason."""
        for _ in range(_PASSED):
            try:
                data, beside, _flags, _from = self._sock.recvmsg(size, _BESIDE, flags)
            except OSError as error:
                words = _BAD_RECORDS.get(error.errno or 0)
                if words is None:
                    raise
                self._session.fail(TlsError.HandshakeFailed(words, code=errno.errorcode[error.errno or 0]))
                return b""
            kind = next((kind for level, kind in map(_kind, beside) if level), APPLICATION_DATA)
            if kind == APPLICATION_DATA:
                if data or not beside:
                    return data
            elif not self._session.take_record(kind, data):
                return b""
        raise BlockingIOError(errno.EAGAIN, "only records without data came")

    # The end of the sending side.

    def try_end(self) -> bool:
        """Send close_notify, once. False if there is no room for it now."""
        if not self._said:
            beside = [(SOL_TLS, TLS_SET_RECORD_TYPE, bytes((ALERT,)))]
            try:
                self._sock.sendmsg([CLOSE_NOTIFY_ALERT], beside, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            self._said = True
        return True

    def end_flow(self) -> Flow[None]:
        """Flow: send close_notify."""
        while not self.try_end():
            yield self._stream.want_room()


def _kind(beside: tuple[int, int, bytes]) -> tuple[bool, int]:
    """Whether a control message tells the type of a record, and which."""
    level, kind, data = beside
    return (True, data[0]) if (level, kind) == (SOL_TLS, TLS_GET_RECORD_TYPE) and data else (False, 0)
