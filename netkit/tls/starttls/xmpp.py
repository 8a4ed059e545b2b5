"""XMPP: the stream feature starttls, RFC 6120 section 5, of clients and between servers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from netkit.tls.starttls import markup
from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.text import printable

if TYPE_CHECKING:
    from netkit.tls.starttls.wire import Caller, StartTlsReport, Talk, Wire

_STREAMS: Final = "http://etherx.jabber.org/streams"
_TLS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
_SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
_STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"

#: A domain as it may stand in an attribute, without anything that XML would need escaped.
_DOMAIN: Final = re.compile(r"[\w.:\[\]-]{1,1023}")


def client(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:
    """As a client: the default name space jabber:client (RFC 6120 section 4.8.2)."""
    return _stream(wire, "jabber:client", _domain(caller))


def server(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:
    """As a server speaks to another: jabber:server."""
    return _stream(wire, "jabber:server", _domain(caller))


def _stream(wire: Wire, space: str, domain: str) -> Talk[StartTlsReport]:
    """The stream's header, its features, <starttls/>, <proceed/>."""
    wire.say(
        f"<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xml:lang='en' "
        f"xmlns='{space}' xmlns:stream='{_STREAMS}'>".encode()
    )
    what = "the header of its stream"
    beginning = bytes((yield from wire.fill(5, what))[:5])
    if not beginning.startswith(b"<") or beginning.lower() == b"<html":
        raise wire.unexpected("not a stream of XML", beginning)
    header, scope = yield from markup.root(wire, what)
    if not header.is_a(_STREAMS, "stream"):
        raise wire.unexpected("not a stream of XMPP", header.name.encode("utf-8", "surrogatepass"))
    greeting = printable(header.attributes.get("from", ""))
    # RFC 6120 section 4.7.5: a server that gives no version knows no features.
    if "version" not in header.attributes:
        raise StartTlsError.NotOffered(wire.title)

    what = "the features of its stream"
    features = yield from markup.element(wire, scope, what)
    _check(features, "")
    if not features.is_a(_STREAMS, "features"):
        raise wire.unexpected("not the features of a stream", features.name.encode("utf-8", "surrogatepass"))
    capabilities = tuple(printable(_words(feature)) for feature in features.children)
    if features.child(_TLS, "starttls") is None:
        raise StartTlsError.NotOffered(wire.title, capabilities)

    wire.say(f"<starttls xmlns='{_TLS}'/>".encode())
    answer = yield from markup.element(wire, scope, "its answer to starttls")
    _check(answer, "starttls")
    if not answer.is_a(_TLS, "proceed"):
        raise wire.unexpected("neither proceed nor failure", answer.name.encode("utf-8", "surrogatepass"))
    return wire.report(greeting, capabilities, "proceed")


def _words(feature: markup.Element) -> str:
    """A feature's name, whether it is required, and the mechanisms of authentication where it lists them."""
    required = " required" if feature.child(feature.space, "required") is not None else ""
    texts = [one.text.strip() for one in feature.children if one.is_a(_SASL, "mechanism")]
    return " ".join([f"{feature.name}{required}", *texts])


def _check(answer: markup.Element, command: str) -> None:
    """Raise `StartTlsError.Declined` for a stream error (section 4.9) or a failure (section 5.4.2.2)."""
    if answer.is_a(_TLS, "failure"):
        raise StartTlsError.Declined(command, None, "failure")
    if answer.is_a(_STREAMS, "error"):
        text = answer.child(_STREAM_ERRORS, "text")
        conditions = [one.name for one in answer.children if one.space == _STREAM_ERRORS and one is not text]
        code = printable(conditions[0]) if conditions else None
        raise StartTlsError.Declined(command, code, "" if text is None else printable(text.text.strip()))


def _domain(caller: Caller) -> str:
    name = caller.host.removesuffix(".")
    if not _DOMAIN.fullmatch(name):
        raise StartTlsError.InvalidName("the domain that XMPP asks for", caller.host)
    return name
