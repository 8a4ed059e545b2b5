"""Faults on purpose below HTTP: what is late or slow arrives, in either version, also on idle connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netkit.http import (
    Client,
    DialConfig,
    HttpServer,
    HttpVersions,
    Request,
    Response,
    ServerConfig,
    text_response,
)
from netkit.http.errors import HttpError
from netkit.lab.faults import Faults, FaultyStream
from netkit.net import TcpListener
from netkit.serve import Stop
from tests.waiting import until


class Pages:
    def handle(self, request: Request) -> Response:
        return text_response(200, request.uri * 500)


@contextmanager
def faulty_server(faults: Faults) -> Iterator[str]:
    listener, stop = TcpListener.bind("127.0.0.1:0"), Stop()
    url = f"http://{listener.local_addr}"
    server = HttpServer(
        Pages(), ServerConfig(threads=0), wrap=lambda stream: FaultyStream(stream, faults.session())
    )
    thread = threading.Thread(target=server.run, args=[[listener]], kwargs={"stop": stop})
    thread.start()
    try:
        yield url
    finally:
        stop.cut()
        thread.join()


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize(
    "faults",
    [{"delay": (0.01, 0.02)}, {"throttle": 100_000}, {"delay": (0.01, 0.02), "throttle": 100_000}],
    ids=["late", "slow", "both"],
)
def test_each_answer_arrives(faults: dict[str, float], version: str) -> None:
    made = Faults(**faults)  # type: ignore[arg-type]  # each has its type
    versions = HttpVersions.HTTP2 if version == "2" else HttpVersions.HTTP11
    with faulty_server(made) as url, Client(dial=DialConfig(versions)) as client:
        for name in ("/a", "/b", "/c"):
            response = client.get(url + name)
            assert (response.body_text, response.connection.version) == (name * 500 + "\n", version)
    assert bool(made.injected.delayed) == ("delay" in faults)


def test_a_reset_that_has_to_wait_ends_the_connection_over_http2() -> None:
    made = Faults(reset_after=500)
    with faulty_server(made) as url, Client(dial=DialConfig(HttpVersions.HTTP2)) as client:
        with pytest.raises((HttpError, OSError)):
            client.post(url + "/a", body=b"")
        until(lambda: made.injected.reset >= 1)
