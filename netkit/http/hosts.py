"""Names of hosts as cookies and HSTS compare them, and the domains that nobody owns alone.

RFC 6265bis section 5.1.2 (canonical host names), 5.2 (same-site), 5.7.3 step 9 (public suffixes);
RFC 6797 section 8.1.1 (addresses have no HSTS).

A name is compared in lower case, with the A-labels of IDNA, and without the dot at its end: `example.com.` is
the same host for netkit, and a cookie for it cannot pass by a rule that was written for `example.com`.

The list of public suffixes takes 20 ms to load. It is loaded when a question cannot be answered without it: a
name of one label is always a public suffix.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from publicsuffixlist import PublicSuffixList

    from netkit.http.url import Url

#: Octets of a name without its final dot (RFC 1035 section 3.1).
MAX_HOST = 253

#: The list, read for names in ASCII (False) and with the A-labels of its rules too (True), which takes three
#: times as long. Two threads may both load it; that does no harm.
_lists: dict[bool, PublicSuffixList] = {}


def canonical_host(host: str) -> str | None:
    """The name or address as it is compared; None if no cookie or policy can be for it.

    These have None: text that is no host name, an empty label, and more than `MAX_HOST` octets.

        >>> canonical_host("B\\u00fccher.Example."), canonical_host("a..example")
        ('xn--bcher-kva.example', None)
    """
    # No longer text is looked at, or kept in the cache.
    return _canonical(host) if len(host) <= MAX_HOST + 1 else None


@lru_cache(1024)  # a client asks for the same few names with every request
def _canonical(host: str) -> str | None:
    host = host.lower()
    if not host.isascii():
        from netkit.http.url import Url

        try:
            host = Url.parse(f"http://{host}/").host or ""
        except HttpError.InvalidUri:
            return None
    host = host.removesuffix(".")
    if not host or len(host) > MAX_HOST or ".." in host or host[0] == "." or host[-1] == ".":
        return None
    return host if _HOST_CHARACTERS.issuperset(host) else None


_HOST_CHARACTERS = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('"#%,/;<>?@[\\]^`{|}')


def is_address(host: str) -> bool:
    """Whether a canonical host is an IP address: a name whose last label is a number is none (URL Standard
    section 3.5)."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def is_loopback(host: str) -> bool:
    """Whether a canonical host is this machine: `localhost`, 127.0.0.0/8, ::1.

    Names under `localhost` do not count: some systems ask a name server for them.
    """
    if not is_address(host):
        return host == "localhost"
    from netkit.addr import AddrParseError, IpAddr

    try:
        return IpAddr.parse(host).unmapped.is_loopback
    except AddrParseError:
        return False


def with_parents(host: str) -> Iterator[str]:
    """A canonical host, then each domain that it is in: `a.b.c`, `b.c`, `c`. An address is in no domain."""
    yield host
    if is_address(host):
        return
    at = host.find(".")
    while at >= 0:
        yield host[at + 1 :]
        at = host.find(".", at + 1)


def is_public_suffix(domain: str) -> bool:
    """Whether names under a canonical domain belong to different owners: `com`, `co.uk`, `github.io`.

    The answer is that of the public suffix list (https://publicsuffix.org), both of its parts. A domain of
    one label is a public suffix, whether the list has it or not.
    """
    if is_address(domain):
        return False
    return "." not in domain or _list(domain).is_public(domain)


def site_of(host: str) -> str:
    """The registrable domain of a canonical host; the host if it is an address or a public suffix."""
    if is_address(host) or "." not in host:
        return host
    return _list(host).privatesuffix(host) or host


def is_same_site(one: Url, other: Url) -> bool:
    """Whether both URLs are of one site: the same scheme and registrable domain (section 5.2).

    `ws` counts as `http`, and `wss` as `https`.
    """
    if one.is_secure != other.is_secure:
        return False
    hosts = [canonical_host(url.host or "") for url in (one, other)]
    first, second = hosts
    if first is None or second is None:
        return False
    return first == second or site_of(first) == site_of(second)


def _list(domain: str) -> PublicSuffixList:
    encoded = "xn--" in domain
    found = _lists.get(encoded)
    if found is None:
        from publicsuffixlist import PublicSuffixList

        found = _lists[encoded] = PublicSuffixList(accept_encoded_idn=encoded)
    return found
