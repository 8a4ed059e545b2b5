"""What surrounds every command: options, environment, rows, messages, exit codes, many inputs, signals."""
