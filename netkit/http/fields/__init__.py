"""What the grammars of header fields share: tokens, quoted strings and lists, dates, and their errors.

A field with a grammar of its own has a module beside this package: `netkit.http.negotiation`, `ranges`,
`link_header` and others.
"""
