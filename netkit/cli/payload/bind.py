"""Where a server listens: the forms of BIND, and the server's sockets, which are new ones, or come from a
service manager or from the server that this one replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.frame.options import Value, WrongValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import click

    from netkit.lab.echo_server import ServerSocket
    from netkit.net.unix import UnixListener
    from netkit.serve.handover import Handover, TakenOver

#: A BIND that begins with this names a Unix-domain socket.
UNIX = "unix:"
#: Where a server listens without a BIND: a free port.
ANYWHERE = "127.0.0.1:0"


class Bind(Value[str]):
    """Where to listen: `ADDR:PORT`, `[v6]:PORT`, `:PORT` for every address; port 0 takes a free one.

    If `default_port` is None, the port must be written. With `unix`, a path, `unix:PATH` or `@NAME` is also
    accepted; the Python value of these begins with `unix:`.
    """

    name = "bind"

    def __init__(self, default_port: int | None = 0, *, unix: bool = False) -> None:
        self.default_port = default_port
        self.unix = unix
        self.form = (
            "write ADDR:PORT, [v6]:PORT, or :PORT for all addresses of this machine, as in 127.0.0.1:8007"
        )
        if unix:
            self.form += "; or a Unix-domain socket's path, as in ./echo.sock or unix:echo.sock"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.addr import AddrParseError, HostPort

        text = str(value)
        if self.unix and (text.startswith((UNIX, "@")) or "/" in text):
            path = text.removeprefix(UNIX)
            if not path or path == "@":
                self.wrong(f"{text!r} names no socket", param, ctx)
            return UNIX + path
        try:
            parsed = HostPort.parse(text, self.default_port)
        except AddrParseError as error:
            self.wrong(str(error), param, ctx, error.hint)
        return text if text.startswith(":") and not text.startswith("::") else str(parsed)


def is_unix(bind: str) -> bool:
    """Whether a converted BIND names a Unix-domain socket."""
    return bind.startswith(UNIX)


def names_of(bind: str) -> list[str]:
    """The names in a certificate made for a server at `bind`: this machine's, and the address it listens
    on."""
    import socket

    from netkit.addr import to_socket_addrs_parts

    names = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    if not is_unix(bind):
        host = to_socket_addrs_parts(bind).host
        if str(host) and not getattr(host, "is_unspecified", False):
            names.insert(0, str(host))
    return list(dict.fromkeys(name for name in names if name))


class Served(NamedTuple):
    """A socket of a server: its transport ("tcp", "udp", "unix"), the BIND that it comes from, if any, and
    what it is for, where a server has sockets for several purposes."""

    transport: str
    socket: ServerSocket
    bind: str | None
    role: str = ""


class Sockets:
    """The sockets of a server, and its control socket."""

    def __init__(
        self,
        served: list[Served],
        control: UnixListener | None = None,
        taken: TakenOver | None = None,
    ) -> None:
        self.served = served
        self._control = control
        #: What the sockets were taken over with; None where they are new.
        self.taken = taken
        self._are_ours = taken is None  # until then, the files are the old server's

    @classmethod
    def of(
        cls,
        binds: Sequence[str],
        *,
        tcp: bool,
        udp: bool,
        control: str | None,
        upgrade: bool,
        protocol: str = "",
    ) -> Sockets:
        """Those of the server behind `control`, of the service manager, or new ones for `binds`.

        Those of a server that speaks another `protocol` are refused (HandoverError); whether it does so over
        TLS is for the caller to compare.
        """
        if upgrade:
            assert control is not None
            return cls._taken_over(control, protocol)
        made = cls([])
        try:
            if not made._activate(binds):
                made._bind(binds or (ANYWHERE,), tcp, udp)
            if control is not None:
                from netkit.net.unix import UnixListener

                made._control = UnixListener.bind(control, mode=0o600)
        except BaseException:
            made.close()
            raise
        return made

    def _bind(self, binds: Sequence[str], tcp: bool, udp: bool) -> None:
        from netkit.net.same_port import bind_same_port
        from netkit.net.tcp import TcpListener
        from netkit.net.udp import UdpSocket

        for bind in binds:
            if is_unix(bind):
                from netkit.net.unix import UnixListener

                self.served.append(Served("unix", UnixListener.bind(bind.removeprefix(UNIX)), bind))
                continue
            if tcp and udp:
                listener, sock = bind_same_port(bind)
                self.served += [Served("tcp", listener, bind), Served("udp", sock, bind)]
            elif tcp:
                self.served.append(Served("tcp", TcpListener.bind(bind), bind))
            elif udp:
                self.served.append(Served("udp", UdpSocket.bind(bind), bind))

    def listen_for(self, role: str, bind: str) -> None:
        """Listen at `bind` over TCP too, for another purpose than the rest."""
        from netkit.net.tcp import TcpListener

        self.served.append(Served("tcp", TcpListener.bind(bind), bind, role))

    def _activate(self, binds: Sequence[str]) -> bool:
        """Take the service manager's sockets, if it has passed any."""
        import os

        if "LISTEN_FDS" not in os.environ:
            return False
        from netkit.serve.activation import listen_fds, server_socket_from_raw_fd

        passed = listen_fds()
        if passed and binds:
            raise WrongValue("this server was given its sockets when it was started", "leave BIND away")
        for fd in passed:
            self._adopt(server_socket_from_raw_fd(fd))
        return bool(passed)

    @classmethod
    def _taken_over(cls, control: str, protocol: str) -> Sockets:
        from netkit.net.unix import UnixListener
        from netkit.serve.activation import server_socket_from_raw_fd
        from netkit.serve.handover import CONTROL, HandoverError, TakenOver

        taken = TakenOver.connect(control)
        made = cls([], taken=taken)
        try:
            for name, fd in taken.take():
                adopted = server_socket_from_raw_fd(fd, unlink_on_close=True)
                if name != CONTROL:
                    made._adopt(adopted, "" if name in ("tcp", "udp", "unix") else name)
                elif isinstance(adopted, UnixListener):
                    made._control = adopted
            if taken.protocol.partition("+")[0] != protocol:
                raise HandoverError(
                    f"it serves {taken.protocol or 'something else'}, and this would be {protocol}"
                )
            if not made.served:
                raise HandoverError("it has none")
        except BaseException:
            made.close(unlink=False)
            raise
        return made

    def _adopt(self, adopted: ServerSocket, role: str = "") -> None:
        from netkit.net.udp import UdpSocket
        from netkit.net.unix import UnixListener

        transports: dict[type, str] = {UdpSocket: "udp", UnixListener: "unix"}
        self.served.append(Served(transports.get(type(adopted), "tcp"), adopted, None, role))

    def handover(self, protocol: str, private: Callable[[], Mapping[str, bytes]] = dict) -> Handover | None:
        """What a successor is offered, where there is a control socket; see `Handover`."""
        if self._control is None:
            return None
        from netkit.serve.handover import Handover, Offered

        offered = [Offered(each.role or each.transport, each.socket) for each in self.served]
        return Handover(self._control, offered, protocol=protocol, private=private)

    def ready(self) -> None:
        """Say that this process serves the sockets now, so that the previous server may stop."""
        if self.taken is not None:
            self.taken.ready()
            self.taken.close()
            self._are_ours = True

    def lend(self) -> None:
        """In a worker: their files are its parent's, or its parent's successor's, to remove."""
        from netkit.net.unix import UnixListener

        for each in self.served:
            if isinstance(each.socket, UnixListener):
                each.socket.unlink_on_close = False

    def close(self, *, unlink: bool = True) -> None:
        """Release them all. Without `unlink`, their files stay: they are somebody else's.

        So do those of a server that has not heard that this one is ready.
        """
        from netkit.net.unix import UnixListener

        everything = [each.socket for each in self.served]
        if self._control is not None:
            everything.append(self._control)
        for each in everything:
            if not (unlink and self._are_ours) and isinstance(each, UnixListener):
                each.unlink_on_close = False
            each.close()
        if self.taken is not None:
            self.taken.close()
