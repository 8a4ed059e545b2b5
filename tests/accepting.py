"""accept(2) that fails, as the system's may: for tests of what a listener or a server makes of it."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterable
from typing import Any

import pytest


def failing_accept(monkeypatch: pytest.MonkeyPatch, codes: Iterable[int], *, last: int = 0) -> deque[int]:
    """Have accept(2) fail with each of `codes` in turn, and then accept again, or for ever fail with `last`.

    Returns the codes that are still to come.
    """
    accept, left = socket.socket._accept, deque(codes)  # type: ignore[attr-defined]  # noqa: SLF001

    def sometimes(sock: socket.socket) -> Any:
        code = left.popleft() if left else last
        if code:
            raise OSError(code, os.strerror(code))
        return accept(sock)

    monkeypatch.setattr(socket.socket, "_accept", sometimes)
    return left
