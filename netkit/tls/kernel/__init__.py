"""TLS whose records Linux encrypts (kTLS): the structures, the socket, the session."""
