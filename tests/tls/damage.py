"""Connections whose records are damaged on the way, in memory: each end fails with a TlsError, or goes on.

`make fuzz-tls` runs this as a program for many rounds; `test_damage` runs a few. A round is made from its
seed alone, as far as the backends' own random numbers let it: the damage and its place are the same again.

What is asserted in each round:
- No exception but TlsError leaves a session, and a session that has failed keeps failing.
- What an end reads is the beginning of what its peer wrote: damage never becomes plaintext.
- An end that has not had its peer's close_notify reads no clean end.
- Where nothing was damaged, all that was written arrives.
- The round ends, and no output grows without bound.
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from netkit.tls.backends import names, prepare, why_absent
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.versions import TlsVersion
from tests.tls.conformance.ends import HOST, client_config, client_identity, server_config, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.backend import PreparedConfig, TlsSession

#: No round needs more turns: one that does not end is a fault.
MAX_TURNS = 100

#: No end has more to say, in bytes: a flight has a few thousand, and what is written in a round is less.
MAX_OUTPUT = 1_000_000

#: How many octets each end writes at most at once.
MAX_WRITTEN = 40_000

_TEXT = bytes(range(251)) * (MAX_WRITTEN // 251 + 1)

#: Records that a peer, or somebody on the path, puts in between.
_STRANGE = (
    b"\x15\x03\x03\x00\x02\x01\x00",  # close_notify in the clear
    b"\x15\x03\x03\x00\x02\x02\x28",  # a fatal alert in the clear
    b"\x15\x03\x03\x00\x02\x01\x5a",  # a warning
    b"\x14\x03\x03\x00\x01\x01",  # change_cipher_spec
    b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",  # hello_request
    b"\x16\x03\x03\x00\x04\x0e\xff\xff\xff",  # a message that is never whole
    b"\x16\x03\x03\x00\x00",  # an empty record
    b"\x17\x03\x03\x00\x00",
    b"\x17\x03\x03\x00\x13" + bytes(19),
    b"\x18\x03\x03\x00\x03\x01\xff\xff",  # a heartbeat
    b"\x17\x03\x03\xff\xff",
    b"\x80\x2e\x01\x00\x02",  # a hello of SSL 2
    b"GET / HTTP/1.1\r\n\r\n",
)


@cache
def usable(version: TlsVersion | None = None) -> tuple[str, ...]:
    """The backends that are here, and have the version, if one is named."""
    here = [name for name in names() if why_absent(name) is None]
    return tuple(name for name in here if version is None or version in versions(name))


@cache
def _prepared(backend: str, version: TlsVersion, *, server: bool, mutual: bool) -> PreparedConfig:
    only = {"min_version": version, "max_version": version}
    shown = client_identity()
    if server:
        config = server_config(backend, **only)
        if mutual:
            config = config.with_root_certs([*shown.chain[1:], *client_config(backend).root_certs])
            config = config.replace(verify_mode=CertVerifyMode.Full)
    else:
        config = client_config(backend, **only)
        if mutual:
            config = config.with_identity(shown.chain, shown.key)
    return prepare(config)


@dataclass
class _End:
    """One end: its session, what it wrote and read, and how it ended."""

    session: TlsSession
    done: bool = False
    error: TlsError | None = None
    ended: bool = False  # it has read the clean end
    closed: bool = False  # it has sent close_notify
    written: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)

    def step(self, rng: Random) -> None:
        """Go on with what is there; a TlsError ends this end."""
        session = self.session
        try:
            if not self.done:
                self.done = session.handshake()
                if not self.done:
                    return
            self._read(rng)
            if not self.closed and rng.random() < 0.5:
                self._write(rng)
        except TlsError as error:
            self.error = session.explain(error)

    def _read(self, rng: Random) -> None:
        size = rng.choice((1, 100, 16_384, 65_536))
        while not self.ended:
            data = self.session.read(size)
            if data is None:
                return
            self.heard += data
            self.ended = not data
            size = max(size, 1000)

    def _write(self, rng: Random) -> None:
        if len(self.written) < 4 * MAX_WRITTEN:
            start = len(self.written) % 251
            data = _TEXT[start : start + rng.choice((1, 20, 300, 17_000))]
            self.written += data[: self.session.write(memoryview(data))]
        elif rng.random() < 0.5:
            self.session.close_notify()
            self.closed = True

    def is_over(self) -> bool:
        return self.error is not None or (self.ended and self.closed)


def records(data: bytes) -> list[bytes]:
    """`data` cut where its records end; what is no record stays whole."""
    found, at = [], 0
    while at < len(data):
        end = at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        found.append(data[at:end])
        at = end
    return found


def damaged(rng: Random, flight: bytes, earlier: list[bytes]) -> bytes:
    """`flight` with something done to it or to its records; `earlier` are records of both ways."""
    made = records(flight)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not made:
            break
        at = rng.randrange(len(made))
        record = made[at]
        match rng.randrange(11):
            case 0:  # a bit
                made[at] = _flipped(rng, record, rng.randrange(len(record)))
            case 1:  # a bit of the header, or of the message's
                made[at] = _flipped(rng, record, rng.randrange(min(len(record), 10)))
            case 2:  # an octet
                place = rng.randrange(len(record))
                made[at] = record[:place] + rng.randbytes(1) + record[place + 1 :]
            case 3:  # cut, with the rest after it
                made[at] = record[: rng.randrange(1, len(record) + 1)]
            case 4:  # cut, and the length made right
                body = record[5 : 5 + rng.randrange(max(1, len(record) - 5))]
                made[at] = record[:3] + len(body).to_bytes(2, "big") + body
            case 5:  # twice
                made.insert(at, record)
            case 6:  # in another order
                rng.shuffle(made)
            case 7:  # lost
                del made[at]
            case 8 if earlier:  # one from before, of this way or the other
                made.insert(at, rng.choice(earlier))
            case 9:
                made.insert(at, rng.choice(_STRANGE))
            case _:  # two records that are one message, or one that is two
                made[at : at + 1] = _split(record, rng.randrange(5, max(6, len(record))))
    return b"".join(made)


def _flipped(rng: Random, data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ (1 << rng.randrange(8)),)) + data[at + 1 :]


def _split(record: bytes, at: int) -> list[bytes]:
    return [
        record[:3] + len(part).to_bytes(2, "big") + part for part in (record[5:at], record[at:]) if part
    ] or [record]


def _pieces(rng: Random, data: bytes) -> Iterator[bytes]:
    """`data` as a network may deliver it."""
    size = rng.choice((len(data), len(data), 1000, 100, 7))
    if size < 100 and len(data) > 2000:
        size = len(data) // 20
    for at in range(0, len(data), max(1, size)):
        yield data[at : at + size]


def one_round(seed: int) -> str:
    """Make a connection with damage; what came of it. Raises AssertionError, or what a session raised."""
    rng = Random(seed)
    version = rng.choice((TlsVersion.Tls12, TlsVersion.Tls13, TlsVersion.Tls13))
    mutual = rng.random() < 0.3
    client_backend, server_backend = rng.choice(usable(version)), rng.choice(usable(version))
    client = _End(_prepared(client_backend, version, server=False, mutual=mutual).session(HOST))
    server = _End(_prepared(server_backend, version, server=True, mutual=mutual).session(None))
    # The first flights are damaged as often as what comes later.
    start = rng.choice((0, 0, 1, 2, 3, 5, 8, 20, MAX_TURNS))
    often = rng.choice((0.1, 0.5, 1.0))
    earlier: list[bytes] = []
    flights = hurt = 0
    for _ in range(MAX_TURNS):
        moved = False
        for end, peer in ((client, server), (server, client)):
            if end.error is None:
                end.step(rng)
            flight = end.session.take_output(rng.choice((None, None, 1000)))
            assert end.session.pending_output <= MAX_OUTPUT
            if not flight:
                continue
            moved = True
            earlier.extend(records(flight)[:20])
            del earlier[:-60]
            if flights >= start and rng.random() < often:
                flight = damaged(rng, flight, earlier)
                hurt += 1
            flights += 1
            for piece in _pieces(rng, flight):
                peer.session.feed(piece)
                if peer.error is None and rng.random() < 0.5:
                    peer.step(rng)
        if not moved and (client.is_over() or server.is_over() or rng.random() < 0.3):
            break
    for end, peer in ((client, server), (server, client)):
        _end(end, rng)
        _judge(end, peer)
        if not hurt:
            assert peer.error is None or isinstance(peer.error, TlsError.Truncated), peer.error
    return f"{client_backend}: {_outcome(client)}, {server_backend}: {_outcome(server)}"


def _end(end: _End, rng: Random) -> None:
    """The connection below ends; then a session that has failed keeps failing."""
    if end.error is None:
        end.session.feed_eof()
        for _ in range(3):
            if end.error is None:
                end.step(rng)
    if end.error is not None:
        for use in (end.session.handshake, lambda: end.session.read(100), lambda: end.session.write(_ONE)):
            try:
                use()
            except TlsError:
                pass
        end.session.close_notify()
    while end.session.take_output():
        pass


_ONE = memoryview(b"x")


def _judge(end: _End, peer: _End) -> None:
    assert peer.written.startswith(end.heard), "what is read was never written"
    assert not end.ended or peer.closed, "an end that the peer never said"
    assert end.error is not None or end.ended, "the connection below has ended, and nothing says so"
    _ = (end.session.version, end.session.cipher, end.session.peer_chain, end.session.resumed)


def _outcome(end: _End) -> str:
    return "end" if end.error is None else type(end.error).__name__


def run(seed: int, rounds: int, seconds: float, *, say: bool = False) -> Counter[str]:
    """Rounds from `seed` on, until there were `rounds` or `seconds` are over; how often each outcome was.

    A failure tells its seed. With `say`, the program ends with a traceback if two minutes pass without a
    hundred rounds.
    """
    outcomes: Counter[str] = Counter()
    start = told = time.monotonic()
    for number in range(seed, seed + rounds):
        if say and number % 100 == 0:
            faulthandler.dump_traceback_later(120, exit=True)
        try:
            outcomes[one_round(number)] += 1
        except BaseException as error:
            error.add_note(f"in the round of seed {number}")
            raise
        now = time.monotonic()
        if say and now - told > 30:
            told = now
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            count = number - seed + 1
            print(f"{count} rounds, {count / (now - start):.0f}/s, at most {memory} MiB", flush=True)
        if now - start > seconds:
            break
    if say:
        faulthandler.cancel_dump_traceback_later()
    return outcomes


def main() -> int:
    """`python -m tests.tls.damage`: many rounds, with the seed, the outcomes and the memory printed."""
    parser = argparse.ArgumentParser(description="TLS records damaged on the way")
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = time.time_ns() % 10**12 if given.seed is None else given.seed
    print(f"seed {seed}, backends {', '.join(usable())}", flush=True)
    outcomes = run(seed, given.rounds, given.seconds, say=True)
    for outcome, count in outcomes.most_common(40):
        print(f"{count:8} {outcome}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{sum(outcomes.values())} rounds, no fault, at most {memory} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
