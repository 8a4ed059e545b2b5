"""What `netkit tls probe` is made of: its options, its rows, its words."""
