"""Responses that were made before, by the octets of their queries: for one version of the zones.

A query without a signature and without options is answered by the zones alone. So two queries that differ
only in their ID get responses that differ only in their ID, as long as the zones are the same. Letter case is
a part of the octets, so a response has the case of its own query (draft-vixie-dnsext-dns0x20).

The size is limited: in two halves, of which the older one is dropped when the newer one is full. A flood of
names that are asked once costs what it costs without this, and what is asked again and again stays.
"""

from __future__ import annotations

#: How many octets are kept at most, of queries and responses together, with `OVERHEAD` for each pair.
MAX_OCTETS = 16_777_216
#: About what two objects and an entry of a dictionary take beside their octets.
OVERHEAD = 200

_HEADER = 12
_ID = 2
#: QR and the opcode: a query has none of these bits.
_NOT_A_QUERY = 0xF8
#: A question has a type and a class after its name.
_AFTER_NAME = 4
#: The OPT record without options (RFC 6891 section 6.1.2): root, type, size, TTL, and no data.
_OPT_SIZE = 11
_OPT_HEAD = b"\0\0\x29"
#: The types from which on a question is about a transaction, or about more than data: TKEY, TSIG, transfers.
_FIRST_META, _LAST_META = 249, 252


class ReadyAnswers:
    """The responses of one version of the zones, over one kind of transport.

    `get(wire[2:])` gives the response without its ID, or None.
    """

    __slots__ = ("_half", "_newer", "_older", "_room")

    def __init__(self, max_octets: int = MAX_OCTETS) -> None:
        self._half = max_octets // 2
        self._newer: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}
        self._room = self._half

    def __len__(self) -> int:
        return len(self._newer.keys() | self._older.keys())

    def get(self, rest: bytes) -> bytes | None:
        """The response to a query, both without the two octets of the ID."""
        found = self._newer.get(rest)
        if found is None and (found := self._older.get(rest)) is not None:
            self.put(rest, found)
        return found

    def keep(self, query: bytes, response: bytes) -> None:
        """Keep the response to a query, if the query is one that `end_of_name` allows."""
        if end_of_name(query):
            self.put(query[_ID:], response[_ID:])

    def put(self, rest: bytes, response: bytes) -> None:
        """Keep the response to such a query, both without the two octets of the ID."""
        cost = len(rest) + len(response) + OVERHEAD
        if cost > self._room:
            if cost > self._half:
                return
            self._older, self._newer, self._room = self._newer, {}, self._half
        self._newer[rest] = response
        self._room -= cost


def end_of_name(query: bytes) -> int:
    """Where the name in a query ends that has one question for data, and beside it at most an OPT record
    without options; 0 for another query.

    What the response to another query says may depend on who asks, and when.
    """
    size = len(query)
    if size < _HEADER or query[2] & _NOT_A_QUERY or query[4:10] != b"\0\1\0\0\0\0" or query[10]:
        return 0
    at = _HEADER
    while at < size and (length := query[at]):
        if length > 63:
            return 0  # a pointer, or a type of label that nobody uses
        at += 1 + length
    end = at + 1
    rdtype = query[end : end + 2]
    if len(rdtype) < 2 or _FIRST_META <= (rdtype[0] << 8 | rdtype[1]) <= _LAST_META:
        return 0
    at = end + _AFTER_NAME
    if query[11] == 0:
        return end if at == size else 0
    is_opt = (
        query[11] == 1
        and at + _OPT_SIZE == size
        and query.startswith(_OPT_HEAD, at)
        and query.endswith(b"\0\0")
    )
    return end if is_opt else 0
