"""`netkit dig`: the grammar of BIND's dig, its flags, and its output.

grammar/         from the words of a command line to queries
showing/         a reply in each form, and what all views share
comparing/       --compare      the other ways of asking: `asking` asks, and `view` shows what came of it,
searching/       +nssearch      with `rows` for JSON, `sheet` for a terminal, and the `words` that these
tracing/         +trace         share
transferring/    AXFR, IXFR
watching/        --watch
"""
