"""`netkit`: the program.

`main` is the program. `run` does the same in an environment that the caller gives; tests call `run`. The
commands are listed in `netkit.cli.table`, and `netkit.cli.frame` does what is common to all of them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from netkit._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Exit


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run netkit with the arguments of the process (or `argv`), and exit."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _occupy_closed()
    if arguments in (["--version"], ["-V"]) and sys.stdout is not None:
        try:
            sys.stdout.write(f"netkit {__version__}\n")
            sys.stdout.flush()
        except OSError:
            pass  # the code below reports it, with the right exit code
        else:
            sys.exit(0)
    from netkit.cli.frame.signals import unready

    unready()
    from netkit.cli.frame.root import run_process

    sys.exit(run_process(arguments))


def run(argv: Sequence[str], env: Environment) -> Exit:
    """Run netkit with `argv` in `env`; the exit code. Raises nothing."""
    from netkit.cli.frame.root import run_in

    return run_in(argv, env)


def _occupy_closed() -> None:
    """Open /dev/null on standard descriptors that are closed (`>&-`). Otherwise the next socket would get the
    number of standard output, and results would be sent to a peer."""
    import os

    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
