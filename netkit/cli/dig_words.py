"""dig's grammar: `@server name type class +flags`, in any order, and what each flag is as a long option.

`rewrite` turns the words of a hand that knows dig into long options before click sees them; `questions`
makes of the words that are left the questions they stand for. Flags may be cut short where that is
unambiguous (`+rec`, `+noall`), as in dig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.cli.messages import suggest
from netkit.cli.options import WrongValue
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.message import Question
from netkit.dns.name import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECTIONS = ("comments", "question", "answer", "authority", "additional", "stats")
_SHOWN = frozenset(SECTIONS)


class Flag(NamedTuple):
    """A `+flag`: the long option it is, the one that `+noflag` is, and whether it takes `=VALUE`."""

    on: str | None
    off: str | None = None
    value: bool = False
    help: str = ""


FLAGS: dict[str, Flag] = {
    "tcp": Flag("--tcp", "--no-tcp", help="Ask over TCP from the start."),
    "vc": Flag("--tcp", "--no-tcp"),
    "recurse": Flag("--recurse", "--no-recurse", help="Ask for recursion (RD); on unless +norecurse."),
    "rdflag": Flag("--recurse", "--no-recurse"),
    "short": Flag("--short", help="The bare values, one a line."),
    "dnssec": Flag("--dnssec", "--no-dnssec", help="Ask for DNSSEC records (DO)."),
    "do": Flag("--dnssec", "--no-dnssec"),
    "cdflag": Flag("--checking-disabled", "--no-checking-disabled", help="Ask not to validate (CD)."),
    "cd": Flag("--checking-disabled", "--no-checking-disabled"),
    "adflag": Flag("--authentic-data", "--no-authentic-data", help="Ask to be told of validation (AD)."),
    "ad": Flag("--authentic-data", "--no-authentic-data"),
    "edns": Flag("--edns", "--no-edns", True, "EDNS version, 0 unless said; +noedns for none."),
    "bufsize": Flag("--bufsize", None, True, "The largest UDP answer to take, in octets."),
    "time": Flag("--try-timeout", None, True, "Seconds to wait for one answer."),
    "timeout": Flag("--try-timeout", None, True),
    "tries": Flag("--tries", None, True, "How often to ask each server."),
    "retry": Flag("--retry", None, True, "How often to ask again: tries less one."),
    "ignore": Flag("--ignore-truncation", "--no-ignore-truncation", help="Take a truncated answer as it is."),
    "nsid": Flag("--nsid", "--no-nsid", help="Ask which server it is (RFC 5001)."),
    "subnet": Flag("--subnet", None, True, "Ask on behalf of ADDR/LENGTH (RFC 7871)."),
    "cookie": Flag(
        "--cookie", "--no-cookie", True, "Send a DNS cookie (RFC 7873), one of its own unless said."
    ),
    "ttlid": Flag("--ttl", "--no-ttl", help="Show TTLs; on unless +nottlid."),
    "ttl": Flag("--ttl", "--no-ttl"),
    "cmd": Flag(None),  # dig's line about itself, which is never here
    "all": Flag(None, help="Show every section; +noall for none."),
    **{section: Flag(None, help=f"Show the {section}.") for section in SECTIONS},
}

#: Flags of dig that may stand without the `=VALUE` that they can take.
_BARE = frozenset(("edns", "cookie"))


def rewrite(args: list[str]) -> list[str]:
    """The arguments with `@server` and `+flags` written as long options."""
    rewritten: list[str] = []
    shown: set[str] | None = None
    for position, arg in enumerate(args):
        if arg == "--":
            rewritten += args[position:]
            break
        if len(arg) > 1 and arg.startswith("@"):
            rewritten += ["--server", arg[1:]]
        elif len(arg) > 1 and arg.startswith("+"):
            name, on, value = _flag(arg)
            if name == "all":
                shown = set(_SHOWN) if on else set()
            elif name in _SHOWN:
                shown = set(_SHOWN) if shown is None else shown
                shown = shown | {name} if on else shown - {name}
            else:
                rewritten += _options(name, on, value, arg)
        else:
            rewritten.append(arg)
    if shown is not None:
        rewritten = ["--show", ",".join(section for section in SECTIONS if section in shown), *rewritten]
    return rewritten


def _flag(arg: str) -> tuple[str, bool, str | None]:
    """The name of a flag written out in full, whether it is on, and its value."""
    word, equals, value = arg[1:].partition("=")
    name, on = _full(word), True
    if name is None and word.startswith("no"):
        name, on = _full(word[2:]), False
    if name is None:
        close = suggest(word, [*FLAGS, *(f"no{flag}" for flag in FLAGS)])
        hint = close.replace("did you mean ", "did you mean +") if close else "netkit dig --help lists them"
        raise WrongValue(f"there is no flag +{word}", hint)
    return name, on, value if equals else None


def _full(word: str) -> str | None:
    """The flag that `word` is, or is the beginning of, if it is only one."""
    word = word.lower()
    if word in FLAGS:
        return word
    begun = {FLAGS[flag]: flag for flag in FLAGS if flag.startswith(word)} if word else {}
    return next(iter(begun.values())) if len(begun) == 1 else None


def _options(name: str, on: bool, value: str | None, arg: str) -> list[str]:
    flag = FLAGS[name]
    if not on:
        if value is not None or (flag.off is None and flag.on is not None and name != "short"):
            raise WrongValue(f"{arg} cannot be", f"write +{name}{'=VALUE' if flag.value else ''}")
        return [flag.off] if flag.off is not None else []
    if flag.on is None:
        return []
    if value is not None and not flag.value:
        raise WrongValue(f"+{name} takes no value", f"write +{name} or +no{name}")
    if not flag.value:
        return [flag.on]
    if value is None:
        if name not in _BARE:
            raise WrongValue(f"+{name} needs a value", f"write +{name}=VALUE")
        return [flag.on, "0" if name == "edns" else "new"]
    return [flag.on, value]


class Asked(NamedTuple):
    """A question as it was put: its text, which names the row, and what it asks."""

    text: str
    question: Question


def questions(
    words: Sequence[str],
    *,
    names: Iterable[str] = (),
    reverse: Iterable[str] = (),
    rdtype: str | None = None,
    rdclass: str | None = None,
) -> list[str]:
    """The questions that the words on a command line stand for, each as `NAME TYPE CLASS`.

    A word that is a type or a class belongs to the name before it (or, before any name, to the first); any
    other begins a new question. Without a name it is the root; without anything, the root's servers, as
    dig has it. `names` and `reverse` are what -q and -x gave, which is never taken for a type.
    """
    found: list[list[str | None]] = [[name, None, None] for name in names]
    found += [[str(_reverse(address)), rdtype or "PTR", rdclass] for address in reverse]
    pending: list[str | None] = [None, rdtype, rdclass]
    for word in words:
        slot = _slot(word)
        if slot is None:
            if found and found[-1][1] is None and word.isalnum() and word.isupper():
                # A name could be written like this; after a name it is a type that does not exist.
                hint = f"{_close_types(word)} (or -q {word}, if that is a name)"
                raise WrongValue(f"there is no record type {word!r}", hint)
            found.append([word, None, None])
            continue
        target = found[-1] if found else pending
        if target[slot] is not None and target is not pending:
            raise WrongValue(f"{word!r} is one {'type' if slot == 1 else 'class'} too many",
                             f"write NAME TYPE, or -q {word} for a name that looks like a type")  # fmt: skip
        target[slot] = word
    if not found:
        found.append([".", None if pending[1] else "NS", None])
    texts = []
    for name, kind, which in found:
        kind, which = kind or pending[1] or "A", which or pending[2] or "IN"
        texts.append(f"{name} {kind.upper()}" + ("" if which.upper() == "IN" else f" {which.upper()}"))
    return texts


def parse_question(text: str) -> Asked:
    """The question of `NAME [TYPE] [CLASS]`, or `-x ADDRESS`: an argument, or a line of a file.

    Raises DnsError.InvalidName, and WrongValue for a type that there is not.
    """
    words = text.split()
    if words[:1] == ["-x"] and len(words) == 2:
        return Asked(text, Question(_reverse(words[1]), DnsRecordType.PTR))
    if not words or len(words) > 3:
        raise WrongValue(f"{text!r} is not a question", "write NAME [TYPE] [CLASS], as in example.com MX")
    name, *rest = words
    rdtype, rdclass = DnsRecordType.A, DnsClass.IN
    for word in rest:
        slot = _slot(word)
        if slot is None:
            raise WrongValue(f"there is no record type {word!r}", _close_types(word))
        if slot == 1:
            rdtype = DnsRecordType.parse(word)
        else:
            rdclass = DnsClass.parse(word)
    return Asked(text, Question(Name.parse(name), rdtype, rdclass))


def check_type(word: str) -> str:
    """`word` if it is a record type's mnemonic. Raises WrongValue that names close ones."""
    if _slot(word) != 1:
        raise WrongValue(f"there is no record type {word!r}", _close_types(word))
    return word


def check_class(word: str) -> str:
    """`word` if it is a class. Raises WrongValue."""
    try:
        DnsClass.parse(word)
    except DnsError:
        raise WrongValue(f"there is no class {word!r}", "write IN, CH, HS or CLASS and a number") from None
    return word


def _slot(word: str) -> int | None:
    """1 if the word is a record type, 2 if it is a class, else None."""
    try:
        DnsRecordType.parse(word)
    except DnsError:
        pass
    else:
        return 1
    try:
        DnsClass.parse(word)
    except DnsError:
        return None
    return 2


def _close_types(word: str) -> str:
    known = [str(member) for member in DnsRecordType._members.values()]
    return suggest(word.upper(), known) or "write a mnemonic such as A, AAAA or MX, or TYPE and a number"


def _reverse(address: str) -> Name:
    from netkit.addr import AddrParseError

    try:
        return Name.reverse(address)
    except AddrParseError as error:
        hint = "write an address, as in -x 192.0.2.1 or -x 2001:db8::1"
        raise WrongValue(f"-x {address}: {error.reason}", hint) from None
