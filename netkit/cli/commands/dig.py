"""`netkit dig`: what a name server says, whole and unjudged, in the grammar of BIND's dig."""

from __future__ import annotations

from errno import EADDRNOTAVAIL, ECONNREFUSED, EMFILE, ENETUNREACH
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

import click

import netkit
from netkit.cli import inputs, options
from netkit.cli.command import Run, Section, command
from netkit.cli.dig_grammar import (
    DNS_PORT,
    FLAGS,
    FORM,
    RETRY,
    SHOWN,
    USAGE,
    Defaults,
    Query,
    flag_options,
    flag_rows,
    flags_of,
    parse_class,
    parse_server,
    parse_type,
    read_words,
)
from netkit.cli.options import Port, Value, WrongValue, option
from netkit.cli.output import Column, View, b64
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions, ask, random_bits
from netkit.dns.message import Question
from netkit.io import phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.addr import IpAddr, SocketAddr
    from netkit.cli.context import Environment
    from netkit.cli.inputs import Inputs
    from netkit.cli.output import Line
    from netkit.dns.message import Message
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply
    from netkit.io import Event, Flow

#: dig's own defaults: seconds to wait for one answer, and how often each server is asked.
TIME = 5.0
TRIES = 3

SECTIONS = ("answer", "authority", "additional")


# -- what --json writes


class FieldsRow(TypedDict, total=False):
    """The fields of a record's data, those that its type has."""

    address: Annotated[str, "A, AAAA"]
    canonical: Annotated[str, "CNAME: the name this one stands for"]
    nameserver: Annotated[str, "NS"]
    domain: Annotated[str, "PTR: the name of the address"]
    priority: Annotated[int, "MX, SRV: the lowest first"]
    exchange: Annotated[str, "MX"]
    weight: Annotated[int, "SRV"]
    port: Annotated[int, "SRV"]
    target: Annotated[str, "SRV"]
    data: Annotated[str, "TXT: the strings put together, as UTF-8"]
    strings_b64: Annotated[list[str], "TXT: each string, octet for octet"]
    mname: Annotated[str, "SOA: the primary server"]
    rname: Annotated[str, "SOA: the mailbox of who runs the zone"]
    serial: Annotated[int, "SOA"]
    refresh: Annotated[int, "SOA, in seconds"]
    retry: Annotated[int, "SOA, in seconds"]
    expire: Annotated[int, "SOA, in seconds"]
    minimum: Annotated[int, "SOA: how long a no may be kept, in seconds"]
    rdata_b64: Annotated[str, "Types that netkit has no fields for"]


QuestionRow = TypedDict("QuestionRow", {"name": str, "class": str, "type": str})
RecordRow = TypedDict(
    "RecordRow",
    {
        "name": str,
        "ttl": Annotated[int, "Seconds it may be kept"],
        "class": str,
        "type": str,
        "rdata": Annotated[str, "As a master file has it"],
        "fields": FieldsRow,
    },
)


class EdnsOptionRow(TypedDict):
    """An EDNS option."""

    code: int
    name: Annotated[str, "As dig has it: NSID, COOKIE, CLIENT-SUBNET, EDE; OPT=CODE for others"]
    text: Annotated[str, "As dig has it"]


class ExtendedErrorRow(TypedDict):
    """Why the answer is what it is (RFC 8914)."""

    info_code: int
    purpose: Annotated[str | None, "What IANA says of the code; null where it is not assigned"]
    extra_text: Annotated[str, "The server's own words"]


class EdnsRow(TypedDict):
    """What the answer's OPT record says (RFC 6891)."""

    version: int
    payload_size: Annotated[int, "Octets that the server takes over UDP"]
    dnssec_ok: bool
    options: list[EdnsOptionRow]
    extended_errors: list[ExtendedErrorRow]


class DigRow(TypedDict):
    """A server's answer to one question."""

    type: Literal["dig"]
    question: QuestionRow
    server: Annotated[str, "Who answered: address and port"]
    transport: Annotated[Literal["udp", "tcp"], "What the answer came over"]
    elapsed_s: Annotated[float, "From sending the query to having the answer"]
    size: Annotated[int, "Octets of the answer"]
    id: int
    opcode: str
    rcode: Annotated[str, "NOERROR, NXDOMAIN, ..."]
    flags: Annotated[list[str], "Those set of qr, aa, tc, rd, ra, ad, cd"]
    edns: Annotated[EdnsRow | None, "null where the answer is without EDNS"]
    answer: list[RecordRow]
    authority: list[RecordRow]
    additional: list[RecordRow]
    truncated: Annotated[bool, "Whether this answer is cut short"]
    fell_back: Annotated[bool, "Whether it was asked for over TCP because UDP's was truncated"]
    ignored: Annotated[int, "Messages that came and were not the answer"]


# -- results


class Answered:
    """A server's reply to a query."""

    __slots__ = ("query", "reply")

    def __init__(self, query: Query, reply: Reply) -> None:
        self.query = query
        self.reply = reply

    @property
    def message(self) -> Message:
        """The answer itself."""
        return self.reply.message

    @property
    def is_found(self) -> bool:
        """Whether what was asked for is there: records of the type, or an alias that leads elsewhere.

        An alias beside the SOA record of a negative answer leads to a name without such records (RFC 2308
        section 2.2).
        """
        message, rdtype = self.message, self.query.rdtype
        if message.rcode != Rcode.NOERROR:
            return False
        if rdtype == DnsRecordType.ANY or any(record.rdtype == rdtype for record in message.answer):
            return bool(message.answer)
        negative = any(record.rdtype == DnsRecordType.SOA for record in message.authority)
        return bool(message.answer) and not negative

    @property
    def is_referral(self) -> bool:
        """Whether the server only says who knows more (RFC 2308 section 2.2)."""
        message = self.message
        types = {record.rdtype for record in message.authority}
        return (
            message.rcode == Rcode.NOERROR
            and not message.answer
            and not message.authoritative
            and DnsRecordType.NS in types
            and DnsRecordType.SOA not in types
        )

    def shows(self, part: str) -> bool:
        """Whether a part of the output is wanted: `+[no]part`, else `+[no]all`."""
        flags = self.query.flags
        return bool(flags.get(part, flags.get("all", True)))

    def section(self, name: str) -> tuple[DnsRecord, ...]:
        """The records of a section, none where it is not to be shown."""
        found: tuple[DnsRecord, ...] = getattr(self.message, name)
        return found if self.shows(name) else ()


class Referral(DnsError.NoData):
    """The server knows no more than who does (RFC 1034 section 4.3.1): neither records nor a denial."""

    hint = "ask one of the servers of the authority section, or one that recurses"

    @property
    def kind(self) -> str:
        return "NoData"

    def __str__(self) -> str:
        return f"{self._subject}: no answer, only a referral to other servers{self._from_server}"


class NoServer(DnsError):
    """There is nobody to ask: the server's name has no address, or none of the family wanted."""

    fault = "caller"
    hint = "name the server by its address, as in @192.0.2.53"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


#: What to do about the system's errors.
_HINTS = {
    ECONNREFUSED: "no name server listens there: is the address right, and the port (-p)?",
    ENETUNREACH: "there is no route: is the network up, also for this family (-4, -6)?",
    EADDRNOTAVAIL: "-b takes an address that this machine has",
    EMFILE: "raise the limit with `ulimit -n`, or lower --concurrency",
}


# -- how it is shown


class DigView(View[Answered]):
    """The reply as a table for each section, as dig's lines, as bare rdata, and as an object."""

    type = "dig"
    schema = DigRow
    columns = (Column("query", 36), Column("status", 9), Column("answer", 120))

    def to_json(self, result: Answered) -> DigRow:
        reply, message, query = result.reply, result.message, result.query
        return {
            "type": "dig",
            "question": {
                "name": str(query.name),
                "class": str(query.rdclass),
                "type": str(query.rdtype),
            },
            "server": str(reply.server),
            "transport": cast(Literal["udp", "tcp"], reply.transport),
            "elapsed_s": round(reply.elapsed_s, 6),
            "size": reply.size,
            "id": message.id,
            "opcode": str(message.opcode),
            "rcode": str(message.rcode),
            "flags": list(message.flag_names),
            "edns": None if message.edns is None else _edns_row(message.edns),
            "answer": [_record_row(record) for record in message.answer],
            "authority": [_record_row(record) for record in message.authority],
            "additional": [_record_row(record) for record in message.additional],
            "truncated": message.truncated,
            "fell_back": reply.fell_back,
            "ignored": reply.ignored,
        }

    def plain(self, result: Answered) -> Iterable[Line]:
        comments = result.shows("comments")
        if comments:
            yield from _header_lines(result)
        if result.shows("question") and result.message.question:
            if comments:
                yield ";; QUESTION SECTION:"
            for question in result.message.question:
                yield f";{question}"
        for name in SECTIONS:
            records = result.section(name)
            if records and comments:
                yield f";; {name.upper()} SECTION:"
            for record in records:
                yield _record_cells(result, record)
        if result.shows("stats"):
            reply = result.reply
            host, port = reply.server.ip, reply.server.port
            yield f";; Query time: {reply.elapsed_s * 1000:.1f} msec"
            yield f";; SERVER: {host}#{port}({host}) ({reply.transport.upper()})"
            yield f";; MSG SIZE  rcvd: {reply.size}"

    def short(self, result: Answered) -> Iterable[Line]:
        for record in result.message.answer:
            yield record.rdata_text()

    def table(self, result: Answered, env: Environment) -> Iterable[Any]:
        from netkit.cli.render.dns import reply_sheet

        return reply_sheet(result, env)

    def row(self, result: Answered) -> Sequence[object]:
        query, message = result.query, result.message
        asked = f"{query.name} {query.rdtype}"
        if message.answer:
            return asked, message.rcode, ", ".join([record.rdata_text() for record in message.answer])
        if message.rcode != Rcode.NOERROR:
            return asked, message.rcode, None
        return asked, message.rcode, "(a referral)" if result.is_referral else "(no data)"

    def failure(self, result: Answered) -> Exception | None:
        if result.is_found:
            return None
        message, query = result.message, result.query
        asked: dict[str, Any] = {
            "name": query.name, "rdtype": query.rdtype, "server": result.reply.server,
        }  # fmt: skip
        if message.rcode == Rcode.NOERROR:
            return Referral(**asked) if result.is_referral else DnsError.NoData(**asked)
        if message.rcode == Rcode.NXDOMAIN:
            return DnsError.NotFound(**asked)
        why = () if message.edns is None else tuple([str(each) for each in message.edns.extended_errors])
        if message.rcode == Rcode.REFUSED:
            return DnsError.Refused(why, **asked)
        return DnsError.ServerError(message.rcode, why, **asked)


def _header_lines(result: Answered) -> Iterable[str]:
    """What dig says above the sections."""
    message, reply = result.message, result.reply
    header = message.header
    if reply.fell_back:
        yield ";; Truncated, retrying in TCP mode."
    if reply.ignored:
        yield f";; Ignored, for not being the answer: {reply.ignored}"
    yield f";; ->>HEADER<<- opcode: {message.opcode}, status: {message.rcode}, id: {message.id}"
    yield (
        f";; flags: {' '.join(message.flag_names)}; QUERY: {header.qdcount}, ANSWER: {header.ancount}, "
        f"AUTHORITY: {header.nscount}, ADDITIONAL: {header.arcount}"
    )
    if message.recursion_desired and not message.recursion_available:
        yield ";; WARNING: recursion requested but not available"
    if message.edns is not None:
        yield ";; OPT PSEUDOSECTION:"
        yield f"; {message.edns}"
        for each in message.edns.options:
            yield f"; {each}"


def _record_cells(result: Answered, record: DnsRecord) -> list[object]:
    cells: list[object] = [record.name]
    flags = result.query.flags
    if flags.get("ttlid", True):
        cells.append(record.ttl)
    if flags.get("class", True):
        cells.append(record.rdclass)
    return [*cells, record.rdtype, record.rdata_text()]


def _record_row(record: DnsRecord) -> RecordRow:
    fields: dict[str, Any] = {}
    for name, value in record.fields.items():
        if isinstance(value, bytes):
            fields[f"{name}_b64"] = b64(value)
        elif isinstance(value, tuple):
            fields[f"{name}_b64"] = [b64(each) for each in value]
        elif name != "rdtype":  # an unknown record's, which is in the row already
            fields[name] = value if isinstance(value, int) else str(value)
    return {
        "name": str(record.name),
        "ttl": record.ttl,
        "class": str(record.rdclass),
        "type": str(record.rdtype),
        "rdata": record.rdata_text(),
        "fields": cast(FieldsRow, fields),
    }


def _edns_row(edns: Edns) -> EdnsRow:
    return {
        "version": edns.version,
        "payload_size": edns.payload_size,
        "dnssec_ok": edns.dnssec_ok,
        "options": [
            {"code": each.code, "name": str(each).partition(":")[0], "text": each.text()}
            for each in edns.options
        ],
        "extended_errors": [
            {"info_code": each.info_code, "purpose": each.purpose, "extra_text": each.extra_text}
            for each in edns.extended_errors
        ],
    }


# -- the command


class Source(Value):
    """Where to ask from: an address, with a port where one is wanted (dig's form has a # before it)."""

    name = "source"
    form = "write an address of this machine, as in 192.0.2.1, or with a port, as in 192.0.2.1#5353"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SocketAddr:
        from netkit.addr import AddrParseError, IpAddr, SocketAddr, parse_port

        address, sign, port = str(value).partition("#")
        try:
            return SocketAddr.new(IpAddr.parse(address), parse_port(port, "udp") if sign else 0)
        except AddrParseError as error:
            self.wrong(f"{value!r} is not an address: {error.reason}", param, ctx)


def rewrite(words: list[str]) -> list[str]:
    """The command line as click takes it: options first, then each query as one argument."""
    takes_value = {
        name: not param.is_flag and not param.count and param.flag_value != ""
        for param in dig.params
        if isinstance(param, click.Option)
        for name in param.opts
    }
    found = read_words(words, takes_value)
    arguments = list(found.options)
    for kind, text, value in found.shared:
        if kind == "flag":
            flag = value[0]
            off = "no-" if value[1] is False else ""
            equals, written = text.partition("=")[1:]
            arguments.append(f"--{off}{flag.option}{equals}{written}")
        else:
            arguments.append(f"--{kind}={text.removeprefix('@')}")
    return [*arguments, "--", *(" ".join([word.text for word in query]) for query in found.queries)]


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.find_root().obj.write(f"netkit {netkit.__version__}\n")
        ctx.exit()


@command(
    "dig",
    view=DigView(),
    usage=USAGE,
    doing="dig",
    lookup=True,
    short_letters=False,
    rewrite=rewrite,
    sections=(
        Section("Flags that say how to ask", flag_rows((*FLAGS, RETRY)), complete=True),
        Section(
            "Flags that say what to show",
            [("+short", "Only the bare values, one a line (--short)."), *flag_rows(SHOWN)],
            complete=True,
        ),
    ),
    see_also=("netkit-resolve(1)", "netkit-serve-dns(1)", "dig(1)", "resolv.conf(5)"),
)
@option("--server", "servers", multiple=True, metavar="SERVER", complete="host",
        help="Ask this server, an address or a name: @SERVER. Without one, resolv.conf's.")  # fmt: skip
@option("-p", "--port", type=Port("udp"), metavar="PORT", default=DNS_PORT, show_default="53",
        help="The server's port, where @SERVER does not say.")  # fmt: skip
@option("-t", "--type", "rdtype", metavar="TYPE", help="The record type, A by itself; TYPE257 for a number.")
@option("-c", "--class", "rdclass", metavar="CLASS", help="The class, IN by itself.")
@option("-q", "--name", "_name", metavar="NAME", expose_value=False, help="The name, whatever it looks like.")
@option("-x", "--reverse", "_reverse", metavar="ADDR", expose_value=False,
        help="The names of an address (PTR).")  # fmt: skip
@option("-b", "--source", type=Source(), metavar="ADDR[#PORT]", help="Ask from this local address.")
@options.family
@options.timeout(None)
@flag_options
@option("-v", "_version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
        help="Show the version, as dig's -v does.")  # fmt: skip
@inputs.many(
    "NAME [TYPE]", parse=str, help="Read queries from FILE, `NAME [TYPE] [+flags]` a line (`-`: stdin)."
)
def dig(
    run: Run[Answered],
    targets: Inputs[Query],
    servers: tuple[str, ...],
    port: int,
    rdtype: str | None,
    rdclass: str | None,
    source: SocketAddr | None,
    family: int | None,
    timeout: float | None,
    **flags: Any,
) -> None:
    """Ask name servers for records, and show the whole answer.

    The grammar is that of BIND's dig: @SERVER, NAME, TYPE, CLASS and +flags in any order. Flags may be
    shortened (+norec), and each has a long option. What stands before the first name holds for all of
    them, what follows a name only for that one; long options hold for all. After a name without a type, a
    word without a dot is a type: write `host.` or -q host for a second name of one label. -f takes lines of
    the same form.

    An answer over UDP that was truncated is asked for again over TCP. Messages that are not the answer
    (another ID, another question) are ignored and counted. SERVFAIL and REFUSED are shown, and exit with 3.

    Plain text is dig's: records as NAME, TTL, CLASS, TYPE and RDATA, tabs between them; all else in lines
    that begin with a semicolon. --json has everything whatever the flags say that choose what is shown.

    Examples:

        $ netkit dig www.example.com
        $ netkit dig @192.0.2.53 example.com MX +short
        $ netkit dig @[2001:db8::53]:5353 -x 192.0.2.1 +tcp
        $ netkit dig example.com NS example.org SOA +norec
        $ netkit dig --json -f names.txt --concurrency 100 --rate 500/s
    """
    given = flags_of(flags)
    defaults = Defaults(
        None if rdtype is None else parse_type(rdtype),
        None if rdclass is None else parse_class(rdclass),
        tuple([parse_server(server) for server in servers]),
        given,
    )
    if not targets.texts and targets.file is None:
        read = rdtype or rdclass
        if read is None:
            raise WrongValue("a name is missing", FORM)
        raise WrongValue(f"a name is missing ({read} was read as a type or class)",
                         f"for that name, write {read.lower()}. or -q {read.lower()}")  # fmt: skip
    asker = _Asker(_Servers(port, family), source, timeout)
    run.each(targets.of(targets.texts, defaults.parse), asker.ask, timeout=timeout)


class _Asker:
    """Asks queries; what holds for all of them."""

    def __init__(self, servers: _Servers, source: SocketAddr | None, timeout: float | None) -> None:
        self._servers = servers
        self._source = source
        self._timeout = timeout

    def ask(self, query: Query) -> Flow[Answered]:
        """Flow: the reply to one query. Raises DnsError, NoServer."""
        begun = monotonic()
        servers = yield from self._servers.addresses(query.servers)
        how = self._options(query, len(servers), monotonic() - begun)
        question = Question(query.name, query.rdtype, query.rdclass)
        try:
            with phase(f"waiting for an answer to {query.name} {query.rdtype}"):
                reply = yield from ask(question, servers, how)
        except DnsError.Truncated as error:
            over_tcp = error.__cause__
            if not isinstance(over_tcp, DnsError):
                raise
            # What happened over TCP decides what to do; that it was tried at all needs saying.
            over_tcp.hint = f"over UDP the answer was truncated at {error.size} octets; +ignore takes it so"
            raise over_tcp from None
        except DnsError.NetworkError as error:
            error.hint = error.hint or _HINTS.get(error.errno or 0)
            raise
        return Answered(query, reply)

    def _options(self, query: Query, servers: int, spent: float) -> QueryOptions:
        flags = query.flags
        tries = flags.get("tries", TRIES)
        time = flags.get("time", TIME)
        if self._timeout is not None and "time" not in flags:
            # A little under its share: then each server has its turn, and its silence is what is told.
            time = min(time, max((self._timeout - spent) * 0.96 / (servers * tries), 0.001))
        return QueryOptions(
            timeout=time,
            tries=tries,
            # As dig has it: everything there is about a name is more than servers like to send over UDP.
            tcp=flags.get("tcp", query.rdtype == DnsRecordType.ANY),
            ignore_truncation=flags.get("ignore", False),
            rd=flags.get("recurse", True),
            ad=flags.get("ad", True),
            cd=flags.get("cd", False),
            edns=_edns(flags),
            randomize_case=False,  # the name is sent as it was typed
            source=self._source,
        )


def _edns(flags: Mapping[str, Any]) -> Edns | None:
    version = flags.get("edns", True)
    if version is False:
        return None
    sent: list[EdnsOption] = [EdnsOption.Nsid()] if flags.get("nsid") else []
    if flags.get("subnet"):
        sent.append(flags["subnet"])
    cookie = flags.get("cookie")
    if cookie:
        sent.append(EdnsOption.Cookie(random_bits(64).to_bytes(8, "big")) if cookie is True else cookie)
    return Edns(
        flags.get("bufsize", 1232),
        0 if version is True else version,
        flags.get("dnssec", False),
        options=sent,
    )


class _Servers:
    """Addresses of servers: a name is looked up once, however many queries go there."""

    def __init__(self, port: int, family: int | None) -> None:
        self._port = port
        self._family = family
        self._system: list[SocketAddr] | None = None
        self._known: dict[str, list[SocketAddr] | Exception] = {}
        self._sought: dict[str, Event] = {}

    def addresses(self, servers: Sequence[tuple[Any, int | None]]) -> Flow[list[SocketAddr]]:
        """Flow: the addresses to ask, in order: resolv.conf's if none is named. Raises NoServer."""
        if not servers:
            return self._system_servers()
        found: list[SocketAddr] = []
        for host, port in servers:
            if isinstance(host, str):
                addresses = yield from self._look_up(host)
            else:
                addresses = [_at(host, 0)]
            found += [_at(each, port or self._port) for each in self._usable(addresses, f"the server {host}")]
        return found

    def _system_servers(self) -> list[SocketAddr]:
        if self._system is None:
            from netkit.dns.system import ResolvConf

            servers = self._usable(ResolvConf.load().servers, "the servers of resolv.conf")
            self._system = [each if self._port == DNS_PORT else _at(each, self._port) for each in servers]
        return self._system

    def _usable(self, addresses: Iterable[SocketAddr], whose: str) -> list[SocketAddr]:
        found = [each for each in addresses if self._family in (None, each.ip.version)]
        if not found:
            raise NoServer(f"{whose}: no IPv{self._family} address")
        return found

    def _look_up(self, host: str) -> Flow[list[SocketAddr]]:
        from netkit.io import Event
        from netkit.net.errors import ResolveError
        from netkit.net.resolve import resolve

        if host in self._sought:
            yield from self._sought[host].wait()
        else:
            self._sought[host] = Event()
            try:
                self._known[host] = yield from resolve((host, self._port))
            except ResolveError as error:
                self._known[host] = NoServer(f"the server {host}: {error.reason}")
            except OSError as error:
                self._known[host] = error
            finally:
                self._sought[host].set()
        found = self._known[host]
        if isinstance(found, Exception):
            raise found
        return found


def _at(address: SocketAddr | IpAddr, port: int) -> SocketAddr:
    """The same address with another port; an IPv6 address keeps its scope."""
    from netkit.addr import SocketAddr

    return SocketAddr.new(address.ip if isinstance(address, SocketAddr) else address, port)
