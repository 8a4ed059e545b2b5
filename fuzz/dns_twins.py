"""Coverage-guided fuzzing of reading DNS messages, both twins side by side: a difference is a finding.

    python fuzz/dns_twins.py [LIBFUZZER OPTIONS] [CORPUS]

A documented exception is an outcome; anything else is a finding. What is read is written and read again, and
lenient reading must accept what strict reading does.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["netkit.dns"]):
    import netkit.dns.messages.reading
    from netkit.dns.errors import DnsError
    from netkit.dns.messages.message import Message

from netkit import _twins
from tests.dns.test_reading import outcome


def test_one_input(data: bytes) -> None:
    """What libFuzzer calls."""
    expected = outcome(netkit.dns.messages.reading.read_parts, data)
    if _twins.rust is not None:
        assert outcome(_twins.rust.read_message, data) == expected, "Rust"
    try:
        lenient = Message.from_wire(data, lenient=True)
    except DnsError.InvalidResponse:
        assert expected[0] == "refused", "lenient reading refuses what is valid"
        return
    if expected[0] == "refused":
        assert lenient.complaints, "lenient reading has nothing to say of what is not valid"
        return
    message = Message.from_wire(data)
    assert lenient.replace(complaints=()) == message, "lenient reading reads otherwise"
    assert Message.from_wire(message.to_wire()) == message, "written and read again"


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
