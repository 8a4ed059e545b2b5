"""`netkit`: the program.

`main` is the program; `run` is the same with the environment handed in, and is what tests call. The commands
are in `netkit.cli.table`, what happens around every one of them in `netkit.cli.frame`.
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
            pass  # said, with the right exit code, on the way below
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
    """Give closed standard descriptors (`>&-`) to /dev/null: otherwise the next socket gets the number,
    and what was meant for the reader is sent to a peer."""
    import os

    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number free, which is this one
