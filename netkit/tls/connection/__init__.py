"""What is inside a `TlsStream`: what it tells, its flows, what a server shows, and what may go early."""
