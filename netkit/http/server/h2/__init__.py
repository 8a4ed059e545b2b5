"""HTTP/2 served: the flow of a connection, the exchange on each of its streams, and CONNECT (RFC 9113)."""
