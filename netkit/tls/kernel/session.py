"""The session of a stream whose cryptography the kernel does: what goes in comes out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from netkit.tls.backend import TlsSession
from netkit.tls.errors import TlsError
from netkit.tls.kernel.structures import is_the_end

if TYPE_CHECKING:
    from netkit.tls.backend import CertificateRequest
    from netkit.tls.versions import TlsVersion
    from netkit.tls.x509.certificate import Certificate


class KernelSession(TlsSession):
    """What `before` knew of the connection, and plaintext both ways. It exports no keys: it has none."""

    # Each overrides a property: what was known does not change any more.
    version: TlsVersion | None = None
    cipher: str | None = None
    alpn: str | None = None
    peer_chain: tuple[Certificate, ...] = ()
    built_path: tuple[Certificate, ...] = ()
    server_name: str | None = None
    group: str | None = None
    signature_scheme: str | None = None
    ocsp_response: bytes | None = None
    scts: tuple[bytes, ...] | None = None
    client_certificate_requested: CertificateRequest | None = None
    resumed: bool | None = None
    verified: bool | None = None
    early_data_accepted: bool | None = None
    ech_accepted: bool | None = None
    ech_retry_configs: bytes | None = None

    def __init__(self, before: TlsSession) -> None:
        self.version = before.version
        self.cipher = before.cipher
        self.alpn = before.alpn
        self.peer_chain = before.peer_chain
        self.built_path = before.built_path
        self.server_name = before.server_name
        self.group = before.group
        self.signature_scheme = before.signature_scheme
        self.ocsp_response = before.ocsp_response
        self.scts = before.scts
        self.client_certificate_requested = before.client_certificate_requested
        self.resumed = before.resumed
        self.verified = before.verified
        self.early_data_accepted = before.early_data_accepted
        self.ech_accepted = before.ech_accepted
        self.ech_retry_configs = before.ech_retry_configs
        self._incoming: deque[bytes] = deque()
        self._outgoing: deque[bytes] = deque()
        self._eof = False
        self._clean = False
        self._failure: TlsError | None = None

    # What the kernel has received.

    def feed(self, data: bytes | memoryview) -> None:
        self._incoming.append(bytes(data))

    def feed_eof(self) -> None:
        self._eof = True

    def take_record(self, kind: int, data: bytes) -> bool:
        """Take a record that is no data. False if nothing is read after it: `read` says why."""
        try:
            assert self.version is not None
            self._clean = is_the_end(kind, data, self.version)
        except TlsError as error:
            self._failure = error
        return not (self._clean or self._failure)

    def fail(self, error: TlsError) -> None:
        """The kernel receives no more, for the reason in `error`."""
        self._failure = error

    def handshake(self) -> bool:
        return True

    def read(self, size: int) -> bytes | None:
        if not self._incoming:
            return self._end()
        data = self._incoming.popleft()
        if len(data) > size:
            self._incoming.appendleft(data[size:])
        return data[:size]

    def read_into(self, view: memoryview) -> int | None:
        data = self.read(len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    def _end(self) -> bytes | None:
        if not self._eof:
            return None
        if self._failure is not None:
            raise self._failure
        if not self._clean:
            raise TlsError.Truncated
        return b""

    # What it has to send.

    def write(self, data: memoryview) -> int:
        self._outgoing.append(bytes(data))
        return len(data)

    def close_notify(self) -> None:
        """Nothing: the alert is a record of its own, which goes past the bytes here (`KernelLink`)."""

    @property
    def pending_output(self) -> int:
        return sum(map(len, self._outgoing))

    def take_output(self, limit: int | None = None) -> bytes:
        if not self._outgoing:
            return b""
        data = self._outgoing.popleft()
        if limit is not None and len(data) > limit:
            self._outgoing.appendleft(data[limit:])
            return data[:limit]
        return data

    def explain(self, error: TlsError) -> TlsError:
        return error
