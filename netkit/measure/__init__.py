"""Measuring a network: `ping` measures round trips, `scan` finds ports that accept connections."""
