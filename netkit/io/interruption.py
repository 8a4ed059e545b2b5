"""An interruption: what a driver throws into a flow that has to end now.

Four things can arrive where a flow waits, at its `yield`:

    Interrupted             a deadline has passed, or a token was cancelled
    asyncio.CancelledError  the task that awaits the flow was cancelled
    KeyboardInterrupt       Ctrl-C (and what the command line makes of SIGTERM)
    GeneratorExit           the flow is closed, because its result is not needed any more

A flow treats all four alike. It cleans up without waiting, and ends with a bare `raise`. None of them is an
`Exception`, so a handler of ordinary errors (`except OSError`) between the wait and the owner never sees one.

`Interrupted` is private to netkit. Its owner, which is the driver or the `before` that made it, recognises it
by identity and never by class: the Interrupted of an outer `before` passes through an inner one. The owner
raises `error` in its place. So no Interrupted ever reaches a future, a thread, or a caller.

If the cleanup raises something else, this changes nothing. The owner raises `error`, or the CancelledError or
KeyboardInterrupt itself, because `asyncio.timeout` and TaskGroup rely on that. The error of the cleanup
becomes its `__context__`. There is one exception: a Ctrl-C that arrives during the cleanup is not lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from netkit.io.closing import dispose

if TYPE_CHECKING:
    from netkit.io.flow import Flow

T = TypeVar("T")


class Interrupted(BaseException):
    """A deadline or a cancellation, on its way through a flow. `error` is what its owner will raise."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error
        self._explained = False

    def explain(self, error: Exception) -> None:
        """Make the owner raise `error` instead; its cause is the error that the owner would have raised.

        For a flow that knows more than "time is up", such as which addresses were tried. The first flow that
        calls this knows most, so later calls change nothing. The flow re-raises the Interrupted after the
        call.
        """
        if self._explained:
            return
        self._explained = True
        error.__cause__ = self.error
        self.error = error


def interrupt(flow: Flow[T], cause: BaseException) -> BaseException:
    """Throw `cause` into `flow` where it waits, let it clean up, and return what the owner must raise."""
    try:
        return owed(cause, throw_in(flow, cause))
    finally:
        del cause  # its traceback refers to this frame: without `del` they would form a reference cycle


def throw_in(flow: Flow[T], cause: BaseException) -> BaseException | None:
    """Throw `cause` into `flow` where it waits. Returns the error of the cleanup, if it is not `cause`."""
    try:
        flow.throw(cause)
    except StopIteration as end:
        dispose(end.value)  # the flow swallowed the interruption, which is raised nevertheless
        return None
    except BaseException as raised:
        return None if raised is cause else raised
    else:
        return _closed(flow)
    finally:
        del cause  # as above


def _closed(flow: Flow[T]) -> BaseException:
    try:
        flow.close()
    except BaseException as raised:
        return raised
    return RuntimeError("a flow that was interrupted waited again instead of ending")


def owed(cause: BaseException, came: BaseException | None) -> BaseException:
    """What the owner of the interruption `cause` must raise, if the cleanup raised `came`."""
    error: BaseException = cause
    if isinstance(cause, Interrupted):
        error = cause.error.with_traceback(cause.__traceback__)  # the traceback shows where the flow waited
    if came is None:
        came, cause.__context__ = cause.__context__, None  # what a composed flow left there
    if came is None or came is error:
        return error
    _cut(came, cause)
    if not isinstance(came, (Exception, Interrupted, GeneratorExit)):
        came.__context__ = error
        return came  # Ctrl-C during the cleanup
    error.__context__ = came
    return error


def _cut(error: BaseException, cause: BaseException) -> None:
    """Remove `cause` from the chain of contexts that begins with `error`."""
    seen = set()
    while error.__context__ is not None and id(error) not in seen:
        seen.add(id(error))
        if error.__context__ is cause:
            error.__context__ = None
            return
        error = error.__context__
