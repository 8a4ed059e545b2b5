"""dig's grammar: makes queries from the words of a command line, and from a line of a file.

    [@SERVER] NAME [TYPE] [CLASS] [+flags]     in any order, except that words after a name belong to it

The rules are those of BIND's dig. Words before the first name apply to every query; words after a name apply
to that name. A word that is spelled like a type or class is one; `-q`, `-t`, `-c` and `-x` say what a word
is. Flags may be shortened if they stay unambiguous. There is one difference: after a name without a type, a
word without a dot is taken for a mistyped type, not for a second name, unless it is written `name.` or `-q
name`.

A query has one form as text (`www.example.com MX +tcp`), which is also the form of a line in a file. So one
function reads both, and the inputs for netkit.cli.frame.inputs are these texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.commands.dig.flags import NOTHING, SHORT, read_flag
from netkit.cli.commands.dig.servers import Server, check_transport, parse_server
from netkit.cli.frame.messages import suggest
from netkit.cli.frame.options import WrongValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn

    from netkit.cli.payload.dns_tls import DnsTlsOptions
    from netkit.dns.constants import DnsClass, DnsRecordType
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name

USAGE = "[@SERVER] NAME [TYPE] [CLASS] [+FLAGS] [OPTIONS] [NAME ...]"
FORM = "write netkit dig [@SERVER] NAME [TYPE], as in: netkit dig @192.0.2.53 www.example.com AAAA"

#: Second mnemonics of classes.
_CLASS_ALIASES = {"CHAOS": "CH", "HESIOD": "HS"}


class Word(NamedTuple):
    """A word of a query: `kind` is server, flag, type, class, name or reverse; `text` is its written form."""

    kind: str
    text: str
    value: Any


class Words(NamedTuple):
    """The parts of a command line: `options` for click, the words for all queries, and those of each
    query."""

    options: list[str]
    shared: list[Word]
    queries: list[list[Word]]


#: Types that have a mnemonic and cannot be asked for here.
_NOT_ASKED = frozenset(("AXFR", "IXFR", "OPT", "TSIG"))
#: Short options of dig that have no effect here (netkit reads no .digrc, and shows one unit of time).
_IDLE = frozenset(("-r", "-i", "-u", "-m"))
_WORD_OPTIONS = {"-t": "type", "-c": "class", "-q": "name", "-x": "reverse"}
_WORD_OPTIONS |= {"--type": "type", "--class": "class", "--name": "name", "--reverse": "reverse"}


def read_words(words: Sequence[str], takes_value: Mapping[str, bool]) -> Words:
    """Divide the words of a command line, or of a line in a file, into their kinds.

    `takes_value` are click's options, and whether a value follows each. Raises WrongValue.
    """
    found = Words([], [], [])
    rest = list(reversed(words))
    spelled = False  # True after -t or -c: then words without an option are names
    while rest:
        word = rest.pop()
        if word == "--":
            while rest:
                _open(found, "name", rest.pop())
        elif word.startswith("@"):
            _add(found, "server", word)
        elif word.startswith("+"):
            _add_flag(found, word)
        elif word == "-":
            found.queries.append([Word("stdin", "-", None)])
        elif word.startswith("-"):
            if word.startswith(("-type=", "-query=", "-querytype=")):  # nslookup's
                raise WrongValue(f"there is no option {word}", f"write {word.partition('=')[2]}, or -t TYPE")
            option, value = _split_option(word)
            kind = _WORD_OPTIONS.get(option)
            if kind is not None:
                if value is None:
                    value = rest.pop() if rest else _missing(option, kind)
                spelled = spelled or kind in ("type", "class")
                (_add if kind in ("type", "class") else _open)(found, kind, value)
            elif option not in _IDLE:
                option = "--output" if option == "-o" else option
                found.options.append(option if value is None else _joined(option, value))
                if value is None and takes_value.get(option):
                    found.options.append(rest.pop() if rest else _missing(option, "option"))
        elif not spelled and _type_or_none(word) is not None:
            _add(found, "type", word)
        elif not spelled and _class_or_none(word) is not None:
            _add(found, "class", word)
        else:
            _check_url(word)
            _check_second_name(found, word)
            _open(found, "name", word)
    return found


def _split_option(word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        option, equals, value = word.partition("=")
        return option, value if equals else None
    return word[:2], word[2:] or None


def _joined(option: str, value: str) -> str:
    return f"{option}={value}" if option.startswith("--") else f"{option}{value}"


def _missing(option: str, kind: str) -> NoReturn:
    forms = {
        "type": "write a record type, as in -t MX",
        "class": "write a class, as in -c CH",
        "name": "write a name, as in -q www.example.com",
        "reverse": "write an address, as in -x 192.0.2.1",
    }
    raise WrongValue(f"{option}: a value is missing", forms.get(kind))


def _add(found: Words, kind: str, text: str) -> None:
    """Add a word to the current query, or to the words for all queries."""
    value: object
    if kind == "type":
        value, text = parse_type(text), text.upper()
    elif kind == "class":
        value, text = parse_class(text), text.upper()
    else:
        value = parse_server(text[1:])
        _check_blanks(text)
    here = _here(found)
    if kind != "server":
        for word in here:
            if word.kind == kind and word.value != value:
                hint = (
                    f"for a name that is also a {kind}, write {word.text.lower()}. or -q {word.text.lower()}"
                )
                raise WrongValue(f"two {kind}s for one query, {word.text} and {text}", hint)
    here.append(Word(kind, text, value))


def _add_flag(found: Words, word: str) -> None:
    _check_blanks(word)
    flag, value = read_flag(word)
    if flag is SHORT:
        found.options[:] = [each for each in found.options if each != "--short"]  # the last one decides
        found.options.extend(["--short"] if value else [])
    elif flag is not NOTHING:
        # Keep the value as it was written, so that messages show the line as its author wrote it.
        equals, text = word.partition("=")[1:]
        if flag.name == "tries":
            text = str(value)  # +retry was converted to +tries
        no = "no" if value is False else ""
        _here(found).append(Word("flag", f"+{no}{flag.name}{equals}{text}", (flag, value)))


def _here(found: Words) -> list[Word]:
    """The list that a word belongs to: the query of the last name, or all queries if there is no name yet."""
    if found.queries and found.queries[-1][0].kind != "stdin":
        return found.queries[-1]
    return found.shared


def _open(found: Words, kind: str, text: str) -> None:
    """Begin a query with its name."""
    _check_blanks(text)
    written = text
    if kind == "reverse":
        written = f"-x {text}"
    elif (
        text[:1] in ("@", "+", "-", "#", ";") or "://" in text or _type_or_none(text) or _class_or_none(text)
    ):
        written = f"-q {text}"
    found.queries.append([Word(kind, written, text)])


def _check_blanks(text: str) -> None:
    if not text:
        raise WrongValue("an empty word", FORM)
    if text.split() != [text]:
        raise WrongValue(f"{text!r} has a blank in it", "a blank in a name is written \\032")


def _check_url(word: str) -> None:
    """Refuse a URL: what was meant is the name in it. It is not repeated: there may be a password in it."""
    scheme, separator, rest = word.partition("://")
    if not (separator and scheme.isalpha()):
        return
    host = re.split(r"[/?#]", rest)[0].rpartition("@")[2]
    bracketed = host.startswith("[")
    host = f"-x {host[1:].partition(']')[0]}" if bracketed else host.partition(":")[0]
    raise WrongValue("a URL is not a name", f"did you mean netkit dig {host}?" if host else FORM)


def _check_second_name(found: Words, word: str) -> None:
    """Refuse a word that is probably a mistyped type, not another name."""
    if word.upper().startswith(("TYPE", "CLASS")) and word[4:].lstrip("sS").isdigit():
        parse_type(word)
    before = _here(found)
    if before is found.shared or "." in word or "\\" in word:
        return
    if not any(each.kind in ("type", "reverse") for each in (*found.shared, *before)):
        hint = _close_type(word) or f"another name is written {word}. or -q {word}"
        raise WrongValue(f"{word!r} is not a record type", hint)


def _close_type(word: str) -> str | None:
    from netkit.dns.constants import DnsRecordType

    return suggest(word.upper(), list(DnsRecordType._mnemonics.values()))


def _type_or_none(text: str) -> DnsRecordType | None:
    from netkit.dns.constants import DnsRecordType
    from netkit.dns.errors import DnsError

    if text.lower().startswith("ixfr="):
        return DnsRecordType.IXFR
    try:
        return DnsRecordType.parse(text)
    except DnsError.InvalidValue:
        return None


def _class_or_none(text: str) -> DnsClass | None:
    from netkit.dns.constants import DnsClass
    from netkit.dns.errors import DnsError

    try:
        return DnsClass.parse(_CLASS_ALIASES.get(text.upper(), text))
    except DnsError.InvalidValue:
        return None


def type_names() -> list[str]:
    """The record types that can be asked for by name."""
    from netkit.dns.constants import DnsRecordType

    return sorted(name for name in DnsRecordType._mnemonics.values() if name not in _NOT_ASKED)


def class_names() -> list[str]:
    """The classes that can be asked for by name."""
    from netkit.dns.constants import DnsClass

    return sorted({*DnsClass._mnemonics.values(), *_CLASS_ALIASES} - {"NONE"})


def parse_type(text: str) -> DnsRecordType:
    """The record type that `text` names. Raises WrongValue."""
    found = _type_or_none(text)
    if found is None:
        hint = _close_type(text) or "write a mnemonic, as in AAAA, or TYPE and a number up to 65535"
        raise WrongValue(f"{text!r} is not a record type", hint)
    if str(found) in ("AXFR", "IXFR"):
        raise WrongValue(
            f"{text}: zone transfers are not supported yet", "ask for single records, or use BIND's dig"
        )
    return found


def parse_class(text: str) -> DnsClass:
    """The class that `text` names. Raises WrongValue."""
    found = _class_or_none(text)
    if found is None:
        raise WrongValue(
            f"{text!r} is not a class", "write IN, CH, HS, ANY, or CLASS and a number up to 65535"
        )
    return found


def doubt(text: str) -> tuple[str, str] | None:
    """What is odd about a query (in its one form as text) that can be asked all the same, and what may
    have been meant."""
    word = text.partition(" ")[0]
    if word.startswith("-") or not (":" in word or word[-1:].isdigit()):
        return None
    from netkit.addr import AddrParseError, HostPort

    try:
        endpoint = HostPort.parse(word, 0)
    except AddrParseError:
        return None
    if not isinstance(endpoint.host, str):
        return f"{word} is asked for as a name, and is an address", f"netkit dig -x {endpoint.host}"
    if endpoint.port:
        return f"{word} is asked for with the port in the name", f"netkit dig {endpoint.host}"
    return None


# -- queries


class Query(NamedTuple):
    """A question, its servers and its flags: `servers` may be empty, `flags` has only the given ones."""

    name: Name
    rdtype: DnsRecordType
    rdclass: DnsClass
    servers: tuple[Server, ...]
    flags: Mapping[str, Any]

    @property
    def question(self) -> Question:
        """The question, without servers and flags."""
        from netkit.dns.messages.message import Question

        return Question(self.name, self.rdtype, self.rdclass)


class Defaults(NamedTuple):
    """The default settings of queries."""

    rdtype: DnsRecordType | None = None
    rdclass: DnsClass | None = None
    servers: tuple[Server, ...] = ()
    flags: Mapping[str, Any] = {}
    how: DnsTlsOptions | None = None

    def parse(self, text: str) -> Query:
        """Parse a query, `www.example.com MX +tcp`. Raises WrongValue and DnsError.InvalidName."""
        found = read_words(text.split(), {})
        if found.options:
            raise WrongValue(f"{found.options[0]} belongs on the command line", FORM)
        if len(found.queries) != 1:
            what = "two names in one query" if found.queries else "a name is missing"
            raise WrongValue(f"{what}: {text!r}", "a line is NAME [TYPE] [CLASS] [+flags]")
        return self._query([*found.shared, *found.queries[0]])

    def _query(self, words: Iterable[Word]) -> Query:
        from netkit.dns.constants import DnsClass, DnsRecordType
        from netkit.dns.name import Name

        rdtype, rdclass = self.rdtype, self.rdclass
        servers: list[Server] = []
        flags = dict(self.flags)
        name: Name = Name.root
        for kind, text, value in words:
            if kind == "server":
                servers.append(value)
            elif kind == "flag":
                flag, given = value
                flags[flag.name] = [*(flags.get(flag.name) or ()), *given] if flag.adds and given else given
            elif kind == "type":
                rdtype = value
            elif kind == "class":
                rdclass = value
            elif kind == "name":
                name = Name.parse(value)
            elif kind == "reverse":
                name = parse_reverse(value)
                rdtype = rdtype or DnsRecordType.PTR
            else:
                raise WrongValue(f"{text!r} is not a name", FORM)
        check_edns(flags)
        asked = tuple(servers) or self.servers
        rdtype = rdtype or DnsRecordType.A
        check_transport(asked, flags, self.how, is_any=rdtype == DnsRecordType.ANY)
        return Query(name, rdtype, rdclass or DnsClass.IN, asked, flags)


def check_edns(flags: Mapping[str, Any]) -> None:
    """Raise WrongValue if +noedns is given together with a flag that needs EDNS."""
    if flags.get("edns") is False:
        for name in ("dnssec", "nsid", "subnet", "cookie", "ednsopt", "bufsize"):
            if flags.get(name):
                raise WrongValue(f"+noedns contradicts +{name}, which needs EDNS", "leave one of the two out")


def parse_reverse(text: str) -> Name:
    """The name that is asked for the names of an address, or of a network that ends at an octet.

    Raises WrongValue.
    """
    from netkit.addr import AddrParseError
    from netkit.dns.errors import DnsError
    from netkit.dns.name import Name

    try:
        return Name.reverse(text)
    except AddrParseError as error:
        try:
            return Name.reverse_network(text)
        except DnsError.InvalidName:
            form = "write an IP address, as in -x 192.0.2.1 or -x 2001:db8::1"
            raise WrongValue(f"{text!r} is not an address: {error.reason}", form) from None
