"""netkit: a network from the bottom up, as a command and as a library."""

__version__ = "0.1.0"
