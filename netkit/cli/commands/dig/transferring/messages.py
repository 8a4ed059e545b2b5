"""The messages of a zone transfer, whole: in YAML (`+yaml`), in the JSON of RFC 8427 (`+json`), or as text
(`+comments`, `+question`), and the queries (`+qr`).

Each message is shown as soon as its records are certain, and forgotten. A transfer has many answers, so that
with +qr its query is an entry, or a line of JSON, before them, and no pair with one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.commands.dig.showing.answer_lines import message_lines, query_lines
from netkit.dns.messages.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.addr import SocketAddr
    from netkit.cli.commands.dig.answered import ShownTransfer
    from netkit.dns.transfers.reader import Heard
    from netkit.dns.transfers.transfer import SentQuery, ZoneTransfer


class TransferMessages:
    """The messages of one transfer, as lines; `source` is the address of -b."""

    def __init__(self, shown: ShownTransfer, transfer: ZoneTransfer, source: SocketAddr | None) -> None:
        self.shown = shown
        self._transfer = transfer
        self._source = source
        self._told = 0  # queries that were shown

    def query_lines(self) -> Iterable[str]:
        """The queries that were sent since the last call, if +qr asks for them."""
        if not self.shown.query.flags.get("qr"):
            return
        for sent in self._new_queries():
            query = Message.from_wire(sent.wire)
            if self.shown.query.flags.get("json"):
                yield _json_line(query, sent)
            elif self.shown.query.flags.get("yaml"):
                yield from self._entry(query, query, sent, (sent.at,))
            else:
                lines = list(query_lines(self.shown, query))
                yield from [*lines, ""] if lines else ()

    def lost_query_lines(self) -> Iterable[str]:
        """The queries that were sent since then, as text: nothing came of them."""
        if self.shown.query.flags.get("qr"):
            for sent in self._new_queries():
                yield from query_lines(self.shown, Message.from_wire(sent.wire))

    def heard_lines(self) -> Iterable[str]:
        """The messages that the last records came in."""
        transfer = self._transfer
        sent = transfer.queries[-1]
        for heard in transfer.heard:
            self.shown.at_end = transfer.is_done and transfer.record_count > 1 and heard is transfer.heard[-1]
            message, asked = Message.from_wire(heard.wire), Message.from_wire(sent.wire)
            if self.shown.query.flags.get("json"):
                yield _json_line(message, heard)
            elif self.shown.query.flags.get("yaml"):
                yield from self._entry(message, asked, heard, (sent.at, heard.at))
            else:
                yield from message_lines(self.shown, message, asked)
                yield from [""] if self.shown.shows("comments") else ()

    def _new_queries(self) -> Sequence[SentQuery]:
        found = self._transfer.queries[self._told :]
        self._told += len(found)
        return found

    def _entry(
        self, message: Message, asked: Message, came: Heard | SentQuery, moments: tuple[float, ...]
    ) -> Iterable[str]:
        from netkit.cli.commands.dig.showing.yaml_lines import Between, entry_lines

        server = self._transfer.server_addr
        assert server is not None
        between = Between(server, str(self._transfer.queries[-1].transport), self._source)
        return entry_lines(self.shown, message, asked, len(came.wire), between, moments)


def _json_line(message: Message, came: Heard | SentQuery) -> str:
    from netkit.cli.commands.dig.showing.rfc8427 import message_line

    return message_line(message, came.wire, came.at)
