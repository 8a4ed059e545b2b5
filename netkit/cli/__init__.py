'''The command line: one frame, and a small file for each command.

A command parses its arguments, calls the library, and says how a result is shown. All else is the
frame's: output modes, exit codes, messages, many inputs, progress, signals, man pages, completions and
schemas. What a command looks like, whole (`netkit/cli/commands/rev.py`):

    """`netkit rev`: the names of addresses."""

    from __future__ import annotations

    from typing import TYPE_CHECKING, Annotated, TypedDict

    from netkit.addr import IpAddr
    from netkit.cli.frame import inputs, options
    from netkit.cli.frame.cells import Column
    from netkit.cli.frame.command import Run, command
    from netkit.cli.frame.groups import SourceOptions, option_group
    from netkit.cli.frame.view import View

    if TYPE_CHECKING:
        from collections.abc import Iterable, Sequence

        from netkit.cli.frame.inputs import Inputs
        from netkit.dns.host import FoundNames


    class RevRow(TypedDict):
        """The names of one address."""  # the schema's description

        names: Annotated[list[str], "The canonical one first"]


    class RevView(View["FoundNames"]):  # what the library returns
        """A line for each name."""

        schema = RevRow  # or a union of several rows
        columns = (Column("address", 40), Column("names", 60))  # several inputs: a line each
        titles = ("name", "source")  # one input: a table

        def to_json(self, result: FoundNames) -> RevRow:  # `type`, `input` and `error` are the frame's
            return {"names": [each.name for each in result.names]}

        def rows(self, result: FoundNames) -> Iterable[Sequence[object]]:  # the input stands before each
            return [(each.name, each.source) for each in result.names]

        def row(self, result: FoundNames) -> Sequence[object]:
            return (", ".join(each.name for each in result.names),)


    @command("rev", view=RevView(), doing="looking up {}", lookup=True)
    @inputs.many("ADDRESS", parse=IpAddr.parse)
    @option_group(source=SourceOptions)
    @options.timeout(5.0)
    def rev(run: Run[FoundNames], targets: Inputs[IpAddr], source: SourceOptions, timeout: float) -> None:
        """Find the names of addresses.

        Paragraphs, as long as they are useful.

        Examples:

            $ netkit rev 127.0.0.1
        """
        from netkit.dns.exchange import QueryOptions
        from netkit.dns.resolver import Resolver

        resolver = Resolver(options=QueryOptions(source=source.resolve().source))
        run.each(targets, resolver.find_names_flow, timeout=timeout)

and its line in `netkit/cli/table.py`:

    Entry("rev", ".rev:rev", "Find the names of addresses.", LOOK_UP),

Then `python -m netkit.cli.pages.generate` writes its pages. What to know beyond that:

- A row's TypedDict is read at run time to make the schema: what its annotations name is imported for
  real, not under TYPE_CHECKING. A row declares no `type`: it is the command's path, `tcp connect` is
  `tcp.connect`. Its keys are those of docs/json.md where that has a word for it, with the types of
  netkit.cli.frame.fields (`peer: Annotated[Endpoint, "Where it went"]`); tests hold both.
- A view says no more than it has to: `facts` (names and values), `rows` with `titles` (a table), `row` (one
  line an input). What is shown otherwise overrides `plain`, `short` or `table`. A cell may be a `Mark`.
- Imports: at the top of a command's module only what every call needs; `netkit.cli.render` (rich) inside
  `table` only. `View.table` yields rich renderables: `table(...)`, `facts(...)`, text.
- Errors: let them rise. `explain` (exits.py) makes an exit code, a message and the JSON error of each. A
  result that has something to show and failed all the same (a certificate that does not verify): return
  the exception from `View.failure`. A plain no: `View.exit_code`.
- `run.each` takes a flow of the library, or a plain function where nothing is waited for. One operation
  without inputs: `run.result(run.wait(flow, timeout))`. Streams: `run.write_object({...})` for each event
  if `run.json` (its `input` is the argument as it was typed), else `run.env.write_bytes(payload)`;
  `run.env.say(...)` and `.warn(...)` for standard error. `run.env.stdin` and `.stdout` are binary streams,
  None where closed.
- Options: `option(...)` and `argument(...)` are click's, with `section` and `complete`; the value types are
  beside them (`Seconds`, `Number`, `Port`, `Address`, `Network`, `Endpoint`, `BaseUrl`, `Rate`, `File`). A
  type says what stands for its value on help pages, and what a shell completes; a default is shown.
- Options that belong together are an `OptionGroup`, which a command gets as one argument and which refuses
  in `check` what contradicts itself. There are `FamilyOptions` and `SourceOptions` (groups.py), and for
  commands with a payload `TalkOptions`, `ListenOptions`, `ClientTlsOptions`, `ServerTlsOptions`,
  `TrustOptions` and `FaultOptions` (`netkit.cli.payload`). A wrong combination of others:
  `raise WrongValue(message, right_form)`, or `exclude("--one", one, "--other", other)`.
- A grammar of one's own (dig): `command(..., rewrite=function_of_argv, short_letters=False, usage=...,
  sections=[Section("Flags", rows, complete=True)])`; inputs then are `targets.of(texts, parse)`.
- Tests: the fixture `netkit("rev", "127.0.0.1", tty=False)` returns stdout, stderr, exit_code and json,
  each object validated against the schema; `netkit_process` is the same as a real process.
'''
