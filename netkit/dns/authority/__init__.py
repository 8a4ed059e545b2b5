"""An authoritative name server: which zones it has, what it answers, and how it serves.

`zone_set` and `answering` decide without a socket; `server` receives and sends.
"""
