"""Asks a question again and again, no more often than the TTL allows, until what is waited for has come.

    until = parse_condition("answer=192.0.2.7 and ttl<=300", question)
    watcher = Watcher(question, servers, until)
    watch(watcher, on_round=print)          # blocking; also watch_async and watch_flow

`conditions` is what can be waited for, and `expression` how that is written. `pace` decides when a server is
asked again, `watcher` whom to ask next and what is new. None of these has a socket or a clock; `asking` does
what a `Watcher` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.dns.watching.asking import (
        watch as watch,
        watch_async as watch_async,
        watch_flow as watch_flow,
    )
    from netkit.dns.watching.conditions import Condition as Condition, Sight as Sight
    from netkit.dns.watching.expression import (
        ExpressionError as ExpressionError,
        parse_condition as parse_condition,
    )
    from netkit.dns.watching.pace import (
        LEAST_INTERVAL as LEAST_INTERVAL,
        Delay as Delay,
        Pace as Pace,
        Why as Why,
        next_delay as next_delay,
    )
    from netkit.dns.watching.watcher import (
        AskNow as AskNow,
        End as End,
        News as News,
        NewsKind as NewsKind,
        Round as Round,
        Sleep as Sleep,
        Watcher as Watcher,
    )

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "asking": "watch watch_async watch_flow",
        "conditions": "Condition Sight",
        "expression": "ExpressionError parse_condition",
        "pace": "LEAST_INTERVAL Delay Pace Why next_delay",
        "watcher": "AskNow End News NewsKind Round Sleep Watcher",
    },
)
