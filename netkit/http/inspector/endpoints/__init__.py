"""The endpoints that answer as they should, by their groups; most are those of httpbin.

echo          what arrived of a request
statuses      the status that was asked for
redirects     chains, loops, references of every form
cookies       shown, set, deleted
login         Basic, Bearer, Digest
caching       validators, Cache-Control
content       pages, data, octets, ranges
images        the pictures of `content`
compression   content codings
streams       chunks, trailers, events, interim responses
timing        delays, slow bodies, a body without an end
wire          the request as it was sent
"""
