"""Messages in octets (RFC 1035 section 4): headers, reading strictly or leniently, making, writing."""
