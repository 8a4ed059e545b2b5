"""How a query travels to one server and its answer back: UDP and TCP (RFC 7766)."""
