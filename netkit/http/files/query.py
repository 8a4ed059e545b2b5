"""What a file server looks at of a request.

The fields are read once into a table of octets: a request for a file needs a few of them, and the Headers
of a `ServerRequest` would cost as much as the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.fields.errors import FieldError
from netkit.http.negotiation import parse_accept, select_best_media

if TYPE_CHECKING:
    from netkit.http.connection.events import FieldList
    from netkit.http.server.exchange import Exchange

_CONDITIONS = frozenset((b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"))


class Query:
    """One request: `method`, `path` (as it was sent) and `search` (what follows the `?`).

    `fields` are those that every answer to it has.
    """

    __slots__ = ("_fields", "authority", "fields", "method", "path", "search")

    def __init__(self, exchange: Exchange) -> None:
        head = exchange.head
        self.method = head.method.decode("latin-1")
        target, _, search = head.target.partition(b"?")
        if target[:1] != b"/" and b"://" in target:  # RFC 9112 section 3.2.2: the absolute form
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        self.path = target
        self.search = search.decode("latin-1")
        self.authority = head.authority.decode("latin-1")
        self.fields: FieldList = []
        fields: dict[bytes, bytes] = {}
        for name, value in head.fields:
            name = name.lower()
            known = fields.get(name)
            fields[name] = value if known is None else known + b", " + value
        self._fields = fields

    def field(self, name: str) -> str | None:
        """The value of a field, several joined with a comma; None if it was not sent."""
        value = self._fields.get(name.lower().encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    def octets(self, name: bytes) -> bytes | None:
        """The same as octets, for a name in lower case."""
        return self._fields.get(name)

    @property
    def reads(self) -> bool:
        """Whether it is GET or HEAD."""
        return self.method in ("GET", "HEAD")

    @property
    def is_conditional(self) -> bool:
        """Whether it has one of the fields that `preconditions.evaluate` looks at."""
        return not _CONDITIONS.isdisjoint(self._fields)

    def parameters(self) -> dict[str, str]:
        """The parameters of the search part; of one that is there twice, the first."""
        from urllib.parse import parse_qsl

        found: dict[str, str] = {}
        if self.search and len(self.search) <= 2_048:
            for name, value in parse_qsl(self.search, keep_blank_values=True):
                found.setdefault(name, value)
        return found

    def preferred(self, offers: tuple[str, ...]) -> str | None:
        """Which of these media types the client likes best, the first by default; None for none of them."""
        accept = self.field("accept")
        if accept is None:
            return offers[0]
        try:
            return select_best_media(parse_accept(accept, complaints=[]), offers)
        except FieldError:
            return offers[0]
