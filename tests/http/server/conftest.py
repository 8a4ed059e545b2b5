"""The servers of the tests of this folder: in every form, over every kind of stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from netkit.http.server.config import ServerConfig
from tests.http.server.serving import Serving

Serve = Callable[..., Serving]

#: Blocking and async, and each kind of stream once in each.
FORMS = [("blocking", "tcp"), ("async", "tcp"), ("blocking", "tls"), ("async", "tls"), ("async", "unix")]


@pytest.fixture(params=FORMS, ids=[f"{form} over {over}" for form, over in FORMS])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    """Start a server in each form; the end of the test stops it, and looks that it ends."""
    form, over = request.param
    with ExitStack() as stack:

        def start(handler: Any, config: ServerConfig | None = None, **more: Any) -> Serving:
            return stack.enter_context(Serving(handler, config, form=form, over=over, path=tmp_path, **more))

        yield start


@pytest.fixture(params=["blocking", "async"])
def serve_clear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    """Start a server without TLS, for clients that finish sending and go on reading."""
    with ExitStack() as stack:

        def start(handler: Any, config: ServerConfig | None = None, **more: Any) -> Serving:
            over = "tcp" if request.param == "blocking" else "unix"
            serving = Serving(handler, config, form=request.param, over=over, path=tmp_path, **more)
            return stack.enter_context(serving)

        yield start


@pytest.fixture(params=["blocking", "async"])
def serve_tcp(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Start a server over TCP alone, for what is about the system's buffers, or about TCP itself."""
    with ExitStack() as stack:

        def start(handler: Any, config: ServerConfig | None = None, **more: Any) -> Serving:
            return stack.enter_context(Serving(handler, config, form=request.param, **more))

        yield start
