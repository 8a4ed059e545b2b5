"""What a stream receives for its session: in which pieces, and how long it works without a look at the clock.

A flow looks at its deadline where it yields (rule 5 of `netkit.io`). A receive call is a poor measure of work
for TLS: 128 KiB hold eight records of data, which take 0.1 ms, or 4,800 KeyUpdate messages (RFC 8446 section
4.6.3), each of which makes new keys, and takes 60 ms together. So a turn also ends after so many octets, and
at once where they brought no data. What brings no data has a limit as well: tickets and new keys are wanted
now and then, and a peer that sends nothing else wants work done. (rustls refuses the 33rd KeyUpdate, Go's
crypto/tls the 17th record; OpenSSL takes any number.)
"""

from __future__ import annotations

from typing import Final

from netkit.io import OPERATIONS_PER_TURN, LimitExceeded
from netkit.io.stream import RECEIVE_SIZE

#: How much ciphertext is worked through in one turn, in bytes: where it brings data, and where none.
TURN_SIZE: Final = 4 * RECEIVE_SIZE
BARREN_TURN: Final = RECEIVE_SIZE

#: The most ciphertext that the session is given at once, in bytes: it works through all of it in one step.
STEP_SIZE: Final = 131_072

#: The most ciphertext that is received at once, in bytes, but for large buffers of the caller.
FILL_SIZE: Final = 131_072

#: The most ciphertext after the handshake that brings no data, in bytes. A hundred large tickets have less.
BARREN_LIMIT: Final = 262_144

#: The most ciphertext of a handshake, in bytes; early data that the server did not want comes on top.
HANDSHAKE_LIMIT: Final = 4_194_304


_NOTHING: Final = memoryview(b"")


class Intake:
    """The ciphertext between a socket and a session.

    It is one attribute of a stream, and not five: from the 30th on, CPython gives each instance a dictionary
    of its own, with 2 KiB.
    """

    __slots__ = ("_operations", "_worked", "barren", "buffer", "unfed")

    def __init__(self) -> None:
        #: Where ciphertext is received while much comes; empty otherwise.
        self.buffer = _NOTHING
        #: What was received there, and the session was not given yet.
        self.unfed = _NOTHING
        #: How much came since the last data, in bytes.
        self.barren = 0
        self._worked = 0
        self._operations = 0

    def received(self, count: int, most: int) -> None:
        """`count` bytes are in the buffer, which grows up to `most` bytes while the peer fills it."""
        buffer = self.buffer
        self.unfed = buffer[:count]
        if count * 8 < len(buffer) or self.barren > FILL_SIZE:
            self.buffer = _NOTHING
        elif count == len(buffer) < most:
            self.buffer = memoryview(bytearray(2 * count))

    def step(self) -> memoryview:
        """Take the next piece for the session; nothing if all was given."""
        unfed = self.unfed
        self.unfed = unfed[STEP_SIZE:] if len(unfed) > STEP_SIZE else _NOTHING  # which keeps no buffer alive
        return unfed[:STEP_SIZE]

    def begin(self) -> None:
        """A call begins, and with it a turn."""
        self._operations = self._worked = 0

    def feed(self, size: int) -> None:
        """`size` bytes of ciphertext came."""
        self.barren += size
        self._worked += size

    def found(self) -> None:
        """Data came out of it, or the end of the handshake."""
        self.barren = 0

    def is_due(self) -> bool:
        """Count an operation. Whether it is time to yield PAUSE."""
        self._operations += 1
        over = self._operations >= OPERATIONS_PER_TURN or self._worked >= TURN_SIZE
        if over or self.barren >= BARREN_TURN:
            self.begin()
            return True
        return False

    @property
    def is_flood(self) -> bool:
        """Whether more came without data than may after the handshake."""
        return self.barren > BARREN_LIMIT

    def check(self) -> None:
        """Raise LimitExceeded after a flood of what is no data."""
        if self.is_flood:
            what = "what the peer sends without any data (tickets, key updates)"
            raise LimitExceeded(what, BARREN_LIMIT)

    def check_handshake(self, early: int) -> None:
        """Raise LimitExceeded in a handshake that does not end; `early` is how much early data may come."""
        if self.barren > HANDSHAKE_LIMIT + 2 * early:
            raise LimitExceeded("what the peer sends in its handshake", HANDSHAKE_LIMIT + 2 * early)
