"""What `netkit serve tls` is made of: one certificate or fault for each name."""
