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

from netkit.cli.commands.dig.grammar.flags import read_flag
from netkit.cli.commands.dig.grammar.flags_showing import NOTHING, SHORT, WHOLE
from netkit.cli.commands.dig.grammar.line_options import TAKES_VALUE, line_flags
from netkit.cli.commands.dig.grammar.mistakes import check_url
from netkit.cli.commands.dig.grammar.mnemonics import (
    class_or_none,
    close_type,
    parse_class,
    parse_serial,
    parse_type,
    type_or_none,
)
from netkit.cli.commands.dig.grammar.secrets import shown_line
from netkit.cli.commands.dig.grammar.watch_options import join_servers
from netkit.cli.commands.dig.servers import Server, check_transport, parse_server
from netkit.cli.frame.options import WrongValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn

    from netkit.cli.payload.dns.tls import DnsTlsOptions
    from netkit.dns.constants import DnsClass, DnsRecordType
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name

USAGE = "[@SERVER] NAME [TYPE] [CLASS] [+FLAGS] [OPTIONS] [NAME ...]"
FORM = "write netkit dig [@SERVER] NAME [TYPE], as in: netkit dig @192.0.2.53 www.example.com AAAA"


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


#: What `+noshort` leaves among the options: the last one of it and `--short` decides.
NO_SHORT = "+noshort"
#: Short options of dig that have no effect here, and none in BIND's dig but on what it costs: -i and -n chose
#: the form of IPv6 addresses in names, -m counts memory.
_IDLE = frozenset(("-i", "-n", "-m"))
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
            if word.startswith("-tsig"):
                raise WrongValue(f"there is no option {word.partition('=')[0]}", "--tsig-key")
            option, value = _split_option(word)
            kind = _WORD_OPTIONS.get(option)
            if kind is not None:
                if value is None:
                    value = rest.pop() if rest else _missing(option, kind)
                spelled = spelled or kind in ("type", "class")
                (_add if kind in ("type", "class") else _open)(found, kind, value)
            elif option not in _IDLE:
                option = "--output" if option == "-o" else option
                if option == "--compare":
                    value = join_servers(value or (rest.pop() if rest else _missing(option, "option")), rest)
                found.options.append(option if value is None else _joined(option, value))
                if value is None and takes_value.get(option):
                    found.options.append(rest.pop() if rest else _missing(option, "option"))
        elif not spelled and type_or_none(word) is not None:
            _add(found, "type", word)
        elif not spelled and class_or_none(word) is not None:
            _add(found, "class", word)
        else:
            check_url(word, FORM)
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
        value = parse_class(text)
        # ANY is a type too: the query as text says which of the two it is.
        text = text.upper() if type_or_none(text) is None else f"CLASS{int(value)}"
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
                kinds = "classes" if kind == "class" else f"{kind}s"
                raise WrongValue(f"two {kinds} for one query, {word.text} and {text}", hint)
    here.append(Word(kind, text, value))


def _add_flag(found: Words, word: str) -> None:
    _check_blanks(word)
    flag, value = read_flag(word)
    if flag is SHORT:
        found.options.append("--short" if value else NO_SHORT)
    elif flag in WHOLE:
        names = (f"--{flag.option}", f"--no-{flag.option}")
        found.options[:] = [each for each in found.options if each not in names]
        found.options.append(names[not value])
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
    if kind == "name":
        text = _BLANK.sub(_without_blank, text)
    _check_blanks(text)
    written = text
    if kind == "reverse":
        written = f"-x {text}"
    elif text[:1] in ("@", "+", "-", "#", ";") or "://" in text or type_or_none(text) or class_or_none(text):
        written = f"-q {text}"
    found.queries.append([Word(kind, written, text)])


#: A character behind a backslash, which may be a backslash too.
_BLANK = re.compile(r"\\(\D)")


def _without_blank(escape: re.Match[str]) -> str:
    return "\\032" if escape[1] == " " else escape[0]


def _check_blanks(text: str) -> None:
    if not text:
        raise WrongValue("an empty word", FORM)
    if text.split() != [text]:
        raise WrongValue(f"{text!r} has a blank in it", "a blank in a name is written \\032")


def _check_second_name(found: Words, word: str) -> None:
    """Refuse a word that is probably a mistyped type, not another name."""
    if word.upper().startswith(("TYPE", "CLASS")) and word[4:].lstrip("sS").isdigit():
        (parse_type if word[0] in "tT" else parse_class)(word)
    before = _here(found)
    if before is found.shared or "." in word or "\\" in word:
        return
    if not any(each.kind in ("type", "reverse") for each in (*found.shared, *before)):
        option = "-t" if type_or_none(word) is not None else "-c" if class_or_none(word) is not None else None
        if option is not None:
            hint = f"write {option} {word}; another name is written {word}. or -q {word}"
            raise WrongValue(f"{word!r} is a name, as any word without an option is beside -t and -c", hint)
        hint = close_type(word) or f"another name is written {word}. or -q {word}"
        raise WrongValue(f"{word!r} is not a record type", hint)


# -- queries


#: The types AXFR and IXFR by their numbers: their answers are transfers of zones.
_TRANSFERS = (252, 251)


class Query(NamedTuple):
    """A question, its servers and its flags: `servers` may be empty, `flags` has only the given ones.

    `relative` is the name as it was written, for a search list; None if it is of an address. `serial` is the
    one of `IXFR=SERIAL`. `text` is the query in its one form as text, without secrets.
    """

    name: Name
    rdtype: DnsRecordType
    rdclass: DnsClass
    servers: tuple[Server, ...]
    flags: Mapping[str, Any]
    relative: str | None = None
    serial: int | None = None
    text: str = ""

    @property
    def is_transfer(self) -> bool:
        """Whether it asks for a zone, AXFR or IXFR, which is an answer of many messages."""
        return self.rdtype in _TRANSFERS

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
    serial: int | None = None

    def parse(self, text: str) -> Query:
        """Parse a query, `www.example.com MX +tcp`. Raises WrongValue and DnsError.InvalidName."""
        found = read_words(text.split(), TAKES_VALUE)
        if len(found.queries) != 1:
            what = "two names in one query" if found.queries else "a name is missing"
            raise WrongValue(f"{what}: {shown_line(text)!r}", "a line is NAME [TYPE] [CLASS] [+flags]")
        own = line_flags(found.options, has_proxy=self.how is not None and self.how.proxy is not None)
        query = self._query([*found.shared, *found.queries[0]], own)
        return query._replace(text=shown_line(text))

    def _query(self, words: Iterable[Word], options: Mapping[str, Any]) -> Query:
        from netkit.dns.constants import DnsClass, DnsRecordType
        from netkit.dns.name import Name

        rdtype, rdclass, serial = self.rdtype, self.rdclass, self.serial
        servers: list[Server] = []
        flags = {**self.flags, **options}
        name: Name = Name.root
        relative: str | None = None
        for kind, text, value in words:
            if kind == "server":
                servers.append(value)
            elif kind == "flag":
                flag, given = value
                flags[flag.name] = [*(flags.get(flag.name) or ()), *given] if flag.adds and given else given
            elif kind == "type":
                rdtype, serial = value, parse_serial(text)
            elif kind == "class":
                rdclass = value
            elif kind == "name":
                relative = value
            elif kind == "reverse":
                name = parse_reverse(value)
                rdtype = DnsRecordType.PTR if rdtype is None else rdtype
            else:
                raise WrongValue(f"{text!r} is not a name", FORM)
        if relative is not None:
            if flags.get("idnin") is False:
                relative = _octets(relative)
            name = Name.parse(relative)
        check_edns(flags)
        if flags.get("yaml") and flags.get("json"):
            raise WrongValue("+yaml contradicts +json", "leave one of the two out")
        asked = tuple(servers) or self.servers
        # Type and class 0 are false.
        rdtype = DnsRecordType.A if rdtype is None else rdtype
        rdclass = DnsClass.IN if rdclass is None else rdclass
        query = Query(name, rdtype, rdclass, asked, flags, relative, serial)
        if query.is_transfer:
            check_transfer(rdtype, flags)
        by_tcp = query.is_transfer or rdtype == DnsRecordType.ANY
        check_transport(asked, flags, self.how, is_any=by_tcp, is_transfer=query.is_transfer)
        return query


def _octets(name: str) -> str:
    """A name in Unicode with its octets in UTF-8, in the escapes of RFC 4343 section 2.1: not as IDNA."""
    return "".join(
        [chr(each) if each < 128 else f"\\{each:03}" for each in name.encode("utf-8", "surrogateescape")]
    )


#: Flags that say what EDNS carries.
_NEED_EDNS = (
    "dnssec", "nsid", "subnet", "cookie", "ednsopt", "bufsize", "ednsflags", "coflag", "expire", "keepalive",
    "padding",
)  # fmt: skip


#: Flags about one query, and the one message that answers it.
_OF_ONE_MESSAGE = ("trace", "nssearch", "opcode", "header-only")


def check_transfer(rdtype: DnsRecordType, flags: Mapping[str, Any]) -> None:
    """Raise WrongValue if a zone is asked for with a flag that is about an answer of one message."""
    for name in _OF_ONE_MESSAGE:
        if flags.get(name):
            raise WrongValue(
                f"+{name} does not go with {rdtype}: the answer has many messages",
                "leave it out; --json has a line for each record",
            )


def check_edns(flags: Mapping[str, Any]) -> None:
    """Raise WrongValue if +noedns is given together with a flag that needs EDNS."""
    if flags.get("edns") is False:
        for name in _NEED_EDNS:
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
