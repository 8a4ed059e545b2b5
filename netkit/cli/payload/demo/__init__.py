"""The servers of `netkit demo`, and the names that they serve."""
