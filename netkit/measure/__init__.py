"""Measuring a network: `ping`, round trips and what they come to; `scan`, which ports take connections."""
