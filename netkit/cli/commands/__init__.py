"""The commands, one file each (dig has its own package)."""
