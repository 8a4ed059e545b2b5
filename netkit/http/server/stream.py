"""The body of a request that a handler reads while it comes."""

from __future__ import annotations


class RequestStream:
    """The pieces of a body, blocking or awaited."""
