"""The commands, one file each (dig has a room of its own)."""
