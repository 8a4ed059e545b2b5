"""The settings of an HTTP client: how long it waits, which redirects it follows, which connections it keeps.

Both are values that never change; `replace` returns a new one. All times are in seconds, None for no limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit._value import Value, assign
from netkit._version import __version__
from netkit.http.connection.limits import DEFAULT_LIMITS, ConnectionLimits
from netkit.http.errors import HttpError
from netkit.http.headers import Headers, checked_value

if TYPE_CHECKING:
    from netkit.http.headers import HeadersLike
    from netkit.http.policy.retry import RetryPolicy

#: Times longer than this (a year) are refused: they are milliseconds, or a mistake.
MAX_TIMEOUT = 366 * 86400.0

#: The most octets of a response's body that a client keeps, unless it is told otherwise (100 MiB).
MAX_BODY = 100 << 20


class PoolConfig(Value):
    """How connections are kept for the next request.

    `max_connections` limits the number of open connections to all hosts, in use or idle. A connection that
    is idle for `idle_timeout` is closed. `read_timeout` and `write_timeout` limit each wait for a peer that
    sends or takes nothing; with HTTP/2 each wait of one request, however much comes for the others of its
    connection. Raises HttpError.InvalidValue for an impossible number.
    """

    __slots__ = ("idle_timeout", "max_connections", "read_timeout", "write_timeout")
    __match_args__: ClassVar[tuple[str, ...]] = (
        "max_connections",
        "idle_timeout",
        "read_timeout",
        "write_timeout",
    )

    max_connections: int
    idle_timeout: float | None
    read_timeout: float | None
    write_timeout: float | None

    def __init__(
        self,
        max_connections: int = 100,
        idle_timeout: float | None = 90.0,
        read_timeout: float | None = 30.0,
        write_timeout: float | None = 30.0,
    ) -> None:
        assign(self, "max_connections", checked_count("max_connections", max_connections, 1))
        assign(self, "idle_timeout", checked_seconds("idle_timeout", idle_timeout, allow_zero=True))
        assign(self, "read_timeout", checked_seconds("read_timeout", read_timeout))
        assign(self, "write_timeout", checked_seconds("write_timeout", write_timeout))


class ClientConfig(Value):
    """The settings of a client.

    `timeout` limits a request from beginning to end, including redirects. `max_redirects` limits how many
    redirects are followed if `follow_redirects` is on. If `user_agent` is None, no User-Agent is sent. Each
    of `default_headers` is added to every request that has no field of that name; they are copied and frozen.

    `max_body` limits the body of a response that is read whole, in octets, after its codings were undone.
    `decode`: undo content codings, and ask for those that can be undone. `expect_continue`: a request with a
    body of at least that many octets, or of unknown length, waits for 100 (Continue); None for never.
    `retry` says which requests are sent again after a failure. `limits` are those of each connection.
    Raises HttpError.InvalidValue for an impossible setting.

    >>> ClientConfig(timeout=5).replace(follow_redirects=False).timeout
    5.0
    """

    __slots__ = (
        "decode",
        "default_headers",
        "expect_continue",
        "follow_redirects",
        "limits",
        "max_body",
        "max_redirects",
        "pool_config",
        "retry",
        "timeout",
        "user_agent",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "timeout",
        "max_redirects",
        "follow_redirects",
        "pool_config",
        "user_agent",
        "default_headers",
        "max_body",
        "decode",
        "expect_continue",
        "retry",
        "limits",
    )

    timeout: float | None
    max_redirects: int
    follow_redirects: bool
    pool_config: PoolConfig
    user_agent: str | None
    default_headers: Headers
    max_body: int
    decode: bool
    expect_continue: int | None
    retry: RetryPolicy | None
    limits: ConnectionLimits

    def __init__(
        self,
        timeout: float | None = 30.0,
        max_redirects: int = 10,
        follow_redirects: bool = True,
        pool_config: PoolConfig | None = None,
        user_agent: str | None = f"netkit/{__version__}",
        default_headers: HeadersLike = (),
        max_body: int = MAX_BODY,
        decode: bool = True,
        expect_continue: int | None = None,
        retry: RetryPolicy | None = None,
        limits: ConnectionLimits = DEFAULT_LIMITS,
    ) -> None:
        if pool_config is not None and not isinstance(pool_config, PoolConfig):
            raise TypeError(f"pool_config is a PoolConfig, not {type(pool_config).__name__}")
        if user_agent is not None:
            user_agent = checked_value("User-Agent", user_agent)
        headers = default_headers if isinstance(default_headers, Headers) else Headers(default_headers)
        assign(self, "timeout", checked_seconds("timeout", timeout))
        assign(self, "max_redirects", checked_count("max_redirects", max_redirects, 0))
        assign(self, "follow_redirects", bool(follow_redirects))
        assign(self, "pool_config", PoolConfig() if pool_config is None else pool_config)
        assign(self, "user_agent", user_agent)
        assign(self, "default_headers", headers.frozen())
        assign(self, "max_body", checked_count("max_body", max_body, 0, 2**53))
        assign(self, "decode", bool(decode))
        if expect_continue is not None:
            expect_continue = checked_count("expect_continue", expect_continue, 0, 2**53)
        assign(self, "expect_continue", expect_continue)
        assign(self, "retry", retry)
        assign(self, "limits", limits)


def checked_seconds(field: str, value: float | None, *, allow_zero: bool = False) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{field} is a number of seconds, not {type(value).__name__}")
    if not (0 <= value <= MAX_TIMEOUT) or (value == 0 and not allow_zero):  # also what is no number (NaN)
        least = "0" if allow_zero else "more than 0"
        raise HttpError.InvalidValue(
            field,
            f"{value:g} is not {least} to {MAX_TIMEOUT:g} seconds",
            limit=int(MAX_TIMEOUT),
            hint="None is no limit",
        )
    return float(value)


def checked_count(field: str, value: int, least: int, most: int = 1_000_000) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} is an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise HttpError.InvalidValue(field, f"{value} is not {least} to {most}", limit=most)
    return value
