"""A server that echoes, in a process of its own, whose memory a test measures: `loop` or `flow`.

It writes its port, and serves until its standard input ends.
"""

from __future__ import annotations

import sys
import threading

from netkit.http.server.config import ServerConfig
from netkit.http.server.server import HttpServer
from netkit.net import TcpListener
from netkit.serve.stop import Stop
from netkit.websocket import DeflateConfig, WebSocketConfig, WebSocketHandler, WebSocketLimits
from netkit.websocket.loop import WsLoop
from netkit.websocket.server import ServerWebSocket

#: The most octets of a message.
MAX_MESSAGE = 1 << 20


class Echo:
    def handle_message(self, ws: ServerWebSocket, message: str | bytes) -> str | bytes:
        del ws
        return message


def main(form: str) -> None:
    WsLoop.available = WsLoop.available and form == "loop"
    config = WebSocketConfig(
        ping_interval=None,
        deflate=DeflateConfig(min_size=0),
        limits=WebSocketLimits(max_message=MAX_MESSAGE, max_frame=MAX_MESSAGE),
    )
    listener = TcpListener.bind("127.0.0.1:0")
    stop = Stop()

    def until_the_end() -> None:
        sys.stdin.read()
        stop.set()
        stop.cut()

    threading.Thread(target=until_the_end, daemon=True).start()
    print(listener.local_addr.port, flush=True)
    server = HttpServer(WebSocketHandler(Echo(), config=config), ServerConfig(head_timeout=1.0))
    server.run([listener], stop=stop, drain=0)


if __name__ == "__main__":
    main(sys.argv[1])
