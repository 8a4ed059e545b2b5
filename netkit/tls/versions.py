"""The TLS protocol versions, their names and their numbers on the wire."""

from __future__ import annotations

from enum import IntEnum


class TlsVersion(IntEnum):
    """A TLS protocol version. An older version is less than a newer one.

    The value is the `ProtocolVersion` of RFC 8446 section 4.1.2 as one number.
    """

    Tls10 = 0x0301
    Tls11 = 0x0302
    Tls12 = 0x0303
    Tls13 = 0x0304

    @property
    def as_str(self) -> str:
        """Its name as people write it: `"TLS 1.3"`."""
        return f"TLS 1.{self.value - 0x0301}"

    @property
    def wire_version(self) -> tuple[int, int]:
        """The two bytes that stand for it on the wire: `(3, 4)` for TLS 1.3."""
        return self.value >> 8, self.value & 0xFF

    @property
    def is_secure(self) -> bool:
        """Whether it may still be used: RFC 8996 retired TLS 1.0 and 1.1."""
        return self >= TlsVersion.Tls12

    @classmethod
    def from_wire(cls, major: int, minor: int) -> TlsVersion | None:
        """The version that two bytes on the wire stand for; None for SSL 3.0, drafts and GREASE."""
        try:
            return cls(major << 8 | minor)
        except ValueError:
            return None

    @classmethod
    def parse(cls, text: str) -> TlsVersion:
        """Read a version from `"1.2"`, `"TLS 1.2"`, `"TLSv1.2"`, `"tls12"` or `"TLSv1"`.

        Raises ValueError, which names the accepted forms.
        """
        digits = "".join(text.lower().split()).removeprefix("tls").removeprefix("v").replace(".", "")
        try:
            return {"1": cls.Tls10, "10": cls.Tls10, "11": cls.Tls11, "12": cls.Tls12, "13": cls.Tls13}[
                digits
            ]
        except KeyError:
            raise ValueError(f"{text!r} is not a TLS version: write 1.0, 1.1, 1.2 or 1.3") from None

    def __str__(self) -> str:
        return self.as_str
