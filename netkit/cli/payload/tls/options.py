"""The options of TLS that both sides have, and what becomes of them.

    TlsOptions               versions, suites, groups, signature schemes, the backend, the key log
    ├── ClientTlsSettings    what the side that connects adds     (netkit.cli.payload.tls.client)
    └── ServerTlsSettings    what the side that listens adds      (netkit.cli.payload.tls.server)

A setting that no backend here can honour is wrong usage, said before anything connects: the library names
the setting, and `names` of a group gives the option for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import click

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import File, Value, WrongValue, exclude

if TYPE_CHECKING:
    from netkit.tls.config import TlsConfig
    from netkit.tls.errors import InvalidConfig
    from netkit.tls.versions import TlsVersion


class Version(Value["TlsVersion"]):
    """A TLS version: `1.2`, `TLSv1.3`."""

    name = "version"
    complete = staticmethod(lambda: ("1.0", "1.1", "1.2", "1.3"))
    form = "write 1.0, 1.1, 1.2 or 1.3"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TlsVersion:
        from netkit.tls.versions import TlsVersion

        if isinstance(value, TlsVersion):
            return value
        try:
            return TlsVersion.parse(str(value))
        except ValueError:
            self.wrong(f"{value!r} is not a TLS version", param, ctx)


def _backends() -> list[str]:
    from netkit.tls.backends import names

    return list(names())


class BackendName(Value[str]):
    """The name of a TLS backend."""

    name = "name"
    complete = staticmethod(_backends)
    form = "`netkit version` lists those that are here"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = _backends()
        if value not in known:
            self.wrong(f"{value!r} is not one of {', '.join(known)}", param, ctx)
        return str(value)


def max_version_field(*more: str) -> TlsVersion | None:
    """The field of a group that is `--max-version`; `more` are other names of it, as below."""
    return field(
        "--max-version", *more, type=Version(), help="The newest TLS that is spoken.", show_default="1.3"
    )


def cipher_field(*more: str) -> tuple[str, ...]:
    """The field of a group that is `--cipher`."""
    return field(
        "--cipher",
        *more,
        type=click.STRING,
        multiple=True,
        metavar="LIST",
        help="Allow these cipher suites, separated by colons: names of TLS 1.3 (TLS_AES_128_GCM_SHA256), and "
        "OpenSSL's list for older versions. Versions of which none is named keep theirs.",
    )


def group_field(*more: str) -> str | None:
    """The field of a group that is `--group`."""
    return field(
        "--group",
        *more,
        metavar="LIST",
        help="Use these groups for the key exchange, preferred first, as in X25519MLKEM768:x25519.",
    )


def compress_field(does: str) -> str | None:
    """The field of a group that is `--compress-cert`; `does` says what becomes of certificates."""
    return field(
        "--compress-cert",
        metavar="LIST",
        help=f"{does} certificates that are compressed with one of these: zlib, brotli, zstd (RFC 8879).",
    )


def compressions(text: str | None) -> dict[str, Any]:
    """The settings of a `TlsConfig` for --compress-cert."""
    names = tuple(listed(text))
    return {"certificate_compression": names} if names else {}


#: The flags for one version each, by the version's number.
_ONLY = {"1.0": "tls10", "1.1": "tls11", "1.2": "tls12", "1.3": "tls13"}


class TlsOptions(OptionGroup):
    """What both sides of a TLS connection can be told.

    `names` gives the field of each setting of a `TlsConfig`, so that an error about the setting is about the
    option.
    """

    section = "TLS"
    names: ClassVar[dict[str, str]] = {
        "min_version": "min_version",
        "max_version": "max_version",
        "cipher_suites": "cipher",
        "tls13_cipher_suites": "cipher",
        "groups": "group",
        "signature_algorithms": "sigalgs",
        "backend": "backend",
        "key_log": "key_log",
    }
    #: Fields of a group that are not about TLS.
    others: ClassVar[frozenset[str]] = frozenset()

    min_version: TlsVersion | None = field(
        "--min-version", type=Version(), help="The oldest TLS that is spoken.", show_default="1.2"
    )
    max_version: TlsVersion | None = max_version_field()
    tls10: bool = flag("--tls1.0", help="TLS 1.0 only; of several such options, the oldest to the newest.")
    tls11: bool = flag("--tls1.1", help="TLS 1.1 only.")
    tls12: bool = flag("--tls1.2", help="TLS 1.2 only.")
    tls13: bool = flag("--tls1.3", help="TLS 1.3 only.")
    cipher: tuple[str, ...] = cipher_field()
    group: str | None = group_field()
    sigalgs: str | None = field(
        "--sigalgs",
        metavar="LIST",
        help="Accept these signature schemes, preferred first, as in ecdsa_secp256r1_sha256.",
    )
    backend: str | None = field(
        "--backend",
        type=BackendName(),
        help="Use this TLS library. [default: ssl, or one that can do what is asked for]",
    )
    key_log: str | None = field(
        "--key-log", type=File(), help="Append the connection's secrets to FILE, for Wireshark to decrypt it."
    )

    def check(self) -> None:
        self._refuse_empty()
        only = self._only()
        if only:
            for name in ("min_version", "max_version"):
                exclude(f"--tls{only[0]}", True, self.spelled(name), getattr(self, name))
            numbers = list(_ONLY)
            between = numbers[numbers.index(only[0]) : numbers.index(only[-1]) + 1]
            for number in between:
                if number not in only:
                    first, last = f"--tls{only[0]}", f"--tls{only[-1]}"
                    problem = f"{first} and {last} leave out TLS {number}, which is between them"
                    raise WrongValue(problem, f"add --tls{number}")

    def _refuse_empty(self) -> None:
        """Refuse a list that names nothing: what was meant is not what the library would choose."""
        for name in ("cipher", "group", "sigalgs", "compress_cert"):
            given = getattr(self, name) if name in self.fields else None
            texts = (given,) if isinstance(given, str) else given or ()
            if not all(map(listed, texts)):
                raise WrongValue(f"{self.spelled(name)} names nothing", "name one or more, or leave it out")

    def _only(self) -> list[str]:
        return [number for number, name in _ONLY.items() if getattr(self, name)]

    @property
    def given(self) -> list[str]:
        """The options about TLS that were given, as they are written."""
        return [self.spelled(name) for name in self.fields if getattr(self, name) and name not in self.others]

    def shared(self) -> dict[str, Any]:
        """The settings of a `TlsConfig` that the options here say; empty if they say none."""
        from netkit.tls.versions import TlsVersion

        made: dict[str, Any] = {}
        only = [TlsVersion.parse(number) for number in self._only()]
        if only:
            made |= {"min_version": only[0], "max_version": only[-1]}
        made |= {
            name: value
            for name in ("min_version", "max_version")
            if (value := getattr(self, name)) is not None
        }
        newest, oldest = made.get("max_version", TlsVersion.Tls13), made.get("min_version", TlsVersion.Tls12)
        if oldest > newest:
            hint = None if "min_version" in made else f"add --min-version {newest.as_str.split()[-1]}"
            raise WrongValue(f"--max-version is older than {oldest.as_str}, the oldest that is spoken", hint)
        suites = [name for text in self.cipher or () for name in listed(text)]
        new = tuple(name for name in suites if is_of_13(name))
        old = ":".join(name for name in suites if not is_of_13(name))
        if new and newest < TlsVersion.Tls13:
            problem = f"{self.spelled('cipher')}: {new[0]} is of TLS 1.3, which is not spoken"
            raise WrongValue(problem, f"{self.spelled('max_version')} says which is the newest")
        if old and oldest >= TlsVersion.Tls13 and "@" not in old:  # which is no suite, and for all versions
            problem = f"{self.spelled('cipher')}: {old} is for TLS 1.2 and older, which is not spoken"
            raise WrongValue(problem, "suites of TLS 1.3 are called as in TLS_AES_128_GCM_SHA256")
        made |= {
            name: value
            for name, value in (
                ("tls13_cipher_suites", new),
                ("cipher_suites", old),
                ("groups", tuple(listed(self.group))),
                ("signature_algorithms", tuple(listed(self.sigalgs))),
                ("backend", self.backend),
                ("key_log", self.key_log),
            )
            if value
        }
        return made

    def usable(self, base: TlsConfig, **made: Any) -> TlsConfig:
        """`base` with the settings `made`, when there is a backend that can honour them.

        Raises WrongValue with the option of the setting that none can, or that is wrong in itself; and
        TlsError for what is a problem of this machine.
        """
        from netkit.tls.backends import prepare
        from netkit.tls.errors import TlsError

        try:
            config = base.replace(**made)
            prepare(config)
        except TlsError.InvalidConfig as error:
            raise self.refused(error) from error
        except TlsError.NoCipherSuites as error:
            if error.fault != "caller":
                raise
            raise WrongValue(f"--cipher: {error}", "`openssl ciphers` lists the names") from error
        return config

    def sending_early(self, config: TlsConfig) -> TlsConfig:
        """`config` with a backend that can send early data. Raises WrongValue where there is none."""
        from netkit.tls.backends import sending_early
        from netkit.tls.errors import TlsError

        try:
            return sending_early(config)
        except TlsError.InvalidConfig as error:
            raise self.refused(error) from error

    def refused(self, error: InvalidConfig) -> WrongValue:
        """The error about a setting, as one about its option."""
        option = self._option(error.setting)
        able: tuple[str, ...] = getattr(error, "backends", ())
        hint = f"write --backend {able[0]}, which can" if able else error.hint
        return WrongValue(error.reason if option is None else f"{option}: {error.reason}", hint)

    def _option(self, setting: str) -> str | None:
        """The option that says the setting: of the versions, the one that was given."""
        only = self._only()
        if setting in ("min_version", "max_version") and only:
            return f"--tls{only[0] if setting == 'min_version' else only[-1]}"
        name = self.names.get(setting)
        return None if name is None or name not in self.fields else self.spelled(name)


def listed(text: str | None) -> list[str]:
    """The words of a list that is separated by colons, as OpenSSL has it, commas or blanks."""
    return (text or "").replace(",", " ").replace(":", " ").split()


def is_of_13(suite: str) -> bool:
    """Whether a cipher suite is one of TLS 1.3: its name says no key exchange (RFC 8446 appendix B.4)."""
    return suite.startswith("TLS_") and "_WITH_" not in suite
