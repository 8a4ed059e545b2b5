"""What all forms of the output of `netkit dig` say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit._version import __version__
from netkit.cli.commands.dig.grammar.secrets import without_secrets
from netkit.cli.payload.dns.idn import safe_unicode, shown_data
from netkit.dns.edns import EdnsOption
from netkit.dns.name import Name
from netkit.dns.style import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from netkit.cli.commands.dig.answered import Answered, Shown
    from netkit.cli.frame.context import Environment
    from netkit.dns.edns import Edns
    from netkit.dns.messages.message import Message
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.style import Style
    from netkit.dns.transports.reply import Connection
    from netkit.proxy.url import Proxy


class Wording(NamedTuple):
    """How names are written in what is shown, which is in this encoding: in Unicode where that is wanted."""

    shown: Shown
    encoding: str = "utf-8"
    is_terminal: bool = False

    @classmethod
    def at_terminal(cls, shown: Shown, env: Environment) -> Self:
        """How they are written in a table at a terminal."""
        return cls(shown, env.encoding, True)

    def name(self, name: Name) -> str:
        """A name as it is shown."""
        return (safe_unicode(name, self.encoding) if self._in_unicode else None) or str(name)

    def data(self, record: DnsRecord, style: Style = PLAIN) -> str:
        """The data of a record as it is shown, with the names in it as `name` has them."""
        text = record.styled_text(style)
        if style.generic or "xn--" not in text.lower() or not self._in_unicode:
            return text
        names = [value for value in record.fields.values() if isinstance(value, Name)]
        return shown_data(text, names, self.encoding)

    @property
    def _in_unicode(self) -> bool:
        return self.shown.shows_unicode(at_terminal=self.is_terminal)


def carried(result: Answered) -> Iterable[tuple[str, str]]:
    """What is known of the connection that the answer came over, as titles and words."""
    upstream = result.upstream
    method = "" if upstream is None else f" {upstream.method} {upstream.path}"
    return connection_words(result.reply.connection, result.proxy, method)


def connection_words(
    made: Connection | None, proxy: Proxy | None, method: str = ""
) -> Iterable[tuple[str, str]]:
    """What is known of a connection, as titles and words. `method` is that of a request over HTTP."""
    if made is None:
        return
    if made.tls_version:
        words = (made.tls_version, made.cipher, made.group, made.alpn, "resumed" * bool(made.resumed))
        yield "TLS", ", ".join(filter(None, words))
    if made.http_version:
        yield "HTTP", f"HTTP/{made.http_version}{method}"
    if proxy is not None:
        yield "PROXY", str(proxy)


def option_words(edns: Edns, asked: Message) -> Iterable[tuple[str, str]]:
    """The options of a message's EDNS, each as its title and its text. A cookie says whose it is."""
    sent = None if asked.edns is None else asked.edns.option(EdnsOption.Cookie)
    for each in edns.options:
        title, _, text = str(each).partition(":")
        text = text.removeprefix(" ")
        if isinstance(each, EdnsOption.Cookie) and sent is not None and edns is not asked.edns:
            verdict = "bad" if each.client != sent.client else "good" if each.server else "echoed"
            text = f"{text} ({verdict})"
        yield title, text


def command_lines(words: Sequence[str]) -> Iterable[str]:
    """What `+cmd` shows: the version of netkit, and the command line without its secrets."""
    yield ""
    yield f"; <<>> netkit dig {__version__} <<>> {' '.join(without_secrets(words))}"
    yield ";; global options: +cmd"
