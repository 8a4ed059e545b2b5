"""`netkit dig +trace`: a walk from the root."""
