"""Files generated from the commands' own declarations: man pages, completions, JSON schemas."""
