"""The HTTP client: connections kept in a pool, redirects, retries, cookies, authentication.

Use the names of `netkit.http`: `Client`, `AsyncClient`, `ClientConfig`, `DialConfig`.

From the bottom up: `dial` makes connections, `h1_channel` and `h2_channel` run exchanges over one, `pool`
keeps them, `core` decides what to send and what an answer leads to, `client` has the blocking and the async
form. Every step that waits is a flow.
"""
