"""Cookies (RFC 6265): the fields Set-Cookie and Cookie, the jar of a client, and the files that keep them."""
