"""What stands behind an answer: the walk from the root to a name's zone, and the servers of a zone."""
