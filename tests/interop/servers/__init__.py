"""Servers in Python that the tests start as programs of their own: `python -m tests.interop.servers.NAME`."""
