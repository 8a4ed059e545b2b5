"""`netkit dig`: ask name servers, with the grammar a hand already knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

import click

from netkit.cli import inputs
from netkit.cli.command import Run, Section, command
from netkit.cli.dig_words import (
    FLAGS,
    SECTIONS,
    Asked,
    check_class,
    check_type,
    parse_question,
    questions,
    rewrite,
)
from netkit.cli.exits import Exit
from netkit.cli.options import FILE, HOST, Address, Number, Port, Seconds, Value, WrongValue, option
from netkit.cli.output import Column, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.addr import IpAddr, SocketAddr
    from netkit.cli.context import Environment
    from netkit.cli.inputs import Inputs
    from netkit.cli.output import Line
    from netkit.dns.edns import Edns, EdnsOption
    from netkit.dns.exchange import QueryOptions
    from netkit.dns.message import Message
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply
    from netkit.io import Flow

FLAG_WORDS = {
    "qr": "response",
    "aa": "authoritative",
    "tc": "truncated",
    "rd": "recursion desired",
    "ra": "recursion available",
    "ad": "authentic data",
    "cd": "checking disabled",
}


class Result(NamedTuple):
    """What was asked and what came back; `show` are the sections to show, `ttl` whether with TTLs."""

    asked: Asked
    reply: Reply
    show: frozenset[str]
    ttl: bool


RecordRow = TypedDict(
    "RecordRow",
    {
        "name": str,
        "ttl": Annotated[int, "Seconds"],
        "class": str,
        "type": str,
        "rdata": Annotated[str, "As a zone file has it"],
        "fields": Annotated[dict[str, Any], "The parts of the rdata, by name"],
    },
)

AskedRow = TypedDict("AskedRow", {"name": str, "type": str, "class": str})


class EdnsRow(TypedDict):
    """The OPT record of the answer (RFC 6891)."""

    version: int
    payload_size: Annotated[int, "The largest UDP message that the server takes, in octets"]
    dnssec_ok: bool
    options: Annotated[list[str], "Each option in words"]


class DigRow(TypedDict):
    """A name server's answer."""

    type: Literal["dig"]
    question: AskedRow
    server: Annotated[str, "Who answered"]
    transport: Literal["udp", "tcp"]
    fell_back: Annotated[bool, "Whether the answer over UDP was truncated, and this is the one over TCP"]
    elapsed_s: float
    size: Annotated[int, "Octets of the message"]
    ignored: Annotated[int, "Messages that came and were not the answer"]
    id: int
    opcode: str
    rcode: Annotated[str, "The response code, such as NOERROR"]
    flags: Annotated[list[str], "The header's flags that are set, such as aa"]
    edns: EdnsRow | None
    answer: list[RecordRow]
    authority: list[RecordRow]
    additional: list[RecordRow]


class DigView(View[Result]):
    """The message: its header in words, a table a section."""

    type = "dig"
    schema = DigRow
    columns = (Column("question", 40), Column("status", 10), Column("ms", 8), Column("answer", 60))

    def to_json(self, result: Result) -> Mapping[str, Any]:
        question, reply, message = result.asked.question, result.reply, result.reply.message
        row: DigRow = {
            "type": "dig",
            "question": {
                "name": str(question.name),
                "type": str(question.rdtype),
                "class": str(question.rdclass),
            },
            "server": str(reply.server),
            "transport": "tcp" if reply.transport == "tcp" else "udp",
            "fell_back": reply.fell_back,
            "elapsed_s": reply.elapsed_s,
            "size": reply.size,
            "ignored": reply.ignored,
            "id": message.id,
            "opcode": str(message.opcode),
            "rcode": str(message.rcode),
            "flags": list(message.flag_names),
            "edns": None if message.edns is None else _edns_row(message.edns),
            "answer": [_record_row(record) for record in message.answer],
            "authority": [_record_row(record) for record in message.authority],
            "additional": [_record_row(record) for record in message.additional],
        }
        return row

    def plain(self, result: Result) -> Iterable[Line]:
        message = result.reply.message
        if "comments" in result.show:
            for title, words in _facts(result):
                yield f";; {title}: {words}"
        if "question" in result.show:
            for question in message.question:
                yield f";{question}"
        for title, records in _sections(result):
            if "comments" in result.show:
                yield f";; {title}:"
            for record in records:
                yield _cells(record, ttl=result.ttl)
        if "stats" in result.show:
            yield f";; {_stats(result.reply)}"

    def short(self, result: Result) -> Iterable[Line]:
        return [record.rdata_text() for record in result.reply.message.answer]

    def table(self, result: Result, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import facts, mark, table

        message = result.reply.message
        if "comments" in result.show:
            pairs: list[tuple[str, object]] = list(_facts(result))
            verdict: Any = "good" if self.exit_code(result) is Exit.OK else "bad"
            pairs[0] = ("status", mark(verdict, pairs[0][1], env))
            yield facts(pairs)
        if "question" in result.show and not message.question:
            yield "(the server gave no question back)"
        titles = ["name", "TTL", "class", "type", "data"]
        if not result.ttl:
            titles.remove("TTL")
        for title, records in _sections(result):
            rows = [_cells(record, ttl=result.ttl) for record in records]
            yield table(titles, rows, title=title, right=(1,) if result.ttl else ())
        if "stats" in result.show:
            yield _stats(result.reply)

    def row(self, result: Result) -> Sequence[object]:
        message = result.reply.message
        found = ", ".join(record.rdata_text() for record in message.answer)
        return result.asked.text, message.rcode, f"{result.reply.elapsed_s * 1000:.1f}", found or "-"

    def failure(self, result: Result) -> Exception | None:
        from netkit.dns.constants import Rcode
        from netkit.dns.errors import DnsError

        message, question = result.reply.message, result.asked.question
        about: dict[str, Any] = {
            "name": question.name,
            "rdtype": question.rdtype,
            "server": result.reply.server,
        }
        explanations = _explanations(message)
        match message.rcode:
            case Rcode.NOERROR:
                return None if message.answer else DnsError.NoData(**about)
            case Rcode.NXDOMAIN:
                return DnsError.NotFound(**about)
            case Rcode.REFUSED:
                return DnsError.Refused(explanations, **about)
            case rcode:
                return DnsError.ServerError(rcode, explanations, **about)

    def exit_code(self, result: Result) -> Exit:
        from netkit.cli.exits import explain

        failed = self.failure(result)
        return Exit.OK if failed is None else explain(failed, lookup=True).exit


def _explanations(message: Message) -> tuple[str, ...]:
    errors = message.edns.extended_errors if message.edns is not None else ()
    return tuple(error.text() for error in errors)


def _facts(result: Result) -> list[tuple[str, str]]:
    message, reply = result.reply.message, result.reply
    named = ", ".join(
        f"{flag} ({FLAG_WORDS[flag]})" if flag in FLAG_WORDS else flag for flag in message.flag_names
    )
    found = [
        ("status", f"{message.rcode}, {message.opcode}, id {message.id}"),
        ("flags", named or "none"),
    ]
    if message.edns is not None:
        edns = message.edns
        do = ", DNSSEC OK" if edns.dnssec_ok else ""
        found.append(("EDNS", f"version {edns.version}, {edns.payload_size} octets over UDP{do}"))
        found += [("option", str(each)) for each in edns.options]
    if reply.fell_back:
        found.append(("transport", "over UDP the answer was truncated: asked again over TCP"))
    if reply.ignored:
        found.append(("ignored", f"{reply.ignored} messages that were not the answer"))
    return found


def _stats(reply: Reply) -> str:
    how = reply.transport.upper()
    return f"{reply.size} octets from {reply.server} over {how} in {reply.elapsed_s * 1000:.1f} ms"


def _sections(result: Result) -> list[tuple[str, tuple[DnsRecord, ...]]]:
    """The sections that are to be shown and have something in them."""
    message = result.reply.message
    return [
        (name, records)
        for name, records in (
            ("answer", message.answer),
            ("authority", message.authority),
            ("additional", message.additional),
        )
        if records and name in result.show
    ]


def _cells(record: DnsRecord, *, ttl: bool) -> list[object]:
    cells: list[object] = [record.name, record.ttl, record.rdclass, record.rdtype, record.rdata_text()]
    if not ttl:
        del cells[1]
    return cells


def _record_row(record: DnsRecord) -> RecordRow:
    return {
        "name": str(record.name),
        "ttl": record.ttl,
        "class": str(record.rdclass),
        "type": str(record.rdtype),
        "rdata": record.rdata_text(),
        "fields": {name: _field(value) for name, value in record.fields.items()},
    }


def _field(value: object) -> Any:
    """A field as JSON has it: numbers as they are, octets as text where they are text, all else in words."""
    if isinstance(value, bool) or type(value) is int:
        return value
    if isinstance(value, (tuple, list)):
        return [_field(each) for each in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def _edns_row(edns: Edns) -> EdnsRow:
    return {
        "version": edns.version,
        "payload_size": edns.payload_size,
        "dnssec_ok": edns.dnssec_ok,
        "options": [str(each) for each in edns.options],
    }


class Type(Value):
    """A record type's mnemonic."""

    name = "type"
    form = "write a mnemonic such as A, AAAA or MX, or TYPE and a number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        return check_type(str(value))


class Class(Value):
    """A class."""

    name = "class"
    form = "write IN, CH, HS, or CLASS and a number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        return check_class(str(value))


_FLAG_ROWS = [
    (f"+{name}{'=VALUE' if flag.value else ''}", flag.help) for name, flag in FLAGS.items() if flag.help
]


@command(
    "dig",
    view=DigView(),
    usage="[@SERVER] NAME [TYPE] [CLASS] [+FLAG | OPTION]...",
    doing="asking for {}",
    lookup=True,
    short_letters=False,
    rewrite=rewrite,
    sections=(Section("Flags (each with `no` before it to turn it off)", _FLAG_ROWS, complete=True),),
    see_also=("netkit-resolve(1)", "netkit-serve-dns(1)", "dig(1)"),
)
@click.argument("words", nargs=-1, metavar="[NAME [TYPE] [CLASS]]...")
@option(
    "--server",
    metavar="SERVER",
    complete=HOST,
    help="Ask this name server (@SERVER); ADDR:PORT is taken too.",
)
@option("-p", "--port", type=Port("udp"), metavar="PORT", help="The server's port, 53 unless said.")
@option(
    "-q", "--name", "names", multiple=True, metavar="NAME", help="A name, also where it looks like a type."
)
@option("-t", "--type", "rdtype", type=Type(), metavar="TYPE", help="The record type: A unless said.")
@option("-c", "--class", "rdclass", type=Class(), metavar="CLASS", help="The class: IN unless said.")
@option("-x", "--reverse", multiple=True, metavar="ADDR", help="The names of an address (PTR).")
@option("-b", "--source", metavar="ADDR", type=Address(), help="Ask from this local address.")
@option("-4", "family_4", is_flag=True, help="Use IPv4 only.")
@option("-6", "family_6", is_flag=True, help="Use IPv6 only.")
@option("--tcp/--no-tcp", help="Ask over TCP from the start.")
@option("--recurse/--no-recurse", default=True, help="Ask for recursion (RD).")
@option("--authentic-data/--no-authentic-data", default=True, help="Ask to be told of validation (AD).")
@option("--checking-disabled/--no-checking-disabled", help="Ask not to validate (CD).")
@option("--dnssec/--no-dnssec", help="Ask for DNSSEC records (DO).")
@option(
    "--edns", type=Number(0, 255), default=0, metavar="VERSION", help="The version of EDNS: 0 unless said."
)
@option("--no-edns", is_flag=True, help="Ask without EDNS.")
@option(
    "--bufsize",
    type=Number(0, 65535),
    default=1232,
    metavar="N",
    help="The largest UDP answer to take: 1232.",
)
@option("--nsid/--no-nsid", help="Ask which server it is (RFC 5001).")
@option("--subnet", metavar="ADDR/LEN", help="Ask on behalf of a network (RFC 7871).")
@option("--cookie", metavar="HEX", help="Send this DNS cookie (RFC 7873); `new` makes one.")
@option("--no-cookie", is_flag=True, help="Send none.")
@option("--ignore-truncation/--no-ignore-truncation", help="Take a truncated answer as it is.")
@option(
    "--try-timeout", type=Seconds(), default=5.0, metavar="SECONDS", help="Wait this long for one answer: 5."
)
@option("--timeout", type=Seconds(), metavar="SECONDS", help="Give up after this time, for the whole of it.")
@option("--tries", type=Number(1, 100), default=3, metavar="N", help="How often to ask each server: 3.")
@option("--retry", type=Number(0, 99), metavar="N", help="How often to ask each server again.")
@option("--show", metavar="SECTIONS", help=f"Only these sections, with commas: {', '.join(SECTIONS)}.")
@option("--ttl/--no-ttl", "ttl", default=True, help="Show TTLs.")
@option(
    "--resolv-conf", metavar="FILE", complete=FILE, help="Take the servers from FILE, not /etc/resolv.conf."
)
@inputs.many("NAME", parse=parse_question, argument=False, required=False)
def dig(
    run: Run[Result],
    targets: Inputs[Asked],
    words: tuple[str, ...],
    server: str | None,
    port: int | None,
    names: tuple[str, ...],
    rdtype: str | None,
    rdclass: str | None,
    reverse: tuple[str, ...],
    source: IpAddr | None,
    family: int | None,
    timeout: float | None,
    show: str | None,
    ttl: bool,
    resolv_conf: str | None,
    **how: Any,
) -> None:
    """Ask name servers for records, and show the whole answer.

    The grammar is dig's: a server after @, a name, a type, a class and +flags in any order; several names
    are several questions. Every +flag has a long option. The servers are those of /etc/resolv.conf unless
    one is named, and are asked in turn, over UDP and, where the answer is truncated, over TCP.

    An answer counts only if it comes from the server asked, with the ID and the question that were sent;
    what else arrives is counted and shown. The exit code is 0 if the answer section has records, 1 for no
    such name and no such records, 3 for an error of the server.

    With -f FILE, each line is NAME [TYPE] [CLASS] or -x ADDRESS.

    Examples:

        $ netkit dig example.com
        $ netkit dig @192.0.2.53 example.com MX +norecurse
        $ netkit dig +short -x 127.0.0.1
        $ netkit dig -f names.txt --concurrency 200 --json
    """
    if words or names or reverse or targets.file is None:
        targets = targets.of(questions(words, names=names, reverse=reverse, rdtype=rdtype, rdclass=rdclass))
    servers = _servers(run, server, port, family, resolv_conf)
    options = _options(source, **how)
    shown = _shown(show)

    def ask_for(asked: Asked) -> Flow[Result]:
        from netkit.dns.exchange import ask

        return Result(asked, (yield from ask(asked.question, servers, options)), shown, ttl)

    run.each(targets, ask_for, timeout=timeout)


def _shown(show: str | None) -> frozenset[str]:
    if show is None:
        return frozenset(SECTIONS)
    wanted = frozenset(part for part in show.split(",") if part)
    for part in wanted - set(SECTIONS):
        raise WrongValue(f"there is no section {part!r}", f"write some of {','.join(SECTIONS)}")
    return wanted


def _servers(
    run: Run[Result], server: str | None, port: int | None, family: int | None, resolv_conf: str | None
) -> list[SocketAddr]:
    """Whom to ask: the server named, looked up by the system if it is a name, or those of resolv.conf."""
    import socket

    from netkit.addr import AddrParseError, HostPort, SocketAddr
    from netkit.dns.system import DNS_PORT, ResolvConf

    only = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}.get(family or 0, 0)
    if server is None:
        conf = ResolvConf.load() if resolv_conf is None else ResolvConf.parse(_read(resolv_conf))
        found = [SocketAddr.new(each.ip, port or each.port) for each in conf.servers]
        found = [each for each in found if only in (0, each.family)]
        if not found:
            raise WrongValue(f"resolv.conf names no IPv{family} server", "name a server, as in @192.0.2.53")
        return found
    try:
        target = HostPort.parse(server, port or DNS_PORT, "udp")
    except AddrParseError as error:
        raise WrongValue(f"@{server}: {error}", "write @ADDRESS, @NAME or @ADDRESS:PORT") from None
    from netkit.net.resolve import resolve

    return run.wait(resolve(target, family=only), 10.0)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _options(source: IpAddr | None, **how: Any) -> QueryOptions:
    from netkit.addr import SocketAddr
    from netkit.dns.edns import Edns
    from netkit.dns.exchange import QueryOptions

    edns = None
    if not how["no_edns"]:
        edns = Edns(how["bufsize"], how["edns"], how["dnssec"], options=_edns_options(how))
    return QueryOptions(
        timeout=how["try_timeout"],
        tries=how["tries"] if how["retry"] is None else how["retry"] + 1,
        tcp=how["tcp"],
        ignore_truncation=how["ignore_truncation"],
        rd=how["recurse"],
        ad=how["authentic_data"],
        cd=how["checking_disabled"],
        edns=edns,
        randomize_case=False,
        source=SocketAddr.new(source, 0) if source is not None else None,
    )


def _edns_options(how: Mapping[str, Any]) -> list[EdnsOption]:
    from netkit.dns.edns import EdnsOption
    from netkit.dns.errors import DnsError

    found: list[EdnsOption] = []
    if how["nsid"]:
        found.append(EdnsOption.Nsid())
    if how["subnet"] is not None:
        found.append(_subnet(how["subnet"]))
    if how["cookie"] is not None and not how["no_cookie"]:
        import os

        try:
            octets = os.urandom(8) if how["cookie"] == "new" else bytes.fromhex(how["cookie"])
            found.append(EdnsOption.Cookie(octets[:8], octets[8:]))
        except (ValueError, DnsError):
            form = "write 16 hexadecimal digits, or 32 to 80 with the server's part"
            raise WrongValue(f"{how['cookie']!r} is not a DNS cookie", form) from None
    return found


def _subnet(text: str) -> EdnsOption:
    from ipaddress import ip_network

    from netkit.addr import IpAddr
    from netkit.dns.edns import EdnsOption

    try:
        network = ip_network("0.0.0.0/0" if text == "0" else text, strict=False)
    except ValueError:
        raise WrongValue(f"{text!r} is not a network", "write ADDR/LENGTH, as in 192.0.2.0/24") from None
    return EdnsOption.ClientSubnet(IpAddr.of(network.network_address), network.prefixlen)
