"""What is remembered of a download that is not complete, as JSON: of which file, and what of it is there.

No file and no clock. What is read is checked, for anything may have written it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from netkit.http.client.download_plan import MAX_PARTS, MAX_POSITION, Entity, Part

#: The longest state that is read, in octets.
MAX_STATE: Final = 262_144


class State(NamedTuple):
    """What is kept beside a file that is not complete.

    `parts` is None for a file that is received from its beginning: its size says how much is there.
    """

    place: str
    entity: Entity
    parts: tuple[Part, ...] | None

    def encode(self) -> bytes:
        """The state as JSON."""
        import json

        entity = self.entity
        text = json.dumps(
            {
                "netkit-part": 1,
                "url": self.place,
                "etag": entity.etag,
                "modified": entity.modified,
                "total": entity.total,
                "coding": entity.coding,
                "parts": None
                if self.parts is None
                else [[part.first, part.last, part.done] for part in self.parts],
            }
        )
        return text.encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> State:
        """The state in `data`, checked. Raises ValueError if it is none."""
        if len(data) > MAX_STATE:
            raise ValueError(f"it is longer than {MAX_STATE} octets")
        import json

        try:
            found = json.loads(data)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        if not isinstance(found, dict) or found.get("netkit-part") != 1:
            raise ValueError("it is of no known version")
        place, total = found.get("url"), _optional_position(found.get("total"))
        if not isinstance(place, str):
            raise ValueError("it names no URL")
        entity = Entity(
            _optional_field(found.get("etag")),
            _optional_field(found.get("modified")),
            total,
            _optional_field(found.get("coding")),
        )
        parts = found.get("parts")
        return cls(place, entity, None if parts is None else _parts(parts, total))


def _optional_field(value: object) -> str | None:
    """Text that goes into a field again: no control characters."""
    if value is None:
        return None
    if not isinstance(value, str) or any(not " " <= char <= "\xff" or char == "\x7f" for char in value):
        raise ValueError("a field's value is wrong")
    return value


def _optional_position(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_POSITION:
        raise ValueError("a position is wrong")
    return value


def _parts(value: object, total: int | None) -> tuple[Part, ...]:
    """The parts: each octet of the file in exactly one of them."""
    if not isinstance(value, list) or total is None or len(value) > MAX_PARTS:
        raise ValueError("its parts are wrong")
    parts: list[Part] = []
    at = 0
    for each in value:
        if not isinstance(each, list) or len(each) != 3:
            raise ValueError("a part is wrong")
        first, last, done = (_optional_position(number) for number in each)
        if first is None or last is None or done is None or first != at or last < first:
            raise ValueError("its parts do not follow each other")
        if done > last + 1 - first:
            raise ValueError("a part has more than all of it")
        parts.append(Part(first, last, done))
        at = last + 1
    if at != total:
        raise ValueError("its parts are not the whole")
    return tuple(parts)
