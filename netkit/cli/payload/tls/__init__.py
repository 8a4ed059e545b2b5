"""TLS on the command line: the options of both sides, and what connections and files show."""
