"""`Fields`: the base of the values in this room, whose fields are their annotations.

In place of the `dataclasses` module, whose classes take half a millisecond each to make: the forty of this
room would cost more than all else that a server loads to read a hello.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from netkit._value import Value


@dataclass_transform(frozen_default=True)
class Fields(Value):
    """An immutable value; a class attribute of the name of a field is its default.

    Fields in `UNCOMPARED` are left out when two values are compared.
    """

    UNCOMPARED: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        own = [name for name, kind in cls.__annotations__.items() if not kind.startswith("ClassVar")]
        cls.__match_args__ = (*cls.__match_args__, *own)  # type: ignore[misc]  # it knows that of dataclasses

    if not TYPE_CHECKING:  # a type checker makes the constructor of each class from its fields

        def __init__(self, *given: Any, **named: Any) -> None:
            cls, names = type(self), self.__match_args__
            if len(given) > len(names):
                raise TypeError(f"{cls.__qualname__} takes {len(names)} arguments, not {len(given)}")
            fields = self.__dict__
            fields.update(zip(names, given, strict=False))
            for name, value in named.items():
                if name not in names or name in fields:
                    raise TypeError(f"{cls.__qualname__} has no argument {name!r}, or is given it twice")
                fields[name] = value
            if len(fields) < len(names):
                for name in names:
                    if name not in fields:
                        try:
                            fields[name] = getattr(cls, name)
                        except AttributeError:
                            raise TypeError(f"{cls.__qualname__} needs {name!r}") from None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self).__qualname__, self._compared()))

    def _compared(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__ if name not in self.UNCOMPARED])
