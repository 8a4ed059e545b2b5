"""`netkit completion`: the script with which a shell completes netkit's command lines."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypedDict

import click

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.options import argument
from netkit.cli.frame.view import View

Shell = Literal["bash", "zsh", "fish"]


class CompletionRow(TypedDict):
    """The script for one shell."""

    shell: Shell
    script: Annotated[str, "What the shell reads"]


class Script(NamedTuple):
    """The script for one shell."""

    shell: Shell
    text: str


class CompletionView(View[Script]):
    """The script as it is; with --json, in an object."""

    schema = CompletionRow
    has_input = False

    def to_json(self, result: Script) -> CompletionRow:
        return {"shell": result.shell, "script": result.text}


@command("completion", view=CompletionView(), modes=("json",), see_also=("bash(1)", "zsh(1)", "fish(1)"))
@argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
def completion(run: Run[Script], shell: Shell) -> None:
    """Print the script with which a shell completes command lines.

    An installation puts these scripts and the manual pages where shells look for them, below its own prefix:
    share/bash-completion/completions, share/zsh/site-functions, share/fish/vendor_completions.d. This command
    prints a script for other places, such as a virtual environment.

    For bash, write `source <(netkit completion bash)` in ~/.bashrc, or put the script into
    ~/.local/share/bash-completion/completions/netkit. For zsh, its place is a file _netkit in a directory of
    $fpath; for fish, ~/.config/fish/completions/netkit.fish.

    The shell reads the script once, so pressing TAB does not start Python.

    Examples:

        $ netkit completion bash > netkit.bash
        $ netkit completion zsh > _netkit
        $ netkit completion fish > netkit.fish
    """
    from netkit.cli.pages import completion as scripts
    from netkit.cli.table import COMMANDS

    made = Script(shell, getattr(scripts, shell)(scripts.nodes(COMMANDS)))
    if run.json:
        run.result(made)
    else:
        # On a terminal too: what is copied from there has to be what the shell reads.
        run.env.write(made.text)
