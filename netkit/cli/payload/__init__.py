"""What the commands that carry a payload share: talking over a connection, listening, serving."""
