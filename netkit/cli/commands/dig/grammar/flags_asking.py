"""The +flags of dig that change what is asked, of whom, and how often."""

from __future__ import annotations

from netkit.cli.commands.dig.grammar.flag import Flag
from netkit.cli.commands.dig.grammar.flag_values import (
    Cookie,
    EdnsFlags,
    EdnsOptions,
    HostName,
    HttpPath,
    OpcodeText,
    Pins,
    ProxyAddresses,
    SearchDomain,
    Subnet,
)
from netkit.cli.frame.options import File, Number, Seconds

ASKING = (
    Flag("tcp", "Ask over TCP from the start, as is done for ANY.", aliases=("vc",)),
    Flag("tls", "Ask over TLS (RFC 7858), and verify the server's certificate."),
    Flag("https", "Ask over HTTPS (RFC 8484) with POST. [default path: /dns-query]", HttpPath(), "PATH",
         optional=True, off=True),
    Flag("https-get", "The same with GET.", HttpPath(), "PATH", optional=True, off=True),
    Flag("https-post", "The same as +https.", HttpPath(), "PATH", optional=True, off=True),
    Flag("tls-hostname", "The name that the server's certificate must have. [default: that of @SERVER]",
         HostName(), "NAME", off=True),
    Flag("tls-certfile", "Show the server this certificate, and the chain that follows it (PEM).", File(),
         "FILE", off=True),
    Flag("tls-keyfile", "The private key of +tls-certfile.", File(), "FILE", off=True),
    Flag("tls-ca", "Trust the certificates in FILE (PEM), not the system's; without FILE, the system's.",
         File(), "FILE", optional=True, off=True),
    Flag("tls-pin", "The server's certificate must have one of these public keys (SHA-256, base64).", Pins(),
         "HASHES", off=True),
    Flag("trace", "Walk from the root: ask each zone's own servers, and show every step."),
    Flag("nssearch", "Ask all authoritative servers of the name's zone for its SOA record."),
    Flag("proxy", "Begin with a PROXY header (version 2) that queries come from SRC and are for DST; without "
         "them, from this machine.", ProxyAddresses(), "SRC-DST", optional=True, off=True,
         long="proxy-header"),
    Flag("proxy-plain", "The same; over TLS the header precedes the handshake.", ProxyAddresses(), "SRC-DST",
         optional=True, off=True),
    Flag("ignore", "Accept a truncated answer, instead of asking again over TCP."),
    Flag("search", "Try the name with the search list of resolv.conf, while the answer is NXDOMAIN.",
         aliases=("defname",)),
    Flag("showsearch", "The same, and show the answers for all names that were tried."),
    Flag("domain", "The only domain of the search list, in place of resolv.conf's.", SearchDomain(),
         "DOMAIN"),
    Flag("ndots", "How many dots a name must have to be tried as it is first. [default: resolv.conf's]",
         Number(0, 127), "N"),
    Flag("idnin", "Take names in Unicode as IDNA; off: send their octets as they are. [default: on]"),
    Flag("mapped", "With -6, ask a server with an IPv4 address from an IPv6 socket."),
    Flag("keepopen", "Use a connection for several queries. [default: on]"),
    Flag("fail", "Take SERVFAIL for the answer; +nofail asks the next server. [default: on]"),
    Flag("badcookie", "Ask again with the server's cookie after BADCOOKIE. [default: on]"),
    Flag("ednsnegotiation", "Ask again in a lower version of EDNS, or without it, where the server does not "
         "take it. [default: on]"),
    Flag("recurse", "Ask the server to ask other servers (RD). [default: on]", aliases=("rdflag",)),
    Flag("ad", "Ask whether the answer is authentic (AD). [default: on]", aliases=("adflag",)),
    Flag("cd", "Ask the server not to check DNSSEC (CD).", aliases=("cdflag",)),
    Flag("aaflag", "Set the flag AA in the query.", aliases=("aaonly",)),
    Flag("tcflag", "Set the flag TC in the query."),
    Flag("raflag", "Set the flag RA in the query."),
    Flag("zflag", "Set the flag Z in the query, which is reserved."),
    Flag("opcode", "The opcode of the query. [default: QUERY]", OpcodeText(), "OPCODE", off=True),
    Flag("qid", "The ID of the query. [default: a random one]", Number(0, 65535), "N"),
    Flag("header-only", "Send no question: only a header, and EDNS."),
    Flag("dnssec", "Ask for DNSSEC records (DO).", aliases=("do",)),
    Flag("edns", "The version of EDNS; +noedns does not use EDNS. [default: 0]", Number(0, 255), "N",
         optional=True, off=True),
    Flag("bufsize", "The largest answer over UDP, in octets. [default: 1232]", Number(0, 65535), "N",
         ("bufsiz",), optional=True),
    Flag("ednsflags", "Set these flags of EDNS, which nobody has assigned.", EdnsFlags(), "BITS",
         optional=True, off=True),
    Flag("coflag", "Ask for compact denials of existence (CO, RFC 9824).", aliases=("co",)),
    Flag("nsid", "Ask for the identifier of this server among its replicas (RFC 5001)."),
    Flag("subnet", "Ask on behalf of this client's network (RFC 7871).", Subnet(), "ADDR/LEN", ("client",),
         off=True),
    Flag("cookie", "Send a DNS cookie (RFC 7873), by default a random one.", Cookie(), "HEX", optional=True,
         off=True),
    Flag("expire", "Ask a secondary server when its zone expires (RFC 7314)."),
    Flag("keepalive", "Ask how long an idle connection is kept (RFC 7828)."),
    Flag("padding", "Pad queries to a multiple of N octets; 0: do not. [default: 128 over TLS and HTTPS]",
         Number(0, 512), "N"),
    Flag("ednsopt", "Send these options of EDNS, by number or name; once more adds to them.", EdnsOptions(),
         "CODE[:HEX],...", off=True, adds=True),
    Flag("time", "How long to wait for one answer. [default: 5 seconds]", Seconds(), "SECONDS", ("timeout",)),
    Flag("tries", "How often to ask each server. [default: 3]", Number(1, 100), "N"),
)  # fmt: skip

#: BIND's dig counts the repetitions: it is read as `+tries`, one more.
RETRY = Flag(
    "retry", "How often to ask each server again; +retry=2 is +tries=3. [default: 2]", Number(0, 99), "N"
)

_IN_THE_CLEAR = (
    "a name server takes HTTP in the clear behind a proxy for TLS alone: ask that one, with +https"
)
#: Flags of dig that netkit does not have, with what there is in their place. Switching one of these off has
#: no effect, so that is accepted.
ABSENT = {
    "dns64prefix": "ask for ipv4only.arpa AAAA: the addresses begin with the prefixes (RFC 7050)",
    "http-plain": _IN_THE_CLEAR,
    "http-plain-get": _IN_THE_CLEAR,
    "http-plain-post": _IN_THE_CLEAR,
}
#: Flags of dig without effect, also in BIND's own: a connected socket hears nobody but its server.
IDLE = frozenset(("unexpected",))
