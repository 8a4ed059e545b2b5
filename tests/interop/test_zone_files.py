"""What zone files netkit, BIND's named-checkzone and knot's kzonecheck accept, and that BIND reads the same.

Each snippet stands behind a zone's first lines. Where the three do not agree, the reason is beside it.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from netkit.dns.errors import ZoneFileError
from netkit.dns.records import DnsRecord
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zonefolder import load_zone
from tests.conftest import require_peer

pytestmark = pytest.mark.once

ORIGIN = "e.test"
HEAD = "$ORIGIN e.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
STRING = '"' + "x" * 255 + '" '

ALL = "netkit BIND knot"
NOBODY = ""

#: The text (behind HEAD, or for itself if it has an SOA), and who accepts it.
AGREED = {
    "a A 192.0.2.2": ALL,
    "a 5 IN A 192.0.2.2": ALL,
    "a IN 5 A 192.0.2.2": ALL,
    "a 1h30m A 192.0.2.2": ALL,
    "a 5s1h A 192.0.2.2": ALL,
    "a h A 192.0.2.2": NOBODY,
    "a 2147483647 A 192.0.2.2": ALL,
    "a 4294967296 A 192.0.2.2": NOBODY,
    "$TTL 1d\na A 192.0.2.2": ALL,
    "$TTL 1x\na A 192.0.2.2": NOBODY,
    " A 192.0.2.2": ALL,
    "@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1": ALL,
    "@ SOA ns h 1 2 3 4 5\n@ 9 NS ns\nns A 192.0.2.1": ALL,
    "@ 60 SOA ns h 1 2 3 4 5\n@ NS ns\nns 9 A 192.0.2.1\na A 192.0.2.2\n$TTL 4\nb A 192.0.2.3": ALL,
    " SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1": NOBODY,
    "a TXT ( x\n y )": ALL,
    "a TXT (x)(y)": ALL,
    "a TXT ( x": NOBODY,
    "a TXT x )": NOBODY,
    "a TXT ( x ; c\n y )": ALL,
    "a TXT ( x\n)\n TXT y": ALL,
    'a TXT "x;y"': ALL,
    'a TXT "x\ny"': NOBODY,
    'a TXT "x': NOBODY,
    'a TXT x\\"y': ALL,
    'a "A" 192.0.2.2': NOBODY,
    'a A "192.0.2.2"': NOBODY,
    "a\\046b TXT \\065": ALL,
    "a TXT \\256": NOBODY,
    "a TXT \\25": NOBODY,
    "a TXT x\\\n": NOBODY,
    f"a TXT {STRING}": ALL,
    f"a TXT {STRING * 255}": ALL,
    f"a TXT {STRING * 256}": NOBODY,
    f"{'a' * 64} A 192.0.2.2": NOBODY,
    "a." * 124 + "a A 192.0.2.2": NOBODY,
    "a..b A 192.0.2.2": NOBODY,
    "a CNAME @": ALL,
    "\\$a TXT x": ALL,
    "$FOO x": NOBODY,
    "a A 192.0.2.010": NOBODY,
    "a A 192.0.2": NOBODY,
    "a AAAA fe80::1%1": NOBODY,
    "a A 192.0.2.2 x": NOBODY,
    "a MX 10": NOBODY,
    "a BOGUS x": NOBODY,
    "a TYPE1 192.0.2.2": ALL,
    "a TYPE1 \\# 4 c0000202": ALL,
    "a A \\# 4 c0000202": ALL,
    "a CH TXT x": NOBODY,
    "a CNAME b\na A 192.0.2.2": NOBODY,
    "a CNAME b\na CNAME c": NOBODY,
    "a DNAME b\na DNAME c": NOBODY,
    "a DNAME b\na CNAME c": NOBODY,
    "*.a DNAME b": ALL,
    "a A 192.0.2.2\na A 192.0.2.2": ALL,
    "a 5 TXT x\na 6 TXT y": ALL,
    'a SVCB 1 . alpn="h2,h3" port=1': ALL,
    'a SVCB 1 . "alpn=h2"': NOBODY,
    'a SVCB 1 . key667="a"b': NOBODY,
    "a SVCB 1 . mandatory=port": NOBODY,
    "$INCLUDE inc": ALL,
    "$INCLUDE none": NOBODY,
    "$INCLUDE zone": NOBODY,
    "$INCLUDE sub/../inc": ALL,
    "$GENERATE 1-3 h$ MX 10 m$": NOBODY,
    "$GENERATE 3-1 h$ A 192.0.2.$": NOBODY,
    "$GENERATE 255-256 h$ A 192.0.2.$": NOBODY,
}

#: The same, where somebody differs, with why netkit does as it does.
ARGUED = {
    # RFC 2181 section 8 would have it be 0, which nobody meant who wrote it.
    "a 2147483648 A 192.0.2.2": "BIND knot",
    # knot has a TTL of its own for such a file; another server would not.
    "ns A 192.0.2.1\n@ SOA ns h 1 2 3 4 5\n@ NS ns": "knot",
    # RFC 1035 section 5.1 allows parentheses around any words, also within others.
    "a TXT ( x ( y\n) z )": "netkit BIND",
    "( a A\n192.0.2.2 )": "netkit BIND",
    # Editors write it, and it says nothing.
    "\ufeff" + HEAD: "netkit",
    (HEAD + "a A 192.0.2.2\n").replace("\n", "\r\n"): "netkit BIND",
    # Whether it is one string or two, readers disagree; for a word with one in it, knot does not know either.
    'a TXT x"y"': "BIND",
    'a TXT "x"y': "BIND",
    'a TXT "x""y"': "BIND",
    # RFC 1035 section 5.1 has quotation marks for strings only.
    '"a" A 192.0.2.2': "BIND",
    # RFC 1035 section 3.3: a string has at most 255 octets. knot cuts it into two.
    f"a TXT {'x' * 256}": "knot",
    # The data is not that of the type.
    "a A \\# 3 c00002": "knot",
    # A sign that begins a directive only at the beginning of a line.
    "a$b A 192.0.2.2": "netkit BIND",
    # RFC 3597 section 5.
    "a CLASS1 A 192.0.2.2": "netkit BIND",
    # The two leave it out and say so; who wrote it meant to have it somewhere.
    "a.other. A 192.0.2.2": "BIND knot",
    # RFC 2181 section 10 and RFC 1035 section 6.1.2: a zone has one. knot takes the last.
    "@ SOA ns h 2 2 3 4 5": "knot",
    # RFC 6672 section 2.4 lets a server load such a zone; whatever is below a DNAME is not answered.
    "a DNAME b\nx.a A 192.0.2.1": "netkit BIND",
    # RFC 6672 section 2.3 forbids it but for the top; it is a cut then.
    "a DNAME b\na NS ns": "netkit BIND",
    # knot wants an absolute origin; RFC 1035 section 5.1 says a domain name, as anywhere.
    "$INCLUDE inc sub": "netkit BIND",
    # The directive is BIND's, and knot does not have it.
    "$GENERATE 1-3 h$ A 192.0.2.$": "netkit BIND",
    "$GENERATE 1-9/4 h$ 5 IN A 192.0.2.${0,0,d}": "netkit BIND",
    "$GENERATE 10-11 ${0,5,n} PTR h${1,3,x}": "netkit BIND",
    "$GENERATE 10-27/16 ${0,5,N}.${-3,4,X}.${7,0,o} PTR h": "netkit BIND",
    "$GENERATE 10-10 ${0,2,n}x PTR h": "netkit BIND",
    "$GENERATE 1-1 h$$ A 192.0.2.$": "netkit BIND",
    "$GENERATE 1-1 h\\$$ A 192.0.2.$": "netkit BIND",
    '$GENERATE 1-3 h$ MX "10 m$"': "netkit BIND",
    '$GENERATE 1-3 h$ TXT "\\"a $\\" b$"': "netkit BIND",
    "$GENERATE 1-2 a A 192.0.2.$\n TXT x": "netkit BIND",
    # A name such as h-1 is not what anybody counts to.
    "$GENERATE 1-3 h${-2} A 192.0.2.$": "BIND",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "inc").write_text("i A 192.0.2.3\n")
    return tmp_path


def wanted(text: str, folder: Path) -> list[tuple[str, int, str, str]] | None:
    """The records that netkit reads, or None."""
    try:
        return said(load_zone(folder / "zone", ORIGIN))
    except ZoneFileError:
        return None


def said(zone: Zone) -> list[tuple[str, int, str, str]]:
    return sorted(written(record) for rrset in zone.rrsets.values() for record in rrset)


def written(record: DnsRecord) -> tuple[str, int, str, str]:
    return str(record.name), record.ttl, str(record.rdtype), record.rdata_text()


def accepts(program: str, folder: Path) -> bool:
    command = ["-k", "ignore", "-i", "none", ORIGIN] if program == "named-checkzone" else ["-o", ORIGIN]
    # A zone that includes itself is opened as often as files may be open, which takes seconds for thousands.
    bounded = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", require_peer(program), *command, "zone"]
    done = subprocess.run(bounded, cwd=folder, capture_output=True, timeout=300, check=False)
    return done.returncode == 0


def of_bind(folder: Path) -> list[tuple[str, int, str, str]]:
    """The records as BIND reads them."""
    command = [
        require_peer("named-compilezone"),
        "-k",
        "ignore",
        "-i",
        "none",
        "-s",
        "full",
        "-o",
        "-",
        ORIGIN,
        "zone",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=True)
    return sorted(written(DnsRecord.parse(line)) for line in done.stdout.splitlines() if line)


@pytest.mark.parametrize(
    ("text", "who"), [*AGREED.items(), *ARGUED.items()], ids=lambda value: ascii(value)[:40]
)
def test_who_accepts(text: str, who: str, folder: Path) -> None:
    whole = text if re.search(r"\bSOA\b.* 1 2 3 4 5", text) else f"{HEAD}{text}\n"
    (folder / "zone").write_bytes(whole.encode())
    records = wanted(text, folder)
    found = {"netkit": records is not None}
    found |= {"BIND": accepts("named-checkzone", folder), "knot": accepts("kzonecheck", folder)}
    assert " ".join(each for each, accepted in found.items() if accepted) == who
    if records is not None and found["BIND"]:
        assert records == of_bind(folder)
