"""What all forms of the output of `netkit dig` say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.payload.idn import safe_unicode, shown_data
from netkit.dns.name import Name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.cli.commands.dig.answered import Answered
    from netkit.dns.records.base import DnsRecord


def name_text(result: Answered, name: Name, encoding: str, *, at_terminal: bool) -> str:
    """A name as it is shown: in Unicode where that is wanted, and safe."""
    wanted = result.shows_unicode(at_terminal=at_terminal)
    return (safe_unicode(name, encoding) if wanted else None) or str(name)


def rdata(result: Answered, record: DnsRecord, encoding: str, *, at_terminal: bool) -> str:
    """The data of a record as it is shown, with the names in it as `name_text` has them."""
    text = record.rdata_text()
    if "xn--" not in text.lower() or not result.shows_unicode(at_terminal=at_terminal):
        return text
    return shown_data(text, [value for value in record.fields.values() if isinstance(value, Name)], encoding)


def carried(result: Answered) -> Iterable[tuple[str, str]]:
    """What is known of the connection that the answer came over, as titles and words."""
    made = result.reply.connection
    if made is None:
        return
    if made.tls_version:
        yield "TLS", ", ".join(filter(None, (made.tls_version, made.cipher, made.alpn)))
    if made.http_version:
        method = "" if result.upstream is None else f" {result.upstream.method} {result.upstream.path}"
        yield "HTTP", f"HTTP/{made.http_version}{method}"
    if result.proxy is not None:
        yield "PROXY", str(result.proxy)


def steps(result: Answered) -> list[tuple[str, float]]:
    """The steps on the way to the answer, with how long each took."""
    reply, made = result.reply, result.reply.connection
    found: list[tuple[str, float]] = []
    if made is not None and not made.is_reused:
        timed = (("connect", made.connect_s), ("proxy", made.proxy_s), ("tls", made.tls_s))
        found = [(name, seconds) for name, seconds in timed if seconds is not None]
    return [*found, ("wait", max(reply.elapsed_s - sum([seconds for _, seconds in found]), 0.0))]
