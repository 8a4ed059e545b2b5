"""All endpoints, in the order in which they are shown."""

from __future__ import annotations

from netkit.http.inspector.endpoints import (
    caching,
    compression,
    content,
    cookies,
    echo,
    login,
    redirects,
    statuses,
    streams,
    timing,
    wire,
)
from netkit.http.inspector.faults import bodies, endings, floods, framing, heads, http2

GROUPS = (
    echo.GROUP,
    wire.GROUP,
    statuses.GROUP,
    redirects.GROUP,
    cookies.GROUP,
    login.GROUP,
    caching.GROUP,
    content.GROUP,
    compression.GROUP,
    streams.GROUP,
    timing.GROUP,
    endings.GROUP,
    bodies.GROUP,
    framing.GROUP,
    heads.GROUP,
    floods.GROUP,
    http2.GROUP,
)

ENDPOINTS = tuple([endpoint for group in GROUPS for endpoint in group])
