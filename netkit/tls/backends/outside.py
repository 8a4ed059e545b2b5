"""The settings of TLS that are not in a `TlsConfig`, because a process can change them at any time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netkit.tls.config import TlsConfig


class Outside(NamedTuple):
    """Where the system's roots are, None if they do not matter, and the key log."""

    trust: tuple[str | None, str | None] | None
    key_log: str | None


def settings_outside(config: TlsConfig) -> Outside:
    """The places of the system's roots, if they are trusted, and of the key log."""
    system = config.trusts_system
    trust = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if system else None
    return Outside(trust, config.key_log or os.environ.get("SSLKEYLOGFILE"))
