"""dig's +flags: the purpose of each, how its value is read, and its long option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.frame.groups import bundle
from netkit.cli.frame.messages import suggest
from netkit.cli.frame.options import F, File, Number, Option, Seconds, Value, WrongValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click

    from netkit.dns.edns import EdnsOption


# -- values of flags


class Subnet(Value["EdnsOption"]):
    """A client's network for EDNS; `0` discloses no network."""

    name = "subnet"
    form = "write an address and a prefix length, as in 192.0.2.0/24, 2001:db8::/56, or 0 to give none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> EdnsOption:
        from netkit.dns.edns import EdnsOption

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        address, slash, bits = value.partition("/")
        try:
            if value in ("0", "0/0"):
                return EdnsOption.ClientSubnet("0.0.0.0", 0)
            if slash and not (bits.isascii() and bits.isdigit() and len(bits) <= 3):
                raise ValueError(f"{bits!r} is not a prefix length")
            return EdnsOption.ClientSubnet(address, int(bits) if slash else 128 if ":" in address else 32)
        except ValueError as error:
            self.wrong(f"{value!r} is not a subnet: {error}", param, ctx)


class Cookie(Value["EdnsOption"]):
    """A DNS cookie in hexadecimal: the client's eight octets, and the server's part if there is one."""

    name = "hex"
    form = (
        "write 16 hexadecimal digits, and up to 64 more for the server's part; or no value: a random cookie"
    )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> EdnsOption:
        from netkit.dns.edns import EdnsOption

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        try:
            octets = bytes.fromhex(value)
            return EdnsOption.Cookie(octets[:8], octets[8:])
        except ValueError as error:
            self.wrong(f"{value!r} is not a cookie: {error}", param, ctx)


class EdnsOptions(Value["tuple[EdnsOption, ...]"]):
    """Options of EDNS: a number or a name, and octets in hexadecimal; several with commas between them."""

    name = "option"
    form = "write a number or a name, and octets in hexadecimal: 65001:6869, NSID, or several: NSID,65001:00"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[EdnsOption, ...]:
        from netkit.dns.edns import EdnsOption

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        try:
            return tuple([EdnsOption.parse(each) for each in value.split(",")])
        except ValueError as error:
            self.wrong(f"{value!r} is not an option: {error}", param, ctx)


class HttpPath(Value[str]):
    """The path of a server over HTTPS."""

    name = "path"
    form = "write a path, as in /dns-query"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).removesuffix("{?dns}")
        is_plain = text.isascii() and text.isprintable() and not set(text) & set(" ?{#")
        if not text.startswith("/") or not is_plain:
            self.wrong(f"{value!r} is not a path", param, ctx)
        return text


class Pins(Value["tuple[bytes, ...]"]):
    """Hashes of public keys, as in RFC 7858 section 4.2 and kdig."""

    name = "pins"
    form = "write SHA-256 hashes of public keys (SPKI) in base64, with commas between them"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[bytes, ...]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        from binascii import Error, a2b_base64

        try:
            pins = tuple([a2b_base64(each, strict_mode=True) for each in value.split(",")])
        except (Error, ValueError):
            pins = ()
        if not pins or any(len(pin) != 32 for pin in pins):
            self.wrong(f"{value!r} is not a SHA-256 hash in base64", param, ctx)
        return pins


class HostName(Value[str]):
    """The name in a server's certificate."""

    name = "name"
    form = "write a host name, as in dns.example"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.dns.errors import DnsError
        from netkit.dns.name import Name

        try:
            name = Name.parse(str(value))
        except DnsError.InvalidName as error:
            self.wrong(f"{value!r} is not a host name: {error.reason}", param, ctx)
        if not name.is_hostname or name.is_root:
            self.wrong(f"{value!r} is not a host name", param, ctx)
        return name.to_text(omit_final_dot=True)


# -- flags


class Flag(NamedTuple):
    """A `+flag`: its name, its purpose, and how its value is read (None: it is on or off).

    `optional` says that the value may be left out, `off` that `+no` may precede a flag with a value. `long`
    is its long option, if it differs from the name. `adds` says that the flag once more adds to its values.
    """

    name: str
    help: str
    value: Value[Any] | None = None
    metavar: str = ""
    aliases: tuple[str, ...] = ()
    optional: bool = False
    off: bool = False
    long: str = ""
    adds: bool = False

    @property
    def option(self) -> str:
        """The long option without its hyphens."""
        return self.long or self.name

    @property
    def spelled(self) -> str:
        """The flag as the help page shows it."""
        no = "[no]" if self.value is None or self.off else ""
        value = f"[={self.metavar}]" if self.optional else f"={self.metavar}" if self.value else ""
        return f"+{no}{self.name}{value}"


FLAGS = (
    Flag("tcp", "Ask over TCP from the start, as is done for ANY.", aliases=("vc",)),
    Flag("tls", "Ask over TLS (RFC 7858), and verify the server's certificate."),
    Flag("https", "Ask over HTTPS (RFC 8484) with POST. [default path: /dns-query]", HttpPath(), "PATH",
         optional=True, off=True),
    Flag("https-get", "The same with GET.", HttpPath(), "PATH", optional=True, off=True),
    Flag("https-post", "The same as +https.", HttpPath(), "PATH", optional=True, off=True),
    Flag("tls-hostname", "The name that the server's certificate must have. [default: that of @SERVER]",
         HostName(), "NAME", off=True),
    Flag("tls-ca", "Trust the certificates in FILE (PEM), not the system's; without FILE, the system's.",
         File(), "FILE", optional=True, off=True),
    Flag("tls-pin", "The server's certificate must have one of these public keys (SHA-256, base64).", Pins(),
         "HASHES", off=True),
    Flag("ignore", "Accept a truncated answer, instead of asking again over TCP."),
    Flag("recurse", "Ask the server to ask other servers (RD). [default: on]", aliases=("rdflag",)),
    Flag("ad", "Ask whether the answer is authentic (AD). [default: on]", aliases=("adflag",)),
    Flag("cd", "Ask the server not to check DNSSEC (CD).", aliases=("cdflag",)),
    Flag("dnssec", "Ask for DNSSEC records (DO).", aliases=("do",)),
    Flag("edns", "The version of EDNS; +noedns does not use EDNS. [default: 0]", Number(0, 255), "N",
         optional=True, off=True),
    Flag("bufsize", "The largest answer over UDP, in octets. [default: 1232]", Number(0, 65535), "N",
         ("bufsiz",)),
    Flag("nsid", "Ask for the identifier of this server among its replicas (RFC 5001)."),
    Flag("subnet", "Ask on behalf of this client's network (RFC 7871).", Subnet(), "ADDR/LEN", ("client",),
         off=True),
    Flag("cookie", "Send a DNS cookie (RFC 7873), by default a random one.", Cookie(), "HEX", optional=True,
         off=True),
    Flag("ednsopt", "Send these options of EDNS, by number or name; once more adds to them.", EdnsOptions(),
         "CODE[:HEX],...", off=True, adds=True),
    Flag("time", "How long to wait for one answer. [default: 5 seconds]", Seconds(), "SECONDS", ("timeout",)),
    Flag("tries", "How often to ask each server. [default: 3]", Number(1, 100), "N"),
)  # fmt: skip

SHOWN = (
    Flag("all", "Show or hide all parts that have no flag of their own on the command line: +noall +answer."),
    Flag("question", "Show the question."),
    Flag("answer", "Show the answer."),
    Flag("authority", "Show the authority section."),
    Flag("additional", "Show the additional section."),
    Flag("comments", "Show everything except records: status, flags, EDNS, section titles."),
    Flag("stats", "Show server, time and size."),
    Flag("explain", "Show what was asked of whom, over what, what came, and why again."),
    Flag("idnout", "Show names in Unicode where that is safe. [default: at a terminal]"),
    Flag("ttlid", "Show the TTL of records.", aliases=("ttl",), long="show-ttl"),
    Flag("class", "Show the class of records.", aliases=("cl",), long="show-class"),
)

_FLAGS: dict[str, Flag] = {
    name: flag for flag in (*FLAGS, *SHOWN) for name in (flag.name, *flag.aliases)
}  # fmt: skip
RETRY = Flag(
    "retry", "How often to ask each server again; +retry=2 is +tries=3. [default: 2]", Number(0, 99), "N"
)
SHORT = Flag("short", "Only the bare values; --short.")
_FLAGS |= {"retry": RETRY, "short": SHORT}

#: Flags of dig that netkit does not have. Switching off one of the second set has no effect, so it is
#: accepted.
_ABSENT_ON = frozenset(("cmd", "crypto", "split", "fail", "rrcomments"))
_ABSENT = frozenset((
    "aaflag", "aaonly", "besteffort", "badcookie", "defname", "domain", "ednsflags", "ednsnegotiation",
    "expandaaaa", "expire", "header-only", "identify", "idnin", "keepalive", "keepopen",
    "mapped", "multiline", "ndots", "nssearch", "onesoa", "opcode", "padding", "proxy", "qid", "qr",
    "raflag", "search", "showbadcookie", "showbadvers", "showsearch", "tcflag", "trace", "ttlunits",
    "unexpected", "unknownformat", "yaml", "zflag",
))  # fmt: skip
#: Many scripts use `+nocmd`. netkit never prints that line, so the flag has no effect.
NOTHING = Flag("cmd", "")


def flag_rows(flags: Iterable[Flag]) -> list[tuple[str, str]]:
    """Rows for the help page and the manual."""
    return [(flag.spelled, flag.help) for flag in flags]


def read_flag(word: str) -> tuple[Flag, Any]:
    """The flag that `+word` names, and its value (True or False if it is on or off).

    Raises WrongValue for an unknown or ambiguous flag, and for a wrong value.
    """
    name, equals, text = word[1:].partition("=")
    name = name.lower()
    on = not name.startswith("no")
    flag = _find_flag(name if on else name[2:], word, on)
    if flag.value is None:
        if equals and flag is not NOTHING:
            raise WrongValue(f"{word}: +{flag.name} takes no value", f"write +{flag.name} or +no{flag.name}")
        return flag, on
    if not on:
        if not flag.off or equals:
            raise WrongValue(f"{word}: +{flag.name} cannot be switched off", f"write {flag.spelled}")
        return flag, False
    if not equals:
        if not flag.optional:
            raise WrongValue(f"{word}: a value is missing", f"write {flag.spelled}")
        return flag, True
    try:
        value = flag.value.convert(text, None, None)
    except WrongValue as error:
        raise WrongValue(f"{word}: {error.message}", error.hint) from None
    return (_FLAGS["tries"], value + 1) if flag is RETRY else (flag, value)


def _find_flag(name: str, word: str, on: bool) -> Flag:
    if name in _FLAGS:
        return _FLAGS[name]
    absent = _ABSENT | _ABSENT_ON
    close = {known for known in (*_FLAGS, *absent) if known.startswith(name)} if name else set()
    if name in absent:
        close = {name}
    found = {_FLAGS[known].name if known in _FLAGS else known for known in close}
    if len(found) == 1:
        only = found.pop()
        if only in _FLAGS:
            return _FLAGS[only]
        if only == "cmd" or (not on and only in _ABSENT):
            return NOTHING
        raise WrongValue(
            f"{word}: BIND's dig has this flag, netkit dig does not",
            "`netkit dig --help` lists the flags there are",
        )
    if found:
        raise WrongValue(
            f"{word} could be {_either([f'+{each}' for each in sorted(found)])}", "write more letters of it"
        )
    no = "" if on else "no"
    hint = suggest(f"+{no}{name}", [f"+{no}{known}" for known in _FLAGS])
    raise WrongValue(f"there is no flag {word}", hint or "`netkit dig --help` lists the flags there are")


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def flag_options(function: F) -> F:
    """Add the long option of each flag; the function gets the given ones as `flags`, by name."""
    made = []
    for title, flags in (("Showing", SHOWN), ("Asking", FLAGS)):
        for each in flags:
            shown = flags is SHOWN
            made += [Option(names, section=title, for_show=shown, **how) for names, how in _options_of(each)]
    return bundle(function, "flags", made, _flags_of)


def _options_of(flag: Flag) -> list[tuple[list[str], dict[str, Any]]]:
    dest, long = f"flag_{flag.name.replace('-', '_')}", flag.option
    if flag.value is None:
        return [([f"--{long}/--no-{long}", dest], {"default": None, "help": flag.help})]
    how: dict[str, Any] = {"type": flag.value, "metavar": flag.metavar, "help": flag.help}
    made: list[tuple[list[str], dict[str, Any]]] = [([f"--{long}", dest], how)]
    if flag.adds:
        how["multiple"] = True
    if flag.optional:
        # The option may be given without a value. `rewrite` ensures that only text after an equals sign is
        # one.
        how |= {"is_flag": False, "flag_value": _ALONE, "metavar": f"[={flag.metavar}]"}
        how["type"] = _Optional(flag.value)
    if flag.off:
        made.append(
            ([f"--no-{long}", f"no_{dest}"], {"is_flag": True, "help": f"Ask without: +no{flag.name}."})
        )
    return made


_ALONE = ""


class _Optional(Value[Any]):
    """A value that may be missing: then it is True."""

    def __init__(self, inner: Value[Any]) -> None:
        self.inner = inner
        self.name = inner.name
        self.form = inner.form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return True if value in (_ALONE, True) else self.inner.convert(value, param, ctx)


def _flags_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given as long options, by name."""
    given = {}
    for name, value in params.items():
        if name.startswith("flag_") and value not in (None, ()):
            flag = name.removeprefix("flag_").replace("_", "-")
            given[flag] = [each for part in value for each in part] if _FLAGS[flag].adds else value
        elif name.startswith("no_flag_") and value:
            given[name.removeprefix("no_flag_").replace("_", "-")] = False
    return given
