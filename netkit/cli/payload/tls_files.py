"""TLS values from the command line: files of certificates and keys, lists of protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import File
from netkit.errors import NetkitError

if TYPE_CHECKING:
    from netkit.cli.frame.context import Environment
    from netkit.errors import Fault
    from netkit.tls.certificate import Certificate
    from netkit.tls.keys import PrivateKey


class UnusableFile(NetkitError):
    """A file that holds no certificate, or no key: a local problem, as one that is not there."""

    layer = "tls"
    fault: Fault = "caller"
    stage = "local"

    def __init__(self, path: str, reason: str, hint: str | None) -> None:
        super().__init__(path, reason, hint)
        self.path = path
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


#: How many certificates that are passed over a warning names.
MAX_NAMED = 3


def ca_field() -> str | None:
    """The field of a group that is `--ca FILE`."""
    return field("--ca", type=File(), help="Trust the certificates in FILE (PEM), not the system's.")


def insecure_field() -> bool:
    """The field of a group that is `--insecure`."""
    return flag("--insecure", help="Continue even if the certificate does not verify.")


class TrustOptions(OptionGroup):
    """`--ca` and `--insecure`: which certificates to accept."""

    ca: str | None = ca_field()
    insecure: bool = insecure_field()


def protocols(alpn: str | None) -> list[str]:
    """The application protocols of `--alpn`."""
    return [name.strip() for name in (alpn or "").split(",") if name.strip()]


def certificates(path: str, named: str) -> list[Certificate]:
    """The certificates in the file given to the option `named`. Raises OSError, UnusableFile."""
    from netkit.tls.certificate import Certificate
    from netkit.tls.errors import TlsError

    with open(path, "rb") as file:
        data = file.read()
    try:
        return Certificate.from_file_content(data)
    except TlsError as error:
        form = f"{named} takes a file of certificates in PEM (or one in DER)"
        raise UnusableFile(path, str(error), form) from error


def trusted_certificates(path: str, env: Environment) -> list[Certificate]:
    """The certificates of `--ca FILE`; `env` is told of those that their own trust settings forbid to trust.

    These are returned as well, so that a chain which leads through one of them is refused. Raises OSError,
    and UnusableFile where the file leaves nothing to trust.
    """
    from netkit.cli.frame.messages import plural
    from netkit.tls.trust import split_by_trust

    found = certificates(path, "--ca")
    split = split_by_trust(found, "serverAuth")
    if not split.trusted:
        first = _why_distrusted(split.distrusted[0])
        hint = "--ca takes certificates that are to be trusted for serverAuth"
        reason = f"no certificate in it is to be trusted ({first})"
        raise UnusableFile(path, reason, hint)
    if split.distrusted:
        named = [_why_distrusted(one) for one in split.distrusted[:MAX_NAMED]]
        more = len(split.distrusted) - len(named)
        if more:
            named.append(f"and {more} more")
        count = f"{len(split.distrusted)} of {plural(len(set(found)), 'certificate')}"
        env.warn(f"reading {path}", f"passed over {count}: {'; '.join(named)}")
    return found


def _why_distrusted(certificate: Certificate) -> str:
    from netkit.tls.errors import TlsError

    try:
        name = certificate.subject or certificate.fingerprint_sha256
    except TlsError:
        name = certificate.fingerprint_sha256
    reason = None if certificate.trust is None else certificate.trust.distrusts("serverAuth")
    return f"{name}: {reason}"


def private_key(path: str, named: str) -> PrivateKey:
    """The private key in the file given to the option `named`. Raises OSError, UnusableFile."""
    from netkit.tls.errors import TlsError
    from netkit.tls.keys import PrivateKey

    with open(path, "rb") as file:
        data = file.read()
    try:
        return PrivateKey.from_pem(data)
    except TlsError as error:
        form = f"{named} takes an unencrypted private key in PEM"
        raise UnusableFile(path, str(error), form) from error
