"""What is said of an exchange while it happens: the lines of -v and --trace, and the record for --har.

Lines begin as curl's do: `*` is a fact, `>` was sent, `<` was received. Values of headers that are secrets
are `***`: what -v prints is pasted into bug reports. `--curl` and `--har` show them if they are asked.
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.messages import visible
from netkit.cli.payload.tls.rows import early_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.cli.fetch.options import ShowOptions
    from netkit.cli.frame.context import Environment
    from netkit.http.client.channel import Reply
    from netkit.http.client.facts import ConnectionInfo, Trace, TraceEvent
    from netkit.http.connection.events import FieldList, RequestHead
    from netkit.http.har.exchanges import HarExchange


#: The most octets of one body that a HAR file gets.
MAX_HAR_BODY = 16 * 1024 * 1024


class Steps:
    """Whatever of -v, --trace and --har was asked for."""

    def __init__(self, env: Environment, show: ShowOptions) -> None:
        self._env = env
        self._har = show.har
        self.record = None if show.har is None else Record(max_body=MAX_HAR_BODY)
        if show.har is not None:
            open(show.har, "ab").close()  # what is wrong with it is said before anything is sent
        self._listeners: list[Trace] = [] if self.record is None else [self.record]
        if show.trace or env.verbosity > 0:
            self._listeners.append(Dialogue(env, timed=show.trace))

    @property
    def trace(self) -> Trace | None:
        """What a client is to call."""
        return self._tell if self._listeners else None

    def _tell(self, event: TraceEvent) -> None:
        for listener in self._listeners:
            listener(event)

    def write_har(self) -> None:
        """Write the file of --har. Raises OSError."""
        if self.record is None or self._har is None:
            return
        from json import dump

        from netkit.http.har.exchanges import archive

        try:
            with open(self._har, "w", encoding="utf-8") as file:
                dump(archive(self.record.exchanges()), file, indent=1, ensure_ascii=False)
                file.write("\n")
        except OSError as error:
            error.filename = self._har
            raise


class Dialogue:
    """Writes the steps of exchanges to standard error; with `timed`, when each was."""

    def __init__(self, env: Environment, *, timed: bool) -> None:
        self._env = env
        self._timed = timed
        self._begun: float | None = None

    def __call__(self, event: TraceEvent) -> None:
        lines = list(self._lines(event.name, event.facts))
        if self._timed:
            if self._begun is None:
                self._begun = event.at
            when = f"{event.at - self._begun:9.4f}s "
            lines = [f"{when if not at else ' ' * len(when)}{line}" for at, line in enumerate(lines)]
        self._env.say(*lines)

    def _lines(self, name: str, facts: dict[str, Any]) -> Iterator[str]:
        if self._timed:  # with -v alone, the layers below say these in their own words
            yield from _phase_lines(name, facts)
        match name:
            case "connected":
                yield f"* {_connection(facts['info'])}"
            case "reuse":
                yield f"* another request over the connection to {_peer(facts['info'])}"
            case "request":
                head: RequestHead = facts["head"]
                version = facts["info"].version
                yield f"> {_latin(head.method)} {visible(_latin(head.target))} HTTP/{version}"
                yield f"> Host: {visible(_latin(head.authority))}"
                yield from (
                    f"> {line}" for line in _fields([*head.all_fields(), *_protocol_fields(head, version)])
                )
                yield ">"
            case "interim":
                yield f"< HTTP {facts['status']}"
                yield from (f"< {line}" for line in _fields(facts["fields"]))
                yield "<"
            case "response":
                reply: Reply = facts["reply"]
                major, minor = reply.version
                words = f"HTTP/{major if major > 1 else f'{major}.{minor}'} {reply.status}"
                yield f"< {words} {visible(_latin(reply.reason))}".rstrip()
                yield from (f"< {line}" for line in _fields(reply.fields))
                yield "<"
            case "end" if facts["reply"].trailers:
                yield from (f"< {line}" for line in _fields(facts["reply"].trailers))
            case "redirect":
                yield f"* going on to {visible(facts['url'].redacted)}"
            case "auth":
                yield "* again, with credentials that the server asked for"
            case "upgrade_to_https":
                yield f"* over TLS, because the host asked for it before: {visible(facts['url'].redacted)}"
            case "retry" if "delay" in facts:
                yield f"* {facts['why']}: again in {facts['delay']:.1f} s"
            case "retry" if facts.get("status") == 425:
                yield "* too early for the server: again, after the handshake"
            case "retry":
                yield "* over another connection"


#: What a client does about ECH that it did not mean to do at first.
_ECH = {
    "other keys": "ECH: the server has other keys: again with those that it gave",
    "disabled": "ECH: the server decrypts no hello: again without",
    "unknown": "ECH: nothing in the record that is known here: without",
}


def _phase_lines(name: str, facts: dict[str, Any]) -> Iterator[str]:
    match name:
        case "dns":
            found = ", ".join(str(addr.ip) for addr in facts["addresses"])
            yield f"* {visible(facts['target'])} is at {found}"
        case "service":
            alpn = ", ".join(facts["alpn"])
            ech = ", ECH" * bool(facts["ech"])
            yield f"* HTTPS record: {visible(facts['target'])} at port {facts['port']}, ALPN {alpn}{ech}"
        case "ech":
            yield f"* {_ECH[facts['outcome']]}"
        case "connect":
            yield f"* TCP connection to {facts.get('peer') or facts.get('path')}"
        case "proxy":
            yield f"* the proxy is connected to {visible(facts['target'])}"
        case "tls":
            words = [facts["version"].as_str, facts["cipher"], facts["group"], f"ALPN {facts['alpn']}"]
            words += ["resumed"] * bool(facts["resumed"])
            words += ["ECH accepted"] * bool(facts["ech"])
            words += early_words(facts["early"])
            yield f"* TLS handshake: {', '.join(filter(None, words))}"
        case "end":
            yield "* the end of the answer"


def _protocol_fields(head: RequestHead, version: str) -> FieldList:
    """What asks for another protocol, which is no field of the head."""
    if head.protocol is None:
        return []
    if version == "1.1":
        return [(b"Connection", b"Upgrade"), (b"Upgrade", head.protocol)]
    return [(b":protocol", head.protocol)]


def _connection(info: ConnectionInfo) -> str:
    words = [f"connected to {_peer(info)}"]
    if info.local is not None:
        words.append(f"from {info.local}")
    if info.proxy is not None:
        words.append(f"through the proxy {info.proxy}")
    if info.tls_version is not None:
        words.append(f"with {info.tls_version.as_str}, {info.cipher} ({info.tls_backend})")
        words += early_words(info.early_data_accepted)
        if info.peer_chain:
            subject = info.peer_chain[0].subject or "without a name"
            words.append(f"to {visible(subject)}")
    return f"{', '.join(words)}: HTTP/{info.version}"


def _peer(info: ConnectionInfo) -> str:
    return str(info.unix_path if info.peer is None else info.peer)


def _fields(fields: FieldList) -> Iterator[str]:
    from netkit.cli.render.http_head import decoded
    from netkit.http.headers import SENSITIVE

    for name, value in fields:
        text = _latin(name)
        shown = "***" if text.lower() in SENSITIVE else visible(decoded(_latin(value)), tabs=True)
        yield f"{visible(text)}: {shown}"


def _latin(octets: bytes) -> str:
    return octets.decode("latin-1")


class Record:
    """Keeps what a HAR file needs of each exchange; of a body that goes to a file, its size.

    Bodies that are kept have to come one after the other.
    """

    def __init__(self, *, max_body: int) -> None:
        #: The most octets of one body that are kept.
        self.max_body = max_body
        self._entries: list[_Entry] = []
        self._method = b""
        self._body: bytes | None = None

    def expect(self, method: str, body: bytes | None) -> None:
        """What is sent next has this method and body; a redirect that changes the method drops the body."""
        self._method, self._body = method.encode(), body

    def __call__(self, event: TraceEvent) -> None:
        if event.name == "request":
            entry = _Entry(event.facts["head"], event.facts["info"])  # type: ignore[arg-type]
            entry.request_body = self._body if entry.head.method == self._method else None
            self._entries.append(entry)
        elif event.name == "response":
            reply: Reply = event.facts["reply"]  # type: ignore[assignment]
            for entry in reversed(self._entries):  # several may be under way
                if entry.head is reply.exchange.head:
                    entry.reply = reply
                    break

    def received(self, piece: bytes) -> None:
        """A piece of the last response's body."""
        if self._entries:
            entry = self._entries[-1]
            entry.size += len(piece)
            if entry.size <= self.max_body:
                entry.body.append(piece)

    def saved(self, size: int) -> None:
        """The last response's body, of so many octets, is in a file."""
        if self._entries:
            self._entries[-1].size = size

    def failed(self, error: BaseException) -> None:
        """The last exchange was cut off."""
        if self._entries:
            self._entries[-1].error = str(error)

    def exchanges(self) -> Iterable[HarExchange]:
        """All of them, for `netkit.http.har.archive`."""
        return [entry.exchange(self.max_body) for entry in self._entries]


class _Entry:
    def __init__(self, head: RequestHead, info: ConnectionInfo) -> None:
        self.head = head
        self.info = info
        self.reply: Reply | None = None
        self.request_body: bytes | None = None
        self.body: list[bytes] = []
        self.size = 0
        self.error: str | None = None
        self._offset = time() - monotonic()
        self._at = monotonic()

    def exchange(self, max_body: int) -> HarExchange:
        from datetime import UTC, datetime, timedelta

        from netkit.http.har.exchanges import HarExchange
        from netkit.http.types import StatusCode

        head, info, reply = self.head, self.info, self.reply
        target = _latin(head.target)
        if not target.startswith("http://"):
            target = f"{_latin(head.scheme)}://{_latin(head.authority)}{target}"
        began = self._at
        phases: dict[str, float] = {}
        if reply is not None:
            timing = reply.exchange.timing
            began = timing.started
            words = {"queue": "blocked", "proxy": "connect"}
            for name, begun, ended in timing.phases():
                key = words.get(name, name)
                phases[key] = phases.get(key, 0.0) + ended - begun
        started = datetime.fromtimestamp(0, UTC) + timedelta(seconds=self._offset + began)
        status = 0 if reply is None else reply.status
        reason = "" if reply is None else _latin(reply.reason) or StatusCode(status).reason_phrase
        return HarExchange(
            started,
            _latin(head.method),
            target,
            f"HTTP/{info.version}",
            [("Host", _latin(head.authority)), *_pairs(head.all_fields())],
            self.request_body,
            status,
            reason,
            () if reply is None else _pairs(reply.fields),
            b"".join(self.body) if self.body and self.size <= max_body else None,
            self.size or None,
            phases,
            None if info.peer is None else str(info.peer.ip),
            None,
            self.error,
        )


def _pairs(fields: FieldList) -> list[tuple[str, str]]:
    return [(_latin(name), _latin(value)) for name, value in fields]
