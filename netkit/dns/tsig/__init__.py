"""TSIG: messages that are signed with a secret which both sides share (RFC 8945).

    key = TsigKey.parse("hmac-sha256:transfer.example:c2VjcmV0IG9mIGJvdGggc2lkZXM=")
    signed = sign(query.to_wire(), key, time())
    ...
    verified = verify(answer, key, time(), request_mac=signed.mac)

`keys` are the keys and the files they come from, `signing` signs and verifies one message, `transfer` the
messages of one answer over TCP, `guard` what a resolver does with them, `answering` what a server does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.dns.tsig.errors import TsigError as TsigError
    from netkit.dns.tsig.keys import TsigKey as TsigKey
    from netkit.dns.tsig.signing import Signed as Signed, Verified as Verified, sign as sign, verify as verify
    from netkit.dns.tsig.transfer import TsigSigner as TsigSigner, TsigVerifier as TsigVerifier

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "errors": "TsigError",
        "keys": "TsigKey",
        "signing": "Signed Verified sign verify",
        "transfer": "TsigSigner TsigVerifier",
    },
)
