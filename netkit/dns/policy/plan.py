"""Whom a resolver asks, and how: what its caller said, and resolv.conf(5) for the rest.

What comes from the file resolv.conf changes with it (`netkit.dns.policy.reloading`): a `Plan` is what is in
force now, and `Planner.current` gives another one after a change. A caller who names servers, or hands over a
`ResolvConf`, has a plan that stays.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.name import Name
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.reloading import Reloading
from netkit.dns.policy.upstream import Routes, Upstream
from netkit.dns.system import RESOLV_CONF, ResolvConf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from netkit.dns.policy.upstream import UpstreamLike


class Plan(NamedTuple):
    """Whom a resolver asks, and how, until something changes."""

    conf: ResolvConf
    routes: Routes
    options: QueryOptions


class Planner:
    """Makes the plans of a resolver; the arguments are those of `Resolver`. May be used from any thread.

    Raises OSError if there is a resolv.conf that cannot be read.
    """

    def __init__(
        self,
        nameservers: Iterable[UpstreamLike] | None,
        domains: Mapping[str, Iterable[UpstreamLike]],
        *,
        search: Iterable[Name | str] | None,
        timeout: float | None,
        tries: int | None,
        options: QueryOptions | None,
        resolv_conf: ResolvConf | str | None,
        clock: Callable[[], float],
    ) -> None:
        self._nameservers = None if nameservers is None else Upstream.several(nameservers)
        self._domains = Routes((), domains).domains
        if isinstance(search, str):
            search = (search,)
        self._search = None if search is None else tuple([Name.of(suffix) for suffix in search])
        self._timeout = timeout
        self._tries = tries
        self._options = options
        self._file: Reloading[ResolvConf] | None = None
        if resolv_conf is None and self._nameservers is None:
            resolv_conf = RESOLV_CONF
        if isinstance(resolv_conf, str):
            self._file = Reloading(resolv_conf, ResolvConf.load, clock)
            resolv_conf = self._file.content
        self._conf = resolv_conf or ResolvConf()
        self._plan = self._made(self._conf)

    @property
    def current(self) -> Plan:
        """The plan in force: the same object until something changes."""
        if self._file is not None:
            conf = self._file.content
            if conf is not self._conf:
                # Two threads may both do this: their plans are equal, and the last one stays.
                self._plan, self._conf = self._made(conf), conf
        return self._plan

    def _made(self, conf: ResolvConf) -> Plan:
        options = self._options
        if options is None:
            options = conf.query_options()
            if self._nameservers is not None:
                options = QueryOptions(tries=conf.attempts, tcp=conf.use_vc)
        if self._timeout is not None:
            options = options.replace(timeout=self._timeout)
        if self._tries is not None:
            options = options.replace(tries=self._tries)
        if self._search is not None:
            conf = copy(conf)  # the caller's own stays as it is
            conf.search = self._search
        servers = conf.servers if self._nameservers is None else self._nameservers
        return Plan(conf, Routes(servers, self._domains), options)
