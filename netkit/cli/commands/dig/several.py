"""`netkit dig` where several servers are compared, or a question is asked again and again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.comparing.asking import Comparer
from netkit.cli.frame import options
from netkit.dns.constants import DnsRecordType

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.cli.commands.dig.asking import Asker
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.commands.dig.grammar.watch_options import CompareOptions, WatchOptions
    from netkit.cli.commands.dig.servers import Servers
    from netkit.cli.frame.command import Run
    from netkit.cli.frame.inputs import Inputs


#: Flags that make several questions of a query, or show answers as they are.
_OTHERWISE = ("trace", "nssearch", "search", "showsearch", "domain", "yaml", "json")


class Several:
    """Asks queries as --compare and --watch want it; `family` 4 or 6 leaves out the other addresses."""

    def __init__(
        self,
        run: Run[Any],
        asker: Asker,
        servers: Servers,
        comparing: CompareOptions,
        watching: WatchOptions,
        family: int | None,
        timeout: float | None,
    ) -> None:
        self._run = run
        self._asker = asker
        self._servers = servers
        self._watching = watching
        self._timeout = timeout
        wanted = comparing.compare
        self._comparer = Comparer(asker, servers, wanted, family, timeout) if wanted else None

    def each(self, queries: Inputs[Query]) -> None:
        """Ask each query, and write what comes of it."""
        comparer = self._comparer
        queries = queries.of(queries.texts, partial(self._parse, queries.spec.parse))
        if comparer is not None:
            queries = queries.of(queries.texts, partial(comparer.parse, queries.spec.parse))
        if self._watching.watch:
            self._watch(queries)
        elif comparer is not None:
            self._run.each(queries, comparer.ask, timeout=self._timeout)

    def _parse(self, parse: Callable[[str], Query], text: str) -> Query:
        """A query. Raises WrongValue if it is several questions, or a transfer."""
        query = parse(text)
        this = "--watch" if self._watching.watch else "--compare"
        for flag in _OTHERWISE:
            if query.flags.get(flag):
                options.exclude(this, True, f"+{flag}", True)
        if query.rdtype in (DnsRecordType.AXFR, DnsRecordType.IXFR):
            options.exclude(this, True, str(query.rdtype), True)
        return query

    def _watch(self, queries: Inputs[Any]) -> None:
        from netkit.cli.commands.dig.watching.asking import Watching
        from netkit.cli.commands.dig.watching.view import RoundWriter

        writer = RoundWriter(self._run)
        watching = Watching(
            self._run,
            self._asker,
            self._servers,
            self._comparer,
            self._watching,
            self._timeout,
            writer.write,
        )
        jobs: Inputs[Any] = queries.of(queries.texts, partial(watching.parse, queries.spec.parse))
        try:
            self._run.each(jobs, watching.flow)
        except KeyboardInterrupt:
            watching.interrupted()
            raise
