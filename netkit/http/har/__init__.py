"""Exchanges as an HTTP Archive (HAR 1.2): `archive` makes one of every `HarExchange`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.http.har.exchanges import (
        REDACTED as REDACTED,
        HarExchange as HarExchange,
        archive as archive,
        is_text as is_text,
    )

__getattr__, __dir__, __all__ = lazy(__name__, {"exchanges": "HarExchange REDACTED archive is_text"})
