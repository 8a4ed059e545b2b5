"""`$GENERATE`: what it makes, what of it is refused, and where an error in what it makes is."""

from __future__ import annotations

import pytest

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import ZoneFileError
from netkit.dns.name import Name
from netkit.dns.zones.generate import MAX_MADE_LINE, MAX_WIDTH
from netkit.dns.zones.zonefile import parse_zone

T = DnsRecordType

HEAD = "$ORIGIN e.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n"


def made(text: str) -> list[str]:
    """The records but for the SOA, as words."""
    zone = parse_zone(HEAD + text)
    records = [record for (_, rdtype), rrset in zone.rrsets.items() if rdtype != T.SOA for record in rrset]
    return [" ".join(record.to_text().split("\t")) for record in records]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("1-3 h$ A 192.0.2.$", [f"h{n}.e. 60 IN A 192.0.2.{n}" for n in (1, 2, 3)]),
        ("1-7/3 h$ A 192.0.2.$", [f"h{n}.e. 60 IN A 192.0.2.{n}" for n in (1, 4, 7)]),
        ("0-1 $ CNAME $.x", ["0.e. 60 IN CNAME 0.x.e.", "1.e. 60 IN CNAME 1.x.e."]),
        ("5-5 h$ 1h A 192.0.2.$ ; one", ["h5.e. 3600 IN A 192.0.2.5"]),
        ("5-5 h$ IN 7 A 192.0.2.$", ["h5.e. 7 IN A 192.0.2.5"]),
        ("5-5 h$ 7 IN A 192.0.2.$", ["h5.e. 7 IN A 192.0.2.5"]),
        ("5-5 h$ IN A 192.0.2.$", ["h5.e. 60 IN A 192.0.2.5"]),
        ("5-5 @ A 192.0.2.$", ["e. 60 IN A 192.0.2.5"]),
        ("9-9 a${3} A 192.0.2.${-9}", ["a12.e. 60 IN A 192.0.2.0"]),
        ("9-9 a${+1,4} A 192.0.2.${0,0}", ["a0010.e. 60 IN A 192.0.2.9"]),
        ("26-26 ${0,3,d}.${0,4,x}.${0,4,X}.${0,0,o} A 192.0.2.1", ["026.001a.001A.32.e. 60 IN A 192.0.2.1"]),
        ("2748-2748 ${0,0,n} NS ns", ["c.b.a.e. 60 IN NS ns.e."]),
        ("2748-2748 ${0,9,N} NS ns", ["C.B.A.0.0.e. 60 IN NS ns.e."]),
        ("0-0 ${0,1,n} NS ns", ["0.e. 60 IN NS ns.e."]),
        ("10-10 ${0,2,n}x NS ns", ["a.x.e. 60 IN NS ns.e."]),
        (r"1-1 a\$$ NS $$$.ns", [r"a\$1.e. 60 IN NS \$1.ns.e."]),
        (r"1-1 a\.$ NS ns", [r"a\.1.e. 60 IN NS ns.e."]),
        ('7-7 m$ MX "10 mail$"', ["m7.e. 60 IN MX 10 mail7.e."]),
        (r'7-7 t$ TXT "\"a $\" b$"', ['t7.e. 60 IN TXT "a 7" "b7"']),
        ("7-7 t$ TXT t$", ['t7.e. 60 IN TXT "t7"']),
        (r'2-2 $ TYPE65280 "\# 1 0$"', ["2.e. 60 IN TYPE65280 \\# 1 02"]),
        ("2147483646-2147483647 h NS ns", ["h.e. 60 IN NS ns.e."]),
    ],
)
def test_makes(text: str, records: list[str]) -> None:
    assert made(f"$GENERATE {text}") == records


def test_what_follows_is_as_if_it_were_not_there() -> None:
    text = "a A 192.0.2.1\n$generate 1-2 b$ A 192.0.2.2\n TXT of-a\n$ORIGIN x\n$GENERATE 1-1 c A 192.0.2.3\n"
    names = [line.split()[0] + " " + line.split()[3] for line in made(text)]
    assert names == ["a.e. A", "a.e. TXT", "b1.e. A", "b2.e. A", "c.x.e. A"]


def test_a_zone_may_be_made_of_it() -> None:
    text = '$GENERATE 1-1 @ 5 SOA "ns h $ 2 3 4 5"\n$GENERATE 0-2 $ PTR h$'
    zone = parse_zone(text, "2.0.192.in-addr.arpa")
    assert zone.soa.ttl == 5
    assert zone.rrsets[Name.parse("2.2.0.192.in-addr.arpa"), T.PTR].ttl == 5


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 10, "range is missing"),
        ("1-2", 14, "owner's template is missing"),
        ("1-2 a", 16, "type is missing"),
        ("1-2 a A", 18, "the data's template is missing"),
        ("1 a A 192.0.2.1", 11, "range: '1' is not a range"),
        ("1- a A 192.0.2.1", 11, "range: '1-' is not a range"),
        ("-1-2 a A 192.0.2.1", 11, "range: '-1-2' is not a range"),
        ("1-2/ a A 192.0.2.1", 11, "is not a range"),
        ("1-2/0 a A 192.0.2.1", 11, "has a step of 0"),
        ("2-1 a A 192.0.2.1", 11, "ends before it begins"),
        ("1-2147483648 a A 192.0.2.1", 11, "goes past 2147483647"),
        ("1-99999999999 a A 192.0.2.1", 11, "is not a range"),
        ("1-2 a MX 10 b", 23, "'b' is left over after the data's template"),
        ("1-2 a 1 IN MX 10 b", 28, "'b' is left over after the data's template"),
        ("1-2 a BOGUS x", 17, "record type 'BOGUS': unknown"),
        ("1-2 ${ A 192.0.2.1", 15, "'${' does not begin as ${offset,width,base}"),
        ("1-2 a${x} A 192.0.2.1", 16, "'${x}' does not begin as"),
        ("1-2 a A 192.0.2.${0,1,q}", 27, "does not begin as"),
        ("1-2 a A 192.0.2.${0,1,d", 27, "does not begin as"),
        (f"1-2 a${{0,{MAX_WIDTH + 1}}} A 192.0.2.1", 20, f"a width of more than {MAX_WIDTH}"),
        ("1-2 a${-2} A 192.0.2.1", 15, "'a${-2}' is less than 0 for 1"),
        ("255-257 a A 192.0.2.$", 23, "address: '192.0.2.256': '256' is more than 255"),
        ("1-2 a..$ A 192.0.2.$", 15, "owner: 'a..1': an empty label"),
        ('1-2 a MX "x b$"', 20, "priority: 'x' is not a number"),
        ('1-2 a MX "10 b$ c"', 20, "'c' is left over after the MX record"),
        ('1-2 a MX "( 10 b$"', 20, "a parenthesis that is never closed"),
        ('1-2 a MX ""', 17, "priority is missing"),
        ("1-2 x$.org. A 192.0.2.$", 15, "x1.org. is not in the zone e."),
        ("1-2 c CNAME x$", 15, "a second CNAME record for c.e."),
    ],
)
def test_refuses(text: str, column: int, reason: str) -> None:
    with pytest.raises(ZoneFileError) as caught:
        parse_zone(f"{HEAD}\n  ; \n$GENERATE {text}\n", file="f")
    error = caught.value
    assert reason in error.reason
    assert (error.file, error.line, error.column) == ("f", 6, column)


def test_an_error_says_what_was_made() -> None:
    with pytest.raises(ZoneFileError) as caught:
        parse_zone(HEAD + "$INCLUDE g", file="f", include=lambda path: "$GENERATE 254-300 a$ A 192.0.2.$")
    assert caught.value.via == ("made by $GENERATE for 256: 'a256 A 192.0.2.256'", "included at f:4:10")
    assert str(caught.value) == (
        "g:1:24: address: '192.0.2.256': '256' is more than 255 "
        "(made by $GENERATE for 256: 'a256 A 192.0.2.256', included at f:4:10)"
    )


def test_limits() -> None:
    text = HEAD + "$GENERATE 1-5 a$ A 192.0.2.$\n$GENERATE 1-5 b$ A 192.0.2.$\n"
    assert len(parse_zone(text, max_generated=10).rrsets) == 11
    with pytest.raises(
        ZoneFileError, match=r"10 records made by .GENERATE, of which 9 are allowed"
    ) as caught:
        parse_zone(text, max_generated=9)
    assert (caught.value.line, caught.value.column) == (5, 1)
    with pytest.raises(ZoneFileError, match="2147483648 records made"):
        parse_zone(HEAD + "$GENERATE 0-2147483647 a A 192.0.2.1")
    with pytest.raises(ZoneFileError, match=f"a line of more than {MAX_MADE_LINE}"):
        parse_zone(HEAD + f"$GENERATE 1-1 a TXT {'${0,100}' * 700}")
