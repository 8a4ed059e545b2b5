"""`netkit link`: the links of a Link header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple, TypedDict, cast

from netkit.cli.frame import inputs
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.options import BaseUrl, WrongValue, option
from netkit.cli.frame.view import View
from netkit.cli.payload.list_members import DroppedRow, dropped_rows, warn_of_dropped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.inputs import Inputs
    from netkit.http.field_syntax import Dropped
    from netkit.http.link_header import LinkEntry, ResolvedLink
    from netkit.http.url import Url


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


class Links(NamedTuple):
    """The links in a header; with --rel, at most one link."""

    found: list[ResolvedLink]
    rel: str | None
    alone: bool
    dropped: list[Dropped]


class LinkView(View[Links]):
    """A row for each link; with --rel, the URI alone."""

    schema = LinkRow
    columns = (Column("header", 40), Column("links", 80))
    titles = ("rel", "target", "anchor", "title", "other")

    def to_json(self, result: Links) -> LinkRow:
        links = [cast(EntryRow, each.to_dict()) for each in result.found]
        return {"links": links, "rel": result.rel, "dropped": dropped_rows(result.dropped)}

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
        return Exit.OK if result.found else Exit.NO


class Parsed(NamedTuple):
    """A header's links, and what was left out."""

    value: str
    entries: list[LinkEntry]
    dropped: list[Dropped]


def parse(header: str) -> Parsed:
    """The links; `Link:` may stand before them. Raises FieldError where no member is right."""
    from netkit.http.link_header import parse as parse_link

    value = inputs.field_value(header, "link")
    dropped: list[Dropped] = []
    entries = parse_link(value, complaints=dropped)
    if dropped and not entries:
        raise dropped[0].error
    return Parsed(value.strip(), entries, dropped)


@command("link", view=LinkView(), doing="reading {}", see_also=("netkit-http-negotiate(1)",))
@inputs.many("HEADER", parse=parse)
@option(
    "--rel",
    metavar="RELATION",
    help="Print only the URI of the first link with this relation; exit code 1 if there is none.",
)
@option("--base", type=BaseUrl(), help="Resolve targets and anchors against this URL.")
@option("--anchored", is_flag=True, help="With --rel: also take links from another resource (anchor=).")
def link(run: Run[Links], targets: Inputs[Parsed], rel: str | None, base: Url | None, anchored: bool) -> None:
    """Show the links of a Link header.

    A row for each link: its relations, its target, where it is from if not from the resource itself, and
    its title. With --rel, the target of the first link of that relation is all that is written. A link with
    an anchor is not about the resource that was asked for, so --rel passes it over without --anchored.

    A link that breaks the grammar is dropped, with a warning, if there are others.

    --base resolves relative references as browsers do. Plain lines: header, relations, target, anchor, title;
    with --rel and several headers, header and target.

    Examples:

        $ netkit link '<https://api.example/items?page=2>; rel="next"'
        $ netkit link '</?page=2>; rel=next' --rel next --base https://api.example
    """
    if anchored and rel is None:
        raise WrongValue("--anchored goes with --rel", "without --rel every link is shown")
    if rel is not None and targets.single:
        run.prefer_short()

    def links(parsed: Parsed) -> Links:
        from netkit.http.link_header import find_rel, resolve

        entries = parsed.entries
        if not run.json:
            warn_of_dropped(run.env, f"reading {parsed.value}", parsed.dropped)
        if rel is not None:
            found = find_rel(entries, rel, anchored=anchored, base=base)
            entries = [] if found is None else [found]
        return Links([resolve(entry, base) for entry in entries], rel, targets.single, parsed.dropped)

    run.each(targets, links)
