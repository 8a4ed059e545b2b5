"""HTTP/1.1 served: one connection at a time by a flow, and many whose requests are simple by one loop."""
