"""`netkit dig ZONE AXFR` and `ZONE IXFR=SERIAL`: a zone transfer, whose records are shown as they come.

What is in memory is one message of it, whatever the zone's size. Several transfers of one command line go one
after the other, so that their lines do not mix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.answered import ShownTransfer
from netkit.cli.frame.messages import plural, visible
from netkit.dns.errors import DnsError
from netkit.io import Lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.commands.dig.asking import Asker
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.commands.dig.transferring.messages import TransferMessages
    from netkit.cli.commands.dig.transferring.view import Transferred
    from netkit.cli.frame.command import Run
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transfers.reader import Sent
    from netkit.dns.transfers.transfer import ZoneTransfer
    from netkit.io import Flow


class Transfers:
    """The transfers of one command line."""

    def __init__(self, run: Run[Any], asker: Asker) -> None:
        self._run = run
        self._asker = asker
        self._turn = Lock()

    def flow(self, query: Query) -> Flow[Transferred]:
        """Flow: transfer a zone, and write its records; the servers are tried until one says something.

        Raises DnsError, NoServer, OSError and UnusableFile.
        """
        *first, last = yield from self._asker.upstreams(query)
        yield from self._turn.acquire()
        try:
            for upstream in first:
                try:
                    return (yield from self._transfer(query, upstream))
                except (DnsError.NetworkError, DnsError.Timeout) as error:
                    if _has_begun(error):
                        raise
            return (yield from self._transfer(query, last))
        finally:
            self._turn.release()

    def _transfer(self, query: Query, upstream: Upstream) -> Flow[Transferred]:
        from netkit.cli.commands.dig.transferring.messages import TransferMessages
        from netkit.cli.commands.dig.transferring.view import Transferred

        with self._asker.transfer(query, upstream) as transfer:
            messages = TransferMessages(ShownTransfer(query), transfer, self._asker.source_of(query.flags))
            try:
                while batch := (yield from transfer.next_flow()):
                    self._write(batch, messages)
            except KeyboardInterrupt:
                came = plural(transfer.record_count, "record")
                self._run.env.warn(
                    "dig", f"interrupted: {query.name} {query.rdtype} is not complete, {came} came"
                )
                raise
            except DnsError as error:
                self._tell_failure(error, messages, transfer)
                raise
            return Transferred(query, transfer, self._asker.proxy)

    def _write(self, batch: Sequence[Sent], messages: TransferMessages) -> None:
        """Write records in the form that is wanted; a table of several inputs has one line for each."""
        from netkit.cli.commands.dig.transferring.view import sent_lines, sent_row

        run, env, shown = self._run, self._run.env, messages.shown
        form = shown.form(env.mode)
        if run.json:
            for sent in batch:
                run.write_object(sent_row(sent), messages.shown.query.text)
            return
        if env.mode == "table" and run.many:
            return
        lines: list[str] = []
        if form != "short":
            lines += messages.query_lines()
        if form == "plain" and shown.has_messages:
            lines += messages.heard_lines()
        else:
            lines += sent_lines(shown, batch, form)
        env.write_lines([visible(line, tabs=True) for line in lines])

    def _tell_failure(self, error: DnsError, messages: TransferMessages, transfer: ZoneTransfer) -> None:
        """Write what came before the error: the message that refuses, and that it is all."""
        from netkit.dns.transfers.errors import TransferError
        from netkit.dns.tsig.errors import TsigError

        env = self._run.env
        form = messages.shown.form(env.mode)
        if form in ("plain", "table") and not transfer.messages:
            env.say(*[visible(line, tabs=True) for line in messages.lost_query_lines()])
        elif form == "plain":
            lines = list(messages.query_lines())
            shown = messages.shown
            if shown.has_messages and isinstance(error, (TransferError.Refused, TsigError.Rejected)):
                lines += messages.heard_lines()
            if not shown.has_own_form:
                lines.append("; Transfer failed.")
            env.write_lines([visible(line, tabs=True) for line in lines])


def _has_begun(error: DnsError) -> bool:
    """Whether the server said something before the error: then no other one is asked."""
    from netkit.dns.transfers.transfer import TransferSilence

    return isinstance(error, TransferSilence)
