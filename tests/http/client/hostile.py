"""Servers that break the rules, each with what a client must make of it.

    for scenario in SCENARIOS:
        with serve(scenario) as service:
            ...                             # ask `service.url` as `scenario.ask` says
            ...                             # compare with `scenario.outcome`, and `service.requests`

The servers are scripts on raw sockets (`scripting`, and `frames` for HTTP/2). The tables are in `hostile_*`.
"""

from __future__ import annotations

from tests.http.client import (
    hostile_bodies,
    hostile_exchanges,
    hostile_framing,
    hostile_http2,
    hostile_redirects,
)
from tests.http.client.hostile_exchanges import DISPOSITIONS
from tests.http.client.scripting import Ask, Outcome, Received, Scenario, Service, serve

__all__ = ["DISPOSITIONS", "SCENARIOS", "Ask", "Outcome", "Received", "Scenario", "Service", "serve"]

_ALL = [
    *((each, "framing") for each in hostile_framing.SCENARIOS),
    *((each, "body") for each in hostile_bodies.SCENARIOS),
    *((each, "redirect") for each in hostile_redirects.SCENARIOS),
    *((each, "exchange") for each in hostile_exchanges.SCENARIOS),
    *((each, "http2") for each in hostile_http2.SCENARIOS),
]

#: Every scenario by its name, which begins with its group: "framing: HTTP/0.9".
SCENARIOS: dict[str, Scenario] = {f"{group}: {each.name}": each for each, group in _ALL}
assert len(SCENARIOS) == len(_ALL), "two scenarios have one name"
