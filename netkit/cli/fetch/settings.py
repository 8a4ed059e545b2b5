"""The options of `netkit http fetch` as the library's settings: connections, TLS, credentials, cookies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netkit.cli.frame.inputs import BadInput
from netkit.cli.frame.options import WrongValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netkit.addr import SocketAddr
    from netkit.cli.fetch.options import ConnectOptions, FetchTlsOptions, FollowOptions, RequestTlsOptions
    from netkit.cli.fetch.plan import Credentials
    from netkit.cli.fetch.state import State
    from netkit.cli.frame.context import Environment
    from netkit.http.client.client import Client
    from netkit.http.client.dial import DialConfig, Services
    from netkit.http.client.facts import Trace
    from netkit.http.policy.auth import Auth
    from netkit.http.policy.retry import RetryPolicy
    from netkit.http.url import Url
    from netkit.proxy.url import Proxy

#: A host in the options of curl: a name, an address, or an IPv6 address in brackets.
_HOST = r"\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]]*"
_RESOLVE = rf"\+?({_HOST}):(\d+):(.+)"
_CONNECT_TO = rf"({_HOST}):(\d*):({_HOST}):(\d*)"


def dial_config(
    connect: ConnectOptions,
    tls: FetchTlsOptions,
    urls: Iterable[Url],
    env: Environment,
    *,
    early_data: bool = False,
) -> DialConfig:
    """How connections are made. `urls` are those that are asked for: --connect-to may mean all of them.

    Raises WrongValue, and OSError and UnusableFile for files of certificates.
    """
    from netkit.http.client.dial import DialConfig, HttpVersions

    versions = HttpVersions.AUTO
    if connect.http11:
        versions = HttpVersions.HTTP11
    elif connect.prior:
        versions = HttpVersions.HTTP2
    origin = connect.resolve()
    return DialConfig(
        versions=versions,
        tls=tls.config_or_none(env),
        proxy_for=proxy_choice(connect, env),
        unix_socket=connect.unix_socket,
        resolve_to=dict(map(parse_resolve, connect.resolve_to)),
        connect_to=connect_map(connect.connect_to, urls),
        family=origin.family,
        source=origin.source,
        deny_private=connect.deny_private,
        connect_timeout=connect.connect_timeout,
        services=_services(tls.ech == "auto") if connect.https_records or tls.ech == "auto" else None,
        early_data=early_data,
        server_names=tls.server_names(urls),
    )


def _services(ech: bool) -> Services:
    """What asks for HTTPS records: the servers of resolv.conf; `ech`: also for how to encrypt hellos."""
    from netkit.dns.resolver import Resolver
    from netkit.https_records import HttpsRecords

    return HttpsRecords(Resolver(), ech=ech)


def open_client(
    env: Environment,
    urls: Sequence[Url],
    state: State,
    trace: Trace | None,
    follow: FollowOptions,
    connect: ConnectOptions,
    tls: RequestTlsOptions,
    *,
    follows: bool,
    decodes: bool,
) -> Client:
    """The client that the options describe. Raises WrongValue, OSError, and UnusableFile."""
    from netkit.http.client.client import Client
    from netkit.http.config import ClientConfig, PoolConfig

    config = ClientConfig(
        timeout=None,
        follow_redirects=follows,
        max_redirects=follow.max_redirs,
        # A stream may be silent for hours; --max-time is for whoever does not want that.
        # Early data is for new connections: with it, none is kept.
        pool_config=PoolConfig(
            read_timeout=None, write_timeout=None, idle_timeout=0.0 if tls.early_data else 90.0
        ),
        user_agent=None,
        decode=decodes,
        retry=retry_policy(follow),
    )
    dial = dial_config(connect, tls, urls, env, early_data=tls.early_data)
    return Client(config, dial=dial, cookies=state.jar, netrc=state.netrc, trace=trace)


def retry_policy(follow: FollowOptions) -> RetryPolicy | None:
    """What --retry says; None without it."""
    if not follow.retry:
        return None
    from netkit.http.policy.retry import RetryPolicy

    if follow.retry_delay is None:
        return RetryPolicy(tries=follow.retry + 1, backoff=1.0)
    delay = follow.retry_delay
    return RetryPolicy(tries=follow.retry + 1, backoff=delay, factor=1.0, jitter=0.0, max_backoff=delay)


def proxy_choice(connect: ConnectOptions, env: Environment) -> Callable[[Url], Proxy | None] | None:
    """The proxy for each URL, by -x, or by the environment; None where neither names one."""
    if connect.proxy is None:
        return environment_proxies(env, connect.no_proxy)
    if not connect.proxy:
        return None
    from netkit.http.policy.proxies import ProxyChoice, ProxySetting

    setting = ProxySetting("-x", connect.proxy)
    setting.read()  # an error now, and not at the first request
    no_proxy = connect.no_proxy
    if no_proxy is None:
        no_proxy = ",".join(ProxyChoice.from_environment(env.environ).no_proxy)
    return ProxyChoice(setting, no_proxy=no_proxy).proxy_for


def environment_proxies(
    env: Environment, no_proxy: str | None = None
) -> Callable[[Url], Proxy | None] | None:
    """The proxy for each URL by the environment; None where it names none. `no_proxy` replaces its own."""
    variables = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    if not any(map(env.environ.get, variables)):
        return None
    from netkit.http.policy.proxies import ProxyChoice

    choice = ProxyChoice.from_environment(env.environ)
    return (choice if no_proxy is None else choice.replace(no_proxy=no_proxy)).proxy_for


def parse_resolve(text: str) -> tuple[str, Sequence[SocketAddr]]:
    """What --resolve says: `HOST:PORT`, and the addresses. Raises WrongValue.

    >>> parse_resolve("A.example:443:192.0.2.1,[2001:db8::1]")
    ('a.example:443', [<SocketAddrV4 192.0.2.1:443>, <SocketAddrV6 [2001:db8::1]:443>])
    """
    from netkit.addr import AddrParseError, IpAddr, SocketAddr

    form = "write HOST:PORT:ADDR, as in example.com:443:127.0.0.1"
    found = re.fullmatch(_RESOLVE, text)
    if found is None or not found[1] or found[1] == "*":
        raise WrongValue(f"--resolve: {text!r} names no host, port and address", form)
    host, port = found[1].lower().removesuffix("."), int(found[2])
    if not 0 < port < 65536:
        raise WrongValue(f"--resolve: {found[2]} is not a port from 1 to 65535", form)
    try:
        addrs = [SocketAddr.new(IpAddr.parse(each.strip().strip("[]")), port) for each in found[3].split(",")]
    except AddrParseError as error:
        raise WrongValue(f"--resolve: {error}", form) from error
    return f"{host}:{port}", addrs


def connect_map(texts: Iterable[str], urls: Iterable[Url]) -> dict[str, str]:
    """What --connect-to says, for the URLs that are asked for: from `HOST:PORT` to another.

    The first that fits counts. An empty host or port in the first half fits any; in the second half it is the
    same as asked for. A redirect to a host that is not among `urls` is followed by what names it in full.
    """
    found: dict[str, str] = {}
    listed = list(urls)
    for text in texts:
        parts = re.fullmatch(_CONNECT_TO, text)
        if parts is None:
            form = "write HOST1:PORT1:HOST2:PORT2, as in example.com:443:127.0.0.1:8443"
            raise WrongValue(f"--connect-to: {text!r} is not two hosts and ports", form)
        asked_host, asked_port, host, port = parts.groups()
        asked_host = asked_host.lower()
        keys = [(asked_host, asked_port)] if asked_host and asked_port else []
        for url in listed:
            names = (
                url.host_header.rpartition(":")[0] if url.port and ":" in url.host_header else url.host_header
            )
            of_url = re.sub(r":\d+$", "", url.authority), str(url.effective_port)
            if asked_host in ("", of_url[0], names) and asked_port in ("", of_url[1]):
                keys.append(of_url)
        for key_host, key_port in keys:
            found.setdefault(f"{key_host}:{key_port}", f"{host or key_host}:{port or key_port}")
    return found


def auth_of(credentials: Credentials | None, env: Environment) -> Auth | None:
    """The credentials, ready to be used; asks for a password that was not given. Raises BadInput."""
    if credentials is None:
        return None
    from netkit.http.errors import HttpError
    from netkit.http.policy.auth import BasicAuth, BearerAuth, DigestAuth

    password = credentials.password
    try:
        if credentials.scheme == "bearer":
            return BearerAuth(password or "")
        if password is None:
            password = ask_password(credentials.user, env)
        kind = DigestAuth if credentials.scheme == "digest" else BasicAuth
        return kind(credentials.user, password)
    except HttpError.InvalidValue as error:
        raise BadInput(str(error), None, error.hint) from error


def ask_password(user: str, env: Environment) -> str:
    """The user's password, typed at the terminal without being shown. Raises BadInput without one."""
    if not (env.stdin_tty and env.stderr_tty):
        raise WrongValue(
            "there is no terminal to ask for a password", "write -u USER:PASSWORD, or use --netrc"
        )
    from getpass import getpass

    return getpass(f"Password of {user}: ")
