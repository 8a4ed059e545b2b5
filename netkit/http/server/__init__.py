"""The HTTP server: connections of both versions, and handlers of every kind.

Use the names of `netkit.http`: `HttpServer`, `ServerConfig`, `ServerRequest`, `StreamedResponse`.

From the bottom up: `exchange` is one request and its response, as a handler made of flows has it; `h1` and
`h2` run exchanges over one connection, `h1.loop` the simple ones of many connections at once; `handling`
makes a handler of flows from any other; `server` accepts. Every step that waits is a flow.
"""
