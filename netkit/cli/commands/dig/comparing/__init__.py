"""`netkit dig --compare`: what several servers say to the same question."""
