"""The page of `netkit ws server --page`: a console in a browser that connects back to where it came from.

It is one document without anything from elsewhere. Its Content-Security-Policy allows its own script and
style by their hashes, and connections to its own server; what comes from a WebSocket is put into the page as
text only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netkit.http.message import Response

STYLE = """
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
body { max-width: 50rem; margin: 0 auto; padding: 1rem; }
form { display: flex; gap: .5rem; margin: .5rem 0; flex-wrap: wrap; }
input { flex: 1; min-width: 8rem; font: inherit; padding: .3rem; }
button { font: inherit; padding: .3rem .8rem; }
ol { list-style: none; padding: 0; font-family: ui-monospace, monospace; }
li { white-space: pre-wrap; overflow-wrap: anywhere; border-top: 1px solid #8884; padding: .15rem 0; }
li::before { content: attr(data-mark) " "; opacity: .6; }
"""

SCRIPT = """
"use strict";
const lines = document.getElementById("lines"), state = document.getElementById("state");
const offered = document.getElementById("offered"), text = document.getElementById("text");
const MOST = 1000;
let socket = null;
function show(mark, words) {
  const line = document.createElement("li");
  line.dataset.mark = mark;
  line.textContent = words;
  lines.prepend(line);
  while (lines.childElementCount > MOST) lines.lastElementChild.remove();
}
function open_() {
  if (socket) socket.close(1000);
  const url = new URL(location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  url.username = url.password = "";
  const names = offered.value.split(",").map(name => name.trim()).filter(name => name);
  let mine;
  try { mine = names.length ? new WebSocket(url, names) : new WebSocket(url); }
  catch (error) { show("!", error.message); return; }
  socket = mine;
  mine.binaryType = "arraybuffer";
  state.textContent = "connecting";
  mine.onopen = () => {
    state.textContent = "open" + (mine.protocol ? ", subprotocol " + mine.protocol : "");
    show("=", "open " + url + (mine.extensions ? ", " + mine.extensions : ""));
  };
  mine.onmessage = event => show("<", typeof event.data === "string" ? event.data
    : "[" + event.data.byteLength + " octets] " + Array.from(new Uint8Array(event.data, 0,
      Math.min(event.data.byteLength, 256)), octet => octet.toString(16).padStart(2, "0")).join(" "));
  mine.onclose = event => {
    show("=", "closed with " + event.code + (event.reason ? ": " + event.reason : ""));
    if (socket === mine) { socket = null; state.textContent = "closed"; }
  };
}
document.getElementById("connecting").addEventListener("submit", event => {
  event.preventDefault();
  open_();
});
document.getElementById("closing").addEventListener("click", () => { if (socket) socket.close(1000); });
document.getElementById("sending").addEventListener("submit", event => {
  event.preventDefault();
  if (!socket || socket.readyState !== WebSocket.OPEN) { show("!", "not open"); return; }
  socket.send(text.value);
  show(">", text.value);
  text.select();
});
open_();
"""

DOCUMENT = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>WebSocket</title>
<style>{STYLE}</style>
</head>
<body>
<h1>WebSocket</h1>
<p>The connection is <strong id="state" role="status">closed</strong>.</p>
<form id="connecting"><input id="offered" aria-label="Subprotocols" placeholder="subprotocols, optional">
<button>Connect</button> <button type="button" id="closing">Close</button></form>
<form id="sending"><input id="text" aria-label="Message" placeholder="message" autofocus>
<button>Send</button></form>
<ol id="lines" aria-live="polite"></ol>
<script>{SCRIPT}</script>
</body>
</html>
"""


def policy() -> str:
    """The value of Content-Security-Policy: nothing but what stands in the document, and its own server."""
    return (
        f"default-src 'none'; script-src '{_hashed(SCRIPT)}'; style-src '{_hashed(STYLE)}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def page() -> Response:
    """The response."""
    from netkit.http.message import Response

    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy()),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ]
    return Response(200, headers=headers, body=DOCUMENT.encode())


def _hashed(text: str) -> str:
    import hashlib
    from binascii import b2a_base64

    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{b2a_base64(digest, newline=False).decode()}"
