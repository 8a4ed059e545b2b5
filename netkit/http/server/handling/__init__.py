"""Handlers of every kind, made into handlers of flows, and the threads in which blocking ones run."""
