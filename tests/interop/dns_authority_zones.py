"""Zones with all that makes a name server think, for the comparison with other servers.

`ZONES` has the text of each by its name, `UNDER_ROOT` those of servers that have the root zone too. `signed`
makes the ones that have signatures, with NSEC, with NSEC3, and with NSEC3 and Opt-Out.
"""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from tests.conftest import require_peer

_EXAMPLE = f"""\
$ORIGIN example.
$TTL 3600
@ SOA ns1 host\\.master ( 2026112301 3600 600 86400 900 )
@ NS ns1
@ NS ns2.elsewhere.test.
@ MX 10 mail
@ TXT "the apex"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.25
mail AAAA 2001:db8::25
host 60 A 192.0.2.2
host 60 A 192.0.2.3
host AAAA 2001:db8::2
host TXT "a host" "of two strings"
UPPER A 192.0.2.4
; Aliases.
www CNAME host
chain1 CNAME chain2
chain2 CNAME chain3
chain3 CNAME host
gone CNAME nothing.deeper.host
out CNAME www.nowhere.invalid.
other CNAME www.other.test.
othergone CNAME nothing.other.test.
otherloop CNAME loop.other.test.
otherback CNAME back.other.test.
otherchain CNAME alias.other.test.
othersub CNAME x.sub.other.test.
into CNAME www.sub
intosub CNAME sub
inchild CNAME www.child
inchildgone CNAME nothing.child
indname CNAME a.dn
inwild CNAME x.wild
self CNAME self
loop1 CNAME loop2
loop2 CNAME loop3
loop3 CNAME loop1
apex CNAME @
ent CNAME b.c
; Wildcards.
*.wild A 192.0.2.99
*.wild MX 10 mail
*.wild TXT "wild"
real.wild A 192.0.2.98
sub.*.wild TXT "below an asterisk"
below.there.wild A 192.0.2.97
*.wildalias CNAME host
*.wildgone CNAME nothing
*.wildself CNAME x.wildself
*.wildout CNAME www.other.test.
a.*.wildent A 192.0.2.96
*.wilddname DNAME target
*.deep.wildin A 192.0.2.95
; Empty non-terminals.
a.b.c A 192.0.2.5
_sip._udp SRV 10 60 5060 host
_ldap._tcp SRV 10 60 389 ldap.elsewhere.test.
; Delegations: glue within, of a sibling, from the zone, none.
sub NS ns.sub
sub NS ns.elsewhere.test.
sub TXT "occluded at the cut"
ns.sub A 192.0.2.53
ns.sub AAAA 2001:db8::53
hidden.sub TXT "occluded below the cut"
deeper.sub NS ns.deeper.sub
ns.deeper.sub A 192.0.2.54
sibling NS ns.sub
inzone NS ns1
lame NS ns.elsewhere.test.
secure NS ns.secure
secure DS 12345 13 2 {"ab" * 32}
ns.secure A 192.0.2.55
x.entcut NS ns1
child NS ns.child
ns.child A 192.0.2.56
child DS 4711 13 2 {"cd" * 32}
; Trees elsewhere.
dn DNAME target
dn TXT "beside a DNAME"
dn A 192.0.2.6
a.target A 192.0.2.7
target TXT "the target itself"
b.target CNAME a.target
*.wild.target A 192.0.2.8
long.target A 192.0.2.9
dnout DNAME other.test.
dnaway DNAME nowhere.invalid.
dnself DNAME dnself
dnloop1 DNAME dnloop2
dnloop2 DNAME dnloop1
dnbelow DNAME x.dnbelow
dnlong DNAME {".".join(["l" * 50] * 4)}.example.
dnroot DNAME .
dnsub DNAME sub
dnchild DNAME child
dnapex DNAME example.
; Rare types, and large sets.
odd TYPE65280 \\# 5 0102030405
none TYPE65281 \\# 0
hinfo HINFO "cpu" "os"
caa CAA 0 issue "ca.example"
svc HTTPS 1 host alpn=h2
svcalias HTTPS 0 host
naptr NAPTR 10 10 "s" "SIP" "" _sip._udp
kx KX 10 host
rt RT 10 host
afsdb AFSDB 1 host
srvmany SRV 1 1 1 host
srvmany SRV 1 1 1 mail
mxalias MX 10 www
mxsub MX 10 ns.sub
nsec TXT "no denial"
""" + "".join(
    [f'big TXT "{letter * 200}"\n' for letter in "abcdefghij"]
    + [f"many A 192.0.2.{number}\n" for number in range(100)]
    + [
        f"largecut NS ns{number}.largecut\n"
        f"ns{number}.largecut A 192.0.2.{number}\n"
        f"ns{number}.largecut AAAA 2001:db8::{number}\n"
        for number in range(13)
    ]
    + [f"c{number} CNAME c{number + 1}\n" for number in range(30)]
    + ["c30 A 192.0.2.30\n"]
)

_CHILD = """\
$ORIGIN child.example.
$TTL 600
@ SOA ns.example. host.example. 7 3600 600 86400 60
@ NS ns
@ A 192.0.2.100
ns A 192.0.2.56
www A 192.0.2.101
up CNAME host.example.
upgone CNAME nothing.example.
grand NS ns.grand
ns.grand A 192.0.2.102
"""

_OTHER = """\
$ORIGIN other.test.
$TTL 600
@ SOA ns host 3 3600 600 86400 7200
@ NS ns
ns A 192.0.2.200
www A 192.0.2.201
alias CNAME host.example.
loop CNAME otherloop.example.
back CNAME host.example.
sub NS ns.sub
ns.sub A 192.0.2.202
dn DNAME target.example.
"""

# RFC 6672 section 2.3: at the apex, beside NS and SOA.
_APEX = """\
$ORIGIN apexdname.test.
$TTL 600
@ SOA ns.other.test. host.other.test. 3 3600 600 86400 300
@ NS ns.other.test.
@ DNAME target.example.
"""

# What one of the others does not load.
_WILDNS = """\
$ORIGIN wildns.test.
$TTL 600
@ SOA ns host 3 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
*.wild NS ns
real.wild A 192.0.2.2
alias CNAME x.wild
"""
_UNDER = """\
$ORIGIN under.test.
$TTL 600
@ SOA ns host 3 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
dn DNAME target.example.
under.dn A 192.0.2.2
ns.sub.dn A 192.0.2.3
sub.dn NS ns.sub.dn
apart NS ns.sub.dn
cn CNAME under.dn
"""

#: What a zone has before it is signed, without its $ORIGIN.
TOSIGN = f"""\
$TTL 600
@ SOA ns host 5 3600 600 86400 300
@ NS ns
ns A 192.0.2.150
ns AAAA 2001:db8::150
www A 192.0.2.151
www TXT "signed"
alias CNAME www
gone CNAME nothing.www
wildalias CNAME x.wild
out CNAME www.other.test.
*.wild A 192.0.2.152
*.wild MX 10 www
there.wild TXT "there"
*.wildcname CNAME www
a.b.c A 192.0.2.153
deep.a.b.c A 192.0.2.154
insecure NS ns.insecure
ns.insecure A 192.0.2.155
secure NS ns.secure
ns.secure A 192.0.2.156
secure DS 12345 13 2 {"ab" * 32}
e.ent NS ns
dn DNAME c
dnwild DNAME wild
mx MX 10 www
zz TXT "the last"
"""

_ROOT = """\
$TTL 600
. SOA ns.nic. host.nic. 1 3600 600 86400 300
. NS ns.nic.
. TXT "the root"
ns.nic. A 192.0.2.250
com. NS ns.nic.
com. NS ns.com.
ns.com. A 192.0.2.251
com. DS 1 13 250 ab
net. NS ns.com.
alias. CNAME nic.
nic. TXT "a name at the top"
moved. DNAME nic.
*.wild. A 192.0.2.252
_tcp.there. A 192.0.2.253
"""

#: Zones without signatures.
ZONES = {
    "example.": _EXAMPLE,
    "child.example.": _CHILD,
    "other.test.": _OTHER,
    "apexdname.test.": _APEX,
    "wildns.test.": _WILDNS,
    "under.test.": _UNDER,
}
#: The root zone, and some of what it delegates to nobody: nested zones of one server.
UNDER_ROOT = {".": _ROOT, "example.": _EXAMPLE, "child.example.": _CHILD}
_SIGNED = {
    "nsec.test.": [],
    "nsec3.test.": ["-3", "ab12", "-H", "1"],
    "optout.test.": ["-3", "-", "-H", "0", "-A"],
}


def signed(folder: Path) -> dict[str, str]:
    """The texts of zones, signed by a key of each."""
    keygen, signzone = require_peer("dnssec-keygen"), require_peer("dnssec-signzone")
    texts = {}
    for name, chain in _SIGNED.items():
        file = folder / f"{name}signed"
        (folder / name).write_text(TOSIGN)
        run = partial(subprocess.run, check=True, capture_output=True, cwd=folder, timeout=30)
        run([keygen, "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", name])
        # One key for all, which need not be a pair; -P because an Opt-Out that hides a name is no mistake.
        run([signzone, "-P", "-z", "-q", "-S", "-O", "full", "-o", name, "-f", str(file), *chain, name])
        texts[name] = file.read_text()
    return texts
