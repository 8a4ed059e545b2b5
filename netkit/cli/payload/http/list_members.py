"""Members of a header field's list that were left out, because they break the field's grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.context import Environment
    from netkit.http.fields.syntax import Dropped


class DroppedRow(TypedDict):
    """A member of the header that breaks the grammar, and was left out."""

    member: Annotated[str, "As it was written"]
    offset: Annotated[int, "Where in the value it begins, in characters"]
    reason: str


def dropped_rows(dropped: Sequence[Dropped]) -> list[DroppedRow]:
    """What was left out, as JSON has it."""
    return [{"member": each.member, "offset": each.offset, "reason": each.error.reason} for each in dropped]


def warn_of_dropped(env: Environment, doing: str, dropped: Sequence[Dropped]) -> None:
    """Say on standard error what was left out, where the output has no place for it."""
    for each in dropped:
        env.warn(doing, f"dropped {each.member!r}, which breaks the grammar: {each.error.reason}")
