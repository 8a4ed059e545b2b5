"""netkit's TlsStream, with every backend that is here, beside `ssl.SSLSocket`, over loopback.

The peer is a process of its own on core 0, in `ssl.SSLSocket` always; the subjects take turns in this process
on core 1 (where there are two). All are measured in every round, in an order that turns. The figures are
medians of the rounds, and so are the ratios to SSLSocket of the same round: above 1 is faster, or spends less
CPU. CPU is that of the subject alone; wall time contains what the peer does meanwhile, and what else the
machine does.

    python benchmarks/tls.py [--rounds 7] [--versions 1.3,1.2] [--work write,read,...] [--mib 64]
        [--group NAME]

write, read: a large body in pieces of 256 KiB written, and read in pieces of up to 64 KiB. read-into: the
same into one buffer. The peer of these decrypts what was written when all of it is there, and has encrypted
what is read before the first octet is sent: a peer that did it meanwhile would be as slow as SSLSocket, and
so would be whatever is measured beside it. connect, accept: full handshakes as client and as server over
connected sockets, certificates with EC P-256, verified with the name. resumed: handshakes of a client that
resume a session; one octet is read in each, because tickets of TLS 1.3 come with what is read. 64 B, 8 KiB: a
request and a response of that size. memory: what a connection holds that is open and idle after its
handshake, in KiB of the process, as client; a process of its own for each subject and round opens 400 of
them.

The wall time of a handshake, and of a request and its response, has the peer's half in it: CPU time tells
of the subject, wall time of both.

A backend with X25519MLKEM768 makes a share of it for each hello, also where the peer has x25519 only, as
OpenSSL 3.0 has, which is that of SSLSocket for many a Python: a client of it does more than SSLSocket then.
With `--group x25519` the backends that can be told have that group alone. SSLSocket keeps its own. The group
that each agreed on is shown where its backend tells.

"SSLSocket, timeout" is the same class with a timeout set, so that it polls before it waits, as all do that
can be interrupted.
"""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple, Protocol, TypeVar

from netkit.errors import NetkitError
from netkit.io import run
from netkit.net import TcpStream
from netkit.tls.backend import Capability, Role
from netkit.tls.backends import find_backend, names, why_absent
from netkit.tls.config import TlsConfig
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.stream import TlsStream
from netkit.tls.throwaway import ThrowawayAuthority
from netkit.tls.versions import TlsVersion

HOST = "localhost"
PIECE = 262_144
READ = 65_536
HANDSHAKES = 100
TRIPS = 2000
#: Connections that are open at once, for what each holds; systems allow 1,024 files.
OPEN = 400
CORES = (os.cpu_count() or 1) > 1
ROLES: tuple[Role, ...] = ("client", "server")
#: The works of a large body.
TRANSFERS = ("write", "read", "read-into")

T = TypeVar("T")

#: What a connection is for: a letter, a size, a count.
ORDER = struct.Struct("!cIQ")

VERSIONS = {
    "1.2": (TlsVersion.Tls12, ssl.TLSVersion.TLSv1_2),
    "1.3": (TlsVersion.Tls13, ssl.TLSVersion.TLSv1_3),
}


class Setup(NamedTuple):
    """One version's settings, in both forms."""

    version: str
    theirs: ssl.SSLContext  # of a client
    theirs_server: ssl.SSLContext
    ours: TlsConfig
    ours_server: TlsConfig


class Connection(Protocol):
    """What both kinds of connection are asked to do."""

    def write(self, data: bytes) -> None: ...
    def read(self, size: int) -> bytes: ...
    def read_into(self, view: memoryview) -> int: ...
    def close(self) -> None: ...


class OfSsl:
    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self.write = sock.sendall
        self.read = sock.recv
        self.close = sock.close
        self.read_into = sock.recv_into


class OfNetkit:
    def __init__(self, stream: TlsStream) -> None:
        self.stream = stream
        self.write = stream.write_all
        self.read = stream.read
        self.close = stream.close

    def read_into(self, view: memoryview) -> int:
        return run(self.stream.read_into_flow(view))


class Subject:
    """A way to make TLS connections."""

    name: str

    def connect(self, sock: socket.socket) -> Connection:
        raise NotImplementedError

    def accept(self, sock: socket.socket) -> Connection:
        raise NotImplementedError

    def resume(self, sock: socket.socket) -> Connection:
        """Connect, resuming the session of the connection that `keep` was called with last."""
        raise NotImplementedError

    def keep(self, connection: Connection) -> None:
        """Something was read from `connection`: keep its session."""

    def was_resumed(self, connection: Connection) -> bool:
        raise NotImplementedError


class Standard(Subject):
    def __init__(self, setup: Setup, timeout: float | None) -> None:
        self.name = "SSLSocket" if timeout is None else "SSLSocket, timeout"
        self._setup = setup
        self._timeout = timeout
        self._session: ssl.SSLSession | None = None

    def connect(self, sock: socket.socket) -> OfSsl:
        sock.settimeout(self._timeout)
        return OfSsl(self._setup.theirs.wrap_socket(sock, server_hostname=HOST))

    def accept(self, sock: socket.socket) -> OfSsl:
        sock.settimeout(self._timeout)
        return OfSsl(self._setup.theirs_server.wrap_socket(sock, server_side=True))

    def resume(self, sock: socket.socket) -> OfSsl:
        sock.settimeout(self._timeout)
        return OfSsl(self._setup.theirs.wrap_socket(sock, server_hostname=HOST, session=self._session))

    def keep(self, connection: Connection) -> None:
        assert isinstance(connection, OfSsl)
        self._session = connection.sock.session

    def was_resumed(self, connection: Connection) -> bool:
        assert isinstance(connection, OfSsl)
        return bool(connection.sock.session_reused)


class Netkit(Subject):
    def __init__(self, setup: Setup, backend: str, group: str | None) -> None:
        self.name = f"netkit, {backend}"
        groups = () if group is None or not has_groups(backend) else (group,)
        self._client = setup.ours.with_backend(backend).replace(groups=groups)
        self._server = setup.ours_server.with_backend(backend).replace(groups=groups)
        self._resuming = self._client.replace(session_store=MemorySessionStore())

    def connect(self, sock: socket.socket) -> OfNetkit:
        return OfNetkit(TlsStream.connect(tcp(sock), HOST, self._client))

    def accept(self, sock: socket.socket) -> OfNetkit:
        return OfNetkit(TlsStream.accept(tcp(sock), self._server))

    def resume(self, sock: socket.socket) -> OfNetkit:
        return OfNetkit(TlsStream.connect(tcp(sock), HOST, self._resuming))

    def was_resumed(self, connection: Connection) -> bool:
        assert isinstance(connection, OfNetkit)
        return bool(connection.stream.resumed)


def has_groups(backend: str) -> bool:
    """Whether the backend can be told which groups to use, on both sides."""
    found = find_backend(backend)
    return all(Capability.Groups in found.capabilities(role) for role in ROLES)


def tcp(sock: socket.socket) -> TcpStream:
    sock.setblocking(False)
    return TcpStream(sock)


class Spent(NamedTuple):
    """What a round took, in seconds."""

    wall: float
    cpu: float


class Watch:
    """Adds up the time between `with` and its end."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._cpu = process_time()
        self._wall = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.wall += perf_counter() - self._wall
        self.cpu += process_time() - self._cpu

    @property
    def spent(self) -> Spent:
        return Spent(self.wall, self.cpu)


# The works. Each is called with a subject and the peer's port.


def dial(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@contextmanager
def ordered(
    subject: Subject, port: int, letter: bytes, size: int = 0, count: int = 0
) -> Iterator[Connection]:
    connection = subject.connect(dial(port))
    try:
        connection.write(ORDER.pack(letter, size, count))
        yield connection
    finally:
        connection.close()


def write(subject: Subject, port: int, size: int) -> Spent:
    watch = Watch()
    piece = bytes(PIECE)
    with ordered(subject, port, b"W", count=size) as connection:
        assert connection.read(1) == b"."  # the peer is ready to take it
        with watch:
            for _ in range(size // PIECE):
                connection.write(piece)
        assert connection.read(1) == b"."
    return watch.spent


def read(subject: Subject, port: int, size: int) -> Spent:
    watch = Watch()
    with ordered(subject, port, b"R", count=size) as connection:
        assert connection.read(1) == b"."  # all is ready to be sent
        with watch:
            rest = size
            while rest:
                rest -= len(connection.read(READ))
    return watch.spent


def read_into(subject: Subject, port: int, size: int) -> Spent:
    watch = Watch()
    view = memoryview(bytearray(PIECE))
    with ordered(subject, port, b"R", count=size) as connection:
        assert connection.read(1) == b"."
        with watch:
            rest = size
            while rest:
                rest -= connection.read_into(view[:rest])
    return watch.spent


def round_trips(subject: Subject, port: int, size: int) -> Spent:
    watch = Watch()
    message = bytes(size)
    with ordered(subject, port, b"E", size, TRIPS) as connection, watch:
        for _ in range(TRIPS):
            connection.write(message)
            rest = size
            while rest:
                rest -= len(connection.read(rest))
    return watch.spent


def connects(subject: Subject, port: int, _size: int) -> Spent:
    watch = Watch()
    for _ in range(HANDSHAKES):
        sock = dial(port)
        with watch:
            connection = subject.connect(sock)
        connection.write(ORDER.pack(b"H", 0, 0))
        assert connection.read(1) == b"."
        connection.close()
    return watch.spent


def resumes(subject: Subject, port: int, _size: int) -> Spent:
    watch = Watch()
    for number in range(HANDSHAKES + 1):
        sock = dial(port)
        with watch:
            connection = subject.resume(sock)
            connection.write(ORDER.pack(b"H", 0, 0))
            assert connection.read(1) == b"."
            subject.keep(connection)
        if not number:
            watch = Watch()  # the first has nothing to resume
        else:
            assert subject.was_resumed(connection), f"{subject.name} did not resume"
        connection.close()
    return watch.spent


def accepts(subject: Subject, port: int, _size: int) -> Spent:
    watch = Watch()
    with socket.create_server(("127.0.0.1", 0)) as listener, dial(port) as control:
        control.sendall(struct.pack("!H", listener.getsockname()[1]))
        for _ in range(HANDSHAKES):
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with watch:
                connection = subject.accept(sock)
            connection.write(b".")
            connection.close()
    return watch.spent


Work = Callable[[Subject, int, int], Spent]


def works(mib: int) -> dict[str, tuple[Work, int, str]]:
    """Each by its name: what is called, its size, and the unit of its rate."""
    return {
        "write": (write, mib << 20, "MiB/s"),
        "read": (read, mib << 20, "MiB/s"),
        "read-into": (read_into, mib << 20, "MiB/s"),
        "connect": (connects, HANDSHAKES, "/s"),
        "accept": (accepts, HANDSHAKES, "/s"),
        "resumed": (resumes, HANDSHAKES, "/s"),
        "64 B": (round_trips, 64, "/s"),
        "8 KiB": (round_trips, 8192, "/s"),
    }


def amount(name: str, size: int) -> float:
    if name in ("64 B", "8 KiB"):
        return TRIPS
    return size / (1 << 20) if name in TRANSFERS else size


# The peer: plain `ssl`.


def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        plain, _ = listener.accept()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
            letter, size, count = ORDER.unpack(exactly(secure, ORDER.size))
            if letter == b"E":
                for _ in range(count):
                    secure.sendall(exactly(secure, size))
                continue
            secure.sendall(b".")
            secure.recv(1)


class Ahead:
    """A peer that encrypts before anything is measured, and decrypts afterwards."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._came, self._leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._leaves, server_side=True)
        self._do(self._tls.do_handshake)

    def _do(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._sock.sendall(self._leaves.read())
                self._came.write(self._received())
            else:
                self._sock.sendall(self._leaves.read())
                return result

    def _received(self) -> bytes:
        data = self._sock.recv(READ)
        if not data:
            raise ConnectionResetError
        return data

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            data += self._do(partial(self._tls.read, size - len(data)))
        return bytes(data)

    def say_done(self) -> None:
        self._do(lambda: self._tls.write(b"."))

    def send(self, count: int) -> None:
        """Encrypt `count` octets, say so, and send them."""
        self._tls.write(b".")
        done = self._leaves.read()
        piece = bytes(PIECE)
        for _ in range(count // PIECE):
            self._tls.write(piece)
        ready = self._leaves.read()
        self._sock.sendall(done)
        self._sock.sendall(ready)

    def take(self, count: int, room: memoryview) -> None:
        """Say that it is ready, receive the records of `count` octets into `room`, and then decrypt them."""
        self.say_done()
        # What a record takes beside its plaintext: its head, a tag, and the content's type or a nonce.
        beside = 16 + (1 if self._tls.version() == "TLSv1.3" else 8)
        have = at = plain = 0
        while plain < count:
            size = self._sock.recv_into(room[have:])
            if not size:
                raise ConnectionResetError
            have += size
            while at + 5 <= have and at + 5 + (length := room[at + 3] << 8 | room[at + 4]) <= have:
                at += 5 + length
                plain += length - beside
        for start in range(0, have, PIECE):
            self._came.write(room[start : min(start + PIECE, have)])
            with suppress(ssl.SSLWantReadError):
                while data := self._tls.read(PIECE):
                    count -= len(data)
        assert not count, "what was written is not what came"


def transfer(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Send and take what is large."""
    room = memoryview(b"")
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), sock:
            tls = Ahead(sock, context)
            letter, _, count = ORDER.unpack(tls.read(ORDER.size))
            if letter == b"R":
                tls.send(count)
            else:
                if len(room) < count + count // 64 + PIECE:
                    # Written once, so that no page of it is new to the system while it is measured.
                    room = memoryview(bytearray(b"\1") * (count + count // 64 + PIECE))
                tls.take(count, room)
                tls.say_done()
            sock.recv(1)


def come(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Connect as often as is wanted to the port that each connection names."""
    while True:
        control, _ = listener.accept()
        with control:
            (port,) = struct.unpack("!H", control.recv(2))
            for _ in range(HANDSHAKES):
                with suppress(OSError), context.wrap_socket(dial(port), server_hostname=HOST) as secure:
                    assert secure.recv(1) == b"."


def hold(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands with whoever comes, and keep the connections."""
    kept = []
    while True:
        plain, _ = listener.accept()
        with suppress(OSError):
            kept.append(context.wrap_socket(plain, server_side=True))


def held(subject: Subject, port: int) -> float:
    """How much an idle connection holds, in octets."""
    came, goes = os.pipe()
    process = os.fork()
    if not process:
        try:
            kept = [subject.connect(dial(port))]
            before = resident()
            kept += [subject.connect(dial(port)) for _ in range(OPEN)]
            os.write(goes, struct.pack("!d", (resident() - before) / OPEN))
        finally:
            os._exit(0)
    os.close(goes)
    with open(came, "rb") as result:
        (each,) = struct.unpack("!d", result.read(8))
    os.waitpid(process, 0)
    return float(each)


def resident() -> int:
    """The memory of this process that is in use, in octets."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def show_held(subjects: list[Subject], context: ssl.SSLContext, rounds: int) -> None:
    """Measure and print what connections hold; above 1 is less memory than SSLSocket."""
    print("  memory")
    found: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for _ in range(rounds):
        for subject in subjects:
            # A peer for each: what one has open is closed with it.
            with peer(hold, context) as port:
                found[subject.name].append(held(subject, port))
    first = next(iter(found.values()))
    for who, each in found.items():
        ratio = median(base / mine for mine, base in zip(each, first, strict=True))
        print(f"    {who:20} {median(each) / 1024:8.1f} KiB    {ratio:5.2f}", flush=True)


def exactly(secure: ssl.SSLSocket, size: int) -> bytes:
    found = secure.recv(size)
    while len(found) < size:
        more = secure.recv(size - len(found))
        if not more:
            raise ConnectionResetError
        found += more
    return found


@contextmanager
def peer(work: Callable[[socket.socket, ssl.SSLContext], None], context: ssl.SSLContext) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        process = os.fork()
        if not process:
            try:
                pin(0)
                work(listener, context)
            finally:
                os._exit(1)
        try:
            yield listener.getsockname()[1]
        finally:
            os.kill(process, 9)
            os.waitpid(process, 0)


def pin(core: int) -> None:
    if CORES:
        os.sched_setaffinity(0, {core})


def setup_of(version: str, folder: Path) -> Setup:
    authority = ThrowawayAuthority()
    certificate, key = authority.issue([HOST])
    (folder / "identity.pem").write_text(key.to_pem() + certificate.to_pem())
    ours_version, their_version = VERSIONS[version]
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=authority.certificate.der_data)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "identity.pem")
    for context in (client, server):
        context.minimum_version = context.maximum_version = their_version
    only = {"min_version": ours_version, "max_version": ours_version}
    return Setup(
        version,
        client,
        server,
        TlsConfig.client().with_root_certs([authority.certificate]).replace(**only),
        TlsConfig.server().with_identity(certificate, key).replace(**only),
    )


def subjects_of(setup: Setup, group: str | None, port: int) -> list[Subject]:
    found: list[Subject] = [Standard(setup, None), Standard(setup, 30)]
    for name in names():
        absent = why_absent(name)
        if absent is None:
            subject = Netkit(setup, name, group)
            print(f"  {name}: {find_backend(name).version}, {agreed_group(subject, port)}")
            found.append(subject)
        else:
            print(f"  {name} is not here: {absent}")
    return found


def agreed_group(subject: Netkit, port: int) -> str:
    """The group of a handshake with the peer, in words."""
    with ordered(subject, port, b"H") as connection:
        assert isinstance(connection, OfNetkit)
        assert connection.read(1) == b"."
        return f"group {connection.stream.group or 'not told'}"


def measured(
    work: Work, subjects: list[Subject], port: int, size: int, rounds: int
) -> dict[str, list[Spent]]:
    found: dict[str, list[Spent]] = {subject.name: [] for subject in subjects}
    out: set[str] = set()
    for number in range(rounds + 1):
        turn = number % len(subjects)
        for subject in subjects[turn:] + subjects[:turn]:
            if subject.name in out:
                continue
            try:
                spent = work(subject, port, size)
            except NetkitError as error:
                print(f"    {subject.name}: {error}")
                out.add(subject.name)
                continue
            if number:  # the first round warms up
                found[subject.name].append(spent)
    return found


def show(name: str, size: int, unit: str, found: dict[str, list[Spent]]) -> None:
    print(f"  {name}")
    first = next(iter(found.values()))
    for who, each in found.items():
        if len(each) < len(first):
            continue
        rate = amount(name, size) / median(spent.wall for spent in each)
        line = f"    {who:20} {rate:8.0f} {unit:6}"
        pairs = list(zip(each, first, strict=True))
        line += f" {median(base.wall / spent.wall for spent, base in pairs):5.2f} wall"
        line += f" {median(base.cpu / spent.cpu for spent, base in pairs):5.2f} CPU"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--versions", default="1.3,1.2")
    parser.add_argument("--work", default="")
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--group")
    options = parser.parse_args()
    every = works(options.mib)
    chosen = options.work.split(",") if options.work else [*every, "memory"]
    for version in options.versions.split(","):
        print(f"TLS {version}; Python's {ssl.OPENSSL_VERSION}")
        with tempfile.TemporaryDirectory() as folder:
            setup = setup_of(version, Path(folder))
        with (
            peer(serve, setup.theirs_server) as served,
            peer(come, setup.theirs) as coming,
            peer(transfer, setup.theirs_server) as transferring,
        ):
            pin(1)
            subjects = subjects_of(setup, options.group, served)
            for name in chosen:
                if name == "memory":
                    show_held(subjects, setup.theirs_server, options.rounds)
                    continue
                work, size, unit = every[name]
                port = coming if work is accepts else transferring if name in TRANSFERS else served
                show(name, size, unit, measured(work, subjects, port, size, options.rounds))


if __name__ == "__main__":
    main()
