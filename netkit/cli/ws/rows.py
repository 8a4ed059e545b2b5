"""The rows of `netkit ws client --json`: one event a line, as things happen."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypeAlias, TypedDict

from netkit.cli.fetch.rows import HeaderRow
from netkit.cli.frame.fields import Endpoint, EndpointOrPath
from netkit.cli.payload.tls.rows import TlsRow

Way = Annotated[Literal["sent", "received"], "Which side sent it: this one, or the peer"]
At = Annotated[float, "When, in seconds since the connection was open"]


class PhaseRow(TypedDict):
    """How long a part of the opening took."""

    phase: Annotated[str, "dns, connect, proxy, tls, send, wait"]
    started_s: Annotated[float, "When it began, in seconds from the beginning"]
    ended_s: float


class Connected(TypedDict):
    """The connection is open."""

    event: Literal["connected"]
    url: Annotated[str, "Where, after redirects"]
    status: Annotated[int, "Of the answer to the opening handshake: 101, over HTTP/2 200"]
    subprotocol: Annotated[str | None, "The one that both sides agreed on"]
    compression: Annotated[str | None, "permessage-deflate and its parameters, as agreed; null for none"]
    headers: Annotated[list[HeaderRow], "Of that answer"]
    peer: EndpointOrPath | None
    local: Endpoint | None
    proxy: Annotated[str | None, "The proxy, without its password"]
    tls: Annotated[TlsRow | None, "The result of the TLS handshake"]
    elapsed_s: Annotated[float, "How long opening took"]
    phases: list[PhaseRow]


class Refused(TypedDict):
    """The server answered the opening handshake with something else; `error` says so too."""

    event: Literal["refused"]
    status: int
    headers: list[HeaderRow]
    data_b64: Annotated[str | None, "The beginning of the body; null where it did not come whole"]


class Message(TypedDict):
    """A message."""

    event: Literal["message"]
    direction: Way
    at_s: At
    opcode: Literal["text", "binary"]
    size: Annotated[int, "Its octets, a text in UTF-8"]
    text: NotRequired[Annotated[str, "Of a text"]]
    data_b64: NotRequired[Annotated[str, "Of a binary message"]]


class Ping(TypedDict):
    """A ping, which netkit answers, or which it has sent because it was asked to."""

    event: Literal["ping"]
    direction: Way
    at_s: At
    data_b64: str


class Pong(TypedDict):
    """An answer of the peer to a ping, or a pong that nobody asked for."""

    event: Literal["pong"]
    direction: Way
    at_s: At
    data_b64: str
    elapsed_s: Annotated[float | None, "The round trip; null where no ping of this side is answered"]


class Frame(TypedDict):
    """--frames: a frame as it is on the wire."""

    event: Literal["frame"]
    direction: Way
    at_s: At
    fin: bool
    rsv: Annotated[list[Literal[1, 2, 3]], "The reserved bits that are set; 1 is a compressed message"]
    opcode: Annotated[str, "text, binary, continuation, close, ping, pong, or the number of a reserved one"]
    masked: bool
    length: Annotated[int, "Octets of its payload"]
    inflated_size: Annotated[
        int | None, "Of the last frame of a compressed message: octets of the message inflated"
    ]
    ratio: Annotated[float | None, "Of the same: octets on the wire for each octet of the message"]


class Closing(TypedDict):
    """A Close frame."""

    event: Literal["closing"]
    direction: Way
    at_s: At
    close_code: Annotated[int, "1005 where the frame has none"]
    reason: str


class Closed(TypedDict):
    """The connection is over; with `error`, it did not end well."""

    event: Literal["closed"]
    close_code: Annotated[int, "That of the peer's Close frame, or what the peer did wrong; 1006 for neither"]
    reason: str
    closed_first: Annotated[Literal["local", "peer"] | None, "Whose Close frame was the first; null for none"]
    messages_sent: int
    messages_received: int
    bytes_sent: Annotated[int, "Octets of those messages"]
    bytes_received: Annotated[int, "Octets of those messages"]
    elapsed_s: Annotated[float, "How long the connection was open"]


class Reconnecting(TypedDict):
    """--reconnect: it is tried again."""

    event: Literal["reconnecting"]
    reason: str
    delay_s: Annotated[float, "After this time"]
    number: Annotated[int, "Which attempt in a row it will be"]


Row: TypeAlias = Connected | Refused | Message | Ping | Pong | Frame | Closing | Closed | Reconnecting
