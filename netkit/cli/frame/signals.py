"""Ctrl-C and SIGTERM from the process's first line to its last: an exit code, and never a traceback.

While a command runs (`ready`), both signals raise an exception, so that the terminal is restored and the
journal is complete. Before and after that (`unready`), while modules are imported and while the interpreter
ends, there is nothing to restore, and no code that catches an exception. So the process just ends, with the
same exit code.

If a signal's exception is raised in a `__del__` or in some callbacks, Python only prints it and continues.
For this case, `ready` sends the signal again a moment later. A signal that the parent process ignores
(`nohup`) stays ignored.

A terminal shows `^C` in the line where the cursor is. So whoever writes there is told of each Ctrl-C as it
comes, before anything that is written because of it (`Environment.ctrl_c`).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

#: Seconds until a signal that came in such a callback is sent again; the callback has ended by then.
AGAIN = 0.01

_on_interrupt: Callable[[], object] | None = None


def unready() -> None:
    """From now on Ctrl-C and SIGTERM end the process at once."""
    for number, handlers in (
        (signal.SIGINT, (signal.default_int_handler, interrupt)),
        (signal.SIGTERM, (signal.SIG_DFL, unwind)),
    ):
        if signal.getsignal(number) in handlers:
            signal.signal(number, leave)


def ready(on_interrupt: Callable[[], object] | None = None) -> None:
    """From now on they unwind the stack: Ctrl-C as KeyboardInterrupt, SIGTERM as Terminated.

    `on_interrupt` is called first at each Ctrl-C, in the signal's handler.
    """
    global _on_interrupt
    _on_interrupt = on_interrupt
    sys.unraisablehook = unraisable
    for number, handler in ((signal.SIGINT, interrupt), (signal.SIGTERM, unwind)):
        if signal.getsignal(number) is leave:
            signal.signal(number, handler)


def leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End the process with the exit code of the signal."""
    try:
        if os.isatty(2):
            os.write(2, b"\n")  # end the line on which the terminal showed ^C
    except OSError:
        pass
    os._exit(128 + number)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt."""
    if _on_interrupt is not None:
        _on_interrupt()
    signal.default_int_handler(number, frame)


def unwind(_number: int, _frame: FrameType | None) -> NoReturn:
    """Raise Terminated; the next SIGTERM ends the process at once."""
    from netkit.cli.frame.exits import Terminated

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated


def unraisable(told: Any) -> None:
    """Do what `sys.unraisablehook` does, but send a signal again if its exception was lost."""
    if not isinstance(told.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(told)
        return
    from threading import Timer

    from netkit.cli.frame.exits import Terminated

    number = signal.SIGTERM if isinstance(told.exc_value, Terminated) else signal.SIGINT
    again = Timer(AGAIN, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
