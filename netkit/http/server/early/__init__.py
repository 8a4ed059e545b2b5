"""Early data (0-RTT, RFC 8470): which requests came in it, and answers before the handshake is over."""
