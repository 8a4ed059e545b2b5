"""Names for a client by what it offers: JA3 (salesforce/ja3) and JA4 (FoxIO-LLC/ja4, its TLS client part).

Both leave out what RFC 8701 reserves. JA3 keeps the order of the extensions, which browsers shuffle; JA4
sorts them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from netkit.tls.hello.codes import without_grease
from netkit.tls.hello.extensions.keys import (
    PointFormats,
)
from netkit.tls.hello.extensions.names import (
    Alpn,
    ServerName,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.tls.hello.client_hello import ClientHello
    from netkit.tls.hello.codes import Code

_JA4_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_NOTHING: Final = "0" * 12


def ja3_text(hello: ClientHello) -> str:
    """The text that JA3 is the MD5 of: version, suites, extensions, groups and point formats, in decimal."""
    formats = hello.find(PointFormats)
    return ",".join(
        (
            str(int(hello.legacy_version)),
            _decimal(hello.cipher_suites),
            _decimal([extension.type for extension in hello.extensions]),
            _decimal(hello.groups),
            "" if formats is None else _decimal(formats.formats),
        )
    )


def ja3(hello: ClientHello) -> str:
    """The JA3 fingerprint: 32 hexadecimal digits."""
    return hashlib.md5(ja3_text(hello).encode(), usedforsecurity=False).hexdigest()


def ja4(hello: ClientHello) -> str:
    """The JA4 fingerprint of a hello over TCP, such as `t13d1516h2_` and two times twelve digits."""
    suites = without_grease(hello.cipher_suites)
    types = without_grease([extension.type for extension in hello.extensions])
    version = max(without_grease(hello.versions), default=hello.legacy_version)
    head = (
        f"t{_JA4_VERSIONS.get(version, '00')}{'d' if hello.has(ServerName.type) else 'i'}"
        f"{min(len(suites), 99):02}{min(len(types), 99):02}{_alpn_letters(hello)}"
    )
    rest = _hexadecimal(sorted(kind for kind in types if kind not in (ServerName.type, Alpn.type)))
    schemes = _hexadecimal(without_grease(hello.signature_schemes))
    return (
        f"{head}_{_digest(_hexadecimal(sorted(suites)))}_{_digest(f'{rest}_{schemes}' if schemes else rest)}"
    )


def _alpn_letters(hello: ClientHello) -> str:
    alpn = hello.find(Alpn)
    first = b"" if alpn is None else alpn.protocols[0]
    if not first:
        return "00"
    ends = bytes((first[0], first[-1]))
    if ends.isalnum():
        return ends.decode("ascii")
    digits = first.hex()
    return digits[0] + digits[-1]


def _decimal(codes: Iterable[Code]) -> str:
    return "-".join([str(int(code)) for code in without_grease(codes)])


def _hexadecimal(codes: Iterable[Code]) -> str:
    return ",".join([f"{int(code):04x}" for code in codes])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
