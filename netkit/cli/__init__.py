'''The command line: one frame, and a small file for each command.

A command parses its arguments, calls the library, and says how a result is shown. The frame does everything
else: output modes, exit codes, messages, many inputs, progress, signals, man pages, completions and
schemas. This is a whole command (`netkit/cli/commands/rev.py`):

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

Then `python -m netkit.cli.pages.generate` writes its pages. The rules beyond that:

- A row's TypedDict is read at run time to make the schema. So import the names in its annotations normally,
  not under TYPE_CHECKING. A row does not declare `type`: the frame makes it of the command's path (`tcp
  connect` has the type `tcp.connect`). Where docs/json.md has a word for a key, use that word, with the types
  of netkit.cli.frame.fields (`peer: Annotated[Endpoint, "Where it went"]`). Tests check both.
- A view declares only what it needs: `facts` (names and values), `rows` with `titles` (a table), `row` (one
  line for each input). To show a result differently, override `plain`, `short` or `table`. A cell may be a
  `Mark`.
- Imports: at the top of a command's module only what every call needs; `netkit.cli.render` (rich) inside
  `table` only. `View.table` yields rich renderables: `table(...)`, `facts(...)`, text.
- Errors: do not catch them. `explain` (exits.py) turns each into an exit code, a message and the JSON error.
  If a result failed but still has something to show (a certificate that does not verify), return the
  exception from `View.failure`. If the answer is simply no, use `View.exit_code`.
- `run.each` takes a flow of the library, or a plain function if the function does not wait. For one operation
  without inputs: `run.result(run.wait(flow, timeout))`. For streams: `run.write_object({...})` for each event
  if `run.json` (the frame adds `input`, the argument as it was typed), else `run.env.write_bytes(payload)`;
  `run.env.say(...)` and `.warn(...)` for standard error. `run.env.stdin` and `.stdout` are binary streams,
  or None if they are closed.
- Options: `option(...)` and `argument(...)` are click's, with `section` and `complete`; the value types are
  beside them (`Seconds`, `Number`, `Port`, `Address`, `Network`, `Endpoint`, `BaseUrl`, `Rate`, `File`). A
  type gives the placeholder of its value on help pages, and says what a shell completes. Help pages show
  defaults.
- Options that belong together are an `OptionGroup`. A command gets the group as one argument, and the group's
  `check` refuses contradictions. There are `FamilyOptions` and `SourceOptions` (groups.py), and for
  commands with a payload `TalkOptions`, `ListenOptions`, `ClientTlsOptions`, `ServerTlsOptions`,
  `TrustOptions` and `FaultOptions` (`netkit.cli.payload`). For a wrong combination of other options:
  `raise WrongValue(message, right_form)`, or `exclude("--one", one, "--other", other)`.
- A command with its own grammar (dig): `command(..., rewrite=function_of_words, short_letters=False,
  usage=..., sections=[Section("Flags", rows, complete=True)])`; inputs then are `targets.of(texts, parse)`.
- Tests: the fixture `netkit("rev", "127.0.0.1", tty=False)` returns stdout, stderr, exit_code and json,
  each object validated against the schema; `netkit_process` is the same as a real process.
'''
