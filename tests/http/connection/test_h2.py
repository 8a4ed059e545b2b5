"""HTTP/2 as protocol objects, both forms: the same events, and the same codes for streams and connections.

They are two libraries, not twins: the order of fields with different names, the words of an error, and which
stream error a form makes a connection error of are its own. RFC 9113, RFC 8441.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netkit.http.connection import h2
from netkit.http.connection.errors import ErrorCode, IncompleteMessage, StreamFault
from netkit.http.connection.events import (
    Broken,
    Data,
    End,
    Event,
    FieldBlock,
    GoAway,
    Interim,
    PingAnswered,
    RequestHead,
    RequestReceived,
    Reset,
    ResponseHead,
    Room,
)
from netkit.http.connection.h2 import WARNING, H2ClientConnection, H2ServerConnection
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.errors import HttpError
from tests.http.connection.forms import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    GET,
    GOAWAY,
    HEADERS,
    OK,
    PING,
    POST,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    FieldList,
    Form,
    ask,
    block,
    data,
    exchange,
    frame,
    frames,
    goaway,
    headers,
    kinds,
    padded,
    reset,
    sent,
    settings_frame,
    window_update,
)

# Each form is asked for by name, whichever netkit would choose.
pytestmark = pytest.mark.once

ASK = RequestHead(b"GET", b"/a?b", b"a.example", b"https", [(b"accept", b"*/*")])


# Requests and responses.


def test_a_request_and_its_response(form: Form) -> None:
    client, server = form.client(), form.server()
    stream = client.request(ASK, end=True)
    assert (stream, client.in_flight) == (1, 1)
    _, received = exchange(client, server)
    head = RequestHead(b"GET", b"/a?b", b"a.example", b"https", [(b"accept", b"*/*")])
    [event] = received
    assert isinstance(event, RequestReceived)
    assert {name: getattr(event.head, name) for name in ("method", "target", "authority", "scheme")} == {
        "method": head.method,
        "target": head.target,
        "authority": head.authority,
        "scheme": head.scheme,
    }
    assert (event.stream, event.end, event.length, event.version) == (1, True, None, (2, 0))
    assert (event.head.fields, event.head.protocol) == (head.fields, None)

    server.respond(1, 200, [(b"content-type", b"text/plain")], end=False, length=5)
    server.send(1, b"hello", end=True)
    assert server.in_flight == 0
    received, _ = exchange(client, server)
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    assert received == [ResponseHead(1, 200, fields, False, (2, 0), b"", 5), Data(1, b"hello", 5), End(1, [])]
    assert client.in_flight == 0
    assert not client.is_closed


def test_the_fields_of_many_requests_and_of_one(form: Form) -> None:
    client, server = form.client(), form.server()
    shared = FieldBlock([(b"User-Agent", b"netkit"), (b"Accept", b"*/*")])
    client.request(RequestHead(b"GET", b"/", b"e", fields=[(b"X-One", b"1")], shared=shared), end=True)
    [event] = exchange(client, server)[1]
    assert isinstance(event, RequestReceived)
    assert event.head.fields == [(b"user-agent", b"netkit"), (b"accept", b"*/*"), (b"x-one", b"1")]


def test_fields_of_one_name_stay_in_order(form: Form) -> None:
    client = form.client()
    ask(client)
    fields: FieldList = [
        (b"set-cookie", b"a=1"),
        (b"x", b"y"),
        (b"set-cookie", b"b=2"),
        (b"octets", b"\xe9\t~"),
    ]
    [event] = client.feed(headers(1, OK + fields, end=True))
    assert isinstance(event, ResponseHead)
    assert sorted(event.fields) == sorted(fields)
    assert [value for name, value in event.fields if name == b"set-cookie"] == [b"a=1", b"b=2"]


def test_bodies_in_both_directions_and_their_trailers(form: Form) -> None:
    client, server = form.client(), form.server()
    stream = client.request(RequestHead(b"POST", b"/", b"e"), end=False, length=6)
    client.send(stream, b"abc")
    client.send(stream, memoryview(b"def"))
    client.trailers(stream, [(b"X-Sum", b"1")])
    received = exchange(client, server)[1]
    assert kinds(received) == ["RequestReceived", "Data", "Data", "End"]
    assert isinstance(received[0], RequestReceived)
    assert (received[0].length, received[0].end) == (6, False)
    assert received[3] == End(1, [(b"x-sum", b"1")])
    server.respond(1, 200, [], end=False)
    server.send(1, bytearray(b"x" * 40_000))
    server.trailers(1, [(b"grpc-status", b"0")])
    received = exchange(client, server)[0]
    assert b"".join(event.data for event in received if isinstance(event, Data)) == b"x" * 40_000
    assert received[-1] == End(1, [(b"grpc-status", b"0")])
    assert (client.in_flight, server.in_flight) == (0, 0)


def test_interim_responses(form: Form) -> None:
    client, server = form.client(), form.server()
    stream = client.request(
        RequestHead(b"POST", b"/", b"e", fields=[(b"expect", b"100-continue")]), end=False
    )
    exchange(client, server)
    server.respond(stream, 100, [], end=False)
    server.respond(stream, 103, [(b"link", b"</a>; rel=preload")], end=False)
    received = exchange(client, server)[0]
    assert received == [Interim(1, 100, []), Interim(1, 103, [(b"link", b"</a>; rel=preload")])]
    client.send(stream, b"body", end=True)
    server.respond(stream, 204, [], end=True)
    received, asked = exchange(client, server)
    assert received == [ResponseHead(1, 204, [], True)]
    assert asked == [Data(1, b"body", 4), End(1, [])]


@pytest.mark.parametrize(
    ("method", "status", "length"), [(b"HEAD", b"200", 5), (b"GET", b"304", 5), (b"GET", b"204", None)]
)
def test_responses_without_a_body(form: Form, method: bytes, status: bytes, length: int | None) -> None:
    """RFC 9110 section 8.6: a length may be announced of the body that there would be."""
    client = form.client()
    ask(client, method)
    fields = [] if length is None else [(b"content-length", b"%d" % length)]
    [event] = client.feed(headers(1, [(b":status", status), *fields], end=True))
    assert event == ResponseHead(1, int(status), fields, True, (2, 0), b"", length)


def test_a_body_that_ends_with_an_empty_frame(form: Form) -> None:
    client = form.client()
    ask(client)
    assert client.feed(headers(1, OK) + data(1) + data(1, b"x") + data(1, end=True)) == [
        ResponseHead(1, 200, [], False),
        Data(1, b"x", 1),
        End(1, []),
    ]


def test_a_length_is_announced_once(form: Form) -> None:
    client, server = form.client(), form.server()
    stream = client.request(
        RequestHead(b"POST", b"/", b"e", fields=[(b"content-length", b"3")]), end=False, length=3
    )
    client.send(stream, b"abc", end=True)
    [event, *_] = exchange(client, server)[1]
    assert isinstance(event, RequestReceived)
    assert event.head.fields == [(b"content-length", b"3")]


def test_many_streams_at_once(form: Form) -> None:
    client, server = form.client(), form.server()
    streams = [client.request(ASK, end=True) for _ in range(50)]
    assert streams == list(range(1, 101, 2))
    exchange(client, server)
    for stream in reversed(streams):
        server.respond(stream, 200, [(b"x-stream", b"%d" % stream)], end=True)
    received = exchange(client, server)[0]
    assert sorted(event.stream for event in received) == streams
    assert all(
        isinstance(event, ResponseHead) and event.fields == [(b"x-stream", b"%d" % event.stream)]
        for event in received
    )


# Flow control.


def credited(connection: H2ClientConnection | H2ServerConnection) -> dict[int, int]:
    """What the peer is allowed to send more, of each stream and of the connection (0)."""
    more: dict[int, int] = {}
    for update in sent(connection, WINDOW_UPDATE):
        more[update.stream] = more.get(update.stream, 0) + update.number
    return more


def test_nothing_is_credited_before_it_is_consumed(form: Form) -> None:
    client = form.client(ConnectionLimits(stream_window=100_000, connection_window=100_000))
    ask(client)
    client.feed(headers(1, OK))
    received: list[Event] = []
    for size in (16_384, 16_384, 16_384, 16_384, 16_384, 16_384, 1_696):
        received += client.feed(data(1, bytes(size)))
    assert sum(event.credit for event in received if isinstance(event, Data)) == 100_000
    assert credited(client) == {}
    for event in received:
        assert isinstance(event, Data)
        client.consumed(1, event.credit)
    more = credited(client)
    # A library may keep back what is less than half of the window (RFC 9113 section 6.9 leaves it open).
    assert 50_000 <= more[0] <= 100_000
    assert 50_000 <= more[1] <= 100_000


@pytest.mark.parametrize("stream_window", [1000, 200_000])
def test_more_than_the_window_is_a_fault(form: Form, stream_window: int) -> None:
    client = form.client(ConnectionLimits(stream_window=stream_window, connection_window=65_535))
    ask(client)
    client.feed(headers(1, OK))
    events: list[Event] = []
    for _ in range(5):
        events += client.feed(data(1, bytes(16_384)))
    # Of the stream's window, or of the connection's; the first is a stream error or a connection error.
    codes = [event.code for event in events if isinstance(event, Broken | Reset)]
    assert codes == [ErrorCode.FLOW_CONTROL_ERROR]


def test_the_window_of_the_connection_comes_back_after_the_end_and_after_a_reset(form: Form) -> None:
    limits = ConnectionLimits(stream_window=65_535, connection_window=65_535)
    client = form.client(limits)
    total = 0
    for round_ in range(10):
        stream = ask(client)
        client.feed(headers(stream, OK))
        received = client.feed(data(stream, bytes(16_384)) + data(stream, bytes(16_000), end=round_ % 2 == 0))
        assert sum(event.credit for event in received if isinstance(event, Data)) == 32_384
        if round_ % 2:
            client.reset(stream)
        else:
            for event in received:
                if isinstance(event, Data):
                    client.consumed(stream, event.credit)
        total += credited(client).get(0, 0)
    assert total >= 10 * 32_384 - 65_535


def test_padding_is_credited_by_itself(form: Form) -> None:
    client = form.client(ConnectionLimits(stream_window=65_535, connection_window=65_535))
    ask(client)
    client.feed(headers(1, OK))
    more = 0
    for _ in range(400):
        received = client.feed(padded(1, b"x", 200))
        assert received == [Data(1, b"x", 1)]
        more += credited(client).get(1, 0)
    # 80,800 octets came, 400 of which nobody has consumed.
    assert more >= 20_000


def test_room(form: Form) -> None:
    """The window of the stream, or that of the connection if it is smaller (RFC 9113 section 6.9.1)."""
    client = form.client(ConnectionLimits(), (4, 40_000))
    first = ask(client, b"POST", end=False)
    second = ask(client, b"POST", end=False)
    assert (client.room(first), client.room(second)) == (40_000, 40_000)
    client.send(first, bytes(40_000))
    assert (client.room(first), client.room(second)) == (0, 25_535)
    with pytest.raises(ValueError, match=r"25536 octets are more than the room of 25535 octets"):
        client.send(second, bytes(25_536))
    client.send(second, bytes(25_535))
    assert client.room(second) == 0
    assert sum(len(each.payload) for each in sent(client, DATA)) == 65_535
    assert client.feed(window_update(0, 1000)) == [Room(0)]
    assert (client.room(first), client.room(second)) == (0, 1000)
    assert client.feed(window_update(first, 500)) == [Room(first)]
    assert (client.room(first), client.room(second)) == (500, 1000)
    # SETTINGS changes the window of every stream, and may make it negative (section 6.9.2).
    assert client.feed(settings_frame((4, 39_000))) == []
    assert (client.room(first), client.room(second)) == (0, 1000)
    assert client.feed(settings_frame((4, 50_000))) == [Room(0)]
    assert (client.room(first), client.room(second)) == (1000, 1000)
    client.send(first, bytes(1000), end=True)
    assert client.room(first) == 0
    assert client.feed(window_update(first, 500)) == []


def test_room_comes_back_when_a_stream_is_given_up(form: Form) -> None:
    client = form.client()
    first = ask(client, b"POST", end=False)
    client.send(first, bytes(60_000))
    client.reset(first)
    second = ask(client, b"POST", end=False)
    # What was sent before the reset was sent.
    assert client.room(second) == 5_535


def test_a_small_frame_size_of_the_peer_is_kept(form: Form) -> None:
    client = form.client(ConnectionLimits(), (5, 20_000), (4, 65_535))
    stream = ask(client, b"POST", end=False)
    client.send(stream, bytes(65_000), end=True)
    payloads = [len(each.payload) for each in sent(client, DATA)]
    assert sum(payloads) == 65_000
    assert max(payloads) <= 20_000


# Resets and GOAWAY.


@pytest.mark.parametrize(
    ("code", "is_safe"), [(7, True), (8, False), (2, False), (0, False), (0xD, False), (0xBEEF, False)]
)
def test_a_reset_by_the_server(form: Form, code: int, is_safe: bool) -> None:
    client = form.client()
    ask(client)
    [event] = client.feed(reset(1, code))
    assert isinstance(event, Reset)
    assert (event.stream, event.code, event.is_safe) == (1, code, is_safe)
    assert isinstance(event.error, StreamFault)
    assert (event.error.code, event.error.stream, event.error.by_peer) == (code, 1, True)
    assert client.in_flight == 0
    assert client.can_request


def test_a_reset_by_the_client(form: Form) -> None:
    server = form.server()
    server.feed(headers(1, GET, end=True) + headers(3, POST))
    [event] = server.feed(reset(1, 8))
    assert isinstance(event, Reset)
    # A server does not ask again.
    assert (event.stream, event.code, event.is_safe) == (1, 8, False)
    [event] = server.feed(reset(3, 7))
    assert isinstance(event, Reset)
    assert not event.is_safe
    assert server.in_flight == 0


def test_a_server_needs_no_more_of_the_request(form: Form) -> None:
    """RFC 9113 section 8.1: a whole response, then RST_STREAM with NO_ERROR."""
    client = form.client()
    ask(client, b"POST", end=False)
    assert kinds(client.feed(headers(1, OK, end=True))) == ["ResponseHead"]
    assert client.in_flight == 1
    [event] = client.feed(reset(1, 0))
    assert isinstance(event, Reset)
    assert event.code == 0
    assert client.in_flight == 0


def test_reset_of_our_own(form: Form) -> None:
    client = form.client()
    stream = client.request(ASK, end=True)
    client.reset(stream)
    assert [(each.kind, each.stream) for each in sent(client)] == [(HEADERS, 1), (RST_STREAM, 1)]
    assert client.in_flight == 0
    # What was under way before the server knew of it is nobody's.
    assert client.feed(headers(1, OK) + data(1, b"late")) == []
    assert not client.is_closed
    other = ask(client)
    client.reset(other, ErrorCode.NO_ERROR)
    assert [each.code for each in sent(client, RST_STREAM)] == [0]
    client.reset(other)
    client.reset(999)
    assert client.take() == b""


def test_what_is_sent_on_a_stream_that_is_gone_is_not_sent(form: Form) -> None:
    """The events of one `feed` may say it after the event that is being handled."""
    server = form.server()
    server.feed(headers(1, POST) + reset(1))
    server.take()
    server.respond(1, 200, [], end=False)
    server.send(1, b"x", end=True)
    server.trailers(1, [])
    server.consumed(1, 5)
    assert (server.take(), server.room(1)) == (b"", 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda server: server.respond(3, 200, [], end=True),
        lambda server: server.send(3, b"x"),
        lambda server: server.trailers(3, []),
        lambda server: server.send(1, b"x"),
        lambda server: (server.respond(1, 200, [], end=False), server.respond(1, 200, [], end=False)),
        lambda server: (server.respond(1, 200, [], end=True), server.ping(b"seven.."[:7])),
    ],
    ids=["respond", "send", "trailers", "no head yet", "twice", "ping"],
)
def test_calls_that_are_wrong(form: Form, call: Callable[[H2ServerConnection], object]) -> None:
    server = form.server()
    server.feed(headers(1, POST))
    with pytest.raises(ValueError, match=r"stream|octets"):
        call(server)


def test_goaway_of_the_server(form: Form) -> None:
    client = form.client()
    first, second = ask(client), ask(client, b"POST", end=False)
    events = client.feed(goaway(first, ErrorCode.ENHANCE_YOUR_CALM, b"enough"))
    assert events[0] == GoAway(1, 11, b"enough")
    [event] = events[1:]
    assert isinstance(event, Reset)
    assert (event.stream, event.code, event.is_safe) == (second, 11, True)
    assert (client.can_request, client.is_closed, client.in_flight) == (False, False, 1)
    with pytest.raises(HttpError.ConnectionError, match="no more requests"):
        client.request(ASK, end=True)
    # The streams that it works on go on.
    assert kinds(client.feed(headers(first, OK) + data(first, b"x", end=True))) == [
        "ResponseHead",
        "Data",
        "End",
    ]
    assert client.is_closed


def test_goaway_of_the_server_that_goes_gracefully(form: Form) -> None:
    """RFC 9113 section 6.8: first without a last stream, then with it."""
    client = form.client()
    first = ask(client)
    assert client.feed(goaway(2**31 - 1)) == [GoAway(2**31 - 1, 0, b"")]
    assert (client.can_request, client.in_flight) == (False, 1)
    assert client.feed(goaway(first)) == [GoAway(1, 0, b"")]
    client.feed(headers(first, OK, end=True))
    assert client.is_closed


def test_goaway_of_our_own(form: Form) -> None:
    client, server = form.client(), form.server()
    client.request(ASK, end=True)
    exchange(client, server)
    late = client.request(ASK, end=True)
    server.goaway()
    assert not server.is_closed
    received, asked = exchange(client, server)
    assert asked == []
    assert received[0] == GoAway(1, 0, b"")
    assert isinstance(received[1], Reset)
    assert (received[1].stream, received[1].is_safe) == (late, True)
    server.respond(1, 200, [], end=True)
    assert server.is_closed
    # A library may say GOAWAY once more when nothing is left to do.
    assert kinds(exchange(client, server)[0])[0] == "ResponseHead"
    assert client.is_closed


def test_a_client_goes_away(form: Form) -> None:
    client = form.client()
    ask(client)
    client.goaway(ErrorCode.NO_ERROR)
    client.goaway(ErrorCode.NO_ERROR)
    [said] = sent(client, GOAWAY)
    assert (said.number, said.code) == (0, 0)
    assert (client.can_request, client.is_closed) == (False, False)
    client.feed(headers(1, OK, end=True))
    assert client.is_closed


def test_a_request_after_goaway_is_refused(form: Form) -> None:
    server = form.server()
    server.goaway()
    server.take()
    assert server.feed(headers(1, GET, end=True)) == []
    assert [(each.stream, each.code) for each in sent(server, RST_STREAM)] == [(1, 7)]


# The beginning and the end of a connection.


def test_what_is_sent_first(form: Form) -> None:
    limits = ConnectionLimits(stream_window=70_000, connection_window=100_000, max_header_list=5000)
    client = form.fresh_client(limits)
    assert client.has_output
    octets = client.take()
    assert octets.startswith(PREFACE)
    assert not client.has_output
    settings, *rest = frames(octets)
    assert settings.kind == SETTINGS
    assert told(settings.payload) == {2: 0, 4: 70_000, 6: 5000}
    assert [(each.kind, each.stream, each.number) for each in rest] == [(WINDOW_UPDATE, 0, 34_465)]
    server = form.fresh_server(limits)
    [settings, *_] = sent(server)
    assert told(settings.payload) == {3: 100, 4: 70_000, 6: 5000, 8: 1}


def told(payload: bytes) -> dict[int, int]:
    """The parameters of SETTINGS."""
    six = [payload[at : at + 6] for at in range(0, len(payload), 6)]
    return {int.from_bytes(each[:2], "big"): int.from_bytes(each[2:], "big") for each in six}


def test_a_server_without_extended_connect_does_not_offer_it(form: Form) -> None:
    server = form.server(extended=False)
    request: FieldList = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
    assert server.feed(headers(1, request)) == []
    assert [(each.stream, each.code) for each in sent(server, RST_STREAM)] == [(1, 1)]


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", PREFACE + frame(PING, 0, 0, bytes(8))],
    ids=["HTTP/1.1", "another preface", "no SETTINGS"],
)
def test_a_client_that_begins_wrongly(form: Form, octets: bytes) -> None:
    server = form.fresh_server()
    [event] = server.feed(octets)
    assert isinstance(event, Broken)
    assert event.code == ErrorCode.PROTOCOL_ERROR
    assert server.is_closed
    assert [each.code for each in sent(server, GOAWAY)] == [1]


@pytest.mark.parametrize("octets", [b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(PING, 0, 0, bytes(8))])
def test_a_server_that_begins_wrongly(form: Form, octets: bytes) -> None:
    client = form.fresh_client()
    ask(client)
    [event] = client.feed(octets)
    assert isinstance(event, Broken)
    assert event.code in (ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR)
    assert (client.is_closed, client.can_request, client.in_flight) == (True, False, 0)


def test_a_request_before_the_settings_of_the_server(form: Form) -> None:
    """RFC 9113 section 3.4: a client may send at once."""
    client = form.fresh_client()
    assert client.can_request
    stream = client.request(RequestHead(b"POST", b"/", b"e"), end=False)
    assert client.room(stream) == 65_535
    server = form.fresh_server()
    assert kinds(exchange(client, server)[1]) == ["RequestReceived"]


def test_the_end_of_the_connection(form: Form) -> None:
    client = form.client()
    unanswered, cut, done = ask(client), ask(client), ask(client)
    client.feed(headers(cut, [*OK, (b"content-length", b"9")]) + data(cut, b"abc"))
    client.feed(headers(done, OK, end=True))
    events = client.feed_eof()
    assert all(isinstance(event, Reset) and event.code is None and not event.is_safe for event in events)
    assert [event.stream for event in events] == [unanswered, cut]
    first, second = (event.error for event in events if isinstance(event, Reset))
    assert isinstance(first, HttpError.ConnectionError)
    assert isinstance(second, IncompleteMessage)
    assert (second.received, second.expected) == (3, 9)
    assert client.is_closed
    assert client.feed_eof() == []


def test_a_server_answers_what_was_asked_before_the_end(form: Form) -> None:
    server = form.server()
    server.feed(headers(1, GET, end=True) + headers(3, POST))
    [event] = server.feed_eof()
    assert isinstance(event, Reset)
    assert event.stream == 3
    assert not server.is_closed
    server.respond(1, 200, [], end=True)
    assert server.is_closed
    assert [each.stream for each in sent(server, HEADERS)] == [1]


# PING and SETTINGS.


def test_pings(form: Form) -> None:
    client, server = form.client(), form.server()
    client.ping(b"01234567")
    server.ping(b"76543210")
    assert exchange(client, server) == ([PingAnswered(b"01234567")], [PingAnswered(b"76543210")])
    server.feed(frame(PING, 0, 0, b"question"))
    assert [(each.flags, each.payload) for each in sent(server, PING)] == [(ACK, b"question")]


def test_a_head_that_has_begun(form: Form) -> None:
    server = form.fresh_server()
    whole = [
        PREFACE,
        settings_frame(),
        frame(HEADERS, 0, 1, block(POST)),
        frame(CONTINUATION, 0, 1, block([(b"a", b"b")])),
        frame(CONTINUATION, END_HEADERS, 1),
    ]
    for piece in whole[:-1]:
        for octet in piece[:-1]:
            server.feed(bytes((octet,)))
            assert server.is_in_head or piece == whole[1]
        server.feed(piece[-1:])
        assert server.is_in_head is (piece not in whole[:2])
    server.feed(whole[-1])
    assert not server.is_in_head
    server.feed(data(1, b"body")[:-1])
    assert not server.is_in_head  # it may take as long as a body may
    server.feed(data(1, b"body")[-1:] + headers(3, GET)[:5])
    assert server.is_in_head


def test_the_warning_before_goaway(form: Form) -> None:
    """RFC 9113 section 6.8: what the client asked before it had read it is taken."""
    client, server = form.client(), form.server()
    client.feed(server.take() + WARNING)
    assert not client.can_request
    client, server = form.client(), form.server()
    assert client.feed(WARNING) == [GoAway(2**31 - 1, 0, b"")]
    assert kinds(server.feed(headers(1, GET, end=True))) == ["RequestReceived"]


def test_settings_are_acknowledged(form: Form) -> None:
    client = form.client()
    assert client.feed(settings_frame((3, 5), (0xABCD, 1))) == []
    assert [each.flags for each in sent(client, SETTINGS)] == [ACK]


def test_no_more_streams_than_the_server_allows(form: Form) -> None:
    client = form.fresh_client()
    assert sum(1 for _ in range(200) if client.can_request and ask(client)) == 100
    client = form.client(ConnectionLimits(), (3, 2))
    ask(client)
    assert client.can_request
    ask(client)
    assert not client.can_request
    with pytest.raises(HttpError.ConnectionError):
        client.request(ASK, end=True)
    client.feed(headers(1, OK, end=True))
    assert client.can_request


def test_more_streams_than_the_client_may_have_are_refused(form: Form) -> None:
    """RFC 9113 section 5.1.2. The others go on, and it may ask again."""
    server = form.server(ConnectionLimits(max_concurrent_streams=2))
    events = server.feed(b"".join(headers(stream, GET, end=True) for stream in (1, 3, 5)))
    assert [event.stream for event in events] == [1, 3]
    assert [(each.stream, each.code) for each in sent(server, RST_STREAM)] == [(5, 7)]
    server.respond(1, 200, [], end=True)
    server.take()
    assert kinds(server.feed(headers(7, GET, end=True))) == ["RequestReceived"]


# CONNECT.


def test_connect(form: Form) -> None:
    client, server = form.client(), form.server()
    stream = client.request(RequestHead(b"CONNECT", b"", b"a.example:443"), end=False)
    [event] = exchange(client, server)[1]
    assert isinstance(event, RequestReceived)
    head = event.head
    assert (head.method, head.target, head.authority) == (b"CONNECT", b"", b"a.example:443")
    assert not event.end
    server.respond(stream, 200, [], end=False)
    client.send(stream, b"up")
    server.send(stream, b"down")
    received, asked = exchange(client, server)
    assert received[1:] == [Data(1, b"down", 4)]
    assert asked == [Data(1, b"up", 2)]


def test_extended_connect(form: Form) -> None:
    """RFC 8441: a WebSocket in a stream."""
    client, server = form.fresh_client(), form.fresh_server()
    head = RequestHead(b"CONNECT", b"/chat", b"a.example", protocol=b"websocket")
    assert not client.takes_protocols
    with pytest.raises(HttpError.InvalidRequest, match="RFC 8441"):
        client.request(head, end=False)
    exchange(client, server)
    assert client.takes_protocols
    stream = client.request(head, end=False)
    [event] = exchange(client, server)[1]
    assert isinstance(event, RequestReceived)
    assert (event.head.method, event.head.protocol, event.head.target) == (b"CONNECT", b"websocket", b"/chat")
    assert (event.head.scheme, event.head.authority) == (b"https", b"a.example")
    server.respond(stream, 200, [], end=False)
    server.send(stream, b"frame")
    assert exchange(client, server)[0] == [ResponseHead(1, 200, [], False), Data(1, b"frame", 5)]
    client.send(stream, b"", end=True)
    assert exchange(client, server)[1] == [End(1, [])]


# Messages that cannot be sent.


@pytest.mark.parametrize(
    "head",
    [
        RequestHead(b"G T", b"/", b"e"),
        RequestHead(b"GET", b"", b"e"),
        RequestHead(b"GET", b"path", b"e"),
        RequestHead(b"GET", b"/a b", b"e"),
        RequestHead(b"GET", b"/a#b", b"e"),
        RequestHead(b"GET", b"/\r\nx", b"e"),
        RequestHead(b"GET", b"/", b""),
        RequestHead(b"GET", b"/", b"a b"),
        RequestHead(b"GET", b"/", b"e", b"h t"),
        RequestHead(b"GET", b"/", b"e", fields=[(b"connection", b"close")]),
        RequestHead(b"GET", b"/", b"e", fields=[(b"Transfer-Encoding", b"chunked")]),
        RequestHead(b"GET", b"/", b"e", fields=[(b"te", b"gzip")]),
    ],
    ids=repr,
)
def test_a_request_that_cannot_be_sent(form: Form, head: RequestHead) -> None:
    client = form.client()
    with pytest.raises(HttpError.InvalidRequest):
        client.request(head, end=True)
    assert client.take() == b""
    assert client.in_flight == 0
    assert ask(client) in (1, 3)


@pytest.mark.parametrize(
    "field", [(b"a b", b"x"), (b"", b"x"), (b"a:", b"x"), (b"a", b"x\r\ny"), (b"a", b"\0"), (b"a", b"\x7f")]
)
def test_a_field_that_cannot_be_sent(form: Form, field: tuple[bytes, bytes]) -> None:
    client, server = form.client(), form.server()
    with pytest.raises(HttpError.InvalidValue):
        client.request(RequestHead(b"GET", b"/", b"e", fields=[field]), end=True)
    server.feed(headers(1, GET, end=True))
    with pytest.raises(HttpError.InvalidValue):
        server.respond(1, 200, [field], end=True)
    server.respond(1, 200, [], end=False)
    with pytest.raises(HttpError.InvalidValue):
        server.trailers(1, [field])
    assert client.take() == b""


@pytest.mark.parametrize(
    ("status", "end"), [(101, False), (99, True), (600, True), (100, True), (2000, True)]
)
def test_a_response_that_cannot_be_sent(form: Form, status: int, end: bool) -> None:
    server = form.server()
    server.feed(headers(1, GET, end=True))
    with pytest.raises(HttpError.InvalidValue):
        server.respond(1, status, [], end=end)
    with pytest.raises(HttpError.InvalidValue):
        server.respond(1, 200, [(b"connection", b"close")], end=True)


def test_what_proves_who_somebody_is_is_not_compressed(form: Form) -> None:
    """RFC 7541 section 7.1.3: as literals that are never indexed, 0001xxxx."""
    client = form.client()
    for _ in range(2):
        client.request(
            RequestHead(b"GET", b"/", b"e", fields=[(b"authorization", b"Bearer secret")]), end=True
        )
    first, second = (each.payload for each in sent(client, HEADERS))
    # Name 23 of the static table, and the value every time.
    assert b"\x1f\x08" in first
    assert b"\x1f\x08" in second


# Which form is in use.


def test_the_form_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, reason = h2.implementation()
    assert (reason is None) is (chosen == "rust")
    monkeypatch.setenv("NETKIT_PURE", "1")
    assert h2.implementation() == ("python", "NETKIT_PURE is set")
