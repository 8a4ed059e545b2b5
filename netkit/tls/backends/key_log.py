"""The key log (SSLKEYLOGFILE): secrets of connections, appended to a file that nobody else may read."""

from __future__ import annotations

import os

from netkit.tls.errors import TlsError


def append(path: str, lines: bytes) -> None:
    """Append whole lines at once. Raises `TlsError.UnusableFile`.

    The file is opened for each call: it may be moved away at any time, and no other writer cuts a line.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, lines)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: str, error: OSError) -> TlsError:
    """The error for a key log that cannot be written."""
    hint = "the key log (SSLKEYLOGFILE) needs a folder that is there and can be written to"
    return TlsError.UnusableFile(path, error.strerror or str(error), hint=hint)
