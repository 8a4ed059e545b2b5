"""`netkit http fetch`: requests in the words of HTTPie and with the options of curl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit.cli.fetch.describe import describe
from netkit.cli.fetch.dialogue import Steps
from netkit.cli.fetch.options import (
    AuthOptions,
    ConnectOptions,
    FetchOutput,
    FollowOptions,
    RequestOptions,
    RequestTlsOptions,
    SaveOptions,
    ShowOptions,
    tag_values,
)
from netkit.cli.fetch.plan import FileBody, complete_url
from netkit.cli.fetch.request import FORM, Words, plan_of, plans_of
from netkit.cli.frame import inputs
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, Section, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.messages import plural, without_password
from netkit.cli.frame.options import HOST, Seconds, WrongValue, option
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netkit.cli.fetch.outcome import Done
    from netkit.cli.fetch.rows import Fetched
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.io import Flow

ITEMS = (
    ("name=value", "A field of the body: text. a[b][]=x makes nested JSON."),
    ("name:=value", "A field of the body: JSON (a number, true, a list)."),
    ("name==value", "A parameter of the URL's query."),
    ("Name:value", "A header. `Name:` takes a default one out, `Name;` sends an empty one."),
    ("name@FILE", "Upload a file, in a multipart form; `;type=TYPE` may follow. `@FILE` alone is the body."),
    ("name=@FILE", "The value is the file's content; so too :=@ ==@ and :@."),
)


def _rewrite(words: list[str], env: Environment) -> list[str]:  # noqa: ARG001
    """The words with a curl command in the place of --from-curl, and -d's values marked."""
    takes_value = {
        name
        for param in fetch.params
        if param.param_type_name == "option" and not getattr(param, "is_flag", False)
        for name in param.opts
        if not getattr(param, "count", False)
    }
    return tag_values(_expanded(words, takes_value), takes_value)


def _expanded(words: list[str], takes_value: set[str]) -> list[str]:
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name != "--from-curl" or (at and words[at - 1] in takes_value):
            continue
        if not equals:
            if at + 1 == len(words):
                return words  # click says that its value is missing
            value = words[at + 1]
        from netkit.cli.fetch.curl_line import from_curl

        return [*words[:at], *from_curl(value), *words[at + 1 + (not equals) :]]
    return words


#: Parameters that a curl command has from the request itself, or not at all.
_NOT_BESIDE = frozenset(("auth__basic", "auth__bearer", "auth__digest", "auth__user", "targets"))
_NOT_BESIDE |= {"show__curl", "show__from_curl", "show__no_buffer", "show__offline"}


def _beside(run: Run[Any]) -> list[tuple[str, object]]:
    """The options that were given and are not about the request: their longest names, and their values."""
    found: list[tuple[str, object]] = []
    for param in fetch.params:
        name, value = param.name or "", run.given.get(param.name or "")
        if name == "request__cookies":
            found += [("--cookie", text) for text in value or () if "=" not in text]
            continue
        if name.startswith(("request__", "output__")) or name in _NOT_BESIDE or value in (None, (), False):
            continue
        if value != param.get_default(click.Context(fetch), call=True):
            values = value if isinstance(value, tuple) and param.multiple else (value,)
            found += [(max(param.opts, key=len), each) for each in values]
    return found


class FetchView(View[Any]):
    """Bodies as they are; a line for each file; with --json, events."""

    columns = (Column("url", 40), Column("status", 6), Column("size", 9), Column("file", 40))

    @property
    def schema(self) -> Any:  # made when it is asked for: start-up need not have it
        from netkit.cli.fetch.rows import Row

        return Row

    def to_json(self, result: Done) -> Fetched:
        from netkit.cli.fetch.rows import header_rows

        return {
            "event": "fetched",
            "url": result.url,
            "status": result.status,
            "redirects": result.redirects,
            "size": result.size,
            "elapsed_s": result.elapsed,
            "phases": [
                {"phase": name, "started_s": begun, "ended_s": ended} for name, begun, ended in result.phases
            ],
            "trailers": header_rows(result.trailers),
            "file": result.file,
            "offset": result.offset,
            "parallel": result.parts,
            "checksum": result.checksum,
        }

    def rows(self, result: Done) -> Iterable[Sequence[object]]:
        return [] if result.file is None else [(result.status, result.size, result.file)]

    def row(self, result: Done) -> Sequence[object]:
        return result.status, result.size, result.file

    def table(self, result: Done, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        if result.file is not None:
            yield f"{result.file}: {plural(result.size, 'octet')}"

    def exit_code(self, result: Done) -> Exit:
        return Exit.NO if result.is_refused else Exit.LOCAL if result.is_withheld else Exit.OK


@command(
    "http fetch",
    view=FetchView(),
    doing="fetching {}",
    modes=("json", "plain"),
    short_letters=False,
    output=FetchOutput,
    usage="[METHOD] URL... [ITEM...]",
    rewrite=_rewrite,
    sections=(Section("Items", ITEMS),),
    see_also=("netkit-tls-probe(1)", "netkit-link(1)", "netkit-range(1)", "netkit-http-parse(1)", "curl(1)"),
)
@inputs.many(
    "URL",
    required=False,
    short_letters=False,
    complete=HOST,
    help="Read URLs from FILE, one a line (`-`: standard input).",
)
@option_group(request=RequestOptions, auth=AuthOptions, follow=FollowOptions)
@option(
    "-m", "--max-time", "--timeout", "timeout", type=Seconds(), help="Give up after this time, all in all."
)
@option_group(connect=ConnectOptions, tls=RequestTlsOptions, save=SaveOptions, show=ShowOptions)
def fetch(
    run: Run[Any],
    targets: Inputs[str],
    request: RequestOptions,
    auth: AuthOptions,
    follow: FollowOptions,
    timeout: float | None,
    connect: ConnectOptions,
    tls: RequestTlsOptions,
    save: SaveOptions,
    show: ShowOptions,
) -> Exit | None:
    """Send HTTP requests, and write the bodies of the answers.

    METHOD is a word in capitals. Items are HTTPie's (below), short options are curl's. A URL without a
    scheme is completed: https for names of the internet, http for `:8080/x`, localhost, IP addresses, names
    without a dot, and port 80. Behind the first URL, another one needs its scheme if it could be an item.

    A body goes to standard output unchanged; on a terminal JSON is set out, and nothing that is no text is
    written there. -i, -I and -v show status and headers. Redirects are followed with -L. Standard input is
    sent only where it is asked for (`-d @-`, `-T -`).

    --curl and --offline show what would be sent, --from-curl takes a command as a browser copies it.

    Examples:

        $ netkit http fetch --offline example.com/notes title=Milk 'tags[]=food'
        $ netkit http fetch --curl -L example.com q==fish
        $ netkit http fetch --offline --from-curl 'curl -d a=b http://example.com/'
    """
    if run.json and targets.texts and targets.texts[0].lstrip().startswith(("{", "[")):
        raise WrongValue(
            f"{targets.texts[0][:40]!r} is no URL",
            "--json is the output here; for a body write name:=value, or -d with -H 'Content-Type: ...'",
        )
    words = Words(targets.texts)
    plan = plan_of(words, request, auth)
    if not words.urls and targets.how.file is None:
        raise WrongValue("URL is missing", FORM)
    many = len(words.urls) != 1 or "-" in words.urls or targets.how.file is not None
    if isinstance(plan.body, FileBody) and plan.body.path == "-" and many:
        raise WrongValue(
            "standard input can be sent to one URL only", "-d @- reads it before, for all of them"
        )
    for name, given in (("--resume", targets.how.resume), ("--rate", targets.how.rate)):
        if given is not None and not save.saves:
            raise WrongValue(
                f"{name} is for what is saved",
                "add -O, or -o FILE: without them bodies come one after the other on standard output",
            )
    if show.offline or show.curl:
        for url, each in plans_of(words, plan):
            run.input = without_password(url)
            describe(run, each, curl=show.curl, is_saved=save.saves, beside=_beside(run))
        return None
    if tls.early_data and not (many or follow.follows):
        hint = "write it twice: the first connection leaves a session for the second"
        run.env.warn("--early-data", "one URL resumes no session", hint)
    from netkit.cli.fetch.exchange import Fetcher
    from netkit.cli.fetch.settings import open_client
    from netkit.cli.fetch.state import State
    from netkit.http.url import Url

    env = run.env
    files = [text for text in request.cookies if "=" not in text]
    steps = Steps(env, show)
    plans = plans_of(words, plan)
    with State(env, cookie_files=files, auth=auth, follow=follow, show=show) as state:
        urls = [Url.parse(each.url) for _, each in plans]
        how = {
            "follows": follow.follows or save.download,
            # A file is what the server has: its offsets and its checksum are of that.
            "decodes": not save.raw and (request.compressed or not save.saves),
        }
        with open_client(env, urls, state, steps.trace, follow, connect, tls, **how) as client:
            fetcher = Fetcher(
                run, client, state, steps, follow=follow, save=save, show=show, compressed=request.compressed
            )
            fetcher.prepare(plan)
            outputs = iter(save.outputs)

            def fetched(url: str) -> Flow[Done]:
                return fetcher.fetch_flow(plan.replace(url=complete_url(url)), url, next(outputs, None))

            try:
                inputs_of_urls = targets.of(words.urls, str)
                if save.saves:
                    run.each(inputs_of_urls, fetched, timeout=timeout)
                else:
                    _one_by_one(run, inputs_of_urls, fetched, timeout)
            finally:
                steps.write_har()
    return None


def _one_by_one(
    run: Run[Any], urls: Inputs[str], fetched: Callable[[str], Flow[Done]], timeout: float | None
) -> None:
    """Fetch URLs one after the other: bodies on one standard output must not mix, nor rows with them."""
    from netkit.cli.frame.lines import Lines

    urls.check()
    lines = Lines(urls, run.env)
    try:
        while (item := run.wait(lines.next())) is not None:
            try:
                run.result(run.wait(fetched(item.text), timeout), item.shown)
            except Exception as error:
                run.failed(error, item.shown)
        if lines.empty:
            run.no_input(urls)
    finally:
        lines.close()
