"""The endpoints that do wrong on purpose, by their groups.

raw           responses written octet by octet: how the other modules say one
heads         heads that break the rules of RFC 9112
framing       bodies whose ends are announced wrongly, or twice
endings       connections that end too early, or with a reset; slow heads and bodies
floods        heads that are too much
bodies        bodies whose coding or charset is wrong, and those that decode to far more
http2         GOAWAY, REFUSED_STREAM, RST_STREAM
"""
