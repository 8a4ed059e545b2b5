"""`netkit http negotiate`: which of a server's offers an Accept header prefers, and why."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

import click

from netkit.cli.frame import inputs
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.options import WrongValue, option
from netkit.cli.frame.view import View
from netkit.cli.payload.http.list_members import DroppedRow, dropped_rows, warn_of_dropped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.http.fields.syntax import Dropped
    from netkit.http.negotiation import Verdict

FIELDS = {
    "accept": "media",
    "accept-encoding": "encoding",
    "accept-language": "language",
    "accept-charset": "charset",
}


EXAMPLES = {"media": "text/html", "encoding": "gzip", "language": "de-CH", "charset": "utf-8"}


class OfferRow(TypedDict):
    """The verdict on one offer."""

    offer: str
    acceptable: bool
    q: Annotated[float, "The weight, from 0 to 1"]
    match: Annotated[str | None, "The member of the header that decided; null if none did"]
    reason: str


class NegotiateRow(TypedDict):
    """An Accept header against offers."""

    field: Literal["media", "encoding", "language", "charset"]
    chosen: Annotated[str | None, "What to send; null if nothing is acceptable (406)"]
    offers: Annotated[list[OfferRow], "The best first"]
    dropped: Annotated[list[DroppedRow], "Members of the header that say nothing, as they break its grammar"]


class Outcome(NamedTuple):
    """The offer that was chosen, and the reasons."""

    field: Literal["media", "encoding", "language", "charset"]
    chosen: str | None
    verdicts: list[Verdict]
    dropped: list[Dropped]


class NegotiateView(View[Outcome]):
    """A row for each offer, the best first."""

    schema = NegotiateRow
    columns = (Column("header", 60), Column("chosen", 40))

    def to_json(self, result: Outcome) -> NegotiateRow:
        return {
            "field": result.field,
            "chosen": result.chosen,
            "offers": [
                {
                    "offer": each.offer,
                    "acceptable": each.acceptable,
                    "q": each.q,
                    "match": each.match,
                    "reason": each.reason,
                }
                for each in result.verdicts
            ],
            "dropped": dropped_rows(result.dropped),
        }

    def rows(self, result: Outcome) -> Iterable[Sequence[object]]:
        for each in result.verdicts:
            yield each.offer, self._state(result, each), f"{each.q:g}", each.match, each.reason
        for left_out in result.dropped:
            yield left_out.member, "dropped", None, None, left_out.error.reason

    def short(self, result: Outcome) -> Iterable[Line]:
        return [] if result.chosen is None else [result.chosen]

    def row(self, result: Outcome) -> Sequence[object]:
        return (result.chosen,)

    def table(self, result: Outcome, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import mark, table, text

        rows = []
        for order, each in enumerate(result.verdicts, 1):
            state = self._state(result, each)
            sign: Any = {"chosen": "good", "refused": "bad"}.get(state, "none")
            rows.append((order, each.offer, mark(sign, state, env), f"{each.q:g}", each.reason))
        yield table(("#", "offer", "verdict", "q", "why"), rows, right=(0, 3))
        for dropped in result.dropped:
            yield text(
                f"dropped, as it breaks the grammar: {dropped.member} ({dropped.error.reason})", "yellow"
            )

    def exit_code(self, result: Outcome) -> Exit:
        return Exit.OK if result.chosen is not None else Exit.NO

    @staticmethod
    def _state(result: Outcome, verdict: Verdict) -> str:
        if not verdict.acceptable:
            return "refused"
        return "chosen" if verdict is result.verdicts[0] else "acceptable"


class Header(NamedTuple):
    """A header as given: the field it names, if it names one, and the value."""

    field: str | None
    value: str


def parse(header: str) -> Header:
    """`Accept-Language: de` names its field, `de` does not."""
    name, colon, value = header.partition(":")
    field = FIELDS.get(name.strip(" \t").lower()) if colon else None
    return Header(field, header if field is None else value)


def judge(field: str, value: str, offers: Sequence[str]) -> tuple[list[Verdict], list[Dropped]]:
    """The reasoning for one header, and what was left out of it.

    Raises FieldError where nothing of it is left; WrongValue for an offer that is none.
    """
    from functools import partial

    from netkit.http import negotiation
    from netkit.http.fields.errors import InvalidField

    ways: dict[str, tuple[Any, Any]] = {
        "media": (negotiation.parse_accept, negotiation.rank_media),
        "encoding": (
            negotiation.parse_accept_encoding,
            partial(negotiation.rank_codings, or_identity=True),
        ),
        "language": (negotiation.parse_accept_language, negotiation.rank_languages),
        "charset": (negotiation.parse_accept_charset, negotiation.rank_charsets),
    }
    parse_value, rank = ways[field]
    dropped: list[Dropped] = []
    prefs = parse_value(value, complaints=dropped)
    if dropped and not prefs:
        raise dropped[0].error
    for offer in offers:
        try:
            rank(None, [offer])
        except InvalidField as error:
            hint = f"write it as in {EXAMPLES[field]}"
            raise WrongValue(f"--offer {offer!r} is no {error.field}", hint) from None
    return rank(prefs, offers), dropped


def _check_field(text: str) -> None:
    """Refuse a header without a name that is no Accept, and is one of the other fields."""
    from netkit.http import negotiation
    from netkit.http.fields.errors import FieldError

    if text == "-" or parse(text).field is not None:
        return
    try:
        negotiation.parse_accept(text)
    except FieldError:
        try:
            negotiation.parse_accept_encoding(text)
        except FieldError:
            return
        hint = f"write its name, as in {shlex.quote(f'Accept-Encoding: {text}')}, or say --field encoding"
        raise WrongValue(f"which field is {text!r}? It is no Accept", hint) from None


@command("http negotiate", view=NegotiateView(), doing="negotiating {}", see_also=("netkit-range(1)",))
@inputs.many("HEADER", parse=parse)
@option(
    "--offer",
    "offers",
    multiple=True,
    metavar="OFFER",
    help="What the server can send; may be given several times, the server's favourite first.",
)
@option(
    "--field",
    type=click.Choice(["media", "encoding", "language", "charset"]),
    show_default="media",
    help="The field of a header that does not begin with its name.",
)
def negotiate(run: Run[Outcome], targets: Inputs[Header], offers: tuple[str, ...], field: str | None) -> None:
    """Show which offer an Accept header asks for, and why.

    The header is an Accept, Accept-Encoding, Accept-Language or Accept-Charset, with its name and a colon
    before it, or, with --field, without. For each offer the most specific member of the header that matches
    decides; offers are then ranked by its weight, how specific it is, and the order they were given in.
    A member that breaks the grammar (`*; q=.2`, as Java sends it) is dropped, and shown with the reason.

    The exit code is 1 where nothing is acceptable. Plain lines: header, offer, chosen or acceptable or
    refused, weight, match, reason; or header, member, dropped, two empty columns, reason.

    Examples:

        $ netkit http negotiate 'Accept: text/*;q=0.9' --offer text/html --offer a/b
        $ netkit http negotiate --field encoding 'gzip, br;q=0' --offer br --short
    """

    for text in targets.texts if field is None else ():
        _check_field(text)
    if not offers:
        raise WrongValue("--offer OFFER is missing", "say what the server has, as in --offer text/html")

    def decide(header: Header) -> Outcome:
        kind: Any = header.field or field or "media"
        verdicts, dropped = judge(kind, header.value, offers)
        best = verdicts[0]
        return Outcome(kind, best.offer if best.acceptable else None, verdicts, dropped)

    def check(text: str) -> Header:
        header = parse(text)
        decide(header)
        return header

    def answered(header: Header) -> Outcome:
        outcome = decide(header)
        if run.env.mode == "short":
            warn_of_dropped(run.env, f"negotiating {header.value.strip()}", outcome.dropped)
        return outcome

    run.each(targets.of(targets.texts, check), answered)
