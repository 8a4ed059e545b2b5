"""What `netkit serve http` says: where it listens, and each exchange, as events and as lines of -v."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit._log import Log
from netkit.cli.frame.exits import explain
from netkit.cli.frame.fields import EndpointOrPath
from netkit.cli.frame.messages import visible
from netkit.cli.payload.events import OfClient
from netkit.cli.payload.serving import Ended, Reloaded, ServeView
from netkit.cli.payload.tls.rows import ClientCertificateRow  # noqa: TC001 - the schema is made of it

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.http.server.access_log import AccessRecord
    from netkit.http.server.exchange import Exchange
    from netkit.http.server.request import ConnectionFacts

log = Log("netkit.http.server")


class HttpListening(TypedDict):
    """A socket accepts connections from now on."""

    event: Literal["listening"]
    transport: Annotated[Literal["tcp", "unix"], "The transport"]
    local: Annotated[EndpointOrPath, "The address, with the port that the system chose if 0 was given"]
    url: Annotated[str | None, "What a browser on this machine opens; null for a Unix-domain socket"]


class Exchanged(OfClient):
    """A request is over; with `error`, something went wrong."""

    event: Literal["exchange"]
    method: str
    target: Annotated[str, "The target of the request, as it was sent"]
    http_version: Annotated[str, "1.0, 1.1 or 2"]
    addressed_to: Annotated[str, "Whom it was sent to: the field Host, or :authority"]
    user: Annotated[str | None, "The name in checked credentials"]
    referer: str | None
    user_agent: str | None
    status: Annotated[int | None, "null where the client went before a response began"]
    bytes_received: Annotated[int, "Octets of the request's body"]
    bytes_sent: Annotated[int, "Octets of the response's body"]
    elapsed_s: Annotated[float, "From the request's head to the end of its response"]
    note: Annotated[str | None, "A remark of the handler"]
    client_certificate: Annotated[ClientCertificateRow | None, "null if the client showed none"]


class Faulted(OfClient):
    """A client broke the protocol before there was a request: `error` names the rule and the offset."""

    event: Literal["fault"]
    status: Annotated[int | None, "What was answered; null where nothing could be"]


class At(NamedTuple):
    """A socket of the server: what it is over, its address, and its URL where it has one."""

    transport: str
    local: object
    url: str | None


class HttpView(ServeView):
    """Where an HTTP server listens; with --events, each exchange."""

    schema = HttpListening | Exchanged | Faulted | Reloaded | Ended

    def to_json(self, result: Any) -> Mapping[str, Any]:
        row: HttpListening = {
            "event": "listening",
            "transport": result.transport,
            "local": str(result.local),
            "url": result.url,
        }
        return row

    def row(self, result: Any) -> Sequence[object]:
        return ("listening", result.transport, result.local, result.url)

    def short(self, result: Any) -> Iterable[Line]:
        yield str(result.url or result.local)

    def table(self, result: Any, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        yield f"listening on {result.url or result.local}"


def url_of(transport: str, addr: Any, scheme: str, path: str = "/") -> str | None:
    """What a browser on this machine opens for a socket."""
    if transport != "tcp":
        return None
    ip, port = addr.ip, addr.port
    host = ("[::1]" if ip.version == 6 else "127.0.0.1") if ip.is_unspecified else ip
    host = f"[{host}]" if ":" in str(host) and "[" not in str(host) else host
    default = 443 if scheme in ("https", "wss") else 80
    return f"{scheme}://{host}{path}" if port == default else f"{scheme}://{host}:{port}{path}"


class HttpEvents:
    """A Watcher that writes an event for each exchange and each fault."""

    def __init__(self, run: Run[Any], *, names_users: bool) -> None:
        self._run = run
        self._names_users = names_users

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """A request was answered, or was not."""
        from netkit.http.server.access_log import AccessRecord

        record = AccessRecord.of(exchange, elapsed, error, names_user=self._names_users)
        self._write("exchange", record, exchange.connection, error)

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        """A client broke the rules."""
        from netkit.http.server.access_log import AccessRecord

        self._write("fault", AccessRecord.of_fault(connection, error), connection, error)

    def _write(
        self, event: str, record: AccessRecord, connection: ConnectionFacts, error: Exception | None
    ) -> None:
        from netkit.http.server.access_log import json_row

        row = {"event": event, **json_row(record)}
        del row["failure"]
        if event == "fault":
            del row["note"]
        row |= {"peer": str(connection.peer), "local": str(connection.local)}
        self._run.write_object(row, None, None if error is None else explain(error))


def spoken(record: AccessRecord) -> str:
    """A record as -v says it. What went wrong is said by the library."""
    peer = f"connection {record.connection} from {record.peer}"
    if record.method is None:
        return f"{peer}: {record.error}"
    if record.certificate is not None:
        peer = f"{peer}, client certificate {visible(str(record.certificate))}"
    return (
        f"{record.method} {record.target} {record.version}: {record.logged_status}, "
        f"{record.sent:,} octets in {record.elapsed * 1000:.1f} ms ({peer})"
    )


class Spoken:
    """A Watcher that logs each exchange, where -v shows what is logged."""

    @staticmethod
    def wanted(run: Run[Any]) -> Spoken | None:
        """It, with -v."""
        return Spoken() if run.env.verbosity > 0 else None

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """A request was answered, or was not."""
        from netkit.http.server.access_log import AccessRecord

        if log.enabled:
            log.debug("%s", spoken(AccessRecord.of(exchange, elapsed, error)))

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        """A client broke the rules; the library says so."""
