"""rustls as a TLS backend, through the extension `netkit._rustls`: memory-safe, TLS 1.2 and 1.3 only.

    loading.py     the backends, one a provider, or why they are not here
    backend.py     what it can do; a configuration in its form
    session.py     one connection
    judging.py     OpenSSL as the judge, where the provider cannot
    failures.py    rustls's errors as TlsError
    wishes.py      names of groups, suites and schemes as numbers, and back

webpki judges chains here, and OpenSSL only for the provider libcrux. Where their verdicts differ,
docs/tls-backends.md says so.
"""
