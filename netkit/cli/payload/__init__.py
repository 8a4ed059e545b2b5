"""The common parts of the commands that carry a payload: talking over a connection, listening, serving."""
