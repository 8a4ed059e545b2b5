"""`netkit ws client` at a terminal, with prompt_toolkit and with Python's own readline."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pexpect
import pytest

from netkit.cli.ws.editing import MAX_HISTORY, HistoryFile
from netkit.websocket import WebSocketProtocol
from tests.cli.helpers import ROOT, netkit_argv, process_environment
from tests.cli.ws_servers import Peer, Server, played, ws_server
from tests.waiting import until

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform == "win32", reason="terminals"),
]

if sys.platform != "win32":
    import termios

#: What makes prompt_toolkit one that is not installed.
ABSENT = 'raise ModuleNotFoundError("No module named prompt_toolkit", name="prompt_toolkit")\n'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with ws_server() as server:
        yield server


class Terminal:
    """A client at a terminal."""

    def __init__(self, home: Path, editor: str, *args: str) -> None:
        path = str(ROOT)
        if editor == "readline":
            (home / "without" / "prompt_toolkit").mkdir(parents=True, exist_ok=True)
            (home / "without" / "prompt_toolkit" / "__init__.py").write_text(ABSENT)
            path = f"{home / 'without'}:{path}"
        environment = process_environment(
            PYTHONPATH=path,
            HOME=str(home),
            XDG_STATE_HOME=str(home / "state"),
            TERM="xterm",
            PROMPT_TOOLKIT_NO_CPR="1",  # nobody here would say where the cursor is
        )
        argv = netkit_argv("ws", "client", *args)
        self.child: Any = pexpect.spawn(
            argv[0], argv[1:], env=environment, encoding="utf-8", timeout=20, dimensions=(40, 100)
        )
        self.child.delaybeforesend = None

    def see(self, words: str) -> str:
        """Wait for words; what stood before them."""
        self.child.expect_exact(words)
        return str(self.child.before)

    def ready(self) -> None:
        """Wait for the prompt."""
        self.see("/help shows")
        self.see(">")

    def line(self, text: str) -> None:
        self.child.send(f"{text}\r")

    def end_of_input(self) -> None:
        """Ctrl-D at the next prompt, and the end. Between two prompts the key would be the terminal's."""
        self.see(">")
        self.child.send("\x04")
        assert self.ends() == 0
        assert not self.child.before.strip(" ").startswith("closed"), "not behind the prompt"

    def ends(self) -> int:
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus)


@pytest.fixture(params=["prompt_toolkit", "readline"])
def editor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_messages_and_commands(server: Server, tmp_path: Path, editor: str) -> None:
    server.handler.forget()
    (tmp_path / "file").write_bytes(b"\0\x01ABC")
    at = Terminal(tmp_path, editor, server.url())
    at.see("connected to 127.0.0.1")
    at.ready()
    at.line("hello")
    at.see("< hello")
    at.line('{"a":[1.50]}')
    at.see("1.50")
    at.line("//slash")
    at.see("< /slash")
    at.line("/ping")
    at.see("pong after")
    at.line("/binary 00ff 41")
    at.see("|..A|")
    at.line(f"/file {tmp_path / 'file'}")
    at.see("|..ABC|")
    at.line("/file /no/such")
    at.see("no such file")
    at.line("/binary 0")
    at.see("write octets in hexadecimal")
    at.line("/pong")
    at.see("did you mean ping?")
    at.line("/help")
    at.see("Ctrl-D closes with 1000")
    at.line("/close 4321 enough of it")
    assert at.ends() == 0
    until(lambda: server.handler.closes)
    assert server.handler.closes == [(4321, "enough of it")]
    assert server.handler.heard == ["hello", '{"a":[1.50]}', "/slash", b"\0\xffA", b"\0\x01ABC"]
    kept = (tmp_path / "state" / "netkit" / "ws_history").read_text().splitlines()
    assert kept[:2] == ["hello", '{"a":[1.50]}']


def test_the_history_comes_back(server: Server, tmp_path: Path, editor: str) -> None:
    history = HistoryFile(str(tmp_path / "state" / "netkit" / "ws_history"))
    history.add("asked before")
    at = Terminal(tmp_path, editor, server.url())
    at.ready()
    at.child.send("\x1b[A")
    at.see("asked before")
    at.child.send("\r")
    at.see("< asked before")
    at.end_of_input()


def test_what_a_server_sends_cannot_drive_the_terminal(server: Server, tmp_path: Path, editor: str) -> None:
    at = Terminal(tmp_path, editor, server.url("/evil"))
    seen = at.see("line two\\u202e")
    assert "\\x1b]0;title\\x07red\\x9b31m" in seen and "\x1b]0;" not in seen
    at.end_of_input()


def test_keys_between_two_lines_are_for_the_next(tmp_path: Path, editor: str) -> None:
    """The server answers the first line when the second and Ctrl-D are typed; no line is read before that."""
    heard: list[bytes] = []

    def serve(peer: Peer) -> None:
        while data := peer.heard():
            heard.append(data)
            if len(heard) == 1:
                at.child.send("two\r\x04")
            if data[:1] == b"\x88":
                peer.raw(b"\x88\x02\x03\xe8")
                return

    with played(serve) as url:
        at = Terminal(tmp_path, editor, "--no-compress", url)
        at.ready()
        at.line("one")
        assert at.ends() == 0
    frames = list(WebSocketProtocol.server().feed(b"".join(heard)))
    assert [payload for _, payload in frames[:2]] == ["one", "two"]


def test_what_comes_after_ctrl_d_is_not_shown(tmp_path: Path, editor: str) -> None:
    """And a server that does not close is not waited for without a word."""

    def serve(peer: Peer) -> None:
        peer.heard()
        peer.raw(b"\x81\x04late" * 10)
        with suppress(OSError):
            while peer.heard():
                pass

    with played(serve) as url:
        at = Terminal(tmp_path, editor, url)
        at.ready()
        at.child.send("\x04")
        seen = at.see("waiting for the server to close too")
        assert "late" not in seen
        at.child.send("\x03")
        assert at.ends() == 130


def test_an_empty_message_is_shown(tmp_path: Path) -> None:
    def serve(peer: Peer) -> None:
        peer.raw(b"\x82\x00\x81\x00\x81\x01x\x88\x02\x03\xe8")
        peer.heard()

    with played(serve) as url:
        at = Terminal(tmp_path, "prompt_toolkit", url)
        at.see("< (no octets)")
        at.see("< \r\n")
        at.see("< x")
        at.see("closed with 1000")
        assert at.ends() == 0


def test_what_was_typed_stays_when_the_connection_is_lost(tmp_path: Path, editor: str) -> None:
    asked = threading.Event()

    def serve(peer: Peer) -> None:
        peer.heard()
        asked.wait(20)

    with played(serve) as url:
        at = Terminal(tmp_path, editor, "--ping-interval", "0", url)
        at.ready()
        at.line("a")
        at.see(">")
        at.child.send("half a li")
        at.see("half a li")
        asked.set()
        at.see("the server ended the connection without a Close frame (1006)")
        assert "\r\n" in at.child.before and "\r\x1b[K" not in at.child.before
        assert at.ends() == 4


def test_a_dead_server_at_a_terminal(tmp_path: Path, editor: str) -> None:
    is_over = threading.Event()

    def serve(peer: Peer) -> None:
        is_over.wait(20)

    with played(serve) as url:
        at = Terminal(tmp_path, editor, "--ping-interval", "0.2", url)
        at.see("timed out while waiting for the answer to a ping")
        assert at.ends() == 7
        is_over.set()


def test_the_terminal_is_left_as_it_was(server: Server, tmp_path: Path, editor: str) -> None:
    at = Terminal(tmp_path, editor, server.url())
    before = termios.tcgetattr(at.child.child_fd)
    at.ready()
    at.line("a")
    at.see("< a")
    assert termios.tcgetattr(at.child.child_fd) != before
    at.line("/close")
    at.see("closed")
    until(lambda: termios.tcgetattr(at.child.child_fd) == before)
    assert at.ends() == 0


@pytest.mark.parametrize("how", ["key", "signal"])
def test_ctrl_c(server: Server, tmp_path: Path, editor: str, how: str) -> None:
    server.handler.forget()
    at = Terminal(tmp_path, editor, server.url())
    at.ready()
    if how == "key":
        at.child.send("\x03")
    else:
        at.child.kill(signal.SIGINT)
    assert at.ends() == 130
    assert "Traceback" not in at.child.before
    until(lambda: server.handler.closes)
    assert server.handler.closes == [(1001, "")]


def test_the_server_closes_while_a_line_is_typed(tmp_path: Path, editor: str) -> None:
    def serve(peer: Peer) -> None:
        peer.heard()
        peer.raw(b"\x88\x06\x0f\xa1done")
        peer.heard()

    with played(serve) as url:
        at = Terminal(tmp_path, editor, url)
        at.ready()
        at.line("a")
        at.child.send("half a li")
        at.see("the server closed with 4001: done")
        assert at.ends() == 1


def test_reconnect_at_a_terminal(server: Server, tmp_path: Path) -> None:
    server.handler.forget()
    at = Terminal(tmp_path, "prompt_toolkit", "--reconnect", server.url("/flaky"))
    at.see("connecting again in 1 s")
    at.see("< at last")
    at.line("back")
    at.see("< back")
    at.end_of_input()


def test_messages_of_the_command_line_go_first(server: Server, tmp_path: Path, editor: str) -> None:
    server.handler.forget()
    at = Terminal(tmp_path, editor, "--input", "--close-code", "4002", server.url(), "one", "two")
    at.see("< one")
    at.see("< two")
    at.line("three")
    at.see("< three")
    at.end_of_input()
    until(lambda: server.handler.closes)
    assert (server.handler.heard, server.handler.closes) == (["one", "two", "three"], [(4002, "")])


def test_a_refused_handshake_at_a_terminal(server: Server, tmp_path: Path) -> None:
    at = Terminal(tmp_path, "prompt_toolkit", server.url("/refuse"))
    assert at.ends() == 1
    assert re.search(r"< members only\r\n< \\x1b\[31mred", at.child.before)


def test_the_history_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history"
    history = HistoryFile(str(path))
    for number in range(MAX_HISTORY + 5):
        history.add(f"line {number}")
    history.add(" secret")
    history.add("pasted\nlines")
    history.add("")
    lines = history.lines()
    assert lines[-1] == f"line {MAX_HISTORY + 4}" and len(lines) <= MAX_HISTORY
    assert path.stat().st_mode & 0o077 == 0
    HistoryFile("/dev/null/none").add("nothing happens")
