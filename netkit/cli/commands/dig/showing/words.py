"""What all forms of the output of `netkit dig` say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._version import __version__
from netkit.cli.commands.dig.grammar.secrets import without_secrets
from netkit.cli.payload.dns.idn import safe_unicode, shown_data
from netkit.dns.constants import Rcode
from netkit.dns.edns import EdnsOption
from netkit.dns.name import Name
from netkit.dns.style import PLAIN
from netkit.dns.transports.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.commands.dig.answered import Answered, Shown
    from netkit.dns.edns import Edns
    from netkit.dns.messages.message import Message
    from netkit.dns.policy.steps import Step
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.style import Style
    from netkit.dns.transports.reply import Connection
    from netkit.proxy.url import Proxy


def name_text(result: Shown, name: Name, encoding: str, *, at_terminal: bool) -> str:
    """A name as it is shown: in Unicode where that is wanted, and safe."""
    wanted = result.shows_unicode(at_terminal=at_terminal)
    return (safe_unicode(name, encoding) if wanted else None) or str(name)


def rdata(result: Shown, record: DnsRecord, encoding: str, *, at_terminal: bool, style: Style = PLAIN) -> str:
    """The data of a record as it is shown, with the names in it as `name_text` has them."""
    text = record.styled_text(style)
    if style.generic or "xn--" not in text.lower() or not result.shows_unicode(at_terminal=at_terminal):
        return text
    return shown_data(text, [value for value in record.fields.values() if isinstance(value, Name)], encoding)


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


def spent(result: Answered, seconds: float) -> str:
    """A time in milliseconds, with -u in microseconds."""
    if result.query.flags.get("microseconds"):
        return f"{seconds * 1_000_000:.0f}"
    return f"{seconds * 1000:.1f}"


def unit(result: Answered) -> str:
    """The unit of `spent`."""
    return "us" if result.query.flags.get("microseconds") else "ms"


def steps(result: Answered) -> list[tuple[str, float]]:
    """The steps on the way to the answer, with how long each took."""
    reply, made = result.reply, result.reply.connection
    found: list[tuple[str, float]] = []
    if made is not None and not made.is_reused:
        timed = (("connect", made.connect_s), ("proxy", made.proxy_s), ("tls", made.tls_s))
        found = [(name, seconds) for name, seconds in timed if seconds is not None]
    return [*found, ("wait", max(reply.elapsed_s - sum([seconds for _, seconds in found]), 0.0))]


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


def sent_queries(result: Answered) -> list[tuple[Step | None, Message]]:
    """The queries that led to the answer, in the order in which they were sent."""
    found: list[tuple[Step | None, Message]] = [
        (step, result.reply.query if step.came is result.reply else step.query) for step in result.history
    ]
    return found or [(None, result.reply.query)]


def command_lines(words: Sequence[str]) -> Iterable[str]:
    """What `+cmd` shows: the version of netkit, and the command line without its secrets."""
    yield ""
    yield f"; <<>> netkit dig {__version__} <<>> {' '.join(without_secrets(words))}"
    yield ";; global options: +cmd"


#: Answers that are shown only where a flag asks for them: each led to another query.
_ON_DEMAND = {"showbadcookie": Rcode.BADCOOKIE, "showbadvers": Rcode.BADVERS}


def answer_before(result: Answered, step: Step | None) -> Reply | None:
    """What came of a query before the one that was answered, if it is to be shown."""
    if step is None or not isinstance(step.came, Reply) or step.came is result.reply:
        return None
    rcode, flags = step.came.message.rcode, result.query.flags
    wanted = any(flags.get(flag) and rcode == each for flag, each in _ON_DEMAND.items())
    return step.came if wanted else None
