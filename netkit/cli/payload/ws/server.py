"""The server that `netkit ws server` runs: sessions in one mode, behind a gate, in netkit's HTTP server."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.addr import SocketAddr
from netkit.cli.payload.http.events import Spoken
from netkit.cli.payload.http.options import credentials
from netkit.cli.payload.http.server import Logged, Serving
from netkit.cli.payload.listening import split_command
from netkit.cli.payload.ws.events import WsEvents, is_websocket
from netkit.cli.payload.ws.guard import Gate, Origins
from netkit.cli.payload.ws.modes import Broadcast, Echo, Replay, sessions_in
from netkit.cli.payload.ws.programs import ProgramForConnection, ProgramForMessage, Programs
from netkit.cli.payload.ws.stdio import Stdio
from netkit.io import beside
from netkit.serve.stop import finishing
from netkit.websocket.limits import DEFAULT_LIMITS
from netkit.websocket.server import WebSocketHandler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.command import Run
    from netkit.cli.payload.http.events import At
    from netkit.cli.payload.http.options import HttpProcess, Mounted
    from netkit.cli.payload.http.server import Place
    from netkit.cli.payload.ws.options import AccessOptions, ModeOptions, WsLimits
    from netkit.cli.payload.ws.session import Mode, Sessions, Told
    from netkit.http.server.exchange import Exchange, FlowHandler
    from netkit.http.server.service import Watcher
    from netkit.io import Flow
    from netkit.lab.faults import Faults
    from netkit.serve.stop import Stop


#: How many programs run at the same time without --max-programs.
MOST_PROGRAMS = 100
#: How long a program of --exec-message may take, in seconds, without --exec-timeout.
PROGRAM_TIMEOUT = 30.0


class Watching(NamedTuple):
    """Who is told what the server does: the access log and the counts, the events, all watchers."""

    logged: Logged
    told: WsEvents | None
    watcher: Watcher | None


class _SpokenRefusals(Spoken):
    """Says with -v what became of requests that are no WebSocket; those are said by their session."""

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """A request is over."""
        if not is_websocket(exchange):
            super().exchange(exchange, elapsed, error)


def watchers(run: Run[Any], access: AccessOptions, how: HttpProcess, events: bool) -> Watching:
    """Those that the options ask for. Raises OSError for a log that cannot be written."""
    from netkit.http.server.watchers import Watchers

    names_users = bool(access.auth)
    logged = Logged.of(run, how, names_users=names_users)
    told = WsEvents(run, names_users=names_users) if events else None
    spoken = _SpokenRefusals() if run.env.verbosity > 0 else None
    return Watching(logged, told, Watchers.joined([logged.metrics, logged.lines, told, spoken]))


def sessions_of(
    run: Run[Any], mode: ModeOptions, access: AccessOptions, limits: WsLimits, told: Told | None
) -> Sessions:
    """What serves the WebSockets, in the mode that the options ask for. Raises WrongValue, OSError."""
    made = _mode_of(run, mode, access, limits)
    return sessions_in(made, greeting=mode.greet, idle_timeout=limits.idle_timeout, told=told)


def _mode_of(run: Run[Any], mode: ModeOptions, access: AccessOptions, limits: WsLimits) -> Mode:
    if mode.broadcast:
        return Broadcast()
    if mode.stdio:
        return Stdio(run)
    if mode.replay is not None:
        from netkit.cli.ws.recording import read_recording

        return Replay(list(read_recording(mode.replay, "received")), mode.speed)
    most = MOST_PROGRAMS if mode.max_programs is None else mode.max_programs
    timeout = PROGRAM_TIMEOUT if mode.exec_timeout is None else mode.exec_timeout
    size = limits.config(()).limits.max_message
    names_users = bool(access.auth)
    if mode.exec_ is not None:
        programs = _programs(run, "--exec", mode.exec_, most, names_users)
        return ProgramForConnection(programs, size, binary=mode.binary)
    if mode.exec_message is not None:
        programs = _programs(run, "--exec-message", mode.exec_message, most, names_users)
        return ProgramForMessage(programs, size, timeout)
    return Echo()


def _programs(run: Run[Any], option: str, command: str, most: int, names_users: bool) -> Programs:
    return Programs(run, split_command(command, option), most, names_users=names_users)


def mounted(
    run: Run[Any], mounts: Sequence[Mounted], auth: Sequence[str], handler: FlowHandler
) -> FlowHandler:
    """`handler` with WebSockets at some paths. Raises WrongValue, OSError."""
    size = DEFAULT_LIMITS.max_message
    for path, kind, command in reversed(mounts):
        mode: Mode
        if kind == "echo":
            mode = Echo()
        elif kind == "broadcast":
            mode = Broadcast()
        else:
            programs = _programs(run, f"--ws {path}={kind}:", command, MOST_PROGRAMS, bool(auth))
            mode = (
                ProgramForConnection(programs, size, binary=False)
                if kind == "exec"
                else ProgramForMessage(programs, size, PROGRAM_TIMEOUT)
            )
        handler = Gate(
            WebSocketHandler(sessions_in(mode)),
            path=path,
            beside=handler,
            origins=Origins((), own_only=mode.is_private),
            auth=credentials(auth, "files"),
        )
    return handler


def warn_if_open(run: Run[Any], listening: Sequence[At]) -> None:
    """Say so where other machines may have this one start programs, without a password."""
    addrs = [each.local for each in listening if isinstance(each.local, SocketAddr)]
    reachable = [addr for addr in addrs if not addr.ip.is_loopback]
    if reachable:
        run.env.warn(
            run.doing,
            f"everybody who can reach {reachable[0]} may talk to the program",
            "write --auth, or leave the address out to serve this machine only",
        )


class WsServing(Serving):
    """The HTTP server with the WebSockets in it, and the one that redirects to it."""

    def __init__(
        self,
        sessions: Sessions,
        access: AccessOptions,
        limits: WsLimits,
        place: Place,
        watching: Watching,
        how: HttpProcess,
        injected: Faults | None,
        drain: float,
    ) -> None:
        page = None
        if access.page:
            from netkit.cli.payload.ws.page import page as made_page

            page = made_page()
        self._sessions = sessions
        websockets = WebSocketHandler(sessions, config=limits.config(access.subprotocol))
        gate = Gate(
            websockets,
            path=access.path,
            page=page,
            origins=Origins(access.origin, own_only=sessions.is_private),
            auth=credentials(access.auth, "websocket"),
        )
        super().__init__(
            gate,
            place,
            limits.server_config(),
            watching.watcher,
            watching.logged.metrics,
            how,
            injected,
            drain,
        )
        self._every = how.workers

    def flow(self, stop: Stop) -> Flow[None]:
        """Flow: serve until `stop` is set, and then drain."""
        self._sessions.stop = finishing(stop)
        mode = self._sessions.mode
        yield from beside(super().flow(stop), *([mode.reading_flow()] if isinstance(mode, Stdio) else []))

    def begin(self, place: int) -> None:
        """In a worker: its numbers, and its share of the limits."""
        super().begin(place)
        self._sessions.numbers = count(place + 1, self._every)

    def counts(self) -> dict[str, int]:
        """The counts so far."""
        found = super().counts()
        del found["received"], found["sent"]  # of bodies, which WebSockets have none of
        found["cut_off"] += self._sessions.counts.cut_off
        return {**found, **self._sessions.counts.rows()}
