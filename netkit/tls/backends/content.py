"""How much content encrypted records hold, told by their lengths (RFC 8446 section 5.2).

OpenSSL takes tickets in silence, and the ssl module tells of a session only when asked, which costs as much
as a quarter of a handshake: it writes the session out and reads it back. So the standard backend counts. What
the records hold beyond the data that was read is messages of the handshake (or padding).
"""

from __future__ import annotations

from typing import Final

_HEADER: Final = 5
_APPLICATION_DATA: Final = 23

#: The octet for the type and the tag of the AEAD: 16 in all suites of TLS 1.3 but one with a short tag.
_AROUND: Final = 17


class ContentCount:
    """Counts over records of TLS 1.3 that come in pieces of any size."""

    __slots__ = ("_body", "_head", "content")

    def __init__(self) -> None:
        #: How many octets the complete records held.
        self.content = 0
        self._head = b""  # of a record whose header has come in part
        self._body = 0  # how many octets of the record are missing

    def feed(self, data: bytes | memoryview) -> None:
        at, end = 0, len(data)
        while at < end:
            if not self._body:
                wanted = _HEADER - len(self._head)
                self._head += bytes(data[at : at + wanted])
                at += wanted
                if len(self._head) < _HEADER:
                    return
                self._body = self._head[3] << 8 | self._head[4]
            step = min(self._body, end - at)
            at += step
            self._body -= step
            if not self._body:
                if self._head[0] == _APPLICATION_DATA:
                    self.content += max(0, (self._head[3] << 8 | self._head[4]) - _AROUND)
                self._head = b""
