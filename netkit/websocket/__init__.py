"""WebSocket (RFC 6455). So far its masking, which is where the bytes of a connection are touched."""
