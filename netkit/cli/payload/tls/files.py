"""TLS values from the command line: files of certificates and keys, their passwords, lists of protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import File

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.cli.frame.context import Environment
    from netkit.tls.identity import Identity
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.trust import Purpose

#: The environment variable that holds the password of a key.
PASSWORD_VARIABLE = "NETKIT_KEY_PASSWORD"


#: The longest first line of --password-file, in letters.
MAX_PASSWORD = 4096

#: How many certificates that are passed over a warning names.
MAX_NAMED = 3


def ca_field(*more: str) -> tuple[str, ...]:
    """The field of a group that is `--ca FILE`; `more` are other names of it."""
    return field(
        "--ca",
        *more,
        type=File(),
        multiple=True,
        help="Trust the certificates in FILE, not the system's; may be given several times.",
    )


def crl_field(whose: str, *more: str) -> tuple[str, ...]:
    """The field of a group that is `--crl FILE`, about certificates of `whose`: a client, or a server."""
    return field(
        "--crl",
        *more,
        type=File(),
        multiple=True,
        help=f"Refuse a {whose} whose certificate is in this revocation list; may be given several times.",
    )


def insecure_field(*more: str) -> bool:
    """The field of a group that is `--insecure`; `more` are other names of it."""
    return flag(*more, "--insecure", help="Continue even if the certificate does not verify.")


def password_field(*more: str) -> str | None:
    """The field of a group that is `--password-file FILE`; `more` are other names of it."""
    return field(
        "--password-file",
        *more,
        type=File(),
        help="The first line of FILE is the password of the key. Without it, the variable "
        "NETKIT_KEY_PASSWORD is, or it is asked for at the terminal.",
    )


class TrustOptions(OptionGroup):
    """`--ca` and `--insecure`: which certificates to accept."""

    ca: tuple[str, ...] = ca_field()
    insecure: bool = insecure_field()


def protocols(alpn: str | None) -> list[str]:
    """The application protocols of `--alpn`."""
    return [name.strip() for name in (alpn or "").split(",") if name.strip()]


def certificates(path: str, named: str) -> list[Certificate]:
    """The certificates in the file given to the option `named`. Raises OSError, TlsError.UnusableFile."""
    from netkit.tls.errors import TlsError
    from netkit.tls.files.opening import certificates_in, read_file

    locked = False
    try:
        content = read_file(path)
        locked = content.locked
        return certificates_in(content, path)
    except TlsError.UnusableFile as error:
        hint = f"{named} takes certificates in PEM, DER or PKCS #7"
        error.hint = f"{hint}, without a password" if locked else error.hint or hint
        raise


def trusted_certificates(
    paths: Iterable[str], env: Environment, *, named: str = "--ca", purpose: Purpose = "serverAuth"
) -> list[Certificate]:
    """The certificates in the files given to the option `named`, to be trusted for `purpose`.

    `env` is told of those that their own trust settings forbid to trust. These are returned as well, so that
    a chain which leads through one of them is refused. Raises OSError, and TlsError.UnusableFile where a
    file leaves nothing to trust.
    """
    return [one for path in paths for one in _trusted(path, env, named, purpose)]


def _trusted(path: str, env: Environment, named: str, purpose: Purpose) -> list[Certificate]:
    from netkit.cli.frame.messages import plural
    from netkit.tls.errors import TlsError
    from netkit.tls.x509.trust import split_by_trust

    found = certificates(path, named)
    split = split_by_trust(found, purpose)
    if not split.trusted:
        first = _why_distrusted(split.distrusted[0], purpose)
        hint = f"{named} takes certificates that are to be trusted for {purpose}"
        reason = f"no certificate in it is to be trusted ({first})"
        raise TlsError.UnusableFile(path, reason, hint=hint)
    if split.distrusted:
        words = [_why_distrusted(one, purpose) for one in split.distrusted[:MAX_NAMED]]
        more = len(split.distrusted) - len(words)
        if more:
            words.append(f"and {more} more")
        count = f"{len(split.distrusted)} of {plural(len(set(found)), 'certificate')}"
        env.warn(f"reading {path}", f"passed over {count}: {'; '.join(words)}")
    return found


def _why_distrusted(certificate: Certificate, purpose: Purpose) -> str:
    from netkit.tls.errors import TlsError

    try:
        name = certificate.subject or certificate.fingerprint_sha256
    except TlsError:
        name = certificate.fingerprint_sha256
    reason = None if certificate.trust is None else certificate.trust.distrusts(purpose)
    return f"{name}: {reason}"


class Password:
    """The password of the keys that a command was given: read, or asked for once, when a key needs it."""

    def __init__(self, path: str | None, env: Environment) -> None:
        self._path = path
        self._env = env
        self._typed: dict[str, str] = {}

    def of(self, path: str) -> str:
        """The password of the key in the file `path`.

        Raises OSError, and TlsError.UnusableFile where there is none to be had.
        """
        if self._path is not None:
            return _first_line(self._path)
        given = self._env.environ.get(PASSWORD_VARIABLE)
        if given is not None:
            return given
        if not (self._env.stdin_tty and self._env.stderr_tty):
            from netkit.tls.errors import TlsError

            hint = f"--password-file FILE gives the password, or the variable {PASSWORD_VARIABLE}"
            raise TlsError.UnusableFile(path, "it is encrypted", hint=hint)
        if path not in self._typed:
            from getpass import getpass

            self._typed[path] = getpass(f"Password of {path}: ")
        return self._typed[path]


def _first_line(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        line = file.readline(MAX_PASSWORD + 1)
    if len(line) > MAX_PASSWORD:
        from netkit.tls.errors import TlsError

        raise TlsError.UnusableFile(
            path, f"its first line is no password: it is over {MAX_PASSWORD:,} letters"
        )
    return line.rstrip("\r\n")


def identity(cert: str, key: str | None, password: Password) -> Identity:
    """The certificate and its chain in the file of --cert, with the key in that of --key, or beside it.

    Both may be in PKCS #12. The password is asked for only where something is encrypted. Raises OSError,
    TlsError.UnusableFile.
    """
    from netkit.tls.errors import TlsError
    from netkit.tls.files import read_file, read_identity

    path = cert if key is None else key
    try:
        return read_identity(cert, key=key)
    except TlsError.UnusableFile as error:
        locked = next((each for each in dict.fromkeys((cert, path)) if read_file(each).locked), None)
        if locked is None:
            if key is None and error.line is None:  # and not because of one block of it
                error.hint = error.hint or "--key FILE gives the private key"
            raise
    return read_identity(cert, password.of(locked), key=key)


def revocation_lists(paths: Iterable[str]) -> tuple[bytes, ...]:
    """The CRLs in the files of --crl, as DER. Raises OSError, TlsError.UnusableFile."""
    from netkit.tls.errors import TlsError
    from netkit.tls.files import read_revocation_lists

    try:
        return tuple(one.der_data for path in paths for one in read_revocation_lists(path))
    except TlsError.UnusableFile as error:
        error.hint = error.hint or "--crl takes certificate revocation lists in PEM or DER"
        raise


def stapled_response(path: str) -> bytes:
    """The OCSP response in the file of --ocsp-staple, as it is. Raises OSError, TlsError.UnusableFile.

    It is read here, because OpenSSL leaves one that it cannot read out of the handshake without a word.
    """
    from cryptography.x509.ocsp import load_der_ocsp_response

    from netkit.tls.errors import TlsError
    from netkit.tls.files.opening import read_bytes

    data = read_bytes(path)
    try:
        load_der_ocsp_response(data)
    except ValueError:
        hint = "--ocsp-staple takes one in DER, as `openssl ocsp -respout FILE` writes it"
        raise TlsError.UnusableFile(path, "it holds no OCSP response", hint=hint) from None
    return data
