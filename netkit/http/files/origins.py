"""Who may ask from another site: cross-origin requests, and the names under which a server is reached.

Fetch Standard, sections "CORS protocol" and "CORS-preflight fetch"; RFC 6454 section 7 (Origin); RFC 9110
section 15.5.20 (421).

Two attacks on a server of this machine start in a page that its user looks at. A form of another site can be
sent here without any preflight: so what changes files must come from a page of this server, or of an origin
that is named. And a name of another site can be made to lead here (DNS rebinding), which makes its pages the
same origin: so the name must be one of this server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.http.hosts import canonical_host, is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import FieldList

ANY: Final = "*"
#: How long a browser may keep the answer to a preflight, in seconds: what Chromium allows at most.
MAX_AGE: Final = 7_200
#: What a script may read of an answer, besides what it always may.
EXPOSED: Final = (
    b"accept-ranges, content-disposition, content-encoding, content-length, content-range, etag, location"
)
#: The longest list of field names that a preflight may ask for.
_MAX_FIELD: Final = 1_024


def shared_with(cors: Sequence[str] | None, origin: str | None) -> FieldList:
    """The fields of an answer that let scripts of an origin read it; none where they may not.

    An origin that is named may send its users' credentials too; with `*`, none may.
    """
    if cors is None:
        return []
    if ANY in cors and (origin is None or origin.lower() not in cors):
        return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED)]
    fields: FieldList = [(b"vary", b"origin")]
    if origin is not None and origin.lower() in cors:
        fields += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", EXPOSED),
        ]
    return fields


def preflight(cors: Sequence[str] | None, origin: str, methods: str, wanted: str | None) -> FieldList:
    """The fields of the answer to a preflight: which methods and fields a script may use.

    `wanted` is the value of Access-Control-Request-Headers. Scripts of an origin that is not named may only
    read.
    """
    fields = shared_with(cors, origin)
    if not any(name == b"access-control-allow-origin" for name, _ in fields):
        return fields
    named = cors is not None and origin.lower() in cors
    fields.append((b"access-control-allow-methods", (methods if named else "GET, HEAD, OPTIONS").encode()))
    if wanted is not None and len(wanted) <= _MAX_FIELD and _is_list_of_names(wanted):
        fields += [(b"access-control-allow-headers", wanted.encode()), (b"vary", _REQUEST_HEADERS)]
    fields.append((b"access-control-max-age", str(MAX_AGE).encode()))
    return fields


def may_change(cors: Sequence[str] | None, origin: str | None, authority: str, site: str | None) -> bool:
    """Whether a request may change anything, by the page that it comes from.

    Args:
        cors: the origins that are named.
        origin: the value of Origin; None if there is none, as programs that are no browsers send it.
        authority: whom the request was sent to. Its scheme is not compared: a proxy may have undone TLS.
        site: the value of Sec-Fetch-Site.
    """
    if origin is None:
        return site not in ("cross-site", "same-site")
    if cors is not None and origin.lower() in cors:
        return True
    return origin.partition("://")[2].lower() == authority.lower() != ""


def is_ours(authority: str, local: str | None, allowed: Sequence[str] | None) -> bool:
    """Whether a request was sent to a name of this server.

    Args:
        authority: the value of Host; empty for an old client that said nothing, and is no browser.
        local: the address that the connection came to; None for a socket of another kind.
        allowed: the names of the server; None for those of the loopback interface, and `local`.
    """
    if not authority:
        return True
    host = host_of(authority)
    if host is None:
        return False
    if allowed is not None:
        return host in allowed
    return is_loopback(host) or (local is not None and host == canonical_host(local))


def host_of(authority: str) -> str | None:
    """The host of a Host field, as `hosts.canonical_host` has it, without the port and without brackets."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        good = bracket and (not rest or rest.startswith(":"))
        return canonical_host(host) if good else None
    host, _, port = authority.partition(":")
    return canonical_host(host) if not port or port.isdecimal() else None


_REQUEST_HEADERS: Final = b"access-control-request-headers"
_NAME_CHARACTERS: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz, ")


def _is_list_of_names(text: str) -> bool:
    return _NAME_CHARACTERS.issuperset(text.lower())
