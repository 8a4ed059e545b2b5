"""What one run of a client leaves for the next: hosts asked over TLS only, and named sessions."""
