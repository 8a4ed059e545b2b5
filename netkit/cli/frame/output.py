"""Writing results: `Output` chooses the form, and writes one row for every result.

A command's `View` (netkit.cli.frame.view) makes the forms. `Output` also says why an input has no result,
and keeps the exit codes.

The reason of a failure also goes to standard error, unless the reader already sees it in a row (with --json,
and in a table of several inputs).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from netkit.cli.frame.cells import cell_text
from netkit.cli.frame.exits import Exit, Failure, explain
from netkit.cli.frame.messages import _UNSAFE, in_words, plural, visible

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.view import View

R = TypeVar("R")

#: How many characters of an input a message shows.
_NAMED = 200


class Output(Generic[R]):
    """Writes the rows of one invocation, and counts their exit codes.

    `doing` is the part of a message that says what was being done; `{}` in it stands for the input. `lookup`
    is as in `explain`.
    """

    def __init__(
        self,
        env: Environment,
        view: View[R],
        *,
        doing: str = "",
        lookup: bool = False,
    ) -> None:
        self.env = env
        self.view = view
        self.many = False
        #: The columns of the table of several inputs; a command may leave out the last of its view's.
        self.columns = view.columns
        self.doing = doing
        self.lookup = lookup
        #: What makes the plain lines of an input without a result, where they are not the usual line.
        self.failed_lines: Callable[[Failure], Iterable[Line]] | None = None
        #: The names of the command's options, of which hints may name one; None: not known.
        self.options: Container[str] | None = None
        #: The input of rows for which the caller names none: the argument as typed, if there is just one.
        self.input: str | None = None
        self.rows = 0
        self.failures: dict[str, int] = {}
        self._code: Exit | None = None
        self._header = True
        self._before: bool | None = None  # whether the last row was a block; None: there was none

    def start_many(self) -> None:
        """From now on there are several inputs, and each row says which input it is about."""
        self.many = True

    @property
    def exit_code(self) -> Exit:
        """The code of all rows if it is the same (0 if there are no rows), else 9."""
        return Exit.OK if self._code is None else self._code

    def count(self, code: Exit, kind: str | None = None) -> None:
        """Count a row that ended in `code`; also a row that an earlier run wrote (`--resume`)."""
        self._code = code if self._code in (None, code) else Exit.MIXED
        self.rows += 1
        if kind is not None:
            self.failures[kind] = self.failures.get(kind, 0) + 1

    def result(self, result: R, text: str | None = None) -> Exit:
        """Write the row of a result; `text` is the input as it was given. Returns its exit code."""
        view, env = self.view, self.env
        found = view.failure(result)
        failure = self.explain(found) if isinstance(found, Exception) else found
        code = view.exit_code(result) if failure is None else failure.exit
        if env.mode == "json":
            self.write_object(view.to_json(result), text, failure)
        elif env.mode == "plain":
            lines = view.plain(result)
            self._write_plain(
                [line if isinstance(line, str) else self._labelled(line, result, text) for line in lines],
                block=view.is_block(result),
            )
        elif env.mode == "short":
            self._write_short(view.short(result), failed=code is not Exit.OK)
        elif self.many and self.columns:
            from netkit.cli.render.columns import row_line

            row = self._labelled(view.row(result), result, text)[: len(self.columns)]
            cells = [visible(cell_text(cell)) for cell in row]
            failed = failure is not None or code is not Exit.OK
            self._write_under_titles(row_line(env, self.columns, cells, failed=failed))
        else:
            from netkit.cli.render import render

            env.write(render(env, view.table(result, env)))
            env.flush()
        if failure is not None:
            self._say_why(failure, text)
        self.count(code, failure.kind if failure is not None else None)
        return code

    def _labelled(self, cells: Sequence[object], result: R, text: str | None) -> Sequence[object]:
        """The cells of a line, after the input if there is one."""
        label = self.view.label(result, text) if text is not None and self.view.has_input else None
        return cells if label is None else (label, *cells)

    def explain(self, error: BaseException) -> Failure:
        """What `error` means for the user of this command."""
        return explain(error, lookup=self.lookup, options=self.options)

    def failed(self, error: BaseException | Failure, text: str | None = None) -> Exit:
        """Write the row of an input that has no result, and say why. Returns its exit code."""
        failure = error if isinstance(error, Failure) else self.explain(error)
        env = self.env
        if env.mode == "json":
            self.write_object(self.view.failed_json(failure), text, failure)
        elif env.mode == "plain":
            if self.failed_lines is not None:
                self._write_plain(self.failed_lines(failure), block=False)
            elif self.many:
                why = (text or "", "error", f"{failure.layer}.{failure.kind}", failure.message)
                self._write_plain([why], block=False)
        elif env.mode == "short":
            self._write_short((), failed=True)
        elif self.many and self.columns:
            from netkit.cli.render.columns import failed_line

            line = failed_line(env, self.columns, visible(text or ""), visible(failure.message))
            self._write_under_titles(line)
        self._say_why(failure, text)
        self.count(failure.exit, failure.kind)
        return failure.exit

    def write_object(
        self, fields: Mapping[str, Any], text: str | None = None, failure: Failure | None = None
    ) -> None:
        """Write one JSON object (a row, or an event of a stream); `text` is the input as it was given."""
        row: dict[str, Any] = {"type": self.view.type}
        if self.view.has_input:
            row["input"] = self.input if text is None else text
        row.update(fields)
        if failure is not None:
            row["error"] = failure.to_json()
        self.env.write_lines((json_line(row, ascii_only=self.env.encoding not in ("utf-8", "utf8")),))

    def summary(self) -> None:
        """Say on standard error how many of several inputs failed, and of what."""
        failed = sum(self.failures.values())
        if self.many and failed:
            kinds = sorted(self.failures.items(), key=lambda item: -item[1])
            reasons = ", ".join(f"{count:,} {in_words(kind)}" for kind, count in kinds)
            self.env.warn(None, f"{failed:,} of {plural(self.rows, 'input')} failed: {reasons}")

    def _say_why(self, failure: Failure, text: str | None) -> None:
        mode = self.env.mode
        if self.many and (mode == "json" or (mode == "table" and self.columns)) and not self.env.debug:
            return
        named = text if text is None or len(text) <= _NAMED else f"{text[:_NAMED]}..."
        doing = self.doing.replace("{}", named) if named else self.doing.replace("{}", "").strip()
        if self.many:
            if text and named and named not in doing and text not in failure.message:
                doing = f"{doing}: {named}" if doing else named
            # The same hint, repeated for a thousand inputs, would hide the messages.
            failure = failure._replace(hint=failure.hint if failure.kind == "Unexpected" else None)
        self.env.report(doing, failure, self.view.details(failure, self.env))

    def _write_plain(self, lines: Iterable[Line], *, block: bool) -> None:
        """Write the lines of a row; of several, one that is a block has a blank line before and behind it."""
        made = _lines(lines)
        if self.many and self._before is not None and (block or self._before):
            made.insert(0, "")
        self._before = block
        self.env.write_lines(made)

    def _write_short(self, lines: Iterable[Line], *, failed: bool) -> None:
        """Write the bare values; of several inputs one that failed has a line as well."""
        made = _lines(lines)
        self.env.write_lines(made or ([cell_text(None)] if failed and self.many else []))

    def _write_under_titles(self, line: str) -> None:
        lines = [line]
        if self._header:
            from netkit.cli.render.columns import title_line

            self._header = False
            lines.insert(0, title_line(self.env, self.columns))
        self.env.write_lines(lines)


def _lines(lines: Iterable[Line]) -> list[str]:
    return [
        visible(line, tabs=True)
        if isinstance(line, str)
        else "\t".join(visible(cell_text(cell)) for cell in line)
        for line in lines
    ]


def json_line(row: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """One object as one line that is safe to show: control and invisible characters are escaped.

    Seconds (under a key that ends in `_s`) are rounded to the microsecond, because further digits are noise.
    """
    from json import dumps

    text = dumps(_rounded(row), ensure_ascii=ascii_only, allow_nan=False, default=_plain_value)
    return text if text.isprintable() else _UNSAFE.sub(_json_escape, text)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: round(each, 6) if isinstance(each, float) and key.endswith("_s") else _rounded(each)
            for key, each in value.items()
        }
    return [_rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _plain_value(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("bytes in JSON go through b64(), under a key that ends in _b64")
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value)


def b64(data: bytes | bytearray | memoryview) -> str:
    """Bytes for JSON, under a key that ends in `_b64`."""
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode("ascii")


def rfc3339(moment: datetime) -> str:
    """A moment for JSON: UTC, `2026-03-01T12:00:00Z`, with a fraction of a second only if it is not 0."""

    if moment.tzinfo is None:
        raise ValueError("a moment without a zone could be any of 38")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
