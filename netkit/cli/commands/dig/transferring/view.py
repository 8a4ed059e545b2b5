"""The forms in which `netkit dig` shows a zone transfer: its records, and what it came to at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

from netkit.cli.commands.dig.answered import ShownTransfer
from netkit.cli.commands.dig.grammar.styles import short_style, style_of
from netkit.cli.commands.dig.showing.answer_lines import shown_record
from netkit.cli.commands.dig.showing.rows import AnyRecord, QuestionRow, question_row, record_row
from netkit.cli.commands.dig.showing.words import Wording, connection_words
from netkit.cli.frame.fields import Endpoint
from netkit.cli.frame.messages import plural
from netkit.cli.frame.view import View
from netkit.cli.payload.dns.history import TransportName, Unanswered
from netkit.cli.payload.tls.rows import TlsRow, dns_tls_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.dns.transfers.reader import Sent, TransferKind
    from netkit.dns.transfers.transfer import ZoneTransfer
    from netkit.proxy.url import Proxy

#: What a terminal shows before the records of differences.
_MARKS = {"deleted": "- ", "old_soa": "- ", "added": "+ ", "new_soa": "+ "}


class Transferred(ShownTransfer):
    """A transfer that is complete: what it was, of what size, and from where."""

    __slots__ = ("kind", "proxy", "soa", "transfer")

    def __init__(self, query: Query, transfer: ZoneTransfer, proxy: Proxy | None = None) -> None:
        super().__init__(query)
        assert transfer.kind is not None
        assert transfer.soa is not None
        self.transfer = transfer
        self.kind: TransferKind = transfer.kind
        self.soa = transfer.soa
        self.proxy = proxy

    @property
    def server_name(self) -> str | None:
        """The name that the server's certificate was checked against; None without TLS."""
        upstream = self.transfer.upstream
        if not upstream.transport.is_encrypted or upstream.addr is None:
            return None
        return upstream.tls_name or str(upstream.addr.ip)


# -- its records


class SentRow(TypedDict):
    """A record of a zone transfer, as it came."""

    event: Literal["record"]
    part: Annotated[
        Literal["first", "record", "old_soa", "deleted", "new_soa", "added", "last"],
        "An SOA at an end; a record of the whole zone; of a difference, the SOA that it leads from, "
        "what it takes away, the SOA that it leads to, what it adds",
    ]
    record: AnyRecord


def sent_row(sent: Sent) -> SentRow:
    """A record as an object of JSON."""
    return {"event": "record", "part": cast(Any, str(sent.part)), "record": record_row(sent.record)}


def sent_lines(shown: ShownTransfer, batch: Iterable[Sent], form: str) -> list[str]:
    """Records as lines, as the flags of the query say; on a terminal with what a difference does to them."""
    if not shown.shows("answer"):
        return []
    wanted = [sent for sent in batch if not (shown.has_one_soa and str(sent.part) == "last")]
    if form == "short":
        style = short_style(shown.query.flags)
        return [Wording(shown).data(sent.record, style) for sent in wanted]
    style = style_of(shown.query.flags)
    marks = {} if form == "plain" else _MARKS
    return [
        line
        for sent in wanted
        for line in (marks.get(str(sent.part), "") + shown_record(shown, sent.record, style)).split("\n")
    ]


# -- what it came to


class TransferRow(TypedDict):
    """The end of a zone transfer that is complete."""

    event: Literal["transferred"]
    question: QuestionRow
    kind: Annotated[
        Literal["axfr", "ixfr", "current"],
        "The whole zone, differences, or nothing newer than the serial that was asked about",
    ]
    zone_serial: Annotated[int, "The serial of the newest version"]
    asked_serial: Annotated[int | None, "The serial that was asked about; null for AXFR"]
    message_count: int
    record_count: Annotated[int, "All that came, with the SOAs at both ends"]
    size: Annotated[int, "Octets of all messages"]
    signed: Annotated[bool, "Whether each message was verified with TSIG"]
    server: Annotated[Endpoint, "Who answered"]
    server_name: Annotated[str | None, "The name that its certificate was checked against; null without TLS"]
    upstream: Annotated[str, "The server as it may be given to @ and --server"]
    transport: Annotated[TransportName, "What it came over"]
    tls: Annotated[TlsRow | None, "The result of the TLS handshake"]
    proxy: Annotated[str | None, "The proxy, without its password"]
    elapsed_s: Annotated[float, "From connecting to the last record"]


class TransferView(View[Transferred]):
    """The end of a transfer: as dig's statistics, and as an object. Its records were shown as they came."""

    schema = SentRow | TransferRow
    failed_schema = Unanswered

    def to_json(self, result: Transferred) -> TransferRow:
        transfer = result.transfer
        return {
            "event": "transferred",
            "question": question_row(result.query),
            "kind": cast(Any, str(result.kind)),
            "zone_serial": result.soa.serial,
            "asked_serial": transfer.serial,
            "message_count": transfer.messages,
            "record_count": transfer.record_count,
            "size": transfer.octets,
            "signed": transfer.is_signed,
            "server": str(transfer.server_addr),
            "server_name": result.server_name,
            "upstream": str(transfer.upstream),
            "transport": cast(TransportName, str(transfer.transport)),
            "tls": dns_tls_row(transfer.connection),
            "proxy": None if result.proxy is None else str(result.proxy),
            "elapsed_s": transfer.elapsed_s,
        }

    def plain(self, result: Transferred) -> Iterable[Line]:
        if not result.shows("stats") or result.has_own_form:
            return
        transfer, addr = result.transfer, result.transfer.server_addr
        assert addr is not None
        yield f";; Query time: {transfer.elapsed_s * 1000:.1f} msec"
        name = result.server_name or addr.ip
        yield f";; SERVER: {addr.ip}#{addr.port}({name}) ({str(transfer.transport).upper()})"
        yield from [f";; {title}: {words}" for title, words in _carried(result)]
        size = f"(messages {transfer.messages}, bytes {transfer.octets})"
        yield f";; XFR size: {transfer.record_count} records {size}"

    def short(self, result: Transferred) -> Iterable[Line]:  # noqa: ARG002
        return ()

    def table(self, result: Transferred, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        from netkit.cli.render.tables import text

        if not result.shows("stats"):
            return
        transfer = result.transfer
        name = "" if result.server_name is None else f" ({result.server_name})"
        how = f"{str(transfer.transport).upper()} in {transfer.elapsed_s * 1000:.1f} ms"
        size = f"{plural(transfer.messages, 'message')}, {plural(transfer.octets, 'octet')}"
        yield text(f"{_came_to(result)}: {size} from {transfer.server_addr}{name} over {how}", "dim")
        words = [f"{title} {found}" if title == "PROXY" else found for title, found in _carried(result)]
        if words:
            yield text("; ".join(words), "dim")

    def label(self, result: Transferred, text: str) -> str:  # noqa: ARG002
        serial = "" if result.transfer.serial is None else f"={result.transfer.serial}"
        return f"{result.query.name} {result.query.rdtype}{serial}"

    def row(self, result: Transferred) -> Sequence[object]:
        return "NOERROR", _came_to(result)


#: For `Views`.
VIEWS = {Transferred: TransferView()}


def _came_to(result: Transferred) -> str:
    """What it was, in words."""
    serial, count = result.soa.serial, plural(result.transfer.record_count, "record")
    match str(result.kind):
        case "current":
            return f"nothing newer than serial {result.transfer.serial} (the server has {serial})"
        case "ixfr":
            return f"the differences from serial {result.transfer.serial} to {serial}, {count}"
    whole = "the whole zone" if result.transfer.serial is None else "no differences but the whole zone"
    return f"{whole}, serial {serial}, {count}"


def _carried(result: Transferred) -> Iterable[tuple[str, str]]:
    transfer = result.transfer
    if transfer.is_signed:
        yield "TSIG", "every message was verified"
    yield from connection_words(transfer.connection, result.proxy)
