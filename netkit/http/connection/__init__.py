"""Connections of HTTP without I/O: octets in, events and octets out (RFC 9112, RFC 9113).

    H1Client H1Server       HTTP/1.1
    h2_client h2_server     HTTP/2, by the Rust crate h2 where it is installed, else by python-hyper's h2
    ConnectionLimits        how much of everything a peer may send
    ConnectionFault         the peer broke the rules, or went over a limit (StreamFault: on one stream)

They have one surface, `HttpConnection` in `events`. They open no socket, and read no clock: whoever holds one
feeds it what it received, does what the events say, and sends what `take` returns.
"""
