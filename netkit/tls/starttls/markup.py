"""A bounded scan of XML as XMPP restricts it: one tag at a time, as the bytes come.

RFC 6120 section 11.1 forbids comments, processing instructions, document types and all entities but the five
predefined ones. What is left here are tags, the text between them, and a stack of name spaces; no parser that
does more sees the bytes. (CDATA sections would be allowed. No server sends one before TLS.) The scan stops
right behind the `>` that ends an element, because TLS begins there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from netkit.tls.starttls.errors import StartTlsError

if TYPE_CHECKING:
    from netkit.tls.starttls.wire import Talk, Wire

#: How deep elements may stand in one another.
DEPTH_LIMIT: Final = 32

_NAME: Final = r"[^\s<>/=\"'&:]+(?::[^\s<>/=\"'&:]+)?"
_ATTRIBUTE: Final = rf"\s+{_NAME}\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')"
_ATTRIBUTES: Final = re.compile(_ATTRIBUTE)
#: The inside of a tag: the slash of an end tag, the name, the attributes, the slash of an empty element.
_TAG: Final = re.compile(rf"(/?)({_NAME})((?:{_ATTRIBUTE})*)\s*(/?)")
_DECLARATION: Final = re.compile(r"\?xml\s[^<>]*\?")

_ENTITIES: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_ENTITY: Final = re.compile(f"&({'|'.join(_ENTITIES)});")

_OPEN, _CLOSE, _QUOTES = ord("<"), ord(">"), b"\"'"

#: The name spaces in force, by their prefixes; "" is the prefix of the names that have none.
Scope: TypeAlias = dict[str, str]


class Tag(NamedTuple):
    """A start tag, an end tag, or both in one."""

    name: str
    """As it is written, with its prefix."""
    attributes: dict[str, str]
    starts: bool
    ends: bool


class Element:
    """One element: its name space and name, its attributes, the text right in it, its children."""

    __slots__ = ("attributes", "children", "name", "space", "text")

    def __init__(self, space: str, name: str, attributes: dict[str, str]) -> None:
        self.space = space
        self.name = name
        self.attributes = attributes
        self.text = ""
        self.children: list[Element] = []

    def is_a(self, space: str, name: str) -> bool:
        """Whether the element has this name in this name space."""
        return (self.space, self.name) == (space, name)

    def child(self, space: str, name: str) -> Element | None:
        """The first child of this name, or None."""
        return next((one for one in self.children if one.is_a(space, name)), None)


def root(wire: Wire, what: str) -> Talk[tuple[Element, Scope]]:
    """The start tag that a stream begins with, perhaps after an XML declaration; its name spaces."""
    text, raw = yield from _markup(wire, what)
    if _DECLARATION.fullmatch(raw) and not text:
        text, raw = yield from _markup(wire, what)
    tag = _tag(wire, raw)
    if text.strip() or not tag.starts or tag.ends:
        raise _malformed(wire, "not the beginning of a stream", raw)
    scope = _widened({}, tag)
    return _element(wire, tag, scope), scope


def element(wire: Wire, scope: Scope, what: str) -> Talk[Element]:
    """One whole element, to the last byte of its end. Raises `StartTlsError.Closed` if the stream ends."""
    text, raw = yield from _markup(wire, what)
    tag = _tag(wire, raw)
    if text.strip():
        raise _malformed(wire, "text between elements", text)
    if not tag.starts:
        raise StartTlsError.Closed(what, 0)
    first = _element(wire, tag, _widened(scope, tag))
    open_ones = [] if tag.ends else [(tag.name, first, _widened(scope, tag))]
    while open_ones:
        name, parent, inner = open_ones[-1]
        text, raw = yield from _markup(wire, what)
        parent.text += text
        tag = _tag(wire, raw)
        if not tag.starts:
            if tag.name != name:
                raise _malformed(wire, "the end of another element", raw)
            open_ones.pop()
            continue
        inner = _widened(inner, tag)
        child = _element(wire, tag, inner)
        parent.children.append(child)
        if not tag.ends:
            if len(open_ones) == DEPTH_LIMIT:
                raise StartTlsError.LimitExceeded(wire.title, "elements in one another", DEPTH_LIMIT)
            open_ones.append((tag.name, child, inner))
    return first


def _markup(wire: Wire, what: str) -> Talk[tuple[str, str]]:
    """Take text and the tag behind it: the text decoded, and what stands between `<` and `>`."""
    at = quote = 0
    opened = False
    data = yield from wire.fill(1, what)
    while True:
        while at < len(data):
            byte = data[at]
            at += 1
            if quote:
                quote = 0 if byte == quote else quote
            elif not opened:
                opened = byte == _OPEN
            elif byte == _CLOSE:
                text, _, raw = wire.take(at)[:-1].decode("utf-8", "backslashreplace").partition("<")
                return _decoded(text), raw
            elif byte in _QUOTES:
                quote = byte
        data = yield from wire.more(what)


def _tag(wire: Wire, raw: str) -> Tag:
    found = _TAG.fullmatch(raw)
    if found is None:
        raise _malformed(wire, "markup that XMPP does not have", raw)
    closes, name, inner, empty = found.groups()
    if closes and (inner or empty):
        raise _malformed(wire, "an end tag with more than its name", raw)
    attributes: dict[str, str] = {}
    for attribute in _ATTRIBUTES.findall(inner):
        key, _, value = attribute.partition("=")
        if key.strip() in attributes:
            raise _malformed(wire, "an attribute twice", raw)
        attributes[key.strip()] = _decoded(value.strip()[1:-1])
    return Tag(name, attributes, not closes, bool(closes or empty))


def _widened(scope: Scope, tag: Tag) -> Scope:
    """The name spaces inside of `tag`: those of `scope`, and those that it declares itself."""
    declared = {
        name.partition(":")[2]: value
        for name, value in tag.attributes.items()
        if name == "xmlns" or name.startswith("xmlns:")
    }
    return scope | declared if declared else scope


def _element(wire: Wire, tag: Tag, scope: Scope) -> Element:
    prefix, _, name = tag.name.rpartition(":")
    if prefix and prefix not in scope:
        raise _malformed(wire, "a prefix that is not declared", tag.name)
    return Element(scope.get(prefix, ""), name, tag.attributes)


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda found: _ENTITIES[found[1]], text) if "&" in text else text


def _malformed(wire: Wire, reason: str, raw: str) -> StartTlsError:
    return wire.unexpected(reason, raw.encode("utf-8", "surrogatepass"))
