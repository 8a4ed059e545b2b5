"""The grammar of BIND's dig: words, +flags, files of queries, and what is probably a mistake in them."""
