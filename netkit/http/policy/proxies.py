"""Which proxy a request goes through: what the user said, or what the environment says.

The variables are curl's: `http_proxy`, `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`, `no_proxy` and
`NO_PROXY`; the one in lower case counts first, an empty one does not count. `HTTP_PROXY` in upper case is
never read: in a CGI program it is the Proxy field of the request that somebody sent (httpoxy, CVE-2016-5385).
For ws and wss the variables are those of http and https.

Entries of `no_proxy` stand between commas or spaces, and match the host that is in the URL; no name is looked
up for them. There is no exception for this machine that nobody wrote: with a proxy for all, `localhost` too
goes through it.

    example.com  .example.com  *.example.com     this name and the names under it
    example.com:8080  [2001:db8::1]:8080         the same, for one port only
    192.0.2.1  2001:db8::1  [2001:db8::1]        an address, however the URL writes it
    192.0.2.0/24  2001:db8::/32                  a range of addresses
    *                                            everything

The environment is handed in. A variable is read as a URL when a request needs it, so a wrong one that is not
needed does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from netkit._value import Value, assign
from netkit.http.hosts import canonical_host, is_address, with_parents
from netkit.proxy.errors import ProxyError
from netkit.proxy.url import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netkit.addr import IpAddr
    from netkit.http.url import Url

#: For the scheme of a URL: the field of a ProxyChoice, and the variables in their order.
_FIELDS = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_VARIABLES = {
    "http": ("http_proxy",),
    "https": ("https_proxy", "HTTPS_PROXY"),
    "all": ("all_proxy", "ALL_PROXY"),
}
_NO_PROXY = ("no_proxy", "NO_PROXY")


class ProxySetting(Value):
    """A proxy as a variable has it: `text`, and in `source` the variable's name. Read when it is needed."""

    __slots__ = ("source", "text")
    __match_args__: ClassVar[tuple[str, ...]] = ("source", "text")

    source: str
    text: str

    def __init__(self, source: str, text: str) -> None:
        assign(self, "source", source)
        assign(self, "text", text)

    def read(self) -> Proxy:
        """The proxy; without a scheme it is an HTTP proxy, as for curl. Raises ProxyError.InvalidProxy."""
        text = self.text.strip()
        try:
            return Proxy.parse(text if "://" in text else f"http://{text}")
        except ProxyError.InvalidProxy as error:
            raise ProxyError.InvalidProxy(f"{self.source}: {error.reason}", error.hint) from None

    def __repr__(self) -> str:
        return f"<ProxySetting {self.source}>"  # the text may have a password in it


#: What a field of ProxyChoice holds.
ProxyLike: TypeAlias = "Proxy | ProxySetting"


class ProxyChoice(Value):
    """The proxies for http and https URLs, the one for both, and what goes without.

        >>> from netkit.http import Url
        >>> choice = ProxyChoice.from_environment({"https_proxy": "proxy.example:3128", "no_proxy": "test"})
        >>> choice.proxy_for(Url.parse("https://example.com/"))
        <Proxy http://proxy.example:3128>
        >>> choice.proxy_for(Url.parse("https://a.test/")) is None
        True

    `http` and `https` are for URLs of that scheme, `all` is for those without one of their own. `no_proxy`
    are the entries described above. A ProxyChoice without arguments means no proxy. A text is read as the URL
    of a proxy; raises ProxyError.InvalidProxy.
    """

    __slots__ = ("all", "http", "https", "no_proxy")
    __match_args__: ClassVar[tuple[str, ...]] = ("all", "http", "https", "no_proxy")

    all: ProxyLike | None
    http: ProxyLike | None
    https: ProxyLike | None
    no_proxy: tuple[str, ...]

    def __init__(
        self,
        all: ProxyLike | str | None = None,  # noqa: A002 - the word that the variables have
        http: ProxyLike | str | None = None,
        https: ProxyLike | str | None = None,
        no_proxy: str | Iterable[str] = (),
    ) -> None:
        for field, proxy in (("all", all), ("http", http), ("https", https)):
            assign(self, field, Proxy.parse(proxy) if isinstance(proxy, str) else proxy)
        entries = no_proxy.replace(",", " ").split() if isinstance(no_proxy, str) else no_proxy
        assign(self, "no_proxy", tuple(entries))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> ProxyChoice:
        """What the variables in `environ` say; `os.environ` is one. Raises nothing: see `proxy_for`."""
        found: dict[str, ProxySetting] = {}
        for field, names in _VARIABLES.items():
            for name in names:
                if environ.get(name, "").strip() and field not in found:
                    found[field] = ProxySetting(name, environ[name])
        no_proxy = next((environ[name] for name in _NO_PROXY if environ.get(name, "").strip()), "")
        return cls(found.get("all"), found.get("http"), found.get("https"), no_proxy)

    def proxy_for(self, url: Url) -> Proxy | None:
        """The proxy for a request to `url`; None if it goes without.

        Raises ProxyError.InvalidProxy, with the name of the variable, if what it has is not a proxy's URL.
        """
        field = _FIELDS.get(url.scheme)
        proxy = (getattr(self, field) if field else None) or self.all
        if proxy is None or self.is_excepted(url):
            return None
        return proxy.read() if isinstance(proxy, ProxySetting) else proxy

    def is_excepted(self, url: Url) -> bool:
        """Whether `no_proxy` names the host of `url`."""
        if not self.no_proxy:
            return False
        host = canonical_host(url.host or "")
        if host is None:
            return "*" in self.no_proxy
        address = _address(host) if is_address(host) else None
        return any(_matches(entry, host, address, url.effective_port) for entry in self.no_proxy)


def _matches(entry: str, host: str, address: IpAddr | None, port: int | None) -> bool:
    """Whether an entry of no_proxy names the host, which is `address` if it is one."""
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_in_range(address, entry)
    name, wanted_port = _split(entry)
    if wanted_port is not None and wanted_port != port:
        return False
    if address is not None:
        found = _address(name)
        return found is not None and found == address
    domain = canonical_host(name.removeprefix("*").removeprefix("."))
    return domain is not None and domain in with_parents(host)


def _split(entry: str) -> tuple[str, int | None]:
    """The name or address of an entry, without brackets, and its port."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:  # a name, or an IPv6 address without brackets
        return entry, None
    # What is no port is -1, which matches none: an entry that cannot be read is an exception for nothing.
    if not port:
        return name, None
    return name, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1


def _address(text: str) -> IpAddr | None:
    from netkit.addr import AddrParseError, IpAddr

    try:
        return IpAddr.parse(text).unmapped
    except AddrParseError:
        return None


def _is_in_range(address: IpAddr, entry: str) -> bool:
    from ipaddress import ip_network

    try:
        network = ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network
