"""Public names of a package, loaded when they are first used (PEP 562).

Importing `netkit.dns` must not import all of DNS, because that takes time. So a package lists the names of
each module, and a module is imported when one of its names is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def lazy(
    package: str, names: dict[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` for `package`: `names` maps a module to its names.

    A module is named relative to the package; one of another package is named in full (`"netkit.serve"`).
    """
    homes = {
        name: module if module.startswith("netkit.") else f"{package}.{module}"
        for module, listed in names.items()
        for name in listed.split()
    }
    public = sorted(homes)

    def __getattr__(name: str) -> Any:  # noqa: N807
        try:
            home = homes[name]
        except KeyError:
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
        value = getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)  # the next use finds it without this function
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *public})

    return __getattr__, __dir__, public
