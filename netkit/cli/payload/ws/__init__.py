"""What `netkit ws server` and `netkit serve ws` are made of."""
