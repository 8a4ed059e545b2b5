"""DNS messages: netkit's codec, both twins, beside dnspython.

Five messages, written for this: a small A answer; a referral with MX, NS and glue; an answer of long TXT
records; a signed answer with RRSIG, NSEC and DNSKEY; and an answer of 60 addresses. Decoding is measured with
all values taken (header, question, EDNS, and of every record its name, TTL, type, class and fields), and for
netkit also as it is when nothing has been looked at. Encoding is of a message that was decoded, names
compressed.

Every round measures all of them, one after another, so that what slows the machine slows them all; the
figures are medians of rounds in microseconds, the ratios medians of the ratios in each round.

    python benchmarks/dns_codec.py [ROUNDS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter
from statistics import median
from time import process_time

import dns.message
import dns.rdata

import netkit.dns.messages.message
from netkit import _twins
from netkit.dns.messages.message import Message

ROUNDS = 15
#: How long one measurement takes, about.
SECONDS = 0.02

HEAD = "id 4660\nopcode QUERY\nrcode NOERROR\nflags QR RD RA\nedns 0\neflags DO\npayload 1232\n"
SIGNATURE = "20261224000000 20261126000000 12345 example.com. " + "q83vEjRWeJCrze8SNFZ4kA" * 7 + "qw=="

MESSAGES = {
    "small": """;QUESTION
www.example.com. IN A
;ANSWER
www.example.com. 300 IN A 192.0.2.1
""",
    "referral": """;QUESTION
www.example.com. IN MX
;ANSWER
example.com. 300 IN MX 10 mail1.example.com.
example.com. 300 IN MX 20 mail2.example.com.
;AUTHORITY
"""
    + "".join(f"example.com. 86400 IN NS ns{n}.example.com.\n" for n in range(4))
    + ";ADDITIONAL\n"
    + "".join(
        f"ns{n}.example.com. 3600 IN A 192.0.2.{n}\nns{n}.example.com. 3600 IN AAAA 2001:db8::{n}\n"
        for n in range(4)
    ),
    "txt": ";QUESTION\nexample.com. IN TXT\n;ANSWER\n"
    + "".join(
        f'example.com. 300 IN TXT "v=spf1 include:_spf{n}.example.net ~all {"x" * 16 * n}" "part {n}"\n'
        for n in range(10)
    ),
    "signed": f""";QUESTION
www.example.com. IN AAAA
;ANSWER
www.example.com. 300 IN AAAA 2001:db8::1
www.example.com. 300 IN RRSIG AAAA 13 3 300 {SIGNATURE}
;AUTHORITY
example.com. 3600 IN NS ns1.example.com.
example.com. 3600 IN RRSIG NS 13 2 3600 {SIGNATURE}
a.example.com. 300 IN NSEC c.example.com. A AAAA RRSIG NSEC
a.example.com. 300 IN RRSIG NSEC 13 3 300 {SIGNATURE}
;ADDITIONAL
example.com. 3600 IN DNSKEY 257 3 13 {"q83vEjRWeJCrze8SNFZ4kA" * 4}
example.com. 3600 IN DS 12345 13 2 {"00112233445566778899aabbccddeeff" * 2}
""",
    "sixty": ";QUESTION\nwww.example.com. IN A\n;ANSWER\n"
    + "".join(f"www.example.com. 300 IN A 192.0.2.{n}\n" for n in range(60)),
}


def wires() -> dict[str, bytes]:
    return {
        title: dns.message.from_text(HEAD + text).to_wire(max_size=65535) for title, text in MESSAGES.items()
    }


#: What takes the fields of a record, by its class.
_fields: dict[type, Callable[[object], object]] = {}


def netkit_values(message: Message) -> None:
    _ = message.id, message.flags, message.opcode, message.rcode
    for question in message.question:
        _ = question.name, question.rdtype, question.rdclass
    edns = message.edns
    if edns is not None:
        _ = edns.payload_size, edns.version, edns.dnssec_ok, edns.options
    for section in (message.answer, message.authority, message.additional):
        for record in section:
            _ = record.name, record.ttl, record.rdtype, record.rdclass
            kind = type(record)
            if kind not in _fields:
                _fields[kind] = attrgetter(*set(kind.__match_args__) - {"name", "ttl", "rdclass"})
            _fields[kind](record)


def their_values(message: dns.message.Message) -> None:
    _ = message.id, message.flags, message.opcode(), message.rcode()
    for question in message.question:
        _ = question.name, question.rdtype, question.rdclass
    if message.edns >= 0:
        _ = message.payload, message.edns, message.ednsflags, message.options
    for section in (message.answer, message.authority, message.additional):
        for rrset in section:
            _ = rrset.name, rrset.ttl, rrset.rdtype, rrset.rdclass
            for rdata in rrset:
                kind = type(rdata)
                if kind not in _fields:
                    slots = {
                        slot
                        for base in kind.__mro__
                        if base is not dns.rdata.Rdata
                        for slot in base.__dict__.get("__slots__", ())
                    }
                    _fields[kind] = attrgetter(*slots)
                _fields[kind](rdata)


def measured(function: Callable[[], object], count: int) -> float:
    """Microseconds of the processor for one call: other programs do not count, as far as that goes."""
    begun = process_time()
    for _ in range(count):
        function()
    return (process_time() - begun) / count * 1e6


def subjects(wire: bytes) -> dict[str, Callable[[], object]]:
    """What is measured, in the order of the table's columns."""
    ours, theirs = Message.from_wire(wire), dns.message.from_wire(wire)
    made = {
        "dnspython decode": lambda: their_values(dns.message.from_wire(wire)),
        "pure decode": _with_twin("python", lambda: netkit_values(Message.from_wire(wire))),
        "dnspython encode": lambda: theirs.to_wire(max_size=65535),
        "netkit encode": ours.to_wire,
    }
    if _twins.rust is not None:
        made["rust decode"] = _with_twin("rust", lambda: netkit_values(Message.from_wire(wire)))
        made["rust view"] = _with_twin("rust", lambda: Message.from_wire(wire))
    return made


def _with_twin(twin: str, function: Callable[[], object]) -> Callable[[], object]:
    """The function, marked with the twin of `read_message` that it is to run with."""

    def marked() -> object:
        return function()

    _twin_of[marked] = twin
    return marked


_twin_of: dict[Callable[[], object], str] = {}


def use(twin: str) -> None:
    """Let `Message.from_wire` read with this twin."""
    python = _twins.python_functions["read_message"]
    chosen = python if twin == "python" or _twins.rust is None else _twins.rust.read_message
    vars(netkit.dns.messages.message)["read_message"] = chosen


def main(rounds: int) -> None:
    print(f"{'message':10}{'octets':>7}   {'':24}{'us':>9}{'of dnspython':>14}")
    for title, wire in wires().items():
        functions = subjects(wire)
        counts = {}
        for name, function in functions.items():
            use(_twin_of.get(function, "rust"))
            counts[name] = max(1, int(SECONDS * 1e6 / max(measured(function, 3), 0.5)))
        times: dict[str, list[float]] = {name: [] for name in functions}
        for _ in range(rounds):
            for name, function in functions.items():
                use(_twin_of.get(function, "rust"))
                times[name].append(measured(function, counts[name]))
        for name, each in times.items():
            base = times["dnspython encode" if name.endswith("encode") else "dnspython decode"]
            ratio = median(theirs / ours for theirs, ours in zip(base, each, strict=True))
            print(f"{title:10}{len(wire):7}   {name:24}{median(each):9.2f}{ratio:13.1f}x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
