"""Twins: functions and classes that exist twice, in Python and in Rust, with the same results.

The Python function is the specification, and always exists. Functions that take much of the run time also
have a faster twin in Rust, in the extension module `netkit._rust`. This module chooses which of the two is
used. A module with such a function calls, once:

    apply_mask = _twins.choose("apply_mask", _apply_mask)

The Rust twin is used unless the extension module was not built, does not load, has another version, or
`NETKIT_PURE=1` is set. `reason` says which of these it was, for `netkit version`. The choice is made once, at
import.

Other extension modules of netkit, which are no twins, are loaded by the same rules, when they are needed:
`native("_h2")`.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeVar

from netkit._version import __version__

if TYPE_CHECKING:
    from types import ModuleType

_F = TypeVar("_F")

#: The Python function for each name given to `choose`. Tests run both functions of a pair.
python_functions: dict[str, object] = {}


def choose(name: str, python: _F) -> _F:
    """The implementation to use for one function or class.

    Args:
        name: the name of the twin in `netkit._rust`.
        python: the Python implementation.

    Returns:
        The Rust twin, or `python` if Rust is not in use.

    Raises:
        AttributeError: the extension module is older than this source tree. Build it again.
    """
    python_functions[name] = python
    if rust is None:
        return python
    twin: _F = getattr(rust, name)
    return twin


def native(name: str) -> tuple[ModuleType | None, str | None]:
    """An extension module of netkit by its name in the package, or None and why it is not used."""
    if os.environ.get("NETKIT_PURE", "0") not in ("", "0"):
        return None, "NETKIT_PURE is set"
    try:
        module = import_module(f"netkit.{name}")
    except ImportError as error:
        return None, _why_absent(name, error)
    if __version__ != module.VERSION:
        return None, f"netkit.{name} is of version {module.VERSION}, netkit of {__version__}"
    return module, None


def _why_absent(name: str, error: ImportError) -> str:
    """Why there is no such extension module: the note of the build, else the error of the import."""
    try:
        from netkit._build_note import ABSENT
    except ImportError:
        ABSENT = {}  # noqa: N806
    why = ABSENT.get(f"netkit.{name}")
    return f"not built ({error})" if why is None else f"built without it: {why}"


rust, reason = native("_rust")
#: Which of the twins is in use.
implementation: Literal["rust", "python"] = "python" if rust is None else "rust"
