"""The frame, common to all commands: options, environment, rows, messages, exit codes, many inputs,
signals."""
