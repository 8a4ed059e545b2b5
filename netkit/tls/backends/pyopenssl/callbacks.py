"""What OpenSSL calls during a handshake: it shows the peer's messages, and asks what to think of a chain.

One callback of each kind serves every connection: they run in the thread that called OpenSSL, so a slot of
that thread tells whose turn it is. An exception cannot pass through OpenSSL. It waits in the slot until the
call is over, Ctrl-C too.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from netkit.tls import verify_codes as codes
from netkit.tls.backends.pyopenssl.bindings import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from netkit.tls.backends.pyopenssl.bindings import Pointer
    from netkit.tls.heard import Heard

_HANDSHAKE: Final = 22  # the content type of handshake messages (RFC 8446 section 5.1)


class InHandshake(Protocol):
    """A session during its handshake."""

    @property
    def heard(self) -> Heard:
        """Where the peer's messages are kept."""

    @property
    def verdict(self) -> int:
        """What the caller's verifier said: an `X509_V_ERR_` code, `X509_V_OK` if it accepts the chain."""

    def judge(self) -> None:
        """Ask the caller's verifier, once. Raises what it raises."""


class Turn(threading.local):
    """Whose handshake this thread is in, and what a callback raised."""

    session: InHandshake | None = None
    raised: BaseException | None = None

    @contextmanager
    def of(self, session: InHandshake) -> Iterator[None]:
        """The block calls OpenSSL for `session`. A verifier may make a connection of its own in between."""
        before, self.session = self.session, session
        try:
            yield
        finally:
            self.session = before

    def check(self) -> None:
        """Raise what a callback has raised."""
        raised = self.raised
        if raised is not None:
            self.raised = None
            raise raised


turn: Final = Turn()


def _keep(_type: type[BaseException], error: BaseException | None, _traceback: TracebackType | None) -> None:
    turn.raised = error


def _hear(
    sent: int, _version: int, kind: int, message: Pointer, size: int, _ssl: Pointer, _extra: Pointer
) -> None:
    if kind == _HANDSHAKE and not sent:
        session = turn.session
        if session is not None:
            session.heard.note(ffi.buffer(message, size)[:])


def _verify(_accepted: int, store: Pointer) -> int:
    session = turn.session
    assert session is not None
    try:
        session.judge()
    finally:
        lib.X509_STORE_CTX_set_error(store, session.verdict)
    return int(session.verdict == codes.OK)


#: Shows each message; it is also called for each record, for which it does nothing.
on_message: Final = ffi.callback(
    "void (*)(int, int, int, const void *, size_t, SSL *, void *)", _hear, onerror=_keep
)

#: Asks the verifier instead of OpenSSL.
on_verify: Final = ffi.callback("int (*)(int, X509_STORE_CTX *)", _verify, error=0, onerror=_keep)
