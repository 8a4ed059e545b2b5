"""Servers that several modules of these tests share."""

from __future__ import annotations

from tests.interop.dns_tree import tree

__all__ = ["tree"]
