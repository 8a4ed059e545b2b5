"""`netkit link`: the links of a Link header, or of the answer of a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple, TypedDict, cast

from netkit.cli.fetch.asking import AskOptions, url_of
from netkit.cli.frame import inputs, options
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.options import BaseUrl, WrongValue, option
from netkit.cli.frame.view import View
from netkit.cli.payload.http.list_members import DroppedRow, dropped_rows, warn_of_dropped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.inputs import Inputs
    from netkit.http.client.client import Client
    from netkit.http.fields.syntax import Dropped
    from netkit.http.link_header import LinkEntry, ResolvedLink
    from netkit.http.url import Url
    from netkit.io import Flow

#: The most pages that --follow asks for.
MAX_PAGES = 1000


class ParamRow(TypedDict):
    """One parameter."""

    name: str
    value: Annotated[str | None, "Decoded; null if the parameter has no value"]
    language: Annotated[str | None, "The language, if the value names one (RFC 8187)"]


class EntryRow(TypedDict):
    """One link."""

    uri: Annotated[str, "The target, resolved if --base was given"]
    target: Annotated[str, "The target as written"]
    rels: Annotated[list[str], "The relations, in lower case"]
    anchor: Annotated[str | None, "The source of the link, if it is not the resource itself"]
    title: str | None
    params: Annotated[list[ParamRow], "All parameters, in order"]


class LinkRow(TypedDict):
    """The links of a Link header."""

    links: list[EntryRow]
    rel: Annotated[str | None, "The relation of --rel"]
    dropped: Annotated[list[DroppedRow], "Members of the header that say nothing, as they break its grammar"]
    url: Annotated[str | None, "The URL whose answer has the links, after redirects; null for a header"]
    status: Annotated[int | None, "The status of that answer"]


class Links(NamedTuple):
    """The links in a header; with --rel, at most one link."""

    found: list[ResolvedLink]
    rel: str | None
    alone: bool
    dropped: list[Dropped]
    url: Url | None = None
    status: int | None = None
    #: The last page of --follow, which leads nowhere.
    is_last: bool = False


class LinkView(View[Links]):
    """A row for each link; with --rel, the URI alone."""

    schema = LinkRow
    columns = (Column("header", 40), Column("links", 80))
    titles = ("rel", "target", "anchor", "title", "other")

    def to_json(self, result: Links) -> LinkRow:
        links = [cast(EntryRow, each.to_dict()) for each in result.found]
        return {
            "links": links,
            "rel": result.rel,
            "dropped": dropped_rows(result.dropped),
            "url": None if result.url is None else str(result.url).partition("#")[0],
            "status": result.status,
        }

    def label(self, result: Links, text: str) -> str:
        return text if result.url is None else str(result.url).partition("#")[0]

    def rows(self, result: Links) -> Iterable[Sequence[object]]:
        for entry, uri, anchor in result.found:
            shown = {"rel", "anchor", "title", "title*"}
            others = [
                name if value is None else f"{name}={value}"
                for name, value in entry.params
                if name not in shown or (name == "title*" and isinstance(value, str))
            ]
            yield " ".join(entry.rels), uri, anchor, entry.title, "; ".join(others)

    def plain(self, result: Links) -> Iterable[Line]:
        if result.rel is not None:
            return [self.row(result)]
        nothing = [] if result.alone else [(None,) * 4]
        return [row[:4] for row in self.rows(result)] or nothing

    def short(self, result: Links) -> Iterable[Line]:
        return [each.uri for each in result.found]

    def row(self, result: Links) -> Sequence[object]:
        return (", ".join(each.uri for each in result.found),)

    def exit_code(self, result: Links) -> Exit:
        return Exit.OK if result.found or result.is_last else Exit.NO


class Parsed(NamedTuple):
    """A header's links, and what was left out."""

    value: str
    entries: list[LinkEntry]
    dropped: list[Dropped]


def parse(header: str) -> Parsed | Url:
    """The links; `Link:` may stand before them; or a URL. Raises FieldError where no member is right."""
    from netkit.http.fields.errors import FieldError

    url = url_of(header)
    if url is not None:
        return url
    try:
        return _parsed(header)
    except FieldError as error:
        if "<" not in header:
            error.hint = "a URL begins with http:// or https://"
        raise


def _parsed(header: str) -> Parsed:
    from netkit.http.link_header import parse as parse_link

    value = inputs.field_value(header, "link")
    dropped: list[Dropped] = []
    entries = parse_link(value, complaints=dropped)
    if dropped and not entries:
        raise dropped[0].error
    return Parsed(value.strip(), entries, dropped)


@command(
    "link",
    view=LinkView(),
    doing="reading {}",
    see_also=("netkit-http-fetch(1)", "netkit-http-negotiate(1)"),
)
@inputs.many("HEADER|URL", parse=parse)
@option(
    "--rel",
    metavar="RELATION",
    help="Print only the URI of the first link with this relation; exit code 1 if there is none.",
)
@option("--base", type=BaseUrl(), help="Resolve targets and anchors against this URL.")
@option("--anchored", is_flag=True, help="With --rel: also take links from another resource (anchor=).")
@option(
    "--follow",
    is_flag=True,
    help="Of a URL: go on to the link with the relation of --rel (next), and from there, to the end.",
)
@options.timeout(30.0)
@option_group(ask=AskOptions)
def link(
    run: Run[Links],
    targets: Inputs[Parsed | Url],
    rel: str | None,
    base: Url | None,
    anchored: bool,
    follow: bool,
    timeout: float,
    ask: AskOptions,
) -> None:
    """Show the links of a Link header, or of what a URL answers.

    A row for each link: its relations, its target, where it is from if not from the resource itself, and
    its title. With --rel, the target of the first link of that relation is all that is written. A link with
    an anchor is not about the resource that was asked for, so --rel passes it over without --anchored.

    A link that breaks the grammar is dropped, with a warning, if there are others.

    A URL (http:// or https://) is asked for, redirects are followed, and the links of the answer are shown,
    resolved against it. With --follow, the pages behind it too: the next of each, until one has none.

    --base resolves relative references as browsers do. Plain lines: header, relations, target, anchor, title;
    with --rel and several headers, header and target. Of a URL, it stands in the place of the header.

    Examples:

        $ netkit link '<https://api.example/items?page=2>; rel="next"'
        $ netkit link '</?page=2>; rel=next' --rel next --base https://api.example
        $ netkit link --follow https://api.example/items
    """
    if anchored and rel is None:
        raise WrongValue("--anchored goes with --rel", "without --rel every link is shown")
    if rel is not None and targets.single:
        run.prefer_short()
    reader = _Reader(run, rel, base, anchored=anchored, alone=targets.single)
    clients: list[Client] = []

    def links(target: Parsed | Url) -> Links | Flow[Links]:
        if isinstance(target, Parsed):
            return reader.links(target)
        if not clients:
            from netkit.cli.fetch.asking import asking_client

            clients.append(asking_client(ask, run.env))
        return reader.pages_flow(clients[0], target) if follow else reader.page_flow(clients[0], target)

    try:
        run.each(targets, links, timeout=timeout)
    finally:
        for client in clients:
            client.close()


class _Reader:
    """Finds the links that were asked for."""

    def __init__(
        self, run: Run[Links], rel: str | None, base: Url | None, *, anchored: bool, alone: bool
    ) -> None:
        self._run = run
        self._rel = rel
        self._base = base
        self._anchored = anchored
        self._alone = alone

    def links(self, parsed: Parsed, url: Url | None = None) -> Links:
        """The links of a header, which `url` sent."""
        from netkit.http.link_header import find_rel, resolve

        entries, base = parsed.entries, self._base or url
        if not self._run.json:
            warn_of_dropped(self._run.env, f"reading {parsed.value}", parsed.dropped)
        if self._rel is not None:
            found = find_rel(entries, self._rel, anchored=self._anchored, base=base)
            entries = [] if found is None else [found]
        return Links([resolve(entry, base) for entry in entries], self._rel, self._alone, parsed.dropped)

    def page_flow(self, client: Client, url: Url) -> Flow[Links]:
        """Flow: the links of what `url` answers."""
        page, _ = yield from self._page_flow(client, url)
        if not page.found and not self._run.json:
            which = "no link" if self._rel is None else f"no link with the relation {self._rel}"
            self._run.env.warn(f"reading {url.redacted}", f"{which} in the answer (HTTP {page.status})")
        return page

    def _page_flow(self, client: Client, url: Url) -> Flow[tuple[Links, Parsed]]:
        from netkit.cli.fetch.asking import head_flow

        head = yield from head_flow(client, url, [])
        value = head.headers.combined("Link")
        parsed = Parsed("", [], []) if value is None else _parsed(value)
        return self.links(parsed, head.url)._replace(url=head.url, status=head.status), parsed

    def pages_flow(self, client: Client, url: Url) -> Flow[Links]:
        """Flow: the links of `url` and of the pages behind it; all but the last are written at once."""
        from netkit.http.link_header import find_rel, resolve

        seen: set[str] = set()
        while True:
            page, parsed = yield from self._page_flow(client, url)
            assert page.url is not None  # it is a page
            seen.add(str(page.url))
            base = self._base or page.url
            found = find_rel(parsed.entries, self._rel or "next", anchored=self._anchored, base=base)
            if found is None:
                return page._replace(is_last=True)
            from netkit.http.url import Url

            url = Url.parse(resolve(found, base).uri)
            if str(url) in seen or len(seen) >= MAX_PAGES:
                why = "was there before" if str(url) in seen else f"would be page {MAX_PAGES + 1:,}"
                self._run.env.warn(None, f"{url} {why}: it is not followed")
                return page._replace(is_last=True)
            self._run.result(page, str(page.url))
