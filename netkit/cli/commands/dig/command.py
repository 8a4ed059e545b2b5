"""`netkit dig`: the whole answer of a name server, in the grammar of BIND's dig."""

from __future__ import annotations

from errno import EADDRNOTAVAIL, EMFILE, ENETUNREACH
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from netkit._version import __version__
from netkit.cli.commands.dig.answered import Answered
from netkit.cli.commands.dig.flags import FLAGS, RETRY, SHOWN, flag_options, flag_rows
from netkit.cli.commands.dig.grammar import (
    FORM,
    USAGE,
    Defaults,
    Query,
    class_names,
    doubt,
    parse_class,
    parse_server,
    parse_type,
    read_words,
    type_names,
)
from netkit.cli.commands.dig.view import DigView
from netkit.cli.frame import inputs, options
from netkit.cli.frame.command import Run, Section, command
from netkit.cli.frame.groups import FamilyOptions, option_group
from netkit.cli.frame.options import HOST, Port, Value, WrongValue, option
from netkit.cli.frame.tsig import TsigKeyText, read_keys
from netkit.dns.constants import DNS_PORT, DnsRecordType
from netkit.dns.edns import DEFAULT_PAYLOAD_SIZE, Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions, ask, random_bits
from netkit.io import SingleFlight, phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.addr import IpAddr, SocketAddr
    from netkit.cli.frame.inputs import Inputs
    from netkit.dns.tsig.keys import TsigKey
    from netkit.io import Flow

#: dig's own defaults: seconds to wait for one answer, and how often each server is asked.
TIME = 5.0
TRIES = 3


class NoServer(DnsError):
    """There is no server to ask: its name has no address, or no address of the family that was given."""

    fault = "caller"
    hint = "name the server by its address, as in @192.0.2.53"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


#: The hints for the system's errors.
_HINTS = {
    ENETUNREACH: "there is no route: is the network up, also for this family (-4, -6)?",
    EADDRNOTAVAIL: "-b takes an address that this machine has",
    EMFILE: "raise the limit with `ulimit -n`, or lower --concurrency",
}


class Source(Value["SocketAddr"]):
    """The local address of queries, with a port if one is given (after #, as in BIND's dig)."""

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
    """The command line in a form for click: options first, then each query as one argument."""
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
        ctx.find_root().obj.write(f"netkit {__version__}\n")
        ctx.exit()


@command(
    "dig",
    view=DigView(),
    usage=USAGE,
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
@option("--server", "servers", multiple=True, metavar="SERVER", complete=HOST,
        help="Ask this server, an address or a name: @SERVER. Without one, resolv.conf's.")  # fmt: skip
@option("-p", "--port", type=Port("udp"), metavar="PORT", default=DNS_PORT,
        help="The server's port, if @SERVER has none.")  # fmt: skip
@option(
    "-t",
    "--type",
    "rdtype",
    metavar="TYPE",
    complete=type_names,
    help="The record type, as in MX or TYPE257. [default: A]",
)
@option(
    "-c",
    "--class",
    "rdclass",
    metavar="CLASS",
    complete=class_names,
    help="The class. [default: IN]",
)
@option(
    "-q",
    "--name",
    "_name",
    metavar="NAME",
    expose_value=False,
    help="The name, even if it looks like a type or class.",
)
@option("-x", "--reverse", "_reverse", metavar="ADDR", expose_value=False,
        help="Find the names of this address (PTR).")  # fmt: skip
@option("-b", "--source", type=Source(), metavar="ADDR[#PORT]", help="Ask from this local address.")
@option("-y", "--tsig-key", type=TsigKeyText(allow_md5=True),
        help="Sign the queries with this key, and take only signed answers. Who lists the processes of this "
        "machine sees it: -k hides it.")  # fmt: skip
@option("-k", "--tsig-file", type=options.File(), help="Sign the queries with the key in this file.")
@option_group(only=FamilyOptions)
@options.timeout(None)
@flag_options
@option("-v", "_version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
        help="Show the version, as dig's -v does.")  # fmt: skip
@inputs.many(
    "NAME [TYPE]",
    complete=HOST,
    words=type_names,
    help="Read queries from FILE, `NAME [TYPE] [+flags]` a line (`-`: stdin).",
)
def dig(
    run: Run[Answered],
    targets: Inputs[Query],
    servers: tuple[str, ...],
    port: int,
    rdtype: str | None,
    rdclass: str | None,
    source: SocketAddr | None,
    tsig_key: TsigKey | None,
    tsig_file: str | None,
    only: FamilyOptions,
    timeout: float | None,
    flags: dict[str, Any],
) -> None:
    """Ask name servers for records, and show the whole answer.

    The grammar is that of BIND's dig: @SERVER, NAME, TYPE, CLASS and +flags in any order. Flags may be
    shortened (+norec), and each has a long option. Words before the first name apply to all names, words
    after a name only to that name; long options apply to all. After a name without a type, a word without a
    dot is read as a type: for a second name of one label, write `host.` or -q host. A file of -f has lines of
    the same form.

    A malformed answer is shown as far as it can be read, with what is wrong at which octet, and exit code 6.
    If an answer over UDP is truncated, the command asks again over TCP. Messages that are not the answer
    (another ID, another question) are ignored and counted. SERVFAIL and REFUSED are shown, with exit code 3,
    which is also that of a server that cannot be reached; of a silent server it is 7. With -y or -k, an
    answer that is not signed with the key is not taken, and the error says what came in its place.

    Plain text is as in dig: records are NAME, TTL, CLASS, TYPE and RDATA, separated by tabs; all other lines
    begin with a semicolon. --json always has everything, whichever parts the flags choose to show.

    Examples:

        $ netkit dig www.example.com
        $ netkit dig @192.0.2.53 example.com MX +short
        $ netkit dig @[2001:db8::53]:5353 -x 192.0.2.1 +tcp
        $ netkit dig example.com NS example.org SOA +norec
        $ netkit dig --json -f names.txt --concurrency 100 --rate 500/s
    """
    defaults = Defaults(
        None if rdtype is None else parse_type(rdtype),
        None if rdclass is None else parse_class(rdclass),
        tuple([parse_server(server) for server in servers]),
        flags,
    )
    if not targets.texts and targets.how.file is None:
        read = rdtype or rdclass
        if read is None:
            raise WrongValue("a name is missing", FORM)
        raise WrongValue(f"a name is missing ({read} was read as a type or class)",
                         f"for that name, write {read.lower()}. or -q {read.lower()}")  # fmt: skip
    for text in targets.texts:
        if odd := doubt(text):
            run.env.warn("dig", *odd)
    options.exclude("-y", tsig_key, "-k", tsig_file)
    if tsig_file is not None:
        tsig_key = _only_key(tsig_file)
    asker = _Asker(_Servers(port, only.version), source, timeout, tsig_key)
    run.each(targets.of(targets.texts, defaults.parse), asker.ask, timeout=timeout)


def _only_key(path: str) -> TsigKey:
    """The key in a file. Raises OSError, TsigError.KeyFile, WrongValue."""
    keys = read_keys([path], allow_md5=True)
    if len(keys) > 1:
        raise WrongValue(f"{path} has {len(keys)} keys", "make a file with the one key to sign with")
    return keys[0]


class _Asker:
    """Sends queries, with the settings that all of them share."""

    def __init__(
        self, servers: _Servers, source: SocketAddr | None, timeout: float | None, tsig: TsigKey | None
    ) -> None:
        self._servers = servers
        self._tsig = tsig
        self._source = source
        self._timeout = timeout

    def ask(self, query: Query) -> Flow[Answered]:
        """Flow: the reply to one query. Raises DnsError, NoServer."""
        begun = monotonic()
        servers = yield from self._servers.addresses(query.servers)
        how = self._options(query, len(servers), monotonic() - begun)
        try:
            with phase(f"waiting for an answer to {query.name} {query.rdtype}", "resolve"):
                reply = yield from ask(query.question, servers, how)
        except DnsError.Truncated as error:
            over_tcp = error.__cause__
            if not isinstance(over_tcp, DnsError):
                raise
            # The error over TCP decides what to do. The user must also learn why TCP was tried.
            over_tcp.hint = f"over UDP the answer was truncated at {error.size} octets; +ignore accepts that"
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
            # A little less than its share: then each server gets its turn, and the error names the silent
            # one.
            time = min(time, max((self._timeout - spent) * 0.96 / (servers * tries), 0.001))
        return QueryOptions(
            timeout=time,
            tries=tries,
            # As in BIND's dig: an answer to ANY is larger than servers like to send over UDP.
            tcp=flags.get("tcp", query.rdtype == DnsRecordType.ANY),
            ignore_truncation=flags.get("ignore", False),
            rd=flags.get("recurse", True),
            ad=flags.get("ad", True),
            cd=flags.get("cd", False),
            edns=_edns(flags),
            randomize_case=False,  # send the name as it was typed
            source=self._source,
            lenient=True,  # show what there is
            tsig=self._tsig,
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
    sent += flags.get("ednsopt") or ()
    return Edns(
        flags.get("bufsize", DEFAULT_PAYLOAD_SIZE),
        0 if version is True else version,
        flags.get("dnssec", False),
        options=sent,
    )


class _Servers:
    """Addresses of servers. A server's name is looked up once, however many queries it gets."""

    def __init__(self, port: int, family: int | None) -> None:
        self._port = port
        self._family = family
        self._system: list[SocketAddr] | None = None
        self._known: dict[str, list[SocketAddr] | Exception] = {}
        self._look_ups: SingleFlight[str, list[SocketAddr] | Exception] = SingleFlight()

    def addresses(self, servers: Sequence[tuple[Any, int | None]]) -> Flow[list[SocketAddr]]:
        """Flow: the addresses to ask, in order; resolv.conf's if no server is given. Raises NoServer."""
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
        found = self._known.get(host)
        if found is None:
            found = yield from self._look_ups.do(host, lambda: self._ask_system(host))
            self._known[host] = found
        if isinstance(found, Exception):
            raise found
        return found

    def _ask_system(self, host: str) -> Flow[list[SocketAddr] | Exception]:
        from netkit.net.errors import ResolveError
        from netkit.net.resolve import resolve_flow

        try:
            return (yield from resolve_flow((host, self._port)))
        except ResolveError as error:
            return NoServer(f"the server {host}: {error.reason}")
        except OSError as error:
            return error


def _at(address: SocketAddr | IpAddr, port: int) -> SocketAddr:
    """The same address with another port; an IPv6 address keeps its scope."""
    from netkit.addr import SocketAddr

    return SocketAddr.new(address.ip if isinstance(address, SocketAddr) else address, port)
