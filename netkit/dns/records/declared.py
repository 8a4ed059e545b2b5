"""How a class with fields becomes a class of records: slots, the order of its arguments, its layout.

`WithFields` takes the `Field`s out of a class's body, gives them slots, and notes them in `FIELDS`. Of its
kind are `Declared`, the metaclass of `DnsRecord`, and that of the EDNS options. This stands in place of the
`dataclasses` module, whose import costs more time than all that a lookup of an address loads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit.dns.constants import DnsClass
from netkit.dns.records.fields import Field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from inspect import Signature

    from netkit.dns.records.fields import Schema


class WithFields(type):
    """Makes classes from the fields that are declared in them: slots take the place of the fields."""

    #: The fields in their order.
    FIELDS: tuple[Field[Any, Any], ...] = ()
    #: What a constructor takes before the fields, and behind them.
    BEFORE: ClassVar[tuple[str, ...]] = ()
    BEHIND: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:
        __match_args__: tuple[str, ...]

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        init: bool = True,  # noqa: ARG004 - off where a class has its base's constructor, for mypy to know
    ) -> WithFields:
        fields = {key: value for key, value in namespace.items() if isinstance(value, Field)}
        if fields:
            namespace = {key: value for key, value in namespace.items() if key not in fields}
            namespace.setdefault("__match_args__", (*mcs.BEFORE, *fields, *mcs.BEHIND))
            namespace["FIELDS"] = tuple(fields.values())
            namespace["__slots__"] = tuple(fields)
        namespace.setdefault("__slots__", ())
        made = super().__new__(mcs, name, bases, namespace)
        for key, field in fields.items():
            slot = made.__dict__[key]
            field.bind(key)
            field.get, field.put = slot.__get__, slot.__set__
        return made

    def __init__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        init: bool = True,  # noqa: ARG002
    ) -> None:
        super().__init__(name, bases, namespace)


class Declared(WithFields):
    """Makes the classes of records; the fields are those of the RDATA."""

    BEFORE = ("name", "ttl")
    BEHIND = ("rdclass",)

    @property
    def __signature__(cls) -> Signature:
        """The constructor's arguments, for `help`."""
        from inspect import Parameter, Signature

        fields = {field.name: field for field in cls.FIELDS}
        parameters = []
        for name in cls.__match_args__:
            default: object = Parameter.empty
            if name in cls.BEHIND:
                default = DnsClass.IN
            elif name in fields and fields[name].optional:
                default = fields[name].default
            parameters.append(Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default))
        return Signature(parameters)


def arguments_of(cls: Declared, given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """The constructor's arguments in the order of `__match_args__`, with defaults for those left out.

    Raises TypeError, as a call of any function does.
    """
    order, what = cls.__match_args__, cls.__qualname__
    if len(given) > len(order):
        raise TypeError(f"{what} takes {len(order)} arguments, not {len(given)}")
    values = dict(zip(order, given, strict=False))
    for name, value in named.items():
        if name not in order:
            raise TypeError(f"{what} has no argument {name!r}")
        if name in values:
            raise TypeError(f"{what} is given {name!r} twice")
        values[name] = value
    values.setdefault("rdclass", DnsClass.IN)
    for field in cls.FIELDS:
        if field.optional:
            values.setdefault(field.name, field.default)
    missing = [name for name in order if name not in values]
    if missing:
        raise TypeError(f"{what} needs {', '.join(missing)}")
    return tuple([values[name] for name in order])


def layout_of(cls: Declared) -> str | None:
    """One letter for each field, or None where one of them has none."""
    letters = [field.layout or "" for field in cls.FIELDS]
    return "".join(letters) if letters and all(letters) else None


def json_schema_of(cls: WithFields) -> Schema:
    """The JSON Schema of the fields."""
    properties: Schema = {}
    for field in cls.FIELDS:
        schema = {**field.schema}
        if field.about:
            schema["description"] = field.about
        properties[field.key] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
