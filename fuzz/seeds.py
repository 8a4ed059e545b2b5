"""Write the messages of the tests as seeds, a folder for each fuzzer: `python fuzz/seeds.py DIRECTORY`."""

from __future__ import annotations

import sys
from pathlib import Path

from netkit.tls.starttls import PROTOCOLS
from tests.dns.test_lenient import CASES
from tests.dns.test_reading import OCTETS
from tests.http.mutation import BODIES, REQUESTS, RESPONSES, WHOLE_REQUESTS, WHOLE_RESPONSES
from tests.tls.hellos import FULL, SERVER_HELLOS, of_openssl
from tests.tls.starttls.scripts import SCRIPTS

#: The octets before a message, for each fuzzer: what it is for, nothing tolerated, limits as they are.
REQUEST, RESPONSE = b"\0\0\0\x10", b"\0\x80\0\x10"
BODY = b"\0\0\x05"
TWIN_BODY, TWIN_RESPONSE, TWIN_REQUEST = b"\0\0\0\x05\x10", b"\1\0\0\x05\x10", b"\2\0\0\x05\x10"
RECORDS, CLIENT_HELLO, SERVER_HELLO = b"\0", b"\1", b"\2"


def main(target: Path) -> None:
    requests, responses = REQUESTS + WHOLE_REQUESTS, RESPONSES + WHOLE_RESPONSES
    datagrams = OCTETS + [bytes.fromhex(case.octets) for case in CASES.values()]
    seeds = {
        "dns_message": datagrams,
        "dns_twins": datagrams,
        "http_head": [REQUEST + data for data in requests] + [RESPONSE + data for data in responses],
        "http_chunked": [BODY + data for data in BODIES],
        "http_twins": [TWIN_REQUEST + data for data in requests]
        + [TWIN_RESPONSE + data for data in responses]
        + [TWIN_BODY + data for data in BODIES],
        "tls_hello": [
            RECORDS + of_openssl(),
            CLIENT_HELLO + of_openssl()[9:],
            CLIENT_HELLO + FULL.to_bytes()[4:],
        ]
        + [SERVER_HELLO + hello.to_bytes()[4:] for hello in SERVER_HELLOS],
        "starttls": [
            bytes([sorted(PROTOCOLS).index(script.protocol)]) + b"".join(said for said, _ in script.turns)
            for script in SCRIPTS
        ],
    }
    for fuzzer, messages in seeds.items():
        folder = target / fuzzer
        folder.mkdir(parents=True, exist_ok=True)
        for number, message in enumerate(messages):
            (folder / f"seed-{number:03}").write_bytes(message)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
