"""Coverage-guided fuzzing of the dialogues that ask for TLS: what a server may say, in each protocol.

    python fuzz/starttls.py [LIBFUZZER OPTIONS] [CORPUS]

A report or a StartTlsError is an outcome, the same one however the octets are cut; anything else is a
finding. The server's words come out without control characters.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["netkit.tls.starttls"]):
    from netkit.tls.starttls import PROTOCOLS, Caller, Negotiation, StartTlsError
    from netkit.tls.text import printable

NAMES = sorted(PROTOCOLS)
CALLER = Caller("mail.example.com", "client.example.com")


def outcome(name: str, data: bytes, size: int) -> str:
    """What a negotiation comes to that is fed pieces of `size`; and what it wants sent on the way."""
    negotiation = Negotiation(PROTOCOLS[name], CALLER)
    sent = negotiation.outgoing()
    try:
        for start in range(0, len(data), size):
            negotiation.feed(data[start : start + size])
            sent += negotiation.outgoing()
        if negotiation.report is None:
            raise negotiation.end()
    except StartTlsError as error:
        words, end = [str(error)], error.kind
    else:
        report = negotiation.report
        words, end = [report.greeting, report.answer, *report.capabilities], f"{report} {sent!r}"
    assert all(printable(text) == text for text in words)
    return end


def test_one_input(data: bytes) -> None:
    """What libFuzzer calls: the first octet says which protocol it is."""
    if data:
        name = NAMES[data[0] % len(NAMES)]
        assert outcome(name, data[1:], 1) == outcome(name, data[1:], 1 << 20) == outcome(name, data[1:], 7)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
