"""How this system resolves: resolv.conf(5), hosts(5), the `hosts` line of nsswitch.conf(5).

This module reads the files as the C library does: it ignores the same lines and applies the same limits. The
one exception is MAXNS, because the limit of three servers comes only from the C library's arrays.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import AddrParseError, IpAddr, Ipv6Addr, SocketAddr
from netkit.dns.constants import DNS_PORT
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.policy.options import QueryOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RESOLV_CONF = "/etc/resolv.conf"
HOSTS = "/etc/hosts" if os.name != "nt" else r"C:\Windows\System32\drivers\etc\hosts"
NSSWITCH_CONF = "/etc/nsswitch.conf"

#: The most octets that one of the files may have. Lists of hosts to block have some millions.
MAX_FILE_SIZE = 1 << 26
_PIECE = 1 << 16


def text_of(path: str) -> str:
    """The content of a file, or of a pipe. Raises OSError, also where there is no end of it."""
    pieces = []
    left = MAX_FILE_SIZE
    # Piece by piece: Python makes room for all that it is asked for, also where the file is small.
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise OSError(errno.EFBIG, f"more than {MAX_FILE_SIZE:,} octets", path)
            pieces.append(piece)
    return b"".join(pieces).decode("utf-8", "replace")


class ResolvConf:
    """The content of resolv.conf(5): servers, search list, and the options for a resolver.

    Without the file, or without a `nameserver` line in it, the server is this machine itself. `trust_ad`
    believes the servers' AD flag, `no_aaaa` asks for no IPv6 addresses of hosts. `edns0` is kept only to be
    told: netkit offers EDNS in any case.
    """

    def __init__(
        self,
        servers: Iterable[SocketAddr] = (),
        search: Iterable[Name] = (),
        *,
        ndots: int = 1,
        timeout: float = 5.0,
        attempts: int = 2,
        rotate: bool = False,
        use_vc: bool = False,
        trust_ad: bool = False,
        no_aaaa: bool = False,
        edns0: bool = False,
    ) -> None:
        self.servers = tuple(servers) or (SocketAddr.new("127.0.0.1", DNS_PORT),)
        self.search = tuple(search)
        self.ndots = ndots
        self.timeout = timeout
        self.attempts = attempts
        self.rotate = rotate
        self.use_vc = use_vc
        self.trust_ad = trust_ad
        self.no_aaaa = no_aaaa
        self.edns0 = edns0

    @classmethod
    def load(cls, path: str = RESOLV_CONF, environ: Mapping[str, str] = os.environ) -> ResolvConf:
        """Read the file and the environment; an absent file is an empty one.

        Raises OSError if it cannot be read.
        """
        try:
            return cls.parse(text_of(path), environ)
        except FileNotFoundError:
            return cls.parse("", environ)

    @classmethod
    def parse(cls, text: str, environ: Mapping[str, str] | None = None) -> ResolvConf:
        """Read `text`; invalid lines and options are ignored, as in the C library.

        `environ` may have LOCALDOMAIN, a search list in place of that of the text, and RES_OPTIONS, options
        beyond those of the text; without it the environment does not count.
        """
        servers: list[SocketAddr] = []
        search: list[Name] = []
        options: dict[str, str] = {}
        for line in text.splitlines():
            if line[:1] in "#;":
                continue
            keyword, *values = line.split() or [""]
            if keyword == "nameserver" and values:
                try:
                    servers.append(SocketAddr.new(IpAddr.parse(values[0]), DNS_PORT))
                except AddrParseError:
                    continue
            elif keyword in ("search", "domain"):  # the last of them counts
                search = list(_names(values if keyword == "search" else values[:1]))
            elif keyword == "options":
                options.update(_options(values))
        if environ is not None:
            if "LOCALDOMAIN" in environ:
                search = list(_names(environ["LOCALDOMAIN"].split()))
            options.update(_options(environ.get("RES_OPTIONS", "").split()))
        return cls(
            servers,
            search,
            ndots=min(_number(options.get("ndots"), 1), 15),
            timeout=float(min(max(_number(options.get("timeout"), 5), 1), 30)),
            attempts=min(max(_number(options.get("attempts"), 2), 1), 5),
            rotate="rotate" in options,
            use_vc="use-vc" in options,
            trust_ad="trust-ad" in options,
            no_aaaa="no-aaaa" in options,
            edns0="edns0" in options,
        )

    def query_options(self) -> QueryOptions:
        """How a resolver asks these servers, by the options that are about one question."""
        return QueryOptions(
            timeout=self.timeout,
            tries=self.attempts,
            tcp=self.use_vc,
            hedge=len(self.servers) > 1,
            trust_ad=self.trust_ad,
        )

    def candidates(self, host: str) -> list[Name]:
        """Return the names to try for `host`, in order: with each search domain, and unchanged.

        A name with a final dot is tried only unchanged. A name with at least `ndots` dots is tried unchanged
        first.
        Raises DnsError.InvalidName.
        """
        return search_names(host, self.search, self.ndots)


def search_names(host: str, search: Iterable[Name], ndots: int) -> list[Name]:
    """The names to try for `host`, in order, with this search list; see `ResolvConf.candidates`."""
    name = Name.parse(host, relative=True)
    if name.is_absolute:
        return [name]
    absolute = name.concatenate(Name.root)
    searched = []
    for suffix in search:
        try:
            searched.append(name.concatenate(suffix))
        except DnsError.InvalidName:
            continue  # too long with this one
    if len(name.labels) - 1 >= ndots:
        return [absolute, *searched]
    return [*searched, absolute]


class Hosts:
    """hosts(5): addresses by name and names by address."""

    def __init__(self, lines: Iterable[tuple[IpAddr, list[str]]] = ()) -> None:
        self._addresses: dict[str, list[IpAddr]] = {}
        self._names: dict[IpAddr, list[str]] = {}
        for address, names in lines:
            for name in names:
                known = self._addresses.setdefault(name.rstrip(".").lower(), [])
                if address not in known:
                    known.append(address)
            self._names.setdefault(_unscoped(address), []).extend(names)

    @classmethod
    def load(cls, path: str = HOSTS) -> Hosts:
        """Read the file; an absent one is an empty one. Raises OSError if it cannot be read."""
        try:
            return cls.parse(text_of(path))
        except FileNotFoundError:
            return cls()

    @classmethod
    def parse(cls, text: str) -> Hosts:
        """Read `text`; lines that do not begin with an address are ignored."""
        return cls(_host_lines(text))

    def addresses(self, host: str) -> list[IpAddr]:
        """The addresses of `host`, in the file's order; none if it is not there."""
        return list(self._addresses.get(host.rstrip(".").lower(), ()))

    def names(self, address: IpAddr) -> list[str]:
        """The names of `address`, each once, its canonical one first."""
        return list(dict.fromkeys(self._names.get(_unscoped(address), ())))


class HostSource(NamedTuple):
    """A source of the `hosts` line of nsswitch.conf(5): its name, and the outcomes that end the search after
    this source (SUCCESS, NOTFOUND, UNAVAIL, TRYAGAIN)."""

    name: str
    ends_on: frozenset[str] = frozenset({"SUCCESS"})


#: Without the file, or without a `hosts` line in it.
DEFAULT_SOURCES = (HostSource("files"), HostSource("dns"))

_OUTCOMES = frozenset({"SUCCESS", "NOTFOUND", "UNAVAIL", "TRYAGAIN"})


def load_sources(path: str = NSSWITCH_CONF) -> tuple[HostSource, ...]:
    """Where this system looks hosts up, in order; an absent file is an empty one. Raises OSError."""
    try:
        return parse_sources(text_of(path))
    except FileNotFoundError:
        return DEFAULT_SOURCES


def parse_sources(text: str) -> tuple[HostSource, ...]:
    """The sources of the `hosts` line in the text of nsswitch.conf(5), with their reactions.

    `dns [NOTFOUND=return] files` asks files only if dns gave no answer. `[!UNAVAIL=return]` applies to every
    outcome except UNAVAIL.
    """
    for line in text.splitlines():
        database, separator, words = line.partition("#")[0].partition(":")
        if separator and database.strip() == "hosts":
            return tuple(_sources(words))
    return DEFAULT_SOURCES


def _sources(words: str) -> list[HostSource]:
    sources: list[HostSource] = []
    inside = False
    for word in words.replace("[", " [ ").replace("]", " ] ").split():
        if word in "[]":
            inside = word == "["
        elif not inside:
            sources.append(HostSource(word))
        elif sources:
            sources[-1] = sources[-1]._replace(ends_on=_reaction(word.upper(), sources[-1].ends_on))
    return sources


def _reaction(word: str, ends_on: frozenset[str]) -> frozenset[str]:
    outcome, _, action = word.partition("=")
    named = _OUTCOMES & {outcome.removeprefix("!")}
    if outcome.startswith("!") and named:
        named = _OUTCOMES - named
    return ends_on | named if action == "RETURN" else ends_on - named


def _host_lines(text: str) -> Iterator[tuple[IpAddr, list[str]]]:
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            yield IpAddr.parse(address), names
        except AddrParseError:
            continue


def _names(texts: list[str]) -> Iterator[Name]:
    for text in texts:
        try:
            yield Name.parse(text)
        except DnsError.InvalidName:
            continue


def _options(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The options in `words` with their values; "" where there is none."""
    for word in words:
        name, _, value = word.partition(":")
        yield name, value


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else otherwise


def _unscoped(address: IpAddr) -> IpAddr:
    return Ipv6Addr(int(address)) if isinstance(address, Ipv6Addr) else address
