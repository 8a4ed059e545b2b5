'''The command line: one frame, and a small file for each command.

A command parses its arguments, calls the library, and says how a result is shown. All else is the
frame's: output modes, exit codes, messages, many inputs, progress, signals, man pages, completions and
schemas. What a command looks like, whole (`netkit/cli/commands/rev.py`):

    """`netkit rev`: the names of addresses."""

    class RevRow(TypedDict):
        """The names of one address."""                       # the schema's description

        type: Literal["rev"]                                  # `input` and `error` are the frame's
        names: Annotated[list[str], "The names, as the server gave them"]
        time_s: Annotated[float, "How long the answer took"]


    class RevView(View[Answer]):                              # Answer: what the library returns
        type = "rev"
        schema = RevRow                                       # or a union of several rows
        columns = (Column("address", 40), Column("names", 60))    # several inputs: a line each

        def to_json(self, result: Answer) -> RevRow:
            return {"type": "rev", "names": [str(n) for n in result.names], "time_s": result.time_s}

        def plain(self, result: Answer) -> Iterable[Line]:    # cells; the input first
            for name in result.names:
                yield result.address, name

        def row(self, result: Answer) -> Sequence[object]:
            return result.address, ", ".join(map(str, result.names))


    @command("rev", view=RevView(), doing="looking up {}", lookup=True)
    @inputs.many("ADDRESS", parse=IpAddr.parse)
    @options.timeout(5.0)
    def rev(run: Run[Answer], targets: Inputs[IpAddr], timeout: float) -> None:
        """Find the names of addresses.

        Paragraphs, as long as they are useful.

        Examples:

            $ netkit rev 127.0.0.1
        """
        resolver = Resolver()
        run.each(targets, resolver.lookup_addr_flow, timeout=timeout)

and its line in `netkit/cli/table.py`:

    Entry("rev", ".rev:rev", "Find the names of addresses.", LOOK_UP),

Then `python -m netkit.cli.pages.generate` writes its pages. What to know beyond that:

- A row's TypedDict is read at run time to make the schema: what its annotations name is imported for
  real, not under TYPE_CHECKING. Its keys are those of docs/json.md where that has a word for it, with the
  types of netkit.cli.frame.fields (`peer: Annotated[Endpoint, "Where it went"]`); tests hold both.
- Imports: at the top of a command's module only what every call needs; `netkit.cli.render` (rich) inside
  `table` only. `View.table` yields rich renderables: `table(...)`, `facts(...)`, text.
- Errors: let them rise. `explain` (exits.py) makes an exit code, a message and the JSON error of each. A
  result that has something to show and failed all the same (a certificate that does not verify): return
  the exception from `View.failure`. A plain no: `View.exit_code`.
- One operation without inputs: `run.result(run.wait(flow, timeout))`. Streams: `run.write_object({...})`
  for each event if `run.json` (its `input` is the argument as it was typed), else
  `run.env.write_bytes(payload)`; `run.env.say(...)` and `.warn(...)` for standard error. `run.env.stdin` and
  `.stdout` are binary streams, None where closed.
- Options: `netkit.cli.frame.options` has those that several commands share (`timeout`, `tries`, `family`,
  `source`, `ca`, `insecure`) and value types (`Seconds`, `Number`, `Port`, `Address`, `Network`,
  `Endpoint`, `Rate`, `File`); `options.option(...)` is click's with `section` and `complete`. A wrong
  combination: `raise WrongValue(message, right_form)`.
- A grammar of one's own (dig): `command(..., rewrite=function_of_argv, short_letters=False, usage=...,
  sections=[Section("Flags", rows, complete=True)])`; inputs then are `targets.of(texts, parse)`.
- Tests: the fixture `netkit("rev", "127.0.0.1", tty=False)` returns stdout, stderr, exit_code and json,
  each object validated against the schema; `netkit_process` is the same as a real process.
'''
