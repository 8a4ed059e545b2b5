"""The Rust twins. Each has the name and the signature of the Python function it stands in for."""

from typing import Final

from netkit.websocket.masking import Octets

#: The version of netkit that the twins were built at.
VERSION: Final[str]

def apply_mask(data: Octets, key: Octets, offset: int = 0) -> bytes: ...
def apply_mask_in_place(buffer: bytearray | memoryview, key: Octets, offset: int = 0) -> None: ...
