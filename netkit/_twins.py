"""Twins: functions and classes that exist twice, in Python and in Rust, with the same results.

The Python function is the specification, and always exists. Functions that take much of the run time also
have a faster twin in Rust, in the extension module `netkit._rust`. This module chooses which of the two is
used. A module with such a function calls, once:

    apply_mask = _twins.choose("apply_mask", _apply_mask)

The Rust twin is used unless the extension module was not built, does not load, has another version, or
`NETKIT_PURE=1` is set. `reason` says which of these it was, for `netkit version`. The choice is made once, at
import.
"""

from __future__ import annotations

import os
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


def _load() -> tuple[ModuleType | None, str | None]:
    """The extension module, or why there is none."""
    if os.environ.get("NETKIT_PURE", "0") not in ("", "0"):
        return None, "NETKIT_PURE is set"
    try:
        from netkit import _rust
    except ImportError as error:
        return None, _why_absent(error)
    if __version__ != _rust.VERSION:
        return None, f"netkit._rust is of version {_rust.VERSION}, netkit of {__version__}"
    return _rust, None


def _why_absent(error: ImportError) -> str:
    """Why there is no extension module: the note of the build, else the error of the import."""
    try:
        from netkit._build_note import NO_RUST
    except ImportError:
        return f"not built ({error})"
    return f"built without it: {NO_RUST}"


rust, reason = _load()
#: Which of the twins is in use.
implementation: Literal["rust", "python"] = "python" if rust is None else "rust"
