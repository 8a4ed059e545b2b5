"""JSON Schemas (2020-12) made from the TypedDicts that views return, and from nothing else.

    class Answer(TypedDict):
        ttl_s: Annotated[int, "How long the record may be kept"]
        note: NotRequired[str]

A key may be absent only if it is `NotRequired`, and every key must be declared. So a test that validates real
output against the schema finds missing keys and unknown ones. The keys that the frame adds to every row
(`type`, `input`, `error`) are added here to every schema.
"""

from __future__ import annotations

import types
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict as is_typed_dict,
)

from netkit.cli.frame.exits import ErrorObject
from netkit.cli.frame.fields import Cases, Format, Pattern

if TYPE_CHECKING:
    from netkit.cli.frame.view import View

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}
_INPUT = "The input as it was given; null if the row is not about one input"
_ERROR = "Why the input failed; absent if it did not fail"


def view_schema(view: View[Any], title: str) -> Schema:
    """The schema of every line that a command with this view writes with `--json`."""
    made = _Maker()
    error = made.typed_dict(ErrorObject)
    frame: Schema = {"type": {"const": view.type}}
    if view.has_input:
        frame["input"] = {"type": ["string", "null"], "description": _INPUT}
    rows = [made.typed_dict(row, frame, error) for row in _members(view.schema)]
    besides = {} if view.failed_schema is None else made.properties(view.failed_schema)
    failed: Schema = {
        "type": "object",
        "description": "An input that has no result",
        "properties": {
            **frame,
            **besides,
            "error": {**error, "description": _ERROR},
        },
        "required": [*frame, "error"],
        "additionalProperties": False,
    }
    return {
        "$schema": DIALECT,
        "title": title,
        "description": f"One line of the output of `{title} --json`",
        "anyOf": [*rows, failed],
        "$defs": made.definitions,
    }


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if _is_union(annotation) else (annotation,)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _is_required(declared: Any, key: str, hint: Any) -> bool:
    """Whether a key must be there. `__required_keys__` respects `total=False`, but not a `NotRequired` in
    annotations that are strings, and annotations are strings in every module here."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    marker = get_origin(hint)
    return marker is Required or (marker is not NotRequired and key in declared.__required_keys__)


class _Maker:
    """Makes schemas from annotations, and collects the definitions that they refer to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def of(self, annotation: Any) -> Schema:
        """The schema of one annotation."""
        if annotation in _SCALARS:
            return dict(_SCALARS[annotation])
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin in (Required, NotRequired):
            return self.of(arguments[0])
        if origin is Annotated:
            return self._annotated(arguments[0], arguments[1:])
        if origin is Literal:
            return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
        if _is_union(annotation):
            return self._union(arguments)
        if origin is list or getattr(origin, "__name__", "") == "Sequence":
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict or getattr(origin, "__name__", "") == "Mapping":
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if is_typed_dict(annotation):
            return self.typed_dict(annotation)
        raise TypeError(f"no JSON Schema for {annotation!r}: use TypedDicts, lists and JSON's own types")

    def _annotated(self, inner: Any, notes: tuple[Any, ...]) -> Schema:
        schema = self.of(inner)
        for note in notes:
            if isinstance(note, Pattern):
                schema["pattern"] = str(note)
            elif isinstance(note, Format):
                schema["format"] = str(note)
            elif isinstance(note, Cases):
                self.definitions.setdefault(note.name, {"anyOf": note.make()})
                schema = {"allOf": [schema, {"$ref": f"#/$defs/{note.name}"}]}
            elif isinstance(note, str):
                schema["description"] = note
        return schema

    def _union(self, members: tuple[Any, ...]) -> Schema:
        schemas = [self.of(member) for member in members]
        if all(set(schema) == {"type"} and isinstance(schema["type"], str) for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}

    def typed_dict(self, declared: Any, frame: Schema | None = None, error: Schema | None = None) -> Schema:
        """A reference to the definition of a TypedDict; for a row, with the keys that the frame adds."""
        name = declared.__name__.lstrip("_")
        if name not in self.definitions:
            self.definitions[name] = {}  # entered before its fields, which may refer to it
            hints = get_type_hints(declared, include_extras=True)
            required = [key for key, hint in hints.items() if _is_required(declared, key, hint)]
            properties = self.properties(declared)
            if frame is not None:
                for key in sorted({*frame, "error"} & properties.keys()):
                    raise TypeError(f"{declared.__name__} declares `{key}`, which every row has")
                properties = {**frame, **properties}
                required = [*frame, *required]
            if error is not None:
                properties["error"] = {**error, "description": _ERROR}
            definition: Schema = {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            }
            text = (declared.__doc__ or "").partition("\n\n")[0]
            if text:
                definition = {"description": " ".join(text.split()).rstrip("."), **definition}
            self.definitions[name] = definition
        return {"$ref": f"#/$defs/{name}"}

    def properties(self, declared: Any) -> dict[str, Schema]:
        """The schema of each key of a TypedDict."""
        hints = get_type_hints(declared, include_extras=True)
        return {key: self._field(key, hint) for key, hint in hints.items()}

    def _field(self, key: str, annotation: Any) -> Schema:
        schema = self.of(annotation)
        if key.endswith("_b64"):
            schema.setdefault("contentEncoding", "base64")
        return schema
