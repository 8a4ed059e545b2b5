"""Whether a client would accept a chain, and for which reasons it would not: RFC 5280 section 6, RFC 9525."""
