"""Which implementation of a hot function is in use: the Python one, or its Rust twin in `netkit._rust`.

The Python function is the specification and always there. A module whose function has a twin says so once:

    apply_mask = _twins.choose("apply_mask", _apply_mask)

The twin is used unless it was not built, does not load, is of another version, or `NETKIT_PURE=1` is set;
`reason` then says which of these it was, for `netkit version`. The decision is made once, on import, and
costs next to nothing there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeVar

from netkit._version import __version__

if TYPE_CHECKING:
    from types import ModuleType

_F = TypeVar("_F")

#: The Python function under each name that `choose` was asked for. Tests run both of a pair.
python_functions: dict[str, object] = {}


def choose(name: str, python: _F) -> _F:
    """The implementation to use for one function or class.

    Args:
        name: what the twin is called in `netkit._rust`.
        python: the Python implementation.

    Returns:
        The twin, or `python` where Rust is not in use.

    Raises:
        AttributeError: the extension module is older than this source tree; build it again.
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
    """Why there is no extension module: what the build noted, else what the import said."""
    try:
        from netkit._build_note import NO_RUST
    except ImportError:
        return f"not built ({error})"
    return f"built without it: {NO_RUST}"


rust, reason = _load()
#: What the functions that have twins are made of.
implementation: Literal["rust", "python"] = "python" if rust is None else "rust"
