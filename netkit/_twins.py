"""Twins: functions and classes that exist twice, in Python and in Rust, with the same results.

The Python function is the specification, and always exists. Functions that take much of the run time also
have a faster twin in Rust, in the extension module `netkit._rust`. This module chooses which of the two is
used. A module with such a function calls, once:

    apply_mask = _twins.choose("apply_mask", _apply_mask)

The Rust twin is used unless the extension module was not built, does not load, has another version, or
`NETKIT_PURE=1` is set. `reason` says which of these it was, for `netkit version`. The choice is made once, at
import.

Other extension modules of netkit, which are no twins, are loaded by the same rules: see `netkit._native`.
"""

from __future__ import annotations

from typing import Literal, TypeVar

from netkit._native import native

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


rust, reason = native("_rust")
#: Which of the twins is in use.
implementation: Literal["rust", "python"] = "python" if rust is None else "rust"
