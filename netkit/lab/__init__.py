"""What clients are tested with: servers that echo, and faults on purpose.

echo, echo_loop, echo_server   RFC 862 over TCP, UDP and Unix-domain sockets
faults, faulty_udp             delay, loss, corruption, resets, the same way each time for one seed
"""
