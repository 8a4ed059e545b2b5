"""What `netkit serve tls` says: where it listens, its sites, and each handshake, as lines and as events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit.cli.frame.exits import explain
from netkit.cli.frame.messages import visible
from netkit.cli.frame.output import rfc3339
from netkit.cli.payload.events import OfClient
from netkit.cli.payload.serving import Ended, Listening, Reloaded, ServeView
from netkit.lab.tls_told import Negotiated, negotiated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.lab.tls_server import Handshake


class SiteListed(TypedDict):
    """A site of --badssl."""

    event: Literal["site"]
    name: Annotated[str, "The name to ask for (SNI)"]
    reason: Annotated[str, "What is wrong with it"]
    accepted: Annotated[bool, "Whether an ordinary client of today connects all the same"]


class Shaken(OfClient, Negotiated):
    """A handshake is over. With `error` it failed; with `deed` the server did something else on purpose."""

    event: Literal["handshake"]
    site: Annotated[str | None, "Which of the sites of --badssl was shown"]
    deed: Annotated[str | None, "What the server did in place of a handshake"]
    ja4: Annotated[str | None, "The fingerprint of the ClientHello; null if none came"]
    elapsed_s: Annotated[float, "How long it took"]


class SiteRow(NamedTuple):
    """A site that the server has."""

    name: str
    reason: str
    accepted: bool


class TlsServerView(ServeView):
    """Where a TLS server listens, and each handshake."""

    schema = Listening | SiteListed | Shaken | Reloaded | Ended

    def to_json(self, result: Any) -> Mapping[str, Any]:
        if isinstance(result, SiteRow):
            return {"event": "site", **result._asdict()}
        if isinstance(result, tuple):
            return super().to_json(result)
        return handshake_event(result)

    def row(self, result: Any) -> Sequence[object]:
        if isinstance(result, SiteRow):
            return ("site", result.name, "accepted" if result.accepted else "refused", result.reason)
        if isinstance(result, tuple):
            return super().row(result)
        found = negotiated(result)
        certificate = found["client_certificate"]
        resumed = found["resumed"]
        return (
            "handshake",
            result.peer,
            found["server_name"],
            outcome(result),
            found["protocol"],
            found["cipher"],
            found["group"],
            found["alpn"],
            None if resumed is None else "resumed" if resumed else "new",
            None if certificate is None else certificate["subject"] or certificate["sha256"],
            "early data" if found["early_data_accepted"] else None,
        )

    def short(self, result: Any) -> Iterable[Line]:
        if isinstance(result, SiteRow):
            return ()
        return super().short(result) if isinstance(result, tuple) else ()

    def table(self, result: Any, env: Environment) -> Iterable[Any]:
        if isinstance(result, SiteRow):
            return (f"  {result.name:<36} {result.reason}",)
        if isinstance(result, tuple):
            return super().table(result, env)
        return (handshake_line(result),)


def outcome(handshake: Handshake) -> str:
    """In a few words: `ok`, what went wrong, or what the server did."""
    if handshake.error is not None:
        return visible(f"failed: {explain(handshake.error).message}")
    return handshake.deed or "ok"


def handshake_line(handshake: Handshake) -> str:
    """A handshake as a line for a reader."""
    begun = f"{datetime.now():%H:%M:%S} {handshake.peer or 'a client'}"  # noqa: DTZ005  # the reader's time
    name = handshake.server_name
    whom = f" for {visible(name)}" if name else ""
    if handshake.tls is None:
        return f"{begun}{whom}: {outcome(handshake)}"
    found = negotiated(handshake)
    certificate = found["client_certificate"]
    parts = [
        found["protocol"],
        found["cipher"],
        found["group"],
        found["alpn"],
        "resumed" if found["resumed"] else None,
        "early data" if found["early_data_accepted"] else None,
        None if certificate is None else f"client {certificate['subject'] or certificate['sha256']}",
    ]
    return f"{begun}{whom}: {visible(', '.join(filter(None, parts)))}"


def handshake_event(handshake: Handshake) -> Shaken:
    """A handshake as an event."""
    from netkit.tls.hello.fingerprint import ja4

    return {
        "event": "handshake",
        "happened_at": rfc3339(datetime.now(UTC)),
        "connection": handshake.number,
        "peer": str(handshake.peer),
        "local": str(handshake.local),
        **negotiated(handshake),
        "site": None if handshake.site is None else handshake.site.name,
        "deed": handshake.deed,
        "ja4": None if handshake.hello is None else ja4(handshake.hello),
        "elapsed_s": handshake.elapsed,
    }


class HandshakeLog:
    """Writes each handshake. `inputs` are the BINDs of the server's sockets, as they were typed."""

    def __init__(self, run: Run[Any], inputs: Sequence[str | None]) -> None:
        self._run = run
        self._inputs = inputs

    def __call__(self, handshake: Handshake) -> None:
        """Write it. A failure is a client's, and does not change the exit code."""
        where = self._inputs[handshake.place]
        if self._run.json:
            failure = None if handshake.error is None else explain(handshake.error)
            self._run.write_object(handshake_event(handshake), where, failure)
        else:
            self._run.result(handshake, where)
