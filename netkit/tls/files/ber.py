"""BER with indefinite lengths as definite lengths, for the containers that tools write in a stream.

ITU-T X.690 section 8.1.3.6 (indefinite lengths) and 8.7.3 (octet strings in segments). PKCS #7 is BER, not
DER; Java's and Microsoft's tools, and `openssl smime -stream`, write it so. What has a definite length
already keeps its bytes: the signature of a certificate inside is over them.
"""

from __future__ import annotations

from typing import Final

from netkit.tls.x509.der import OCTET_STRING, DerError, encode

#: How deep elements may stand in each other.
MAX_DEPTH: Final = 32

_CONSTRUCTED: Final = 0x20
_END: Final = b"\x00\x00"


class _Open:
    """An element whose content is being read: `end` None means that its length is indefinite."""

    __slots__ = ("changed", "end", "parts", "start", "tag")

    def __init__(self, tag: int, start: int, end: int | None) -> None:
        self.tag = tag
        self.start = start
        self.end = end
        self.changed = end is None
        #: The elements in it: whole, and their content alone.
        self.parts: list[tuple[bytes, bytes]] = []

    def close(self, data: bytes, end: int) -> tuple[bytes, bytes]:
        if not self.changed and self.tag != OCTET_STRING | _CONSTRUCTED:
            whole = data[self.start : end]
            return whole, whole
        if self.tag == OCTET_STRING | _CONSTRUCTED:
            content = b"".join(content for _, content in self.parts)
            return encode(OCTET_STRING, content), content
        content = b"".join(whole for whole, _ in self.parts)
        return encode(self.tag, content), content


def definite(data: bytes) -> bytes:
    """The first element of `data`, with definite lengths throughout. Raises DerError."""
    stack: list[_Open] = []
    offset = 0
    while True:
        if stack and stack[-1].end is None and data[offset : offset + 2] == _END:
            offset += 2
            done = True
        else:
            done = bool(stack) and stack[-1].end == offset
        if done:
            closed = stack.pop()
            part = closed.close(data, offset)
            if not stack:
                return part[0]
            stack[-1].parts.append(part)
            stack[-1].changed |= closed.changed or closed.tag == OCTET_STRING | _CONSTRUCTED
            continue
        limit = next((one.end for one in reversed(stack) if one.end), len(data))
        tag, content, end = _header(data, offset, limit)
        if not tag & _CONSTRUCTED:
            assert end is not None
            if not stack:
                return data[offset:end]
            stack[-1].parts.append((data[offset:end], data[content:end]))
            offset = end
            continue
        if len(stack) == MAX_DEPTH:
            raise DerError(f"elements more than {MAX_DEPTH} deep", offset)
        stack.append(_Open(tag, offset, end))
        offset = content


def _header(data: bytes, offset: int, limit: int) -> tuple[int, int, int | None]:
    """An element's tag, where its content begins, and where it ends (None: where its end marker is)."""
    if offset + 2 > limit:
        raise DerError("ends where an element should begin", offset)
    tag, first = data[offset], data[offset + 1]
    content = offset + 2
    if tag & 0x1F == 0x1F:
        raise DerError("a tag number over 30", offset)
    if first == 0x80:
        if not tag & _CONSTRUCTED:
            raise DerError("an indefinite length of a primitive element", offset + 1)
        return tag, content, None
    size = first & 0x7F if first & 0x80 else 0
    length = int.from_bytes(data[content : content + size], "big") if size else first
    content += size
    if content + length > limit:
        raise DerError(f"an element of {length} bytes where {max(limit - content, 0)} are left", offset)
    return tag, content, content + length
