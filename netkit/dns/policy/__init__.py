"""How questions are asked: state machines without socket, clock or random source, and what they go by."""
