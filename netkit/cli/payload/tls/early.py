"""`--early-data` of the commands that carry a payload: a session first, then what may go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.cli.frame.command import Run
    from netkit.cli.payload.talking import Talk
    from netkit.cli.payload.tls.client import ClientTls
    from netkit.io import ByteStream, Flow


def early_bytes(
    run: Run[Any],
    talking: Talk,
    client: ClientTls | None,
    connect: Callable[[], Flow[tuple[Any, ByteStream]]],
    timeout: float,
) -> bytes:
    """What standard input begins with, as much as may go early; `b""` without --early-data.

    `connect` makes a connection with its handshake: the first one is made here, for a session, and ends.
    A server that gives none that takes early data is told of. Raises what `connect` does.
    """
    if client is None or client.store is None:
        return b""
    limit = run.wait(_limit_flow(client, connect), timeout)
    if not limit:
        run.env.warn(
            "--early-data", "the server gave no session that takes any", "all goes after the handshake"
        )
        return b""
    return run.wait(talking.first_flow(limit))


def _limit_flow(client: ClientTls, connect: Callable[[], Flow[tuple[Any, ByteStream]]]) -> Flow[int]:
    """Flow: connect for a session; how many bytes may go early with it."""
    from netkit.tls.connection.awaiting import session_flow
    from netkit.tls.stream import TlsStream

    assert client.store is not None  # the caller has looked
    _, stream = yield from connect()
    with stream:
        assert isinstance(stream, TlsStream)
        yield from session_flow(stream, client.store)
    return client.store.longest_early_data
