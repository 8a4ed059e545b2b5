"""The certificates that this system trusts.

On Linux and the BSDs they are in a file, in a directory of hashed names, or in both. OpenSSL's own locations
come first (`SSL_CERT_FILE` and `SSL_CERT_DIR` override them), then the usual places of distributions. On
Windows they are in the ROOT and CA stores; on macOS in the system keychains. If the platform has its own
verifier, connections ask that verifier (through truststore) and do not use this list. The list is for
display, and for `with_root_certs`.

A bundle of TRUSTED CERTIFICATE blocks (Red Hat's ca-bundle.trust.crt) also contains certificates that must
not be trusted. OpenSSL obeys that by itself, and `SystemCerts.load` leaves them out.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from netkit._log import Log
from netkit.tls.certificate import Certificate
from netkit.tls.errors import TlsError
from netkit.tls.trust import split_by_trust

log = Log("netkit.tls")

#: Where distributions keep the bundle, when OpenSSL itself does not know.
BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, the BSDs
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
)
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+", re.ASCII)
_KEYCHAINS: Final = (
    "/System/Library/Keychains/SystemRootCertificates.keychain",
    "/Library/Keychains/System.keychain",
)
_SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"


@dataclass(frozen=True, slots=True)
class TrustLocations:
    """The places of the trusted certificates: a bundle, a directory of hashed names, or both."""

    cafile: str | None
    capath: str | None

    @classmethod
    def find(cls) -> TrustLocations:
        """Find the places on this system. Raises `TlsError.NoTrustStore` if there is none."""
        import ssl

        paths = ssl.get_default_verify_paths()
        capath = paths.capath if paths.capath and _has_hashed(paths.capath) else None
        if paths.cafile or capath:
            return cls(paths.cafile, capath)
        for bundle in BUNDLES:
            if os.path.isfile(bundle):
                return cls(bundle, None)
        raise TlsError.NoTrustStore((paths.openssl_cafile, paths.openssl_capath, *BUNDLES))


class SystemCerts:
    """The platform's own store of trusted certificates."""

    @staticmethod
    def load() -> list[Certificate]:
        """All certificates that are trusted for serverAuth, each once.

        A certificate whose own trust settings do not allow that purpose is left out. The number of such
        certificates is logged.
        Raises `TlsError.NoTrustStore` if this system has no store, `TlsError.InvalidCertificate` if the
        bundle is damaged, OSError if the bundle may not be read.
        """
        if sys.platform == "win32":
            found = _from_windows()
        elif sys.platform == "darwin":
            found = _from_keychains()
        else:
            found = _from_files(TrustLocations.find())
        return found


def _from_files(where: TrustLocations) -> list[Certificate]:
    split = split_by_trust(certificates_of(where), "serverAuth")
    if split.distrusted:
        log.debug("left out %d certificates that are not trusted for serverAuth", len(split.distrusted))
    if not split.trusted:
        raise TlsError.NoTrustStore(tuple(filter(None, (where.cafile, where.capath))))
    return list(split.trusted)


def settings_at(where: TrustLocations) -> list[Certificate] | None:
    """The certificates at `where` if one of them has trust settings, else None. The files are read once."""
    changed = [_changed_at(path) for path in (where.cafile, where.capath)]
    return _kept_settings(where, tuple(changed))


@lru_cache(4)
def _kept_settings(where: TrustLocations, _changed: object) -> list[Certificate] | None:
    try:
        found = certificates_of(where)
    except (OSError, TlsError):
        return None  # the code that loads the roots for trust reports the error
    return found if any(one.trust is not None for one in found) else None


def _changed_at(path: str | None) -> int | None:
    try:
        return None if path is None else os.stat(path).st_mtime_ns
    except OSError:
        return None


def certificates_of(where: TrustLocations) -> list[Certificate]:
    """All certificates at `where`; their trust settings are ignored. Raises as `SystemCerts.load`."""
    found: list[Certificate] = []
    if where.cafile:
        with open(where.cafile, "rb") as file:
            found += Certificate.from_pem_chain(file.read())
    if where.capath:
        for path in _hashed_files(where.capath):
            try:
                with open(path, "rb") as file:
                    found += Certificate.from_pem_chain(file.read())
            except (OSError, TlsError):
                continue  # OpenSSL also skips unusable files in a directory, such as a dangling link
    return found


def _has_hashed(directory: str) -> bool:
    try:
        return any(_HASHED.fullmatch(name) for name in os.listdir(directory))
    except OSError:
        return False


def _hashed_files(directory: str) -> list[str]:
    names = (name for name in os.listdir(directory) if _HASHED.fullmatch(name))
    return sorted({os.path.realpath(os.path.join(directory, name)) for name in names})


def _from_windows() -> list[Certificate]:
    import ssl

    found: dict[Certificate, None] = {}
    enumerate_store = getattr(ssl, "enum_certificates")  # noqa: B009  # only there on Windows
    for store in ("ROOT", "CA"):
        for data, encoding, trust in enumerate_store(store):
            if encoding == "x509_asn" and (trust is True or _SERVER_AUTH in trust):
                found[Certificate(data)] = None
    if not found:
        raise TlsError.NoTrustStore(("the ROOT store", "the CA store"))
    return list(found)


def _from_keychains() -> list[Certificate]:
    import subprocess

    command = ["/usr/bin/security", "find-certificate", "-a", "-p", *_KEYCHAINS]
    listing = subprocess.run(command, capture_output=True, check=False).stdout
    try:
        return list(dict.fromkeys(Certificate.from_pem_chain(listing)))
    except TlsError:
        raise TlsError.NoTrustStore(_KEYCHAINS) from None
