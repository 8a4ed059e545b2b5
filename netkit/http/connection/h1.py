"""HTTP/1.1 as protocol objects without I/O: `H1Client` and `H1Server` (RFC 9112).

    client = H1Client()
    stream = client.request(RequestHead(b"GET", b"/", b"example.com"), end=True)
    sock.sendall(client.take())
    while not done:
        for event in client.feed(sock.recv(65536)):
            match event:
                case ResponseHead(status=status, fields=fields, end=end): ...
                case Data(data=data): ...
                case End() | Broken(): done = True

This is the pattern of all connections here: octets go in by `feed`, events come out; octets to send come out
of `take`. RFC 9112 section 9.3 (persistence), 9.3.2 (pipelining), RFC 9110 section 7.8 (Upgrade), 9.3.6
(CONNECT), 15.2 (1xx).

One message in each direction is under way at a time. A client begins no request before the response to the
last one is over, because a response that never comes, or comes twice, would then belong to the wrong request.
A server keeps requests that come early in its buffer, and reads the next one when the response before it is
complete: so responses go in order.

A large body need not pass through these objects. `direct` says how many octets of it a caller may receive
into its own buffer; `received` tells that it did. `sent` does the same for a body that is sent.

The fields that frame a message or manage its connection (`MANAGED_FIELDS`) are written here, from `length`,
`end` and what is known of the connection; a caller's own are refused, never sent beside ours. Whoever takes
fields from a user takes these out, and says what they mean by the arguments.
"""

from __future__ import annotations

from netkit.http.connection.h1_client import H1Client
from netkit.http.connection.h1_server import H1Server

__all__ = ["H1Client", "H1Server"]
