"""Records by the RFCs alone, with the keys of a session: for messages that no library would send."""

from __future__ import annotations

import struct
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from netkit.tls import TlsVersion
from netkit.tls.kernel.structures import APPLICATION_DATA

CIPHERS = {
    "AES-128-GCM": ("TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    "AES-256-GCM": ("TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    "CHACHA20-POLY1305": ("TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
}


class Direction:
    """The cryptography of one direction, out of the structure that the kernel gets: by the RFCs alone."""

    def __init__(self, info: bytes) -> None:
        self.version, number = struct.unpack_from("=HH", info)
        salt, iv, key = {51: (4, 8, 16), 52: (4, 8, 32), 54: (0, 12, 32)}[number]
        assert len(info) == 4 + iv + key + salt + 8
        self.iv = info[4 : 4 + iv]
        self.salt = info[4 + iv + key : -8]
        self.sequence = int.from_bytes(info[-8:], "big")
        secret = info[4 + iv : 4 + iv + key]
        self.aead: AESGCM | ChaCha20Poly1305 = ChaCha20Poly1305(secret) if number == 54 else AESGCM(secret)
        #: RFC 5288 section 3: the record has a part of the nonce.
        self.explicit = self.version == TlsVersion.Tls12 and number != 54

    def _nonce(self) -> bytes:
        # RFC 8446 section 5.3, RFC 7905 section 2.
        whole = int.from_bytes(self.salt + self.iv, "big") ^ self.sequence
        return whole.to_bytes(12, "big")

    def encrypt(self, kind: int, data: bytes) -> bytes:
        if self.version == TlsVersion.Tls13:
            head = struct.pack(">BHH", APPLICATION_DATA, 0x0303, len(data) + 17)
            sealed = self.aead.encrypt(self._nonce(), data + bytes((kind,)), head)
        else:
            beside = struct.pack(">QBHH", self.sequence, kind, 0x0303, len(data))
            if self.explicit:
                sealed = self.iv + self.aead.encrypt(self.salt + self.iv, data, beside)
                # As the kernel does: it counts the explicit part up.
                self.iv = ((int.from_bytes(self.iv, "big") + 1) % 2**64).to_bytes(8, "big")
            else:
                sealed = self.aead.encrypt(self._nonce(), data, beside)
            head = struct.pack(">BHH", kind, 0x0303, len(sealed))
        self.sequence += 1
        return head + sealed

    def decrypt(self, record: bytes) -> tuple[int, bytes]:
        head, body = record[:5], record[5:]
        if self.version == TlsVersion.Tls13:
            inner = self.aead.decrypt(self._nonce(), body, head).rstrip(b"\0")
            kind, data = inner[-1], inner[:-1]
        else:
            nonce = self._nonce()
            if self.explicit:
                nonce, body = self.salt + body[:8], body[8:]
            kind = head[0]
            beside = struct.pack(">QBHH", self.sequence, kind, 0x0303, len(body) - 16)
            data = self.aead.decrypt(nonce, body, beside)
        self.sequence += 1
        return kind, data


def settings(version: TlsVersion, cipher: str) -> dict[str, Any]:
    new, old = CIPHERS[cipher]
    suites = {"tls13_cipher_suites": (new,)} if version is TlsVersion.Tls13 else {"cipher_suites": old}
    return {"min_version": version, "max_version": version, **suites}
