"""Records as netkit writes them, octet for octet, beside BIND's dig: every type, under each flag for it.

BIND serves two zones, that of tests/interop/dns_types.zone and one of what is at the edges of the forms. Both
move by a transfer, so that dig is asked once for each flag. What netkit means to write otherwise is listed.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netkit.dns import (
    DnsClass,
    DnsRecord,
    DnsRecordType,
    Edns,
    EdnsOption,
    Message,
    make_response,
    parse_zone,
)
from netkit.dns.lines import record_line
from netkit.dns.style import Style
from tests.cli.helpers import run_netkit
from tests.cli.test_dig import answering
from tests.conftest import free_port, require_peer
from tests.waiting import until

pytestmark = pytest.mark.once

TYPES = (Path(__file__).parent / "dns_types.zone").read_text(encoding="ascii")

EDGES = r"""
$ORIGIN edge.test.
$TTL 90061
@ IN SOA ns1 host\.master ( 4294967295 694861 0 61 2147483647 )
@ NS ns1
ns1 A 127.0.0.1
key1 DNSKEY 257 3 13 AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QA==
key2 DNSKEY 385 3 8 AQIDBA==
key3 DNSKEY 128 3 12 AQIDBA==
key4 DNSKEY 256 3 253 A2ZvbwAB
key5 DNSKEY 256 3 200 A2ZvbwAB
key6 KEY 49152 3 5
key7 DNSKEY 256 3 1 AQIDBAUGBwgJ
key8 DNSKEY 256 3 6 AQIDBAUGBwgJ
key9 DNSKEY 256 3 7 AQIDBAUGBwgJ
key10 DNSKEY 256 3 254 CCsGAQQBAgMEBQY=
key11 DNSKEY 256 3 4 AQIDBAUGBwgJ
key12 DNSKEY 256 3 252 AQIDBAUGBwgJ
v6 AAAA 2001:db8::
v6 AAAA ::
v6 AAAA ::1
a6 A6 0 2001:db8::
apl APL 2:2001:db8::/32
amtrelay AMTRELAY 10 0 2 2001:db8::
ipseckey IPSECKEY 10 2 2 2001:db8:: AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
svcb SVCB 1 . ipv6hint=2001:db8::
txt TXT "it's a 'quoted' \"text\": - x" "#"
aaaaaaa TXT aligned
aaaaaaaa TXT aligned
aaaaaaaaa TXT aligned
aaaaaaaaaaaaa TXT aligned
aaaaaaaaaaaaaa TXT aligned
aaaaaaaaaaaaaaaaaaaaaaaa 0 TXT "ttl"
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 2147483647 TXT "x"
unknown TYPE65280 \# 0
unknown TYPE65281 \# 3 010203
unknown TYPE65281 \# 63 010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263
it's A 192.0.2.5
ds DS 1 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
ds NS x.other.
dhcid DHCID AAIB
nsec3 NSEC3PARAM 1 1 65535 0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20212223242526272829
xn--bcher-kva A 192.0.2.9
""".lstrip()  # noqa: E501 - a line is a record

ZONES = {"types.test.": TYPES, "edge.test.": EDGES}

#: dig's flags, and the style that is the same.
STYLES = {
    "": Style(),
    "+multiline": Style(multiline=True),
    "+rrcomments": Style(comments=True),
    "+multiline +norrcomments": Style(multiline=True, comments=False),
    "+nocrypto": Style(crypto=False),
    "+multiline +nocrypto": Style(multiline=True, crypto=False),
    "+unknownformat": Style(generic=True),
    "+unknownformat +multiline": Style(generic=True, multiline=True),
    "+split=4": Style(split=4),
    "+split=20": Style(split=20),
    "+multiline +split=20": Style(split=20, multiline=True),
    "+nosplit": Style(split=0),
    "+multiline +nosplit": Style(split=0, multiline=True),
    "+ttlunits": Style(ttl_units=True),
    "+expandaaaa": Style(expand_ipv6=True),
    "+noclass": Style(rdclass=False),
    "+nottlid": Style(ttl=False),
    "+noclass +nottlid": Style(rdclass=False, ttl=False),
    "+noclass +multiline": Style(rdclass=False, multiline=True),
    "+nottlid +multiline": Style(ttl=False, multiline=True),
}

#: The records (their owners) that netkit writes otherwise, and why.
OTHERWISE = {
    "a6.types.test. 128": "dig has two blanks where an address of no bits would be",
    "https.types.test. 2": "RFC 9461 named the key 7 (dohpath), which BIND 9.18 does not know",
    "l64.types.test.": "RFC 6742 section 2.3 writes four digits, as other readers need them",
    "nid.types.test.": "RFC 6742 section 2.1 writes four digits, as other readers need them",
    "key7.edge.test.": "the tag of an RSAMD5 key is by RFC 4034 appendix B.1, which BIND 9.18 forgot",
    "key11.edge.test.": "IANA names algorithm 4 (ECC), BIND does not",
}


@contextmanager
def bind(folder: Path) -> Iterator[int]:
    """The port of a BIND that serves the zones."""
    port = free_port()
    zones = "".join(
        [f'zone "{origin}" {{ type primary; file "{origin}"; check-names ignore; }};\n' for origin in ZONES]
    )
    (folder / "named.conf").write_text(
        f"""options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
  notify no;
  allow-transfer {{ any; }};
}};
controls {{ }};
{zones}"""
    )
    for origin, text in ZONES.items():
        (folder / origin).write_text(text)
    command = [require_peer("named"), "-f", "-n", "1", "-c", str(folder / "named.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:

        def answers() -> bool:
            assert process.poll() is None, "the server has ended"
            asked = [dig(port, origin, "SOA", "+short", "+tries=1", "+time=1") for origin in ZONES]
            return all("host" in each for each in asked)

        try:
            until(answers, "an answer of the server")
            yield port
        finally:
            process.terminate()
            process.wait(10)


def dig(port: int, *words: str) -> str:
    command = [require_peer("dig"), "-r", "@127.0.0.1", "-p", str(port), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with bind(tmp_path_factory.mktemp("bind")) as found:
        yield found


RECORDS = {
    origin: [
        DnsRecord.parse(line)
        for line in parse_zone(text, origin).to_text().splitlines()
        if not line.startswith("$")
    ]
    for origin, text in ZONES.items()
}


def is_otherwise(record: DnsRecord) -> bool:
    return any(f"{record.name} {record.rdata_text()}".startswith(each) for each in OTHERWISE)


@pytest.mark.parametrize("flags", STYLES)
def test_records_are_written_as_dig_writes_them(port: int, flags: str) -> None:
    for origin, records in RECORDS.items():
        shown = dig(port, origin, "AXFR", "+noall", "+answer", *flags.split())
        ours = [record_line(each, STYLES[flags]) for each in records]
        missing = [
            line
            for line, record in zip(ours, records, strict=True)
            if f"\n{line}\n" not in f"\n{shown}" and not is_otherwise(record)
        ]
        assert not missing
        # The SOA record is there twice, and nothing is there that netkit has not.
        assert shown.count("\n") == sum(line.count("\n") + 1 for line in [ours[0], *ours])


def test_every_difference_that_is_argued_is_one(port: int) -> None:
    lines = [
        *dig(port, "types.test", "AXFR", "+noall", "+answer").splitlines(),
        *dig(port, "edge.test", "AXFR", "+noall", "+answer", "+rrcomments").splitlines(),
    ]
    style = Style(comments=True)
    for records in RECORDS.values():
        for record in filter(is_otherwise, records):
            assert record_line(record, style) not in lines


#: What two programs cannot say alike: moments, numbers of messages, cookies.
VARIES = re.compile(r"(id|query_time|response_time|response_port): .*|in \d+ ms")


def alike(text: str) -> str:
    return VARIES.sub(r"\1", text)


@pytest.mark.parametrize(
    "words",
    [
        "types.test SOA +short +multiline",
        "types.test SOA +noall +answer +multiline",
        "types.test NS +noall +answer +additional +ttlunits",
        "types.test NS +noall +question +unknownformat",
        "types.test NS +noall +question +multiline",
        "types.test NS +noall +question +answer +noclass",
        "dnskey.types.test DNSKEY +short +rrcomments",
        "dnskey.types.test DNSKEY +short +nocrypto",
        "aaaa.types.test AAAA +short +expandaaaa",
        "a.types.test A +short +unknownformat",
        "a.types.test A +short +identify",
        "loc.types.test LOC +short +short=3",
        "txt.edge.test TXT +short",
        "types.test SOA +yaml +nocookie",
        "edge.test AXFR +yaml +qr +nocookie +noadflag",
        "edge.test AXFR +noall +answer +comments +question +qr +nocookie +noadflag",
        "edge.test IXFR=1 +yaml +qr +nocookie +noadflag +comments +question +onesoa",
        "types.test NS +yaml +qr +nocookie +nsid",
        "types.test NS +yaml +qr +nocookie +norec +dnssec",
        "types.test NS +yaml +qr +tcp +noedns",
        "types.test NS +yaml +nocookie +noall +answer",
        "types.test NS +yaml +qr +nocookie +coflag +zflag +ednsflags=0x11",
        "types.test NS +yaml +noedns",
        "types.test NS +yaml +nocookie +multiline +nocrypto +rrcomments",
        "nowhere.types.test A +yaml +nocookie",
        "txt.edge.test TXT +yaml +nocookie",
        "v6.edge.test AAAA +yaml +nocookie +expandaaaa",
        "version.bind CH TXT +yaml +nocookie",
    ],
)
def test_the_command_shows_what_dig_shows(port: int, words: str) -> None:
    ours = run_netkit("dig", "@127.0.0.1", "-p", str(port), *words.split()).stdout
    theirs = dig(port, *words.split())
    # In which order the records of a set come, BIND chooses for each answer.
    assert sorted(alike(ours).splitlines()) == sorted(alike(theirs).splitlines())


@pytest.mark.parametrize("flags", [(), ("+coflag", "+zflag", "+ednsflags=0x11"), ("+dnssec", "+norec")])
def test_the_query_is_shown_as_dig_shows_it(port: int, flags: tuple[str, ...]) -> None:
    words = ("types.test", "NS", "+qr", "+cookie=0102030405060708", "+noauthority", *flags)
    ours = run_netkit("dig", "@127.0.0.1", "-p", str(port), *words).stdout
    theirs = dig(port, *words, "+nocmd")
    # But for the statistics, and for what the server puts into its cookie.
    for text in (ours, theirs):
        assert ";; QUERY SIZE: " in text
        assert text.count(" (good)\n") == 1

    def without_stats(text: str) -> str:
        text = re.sub(r"COOKIE: \w{48}", "COOKIE", text)
        return alike(text).partition(";; Query time")[0]

    assert without_stats(ours) == without_stats(theirs)


#: Options of an answer, as code and data.
OPTIONS = [
    (1, "000100010000000000000000000100000e10"),
    (3, "616263"),
    (3, "01225c"),
    (8, "00011800c00002"),
    (9, ""),
    (9, "00015fcd"),
    (10, "0102030405060708"),
    (11, ""),
    (11, "0020"),
    (12, ""),
    (12, "000000"),
    (14, "12344321"),
    (15, "000f626c6f636b6564"),
    (15, "0003"),
    (15, "020078"),
    (20, ""),
    (65001, "01022261"),
]

#: What is meant to be otherwise in options: dig says for both what netkit says.
OPTIONS_ALIKE = [
    (r"TCP KEEPALIVE:", "TCP-KEEPALIVE:"),
    (r"PAD: 00 00 00 \(\"\.\.\.\"\)", "PAD: (3 bytes)"),
    (r"(LLQ: )'?([^'\n]*)'?", r"\1\2"),
]


def answer_with_options(query: bytes) -> bytes:
    asked = Message.from_wire(query)
    options = [EdnsOption.of(code, bytes.fromhex(data)) for code, data in OPTIONS]
    return make_response(asked, edns=Edns(1232, 0, True, options=options)).to_wire()


def test_options_are_shown_as_dig_shows_them() -> None:
    with answering(answer_with_options) as server:
        at = int(server.rpartition(":")[2])
        for flag in ("+yaml", "+noall"):
            words = ("name.test", flag, "+comments", "+cookie=0102030405060708")
            shown = [run_netkit("dig", server, *words).stdout, dig(at, *words)]
            for pattern, alike_in in OPTIONS_ALIKE:
                shown = [re.sub(pattern, alike_in, text) for text in shown]
            ours, theirs = ([line for line in alike(text).splitlines() if line] for text in shown)
            assert ours == theirs


def answer_of_update(query: bytes) -> bytes:
    """A response with records in all sections, which RFC 2136 section 3.8 allows."""
    asked = Message.from_wire(query)
    old = DnsRecord.Unknown("old.test", 0, DnsRecordType.A, bytes([192, 0, 2, 2]), DnsClass.NONE)
    empty = [
        DnsRecord.Unknown("there.test", 0, DnsRecordType.A, b"", rdclass)
        for rdclass in (DnsClass.ANY, DnsClass.NONE)
    ]
    new = DnsRecord.A("new.test", 60, "192.0.2.1")
    more = DnsRecord.A("more.test", 60, "192.0.2.3")
    response = make_response(asked, answer=empty, authority=[new, old], additional=[more], edns=None)
    return response.to_wire()


@pytest.mark.parametrize("flags", ["", "+yaml", "+noall +question +answer +authority +additional"])
def test_the_sections_of_update_are_called_as_in_dig(flags: str) -> None:
    with answering(answer_of_update) as server:
        words = ("example.test", "SOA", "+opcode=UPDATE", "+noedns", "+qr", *flags.split())
        ours = run_netkit("dig", server, *words).stdout
        theirs = dig(int(server.rpartition(":")[2]), *words, "+nocmd")
    assert ("UPDATE" in theirs) is ("+noall" not in flags)
    # dig writes nothing where the data has no octets.
    ours = ours.replace(r"\# 0", "")
    assert alike(ours).partition(";; Query time")[0] == alike(theirs).partition(";; Query time")[0]


#: What kdig writes otherwise in the JSON of RFC 8427, and why.
NOT_OF_KDIG = {
    "rdataCAA": "a blank at the end",
    "rdataLOC": "no zeros behind the point",
    "rdataSVCB": "no quotes",
}


def test_the_json_of_rfc_8427_is_that_of_kdig(port: int) -> None:
    asked = ["mx", "txt", "rrsig", "dnskey", "caa", "naptr", "svcb", "loc", "smimea", "apl", "nowhere"]
    questions = [[f"{name}.types.test", "ANY" if name == "nowhere" else name.upper()] for name in asked]
    words = ["@127.0.0.1", "-p", str(port), "+json", "+noedns", "+tcp"]
    ours = [json.loads(run_netkit("dig", *words, *question).stdout) for question in questions]
    command = [require_peer("kdig"), *words, *(word for question in questions for word in question)]
    text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    theirs = json.loads("[" + text.replace("}\n{", "},{") + "]")
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        for key in set(their) - {"dateString", "dateSeconds", "msgLength", "ID"}:
            assert comparable(our[key]) == comparable(their[key])
        assert len(our["messageOctetsHEX"]) == 2 * their["msgLength"]


def comparable(value: Any) -> Any:
    """Records without the order of their set, and without what kdig writes otherwise."""
    if not isinstance(value, list):
        return value
    kept = [{key: each[key] for key in each if key not in NOT_OF_KDIG} for each in value]
    return sorted(kept, key=lambda each: str(each["RDATAHEX"]))
