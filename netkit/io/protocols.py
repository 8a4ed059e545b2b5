"""Protocols of stream-like objects: reading and writing, blocking and async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from netkit.io.token import CancellationToken

#: Anything that can be sent: an object with a contiguous buffer.
Buffer: TypeAlias = "bytes | bytearray | memoryview"


@runtime_checkable
class Read(Protocol):
    """Bytes come out, blocking."""

    def read(
        self, size: int = 65536, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """Up to `size` bytes, as soon as there are any; `b""` at the end of the stream."""


@runtime_checkable
class Write(Protocol):
    """Bytes go in, blocking."""

    def write(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send as much of `data` as goes with at most one wait. Returns the number of bytes sent."""

    def write_all(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send all of `data`."""


@runtime_checkable
class AsyncRead(Protocol):
    """Bytes come out, awaited."""

    async def read_async(
        self, size: int = 65536, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """Up to `size` bytes, as soon as there are any; `b""` at the end of the stream."""


@runtime_checkable
class AsyncWrite(Protocol):
    """Bytes go in, awaited."""

    async def write_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send as much of `data` as goes with at most one wait. Returns the number of bytes sent."""

    async def write_all_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send all of `data`."""
