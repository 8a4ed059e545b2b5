"""`netkit dig`: the whole answer of a name server, in the grammar of BIND's dig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit._version import __version__
from netkit.cli.commands.dig.asking import Asker
from netkit.cli.commands.dig.flags import FLAGS, RETRY, SHOWN, flag_options, flag_rows
from netkit.cli.commands.dig.grammar import (
    FORM,
    USAGE,
    Defaults,
    class_names,
    doubt,
    parse_class,
    parse_type,
    read_words,
    type_names,
)
from netkit.cli.commands.dig.servers import Servers, parse_server
from netkit.cli.commands.dig.view import DigView
from netkit.cli.frame import inputs, options
from netkit.cli.frame.command import Run, Section, command
from netkit.cli.frame.groups import FamilyOptions, option_group
from netkit.cli.frame.options import HOST, Port, Value, WrongValue, option
from netkit.cli.frame.tsig import TsigKeyText, read_keys
from netkit.cli.payload.dns_tls import DnsTlsOptions

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.cli.commands.dig.answered import Answered
    from netkit.cli.commands.dig.grammar import Query
    from netkit.cli.frame.inputs import Inputs
    from netkit.dns.tsig.keys import TsigKey


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
@option(
    "--server",
    "servers",
    multiple=True,
    metavar="SERVER",
    complete=HOST,
    help="Ask this server, an address, a name or a URL: @SERVER. Without one, resolv.conf's.",
)
@option(
    "-p",
    "--port",
    type=Port("udp"),
    metavar="PORT",
    help="The server's port, if @SERVER has none. [default: 53; 853 over TLS, 443 over HTTPS]",
)
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
@option_group(only=FamilyOptions, how=DnsTlsOptions)
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
    port: int | None,
    rdtype: str | None,
    rdclass: str | None,
    source: SocketAddr | None,
    tsig_key: TsigKey | None,
    tsig_file: str | None,
    only: FamilyOptions,
    how: DnsTlsOptions,
    timeout: float | None,
    flags: dict[str, Any],
) -> None:
    """Ask name servers for records, and show the whole answer.

    The grammar is that of BIND's dig: @SERVER, NAME, TYPE, CLASS and +flags in any order. Flags may be
    shortened (+norec), and each has a long option. Words before the first name apply to all names, words
    after a name only to that name; long options apply to all. After a name without a type, a word without a
    dot is read as a type: for a second name of one label, write `host.` or -q host. A file of -f has lines of
    the same form.

    A server may be a URL that says how to ask: @tcp://ADDRESS, @tls://ADDRESS#NAME (the name that its
    certificate must have), @https://NAME/dns-query (with GET: /dns-query{?dns}). Over TLS and HTTPS the
    certificate is verified, unless --insecure is given.

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
        $ netkit dig @tls://192.0.2.53#dns.example example.com +explain
        $ netkit dig @tls://192.0.2.53 example.com --proxy socks5://127.0.0.1:1080
        $ netkit dig --json -f names.txt --concurrency 100 --rate 500/s
    """
    defaults = Defaults(
        None if rdtype is None else parse_type(rdtype),
        None if rdclass is None else parse_class(rdclass),
        tuple([parse_server(server) for server in servers]),
        flags,
        how,
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
    asker = Asker(run.env, Servers(port, only.version), source, timeout, how, tsig_key)
    try:
        run.each(targets.of(targets.texts, defaults.parse), asker.ask, timeout=timeout)
    finally:
        asker.close()


def _only_key(path: str) -> TsigKey:
    """The key in a file. Raises OSError, TsigError.KeyFile, WrongValue."""
    keys = read_keys([path], allow_md5=True)
    if len(keys) > 1:
        raise WrongValue(f"{path} has {len(keys)} keys", "make a file with the one key to sign with")
    return keys[0]
