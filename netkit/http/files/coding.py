"""Which content coding a file is sent in: one that lies beside it, one made while it is sent, or none.

RFC 9110 sections 8.4 (Content-Encoding), 12.5.3 (Accept-Encoding).

    >>> wanted_codings(b"gzip, br;q=0.5")
    ('gzip', 'br')

A client that sends no Accept-Encoding gets the file as it is, although the RFC would allow any coding.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from netkit.http.bodies.codings import accept_encoding
from netkit.http.fields.errors import FieldError
from netkit.http.negotiation import parse_accept_encoding, rank_codings

#: The codings that a file may lie in beside another, by what its name then ends in; the smallest first.
SUFFIXES: Final = {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
#: The codings that can be made while a file is sent, and their levels: the fastest first.
LEVELS: Final = {"zstd": 3, "br": 4, "gzip": 5}
#: The longest Accept-Encoding that is looked at.
_MAX_FIELD: Final = 512


@lru_cache(256)
def wanted_codings(field: bytes | None) -> tuple[str, ...]:
    """The codings of `SUFFIXES` that a client likes no less than none at all, the best first.

    Codings that it likes as well as each other are in the order of `SUFFIXES`.
    """
    if field is None or len(field) > _MAX_FIELD:
        return ()
    try:
        preferences = parse_accept_encoding(field, complaints=[])
    except FieldError:
        return ()
    found = []
    for verdict in rank_codings(preferences, [*SUFFIXES, "identity"]):
        if not verdict.acceptable or verdict.offer == "identity":
            break
        found.append(verdict.offer)
    return tuple(found)


@lru_cache(256)
def coding_to_make(field: bytes | None) -> str | None:
    """The coding to compress a file in while it is sent, if its library is installed; None for none."""
    wanted = wanted_codings(field)
    installed = accept_encoding().split(", ")
    best = [each for each in wanted if each in installed]
    if not best or field is None:
        return None
    weights = {each.value: each.q for each in parse_accept_encoding(field, complaints=[])}
    top = max(_weight(each, weights) for each in best)
    return next((each for each in LEVELS if each in best and _weight(each, weights) == top), None)


def _weight(coding: str, weights: dict[str, float]) -> float:
    return weights.get(coding, weights.get("*", 0.0))
