"""The events of servers for each connection, query and datagram, which `--events` adds to `--json`.

A server writes where it listens and what it has done in all. What each client did has to be asked for: a busy
server would write little else. For people, `-v` says the same on standard error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from netkit.cli.frame.exits import explain
from netkit.cli.frame.fields import Endpoint, EndpointOrPath, Format
from netkit.cli.frame.options import WrongValue, option
from netkit.cli.frame.output import rfc3339
from netkit.cli.payload.serving import Ended, Listening, Reloaded, ServeView
from netkit.cli.payload.tls.rows import ServedTlsRow, served_tls_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import SocketAddr
    from netkit.cli.frame.command import Run
    from netkit.dns.authority.notify import Notified
    from netkit.dns.authority.responder import AnsweredQuery
    from netkit.dns.zones.findings import ZoneFinding
    from netkit.lab.echo_server import Connection


class Happened(TypedDict):
    """What every event of a client has."""

    happened_at: Annotated[str, Format("date-time")]


class OfClient(Happened):
    """An event of one connection."""

    connection: Annotated[int, "Which of the connections, counted from 1"]
    peer: Annotated[EndpointOrPath, "Where it comes from"]
    local: Annotated[EndpointOrPath, "This end"]


class Came(OfClient):
    """A connection was taken."""

    event: Literal["connected"]
    tls: Annotated[ServedTlsRow | None, "What TLS agreed on"]


class Left(OfClient):
    """A connection is over; with `error`, it did not end well. `failed`: before anything could be echoed."""

    event: Literal["closed", "failed"]
    bytes_sent: Annotated[int, "How much was sent back"]
    elapsed_s: Annotated[float, "How long the connection was open"]


class EchoedDatagram(Happened):
    """A datagram was sent back."""

    event: Literal["echoed"]
    peer: Annotated[Endpoint, "Where it came from"]
    size: Annotated[int, "Bytes of the datagram"]


AskedRow = TypedDict("AskedRow", {"name": str, "class": str, "type": str})


class Queried(Happened):
    """A query was answered, or thrown away."""

    event: Literal["query"]
    transport: Annotated[Literal["udp", "tcp", "tls", "https"], "What it came over"]
    peer: Annotated[Endpoint, "Who asked"]
    question: Annotated[AskedRow | None, "null where there was not one question that could be read"]
    rcode: Annotated[str | None, "NOERROR, NXDOMAIN, ...; null where there is no response"]
    size: Annotated[int | None, "Octets of the response"]


class NotifiedRow(Happened):
    """A secondary was told that a zone has changed, and has answered, or has not."""

    event: Literal["notified"]
    name: Annotated[str, "The zone"]
    zone_serial: Annotated[int | None, "The serial that was told"]
    peer: Annotated[Endpoint, "The secondary"]
    rcode: Annotated[str | None, "Its answer: NOERROR if it has heard; null if there was none"]
    reason: Annotated[str | None, "Why there is no answer"]
    attempts_made: Annotated[int, "How often it was told"]
    elapsed_s: Annotated[float, "From the first time to the answer"]


class ZoneFindingRow(TypedDict):
    """Something is odd about a zone that is served all the same."""

    event: Literal["finding"]
    severity: Literal["warning"]
    code: Annotated[str, "no-name-servers, serial-back or serial-unchanged"]
    zone: str
    file: Annotated[str, "The zone file"]
    message: str


def finding_row(finding: ZoneFinding) -> ZoneFindingRow:
    """What is odd about a zone, as an object of JSON."""
    return {
        "event": "finding",
        "severity": "warning",
        "code": finding.code,
        "zone": str(finding.zone),
        "file": finding.file,
        "message": finding.message,
    }


class EchoView(ServeView):
    """Where an echo server listens; with --events, what its clients do."""

    schema = Listening | Came | Left | EchoedDatagram | Reloaded | Ended


class DnsListening(TypedDict):
    """A socket accepts connections or datagrams from now on."""

    event: Literal["listening"]
    transport: Annotated[Literal["udp", "tcp", "tls", "https"], "What queries come over"]
    local: Annotated[Endpoint, "The address, with the port that the system chose if 0 was given"]


class DnsView(ServeView):
    """Where a name server listens; with --events, what it is asked."""

    schema = DnsListening | ZoneFindingRow | Queried | NotifiedRow | Reloaded | Ended


events = option(
    "--events", is_flag=True, help="With --json: an event for each connection, datagram and query."
)


class Events:
    """Writes them. `inputs` are the BINDs of the server's sockets, as they were typed."""

    def __init__(self, run: Run[Any], inputs: Sequence[str | None] = ()) -> None:
        self._run = run
        self._inputs = inputs

    @classmethod
    def wanted(cls, run: Run[Any], events: bool, inputs: Sequence[str | None] = ()) -> Events | None:
        """Them, where `--events` was given. Raises WrongValue without `--json`."""
        if events and not run.json:
            raise WrongValue("--events without --json", "add --json, or use -v, which says it in words")
        return cls(run, inputs) if events else None

    def connection(self, what: Literal["connected", "closed", "failed"], connection: Connection) -> None:
        """Of a connection of an echo server."""
        row: dict[str, Any] = {
            "event": what,
            "happened_at": _now(),
            "connection": connection.number,
            "peer": str(connection.peer),
            "local": str(connection.local),
        }
        if what == "connected":
            row["tls"] = served_tls_row(connection.stream)
        else:
            row |= {"bytes_sent": connection.bytes, "elapsed_s": connection.elapsed}
        failure = None if connection.error is None else explain(connection.error)
        self._run.write_object(row, self._inputs[connection.place], failure)

    def datagram(self, place: int, peer: SocketAddr, size: int) -> None:
        """Of a datagram that an echo server has sent back."""
        row = {"event": "echoed", "happened_at": _now(), "peer": str(peer), "size": size}
        self._run.write_object(row, self._inputs[place])

    def query(self, query: AnsweredQuery) -> None:
        """Of a query that a name server has answered, or thrown away."""
        question = query.question
        row = {
            "event": "query",
            "happened_at": _now(),
            "transport": query.transport,
            "peer": str(query.peer),
            "question": None
            if question is None
            else {
                "name": str(question.name),
                "class": str(question.rdclass),
                "type": str(question.rdtype),
            },
            "rcode": None if query.rcode is None else str(query.rcode),
            "size": query.response_size,
        }
        self._run.write_object(row)

    def notified(self, outcome: Notified) -> None:
        """Of a secondary that was told of a zone."""
        self._run.write_object(
            {
                "event": "notified",
                "happened_at": _now(),
                "name": str(outcome.zone),
                "zone_serial": outcome.serial,
                "peer": str(outcome.server),
                "rcode": None if outcome.rcode is None else str(outcome.rcode),
                "reason": None if outcome.error is None else str(outcome.error),
                "attempts_made": outcome.attempts,
                "elapsed_s": outcome.elapsed_s,
            }
        )


def _now() -> str:
    return rfc3339(datetime.now(UTC))
