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
    timing,
)

GROUPS = (
    echo.GROUP,
    statuses.GROUP,
    redirects.GROUP,
    cookies.GROUP,
    login.GROUP,
    caching.GROUP,
    content.GROUP,
    compression.GROUP,
    timing.GROUP,
)

ENDPOINTS = tuple([endpoint for group in GROUPS for endpoint in group])
