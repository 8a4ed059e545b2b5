"""One suite over both forms: a connection in the loop and one in a flow of its own send the same octets.

The same requests, good, odd and wrong, in every cut, one by one and pipelined: what the client gets to the
end of the connection is the same but for Date, and so is what a watcher is told and what is counted.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http.server.config import ServerConfig
from tests.http.server.loop_forms import INLINE, Mirror, Outcome, exchange_octets


def request(line: str, *fields: str, body: bytes = b"") -> bytes:
    return "".join(each + "\r\n" for each in (line, *fields, "")).encode("latin-1") + body


HOST = "Host: example.com"

#: Requests that the loop answers itself.
SIMPLE = {
    "get": request("GET / HTTP/1.1", HOST),
    "query": request("GET /a?b=c HTTP/1.1", "Accept: */*", "host:  other  ", "accept: text/html"),
    "head": request("HEAD / HTTP/1.1", HOST),
    "head of nothing": request("HEAD /length HTTP/1.1", HOST),
    "announced length of a get": request("GET /length HTTP/1.1", HOST),
    "options": request("OPTIONS * HTTP/1.1", HOST),
    "empty host": request("GET / HTTP/1.1", "Host:"),
    "a method that few know": request("PROPFIND /pot HTTP/1.1", HOST),
    "post": request("POST /p HTTP/1.1", HOST, "Content-Length: 5", body=b"hello"),
    "no body": request("POST /p HTTP/1.1", HOST, "Content-Length: 0"),
    "a body with a get": request("GET /p HTTP/1.1", HOST, "Content-Length: 2", body=b"\r\n"),
    "close": request("GET / HTTP/1.1", HOST, "Connection: close"),
    "close in a list": request("GET / HTTP/1.1", HOST, "Connection: x, Close"),
    "old": request("GET / HTTP/1.0"),
    "old and kept": request("GET / HTTP/1.0", "Connection: Keep-Alive"),
    "old with a host": request("HEAD / HTTP/1.0", HOST),
    "empty lines before": b"\r\n\r\n" + request("GET / HTTP/1.1", HOST),
    "empty": request("GET /empty HTTP/1.1", HOST),
    "204": request("GET /204 HTTP/1.1", HOST),
    "304": request("GET /304 HTTP/1.1", HOST),
    "304 with a body": request("GET /304-body HTTP/1.1", HOST),
    "the handler closes": request("GET /close HTTP/1.1", HOST),
    "its own date": request("GET /dated HTTP/1.1", HOST),
}

#: Requests, and answers, that are for the flow.
RARE = {
    "expect": request("POST /p HTTP/1.1", HOST, "Expect: 100-continue", "Content-Length: 5", body=b"hello"),
    "chunked": request(
        "POST /p HTTP/1.1", HOST, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    ),
    "upgrade": request("GET / HTTP/1.1", HOST, "Upgrade: h2c", "Connection: Upgrade"),
    "absolute": request("GET http://there.example/x?y HTTP/1.1", HOST),
    "absolute without a path": request("GET http://there.example HTTP/1.1", HOST),
    "connect": request("CONNECT there.example:443 HTTP/1.1", HOST),
    "raise": request("GET /raise HTTP/1.1", HOST),
    "raise with a body": request("POST /raise HTTP/1.1", HOST, "Content-Length: 5", body=b"hello"),
    "none": request("GET /none HTTP/1.1", HOST),
    "refuse": request("GET /refuse HTTP/1.1", HOST),
    "a length that is none": request("GET /bad-length HTTP/1.1", HOST),
    "426": request("GET /426 HTTP/1.1", HOST),
    "103": request("GET /103 HTTP/1.1", HOST),
    "a field that cannot be sent": request("GET /host-field HTTP/1.1", HOST),
    "large": request("GET /large HTTP/1.1", HOST),
    "large to head": request("HEAD /large HTTP/1.1", HOST),
    "streamed": request("GET /streamed HTTP/1.1", HOST),
    "streamed to head": request("HEAD /streamed HTTP/1.1", HOST),
    "too large a body": request("POST /p HTTP/1.1", HOST, "Content-Length: 1001", body=b"x" * 1001),
    "a body that never comes": request("POST /p HTTP/1.1", HOST, "Content-Length: 5", body=b"he"),
}

#: Requests that are wrong.
WRONG = {
    "a new method": request("BREW /pot HTTP/1.1", HOST),
    "no host": request("GET / HTTP/1.1"),
    "two hosts": request("GET / HTTP/1.1", HOST, HOST),
    "a host that is none": request("GET / HTTP/1.1", "Host: a b"),
    "two lengths": request("POST / HTTP/1.1", HOST, "Content-Length: 1", "Content-Length: 2", body=b"x"),
    "length and coding": request(
        "POST /p HTTP/1.1", HOST, "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "a coding that is none": request("POST / HTTP/1.1", HOST, "Transfer-Encoding: gzip"),
    "space before the colon": request("GET / HTTP/1.1", "Host : example.com"),
    "a fold": request("GET / HTTP/1.1", HOST, "X: a", " b"),
    "a bare line feed": b"GET / HTTP/1.1\nHost: example.com\n\n",
    "another version": request("GET / HTTP/3.0", HOST),
    "a later version": request("GET / HTTP/1.2", HOST),
    "old version": b"GET /\r\n",
    "a method that is none": request("G@T / HTTP/1.1", HOST),
    "a long target": request("GET /" + "a" * 200 + " HTTP/1.1", HOST),
    "a long field": request("GET / HTTP/1.1", HOST, "X: " + "a" * 1100),
    "half a head": b"GET / HTTP/1.1\r\nHo",
    "half of http/2": b"PRI * HTTP/2.0\r\n\r\nSM",
    "a wrong head": request("HEAD / HTTP/1.1"),
    "nothing": b"",
    "an empty line": b"\r\n",
}

ALL = {**SIMPLE, **RARE, **WRONG}

CONFIG = INLINE.replace(
    max_body=1000, limits=INLINE.limits.replace(max_start_line=100, max_header_list=1024, max_header_count=8)
)


def agreed(*pieces: bytes, config: ServerConfig = CONFIG) -> Outcome:
    """What both forms do with these pieces."""
    flow = exchange_octets(Mirror(), pieces, in_loop=False, config=config)
    loop = exchange_octets(Mirror(), pieces, in_loop=True, config=config)
    assert loop == flow
    return loop


@pytest.mark.parametrize("name", ALL)
def test_alone(name: str) -> None:
    """In one piece: and the loop answers what is said to be simple, itself."""
    loop = agreed(ALL[name])
    assert loop.by_loop == (name in SIMPLE)
    assert not ALL[name].strip() or loop.octets.startswith(b"HTTP/1.1 ") or b"PRI" in ALL[name]
    assert b"secret" not in loop.octets


@pytest.mark.parametrize("name", ALL)
def test_in_two_pieces(name: str) -> None:
    """Cut at every octet; between the pieces, the first has been looked at."""
    octets = ALL[name]
    whole = exchange_octets(Mirror(), [octets], in_loop=False, config=CONFIG)
    step = 1 if len(octets) < 150 else 37
    for at in range(1, len(octets), step):
        loop = exchange_octets(Mirror(), [octets[:at], octets[at:]], in_loop=True, config=CONFIG)
        if name == "expect" and at < len(octets):
            flow = exchange_octets(Mirror(), [octets[:at], octets[at:]], in_loop=False, config=CONFIG)
            assert loop == flow, at
        else:
            assert loop == whole, at


@pytest.mark.parametrize("name", ALL)
def test_octet_by_octet(name: str) -> None:
    octets = ALL[name]
    if len(octets) < 300:
        agreed(*[octets[at : at + 1] for at in range(len(octets))])


@pytest.mark.parametrize("name", ALL)
def test_pipelined(name: str) -> None:
    """Behind a simple request and before one, all at once, and the second one in the next piece."""
    before, after = SIMPLE["query"], SIMPLE["post"]
    agreed(before + ALL[name] + after)
    agreed(before + ALL[name][:10], ALL[name][10:] + after)
    agreed(before, ALL[name], after)


def test_many_pipelined() -> None:
    """More than one turn answers, and more than one receive takes."""
    loop = agreed(*[SIMPLE["get"] * 100 + SIMPLE["post"]] * 3)
    assert loop.octets.count(b"HTTP/1.1 200 OK") == 303
    assert loop.by_loop == 303


def test_the_loop_again_after_the_flow() -> None:
    """A connection whose request was for the flow is the loop's again afterwards."""
    pieces = [RARE["chunked"], SIMPLE["get"], RARE["streamed"], SIMPLE["get"]]
    loop = exchange_octets(Mirror(), pieces, in_loop=True, config=CONFIG, settle=True)
    assert loop == exchange_octets(Mirror(), pieces, in_loop=False, config=CONFIG)
    assert loop.by_loop == 2


def test_the_last_request_of_a_connection() -> None:
    loop = agreed(*[SIMPLE["get"]] * 5, config=CONFIG.replace(max_requests=3))
    assert loop.octets.count(b"HTTP/1.1 200 OK") == 3
    assert loop.octets.count(b"Connection: close") == 1


@pytest.mark.parametrize("server_name", [None, "mine"])
def test_the_field_server(server_name: str | None) -> None:
    loop = agreed(SIMPLE["get"], SIMPLE["its own date"], config=CONFIG.replace(server_name=server_name))
    assert (b"server: mine" in loop.octets) == (server_name is not None)


def test_without_a_watcher() -> None:
    octets = [SIMPLE["post"] + SIMPLE["head"], RARE["raise"], SIMPLE["get"]]
    flow = exchange_octets(Mirror(), octets, in_loop=False, watch=False)
    assert exchange_octets(Mirror(), octets, in_loop=True, watch=False) == flow


@settings(max_examples=150)
@given(st.data())
def test_any_octets_in_any_cut(data: st.DataObject) -> None:
    """Requests of all kinds behind each other, some with an octet changed, cut anywhere."""
    names = st.sampled_from([*SIMPLE] * 2 + [*RARE, *WRONG])
    octets = bytearray(b"".join(ALL[name] for name in data.draw(st.lists(names, min_size=1, max_size=4))))
    for _ in range(data.draw(st.integers(0, 2)) if octets else 0):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(
            st.sampled_from(b"\r\n\t :\0aZ0/*,\xff")
        )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=4)))
    pieces = [bytes(octets[start:end]) for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    agreed(*[piece for piece in pieces if piece])
