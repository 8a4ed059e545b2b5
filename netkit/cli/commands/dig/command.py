"""`netkit dig`: the whole answer of a name server, in the grammar of BIND's dig."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from netkit._version import __version__
from netkit.cli.commands.dig.answered import Answered, Shown
from netkit.cli.commands.dig.asking import Asker
from netkit.cli.commands.dig.grammar.digrc import merged, read_digrc
from netkit.cli.commands.dig.grammar.flags import flag_options, flag_rows
from netkit.cli.commands.dig.grammar.flags_asking import ASKING, RETRY
from netkit.cli.commands.dig.grammar.flags_showing import SHOWING, WHOLE
from netkit.cli.commands.dig.grammar.line_options import Source, family_of, only_key
from netkit.cli.commands.dig.grammar.mistakes import doubt
from netkit.cli.commands.dig.grammar.mnemonics import (
    class_names,
    parse_class,
    parse_serial,
    parse_type,
    type_names,
)
from netkit.cli.commands.dig.grammar.queries import (
    FORM,
    NO_SHORT,
    USAGE,
    Defaults,
    read_words,
)
from netkit.cli.commands.dig.grammar.secrets import shown_line
from netkit.cli.commands.dig.grammar.watch_options import CompareOptions, WatchOptions
from netkit.cli.commands.dig.servers import Servers, check_port, parse_server
from netkit.cli.commands.dig.showing.view import DigView
from netkit.cli.commands.dig.showing.words import command_lines
from netkit.cli.commands.dig.tracing.asking import Tracer
from netkit.cli.commands.dig.transferring.asking import Transfers
from netkit.cli.frame import inputs, options
from netkit.cli.frame.command import Run, Section, command
from netkit.cli.frame.groups import FamilyOptions, option_group
from netkit.cli.frame.options import HOST, Port, WrongValue, option
from netkit.cli.frame.tsig import TsigKeyText
from netkit.cli.frame.usage import WORDS
from netkit.cli.frame.views import Views
from netkit.cli.payload.dns.tls import DnsTlsOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.addr import SocketAddr
    from netkit.cli.commands.dig.grammar.queries import Query, Word
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.dns.tsig.keys import TsigKey
    from netkit.io import Flow


#: What is asked where no name is given but a server or flags are: whether a server answers at all.
ROOT = ". NS"


def rewrite(words: list[str], env: Environment) -> list[str]:
    """The command line in a form for click: options first, then each query as one argument."""
    takes_value = {
        name: not param.is_flag and not param.count and param.flag_value != ""
        for param in dig.params
        if isinstance(param, click.Option)
        for name in param.opts
    }
    found = read_words(words, takes_value)
    if not {"-r", "--no-digrc"} & set(found.options):
        found = merged(read_digrc(env, takes_value), found)
    shorts = [each for each in found.options if each in ("--short", NO_SHORT)]
    arguments = [each for each in found.options if each not in ("--short", NO_SHORT)]
    if shorts and shorts[-1] != NO_SHORT:
        arguments.append("--short")
    for kind, text, value in _last_of_each(found.shared):
        if kind == "flag":
            flag = value[0]
            off = "no-" if value[1] is False else ""
            equals, written = text.partition("=")[1:]
            arguments.append(f"--{off}{flag.option}{equals}{written}")
        else:
            arguments.append(f"--{kind}={text.removeprefix('@')}")
    return [*arguments, "--", *(" ".join([word.text for word in query]) for query in found.queries)]


def _last_of_each(words: list[Word]) -> list[Word]:
    """The words without those flags that a later one replaces: `+nocookie +cookie` is `+cookie`."""
    kept: dict[object, list[Word]] = {}
    for at, word in enumerate(words):
        if word.kind != "flag":
            kept[at] = [word]
            continue
        flag, value = word.value
        before = kept.pop(flag.name, [])
        is_added = flag.adds and value is not False
        kept[flag.name] = [*(each for each in before if is_added and each.value[1] is not False), word]
    return [word for each in kept.values() for word in each]


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.find_root().obj.write(f"netkit {__version__}\n")
        ctx.exit()


#: The modules that show other results than the answer to a question, loaded when there is one.
MORE_VIEWS = (
    "netkit.cli.commands.dig.comparing.view",
    "netkit.cli.commands.dig.searching.view",
    "netkit.cli.commands.dig.tracing.view",
    "netkit.cli.commands.dig.transferring.view",
    "netkit.cli.commands.dig.watching.view",
)


class DigViews(Views):
    """The views of all results; a line of a file may say that its own is shown with or without `+short`."""

    def plain(self, result: Shown) -> Iterable[Line]:
        return super().short(result) if result.form("plain") == "short" else super().plain(result)

    def short(self, result: Shown) -> Iterable[Line]:
        return super().plain(result) if result.form("short") == "plain" else super().short(result)

    def is_block(self, result: Shown) -> bool:
        return result.form("plain") == "plain" and super().is_block(result)


@command(
    "dig",
    view=DigViews({Answered: DigView()}, later=MORE_VIEWS),
    usage=USAGE,
    lookup=True,
    short_letters=False,
    rewrite=rewrite,
    sections=(
        Section("Flags that say how to ask", flag_rows((*ASKING, RETRY)), complete=True),
        Section(
            "Flags that say what to show",
            [("+short", "Only the bare values, one a line (--short)."), *flag_rows((*SHOWING, *WHOLE))],
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
@option("--root-hints", type=options.File(),
        help="Walk from the root servers in FILE (+trace). A comment behind an address may give its port: "
        "`; port 5300`.")  # fmt: skip
@option_group(only=FamilyOptions, how=DnsTlsOptions)
@options.timeout(None)
@option_group(comparing=CompareOptions, watching=WatchOptions)
@flag_options
@option(
    "-r",
    "--no-digrc",
    "_no_digrc",
    is_flag=True,
    expose_value=False,
    help="Do not read ~/.digrc, whose words precede those of the command line.",
)
@option("-u", "--microseconds", is_flag=True, help="Show the time of a query in microseconds.")
@option("-v", "_version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
        help="Show the version, as dig's -v does.")  # fmt: skip
@inputs.many(
    "NAME [TYPE]",
    complete=HOST,
    words=type_names,
    shown=shown_line,
    help="Read queries from FILE, `NAME [TYPE] [+flags]` a line (`-`: stdin).",
)
def dig(
    run: Run[Any],
    targets: Inputs[Query],
    servers: tuple[str, ...],
    port: int | None,
    rdtype: str | None,
    rdclass: str | None,
    source: SocketAddr | None,
    tsig_key: TsigKey | None,
    tsig_file: str | None,
    root_hints: str | None,
    only: FamilyOptions,
    how: DnsTlsOptions,
    timeout: float | None,
    comparing: CompareOptions,
    watching: WatchOptions,
    flags: dict[str, Any],
    microseconds: bool,
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

    With +trace nobody's cache is asked: the walk begins at the root servers (or those that @SERVER names, or
    --root-hints), and each zone's own servers say who is next. Every step has its server, time and reason;
    what the zone above and the zone itself tell differently is told at the end.

    AXFR transfers a zone, and IXFR=SERIAL what has changed in it since that version: records are shown as
    they come, and nothing is complete before the statistics. A transfer that breaks says at which message
    and record.

    Plain text is as in dig: records are NAME, TTL, CLASS, TYPE and RDATA in dig's columns; all other lines
    begin with a semicolon. --json always has everything, whichever parts the flags choose to show.

    With --compare, the exit code is 0 if all servers agree, also that there is no such name, and 1 if they
    differ, or if one is lame or does not answer. With --watch --until it is 0 when EXPR holds, 1 if --count
    came first, and 7 if --timeout did.

    Examples:

        $ netkit dig www.example.com
        $ netkit dig @192.0.2.53 example.com MX +short
        $ netkit dig @[2001:db8::53]:5353 -x 192.0.2.1 +tcp
        $ netkit dig @192.0.2.53 example.com AXFR
        $ netkit dig example.com NS example.org SOA +norec
        $ netkit dig @tls://192.0.2.53#dns.example example.com +explain
        $ netkit dig @tls://192.0.2.53 example.com --proxy socks5://127.0.0.1:1080
        $ netkit dig +trace www.example.com
        $ netkit dig www.example.com --compare auth
        $ netkit dig example.com --compare auth --watch --interval 10 --until agree
        $ netkit dig --json -f names.txt --concurrency 100 --rate 500/s
    """
    if microseconds:
        flags["microseconds"] = True
    defaults = Defaults(
        None if rdtype is None else parse_type(rdtype),
        None if rdclass is None else parse_class(rdclass),
        tuple([parse_server(server) for server in servers]),
        flags,
        how,
        parse_serial(rdtype),
    )
    texts = targets.texts
    if not texts and targets.how.file is None and (servers or flags) and not (rdtype or rdclass):
        texts = (ROOT,)
    if not texts and targets.how.file is None:
        read = rdtype or rdclass
        if read is None:
            raise WrongValue("a name is missing", FORM)
        raise WrongValue(f"a name is missing ({read} was read as a type or class)",
                         f"for that name, write {read.lower()}. or -q {read.lower()}")  # fmt: skip
    for text in texts:
        if odd := doubt(text):
            run.env.warn("dig", *odd)
    options.exclude("-y", tsig_key, "-k", tsig_file)
    if tsig_file is not None:
        tsig_key = only_key(tsig_file)
    if flags.get("yaml") and flags.get("json"):
        raise WrongValue("+yaml contradicts +json", "leave one of the two out")
    if flags.get("yaml"):
        from netkit.cli.commands.dig.showing.yaml_lines import error_lines

        run.prefer_plain(error_lines)
    elif flags.get("json"):
        from netkit.cli.commands.dig.showing.rfc8427 import json_error_lines

        run.prefer_plain(json_error_lines)
    elif flags.get("cmd") and run.env.mode in ("plain", "table"):
        words = click.get_current_context().meta.get(WORDS, ())
        run.env.write_lines(command_lines(words))
    check_port(port, "-p")
    # With a proxy, this and not the server is reached from there.
    version = family_of(only.version, source if how.proxy is None else None)
    found = Servers(port, version)
    asker = Asker(run.env, found, source, timeout, how, tsig_key)
    tracer = Tracer(run.env, asker, found, timeout, port, only.version, root_hints)
    queries = targets.of(texts, partial(tracer.parse, defaults.parse))

    transfers = Transfers(run, asker)

    def ask(query: Query) -> Flow[Any]:
        if tracer.wants(query):
            return tracer.flow(query)
        if query.is_transfer:
            return transfers.flow(query)
        if query.flags.get("nssearch"):
            from netkit.cli.commands.dig.searching.asking import NsSearcher

            return NsSearcher(asker, found, found.family_of(query.flags)).flow(query)
        return asker.ask(query)

    try:
        if comparing.compare or watching.watch:
            from netkit.cli.commands.dig.several import Several

            Several(run, asker, found, comparing, watching, version, timeout).each(queries)
        else:
            run.each(queries, ask, timeout=timeout)
    except KeyboardInterrupt:
        tracer.interrupted()
        raise
    finally:
        asker.close()
