"""HTTP/2 by python-hyper's h2: the client's side and the server's (RFC 9113, RFC 8441).

They have the surface of the Rust form, its events and its error codes. `h2_hyper` has what is the same for
both sides, and says what of python-hyper is used and what is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.settings import SettingCodes

from netkit.http.connection import h2_faults, h2_rules
from netkit.http.connection.errors import ErrorCode
from netkit.http.connection.events import RequestReceived
from netkit.http.connection.h2_hyper import FIRST_STREAMS, LAST_STREAM, HyperConnection
from netkit.http.connection.h2_parts import HyperStream, sendable
from netkit.http.connection.h2_rules import Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from h2.events import RequestReceived as LibraryRequest

    from netkit.http.connection.events import Events, RequestHead
    from netkit.http.connection.limits import ConnectionLimits


def client(limits: ConnectionLimits) -> H2PureClient:
    """The client's side of a connection."""
    return H2PureClient(limits, {SettingCodes.ENABLE_PUSH: 0})


def server(limits: ConnectionLimits, extended_connect: bool = True) -> H2PureServer:
    """The server's side of a connection."""
    settings = {SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_concurrent_streams}
    if extended_connect:
        settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
    return H2PureServer(limits, settings)


class H2PureClient(HyperConnection):
    """The side that makes requests: `H2ClientConnection`."""

    is_server = False

    def request(self, head: RequestHead, *, end: bool, length: int | None = None) -> int:
        """Begin a request, and return its stream.

        Raises HttpError.InvalidRequest for a head that cannot be sent, HttpError.InvalidValue for a field,
        and HttpError.ConnectionError where no more requests are taken.
        """
        if not self.can_request:
            raise h2_faults.no_requests()
        if head.protocol is not None and not self.takes_protocols:
            reason = "the server has not said that it takes an extended CONNECT (RFC 8441)"
            raise h2_faults.invalid_request(reason)
        try:
            items = [*h2_rules.sendable_head(head), *sendable(head.all_fields(), length)]
        except Malformed as error:
            raise h2_faults.invalid_request(str(error)) from None
        number = self._library.get_next_available_stream_id()
        self._library.send_headers(number, items, end_stream=end)
        stream = HyperStream(is_head=head.method == b"HEAD", is_sending=not end)
        stream.is_answered = True
        self._add(number, stream)
        self._last_stream = number
        return number

    @property
    def can_request(self) -> bool:
        """Whether a new request may begin now."""
        if self._broken or self._is_leaving or self._is_draining or self._last_stream >= LAST_STREAM:
            return False
        most = self._library.remote_settings.max_concurrent_streams if self._has_settings else FIRST_STREAMS
        return self._open < most

    @property
    def takes_protocols(self) -> bool:
        """Whether the server takes an extended CONNECT."""
        return self._library.remote_settings.enable_connect_protocol == 1


class H2PureServer(HyperConnection):
    """The side that answers: `H2ServerConnection`."""

    is_server = True

    def _request_received(self, event: LibraryRequest, events: Events) -> None:
        number, end = event.stream_id, event.stream_ended is not None
        if self._is_draining or self._open >= self._limits.max_concurrent_streams:
            # It may be asked again, elsewhere or later (RFC 9113 sections 5.1.2 and 6.8).
            self._give_up(number, ErrorCode.REFUSED_STREAM)
            return
        try:
            head = h2_rules.received_request(
                self._decoder.items,
                extended_connect=self._library.local_settings.enable_connect_protocol == 1,
            )
            length = h2_rules.content_length(head.fields)
            if end and length:
                raise Malformed("the body is not as long as Content-Length says")
        except Malformed:
            self._give_up(number, ErrorCode.PROTOCOL_ERROR)
            return
        if self._has_too_many(number, list(head.fields), events):
            return
        stream = HyperStream(is_head=False, is_sending=True)
        stream.has_head = True
        stream.expected = length
        stream.is_receiving = not end
        self._add(number, stream)
        events.append(RequestReceived(number, head, end, (2, 0), length))

    def respond(
        self,
        stream: int,
        status: int,
        fields: Sequence[tuple[bytes, bytes]],
        *,
        end: bool,
        length: int | None = None,
    ) -> None:
        """Send the head of a response, or of a 1xx response.

        Raises ValueError for a stream that never was or is answered already, and HttpError.InvalidValue for
        a status or a field that cannot be sent.
        """
        if not 100 <= status < 600 or status == 101:
            raise h2_faults.invalid_value("head", f"HTTP/2 has no status {status}")
        state = self._known(stream)
        if state is None:
            return
        if state.is_answered:
            raise ValueError(f"stream {stream} is answered already")
        is_interim = status < 200
        if is_interim and end:
            raise h2_faults.invalid_value("head", "a 1xx response does not end the stream")
        try:
            items = sendable(fields, None if is_interim or status == 204 else length)
        except Malformed as error:
            raise h2_faults.invalid_value("head", str(error)) from None
        self._library.send_headers(stream, [(b":status", b"%d" % status), *items], end_stream=end)
        if not is_interim:
            state.is_answered = True
            if end:
                self._end_sending(stream)
