"""netkit: a network from the bottom up, as a command and as a library.

    netkit.addr         addresses and endpoints: IpAddr, SocketAddr, HostPort
    netkit.io           waiting: flows, the blocking and the asyncio driver, cancellation, byte streams
    netkit.net          sockets: TCP, UDP, Unix-domain; Happy Eyeballs, serving, activation
    netkit.dns          names, messages, records; Resolver, lookups; zones and an authoritative server
    netkit.tls          TlsConfig, TlsStream, Certificate; verification that explains itself; the probe
    netkit.proxy        SOCKS 5 and HTTP CONNECT: connect_through; the PROXY protocol's headers
    netkit.http         Method, StatusCode, Headers, Request, Response, Url, Cookie
    netkit.websocket    a WebSocket connection without I/O, its frames, compression and handshake
    netkit.errors       NetkitError, the root of every error
    netkit.cli          the command, a thin layer over all of the above

Every call that can wait has a blocking form and an `_async` one, with the same arguments (`timeout` in
seconds, `cancel` a CancellationToken), results and errors. The names below are loaded when they are first
used.

    import netkit
    with netkit.TcpStream.connect("localhost:7", timeout=5) as stream:
        stream.write_all(b"hello")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy
from netkit._version import __version__ as __version__

if TYPE_CHECKING:
    from netkit.addr import (
        AddrParseError as AddrParseError,
        HostPort as HostPort,
        IpAddr as IpAddr,
        Ipv4Addr as Ipv4Addr,
        Ipv6Addr as Ipv6Addr,
        SocketAddr as SocketAddr,
        SocketAddrV4 as SocketAddrV4,
        SocketAddrV6 as SocketAddrV6,
        ToSocketAddrs as ToSocketAddrs,
    )
    from netkit.dns import (
        DnsError as DnsError,
        DnsRecord as DnsRecord,
        DnsRecordType as DnsRecordType,
        Resolver as Resolver,
        is_ip_address as is_ip_address,
        is_valid_domain as is_valid_domain,
        lookup_addr as lookup_addr,
        lookup_addr_async as lookup_addr_async,
        lookup_host as lookup_host,
        lookup_host_async as lookup_host_async,
        lookup_host_v4 as lookup_host_v4,
        lookup_host_v6 as lookup_host_v6,
        resolve as resolve,
        resolve_async as resolve_async,
    )
    from netkit.errors import NetkitError as NetkitError
    from netkit.http import (
        Cookie as Cookie,
        Headers as Headers,
        HttpError as HttpError,
        Method as Method,
        Request as Request,
        Response as Response,
        StatusCode as StatusCode,
        Url as Url,
    )
    from netkit.io import (
        CancellationError as CancellationError,
        CancellationToken as CancellationToken,
        DeadlineExceeded as DeadlineExceeded,
    )
    from netkit.net import (
        ConnectError as ConnectError,
        Shutdown as Shutdown,
        TcpListener as TcpListener,
        TcpStream as TcpStream,
        UdpSocket as UdpSocket,
        UnixError as UnixError,
        UnixListener as UnixListener,
        UnixStream as UnixStream,
    )
    from netkit.tls import (
        Certificate as Certificate,
        PrivateKey as PrivateKey,
        SystemCerts as SystemCerts,
        TlsConfig as TlsConfig,
        TlsError as TlsError,
        TlsStream as TlsStream,
        TlsVersion as TlsVersion,
    )

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "addr": (
            "AddrParseError HostPort IpAddr Ipv4Addr Ipv6Addr SocketAddr SocketAddrV4 SocketAddrV6 "
            "ToSocketAddrs"
        ),
        "dns": (
            "DnsError DnsRecord DnsRecordType Resolver is_ip_address is_valid_domain lookup_addr "
            "lookup_addr_async lookup_host lookup_host_async lookup_host_v4 lookup_host_v6 resolve "
            "resolve_async"
        ),
        "errors": "NetkitError",
        "http": "Cookie Headers HttpError Method Request Response StatusCode Url",
        "io": "CancellationError CancellationToken DeadlineExceeded",
        "net": "ConnectError Shutdown TcpListener TcpStream UdpSocket UnixError UnixListener UnixStream",
        "tls": "Certificate PrivateKey SystemCerts TlsConfig TlsError TlsStream TlsVersion",
    },
)
