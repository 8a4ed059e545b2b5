"""Proxies: clients for SOCKS 5 and HTTP CONNECT; PROXY protocol headers, read and written.

    codec   socks5.py http_connect.py    the bytes of each message
            header.py                    the PROXY protocol, versions 1 and 2
            url.py errors.py             a proxy's URL; the errors
    flow    dialogue.py                  the dialogue over a stream that is connected to a proxy
    API     connect.py                   connect_through: a TCP connection through a proxy

The package loads each of its names when the name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.proxy.connect import (
        connect_through as connect_through,
        connect_through_async as connect_through_async,
        connect_through_flow as connect_through_flow,
    )
    from netkit.proxy.dialogue import (
        http_flow as http_flow,
        http_tunnel as http_tunnel,
        http_tunnel_async as http_tunnel_async,
        receive_header as receive_header,
        receive_header_async as receive_header_async,
        receive_header_flow as receive_header_flow,
        socks5_flow as socks5_flow,
        socks5_tunnel as socks5_tunnel,
        socks5_tunnel_async as socks5_tunnel_async,
    )
    from netkit.proxy.errors import ProxyError as ProxyError
    from netkit.proxy.header import ProxyHeader as ProxyHeader, Transport as Transport
    from netkit.proxy.http_connect import ConnectReply as ConnectReply
    from netkit.proxy.socks5 import Bound as Bound
    from netkit.proxy.url import Proxy as Proxy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "connect": "connect_through connect_through_async connect_through_flow",
        "dialogue": "http_flow http_tunnel http_tunnel_async receive_header receive_header_async "
        "receive_header_flow socks5_flow socks5_tunnel socks5_tunnel_async",
        "errors": "ProxyError",
        "header": "ProxyHeader Transport",
        "http_connect": "ConnectReply",
        "socks5": "Bound",
        "url": "Proxy",
    },
)
