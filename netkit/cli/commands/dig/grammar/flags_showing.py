"""The +flags of dig that change what is shown, not what is asked."""

from __future__ import annotations

from netkit.cli.commands.dig.grammar.flag import Flag
from netkit.cli.commands.dig.grammar.styles import Split

SHOWING = (
    Flag("all", "Show or hide all parts that have no flag of their own on the command line: +noall +answer."),
    Flag("question", "Show the question."),
    Flag("answer", "Show the answer."),
    Flag("authority", "Show the authority section."),
    Flag("additional", "Show the additional section."),
    Flag("comments", "Show everything except records: status, flags, EDNS, section titles."),
    Flag("stats", "Show server, time and size."),
    Flag("explain", "Show what was asked of whom, over what, what came, and why again."),
    Flag("idnout", "Show names in Unicode where that is safe. [default: at a terminal]"),
    Flag("ttlid", "Show the TTL of records.", aliases=("ttl",), long="show-ttl"),
    Flag("class", "Show the class of records.", aliases=("cl",), long="show-class"),
    Flag("ttlunits", "Show the TTL with units, as in 1h30m; implies +ttlid.", long="ttl-units"),
    Flag("multiline", "Show long records on several lines, with comments.", long="multiline"),
    Flag("rrcomments", "Say of keys their tag, algorithm and role. [default: with +multiline]",
         long="record-comments"),
    Flag("crypto", "Show digests, signatures and keys of DNSSEC. [default: on]"),
    Flag("split", "Show long data in groups of N digits; 0: in one piece. [default: 56, +multiline 44]",
         Split(), "N", optional=True, off=True),
    Flag("expandaaaa", "Show all digits of the addresses of AAAA records.", long="expand-ipv6"),
    Flag("unknownformat", "Show all records in the generic form of RFC 3597.", long="generic"),
    Flag("qr", "Show the queries as they were sent.", long="show-query"),
    Flag("identify", "Show who answered, also with +short and +nostats."),
    Flag("showbadcookie", "Show also an answer BADCOOKIE, after which the query was sent again.",
         long="show-badcookie"),
    Flag("showbadvers", "Show also an answer BADVERS, after which the query was sent again.",
         long="show-badvers"),
    Flag("onesoa", "With AXFR, show the SOA record once, not at the end too.", long="one-soa"),
    Flag("besteffort", "Show of a malformed answer what can be read. [default: on]", long="best-effort"),
)  # fmt: skip

SHORT = Flag("short", "Only the bare values; --short.")
#: What can change nothing.
NOTHING = Flag("nothing", "")
#: Flags that are about the whole output; the last one decides for all names.
CMD = Flag("cmd", "Begin with the command line and the version of netkit.", long="show-command")
YAML = Flag("yaml", "Show messages in the YAML of BIND's dig.")
JSON = Flag(
    "json", "Show messages in the JSON of RFC 8427, as kdig does; with +qr, the query too.", long="rfc8427"
)
WHOLE = (CMD, YAML, JSON)
