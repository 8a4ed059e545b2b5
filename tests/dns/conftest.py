"""Fixtures of the DNS tests: servers that follow a script, and both ways to drive a flow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from netkit.io import run, run_async
from tests.dns.scripted import Script, ScriptedServer


@pytest.fixture
def scripted() -> Iterator[Callable[[Script], ScriptedServer]]:
    """`scripted(script)`: a ScriptedServer, which ends with the test."""
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(ScriptedServer(script))


@pytest.fixture(params=["blocking", "async"])
def drive(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`drive(flow, deadline=..., cancel=...)`: its result, in each of both forms."""
    if request.param == "blocking":
        return run

    def run_under_asyncio(flow: Any, **how: Any) -> Any:
        async def main() -> Any:
            return await run_async(flow, **how)

        return asyncio.run(main())

    return run_under_asyncio
