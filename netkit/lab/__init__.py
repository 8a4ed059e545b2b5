"""Tools to test clients: echo servers, and injected faults.

echo, echo_loop, echo_server   RFC 862 over TCP, UDP and Unix-domain sockets
faults, faulty_udp             delay, loss, corruption, resets; one seed always gives the same faults
tls_server, tls_conduct        a TLS server that misbehaves on purpose
tls_sites                      a site for each fault of certificates and handshakes, by name
"""
