r"""JSON from flat names: `user[name]=ann`, `tags[]=a`, `rows[2][id]:=7`, as HTTPie 3 has them.

    name        a key of the outermost object
    [key]       a key of an object
    [3]         an index of a list; what stands before it and was not given is null
    []          behind the last of a list
    \[ \] \\    the character itself, anywhere; `[\3]` is the key "3"

A name that begins with `[]` or `[0]` makes the whole body a list. The one decision here: two names that want
different things of the same place (`a=1 a[b]=2`) are an error. A guess would send what nobody asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, cast

from netkit.cli.fetch.items import ItemError

#: What JSON can be made of.
Json: TypeAlias = Any
#: The largest index, and the most steps of a path: a slip of the hand must not fill the memory.
MAX_INDEX = 10_000
MAX_DEPTH = 100

FORM = "write it as in name, user[name], tags[] or rows[0][id]; \\[ is a bracket in a key"


class Append(NamedTuple):
    """The step `[]`."""


Step: TypeAlias = "str | int | Append"
_APPEND = Append()


def parse_path(name: str) -> list[Step]:
    r"""The steps of a name. Raises ItemError.

    >>> parse_path("a[b][]"), parse_path("[0][x]"), parse_path(r"a\[b"), parse_path(r"a[\0]")
    (['a', 'b', Append()], [0, 'x'], ['a[b'], ['a', '0'])
    """
    text, steps = _Reader(name), cast("list[Step]", [])
    literal, _ = text.until("[")
    if literal or not name.startswith("["):
        steps.append(literal)
    while not text.at_end:
        text.expect("[")
        key, was_escaped = text.until("]")
        text.expect("]")
        if key.isascii() and key.isdigit() and not was_escaped:
            if len(key) > 9 or int(key) > MAX_INDEX:
                raise ItemError(f"{name!r}: the index {key[:20]} is over {MAX_INDEX}", FORM)
            steps.append(int(key))
        elif key or was_escaped:
            steps.append(key)
        else:
            steps.append(_APPEND)
        if len(steps) > MAX_DEPTH:
            raise ItemError(f"{name[:40]!r}...: deeper than {MAX_DEPTH} steps", FORM)
    return steps


class _Reader:
    """A name, read from left to right."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._name)

    def until(self, end: str) -> tuple[str, bool]:
        """What stands before the character `end`, and whether an escape was in it."""
        found: list[str] = []
        was_escaped = False
        while not self.at_end and self._name[self._at] != end:
            character = self._name[self._at]
            if character == "\\" and self._at + 1 < len(self._name):
                following = self._name[self._at + 1]
                if following in "[]\\" or (end == "]" and following.isdigit()):
                    was_escaped = True
                    self._at += 1
                    character = following
            elif character in "[]":
                self.wrong(f"a {character} that nothing opens or closes")
            found.append(character)
            self._at += 1
        return "".join(found), was_escaped

    def expect(self, character: str) -> None:
        if self._name[self._at : self._at + 1] != character:
            found = "the end" if self.at_end else repr(self._name[self._at])
            self.wrong(f"{character} is missing before {found}")
        self._at += 1

    def wrong(self, reason: str) -> None:
        raise ItemError(f"{self._name!r}: {reason} (character {self._at + 1})", FORM)


class JsonBuilder:
    """A JSON value that grows by `put`; `value` is what it is so far (an empty object in the beginning)."""

    def __init__(self) -> None:
        self._root: list[Json] = [None]
        self._is_set: set[int] = set()

    @property
    def value(self) -> Json:
        """What was put together."""
        return {} if self._root[0] is None else self._root[0]

    def put(self, name: str, value: Json) -> None:
        """Set what `name` is the path of. Raises ItemError if the path contradicts an earlier one."""
        steps = parse_path(name)
        place: Json = self._root
        key: Step = 0
        for number, step in enumerate(steps):
            below = place[key]
            wanted: type = dict if isinstance(step, str) else list
            if below is None:
                below = place[key] = wanted()
            elif type(below) is not wanted:
                self._conflict(name, steps[:number], below, wanted)
            if isinstance(step, Append):
                step = len(below)
            if isinstance(step, int):
                below.extend([None] * (step + 1 - len(below)))
            else:
                below.setdefault(step, None)
            place, key = below, step
        place[key] = value

    def _conflict(self, name: str, before: list[Step], found: Json, wanted: type) -> None:
        where = _written(before) or "the body"
        words: dict[type, str] = {dict: "an object", list: "a list"}
        raise ItemError(
            f"{name!r} wants {where} to be {words[wanted]}, but an earlier item made it "
            f"{words.get(type(found), 'a value')}",
            FORM,
        )


def _written(steps: list[Step]) -> str:
    shown = [f"[{'' if isinstance(step, Append) else step}]" for step in steps[1:]]
    return f"{steps[0] if steps else ''}{''.join(shown)}"
