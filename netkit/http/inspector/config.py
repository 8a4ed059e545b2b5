"""The settings of the inspecting endpoints: for whom they answer, and how much one request may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit._value import Value, assign
from netkit.http.config import checked_count, checked_seconds
from netkit.http.errors import HttpError
from netkit.http.hosts import canonical_host, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The name that allows every host.
ANY_HOST = "*"


class InspectorConfig(Value):
    """What the endpoints answer to, and their limits.

    `allowed_hosts` are names and addresses, without ports, that a request may be for; others are answered
    with 421. That is the defence against DNS rebinding: a page of a foreign name that resolves to this
    machine is not answered. Names of the loopback interface (`localhost` and what ends in `.localhost`,
    127.0.0.0/8, ::1) are always allowed; `*` allows every name.

    `max_delay` limits, in seconds, what one request may have the server wait in all. `max_size` limits, in
    octets, a body that is made up; `max_endless` one without an end, and what a compressed one decodes to.
    `max_count` limits how many lines, chunks, events, interim responses or links there are in one response.
    `other_host` is a second name of this server, for redirects to another host; None for `localhost` and
    `127.0.0.1` in exchange. `other_origin` is the origin of a server of another port or scheme, if there is
    one. Raises HttpError.InvalidValue for an impossible setting.
    """

    __slots__ = (
        "allowed_hosts",
        "max_count",
        "max_delay",
        "max_endless",
        "max_size",
        "other_host",
        "other_origin",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "allowed_hosts",
        "max_delay",
        "max_size",
        "max_endless",
        "max_count",
        "other_host",
        "other_origin",
    )

    allowed_hosts: tuple[str, ...]
    max_delay: float
    max_size: int
    max_endless: int
    max_count: int
    other_host: str | None
    other_origin: str | None

    def __init__(
        self,
        allowed_hosts: Iterable[str] = (),
        max_delay: float = 10.0,
        max_size: int = 100 << 10,
        max_endless: int = 64 << 20,
        max_count: int = 1000,
        other_host: str | None = None,
        other_origin: str | None = None,
    ) -> None:
        if isinstance(allowed_hosts, str):
            raise TypeError("allowed_hosts are several: a tuple with the name in it")
        assign(self, "allowed_hosts", tuple([_checked_host(each) for each in allowed_hosts]))
        delay = checked_seconds("max_delay", max_delay)
        if delay is None:
            raise HttpError.InvalidValue("max_delay", "it has to be a number: nothing here goes on for ever")
        assign(self, "max_delay", delay)
        assign(self, "max_size", checked_count("max_size", max_size, 1, 1 << 30))
        assign(self, "max_endless", checked_count("max_endless", max_endless, 1, 1 << 40))
        assign(self, "max_count", checked_count("max_count", max_count, 1, 1 << 20))
        assign(self, "other_host", None if other_host is None else _checked_host(other_host))
        assign(self, "other_origin", other_origin)

    def allows(self, host: str) -> bool:
        """Whether a request for that host, which is without its port, is answered."""
        if ANY_HOST in self.allowed_hosts:
            return True
        canonical = canonical_host(host.removeprefix("[").removesuffix("]"))
        if canonical is None:
            return False
        return is_loopback(canonical) or canonical.endswith(".localhost") or canonical in self.allowed_hosts


def _checked_host(host: str) -> str:
    if host == ANY_HOST:
        return host
    canonical = canonical_host(host.removeprefix("[").removesuffix("]"))
    if canonical is None:
        raise HttpError.InvalidValue("host", "it is neither a name nor an address")
    return canonical


#: What the endpoints keep to unless they are given others.
DEFAULT_CONFIG = InspectorConfig()
