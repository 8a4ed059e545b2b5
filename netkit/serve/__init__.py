"""The parts of every server: accepting, draining, worker processes, handover of listeners, child commands.

    connections   serve: accept, run one flow for each connection, stop when asked, let connections end
    stop          Stop: tells such a server to end, and how much its connections may still do
    shutdown      GracefulShutdown, and the signals that begin it
    workers       the same server in several processes
    handover      giving the listeners to a successor without losing a connection
    activation    listeners from a service manager, and notifications to it
    child         commands that have a connection as their standard input and output

A server is a flow (`netkit.io`), so it runs blocking in a thread, or inside an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.serve.activation import (
        ActivationError as ActivationError,
        AdoptError as AdoptError,
        ListenFd as ListenFd,
        listen_fd as listen_fd,
        listen_fds as listen_fds,
        listen_fds_named as listen_fds_named,
        sd_notify as sd_notify,
        watchdog_interval as watchdog_interval,
    )
    from netkit.serve.connections import (
        Handler as Handler,
        Listener as Listener,
        Served as Served,
        serve as serve,
    )
    from netkit.serve.handover import Handover as Handover
    from netkit.serve.shutdown import (
        ConnectionGuard as ConnectionGuard,
        GracefulShutdown as GracefulShutdown,
        ShutdownSignals as ShutdownSignals,
        shutdown_signals as shutdown_signals,
    )
    from netkit.serve.stop import Stop as Stop
    from netkit.serve.workers import Workers as Workers

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "activation": (
            "ActivationError AdoptError ListenFd listen_fd listen_fds listen_fds_named sd_notify "
            "watchdog_interval"
        ),
        "connections": "Handler Listener Served serve",
        "handover": "Handover",
        "shutdown": "ConnectionGuard GracefulShutdown ShutdownSignals shutdown_signals",
        "stop": "Stop",
        "workers": "Workers",
    },
)
