"""The table of commands, one entry for each.

A command's module is imported only when a user names the command, so `netkit --version` imports no command.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A command: the words to type, its module and function, its line of help, its section.

    The module is relative to `netkit.cli.commands` where it begins with a dot.
    """

    path: str
    target: str
    help: str
    section: str


LOOK_UP, CONNECT, READ, SERVE, ABOUT = "Look up", "Connect and probe", "Read headers", "Serve", "About netkit"

#: The commands, in the order of the help page. The help is the first line of the command's docstring.
COMMANDS: tuple[Entry, ...] = (
    Entry("dig", ".dig.command:dig", "Ask name servers for records, and show the whole answer.", LOOK_UP),
    Entry(
        "resolve",
        ".resolve:resolve",
        "Show the addresses that this system would connect to for a name, in the order to try them.",
        LOOK_UP,
    ),
    Entry(
        "tls probe",
        ".tls:probe",
        "Show what a TLS server sends, and whether a client would accept it.",
        CONNECT,
    ),
    Entry(
        "tls inspect",
        ".tls_inspect:inspect",
        "Show what is in files of certificates and keys, and whether it fits together.",
        CONNECT,
    ),
    Entry(
        "tcp connect",
        ".tcp:connect",
        "Connect to a TCP port; send standard input, write the data that comes back.",
        CONNECT,
    ),
    Entry(
        "tcp listen",
        ".tcp:listen",
        "Wait for a TCP connection; send standard input, write the data that comes.",
        CONNECT,
    ),
    Entry(
        "tcp ping",
        ".ping:tcp",
        "Measure repeatedly how long connecting to a TCP port takes.",
        CONNECT,
    ),
    Entry("tcp scan", ".scan:scan", "Find the TCP ports that accept connections.", CONNECT),
    Entry("udp send", ".udp:send", "Send datagrams; write the replies.", CONNECT),
    Entry("udp listen", ".udp:listen", "Receive datagrams, and write their contents.", CONNECT),
    Entry(
        "udp ping",
        ".ping:udp",
        "Measure repeatedly how long a datagram to an echo server and back takes.",
        CONNECT,
    ),
    Entry(
        "unix connect",
        ".unix:connect",
        "Connect to a Unix-domain socket; send standard input, write the data that comes back.",
        CONNECT,
    ),
    Entry(
        "unix listen",
        ".unix:listen",
        "Wait for a connection to a Unix-domain socket; send standard input, write the data that comes.",
        CONNECT,
    ),
    Entry(
        "http fetch",
        ".http_fetch:fetch",
        "Send HTTP requests, and write the bodies of the answers.",
        CONNECT,
    ),
    Entry(
        "ws client",
        ".ws_client:client",
        "Open a WebSocket; send messages, write the replies.",
        CONNECT,
    ),
    Entry(
        "range",
        ".range:range_",
        "Show which parts of a file a Range header asks for, and how a server answers.",
        READ,
    ),
    Entry("link", ".link:link", "Show the links of a Link header, or of what a URL answers.", READ),
    Entry(
        "http parse",
        ".http_parse:parse",
        "Show the parts of HTTP/1.1 messages, how each is framed and why, and what is wrong.",
        READ,
    ),
    Entry(
        "http negotiate",
        ".http_negotiate:negotiate",
        "Show which offer an Accept header asks for, and why.",
        READ,
    ),
    Entry(
        "serve echo",
        ".serve:echo",
        "Send back all received data (RFC 862), over TCP, UDP, Unix-domain sockets and TLS.",
        SERVE,
    ),
    Entry(
        "tcp echo",
        ".serve:tcp_echo",
        "Send back all data received over TCP (RFC 862): short for `netkit serve echo --tcp`.",
        SERVE,
    ),
    Entry(
        "udp echo",
        ".serve:udp_echo",
        "Send back every received datagram (RFC 862): short for `netkit serve echo --udp`.",
        SERVE,
    ),
    Entry(
        "serve dns",
        ".serve_dns:dns",
        "Serve the zones of zone files, over UDP, TCP, TLS and HTTPS: a small authoritative name server.",
        SERVE,
    ),
    Entry(
        "serve tls",
        ".serve_tls:tls",
        "Serve TLS as right or as wrong as you like, and show each handshake.",
        SERVE,
    ),
    Entry(
        "serve http",
        ".serve_http:http",
        "Serve a directory, a file, test endpoints, or a Python application, over HTTP/1.1 and HTTP/2.",
        SERVE,
    ),
    Entry(
        "ws server",
        ".ws_server:server",
        "Serve WebSockets (RFC 6455), over HTTP/1.1 and HTTP/2: echo, broadcast, a program.",
        SERVE,
    ),
    Entry(
        "serve ws",
        ".ws_server:serve_ws",
        "Serve WebSockets (RFC 6455): the same as `netkit ws server`.",
        SERVE,
    ),
    Entry("demo", ".demo:demo", "Run real commands against netkit's own servers on loopback.", ABOUT),
    Entry(
        "version", ".version:version", "Show the versions of netkit, of Python and of the libraries.", ABOUT
    ),
    Entry(
        "completion",
        ".completion:completion",
        "Print the script with which a shell completes command lines.",
        ABOUT,
    ),
    Entry("schema", ".schema:schema", "Print the JSON Schema of a command's output.", ABOUT),
)

#: What the groups are about, which exist as soon as a command's path begins with them. Their line of help is
#: this and the names of their commands.
GROUPS: dict[str, str] = {
    "tcp": "TCP",
    "udp": "UDP",
    "unix": "Unix-domain sockets",
    "tls": "TLS",
    "http": "HTTP",
    "ws": "WebSocket",
    "serve": "Servers for tests",
}
