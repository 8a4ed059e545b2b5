"""The files of --record and --replay: JSON Lines, the first about the connection, then one for each event.

    {"recording": "netkit ws", "version": 1, "url": "ws://...", "started_at": "...", "subprotocol": null}
    {"at_s": 0.004, "direction": "sent", "opcode": "text", "text": "hello"}
    {"at_s": 0.031, "direction": "received", "opcode": "binary", "data_b64": "AAE="}
    {"at_s": 1.2, "direction": "sent", "opcode": "close", "close_code": 1000, "reason": ""}

`at_s` counts from the first connection. Replaying sends what one direction has: its messages, pings and Close
frame. Pongs are not among them: each side answers the pings that it gets.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Literal

from netkit.cli.frame.inputs import BadInput
from netkit.cli.frame.output import b64, json_line, rfc3339
from netkit.cli.ws.sending import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
NAME = "netkit ws"

#: What stands where a connection follows another one (--reconnect).
AGAIN = "connected again"

#: The longest line of a recording that is read, in characters.
MAX_LINE = 512 * 1024 * 1024


class Recorder:
    """Writes a recording, each line when it happens."""

    def __init__(self, path: str) -> None:
        """Open and truncate the file, which only its owner may read: it may hold secrets. Raises OSError."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: IO[str] = open(fd, "w", encoding="utf-8")  # noqa: SIM115 - close() closes it
        self._begun: float | None = None

    def connected(self, url: str, subprotocol: str | None) -> None:
        """The connection is open: the first line, or one more after it was lost."""
        from datetime import UTC, datetime

        row: dict[str, Any] = {"recording": NAME, "version": VERSION, "url": url}
        row |= {"started_at": rfc3339(datetime.now(UTC)), "subprotocol": subprotocol}
        if self._begun is None:
            self._begun = monotonic()
        else:
            row = {"at_s": monotonic() - self._begun, "opcode": AGAIN}
        self._write(row)

    def write(self, direction: Literal["sent", "received"], opcode: str, **fields: Any) -> None:
        """Something was sent or received."""
        at = 0.0 if self._begun is None else monotonic() - self._begun
        self._write({"at_s": at, "direction": direction, "opcode": opcode, **fields})

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(f"{json_line(row)}\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def payload_fields(payload: str | bytes) -> dict[str, str]:
    """A payload as a row has it: `text`, or `data_b64`."""
    return {"text": payload} if isinstance(payload, str) else {"data_b64": b64(payload)}


def read_recording(path: str, direction: Literal["sent", "received"] = "sent") -> Iterator[Outgoing]:
    """What one direction of a recording has, in order. Raises OSError, and BadInput with the line.

    That it is a recording is seen at once; a wrong line when it is reached.
    """
    file = open(path, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - `_rest` closes it
    try:
        _check_first(path, file.readline(MAX_LINE))
    except BaseException:
        file.close()
        raise
    return _rest(file, path, direction)


def _rest(file: IO[str], path: str, direction: str) -> Iterator[Outgoing]:
    ending: Outgoing | None = None
    with file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), 2):
            where = f"{path}, line {number}"
            row = _row(line, where)
            if row.get("opcode") == AGAIN:
                ending = None  # the next connection goes on with it, and a replay has only one
            elif row.get("direction") == direction and row.get("opcode") != "pong":
                if ending is not None:
                    yield ending
                item = _outgoing(row, where)
                ending = item if item.kind == "close" else None
                if ending is None:
                    yield item
    if ending is not None:
        yield ending


def _check_first(path: str, line: str) -> None:
    hint = "--record FILE writes one"
    row = _row(line, f"{path}, line 1", hint)
    if row.get("recording") != NAME:
        raise BadInput(f"{path} is no recording of netkit ws", None, hint)
    if row.get("version") != VERSION:
        raise BadInput(f"{path} has version {row.get('version')!r}, and not {VERSION}", None, None)


def _row(line: str, where: str, hint: str | None = None) -> dict[str, Any]:
    from json import loads

    try:
        row = loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise BadInput(f"{where} is not an object of JSON", None, hint)
    return row


def _outgoing(row: dict[str, Any], where: str) -> Outgoing:
    at, opcode = row.get("at_s"), row.get("opcode")
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at < 1e9:
        raise BadInput(f"{where}: at_s is no time", None, None)
    if opcode == "close":
        code, reason = row.get("close_code"), row.get("reason", "")
        if not isinstance(code, int) or not isinstance(reason, str):
            raise BadInput(f"{where}: a Close frame has close_code and reason", None, None)
        return Outgoing("close", code=None if code == 1005 else code, reason=reason, at=at)
    text = row.get("text")
    if opcode == "text" and isinstance(text, str):
        return Outgoing("message", text, at=at)
    data = row.get("data_b64")
    if opcode in ("binary", "ping") and isinstance(data, str):
        return Outgoing("ping" if opcode == "ping" else "message", _octets(data, where), at=at)
    raise BadInput(f"{where}: {opcode!r} with its text or data_b64 is missing", None, None)


def _octets(text: str, where: str) -> bytes:
    from base64 import b64decode
    from binascii import Error

    try:
        return b64decode(text, validate=True)
    except (Error, ValueError):
        raise BadInput(f"{where}: data_b64 is no base64", None, None) from None
