"""The backend `pyopenssl`: OpenSSL through pyOpenSSL, over the copy that the cryptography package brings.

    backend     what it can do, and a configuration in its form
    bindings    which of OpenSSL's functions are there
    context     a configuration as an SSL_CTX
    callbacks   what OpenSSL calls during a handshake
    session     one connection
    known       what it tells
    resumption  sessions as octets
    failures    what OpenSSL's error queue says

It knows what the ssl module of the standard library does not give access to: exporter, groups, the signature
scheme, stapled OCSP responses, 0-RTT, a verifier inside the handshake. And its OpenSSL is newer than that of
most Pythons.
"""
