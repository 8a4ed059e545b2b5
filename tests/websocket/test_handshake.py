"""The opening handshake, both sides, over HTTP/1.1 and HTTP/2 (RFC 6455 section 4, RFC 8441)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from netkit.http import Headers
from netkit.http.connection import events
from netkit.http.connection.events import RequestHead
from netkit.http.connection.h1_client import H1Client
from netkit.http.connection.h1_server import H1Server
from netkit.websocket import (
    Agreement,
    DeflateConfig,
    DeflateParameters,
    WebSocketError,
    accept_key,
    accept_request,
    check_response,
    make_key,
    refusal_fields,
    request_head,
    validate_server_handshake,
)

E = WebSocketError

#: The key of RFC 6455 section 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="

#: The fields of the request in RFC 6455 section 1.2, as far as the rules look at them.
GOOD = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def head(fields: dict[str, str | list[str] | None], method: bytes = b"GET", **more: Any) -> RequestHead:
    items = [
        (name.encode(), value.encode())
        for name, values in fields.items()
        if values is not None
        for value in ([values] if isinstance(values, str) else values)
    ]
    return RequestHead(method, b"/chat", b"server.example.com", fields=items, **more)


def request(**changes: str | list[str] | None) -> RequestHead:
    """The request with some fields changed, named with _ for -; None leaves one out."""
    return head({**GOOD, **{name.replace("_", "-"): value for name, value in changes.items()}})


def refused(given: RequestHead, version: tuple[int, int] = (1, 1), **settings: Any) -> E.InvalidHandshake:
    with pytest.raises(E.InvalidHandshake) as caught:
        accept_request(given, version, **settings)
    return caught.value


# Keys


def test_the_example_of_section_1_3() -> None:
    assert accept_key(KEY) == accept_key(KEY.encode()) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert make_key(b"the sample nonce") == KEY
    for octets in (b"", bytes(15), bytes(17)):
        with pytest.raises(E.InvalidValue):
            make_key(octets)


def test_validate_server_handshake() -> None:
    assert validate_server_handshake(GOOD) == KEY
    assert validate_server_handshake(Headers(GOOD)) == KEY
    for name in ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"):
        assert validate_server_handshake({key: value for key, value in GOOD.items() if key != name}) is None


# The server


def test_the_answer_of_section_1_2() -> None:
    answer = accept_request(request(Sec_WebSocket_Protocol="chat, superchat"), (1, 1), subprotocols=["chat"])
    assert answer == Agreement(
        101,
        [
            (b"Upgrade", b"websocket"),
            (b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            (b"Sec-WebSocket-Protocol", b"chat"),
        ],
        "chat",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},  # section 4.2.1: case does not matter
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, UPGRADE"},
        {"Connection": ["keep-alive", "Upgrade"]},
        {"Origin": "https://anywhere.example"},
        {"Sec_WebSocket_Extensions": "x-unknown; a=1"},
    ],
)
def test_requests_that_are_accepted(changes: dict[str, Any]) -> None:
    assert accept_request(request(**changes), (1, 1)).status == 101


@pytest.mark.parametrize(
    ("changes", "field", "status"),
    [
        ({"Upgrade": None}, "Upgrade", 426),
        ({"Upgrade": "h2c"}, "Upgrade", 426),
        ({"Upgrade": "websockets"}, "Upgrade", 426),
        ({"Connection": None}, "Connection", 400),
        ({"Connection": "keep-alive"}, "Connection", 400),
        ({"Sec_WebSocket_Version": None}, "Sec-WebSocket-Version", 400),
        ({"Sec_WebSocket_Version": "8"}, "Sec-WebSocket-Version", 426),
        ({"Sec_WebSocket_Version": "013"}, "Sec-WebSocket-Version", 426),
        ({"Sec_WebSocket_Version": "13, 8"}, "Sec-WebSocket-Version", 426),
        ({"Sec_WebSocket_Version": ["13", "13"]}, "Sec-WebSocket-Version", 426),
        ({"Sec_WebSocket_Key": None}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": ""}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": [KEY, KEY]}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": make_key(bytes(16))[:-4]}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": KEY[:-2]}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": KEY + "===="}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": "A" * 24}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": "A" * 21 + "B=="}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Key": KEY.replace("G", "\xe4")}, "Sec-WebSocket-Key", 400),
        ({"Sec_WebSocket_Protocol": "chat, chat"}, "Sec-WebSocket-Protocol", 400),
        ({"Sec_WebSocket_Protocol": "chat room"}, "Sec-WebSocket-Protocol", 400),
        ({"Sec_WebSocket_Protocol": ""}, "Sec-WebSocket-Protocol", 400),
        ({"Sec_WebSocket_Protocol": ", ".join(map(str, range(101)))}, "Sec-WebSocket-Protocol", 400),
        ({"Sec_WebSocket_Extensions": "a b"}, "Sec-WebSocket-Extensions", 400),
    ],
)
def test_requests_that_are_refused(changes: dict[str, Any], field: str, status: int) -> None:
    """Sections 4.1 (what a client must send), 4.2.1 (what a server must check), 4.2.2 and 4.4 (426)."""
    error = refused(request(**changes))
    assert (error.field, error.status) == (field, status)
    if status == 426:
        # 4.4: the versions that are spoken; RFC 9110 section 15.5.22: Upgrade.
        assert refusal_fields(error) == [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
    else:
        assert refusal_fields(error) == []


def test_another_method_and_version_of_http() -> None:
    error = refused(head({**GOOD}, b"POST"))
    assert (error.status, refusal_fields(error)) == (405, [(b"Allow", b"GET")])
    assert refused(request(), (1, 0)).status == 400


@pytest.mark.parametrize(
    ("offered", "spoken", "chosen"),
    [
        (None, ["chat"], None),
        ("chat", [], None),
        ("chat, superchat", ["superchat", "chat"], "superchat"),
        (["chat", "superchat"], ["other", "superchat"], "superchat"),
        ("Chat", ["chat"], None),  # section 11.3.4: case matters
    ],
)
def test_subprotocols(offered: Any, spoken: list[str], chosen: str | None) -> None:
    """Section 4.2.2: one that the client offered, or none."""
    answer = accept_request(request(Sec_WebSocket_Protocol=offered), (1, 1), subprotocols=spoken)
    assert answer.subprotocol == chosen
    fields = [value for name, value in answer.fields if name == b"Sec-WebSocket-Protocol"]
    assert fields == ([] if chosen is None else [chosen.encode()])


def test_origins() -> None:
    """Sections 4.2.2 and 10.2: 403 for an origin that may not connect."""
    allowed = ["https://example.com"]
    good, bad = request(Origin="https://example.com"), request(Origin="https://evil.example")
    assert accept_request(good, (1, 1), origins=allowed).status == 101
    for other in (bad, request(), request(Origin="null")):
        assert refused(other, origins=allowed).status == 403
    assert refused(request(Origin=["https://example.com"] * 2), origins=allowed).status == 400
    asked: list[str | None] = []

    def only_from_programs(origin: str | None) -> bool:
        asked.append(origin)
        return origin is None

    assert accept_request(request(), (1, 1), origins=only_from_programs).status == 101
    assert refused(bad, origins=only_from_programs).status == 403
    assert asked == [None, "https://evil.example"]


def test_compression_is_agreed_on() -> None:
    given = request(Sec_WebSocket_Extensions="x-foo, permessage-deflate; client_max_window_bits")
    answer = accept_request(given, (1, 1), deflate=DeflateConfig())
    assert answer.deflate == DeflateParameters(client_max_window_bits=12)
    assert (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits=12") in answer.fields
    assert accept_request(given, (1, 1)).deflate is None
    assert accept_request(request(), (1, 1), deflate=DeflateConfig()).deflate is None


# The client

ANSWER = [
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
]


def test_what_a_client_asks() -> None:
    """Section 4.1."""
    asked = request_head(
        b"/chat",
        b"server.example.com",
        key=KEY,
        subprotocols=["chat", "superchat"],
        origin="http://example.com",
        deflate=DeflateConfig(),
        fields=[(b"Cookie", b"a=b")],
    )
    assert (asked.method, asked.target, asked.protocol) == (b"GET", b"/chat", b"websocket")
    assert list(asked.fields) == [
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", KEY.encode()),
        (b"Origin", b"http://example.com"),
        (b"Sec-WebSocket-Protocol", b"chat, superchat"),
        (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits"),
        (b"Cookie", b"a=b"),
    ]
    for subprotocols in (["a", "a"], ["a b"], [""]):
        with pytest.raises(E.InvalidValue):
            request_head(b"/", b"a", key=KEY, subprotocols=subprotocols)


def test_an_answer_that_accepts() -> None:
    agreed = check_response(101, ANSWER, key=KEY)
    assert (agreed.status, agreed.fields, agreed.subprotocol) == (101, tuple(ANSWER), None)
    assert agreed.deflate is None
    more = [
        *ANSWER,
        (b"Sec-WebSocket-Protocol", b"chat"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ]
    agreed = check_response(101, more, key=KEY, subprotocols=["chat"], deflate=DeflateConfig())
    assert (agreed.subprotocol, agreed.deflate) == ("chat", DeflateParameters())


@pytest.mark.parametrize("status", [100, 200, 204, 301, 400, 401, 426, 500])
def test_an_answer_that_refuses(status: int) -> None:
    with pytest.raises(E.HandshakeRefused) as caught:
        check_response(status, ANSWER, key=KEY)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("index", "fields", "field"),
    [
        (0, [], "Upgrade"),
        (0, [(b"Upgrade", b"h2c")], "Upgrade"),
        (0, [(b"Upgrade", b"websocket, h2c")], "Upgrade"),
        (1, [], "Connection"),
        (1, [(b"Connection", b"close")], "Connection"),
        (2, [], "Sec-WebSocket-Accept"),
        (2, [(b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")], "Sec-WebSocket-Accept"),
        (2, [ANSWER[2], ANSWER[2]], "Sec-WebSocket-Accept"),
        (2, [ANSWER[2], (b"Sec-WebSocket-Protocol", b"other")], "Sec-WebSocket-Protocol"),
        (2, [ANSWER[2], *[(b"Sec-WebSocket-Protocol", b"chat")] * 2], "Sec-WebSocket-Protocol"),
        (2, [ANSWER[2], (b"Sec-WebSocket-Protocol", b"chat, chat")], "Sec-WebSocket-Protocol"),
        (2, [ANSWER[2], (b"Sec-WebSocket-Extensions", b"x-foo")], "Sec-WebSocket-Extensions"),
        (
            2,
            [ANSWER[2], (b"Sec-WebSocket-Extensions", b"permessage-deflate, permessage-deflate")],
            "Sec-WebSocket-Extensions",
        ),
        (
            2,
            [ANSWER[2], (b"Sec-WebSocket-Extensions", b"permessage-deflate; foo")],
            "Sec-WebSocket-Extensions",
        ),
    ],
)
def test_an_answer_that_breaks_a_rule(index: int, fields: list[tuple[bytes, bytes]], field: str) -> None:
    """Section 4.1, the six steps of a client that has the answer."""
    answer = [*ANSWER[:index], *fields, *ANSWER[index + 1 :]]
    with pytest.raises(E.InvalidHandshake) as caught:
        check_response(101, answer, key=KEY, subprotocols=["chat"], deflate=DeflateConfig())
    assert caught.value.field == field


def test_an_extension_that_was_not_offered() -> None:
    answer = [*ANSWER, (b"Sec-WebSocket-Extensions", b"permessage-deflate")]
    with pytest.raises(E.InvalidHandshake, match="an extension that was not offered"):
        check_response(101, answer, key=KEY)


# HTTP/2 (RFC 8441 section 5)


def test_over_http_2() -> None:
    """An extended CONNECT without a key, answered with 200 without a proof."""
    asked = request_head(b"/chat", b"a.example", subprotocols=["chat"], deflate=DeflateConfig())
    assert (asked.method, asked.protocol, asked.scheme) == (b"CONNECT", b"websocket", b"https")
    assert b"Sec-WebSocket-Key" not in dict(asked.fields)
    answer = accept_request(asked, (2, 0), subprotocols=["chat"], deflate=DeflateConfig())
    assert answer.status == 200
    assert not {b"Upgrade", b"Sec-WebSocket-Accept"} & dict(answer.fields).keys()
    agreed = check_response(200, answer.fields, subprotocols=["chat"], deflate=DeflateConfig())
    assert (agreed.subprotocol, agreed.deflate) == ("chat", answer.deflate)
    with pytest.raises(E.HandshakeRefused):
        check_response(101, answer.fields)


@pytest.mark.parametrize(
    ("method", "protocol", "version", "status"),
    [
        (b"GET", None, "13", 400),
        (b"CONNECT", None, "13", 400),
        (b"CONNECT", b"other", "13", 501),
        (b"CONNECT", b"websocket", None, 400),
        (b"CONNECT", b"websocket", "8", 426),
    ],
)
def test_http_2_that_is_refused(
    method: bytes, protocol: bytes | None, version: str | None, status: int
) -> None:
    error = refused(head({"Sec-WebSocket-Version": version}, method, protocol=protocol), (2, 0))
    assert error.status == status


# Over the connections of netkit.http, without sockets


def test_over_http_1_1() -> None:
    """What the client writes, the server reads; the octets behind the handshake are of the WebSocket."""
    here, there = H1Client(), H1Server()
    asked = request_head(b"/chat", b"a.example", key=KEY, subprotocols=["chat"], deflate=DeflateConfig())
    stream = here.request(asked, end=True)
    (received,) = [event for event in there.feed(here.take()) if isinstance(event, events.RequestReceived)]
    answer = accept_request(received.head, received.version, subprotocols=["chat"], deflate=DeflateConfig())
    there.respond(received.stream, answer.status, answer.fields, end=False)
    octets = there.take()
    assert octets.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    (upgraded,) = [event for event in here.feed(octets + b"\x81\x02hi") if isinstance(event, events.Upgraded)]
    assert (upgraded.stream, upgraded.rest) == (stream, b"\x81\x02hi")
    agreed = check_response(
        upgraded.status, upgraded.fields, key=KEY, subprotocols=["chat"], deflate=DeflateConfig()
    )
    assert (agreed.subprotocol, agreed.deflate) == ("chat", answer.deflate)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*GOOD, "Origin", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]),
            st.text(max_size=30) | st.sampled_from([*GOOD.values(), "permessage-deflate", "a, b"]),
        ),
        max_size=8,
    )
)
def test_any_fields_are_answered_or_refused(fields: list[tuple[str, str]]) -> None:
    items = [(name.encode(), value.encode()) for name, value in fields]
    given = RequestHead(b"GET", b"/", b"a", fields=items)
    for method, version in (("request", (1, 1)), ("request", (2, 0)), ("response", None)):
        try:
            if version is None:
                check_response(101, items, key=KEY, deflate=DeflateConfig())
            else:
                assert method == "request"
                accept_request(given, version, subprotocols=["a"], deflate=DeflateConfig())
        except E.InvalidHandshake:
            pass
