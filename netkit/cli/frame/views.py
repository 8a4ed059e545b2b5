"""`Views`: the view of a command that has results of several kinds, each with a view of its own.

    view=Views({Answered: DigView(), Transferred: TransferView()})

A view that few need may be loaded when there is a result for it: `later` names its module, which has the
same table as `VIEWS`.

The first is the command's main kind: its columns are those of the table of several inputs, and it shows
inputs that have no result.
"""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from operator import or_
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Exit, Failure


class Views(View[Any]):
    """Shows each result by the view that its class has in `views`."""

    def __init__(self, views: Mapping[type, View[Any]], *, later: Iterable[str] = ()) -> None:
        self._views = dict(views)
        self._later = list(later)
        self._main = next(iter(self._views.values()))

    @property
    def schema(self) -> Any:
        """What any of the views returns."""
        return reduce(or_, [view.schema for view in self._all().values()])

    @property
    def failed_schema(self) -> Any:
        """What the main view says of an input without a result."""
        return self._main.failed_schema

    @property
    def columns(self) -> Any:  # type: ignore[override]
        """Those of the main view."""
        return self._main.columns

    @property
    def has_input(self) -> bool:  # type: ignore[override]
        """As the main view."""
        return self._main.has_input

    def _of(self, result: object) -> View[Any]:
        return self._views.get(type(result)) or self._all()[type(result)]

    def _all(self) -> Mapping[type, View[Any]]:
        """All views, those of `later` too."""
        while self._later:
            self._views.update(import_module(self._later.pop(0)).VIEWS)
        return self._views

    def to_json(self, result: Any) -> Mapping[str, Any]:
        return self._of(result).to_json(result)

    def label(self, result: Any, text: str) -> str | None:
        return self._of(result).label(result, text)

    def facts(self, result: Any) -> Iterable[tuple[str, object]]:
        return self._of(result).facts(result)

    def rows(self, result: Any) -> Iterable[Sequence[object]]:
        return self._of(result).rows(result)

    def row(self, result: Any) -> Sequence[object]:
        return self._of(result).row(result)

    def plain(self, result: Any) -> Iterable[Line]:
        return self._of(result).plain(result)

    def is_block(self, result: Any) -> bool:
        return self._of(result).is_block(result)

    def short(self, result: Any) -> Iterable[Line]:
        return self._of(result).short(result)

    def table(self, result: Any, env: Environment) -> Iterable[Any]:
        return self._of(result).table(result, env)

    def failure(self, result: Any) -> Exception | Failure | None:
        return self._of(result).failure(result)

    def failed_json(self, failure: Failure) -> Mapping[str, Any]:
        return self._main.failed_json(failure)

    def details(self, failure: Failure, env: Environment) -> Iterable[str]:
        return self._main.details(failure, env)

    def exit_code(self, result: Any) -> Exit:
        return self._of(result).exit_code(result)
