"""What a command line says about TLS in text and files: certificates, keys, lists of protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import File, WrongValue

if TYPE_CHECKING:
    from netkit.tls.certificate import Certificate
    from netkit.tls.keys import PrivateKey


def ca_field() -> str | None:
    """The field of a group that is `--ca FILE`."""
    return field("--ca", type=File(), help="Trust the certificates in FILE (PEM), not the system's.")


def insecure_field() -> bool:
    """The field of a group that is `--insecure`."""
    return flag("--insecure", help="Go on although the certificate does not verify.")


class TrustOptions(OptionGroup):
    """`--ca` and `--insecure`: which certificates to accept."""

    ca: str | None = ca_field()
    insecure: bool = insecure_field()


def protocols(alpn: str | None) -> list[str]:
    """The application protocols of `--alpn`."""
    return [name.strip() for name in (alpn or "").split(",") if name.strip()]


def certificates(path: str, named: str) -> list[Certificate]:
    """The certificates in the file given to the option `named`. Raises OSError, WrongValue."""
    from netkit.tls.certificate import Certificate
    from netkit.tls.errors import TlsError

    with open(path, "rb") as file:
        data = file.read()
    try:
        return Certificate.from_file_content(data)
    except TlsError as error:
        form = f"{named} takes a file of certificates in PEM (or one in DER)"
        raise WrongValue(f"{path}: {error}", form) from error


def private_key(path: str, named: str) -> PrivateKey:
    """The private key in the file given to the option `named`. Raises OSError, WrongValue."""
    from netkit.tls.errors import TlsError
    from netkit.tls.keys import PrivateKey

    with open(path, "rb") as file:
        data = file.read()
    try:
        return PrivateKey.from_pem(data)
    except TlsError as error:
        raise WrongValue(f"{path}: {error}", f"{named} takes an unencrypted private key in PEM") from error
