"""`netkit dig`: the grammar a hand knows, its flags, and what is shown."""
