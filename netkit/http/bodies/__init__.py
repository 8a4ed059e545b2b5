"""Bodies of messages: where their octets come from, how they are coded, and forms and events in them."""
