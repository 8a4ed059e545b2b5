"""The mode of `netkit ws server --stdio`: lines of standard input go to all clients, and theirs to standard
output.

A line is read when every client has taken the one before, and while there is a client: what is piped into the
server waits for the first one, and goes no faster than the slowest one reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.inputs import BadInput
from netkit.cli.frame.messages import visible
from netkit.cli.payload.hexdump import dump_rows
from netkit.cli.ws.sending import Piped
from netkit.io import Event, all_of
from netkit.websocket.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from netkit.cli.frame.command import Run
    from netkit.cli.payload.ws.session import Session
    from netkit.io import Flow


class Stdio:
    """Has standard input and output talk to every client.

    A text is written with a newline behind it, octets as they are; a terminal gets escapes and a hexadecimal
    dump, with the number of the connection. With --json nothing is written: --events has the messages.
    """

    is_private = True

    def __init__(self, run: Run[Any]) -> None:
        self._run = run
        self._source = Piped(run.env, "lines", binary=True)
        self._sessions: dict[Session, None] = {}
        self._came = Event()

    def talk_flow(self, session: Session) -> Flow[None]:
        """Flow: serve one connection."""
        self._sessions[session] = None
        self._came.set()
        try:
            while True:
                message = yield from session.receive_flow()
                self._write(session, message)
        finally:
            self._sessions.pop(session, None)

    def reading_flow(self) -> Flow[None]:
        """Flow: send each line to all who are there, to the end of standard input."""
        while True:
            while not self._sessions:
                self._came.clear()
                yield from self._came.wait()
            try:
                line = yield from self._source.next_flow()
            except BadInput as error:
                self._run.env.report(self._run.doing, self._run.explain(error))
                return
            if line is None:
                return
            assert isinstance(line.payload, bytes)
            message = _message(line.payload)
            yield from all_of([_send_flow(session, message) for session in list(self._sessions)])

    def _write(self, session: Session, message: str | bytes) -> None:
        env = self._run.env
        if env.mode == "json":
            return
        if env.writes_to_terminal:
            mark = f"{session.number}< "
            indent = " " * len(mark)
            env.write_lines(f"{indent if at else mark}{line}" for at, line in enumerate(_lines(message)))
        else:
            env.write_bytes(message if isinstance(message, bytes) else f"{message}\n".encode())
        env.flush()


def _message(line: bytes) -> str | bytes:
    """A text, or octets where it is none, as --exec has it."""
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        return line


def _lines(message: str | bytes) -> Iterator[str]:
    if isinstance(message, str):
        for line in message.split("\n"):
            yield visible(line.removesuffix("\r"), tabs=True)
    elif message:
        yield from dump_rows(message)
    else:
        yield "(no octets)"


def _send_flow(session: Session, message: str | bytes) -> Flow[None]:
    try:
        yield from session.send_flow(message)
    except (WebSocketError, OSError):
        pass  # it has gone, and the flow that receives from it is told
