"""Extension modules of netkit, which a machine may not have: `native("_h2")` is one, or why it is absent."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from netkit._version import __version__

if TYPE_CHECKING:
    from types import ModuleType


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
