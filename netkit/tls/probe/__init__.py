"""Probe a TLS server: `probe`, `probe_async` and `probe_flow`, what they are asked, and what they report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.tls.probe.probing import (
        probe as probe,
        probe_async as probe_async,
        probe_flow as probe_flow,
    )
    from netkit.tls.probe.report import ProbeOptions as ProbeOptions, ProbeReport as ProbeReport

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {"probing": "probe probe_async probe_flow", "report": "ProbeOptions ProbeReport"},
)
