"""`netkit dig`: the grammar of BIND's dig, its flags, and its output."""
