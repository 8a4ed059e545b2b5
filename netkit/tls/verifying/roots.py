"""The certificates that this system trusts.

On Linux and the BSDs they are in a file, in directories of hashed names, or in both. OpenSSL's own locations
come first (`SSL_CERT_FILE` and `SSL_CERT_DIR` override them), then the usual places of distributions. A
bundle that is broken is an error that names the line: OpenSSL would pass over it, or trust a part of it, in
silence. On Windows they are in the ROOT and CA stores; on macOS in the system keychains. If the platform has
its own verifier, connections ask that verifier (through truststore) and do not use this list. The list is for
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
from typing import Final, NamedTuple

from netkit._log import Log
from netkit.tls.errors import TlsError
from netkit.tls.files.opening import certificates_in, content_of, read_bytes
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.trust import split_by_trust

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
#: A certificate as OpenSSL reads it: it passes over a block that is indented or behind a byte order mark, and
#: does not read long lines.
_NATIVE: Final = re.compile(
    rb"^-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----\r?\n"
    rb"(?:[A-Za-z0-9+/=]{1,76}\r?\n)+-----END \1-----\r?$",
    re.MULTILINE,
)
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+", re.ASCII)
_KEYCHAINS: Final = (
    "/System/Library/Keychains/SystemRootCertificates.keychain",
    "/Library/Keychains/System.keychain",
)
_SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"


@dataclass(frozen=True, slots=True)
class TrustLocations:
    """The places of the trusted certificates: a bundle, directories of hashed names, or both.

    OpenSSL reads `cafile` and `capath` itself; `capath` may be several directories, with `os.pathsep` between
    them. `extra` are the certificates of a bundle in a form that OpenSSL cannot read (a byte order mark,
    UTF-16, DER, PKCS #7): they have to be given to it one by one.
    """

    cafile: str | None
    capath: str | None
    extra: tuple[Certificate, ...] = ()

    @classmethod
    def find(cls) -> TrustLocations:
        """Find the places on this system, and read the bundle to see that it is right.

        Raises `TlsError.NoTrustStore` if there is none, and `TlsError.UnusableFile`, with the line, if the
        bundle is broken, empty, or not there although SSL_CERT_FILE names it. An empty bundle is right beside
        an SSL_CERT_DIR that has certificates.
        """
        import ssl

        paths = ssl.get_default_verify_paths()
        named = os.environ.get(paths.openssl_cafile_env) or None
        listed = os.environ.get(paths.openssl_capath_env) or None
        directories = [one for one in (listed or paths.openssl_capath).split(os.pathsep) if _has_hashed(one)]
        capath = os.pathsep.join(directories) or None
        if named is not None and not (listed is not None and capath and _is_empty(named)):
            return cls._with_bundle(named, capath, f"{paths.openssl_cafile_env} names it")
        default = None if named is not None else paths.openssl_cafile
        if default is not None and os.path.isfile(default):
            return cls._with_bundle(default, capath, "the system's certificates are in it")
        if capath:
            return cls(None, capath)
        for bundle in () if listed is not None else BUNDLES:
            if os.path.isfile(bundle):
                return cls._with_bundle(bundle, None, "the system's certificates are in it")
        raise TlsError.NoTrustStore((paths.openssl_cafile, listed or paths.openssl_capath, *BUNDLES))

    @classmethod
    def _with_bundle(cls, path: str, capath: str | None, hint: str) -> TrustLocations:
        """The places with the bundle `path`; `hint` says why it is read. Raises `TlsError.UnusableFile`."""
        try:
            bundle = _kept_bundle(path, _changed_at(path))
        except OSError as error:
            reason = error.strerror or str(error)
            raise TlsError.UnusableFile(path, reason, hint=hint) from error
        except TlsError.UnusableFile as error:
            raise TlsError.UnusableFile(path, error.reason, error.line, hint=error.hint or hint) from None
        return cls(path, capath) if bundle.native else cls(None, capath, bundle.certificates)


class _Bundle(NamedTuple):
    """The certificates of a file, and whether OpenSSL reads all of them itself."""

    certificates: tuple[Certificate, ...]
    native: bool


@lru_cache(4)
def _kept_bundle(path: str, _changed: object) -> _Bundle:
    """Raises OSError, `TlsError.UnusableFile`."""
    data = read_bytes(path)
    content = content_of(data, path)
    certificates = tuple(certificates_in(content, path))
    return _Bundle(certificates, len(_NATIVE.findall(data)) == len(certificates))


def _is_empty(path: str) -> bool:
    """Whether there is nothing at all in a file, or no file."""
    try:
        with open(path, "rb") as file:
            return not file.read(64).strip()
    except FileNotFoundError:
        return True
    except OSError:
        return False


class SystemCerts:
    """The platform's own store of trusted certificates."""

    @staticmethod
    def load() -> list[Certificate]:
        """All certificates that are trusted for serverAuth, each once.

        A certificate whose own trust settings do not allow that purpose is left out. The number of such
        certificates is logged.
        Raises `TlsError.NoTrustStore` if this system has no store, and `TlsError.UnusableFile` if the bundle
        is damaged or may not be read.
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


def _changed_at(path: str | None) -> tuple[int, int, int] | None:
    try:
        found = None if path is None else os.stat(path)
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)


def certificates_of(where: TrustLocations) -> list[Certificate]:
    """All certificates at `where`; their trust settings are ignored. Raises as `SystemCerts.load`."""
    found = list(where.extra)
    if where.cafile:
        found += _kept_bundle(where.cafile, _changed_at(where.cafile)).certificates
    for path in _hashed_files(where.capath):
        try:
            found += Certificate.from_pem_chain(read_bytes(path))
        except (OSError, TlsError):
            continue  # OpenSSL also skips unusable files in a directory, such as a dangling link
    return found


def _has_hashed(directory: str) -> bool:
    try:
        return any(_HASHED.fullmatch(name) for name in os.listdir(directory))
    except OSError:
        return False


def _hashed_files(capath: str | None) -> list[str]:
    """The files with hashed names in the directories of a list, each once however many names it has."""
    found: dict[str, None] = {}
    for directory in filter(None, (capath or "").split(os.pathsep)):
        names = (name for name in os.listdir(directory) if _HASHED.fullmatch(name))
        found |= dict.fromkeys(sorted({os.path.realpath(os.path.join(directory, name)) for name in names}))
    return list(found)


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
