"""Command lines of everyday dig, and where netkit dig means to do otherwise than BIND's.

`python -m tests.interop.dig_lines` writes the table of the differences into docs/dig.md; a test says when it
is stale, and runs each of its rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "dig.md"
BEGIN, END = "<!-- differences -->\n", "<!-- end of differences -->\n"

_LONG = "x" * 200

ZONE = f"""\
$ORIGIN lines.test.
$TTL 300
@ IN SOA ns1 host\\.master ( 2026112301 3600 600 86400 60 )
@ NS ns1
@ NS ns2
ns1 A 127.0.0.1
ns2 A 127.0.0.2
    AAAA ::1
@ A 192.0.2.80
@ MX 10 mail
@ MX 20 mail.elsewhere.test.
mail A 192.0.2.25
mail AAAA 2001:db8::25
@ TXT "v=spf1 -all" "a \\"quoted\\" string; with a semicolon"
@ CAA 0 issue "ca.example"
www 60 A 192.0.2.1
www 60 A 192.0.2.2
www AAAA 2001:db8::1
alias CNAME www
chain CNAME alias
out CNAME www.elsewhere.test.
nowhere CNAME missing
_sip._udp SRV 10 60 5060 www
_443._tcp TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
svc HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
odd TYPE65280 \\# 5 0102030405
key DNSKEY 257 3 13 AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QA==
host SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
rp RP admin txt
hinfo HINFO "CPU" "OS"
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@lines.test!" .
big TXT "{_LONG}1" "{_LONG}2"
big TXT "{_LONG}3" "{_LONG}4"
big TXT "{_LONG}5" "{_LONG}6"
big TXT "{_LONG}7" "{_LONG}8"
*.wild A 192.0.2.99
a.b.deep A 192.0.2.50
sub NS ns.sub
ns.sub A 192.0.2.53
dname DNAME lines.test.
xn--bcher-kva A 192.0.2.9
"""

REVERSE = """\
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@ IN SOA ns1.lines.test. host.lines.test. 1 3600 600 86400 60
@ NS ns1.lines.test.
1 PTR www.lines.test.
25 PTR mail.lines.test.
"""

REVERSE6 = """\
$ORIGIN 8.b.d.0.1.0.0.2.ip6.arpa.
$TTL 300
@ IN SOA ns1.lines.test. host.lines.test. 1 3600 600 86400 60
@ NS ns1.lines.test.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR www.lines.test.
"""

ZONES = {"lines.test": ZONE, "2.0.192.in-addr.arpa": REVERSE, "8.b.d.0.1.0.0.2.ip6.arpa": REVERSE6}

#: Lines that do the same in both: `@` is `@127.0.0.1 -p PORT`. By the exit code of netkit dig; that of BIND's
#: dig is 0, as some answer came.
SAME: dict[int, tuple[str, ...]] = {
    0: (
        "@ lines.test",
        "@ lines.test A",
        "@ lines.test a",
        "lines.test @",
        "@ A lines.test",
        "@ -t A lines.test",
        "@ -t a -q lines.test",
        "@ lines.test IN A",
        "@ lines.test -c IN",
        "@ in a lines.test",
        "@ lines.test.",
        "@ LINES.test",
        "@ lines.test NS",
        "@ lines.test SOA",
        "@ lines.test MX",
        "@ lines.test TXT",
        "@ lines.test CAA",
        "@ lines.test TYPE257",
        "@ lines.test type15",
        "@ www.lines.test",
        "@ www.lines.test AAAA",
        "@ alias.lines.test",
        "@ alias.lines.test CNAME",
        "@ chain.lines.test AAAA",
        "@ out.lines.test",
        "@ _sip._udp.lines.test SRV",
        "@ _443._tcp.lines.test TLSA",
        "@ svc.lines.test HTTPS",
        "@ odd.lines.test TYPE65280",
        "@ key.lines.test DNSKEY",
        "@ host.lines.test SSHFP",
        "@ rp.lines.test RP",
        "@ hinfo.lines.test HINFO",
        "@ loc.lines.test LOC",
        "@ naptr.lines.test NAPTR",
        "@ big.lines.test TXT",
        "@ any.wild.lines.test",
        "@ dname.lines.test DNAME",
        "@ www.dname.lines.test",
        "@ xn--bcher-kva.lines.test",
        "@ lines.test ANY",
        "@ -x 192.0.2.1",
        "@ -x 192.0.2.25 +short",
        "@ -x 2001:db8::1",
        "@ -x 2001:db8::1 +short",
        "@ 1.2.0.192.in-addr.arpa PTR",
        "@ -t ptr 1.2.0.192.in-addr.arpa",
        "@ lines.test +short",
        "@ lines.test MX +short",
        "@ lines.test NS +short",
        "@ lines.test SOA +short",
        "@ lines.test TXT +short",
        "@ lines.test CAA +short",
        "@ chain.lines.test +short",
        "@ www.lines.test AAAA +short",
        "@ +short www.lines.test A",
        "@ svc.lines.test HTTPS +short",
        "@ odd.lines.test TYPE65280 +short",
        "@ key.lines.test DNSKEY +short",
        "@ big.lines.test TXT +short",
        "@ www.lines.test +short +tcp",
        "@ lines.test +noall +answer",
        "@ lines.test MX +noall +answer",
        "@ lines.test NS +noall +answer +additional",
        "@ lines.test SOA +noall +answer +nottlid",
        "@ www.lines.test +noall +answer +noclass",
        "@ www.lines.test +noall +answer +ttlunits",
        "@ www.lines.test +noall +comments",
        "@ www.lines.test +noall +question",
        "@ lines.test +nocomments",
        "@ lines.test +noquestion +nocomments +nostats",
        "@ lines.test NS +noauthority +noadditional +nostats",
        "@ lines.test +nostats",
        "@ lines.test +nocmd +nostats",
        "@ +nocmd lines.test MX +noall +answer",
        "@ lines.test SOA +multiline",
        "@ key.lines.test DNSKEY +multiline",
        "@ key.lines.test DNSKEY +nocrypto",
        "@ key.lines.test DNSKEY +rrcomments +noall +answer",
        "@ www.lines.test +unknownformat",
        "@ www.lines.test AAAA +expandaaaa",
        "@ host.lines.test SSHFP +nosplit",
        "@ host.lines.test SSHFP +split=8",
        "@ www.lines.test +norecurse",
        "@ www.lines.test +norec +noall +comments",
        "@ www.lines.test +nordflag",
        "@ www.lines.test +noadflag",
        "@ www.lines.test +cdflag",
        "@ www.lines.test +cd +noad",
        "@ www.lines.test +aaonly",
        "@ www.lines.test +zflag",
        "@ www.lines.test +dnssec",
        "@ www.lines.test +do +norec",
        "@ www.lines.test +noedns",
        "@ www.lines.test +edns=0",
        "@ www.lines.test +bufsize=512",
        "@ big.lines.test TXT +bufsize=4096",
        "@ www.lines.test +tcp",
        "@ www.lines.test +vc",
        "@ www.lines.test +notcp",
        "@ lines.test ANY +notcp",
        "@ www.lines.test +nsid",
        "@ www.lines.test +ednsopt=65001:6869",
        "@ www.lines.test +ednsflags=0",
        "@ www.lines.test +edns=1",
        "@ www.lines.test +edns=255 +noall +comments",
        "@ www.lines.test +padding=128",
        "@ www.lines.test +expire",
        "@ www.lines.test +keepopen +tcp",
        "@ www.lines.test +time=2 +tries=1",
        "@ www.lines.test +timeout=2 +retry=0",
        "@ www.lines.test +nofail",
        "@ www.lines.test +nosearch",
        "@ www +domain=lines.test",
        "@ www +domain=lines.test +short",
        "@ www.lines +domain=test +ndots=2 +short",
        "@ www.lines.test +nobadcookie +noednsnegotiation",
        "@ www.lines.test +noidnin +noidnout",
        "@ www.lines.test -4",
        "@ www.lines.test -b 127.0.0.1",
        "@ www.lines.test -u +noall +answer",
        "@ www.lines.test -m +noall +answer",
        "@ lines.test MX www.lines.test AAAA +noall +answer",
        "@ +noall +answer lines.test mail.lines.test www.lines.test",
        "@ +short www.lines.test A mail.lines.test A",
        "@ www.lines.test +short mail.lines.test +short",
        "@ -f FILE +noall +answer",
    ),
    1: (
        "@ missing.lines.test",
        "@ missing.lines.test +short",
        "@ missing.lines.test AAAA +noall +authority",
        "@ missing.lines.test +noall +answer",
        "@ nowhere.lines.test",
        "@ www.lines.test MX",
        "@ www.lines.test MX +short",
        "@ www.lines.test TYPE65280",
        "@ b.deep.lines.test",
        "@ deep.lines.test",
        "@ any.wild.lines.test AAAA",
        "@ www.sub.lines.test",
        "@ sub.lines.test NS",
        "@ -x 192.0.2.77",
        "@ -x 2001:db8::77 +short",
        "@ lines.test DNSKEY",
        "@ www.lines.test SOA +noall +authority",
        "@ missing.lines.test +dnssec",
    ),
    3: (
        "@ elsewhere.test",
        "@ elsewhere.test +short",
        "@ example.com MX +norec",
        "@ . NS",
        "@ com NS +noall +comments",
        "@ missing +domain=lines.test +noall +comments",
        "@",
        "@ +short",
        "@ -x 10",
        "@ -x 10.1 +noall +question",
        "@ +qid=4660 elsewhere.test",
        "@ +opcode=2 www.lines.test",
        "@ +header-only www.lines.test",
        "@ www.lines.test +edns=1 +noednsnegotiation",
        "@ +opcode=UPDATE www.lines.test +noall +comments",
    ),
    9: (
        "@ -t MX lines.test -t A mail.lines.test +noall +answer",
        "@ www.lines.test missing.lines.test +noall +comments",
    ),
}


#: The same at a server that wants its own cookie back, which named does.
COOKIES: dict[int, tuple[str, ...]] = {
    0: (
        "@ www.lines.test +cookie",
        "@ www.lines.test +cookie=0011223344556677",
        "@ www.lines.test +cookie +showbadcookie",
        "@ www.lines.test +cookie +tcp",
        "@ www.lines.test +cookie +short",
    ),
    3: ("@ www.lines.test +cookie +nobadcookie",),
}


class Difference(NamedTuple):
    """A line that netkit dig means to take otherwise: what each does, why, and how to see it.

    `dig_code` and `code` are the exit codes of BIND's dig and of netkit dig. `dig_shows` and `shows` are
    patterns that are found in what each writes to both streams; one that begins with `!` is not found.
    """

    line: str
    dig_code: int
    code: int
    dig_does: str
    does: str
    why: str
    dig_shows: str
    shows: str


DIFFERENCES = (
    Difference(
        "@ missing.lines.test", 0, 1,
        "exit code 0 for any answer", "exit code 1: the answer is no",
        "a script can ask whether a name is there",
        "status: NXDOMAIN", "status: NXDOMAIN",
    ),
    Difference(
        "@ elsewhere.test", 0, 3,
        "exit code 0 for any answer", "exit code 3: this server gives no answer",
        "no answer is not the same as no name",
        "status: REFUSED", "the server refuses to answer",
    ),
    Difference(
        "@127.0.0.1 -p CLOSED www.lines.test +tries=1", 9, 3,
        "exit code 9", "exit code 3; 7 where it is silent",
        "the codes are those of every netkit command",
        "connection refused", "connection refused",
    ),
    Difference(
        "@ -f MISSING", 8, 8,
        "says it without the reason", "says why the file cannot be read", "that is what to mend",
        "couldn't open", "no such file",
    ),
    Difference(
        "@ www.lines.test +frob", 1, 2,
        "exit code 1, and the usage", "exit code 2, and what is wrong",
        "the codes are those of every netkit command",
        "Invalid option: \\+frob", "there is no flag \\+frob",
    ),
    Difference(
        "@ a..b.lines.test", 10, 2,
        "exit code 10", "exit code 2", "a name that cannot be is wrong usage",
        "is not a legal name", "empty label",
    ),
    Difference(
        "@127.0.0.1 -p SECURE +tls www.lines.test +short", 0, 5,
        "believes any certificate", "refuses one that nobody vouches for; --insecure takes it",
        "without that, whoever is on the way can answer",
        "192.0.2.1", "certificate",
    ),
    Difference(
        "-r @ www.lines.test", 0, 0,
        "sends a cookie", "sends one with +cookie", "a cookie tells the same client from others",
        "COOKIE: ", "!COOKIE",
    ),
    Difference(
        "@ www.lines.test", 0, 0,
        "begins with its command line, ends with the date", "does so with +cmd",
        "what is the same each time can be compared",
        "DiG 9(.|\\n)*WHEN: ", "!WHEN: ",
    ),
    Difference(
        "@ www.lines.test +tcp", 0, 0,
        "whole milliseconds", "tenths, and the steps on the way",
        "a millisecond is long on a local network",
        "Query time: \\d+ msec\\n", r"Query time: \d+\.\d msec \(connect \d+\.\d, wait \d+\.\d\)\n",
    ),
    Difference(
        "@ +short missing.lines.test www.lines.test A", 0, 9,
        "nothing for a name without an answer", "a line with `-` for it, where there are several",
        "the lines can be told apart",
        r"^192.0.2.[12]\n192", r"(?m)^-$",
    ),
    Difference(
        "@ é.lines.test +noall +question", 0, 1,
        "sends the octets of Unicode, but at a terminal", "sends IDNA, unless +noidnin is given",
        "what is asked does not depend on where the output goes",
        r"\\195\\169\.lines", r"xn--9ca\.lines",
    ),
    Difference(
        "@ www.lines.test AAAAA", 0, 2,
        "asks for the second name AAAAA", "refuses it: did you mean AAAA?",
        "such a word is a mistyped type; a name is written `AAAAA.`",
        ";AAAAA\\.", "did you mean AAAA",
    ),
    Difference(
        "@ lines.test MX NS", 0, 2,
        "asks for the last of several types", "refuses it", "one of the two is a mistake",
        "IN\\s+NS", "two types for one query",
    ),
    Difference(
        "@ www.lines.test +answer +noall", 0, 0,
        "shows nothing: the last flag counts", "shows the answer: +noall hides what has no flag of its own",
        "the order of flags has no meaning, as that of long options",
        "", "192.0.2.1",
    ),
    Difference(
        "@ www.lines.test +ttlunits +nottlid", 0, 0,
        "shows no TTL: the last flag counts", "shows the TTL, in units", "as for +noall",
        "!1m", "1m",
    ),
    Difference(
        "@ www.lines.test +time=0 +tries=0", 0, 2,
        "takes both for 1", "refuses them", "nothing is changed in silence",
        "192.0.2.1", "is not a time above 0",
    ),
    Difference(
        "@ www.lines.test +opcode=3", 0, 3,
        "calls it RESERVED3", "calls it OPCODE3", "an opcode of another number has no name",
        "RESERVED3", "OPCODE3",
    ),
    Difference(
        "@ mx", 0, 2,
        "asks for the servers of the root", "refuses it", "a type without a name is a mistake",
        ";\\.\\s+IN\\s+NS", "was read as a type",
    ),
    Difference(
        "-r @ +noedns +dnssec www.lines.test", 0, 2,
        "sends EDNS: the last flag counts", "refuses it", "one of the two is a mistake",
        "EDNS: version", "contradicts",
    ),
    Difference(
        "@ www.lines.test +ednsflags=0x8000", 0, 2,
        "leaves the bit DO out in silence", "refuses it: +dnssec sets DO", "nothing is dropped in silence",
        "EDNS: version: 0, flags:;", "dnssec sets DO",
    ),
    Difference(
        "@127.0.0.1 -p OLD www.lines.test +nostats", 0, 0,
        "shows FORMERR to EDNS", "asks again without EDNS, unless +noednsnegotiation is given",
        "a server that does not know EDNS may say FORMERR (RFC 6891 section 7)",
        "status: FORMERR", "192.0.2.1",
    ),
    Difference(
        "@127.0.0.1 -p ECHO +tcp www.lines.test", 0, 6,
        "shows its own query as the answer, with a warning", "says that the query came back",
        "a query is no answer; over UDP, where anybody may have sent it, it is ignored",
        "query response not set", "QR is 0: it is a query, not a response",
    ),
    Difference(
        "@ www.lines.test -6", 0, 3,
        "exit code 0, although nobody is asked", "exit code 3: the server has no IPv6 address",
        "no answer is not the same as an answer",
        "No acceptable nameservers", "no IPv6 address",
    ),
    Difference(
        "@ www.lines.test -6 +mapped", 0, 0,
        "says that +mapped is deprecated, and asks nobody", "asks from an IPv6 socket",
        "it shows whether a server takes such addresses",
        "No acceptable nameservers", "SERVER: ::ffff:127.0.0.1",
    ),
    Difference(
        "@ www.lines.test +unexpected", 0, 0,
        "says that +unexpected is deprecated", "takes it in silence", "it has no effect in either",
        "deprecated", "!unexpected",
    ),
    Difference(
        "@127.0.0.1 -p CLOSED www.lines.test +http-plain", 9, 2,
        "asks over HTTP in the clear", "refuses it", "no server offers it but behind a proxy for TLS",
        "no servers could be reached", "BIND's dig has this flag",
    ),
    Difference(
        "@ www.lines.test +dns64prefix", 0, 2,
        "shows the prefixes of NAT64", "refuses it: ask for ipv4only.arpa AAAA", "the answer has them",
        "", "BIND's dig has this flag",
    ),
    Difference(
        "@ www.lines.test +padding=513", 10, 2,
        "exit code 10", "exit code 2", "the codes are those of every netkit command",
        "out of range", "out of range",
    ),
    Difference(
        "-v", 0, 0,
        "DiG, and its version", "netkit, and its version", "each says what it is",
        "DiG 9", "netkit \\d",
    ),
)  # fmt: skip


def table() -> str:
    """The table of the differences, in Markdown."""
    head = "| line | BIND's dig | netkit dig | exit codes | why |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(
        [
            f"| `dig {row.line.replace('@ ', '@SERVER ')}` | {row.dig_does} | {row.does} "
            f"| {row.dig_code}, {row.code} | {row.why} |\n"
            for row in DIFFERENCES
        ]
    )


def page(text: str) -> str:
    """The page with the table as it must be."""
    before, after = text.partition(BEGIN), text.partition(END)
    return f"{before[0]}{BEGIN}\n{table()}\n{END}{after[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
