"""`netkit link`: what a Link header says a resource is related to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit.cli.frame import inputs
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.options import WrongValue, option
from netkit.cli.frame.view import Column, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.cli.frame.view import Line
    from netkit.http.link_header import LinkEntry, ResolvedLink
    from netkit.http.url import Url
    from netkit.io import Flow


class ParamRow(TypedDict):
    """One parameter."""

    name: str
    value: Annotated[str | None, "Decoded; null where it has none"]
    language: Annotated[str | None, "Of a value that names its language (RFC 8187)"]


class EntryRow(TypedDict):
    """One link."""

    uri: Annotated[str, "The target, resolved where --base was given"]
    target: Annotated[str, "The target as written"]
    rels: Annotated[list[str], "The relations, in lower case"]
    anchor: Annotated[str | None, "Where the link is from, if not from the resource itself"]
    title: str | None
    params: Annotated[list[ParamRow], "All parameters, in order"]


class LinkRow(TypedDict):
    """The links of a Link header."""

    type: Literal["link"]
    links: list[EntryRow]
    rel: Annotated[str | None, "What --rel asked for"]


class Links(NamedTuple):
    """What was found in a header; with --rel, one link or none."""

    text: str
    found: list[ResolvedLink]
    rel: str | None
    alone: bool


class LinkView(View[Links]):
    """A row for each link; with --rel, the URI alone."""

    type = "link"
    schema = LinkRow
    columns = (Column("header", 40), Column("links", 80))

    def to_json(self, result: Links) -> LinkRow:
        from netkit.http.link_header import ExtValue

        links: list[EntryRow] = []
        for entry, uri, anchor in result.found:
            params: list[ParamRow] = [
                {"name": name, "value": value.text, "language": value.language or None}
                if isinstance(value, ExtValue)
                else {"name": name, "value": value, "language": None}
                for name, value in entry.params
            ]
            links.append(
                {
                    "uri": uri,
                    "target": entry.uri,
                    "rels": list(entry.rels),
                    "anchor": anchor,
                    "title": entry.title,
                    "params": params,
                }
            )
        return {"type": "link", "links": links, "rel": result.rel}

    def plain(self, result: Links) -> Iterable[Line]:
        if result.rel is not None:
            uris = [each.uri for each in result.found]
            yield from uris if result.alone else [(result.text, uris[0] if uris else None)]
            return
        for entry, uri, anchor in result.found:
            yield result.text, " ".join(entry.rels), uri, anchor, entry.title
        if not result.found and not result.alone:
            yield result.text, None, None, None, None

    def short(self, result: Links) -> Iterable[Line]:
        return [each.uri for each in result.found]

    def row(self, result: Links) -> Sequence[object]:
        return result.text, ", ".join(each.uri for each in result.found)

    def table(self, result: Links, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        from netkit.cli.render import table

        if result.rel is not None:
            yield from self.short(result)
            return
        shown = {"rel", "anchor", "title", "title*"}
        rows = []
        for entry, uri, anchor in result.found:
            others = [
                name if value is None else f"{name}={value}"
                for name, value in entry.params
                if name not in shown or (name == "title*" and isinstance(value, str))
            ]
            rows.append((", ".join(entry.rels), uri, anchor, entry.title, "; ".join(others)))
        yield table(("rel", "target", "anchor", "title", "other"), rows)

    def exit_code(self, result: Links) -> Exit:
        return Exit.OK if result.found else Exit.NO


class Header(NamedTuple):
    """A header as it was given, and its links."""

    text: str
    entries: list[LinkEntry]


def parse(header: str) -> Header:
    """The links; `Link:` may stand before them. Raises FieldError."""
    from netkit.http.link_header import parse as parse_link

    name, colon, value = header.partition(":")
    named = colon and name.strip(" \t").lower() == "link"
    return Header(header, parse_link(value if named else header))


@command("link", view=LinkView(), doing="reading {}", see_also=("netkit-http-negotiate(1)",))
@inputs.many("HEADER", parse=parse)
@option(
    "--rel", metavar="RELATION", help="The first link of this relation: its URI alone; exit code 1 without."
)
@option("--base", metavar="URL", help="Resolve targets and anchors against this URL.")
@option("--anchored", is_flag=True, help="With --rel: also links from another resource (anchor=).")
def link(run: Run[Links], targets: Inputs[Header], rel: str | None, base: str | None, anchored: bool) -> None:
    """Show the links of a Link header.

    A row for each link: its relations, its target, where it is from if not from the resource itself, and
    its title. With --rel, the target of the first link of that relation is all that is written. A link with
    an anchor is not about the resource that was asked for, so --rel passes it over without --anchored.

    --base resolves relative references as browsers do. Plain lines: header, relations, target, anchor, title;
    with --rel and several headers, header and target.

    Examples:

        $ netkit link '<https://api.example/items?page=2>; rel="next"'
        $ netkit link '</?page=2>; rel=next' --rel next --base https://api.example
    """
    if anchored and rel is None:
        raise WrongValue("--anchored goes with --rel", "without --rel every link is shown")
    resource = None if base is None else _absolute(base)

    def flow(header: Header) -> Flow[Links]:
        from netkit.http.link_header import find_rel, resolve

        entries = header.entries
        if rel is not None:
            found = find_rel(entries, rel, anchored=anchored, base=resource)
            entries = [] if found is None else [found]
        resolved = [resolve(entry, resource) for entry in entries]
        return Links(header.text, resolved, rel, targets.single)
        yield  # nothing is waited for

    run.each(targets, flow)


def _absolute(base: str) -> Url:
    from netkit.http import HttpError, Url

    try:
        url = Url.parse(base)
        url.resolve("a")  # fails for `mailto:` and its like: their path is no path
    except HttpError.InvalidUri:
        raise WrongValue(
            f"--base {base!r} is no URL to resolve against", "write it as in https://example.com/a/"
        ) from None
    return url
